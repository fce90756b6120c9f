//! Editing a list's file in place. What its authors wrote stays as it is, line by line,
//! comments and order included.
//!
//! The new file is written next to the old one and replaces it in one step, so readers
//! see either the one or the other. Writers hold a lock in the state directory, not on
//! the list: other users may be allowed to read the list, and whoever may read a file may
//! lock it. A symbolic link is followed, but never out of the user's home.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::Mode;

use crate::file::{self, Bounds};
use crate::rules::address_list::AddressList;
use crate::rules::list_entry::{key_of_exact, without_comment};
use crate::source::{LIST_LIMIT, ReadError, may_pass, read_whole};
use crate::state::StateDir;
use crate::state::lock_file::LockFile;
use crate::state::slots::Key;

/// Where the locks are in the state directory.
const LOCKS: &str = "lists";

/// What has to be done with an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Add it after the others, unless it is there already.
    Add,
    /// Remove it, with the comment on its line.
    Remove,
}

impl Change {
    /// Adding an entry, or removing it.
    pub fn of(adds: bool) -> Change {
        if adds { Change::Add } else { Change::Remove }
    }
}

/// What an edit needs besides the list itself.
#[derive(Debug, Clone, Copy)]
pub struct EditContext<'a> {
    /// The user's home, outside which no list is edited.
    pub home: &'a Path,
    /// The same for a confined user, enforced by the kernel.
    pub bounds: &'a Bounds,
    /// Where the lock is; without it nothing is edited.
    pub state: Option<&'a StateDir>,
    /// How long to wait for another process.
    pub lock_timeout: Duration,
}

/// Why a list was not edited.
#[derive(Debug)]
pub enum EditError {
    /// The system reported an error.
    Io(io::Error),
    /// The file, or the target of a link, is not below the home.
    OutsideHome,
    /// It is not a regular file.
    NotAList,
    /// It is larger than a list may be, or would become so.
    TooLarge,
    /// Another process held the lock for too long.
    Busy,
    /// Another program keeps writing it.
    BeingSaved,
    /// No lock can be made in the state directory: where that is, and why.
    NoLock(PathBuf, io::Error),
    /// There is no state directory.
    NoState,
}

impl EditError {
    /// Whether another try may do better.
    pub fn may_pass(&self) -> bool {
        match self {
            EditError::Io(error) | EditError::NoLock(_, error) => may_pass(error),
            EditError::Busy | EditError::BeingSaved => true,
            _ => false,
        }
    }
}

impl std::fmt::Display for EditError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            EditError::Io(error) => error.fmt(f),
            EditError::OutsideHome => f.write_str("it is not in the home directory"),
            EditError::NotAList => f.write_str("it is not a regular file"),
            EditError::TooLarge => {
                write!(f, "it would be larger than {} MB, and is not read then", LIST_LIMIT >> 20)
            }
            EditError::Busy => f.write_str("another process kept it locked"),
            EditError::BeingSaved => f.write_str("it keeps being saved"),
            EditError::NoLock(state, error) => {
                write!(f, "it cannot be locked: {}: {error}", state.display())
            }
            EditError::NoState => f.write_str("it cannot be locked: no state directory is known"),
        }
    }
}

impl From<io::Error> for EditError {
    fn from(error: io::Error) -> EditError {
        EditError::Io(error)
    }
}

/// Adds an entry to a list file, or removes it: an exact one, compared as addresses are.
/// The file and its directory are created where they are missing. Returns true if the
/// file was changed.
///
/// # Errors
/// [`EditError`]: why the list was not edited.
pub fn edit(
    path: &Path,
    context: EditContext<'_>,
    change: Change,
    entry: &str,
) -> Result<bool, EditError> {
    let changes = edit_all(path, context, &[(change, entry)])?;
    Ok(changes.first() == Some(&true))
}

/// Makes several edits, in their order, in one step. Returns for each whether it changed
/// anything.
///
/// # Errors
/// [`EditError`]: why the list was not edited; then none of the edits was made.
pub fn edit_all(
    path: &Path,
    context: EditContext<'_>,
    edits: &[(Change, &str)],
) -> Result<Vec<bool>, EditError> {
    edit_within(path, context, edits, LIST_LIMIT)
}

