//! How files are opened: never so that we wait, and regular files alone.
//!
//! Whoever may put a FIFO, a device or a terminal in the place of a file must
//! not be able to hold a delivery: each open of each file goes through here
//! (tests/architecture looks for others). Directories are opened as such, which
//! never waits; what is made anew, `O_EXCL`, cannot be anything else.

use std::fmt;
use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::os::fd::AsFd;
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::Errno;
use rustix::path::Arg;

/// To read.
pub const READ: OFlags = OFlags::RDONLY;
/// To read, and never behind a symbolic link.
pub const READ_OWN: OFlags = OFlags::RDONLY.union(OFlags::NOFOLLOW);
/// To read and write what is there, and never behind a symbolic link.
pub const WRITE_OWN: OFlags = OFlags::RDWR.union(OFlags::NOFOLLOW);
/// To read and to append to what is there, and never behind a symbolic link.
pub const APPEND_OWN: OFlags = WRITE_OWN.union(OFlags::APPEND);
/// The same, made with mode 0600 where it is missing.
pub const APPEND_OR_MAKE_OWN: OFlags = APPEND_OWN.union(OFlags::CREATE);
/// To append to, and made now: what is there already is an error.
pub const MAKE_OWN: OFlags = APPEND_OR_MAKE_OWN.union(OFlags::EXCL);

/// Something that is no regular file stands in the place of one.
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
/// The system says no, or with [`NotRegular`] it is something else.
pub fn open(path: &Path, flags: OFlags) -> io::Result<File> {
    open_at(CWD, path, flags)
}

/// Opens a regular file below a directory; errors as [`open`].
pub fn open_at(directory: impl AsFd, name: impl Arg + Copy, flags: OFlags) -> io::Result<File> {
    let flags = flags | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = loop {
        match openat(&directory, name, flags, Mode::RUSR | Mode::WUSR) {
            Ok(file) => break File::from(file),
            Err(Errno::INTR) => {}
            // A socket, or a FIFO that nobody reads; a directory to be written to.
            Err(Errno::NXIO | Errno::OPNOTSUPP | Errno::ISDIR) => return Err(not_regular()),
            Err(error) => return Err(error.into()),
        }
    };
    if file.metadata()?.is_file() { Ok(file) } else { Err(not_regular()) }
}

/// The content of a regular file, or as much of it as `max` bytes.
pub fn read(path: &Path, max: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open(path, READ)?.take(max).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Puts a directory's entries on disk.
pub fn sync_directory(path: &Path) -> io::Result<()> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    File::from(openat(CWD, path, flags, Mode::empty())?).sync_all()
}

/// Whether opening failed because something else stands there.
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
