//! How a complete file replaces another, in one step, or is created beside it.

use std::fs::{Permissions, metadata, symlink_metadata};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use super::{READ_OWN, close, not_regular, open, sync_directory};

/// Gives a written file its name: it is synced and closed, and then renamed in one step.
///
/// # Errors
/// The system's error.
pub fn put_in_place(file: NamedTempFile, path: &Path) -> io::Result<()> {
    let (file, name) = file.into_parts();
    file.sync_all()?;
    close(file)?;
    Ok(name.persist(path)?)
}

/// Replaces a file by one with these permissions, completely or not at all; it is on disk
/// when this returns. What is at the path is not examined: a symbolic link is replaced,
/// not followed.
///
/// # Errors
/// The system's error; then the old file is still there.
pub fn replace(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let (mut new, folder) = new_beside(path, mode)?;
    new.write_all(bytes)?;
    new.as_file().set_permissions(Permissions::from_mode(mode & 0o7777))?;
    put_in_place(new, path)?;
    sync_directory(folder)
}

/// A new content of a file, on disk, that is not in its place yet.
pub struct Rewrite {
    path: PathBuf,
    new: NamedTempFile,
}

impl Rewrite {
    /// Writes the new content beside the file, which may be missing. A symbolic link is
    /// followed; the mode is kept.
    ///
    /// # Errors
    /// The system's error; nothing is changed.
    pub fn prepare(path: &Path, bytes: &[u8]) -> io::Result<Rewrite> {
        let path = std::fs::canonicalize(path).or_else(|error| match error.kind() {
            ErrorKind::NotFound => Ok(path.to_owned()),
            _ => Err(error),
        })?;
        Rewrite::prepare_own(path, bytes)
    }

    /// The same for a path that is not followed.
    ///
    /// # Errors
    /// The system's error; nothing is changed.
    pub fn prepare_own(path: PathBuf, bytes: &[u8]) -> io::Result<Rewrite> {
        let mode = match symlink_metadata(&path) {
            Ok(known) if known.is_symlink() => return Err(not_regular()),
            Ok(known) => known.mode() & 0o7777,
            Err(error) if error.kind() == ErrorKind::NotFound => 0o600,
            Err(error) => return Err(error),
        };
        let (mut new, _) = new_beside(&path, 0o600)?;
        new.write_all(bytes)?;
        new.as_file().set_permissions(Permissions::from_mode(mode))?;
        new.as_file().sync_all()?;
        Ok(Rewrite { path, new })
    }

    /// Puts it in place of the file, in one step; it is on disk when this returns.
    ///
    /// # Errors
    /// The system's error; unless only the sync failed, the old file is still there.
    pub fn finish(self) -> io::Result<()> {
        put_in_place(self.new, &self.path)?;
        sync_directory(folder_of(&self.path))
    }
}

/// Keeps a content beside its file, under the first name `FILE.END`, `FILE.END-2` … that
/// is free or holds this content already. Returns where.
///
/// # Errors
/// The system's error, or there are too many such files.
pub fn back_up(path: &Path, bytes: &[u8], end: &str) -> io::Result<PathBuf> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mode = metadata(path)?.permissions().mode();
    for number in 1..1000 {
        let number = if number == 1 { String::new() } else { format!("-{number}") };
        let backup = path.with_file_name(format!("{name}.{end}{number}"));
        match make(&backup, bytes, mode) {
            Ok(()) => return Ok(backup),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                let most = bytes.len() as u64 + 1;
                let content = open(&backup, READ_OWN).and_then(|file| {
                    let mut content = Vec::new();
                    file.take(most).read_to_end(&mut content).map(|_| content)
                });
                if content.is_ok_and(|content| content == bytes) {
                    return Ok(backup);
                }
            }
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::other("there are too many backups"))
}

/// Creates a file as [`replace`] does, with the permissions that the umask leaves.
///
/// # Errors
/// `AlreadyExists` if something is there; otherwise the system's error.
pub fn make(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let (mut new, folder) = new_beside(path, mode)?;
    new.write_all(bytes)?;
    new.as_file().sync_all()?;
    new.persist_noclobber(path)?;
    sync_directory(folder)
}

fn new_beside(path: &Path, mode: u32) -> io::Result<(NamedTempFile, &Path)> {
    let folder = folder_of(path);
    let mut builder = tempfile::Builder::new();
    let builder = builder.prefix(".mfilter-").permissions(Permissions::from_mode(mode));
    Ok((builder.tempfile_in(folder)?, folder))
}

fn folder_of(path: &Path) -> &Path {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    folder.unwrap_or(Path::new("."))
}
