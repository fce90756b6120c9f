//! The framing of ManageSieve: lines, and literals in them, RFC 5804 §4. Only as much is
//! parsed as shows where a command ends, and where the script in it is. Whatever deviates
//! from the standard is an error: two readers of the same bytes could see different
//! commands in them.

use std::io::{self, BufRead, Read};

/// The longest line without its literals, bytes.
const MAX_LINE: usize = 8 << 10;
/// The longest literal that is kept, bytes: a script of one megabyte, as in Pigeonhole.
pub const MAX_LITERAL: usize = 1 << 20;
/// How much of a longer literal is read and discarded, bytes.
const MAX_SKIPPED: usize = 64 << 20;
/// The most literals in one command.
const MAX_LITERALS: usize = 8;

/// One command with its arguments, or one answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// All its bytes, line end and literals included.
    Whole(Vec<u8>),
    /// It contained a literal that is too long, and was not kept.
    TooLong,
}

/// Why no more commands can be read.
#[derive(Debug)]
pub enum FrameError {
    /// The connection failed or was silent for too long.
    Io(io::Error),
    /// It violates the syntax.
    Malformed(&'static str),
}

impl From<io::Error> for FrameError {
    fn from(error: io::Error) -> FrameError {
        FrameError::Io(error)
    }
}

/// Reads frames.
pub struct Frames<R> {
    from: R,
    /// Whether literals must be `{N+}`, as clients write them.
    of_client: bool,
}

impl<R: BufRead> Frames<R> {
    /// The frames of a client, or else of a server.
    pub fn new(from: R, of_client: bool) -> Frames<R> {
        Frames { from, of_client }
    }

    /// The source that is read from.
    pub fn inner(&self) -> &R {
        &self.from
    }

    /// Waits for the first byte of the next frame; false at the end.
    ///
    /// # Errors
    /// The connection fails.
    pub fn wait(&mut self) -> io::Result<bool> {
        Ok(!self.from.fill_buf()?.is_empty())
    }

    /// The next frame; none at the end of the connection.
    ///
    /// # Errors
    /// The connection fails, or its data is malformed.
    pub fn read(&mut self) -> Result<Option<Frame>, FrameError> {
        let mut frame = Vec::new();
        let mut skipped = false;
        for number in 0..=MAX_LITERALS {
            let start = frame.len();
            (&mut self.from).take(MAX_LINE as u64 + 1).read_until(b'\n', &mut frame)?;
            let line = frame.get(start..).unwrap_or_default();
            if line.is_empty() && number == 0 {
                return Ok(None);
            }
            if line.len() > MAX_LINE {
                return Err(FrameError::Malformed("the line is too long"));
            }
            if !line.ends_with(b"\n") {
                return Err(FrameError::Io(io::ErrorKind::UnexpectedEof.into()));
            }
            let Some(length) = self.literal(line)? else {
                return Ok(Some(if skipped { Frame::TooLong } else { Frame::Whole(frame) }));
            };
            if number == MAX_LITERALS {
                break;
            }
            let accepted = if length <= MAX_LITERAL { length } else { 0 };
            if length > MAX_SKIPPED {
                return Err(FrameError::Malformed("the script is too long"));
            }
            let before = frame.len();
            let read = (&mut self.from).take(accepted as u64).read_to_end(&mut frame)?;
            let rest = (length - accepted) as u64;
            let skipped_bytes = io::copy(&mut (&mut self.from).take(rest), &mut io::sink())?;
            if read < accepted || skipped_bytes < rest {
                return Err(FrameError::Io(io::ErrorKind::UnexpectedEof.into()));
            }
            skipped |= length > accepted;
            if self.of_client && frame.get(before..).is_some_and(|bytes| bytes.contains(&0)) {
                return Err(FrameError::Malformed("there is a NUL in the script"));
            }
        }
        Err(FrameError::Malformed("too many literals"))
    }

