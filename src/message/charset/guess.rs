//! Guesses the charset of bytes without a label, or with a wrong one.

use std::borrow::Cow;

use encoding_rs::{EUC_JP, Encoding, SHIFT_JIS, UTF_8, WINDOWS_1252};
use memchr::{memchr_iter, memrchr};

use super::label::{Charset, named};
use super::{byte_order_mark, decode};
use crate::message::iso2022::{self, Set};

/// EUC-JP or Shift_JIS, if the bytes are valid and contain as much kana as
/// Japanese text does. EUC first: Shift_JIS text is rarely valid EUC, while EUC
/// text read as Shift_JIS has only half-width kana, which do not count.
pub(super) fn japanese(bytes: &[u8]) -> Option<(&'static str, Cow<'_, str>)> {
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

/// Decodes text without a label.
pub(super) fn unsaid(bytes: &[u8]) -> Cow<'_, str> {
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

/// How much of a text is UTF-8.
pub(super) struct Utf8Share {
    /// Characters beyond ASCII.
    pub(super) valid: usize,
    /// Bytes.
    pub(super) invalid: usize,
}

impl Utf8Share {
    pub(super) fn of(bytes: &[u8]) -> Utf8Share {
        let mut share = Utf8Share { valid: 0, invalid: 0 };
        for chunk in bytes.utf8_chunks() {
            share.valid += chunk.valid().bytes().filter(|byte| *byte >= 0xc0).count();
            share.invalid += chunk.invalid().len();
        }
        share
    }

    /// A few broken characters do not make it a text of another charset.
    pub(super) fn is_most(&self) -> bool {
        self.valid > 8 && self.invalid * 10 <= self.valid
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
