//! What rules refer to outside of their files, and cannot be used: warnings.

#![allow(missing_docs, reason = "each variant's line explains its fields")]

use super::{Wording, warning};

/// What rules refer to outside of their files, and cannot be used: warnings.
#[derive(Debug, Clone, PartialEq)]
pub enum ReferenceMistake {
    /// A list's file that does not exist or cannot be read.
    ListUnreadable { path: String, reason: String },
    /// A list's entry that no address can match.
    BadEntry { entry: String, reason: String },
    /// A program that does not exist, or cannot be executed.
    ProgramMissing { name: String, why: &'static str },
    /// A time zone that this system does not know.
    UnknownTimezone { name: String },
}

impl ReferenceMistake {
    pub(super) fn wording(self) -> Wording {
        match self {
            ReferenceMistake::ListUnreadable { path, reason } => {
                let message = format!("cannot read the list `{path}`: {reason}");
                let hint = match path.contains('@') && !path.contains('/') {
                    true => format!("write addresses in a set: `[\"{path}\"]`"),
                    false => "rules that use this list are skipped until it can be read".into(),
                };
                warning("list-unreadable", message, "no such list").or_hint(Some(hint))
            }
            ReferenceMistake::BadEntry { entry, reason } => {
                let message = format!("entry `{entry}` cannot match any address: {reason}");
                let is_domain = entry.contains('.')
                    && entry.chars().all(|c| c.is_alphanumeric() || "-.".contains(c));
                let hint = match is_domain {
                    true => format!("for all addresses of that domain: `@{entry}`"),
                    false => {
                        "`user@host`, `@host`, `@.host`, `user@`, a glob or `/pattern/`".into()
                    }
                };
                warning("bad-entry", message, "skipped").or_hint(Some(hint))
            }
            ReferenceMistake::ProgramMissing { name, why } => {
                let hint = match name.contains(char::is_whitespace) {
                    true => {
                        "each argument is a string of its own, and there is no shell: \
                         `\"bogofilter\" \"-p\" \"-e\"`, for example"
                    }
                    false => "until then mail waits in the queue, or is delivered without it",
                };
                warning("program-missing", format!("program `{name}` {why}"), "cannot be run")
                    .or_hint(Some(hint))
            }
            ReferenceMistake::UnknownTimezone { name } => {
                let message = format!("unknown time zone `{name}`");
                warning("unknown-timezone", message, "unknown")
                    .or_hint(Some("zones are named as in `Asia/Tokyo`"))
            }
        }
    }
}
