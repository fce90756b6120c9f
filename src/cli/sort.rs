//! `mfilter sort`: refiles existing mail.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use super::args::DeliveryOptions;
use super::current_rules::checked;
use super::for_user::ForUser;
use super::interrupt::stop;
use super::move_lock::lock_moves_unless_dry;
use super::output::say;
use super::progress::ProgressMeter;
use super::undo::{self, UndoCall};
use super::{CommandError, CommandOutcome, output};
use crate::language::Language;
use crate::load;
use crate::log::{self, Log, MoveLine as Line};
use crate::mailbox::judge::{Judge, Judgement};
use crate::mailbox::recognition::read_log;
use crate::mailbox::refile::{Refile, Skip};
use crate::mailbox::sort::{SortEvent, SortOutcome, SortReportLine, Sorter, StayReason};
use crate::mailbox::special_use::SpecialFolders;
use crate::maildir::mover::Mover;
use crate::maildir::{Location, Place};
use crate::outcome::Failure;
use crate::plan::{Folder, RuleRef};
use crate::report::place;
use crate::rules::compiled::CompiledProgram;
use crate::rules::program::Entries;
use crate::rules::rule_set::RuleSet;
use crate::source::{SourceFile, Sources};
use crate::state::StateDir;
use crate::state::memory::Memory;
use crate::text::{escape, json_line, one_line};
use crate::user::User;
use crate::world::World;

/// `mfilter sort`
#[derive(clap::Args, Debug, Default)]
pub(super) struct SortArgs {
    #[command(flatten)]
    pub(super) for_user: ForUser,

    /// The folders, named as in the rules [default: the inbox]
    #[arg(value_name = "FOLDER")]
    pub(super) folders: Vec<String>,

    /// List what would be moved; change nothing
    #[arg(long)]
    pub(super) dry_run: bool,

    /// All folders, without trash, junk, drafts and sent mail unless they are named
    #[arg(long)]
    pub(super) all: bool,

    /// With --all: skip this folder; may be repeated
    #[arg(long, value_name = "FOLDER", requires = "all")]
    pub(super) except: Vec<String>,

    /// Undo the last run, and then the one before
    #[arg(long, conflicts_with_all = ["folders", "dry_run", "all", "rules", "site"])]
    pub(super) undo: bool,

    #[command(flatten)]
    pub(super) delivery: DeliveryOptions,

    /// One JSON object per message (JSON Lines)
    #[arg(long)]
    pub(super) json: bool,
}

/// How much of a subject is shown in a line for people, bytes.
const SUBJECT_MAX: usize = 70;

/// `mfilter sort`
pub(super) fn run(call: &SortArgs) -> Result<CommandOutcome, CommandError> {
    let user = call.for_user.user()?;
    if call.undo {
        return Ok(undo::run(&UndoCall {
            command: "sort",
            rules: call.delivery.mailbox.files.rules.as_deref(),
            maildir: call.delivery.mailbox.maildir.as_deref(),
            verbose: call.delivery.verbose > 0,
            json: call.json,
            user,
        })?);
    }
    let stop = &stop();
    let Some((rules, sources)) = rules_and_texts(call, &user)? else {
        output::error("what they would say is not known; nothing was moved");
        return Ok(CommandOutcome::Found);
    };
    let program = &rules.user;
    let files = rules.files();
    let world = call.delivery.world(None, user.clone());
    let maildir = call.delivery.mailbox.maildir.as_deref();
    let location = super::filing_location(maildir, program, &world)?;
    let now = world.now();
    // Without a state, so that nothing counts as delivered before: existing mail would be
    // a duplicate of itself.
    let new_world = || {
        let world = call.delivery.world(Some(now), user.clone());
        World { state: None, ..super::with_mail(world, program, &location, !call.dry_run) }
    };
    if !location.path.is_dir() {
        return Err(format!("there is no Maildir `{}`", location.path.display()).into());
    }
    let state = super::state_of(&user)?;
    let _lock = lock_moves_unless_dry(&state, &location.path, call.dry_run)?;
    let (places, problems) = places(call, program, &location)?;
    let log = super::log(program, &world, Some(&state));
    let mut memory = Memory::at(&state, now.as_second());
    read_log(&mut memory, &log, &location, !call.dry_run);
    let sorter = Sorter {
        judge: Judge {
            rules: &rules,
            location: &location,
            world: &new_world,
            new: false,
            with_summary: call.dry_run || call.json || call.delivery.verbose > 0,
            stop,
        },
        state: (!call.dry_run).then_some(&state),
        spares_drafts: call.all,
        memory: &memory,
    };
    let mut report = SortReport {
        call,
        location: &location,
        sources: &sources,
        files: &files,
        log,
        lines: Vec::new(),
        counts: Counts::default(),
        progress: ProgressMeter::of_messages(|| messages_in(&location, &places), is_quiet(call)),
        stop,
        unread: false,
    };
    problems.into_iter().for_each(|failure| report.take(&SortEvent::Problem(failure)));
    let sorted = sorter.sort(&places, &mut |event| report.take(&event));
    Ok(report.finish(sorted))
}

