//! An open folder of a Maildir: its messages are listed, read, and found again after a
//! mail reader has renamed them.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use rustix::fs::{AtFlags, Dir, FileType, fstat, statat};
use rustix::io::Errno;

use crate::file;
use crate::flags::Flags;
use crate::message::Message;
use crate::outcome::Failure;
use crate::plan::Folder;
use crate::rules::program::{FolderNames, Layout};

use super::disk::is_in_place;
use super::entry::{Entry, Sub};
use super::location::{Location, Place};
use super::name::{self, INFO};
use super::open::{open_below, takes_colons};
use super::store::Maildir;
use super::{keywords, mutf7};

/// How many levels deep we look for folders.
const DEPTH_MAX: usize = 64;

/// An open folder. A directory that is missing has no messages.
pub struct MaildirFolder {
    pub(super) path: PathBuf,
    pub(super) handle: Arc<OwnedFd>,
    new: Option<OwnedFd>,
    cur: Option<OwnedFd>,
    /// The result of [`MaildirFolder::new_delimiter`] after its first call.
    delimiter: OnceLock<Option<&'static str>>,
}

impl Maildir<'_> {
    /// Opens an existing folder; a link is followed only where a delivery would follow
    /// it.
    ///
    /// # Errors
    /// The folder does not exist, or it cannot be opened.
    pub fn folder(&self, place: &Place) -> Result<MaildirFolder, Failure> {
        let (handle, path) = self.open_directories(&place.directories)?;
        let open = |sub: Sub| match open_below(
            &handle,
            sub.name(),
            &path.join(sub.name()),
            &self.location.bounds,
        ) {
            Err(failure) if failure.error.kind() == ErrorKind::NotFound => Ok(None),
            other => other.map(Some),
        };
        let (new, cur) = (open(Sub::New)?, open(Sub::Cur)?);
        Ok(MaildirFolder { path, handle, new, cur, delimiter: OnceLock::new() })
    }

    /// All existing folders, the Maildir itself first, then by name; and what cannot be
    /// read.
    pub fn folders(&self) -> (Vec<Place>, Vec<Failure>) {
        let (mut places, mut problems) = (Vec::new(), Vec::new());
        let mut seen = HashSet::new();
        let mut open = vec![Place { directories: Vec::new(), note: None }];
        while let Some(place) = open.pop() {
            let listed = self.folder(&place).and_then(|folder| {
                let fail = |error: Errno| Failure::new("read the folder", &folder.path, error);
                let metadata = fstat(&folder.handle).map_err(fail)?;
                let new = seen.insert((metadata.st_dev, metadata.st_ino));
                let below =
                    if new { self.below(&place, &folder).map_err(fail)? } else { Vec::new() };
                Ok((new && (folder.new.is_some() || folder.cur.is_some()), below))
            });
            match listed {
                Ok((is_folder, below)) => {
                    open.extend(below);
                    if is_folder {
                        places.push(place);
                    }
                }
                Err(failure) => problems.push(failure),
            }
        }
        (places, problems)
    }

    /// The directories in a folder that may be folders, the first one last.
    fn below(&self, place: &Place, folder: &MaildirFolder) -> Result<Vec<Place>, Errno> {
        let plus = self.location.layout == Layout::MaildirPlusPlus;
        let depth = place.directories.len();
        if plus && depth > 0 || depth >= DEPTH_MAX {
            return Ok(Vec::new());
        }
        let mut below = Vec::new();
        for entry in Dir::read_from(&folder.handle)? {
            let entry = entry?;
            let Ok(name) = entry.file_name().to_str() else { continue };
            if matches!(name, "." | ".." | "new" | "cur" | "tmp") || name.starts_with('.') != plus {
                continue;
            }
            // It may be a link, and its target anything; file systems need not report it.
            let is_directory = entry.file_type() == FileType::Directory
                || statat(&folder.handle, name, AtFlags::empty()).is_ok_and(|metadata| {
                    FileType::from_raw_mode(metadata.st_mode) == FileType::Directory
                });
            if is_directory {
                let mut directories = place.directories.clone();
                directories.push(name.to_owned());
                below.push(Place { directories, note: None });
            }
        }
        below.sort_unstable_by(|one, other| other.directories.cmp(&one.directories));
        Ok(below)
    }
}

