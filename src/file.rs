//! How files are opened: without ever blocking, and only regular files; and how a
//! complete file replaces another.
//!
//! Whoever can replace a file by a FIFO, a device or a terminal must not be able to block
//! a delivery: every open of a file goes through here (tests/architecture looks for
//! others). Directories are opened as such, which never blocks; what is newly created,
//! with `O_EXCL`, cannot be anything else.
//!
//! Paths that a confined user's rules name, or that are where such a user can put
//! symbolic links, are opened with [`Bounds`], below the home: the kernel resolves them
//! (openat2(2), `RESOLVE_BENEATH`), so that a link that is put there in the meantime
//! cannot lead out.

use std::ffi::OsString;
use std::fmt;
use std::fs::{File, Metadata, Permissions, metadata, read_link, symlink_metadata};
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, IntoRawFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{CWD, Mode, OFlags, mkdirat, openat};
#[cfg(target_os = "linux")]
use rustix::fs::{ResolveFlags, openat2};
use rustix::io::Errno;
use rustix::path::Arg;
use tempfile::NamedTempFile;

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

/// Opens a regular file and returns what is known about it, too; errors as [`open`].
pub fn open_with_metadata(path: &Path, flags: OFlags) -> io::Result<(File, Metadata)> {
    regular(flags, |flags, mode| openat(CWD, path, flags, mode))
}

/// Opens a regular file below a directory; errors as [`open`].
pub fn open_at(directory: impl AsFd, name: impl Arg + Copy, flags: OFlags) -> io::Result<File> {
    Ok(regular(flags, |flags, mode| openat(&directory, name, flags, mode))?.0)
}

fn regular(
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
            Err(Errno::XDEV) => return Err(leads_out()),
            Err(error) => return Err(error.into()),
        }
    };
    let about = file.metadata()?;
    if about.is_file() { Ok((file, about)) } else { Err(not_regular()) }
}

/// A path that leads, by its name or through a symbolic link, out of its bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutOfBounds;

impl fmt::Display for OutOfBounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it leads out of the home directory")
    }
}

impl std::error::Error for OutOfBounds {}

/// The directory below which paths have to stay; by default there is none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bounds(Option<Arc<Path>>);

/// No bounds: paths may lead anywhere.
pub const ANYWHERE: Bounds = Bounds(None);

const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);
/// For reading metadata, or for opening something below.
#[cfg(target_os = "linux")]
const LOOK: OFlags = OFlags::PATH.union(OFlags::CLOEXEC);
#[cfg(not(target_os = "linux"))]
const LOOK: OFlags = OFlags::RDONLY.union(OFlags::CLOEXEC);

/// What happens to symbolic links on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LinkPolicy {
    /// They are followed as long as they stay below the directory.
    Beneath,
    /// There must be none.
    None,
}

/// How often the call is repeated if the kernel saw a rename together with a `..`.
#[cfg(target_os = "linux")]
const TRIES: usize = 16;

/// A directory with a path that leads there whatever is renamed in the meantime.
#[derive(Debug)]
pub struct PinnedDirectory {
    path: PathBuf,
    /// Keeps a path in `/proc/self/fd` valid.
    _open: Option<OwnedFd>,
}

impl AsRef<Path> for PinnedDirectory {
    fn as_ref(&self) -> &Path {
        &self.path
    }
}

impl PinnedDirectory {
    fn new(open: OwnedFd) -> PinnedDirectory {
        PinnedDirectory { path: by_descriptor(open.as_fd()), _open: Some(open) }
    }
}

/// A file in a directory that is pinned; it may be missing.
#[derive(Debug)]
pub struct PinnedFile {
    directory: PinnedDirectory,
    name: OsString,
}

impl PinnedFile {
    /// Its path, valid as long as this value is kept. If there is a link, somebody has
    /// just put it there.
    pub fn path(&self) -> PathBuf {
        self.directory.as_ref().join(&self.name)
    }
}

fn by_descriptor(open: BorrowedFd<'_>) -> PathBuf {
    format!("/proc/self/fd/{}", open.as_raw_fd()).into()
}

