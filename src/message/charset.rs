//! Converts bytes of a named charset to text, as mail needs it.
//!
//! encoding_rs knows what browsers know. Mail needs more: Microsoft's names, the
//! 7-bit charsets that browsers gave up ([`iso2022`], [`utf7`]), and guesses for
//! bytes with no label or with a wrong one.

use std::borrow::Cow;

use encoding_rs::{
    BIG5, EUC_JP, EUC_KR, Encoding, GB18030, GBK, ISO_8859_15, MACINTOSH, SHIFT_JIS, UTF_8,
    UTF_16BE, UTF_16LE, WINDOWS_874, WINDOWS_1252,
};
use mail_parser::decoders::charsets::map::charset_decoder;
use memchr::{memchr_iter, memrchr};

use crate::message::iso2022::{self, Set};
use crate::message::{jisx0213, utf7};

/// What a label stands for.
#[derive(Debug, Clone, Copy)]
enum Charset {
    /// No label, one that says nothing, one that nobody knows, or US-ASCII, which
    /// 8-bit bytes prove wrong.
    Unsaid,
    Known(&'static Encoding),
    /// A 7-bit charset with escapes; the set that SO shifts to (RFC 1468, 1557, 1922).
    Iso2022(Set),
    /// JIS X 0213 in the form of EUC-JP.
    EucJis2004,
    /// JIS X 0213 in the form of Shift_JIS.
    ShiftJis2004,
    /// RFC 1843.
    Hz,
    /// RFC 2152.
    Utf7,
    /// RFC 2781, the byte order unspecified.
    Utf16,
    /// The Unicode Standard §3.10, D99 to D101; whether it is little-endian, if
    /// that is specified.
    Utf32(Option<bool>),
    /// The DOS charset for Western Europe.
    Ibm850,
}

/// Decodes a text of the charset called `label`. Never fails: what cannot be read
/// becomes U+FFFD. A byte-order mark and escapes to a Japanese set override the
/// label, and so does text that can hardly be anything but UTF-8. Without a
/// (known) label: UTF-8 if the text is valid, EUC-JP or Shift_JIS if it is valid
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

/// How much of a text is UTF-8.
struct Utf8Share {
    /// Characters beyond ASCII.
    valid: usize,
    /// Bytes.
    invalid: usize,
}

impl Utf8Share {
    fn of(bytes: &[u8]) -> Utf8Share {
        let mut share = Utf8Share { valid: 0, invalid: 0 };
        for chunk in bytes.utf8_chunks() {
            share.valid += chunk.valid().bytes().filter(|byte| *byte >= 0xc0).count();
            share.invalid += chunk.invalid().len();
        }
        share
    }

    /// A few broken characters do not make it a text of another charset.
    fn is_most(&self) -> bool {
        self.valid > 8 && self.invalid * 10 <= self.valid
    }
}

/// EUC-JP or Shift_JIS, if the bytes are valid and contain as much kana as
/// Japanese text does. EUC first: Shift_JIS text is rarely valid EUC, while EUC
/// text read as Shift_JIS has only half-width kana, which do not count.
fn japanese(bytes: &[u8]) -> Option<(&'static str, Cow<'_, str>)> {
    [("euc-jp", EUC_JP), ("shift_jis", SHIFT_JIS)].into_iter().find_map(|(name, encoding)| {
        let text = encoding.decode_without_bom_handling_and_without_replacement(bytes)?;
        let (mut kana, mut foreign) = (0, 0);
        for c in text.chars().filter(|c| !c.is_ascii()) {
            foreign += 1;
            kana += usize::from(matches!(c, '\u{3041}'..='\u{30fe}'));
        }
        (kana > 0 && kana * 8 >= foreign).then_some((name, text))
    })
}

/// The charset of a text without a label, judging by its first 64 KB; `None` for
/// ASCII and if nothing shows it.
pub fn detect(bytes: &[u8]) -> Option<&'static str> {
    const OPENING: usize = 64 << 10;
    if let Some(label) = byte_order_mark(bytes) {
        return Some(label);
    }
    let opening = bytes.get(..OPENING).map_or(bytes, |opening| {
        opening.get(..memrchr(b'\n', opening).unwrap_or(OPENING)).unwrap_or(opening)
    });
    if looks_like_iso_2022_jp(opening) {
        return Some("iso-2022-jp");
    }
    if opening.is_ascii() {
        return None;
    }
    match std::str::from_utf8(opening) {
        Ok(_) => Some("utf-8"),
        Err(_) => japanese(opening).map(|(name, _)| name),
    }
}

