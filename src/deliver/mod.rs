//! Carrying a plan out: the only room that writes mail.
//!
//! All copies are staged first (written and synced in `tmp/`), then all are
//! committed (renamed and the directory synced). A failure while staging
//! leaves nothing behind. A failure while committing takes back what was
//! committed before, so that the MTA's retry does not store it twice; a copy
//! that a mail reader has moved meanwhile stays, and is doubled by the retry.
//!
//! - `reject` and `discard` after copies: the copies are stored, then it is
//!   refused or dropped. If they cannot be stored, the message is deferred.
//! - `defer` after copies: nothing is stored, since every retry would store
//!   the copies again; they are stored when a retry is no longer deferred.
//! - A folder whose name is too long for a file system is the inbox, with a
//!   note: the name comes from the message, and would never fit.

pub mod folder;
pub mod list_edit;
pub mod log;
pub mod mutf7;
pub mod maildir;
pub mod notice;
pub mod program;

mod keywords;
mod name;

use std::path::PathBuf;

use crate::message::{HeaderEdit, Message};
use crate::outcome::{Failure, Outcome};
use crate::plan::{DeliveryWord, Folder, Plan, StepKind};
use crate::rules::program::Flags;

use maildir::{Location, Maildir, Staged};

/// What became of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// How it ended.
    pub outcome: Outcome,
    /// Each copy that was stored and stayed, in the order of the plan.
    pub stored: Vec<Stored>,
    /// What went differently than the rules asked, for the log.
    pub notes: Vec<String>,
}

/// One stored copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Which step of the plan; none for the inbox of a plan without an end.
    pub step: Option<usize>,
    /// The folder as people name it.
    pub folder: Folder,
    /// The file.
    pub path: PathBuf,
}

/// Carries out a plan. A step that cannot be done defers the message.
pub fn deliver(plan: &Plan, message: &Message, location: &Location) -> Report {
    let (copies, end) = read_plan(plan);
    let mut report = Report { outcome: end, stored: Vec::new(), notes: Vec::new() };
    if matches!(report.outcome, Outcome::Deferred { .. }) || copies.is_empty() {
        return report;
    }
    if let Err(failure) = store(&copies, message, location, &mut report) {
        report.stored.clear();
        report.outcome = failure.into();
    }
    report
}

/// A copy to be stored.
struct Copy<'p> {
    step: Option<usize>,
    folder: &'p Folder,
    flags: &'p Flags,
    edits: Vec<HeaderEdit>,
}

/// What a plan stores, and how it ends if all can be stored. A plan without an
/// end, which evaluation does not make, ends in the inbox.
fn read_plan(plan: &Plan) -> (Vec<Copy<'_>>, Outcome) {
    static INBOX: Folder = Folder { parts: Vec::new() };
    static NO_FLAGS: Flags = Flags { letters: String::new(), keywords: Vec::new() };
    let mut copies = Vec::new();
    let mut edits = Vec::new();
    for (number, step) in plan.steps.iter().enumerate() {
        match &step.kind {
            StepKind::Deliver { as_, folder, flags } => {
                copies.push(Copy { step: Some(number), folder, flags, edits: edits.clone() });
                if !matches!(as_, DeliveryWord::Copy) {
                    return (copies, Outcome::Delivered);
                }
            }
            StepKind::Edit(edit) => edits.push(edit.clone()),
            StepKind::Log(_) => {}
            StepKind::Discard { .. } => return (copies, Outcome::Discarded),
            StepKind::Reject { status, text } => {
                let (status, text) = (status.clone(), text.clone());
                return (copies, Outcome::Refused { status, text });
            }
            StepKind::Defer { status, text } => {
                let (status, text) = (status.clone(), text.clone());
                return (copies, Outcome::Deferred { status, text });
            }
        }
    }
    copies.push(Copy { step: None, folder: &INBOX, flags: &NO_FLAGS, edits });
    (copies, Outcome::Delivered)
}

