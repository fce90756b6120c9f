//! Renaming and syncing on all kinds of file systems, including network file systems.
//!
//! | what they report | where | what it means here |
//! |---|---|---|
//! | EINVAL, ENOSYS, ENOTSUP, EPERM of renameat2 | NFS, old kernels, old seccomp filters, systems that have none | a link and an unlink instead |
//! | EPERM, ENOTSUP, EXDEV, EACCES, EIO … of a link | vfat, AFS, FUSE | there are no links: a plain rename |
//! | EEXIST of a link, ENOENT of a rename | NFS, where a reply was lost | done, if the file is there |
//! | EINVAL, ENOTSUP, EBADF, EACCES of a directory's fsync | CIFS, virtiofs, FUSE | such a directory has nothing to sync |
//!
//! Other errors are returned to the caller.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Dev, Stat, fstat, fsync, linkat, renameat, statat, unlinkat};
use rustix::io::Errno;

use crate::platform::rename_noreplace;

/// Identifies a file whatever its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FileId {
    device: Dev,
    inode: u64,
}

impl FileId {
    pub(super) fn of(metadata: &Stat) -> FileId {
        FileId { device: metadata.st_dev, inode: metadata.st_ino }
    }

    /// Whether the file has this name.
    pub(super) fn is_at(self, directory: &OwnedFd, name: &str) -> bool {
        let metadata = statat(directory, name, AtFlags::SYMLINK_NOFOLLOW);
        metadata.is_ok_and(|metadata| FileId::of(&metadata) == self)
    }
}

/// Whether a path still leads to a directory that was opened by it. A server renames a
/// folder that it removes, and what comes into it then is removed with it; another delivery
/// may have created it again.
pub(super) fn is_in_place(directory: &OwnedFd, path: &Path) -> bool {
    let there = || statat(CWD, path, AtFlags::empty()).map(|metadata| FileId::of(&metadata));
    match (there(), fstat(directory)) {
        (Err(error), _) => error != Errno::NOENT,
        // Where numbers of files mean nothing, they change from call to call.
        (Ok(other), Ok(own)) => other == FileId::of(&own) || there() != Ok(other),
        (Ok(_), Err(_)) => true,
    }
}

/// Renames without replacing anything: with renameat2; if the file system lacks that,
/// with a second link; if it has no links either, by checking first (the name is unique
/// anyway).
///
/// # Errors
/// ENOENT and EEXIST do not say whether it was done nevertheless; a caller that knows the
/// file can check ([`FileId::is_at`]).
pub(super) fn rename_new(from: &OwnedFd, old: &str, to: &OwnedFd, new: &str) -> Result<(), Errno> {
    match rename_noreplace(from, old, to, new) {
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP | Errno::PERM) => {}
        done => return done,
    }
    match linkat(from, old, to, new, AtFlags::empty()) {
        Ok(()) => return drop_old_name(from, old),
        Err(Errno::EXIST) if are_one(from, old, to, new) => return drop_old_name(from, old),
        Err(
            Errno::PERM
            | Errno::NOSYS
            | Errno::NOTSUP
            | Errno::MLINK
            | Errno::XDEV
            | Errno::ACCESS
            | Errno::IO
            | Errno::INVAL,
        ) => {}
        Err(error) => return Err(error),
    }
    // A link may have been created even if EIO was reported.
    if are_one(from, old, to, new) {
        return drop_old_name(from, old);
    }
    match statat(to, new, AtFlags::SYMLINK_NOFOLLOW) {
        Err(Errno::NOENT) => renameat(from, old, to, new),
        Ok(_) => Err(Errno::EXIST),
        Err(error) => Err(error),
    }
}

/// Removes the old name. A failure is ignored: the message has its new name, and that is
/// what counts.
fn drop_old_name(from: &OwnedFd, old: &str) -> Result<(), Errno> {
    let _ = unlinkat(from, old, AtFlags::empty());
    Ok(())
}

/// Whether two names belong to one file, which then has more than one link.
fn are_one(from: &OwnedFd, old: &str, to: &OwnedFd, new: &str) -> bool {
    let metadata = statat(from, old, AtFlags::SYMLINK_NOFOLLOW);
    metadata.is_ok_and(|metadata| metadata.st_nlink > 1 && FileId::of(&metadata).is_at(to, new))
}

/// Syncs a directory; a file system that cannot do so has nothing to sync.
pub(super) fn sync_directory(directory: impl AsFd) -> Result<(), Errno> {
    match fsync(directory) {
        Err(Errno::INVAL | Errno::NOTSUP | Errno::BADF | Errno::ACCESS) => Ok(()),
        done => done,
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};

    use super::*;

    #[test]
    fn a_link_whose_reply_was_lost_is_done() {
        let home = tempfile::tempdir().unwrap();
        let directory = OwnedFd::from(File::open(home.path()).unwrap());
        fs::write(home.path().join("a"), "mail").unwrap();
        assert!(!are_one(&directory, "a", &directory, "b"));
        fs::write(home.path().join("b"), "mail").unwrap();
        assert!(!are_one(&directory, "a", &directory, "b"), "equal, but another file");
        assert_eq!(rename_new(&directory, "a", &directory, "b"), Err(Errno::EXIST));
        fs::hard_link(home.path().join("a"), home.path().join("c")).unwrap();
        assert!(are_one(&directory, "a", &directory, "c"));
    }
}
