//! What `packaging/build` builds: a Debian package and a tarball, each installed as a
//! user would, used for a delivery, and removed again. They contain the program under
//! test, so that nothing has to be compiled.

#![allow(clippy::print_stderr, reason = "a skipped test says so")]

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{Home, MFILTER, Run, run, skipped};

const MESSAGE: &[u8] = b"From: a@b.example\nSubject: a sale\n\nhello\n";
const RULES: &str = "when subject contains \"sale\" -> folder \"Sale\"\n";
/// The user whose mail is delivered, in a root directory of the test's own.
const USER: u32 = 12_345;

/// Builds a package; `None`, with a note, where that is impossible.
fn build(test: &str, kind: &str, folder: &Path) -> Option<PathBuf> {
    let tool = if kind == "deb" { "/usr/bin/dpkg-deb" } else { "/usr/bin/gzip" };
    if skipped(test, &[tool, "/usr/bin/strip"], false) {
        return None;
    }
    fs::create_dir_all(folder).expect("made");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/packaging/build");
    let mut command = Command::new(script);
    command.args([kind, MFILTER]).arg(folder).env("SOURCE_DATE_EPOCH", "1795737600");
    command.env("DPKG_DEB_COMPRESSOR_LEVEL", "1");
    let output = run(command, b"");
    assert_eq!(output.code, Some(0), "{output:?}");
    Some(PathBuf::from(output.stdout.trim()))
}

/// Runs a program that succeeds.
fn succeeds(program: &str, arguments: &[&str]) -> Run {
    let mut command = Command::new(program);
    command.args(arguments);
    let output = run(command, b"");
    assert_eq!(output.code, Some(0), "{program} {arguments:?}: {output:?}");
    output
}

/// The files below a directory, except those that `besides` names.
fn files(directory: &Path, besides: &str) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    let mut open = vec![directory.to_owned()];
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(&directory).expect("readable") {
            let path = entry.expect("readable").path();
            match path.is_dir() {
                true => open.push(path),
                false if path.to_string_lossy().contains(besides) => {}
                false => drop(found.insert(path)),
            }
        }
    }
    found
}

#[test]
fn the_debian_package_installs_delivers_and_is_purged() {
    let test = "the test of the Debian package";
    if skipped(test, &["/usr/bin/dpkg", "/usr/sbin/chroot"], true) {
        return;
    }
    let home = Home::new();
    let Some(package) = build(test, "deb", &home.path().join("built")) else { return };
    let package = package.display().to_string();
    if skipped("the look at the package", &["/usr/bin/lintian"], false) {
    } else {
        succeeds("/usr/bin/lintian", &["--allow-root", "--fail-on", "error", &package]);
    }

    let root = home.path().join("root");
    for directory in ["var/lib/dpkg/info", "var/lib/dpkg/updates", "home/taro", "tmp", "etc"] {
        fs::create_dir_all(root.join(directory)).expect("made");
    }
    fs::write(root.join("var/lib/dpkg/status"), "").expect("written");
    let dpkg = |action: &str, what: &str| {
        let root = format!("--root={}", root.display());
        // The scripts of the package find no shell in there, and nothing to do.
        let options = ["--force-not-root", "--force-script-chrootless"];
        succeeds("/usr/bin/dpkg", &[&[root.as_str()], &options[..], &[action, what]].concat())
    };
    let before = files(&root, "/var/lib/dpkg/");
    dpkg("--install", &package);
    for (file, mode) in [
        ("usr/bin/mfilter", 0o755),
        ("usr/share/man/man1/mfilter.1.gz", 0o644),
        ("usr/share/man/man5/mailrules.5.gz", 0o644),
        ("usr/share/man/ja/man1/mfilter.1.gz", 0o644),
        ("usr/share/man/ja/man5/mailrules.5.gz", 0o644),
        ("usr/share/vim/vimfiles/syntax/mailrules.vim", 0o644),
        ("usr/share/emacs/site-lisp/mailrules-mode.el", 0o644),
        ("usr/share/bash-completion/completions/mfilter", 0o644),
        ("usr/lib/systemd/user/mfilter-watch.service", 0o644),
        ("usr/lib/systemd/system/mfilter-managesieve.service", 0o644),
        ("usr/share/doc/mfilter/README.ja.md", 0o644),
        ("usr/share/doc/mfilter/copyright", 0o644),
        ("usr/share/doc/mfilter/examples/first.mailrules", 0o644),
        ("usr/share/doc/mfilter/docs/guide/mail-servers.md", 0o644),
    ] {
        let there = fs::metadata(root.join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
        assert_eq!(there.permissions().mode() & 0o7777, mode, "{file}");
    }

    // Nothing else is there, not even a C library.
    let taro = root.join("home/taro");
    fs::write(taro.join(".mailrules"), RULES).expect("written");
    for path in [taro.clone(), taro.join(".mailrules")] {
        chown(path, Some(USER), Some(USER)).expect("root may");
    }
    let mut chroot = Command::new("/usr/sbin/chroot");
    chroot.arg(format!("--userspec={USER}:{USER}")).arg(&root).arg("/usr/bin/mfilter");
    chroot.env_clear().env("HOME", "/home/taro");
    let output = run(chroot, MESSAGE);
    assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""), "{output:?}");
    let delivered = files(&taro.join("Maildir/.Sale/new"), "no such");
    assert_eq!(delivered.len(), 1, "{delivered:?}");

    dpkg("--purge", "mfilter");
    let after = files(&root, "/var/lib/dpkg/");
    let left: Vec<_> = after.difference(&before).filter(|path| !path.starts_with(&taro)).collect();
    assert!(left.is_empty(), "{left:?}");
    assert!(files(&taro, "no such").is_superset(&delivered), "mail stays");
}