/// The rules in force, and the text of the user's with the names of all files; `None` if
/// the site's cannot be known at the moment.
fn rules_and_texts(
    call: &SortArgs,
    user: &User,
) -> Result<Option<(RuleSet, Sources)>, CommandError> {
    let options = &call.delivery.mailbox.files;
    let (sources, compiled) = checked(options.rules.as_deref(), user)
        .map_err(|error| error.preventing("the rules have a mistake; nothing was moved"))?;
    let site = load::site::in_force(options.site.as_deref());
    if let Some(note) = &site.note {
        output::error(note);
        if site.compiled.is_none() {
            return Ok(None);
        }
    }
    let (rules, note) = load::rule_set(compiled, site.compiled, user)?;
    note.iter().for_each(|note| output::error(note));
    if let (Some(state), false) = (StateDir::of(user), call.dry_run) {
        load::history::note(&state, &sources);
    }
    let sources = with_site(sources, &rules.files());
    Ok(Some((rules, sources)))
}

/// The sources with the files of the site rules added after the user's, by name.
fn with_site(mut sources: Sources, files: &[&str]) -> Sources {
    for file in files.iter().skip(sources.files().len()) {
        sources.add(SourceFile::new(*file, ""));
    }
    sources
}

/// Whether nothing is printed for a message.
fn is_quiet(call: &SortArgs) -> bool {
    !call.dry_run && !call.json && call.delivery.verbose == 0
}

/// How many messages have to be judged, counted by the names of their files.
fn messages_in(location: &Location, places: &[Place]) -> usize {
    let count = |place: &Place| {
        let folder = location.path_of_place(place);
        let listed = ["new", "cur"].map(|sub| std::fs::read_dir(folder.join(sub)));
        listed.into_iter().flatten().map(Iterator::count).sum::<usize>()
    };
    places.iter().map(count).sum()
}

/// The folders that are asked for. With `--all`, folders for mail that did not arrive or
/// that was put away are skipped, unless they are named.
fn places(
    call: &SortArgs,
    program: &CompiledProgram,
    location: &Location,
) -> Result<(Vec<Place>, Vec<Failure>), String> {
    let inbox = [String::new()];
    let names = if call.folders.is_empty() && !call.all { &inbox[..] } else { &call.folders };
    let requested = super::named_places(location, names)?;
    if !call.all {
        return Ok((requested, Vec::new()));
    }
    let except = super::named_places(location, &call.except)?;
    let mover = Mover::open(location).map_err(|failure| failure.to_string())?;
    let (mut all, problems) = mover.folders();
    let before = all.len();
    all.retain(|place| !except.iter().any(|out| out.is(place)));
    if before - all.len() < except.len() {
        return Err("a folder given to --except does not exist; nothing was moved".into());
    }
    let special = SpecialFolders::of(location, &program.settings);
    let sent_mail: Vec<Place> =
        sent_folders(program).iter().filter_map(|name| location.own_place(name)).collect();
    all.retain(|place| {
        let is_place = |known: &Place| known.is(place);
        requested.iter().any(is_place)
            || special.use_of(place).is_none() && !sent_mail.iter().any(is_place)
    });
    Ok((all, problems))
}

/// The folders from which the rules derive lists of the people the user has written to.
fn sent_folders(program: &CompiledProgram) -> Vec<Folder> {
    let lists = (0..).map_while(|at| program.list(at));
    lists
        .filter_map(|list| match &list.entries {
            Entries::Sent(folder) => Some(Folder::named(folder)),
            _ => None,
        })
        .collect()
}

