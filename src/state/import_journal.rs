//! Which messages of a file of old mail were filed, so that after a run of `mfilter
//! import mbox` was killed, the next one continues there and files nothing twice.
//!
//! One file in `imported/` for each file of mail and Maildir; people can read it, too:
//! JSON, one object per line.
//!
//! ```text
//! {"mfilter":"imported","version":1,"source":"/home/taro/mbox","maildir":"/home/taro/Maildir"}
//! {"at":0,"key":"4fd2…","folder":[".Old"],"file":"cur/1767….mx,S=812:2,S"}
//! {"done":1}
//! {"forget":"4fd2…"}
//! ```
//!
//! A message is identified by its content, so one that occurs twice in a file is filed
//! twice, and it does not matter where it is in the file by now. It is recorded when it
//! is staged and on disk, before it becomes visible; `done` says that all before it have.
//! Those after the last `done` are [pending](ImportJournal::pending). A `forget` removes
//! one. A last line without a line end does not count.
//!
//! The file is locked while a process uses it. As long as messages come in the order in
//! which they were filed, only one line of it is in memory; otherwise the rest of it, as
//! keys.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Take, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::lock_file::LockFile;
use super::slots::Key;
use super::{StateDir, is_older, key};
use crate::file;
use crate::text::hex_byte;

const DIRECTORY: &str = "imported";
/// The longest line, bytes; a longer one is damaged.
const LINE_MAX: u64 = 64 << 10;
/// How long a staged file certainly still exists, unless it was stored: mail servers
/// remove files from a `tmp` after 36 hours.
const FRESH_FOR: Duration = Duration::from_secs(24 * 3600);

/// A message that was filed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FiledRecord {
    /// The key that identifies it.
    pub key: Key,
    /// Its offset in its file, bytes.
    pub at: u64,
    /// The folder's directories from the Maildir down.
    pub folder: Vec<String>,
    /// `new/NAME` or `cur/NAME`.
    pub file: String,
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum ImportedLine {
    Head { mfilter: String, version: u32, source: String, maildir: String },
    Filed { at: u64, key: String, folder: Vec<String>, file: String },
    Done { done: u64 },
    Forget { forget: String },
}

/// The journal of a file of mail.
#[derive(Debug)]
pub struct ImportJournal {
    lock: LockFile,
    pending: Vec<FiledRecord>,
    fresh: bool,
    known: KnownMessage,
    /// Lines that are not written yet.
    text: String,
}

/// What was filed before this run and was not looked up yet.
#[derive(Debug)]
enum KnownMessage {
    /// The next one, in the order in which they were filed.
    InOrder(JournalReader),
    /// Everything that is left: each key with its number of messages.
    Rest(HashMap<Key, u32>),
}

/// The lines of a journal.
#[derive(Debug)]
struct JournalReader {
    reader: BufReader<Take<File>>,
    next: Option<Key>,
}

impl ImportJournal {
    /// Opens the journal for a file of mail and a Maildir, whose paths have no links;
    /// with `anew`, what was filed before is forgotten. None if another process is using
    /// it.
    ///
    /// # Errors
    /// The state directory cannot be written, or the journal is damaged.
    pub fn open(
        state: &StateDir,
        source: &Path,
        maildir: &Path,
        anew: bool,
    ) -> io::Result<Option<ImportJournal>> {
        let bytes = |path: &Path| path.as_os_str().as_encoded_bytes().to_vec();
        let name = format!("{}.jsonl", key(&[&bytes(source), &bytes(maildir)]));
        let Some(mut lock) = LockFile::wait(state, DIRECTORY, &name, Instant::now())? else {
            return Ok(None);
        };
        lock.keep(true);
        let path = state.path().join(DIRECTORY).join(name);
        if anew {
            lock.file().set_len(0)?;
        }
        let fresh = lock.file().metadata()?.modified().is_ok_and(|at| !is_older(at, FRESH_FOR));
        let read = || file::open(&path, file::READ_OWN);
        let looked = scan(BufReader::new(read()?))?;
        if looked.whole < lock.file().metadata()?.len() {
            lock.file().set_len(looked.whole)?;
        }
        let mut lines =
            JournalReader { reader: BufReader::new(read()?.take(looked.whole)), next: None };
        let known = if looked.forgets {
            KnownMessage::Rest(lines.rest()?)
        } else {
            lines.advance()?;
            KnownMessage::InOrder(lines)
        };
        let mut journal =
            ImportJournal { lock, pending: looked.pending, fresh, known, text: String::new() };
        if looked.whole == 0 {
            let shown = |path: &Path| path.to_string_lossy().into_owned();
            journal.line(&ImportedLine::Head {
                mfilter: DIRECTORY.into(),
                version: 1,
                source: shown(source),
                maildir: shown(maildir),
            })?;
            journal.sync()?;
            file::sync_directory(&state.path().join(DIRECTORY))?;
        }
        Ok(Some(journal))
    }

