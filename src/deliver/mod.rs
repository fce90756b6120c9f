//! Carrying out a plan: the only room that writes mail.
//!
//! All copies are staged first (written and synced in `tmp/`), then all are committed
//! (renamed and the directory synced). A failure while staging leaves nothing. A failure
//! while committing takes back what was committed before, so that the MTA's retry does
//! not store it twice; a copy that a mail reader has moved by then stays, so the retry
//! duplicates it.
//!
//! - `reject` and `discard` after copies: the copies are stored, then the message is
//!   refused or dropped. If they cannot be stored, the message is deferred.
//! - `defer` after copies: nothing is stored, since every retry would store
//!   the copies again; they are stored when a retry is no longer deferred.
//! - Steps that store nothing follow when everything is stored: first those that can be
//!   repeated (lists), then programs, forwarding, answers. If one of them has to succeed
//!   and does not, the message is deferred, and the journal tells the retry what is done
//!   ([`crate::state::journal`]). Without a journal, what was stored is taken back.
//! - If `sendmail` permanently refuses to forward a message, no retry helps: it is stored
//!   in the inbox instead, unless a copy of it is already there.
//! - If the caller who waits for the outcome is gone, the message will come again:
//!   nothing is stored, or what was stored is taken back, or it is in the journal.
//! - If the Maildir's quota has no room, nothing is stored: the exit code is 75, or the
//!   message is refused where the site says so.
//! - A folder whose name is too long for its file system is replaced by the inbox, with a
//!   note: the name comes from the message, and would never fit.

pub mod filter;
pub mod list_edit;
pub mod notice;
pub mod program;
pub mod context;
pub mod sendmail;

mod effect;
mod hand_over;
mod in_maildir;
mod reply;
mod work_list;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use context::DeliveryContext;
use in_maildir::StagedCopy;
use list_edit::Change;
use work_list::{Copy, EffectRank, PlannedEffect, WorkList, read_plan};

use crate::maildir::Location;
use crate::message::Message;
use crate::outcome::{Failure, Outcome};
use crate::plan::{Folder, Plan, StepId, StepKind};
use crate::state::journal::{self, Journal};

pub use hand_over::RemoteMailbox;

/// What became of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryReport {
    /// How it ended.
    pub outcome: Outcome,
    /// Each copy that was stored and stayed, in the order of the plan.
    pub stored: Vec<StoredCopy>,
    /// Each other step that was done, in the order in which they were done.
    pub done: Vec<usize>,
    /// Folders that did not exist and had to be created.
    pub created_folders: Vec<Folder>,
    /// What went differently from what the rules asked, for the log.
    pub notes: Vec<String>,
}

impl DeliveryReport {
    /// The report of a delivery that did nothing.
    pub fn of(outcome: Outcome) -> DeliveryReport {
        DeliveryReport {
            outcome,
            stored: Vec::new(),
            done: Vec::new(),
            created_folders: Vec::new(),
            notes: Vec::new(),
        }
    }
}

/// One stored copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredCopy {
    /// Which step of the plan; none for the inbox of a plan without an end.
    pub step: Option<usize>,
    /// The folder as people name it.
    pub folder: Folder,
    /// The file; none if the store is not a Maildir.
    pub path: Option<PathBuf>,
    /// [`crate::state::identity::HeaderHash::hash`] of what is in the file, if that
    /// identifies the message; known only of a delivery.
    pub hash: Option<u64>,
}

/// Where copies are stored.
#[derive(Debug, Clone, Copy)]
pub enum Store<'a> {
    /// A Maildir.
    Maildir(&'a Location),
    /// A mailbox of another store.
    Remote(RemoteMailbox<'a>),
}

impl Store<'_> {
    /// Whether nothing else than a journal can tell that a copy is stored.
    fn asks_for_journal(&self) -> bool {
        matches!(self, Store::Remote(mailbox) if !mailbox.store.knows_ids())
    }
}

impl<'a> From<&'a Location> for Store<'a> {
    fn from(location: &'a Location) -> Store<'a> {
        Store::Maildir(location)
    }
}

/// What storing needs besides the copies.
#[derive(Clone, Copy)]
struct Target<'a> {
    store: Store<'a>,
    /// The message as it arrived.
    original: &'a Message,
    context: &'a DeliveryContext,
}

