//! Which parts a message has and where in the body each of them is (RFC 2045, RFC
//! 2046). One pass over the body, without recursion, in time linear in its size
//! whatever the boundaries are; nothing is decoded here.

use std::io::{self, Read};
use std::ops::Range;

use memchr::memchr;

use super::block::{MOST_DASHES, is_boundary, is_empty_line, opens_with_field};
use super::flowed::Flow;
use super::head::Head;
use super::parameter::{self, Parameters};
use super::transfer::Encoding;
use super::{encoded_word, file_name};

/// How deep parts may be nested: a deeper one is a single part that is not split.
pub const DEPTH_LIMIT: usize = 50;

/// After this many parts the walk ends; the last one contains the rest.
pub const PARTS_LIMIT: usize = 1000;

/// How much of a part's header block is read, bytes.
pub const PART_HEADER_LIMIT: usize = 256 << 10;

/// The longest media type; RFC 6838 §4.2 allows 127 bytes on either side.
const TYPE_LIMIT: usize = 255;

/// The longest boundary; RFC 2046 allows 70 bytes.
const BOUNDARY_LIMIT: usize = 1000;

const BUFFER: usize = 16 << 10;

/// One body part (RFC 2045 §2.4); the first is the message itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Part {
    /// `type/subtype` in lower case, as declared, or what RFC 2045 §5.2
    /// substitutes for it.
    pub media_type: String,
    /// Declared charset, as written.
    pub charset: Option<String>,
    /// How the lines of its text must be read.
    pub flow: Flow,
    /// The file name, decoded and cleaned of everything that would disguise it:
    /// from Content-Disposition, otherwise from Content-Type.
    pub name: Option<String>,
    /// Other names that mail readers may show: from Content-Type, the last of
    /// several, and without backslashes.
    pub other_names: Vec<String>,
    /// Content-Disposition is `attachment`.
    pub attached: bool,
    /// How its content is encoded for transport.
    pub encoding: Encoding,
    /// Where its content is in the body of the message, in bytes: without the
    /// header block and without the line end that belongs to a boundary.
    pub range: Range<u64>,
    /// Index of the part that contains it.
    pub parent: Option<usize>,
    /// Its own parts were found, and have all the content.
    pub split: bool,
}

impl Part {
    /// Whether it is text that a mail reader shows.
    pub fn is_text(&self) -> bool {
        !self.split && !self.attached && self.media_type.starts_with("text/")
    }

    /// Whether it is another message.
    pub fn is_message(&self) -> bool {
        matches!(self.media_type.as_str(), "message/rfc822" | "message/global")
    }

    /// For a multipart that cannot be split (RFC 2045 §5.2).
    fn read_as_text(&mut self) {
        self.split = false;
        self.media_type = "text/plain".to_owned();
        self.encoding = Encoding::Identity;
    }

    /// Whether it is something to save or open: marked as an attachment, with a
    /// file name, or not text.
    pub fn is_attachment(&self) -> bool {
        if self.media_type.starts_with("multipart/") {
            return false;
        }
        self.attached || self.name.is_some() || !self.media_type.starts_with("text/")
    }
}

/// The result of the walk.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Structure {
    /// All parts, each before those within it.
    pub parts: Vec<Part>,
    /// Which limits cut something off.
    pub limits: Vec<&'static str>,
}

/// Splits a body. `head` is that of the message itself.
///
/// # Errors
/// The body cannot be read.
pub fn walk(head: &Head, body: impl Read) -> io::Result<Structure> {
    let mut walker = Walker::default();
    walker.begin(head, "text/plain", 0);
    let mut lines = BodyLines::new(body, line_end(head));
    while !walker.done() {
        let Some(piece) = lines.next()? else { break };
        walker.piece(&piece);
    }
    // The walk may end early; then the rest belongs to the parts that are still open.
    let end = if walker.stack.is_empty() { walker.end } else { lines.skip()? };
    Ok(walker.finish(end))
}

