//! Learning: applying `on moved` to the lists, for messages that the user has moved.
//!
//! All edits of one list are made together. Only edits that changed a list are recorded,
//! and can be taken back ([`crate::state::lessons`]).

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::moves::MovedMessage;
use super::special_use::SpecialFolders;
use crate::deliver::list_edit::{self, Change, EditContext};
use crate::evaluate::on_moved;
use crate::file::ANYWHERE;
use crate::maildir::mover::Mover;
use crate::maildir::{Location, Place};
use crate::message::Message;
use crate::message::address::canonical;
use crate::outcome::Failure;
use crate::plan::{Folder, RuleRef, StepKind};
use crate::rules::address_list::AddressList;
use crate::rules::compiled::CompiledProgram;
use crate::state::StateDir;
use crate::state::lessons::Lesson;
use crate::world::World;

/// How long to wait for a list that another process is editing.
const LOCK_TIMEOUT: Duration = Duration::from_secs(20);

/// What a move means for a list.
#[derive(Debug, Clone, PartialEq)]
pub struct ListChange {
    /// The folder from which the message was moved, as people name it.
    pub from: String,
    /// The folder to which it was moved.
    pub to: String,
    /// The message's file.
    pub path: PathBuf,
    /// Its Message-ID; may be empty.
    pub message_id: String,
    /// Its From header; may be empty.
    pub sender: String,
    /// The statement that says so.
    pub rule: RuleRef,
    /// What has to be done.
    pub step: LearnStep,
    /// Its result.
    pub outcome: ChangeOutcome,
}

