//! The header block: which headers there are and where each stands.
//!
//! One quick pass finds the lines and the names; values are looked at only
//! when they are asked for. Every byte belongs to one entry, so that a block
//! can be written again byte for byte, with or without some of its headers.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::ops::Range;

use memchr::{memchr, memchr_iter, memchr2};

use crate::message::{encoded_word, fold, parameter};

/// Longest field name, blanks before the colon included, that is looked for.
const LONGEST_NAME: usize = 1000;

/// A header block and its index.
#[derive(Debug, Clone, Default)]
pub struct Head {
    bytes: Vec<u8>,
    entries: Vec<Entry>,
    /// End of the last entry; behind it the empty line, if there is one.
    end: usize,
    /// Hash of the name and place in `entries`, sorted.
    by_name: OnceCell<Vec<(u32, u32)>>,
    charset: OnceCell<Option<String>>,
}

/// A line with its folds. It ends where the next one starts.
#[derive(Debug, Clone, Copy)]
struct Entry {
    start: usize,
    /// 0 for a line that is no header.
    name_length: u16,
    /// Offset from `start` of what follows the colon.
    value_offset: u16,
}

/// One header field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header<'a> {
    /// Field name as written, RFC 5322 §2.2.
    pub name: &'a str,
    /// What follows the colon, with its folds, without the last line end.
    pub value: &'a [u8],
    /// The whole field in the block, its last line end included.
    pub range: Range<usize>,
}

impl Head {
    /// Indexes a header block: everything up to the first empty line.
    pub fn parse(bytes: impl Into<Vec<u8>>) -> Head {
        let bytes = bytes.into();
        let line_end = line_end(&bytes);
        let mut entries: Vec<Entry> = Vec::new();
        let (mut start, mut end) = (0, bytes.len());
        let line_ends = memchr_iter(line_end, &bytes).map(|at| at + 1).chain([bytes.len()]);
        for next in line_ends {
            let line = &bytes[start..next];
            match line {
                [] => {}
                _ if is_empty_line(line, line_end) => {
                    end = start;
                    break;
                }
                [b' ' | b'\t', ..] if !entries.is_empty() => {}
                _ => entries.push(Entry::new(start, line)),
            }
            start = next;
        }
        Head { bytes, entries, end, ..Head::default() }
    }

    /// The block as it came.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The bytes of all entries: the block without the empty line.
    pub fn fields(&self) -> &[u8] {
        &self.bytes[..self.end]
    }

    /// The headers from top to bottom. Lines that are none are left out.
    pub fn headers(&self) -> impl Iterator<Item = Header<'_>> {
        (0..self.entries.len()).filter_map(|at| self.header(at))
    }

    /// The headers called `name`, in any case, from top to bottom.
    pub fn named(&self, name: &str) -> impl Iterator<Item = Header<'_>> {
        let hash = hash(name.as_bytes());
        let by_name = self.by_name();
        let first = by_name.partition_point(|entry| entry.0 < hash);
        by_name[first..]
            .iter()
            .take_while(move |entry| entry.0 == hash)
            .filter_map(|entry| self.header(entry.1 as usize))
            .filter(move |header| header.name.eq_ignore_ascii_case(name))
    }

    /// The raw values of the headers called `name`, from top to bottom.
    pub fn values(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        self.named(name).map(|header| header.value)
    }

    /// The raw value of the topmost header called `name`.
    pub fn first(&self, name: &str) -> Option<&[u8]> {
        self.values(name).next()
    }

    /// The values called `name` as people read them: unfolded, decoded (RFC
    /// 2047), normalised and trimmed, each one line.
    pub fn texts(&self, name: &str) -> Vec<String> {
        self.values(name).map(|value| self.text(value)).collect()
    }

    /// One raw value of this block as people read it.
    pub fn text(&self, value: &[u8]) -> String {
        let value = unfold(value);
        let declared = match std::str::from_utf8(&value) {
            Ok(_) => None,
            Err(_) => self.declared_charset(),
        };
        one_line(&encoded_word::decode(&value, declared))
    }

    /// The charset that Content-Type declares for the body: the best guess
    /// for raw 8-bit headers.
    pub fn declared_charset(&self) -> Option<&str> {
        self.charset
            .get_or_init(|| {
                let content_type = parameter::parse(self.first("content-type")?);
                content_type.get("charset").map(str::to_owned)
            })
            .as_deref()
    }

    fn header(&self, at: usize) -> Option<Header<'_>> {
        let entry = self.entries.get(at).filter(|entry| entry.name_length > 0)?;
        let end = self.entries.get(at + 1).map_or(self.end, |next| next.start);
        let name = &self.bytes[entry.start..entry.start + entry.name_length as usize];
        let value = &self.bytes[entry.start + entry.value_offset as usize..end];
        Some(Header {
            name: std::str::from_utf8(name).unwrap_or_default(),
            value: trim_line_end(value),
            range: entry.start..end,
        })
    }

    fn by_name(&self) -> &[(u32, u32)] {
        self.by_name.get_or_init(|| {
            let mut by_name: Vec<(u32, u32)> = (0..)
                .zip(&self.entries)
                .filter(|(_, entry)| entry.name_length > 0)
                .map(|(at, entry)| {
                    let name = entry.start..entry.start + entry.name_length as usize;
                    (hash(&self.bytes[name]), at)
                })
                .collect();
            by_name.sort_unstable();
            by_name
        })
    }
}

