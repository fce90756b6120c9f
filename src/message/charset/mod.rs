//! Converts bytes of a named charset to text, as mail needs it.
//!
//! encoding_rs knows what browsers know. Mail needs more: Microsoft's names (`label`), the
//! 7-bit charsets that browsers gave up ([`iso2022`], [`utf7`]), and guesses for bytes with
//! no label or with a wrong one (`guess`).

mod guess;
mod label;

use std::borrow::Cow;

use encoding_rs::{
    EUC_JP, EUC_KR, Encoding, GBK, ISO_8859_15, MACINTOSH, SHIFT_JIS, UTF_8, UTF_16BE, UTF_16LE,
    WINDOWS_874, WINDOWS_1252,
};
use mail_parser::decoders::charsets::map::charset_decoder;
use memchr::memchr_iter;

use self::guess::{Utf8Share, japanese, unsaid};
pub use self::guess::{detect, guess, looks_like_iso_2022_jp, packed_name};
pub use self::label::standard_name;
use self::label::{Charset, named};
use crate::message::iso2022::{self, Set};
use crate::message::{jisx0213, utf7};

/// Decodes a text of the charset called `label`. Never fails: what cannot be read
/// becomes U+FFFD. A byte-order mark, escapes to a Japanese set, and text that can
/// hardly be anything but UTF-8 override the label. Without a (known) label: UTF-8 if the text is valid, EUC-JP or Shift_JIS if it is valid
/// with kana, otherwise windows-1252.
pub fn decode<'a>(label: Option<&str>, bytes: &'a [u8]) -> Cow<'a, str> {
    match byte_order_mark(bytes).or(label).map_or(Charset::Unsaid, named) {
        Charset::Unsaid => unsaid(bytes),
        Charset::Known(encoding) if encoding == UTF_16LE || encoding == UTF_16BE => {
            encoding.decode_with_bom_removal(bytes).0
        }
        Charset::Known(encoding) => known(encoding, bytes),
        Charset::Utf32(little) => Cow::Owned(utf32(bytes, little)),
        Charset::Iso2022(shifted) => match std::str::from_utf8(bytes) {
            Ok(text) if !iso2022::has_shifts(bytes) => Cow::Borrowed(text),
            Err(_) if !iso2022::has_shifts(bytes) => eight_bit(shifted, bytes),
            _ => Cow::Owned(iso2022::decode(bytes, shifted)),
        },
        Charset::Hz if !bytes.is_ascii() => match std::str::from_utf8(bytes) {
            Ok(text) => Cow::Borrowed(text),
            Err(_) => known(GBK, bytes),
        },
        Charset::Hz => Cow::Owned(iso2022::decode_hz(bytes)),
        // What the label says is not sure: many mean the charset of Microsoft.
        Charset::EucJis2004 => match known(EUC_JP, bytes) {
            text if text.contains(char::REPLACEMENT_CHARACTER) => {
                Cow::Owned(jisx0213::decode_euc(bytes))
            }
            text => text,
        },
        Charset::ShiftJis2004 => match known(SHIFT_JIS, bytes) {
            text if text.contains(is_substitute) => Cow::Owned(jisx0213::decode_shift_jis(bytes)),
            text => text,
        },
        Charset::Utf7 => utf7::decode(bytes),
        Charset::Utf16 => utf16(bytes),
        Charset::Ibm850 => match charset_decoder(b"ibm850") {
            Some(decoder) => Cow::Owned(decoder(bytes)),
            None => unsaid(bytes),
        },
    }
}

/// A character that a charset does not have, or leaves to its users.
fn is_substitute(c: char) -> bool {
    matches!(c, char::REPLACEMENT_CHARACTER | '\u{e000}'..='\u{f8ff}')
}

/// The charset that the first bytes of a text indicate.
pub fn byte_order_mark(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [0xef, 0xbb, 0xbf, ..] => Some("utf-8"),
        [0xff, 0xfe, 0, 0, ..] => Some("utf-32le"),
        [0, 0, 0xfe, 0xff, ..] => Some("utf-32be"),
        [0xff, 0xfe, _, _, ..] => Some("utf-16le"),
        [0xfe, 0xff, _, _, ..] => Some("utf-16be"),
        _ => None,
    }
}

