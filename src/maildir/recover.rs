//! What a delivery has left in a Maildir whose process was killed: its files are known
//! by its number, in whatever folder they lie.
//!
//! All copies are staged before the first is committed, so copies that are visible
//! while none is left in a `tmp` are all that there were to be.

use std::collections::HashSet;
use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::name::is_of_delivery;
use crate::file::sync_directory;

/// Folders are so deep in each other at most.
const DEPTH: usize = 32;

/// What became of a killed delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecoverOutcome {
    /// All its copies are stored, and on disk.
    Stored,
    /// It has left nothing, or nothing any more.
    Nothing,
}

/// Finds what a delivery has stored below a Maildir. What it was in the midst of is taken
/// back, so that the next try stores it once: files that wait in a `tmp`, and copies that
/// are visible beside them. With `keeps`, what is visible stays in any case, since a
/// journal tells the next try of it.
///
/// # Errors
/// The Maildir cannot be read, or not be written.
pub fn recover(maildir: &Path, delivery: u64, keeps: bool) -> io::Result<RecoverOutcome> {
    let mut found = Leftovers::default();
    found.look(maildir, delivery, &mut HashSet::new(), DEPTH)?;
    for path in &found.staged {
        fs::remove_file(path)?;
    }
    if found.staged.is_empty() && !keeps {
        for directory in &found.directories {
            sync_directory(directory)?;
        }
        return Ok(match found.stored.is_empty() {
            true => RecoverOutcome::Nothing,
            false => RecoverOutcome::Stored,
        });
    }
    if !keeps {
        for path in &found.stored {
            match fs::remove_file(path) {
                // A reader has taken it elsewhere: it is doubled rather than lost.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                removed => removed?,
            }
        }
    }
    Ok(RecoverOutcome::Nothing)
}

#[derive(Default)]
struct Leftovers {
    stored: Vec<PathBuf>,
    staged: Vec<PathBuf>,
    /// Those that hold what is stored.
    directories: Vec<PathBuf>,
}

impl Leftovers {
    fn look(
        &mut self,
        folder: &Path,
        delivery: u64,
        seen: &mut HashSet<(u64, u64)>,
        depth: usize,
    ) -> io::Result<()> {
        let about = match fs::metadata(folder) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            about => about?,
        };
        if depth == 0 || !about.is_dir() || !seen.insert((about.dev(), about.ino())) {
            return Ok(());
        }
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let kind = entry.file_type()?;
            if !kind.is_dir() && !kind.is_symlink() {
                continue;
            }
            let path = entry.path();
            match entry.file_name().to_str() {
                Some(sub @ ("new" | "cur" | "tmp")) => self.look_at(&path, sub, delivery)?,
                _ => self.look(&path, delivery, seen, depth - 1)?,
            }
        }
        Ok(())
    }

    fn look_at(&mut self, directory: &Path, sub: &str, delivery: u64) -> io::Result<()> {
        let entries = match fs::read_dir(directory) {
            Err(error)
                if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) =>
            {
                return Ok(());
            }
            entries => entries?,
        };
        let before = self.stored.len();
        for entry in entries {
            let entry = entry?;
            if entry.file_name().to_str().is_some_and(|name| is_of_delivery(name, delivery)) {
                let found = if sub == "tmp" { &mut self.staged } else { &mut self.stored };
                found.push(entry.path());
            }
        }
        if self.stored.len() > before {
            self.directories.push(directory.to_owned());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::name::unique_of;
    use super::*;

    fn file(root: &Path, directory: &str, delivery: u64) -> PathBuf {
        let directory = root.join(directory);
        fs::create_dir_all(&directory).unwrap();
        let path = directory.join(format!("{},S=1", unique_of(None, Some(delivery))));
        fs::write(&path, "x").unwrap();
        path
    }

    #[test]
    fn what_is_all_there_stays_and_what_is_half_there_goes() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        assert_eq!(recover(&root.join("none"), 1, false).unwrap(), RecoverOutcome::Nothing);
        let other = file(root, "new", 7);
        let inbox = file(root, "new", 1);
        let folder = file(root, ".A/cur", 1);
        assert_eq!(recover(root, 1, false).unwrap(), RecoverOutcome::Stored);
        assert!(inbox.exists() && folder.exists());
        let staged = file(root, "A/B/tmp", 1);
        assert_eq!(recover(root, 1, true).unwrap(), RecoverOutcome::Nothing);
        assert!(!staged.exists() && inbox.exists());
        let staged = file(root, "A/B/tmp", 1);
        assert_eq!(recover(root, 1, false).unwrap(), RecoverOutcome::Nothing);
        assert!(!staged.exists() && !inbox.exists() && !folder.exists() && other.exists());
        assert_eq!(recover(root, 1, false).unwrap(), RecoverOutcome::Nothing);
    }
}
