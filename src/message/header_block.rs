//! Where the header block of a message begins and ends.

use std::ops::Range;

use memchr::{memchr, memmem};

use super::head::{BYTE_ORDER_MARK, is_name_byte};

/// How much is searched for a `From ` line and for a first header field, bytes.
const OPENING: usize = 8 << 10;

/// The header block of a message.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HeaderBlock {
    /// From after the `From ` line to after the empty line that ends the block.
    pub header: Range<usize>,
    /// The block is longer than the limit and was cut there.
    pub cut: bool,
    /// The block ends with a boundary, where others may read on to the first empty line.
    pub at_boundary: bool,
}

/// Finds the header block in bytes that arrive piece by piece; each byte is
/// searched once.
#[derive(Debug)]
pub struct HeaderFinder {
    limit: usize,
    /// The end of the `From ` line, once that is known.
    start: Option<usize>,
    /// The message is known to begin with a field.
    has_header: bool,
    /// Start of the current line.
    line: usize,
    /// Everything before this has been searched for a line end.
    searched: usize,
    /// How many lines of dashes there have been.
    dashes: usize,
}

/// How many lines of a header are checked for being a boundary.
pub const MOST_DASHES: usize = 10;

impl HeaderFinder {
    /// For a header block of at most `limit` bytes.
    pub fn new(limit: usize) -> HeaderFinder {
        HeaderFinder { limit, start: None, has_header: false, line: 0, searched: 0, dashes: 0 }
    }

    /// The header block, if it ends within `bytes`, which is everything that has
    /// arrived so far. At the end of the input there always is one.
    ///
    /// A first line that is not a field (a second `From ` line, a byte-order
    /// mark, an empty line, whatever a broken program wrote there) does not hide
    /// the header: if there is a well-known field before the first empty line,
    /// everything up to that line is header, as every mail reader shows it.
    /// Otherwise such a message has an empty header block, and all of it is body.
    pub fn find(&mut self, bytes: &[u8], eof: bool) -> Option<HeaderBlock> {
        let start = match self.start {
            Some(start) => start,
            None => {
                let start = from_line(bytes, eof)?;
                self.start = Some(start);
                self.line = start;
                self.searched = start;
                start
            }
        };
        let header = bytes.get(start..).unwrap_or_default();
        if !self.has_header {
            let all = eof || header.len() >= OPENING;
            let opening = header.get(..OPENING).unwrap_or(header);
            let blank = blank_lines(opening, all)?;
            let known = |all| holds_known_field(opening.get(blank..).unwrap_or_default(), all);
            if blank > 0 || !opens_with_field(header, all)? {
                if !known(all)? {
                    let empty = match header {
                        [b'\r', b'\n', ..] => 2,
                        [b'\n', ..] => 1,
                        _ => 0,
                    };
                    return Some(HeaderBlock {
                        header: start..start + empty,
                        ..HeaderBlock::default()
                    });
                }
                self.line = start + blank;
                self.searched = self.line;
            }
            self.has_header = true;
        }
        while let Some(at) = memchr(b'\n', bytes.get(self.searched..).unwrap_or_default()) {
            let end = self.searched + at + 1;
            let line = bytes.get(self.line..end).unwrap_or_default();
            if end - start > self.limit {
                return Some(self.cut(start));
            }
            if line.starts_with(b"--") && self.dashes < MOST_DASHES {
                self.dashes += 1;
                if is_boundary(line, bytes.get(start..self.line).unwrap_or_default()) {
                    let header = start..self.line;
                    return Some(HeaderBlock { header, at_boundary: true, cut: false });
                }
            }
            self.searched = end;
            self.line = end;
            if is_empty_line(line) {
                return Some(HeaderBlock { header: start..end, ..HeaderBlock::default() });
            }
        }
        self.searched = bytes.len();
        if bytes.len() - start > self.limit {
            return Some(self.cut(start));
        }
        if !eof {
            return None;
        }
        // If no line ends with LF, CR ends lines.
        let end = match memmem::find(header, b"\r\r") {
            Some(at) if self.line == start => start + at + 2,
            _ => bytes.len(),
        };
        Some(HeaderBlock { header: start..end, ..HeaderBlock::default() })
    }

    /// Cuts between two lines if there is more than one.
    fn cut(&self, start: usize) -> HeaderBlock {
        let end = if self.line > start { self.line } else { start + self.limit };
        HeaderBlock { header: start..end, cut: true, at_boundary: false }
    }
}

