//! Which parts a message has and where in the body each of them is (RFC 2045, RFC
//! 2046). One pass over the body, without recursion, in time linear in its size
//! whatever the boundaries are; nothing is decoded here.

mod lines;
mod part;
mod uuencode;

use std::io::{self, Read};

use memchr::memchr;

use self::lines::{BodyLines, LinePiece};
use self::part::describe;
use super::head::Head;
use super::header_block::{MOST_DASHES, is_boundary, is_empty_line, opens_with_field};
use super::parameter;
use super::transfer::Encoding;

pub use self::part::Part;

/// How deep parts may be nested: a deeper one is a single part that is not split.
pub const DEPTH_LIMIT: usize = 50;

/// After this many parts the walk ends; the last one contains the rest.
pub const PARTS_LIMIT: usize = 1000;

/// How much of a part's header block is read, bytes.
const PART_HEADER_LIMIT: usize = 256 << 10;

/// The longest boundary; RFC 2046 allows 70 bytes.
const BOUNDARY_LIMIT: usize = 1000;

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
    while !walker.is_done() {
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
    fn is_done(&self) -> bool {
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
            self.uuencoded_line(piece);
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

    /// Recognizes a file that uuencode(1), which is older than MIME, put into text.
    fn uuencoded_line(&mut self, piece: &LinePiece<'_>) {
        if !piece.starts_line {
            return;
        }
        let line = piece.bytes.trim_ascii_end();
        let data = piece.bytes.strip_suffix(b"\n").unwrap_or(piece.bytes);
        let data = data.strip_suffix(b"\r").unwrap_or(data);
        let Some(open) = self.stack.last() else { return };
        match open.inside {
            PartKind::Uuencoded if line == b"end" => {
                self.close(self.stack.len() - 1, piece.start + piece.bytes.len() as u64);
            }
            PartKind::Leaf => {
                if let Some((start, name)) = self.begin.take().filter(|_| uuencode::is_data(data))
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
                } else if let Some(name) = uuencode::name(line) {
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

#[cfg(test)]
mod tests;