    /// Messages that a killed run has recorded, and perhaps not stored.
    pub fn pending(&self) -> &[FiledRecord] {
        &self.pending
    }

    /// Whether they were recorded so recently that a missing one must have been stored,
    /// and moved since.
    pub fn is_fresh(&self) -> bool {
        self.fresh
    }

    /// Whether a message was filed by an earlier run; each filed message is counted once.
    ///
    /// # Errors
    /// The journal cannot be read.
    pub fn was_filed(&mut self, key: Key) -> io::Result<bool> {
        if let KnownMessage::InOrder(lines) = &mut self.known {
            match lines.next {
                None => return Ok(false),
                Some(next) if next == key => {
                    lines.advance()?;
                    return Ok(true);
                }
                Some(_) => {}
            }
        }
        let count = self.rest()?.get_mut(&key).filter(|count| **count > 0);
        Ok(count.map(|count| *count -= 1).is_some())
    }

    /// The rest of the journal, as keys.
    fn rest(&mut self) -> io::Result<&mut HashMap<Key, u32>> {
        if let KnownMessage::InOrder(lines) = &mut self.known {
            let mut rest = lines.rest()?;
            if let Some(next) = lines.next {
                *rest.entry(next).or_default() += 1;
            }
            self.known = KnownMessage::Rest(rest);
        }
        match &mut self.known {
            KnownMessage::Rest(rest) => Ok(rest),
            KnownMessage::InOrder(_) => Err(damaged()),
        }
    }

    /// Records a staged message; on disk after [`ImportJournal::sync`].
    ///
    /// # Errors
    /// It cannot be written.
    pub fn note(&mut self, record: &FiledRecord) -> io::Result<()> {
        self.line(&ImportedLine::Filed {
            at: record.at,
            key: record.key.name(),
            folder: record.folder.clone(),
            file: record.file.clone(),
        })
    }

    /// Records that a message was not filed after all.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn forget(&mut self, record: &FiledRecord) -> io::Result<()> {
        self.line(&ImportedLine::Forget { forget: record.key.name() })?;
        self.was_filed(record.key).map(drop)
    }

    /// Records that all messages so far are stored.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn done(&mut self, count: u64) -> io::Result<()> {
        self.pending.clear();
        self.line(&ImportedLine::Done { done: count })?;
        self.write()
    }

    /// Syncs what was recorded to disk.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn sync(&mut self) -> io::Result<()> {
        self.write()?;
        self.lock.file().sync_data()
    }

    fn write(&mut self) -> io::Result<()> {
        let text = std::mem::take(&mut self.text);
        self.lock.file().write_all(text.as_bytes())
    }

    fn line(&mut self, line: &ImportedLine) -> io::Result<()> {
        self.text.push_str(&serde_json::to_string(line)?);
        self.text.push('\n');
        Ok(())
    }
}

/// The result of a first pass over a journal.
#[derive(Default)]
struct JournalScan {
    /// The length of all complete lines, bytes.
    whole: u64,
    pending: Vec<FiledRecord>,
    forgets: bool,
}

