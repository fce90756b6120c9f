//! Each system call of `mfilter expire` fails once, and at each one the program is
//! killed once, on two file systems: no message is lost, none is doubled after the
//! next run, and everything can be undone.

#![allow(clippy::print_stderr, reason = "what was tried is told, and what was skipped")]

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use tempfile::TempDir;

use crate::sort_faults::{FAULTS, calls, far_folder};
use crate::support::strace::{STRACE, cannot_trace};
use crate::support::{self, Home, MFILTER, for_each, long, run};

const RULES: &str = "\
expire \"News\" after 14d unless subject is \"keep\" -> folder \"Near\"
expire \"List\" after 14d -> folder \"Far\"
expire \"Trash\" after 1s -> delete
";

/// Where a deleted message is.
const GONE: &str = "";

/// What each message is, and where it is before and after, below the Maildir.
const MAIL: &[(&str, &str, &str)] = &[
    ("old", ".News/cur/1000000001.M1P1.a:2,S", ".Near/cur/1000000001.M1P1.a:2,S"),
    ("old", ".News/cur/1000000002.M2P1.a,U=4:2,RS", ".Near/cur/1000000002.M2P1.a:2,RS"),
    ("keep", ".News/cur/1000000003.M3P1.a:2,S", ".News/cur/1000000003.M3P1.a:2,S"),
    ("old", ".News/cur/1000000004.M4P1.a:2,FS", ".News/cur/1000000004.M4P1.a:2,FS"),
    ("old", ".List/cur/1000000005.M5P1.a:2,S", ".Far/cur/1000000005.M5P1.a:2,S"),
    ("old", ".List/new/1000000006.M6P1.a", ".List/new/1000000006.M6P1.a"),
    ("old", ".Trash/cur/1000000007.M7P1.a:2,S", GONE),
    ("old", ".Trash/cur/1000000008.M8P1.a:2,FS", ".Trash/cur/1000000008.M8P1.a:2,FS"),
];

struct Mailbox {
    home: Home,
    _far: Option<TempDir>,
}

fn text(what: &str, before: &str) -> String {
    format!("From: a@b.example\nSubject: {what}\nMessage-ID: <{before}@b>\n\nend\n")
}

impl Mailbox {
    fn new() -> Mailbox {
        let home = Home::with_rules(RULES);
        for (what, before, _) in MAIL {
            home.write(&format!("Maildir/{before}"), text(what, before));
        }
        let far = far_folder(home.path());
        Mailbox { home, _far: far }
    }

    /// Runs it under strace; returns the exit code.
    fn trace(&self, options: &[&str]) -> Option<i32> {
        let mut command = Command::new(STRACE);
        let log = self.home.path().join("strace");
        command.args(["-f", "-y", "-s", "400", "-o"]).arg(log).args(options).arg(MFILTER);
        command.arg("expire").env_clear().env("HOME", self.home.path()).env("TZ", "UTC");
        run(command, b"").code
    }

    /// What is wrong with where messages are; without `after`, with whether they are
    /// there.
    fn complaints(&self, after: Option<bool>) -> Vec<String> {
        let maildir = self.home.path().join("Maildir");
        let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for mail in support::mail(&maildir) {
            let path = mail.path.strip_prefix(&maildir).expect("below").display().to_string();
            found.entry(mail.text()).or_default().push(path);
        }
        let mut complaints = Vec::new();
        for (what, before, moved) in MAIL {
            let places = found.remove(&text(what, before)).unwrap_or_default();
            let expected = if after == Some(true) { moved } else { before };
            let plain = |place: &str| place.replace(",U=4", "");
            let right = match after {
                _ if *moved == GONE && after.is_some() => places.is_empty(),
                _ if *moved == GONE => places.len() <= 1,
                None => !places.is_empty(),
                Some(_) => places.len() == 1 && plain(&places[0]) == plain(expected),
            };
            if !right {
                complaints.push(format!("{before} is at {places:?}"));
            }
        }
        complaints.extend(found.into_values().map(|places| format!("partial: {places:?}")));
        complaints
    }
}

fn attempt(mail: &Mailbox, name: &str, number: usize, what: &str) -> Vec<String> {
    let inject = format!("-einject={name}:{what}:when={number}");
    let code = mail.trace(&[&format!("-etrace={name}"), &inject]);
    let mut complaints = mail.complaints(None);
    if code.is_some_and(|code| code > 2) {
        complaints.push(format!("ended with {code:?}"));
    }
    let again = mail.home.run(&["expire"], b"");
    if again.code != Some(0) {
        complaints.push(format!("again: {again:?}"));
    }
    complaints.extend(mail.complaints(Some(true)));
    for _ in 0..5 {
        if mail.home.run(&["expire", "--undo"], b"").stderr.contains("no run to undo") {
            break;
        }
    }
    complaints.extend(mail.complaints(Some(false)));
    complaints.into_iter().map(|why| format!("{what} at {name} #{number}\n    {why}")).collect()
}

/// What is deleted has lain there for longer than a second by its inode, which nobody
/// can set.
fn wait_for_age() {
    sleep(Duration::from_millis(2100));
}

#[test]
fn no_failing_call_and_no_kill_of_expire_loses_or_doubles_a_message() {
    if cannot_trace("fault injection") {
        return;
    }
    let mail = Mailbox::new();
    wait_for_age();
    assert_eq!(mail.trace(&[]), Some(0));
    assert_eq!(mail.complaints(Some(true)), Vec::<String>::new());
    let log = fs::read_to_string(mail.home.path().join("strace")).expect("strace's log");
    let (counts, _) = calls(&log);
    let mut points = Vec::new();
    for (name, errors) in FAULTS {
        for number in 1..=counts.get(*name).copied().unwrap_or(0) {
            let errors = errors.iter().map(|error| format!("error={error}"));
            points.extend(errors.map(|what| (*name, number, what)));
            points.push((*name, number, "signal=SIGKILL".to_owned()));
        }
    }
    let all = points.len();
    if !long() {
        let keep = |at: &usize| at * 100 / all != (at + 1) * 100 / all;
        points =
            points.into_iter().enumerate().filter(|(at, _)| keep(at)).map(|(_, p)| p).collect();
    }
    let tries: Vec<_> = points.iter().map(|point| (Mailbox::new(), point)).collect();
    wait_for_age();
    let complaints =
        for_each(&tries, |(mail, (name, number, what))| attempt(mail, name, *number, what));
    eprintln!("failing calls and kills of expire: {} of {all} points", points.len());
    assert!(complaints.is_empty(), "{}:\n{}", complaints.len(), complaints.join("\n"));
}