impl Bounds {
    /// Bounds by which paths have to stay below `directory`, whose own path is trusted.
    pub fn below(directory: &Path) -> Bounds {
        Bounds(Some(directory.into()))
    }

    /// The directory, if there is one.
    pub fn directory(&self) -> Option<&Path> {
        self.0.as_deref()
    }

    /// Opens a regular file; errors as [`open`], and [`OutOfBounds`].
    pub fn open(&self, path: &Path, flags: OFlags) -> io::Result<File> {
        Ok(self.open_with_metadata(path, flags)?.0)
    }

    /// Opens a regular file and returns what is known about it, too; errors as
    /// [`Bounds::open`].
    pub fn open_with_metadata(&self, path: &Path, flags: OFlags) -> io::Result<(File, Metadata)> {
        match &self.0 {
            None => open_with_metadata(path, flags),
            Some(top) => {
                let (top, rest) = split(top, path)?;
                regular(flags, |flags, mode| {
                    // The kernel accepts a mode only with flags that create a file.
                    let made = flags.contains(OFlags::CREATE);
                    resolve(
                        &top,
                        rest,
                        flags,
                        if made { mode } else { Mode::empty() },
                        LinkPolicy::Beneath,
                    )
                })
            }
        }
    }

    /// Opens a directory.
    ///
    /// # Errors
    /// The system's error, or [`OutOfBounds`].
    pub fn open_directory(&self, path: &Path) -> io::Result<OwnedFd> {
        match &self.0 {
            None => Ok(openat(CWD, path, DIRECTORY, Mode::empty())?),
            Some(top) => open_inside(top, path, DIRECTORY, LinkPolicy::Beneath),
        }
    }

    /// A directory to work in by path.
    ///
    /// # Errors
    /// The system's error, or [`OutOfBounds`].
    pub fn pin(&self, path: &Path) -> io::Result<PinnedDirectory> {
        match &self.0 {
            None => Ok(PinnedDirectory { path: path.to_owned(), _open: None }),
            Some(_) => Ok(PinnedDirectory::new(self.open_directory(path)?)),
        }
    }

    /// The same for a [canonical](Bounds::canonical) path, which must not contain a link.
    ///
    /// # Errors
    /// As [`Bounds::pin`]; there is a link in the path.
    pub fn pin_plain(&self, path: &Path) -> io::Result<PinnedDirectory> {
        match &self.0 {
            None => self.pin(path),
            Some(top) => {
                Ok(PinnedDirectory::new(open_inside(top, path, DIRECTORY, LinkPolicy::None)?))
            }
        }
    }

    /// Where a file is, or is to be, that is replaced: links are followed to it once.
    ///
    /// # Errors
    /// The system's error, or [`OutOfBounds`].
    pub fn pin_file(&self, path: &Path) -> io::Result<PinnedFile> {
        let parts = |path: &Path| Some((path.parent()?.to_owned(), path.file_name()?.to_owned()));
        let found = match (self.canonical(path), parts(path)) {
            (Err(error), Some((parent, name))) if error.kind() == ErrorKind::NotFound => {
                Some((self.canonical(&parent)?, name))
            }
            (found, _) => parts(&found?),
        };
        let (parent, name) = found.ok_or_else(not_regular)?;
        Ok(PinnedFile { directory: self.pin_plain(&parent)?, name })
    }

    /// The metadata of what is at a path; links are followed.
    ///
    /// # Errors
    /// The system's error, or [`OutOfBounds`].
    pub fn metadata(&self, path: &Path) -> io::Result<Metadata> {
        match &self.0 {
            None => metadata(path),
            Some(top) => {
                let flags = LOOK;
                File::from(open_inside(top, path, flags, LinkPolicy::Beneath)?).metadata()
            }
        }
    }

