//! How files are opened: without ever blocking, and only regular files.
//!
//! Whoever can replace a file by a FIFO, a device or a terminal must not be able to block
//! a delivery: every open of a file goes through here (tests/it/architecture.rs looks
//! for others). Directories are opened as such, which never blocks; what is newly created,
//! with `O_EXCL`, cannot be anything else.

mod bounds;
mod rewrite;

use std::fmt;
use std::fs::{File, Metadata};
use std::io::{self, ErrorKind, Read};
use std::os::fd::{AsFd, IntoRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::Errno;
use rustix::path::Arg;

pub use bounds::{
    ANYWHERE, Bounds, OutOfBounds, PinnedDirectory, is_leading_out, open_directory_at,
};
pub use rewrite::{Rewrite, back_up, make, put_in_place, replace};

/// For reading.
pub const READ: OFlags = OFlags::RDONLY;
/// For reading; a symbolic link is not followed.
pub const READ_OWN: OFlags = OFlags::RDONLY.union(OFlags::NOFOLLOW);
/// For reading and writing an existing file; a symbolic link is not followed.
pub const WRITE_OWN: OFlags = OFlags::RDWR.union(OFlags::NOFOLLOW);
/// For reading and appending to an existing file; a symbolic link is not followed.
pub const APPEND_OWN: OFlags = WRITE_OWN.union(OFlags::APPEND);
/// The same; the file is created with mode 0600 if it is missing.
pub const APPEND_OR_MAKE_OWN: OFlags = APPEND_OWN.union(OFlags::CREATE);
/// For appending to a new file; an existing one is an error.
pub const MAKE_OWN: OFlags = APPEND_OR_MAKE_OWN.union(OFlags::EXCL);

/// There is something other than a regular file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotRegular;

impl fmt::Display for NotRegular {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it is not a regular file")
    }
}

impl std::error::Error for NotRegular {}

/// Opens a regular file.
///
/// # Errors
/// The system's error, or [`NotRegular`] if it is something else.
pub fn open(path: &Path, flags: OFlags) -> io::Result<File> {
    open_at(CWD, path, flags)
}

/// Opens a regular file and returns its metadata, too; errors as [`open`].
pub fn open_with_metadata(path: &Path, flags: OFlags) -> io::Result<(File, Metadata)> {
    open_regular(flags, |flags, mode| openat(CWD, path, flags, mode))
}

/// Opens a regular file below a directory; errors as [`open`].
pub fn open_at(directory: impl AsFd, name: impl Arg + Copy, flags: OFlags) -> io::Result<File> {
    Ok(open_regular(flags, |flags, mode| openat(&directory, name, flags, mode))?.0)
}

/// Opens a file with `open`; if it is a regular one, returns it and its metadata.
fn open_regular(
    flags: OFlags,
    open: impl Fn(OFlags, Mode) -> rustix::io::Result<OwnedFd>,
) -> io::Result<(File, Metadata)> {
    let flags = flags | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = loop {
        match open(flags, Mode::RUSR | Mode::WUSR) {
            Ok(file) => break File::from(file),
            Err(Errno::INTR) => {}
            // A socket, or a FIFO that nobody reads; or a directory opened for writing.
            Err(Errno::NXIO | Errno::OPNOTSUPP | Errno::ISDIR) => return Err(not_regular()),
            Err(Errno::XDEV) => return Err(bounds::leads_out()),
            Err(error) => return Err(error.into()),
        }
    };
    let metadata = file.metadata()?;
    if metadata.is_file() { Ok((file, metadata)) } else { Err(not_regular()) }
}

/// The content of a regular file, at most `max` bytes of it.
///
/// # Errors
/// The file cannot be opened or read.
pub fn read(path: &Path, max: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open(path, READ)?.take(max).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Closes a file that was written and synced, and returns the result: some file systems
/// write only at close(2) (AFS, old NFS, davfs2 and others on FUSE, where fsync(2) may do
/// nothing), and report a full disk there.
///
/// # Errors
/// The system's error.
pub fn close(file: impl IntoRawFd) -> io::Result<()> {
    Ok(nix::unistd::close(file)?)
}

/// What shows whether a file has changed since the last look: device, inode, length, and
/// when it and its inode were changed (s, ns).
pub type FileIdentity = [u64; 7];

/// What identifies the file with this metadata, as it is now.
pub fn identity(metadata: &Metadata) -> FileIdentity {
    [
        metadata.dev(),
        metadata.ino(),
        metadata.size(),
        metadata.mtime() as u64,
        metadata.mtime_nsec() as u64,
        metadata.ctime() as u64,
        metadata.ctime_nsec() as u64,
    ]
}

/// Syncs a directory's entries to disk.
///
/// # Errors
/// The system's error.
pub fn sync_directory(path: &Path) -> io::Result<()> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    File::from(openat(CWD, path, flags, Mode::empty())?).sync_all()
}

/// Whether a file that was opened by its name is no longer there: another machine has
/// replaced it, and NFS does not keep what is open elsewhere (ESTALE).
pub fn is_stale(error: &io::Error) -> bool {
    error.kind() == ErrorKind::StaleNetworkFileHandle
}

/// Whether opening failed because it is not a regular file.
pub fn is_not_regular(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<NotRegular>())
}

fn not_regular() -> io::Error {
    io::Error::new(ErrorKind::InvalidInput, NotRegular)
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use rustix::fs::{FileType, mknodat};

    use super::*;

    #[test]
    fn nothing_but_a_regular_file_is_opened_and_nothing_waits() {
        let home = tempfile::tempdir().unwrap();
        let at = |name: &str| home.path().join(name);
        std::fs::write(at("file"), "x").unwrap();
        std::fs::create_dir(at("directory")).unwrap();
        std::os::unix::fs::symlink("file", at("link")).unwrap();
        let _socket = UnixListener::bind(at("socket")).unwrap();
        mknodat(CWD, at("fifo"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        let all = [READ, READ_OWN, WRITE_OWN, APPEND_OWN, APPEND_OR_MAKE_OWN];
        for flags in all.into_iter().chain([OFlags::WRONLY | OFlags::CREATE]) {
            for name in ["directory", "socket", "fifo"] {
                let error = open(&at(name), flags).unwrap_err();
                assert!(is_not_regular(&error), "{name}: {error}");
            }
            for device in ["/dev/zero", "/dev/tty"] {
                assert!(open(Path::new(device), flags).is_err(), "{device}");
            }
            open(&at("file"), flags).unwrap();
            assert_eq!(open(&at("link"), flags).is_ok(), !flags.contains(OFlags::NOFOLLOW));
        }
        assert_eq!(open(&at("none"), READ).unwrap_err().kind(), ErrorKind::NotFound);
    }
}
