//! `mfilter sort --undo`, `mfilter expire --undo`: take a run of either back.

use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use serde_json::json;

use super::current_rules::checked;
use super::interrupt::stop;
use super::move_lock::lock_moves;
use super::output::say;
use super::progress::ProgressMeter;
use super::{CommandOutcome, output};
use crate::log::{Log, MoveLine, UNDO};
use crate::mailbox::undo::{UndoEvent, UndoOutcome, undo};
use crate::maildir::entry::Entry;
use crate::maildir::{Location, Place};
use crate::source::may_pass;
use crate::state::StateDir;
use crate::state::memory::Memory;
use crate::state::sort_journal::{self, MessagePlace, MoveRecord, SortRecord};
use crate::text::{escape, json_line, plural};
use crate::user::User;
use crate::world::World;

/// What has to be taken back.
pub(super) struct UndoCall<'a> {
    /// `sort` or `expire`, as the user called it.
    pub(super) command: &'static str,
    pub(super) rules: Option<&'a Path>,
    pub(super) maildir: Option<&'a Path>,
    /// Whether to say what is moved where.
    pub(super) verbose: bool,
    /// Whether to print one JSON object per message.
    pub(super) json: bool,
    pub(super) user: User,
}

/// Takes back the last run of either command that was not taken back yet.
pub(super) fn run(call: &UndoCall<'_>) -> Result<CommandOutcome, String> {
    let stop = &stop();
    let user = &call.user;
    let state = super::state_of(user)?;
    let Some(found) = last_run(&state, call.maildir)? else {
        output::error("there is no run to undo");
        return Ok(CommandOutcome::Found);
    };
    if !found.maildir.is_dir() {
        return Err(format!("there is no Maildir `{}`", found.maildir.display()));
    }
    let _lock = lock_moves(&state, &found.maildir)?;
    let journal_error = |error| format!("the journal `{}`: {error}", found.name);
    // Another run may have ended in the meantime, or have been taken back.
    let run = sort_journal::read(&state, &found.name).map_err(journal_error)?;
    let mut location = Location::new(&run.maildir, run.layout, None);
    location.home = user.home().map(Path::to_owned);
    location.bounds = user.maildir().map(|(_, bounds)| bounds).unwrap_or_default();
    let mut report = UndoReport {
        call,
        location: &location,
        log: log_of(call.rules, &state, user),
        lines: Vec::new(),
        counts: UndoCounts::default(),
        progress: ProgressMeter::of_messages(|| run.moves.len(), !call.json && !call.verbose),
    };
    let memory = Memory::at(&state, jiff::Timestamp::now().as_second());
    undo(&location, &run, &memory, stop, &mut |event| report.take(event))
        .map_err(|failure| failure.to_string())?;
    report.progress.end();
    let (counts, interrupted) = (report.counts, stop.load(Ordering::Relaxed));
    // If nothing more can be taken back from it, now or later, the next call is for the
    // run before.
    let is_finished =
        !interrupted && (counts.failed == 0 || counts.back == 0 && !counts.may_succeed);
    if is_finished {
        sort_journal::undone(&state, &run.name).map_err(journal_error)?;
    }
    if !call.json {
        output::report(&counts.table(run.moves.len()));
    }
    if !is_finished {
        output::error(&format!("run `mfilter {} --undo` again for the rest", call.command));
    }
    let has_problem = counts.failed + counts.missing > 0 || interrupted;
    Ok(CommandOutcome::found_if(has_problem))
}

/// The last run that was not taken back, in this Maildir if one is named.
fn last_run(state: &StateDir, maildir: Option<&Path>) -> Result<Option<SortRecord>, String> {
    let wanted = match maildir {
        Some(path) => {
            let fail = |error| format!("there is no Maildir `{}`: {error}", path.display());
            Some(std::fs::canonicalize(path).map_err(fail)?)
        }
        None => None,
    };
    for name in sort_journal::runs(state) {
        match sort_journal::read(state, &name) {
            Ok(run) if wanted.as_ref().is_none_or(|maildir| *maildir == run.maildir) => {
                return Ok(Some(run));
            }
            Ok(_) => {}
            Err(error) => output::error(&format!("the journal `{name}` is skipped: {error}")),
        }
    }
    Ok(None)
}

/// What became of the moves.
#[derive(Default)]
struct UndoCounts {
    back: usize,
    already: usize,
    missing: usize,
    failed: usize,
    /// Whether another try may do better for one that failed.
    may_succeed: bool,
}

