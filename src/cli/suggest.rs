//! `mfilter suggest`: rules derived from where the user has filed mail, for pasting.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::json;

use super::args::MailboxOptions;
use super::current_rules::CurrentRules;
use super::progress::ProgressMeter;
use super::{CommandError, CommandOutcome, output};
use crate::evaluate::{self, Detail, NoFilters, habits};
use crate::mailbox::special_use::SpecialFolders;
use crate::mailbox::suggest::{HabitTally, Proposal};
use crate::mailbox::{self, MessageSource};
use crate::maildir::Location;
use crate::outcome::Failure;
use crate::plan::{Folder, Plan, StepKind};
use crate::rules::rule_set::RuleSet;
use crate::state::StateDir;
use crate::state::suggestions::{self, Suggestion};
use crate::text::{escape, json_line};
use crate::user::User;
use crate::world::World;

/// `mfilter suggest`
#[derive(clap::Args, Debug)]
pub(super) struct SuggestArgs {
    /// The folders, named as in the rules [default: all of the Maildir]
    #[arg(value_name = "FOLDER")]
    pub(super) folders: Vec<String>,

    /// Never suggest this rule of the last list again
    #[arg(long, value_name = "NUMBER", conflicts_with = "folders")]
    pub(super) never: Option<usize>,

    #[command(flatten)]
    pub(super) mailbox: MailboxOptions,

    /// One JSON object per rule (JSON Lines)
    #[arg(long)]
    pub(super) json: bool,
}

pub(super) fn run(call: &SuggestArgs) -> Result<CommandOutcome, CommandError> {
    let user = User::of_process();
    let state = super::state_of(&user)?;
    if let Some(number) = call.never {
        return Ok(never(&state, number)?);
    }
    let rules = CurrentRules::of(&call.mailbox.files, &user)?.rules;
    let program = &rules.user;
    let now = World::default().now();
    let plain = || World { now: Some(now), ..World::of(user.clone()) };
    let location = super::location(call.mailbox.maildir.as_deref(), program, &plain())?;
    if !location.path.is_dir() {
        return Err(format!("there is no Maildir `{}`", location.path.display()).into());
    }
    let world = || super::with_mail(plain(), program, &location, false);
    let mut unread = Vec::new();
    let tally = count(&rules, &paths(call, &location)?, &location, &world, &mut unread)?;
    let inbox = location.place(&Folder::default());
    let mut proposals = tally.proposals(|folder| location.place(folder).is(&inbox));
    let forbidden = suggestions::never(&state);
    proposals.retain(|proposal| !forbidden.contains(&suggestion(proposal)));
    let proposals =
        tally.back_test(proposals, |one, other| location.place(one).is(&location.place(other)));
    let all: Vec<Suggestion> = proposals.iter().map(suggestion).collect();
    if let Err(error) = suggestions::keep(&state, &all) {
        output::error(&format!("cannot write to {}: {error}", state.path().display()));
    }
    for (number, proposal) in (1..).zip(&proposals) {
        output::print(
            &(if call.json { as_json(number, proposal) } else { as_rule(number, proposal) } + "\n"),
        );
    }
    unread.iter().for_each(|why| output::error(why));
    if proposals.is_empty() && !call.json {
        output::error(
            "nothing to suggest: no folder has ten messages of a kind that the rules do not file there",
        );
    }
    Ok(CommandOutcome::found_if(!unread.is_empty()))
}

/// What is walked: the folders that are named, or the whole Maildir.
fn paths(call: &SuggestArgs, location: &Location) -> Result<Vec<(PathBuf, Folder)>, String> {
    if call.folders.is_empty() {
        return Ok(vec![(location.path.clone(), Folder::default())]);
    }
    let path = |name: &String| {
        let folder = Folder::named(name);
        let path = location.folder_path(&folder);
        if path.is_dir() { Ok((path, folder)) } else { Err(format!("there is no folder `{name}`")) }
    };
    call.folders.iter().map(path).collect()
}

