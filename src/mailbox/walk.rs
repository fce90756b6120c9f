//! Finding messages, one at a time and in a fixed order.
//!
//! Directories are walked in the order of their names, `new` before `cur`. Only names are
//! held in memory: those of the directories still to be walked, and the next files of one
//! directory. So a mailbox may have any size.
//!
//! A directory with `cur` or `new` is a Maildir, and its sub-folders of either layout are
//! walked after it. In any other directory each file is a message or an mbox, and each
//! directory is walked, too; in an MH folder, numbered files are messages. Hidden ones and Dovecot's own files are left out, unless they
//! are mboxes (somebody may be on a list `dovecot-users`), or hold KMail's folders below
//! another one (`.Work.directory`).

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::maildir::{mutf7, name as names};
use crate::outcome::Failure;
use crate::plan::Folder;

use super::directory_files::{DirectoryFiles, SourceKind, is_hidden, is_mbox, kind_of};
use super::mbox::Mbox;
use super::message_source::{MessageSource, Source, copy_stream, label, open_found, source_copy};
use super::mh;

/// How many levels of directories below a named one are walked.
const DEPTH_MAX: usize = 64;

/// Finds what is below these paths.
pub fn message_sources(paths: impl IntoIterator<Item = PathBuf>) -> Walk {
    message_sources_in(paths.into_iter().map(|path| (path, Folder::default())))
}

/// Finds what is below these paths; each is a known folder.
pub fn message_sources_in(paths: impl IntoIterator<Item = (PathBuf, Folder)>) -> Walk {
    let named = paths.into_iter().map(|(path, folder)| Task::Named(path, Arc::new(folder)));
    let mut tasks: Vec<Task> = named.collect();
    let single = tasks.len() == 1;
    tasks.reverse();
    Walk { tasks, mbox: None, seen: HashSet::new(), single }
}

impl From<MessageSource> for Walk {
    /// A walk that finds one message.
    fn from(source: MessageSource) -> Walk {
        Walk { tasks: vec![Task::Source(source)], mbox: None, seen: HashSet::new(), single: true }
    }
}

/// How many files are below these paths, as far as they can be listed; an
/// mbox counts as one.
pub fn count(paths: impl IntoIterator<Item = PathBuf>) -> usize {
    let mut walk = message_sources(paths);
    let mut files = 0;
    while let Some(task) = walk.tasks.pop() {
        match task {
            Task::Named(path, folder) if path.is_dir() => {
                let _ = walk.directory(path, folder, false, 0);
            }
            Task::Directory { path, folder, in_maildir, depth } => {
                let _ = walk.directory(path, folder, in_maildir, depth);
            }
            Task::Files(files_here) => files += files_here.all,
            Task::Named(..) | Task::Source(_) | Task::Problem(_) => files += 1,
        }
    }
    files
}

/// What is below some paths, see [`message_sources`].
pub struct Walk {
    /// What is still to be walked, the next one last.
    tasks: Vec<Task>,
    mbox: Option<(Mbox, Arc<Folder>)>,
    /// Directories that were walked, by device and inode, since links can form a cycle.
    seen: HashSet<(u64, u64)>,
    /// Whether the caller named a single path.
    single: bool,
}

enum Task {
    /// A path that the caller named, and its folder.
    Named(PathBuf, Arc<Folder>),
    /// A message that the caller has opened.
    Source(MessageSource),
    /// A directory, and whether it is in a Maildir.
    Directory { path: PathBuf, folder: Arc<Folder>, in_maildir: bool, depth: usize },
    /// The files of a directory.
    Files(DirectoryFiles),
    /// Something to be reported.
    Problem(Failure),
}

