//! `mfilter watch` over a table of states: after a complete run, a second one changes
//! nothing; killed at each step and started again, it gives the same result.
//!
//! Without `MFILTER_LONG` an even sample of the steps is tried.

#![allow(clippy::print_stderr, reason = "what was tried is told, and what was skipped")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::sort_faults::far_folder;
use crate::support::strace::{STRACE, call, cannot_trace};
use crate::support::{Home, MFILTER, for_each, long};

const RULES: &str = r#"list white "white"
list black "black"
list known "known"

on moved to "Junk"              -> add from to black, remove from from white
on moved from "Junk" to "INBOX" -> add from to white, remove from from black

when subject is "work" -> folder "Work"
when subject is "seen" -> folder "Work" as seen
when subject is "flag" -> inbox as flagged
when subject is "far"  -> folder "Far"
when subject is "drop" -> discard
when subject is "note" -> log "noted"
when subject is "add"  -> add from to known
when subject is "first" and not from in known -> add from to known, folder "First"
"#;

/// A message: its subject, where it was at the first look (nowhere if it is new), where
/// others have put it, where it is in the end, and to which list its sender is added.
struct State(&'static str, &'static str, &'static str, &'static str, &'static str);

const STATES: &[State] = &[
    State("work", "", "new/0.mx", ".Work/new/0.mx", ""),
    State("seen", "", "new/1.mx,U=5", ".Work/cur/1.mx:2,S", ""),
    State("flag", "", "new/2.mx", "cur/2.mx:2,F", ""),
    State("far", "", "new/3.mx", ".Far/new/3.mx", ""),
    State("drop", "", "new/4.mx", "new/4.mx", ""),
    State("note", "", "new/5.mx", "new/5.mx", ""),
    State("add", "", "new/6.mx", "new/6.mx", "known"),
    State("first", "", "new/14.mx", ".First/new/14.mx", "known"),
    State("else", "", "new/7.mx", "new/7.mx", ""),
    State("work", "", "cur/8.mx:2,S", "cur/8.mx:2,S", ""),
    State("work", ".Work/new/9.mx", "new/9.dovecot", "new/9.dovecot", ""),
    State("work", ".Junk/new/10.mx", "new/10.dovecot", "new/10.dovecot", "white"),
    State("work", "cur/11.mx:2,S", ".Junk/cur/11.mx:2,S", ".Junk/cur/11.mx:2,S", "black"),
    State("work", ".Junk/cur/12.mx:2,", ".Trash/cur/12.mx:2,T", ".Trash/cur/12.mx:2,T", ""),
    State("work", ".Junk/cur/13.mx:2,", ".Work/cur/13.mx:2,", ".Work/cur/13.mx:2,", ""),
];
/// Moved by the user before the second run: what it teaches comes last.
const LAST: (usize, &str, &str) = (99, "cur/99.mx:2,S", ".Junk/cur/99.mx:2,S");

fn message(number: usize, subject: &str) -> String {
    format!("From: s{number}@x.example\nSubject: {subject}\nMessage-ID: <{number}@x>\n\nhi\n")
}

struct Mailbox {
    home: Home,
    _far: Option<TempDir>,
}

impl Mailbox {
    /// Others have delivered and moved; nobody has looked yet.
    fn new() -> Mailbox {
        let home = Home::with_rules(RULES);
        for list in ["white", "black", "known"] {
            home.write(list, "");
        }
        for folder in ["", ".Junk/", ".Trash/", ".Work/"] {
            for sub in ["new", "cur", "tmp"] {
                let path = home.path().join(format!("Maildir/{folder}{sub}"));
                fs::create_dir_all(path).expect("made");
            }
        }
        let far = far_folder(home.path());
        let path = |name: &str| home.path().join("Maildir").join(name);
        for (number, State(subject, first, ..)) in STATES.iter().enumerate() {
            if !first.is_empty() {
                home.write(&format!("Maildir/{first}"), message(number, subject));
            }
        }
        home.write(&format!("Maildir/{}", LAST.1), message(LAST.0, "last"));
        assert_eq!(home.run(&["learn"], b"").code, Some(0));
        for (number, State(subject, first, then, ..)) in STATES.iter().enumerate() {
            if first.is_empty() {
                fs::write(path(then), message(number, subject)).expect("written");
                // Complete, as far as `watch` can see.
                let file = fs::File::options().append(true).open(path(then)).expect("opened");
                let before = std::time::SystemTime::now() - Duration::from_secs(60);
                file.set_modified(before).expect("set");
            } else {
                fs::rename(path(first), path(then)).expect("moved");
            }
        }
        Mailbox { home, _far: far }
    }

    fn start(&self, mut command: Command) -> Child {
        command.env_clear().env("HOME", self.home.path()).env("TZ", "UTC").current_dir("/");
        let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        quiet.spawn().expect("it starts")
    }

    fn watch(&self) -> Child {
        let mut command = Command::new(MFILTER);
        command.arg("watch");
        self.start(command)
    }

    fn trace(&self, options: &[&str]) -> Child {
        let mut command = Command::new(STRACE);
        command.args(["-f", "-o"]).arg(self.home.path().join("strace")).args(options);
        command.arg(MFILTER).arg("watch");
        self.start(command)
    }

    /// Where each message is, and what the lists contain, without what is learned last.
    fn state(&self) -> BTreeSet<String> {
        let mut state = BTreeSet::new();
        let folders = ["", ".Far/", ".First/", ".Junk/", ".Trash/", ".Work/"];
        for sub in
            folders.iter().flat_map(|folder| ["new", "cur"].map(|sub| format!("{folder}{sub}")))
        {
            let path = self.home.path().join("Maildir").join(&sub);
            for entry in fs::read_dir(path).into_iter().flatten().flatten() {
                // A message that is moved in the meantime is seen the next time.
                let Ok(bytes) = fs::read(entry.path()) else { continue };
                let whole = STATES.iter().enumerate().any(|(number, State(subject, ..))| {
                    bytes == message(number, subject).as_bytes()
                });
                if bytes != message(LAST.0, "last").as_bytes() {
                    let name = entry.file_name().to_string_lossy().into_owned();
                    state.insert(format!("{sub}/{name}{}", if whole { "" } else { " is cut" }));
                }
            }
        }
        for list in ["white", "black", "known"] {
            let text = fs::read_to_string(self.home.path().join(list)).expect("a list");
            let senders = text.lines().filter(|sender| *sender != format!("s{}@x.example", LAST.0));
            state.extend(senders.map(|sender| format!("{list}: {sender}")));
        }
        state
    }

    /// How often each line is in the log, without its time and what is learned last.
    fn log(&self) -> BTreeMap<String, usize> {
        let path = self.home.path().join(".local/state/mfilter/log");
        let mut lines = BTreeMap::new();
        let last = format!("s{}@x.example", LAST.0);
        for line in fs::read_to_string(path).unwrap_or_default().lines() {
            let (_, what) = line.split_once(' ').unwrap_or_default();
            let what = what.replace(&self.home.path().display().to_string(), "~");
            if !what.contains(&last) && !what.contains(&format!("<{}@x>", LAST.0)) {
                *lines.entry(what).or_default() += 1;
            }
        }
        lines
    }

    /// Starts it once more after the user has moved another message, and ends
    /// it when it has learned of that.
    fn second_run(&self) -> Result<(), String> {
        let path = |name: &str| self.home.path().join("Maildir").join(name);
        fs::rename(path(LAST.1), path(LAST.2)).expect("moved");
        let watch = self.watch();
        let taught = until(|| {
            let black = fs::read_to_string(self.home.path().join("black")).unwrap_or_default();
            black.contains(&format!("s{}@x.example", LAST.0))
        });
        end(watch);
        taught.then_some(()).ok_or_else(|| "a second run learns nothing".to_owned())
    }
}

/// What the table expects after a run.
fn expected() -> BTreeSet<String> {
    let mut expected = BTreeSet::new();
    for (number, State(_, _, _, lies, list)) in STATES.iter().enumerate() {
        expected.insert((*lies).to_owned());
        if !list.is_empty() {
            expected.insert(format!("{list}: s{number}@x.example"));
        }
    }
    expected
}

/// Whether a condition becomes true before long.
fn until(mut ask: impl FnMut() -> bool) -> bool {
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(30) {
        if ask() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    false
}

/// Ends it as systemd does, also under strace.
fn end(mut child: Child) {
    let id = child.id();
    let below = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap_or_default();
    let ids: Vec<i32> = below.split_whitespace().filter_map(|id| id.parse().ok()).collect();
    let pid = ids.first().and_then(|id| Pid::from_raw(*id));
    let _ = kill_process(pid.unwrap_or_else(|| Pid::from_child(&child)), Signal::TERM);
    child.wait().expect("it ends");
}

/// Kills it at a step, starts it again, and once more.
fn attempt(name: &str, number: usize, expected: &BTreeSet<String>, log: &Log) -> Vec<String> {
    let mailbox = Mailbox::new();
    let inject = format!("-einject={name}:signal=SIGKILL:when={number}");
    let mut traced = mailbox.trace(&[&format!("-etrace={name}"), &inject]);
    // The step may come after the last one.
    let mut killed = false;
    until(|| {
        killed = traced.try_wait().is_ok_and(|status| status.is_some());
        killed || mailbox.state() == *expected
    });
    if !killed {
        end(traced);
    }
    let again = mailbox.watch();
    let mut complaints = Vec::new();
    if !until(|| mailbox.state() == *expected) {
        let state = mailbox.state();
        let wrong: Vec<_> = state.symmetric_difference(expected).collect();
        complaints.push(format!("resumed: {wrong:?}"));
    }
    end(again);
    complaints.extend(mailbox.second_run().err());
    if mailbox.state() != *expected {
        let state = mailbox.state();
        let wrong: Vec<_> = state.symmetric_difference(expected).collect();
        complaints.push(format!("a second run: {wrong:?}"));
    }
    let twice = mailbox.log().into_iter().filter(|(line, count)| log.get(line) < Some(count));
    complaints.extend(twice.map(|(line, count)| format!("{count} times in the log: {line}")));
    complaints.into_iter().map(|why| format!("{name} #{number}: {why}")).collect()
}

type Log = BTreeMap<String, usize>;

#[test]
fn watch_run_whole_run_again_and_killed_at_each_step() {
    let expected = expected();
    let mailbox = Mailbox::new();
    let watch = mailbox.watch();
    let done = until(|| mailbox.state() == expected);
    end(watch);
    let state = mailbox.state();
    assert!(done, "{:?}", state.symmetric_difference(&expected).collect::<Vec<_>>());
    let before = mailbox.log();
    assert!(before.values().all(|count| *count == 1), "{before:#?}");
    mailbox.second_run().expect("it learns");
    assert_eq!((mailbox.state(), mailbox.log()), (state, before.clone()), "a second run");

    if cannot_trace("killing at each step") {
        return;
    }
    const STEPS: &str = "openat,write,rename,renameat,renameat2,fsync,fdatasync,flock,unlink,\
                         unlinkat,mkdir,ftruncate,pwrite64,getdents64,linkat,inotify_add_watch";
    let mailbox = Mailbox::new();
    let traced = mailbox.trace(&[&format!("-etrace={STEPS}")]);
    assert!(until(|| mailbox.state() == expected));
    end(traced);
    let log = fs::read_to_string(mailbox.home.path().join("strace")).expect("strace's log");
    let mut counts: BTreeMap<(String, String), usize> = BTreeMap::new();
    let mut points: Vec<(String, usize)> = Vec::new();
    for line in log.lines().filter(|line| !line.contains("resumed>")) {
        let (Some((thread, _)), Some(name)) = (line.split_once(' '), call(line)) else { continue };
        let number = counts.entry((thread.to_owned(), name.to_owned())).or_default();
        *number += 1;
        let point = (name.to_owned(), *number);
        if !points.contains(&point) {
            points.push(point);
        }
    }
    let all = points.len();
    let most = if long() { all } else { 40 };
    let keep = |at: &usize| at * most / all != (at + 1) * most / all;
    let points: Vec<_> =
        points.into_iter().enumerate().filter(|(at, _)| keep(at)).map(|(_, p)| p).collect();
    let complaints = for_each(&points, |(name, number)| attempt(name, *number, &expected, &before));
    eprintln!("kills of watch: {} of {all} steps", points.len());
    assert!(complaints.is_empty(), "{}:\n{}", complaints.len(), complaints.join("\n"));
}
