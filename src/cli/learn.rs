//! `mfilter learn`: learns once from what the user has moved, for use in a timer; and
//! takes back what was learned.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use serde_json::json;

use super::claim::claim_unless_dry;
use super::interrupt::stop;
use super::output::say;
use super::progress::ProgressMeter;
use super::{CommandOutcome, output};
use crate::file::ANYWHERE;
use crate::load;
use crate::log::{self, LessonKind, Log};
use crate::mailbox::known;
use crate::mailbox::learn::{
    ChangeOutcome, LearnStep, ListChange, carry_out, lessons as to_remember, plan, take_back,
};
use crate::mailbox::moves::{MoveScan, Watcher};
use crate::mailbox::sent::SentMailReader;
use crate::maildir::Location;
use crate::outcome::Failure;
use crate::plan::StepKind;
use crate::rules::compiled::CompiledProgram;
use crate::rules::program::Field;
use crate::state::lessons::{self, Lesson};
use crate::state::memory::{Memory, MessageIdentity, message_key};
use crate::state::{StateDir, list_index};
use crate::text::{counted, escape, json_line};
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
/// How long messages are read before checking whether to stop.
const STEP: Duration = Duration::from_secs(1);

pub(super) fn run(call: &LearnArgs) -> Result<CommandOutcome, String> {
    let stop = stop();
    let user = User::of_process();
    let state = super::state_of(&user)?;
    let path = load::rules_file(call.rules.as_deref(), &user)?;
    let in_force = load::in_force(&path, call.rules.is_some(), &user, load::Proof::Whole)?;
    if let Some(notice) = &in_force.notice {
        let what = if notice.last_good {
            "still using the last valid version"
        } else {
            "no rules are used"
        };
        let path = notice.path.display();
        output::error(&format!("{path} cannot be used; {what}\n{}", notice.text));
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
    let _claim = claim_unless_dry(&state, &location.path, call.dry_run)?;
    let mut trouble = in_force.notice.is_some();
    let progress = ProgressMeter::of_messages(|| 0, call.verbose == 0 && !call.json);
    if !call.dry_run {
        let told = learner.sent_mail(&world, None, &stop, &|left| progress.left(left));
        progress.end();
        trouble |= !told.problems.is_empty();
        told.problems.iter().for_each(|text| output::error(&escape(text)));
        if call.verbose > 0 && !call.json {
            told.news.iter().for_each(|text| print_line(&escape(&say(text))));
        }
    }
    if program.moves.is_empty() {
        if call.verbose > 0 {
            output::error("the rules have no `on moved`");
        }
        return Ok(if trouble { CommandOutcome::Found } else { CommandOutcome::Fine });
    }
    let mut watcher = Watcher::open(&location, &state).map_err(|failure| failure.to_string())?;
    let is_first = watcher.knows_nothing();
    let _alone = match call.dry_run {
        true => None,
        false => {
            let claim = watcher.kept().claim().map_err(|error| format!("the state: {error}"))?;
            Some(claim.ok_or("another process is learning from this Maildir")?)
        }
    };
    let progress = ProgressMeter::of_messages(|| 0, !call.json);
    let left = &|left| progress.left(left);
    let (found, taught) = learner.learn(&mut watcher, &world, &stop, call.dry_run, left)?;
    progress.end();
    for failure in &found.problems {
        output::error(&escape(&failure.to_string()));
    }
    let failed = taught.iter().any(|each| matches!(each.came, ChangeOutcome::Failed { .. }));
    trouble |= !found.problems.is_empty() || failed;
    let show = call.verbose > 0 || call.dry_run;
    for each in &taught {
        if call.json {
            print_line(&as_json(each));
        } else if let (false, ChangeOutcome::Failed { .. }) = (show, &each.came) {
            output::error(&escape(&line(each)));
        } else if show {
            print_line(&escape(&line(each)));
        }
    }
    if show && !call.json {
        print_line(&in_numbers(&found));
    }
    if is_first && !call.json && (show || std::io::stdout().is_terminal()) {
        print_line(&say("this was the first run: mfilter learns from what you move from now on"));
    }
    Ok(if trouble { CommandOutcome::Found } else { CommandOutcome::Fine })
}

fn print_line(line: &str) {
    output::report(&format!("{line}\n"));
}

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
pub(super) struct LearnMessages {
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
    pub(super) fn sent_mail(
        &self,
        world: &World,
        budget: Option<Duration>,
        stop: &AtomicBool,
        left: &dyn Fn(usize),
    ) -> LearnMessages {
        let mut told = LearnMessages::default();
        let sent: SentMailReader = super::sent(self.program, self.location, world, true);
        let threads = self.program.fields.contains(&Field::InMyThread);
        let lists: Vec<_> = (0..).map_while(|at| self.program.list(at)).collect();
        let sides = lists.iter().flat_map(|list| {
            let own = list.entries.folder();
            let messages = own.filter(|_| threads).map(|(folder, side)| (folder, side.messages()));
            own.into_iter().chain(messages).map(move |(folder, side)| (list, folder, side))
        });
        for (list, folder, side) in sides {
            let name = list.name.as_ref().map_or("", |name| name.as_str());
            let mut added = 0;
            if !sent.exists(folder) {
                // Nothing was sent yet, or the rules misspell the folder, which `check`
                // reports.
                told.news.push(format!("{name}: there is no folder `{folder}` yet"));
                continue;
            }
            while !stop.load(Ordering::Relaxed) {
                let began = SystemTime::now();
                match sent.refresh(folder, side, budget.unwrap_or(STEP)) {
                    Err(unknown) => told.problems.push(unknown.why),
                    Ok(done) => {
                        left(usize::try_from(done.unread).unwrap_or(usize::MAX));
                        added += done.added;
                        if done.unread > 0 && budget.is_none() {
                            continue;
                        }
                        told.more |= done.unread > 0;
                        told.problems.extend(
                            done.skipped.into_iter().map(|why| format!("cannot read {why}")),
                        );
                        if let Some(file) = done.known.file
                            && let Ok(list) = world.list(&file, &ANYWHERE)
                        {
                            let _ = list_index::make(self.user, &file, &list, began);
                        }
                    }
                }
                break;
            }
            if added > 0 {
                let what = if side.is_messages() { "message" } else { "address" };
                told.news.push(format!("{name}: {} more", counted(added, what)));
            }
        }
        told
    }

    /// Which messages were put where, according to everything that was logged.
    fn memory(&self, now: i64, writes: bool) -> Memory<'_> {
        let mut memory = Memory::at(self.state, now);
        known::take_in(&mut memory, &self.log, self.location, writes);
        memory
    }

    /// Looks for moves once, for at most `step`, and learns from them.
    pub(super) fn learn_some(
        &self,
        watcher: &mut Watcher<'_>,
        world: &World,
        step: Duration,
        stop: &AtomicBool,
    ) -> Result<(MoveScan, Vec<ListChange>), String> {
        let now = Timestamp::now().as_second();
        let memory = self.memory(now, true);
        let found =
            watcher.look(now, step, stop, &memory).map_err(|failure| failure.to_string())?;
        self.take_in(watcher, found, world, false)
    }

    /// Looks for moves and learns from them. What is found counts as known only after it
    /// was learned. `left` is called with the number of messages still to be read.
    pub(super) fn learn(
        &self,
        watcher: &mut Watcher<'_>,
        world: &World,
        stop: &AtomicBool,
        dry_run: bool,
        left: &dyn Fn(usize),
    ) -> Result<(MoveScan, Vec<ListChange>), String> {
        let mut all = MoveScan::default();
        loop {
            let now = Timestamp::now().as_second();
            let memory = self.memory(now, !dry_run);
            let found =
                watcher.look(now, STEP, stop, &memory).map_err(|failure| failure.to_string())?;
            left(found.unread);
            all.moved.extend(found.moved);
            all.first = all.first.max(found.first);
            (all.known, all.unread, all.listed) = (found.known, found.unread, found.listed);
            all.problems = found.problems;
            if found.unread == 0 || stop.load(Ordering::Relaxed) {
                break;
            }
            if !dry_run && all.moved.is_empty() {
                watcher.keep().map_err(|failure| failure.to_string())?;
            }
        }
        self.take_in(watcher, all, world, dry_run)
    }

    fn take_in(
        &self,
        watcher: &mut Watcher<'_>,
        mut all: MoveScan,
        world: &World,
        dry_run: bool,
    ) -> Result<(MoveScan, Vec<ListChange>), String> {
        let (mut taught, problems) = plan(&all.moved, self.program, self.location, world);
        // A message that the user has moved on since is not a problem.
        let gone = |failure: &Failure| failure.error.kind() == std::io::ErrorKind::NotFound;
        all.problems.extend(problems.into_iter().filter(|failure| !gone(failure)));
        if dry_run {
            return Ok((all, taught));
        }
        carry_out(&mut taught, self.user.home(), self.state);
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
        let remembered = to_remember(&taught, &at);
        if !remembered.is_empty()
            && let Err(error) = lessons::remember(self.state, &remembered)
        {
            let why = format!("what was learned is not remembered for --undo: {error}");
            let _ = self.log.note(&why);
        }
        // While a list cannot be edited, for example on a full disk, nothing of this counts as
        // known: the next look finds the same moves. Edits that were made change nothing then.
        let may_pass =
            |each: &ListChange| matches!(each.came, ChangeOutcome::Failed { may_pass: true, .. });
        let again = taught.iter().any(may_pass);
        let once = |each: &&ListChange| !again || !matches!(each.what, LearnStep::Log(_));
        let lines: Vec<_> =
            taught.iter().filter(once).filter_map(|each| self.log_line(each)).collect();
        let _ = self.log.learned(&lines);
        if !again {
            watcher.keep().map_err(|failure| failure.to_string())?;
        }
        Ok((all, taught))
    }

    fn log_line(&self, each: &ListChange) -> Option<log::LessonLine> {
        let files: Vec<&str> = self.program.files.iter().map(|file| file.as_str()).collect();
        let (kind, text) = match (&each.came, &each.what) {
            (ChangeOutcome::Known | ChangeOutcome::Planned, _) => return None,
            (ChangeOutcome::Not(why) | ChangeOutcome::Failed { why, .. }, what) => {
                (LessonKind::Note, format!("{}: {why}", words(what)))
            }
            (ChangeOutcome::Learned, LearnStep::Log(text)) => (LessonKind::Log, text.clone()),
            (ChangeOutcome::Learned, what) => (LessonKind::Learned, words(what)),
        };
        Some(log::LessonLine {
            kind,
            text,
            folder: each.to.clone(),
            was: each.from.clone(),
            rule: log::place(&each.rule, &files),
            message_id: each.message_id.clone(),
        })
    }
}

