//! Each system call of `mfilter sort` fails once, and at each one the program
//! is killed once, on two file systems: no message is lost, none is doubled
//! after the next run, and everything can be undone.
//!
//! Without `MFILTER_LONG` an even sample of the points is tried. The long form:
//!
//! ```text
//! MFILTER_LONG=1 cargo test --test ptrace sort_faults -- --nocapture
//! ```

#![allow(clippy::print_stderr, reason = "what was tried is told, and what was skipped")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use crate::support;
use crate::support::strace::{STRACE, call, cannot_trace};
use crate::support::{Home, MFILTER, Run, for_each, long, run};
use tempfile::TempDir;

const RULES: &str = "\
when subject is \"near\" -> folder \"Near\" as flagged \"$New\"
when subject is \"far\"  -> folder \"Far\" as seen
when subject is \"flag\" -> inbox as seen
";

/// Where each message is before and after, below the Maildir.
const MAIL: &[(&str, &str, &str)] = &[
    ("near", "new/1.a,S=3", ".Near/cur/1.a,S=3:2,F $New"),
    ("near", "cur/2.a,U=4:2,Sa", ".Near/cur/2.a:2,FS $Old $New"),
    ("far", "new/3.a", ".Far/cur/3.a:2,S"),
    ("far", "cur/4.a,U=5:2,R", ".Far/cur/4.a:2,RS"),
    ("flag", "cur/5.a,U=6:2,", "cur/5.a,U=6:2,S"),
    ("else", "cur/6.a:2,F", "cur/6.a:2,F"),
];

struct Mailbox {
    home: Home,
    _far: Option<TempDir>,
}

impl Mailbox {
    fn new() -> Mailbox {
        let home = Home::with_rules(RULES);
        home.write("Maildir/dovecot-keywords", "0 $Old\n");
        for directory in ["new", "cur", "tmp"] {
            fs::create_dir_all(home.path().join("Maildir").join(directory)).expect("made");
        }
        for (subject, before, _) in MAIL {
            home.write(&format!("Maildir/{before}"), text(subject, before));
        }
        let far = far_folder(home.path());
        Mailbox { home, _far: far }
    }

    fn trace(&self, log: &Path, options: &[&str]) -> Run {
        let mut command = Command::new(STRACE);
        command.args(["-f", "-y", "-s", "400", "-o"]).arg(log).args(options).arg(MFILTER);
        command.arg("sort").env_clear().env("HOME", self.home.path()).env("TZ", "UTC");
        run(command, b"")
    }

    fn sort(&self, arguments: &[&str]) -> Run {
        self.home.run(&[&["sort"], arguments].concat(), b"")
    }

    /// The places of each message by its text; complains about messages that are cut.
    fn look(&self, complaints: &mut Vec<String>) -> BTreeMap<String, Vec<String>> {
        let maildir = self.home.path().join("Maildir");
        let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for mail in support::mail(&maildir) {
            let known =
                MAIL.iter().any(|(subject, before, _)| text(subject, before) == mail.text());
            let path = mail.path.strip_prefix(&maildir).expect("below").display().to_string();
            if !known {
                complaints.push(format!("partial: {path}"));
            }
            found.entry(mail.text()).or_default().push(path);
        }
        for (subject, before, _) in MAIL {
            if !found.contains_key(&text(subject, before)) {
                complaints.push(format!("lost: {before}"));
            }
        }
        found
    }

    /// What is wrong with where messages are, each once, and how they are flagged.
    fn compare(&self, expected: impl Fn(&str, &str) -> String, complaints: &mut Vec<String>) {
        let found = self.look(complaints);
        for (subject, before, after) in MAIL {
            let places = found.get(&text(subject, before)).cloned().unwrap_or_default();
            let mut expected = vec![expected(before, after)];
            // Keywords that the rules add are left out where they cannot be recorded.
            expected.extend(expected[0].strip_suffix(" $New").map(str::to_owned));
            // A message that was never moved still has isync's number.
            let named = places.iter().map(|place| without_number(&self.named(place)));
            let named: Vec<String> = named.collect();
            if named.len() != 1 || !expected.contains(&named[0]) {
                complaints.push(format!("{before} is at {named:?}, not {:?}", expected[0]));
            }
        }
    }

