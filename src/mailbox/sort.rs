//! Refiling the mail of folders by the rules.
//!
//! Moves are made in batches: each message is judged and named, all moves of a batch are
//! recorded in the journal, on disk, then all are made, then the folders are synced. A
//! run that is killed has lost nothing: what it moved is in the journal, and the next run
//! continues with what is left.
//!
//! A message that a mail reader has renamed between two steps is judged again, under its
//! new name; one that is gone is reported.

use std::collections::HashSet;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::Ordering;

use super::judge::{Judge, JudgedMessage, Judgement};
use super::recognition::fingerprint;
use super::refile::Refile;
use crate::flags::Flags;
use crate::maildir::entry::Entry;
use crate::maildir::mover::{FileMove, MoveOutcome, MoveRequest, Mover};
use crate::maildir::{Location, Place};
use crate::outcome::Failure;
use crate::state::StateDir;
use crate::state::memory::{FiledBy, Memory};
use crate::state::sort_journal::{self, MessagePlace, MoveRecord, SortJournal};

/// How many moves are recorded, made and synced together.
pub(super) const BATCH: usize = 1024;
/// How often we look again for messages that were renamed in the meantime.
pub(super) const ROUNDS: usize = 5;

/// Sorts folders.
pub struct Sorter<'a> {
    /// Judges messages by the rules.
    pub judge: Judge<'a>,
    /// Where moves are recorded; without it nothing is moved, which is a dry run.
    pub state: Option<&'a StateDir>,
    /// Whether all folders are sorted: then no drafts are moved.
    pub spares_drafts: bool,
    /// Which messages were put where.
    pub memory: &'a Memory<'a>,
}

/// What became of a message.
#[derive(Debug)]
pub struct SortReportLine<'t> {
    /// The folder in which it was.
    pub from: &'t Place,
    /// Its path there.
    pub path: PathBuf,
    /// What is known about it, and what the rules say.
    pub judged: &'t JudgedMessage,
    /// What became of it.
    pub outcome: SortOutcome,
}

/// What became of a message.
#[derive(Debug)]
pub enum SortOutcome {
    /// It was moved or flagged, to where the rules said.
    Moved {
        /// Where it is.
        path: PathBuf,
        /// What was not done as asked.
        problems: Vec<String>,
    },
    /// A dry run would move or flag it.
    Would,
    /// It stays.
    Stays(StayReason),
    /// It was moved or removed by someone else.
    Vanished,
    /// It stays, because something went wrong.
    Failed(String),
}

/// Why a message stays that the rules file elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StayReason {
    /// It is where it should be.
    Fine,
    /// What the rules ask for is not done with existing mail.
    Skipped,
    /// No rule files it: the end of the rules is for incoming mail.
    NoRule,
    /// It is a draft.
    Draft,
    /// The user has put it there.
    ByUser,
    /// Only its flags would change, and its folder cannot keep them.
    NoFlags,
}

/// What is reported while folders are sorted.
#[derive(Debug)]
pub enum SortEvent<'t> {
    /// About one message.
    Message(SortReportLine<'t>),
    /// A folder, or a file in it, cannot be read.
    Problem(Failure),
    /// What was reported so far is on disk.
    Flushed,
}

/// A message that is about to be moved.
struct PendingMove {
    judged: JudgedMessage,
    step: FileMove,
}

/// The current state of a run.
struct SortRun<'r, 'a> {
    sorter: &'r Sorter<'a>,
    mover: Mover<'a>,
    journal: Option<SortJournal>,
    pending: Vec<PendingMove>,
    /// Messages that are gone under their names and have to be looked for.
    missing: Vec<JudgedMessage>,
    /// What was moved, so that it is not processed again in a later folder.
    moved: HashSet<String>,
    report: &'r mut dyn FnMut(SortEvent<'_>),
    error: Option<io::Error>,
}

impl<'a> Sorter<'a> {
    /// Sorts folders, one after the other.
    ///
    /// # Errors
    /// The Maildir cannot be opened, or a move cannot be recorded; then it was not made.
    pub fn sort(
        &self,
        places: &[Place],
        report: &mut dyn FnMut(SortEvent<'_>),
    ) -> Result<(), Failure> {
        let mut mover = Mover::open(self.judge.location)?;
        if let Some(state) = self.state {
            finish_killed(state, &mut mover, self.judge.location, self.memory, report)?;
        }
        let mut run = SortRun {
            sorter: self,
            mover,
            journal: None,
            pending: Vec::new(),
            missing: Vec::new(),
            moved: HashSet::new(),
            report,
            error: None,
        };
        for place in places {
            if run.is_over() {
                break;
            }
            if let Err(failure) = run.folder(place) {
                (run.report)(SortEvent::Problem(failure));
            }
        }
        let journal = run.journal.take();
        let result = match (run.error, journal) {
            (Some(error), _) => Err(error),
            (None, Some(journal)) => journal.end(),
            (None, None) => Ok(()),
        };
        result.map_err(|error| not_noted(self.state, error))
    }
}

impl SortRun<'_, '_> {
    fn is_over(&self) -> bool {
        self.error.is_some() || self.sorter.judge.stop.load(Ordering::Relaxed)
    }