fn scan(mut reader: impl BufRead) -> io::Result<JournalScan> {
    let mut found = JournalScan::default();
    let mut text = String::new();
    while let Some(line) = next_line(&mut reader, &mut text)? {
        match line {
            ImportedLine::Head { version: 1, .. } if found.whole == 0 => {}
            _ if found.whole == 0 => return Err(damaged()),
            ImportedLine::Head { .. } => return Err(damaged()),
            ImportedLine::Filed { at, key, folder, file } => {
                let key = key_of(&key)?;
                found.pending.push(FiledRecord { key, at, folder, file });
            }
            ImportedLine::Done { .. } => found.pending.clear(),
            ImportedLine::Forget { .. } => found.forgets = true,
        }
        found.whole += text.len() as u64;
    }
    Ok(found)
}

fn damaged() -> io::Error {
    let why = "it is damaged; the option --again files all messages once more";
    io::Error::new(ErrorKind::InvalidData, why)
}

fn key_of(text: &str) -> io::Result<Key> {
    let mut key = [0; 16];
    let mut digits = text.bytes();
    for byte in &mut key {
        let pair = digits.next().zip(digits.next());
        *byte = pair.and_then(|(high, low)| hex_byte(high, low)).ok_or_else(damaged)?;
    }
    Ok(Key(key))
}

/// The next line that has a line end.
fn next_line(reader: &mut impl BufRead, text: &mut String) -> io::Result<Option<ImportedLine>> {
    let mut bytes = Vec::new();
    reader.take(LINE_MAX).read_until(b'\n', &mut bytes)?;
    if !bytes.ends_with(b"\n") {
        return if bytes.len() as u64 == LINE_MAX { Err(damaged()) } else { Ok(None) };
    }
    *text = String::from_utf8(bytes).map_err(|_| damaged())?;
    serde_json::from_str(text).map(Some).map_err(|_| damaged())
}

impl JournalReader {
    /// Advances to the next message.
    fn advance(&mut self) -> io::Result<()> {
        self.next = None;
        let mut text = String::new();
        while let Some(line) = next_line(&mut self.reader, &mut text)? {
            if let ImportedLine::Filed { key, .. } = line {
                self.next = Some(key_of(&key)?);
                break;
            }
        }
        Ok(())
    }

