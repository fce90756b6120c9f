//! `mfilter learn`: learns once from what the user has moved, for use in a timer; and
//! takes back what was learned.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use serde_json::json;

use super::interrupt::stop;
use super::learner::{Learner, describe};
use super::move_lock::lock_moves_unless_dry;
use super::output::say;
use super::progress::ProgressMeter;
use super::{CommandOutcome, output};
use crate::load;
use crate::log::Log;
use crate::mailbox::learn::{ChangeOutcome, LearnStep, ListChange, take_back};
use crate::mailbox::moves::{MoveScan, MoveScanner};
use crate::state::StateDir;
use crate::state::lessons::{self, Lesson};
use crate::text::{escape, json_line};
use crate::user::User;
use crate::world::World;

/// `mfilter learn`
#[derive(clap::Args, Debug)]
pub(super) struct LearnArgs {
    /// Say what would be learned; change nothing
    #[arg(long, conflicts_with = "undo")]
    pub(super) dry_run: bool,

    /// Undo what was learned last
    #[arg(long)]
    pub(super) undo: bool,

    /// The rules [default: ~/.mailrules]
    #[arg(long, value_name = "FILE")]
    pub(super) rules: Option<PathBuf>,

    /// The Maildir [default: `set maildir`, else ~/Maildir]
    #[arg(long, value_name = "DIR")]
    pub(super) maildir: Option<PathBuf>,

    /// One JSON object for each thing learned (JSON Lines)
    #[arg(long)]
    pub(super) json: bool,

    /// Say what is learned
    #[arg(short, action = clap::ArgAction::Count)]
    pub(super) verbose: u8,
}

/// What is said after an edit that changed nothing.
const ALREADY: &str = ": it was already so";

pub(super) fn run(call: &LearnArgs) -> Result<CommandOutcome, String> {
    let stop = stop();
    let user = User::of_process();
    let state = super::state_of(&user)?;
    let path = load::rules_file(call.rules.as_deref(), &user)?;
    let in_force = load::in_force(&path, call.rules.is_some(), &user, load::Verification::AtOnce)?;
    if let Some(notice) = &in_force.notice {
        report_notice(notice);
    }
    let program = &in_force.compiled;
    let world = World::of(user.clone());
    let location = super::location(call.maildir.as_deref(), program, &world)?;
    let log = super::log(program, &world, Some(&state));
    if call.undo {
        return undo(call, &state, &user, &log);
    }
    if !location.path.is_dir() {
        return Err(format!("there is no Maildir `{}`", location.path.display()));
    }
    let learner = Learner { program, location: &location, state: &state, user: &user, log };
    let _lock = lock_moves_unless_dry(&state, &location.path, call.dry_run)?;
    let mut has_problem = in_force.notice.is_some();
    if !call.dry_run {
        has_problem |= refresh_sent(call, &learner, &world, &stop);
    }
    let shows = shows_all(call) || std::io::stdout().is_terminal();
    if program.moves.is_empty() {
        if shows && !call.json {
            output::error("the rules have no `on moved`, so nothing is learned from moves");
        }
        return Ok(CommandOutcome::found_if(has_problem));
    }
    let mut scanner =
        MoveScanner::open(&location, &state).map_err(|failure| failure.to_string())?;
    let is_first = scanner.is_first_scan();
    let _alone = match call.dry_run {
        true => None,
        false => {
            let claim =
                scanner.places_file().claim().map_err(|error| format!("the state: {error}"))?;
            Some(claim.ok_or("another process is learning from this Maildir")?)
        }
    };
    let progress = ProgressMeter::of_messages(|| 0, !call.json);
    let left = &|left| progress.left(left);
    let (found, changes) = learner.learn(&mut scanner, &world, &stop, call.dry_run, left)?;
    progress.end();
    has_problem |= report(call, &found, &changes);
    if is_first && !call.json && shows {
        print_line(&say(match call.dry_run {
            true => "the first run without --dry-run notes where mail is; later moves are learned",
            false => "this was the first run: mfilter learns from what you move from now on",
        }));
    }
    Ok(CommandOutcome::found_if(has_problem))
}

/// Says that the rules in the file are not those that are used.
fn report_notice(notice: &load::Notice) {
    let what = match notice.last_valid {
        true => "still using the last valid version",
        false => "no rules are used",
    };
    let path = notice.path.display();
    output::error(&format!("{path} cannot be used; {what}\n{}", notice.text));
}

/// Brings the lists of those the user has written to up to date. Returns whether there was
/// a problem.
fn refresh_sent(call: &LearnArgs, learner: &Learner<'_>, world: &World, stop: &AtomicBool) -> bool {
    let progress = ProgressMeter::of_messages(|| 0, call.verbose == 0 && !call.json);
    let result = learner.refresh_sent(world, None, stop, &|left| progress.left(left));
    progress.end();
    result.problems.iter().for_each(|text| output::error(&escape(text)));
    if call.verbose > 0 && !call.json {
        result.news.iter().for_each(|text| print_line(&escape(&say(text))));
    }
    !result.problems.is_empty()
}

/// Whether each change is shown, not only those that failed.
fn shows_all(call: &LearnArgs) -> bool {
    call.verbose > 0 || call.dry_run
}