impl Location {
    /// Whether a folder exists, as a delivery would find it; nothing is created.
    ///
    /// # Errors
    /// That cannot be determined.
    pub fn has_folder(&self, folder: &Folder) -> Result<bool, Failure> {
        let place = self.place(folder);
        if place.note.is_some() {
            return Ok(false);
        }
        if place.is(&self.place(&Folder::default())) {
            return Ok(true);
        }
        let maildir = match Maildir::open_existing(self) {
            Err(failure) if failure.error.kind() == ErrorKind::NotFound => {
                return self.find_home().map(|()| false);
            }
            opened => opened?,
        };
        match maildir.folder(&place) {
            // Any other directory may be an index of a mail reader's.
            Ok(open) => Ok(open.new.is_some() || open.cur.is_some()),
            // A delivery creates the folder, fails, or goes to the inbox.
            Err(failure) if is_no_folder(&failure.error) => Ok(false),
            Err(failure) => Err(failure),
        }
    }

    /// The path of a folder, for people and for watching.
    pub fn path_of_place(&self, place: &Place) -> PathBuf {
        self.path_of(&place.directories)
    }

    /// The path of a message in a folder, for people.
    pub fn path_of_entry(&self, place: &Place, entry: &Entry) -> PathBuf {
        self.path_of(&place.directories).join(entry.sub.name()).join(&entry.name)
    }

    /// The folder of a place, by the names that people read.
    pub fn folder_of(&self, place: &Place) -> Folder {
        if place.is(&self.place(&Folder::default())) {
            return Folder::default();
        }
        let names = place.directories.iter().flat_map(|name| match self.layout {
            Layout::MaildirPlusPlus => {
                name.strip_prefix('.').unwrap_or(name).split('.').collect::<Vec<_>>()
            }
            Layout::Fs => vec![name.as_str()],
        });
        let decoded = |name: &str| match self.names {
            Some(FolderNames::Mutf7) | None => mutf7::decode(name),
            Some(FolderNames::Utf8) => None,
        };
        let parts = names.map(|name| decoded(name).unwrap_or_else(|| name.to_owned()));
        Folder { parts: parts.collect() }
    }
}

/// Whether an error means that there is no such folder.
fn is_no_folder(error: &io::Error) -> bool {
    let none = [Errno::NOENT, Errno::NOTDIR, Errno::NAMETOOLONG];
    Errno::from_io_error(error).is_some_and(|error| none.contains(&error))
        || file::is_leading_out(error)
}

impl MaildirFolder {
    /// The folder's path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The path of a message.
    pub fn path_of(&self, entry: &Entry) -> PathBuf {
        self.path.join(entry.sub.name()).join(&entry.name)
    }

    pub(super) fn directory(&self, sub: Sub) -> Result<&OwnedFd, Failure> {
        let directory = match sub {
            Sub::New => &self.new,
            Sub::Cur => &self.cur,
        };
        let missing = || Failure::new("open the folder", self.path.join(sub.name()), Errno::NOENT);
        directory.as_ref().ok_or_else(missing)
    }

    /// Whether this file exists.
    pub fn has(&self, entry: &Entry) -> bool {
        self.directory(entry.sub).is_ok_and(|directory| {
            statat(directory, &entry.name, AtFlags::SYMLINK_NOFOLLOW).is_ok()
        })
    }

    /// Whether its path still leads to it.
    pub(super) fn is_in_place(&self) -> bool {
        is_in_place(&self.handle, &self.path)
    }

    /// Whether both `new` and `cur` exist.
    pub(super) fn is_whole(&self) -> bool {
        self.new.is_some() && self.cur.is_some()
    }

    /// The messages, those in `new` first, each directory's in the order of names; and
    /// files that cannot be messages or cannot be listed.
    pub fn list(&self) -> (Vec<Entry>, Vec<Failure>) {
        let (mut entries, mut problems) = (Vec::new(), Vec::new());
        for sub in [Sub::New, Sub::Cur] {
            let Ok(directory) = self.directory(sub) else { continue };
            let fail = |error: io::Error| {
                Failure::new("read the folder", self.path.join(sub.name()), error)
            };
            let listed = match Dir::read_from(directory) {
                Ok(listed) => listed,
                Err(error) => {
                    problems.push(fail(error.into()));
                    continue;
                }
            };
            let before = entries.len();
            for entry in listed {
                let entry = match entry {
                    Ok(entry) => entry,
                    Err(error) => {
                        problems.push(fail(error.into()));
                        break;
                    }
                };
                match entry.file_name().to_str() {
                    Ok(name) if name.starts_with('.') => {}
                    Ok(name) => entries.push(Entry { sub, name: name.to_owned() }),
                    Err(_) => {
                        let name = entry.file_name().to_string_lossy().into_owned();
                        let path = self.path.join(sub.name()).join(name);
                        let error = io::Error::new(ErrorKind::InvalidData, "its name is not UTF-8");
                        problems.push(Failure::new("use as a message", path, error));
                    }
                }
            }
            if let Some(listed) = entries.get_mut(before..) {
                listed.sort_unstable();
            }
        }
        (entries, problems)
    }

