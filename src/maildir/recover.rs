//! What a delivery whose process was killed has left in a Maildir: its number identifies
//! its files, in whatever folder they are.
//!
//! All copies are staged before the first is committed, so if copies are visible and none
//! is left in a `tmp`, they are complete.

use std::collections::HashSet;
use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::rc::Rc;

use rustix::fs::{AtFlags, Dir, FileType, fstat, fsync, unlinkat};
use rustix::io::Errno;

use super::location::Location;
use super::name::is_of_delivery;
use super::open::open_below;

/// How many levels deep folders are searched.
const DEPTH_MAX: usize = 32;

/// What became of a killed delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecoverOutcome {
    /// All its copies are stored, and on disk.
    Stored,
    /// It has left nothing, or only files that a journal lists.
    Nothing,
}

/// Finds what a delivery has stored below a Maildir. What it had not finished is taken
/// back, so that the next try stores it once: files that wait in a `tmp`, and copies that
/// are already visible then. `recorded` has the beginnings of the names of the files in
/// its journal, if one is left: the next try knows of these, so they stay, and any others
/// are taken back.
///
/// A symbolic link is followed where a delivery would follow it.
///
/// # Errors
/// The Maildir cannot be read or cannot be written.
pub fn recover(
    location: &Location,
    delivery: u64,
    recorded: Option<&[String]>,
) -> io::Result<RecoverOutcome> {
    let maildir = match location.bounds.open_directory(&location.path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(RecoverOutcome::Nothing),
        maildir => maildir?,
    };
    let mut found = Leftovers {
        location,
        delivery,
        stored: Vec::new(),
        staged: Vec::new(),
        seen: HashSet::new(),
    };
    found.search(&maildir, &location.path, DEPTH_MAX)?;
    found.staged.iter().try_for_each(LeftFile::remove)?;
    match recorded {
        Some(files) => {
            let is_recorded =
                |file: &LeftFile| files.iter().any(|known| file.name.starts_with(known));
            let mut unrecorded = found.stored.iter().filter(|file| !is_recorded(file));
            unrecorded.try_for_each(LeftFile::remove)?;
            Ok(RecoverOutcome::Nothing)
        }
        None if found.staged.is_empty() => {
            found.stored.iter().try_for_each(LeftFile::sync)?;
            Ok(match found.stored.is_empty() {
                true => RecoverOutcome::Nothing,
                false => RecoverOutcome::Stored,
            })
        }
        None => {
            found.stored.iter().try_for_each(LeftFile::remove)?;
            Ok(RecoverOutcome::Nothing)
        }
    }
}

/// A file of the delivery, in the directory in which it was seen.
struct LeftFile {
    directory: Rc<OwnedFd>,
    name: String,
}

impl LeftFile {
    fn remove(&self) -> io::Result<()> {
        match unlinkat(&*self.directory, &self.name, AtFlags::empty()) {
            // A reader has moved it: better a duplicate than a lost message.
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn sync(&self) -> io::Result<()> {
        Ok(fsync(&*self.directory)?)
    }
}

struct Leftovers<'l> {
    location: &'l Location,
    delivery: u64,
    stored: Vec<LeftFile>,
    staged: Vec<LeftFile>,
    /// Directories that were looked at, by device and inode.
    seen: HashSet<(rustix::fs::Dev, u64)>,
}

impl Leftovers<'_> {
    fn search(&mut self, folder: &OwnedFd, path: &Path, depth: usize) -> io::Result<()> {
        let metadata = fstat(folder)?;
        if depth == 0 || !self.seen.insert((metadata.st_dev, metadata.st_ino)) {
            return Ok(());
        }
        for name in names(folder, |kind| kind != FileType::RegularFile)? {
            let path = path.join(&name);
            let below = match open_below(folder, &name, &path, &self.location.bounds) {
                Ok(below) => below,
                Err(failure) if holds_nothing(&failure.error) => continue,
                Err(failure) => return Err(failure.error),
            };
            match &*name {
                "new" | "cur" => {
                    let found = self.files(below)?;
                    self.stored.extend(found);
                }
                "tmp" => {
                    let found = self.files(below)?;
                    self.staged.extend(found);
                }
                _ => self.search(&below, &path, depth - 1)?,
            }
        }
        Ok(())
    }