fn store(
    copies: &[Copy<'_>],
    message: &Message,
    location: &Location,
    report: &mut Report,
) -> Result<(), Failure> {
    let maildir = Maildir::open(location)?;
    if copies.len() > 1 {
        message
            .spool()
            .map_err(|error| Failure::new("keep the message in", std::env::temp_dir(), error))?;
    }
    let mut staged = Vec::with_capacity(copies.len());
    for copy in copies {
        let place = location.place(copy.folder);
        report.notes.extend(place.note.clone());
        let one = maildir.stage(&place, copy.flags, message, &copy.edits)?;
        report.notes.extend(one.problems().iter().map(|why| format!("{}: {why}", copy.folder)));
        staged.push(one);
    }
    for (number, copy) in copies.iter().enumerate() {
        match staged.get_mut(number).map(Staged::commit) {
            Some(Ok(path)) => {
                report.stored.push(Stored { step: copy.step, folder: copy.folder.clone(), path })
            }
            Some(Err(failure)) => {
                take_back(staged, report);
                return Err(failure);
            }
            None => {}
        }
    }
    staged.into_iter().for_each(Staged::keep);
    Ok(())
}

fn take_back(staged: Vec<Staged>, report: &mut Report) {
    let mut stored = report.stored.iter();
    for one in staged {
        let path = stored.next().map(|stored| stored.path.display().to_string());
        if let (false, Some(path)) = (one.undo(), path) {
            report.notes.push(format!("`{path}` could not be taken back; a retry doubles it"));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use crate::plan::Step;
    use crate::rules::program::Layout;

    use super::*;

    fn folder(name: &str) -> Folder {
        Folder { parts: name.split('/').map(str::to_string).collect() }
    }

    fn to(as_: DeliveryWord, name: &str) -> StepKind {
        StepKind::Deliver { as_, folder: folder(name), flags: Flags::default() }
    }

    fn plan(kinds: Vec<StepKind>) -> Plan {
        Plan { steps: kinds.into_iter().map(|kind| Step { kind, rule: None }).collect() }
    }

    fn run(home: &Path, kinds: Vec<StepKind>) -> Report {
        let location = Location::new(home, Layout::Fs, None);
        deliver(&plan(kinds), &Message::from_bytes(b"A: b\n\nc\n".to_vec()), &location)
    }

    fn count(home: &Path, directory: &str) -> usize {
        fs::read_dir(home.join(directory)).map_or(0, Iterator::count)
    }

    fn add(name: &str) -> StepKind {
        StepKind::Edit(HeaderEdit::Add { name: name.into(), value: "1".into() })
    }

    fn reject() -> StepKind {
        StepKind::Reject { status: "5.7.1".into(), text: "no".into() }
    }

    #[test]
    fn edits_reach_the_copies_behind_them() {
        let home = tempfile::tempdir().unwrap();
        let report = run(
            home.path(),
            vec![
                to(DeliveryWord::Copy, "A"),
                add("X-One"),
                to(DeliveryWord::Copy, "B"),
                add("X-Two"),
                to(DeliveryWord::Folder, "C"),
            ],
        );
        assert_eq!(report.outcome, Outcome::Delivered);
        let headers: Vec<usize> = report
            .stored
            .iter()
            .map(|stored| fs::read_to_string(&stored.path).unwrap().matches("X-").count())
            .collect();
        assert_eq!(headers, [0, 1, 2]);
        let steps: Vec<_> = report.stored.iter().map(|stored| stored.step).collect();
        assert_eq!(steps, [Some(0), Some(2), Some(4)]);
    }

    #[test]
    fn the_end_decides_what_becomes_of_copies() {
        let home = tempfile::tempdir().unwrap();
        let copy = || to(DeliveryWord::Copy, "A");
        let report = run(home.path(), vec![copy(), reject(), to(DeliveryWord::Inbox, "x")]);
        assert_eq!(report.outcome.exit_code(), 77);
        assert_eq!((count(home.path(), "A/new"), count(home.path(), "x/new")), (1, 0));

        let report = run(home.path(), vec![copy(), StepKind::Discard { why: None }]);
        assert_eq!(report.outcome, Outcome::Discarded);
        assert_eq!(count(home.path(), "A/new"), 2);

        let defer = StepKind::Defer { status: "4.7.1".into(), text: "later".into() };
        let report = run(home.path(), vec![copy(), defer]);
        assert_eq!(report.outcome.line().as_deref(), Some("4.7.1 later"));
        assert_eq!(count(home.path(), "A/new"), 2, "every retry would store it again");
        assert!(report.stored.is_empty());
    }

    #[test]
    fn a_plan_without_an_end_ends_in_the_inbox() {
        let home = tempfile::tempdir().unwrap();
        let report = run(home.path(), vec![add("X-One")]);
        assert_eq!(report.outcome, Outcome::Delivered);
        assert_eq!(count(home.path(), "new"), 1);
    }

    #[test]
    fn a_failure_while_staging_leaves_nothing() {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join("B"), "no folder").unwrap();
        for end in [to(DeliveryWord::Folder, "B"), reject()] {
            let report = run(
                home.path(),
                vec![to(DeliveryWord::Copy, "A"), to(DeliveryWord::Copy, "B"), end],
            );
            let line = report.outcome.line().unwrap();
            assert!(line.starts_with("4.2.0 cannot open the folder `"), "{line}");
            assert_eq!(report.outcome.exit_code(), 75);
            assert!(report.stored.is_empty());
            assert_eq!((count(home.path(), "A/new"), count(home.path(), "A/tmp")), (0, 0));
        }
    }

    #[test]
    fn a_failure_while_committing_takes_back_what_was_committed() {
        let home = tempfile::tempdir().unwrap();
        let location = Location::new(home.path(), Layout::Fs, None);
        let message = Message::from_bytes(b"x\n".to_vec());
        let maildir = Maildir::open(&location).unwrap();
        let stage = |name| {
            let place = location.place(&folder(name));
            maildir.stage(&place, &Flags::default(), &message, &[]).unwrap()
        };
        let mut staged = vec![stage("A"), stage("B"), stage("C")];
        fs::remove_dir_all(home.path().join("B")).unwrap();
        let copies: Vec<_> = ["A", "B", "C"].map(folder).into();
        let mut report =
            Report { outcome: Outcome::Delivered, stored: Vec::new(), notes: Vec::new() };
        let path = staged[0].commit().unwrap();
        report.stored.push(Stored { step: None, folder: copies[0].clone(), path });
        assert!(staged[1].commit().is_err());
        take_back(staged, &mut report);
        assert!(report.notes.is_empty());
        for name in ["A/new", "A/tmp", "C/new", "C/tmp"] {
            assert_eq!(count(home.path(), name), 0, "{name}");
        }
    }

    #[test]
    #[allow(clippy::print_stderr, reason = "a skipped test says so")]
    fn a_full_disk_defers_and_leaves_nothing() {
        let home = tempfile::tempdir().unwrap();
        let tiny = home.path().join("tiny");
        fs::create_dir(&tiny).unwrap();
        let mounted = std::process::Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=64k", "tmpfs"])
            .arg(&tiny)
            .output()
            .is_ok_and(|output| output.status.success());
        if !mounted {
            eprintln!("skipped: cannot mount a small tmpfs");
            return;
        }
        let location = Location::new(&tiny, Layout::Fs, None);
        let big = Message::from_bytes(vec![b'x'; 40_000]);
        let plan = plan(vec![to(DeliveryWord::Copy, "A"), to(DeliveryWord::Folder, "B")]);
        let report = deliver(&plan, &big, &location);
        let left: Vec<usize> =
            ["A/tmp", "A/new", "B/tmp", "B/new"].map(|name| count(&tiny, name)).into();
        let unmounted = std::process::Command::new("umount").arg(&tiny).status();
        assert!(unmounted.unwrap().success());
        let line = report.outcome.line().unwrap();
        assert!(line.starts_with("4.3.1 cannot write the message in `"), "{line}");
        assert_eq!(left, [0; 4]);
    }
}
