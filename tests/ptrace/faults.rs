//! Each system call of a delivery fails once, and at each one the program is
//! killed once; and what is synced before a delivery says that it is done.
//!
//! Without `MFILTER_LONG` an even sample of the points is tried. The long form:
//!
//! ```text
//! MFILTER_LONG=1 cargo test --test ptrace faults -- --nocapture
//! ```

#![allow(clippy::print_stderr, reason = "what was tried is told, and what was skipped")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support;
use crate::support::strace::{STRACE, call, cannot_trace, described, quoted};
use crate::support::{Home, Run, for_each, long, run};

/// A delivery that is repeated, each time with another fault.
struct Scenario {
    name: &'static str,
    /// Whether a delivery was made before, so that folders, cached rules and the log exist.
    warm: bool,
    /// Written after that delivery.
    broken_rules: Option<&'static str>,
    /// Length of the body; beyond 1 MiB it goes through a file in TMPDIR.
    body: usize,
    /// A list is edited too, after all copies are stored.
    effects: bool,
    /// After so many rules that a delivery reads only a part of what is cached.
    many: bool,
    /// Folder, `new` or `cur`, flags of each copy.
    copies: &'static [(&'static str, &'static str, &'static str)],
}

const RULES: &str = "\
include \"more.mailrules\"
list friends \"~/friends\"
when from in friends and body contains \"end\" -> copy \"Friends\" as seen flagged
when subject contains \"hello\" -> folder \"Lists/A\"
";

const COPIES: &[(&str, &str, &str)] = &[(".Friends", "cur", "FS"), (".Lists.A", "new", "")];

const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "first",
        warm: false,
        broken_rules: None,
        body: 100,
        effects: false,
        many: false,
        copies: COPIES,
    },
    Scenario {
        name: "next",
        warm: true,
        broken_rules: None,
        body: 1_200_000,
        effects: false,
        many: false,
        copies: COPIES,
    },
    Scenario {
        name: "effects",
        warm: true,
        broken_rules: None,
        body: 100,
        effects: true,
        many: false,
        copies: COPIES,
    },
    Scenario {
        name: "many rules",
        warm: true,
        broken_rules: None,
        body: 100,
        effects: false,
        many: true,
        copies: COPIES,
    },
    Scenario {
        name: "broken rules",
        warm: true,
        broken_rules: Some("when subject contians \"hello\" -> inbox\n"),
        body: 100,
        effects: false,
        many: false,
        copies: COPIES,
    },
];

impl Scenario {
    fn message(&self) -> Vec<u8> {
        self.message_of("1@b.example")
    }

    fn message_of(&self, id: &str) -> Vec<u8> {
        let head = format!("From: a@b.example\nSubject: hello\nMessage-ID: <{id}>\n\n");
        let body = "0123456789\n".repeat(self.body / 11 + 1);
        format!("{head}{body}end\n").into_bytes()
    }

    fn home(&self) -> Home {
        let mut rules = RULES.to_owned();
        if self.effects {
            let effects =
                "list known \"~/known\"\nwhen subject contains \"hello\" -> add from to known\n";
            rules.insert_str(0, effects);
        }
        if self.many {
            let many = (0..500).map(|n| format!("when subject is \"w{n}\" -> folder \"W\"\n"));
            rules.insert_str(0, &many.collect::<String>());
        }
        let home = Home::with_rules(&rules);
        home.write("more.mailrules", "when subject contains \"nothing\" -> inbox\n");
        home.write("friends", "a@b.example\n");
        home.write("tmp/keep", "");
        if self.warm {
            let run = home.deliver(&self.message_of("0@b.example"));
            assert_eq!(run.code, Some(0), "{run:?}");
            let _ = fs::remove_file(home.path().join("known"));
            for mail in home.mail() {
                fs::remove_file(mail.path).expect("removed");
            }
        }
        if let Some(rules) = self.broken_rules {
            home.write(".mailrules", rules);
        }
        home
    }

    fn deliver(&self, home: &Home) -> Run {
        let mut command = home.command(&[]);
        command.env("TMPDIR", home.path().join("tmp"));
        run(command, &self.message())
    }

