//! Where a Maildir is, how its folders are laid out, and which directories each of them
//! has.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::file::{ANYWHERE, Bounds};
use crate::plan::Folder;
use crate::rules::program::{FolderNames, Layout, OverQuota};

use super::directories;
use super::sharing::Sharing;

/// A Maildir and how its folders are laid out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// The Maildir itself.
    pub path: PathBuf,
    /// The layout of its folders.
    pub layout: Layout,
    /// How their names are written, if that is set; otherwise as in existing folders.
    pub names: Option<FolderNames>,
    /// The folder that is the inbox, if not the Maildir itself.
    pub inbox: Folder,
    /// Folders that no longer exist, each with the one that has its mail: mail for the
    /// first goes to the inbox.
    pub renamed: Vec<(Folder, Folder)>,
    /// The home, which is never created.
    pub home: Option<PathBuf>,
    /// Who else may use what is created.
    pub sharing: Sharing,
    /// Whether created folders are subscribed; if not set, in the subscription files that
    /// exist.
    pub subscribe: Option<bool>,
    /// What happens to mail for which the quota has no room.
    pub over_quota: OverQuota,
    /// A number that identifies the files of one delivery, see [`super::recover`].
    pub delivery: Option<u64>,
    /// Where a confined user's Maildir must be; no link is followed out of it.
    pub bounds: Bounds,
}

/// A folder's directories from the Maildir down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    pub(super) directories: Vec<String>,
    /// Why it is not the folder that was asked for.
    pub note: Option<String>,
}

impl Place {
    /// The folder of these directories; an empty list is the Maildir itself. None if one
    /// of them is not a single name, for example `..`.
    pub fn of(directories: Vec<String>) -> Option<Place> {
        let is_name = |name: &String| {
            !matches!(name.as_str(), "" | "." | "..") && !name.contains(['/', '\0'])
        };
        directories.iter().all(is_name).then_some(Place { directories, note: None })
    }

    /// The directories from the Maildir down, as they are on disk.
    pub fn directories(&self) -> &[String] {
        &self.directories
    }

    /// Whether both are the same folder.
    pub fn is(&self, other: &Place) -> bool {
        self.directories == other.directories
    }
}

impl Location {
    /// A Maildir that is itself the inbox.
    pub fn new(path: impl Into<PathBuf>, layout: Layout, names: Option<FolderNames>) -> Location {
        Location {
            path: path.into(),
            layout,
            names,
            inbox: Folder::default(),
            renamed: Vec::new(),
            home: None,
            sharing: Sharing::Private,
            subscribe: None,
            over_quota: OverQuota::default(),
            delivery: None,
            bounds: ANYWHERE,
        }
    }

    /// The folder that is the inbox if no setting says so: the Maildir itself; but in the
    /// fs layout a folder `INBOX`, in upper or lower case, if it exists and the Maildir
    /// itself holds no mail. mbsync and OfflineIMAP use that layout.
    pub fn find_inbox(&self) -> Folder {
        let is_maildir = |path: &Path| ["cur", "new"].iter().all(|sub| path.join(sub).is_dir());
        if self.layout != Layout::Fs || is_maildir(&self.path) {
            return Folder::default();
        }
        let names = ["INBOX", "Inbox", "inbox"].into_iter();
        let mut there = names.filter(|name| is_maildir(&self.path.join(name)));
        Folder { parts: there.next().into_iter().map(str::to_owned).collect() }
    }

    /// Where mail for a folder goes: into that folder; into the inbox if its name is too long
    /// for a file system, or if it is one of those that were renamed. Whose mail is looked at
    /// or taken away is [`Location::own_place`].
    pub fn place(&self, folder: &Folder) -> Place {
        if let Some((_, other)) = self.renamed.iter().find(|(gone, _)| gone == folder) {
            let note = format!("`{folder}` is gone and its mail is in `{other}`, so the inbox");
            return self.inbox_because(note);
        }
        self.place_by_name(folder)
    }

    /// Where a folder itself is, though it may not exist; none if its name is none that a
    /// folder can have.
    pub fn own_place(&self, folder: &Folder) -> Option<Place> {
        Some(self.place_by_name(folder)).filter(|place| place.note.is_none())
    }

    fn place_by_name(&self, folder: &Folder) -> Place {
        let directories = match folder.parts.split_first() {
            Some((first, below)) if first.eq_ignore_ascii_case("INBOX") => {
                self.below_inbox(first, below)
            }
            Some(_) => self.directories(folder),
            None => self.directories(&self.inbox),
        };
        match directories {
            Some(directories) if self.are_own(&directories) => {
                self.inbox_because(format!("`{folder}` is a directory of the Maildir itself"))
            }
            Some(directories) => Place { directories, note: None },
            None => self.inbox_because(too_long(folder)),
        }
    }

    fn inbox_because(&self, note: String) -> Place {
        let directories = self.directories(&self.inbox).unwrap_or_default();
        Place { directories, note: Some(note) }
    }

