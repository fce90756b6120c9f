//! `mfilter --test`: what would happen to each message, and why; with `--diff`, what
//! other rules would change; with `--misplaced`, what is in another folder. Nothing is
//! changed anywhere.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::args::Args;
use super::current_rules::CurrentRules;
use super::output::{Output, say};
use super::progress::ProgressMeter;
use super::{CommandError, CommandOutcome, output};
use crate::deliver::filter::Programs;
use crate::evaluate::{self, Detail, Evaluation, NoFilters};
use crate::language::Language;
use crate::mailbox::{self, Copies, MessageSource, Turn};
use crate::maildir::Location;
use crate::message::Message;
use crate::outcome::Failure;
use crate::plan::{Folder, Plan, Step, StepKind};
use crate::report::diff::{self, RunResult};
use crate::report::summary::Summary;
use crate::report::{self, ReportStyle};
use crate::rules::rule_set::RuleSet;
use crate::world::World;

/// How long the programs for one message may take with `--run-filters`.
const FILTER_TIMEOUT: Duration = Duration::from_secs(240);

pub(super) fn run(args: &Args) -> Result<CommandOutcome, CommandError> {
    let user = args.for_user.user()?;
    let files = &args.mda.delivery.mailbox.files;
    let rules = CurrentRules::of(files, &user)?;
    let read = |path| CurrentRules::read(Some(path), files.site.as_deref(), &user);
    let other = args.diff.as_deref().map(read).transpose()?;
    // The same time for all messages, whichever thread they are on.
    let now = args.now.unwrap_or_else(|| World::default().now());
    let plain = || args.mda.delivery.world(Some(now), user.clone());
    let program = &rules.rules.user;
    let maildir = args.mda.delivery.mailbox.maildir.as_deref();
    let location = super::filing_location(maildir, program, &plain())?;
    let world = || super::with_mail(plain(), program, &location, false);
    let test = MailTest {
        args,
        rules: &rules,
        other: other.as_ref(),
        location: &location,
        style: ReportStyle {
            colour: output::colour(),
            verbose: args.mda.delivery.verbose > 0,
            language: Language::of_locale(),
        },
        copies: Copies::default(),
        duplicates: std::iter::once(&rules)
            .chain(&other)
            .any(|all| all.rules.asks_for_duplicates()),
    };
    Ok(test.run(&world)?)
}

/// The paths of a command line; none for `-`, which is standard input.
pub(super) fn named_paths(paths: &[PathBuf]) -> &[PathBuf] {
    match paths {
        [only] if only == Path::new("-") => &[],
        _ => paths,
    }
}

/// The message on standard input; a person at a terminal is told that it is read there.
pub(super) fn message_on_stdin() -> Result<MessageSource, String> {
    let stdin = std::io::stdin();
    if stdin.is_terminal() {
        output::error(&say(
            "reading a message from standard input; end it with Ctrl-D on a line of its own",
        ));
    }
    let message = MessageSource::read("standard input", stdin)
        .map_err(|error| format!("standard input: {error}"))?;
    match message.is_empty() {
        true => Err("there is no message on standard input".into()),
        false => Ok(message),
    }
}

/// The request, shared by all threads.
struct MailTest<'a> {
    args: &'a Args,
    rules: &'a CurrentRules,
    other: Option<&'a CurrentRules>,
    location: &'a Location,
    style: ReportStyle,
    copies: Copies,
    /// Whether a rule could ask for duplicates.
    duplicates: bool,
}

/// The result for one message that was found.
struct TestResult {
    /// Its place in an mbox.
    number: usize,
    /// The text to print, or why it could not be read.
    text: Result<String, String>,
}

