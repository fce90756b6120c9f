//! The locks for reading an mbox that other programs may write: fcntl(2) and flock(2),
//! shared, as in Debian's policy (§11.6), Postfix, Dovecot and mutt. The third kind, a
//! file `MBOX.lock` next to it, is respected but never created: if we were killed, we
//! would leave one that blocks deliveries.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, fcntl_lock, flock};
use rustix::io::Errno;

use crate::file;

const PAUSE: Duration = Duration::from_millis(100);

/// A lock that is held.
#[derive(Debug)]
pub struct MboxLock(#[allow(dead_code, reason = "dropped, the file gives its locks back")] File);

/// Why an mbox cannot be locked.
#[derive(Debug)]
pub enum MboxLockError {
    /// It cannot be opened, or locked at all.
    Failed(io::Error),
    /// Another program has locked it.
    InUse,
    /// Another program has locked it with this file.
    Dotlock(PathBuf),
}

/// Locks an mbox for reading; waits for other programs until `deadline`. The process must
/// not close another descriptor of the mbox before it has finished reading (POSIX.1-2024,
/// fcntl).
///
/// # Errors
/// [`MboxLockError`]
pub fn lock(path: &Path, deadline: Instant) -> Result<MboxLock, MboxLockError> {
    let file = file::open(path, file::READ).map_err(MboxLockError::Failed)?;
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".lock");
    let dotlock = path.with_file_name(name);
    loop {
        let failure = match fcntl_lock(&file, FlockOperation::NonBlockingLockShared)
            .and_then(|()| flock(&file, FlockOperation::NonBlockingLockShared))
        {
            Ok(()) if !dotlock.exists() => return Ok(MboxLock(file)),
            Ok(()) => MboxLockError::Dotlock(dotlock.clone()),
            Err(Errno::AGAIN | Errno::ACCESS) => MboxLockError::InUse,
            Err(Errno::INTR) => continue,
            // The file system has no locks.
            Err(Errno::NOLCK | Errno::NOTSUP | Errno::NOSYS | Errno::INVAL) => {
                return Ok(MboxLock(file));
            }
            Err(error) => return Err(MboxLockError::Failed(error.into())),
        };
        let _ = fcntl_lock(&file, FlockOperation::NonBlockingUnlock);
        let _ = flock(&file, FlockOperation::NonBlockingUnlock);
        if Instant::now() >= deadline {
            return Err(failure);
        }
        std::thread::sleep(PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_write_is_waited_for() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("mbox");
        std::fs::write(&path, "").unwrap();
        let now = Instant::now();
        let first = lock(&path, now).unwrap();
        let reader = File::open(&path).unwrap();
        flock(&reader, FlockOperation::NonBlockingLockShared).unwrap();
        drop((first, reader));
        let writer = File::options().append(true).open(&path).unwrap();
        flock(&writer, FlockOperation::NonBlockingLockExclusive).unwrap();
        assert!(matches!(lock(&path, now), Err(MboxLockError::InUse)));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                std::thread::sleep(PAUSE);
                drop(writer);
            });
            assert!(lock(&path, now + Duration::from_secs(30)).is_ok());
        });
        std::fs::write(home.path().join("mbox.lock"), "").unwrap();
        assert!(matches!(lock(&path, now), Err(MboxLockError::Dotlock(_))));
        assert!(matches!(lock(home.path(), now), Err(MboxLockError::Failed(_))));
    }
}
