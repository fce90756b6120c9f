//! What a plan asks for, in the order in which it is done: the copies, then the steps
//! that store nothing. Each that must not be done twice has an identity for the journal.

use crate::flags::Flags;
use crate::message::{HeaderEdit, Message};
use crate::outcome::Outcome;
use crate::plan::{DeliveryWord, Folder, Plan, StepId, StepIds, StepKind};

/// What a plan asks for, by kind.
#[derive(Default)]
pub(super) struct WorkList<'p> {
    pub(super) copies: Vec<Copy<'p>>,
    /// In the order in which they are done.
    pub(super) effects: Vec<PlannedEffect<'p>>,
}

/// A copy to be stored.
pub(super) struct Copy<'p> {
    pub(super) step: Option<usize>,
    pub(super) kind: &'p StepKind,
    pub(super) folder: &'p Folder,
    pub(super) flags: &'p Flags,
    pub(super) edits: Vec<HeaderEdit>,
    pub(super) message: &'p Message,
    /// Its identity in the journal.
    pub(super) id: Option<StepId>,
}

/// The order of the steps that store nothing: what may defer the message comes before
/// everything that rules may ask about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum EffectRank {
    Run,
    Pipe,
    Forward,
    ListEdit,
    Reply,
    Remember,
}

/// A step that stores nothing.
pub(super) struct PlannedEffect<'p> {
    pub(super) step: usize,
    pub(super) edits: Vec<HeaderEdit>,
    pub(super) message: &'p Message,
    /// Its identity in the journal; none if it may be done again.
    pub(super) id: Option<StepId>,
    pub(super) rank: EffectRank,
    /// What is stored if `sendmail` permanently refuses to forward it.
    pub(super) fallback: Option<Copy<'p>>,
}

/// A delivery that no rule asked for.
static INBOX: StepKind =
    StepKind::Deliver { as_: DeliveryWord::Inbox, folder: NO_PARTS, flags: NO_FLAGS };
static TOP: Folder = NO_PARTS;
static UNFLAGGED: Flags = NO_FLAGS;
const NO_PARTS: Folder = Folder { parts: Vec::new() };
const NO_FLAGS: Flags = Flags { letters: String::new(), keywords: Vec::new() };

/// What a plan stores and does, and its outcome if everything can be done. A plan without
/// an end, which evaluation never returns, ends in the inbox.
pub(super) fn read_plan<'p>(plan: &'p Plan, messages: &[&'p Message]) -> (WorkList<'p>, Outcome) {
    let mut work = WorkList::default();
    let mut edits = Vec::new();
    let mut remaining = messages.iter().copied();
    let Some(mut message) = remaining.next() else {
        return (work, Outcome::deferred("no message"));
    };
    let mut ids = StepIds::default();
    let mut end = None;
    for (number, step) in plan.steps.iter().enumerate() {
        let kind = &step.kind;
        match kind {
            StepKind::Deliver { folder, flags, .. } => {
                let (edits, id) = (edits.clone(), ids.next(kind));
                work.copies.push(Copy {
                    step: Some(number),
                    kind,
                    folder,
                    flags,
                    edits,
                    message,
                    id,
                });
            }
            StepKind::Edit(edit) => edits.push(edit.clone()),
            StepKind::Filter { applied: true, .. } => {
                if let Some(next) = remaining.next() {
                    message = next;
                    edits.clear();
                }
            }
            _ => {}
        }
        if let Some(rank) = EffectRank::of(kind) {
            let (edits, id) = (edits.clone(), ids.next(kind));
            let effect = PlannedEffect { step: number, edits, message, id, rank, fallback: None };
            work.effects.push(effect);
        }
        end = end_of(kind);
        if end.is_some() {
            break;
        }
    }
    if end.is_none() && plan.home().is_none() {
        work.copies.push(inbox(None, &edits, message, ids.next(&INBOX)));
    }
    let end = end.unwrap_or(Outcome::Delivered);
    work.add_fallbacks(plan, &end, &mut ids);
    work.effects.sort_by_key(|effect| effect.rank);
    (work, end)
}

