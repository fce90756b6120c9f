//! Moving existing messages from folder to folder of a Maildir, while mail readers and
//! IMAP servers use it.
//!
//! A move is one rename, never onto an existing file, so the message is never missing and
//! never there twice. The name stays except for what belongs to the folder: isync's
//! `,U=<n>` is removed when the folder changes, and the letters of keywords become those
//! of the other folder. A message without flags moves from `new` to `new`, so that it
//! stays new to its reader; otherwise to `cur`. Time stamps are kept: IMAP's INTERNALDATE
//! is that of the file.
//!
//! To another file system a message is copied into `tmp/`, synced, renamed, and only then
//! removed where it was. If the process is killed in between, the message is there twice,
//! under the same name and with the same content; from that the next try sees that it
//! only has to remove the old one.
//!
//! A file that has been renamed or removed by then is not a failure but
//! [`MoveOutcome::Missing`]: [`Mover::refile`] looks for it again.
//!
//! Moves are on disk after [`Mover::sync`], which first syncs the directories that
//! received messages, then those that lost them.

mod prepare;

use std::collections::{BTreeSet, HashMap};
use std::io::ErrorKind;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;

use rustix::fs::{AtFlags, fstat, statat, unlinkat};
use rustix::io::Errno;

use super::cross_device::{has_same_content, is_on_other_device, move_across};
use super::disk::{rename_new, sync_directory};
use super::entry::{Entry, Sub};
use super::folder::MaildirFolder;
use super::location::{Location, Place};
use super::open::open_below;
use super::quota;
use super::store::Maildir;
use crate::flags::Flags;
use crate::outcome::Failure;

/// How many folders are held open, each with up to three descriptors; a process may
/// commonly have 1,024.
const OPEN_MAX: usize = 128;
/// How often to look again for a message that was renamed.
const TRIES_MAX: usize = 5;

/// A Maildir in which messages are moved.
pub struct Mover<'a> {
    maildir: Maildir<'a>,
    folders: HashMap<Vec<String>, Arc<MaildirFolder>>,
    received: BTreeSet<(Vec<String>, Sub)>,
    left: BTreeSet<(Vec<String>, Sub)>,
}

/// Where a message is and where it should be.
#[derive(Debug, Clone, Copy)]
pub struct MoveRequest<'w> {
    /// The folder it is in.
    pub from: &'w Place,
    /// Its file there.
    pub entry: &'w Entry,
    /// The folder it should be in, created if it is missing; it may be the same.
    pub to: &'w Place,
    /// Flags to add to those that it has.
    pub add: &'w Flags,
    /// Flags to remove.
    pub remove: &'w Flags,
}

/// A move, with the name that the message will get.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileMove {
    /// The folder it is in.
    pub from: Place,
    /// Its file there.
    pub old: Entry,
    /// The folder it is moved to.
    pub to: Place,
    /// Its file there.
    pub new: Entry,
    /// What cannot be done as asked, in words for people.
    pub problems: Vec<String>,
}

impl FileMove {
    /// Whether the message is already there under that name.
    pub fn is_done(&self) -> bool {
        self.from.is(&self.to) && self.old == self.new
    }
}

/// The result of a move or a deletion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MoveOutcome {
    /// The message is where it should be, or deleted.
    Done,
    /// It no longer existed under its old name.
    Missing,
}