#[test]
fn the_tarball_installs_for_one_user_and_is_the_same_each_time() {
    let home = Home::with_rules(RULES);
    let test = "the test of the tarball";
    let Some(package) = build(test, "tarball", &home.path().join("built")) else { return };
    let again = build(test, "tarball", &home.path().join("again")).expect("as before");
    assert!(
        fs::read(&package).expect("readable") == fs::read(&again).expect("readable"),
        "two builds are of the same bytes"
    );

    let unpacked = home.path().join("unpacked");
    fs::create_dir(&unpacked).expect("made");
    let (from, to) = (package.display().to_string(), unpacked.display().to_string());
    succeeds("tar", &["-xzf", &from, "-C", &to]);
    let name = package.file_name().expect("a name").to_string_lossy().into_owned();
    let script = unpacked.join(name.trim_end_matches(".tar.gz")).join("install.sh");
    let install = |arguments: &[&str]| {
        let mut command = Command::new(&script);
        command.args(arguments).env("HOME", home.path());
        run(command, b"")
    };
    let local = home.path().join(".local");
    let output = install(&[]);
    assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""), "{output:?}");
    let program = local.join("bin/mfilter");
    let line = format!("\"|{}\"", program.display());
    assert!(output.stdout.contains(&line), "{output:?}");
    let unit = fs::read_to_string(local.join("share/systemd/user/mfilter-watch.service"));
    assert!(unit.expect("readable").contains("ExecStart=%h/.local/bin/mfilter watch"));
    let units = fs::read_dir(local.join("share/systemd/user")).expect("readable").count();
    let shipped = fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/systemd"));
    // Three are in the Debian package only, and one takes the place of another.
    assert_eq!(
        units + 4,
        shipped.expect("readable").count(),
        "each has its place in packaging/build"
    );

    let mut deliver = Command::new(&program);
    deliver.env_clear().env("HOME", home.path());
    assert_eq!(run(deliver, MESSAGE).code, Some(0));
    assert_eq!(home.mail().len(), 1);

    // Installed over itself, while it may be running.
    assert_eq!(install(&[]).code, Some(0));
    home.write(".forward", &line);
    let output = install(&["--uninstall"]);
    assert!(output.code == Some(1) && output.stderr.contains(".forward"), "{output:?}");
    assert!(program.exists(), "mail is not lost to a program that is gone");
    home.write(".forward", "");
    assert_eq!(install(&["--uninstall"]).code, Some(0));
    let left = files(&local, "/state/");
    assert!(left.is_empty(), "{left:?}");
    assert_eq!(home.mail().len(), 1, "mail stays");
    assert_eq!(install(&["relative"]).code, Some(2));
}

/// What the profile allows was tried with a kernel that has AppArmor; here, that its parser
/// takes it.
#[test]
fn apparmors_profile_compiles() {
    const PARSER: &str = "/usr/sbin/apparmor_parser";
    if skipped("AppArmor's profile", &[PARSER], false) {
        return;
    }
    let profile = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/apparmor/mfilter-lmtp");
    succeeds(PARSER, &["--skip-kernel-load", "--skip-cache", profile]);
}
