//! A piece of a file with edits, and where each of its bytes comes from.

use std::ops::Range;

use crate::diagnostic::Fix;
use crate::source::Span;

/// A piece of a file with changes.
pub(super) struct MendedPiece {
    file: u32,
    pub(super) text: String,
    /// For each byte, what stands for it in the file.
    origins: Vec<ByteOrigin>,
    /// The end of the piece in the file.
    end: u32,
}

#[derive(Clone, Copy)]
pub(super) struct ByteOrigin {
    start: u32,
    end: u32,
    /// Whether the byte is in the file, and was not inserted.
    pub(super) is_own: bool,
}

impl MendedPiece {
    pub(super) fn new(file: u32, start: u32, text: &str) -> MendedPiece {
        let end = start + text.len() as u32;
        let origin = |at| ByteOrigin { start: at, end: at + 1, is_own: true };
        MendedPiece {
            file,
            text: text.to_owned(),
            origins: (start..end).map(origin).collect(),
            end,
        }
    }

    /// What these bytes are in the file.
    pub(super) fn origin(&self, bytes: Range<u32>) -> Span {
        let at = |at: u32| self.origins.get(at as usize);
        let start = at(bytes.start).map_or(self.end, |origin| origin.start);
        let last = bytes.end.checked_sub(1).filter(|last| *last >= bytes.start);
        let end = last.map_or(start, |last| at(last).map_or(self.end, |origin| origin.end));
        Span { file: self.file, start, end: end.max(start) }
    }

    pub(super) fn bytes(&self, span: Span) -> &[ByteOrigin] {
        self.origins.get(span.start as usize..span.end as usize).unwrap_or_default()
    }

    fn splice(&mut self, bytes: Range<usize>, text: &str) {
        let span = self.origin(bytes.start as u32..bytes.end as u32);
        let origin = ByteOrigin { start: span.start, end: span.end, is_own: false };
        self.text.replace_range(bytes.clone(), text);
        self.origins.splice(bytes, std::iter::repeat_n(origin, text.len()));
    }

    /// Puts a text in the place of another; false if nothing changes.
    pub(super) fn replace(&mut self, fix: &Fix) -> bool {
        let (start, end) = (fix.span.start as usize, fix.span.end as usize);
        let Some(before) = self.text.get(start..end).map(str::to_owned) else { return false };
        // What stays is still the author's.
        let same = |(one, other): &(char, char)| one == other;
        let length = |(c, _): (char, char)| c.len_utf8();
        let prefix: usize = before.chars().zip(fix.text.chars()).take_while(same).map(length).sum();
        let (before, text) = (&before[prefix..], &fix.text[prefix..]);
        let suffix: usize =
            before.chars().rev().zip(text.chars().rev()).take_while(same).map(length).sum();
        let (start, end) = (start + prefix, end - suffix);
        let (before, text) = (&before[..before.len() - suffix], &text[..text.len() - suffix]);
        let inner = |text| {
            let mut inner = str::chars(text);
            Some((inner.next()?, inner.next_back()?, inner.as_str()))
        };
        match (inner(before), inner(text)) {
            // Other quotes around the same text.
            (Some((first, last, same)), Some((quote, end_quote, text))) if same == text => {
                self.splice(end - last.len_utf8()..end, end_quote.encode_utf8(&mut [0; 4]));
                self.splice(start..start + first.len_utf8(), quote.encode_utf8(&mut [0; 4]));
            }
            _ => self.splice(start..end, text),
        }
        start < end || !text.is_empty()
    }
}