/// Carries out a plan. A step that cannot be done defers the message, except `run`,
/// `reply` and edits of lists, whose failure is only reported. `messages` are the message
/// as it arrived, then the output of each filter that was applied.
pub fn deliver<'a>(
    plan: &Plan,
    messages: &[&Message],
    store: impl Into<Store<'a>>,
    context: &DeliveryContext,
) -> DeliveryReport {
    let (work, end) = read_plan(plan, messages);
    let mut report = DeliveryReport::of(end);
    let nothing = work.copies.is_empty() && work.effects.is_empty();
    let Some(original) = messages.first() else { return report };
    if matches!(report.outcome, Outcome::Deferred { .. }) || nothing {
        return report;
    }
    let target = Target { store: store.into(), original, context };
    if context.is_abandoned() {
        return DeliveryReport { outcome: abandoned(), ..report };
    }
    let mut journal = match open_journal(&work, messages, target, &mut report) {
        Ok(journal) => journal,
        Err(outcome) => return DeliveryReport { outcome, ..report },
    };
    let has_effects = !work.effects.is_empty();
    let stored = self::store(&work.copies, has_effects, target, &mut journal, &mut report);
    let mut stored = match stored {
        Ok(stored) => stored,
        Err(outcome) => {
            if journal.is_none() {
                report.forget_stored();
            }
            return DeliveryReport { outcome, ..report };
        }
    };
    edit_together(plan, work.effects.iter().map(|effect| effect.step), context, &mut report);
    for effect in work.effects.iter().filter(|effect| effect.rank > EffectRank::ListEdit) {
        let result = effect.carry_out(plan, target, &mut journal, &mut report);
        if let Err(outcome) = result.map(|more| stored.extend(more)) {
            if journal.is_none() {
                report.take_back(stored, target.store);
            }
            return DeliveryReport { outcome, ..report };
        }
    }
    // What was done with effects can be passed to the next try only by a journal.
    if (journal.is_some() || !has_effects) && context.is_abandoned() {
        if journal.is_none() {
            report.take_back(stored, target.store);
        }
        return DeliveryReport { outcome: abandoned(), ..report };
    }
    if let Some(journal) = journal {
        journal.finish();
    }
    report
}

fn abandoned() -> Outcome {
    Outcome::deferred("the client is gone and will send the message again")
}

impl DeliveryReport {
    /// Takes back what was stored.
    fn take_back(&mut self, stored: Vec<StagedCopy<'_>>, store: Store<'_>) {
        let freed = in_maildir::take_back(stored, self);
        if let Store::Maildir(location) = store {
            in_maildir::update_quota(location, freed.negative(), self);
        }
        self.forget_stored();
    }

    /// What was stored in a Maildir and taken back is not reported.
    fn forget_stored(&mut self) {
        self.stored.retain(|copy| copy.path.is_none());
    }
}

/// Makes a plan's edits of lists for a message that others have stored: as in a delivery,
/// once it is where it should be; none if it is deferred.
pub fn edit_lists(plan: &Plan, context: &DeliveryContext, report: &mut DeliveryReport) {
    if plan.steps.iter().any(|step| matches!(step.kind, StepKind::Defer { .. })) {
        return;
    }
    edit_together(plan, 0..plan.steps.len(), context, report);
}

/// Makes the edits of lists among some steps: all edits of one list at once, since each
/// rewrite costs as much as the list is long, and a sync.
fn edit_together(
    plan: &Plan,
    steps: impl Iterator<Item = usize>,
    context: &DeliveryContext,
    report: &mut DeliveryReport,
) {
    type Edits<'p> = (Vec<usize>, Vec<(Change, &'p str)>);
    let mut lists: Vec<(&Path, &str, Edits<'_>)> = Vec::new();
    for number in steps {
        let step = plan.steps.get(number).map(|step| &step.kind);
        let Some(StepKind::EditList { add, list, path, entry }) = step else { continue };
        let change = if *add { Change::Add } else { Change::Remove };
        let index = lists.iter().position(|(known, ..)| known == path).unwrap_or_else(|| {
            lists.push((path, list, Edits::default()));
            lists.len() - 1
        });
        if let Some((.., (numbers, edits))) = lists.get_mut(index) {
            numbers.push(number);
            edits.push((change, entry));
        }
    }
    for (path, list, (numbers, edits)) in lists {
        match context.edit_list(list, path, &edits) {
            Ok(()) => report.done.extend(numbers),
            Err(why) => report.notes.push(why),
        }
    }
}