/// If no line of the header ends with LF, CR ends lines in the body, too.
fn line_end(head: &Head) -> u8 {
    match (memchr(b'\n', head.bytes()), memchr(b'\r', head.bytes())) {
        (None, Some(_)) => b'\r',
        _ => b'\n',
    }
}

/// A part whose end has not been reached.
struct OpenPart {
    part: usize,
    inside: PartKind,
}

enum PartKind {
    /// The boundary of a multipart, and the default type of its parts.
    Multipart { boundary: Vec<u8>, default: &'static str, seen: bool },
    /// Another message.
    Message,
    /// A file within text, from `begin` to `end`.
    Uuencoded,
    /// Anything else.
    Leaf,
}

#[derive(Default)]
struct Walker {
    structure: Structure,
    stack: Vec<OpenPart>,
    /// The header block so far of a part that is beginning, and its default type.
    header: Option<(Vec<u8>, &'static str)>,
    /// How many of its lines were checked for being a boundary.
    dashes: usize,
    /// A line in text that may begin a file: its place, and the file's name.
    begin: Option<(u64, String)>,
    /// Where the last closed part ended.
    end: u64,
    full: bool,
}

impl Walker {
    fn done(&self) -> bool {
        self.full || self.stack.is_empty()
    }

    fn limit(&mut self, limit: &'static str) {
        if !self.structure.limits.contains(&limit) {
            self.structure.limits.push(limit);
        }
    }

    /// Opens a part whose content starts at `start`.
    fn begin(&mut self, head: &Head, default: &'static str, start: u64) {
        let (mut part, content_type) = describe(head, default);
        let long = |name| head.first(name).is_some_and(|value| value.len() > parameter::LIMIT);
        // Only the message's own header can be that long.
        if self.stack.is_empty() && (long("content-type") || long("content-disposition")) {
            self.limit("only the first 256 KB of Content-Type were looked at");
        }
        part.range = start..start;
        part.parent = self.stack.last().map(|open| open.part);
        let mut inside = PartKind::Leaf;
        if part.media_type.starts_with("multipart/") {
            let boundary = content_type.get("boundary").unwrap_or_default().trim_end();
            if boundary.is_empty() || boundary.len() > BOUNDARY_LIMIT {
                part.read_as_text();
            } else if self.room() {
                let default = match part.media_type.as_str() {
                    "multipart/digest" => "message/rfc822",
                    _ => "text/plain",
                };
                let boundary = boundary.as_bytes().to_vec();
                inside = PartKind::Multipart { boundary, default, seen: false };
                part.split = true;
            }
        } else if part.is_message() && part.encoding == Encoding::Identity && self.room() {
            inside = PartKind::Message;
            part.split = true;
        }
        if matches!(inside, PartKind::Message) {
            self.header = Some((Vec::new(), "text/plain"));
            self.dashes = 0;
        }
        self.stack.push(OpenPart { part: self.structure.parts.len(), inside });
        self.structure.parts.push(part);
        if self.structure.parts.len() >= PARTS_LIMIT {
            self.limit("only the first 1000 parts were looked at");
            self.full = true;
        }
    }

    fn room(&mut self) -> bool {
        if self.stack.len() < DEPTH_LIMIT {
            return true;
        }
        self.limit("parts nested more than 50 deep were not looked into");
        false
    }