    /// The length of the literal that a line announces at its end.
    fn literal(&self, line: &[u8]) -> Result<Option<usize>, FrameError> {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let mut quoted = false;
        let mut escaped = false;
        for byte in line {
            match byte {
                0 | b'\r' if self.of_client => {
                    return Err(FrameError::Malformed("a control character in a line"));
                }
                _ if escaped => escaped = false,
                b'\\' if quoted => escaped = true,
                b'"' => quoted = !quoted,
                _ => {}
            }
        }
        if quoted {
            return match self.of_client {
                true => Err(FrameError::Malformed("a string that does not end on its line")),
                false => Ok(None),
            };
        }
        let Some(inner) = line.strip_suffix(b"}") else { return Ok(None) };
        let Some(open) = inner.iter().rposition(|byte| *byte == b'{') else { return Ok(None) };
        let number = inner.get(open + 1..).unwrap_or_default();
        let (digits, plus) = match number.strip_suffix(b"+") {
            Some(digits) => (digits, true),
            None => (number, false),
        };
        let length = std::str::from_utf8(digits).ok().filter(|text| {
            !text.is_empty() && text.len() <= 10 && text.bytes().all(|b| b.is_ascii_digit())
        });
        match length.and_then(|text| text.parse::<usize>().ok()) {
            Some(length) if plus || !self.of_client => Ok(Some(length)),
            _ if self.of_client => Err(FrameError::Malformed("a literal is written `{N+}`")),
            _ => Ok(None),
        }
    }
}

/// The kind of a client's command, as far as it matters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CommandKind {
    /// It uploads or checks this script.
    Script(Vec<u8>),
    /// It would begin TLS, after which nothing can be judged.
    StartTls,
    /// It uploads or checks a script, and its arguments are wrong.
    Wrong,
    /// A line within an authentication exchange.
    Continuation,
    /// Anything else.
    Other,
}

impl CommandKind {
    /// The kind of a whole frame.
    pub fn of(frame: &[u8]) -> CommandKind {
        let end = frame.iter().position(|byte| byte.is_ascii_whitespace());
        let name = frame.get(..end.unwrap_or(frame.len())).unwrap_or_default();
        let arguments = match name.to_ascii_uppercase().as_slice() {
            b"PUTSCRIPT" => 2,
            b"CHECKSCRIPT" => 1,
            b"STARTTLS" => return CommandKind::StartTls,
            _ if matches!(frame.first(), Some(b'"' | b'{')) => return CommandKind::Continuation,
            _ => return CommandKind::Other,
        };
        match strings(frame.get(name.len()..).unwrap_or_default()) {
            Some(mut strings) if strings.len() == arguments => {
                strings.pop().map_or(CommandKind::Wrong, CommandKind::Script)
            }
            _ => CommandKind::Wrong,
        }
    }
}

