//! What rules mean for a message that is in a mailbox already: where it should be and
//! which flags it should have, and what of the plan is left out.
//!
//! A plan is made for incoming mail. Existing mail has been delivered: it is not copied,
//! which each run would do again, nor refused, forwarded or answered, and not a byte of
//! its file is changed. Only the step that ends its processing counts, if that is a
//! folder or the inbox; otherwise the first step that filed it. A new message, which
//! another program has only just delivered, is also logged, and lists are edited for it,
//! since that was not done yet.

use crate::flags::Flags;
use crate::maildir::{Location, Place};
use crate::plan::{Folder, Plan, RuleRef, StepKind};

/// What has to be done with a message.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Refile {
    /// Everything that the rules ask for.
    pub plan: Plan,
    /// Where it should be; none if it stays where and as it is.
    pub to: Option<RefileTarget>,
    /// What the rules ask for but is not done, each word once, in the order of the rules.
    pub skipped: Vec<Skip>,
}

/// Where a message should be.
#[derive(Debug, Clone, PartialEq)]
pub struct RefileTarget {
    /// The folder; the current one if only flags are new.
    pub place: Place,
    /// The folder as people name it.
    pub folder: Folder,
    /// The flags that it does not have yet. Flags are only added.
    pub add: Flags,
    /// The rule that says so; none for the inbox at the end of the rules.
    pub rule: Option<RuleRef>,
}

/// Something in a plan that is not done with existing mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Skip {
    /// The word of the language.
    pub action: &'static str,
    /// Why, in words that follow the action and a colon.
    pub why: &'static str,
    /// Whether the message stays where it is for that reason.
    pub stays: bool,
}

/// Decides where to put a message that is `at` a place and `has` these flags; `new` if it
/// was not there before.
pub fn refile(plan: Plan, location: &Location, at: &Place, has: &Flags, new: bool) -> Refile {
    let (to, skipped) = decide(&plan, location, at, has, new);
    Refile { plan, to, skipped }
}

fn decide(
    plan: &Plan,
    location: &Location,
    at: &Place,
    has: &Flags,
    new: bool,
) -> (Option<RefileTarget>, Vec<Skip>) {
    let mut skipped = Vec::new();
    let home = plan.home();
    let others = plan.steps.iter().enumerate().filter(|(number, _)| Some(*number) != home);
    for skip in others.filter_map(|(_, step)| skip(&step.kind, new)) {
        // What was filed stays filed, whatever ends its processing.
        let skip = Skip { stays: skip.stays && home.is_none(), ..skip };
        if !skipped.contains(&skip) {
            skipped.push(skip);
        }
        if skip.stays {
            return (None, skipped);
        }
    }
    if let Some(step) = plan.home_step()
        && let StepKind::Deliver { folder, flags, .. } = &step.kind
    {
        let place = location.place(folder);
        if place.note.is_some() {
            let is_renamed = location.renamed.iter().any(|(gone, _)| gone == folder);
            skipped.push(if is_renamed { RENAMED } else { TOO_LONG });
            return (None, skipped);
        }
        let add = flags.without(has);
        let is_needed = !place.is(at) || add != Flags::default();
        if is_needed && step.rule.is_some() && has.letters.contains('T') {
            skipped.push(DELETED);
            return (None, skipped);
        }
        let (folder, rule) = (folder.clone(), step.rule.clone());
        return (is_needed.then_some(RefileTarget { place, folder, add, rule }), skipped);
    }
    (None, skipped)
}

/// Where a mail reader only marks what it deletes or moves, this may be the original of a
/// message that the user has put elsewhere.
const DELETED: Skip = Skip { action: "folder", why: "it is marked as deleted", stays: true };
const RENAMED: Skip = Skip { action: "folder", why: "it was probably renamed", stays: true };
const TOO_LONG: Skip =
    Skip { action: "folder", why: "its name is too long for a file system", stays: true };

fn skip(step: &StepKind, new: bool) -> Option<Skip> {
    let (action, why, stays) = match step {
        StepKind::Deliver { as_, .. } => (as_.word(), "each run would store another", false),
        StepKind::Discard { .. } => ("discard", "existing mail is not removed", true),
        StepKind::Reject { .. } => ("reject", "it was accepted", true),
        StepKind::Defer { .. } => ("defer", "it was accepted", true),
        StepKind::Pipe { .. } => ("pipe", "it was delivered", true),
        StepKind::Forward { copy: false, .. } => ("forward", "it was delivered", true),
        StepKind::Forward { copy: true, .. } => ("forward copy", "it was delivered", false),
        StepKind::Run { .. } => ("run", "it was delivered", false),
        StepKind::Reply(_) => ("reply", "it was delivered", false),
        StepKind::Filter { .. } => ("filter", "judged on the unfiltered message", false),
        StepKind::Edit(_) => ("header edit", "its file is not changed", false),
        StepKind::EditList { .. } if !new => ("list edit", "it was delivered", false),
        StepKind::Log(_) if !new => ("log", "it was delivered", false),
        StepKind::EditList { .. }
        | StepKind::Log(_)
        | StepKind::Remember { .. }
        | StepKind::Skipped { .. } => return None,
    };
    Some(Skip { action, why, stays })
}

#[cfg(test)]
mod tests {
    use crate::message::HeaderEdit;
    use crate::plan::{DeliveryWord, Step};
    use crate::rules::program::Layout;
    use crate::source::Span;

    use super::*;

