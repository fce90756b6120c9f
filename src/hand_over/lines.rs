//! A message as it is sent: its lines end with CRLF, and between `DATA` and its
//! end (RFC 5321 §4.5.2) a leading dot is doubled.

use std::io;

use memchr::memchr;

/// How much is gathered before it is passed on, bytes.
const PIECE: usize = 32 << 10;

/// Turns pieces into lines, however they are cut.
pub(super) struct WireLines<'t> {
    take: &'t mut dyn FnMut(&[u8]) -> io::Result<()>,
    buffer: Vec<u8>,
    doubles_dots: bool,
    /// The last byte that was pushed; a line feed before the first.
    last: u8,
}

impl<'t> WireLines<'t> {
    /// The output goes to `take`.
    pub(super) fn new(take: &'t mut dyn FnMut(&[u8]) -> io::Result<()>) -> WireLines<'t> {
        let buffer = Vec::with_capacity(PIECE + 4096);
        WireLines { take, buffer, doubles_dots: false, last: b'\n' }
    }

    /// The same, with dots doubled as in SMTP.
    pub(super) fn dotted(take: &'t mut dyn FnMut(&[u8]) -> io::Result<()>) -> WireLines<'t> {
        WireLines { doubles_dots: true, ..WireLines::new(take) }
    }

    /// Adds a piece.
    pub(super) fn push(&mut self, mut piece: &[u8]) -> io::Result<()> {
        while let Some(first) = piece.first() {
            if self.doubles_dots && self.last == b'\n' && *first == b'.' {
                self.buffer.push(b'.');
            }
            let Some(end) = memchr(b'\n', piece) else {
                return self.stretch(piece);
            };
            let (line, rest) = piece.split_at(end);
            self.stretch(line)?;
            self.buffer.extend_from_slice(if self.last == b'\r' { b"\n" } else { b"\r\n" });
            self.last = b'\n';
            piece = rest.get(1..).unwrap_or_default();
        }
        Ok(())
    }

    /// Bytes without a line feed.
    fn stretch(&mut self, bytes: &[u8]) -> io::Result<()> {
        if let Some(last) = bytes.last() {
            self.last = *last;
        }
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= PIECE { self.pass_on() } else { Ok(()) }
    }

    fn pass_on(&mut self) -> io::Result<()> {
        (self.take)(&self.buffer)?;
        self.buffer.clear();
        Ok(())
    }

    /// Ends the last line and passes the rest on, without the dot that ends the
    /// message.
    pub(super) fn finish(mut self) -> io::Result<()> {
        if self.last != b'\n' {
            self.buffer.extend_from_slice(b"\r\n");
        }
        self.pass_on()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dotted(pieces: &[&[u8]]) -> String {
        let mut out = Vec::new();
        let mut take = |bytes: &[u8]| {
            out.extend_from_slice(bytes);
            Ok(())
        };
        let mut dots = WireLines::dotted(&mut take);
        pieces.iter().for_each(|piece| dots.push(piece).unwrap());
        dots.finish().unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn lines_end_with_crlf_and_dots_are_doubled_however_it_is_cut() {
        for (text, wanted) in [
            ("", ""),
            ("a", "a\r\n"),
            ("a\nb\r\nc\n", "a\r\nb\r\nc\r\n"),
            (".\n..\n.a\na.\n", "..\r\n...\r\n..a\r\na.\r\n"),
            ("\n\n.\r\n", "\r\n\r\n..\r\n"),
            ("a\r.\rb\n", "a\r.\rb\r\n"),
            ("a\r\r\n.", "a\r\r\n..\r\n"),
            ("a\r", "a\r\r\n"),
        ] {
            assert_eq!(dotted(&[text.as_bytes()]), wanted, "{text:?}");
            let bytes: Vec<&[u8]> = text.as_bytes().chunks(1).collect();
            assert_eq!(dotted(&bytes), wanted, "{text:?}");
        }
        let long = "x".repeat(100_000);
        assert_eq!(dotted(&[long.as_bytes(), b"\n."]), format!("{long}\r\n..\r\n"));
    }
}