/// What has to be done.
#[derive(Debug, Clone, PartialEq)]
pub enum LearnStep {
    /// A list is edited.
    Edit {
        /// Whether it is added; otherwise it is removed.
        add: bool,
        /// Name of the list.
        list: String,
        /// Its file.
        path: PathBuf,
        /// The address, or `@domain`.
        entry: String,
    },
    /// A line for the log.
    Log(String),
    /// `add` or `remove`, where the message has no entry for the list.
    NoEntry(&'static str),
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChangeOutcome {
    /// It has not been done yet.
    Planned,
    /// The list is changed.
    Learned,
    /// The list said so already.
    Known,
    /// It must not be done, and why.
    Not(String),
    /// It could not be done.
    Failed {
        /// Why, for people.
        why: String,
        /// Whether another try may do better.
        may_pass: bool,
    },
}

/// Finds out what can be learned from moves. What can no longer be read teaches nothing,
/// and is reported.
pub fn plan(
    moves: &[MovedMessage],
    program: &CompiledProgram,
    location: &Location,
    world: &World,
) -> (Vec<ListChange>, Vec<Failure>) {
    let (mut changes, mut problems) = (Vec::new(), Vec::new());
    if moves.is_empty() || program.moves.is_empty() {
        return (changes, problems);
    }
    let mut mover = match Mover::open(location) {
        Ok(mover) => mover,
        Err(failure) => return (changes, vec![failure]),
    };
    let special = SpecialFolders::of(location, &program.settings);
    for moved in moves {
        // Deleting is not a judgement: the trash counts only where it is named.
        let fits = |end: Option<&str>, place: &Place| match end {
            Some(folder) => {
                location.own_place(&Folder::named(folder)).is_some_and(|named| named.is(place))
            }
            None => !special.is_trash(place),
        };
        let statements = program.moves.iter().filter(|statement| {
            fits(statement.from.as_deref(), &moved.from) && fits(statement.to.as_deref(), &moved.to)
        });
        let statements: Vec<_> = statements.collect();
        if statements.is_empty() {
            continue;
        }
        let opened = mover
            .folder(&moved.to)
            .and_then(|folder| Ok((folder.path_of(&moved.entry), folder.open(&moved.entry)?)));
        let (path, message) = match opened {
            Ok(opened) => opened,
            Err(failure) => {
                problems.push(failure);
                continue;
            }
        };
        let own = UserAddresses::of(program, &message, world);
        for statement in statements {
            let plan = on_moved(program, statement, &message, world);
            for step in plan.steps {
                let Some(rule) = step.rule else { continue };
                let Some((step, outcome)) = learned_from(step.kind, &own) else { continue };
                changes.push(ListChange {
                    from: folder(location, &moved.from),
                    to: folder(location, &moved.to),
                    path: path.clone(),
                    message_id: text(&message, "Message-ID"),
                    sender: text(&message, "From"),
                    rule,
                    step,
                    outcome,
                });
            }
        }
    }
    (changes, problems)
}

/// What a step of a plan means for the lists; none if it means nothing.
fn learned_from(kind: StepKind, own: &UserAddresses) -> Option<(LearnStep, ChangeOutcome)> {
    match kind {
        StepKind::EditList { add, list, path, entry } => {
            let outcome = match own.why_not(&entry) {
                Some(why) => ChangeOutcome::Not(why.into()),
                None => ChangeOutcome::Planned,
            };
            Some((LearnStep::Edit { add, list, path, entry }, outcome))
        }
        StepKind::Log(text) => Some((LearnStep::Log(text), ChangeOutcome::Planned)),
        StepKind::Skipped { action, why } => {
            Some((LearnStep::NoEntry(action), ChangeOutcome::Not(why)))
        }
        _ => None,
    }
}

/// The user's own addresses, which are not learned.
struct UserAddresses {
    /// Those of `set me`.
    me: AddressList,
    /// Those that the message was delivered to.
    recipients: AddressList,
    /// All of them in the form in which addresses are compared.
    canonical: Vec<String>,
}

impl UserAddresses {
    fn of(program: &CompiledProgram, message: &Message, world: &World) -> UserAddresses {
        let me: Vec<&str> = program.settings.me.iter().map(|entry| entry.as_str()).collect();
        let recipients = own_recipients(program, message, world);
        let recipients = recipients.iter().map(String::as_str);
        let all = me.iter().copied().chain(recipients.clone());
        UserAddresses {
            canonical: all.map(|address| canonical(address).into_owned()).collect(),
            me: AddressList::from_entries(me),
            recipients: AddressList::from_entries(recipients),
        }
    }

    /// Why an address or `@domain` must not be learned; none if it is not the user's own.
    fn why_not(&self, entry: &str) -> Option<&'static str> {
        if entry.starts_with('@') && self.canonical.iter().any(|own| own.ends_with(entry)) {
            Some("it is the domain of an address of yours")
        } else if self.me.matches(entry) {
            Some("it is one of your own addresses (`set me`)")
        } else if self.recipients.matches(entry) {
            Some("it is the address the message was delivered to")
        } else {
            None
        }
    }
}

/// The envelope recipient, with and without the detail, if the rules have no `set me`:
/// spam often claims to come from its recipient.
fn own_recipients(program: &CompiledProgram, message: &Message, world: &World) -> Vec<String> {
    let mut entries = Vec::new();
    if program.settings.me.is_empty() {
        let delimiter = program.settings.delimiter.as_ref().map_or("+", |text| text.as_str());
        for recipient in world.envelope_recipients(message) {
            if let Some((local, domain)) = recipient.rsplit_once('@')
                && let Some((name, _)) = local.split_once(|sign| delimiter.contains(sign))
                && !name.is_empty()
            {
                entries.push(format!("{name}@{domain}"));
            }
            entries.push(recipient);
        }
    }
    entries
}

fn folder(location: &Location, place: &Place) -> String {
    location.folder_of(place).to_string()
}

fn text(message: &Message, header: &str) -> String {
    message.texts(header).first().map(|text| text.text().to_owned()).unwrap_or_default()
}

fn context<'a>(home: Option<&'a Path>, state: &'a StateDir) -> EditContext<'a> {
    let home = home.unwrap_or(Path::new("/nonexistent"));
    EditContext { home, bounds: &ANYWHERE, state: Some(state), lock_timeout: LOCK_TIMEOUT }
}

/// Edits the lists.
pub fn carry_out(changes: &mut [ListChange], home: Option<&Path>, state: &StateDir) {
    let context = context(home, state);
    let mut by_list: HashMap<PathBuf, Vec<usize>> = HashMap::new();
    for (number, change) in changes.iter_mut().enumerate() {
        match &change.step {
            LearnStep::Edit { path, .. } if change.outcome == ChangeOutcome::Planned => {
                by_list.entry(path.clone()).or_default().push(number);
            }
            LearnStep::Log(_) if change.outcome == ChangeOutcome::Planned => {
                change.outcome = ChangeOutcome::Learned
            }
            _ => {}
        }
    }
    for (path, numbers) in by_list {
        let edits = numbers.iter().filter_map(|number| match &changes.get(*number)?.step {
            LearnStep::Edit { add, entry, .. } => Some((Change::of(*add), entry.as_str())),
            _ => None,
        });
        let edits: Vec<_> = edits.collect();
        let edited = list_edit::edit_all(&path, context, &edits);
        for (at, number) in numbers.iter().enumerate() {
            let outcome = match &edited {
                Ok(edited) if edited.get(at) == Some(&true) => ChangeOutcome::Learned,
                Ok(_) => ChangeOutcome::Known,
                Err(error) => ChangeOutcome::Failed {
                    why: format!("`{}` is not edited: {error}", path.display()),
                    may_pass: error.may_pass(),
                },
            };
            if let Some(change) = changes.get_mut(*number) {
                change.outcome = outcome;
            }
        }
    }
}

/// The records to keep of what was learned; `at` is the time (RFC 3339).
pub fn lessons(changes: &[ListChange], at: &str) -> Vec<Lesson> {
    let learned = changes.iter().filter(|change| change.outcome == ChangeOutcome::Learned);
    learned
        .filter_map(|change| match &change.step {
            LearnStep::Edit { add, list, path, entry } => Some(Lesson {
                at: at.into(),
                add: *add,
                list: list.clone(),
                path: path.clone(),
                entry: entry.clone(),
                from: change.from.clone(),
                to: change.to.clone(),
            }),
            _ => None,
        })
        .collect()
}

/// Takes lessons back, the last one first. Returns for each, in their order, whether the
/// list was changed.
pub fn take_back(
    lessons: &[Lesson],
    home: Option<&Path>,
    state: &StateDir,
) -> Vec<Result<bool, String>> {
    let context = context(home, state);
    let back = lessons.iter().rev().map(|lesson| {
        list_edit::edit(&lesson.path, context, Change::of(!lesson.add), &lesson.entry)
            .map_err(|error| format!("`{}` is not edited: {error}", lesson.path.display()))
    });
    let mut back: Vec<_> = back.collect();
    back.reverse();
    back
}