    /// The path without symbolic links and `..`, below the directory as written.
    ///
    /// # Errors
    /// The system's error, or [`OutOfBounds`].
    pub fn canonical(&self, path: &Path) -> io::Result<PathBuf> {
        let Some(top) = &self.0 else { return std::fs::canonicalize(path) };
        let flags = LOOK;
        let found = open_inside(top, path, flags, LinkPolicy::Beneath)?;
        let found = read_link(by_descriptor(found.as_fd()))?;
        let open_top = openat(CWD, &**top, flags, Mode::empty())?;
        let real_top = read_link(by_descriptor(open_top.as_fd()))?;
        Ok(top.join(found.strip_prefix(real_top).map_err(|_| leads_out())?))
    }

    /// Creates a directory and what is missing above it, without following links, each
    /// with `mode` and synced to disk. Only if there are bounds; the directory of the
    /// bounds itself is not created.
    ///
    /// # Errors
    /// The system's error, or [`OutOfBounds`]; `Unsupported` without bounds.
    pub fn make_directory(&self, path: &Path, mode: Mode) -> io::Result<()> {
        let Some(top) = &self.0 else { return Err(ErrorKind::Unsupported.into()) };
        let (mut open, rest) = split(top, path)?;
        for part in rest.components() {
            let Component::Normal(name) = part else { return Err(leads_out()) };
            let below = |open: &OwnedFd| {
                resolve(open, Path::new(name), DIRECTORY, Mode::empty(), LinkPolicy::None)
            };
            open = match below(&open) {
                Err(Errno::NOENT) => {
                    let readable = openat(&open, ".", DIRECTORY, Mode::empty())?;
                    match mkdirat(&readable, name, mode) {
                        Ok(()) => File::from(readable).sync_all()?,
                        Err(Errno::EXIST) => {}
                        Err(error) => return Err(error.into()),
                    }
                    below(&open)
                }
                found => found,
            }
            .map_err(told)?;
        }
        Ok(())
    }
}

/// Opens a directory below another one, for use with bounds: links are followed if they
/// stay below that one.
///
/// # Errors
/// The system's error, or [`OutOfBounds`].
pub fn open_directory_at(parent: &OwnedFd, name: &str) -> io::Result<OwnedFd> {
    resolve(parent, Path::new(name), DIRECTORY, Mode::empty(), LinkPolicy::Beneath).map_err(told)
}

fn open_inside(top: &Path, path: &Path, flags: OFlags, links: LinkPolicy) -> io::Result<OwnedFd> {
    let (top, rest) = split(top, path)?;
    resolve(&top, rest, flags, Mode::empty(), links).map_err(told)
}

/// Opens the directory of the bounds; returns it and the path from there.
fn split<'p>(top: &Path, path: &'p Path) -> io::Result<(OwnedFd, &'p Path)> {
    let rest = path.strip_prefix(top).map_err(|_| leads_out())?;
    let flags = LOOK | OFlags::DIRECTORY;
    Ok((openat(CWD, top, flags, Mode::empty())?, rest))
}

#[cfg(target_os = "linux")]
fn resolve(
    top: &OwnedFd,
    rest: &Path,
    flags: OFlags,
    mode: Mode,
    links: LinkPolicy,
) -> rustix::io::Result<OwnedFd> {
    let rest = if rest.as_os_str().is_empty() { Path::new(".") } else { rest };
    let beneath = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    let how = match links {
        LinkPolicy::Beneath => beneath,
        LinkPolicy::None => beneath | ResolveFlags::NO_SYMLINKS,
    };
    for _ in 0..TRIES {
        match openat2(top, rest, flags, mode, how) {
            Err(Errno::AGAIN | Errno::INTR) => {}
            done => return done,
        }
    }
    Err(Errno::XDEV)
}

/// Other systems cannot keep paths below a directory, so nobody can be confined there.
#[cfg(not(target_os = "linux"))]
fn resolve(
    _top: &OwnedFd,
    _rest: &Path,
    _flags: OFlags,
    _mode: Mode,
    _links: LinkPolicy,
) -> rustix::io::Result<OwnedFd> {
    Err(Errno::NOSYS)
}

fn told(error: Errno) -> io::Error {
    match error {
        Errno::XDEV => leads_out(),
        Errno::NOSYS => io::Error::new(ErrorKind::Unsupported, NoOpenat2),
        error => error.into(),
    }
}