    fn folder(&mut self, place: &Place) -> Result<(), Failure> {
        let folder = self.mover.folder(place)?;
        let (mut entries, problems) = folder.list();
        entries.retain(|entry| !self.moved.contains(&entry.key()));
        problems.into_iter().for_each(|failure| (self.report)(SortEvent::Problem(failure)));
        let sorter = self.sorter;
        for round in 1..=ROUNDS {
            sorter.judge.judge_entries(&folder, place, &entries, |judged| {
                self.take(place, judged);
                !self.is_over()
            })?;
            self.flush(place);
            let missing = std::mem::take(&mut self.missing);
            if missing.is_empty() || self.is_over() {
                break;
            }
            let mut listed = folder.by_key();
            entries.clear();
            for judged in missing {
                match listed.remove(&judged.entry.key()) {
                    Some(entry) if round < ROUNDS => entries.push(entry),
                    _ => self.report_message(place, &judged, SortOutcome::Vanished),
                }
            }
        }
        Ok(())
    }

    /// Handles a message that was judged: it is reported, or waits for its move.
    fn take(&mut self, place: &Place, judged: JudgedMessage) {
        let outcome = match &judged.verdict {
            Judgement::Missing => {
                self.missing.push(judged);
                return;
            }
            Judgement::Problem(why) => SortOutcome::Failed(why.clone()),
            Judgement::Refile(refile) => match self.stay_reason(&judged.entry, refile) {
                Some(why) => SortOutcome::Stays(why),
                None if self.is_by_user(place, &judged, refile) => {
                    SortOutcome::Stays(StayReason::ByUser)
                }
                None if self.sorter.state.is_none() => SortOutcome::Would,
                None => match self.prepare(place, &judged.entry, refile) {
                    Ok(step) if step.is_done() => SortOutcome::Stays(StayReason::NoFlags),
                    Ok(step) => {
                        self.pending.push(PendingMove { judged, step });
                        if self.pending.len() >= BATCH {
                            self.flush(place);
                        }
                        return;
                    }
                    Err(failure) => SortOutcome::Failed(failure.to_string()),
                },
            },
        };
        self.report_message(place, &judged, outcome);
    }

    fn stay_reason(&self, entry: &Entry, refile: &Refile) -> Option<StayReason> {
        let Some(target) = &refile.to else {
            let skipped = refile.skipped.iter().any(|skip| skip.stays);
            return Some(if skipped { StayReason::Skipped } else { StayReason::Fine });
        };
        if self.sorter.spares_drafts && entry.letters().contains('D') {
            return Some(StayReason::Draft);
        }
        target.rule.is_none().then_some(StayReason::NoRule)
    }

    /// Whether the user has put a message where it is, although the rules file it
    /// elsewhere.
    fn is_by_user(&self, place: &Place, judged: &JudgedMessage, refile: &Refile) -> bool {
        let identity = &judged.summary.fingerprint.identity;
        refile.to.as_ref().is_some_and(|target| !target.place.is(place))
            && self.sorter.memory.who(identity, place.directories()) == Some(FiledBy::User)
    }

    fn prepare(
        &mut self,
        from: &Place,
        entry: &Entry,
        refile: &Refile,
    ) -> Result<FileMove, Failure> {
        let none = Flags::default();
        let (to, add) = refile.to.as_ref().map_or((from, &none), |to| (&to.place, &to.add));
        self.mover.prepare(&MoveRequest { from, entry, to, add, remove: &none })
    }

    /// Makes the pending moves.
    fn flush(&mut self, place: &Place) {
        let pending = std::mem::take(&mut self.pending);
        if pending.is_empty() || self.is_over() {
            return;
        }
        if let Err(error) = self.note(&pending) {
            self.error = Some(error);
            return;
        }
        for PendingMove { judged, step } in pending {
            if self.sorter.judge.stop.load(Ordering::Relaxed) {
                break;
            }
            match self.mover.carry_out(&step) {
                Ok(MoveOutcome::Done) => {
                    self.moved.insert(step.new.key());
                    let (from, to) = (step.from.directories(), step.to.directories());
                    let identity = &judged.summary.fingerprint.identity;
                    if let Err(error) = self.sorter.memory.put(identity, from, to) {
                        self.not_remembered(error);
                    }
                    let path = self.sorter.judge.location.path_of_entry(&step.to, &step.new);
                    self.report_message(
                        place,
                        &judged,
                        SortOutcome::Moved { path, problems: step.problems },
                    );
                }
                Ok(MoveOutcome::Missing) => self.missing.push(judged),
                Err(failure) => {
                    self.report_message(place, &judged, SortOutcome::Failed(failure.to_string()))
                }
            }
        }
        if let Err(failure) = self.mover.sync() {
            (self.report)(SortEvent::Problem(failure));
        }
        (self.report)(SortEvent::Flushed);
    }

