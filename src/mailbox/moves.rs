//! Which messages the user has moved, whatever carried it out: a mail reader, an IMAP
//! server, mbsync.
//!
//! All folders of a Maildir are compared with their content at the last look
//! ([`crate::state::places`]). A message is identified by its Message-ID, From and Date.
//! It was moved if it is now in a folder where it was not, and no longer in another one
//! where it was.
//!
//! - **Copies.** A server copies a message and removes the original later, or
//!   only marks it as deleted: the move is seen when the original is gone or
//!   has the flag for that.
//! - **Removal first.** mbsync removes a message from one folder and adds it to another
//!   minutes later: what has vanished is remembered for an hour.
//! - **Fresh mail.** What was delivered since the last look, and moved before this one,
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

use std::collections::{HashMap, HashSet};
use std::io::ErrorKind;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::recognition::{MessageFingerprint, fingerprint};
use crate::maildir::folder::{Entry, MaildirFolder};
use crate::maildir::mover::Mover;
use crate::maildir::name;
use crate::maildir::{Location, Place};
use crate::outcome::Failure;
use crate::state::StateDir;
use crate::state::memory::{FiledBy, Memory, MessageIdentity};
use crate::state::places::{self, CopyRecord, GoneRecord, OwnMove, Places, PlacesFile, name_hash};
use crate::state::sort_journal;
use crate::state::stamp::Stamp;

/// How long after it vanished a message may still turn up in another folder, seconds.
const GONE_FOR: i64 = 3600;
/// How long a message may be in two folders before the older copy is removed, seconds.
const COPIED_FOR: i64 = 30 * 24 * 3600;
/// How many vanished messages are remembered.
const GONE_MAX: usize = 100_000;
/// How many copies are remembered.
const COPIES_MAX: usize = 2000;
/// How long before the last look a delivery may have been made that the look missed,
/// seconds.
const OVERLOOK_TIME: i64 = 300;

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

/// The result of a look.
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
pub struct Watcher<'a> {
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

/// A move, with the directories of both folders.
struct UserMove {
    from: Vec<String>,
    to: Vec<String>,
    entry: Entry,
    message: u64,
}

/// What a look finds out about folders that did not change.
#[derive(Default)]
struct KnownPlace {
    /// Hashes of messages, with that of the name.
    names: HashMap<Vec<String>, HashMap<u64, u64>>,
    /// Files by the hash of the name.
    files: HashMap<Vec<String>, HashMap<u64, Entry>>,
}

fn not_read(state: &StateDir, error: std::io::Error) -> Failure {
    Failure::new("read where messages were in", state.path(), error)
}

