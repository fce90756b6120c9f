//! What is wrong with `include`.

#![allow(missing_docs, reason = "each variant's line explains its fields")]

use super::{Wording, error};

/// Why a file is not included.
#[derive(Debug, Clone, PartialEq)]
pub enum IncludeMistake {
    /// An included file that cannot be read.
    Unreadable { path: String, reason: String },
    /// A file that includes itself, perhaps through others.
    Cycle { path: String },
    /// More than 16 files that include each other.
    TooDeep { limit: usize },
    /// So many includes that it cannot be intended.
    TooMany { limit: usize },
}

impl IncludeMistake {
    pub(super) fn wording(self) -> Wording {
        match self {
            IncludeMistake::Unreadable { path, reason } => {
                error("include-unreadable", format!("cannot read `{path}`: {reason}"), "here")
                    .or_hint(Some("a relative name starts at the directory of this file"))
            }
            IncludeMistake::Cycle { path } => {
                error("include-cycle", format!("`{path}` includes itself"), "comes back here")
                    .or_hint(Some("delete this line; what both files need can go into a third one"))
            }
            IncludeMistake::TooDeep { limit } => error(
                "include-too-deep",
                format!("more than {limit} files include each other"),
                "too many",
            )
            .or_hint(Some("include some of these files directly in your main file")),
            IncludeMistake::TooMany { limit } => {
                error("include-too-many", format!("more than {limit} includes"), "too many")
                    .or_hint(Some("join small files into one"))
            }
        }
    }
}
