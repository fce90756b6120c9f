//! Everyone the user has written to, or who has written to the user: a file in
//! `sent-mail/` for each folder from which rules derive a list, and next to it what was
//! read of the folder.
//!
//! The list is a list file like any other, also for people: one address per line,
//! followed by its owner, newest last. It only grows: deleting a message removes nobody
//! from it, and a line that the user removes stays out until the next message to that
//! address. Without its list the whole folder is read again.
//!
//! ```text
//! NAME-KEY.list   the addresses
//! NAME-KEY.read   magic (16 bytes); the folder as it was when it was listed:
//!                 device, inode, modified (s, ns) of `cur` and `new`; how many
//!                 messages were still to be read (u64 each, little-endian);
//!                 hashes of the names of the messages that were read, sorted
//! ```
//!
//! The second file is valid only while both directories are unchanged.

use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::lock_file::LockFile;
use super::stamp::Stamp;
use super::{StateDir, is_ours, key, stable_hash};
use crate::file;
use crate::rules::program::MailSide;

const DIRECTORY: &str = "sent-mail";
const MAGIC: &[u8; 16] = b"mfilter sent 1\n\0";
/// How many numbers follow the magic: two directories, and what is still to be read.
const NUMBERS: usize = 9;
const HEAD: usize = MAGIC.len() + NUMBERS * 8;
/// The largest file, bytes: eight for each of eight million messages. A larger one is
/// damaged.
const MAX: u64 = 64 << 20;
/// The largest list that is kept, bytes.
const LIST_MAX: u64 = 64 << 20;

/// What is kept about one folder.
#[derive(Debug, Clone)]
pub struct SentMailState {
    state: StateDir,
    name: String,
}

impl SentMailState {
    /// The state of the folder at `path`, which people call `folder`. Nothing is opened.
    pub fn new(state: &StateDir, path: &Path, folder: &str, side: MailSide) -> SentMailState {
        let plain = |letter: char| if letter.is_alphanumeric() { letter } else { '-' };
        let label: String = folder.chars().take(40).map(plain).collect();
        let path = path.as_os_str().as_bytes();
        let (key, label) = match side {
            MailSide::Recipients => (key(&[path]), label),
            MailSide::Authors => (key(&[path, b"authors"]), format!("from-{label}")),
            MailSide::Messages => (key(&[path, b"messages"]), format!("messages-{label}")),
            MailSide::SentMessages => {
                (key(&[path, b"sent messages"]), format!("sent-messages-{label}"))
            }
        };
        let short = key.get(..8).unwrap_or_default();
        SentMailState { state: state.clone(), name: format!("{DIRECTORY}/{label}-{short}") }
    }

    /// The list file.
    pub fn list(&self) -> PathBuf {
        self.state.path().join(self.list_name())
    }

    fn list_name(&self) -> String {
        format!("{}.list", self.name)
    }

    /// How many messages were not read yet; none if the folder has changed since it was
    /// last listed. This takes a few reads, however large the folder is.
    pub fn unread(&self, now: &Stamp) -> Option<u64> {
        let path = self.state.path().join(format!("{}.read", self.name));
        let file = file::open(&path, file::READ_OWN).ok().filter(is_ours)?;
        let mut head = [0; HEAD];
        file.read_exact_at(&mut head, 0).ok()?;
        let numbers = numbers(head.strip_prefix(MAGIC)?);
        let (unread, then) = numbers.split_last()?;
        (now.has(then) && self.has_list()).then_some(*unread)
    }

    fn has_list(&self) -> bool {
        file::open(&self.list(), file::READ_OWN).is_ok_and(|file| is_ours(&file))
    }

    /// The right to bring it up to date; none if another process has it, or nothing can
    /// be written.
    pub fn claim(&self) -> Option<LockFile> {
        let name = self.name.strip_prefix(DIRECTORY)?.trim_start_matches('/');
        LockFile::wait(&self.state, DIRECTORY, &format!("{name}.lock"), Instant::now())
            .ok()
            .flatten()
    }

    /// Hashes of the names of the messages that were read, sorted; empty if everything
    /// has to be read.
    pub fn read(&self) -> Vec<u64> {
        let bytes =
            self.state.read(&format!("{}.read", self.name), MAX).filter(|_| self.has_list());
        let hashes = bytes.as_deref().and_then(|bytes| bytes.strip_prefix(MAGIC));
        let mut hashes = numbers(hashes.and_then(|b| b.get(NUMBERS * 8..)).unwrap_or_default());
        if !hashes.is_sorted() {
            hashes.sort_unstable();
        }
        hashes
    }

    /// The text of the list, if there is one.
    ///
    /// # Errors
    /// It cannot be read at the moment.
    pub fn text(&self) -> io::Result<Option<String>> {
        let bytes = self.state.read_to_edit(&self.list_name(), LIST_MAX)?;
        Ok(bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
    }

    /// Keeps the list, if there is a new one, and then what was read.
    ///
    /// # Errors
    /// The state directory cannot be written.
    pub fn keep(
        &self,
        list: Option<&str>,
        stamp: &Stamp,
        unread: u64,
        hashes: &[u64],
    ) -> io::Result<()> {
        if let Some(text) = list {
            self.state.replace(&self.list_name(), text.as_bytes())?;
        }
        let mut bytes = MAGIC.to_vec();
        for number in stamp.to_keep().iter().chain([&unread]).chain(hashes) {
            bytes.extend(number.to_le_bytes());
        }
        self.state.replace(&format!("{}.read", self.name), &bytes)
    }
}

/// The hash of a name.
pub fn hash(name: &[u8]) -> u64 {
    stable_hash(name)
}

fn numbers(bytes: &[u8]) -> Vec<u64> {
    let each = bytes.chunks_exact(8);
    each.filter_map(|bytes| bytes.try_into().ok().map(u64::from_le_bytes)).collect()
}
