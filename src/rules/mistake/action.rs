//! What is wrong with an action: its arguments, its flags, its answer.

#![allow(missing_docs, reason = "each variant's line explains its fields")]

use super::{Wording, error, warning};
use crate::syntax::words::flag_of_keyword;

/// What is wrong with an action.
#[derive(Debug, Clone, PartialEq)]
pub enum ActionMistake {
    /// Arguments that do not fit the action.
    WrongArguments { action: String, usage: &'static str },
    /// `as` after an action that delivers nothing.
    NoFlags { action: String },
    /// A keyword that IMAP would not accept.
    BadKeyword { name: String },
    /// A keyword with the name of a flag.
    KeywordLikeFlag { name: String, flag: &'static str },
    /// `reject` or `defer` without its status code.
    BadStatus { action: String, class: char },
    /// `reject` or `defer` without a text.
    NoReason { action: String, class: char },
    /// A program that cannot be run.
    BadProgram { name: String, why: &'static str },
    /// Something to which mail cannot be sent.
    BadAddress { text: String },
    /// Something that cannot be the author of an answer.
    BadSender { text: String },
    /// More addresses than a message may be forwarded to.
    TooManyTargets { limit: usize },
    /// `add from to NAME`, and the list is in the rules.
    ListInTheRules { name: String },
    /// The text of a reply that does not exist or cannot be read.
    ReplyUnreadable { path: String, reason: String },
}

impl ActionMistake {
    pub(super) fn wording(self) -> Wording {
        match self {
            ActionMistake::WrongArguments { action, usage } => {
                let message = format!("wrong arguments for `{action}`");
                error("wrong-arguments", message, "see the hint")
                    .or_hint(Some(format!("usage: {usage}")))
            }
            ActionMistake::NoFlags { action } => {
                let (message, hint) = match action.as_str() {
                    "mark" | "unmark" => (
                        format!("`{action}` takes its flags without `as`"),
                        "leave `as` out: `mark seen`",
                    ),
                    _ => (
                        format!("`{action}` does not deliver, so it takes no flags"),
                        "`as` may follow `inbox`, `folder`, `fileinto` and `copy`",
                    ),
                };
                error("no-flags", message, "`as` is not allowed here").or_hint(Some(hint))
            }
            ActionMistake::BadKeyword { name } => {
                let flag = name.strip_prefix('\\').and_then(flag_of_keyword);
                error("bad-keyword", format!("`{name}` is not a valid keyword"), "invalid keyword")
                    .or_hint(
                        flag.map(|flag| format!("the flag is the word without quotes: `{flag}`")),
                    )
                    .or_hint(Some("a keyword has letters, digits, `$`, `-` or `_`: `\"Work\"`"))
            }
            ActionMistake::KeywordLikeFlag { name, flag } => {
                let message = format!("the keyword `{name}` is not the flag `{flag}`");
                warning("keyword-like-flag", message, "a string is a keyword")
                    .or_hint(Some(format!("the flag is the word without quotes: `{flag}`")))
                    .instead(flag)
            }
            ActionMistake::BadStatus { action, class } => {
                let message = format!("`{action}` takes a status code `{class}.x.x` and a text");
                let text = if class == '5' { "5.7.1 not wanted" } else { "4.3.0 try again" };
                error("bad-status", message, "missing status code")
                    .or_hint(Some(format!("`{action} \"{text}\"`, for example (RFC 3463)")))
            }
            ActionMistake::NoReason { action, class } => {
                let message = format!("`{action}` has no text for the sender");
                let text = if class == '5' { "5.7.1 not wanted" } else { "4.3.0 try again" };
                error("no-reason", message, "missing text")
                    .or_hint(Some(format!("`{action} \"{text}\"`, for example")))
            }
            ActionMistake::BadProgram { name, why } => {
                let message = format!("`{name}` is not a valid program name: {why}");
                error("bad-program", message, "invalid program name")
                    .or_hint(Some("`\"bogofilter\" \"-p\" \"-e\"`, for example; there is no shell"))
            }
            ActionMistake::BadAddress { text } => {
                error("bad-address", format!("`{text}` is not a valid address"), "invalid address")
                    .or_hint(Some("a bare address: `\"hanako@example.jp\"`"))
            }
            ActionMistake::BadSender { text } => {
                let message = format!("`{text}` is not a valid sender address");
                error("bad-sender", message, "invalid sender").or_hint(Some(
                    "one address: `\"taro@example.jp\"`, `\"Taro <taro@example.jp>\"`",
                ))
            }
            ActionMistake::TooManyTargets { limit } => {
                let message = format!("a message is forwarded to {limit} addresses at most");
                error("too-many-targets", message, "too many")
                    .or_hint(Some("use an alias or a mailing list for more"))
            }
            ActionMistake::ListInTheRules { name } => {
                let message = format!("`{name}` is defined in the rules and cannot be edited");
                error("list-in-the-rules", message, "not a file")
                    .or_hint(Some(format!("keep it in a file: `list {name} \"~/.mail/{name}\"`")))
            }
            ActionMistake::ReplyUnreadable { path, reason } => {
                let message = format!("cannot read the text `{path}`: {reason}");
                warning("reply-unreadable", message, "no such text").or_hint(Some(
                    match path.contains(char::is_whitespace) {
                        true => "for a text in the rules write `reply { text \"…\" }`",
                        false => "no answers are sent until it can be read",
                    },
                ))
            }
        }
    }
}