impl<'a> Watcher<'a> {
    /// Reads what is known about a Maildir.
    ///
    /// # Errors
    /// It does not exist.
    pub fn open(location: &'a Location, state: &'a StateDir) -> Result<Watcher<'a>, Failure> {
        let places_file = PlacesFile::of(state, &location.path)
            .map_err(|error| Failure::new("open the Maildir", &location.path, error))?;
        let places = places_file.read().map_err(|error| not_read(state, error))?;
        Ok(Watcher { location, state, places_file, places, changed: false })
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
    /// [`Watcher::save`].
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
                // An incomplete look would mistake a move for a removal.
                self.places =
                    self.places_file.read().map_err(|error| not_read(self.state, error))?;
                return Ok(MoveScan::default());
            }
            match self.folder(&mut mover, place, has_records, &mut left, &mut found) {
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
    fn folder(
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
        let nothing =
            places::FolderRecord { complete: has_records, ..places::FolderRecord::default() };
        let before = before.unwrap_or(&nothing);
        let (was_complete, old) = (before.complete, &before.names);
        let mut names = Vec::with_capacity(entries.len());
        let mut messages = HashMap::new();
        let mut read = HashMap::new();
        let mut unread = 0;
        for entry in entries {
            let name = name_hash(&entry.key());
            let at = old.partition_point(|(known, _)| *known < name);
            let message = match old.get(at).filter(|(known, _)| *known == name) {
                Some((_, message)) => Some(*message),
                // Only the time for reading counts, not that for listing, so each look
                // makes progress.
                None if !left.is_zero() => {
                    let began = Instant::now();
                    let fingerprint = read_fingerprint(&folder, &entry);
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
        let had: HashSet<u64> = old.iter().map(|(_, message)| *message).collect();
        let is_new = |message: &&u64| was_complete && !had.contains(message);
        let arrived = messages.keys().filter(is_new).copied().collect();
        let departed =
            had.iter().filter(|message| !messages.contains_key(message)).copied().collect();
        let vanished = |(name, _): &&(u64, u64)| {
            let at = names.partition_point(|(known, _)| known < name);
            names.get(at).is_none_or(|(known, _)| known != name)
        };
        let removed_names = old.iter().filter(vanished).map(|(name, _)| *name).collect();
        found.unread += unread;
        found.first += usize::from(!was_complete);
        let record = places::FolderRecord {
            directories: place.directories().to_vec(),
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
        Ok(Some(ChangedFolder { place, messages, arrived, departed, removed_names, read }))
    }

    /// Finds the other end of the moves into or out of a folder.
    fn compare(
        &mut self,
        changed: &[ChangedFolder],
        mover: &mut Mover<'_>,
        now: i64,
        memory: &Memory<'_>,
        found: &mut MoveScan,
    ) {
        let mut moves: Vec<UserMove> = Vec::new();
        let mut used: HashSet<(u64, Vec<String>)> = HashSet::new();
        let mut present_in: HashMap<u64, Vec<Vec<String>>> = HashMap::new();
        let arrived: HashSet<u64> =
            changed.iter().flat_map(|now| now.arrived.iter().copied()).collect();
        if !arrived.is_empty() {
            for folder in &self.places.folders {
                let names = folder.names.iter().filter(|(_, message)| arrived.contains(message));
                for (_, message) in names {
                    present_in.entry(*message).or_default().push(folder.directories.clone());
                }
            }
        }
        let mut departed: HashMap<u64, Vec<Vec<String>>> = HashMap::new();
        for folder in changed {
            for message in &folder.departed {
                let from = folder.place.directories().to_vec();
                departed.entry(*message).or_default().push(from);
            }
        }
        for folder in changed {
            let to = folder.place.directories().to_vec();
            for message in &folder.arrived {
                let Some(entry) = folder.messages.get(message) else { continue };
                // One of our file names that is new everywhere belongs to a new delivery:
                // into this folder, or into another one if the log says so.
                let name = name_hash(&entry.key());
                let is_fresh = name::is_ours(&entry.name)
                    && !changed.iter().any(|folder| folder.removed_names.contains(&name));
                let elsewhere = |from: &&Vec<String>| **from != to;
                let just_vanished =
                    departed.get(message).and_then(|all| all.iter().find(elsewhere));
                let vanished = self.places.vanished.iter().rposition(|vanished| {
                    vanished.message == *message
                        && vanished.from != to
                        && now - vanished.at <= GONE_FOR
                });
                let existing = present_in.get(message).and_then(|all| {
                    all.iter().find(|from| **from != to && !is_new(changed, from, *message))
                });
                let from = match (just_vanished, vanished, existing) {
                    _ if is_fresh || (just_vanished, vanished, existing) == (None, None, None) => {
                        let Some(identity) = folder.read.get(message) else { continue };
                        let present_in =
                            present_in.get(message).map(Vec::as_slice).unwrap_or_default();
                        let from = self.delivered_elsewhere(memory, identity, &to, present_in);
                        let Some(from) = from else { continue };
                        if present_in.contains(&from) {
                            let (message, to) = (*message, to.clone());
                            self.places.copies.push(CopyRecord { message, from, to, at: now });
                            continue;
                        }
                        from
                    }
                    (Some(from), ..) => {
                        used.insert((*message, from.clone()));
                        from.clone()
                    }
                    (_, Some(at), _) => self.places.vanished.remove(at).from,
                    (_, _, Some(from)) => {
                        let (from, to) = (from.clone(), to.clone());
                        let copied = CopyRecord { message: *message, from, to, at: now };
                        self.places.copies.push(copied);
                        continue;
                    }
                    _ => continue,
                };
                let (to, entry, message) = (to.clone(), entry.clone(), *message);
                moves.push(UserMove { from, to, entry, message });
            }
        }
        self.originals(changed, mover, now, &mut used, &mut moves);
        self.remember_vanished(changed, now, &used);
        if moves.is_empty() {
            return;
        }
        // If the clock was wrong, the last look may be in the future.
        let since = if self.places.at > now { 0 } else { self.places.at };
        let own = OwnMoves::of(&self.places_file, self.state, &self.location.path, since);
        for UserMove { from, to, entry, message } in moves {
            let (Some(from), Some(to)) = (Place::of(from), Place::of(to)) else { continue };
            if !own.has(&from, &to, &entry) {
                found.moved.push(MovedMessage { from, to, entry, message });
            }
        }
    }

    /// The folder into which a message that did not exist before was delivered since the
    /// last look, if it is not the one in which it appeared; of several, rather one in
    /// which it no longer `lies`.
    fn delivered_elsewhere(
        &self,
        memory: &Memory<'_>,
        message: &MessageIdentity,
        to: &[String],
        present_in: &[Vec<String>],
    ) -> Option<Vec<String>> {
        if memory.who(message, to) != Some(FiledBy::User) {
            return None;
        }
        let folders = self.places.folders.iter().map(|folder| &folder.directories);
        let delivered = folders.filter_map(|from| {
            let at = memory.delivered_at(message, from)?;
            let is_recent = at + OVERLOOK_TIME >= self.places.at;
            (from != to && is_recent).then_some((!present_in.contains(from), at, from))
        });
        delivered.max().map(|(.., from)| from.clone())
    }

    /// Remembers messages that were removed and may still appear in another folder.
    fn remember_vanished(
        &mut self,
        changed: &[ChangedFolder],
        now: i64,
        used: &HashSet<(u64, Vec<String>)>,
    ) {
        let vanished = &mut self.places.vanished;
        let before = vanished.len();
        vanished.retain(|vanished| (0..=GONE_FOR).contains(&(now - vanished.at)));
        self.changed |= vanished.len() != before;
        if changed.iter().all(|folder| folder.departed.is_empty()) {
            return;
        }
        let names = self.places.folders.iter().flat_map(|folder| &folder.names);
        let existing: HashSet<u64> = names.map(|(_, message)| *message).collect();
        for folder in changed {
            let from = folder.place.directories().to_vec();
            let left = folder.departed.iter().filter(|message| {
                !existing.contains(message) && !used.contains(&(**message, from.clone()))
            });
            vanished.extend(left.map(|message| GoneRecord {
                message: *message,
                from: from.clone(),
                at: now,
            }));
        }
        let over = vanished.len().saturating_sub(GONE_MAX);
        vanished.drain(..over);
    }

    /// Copies whose originals have been removed are moves.
    fn originals(
        &mut self,
        changed: &[ChangedFolder],
        mover: &mut Mover<'_>,
        now: i64,
        used: &mut HashSet<(u64, Vec<String>)>,
        moves: &mut Vec<UserMove>,
    ) {
        let mut copies = std::mem::take(&mut self.places.copies);
        let number = copies.len();
        copies.drain(..number.saturating_sub(COPIES_MAX));
        let mut seen = KnownPlace::default();
        for copy in copies {
            let entry = self.file(&mut seen, changed, mover, &copy.to, copy.message);
            let original = self.file(&mut seen, changed, mover, &copy.from, copy.message);
            let is_there = original.is_some_and(|entry| !entry.letters().contains('T'));
            match entry {
                Some(_) if is_there && now - copy.at <= COPIED_FOR => self.places.copies.push(copy),
                Some(entry) if !is_there => {
                    used.insert((copy.message, copy.from.clone()));
                    let (from, to, message) = (copy.from, copy.to, copy.message);
                    moves.push(UserMove { from, to, entry, message });
                }
                _ => {}
            }
        }
        self.changed |= self.places.copies.len() != number;
    }

    /// The file of a message in a folder, if it is there.
    fn file(
        &self,
        seen: &mut KnownPlace,
        changed: &[ChangedFolder],
        mover: &mut Mover<'_>,
        directories: &[String],
        message: u64,
    ) -> Option<Entry> {
        if let Some(now) = changed.iter().find(|now| now.place.directories() == directories) {
            return now.messages.get(&message).cloned();
        }
        let names = seen.names.entry(directories.to_vec()).or_insert_with(|| {
            let mut folders = self.places.folders.iter();
            let folder = folders.find(|folder| folder.directories == directories);
            let names = folder.into_iter().flat_map(|folder| &folder.names);
            names.map(|(name, message)| (*message, *name)).collect()
        });
        let name = names.get(&message)?;
        let files = seen.files.entry(directories.to_vec()).or_insert_with(|| {
            let place = Place::of(directories.to_vec());
            let folder = place.and_then(|place| mover.folder(&place).ok());
            let entries = folder.map(|folder| folder.list().0).unwrap_or_default();
            entries.into_iter().map(|entry| (name_hash(&entry.key()), entry)).collect()
        });
        files.get(name).cloned()
    }
}

/// Whether a message arrived in that folder only now.
fn is_new(changed: &[ChangedFolder], directories: &[String], message: u64) -> bool {
    let mut now = changed.iter().filter(|now| now.place.directories() == directories);
    now.any(|now| now.arrived.contains(&message))
}

/// What identifies a message; none if it cannot be read.
fn read_fingerprint(folder: &MaildirFolder, entry: &Entry) -> Option<MessageFingerprint> {
    Some(fingerprint(&folder.open(entry).ok()?, entry))
}

/// Moves made by mfilter, not by the user.
struct OwnMoves(HashSet<OwnMove>);

impl OwnMoves {
    fn of(places_file: &PlacesFile, state: &StateDir, maildir: &Path, since: i64) -> OwnMoves {
        let sorted =
            sort_journal::moves_since(state, maildir, since).into_iter().filter_map(|moved| {
                let key = Entry::of(&moved.to.file)?.key();
                Some(OwnMove { from: moved.from.folder, to: moved.to.folder, key })
            });
        OwnMoves(places_file.own().into_iter().chain(sorted).collect())
    }

    fn has(&self, from: &Place, to: &Place, entry: &Entry) -> bool {
        let (from, to) = (from.directories().to_vec(), to.directories().to_vec());
        self.0.contains(&OwnMove { from, to, key: entry.key() })
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;
    use std::time::{SystemTime, UNIX_EPOCH};

    use crate::flags::Flags;
    use crate::message::head::Head;
    use crate::plan::Folder;
    use crate::rules::program::Layout;
    use crate::state::identity::HeaderHash;
    use crate::state::memory::DeliveryRecord;
    use crate::state::sort_journal::{MessagePlace, SortJournal};

    use super::*;

    const LONG: Duration = Duration::from_secs(60);
    /// A file name in the form of mfilter's deliveries.
    const OURS: &str = "1767.M000001P2Q3R0123456789abcdef.mx,S=9";

    struct Home {
        directory: tempfile::TempDir,
        location: Location,
        state: StateDir,
        now: i64,
    }

    impl Home {
        /// A Maildir with an inbox, `A` and `B`, after a first look.
        fn new() -> Home {
            let directory = tempfile::tempdir().unwrap();
            let location =
                Location::new(directory.path().join("Maildir"), Layout::MaildirPlusPlus, None);
            let state = StateDir::at(directory.path().join("state"));
            let home = Home { directory, location, state, now: 1_000_000 };
            for folder in ["", ".A/", ".B/"] {
                home.make(folder);
            }
            home.put("new/1.mx", "<1@x>");
            home.put("cur/2.mx:2,S", "<2@x>");
            home.put(".A/cur/3.mx:2,", "<3@x>");
            home
        }

        fn has_records() -> Home {
            let mut home = Home::new();
            assert_eq!(home.scan(), Vec::<String>::new());
            home
        }

        fn memory(&self) -> Memory<'_> {
            Memory::at(&self.state, self.now)
        }

        fn path(&self, file: &str) -> PathBuf {
            self.directory.path().join("Maildir").join(file)
        }

        fn make(&self, folder: &str) {
            for sub in ["new", "cur", "tmp"] {
                fs::create_dir_all(self.path(&format!("{folder}{sub}"))).unwrap();
            }
        }

        fn put(&self, file: &str, id: &str) {
            let id = if id.is_empty() { String::new() } else { format!("Message-ID: {id}\n") };
            let text = format!("Received: 1\nFrom: a@b.example\n{id}Date: x\nSubject: y\n\nz\n");
            fs::write(self.path(file), text).unwrap();
        }

        fn rename(&self, from: &str, to: &str) {
            fs::rename(self.path(from), self.path(to)).unwrap();
        }

        /// What was moved since the last look, as another process sees it.
        fn scan(&mut self) -> Vec<String> {
            self.now += 10;
            let mut watcher = Watcher::open(&self.location, &self.state).unwrap();
            let found =
                watcher.scan(self.now, LONG, &AtomicBool::new(false), &self.memory()).unwrap();
            assert!(found.problems.is_empty() && found.unread == 0, "{found:?}");
            watcher.save().unwrap();
            let name = |place: &Place| self.location.folder_of(place).to_string();
            let lines = found
                .moved
                .iter()
                .map(|moved| format!("{} {} {}", name(&moved.from), name(&moved.to), moved.entry));
            lines.collect()
        }
    }

    #[test]
    fn a_rename_is_a_move_and_flags_are_none() {
        let mut home = Home::has_records();
        home.rename("new/1.mx", ".A/cur/1.mx:2,S");
        home.rename("cur/2.mx:2,S", "cur/2.mx:2,FS");
        home.rename(".A/cur/3.mx:2,", ".A/cur/4.other.name:2,");
        home.put("new/5.mx", "<5@x>");
        assert_eq!(home.scan(), ["INBOX A cur/1.mx:2,S"]);
        assert_eq!(home.scan(), Vec::<String>::new());
        home.rename(".A/cur/1.mx:2,S", "cur/1.mx:2,S");
        fs::remove_file(home.path("cur/2.mx:2,FS")).unwrap();
        assert_eq!(home.scan(), ["A INBOX cur/1.mx:2,S"]);
    }

    #[test]
    fn a_copy_is_a_move_when_the_original_is_gone_or_marked() {
        let mut home = Home::has_records();
        home.put(".A/cur/9.dovecot:2,", "<1@x>");
        home.put(".B/cur/9.dovecot:2,S", "<2@x>");
        home.put(".B/cur/8.dovecot:2,S", "<3@x>");
        assert_eq!(home.scan(), Vec::<String>::new(), "copies are none");
        fs::remove_file(home.path("new/1.mx")).unwrap();
        home.rename("cur/2.mx:2,S", "cur/2.mx:2,ST");
        let mut moved = home.scan();
        moved.sort();
        assert_eq!(moved, ["INBOX A cur/9.dovecot:2,", "INBOX B cur/9.dovecot:2,S"]);
        fs::remove_file(home.path("cur/2.mx:2,ST")).unwrap();
        assert_eq!(home.scan(), Vec::<String>::new(), "it was told");
        fs::remove_file(home.path(".B/cur/8.dovecot:2,S")).unwrap();
        fs::remove_file(home.path(".A/cur/3.mx:2,")).unwrap();
        assert_eq!(home.scan(), Vec::<String>::new(), "both are gone");

        // A move by a server between two looks.
        home.put("cur/7.dovecot:2,", "<2@x>");
        fs::remove_file(home.path(".B/cur/9.dovecot:2,S")).unwrap();
        assert_eq!(home.scan(), ["B INBOX cur/7.dovecot:2,"]);
    }

    #[test]
    fn what_is_removed_first_is_due_within_the_hour() {
        let mut home = Home::has_records();
        fs::remove_file(home.path("new/1.mx")).unwrap();
        fs::remove_file(home.path("cur/2.mx:2,S")).unwrap();
        assert_eq!(home.scan(), Vec::<String>::new());
        home.put(".A/new/9.mbsync,U=4", "<1@x>");
        assert_eq!(home.scan(), ["INBOX A new/9.mbsync,U=4"]);
        home.now += GONE_FOR;
        home.put(".A/new/8.mbsync,U=5", "<2@x>");
        assert_eq!(home.scan(), Vec::<String>::new(), "too late");
    }

    #[test]
    fn deliveries_are_not_moves_and_what_was_delivered_can_be_moved() {
        let mut home = Home::has_records();
        home.put(&format!("new/{OURS}"), "<9@x>");
        assert_eq!(home.scan(), Vec::<String>::new());
        // The same message again, through a mailing list, while the first is deleted.
        fs::remove_file(home.path("new/1.mx")).unwrap();
        home.put(&format!(".A/new/{}", OURS.replace("Q3", "Q4")), "<1@x>");
        assert_eq!(home.scan(), Vec::<String>::new());
        home.rename(&format!("new/{OURS}"), &format!(".B/cur/{OURS}:2,S"));
        assert_eq!(home.scan(), [format!("INBOX B cur/{OURS}:2,S")]);
    }

    fn ours(number: u32) -> String {
        OURS.replace("Q3", &format!("Q{number}"))
    }

    /// A message that was delivered since the last look, according to the log.
    fn delivered(home: &Home, number: u32, id: &str, folder: &[&str], at: i64) {
        let head = format!("Received: 1\nFrom: a@b.example\nMessage-ID: {id}\nDate: x\n");
        let hash = HeaderHash::of(&Head::parse(head)).hash;
        let directories = folder.iter().map(|name| name.to_string()).collect();
        let delivered =
            DeliveryRecord { hash, file: crate::log::reader::base(&ours(number)), at, directories };
        home.memory().delivered(&[delivered]).unwrap();
    }

    #[test]
    fn fresh_mail_is_known_by_the_log() {
        let mut home = Home::has_records();
        // Moved by a rename; by a server, under a name of its own; left where it is;
        // copied.
        delivered(&home, 4, "<4@x>", &[], home.now);
        home.put(&format!(".A/cur/{}:2,S", ours(4)), "<4@x>");
        delivered(&home, 5, "<5@x>", &[".A"], home.now);
        home.put("new/5.dovecot", "<5@x>");
        delivered(&home, 6, "<6@x>", &[".A"], home.now);
        home.put(&format!(".A/new/{}", ours(6)), "<6@x>");
        delivered(&home, 7, "<7@x>", &[], home.now);
        delivered(&home, 8, "<7@x>", &[".B"], home.now);
        home.put(&format!("new/{}", ours(7)), "<7@x>");
        home.put(&format!(".B/new/{}", ours(8)), "<7@x>");
        let mut moved = home.scan();
        moved.sort();
        assert_eq!(moved, ["A INBOX new/5.dovecot", &format!("INBOX A cur/{}:2,S", ours(4))]);
        assert_eq!(home.scan(), Vec::<String>::new());
        // A message that was delivered long ago and is restored now was not moved.
        delivered(&home, 9, "<8@x>", &[".A"], home.now - OVERLOOK_TIME - 100);
        home.put("new/8.restored", "<8@x>");
        assert_eq!(home.scan(), Vec::<String>::new());
        // A copy by a server: a move once the original is removed.
        delivered(&home, 9, "<9@x>", &[], home.now);
        home.put(&format!("new/{}", ours(9)), "<9@x>");
        home.put(".B/cur/9.dovecot:2,", "<9@x>");
        assert_eq!(home.scan(), Vec::<String>::new());
        fs::remove_file(home.path(&format!("new/{}", ours(9)))).unwrap();
        assert_eq!(home.scan(), ["INBOX B cur/9.dovecot:2,"]);
    }

    /// The same message to two addresses, of which one is filed elsewhere.
    #[test]
    fn it_is_known_which_of_two_copies_was_moved() {
        let mut home = Home::has_records();
        delivered(&home, 4, "<4@x>", &[], home.now);
        home.put(&format!("new/{}", ours(4)), "<4@x>");
        // Its line in the log is still missing, and then it is there.
        home.put(&format!(".A/new/{}", ours(5)), "<4@x>");
        assert_eq!(home.scan(), Vec::<String>::new());
        fs::remove_file(home.path(&format!("new/{}", ours(4)))).unwrap();
        assert_eq!(home.scan(), Vec::<String>::new(), "the other one is no copy by the user");
        delivered(&home, 6, "<6@x>", &[], home.now);
        delivered(&home, 7, "<6@x>", &[".A"], home.now + 1);
        home.put(&format!(".A/new/{}", ours(7)), "<6@x>");
        home.put(".B/cur/6.dovecot:2,", "<6@x>");
        assert_eq!(home.scan(), ["INBOX B cur/6.dovecot:2,"]);
        delivered(&home, 8, "<8@x>", &[], home.now);
        delivered(&home, 9, "<8@x>", &[".A"], home.now + 1);
        home.put(&format!(".A/new/{}", ours(9)), "<8@x>");
        home.put(&format!(".B/cur/{}:2,", ours(8)), "<8@x>");
        assert_eq!(home.scan(), [format!("INBOX B cur/{}:2,", ours(8))]);
    }

    #[test]
    fn what_mfilter_moves_is_not_a_move_by_the_user() {
        let mut home = Home::has_records();
        let directories = |name: &str| match name {
            "" => Vec::new(),
            name => vec![format!(".{name}")],
        };
        let places_file = PlacesFile::of(&home.state, &home.location.path).unwrap();
        let own = OwnMove { from: vec![], to: directories("A"), key: "1.mx".into() };
        places_file.note_own(&own).unwrap();
        home.rename("new/1.mx", ".A/new/1.mx");
        assert_eq!(home.scan(), Vec::<String>::new());
        home.rename(".A/new/1.mx", "cur/1.mx:2,");
        assert_eq!(home.scan(), ["A INBOX cur/1.mx:2,"]);

        let spot = |folder: &str, file: &str| MessagePlace {
            folder: directories(folder),
            file: file.into(),
        };
        let moved = sort_journal::MoveRecord {
            from: spot("", "cur/2.mx:2,S"),
            to: spot("B", "cur/2.mx:2,S"),
            added: Flags::default(),
        };
        home.now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64;
        home.scan();
        let mut journal =
            SortJournal::begin(&home.state, &home.location.path, Layout::MaildirPlusPlus).unwrap();
        journal.note(&moved).unwrap();
        journal.sync().unwrap();
        home.rename("cur/2.mx:2,S", ".B/cur/2.mx:2,S");
        journal.end().unwrap();
        home.now -= 20;
        assert_eq!(home.scan(), Vec::<String>::new(), "sorted");
        let name = sort_journal::runs(&home.state).remove(0);
        home.rename(".B/cur/2.mx:2,S", "cur/2.mx:2,S");
        sort_journal::undone(&home.state, &name).unwrap();
        assert_eq!(home.scan(), Vec::<String>::new(), "taken back");
    }

    #[test]
    fn folders_that_come_and_go() {
        let mut home = Home::has_records();
        home.make(".New/");
        home.rename("new/1.mx", ".New/cur/1.mx:2,S");
        assert_eq!(home.scan(), ["INBOX New cur/1.mx:2,S"]);
        home.rename(".New", ".Other");
        assert_eq!(home.scan(), Vec::<String>::new(), "a folder is renamed");
        fs::remove_dir_all(home.path(".Other")).unwrap();
        assert_eq!(home.scan(), Vec::<String>::new());
        home.put("new/9.x", "<1@x>");
        assert_eq!(home.scan(), Vec::<String>::new());
    }

    #[test]
    fn messages_without_an_id_and_foreign_files() {
        let mut home = Home::new();
        home.put("new/7.mx", "");
        fs::create_dir(home.path("cur/directory")).unwrap();
        fs::write(home.path("cur/no-info"), "").unwrap();
        std::os::unix::fs::symlink("nowhere", home.path("cur/link")).unwrap();
        home.scan();
        home.rename("new/7.mx", ".B/cur/7.mx:2,");
        home.rename("cur/directory", ".A/cur/directory");
        home.rename("cur/link", ".A/cur/link");
        assert_eq!(home.scan(), ["INBOX B cur/7.mx:2,"]);
    }

    #[test]
    fn a_damaged_state_is_rebuilt_and_a_killed_scan_is_repeated() {
        let mut home = Home::has_records();
        home.rename("new/1.mx", ".A/cur/1.mx:2,");
        let mut watcher = Watcher::open(&home.location, &home.state).unwrap();
        let found = watcher.scan(home.now, LONG, &AtomicBool::new(false), &home.memory()).unwrap();
        assert_eq!(found.moved.len(), 1);
        drop(watcher);
        assert_eq!(home.scan().len(), 1, "it was not kept");
        home.rename(".A/cur/1.mx:2,", "cur/1.mx:2,");
        for entry in fs::read_dir(home.state.path().join("learning")).unwrap() {
            fs::write(entry.unwrap().path(), "x").unwrap();
        }
        assert_eq!(home.scan(), Vec::<String>::new());
        home.rename("cur/1.mx:2,", ".A/cur/1.mx:2,");
        assert_eq!(home.scan().len(), 1);
    }

    #[test]
    fn a_part_at_a_time_and_an_end_in_the_middle() {
        let mut home = Home::new();
        let scan = |budget, stop| {
            let mut watcher = Watcher::open(&home.location, &home.state).unwrap();
            let found =
                watcher.scan(home.now, budget, &AtomicBool::new(stop), &home.memory()).unwrap();
            watcher.save().unwrap();
            (found.known, found.unread)
        };
        assert_eq!(scan(Duration::ZERO, false), (0, 3));
        assert_eq!(scan(LONG, true), (0, 0));
        assert_eq!(scan(LONG, false), (3, 0));
        home.rename("new/1.mx", ".A/cur/1.mx:2,");
        let place = |name: &str| home.location.place(&Folder { parts: vec![name.to_owned()] });
        assert!(place("A").is(&Place::of(vec![".A".into()]).unwrap()));
        let mut watcher = Watcher::open(&home.location, &home.state).unwrap();
        let found = watcher
            .scan(home.now, Duration::ZERO, &AtomicBool::new(false), &home.memory())
            .unwrap();
        assert_eq!((found.moved.len(), found.unread), (0, 1));
        watcher.save().unwrap();
        assert_eq!(home.scan(), ["INBOX A cur/1.mx:2,"], "read later, and not forgotten");
    }
}
