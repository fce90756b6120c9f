//! Line breaks in raw header values.

use std::borrow::Cow;

use memchr::memchr2;

/// Removes line breaks from a raw value (RFC 5322 §2.2.3). If no blank follows,
/// as it would in a fold, a blank is inserted.
pub fn unfold(value: &[u8]) -> Cow<'_, [u8]> {
    unfold_with(value, None)
}

/// The same, with a given byte in place of each fold.
pub(super) fn unfold_with(value: &[u8], fold: Option<u8>) -> Cow<'_, [u8]> {
    if memchr2(b'\r', b'\n', value).is_none() {
        return Cow::Borrowed(value);
    }
    let mut unfolded = Vec::with_capacity(value.len());
    let mut bytes = value.iter().peekable();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\r' | b'\n' => match bytes.peek() {
                Some(b'\r' | b'\n') | None => {}
                Some(b' ' | b'\t') => unfolded.extend(fold),
                Some(_) => unfolded.push(fold.unwrap_or(b' ')),
            },
            _ => unfolded.push(*byte),
        }
    }
    Cow::Owned(unfolded)
}

/// A raw field on one line: a blank in the place of each line break, and U+FFFD in that of
/// each byte that is not UTF-8.
pub(super) fn raw_line(field: &[u8]) -> String {
    let mut line = String::with_capacity(field.len());
    for chunk in field.utf8_chunks() {
        line.push_str(&chunk.valid().replace("\r\n", "\n"));
        line.extend(chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER));
    }
    line.replace(['\r', '\n'], " ")
}