    fn not_remembered(&mut self, error: io::Error) {
        let path = self.sorter.state.map(|state| state.path().to_owned()).unwrap_or_default();
        let failure = Failure::new("note where a message was put in", path, error);
        (self.report)(SortEvent::Problem(failure));
    }

    /// Records the moves in the journal.
    fn note(&mut self, pending: &[PendingMove]) -> io::Result<()> {
        let Some(state) = self.sorter.state else { return Ok(()) };
        let moves = pending.iter().map(|PendingMove { judged, step }| {
            let target = match &judged.verdict {
                Judgement::Refile(refile) => refile.to.as_ref(),
                _ => None,
            };
            (step, target.map(|target| target.add.clone()).unwrap_or_default())
        });
        note_moves(&mut self.journal, state, self.sorter.judge.location, moves)
    }

    fn report_message(&mut self, from: &Place, judged: &JudgedMessage, outcome: SortOutcome) {
        let path = self.sorter.judge.location.path_of_entry(from, &judged.entry);
        (self.report)(SortEvent::Message(SortReportLine { from, path, judged, outcome }));
    }
}

/// Records moves that will be made, with the flags that they add, in the journal of the
/// run, which begins with the first of them.
pub(super) fn note_moves<'m>(
    journal: &mut Option<SortJournal>,
    state: &StateDir,
    location: &Location,
    moves: impl Iterator<Item = (&'m FileMove, Flags)>,
) -> io::Result<()> {
    let journal = match journal {
        Some(journal) => journal,
        None => {
            let maildir = std::fs::canonicalize(&location.path)?;
            journal.insert(SortJournal::begin(state, &maildir, location.layout)?)
        }
    };
    let spot = |place: &Place, entry: &Entry| MessagePlace {
        folder: place.directories().to_vec(),
        file: entry.to_string(),
    };
    for (step, added) in moves {
        let (from, to) = (spot(&step.from, &step.old), spot(&step.to, &step.new));
        journal.note(&MoveRecord { from, to, added })?;
    }
    journal.sync()
}

/// The failure to record moves.
pub(super) fn not_noted(state: Option<&StateDir>, error: io::Error) -> Failure {
    let path = state.map(|state| state.path().to_owned()).unwrap_or_default();
    Failure::new("note what is moved in", path, error)
}

/// Finishes the moves that killed runs have left half done.
pub(super) fn finish_killed(
    state: &StateDir,
    mover: &mut Mover<'_>,
    location: &Location,
    memory: &Memory<'_>,
    report: &mut dyn FnMut(SortEvent<'_>),
) -> Result<(), Failure> {
    let maildir = std::fs::canonicalize(&location.path)
        .map_err(|error| Failure::new("open the Maildir", &location.path, error))?;
    for name in sort_journal::runs(state) {
        let Ok(run) = sort_journal::read(state, &name) else { continue };
        if run.ended || run.maildir != maildir {
            continue;
        }
        let failures = finish(mover, &run);
        if !failures.is_empty() {
            failures.into_iter().for_each(|failure| report(SortEvent::Problem(failure)));
            // The next run tries again. If the end were noted now, a message that is in two
            // folders would stay there.
            continue;
        }
        for step in run.moves.iter().rev().take(BATCH).filter_map(step_of) {
            remember(mover, memory, &step);
        }
        if let Err(error) = sort_journal::end_killed(state, &name) {
            report(SortEvent::Problem(Failure::new(
                "note the end of",
                state.path().join(name),
                error,
            )));
        }
    }
    Ok(())
}

/// Finishes what a killed run has left half done; returns the failures.
pub(super) fn finish(mover: &mut Mover<'_>, run: &sort_journal::SortRecord) -> Vec<Failure> {
    // Only the last batch can be incomplete.
    let last = run.moves.iter().rev().take(if run.ended { 0 } else { BATCH });
    last.filter_map(step_of).filter_map(|step| mover.finish(&step).err()).collect()
}

/// Records where the message of this step was put, if it is there; returns its Message-ID,
/// which may be empty.
pub(super) fn remember(mover: &mut Mover<'_>, memory: &Memory<'_>, step: &FileMove) -> String {
    let Ok(folder) = mover.folder(&step.to) else { return String::new() };
    let Ok(message) = folder.open(&step.new) else { return String::new() };
    let identity = fingerprint(&message, &step.new).identity;
    // Without this, the message may be moved again after the user has moved it back.
    let _ = memory.put(&identity, step.from.directories(), step.to.directories());
    let ids = message.texts("Message-ID");
    ids.first().map(|id| id.text().to_owned()).unwrap_or_default()
}

/// A recorded move; none if the record does not name places in a Maildir.
pub(super) fn step_of(moved: &MoveRecord) -> Option<FileMove> {
    Some(FileMove {
        from: Place::of(moved.from.folder.clone())?,
        old: Entry::of(&moved.from.file)?,
        to: Place::of(moved.to.folder.clone())?,
        new: Entry::of(&moved.to.file)?,
        problems: Vec::new(),
    })
}
