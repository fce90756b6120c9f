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
        let mut rank = None;
        match &step.kind {
            StepKind::Deliver { as_, folder, flags } => {
                work.copies.push(Copy {
                    step: Some(number),
                    kind: &step.kind,
                    folder,
                    flags,
                    edits: edits.clone(),
                    message,
                    id: ids.next(&step.kind),
                });
                match as_ {
                    DeliveryWord::Inbox | DeliveryWord::Folder => end = Some(Outcome::Delivered),
                    DeliveryWord::Copy | DeliveryWord::FileInto => {}
                }
            }
            StepKind::Edit(edit) => edits.push(edit.clone()),
            StepKind::Log(_) | StepKind::Skipped { .. } => {}
            StepKind::Filter { applied, .. } => {
                if let (true, Some(next)) = (*applied, remaining.next()) {
                    message = next;
                    edits.clear();
                }
            }
            StepKind::EditList { .. } => rank = Some(EffectRank::ListEdit),
            StepKind::Run { .. } => rank = Some(EffectRank::Run),
            StepKind::Pipe { .. } => {
                rank = Some(EffectRank::Pipe);
                end = Some(Outcome::Delivered);
            }
            StepKind::Forward { copy, .. } => {
                rank = Some(EffectRank::Forward);
                if !copy {
                    end = Some(Outcome::Delivered);
                }
            }
            StepKind::Reply(_) => rank = Some(EffectRank::Reply),
            StepKind::Remember { .. } => rank = Some(EffectRank::Remember),
            StepKind::Discard { .. } => end = Some(Outcome::Discarded),
            StepKind::Reject { status, text } => {
                let (status, text) = (status.clone(), text.clone());
                end = Some(Outcome::Refused { status, text });
            }
            StepKind::Defer { status, text } => {
                let (status, text) = (status.clone(), text.clone());
                end = Some(Outcome::Deferred { status, text });
            }
        }
        if let Some(rank) = rank {
            let (edits, id) = (edits.clone(), ids.next(&step.kind));
            work.effects.push(PlannedEffect {
                step: number,
                edits,
                message,
                id,
                rank,
                fallback: None,
            });
        }
        if end.is_some() {
            break;
        }
    }
    if end.is_none() && plan.home().is_none() {
        work.copies.push(inbox(None, &edits, message, ids.next(&INBOX)));
    }
    let end = end.unwrap_or(Outcome::Delivered);
    let is_in_inbox = work.copies.iter().any(|copy| copy.folder.parts.is_empty());
    let is_nowhere = work.copies.is_empty() && end == Outcome::Discarded;
    let mut id = None;
    for effect in &mut work.effects {
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
    work.effects.sort_by_key(|effect| effect.rank);
    (work, end)
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
            StepKind::Remember { key: [0; 16], within: 1 },
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