    fn piece(&mut self, piece: &LinePiece<'_>) {
        if piece.starts_line
            && let Some((level, last)) = self.boundary(piece.bytes)
        {
            self.delimiter(level, last, piece);
            return;
        }
        if self.header.is_none() {
            self.uuencoded(piece);
            return;
        }
        while let Some((mut header, default)) = self.header.take() {
            if piece.starts_line {
                let blank = is_empty_line(piece.bytes)
                    || header.is_empty() && piece.bytes.trim_ascii().is_empty();
                // A part that does not begin with a header does not have one.
                let text = header.is_empty() && opens_with_field(piece.bytes, true) == Some(false);
                let is_boundary = piece.bytes.starts_with(b"--") && self.dashes < MOST_DASHES && {
                    self.dashes += 1;
                    is_boundary(piece.bytes, &header)
                };
                if is_boundary {
                    self.begin(&Head::parse(header), default, piece.start);
                    return self.piece(piece);
                }
                if blank || text {
                    let skip = if blank { piece.bytes.len() as u64 } else { 0 };
                    self.begin(&Head::parse(header), default, piece.start + skip);
                    if blank || self.full {
                        return;
                    }
                    continue;
                }
            }
            let room = PART_HEADER_LIMIT.saturating_sub(header.len());
            if piece.bytes.len() > room {
                self.limit("a part's header block was cut at 256 KB");
            }
            header.extend_from_slice(piece.bytes.get(..room).unwrap_or(piece.bytes));
            self.header = Some((header, default));
            return;
        }
    }

    /// Recognises a file that uuencode(1), which is older than MIME, put into text.
    fn uuencoded(&mut self, piece: &LinePiece<'_>) {
        if !piece.starts_line {
            return;
        }
        let line = piece.bytes.trim_ascii_end();
        let Some(open) = self.stack.last() else { return };
        match open.inside {
            PartKind::Uuencoded if line == b"end" => {
                self.close(self.stack.len() - 1, piece.start + piece.bytes.len() as u64);
            }
            PartKind::Leaf => {
                if let Some((start, name)) = self.begin.take().filter(|_| is_uuencoded(line))
                    && self.structure.parts.len() < PARTS_LIMIT
                {
                    let part = Part {
                        media_type: "application/octet-stream".to_owned(),
                        name: Some(name),
                        attached: true,
                        encoding: Encoding::Uuencode,
                        range: start..start,
                        parent: Some(open.part),
                        ..Part::default()
                    };
                    let part_number = self.structure.parts.len();
                    self.stack.push(OpenPart { part: part_number, inside: PartKind::Uuencoded });
                    self.structure.parts.push(part);
                } else if let Some(name) = uuencoded_name(line) {
                    let in_text =
                        self.structure.parts.get(open.part).is_some_and(|part| {
                            part.is_text() && part.encoding == Encoding::Identity
                        });
                    self.begin = in_text.then_some((piece.start, name));
                }
            }
            _ => {}
        }
    }

    /// The open multipart whose boundary a line is, the innermost first, and
    /// whether it is the closing one. RFC 2046 §5.1.1, except that a longer word
    /// is another boundary.
    fn boundary(&self, line: &[u8]) -> Option<(usize, bool)> {
        let line = line.strip_prefix(b"--")?;
        self.stack.iter().enumerate().rev().find_map(|(level, open)| {
            let PartKind::Multipart { boundary, .. } = &open.inside else { return None };
            match line.strip_prefix(boundary.as_slice())? {
                [] | [b' ' | b'\t' | b'\r' | b'\n', ..] => Some((level, false)),
                [b'-', b'-', ..] => Some((level, true)),
                _ => None,
            }
        })
    }

    fn delimiter(&mut self, level: usize, last: bool, line: &LinePiece<'_>) {
        let end = line.start.saturating_sub(line.line_end_before);
        self.begin_unfinished(line.start);
        self.close(level + 1, end);
        if let Some(OpenPart { inside: PartKind::Multipart { default, seen, .. }, .. }) =
            self.stack.get_mut(level)
        {
            *seen = true;
            if !last {
                self.header = Some((Vec::new(), *default));
                self.dashes = 0;
            }
        }
        if last {
            self.close(level, line.start + line.bytes.len() as u64);
        }
    }

    /// A header block that ends without an empty line belongs to a part without content.
    fn begin_unfinished(&mut self, end: u64) {
        while let Some((header, default)) = self.header.take() {
            if self.full {
                return;
            }
            self.begin(&Head::parse(header), default, end);
        }
    }