/// Whether a line in a header is the boundary that the fields above it name: some
/// programs forget the empty line.
pub fn is_boundary(line: &[u8], fields: &[u8]) -> bool {
    let word = line.strip_prefix(b"--").unwrap_or_default().trim_ascii_end();
    !word.is_empty()
        && memmem::find_iter(fields, word).any(|at| {
            let before = fields.get(..at).unwrap_or_default();
            let before = before.strip_suffix(b"\"").unwrap_or(before).trim_ascii_end();
            let name = before.strip_suffix(b"=").unwrap_or_default().trim_ascii_end();
            let start = name.len().saturating_sub(b"boundary".len());
            let named = name.get(start..).unwrap_or_default();
            let after = fields.get(at + word.len());
            named.eq_ignore_ascii_case(b"boundary")
                && after
                    .is_none_or(|byte| matches!(byte, b'"' | b';' | b' ' | b'\t' | b'\r' | b'\n'))
        })
}

/// Whether a line has only CRs before its line end.
pub fn is_empty_line(line: &[u8]) -> bool {
    match line.split_last() {
        Some((b'\n', rest)) => rest.iter().all(|byte| *byte == b'\r'),
        _ => line == b"\r",
    }
}

/// The length of a leading `From ` line; `None` if more bytes are needed to
/// decide. `From : sender` is a field (RFC 5322 §4.5), and a line without an end
/// is not a `From ` line.
fn from_line(bytes: &[u8], eof: bool) -> Option<usize> {
    const FROM: &[u8] = b"From ";
    let all = eof || bytes.len() >= OPENING;
    let Some(rest) = bytes.strip_prefix(FROM) else {
        return (all || !FROM.starts_with(bytes)).then_some(0);
    };
    match rest.iter().find(|byte| !matches!(byte, b' ' | b'\t')) {
        Some(b':') => return Some(0),
        None if !all => return None,
        _ => {}
    }
    match memchr(b'\n', rest) {
        Some(at) => Some(FROM.len() + at + 1),
        None if !all => None,
        None => Some(match memchr(b'\r', rest) {
            Some(at) if opens_with_field(rest.get(at + 1..)?, true)? => FROM.len() + at + 1,
            _ => 0,
        }),
    }
}

/// Whether a header block begins here: with a field or with the empty line that
/// ends the block; `>From ` lines and lines of blanks may come first. `None` if
/// that depends on bytes that are missing and `all` is not set.
pub fn opens_with_field(bytes: &[u8], all: bool) -> Option<bool> {
    let mut rest = bytes;
    while rest.starts_with(b">From ") || rest.starts_with(b" ") || rest.starts_with(b"\t") {
        let quoted = rest.starts_with(b">");
        match memchr(b'\n', rest) {
            Some(at)
                if quoted || rest.get(..at).is_some_and(|line| line.trim_ascii().is_empty()) =>
            {
                rest = rest.get(at + 1..).unwrap_or_default();
            }
            None if !all => return None,
            Some(_) => return Some(false),
            None => return Some(quoted),
        }
    }
    let name = rest.iter().take_while(|byte| is_name_byte(**byte)).count();
    let after = rest.get(name..).unwrap_or_default();
    match after.iter().find(|byte| !matches!(byte, b' ' | b'\t')) {
        Some(b':') => Some(name > 0),
        Some(b'\n') => Some(rest.starts_with(b"\n")),
        Some(b'\r') if rest.len() == 1 && !all => None,
        Some(b'\r') => Some(rest.starts_with(b"\r\n")),
        Some(_) => Some(false),
        None if all => Some(rest.is_empty()),
        None => None,
    }
}

/// The length of the empty lines at the start. `None` as above.
fn blank_lines(bytes: &[u8], all: bool) -> Option<usize> {
    let mut blank = 0;
    loop {
        match bytes.get(blank..).unwrap_or_default() {
            [b'\n', ..] => blank += 1,
            [b'\r', b'\n', ..] => blank += 2,
            [] | [b'\r'] if !all => return None,
            _ => return Some(blank),
        }
    }
}

/// Whether one of the lines before the first empty one is a field of a kind that
/// every header has. `None` as above.
fn holds_known_field(bytes: &[u8], all: bool) -> Option<bool> {
    let mut rest = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
    while let Some(at) = memchr(b'\n', rest) {
        let (line, after) = rest.split_at(at + 1);
        if is_empty_line(line) {
            return Some(false);
        }
        if is_known_field(line) {
            return Some(true);
        }
        rest = after;
    }
    all.then(|| is_known_field(rest))
}