    fn folder(name: &str) -> Folder {
        Folder::named(name)
    }

    fn flags(letters: &str, keywords: &[&str]) -> Flags {
        Flags {
            letters: letters.into(),
            keywords: keywords.iter().map(|keyword| keyword.to_string()).collect(),
        }
    }

    fn to(as_: DeliveryWord, name: &str, flags: Flags) -> StepKind {
        StepKind::Deliver { as_, folder: folder(name), flags }
    }

    fn decide(kinds: Vec<StepKind>, at: &str, has: Flags) -> (Option<(String, Flags)>, String) {
        let location = Location::new("/m", Layout::MaildirPlusPlus, None);
        let rule = RuleRef { span: Span::default(), line: 1, label: None, category: None };
        let steps = kinds.into_iter().map(|kind| Step { kind, rule: Some(rule.clone()) }).collect();
        let at = location.place(&folder(at));
        let decision = refile(Plan { steps }, &location, &at, &has, false);
        let words: Vec<&str> = decision.skipped.iter().map(|skip| skip.action).collect();
        let to = decision.to.map(|target| (target.folder.to_string(), target.add));
        (to, words.join(" "))
    }

    use DeliveryWord::{Copy, Folder as Into, Inbox};

    #[test]
    fn the_step_that_stops_rule_processing_decides() {
        let none = Flags::default;
        let copied = vec![to(Copy, "C", flags("S", &[])), to(Into, "A/B", none())];
        let (went, skipped) = decide(copied, "", none());
        assert_eq!((went, skipped.as_str()), (Some(("A/B".into(), none())), "copy"));
        let back = decide(vec![to(Inbox, "", flags("F", &[]))], "A", none());
        assert_eq!(back.0, Some(("INBOX".into(), flags("F", &[]))));
    }

    #[test]
    fn nothing_happens_to_mail_that_is_already_right() {
        let plan = || vec![to(Into, "A", flags("FS", &["$Work"]))];
        assert_eq!(decide(plan(), "A", flags("FRS", &["$work", "x"])).0, None);
        let added = decide(plan(), "A", flags("F", &["x"])).0;
        assert_eq!(added, Some(("A".into(), flags("S", &["$Work"]))), "only flags");
        let moved = decide(plan(), "B", flags("FS", &["$Work"])).0;
        assert_eq!(moved, Some(("A".into(), Flags::default())));
        assert_eq!(decide(vec![to(Inbox, "", Flags::default())], "inbox", flags("S", &[])).0, None);
    }

    #[test]
    fn what_is_marked_as_deleted_stays() {
        let plan = || vec![to(Into, "A", flags("S", &[]))];
        for at in ["", "A"] {
            assert_eq!(decide(plan(), at, flags("T", &[])), (None, "folder".into()), "{at}");
        }
        assert_eq!(decide(plan(), "A", flags("ST", &[])), (None, String::new()));
    }

    #[test]
    fn what_is_filed_is_where_it_was_filed_first() {
        use DeliveryWord::FileInto;
        let file = |name: &str| to(FileInto, name, Flags::default());
        let (went, skipped) = decide(vec![file("A"), file("B")], "", Flags::default());
        assert_eq!((went.unwrap().0.as_str(), skipped.as_str()), ("A", "fileinto"));
        let (went, skipped) =
            decide(vec![file("A"), to(Into, "B", Flags::default())], "", Flags::default());
        assert_eq!((went.unwrap().0.as_str(), skipped.as_str()), ("B", "fileinto"));
        let discard = StepKind::Discard { why: None };
        let (went, skipped) = decide(vec![file("A"), discard], "", Flags::default());
        assert_eq!((went.unwrap().0.as_str(), skipped.as_str()), ("A", "discard"));
        let defer = StepKind::Defer { status: "4.3.0".into(), text: "later".into() };
        assert_eq!(decide(vec![file("A"), defer], "", Flags::default()).0, None);
    }

    #[test]
    fn new_mail_is_logged_and_edits_lists() {
        let edit = StepKind::EditList {
            add: true,
            list: "a".into(),
            path: "/a".into(),
            entry: "b@c".into(),
        };
        for kind in [StepKind::Log("x".into()), edit] {
            assert!(skip(&kind, true).is_none() && skip(&kind, false).is_some(), "{kind:?}");
        }
    }

    #[test]
    fn what_ends_elsewhere_stays_and_is_reported() {
        let ends = [
            StepKind::Discard { why: None },
            StepKind::Reject { status: "5.7.1".into(), text: "no".into() },
            StepKind::Defer { status: "4.3.0".into(), text: "later".into() },
            StepKind::Pipe { argv: vec!["x".into()] },
        ];
        for (end, word) in ends.into_iter().zip(["discard", "reject", "defer", "pipe"]) {
            let plan = vec![StepKind::Log("x".into()), to(Copy, "C", Flags::default()), end];
            assert_eq!(decide(plan, "", Flags::default()), (None, format!("log copy {word}")));
        }
        let edit = || StepKind::Edit(HeaderEdit::Remove { name: "A".into() });
        let plan = vec![edit(), edit(), to(Into, "A", Flags::default())];
        let (went, skipped) = decide(plan, "", Flags::default());
        assert_eq!((went.is_some(), skipped.as_str()), (true, "header edit"));
        let long = to(Into, &"あ".repeat(99), Flags::default());
        assert_eq!(decide(vec![long], "A", Flags::default()), (None, "folder".into()));
    }
}
