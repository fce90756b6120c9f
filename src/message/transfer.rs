//! Decodes Content-Transfer-Encoding piece by piece, in linear time and
//! leniently: damaged content is read as far as it makes sense (RFC 2045 §6).

use std::io::{self, Read};

use sha2::{Digest, Sha256};

use crate::message::parameter;
use crate::text::hex_byte;

/// How a part's content is encoded for transport.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Encoding {
    /// 7bit, 8bit, binary and everything unknown: unchanged.
    #[default]
    Identity,
    /// RFC 2045 §6.8
    Base64,
    /// RFC 2045 §6.7
    QuotedPrintable,
    /// `x-uuencode`: everything between `begin` and `end`.
    Uuencode,
}

impl Encoding {
    /// Reads a raw Content-Transfer-Encoding.
    pub fn parse(value: &[u8]) -> Encoding {
        let value = String::from_utf8_lossy(value);
        let word = parameter::after_comments(&value)
            .split(|c: char| c.is_ascii_whitespace() || matches!(c, ';' | '"' | '('))
            .find(|word| !word.is_empty())
            .unwrap_or_default();
        match word.to_ascii_lowercase().as_str() {
            "base64" => Encoding::Base64,
            "quoted-printable" => Encoding::QuotedPrintable,
            "x-uuencode" | "uuencode" | "x-uue" | "uue" => Encoding::Uuencode,
            _ => Encoding::Identity,
        }
    }
}

/// Decodes content that arrives in pieces.
#[derive(Debug)]
pub enum Decoder {
    /// See [`Encoding::Identity`].
    Identity,
    /// See [`Encoding::Base64`].
    Base64(Base64),
    /// See [`Encoding::QuotedPrintable`].
    QuotedPrintable(QuotedPrintable),
    /// See [`Encoding::Uuencode`].
    Uuencode(Uuencode),
}

impl Decoder {
    /// A decoder at the start of some content.
    pub fn new(encoding: Encoding) -> Decoder {
        match encoding {
            Encoding::Identity => Decoder::Identity,
            Encoding::Base64 => Decoder::Base64(Base64::default()),
            Encoding::QuotedPrintable => Decoder::QuotedPrintable(QuotedPrintable::default()),
            Encoding::Uuencode => Decoder::Uuencode(Uuencode::default()),
        }
    }

    /// Reads a piece and appends its decoded bytes.
    pub fn push(&mut self, piece: &[u8], out: &mut Vec<u8>) {
        match self {
            Decoder::Identity => out.extend_from_slice(piece),
            Decoder::Base64(decoder) => decoder.push(piece, out),
            Decoder::QuotedPrintable(decoder) => decoder.push(piece, out),
            Decoder::Uuencode(decoder) => decoder.push(piece, out),
        }
    }

    /// Appends what is still held back, at the end.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        match self {
            Decoder::Identity => {}
            Decoder::Base64(decoder) => decoder.flush(out),
            Decoder::QuotedPrintable(decoder) => decoder.finish(out),
            Decoder::Uuencode(decoder) => decoder.line(out),
        }
    }
}

const PAD: u8 = 64;
const SKIP: u8 = 65;

const SEXTETS: [u8; 256] = {
    let mut table = [SKIP; 256];
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut at = 0;
    while at < 64 {
        table[alphabet[at] as usize] = at as u8;
        at += 1;
    }
    table[b'=' as usize] = PAD;
    table
};

/// Skips characters outside the alphabet; padding ends a group of four, and
/// another stretch may follow it.
#[derive(Debug, Default)]
pub struct Base64 {
    bits: u32,
    count: u8,
}

impl Base64 {
    fn push(&mut self, piece: &[u8], out: &mut Vec<u8>) {
        out.reserve(piece.len() / 4 * 3 + 3);
        let mut rest = piece;
        while let Some((first, following)) = rest.split_first() {
            if self.count == 0
                && let Some((group, following)) = rest.split_first_chunk::<4>()
            {
                let [a, b, c, d] = group.map(|byte| SEXTETS[byte as usize]);
                if (a | b | c | d) < PAD {
                    let bits =
                        u32::from_be_bytes([0, a << 2 | b >> 4, b << 4 | c >> 2, c << 6 | d]);
                    out.extend_from_slice(&bits.to_be_bytes()[1..]);
                    rest = following;
                    continue;
                }
            }
            rest = following;
            match SEXTETS[*first as usize] {
                SKIP => {}
                PAD => self.flush(out),
                sextet => {
                    self.bits = self.bits << 6 | u32::from(sextet);
                    self.count += 1;
                    if self.count == 4 {
                        out.extend_from_slice(&self.bits.to_be_bytes()[1..]);
                        *self = Base64::default();
                    }
                }
            }
        }
    }

    /// Two sextets contain one byte, three contain two.
    fn flush(&mut self, out: &mut Vec<u8>) {
        match self.count {
            2 => out.push((self.bits >> 4) as u8),
            3 => out.extend_from_slice(&((self.bits >> 2) as u16).to_be_bytes()),
            _ => {}
        }
        *self = Base64::default();
    }
}