impl Iterator for Walk {
    type Item = Result<MessageSource, Failure>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(found) = self.next_of_mbox() {
                return Some(found);
            }
            if let Some(Task::Files(files)) = self.tasks.last_mut() {
                let found = match files.next() {
                    Some(Ok(name)) => file(files, name),
                    Some(Err(failure)) => Err(failure),
                    None => {
                        self.tasks.pop();
                        continue;
                    }
                };
                match found {
                    Ok(WalkEntry::Source(source)) => return Some(Ok(source)),
                    Ok(WalkEntry::Mbox(mbox, folder)) => self.mbox = Some((mbox, folder)),
                    Err(failure) => return Some(Err(failure)),
                }
                continue;
            }
            let step = match self.tasks.pop()? {
                Task::Named(path, folder) => self.open_named(path, folder),
                Task::Source(source) => Ok(Some(source)),
                Task::Directory { path, folder, in_maildir, depth } => {
                    self.directory(path, folder, in_maildir, depth).map(|()| None)
                }
                Task::Problem(failure) => Err(failure),
                Task::Files(_) => Ok(None),
            };
            match step {
                Ok(Some(source)) => return Some(Ok(source)),
                Ok(None) => {}
                Err(failure) => return Some(Err(failure)),
            }
        }
    }
}

impl Walk {
    /// The next message of the mbox that is being read, if there is one.
    fn next_of_mbox(&mut self) -> Option<Result<MessageSource, Failure>> {
        let (mbox, folder) = self.mbox.as_mut()?;
        let message = match mbox.next() {
            Some(Ok(message)) => message,
            Some(Err(failure)) => return Some(Err(failure)),
            None => {
                self.mbox = None;
                return None;
            }
        };
        let label = match message.is_only {
            true => label(mbox.path()),
            false => format!("{}#{}", label(mbox.path()), message.number),
        };
        Some(Ok(MessageSource {
            label,
            path: mbox.path().to_owned(),
            number: message.number,
            part: message.part,
            is_only: self.single && message.is_only && mbox.is_named(),
            flags: String::new(),
            folder: folder.clone(),
            source: Source::Copy(message.copy),
        }))
    }

    fn open_named(
        &mut self,
        path: PathBuf,
        folder: Arc<Folder>,
    ) -> Result<Option<MessageSource>, Failure> {
        let file = File::open(&path).map_err(|error| Failure::new("open", &path, error))?;
        let metadata = file.metadata().map_err(|error| Failure::new("read", &path, error))?;
        if metadata.is_dir() {
            self.directory(path, folder, false, 0)?;
            return Ok(None);
        }
        let source = if metadata.is_file() {
            if is_mbox(&path, &file)? {
                self.mbox = Some((Mbox::new(path, file, true)?, folder));
                return Ok(None);
            }
            Source::Open(file)
        } else {
            // A pipe, for example from a shell's `<(…)`.
            let copy = copy_stream(file).and_then(source_copy);
            Source::Copy(copy.map_err(|error| Failure::new("read", &path, error))?)
        };
        Ok(Some(MessageSource {
            is_only: self.single,
            ..MessageSource::plain(path, folder, source)
        }))
    }

    /// Puts the content of a directory on the stack.
    fn directory(
        &mut self,
        path: PathBuf,
        folder: Arc<Folder>,
        in_maildir: bool,
        depth: usize,
    ) -> Result<(), Failure> {
        let fail = |error: io::Error| Failure::new("read the folder", &path, error);
        let metadata = fs::metadata(&path).map_err(fail)?;
        if depth > DEPTH_MAX || !self.seen.insert((metadata.dev(), metadata.ino())) {
            return Ok(());
        }
        let is_maildir = is_maildir(&path);
        let mut below: Vec<OsString> = Vec::new();
        for entry in fs::read_dir(&path).map_err(fail)? {
            let entry = entry.map_err(fail)?;
            if kind_of(&entry).is_some_and(|kind| kind.is_dir()) {
                let name = entry.file_name();
                let inner = is_maildir && matches!(name.to_str(), Some("cur" | "new" | "tmp"));
                let is_seen = !is_hidden(&name)
                    || self::is_maildir(&entry.path())
                    || !in_maildir && !is_maildir && kmail_folder(&name).is_some();
                if !inner && is_seen {
                    below.push(name);
                }
            }
        }
        below.sort_by(|a, b| b.cmp(a));
        self.tasks.extend(below.into_iter().map(|name| Task::Directory {
            path: path.join(&name),
            folder: Arc::new(match kmail_folder(&name) {
                Some(kmails) if !in_maildir && !is_maildir => below_folder(&folder, &kmails),
                _ => below_folder(&folder, &name),
            }),
            in_maildir: in_maildir || is_maildir,
            depth: depth + 1,
        }));
        if is_maildir {
            for (name, kind) in [("cur", SourceKind::Cur), ("new", SourceKind::New)] {
                self.files(path.join(name), &folder, kind);
            }
        } else if !in_maildir {
            let kind = if mh::is_folder(&path) { SourceKind::Mh } else { SourceKind::Plain };
            self.files(path, &folder, kind);
        }
        Ok(())
    }

