//! Base64 as headers and UTF-7 need it: nothing is an error.

/// The value of one character of the alphabet (RFC 4648 §4).
pub fn sextet(byte: u8) -> Option<u8> {
    match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    }
}

/// Appends the bytes that `text` encodes. Padding may be missing, or occur
/// between two texts that were joined; other characters are skipped.
pub fn decode_to(text: &[u8], bytes: &mut Vec<u8>) {
    let (mut bits, mut count) = (0_u32, 0_u32);
    for byte in text {
        match sextet(*byte) {
            Some(value) => {
                bits = (bits << 6 | u32::from(value)) & 0xffff;
                count += 6;
                if count >= 8 {
                    count -= 8;
                    bytes.push((bits >> count) as u8);
                }
            }
            None if *byte == b'=' => count = 0,
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_is_a_matter_of_taste() {
        for text in ["YWJjZA==", "YWJjZA", "YWJj ZA=", "YWI=Y2Q="] {
            let mut bytes = Vec::new();
            decode_to(text.as_bytes(), &mut bytes);
            assert_eq!(bytes, b"abcd", "{text}");
        }
    }
}
