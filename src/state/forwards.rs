//! To how many addresses the rules of a confined user have forwarded in this clock hour,
//! which the site limits. It is on disk before anything is sent, so it survives a restart
//! or a power cut.
//!
//! ```text
//! mfilter forwards, version 1
//! HOUR (since 1970) COUNT
//! ```

use std::io;
use std::time::{Duration, Instant};

use super::StateDir;
use super::lock_file::LockFile;

const FILE: &str = "forwards";
const LOCKS: &str = "locks";
const HEAD: &str = "mfilter forwards, version 1\n";
const HOUR: i64 = 3600;
/// How long to wait for another delivery.
const LOCK_TIMEOUT: Duration = Duration::from_secs(10);
/// The longest file, bytes; longer ones are not ours.
const FILE_MAX: u64 = 200;

/// Counts `more` addresses at `now`, seconds since 1970. False if that would be more than
/// `limit` in the hour; then none of them is counted.
///
/// # Errors
/// The state cannot be written, or another process holds it for too long.
pub fn count(state: &StateDir, now: i64, more: u32, limit: u32) -> io::Result<bool> {
    change(state, now, |known| known.checked_add(more).filter(|all| *all <= limit))
}

/// Takes back what was counted at `now` and not sent.
pub fn give_back(state: &StateDir, now: i64, count: u32) {
    let _ = change(state, now, |known| Some(known.saturating_sub(count)));
}

fn change(state: &StateDir, now: i64, new: impl FnOnce(u32) -> Option<u32>) -> io::Result<bool> {
    let lock = LockFile::wait(state, LOCKS, FILE, Instant::now() + LOCK_TIMEOUT)?;
    let _lock = lock.ok_or(io::ErrorKind::TimedOut)?;
    let hour = now.div_euclid(HOUR);
    let (hour, known) = match known(state) {
        // A delivery that began before the hour did may count after one that began in it.
        Some((then, count)) if then == hour || then == hour + 1 => (then, count),
        _ => (hour, 0),
    };
    let Some(count) = new(known) else { return Ok(false) };
    state.replace(FILE, format!("{HEAD}{hour} {count}\n").as_bytes())?;
    Ok(true)
}

/// The hour of the file, and its count.
fn known(state: &StateDir) -> Option<(i64, u32)> {
    let text = String::from_utf8(state.read(FILE, FILE_MAX)?).ok()?;
    let (hour, count) = text.strip_prefix(HEAD)?.trim().split_once(' ')?;
    Some((hour.parse().ok()?, count.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_count_within_the_hour_and_survive() {
        let home = tempfile::tempdir().unwrap();
        let state = StateDir::at(home.path().join("mfilter"));
        let at = 1_764_284_400;
        assert!(count(&state, at, 2, 3).unwrap());
        assert!(!count(&state, at + 10, 2, 3).unwrap(), "these would be four");
        assert!(count(&state, at + 20, 1, 3).unwrap());
        let again = StateDir::at(home.path().join("mfilter"));
        assert!(!count(&again, at + 3599, 1, 3).unwrap());
        give_back(&again, at + 3599, 1);
        assert!(count(&again, at + 3599, 1, 3).unwrap());
        assert!(count(&again, at + 3600, 3, 3).unwrap(), "another hour");
        assert!(!count(&again, at + 3600, 1, 0).unwrap());
        // One that began in the hour before.
        assert!(!count(&again, at + 3599, 1, 3).unwrap());
        give_back(&again, at + 3599, 1);
        assert!(count(&again, at + 3600, 1, 3).unwrap());
        assert!(!count(&again, at + 3600, 1, 3).unwrap());
        assert!(count(&again, at - 3600, 1, 3).unwrap(), "a clock that was ahead");
        std::fs::write(home.path().join("file"), "").unwrap();
        assert!(count(&StateDir::at(home.path().join("file")), at, 1, 3).is_err());
    }
}
