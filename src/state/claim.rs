//! The right to be at something alone, for as long as a process lives: a
//! locked file that is gone afterwards. Who dies gives it back.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, OFlags, flock};
use rustix::io::Errno;

use super::{StateDir, is_ours, make_private};

/// A claim; dropped, its file is removed, unless it is [kept](Claim::keep).
#[derive(Debug)]
pub struct Claim {
    file: File,
    path: PathBuf,
    keep: bool,
}

impl Claim {
    /// Waits for the claim on `name` in the directory `kind`. None if another
    /// process still has it at `deadline`.
    ///
    /// # Errors
    /// The state directory cannot be written, or somebody else can write the file.
    pub fn wait(
        state: &StateDir,
        kind: &str,
        name: &str,
        deadline: Instant,
    ) -> io::Result<Option<Claim>> {
        let directory = state.path().join(kind);
        make_private(&directory)?;
        let path = directory.join(name);
        let mut pause = Duration::from_millis(1);
        loop {
            let file = OpenOptions::new()
                .read(true)
                .append(true)
                .create(true)
                .mode(0o600)
                .custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits() as i32)
                .open(&path)?;
            if !is_ours(&file) {
                return Err(io::Error::other("others can write to it, or it is no file"));
            }
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => {
                    // Who had it may have removed it between our two calls.
                    let now = fs::symlink_metadata(&path).map(|about| about.ino()).ok();
                    if now == Some(file.metadata()?.ino()) {
                        return Ok(Some(Claim { file, path, keep: false }));
                    }
                }
                Err(Errno::AGAIN | Errno::INTR) => {
                    if Instant::now() >= deadline {
                        return Ok(None);
                    }
                    std::thread::sleep(pause);
                    pause = (pause * 2).min(Duration::from_millis(50));
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// The file, to read and to append to.
    pub fn file(&mut self) -> &mut File {
        &mut self.file
    }

    /// Leaves the file where it is when the claim is given back, or not.
    pub fn keep(&mut self, keep: bool) {
        self.keep = keep;
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if !self.keep {
            let _ = fs::remove_file(&self.path);
        }
    }
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
                    let claim = Claim::wait(&state, "kind", "x", deadline).unwrap().unwrap();
                    assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                    std::thread::sleep(Duration::from_millis(5));
                    inside.fetch_sub(1, Ordering::SeqCst);
                    turns.fetch_add(1, Ordering::SeqCst);
                    drop(claim);
                });
            }
        });
        assert_eq!(turns.into_inner(), 20);
        assert_eq!(fs::read_dir(home.path().join("mfilter/kind")).unwrap().count(), 0);
    }

    #[test]
    fn what_others_could_have_written_is_not_claimed() {
        let home = tempfile::tempdir().unwrap();
        let state = StateDir::at(home.path());
        let path = home.path().join("kind/x");
        fs::create_dir(home.path().join("kind")).unwrap();
        fs::write(&path, "done").unwrap();
        fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o622)).unwrap();
        assert!(Claim::wait(&state, "kind", "x", Instant::now()).is_err());
        fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        assert!(Claim::wait(&state, "kind", "x", Instant::now()).unwrap().is_some());
    }

    #[test]
    fn who_waits_too_long_has_none() {
        let home = tempfile::tempdir().unwrap();
        let state = StateDir::at(home.path());
        let mut first = Claim::wait(&state, "kind", "x", Instant::now()).unwrap().unwrap();
        let soon = Instant::now() + Duration::from_millis(20);
        assert!(Claim::wait(&state, "kind", "x", soon).unwrap().is_none());
        first.keep(true);
        drop(first);
        assert!(home.path().join("kind/x").exists());
        assert!(Claim::wait(&state, "kind", "x", soon).unwrap().is_some());
    }
}
