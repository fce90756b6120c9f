//! Deliveries that are half done: what was committed before a later step failed, so that
//! the retry, perhaps hours later and in another process, does only what is missing.
//!
//! One file per message in `half-done/`, named by a hash of the message as it arrived,
//! except for what is new at each try, and of its envelope; people can read it, too:
//!
//! ```text
//! mfilter half-done delivery, version 2
//! file 1795336800.M905677P19212Q0R01f3.mail
//! done 4fd2… copy "Work"
//! begun 77c1… 1795890431 9 2110 2110 0e3f… Archive
//! settled
//! ```
//!
//! A line `done` stands for a step that is done, identified by its [`StepId`]; the words
//! after that are only for people. The line `file` before it has the beginning of the
//! name of the copy that the step has stored in a Maildir. A line `begun` stands for a
//! step that may or may not be done; after the id follows what can tell
//! ([`crate::hand_over`]), and the last such line of a step counts. After `settled` nothing
//! is left that can defer the message, and what rules ask about begins to change. The file
//! is locked while a process delivers the message, and removed when everything is done. A
//! last line without a line end, written when the machine stopped, does not count. Files
//! older than fourteen days are removed: no MTA tries for that long.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read, Write};
use std::time::{Duration, Instant, SystemTime};

use sha2::{Digest, Sha256};

use super::lock_file::LockFile;
use super::slots::Key;
use super::{StateDir, forget_old};
use crate::classify::received;
use crate::message::head::Header;
use crate::message::{BodyError, Message};
use crate::plan::StepId;
use crate::text::one_line;

const DIRECTORY: &str = "half-done";
const SETTLED: &str = "settled";
const HEAD: &str = "mfilter half-done delivery, version 2";
const FORGET_AFTER: Duration = Duration::from_secs(14 * 24 * 3600);
/// The longest file, bytes; longer ones are damaged.
const MAX: u64 = 1 << 20;

/// What has been done of a delivery.
#[derive(Debug)]
pub struct Journal {
    lock: LockFile,
    /// The ids in their written form.
    done: Vec<String>,
    /// What is noted of steps that were begun, by the steps' ids.
    attempts: BTreeMap<String, String>,
    settled: bool,
    empty: bool,
}

/// The key of a message and its envelope, the same at every try. Reads the whole message.
///
/// # Errors
/// The message cannot be read.
pub fn key(
    message: &Message,
    sender: Option<&str>,
    recipients: &[String],
) -> Result<Key, BodyError> {
    // A program that fetches mail has no queue: at each try it fetches the message again
    // and writes its line with the time of that try.
    let fetch = received::fetch_line(message.head()).map(|line| line.range);
    hash(message, sender, recipients, &|header| {
        is_of_a_try(header) || fetch.as_ref() == Some(&header.range)
    })
}

/// The same, including the line of the program that fetched the message: a message that is
/// fetched once more is another one. Reads the whole message.
///
/// # Errors
/// The message cannot be read.
pub fn key_as_fetched(
    message: &Message,
    sender: Option<&str>,
    recipients: &[String],
) -> Result<Key, BodyError> {
    hash(message, sender, recipients, &is_of_a_try)
}

/// Exim writes it again with each try.
fn is_of_a_try(header: &Header<'_>) -> bool {
    header.name.eq_ignore_ascii_case("Delivery-Date")
}