/// Decodes raw header bytes: ISO-2022-JP if they look like it, UTF-8 if they are
/// valid UTF-8, otherwise the `declared` charset. Without one that says anything:
/// Shift_JIS or EUC-JP if they are Japanese, otherwise windows-1252.
pub fn guess<'a>(bytes: &'a [u8], declared: Option<&str>) -> Cow<'a, str> {
    if looks_like_iso_2022_jp(bytes) {
        return Cow::Owned(iso2022::decode(bytes, Set::Kana));
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Cow::Borrowed(text);
    }
    let unsaid = match declared.map_or(Charset::Unsaid, named) {
        Charset::Unsaid => true,
        Charset::Known(encoding) => encoding == UTF_8,
        _ => false,
    };
    match name_of_kanji(bytes).filter(|_| unsaid) {
        Some(encoding) => encoding.decode_without_bom_handling(bytes).0,
        None => decode(declared, bytes),
    }
}

/// The charset of a short text, such as a name, that may have no kana: all bytes
/// beyond ASCII are pairs of everyday Japanese, and most pairs follow each other,
/// which quotation marks and accented letters do not.
fn name_of_kanji(bytes: &[u8]) -> Option<&'static Encoding> {
    let is_of = |common: fn(u8, u8) -> bool| {
        let (mut pairs, mut in_runs, mut run) = (0_usize, 0_usize, 0_usize);
        let mut rest = bytes.iter().copied();
        while let Some(byte) = rest.next() {
            if byte.is_ascii() {
                run = 0;
                continue;
            }
            if !rest.next().is_some_and(|second| common(byte, second)) {
                return false;
            }
            pairs += 1;
            run += 1;
            in_runs += match run {
                1 => 0,
                2 => 2,
                _ => 1,
            };
        }
        pairs >= 2 && in_runs * 2 > pairs
    };
    let euc_jp = |byte: u8, second: u8| {
        matches!(byte, 0xa1 | 0xa3..=0xa5 | 0xb0..=0xcf) && (0xa1..=0xfe).contains(&second)
    };
    is_of(is_common_pair).then_some(SHIFT_JIS).or_else(|| is_of(euc_jp).then_some(EUC_JP))
}

/// Kana, full width and kanji of JIS X 0208's first level, in Shift_JIS.
fn is_common_pair(byte: u8, second: u8) -> bool {
    matches!(u16::from_be_bytes([byte, second]),
        0x8140..=0x81ac | 0x824f..=0x82f1 | 0x8340..=0x8396 | 0x889f..=0x9872)
        && matches!(second, 0x40..=0x7e | 0x80..=0xfc)
}

/// Decodes a name in an archive, which has no label. Windows in Japan writes
/// names in Shift_JIS: this is assumed if all of it is kana, full width or kanji
/// of JIS X 0208's first level, and no pair of accented letters is more likely.
pub fn packed_name(bytes: &[u8]) -> Cow<'_, str> {
    if std::str::from_utf8(bytes).is_err() && is_common_shift_jis(bytes) {
        return SHIFT_JIS.decode_without_bom_handling(bytes).0;
    }
    decode(None, bytes)
}

/// Pairs of bytes of everyday Japanese, half of which have a second byte beyond ASCII.
fn is_common_shift_jis(bytes: &[u8]) -> bool {
    let (mut pairs, mut beyond_ascii) = (0, 0);
    let mut rest = bytes.iter().copied();
    while let Some(byte) = rest.next() {
        if byte.is_ascii() {
            continue;
        }
        let Some(second) = rest.next() else { return false };
        if !is_common_pair(byte, second) {
            return false;
        }
        pairs += 1;
        beyond_ascii += usize::from(!second.is_ascii());
    }
    beyond_ascii * 2 >= pairs
}

