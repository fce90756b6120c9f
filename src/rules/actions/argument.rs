//! What the actions have in common when they read their arguments.

use crate::message::address::parse_list;
use crate::rules::list_entry::judge;
use crate::syntax::ast::{ValueKind, ValueNode};

/// How many addresses one message may be sent to.
pub const MOST_TARGETS: usize = 10;
/// The longest address to which mail is sent, bytes.
pub const LONGEST_TARGET: usize = 254;

/// Why the arguments of an action cannot be used.
pub(in crate::rules) enum ArgumentError {
    /// The mistake has been reported.
    Reported,
    /// The arguments do not have the form that the action requires.
    WrongArguments,
}

/// Whether an argument is a certain word.
pub(in crate::rules) fn is_word(value: Option<&ValueNode>, word: &str) -> bool {
    value.is_some_and(|value| matches!(&value.kind, ValueKind::Name(name) if name == word))
}

/// Whether a text is an address to which mail can be sent: `local@domain`, bare.
pub fn is_address(text: &str) -> bool {
    text.rsplit_once('@').is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty())
        && judge(text).is_none()
        && !text.starts_with('-')
        && !text.contains(char::is_whitespace)
}

/// Whether a text is one address, with or without a name: `Taro <taro@example.jp>`.
pub fn is_mailbox(text: &str) -> bool {
    let all = parse_list(text.as_bytes());
    matches!(all.as_slice(), [one] if is_address(&one.address()))
        && !text.contains(char::is_control)
}

/// Whether a text is an address that mail servers everywhere accept: a path has at
/// most 256 bytes including its brackets (RFC 5321 §4.5.3.1.3).
pub fn is_target(text: &str) -> bool {
    is_address(text) && text.len() <= LONGEST_TARGET
}