    /// Each file of the Maildir, the log and the journals, with its content.
    fn files(&self) -> BTreeMap<PathBuf, String> {
        let state = self.home.path().join(".local/state/mfilter");
        let log = fs::read_to_string(state.join("log")).expect("a log");
        let mut files = BTreeMap::from([(state.join("log"), log)]);
        let mut open = vec![self.home.path().join("Maildir"), state.join("sorted")];
        while let Some(directory) = open.pop() {
            for entry in fs::read_dir(directory).expect("listed").flatten() {
                let path = entry.path();
                if path.is_dir() {
                    open.push(path);
                } else {
                    files.insert(path.clone(), fs::read_to_string(path).expect("read"));
                }
            }
        }
        files
    }

    /// A place with the keywords by name, sorted.
    fn named(&self, place: &str) -> String {
        let Some((base, flags)) = place.split_once(":2,") else { return place.to_owned() };
        let folder = place.split('/').next().filter(|name| name.starts_with('.'));
        let file = format!("Maildir/{}/dovecot-keywords", folder.unwrap_or_default());
        let known = fs::read_to_string(self.home.path().join(file)).unwrap_or_default();
        let (keywords, letters): (Vec<char>, Vec<char>) =
            flags.chars().partition(char::is_ascii_lowercase);
        let mut names: Vec<&str> = keywords
            .into_iter()
            .map(|letter| {
                let number = format!("{} ", u32::from(letter) - u32::from('a'));
                known.lines().find_map(|line| line.strip_prefix(&number)).unwrap_or("?")
            })
            .collect();
        names.sort_unstable_by_key(|name| std::cmp::Reverse(*name));
        let letters: String = letters.into_iter().collect();
        std::iter::once(format!("{base}:2,{letters}").as_str())
            .chain(names)
            .collect::<Vec<_>>()
            .join(" ")
    }

    /// Pretends that two minutes have passed, after which Dovecot overrides a lock.
    fn wait_for_locks(&self) {
        let lock = self.home.path().join("Maildir/.Near/dovecot-keywords.lock");
        if let Ok(file) = fs::File::options().append(true).open(lock) {
            file.set_modified(SystemTime::now() - Duration::from_secs(600)).expect("set");
        }
    }
}

fn text(subject: &str, before: &str) -> String {
    format!("From: a@b.example\nSubject: {subject}\nMessage-ID: <{before}@b.example>\n\nend\n")
}

/// Links the folder `Far` of the Maildir in `home` to a Maildir on another file system, if
/// there is one.
pub(crate) fn far_folder(home: &Path) -> Option<TempDir> {
    let far = other_disk(home)?;
    for directory in ["new", "cur", "tmp"] {
        fs::create_dir_all(far.path().join(directory)).expect("made");
    }
    symlink(far.path(), home.join("Maildir/.Far")).expect("linked");
    Some(far)
}

/// A directory on another file system than `home`, if there is one.
pub(crate) fn other_disk(home: &Path) -> Option<TempDir> {
    let far = tempfile::tempdir_in("/dev/shm").ok()?;
    let device = |path: &Path| fs::metadata(path).map(|about| about.dev()).ok();
    (device(far.path()) != device(home)).then_some(far)
}

fn without_number(place: &str) -> String {
    match place.split_once(",U=") {
        Some((start, rest)) if place.starts_with("cur/") && !place.contains("/5.a") => {
            format!("{start}{}", rest.trim_start_matches(|c: char| c.is_ascii_digit()))
        }
        _ => place.to_owned(),
    }
}

/// Each call's name, how often one thread makes it, and the lines.
pub(crate) fn calls(log: &str) -> (BTreeMap<String, usize>, Vec<String>) {
    let mut counts: BTreeMap<(String, String), usize> = BTreeMap::new();
    let mut lines = Vec::new();
    for line in log.lines() {
        let (Some((thread, _)), Some(name)) = (line.split_once(' '), call(line)) else { continue };
        *counts.entry((thread.to_owned(), name.to_owned())).or_default() += 1;
        lines.push(line.to_owned());
    }
    let mut most: BTreeMap<String, usize> = BTreeMap::new();
    for ((_, name), count) in counts {
        let known = most.entry(name).or_default();
        *known = count.max(*known);
    }
    (most, lines)
}

