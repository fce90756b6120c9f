//! Moving a message to another file system, and recognizing later a message that exists
//! twice because such a move was cut short.

use std::fs::FileTimes;
use std::io::{self, ErrorKind, Read};
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;

use rustix::fs::{AtFlags, Mode, fchmod, fstat, fsync, unlinkat};
use rustix::io::Errno;

use crate::file;
use crate::outcome::Failure;

use super::disk::{rename_new, sync_directory};
use super::entry::Entry;
use super::folder::MaildirFolder;
use super::open::create;
use super::sharing::Sharing;

/// Moves a message to another file system: it is copied, synced and renamed there before
/// the original is removed. False if it no longer existed.
pub(super) fn move_across(
    (source, old): (&MaildirFolder, &Entry),
    (target, new): (&MaildirFolder, &Entry),
    tmp: &OwnedFd,
) -> Result<bool, Failure> {
    let destination = target.directory(new.sub)?;
    let mut from = match source.file(old) {
        Err(failure) if failure.error.kind() == ErrorKind::NotFound => {
            return Ok(false);
        }
        file => file?,
    };
    let fail = |doing, error: io::Error| Failure::new(doing, target.path_of(new), error);
    let metadata = from.metadata().map_err(|error| fail("copy the message to", error))?;
    let (name, file) = create(tmp, &target.path, Sharing::Private, None, None)?;
    let copy = || -> io::Result<()> {
        io::copy(&mut from, &mut &file)?;
        let times =
            FileTimes::new().set_modified(metadata.modified()?).set_accessed(metadata.accessed()?);
        file.set_times(times)?;
        fchmod(&file, Mode::from_raw_mode(fstat(&from)?.st_mode & 0o777))?;
        fsync(&file)?;
        file::close(file)
    };
    let copied = copy().and_then(|()| match rename_new(tmp, &name, destination, &new.name) {
        // From a try that was killed before it could remove the original.
        Err(Errno::EXIST) if has_same_content((target, new), (source, old)) => Ok(false),
        done => Ok(done.map(|()| true)?),
    });
    if !matches!(copied, Ok(true)) {
        let _ = unlinkat(tmp, &name, AtFlags::empty());
    }
    let ours = copied.map_err(|error| fail("copy the message to", error))?;
    sync_directory(destination).map_err(|error| fail("sync the folder of", error.into()))?;
    let removed = unlinkat(source.directory(old.sub)?, &old.name, AtFlags::empty());
    // A reader may have flagged it while it was copied, and that counts. If it is not there
    // at all, it was removed: by us, whatever a file server says whose reply was lost.
    if let Err(error) = removed
        && source.by_key().contains_key(&old.key())
    {
        if ours {
            let _ = unlinkat(destination, &new.name, AtFlags::empty());
        }
        return match error {
            Errno::NOENT => Ok(false),
            error => Err(Failure::new("remove", source.path_of(old), error)),
        };
    }
    Ok(true)
}

/// Whether two folders are on different file systems.
pub(super) fn is_on_other_device(one: &MaildirFolder, other: &MaildirFolder) -> bool {
    let device = |folder: &MaildirFolder| fstat(&folder.handle).map(|metadata| metadata.st_dev);
    match (device(one), device(other)) {
        (Ok(one), Ok(other)) => one != other,
        _ => true,
    }
}

/// Whether two files on different file systems have the same content, so that one of them
/// can be removed. If they have the same inode number, they may be one file on a file
/// system that is mounted twice.
pub(super) fn has_same_content(
    (folder, entry): (&MaildirFolder, &Entry),
    (other_folder, other_entry): (&MaildirFolder, &Entry),
) -> bool {
    let (Ok(one), Ok(other)) = (folder.file(entry), other_folder.file(other_entry)) else {
        return false;
    };
    let same = || -> io::Result<bool> {
        let (metadata, other_metadata) = (one.metadata()?, other.metadata()?);
        if metadata.len() != other_metadata.len() || metadata.ino() == other_metadata.ino() {
            return Ok(false);
        }
        let (mut one, mut other) = (io::BufReader::new(one), io::BufReader::new(other));
        let (mut left, mut right) = ([0; 8192], [0; 8192]);
        loop {
            let count = one.read(&mut left)?;
            if count == 0 {
                return Ok(true);
            }
            let (Some(left), Some(right)) = (left.get(..count), right.get_mut(..count)) else {
                return Ok(false);
            };
            other.read_exact(right)?;
            if left != &*right {
                return Ok(false);
            }
        }
    };
    same().unwrap_or(false)
}
