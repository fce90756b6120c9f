//! Who got which automatic answer, and until when it is not sent again, RFC 5230 §4.2: a
//! [table](super::slots) of the times when that period ends.

use std::io;

use super::StateDir;
use super::slots::{Key, SlotTable};

fn table(state: &StateDir) -> SlotTable<'_> {
    SlotTable { state, name: "replied", magic: "mfilter replies sent, version 2\n" }
}

/// Claims the right and duty to answer `to` with `text` at `now`, seconds since 1970,
/// once in `every` seconds. False if that was done. A time further ahead than that was
/// recorded with a wrong clock, and is ignored.
///
/// # Errors
/// The state directory cannot be written, or another process holds the table for too
/// long.
pub fn claim(state: &StateDir, to: &str, text: &[u8], now: i64, every: u64) -> io::Result<bool> {
    let until = now.saturating_add(every.try_into().unwrap_or(i64::MAX));
    let is_over = |then: u32| !(now + 1..=until).contains(&i64::from(then));
    table(state).note(key(to, text), u32::try_from(until).unwrap_or(u32::MAX), &is_over)
}

/// Returns the claim: the answer was not sent.
pub fn give_back(state: &StateDir, to: &str, text: &[u8]) {
    let _ = table(state).forget(key(to, text));
}

/// How many are known, and the first and last time at which one may be answered again.
pub fn known(state: &StateDir) -> Option<(usize, u32, u32)> {
    let times = table(state).times()?;
    Some((times.len(), *times.first()?, *times.last()?))
}

fn key(to: &str, text: &[u8]) -> Key {
    Key::of(&[to.to_lowercase().as_bytes(), text])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_answer_a_sender_and_text_within_the_time() {
        let home = tempfile::tempdir().unwrap();
        let state = StateDir::at(home.path().join("mfilter"));
        assert!(claim(&state, "A@x.example", b"away", 1000, 100).unwrap());
        assert!(!claim(&state, "a@X.example", b"away", 1099, 100).unwrap());
        assert!(claim(&state, "a@x.example", b"other", 1099, 100).unwrap());
        assert!(claim(&state, "b@x.example", b"away", 1099, 100).unwrap());
        assert!(claim(&state, "a@x.example", b"away", 1100, 100).unwrap());
        give_back(&state, "a@x.example", b"away");
        assert!(claim(&state, "a@x.example", b"away", 1101, 100).unwrap());
        assert_eq!(known(&state), Some((3, 1199, 1201)));
    }

    #[test]
    fn an_answer_under_a_wrong_clock_blocks_none_afterwards() {
        let home = tempfile::tempdir().unwrap();
        let state = StateDir::at(home.path().join("mfilter"));
        let far = 4_080_000_000;
        assert!(claim(&state, "a@x.example", b"away", far, 100).unwrap());
        assert!(claim(&state, "a@x.example", b"away", 1000, 100).unwrap());
        assert!(!claim(&state, "a@x.example", b"away", 1050, 100).unwrap());
        // The period was shortened in the rules since.
        assert!(claim(&state, "a@x.example", b"away", 1060, 10).unwrap());
    }
}