/// Text of a charset that extends ASCII, unless the bytes prove the label wrong.
fn known<'a>(encoding: &'static Encoding, bytes: &'a [u8]) -> Cow<'a, str> {
    if looks_like_iso_2022_jp(bytes) {
        return Cow::Owned(with_shifts(encoding, bytes));
    }
    if encoding == UTF_8 || is_utf_8(encoding, bytes) {
        let (text, broken) = UTF_8.decode_with_bom_removal(bytes);
        return if broken { mislabelled(bytes).unwrap_or(text) } else { text };
    }
    let (text, broken) = encoding.decode_without_bom_handling(bytes);
    let of_japan = [EUC_JP, SHIFT_JIS].contains(&encoding);
    let wrong = broken && of_japan || encoding == SHIFT_JIS && looks_like_euc_jp(&text);
    if wrong { mislabelled(bytes).unwrap_or(text) } else { text }
}

/// Whether a text read as Shift_JIS may be EUC-JP, whose kana come out as half-width
/// signs, most of them a comma or a dot.
fn looks_like_euc_jp(text: &str) -> bool {
    let (mut kana, mut signs) = (0_usize, 0_usize);
    for c in text.chars() {
        kana += usize::from(matches!(c, '\u{3041}'..='\u{30fe}'));
        signs += usize::from(matches!(c, '､' | '･'));
    }
    signs > kana
}

/// Japanese in another charset than its label says, in which it cannot be read.
fn mislabelled(bytes: &[u8]) -> Option<Cow<'_, str>> {
    let most_is_utf_8 = Utf8Share::of(bytes).is_most();
    if most_is_utf_8 { None } else { japanese(bytes).map(|(_, text)| text) }
}

/// ISO-2022-JP, which is 7-bit, among lines in the labelled charset.
fn with_shifts(encoding: &'static Encoding, bytes: &[u8]) -> String {
    if bytes.is_ascii() {
        return iso2022::decode(bytes, Set::Kana);
    }
    let mut text = String::with_capacity(bytes.len());
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        match line.is_ascii() && iso2022::has_shifts(line) {
            true => text.push_str(&iso2022::decode(line, Set::Kana)),
            false => text.push_str(&encoding.decode_without_bom_handling(line).0),
        }
    }
    text
}

/// Whether text labelled with another charset is UTF-8. Some sequences are also
/// valid in that charset by chance: rarely if each byte is a character, and a few
/// in a row if most characters have two bytes.
fn is_utf_8(label: &'static Encoding, bytes: &[u8]) -> bool {
    if bytes.is_ascii() {
        return false;
    }
    let by_chance = match label {
        _ if label == WINDOWS_1252 || label == ISO_8859_15 || label == MACINTOSH => 0,
        // Thai vowels and consonants form many such sequences.
        _ if label == WINDOWS_874 => 8,
        _ if label.is_single_byte() => 1,
        _ => 8,
    };
    let share = Utf8Share::of(bytes);
    match share.invalid {
        0 if share.valid > by_chance || has_kana(bytes) => true,
        0 => label.decode_without_bom_handling_and_without_replacement(bytes).is_none(),
        _ => share.is_most(),
    }
}

/// Whether there is kana in UTF-8, several in a row: in the charsets of East Asia,
/// its three bytes are characters that hardly follow each other.
fn has_kana(bytes: &[u8]) -> bool {
    let kana = |three: &[u8]| matches!(three, [0xe3, 0x81..=0x83, 0x80..=0xbf]);
    bytes.windows(6).any(|two| kana(&two[..3]) && kana(&two[3..]))
}