    fn files(&mut self, directory: PathBuf, folder: &Arc<Folder>, kind: SourceKind) {
        match DirectoryFiles::list(&directory, folder, kind, None) {
            Ok(files) => self.tasks.push(Task::Files(files)),
            // A Maildir that is being created.
            Err(error)
                if error.kind() == io::ErrorKind::NotFound
                    && matches!(kind, SourceKind::Cur | SourceKind::New) => {}
            Err(error) => {
                let failure = Failure::new("read the folder", directory, error);
                self.tasks.push(Task::Problem(failure));
            }
        }
    }
}

/// What a name in a directory turned out to be.
enum WalkEntry {
    Source(MessageSource),
    Mbox(Mbox, Arc<Folder>),
}

fn file(files: &DirectoryFiles, name: OsString) -> Result<WalkEntry, Failure> {
    let path = files.directory.join(&name);
    let folder = files.folder.clone();
    let flags = match files.kind {
        SourceKind::Plain | SourceKind::Mh => {
            let file = open_found(&path)?;
            let is_message = files.kind == SourceKind::Mh && mh::number_of(&path).is_some();
            if !is_message && is_mbox(&path, &file)? {
                let folder = Arc::new(below_folder(&folder, &name));
                return Ok(WalkEntry::Mbox(Mbox::new(path, file, false)?, folder));
            }
            return Ok(WalkEntry::Source(MessageSource::plain(path, folder, Source::Open(file))));
        }
        kind => match names::flags(&name.to_string_lossy()) {
            Some(flags) => flags.to_owned(),
            None if kind == SourceKind::New => String::new(),
            None => {
                let error = io::Error::new(io::ErrorKind::InvalidData, "its name lacks `:2,`");
                return Err(Failure::new("read", path, error));
            }
        },
    };
    Ok(WalkEntry::Source(MessageSource {
        flags,
        ..MessageSource::plain(path, folder, Source::Path)
    }))
}

fn is_maildir(path: &Path) -> bool {
    path.join("cur").is_dir() || path.join("new").is_dir()
}

/// The folder whose subfolders a hidden directory of KMail's holds: `.Work.directory`.
fn kmail_folder(name: &OsStr) -> Option<OsString> {
    let name = name.to_str()?.strip_prefix('.')?.strip_suffix(".directory")?;
    (!name.is_empty()).then(|| name.into())
}

/// The folder of a directory in another: `.A.B` in a Maildir++, otherwise `A`.
fn below_folder(above: &Folder, name: &OsStr) -> Folder {
    let name = name.to_string_lossy();
    let mut folder = above.clone();
    let mut push = |part: &str| {
        folder.parts.push(mutf7::decode(part).unwrap_or_else(|| part.to_string()));
    };
    match name.strip_prefix('.') {
        Some(levels) => levels.split('.').for_each(push),
        None => push(&name),
    }
    folder
}

