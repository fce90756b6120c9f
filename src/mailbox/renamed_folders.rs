//! Folders that were probably renamed by a mail reader, which does not know the rules:
//! mail was delivered to them, they are gone or were created again since, and that mail
//! is together in another folder.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;

use jiff::Timestamp;

use super::special_use::{FolderUse, SpecialFolders};
use crate::log::Log;
use crate::log::reader::{self, LogLine, base};
use crate::maildir::{Location, Maildir};
use crate::plan::Folder;
use crate::rules::program::Program;

/// How many of a folder's latest deliveries are looked for.
const FILES_MAX: usize = 50;
/// How many messages must be together; fewer may have been moved one by one.
const FILES_MIN: usize = 3;
/// How much of the end of each log file is read, bytes.
const LOG_MAX: u64 = 4 << 20;

/// The folders that mail was delivered to, that are gone and were probably renamed, each
/// with the folder that has its mail.
pub fn find_vanished(location: &Location, program: &Program, log: &Log) -> Vec<(Folder, Folder)> {
    let mut names = BTreeSet::new();
    for path in log.files().unwrap_or_default() {
        let _ = read_end(&path, |line| {
            if let Some(folder) = stored_in(&line).filter(|folder| !names.contains(*folder)) {
                names.insert(folder.to_owned());
            }
        });
    }
    let folders = names.iter().map(|name| Folder::named(name));
    let vanished: Vec<Folder> =
        folders.filter(|folder| !location.folder_path(folder).exists()).collect();
    find_renamed(location, program, log, &vanished)
}

/// The folder in which a message was stored, according to a line of the log.
fn stored_in(line: &LogLine) -> Option<&str> {
    let is_stored = matches!(line.word.as_str(), "delivered" | "copied" | "moved");
    line.get("folder").filter(|_| is_stored)
}

/// Those of these folders that were probably renamed, each with the folder that has its
/// mail.
pub fn find_renamed(
    location: &Location,
    program: &Program,
    log: &Log,
    folders: &[Folder],
) -> Vec<(Folder, Folder)> {
    let folders = folders.iter().filter(|folder| !folder.parts.is_empty());
    let ends: HashMap<String, Timestamp> = folders
        .clone()
        .filter_map(|folder| Some((folder.to_string(), end_of_first(location, folder)?)))
        .collect();
    let Some(files) = log.files().ok().filter(|_| !ends.is_empty()) else { return Vec::new() };
    let mut earlier: HashMap<String, VecDeque<String>> = HashMap::new();
    for path in files {
        let _ = read_end(&path, |line| {
            let (Some(folder), Some(file)) = (stored_in(&line), line.get("file")) else { return };
            if ends.get(folder).is_some_and(|end| line.time < *end) {
                let files = earlier.entry(folder.to_owned()).or_default();
                files.push_back(base(file));
                if files.len() > FILES_MAX {
                    files.pop_front();
                }
            }
        });
    }
    earlier.retain(|_, files| files.len() >= FILES_MIN);
    if earlier.is_empty() {
        return Vec::new();
    }
    let found = whereabouts(location, program, &earlier);
    let other = |folder: &Folder| Some((folder.clone(), found.get(&folder.to_string())?.clone()));
    folders.filter_map(other).collect()
}

/// The time until which mail was delivered to an earlier folder of this name: when the
/// existing one was created, or now if there is none. None if that cannot be known.
fn end_of_first(location: &Location, folder: &Folder) -> Option<Timestamp> {
    match fs::metadata(location.folder_path(folder)) {
        Ok(metadata) => Timestamp::try_from(metadata.created().ok()?).ok(),
        Err(error) => (error.kind() == ErrorKind::NotFound).then_some(Timestamp::MAX),
    }
}

/// The last lines of a file of the log.
fn read_end(path: &Path, each: impl FnMut(LogLine)) -> io::Result<u64> {
    let size = fs::metadata(path)?.len();
    reader::read_from(path, size.saturating_sub(LOG_MAX), each)
}

/// For each folder: the other folder that has most of its files, if that is nearly all
/// that still exist.
fn whereabouts(
    location: &Location,
    program: &Program,
    earlier: &HashMap<String, VecDeque<String>>,
) -> HashMap<String, Folder> {
    let Ok(maildir) = Maildir::open(location) else { return HashMap::new() };
    let special = SpecialFolders::of(location, &program.settings);
    let folder_of: HashMap<&str, &str> = earlier
        .iter()
        .flat_map(|(folder, files)| files.iter().map(move |file| (file.as_str(), folder.as_str())))
        .collect();
    let mut counts: HashMap<&str, Vec<(usize, Option<Folder>)>> = HashMap::new();
    for place in maildir.folders().0 {
        let Ok(open) = maildir.folder(&place) else { continue };
        let mut here: HashMap<&str, usize> = HashMap::new();
        for entry in open.list().0 {
            if let Some(folder) = folder_of.get(entry.key().as_str()) {
                *here.entry(folder).or_default() += 1;
            }
        }
        let name = location.folder_of(&place);
        // Mail in the inbox or the trash was moved there, and its folder removed.
        let is_discarded =
            matches!(special.use_of(&place), Some(FolderUse::Trash | FolderUse::Junk));
        for (folder, count) in here {
            let is_new = !is_discarded && !name.parts.is_empty() && name.to_string() != folder;
            let other = is_new.then(|| name.clone());
            counts.entry(folder).or_default().push((count, other));
        }
    }
    let most = counts.into_iter().filter_map(|(folder, counts)| {
        let all: usize = counts.iter().map(|(count, _)| count).sum();
        let (most, other) = counts.into_iter().max_by_key(|(count, _)| *count)?;
        (most >= FILES_MIN && most * 10 >= all * 9).then(|| Some((folder.to_owned(), other?)))?
    });
    most.collect()
}
