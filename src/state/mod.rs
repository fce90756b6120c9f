//! Small durable things between runs, in the user's
//! [`User::state_dir`] (`~/.local/state/mfilter`).
//!
//! Nothing here is needed to deliver: if there is no home, or the directory cannot be
//! written, or a file is damaged, mail is still delivered and only a convenience is lost.
//! The directory is created (mode 0700) when something is first written. A file that is
//! not our own, or that others can write, counts as absent.

pub mod duplicates;
pub mod expire_runs;
pub mod expired_folders;
pub mod forwards;
pub mod history;
pub mod identity;
pub mod import_journal;
pub mod journal;
pub mod last_valid;
pub mod lessons;
pub mod list_index;
pub mod lock_file;
pub mod loop_mark;
pub mod memory;
pub mod missing_script;
pub mod notices;
pub mod pending_edits;
pub mod places;
pub mod program_cache;
pub mod replies;
pub mod secret_key;
pub mod sent_mail;
pub mod slots;
pub mod sort_journal;
pub mod stamp;
pub mod suggestions;
pub mod switch_choices;

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::Serialize;
use serde::de::DeserializeOwned;
use twox_hash::xxhash3_128;

use crate::file;
use crate::source::may_pass;
use crate::user::{User, make_private};

/// Where state is kept; it need not exist yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateDir {
    path: PathBuf,
    /// The home, which is not created if it is missing.
    home: Option<PathBuf>,
}

impl StateDir {
    /// A user's own directory; `None` without a home.
    pub fn of(user: &User) -> Option<StateDir> {
        let home = user.home().map(Path::to_owned);
        Some(StateDir { path: user.state_dir()?.to_owned(), home })
    }

    /// A directory of the caller's choice.
    pub fn at(path: impl Into<PathBuf>) -> StateDir {
        StateDir { path: path.into(), home: None }
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Creates the directory and what is missing above it.
    ///
    /// # Errors
    /// The directory cannot be created.
    pub fn make(&self) -> io::Result<()> {
        make_private(&self.path, self.home.as_deref())
    }

    /// Creates a directory in it; returns its path.
    fn make_inside(&self, name: &str) -> io::Result<PathBuf> {
        let path = self.path.join(name);
        make_private(&path, self.home.as_deref())?;
        Ok(path)
    }

    /// The content of a file in it that only we can have written. `None` if there is no
    /// such file, it cannot be read, or it is longer than `max` bytes.
    fn read(&self, name: &str, max: u64) -> Option<Vec<u8>> {
        self.read_to_edit(name, max).ok().flatten()
    }

    /// The same for a file that is to be written again with its content.
    ///
    /// # Errors
    /// It cannot be read at the moment.
    fn read_to_edit(&self, name: &str, max: u64) -> io::Result<Option<Vec<u8>>> {
        let read = || {
            let (file, metadata) = file::open_with_metadata(&self.path.join(name), file::READ_OWN)?;
            if !is_of_ours(&metadata) || metadata.len() > max {
                return Ok(None);
            }
            let mut bytes = Vec::new();
            file.take(max).read_to_end(&mut bytes)?;
            Ok(Some(bytes))
        };
        match read() {
            Err(error) if !may_pass(&error) => Ok(None),
            read => read,
        }
    }

    /// Replaces the file of that name, in one step. It is synced: what is kept here
    /// changes rarely and is needed when everything else fails.
    fn replace(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.make()?;
        let mut file = tempfile::Builder::new().prefix(".new-").tempfile_in(&self.path)?;
        file.write_all(bytes)?;
        file::put_in_place(file, &self.path.join(name))
    }

    /// Moves a damaged file out of the way, where a person can look at it.
    fn set_aside(&self, name: &str) {
        let path = self.path.join(name);
        let _ = fs::rename(&path, path.with_extension("damaged"));
    }
}

/// Whether it is a regular file of this user that nobody else can write.
fn is_ours(file: &File) -> bool {
    file.metadata().is_ok_and(|metadata| is_of_ours(&metadata))
}

fn is_of_ours(metadata: &fs::Metadata) -> bool {
    metadata.is_file()
        && metadata.uid() == rustix::process::geteuid().as_raw()
        && metadata.mode() & 0o022 == 0
}

/// Removes the files of a directory that were not changed for `age`.
fn forget_old(directory: &Path, age: Duration) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let changed = entry.metadata().and_then(|metadata| metadata.modified());
        if changed.is_ok_and(|time| is_older(time, age)) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

fn is_older(time: SystemTime, than: Duration) -> bool {
    SystemTime::now().duration_since(time).is_ok_and(|age| age > than)
}

/// Removes a file, which may be missing.
fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Values as JSON, one per line, so that people can read them, too.
fn to_json_lines(values: &[impl Serialize]) -> io::Result<String> {
    let mut text = String::new();
    for value in values {
        text.push_str(&serde_json::to_string(value)?);
        text.push('\n');
    }
    Ok(text)
}

/// The values that [`to_json_lines`] has written. A line that is something else is left
/// out.
fn from_json_lines<T: DeserializeOwned>(bytes: &[u8]) -> Vec<T> {
    let lines = bytes.split(|byte| *byte == b'\n');
    lines.filter_map(|line| serde_json::from_slice(line).ok()).collect()
}

/// FNV-1a with a final mixing step, the same on every machine.
fn stable_hash(bytes: &[u8]) -> u64 {
    let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    hash ^ (hash >> 32)
}

/// A file name for something that is identified by these bytes.
fn key(parts: &[&[u8]]) -> String {
    let mut hash = xxhash3_128::Hasher::new();
    for part in parts {
        hash.write(&(part.len() as u64).to_le_bytes());
        hash.write(part);
    }
    format!("{:032x}", hash.finish_128())
}

/// The name of what belongs to a Maildir, whatever path leads to it.
fn maildir_name(maildir: &Path) -> io::Result<String> {
    let metadata = fs::metadata(maildir)?;
    Ok(key(&[&metadata.dev().to_le_bytes(), &metadata.ino().to_le_bytes()]))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_directory_is_made_private_and_only_for_writing() {
        let home = tempfile::tempdir().unwrap();
        let state = StateDir::at(home.path().join("a/b/mfilter"));
        assert_eq!(state.read("x", 10), None);
        assert!(!home.path().join("a").exists());
        state.replace("x", b"12").unwrap();
        assert_eq!(fs::metadata(state.path()).unwrap().mode() & 0o7777, 0o700);
        assert_eq!(fs::metadata(state.path().join("x")).unwrap().mode() & 0o7777, 0o600);
        assert_eq!(state.read("x", 10).as_deref(), Some(&b"12"[..]));
        assert_eq!(state.read("x", 1), None);
        assert_eq!(fs::read_dir(state.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_others_can_write_and_what_is_not_a_file_is_absent() {
        let home = tempfile::tempdir().unwrap();
        let state = StateDir::at(home.path());
        state.replace("x", b"1").unwrap();
        fs::set_permissions(home.path().join("x"), fs::Permissions::from_mode(0o620)).unwrap();
        assert_eq!(state.read("x", 10), None);
        fs::create_dir(home.path().join("d")).unwrap();
        assert_eq!(state.read("d", 10), None);
        state.replace("y", b"1").unwrap();
        std::os::unix::fs::symlink("y", home.path().join("link")).unwrap();
        assert_eq!(state.read("link", 10), None);
    }
}
