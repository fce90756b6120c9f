//! The parts of a bounce: the mail system's words, its fields, and the mail that
//! came back.

use crate::classify::input::{self, is_within_message, unread};
use crate::classify::words::{self, bounces};
use crate::message::mime::Part;
use crate::message::{Message, charset, fold};

/// How much is read of a message that is not a delivery report, and of one part
/// of a report, bytes.
const LIMIT: usize = 64 << 10;

/// The parts of a bounce.
#[derive(Debug, Default)]
pub struct BounceParts {
    /// The text for people, up to the mail that came back; normalized.
    pub notes: String,
    /// `notes` without case, on one line.
    pub folded: String,
    /// The fields of RFC 3464; empty if there is no such part.
    pub status: String,
    /// The header of the mail that came back.
    pub returned: String,
}

/// Takes a message apart. A `report` is searched for its parts to the end.
///
/// # Errors
/// The body cannot be read.
pub fn read(message: &Message, report: bool) -> Result<BounceParts, String> {
    let start = input::opening(message, LIMIT)?;
    let opening = take_apart(&start)?;
    match report && opening.status.is_empty() {
        true => take_apart(message),
        false => Ok(opening),
    }
}

fn take_apart(message: &Message) -> Result<BounceParts, String> {
    let mut opening = BounceParts::default();
    let parts = message.parts().map_err(unread)?;
    let mut notes = String::new();
    for part in parts.iter().filter(|part| !is_within_message(parts, part)) {
        match part.media_type.as_str() {
            "message/delivery-status" | "message/global-delivery-status"
                if opening.status.len() < LIMIT =>
            {
                opening.status.push_str(&text(message, part)?);
                opening.status.push_str("\n\n");
            }
            "message/rfc822"
            | "message/global"
            | "text/rfc822-headers"
            | "message/rfc822-headers"
            | "message/global-headers"
                if opening.returned.is_empty() =>
            {
                opening.returned = text(message, part)?;
            }
            "text/html" if !notes.trim().is_empty() => {}
            media_type if media_type.starts_with("text/") && !part.split && notes.len() < LIMIT => {
                notes.push_str(&shown(media_type, &text(message, part)?));
                notes.push('\n');
            }
            _ => {}
        }
    }
    if notes.trim().is_empty() && opening.status.is_empty() {
        notes = String::from_utf8_lossy(&input::body_opening(message, LIMIT)?).into_owned();
    }
    let notes = unquoted_locals(&notes.replace("\r\n", "\n").replace('\r', "\n"));
    let (notes, came_back) = split_returned(&notes);
    if opening.returned.is_empty() {
        opening.returned = came_back.to_owned();
    }
    opening.folded = words::plain(&fold::fold(notes));
    opening.notes = notes.to_owned();
    Ok(opening)
}

/// `"taro..x."@host` without the quotes, as people write it; only a local part that
/// has blanks or marks needs them.
fn unquoted_locals(notes: &str) -> String {
    let mut rest = notes;
    let mut unquoted = String::with_capacity(notes.len());
    while let Some((before, after)) = rest.split_once("\"@") {
        rest = after;
        let plain = |c: char| c.is_ascii_alphanumeric() || "._+-/=?!#$%&*^`{|}~".contains(c);
        match before.rsplit_once('"') {
            Some((start, local)) if !local.is_empty() && local.chars().all(plain) => {
                unquoted.extend([start, local]);
            }
            _ => unquoted.extend([before, "\""]),
        }
        unquoted.push('@');
    }
    unquoted + rest
}

fn shown(media_type: &str, text: &str) -> String {
    if media_type != "text/html" {
        return text.to_owned();
    }
    let mut message = b"Content-Type: text/html; charset=utf-8\n\n".to_vec();
    message.extend_from_slice(text.as_bytes());
    let message = Message::from_bytes(message);
    let texts = message.body_texts().unwrap_or_default();
    texts.first().map(|text| text.text().to_owned()).unwrap_or_default()
}

fn text(message: &Message, part: &Part) -> Result<String, String> {
    let bytes = message.part_bytes(part, LIMIT).map_err(unread)?;
    Ok(charset::decode(part.charset.as_deref(), &bytes).replace("\r\n", "\n"))
}

/// Whether the line, in lower case, introduces the mail that came back.
fn is_marker(line: &str) -> bool {
    let starts = |text: &str, with: &[&str]| with.iter().any(|prefix| text.starts_with(prefix));
    let text = line.trim_start_matches(['-', '=', '*', '_', '|', '+', '#', ' ', '\t']);
    let drawn = line.trim_start_matches('|').get(..2);
    starts(line, bounces::RETURNED)
        || matches!(drawn, Some("--" | "==" | "**" | "__" | "##"))
            && starts(text, bounces::RETURNED_DRAWN)
}

fn split_returned(notes: &str) -> (&str, &str) {
    let mut at = 0;
    for line in notes.split_inclusive('\n') {
        let lower: String = line.trim_start().chars().take(90).collect::<String>().to_lowercase();
        if is_marker(&lower) {
            let header = at + if lower.starts_with("re") { 0 } else { line.len() };
            return (&notes[..at], &notes[header.min(notes.len())..]);
        }
        at += line.len();
    }
    (notes, "")
}
