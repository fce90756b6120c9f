//! What is wrong with where mail should be stored: paths as other programs write
//! them, folders that are not the ones that were meant.

#![allow(missing_docs, reason = "each variant's line explains its fields")]

use super::{Wording, error, warning};
use crate::diagnostic::Severity;
use crate::syntax::quote;

/// What is wrong with a path or the name of a folder.
#[derive(Debug, Clone, PartialEq)]
pub enum PlaceMistake {
    /// A path with something that a shell or a mail server would substitute, and
    /// what was probably meant.
    ShellPath { text: String, suggestion: String, severity: Severity },
    /// A folder given as one of procmail's variables.
    FolderVariable { name: String, suggestion: Option<String> },
    /// A capture in a folder's name as procmail or Sieve write it, `$1` or `${1}`.
    FolderCapture { name: String, suggestion: String },
    /// A part of a folder's name that begins or ends with a blank.
    FolderBlank { name: String, suggestion: String },
    /// `INBOX.Sale`, in the fs layout.
    FolderOfInbox { name: String, suggestion: String },
    /// A folder that is on disk in another spelling.
    OnDisk { name: String, other: String, how: &'static str },
    /// A folder whose earlier mail is all in another one.
    Renamed { name: String, other: String },
    /// A folder that exists in modified UTF-7 and in UTF-8.
    TwoSpellings { name: String, used: String, other: String },
    /// The store has folders of the other layout, and none of the configured one.
    OtherLayout { folder: String, layout: &'static str },
}

impl PlaceMistake {
    pub(super) fn wording(self) -> Wording {
        match self {
            PlaceMistake::ShellPath { text, suggestion, severity } => {
                let message = format!("variables are not expanded in the path `{text}`");
                let severe = if severity == Severity::Error { error } else { warning };
                severe("shell-path", message, "taken literally").or_hint(Some(format!(
                    "write `\"{suggestion}\"`; `~/` is the home, and a relative path starts at the \
                     directory of the rule file"
                )))
            }
            PlaceMistake::FolderVariable { name, suggestion } => {
                let message = format!("`{name}` would be a folder with that literal name");
                let hint = match suggestion {
                    None => String::from("the inbox is `inbox`"),
                    Some(suggestion) => {
                        format!("folders are in the Maildir: `folder \"{suggestion}\"`")
                    }
                };
                warning("folder-variable", message, "not expanded").or_hint(Some(hint))
            }
            PlaceMistake::FolderCapture { name, suggestion } => {
                let message = format!("the `$` in `{name}` stays in the folder's name");
                warning("folder-variable", message, "taken literally").or_hint(Some(format!(
                    "what a pattern captured is inserted without it: `\"{suggestion}\"`"
                )))
            }
            PlaceMistake::FolderBlank { name, suggestion } => {
                let message = format!("a part of `{name}` begins or ends with a space");
                warning("folder-blank", message, "a folder of its own")
                    .or_hint(Some(format!("if that is not intended, write `\"{suggestion}\"`")))
                    .instead_folder(&suggestion)
            }
            PlaceMistake::FolderOfInbox { name, suggestion } => {
                let message = format!("in the fs layout `{name}` is one folder, with a dot");
                warning("folder-dot", message, "not a separate level").or_hint(Some(format!(
                    "what other readers show as `{name}` is `folder \"{suggestion}\"` in maildir++"
                )))
            }
            PlaceMistake::OnDisk { name, other, how } => {
                let message = format!("`{name}` differs {how} from `{other}`, which exists");
                warning("folder-on-disk", message, "would be a folder of its own")
                    .or_hint(Some(format!("if you mean that one, write `\"{other}\"`")))
                    .instead_folder(&other)
            }
            PlaceMistake::Renamed { name, other } => {
                let message = format!("the earlier mail of `{name}` is in `{other}`");
                warning("folder-renamed", message, "was this folder renamed?")
                    .or_hint(Some(format!("if it was, write `\"{other}\"`")))
                    .instead_folder(&other)
            }
            PlaceMistake::TwoSpellings { name, used, other } => {
                let message = format!("`{name}` exists in two spellings, `{used}` and `{other}`");
                warning("folder-twice", message, "the first is used").or_hint(Some(format!(
                    "mail in `{other}` is not seen: move its mail over and remove \
                     it, or choose the spelling of your mail reader by `set folder-names`"
                )))
            }
            PlaceMistake::OtherLayout { folder, layout } => {
                let message = format!(
                    "the Maildir has folders in the {layout} layout (for example `{folder}`)"
                );
                warning("other-layout", message, "none is in this layout").or_hint(Some(format!(
                    "put `set layout {layout}` at the top, or mail readers do not see the folders \
                     that are made"
                )))
            }
        }
    }
}

impl Wording {
    /// A folder replaces the string; braces have a meaning only in some strings.
    fn instead_folder(self, name: &str) -> Wording {
        if name.contains(['{', '}']) { self } else { self.instead(quote(name)) }
    }
}
