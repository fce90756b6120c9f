//! Why a folder cannot have the name that the rules give it.

#![allow(missing_docs, reason = "each variant's line explains its fields")]

use super::{Wording, error};

/// Why a folder cannot have this name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BadFolder {
    /// No name at all.
    Empty,
    /// A path, and the folder that was probably meant; `None` for the inbox.
    Path { why: BadPath, suggestion: Option<String> },
    /// A control character.
    Control,
    /// A dot, which separates levels in maildir++; with the name written with `/`.
    Dot(String),
    /// A part that starts with a dot, in the fs layout; with the folder that was probably meant.
    Hidden(Option<String>),
    /// `/dev/null`
    Nowhere,
    /// `cur`, `new` or `tmp`, in the fs layout.
    Reserved(String),
    /// Longer than a file name may be.
    TooLong,
}

/// Why a folder's name is a path instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadPath {
    /// The name starts at the root or at the home.
    Absolute,
    /// A part is `.` or `..`.
    Climbs,
    /// A part between slashes is empty.
    EmptyPart,
}

impl BadFolder {
    pub(super) fn wording(self) -> Wording {
        let (code, message, hint) = match self {
            BadFolder::Empty => {
                ("folder-empty", String::from("empty folder name"), Some("the inbox is `inbox`"))
            }
            BadFolder::Path { why, suggestion } => {
                let (code, message, rule) = match why {
                    BadPath::Absolute => (
                        "folder-absolute",
                        "a folder name is relative to the Maildir, not a path",
                        "`set maildir` says where the Maildir is",
                    ),
                    BadPath::Climbs => (
                        "folder-climbs",
                        "a folder name may not contain `.` or `..` as a part",
                        "all folders are in the Maildir",
                    ),
                    BadPath::EmptyPart => (
                        "folder-empty-part",
                        "a part of this folder name is empty",
                        "use one `/` between two names, none at the end",
                    ),
                };
                let hint = match suggestion {
                    Some(suggestion) => format!("write `\"{suggestion}\"`: {rule}"),
                    None => format!("the inbox is `inbox`; {rule}"),
                };
                return error(code, message.into(), "invalid folder name").or_hint(Some(hint));
            }
            BadFolder::Control => (
                "folder-control",
                String::from("a folder name may not contain control characters"),
                None,
            ),
            BadFolder::Dot(nested) => {
                let message = "in the maildir++ layout a folder name may not contain a `.`";
                let hint = format!("nest with `/`: `folder \"{nested}\"`, or use `set layout fs`");
                return error("folder-dot", message.into(), "invalid folder name")
                    .or_hint(Some(hint));
            }
            BadFolder::Hidden(suggestion) => {
                let message = "in the fs layout no part may start with a `.`";
                return error("folder-hidden", message.into(), "invalid folder name")
                    .or_hint(suggestion.map(|suggestion| format!("write `\"{suggestion}\"`")));
            }
            BadFolder::Nowhere => (
                "folder-absolute",
                String::from("a folder name is relative to the Maildir, not a path"),
                Some("write `discard`, which keeps nothing"),
            ),
            BadFolder::Reserved(part) => (
                "folder-reserved",
                format!("`{part}` is reserved in the fs layout"),
                Some("a Maildir or a mail server uses that name itself"),
            ),
            BadFolder::TooLong => (
                "folder-too-long",
                String::from("this folder name is longer than a file name may be"),
                None,
            ),
        };
        error(code, message, "invalid folder name").or_hint(hint)
    }
}

/// How two names differ that look the same to a reader.
pub fn difference(one: &str, other: &str) -> &'static str {
    if one.to_lowercase() == other.to_lowercase() { "by case" } else { "by width or spelling" }
}
