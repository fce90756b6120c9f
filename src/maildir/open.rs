//! Directories and files of a Maildir, each opened relative to the directory above it. A
//! symbolic link is followed only if it belongs to the user or to root; for a confined
//! user, only if its target is below the directory that contains it.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{AtFlags, Mode, OFlags, openat, unlinkat};
use rustix::io::Errno;

use crate::file::{self, ANYWHERE, Bounds};
use crate::outcome::Failure;
use crate::platform::read_link;

use super::name;
use super::sharing::Sharing;

pub(super) const DIR: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// Opens a directory.
pub(super) fn open_below(
    parent: &OwnedFd,
    name: &str,
    path: &Path,
    bounds: &Bounds,
) -> Result<OwnedFd, Failure> {
    match openat(parent, name, DIR | OFlags::NOFOLLOW, Mode::empty()) {
        // All links belong to the one uid that all confined users share.
        Err(Errno::NOTDIR | Errno::LOOP) if *bounds != ANYWHERE => {
            file::open_directory_at(parent, name)
                .map_err(|error| Failure::new("open the folder", path, error))
        }
        // FreeBSD has an error of its own for a link, EMLINK.
        Err(Errno::NOTDIR | Errno::LOOP | Errno::MLINK) => follow(parent, name, path),
        other => other.map_err(|error| Failure::new("open the folder", path, error)),
    }
}

fn follow(parent: &OwnedFd, name: &str, path: &Path) -> Result<OwnedFd, Failure> {
    let fail = |error| Failure::new("open the folder", path, error);
    let link = read_link(parent, name).map_err(fail)?;
    if link.owner != 0 && link.owner != rustix::process::geteuid().as_raw() {
        return Err(Failure::new("follow another user's symbolic link", path, Errno::LOOP));
    }
    openat(parent, link.target, DIR, Mode::empty())
        .map_err(|error| Failure::new("open the target folder of the symbolic link", path, error))
}

/// A new file in the `tmp` of the folder at `path`; its name has the time at which its
/// message arrived, seconds since 1970, or the current time.
pub(super) fn create(
    tmp: &OwnedFd,
    path: &Path,
    sharing: Sharing,
    moment: Option<u64>,
    delivery: Option<u64>,
) -> Result<(String, File), Failure> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut tries = 0;
    loop {
        let name = name::unique_of(moment, delivery);
        match openat(tmp, &name, flags, sharing.file_mode()) {
            Ok(file) => {
                sharing.set_file_mode(tmp, &file);
                return Ok((name, file.into()));
            }
            Err(Errno::EXIST | Errno::INTR) if tries < 10 => tries += 1,
            Err(error) => {
                return Err(Failure::new("create a file in", path.join("tmp"), error));
            }
        }
    }
}

/// Whether a name may contain a colon, which is tried in a `tmp`.
pub(super) fn takes_colons(tmp: &OwnedFd) -> bool {
    let name = format!("{}{}", name::unique(), name::INFO);
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = openat(tmp, &name, flags, Mode::RUSR | Mode::WUSR);
    if file.is_ok() {
        let _ = unlinkat(tmp, &name, AtFlags::empty());
    }
    !matches!(file, Err(Errno::INVAL))
}
