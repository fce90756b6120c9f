//! What was moved in mailboxes, so that it can be taken back; and the exclusive right to
//! move messages in a Maildir.
//!
//! One file per run in `sorted/`, which people can read, too: JSON, one object per line.
//! A folder is introduced by its directories and has a number from then on; a move says
//! where a message was and where it is moved to, and which flags it gets that it did not
//! have.
//!
//! ```text
//! {"mfilter":"sorted","version":1,"maildir":"/home/taro/Maildir","layout":"maildir++"}
//! {"folder":0,"directories":[]}
//! {"folder":1,"directories":[".Lists.rust"]}
//! {"from":0,"old":"new/1767….mx","to":1,"new":"cur/1767….mx:2,S","add":"S"}
//! {"ended":"2026-01-02T03:04:05Z"}
//! ```
//!
//! A move is recorded and on disk before it is made, so what was moved is always known,
//! but a recorded move need not have been made. A file without an `ended` line is of a
//! run that was killed. One that was taken back gets the suffix `undone`. Runs are kept
//! for ninety days: the last twenty whatever their size, and more of them, up to a
//! thousand, as long as all together are smaller than 32 MB.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::lock_file::LockFile;
use super::{StateDir, is_older, maildir_name};
use crate::file;
use crate::flags::Flags;
use crate::rules::program::Layout;

/// The directory of the claims.
const CLAIMS: &str = "sorting";
const DIRECTORY: &str = "sorted";
const SUFFIX: &str = "jsonl";
const UNDONE: &str = "undone";
/// How many runs are kept whatever their size.
const RUNS_MIN: usize = 20;
/// How many runs are kept at most.
const RUNS_MAX: usize = 1000;
/// The size of all runs together above which only [`RUNS_MIN`] are kept, bytes.
const BYTES_MAX: u64 = 32 << 20;
const FORGET_AFTER: Duration = Duration::from_secs(90 * 24 * 3600);
/// The longest file, bytes: some millions of moves. Longer ones are damaged.
const MAX: u64 = 1 << 30;

/// Waits for the exclusive right to move messages in a Maildir. None if another process
/// of this user still has it at `deadline`. A long-lived process returns it whenever it
/// has nothing to do.
///
/// # Errors
/// The Maildir does not exist, or the state directory cannot be written.
pub fn claim(state: &StateDir, maildir: &Path, deadline: Instant) -> io::Result<Option<LockFile>> {
    LockFile::wait(state, CLAIMS, &maildir_name(maildir)?, deadline)
}

/// The right to watch a Maildir, or the process that has it, if that is known.
///
/// # Errors
/// As [`claim`].
pub fn claim_to_watch(
    state: &StateDir,
    maildir: &Path,
) -> io::Result<Result<LockFile, Option<u32>>> {
    let name = format!("watch-{}", maildir_name(maildir)?);
    match LockFile::wait(state, CLAIMS, &name, Instant::now())? {
        Some(mut claim) => {
            let file = claim.file();
            file.set_len(0)?;
            file.write_all(std::process::id().to_string().as_bytes())?;
            Ok(Ok(claim))
        }
        None => {
            let text = state.read(&format!("{CLAIMS}/{name}"), 64).unwrap_or_default();
            Ok(Err(String::from_utf8_lossy(&text).trim().parse().ok()))
        }
    }
}

/// A move.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MoveRecord {
    /// Where the message was.
    pub from: MessagePlace,
    /// Where it was moved to.
    pub to: MessagePlace,
    /// The flags that it got and did not have.
    pub added: Flags,
}

/// The place of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessagePlace {
    /// The folder's directories from the Maildir down.
    pub folder: Vec<String>,
    /// `new/NAME` or `cur/NAME`.
    pub file: String,
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum JournalLine {
    Head {
        mfilter: String,
        version: u32,
        maildir: PathBuf,
        layout: String,
    },
    Folder {
        folder: usize,
        directories: Vec<String>,
    },
    Move {
        from: usize,
        old: String,
        to: usize,
        new: String,
        #[serde(default, skip_serializing_if = "String::is_empty")]
        add: String,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        keywords: Vec<String>,
    },
    End {
        ended: String,
    },
}

/// The journal of a current run.
#[derive(Debug)]
pub struct SortJournal {
    file: File,
    folders: HashMap<Vec<String>, usize>,
    /// Lines that are not written yet.
    text: String,
}

