//! What is wrong with `include sieve`, and with the script that it names.

#![allow(missing_docs, reason = "each variant's line explains its fields")]

use super::{Wording, error};
use crate::source::Span;

/// What is wrong with the statement or its script.
#[derive(Debug, Clone, PartialEq)]
pub enum ScriptMistake {
    /// In site rules.
    OfSite,
    /// In a group.
    InGroup,
    /// A second one.
    Twice { at: Span },
    /// An option that does not exist.
    Option { name: String, near: Option<String> },
    /// The same option twice.
    OptionTwice { name: String },
    /// Something that cannot be a separator.
    Separator,
    /// A prefix that does not end with the separator.
    Prefix { suggestion: String },
    /// Something in the script cannot be translated.
    Fault { label: Option<String>, reason: String },
}

impl ScriptMistake {
    pub(super) fn wording(self) -> Wording {
        match self {
            ScriptMistake::OfSite => error(
                "script-of-site",
                String::from("site rules cannot include a script"),
                "no place for it",
            )
            .or_hint(Some("`mfilter import sieve --site` turns a script into site rules")),
            ScriptMistake::InGroup => error(
                "script-in-group",
                String::from("`include sieve` inside a group"),
                "would run under a condition",
            )
            .or_hint(Some("move it outside of all groups; the script has its own conditions")),
            ScriptMistake::Twice { at } => {
                error("script-twice", String::from("a script is included twice"), "the second one")
                    .with(at, "the first one")
                    .or_hint(Some("a script may include others: `include :personal \"other\";`"))
            }
            ScriptMistake::Option { name, near } => error(
                "unknown-option",
                format!("`include sieve` has no option `{name}`"),
                "not known",
            )
            .or_near(near)
            .or_hint(Some("the options are `separator \".\"` and `prefix \"INBOX.\"`")),
            ScriptMistake::OptionTwice { name } => {
                error("option-twice", format!("`{name}` is given twice"), "again")
            }
            ScriptMistake::Separator => error(
                "bad-separator",
                String::from("the separator is `\".\"` or `\"/\"`"),
                "no separator",
            )
            .or_hint(Some(
                "it is that of the namespace in Dovecot: `doveconf -n | grep separator`",
            )),
            ScriptMistake::Prefix { suggestion } => error(
                "bad-prefix",
                String::from("the prefix ends with the separator"),
                "not a folder prefix",
            )
            .or_hint(Some(format!("write `prefix \"{suggestion}\"`"))),
            ScriptMistake::Fault { label, reason } => {
                let message = match label {
                    Some(label) => format!("the filter `{label}`: {reason}"),
                    None => reason,
                };
                error("script-not-exact", message, "cannot be done here")
                    .or_hint(Some("no part of the script is used while it contains this"))
            }
        }
    }
}
