//! The versions of the rules that were in force, for `mfilter why`: what did the rule say
//! on the day the message arrived?
//!
//! Each version is a file `history/KEY-MILLISECONDS-HASH.rules`: its main rule file, the
//! time from which it was in force (since 1970), and its hash; the content has the format
//! of [`super::last_valid`]. A version that comes back is a second name of the same file.
//! It is written when a delivery has checked new rules, never when they are unchanged.
//! Nothing is synced: if a power cut damages a version, its checksum shows that, and the
//! next one is used.

use std::fs;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sha2::{Digest, Sha256};

use super::last_valid::{DecodedRules, decode, encode};
use super::{StateDir, key};
use crate::file;
use crate::text::hex;

const DIRECTORY: &str = "history";
/// How many versions of each main rule file are kept.
const VERSIONS_MAX: usize = 50;
/// How long a version is kept after it was replaced.
const FORGET_AFTER: Duration = Duration::from_secs(90 * 24 * 3600);
/// The size of all versions together, bytes.
const BYTES_MAX: u64 = 16 << 20;
/// The size of the largest version that is kept, bytes.
const FILE_MAX: u64 = 4 << 20;

/// A kept version.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// When it came into force, milliseconds since 1970.
    pub since: i64,
    hash: String,
    name: String,
}

/// All versions of a main rule file, oldest first.
pub fn versions(state: &StateDir, main: &Path) -> Vec<Version> {
    let key = key(&[main.as_os_str().as_bytes()]);
    let entries = fs::read_dir(state.path().join(DIRECTORY)).into_iter().flatten().flatten();
    let mut versions: Vec<Version> = entries
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let rest = name.strip_prefix(&key)?.strip_prefix('-')?.strip_suffix(".rules")?;
            let (since, hash) = rest.split_once('-')?;
            Some(Version { since: since.parse().ok()?, hash: hash.to_owned(), name: name.clone() })
        })
        .collect();
    versions.sort();
    versions
}

/// The texts of a version, the main file first; none if it is damaged.
pub fn read(state: &StateDir, version: &Version) -> Option<Vec<(PathBuf, String)>> {
    let bytes = state.read(&format!("{DIRECTORY}/{}", version.name), FILE_MAX)?;
    match decode(std::str::from_utf8(&bytes).ok()?) {
        DecodedRules::Files(files) => Some(files),
        DecodedRules::OtherVersion | DecodedRules::Damaged => None,
    }
}

/// Records that these rules are in force from now on; false if they were before.
///
/// # Errors
/// The rules are too large, or the state directory cannot be written.
pub fn remember(state: &StateDir, main: &Path, files: &[(PathBuf, &str)]) -> io::Result<bool> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    remember_at(state, main, files, now.as_millis().try_into().unwrap_or(i64::MAX))
}