/// The strings in the arguments, quoted or literals; none if the arguments contain
/// anything else.
fn strings(mut rest: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut strings = Vec::new();
    loop {
        let blanks = rest.iter().take_while(|byte| **byte == b' ').count();
        let after = rest.get(blanks..)?;
        if matches!(after, b"\r\n" | b"\n") {
            return Some(strings);
        }
        if blanks == 0 {
            return None;
        }
        match after.first()? {
            b'"' => {
                let mut text = Vec::new();
                let mut bytes = after.iter().enumerate().skip(1);
                let end = loop {
                    match bytes.next()? {
                        (at, b'"') => break at,
                        (_, b'\\') => text.push(*bytes.next()?.1),
                        (_, byte) => text.push(*byte),
                    }
                };
                strings.push(text);
                rest = after.get(end + 1..)?;
            }
            b'{' => {
                let line = after.iter().position(|byte| *byte == b'\n')?;
                let head = std::str::from_utf8(after.get(..line)?).ok()?.trim_end();
                let digits = head.strip_prefix('{')?.strip_suffix("+}")?;
                let (literal, following) =
                    after.get(line + 1..)?.split_at_checked(digits.parse().ok()?)?;
                strings.push(literal.to_vec());
                rest = following;
            }
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use super::*;

    fn frames(bytes: &[u8]) -> (Vec<Frame>, Option<FrameError>) {
        // Byte by byte, as from a slow client.
        let mut frames = Frames::new(BufReader::with_capacity(1, bytes), true);
        let mut found = Vec::new();
        loop {
            match frames.read() {
                Ok(Some(frame)) => found.push(frame),
                Ok(None) => return (found, None),
                Err(error) => return (found, Some(error)),
            }
        }
    }

    fn whole(bytes: &[u8]) -> Vec<Vec<u8>> {
        let (found, error) = frames(bytes);
        assert!(error.is_none(), "{error:?}");
        let bytes = found.into_iter().map(|frame| match frame {
            Frame::Whole(bytes) => bytes,
            Frame::TooLong => b"too long".to_vec(),
        });
        bytes.collect()
    }

    #[test]
    fn commands_end_after_their_literals() {
        let all =
            b"PUTSCRIPT \"a\" {9+}\r\nNOOP\r\n\r\n!\r\nNOOP\r\nPUTSCRIPT {1+}\r\na {2+}\r\nxy\r\n";
        assert_eq!(
            whole(all),
            [
                &b"PUTSCRIPT \"a\" {9+}\r\nNOOP\r\n\r\n!\r\n"[..],
                b"NOOP\r\n",
                b"PUTSCRIPT {1+}\r\na {2+}\r\nxy\r\n"
            ]
        );
        assert_eq!(whole(b"NOOP \"{5+}\"\r\nx\n"), [&b"NOOP \"{5+}\"\r\n"[..], b"x\n"]);
        assert_eq!(whole(b""), [b""; 0]);
        let long =
            [&b"PUTSCRIPT \"a\" {2000000+}\r\n"[..], &vec![b'x'; 2_000_000], b"\r\nNOOP\r\n"];
        assert_eq!(whole(&long.concat()), [&b"too long"[..], b"NOOP\r\n"]);
    }

    #[test]
    fn what_two_could_read_differently_is_an_error() {
        for bytes in [
            &b"PUTSCRIPT \"a\" {5}\r\nkeep;\r\n"[..],
            b"PUTSCRIPT \"a {5+}\r\nkeep;\r\n",
            b"PUTSCRIPT \"a\" {+}\r\n",
            b"PUTSCRIPT \"a\" {99999999999+}\r\n",
            b"PUTSCRIPT \"a\" {1000000000+}\r\n",
            b"PUTSCRIPT \"a\" {1+}\r\n\0\r\n",
            b"NO\0OP\r\n",
            b"NO\rOP\r\n",
            b"NOOP",
            b"PUTSCRIPT \"a\" {5+}\r\nkee",
            &[b"x".repeat(9000), b"\r\n".to_vec()].concat(),
            &b"X {1+}\r\nx ".repeat(12),
        ] {
            let (_, error) = frames(bytes);
            assert!(error.is_some(), "{}", String::from_utf8_lossy(bytes));
        }
    }

    #[test]
    fn the_script_of_a_command_is_found() {
        let script = |text: &str| CommandKind::Script(text.as_bytes().to_vec());
        for (frame, wanted) in [
            ("PUTSCRIPT \"a\" {5+}\r\nkeep;\r\n", script("keep;")),
            ("putscript {1+}\r\na \"keep; # \\\"x\\\\\"\r\n", script("keep; # \"x\\")),
            ("CheckScript {5+}\r\nkeep;\r\n", script("keep;")),
            ("PUTSCRIPT \"a\"\r\n", CommandKind::Wrong),
            ("PUTSCRIPT a \"keep;\"\r\n", CommandKind::Wrong),
            ("PUTSCRIPT \"a\" \"keep;\" \"b\"\r\n", CommandKind::Wrong),
            ("PUTSCRIPT \"a\"\"keep;\"\r\n", CommandKind::Wrong),
            ("STARTTLS\r\n", CommandKind::StartTls),
            ("\"AGEAYg==\"\r\n", CommandKind::Continuation),
            ("{4+}\r\nAGEA\r\n", CommandKind::Continuation),
            ("LISTSCRIPTS\r\n", CommandKind::Other),
            ("\r\n", CommandKind::Other),
        ] {
            assert_eq!(CommandKind::of(frame.as_bytes()), wanted, "{frame}");
        }
    }
}