/// The report while mail is sorted.
struct SortReport<'r> {
    call: &'r SortArgs,
    location: &'r Location,
    sources: &'r Sources,
    files: &'r [&'r str],
    log: Log,
    /// Lines that are not in the log yet.
    lines: Vec<Line>,
    counts: Counts,
    progress: ProgressMeter,
    stop: &'r AtomicBool,
    /// Whether a dry run was stopped because nobody reads its output any more.
    unread: bool,
}

impl SortReport<'_> {
    fn take(&mut self, event: &SortEvent<'_>) {
        match event {
            SortEvent::Message(message) => self.message(message),
            SortEvent::Problem(failure) => {
                self.counts.failed += 1;
                self.progress.error(&escape(&failure.to_string()));
            }
            SortEvent::Flushed => self.flush_log(),
        }
    }

    /// Prints what was done in all.
    fn finish(mut self, sorted: Result<(), Failure>) -> CommandOutcome {
        self.flush_log();
        self.progress.end();
        let interrupted = self.stop.load(Ordering::Relaxed);
        if !self.call.json {
            output::report(&self.counts.table(self.call.dry_run));
        }
        if interrupted && !self.call.dry_run {
            output::error(
                "interrupted; run `mfilter sort` again to continue, or `mfilter sort --undo` to \
                 undo it",
            );
        }
        if let Err(failure) = sorted {
            output::error(&failure.to_string());
            return CommandOutcome::Found;
        }
        let cut_short = interrupted && !self.unread;
        CommandOutcome::found_if(self.counts.failed > 0 || cut_short)
    }

    fn flush_log(&mut self) {
        if let Err(failure) = self.log.moved(&std::mem::take(&mut self.lines)) {
            self.progress.error(&failure.to_string());
        }
    }

    fn message(&mut self, message: &SortReportLine<'_>) {
        self.progress.done(0);
        let from = self.location.folder_of(message.from).to_string();
        let nothing = Refile::default();
        let refile = match &message.judged.verdict {
            Judgement::Refile(refile) => refile,
            _ => &nothing,
        };
        let target = refile.to.as_ref();
        let to = target.map_or_else(|| from.clone(), |target| target.folder.to_string());
        let (counts, progress) = (&mut self.counts, &self.progress);
        counts.all += 1;
        match &message.outcome {
            SortOutcome::Moved { path, problems } => {
                counts.moved(&from, &to);
                let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                let rule = target.and_then(|target| target.rule.as_ref());
                let rule = rule.map(|rule| log::place(rule, self.files));
                let message_id = message.judged.summary.id.clone();
                let (folder, was) = (to.clone(), from.clone());
                self.lines.push(Line { folder, was, file, by: "sort", rule, message_id });
                for why in problems {
                    progress.error(&escape(&format!("{}: {why}", path.display())));
                }
            }
            SortOutcome::Would => counts.moved(&from, &to),
            SortOutcome::Stays(why) => *counts.stay.entry(stays(*why)).or_default() += 1,
            SortOutcome::Vanished => {
                counts.vanished += 1;
                let path = message.path.display();
                progress.error(&escape(&format!("`{path}` was moved or removed in the meantime")));
            }
            SortOutcome::Failed(why) => {
                counts.failed += 1;
                progress.error(&escape(why));
            }
        }
        for skip in &refile.skipped {
            *counts.skipped.entry(*skip).or_default() += 1;
        }
        let is_read = if self.call.json {
            output::print(&(json_line(&self.json(message, refile, &from)) + "\n"))
        } else if self.call.dry_run || self.call.delivery.verbose > 0 {
            self.line(message, refile, &from, &to).is_none_or(|line| output::report(&line))
        } else {
            true
        };
        if !is_read && self.call.dry_run {
            self.unread = true;
            self.stop.store(true, Ordering::Relaxed);
        }
    }

    /// The line for people about a message that is moved.
    fn line(
        &self,
        message: &SortReportLine<'_>,
        refile: &Refile,
        from: &str,
        to: &str,
    ) -> Option<String> {
        let target = match message.outcome {
            SortOutcome::Moved { .. } | SortOutcome::Would => refile.to.as_ref()?,
            _ => return None,
        };
        let flags = target.add.as_written();
        let flags = if flags.is_empty() { flags } else { format!(" as {flags}") };
        let rule = target.rule.as_ref();
        let rule = rule.map(|rule| place(rule, self.sources, Language::of_locale()));
        let rule = rule.unwrap_or_else(|| say("end of the rules").into());
        let summary = &message.judged.summary;
        let (from, to) = (escape(from), escape(to));
        let subject = one_line(&summary.subject, SUBJECT_MAX);
        let entry = escape(&message.judged.entry.to_string());
        Some(format!("{from} -> {to}{flags}  ({rule})  {entry}  {}\n", escape(&subject)))
    }

    fn json(&self, message: &SortReportLine<'_>, refile: &Refile, from: &str) -> Value {
        let summary = &message.judged.summary;
        let mut object = json!({
            "message": message.path.display().to_string(),
            "id": summary.id,
            "from": summary.from,
            "subject": summary.subject,
            "was": from,
            "skipped": refile.skipped.iter()
                .map(|skip| json!({"action": skip.action, "why": skip.why}))
                .collect::<Vec<_>>(),
        });
        let mut set = |name: &str, value: Value| {
            if let Some(object) = object.as_object_mut() {
                object.insert(name.into(), value);
            }
        };
        if let (SortOutcome::Moved { .. } | SortOutcome::Would, Some(target)) =
            (&message.outcome, &refile.to)
        {
            set("folder", json!(target.folder.to_string()));
            set("flags", json!(target.add.words()));
            set("rule", target.rule.as_ref().map_or(Value::Null, |rule| self.rule(rule)));
        }
        match &message.outcome {
            SortOutcome::Moved { path, problems } => {
                set("result", json!("moved"));
                set("path", json!(path.display().to_string()));
                set("problems", json!(problems));
            }
            SortOutcome::Would => set("result", json!("would-move")),
            SortOutcome::Stays(why) => {
                set("result", json!("stays"));
                set("why", json!(stays(*why)));
            }
            SortOutcome::Vanished => set("result", json!("vanished")),
            SortOutcome::Failed(why) => {
                set("result", json!("failed"));
                set("why", json!(why));
            }
        }
        object
    }

    fn rule(&self, rule: &RuleRef) -> Value {
        let file = self.sources.path(rule.span).display().to_string();
        json!({"file": file, "line": rule.line, "label": rule.label, "category": rule.category})
    }
}