/// The same for a list of at most `limit` bytes.
fn edit_within(
    path: &Path,
    context: EditContext<'_>,
    edits: &[(Change, &str)],
    limit: u64,
) -> Result<Vec<bool>, EditError> {
    let nothing = || vec![false; edits.len()];
    let change = Change::of(edits.iter().any(|(change, _)| *change == Change::Add));
    let resolved = match context.bounds.directory() {
        None => resolve(path, context.home, change)?,
        Some(_) => resolve_within(path, context.bounds, change)?,
    };
    let Some(path) = resolved else { return Ok(nothing()) };
    let _lock = lock(&path, context)?;
    let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(EditError::NotAList);
    };
    let directory = context.bounds.pin_plain(directory)?;
    let path = directory.as_ref().join(name);
    let Some((text, mode)) = read(&path, change, limit)? else { return Ok(nothing()) };
    let (new, changes) = apply(&text, edits);
    if let Some(new) = new {
        if new.len() as u64 > limit {
            return Err(EditError::TooLarge);
        }
        file::replace(&path, &new, mode)?;
    }
    Ok(changes)
}

/// The path of the file, with links resolved and known to be below the home. None if
/// there is nothing to remove from.
fn resolve(path: &Path, home: &Path, change: Change) -> Result<Option<PathBuf>, EditError> {
    let home = fs::canonicalize(home)?;
    let inside = |path: PathBuf| {
        if path.starts_with(&home) { Ok(Some(path)) } else { Err(EditError::OutsideHome) }
    };
    match fs::canonicalize(path) {
        Ok(path) => return inside(path),
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
        // A link to nothing: its target is not ours to create. If it is not a link,
        // another process created the file just now.
        Err(error) if fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_symlink()) => {
            return Err(error.into());
        }
        Err(_) if change == Change::Remove => return Ok(None),
        Err(_) => {}
    }
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(EditError::NotAList);
    };
    let existing = parent.ancestors().find(|above| fs::symlink_metadata(above).is_ok());
    let existing = existing.ok_or(EditError::OutsideHome)?;
    inside(fs::canonicalize(existing)?)?;
    if parent.components().any(|part| part == std::path::Component::ParentDir) {
        return Err(EditError::OutsideHome);
    }
    fs::DirBuilder::new().recursive(true).create(parent)?;
    inside(fs::canonicalize(parent)?.join(name))
}

/// The same for a confined user. The path has no links, and is opened without following
/// any, so one that is put there later has no effect.
fn resolve_within(
    path: &Path,
    bounds: &Bounds,
    change: Change,
) -> Result<Option<PathBuf>, EditError> {
    let outside = |error: io::Error| match file::is_leading_out(&error) {
        true => EditError::OutsideHome,
        false => error.into(),
    };
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(EditError::NotAList);
    };
    match bounds.canonical(path) {
        Ok(path) => return Ok(Some(path)),
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(outside(error)),
        Err(error) if fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_symlink()) => {
            return Err(error.into());
        }
        Err(_) if change == Change::Remove => return Ok(None),
        Err(_) => {}
    }
    let found = match bounds.canonical(parent) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            bounds.make_directory(parent, Mode::RWXU).map_err(outside)?;
            bounds.canonical(parent)
        }
        found => found,
    };
    Ok(Some(found.map_err(outside)?.join(name)))
}

/// Makes sure that no other process edits the list, whose path has no links.
fn lock(path: &Path, context: EditContext<'_>) -> Result<LockFile, EditError> {
    let Some(state) = context.state else {
        return Err(EditError::NoState);
    };
    let name = Key::of(&[path.as_os_str().as_bytes()]).name();
    LockFile::wait(state, LOCKS, &name, Instant::now() + context.lock_timeout)
        .map_err(|error| EditError::NoLock(state.path().to_owned(), error))?
        .ok_or(EditError::Busy)
}

