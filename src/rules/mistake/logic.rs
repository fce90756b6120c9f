//! Rules that are valid, but hardly do what is intended: warnings.

#![allow(missing_docs, reason = "each variant's line explains its fields")]

use super::{Wording, warning};
use crate::source::Span;

/// Rules that are valid, but hardly do what is intended: warnings.
#[derive(Debug, Clone, PartialEq)]
pub enum LogicMistake {
    /// Something unreachable.
    Unreachable { what: &'static str, why: UnreachableReason, at: Span },
    /// A test that can never hold.
    NeverHolds { why: String, hint: Option<String> },
    /// A test that always holds, whatever the value is.
    AlwaysHolds { field: String },
    /// Something that is allowed, but hardly intended.
    Unlikely { why: String, hint: Option<String> },
}

/// Why something is unreachable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnreachableReason {
    /// Something before it always stops rule processing.
    Always,
    /// Rule processing already stopped under the same condition.
    SameCondition,
    /// Rule processing already stopped under a condition that holds whenever this one does.
    WiderCondition,
}

impl LogicMistake {
    pub(super) fn wording(self) -> Wording {
        match self {
            LogicMistake::Unreachable { what, why, at } => {
                let (related, hint) = match why {
                    UnreachableReason::Always => ("rule processing always stops here", None),
                    UnreachableReason::SameCondition => (
                        "the same condition stops rule processing here",
                        Some("the first delivery wins; put the narrower rule first"),
                    ),
                    UnreachableReason::WiderCondition => (
                        "rule processing stops here for all mail of the rule below",
                        Some("the first delivery wins; put the narrower rule first"),
                    ),
                };
                warning("unreachable", format!("this {what} is unreachable"), "unreachable")
                    .with(at, related)
                    .or_hint(hint)
            }
            LogicMistake::NeverHolds { why, hint } => {
                let message = format!("this condition is never true: {why}");
                warning("never-holds", message, "never true").or_hint(hint)
            }
            LogicMistake::AlwaysHolds { field } => {
                let message = format!("every `{field}` contains the empty string");
                warning("always-holds", message, "always")
                    .or_hint(Some(format!("to test whether there is one: `has {field}`")))
            }
            LogicMistake::Unlikely { why, hint } => {
                warning("unlikely", why, "probably not what you mean").or_hint(hint)
            }
        }
    }
}