    /// A delivery under strace, whose output goes to `log`.
    fn trace(&self, home: &Home, log: &Path, options: &[&str]) -> Run {
        let mut command = Command::new(STRACE);
        command.args(["-f", "-y", "-s", "400", "-o"]).arg(log).args(options).arg(support::MFILTER);
        command.env_clear().env("HOME", home.path()).env("TMPDIR", home.path().join("tmp"));
        command.env("USER", "taro").env("PATH", "/usr/bin:/bin").env("TZ", "UTC");
        // From a file, so that each time it is read in the same pieces.
        home.write("message", self.message());
        let message = fs::File::open(home.path().join("message")).expect("it is there");
        Run::of(&command.stdin(message).output().expect("strace starts"))
    }

    /// Counts of the copies in each wanted place; complains of whatever is not
    /// whole and of what should not be there. Notices of broken rules are
    /// looked at and left out.
    fn look(&self, home: &Home, complaints: &mut Vec<String>) -> BTreeMap<String, usize> {
        let message = self.message();
        let mut counts = BTreeMap::new();
        let known = fs::read_to_string(home.path().join("known")).unwrap_or_default();
        if known.matches("a@b.example").count() > 1 {
            complaints.push(format!("a list edited twice: {known:?}"));
        }
        for mail in support::mail(&home.path().join("Maildir")) {
            let name = mail.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let size = name.split(",S=").nth(1).and_then(|rest| rest.split(':').next());
            if size.and_then(|size| size.parse().ok()) != Some(mail.bytes.len()) {
                complaints.push(format!("{name} is of {} bytes", mail.bytes.len()));
            }
            if mail.bytes.starts_with(b"From: mfilter <") {
                continue;
            }
            if mail.bytes != message {
                complaints.push(format!("partial: {}", mail.path.display()));
            }
            *counts.entry(format!("{}/{}:{}", mail.folder, mail.sub, mail.flags)).or_insert(0) += 1;
        }
        counts
    }

    /// A message that is delivered has had its effects, or the log says why not.
    fn look_at_effects(&self, home: &Home, complaints: &mut Vec<String>) {
        let read = |name| fs::read_to_string(home.path().join(name)).unwrap_or_default();
        let result = read(".local/state/mfilter/log").contains("is not edited");
        if self.effects && !read("known").contains("a@b.example") && !result {
            complaints.push("the list was not edited, and nothing says so".into());
        }
    }

    fn expected(&self) -> BTreeSet<String> {
        self.copies.iter().map(|(folder, sub, flags)| format!("{folder}/{sub}:{flags}")).collect()
    }
}

/// One system call of a delivery.
struct Call {
    name: String,
    /// Which call of that name, from 1.
    number: usize,
    line: String,
    /// Whether `main` has begun; before it there is only the loader and Rust's runtime.
    in_main: bool,
}

/// The calls that strace recorded.
fn calls(log: &str) -> Vec<Call> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let mut in_main = false;
    let mut calls = Vec::new();
    for line in log.lines() {
        let Some(name) = call(line) else { continue };
        in_main |= line.contains("TCGETS") || line.contains(".mailrules");
        let number = counts.entry(name.to_owned()).or_default();
        *number += 1;
        let (name, number, line) = (name.to_owned(), *number, line.to_owned());
        calls.push(Call { name, number, line, in_main });
    }
    calls
}

/// The errors that a call may end with, except those that only a wrong call gives.
fn errors(call: &str) -> &'static [&'static str] {
    match call {
        "open" | "openat" | "mkdir" | "mkdirat" | "linkat" | "symlinkat" => &[
            "ENOSPC", "EIO", "EDQUOT", "EACCES", "EMFILE", "ENFILE", "EROFS", "EINTR", "ENOMEM",
            "EPERM", "ENOLCK", "EAGAIN", "ESTALE",
        ],
        "write" | "writev" | "pwrite64" | "sendfile" | "copy_file_range" | "splice" => {
            &["ENOSPC", "EIO", "EDQUOT", "EINTR", "EAGAIN", "EFBIG", "ENOMEM"]
        }
        "fsync" | "fdatasync" | "close" => &["EIO", "ENOSPC", "EDQUOT", "EINTR"],
        "rename" | "renameat" | "renameat2" | "unlink" | "unlinkat" => &[
            "EIO", "ENOSPC", "EDQUOT", "EXDEV", "EACCES", "EPERM", "EROFS", "EINVAL", "ENOSYS",
            "ENOLCK",
        ],
        "read" | "pread64" | "readv" | "getdents64" => &["EIO", "EINTR", "EAGAIN", "ESTALE"],
        "fcntl" | "flock" => &["ENOLCK", "EINTR", "EAGAIN", "EMFILE"],
        "mmap" | "mremap" | "mprotect" | "munmap" => &["ENOMEM"],
        "getrandom" => &["EAGAIN", "EINTR", "ENOSYS", "EPERM"],
        // POSIX: these always succeed.
        "getuid" | "geteuid" | "getgid" | "getegid" | "getpid" | "gettid" => &[],
        // brk refuses by returning the old break; libc would take an error as an address.
        "brk" | "execve" | "exit_group" | "exit" | "rt_sigreturn" | "restart_syscall" => &[],
        _ => &["EIO", "EACCES", "ENOMEM", "EINTR", "ENOSYS", "EPERM"],
    }
}

