//! The way of a message through rules that hold filters: evaluation stops at
//! each, the program makes a new message of the one at hand, and evaluation
//! goes on with that. The only thing that runs before the plan is there.

use crate::evaluate::{Begun, Detail, Evaluation, Filtered, Next, Rules, Site, start};
use crate::message::Message;
use crate::rules::program::CompiledProgram;
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
    /// The user's rules are damaged, those taken in their place too: nothing
    /// of this is to be believed.
    pub damaged: bool,
}

/// Runs all rules over a message, the site's first, and the filters they ask
/// for. Should the user's turn out to be damaged, `afresh` gives the same rules
/// from elsewhere, and their part is run once more.
pub fn evaluate(
    rules: Rules<'_>,
    message: Message,
    world: &World,
    reach: &Reach,
    detail: Detail,
    afresh: Option<&dyn Fn() -> Option<CompiledProgram>>,
) -> Way {
    let mut way = Passed { messages: vec![message], notes: Vec::new(), world, reach };
    let mut begun = Begun::default();
    if let Some(site) = rules.site
        && let Some(next) = way.last().and_then(|message| rules.start_site(message, world, detail))
        && let Next::Site(end) = way.pass(next, Some(site), site.program)
    {
        begun = end;
    }
    let messages = std::mem::take(&mut way.messages).into_iter();
    way.messages = messages.map(|message| rules.unmarked(message, &mut begun)).collect();
    let (messages, notes) = (way.messages.len(), way.notes.len());
    let mut evaluation = way.user(begun.clone(), rules.user, detail);
    let mut damaged = rules.user.is_damaged();
    if let Some(fresh) = afresh.filter(|_| damaged).and_then(|afresh| afresh()) {
        way.messages.truncate(messages);
        way.notes.truncate(notes);
        evaluation = way.user(begun, &fresh, detail);
        damaged = fresh.is_damaged();
    }
    Way { messages: way.messages, evaluation, notes: way.notes, damaged }
}

/// What there is so far on the way.
struct Passed<'a> {
    messages: Vec<Message>,
    notes: Vec<String>,
    world: &'a World,
    reach: &'a Reach,
}

impl Passed<'_> {
    fn last(&self) -> Option<&Message> {
        self.messages.last()
    }

    /// The user's part, behind what the site rules began.
    fn user(&mut self, begun: Begun, program: &CompiledProgram, detail: Detail) -> Evaluation {
        let Some(message) = self.last().filter(|_| !begun.ended) else {
            return begun.into_evaluation();
        };
        let next = start(begun, None, program, message, self.world, detail);
        match self.pass(next, None, program) {
            Next::Done(evaluation) => evaluation,
            Next::Site(begun) => begun.into_evaluation(),
            Next::Filter(_) => Evaluation::default(),
        }
    }

    /// Goes on to the end of a program; never gives a filter.
    fn pass(&mut self, mut next: Next, site: Option<Site<'_>>, program: &CompiledProgram) -> Next {
        loop {
            let paused = match next {
                Next::Filter(paused) => paused,
                end => return end,
            };
            let Some(message) = self.messages.last() else {
                return Next::Done(Evaluation::default());
            };
            let name = paused.argv().first().cloned().unwrap_or_default();
            // Room for what a filter may add, and no more.
            let limit = message.size().unwrap_or(0).saturating_mul(4) + (16 << 20);
            let call = self.reach.call(paused.argv());
            let (made, lines) = program::filter(&call, message, &paused.edits(), limit);
            self.notes.extend(said(&name, lines));
            let came = match made {
                Ok(made) => {
                    self.messages.push(made);
                    Filtered::Replaced
                }
                Err(why) => {
                    self.notes.push(format!("`{name}` {why}; the message stays as it was"));
                    Filtered::Failed
                }
            };
            let Some(message) = self.messages.last() else {
                return Next::Done(Evaluation::default());
            };
            next = paused.resume(site, program, message, self.world, came);
        }
    }
}