/// Reports what was found and changed. Returns whether there was a problem.
fn report(call: &LearnArgs, found: &MoveScan, changes: &[ListChange]) -> bool {
    for failure in &found.problems {
        output::error(&escape(&failure.to_string()));
    }
    for change in changes {
        if call.json {
            print_line(&as_json(change));
        } else if shows_all(call) {
            print_line(&escape(&line(change)));
        } else if has_failed(change) {
            output::error(&escape(&line(change)));
        }
    }
    if shows_all(call) && !call.json {
        print_line(&summary(found));
    }
    !found.problems.is_empty() || changes.iter().any(has_failed)
}

fn has_failed(change: &ListChange) -> bool {
    matches!(change.outcome, ChangeOutcome::Failed { .. })
}

fn print_line(line: &str) {
    output::report(&format!("{line}\n"));
}

/// What was looked at, for people.
fn summary(found: &MoveScan) -> String {
    let known = match found.known {
        1 => say("1 message is known, "),
        number => say(&format!("{number} messages are known, ")).into_owned().into(),
    };
    let moved = match found.moved.len() {
        1 => say("1 was moved"),
        number => say(&format!("{number} were moved")).into_owned().into(),
    };
    let first = match found.first {
        0 => "".into(),
        1 => say("; 1 folder was looked at for the first time"),
        number => {
            let first = format!("; {number} folders were looked at for the first time");
            say(&first).into_owned().into()
        }
    };
    format!("{known}{moved}{first}")
}

/// One change as a line for people.
pub(super) fn line(change: &ListChange) -> String {
    let outcome = match &change.outcome {
        ChangeOutcome::Planned | ChangeOutcome::Learned => String::new(),
        ChangeOutcome::Known => say(ALREADY).into(),
        ChangeOutcome::Not(why) | ChangeOutcome::Failed { why, .. } => {
            say(&format!(": not done, {why}")).into_owned()
        }
    };
    let rule = format!("line {}", change.rule.line);
    let rule = say(&rule);
    format!("{} -> {}: {}  ({rule}){outcome}", change.from, change.to, describe(&change.step))
}

fn as_json(change: &ListChange) -> String {
    let (result, why) = match &change.outcome {
        ChangeOutcome::Planned => ("planned", None),
        ChangeOutcome::Learned => ("learned", None),
        ChangeOutcome::Known => ("known", None),
        ChangeOutcome::Not(why) => ("not done", Some(why)),
        ChangeOutcome::Failed { why, .. } => ("failed", Some(why)),
    };
    let mut object = json!({
        "message": change.path.display().to_string(),
        "message_id": change.message_id,
        "sender": change.sender,
        "from": change.from,
        "to": change.to,
        "line": change.rule.line,
        "result": result,
        "why": why,
    });
    if let Some(fields) = object.as_object_mut() {
        let mut put = |name: &str, value: &str| fields.insert(name.into(), value.into());
        match &change.step {
            LearnStep::Log(text) => drop((put("action", "log"), put("text", text))),
            LearnStep::NoEntry(action) => drop(put("action", action)),
            LearnStep::Edit { add, list, path, entry } => {
                put("action", if *add { "add" } else { "remove" });
                put("list", list);
                put("file", &path.display().to_string());
                put("entry", entry);
            }
        }
    }
    json_line(&object)
}

/// Takes back what was learned last.
fn undo(
    call: &LearnArgs,
    state: &StateDir,
    user: &User,
    log: &Log,
) -> Result<CommandOutcome, String> {
    let all = lessons::all(state);
    let last = lessons::last(&all);
    let Some(first) = last.first() else {
        output::error("there is nothing to undo");
        return Ok(CommandOutcome::Found);
    };
    let outcome = take_back(last, user.home(), state);
    let mut failed = false;
    for (lesson, outcome) in last.iter().zip(&outcome).rev() {
        let text = describe_undo(lesson);
        if call.json {
            let (result, why) = match outcome {
                Ok(true) => ("taken back", None),
                Ok(false) => ("known", None),
                Err(why) => ("not done", Some(why)),
            };
            let object = json!({"action": if lesson.add { "remove" } else { "add" },
                "list": lesson.list, "entry": lesson.entry, "learned": lesson.at,
                "result": result, "why": why});
            print_line(&json_line(&object));
        }
        match outcome {
            Ok(_) if call.json => {}
            Ok(true) => print_line(&escape(&text)),
            Ok(false) => print_line(&(escape(&text) + &say(ALREADY))),
            Err(why) => {
                failed = true;
                output::error(&escape(why));
            }
        }
        if *outcome == Ok(true) {
            let _ = log.note(&format!("taken back, learned {}: {text}", lesson.at));
        }
    }
    if failed {
        output::error(&format!("what was learned {} could not be undone yet", first.at));
        return Ok(CommandOutcome::Found);
    }
    lessons::forget_last(state, last.len()).map_err(|error| format!("the state: {error}"))?;
    Ok(CommandOutcome::Fine)
}

fn describe_undo(lesson: &Lesson) -> String {
    describe(&LearnStep::Edit {
        add: !lesson.add,
        list: lesson.list.clone(),
        path: lesson.path.clone(),
        entry: lesson.entry.clone(),
    })
}