/// Every point in the long form, otherwise `wanted` of them, evenly.
fn sample<T>(points: Vec<T>, expected: usize) -> Vec<T> {
    if long() || points.len() <= expected {
        return points;
    }
    let all = points.len();
    // A step that has no divisor in common with the number of a call's errors.
    let keep = |at: &usize| at * expected / all != (at + 1) * expected / all;
    points.into_iter().enumerate().filter(|(at, _)| keep(at)).map(|(_, point)| point).collect()
}

/// The calls of an undisturbed delivery.
fn undisturbed(scenario: &Scenario) -> Vec<Call> {
    let home = scenario.home();
    let log = home.path().join("strace");
    let run = scenario.trace(&home, &log, &[]);
    assert_eq!(run.code, Some(0), "{run:?}");
    calls(&fs::read_to_string(log).expect("strace's log"))
}

/// Where the sync of the last copy's directory is.
fn done(calls: &[Call], copies: usize) -> usize {
    let commits = calls.iter().enumerate().filter(|(_, call)| is_commit(call));
    let last = commits.take(copies).last().map_or(0, |(at, _)| at);
    let behind = calls.iter().skip(last).position(|call| call.name == "fsync");
    behind.map_or(usize::MAX, |behind| last + behind)
}

/// Whether a call is about a message that is being stored: `…/Maildir/…/tmp/NAME`.
fn is_message(line: &str) -> bool {
    let path = described(line, 0);
    let parent = Path::new(&path).parent();
    path.contains("/Maildir/") && parent.is_some_and(|parent| parent.ends_with("tmp"))
}

/// Caches and state are conveniences: a failure there costs no mail.
fn in_state(line: &str) -> bool {
    line.contains("/.local/state/") || line.contains("/.cache/")
}

/// What is read of rules and lists: where it fails, other rules are in force,
/// or a rule does not fire.
fn decides_where(line: &str) -> bool {
    ["mailrules", "last-good", "/friends", "/cache", "/tmp/keep"]
        .iter()
        .any(|name| line.contains(name))
}

fn inject(scenario: &Scenario, calls: &[Call], at: &usize, error: &str) -> Vec<String> {
    let Some(call) = calls.get(*at) else { return Vec::new() };
    let home = scenario.home();
    let log = home.path().join("strace");
    let Call { name, number, .. } = call;
    let run = scenario.trace(
        &home,
        &log,
        &[
            "--seccomp-bpf",
            &format!("-etrace={name}"),
            &format!("-einject={name}:error={error}:when={number}"),
        ],
    );
    let log = fs::read_to_string(log).unwrap_or_default();
    let injected = log.lines().find(|line| line.contains("(INJECTED)")).unwrap_or_default();
    let mut complaints = Vec::new();
    let counts = scenario.look(&home, &mut complaints);
    let expected = scenario.expected();
    let full: BTreeMap<String, usize> = expected.iter().map(|place| (place.clone(), 1)).collect();
    match run.code {
        Some(0) => {
            let elsewhere = decides_where(&call.line) && counts.values().sum::<usize>() >= 1;
            if counts != full && !elsewhere {
                complaints.push(format!("exit 0 with {counts:?}"));
            }
            if !elsewhere {
                scenario.look_at_effects(&home, &mut complaints);
            }
            // Later calls belong to a notice.
            if name == "fsync" && *at <= done(calls, expected.len()) && !in_state(injected) {
                complaints.push("exit 0 though a sync failed".into());
            }
            if name == "close" && is_message(injected) {
                complaints.push("exit 0 though closing a message failed".into());
            }
        }
        Some(75) => {
            if !run.stderr.starts_with("4.") || run.stderr.lines().count() != 1 {
                complaints.push(format!("says {:?}", run.stderr));
            }
            let again = scenario.deliver(&home);
            let counts = scenario.look(&home, &mut complaints);
            if again.code != Some(0) || counts != full {
                complaints.push(format!("retry: {again:?} with {counts:?}"));
            }
            scenario.look_at_effects(&home, &mut complaints);
        }
        // Rust's way to report that there is no memory; and before main nothing is our code.
        _ if matches!(name.as_str(), "mmap" | "mremap") && run.signal == Some(6) => {}
        _ if !call.in_main && counts.is_empty() => {}
        _ => complaints.push(format!("ends as {run:?}")),
    }
    if run.code.is_some() && name != "unlinkat" && call.in_main {
        let left = support::left_in_tmp(&home.path().join("Maildir"));
        if !left.is_empty() {
            complaints.push(format!("left in tmp: {left:?}"));
        }
    }
    let at = format!("{}: {name} #{number} {error}: {injected}", scenario.name);
    complaints.into_iter().map(|why| format!("{at}\n    {why}")).collect()
}

