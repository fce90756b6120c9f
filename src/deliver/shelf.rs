//! A folder of a Maildir that is open: its messages are listed and read, and
//! found again when a mail reader has renamed them.

use std::collections::HashMap;
use std::fmt;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{Dir, Mode, OFlags, openat};
use rustix::io::Errno;

use crate::message::Message;
use crate::outcome::Failure;
use crate::rules::program::Flags;

use super::keywords;
use super::maildir::{Maildir, Place, open_below};

/// Which of the two directories with messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Sub {
    /// `new`: no mail reader has seen it.
    New,
    /// `cur`
    Cur,
}

impl Sub {
    /// The directory's name.
    pub fn name(self) -> &'static str {
        match self {
            Sub::New => "new",
            Sub::Cur => "cur",
        }
    }

    /// The directory of that name.
    pub fn of(name: &str) -> Option<Sub> {
        [Sub::New, Sub::Cur].into_iter().find(|sub| sub.name() == name)
    }
}

impl fmt::Display for Sub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A message's file in a folder.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Entry {
    /// Where.
    pub sub: Sub,
    /// The file's name.
    pub name: String,
}

impl Entry {
    /// The name without the flags.
    pub fn base(&self) -> &str {
        self.name.split_once(":2,").map_or(&self.name, |(base, _)| base)
    }

    /// What is behind `:2,`: flags, `a` to `z` for keywords, in some programs
    /// more.
    pub fn info(&self) -> &str {
        self.name.split_once(":2,").map_or("", |(_, info)| info)
    }

    /// The letters of [`Entry::info`].
    pub fn letters(&self) -> &str {
        let info = self.info();
        let end = info.find(|letter: char| !letter.is_ascii_alphabetic());
        info.get(..end.unwrap_or(info.len())).unwrap_or_default()
    }

    /// What stays the same whoever renames the file in its folder: the name
    /// without flags and isync's UID.
    pub fn key(&self) -> String {
        without_uid(self.base())
    }

    /// Whether the name has what its directory asks for.
    pub fn is_regular(&self) -> bool {
        self.sub == Sub::New || self.name.contains(":2,")
    }
}