    fn files(&self, directory: OwnedFd) -> io::Result<Vec<LeftFile>> {
        let names = names(&directory, |kind| kind != FileType::Directory)?;
        let directory = Rc::new(directory);
        let own = names.into_iter().filter(|name| is_of_delivery(name, self.delivery));
        Ok(own.map(|name| LeftFile { directory: Rc::clone(&directory), name }).collect())
    }
}

/// The entries of a directory that may be of a wanted type; file systems need not report
/// it.
fn names(directory: &OwnedFd, is_wanted: impl Fn(FileType) -> bool) -> io::Result<Vec<String>> {
    let mut found = Vec::new();
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        if let Ok(name) = entry.file_name().to_str()
            && !matches!(name, "." | "..")
            && is_wanted(entry.file_type())
        {
            found.push(name.to_owned());
        }
    }
    Ok(found)
}

/// Whether the error means that a delivery cannot have stored anything in a directory.
fn holds_nothing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::PermissionDenied
    ) || Errno::from_io_error(error) == Some(Errno::LOOP)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::path::PathBuf;

    use super::super::name::unique_of;
    use super::*;
    use crate::file::Bounds;
    use crate::rules::program::Layout;

    fn file(root: &Path, directory: &str, delivery: u64) -> PathBuf {
        let directory = root.join(directory);
        fs::create_dir_all(&directory).unwrap();
        let path = directory.join(format!("{},S=1", unique_of(None, Some(delivery))));
        fs::write(&path, "x").unwrap();
        path
    }

    fn found(root: &Path, recorded: Option<&[String]>) -> RecoverOutcome {
        recover(&Location::new(root, Layout::Fs, None), 1, recorded).unwrap()
    }

    #[test]
    fn what_is_complete_stays_and_what_is_incomplete_is_removed() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        assert_eq!(found(&root.join("none"), None), RecoverOutcome::Nothing);
        symlink("loop", root.join("loop")).unwrap();
        let location = Location::new(root.join("loop"), Layout::Fs, None);
        assert!(recover(&location, 1, None).is_err());
        let other = file(root, "new", 7);
        let inbox = file(root, "new", 1);
        let folder = file(root, ".A/cur", 1);
        assert_eq!(found(root, None), RecoverOutcome::Stored);
        assert!(inbox.exists() && folder.exists());
        let staged = file(root, "A/B/tmp", 1);
        assert_eq!(found(root, None), RecoverOutcome::Nothing);
        assert!(!staged.exists() && !inbox.exists() && !folder.exists() && other.exists());
        assert_eq!(found(root, None), RecoverOutcome::Nothing);
    }

    #[test]
    fn what_a_journal_names_stays() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        let (inbox, staged) = (file(root, "new", 1), file(root, "A/tmp", 1));
        // It was killed before it could record this copy: the next try would store it
        // again.
        let other = file(root, "A/cur", 1);
        let name = inbox.file_name().unwrap().to_str().unwrap();
        let recorded = [name.split(',').next().unwrap().to_owned()];
        assert_eq!(found(root, Some(&recorded)), RecoverOutcome::Nothing);
        assert!(!staged.exists() && !other.exists() && inbox.exists());
        assert_eq!(found(root, Some(&[])), RecoverOutcome::Nothing);
        assert!(!inbox.exists());
    }

    #[test]
    fn a_link_is_followed_where_a_delivery_follows_it() {
        let root = tempfile::tempdir().unwrap();
        let (home, other) = (root.path().join("home"), root.path().join("other"));
        let outside = file(&other, "new", 1);
        let inside = file(&home, "elsewhere/new", 1);
        let maildir = home.join("Maildir");
        fs::create_dir(&maildir).unwrap();
        symlink("../elsewhere", maildir.join("A")).unwrap();
        symlink("../../other", maildir.join("B")).unwrap();
        symlink(".", maildir.join("C")).unwrap();
        let mut location = Location::new(&maildir, Layout::Fs, None);
        location.bounds = Bounds::below(&home);
        assert_eq!(recover(&location, 1, Some(&[])).unwrap(), RecoverOutcome::Nothing);
        // Links of confined users never lead out of the directory that contains them.
        assert!(outside.exists() && inside.exists());
        location.bounds = crate::file::ANYWHERE;
        assert_eq!(recover(&location, 1, Some(&[])).unwrap(), RecoverOutcome::Nothing);
        assert!(!outside.exists() && !inside.exists());
    }
}
