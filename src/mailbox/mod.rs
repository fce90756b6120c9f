//! Mail that is there: walking message files, mboxes, Maildirs and folders of
//! messages, read-only and one message at a time.
//!
//! What cannot be read, is no message or has vanished since it was listed is
//! an item of its own, and the walk goes on. Only names are held in memory,
//! those of one directory and of the directories still to be walked; they are
//! walked in the order of their names, `new` before `cur`.
//!
//! A directory with `cur` or `new` is a Maildir, and its sub-folders of either
//! layout are walked after it. In any other directory each file is a message
//! or an mbox, each directory is walked too; hidden ones and Dovecot's own
//! files are left out.

pub mod incoming;
pub mod judge;
pub mod refile;
pub mod sort;
pub mod undo;

mod mbox;
pub mod eyes;
pub mod learn;
pub mod moves;
pub mod sent;

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use tempfile::SpooledTempFile;
use tempfile::spooled_tempfile;

use crate::deliver::mutf7;
use crate::message::Message;
use crate::outcome::Failure;
use crate::plan::Folder;

use mbox::Mbox;

/// Directories below the given one that are walked.
const DEPTH_MAX: usize = 64;
/// A message that is not a file of its own is kept in memory up to this size.
const MEMORY_MAX: usize = 1 << 20;

/// A message that was found.
pub struct Found {
    /// The path, for the second and later messages of an mbox with `#2` and so on.
    pub label: String,
    /// The letters behind `:2,` in a Maildir; else empty.
    pub flags: String,
    /// The folder it lies in, seen from the path that was given.
    pub folder: Folder,
    /// The message.
    pub message: Message,
}

/// Walks these paths.
pub fn walk(paths: impl IntoIterator<Item = PathBuf>) -> Walk {
    let mut tasks: Vec<Task> = paths.into_iter().map(Task::Given).collect();
    tasks.reverse();
    Walk { tasks, mbox: None, seen: HashSet::new() }
}

/// The messages below some paths, see [`walk`].
pub struct Walk {
    /// What is still to be walked, the next one last.
    tasks: Vec<Task>,
    mbox: Option<(Mbox, Folder)>,
    /// Directories that were walked, by device and inode: links can make a ring.
    seen: HashSet<(u64, u64)>,
}

enum Task {
    /// A path from outside.
    Given(PathBuf),
    /// A directory, and whether it lies in a Maildir.
    Directory { path: PathBuf, folder: Folder, in_maildir: bool, depth: usize },
    /// A file in a directory.
    File { path: PathBuf, folder: Folder },
    /// A message in a Maildir.
    Maildir { path: PathBuf, flags: String, folder: Folder },
    /// Something to be told.
    Problem(Failure),
}

impl Iterator for Walk {
    type Item = Result<Found, Failure>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some((mbox, folder)) = &mut self.mbox {
                let folder = folder.clone();
                match mbox.next() {
                    Some(Ok((label, message))) => {
                        return Some(Ok(Found { label, flags: String::new(), folder, message }));
                    }
                    Some(Err(failure)) => {
                        self.mbox = None;
                        return Some(Err(failure));
                    }
                    None => self.mbox = None,
                }
            }
            let step = match self.tasks.pop()? {
                Task::Given(path) => self.given(path),
                Task::Directory { path, folder, in_maildir, depth } => {
                    self.directory(path, folder, in_maildir, depth).map(|()| None)
                }
                Task::File { path, folder } => {
                    open_found(&path).and_then(|file| self.file(path, file, folder))
                }
                Task::Maildir { path, flags, folder } => open_found(&path)
                    .and_then(|file| message(&path, file))
                    .map(|message| Some(Found { label: label(&path), flags, folder, message })),
                Task::Problem(failure) => Err(failure),
            };
            match step {
                Ok(Some(found)) => return Some(Ok(found)),
                Ok(None) => {}
                Err(failure) => return Some(Err(failure)),
            }
        }
    }
}