/// Values that are not code points become U+FFFD. Big-endian if unspecified,
/// unless that makes no sense.
fn utf32(bytes: &[u8], little: Option<bool>) -> String {
    let little = little.unwrap_or_else(|| bytes.first().is_some_and(|byte| *byte != 0));
    let units = bytes.chunks(4).map(|unit| match <[u8; 4]>::try_from(unit) {
        Ok(unit) if little => u32::from_le_bytes(unit),
        Ok(unit) => u32::from_be_bytes(unit),
        Err(_) => u32::MAX,
    });
    units.map(|unit| char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
}

/// 8-bit text under a 7-bit label: the other charset of the same language. EUC
/// first: Shift_JIS text is rarely valid EUC, while the reverse is often true.
fn eight_bit(shifted: Set, bytes: &[u8]) -> Cow<'_, str> {
    let candidates: &[&'static Encoding] = match shifted {
        Set::Ksc5601 => &[EUC_KR],
        Set::Gb2312 => &[GBK],
        _ => &[EUC_JP, SHIFT_JIS],
    };
    candidates
        .iter()
        .find_map(|encoding| encoding.decode_without_bom_handling_and_without_replacement(bytes))
        .unwrap_or_else(|| unsaid(bytes))
}

/// RFC 2781 §4.3 assumes big-endian if unspecified; senders on Windows do not,
/// and the zero bytes of ASCII text show it.
fn utf16(bytes: &[u8]) -> Cow<'_, str> {
    if let Some((encoding, length)) = Encoding::for_bom(bytes) {
        return encoding.decode_without_bom_handling(&bytes[length..]).0;
    }
    let zeros_at = |odd: usize| memchr_iter(0, bytes).filter(|at| at % 2 == odd).count();
    let encoding = if zeros_at(1) > zeros_at(0) { UTF_16LE } else { UTF_16BE };
    encoding.decode_without_bom_handling(bytes).0
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ascii_is_borrowed_under_every_label() {
        for label in [None, Some("utf-8"), Some("iso-2022-jp"), Some("shift_jis"), Some("x-no")] {
            assert!(matches!(decode(label, b"plain text"), Cow::Borrowed("plain text")));
        }
    }

    #[test]
    fn jis_x_0213_by_its_labels() {
        for (label, bytes) in [
            ("iso-2022-jp-2004", &b"\x1b$(QOT$k\x1b(B"[..]),
            ("Shift_JIS-2004", b"\x98\x73\x82\xe9"),
            ("EUC-JIS-2004", b"\xcf\xd4\xa4\xeb"),
            ("euc-jisx0213", b"\xcf\xd4\xa4\xeb"),
        ] {
            assert_eq!(decode(Some(label), bytes), "𠮟る", "{label}");
        }
        assert_eq!(decode(Some("Shift_JISX0213"), b"\x87\x40\xfb\xfc"), "①髙");
    }

    #[test]
    fn the_names_that_mail_uses_are_known() {
        let sjis = b"\x93\xfa\x96\x7b\x8c\xea \xb6\xc5 \x87\x40\xfb\xfc";
        for label in ["cp932", "MS932", "Windows-31J", "x-sjis", "\"Shift_JIS\"", " shift-jis "] {
            assert_eq!(decode(Some(label), sjis), "日本語 ｶﾅ ①髙", "{label}");
        }
        let euc = b"\xc6\xfc\xcb\xdc \x8e\xb6\x8e\xc5";
        for label in ["eucJP-ms", "eucJP-win", "cp51932", "EUC-JP", "x-euc-jp"] {
            assert_eq!(decode(Some(label), euc), "日本 ｶﾅ", "{label}");
        }
        for label in ["cp949", "ks_c_5601-1987", "KSC5601", "euc-kr"] {
            assert_eq!(decode(Some(label), b"\xc7\xd1\xb1\xb9"), "한국", "{label}");
        }
        for label in ["cp936", "gb_2312-80", "GB2312", "euc-cn"] {
            assert_eq!(decode(Some(label), b"\xd6\xd0\xce\xc4"), "中文", "{label}");
        }
        for label in ["win-1251", "windows1251", "cp1251", "1251"] {
            assert_eq!(decode(Some(label), b"\xcc\xe8\xf0"), "Мир", "{label}");
        }
        assert_eq!(decode(Some("koi8_r"), b"\xed\xc9\xd2"), "Мир");
        assert_eq!(decode(Some("cp850"), b"\x81ber"), "über");
        assert_eq!(decode(Some("hz-gb-2312"), b"~{VPND~} ~~"), "中文 ~");
        assert_eq!(decode(Some("unicode-1-1-utf-7"), b"A+ZeVnLIqe-."), "A日本語.");
    }

    #[test]
    fn false_charset_labels_are_not_believed() {
        let jis = b"\x1b$B=EMW\x1b(B ok";
        for label in ["utf-8", "shift_jis", "iso-8859-1", "us-ascii", "gb2312"] {
            assert_eq!(decode(Some(label), jis), "重要 ok", "{label}");
        }
        assert_eq!(decode(Some("utf-8"), "\u{1b}$B=EMW\u{1b}(B\nné".as_bytes()), "重要\nné");
        for label in ["iso-8859-1", "shift_jis", "koi8-r", "iso-2022-jp", "hz"] {
            assert_eq!(decode(Some(label), "重要です".as_bytes()), "重要です", "{label}");
        }
        // It is valid Shift_JIS, too.
        for label in ["shift_jis", "gbk", "big5"] {
            let text = "重要なお知らせ";
            assert_eq!(decode(Some(label), text.as_bytes()), text, "{label}");
        }
        for (label, encoding) in
            [("utf-8", SHIFT_JIS), ("utf-8", EUC_JP), ("shift_jis", EUC_JP), ("euc-jp", SHIFT_JIS)]
        {
            for text in ["本日は重要なお知らせです。", "重要なお知らせです。"]
            {
                let (bytes, _, _) = encoding.encode(text);
                assert_eq!(decode(Some(label), &bytes), text, "{label}");
            }
        }
        for text in ["･予定､会議", "ｼﾞｭｳﾖｳ･ｱ､ｲ､ｳ｡"] {
            let (bytes, _, _) = SHIFT_JIS.encode(text);
            assert_eq!(decode(Some("shift_jis"), &bytes), text);
        }
        assert_eq!(decode(Some("utf-8"), b"n\xe9"), "n\u{fffd}");
        let broken = [b"\xe9".as_slice(), "お知らせお知らせお知らせお知らせ".as_bytes()].concat();
        assert!(decode(Some("iso-8859-1"), &broken).ends_with("お知らせ"));
        assert_eq!(decode(Some("windows-1252"), b"n\xe9"), "né");
        assert_eq!(decode(Some("windows-874"), b"\xe1\xa2\xa1"), "แขก");
        assert_eq!(decode(Some("koi8-r"), b"\xc5\xa3"), "её");
        assert_eq!(decode(Some("us-ascii"), b"\xff\xfea\0b\0"), "ab");
        assert_eq!(decode(Some("utf-32"), b"\0\0\x91\xcd\0\x01\xf6\0\0\x11\0\0"), "重😀\u{fffd}");
    }

    #[test]
    fn eight_bit_text_under_a_seven_bit_label_is_read() {
        let label = Some("iso-2022-jp");
        assert_eq!(decode(label, "日本".as_bytes()), "日本");
        assert_eq!(decode(label, b"\x93\xfa\x96\x7b"), "日本");
        assert_eq!(decode(label, b"\xc6\xfc\xcb\xdc"), "日本");
    }

    #[test]
    fn utf_16_without_a_mark_is_read_by_its_zeros() {
        assert_eq!(decode(Some("utf-16"), b"\0a\0b"), "ab");
        assert_eq!(decode(Some("utf-16"), b"a\0b\0"), "ab");
        assert_eq!(decode(Some("utf-16"), b"\xff\xfea\0"), "a");
        assert_eq!(decode(Some("utf-16le"), b"\xff\xfea\0"), "a");
    }

    #[test]
    fn only_in_utf_8_a_byte_order_mark_is_not_text() {
        assert_eq!(decode(Some("utf-8"), b"\xef\xbb\xbfa"), "a");
        assert_eq!(decode(Some("windows-1251"), b"\xff\xfe"), "яю");
    }

    proptest! {
        #[test]
        fn nothing_panics(
            label in "(utf-(7|16|8)|iso-2022-(jp|kr|cn)(-ms)?|hz|[a-z0-9_-]{0,9}|cp125[0-9]|\\PC{0,9})",
            bytes in any::<Vec<u8>>(),
            deep in "[\u{1b}$()BIJ@AC.N~{}+\\-&\u{e}\u{f}\na!]{0,40}",
        ) {
            for bytes in [&bytes, deep.as_bytes()] {
                decode(Some(&label), bytes);
                guess(bytes, Some(&label));
                decode(None, bytes);
            }
        }
    }
}