fn hash(
    message: &Message,
    sender: Option<&str>,
    recipients: &[String],
    left_out: &dyn Fn(&Header<'_>) -> bool,
) -> Result<Key, BodyError> {
    let mut hash = Sha256::new();
    for part in sender.into_iter().chain(recipients.iter().map(String::as_str)) {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    parts(message, left_out, &mut |bytes| hash.update(bytes))?;
    Ok(Key::from_hash(hash))
}

/// Passes on the parts of a message, except some headers. Reads the whole message.
///
/// # Errors
/// The message cannot be read.
pub fn parts(
    message: &Message,
    left_out: &dyn Fn(&Header<'_>) -> bool,
    take: &mut dyn FnMut(&[u8]),
) -> Result<(), BodyError> {
    for header in message.head().headers() {
        if !left_out(&header) {
            take(header.name.as_bytes());
            take(b":");
            take(header.value);
        }
    }
    let mut body = message.body(0..u64::MAX)?;
    let mut buffer = [0; 16 << 10];
    loop {
        match body.read(&mut buffer)? {
            0 => return Ok(()),
            count => take(buffer.get(..count).unwrap_or_default()),
        }
    }
}

/// The recorded files of a delivery that ended before its plan was done; none if it has
/// left no journal.
///
/// # Errors
/// It cannot be read, so nothing is known: the next try may be able to.
pub fn noted_files(state: &StateDir, key: Key) -> io::Result<Option<Vec<String>>> {
    let name = format!("{DIRECTORY}/{}", key.name());
    let bytes = match state.read_to_edit(&name, MAX)? {
        Some(bytes) => bytes,
        None if state.path().join(&name).try_exists()? => {
            return Err(io::Error::other("the journal cannot be used"));
        }
        None => return Ok(None),
    };
    let text = String::from_utf8_lossy(&bytes);
    let (mut files, mut file) = (Vec::new(), None);
    for line in whole_lines(&text) {
        if let Some(name) = line.strip_prefix("file ") {
            file = Some(name);
        } else if line.starts_with("done ") {
            files.extend(file.take().map(str::to_owned));
        }
    }
    Ok(Some(files))
}

impl Journal {
    /// Opens the journal of a message; waits for another process that is delivering it.
    /// None if that process still holds it at `deadline`.
    ///
    /// # Errors
    /// The state directory cannot be written.
    pub fn open(state: &StateDir, key: Key, deadline: Instant) -> io::Result<Option<Journal>> {
        let Some(mut lock) = LockFile::wait(state, DIRECTORY, &key.name(), deadline)? else {
            return Ok(None);
        };
        let mut text = Vec::new();
        lock.file().take(MAX).read_to_end(&mut text)?;
        let mut text = String::from_utf8_lossy(&text).into_owned();
        if !text.starts_with(HEAD) && !text.is_empty() {
            // It is damaged: what is recorded after that would never count.
            lock.file().set_len(0)?;
            text.clear();
        }
        let (done, attempts) = (read(&text), read_attempts(&text));
        let settled = whole_lines(&text).any(|line| line == SETTLED);
        if text.is_empty() {
            forget_old(&state.path().join(DIRECTORY), FORGET_AFTER);
        } else if !text.ends_with('\n') {
            lock.file().write_all(b"\n")?;
        }
        lock.keep(!done.is_empty() || !attempts.is_empty());
        Ok(Some(Journal { lock, empty: text.is_empty(), done, attempts, settled }))
    }

    /// Whether a step was done by an earlier try.
    pub fn is_done(&self, step: StepId) -> bool {
        self.done.contains(&step.to_string())
    }

    /// Whether any step is done, now or by an earlier try.
    pub fn has_done(&self) -> bool {
        !self.done.is_empty()
    }

    /// Records that a step is done; `words` describe it for people. `file` is the
    /// beginning of the name of the copy that it has stored in a Maildir.
    ///
    /// # Errors
    /// The journal cannot be written.
    pub fn note(&mut self, step: StepId, words: &str, file: Option<&str>) -> io::Result<()> {
        let file = file.map(|file| format!("file {file}\n")).unwrap_or_default();
        let id = step.to_string();
        self.write(&format!("{file}done {id} {}\n", one_line(words, 200)))?;
        self.done.push(id);
        Ok(())
    }

    /// Whether an earlier try has come so far that nothing could defer the message.
    pub fn is_settled(&self) -> bool {
        self.settled
    }

    /// Records that nothing is left that can defer the message.
    ///
    /// # Errors
    /// The journal cannot be written.
    pub fn note_settled(&mut self) -> io::Result<()> {
        if !std::mem::replace(&mut self.settled, true) {
            self.write(&format!("{SETTLED}\n"))?;
        }
        Ok(())
    }

    /// What was recorded last when a step was begun; none if it was not.
    pub fn attempt(&self, step: StepId) -> Option<&str> {
        self.attempts.get(&step.to_string()).map(String::as_str)
    }

    /// Records, on disk, that a step is about to be done, and what tells the next try
    /// whether it was: a line of text.
    ///
    /// # Errors
    /// The journal cannot be written.
    pub fn note_attempt(&mut self, step: StepId, note: &str) -> io::Result<()> {
        let id = step.to_string();
        self.write(&format!("begun {id} {note}\n"))?;
        self.sync()?;
        self.attempts.insert(id, note.to_owned());
        Ok(())
    }

    /// Adds lines.
    fn write(&mut self, lines: &str) -> io::Result<()> {
        let head =
            if std::mem::take(&mut self.empty) { format!("{HEAD}\n") } else { String::new() };
        self.lock.keep(true);
        self.lock.file().write_all(format!("{head}{lines}").as_bytes())
    }

    /// Syncs what was recorded to disk.
    ///
    /// # Errors
    /// The journal cannot be written.
    pub fn sync(&mut self) -> io::Result<()> {
        self.lock.file().sync_data()
    }

    /// Removes the journal: everything is done.
    pub fn finish(mut self) {
        self.lock.keep(false);
    }
}

/// The lines after the first; the last one only if it has a line end.
fn whole_lines(text: &str) -> std::str::Lines<'_> {
    let rest = text.strip_prefix(HEAD).unwrap_or_default();
    rest.rsplit_once('\n').map_or("", |(whole, _)| whole).lines()
}

fn read(text: &str) -> Vec<String> {
    let done = whole_lines(text).filter_map(|line| line.strip_prefix("done "));
    done.filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
}

fn read_attempts(text: &str) -> BTreeMap<String, String> {
    let attempts = whole_lines(text).filter_map(|line| line.strip_prefix("begun "));
    let attempts = attempts.filter_map(|line| line.split_once(' '));
    attempts.map(|(id, note)| (id.to_owned(), note.to_owned())).collect()
}

/// Whether there is any journal.
pub fn are_there_any(state: &StateDir) -> bool {
    fs::read_dir(state.path().join(DIRECTORY)).is_ok_and(|mut all| all.next().is_some())
}

/// The deliveries that are half done: when the last step was recorded, and each step's
/// text.
pub fn known(state: &StateDir) -> Vec<(SystemTime, Vec<String>)> {
    let mut all = Vec::new();
    for entry in fs::read_dir(state.path().join(DIRECTORY)).into_iter().flatten().flatten() {
        let name = format!("{DIRECTORY}/{}", entry.file_name().to_string_lossy());
        let Some(bytes) = state.read(&name, MAX) else { continue };
        let Ok(modified) = entry.metadata().and_then(|metadata| metadata.modified()) else {
            continue;
        };
        let text = String::from_utf8_lossy(&bytes);
        let steps = text.lines().filter_map(|line| line.strip_prefix("done "));
        let steps = steps.filter_map(|line| line.split_once(' '));
        let steps: Vec<String> = steps.map(|(_, step)| step.to_owned()).collect();
        if !steps.is_empty() {
            all.push((modified, steps));
        }
    }
    all.sort();
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{StepIds, StepKind};

    fn run(word: &str) -> StepId {
        StepIds::default().next(&StepKind::Run { argv: vec![word.into()] }).unwrap()
    }

    fn open(state: &StateDir) -> Journal {
        Journal::open(state, Key::of(&[b"m"]), Instant::now()).unwrap().unwrap()
    }

    #[test]
    fn what_is_done_is_known_to_the_next_process_until_all_is() {
        let home = tempfile::tempdir().unwrap();
        let state = StateDir::at(home.path().join("mfilter"));
        drop(open(&state));
        assert!(known(&state).is_empty(), "nothing done, nothing left");
        let noted = || noted_files(&state, Key::of(&[b"m"])).unwrap();
        assert_eq!(noted(), None);
        let mut first = open(&state);
        assert_eq!(noted(), Some(Vec::new()));
        assert!(!first.is_done(run("A")));
        first.note(run("A"), "copy \"A\"", Some("1.host")).unwrap();
        first.sync().unwrap();
        assert_eq!(noted(), Some(vec!["1.host".to_owned()]));
        let other = Journal::open(&state, Key::of(&[b"m"]), Instant::now()).unwrap();
        assert!(other.is_none(), "one process at a time");
        drop(first);
        assert_eq!(known(&state)[0].1, ["copy \"A\""]);
        let mut second = open(&state);
        assert!(second.is_done(run("A")) && !second.is_done(run("B")));
        second.note(run("B"), "reworded", None).unwrap();
        second.finish();
        assert!(known(&state).is_empty());
        assert!(!open(&state).is_done(run("A")));
    }

    #[test]
    fn what_was_begun_is_known_to_the_next_process() {
        let home = tempfile::tempdir().unwrap();
        let state = StateDir::at(home.path());
        let mut first = open(&state);
        assert_eq!(first.attempt(run("A")), None);
        first.note_attempt(run("A"), "1 2 x").unwrap();
        first.note_attempt(run("B"), "3").unwrap();
        first.note_attempt(run("A"), "4 x y").unwrap();
        first.note(run("B"), "words", None).unwrap();
        drop(first);
        assert_eq!(known(&state).len(), 1, "of people's concern is what is done");
        let second = open(&state);
        assert_eq!((second.attempt(run("A")), second.is_done(run("A"))), (Some("4 x y"), false));
        assert!(second.is_done(run("B")));
        second.finish();
        assert_eq!(open(&state).attempt(run("A")), None);
    }

    #[test]
    fn half_a_line_does_not_count() {
        let home = tempfile::tempdir().unwrap();
        let state = StateDir::at(home.path());
        let mut journal = open(&state);
        journal.note(run("a"), "words", None).unwrap();
        journal.note(run("b"), "words", None).unwrap();
        drop(journal);
        let path = home.path().join("half-done").join(Key::of(&[b"m"]).name());
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, text.trim_end()).unwrap();
        let mut journal = open(&state);
        assert!(journal.is_done(run("a")) && !journal.is_done(run("b")));
        journal.note(run("c"), "words", None).unwrap();
        drop(journal);
        let journal = open(&state);
        assert!(journal.is_done(run("a")) && journal.is_done(run("c")));
        journal.finish();
        assert!(!path.exists());
        fs::write(&path, "nonsense\n").unwrap();
        let mut journal = open(&state);
        assert!(!journal.is_done(run("a")));
        journal.note(run("a"), "words", None).unwrap();
        drop(journal);
        assert!(open(&state).is_done(run("a")), "damage is not for ever");
    }

    /// As fetchmail 6.4, getmail 6.18, mpop 1.4 and fdm 1.9 wrote them; `TIME` is when.
    const FETCHED: [&str; 6] = [
        "Received: from pop.example [192.0.2.1]\n\tby vm with POP3 (fetchmail-6.4.37)\n\tfor \
         <taro@localhost> (single-drop); Mon, 30 Nov 2026 TIME +0000 (UTC)\n",
        "Received: from pop.example [192.0.2.1]\n\tby vm with IMAP (fetchmail-6.4.37 polling \
         pop.example account taro)\n\tfor <taro@localhost> (multi-drop); Mon, 30 Nov 2026 TIME\n",
        "Return-Path: <a@b>\nDelivered-To: unknown\nReceived: from pop.example (192.0.2.1:110) by \
         vm with POP3 getmail6\n  msgid:first; 30 Nov 2026 TIME -0000\n",
        "Return-Path: <a@b>\nDelivered-To: unknown\nReceived: from pop.example (192.0.2.1:993) by \
         vm with IMAP4-SSL getmail6\n  msgid:7/1 for <taro@b>; 30 Nov 2026 TIME -0000\n",
        "Received: from pop.example (pop.example [192.0.2.1])\n\tby vm (mpop-1.4.18) with POP3S\n\t\
         for <taro>; Mon, 30 Nov 2026 TIME +0000\n",
        "Received: by vm (fdm 1.9, account \"acc\") \n\twith pop3 (unencrypted)\n\tMon, 30 Nov 2026 \
         TIME +0000\n",
    ];

    #[test]
    fn a_message_that_is_fetched_again_is_the_same() {
        let message = |line: &str, time: &str| {
            let below = "Received: from x by mx with SMTP id 1; TIME\nA: b\n\nc";
            Message::from_bytes((line.replace("TIME", time) + below).into_bytes())
        };
        for line in FETCHED {
            let key = |time: &str| key(&message(line, time), Some("x"), &[]).unwrap();
            assert_eq!(key("06:21:00"), key("06:23:00"), "{line}");
            let store = |time: &str| key_as_fetched(&message(line, time), None, &[]).unwrap();
            assert_ne!(store("06:21:00"), store("06:23:00"), "{line}");
        }
        // A server has a queue: with another line it is another message.
        let line = "Received: from x by mx (Postfix) with ESMTP id 2; Mon, 30 Nov 2026 TIME\n";
        let key = |text: &str| key(&Message::from_bytes(text.into()), None, &[]).unwrap();
        let below = |line: &str| format!("{line}{}A: b\n\nc", FETCHED[0]);
        assert_ne!(
            key(&below(&line.replace("TIME", "1"))),
            key(&below(&line.replace("TIME", "2")))
        );
        let above = |line: &str| format!("{}{line}A: b\n\nc", FETCHED[0]);
        assert_ne!(
            key(&above(&line.replace("TIME", "1"))),
            key(&above(&line.replace("TIME", "2")))
        );
        // Only the topmost line is of the last try.
        assert_ne!(key(&below(line)), key(&below(line).replace("2026 TIME +", "2026 06:23:00 +")));
    }

    #[test]
    fn a_message_is_known_with_its_envelope() {
        let key = |text: &str, from: Option<&str>, to: &str| {
            key(&Message::from_bytes(text.into()), from, &[to.to_owned()]).unwrap()
        };
        let one = key("A: b\n\nc", Some("x"), "y");
        assert_eq!(one, key("From x now\nA: b\n\nc", Some("x"), "y"));
        assert_eq!(one, key("Delivery-date: now\nA: b\n\nc", Some("x"), "y"));
        for other in [
            key("A: b\n\nd", Some("x"), "y"),
            key("A: b\n\nc", None, "y"),
            key("A: b\n\nc", Some("x"), "z"),
        ] {
            assert_ne!(one, other);
        }
    }

    #[test]
    fn a_journal_that_cannot_be_read_is_not_an_empty_one() {
        let home = tempfile::tempdir().unwrap();
        let state = StateDir::at(home.path());
        let key = || Key::of(&[b"m"]);
        fs::create_dir_all(home.path().join(DIRECTORY).join(key().name())).unwrap();
        assert!(noted_files(&state, key()).is_err());
    }
}
