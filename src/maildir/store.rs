//! Storing in a Maildir so that nothing is lost and nothing incomplete is ever visible.
//!
//! A message is written, synced and closed as `tmp/NAME` (some file systems write at
//! close(2), and only then report an error), then renamed in one step to
//! `new/NAME,S=<bytes>`, or with flags to `cur/NAME,S=<bytes>:2,FLAGS`, never onto an
//! existing file, and the directory that received it is synced. After a failure the file
//! in `tmp/` is removed.
//!
//! tempfile and the maildir crate are not used here: their names are not those of a
//! Maildir, they work by path, and they do not sync directories.
//!
//! **Folders** are created private (0700, files 0600; see [`super::sharing::Sharing`])
//! whatever the umask is: `maildirfolder` (maildir++), `new` and `cur`; then the folder
//! and all above it up to the Maildir's parent are synced; `tmp` comes last. So whoever
//! finds `tmp` knows that the rest is on disk, even if another process created it a
//! moment ago.
//!
//! **Symbolic links.** The Maildir's own path may be one. Below it each directory is
//! opened relative to the one above, and a link is followed only if it belongs to the
//! user or to root, which is checked on the opened link itself: nobody else can ever lead
//! a delivery out of the Maildir. Nothing is created through a link; the folder there
//! must be complete. Confined users' links all have the same owner, so only those are
//! followed whose target is below the directory that contains them.

use std::cell::RefCell;
use std::fs::FileTimes;
use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use rustix::fs::{AtFlags, CWD, Mode, OFlags, fstat, fsync, mkdirat, open, openat, statat};
use rustix::io::Errno;

use super::amount::{Amount, counts};
use super::disk::{FileId, sync_directory};
use super::entry::Sub;
use super::location::{Location, Place};
use super::open::{DIR, create, open_below};
use super::staged::{StageState, StagedMessage};
use super::{keywords, name, subscriptions};
use crate::file;
use crate::flags::Flags;
use crate::message::{HeaderEdit, Message};
use crate::outcome::Failure;
use crate::rules::program::Layout;

/// An open Maildir.
pub struct Maildir<'a> {
    pub(crate) location: &'a Location,
    pub(super) root: Arc<OwnedFd>,
    /// What could not be done as asked while a folder was created.
    problems: RefCell<Vec<String>>,
}

/// What is known about a message that arrived long ago.
#[derive(Debug, Clone, Copy, Default)]
pub struct EarlierArrival {
    /// When it arrived, seconds since 1970, for the name and the time of its file.
    pub at: Option<u64>,
    /// Whether a mail reader has listed it: then it is not new, though it may have no
    /// flags.
    pub listed: bool,
}

/// An open folder: itself, its `tmp`, and the one of `new` and `cur` that receives.
pub(super) struct OpenFolder {
    pub(super) path: PathBuf,
    pub(super) folder: Arc<OwnedFd>,
    pub(super) tmp: OwnedFd,
    pub(super) destination: OwnedFd,
}

impl<'a> Maildir<'a> {
    /// Opens the Maildir; creates its directory if it is missing.
    ///
    /// # Errors
    /// The Maildir cannot be opened or created.
    pub fn open(location: &'a Location) -> Result<Maildir<'a>, Failure> {
        let path = location.path.as_path();
        let root = match location.bounds.open_directory(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                make_root(location)?;
                location.bounds.open_directory(path)
            }
            other => other,
        };
        Maildir::opened(location, root)
    }