impl UndoCounts {
    /// The summary for people, of this many moves.
    fn table(&self, moved: usize) -> String {
        let had = format!("{} had been moved", plural(moved, "message"));
        let mut out = format!("{moved:>7} {}\n", say(&had));
        let rows = [
            (self.back, "moved back"),
            (self.already, "there already"),
            (self.missing, "moved again or removed since"),
            (self.failed, "could not be undone"),
        ];
        for (number, text) in rows.iter().filter(|(number, _)| *number > 0) {
            out.push_str(&format!("{number:>7} {}\n", say(text)));
        }
        out
    }
}

/// Says what happens, counts it, and writes it to the log.
struct UndoReport<'r> {
    call: &'r UndoCall<'r>,
    location: &'r Location,
    log: Log,
    /// Lines that are not in the log yet.
    lines: Vec<MoveLine>,
    counts: UndoCounts,
    progress: ProgressMeter,
}

impl UndoReport<'_> {
    fn take(&mut self, event: UndoEvent<'_>) {
        match event {
            UndoEvent::Move(moved, outcome) => {
                self.progress.done(0);
                if self.call.json {
                    self.print_object(moved, &outcome);
                }
                self.outcome(moved, outcome);
            }
            UndoEvent::Problem(failure) => {
                self.failed(&failure.to_string(), may_pass(&failure.error));
            }
            UndoEvent::Flushed => {
                if let Err(failure) = self.log.moved(&std::mem::take(&mut self.lines)) {
                    self.progress.error(&failure.to_string());
                }
            }
        }
    }

    fn outcome(&mut self, moved: &MoveRecord, outcome: UndoOutcome) {
        match outcome {
            UndoOutcome::Back { path, message_id } => {
                self.counts.back += 1;
                self.lines.push(MoveLine {
                    folder: self.folder(&moved.from),
                    was: self.folder(&moved.to),
                    file: path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
                    by: UNDO,
                    rule: None,
                    message_id,
                });
                if self.call.verbose && !self.call.json {
                    output::print(&format!("{}\n", escape(&path.display().to_string())));
                }
            }
            UndoOutcome::Already => self.counts.already += 1,
            UndoOutcome::Gone => {
                self.counts.missing += 1;
                let text = format!("`{}` no longer exists", self.path(&moved.to).display());
                self.progress.error(&escape(&text));
            }
            UndoOutcome::Failed { why, may_pass } => self.failed(&why, may_pass),
        }
    }

    fn failed(&mut self, why: &str, may_pass: bool) {
        self.counts.failed += 1;
        self.counts.may_succeed |= may_pass;
        self.progress.error(&escape(why));
    }

    fn print_object(&self, moved: &MoveRecord, outcome: &UndoOutcome) {
        let (result, path, why) = match outcome {
            UndoOutcome::Back { path, .. } => ("back", Some(path.display().to_string()), None),
            UndoOutcome::Already => ("already", None, None),
            UndoOutcome::Gone => ("gone", None, None),
            UndoOutcome::Failed { why, .. } => ("failed", None, Some(why)),
        };
        let [was, to] =
            [&moved.from, &moved.to].map(|place| self.path(place).display().to_string());
        let object = json!({"message": to, "was": was, "result": result, "path": path, "why": why});
        output::print(&(json_line(&object) + "\n"));
    }

    /// Where the file of a message is at a place.
    fn path(&self, place: &MessagePlace) -> PathBuf {
        let entry = Entry::of(&place.file);
        let place = Place::of(place.folder.clone()).zip(entry);
        place.map(|(place, entry)| self.location.path_of_entry(&place, &entry)).unwrap_or_default()
    }

    /// The name of a place's folder.
    fn folder(&self, place: &MessagePlace) -> String {
        let place = Place::of(place.folder.clone());
        place.map(|place| self.location.folder_of(&place).to_string()).unwrap_or_default()
    }
}

/// The log that the rules set, or the default if they cannot be used: a mistake in them
/// must not prevent taking something back.
fn log_of(path: Option<&Path>, state: &StateDir, user: &User) -> Log {
    let rules = checked(path, user).ok();
    let program = rules.as_ref().map(|(_, program)| program);
    program.map_or_else(
        || Log::State(state.clone()),
        |program| super::log(program, &World::of(user.clone()), Some(state)),
    )
}