impl<'a> Mover<'a> {
    /// Opens a Maildir.
    ///
    /// # Errors
    /// The Maildir cannot be opened.
    pub fn open(location: &'a Location) -> Result<Mover<'a>, Failure> {
        Ok(Mover {
            maildir: Maildir::open(location)?,
            folders: HashMap::new(),
            received: BTreeSet::new(),
            left: BTreeSet::new(),
        })
    }

    /// All folders, see [`Maildir::folders`].
    pub fn folders(&self) -> (Vec<Place>, Vec<Failure>) {
        self.maildir.folders()
    }

    /// The path of a message in a folder, for people.
    pub fn path_of(&self, place: &Place, entry: &Entry) -> PathBuf {
        self.maildir.location.path_of_entry(place, entry)
    }

    /// Opens an existing folder.
    ///
    /// # Errors
    /// The folder does not exist, or it cannot be opened.
    pub fn folder(&mut self, place: &Place) -> Result<Arc<MaildirFolder>, Failure> {
        if let Some(folder) = self.folders.get(&place.directories) {
            return Ok(Arc::clone(folder));
        }
        let folder = Arc::new(self.maildir.folder(place)?);
        if self.folders.len() >= OPEN_MAX {
            self.sync()?;
            self.folders.clear();
        }
        self.folders.insert(place.directories.clone(), Arc::clone(&folder));
        Ok(folder)
    }

    /// Opens a folder; what is missing of it is created. One that is being removed is not
    /// used.
    fn target(&mut self, place: &Place) -> Result<Arc<MaildirFolder>, Failure> {
        match self.folder(place) {
            Ok(folder) if folder.is_whole() && folder.is_in_place() => return Ok(folder),
            Err(failure) if failure.error.kind() != ErrorKind::NotFound => return Err(failure),
            _ => {}
        }
        self.maildir.make_folder(&place.directories)?;
        self.folders.remove(&place.directories);
        self.folder(place)
    }

    /// Opens the `tmp` of a folder, which is created if it is missing.
    fn tmp(&self, place: &Place, folder: &MaildirFolder) -> Result<OwnedFd, Failure> {
        let bounds = &self.maildir.location.bounds;
        let open = || open_below(&folder.handle, "tmp", &folder.path.join("tmp"), bounds);
        match open() {
            Err(failure) if failure.error.kind() == ErrorKind::NotFound => {
                self.maildir.make_folder(&place.directories)?;
                open()
            }
            opened => opened,
        }
    }

    /// Records in the quota what no longer counts, or counts again: the trash does not.
    /// If that cannot be recorded, the next recount corrects it.
    fn update_quota(&self, step: &FileMove, target: &MaildirFolder) {
        let layout = self.maildir.location.layout;
        let counts = quota::counts_entry(layout, &step.to, &step.new);
        if counts == quota::counts_entry(layout, &step.from, &step.old) {
            return;
        }
        if let Some(amount) = quota::amount(target, &step.new) {
            let amount = if counts { amount } else { amount.negative() };
            let _ = quota::add(&self.maildir, amount);
        }
    }

    /// Moves a message. It is on disk after [`Mover::sync`].
    ///
    /// # Errors
    /// The message is where it was.
    pub fn carry_out(&mut self, step: &FileMove) -> Result<MoveOutcome, Failure> {
        let source = match self.folder(&step.from) {
            Err(failure) if failure.error.kind() == ErrorKind::NotFound => {
                return Ok(MoveOutcome::Missing);
            }
            source => source?,
        };
        let Ok(old) = source.directory(step.old.sub) else { return Ok(MoveOutcome::Missing) };
        let mut target = self.target(&step.to)?;
        let (mut again, mut was_moved_back) = (true, false);
        loop {
            let new = target.directory(step.new.sub)?;
            if step.old.name == step.new.name && is_one_directory(old, new) {
                // One folder under two names, for example by a link.
                return Ok(MoveOutcome::Done);
            }
            match rename_new(old, &step.old.name, new, &step.new.name) {
                Ok(()) if was_moved_back || target.is_in_place() => break,
                Ok(()) => {
                    was_moved_back = true;
                    if rename_new(new, &step.new.name, old, &step.old.name).is_err() {
                        return Ok(MoveOutcome::Missing);
                    }
                    target = self.target(&step.to)?;
                }
                Err(Errno::XDEV) => {
                    let tmp = self.tmp(&step.to, &target)?;
                    if move_across((&source, &step.old), (&target, &step.new), &tmp)? {
                        break;
                    }
                    return Ok(MoveOutcome::Missing);
                }
                Err(Errno::NOENT) => {
                    let there = statat(old, &step.old.name, AtFlags::SYMLINK_NOFOLLOW).is_ok();
                    if !there || !std::mem::take(&mut again) {
                        return Ok(MoveOutcome::Missing);
                    }
                    // The folder was removed since it was opened.
                    self.folders.remove(&step.to.directories);
                    target = self.target(&step.to)?;
                }
                // Two names of one file: a move that was cut short leaves them where a
                // rename without replacing is not available.
                Err(Errno::EXIST) if is_one(old, &step.old, new, &step.new) => {
                    remove(&source, &step.old)?;
                    break;
                }
                Err(error) => {
                    return Err(Failure::new(
                        "move the message to",
                        target.path_of(&step.new),
                        error,
                    ));
                }
            }
        }
        self.update_quota(step, &target);
        self.received.insert((step.to.directories.clone(), step.new.sub));
        self.left.insert((step.from.directories.clone(), step.old.sub));
        Ok(MoveOutcome::Done)
    }

    /// Deletes a message permanently. It is gone from the disk after [`Mover::sync`].
    ///
    /// # Errors
    /// The message is where it was.
    pub fn delete(&mut self, place: &Place, entry: &Entry) -> Result<MoveOutcome, Failure> {
        let folder = self.folder(place)?;
        if !folder.is_in_place() {
            // Under its new name it may be one in which nothing is deleted.
            self.folders.remove(&place.directories);
            return Ok(MoveOutcome::Missing);
        }
        let counts = quota::counts_entry(self.maildir.location.layout, place, entry);
        let amount = if counts { quota::amount(&folder, entry) } else { None };
        match remove(&folder, entry) {
            Ok(()) => {}
            Err(failure) if failure.error.kind() == ErrorKind::NotFound => {
                return Ok(MoveOutcome::Missing);
            }
            Err(failure) => return Err(failure),
        }
        if let Some(amount) = amount {
            // If that cannot be recorded, the next recount corrects it.
            let _ = quota::add(&self.maildir, amount.negative());
        }
        self.left.insert((place.directories.clone(), entry.sub));
        Ok(MoveOutcome::Done)
    }

    /// Finishes a move that was cut short between its two halves: if the message is in
    /// both folders, the file that nobody has touched since is removed. Returns whether
    /// one was removed.
    ///
    /// # Errors
    /// It cannot be removed.
    pub fn finish(&mut self, step: &FileMove) -> Result<bool, Failure> {
        let (Ok(source), Ok(target)) = (self.folder(&step.from), self.folder(&step.to)) else {
            return Ok(false);
        };
        let is_other_device = is_on_other_device(&source, &target);
        let find = |folder: &MaildirFolder, entry: &Entry| {
            let known = folder.has(entry).then(|| entry.clone());
            known.or_else(
                || if is_other_device { folder.by_key().remove(&entry.key()) } else { None },
            )
        };
        let (Some(old), Some(new)) = (find(&source, &step.old), find(&target, &step.new)) else {
            return Ok(false);
        };
        let twice = if is_other_device {
            has_same_content((&target, &new), (&source, &old))
        } else {
            let (from, to) = (source.directory(old.sub)?, target.directory(new.sub)?);
            is_one(from, &old, to, &new)
        };
        if !twice {
            return Ok(false);
        }
        let touched = old != step.old && new == step.new;
        let (folder, entry) = if touched { (&target, &new) } else { (&source, &old) };
        remove(folder, entry)?;
        if !touched {
            self.update_quota(&FileMove { new: new.clone(), ..step.clone() }, &target);
        }
        sync_directory(folder.directory(entry.sub)?)
            .map_err(|error| Failure::new("sync the folder", folder.path.clone(), error))?;
        Ok(true)
    }

    /// Syncs all moves so far to disk.
    ///
    /// # Errors
    /// A directory cannot be synced; the others were.
    pub fn sync(&mut self) -> Result<(), Failure> {
        let received = std::mem::take(&mut self.received);
        let left = std::mem::take(&mut self.left);
        let mut result = Ok(());
        for (directories, sub) in received.iter().chain(left.difference(&received)) {
            let Some(folder) = self.folders.get(directories) else { continue };
            let Ok(directory) = folder.directory(*sub) else { continue };
            if let Err(error) = sync_directory(directory) {
                result = Err(Failure::new("sync the folder", folder.path.join(sub.name()), error));
            }
        }
        result
    }

    /// Moves one message, whatever its name in its folder is by now, and syncs that to
    /// disk. Returns its path; none if it is no longer in its folder.
    ///
    /// # Errors
    /// The message is where it was, unless the error is that a directory cannot be
    /// synced.
    pub fn refile(&mut self, request: &MoveRequest<'_>) -> Result<Option<MoveReport>, Failure> {
        let mut entry = request.entry.clone();
        for _ in 0..TRIES_MAX {
            let step = self.prepare(&MoveRequest { entry: &entry, ..*request })?;
            match self.carry_out(&step)? {
                MoveOutcome::Done => {
                    self.sync()?;
                    let path = self.folder(&step.to)?.path_of(&step.new);
                    return Ok(Some(MoveReport { path, problems: step.problems }));
                }
                MoveOutcome::Missing => {
                    let folder = match self.folder(request.from) {
                        Err(failure) if failure.error.kind() == ErrorKind::NotFound => break,
                        folder => folder?,
                    };
                    match folder.by_key().remove(&entry.key()) {
                        Some(now) => entry = now,
                        None => break,
                    }
                }
            }
        }
        Ok(None)
    }
}

/// A message that was moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MoveReport {
    /// Its file.
    pub path: PathBuf,
    /// What was not done as asked.
    pub problems: Vec<String>,
}

fn remove(folder: &MaildirFolder, entry: &Entry) -> Result<(), Failure> {
    let done = unlinkat(folder.directory(entry.sub)?, &entry.name, AtFlags::empty());
    done.map_err(|error| Failure::new("remove", folder.path_of(entry), error))
}

/// Whether two open directories are the same.
fn is_one_directory(one: &OwnedFd, other: &OwnedFd) -> bool {
    let id = |directory| fstat(directory).map(|metadata| (metadata.st_dev, metadata.st_ino)).ok();
    id(one).is_some() && id(one) == id(other)
}

/// Whether one file has two names, so that one of them can be removed.
fn is_one(old: &OwnedFd, old_entry: &Entry, new: &OwnedFd, new_entry: &Entry) -> bool {
    if old_entry.name == new_entry.name && is_one_directory(old, new) {
        return false;
    }
    let linked_id = |directory, entry: &Entry| {
        let metadata = statat(directory, &entry.name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
        (metadata.st_nlink >= 2).then_some((metadata.st_dev, metadata.st_ino))
    };
    let known = linked_id(old, old_entry);
    known.is_some() && known == linked_id(new, new_entry)
}

#[cfg(test)]
mod tests;
