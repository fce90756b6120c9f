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

use std::collections::{BTreeSet, HashMap};
use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;

use rustix::fs::{AtFlags, fstat, statat, unlinkat};
use rustix::io::Errno;

use super::cross_device::{has_same_content, is_on_other_device, move_across};
use super::disk::{rename_new, sync_directory};
use super::folder::{Entry, MaildirFolder, Sub, without_uid};
use super::keywords;
use super::location::{Location, Place};
use super::name::{INFO, split_info};
use super::open::open_below;
use super::quota;
use super::staged::NO_COLONS;
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

/// The result of a move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MoveOutcome {
    /// It is where it should be.
    Moved,
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

    /// Opens a folder; what is missing of it is created.
    fn target(&mut self, place: &Place) -> Result<Arc<MaildirFolder>, Failure> {
        match self.folder(place) {
            Ok(folder) if folder.is_whole() => return Ok(folder),
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

    /// Finds out which name a message will get where it should be. Creates the folder,
    /// and adds keywords that are new to it.
    ///
    /// # Errors
    /// The folder cannot be created, or a keyword of the message cannot be kept in it.
    pub fn prepare(&mut self, request: &MoveRequest<'_>) -> Result<FileMove, Failure> {
        let MoveRequest { from, entry, to, add, remove } = *request;
        let same = from.is(to);
        let target = self.target(to)?;
        let mut problems = Vec::new();
        let is_keyword = |letter: &char| letter.is_ascii_lowercase();
        let had: String = entry.letters().chars().filter(is_keyword).collect();
        let mut letters: Vec<char> = entry
            .letters()
            .chars()
            .filter(|letter| !is_keyword(letter) && !remove.letters.contains(*letter))
            .chain(add.letters.chars())
            .collect();
        if !had.is_empty() || !add.keywords.is_empty() {
            let source = self.folder(from)?;
            let fail = |error| Failure::new("read the keywords of", source.path.clone(), error);
            let (mut names, unknown) = keywords::names(&source.handle, &had).map_err(fail)?;
            let is =
                |one: &str, all: &[String]| all.iter().any(|known| known.eq_ignore_ascii_case(one));
            names.retain(|name| !is(name, &remove.keywords));
            let (kept, lost) = keywords::letters(&target.handle, &names);
            if !lost.is_empty() {
                let error = io::Error::other(lost.join("; "));
                return Err(Failure::new("keep the keywords in", target.path.clone(), error));
            }
            let (added, unset) = keywords::letters(&target.handle, &add.keywords);
            problems.extend(unset);
            letters.extend(kept.chars().chain(added.chars()));
            // A letter without a meaning here must not get one in the new folder.
            for letter in unknown.chars() {
                let text = letter.to_string();
                let meant = keywords::names(&target.handle, &text).map(|(names, _)| names);
                match meant {
                    Ok(names) if names.is_empty() || same => letters.push(letter),
                    _ => problems.push(format!(
                        "the letter `{letter}` is left out: it stands for no keyword"
                    )),
                }
            }
        }
        letters.sort_unstable();
        letters.dedup();
        let mut delimiter = Some(entry.delimiter());
        if delimiter == Some(INFO)
            && !(letters.is_empty() && entry.sub == Sub::New)
            && !self.has_colons(from, entry, &target)
        {
            delimiter = target.new_delimiter(&self.tmp(to, &target)?);
        }
        let base = if same { entry.base().to_owned() } else { without_uid(entry.base()) };
        let rest = entry.info().get(entry.letters().len()..).unwrap_or_default();
        let new = if letters.is_empty() && entry.sub == Sub::New {
            let has_info = split_info(&entry.name).is_some();
            let info = if has_info { entry.delimiter() } else { "" };
            Entry { sub: Sub::New, name: format!("{base}{info}{rest}") }
        } else if let Some(delimiter) = delimiter {
            let letters: String = letters.into_iter().collect();
            Entry { sub: Sub::Cur, name: format!("{base}{delimiter}{letters}{rest}") }
        } else {
            if !letters.is_empty() {
                problems.push(NO_COLONS.to_owned());
            }
            Entry { sub: entry.sub, name: base }
        };
        Ok(FileMove { from: from.clone(), old: entry.clone(), to: to.clone(), new, problems })
    }

    /// Whether the target's file system is known to allow colons in names, because the
    /// message has one in its name and is on the same file system.
    fn has_colons(&mut self, from: &Place, entry: &Entry, target: &MaildirFolder) -> bool {
        entry.name.contains(INFO)
            && self.folder(from).is_ok_and(|source| !is_on_other_device(&source, target))
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
        let mut again = true;
        loop {
            let new = target.directory(step.new.sub)?;
            if step.old.name == step.new.name && is_one_directory(old, new) {
                // One folder under two names, for example by a link.
                return Ok(MoveOutcome::Moved);
            }
            match rename_new(old, &step.old.name, new, &step.new.name) {
                Ok(()) => break,
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
        Ok(MoveOutcome::Moved)
    }

    /// Deletes a message permanently. It is gone from the disk after [`Mover::sync`].
    ///
    /// # Errors
    /// The message is where it was.
    pub fn delete(&mut self, place: &Place, entry: &Entry) -> Result<MoveOutcome, Failure> {
        let folder = self.folder(place)?;
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
        Ok(MoveOutcome::Moved)
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
            has_same_content(&target, &new, &source, &old)
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
                MoveOutcome::Moved => {
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
mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
    use std::path::Path;
    use std::time::{Duration, SystemTime};

    use crate::plan::Folder;
    use crate::rules::program::Layout;

    use super::super::testing::flags;
    use super::*;

    fn location(home: &Path, layout: Layout) -> Location {
        Location::new(home.join("Maildir"), layout, None)
    }

    fn place(location: &Location, name: &str) -> Place {
        location.place(&Folder::named(name))
    }

    fn write(path: PathBuf, text: &str) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn entry(path: &str) -> Entry {
        Entry::of(path).unwrap()
    }

    /// Moves `file` (`cur/NAME`) and returns the new path below the Maildir.
    fn refile(
        location: &Location,
        (from, file): (&str, &str),
        to: &str,
        add: Flags,
    ) -> Result<Option<(String, Vec<String>)>, Failure> {
        let (from, to) = (place(location, from), place(location, to));
        let (entry, remove) = (entry(file), Flags::default());
        let request =
            MoveRequest { from: &from, entry: &entry, to: &to, add: &add, remove: &remove };
        let refiled = Mover::open(location)?.refile(&request)?;
        Ok(refiled.map(|refiled| {
            let path = refiled.path.strip_prefix(&location.path).unwrap();
            assert!(refiled.path.exists());
            (path.to_str().unwrap().to_owned(), refiled.problems)
        }))
    }

    fn moved(location: &Location, from: (&str, &str), to: &str, add: Flags) -> String {
        let (path, problems) = refile(location, from, to, add).unwrap().unwrap();
        assert_eq!(problems, Vec::<String>::new());
        path
    }

    #[test]
    fn the_name_stays_but_for_flags_and_isyncs_number() {
        let home = tempfile::tempdir().unwrap();
        for (layout, folder) in [(Layout::MaildirPlusPlus, ".A.B"), (Layout::Fs, "A/B")] {
            let location = location(home.path(), layout);
            let cases = [
                ("new/1.a,S=3", "", "new/1.a,S=3"),
                ("new/2.a,S=3,U=7,W=4", "", "new/2.a,S=3,W=4"),
                ("new/3.a", "FS", "cur/3.a:2,FS"),
                ("new/3b.a:2,", "", "new/3b.a:2,"),
                ("new/3c.a:2,F", "", "cur/3c.a:2,F"),
                ("cur/4.a,U=12:2,", "", "cur/4.a:2,"),
                ("cur/5.a:2,RS", "F", "cur/5.a:2,FRS"),
                ("cur/6.a,U=x:2,S,odd", "S", "cur/6.a,U=x:2,S,odd"),
                ("cur/7.a", "", "cur/7.a:2,"),
            ];
            for (old, add, new) in cases {
                write(location.path.join(old), "x\n\n");
                let then = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
                fs::File::open(location.path.join(old)).unwrap().set_modified(then).unwrap();
                let path = moved(&location, ("", old), "A/B", flags(add, &[]));
                assert_eq!(path, format!("{folder}/{new}"));
                let metadata = fs::metadata(location.path.join(path)).unwrap();
                assert_eq!(metadata.modified().unwrap(), then, "INTERNALDATE");
                assert!(!location.path.join(old).exists());
            }
            fs::remove_dir_all(&location.path).unwrap();
        }
    }

    #[test]
    fn flags_alone_are_a_rename_in_the_folder() {
        let home = tempfile::tempdir().unwrap();
        let location = location(home.path(), Layout::Fs);
        write(location.path.join("cur/1.a,U=3:2,Sc"), "x");
        let path = moved(&location, ("", "cur/1.a,U=3:2,Sc"), "", flags("F", &["$x"]));
        assert_eq!(path, "cur/1.a,U=3:2,FSac", "an unknown letter stays where it is");
        write(location.path.join("new/2.a"), "x");
        assert_eq!(moved(&location, ("", "new/2.a"), "", flags("S", &[])), "cur/2.a:2,S");
    }

    #[test]
    fn keywords_get_the_letters_of_the_other_folder() {
        let home = tempfile::tempdir().unwrap();
        let location = location(home.path(), Layout::MaildirPlusPlus);
        write(location.path.join("dovecot-keywords"), "0 $Work\n1 $Junk\n2 todo\n");
        write(location.path.join(".A/dovecot-keywords"), "0 other\n1 $WORK\n");
        write(location.path.join("cur/1.a:2,Sacx"), "x");
        let path = moved(&location, ("", "cur/1.a:2,Sacx"), "A", flags("", &["new"]));
        assert_eq!(path, ".A/cur/1.a:2,Sbcdx");
        let text = fs::read_to_string(location.path.join(".A/dovecot-keywords")).unwrap();
        assert_eq!(text, "0 other\n1 $WORK\n2 todo\n3 new\n");
        // In the other folder `b` has got a meaning.
        write(location.path.join(".B/cur/2.a:2,b"), "x");
        let (path, problems) =
            refile(&location, ("B", "cur/2.a:2,b"), "A", Flags::default()).unwrap().unwrap();
        assert_eq!((path.as_str(), problems.len()), (".A/cur/2.a:2,", 1));
    }

    #[test]
    fn a_message_whose_keyword_has_no_room_stays() {
        let home = tempfile::tempdir().unwrap();
        let location = location(home.path(), Layout::Fs);
        let full: String = (0..26).map(|number| format!("{number} k{number}\n")).collect();
        write(location.path.join("A/dovecot-keywords"), &full);
        write(location.path.join("dovecot-keywords"), "0 mine\n");
        write(location.path.join("cur/1.a:2,a"), "x");
        let failure = refile(&location, ("", "cur/1.a:2,a"), "A", Flags::default()).unwrap_err();
        assert!(failure.to_string().contains("`mine`"), "{failure}");
        assert!(location.path.join("cur/1.a:2,a").exists());
        write(location.path.join("cur/2.a:2,"), "x");
        let added = refile(&location, ("", "cur/2.a:2,"), "A", flags("", &["more"]));
        let (path, problems) = added.unwrap().unwrap();
        assert_eq!((path.as_str(), problems.len()), ("A/cur/2.a:2,", 1));
    }

    #[test]
    fn what_a_reader_renamed_is_found_and_what_was_removed_is_not_a_failure() {
        let home = tempfile::tempdir().unwrap();
        let location = location(home.path(), Layout::Fs);
        write(location.path.join("cur/1.a,U=4:2,RS"), "x");
        assert_eq!(moved(&location, ("", "new/1.a"), "A", flags("F", &[])), "A/cur/1.a:2,FRS");
        let gone = refile(&location, ("", "new/1.a"), "A", Flags::default()).unwrap();
        assert_eq!(gone, None);
        assert_eq!(refile(&location, ("B", "new/1.a"), "A", Flags::default()).unwrap(), None);
    }

    #[test]
    fn no_file_is_replaced() {
        let home = tempfile::tempdir().unwrap();
        let location = location(home.path(), Layout::Fs);
        write(location.path.join("cur/1.a:2,"), "x");
        write(location.path.join("A/cur/1.a:2,"), "other");
        assert!(refile(&location, ("", "cur/1.a:2,"), "A", Flags::default()).is_err());
        assert_eq!(fs::read(location.path.join("A/cur/1.a:2,")).unwrap(), b"other");
        assert!(location.path.join("cur/1.a:2,").exists());
        // Both names belong to one file: left over from a move by link and unlink.
        fs::remove_file(location.path.join("A/cur/1.a:2,")).unwrap();
        fs::hard_link(location.path.join("cur/1.a:2,"), location.path.join("A/cur/1.a:2,"))
            .unwrap();
        assert_eq!(moved(&location, ("", "cur/1.a:2,"), "A", Flags::default()), "A/cur/1.a:2,");
        assert!(!location.path.join("cur/1.a:2,").exists());
    }

    #[test]
    fn a_folder_of_two_names_loses_nothing() {
        let home = tempfile::tempdir().unwrap();
        let location = location(home.path(), Layout::MaildirPlusPlus);
        for file in [".A/cur/1.a:2,", ".A/new/2.a", ".A/tmp/x"] {
            write(location.path.join(file), file);
        }
        symlink(".A", location.path.join(".B")).unwrap();
        assert_eq!(moved(&location, ("A", "cur/1.a:2,"), "B", flags("", &[])), ".B/cur/1.a:2,");
        assert_eq!(moved(&location, ("B", "new/2.a"), "A", flags("", &[])), ".A/new/2.a");
        assert_eq!(moved(&location, ("A", "cur/1.a:2,"), "B", flags("S", &[])), ".B/cur/1.a:2,S");
        let (from, to) = (place(&location, "A"), place(&location, "B"));
        let (old, new) = (entry("new/2.a"), entry("new/2.a"));
        let step = FileMove { from, old, to, new, problems: Vec::new() };
        assert!(!Mover::open(&location).unwrap().finish(&step).unwrap());
        assert_eq!(fs::read(location.path.join(".A/new/2.a")).unwrap(), b".A/new/2.a");
    }

    /// A Maildir with a folder `Far` on another file system, if there is one.
    #[allow(clippy::print_stderr, reason = "a skipped test says so")]
    fn with_far(home: &Path) -> Option<(Location, tempfile::TempDir)> {
        let far = tempfile::tempdir_in("/dev/shm").ok();
        let device = |path: &Path| fs::metadata(path).map(|metadata| metadata.dev()).ok();
        let Some(far) = far.filter(|far| device(far.path()) != device(home)) else {
            eprintln!("skipped: /dev/shm is no other file system");
            return None;
        };
        let location = location(home, Layout::MaildirPlusPlus);
        for name in ["new", "cur", "tmp"] {
            fs::create_dir_all(far.path().join(name)).unwrap();
            fs::create_dir_all(location.path.join(name)).unwrap();
        }
        symlink(far.path(), location.path.join(".Far")).unwrap();
        Some((location, far))
    }

    #[test]
    fn a_message_arrives_whole_on_another_file_system() {
        let home = tempfile::tempdir().unwrap();
        let Some((location, far)) = with_far(home.path()) else { return };
        let old = location.path.join("cur/1.a,U=3:2,S");
        let text = "Subject: x\n\n".to_owned() + &"a line\n".repeat(20_000);
        write(old.clone(), &text);
        fs::set_permissions(&old, PermissionsExt::from_mode(0o640)).unwrap();
        let then = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        fs::File::open(&old).unwrap().set_modified(then).unwrap();
        let path = moved(&location, ("", "cur/1.a,U=3:2,S"), "Far", flags("F", &[]));
        assert_eq!(path, ".Far/cur/1.a:2,FS");
        let new = far.path().join("cur/1.a:2,FS");
        assert!(fs::read_to_string(&new).unwrap() == text);
        let metadata = fs::metadata(&new).unwrap();
        assert_eq!((metadata.mode() & 0o7777, metadata.modified().unwrap()), (0o640, then));
        assert!(!old.exists());
        assert_eq!(fs::read_dir(far.path().join("tmp")).unwrap().count(), 0);
        // What a reader renamed is found, and what was removed is no failure.
        write(location.path.join("cur/2.a:2,RS"), "x");
        let path = moved(&location, ("", "new/2.a"), "Far", Flags::default());
        assert_eq!(path, ".Far/cur/2.a:2,RS");
        assert_eq!(refile(&location, ("", "new/2.a"), "Far", Flags::default()).unwrap(), None);
        // What is no message stays.
        symlink("1.a", location.path.join("cur/3.a:2,")).unwrap();
        assert!(refile(&location, ("", "cur/3.a:2,"), "Far", Flags::default()).is_err());
        assert!(location.path.join("cur/3.a:2,").is_symlink());
    }

    #[test]
    fn a_move_into_the_trash_that_was_cut_short_is_noted_once() {
        let home = tempfile::tempdir().unwrap();
        let location = location(home.path(), Layout::Fs);
        let file = "cur/1.a,S=5:2,S";
        write(location.path.join(file), "hello");
        fs::create_dir_all(location.path.join("Trash/cur")).unwrap();
        fs::hard_link(location.path.join(file), location.path.join("Trash").join(file)).unwrap();
        write(location.path.join("maildirsize"), "100S\n5 1\n");
        let step = |to| FileMove {
            from: place(&location, ""),
            old: entry(file),
            to: place(&location, to),
            new: entry(file),
            problems: Vec::new(),
        };
        // One folder under two names has every message once.
        symlink(".", location.path.join("again")).unwrap();
        let mut mover = Mover::open(&location).unwrap();
        assert!(!mover.finish(&step("again")).unwrap() && location.path.join(file).exists());
        for finished in [true, false] {
            assert_eq!(mover.finish(&step("Trash")).unwrap(), finished);
            assert!(!location.path.join(file).exists());
            assert!(location.path.join("Trash").join(file).exists());
            let size = fs::read_to_string(location.path.join("maildirsize")).unwrap();
            assert_eq!(size, "100S\n5 1\n-5 -1\n");
        }
    }

    #[test]
    fn what_is_deleted_frees_room_unless_it_was_in_the_trash() {
        let home = tempfile::tempdir().unwrap();
        let location = location(home.path(), Layout::Fs);
        write(location.path.join("maildirsize"), "100S\n");
        write(location.path.join("cur/1.a,S=5:2,S"), "hello");
        write(location.path.join("Trash/cur/2.a,S=7:2,S"), "hello 2");
        let mut mover = Mover::open(&location).unwrap();
        for (folder, file) in [("", "cur/1.a,S=5:2,S"), ("Trash", "cur/2.a,S=7:2,S")] {
            for outcome in [MoveOutcome::Moved, MoveOutcome::Missing] {
                let deleted = mover.delete(&place(&location, folder), &entry(file));
                assert_eq!(deleted.unwrap(), outcome, "{file}");
            }
            assert!(!location.path.join(folder).join(file).exists());
        }
        let size = fs::read_to_string(location.path.join("maildirsize")).unwrap();
        assert_eq!(size, "100S\n-5 -1\n");
        // A directory is no message.
        fs::create_dir(location.path.join("cur/3.a:2,")).unwrap();
        assert!(mover.delete(&place(&location, ""), &entry("cur/3.a:2,")).is_err());
    }

    #[test]
    fn a_folder_that_cannot_be_opened_does_not_count_as_empty() {
        let home = tempfile::tempdir().unwrap();
        let location = location(home.path(), Layout::Fs);
        fs::create_dir_all(location.path.join("cur")).unwrap();
        symlink("loop", location.path.join("loop")).unwrap();
        for (from, to) in [("loop", ""), ("", "loop")] {
            let step = FileMove {
                from: place(&location, from),
                old: entry("cur/1.a:2,"),
                to: place(&location, to),
                new: entry("cur/1.a:2,"),
                problems: Vec::new(),
            };
            assert!(Mover::open(&location).unwrap().carry_out(&step).is_err(), "{from} {to}");
        }
    }

    #[test]
    fn a_move_to_another_file_system_that_was_cut_short_is_finished() {
        let home = tempfile::tempdir().unwrap();
        let Some((location, far)) = with_far(home.path()) else { return };
        let (old, new) = ("cur/1.a,U=3:2,S", "cur/1.a:2,FS");
        let step = || FileMove {
            from: place(&location, ""),
            old: entry(old),
            to: place(&location, "Far"),
            new: entry(new),
            problems: Vec::new(),
        };
        let finish = || Mover::open(&location).unwrap().finish(&step()).unwrap();
        let there = |path: PathBuf| path.exists();
        let both = || {
            write(location.path.join(old), "x");
            write(far.path().join(new), "x");
        };
        // By the same move again.
        both();
        assert_eq!(moved(&location, ("", old), "Far", flags("F", &[])), format!(".Far/{new}"));
        assert!(!there(location.path.join(old)) && there(far.path().join(new)));
        // By the journal; if a reader has touched one of the two, that one stays.
        both();
        assert!(finish() && !there(location.path.join(old)) && there(far.path().join(new)));
        both();
        let read = location.path.join("cur/1.a,U=3:2,RS");
        fs::rename(location.path.join(old), &read).unwrap();
        assert!(finish() && there(read.clone()) && !there(far.path().join(new)));
        fs::remove_file(&read).unwrap();
        both();
        let read = far.path().join("cur/1.a:2,FRS");
        fs::rename(far.path().join(new), &read).unwrap();
        assert!(finish() && there(read.clone()) && !there(location.path.join(old)));
        fs::remove_file(read).unwrap();
        // Two different messages are never treated as one.
        both();
        fs::write(location.path.join(old), "y").unwrap();
        assert!(!finish());
        assert!(refile(&location, ("", old), "Far", flags("F", &[])).is_err());
        assert_eq!(fs::read(location.path.join(old)).unwrap(), b"y");
        assert_eq!(fs::read(far.path().join(new)).unwrap(), b"x");
        // Not even if one is the beginning of the other.
        for (here, there) in [("xy", "x"), ("x", "xy")] {
            fs::write(location.path.join(old), here).unwrap();
            fs::write(far.path().join(new), there).unwrap();
            assert!(!finish());
            assert!(refile(&location, ("", old), "Far", flags("F", &[])).is_err());
            assert_eq!(fs::read(location.path.join(old)).unwrap(), here.as_bytes());
            assert_eq!(fs::read(far.path().join(new)).unwrap(), there.as_bytes());
        }
        assert_eq!(fs::read_dir(far.path().join("tmp")).unwrap().count(), 0);
    }

    #[test]
    fn a_folder_that_was_removed_meanwhile_is_made_again() {
        let home = tempfile::tempdir().unwrap();
        let location = location(home.path(), Layout::Fs);
        write(location.path.join("cur/1.a:2,"), "x");
        write(location.path.join("cur/2.a:2,"), "y");
        let (from, to, none) = (place(&location, ""), place(&location, "A"), Flags::default());
        let mut mover = Mover::open(&location).unwrap();
        for file in ["cur/1.a:2,", "cur/2.a:2,"] {
            let entry = entry(file);
            let request =
                MoveRequest { from: &from, entry: &entry, to: &to, add: &none, remove: &none };
            assert!(mover.refile(&request).unwrap().is_some());
            fs::remove_dir_all(location.path.join("A")).unwrap();
        }
    }

    #[test]
    fn many_folders_do_not_run_out_of_descriptors() {
        let home = tempfile::tempdir().unwrap();
        let location = location(home.path(), Layout::MaildirPlusPlus);
        let mut mover = Mover::open(&location).unwrap();
        let (from, none) = (place(&location, ""), Flags::default());
        for number in 0..200 {
            let to = place(&location, &format!("A/{number}"));
            write(location.path.join(format!("new/{number}.x")), "x");
            let entry = entry(&format!("new/{number}.x"));
            let request =
                MoveRequest { from: &from, entry: &entry, to: &to, add: &none, remove: &none };
            let step = mover.prepare(&request).unwrap();
            assert_eq!(mover.carry_out(&step).unwrap(), MoveOutcome::Moved);
        }
        mover.sync().unwrap();
        assert!(mover.folders.len() <= OPEN_MAX);
        assert!(location.path.join(".A.199/new/199.x").exists());
    }
}
