//! Where each message of a Maildir was at the last look, to see which ones were moved.
//!
//! One file per Maildir, `learning/KEY.places`: for each folder the hashes of the names
//! of its messages, each with the hash that identifies the message wherever it is. Next
//! to it `KEY.own`, which people can read, too: what mfilter itself has moved since. A
//! file that is damaged, or was written by another version, counts as absent: everything
//! starts again, and nothing is learned from what is found.

use std::collections::HashSet;
use std::io::{self, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::lock_file::LockFile;
use super::{StateDir, from_json_lines, maildir_name, remove, stable_hash};
use crate::file;

const DIRECTORY: &str = "learning";
const MAGIC: &[u8; 16] = b"mfilter places3\n";
/// The largest file, bytes: some millions of messages. Larger ones are damaged.
const MAX: u64 = 1 << 28;
/// The longest list of our own moves, bytes; longer ones are damaged.
const OWN_MAX: u64 = 64 << 20;
/// How long to wait for another process that looks for moves.
const LOCK_TIMEOUT: Duration = Duration::from_secs(10);

/// What was where at a look.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, Default)]
pub struct Places {
    /// Each folder that was seen.
    pub folders: Vec<FolderRecord>,
    /// Messages that appeared in a folder while they were in another one, too.
    pub copies: Vec<CopyRecord>,
    /// Messages that had vanished.
    pub vanished: Vec<GoneRecord>,
    /// When the look was, seconds since 1970.
    pub at: i64,
}

/// A folder.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, Default)]
pub struct FolderRecord {
    /// Its directories from the Maildir down.
    pub directories: Vec<String>,
    /// [`super::stamp::Stamp::to_keep`]
    pub stamp: [u64; 8],
    /// Whether everything is known that was in it at the first look.
    pub complete: bool,
    /// Hash of the name and of the message, sorted.
    pub names: Vec<(u64, u64)>,
}

impl Places {
    /// The messages that at the last look were in folders other than that of these
    /// directories, or had vanished.
    pub fn elsewhere(&self, directories: &[String]) -> HashSet<u64> {
        let folders = self.folders.iter().filter(|folder| folder.directories != directories);
        let elsewhere = folders.flat_map(|folder| folder.names.iter().map(|(_, message)| *message));
        let vanished = self.vanished.iter().filter(|vanished| vanished.from != directories);
        elsewhere.chain(vanished.map(|vanished| vanished.message)).collect()
    }
}

/// A message in two folders.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq)]
pub struct CopyRecord {
    /// [`super::identity::message_hash`]
    pub message: u64,
    /// The folder it was in before.
    pub from: Vec<String>,
    /// The folder in which it appeared.
    pub to: Vec<String>,
    /// When that was seen, seconds since 1970.
    pub at: i64,
}

/// A message that had vanished.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq)]
pub struct GoneRecord {
    /// [`super::identity::message_hash`]
    pub message: u64,
    /// The folder it was in before.
    pub from: Vec<String>,
    /// When that was seen, seconds since 1970.
    pub at: i64,
}

/// A move that mfilter made.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct OwnMove {
    /// The directories of the folder it was in.
    pub from: Vec<String>,
    /// The directories of the folder to which it was moved.
    pub to: Vec<String>,
    /// The part of the file's name that never changes.
    pub key: String,
}

/// The records of a Maildir.
#[derive(Debug, Clone)]
pub struct PlacesFile {
    state: StateDir,
    name: String,
}

impl PlacesFile {
    /// The records of the Maildir at this path.
    ///
    /// # Errors
    /// The Maildir does not exist.
    pub fn of(state: &StateDir, maildir: &Path) -> io::Result<PlacesFile> {
        Ok(PlacesFile { state: state.clone(), name: maildir_name(maildir)? })
    }

    /// The exclusive right to look for moves; none if another process holds it for too
    /// long.
    ///
    /// # Errors
    /// The state directory cannot be written.
    pub fn claim(&self) -> io::Result<Option<LockFile>> {
        let name = format!("{}.lock", self.name);
        LockFile::wait(&self.state, DIRECTORY, &name, Instant::now() + LOCK_TIMEOUT)
    }