impl MailTest<'_> {
    fn run(&self, world: &(dyn Fn() -> World + Sync)) -> Result<CommandOutcome, String> {
        let paths = named_paths(&self.args.paths);
        let walk = match paths {
            [] => {
                let source = message_on_stdin()?;
                if source.is_mbox() {
                    output::error(&say(
                        "standard input is an mbox, which is judged as one message here; \
                         name its file to have each message judged",
                    ));
                }
                source.into()
            }
            paths => mailbox::message_sources_in(
                paths.iter().map(|path| (path.clone(), self.base(path))),
            ),
        };
        let progress = ProgressMeter::start(paths, self.is_silent());
        let mut out = Output::default();
        let mut unread = 0;
        let summaries = mailbox::walk_in_order(
            walk,
            || (world(), Summary::default()),
            |(world, summary), turn, batch| self.batch(world, summary, turn, batch),
            |(_, summary)| summary,
            |result| {
                progress.done(result.number);
                match result.text {
                    Ok(text) if self.args.json => out.print(&text),
                    Ok(text) => out.print(&output::for_terminal(&text)),
                    Err(why) => {
                        unread += 1;
                        let goes_on = out.flush();
                        progress.error(&why);
                        goes_on
                    }
                }
            },
        );
        progress.end();
        out.flush();
        let mut summary = Summary::default();
        summary.unread = unread;
        for other in summaries.map_err(|error| format!("cannot start a thread: {error}"))? {
            summary.merge(other);
        }
        if summary.messages == 0 {
            output::error(&say("there is no message to test"));
        }
        let tables = self.tables(&summary)?;
        let is_json = self.args.json;
        output::print(&if is_json { tables.into() } else { output::for_terminal(&tables) });
        let found = unread > 0 || summary.moved() > 0;
        Ok(CommandOutcome::found_if(found))
    }

    /// The tables at the end.
    fn tables(&self, summary: &Summary) -> Result<String, String> {
        let many = summary.messages + summary.unread > 1;
        let moves = summary.moves.is_some();
        let rules = self.rules.listed(self.args.mda.delivery.mailbox.files.site.is_some());
        Ok(if self.args.json {
            let with_tables = self.args.quiet || moves;
            if with_tables {
                summary.json(&rules, &self.rules.sources) + "\n"
            } else {
                String::new()
            }
        } else if moves {
            summary.moves_text(self.other.is_some(), self.style)
        } else if self.args.quiet || many && summary.messages > 0 {
            let tables = summary.text(&rules, &self.rules.sources, self.style);
            if self.args.quiet { tables.trim_start_matches('\n').to_owned() } else { tables }
        } else {
            String::new()
        })
    }

    /// Whether messages that stay where they are have no text of their own.
    fn is_silent(&self) -> bool {
        self.args.quiet || self.args.misplaced || self.other.is_some()
    }

    /// The folder of a path, if it is in the Maildir.
    fn base(&self, path: &Path) -> Folder {
        let folder = || mailbox::folder_in(&self.location.path, path);
        self.args.misplaced.then(folder).flatten().unwrap_or_default()
    }

    fn batch(
        &self,
        world: &World,
        summary: &mut Summary,
        turn: Turn<'_>,
        batch: Vec<Result<MessageSource, Failure>>,
    ) -> Vec<TestResult> {
        let judge = |world: &World,
                     summary: &mut Summary,
                     source: &MessageSource,
                     message: Message,
                     start| {
            let text = self.judge(world, summary, source, message, start);
            TestResult { number: source.number, text: text.map_err(|failure| failure.to_string()) }
        };
        let unread = |failure: &Failure| TestResult { number: 0, text: Err(failure.to_string()) };
        if !self.duplicates {
            drop(turn);
            let results = batch.iter().map(|item| match item {
                Ok(source) => {
                    let start = Instant::now();
                    match source.open() {
                        Ok(message) => judge(world, summary, source, message, start),
                        Err(failure) => TestResult { number: source.number, ..unread(&failure) },
                    }
                }
                Err(failure) => unread(failure),
            });
            return results.collect();
        }
        let opened: Vec<Result<(MessageSource, Message), Failure>> = batch
            .into_iter()
            .map(|item| item.and_then(|source| source.open().map(|message| (source, message))))
            .collect();
        let messages = opened.iter().map(|item| item.as_ref().ok().map(|(_, message)| message));
        let before = self.copies.note(turn, messages);
        let results = opened.into_iter().zip(before).map(|(item, before)| match item {
            Ok((source, message)) => {
                // A single message may have been delivered before; of many, each was.
                world.before.set(before.filter(|_| !source.is_only));
                judge(world, summary, &source, message, Instant::now())
            }
            Err(failure) => unread(&failure),
        });
        results.collect()
    }

    /// Judges a message; returns the text to print.
    fn judge(
        &self,
        world: &World,
        summary: &mut Summary,
        source: &MessageSource,
        message: Message,
        start: Instant,
    ) -> Result<String, Failure> {
        let label = source.label.as_str();
        let silent = self.is_silent();
        let detail = if silent { Detail::Count } else { Detail::Trace };
        let (mut evaluation, message) = self.evaluate(&self.rules.rules, message, world, detail);
        if !silent {
            let notes = evaluation.plan.steps.iter().filter_map(|step| self.note_of(step));
            evaluation.trace.warnings.extend(notes);
        }
        if let Some(why) = message.failure() {
            let error: std::io::Error = why.into();
            return Err(Failure::new("read", &source.path, error));
        }
        let run_result = RunResult { evaluation: &evaluation, sources: &self.rules.sources };
        let mut text = String::new();
        if let Some(other) = self.other {
            let (new, _) = self.evaluate(&other.rules, source.open()?, world, Detail::Plan);
            let moves = !diff::same(&evaluation.plan, &new.plan);
            let places = || (report::destination(&evaluation.plan), report::destination(&new.plan));
            summary.add_move(moves.then(places));
            let new = RunResult { evaluation: &new, sources: &other.sources };
            if moves && !self.args.quiet {
                text = match self.args.json {
                    true => diff::changed_json(label, run_result, new) + "\n",
                    false => diff::changed(label, &message, run_result, new, self.style),
                };
            }
        } else if self.args.misplaced {
            let moves = !self.is_there(&source.folder, &evaluation.plan);
            let places = || (source.folder.to_string(), report::destination(&evaluation.plan));
            summary.add_move(moves.then(places));
            if moves && !self.args.quiet {
                text = match self.args.json {
                    true => diff::elsewhere_json(label, &source.folder, run_result) + "\n",
                    false => {
                        diff::elsewhere(label, &message, &source.folder, run_result, self.style)
                    }
                };
            }
        } else if !self.args.quiet {
            text = if self.args.json {
                let path = |step: &Step| self.stored_in(step);
                report::json(label, &evaluation, &self.rules.sources, &path) + "\n"
            } else {
                let sources = &self.rules.sources;
                report::text(label, &message, world, &evaluation, sources, self.style)
            };
        }
        summary.add(label, &evaluation, start.elapsed());
        Ok(text)
    }

    fn evaluate(
        &self,
        rules: &RuleSet,
        message: Message,
        world: &World,
        detail: Detail,
    ) -> (Evaluation, Message) {
        if !self.args.run_filters {
            let run = evaluate::run(rules, message, world, detail, &mut NoFilters);
            return (run.evaluation, run.message);
        }
        let context =
            super::delivery_context(&rules.user, &message, world, Instant::now() + FILTER_TIMEOUT);
        let mut filters = Programs::new(&context);
        let mut run = evaluate::run(rules, message, world, detail, &mut filters);
        run.evaluation.trace.warnings.append(&mut filters.notes);
        (run.evaluation, run.message)
    }

    /// Why a delivery would store it in the inbox although the rules name another folder.
    fn note_of(&self, step: &Step) -> Option<String> {
        let StepKind::Deliver { folder, .. } = &step.kind else { return None };
        self.location.place(folder).note
    }

    /// Where a delivery would store it.
    fn stored_in(&self, step: &Step) -> Option<String> {
        let StepKind::Deliver { folder, flags, .. } = &step.kind else { return None };
        let flagged = !flags.letters.is_empty() || !flags.keywords.is_empty();
        let path = self.location.folder_path(folder).join(if flagged { "cur" } else { "new" });
        Some(path.display().to_string())
    }

    /// Whether a plan stores a message, or a copy of it, where it is.
    fn is_there(&self, current: &Folder, plan: &Plan) -> bool {
        let here = match current.parts.is_empty() {
            true => self.location.path.clone(),
            false => self.location.folder_path(current),
        };
        plan.steps.iter().any(|step| match &step.kind {
            StepKind::Deliver { folder, .. } => self.location.folder_path(folder) == here,
            _ => false,
        })
    }
}