impl SortJournal {
    /// Begins the journal of a run, and forgets those that are too old.
    ///
    /// # Errors
    /// The state directory cannot be written, or the Maildir's path is not UTF-8.
    pub fn begin(state: &StateDir, maildir: &Path, layout: Layout) -> io::Result<SortJournal> {
        let directory = state.make_inside(DIRECTORY)?;
        prune(state);
        let now = Timestamp::try_from(SystemTime::now()).unwrap_or_default();
        let now = now.strftime("%Y%m%dT%H%M%S.%9fZ");
        let path = directory.join(format!("{now}-{}.{SUFFIX}", std::process::id()));
        let file = file::open(&path, file::MAKE_OWN)?;
        let mut journal = SortJournal { file, folders: HashMap::new(), text: String::new() };
        journal.line(&JournalLine::Head {
            mfilter: DIRECTORY.into(),
            version: 1,
            maildir: maildir.to_owned(),
            layout: layout_name(layout).into(),
        })?;
        journal.sync()?;
        file::sync_directory(&directory)?;
        Ok(journal)
    }

    /// Records a move that will be made; on disk after [`SortJournal::sync`].
    ///
    /// # Errors
    /// The move cannot be recorded.
    pub fn note(&mut self, moved: &MoveRecord) -> io::Result<()> {
        let from = self.folder(&moved.from.folder)?;
        let to = self.folder(&moved.to.folder)?;
        self.line(&JournalLine::Move {
            from,
            old: moved.from.file.clone(),
            to,
            new: moved.to.file.clone(),
            add: moved.added.letters.clone(),
            keywords: moved.added.keywords.clone(),
        })
    }

    fn folder(&mut self, directories: &[String]) -> io::Result<usize> {
        if let Some(number) = self.folders.get(directories) {
            return Ok(*number);
        }
        let folder = self.folders.len();
        self.folders.insert(directories.to_vec(), folder);
        self.line(&JournalLine::Folder { folder, directories: directories.to_vec() })?;
        Ok(folder)
    }

    fn line(&mut self, line: &JournalLine) -> io::Result<()> {
        self.text.push_str(&serde_json::to_string(line)?);
        self.text.push('\n');
        Ok(())
    }

    /// Syncs what was recorded to disk.
    ///
    /// # Errors
    /// The journal cannot be written.
    pub fn sync(&mut self) -> io::Result<()> {
        self.file.write_all(self.text.as_bytes())?;
        self.text.clear();
        self.file.sync_data()
    }

    /// Records that the run has ended.
    ///
    /// # Errors
    /// The journal cannot be written.
    pub fn end(mut self) -> io::Result<()> {
        self.line(&end())?;
        self.sync()
    }
}

fn end() -> JournalLine {
    let now = Timestamp::try_from(SystemTime::now()).unwrap_or_default();
    JournalLine::End { ended: format!("{now:.0}") }
}

fn layout_name(layout: Layout) -> &'static str {
    match layout {
        Layout::MaildirPlusPlus => "maildir++",
        Layout::Fs => "fs",
    }
}

/// A past run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SortRecord {
    /// Its file's name in `sorted/`, which begins with its time.
    pub name: String,
    /// The Maildir, without links.
    pub maildir: PathBuf,
    /// The layout of its folders.
    pub layout: Layout,
    /// Its moves, in their order.
    pub moves: Vec<MoveRecord>,
    /// Whether it ran to its end.
    pub ended: bool,
}

/// The names of the runs that were not taken back, newest first.
pub fn runs(state: &StateDir) -> Vec<String> {
    let mut names = files(state);
    names.retain(|name| name.ends_with(&format!(".{SUFFIX}")));
    names.sort_unstable_by(|one, other| other.cmp(one));
    names
}

