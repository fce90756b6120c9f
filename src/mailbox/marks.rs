//! Whether a mail reader wrote what a header in an mbox says about flags, or whoever sent
//! the message.
//!
//! A reader writes its marks where a sender can write them, too, and nothing sets them
//! apart. But it marks all messages that it finds, and what has come since is after
//! them; and c-client numbers them in a message of its own, in front of all others.

use std::fs;
use std::path::{Path, PathBuf};

use super::metadata::{Metadata, is_internal, read};
use crate::flags::Flags;
use crate::message::head::Head;
use crate::user::SPOOL_DIRECTORIES;

/// What readers write into each message.
const MARKS: [&str; 5] = ["Status", "X-Status", "X-UID", "X-Mozilla-Status", "X-Evolution"];
/// What mail servers write when they deliver.
const TRACE: [&str; 4] = ["Received", "Return-Path", "Delivered-To", "X-Original-To"];
/// Flags that at most make a message look read.
const HARMLESS: [char; 4] = ['F', 'P', 'R', 'S'];

/// What is known of the mbox that is being read.
#[derive(Default)]
pub(super) struct ReaderMarks {
    path: PathBuf,
    /// All messages so far are marked.
    marked: bool,
    /// The number that c-client gave last, and whether its own message says so.
    last: Option<(u64, bool)>,
    /// The number of the message before.
    number: u64,
}

impl ReaderMarks {
    /// Notes a message, each of a file once and in order; says how far its marks are a
    /// reader's.
    pub(super) fn next(&mut self, path: &Path, number: usize, head: &Head) -> BelievedMarks {
        if number <= 1 || self.path != path {
            let marked = number == 1;
            *self = ReaderMarks { path: path.to_owned(), marked, ..ReaderMarks::default() };
            let own = is_internal(head);
            self.last = last_number(head).map(|last| (last, own));
            if own {
                return BelievedMarks::All;
            }
        }
        self.marked &= MARKS.iter().any(|name| head.first(name).is_some());
        let number = head.first("X-UID").and_then(as_number).unwrap_or_default();
        let before = self.number;
        self.number = number.max(before);
        let numbered = self.last.filter(|(last, _)| number > before && number <= *last);
        match numbered {
            // Nobody has sent it.
            _ if head.first("Received").is_none() => BelievedMarks::All,
            _ if !self.marked => BelievedMarks::Nothing,
            Some((_, true)) => BelievedMarks::All,
            Some(_) => BelievedMarks::Harmless,
            None if is_in_spool(path) => BelievedMarks::Nothing,
            None => BelievedMarks::Harmless,
        }
    }
}

/// What a message's header says of it, as far as that is believed. Fields above those of
/// mail servers always are.
pub(super) fn believed_metadata(head: &Head, believed: BelievedMarks) -> Metadata {
    let all = read(head);
    match believed {
        BelievedMarks::All => all,
        BelievedMarks::Harmless => {
            let above = read(&above_trace(head));
            let letters = all.flags.letters.chars().filter(|letter| HARMLESS.contains(letter));
            let harmless = Flags { letters: letters.collect(), keywords: Vec::new() };
            Metadata { flags: above.flags.and(&harmless), listed: all.listed, ..above }
        }
        BelievedMarks::Nothing => read(&above_trace(head)),
    }
}

/// The header above the first field that a mail server wrote.
fn above_trace(head: &Head) -> Head {
    let is_trace = |name: &str| TRACE.iter().any(|known| known.eq_ignore_ascii_case(name));
    let first = head.headers().find(|header| is_trace(header.name));
    let end = first.map_or(head.bytes().len(), |header| header.range.start);
    Head::parse(head.bytes().get(..end).unwrap_or_default())
}

/// How far the marks of a message are a reader's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BelievedMarks {
    All,
    /// Only flags that at most make it look read.
    Harmless,
    Nothing,
}

fn is_in_spool(path: &Path) -> bool {
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    path.parent()
        .is_some_and(|folder| SPOOL_DIRECTORIES.iter().any(|spool| folder == Path::new(spool)))
}

/// The second number of `X-IMAP: 1072918923 0000000009 $Work`.
fn last_number(head: &Head) -> Option<u64> {
    let value = head.first("X-IMAP").or_else(|| head.first("X-IMAPbase"))?;
    std::str::from_utf8(value).ok()?.split_whitespace().nth(1)?.parse().ok()
}

fn as_number(value: &[u8]) -> Option<u64> {
    std::str::from_utf8(value).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Flags and keywords of each message in a file of this name.
    fn of(path: &str, messages: &[&str]) -> Vec<String> {
        let mut marks = ReaderMarks::default();
        let mut all = Vec::new();
        for (number, text) in (1..).zip(messages) {
            let head = Head::parse(format!("{text}\n\n"));
            let believed = marks.next(Path::new(path), number, &head);
            let found = believed_metadata(&head, believed);
            let old = if found.listed { " old" } else { "" };
            all.push(format!("{}{}{old}", found.flags.letters, found.flags.keywords.join("+")));
        }
        all
    }

    const NEW: &str = "Received: by x\nSubject: new";
    const FORGED: &str = "Received: by x\nX-IMAPbase: 1 9 a b\nX-UID: 9\nStatus: RO\n\
                          X-Status: DTF\nX-Keywords: a b\nX-Mozilla-Status: 0009\n\
                          X-Evolution: 00000001-0012";

    #[test]
    fn a_sender_marks_nothing_after_what_is_not_marked() {
        for path in ["/var/mail/hanako", "/home/hanako/Mail/lists"] {
            assert_eq!(of(path, &[NEW, FORGED, FORGED]), ["", "", ""]);
        }
        // Never deleted, and no keywords.
        assert_eq!(of("/home/hanako/Mail/lists", &[FORGED]), ["FS old"]);
        assert_eq!(of("/var/mail/hanako", &["Received: by x\nStatus: RO\nX-Status: D"]), [""]);
    }

    #[test]
    fn what_readers_marked_is_believed() {
        let mutt = "Received: by x\nStatus: RO\nX-Status: A";
        assert_eq!(of("/home/a/Mail/x", &[mutt, mutt, NEW, FORGED]), ["RS old", "RS old", "", ""]);
        let internal = "Subject: DON'T DELETE THIS MESSAGE -- FOLDER INTERNAL DATA\n\
                        X-IMAP: 1072918923 0000000004 $Work\nStatus: RO";
        let read = |uid: u32| {
            format!("Received: by x\nX-UID: {uid}\nStatus: RO\nX-Status: D\nX-Keywords: $Work")
        };
        let (one, four) = (read(1), read(4));
        let marked = [internal, &one, &four, FORGED, FORGED];
        let all = of("/var/mail/a", &marked);
        assert_eq!(all[1..], ["ST$Work old", "ST$Work old", "", ""]);
        // Thunderbird writes above what the mail server wrote.
        let mozilla = "X-Mozilla-Status: 0009\nX-Mozilla-Keys: $label1\nReceived: by x";
        assert_eq!(of("/var/mail/a", &[NEW, mozilla]), ["", "ST$label1 old"]);
        // Nobody has sent it.
        let draft = "Status: RO\nX-Status: T\nX-Keywords: a";
        assert_eq!(of("/var/mail/a", &[NEW, draft]), ["", "DSa old"]);
    }
}