/// Whether there is an escape that designates a Japanese set (RFC 1468).
pub fn looks_like_iso_2022_jp(bytes: &[u8]) -> bool {
    memchr_iter(0x1b, bytes)
        .any(|at| matches!(bytes.get(at + 1..at + 3), Some(b"$B" | b"$@" | b"$(" | b"(J" | b"(I")))
}

fn unsaid(bytes: &[u8]) -> Cow<'_, str> {
    if looks_like_iso_2022_jp(bytes) {
        return Cow::Owned(iso2022::decode(bytes, Set::Kana));
    }
    if let Some(text) = UTF_8.decode_without_bom_handling_and_without_replacement(bytes) {
        return text;
    }
    if let Some((_, text)) = japanese(bytes) {
        return text;
    }
    if Utf8Share::of(bytes).is_most() {
        return UTF_8.decode_without_bom_handling(bytes).0;
    }
    WINDOWS_1252.decode_without_bom_handling(bytes).0
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

fn named(label: &str) -> Charset {
    let label = label.trim_matches(|c: char| {
        c.is_ascii_whitespace() || c.is_ascii_control() || "\"'<>();,=".contains(c)
    });
    if label.len() > 60 {
        return Charset::Unsaid;
    }
    let dashed = label.to_ascii_lowercase().replace('_', "-");
    extended(&dashed)
        .or_else(|| Encoding::for_label(label.as_bytes()).map(Charset::Known))
        .or_else(|| Encoding::for_label(dashed.as_bytes()).map(Charset::Known))
        .unwrap_or(Charset::Unsaid)
}

/// The name by which browsers know the charset called `label`. ASCII and Latin-1,
/// which they read as windows-1252, have none.
pub fn standard_name(label: &str) -> Option<&'static str> {
    match named(label) {
        Charset::Known(encoding) if encoding != WINDOWS_1252 || label.contains("1252") => {
            Some(encoding.name())
        }
        Charset::Iso2022(Set::Kana) => Some("iso-2022-jp"),
        _ => None,
    }
}