/// Longer runs of blanks are kept even at line ends.
const BLANKS: usize = 1000;

/// Drops blanks at line ends; a `=` that does not begin an escape stands for itself.
#[derive(Debug, Default)]
pub struct QuotedPrintable {
    /// Blanks that may turn out to be at a line end, or an incomplete escape.
    pending: Vec<u8>,
}

impl QuotedPrintable {
    fn push(&mut self, piece: &[u8], out: &mut Vec<u8>) {
        let mut rest = piece;
        while let Some((byte, following)) = rest.split_first() {
            if self.pending.is_empty() {
                let end = memchr::memchr2(b'=', b'\n', rest).unwrap_or(rest.len());
                // Blanks before it may be at a line end.
                let plain = rest
                    .get(..end)
                    .and_then(|line| line.iter().rposition(|byte| !b" \t\r".contains(byte)))
                    .map_or(0, |at| at + 1);
                if plain > 0 {
                    let (plain, following) = rest.split_at(plain);
                    out.extend_from_slice(plain);
                    rest = following;
                    continue;
                }
            }
            match self.pending.as_slice() {
                [b'='] => match byte {
                    b'\n' => {
                        self.pending.clear();
                        rest = following;
                    }
                    b'0'..=b'9' | b'A'..=b'F' | b'a'..=b'f' | b' ' | b'\t' | b'\r' => {
                        self.pending.push(*byte);
                        rest = following;
                    }
                    // The byte is read again, now on its own.
                    _ => self.release(out),
                },
                [b'=', blank @ (b' ' | b'\t' | b'\r'), ..] => match byte {
                    b'\n' => {
                        self.pending.clear();
                        rest = following;
                    }
                    b' ' | b'\t' | b'\r' => rest = following,
                    _ if *blank == b'\r' => self.pending.clear(),
                    _ => self.release(out),
                },
                [b'=', high] => {
                    match hex_byte(*high, *byte) {
                        Some(decoded) => {
                            out.push(decoded);
                            self.pending.clear();
                            rest = following;
                        }
                        None => self.release(out),
                    };
                }
                pending => match byte {
                    b'\n' => {
                        if pending.last() == Some(&b'\r') {
                            out.push(b'\r');
                        }
                        out.push(b'\n');
                        self.pending.clear();
                        rest = following;
                    }
                    b' ' | b'\t' | b'\r' if pending.len() < BLANKS => {
                        self.pending.push(*byte);
                        rest = following;
                    }
                    _ => {
                        self.release(out);
                        if *byte == b'=' {
                            self.pending.push(b'=');
                            rest = following;
                        }
                    }
                },
            }
        }
    }

    fn release(&mut self, out: &mut Vec<u8>) {
        out.append(&mut self.pending);
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        if self.pending.first() == Some(&b'=')
            && self.pending.len() > 1
            && self.pending[1].is_ascii_hexdigit()
        {
            self.release(out);
        }
        self.pending.clear();
    }
}

/// The longest line that is kept, in bytes; real ones have 62.
const UU_LINE: usize = 256;

/// Everything outside `begin` and `end` is skipped.
#[derive(Debug, Default)]
pub struct Uuencode {
    line: Vec<u8>,
    has_begun: bool,
}

impl Uuencode {
    fn push(&mut self, piece: &[u8], out: &mut Vec<u8>) {
        for byte in piece {
            match byte {
                b'\n' => self.line(out),
                _ if self.line.len() < UU_LINE => self.line.push(*byte),
                _ => {}
            }
        }
    }

    fn line(&mut self, out: &mut Vec<u8>) {
        // Blanks at the end of a line of data are zeros.
        let data = self.line.strip_suffix(b"\r").unwrap_or(&self.line);
        if !self.has_begun {
            self.has_begun = data.starts_with(b"begin ");
        } else if data.trim_ascii_end() == b"end" {
            self.has_begun = false;
        } else if let Some((length, text)) = data.split_first() {
            let length = usize::from(length.wrapping_sub(b' ') & 63);
            let end = out.len() + length;
            for group in text.chunks(4) {
                let mut sextets = [0; 4];
                for (sextet, byte) in sextets.iter_mut().zip(group) {
                    *sextet = byte.wrapping_sub(b' ') & 63;
                }
                let [a, b, c, d] = sextets;
                out.extend_from_slice(&[a << 2 | b >> 4, b << 4 | c >> 2, c << 6 | d]);
            }
            out.truncate(end);
        }
        self.line.clear();
    }
}

/// How much of the content is read at once, bytes.
const BUFFER: usize = 8 << 10;

/// Decodes content and passes it on in pieces until `sink` has enough.
pub(super) fn decode(
    mut content: impl Read,
    encoding: Encoding,
    mut sink: impl FnMut(&[u8]) -> bool,
) -> io::Result<()> {
    let mut decoder = Decoder::new(encoding);
    let mut buffer = [0; BUFFER];
    let mut decoded = Vec::new();
    loop {
        match content.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => decoder.push(buffer.get(..count).unwrap_or_default(), &mut decoded),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        }
        if !sink(&decoded) {
            return Ok(());
        }
        decoded.clear();
    }
    decoder.finish(&mut decoded);
    sink(&decoded);
    Ok(())
}