/// A name without the `,U=<n>` by which isync's mbsync knows a message in its
/// folder: in another folder it would be some other message's, and mbsync
/// refuses a folder in which a number is there twice.
pub fn without_uid(base: &str) -> String {
    let is_uid = |part: &str| {
        part.strip_prefix("U=")
            .is_some_and(|uid| !uid.is_empty() && uid.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let mut parts = base.split(',');
    let mut name = parts.next().unwrap_or_default().to_owned();
    for part in parts.filter(|part| !is_uid(part)) {
        name.push(',');
        name.push_str(part);
    }
    name
}

/// An open folder. A directory that is missing has no messages.
pub struct Shelf {
    pub(super) path: PathBuf,
    pub(super) folder: Arc<OwnedFd>,
    new: Option<OwnedFd>,
    cur: Option<OwnedFd>,
}

impl Maildir<'_> {
    /// Opens a folder that is there; a link only as a delivery would follow it.
    pub fn shelf(&self, place: &Place) -> Result<Shelf, Failure> {
        let mut folder = Arc::clone(&self.root);
        let mut path = self.location.path.clone();
        for name in &place.directories {
            path.push(name);
            folder = Arc::new(open_below(&folder, name, &path)?);
        }
        let open = |sub: Sub| match open_below(&folder, sub.name(), &path.join(sub.name())) {
            Err(failure) if failure.error.kind() == ErrorKind::NotFound => Ok(None),
            other => other.map(Some),
        };
        let (new, cur) = (open(Sub::New)?, open(Sub::Cur)?);
        Ok(Shelf { path, folder, new, cur })
    }
}

impl Shelf {
    /// The folder's path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The path of a message.
    pub fn path_of(&self, entry: &Entry) -> PathBuf {
        self.path.join(entry.sub.name()).join(&entry.name)
    }

    pub(super) fn directory(&self, sub: Sub) -> Result<&OwnedFd, Failure> {
        let directory = match sub {
            Sub::New => &self.new,
            Sub::Cur => &self.cur,
        };
        let missing = || Failure::new("open the folder", self.path.join(sub.name()), Errno::NOENT);
        directory.as_ref().ok_or_else(missing)
    }

    /// Whether both `new` and `cur` are there.
    pub(super) fn is_whole(&self) -> bool {
        self.new.is_some() && self.cur.is_some()
    }

    /// The messages, those in `new` first, each directory's by name, and what
    /// cannot be one or cannot be listed.
    pub fn list(&self) -> (Vec<Entry>, Vec<Failure>) {
        let (mut entries, mut problems) = (Vec::new(), Vec::new());
        for sub in [Sub::New, Sub::Cur] {
            let Ok(directory) = self.directory(sub) else { continue };
            let fail = |error: io::Error| {
                Failure::new("read the folder", self.path.join(sub.name()), error)
            };
            let listed = match Dir::read_from(directory) {
                Ok(listed) => listed,
                Err(error) => {
                    problems.push(fail(error.into()));
                    continue;
                }
            };
            let before = entries.len();
            for entry in listed {
                let entry = match entry {
                    Ok(entry) => entry,
                    Err(error) => {
                        problems.push(fail(error.into()));
                        break;
                    }
                };
                match entry.file_name().to_str() {
                    Ok(name) if name.starts_with('.') => {}
                    Ok(name) => entries.push(Entry { sub, name: name.to_owned() }),
                    Err(_) => {
                        let name = entry.file_name().to_string_lossy().into_owned();
                        let path = self.path.join(sub.name()).join(name);
                        let error = io::Error::new(ErrorKind::InvalidData, "its name is not UTF-8");
                        problems.push(Failure::new("take for a message", path, error));
                    }
                }
            }
            if let Some(listed) = entries.get_mut(before..) {
                listed.sort_unstable();
            }
        }
        (entries, problems)
    }

    /// The messages by what they are known by, to find again those that were
    /// renamed.
    pub fn by_key(&self) -> HashMap<String, Entry> {
        let (entries, _) = self.list();
        entries.into_iter().map(|entry| (entry.key(), entry)).collect()
    }

    /// A message, to be read.
    ///
    /// # Errors
    /// It cannot be opened, `NotFound` among the reasons, or is no regular
    /// file; what lies behind a symbolic link is not its folder's.
    pub fn open(&self, entry: &Entry) -> Result<Message, Failure> {
        let file = self.file(entry)?;
        Message::open(file).map_err(|error| {
            let error = match error.kind() {
                ErrorKind::InvalidInput => {
                    io::Error::new(ErrorKind::InvalidInput, "it is not a regular file")
                }
                _ => error,
            };
            Failure::new("read", self.path_of(entry), error)
        })
    }

    pub(super) fn file(&self, entry: &Entry) -> Result<File, Failure> {
        let flags =
            OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let file = openat(self.directory(entry.sub)?, &entry.name, flags, Mode::empty());
        let file = file.map_err(|error| {
            let error = match error {
                Errno::LOOP => io::Error::new(ErrorKind::InvalidInput, "it is a symbolic link"),
                error => error.into(),
            };
            Failure::new("open", self.path_of(entry), error)
        })?;
        Ok(file.into())
    }

    /// The flags that a message has, its keywords by name; keywords are left
    /// out if what they mean cannot be read.
    pub fn flags(&self, entry: &Entry) -> Flags {
        let is_keyword = |letter: &char| letter.is_ascii_lowercase();
        let keywords: String = entry.letters().chars().filter(is_keyword).collect();
        let letters = entry.letters().chars().filter(|letter| !is_keyword(letter)).collect();
        let names = match keywords.as_str() {
            "" => Vec::new(),
            keywords => keywords::names(&self.folder, keywords).unwrap_or_default().0,
        };
        Flags { letters, keywords: names }
    }
}
