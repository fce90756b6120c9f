//! Which of the changes of a scan are moves by the user.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use super::{ChangedFolder, MoveScan, MoveScanner, MovedMessage};
use crate::maildir::Place;
use crate::maildir::entry::Entry;
use crate::maildir::mover::Mover;
use crate::maildir::name;
use crate::state::StateDir;
use crate::state::memory::{FiledBy, Memory, MessageIdentity};
use crate::state::places::{CopyRecord, GoneRecord, OwnMove, Places, PlacesFile, name_hash};
use crate::state::sort_journal;

/// How long after it vanished a message may still turn up in another folder, seconds.
pub(super) const GONE_FOR: i64 = 3600;
/// How long a message may be in two folders before the older copy is removed, seconds.
const COPIED_FOR: i64 = 30 * 24 * 3600;
/// How many vanished messages are remembered.
const GONE_MAX: usize = 100_000;
/// How many copies are remembered.
const COPIES_MAX: usize = 2000;
/// How long before the last scan a delivery may have been made that the scan missed,
/// seconds.
pub(super) const OVERLOOK_TIME: i64 = 300;

/// A move, with the directories of both folders.
struct UserMove {
    from: Vec<String>,
    to: Vec<String>,
    entry: Entry,
    message: u64,
}

/// Where a message was before it appeared in a folder.
enum MessageOrigin {
    /// In a folder from which it has gone since the last scan.
    Departed(Vec<String>),
    /// It had vanished: its number among those that are remembered.
    Vanished(usize),
    /// In a folder in which it still is.
    Present(Vec<String>),
}

/// What messages that have arrived in a folder are compared with.
struct MoveComparison<'c> {
    changed: &'c [ChangedFolder],
    /// The folders in which each of them is now.
    present_in: HashMap<u64, Vec<Vec<String>>>,
    /// The folders from which messages have gone.
    departed: HashMap<u64, Vec<Vec<String>>>,
    now: i64,
    memory: &'c Memory<'c>,
}

impl<'c> MoveComparison<'c> {
    fn of(
        changed: &'c [ChangedFolder],
        places: &Places,
        now: i64,
        memory: &'c Memory<'c>,
    ) -> MoveComparison<'c> {
        let arrived: HashSet<u64> =
            changed.iter().flat_map(|folder| folder.arrived.iter().copied()).collect();
        let mut present_in: HashMap<u64, Vec<Vec<String>>> = HashMap::new();
        if !arrived.is_empty() {
            for folder in &places.folders {
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
        MoveComparison { changed, present_in, departed, now, memory }
    }

    fn present_in(&self, message: u64) -> &[Vec<String>] {
        self.present_in.get(&message).map(Vec::as_slice).unwrap_or_default()
    }

    /// Whether a file of this name has gone from any folder.
    fn is_removed(&self, name: u64) -> bool {
        self.changed.iter().any(|folder| folder.removed_names.contains(&name))
    }

    /// Whether a message has come into that folder only now.
    fn has_arrived(&self, directories: &[String], message: u64) -> bool {
        let mut here = self.changed.iter().filter(|now| now.place.directories() == directories);
        here.any(|now| now.arrived.contains(&message))
    }
}

/// The messages of folders that did not change, each folder listed when it is needed.
#[derive(Default)]
struct UnchangedFolders {
    /// Hashes of messages, with that of the name.
    names: HashMap<Vec<String>, HashMap<u64, u64>>,
    /// Files by the hash of the name.
    files: HashMap<Vec<String>, HashMap<u64, Entry>>,
}

impl MoveScanner<'_> {
    /// Finds the other end of the moves into or out of a folder.
    pub(super) fn compare(
        &mut self,
        changed: &[ChangedFolder],
        mover: &mut Mover<'_>,
        now: i64,
        memory: &Memory<'_>,
        found: &mut MoveScan,
    ) {
        let mut moves: Vec<UserMove> = Vec::new();
        let mut used: HashSet<(u64, Vec<String>)> = HashSet::new();
        let comparison = MoveComparison::of(changed, &self.places, now, memory);
        for folder in changed {
            for message in &folder.arrived {
                moves.extend(self.move_of(*message, folder, &comparison, &mut used));
            }
        }
        self.finish_copies(changed, mover, now, &mut used, &mut moves);
        self.remember_vanished(changed, now, &used);
        if moves.is_empty() {
            return;
        }
        // If the clock was wrong, the last scan may be in the future.
        let since = if self.places.at > now { 0 } else { self.places.at };
        let own = OwnMoves::of(&self.places_file, self.state, &self.location.path, since);
        for UserMove { from, to, entry, message } in moves {
            let (Some(from), Some(to)) = (Place::of(from), Place::of(to)) else { continue };
            if !own.has(&from, &to, &entry) {
                found.moved.push(MovedMessage { from, to, entry, message });
            }
        }
    }

