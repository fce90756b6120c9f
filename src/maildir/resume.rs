//! Messages that were staged by a process that was killed, and whose final names are
//! recorded elsewhere: they are stored now, unless they were stored already.

use std::io::ErrorKind;

use rustix::io::Errno;

use super::disk::{rename_new, sync_directory};
use super::folder::Entry;
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
    let is_stored = || match maildir.shelf(place) {
        Ok(folder) if folder.by_key().contains_key(&entry.key()) => Ok(ResumeOutcome::Stored),
        Err(failure) if failure.error.kind() != ErrorKind::NotFound => Err(failure),
        _ => Ok(ResumeOutcome::Missing),
    };
    let open = match maildir.open_folder(&place.directories, entry.sub.name()) {
        Err(failure) if failure.error.kind() == ErrorKind::NotFound => return is_stored(),
        open => open?,
    };
    let staged = entry.name.split(",S=").next().unwrap_or_default();
    let path = open.path.join(entry.sub.name());
    let failed = |error| Failure::new("store the message in", &path, error);
    let mut into = &open.into;
    let mut done = rename_new(&open.tmp, staged, into, &entry.name);
    let new;
    if done == Err(Errno::INVAL) {
        // No colons are possible here, see `Staged::commit`.
        new = open_below(&open.folder, "new", &open.path.join("new"), &maildir.location.bounds)?;
        into = &new;
        done = rename_new(&open.tmp, staged, into, entry.base());
    }
    match done {
        Ok(()) => {
            sync_directory(into).map_err(failed)?;
            Ok(ResumeOutcome::Stored)
        }
        Err(Errno::NOENT) => is_stored(),
        Err(error) => Err(failed(error)),
    }
}