#[test]
fn every_system_call_fails_once() {
    if cannot_trace("fault injection") {
        return;
    }
    let mut points = Vec::new();
    let traces: Vec<_> = SCENARIOS.iter().map(|s| (s, undisturbed(s))).collect();
    for (scenario, calls) in &traces {
        for (at, call) in calls.iter().enumerate().filter(|(_, call)| long() || call.in_main) {
            points.extend(errors(&call.name).iter().map(|error| (*scenario, calls, at, *error)));
        }
    }
    let all = points.len();
    let points = sample(points, 240);
    let complaints =
        for_each(&points, |(scenario, calls, at, error)| inject(scenario, calls, at, error));
    eprintln!("system calls that failed: {} of {all} points", points.len());
    assert!(complaints.is_empty(), "{}:\n{}", complaints.len(), complaints.join("\n"));
}

/// What a rule asks for and cannot be had at this moment must not leave the
/// message to the rules behind it.
#[test]
fn what_cannot_be_read_now_is_not_discarded() {
    if cannot_trace("fault injection") {
        return;
    }
    let fails = |rules: &str, length: usize, inject: &str, path: &str| {
        let home = Home::with_rules(&format!("{rules}\notherwise -> discard\n"));
        home.write("friends", "a@b.example\n");
        home.write("tmp/keep", "");
        let path = home.path().join(path);
        let mut command = Command::new(STRACE);
        command.args(["-f", "-o", "/dev/null", "-e", inject]);
        if path.is_file() {
            command.arg("-P").arg(path);
        }
        command.arg(support::MFILTER).env_clear().env("HOME", home.path());
        command.env("TMPDIR", home.path().join("tmp"));
        let body = "a line\n".repeat(length / 7);
        run(command, format!("From: a@b.example\n\n{body}").as_bytes())
    };
    let list = "list friends \"~/friends\"\nwhen from in friends -> inbox";
    for inject in ["inject=openat:error=EMFILE", "inject=read:error=EIO"] {
        let run = fails(list, 100, inject, "friends");
        assert_eq!(run.code, Some(75), "{run:?}");
        assert!(run.stderr.contains("friends"), "{run:?}");
    }
    let body = "when body contains \"line\" -> inbox";
    // The loader reads some libraries by this call too.
    let run = fails(body, 1_200_000, "inject=pread64:error=EIO:when=8+", "");
    assert_eq!(run.code, Some(75), "{run:?}");
}