/// The labels that encoding_rs does not know, or treats as a browser must.
fn extended(label: &str) -> Option<Charset> {
    let known = Charset::Known;
    Some(match label {
        "us-ascii" | "ascii" | "usascii" | "csascii" | "ansi-x3.4-1968" | "iso646-us" | "" => {
            Charset::Unsaid
        }
        "utf-7"
        | "utf7"
        | "unicode-1-1-utf-7"
        | "csunicode11utf7"
        | "unicode-2-0-utf-7"
        | "x-unicode-1-1-utf-7"
        | "x-unicode-2-0-utf-7"
        | "cp65000" => Charset::Utf7,
        "utf-16" | "utf16" | "csutf16" | "ucs-2" | "ucs2" | "unicode" | "csunicode"
        | "iso-10646-ucs-2" => Charset::Utf16,
        "utf-32" | "utf32" | "ucs-4" | "ucs4" | "iso-10646-ucs-4" => Charset::Utf32(None),
        "utf-32le" | "utf32le" => Charset::Utf32(Some(true)),
        "utf-32be" | "utf32be" => Charset::Utf32(Some(false)),
        "utf16le" => known(UTF_16LE),
        "utf16be" => known(UTF_16BE),
        "utf" | "utf-8n" | "utf8n" | "utf-8-mac" | "utf8mb4" | "uft-8" | "cp65001" | "65001" => {
            known(UTF_8)
        }
        "cp50220"
        | "cp50221"
        | "cp50222"
        | "50220"
        | "50221"
        | "50222"
        | "jis"
        | "x-jis"
        | "jis7"
        | "jis8"
        | "csjisencoding"
        | "x-windows-50220"
        | "x-windows-50221"
        | "x-windows-50222"
        | "x-windows-iso2022jp"
        | "iso-2202-jp" => Charset::Iso2022(Set::Kana),
        _ if starts(label, &["iso-2022-jp", "iso2022-jp", "iso2022jp", "csiso2022jp"]) => {
            Charset::Iso2022(Set::Kana)
        }
        _ if starts(label, &["iso-2022-kr", "iso2022-kr", "iso2022kr", "csiso2022kr"]) => {
            Charset::Iso2022(Set::Ksc5601)
        }
        _ if starts(label, &["iso-2022-cn", "iso2022-cn", "iso2022cn", "csiso2022cn"]) => {
            Charset::Iso2022(Set::Gb2312)
        }
        "hz-gb-2312" | "hz" | "hzgb2312" => Charset::Hz,
        "cp932" | "cp-932" | "932" | "x-ms-cp932" | "ms-932" | "cswindows31j" | "windows31j"
        | "windows-932" | "shift-jis" | "shiftjis" | "s-jis" | "sjis-win" | "sjis-open"
        | "cp943" | "cp943c" | "ibm943" | "ibm-943" | "x-ibm943" | "x-ibm943c" | "x-shift-jis"
        | "pck" | "x-shiftjis" | "x-pck" | "x-mac-japanese" => known(SHIFT_JIS),
        "shift-jis-2004" | "shift-jisx0213" | "sjis-2004" | "sjisx0213" | "sjis2004" => {
            Charset::ShiftJis2004
        }
        "euc-jisx0213" | "euc-jis-2004" | "euc-jis2004" | "eucjis2004" | "eucjisx0213" => {
            Charset::EucJis2004
        }
        _ if starts(label, &["x-sjis", "sjis"]) => known(SHIFT_JIS),
        "euc" | "ujis" | "cp51932" | "ms51932" | "cp20932" | "x-euc" => known(EUC_JP),
        _ if starts(label, &["eucjp", "euc-jp", "x-eucjp", "x-euc-jp"]) => known(EUC_JP),
        "cp949" | "ms949" | "949" | "uhc" | "x-windows-949" | "cp51949" | "euckr" | "x-euc-kr"
        | "ks-x-1001" | "ksx1001" | "x-mac-korean" => known(EUC_KR),
        _ if starts(label, &["ks-c-5601", "ksc5601", "ksc-5601"]) => known(EUC_KR),
        "cp936" | "ms936" | "936" | "windows-936" | "euc-cn" | "euccn" | "x-euc-cn" | "gb"
        | "gb-2312" | "gb2312-80" | "x-gb2312" | "x-mac-chinesesimp" => known(GBK),
        "gb-18030" | "cp54936" | "gb18030-2000" | "gb18030-2005" => known(GB18030),
        "cp950" | "ms950" | "950" | "windows-950" | "x-windows-950" | "big-5" | "big5-eten"
        | "x-big5" | "cp951" | "x-mac-chinesetrad" => known(BIG5),
        "tis620" | "cp874" | "ms874" | "x-windows-874" | "iso-8859-11-1" => known(WINDOWS_874),
        "ansi-x3.110"
        | "ansi-x3.110-1983"
        | "iso-8859-1-windows-3.1-latin-1"
        | "latin-1"
        | "latin"
        | "ansi"
        | "western"
        | "iso-8859"
        | "8859-1"
        | "iso8859" => known(WINDOWS_1252),
        "mac-roman" | "macroman" | "x-mac" | "x-macroman" => known(MACINTOSH),
        "cp850"
        | "ibm850"
        | "850"
        | "ibm-850"
        | "cspc850multilingual"
        | "cp858"
        | "ibm858"
        | "cp437"
        | "ibm437"
        | "437"
        | "cspc8codepage437" => Charset::Ibm850,
        _ => return windows_page(label).map(known),
    })
}

/// `win-1251`, `windows1251`, `ms1251`, `1251` …
fn windows_page(label: &str) -> Option<&'static Encoding> {
    let page = label.trim_start_matches(|c: char| !c.is_ascii_digit());
    let prefix = &label[..label.len() - page.len()];
    let of_windows = matches!(
        prefix.trim_end_matches('-'),
        "" | "win" | "windows" | "x-windows" | "ms" | "msansi" | "ansi" | "cp" | "x-cp"
    );
    if of_windows && page.len() == 4 && page.starts_with("125") {
        return Encoding::for_label(format!("windows-{page}").as_bytes());
    }
    None
}