/// Reads the run of that name.
///
/// # Errors
/// It does not exist, others can write it, or it is damaged. A last line without a line
/// end does not count: it was not yet on disk, so its move was not made.
pub fn read(state: &StateDir, name: &str) -> io::Result<SortRecord> {
    let damaged = || io::Error::new(ErrorKind::InvalidData, "it is damaged");
    let bytes = state.read(&format!("{DIRECTORY}/{name}"), MAX);
    let bytes = bytes.ok_or_else(|| {
        io::Error::new(ErrorKind::InvalidData, "it is not there, or not the user's alone")
    })?;
    let text = std::str::from_utf8(&bytes).map_err(|_| damaged())?;
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    let mut lines = whole.lines().map(serde_json::from_str);
    let Some(Ok(JournalLine::Head { version: 1, maildir, layout, .. })) = lines.next() else {
        return Err(damaged());
    };
    let layout = [Layout::MaildirPlusPlus, Layout::Fs]
        .into_iter()
        .find(|known| layout_name(*known) == layout)
        .ok_or_else(damaged)?;
    let mut run =
        SortRecord { name: name.into(), maildir, layout, moves: Vec::new(), ended: false };
    let mut folders: Vec<Vec<String>> = Vec::new();
    for line in lines {
        match line.map_err(|_| damaged())? {
            JournalLine::Head { .. } => return Err(damaged()),
            JournalLine::Folder { folder, directories } if folder == folders.len() => {
                folders.push(directories);
            }
            JournalLine::Folder { .. } => return Err(damaged()),
            JournalLine::Move { from, old, to, new, add, keywords } => {
                let place = |number: usize, file| {
                    let folder = folders.get(number).ok_or_else(damaged)?.clone();
                    Ok::<_, io::Error>(MessagePlace { folder, file })
                };
                let added = Flags { letters: add, keywords };
                run.moves.push(MoveRecord { from: place(from, old)?, to: place(to, new)?, added });
            }
            JournalLine::End { .. } => run.ended = true,
        }
    }
    Ok(run)
}

/// The moves that were made in a Maildir since `moment` (seconds since 1970), and in
/// reverse those of runs that were taken back.
pub fn moves_since(state: &StateDir, maildir: &Path, moment: i64) -> Vec<MoveRecord> {
    let maildir = fs::canonicalize(maildir).unwrap_or_else(|_| maildir.to_owned());
    let mut moves = Vec::new();
    for name in files(state) {
        let metadata = fs::symlink_metadata(state.path().join(DIRECTORY).join(&name));
        if metadata.is_ok_and(|metadata| metadata.ctime() < moment) {
            continue;
        }
        let Ok(run) = read(state, &name) else { continue };
        let undone = name.ends_with(&format!(".{UNDONE}"));
        if fs::canonicalize(&run.maildir).is_ok_and(|path| path == maildir) {
            moves.extend(run.moves.into_iter().map(|moved| match undone {
                true => MoveRecord { from: moved.to, to: moved.from, added: moved.added },
                false => moved,
            }));
        }
    }
    moves
}

/// Records the end of a killed run when nothing is left to be done for it.
///
/// # Errors
/// The journal cannot be read or written.
pub fn end_killed(state: &StateDir, name: &str) -> io::Result<()> {
    let path = state.path().join(DIRECTORY).join(name);
    let mut file = file::open(&path, file::APPEND_OWN)?;
    let mut text = Vec::new();
    file.read_to_end(&mut text)?;
    // An incomplete line, written when the machine stopped, is removed.
    let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    file.set_len(whole as u64)?;
    let mut journal = SortJournal { file, folders: HashMap::new(), text: String::new() };
    journal.line(&end())?;
    journal.sync()
}

/// Records that a run was taken back.
///
/// # Errors
/// The journal cannot be renamed.
pub fn undone(state: &StateDir, name: &str) -> io::Result<()> {
    let path = state.path().join(DIRECTORY).join(name);
    fs::rename(&path, path.with_extension(UNDONE))?;
    file::sync_directory(&state.path().join(DIRECTORY))
}

/// The files of all runs, in no particular order.
fn files(state: &StateDir) -> Vec<String> {
    let entries = fs::read_dir(state.path().join(DIRECTORY)).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
}