/// The calls that may fail, with the errors that they may fail with.
pub(crate) const FAULTS: &[(&str, &[&str])] = &[
    ("openat", &["EMFILE", "EACCES", "EIO", "ENOSPC"]),
    ("open", &["EMFILE", "EACCES"]),
    ("mkdirat", &["ENOSPC", "EDQUOT"]),
    ("mkdir", &["ENOSPC", "EROFS"]),
    ("write", &["ENOSPC", "EIO"]),
    ("copy_file_range", &["ENOSPC", "EIO"]),
    ("sendfile", &["ENOSPC"]),
    ("fsync", &["EIO", "ENOSPC"]),
    ("fdatasync", &["EIO", "ENOSPC"]),
    ("renameat2", &["EIO", "ENOSPC", "EXDEV", "EACCES", "EINVAL", "EROFS"]),
    ("renameat", &["EIO"]),
    ("rename", &["EIO"]),
    ("linkat", &["EPERM", "EIO"]),
    ("unlinkat", &["EIO", "EACCES", "EROFS"]),
    ("unlink", &["EIO"]),
    ("newfstatat", &["EIO", "EACCES"]),
    ("fstat", &["EIO"]),
    ("statx", &["EIO"]),
    ("getdents64", &["EIO"]),
    ("flock", &["ENOLCK"]),
    ("utimensat", &["EPERM"]),
    ("fchmod", &["EPERM"]),
    ("read", &["EIO"]),
    ("pread64", &["EIO"]),
    ("ftruncate", &["EIO"]),
    ("lseek", &["EIO"]),
];

/// Injects something, sorts again, and undoes everything.
fn attempt(name: &str, number: usize, what: &str) -> Vec<String> {
    let mail = Mailbox::new();
    let log = mail.home.path().join("strace");
    let inject = format!("-einject={name}:{what}:when={number}");
    let first = mail.trace(&log, &[&format!("-etrace={name}"), &inject]);
    let mut complaints = Vec::new();
    mail.look(&mut complaints);
    if first.code.is_some_and(|code| code > 2) {
        complaints.push(format!("ended with {first:?}"));
    }
    // What that run could not do, the next one does.
    mail.wait_for_locks();
    let again = mail.sort(&[]);
    if again.code != Some(0) {
        complaints.push(format!("again: {again:?}"));
    }
    mail.compare(|_, after| after.to_owned(), &mut complaints);
    let mut back = mail.sort(&["--undo"]);
    for _ in 0..4 {
        if back.stderr.contains("no run to undo") {
            break;
        }
        back = mail.sort(&["--undo"]);
    }
    mail.compare(|before, _| mail.named(&without_number(before)), &mut complaints);
    let at = format!("{what} at {name} #{number}");
    complaints.into_iter().map(|why| format!("{at}\n    {why}")).collect()
}

fn undisturbed() -> (BTreeMap<String, usize>, Vec<String>) {
    let mail = Mailbox::new();
    let log = mail.home.path().join("strace");
    let run = mail.trace(&log, &[]);
    assert_eq!(run.code, Some(0), "{run:?}");
    let mut complaints = Vec::new();
    mail.compare(|_, after| after.to_owned(), &mut complaints);
    assert_eq!(complaints, Vec::<String>::new());
    let before = mail.files();
    assert_eq!(mail.sort(&[]).code, Some(0));
    assert_eq!(mail.files(), before, "a second run");
    calls(&fs::read_to_string(log).expect("strace's log"))
}

#[test]
fn no_failing_call_and_no_kill_loses_or_doubles_a_message() {
    if cannot_trace("fault injection") {
        return;
    }
    if other_disk(&std::env::temp_dir()).is_none() {
        eprintln!("skipped: moves to another file system, since /dev/shm is none");
    }
    let (counts, _) = undisturbed();
    let mut points = Vec::new();
    for (name, count) in &counts {
        let errors = FAULTS.iter().find(|(known, _)| known == name).map_or(&[][..], |(_, e)| e);
        for number in 1..=*count {
            let errors = errors.iter().map(|error| format!("error={error}"));
            points.extend(errors.map(|what| (name.clone(), number, what)));
            if FAULTS.iter().any(|(known, _)| known == name) {
                points.push((name.clone(), number, "signal=SIGKILL".to_owned()));
            }
        }
    }
    let all = points.len();
    if !long() {
        let keep = |at: &usize| at * 150 / all != (at + 1) * 150 / all;
        points =
            points.into_iter().enumerate().filter(|(at, _)| keep(at)).map(|(_, p)| p).collect();
    }
    let complaints = for_each(&points, |(name, number, what)| attempt(name, *number, what));
    eprintln!("failing calls and kills: {} of {all} points", points.len());
    assert!(complaints.is_empty(), "{}:\n{}", complaints.len(), complaints.join("\n"));
}

