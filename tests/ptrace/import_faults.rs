//! `mfilter import mbox`: each of its system calls fails once, and at each one it is
//! killed once. After the next run each message is stored once, with its flags and its
//! date, and the file it came from is unchanged.
//!
//! Without `MFILTER_LONG` an even sample of the points is tried.

#![allow(clippy::print_stderr, reason = "what was tried is told, and what was skipped")]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;

use crate::support::strace::{STRACE, call, cannot_trace};
use crate::support::{self, Home, MFILTER, for_each, long, run};

/// More than one batch.
const COUNT: usize = 20;
const RULES: &str = "when subject is \"3\" -> folder \"Other\" as \"$Three\"\n";

fn text(number: usize) -> String {
    format!("From: a@b.example\nSubject: {number}\n\n{}end\n", "line\n".repeat(number))
}

fn mbox() -> String {
    let messages = (0..COUNT).map(|number| {
        let text = text(number).replacen("\n\n", "\nStatus: RO\nX-Keywords: $Old\n\n", 1);
        format!("From a@b.example Thu Jan  1 00:00:{number:02} 2004\n{text}\n")
    });
    messages.collect()
}

fn home() -> Home {
    let home = Home::with_rules(RULES);
    home.write("mbox", mbox());
    home
}

fn arguments(home: &Home) -> [String; 4] {
    let path = home.path().join("mbox").display().to_string();
    ["import".into(), "mbox".into(), path, "--sort".into()]
}

fn trace(home: &Home, options: &[&str]) -> Option<i32> {
    let mut command = Command::new(STRACE);
    command.args(["-f", "-o"]).arg(home.path().join("strace")).args(options).arg(MFILTER);
    command.args(arguments(home)).env_clear().env("HOME", home.path()).env("TZ", "UTC");
    run(command, b"").code
}

/// What is wrong when everything is done.
fn compare(home: &Home) -> Vec<String> {
    let mut complaints = Vec::new();
    let mut found: BTreeMap<String, usize> = BTreeMap::new();
    for mail in support::mail(&home.path().join("Maildir")) {
        *found.entry(mail.text()).or_default() += 1;
        let number = (0..COUNT).find(|number| text(*number) == mail.text());
        let Some(number) = number else {
            complaints.push(format!("partial: {}", mail.path.display()));
            continue;
        };
        let folder = if number == 3 { ".Other" } else { ".mbox" };
        let time = fs::metadata(&mail.path).map_or(0, |about| about.mtime());
        if mail.folder != folder || !mail.flags.starts_with('S') {
            complaints.push(format!("{number} is in {} as {}", mail.folder, mail.flags));
        }
        if time != 1_072_915_200 + number as i64 {
            complaints.push(format!("{number} has the date {time}"));
        }
    }
    for number in 0..COUNT {
        match found.get(&text(number)) {
            Some(1) => {}
            Some(count) => complaints.push(format!("{number} is there {count} times")),
            None => complaints.push(format!("{number} is lost")),
        }
    }
    if fs::read_to_string(home.path().join("mbox")).ok() != Some(mbox()) {
        complaints.push("the mbox was changed".into());
    }
    complaints
}

fn attempt(name: &str, number: usize, what: &str) -> Vec<String> {
    let home = home();
    let inject = format!("-einject={name}:{what}:when={number}");
    let first = trace(&home, &[&format!("-etrace={name}"), &inject]);
    let mut complaints = Vec::new();
    if first.is_some_and(|code| code > 2 && code != 137) {
        complaints.push(format!("ended with {first:?}"));
    }
    // A date that could not be set is reported, and is no reason to leave mail out.
    let dates = name != "utimensat" || what.starts_with("signal");
    let lock = home.path().join("Maildir/.mbox/dovecot-keywords.lock");
    let _ = fs::remove_file(&lock);
    let _ = fs::remove_file(lock.with_file_name("../.Other/dovecot-keywords.lock"));
    let arguments = arguments(&home);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let again = home.run(&arguments, b"");
    if again.code != Some(0) {
        complaints.push(format!("again: {again:?}"));
    }
    complaints.extend(compare(&home).into_iter().filter(|why| dates || !why.contains("date")));
    complaints.into_iter().map(|why| format!("{what} at {name} #{number}: {why}")).collect()
}