/// Counts all mail, except in folders such as trash and junk and what is marked as
/// deleted, on all cores.
fn count(
    rules: &RuleSet,
    paths: &[(PathBuf, Folder)],
    location: &Location,
    world: &(dyn Fn() -> World + Sync),
    unread: &mut Vec<String>,
) -> Result<HabitTally, String> {
    let special = SpecialFolders::of(location, &rules.user.settings);
    let counts = |folder: &Folder| special.use_of(&location.place(folder)).is_none();
    let count_source = |counter: &mut HabitCounter, source: &MessageSource| {
        // Once per folder: its name is compared with those in many languages.
        let is_counted = match counter.counted.get(&source.folder) {
            Some(known) => *known,
            None => *counter.counted.entry(source.folder.clone()).or_insert(counts(&source.folder)),
        };
        if is_counted && !source.flags.contains('T') { counter.add(rules, source) } else { Ok(()) }
    };
    let plain: Vec<PathBuf> = paths.iter().map(|(path, _)| path.clone()).collect();
    let progress = ProgressMeter::start(&plain, true);
    let tallies = mailbox::walk_in_order(
        mailbox::message_sources_in(paths.iter().cloned()),
        || HabitCounter::new(world()),
        |counter, _, batch| {
            let results = batch.into_iter().map(|item| match item {
                Ok(source) => (
                    source.number,
                    count_source(counter, &source).err().map(|failure| failure.to_string()),
                ),
                Err(failure) => (0, Some(failure.to_string())),
            });
            results.collect()
        },
        |counter| counter.tally,
        |(number, failure)| {
            progress.done(number);
            unread.extend(failure);
            true
        },
    );
    progress.end();
    let mut tally = HabitTally::default();
    for other in tallies.map_err(|error| format!("cannot start a thread: {error}"))? {
        tally.merge(other);
    }
    Ok(tally)
}

/// The data of a thread.
struct HabitCounter {
    world: World,
    /// Which folders are counted.
    counted: HashMap<Arc<Folder>, bool>,
    /// Folders in which the rules in force file, without duplicates.
    filed_in: HashSet<Arc<Folder>>,
    tally: HabitTally,
}

impl HabitCounter {
    fn new(world: World) -> HabitCounter {
        HabitCounter {
            world,
            counted: HashMap::new(),
            filed_in: HashSet::new(),
            tally: HabitTally::default(),
        }
    }

    fn add(&mut self, rules: &RuleSet, source: &MessageSource) -> Result<(), Failure> {
        let message = source.open()?;
        let habits = habits(&rules.user, &message, &self.world);
        if habits.is_empty() {
            return Ok(());
        }
        let run = evaluate::run(rules, message, &self.world, Detail::Plan, &mut NoFilters);
        let goes_to = goes_to(&run.evaluation.plan).map(|folder| match self.filed_in.get(folder) {
            Some(known) => known.clone(),
            None => {
                let folder = Arc::new(folder.clone());
                self.filed_in.insert(folder.clone());
                folder
            }
        });
        self.tally.add(habits, &source.folder, goes_to);
        Ok(())
    }
}

/// Where a plan files the message.
fn goes_to(plan: &Plan) -> Option<&Folder> {
    match plan.home_step().map(|step| &step.kind) {
        Some(StepKind::Deliver { folder, .. }) => Some(folder),
        _ => None,
    }
}

/// `suggest --never N`
fn never(state: &StateDir, number: usize) -> Result<CommandOutcome, String> {
    let last = suggestions::last(state);
    let found = number.checked_sub(1).and_then(|at| last.get(at));
    let found = found.ok_or_else(|| format!("`mfilter suggest` did not print a rule {number}"))?;
    suggestions::forbid(state, found)
        .map_err(|error| format!("cannot write to {}: {error}", state.path().display()))?;
    let [field, value, folder] = found;
    let heading = output::say("will not be suggested again:");
    output::print(&(escape(&format!("{heading} {field} {value} -> {folder}")) + "\n"));
    Ok(CommandOutcome::Fine)
}

fn suggestion(proposal: &Proposal) -> Suggestion {
    let (kind, value) = &proposal.key;
    [kind.field().to_owned(), value.clone(), proposal.folder.to_string()]
}

fn rule(proposal: &Proposal) -> String {
    let (kind, value) = &proposal.key;
    let folder = proposal.folder.to_string().replace('{', "{{").replace('}', "}}");
    format!("when {} -> folder {}", kind.condition(&quote(value)), quote(&folder))
}

/// A string of the language.
fn quote(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

fn as_rule(number: usize, proposal: &Proposal) -> String {
    let Proposal { all, there, .. } = proposal;
    let evidence = match all - there {
        0 => format!("{there} of {all} are already there"),
        more => format!("{there} of {all} are already there; would move {more} more"),
    };
    escape(&format!("{}   # {number}: {}", rule(proposal), output::say(&evidence)))
}

fn as_json(number: usize, proposal: &Proposal) -> String {
    let [field, value, folder] = suggestion(proposal);
    json_line(&json!({
        "number": number,
        "rule": rule(proposal),
        "field": field,
        "value": value,
        "folder": folder,
        "messages": proposal.all,
        "there": proposal.there,
        "would_move": proposal.all - proposal.there,
    }))
}