fn stays(why: StayReason) -> &'static str {
    match why {
        StayReason::Fine => "already in the right folder",
        StayReason::Skipped => "left alone: what the rules ask for is not done",
        StayReason::NoRule => "left alone: no rule matches",
        StayReason::Draft => "left alone: marked as draft",
        StayReason::NoFlags => "left alone: the flags cannot be kept",
        StayReason::ByUser => "left alone: moved there by you",
    }
}

/// The table at the end.
#[derive(Default)]
struct Counts {
    all: usize,
    moved: BTreeMap<(String, String), usize>,
    stay: BTreeMap<&'static str, usize>,
    skipped: BTreeMap<Skip, usize>,
    vanished: usize,
    failed: usize,
}

impl Counts {
    fn moved(&mut self, from: &str, to: &str) {
        *self.moved.entry((from.to_owned(), to.to_owned())).or_default() += 1;
    }

    fn table(&self, dry_run: bool) -> String {
        let mut out = output::messages_in_all(self.all, dry_run);
        let mut row = |number: usize, text: &str| {
            if number > 0 {
                out.push_str(&format!("{number:>7} {}\n", escape(text)));
            }
        };
        let mut moved: Vec<_> = self.moved.iter().collect();
        moved.sort_by_key(|(_, number)| std::cmp::Reverse(**number));
        for ((from, to), number) in moved {
            match from == to {
                true => row(*number, &format!("{from}{}", say(", flagged in place"))),
                false => row(*number, &format!("{from} -> {to}")),
            }
        }
        self.stay.iter().for_each(|(why, number)| row(*number, &say(why)));
        row(self.vanished, &say("moved or removed by someone else"));
        row(self.failed, &say("failed, see above"));
        for (Skip { action, why, .. }, number) in &self.skipped {
            row(*number, &say(&format!("{action} not done: {why}")));
        }
        out
    }
}