/// Whether a line is a field of RFC 5322 §3.6, of MIME, or one that mail servers
/// add; `Note: …` in a text is not.
fn is_known_field(line: &[u8]) -> bool {
    const KNOWN: &[&str] = &[
        "from",
        "sender",
        "reply-to",
        "to",
        "cc",
        "bcc",
        "subject",
        "date",
        "message-id",
        "in-reply-to",
        "references",
        "received",
        "return-path",
        "delivered-to",
        "envelope-to",
        "mime-version",
        "content-type",
        "content-transfer-encoding",
        "dkim-signature",
        "authentication-results",
        "list-id",
        "list-unsubscribe",
        "precedence",
        "auto-submitted",
        "user-agent",
    ];
    let name = line.iter().take_while(|byte| is_name_byte(**byte)).count();
    let (name, rest) = line.split_at(name);
    let rest = rest.trim_ascii_start();
    let extension = name.len() > 2 && name.get(..2).is_some_and(|x| x.eq_ignore_ascii_case(b"X-"));
    rest.starts_with(b":")
        && (extension || KNOWN.iter().any(|known| name.eq_ignore_ascii_case(known.as_bytes())))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The result for all bytes at once, which must be the same byte by byte.
    fn find(bytes: &[u8], limit: usize) -> HeaderBlock {
        let whole = HeaderFinder::new(limit).find(bytes, true).expect("there is one at the end");
        let mut finder = HeaderFinder::new(limit);
        let early = (0..=bytes.len()).find_map(|end| finder.find(bytes.get(..end)?, false));
        assert_eq!(early.or_else(|| finder.find(bytes, true)), Some(whole.clone()));
        whole
    }

    #[test]
    fn where_the_header_is() {
        for (message, want) in [
            ("A: b\n\nbody", 0..6),
            ("A: b\r\n\r\nbody", 0..8),
            ("From a@b  Mon\nA: b\n\nbody", 14..20),
            ("From a@b  Mon\n>From c\nA: b\n\nbody", 14..28),
            ("From a@b  Mon\rA: b\r\rbody", 14..20),
            ("From : a@b\n\nbody", 0..12),
            ("From : a@b", 0..10),
            ("From here to the end", 0..0),
            ("A: b", 0..4),
            ("\nbody", 0..1),
            ("\r\nbody", 0..2),
            ("\rbody", 0..0),
            ("A: b\rC: d\r\rbody\r\rmore", 0..11),
            ("A: b\r\r\nC: d\r\r\n\r\r\nbody", 0..17),
            ("no header\n\nbody: x", 0..0),
            ("no header\nNote: x\n\nbody", 0..0),
            ("no header\nSubject: x\n\nbody", 0..22),
            ("From a@b  Mon\nFrom c\nTo: b\n\nbody", 14..28),
            ("\u{feff}Subject: x\n\nbody", 0..15),
            ("\u{feff}no header\n\nSubject: x", 0..0),
            ("First Name: x\nX-A: b\n\nbody", 0..22),
            ("\nSubject: x\n\nbody", 0..13),
            ("\r\n\r\nSubject: x\r\n\r\nbody", 0..18),
            ("\n\n\nbody\n", 0..1),
            (" folded\nSubject : x", 0..19),
            (" blank: x\n\nbody", 0..0),
            (" \t\n\r \nA: b\n\nbody", 0..0),
            (" \t\n \r\nA: b\n\nbody", 0..12),
            ("A: b\nbroken\nC: d\n\nbody", 0..18),
            ("", 0..0),
            (":", 0..0),
        ] {
            assert_eq!(find(message.as_bytes(), 1000).header, want, "{message:?}");
        }
    }

    #[test]
    fn a_header_too_long_is_cut_between_lines() {
        let lines = find(b"A: b\nC: d\nE: f\n\nbody", 12);
        assert_eq!(lines, HeaderBlock { header: 0..10, cut: true, at_boundary: false });
        let cut = HeaderBlock { header: 0..6, cut: true, at_boundary: false };
        assert_eq!(find(b"A: a long line\n\nbody", 6), cut);
    }

    proptest! {
        #[test]
        fn found_in_any_pieces(
            message in "(From |From|>From |To|X-A|\u{feff}|[a-c]|:| |\t|\r|\n|\r\n\r\n){0,30}", limit in 1_usize..40,
        ) {
            find(message.as_bytes(), limit);
        }
    }
}