/// The size of decoded content, bytes.
pub(super) fn size(content: impl Read, encoding: Encoding) -> io::Result<u64> {
    let mut size = 0;
    decode(content, encoding, |piece| {
        size += piece.len() as u64;
        true
    })?;
    Ok(size)
}

/// SHA-256 of decoded content, lower-case hexadecimal.
pub(super) fn sha256(content: impl Read, encoding: Encoding) -> io::Result<String> {
    let mut hash = Sha256::new();
    decode(content, encoding, |piece| {
        hash.update(piece);
        true
    })?;
    Ok(format!("{:x}", hash.finalize()))
}

/// The first bytes of decoded content, at most `limit`.
pub(super) fn prefix(content: impl Read, encoding: Encoding, limit: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    decode(content, encoding, |piece| {
        let room = limit - bytes.len();
        bytes.extend_from_slice(piece.get(..room).unwrap_or(piece));
        bytes.len() < limit
    })?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Decodes in one piece and byte by byte; both must return the same.
    fn decode(encoding: Encoding, bytes: &[u8]) -> Vec<u8> {
        let (mut whole, mut split) = (Vec::new(), Vec::new());
        let mut decoder = Decoder::new(encoding);
        decoder.push(bytes, &mut whole);
        decoder.finish(&mut whole);
        let mut decoder = Decoder::new(encoding);
        for byte in bytes {
            decoder.push(std::slice::from_ref(byte), &mut split);
        }
        decoder.finish(&mut split);
        assert_eq!(whole, split);
        whole
    }

    #[test]
    fn names_of_encodings() {
        assert_eq!(Encoding::parse(b" BASE64 \r\n"), Encoding::Base64);
        assert_eq!(Encoding::parse(b"\"quoted-printable\"; x"), Encoding::QuotedPrintable);
        assert_eq!(Encoding::parse(b"(as (RFC) 2045 says) base64(!)"), Encoding::Base64);
        assert_eq!(Encoding::parse(b"8bit"), Encoding::Identity);
        assert_eq!(Encoding::parse(b""), Encoding::Identity);
    }

    #[test]
    fn base64() {
        for (text, want) in [
            ("aGVsbG8=", "hello"),
            ("aGVs\r\nbG8=\n", "hello"),
            ("aGV sbG8", "hello"),
            ("aGk=aGk=", "hihi"),
            ("a", ""),
            ("====", ""),
            ("!aG-k", "hi"),
            ("", ""),
        ] {
            assert_eq!(decode(Encoding::Base64, text.as_bytes()), want.as_bytes(), "{text}");
        }
    }

    #[test]
    fn quoted_printable() {
        for (text, want) in [
            ("caf=C3=A9", "café"),
            ("caf=c3=a9", "café"),
            ("soft =\nbreak", "soft break"),
            ("soft=  \r\nbreak", "softbreak"),
            ("end \t\nof", "end\nof"),
            ("end \r\nof", "end\r\nof"),
            ("a = b =zz =A", "a = b =zz =A"),
            ("==41", "=A"),
            ("=4=41", "=4A"),
            ("last=", "last"),
            ("last  ", "last"),
        ] {
            assert_eq!(
                decode(Encoding::QuotedPrintable, text.as_bytes()),
                want.as_bytes(),
                "{text}"
            );
        }
    }

    #[test]
    fn uuencode() {
        let text = b"noise\nbegin 644 cat.txt\n#0V%T\n`\nend\nnoise\n";
        assert_eq!(decode(Encoding::Uuencode, text), b"Cat");
        assert_eq!(decode(Encoding::Uuencode, b"begin 644 x\r\n)0V%T       \r\nend\r\n").len(), 9);
    }

    proptest! {
        #[test]
        fn any_bytes_in_any_pieces(bytes in proptest::collection::vec(
            prop_oneof![any::<u8>(), Just(b'='), Just(b'\n'), Just(b'\r'), Just(b' '), Just(b'A')],
            0..200,
        )) {
            for encoding in
                [Encoding::Identity, Encoding::Base64, Encoding::QuotedPrintable, Encoding::Uuencode]
            {
                let decoded = decode(encoding, &bytes);
                prop_assert!(decoded.len() <= bytes.len());
            }
        }
    }

    #[test]
    fn size_hash_and_prefix() {
        let content = b"aGVs\nbG8=\n".as_slice();
        assert_eq!(size(content, Encoding::Base64).unwrap(), 5);
        assert_eq!(
            sha256(content, Encoding::Base64).unwrap(),
            "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
        );
        assert_eq!(prefix(content, Encoding::Base64, 2).unwrap(), b"he");
        assert_eq!(prefix(content, Encoding::Base64, 0).unwrap(), b"");
    }
}