/// What the machine cannot read at this moment is not the user's mistake: the last valid
/// rules are used, or the message is tried again, and no mail is sent about it.
#[test]
fn rules_that_cannot_be_read_now_are_not_a_mistake() {
    if cannot_trace("fault injection") {
        return;
    }
    let rules = "include \"more.mailrules\"\nfolder \"A\"\n";
    for (name, inject) in [
        (".mailrules", "inject=openat:error=EMFILE"),
        (".mailrules", "inject=openat:error=ESTALE"),
        (".mailrules", "inject=pread64,read:error=EIO"),
        ("more.mailrules", "inject=openat:error=EMFILE"),
    ] {
        for known in [true, false] {
            let home = Home::with_rules(rules);
            home.write("more.mailrules", "when subject is \"no\" -> inbox\n");
            if known {
                assert_eq!(home.deliver(b"Subject: first\n\n").code, Some(0));
            }
            let mut command = Command::new(STRACE);
            command.args(["-f", "-o", "/dev/null", "-e", inject, "-P"]).arg(home.path().join(name));
            command.arg(support::MFILTER).env_clear().env("HOME", home.path());
            let run = run(command, b"Subject: second\n\n");
            let mail = home.mail();
            let what = format!("{name} {inject} {known}: {run:?}");
            if known {
                assert_eq!((run.code, mail.len()), (Some(0), 2), "{what}");
                assert!(mail.iter().all(|mail| mail.folder == ".A"), "{what}");
                let log = home.path().join(".local/state/mfilter/log");
                let log = fs::read_to_string(log).expect("a log");
                assert!(log.contains("the last valid rules are used"), "{what}: {log}");
            } else {
                assert_eq!((run.code, mail.len()), (Some(75), 0), "{what}");
                assert!(run.stderr.contains("cannot be read now"), "{what}");
            }
        }
    }
}

/// Over NFS, a file that another machine has just replaced cannot be read (ESTALE): the one
/// that has its name now is read instead.
#[test]
fn a_file_that_another_machine_replaces_is_read_again() {
    if cannot_trace("fault injection") {
        return;
    }
    let rules = "list friends \"~/friends\"\nwhen duplicate -> folder \"Double\"\n\
                 when from in friends -> folder \"Friends\"\n";
    let message = b"From: a@b.example\nMessage-ID: <1@b.example>\n\n";
    let state = ".local/state/mfilter";
    for (name, calls) in [
        (".mailrules", "pread64,read"),
        ("friends", "pread64,read"),
        (".local/state/mfilter/seen", "pread64"),
        (".local/state/mfilter/seen", "flock"),
    ] {
        let home = Home::with_rules(rules);
        home.write("friends", "a@b.example\n");
        assert_eq!(home.deliver(b"From: c@d.example\nMessage-ID: <0@b.example>\n\n").code, Some(0));
        let deliver = |inject: &str| {
            let mut command = Command::new(STRACE);
            command.args(["-f", "-o", "/dev/null", "-e", inject, "-P"]).arg(home.path().join(name));
            command.arg(support::MFILTER).env_clear().env("HOME", home.path());
            run(command, message)
        };
        let first = deliver(&format!("inject={calls}:error=ESTALE:when=1"));
        assert_eq!(first.code, Some(0), "{name} {calls}: {first:?}");
        assert_eq!(home.deliver(message).code, Some(0));
        let mut folders: Vec<_> = home.mail().into_iter().map(|mail| mail.folder).collect();
        folders.sort();
        assert_eq!(folders, ["", ".Double", ".Friends"], "{name} {calls}");
        let log = fs::read_to_string(home.path().join(state).join("log")).expect("a log");
        assert!(!log.contains("note"), "{name} {calls}: {log}");
    }
}

/// Rules that refuse whoever is in a list must not refuse the retry of the message that put
/// its sender there.
#[test]
fn a_kill_after_a_list_was_edited_refuses_nothing() {
    if cannot_trace("fault injection") {
        return;
    }
    let home = Home::with_rules(
        "list known \"~/known\"\nwhen from in known -> reject \"5.7.1 again\"\nadd from to known\n",
    );
    assert_eq!(home.deliver(b"From: first@b.example\n\n").code, Some(0));
    let message = b"From: second@b.example\n\n";
    // What is synced last is the directory of the list.
    let mut command = Command::new(STRACE);
    command.args(["-f", "-o", "/dev/null", "-e", "inject=fsync:signal=KILL", "-P"]);
    command.arg(home.path()).arg(support::MFILTER).env_clear().env("HOME", home.path());
    let killed = run(command, message);
    let list = fs::read_to_string(home.path().join("known")).expect("a list");
    assert!(killed.signal.is_some() && list.contains("second@b.example"), "{killed:?}: {list}");
    let again = home.deliver(message);
    assert_eq!((again.code, home.mail().len()), (Some(0), 2), "{again:?}");
    assert_eq!(home.deliver(message).code, Some(77), "the next one is another message");
}