    /// Closes all parts from this level of the stack on.
    fn close(&mut self, level: usize, end: u64) {
        for open in self.stack.drain(level.min(self.stack.len())..).rev() {
            let Some(part) = self.structure.parts.get_mut(open.part) else { continue };
            part.range.end = end.max(part.range.start);
            self.end = part.range.end;
            // If no boundary was found, a mail reader shows all of it.
            if matches!(open.inside, PartKind::Multipart { seen: false, .. }) {
                part.read_as_text();
            }
        }
    }

    fn finish(mut self, end: u64) -> Structure {
        self.begin_unfinished(end);
        self.close(0, end);
        self.structure
    }
}

/// The name in `begin 644 NAME`.
fn uuencoded_name(line: &[u8]) -> Option<String> {
    let (mode, name) = line.strip_prefix(b"begin ")?.split_at_checked(3)?;
    let name = name.strip_prefix(b" ").or_else(|| name.get(1..)?.strip_prefix(b" "))?;
    mode.iter().all(|byte| (b'0'..=b'7').contains(byte)).then_some(())?;
    let name = file_name::clean_name(&encoded_word::decode(name, None));
    (!name.is_empty()).then_some(name)
}

/// Whether it is a line of uuencoded bytes: its first character is their number.
fn is_uuencoded(line: &[u8]) -> bool {
    let Some((length, text)) = line.split_first() else { return false };
    let bytes = usize::from(length.wrapping_sub(b' ') & 63);
    let size = bytes.div_ceil(3) * 4;
    // Blanks at the end get lost on the way, and some writers add one character.
    (b' '..=b'`').contains(length)
        && text.len() <= size + 1
        && text.len() + 2 >= size
        && text.iter().all(|byte| (b' '..=b'`').contains(byte))
}

/// Reads a part's header.
fn describe(head: &Head, default: &str) -> (Part, Parameters) {
    let mut content_type = head.first("content-type").map(parameter::parse).unwrap_or_default();
    match content_type.value.split_once('/') {
        Some((kind, subtype))
            if !kind.is_empty()
                && !subtype.is_empty()
                && content_type.value.len() <= TYPE_LIMIT => {}
        _ if content_type.value == "text" => content_type.value = "text/plain".to_owned(),
        _ => content_type.value = default.to_owned(),
    }
    let disposition = head.first("content-disposition").map(parameter::parse).unwrap_or_default();
    let clean = |name: &str| {
        let name = file_name::clean_name(&encoded_word::decode(name.as_bytes(), None));
        (!name.is_empty()).then_some(name)
    };
    let last = |header| head.values(header).skip(1).last().map(parameter::parse);
    let (last_disposition, last_type) = (last("content-disposition"), last("content-type"));
    let given = disposition.all("filename").chain(content_type.all("name"));
    let given = given
        .chain(last_disposition.iter().flat_map(|last| last.all("filename")))
        .chain(last_type.iter().flat_map(|last| last.all("name")));
    let mut names: Vec<String> = Vec::new();
    for name in given.filter_map(clean) {
        let unescaped = name.contains('\\').then(|| name.replace('\\', ""));
        for name in [Some(name), unescaped].into_iter().flatten() {
            if !name.is_empty() && !names.contains(&name) {
                names.push(name);
            }
        }
    }
    let mut names = names.into_iter();
    let part = Part {
        media_type: content_type.value.clone(),
        charset: content_type.get("charset").filter(|label| !label.is_empty()).map(str::to_owned),
        flow: Flow::new(content_type.get("format"), content_type.get("delsp")),
        name: names.next(),
        other_names: names.collect(),
        attached: disposition.value == "attachment",
        encoding: head.first("content-transfer-encoding").map(Encoding::parse).unwrap_or_default(),
        ..Part::default()
    };
    (part, content_type)
}

/// A line with its line end, or a piece of a line that is longer than the buffer.
struct LinePiece<'a> {
    bytes: &'a [u8],
    /// Its place in the body.
    start: u64,
    starts_line: bool,
    /// Length of the line end before it, 0 if it does not start a line.
    line_end_before: u64,
}

struct BodyLines<R> {
    input: R,
    end: u8,
    buffer: Vec<u8>,
    /// The part of the buffer that is filled and has not been returned yet.
    ready: Range<usize>,
    eof: bool,
    at: u64,
    starts_line: bool,
    line_end: u64,
}

impl<R: Read> BodyLines<R> {
    fn new(input: R, end: u8) -> BodyLines<R> {
        BodyLines {
            input,
            end,
            buffer: vec![0; BUFFER],
            ready: 0..0,
            eof: false,
            at: 0,
            starts_line: true,
            line_end: 0,
        }
    }

