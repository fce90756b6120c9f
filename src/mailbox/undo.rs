//! Taking back what was moved: each message returns to where it was, unchanged except for
//! what a mail reader has done to it since.

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::sort::{BATCH, ROUNDS, finish, remember, step_of};
use crate::flags::Flags;
use crate::maildir::entry::Entry;
use crate::maildir::mover::{FileMove, MoveOutcome, MoveRequest, Mover};
use crate::maildir::{Location, Place};
use crate::outcome::Failure;
use crate::source::may_pass;
use crate::state::memory::Memory;
use crate::state::sort_journal::{MoveRecord, SortRecord};

/// How long a folder's list is fresh enough to look for one message of many.
const LIST_FRESH_FOR: Duration = Duration::from_millis(500);

/// What became of a move that is taken back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UndoOutcome {
    /// The message is where it was, unchanged except for what a reader did.
    Back {
        /// Its file.
        path: PathBuf,
        /// Its Message-ID; may be empty.
        message_id: String,
    },
    /// It was there already.
    Already,
    /// It is no longer where it was moved to.
    Gone,
    /// It stays where it was moved to, because something went wrong.
    Failed {
        /// Why, for people.
        why: String,
        /// Whether another try may do better.
        may_pass: bool,
    },
}

/// What is reported while moves are taken back.
#[derive(Debug)]
pub enum UndoEvent<'m> {
    /// About one of them.
    Move(&'m MoveRecord, UndoOutcome),
    /// About the run as a whole.
    Problem(Failure),
    /// What was reported so far is on disk.
    Flushed,
}

/// Takes a run's moves back, the last one first. Flags that a reader has set or removed
/// since stay so; those that a move added are removed. isync's number in a name is not
/// restored: once mbsync has seen that the message is gone, it would regard that number
/// as one that it need not look at.
///
/// # Errors
/// The Maildir cannot be opened.
pub fn undo(
    location: &Location,
    run: &SortRecord,
    memory: &Memory<'_>,
    stop: &AtomicBool,
    report: &mut dyn FnMut(UndoEvent<'_>),
) -> Result<(), Failure> {
    let mut undo = UndoRun { mover: Mover::open(location)?, memory, known: HashMap::new() };
    finish(&mut undo.mover, run)
        .into_iter()
        .for_each(|failure| report(UndoEvent::Problem(failure)));
    let moves: Vec<&MoveRecord> = run.moves.iter().rev().collect();
    let later = undo.undo_all(&moves, false, stop, report);
    // Messages that were not found may have been renamed during the search.
    undo.known.clear();
    undo.undo_all(&later, true, stop, report);
    Ok(())
}

/// A Maildir in which moves are taken back.
struct UndoRun<'a> {
    mover: Mover<'a>,
    memory: &'a Memory<'a>,
    /// The messages of folders, by what identifies them, as of the last search, and when
    /// that was.
    known: HashMap<Vec<String>, (Instant, HashMap<String, Entry>)>,
}

impl UndoRun<'_> {
    /// Takes moves back, in this order; returns those that were not found, unless this is
    /// the `last` time.
    fn undo_all<'m>(
        &mut self,
        moves: &[&'m MoveRecord],
        last: bool,
        stop: &AtomicBool,
        report: &mut dyn FnMut(UndoEvent<'_>),
    ) -> Vec<&'m MoveRecord> {
        let mut later = Vec::new();
        for batch in moves.chunks(BATCH) {
            for moved in batch {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                let outcome = match step_of(moved) {
                    Some(step) => self.undo(&step, &moved.added),
                    None => Ok(UndoOutcome::Failed {
                        why: "the journal names no file of a Maildir".into(),
                        may_pass: false,
                    }),
                };
                match outcome {
                    Ok(UndoOutcome::Gone) if !last => later.push(*moved),
                    Ok(outcome) => report(UndoEvent::Move(moved, outcome)),
                    Err(failure) => {
                        let (why, may_pass) = (failure.to_string(), may_pass(&failure.error));
                        report(UndoEvent::Move(moved, UndoOutcome::Failed { why, may_pass }))
                    }
                }
            }
            if let Err(failure) = self.mover.sync() {
                report(UndoEvent::Problem(failure));
            }
            report(UndoEvent::Flushed);
        }
        later
    }

    fn undo(&mut self, step: &FileMove, added: &Flags) -> Result<UndoOutcome, Failure> {
        let inverse = FileMove {
            from: step.to.clone(),
            old: step.new.clone(),
            to: step.from.clone(),
            new: match step.from.is(&step.to) {
                true => step.old.clone(),
                false => step.old.without_uid(),
            },
            problems: Vec::new(),
        };
        if let Some(back) = self.carry_out(&inverse)? {
            return Ok(back);
        }
        for _ in 0..ROUNDS {
            let Some(now) = self.find(&step.to, &step.new)? else { break };
            if step.from.is(&step.to) && now == step.old {
                return Ok(UndoOutcome::Already);
            }
            let none = Flags::default();
            let (from, to) = (&step.to, &step.from);
            let request = MoveRequest { from, entry: &now, to, add: &none, remove: added };
            let inverse = self.mover.prepare(&request)?;
            if inverse.is_done() {
                return Ok(UndoOutcome::Already);
            }
            if let Some(back) = self.carry_out(&inverse)? {
                return Ok(back);
            }
            self.known.remove(step.to.directories());
        }
        let is_there = self.mover.folder(&step.from).is_ok_and(|folder| folder.has(&step.old))
            || self.find(&step.from, &step.old)?.is_some();
        Ok(if is_there { UndoOutcome::Already } else { UndoOutcome::Gone })
    }

    /// None if the message is not where the step begins.
    fn carry_out(&mut self, step: &FileMove) -> Result<Option<UndoOutcome>, Failure> {
        // Checked first: a folder to return to is created only for an existing message.
        let is_there = match self.mover.folder(&step.from) {
            Ok(folder) => folder.has(&step.old),
            Err(failure) if failure.error.kind() == io::ErrorKind::NotFound => false,
            Err(failure) => return Err(failure),
        };
        if !is_there || self.mover.carry_out(step)? != MoveOutcome::Done {
            return Ok(None);
        }
        let message_id = remember(&mut self.mover, self.memory, step);
        let path = self.mover.path_of(&step.to, &step.new);
        Ok(Some(UndoOutcome::Back { path, message_id }))
    }

    /// The name of a message's file in a folder now, or a moment ago.
    ///
    /// # Errors
    /// The folder cannot be read at the moment.
    fn find(&mut self, place: &Place, entry: &Entry) -> Result<Option<Entry>, Failure> {
        let directories = place.directories();
        let fresh =
            self.known.get(directories).is_some_and(|(at, _)| at.elapsed() < LIST_FRESH_FOR);
        if !fresh {
            let folder = match self.mover.folder(place) {
                Err(failure) if !may_pass(&failure.error) => return Ok(None),
                folder => folder?,
            };
            let (entries, problems) = folder.list();
            if let Some(failure) = problems.into_iter().find(|failure| may_pass(&failure.error)) {
                return Err(failure);
            }
            let by_key = entries.into_iter().map(|entry| (entry.key(), entry)).collect();
            self.known.insert(directories.to_vec(), (Instant::now(), by_key));
        }
        let known = self.known.get(directories);
        Ok(known.and_then(|(_, known)| known.get(&entry.key())).cloned())
    }
}