    /// The move by which a message has come into a folder; none if it is new mail, or if it
    /// may still be a copy.
    fn move_of(
        &mut self,
        message: u64,
        folder: &ChangedFolder,
        comparison: &MoveComparison<'_>,
        used: &mut HashSet<(u64, Vec<String>)>,
    ) -> Option<UserMove> {
        let to = folder.place.directories();
        let entry = folder.messages.get(&message)?;
        // One of our file names that is new everywhere belongs to a new delivery: into this
        // folder, or into another one if the log says so.
        let name = name_hash(&entry.key());
        let is_fresh = name::is_ours(&entry.name) && !comparison.is_removed(name);
        let origin = match is_fresh {
            true => None,
            false => self.origin(message, to, comparison),
        };
        let from = match origin {
            Some(MessageOrigin::Departed(from)) => {
                used.insert((message, from.clone()));
                from
            }
            Some(MessageOrigin::Vanished(at)) => self.places.vanished.remove(at).from,
            Some(MessageOrigin::Present(from)) => {
                self.note_copy(message, from, to, comparison.now);
                return None;
            }
            None => {
                let identity = folder.read.get(&message)?;
                let present_in = comparison.present_in(message);
                let from = self.delivered_elsewhere(comparison.memory, identity, to, present_in)?;
                if present_in.contains(&from) {
                    self.note_copy(message, from, to, comparison.now);
                    return None;
                }
                from
            }
        };
        Some(UserMove { from, to: to.to_vec(), entry: entry.clone(), message })
    }

    /// Where a message was at the last scan, if that was another folder.
    fn origin(
        &self,
        message: u64,
        to: &[String],
        comparison: &MoveComparison<'_>,
    ) -> Option<MessageOrigin> {
        let departed = comparison.departed.get(&message);
        if let Some(from) = departed.and_then(|all| all.iter().find(|from| **from != to)) {
            return Some(MessageOrigin::Departed(from.clone()));
        }
        let vanished = self.places.vanished.iter().rposition(|vanished| {
            vanished.message == message
                && vanished.from != to
                && comparison.now - vanished.at <= GONE_FOR
        });
        if let Some(at) = vanished {
            return Some(MessageOrigin::Vanished(at));
        }
        let mut present_in = comparison.present_in(message).iter();
        let from =
            present_in.find(|from| **from != to && !comparison.has_arrived(from, message))?;
        Some(MessageOrigin::Present(from.clone()))
    }

    fn note_copy(&mut self, message: u64, from: Vec<String>, to: &[String], at: i64) {
        self.places.copies.push(CopyRecord { message, from, to: to.to_vec(), at });
    }

    /// The folder into which a message that did not exist before was delivered since the
    /// last scan, if it is not the one in which it appeared; of several, rather one in
    /// which it no longer is.
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
    fn finish_copies(
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
        let mut unchanged = UnchangedFolders::default();
        for copy in copies {
            let entry = self.file_of(&mut unchanged, changed, mover, &copy.to, copy.message);
            let original = self.file_of(&mut unchanged, changed, mover, &copy.from, copy.message);
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
    fn file_of(
        &self,
        unchanged: &mut UnchangedFolders,
        changed: &[ChangedFolder],
        mover: &mut Mover<'_>,
        directories: &[String],
        message: u64,
    ) -> Option<Entry> {
        if let Some(now) = changed.iter().find(|now| now.place.directories() == directories) {
            return now.messages.get(&message).cloned();
        }
        let names = unchanged.names.entry(directories.to_vec()).or_insert_with(|| {
            let mut folders = self.places.folders.iter();
            let folder = folders.find(|folder| folder.directories == directories);
            let names = folder.into_iter().flat_map(|folder| &folder.names);
            names.map(|(name, message)| (*message, *name)).collect()
        });
        let name = names.get(&message)?;
        let files = unchanged.files.entry(directories.to_vec()).or_insert_with(|| {
            let place = Place::of(directories.to_vec());
            let folder = place.and_then(|place| mover.folder(&place).ok());
            let entries = folder.map(|folder| folder.list().0).unwrap_or_default();
            entries.into_iter().map(|entry| (name_hash(&entry.key()), entry)).collect()
        });
        files.get(name).cloned()
    }
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
