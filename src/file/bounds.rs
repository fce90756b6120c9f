//! Bounds below which the paths of a confined user have to stay.
//!
//! Paths that such a user's rules name, or that are where the user can put symbolic links,
//! are opened below the home: the kernel resolves them (openat2(2), `RESOLVE_BENEATH`), so
//! that a link that is put there in the meantime cannot lead out.

use std::ffi::OsString;
use std::fmt;
use std::fs::{File, Metadata, metadata, read_link};
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, OnceLock};

use rustix::fs::{CWD, Mode, OFlags, mkdirat, openat};
#[cfg(target_os = "linux")]
use rustix::fs::{ResolveFlags, openat2};
use rustix::io::Errno;

use super::{not_regular, open_regular, open_with_metadata};

/// A path that leads, by its name or through a symbolic link, out of its bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutOfBounds;

impl fmt::Display for OutOfBounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it leads out of the home directory")
    }
}

impl std::error::Error for OutOfBounds {}

/// The directory below which paths have to stay; by default there is none. It is opened
/// once and stays open, so bounds are kept for one delivery or command only: afterwards
/// another directory may have its name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bounds(Option<Arc<TopDirectory>>);

#[derive(Debug)]
struct TopDirectory {
    path: PathBuf,
    open: OnceLock<OwnedFd>,
}

impl PartialEq for TopDirectory {
    fn eq(&self, other: &TopDirectory) -> bool {
        self.path == other.path
    }
}

impl Eq for TopDirectory {}

impl TopDirectory {
    /// The open directory, and a path from there.
    fn split<'p>(&self, path: &'p Path) -> io::Result<(&OwnedFd, &'p Path)> {
        let rest = path.strip_prefix(&self.path).map_err(|_| leads_out())?;
        if let Some(open) = self.open.get() {
            return Ok((open, rest));
        }
        let flags = PATH_ONLY | OFlags::DIRECTORY;
        let open = openat(CWD, &self.path, flags, Mode::empty())?;
        Ok((self.open.get_or_init(|| open), rest))
    }

    /// Opens something below the directory.
    fn open_inside(&self, path: &Path, flags: OFlags, links: LinkPolicy) -> io::Result<OwnedFd> {
        let (top, rest) = self.split(path)?;
        resolve(top, rest, flags, Mode::empty(), links).map_err(io_error)
    }
}

/// No bounds: paths may lead anywhere.
pub const ANYWHERE: Bounds = Bounds(None);

const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);
/// For reading metadata, or for opening something below.
#[cfg(target_os = "linux")]
const PATH_ONLY: OFlags = OFlags::PATH.union(OFlags::CLOEXEC);
#[cfg(not(target_os = "linux"))]
const PATH_ONLY: OFlags = OFlags::RDONLY.union(OFlags::CLOEXEC);

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
        Bounds(Some(Arc::new(TopDirectory { path: directory.into(), open: OnceLock::new() })))
    }

    /// The directory, if there is one.
    pub fn directory(&self) -> Option<&Path> {
        self.0.as_deref().map(|top| &*top.path)
    }

    /// Opens a regular file; errors as [`super::open`], and [`OutOfBounds`].
    pub fn open(&self, path: &Path, flags: OFlags) -> io::Result<File> {
        Ok(self.open_with_metadata(path, flags)?.0)
    }

    /// Opens a regular file and returns its metadata, too; errors as [`Bounds::open`].
    pub fn open_with_metadata(&self, path: &Path, flags: OFlags) -> io::Result<(File, Metadata)> {
        match &self.0 {
            None => open_with_metadata(path, flags),
            Some(top) => {
                let (top, rest) = top.split(path)?;
                open_regular(flags, |flags, mode| {
                    // The kernel accepts a mode only with flags that create a file.
                    let creates = flags.contains(OFlags::CREATE);
                    let mode = if creates { mode } else { Mode::empty() };
                    resolve(top, rest, flags, mode, LinkPolicy::Beneath)
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
            Some(top) => top.open_inside(path, DIRECTORY, LinkPolicy::Beneath),
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
                Ok(PinnedDirectory::new(top.open_inside(path, DIRECTORY, LinkPolicy::None)?))
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
                File::from(top.open_inside(path, PATH_ONLY, LinkPolicy::Beneath)?).metadata()
            }
        }
    }

    /// The path without symbolic links and `..`, below the directory as written.
    ///
    /// # Errors
    /// The system's error, or [`OutOfBounds`].
    pub fn canonical(&self, path: &Path) -> io::Result<PathBuf> {
        let Some(top) = &self.0 else { return std::fs::canonicalize(path) };
        let (open_top, rest) = top.split(path)?;
        let found = resolve(open_top, rest, PATH_ONLY, Mode::empty(), LinkPolicy::Beneath);
        let found = read_link(by_descriptor(found.map_err(io_error)?.as_fd()))?;
        let real_top = read_link(by_descriptor(open_top.as_fd()))?;
        Ok(top.path.join(found.strip_prefix(real_top).map_err(|_| leads_out())?))
    }

    /// Creates a directory and what is missing above it, without following links, each
    /// with `mode` and synced to disk. Only if there are bounds; the directory of the
    /// bounds itself is not created.
    ///
    /// # Errors
    /// The system's error, or [`OutOfBounds`]; `Unsupported` without bounds.
    pub fn make_directory(&self, path: &Path, mode: Mode) -> io::Result<()> {
        let Some(top) = &self.0 else { return Err(ErrorKind::Unsupported.into()) };
        let (open, rest) = top.split(path)?;
        let mut open = open.try_clone()?;
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
            .map_err(io_error)?;
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
    resolve(parent, Path::new(name), DIRECTORY, Mode::empty(), LinkPolicy::Beneath)
        .map_err(io_error)
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

fn io_error(error: Errno) -> io::Error {
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

pub(super) fn leads_out() -> io::Error {
    io::Error::new(ErrorKind::PermissionDenied, OutOfBounds)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file::{READ, open};

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
