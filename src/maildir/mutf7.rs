//! Modified UTF-7, RFC 3501 §5.1.3: how IMAP servers write folder names on disk.

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";

/// The name in modified UTF-7.
pub fn encode(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    let mut run = Base64Bits::default();
    for character in name.chars() {
        if matches!(character, ' '..='~') {
            run.finish(&mut out);
            out.push(character);
            if character == '&' {
                out.push('-');
            }
        } else {
            for unit in character.encode_utf16(&mut [0; 2]) {
                run.push(*unit, &mut out);
            }
        }
    }
    run.finish(&mut out);
    out
}

/// A run of UTF-16 units that is being written as base64.
#[derive(Default)]
struct Base64Bits {
    open: bool,
    bits: u32,
    count: u32,
}

impl Base64Bits {
    fn push(&mut self, unit: u16, out: &mut String) {
        if !self.open {
            out.push('&');
            self.open = true;
        }
        self.bits = self.bits << 16 | u32::from(unit);
        self.count += 16;
        while self.count >= 6 {
            self.count -= 6;
            out.push(digit(self.bits >> self.count));
        }
        self.bits &= (1 << self.count) - 1;
    }

    fn finish(&mut self, out: &mut String) {
        if self.open {
            if self.count > 0 {
                out.push(digit(self.bits << (6 - self.count)));
            }
            out.push('-');
            *self = Base64Bits::default();
        }
    }
}

fn digit(bits: u32) -> char {
    char::from(ALPHABET[(bits & 63) as usize])
}

/// The name that is written like this; `None` if it is not canonical modified UTF-7.
pub fn decode(text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((plain, tail)) = rest.split_once('&') {
        out.push_str(plain);
        let (run, tail) = tail.split_once('-')?;
        if run.is_empty() {
            out.push('&');
        } else {
            decode_run(run, &mut out)?;
        }
        rest = tail;
    }
    out.push_str(rest);
    (encode(&out) == text).then_some(out)
}

fn decode_run(run: &str, out: &mut String) -> Option<()> {
    let (mut bits, mut count) = (0u32, 0);
    let mut units = Vec::with_capacity(run.len() / 2);
    for byte in run.bytes() {
        let value = memchr::memchr(byte, ALPHABET)?;
        bits = bits << 6 | value as u32;
        count += 6;
        if count >= 16 {
            count -= 16;
            units.push((bits >> count) as u16);
            bits &= (1 << count) - 1;
        }
    }
    for character in char::decode_utf16(units) {
        out.push(character.ok()?);
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert_eq, proptest};

    use super::*;

    const VECTORS: &[(&str, &str)] = &[
        ("台北", "&U,BTFw-"),
        ("日本語", "&ZeVnLIqe-"),
        ("~peter/mail/台北/日本語", "~peter/mail/&U,BTFw-/&ZeVnLIqe-"),
        ("迷惑メール", "&j,dg0TDhMPww6w-"),
        ("Entwürfe", "Entw&APw-rfe"),
        ("A&B", "A&-B"),
        ("&", "&-"),
        ("&ü&", "&-&APw-&-"),
        ("😀", "&2D3eAA-"),
        ("a\u{7f}", "a&AH8-"),
        ("", ""),
        ("INBOX", "INBOX"),
        ("a-b", "a-b"),
    ];

    #[test]
    fn known_names() {
        for (name, encoded) in VECTORS {
            assert_eq!(encode(name), *encoded);
            assert_eq!(decode(encoded).as_deref(), Some(*name));
        }
    }

    #[test]
    fn what_is_not_canonical_is_not_a_name() {
        for bad in ["&", "&U,BTFw", "&AGE-", "&APw-&APw-", "&U,BTFx-", "&2D0-", "&*-", "ü", "a&b"]
        {
            assert_eq!(decode(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn every_name_comes_back(name in any::<String>()) {
            let encoded = encode(&name);
            prop_assert_eq!(encoded.bytes().all(|b| (b' '..=b'~').contains(&b)), true);
            prop_assert_eq!(decode(&encoded), Some(name));
        }

        #[test]
        fn no_text_makes_it_panic(text in any::<String>()) {
            let _ = decode(&text);
        }
    }
}