/// The same for rules that refuse duplicates, and those that defer them.
#[test]
fn a_kill_after_a_message_was_noted_refuses_no_retry() {
    if cannot_trace("fault injection") {
        return;
    }
    for (refusal, code) in [("reject \"5.7.1 again\"", 77), ("defer \"4.7.1 again\"", 75)] {
        let home = Home::with_rules(&format!("when duplicate -> {refusal}\n"));
        assert_eq!(home.deliver(b"Message-ID: <1@b.example>\n\n").code, Some(0));
        let message = b"Message-ID: <2@b.example>\n\n";
        let mut command = Command::new(STRACE);
        command.args(["-f", "-o", "/dev/null", "-e", "inject=pwrite64:signal=KILL", "-P"]);
        command.arg(home.path().join(".local/state/mfilter/seen")).arg(support::MFILTER);
        command.env_clear().env("HOME", home.path());
        let killed = run(command, message);
        assert!(killed.signal.is_some() && home.mail().len() == 2, "{killed:?}");
        let again = home.deliver(message);
        assert_eq!((again.code, home.mail().len()), (Some(0), 2), "{again:?}");
        assert_eq!(home.deliver(message).code, Some(code), "the next one is another message");
    }
}

fn kill(scenario: &Scenario, calls: &[Call], at: usize, signal: &str) -> Vec<String> {
    let home = scenario.home();
    let log = home.path().join("strace");
    let Some(Call { name, number, .. }) = calls.get(at) else { return Vec::new() };
    let run = scenario.trace(
        &home,
        &log,
        &[&format!("-etrace={name}"), &format!("-einject={name}:signal={signal}:when={number}")],
    );
    let mut complaints = Vec::new();
    if run.signal.is_none() {
        complaints.push(format!("was not killed: {run:?}"));
    }
    scenario.look(&home, &mut complaints);
    let again = scenario.deliver(&home);
    let counts = scenario.look(&home, &mut complaints);
    // SIGTERM lets the call finish.
    let committed = calls.iter().take(at + 1).any(is_commit);
    let most = if committed { 2 } else { 1 };
    let places: BTreeSet<String> = counts.keys().cloned().collect();
    if again.code != Some(0) || places != scenario.expected() || counts.values().any(|n| *n > most)
    {
        complaints.push(format!("retry: {again:?} with {counts:?}"));
    }
    scenario.look_at_effects(&home, &mut complaints);
    let at = format!("{}: {signal} at {name} #{number}", scenario.name);
    complaints.into_iter().map(|why| format!("{at}\n    {why}")).collect()
}

/// A message becomes visible.
fn is_commit(call: &Call) -> bool {
    call.name.starts_with("rename") && call.line.contains("/Maildir") && call.line.contains(",S=")
}

#[test]
fn a_kill_at_each_system_call_loses_nothing() {
    if cannot_trace("fault injection") {
        return;
    }
    let traces: Vec<_> = SCENARIOS.iter().map(|s| (s, undisturbed(s))).collect();
    let mut points = Vec::new();
    for (scenario, calls) in &traces {
        for signal in ["SIGKILL", "SIGTERM"] {
            let here = (0..calls.len()).filter(|at| long() || calls[*at].in_main);
            points.extend(
                here.filter(|at| !matches!(calls[*at].name.as_str(), "execve" | "exit_group"))
                    .map(|at| (*scenario, calls, at, signal)),
            );
        }
    }
    let all = points.len();
    let points = sample(points, 150);
    let complaints =
        for_each(&points, |(scenario, calls, at, signal)| kill(scenario, calls, *at, signal));
    eprintln!("kills: {} of {all} points", points.len());
    assert!(complaints.is_empty(), "{}:\n{}", complaints.len(), complaints.join("\n"));
}

