//! Replacing a file that Dovecot and others write, too, in Dovecot's way: the lock
//! `FILE.lock`, created exclusively, is written as the new file and renamed over the old
//! one.

use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::os::fd::BorrowedFd;
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime};

use rustix::fs::{AtFlags, Mode, OFlags, fchmod, openat, renameat, statat, unlinkat};
use rustix::io::Errno;

/// How long to wait for the lock.
const LOCK_TIMEOUT: Duration = Duration::from_secs(2);
/// Dovecot overrides a lock of this age.
const STALE_AFTER: Duration = Duration::from_secs(120);
/// The time between two tries to get the lock.
const INTERVAL: Duration = Duration::from_millis(20);

/// A locked file, which nobody else writes. If this is dropped, the file stays as it was.
pub(super) struct DotLock<'d> {
    directory: BorrowedFd<'d>,
    name: &'static str,
    lock: String,
    file: File,
    replaced: bool,
}

impl<'d> DotLock<'d> {
    /// Locks a file in a directory; the file need not exist.
    ///
    /// # Errors
    /// `TimedOut` if others hold the lock, otherwise the system's error.
    pub(super) fn acquire(
        directory: BorrowedFd<'d>,
        name: &'static str,
    ) -> io::Result<DotLock<'d>> {
        let lock = format!("{name}.lock");
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let start = Instant::now();
        loop {
            match openat(directory, &lock, flags, Mode::RUSR | Mode::WUSR) {
                Ok(file) => {
                    let file = file.into();
                    return Ok(DotLock { directory, name, lock, file, replaced: false });
                }
                Err(Errno::EXIST) if is_stale(directory, &lock) => {
                    let _ = unlinkat(directory, &lock, AtFlags::empty());
                }
                Err(Errno::EXIST) => {}
                Err(error) => return Err(error.into()),
            }
            if start.elapsed() > LOCK_TIMEOUT {
                return Err(io::Error::new(ErrorKind::TimedOut, "it is locked"));
            }
            sleep(INTERVAL);
        }
    }

    /// Replaces the content of the file with this text; the mode stays.
    pub(super) fn replace(mut self, text: &[u8]) -> io::Result<()> {
        self.file.write_all(text)?;
        if let Ok(old) = statat(self.directory, self.name, AtFlags::SYMLINK_NOFOLLOW) {
            let _ = fchmod(&self.file, Mode::from_raw_mode(old.st_mode & 0o777));
        }
        self.file.sync_all()?;
        renameat(self.directory, &self.lock, self.directory, self.name)?;
        self.replaced = true;
        Ok(())
    }
}

impl Drop for DotLock<'_> {
    fn drop(&mut self) {
        if !self.replaced {
            let _ = unlinkat(self.directory, &self.lock, AtFlags::empty());
        }
    }
}

fn is_stale(directory: BorrowedFd<'_>, lock: &str) -> bool {
    let Ok(metadata) = statat(directory, lock, AtFlags::SYMLINK_NOFOLLOW) else { return false };
    let created =
        SystemTime::UNIX_EPOCH + Duration::from_secs(metadata.st_mtime.try_into().unwrap_or(0));
    SystemTime::now().duration_since(created).is_ok_and(|age| age > STALE_AFTER)
}
