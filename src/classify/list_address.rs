//! Addresses and identifiers of lists, in the forms in which list managers write them.

use super::daemon;
use crate::ascii_case::{strip_prefix, strip_suffix};
use crate::message::Message;

/// The list's identifier, RFC 2919 §2: the text in the last angle brackets,
/// otherwise the last word.
pub fn list_id(message: &Message) -> Option<String> {
    let texts = message.texts("list-id");
    let text = texts.iter().map(|text| text.text()).find(|text| !text.is_empty())?;
    let bracketed = text.rsplit_once('<').map(|(_, rest)| rest.split('>').next().unwrap_or(rest));
    let id: String = match bracketed {
        Some(id) => id.split_whitespace().collect(),
        None => text.split_whitespace().next_back()?.trim_matches('"').to_owned(),
    };
    (!id.is_empty()).then_some(id)
}

/// Whether a local part, in lower case, is that of the list manager itself rather
/// than of a list.
pub(super) fn takes_commands(local: &str) -> bool {
    let managers =
        ["majordomo", "mailman", "sympa", "listserv", "listproc", "ezmlm", "listmaster", "root"];
    managers.contains(&local) || command_of(local).is_some() || daemon::is_system(local)
}

pub(super) fn command_of(local: &str) -> Option<&str> {
    // Lyris: `leave-NAME-123K`
    if let Some(rest) = strip_prefix(local, "leave-") {
        return Some(without_number(rest));
    }
    let before = BEFORE.iter().find_map(|word| strip_prefix(local, word)).map(without_number);
    before.or_else(|| AFTER.iter().find_map(|word| before_suffix(local, word)))
}

/// `NAME-123K` without what comes after the name.
pub(super) fn without_number(name: &str) -> &str {
    match name.rsplit_once('-') {
        Some((name, number))
            if number.starts_with(|c: char| c.is_ascii_digit()) && number.len() >= 3 =>
        {
            name
        }
        _ => name,
    }
}

const BEFORE: &[&str] =
    &["owner-", "subscribe-", "unsubscribe-", "join-", "bounce-", "request-", "errors-"];

const AFTER: &[&str] = &[
    "-unsubscribe",
    "-subscribe",
    "-request",
    "-owner",
    "-leave",
    "-join",
    "-off",
    "-on",
    "-ctl",
    "-help",
    "-bounces",
    "-admin",
    "-errors",
    "-return",
    "-bounce",
    "+unsubscribe",
    "+subscribe",
    "+owner",
    "+help",
    "+bounces",
    "-error",
    "+owners",
];

/// What is before a suffix, if anything is.
pub(super) fn before_suffix<'a>(text: &'a str, suffix: &str) -> Option<&'a str> {
    strip_suffix(text, suffix).filter(|rest| !rest.is_empty())
}