impl<'p> WorkList<'p> {
    /// Whether anything is changed because of which rules may refuse a retry.
    pub(super) fn may_refuse_retry(&self, plan: &Plan) -> bool {
        self.effects.iter().any(|effect| match plan.steps.get(effect.step).map(|step| &step.kind) {
            Some(StepKind::Remember { may_refuse, .. }) => *may_refuse,
            Some(StepKind::EditList { .. }) => true,
            _ => false,
        })
    }

    /// Adds what is stored where `sendmail` permanently refuses to forward the message.
    fn add_fallbacks(&mut self, plan: &Plan, end: &Outcome, ids: &mut StepIds) {
        let is_in_inbox = self.copies.iter().any(|copy| copy.folder.parts.is_empty());
        let is_nowhere = self.copies.is_empty() && *end == Outcome::Discarded;
        let mut id = None;
        for effect in &mut self.effects {
            let step = plan.steps.get(effect.step).map(|step| &step.kind);
            let Some(StepKind::Forward { copy, .. }) = step else { continue };
            // A message of which only a copy was forwarded is where the rules put it.
            let is_needed = match copy {
                true => is_nowhere,
                false => !is_in_inbox,
            };
            if is_needed {
                // One copy serves all of them.
                let id = *id.get_or_insert_with(|| ids.next(&INBOX));
                effect.fallback = Some(inbox(Some(effect.step), &effect.edits, effect.message, id));
            }
        }
    }
}

impl EffectRank {
    /// The rank of a step; none for one that is no effect of its own.
    fn of(kind: &StepKind) -> Option<EffectRank> {
        match kind {
            StepKind::Run { .. } => Some(EffectRank::Run),
            StepKind::Pipe { .. } => Some(EffectRank::Pipe),
            StepKind::Forward { .. } => Some(EffectRank::Forward),
            StepKind::EditList { .. } => Some(EffectRank::ListEdit),
            StepKind::Reply(_) => Some(EffectRank::Reply),
            StepKind::Remember { .. } => Some(EffectRank::Remember),
            StepKind::Deliver { .. }
            | StepKind::Discard { .. }
            | StepKind::Reject { .. }
            | StepKind::Defer { .. }
            | StepKind::Edit(_)
            | StepKind::Log(_)
            | StepKind::Filter { .. }
            | StepKind::Skipped { .. } => None,
        }
    }
}

/// The outcome of a step that ends rule processing.
fn end_of(kind: &StepKind) -> Option<Outcome> {
    match kind {
        StepKind::Deliver { as_: DeliveryWord::Inbox | DeliveryWord::Folder, .. }
        | StepKind::Pipe { .. }
        | StepKind::Forward { copy: false, .. } => Some(Outcome::Delivered),
        StepKind::Discard { .. } => Some(Outcome::Discarded),
        StepKind::Reject { status, text } => {
            Some(Outcome::Refused { status: status.clone(), text: text.clone() })
        }
        StepKind::Defer { status, text } => {
            Some(Outcome::Deferred { status: status.clone(), text: text.clone() })
        }
        _ => None,
    }
}

/// A copy in the inbox that no rule asked for.
fn inbox<'p>(
    step: Option<usize>,
    edits: &[HeaderEdit],
    message: &'p Message,
    id: Option<StepId>,
) -> Copy<'p> {
    Copy { step, kind: &INBOX, folder: &TOP, flags: &UNFLAGGED, edits: edits.to_vec(), message, id }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Step;

    #[test]
    fn what_may_defer_comes_first() {
        let argv = vec!["program".to_owned()];
        let list = StepKind::EditList {
            add: true,
            list: "l".into(),
            path: "l".into(),
            entry: "a@b".into(),
        };
        let kinds = [
            StepKind::Remember { key: [0; 16], within: 1, may_refuse: true },
            StepKind::Run { argv: argv.clone() },
            list,
            StepKind::Pipe { argv },
        ];
        let steps = kinds.into_iter().map(|kind| Step { kind, rule: None }).collect();
        let (plan, message) = (Plan { steps }, Message::from_bytes(b"x".to_vec()));
        let (work, end) = read_plan(&plan, &[&message]);
        let order: Vec<usize> = work.effects.iter().map(|effect| effect.step).collect();
        assert_eq!((order, end), (vec![1, 3, 2, 0], Outcome::Delivered));
        assert!(work.copies.is_empty());
    }
}
