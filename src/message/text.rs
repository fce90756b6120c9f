//! Text as rules see it: decoded once, normalised once, and, when a rule asks
//! without minding case, folded once.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::io::{self, Read};

use memchr::{memchr, memmem, memrchr};

use super::transfer::Encoding;
use super::{attachment, charset, fold, html};

/// A decoded text.
#[derive(Debug, Clone, Default)]
pub struct Text {
    text: String,
    /// `None` inside: the text is its own fold.
    folded: OnceCell<Option<String>>,
}

impl Text {
    /// Takes a text that [`fold::normalise`] has been over.
    pub fn normalised(text: String) -> Text {
        Text { text, folded: OnceCell::new() }
    }

    /// Decoded and normalised, in its own case: what patterns see.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Without case and line breaks: what `is`, `contains` and their like
    /// see, see [`fold::fold`].
    pub fn folded(&self) -> &str {
        self.folded
            .get_or_init(|| match fold::fold(&self.text) {
                Cow::Borrowed(folded) if folded.len() == self.text.len() => None,
                folded => Some(folded.into_owned()),
            })
            .as_deref()
            .unwrap_or(&self.text)
    }

    /// It says nothing.
    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }
}

/// Longest name of a charset that is looked for, with `?B?` behind it, bytes.
const LABEL_LIMIT: usize = 80;

/// So many different charsets of encoded words are told apart.
const LABELS_LIMIT: usize = 50;

/// Text goes from one form to the next in pieces of about this many bytes.
const PIECE: usize = 256 << 10;

/// Gathers one text: normalises what comes in and keeps no more than a limit.
#[derive(Debug)]
pub struct Gatherer {
    /// Not yet normalised.
    pending: String,
    text: String,
    limit: usize,
    cut: bool,
}

impl Gatherer {
    /// Keeps at most `limit` bytes.
    pub fn new(limit: usize) -> Gatherer {
        Gatherer { pending: String::new(), text: String::new(), limit, cut: false }
    }

    /// Appends; what it says is whether there is room for more.
    pub fn push(&mut self, text: &str) -> bool {
        let mut rest = text;
        while !rest.is_empty() && !self.cut {
            let room = PIECE.saturating_sub(self.pending.len());
            let (piece, behind) = rest.split_at(floor(rest, room.max(4)));
            self.pending.push_str(piece);
            rest = behind;
            if self.pending.len() >= PIECE {
                self.flush(false);
            }
        }
        !self.cut
    }

    /// Normalises what is pending; unless it is the last, up to a place where
    /// nothing of what is behind can change what is before.
    fn flush(&mut self, last: bool) {
        let mut end = self.pending.len();
        if !last {
            let bytes = self.pending.as_bytes();
            // A letter of ASCII begins something new, and with a blank before
            // it, it ends a run of white space too.
            end = (1..bytes.len())
                .rev()
                .take(1 << 10)
                .find(|at| {
                    bytes[*at].is_ascii_alphanumeric() && bytes[*at - 1].is_ascii_whitespace()
                })
                .unwrap_or_else(|| floor(&self.pending, bytes.len() - 1));
        }
        let (piece, rest) = self.pending.split_at(end);
        let normal = fold::normalise(piece);
        let room = self.limit - self.text.len();
        if normal.len() > room {
            self.cut = true;
        }
        self.text.push_str(normal.get(..floor(&normal, room)).unwrap_or_default());
        let rest = rest.len();
        self.pending.drain(..self.pending.len() - rest);
    }

    /// The text, and whether it was cut.
    pub fn finish(mut self) -> (Text, bool) {
        if !self.cut {
            self.flush(true);
        }
        self.text.shrink_to_fit();
        (Text::normalised(self.text), self.cut)
    }
}

/// Decodes the content of a text part: transfer encoding, charset, HTML.
/// Takes in at most `limit` bytes and gives at most as many.
pub fn read(
    content: impl Read,
    encoding: Encoding,
    is_html: bool,
    label: Option<&str>,
    limit: usize,
) -> io::Result<Decoded> {
    let mut bytes = attachment::prefix(content, encoding, limit.saturating_add(1))?;
    let mut cut = bytes.len() > limit;
    bytes.truncate(limit);
    let read = bytes.len();
    let mut meta = None;
    let mut gatherer = Gatherer::new(limit);
    let found = if label.is_none() { found_charset(&bytes) } else { None };
    if is_html {
        if label.is_none() {
            meta = html::declared_charset(&bytes);
        }
        let decoded = decode_all(label.or(meta.as_deref()), bytes);
        html::read(&decoded, |event| match event {
            html::Event::Text(text) => gatherer.push(text),
            _ => true,
        });
    } else {
        each_piece(label, &bytes, |piece| gatherer.push(piece));
        drop(bytes);
    }
    let (text, full) = gatherer.finish();
    cut |= full;
    Ok(Decoded { text, charset: meta.or(found.map(str::to_owned)), read, cut })
}

/// What [`read`] gives.
#[derive(Debug)]
pub struct Decoded {
    /// The text.
    pub text: Text,
    /// The charset of a text whose header names none, as far as it shows.
    pub charset: Option<String>,
    /// How many bytes it is made of.
    pub read: usize,
    /// The limit cut something off.
    pub cut: bool,
}

/// The end of the last character that ends at or before `at`.
fn floor(text: &str, at: usize) -> usize {
    if at >= text.len() {
        return text.len();
    }
    (0..=at).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

fn found_charset(bytes: &[u8]) -> Option<&'static str> {
    if charset::looks_like_iso_2022_jp(bytes) {
        return Some("iso-2022-jp");
    }
    (!bytes.is_ascii() && std::str::from_utf8(bytes).is_ok()).then_some("utf-8")
}

/// The whole text, its bytes freed where it is a copy.
fn decode_all(label: Option<&str>, bytes: Vec<u8>) -> String {
    let bytes = match String::from_utf8(bytes) {
        // What is ASCII only may still be of a 7-bit charset.
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

/// Charsets in which ASCII bytes may stand for something else; in them and in
/// those of more than one byte a unit, text is not cut for decoding.
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
                None => memchr(b'\n', rest).map_or(rest.len(), |at| at + 1),
            },
            _ => rest.len(),
        };
        let (piece, behind) = rest.split_at(end);
        rest = behind;
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
        // RFC 2231 §5: a language may stand behind the charset.
        let label = label.split(|byte| *byte == b'*').next().unwrap_or_default();
        let label = String::from_utf8_lossy(label).to_ascii_lowercase();
        if !label.is_empty() && charsets.len() < LABELS_LIMIT && !charsets.contains(&label) {
            charsets.push(label);
        }
    }
    charsets
}
