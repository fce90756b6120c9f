//! 7-bit charsets that switch between sets: ISO-2022-JP and its relatives (RFC
//! 1468, 1554, 2237, CP50220 to CP50222), ISO-2022-KR (RFC 1557), the GB 2312
//! part of ISO-2022-CN (RFC 1922), HZ (RFC 1843).
//!
//! Browsers dropped most of them, and encoding_rs with them. Its ISO-2022-JP is
//! the browsers' version: no SO and SI, no JIS X 0212, no 8-bit katakana, and a
//! line that ends in a double-byte set ruins the next. So the shifts are followed
//! here, and each stretch is handed to encoding_rs as EUC, whose tables also
//! contain the NEC and IBM characters of Microsoft.

use encoding_rs::{EUC_JP, EUC_KR, Encoding, GBK, ISO_8859_7, WINDOWS_1252};

use crate::message::jisx0213;

const ESC: u8 = 0x1b;
const SO: u8 = 0x0e;
const SI: u8 = 0x0f;

/// A character set that an escape can designate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Set {
    /// ASCII, and JIS X 0201 Roman, read as Microsoft does: `\` and `~` stay.
    Ascii,
    /// JIS X 0201 katakana, one byte each.
    Kana,
    /// JIS X 0208.
    Jis0208,
    /// JIS X 0213, plane 1, which is JIS X 0208 for the most part.
    Jis0213,
    /// JIS X 0213, plane 2.
    Jis0213Second,
    /// JIS X 0212.
    Jis0212,
    /// GB 2312.
    Gb2312,
    /// KS X 1001, called KS C 5601.
    Ksc5601,
    /// A two-byte set for which there is no table.
    Unreadable,
}

/// The high half of an 8-bit set, one character at a time (RFC 1554).
#[derive(Debug, Clone, Copy)]
enum SingleShift {
    Latin1,
    Greek,
}

/// Whether there is something for [`decode`] to do.
pub fn has_shifts(bytes: &[u8]) -> bool {
    memchr::memchr2(ESC, SO, bytes).is_some()
}

/// Decodes; `shifted` is the set that SO shifts to if no escape has designated one.
pub fn decode(bytes: &[u8], shifted: Set) -> String {
    let mut text = DecodedText::new(bytes.len());
    let (mut g0, mut g1, mut g2) = (Set::Ascii, shifted, SingleShift::Latin1);
    let mut shift_out = false;
    let mut rest = bytes;
    while let [byte, tail @ ..] = rest {
        rest = tail;
        let set = if shift_out { g1 } else { g0 };
        match *byte {
            ESC => match tail {
                [b'$', b')', last, tail @ ..] => (g1, rest) = (double(*last), tail),
                [b'$', b'(', last, tail @ ..] => (g0, rest) = (double(*last), tail),
                [b'$', b'*' | b'+', _, tail @ ..] | [b'&', b'@', tail @ ..] => rest = tail,
                [b'$', last @ (b'@' | b'A' | b'B'), tail @ ..] => {
                    (g0, rest) = (double(*last), tail);
                }
                [b'(', b'I', tail @ ..] => (g0, rest) = (Set::Kana, tail),
                [b'(', b'A'..=b'Z', tail @ ..] => (g0, rest) = (Set::Ascii, tail),
                [b')', b'I', tail @ ..] => (g1, rest) = (Set::Kana, tail),
                [b'.', b'F', tail @ ..] => (g2, rest) = (SingleShift::Greek, tail),
                [b'.', _, tail @ ..] => (g2, rest) = (SingleShift::Latin1, tail),
                [b'N', one, tail @ ..] => {
                    rest = tail;
                    text.single(g2, *one);
                }
                _ => text.ascii(ESC),
            },
            SO => shift_out = true,
            SI => shift_out = false,
            // Each line starts in ASCII, RFC 1468 and 1557.
            b'\n' | b'\r' => {
                (g0, shift_out) = (Set::Ascii, false);
                text.ascii(*byte);
            }
            0x21..=0x7e => match (set, tail) {
                (Set::Ascii, _) => text.ascii(*byte),
                (Set::Kana, _) if *byte <= 0x5f => text.push(EUC_JP, &[0x8e, *byte | 0x80]),
                (Set::Kana, _) => text.ascii(*byte),
                (_, [trail @ 0x21..=0x7e, tail @ ..]) => {
                    rest = tail;
                    text.double(set, *byte, *trail);
                }
                _ => text.unreadable(),
            },
            0x80.. => match shifted {
                Set::Ksc5601 => text.push(EUC_KR, &[*byte]),
                Set::Gb2312 => text.push(GBK, &[*byte]),
                _ if (0xa1..=0xdf).contains(byte) => text.push(EUC_JP, &[0x8e, *byte]),
                _ => text.unreadable(),
            },
            _ => text.ascii(*byte),
        }
    }
    text.finish()
}

