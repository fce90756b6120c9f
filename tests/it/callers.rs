//! What callers leave behind: signals, descriptors, a umask, an environment.

#![allow(clippy::print_stderr, reason = "a skipped test says so")]

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{Home, MFILTER, Run, run, write};

const MESSAGE: &[u8] = b"From: a@b.example\nSubject: hello\n\nbody\n";

/// A delivery called by a shell that first does `first`; the last line of that may be a
/// program that starts ours.
fn by(home: &Home, first: &str) -> Run {
    let mut command = Command::new("/bin/sh");
    let starter = if first.starts_with("exec env") { " " } else { "\nexec " };
    command.args(["-c", &format!("{first}{starter}{MFILTER}")]);
    command.env_clear().env("HOME", home.path()).env("USER", "taro").env("PATH", "/usr/bin:/bin");
    run(command, MESSAGE)
}

/// The paths from a directory downwards that users other than the owner can access.
fn open_to_others(path: &Path) -> Vec<PathBuf> {
    let mode = fs::metadata(path).expect("is there").mode();
    let expected = if path.is_dir() { 0o700 } else { 0o600 };
    let mut found = Vec::new();
    if mode & 0o7777 != expected {
        found.push(path.to_owned());
    }
    for entry in fs::read_dir(path).into_iter().flatten() {
        found.extend(open_to_others(&entry.expect("readable").path()));
    }
    found
}

#[test]
fn signals_that_the_caller_ignores_or_blocks() {
    for first in [
        "exec env --ignore-signal=CHLD",
        "exec env --ignore-signal=CHLD,PIPE,HUP,TERM,INT,XFSZ",
        "exec env --block-signal=CHLD,PIPE,HUP,TERM,INT,XFSZ",
    ] {
        let home = Home::with_rules("pipe \"/bin/sh\" \"-c\" \"cat > \\\"$HOME/got\\\"\"\n");
        let run = by(&home, first);
        assert_eq!(run.code, Some(0), "{first}: {run:?}");
        assert_eq!(fs::read(home.path().join("got")).expect("is there"), MESSAGE);
        let home = Home::with_rules("pipe \"/bin/sh\" \"-c\" \"exit 3\"\n");
        let run = by(&home, first);
        assert_eq!(run.code, Some(75), "{first}: {run:?}");
        assert!(run.stderr.contains("ended with status 3"), "{run:?}");
    }
}

#[test]
fn descriptors_that_the_caller_has_closed() {
    let home = Home::with_rules("folder \"A\"\n");
    for first in ["exec >&-", "exec 2>&-", "exec >&- 2>&-"] {
        let run = by(&home, first);
        assert_eq!(run.code, Some(0), "{first}: {run:?}");
    }
    let mail = home.mail();
    assert_eq!(mail.len(), 3);
    assert!(mail.iter().all(|mail| mail.bytes == MESSAGE));
}

#[test]
fn an_empty_sender_option_hides_nothing() {
    let home = Home::with_rules(
        "when envelope-from is \"o'brien@b.example\" -> folder \"A\"\n\
         when has envelope-from -> folder \"B\"\nfolder \"C\"\n",
    );
    let message = [b"Return-Path: <o'brien@b.example>\n", MESSAGE].concat();
    for (arguments, folder) in [
        (&["-f-"][..], ".A"),
        (&["-f", "-"], ".A"),
        (&["-f", "unknown"], ".A"),
        (&["-f", "o_brien@b.example"], ".A"),
        (&["-f", "x@b.example"], ".B"),
        (&["-f", ""], ".C"),
    ] {
        let run = home.run(arguments, &message);
        assert_eq!(run.code, Some(0), "{arguments:?}: {run:?}");
        let mail = home.mail();
        assert_eq!(mail.len(), 1);
        assert_eq!(mail[0].folder, folder, "{arguments:?}");
        fs::remove_file(&mail[0].path).expect("removed");
    }
}