impl PlannedEffect<'_> {
    /// Carries out the step, unless an earlier try did; returns the copy that was stored
    /// instead, if any. An error if the message has to be tried again because of it.
    fn carry_out(
        &self,
        plan: &Plan,
        target: Target<'_>,
        journal: &mut Option<Journal>,
        report: &mut DeliveryReport,
    ) -> Result<Vec<StagedCopy<'_>>, Outcome> {
        let Some(step) = plan.steps.get(self.step) else { return Ok(Vec::new()) };
        if is_done(journal, self.id) {
            report.notes.push(format!("done by an earlier try: {}", step.kind.sentence()));
            if self.fallback.as_ref().is_some_and(|copy| is_done(journal, copy.id)) {
                report.outcome = Outcome::Delivered;
            }
            return Ok(Vec::new());
        }
        let effect = effect::carry_out(target.context, step, self.message, &self.edits);
        report.notes.extend(effect.notes);
        let must_succeed = matches!(step.kind, StepKind::Pipe { .. } | StepKind::Forward { .. });
        let mut stored = Vec::new();
        match effect.result {
            Ok(true) => report.done.push(self.step),
            Ok(false) => {}
            Err(why) if must_succeed && !effect.is_permanent => {
                return Err(Outcome::deferred(why));
            }
            Err(why) if must_succeed => {
                let step = step.kind.sentence();
                report.notes.push(format!("no {step}: {why}, and a retry would not help"));
                stored = self.store_fallback(target, journal, report)?;
            }
            Err(why) => report.notes.push(why),
        }
        if let (Some(journal), Some(id)) = (journal, self.id) {
            note_step(journal, id, &step.kind.sentence(), None, report);
            let _ = journal.sync();
        }
        Ok(stored)
    }

    /// Stores in the inbox what could not be forwarded.
    fn store_fallback(
        &self,
        target: Target<'_>,
        journal: &mut Option<Journal>,
        report: &mut DeliveryReport,
    ) -> Result<Vec<StagedCopy<'_>>, Outcome> {
        let in_inbox = |stored: &StoredCopy| stored.folder.parts.is_empty();
        let Some(copy) = self.fallback.as_ref().filter(|_| !report.stored.iter().any(in_inbox))
        else {
            return Ok(Vec::new());
        };
        let mut own_report = DeliveryReport::of(Outcome::Delivered);
        let stored = store(std::slice::from_ref(copy), true, target, journal, &mut own_report);
        report.notes.extend(own_report.notes);
        let stored = stored?;
        report.stored.extend(own_report.stored);
        report.outcome = own_report.outcome;
        report.notes.push("it is in the inbox instead".into());
        Ok(stored)
    }
}

/// The journal, for a plan that has parts which must not be done twice. None where it
/// cannot be written. An error if another process is delivering the message.
fn open_journal(
    work: &WorkList<'_>,
    messages: &[&Message],
    target: Target<'_>,
    report: &mut DeliveryReport,
) -> Result<Option<Journal>, Outcome> {
    let context = target.context;
    let effects = work.effects.iter().filter(|effect| effect.id.is_some()).count();
    if (effects == 0 || effects + work.copies.len() < 2) && !target.store.asks_for_journal() {
        return Ok(None);
    }
    let (Some(state), Some(message)) = (&context.state, messages.first()) else { return Ok(None) };
    let key = journal::key(message, context.sender.as_deref(), &context.recipients);
    let key =
        key.map_err(|error| Outcome::deferred(format!("cannot read the message: {error}")))?;
    match Journal::open(state, key, context.deadline) {
        Ok(Some(journal)) => Ok(Some(journal)),
        Ok(None) => Err(Outcome::deferred("another process is delivering this message")),
        Err(error) => {
            report.notes.push(format!("what has been done cannot be recorded: {error}"));
            Ok(None)
        }
    }
}

fn is_done(journal: &Option<Journal>, id: Option<StepId>) -> bool {
    journal.as_ref().zip(id).is_some_and(|(journal, id)| journal.is_done(id))
}

/// Records a step as done, and the file of the copy that it has stored in a Maildir.
fn note_step(
    journal: &mut Journal,
    id: StepId,
    words: &str,
    file: Option<&Path>,
    report: &mut DeliveryReport,
) {
    let name = file.and_then(Path::file_name).and_then(OsStr::to_str);
    // What follows it is changed by mail readers.
    let unique = name.and_then(|name| name.split(',').next());
    if let Err(error) = journal.note(id, words, unique) {
        report.notes.push(format!("what has been done cannot be recorded: {error}"));
    }
}

