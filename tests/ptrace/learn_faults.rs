//! `mfilter learn` over a table of states: after a complete run, a second one changes
//! nothing; killed at each step and run again, it gives the same result.
//!
//! Without `MFILTER_LONG` an even sample of the steps is tried.

#![allow(clippy::print_stderr, reason = "what was tried is told")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::strace::{STRACE, call, cannot_trace};
use crate::support::{Home, MFILTER, Run, for_each, long, mail, run};

const RULES: &str = "list white \"white\"\nlist black \"black\"\n\n\
    on moved to \"Junk\"              -> add from to black, remove from from white\n\
    on moved from \"Junk\" to \"INBOX\" -> add from to white, remove from from black\n";

/// What the user does to one message: where it lay, where it lies then, whether
/// the original stays, and which list its sender comes into.
const STATES: &[(&str, &str, bool, &str)] = &[
    ("cur/1.mx:2,S", ".Junk/cur/1.mx:2,S", false, "black"),
    ("new/2.mx", ".Junk/new/2.mx", false, "black"),
    (".Junk/cur/3.mx:2,S", "cur/3.dovecot:2,S", false, "white"),
    (".Junk/new/4.mx", "new/4.dovecot,U=7", false, "white"),
    (".Junk/cur/5.mx:2,", ".Trash/cur/5.mx:2,T", false, ""),
    (".Junk/cur/6.mx:2,", ".Work/cur/6.mx:2,", false, ""),
    ("cur/7.mx:2,", ".Work/cur/7.mx:2,", false, ""),
    (".Junk/cur/8.mx:2,", "cur/8.dovecot:2,", true, ""),
    ("cur/9.mx:2,", "", false, ""),
    (".Junk/cur/10.mx:2,S", ".Junk/cur/10.mx:2,FS", false, ""),
    (".Trash/cur/11.mx:2,S", ".Junk/cur/11.mx:2,S", false, ""),
];
/// A message that was delivered since the last look, and moved.
const FRESH: usize = 99;

fn message(number: usize) -> String {
    format!(
        "Received: by mx.example; {number}\nFrom: s{number}@x.example\nSubject: x\n\
         Message-ID: <{number}@x>\n\nhi\n"
    )
}

/// The user has moved everything; nobody has looked yet.
fn moved() -> Home {
    let home = Home::with_rules(RULES);
    for list in ["white", "black"] {
        home.write(list, "");
    }
    for folder in ["", ".Junk/", ".Trash/", ".Work/"] {
        for sub in ["new", "cur", "tmp"] {
            fs::create_dir_all(home.path().join(format!("Maildir/{folder}{sub}"))).expect("made");
        }
    }
    for (number, (from, ..)) in STATES.iter().enumerate() {
        home.write(&format!("Maildir/{from}"), message(number));
    }
    assert_eq!(learn(&home).code, Some(0));
    assert_eq!(home.deliver(message(FRESH).as_bytes()).code, Some(0));
    let path = |name: &str| home.path().join("Maildir").join(name);
    let fresh = mail(&path("")).into_iter().find(|mail| mail.text() == message(FRESH));
    fs::rename(fresh.expect("delivered").path, path(".Junk/cur/99.dovecot:2,S")).expect("moved");
    for (from, to, stays, _) in STATES {
        if !to.is_empty() {
            fs::copy(path(from), path(to)).expect("copied");
        }
        if !stays {
            fs::remove_file(path(from)).expect("removed");
        }
    }
    home
}

fn learn(home: &Home) -> Run {
    home.run(&["learn"], b"")
}

/// The lists, sorted, and where each message is.
fn state(home: &Home) -> Vec<String> {
    let list = |name: &str| {
        let text = fs::read_to_string(home.path().join(name)).expect("a list");
        text.lines().map(|line| format!("{name}: {line}")).collect::<BTreeSet<_>>()
    };
    let maildir = home.path().join("Maildir");
    let below = |path: &Path| path.strip_prefix(&maildir).expect("below").display().to_string();
    let lies = mail(&maildir).into_iter().map(|mail| below(&mail.path));
    list("white").into_iter().chain(list("black")).chain(lies).collect()
}

#[test]
fn learn_run_whole_run_again_and_killed_at_each_step() {
    let home = moved();
    assert_eq!(learn(&home).code, Some(0));
    let expected = state(&home);
    for (number, (.., list)) in STATES.iter().enumerate() {
        let known: Vec<&String> = expected
            .iter()
            .filter(|line| line.ends_with(&format!(": s{number}@x.example")))
            .collect();
        let right = match *list {
            "" => known.is_empty(),
            list => known.len() == 1 && known[0].starts_with(list),
        };
        assert!(right, "{number}: {known:?} and not {list:?}");
    }
    assert!(expected.contains(&format!("black: s{FRESH}@x.example")), "{expected:?}");
    let log = || fs::read(home.path().join(".local/state/mfilter/log")).expect("a log");
    let before = log();
    assert_eq!(learn(&home).code, Some(0));
    assert_eq!((state(&home), log()), (expected.clone(), before), "a second run");

    if cannot_trace("killing at each step") {
        return;
    }
    const STEPS: &str = "openat,write,rename,renameat,renameat2,fsync,fdatasync,flock,unlink,\
                         mkdir,ftruncate,pwrite64,getdents64,linkat";
    let trace = |home: &Home, options: &[&str]| {
        let mut command = Command::new(STRACE);
        command.args(["-f", "-o"]).arg(home.path().join("strace")).args(options).arg(MFILTER);
        command.arg("learn").env_clear().env("HOME", home.path()).env("TZ", "UTC");
        run(command, b"")
    };
    let home = moved();
    assert_eq!(trace(&home, &[&format!("-etrace={STEPS}")]).code, Some(0));
    let log = fs::read_to_string(home.path().join("strace")).expect("strace's log");
    let mut points: Vec<(String, usize)> = Vec::new();
    for name in log.lines().filter_map(call) {
        let number = points.iter().filter(|(known, _)| known == name).count() + 1;
        points.push((name.to_owned(), number));
    }
    let all = points.len();
    let most = if long() { all } else { 40 };
    let keep = |at: &usize| at * most / all != (at + 1) * most / all;
    let points: Vec<_> =
        points.into_iter().enumerate().filter(|(at, _)| keep(at)).map(|(_, p)| p).collect();
    let complaints = for_each(&points, |(name, number)| {
        let home = moved();
        let inject = format!("-einject={name}:signal=SIGKILL:when={number}");
        trace(&home, &[&format!("-etrace={name}"), &inject]);
        let again = learn(&home);
        let mut complaints = Vec::new();
        if again.code != Some(0) {
            complaints.push(format!("{name} #{number}: {again:?}"));
        }
        for run in ["resumed", "once more"] {
            if state(&home) != expected {
                complaints.push(format!("{name} #{number}, {run}: {:?}", state(&home)));
            }
            learn(&home);
        }
        complaints
    });
    eprintln!("kills of learn: {} of {all} steps", points.len());
    assert!(complaints.is_empty(), "{}:\n{}", complaints.len(), complaints.join("\n"));
}
