//! However a script of `include sieve` is saved, a delivery reads one whole version of it:
//! renamed into place, through another link, overwritten, emptied and written again, or
//! removed in between. `MFILTER_LONG=1` tries 10,000 reads each.
//!
//! A writer that writes in place and pauses for longer than a reader waits looks like one
//! that is done; where the machine was that busy, a partial read is not a failure.

#![allow(clippy::print_stderr, reason = "it says what was read")]

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::support::dice::Dice;
use crate::support::{Home, long};
use mfilter::file::ANYWHERE;
use mfilter::source::{ReadError, read_script};

/// Lines of a version, so that it is written in several pieces.
const LINES: usize = 8000;

fn version(number: usize) -> String {
    format!("# {number:06}\n").repeat(LINES)
}

fn is_whole(bytes: &[u8]) -> bool {
    let mut lines = bytes.split_inclusive(|byte| *byte == b'\n');
    let first = lines.next().unwrap_or_default();
    bytes.len() == 9 * LINES && lines.all(|line| line == first)
}

/// A reader waits for twice as long.
const PAUSE: Duration = Duration::from_millis(50);

/// Writes in pieces, as programs with a small buffer do; notes whether there was a pause.
fn in_pieces(mut file: File, text: &str, mut last: Instant, paused: &AtomicBool) {
    for piece in text.as_bytes().chunks(4096) {
        file.write_all(piece).expect("written");
        if last.elapsed() > PAUSE {
            paused.store(true, Ordering::Relaxed);
        }
        last = Instant::now();
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn renamed(script: &Path, text: &str) {
    let new = script.with_extension("new");
    fs::write(&new, text).expect("written");
    fs::rename(new, script).expect("renamed");
}

fn save(pattern: &str, script: &Path, number: usize, paused: &AtomicBool) {
    let text = version(number);
    let began = Instant::now();
    match pattern {
        "renamed" => renamed(script, &text),
        "behind another link" => {
            let target = script.with_extension(number.to_string());
            fs::write(&target, &text).expect("written");
            let link = script.with_extension("link");
            symlink(&target, &link).expect("a link");
            let old = fs::read_link(script).ok();
            fs::rename(link, script).expect("renamed");
            // Programs that have it open keep it.
            old.into_iter().for_each(|old| fs::remove_file(old).expect("it was there"));
        }
        "written over" => {
            let file = OpenOptions::new().write(true).create(true).truncate(false).open(script);
            in_pieces(file.expect("opened"), &text, began, paused);
        }
        "emptied and written" => {
            in_pieces(File::create(script).expect("opened"), &text, began, paused);
        }
        _ => {
            let _ = fs::remove_file(script);
            std::thread::sleep(Duration::from_millis(10));
            renamed(script, &text);
        }
    }
}

#[test]
fn a_script_is_read_whole_however_it_is_saved() {
    let (expected, readers) = if long() { (10_000, 48) } else { (48, 12) };
    for pattern in
        ["renamed", "behind another link", "written over", "emptied and written", "taken away"]
    {
        let folder = tempfile::tempdir().expect("a temporary directory");
        let script = folder.path().join("a.sieve");
        let (paused, torn) = (AtomicBool::new(false), AtomicUsize::new(0));
        save(pattern, &script, 0, &paused);
        paused.store(false, Ordering::Relaxed);
        let (over, reads) = (AtomicBool::new(false), AtomicUsize::new(0));
        let (whole, away, busy, versions) =
            (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            let saves = scope.spawn(|| {
                let mut dice = Dice(0x2545_f491_4f6c_dd1d);
                while !over.load(Ordering::Relaxed) {
                    let number = versions.fetch_add(1, Ordering::Relaxed) + 1;
                    save(pattern, &script, number, &paused);
                    // Sometimes again at once, sometimes after enough time to read it.
                    std::thread::sleep(Duration::from_millis([0, 30, 400][dice.roll(3)]));
                }
            });
            let reading: Vec<_> = (0..readers)
                .map(|_| {
                    scope.spawn(|| {
                        while reads.fetch_add(1, Ordering::Relaxed) < expected {
                            match read_script(&ANYWHERE, &script) {
                                Ok(bytes) if is_whole(&bytes) => {
                                    whole.fetch_add(1, Ordering::Relaxed);
                                }
                                Ok(_) => {
                                    torn.fetch_add(1, Ordering::Relaxed);
                                }
                                Err(ReadError::BeingSaved) => {
                                    busy.fetch_add(1, Ordering::Relaxed);
                                }
                                // A link whose target disappears while it is read, too.
                                Err(error) if error.is_absent() => {
                                    away.fetch_add(1, Ordering::Relaxed);
                                    reads.fetch_sub(1, Ordering::Relaxed);
                                    std::thread::sleep(Duration::from_millis(5));
                                }
                                Err(error) => panic!("{pattern}: {error}"),
                            }
                        }
                    })
                })
                .collect();
            let read = reading.into_iter().map(|reader| reader.join()).collect::<Vec<_>>();
            over.store(true, Ordering::Relaxed);
            saves.join().expect("it saves");
            assert!(read.iter().all(Result::is_ok), "{pattern}");
        });
        let counts = [&whole, &busy, &away, &versions].map(|count| count.load(Ordering::Relaxed));
        let [whole, busy, away, versions] = counts;
        eprintln!("{pattern}: {whole} whole, {busy} busy, {away} away, {versions} versions");
        let torn = torn.load(Ordering::Relaxed);
        assert!(torn == 0 || paused.load(Ordering::Relaxed), "{pattern}: {torn} torn");
        assert_eq!(whole + busy + torn, expected);
        let may_be_away = matches!(pattern, "taken away" | "behind another link");
        assert!(away == 0 || may_be_away, "{pattern}: {counts:?}");
        assert!(whole * 2 > expected && versions > 1, "{pattern}: {counts:?}");
    }
}

/// Rules and a list that an editor empties and writes again, as nano and `cp` do: no
/// delivery in between takes what is there for all of it.
#[test]
fn rules_and_lists_are_read_whole_while_they_are_saved() {
    let rules = "set maildir \"~/Mail\"\nlist friends \"~/friends\"\n\
                 when from in friends -> inbox\notherwise -> discard\n";
    // Two pieces, the first of which ends with a line.
    let friends = format!("{}a@b.example\n", "x@y.example      \n".repeat(4096 / 16));
    for (name, text, first) in
        [(".mailrules", rules, 0), ("friends", &*friends, 0), ("friends", &friends, 4096)]
    {
        let home = Home::with_rules(rules);
        home.write("friends", &friends);
        let (over, paused) = (AtomicBool::new(false), AtomicBool::new(false));
        let path = home.path().join(name);
        let (mut delivered, mut deferred) = (0, 0);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    let began = Instant::now();
                    let mut file = File::create(&path).expect("opened");
                    file.write_all(&text.as_bytes()[..first]).expect("written");
                    std::thread::sleep(Duration::from_millis(15));
                    file.write_all(&text.as_bytes()[first..]).expect("written");
                    paused.fetch_or(began.elapsed() > PAUSE, Ordering::Relaxed);
                    std::thread::sleep(Duration::from_millis(40));
                }
            });
            for number in 0..24 {
                let run =
                    home.deliver(format!("From: a@b.example\nSubject: {number}\n\n").as_bytes());
                match run.code {
                    Some(0) => delivered += 1,
                    Some(75) => deferred += 1,
                    _ => panic!("{run:?}"),
                }
            }
            over.store(true, Ordering::Relaxed);
        });
        let stored = crate::support::mail(&home.path().join("Mail")).len();
        eprintln!("{name}, {first}: {delivered} delivered, {stored} stored, {deferred} deferred");
        assert!(stored == delivered || paused.load(Ordering::Relaxed), "{name} {first}");
        assert!(!home.path().join("Maildir").exists() || paused.load(Ordering::Relaxed));
    }
}
