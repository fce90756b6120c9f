//! The message for which `watch` is editing lists, so that a kill between the message's
//! move and the edits loses nothing.
//!
//! One small file per Maildir, `sorting/KEY.hand`, in JSON. It is written before the
//! message is moved and removed when the edits are done; edits that are made twice change
//! nothing.

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{StateDir, maildir_name, remove};

const DIRECTORY: &str = "sorting";
/// The longest file, bytes; longer ones are damaged.
const MAX: u64 = 1 << 20;

/// A message and the edits of lists that belong to it.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
pub struct PendingEdits {
    /// The directories of the folder in which it was, from the Maildir down.
    pub from: Vec<String>,
    /// The part of its file's name that never changes.
    pub key: String,
    /// Its Message-ID.
    pub message_id: String,
    /// Whether the edits follow its move; otherwise it stays where it is.
    pub moves: bool,
    /// The edits to make.
    pub edits: Vec<Edit>,
}

/// An edit of a list.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// Whether to add the entry; otherwise to remove it.
    pub add: bool,
    /// Name of the list.
    pub list: String,
    /// Its file.
    pub path: PathBuf,
    /// An exact address.
    pub entry: String,
}

/// Where the message that is being filed is recorded.
#[derive(Debug, Clone)]
pub struct PendingEditsFile<'s> {
    state: &'s StateDir,
    name: String,
}

impl<'s> PendingEditsFile<'s> {
    /// The record for the Maildir at this path.
    ///
    /// # Errors
    /// The Maildir does not exist.
    pub fn of(state: &'s StateDir, maildir: &Path) -> io::Result<PendingEditsFile<'s>> {
        let name = maildir_name(maildir)?;
        Ok(PendingEditsFile { state, name: format!("{DIRECTORY}/{name}.hand") })
    }

    /// The message that was being filed when `watch` was killed; none if it was not killed,
    /// or the record is damaged.
    pub fn read(&self) -> Option<PendingEdits> {
        serde_json::from_slice(&self.state.read(&self.name, MAX)?).ok()
    }

    /// Records the message that is being filed.
    ///
    /// # Errors
    /// The state directory cannot be written.
    pub fn write(&self, message: &PendingEdits) -> io::Result<()> {
        self.state.make_inside(DIRECTORY)?;
        self.state.replace(&self.name, &serde_json::to_vec(message)?)
    }

    /// Removes the record: everything is done for the message.
    ///
    /// # Errors
    /// The file cannot be removed.
    pub fn remove(&self) -> io::Result<()> {
        remove(&self.state.path().join(&self.name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_claimed_exists_until_it_is_freed() {
        let home = tempfile::tempdir().unwrap();
        let state = StateDir::at(home.path().join("mfilter"));
        let file = PendingEditsFile::of(&state, home.path()).unwrap();
        assert_eq!(file.read(), None);
        file.remove().unwrap();
        let edit =
            Edit { add: true, list: "a".into(), path: "/a".into(), entry: "b@c.example".into() };
        let message = PendingEdits {
            from: vec![".A".into()],
            key: "1.mx".into(),
            message_id: "<1@x>".into(),
            moves: true,
            edits: vec![edit],
        };
        file.write(&message).unwrap();
        assert_eq!(file.read(), Some(message));
        std::fs::write(state.path().join(&file.name), "{\"from\":[").unwrap();
        assert_eq!(file.read(), None, "damaged");
        file.remove().unwrap();
        assert!(!state.path().join(&file.name).exists());
    }
}