    /// What was where at the last look; nothing the first time.
    ///
    /// # Errors
    /// It cannot be read at the moment.
    pub fn read(&self) -> io::Result<Places> {
        let bytes = self.state.read_to_edit(&self.file("places"), MAX)?;
        let bytes = bytes.as_deref().and_then(|bytes| bytes.strip_prefix(MAGIC));
        let places = bytes.and_then(|bytes| postcard::from_bytes(bytes).ok());
        let mut places: Places = places.unwrap_or_default();
        for folder in &mut places.folders {
            if !folder.names.is_sorted() {
                folder.names.sort_unstable();
            }
        }
        Ok(places)
    }

    /// Records what is where, in one step, and forgets our own moves, which are included
    /// then.
    ///
    /// # Errors
    /// The state directory cannot be written.
    pub fn write(&self, places: &Places) -> io::Result<()> {
        let bytes = postcard::to_stdvec(places).map_err(io::Error::other)?;
        self.state.make_inside(DIRECTORY)?;
        self.state.replace(&self.file("places"), &[MAGIC, bytes.as_slice()].concat())?;
        remove(&self.state.path().join(self.file("own")))
    }

    /// Records a move that will be made.
    ///
    /// # Errors
    /// The state directory cannot be written.
    pub fn note_own(&self, own: &OwnMove) -> io::Result<()> {
        self.state.make_inside(DIRECTORY)?;
        let line = serde_json::to_string(&(&own.from, &own.to, &own.key))? + "\n";
        let path = self.state.path().join(self.file("own"));
        file::open(&path, file::APPEND_OR_MAKE_OWN)?.write_all(line.as_bytes())
    }

    /// The moves that mfilter has made since.
    pub fn own(&self) -> Vec<OwnMove> {
        let bytes = self.state.read(&self.file("own"), OWN_MAX).unwrap_or_default();
        let moves = from_json_lines(&bytes).into_iter();
        moves.map(|(from, to, key)| OwnMove { from, to, key }).collect()
    }

    fn file(&self, suffix: &str) -> String {
        format!("{DIRECTORY}/{}.{suffix}", self.name)
    }
}

/// The hash of the part of a file's name that never changes.
pub fn name_hash(key: &str) -> u64 {
    stable_hash(key.as_bytes())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn places() -> Places {
        let directories = vec![".A".to_owned()];
        Places {
            folders: vec![FolderRecord {
                directories: directories.clone(),
                stamp: [7; 8],
                complete: true,
                names: vec![(1, 2), (3, 4)],
            }],
            copies: vec![CopyRecord { message: 2, from: vec![], to: directories.clone(), at: 5 }],
            vanished: vec![GoneRecord { message: 9, from: directories, at: 6 }],
            at: 7,
        }
    }

    #[test]
    fn what_is_stored_is_read_back_and_damage_starts_over() {
        let home = tempfile::tempdir().unwrap();
        let state = StateDir::at(home.path().join("mfilter"));
        let places_file = PlacesFile::of(&state, home.path()).unwrap();
        assert_eq!(places_file.read().unwrap(), Places::default());
        let own = |key: &str| OwnMove { from: vec![], to: vec![".A".into()], key: key.into() };
        places_file.note_own(&own("1.x")).unwrap();
        places_file.note_own(&own("2\n\"x")).unwrap();
        assert_eq!(places_file.own(), [own("1.x"), own("2\n\"x")]);
        places_file.write(&places()).unwrap();
        assert_eq!((places_file.read().unwrap(), places_file.own()), (places(), vec![]));

        let file = state.path().join(places_file.file("places"));
        let complete = fs::read(&file).unwrap();
        for length in 0..complete.len() {
            fs::write(&file, &complete[..length]).unwrap();
            assert_eq!(places_file.read().unwrap(), Places::default(), "{length}");
        }
        for at in 0..complete.len() {
            let mut damaged = complete.clone();
            damaged[at] ^= 0xff;
            fs::write(&file, &damaged).unwrap();
            let _ = places_file.read();
        }
    }
}
