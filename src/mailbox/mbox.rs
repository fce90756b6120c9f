//! Reading an mbox, RFC 4155 and its relatives.
//!
//! A message begins with a `From ` line at the start of the file, or behind an
//! empty line if a time of day (`12:34`) stands in it: `From here on` in an
//! unquoted text is none. The empty line before it belongs to neither message.
//! Of `>From `, `>>From ` and so on the first `>` is quoting (mboxrd).

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::PathBuf;

use tempfile::{SpooledTempFile, spooled_tempfile};

use crate::message::Message;
use crate::outcome::Failure;

use super::{MEMORY_MAX, in_hand, label};

/// A line is read in pieces of this size at most, bytes.
const PIECE: u64 = 64 << 10;

/// The messages of an mbox.
pub struct Mbox {
    path: PathBuf,
    reader: BufReader<File>,
    number: usize,
    /// The `From ` line of the next message; none at the end.
    from: Option<Vec<u8>>,
    started: bool,
}

impl Mbox {
    /// An mbox at its start.
    pub fn new(path: PathBuf, file: File) -> Mbox {
        let reader = BufReader::with_capacity(PIECE as usize, file);
        Mbox { path, reader, number: 0, from: None, started: false }
    }

    fn read(&mut self) -> io::Result<Option<Message>> {
        let mut copy = spooled_tempfile(MEMORY_MAX);
        if let Some(from) = self.from.take() {
            copy.write_all(&from)?;
        } else if self.started {
            return Ok(None);
        }
        self.started = true;
        self.copy_message(&mut copy)?;
        in_hand(copy).map(Some)
    }

    /// Copies to the end of the message, up to and without the next `From ` line.
    fn copy_message(&mut self, copy: &mut SpooledTempFile) -> io::Result<()> {
        let mut blank: Vec<u8> = Vec::new();
        let mut line = Vec::new();
        let mut at_start = true;
        loop {
            line.clear();
            if (&mut self.reader).take(PIECE).read_until(b'\n', &mut line)? == 0 {
                return Ok(());
            }
            let ends = line.ends_with(b"\n");
            if at_start {
                if !blank.is_empty() && is_from_line(&line) {
                    self.from = Some(line);
                    return Ok(());
                }
                copy.write_all(&blank)?;
                blank.clear();
                if matches!(line.as_slice(), b"\n" | b"\r\n") {
                    std::mem::swap(&mut blank, &mut line);
                    continue;
                }
            }
            copy.write_all(if at_start { unquoted(&line) } else { &line })?;
            at_start = ends;
        }
    }
}

impl Iterator for Mbox {
    type Item = Result<(String, Message), Failure>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.read() {
            Ok(Some(message)) => {
                self.number += 1;
                let alone = self.number == 1 && self.from.is_none();
                let label = label(&self.path);
                let label = if alone { label } else { format!("{label}#{}", self.number) };
                Some(Ok((label, message)))
            }
            Ok(None) => None,
            Err(error) => Some(Err(Failure::new("read the mbox", &self.path, error))),
        }
    }
}

fn is_from_line(line: &[u8]) -> bool {
    let time = |at: &[u8]| match at {
        [a, b, b':', c, d] => [a, b, c, d].iter().all(|byte| byte.is_ascii_digit()),
        _ => false,
    };
    line.starts_with(b"From ") && line.windows(5).any(time)
}

fn unquoted(line: &[u8]) -> &[u8] {
    let quotes = line.iter().take_while(|byte| **byte == b'>').count();
    match line.get(quotes..) {
        Some(rest) if quotes > 0 && rest.starts_with(b"From ") => line.get(1..).unwrap_or(line),
        _ => line,
    }
}

#[cfg(test)]
mod tests {
    use std::io::Seek;

    use super::*;

    /// The messages as they would be delivered.
    fn split(text: &str) -> Vec<(String, String)> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        file.rewind().unwrap();
        Mbox::new("m".into(), file)
            .map(|item| {
                let (label, message) = item.unwrap();
                let mut out = tempfile::tempfile().unwrap();
                message.write_to(&[], &mut out).unwrap();
                out.rewind().unwrap();
                let mut text = String::new();
                out.read_to_string(&mut text).unwrap();
                (label, without_from_line(text))
            })
            .collect()
    }

    fn without_from_line(text: String) -> String {
        match text.strip_prefix("From ").and_then(|rest| rest.split_once('\n')) {
            Some((_, rest)) => rest.to_string(),
            None => text,
        }
    }

    fn texts(text: &str) -> Vec<String> {
        split(text).into_iter().map(|(_, text)| text).collect()
    }

    const FROM: &str = "From a@b Thu Jan  1 01:02:03 2026\n";

    #[test]
    fn messages_are_split_where_a_from_line_follows_an_empty_line() {
        let text = format!("{FROM}A: 1\n\nx\n{FROM}y\n\n{FROM}B: 2\n\n");
        assert_eq!(texts(&text), [format!("A: 1\n\nx\n{FROM}y\n"), "B: 2\n".to_string()]);
        let labels: Vec<_> = split(&text).into_iter().map(|(label, _)| label).collect();
        assert_eq!(labels, ["m#1", "m#2"]);
    }

    #[test]
    fn text_that_only_begins_like_one_is_text() {
        let text = format!("{FROM}A: 1\n\nx\n\nFrom here on\n\n>From me\n>>From you\n> From\n");
        let body = "A: 1\n\nx\n\nFrom here on\n\nFrom me\n>From you\n> From\n";
        assert_eq!(split(&text), [("m".to_string(), body.to_string())]);
    }

    #[test]
    fn crlf_and_a_missing_last_line_end() {
        let from = FROM.replace('\n', "\r\n");
        let text = format!("{from}A: 1\r\n\r\nx\r\n\r\n{from}B: 2\r\n\r\ny");
        assert_eq!(texts(&text), ["A: 1\r\n\r\nx\r\n", "B: 2\r\n\r\ny"]);
    }

    #[test]
    fn large_messages_and_long_lines_come_through() {
        let long = format!("A: 1\n\n{}From 12:34\n", "x".repeat(3 * PIECE as usize - 3));
        let many = format!("B: 2\n\n{}", "yes\n".repeat(500_000));
        let text = format!("{FROM}{long}\n{FROM}{many}\n{FROM}");
        let texts = texts(&text);
        assert!(texts[0] == long && texts[1] == many && texts[2].is_empty());
    }
}
