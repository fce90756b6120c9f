//! For which messages `watch` has written the log's lines and edited lists, so
//! that one that stays where it is, or is met again in another folder, is not
//! taken for new once more: a [table](super::slots) of when that was.

use std::io;

use super::StateDir;
use super::slots::{Key, Table};

/// What is older may be forgotten, seconds: no mail is new for so long.
const FORGOTTEN: i64 = 366 * 24 * 3600;

fn table(state: &StateDir) -> Table<'_> {
    Table { state, name: "watched", magic: "mfilter watched messages, version 1\n" }
}

/// Claims the right and duty to do this for a message, by what stays of its
/// file's name and its Message-ID, at `now`, seconds since 1970. False if that
/// was done.
///
/// # Errors
/// The state directory cannot be written.
pub fn claim(state: &StateDir, name: &str, message_id: &str, now: i64) -> io::Result<bool> {
    let key = Key::of(&[name.as_bytes(), message_id.as_bytes()]);
    let over = |then: u32| now.saturating_sub(i64::from(then)) > FORGOTTEN;
    table(state).note(key, u32::try_from(now).unwrap_or(0), &over)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_new_once() {
        let home = tempfile::tempdir().unwrap();
        let state = StateDir::at(home.path().join("mfilter"));
        let claim = |name: &str, id: &str, now: i64| claim(&state, name, id, now).unwrap();
        assert!(claim("1.mx", "<1@x>", 1000));
        assert!(!claim("1.mx", "<1@x>", 1000 + FORGOTTEN));
        assert!(claim("1.mx", "<2@x>", 1000) && claim("2.mx", "<1@x>", 1000));
        assert!(claim("1.mx", "<1@x>", 1001 + FORGOTTEN));
    }
}
