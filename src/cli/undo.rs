//! `mfilter sort --undo`, `mfilter expire --undo`: take a run of either back.

use std::path::Path;
use std::sync::atomic::Ordering;

use serde_json::json;

use super::current_rules::checked;
use super::interrupt::stop;
use super::move_lock::lock_moves;
use super::output::say;
use super::progress::ProgressMeter;
use super::{CommandOutcome, output};
use crate::log::{Log, MoveLine as Line, UNDO};
use crate::mailbox::undo::{UndoEvent, UndoOutcome, undo};
use crate::maildir::folder::Entry;
use crate::maildir::{Location, Place};
use crate::source::may_pass;
use crate::state::memory::Memory;
use crate::state::{StateDir, sort_journal};
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
    let wanted_maildir = match call.maildir {
        Some(path) => {
            let fail = |error| format!("there is no Maildir `{}`: {error}", path.display());
            Some(std::fs::canonicalize(path).map_err(fail)?)
        }
        None => None,
    };
    let mut found = None;
    for name in sort_journal::runs(&state) {
        match sort_journal::read(&state, &name) {
            Ok(run) if wanted_maildir.as_ref().is_none_or(|maildir| *maildir == run.maildir) => {
                found = Some(run);
                break;
            }
            Ok(_) => {}
            Err(error) => output::error(&format!("the journal `{name}` is skipped: {error}")),
        }
    }
    let Some(found) = found else {
        output::error("there is no run to undo");
        return Ok(CommandOutcome::Found);
    };
    if !found.maildir.is_dir() {
        return Err(format!("there is no Maildir `{}`", found.maildir.display()));
    }
    let _lock = lock_moves(&state, &found.maildir)?;
    // Another run may have ended in the meantime, or have been taken back.
    let run = sort_journal::read(&state, &found.name);
    let run = run.map_err(|error| format!("the journal `{}`: {error}", found.name))?;
    let mut location = Location::new(&run.maildir, run.layout, None);
    location.home = user.home().map(Path::to_owned);
    location.bounds = user.maildir().map(|(_, bounds)| bounds).unwrap_or_default();
    let (mut back, mut already, mut missing, mut failed) = (0, 0, 0, 0);
    let mut may_succeed = false;
    let progress = ProgressMeter::of_messages(|| run.moves.len(), !call.json && !call.verbose);
    let (log, mut lines) = (log_of(call.rules, &state, user), Vec::new());
    let mut report = |event: UndoEvent<'_>| {
        let (moved, outcome) = match event {
            UndoEvent::Move(moved, outcome) => {
                progress.done(0);
                (moved, outcome)
            }
            UndoEvent::Problem(failure) => {
                failed += 1;
                may_succeed |= may_pass(&failure.error);
                progress.error(&escape(&failure.to_string()));
                return;
            }
            UndoEvent::Flushed => {
                let _ = log.moved(&std::mem::take(&mut lines));
                return;
            }
        };
        let path = |place: &sort_journal::MessagePlace| {
            let entry = Entry::of(&place.file);
            let place = Place::of(place.folder.clone()).zip(entry);
            place.map(|(place, entry)| location.path_of_entry(&place, &entry)).unwrap_or_default()
        };
        let (from, to) = (path(&moved.from), path(&moved.to));
        if call.json {
            let (result, path, why) = match &outcome {
                UndoOutcome::Back { path, .. } => ("back", Some(path.display().to_string()), None),
                UndoOutcome::Already => ("already", None, None),
                UndoOutcome::Gone => ("gone", None, None),
                UndoOutcome::Failed { why, .. } => ("failed", None, Some(why)),
            };
            let (to, from) = (to.display().to_string(), from.display().to_string());
            let object =
                json!({"message": to, "was": from, "result": result, "path": path, "why": why});
            output::print(&(json_line(&object) + "\n"));
        }
        match outcome {
            UndoOutcome::Back { path, message_id } => {
                back += 1;
                let name = |place: &sort_journal::MessagePlace| {
                    let place = Place::of(place.folder.clone());
                    place.map(|place| location.folder_of(&place).to_string()).unwrap_or_default()
                };
                lines.push(Line {
                    folder: name(&moved.from),
                    was: name(&moved.to),
                    file: path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
                    by: UNDO,
                    rule: None,
                    message_id,
                });
                if call.verbose && !call.json {
                    output::print(&format!("{}\n", escape(&path.display().to_string())));
                }
            }
            UndoOutcome::Already => already += 1,
            UndoOutcome::Gone => {
                missing += 1;
                let text = format!("`{}` no longer exists", to.display());
                progress.error(&escape(&text));
            }
            UndoOutcome::Failed { why, may_pass } => {
                failed += 1;
                may_succeed |= may_pass;
                progress.error(&escape(&why));
            }
        }
    };
    let now = jiff::Timestamp::now().as_second();
    undo(&location, &run, &Memory::at(&state, now), stop, &mut report)
        .map_err(|failure| failure.to_string())?;
    progress.end();
    let interrupted = stop.load(Ordering::Relaxed);
    // If nothing more can be taken back from it, now or later, the next call is for the
    // run before.
    let is_finished = !interrupted && (failed == 0 || back == 0 && !may_succeed);
    if is_finished {
        sort_journal::undone(&state, &run.name)
            .map_err(|error| format!("the journal `{}`: {error}", run.name))?;
    }
    if !call.json {
        let moved = run.moves.len();
        let had = format!("{} had been moved", plural(moved, "message"));
        let mut out = format!("{moved:>7} {}\n", say(&had));
        let rows = [
            (back, "are back"),
            (already, "were there already"),
            (missing, "are no longer where they were moved to"),
            (failed, "could not be undone"),
        ];
        for (number, text) in rows.iter().filter(|(number, _)| *number > 0) {
            out.push_str(&format!("{number:>7} {}\n", say(text)));
        }
        output::report(&out);
    }
    if !is_finished {
        let again = format!("run `mfilter {} --undo` again for the rest", call.command);
        output::error(&again);
    }
    Ok(if failed + missing > 0 || interrupted {
        CommandOutcome::Found
    } else {
        CommandOutcome::Fine
    })
}

/// The log that the rules set, or the default if they cannot be used: a mistake in them
/// must not prevent taking something back.
fn log_of(path: Option<&Path>, state: &StateDir, user: &User) -> Log {
    let rules = checked(path, user).ok().and_then(Result::ok);
    let program = rules.as_ref().map(|(_, program)| program);
    program.map_or_else(
        || Log::State(state.clone()),
        |program| super::log(program, &World::of(user.clone()), Some(state)),
    )
}
