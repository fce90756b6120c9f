//! Text as rules see it: decoded once, normalized once and, when a rule ignores
//! case, folded once.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::io::{self, Read};

use memchr::{memchr, memmem, memrchr};

use super::bounded_text::{Gatherer, append, pieces, prefix};
use super::flowed::{self, Flow};
use super::html::Event;
use super::transfer::Encoding;
use super::{charset, fold, html, transfer};

/// A decoded text.
#[derive(Debug, Clone, Default)]
pub struct Text {
    text: String,
    /// `None` inside means that the text is its own fold.
    folded: OnceCell<Option<String>>,
}

impl Text {
    /// From decoded text.
    pub fn new(text: &str) -> Text {
        Text::normalized(fold::normalize(text).into_owned())
    }

    /// From text that [`fold::normalize`] has already processed, or of which patterns are to
    /// see each blank.
    pub fn normalized(text: String) -> Text {
        Text { text, folded: OnceCell::new() }
    }

    /// Decoded and normalized, in its own case: what patterns see.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Without case and line breaks: what `is`, `contains` and similar tests see,
    /// see [`fold::fold`].
    pub fn folded(&self) -> &str {
        self.folded.get_or_init(|| folded(&self.text)).as_deref().unwrap_or(&self.text)
    }

    /// With its ASCII letters in lower case, for a quick first check; `None` if
    /// that would cost more than it saves.
    pub fn ascii_lower(&self) -> Option<Cow<'_, str>> {
        const LONGEST: usize = 4 << 10;
        if self.text.is_ascii() {
            return Some(Cow::Borrowed(self.folded()));
        }
        (self.text.len() <= LONGEST).then(|| Cow::Owned(self.text.to_ascii_lowercase()))
    }
}

/// Folds piece by piece, so that a large text is copied at most once, and not at
/// all if it is its own fold.
fn folded(text: &str) -> Option<String> {
    let mut copy: Option<String> = None;
    for (at, piece) in pieces(text) {
        let folded = fold::fold(piece);
        let same = matches!(folded, Cow::Borrowed(_)) && folded.len() == piece.len();
        if copy.is_none() && !same {
            let mut start = String::with_capacity(text.len());
            start.push_str(text.get(..at).unwrap_or_default());
            copy = Some(start);
        }
        if let Some(copy) = &mut copy {
            append(copy, &folded);
        }
    }
    copy
}

/// The longest charset name that is recognized, with `?B?` after it, bytes.
const LABEL_LIMIT: usize = 80;

/// How many different charsets of encoded words are collected.
const LABELS_LIMIT: usize = 50;

/// Text is decoded in pieces of about this many bytes.
const PIECE: usize = 256 << 10;

/// A longer line is decoded in pieces that may be cut anywhere, bytes.
const LONGEST_LINE: usize = 1 << 20;

/// How much of one HTML part is read, bytes: it needs more memory at a time than
/// other text.
const HTML_LIMIT: usize = 8 << 20;

/// How the content of a text part must be read.
#[derive(Debug, Clone, Copy)]
pub struct Format<'a> {
    /// How it is encoded for transport.
    pub encoding: Encoding,
    /// Whether the text is HTML.
    pub is_html: bool,
    /// Declared charset.
    pub charset: Option<&'a str>,
    /// How its lines must be read.
    pub flow: Flow,
}

/// Decodes the content of a text part: transfer encoding, charset, wrapped lines,
/// HTML; and normalizes it. Reads at most `limit` units, and returns at most as
/// many (see `bounded_text`).
///
/// # Errors
/// The content cannot be read.
pub fn read(content: impl Read, format: Format<'_>, limit: usize) -> io::Result<TextWithCharset> {
    let mut gatherer = Gatherer::new(if format.is_html { limit.min(HTML_LIMIT) } else { limit });
    let raw = events(content, format, limit, &mut |event| match event {
        Event::Text(text) => gatherer.push(text),
        _ => true,
    })?;
    let cost = raw.read.max(gatherer.cost());
    let (mut text, full) = gatherer.finish();
    // Nobody sees empty lines around it.
    text.truncate(text.trim_end().len());
    text.drain(..text.len() - text.trim_start().len());
    Ok(TextWithCharset {
        text: Text::normalized(text),
        charset: raw.charset,
        cost,
        cut: raw.cut || full,
    })
}

