//! What was learned from moves, so that it can be seen and taken back.
//!
//! `learning/lessons`, which people can read: JSON, one object per line, newest last. It
//! contains only edits that changed a list. Those that were made together have the same
//! time, and are taken back together.
//!
//! ```text
//! {"at":"2026-01-02T03:04:05.678Z","add":true,"list":"white","path":"/home/taro/.mail/white","entry":"a@b.example","from":"Junk","to":"INBOX"}
//! ```

use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::lock_file::LockFile;
use super::{StateDir, from_json_lines, to_json_lines};

const DIRECTORY: &str = "learning";
const FILE: &str = "learning/lessons";
/// How many lessons are kept at least.
const LESSONS_MIN: usize = 5000;
/// The largest file, bytes; a larger one is damaged.
const FILE_MAX: u64 = 16 << 20;
const LOCK_TIMEOUT: Duration = Duration::from_secs(10);

/// An edit of a list.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
pub struct Lesson {
    /// When it was made, RFC 3339.
    pub at: String,
    /// Whether the address was added; otherwise it was removed.
    pub add: bool,
    /// Name of the list.
    pub list: String,
    /// Its file.
    pub path: PathBuf,
    /// The address.
    pub entry: String,
    /// The folder from which the message was moved, as people name it.
    pub from: String,
    /// The folder to which it was moved.
    pub to: String,
}

/// All recorded lessons, in their order. What is not a lesson is left out.
pub fn all(state: &StateDir) -> Vec<Lesson> {
    from_json_lines(&state.read(FILE, FILE_MAX).unwrap_or_default())
}

/// Records some more.
///
/// # Errors
/// The state directory cannot be read or written, or another process is using it.
pub fn remember(state: &StateDir, more: &[Lesson]) -> io::Result<()> {
    change(state, |lessons| lessons.extend_from_slice(more))
}

/// Forgets the last `number`, which were taken back.
///
/// # Errors
/// As [`remember`].
pub fn forget_last(state: &StateDir, number: usize) -> io::Result<()> {
    change(state, |lessons| lessons.truncate(lessons.len().saturating_sub(number)))
}

fn change(state: &StateDir, change: impl FnOnce(&mut Vec<Lesson>)) -> io::Result<()> {
    let deadline = Instant::now() + LOCK_TIMEOUT;
    let claim = LockFile::wait(state, DIRECTORY, "lessons.lock", deadline)?;
    let _claim = claim.ok_or_else(|| io::Error::from(io::ErrorKind::WouldBlock))?;
    state.make_inside(DIRECTORY)?;
    let mut lessons = from_json_lines(&state.read_to_edit(FILE, FILE_MAX)?.unwrap_or_default());
    change(&mut lessons);
    let from = if lessons.len() > LESSONS_MIN * 2 { lessons.len() - LESSONS_MIN } else { 0 };
    let text = to_json_lines(lessons.get(from..).unwrap_or_default())?;
    state.replace(FILE, text.as_bytes())
}

/// The edits that were made together last.
pub fn last(lessons: &[Lesson]) -> &[Lesson] {
    let Some(last) = lessons.last() else { return &[] };
    let from = lessons.iter().rposition(|lesson| lesson.at != last.at).map_or(0, |at| at + 1);
    lessons.get(from..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_learned_together_is_taken_back_together() {
        let home = tempfile::tempdir().unwrap();
        let state = StateDir::at(home.path().join("mfilter"));
        let lesson = |at: &str, entry: &str| Lesson {
            at: at.into(),
            add: true,
            list: "white".into(),
            path: "/h/white".into(),
            entry: entry.into(),
            from: "Junk".into(),
            to: "INBOX".into(),
        };
        assert!(last(&all(&state)).is_empty());
        remember(&state, &[lesson("1", "a@b"), lesson("2", "c@d")]).unwrap();
        remember(&state, &[lesson("2", "e@f")]).unwrap();
        let known = all(&state);
        assert_eq!(last(&known), [lesson("2", "c@d"), lesson("2", "e@f")]);
        forget_last(&state, 2).unwrap();
        assert_eq!(all(&state), [lesson("1", "a@b")]);
        std::fs::write(state.path().join(FILE), "{\"at\":\nx\n").unwrap();
        assert!(all(&state).is_empty());
    }
}