/// Removes runs that nobody is likely to take back any more.
fn prune(state: &StateDir) {
    let mut names = files(state);
    names.sort_unstable_by(|one, other| other.cmp(one));
    let mut bytes = 0;
    for (number, name) in names.iter().enumerate() {
        let path = state.path().join(DIRECTORY).join(name);
        let Ok(metadata) = fs::symlink_metadata(&path) else { continue };
        bytes += metadata.len();
        // The run that begins now is counted.
        let many = number + 1 >= RUNS_MIN && bytes > BYTES_MAX || number + 1 >= RUNS_MAX;
        let old = metadata.modified().is_ok_and(|time| is_older(time, FORGET_AFTER));
        if many || old {
            let _ = fs::remove_file(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn moved(number: usize, to: &str) -> MoveRecord {
        MoveRecord {
            from: MessagePlace { folder: vec![], file: format!("new/{number}") },
            to: MessagePlace {
                folder: vec![to.into(), "b".into()],
                file: format!("cur/{number}:2,S"),
            },
            added: Flags { letters: "S".into(), keywords: vec!["$x".into()] },
        }
    }

    fn write(state: &StateDir, moves: &[MoveRecord], end: bool) {
        let mut journal = SortJournal::begin(state, Path::new("/m"), Layout::Fs).unwrap();
        moves.iter().for_each(|moved| journal.note(moved).unwrap());
        journal.sync().unwrap();
        if end {
            journal.end().unwrap();
        }
    }

    #[test]
    fn a_maildir_is_claimed_under_all_its_names() {
        let home = tempfile::tempdir().unwrap();
        let state = StateDir::at(home.path().join("state"));
        for name in ["A", "B"] {
            fs::create_dir(home.path().join(name)).unwrap();
        }
        symlink("A", home.path().join("link")).unwrap();
        let claim = |name| claim(&state, &home.path().join(name), Instant::now());
        let first = claim("A").unwrap();
        assert!(first.is_some() && claim("link").unwrap().is_none());
        assert!(claim("B").unwrap().is_some() && claim("C").is_err());
        drop(first);
        assert!(claim("link").unwrap().is_some());
    }

    #[test]
    fn what_was_noted_is_read_back_the_last_run_first() {
        let home = tempfile::tempdir().unwrap();
        let state = StateDir::at(home.path().join("state"));
        let first = [moved(1, "A"), moved(2, "B"), moved(3, "A")];
        write(&state, &first, true);
        write(&state, &[moved(4, "A")], false);
        let names = runs(&state);
        let read = |number: usize| super::read(&state, &names[number]).unwrap();
        assert_eq!((read(1).moves.as_slice(), read(1).ended), (first.as_slice(), true));
        assert_eq!((read(0).moves.len(), read(0).ended), (1, false));
        assert_eq!((read(0).maildir.as_path(), read(0).layout), (Path::new("/m"), Layout::Fs));
        undone(&state, &names[0]).unwrap();
        assert_eq!(runs(&state), names[1..]);
    }

    #[test]
    fn half_a_line_does_not_count_and_damage_is_reported() {
        let home = tempfile::tempdir().unwrap();
        let state = StateDir::at(home.path().join("state"));
        write(&state, &[moved(1, "A"), moved(2, "A")], false);
        let name = runs(&state).remove(0);
        let path = state.path().join("sorted").join(&name);
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, &text[..text.len() - 3]).unwrap();
        assert_eq!(read(&state, &name).unwrap().moves, [moved(1, "A")]);
        end_killed(&state, &name).unwrap();
        let run = read(&state, &name).unwrap();
        assert_eq!((run.moves, run.ended), (vec![moved(1, "A")], true));
        for text in ["", "{}\n", "x\n", &text.replace("\"to\":1", "\"to\":7")] {
            fs::write(&path, text).unwrap();
            assert!(read(&state, &name).is_err(), "{text}");
        }
    }

    #[test]
    fn old_runs_and_many_large_ones_are_forgotten() {
        let home = tempfile::tempdir().unwrap();
        let state = StateDir::at(home.path().join("state"));
        let path = |name: &String| state.path().join("sorted").join(name);
        for number in 0..30 {
            write(&state, &[moved(number, "A")], true);
        }
        let names = runs(&state);
        assert_eq!(names.len(), 30);
        assert_eq!(read(&state, &names[0]).unwrap().moves, [moved(29, "A")]);
        let then = SystemTime::now() - FORGET_AFTER - Duration::from_secs(60);
        let open = |name| File::options().append(true).open(path(name)).unwrap();
        open(&names[3]).set_modified(then).unwrap();
        open(&names[1]).set_len(BYTES_MAX + 1).unwrap();
        write(&state, &[], true);
        assert!(!path(&names[3]).exists() && path(&names[1]).exists());
        // The new run, and of the nineteen before it all except the old one.
        assert_eq!(runs(&state).len(), RUNS_MIN - 1);
    }
}