/// The result of [`events`].
#[derive(Debug)]
pub struct ReadResult {
    /// The charset of a text whose header names none, if its bytes show one.
    pub charset: Option<String>,
    /// How many bytes were read, without their transfer encoding.
    pub read: usize,
    /// The limit cut something off.
    pub cut: bool,
}

/// The same as a reader would meet it, not normalized, until `sink` has enough:
/// also hidden text, and where links lead. Text that is not HTML is cut at line
/// ends, if it has any.
///
/// # Errors
/// The content cannot be read.
pub fn events(
    content: impl Read,
    format: Format<'_>,
    limit: usize,
    sink: &mut dyn FnMut(Event<'_>) -> bool,
) -> io::Result<ReadResult> {
    let limit = if format.is_html { limit.min(HTML_LIMIT) } else { limit };
    let (mut bytes, footer) = match format.encoding {
        Encoding::Base64 => base64(content, limit)?,
        encoding => (transfer::prefix(content, encoding, limit.saturating_add(1))?, Vec::new()),
    };
    let cut = bytes.len() > limit;
    bytes.truncate(limit);
    if cut
        && let Err(error) = std::str::from_utf8(&bytes)
        && error.error_len().is_none()
    {
        // The cut is within a character.
        bytes.truncate(error.valid_up_to());
    }
    let read = bytes.len() + footer.len();
    let mark = charset::byte_order_mark(&bytes);
    let mut found = match format.charset {
        None => charset::detect(&bytes).map(str::to_owned),
        Some(_) => None,
    };
    if format.is_html {
        let meta = match format.charset {
            None => html::declared_charset(&bytes),
            Some(_) => None,
        };
        let label = mark.or(format.charset).or(meta.as_deref());
        let decoded = decode_all(label, bytes);
        html::read(&decoded, &mut *sink);
        found = meta.or(found);
    } else {
        each_piece(mark.or(format.charset), &bytes, |piece| {
            sink(Event::Text(&flowed::unwrap(piece, format.flow)))
        });
    }
    if !footer.is_empty() && sink(Event::Text("\n")) {
        sink(Event::Text(&charset::guess(&footer, None)));
    }
    Ok(ReadResult { charset: found, read, cut })
}

/// Decodes base64 up to its end, and returns unchanged what a mailing list may
/// have put after it. One byte more than `limit` means that there is more.
fn base64(content: impl Read, limit: usize) -> io::Result<(Vec<u8>, Vec<u8>)> {
    let room = limit / 3 * 4 + limit / 30 + 100;
    let raw = transfer::prefix(content, Encoding::Identity, room)?;
    let (wrapped, footer) = raw.split_at(base64_end(&raw));
    let bytes = transfer::prefix(wrapped, Encoding::Base64, limit.saturating_add(1))?;
    Ok((bytes, footer.to_vec()))
}

/// Where base64 ends: before a line with characters outside its alphabet, after
/// complete groups of four (RFC 2045 §6.8).
fn base64_end(raw: &[u8]) -> usize {
    let (mut at, mut letters, mut padded) = (0, 0, false);
    for line in raw.split_inclusive(|byte| *byte == b'\n') {
        let text = line.trim_ascii();
        let is_letter = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
        let count = text.iter().filter(|byte| is_letter(byte)).count();
        let padding = text.iter().rev().take_while(|byte| **byte == b'=').count();
        if count + padding == text.len() {
            if text.is_empty() {
                at += line.len();
                continue;
            }
            letters += count;
            padded = padding > 0;
        } else if letters > 0 && (padded || letters % 4 == 0) {
            return at;
        } else {
            return raw.len();
        }
        at += line.len();
    }
    raw.len()
}

/// The result of [`read`].
#[derive(Debug)]
pub struct TextWithCharset {
    /// The text.
    pub text: Text,
    /// The charset of a text whose header names none, if its bytes show one.
    pub charset: Option<String>,
    /// How much of the limit it has used, units.
    pub cost: usize,
    /// The limit cut something off.
    pub cut: bool,
}

/// The whole text; the bytes are freed if it is a copy.
fn decode_all(label: Option<&str>, bytes: Vec<u8>) -> String {
    let bytes = match String::from_utf8(bytes) {
        // Pure ASCII bytes may still be text of a 7-bit charset.
        Ok(text) if text.is_ascii() && !text.contains('\u{1b}') && is_ascii_superset(label) => {
            return text;
        }
        Ok(text) => text.into_bytes(),
        Err(error) => error.into_bytes(),
    };
    let mut text = String::with_capacity(bytes.len());
    each_piece(label, &bytes, |piece| {
        text.push_str(piece);
        true
    });
    text
}

/// Whether ASCII bytes always stand for themselves. In other charsets, and in
/// those whose units have more than one byte, text is not cut for decoding.
fn is_ascii_superset(label: Option<&str>) -> bool {
    label.is_none_or(|label| {
        let label = label.to_ascii_lowercase();
        ![
            "utf-16",
            "utf-7",
            "utf-32",
            "utf16",
            "utf7",
            "utf32",
            "ucs",
            "iso-10646",
            "hz",
            "unicode",
        ]
        .iter()
        .any(|other| label.contains(other))
    })
}

/// Decodes piece by piece, cut at line ends, until `sink` has enough.
fn each_piece(label: Option<&str>, bytes: &[u8], mut sink: impl FnMut(&str) -> bool) {
    let mut rest = bytes;
    let whole = !is_ascii_superset(label);
    while !rest.is_empty() {
        let end = match rest.get(..PIECE) {
            Some(piece) if !whole => match memrchr(b'\n', piece) {
                Some(at) => at + 1,
                None => {
                    let (line, _) = prefix(rest, LONGEST_LINE);
                    memchr(b'\n', line).map_or(line.len(), |at| at + 1)
                }
            },
            _ => rest.len(),
        };
        let (piece, after) = rest.split_at(end);
        rest = after;
        if !sink(&charset::decode(label, piece)) {
            return;
        }
    }
}

/// The charsets of all encoded words (RFC 2047 §2) in a header block.
pub fn encoded_word_charsets(header: &[u8]) -> Vec<String> {
    let mut charsets: Vec<String> = Vec::new();
    for at in memmem::find_iter(header, b"=?") {
        let word = header.get(at + 2..).unwrap_or_default();
        let word = word.get(..LABEL_LIMIT).unwrap_or(word);
        let mut fields = word.split(|byte| *byte == b'?');
        let (Some(label), Some([b'b' | b'B' | b'q' | b'Q'])) = (fields.next(), fields.next())
        else {
            continue;
        };
        // RFC 2231 §5: a language may follow the charset.
        let label = label.split(|byte| *byte == b'*').next().unwrap_or_default();
        let label = String::from_utf8_lossy(label).to_ascii_lowercase();
        if !label.is_empty() && charsets.len() < LABELS_LIMIT && !charsets.contains(&label) {
            charsets.push(label);
        }
    }
    charsets
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decoded(bytes: &[u8], html: bool, label: Option<&str>, limit: usize) -> TextWithCharset {
        let encoding = Encoding::Identity;
        let format = Format { encoding, is_html: html, charset: label, flow: Flow::Fixed };
        read(bytes, format, limit).expect("memory can be read")
    }

    #[test]
    fn charsets() {
        for (bytes, html, label, want, found) in [
            (b"caf\xe9".as_slice(), false, Some("iso-8859-1"), "café", None),
            (b"caf\xc3\xa9", false, None, "café", Some("utf-8")),
            (b"\x1b$B<+F0\x1b(B", false, None, "自動", Some("iso-2022-jp")),
            (b"<meta charset=shift_jis>\x8e\xa9", true, None, "自", Some("shift_jis")),
            (b"<meta charset=utf-8>\x8e\xa9", true, Some("shift_jis"), "自", None),
            (b"plain", false, None, "plain", None),
            // A wrong label, and bytes that are valid UTF-8 by chance.
            (
                "迷惑メールの本文です".as_bytes(),
                false,
                Some("gb2312"),
                "迷惑メールの本文です",
                None,
            ),
            (b"\xc1\xaa\xcd\xa8", false, Some("gb2312"), "联通", None),
            (b"\x1b$B<+F0\x1b(B", false, Some("utf-8"), "自動", None),
            (b"\xff\xfea\0\xea\x81", false, Some("iso-8859-1"), "a自", None),
            (b"\xff\xfe\0\0a\0\0\0", false, None, "a", Some("utf-32le")),
        ] {
            let decoded = decoded(bytes, html, label, 1000);
            assert_eq!(decoded.text.text(), want);
            assert_eq!(decoded.charset.as_deref(), found, "{want}");
        }
    }

    #[test]
    fn what_a_list_appends_to_base64_is_read_as_it_is() {
        for (wrapped, want) in [
            ("aGVsbG8=\n_____\nA list\n", "hello\n_____\nA list"),
            ("aGVsbG8h\n--\nlist@example.org\n", "hello!\n--\nlist@example.org"),
            ("aGVs\nbG8=\n", "hello"),
            ("aGVsbG8=\naGVsbG8=\n", "hellohello"),
            ("!aG-k", "hi"),
        ] {
            let format = Format {
                encoding: Encoding::Base64,
                is_html: false,
                charset: None,
                flow: Flow::Fixed,
            };
            let text = read(wrapped.as_bytes(), format, 1000).expect("memory can be read").text;
            assert_eq!(text.text().trim_end(), want, "{wrapped:?}");
        }
    }

    #[test]
    fn limits() {
        let text = decoded(b"123456789", false, None, 5);
        assert_eq!((text.text.text(), text.cost, text.cut), ("12345", 5, true));
        let text = decoded(b"12345", false, None, 5);
        assert_eq!((text.text.text(), text.cut), ("12345", false));
        let text = decoded("ééé".as_bytes(), false, None, 17);
        assert_eq!((text.text.text(), text.cut), ("éé", true));
        // A line without an end, of bytes that become three each.
        let line = vec![0x80; 2 * LONGEST_LINE];
        let text = decoded(&line, false, Some("windows-1252"), 16 * LONGEST_LINE).text;
        assert_eq!(text.text(), "€".repeat(2 * LONGEST_LINE));
    }

    #[test]
    fn large_texts_are_as_small_ones() {
        for line in ["Some Words, 迷惑メール ﾊﾝｶｸ\u{301}  \r\n\r\n", "ｶﾞ", "e\u{301}", " \n"]
        {
            let large = line.repeat(3 * PIECE / line.len());
            let want = fold::normalize(&large).trim().to_owned();
            let text = decoded(large.as_bytes(), false, None, 16 * PIECE).text;
            assert!(text.text() == want, "{line}");
            assert!(text.folded() == fold::fold(&want), "{line}");
        }
    }

    #[test]
    fn charsets_of_encoded_words() {
        let header = b"Subject: =?ISO-2022-JP?B?GyRC?= =?utf-8*ja?q?x?= =?x?y?z?= =?utf-8?Q??= =?";
        assert_eq!(encoded_word_charsets(header), ["iso-2022-jp", "utf-8"]);
    }

    proptest! {
        #[test]
        fn any_bytes(
            bytes in proptest::collection::vec(any::<u8>(), 0..300),
            label in proptest::option::of("utf-16|utf-7|iso-2022-jp|hz-gb-2312|big5|utf-8|nonsense"),
            html: bool,
            limit in 0_usize..400,
        ) {
            let text = decoded(&bytes, html, label.as_deref(), limit).text;
            prop_assert!(text.text().len() <= limit);
            text.folded();
        }
    }
}
