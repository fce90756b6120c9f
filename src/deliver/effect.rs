//! Carrying out the steps that store nothing.

use std::io;
use std::path::Path;

use super::context::{DeliveryContext, EffectResult, effect_result, sendmail_result};
use super::in_maildir::StagedCopy;
use super::list_edit::Change;
use super::progress::{is_done, note_step};
use super::work_list::PlannedEffect;
use super::{DeliveryReport, StoredCopy, Target, program, reply, sendmail, store};
use crate::message::{HeaderEdit, Message};
use crate::outcome::Outcome;
use crate::plan::{Plan, Step, StepKind};
use crate::state::journal::Journal;
use crate::state::{duplicates, forwards, loop_mark, slots::Key};

/// Makes a plan's edits of lists for a message that others have stored: as in a delivery,
/// once it is where it should be; none if it is deferred.
pub fn edit_lists(plan: &Plan, context: &DeliveryContext, report: &mut DeliveryReport) {
    if plan.steps.iter().any(|step| matches!(step.kind, StepKind::Defer { .. })) {
        return;
    }
    edit_together(plan, 0..plan.steps.len(), context, report);
}

/// Makes the edits of lists among some steps: all edits of one list at once, since each
/// rewrite costs as much as the list is long, and a sync.
pub(super) fn edit_together(
    plan: &Plan,
    steps: impl Iterator<Item = usize>,
    context: &DeliveryContext,
    report: &mut DeliveryReport,
) {
    type Edits<'p> = (Vec<usize>, Vec<(Change, &'p str)>);
    let mut lists: Vec<(&Path, &str, Edits<'_>)> = Vec::new();
    for number in steps {
        let step = plan.steps.get(number).map(|step| &step.kind);
        let Some(StepKind::EditList { add, list, path, entry }) = step else { continue };
        let change = Change::of(*add);
        let index = lists.iter().position(|(known, ..)| known == path).unwrap_or_else(|| {
            lists.push((path, list, Edits::default()));
            lists.len() - 1
        });
        if let Some((.., (numbers, edits))) = lists.get_mut(index) {
            numbers.push(number);
            edits.push((change, entry));
        }
    }
    for (path, list, (numbers, edits)) in lists {
        match context.edit_list(list, path, &edits) {
            Ok(()) => report.done.extend(numbers),
            Err(why) => report.notes.push(why),
        }
    }
}

impl PlannedEffect<'_> {
    /// Carries out the step, unless an earlier try did. Returns the copy that was stored
    /// instead, if any. An error if the message has to be tried again because of it.
    pub(super) fn carry_out(
        &self,
        plan: &Plan,
        target: Target<'_>,
        journal: &mut Option<Journal>,
        report: &mut DeliveryReport,
    ) -> Result<Vec<StagedCopy<'_>>, Outcome> {
        let Some(step) = plan.steps.get(self.step) else { return Ok(Vec::new()) };
        if is_done(journal, self.id) {
            report.notes.push(format!("done by an earlier try: {}", step.kind.sentence()));
            if self.fallback.as_ref().is_some_and(|copy| is_done(journal, copy.id)) {
                report.outcome = Outcome::Delivered;
            }
            return Ok(Vec::new());
        }
        let effect = perform(target.context, step, self.message, &self.edits);
        report.notes.extend(effect.notes);
        let must_succeed = matches!(step.kind, StepKind::Pipe { .. } | StepKind::Forward { .. });
        let mut stored = Vec::new();
        match effect.result {
            Ok(true) => report.done.push(self.step),
            Ok(false) => {}
            Err(why) if must_succeed && !effect.is_permanent => {
                return Err(Outcome::deferred(why));
            }
            Err(why) if must_succeed => {
                let step = step.kind.sentence();
                report.notes.push(format!("no {step}: {why}, and a retry would not help"));
                stored = self.store_fallback(target, journal, report)?;
            }
            Err(why) => report.notes.push(why),
        }
        if let (Some(journal), Some(id)) = (journal, self.id) {
            note_step(journal, id, &step.kind.sentence(), None, report);
            let _ = journal.sync();
        }
        Ok(stored)
    }

    /// Stores in the inbox what could not be forwarded.
    fn store_fallback(
        &self,
        target: Target<'_>,
        journal: &mut Option<Journal>,
        report: &mut DeliveryReport,
    ) -> Result<Vec<StagedCopy<'_>>, Outcome> {
        let in_inbox = |stored: &StoredCopy| stored.folder.parts.is_empty();
        let Some(copy) = self.fallback.as_ref().filter(|_| !report.stored.iter().any(in_inbox))
        else {
            return Ok(Vec::new());
        };
        let mut own_report = DeliveryReport::of(Outcome::Delivered);
        let stored = store(std::slice::from_ref(copy), true, target, journal, &mut own_report);
        report.notes.extend(own_report.notes);
        let stored = stored?;
        report.stored.extend(own_report.stored);
        report.outcome = own_report.outcome;
        report.notes.push("it is in the inbox instead".into());
        Ok(stored)
    }
}

/// Carries out a step, whatever earlier tries did.
fn perform(
    context: &DeliveryContext,
    step: &Step,
    message: &Message,
    edits: &[HeaderEdit],
) -> EffectResult {
    match &step.kind {
        StepKind::Pipe { argv } | StepKind::Run { argv } => {
            let end = program::run(&context.call(argv), message, edits);
            effect_result(argv.first().map_or("", String::as_str), end)
        }
        StepKind::Forward { sender, to, forwarder, .. } => {
            // The site's own rules may forward as much as the site likes.
            let is_site = step.rule.as_ref().is_some_and(|rule| rule.category.is_some());
            let limit = context.forwards_per_hour.filter(|_| !is_site);
            if let Some(limit) = limit
                && let Err(why) = count_forwards(context, to.len(), limit)
            {
                // No later try would do better than the copy in the inbox.
                return EffectResult { result: Err(why), is_permanent: true, notes: Vec::new() };
            }
            let argv = sendmail::arguments(&context.sendmail, sender, to);
            let mark = loop_mark::make(context.state.as_ref(), forwarder);
            let edits = [edits, &sendmail::edits(&mark)].concat();
            let end = program::run(&context.call(&argv), message, &edits);
            if let (Some(_), Some(state), Err(_)) = (limit, &context.state, &end.result) {
                forwards::give_back(state, context.now, to.len() as u32);
            }
            sendmail_result(&context.sendmail, end)
        }
        StepKind::Reply(reply) => reply::send(reply, context),
        StepKind::Remember { key, within, .. } => EffectResult {
            result: match &context.state {
                Some(state) => duplicates::remember(state, Key(*key), context.now, *within)
                    .map(|()| true)
                    .map_err(|error| format!("the message is not remembered: {error}")),
                None => Ok(true),
            },
            is_permanent: false,
            notes: Vec::new(),
        },
        _ => EffectResult { result: Ok(true), is_permanent: false, notes: Vec::new() },
    }
}

/// Counts what is forwarded, or says why not: it is more than the site allows, or it
/// cannot be counted. Then nothing is forwarded.
fn count_forwards(context: &DeliveryContext, more: usize, limit: u32) -> Result<(), String> {
    let counted = match &context.state {
        Some(state) => forwards::count(state, context.now, more as u32, limit),
        None => Err(io::Error::other("no state directory is known")),
    };
    match counted {
        Ok(true) => Ok(()),
        Ok(false) => {
            Err(format!("the provider allows rules to forward to {limit} addresses per hour"))
        }
        Err(error) => Err(format!("forwarded mail cannot be counted: {error}")),
    }
}