    /// Everything after the next message.
    fn rest(&mut self) -> io::Result<HashMap<Key, u32>> {
        let mut rest: HashMap<Key, u32> = HashMap::new();
        let mut text = String::new();
        while let Some(line) = next_line(&mut self.reader, &mut text)? {
            match line {
                ImportedLine::Filed { key, .. } => *rest.entry(key_of(&key)?).or_default() += 1,
                ImportedLine::Forget { forget } => {
                    if let Some(count) = rest.get_mut(&key_of(&forget)?) {
                        *count = count.saturating_sub(1);
                    }
                }
                ImportedLine::Head { .. } | ImportedLine::Done { .. } => {}
            }
        }
        Ok(rest)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn open(state: &StateDir) -> ImportJournal {
        ImportJournal::open(state, "/mbox".as_ref(), "/m".as_ref(), false).unwrap().unwrap()
    }

    fn record(name: &str) -> FiledRecord {
        let (key, file) = (Key::of(&[name.as_bytes()]), format!("cur/{name}:2,S"));
        FiledRecord { key, at: 0, folder: vec![".A".into()], file }
    }

    fn file(journal: &mut ImportJournal, names: &[&str]) {
        names.iter().for_each(|name| journal.note(&record(name)).unwrap());
        journal.sync().unwrap();
        journal.done(names.len() as u64).unwrap();
    }

    fn ask(journal: &mut ImportJournal, names: &[&str]) -> Vec<bool> {
        names.iter().map(|name| journal.was_filed(record(name).key).unwrap()).collect()
    }

    #[test]
    fn each_message_counts_as_often_as_it_was_filed() {
        let home = tempfile::tempdir().unwrap();
        let state = StateDir::at(home.path());
        let mut first = open(&state);
        assert!(
            ImportJournal::open(&state, "/mbox".as_ref(), "/m".as_ref(), false).unwrap().is_none()
        );
        assert_eq!(ask(&mut first, &["a"]), [false]);
        file(&mut first, &["a", "b", "a"]);
        assert_eq!(ask(&mut first, &["a"]), [false], "what this run files is not known to it");
        drop(first);
        assert_eq!(ask(&mut open(&state), &["a", "b", "a", "a"]), [true, true, true, false]);
        assert_eq!(
            ask(&mut open(&state), &["b", "x", "a", "b", "a", "a"]),
            [true, false, true, false, true, false]
        );
        let other = ImportJournal::open(&state, "/other".as_ref(), "/m".as_ref(), false);
        assert_eq!(ask(&mut other.unwrap().unwrap(), &["a"]), [false]);
        let anew = ImportJournal::open(&state, "/mbox".as_ref(), "/m".as_ref(), true);
        assert_eq!(ask(&mut anew.unwrap().unwrap(), &["a"]), [false]);
    }

    #[test]
    fn what_was_not_done_is_pending_and_may_be_forgotten() {
        let home = tempfile::tempdir().unwrap();
        let state = StateDir::at(home.path());
        let mut first = open(&state);
        file(&mut first, &["a"]);
        first.note(&record("b")).unwrap();
        first.note(&record("c")).unwrap();
        first.sync().unwrap();
        first.text = "{\"at\":0,\"key".into();
        first.write().unwrap();
        drop(first);
        let mut second = open(&state);
        assert_eq!(second.pending(), [record("b"), record("c")]);
        second.forget(&record("b")).unwrap();
        second.done(0).unwrap();
        assert_eq!(ask(&mut second, &["a", "b", "c"]), [true, false, true]);
        file(&mut second, &["b"]);
        drop(second);
        let mut third = open(&state);
        assert!(third.pending().is_empty());
        assert_eq!(ask(&mut third, &["a", "b", "c", "b"]), [true, true, true, false]);
    }

    #[test]
    fn damage_is_reported_and_nothing_is_filed_twice() {
        let home = tempfile::tempdir().unwrap();
        let state = StateDir::at(home.path());
        file(&mut open(&state), &["a"]);
        let directory = home.path().join(DIRECTORY);
        let path = std::fs::read_dir(&directory).unwrap().next().unwrap().unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        for wrong in [text.replace("key", "kex"), format!("{text}nonsense\n"), "{}\n".into()] {
            std::fs::write(&path, wrong).unwrap();
            let opened = ImportJournal::open(&state, "/mbox".as_ref(), "/m".as_ref(), false);
            assert!(opened.is_err_and(|error| error.to_string().contains("--again")));
        }
    }

    proptest! {
        /// Whatever the order, exactly as many are known as were filed.
        #[test]
        fn none_is_known_too_often_or_too_rarely(
            filed in proptest::collection::vec(0_u8..5, 0..30),
            asked in proptest::collection::vec(0_u8..5, 0..40),
        ) {
            let home = tempfile::tempdir().unwrap();
            let state = StateDir::at(home.path());
            let names = |of: &[u8]| of.iter().map(u8::to_string).collect::<Vec<_>>();
            let filed = names(&filed);
            file(&mut open(&state), &filed.iter().map(String::as_str).collect::<Vec<_>>());
            let mut left: HashMap<String, usize> = HashMap::new();
            for name in &filed {
                *left.entry(name.clone()).or_default() += 1;
            }
            let mut journal = open(&state);
            for name in names(&asked) {
                let count = left.entry(name.clone()).or_default();
                prop_assert_eq!(journal.was_filed(record(&name).key).unwrap(), *count > 0);
                *count = count.saturating_sub(1);
            }
        }
    }
}