fn words(what: &LearnStep) -> String {
    match what {
        LearnStep::Log(text) => format!("log {text}"),
        LearnStep::Edit { add, list, path, entry } => StepKind::EditList {
            add: *add,
            list: list.clone(),
            path: path.clone(),
            entry: entry.clone(),
        }
        .sentence(),
    }
}

/// What was looked at, for people.
fn in_numbers(found: &MoveScan) -> String {
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
pub(super) fn line(each: &ListChange) -> String {
    let came = match &each.came {
        ChangeOutcome::Planned => String::new(),
        ChangeOutcome::Learned => String::new(),
        ChangeOutcome::Known => say(ALREADY).into(),
        ChangeOutcome::Not(why) | ChangeOutcome::Failed { why, .. } => {
            say(&format!(": not done, {why}")).into_owned()
        }
    };
    let rule = format!("line {}", each.rule.line);
    let rule = say(&rule);
    format!("{} -> {}: {}  ({rule}){came}", each.from, each.to, words(&each.what))
}

fn as_json(each: &ListChange) -> String {
    let (result, why) = match &each.came {
        ChangeOutcome::Planned => ("planned", None),
        ChangeOutcome::Learned => ("learned", None),
        ChangeOutcome::Known => ("known", None),
        ChangeOutcome::Not(why) => ("not done", Some(why)),
        ChangeOutcome::Failed { why, .. } => ("failed", Some(why)),
    };
    let mut object = json!({
        "message": each.path.display().to_string(),
        "message_id": each.message_id,
        "sender": each.sender,
        "from": each.from,
        "to": each.to,
        "line": each.rule.line,
        "result": result,
        "why": why,
    });
    if let Some(fields) = object.as_object_mut() {
        let mut put = |name: &str, value: &str| fields.insert(name.into(), value.into());
        match &each.what {
            LearnStep::Log(text) => drop((put("action", "log"), put("text", text))),
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
    let came = take_back(last, user.home(), state);
    let mut failed = false;
    for (lesson, came) in last.iter().zip(&came).rev() {
        let did = back_words(lesson);
        if call.json {
            let (result, why) = match came {
                Ok(true) => ("taken back", None),
                Ok(false) => ("known", None),
                Err(why) => ("not done", Some(why)),
            };
            let object = json!({"action": if lesson.add { "remove" } else { "add" },
                "list": lesson.list, "entry": lesson.entry, "learned": lesson.at,
                "result": result, "why": why});
            print_line(&json_line(&object));
        }
        match came {
            Ok(_) if call.json => {}
            Ok(true) => print_line(&escape(&did)),
            Ok(false) => print_line(&(escape(&did) + &say(ALREADY))),
            Err(why) => {
                failed = true;
                output::error(&escape(why));
            }
        }
        if *came == Ok(true) {
            let _ = log.note(&format!("taken back, learned {}: {did}", lesson.at));
        }
    }
    if failed {
        output::error(&format!("what was learned {} could not be undone yet", first.at));
        return Ok(CommandOutcome::Found);
    }
    lessons::forget_last(state, last.len()).map_err(|error| format!("the state: {error}"))?;
    Ok(CommandOutcome::Fine)
}

fn back_words(lesson: &Lesson) -> String {
    words(&LearnStep::Edit {
        add: !lesson.add,
        list: lesson.list.clone(),
        path: lesson.path.clone(),
        entry: lesson.entry.clone(),
    })
}
