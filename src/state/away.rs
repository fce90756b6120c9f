//! Since when the script of `include sieve` is away, as far as deliveries have seen:
//! web mailers take it away for a moment when they save.
//!
//! `away-KEY` holds the moment, in seconds since 1970, and is removed when the
//! script is there again.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::{StateDir, key};

/// Longer files are none of ours, bytes.
const MAX: u64 = 32;

/// For how long a script was seen to be away; the first time that is noted. `None` if
/// it cannot be.
pub fn seen_for(state: &StateDir, script: &Path, now: SystemTime) -> Option<Duration> {
    let now = now.duration_since(UNIX_EPOCH).ok()?;
    let name = file_name(script);
    let known = state.read(&name, MAX).and_then(|bytes| String::from_utf8(bytes).ok());
    let since = known.and_then(|text| text.trim().parse().ok()).map(Duration::from_secs);
    // A clock that was set back must not make it longer.
    if let Some(since) = since.filter(|since| *since <= now) {
        return Some(now.saturating_sub(since));
    }
    state.replace(&name, format!("{}\n", now.as_secs()).as_bytes()).ok()?;
    Some(Duration::ZERO)
}

/// The script is there, or nobody waits for it any more.
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
        let seen = |seconds| seen_for(&state, script, at(seconds)).map(|for_so| for_so.as_secs());
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
