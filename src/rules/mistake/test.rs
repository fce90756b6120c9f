//! What is wrong with a test: its field, its operator or its value.

#![allow(missing_docs, reason = "each variant's line explains its fields")]

use super::{Wording, error};
use crate::rules::field::FieldKind;
use crate::syntax::words::FOLDER_EXISTS;

/// What is wrong with a test: its field, its operator or its value.
#[derive(Debug, Clone, PartialEq)]
pub enum TestMistake {
    /// An operator that does not fit the field's kind.
    OperatorDoesNotFit { field: String, kind: FieldKind, operator: String },
    /// A value of another kind.
    WrongValue { expected: &'static str, found: &'static str, hint: Option<String> },
    /// A date that does not exist.
    NoSuchDate { text: String },
    /// `header` or `env` without a name.
    FieldWantsName { field: String },
    /// A name after a field that needs none, or after a declared name: `address "To"`.
    FieldTakesNoName { field: String },
    /// `header "N".domain`
    NoParts { field: String, hint: Option<String> },
    /// `[subject, size] …`
    NoTextInSet { field: String, kind: FieldKind },
    /// A header's name that RFC 5322 does not allow.
    BadHeaderName { name: String },
    /// A name that no environment variable can have.
    BadEnvName { name: String },
    /// A pattern that cannot be used.
    BadPattern { reason: String },
}

impl TestMistake {
    pub(super) fn wording(self) -> Wording {
        match self {
            TestMistake::OperatorDoesNotFit { field, kind, operator } => {
                let message =
                    format!("`{operator}` does not fit `{field}`, which is {}", kind.name());
                let fitting: Vec<String> =
                    kind.operators().map(|word| format!("`{word}`")).collect();
                let hint = match operator.as_str() {
                    "=" if kind.is_text() => String::from("write `is`"),
                    _ if field == "attachments" => {
                        format!("of their names: `attachment.name {operator} …`")
                    }
                    _ => format!("these do: {}", fitting.join(" ")),
                };
                error("operator-does-not-fit", message, "does not fit").or_hint(Some(hint))
            }
            TestMistake::WrongValue { expected, found, hint } => {
                let message = format!("expected {expected}, found {found}");
                error("wrong-value", message, found).or_hint(hint)
            }
            TestMistake::NoSuchDate { text } => {
                error("no-such-date", format!("there is no day `{text}`"), "no such day")
                    .or_hint(Some("a date is year-month-day: `2026-12-24`"))
            }
            TestMistake::FieldWantsName { field } => {
                let hint = match field.as_str() {
                    "env" => "`env \"HOME\"`, for example",
                    "address" => "`address \"Resent-To\"`, for example",
                    FOLDER_EXISTS => "`folder-exists \"Lists/rust\"`, for example",
                    _ => "`header \"X-Mailer\"`, for example",
                };
                error(
                    "field-wants-name",
                    format!("`{field}` must be followed by a name"),
                    "missing name",
                )
                .or_hint(Some(hint))
            }
            TestMistake::FieldTakesNoName { field } => {
                let message = format!("`{field}` takes no name");
                let hint = format!(
                    "these rules declare `{field}`; choose another name there to test a header"
                );
                error("syntax", message, "unexpected string").or_hint(Some(hint))
            }
            TestMistake::NoParts { field, hint } => {
                let message = format!("`{field}` has no parts");
                error("no-parts", message, "no part").or_hint(hint)
            }
            TestMistake::NoTextInSet { field, kind } => {
                let message =
                    format!("`{field}` is {}, and a set of fields must be of text", kind.name());
                error("no-text-in-set", message, "no text")
                    .or_hint(Some("join tests of other fields by `or`"))
            }
            TestMistake::BadHeaderName { name } => {
                let message = format!("`{name}` is not a valid header name");
                error("bad-header-name", message, "invalid header name").or_hint(Some(
                    "letters, digits and `-`, without a colon or blanks (RFC 5322 §2.2)",
                ))
            }
            TestMistake::BadEnvName { name } => {
                let message = format!("`{name}` is not a valid variable name");
                error("bad-env-name", message, "invalid variable name")
                    .or_hint(Some("write the name alone: `env \"HOME\"`"))
            }
            TestMistake::BadPattern { reason } => {
                error("bad-pattern", format!("this pattern cannot be used: {reason}"), "here")
            }
        }
    }
}
