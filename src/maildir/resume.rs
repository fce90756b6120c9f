//! Messages that were staged by a process that was killed, and whose final names are
//! recorded elsewhere: they are stored now, unless they were stored already.

use std::io::ErrorKind;

use rustix::io::Errno;

use super::disk::{rename_new, sync_directory};
use super::entry::Entry;
use super::location::Place;
use super::open::open_below;
use super::store::Maildir;
use crate::outcome::Failure;

/// What became of such a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResumeOutcome {
    /// It is stored, now or before.
    Stored,
    /// It is neither staged nor stored in its folder.
    Missing,
}

/// Stores a message that was staged in a folder to become `entry` there.
///
/// # Errors
/// It is where it was.
pub fn resume(
    maildir: &Maildir<'_>,
    place: &Place,
    entry: &Entry,
) -> Result<ResumeOutcome, Failure> {
    let is_stored = || match maildir.folder(place) {
        Ok(folder) if folder.by_key().contains_key(&entry.key()) => Ok(ResumeOutcome::Stored),
        Err(failure) if failure.error.kind() != ErrorKind::NotFound => Err(failure),
        _ => Ok(ResumeOutcome::Missing),
    };
    let open = match maildir.open_folder(&place.directories, entry.sub) {
        Err(failure) if failure.error.kind() == ErrorKind::NotFound => return is_stored(),
        open => open?,
    };
    let staged = entry.name.split(",S=").next().unwrap_or_default();
    let path = open.path.join(entry.sub.name());
    let failed = |error| Failure::new("store the message in", &path, error);
    let mut destination = &open.destination;
    let mut done = rename_new(&open.tmp, staged, destination, &entry.name);
    let new;
    if done == Err(Errno::INVAL) {
        // No colons are possible here, see [`super::StagedMessage::commit`].
        new = open_below(&open.folder, "new", &open.path.join("new"), &maildir.location.bounds)?;
        destination = &new;
        done = rename_new(&open.tmp, staged, destination, entry.base());
    }
    match done {
        Ok(()) => {
            sync_directory(destination).map_err(failed)?;
            Ok(ResumeOutcome::Stored)
        }
        Err(Errno::NOENT) => is_stored(),
        Err(error) => Err(failed(error)),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::super::Location;
    use super::super::testing::{flags, folder, fs_layout};
    use super::*;
    use crate::message::Message;

    /// Stages a message as a process does that is then killed.
    fn staged(location: &Location, letters: &str) -> Entry {
        let message = Message::from_bytes(b"x\n".to_vec());
        let maildir = Maildir::open(location).unwrap();
        let place = location.place(&folder("A"));
        let staged = maildir.stage(&place, &flags(letters, &[]), &message, &[]).unwrap();
        let entry = Entry::of(&staged.file()).unwrap();
        staged.keep();
        entry
    }

    #[test]
    fn what_was_staged_is_stored_once() {
        let home = tempfile::tempdir().unwrap();
        let location = fs_layout(home.path());
        let folder = home.path().join("Maildir/A");
        let count = |name: &str| fs::read_dir(folder.join(name)).unwrap().count();
        let resumed = |name: &str, entry: &Entry| {
            let maildir = Maildir::open(&location).unwrap();
            resume(&maildir, &location.place(&super::super::testing::folder(name)), entry)
        };
        for (letters, sub) in [("", "new"), ("S", "cur")] {
            let entry = staged(&location, letters);
            assert_eq!((entry.sub.name(), count(sub), count("tmp")), (sub, 0, 1));
            assert_eq!(resumed("A", &entry).unwrap(), ResumeOutcome::Stored);
            assert!(folder.join(entry.to_string()).exists());
            // It was stored before, and a reader has flagged it since.
            let read = folder.join(format!("cur/{}:2,FS", entry.base()));
            fs::rename(folder.join(entry.to_string()), &read).unwrap();
            assert_eq!(resumed("A", &entry).unwrap(), ResumeOutcome::Stored);
            assert_eq!((count("new"), count("cur"), count("tmp")), (0, 1, 0));
            fs::remove_file(read).unwrap();
            assert_eq!(resumed("A", &entry).unwrap(), ResumeOutcome::Missing);
            assert_eq!(resumed("B", &entry).unwrap(), ResumeOutcome::Missing);
        }
        symlink("loop", home.path().join("Maildir/loop")).unwrap();
        assert!(resumed("loop", &staged(&location, "")).is_err());
        assert_eq!(count("tmp"), 1);
    }
}
