//! Reading an mbox, RFC 4155 and its relatives.
//!
//! A message begins with a `From ` line at the start of the file, or behind an
//! empty line if a time of day (`12:34`) stands in it: `From here on` in an
//! unquoted text is none. The empty line before it belongs to neither message.
//! Of `>From `, `>>From ` and so on the first `>` is quoting (mboxrd).
//!
//! An mbox may be written to while it is read. No lock is asked for, since a
//! delivery might wait for it: what was there at the start is read and no
//! more, a message that was being written then is left out, and both are told.

use std::cmp::Ordering;
use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Take, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use tempfile::spooled_tempfile;

use crate::outcome::Failure;

use super::from_line::is_from_line;
use super::message_source::{Copied, MEMORY_MAX, copied};

/// A line is read in pieces of this size at most, bytes.
const PIECE: u64 = 64 << 10;

/// The messages of an mbox.
pub(super) struct Mbox {
    path: PathBuf,
    reader: BufReader<Take<File>>,
    /// Bytes at the start.
    size: u64,
    number: usize,
    /// The `From ` line of the next message; none at the end.
    from: Option<Vec<u8>>,
    started: bool,
    given: bool,
    /// What writers did was looked at.
    over: bool,
}

/// A message of an mbox.
pub(super) struct One {
    /// From 1.
    pub(super) number: usize,
    /// There is no other one.
    pub(super) alone: bool,
    /// Its bytes, with its `From ` line.
    pub(super) copy: Copied,
}

impl Mbox {
    /// An mbox at its start; `given` if it was named and not found.
    pub(super) fn new(path: PathBuf, file: File, given: bool) -> Result<Mbox, Failure> {
        let size = match file.metadata() {
            Ok(about) => about.len(),
            Err(error) => return Err(Failure::new("read the mbox", path, error)),
        };
        let reader = BufReader::with_capacity(PIECE as usize, file.take(size));
        let (number, from, started, over) = (0, None, false, false);
        Ok(Mbox { path, reader, size, number, from, started, given, over })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn was_given(&self) -> bool {
        self.given
    }

    fn read(&mut self) -> io::Result<Option<Copied>> {
        // Beyond memory it is a file, which a write for each line would be slow on.
        let mut copy = BufWriter::with_capacity(PIECE as usize, spooled_tempfile(MEMORY_MAX));
        if let Some(from) = self.from.take() {
            copy.write_all(&from)?;
        } else if self.started {
            return Ok(None);
        }
        self.started = true;
        self.copy_message(&mut copy)?;
        copied(copy.into_inner()?).map(Some)
    }

    fn file(&self) -> &File {
        self.reader.get_ref().get_ref()
    }

    fn size_now(&self) -> u64 {
        self.file().metadata().map_or(self.size, |about| about.len())
    }

    /// The last message goes on behind what is read.
    fn is_cut(&self) -> bool {
        let mut behind = [0; 5];
        self.size_now() > self.size
            && self.file().read_at(&mut behind, self.size).is_ok_and(|_| &behind != b"From ")
    }

    /// What a writer did meanwhile, to be told once.
    fn meanwhile(&mut self) -> Option<&'static str> {
        if std::mem::replace(&mut self.over, true) {
            return None;
        }
        match self.size_now().cmp(&self.size) {
            Ordering::Equal => None,
            Ordering::Less => Some("it has become shorter meanwhile"),
            Ordering::Greater if self.is_cut() => {
                Some("it is being written to, its last message is left out")
            }
            Ordering::Greater => Some("it is being written to, what was added is not read"),
        }
    }

    /// Copies to the end of the message, up to and without the next `From ` line.
    fn copy_message(&mut self, copy: &mut impl Write) -> io::Result<()> {
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
    type Item = Result<One, Failure>;

    fn next(&mut self) -> Option<Self::Item> {
        let fail = |path: &Path, error| Some(Err(Failure::new("read the mbox", path, error)));
        let told = |path: &Path, why| fail(path, io::Error::new(io::ErrorKind::ResourceBusy, why));
        match self.read() {
            Ok(Some(_)) if self.from.is_none() && self.is_cut() => {
                let why = self.meanwhile()?;
                told(&self.path, why)
            }
            Ok(Some(copy)) => {
                self.number += 1;
                let alone = self.number == 1 && self.from.is_none();
                Some(Ok(One { number: self.number, alone, copy }))
            }
            Ok(None) => {
                let why = self.meanwhile()?;
                told(&self.path, why)
            }
            Err(error) => {
                (self.from, self.started, self.over) = (None, true, true);
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
mod tests {
    use std::io::Seek;

    use super::*;
    use crate::message::Message;

    /// The messages as they would be delivered.
    fn split(text: &str) -> Vec<(String, String)> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        file.rewind().unwrap();
        Mbox::new("m".into(), file, false)
            .unwrap()
            .map(|item| {
                let one = item.unwrap();
                let label = if one.alone { "m".to_string() } else { format!("m#{}", one.number) };
                let message = match one.copy {
                    Copied::Memory(bytes) => Message::from_bytes(bytes),
                    Copied::Disk(file) => Message::open(file).unwrap(),
                };
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

    /// Write calls of this thread so far; none where the kernel does not count them.
    fn writes() -> Option<u64> {
        let counts = std::fs::read_to_string("/proc/thread-self/io").ok()?;
        counts.lines().find_map(|line| line.strip_prefix("syscw: ")?.parse().ok())
    }

    #[test]
    fn a_large_message_is_written_in_large_pieces() {
        let lines = "A: 1\n\n".to_string() + &"yes\n".repeat(1_000_000);
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(format!("{FROM}{lines}").as_bytes()).unwrap();
        file.rewind().unwrap();
        let mut mbox = Mbox::new("m".into(), file, false).unwrap();
        let before = writes();
        let message = mbox.next().unwrap().unwrap();
        assert!(matches!(message.copy, Copied::Disk(_)));
        if let (Some(before), Some(after)) = (before, writes()) {
            assert!((1..200).contains(&(after - before)), "{}", after - before);
        }
    }

    #[test]
    fn what_is_written_meanwhile_is_told_and_not_read() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("m");
        let read = |before: &str, after: &str| {
            std::fs::write(&path, before).unwrap();
            let mbox = Mbox::new(path.clone(), File::open(&path).unwrap(), false).unwrap();
            let mut seen = Vec::new();
            let mut wrote = false;
            for item in mbox {
                if !std::mem::replace(&mut wrote, true) {
                    std::fs::write(&path, after).unwrap();
                }
                seen.push(
                    item.map_or_else(|error| error.error.to_string(), |one| one.number.to_string()),
                );
            }
            seen
        };
        let one = format!("{FROM}A: 1\n\nx\n\n");
        let two = format!("{one}{FROM}B: 2\n\ny\n\n");
        assert_eq!(read(&two, &two), ["1", "2"]);
        let added = "it is being written to, what was added is not read";
        assert_eq!(read(&one, &two), ["1", added]);
        let cut = "it is being written to, its last message is left out";
        assert_eq!(read(&two[..two.len() - 3], &two), ["1", cut]);
        assert_eq!(read(&two[..two.len() - 3], &two[..two.len() - 3]), ["1", "2"], "an old one");
    }
}
