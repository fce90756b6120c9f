//! Reading an mbox, RFC 4155 and its relatives.
//!
//! A message begins with a `From ` line at the start of the file, or after an empty line
//! if it contains a time of day (`12:34`): `From here on` in an unquoted text is not one.
//! The empty line before it belongs to neither message. Without it (some programs omit it,
//! and some bodies quote such a line) no message begins, but that is counted. In `>From `,
//! `>>From ` and so on, the first `>` is quoting (mboxrd, mboxo).
//!
//! **Content-Length** (mboxcl, mboxcl2) says where a body ends, and is believed only if
//! that leads to a `From ` line or to the end of the file: anybody can write the header.
//! A body measured in this way may contain unquoted `From ` lines. If one in the file
//! does, such bodies are never quoted (mboxcl2); otherwise `>From ` is quoting here too
//! (mboxcl). To find that out, the file is read ahead when the first `>From ` in such a
//! body is met.
//!
//! An mbox may be written to while it is read. No lock is taken, since a delivery might
//! have to wait for it: only what was there at the start is read, a message that was
//! being written then is left out, and both are reported. So is one at whose place the
//! file ends by now, since a part of a message is not the message.

use std::cmp::Ordering;
use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::spooled_tempfile;

use crate::mailbox::from_line::is_from_line;
use crate::mailbox::message_source::{MEMORY_MAX, MboxPart, SourceCopy, source_copy};
use crate::outcome::Failure;

/// A line is read in pieces of at most this size, bytes.
const PIECE: u64 = 64 << 10;
/// In how many bytes after a measured body we look for a `From ` line.
const FROM_LINE_MAX: usize = 1000;
/// The longest name of a field with its colon, as far as it is looked for.
const NAME_MAX: usize = 80;

/// The messages of an mbox.
pub(super) struct Mbox {
    path: PathBuf,
    reader: BufReader<MboxSnapshot>,
    number: usize,
    /// The `From ` line of the next message, and its offset; none at the end.
    from: Option<(Vec<u8>, u64)>,
    started: bool,
    is_named: bool,
    /// Whether we have checked what writers did.
    is_reported: bool,
    /// Whether `From ` lines are quoted in measured bodies, once that is known.
    quoted: Option<bool>,
    /// Whether such a body contained an unquoted one.
    has_unquoted: bool,
}

/// A message of an mbox.
pub(super) struct MboxMessage {
    /// Counted from 1.
    pub(super) number: usize,
    /// Whether it is the only message.
    pub(super) is_only: bool,
    /// Where it is in the mbox.
    pub(super) part: MboxPart,
    /// Its bytes, with its `From ` line.
    pub(super) copy: SourceCopy,
}

/// A file as it was at the start, even if something is added to it.
struct MboxSnapshot {
    file: Arc<File>,
    at: u64,
    /// Its size at the start, bytes.
    size: u64,
}

impl Read for MboxSnapshot {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.size.saturating_sub(self.at)).unwrap_or(usize::MAX);
        let most = left.min(buffer.len());
        let count = self.file.read_at(buffer.get_mut(..most).unwrap_or_default(), self.at)?;
        self.at += count as u64;
        Ok(count)
    }
}

/// What a header says about the length of its body.
#[derive(Default)]
enum Length {
    #[default]
    Unknown,
    Bytes(u64),
    /// It is given twice, or is not a number.
    Unclear,
}

impl Length {
    /// Reads a line of the header.
    fn line(&mut self, line: &[u8]) {
        let Some((name, value)) = line.split_at_checked("content-length:".len()) else { return };
        if name.eq_ignore_ascii_case(b"content-length:") {
            let text = std::str::from_utf8(value.trim_ascii()).ok();
            let number = text.filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
            *self = match (&self, number.and_then(|number| number.parse().ok())) {
                (Length::Unknown, Some(bytes)) => Length::Bytes(bytes),
                _ => Length::Unclear,
            };
        }
    }
}

/// Where a measured body ends, and where the next message begins.
struct BodyEnd {
    length: u64,
    next: u64,
}

impl Mbox {
    /// An mbox, positioned at its start; `is_named` if the caller named it, rather than the
    /// walk found it.
    pub(super) fn new(path: PathBuf, file: File, is_named: bool) -> Result<Mbox, Failure> {
        match file.metadata() {
            Ok(metadata) => Ok(Mbox::of(path, Arc::new(file), metadata.len(), is_named)),
            Err(error) => Err(Failure::new("read the mbox", path, error)),
        }
    }

