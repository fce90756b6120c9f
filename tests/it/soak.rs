//! Many deliveries at a time, killed at random and tried again as an MTA does, while the
//! rules are edited and broken: every message arrives, and more than once only where a
//! delivery was killed.
//!
//! 2,000 deliveries; the long form makes 100,000:
//!
//! ```text
//! MFILTER_LONG=1 cargo test --release --test it soak -- --nocapture
//! ```

#![allow(clippy::print_stderr, reason = "what was done is told")]

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Stdio;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use crate::support;
use crate::support::dice::Dice;
use crate::support::{Home, long};

const RULES: &[&str] = &[
    "otherwise -> folder \"A\"\n",
    "when subject contains \"7\" -> copy \"C\"\notherwise -> folder \"A/B\" as seen\n",
    "when subject contians \"7\" -> inbox\n",
    "when body contains \"line\" -> folder \"B\" as flagged \"$x\"\n",
    "include \"gone\"\notherwise -> discard\n",
    "when duplicate -> log \"again\"\notherwise -> folder \"A\"\n",
    "{{{ \" /",
];

/// One try; true if it was acknowledged. `kill` is a time in microseconds.
fn attempt(home: &Home, message: &[u8], kill: Option<u64>) -> Result<bool, String> {
    let mut command = home.command(&[]);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the program starts");
    // A killed process does not read to the end.
    let _ = child.stdin.take().expect("it was asked for").write_all(message);
    if let Some(after) = kill {
        std::thread::sleep(Duration::from_micros(after));
        let _ = child.kill();
    }
    let output = child.wait_with_output().expect("it ends");
    match output.status.code() {
        Some(0) => Ok(true),
        Some(75) | None => Ok(false),
        Some(code) => Err(format!("{code}: {}", String::from_utf8_lossy(&output.stderr))),
    }
}

fn size_of(directory: &Path) -> (usize, u64) {
    let (mut files, mut bytes) = (0, 0);
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let Ok(about) = entry.metadata() else { continue };
        if about.is_dir() {
            let (more, larger) = size_of(&entry.path());
            (files, bytes) = (files + more, bytes + larger);
        } else {
            (files, bytes) = (files + 1, bytes + about.len());
        }
    }
    (files, bytes)
}

#[test]
fn nothing_is_lost_in_many_deliveries() {
    let count = if long() { 100_000 } else { 2_000 };
    let home = Home::with_rules(RULES[0]);
    let next = AtomicUsize::new(0);
    let done = AtomicBool::new(false);
    let (tries, deferred) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let kills: Mutex<BTreeMap<usize, usize>> = Mutex::default();
    std::thread::scope(|scope| {
        let editor = scope.spawn(|| {
            let mut dice = Dice(1);
            while !done.load(Ordering::Relaxed) {
                let rules = RULES[dice.roll(RULES.len())];
                let path = home.path().join(".mailrules");
                // As editors do it: in place, or as a new file.
                if dice.roll(2) == 0 {
                    let _ = fs::write(&path, rules);
                } else {
                    let new = home.path().join(".mailrules.new");
                    let _ = fs::write(&new, rules).and_then(|()| fs::rename(&new, &path));
                }
                std::thread::sleep(Duration::from_millis(dice.roll(60) as u64));
            }
        });
        let workers: Vec<_> = (0..8)
            .map(|worker| {
                let (home, next, kills, tries, deferred) = (&home, &next, &kills, &tries, &deferred);
                scope.spawn(move || {
                    let mut dice = Dice(worker + 2);
                    loop {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        if number >= count {
                            return;
                        }
                        let lines = "a line\n".repeat(dice.roll(3000));
                        let message = format!("From: a@b.example\nSubject: n{number}\nMessage-ID: <{number}@b.example>\n\n{lines}end\n");
                        loop {
                            tries.fetch_add(1, Ordering::Relaxed);
                            let kill = (dice.roll(5) == 0).then(|| dice.roll(40_000) as u64);
                            match attempt(home, message.as_bytes(), kill) {
                                Ok(true) => break,
                                Ok(false) if kill.is_some() => {
                                    *kills.lock().expect("no panic").entry(number).or_default() += 1;
                                }
                                Ok(false) => _ = deferred.fetch_add(1, Ordering::Relaxed),
                                Err(why) => panic!("{why}"),
                            }
                        }
                    }
                })
            })
            .collect();
        let ends: Vec<_> = workers.into_iter().map(|worker| worker.join()).collect();
        done.store(true, Ordering::Relaxed);
        editor.join().expect("the editor ends");
        assert!(ends.iter().all(Result::is_ok));
    });

    let kills = kills.into_inner().expect("no panic");
    let mut found: BTreeMap<usize, usize> = BTreeMap::new();
    let mut notices = 0;
    for mail in support::mail(&home.path().join("Maildir")) {
        let text = mail.text();
        if text.starts_with("From: mfilter <") {
            notices += 1;
            continue;
        }
        assert!(text.ends_with("\n\nend\n") || text.ends_with("a line\nend\n"), "{:?}", mail.path);
        assert!(
            mail.path.to_string_lossy().contains(&format!(",S={}", text.len())),
            "{:?}",
            mail.path
        );
        let number = text.split("Subject: n").nth(1).and_then(|rest| rest.lines().next());
        let number: usize = number.and_then(|number| number.parse().ok()).expect("a number");
        if mail.folder != ".C" {
            *found.entry(number).or_default() += 1;
        }
    }
    let lost: Vec<usize> = (0..count).filter(|number| !found.contains_key(number)).collect();
    assert_eq!(lost, Vec::<usize>::new(), "lost");
    let twice: BTreeMap<&usize, &usize> = found.iter().filter(|(_, copies)| **copies > 1).collect();
    for (number, copies) in &twice {
        let killed = kills.get(number).copied().unwrap_or(0);
        assert!(**copies <= 1 + killed, "{number} is there {copies} times, killed {killed} times");
    }
    let killed: usize = kills.values().sum();
    let left = support::left_in_tmp(&home.path().join("Maildir")).len();
    assert!(left <= 2 * killed, "{left} files in tmp after {killed} kills");
    let (files, bytes) = size_of(&home.path().join(".local"));
    eprintln!(
        "{count} messages, {} tries, {killed} killed, {} deferred, {} there twice, {left} left in tmp; \
         {notices} notices; state: {files} files, {bytes} bytes",
        tries.load(Ordering::Relaxed),
        deferred.load(Ordering::Relaxed),
        twice.len(),
    );
    assert!(bytes < 16 << 20, "{bytes} bytes of state");
    assert!(files < 100 + killed, "{files} files of state");
}