/// Holds the strictest reading of POSIX against a delivery: a file's content
/// is safe once the file is synced, an entry once its directory is synced.
#[test]
fn all_is_synced_before_a_delivery_is_acknowledged() {
    if cannot_trace("fault injection") {
        return;
    }
    for scenario in SCENARIOS {
        let calls = undisturbed(scenario);
        let mut synced_files = BTreeSet::new();
        // Entries that a power cut would take, each as directory and name.
        let mut unsafe_entries = BTreeSet::new();
        let mut commits = 0;
        for call in calls.iter().filter(|call| call.line.contains(" = 0")) {
            let line = &call.line;
            match call.name.as_str() {
                "fsync" | "fdatasync" => {
                    let path = described(line, 0);
                    unsafe_entries.retain(|(directory, _)| *directory != path);
                    synced_files.insert(path);
                }
                "mkdir" => {
                    let path = quoted(line, 0);
                    if let Some((directory, name)) = path.rsplit_once('/') {
                        unsafe_entries.insert((directory.to_owned(), name.to_owned()));
                    }
                }
                "mkdirat" => {
                    unsafe_entries.insert((described(line, 0), quoted(line, 0)));
                }
                _ if is_commit(call) => {
                    commits += 1;
                    let staged = format!("{}/{}", described(line, 0), quoted(line, 0));
                    assert!(synced_files.contains(&staged), "{}: {line}", scenario.name);
                    unsafe_entries.insert((described(line, 1), quoted(line, 1)));
                }
                _ => {}
            }
        }
        // Files that are created again when they are missing.
        unsafe_entries.retain(|(directory, name)| directory.contains("/Maildir") && name != "tmp");
        assert_eq!(unsafe_entries, BTreeSet::new(), "{}", scenario.name);
        assert!(commits >= scenario.copies.len(), "{}: {commits}", scenario.name);
    }
}

/// A delivery that a file server does not answer is ended by a signal before Postfix
/// bounces its message.
#[test]
fn a_delivery_that_hangs_is_ended() {
    if cannot_trace("hanging system calls") {
        return;
    }
    let home = Home::with_rules("inbox\n");
    let log = home.path().join("strace");
    let trace = |inject: &[&str]| {
        let mut command = Command::new(STRACE);
        command.args(["-f", "-o"]).arg(&log).args(inject).arg(support::MFILTER);
        command.env_clear().env("HOME", home.path());
        run(command, b"Subject: x\n\n")
    };
    assert_eq!(trace(&[]).code, Some(0));
    let calls = fs::read_to_string(&log).expect("strace's log");
    let alarm = calls.lines().position(|line| {
        line.contains(" alarm(900)") || line.contains("setitimer(") && line.contains("tv_sec=900")
    });
    let rules = calls.lines().position(|line| line.contains(".mailrules"));
    assert!(alarm.is_some() && alarm < rules, "{calls}");
    let ended = trace(&["-e", "inject=fsync:signal=SIGALRM:when=1"]);
    assert_eq!((ended.code, ended.signal), (None, Some(14)), "{ended:?}");
}

/// Dovecot renames a folder that is removed, then removes what is in it: a message that
/// comes into it in between must not count as delivered.
#[test]
fn a_message_does_not_go_with_a_folder_that_is_being_removed() {
    if cannot_trace("slow system calls") {
        return;
    }
    let home = Home::with_rules("copy \"A\"\nfolder \"B\"\n");
    assert_eq!(home.deliver(b"Subject: 1\n\n").code, Some(0));
    let (folder, removed) =
        (home.path().join("Maildir/.B"), home.path().join("Maildir/..DOVECOT-TRASHED"));
    let mut command = Command::new(STRACE);
    command.args(["-f", "-o", "/dev/null", "-e", "inject=renameat2:delay_enter=1500000:when=2"]);
    command.arg(support::MFILTER).env_clear().env("HOME", home.path());
    let delivery = std::thread::spawn(move || run(command, b"Subject: 2\n\n"));
    support::wait_for("the first copy", || {
        (support::mail(&home.path().join("Maildir")).len() == 3).then_some(())
    });
    fs::rename(&folder, &removed).expect("renamed");
    let run = delivery.join().expect("no panic");
    fs::remove_dir_all(&removed).expect("removed");
    assert_eq!(run.code, Some(75), "{run:?}");
    assert!(run.stderr.starts_with("4.2.0 cannot find the folder"), "{run:?}");
    assert_eq!(home.deliver(b"Subject: 2\n\n").code, Some(0));
    let mut folders: Vec<_> = home.mail().into_iter().map(|mail| mail.folder).collect();
    folders.sort();
    assert_eq!(folders, [".A", ".A", ".B"]);
}
