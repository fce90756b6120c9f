//! The one kind of lock: a private file that one process at a time holds locked, so that
//! it does something alone. A process that dies releases it.
//!
//! The files are in the state directory, and nobody else can open them. A file that other
//! users can open, such as a list that a provider shares, is never locked itself: whoever
//! may read a file may also lock it.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::{StateDir, is_ours};
use crate::file;

/// The longest pause between two tries.
const LONGEST_PAUSE: Duration = Duration::from_millis(50);
/// How often a lock that was removed is asked for again, whatever the deadline; later only
/// until then, since a file system may never show the same file twice.
const MOST_ATTEMPTS: u32 = 10;

/// A lock that is held; when this is dropped, the file is removed, unless it is
/// [kept](LockFile::keep).
#[derive(Debug)]
pub struct LockFile {
    file: File,
    path: PathBuf,
    keep: bool,
}

impl LockFile {
    /// Waits for the lock `name` in the directory `kind`. None if another
    /// process still holds it at `deadline`.
    ///
    /// # Errors
    /// The state directory cannot be written, or somebody else can write the file.
    pub fn wait(
        state: &StateDir,
        kind: &str,
        name: &str,
        deadline: Instant,
    ) -> io::Result<Option<LockFile>> {
        let directory = state.make_inside(kind)?;
        let path = directory.join(name);
        for attempt in 1.. {
            let file = file::open(&path, file::APPEND_OR_MAKE_OWN)?;
            if !is_ours(&file) {
                return Err(io::Error::other("writable by others, or not a regular file"));
            }
            match lock(&file, &path, deadline) {
                Ok(true) => return Ok(Some(LockFile { file, path, keep: false })),
                // The previous holder removed it between our two calls: nobody holds it.
                Ok(false) if attempt < MOST_ATTEMPTS || Instant::now() < deadline => {}
                Ok(false) => break,
                Err(error) if error.kind() == io::ErrorKind::TimedOut => break,
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// The file, for reading and appending.
    pub fn file(&mut self) -> &mut File {
        &mut self.file
    }

    /// Sets whether the file stays when the lock is released.
    pub fn keep(&mut self, keep: bool) {
        self.keep = keep;
    }
}

impl Drop for LockFile {
    fn drop(&mut self) {
        if !self.keep {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Locks a file for this process alone; false if there is no longer this file at `path`,
/// since another process has replaced or removed it in the meantime.
///
/// # Errors
/// [`io::ErrorKind::TimedOut`]: another process still holds it at `deadline`.
pub(super) fn lock(file: &File, path: &Path, deadline: Instant) -> io::Result<bool> {
    hold(file, deadline).and_then(|()| is_at(file, path)).or_else(|error| {
        // On another machine, see `file::is_stale`.
        if file::is_stale(&error) { Ok(false) } else { Err(error) }
    })
}

/// Waits for the lock of an open file.
///
/// # Errors
/// [`io::ErrorKind::TimedOut`]: another process still holds it at `deadline`.
fn hold(file: &File, deadline: Instant) -> io::Result<()> {
    let mut pause = Duration::from_millis(1);
    loop {
        match flock(file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(()),
            Err(Errno::AGAIN | Errno::INTR) if Instant::now() < deadline => {
                std::thread::sleep(pause);
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
            Err(Errno::AGAIN | Errno::INTR) => return Err(io::ErrorKind::TimedOut.into()),
            Err(error) => return Err(error.into()),
        }
    }
}

/// Whether an open file is still the one with that name. Over NFS the name may be looked
/// up in a cache; that the file has no name any more is known once it is locked.
fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    let metadata = file.metadata()?;
    let now = fs::symlink_metadata(path);
    Ok(metadata.nlink() > 0
        && now.is_ok_and(|now| now.ino() == metadata.ino() && now.dev() == metadata.dev()))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn one_at_a_time_however_many_wait() {
        let home = tempfile::tempdir().unwrap();
        let state = StateDir::at(home.path().join("mfilter"));
        let (inside, turns) = (AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..20 {
                scope.spawn(|| {
                    let deadline = Instant::now() + Duration::from_secs(30);
                    let lock = LockFile::wait(&state, "kind", "x", deadline).unwrap().unwrap();
                    assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                    std::thread::sleep(Duration::from_millis(5));
                    inside.fetch_sub(1, Ordering::SeqCst);
                    turns.fetch_add(1, Ordering::SeqCst);
                    drop(lock);
                });
            }
        });
        assert_eq!(turns.into_inner(), 20);
        assert_eq!(fs::read_dir(home.path().join("mfilter/kind")).unwrap().count(), 0);
    }

    #[test]
    fn what_others_could_have_written_is_not_locked() {
        let home = tempfile::tempdir().unwrap();
        let state = StateDir::at(home.path());
        let path = home.path().join("kind/x");
        fs::create_dir(home.path().join("kind")).unwrap();
        fs::write(&path, "done").unwrap();
        fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o622)).unwrap();
        assert!(LockFile::wait(&state, "kind", "x", Instant::now()).is_err());
        fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        assert!(LockFile::wait(&state, "kind", "x", Instant::now()).unwrap().is_some());
    }

    #[test]
    fn times_out_when_locked() {
        let home = tempfile::tempdir().unwrap();
        let state = StateDir::at(home.path());
        let mut first = LockFile::wait(&state, "kind", "x", Instant::now()).unwrap().unwrap();
        let soon = Instant::now() + Duration::from_millis(20);
        assert!(LockFile::wait(&state, "kind", "x", soon).unwrap().is_none());
        first.keep(true);
        drop(first);
        assert!(home.path().join("kind/x").exists());
        assert!(LockFile::wait(&state, "kind", "x", soon).unwrap().is_some());
    }
}
