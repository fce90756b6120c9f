//! What is wrong with a `set`.

#![allow(missing_docs, reason = "each variant's line explains its fields")]

use super::{Wording, error};
use crate::source::Span;

/// What is wrong with a `set`.
#[derive(Debug, Clone, PartialEq)]
pub enum SettingMistake {
    /// `set` after a rule or in a group.
    TooLate { name: String },
    /// The same setting twice.
    Twice { name: String, at: Span },
    /// A setting's value that it cannot have.
    BadValue { name: &'static str, expected: &'static str },
}

impl SettingMistake {
    pub(super) fn wording(self) -> Wording {
        match self {
            SettingMistake::TooLate { name } => {
                let message = format!("`set {name}` must come before the first rule");
                error("setting-too-late", message, "too late")
                    .or_hint(Some("move it up, outside of any group"))
            }
            SettingMistake::Twice { name, at } => {
                error("setting-twice", format!("`{name}` is set twice"), "set again")
                    .with(at, "set here first")
                    .or_hint(Some("keep one of them"))
            }
            SettingMistake::BadValue { name, expected } => {
                error("bad-setting", format!("`set {name}` takes {expected}"), "not this")
            }
        }
    }
}