/// Decodes HZ: `~{` and `~}` around GB 2312, `~~` for a tilde.
pub fn decode_hz(bytes: &[u8]) -> String {
    let mut text = DecodedText::new(bytes.len());
    let mut chinese = false;
    let mut rest = bytes;
    while let [byte, tail @ ..] = rest {
        rest = tail;
        match (*byte, tail) {
            (b'~', [b'{', tail @ ..]) if !chinese => (chinese, rest) = (true, tail),
            (b'~', [b'}', tail @ ..]) if chinese => (chinese, rest) = (false, tail),
            (b'~', [b'\n', tail @ ..]) if !chinese => rest = tail,
            (b'~', [b'~', tail @ ..]) if !chinese => {
                rest = tail;
                text.ascii(b'~');
            }
            (b'\n', _) => {
                chinese = false;
                text.ascii(b'\n');
            }
            (0x21..=0x7e, [trail @ 0x21..=0x7e, tail @ ..]) if chinese => {
                rest = tail;
                text.double(Set::Gb2312, *byte, *trail);
            }
            (0x80.., _) => text.push(GBK, &[*byte]),
            _ => text.ascii(*byte),
        }
    }
    text.finish()
}

/// The two-byte set that an escape's last byte designates.
fn double(last: u8) -> Set {
    match last {
        b'@' | b'B' => Set::Jis0208,
        b'O' | b'Q' => Set::Jis0213,
        b'P' => Set::Jis0213Second,
        b'D' => Set::Jis0212,
        b'A' => Set::Gb2312,
        b'C' => Set::Ksc5601,
        _ => Set::Unreadable,
    }
}

/// The decoded text, and a stretch of 8-bit text that is still to be decoded.
struct DecodedText {
    done: String,
    stretch: Vec<u8>,
    encoding: &'static Encoding,
}

impl DecodedText {
    fn new(length: usize) -> DecodedText {
        DecodedText {
            done: String::with_capacity(length),
            stretch: Vec::with_capacity(length),
            encoding: EUC_JP,
        }
    }

    fn ascii(&mut self, byte: u8) {
        self.stretch.push(byte);
    }

    fn push(&mut self, encoding: &'static Encoding, bytes: &[u8]) {
        if self.encoding != encoding {
            self.flush();
            self.encoding = encoding;
        }
        self.stretch.extend_from_slice(bytes);
    }

    fn double(&mut self, set: Set, lead: u8, trail: u8) {
        let plane = match set {
            Set::Jis0213 => 1,
            Set::Jis0213Second => 2,
            _ => 0,
        };
        if let Some(found) = jisx0213::character(plane, lead - 0x20, trail - 0x20) {
            self.flush();
            return self.done.push(found);
        }
        let (lead, trail) = (lead | 0x80, trail | 0x80);
        match set {
            Set::Jis0208 | Set::Jis0213 => self.push(EUC_JP, &[lead, trail]),
            Set::Jis0212 => self.push(EUC_JP, &[0x8f, lead, trail]),
            Set::Gb2312 => self.push(GBK, &[lead, trail]),
            Set::Ksc5601 => self.push(EUC_KR, &[lead, trail]),
            Set::Ascii | Set::Kana | Set::Jis0213Second | Set::Unreadable => self.unreadable(),
        }
    }

    fn single(&mut self, set: SingleShift, byte: u8) {
        let encoding = match set {
            SingleShift::Latin1 => WINDOWS_1252,
            SingleShift::Greek => ISO_8859_7,
        };
        self.push(encoding, &[byte | 0x80]);
    }

    fn unreadable(&mut self) {
        self.flush();
        self.done.push(char::REPLACEMENT_CHARACTER);
    }

    fn flush(&mut self) {
        self.done.push_str(&self.encoding.decode_without_bom_handling(&self.stretch).0);
        self.stretch.clear();
    }

    fn finish(mut self) -> String {
        self.flush();
        self.done
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jp(bytes: &[u8]) -> String {
        decode(bytes, Set::Kana)
    }

    #[test]
    fn japanese_sets_and_shifts() {
        assert_eq!(jp(b"\x1b$BF|K\\\x1b(B ok"), "日本 ok");
        assert_eq!(jp(b"\x1b$@F|K\\\x1b(J\\~"), "日本\\~");
        assert_eq!(jp(b"\x1b(I6E\x1b(B."), "ｶﾅ.");
        assert_eq!(jp(b"\x0e6E\x0f."), "ｶﾅ.");
        assert_eq!(jp(b"\xb6\xc5\x1b$BF|\x1b(B"), "ｶﾅ日");
    }

    #[test]
    fn characters_of_nec_and_ibm_as_microsoft_sends_them() {
        assert_eq!(jp(b"\x1b$B-!-j|b\x1b(B"), "①㈱髙");
        assert_eq!(jp(b"\x1b$(D0-\x1b(B"), "丰");
        assert_eq!(jp(b"\x1b$(QOT$k-!\x1b$(P!!\x1b(B"), "𠮟る①𠂉");
    }

    #[test]
    fn a_line_ends_every_shift() {
        assert_eq!(jp(b"\x1b$BF|\nabc"), "日\nabc");
    }

    #[test]
    fn other_languages() {
        assert_eq!(decode(b"\x1b$)C\x0eGQ19\x0f!", Set::Ksc5601), "한국!");
        assert_eq!(decode(b"\x1b$)A\x0eVPND\x0f!", Set::Gb2312), "中文!");
        assert_eq!(jp(b"\x1b$AVP\x1b$(CGQ\x1b$BF|\x1b(B"), "中한日");
        assert_eq!(jp(b"caf\x1b.A\x1bNi"), "café");
    }

    #[test]
    fn what_is_cut_short_is_one_replacement() {
        assert_eq!(jp(b"\x1b$BF|K"), "日\u{fffd}");
        assert_eq!(jp(b"\x1b$BF|K\x1b(B."), "日\u{fffd}.");
        assert_eq!(jp(b"\x1b$"), "\x1b$");
    }
}
