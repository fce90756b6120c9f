//! About which broken versions of the rules the user has been notified, so that each
//! leads to one mail, even if many messages arrive at once.
//!
//! One file per version in `told/`, locked by the process that sends the notice and empty
//! until the mail is stored. If that process dies, only the empty file is left, and the
//! next one sends the notice. Files older than ninety days are removed.

use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::{Duration, Instant};

use super::lock_file::LockFile;
use super::{StateDir, forget_old, key};

const DIRECTORY: &str = "told";
const FORGET_AFTER: Duration = Duration::from_secs(90 * 24 * 3600);

/// The right and duty to notify the user. If it is dropped without
/// [`NoticeClaim::confirm`], the next process may claim it.
#[derive(Debug)]
#[must_use = "a claim that is dropped is given back"]
pub struct NoticeClaim {
    lock: LockFile,
}

impl NoticeClaim {
    /// Records that the user was notified.
    pub fn confirm(mut self) {
        let written = self.lock.file().write_all(b"told\n");
        self.lock.keep(written.is_ok());
    }
}

/// Claims the notice about one broken version of the rules in `main`; `version` stands
/// for its texts, for example a hash of them. `None` if the notice was sent or is being
/// sent, and also if that cannot be recorded: better no notice than one with every
/// message.
pub fn claim(state: &StateDir, main: &Path, version: &str) -> Option<NoticeClaim> {
    let name = key(&[main.as_os_str().as_bytes(), version.as_bytes()]);
    let mut lock = LockFile::wait(state, DIRECTORY, &name, Instant::now()).ok()??;
    if lock.file().metadata().ok()?.len() > 0 {
        lock.keep(true);
        return None;
    }
    forget_old(&state.path().join(DIRECTORY), FORGET_AFTER);
    Some(NoticeClaim { lock })
}

#[cfg(test)]
mod tests {
    use std::fs;
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
                        claim.confirm();
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
    fn what_a_killed_process_did_not_report_is_reported_once() {
        let home = tempfile::tempdir().unwrap();
        let state = StateDir::at(home.path());
        let mut dead = claim(&state, Path::new("/m"), "v").unwrap();
        dead.lock.keep(true);
        drop(dead);
        assert_eq!(fs::read_dir(home.path().join("told")).unwrap().count(), 1);
        let heir = claim(&state, Path::new("/m"), "v").unwrap();
        assert!(claim(&state, Path::new("/m"), "v").is_none());
        heir.confirm();
        assert!(claim(&state, Path::new("/m"), "v").is_none(), "told is told");
    }

    #[test]
    fn nothing_is_reported_where_it_cannot_be_recorded() {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join("file"), "").unwrap();
        let state = StateDir::at(home.path().join("file"));
        assert!(claim(&state, Path::new("/m"), "v").is_none());
    }
}
