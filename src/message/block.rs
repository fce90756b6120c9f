//! Where the header block of a message begins and ends, and how edits change it.
//! Works on bytes: what is not edited stays as it came.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::ops::Range;

use memchr::{memchr, memchr2, memmem};

use super::head::{BYTE_ORDER_MARK, Head};
use super::{HeaderEdit, encoded_word};

/// How much is searched for a `From ` line and for a first header field, bytes.
const OPENING: usize = 8 << 10;

/// The header block of a message.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Block {
    /// From after the `From ` line to after the empty line that ends the block.
    pub header: Range<usize>,
    /// The block is longer than the limit and was cut there.
    pub cut: bool,
    /// It ends with a boundary, where others may read on to the first empty line.
    pub at_boundary: bool,
}

/// Finds the header block in bytes that arrive piece by piece; each byte is
/// searched once.
#[derive(Debug)]
pub struct Finder {
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

impl Finder {
    /// For a header block of at most `limit` bytes.
    pub fn new(limit: usize) -> Finder {
        Finder { limit, start: None, has_header: false, line: 0, searched: 0, dashes: 0 }
    }

    /// The header block, if it ends within `bytes`, which is everything that has
    /// arrived so far. At the end of the input there always is one.
    ///
    /// A first line that is not a field (a second `From ` line, a byte-order
    /// mark, an empty line, whatever a broken program wrote there) does not hide
    /// the header: if there is a well-known field before the first empty line,
    /// everything up to that line is header, as every mail reader shows it.
    /// Otherwise such a message has an empty header block, and all of it is body.
    pub fn find(&mut self, bytes: &[u8], eof: bool) -> Option<Block> {
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
                    return Some(Block { header: start..start + empty, ..Block::default() });
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
                    return Some(Block { header, at_boundary: true, cut: false });
                }
            }
            self.searched = end;
            self.line = end;
            if is_empty_line(line) {
                return Some(Block { header: start..end, ..Block::default() });
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
        Some(Block { header: start..end, ..Block::default() })
    }

    /// Cuts between two lines if there is more than one.
    fn cut(&self, start: usize) -> Block {
        let end = if self.line > start { self.line } else { start + self.limit };
        Block { header: start..end, cut: true, at_boundary: false }
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
            let behind = fields.get(at + word.len());
            named.eq_ignore_ascii_case(b"boundary")
                && behind
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
    let behind = rest.get(name..).unwrap_or_default();
    match behind.iter().find(|byte| !matches!(byte, b' ' | b'\t')) {
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
        let (line, behind) = rest.split_at(at + 1);
        if is_empty_line(line) {
            return Some(false);
        }
        if is_known_field(line) {
            return Some(true);
        }
        rest = behind;
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

/// RFC 5322 §2.2: printable US-ASCII, no colon.
fn is_name_byte(byte: u8) -> bool {
    matches!(byte, 33..=126) && byte != b':'
}

/// One field or other line of a header block that is being edited.
struct BlockLine<'a> {
    /// Empty if it is not a field.
    name: Cow<'a, str>,
    bytes: Cow<'a, [u8]>,
}

/// The header block after one edit after the other: `Add` puts a field at the
/// top, `Set` replaces the first one of that name. Everything that is not edited
/// stays byte for byte. `cut` means that the block continues in the body; the
/// field in which it was cut is left alone. Empty lines and a byte-order mark at
/// the top are dropped: they would separate the header from a field added above
/// them.
pub fn edit(head: &Head, cut: bool, edits: &[HeaderEdit]) -> Vec<u8> {
    let block = head.bytes();
    let end = head.fields().len();
    let line_end: &[u8] = match memchr2(b'\r', b'\n', block) {
        Some(at) if block.get(at..).is_some_and(|rest| rest.starts_with(b"\r\n")) => b"\r\n",
        Some(_) if memchr(b'\n', block).is_none() => b"\r",
        _ => b"\n",
    };
    let start = if edits.is_empty() { 0 } else { head.opening().min(end) };
    let mut lines = lines(head, start..end, cut, edits);
    for edit in edits {
        match edit {
            HeaderEdit::Add { name, value } => {
                if let Some(field) = field(name, value, line_end) {
                    lines.push_front(field);
                }
            }
            HeaderEdit::Set { name, value } => {
                let field = field(name, value, line_end);
                let first = lines.iter().position(|line| line.name.eq_ignore_ascii_case(name));
                match (first, field) {
                    (Some(first), Some(field)) => {
                        let mut at = 0;
                        lines.retain(|line| {
                            at += 1;
                            at - 1 <= first || !line.name.eq_ignore_ascii_case(name)
                        });
                        if let Some(line) = lines.get_mut(first) {
                            *line = field;
                        }
                    }
                    (None, Some(field)) => lines.push_front(field),
                    (_, None) => {}
                }
            }
            HeaderEdit::Remove { name } => {
                if !name.is_empty() {
                    lines.retain(|line| !line.name.eq_ignore_ascii_case(name));
                }
            }
        }
    }
    let mut edited: Vec<u8> = Vec::with_capacity(block.len() + 128);
    for line in &lines {
        edited.extend_from_slice(&line.bytes);
    }
    edited.extend_from_slice(block.get(end..).unwrap_or_default());
    // If the whole message is body, an empty line must keep it so.
    if block.is_empty() && !edited.is_empty() {
        edited.extend_from_slice(line_end);
    }
    edited
}

/// The lines as far as the edits need them separately: of the fields that an edit
/// removes, the first determines the place of a new one. Everything between them
/// is one entry.
fn lines<'a>(
    head: &'a Head,
    range: Range<usize>,
    cut: bool,
    edits: &[HeaderEdit],
) -> VecDeque<BlockLine<'a>> {
    let block = head.bytes();
    let mut going: Vec<(&str, bool)> = Vec::new();
    for edit in edits {
        match edit {
            HeaderEdit::Set { name, .. } | HeaderEdit::Remove { name } => going.push((name, false)),
            HeaderEdit::Add { .. } => {}
        }
    }
    let mut lines = VecDeque::new();
    let Range { start: mut copied, end } = range;
    let mut push = |name, range: Range<usize>| {
        if let Some(bytes) = block.get(range).filter(|bytes| !bytes.is_empty()) {
            lines.push_back(BlockLine { name: Cow::Borrowed(name), bytes: Cow::Borrowed(bytes) });
        }
    };
    let fields = if going.is_empty() { None } else { Some(head.headers()) };
    for field in fields.into_iter().flatten() {
        let found = going.iter_mut().find(|(name, _)| field.name.eq_ignore_ascii_case(name));
        let is_cut = cut && field.range.end == end;
        if let Some((_, is_known)) = found.filter(|_| !is_cut) {
            push("", copied..field.range.start);
            copied = field.range.end;
            if !std::mem::replace(is_known, true) {
                push(field.name, field.range);
            }
        }
    }
    push("", copied..end);
    lines
}

