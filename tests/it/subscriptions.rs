//! Folders that are created are subscribed to, beside a real Dovecot.

#![allow(clippy::print_stderr, reason = "a skipped test says so")]

use std::fs;

use crate::support;
use crate::support::imap::{self, DOVEADM, Imap, NOBODY, as_owner, own};
use crate::support::{Home, skipped};

fn subject(subject: &str) -> Vec<u8> {
    format!("From: a@b.example\nSubject: {subject}\nMessage-ID: <{subject}@x>\n\nhello\n").into()
}

const FOLDERS: &str = "when subject is \"junk\" -> folder \"迷惑メール\"\n\
                       when subject is \"deep\" -> folder \"A/B\"\n";

#[test]
fn new_folders_are_subscribed_if_the_file_exists() {
    for (settings, location) in [("", ""), ("set layout fs\n", ":LAYOUT=fs")] {
        if skipped("the test with a real Dovecot", &[DOVEADM], false) {
            return;
        }
        let home = Home::with_rules(&format!("{settings}{FOLDERS}"));
        imap::configure(&home, &format!("Maildir{location}"));
        let ask = |arguments: &[&str]| {
            own(&home, NOBODY);
            let output = imap::doveadm(&home, arguments).output().expect("doveadm runs");
            assert!(output.status.success(), "{output:?}");
            own(&home, rustix::process::geteuid().as_raw());
            let text = String::from_utf8(output.stdout).expect("UTF-8");
            let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
            lines.sort();
            lines
        };
        // Without the file nothing is subscribed to, and the file is not created.
        assert_eq!(home.deliver(&subject("deep")).code, Some(0));
        assert!(!home.path().join("Maildir/subscriptions").exists());
        ask(&["mailbox", "create", "-s", "Mine"]);
        assert_eq!(home.deliver(&subject("junk")).code, Some(0));
        assert_eq!(ask(&["mailbox", "list", "-s"]), ["Mine", "迷惑メール"]);
        // What the user unsubscribes from stays unsubscribed.
        ask(&["mailbox", "unsubscribe", "迷惑メール"]);
        assert_eq!(home.deliver(&subject("junk")).code, Some(0));
        assert_eq!(ask(&["mailbox", "list", "-s"]), ["Mine"]);

        let home = Home::with_rules(&format!("{settings}set subscribe on\n{FOLDERS}"));
        imap::configure(&home, &format!("Maildir{location}"));
        for name in ["junk", "deep"] {
            assert_eq!(home.deliver(&subject(name)).code, Some(0));
        }
        own(&home, NOBODY);
        let output = imap::doveadm(&home, &["mailbox", "list", "-s"]).output().expect("it runs");
        let text = String::from_utf8(output.stdout).expect("UTF-8");
        let mut listed: Vec<&str> = text.lines().collect();
        listed.sort_unstable();
        assert_eq!(listed, ["A/B", "迷惑メール"]);
    }
}

#[test]
fn subscriptions_that_dovecot_makes_at_the_same_moment_all_stay() {
    if skipped("the test with a real Dovecot", &[DOVEADM], false) {
        return;
    }
    const COUNT: usize = 30;
    let home = Home::with_rules("folder \"ours {subject}\"\n");
    imap::configure(&home, "Maildir");
    let program = support::program_in(home.path()).display().to_string();
    own(&home, NOBODY);
    let mut client = Imap::start(&home);
    for number in 0..COUNT {
        client.done(&format!("CREATE theirs{number}"));
    }
    client.done("SUBSCRIBE theirs0");
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for number in 0..COUNT {
                client.done(&format!("SUBSCRIBE theirs{number}"));
            }
        });
        for number in 0..COUNT {
            let run = support::run(as_owner(&home, &program, &[]), &subject(&number.to_string()));
            assert_eq!(run.code, Some(0), "{run:?}");
        }
    });
    let text = fs::read_to_string(home.path().join("Maildir/subscriptions")).expect("there");
    for number in 0..COUNT {
        for line in [format!("ours {number}"), format!("theirs{number}")] {
            assert!(text.lines().any(|known| known == line), "{line} is not in {text}");
        }
    }
}

#[test]
fn a_lock_that_others_hold_costs_a_note_and_no_mail() {
    let home = Home::with_rules(FOLDERS);
    home.write("Maildir/subscriptions", "V\t2\n\n");
    home.write("Maildir/subscriptions.lock", "");
    assert_eq!(home.deliver(&subject("junk")).code, Some(0));
    assert_eq!(home.mail().len(), 1);
    let log = fs::read_to_string(home.path().join(".local/state/mfilter/log")).expect("a log");
    assert!(log.contains("cannot subscribe"), "{log}");
    assert_eq!(fs::read(home.path().join("Maildir/subscriptions")).expect("there"), b"V\t2\n\n");
}