/// The system cannot keep paths below a directory.
#[derive(Debug)]
struct NoOpenat2;

impl fmt::Display for NoOpenat2 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "openat2(2), which keeps users apart, is not available: it needs Linux 5.6, and \
             systemd's `RestrictSUIDSGID=` takes it away",
        )
    }
}

impl std::error::Error for NoOpenat2 {}

/// Whether a path was not opened because it leads out of the bounds.
pub fn is_leading_out(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<OutOfBounds>())
}

fn leads_out() -> io::Error {
    io::Error::new(ErrorKind::PermissionDenied, OutOfBounds)
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
                let kept = open(&backup, READ_OWN).and_then(|file| {
                    let mut kept = Vec::new();
                    file.take(most).read_to_end(&mut kept).map(|_| kept)
                });
                if kept.is_ok_and(|kept| kept == bytes) {
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

/// What shows whether a file has changed since the last look: device, inode, length, and
/// when it and its inode were changed (s, ns).
pub fn identity(about: &Metadata) -> [u64; 7] {
    [
        about.dev(),
        about.ino(),
        about.size(),
        about.mtime() as u64,
        about.mtime_nsec() as u64,
        about.ctime() as u64,
        about.ctime_nsec() as u64,
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

    #[test]
    fn nothing_leads_out_of_bounds() {
        use std::os::unix::fs::symlink;
        let all = tempfile::tempdir().unwrap();
        let (home, other) = (all.path().join("home"), all.path().join("other"));
        for directory in [&home, &other] {
            std::fs::create_dir_all(directory.join("in")).unwrap();
            std::fs::write(directory.join("in/file"), "x").unwrap();
        }
        for (link, to) in [
            ("up", "../other/in/file"),
            ("absolute", other.join("in/file").to_str().unwrap()),
            ("own-absolute", home.join("in/file").to_str().unwrap()),
            ("folder", "../other/in"),
            ("magic", "/proc/self/root"),
            ("fine", "in/../in/file"),
            ("fine-folder", "in"),
        ] {
            symlink(to, home.join(link)).unwrap();
        }
        let bounds = Bounds::below(&home);
        for fine in ["in/file", "fine", "fine-folder/file", "in/../fine"] {
            bounds.open(&home.join(fine), READ).unwrap();
            assert_eq!(bounds.canonical(&home.join(fine)).unwrap(), home.join("in/file"));
            assert!(bounds.metadata(&home.join(fine)).unwrap().is_file());
        }
        for out in
            ["up", "absolute", "own-absolute", "folder/file", "../other/in/file", "/etc/passwd"]
        {
            let path = home.join(out);
            for flags in [READ, OFlags::RDWR, OFlags::WRONLY | OFlags::CREATE] {
                assert!(is_leading_out(&bounds.open(&path, flags).unwrap_err()), "{out}");
            }
            assert!(is_leading_out(&bounds.metadata(&path).unwrap_err()), "{out}");
            assert!(is_leading_out(&bounds.canonical(&path).unwrap_err()), "{out}");
            open(&path, READ).unwrap();
        }
        assert!(bounds.open(&home.join("magic/etc/passwd"), READ).is_err());
        for out in ["folder", "..", "../other"] {
            assert!(is_leading_out(&bounds.pin(&home.join(out)).unwrap_err()), "{out}");
        }
        assert!(bounds.pin_plain(&home.join("fine-folder")).is_err());
        std::fs::write(bounds.pin(&home.join("in")).unwrap().as_ref().join("new"), "").unwrap();
        assert!(home.join("in/new").exists());
        bounds.make_directory(&home.join("a/b"), Mode::RWXU).unwrap();
        assert!(home.join("a/b").is_dir());
        for out in ["folder/c", "fine-folder/c", "in/../../other/c"] {
            bounds.make_directory(&home.join(out), Mode::RWXU).unwrap_err();
        }
        assert_eq!(std::fs::read_dir(other.join("in")).unwrap().count(), 1);
    }
}