fn starts(label: &str, prefixes: &[&str]) -> bool {
    prefixes.iter().any(|prefix| label.starts_with(prefix))
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
    fn a_name_of_kanji_in_a_raw_header() {
        for (bytes, text) in [
            (&b"\x97\x5c\x92\xe8\x95\x5c.exe"[..], "予定表.exe"),
            (b"\x95\x5c \x91\xbe\x98\x59", "表 太郎"),
            (b"\xbb\xb3\xc5\xc4\xc2\xc0\xcf\xba <a@b.example>", "山田太郎 <a@b.example>"),
            (b"Gr\xfc\xdfe aus K\xf6ln", "Grüße aus Köln"),
            (b"\x93It\x92s\x94 \x96 A\x92B", "“It’s” – A’B"),
            (b"\xc9cole \xe0 Gen\xe8ve", "École à Genève"),
        ] {
            assert_eq!(guess(bytes, None), text);
        }
        assert_eq!(guess(b"\xbb\xb3\xc5\xc4", Some("utf-8")), "山田");
        assert_eq!(guess(b"\xbb\xb3\xc5\xc4", Some("iso-8859-1")), "»³ÅÄ");
    }

    #[test]
    fn names_that_browsers_use() {
        for (label, name) in [
            ("x-sjis", Some("Shift_JIS")),
            ("windows-31j", Some("Shift_JIS")),
            ("csISO2022JP", Some("iso-2022-jp")),
            ("utf8", Some("UTF-8")),
            ("gb2312", Some("GBK")),
            ("cp1252", Some("windows-1252")),
            ("iso-8859-1", None),
            ("us-ascii", None),
            ("nonsense", None),
        ] {
            assert_eq!(standard_name(label), name, "{label}");
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
    fn unsaid_charsets_are_guessed() {
        assert_eq!(decode(None, "né".as_bytes()), "né");
        assert_eq!(decode(None, b"n\xe9"), "né");
        assert_eq!(decode(Some("us-ascii"), "né".as_bytes()), "né");
        assert_eq!(decode(Some("unknown-8bit"), b"n\xe9"), "né");
        assert_eq!(decode(None, b"\x1b$BF|K\\\x1b(B."), "日本.");
        assert_eq!(guess(b"\xc6\xfc\xcb\xdc", Some("euc-jp")), "日本");
        assert_eq!(guess("日本".as_bytes(), Some("euc-jp")), "日本");
        assert_eq!(guess(b"n\xe9", None), "né");
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
    fn japanese_that_nobody_labelled_is_known_by_its_kana() {
        let (euc, _, _) = EUC_JP.encode("重要なお知らせ");
        let (sjis, _, _) = SHIFT_JIS.encode("重要なお知らせ");
        for bytes in [&euc, &sjis] {
            assert_eq!(decode(None, bytes), "重要なお知らせ");
            assert_eq!(guess(bytes, None), "重要なお知らせ");
        }
        assert_eq!((detect(&euc), detect(&sjis)), (Some("euc-jp"), Some("shift_jis")));
        for latin in ["Größe", "naïve café, 30 £", "¡Señor!", "Ünïcödé"] {
            let (bytes, _, _) = WINDOWS_1252.encode(latin);
            assert_eq!(decode(None, &bytes), latin);
        }
    }

    #[test]
    fn names_in_archives_of_japanese_windows_are_read() {
        for name in ["見積.scr", "請求書2026.exe", "一覧表.lnk", "カタログ.pdf", "日本"]
        {
            let (bytes, _, _) = SHIFT_JIS.encode(name);
            assert_eq!(packed_name(&bytes), name);
            assert_eq!(packed_name(name.as_bytes()), name, "UTF-8");
        }
        for latin in ["Größe.pdf", "été.doc", "Überweisung.exe", "çà et là"] {
            let (bytes, _, _) = WINDOWS_1252.encode(latin);
            assert_eq!(packed_name(&bytes), latin);
        }
        // MS-DOS names are not decoded, nor taken for Japanese.
        for dos in [&b"r\x82sum\x82.exe"[..], b"\x9aberweisung.exe"] {
            assert!(packed_name(dos).chars().all(|c| (c as u32) < 0x3000), "{dos:?}");
        }
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
