//! A message that was written and synced in `tmp`, until it is committed or taken back.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{AtFlags, CWD, statat, unlinkat};
use rustix::io::Errno;

use super::amount::Amount;
use super::disk::{FileId, is_in_place, rename_new, sync_directory};
use super::name;
use super::open::open_below;
use crate::file::Bounds;
use crate::outcome::Failure;

/// Why a message has no flags.
pub(super) const NO_COLONS: &str =
    "this file system allows no colons in names, so the message has no flags";

/// A message in `tmp`, on disk, to be committed; if this is dropped before, it is removed.
pub struct StagedMessage {
    pub(super) directory: PathBuf,
    pub(super) folder: Arc<OwnedFd>,
    pub(super) tmp: OwnedFd,
    pub(super) destination: OwnedFd,
    pub(super) state: StageState,
    pub(super) file: Option<FileId>,
    /// `,S=<bytes>`
    pub(super) size: String,
    /// `:2,FLAGS`, or nothing.
    pub(super) info: String,
    pub(super) problems: Vec<String>,
    pub(super) amount: Amount,
    pub(super) created_folder: bool,
    pub(super) bounds: Bounds,
}

/// Where the message is now.
pub(super) enum StageState {
    Staged(String),
    Committed(String),
    Done,
}

impl StagedMessage {
    /// What could not be done as asked, though the message is or will be stored.
    pub fn problems(&self) -> &[String] {
        &self.problems
    }

    /// Whether its folder did not exist and had to be created.
    pub fn created_folder(&self) -> bool {
        self.created_folder
    }

    /// How much of a quota the message uses.
    pub(crate) fn amount(&self) -> Amount {
        self.amount
    }

    /// The file that the message will be, below its folder: `new/NAME` or `cur/NAME`.
    pub fn file(&self) -> String {
        let (StageState::Staged(name) | StageState::Committed(name)) = &self.state else {
            return String::new();
        };
        let sub = self.directory.file_name().unwrap_or_default().to_string_lossy();
        format!("{sub}/{name}{}{}", self.size, self.info)
    }

    /// Syncs the staged file's name to disk; its content is there already.
    ///
    /// # Errors
    /// The directory cannot be synced.
    pub fn sync(&self) -> Result<(), Failure> {
        let path = || self.directory.with_file_name("tmp");
        sync_directory(&self.tmp).map_err(|error| Failure::new("sync the folder", path(), error))
    }

    /// Makes the message visible, permanently; returns its path. After an error it may be
    /// visible: see [`StagedMessage::undo`].
    ///
    /// Where names cannot contain a colon (vfat, exFAT, CIFS), the flags follow the
    /// delimiter that others have used in the folder; if nobody has, the message goes to
    /// `new` without its flags, which is reported as a problem.
    ///
    /// # Errors
    /// The message cannot be renamed, the directory cannot be synced, or the folder is gone.
    pub fn commit(&mut self) -> Result<PathBuf, Failure> {
        let path = self.make_visible()?;
        self.sync_visible()?;
        self.find_folder(&path)?;
        Ok(path)
    }

    /// Fails if the folder was removed while the message came in.
    fn find_folder(&self, file: &Path) -> Result<(), Failure> {
        let found = statat(CWD, file, AtFlags::SYMLINK_NOFOLLOW);
        if found.err() != Some(Errno::NOENT) {
            return Ok(());
        }
        // A reader may have moved the message on.
        match is_in_place(&self.destination, &self.directory) {
            true => Ok(()),
            false => Err(Failure::new("find the folder", &self.directory, Errno::NOENT)),
        }
    }