    /// Opens the Maildir, which must exist.
    ///
    /// # Errors
    /// The Maildir cannot be opened.
    pub(super) fn open_existing(location: &'a Location) -> Result<Maildir<'a>, Failure> {
        Maildir::opened(location, location.bounds.open_directory(&location.path))
    }

    fn opened(location: &'a Location, root: io::Result<OwnedFd>) -> Result<Maildir<'a>, Failure> {
        let fail = |error| Failure::new("open the Maildir", &location.path, error);
        let root = Arc::new(root.map_err(fail)?);
        Ok(Maildir { location, root, problems: RefCell::default() })
    }

    /// Writes and syncs a message in the `tmp` of a folder, which is created if it is
    /// missing.
    ///
    /// # Errors
    /// The folder cannot be opened or created, or the message cannot be written.
    pub fn stage(
        &self,
        place: &Place,
        flags: &Flags,
        message: &Message,
        edits: &[HeaderEdit],
    ) -> Result<StagedMessage, Failure> {
        self.stage_earlier(place, flags, message, edits, EarlierArrival::default())
    }

    /// The same for a message that arrived long ago.
    ///
    /// # Errors
    /// As [`Maildir::stage`].
    pub fn stage_earlier(
        &self,
        place: &Place,
        flags: &Flags,
        message: &Message,
        edits: &[HeaderEdit],
        earlier: EarlierArrival,
    ) -> Result<StagedMessage, Failure> {
        let plain = flags.letters.is_empty() && flags.keywords.is_empty() && !earlier.listed;
        let sub = if plain { Sub::New } else { Sub::Cur };
        let (open, created_folder) = self.open_or_make(&place.directories, sub)?;

        let mut problems = self.problems.take();
        let mut letters: Vec<char> = flags.letters.chars().collect();
        if !flags.keywords.is_empty() {
            let (keywords, found) = keywords::letters(&open.folder, &flags.keywords);
            letters.extend(keywords.chars());
            problems.extend(found);
        }
        letters.sort_unstable();
        letters.dedup();

        let (name, mut file) = create(
            &open.tmp,
            &open.path,
            self.location.sharing,
            earlier.at,
            self.location.delivery,
        )?;
        let mut staged = StagedMessage {
            directory: open.path.join(sub.name()),
            folder: open.folder,
            tmp: open.tmp,
            destination: open.destination,
            state: StageState::Staged(name),
            file: None,
            size: String::new(),
            info: String::new(),
            problems,
            amount: Amount::default(),
            created_folder,
            bounds: self.location.bounds.clone(),
        };
        let tmp_path = || open.path.join("tmp");
        let size = message
            .write_to(edits, &mut file)
            .map_err(|error| Failure::new("write the message in", tmp_path(), error))?;
        if let Some(at) = earlier.at {
            let at = UNIX_EPOCH + Duration::from_secs(at);
            if let Err(error) = file.set_times(FileTimes::new().set_modified(at)) {
                staged.problems.push(format!("its date cannot be set: {error}"));
            }
        }
        fsync(&file).map_err(|error| Failure::new("sync the message in", tmp_path(), error))?;
        staged.file = fstat(&file).ok().map(|metadata| FileId::of(&metadata));
        file::close(file)
            .map_err(|error| Failure::new("close the message in", tmp_path(), error))?;
        staged.size = format!(",S={size}");
        let is_trashed = flags.letters.contains('T');
        if !is_trashed && counts(self.location.layout, place) {
            staged.amount = Amount { bytes: size.try_into().unwrap_or(i64::MAX), messages: 1 };
        }
        if !plain {
            staged.info.push_str(name::INFO);
            staged.info.extend(letters);
        }
        Ok(staged)
    }

    /// An open folder, and whether it had to be created.
    fn open_or_make(
        &self,
        directories: &[String],
        sub: Sub,
    ) -> Result<(OpenFolder, bool), Failure> {
        match self.open_folder(directories, sub) {
            Err(failure) if failure.error.kind() == ErrorKind::NotFound => {
                self.make_folder(directories)?;
                Ok((self.open_folder(directories, sub)?, true))
            }
            other => Ok((other?, false)),
        }
    }

    pub(super) fn open_folder(
        &self,
        directories: &[String],
        sub: Sub,
    ) -> Result<OpenFolder, Failure> {
        let (folder, path) = self.open_directories(directories)?;
        let open = |name| open_below(&folder, name, &path.join(name), &self.location.bounds);
        let (tmp, destination) = (open("tmp")?, open(sub.name())?);
        Ok(OpenFolder { path, folder, tmp, destination })
    }

    /// Opens directories, each below the one before it; returns the last and its path.
    pub(super) fn open_directories(
        &self,
        directories: &[String],
    ) -> Result<(Arc<OwnedFd>, PathBuf), Failure> {
        let mut folder = Arc::clone(&self.root);
        let mut path = self.location.path.clone();
        for name in directories {
            path.push(name);
            folder = Arc::new(open_below(&folder, name, &path, &self.location.bounds)?);
        }
        Ok((folder, path))
    }

    /// Creates what is missing of a folder; each step is safe against another process
    /// that does the same.
    pub(super) fn make_folder(&self, directories: &[String]) -> Result<(), Failure> {
        let sharing = self.location.sharing;
        let mut path = self.location.path.clone();
        let mut above = Vec::new();
        let mut folder = Arc::clone(&self.root);
        for name in directories {
            path.push(name);
            self.make_below(&folder, name, &path)?;
            let below = openat(&folder, name, DIR | OFlags::NOFOLLOW, Mode::empty())
                .map_err(|error| Failure::new("create a folder in", &path, error))?;
            above.push(std::mem::replace(&mut folder, Arc::new(below)));
        }
        if !directories.is_empty() && self.location.layout == Layout::MaildirPlusPlus {
            // Marks a folder for Courier's and Dovecot's delivery and quota. An existing
            // one may be read-only.
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
            match openat(&folder, "maildirfolder", flags, sharing.file_mode()) {
                Err(Errno::EXIST) => {}
                result => {
                    let file = result
                        .map_err(|error| Failure::new("make", path.join("maildirfolder"), error))?;
                    sharing.set_file_mode(&folder, file);
                }
            }
        }
        for name in ["new", "cur"] {
            self.make_below(&folder, name, &path.join(name))?;
        }
        for directory in std::iter::once(&folder).chain(above.iter().rev()) {
            sync_directory(directory)
                .map_err(|error| Failure::new("sync the folder", &path, error))?;
        }
        // The Maildir's own entry; its parent may not be accessible to us.
        if let Ok(parent) = openat(&self.root, "..", DIR, Mode::empty()) {
            sync_directory(&parent)
                .map_err(|error| Failure::new("sync the directory above", &path, error))?;
        }
        // Whoever finds no `tmp` will do it again: better twice than not at all.
        let is_new = matches!(statat(&folder, "tmp", AtFlags::empty()), Err(Errno::NOENT));
        if is_new {
            let Location { layout, subscribe, .. } = *self.location;
            let problems = subscriptions::subscribe(&self.root, directories, layout, subscribe);
            self.problems.borrow_mut().extend(problems);
        }
        self.make_below(&folder, "tmp", &path.join("tmp"))
    }

    fn make_below(&self, parent: &OwnedFd, name: &str, path: &Path) -> Result<(), Failure> {
        let sharing = self.location.sharing;
        match mkdirat(parent, name, sharing.directory_mode()) {
            Err(Errno::EXIST) => Ok(()),
            result => result.and_then(|()| sharing.set_directory_mode(parent, name)),
        }
        .map_err(|error| Failure::new("make the folder", path, error))
    }
}

impl Location {
    /// Fails if the Maildir is in a home that does not exist: its disk is not mounted yet.
    pub(super) fn find_home(&self) -> Result<(), Failure> {
        let missing = |home: &&Path| self.path.starts_with(home) && !home.is_dir();
        match self.home.as_deref().filter(missing) {
            Some(home) => Err(Failure::new("find the home directory", home, Errno::NOENT)),
            None => Ok(()),
        }
    }
}

/// Creates the Maildir's directory and what is missing above it, except the home: one
/// that is not mounted yet is not a place for mail. Its content is created as for every
/// folder.
fn make_root(location: &Location) -> Result<(), Failure> {
    let (path, sharing) = (location.path.as_path(), location.sharing);
    location.find_home()?;
    if location.bounds.directory().is_some_and(|directory| directory != path) {
        let result = location.bounds.make_directory(path, sharing.directory_mode());
        return result.map_err(|error| Failure::new("make the Maildir", path, error));
    }
    let fail = |error: Errno| Failure::new("make the Maildir", path, error);
    let missing = path.ancestors().take_while(|path| {
        !path.as_os_str().is_empty()
            && matches!(statat(CWD, *path, AtFlags::empty()), Err(Errno::NOENT))
    });
    let missing: Vec<&Path> = missing.collect();
    for directory in missing.into_iter().rev() {
        match mkdirat(CWD, directory, sharing.directory_mode()) {
            Err(Errno::EXIST) => continue,
            result => result.map_err(fail)?,
        }
        let parent = directory.parent().filter(|parent| !parent.as_os_str().is_empty());
        // It may not be accessible to us.
        let opened = open(parent.unwrap_or(Path::new(".")), DIR, Mode::empty());
        let Ok(parent) = opened else { continue };
        if let Some(name) = directory.file_name() {
            sharing.set_directory_mode(&parent, name).map_err(fail)?;
        }
        sync_directory(&parent).map_err(fail)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::fs::File;
    use std::os::unix::fs::{MetadataExt, lchown, symlink};

    use super::super::disk::rename_new;
    use super::super::testing::{flags, folder, fs_layout, plus};
    use super::*;

    fn store(location: &Location, name: &str, flags: &Flags) -> Result<PathBuf, Failure> {
        let message = Message::from_bytes(b"Subject: x\n\nhello\n".to_vec());
        let maildir = Maildir::open(location)?;
        let mut staged = maildir.stage(&location.place(&folder(name)), flags, &message, &[])?;
        let path = staged.commit()?;
        staged.keep();
        Ok(path)
    }

    fn names(directory: PathBuf) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(directory)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_message_without_flags_is_new() {
        let home = tempfile::tempdir().unwrap();
        let path = store(&plus(home.path()), "", &Flags::default()).unwrap();
        assert_eq!(path.parent().unwrap(), home.path().join("Maildir/new"));
        assert!(path.to_str().unwrap().ends_with(",S=18"), "{path:?}");
        assert_eq!(fs::read(&path).unwrap(), b"Subject: x\n\nhello\n");
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o600);
        assert_eq!(names(home.path().join("Maildir")), ["cur", "new", "tmp"]);
        for result in ["Maildir", "Maildir/cur", "Maildir/tmp"] {
            assert_eq!(fs::metadata(home.path().join(result)).unwrap().mode() & 0o7777, 0o700);
        }
        assert!(names(home.path().join("Maildir/tmp")).is_empty());
    }

    #[test]
    fn flags_and_keywords_stand_in_the_name_in_ascii_order() {
        let home = tempfile::tempdir().unwrap();
        let location = plus(home.path());
        let path = store(&location, "迷惑メール", &flags("SF", &["$Junk", "work"])).unwrap();
        assert!(path.to_str().unwrap().ends_with(",S=18:2,FSab"), "{path:?}");
        let folder = home.path().join("Maildir/.&j,dg0TDhMPww6w-");
        assert_eq!(path.parent().unwrap(), folder.join("cur"));
        assert_eq!(names(folder), ["cur", "dovecot-keywords", "maildirfolder", "new", "tmp"]);
        assert!(home.path().join("Maildir").exists());
    }

    #[test]
    fn a_keyword_alone_is_in_the_name_too() {
        let home = tempfile::tempdir().unwrap();
        let path = store(&plus(home.path()), "", &flags("", &["work"])).unwrap();
        assert!(path.to_str().unwrap().ends_with(",S=18:2,a"), "{path:?}");
        assert_eq!(path.parent().unwrap(), home.path().join("Maildir/cur"));
        let path = store(&plus(home.path()), "", &flags("SS", &[])).unwrap();
        assert!(path.to_str().unwrap().ends_with(",S=18:2,S"), "{path:?}");
    }

    #[test]
    fn what_cannot_be_done_as_asked_is_reported() {
        let home = tempfile::tempdir().unwrap();
        let location = Location { subscribe: Some(true), ..plus(home.path()) };
        fs::create_dir_all(location.path.join("subscriptions")).unwrap();
        let maildir = Maildir::open(&location).unwrap();
        let message = Message::from_bytes(b"x\n".to_vec());
        let place = location.place(&folder("A"));
        let staged = maildir.stage(&place, &flags("", &["a b"]), &message, &[]).unwrap();
        let [subscription, keyword] = staged.problems() else { panic!("{:?}", staged.problems()) };
        assert!(subscription.starts_with("cannot subscribe `A` in subscriptions: "));
        assert_eq!(keyword, "`a b` is not a keyword");
    }

    /// The home may be on a disk that is not mounted yet.
    #[test]
    fn a_home_that_is_missing_is_not_made() {
        let above = tempfile::tempdir().unwrap();
        let home = above.path().join("home");
        let location = Location { home: Some(home.clone()), ..plus(&home) };
        let failure = store(&location, "", &Flags::default()).unwrap_err();
        assert!(failure.to_string().contains("home directory"), "{failure}");
        assert!(!home.exists());
        fs::create_dir(&home).unwrap();
        store(&location, "", &Flags::default()).unwrap();
        // A Maildir elsewhere needs no home.
        let elsewhere = above.path().join("mail");
        let location = Location { home: Some(above.path().join("none")), ..plus(&elsewhere) };
        store(&location, "", &Flags::default()).unwrap();
    }

    #[test]
    fn levels_are_directories_in_the_fs_layout() {
        let home = tempfile::tempdir().unwrap();
        let path = store(&fs_layout(home.path()), "A/台北", &Flags::default()).unwrap();
        assert_eq!(path.parent().unwrap(), home.path().join("Maildir/A/&U,BTFw-/new"));
        assert_eq!(names(home.path().join("Maildir/A")), ["&U,BTFw-"]);
    }

    #[test]
    fn half_a_folder_is_completed() {
        let home = tempfile::tempdir().unwrap();
        for missing in ["tmp", "new", "cur"] {
            store(&plus(home.path()), "A", &Flags::default()).unwrap();
            fs::remove_dir_all(home.path().join("Maildir/.A").join(missing)).unwrap();
            store(&plus(home.path()), "A", &flags("S", &[])).unwrap();
            store(&plus(home.path()), "A", &Flags::default()).unwrap();
        }
    }

    #[test]
    fn fifty_at_once_into_a_missing_folder() {
        for location in [plus, fs_layout] {
            let home = tempfile::tempdir().unwrap();
            let location = location(&home.path().join("deep/er"));
            std::thread::scope(|scope| {
                for _ in 0..50 {
                    scope.spawn(|| store(&location, "A/B", &Flags::default()).unwrap());
                }
            });
            let path = location.folder_path(&folder("A/B"));
            assert_eq!(names(path.join("new")).len(), 50);
            assert!(names(path.join("tmp")).is_empty());
        }
    }

    #[test]
    fn a_users_own_link_to_a_folder_is_followed_but_nothing_is_created_through_it() {
        let home = tempfile::tempdir().unwrap();
        let other = Location::new(home.path().join("Other"), Layout::Fs, None);
        store(&other, "", &Flags::default()).unwrap();
        store(&plus(home.path()), "", &Flags::default()).unwrap();
        symlink("../Other", home.path().join("Maildir/.A")).unwrap();
        let path = store(&plus(home.path()), "A", &Flags::default()).unwrap();
        assert!(path.exists());
        assert_eq!(names(home.path().join("Other/new")).len(), 2);

        fs::create_dir(home.path().join("empty")).unwrap();
        symlink("../empty", home.path().join("Maildir/.B")).unwrap();
        let failure = store(&plus(home.path()), "B", &Flags::default()).unwrap_err();
        assert!(failure.to_string().contains("Maildir/.B"), "{failure}");
        assert!(names(home.path().join("empty")).is_empty());
    }

    #[test]
    #[allow(clippy::print_stderr, reason = "a skipped test says so")]
    fn a_link_of_someone_else_leads_nowhere() {
        if !rustix::process::geteuid().is_root() {
            eprintln!("skipped: only root can make another user's link");
            return;
        }
        let home = tempfile::tempdir().unwrap();
        let other = Location::new(home.path().join("Other"), Layout::Fs, None);
        store(&other, "", &Flags::default()).unwrap();
        store(&plus(home.path()), "A", &Flags::default()).unwrap();
        let maildir = home.path().join("Maildir");
        fs::remove_dir_all(maildir.join(".A/new")).unwrap();
        for (link, target) in [(".B", "../Other"), (".A/new", "../../Other/new")] {
            symlink(target, maildir.join(link)).unwrap();
            lchown(maildir.join(link), Some(12345), Some(12345)).unwrap();
        }
        for name in ["A", "B"] {
            let failure = store(&plus(home.path()), name, &Flags::default()).unwrap_err();
            assert!(failure.to_string().contains("another user's symbolic link"), "{failure}");
        }
        assert_eq!(names(home.path().join("Other/new")).len(), 1);
        assert!(names(maildir.join(".A/tmp")).is_empty());
    }

    #[test]
    fn the_maildir_itself_may_be_a_link_and_a_dangling_one_defers() {
        let home = tempfile::tempdir().unwrap();
        symlink("real", home.path().join("Maildir")).unwrap();
        assert!(store(&plus(home.path()), "A", &Flags::default()).is_err());
        fs::create_dir(home.path().join("real")).unwrap();
        store(&plus(home.path()), "A", &Flags::default()).unwrap();
        assert_eq!(names(home.path().join("real/.A/new")).len(), 1);
    }

    #[test]
    fn what_is_dropped_or_undone_leaves_nothing() {
        let home = tempfile::tempdir().unwrap();
        let location = plus(home.path());
        let message = Message::from_bytes(b"x\n".to_vec());
        let maildir = Maildir::open(&location).unwrap();
        let place = location.place(&folder("A"));
        let stage = || maildir.stage(&place, &flags("S", &[]), &message, &[]).unwrap();
        drop(stage());
        let mut committed = stage();
        let path = committed.commit().unwrap();
        assert!(path.exists() && committed.commit().is_err());
        assert!(committed.undo() && !path.exists());
        assert!(stage().undo());
        assert!(names(home.path().join("Maildir/.A/tmp")).is_empty());
    }

    #[test]
    fn an_existing_file_is_never_replaced() {
        let home = tempfile::tempdir().unwrap();
        let directory: OwnedFd = File::open(home.path()).unwrap().into();
        fs::write(home.path().join("a"), "new").unwrap();
        fs::write(home.path().join("b"), "old").unwrap();
        assert_eq!(rename_new(&directory, "a", &directory, "b"), Err(Errno::EXIST));
        assert_eq!(fs::read(home.path().join("b")).unwrap(), b"old");
        rename_new(&directory, "a", &directory, "c").unwrap();
        assert_eq!(names(home.path().to_path_buf()), ["b", "c"]);
    }

    #[test]
    fn a_folder_without_tmp_and_a_marker_that_cannot_be_written_are_made_whole() {
        let home = tempfile::tempdir().unwrap();
        let location = plus(home.path());
        let path = location.path.join(".A");
        for name in ["cur", "new"] {
            fs::create_dir_all(path.join(name)).unwrap();
        }
        fs::write(path.join("maildirfolder"), "").unwrap();
        let read_only = std::os::unix::fs::PermissionsExt::from_mode(0o444);
        fs::set_permissions(path.join("maildirfolder"), read_only).unwrap();
        let maildir = Maildir::open(&location).unwrap();
        let message = Message::from_bytes(b"x\n".to_vec());
        let mut staged =
            maildir.stage(&location.place(&folder("A")), &Flags::default(), &message, &[]).unwrap();
        let stored = staged.commit().unwrap();
        assert!(stored.starts_with(path.join("new")) && path.join("tmp").is_dir());
    }
}
