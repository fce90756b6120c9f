//! Marks before the subject.

use std::borrow::Cow;
use std::ops::Range;

use memchr::memmem;

use crate::message::encoded_word::{self, EncodedWord};
use crate::message::head::Head;
use crate::message::unfold::unfold;
use crate::message::{fold, reply_prefix};

/// The most marks and prefixes before a subject: no gateway puts more there.
pub(super) const MOST: usize = 20;
/// How long an encoded subject may be, bytes.
const LONGEST: usize = 64 << 10;
/// The longest name of a list in brackets, characters.
const LONGEST_TAG: usize = 80;

/// A raw subject without the marks before it, and the first of them as written;
/// `None` if there is no mark.
pub(super) fn strip(head: &Head, raw: &[u8], marks: &[String]) -> Option<(Vec<u8>, String)> {
    let mut value = Cow::Borrowed(raw);
    let mut first = None;
    for _ in 0..MOST {
        let Some((next, mark)) = strip_one(head, &value, marks) else { break };
        value = Cow::Owned(next);
        first.get_or_insert(mark);
    }
    Some((value.into_owned(), first?))
}

fn strip_one(head: &Head, raw: &[u8], marks: &[String]) -> Option<(Vec<u8>, String)> {
    let encoded = memmem::find(raw, b"=?").unwrap_or(raw.len());
    let plain = raw.get(..encoded)?;
    let text = match std::str::from_utf8(plain) {
        Ok(text) => text,
        Err(error) => std::str::from_utf8(plain.get(..error.valid_up_to())?).ok()?,
    };
    match seek(text, marks) {
        SubjectStart::Found(at) => {
            let mark = text.get(at.clone())?.to_owned();
            let mut cut = raw.get(..at.start)?.to_vec();
            cut.extend_from_slice(after_blank(raw.get(at.end..)?));
            return Some((cut, mark));
        }
        SubjectStart::Elsewhere => return None,
        SubjectStart::AtEnd if text.len() < plain.len() || raw.len() > LONGEST => return None,
        SubjectStart::AtEnd => {}
    }
    let rest = raw.get(encoded..)?;
    let word = EncodedWord::at(rest, 0)?;
    let declared = head.declared_charset();
    let alone = rest.get(..word.end)?;
    let decoded = encoded_word::decode(alone, declared);
    if marks.iter().any(|mark| fold::fold(&decoded).trim() == mark) {
        let mut cut = plain.to_vec();
        cut.extend_from_slice(rest.get(word.end..)?.trim_ascii_start());
        return Some((cut, decoded.trim().to_owned()));
    }
    let unfolded = unfold(rest);
    let decoded = encoded_word::decode(&unfolded, declared);
    let SubjectStart::Found(at) = seek(&decoded, marks) else { return None };
    let mark = decoded.get(at.clone())?.to_owned();
    let after = decoded.get(at.end..)?;
    let text = decoded.get(..at.start)?.to_owned() + after.strip_prefix(' ').unwrap_or(after);
    let line_end = if memmem::find(head.bytes(), b"\r\n").is_some() { "\r\n " } else { "\n " };
    let mut value = plain.to_vec();
    value.extend_from_slice(encoded_word::encode(&text).replace("\n ", line_end).as_bytes());
    Some((value, mark))
}

/// Without the one blank or fold that a gateway puts after its mark.
fn after_blank(raw: &[u8]) -> &[u8] {
    match raw {
        [b' ' | b'\t', rest @ ..]
        | [b'\n', b' ' | b'\t', rest @ ..]
        | [b'\r', b'\n', b' ' | b'\t', rest @ ..] => rest,
        _ => raw,
    }
}

/// What is at the front of a subject.
enum SubjectStart {
    /// A mark, and its place.
    Found(Range<usize>),
    /// Only prefixes; an encoded word may follow.
    AtEnd,
    /// Something else.
    Elsewhere,
}

fn seek(text: &str, marks: &[String]) -> SubjectStart {
    let mut at = 0;
    for _ in 0..MOST {
        let rest = text.get(at..).unwrap_or_default();
        at += rest.len() - rest.trim_start().len();
        let rest = rest.trim_start();
        if rest.is_empty() {
            return SubjectStart::AtEnd;
        }
        if let Some(length) = marks.iter().find_map(|mark| mark_length(rest, mark)) {
            return SubjectStart::Found(at..at + length);
        }
        match prefix_length(rest) {
            Some(length) => at += length,
            None => return SubjectStart::Elsewhere,
        }
    }
    SubjectStart::Elsewhere
}

/// How much of the text is covered by a mark at its beginning; `mark` is folded.
fn mark_length(text: &str, mark: &str) -> Option<usize> {
    let begin = text.get(..mark.len());
    if begin.is_some_and(|begin| begin.eq_ignore_ascii_case(mark)) {
        return Some(mark.len());
    }
    if text.is_ascii() && mark.is_ascii() && !mark.contains(' ') {
        return None;
    }
    let most = 4 * mark.chars().count() + 8;
    text.char_indices()
        .take(most)
        .map(|(at, c)| at + c.len_utf8())
        .find(|end| text.get(..*end).is_some_and(|begin| fold::fold(begin).trim_end() == mark))
}

/// `Re:`, `Re[2]:`, `[list]`
fn prefix_length(text: &str) -> Option<usize> {
    if let Some(rest) = text.strip_prefix('[') {
        let length = rest.chars().take(LONGEST_TAG).position(|c| c == ']')?;
        return rest.char_indices().nth(length).map(|(at, _)| at + 2);
    }
    reply_prefix::length(text)
}