fn remember_at(
    state: &StateDir,
    main: &Path,
    files: &[(PathBuf, &str)],
    now: i64,
) -> io::Result<bool> {
    let text = encode(files);
    if text.len() as u64 > FILE_MAX {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    let hash = hex(&Sha256::digest(text.as_bytes())[..8]);
    let known = versions(state, main);
    let last = known.last();
    if last.is_some_and(|last| last.hash == hash) {
        return Ok(false);
    }
    // After a clock was set back, the last one must stay the last.
    let since = now.max(last.map_or(0, |last| last.since.saturating_add(1)));
    state.make()?;
    let directory = state.make_inside(DIRECTORY)?;
    let key = key(&[main.as_os_str().as_bytes()]);
    let path = directory.join(format!("{key}-{since:013}-{hash}.rules"));
    let again = known.iter().rev().find(|version| version.hash == hash);
    let linked = again.is_some_and(|old| {
        read(state, old).is_some() && fs::hard_link(directory.join(&old.name), &path).is_ok()
    });
    if !linked {
        let mut file = tempfile::Builder::new().prefix(".new-").tempfile_in(&directory)?;
        file.write_all(text.as_bytes())?;
        file::put_in_place(file, &path)?;
    }
    prune(state, main, now);
    Ok(true)
}

fn prune(state: &StateDir, main: &Path, now: i64) {
    let oldest = now.saturating_sub(FORGET_AFTER.as_millis().try_into().unwrap_or(i64::MAX));
    let directory = state.path().join(DIRECTORY);
    let mut newer: Option<i64> = None;
    let (mut number, mut bytes) = (0, 0);
    for version in versions(state, main).iter().rev() {
        let path = directory.join(&version.name);
        number += 1;
        bytes += fs::symlink_metadata(&path).map_or(0, |metadata| metadata.len());
        // The last one is in force and stays.
        let over = newer.is_some_and(|newer| newer < oldest);
        if newer.is_some() && (over || number > VERSIONS_MAX || bytes > BYTES_MAX) {
            let _ = fs::remove_file(path);
        }
        newer = Some(version.since);
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    const DAY: i64 = 24 * 3600 * 1000;

    fn note(state: &StateDir, text: &str, at: i64) -> bool {
        let main = Path::new("/home/taro/.mailrules");
        remember_at(state, main, &[(main.into(), text)], at).unwrap()
    }

    fn texts_of(state: &StateDir) -> Vec<(i64, String)> {
        versions(state, Path::new("/home/taro/.mailrules"))
            .iter()
            .map(|version| (version.since, read(state, version).unwrap()[0].1.clone()))
            .collect()
    }

    #[test]
    fn each_version_is_known_by_its_time_and_kept_once() {
        let home = tempfile::tempdir().unwrap();
        let state = StateDir::at(home.path().join("mfilter"));
        assert!(note(&state, "a", 1000));
        assert!(!note(&state, "a", 2000), "nothing new");
        assert!(note(&state, "b", 3000));
        assert!(note(&state, "a", 2500), "a clock that was set back");
        let texts = [(1000, "a"), (3000, "b"), (3001, "a")];
        assert_eq!(texts_of(&state), texts.map(|(at, text)| (at, text.to_owned())));
        let main = Path::new("/home/taro/.mailrules");
        let inodes: Vec<u64> = versions(&state, main)
            .iter()
            .map(|version| {
                fs::metadata(state.path().join(DIRECTORY).join(&version.name)).unwrap().ino()
            })
            .collect();
        assert!(inodes[0] == inodes[2] && inodes[0] != inodes[1]);
        assert!(versions(&state, Path::new("/other")).is_empty());
    }

    #[test]
    fn old_or_excess_entries_are_removed_and_the_last_one_stays() {
        let home = tempfile::tempdir().unwrap();
        let state = StateDir::at(home.path().join("mfilter"));
        note(&state, "a", 1);
        note(&state, "b", DAY);
        note(&state, "c", 92 * DAY);
        // `a` ended 91 days ago, `b` was in force until now.
        assert_eq!(texts_of(&state).len(), 2);
        for number in 0..60 {
            note(&state, &format!("{number}"), 93 * DAY + number);
        }
        let left = texts_of(&state);
        assert_eq!((left.len(), left[0].1.as_str(), left[49].1.as_str()), (50, "10", "59"));
        let large = "x".repeat(3 << 20);
        for number in 0..8 {
            note(&state, &format!("{number}{large}"), 94 * DAY + number);
        }
        assert_eq!(texts_of(&state).len(), 5);
    }

    #[test]
    fn damage_is_noticed() {
        let home = tempfile::tempdir().unwrap();
        let state = StateDir::at(home.path().join("mfilter"));
        note(&state, "abc", 1);
        let main = Path::new("/home/taro/.mailrules");
        let version = versions(&state, main).remove(0);
        let path = state.path().join(DIRECTORY).join(&version.name);
        fs::write(
            path,
            fs::read_to_string(state.path().join(DIRECTORY).join(&version.name))
                .unwrap()
                .replace("abc", "abd"),
        )
        .unwrap();
        assert_eq!(read(&state, &version), None);
        assert!(note(&state, "x", 2) && note(&state, "abc", 3));
        assert_eq!(kept_last(&state).as_deref(), Some("abc"), "not a name of the damaged one");
    }

    fn kept_last(state: &StateDir) -> Option<String> {
        let all = versions(state, Path::new("/home/taro/.mailrules"));
        Some(read(state, all.last()?)?[0].1.clone())
    }
}
