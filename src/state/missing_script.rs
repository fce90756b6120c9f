//! Since when the script of `include sieve` has been missing, as far as deliveries have
//! seen: web mailers remove it for a moment when they save.
//!
//! `away-KEY` contains the time, in seconds since 1970, and is removed when the script is
//! back.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::{StateDir, key};

/// The longest file, bytes; longer ones are not ours.
const MAX: u64 = 32;

/// For how long a script has been seen to be missing; the first time is recorded. `None`
/// if that is impossible.
pub fn missing_for(state: &StateDir, script: &Path, now: SystemTime) -> Option<Duration> {
    let now = now.duration_since(UNIX_EPOCH).ok()?;
    let name = file_name(script);
    let known = state.read(&name, MAX).and_then(|bytes| String::from_utf8(bytes).ok());
    let since = known.and_then(|text| text.trim().parse().ok()).map(Duration::from_secs);
    // After a clock was set back, the time must not become longer.
    if let Some(since) = since.filter(|since| *since <= now) {
        return Some(now.saturating_sub(since));
    }
    state.replace(&name, format!("{}\n", now.as_secs()).as_bytes()).ok()?;
    Some(Duration::ZERO)
}

/// Removes the record: the script is back, or nobody waits for it any more.
pub fn forget(state: &StateDir, script: &Path) {
    let _ = fs::remove_file(state.path().join(file_name(script)));
}

fn file_name(script: &Path) -> String {
    format!("away-{}", key(&[script.as_os_str().as_bytes()]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_moment_counts_until_it_is_forgotten() {
        let home = tempfile::tempdir().unwrap();
        let state = StateDir::at(home.path().join("mfilter"));
        let script = Path::new("/home/taro/.dovecot.sieve");
        let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        let seen =
            |seconds| missing_for(&state, script, at(seconds)).map(|for_so| for_so.as_secs());
        assert_eq!(seen(1000), Some(0));
        assert_eq!(seen(1061), Some(61));
        assert_eq!(seen(900), Some(0), "the clock was set back");
        assert_eq!(seen(950), Some(50));
        forget(&state, script);
        assert_eq!(seen(2000), Some(0));
        std::fs::write(state.path().join(file_name(script)), "nonsense").unwrap();
        assert_eq!(seen(3000), Some(0));
    }
}