    fn next(&mut self) -> io::Result<Option<LinePiece<'_>>> {
        let mut searched = 0;
        let length = loop {
            let ready = self.buffer.get(self.ready.clone()).unwrap_or_default();
            if let Some(at) = memchr(self.end, ready.get(searched..).unwrap_or_default()) {
                break searched + at + 1;
            }
            searched = ready.len();
            if self.eof || searched == BUFFER {
                break searched;
            }
            self.fill()?;
        };
        let range = self.ready.start..self.ready.start + length;
        self.ready.start += length;
        let bytes = self.buffer.get(range).unwrap_or_default();
        if bytes.is_empty() {
            return Ok(None);
        }
        let piece = LinePiece {
            bytes,
            start: self.at,
            starts_line: self.starts_line,
            line_end_before: self.line_end,
        };
        self.at += length as u64;
        self.starts_line = bytes.last() == Some(&self.end);
        self.line_end = match bytes {
            [.., b'\r', b'\n'] => 2,
            [.., last] if *last == self.end => 1,
            _ => 0,
        };
        Ok(Some(piece))
    }

    /// Skips the rest and returns the total length.
    fn skip(&mut self) -> io::Result<u64> {
        while !self.eof {
            self.at += self.ready.len() as u64;
            self.ready = 0..0;
            self.fill()?;
        }
        self.at += self.ready.len() as u64;
        self.ready = 0..0;
        Ok(self.at)
    }