/// The folder that a path below a Maildir is, or is in; none for one that is elsewhere.
pub fn folder_in(maildir: &Path, path: &Path) -> Option<Folder> {
    let (maildir, path) = (fs::canonicalize(maildir).ok()?, fs::canonicalize(path).ok()?);
    let mut folder = Folder::default();
    for part in path.strip_prefix(maildir).ok()?.components() {
        let name = part.as_os_str();
        if matches!(name.to_str(), Some("cur" | "new" | "tmp")) {
            break;
        }
        folder = below_folder(&folder, name);
    }
    Some(folder)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn write(path: PathBuf, text: &str) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Opens all messages below these paths, one after the other; each as `label flags
    /// folder`.
    fn walk(
        paths: impl IntoIterator<Item = PathBuf>,
    ) -> impl Iterator<Item = Result<String, Failure>> {
        message_sources(paths).map(|source| {
            let source = source?;
            source.open()?;
            Ok(format!("{} {} {}", source.label, source.flags, source.folder))
        })
    }

    /// Each message as [`walk`] does, or as the problem, without the root.
    fn seen(root: &Path, path: &str) -> Vec<String> {
        walk([root.join(path)])
            .map(|found| found.unwrap_or_else(|failure| failure.to_string()))
            .map(|text| text.replace(&format!("{}/", root.display()), ""))
            .collect()
    }

    #[test]
    fn a_maildir_with_folders_of_both_layouts() {
        let home = tempfile::tempdir().unwrap();
        for name in [
            "M/new/2.x",
            "M/new/1.x",
            "M/new/3.x:2,T",
            "M/cur/1.y:2,FS",
            "M/cur/3.y:2,",
            "M/tmp/partial",
            "M/dovecot-uidlist",
            "M/.A.&j,dg0TDhMPww6w-/new/1.a",
            "M/.A.&j,dg0TDhMPww6w-/maildirfolder",
            "M/Work/Builds/cur/1.b:2,Sab",
            "M/Work/dovecot.index.log",
            "M/.git/config",
        ] {
            write(home.path().join(name), "Subject: x\n\n");
        }
        assert_eq!(
            seen(home.path(), "M"),
            [
                "M/new/1.x  INBOX",
                "M/new/2.x  INBOX",
                "M/new/3.x:2,T T INBOX",
                "M/cur/1.y:2,FS FS INBOX",
                "M/cur/3.y:2,  INBOX",
                "M/.A.&j,dg0TDhMPww6w-/new/1.a  A/迷惑メール",
                "M/Work/Builds/cur/1.b:2,Sab Sab Work/Builds",
            ]
        );
    }

    #[test]
    fn a_folder_of_messages_and_mboxes() {
        let home = tempfile::tempdir().unwrap();
        write(home.path().join("d/a.eml"), "Subject: a\n\n");
        write(home.path().join("d/b.eml"), "");
        write(home.path().join("d/sub/c.eml"), "Subject: c\n\n");
        write(home.path().join("d/.hidden"), "");
        let mbox = "From a@b Thu Jan  1 00:00:00 2026\nA: 1\n\nx\n\nFrom b 01:02 2026\nB: 2\n\n";
        write(home.path().join("d/box"), mbox);
        assert_eq!(
            seen(home.path(), "d"),
            [
                "d/a.eml  INBOX",
                "d/b.eml  INBOX",
                "d/box#1  box",
                "d/box#2  box",
                "d/sub/c.eml  sub"
            ]
        );
        assert_eq!(seen(home.path(), "d/a.eml"), ["d/a.eml  INBOX"]);
    }

    #[test]
    fn an_mbox_is_read_whatever_its_name_is() {
        let home = tempfile::tempdir().unwrap();
        let mbox = "From a@b Thu Jan  1 00:00:00 2026\nA: 1\n\nx\n\n";
        let names = ["Work", ".Work.directory/A", "dovecot-users", "subscriptions", ".old"];
        names.iter().for_each(|name| write(home.path().join("d").join(name), mbox));
        for other in ["dovecot.index", ".imap/dovecot.index", ".Work.index", ".git/A"] {
            write(home.path().join("d").join(other), "x");
        }
        assert_eq!(
            seen(home.path(), "d"),
            [
                "d/.old  old",
                "d/Work  Work",
                "d/dovecot-users  dovecot-users",
                "d/subscriptions  subscriptions",
                "d/.Work.directory/A  Work/A",
            ]
        );
        // In a Maildir it is a folder.
        write(home.path().join("M/cur/1.a:2,"), "");
        write(home.path().join("M/.Work.directory/cur/1.b:2,"), "");
        write(home.path().join("M/dovecot-users"), mbox);
        assert_eq!(
            seen(home.path(), "M"),
            ["M/cur/1.a:2,  INBOX", "M/.Work.directory/cur/1.b:2,  Work/directory"]
        );
    }

    #[test]
    fn a_directory_may_be_larger_than_what_is_held_of_it() {
        let home = tempfile::tempdir().unwrap();
        let names: Vec<String> = (10..33).map(|number| format!("M/cur/{number}.a:2,")).collect();
        for name in names.iter().rev() {
            write(home.path().join(name), "");
        }
        let expected: Vec<String> = names.iter().map(|name| format!("{name}  INBOX")).collect();
        assert_eq!(seen(home.path(), "M"), expected);
        assert_eq!(count([home.path().join("M")]), names.len());

        // Files that appear or vanish after the part held in memory are handled.
        let mut walk = walk([home.path().join("M")]);
        assert!(walk.next().unwrap().is_ok());
        for number in 20..40 {
            let path = home.path().join(format!("M/cur/{number}.a:2,"));
            if number < 30 { fs::remove_file(path).unwrap() } else { write(path, "") }
        }
        assert_eq!(walk.map(|item| item.map(drop).is_ok()).collect::<Vec<_>>(), [true; 19]);
        fs::remove_dir_all(home.path().join("M")).unwrap();
        for name in &names {
            write(home.path().join(name), "");
        }
        let mut walk = self::walk([home.path().join("M")]);
        for _ in 0..4 {
            assert!(walk.next().unwrap().is_ok());
        }
        fs::remove_dir_all(home.path().join("M")).unwrap();
        assert!(walk.next().unwrap().is_err(), "a folder that vanished is told");
        assert!(walk.next().is_none());
    }

    #[test]
    fn trouble_is_reported_and_stops_nothing() {
        let home = tempfile::tempdir().unwrap();
        write(home.path().join("M/cur/no-info"), "");
        write(home.path().join("M/cur/1.x:2,S"), "");
        fs::create_dir(home.path().join("M/cur/dir:2,")).unwrap();
        symlink("nowhere", home.path().join("M/cur/link:2,")).unwrap();
        symlink("..", home.path().join("M/ring")).unwrap();
        symlink("nowhere", home.path().join("dangling")).unwrap();
        let status = std::process::Command::new("mkfifo").arg(home.path().join("fifo")).status();
        assert!(status.unwrap().success());
        assert_eq!(
            seen(home.path(), "."),
            [
                "cannot open `./dangling`: No such file or directory",
                "cannot read `./fifo`: it is not a regular file",
                "./M/cur/1.x:2,S S M",
                "cannot read `./M/cur/dir:2,`: it is not a regular file",
                "cannot open `./M/cur/link:2,`: No such file or directory",
                "cannot read `./M/cur/no-info`: its name lacks `:2,`",
            ]
        );
        assert_eq!(seen(home.path(), "none"), ["cannot open `none`: No such file or directory"]);
    }

    #[test]
    fn what_vanishes_meanwhile_is_reported() {
        let home = tempfile::tempdir().unwrap();
        write(home.path().join("new/1"), "");
        write(home.path().join("new/2"), "");
        let mut walk = walk([home.path().to_path_buf()]);
        assert!(walk.next().unwrap().is_ok());
        fs::remove_file(home.path().join("new/2")).unwrap();
        assert!(walk.next().unwrap().is_err());
        assert!(walk.next().is_none());
    }
}