#[test]
fn a_container_logs_to_standard_error() {
    for (path, first) in [("/dev/stderr", ":"), ("/dev/stdout", ":"), ("/dev/stderr", "exec 2>&-")]
    {
        let home = Home::with_rules(&format!("set log \"{path}\"\nfolder \"A\"\n"));
        let run = by(&home, first);
        assert_eq!(run.code, Some(0), "{run:?}");
        let (said, silent) = match path {
            "/dev/stderr" => (&run.stderr, &run.stdout),
            _ => (&run.stdout, &run.stderr),
        };
        assert_eq!(silent, "", "{path}");
        let there = first == ":";
        assert_eq!(said.contains(" delivered folder=\"A\""), there, "{path} {first}: {run:?}");
        assert_eq!(home.mail().len(), 1);
    }
}

#[test]
fn an_unknown_time_zone_is_reported() {
    let home =
        Home::with_rules("set timezone \"Asia/Tokyo\"\nwhen time >= 00:00 -> folder \"A\"\n");
    home.write("zones/none", "");
    let mut command = home.command(&[]);
    command.env("TZDIR", home.path().join("zones"));
    let run = run(command, MESSAGE);
    assert_eq!(run.code, Some(0), "{run:?}");
    let log = fs::read_to_string(home.path().join(".local/state/mfilter/log")).expect("is there");
    assert!(log.contains("the time zone `Asia/Tokyo` is not known here"), "{log}");
}

#[test]
fn an_empty_standard_input_is_not_a_message() {
    let home = Home::with_rules("folder \"A\"\n");
    for first in ["exec <&-", "exec </dev/null", "exec <&- >&-"] {
        let run = by(&home, first);
        assert_eq!(run.code, Some(75), "{first}: {run:?}");
        assert_eq!(run.stderr, "4.3.0 mfilter: standard input is empty: there is no message\n");
    }
    assert!(home.mail().is_empty());
}

#[test]
fn what_is_made_is_private_whatever_the_umask_is() {
    for umask in ["0777", "0000", "0022"] {
        let home =
            Home::with_rules("copy \"A\"\npipe \"/bin/sh\" \"-c\" \"cat > \\\"$HOME/got\\\"\"\n");
        let run = by(&home, &format!("umask {umask}"));
        assert_eq!(run.code, Some(0), "{umask}: {run:?}");
        for made in ["Maildir", ".local", ".cache", "got"] {
            let found = open_to_others(&home.path().join(made));
            assert_eq!(found, Vec::<PathBuf>::new(), "{umask}");
        }
    }
}

/// Rules with a program that records its home.
const TELLS_ITS_HOME: &str =
    "run \"/bin/sh\" \"-c\" \"printf %s \\\"$HOME\\\" > \\\"$HOME/told\\\"\"\nfolder \"A\"\n";

#[test]
fn a_home_is_the_same_for_a_program_whatever_bytes_it_is_made_of() {
    let parent = Home::new();
    for name in [&b"h\xffome"[..], b"ho\nme", b"h o'm\"e", "家".as_bytes()] {
        let home = parent.path().join(OsStr::from_bytes(name));
        write(&home.join(".mailrules"), TELLS_ITS_HOME);
        let mut command = Command::new(MFILTER);
        command.env_clear().env("HOME", &home).env("PATH", "/usr/bin:/bin");
        let run = run(command, MESSAGE);
        assert_eq!(run.code, Some(0), "{home:?}: {run:?}");
        let output = OsString::from_vec(fs::read(home.join("told")).expect("is there"));
        assert_eq!(output, home.as_os_str());
        assert_eq!(crate::support::mail(&home.join("Maildir")).len(), 1);
    }
}

/// The list of users is the machine's own, so nothing is delivered here.
#[test]
fn a_home_missing_from_the_environment_is_in_the_list_of_users() {
    let users = fs::read_to_string("/etc/passwd").expect("readable");
    let uid = rustix::process::getuid().as_raw().to_string();
    let line = users.lines().find(|line| line.split(':').nth(2) == Some(&uid));
    let Some(home) = line.and_then(|line| line.split(':').nth(5)) else {
        eprintln!("skipped: uid {uid} is not in /etc/passwd");
        return;
    };
    for value in [None, Some(""), Some("no/path")] {
        let mut command = Command::new(MFILTER);
        command.args(["state", "--json"]).env_clear().env("PATH", "/usr/bin:/bin");
        value.map(|value| command.env("HOME", value));
        let run = run(command, b"");
        assert_eq!(run.code, Some(0), "{value:?}: {run:?}");
        assert!(run.stdout.contains(home), "{value:?}: {run:?}");
    }
}
