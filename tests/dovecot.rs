//! What an IMAP user sees of our deliveries, by a real Dovecot.

#![allow(clippy::print_stderr, reason = "a skipped test says so")]

mod support;

use std::fs;
use std::os::unix::process::CommandExt;
use std::process::Command;

use support::{Home, skipped};

const DOVEADM: &str = "/usr/bin/doveadm";
/// nobody and nogroup: Dovecot serves no mail to root.
const NOBODY: u32 = 65534;

const RULES: &str = r#"
when subject is "junk"    -> folder "迷惑メール" as seen
when subject is "nested"  -> folder "A/B"
when subject is "keyword" -> folder "A" as flagged "$Work"
when subject is "again"   -> folder "A" as "$Second" "$Work"
when subject is "copies"  -> copy "A/B" as seen, inbox as replied
"#;

fn deliver(home: &Home, subjects: &[&str]) {
    own(home, rustix::process::geteuid().as_raw());
    for subject in subjects {
        let message = format!("From: a@b.example\nSubject: {subject}\n\nこんにちは\n");
        let run = home.deliver(message.as_bytes());
        assert_eq!(run.code, Some(0), "{run:?}");
        assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("", ""), "silent on success");
    }
}

/// Gives the home to the one who uses it next, where that can be.
fn own(home: &Home, user: u32) {
    if rustix::process::geteuid().is_root() {
        let owned = Command::new("chown").args(["-R", &user.to_string()]).arg(home.path()).status();
        assert!(owned.expect("chown runs").success());
    }
}

/// Runs doveadm on a home's Maildir as its owner.
fn doveadm(home: &Home, location: &str, arguments: &[&str]) -> String {
    let path = home.path().display();
    home.write(
        "dovecot.conf",
        format!(
            "base_dir = {path}/run\nstate_dir = {path}/run\nlog_path = {path}/dovecot.log\n\
             mail_location = maildir:{path}/Maildir{location}\nfirst_valid_uid = 1\n\
             namespace inbox {{\n inbox = yes\n separator = /\n}}\n"
        ),
    );
    let mut command = Command::new(DOVEADM);
    command.arg("-c").arg(home.path().join("dovecot.conf")).args(arguments);
    command.env_clear().env("HOME", home.path()).env("USER", "nobody").current_dir("/");
    if rustix::process::geteuid().is_root() {
        own(home, NOBODY);
        command.uid(NOBODY).gid(NOBODY);
    }
    let output = command.output().expect("doveadm runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && errors.is_empty(), "{errors}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// `folder: subject flags` of each message, sorted.
fn seen(home: &Home, location: &str) -> Vec<String> {
    let fetch = ["-f", "tab", "fetch", "mailbox flags hdr.subject", "ALL"];
    let mut seen: Vec<String> = doveadm(home, location, &fetch)
        .lines()
        .skip(1)
        .map(|line| match line.split('\t').collect::<Vec<_>>().as_slice() {
            [folder, flags, subject] => {
                let mut flags: Vec<_> =
                    flags.split(' ').filter(|flag| !matches!(*flag, "" | "\\Recent")).collect();
                flags.sort_unstable();
                format!("{folder}: {subject} {}", flags.join(" "))
            }
            _ => panic!("{line}"),
        })
        .collect();
    seen.sort();
    seen
}

fn as_an_imap_user_sees_it(settings: &str, location: &str) {
    let home = Home::with_rules(&format!("{settings}{RULES}"));
    deliver(&home, &["junk", "nested", "keyword", "copies", "else"]);
    let wanted = [
        "A/B: copies \\Seen",
        "A/B: nested ",
        "A: keyword $Work \\Flagged",
        "INBOX: copies \\Answered",
        "INBOX: else ",
        "迷惑メール: junk \\Seen",
    ];
    assert_eq!(seen(&home, location), wanted);
    let mut folders: Vec<String> =
        doveadm(&home, location, &["mailbox", "list"]).lines().map(str::to_string).collect();
    folders.sort();
    assert_eq!(folders, ["A", "A/B", "INBOX", "迷惑メール"]);

    // Dovecot keeps its own lists now; ours must fit in.
    deliver(&home, &["again", "junk"]);
    let again = seen(&home, location);
    assert_eq!(again.len(), wanted.len() + 2, "{again:?}");
    for line in ["A: again $Second $Work", "A: keyword $Work \\Flagged"] {
        assert!(again.iter().any(|seen| seen == line), "{again:?}");
    }
    let log = fs::read_to_string(home.path().join("dovecot.log")).unwrap_or_default();
    assert_eq!(log, "", "Dovecot has nothing to complain of");
}

#[test]
fn folders_flags_and_keywords_in_a_maildir_plus_plus() {
    if skipped("the test with a real Dovecot", &[DOVEADM], false) {
        return;
    }
    as_an_imap_user_sees_it("", "");
}

#[test]
fn folders_flags_and_keywords_in_the_fs_layout() {
    if skipped("the test with a real Dovecot", &[DOVEADM], false) {
        return;
    }
    as_an_imap_user_sees_it("set layout fs\n", ":LAYOUT=fs:UTF-8");
    as_an_imap_user_sees_it("set layout fs\nset folder-names mutf7\n", ":LAYOUT=fs");
}

#[test]
fn the_test_itself_would_notice() {
    if skipped("the test with a real Dovecot", &[DOVEADM], false) {
        return;
    }
    let home = Home::new();
    home.write("Maildir/cur/1.a:2,FS", "Subject: x\n\n");
    fs::create_dir_all(home.path().join("Maildir/.&j,dg0TDhMPww6w-/new")).expect("a folder");
    assert_eq!(seen(&home, ""), ["INBOX: x \\Flagged \\Seen"]);
}
