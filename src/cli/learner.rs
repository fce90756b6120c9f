//! Learning from the mail of one Maildir, as `mfilter learn` does once and `mfilter watch`
//! repeatedly.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use jiff::Timestamp;

use crate::file::ANYWHERE;
use crate::log::{self, LessonKind, Log};
use crate::mailbox::correspondents::SentMailReader;
use crate::mailbox::learn::{
    ChangeOutcome, LearnStep, ListChange, carry_out, lessons as to_remember, plan,
};
use crate::mailbox::moves::{MoveScan, MoveScanner};
use crate::mailbox::recognition;
use crate::maildir::Location;
use crate::outcome::Failure;
use crate::plan::StepKind;
use crate::rules::compiled::CompiledProgram;
use crate::rules::program::Field;
use crate::state::memory::{Memory, MessageIdentity, message_key};
use crate::state::{StateDir, lessons};
use crate::text::counted;
use crate::user::User;
use crate::world::World;

/// How long messages are read before checking whether to stop.
const READ_BUDGET: Duration = Duration::from_secs(1);

/// Learns from the mail of one Maildir.
pub(super) struct Learner<'a> {
    pub(super) program: &'a CompiledProgram,
    pub(super) location: &'a Location,
    pub(super) state: &'a StateDir,
    pub(super) user: &'a User,
    pub(super) log: Log,
}

/// The result of reading sent mail.
#[derive(Default)]
pub(super) struct SentMailResult {
    /// What is new, for people.
    pub(super) news: Vec<String>,
    /// What could not be read.
    pub(super) problems: Vec<String>,
    /// Whether anything is still to be read.
    pub(super) more: bool,
}