const FAULTS: &[(&str, &[&str])] = &[
    ("openat", &["EMFILE", "EACCES", "ENOSPC"]),
    ("mkdirat", &["ENOSPC"]),
    ("mkdir", &["ENOSPC"]),
    ("write", &["ENOSPC", "EIO"]),
    ("fsync", &["EIO"]),
    ("fdatasync", &["EIO"]),
    ("renameat2", &["EIO", "ENOSPC", "EINVAL"]),
    ("renameat", &["EIO"]),
    ("rename", &["EIO"]),
    ("linkat", &["EIO"]),
    ("unlinkat", &["EIO"]),
    ("unlink", &["EIO"]),
    ("flock", &["ENOLCK"]),
    ("fcntl", &["ENOLCK"]),
    ("utimensat", &["EPERM"]),
    ("pread64", &["EIO"]),
    ("ftruncate", &["EIO"]),
    ("close", &["EIO"]),
];

#[test]
fn no_failing_call_and_no_kill_loses_or_doubles_old_mail() {
    if cannot_trace("fault injection") {
        return;
    }
    let whole = home();
    assert_eq!(trace(&whole, &[]), Some(0));
    assert_eq!(compare(&whole), Vec::<String>::new());
    let log = fs::read_to_string(whole.path().join("strace")).expect("strace's log");
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    log.lines().filter_map(call).for_each(|name| *counts.entry(name).or_default() += 1);
    let mut points = Vec::new();
    for (name, errors) in FAULTS {
        for number in 1..=counts.get(name).copied().unwrap_or(0) {
            let errors = errors.iter().map(|error| format!("error={error}"));
            points.extend(
                errors.chain(["signal=SIGKILL".to_owned()]).map(|what| (*name, number, what)),
            );
        }
    }
    let all = points.len();
    let most = if long() { all } else { 120 };
    let keep = |at: &usize| at * most / all != (at + 1) * most / all;
    let points: Vec<_> =
        points.into_iter().enumerate().filter(|(at, _)| keep(at)).map(|(_, point)| point).collect();
    let complaints = for_each(&points, |(name, number, what)| attempt(name, *number, what));
    eprintln!("import of old mail: {} of {all} points", points.len());
    assert!(complaints.is_empty(), "{}:\n{}", complaints.len(), complaints.join("\n"));
}

/// A message that a cleaner of old files removed from `tmp` long after a kill is filed
/// once more.
#[test]
fn what_was_staged_and_is_gone_is_filed_again() {
    if cannot_trace("fault injection") {
        return;
    }
    let home = home();
    // Killed before the first message is read.
    trace(&home, &["-etrace=renameat2", "-einject=renameat2:signal=SIGKILL:when=2"]);
    let tmp = home.path().join("Maildir/.mbox/tmp");
    let staged = fs::read_dir(&tmp).expect("there").count();
    assert!(staged > 1, "{staged}");
    fs::remove_dir_all(&tmp).expect("removed");
    let imported = home.path().join(".local/state/mfilter/imported");
    let journal = fs::read_dir(&imported).expect("there").next().expect("one").expect("one").path();
    let old = std::time::SystemTime::now() - std::time::Duration::from_secs(2 * 24 * 3600);
    let set = |path: &Path| {
        fs::File::options()
            .append(true)
            .open(path)
            .expect("opened")
            .set_modified(old)
            .expect("set");
    };
    set(&journal);
    let arguments = arguments(&home);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    assert_eq!(home.run(&arguments, b"").code, Some(0));
    assert_eq!(compare(&home), Vec::<String>::new());
}

/// Where the journal may hold messages although it could not be synced, or only a part of
/// it could be written, the next run stores them.
#[test]
fn a_journal_that_cannot_be_written_loses_nothing() {
    if cannot_trace("fault injection") {
        return;
    }
    let complaints: Vec<String> = [("fdatasync", "error=EIO"), ("write", "error=ENOSPC")]
        .into_iter()
        .flat_map(|(name, what)| (1..=6).map(move |number| (name, number, what)))
        .flat_map(|(name, number, what)| attempt(name, number, what))
        .collect();
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}