/// Content and mode of the list. Where there is no list: empty content to add to, none to
/// remove from.
fn read(path: &Path, change: Change, limit: u64) -> Result<Option<(Vec<u8>, u32)>, EditError> {
    // Opened for writing: a file that we must not write is not ours to replace.
    let file = match file::open(path, file::APPEND_OWN) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Ok((change == Change::Add).then(|| (Vec::new(), 0o600)));
        }
        other => other?,
    };
    let metadata = file.metadata()?;
    if metadata.len() > limit {
        return Err(EditError::TooLarge);
    }
    let text = read_whole(&file, metadata.len(), limit).map_err(|error| match error {
        ReadError::Io(error) => EditError::Io(error),
        ReadError::BeingSaved => EditError::BeingSaved,
        _ => EditError::TooLarge,
    })?;
    Ok(Some((text, metadata.mode())))
}

/// The text with the edits made, none if nothing has to change; and for each edit whether
/// it changed anything. The list is read once for all of them.
fn apply(text: &[u8], edits: &[(Change, &str)]) -> (Option<Vec<u8>>, Vec<bool>) {
    let list = AddressList::parse(&String::from_utf8_lossy(text));
    // The edited entries: whether each is in the list after the edits so far.
    let mut entries: HashMap<String, bool> = HashMap::new();
    let (mut removed, mut added) = (HashSet::new(), Vec::new());
    let mut changes = Vec::with_capacity(edits.len());
    for (change, entry) in edits {
        let Some(key) = key_of_exact(entry) else {
            changes.push(false);
            continue;
        };
        let is_listed = entries.entry(key.clone()).or_insert_with(|| list.has_key(&key));
        changes.push(*is_listed == (*change == Change::Remove));
        match change {
            Change::Add if !*is_listed => added.push((key, *entry)),
            Change::Remove if *is_listed => {
                added.retain(|(other, _)| *other != key);
                removed.insert(key);
            }
            _ => {}
        }
        *is_listed = *change == Change::Add;
    }
    if !changes.contains(&true) {
        return (None, changes);
    }
    let is_removed = |line: &[u8]| {
        let line = String::from_utf8_lossy(line);
        let line = without_comment(line.trim_start_matches('\u{feff}'));
        key_of_exact(line).is_some_and(|key| removed.contains(&key))
    };
    let mut new = Vec::with_capacity(text.len());
    if removed.is_empty() {
        new.extend(text);
    } else {
        let lines = text.split_inclusive(|byte| *byte == b'\n');
        lines.filter(|line| !is_removed(line)).for_each(|line| new.extend(line));
    }
    let end: &[u8] = if text.ends_with(b"\r\n") { b"\r\n" } else { b"\n" };
    for (_, entry) in added {
        if !new.is_empty() && !new.ends_with(b"\n") {
            new.extend(end);
        }
        new.extend(entry.as_bytes());
        new.extend(end);
    }
    (Some(new), changes)
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::fs::symlink;

    use crate::file::ANYWHERE;

    use super::*;

    const LOCK_TIMEOUT: Duration = Duration::from_secs(30);

    fn after(text: &str, change: Change, entry: &str) -> Option<String> {
        let (new, made) = apply(text.as_bytes(), &[(change, entry)]);
        assert_eq!(made, [new.is_some()]);
        new.map(|new| String::from_utf8(new).unwrap())
    }

    #[test]
    fn what_people_wrote_stays() {
        let text = "# friends\n\nHanako@Example.JP  # since school\n@.work.example\n";
        assert_eq!(after(text, Change::Add, "a@b.example"), Some(format!("{text}a@b.example\n")));
        for known in ["hanako@example.jp", "HANAKO@EXAMPLE.JP", "@.work.example"] {
            assert_eq!(after(text, Change::Add, known), None, "{known}");
        }
        assert_eq!(
            after(text, Change::Remove, "hanako@example.jp").as_deref(),
            Some("# friends\n\n@.work.example\n")
        );
        assert_eq!(after(text, Change::Remove, "other@example.jp"), None);
        assert_eq!(after("a@b", Change::Add, "c@d").as_deref(), Some("a@b\nc@d\n"));
        assert_eq!(after("a@b\r\n", Change::Add, "c@d").as_deref(), Some("a@b\r\nc@d\r\n"));
        assert_eq!(after("", Change::Add, "c@d").as_deref(), Some("c@d\n"));
        assert_eq!(after("# c@d\n", Change::Add, "c@d").as_deref(), Some("# c@d\nc@d\n"));
        let latin = b"# \xe9\na@b\n";
        assert_eq!(apply(latin, &[(Change::Remove, "a@b")]).0.unwrap(), b"# \xe9\n");
    }

    #[test]
    fn edits_follow_one_another() {
        use Change::{Add, Remove};
        let edits = [
            (Add, "a@b"),
            (Add, "A@b"),
            (Remove, "c@d"),
            (Remove, "a@b"),
            (Add, "c@d"),
            (Remove, "e@f"),
            (Add, "g@h"),
            (Add, "/x/"),
        ];
        let (new, made) = apply(b"C@D # old\ni@j", &edits);
        assert_eq!(made, [true, false, true, true, true, false, true, false]);
        assert_eq!(String::from_utf8(new.unwrap()).unwrap(), "i@j\nc@d\ng@h\n");
        assert_eq!(apply(b"a@b\n", &edits[..2]), (None, vec![false, false]));
        // What is there is not added a second time because something else is added.
        let (new, made) = apply(b"a@b\n", &[(Add, "a@b"), (Add, "c@d")]);
        assert_eq!((new.as_deref(), made), (Some(&b"a@b\nc@d\n"[..]), vec![false, true]));
    }

    /// A larger list is not read, so rules that use it would have no effect.
    #[test]
    fn no_list_grows_beyond_what_is_read() {
        let (home, state) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let state = StateDir::at(state.path());
        let path = home.path().join("list");
        let context = context(home.path(), &state);
        let add = |entry| edit_within(&path, context, &[(Change::Add, entry)], 10);
        assert_eq!(add("a@b").unwrap(), [true]);
        assert_eq!(add("c@def").unwrap(), [true]);
        assert!(matches!(add("f@g"), Err(EditError::TooLarge)));
        assert_eq!(fs::read_to_string(&path).unwrap(), "a@b\nc@def\n");
        let removed = edit_within(&path, context, &[(Change::Remove, "a@b")], 10);
        assert_eq!(removed.unwrap(), [true]);
        std::fs::File::create(&path).unwrap().set_len(LIST_LIMIT + 1).unwrap();
        let error = edit(&path, context, Change::Remove, "a@b").unwrap_err();
        assert_eq!(error.to_string(), "it would be larger than 256 MB, and is not read then");
    }

    fn context<'a>(home: &'a Path, state: &'a StateDir) -> EditContext<'a> {
        EditContext { home, bounds: &ANYWHERE, state: Some(state), lock_timeout: LOCK_TIMEOUT }
    }

    #[test]
    fn thirty_at_once_lose_nothing() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("lists/white");
        let state = StateDir::at(home.path().join("state"));
        let context = context(home.path(), &state);
        std::thread::scope(|scope| {
            for number in 0..30 {
                let path = &path;
                scope.spawn(move || {
                    let own = format!("{number}@x.example");
                    assert!(edit(path, context, Change::Add, &own).unwrap());
                    edit(path, context, Change::Add, "all@x.example").unwrap();
                });
            }
        });
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text.lines().count(), 31, "{text}");
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o600);
        assert_eq!(fs::read_dir(home.path().join("lists")).unwrap().count(), 1);
    }

    #[test]
    fn links_are_followed_inside_of_the_home_alone() {
        let (home, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let real = home.path().join("real");
        fs::write(&real, "a@b\n").unwrap();
        fs::set_permissions(&real, Permissions::from_mode(0o640)).unwrap();
        symlink("real", home.path().join("link")).unwrap();
        let state = StateDir::at(home.path().join("state"));
        let context = context(home.path(), &state);
        let add = |name: &str| edit(&home.path().join(name), context, Change::Add, "c@d");
        assert!(add("link").unwrap());
        assert_eq!(fs::read_to_string(&real).unwrap(), "a@b\nc@d\n");
        assert_eq!(fs::metadata(&real).unwrap().mode() & 0o7777, 0o640);
        assert!(fs::symlink_metadata(home.path().join("link")).unwrap().is_symlink());

        let target = outside.path().join("list");
        fs::write(&target, "").unwrap();
        symlink(&target, home.path().join("out")).unwrap();
        symlink(outside.path(), home.path().join("dir")).unwrap();
        symlink("nowhere", home.path().join("dangling")).unwrap();
        fs::create_dir(home.path().join("folder")).unwrap();
        let names = ["out", "dir/list", "dir/new", "dir/made/list", "dangling", "folder"];
        for name in names.into_iter().chain(["no/../../new"]) {
            assert!(add(name).is_err(), "{name}");
        }
        assert!(!home.path().join("no").exists());
        assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 1);
        assert_eq!(fs::read_to_string(&target).unwrap(), "");
        let remove = |name: &str| edit(&home.path().join(name), context, Change::Remove, "c@d");
        for name in ["dangling", "real/list"] {
            assert!(remove(name).is_err(), "{name}");
        }
        let why = |name: &str| add(name).unwrap_err().to_string();
        assert_eq!(why("folder"), "it is not a regular file");
        let remove = remove("x/y");
        assert!(!remove.unwrap() && !home.path().join("x").exists());
    }

    #[test]
    fn a_list_that_is_missing_is_made_if_anything_is_added() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("white");
        let state = StateDir::at(home.path().join("state"));
        let edits = [(Change::Remove, "a@b"), (Change::Add, "c@d")];
        let changed = edit_all(&path, context(home.path(), &state), &edits).unwrap();
        assert_eq!(changed, [false, true]);
        assert_eq!(fs::read_to_string(&path).unwrap(), "c@d\n");
    }

    #[test]
    fn what_an_editor_is_just_writing_stays() {
        use std::io::Write;
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("white");
        let state = StateDir::at(home.path().join("state"));
        let mut editor = fs::File::create(&path).unwrap();
        let saves = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(40));
            editor.write_all(b"a@b\n").unwrap();
        });
        assert!(edit(&path, context(home.path(), &state), Change::Add, "c@d").unwrap());
        saves.join().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "a@b\nc@d\n");
    }

    #[test]
    fn a_reader_of_the_list_cannot_lock_us_out() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("white");
        fs::write(&path, "a@b\n").unwrap();
        let neighbour = fs::File::open(&path).unwrap();
        let exclusive = rustix::fs::FlockOperation::NonBlockingLockExclusive;
        rustix::fs::flock(&neighbour, exclusive).unwrap();
        let state = StateDir::at(home.path().join("state"));
        let context = EditContext { lock_timeout: Duration::ZERO, ..context(home.path(), &state) };
        assert!(edit(&path, context, Change::Add, "c@d").unwrap());
        assert_eq!(fs::read_to_string(&path).unwrap(), "a@b\nc@d\n");
    }

    #[test]
    fn without_a_lock_nothing_is_edited() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("white");
        fs::write(&path, "a@b\n").unwrap();
        fs::write(home.path().join("file"), "").unwrap();
        let state = StateDir::at(home.path().join("file"));
        let context = context(home.path(), &state);
        for context in [context, EditContext { state: None, ..context }] {
            let why = edit(&path, context, Change::Add, "c@d").unwrap_err();
            assert!(matches!(why, EditError::NoLock(..) | EditError::NoState), "{why}");
        }
        let state = StateDir::at(home.path().join("state"));
        let context = EditContext { state: Some(&state), lock_timeout: Duration::ZERO, ..context };
        let lock = lock(&path, context).unwrap();
        let why = edit(&path, context, Change::Add, "c@d").unwrap_err();
        assert!(matches!(why, EditError::Busy), "{why}");
        drop(lock);
        assert!(edit(&path, context, Change::Add, "c@d").unwrap());
    }
}