impl Walk {
    fn given(&mut self, path: PathBuf) -> Result<Option<Found>, Failure> {
        let file = File::open(&path).map_err(|error| Failure::new("open", &path, error))?;
        let about = file.metadata().map_err(|error| Failure::new("read", &path, error))?;
        let folder = Folder::default();
        if about.is_dir() {
            self.directory(path, folder, false, 0)?;
            return Ok(None);
        }
        if about.is_file() {
            return self.file(path, file, folder);
        }
        // A pipe, as from a shell's `<(…)`.
        let copy = copy_stream(file).map_err(|error| Failure::new("read", &path, error))?;
        let message = in_hand(copy).map_err(|error| Failure::new("read", &path, error))?;
        Ok(Some(Found { label: label(&path), flags: String::new(), folder, message }))
    }

    fn file(
        &mut self,
        path: PathBuf,
        file: File,
        folder: Folder,
    ) -> Result<Option<Found>, Failure> {
        let mut start = [0; 5];
        match file.read_at(&mut start, 0) {
            Ok(5) if &start == b"From " => {
                self.mbox = Some((Mbox::new(path, file), folder));
                Ok(None)
            }
            Ok(_) => {
                let label = label(&path);
                let message = message(&path, file)?;
                Ok(Some(Found { label, flags: String::new(), folder, message }))
            }
            Err(error) => Err(Failure::new("read", path, error)),
        }
    }

    /// Lists a directory onto the stack.
    fn directory(
        &mut self,
        path: PathBuf,
        folder: Folder,
        in_maildir: bool,
        depth: usize,
    ) -> Result<(), Failure> {
        let fail = |error: io::Error| Failure::new("read the folder", &path, error);
        let about = fs::metadata(&path).map_err(fail)?;
        if depth > DEPTH_MAX || !self.seen.insert((about.dev(), about.ino())) {
            return Ok(());
        }
        let entries = fs::read_dir(&path).map_err(fail)?;
        let is_maildir = is_maildir(&path);
        let (mut below, mut tasks) = (Vec::new(), Vec::new());
        for entry in entries {
            let entry = entry.map_err(fail)?;
            let name = entry.file_name();
            let hidden = name.as_encoded_bytes().starts_with(b".");
            let path = entry.path();
            let kind = match entry.file_type() {
                Ok(kind) if kind.is_symlink() => match fs::metadata(&path) {
                    Ok(about) => about.file_type(),
                    Err(error) => {
                        tasks.push((name, Task::Problem(Failure::new("open", path, error))));
                        continue;
                    }
                },
                Ok(kind) => kind,
                Err(_) => continue,
            };
            if kind.is_dir() {
                let inner = is_maildir && matches!(name.to_str(), Some("cur" | "new" | "tmp"));
                if !inner && (!hidden || self::is_maildir(&path)) {
                    let folder = below_folder(&folder, &name);
                    let in_maildir = in_maildir || is_maildir;
                    let task = Task::Directory { path, folder, in_maildir, depth: depth + 1 };
                    below.push((name, task));
                }
            } else if !is_maildir && !in_maildir && !hidden && !is_dovecots(&name) {
                let task = if kind.is_file() {
                    Task::File { path, folder: folder.clone() }
                } else {
                    Task::Problem(no_file(&path))
                };
                tasks.push((name, task));
            }
        }
        self.push_sorted(below);
        self.push_sorted(tasks);
        if is_maildir {
            let maildir = maildir::Maildir::from(path.clone());
            self.list(&path.join("cur"), maildir.list_cur(), &folder);
            self.list(&path.join("new"), maildir.list_new(), &folder);
        }
        Ok(())
    }

    fn list(&mut self, directory: &Path, entries: maildir::MailEntries, folder: &Folder) {
        // The crate takes a directory that cannot be read for an empty one.
        if let Err(error) = fs::read_dir(directory) {
            if error.kind() != io::ErrorKind::NotFound {
                let problem = Failure::new("read the folder", directory, error);
                self.tasks.push(Task::Problem(problem));
            }
            return;
        }
        let tasks = entries.map(|entry| match entry {
            Ok(entry) => {
                let (path, flags) = (entry.path().clone(), entry.flags().to_string());
                let name = path.file_name().unwrap_or_default().to_os_string();
                (name, Task::Maildir { path, flags, folder: folder.clone() })
            }
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                let error = io::Error::new(error.kind(), "its name lacks `:2,`");
                let problem = Failure::new("read a message in", directory, error);
                (Default::default(), Task::Problem(problem))
            }
            Err(error) => {
                let problem = Failure::new("read the folder", directory, error);
                (Default::default(), Task::Problem(problem))
            }
        });
        let tasks = tasks.collect();
        self.push_sorted(tasks);
    }

    fn push_sorted(&mut self, mut tasks: Vec<(std::ffi::OsString, Task)>) {
        tasks.sort_by(|(a, _), (b, _)| b.cmp(a));
        self.tasks.extend(tasks.into_iter().map(|(_, task)| task));
    }
}

