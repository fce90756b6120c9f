//! `mfilter suggest`: rules out of what the user has filed where, to be pasted.

use std::collections::HashMap;
use std::path::PathBuf;

use serde_json::json;

use super::args::MailboxOptions;
use super::current_rules::CurrentRules;
use super::progress::ProgressMeter;
use super::{CommandOutcome, output};
use crate::evaluate::{self, Detail, NoFilters, habits, taken_by};
use crate::mailbox::sent::named;
use crate::mailbox::special::Special;
use crate::mailbox::suggest::{BackTest, HabitTally, Proposal};
use crate::mailbox::{self, MessageSource};
use crate::maildir::{Location, Place};
use crate::outcome::Failure;
use crate::plan::{Folder, Plan, StepKind};
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

pub(super) fn run(call: &SuggestArgs) -> Result<CommandOutcome, String> {
    let user = User::of_process();
    let state = super::state_of(&user)?;
    if let Some(number) = call.never {
        return never(&state, number);
    }
    let rules = match CurrentRules::of(&call.mailbox.files, &user)? {
        Ok(rules) => rules.rules,
        Err(mistakes) => return Ok(output::mistakes(&mistakes)),
    };
    let program = &rules.user;
    let now = World::default().now();
    let plain = || World { now: Some(now), ..World::of(user.clone()) };
    let location = super::location(call.mailbox.maildir.as_deref(), program, &plain())?;
    if !location.path.is_dir() {
        return Err(format!("there is no Maildir `{}`", location.path.display()));
    }
    let world = || {
        let world = plain();
        let sent = super::sent(program, &location, &world, false);
        World { sent: Some(Box::new(sent)), ..world }
    };
    let special = Special::of(&location, &program.settings);
    let counts = |folder: &Folder| special.use_of(&location.place(folder)).is_none();
    // Of each folder once: its name is compared with those of many languages.
    let is_counted = |known: &mut HashMap<Folder, bool>, folder: &Folder| match known.get(folder) {
        Some(known) => *known,
        None => *known.entry(folder.clone()).or_insert_with(|| counts(folder)),
    };
    let paths = paths(call, &location)?;
    let mut unread = Vec::new();

    let mut tally = HabitTally::default();
    let counted = each_message(
        &paths,
        &mut unread,
        &|| (world(), HashMap::new(), HabitTally::default()),
        &|(world, known, tally), lead| {
            if is_counted(known, &lead.folder) {
                let message = lead.open()?;
                tally.add(habits(program, &message, world), &lead.folder);
            }
            Ok(())
        },
    )?;
    counted.into_iter().for_each(|counted| tally.merge(counted));
    let inbox = location.place(&Folder::default());
    let mut proposals = tally.proposals(|folder| location.place(folder).is(&inbox));
    drop(tally);
    let forbidden = suggestions::never(&state);
    proposals.retain(|each| !forbidden.contains(&suggestion(each)));

    let start = BackTest::new(proposals);
    let tried = each_message(
        &paths,
        &mut Vec::new(),
        &|| (world(), HashMap::new(), start.clone()),
        &|(world, known, test), lead| {
            if !is_counted(known, &lead.folder) {
                return Ok(());
            }
            let message = lead.open()?;
            let keys = taken_by(program, &message, world, &|key| test.has(key));
            if let Some((number, folder)) = test.first(&keys) {
                let is_there = *folder == *lead.folder;
                let run = evaluate::run(&rules, message, world, Detail::Plan, &mut NoFilters);
                let is_done = goes_to(&run.evaluation.plan, &location.place(folder), &location);
                test.add(number, is_there, is_done);
            }
            Ok(())
        },
    )?;
    let mut test = start.clone();
    tried.iter().for_each(|tried| test.merge(tried));
    let proposals = test.end();
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
            "nothing to suggest: no ten messages of a kind lie together that the rules leave alone",
        );
    }
    Ok(if unread.is_empty() { CommandOutcome::Fine } else { CommandOutcome::Found })
}

/// Whether a plan files the message at a place.
fn goes_to(plan: &Plan, place: &Place, location: &Location) -> bool {
    let home = plan.home().and_then(|at| plan.steps.get(at)).map(|step| &step.kind);
    matches!(home, Some(StepKind::Deliver { folder, .. }) if location.place(folder).is(place))
}

/// What is walked: the folders that are named, else all of the Maildir.
fn paths(call: &SuggestArgs, location: &Location) -> Result<Vec<(PathBuf, Folder)>, String> {
    if call.folders.is_empty() {
        return Ok(vec![(location.path.clone(), Folder::default())]);
    }
    let path = |name: &String| {
        let folder = named(name);
        let path = location.folder_path(&folder);
        if path.is_dir() { Ok((path, folder)) } else { Err(format!("there is no folder `{name}`")) }
    };
    call.folders.iter().map(path).collect()
}

/// What a thread has: which folders count, and what it has counted.
type Thread<S> = (World, HashMap<Folder, bool>, S);

/// What a thread does with a message.
type ThreadWork<'a, S> = dyn Fn(&mut Thread<S>, &MessageSource) -> Result<(), Failure> + Sync + 'a;

/// Does something with each message, on all cores; gives what each thread has.
fn each_message<S: Send>(
    paths: &[(PathBuf, Folder)],
    unread: &mut Vec<String>,
    start: &(dyn Fn() -> Thread<S> + Sync),
    work: &ThreadWork<'_, S>,
) -> Result<Vec<S>, String> {
    let plain: Vec<PathBuf> = paths.iter().map(|(path, _)| path.clone()).collect();
    let progress = ProgressMeter::start(&plain, true);
    let threads = mailbox::each(
        mailbox::message_sources_in(paths.iter().cloned()),
        start,
        |own, _, batch| {
            let one = |item: Result<MessageSource, Failure>| match item {
                Ok(lead) => {
                    (lead.number, work(own, &lead).err().map(|failure| failure.to_string()))
                }
                Err(failure) => (0, Some(failure.to_string())),
            };
            batch.into_iter().map(one).collect()
        },
        |(_, _, counted)| counted,
        |(number, trouble)| {
            progress.done(number);
            unread.extend(trouble);
            true
        },
    );
    progress.end();
    threads.map_err(|error| format!("cannot start a thread: {error}"))
}

/// `suggest --never N`
fn never(state: &StateDir, number: usize) -> Result<CommandOutcome, String> {
    let last = suggestions::last(state);
    let found = number.checked_sub(1).and_then(|at| last.get(at));
    let found = found.ok_or_else(|| format!("`mfilter suggest` did not print a rule {number}"))?;
    suggestions::forbid(state, found)
        .map_err(|error| format!("cannot write to {}: {error}", state.path().display()))?;
    let [field, value, folder] = found;
    output::print(&escape(&format!("not suggested any more: {field} {value} -> {folder}")));
    output::print("\n");
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
    let more = match all - there {
        0 => String::new(),
        more => format!("; would move {more} more"),
    };
    escape(&format!("{}   # {number}: {there} of {all} lie there{more}", rule(proposal)))
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
