//! `mfilter import procmail|maildrop … --try`: old mail judged by the old program and
//! by the new rules.

#![allow(clippy::print_stderr, reason = "a skipped test says so")]

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::{MFILTER, skipped};

/// What it prints, and its exit status.
fn tried(home: &Path, arguments: &[&str]) -> (String, Option<i32>) {
    let output = Command::new(MFILTER)
        .env_clear()
        .env("HOME", home)
        .env("PATH", "/usr/bin:/bin")
        .current_dir(home)
        .arg("import")
        .args(arguments)
        .args(["--try", "mbox"])
        .output()
        .expect("it runs");
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    (String::from_utf8_lossy(&output.stdout).into_owned(), output.status.code())
}

/// Mail with these subjects.
fn mbox(home: &Path, subjects: &[&str]) {
    let message = |subject: &&str| {
        format!("From a@b Mon Jan  1 00:00:00 2024\nFrom: a@b.example\nSubject: {subject}\n\nx\n\n")
    };
    let all: String = subjects.iter().map(message).collect();
    fs::write(home.join("mbox"), all).expect("written");
}

const SUBJECTS: [&str; 8] =
    ["plain", "spam", "list one", "send on", "copy", "go away", "program", "seen"];

#[test]
fn procmail_is_asked_and_delivers_nothing() {
    if skipped("the test with the real procmail", &["/usr/bin/procmail"], false) {
        return;
    }
    let home = tempfile::tempdir().expect("a directory");
    mbox(home.path(), &SUBJECTS);
    let rc = "MAILDIR=$HOME/Maildir\nDEFAULT=$MAILDIR/\nLOGFILE=$HOME/told\n\
        :0:\n* ^Subject: spam\nspam/\n\
        :0\n* ^Subject: list \\/[a-z]+\nlists/$MATCH/\n\
        :0\n* ^Subject: send\n! x@y.example\n\
        :0 c\n* ^Subject: copy\n.Copies/\n\
        :0 c\n* ^Subject: seen\nseen/\n\
        :0 hi\n* LASTFOLDER ?? \\/[^/]+$\n| mv $LASTFOLDER seen/cur/$MATCH:2,S\n\
        :0\n* ^Subject: go away\n{\n  EXITCODE=77\n  :0\n  /dev/null\n}\n\
        :0\n* ^Subject: program\n| touch $HOME/touched\n";
    fs::write(home.path().join("rc"), rc).expect("written");
    let (out, code) = tried(home.path(), &["procmail", "rc"]);
    assert_eq!((out.as_str(), code), ("8 messages, 0 are filed differently\n", Some(0)));
    // The home is where a rule without MAILDIR starts.
    fs::write(home.path().join("rc"), ":0 c\n* ^Subject: spam\nMail/spam\n").expect("written");
    let (out, code) = tried(home.path(), &["procmail", "rc"]);
    assert_eq!((out.as_str(), code), ("8 messages, 0 are filed differently\n", Some(0)));
    // A pattern that makes a difference: for procmail a dot is any character.
    fs::write(home.path().join("rc"), ":0\n* ^Subject: p.ain\nA/\n:0\n* ^Subject: s.am\nB/\n")
        .expect("written");
    mbox(home.path(), &["s.am", "spam"]);
    let (out, code) = tried(home.path(), &["procmail", "rc"]);
    assert_eq!(code, Some(1), "{out}");
    assert!(out.contains("2 messages, 1 are filed differently"), "{out}");
    assert!(out.contains("procmail: B\n    mfilter:  INBOX\n"), "{out}");
    // What only changes a text is run.
    let rc = "MAILDIR=$HOME/Maildir\n:0\n* ^Subject: \\/s[a-z]+\n\
        {\n  LIST=`echo \"$MATCH\" | sed -e 's/m$//' | tr a-z A-Z`\n  :0\n  list-$LIST/\n}\n";
    fs::write(home.path().join("rc"), rc).expect("written");
    let (out, code) = tried(home.path(), &["procmail", "rc"]);
    assert_eq!((out.as_str(), code), ("2 messages, 0 are filed differently\n", Some(0)));
    // A program names the folder.
    let rc = ":0\n* ^Subject: s\\.am\nB/\n:0\n* ^Subject: \\/spam\nlist-`echo $MATCH | cat`/\n";
    fs::write(home.path().join("rc"), rc).expect("written");
    let (out, _) = tried(home.path(), &["procmail", "rc"]);
    let end = "    (a program comes before, which `--try` does not run)\n\
               2 messages, 1 are filed differently; 1 of them after a program that is left out\n";
    assert!(out.ends_with(end) && out.contains("procmail: INBOX\n"), "{out}");
    for name in ["told", "touched", "Maildir"] {
        assert!(!home.path().join(name).exists(), "{name}");
    }
}

#[test]
fn maildrop_is_asked_and_delivers_nothing() {
    if skipped("the test with the real maildrop", &["/usr/bin/maildrop"], false) {
        return;
    }
    let home = tempfile::tempdir().expect("a directory");
    mbox(home.path(), &SUBJECTS);
    let filter = "M=\"$HOME/Maildir\"\nDEFAULT=\"$M/\"\nlogfile \"$HOME/told\"\n\
        if (/^Subject: spam/)\n{\n  FLAGS=S\n  to \"$M/.Spam/\"\n}\n\
        if (/^Subject: list ([a-z]+)/)\n  to \"$M/.Lists.$MATCH1/\"\n\
        elsif (/^Subject: send/)\n  to \"!x@y.example\"\n\
        if (/^Subject: copy/)\n  cc $M/.Copies\n\
        if (/^Subject: go away/)\n{\n  EXITCODE=77\n  exit\n}\n\
        `touch $HOME/touched`\nxfilter \"touch $HOME/touched\"\n\
        if (/^Subject: program/)\n  to \"|touch $HOME/touched\"\n";
    fs::write(home.path().join("filter"), filter).expect("written");
    let (out, code) = tried(home.path(), &["maildrop", "filter"]);
    assert_eq!((out.as_str(), code), ("8 messages, 0 are filed differently\n", Some(0)));
    fs::write(home.path().join("filter"), "if (/^Subject: s.am/)\n  to Maildir/.B/\n")
        .expect("written");
    mbox(home.path(), &["s.am", "spam"]);
    let (out, code) = tried(home.path(), &["maildrop", "filter"]);
    assert_eq!(code, Some(1), "{out}");
    assert!(out.contains("2 messages, 1 are filed differently"), "{out}");
    assert!(out.contains("maildrop: B\n    mfilter:  INBOX\n"), "{out}");
    for name in ["told", "touched", "Maildir"] {
        assert!(!home.path().join(name).exists(), "{name}");
    }
}
