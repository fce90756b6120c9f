//! Carrying out the steps that store nothing.

use std::io;

use super::context::{DeliveryContext, EffectResult, effect_result, sendmail_result};
use super::{program, reply, sendmail};
use crate::message::{HeaderEdit, Message};
use crate::plan::{Step, StepKind};
use crate::state::{duplicates, forwards, loop_mark, slots::Key};

/// Carries out a step that stores nothing.
pub(super) fn carry_out(
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
        StepKind::Remember { key, within } => EffectResult {
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
