//! The README's ways to install and the guide's settings of other programs are copied
//! as they are and tried; `documents` tests the rules and outputs in the documents.

#![allow(clippy::print_stderr, reason = "a skipped test says so")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{Home, MFILTER, Run, long, run, skipped, write};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The blocks of a language in a document; an empty `language` for blocks without one.
fn blocks(document: &str, language: &str) -> Vec<String> {
    let text = fs::read_to_string(root().join(document)).expect("the document is there");
    let (mut blocks, mut open): (Vec<String>, Option<String>) = (Vec::new(), None);
    let mut expected = false;
    for line in text.lines() {
        match (line.strip_prefix("```"), &mut open) {
            (Some(_), Some(block)) => {
                blocks.extend(expected.then(|| std::mem::take(block)));
                open = None;
            }
            (Some(name), None) => {
                expected = name == language;
                open = Some(String::new());
            }
            (None, Some(block)) => block.push_str(&format!("{line}\n")),
            (None, None) => {}
        }
    }
    blocks
}

/// The README's commands for one way to install, and to uninstall.
fn way(word: &str) -> (String, String) {
    let all = blocks("README.md", "sh");
    let block = all.iter().find(|block| block.contains(word)).expect("the README has it");
    let (away, install): (Vec<&str>, Vec<&str>) =
        block.lines().partition(|line| line.contains("# removes it"));
    assert_eq!(away.len(), 1, "{block}");
    (install.join("\n"), away.join("\n"))
}

/// A folder with a `packaging/build` that packs the program under test, so that nothing
/// has to be compiled.
fn source(home: &Home) -> PathBuf {
    let source = home.path().join("source");
    let build = source.join("packaging/build");
    let real = root().join("packaging/build");
    write(
        &build,
        format!("#!/bin/sh\nexec {} \"$1\" {MFILTER} \"$PWD/target/packages\"\n", real.display()),
    );
    fs::set_permissions(&build, fs::Permissions::from_mode(0o755)).expect("may");
    source
}

/// Runs commands of the README in a folder.
fn shell(home: &Home, folder: &Path, path: &str, script: &str) -> Run {
    let mut command = Command::new("/bin/sh");
    command.args(["-ec", script]).current_dir(folder);
    command.env("HOME", home.path()).env("PATH", format!("{path}:/usr/sbin:/usr/bin:/bin:/sbin"));
    command.env("DPKG_DEB_COMPRESSOR_LEVEL", "1");
    run(command, b"")
}

#[test]
fn the_tarball_of_the_readme_installs_and_uninstalls() {
    if skipped("the tarball of the README", &["/usr/bin/gzip", "/usr/bin/strip"], false) {
        return;
    }
    let home = Home::new();
    let source = source(&home);
    let (install, away) = way("packaging/build tarball");
    let cargo = Path::new(env!("CARGO")).parent().expect("a folder").display().to_string();
    let installed = shell(&home, &source, &cargo, &install);
    assert_eq!(installed.code, Some(0), "{installed:?}");
    let program = home.path().join(".local/bin/mfilter");
    let mut deliver = Command::new(&program);
    deliver.env_clear().env("HOME", home.path());
    let delivered = run(deliver, b"From: a@b.example\n\nhello\n");
    assert_eq!(delivered.code, Some(0), "{delivered:?}");
    let inbox = fs::read_dir(home.path().join("Maildir/new")).expect("there is an inbox");
    assert_eq!(inbox.count(), 1);
    let gone = shell(&home, &source, &cargo, &away);
    assert_eq!(gone.code, Some(0), "{gone:?}");
    assert!(!program.exists());
}

#[test]
fn the_package_of_the_readme_installs_and_uninstalls() {
    let tools = ["/usr/bin/dpkg", "/usr/bin/dpkg-deb", "/usr/bin/strip"];
    if skipped("the package of the README", &tools, true) {
        return;
    }
    let home = Home::new();
    let source = source(&home);
    // Into a root of the test's own; apt would need a complete one.
    let machine = home.path().join("machine");
    for folder in ["var/lib/dpkg/info", "var/lib/dpkg/updates"] {
        fs::create_dir_all(machine.join(folder)).expect("made");
    }
    write(&machine.join("var/lib/dpkg/status"), "");
    let apt = home.path().join("bin/apt");
    let dpkg =
        format!("dpkg --root={} --force-not-root --force-script-chrootless", machine.display());
    write(
        &apt,
        format!(
            "#!/bin/sh\ncase $1 in\ninstall) shift; exec {dpkg} --install \"$@\" ;;\n\
             purge) shift; exec {dpkg} --purge \"$@\" ;;\nesac\nexit 1\n"
        ),
    );
    fs::set_permissions(&apt, fs::Permissions::from_mode(0o755)).expect("may");
    let (install, away) = way("packaging/build deb");
    let cargo = Path::new(env!("CARGO")).parent().expect("a folder");
    let path = format!("{}:{}", apt.parent().expect("a folder").display(), cargo.display());
    let installed = shell(&home, &source, &path, &install);
    assert_eq!(installed.code, Some(0), "{installed:?}");
    let program = machine.join("usr/bin/mfilter");
    assert!(program.exists());
    let gone = shell(&home, &source, &path, &away);
    assert_eq!(gone.code, Some(0), "{gone:?}");
    assert!(!program.exists());
}

