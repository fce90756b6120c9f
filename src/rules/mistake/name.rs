//! What is wrong with a name that the rules declare or use.

#![allow(missing_docs, reason = "each variant's line explains its fields")]

use super::{WordKind, Wording, error};
use crate::source::Span;

/// What is wrong with a name that the rules declare or use.
#[derive(Debug, Clone, PartialEq)]
pub enum NameMistake {
    /// A word without a meaning here.
    Unknown { what: WordKind, name: String, near: Option<String> },
    /// A bare name in a condition that means something else.
    NotACondition { name: String, what: &'static str, hint: Option<String> },
    /// `NAME is …`, and the name is not a field.
    NotAField { name: String, what: &'static str },
    /// `in NAME`, and the name is not a list.
    NotAList { name: String, what: &'static str },
    /// A name that is declared only later.
    UsedBefore { name: String, what: &'static str, at: Span },
    /// A `define` or `score` that refers to itself.
    OwnDefinition { name: String },
    /// A name that is already used.
    Taken { name: String, by: &'static str, at: Option<Span> },
    /// `list me`
    MeIsASetting,
    /// `in me` without `set me`.
    NoMe,
}

impl NameMistake {
    pub(super) fn wording(self) -> Wording {
        match self {
            NameMistake::Unknown { what, name, near } => {
                error(what.code(), what.message(&name), "unknown")
                    .or_hint(what.hint_for(&name, near.as_deref()))
                    .or_near(near)
                    .or_hint(what.general_hint())
            }
            NameMistake::NotACondition { name, what, hint } => {
                let usual = match what {
                    "list" => format!("test an address: `from in {name}`"),
                    "score" => format!("compare it: `{name} >= 5`"),
                    _ => format!("to test whether it is present: `has {name}`"),
                };
                let message = format!("`{name}` is a {what}, not a condition");
                error("not-a-condition", message, "expected a condition")
                    .or_hint(hint)
                    .or_hint(Some(usual))
            }
            NameMistake::NotAField { name, what } => {
                let message = format!("`{name}` is a {what}, not a field");
                let hint = match what {
                    "list" => format!("test an address: `from in {name}`"),
                    _ => format!("use it alone: `when {name} -> …`, `when not {name} -> …`"),
                };
                error("not-a-field", message, "expected a field").or_hint(Some(hint))
            }
            NameMistake::NotAList { name, what } => {
                let message = format!("`{name}` is a {what}, not a list");
                error("not-a-list", message, "expected a list")
            }
            NameMistake::UsedBefore { name, what, at } => {
                let message = format!("`{name}` is used before it is declared");
                error("used-before", message, "used here")
                    .with(at, "declared here")
                    .or_hint(Some(format!("move the {what} above its first use")))
            }
            NameMistake::OwnDefinition { name } => {
                let message = format!("`{name}` is used in its own definition");
                error("own-definition", message, "used here")
                    .or_hint(Some("use only what is declared above it"))
            }
            NameMistake::Taken { name, by, at } => {
                let message = format!("the name `{name}` is taken by a {by}");
                let diagnostic = error("name-taken", message, "taken");
                let diagnostic = match at {
                    Some(at) => diagnostic.with(at, "declared here"),
                    None => diagnostic,
                };
                diagnostic.or_hint(Some("choose another name"))
            }
            NameMistake::MeIsASetting => {
                error("name-taken", String::from("the name `me` belongs to a setting"), "taken")
                    .or_hint(Some("set your addresses with `set me [\"…\", …]`"))
            }
            NameMistake::NoMe => {
                error("unknown-list", String::from("`me` is not set"), "has no addresses yet")
                    .or_hint(Some("set your addresses with `set me [\"…\", …]` at the top"))
            }
        }
    }
}