    /// The messages by their key, to find again those that were renamed.
    pub fn by_key(&self) -> HashMap<String, Entry> {
        let (entries, _) = self.list();
        entries.into_iter().map(|entry| (entry.key(), entry)).collect()
    }

    /// The delimiter before flags in this folder's names: `:2,`; where names cannot
    /// contain a colon (vfat, exFAT, CIFS), the one that others have used in it; none if
    /// nobody has. Whether colons are possible is tried in `tmp`.
    pub(super) fn new_delimiter(&self, tmp: &OwnedFd) -> Option<&'static str> {
        *self.delimiter.get_or_init(|| match takes_colons(tmp) {
            true => Some(INFO),
            false => self.cur.as_ref().and_then(name::delimiter_in_use),
        })
    }

    /// Opens a message for reading.
    ///
    /// # Errors
    /// It cannot be opened, for example `NotFound`, or is not a regular file; the target
    /// of a symbolic link does not belong to the folder.
    pub fn open(&self, entry: &Entry) -> Result<Message, Failure> {
        let file = self.file(entry)?;
        let opened = Message::open(file).inspect(|message| message.set_stored_name(&entry.name));
        opened.map_err(|error| Failure::new("read", self.path_of(entry), error))
    }

    pub(super) fn file(&self, entry: &Entry) -> Result<File, Failure> {
        let file = file::open_at(self.directory(entry.sub)?, &entry.name, file::READ_OWN);
        file.map_err(|error| {
            let error = match Errno::from_io_error(&error) {
                Some(Errno::LOOP) => {
                    io::Error::new(ErrorKind::InvalidInput, "it is a symbolic link")
                }
                _ => error,
            };
            let doing = if file::is_not_regular(&error) { "read" } else { "open" };
            Failure::new(doing, self.path_of(entry), error)
        })
    }

    /// The flags of a message, its keywords by name; keywords are left out if their names
    /// cannot be read.
    pub fn flags(&self, entry: &Entry) -> Flags {
        let letters = entry.letters().chars().filter(|letter| !letter.is_ascii_lowercase());
        let (keywords, _) = self.keywords(entry).unwrap_or_default();
        Flags { letters: letters.collect(), keywords }
    }

    /// The keywords of a message, and the letters of those that have no name.
    ///
    /// # Errors
    /// The folder's file of names cannot be read.
    pub fn keywords(&self, entry: &Entry) -> io::Result<(Vec<String>, String)> {
        let letters: String = entry.letters().chars().filter(char::is_ascii_lowercase).collect();
        match letters.as_str() {
            "" => Ok(Default::default()),
            letters => keywords::names(&self.handle, letters),
        }
    }

    /// When a message's file was put where it is, or its status last changed, seconds
    /// since 1970.
    ///
    /// # Errors
    /// It does not exist, or its time cannot be read.
    pub fn changed_at(&self, entry: &Entry) -> io::Result<i64> {
        let directory = self.directory(entry.sub).map_err(|failure| failure.error)?;
        Ok(statat(directory, entry.name.as_str(), AtFlags::SYMLINK_NOFOLLOW)?.st_ctime)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_folder_exists_where_a_delivery_finds_one() {
        let home = tempfile::tempdir().unwrap();
        let make = |name: &str| fs::create_dir_all(home.path().join(name)).unwrap();
        for name in
            ["m/new", "m/.A.B/cur", "m/.&j,dg0TDhMPww6w-/new", "m/A/B/cur", "m/.index", "out/cur"]
        {
            make(name);
        }
        fs::write(home.path().join("m/.file"), "").unwrap();
        for (link, target) in
            [("in", ".A.B"), ("gone", "none"), ("out", "../out"), ("ring", "."), ("loop", ".loop")]
        {
            symlink(target, home.path().join("m").join(format!(".{link}"))).unwrap();
        }
        let mut location = Location::new(home.path().join("m"), Layout::MaildirPlusPlus, None);
        let has = |location: &Location, name: &str| {
            location.has_folder(&Folder::named(name)).map_err(|failure| failure.to_string())
        };
        for (name, there) in [
            ("", true),
            ("INBOX", true),
            ("A/B", true),
            ("A", false),
            ("A/C", false),
            ("迷惑メール", true),
            ("index", false),
            ("file", false),
            ("in", true),
            ("gone", false),
            ("out", true),
            ("ring", true),
            (&"あ/".repeat(60), false),
        ] {
            assert_eq!(has(&location, name), Ok(there), "{name}");
        }
        assert!(has(&location, "loop").is_err());
        location.inbox = Folder::named("In");
        assert_eq!(has(&location, "In"), Ok(true), "the inbox always exists");
        location.renamed = vec![(Folder::named("A/B"), Folder::named("in"))];
        assert_eq!(has(&location, "A/B"), Ok(false));
        let fs_layout = Location::new(home.path().join("m"), Layout::Fs, None);
        for (name, there) in [("A/B", true), ("A", false), ("inbox", true), ("A/B/C", false)] {
            assert_eq!(has(&fs_layout, name), Ok(there), "{name}");
        }

        // No Maildir yet: the first delivery creates it, if the home is there.
        let mut none = Location::new(home.path().join("none"), Layout::Fs, None);
        none.home = Some(home.path().to_owned());
        assert_eq!(has(&none, "A"), Ok(false));
        assert!(!none.path.exists());
        none.home = Some(none.path.clone());
        assert!(has(&none, "A").unwrap_err().contains("home directory"));
        let file = Location::new(home.path().join("m/.file"), Layout::Fs, None);
        assert!(has(&file, "A").is_err());
    }

    #[test]
    fn folders_are_found_in_both_layouts_by_the_names_of_people() {
        let home = tempfile::tempdir().unwrap();
        for name in ["new", "cur", "tmp", "courierimapkeywords"] {
            fs::create_dir_all(home.path().join(name)).unwrap();
        }
        let other = tempfile::tempdir().unwrap();
        fs::create_dir(other.path().join("cur")).unwrap();
        for name in [".A.B/.C", ".A.B", ".&j,dg0TDhMPww6w-", "A/B", "迷惑"] {
            fs::create_dir_all(home.path().join(name).join("cur")).unwrap();
        }
        fs::create_dir(home.path().join(".nothing")).unwrap();
        fs::write(home.path().join(".file"), "").unwrap();
        symlink("..", home.path().join("A/ring")).unwrap();
        for (target, link) in [(".A.B", "again"), (".file", "to-file"), ("none", "to-none")] {
            symlink(target, home.path().join(format!(".{link}"))).unwrap();
            symlink(target, home.path().join(link)).unwrap();
        }
        for link in ["linked", ".linked"] {
            symlink(other.path(), home.path().join(link)).unwrap();
        }
        let found = |layout| {
            let location = Location::new(home.path(), layout, None);
            let (places, problems) = Maildir::open(&location).unwrap().folders();
            assert_eq!(problems.len(), 0, "{problems:?}");
            places.iter().map(|place| location.folder_of(place).to_string()).collect::<Vec<_>>()
        };
        assert_eq!(found(Layout::MaildirPlusPlus), ["INBOX", "迷惑メール", "A/B", "linked"]);
        assert_eq!(found(Layout::Fs), ["INBOX", "A/B", "again", "linked", "迷惑"]);
    }

    #[test]
    fn what_is_not_a_message_is_reported_and_hidden_files_are_ignored() {
        let home = tempfile::tempdir().unwrap();
        for file in ["cur/2.a:2,", "cur/1.a:2,S", "new/9.a", "new/.hidden"] {
            fs::create_dir_all(home.path().join(file).parent().unwrap()).unwrap();
            fs::write(home.path().join(file), "A: b\n\n").unwrap();
        }
        fs::create_dir(home.path().join("cur/dir:2,")).unwrap();
        symlink("1.a:2,S", home.path().join("cur/link:2,")).unwrap();
        let location = Location::new(home.path(), Layout::Fs, None);
        let maildir = Maildir::open(&location).unwrap();
        let folder = maildir.folder(&location.place(&Folder::default())).unwrap();
        let (entries, problems) = folder.list();
        let names: Vec<String> = entries.iter().map(Entry::to_string).collect();
        assert_eq!(names, ["new/9.a", "cur/1.a:2,S", "cur/2.a:2,", "cur/dir:2,", "cur/link:2,"]);
        assert!(problems.is_empty());
        let read = |name: &str| folder.open(&Entry::of(name).unwrap()).map(|_| ());
        assert!(read("new/9.a").is_ok());
        let why = |name: &str, doing: &str, why: &str| {
            let message = read(name).unwrap_err().to_string();
            assert!(message.starts_with(doing) && message.contains(why), "{message}");
        };
        why("cur/dir:2,", "cannot read", "not a regular file");
        why("cur/link:2,", "cannot open", "symbolic link");
        assert_eq!(read("cur/gone").unwrap_err().error.kind(), ErrorKind::NotFound);
    }
}
