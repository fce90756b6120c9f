//! The files of a directory that may hold mail, in the order of their names.
//!
//! Only the next [`WINDOW`] names are held in memory; if there are more, the directory is
//! listed again.

use std::collections::BinaryHeap;
use std::ffi::{OsStr, OsString};
use std::fs::{self, DirEntry, File, FileType};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::outcome::Failure;
use crate::plan::Folder;

use super::message_source::open_found;

/// How many names of a directory's files are held at once.
pub(super) const WINDOW: usize = if cfg!(test) { 4 } else { 1 << 16 };

/// What a file in a directory has to be.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum SourceKind {
    /// A message or an mbox.
    Plain,
    /// The same in an MH folder, where a file that is named by a number is a message:
    /// procmail begins it with a `From ` line.
    Mh,
    /// A message of a Maildir, whose name may have flags in `new` (mutt writes them), and
    /// must have them in `cur`.
    New,
    Cur,
}

/// The files of a directory.
pub(super) struct DirectoryFiles {
    pub(super) directory: PathBuf,
    pub(super) folder: Arc<Folder>,
    pub(super) kind: SourceKind,
    /// The next ones, in order.
    names: std::vec::IntoIter<OsString>,
    /// The last of `names`, if others follow it.
    last: Option<OsString>,
    /// How many there are in the whole directory.
    pub(super) all: usize,
}

impl DirectoryFiles {
    /// The first names of a directory after `after`.
    pub(super) fn list(
        directory: &Path,
        folder: &Arc<Folder>,
        kind: SourceKind,
        after: Option<&OsStr>,
    ) -> io::Result<DirectoryFiles> {
        let mut first: BinaryHeap<OsString> = BinaryHeap::new();
        let (mut all, mut more) = (0, false);
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            let name = entry.file_name();
            let plain = matches!(kind, SourceKind::Plain | SourceKind::Mh);
            if plain && kind_of(&entry).is_some_and(|kind| kind.is_dir()) {
                continue;
            }
            let is_odd = is_hidden(&name) || plain && is_dovecots(&name);
            if is_odd && !(plain && begins_as_mbox(&entry.path())) {
                continue;
            }
            all += 1;
            if after.is_some_and(|after| name.as_os_str() <= after) {
                continue;
            }
            if first.len() < WINDOW {
                first.push(name);
            } else {
                more = true;
                if first.peek().is_some_and(|last| name < *last) {
                    first.pop();
                    first.push(name);
                }
            }
        }
        let names = first.into_sorted_vec();
        let last = if more { names.last().cloned() } else { None };
        let (directory, folder, names) = (directory.to_owned(), folder.clone(), names.into_iter());
        Ok(DirectoryFiles { directory, folder, kind, names, last, all })
    }

    pub(super) fn next(&mut self) -> Option<Result<OsString, Failure>> {
        if let Some(name) = self.names.next() {
            return Some(Ok(name));
        }
        let last = self.last.take()?;
        match DirectoryFiles::list(&self.directory, &self.folder, self.kind, Some(&last)) {
            Ok(files) => *self = files,
            Err(error) => {
                return Some(Err(Failure::new("read the folder", &self.directory, error)));
            }
        }
        self.names.next().map(Ok)
    }
}

/// The type of an entry; links are followed.
pub(super) fn kind_of(entry: &DirEntry) -> Option<FileType> {
    match entry.file_type().ok()? {
        kind if kind.is_symlink() => Some(fs::metadata(entry.path()).ok()?.file_type()),
        kind => Some(kind),
    }
}

pub(super) fn is_hidden(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b".")
}

fn is_dovecots(name: &OsStr) -> bool {
    let name = name.as_encoded_bytes();
    name.starts_with(b"dovecot.") || name.starts_with(b"dovecot-") || name == b"subscriptions"
}

fn begins_as_mbox(path: &Path) -> bool {
    open_found(path).and_then(|file| is_mbox(path, &file)).unwrap_or(false)
}

pub(super) fn is_mbox(path: &Path, file: &File) -> Result<bool, Failure> {
    let mut start = [0; 5];
    match file.read_at(&mut start, 0) {
        Ok(length) => Ok(length == 5 && &start == b"From "),
        Err(error) => Err(Failure::new("read", path, error)),
    }
}
