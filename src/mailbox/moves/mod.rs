//! Which messages the user has moved, whatever carried it out: a mail reader, an IMAP
//! server, mbsync.
//!
//! All folders of a Maildir are compared with their content at the last scan
//! ([`crate::state::places`]). A message is identified by its Message-ID, From and Date.
//! It was moved if it is now in a folder where it was not, and no longer in another one
//! where it was.
//!
//! - **Copies.** A server copies a message and removes the original later, or
//!   only marks it as deleted: the move is seen when the original is gone or
//!   has the flag for that.
//! - **Removal first.** mbsync removes a message from one folder and adds it to another
//!   minutes later: what has vanished is remembered for an hour.
//! - **Fresh mail.** What was delivered since the last scan, and moved before this one,
//!   is found through the log ([`crate::state::memory`]).
//! - **Not moves:** a folder that is renamed or removed; mail that arrives in a folder
//!   without having been in another one; mail that mfilter delivers, recognized by its
//!   files' names; what `sort` and `watch` move; a message that is deleted; a file that
//!   gets another name in its folder; and everything that is there when a folder is first
//!   looked at.
//!
//! Only the headers of messages whose file was not seen before are read, for a limited
//! time; the rest is read the next time. A folder in which nothing changed costs only a
//! look at its two directories.

mod compare;

use std::collections::{HashMap, HashSet};
use std::io::ErrorKind;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::recognition::{MessageFingerprint, fingerprint};
use crate::maildir::entry::Entry;
use crate::maildir::folder::MaildirFolder;
use crate::maildir::mover::Mover;
use crate::maildir::{Location, Place};
use crate::outcome::Failure;
use crate::state::StateDir;
use crate::state::memory::{Memory, MessageIdentity};
use crate::state::places::{FolderRecord, Places, PlacesFile, name_hash};
use crate::state::stamp::Stamp;

/// A message that the user has moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MovedMessage {
    /// Where it was.
    pub from: Place,
    /// Where it is.
    pub to: Place,
    /// Its file there.
    pub entry: Entry,
    /// The hash that identifies it.
    pub message: u64,
}

/// The result of a scan.
#[derive(Debug, Default)]
pub struct MoveScan {
    /// What the user has moved.
    pub moved: Vec<MovedMessage>,
    /// How many messages are known.
    pub known: usize,
    /// How many are still to be read.
    pub unread: usize,
    /// How many folders had changed.
    pub listed: usize,
    /// How many folders were looked at for the first time.
    pub first: usize,
    /// What could not be looked at.
    pub problems: Vec<Failure>,
}

/// Looks for moves in a Maildir.
pub struct MoveScanner<'a> {
    location: &'a Location,
    state: &'a StateDir,
    places_file: PlacesFile,
    places: Places,
    /// Whether `places` differs from what is kept on disk.
    changed: bool,
}

/// A folder that has changed.
struct ChangedFolder {
    place: Place,
    /// By the hash of the message.
    messages: HashMap<u64, Entry>,
    /// Hashes of messages that were not in it before.
    arrived: Vec<u64>,
    /// Hashes of messages that are no longer in it.
    departed: Vec<u64>,
    /// Hashes of the file names of the latter.
    removed_names: HashSet<u64>,
    /// What identifies, for the memory, the messages that were not read before.
    read: HashMap<u64, MessageIdentity>,
}

fn not_read(state: &StateDir, error: std::io::Error) -> Failure {
    Failure::new("read where messages were in", state.path(), error)
}