/// Stages and commits all copies that an earlier try did not. With a journal each is
/// noted once it is stored; without one, those stored before a failure are taken back.
/// `is_needed_later` says whether the message is still needed after it is stored.
fn store<'c>(
    copies: &'c [Copy<'c>],
    is_needed_later: bool,
    target: Target<'_>,
    journal: &mut Option<Journal>,
    report: &mut DeliveryReport,
) -> Result<Vec<StagedCopy<'c>>, Outcome> {
    let mut missing = Vec::with_capacity(copies.len());
    for copy in copies {
        if is_done(journal, copy.id) {
            report.notes.push(format!("done by an earlier try: {}", copy.kind.sentence()));
        } else {
            missing.push(copy);
        }
    }
    if missing.is_empty() {
        return Ok(Vec::new());
    }
    let Target { store, original, context } = target;
    let is_remote = matches!(store, Store::Remote(_));
    if missing.len() > 1 || is_needed_later || is_remote {
        for copy in &missing {
            copy.message.spool().map_err(|error| {
                Failure::new("keep the message in", std::env::temp_dir(), error)
            })?;
        }
    }
    match store {
        Store::Maildir(location) => in_maildir::store(&missing, location, context, journal, report),
        Store::Remote(mailbox) => {
            hand_over::store(&missing, original, mailbox, context, journal, report)?;
            Ok(Vec::new())
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt, symlink};
    use std::os::unix::net::UnixStream;

    use crate::flags::Flags;
    use crate::maildir::Maildir;
    use crate::message::HeaderEdit;
    use crate::plan::{DeliveryWord, Step};
    use crate::rules::program::Layout;
    use crate::state::StateDir;

    use super::*;

    fn folder(name: &str) -> Folder {
        Folder::named(name)
    }

    fn to(as_: DeliveryWord, name: &str) -> StepKind {
        StepKind::Deliver { as_, folder: folder(name), flags: Flags::default() }
    }

    fn plan(kinds: Vec<StepKind>) -> Plan {
        Plan { steps: kinds.into_iter().map(|kind| Step { kind, rule: None }).collect() }
    }

    fn run(home: &Path, kinds: Vec<StepKind>) -> DeliveryReport {
        let location = Location::new(home, Layout::Fs, None);
        deliver(
            &plan(kinds),
            &[&Message::from_bytes(b"A: b\n\nc\n".to_vec())],
            &location,
            &DeliveryContext::nothing(),
        )
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
    fn edits_reach_later_copies() {
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
            .map(|stored| {
                fs::read_to_string(stored.path.as_ref().unwrap()).unwrap().matches("X-").count()
            })
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

    /// An addition costs as much as the list is long, and a sync.
    #[test]
    fn edits_of_one_list_are_one_rewrite() {
        use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join("a"), "gone@x.example\n").unwrap();
        let edit = |add: bool, list: &str, entry: String| StepKind::EditList {
            add,
            list: list.into(),
            path: home.path().join(list),
            entry,
        };
        let mut kinds: Vec<StepKind> =
            (0..50).map(|n| edit(true, ["a", "b"][n % 2], format!("{n}@x.example"))).collect();
        kinds.push(edit(false, "a", "gone@x.example".into()));
        let changes = inotify::init(CreateFlags::NONBLOCK).unwrap();
        inotify::add_watch(&changes, home.path(), WatchFlags::MOVED_TO).unwrap();
        let state = tempfile::tempdir().unwrap();
        let state = Some(StateDir::at(state.path()));
        let context = DeliveryContext {
            home: Some(home.path().to_owned()),
            state,
            ..DeliveryContext::nothing()
        };
        let location = Location::new(home.path().join("Maildir"), Layout::Fs, None);
        let report =
            deliver(&plan(kinds), &[&Message::from_bytes(b"x".to_vec())], &location, &context);
        assert_eq!((report.done.len(), &report.notes), (51, &Vec::new()));
        let lines = |list: &str| fs::read_to_string(home.path().join(list)).unwrap();
        assert_eq!(lines("a").lines().count(), 25);
        assert!(lines("a").starts_with("0@x.example\n2@x.example\n") && lines("b").contains("1@x"));
        let mut buffer = [std::mem::MaybeUninit::uninit(); 16 << 10];
        let mut events = inotify::Reader::new(&changes, &mut buffer);
        let mut rewritten = Vec::new();
        while let Ok(event) = events.next() {
            assert!(event.events().contains(ReadFlags::MOVED_TO));
            rewritten.extend(event.file_name().map(|name| name.to_string_lossy().into_owned()));
        }
        assert_eq!(rewritten, ["a", "b"]);
    }

    #[test]
    fn what_could_not_be_reported_is_known_to_the_next_try() {
        for has_state in [true, false] {
            let home = tempfile::tempdir().unwrap();
            let (front, ours) = UnixStream::pair().unwrap();
            let ran = home.path().join("ran");
            let script = format!("echo x >> {}; sleep 0.3", ran.display());
            let argv = ["/bin/sh", "-c", &script].map(str::to_owned).into();
            let plan = plan(vec![to(DeliveryWord::Copy, "A"), StepKind::Pipe { argv }]);
            let message = Message::from_bytes(b"A: b\n\nc\n".to_vec());
            let context = |caller| DeliveryContext {
                state: has_state.then(|| StateDir::at(home.path().join("state"))),
                caller,
                ..DeliveryContext::nothing()
            };
            let location = Location::new(home.path().join("Maildir"), Layout::Fs, None);
            let leaving = std::thread::spawn({
                let ran = ran.clone();
                move || {
                    while !ran.exists() {
                        std::thread::yield_now();
                    }
                    drop(front);
                }
            });
            let caller = Some(context::Caller::at(ours.into()));
            // What a program did cannot be taken back.
            let mut tries = vec![(caller, has_state)];
            if has_state {
                tries.push((None, false));
            }
            for (caller, is_deferred) in tries {
                let outcome = deliver(&plan, &[&message], &location, &context(caller)).outcome;
                assert_eq!(matches!(outcome, Outcome::Deferred { .. }), is_deferred, "{outcome:?}");
                assert_eq!(count(home.path(), "Maildir/A/new"), 1);
                assert_eq!(fs::read_to_string(&ran).unwrap(), "x\n");
                // What is stored needs no room.
                fs::write(home.path().join("Maildir/maildirsize"), "1S\n9 1\n").unwrap();
            }
            leaving.join().unwrap();
        }
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
        let plan = plan(["A", "B", "C"].map(|name| to(DeliveryWord::FileInto, name)).into());
        let (work, _) = read_plan(&plan, &[&message]);
        let mut report = DeliveryReport::of(Outcome::Delivered);
        let copies = work.copies.iter().take(3);
        let mut staged: Vec<_> =
            copies.map(|copy| StagedCopy::stage(copy, &maildir, &mut report).unwrap()).collect();
        fs::remove_dir_all(home.path().join("B")).unwrap();
        staged[0].commit(&mut None, &mut report).unwrap();
        assert!(staged[1].commit(&mut None, &mut report).is_err());
        assert_eq!((count(home.path(), "A/new"), count(home.path(), "C/tmp")), (1, 1));
        in_maildir::take_back(staged, &mut report);
        assert!(report.notes.is_empty());
        for name in ["A/new", "A/tmp", "C/new", "C/tmp"] {
            assert_eq!(count(home.path(), name), 0, "{name}");
        }
    }

    /// A folder whose `new` is on another file system can be staged in, not committed to.
    #[test]
    #[allow(clippy::print_stderr, reason = "a skipped test says so")]
    fn copies_before_one_that_cannot_be_stored_are_noted_or_taken_back() {
        let home = tempfile::tempdir().unwrap();
        let device = |path: &Path| fs::metadata(path).unwrap().dev();
        let far = tempfile::tempdir_in("/dev/shm").ok();
        let far = far.filter(|far| device(far.path()) != device(home.path()));
        let Some(far) = far else {
            eprintln!("skipped: /dev/shm is no other file system");
            return;
        };
        let maildir = home.path().join("Maildir");
        fs::create_dir_all(maildir.join("B/cur")).unwrap();
        fs::create_dir(maildir.join("B/tmp")).unwrap();
        symlink(far.path(), maildir.join("B/new")).unwrap();
        fs::write(maildir.join("maildirsize"), "1000S\n").unwrap();
        let location = Location::new(&maildir, Layout::Fs, None);
        let ran = home.path().join("ran");
        let argv = ["/bin/sh", "-c", &format!("echo x >> {}", ran.display())];
        let kinds = vec![
            to(DeliveryWord::Copy, "A"),
            to(DeliveryWord::Copy, "B"),
            StepKind::Run { argv: argv.map(str::to_owned).into() },
            to(DeliveryWord::Folder, "C"),
        ];
        let (plan, message) = (plan(kinds), Message::from_bytes(b"x\n".to_vec()));
        let there = || {
            let names = ["A/new", "A/tmp", "B/new", "B/tmp", "C/new", "C/tmp"];
            names.map(|name| count(&maildir, name))
        };
        let used = || fs::read_to_string(maildir.join("maildirsize")).unwrap();
        let deliver_once = |state: &str| {
            let state = Some(StateDir::at(home.path().join(state)));
            let context = DeliveryContext { state, ..DeliveryContext::nothing() };
            deliver(&plan, &[&message], &location, &context)
        };
        fs::write(home.path().join("file"), "no state can be kept in it").unwrap();
        for (state, kept, size) in [("file", 0, "1000S\n"), ("state", 1, "1000S\n2 1\n")] {
            let report = deliver_once(state);
            assert!(matches!(report.outcome, Outcome::Deferred { .. }), "{report:?}");
            assert_eq!((report.stored.len(), there()), (kept, [kept, 0, 0, 0, 0, 0]), "{state}");
            assert_eq!(used(), size);
            let is_reported =
                |note: &String| note.contains("what has been done cannot be recorded");
            assert_eq!(report.notes.iter().any(is_reported), kept == 0, "{report:?}");
        }
        assert!(!ran.exists());
        fs::remove_file(maildir.join("B/new")).unwrap();
        fs::create_dir(maildir.join("B/new")).unwrap();
        let report = deliver_once("state");
        assert_eq!(report.outcome, Outcome::Delivered);
        assert_eq!((report.stored.len(), there()), (2, [1, 0, 1, 0, 1, 0]), "{report:?}");
        assert_eq!(used(), "1000S\n2 1\n4 2\n");
        assert_eq!(fs::read_to_string(&ran).unwrap(), "x\n");
    }

    #[test]
    fn what_is_taken_back_is_not_reported() {
        let home = tempfile::tempdir().unwrap();
        let argv = vec!["/bin/false".to_owned()];
        let report = run(home.path(), vec![to(DeliveryWord::Copy, "A"), StepKind::Pipe { argv }]);
        assert_eq!(report.outcome.exit_code(), 75);
        assert_eq!((report.stored, count(home.path(), "A/new")), (Vec::new(), 0));
    }

    #[test]
    fn nothing_is_done_for_a_caller_that_is_gone() {
        let home = tempfile::tempdir().unwrap();
        let ran = home.path().join("ran");
        let script = format!("echo x >> {}", ran.display());
        let argv = ["/bin/sh", "-c", &script].map(str::to_owned).into();
        let kinds = vec![to(DeliveryWord::Copy, "A"), StepKind::Run { argv }];
        let (front, ours) = UnixStream::pair().unwrap();
        drop(front);
        let context = DeliveryContext {
            caller: Some(context::Caller::at(ours.into())),
            ..DeliveryContext::nothing()
        };
        let location = Location::new(home.path(), Layout::Fs, None);
        let message = Message::from_bytes(b"x\n".to_vec());
        let report = deliver(&plan(kinds), &[&message], &location, &context);
        assert!(matches!(report.outcome, Outcome::Deferred { .. }), "{report:?}");
        assert!(!ran.exists() && !home.path().join("A").exists());
    }

    /// The names of the message's folders come from the message.
    #[test]
    fn a_folder_whose_name_is_too_long_is_reported_as_the_inbox() {
        let home = tempfile::tempdir().unwrap();
        let long = "x".repeat(300);
        let report =
            run(home.path(), vec![to(DeliveryWord::Copy, &long), to(DeliveryWord::Folder, "A")]);
        let folders: Vec<Folder> = report.stored.into_iter().map(|copy| copy.folder).collect();
        assert_eq!(folders, [Folder::default(), folder("A")]);
        assert_eq!((count(home.path(), "new"), count(home.path(), "A/new")), (1, 1));
        assert_eq!(report.notes.len(), 1, "{:?}", report.notes);
        assert!(report.notes[0].ends_with("is too long, so the inbox"), "{:?}", report.notes);
        assert_eq!(report.created_folders, [Folder::default(), folder("A")]);
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
        let report = deliver(&plan, &[&big], &location, &DeliveryContext::nothing());
        let left: Vec<usize> =
            ["A/tmp", "A/new", "B/tmp", "B/new"].map(|name| count(&tiny, name)).into();
        let unmounted = std::process::Command::new("umount").arg(&tiny).status();
        assert!(unmounted.unwrap().success());
        let line = report.outcome.line().unwrap();
        assert!(line.starts_with("4.3.1 cannot write the message in `"), "{line}");
        assert_eq!(left, [0; 4]);
    }
}