impl Entry {
    fn new(start: usize, line: &[u8]) -> Entry {
        let name = line.iter().take(LONGEST_NAME).take_while(|byte| is_name_byte(**byte)).count();
        let blanks = line[name..]
            .iter()
            .take(LONGEST_NAME)
            .take_while(|byte| matches!(byte, b' ' | b'\t'))
            .count();
        if name > 0 && line.get(name + blanks) == Some(&b':') {
            let value_offset = (name + blanks + 1) as u16;
            Entry { start, name_length: name as u16, value_offset }
        } else {
            Entry { start, name_length: 0, value_offset: 0 }
        }
    }
}

/// RFC 5322 §2.2: printable ASCII, no colon.
fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_graphic() && byte != b':'
}

/// FNV-1a of the lower-case name: short, and good enough to sort by.
fn hash(name: &[u8]) -> u32 {
    name.iter().fold(0x811c_9dc5, |hash, byte| {
        (hash ^ u32::from(byte.to_ascii_lowercase())).wrapping_mul(0x0100_0193)
    })
}

/// LF (or CRLF), but CR in a block that has no LF at all.
fn line_end(bytes: &[u8]) -> u8 {
    match memchr(b'\n', bytes) {
        None if memchr(b'\r', bytes).is_some() => b'\r',
        _ => b'\n',
    }
}

/// A line end with nothing before it but CRs.
fn is_empty_line(line: &[u8], line_end: u8) -> bool {
    match line.split_last() {
        Some((last, rest)) => *last == line_end && rest.iter().all(|byte| *byte == b'\r'),
        None => false,
    }
}

fn trim_line_end(value: &[u8]) -> &[u8] {
    let value = value.strip_suffix(b"\n").unwrap_or(value);
    let kept = value.iter().rposition(|byte| *byte != b'\r').map_or(0, |at| at + 1);
    &value[..kept]
}

/// Takes line breaks out of a raw value (RFC 5322 §2.2.3). Where no blank
/// follows, which a fold has, a blank stands in.
pub fn unfold(value: &[u8]) -> Cow<'_, [u8]> {
    if memchr2(b'\r', b'\n', value).is_none() {
        return Cow::Borrowed(value);
    }
    let mut unfolded = Vec::with_capacity(value.len());
    let mut bytes = value.iter().peekable();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\r' | b'\n' => match bytes.peek() {
                Some(b' ' | b'\t' | b'\r' | b'\n') | None => {}
                Some(_) => unfolded.push(b' '),
            },
            _ => unfolded.push(*byte),
        }
    }
    Cow::Owned(unfolded)
}

/// Normalised, trimmed, line breaks as blanks.
pub fn one_line(text: &str) -> String {
    fold::normalise(text).trim().replace('\n', " ")
}

/// Finds the end of the header block in a buffer that grows.
#[derive(Debug, Clone, Default)]
pub struct EndFinder {
    /// Start of the line that is being read.
    line: usize,
    /// Everything before was looked at.
    scanned: usize,
}

impl EndFinder {
    /// Where the body starts: behind the first empty line. `buffer` is what
    /// it was at the last call and more; what was seen is not read again.
    /// `None`: not yet, read on; at the end of input, all is header.
    pub fn find(&mut self, buffer: &[u8]) -> Option<usize> {
        while let Some(found) = memchr(b'\n', buffer.get(self.scanned..)?) {
            let next = self.scanned + found + 1;
            let empty = is_empty_line(&buffer[self.line..next], b'\n');
            self.scanned = next;
            self.line = next;
            if empty {
                return Some(next);
            }
        }
        self.scanned = buffer.len();
        None
    }
}

/// Takes the line `From sender date` off that an MTA or an mbox puts before
/// a message.
pub fn split_from_line(bytes: &[u8]) -> (Option<&[u8]>, &[u8]) {
    if !bytes.starts_with(b"From ") {
        return (None, bytes);
    }
    let end = memchr(b'\n', bytes).map_or(bytes.len(), |at| at + 1);
    let (line, rest) = bytes.split_at(end);
    (Some(trim_line_end(line)), rest)
}

/// The sender that a `From ` line names; a null sender is written
/// `MAILER-DAEMON` there.
pub fn from_line_sender(line: &[u8]) -> Option<&str> {
    let rest = std::str::from_utf8(line.strip_prefix(b"From ")?).ok()?;
    rest.split_ascii_whitespace().next()
}
