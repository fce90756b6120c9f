//! The way of a message through rules that hold filters: evaluation stops at
//! each, the program makes a new message of the one at hand, and evaluation
//! goes on with that. The only thing that runs before the plan is there.

use crate::evaluate::{Detail, Evaluation, Filtered, Next, start};
use crate::message::Message;
use crate::rules::program::ArchivedProgram;
use crate::world::World;

use super::program;
use super::reach::{Reach, said};

/// A message and what the filters on its way made of it.
pub struct Way {
    /// The message as it came, and each that a filter made.
    pub messages: Vec<Message>,
    /// What is to be done, and why.
    pub evaluation: Evaluation,
    /// What filters said, and why one failed.
    pub notes: Vec<String>,
}

/// Runs the rules over a message, and the filters they ask for.
pub fn evaluate(
    program: &ArchivedProgram,
    message: Message,
    world: &World,
    reach: &Reach,
    detail: Detail,
) -> Way {
    let (mut messages, mut notes) = (Vec::new(), Vec::new());
    let mut next = start(program, &message, world, detail);
    let mut message = message;
    loop {
        let paused = match next {
            Next::Done(evaluation) => {
                messages.push(message);
                return Way { messages, evaluation, notes };
            }
            Next::Filter(paused) => paused,
        };
        let name = paused.argv().first().cloned().unwrap_or_default();
        // Room for what a filter may add, and no more.
        let limit = message.size().unwrap_or(0).saturating_mul(4) + (16 << 20);
        let call = reach.call(paused.argv());
        let (made, lines) = program::filter(&call, &message, &paused.edits(), limit);
        notes.extend(said(&name, lines));
        let came = match made {
            Ok(made) => {
                messages.push(std::mem::replace(&mut message, made));
                Filtered::Replaced
            }
            Err(why) => {
                notes.push(format!("`{name}` {why}; the message stays as it was"));
                Filtered::Failed
            }
        };
        next = paused.resume(program, &message, world, came);
    }
}