impl<'a> MoveScanner<'a> {
    /// Reads what is known about a Maildir.
    ///
    /// # Errors
    /// It does not exist.
    pub fn open(location: &'a Location, state: &'a StateDir) -> Result<MoveScanner<'a>, Failure> {
        let places_file = PlacesFile::of(state, &location.path)
            .map_err(|error| Failure::new("open the Maildir", &location.path, error))?;
        let places = places_file.read().map_err(|error| not_read(state, error))?;
        Ok(MoveScanner { location, state, places_file, places, changed: false })
    }

    /// Whether no folder was looked at before, so that nothing can be known as moved.
    pub fn is_first_scan(&self) -> bool {
        self.places.folders.is_empty()
    }

    /// The records of the Maildir.
    pub fn places_file(&self) -> &PlacesFile {
        &self.places_file
    }

    /// Compares all folders with what they were. New messages are read for at most
    /// `budget`. What is found counts as known from then on; it is on disk only after
    /// [`MoveScanner::save`].
    ///
    /// # Errors
    /// The Maildir cannot be opened.
    pub fn scan(
        &mut self,
        now: i64,
        budget: Duration,
        stop: &AtomicBool,
        memory: &Memory<'_>,
    ) -> Result<MoveScan, Failure> {
        let mut left = budget;
        let mut mover = Mover::open(self.location)?;
        let (all, mut problems) = mover.folders();
        let existing: HashSet<&[String]> = all.iter().map(Place::directories).collect();
        let mut found = MoveScan::default();
        let mut changed = Vec::new();
        let has_records = !self.places.folders.is_empty();
        // A folder that could not be looked at does not count as removed. Removing or
        // renaming a folder is not a move of its messages.
        if problems.is_empty() {
            let before = self.places.folders.len();
            self.places.folders.retain(|folder| existing.contains(folder.directories.as_slice()));
            self.changed |= self.places.folders.len() != before;
        }
        for place in all {
            if stop.load(Ordering::Relaxed) {
                // An incomplete scan would mistake a move for a removal.
                self.places =
                    self.places_file.read().map_err(|error| not_read(self.state, error))?;
                return Ok(MoveScan::default());
            }
            match self.list_if_changed(&mut mover, place, has_records, &mut left, &mut found) {
                Ok(now) => changed.extend(now),
                Err(failure) => problems.push(failure),
            }
        }
        self.changed |= !changed.is_empty();
        found.known = self.places.folders.iter().map(|folder| folder.names.len()).sum();
        found.problems.append(&mut problems);
        if found.listed > 0 || !changed.is_empty() {
            self.compare(&changed, &mut mover, now, memory, &mut found);
        }
        self.places.at = now;
        Ok(found)
    }

    /// Keeps on disk what is known.
    ///
    /// # Errors
    /// The state directory cannot be written.
    pub fn save(&mut self) -> Result<(), Failure> {
        if std::mem::take(&mut self.changed) {
            self.places_file.write(&self.places).map_err(|error| {
                Failure::new("note where messages are in", self.state.path(), error)
            })?;
        }
        Ok(())
    }

    /// Lists a folder that has changed; none if it has not.
    fn list_if_changed(
        &mut self,
        mover: &mut Mover<'_>,
        place: Place,
        has_records: bool,
        left: &mut Duration,
        found: &mut MoveScan,
    ) -> Result<Option<ChangedFolder>, Failure> {
        let folder = mover.folder(&place)?;
        let stamp = Stamp::of(folder.path());
        let stamp = stamp.map_err(|error| Failure::new("read the folder", folder.path(), error))?;
        let known = self
            .places
            .folders
            .iter()
            .position(|folder| folder.directories.as_slice() == place.directories());
        let before = known.and_then(|at| self.places.folders.get(at));
        if before.is_some_and(|before| before.complete && stamp.has(&before.stamp)) {
            return Ok(None);
        }
        let (entries, problems) = folder.list();
        if let Some(failure) =
            problems.into_iter().find(|f| f.error.kind() != ErrorKind::InvalidData)
        {
            return Err(failure);
        }
        found.listed += 1;
        // A folder that was created since then was empty before.
        let nothing = FolderRecord { complete: has_records, ..FolderRecord::default() };
        let before = before.unwrap_or(&nothing);
        let (was_complete, old) = (before.complete, &before.names);
        let listing = FolderListing::read(&folder, entries, old, left);
        let FolderListing { names, messages, read, unread } = listing;
        let had: HashSet<u64> = old.iter().map(|(_, message)| *message).collect();
        let is_new = |message: &&u64| was_complete && !had.contains(message);
        let vanished = |(name, _): &&(u64, u64)| {
            let at = names.partition_point(|(known, _)| known < name);
            names.get(at).is_none_or(|(known, _)| known != name)
        };
        let changed = ChangedFolder {
            arrived: messages.keys().filter(is_new).copied().collect(),
            departed: had.iter().filter(|it| !messages.contains_key(it)).copied().collect(),
            removed_names: old.iter().filter(vanished).map(|(name, _)| *name).collect(),
            place,
            messages,
            read,
        };
        found.unread += unread;
        found.first += usize::from(!was_complete);
        let record = FolderRecord {
            directories: changed.place.directories().to_vec(),
            stamp: if unread == 0 { stamp.to_keep() } else { [0; 8] },
            complete: was_complete || unread == 0,
            names,
        };
        match known.and_then(|at| self.places.folders.get_mut(at)) {
            Some(old) => {
                let same = old.names == record.names && old.complete == record.complete;
                // A stored time of change saves listing the folder the next time.
                self.changed |= old.stamp != record.stamp;
                *old = record;
                if same {
                    return Ok(None);
                }
            }
            None => self.places.folders.push(record),
        }
        Ok(Some(changed))
    }
}

/// The messages in a folder, as far as they are known.
struct FolderListing {
    /// Hash of the name and of the message, sorted.
    names: Vec<(u64, u64)>,
    messages: HashMap<u64, Entry>,
    /// What identifies those that were read now.
    read: HashMap<u64, MessageIdentity>,
    /// How many are still to be read.
    unread: usize,
}

impl FolderListing {
    /// Identifies messages by the names that are known already, and reads the headers of the
    /// others as long as time is `left`.
    fn read(
        folder: &MaildirFolder,
        entries: Vec<Entry>,
        known: &[(u64, u64)],
        left: &mut Duration,
    ) -> FolderListing {
        let mut names = Vec::with_capacity(entries.len());
        let (mut messages, mut read, mut unread) = (HashMap::new(), HashMap::new(), 0);
        for entry in entries {
            let name = name_hash(&entry.key());
            let at = known.partition_point(|(known, _)| *known < name);
            let message = match known.get(at).filter(|(known, _)| *known == name) {
                Some((_, message)) => Some(*message),
                // Only the time for reading counts, not that for listing, so each scan
                // makes progress.
                None if !left.is_zero() => {
                    let began = Instant::now();
                    let fingerprint = read_fingerprint(folder, &entry);
                    *left = left.saturating_sub(began.elapsed());
                    read.extend(fingerprint.map(|it| (it.hash, it.identity)));
                    fingerprint.map(|it| it.hash)
                }
                None => {
                    unread += 1;
                    None
                }
            };
            if let Some(message) = message {
                names.push((name, message));
                messages.insert(message, entry);
            }
        }
        names.sort_unstable();
        names.dedup();
        FolderListing { names, messages, read, unread }
    }
}

/// What identifies a message; none if it cannot be read.
fn read_fingerprint(folder: &MaildirFolder, entry: &Entry) -> Option<MessageFingerprint> {
    Some(fingerprint(&folder.open(entry).ok()?, entry))
}

#[cfg(test)]
mod tests;
