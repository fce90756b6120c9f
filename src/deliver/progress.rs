//! What earlier tries of this delivery did, and what this one has done, by its journal.

use std::ffi::OsStr;
use std::io;
use std::path::Path;

use super::context::DeliveryContext;
use super::work_list::WorkList;
use super::{DeliveryReport, Target};
use crate::message::Message;
use crate::outcome::Outcome;
use crate::plan::{Plan, StepId};
use crate::state::StateDir;
use crate::state::journal::{self, Journal};

/// The journal, for a plan that has parts which must not be done twice, or after which rules
/// may refuse a retry. None where it cannot be written. An error if another process is
/// delivering the message.
pub(super) fn open_journal(
    plan: &Plan,
    work: &WorkList<'_>,
    messages: &[&Message],
    target: Target<'_>,
    report: &mut DeliveryReport,
) -> Result<Option<Journal>, Outcome> {
    let context = target.context;
    let effects = work.effects.iter().filter(|effect| effect.id.is_some()).count();
    let has_several_steps = effects > 0 && effects + work.copies.len() > 1;
    let is_asked_for = target.store.asks_for_journal(work.copies.len());
    if !has_several_steps && !work.may_refuse_retry(plan) && !is_asked_for {
        return Ok(None);
    }
    let (Some(state), Some(message)) = (&context.state, messages.first()) else { return Ok(None) };
    match open_journal_of(message, state, context)? {
        Ok(journal) => Ok(Some(journal)),
        Err(error) => {
            report.notes.push(format!("what has been done cannot be recorded: {error}"));
            Ok(None)
        }
    }
}

fn open_journal_of(
    message: &Message,
    state: &StateDir,
    context: &DeliveryContext,
) -> Result<io::Result<Journal>, Outcome> {
    let key = journal::key(message, context.sender.as_deref(), &context.recipients);
    let key =
        key.map_err(|error| Outcome::deferred(format!("cannot read the message: {error}")))?;
    match Journal::open(state, key, context.deadline) {
        Ok(Some(journal)) => Ok(Ok(journal)),
        Ok(None) => Err(Outcome::deferred("another process is delivering this message")),
        Err(error) => Ok(Err(error)),
    }
}

/// Whether an earlier try has delivered the message, except for what cannot defer it. If
/// so, its journal is removed. An error if another process is delivering the message.
pub(super) fn was_settled(
    messages: &[&Message],
    context: &DeliveryContext,
) -> Result<bool, Outcome> {
    let (Some(state), Some(message)) = (&context.state, messages.first()) else {
        return Ok(false);
    };
    // Without a journal the message need not be read.
    if !journal::are_there_any(state) {
        return Ok(false);
    }
    match open_journal_of(message, state, context)? {
        Ok(journal) if journal.is_settled() => {
            journal.finish();
            Ok(true)
        }
        Ok(_) | Err(_) => Ok(false),
    }
}

/// Whether an earlier try did a step.
pub(super) fn is_done(journal: &Option<Journal>, id: Option<StepId>) -> bool {
    journal.as_ref().zip(id).is_some_and(|(journal, id)| journal.is_done(id))
}

/// Records a step as done, and the file of the copy that it has stored in a Maildir.
pub(super) fn note_step(
    journal: &mut Journal,
    id: StepId,
    words: &str,
    file: Option<&Path>,
    report: &mut DeliveryReport,
) {
    let name = file.and_then(Path::file_name).and_then(OsStr::to_str);
    // What follows it is changed by mail readers.
    let unique = name.and_then(|name| name.split(',').next());
    if let Err(error) = journal.note(id, words, unique) {
        report.notes.push(format!("what has been done cannot be recorded: {error}"));
    }
}
