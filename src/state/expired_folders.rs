//! From which folders `expire` has taken mail, so that a rule is noticed that would empty
//! a folder from which nothing was taken before.
//!
//! A file `expired` that people can read, too: JSON, one object per line.

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{StateDir, from_json_lines, to_json_lines};

const FILE: &str = "expired";
/// The longest file, bytes; a longer one is damaged.
const MAX: u64 = 4 << 20;

/// A folder from which mail was taken.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
pub struct ExpiredFolder {
    /// The Maildir, without links.
    pub maildir: PathBuf,
    /// The folder's directories from the Maildir down.
    pub folder: Vec<String>,
    /// Whether it was deleted; otherwise it was moved.
    pub deleted: bool,
}

impl ExpiredFolder {
    /// A folder of a Maildir.
    pub fn new(maildir: &Path, folder: &[String], deleted: bool) -> ExpiredFolder {
        ExpiredFolder { maildir: maildir.to_owned(), folder: folder.to_vec(), deleted }
    }

    /// Whether mail was taken from it before; false if the file cannot be read.
    pub fn is_known(&self, state: &StateDir) -> bool {
        from_json_lines(&state.read(FILE, MAX).unwrap_or_default()).contains(self)
    }

    /// Records that mail was taken from it.
    ///
    /// # Errors
    /// The state directory cannot be read or written.
    pub fn note(&self, state: &StateDir) -> io::Result<()> {
        let mut all: Vec<ExpiredFolder> =
            from_json_lines(&state.read_to_edit(FILE, MAX)?.unwrap_or_default());
        if all.contains(self) {
            return Ok(());
        }
        all.push(self.clone());
        state.replace(FILE, to_json_lines(&all)?.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_noted_is_known() {
        let home = tempfile::tempdir().unwrap();
        let state = StateDir::at(home.path().join("state"));
        let folder = |deleted| ExpiredFolder::new(Path::new("/m"), &[".News".into()], deleted);
        assert!(!folder(false).is_known(&state));
        folder(false).note(&state).unwrap();
        folder(false).note(&state).unwrap();
        assert!(folder(false).is_known(&state) && !folder(true).is_known(&state));
        std::fs::write(state.path().join(FILE), "garbage\n").unwrap();
        assert!(!folder(false).is_known(&state));
    }
}