/// A new field; `None` if no byte of the name is allowed in one.
fn field(name: &str, value: &str, line_end: &[u8]) -> Option<BlockLine<'static>> {
    let name: String = name.bytes().filter(|byte| is_name_byte(*byte)).map(char::from).collect();
    if name.is_empty() {
        return None;
    }
    let mut bytes = format!("{name}:").into_bytes();
    let encoded = encoded_word::encode(value);
    for line in encoded.split(['\r', '\n']).filter(|line| !line.trim().is_empty()) {
        if bytes.len() > name.len() + 1 {
            bytes.extend_from_slice(line_end);
        }
        bytes.push(b' ');
        bytes.extend_from_slice(line.trim_start().as_bytes());
    }
    bytes.extend_from_slice(line_end);
    Some(BlockLine { name: Cow::Owned(name), bytes: Cow::Owned(bytes) })
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use proptest::prelude::*;

    use super::*;

    /// The result for all bytes at once, which must be the same byte by byte.
    fn find(bytes: &[u8], limit: usize) -> Block {
        let whole = Finder::new(limit).find(bytes, true).expect("there is one at the end");
        let mut finder = Finder::new(limit);
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
        assert_eq!(lines, Block { header: 0..10, cut: true, at_boundary: false });
        let cut = Block { header: 0..6, cut: true, at_boundary: false };
        assert_eq!(find(b"A: a long line\n\nbody", 6), cut);
    }

    fn edited(header: &str, edits: &[HeaderEdit]) -> String {
        String::from_utf8(edit(&Head::parse(header), false, edits)).expect("ASCII")
    }

    fn add(name: &str, value: &str) -> HeaderEdit {
        HeaderEdit::Add { name: name.into(), value: value.into() }
    }

    fn set(name: &str, value: &str) -> HeaderEdit {
        HeaderEdit::Set { name: name.into(), value: value.into() }
    }

    fn remove(name: &str) -> HeaderEdit {
        HeaderEdit::Remove { name: name.into() }
    }

    #[test]
    fn edits() {
        let block = "A: 1\r\nb : 2\r\n\t2\r\nbroken\r\nB:3\r\n\r\n";
        for (edits, want) in [
            (vec![], block),
            (vec![add("X", "y")], "X: y\r\nA: 1\r\nb : 2\r\n\t2\r\nbroken\r\nB:3\r\n\r\n"),
            (
                vec![add("X", "1"), add("X", "2")],
                "X: 2\r\nX: 1\r\nA: 1\r\nb : 2\r\n\t2\r\nbroken\r\nB:3\r\n\r\n",
            ),
            (vec![set("B", "4")], "A: 1\r\nB: 4\r\nbroken\r\n\r\n"),
            (vec![set("C", "4")], "C: 4\r\nA: 1\r\nb : 2\r\n\t2\r\nbroken\r\nB:3\r\n\r\n"),
            (vec![remove("b")], "A: 1\r\nbroken\r\n\r\n"),
            (vec![add("B", "9"), remove("b"), remove("a"), remove("")], "broken\r\n\r\n"),
            (vec![remove("b"), set("B", "4")], "B: 4\r\nA: 1\r\nbroken\r\n\r\n"),
            (vec![set("b", "4"), set("a", "5")], "a: 5\r\nb: 4\r\nbroken\r\n\r\n"),
            (vec![add("b", "3"), set("B", "4")], "B: 4\r\nA: 1\r\nbroken\r\n\r\n"),
        ] {
            assert_eq!(edited(block, &edits), want, "{edits:?}");
        }
    }

    #[test]
    fn an_edit_makes_one_header_line_only() {
        let edits = [add("X\r\nEvil: yes\n\n", "y\r\nEvil: yes\r\n\r\nbody")];
        let block = edited("A: 1\n\n", &edits);
        let head = Head::parse(block.clone());
        assert_eq!(head.headers().count(), 2, "{block}");
        assert!(head.first("evil").is_none());
    }

    #[test]
    fn an_edit_keeps_a_body_without_header_a_body() {
        assert_eq!(edited("", &[add("X", "y")]), "X: y\n\n");
        assert_eq!(edited("\n", &[add("X", "y")]), "X: y\n\n");
        assert_eq!(edited("A: 1", &[add("X", "y")]), "X: y\nA: 1");
        assert_eq!(edited("A: 1\r\r", &[add("X", "y")]), "X: y\rA: 1\r\r");
    }

    /// Beyond the index, too; and in linear time.
    #[test]
    fn all_of_many_fields_go() {
        let block = "A:\n".repeat(200_000) + "B: 1\n";
        assert_eq!(edited(&block, &[remove("a")]), "B: 1\n");
        assert_eq!(edited(&block, &[set("a", "2"), add("C", "3")]), "C: 3\na: 2\nB: 1\n");
        let head = Head::parse(block);
        assert_eq!(lines(&head, 0..head.fields().len(), false, &[remove("a")]).len(), 2);
    }

    #[test]
    fn a_field_above_empty_lines_and_a_mark_takes_their_place() {
        for opening in ["\n", "\n\n", "\u{feff}", "\n\u{feff}"] {
            let head = Head::of_message(Rc::new(format!("{opening}A: 1\nB: 2\n\n").into()));
            assert_eq!(head.texts("a").0, ["1"], "{opening:?}");
            assert_eq!(edit(&head, false, &[]), head.bytes());
            assert_eq!(edit(&head, false, &[add("X", "y")]), b"X: y\nA: 1\nB: 2\n\n");
            assert_eq!(edit(&head, false, &[remove("A")]), b"B: 2\n\n");
        }
        let head = Head::of_message(Rc::new(b"From x\nA: 1\n\n".to_vec()));
        assert_eq!(edit(&head, false, &[add("X", "y")]), b"X: y\nFrom x\nA: 1\n\n");
    }

    #[test]
    fn a_field_that_was_cut_is_left_alone() {
        let head = Head::parse(b"A: 1\nB: 2\n".as_slice());
        assert_eq!(edit(&head, true, &[remove("a"), remove("b")]), b"B: 2\n");
    }

    proptest! {
        #[test]
        fn any_value_stays_one_field(value in any::<String>(), name in "[!-~]{1,80}") {
            let block = edit(&Head::parse(b"A: 1\n\n".as_slice()), false, &[add(&name, &value)]);
            let fields = Head::parse(block).headers().count();
            prop_assert!(fields <= 2);
        }

        #[test]
        fn no_edit_changes_nothing(block in "([A-C]|: |x|\r?\n|\t|\r|é){0,40}") {
            prop_assert_eq!(edit(&Head::parse(block.clone()), false, &[]), block.as_bytes());
        }

        #[test]
        fn found_in_any_pieces(
            message in "(From |From|>From |To|X-A|\u{feff}|[a-c]|:| |\t|\r|\n|\r\n\r\n){0,30}", limit in 1_usize..40,
        ) {
            find(message.as_bytes(), limit);
        }
    }
}