    /// Makes room after the unread bytes and reads once.
    fn fill(&mut self) -> io::Result<()> {
        if self.ready.start > 0 {
            self.buffer.copy_within(self.ready.clone(), 0);
            self.ready = 0..self.ready.len();
        }
        let room = self.buffer.get_mut(self.ready.end..).unwrap_or_default();
        loop {
            match self.input.read(room) {
                Ok(count) => {
                    self.eof = count == 0;
                    self.ready.end += count;
                    return Ok(());
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Walks a message that consists of header fields and a body.
    fn walked(message: &str) -> Structure {
        let (head, body) = message.split_once("\n\n").unwrap_or((message, ""));
        walk(&Head::parse(head), body.as_bytes()).expect("memory can be read")
    }

    /// The type and content of each part.
    fn parts(message: &str) -> Vec<(String, &str)> {
        let body = message.split_once("\n\n").map_or("", |(_, body)| body);
        let content = |part: &Part| &body[part.range.start as usize..part.range.end as usize];
        walked(message)
            .parts
            .iter()
            .map(|part| (part.media_type.clone(), content(part)))
            .filter(|(media_type, _)| !media_type.starts_with("multipart/"))
            .collect()
    }

    fn text(content: &str) -> (String, &str) {
        ("text/plain".to_owned(), content)
    }

    #[test]
    fn a_message_of_one_part() {
        assert_eq!(parts("Subject: x\n\nbody\n"), [text("body\n")]);
        assert_eq!(parts("Subject: x"), [text("")]);
        assert_eq!(parts("Content-Type: nonsense\n\nb"), [text("b")]);
        assert_eq!(parts("Content-Type: text\n\nb"), [text("b")]);
        assert_eq!(parts("Content-Type: IMAGE/Png; name=x\n\nb"), [("image/png".to_owned(), "b")]);
    }

    #[test]
    fn boundaries() {
        let types = |body: &'static str| {
            parts(Box::leak(
                format!("Content-Type: multipart/mixed; boundary=\"b 1\"\n\n{body}")
                    .into_boxed_str(),
            ))
        };
        assert_eq!(
            types("preamble\n--b 1\n\none\n--b 1\n\ntwo\n--b 1--\nepilogue"),
            [text("one"), text("two")]
        );
        assert_eq!(
            types("--b 1\r\n\r\none\r\n\r\n--b 1  \r\n\r\n--b 1--"),
            [text("one\r\n"), text("")]
        );
        assert_eq!(types("--b 1\n\nno end\n"), [text("no end\n")]);
        assert_eq!(
            types("--b 1\n\nnot --b 1 here\n--b 12\n -- b 1\n"),
            [text("not --b 1 here\n--b 12\n -- b 1\n")]
        );
        assert_eq!(types("--b 1\nA: x\n--b 1\nB: y"), [text(""), text("")]);
        assert_eq!(types("--b 1\nno header\n\nat all\n--b 1--"), [text("no header\n\nat all")]);
        assert_eq!(types("--b 1\n \t\n\ntext\n--b 1--"), [text("\ntext")]);
        assert_eq!(types("--b 1--\n--b 1\n\nbehind the end"), []);
        assert_eq!(types("not\none\n"), [text("not\none\n")]);
        assert_eq!(types(""), [text("")]);
        assert_eq!(parts("Content-Type: multipart/mixed\n\n--b\n\nx\n"), [text("--b\n\nx\n")]);
    }

    #[test]
    fn parts_within_parts() {
        let message = "Content-Type: multipart/mixed; boundary=a\n\n\
            --a\nContent-Type: multipart/alternative; boundary=aa\n\n\
            --aa\n\none\n--aa\nContent-Type: text/html\n\n<p>two\n\
            --a\nContent-Type: message/rfc822\n\n\
            Content-Type: multipart/digest; boundary=c\n\n--c\n\nSubject: x\n\nthree\n--c--\n\
            --a\nContent-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\nAAAA\n\
            --a--\n";
        let rfc822 = |content| ("message/rfc822".to_owned(), content);
        assert_eq!(
            parts(message),
            [
                text("one"),
                ("text/html".to_owned(), "<p>two"),
                rfc822(
                    "Content-Type: multipart/digest; boundary=c\n\n--c\n\nSubject: x\n\nthree\n--c--"
                ),
                rfc822("Subject: x\n\nthree"),
                text("three"),
                rfc822("AAAA"),
            ]
        );
        let parents: Vec<_> = walked(message).parts.iter().map(|part| part.parent).collect();
        assert_eq!(
            parents,
            [None, Some(0), Some(1), Some(1), Some(0), Some(4), Some(5), Some(6), Some(0)]
        );
    }

    /// Some programs leave out the empty line, in the parts as at the top.
    #[test]
    fn a_boundary_ends_a_header() {
        let message = "Content-Type: multipart/mixed; boundary=a\n\n\
            --a\nContent-Type: multipart/alternative; boundary=\"b\"\n--b\n\none\n--b--\n\
            --a\nX: y\n--c\n\ntwo\n--a--\n";
        assert_eq!(parts(message), [text("one"), text("two")]);
    }

    #[test]
    fn lines_that_end_with_cr() {
        let head = Head::parse(b"A: b\rContent-Type: multipart/mixed; boundary=a\r\r".as_slice());
        let body = b"--a\rB: c\r\rone\r\r--a\r\rtwo\r--a--\r";
        let structure = walk(&head, body.as_slice()).expect("memory can be read");
        let ranges: Vec<_> =
            structure.parts.iter().skip(1).map(|part| part.range.clone()).collect();
        assert_eq!(ranges, [10..14, 20..23]);
    }

    #[test]
    fn the_same_boundary_within_itself() {
        let message = "Content-Type: multipart/mixed; boundary=a\n\n\
            --a\nContent-Type: multipart/mixed; boundary=a\n\n--a\n\none\n--a--\n--a\n\ntwo\n--a--";
        assert_eq!(parts(message), [text("one"), text("two")]);
    }

    #[test]
    fn what_is_text_and_what_is_attached() {
        for (header, is_text, is_attachment, name) in [
            ("", true, false, None),
            ("Content-Type: text/plain; name=a.txt", true, true, Some("a.txt")),
            ("Content-Disposition: attachment", false, true, None),
            (
                "Content-Type: text/html\nContent-Disposition: attachment; filename=\" b.htm\"",
                false,
                true,
                Some("b.htm"),
            ),
            ("Content-Type: image/png\nContent-Disposition: inline", false, true, None),
            (
                "Content-Type: application/pdf; name=\"=?utf-8?B?w6k=?=.pdf\"",
                false,
                true,
                Some("é.pdf"),
            ),
            (
                "Content-Disposition: attachment; filename*=utf-8''%E2%80%AEtxt.exe",
                false,
                true,
                Some("txt.exe"),
            ),
            (
                "Content-Type: a/b; name=a\nContent-Disposition: x; filename=c",
                false,
                true,
                Some("c"),
            ),
            ("Content-Type: message/rfc822", false, true, None),
        ] {
            let message =
                format!("Content-Type: multipart/mixed; boundary=x\n\n--x\n{header}\n\n\n--x--");
            let structure = walked(&message);
            let part = &structure.parts[1];
            assert_eq!(part.is_text(), is_text, "{header}");
            assert_eq!(part.is_attachment(), is_attachment, "{header}");
            assert_eq!(part.name.as_deref(), name, "{header}");
            assert!(!structure.parts[0].is_text() && !structure.parts[0].is_attachment());
        }
    }

    #[test]
    fn every_name_that_a_reader_may_show() {
        for (header, names) in [
            (
                "Content-Disposition: attachment; filename=a.txt; filename=b; filename=a.exe",
                ["a.txt", "a.exe"],
            ),
            (
                "Content-Disposition: attachment; filename=a.exe; filename*=utf-8''a.txt",
                ["a.txt", "a.exe"],
            ),
            (
                "Content-Disposition: attachment; filename=a.exe; filename*0=a.; filename*1=txt",
                ["a.txt", "a.exe"],
            ),
            (
                "Content-Disposition: x; filename=a.txt\nContent-Disposition: x; filename=a.exe",
                ["a.txt", "a.exe"],
            ),
            ("Content-Type: a/b; name=a.txt\nContent-Type: a/b; name=a.exe", ["a.txt", "a.exe"]),
            ("Content-Disposition: attachment; filename=\"a.e\\xe\"", ["a.e\\xe", "a.exe"]),
        ] {
            let message =
                format!("Content-Type: multipart/mixed; boundary=x\n\n--x\n{header}\n\n\n--x--");
            let structure = walked(&message);
            let part = &structure.parts[1];
            let found: Vec<&String> = part.name.iter().chain(&part.other_names).collect();
            assert_eq!(found, names, "{header}");
        }
    }

    #[test]
    fn too_deep_and_too_many() {
        let deep = format!("A: b\n\n{}", "Content-Type: message/rfc822\n\n".repeat(10_000));
        let deep = walked(deep.trim_start_matches("A: b\n\n"));
        assert_eq!(deep.parts.len(), DEPTH_LIMIT + 1);
        assert_eq!(deep.limits.len(), 1);

        let mut nested = String::new();
        for level in 0..10_000 {
            nested += &format!("Content-Type: multipart/mixed; boundary={level}\n\n--{level}\n");
        }
        let nested = walked(&nested);
        assert_eq!(nested.parts.len(), DEPTH_LIMIT + 1);
        assert_eq!(nested.limits.len(), 1);

        let many = walked(&format!(
            "Content-Type: multipart/mixed; boundary=a\n\n{}",
            "--a\n\n".repeat(100_000)
        ));
        assert_eq!(many.parts.len(), PARTS_LIMIT);
        assert_eq!(many.parts.last().map(|part| part.range.end), Some(500_000));
        assert_eq!(many.limits.len(), 1);
    }

    #[test]
    fn many_unused_boundaries_and_dashes() {
        let mut message = "Content-Type: multipart/mixed; boundary=a\n\n".to_owned();
        for child in 0..10_000 {
            message += &format!("--a\nContent-Type: multipart/mixed; boundary={child}\n\n--x\n");
        }
        walked(&message);
        let boundary = "-".repeat(900);
        let mut message = String::new();
        for level in 0..40 {
            message +=
                &format!("Content-Type: multipart/mixed; boundary=\"{boundary}{level}\"\n\n");
            message += &format!("--{boundary}{level}\n");
        }
        message += &format!("\n{}", format!("{}\n", "-".repeat(902)).repeat(2000));
        assert_eq!(walked(&message).parts.len(), 41);
    }

    #[test]
    fn lines_longer_than_the_buffer() {
        let long = "x".repeat(3 * BUFFER / 2);
        let message = format!(
            "Content-Type: multipart/mixed; boundary=a\n\n--a\nX: {long}\n\n{long}--a\n{long}\n--a--"
        );
        let structure = walked(&message);
        assert_eq!(structure.parts.len(), 2);
        let part = &structure.parts[1];
        assert_eq!(part.range.end - part.range.start, 2 * long.len() as u64 + 4);
    }

    #[test]
    fn files_within_text_are_parts() {
        let text = b"Content-Type: text/plain\n\nhi\n\nbegin 644 virus.exe\n#0V%T\n`\nend\n\nbegin 644 next\nwords\n";
        let at = text.windows(2).position(|two| two == b"\n\n").unwrap() + 2;
        let head = Head::parse(text[..at].to_vec());
        let structure = walk(&head, &text[at..]).unwrap();
        let names: Vec<_> = structure.parts.iter().map(|part| part.name.as_deref()).collect();
        assert_eq!(names, [None, Some("virus.exe")]);
        let part = &structure.parts[1];
        let range = part.range.start as usize..part.range.end as usize;
        let bytes =
            crate::message::transfer::prefix(&text[at..][range], part.encoding, 10).unwrap();
        assert_eq!(bytes, b"Cat");
        assert!(structure.parts[0].is_text() && part.is_attachment());
    }

    proptest! {
        #[test]
        fn any_structure_stays_within_the_body(pieces in proptest::collection::vec(prop_oneof![
            Just("--a"), Just("--b"), Just("--"), Just("\n"), Just("\r\n"), Just("\n\n"),
            Just("Content-Type: "), Just("multipart/mixed; boundary=a"), Just("message/rfc822"),
            Just("multipart/digest; boundary=b"), Just("text/html; charset=x"), Just("a"),
            Just("Content-Disposition: attachment; filename=a"), Just(":"), Just("\0"),
        ], 0..60)) {
            let body = pieces.concat();
            for root in ["multipart/mixed; boundary=a", "message/rfc822", "text/plain"] {
                let head = Head::parse(format!("Content-Type: {root}\n"));
                let structure = walk(&head, body.as_bytes()).expect("memory can be read");
                prop_assert!(!structure.parts.is_empty());
                for (at, part) in structure.parts.iter().enumerate() {
                    prop_assert!(part.range.start <= part.range.end);
                    prop_assert!(part.range.end <= body.len() as u64);
                    prop_assert!(part.parent.is_none_or(|parent| parent < at));
                    if let Some(parent) = part.parent {
                        let parent = &structure.parts[parent];
                        prop_assert!(parent.range.start <= part.range.start);
                        prop_assert!(part.range.end <= parent.range.end);
                    }
                }
            }
        }
    }
}