    fn of(path: PathBuf, file: Arc<File>, size: u64, is_named: bool) -> Mbox {
        Mbox {
            path,
            reader: BufReader::with_capacity(PIECE as usize, MboxSnapshot { file, at: 0, size }),
            number: 0,
            from: None,
            started: false,
            is_named,
            is_reported: false,
            quoted: None,
            has_unquoted: false,
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn is_named(&self) -> bool {
        self.is_named
    }

    fn read(&mut self) -> io::Result<Option<(SourceCopy, MboxPart)>> {
        // If it does not stay in memory it is a file, where one write per line would be
        // slow.
        let mut copy = BufWriter::with_capacity(PIECE as usize, spooled_tempfile(MEMORY_MAX));
        Ok(match self.copy_next(&mut copy)? {
            Some(part) => Some((source_copy(copy.into_inner()?)?, part)),
            None => None,
        })
    }

    /// Copies the next message with its `From ` line; none at the end.
    fn copy_next(&mut self, copy: &mut impl Write) -> io::Result<Option<MboxPart>> {
        let mut part = MboxPart::default();
        if let Some((from, at)) = self.from.take() {
            copy.write_all(&from)?;
            part.offset = at;
        } else if self.started {
            return Ok(None);
        }
        self.started = true;
        self.copy_message(copy, &mut part)?;
        let end = self.from.as_ref().map_or_else(|| self.at(), |(_, at)| *at);
        part.length = end.saturating_sub(part.offset);
        Ok(Some(part))
    }

    fn file(&self) -> &File {
        &self.reader.get_ref().file
    }

    fn size(&self) -> u64 {
        self.reader.get_ref().size
    }

    /// The offset of the next unread byte.
    fn at(&self) -> u64 {
        self.reader.get_ref().at.saturating_sub(self.reader.buffer().len() as u64)
    }

    fn size_now(&self) -> u64 {
        self.file().metadata().map_or(self.size(), |metadata| metadata.len())
    }

    /// Whether the last message continues after what is read.
    fn is_cut(&self) -> bool {
        let mut following = [0; 5];
        self.size_now() > self.size()
            && self
                .file()
                .read_at(&mut following, self.size())
                .is_ok_and(|_| &following != b"From ")
    }

    /// Whether the file has ended before what was there at the start.
    fn is_short(&self) -> bool {
        self.at() < self.size()
    }

    /// What a writer did in the meantime, to be reported once.
    fn change_since_start(&mut self) -> Option<&'static str> {
        if std::mem::replace(&mut self.is_reported, true) {
            return None;
        }
        if self.is_short() {
            // It may have grown again since.
            return Some("it has become shorter in the meantime, its last message is left out");
        }
        match self.size_now().cmp(&self.size()) {
            Ordering::Equal => None,
            Ordering::Less => Some("it has become shorter in the meantime"),
            Ordering::Greater if self.is_cut() => {
                Some("it is being written to, its last message is left out")
            }
            Ordering::Greater => Some("it is being written to, what was added is not read"),
        }
    }

    /// Reads a line, or a piece of a long one; false at the end.
    fn line(&mut self, line: &mut Vec<u8>, most: u64) -> io::Result<bool> {
        line.clear();
        Ok((&mut self.reader).take(most.min(PIECE)).read_until(b'\n', line)? > 0)
    }

    /// Copies up to the end of the message, excluding the next `From ` line.
    fn copy_message(&mut self, copy: &mut impl Write, part: &mut MboxPart) -> io::Result<()> {
        let mut blank: Vec<u8> = Vec::new();
        let mut line = Vec::new();
        let mut at_start = true;
        // Present until the header has ended.
        let mut head = Some(Length::default());
        loop {
            let begin = self.at();
            if !self.line(&mut line, u64::MAX)? {
                return Ok(());
            }
            let ends = line.ends_with(b"\n");
            if at_start {
                if !blank.is_empty() && is_from_line(&line) {
                    self.from = Some((line, begin));
                    return Ok(());
                }
                copy.write_all(&blank)?;
                blank.clear();
                if matches!(line.as_slice(), b"\n" | b"\r\n") {
                    if let Some(Length::Bytes(length)) = head.take() {
                        if let Some(measured) = self.measure(length)? {
                            part.measured = true;
                            copy.write_all(&line)?;
                            return self.copy_measured(&measured, copy);
                        }
                        part.missing_bytes =
                            self.at().saturating_add(length).saturating_sub(self.size());
                    }
                    std::mem::swap(&mut blank, &mut line);
                    continue;
                }
                if head.is_none() && is_from_line(&line) && self.header_follows()? {
                    part.merged += 1;
                }
                if let Some(head) = &mut head {
                    head.line(&line);
                }
            }
            copy.write_all(if at_start { unquoted(&line) } else { &line })?;
            at_start = ends;
        }
    }

    /// The mbox from an offset on, read beside the reader.
    fn window(&self, at: u64) -> MboxSnapshot {
        let snapshot = self.reader.get_ref();
        MboxSnapshot { file: Arc::clone(&snapshot.file), at, size: snapshot.size }
    }

    /// Whether the next line is a field of a header.
    fn header_follows(&self) -> io::Result<bool> {
        let mut window = self.window(self.at());
        let mut start = [0; NAME_MAX];
        let count = window.read(&mut start)?;
        let mut signs = start.iter().take(count);
        let end = signs.find(|sign| !sign.is_ascii_alphanumeric() && **sign != b'-');
        Ok(end == Some(&b':') && start.first().is_some_and(u8::is_ascii_alphanumeric))
    }

    /// Where a body of `length` bytes ends, if a `From ` line or the end of the file is
    /// there, perhaps after empty lines.
    fn measure(&self, length: u64) -> io::Result<Option<BodyEnd>> {
        let begin = self.at();
        let Some(end) = begin.checked_add(length).filter(|end| *end <= self.size()) else {
            return Ok(None);
        };
        let mut buffer = [0; FROM_LINE_MAX];
        let from = end.saturating_sub(1).max(begin);
        let mut window = self.window(from);
        let mut filled = 0;
        loop {
            match window.read(buffer.get_mut(filled..).unwrap_or_default())? {
                0 => break,
                count => filled += count,
            }
        }
        let following = buffer.get((end - from) as usize..filled).unwrap_or_default();
        let mut rest = following;
        for _ in 0..2 {
            rest = rest.strip_prefix(b"\n").or(rest.strip_prefix(b"\r\n")).unwrap_or(rest);
        }
        let next = end + (following.len() - rest.len()) as u64;
        let whole_line = length == 0 || buffer.first() == Some(&b'\n') || next > end;
        let first = rest.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let leads = rest.is_empty() && next == self.size() || is_from_line(first);
        Ok((whole_line && leads).then_some(BodyEnd { length, next }))
    }

    fn copy_measured(&mut self, body: &BodyEnd, copy: &mut impl Write) -> io::Result<()> {
        let mut line = Vec::new();
        let mut at_start = true;
        let mut left = body.length;
        while left > 0 && self.line(&mut line, left)? {
            left -= line.len() as u64;
            self.has_unquoted |= at_start && line.starts_with(b"From ");
            let plain = unquoted(&line);
            let quoted = at_start && plain.len() < line.len() && self.is_quoted()?;
            copy.write_all(if quoted { plain } else { &line })?;
            at_start = line.ends_with(b"\n");
        }
        while self.at() < body.next && self.line(&mut line, body.next - self.at())? {}
        if self.line(&mut line, u64::MAX)? {
            self.from = Some((line, body.next));
        }
        Ok(())
    }

    /// Whether `From ` lines are quoted in measured bodies: yes, unless one of these
    /// bodies contains an unquoted one.
    fn is_quoted(&mut self) -> io::Result<bool> {
        if let Some(known) = self.quoted {
            return Ok(known);
        }
        let file = Arc::clone(&self.reader.get_ref().file);
        let mut ahead = Mbox::of(PathBuf::new(), file, self.size(), false);
        ahead.quoted = Some(false);
        while !ahead.has_unquoted && ahead.copy_next(&mut io::sink())?.is_some() {}
        self.quoted = Some(!ahead.has_unquoted);
        Ok(!ahead.has_unquoted)
    }
}

impl Iterator for Mbox {
    type Item = Result<MboxMessage, Failure>;

