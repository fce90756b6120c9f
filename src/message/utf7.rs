//! UTF-7 (RFC 2152), which some senders of the nineties still use.

use std::borrow::Cow;

use crate::message::base64::sextet;

/// Decodes; 8-bit bytes, which UTF-7 does not have, are read as Latin-1.
pub fn decode(bytes: &[u8]) -> Cow<'_, str> {
    if let (Ok(text), None) = (std::str::from_utf8(bytes), memchr::memchr(b'+', bytes)) {
        return Cow::Borrowed(text);
    }
    let mut text = String::with_capacity(bytes.len());
    let mut rest = bytes;
    while let [byte, tail @ ..] = rest {
        rest = tail;
        if *byte != b'+' {
            text.push(char::from(*byte));
            continue;
        }
        let length = tail.iter().take_while(|byte| sextet(**byte).is_some()).count();
        let (encoded, tail) = tail.split_at(length);
        let ended = tail.strip_prefix(b"-");
        if encoded.is_empty() {
            text.push('+');
        }
        text.extend(
            char::decode_utf16(units(encoded)).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)),
        );
        rest = ended.unwrap_or(tail);
    }
    Cow::Owned(text)
}

/// The 16-bit units of modified base64; leftover bits are padding.
fn units(encoded: &[u8]) -> impl Iterator<Item = u16> {
    let (mut bits, mut count) = (0_u32, 0_u32);
    encoded.iter().filter_map(|byte| sextet(*byte)).filter_map(move |value| {
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count < 16 {
            return None;
        }
        count -= 16;
        Some((bits >> count) as u16)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_rfc_2152() {
        assert_eq!(decode(b"A+ImIDkQ."), "A≢Α.");
        assert_eq!(decode(b"Hi Mom -+Jjo--!"), "Hi Mom -☺-!");
        assert_eq!(decode(b"+ZeVnLIqe-"), "日本語");
        assert_eq!(decode(b"Item 3 is +AKM-1."), "Item 3 is £1.");
        assert_eq!(decode(b"1 +- 1"), "1 + 1");
        assert_eq!(decode(b"+2D3cqQ"), "\u{1f4a9}");
    }
}
