//! Whether a folder of a Maildir is unchanged, judged by its directories' inodes and
//! times of change, so that a folder in which nothing happened costs two stat(2) calls.

use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// How long ago the last change must be; a directory that changed more recently may
/// change again unnoticed.
const SETTLE_TIME: Duration = Duration::from_secs(2);

/// The state of a folder at one time, for comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    numbers: [u64; 8],
    settled: bool,
}

impl Stamp {
    /// Reads the state of a folder's `cur` and `new`: device, inode, modified (s, ns).
    ///
    /// # Errors
    /// `cur` cannot be read.
    pub fn of(folder: &Path) -> io::Result<Stamp> {
        let cur = folder.join("cur").metadata()?;
        let new = folder.join("new").metadata().ok();
        let numbers = |metadata: &Metadata| {
            [metadata.dev(), metadata.ino(), metadata.mtime() as u64, metadata.mtime_nsec() as u64]
        };
        let old = |metadata: &Metadata| {
            let changed = metadata.modified().ok();
            let age = changed.and_then(|at| SystemTime::now().duration_since(at).ok());
            age.is_some_and(|age| age > SETTLE_TIME)
        };
        let settled = old(&cur) && new.as_ref().is_none_or(old);
        let ([a, b, c, d], [e, f, g, h]) =
            (numbers(&cur), new.as_ref().map(numbers).unwrap_or_default());
        Ok(Stamp { numbers: [a, b, c, d, e, f, g, h], settled })
    }

    /// Whether the folder is unchanged since it had these numbers.
    pub fn has(&self, numbers: &[u64]) -> bool {
        numbers == self.numbers
    }

    /// The numbers to keep; if the folder may have changed again within the clock's
    /// resolution, numbers that never compare equal.
    pub fn to_keep(&self) -> [u64; 8] {
        if self.settled { self.numbers } else { [0; 8] }
    }
}