    /// Makes the message visible; its name is on disk only after
    /// [`StagedMessage::sync_visible`].
    ///
    /// # Errors
    /// The message cannot be renamed.
    pub fn make_visible(&mut self) -> Result<PathBuf, Failure> {
        let mut renamed = self.rename();
        if renamed.as_ref().is_err_and(|error| *error == Errno::INVAL) && !self.info.is_empty() {
            if let Some(delimiter) = name::delimiter_in_use(&self.destination) {
                self.info = self.info.replacen(name::INFO, delimiter, 1);
                renamed = self.rename();
            } else {
                let path = self.directory.with_file_name("new");
                self.destination = open_below(&self.folder, "new", &path, &self.bounds)?;
                self.directory = path;
                self.info.clear();
                renamed = self.rename();
                if renamed.is_ok() {
                    self.problems.push(NO_COLONS.to_owned());
                }
            }
        }
        let name = renamed
            .map_err(|error| Failure::new("store the message in", &self.directory, error))?;
        Ok(self.directory.join(name))
    }

    /// Syncs to disk the names of all messages that were made visible in the same directory.
    ///
    /// # Errors
    /// The directory cannot be synced.
    pub fn sync_visible(&self) -> Result<(), Failure> {
        sync_directory(&self.destination)
            .map_err(|error| Failure::new("sync the folder", &self.directory, error))
    }

    /// The directory in which the message is or will be.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Gives the message its visible name.
    fn rename(&mut self) -> Result<String, Errno> {
        let StageState::Staged(name) = &self.state else { return Err(Errno::EXIST) };
        let end = format!("{name}{}{}", self.size, self.info);
        let renamed = rename_new(&self.tmp, name, &self.destination, &end);
        if let Err(error) = renamed {
            if !self.file.is_some_and(|file| file.is_at(&self.destination, &end)) {
                return Err(error);
            }
            // If a server's reply was lost, the rename is done again, which then reports
            // that the old name does not exist or that the new one does.
            if !matches!(error, Errno::NOENT | Errno::EXIST) {
                self.state = StageState::Committed(end);
                return Err(error);
            }
            let _ = unlinkat(&self.tmp, name, AtFlags::empty());
        }
        self.state = StageState::Committed(end.clone());
        Ok(end)
    }

    /// Takes the message back, committed or not; false if it is no longer
    /// where it was put.
    pub fn undo(mut self) -> bool {
        let undone = self.remove();
        let _ = sync_directory(&self.destination);
        undone
    }

    /// Lets the message stay where it is.
    pub fn keep(mut self) {
        self.state = StageState::Done;
    }

    fn remove(&mut self) -> bool {
        match std::mem::replace(&mut self.state, StageState::Done) {
            StageState::Staged(name) => unlinkat(&self.tmp, name, AtFlags::empty()).is_ok(),
            StageState::Committed(name) => {
                unlinkat(&self.destination, name, AtFlags::empty()).is_ok()
            }
            StageState::Done => true,
        }
    }
}

impl Drop for StagedMessage {
    fn drop(&mut self) {
        if matches!(self.state, StageState::Staged(_)) {
            self.remove();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::Maildir;
    use super::super::testing::{flags, folder, fs_layout};
    use crate::message::Message;

    #[test]
    fn nothing_is_stored_in_a_folder_that_is_being_removed() {
        let home = tempfile::tempdir().unwrap();
        let location = fs_layout(home.path());
        let path = location.path.join("A");
        let message = Message::from_bytes(b"x\n".to_vec());
        let maildir = Maildir::open(&location).unwrap();
        let stage = || {
            let place = location.place(&folder("A"));
            maildir.stage(&place, &flags("", &[]), &message, &[]).unwrap()
        };
        for (number, created_again) in [false, true].into_iter().enumerate() {
            let (mut gone, trash) = (stage(), location.path.join(format!("trash-{number}")));
            fs::rename(&path, &trash).unwrap();
            if created_again {
                stage().commit().unwrap();
            }
            assert!(gone.commit().is_err(), "{created_again}");
            assert!(gone.undo());
        }
        // A reader that renames at once takes nothing away.
        let mut staged = stage();
        let visible = staged.make_visible().unwrap();
        fs::rename(&visible, path.join("cur/x:2,S")).unwrap();
        assert!(staged.find_folder(&visible).is_ok());
    }
}
