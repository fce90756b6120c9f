//! `mfilter import`. Each script of `tests/import/sieve` has its result next to it: the
//! rules and, after a line of dashes, the report. `BLESS=1 cargo test --test it import`
//! writes the present result; read the differences before you commit them.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::support::MFILTER;

fn import(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(MFILTER);
    command.env_clear().env("HOME", folder).env("TZ", "UTC").current_dir(folder);
    command.arg("import").args(arguments).output().expect("it runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Standard output and error, and the exit code.
fn came_of(folder: &Path, arguments: &[&str]) -> (String, String, Option<i32>) {
    let output = import(folder, arguments);
    (text(&output.stdout), text(&output.stderr), output.status.code())
}

fn home(files: &[(&str, &str)]) -> tempfile::TempDir {
    let home = tempfile::tempdir().expect("a temporary directory");
    for (name, content) in files {
        fs::write(home.path().join(name), content).expect("written");
    }
    home
}

#[test]
fn every_script_gives_what_is_expected() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/import/sieve");
    let mut scripts: Vec<PathBuf> = fs::read_dir(&folder)
        .expect("tests/import/sieve is there")
        .map(|entry| entry.expect("readable").path())
        .filter(|path| path.extension().is_some_and(|end| end == "sieve"))
        .collect();
    scripts.sort();
    assert!(!scripts.is_empty(), "no scripts");
    let mut wrong = Vec::new();
    for script in &scripts {
        let name = script.file_name().and_then(|name| name.to_str()).expect("UTF-8");
        let (rules, report, code) = came_of(&folder, &["sieve", name]);
        let exact = report.contains(" 0 approximately, 0 not\n");
        assert_eq!(code, Some(i32::from(!exact)), "{name}: {report}");
        let found = format!("{rules}------\n{report}");
        let expected = script.with_extension("expected");
        if std::env::var_os("BLESS").is_some() {
            fs::write(&expected, &found).expect("writable");
        } else if fs::read_to_string(&expected).unwrap_or_default() != found {
            wrong.push(format!("--- {name}\n{found}"));
        }
        // The result is valid, and in the canonical layout.
        let made = home(&[("rules", &rules)]);
        let run = |arguments: &[&str]| {
            let mut command = Command::new(MFILTER);
            command.env_clear().env("HOME", made.path()).current_dir(made.path());
            command.args(arguments).output().expect("it runs")
        };
        let check = text(&run(&["check", "rules"]).stdout);
        assert!(!check.contains("error["), "{name}: {check}");
        let todo = rules.matches("# todo import").count();
        assert_eq!(check.matches("warning[untranslated]").count(), todo, "{name}: {check}");
        assert_eq!(run(&["fmt", "--check", "rules"]).status.code(), Some(0), "{name}");
    }
    assert!(wrong.is_empty(), "{} scripts give something else:\n{}", wrong.len(), wrong.join("\n"));
}

const SCRIPT: &str =
    "require \"fileinto\";\nif header :is \"subject\" \"x\" { fileinto \"A\"; stop; }\n";
const LISTED: &str =
    "require \"extlists\";\nif header :list \"from\" \":addrbook:personal\" { keep; }\n";

#[test]
fn a_new_file_is_private_and_never_takes_the_place_of_another() {
    let home = home(&[("x.sieve", LISTED), ("y.sieve", SCRIPT)]);
    let at = |name: &str| home.path().join(name);
    let (out, report, code) = came_of(home.path(), &["sieve", "x.sieve", "-o", "new"]);
    assert_eq!((out.as_str(), code), ("", Some(0)), "{report}");
    for name in ["new", "personal.list"] {
        let mode = fs::metadata(at(name)).expect("it is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    let list = fs::read_to_string(at("personal.list")).expect("it is there");
    assert!(list.starts_with("# The entries of :addrbook:personal"), "{list}");
    let rules = fs::read(at("new")).expect("it is there");
    let (_, told, code) = came_of(home.path(), &["sieve", "y.sieve", "-o", "new"]);
    assert_eq!(code, Some(2));
    assert!(told.contains("is there already"), "{told}");
    assert_eq!(fs::read(at("new")).expect("it is there"), rules);
    let (_, told, code) = came_of(home.path(), &["sieve", "y.sieve", "-o", "new", "--force"]);
    assert_eq!(code, Some(0), "{told}");
    assert_ne!(fs::read(at("new")).expect("it is there"), rules);
}

#[test]
fn strict_writes_nothing_that_is_not_exact() {
    let home = home(&[("x.sieve", "require \"enotify\";\nnotify \"x\";\n"), ("y.sieve", SCRIPT)]);
    let (out, told, code) = came_of(home.path(), &["sieve", "--strict", "x.sieve", "-o", "new"]);
    assert_eq!((out.as_str(), code), ("", Some(1)));
    assert!(told.contains("\nmfilter: no rules were written: "), "{told}");
    assert!(!home.path().join("new").exists());
    let (out, _, code) = came_of(home.path(), &["sieve", "--strict", "x.sieve"]);
    assert_eq!((out.as_str(), code), ("", Some(1)));
    let (out, _, code) = came_of(home.path(), &["sieve", "--strict", "y.sieve"]);
    assert!(out.contains("folder \"A\""), "{out}");
    assert_eq!(code, Some(0));
}

/// Rules that run what a script names do so, and end where the script would.
#[test]
fn programs_of_a_script_are_run() {
    let script = "require [\"vnd.dovecot.pipe\", \"vnd.dovecot.filter\", \"copy\", \"fileinto\"];\n\
                  if filter \"mark\" { pipe :copy :try \"keep\" [\"a b\"]; fileinto \"A\"; }\n";
    let home = home(&[
        ("x.sieve", script),
        ("mark", "#!/bin/sh\necho X-Mark: yes\nexec cat\n"),
        ("keep", "#!/bin/sh\n(echo \"$# $1\"; cat) >\"$HOME/kept\"\n"),
    ]);
    for program in ["mark", "keep"] {
        let mode = fs::Permissions::from_mode(0o755);
        fs::set_permissions(home.path().join(program), mode).expect("set");
    }
    let folder = home.path().to_str().expect("UTF-8");
    let import = ["sieve", "x.sieve", "-o", ".mailrules", "--programs"];
    let (_, report, code) = came_of(home.path(), &[&import[..], &[folder]].concat());
    assert_eq!(code, Some(0), "{report}");
    let mut command = Command::new(MFILTER);
    command.env_clear().env("HOME", home.path()).current_dir(home.path());
    let mut child = command.stdin(Stdio::piped()).spawn().expect("it runs");
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin.write_all(b"Subject: x\n\nbody\n").expect("written");
    drop(stdin);
    assert!(child.wait().expect("it ends").success());
    let kept = fs::read_to_string(home.path().join("kept")).expect("it was run");
    assert_eq!(kept, "1 a b\nX-Mark: yes\nSubject: x\n\nbody\n");
    let stored = fs::read_dir(home.path().join("Maildir/.A/new")).expect("a folder");
    assert_eq!(stored.count(), 1);

    for (arguments, why) in [
        (["sieve", "x.sieve", "--programs", "bin"], "begins with `/`"),
        (["procmail", "x.sieve", "--programs", "/bin"], "is for Sieve scripts"),
    ] {
        let (_, told, code) = came_of(home.path(), &arguments);
        assert_eq!(code, Some(2));
        assert!(told.contains(why) || told.contains("Sieve"), "{told}");
    }
}

#[test]
fn the_report_is_an_object_too() {
    let home = home(&[("x.sieve", "# rule:[A]\nif true { notify \"x\"; }\nkeep;\n")]);
    let (out, _, code) = came_of(home.path(), &["sieve", "--json", "x.sieve"]);
    assert_eq!(code, Some(1));
    let json: serde_json::Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!(json["totals"]["not"], 1);
    assert_eq!(json["units"][0]["label"], "A");
    assert_eq!(json["units"][0]["verdict"], "not");
    assert_eq!(json["units"][0]["line"], 2);
    let line = json["units"][0]["new_line"].as_u64().expect("a line") as usize;
    let rules = json["rules"].as_str().expect("rules");
    assert!(rules.lines().nth(line - 1).expect("it is there").starts_with("# todo import"));
}

#[test]
fn lines_of_the_new_rules_are_those_of_the_units() {
    let script = "require \"fileinto\";\nif size :over 1K { if size :over 2K { fileinto \"A\"; } fileinto \"B\"; }\n\
         if header :matches \"subject\" \"*\" { fileinto \"C.${1}\"; }\nif true { notify \"x\"; }\n";
    let home = home(&[("x.sieve", script)]);
    let (out, ..) = came_of(home.path(), &["sieve", "--json", "x.sieve"]);
    let json: serde_json::Value = serde_json::from_str(&out).expect("JSON");
    let rules: Vec<&str> = json["rules"].as_str().expect("rules").lines().collect();
    let units = json["units"].as_array().expect("units");
    let line = |unit: &serde_json::Value| {
        rules[unit["new_line"].as_u64().expect("a line") as usize - 1].trim().to_owned()
    };
    let lines: Vec<String> = units.iter().map(line).collect();
    assert!(lines[0].contains("\"A\"") && lines[1].contains("\"B\""), "{lines:?}");
    assert!(lines[2].contains("\"C/${{1}}\""), "{lines:?}");
    assert!(lines[3].starts_with("# todo import: line 4"), "{lines:?}");
}

#[test]
fn bad_files_are_reported() {
    let home = home(&[
        ("binary", "require\0"),
        ("procmailrc", ":0:\n* ^Subject:.*x\nfolder\n"),
        ("crlf.sieve", "require \"fileinto\";\r\n# a\r\nif size :over 1 { fileinto \"A\"; }\r\n"),
        ("cycle.sieve", "include \"cycle\";\nkeep;\n"),
        ("missing.sieve", "include \"none\";\nkeep;\n"),
    ]);
    fs::write(
        home.path().join("latin.sieve"),
        b"if header :is \"subject\" \"\xa1hola!\" { discard; }\n",
    )
    .expect("written");
    for (file, code, word) in [
        ("binary", 2, "this is a binary file"),
        ("procmailrc", 2, "this is a procmailrc"),
        ("none.sieve", 2, "none.sieve"),
        (".", 2, "not a regular file"),
        ("crlf.sieve", 0, "1 of 1 exact"),
        ("latin.sieve", 0, "read as Latin-1"),
        ("cycle.sieve", 1, "cycle.sieve:1: not translated: `cycle` includes itself"),
        (
            "missing.sieve",
            1,
            "missing.sieve:1: not translated: the script `none` cannot be included",
        ),
    ] {
        let (out, told, found) = came_of(home.path(), &["sieve", file]);
        assert_eq!(found, Some(code), "{file}: {told}");
        assert!(told.contains(word), "{file}: {told}");
        assert_eq!(out.is_empty(), code == 2, "{file}: {out}");
    }
}

#[test]
fn included_scripts_are_read() {
    let home = home(&[
        (
            "main.sieve",
            "require [\"include\", \"variables\", \"fileinto\"];\nglobal \"where\";\nset \"where\" \"A\";\n\
          include :personal \"one\";\ninclude :optional \"none\";\nfileinto \"${where}\";\n",
        ),
        (
            "one.sieve",
            "require [\"include\", \"variables\"];\nglobal \"where\";\nset \"own\" \"x\";\n\
          if header :is \"subject\" \"b\" { set \"where\" \"B\"; }\nif size :over 1M { discard; stop; }\nreturn;\nkeep;\n",
        ),
    ]);
    let (rules, report, code) = came_of(home.path(), &["sieve", "main.sieve"]);
    assert_eq!(code, Some(0), "{report}");
    for line in [
        "let where = \"A\"",
        "when subject is \"b\" -> let where = \"B\"",
        "when size > 1M        -> discard",
        "when where is \"A\"    -> folder \"A\"",
        "when where is \"B\"    -> folder \"B\"",
    ] {
        let plain = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(plain(&rules).contains(&plain(line)), "{line}:\n{rules}");
    }
}

/// What Proton deletes after some time, `mfilter expire` deletes at that time, even if the
/// message was stored before the script says so, and in whatever folder it is.
#[test]
fn what_expires_is_deleted() {
    let script = "require [\"fileinto\", \"vnd.proton.expire\"];\nfileinto \"A\";\n\
        if header :is \"subject\" \"sale\" { expire \"second\" \"1\"; }\n\
        if header :is \"subject\" \"late\" { expire \"day\" \"7\"; }\n";
    let home = home(&[("x.sieve", script)]);
    let (_, report, code) = came_of(home.path(), &["sieve", "x.sieve", "-o", ".mailrules"]);
    assert_eq!(code, Some(0), "{report}");
    assert_eq!(report.matches("mail that expires is deleted by `mfilter watch`").count(), 1);
    let run = |arguments: &[&str], input: &str| {
        let mut command = Command::new(MFILTER);
        command.env_clear().env("HOME", home.path()).env("PATH", "/usr/bin:/bin");
        command.current_dir(home.path()).args(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("it runs");
        child.stdin.take().expect("a pipe").write_all(input.as_bytes()).expect("written");
        child.wait_with_output().expect("it ends")
    };
    let in_folder = |folder: &str| {
        let entries = |part: &str| {
            let read = fs::read_dir(home.path().join("Maildir").join(folder).join(part));
            read.into_iter().flatten().map(|entry| entry.expect("readable").path())
        };
        entries("new").chain(entries("cur")).collect::<Vec<_>>()
    };
    for (number, subject) in ["sale", "other", "late", "other", "sale", "late"].iter().enumerate() {
        let message =
            format!("From: a@x.example\nSubject: {subject}\nMessage-ID: <{number}@x>\n\nx\n");
        let output = run(&[], &message);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
    }
    assert_eq!(in_folder(".A").len(), 6);
    // A mail reader moves one, with its keyword.
    let maildir = home.path().join("Maildir");
    fs::create_dir_all(maildir.join(".B/cur")).expect("made");
    fs::copy(maildir.join(".A/dovecot-keywords"), maildir.join(".B/dovecot-keywords"))
        .expect("copied");
    let moved = in_folder(".A")
        .into_iter()
        .find(|path| fs::read_to_string(path).is_ok_and(|text| text.contains("<4@x>")));
    let moved = moved.expect("it is there");
    let name = moved.file_name().expect("a name");
    fs::rename(&moved, maildir.join(".B/cur").join(name)).expect("moved");
    std::thread::sleep(std::time::Duration::from_millis(2100));
    let expired = run(&["expire"], "");
    assert_eq!(expired.status.code(), Some(0), "{expired:?}");
    let left = in_folder(".A").into_iter().chain(in_folder(".B"));
    let mut left: Vec<String> = left
        .map(|path| fs::read_to_string(path).expect("a message"))
        .filter_map(|text| text.lines().nth(1).map(str::to_owned))
        .collect();
    left.sort();
    let expected = ["late", "late", "other", "other"].map(|word| format!("Subject: {word}"));
    assert_eq!(left, expected, "{expired:?}");
}

/// The files in examples/import are the result of their script.
#[test]
fn the_example_shows_the_real_result() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/import");
    let (rules, report, _) = came_of(&folder, &["sieve", "filters.sieve"]);
    for (name, found) in [("filters.mailrules", rules), ("filters.report", report)] {
        let path = folder.join(name);
        if std::env::var_os("BLESS").is_some() {
            fs::write(&path, &found).expect("writable");
        }
        assert_eq!(fs::read_to_string(&path).expect("it is there"), found, "{name}");
    }
}