fn is_maildir(path: &Path) -> bool {
    path.join("cur").is_dir() || path.join("new").is_dir()
}

fn is_dovecots(name: &OsStr) -> bool {
    let name = name.as_encoded_bytes();
    name.starts_with(b"dovecot.") || name.starts_with(b"dovecot-") || name == b"subscriptions"
}

/// The folder of a directory in another: `.A.B` in a Maildir++, else `A`.
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

/// Opens a file that was found in a directory: whatever has taken its place
/// since must not make us wait.
fn open_found(path: &Path) -> Result<File, Failure> {
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits() as i32)
        .open(path)
        .map_err(|error| Failure::new("open", path, error))?;
    match file.metadata() {
        Ok(about) if about.is_file() => Ok(file),
        Ok(_) => Err(no_file(path)),
        Err(error) => Err(Failure::new("read", path, error)),
    }
}

fn no_file(path: &Path) -> Failure {
    let error = io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file");
    Failure::new("read", path, error)
}

fn message(path: &Path, file: File) -> Result<Message, Failure> {
    Message::open(file).map_err(|error| Failure::new("read", path, error))
}

fn copy_stream(mut stream: impl Read) -> io::Result<SpooledTempFile> {
    let mut copy = spooled_tempfile(MEMORY_MAX);
    io::copy(&mut stream, &mut copy)?;
    Ok(copy)
}

fn in_hand(copy: SpooledTempFile) -> io::Result<Message> {
    match copy.into_inner() {
        tempfile::SpooledData::InMemory(bytes) => Ok(Message::from_bytes(bytes.into_inner())),
        tempfile::SpooledData::OnDisk(mut file) => {
            file.rewind()?;
            Message::open(file)
        }
    }
}

fn label(path: &Path) -> String {
    path.display().to_string()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn write(path: PathBuf, text: &str) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Each item as `label flags folder`, or as the problem, without the root.
    fn seen(root: &Path, path: &str) -> Vec<String> {
        walk([root.join(path)])
            .map(|item| match item {
                Ok(found) => format!("{} {} {}", found.label, found.flags, found.folder),
                Err(failure) => failure.to_string(),
            })
            .map(|text| text.replace(&format!("{}/", root.display()), ""))
            .collect()
    }

    #[test]
    fn a_maildir_with_folders_of_both_layouts() {
        let home = tempfile::tempdir().unwrap();
        for name in [
            "M/new/2.x",
            "M/new/1.x",
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
                "d/box#1  INBOX",
                "d/box#2  INBOX",
                "d/sub/c.eml  sub"
            ]
        );
        assert_eq!(seen(home.path(), "d/a.eml"), ["d/a.eml  INBOX"]);
    }

    #[test]
    fn trouble_is_told_and_never_a_stop() {
        let home = tempfile::tempdir().unwrap();
        write(home.path().join("M/cur/no-info"), "");
        write(home.path().join("M/cur/1.x:2,S"), "");
        fs::create_dir(home.path().join("M/cur/dir:2,")).unwrap();
        symlink("nowhere", home.path().join("M/cur/link:2,")).unwrap();
        symlink("..", home.path().join("M/ring")).unwrap();
        symlink("nowhere", home.path().join("dangling")).unwrap();
        let made = std::process::Command::new("mkfifo").arg(home.path().join("fifo")).status();
        assert!(made.unwrap().success());
        assert_eq!(
            seen(home.path(), "."),
            [
                "cannot open `./dangling`: No such file or directory",
                "cannot read `./fifo`: it is not a regular file",
                "cannot read a message in `./M/cur`: its name lacks `:2,`",
                "./M/cur/1.x:2,S S M",
                "cannot read `./M/cur/dir:2,`: it is not a regular file",
                "cannot open `./M/cur/link:2,`: No such file or directory",
            ]
        );
        assert_eq!(seen(home.path(), "none"), ["cannot open `none`: No such file or directory"]);
    }

    #[test]
    fn what_vanishes_meanwhile_is_told() {
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