    /// The inbox, which is called `INBOX` whatever its directory (RFC 3501 §5.1), and in
    /// the fs layout the folders below it: if the inbox is the Maildir itself, Dovecot
    /// has `INBOX/A` in a directory `INBOX`.
    fn below_inbox(&self, first: &str, below: &[String]) -> Option<Vec<String>> {
        if below.is_empty() {
            return self.directories(&self.inbox);
        }
        let first = match self.layout {
            Layout::MaildirPlusPlus => vec![first.to_owned()],
            Layout::Fs if self.inbox.parts.is_empty() => vec![String::from("INBOX")],
            Layout::Fs => self.inbox.parts.clone(),
        };
        self.directories(&Folder { parts: [&first, below].concat() })
    }

    /// Whether a file system that ignores the case of letters takes one of these for a
    /// directory that each folder has: `New` for `new`.
    fn are_own(&self, directories: &[String]) -> bool {
        directories.iter().enumerate().any(|(at, name)| {
            let own = name.to_ascii_lowercase();
            if own == *name || !matches!(own.as_str(), "cur" | "new" | "tmp") {
                return false;
            }
            let above = self.path_of(directories.get(..at).unwrap_or_default());
            let file = |name: &str| {
                above.join(name).symlink_metadata().map(|about| (about.dev(), about.ino())).ok()
            };
            file(name).is_some_and(|id| Some(id) == file(&own))
        })
    }

    fn directories(&self, folder: &Folder) -> Option<Vec<String>> {
        match self.names {
            Some(names) => directories::directories(folder, self.layout, names),
            None => directories::directories_on_disk(&self.path, folder, self.layout),
        }
    }

    /// The directories of a folder in the unused spelling, modified UTF-7 or UTF-8, if
    /// both exist.
    pub fn other_spelling(&self, folder: &Folder) -> Option<Vec<String>> {
        let used = self.place(folder).directories;
        let spelled = |names| directories::directories(folder, self.layout, names);
        let both = [FolderNames::Mutf7, FolderNames::Utf8].into_iter().filter_map(spelled);
        let mut other = both.filter(|other| *other != used && self.path_of(other).is_dir());
        other.next().filter(|_| self.path_of(&used).is_dir())
    }

    /// The path of a folder, for people.
    pub fn folder_path(&self, folder: &Folder) -> PathBuf {
        self.path_of(&self.place(folder).directories)
    }

    pub(super) fn path_of(&self, directories: &[String]) -> PathBuf {
        let mut path = self.path.clone();
        path.extend(directories);
        path
    }
}

/// Why a message is in the inbox.
pub(crate) fn too_long(folder: &Folder) -> String {
    format!("the name of the folder `{folder}` is too long, so the inbox")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::testing::{folder, fs_layout, plus};
    use super::*;

    #[test]
    fn a_name_too_long_for_the_disk_is_the_inbox_with_a_note() {
        let location = plus(Path::new("/m"));
        let place = location.place(&folder(&"あ/".repeat(60)));
        assert!(place.note.is_some() && place.directories.is_empty());
        assert_eq!(location.folder_path(&folder("A/B")), Path::new("/m/Maildir/.A.B"));
        assert_eq!(location.place(&folder("inbox")).note, None);
    }

    #[test]
    fn no_recorded_name_leads_elsewhere() {
        for name in ["", ".", "..", "a/b", "a\0"] {
            assert_eq!(Place::of(vec!["A".into(), name.into()]), None, "{name:?}");
        }
        assert!(Place::of(vec!["A".into(), ".b".into()]).is_some());
    }

    #[test]
    fn the_inbox_may_be_a_folder_and_others_below_it() {
        let place = |location: &Location, name: &str| location.place(&folder(name)).directories;
        let mut location = fs_layout(Path::new("/m"));
        assert_eq!(place(&location, "Inbox"), Vec::<String>::new());
        assert_eq!(place(&location, "inbox/A"), ["INBOX", "A"]);
        for inbox in ["INBOX", "Inbox", "Posteingang"] {
            location.inbox = folder(inbox);
            for name in ["", "INBOX", "inbox"] {
                assert_eq!(place(&location, name), [inbox]);
            }
            assert_eq!(place(&location, "inbox/A"), [inbox, "A"]);
            assert_eq!(place(&location, "A"), ["A"]);
            assert_eq!(location.folder_of(&location.place(&folder(""))), Folder::default());
        }
        let mut location = plus(Path::new("/m"));
        assert_eq!(place(&location, "INBOX/A"), [".INBOX.A"]);
        location.inbox = folder("In");
        assert_eq!(place(&location, "INBOX"), [".In"]);
    }

    #[test]
    fn an_existing_inbox_is_found() {
        let home = tempfile::tempdir().unwrap();
        let location = fs_layout(home.path());
        assert_eq!(location.find_inbox(), Folder::default());
        for sub in ["cur", "new"] {
            fs::create_dir_all(home.path().join("Maildir/Inbox").join(sub)).unwrap();
        }
        assert_eq!(location.find_inbox(), folder("Inbox"));
        assert_eq!(plus(home.path()).find_inbox(), Folder::default());
        for sub in ["cur", "new"] {
            fs::create_dir(home.path().join("Maildir").join(sub)).unwrap();
        }
        assert_eq!(location.find_inbox(), Folder::default());
    }
}
