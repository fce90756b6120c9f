//! A body line by line, with where each line is; one that is longer than the buffer
//! comes in pieces.

use std::io::{self, Read};
use std::ops::Range;

use memchr::memchr;

/// How much of a line is held at once, bytes.
pub(super) const BUFFER: usize = 16 << 10;

/// A line with its line end, or a piece of a line that is longer than the buffer.
pub(super) struct LinePiece<'a> {
    pub(super) bytes: &'a [u8],
    /// The place of the piece in the body.
    pub(super) start: u64,
    pub(super) starts_line: bool,
    /// Length of the line end before it, 0 if it does not start a line.
    pub(super) line_end_before: u64,
}

/// The lines of a body.
pub(super) struct BodyLines<R> {
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
    /// `end` is the byte that ends a line.
    pub(super) fn new(input: R, end: u8) -> BodyLines<R> {
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

    pub(super) fn next(&mut self) -> io::Result<Option<LinePiece<'_>>> {
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
    pub(super) fn skip(&mut self) -> io::Result<u64> {
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
