//! Doing what a step asks that stores nothing.

use super::context::{DeliveryContext, EffectResult, sent, told};
use super::{program, reply, sendmail};
use crate::message::{HeaderEdit, Message};
use crate::plan::StepKind;
use crate::state::{loop_mark, seen, slots::Key};

/// Does what a step asks that stores nothing.
pub(super) fn carry_out(
    context: &DeliveryContext,
    step: &StepKind,
    message: &Message,
    edits: &[HeaderEdit],
) -> EffectResult {
    match step {
        StepKind::Pipe { argv } | StepKind::Run { argv } => {
            let ran = program::run(&context.call(argv), message, edits);
            told(argv.first().map_or("", String::as_str), ran)
        }
        StepKind::Forward { sender, to, forwarder, .. } => {
            let argv = sendmail::arguments(&context.sendmail, sender, to);
            let mark = loop_mark::make(context.state.as_ref(), forwarder);
            let edits = [edits, &sendmail::edits(&mark)].concat();
            sent(&context.sendmail, program::run(&context.call(&argv), message, &edits))
        }
        StepKind::Reply(reply) => reply::send(reply, context),
        StepKind::Remember { key, within } => EffectResult {
            result: match &context.state {
                Some(state) => seen::remember(state, Key(*key), context.now, *within)
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
