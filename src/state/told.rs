//! Which broken versions of the rules the user was told of, so that each
//! brings one mail, also when many messages arrive at once.
//!
//! One file a version in `told/`, made by whoever tells, empty until the mail
//! is stored. A process that dies in between leaves it empty, and after ten
//! minutes another one may tell. Files of ninety days are removed.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rustix::fs::{FlockOperation, OFlags, flock};

use super::{StateDir, forget_old, key, make_private, older};

const ABANDONED: Duration = Duration::from_secs(10 * 60);
const FORGOTTEN: Duration = Duration::from_secs(90 * 24 * 3600);

/// The right and duty to tell. Dropped without [`Claim::told`], it is given
/// back, and the next process may claim it.
#[derive(Debug)]
#[must_use = "a claim that is dropped is given back"]
pub struct Claim {
    file: File,
    path: PathBuf,
    told: bool,
}

impl Claim {
    /// The user was told.
    pub fn told(mut self) {
        self.told = true;
        let _ = self.file.write_all(b"told\n");
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if !self.told {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Claims the telling of one broken version of the rules in `main`; `version`
/// stands for its texts, a hash of them say. `None` if somebody told it or is
/// about to, and also if that cannot be written down: better not told than
/// told with every message.
pub fn claim(state: &StateDir, main: &Path, version: &str) -> Option<Claim> {
    let directory = state.path().join("told");
    make_private(&directory).ok()?;
    let path = directory.join(key(&[main.as_os_str().as_bytes(), version.as_bytes()]));
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
    let file = match made {
        Ok(file) => {
            forget_old(&directory, FORGOTTEN);
            file
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => take_over(&path)?,
        Err(_) => return None,
    };
    Some(Claim { file, path, told: false })
}

/// An empty claim whose owner must be dead. The lock lets one process win, the
/// new time keeps the others out.
fn take_over(path: &Path) -> Option<File> {
    let file = OpenOptions::new()
        .write(true)
        .custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits() as i32)
        .open(path)
        .ok()?;
    flock(&file, FlockOperation::NonBlockingLockExclusive).ok()?;
    let about = file.metadata().ok()?;
    if about.len() > 0 || !older(about.modified().ok()?, ABANDONED) {
        return None;
    }
    file.set_modified(SystemTime::now()).ok()?;
    Some(file)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn one_claim_a_version_however_many_ask() {
        let home = tempfile::tempdir().unwrap();
        let state = StateDir::at(home.path().join("mfilter"));
        let main = Path::new("/m");
        let claims = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..50 {
                scope.spawn(|| {
                    if let Some(claim) = claim(&state, main, "v1") {
                        claims.fetch_add(1, Ordering::Relaxed);
                        claim.told();
                    }
                });
            }
        });
        assert_eq!(claims.load(Ordering::Relaxed), 1);
        assert!(claim(&state, main, "v1").is_none());
        assert!(claim(&state, main, "v2").is_some());
        assert!(claim(&state, Path::new("/other"), "v1").is_some());
    }

    #[test]
    fn a_claim_given_back_can_be_had_again() {
        let home = tempfile::tempdir().unwrap();
        let state = StateDir::at(home.path());
        let first = claim(&state, Path::new("/m"), "v").unwrap();
        assert!(claim(&state, Path::new("/m"), "v").is_none());
        drop(first);
        assert!(claim(&state, Path::new("/m"), "v").is_some());
    }

    #[test]
    fn a_claim_of_the_dead_is_taken_over_once() {
        let home = tempfile::tempdir().unwrap();
        let state = StateDir::at(home.path());
        let dead = claim(&state, Path::new("/m"), "v").unwrap();
        let hour_ago = SystemTime::now() - Duration::from_secs(3600);
        dead.file.set_modified(hour_ago).unwrap();
        std::mem::forget(dead);
        let heir = claim(&state, Path::new("/m"), "v").unwrap();
        assert!(claim(&state, Path::new("/m"), "v").is_none());
        heir.told();
        let file = fs::read_dir(home.path().join("told")).unwrap().next().unwrap().unwrap();
        File::options().write(true).open(file.path()).unwrap().set_modified(hour_ago).unwrap();
        assert!(claim(&state, Path::new("/m"), "v").is_none(), "told is told");
    }

    #[test]
    fn nothing_is_told_where_it_cannot_be_written_down() {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join("file"), "").unwrap();
        let state = StateDir::at(home.path().join("file"));
        assert!(claim(&state, Path::new("/m"), "v").is_none());
    }
}
