//! What is wrong with what a string inserts between braces.

#![allow(missing_docs, reason = "each variant's line explains its fields")]

use super::{Wording, error};

/// What is wrong between the braces of a string.
#[derive(Debug, Clone, PartialEq)]
pub enum TemplateMistake {
    /// `{` without `}`.
    BraceUnclosed,
    /// `}` without `{`.
    BraceUnopened,
    /// `{}`
    BraceEmpty,
    /// A field that cannot be inserted into a text.
    NoInsert { name: String },
    /// `{1}` or `{name}`, and no enclosing pattern captures it.
    NoCapture { name: String, groups: u32 },
    /// `{subject:title}`
    UnknownForm { name: String, word: String },
    /// `{subject:levels}` in a text that is no folder's name.
    LevelsElsewhere { name: String },
    /// `{header X-Name}`
    InsertWantsQuotes { field: String },
    /// `of first` at something else than a message.
    FirstOfMessages,
    /// A date format that strftime does not know.
    BadDateFormat { format: String, reason: String },
}

impl TemplateMistake {
    pub(super) fn wording(self) -> Wording {
        match self {
            TemplateMistake::BraceUnclosed => {
                error("brace", String::from("unclosed `{`"), "opened here")
                    .or_hint(Some("for a literal brace, write `{{`"))
            }
            TemplateMistake::BraceUnopened => {
                error("brace", String::from("unmatched `}`"), "closed here")
                    .or_hint(Some("for a literal brace, write `}}`"))
            }
            TemplateMistake::BraceEmpty => error("brace", String::from("empty braces"), "empty")
                .or_hint(Some("name what is to be inserted: `{subject}`, `{1}`")),
            TemplateMistake::NoInsert { name } => {
                error("no-insert", format!("`{name}` cannot be inserted"), "no text")
                    .or_hint(Some("texts, numbers, `{date:%Y-%m-%d}` and `{now:%Y-%m-%d}` can"))
            }
            TemplateMistake::NoCapture { name, groups } => {
                let message = match groups {
                    0 => format!("`{{{name}}}` is not captured by any pattern of this rule"),
                    1 => format!(
                        "`{{{name}}}` is used, but this rule's patterns capture only one group"
                    ),
                    _ => format!(
                        "`{{{name}}}` is used, but this rule's patterns capture only {groups} groups"
                    ),
                };
                error("no-capture", message, "no such capture").or_hint(Some(
                    "captures come from `FIELD matches /(…)/` in this rule's own conditions, \
                     not under `not`",
                ))
            }
            TemplateMistake::UnknownForm { name, word } => {
                let message = format!("unknown form `{word}` of an inserted value");
                error("unknown-case", message, "unknown form").or_hint(Some(format!(
                    "`{{{name}:lower}}` or `{{{name}:upper}}`, and in a folder's name \
                     `{{{name}:levels}}`"
                )))
            }
            TemplateMistake::LevelsElsewhere { name } => {
                let message = String::from("only the name of a folder has levels");
                error("levels", message, "not in a folder's name")
                    .or_hint(Some(format!("`{{{name}}}` inserts the value as it is")))
            }
            TemplateMistake::InsertWantsQuotes { field } => {
                let message = format!("`{field}` must be followed by a quoted name");
                error("insert-quotes", message, "missing name").or_hint(Some(format!(
                    "in a string a quote is written `\\\"`: `{{{field} \\\"X-Name\\\"}}`"
                )))
            }
            TemplateMistake::FirstOfMessages => {
                let message = "`of first` goes with `duplicate of`".to_owned();
                error("first-of-messages", message, "not of the message itself")
                    .or_hint(Some("`duplicate of \"{message-id}\" within 1d of first`"))
            }
            TemplateMistake::BadDateFormat { format, reason } => error(
                "bad-date-format",
                format!("invalid date format `{format}`: {reason}"),
                "here",
            )
            .or_hint(Some("as in strftime: `{date:%Y-%m-%d}`")),
        }
    }
}