/// A kill between the two halves of a move to another file system leaves the
/// message in both. The next run knows that from the journal, even with rules
/// that would not move it, and so does undoing.
#[test]
fn half_a_move_is_finished_whatever_comes_next() {
    if cannot_trace("fault injection") {
        return;
    }
    let (counts, _) = undisturbed();
    let mut doubled = 0;
    for name in ["renameat2", "unlinkat", "unlink", "fsync"] {
        for number in 1..=counts.get(name).copied().unwrap_or(0) {
            for back in [false, true] {
                let mail = Mailbox::new();
                let log = mail.home.path().join("strace");
                let inject = format!("-einject={name}:signal=SIGKILL:when={number}");
                mail.trace(&log, &[&format!("-etrace={name}"), &inject]);
                let mut complaints = Vec::new();
                let twice = mail.look(&mut complaints).values().any(|places| places.len() > 1);
                doubled += usize::from(twice);
                mail.wait_for_locks();
                mail.home.write(".mailrules", "otherwise -> inbox\n");
                let next = mail.sort(if back { &["--undo"] } else { &[] });
                let nothing = next.stderr.contains("no run to undo");
                if next.code != Some(0) && !nothing {
                    complaints.push(format!("{next:?}"));
                }
                if back {
                    mail.compare(|before, _| mail.named(&without_number(before)), &mut complaints);
                } else {
                    let found = mail.look(&mut complaints);
                    complaints.extend(
                        found.values().filter(|places| places.len() > 1).map(|p| format!("{p:?}")),
                    );
                }
                assert_eq!(complaints, Vec::<String>::new(), "{name} #{number}, undo {back}");
            }
        }
    }
    if other_disk(&std::env::temp_dir()).is_some() {
        assert!(doubled > 0, "no kill fell between the two halves");
    }
}

/// If the half that is too much cannot be removed by the next run, a later one removes it.
#[test]
fn half_a_move_that_cannot_be_finished_is_tried_again() {
    if cannot_trace("fault injection") || other_disk(&std::env::temp_dir()).is_none() {
        return;
    }
    let (counts, _) = undisturbed();
    let mut doubled = 0;
    for number in 1..=counts.get("unlinkat").copied().unwrap_or(0) {
        let mail = Mailbox::new();
        let log = mail.home.path().join("strace");
        let inject = format!("-einject=unlinkat:signal=SIGKILL:error=EIO:when={number}");
        mail.trace(&log, &["-etrace=unlinkat", &inject]);
        let mut complaints = Vec::new();
        doubled += usize::from(mail.look(&mut complaints).values().any(|places| places.len() > 1));
        mail.wait_for_locks();
        mail.trace(&log, &["-etrace=unlinkat", "-einject=unlinkat:error=EIO"]);
        mail.wait_for_locks();
        let next = mail.sort(&[]);
        if next.code != Some(0) {
            complaints.push(format!("{next:?}"));
        }
        mail.compare(|_, after| after.to_owned(), &mut complaints);
        assert_eq!(complaints, Vec::<String>::new(), "kill at unlinkat #{number}");
    }
    assert!(doubled > 0, "no kill fell between the two halves");
}

/// A move is in the journal and on disk there before it is made, and both
/// directories are synced before the run says that it is done.
#[test]
fn the_journal_comes_first_and_directories_are_synced() {
    if cannot_trace("fault injection") {
        return;
    }
    let (_, lines) = undisturbed();
    let (mut noted, mut moves) = (false, 0);
    let mut unsynced: BTreeSet<PathBuf> = BTreeSet::new();
    for line in lines.iter().filter(|line| line.contains(" = 0")) {
        let described: Vec<PathBuf> = line
            .split('<')
            .skip(1)
            .filter_map(|rest| rest.split('>').next().map(PathBuf::from))
            .collect();
        if line.contains("fsync(") || line.contains("fdatasync(") {
            noted |= line.contains(".jsonl>");
            described.iter().for_each(|path| _ = unsynced.remove(path));
        }
        if line.contains("renameat2(") && line.contains(".a") {
            assert!(noted, "{line}");
            moves += 1;
            unsynced.extend(described);
        }
    }
    assert!(moves >= 3, "{moves}");
    unsynced.retain(|path| !path.ends_with("tmp"));
    assert_eq!(unsynced, BTreeSet::new());
}
