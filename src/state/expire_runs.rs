//! When mail was last deleted for its age, so that a clock that has jumped ahead deletes
//! nothing: if that was implausibly long ago, nothing is deleted for a day, in which the
//! clock may be set right. What was only moved can be taken back.
//!
//! `expire-runs` has two numbers, seconds since 1970: the time of the last run, and since
//! when nothing is deleted, or 0.

use std::io;

use super::StateDir;

const FILE: &str = "expire-runs";
/// The longest file, bytes; a longer one is damaged.
const MAX: u64 = 64;
/// A machine is seldom off for longer, and timers wait less, seconds.
const LONG: i64 = 60 * 24 * 3600;
/// How long nothing is deleted then, seconds.
const HOLD: i64 = 24 * 3600;

/// Notes a run at `now`, seconds since 1970; returns how long ago the last one seems to
/// be if that makes it doubtful what the clock says.
///
/// # Errors
/// The state directory cannot be read or written.
pub fn note(state: &StateDir, now: i64) -> io::Result<Option<i64>> {
    let known = state.read_to_edit(FILE, MAX)?.unwrap_or_default();
    let known = String::from_utf8_lossy(&known).into_owned();
    let mut numbers = known.split_ascii_whitespace().map_while(|word| word.parse::<i64>().ok());
    // A clock that was set back was wrong before.
    let last = numbers.next().filter(|last| *last <= now).unwrap_or(now);
    let held = numbers.next().filter(|since| *since > 0 && *since <= now);
    let ago = now.saturating_sub(last);
    let held = match held {
        Some(since) => match now.saturating_sub(since) {
            ..HOLD => Some(since),
            HOLD..=LONG => None,
            // It has jumped again.
            _ => Some(now),
        },
        None => (ago > LONG).then_some(now),
    };
    // While it is doubtful, the last run is the one before.
    let noted = if held.is_some() { last } else { now };
    state.replace(FILE, format!("{noted} {}\n", held.unwrap_or(0)).as_bytes())?;
    Ok(held.map(|_| ago))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_jumps_is_doubted_for_a_day() {
        let home = tempfile::tempdir().unwrap();
        let state = StateDir::at(home.path().join("state"));
        let at = |day: i64| note(&state, 1_700_000_000 + day * 24 * 3600).unwrap().is_some();
        assert!(!at(0) && !at(1), "the first runs");
        assert!(!at(50), "a machine that was off");
        assert!(at(500) && at(500), "a jump");
        assert!(!at(51), "the clock was set right");
        assert!(!at(52));
        assert!(at(500) && at(5000), "it jumps again while it is doubted");
        assert!(!at(53), "the clock was set right");
        assert!(at(500) && !at(501) && !at(502), "it was really that long");
        std::fs::write(state.path().join(FILE), "garbage").unwrap();
        assert!(!at(503));
    }
}