impl Learner<'_> {
    /// Brings the lists of sent mail up to date; with a `budget`, only a part of them.
    /// `left` is called with the number of messages still to be read.
    pub(super) fn refresh_sent(
        &self,
        world: &World,
        budget: Option<Duration>,
        stop: &AtomicBool,
        left: &dyn Fn(usize),
    ) -> SentMailResult {
        let mut messages = SentMailResult::default();
        let reader: SentMailReader = super::sent_mail(self.program, self.location, world, true);
        let threads = self.program.fields.contains(&Field::InMyThread);
        let lists: Vec<_> = (0..).map_while(|at| self.program.list(at)).collect();
        let sides = lists.iter().flat_map(|list| {
            let own = list.entries.folder();
            let messages = own.filter(|_| threads).map(|(folder, side)| (folder, side.messages()));
            own.into_iter().chain(messages).map(move |(folder, side)| (list, folder, side))
        });
        for (list, folder, side) in sides {
            let name = list.name.as_ref().map_or("", |name| name.as_str());
            if !reader.exists(folder) {
                // Nothing was sent yet, or the rules misspell the folder, which `check`
                // reports.
                messages.news.push(format!("{name}: there is no folder `{folder}` yet"));
                continue;
            }
            let mut added = 0;
            while !stop.load(Ordering::Relaxed) {
                let began = SystemTime::now();
                let refreshed = reader.refresh(folder, side, budget.unwrap_or(READ_BUDGET));
                let done = match refreshed {
                    Ok(done) => done,
                    Err(unknown) => {
                        messages.problems.push(unknown.why);
                        break;
                    }
                };
                left(usize::try_from(done.unread).unwrap_or(usize::MAX));
                added += done.added;
                if done.unread > 0 && budget.is_none() {
                    continue;
                }
                messages.more |= done.unread > 0;
                let skipped = done.skipped.into_iter().map(|why| format!("cannot read {why}"));
                messages.problems.extend(skipped);
                if let Some(file) = done.known.file
                    && world.list(&file, &ANYWHERE).is_ok()
                {
                    world.index_lists(began);
                }
                break;
            }
            if added > 0 {
                let what = if side.is_messages() { "message" } else { "address" };
                messages.news.push(format!("{name}: {} more", counted(added, what)));
            }
        }
        messages
    }

    /// Which messages were put where, according to everything that was logged.
    fn memory(&self, now: i64, writes: bool) -> Memory<'_> {
        let mut memory = Memory::at(self.state, now);
        recognition::read_log(&mut memory, &self.log, self.location, writes);
        memory
    }

    /// Looks for moves once, for at most `step`, and learns from them.
    pub(super) fn learn_some(
        &self,
        scanner: &mut MoveScanner<'_>,
        world: &World,
        step: Duration,
        stop: &AtomicBool,
    ) -> Result<(MoveScan, Vec<ListChange>), String> {
        let now = Timestamp::now().as_second();
        let memory = self.memory(now, true);
        let found =
            scanner.scan(now, step, stop, &memory).map_err(|failure| failure.to_string())?;
        self.learn_from(scanner, found, world, false)
    }

    /// Looks for moves and learns from them. What is found counts as known only after it
    /// was learned. `left` is called with the number of messages still to be read.
    pub(super) fn learn(
        &self,
        scanner: &mut MoveScanner<'_>,
        world: &World,
        stop: &AtomicBool,
        dry_run: bool,
        left: &dyn Fn(usize),
    ) -> Result<(MoveScan, Vec<ListChange>), String> {
        let mut all = MoveScan::default();
        loop {
            let now = Timestamp::now().as_second();
            let memory = self.memory(now, !dry_run);
            let found = scanner
                .scan(now, READ_BUDGET, stop, &memory)
                .map_err(|failure| failure.to_string())?;
            left(found.unread);
            all.moved.extend(found.moved);
            all.first = all.first.max(found.first);
            (all.known, all.unread, all.listed) = (found.known, found.unread, found.listed);
            all.problems = found.problems;
            if found.unread == 0 || stop.load(Ordering::Relaxed) {
                break;
            }
            if !dry_run && all.moved.is_empty() {
                scanner.save().map_err(|failure| failure.to_string())?;
            }
        }
        self.learn_from(scanner, all, world, dry_run)
    }

    fn learn_from(
        &self,
        scanner: &mut MoveScanner<'_>,
        mut all: MoveScan,
        world: &World,
        dry_run: bool,
    ) -> Result<(MoveScan, Vec<ListChange>), String> {
        let (mut changes, problems) = plan(&all.moved, self.program, self.location, world);
        // A message that the user has moved on since is not a problem.
        let is_gone = |failure: &Failure| failure.error.kind() == std::io::ErrorKind::NotFound;
        all.problems.extend(problems.into_iter().filter(|failure| !is_gone(failure)));
        if dry_run {
            return Ok((all, changes));
        }
        carry_out(&mut changes, self.user.home(), self.state);
        let memory = Memory::at(self.state, Timestamp::now().as_second());
        for moved in &all.moved {
            let message = Some(message_key(moved.message));
            let identity = MessageIdentity { message, ..MessageIdentity::default() };
            if let Err(error) = memory.put_by_user(&identity, moved.to.directories()) {
                let path = self.state.path();
                all.problems.push(Failure::new("note where mail was put in", path, error));
                break;
            }
        }
        let at = format!("{:.3}", Timestamp::now());
        let remembered = to_remember(&changes, &at);
        if !remembered.is_empty()
            && let Err(error) = lessons::remember(self.state, &remembered)
        {
            let why = format!("what was learned is not remembered for --undo: {error}");
            let _ = self.log.note(&why);
        }
        // While a list cannot be edited, for example on a full disk, nothing of this counts as
        // known: the next look finds the same moves. Edits that were made change nothing then.
        let may_pass = |change: &ListChange| {
            matches!(change.outcome, ChangeOutcome::Failed { may_pass: true, .. })
        };
        let again = changes.iter().any(may_pass);
        let once = |change: &&ListChange| {
            !again || !matches!(change.step, LearnStep::Log(_) | LearnStep::NoEntry(_))
        };
        let lines: Vec<_> =
            changes.iter().filter(once).filter_map(|change| self.log_line(change)).collect();
        let _ = self.log.learned(&lines);
        if !again {
            scanner.save().map_err(|failure| failure.to_string())?;
        }
        Ok((all, changes))
    }

    fn log_line(&self, change: &ListChange) -> Option<log::LessonLine> {
        let files: Vec<&str> = self.program.files.iter().map(|file| file.as_str()).collect();
        let (kind, text) = match (&change.outcome, &change.step) {
            (ChangeOutcome::Known | ChangeOutcome::Planned, _) => return None,
            (ChangeOutcome::Not(why) | ChangeOutcome::Failed { why, .. }, step) => {
                (LessonKind::Note, format!("{}: {why}", describe(step)))
            }
            (ChangeOutcome::Learned, LearnStep::Log(text)) => (LessonKind::Log, text.clone()),
            (ChangeOutcome::Learned, step) => (LessonKind::Learned, describe(step)),
        };
        Some(log::LessonLine {
            kind,
            text,
            folder: change.to.clone(),
            was: change.from.clone(),
            rule: log::place(&change.rule, &files),
            message_id: change.message_id.clone(),
        })
    }
}

/// A step as in the log and in messages.
pub(super) fn describe(step: &LearnStep) -> String {
    match step {
        LearnStep::Log(text) => format!("log {text}"),
        LearnStep::NoEntry(action) => (*action).into(),
        LearnStep::Edit { add, list, path, entry } => StepKind::EditList {
            add: *add,
            list: list.clone(),
            path: path.clone(),
            entry: entry.clone(),
        }
        .sentence(),
    }
}