#[test]
fn the_cargo_command_of_the_readme_installs_and_uninstalls() {
    let (install, away) = way("cargo install");
    if !long() {
        eprintln!("skipped: cargo install takes minutes; MFILTER_LONG=1 runs it");
        return;
    }
    let home = Home::new();
    let cargo = Path::new(env!("CARGO")).parent().expect("a folder").display().to_string();
    let target =
        format!("export CARGO_HOME=\"$HOME/.cargo\" CARGO_TARGET_DIR=\"$HOME/t\"\n{install}");
    let installed = shell(&home, root(), &cargo, &target);
    assert_eq!(installed.code, Some(0), "{installed:?}");
    let program = home.path().join(".cargo/bin/mfilter");
    assert!(program.exists());
    let away = format!("export CARGO_HOME=\"$HOME/.cargo\"\n{away}");
    let gone = shell(&home, root(), &cargo, &away);
    assert_eq!(gone.code, Some(0), "{gone:?}");
    assert!(!program.exists());
}

/// Each program reads the file of the chapter and finds nothing wrong in it.
#[test]
fn the_files_for_other_programs_are_read_by_them() {
    const CHAPTER: &str = "docs/guide/without-a-mail-server.md";
    for (language, chapter, program, arguments, says) in [
        // There is no such channel; a mistake would be reported first.
        ("mbsyncrc", CHAPTER, "/usr/bin/mbsync", &["-c", "FILE", "-l", "none"][..], "named 'none'"),
        (
            "fetchmailrc",
            CHAPTER,
            "/usr/bin/fetchmail",
            &["-V", "-f", "FILE"],
            "with \"/usr/bin/mfilter\"",
        ),
        (
            "offlineimaprc",
            CHAPTER,
            "/usr/bin/offlineimap",
            &["-a", "none", "-c", "FILE"],
            "'none' does not",
        ),
        ("getmailrc", CHAPTER, "/usr/bin/getmail", &["--dump", "--rcfile", "FILE"], "MDA_external"),
        (
            "dovecot",
            "docs/guide/imap-servers.md",
            "/usr/bin/doveconf",
            &["-n", "-c", "FILE"],
            "maildir:",
        ),
    ] {
        let test = format!("the file of {language}");
        if skipped(&test, &[program], false) {
            continue;
        }
        let found = blocks(chapter, language);
        assert_eq!(found.len(), 1, "{language}");
        let home = Home::new();
        // For programs that must exist, the one under test.
        write(&home.path().join(language), found[0].replace("/usr/bin/mfilter", MFILTER));
        let path = home.path().join(language);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("may");
        fs::create_dir(home.path().join(".getmail")).expect("made");
        let mut command = Command::new(program);
        let path = path.to_str().expect("UTF-8");
        command.args(arguments.iter().map(|word| if *word == "FILE" { path } else { word }));
        command.env("HOME", home.path());
        let output = run(command, b"");
        let says = says.replace("/usr/bin/mfilter", MFILTER);
        let text = format!("{}{}", output.stdout, output.stderr);
        assert!(text.contains(&says) && !text.contains("not recognized"), "{language}: {text}");
    }
}

/// Every command in the chapters is a call that mfilter accepts.
#[test]
fn the_commands_of_the_guide_are_valid_usage() {
    let mut tried = 0;
    for entry in fs::read_dir(root().join("docs/guide")).expect("is there") {
        let name = format!("docs/guide/{}", entry.unwrap().file_name().to_string_lossy());
        for block in blocks(&name, "") {
            for line in block.lines().filter(|line| line.starts_with("mfilter ")) {
                let word = line.split(' ').nth(1).unwrap_or_default();
                // Skipped: a line of Postfix's settings; commands that run until they
                // are stopped; those for the whole machine; those for a server's users.
                if ["unix", "watch", "managesieve", "lmtp"].contains(&word)
                    || line.contains("/etc/")
                    || line.contains("--user ")
                {
                    continue;
                }
                let home = home_with_everything();
                if line.contains(" -o ") {
                    let _ = fs::remove_file(home.path().join("new.mailrules"));
                }
                let line = line.replace("/var/mail/hana", "~/spool").replace("| less", "| cat");
                let programs = Path::new(MFILTER).parent().expect("a folder").display().to_string();
                let output = shell(&home, home.path(), &programs, &line);
                let usage =
                    output.stderr.contains("Usage:") || output.stderr.contains("unexpected");
                assert!(output.code != Some(2) && !usage, "{name}: {line}: {output:?}");
                tried += 1;
            }
        }
    }
    assert!(tried > 10, "{tried}");
}

/// A home with everything that the commands of the guide name.
fn home_with_everything() -> Home {
    let home = Home::with_rules("list white \"white\"\n");
    let import = root().join("examples/import");
    for (from, to) in [
        ("filters.sieve", ".dovecot.sieve"),
        ("mailfilter", ".mailfilter"),
        ("msgFilterRules.dat", "msgFilterRules.dat"),
        ("mailFilters.xml", "mailFilters.xml"),
    ] {
        fs::copy(import.join(from), home.path().join(to)).expect("copied");
    }
    home.write(".procmailrc", ":0\n* ^Subject:.*sale\nNews/\n");
    home.write("white", "");
    home.write(".mail/archive.mailrules", "when age > 30d -> folder \"Archive\"\n");
    let mbox = "From a@b.example Mon Nov 27 10:00:00 2026\nFrom: a@b.example\n\nhello\n";
    for name in ["spool", "mail/archive.mbox", "Mail/old"] {
        home.write(name, mbox);
    }
    home.write("MESSAGE", "From: a@b.example\nMessage-ID: <a@b.example>\n\nhello\n");
    for folder in ["cur", "new", "tmp"] {
        fs::create_dir_all(home.path().join("Maildir").join(folder)).expect("made");
    }
    // Some commands come after the one that writes the new rules.
    home.write("new.mailrules", "when subject contains \"sale\" -> folder \"News\"\n");
    home
}