    fn next(&mut self) -> Option<Self::Item> {
        let fail = |path: &Path, error| Some(Err(Failure::new("read the mbox", path, error)));
        let changed_error =
            |path: &Path, why| fail(path, io::Error::new(io::ErrorKind::ResourceBusy, why));
        match self.read() {
            Ok(Some(_)) if self.from.is_none() && (self.is_short() || self.is_cut()) => {
                let why = self.change_since_start()?;
                changed_error(&self.path, why)
            }
            Ok(Some((copy, mut part))) => {
                self.number += 1;
                if self.from.is_some() {
                    part.missing_bytes = 0;
                }
                let is_only = self.number == 1 && self.from.is_none();
                Some(Ok(MboxMessage { number: self.number, is_only, part, copy }))
            }
            Ok(None) => {
                let why = self.change_since_start()?;
                changed_error(&self.path, why)
            }
            Err(error) => {
                (self.from, self.started, self.is_reported) = (None, true, true);
                fail(&self.path, error)
            }
        }
    }
}

fn unquoted(line: &[u8]) -> &[u8] {
    let quotes = line.iter().take_while(|byte| **byte == b'>').count();
    match line.get(quotes..) {
        Some(rest) if quotes > 0 && rest.starts_with(b"From ") => line.get(1..).unwrap_or(line),
        _ => line,
    }
}

#[cfg(test)]
mod tests;
