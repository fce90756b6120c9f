//! What actions have in common in reading their arguments.

use crate::message::address::parse_list;
use crate::rules::address_list::judge;
use crate::syntax::ast::{ValueKind, ValueNode};

/// How many addresses one message is sent to at most.
pub const MOST_TARGETS: usize = 10;
/// Longest address that mail is sent to, bytes.
pub const LONGEST_TARGET: usize = 254;

/// Why the arguments of an action make none.
pub(in crate::rules) enum ArgumentError {
    /// The mistake is reported.
    Reported,
    /// It is written in another way.
    WrongArguments,
}

/// Whether an argument is a certain word.
pub(in crate::rules) fn is_word(value: Option<&ValueNode>, word: &str) -> bool {
    value.is_some_and(|value| matches!(&value.kind, ValueKind::Name(name) if name == word))
}

/// An address that mail can be sent to: `local@domain`, bare.
pub fn is_address(text: &str) -> bool {
    text.rsplit_once('@').is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty())
        && judge(text).is_none()
        && !text.starts_with('-')
        && !text.contains(char::is_whitespace)
}

/// One address, with a name or without: `Taro <taro@example.jp>`.
pub fn is_mailbox(text: &str) -> bool {
    let all = parse_list(text.as_bytes());
    matches!(all.as_slice(), [one] if is_address(&one.address()))
        && !text.contains(char::is_control)
}

/// An address that the world's mail servers take: a path is 256 bytes with its
/// brackets (RFC 5321 §4.5.3.1.3).
pub fn is_target(text: &str) -> bool {
    is_address(text) && text.len() <= LONGEST_TARGET
}
