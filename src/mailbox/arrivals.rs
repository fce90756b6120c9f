//! Which files in a folder's `new` are complete messages that nobody has judged yet.
//!
//! A file that was renamed there or closed after writing is complete. One that is written
//! in place is taken as complete once it has not grown for a while; an empty one is
//! waited for. Some may be renamed while the folder is listed, so a file that is not
//! found is looked for again.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use super::dir_watcher::Arrival;
use crate::maildir::Place;
use crate::maildir::entry::{Entry, Sub};
use crate::maildir::folder::MaildirFolder;
use crate::outcome::Failure;
use crate::state::places::name_hash;

/// How long a file that is written in place must not have grown to count as complete.
const WRITE_QUIESCENCE: Duration = Duration::from_secs(1);
/// How long to wait for an empty file to grow.
const EMPTY_TIMEOUT: Duration = Duration::from_secs(60);
/// How often, and for how long, to look for a file that is renamed repeatedly.
const RETRY_INTERVAL: Duration = Duration::from_millis(250);
const RETRY_FOR: Duration = Duration::from_secs(3);
/// How long a file is remembered whose folder is not looked at.
const FORGET_AFTER: Duration = Duration::from_secs(300);

/// Files that have arrived, and messages that stay where they are.
#[derive(Debug, Default)]
pub struct Arrivals {
    files: HashMap<PathBuf, ArrivingFile>,
    /// Messages that stay in `new`, by the hash of their names, for each folder.
    staying: HashMap<Vec<String>, HashSet<u64>>,
}

/// A file that has arrived.
#[derive(Debug)]
struct ArrivingFile {
    /// Whether it is complete, as far as is known.
    is_complete: bool,
    arrived: Instant,
    /// Its size, and when that was first seen.
    size: u64,
    size_since: Instant,
}

impl ArrivingFile {
    fn new(is_complete: bool, now: Instant) -> ArrivingFile {
        ArrivingFile { is_complete, arrived: now, size: 0, size_since: now }
    }
}

/// What a look at a folder has found.
#[derive(Debug, Default)]
pub struct ReadyMail {
    /// The messages to file, in the order of their names.
    pub entries: Vec<Entry>,
    /// When to look again at files that are not complete yet.
    pub next_look: Option<Instant>,
    /// What could not be read.
    pub problems: Vec<Failure>,
}

impl ReadyMail {
    fn look_at(&mut self, at: Instant) {
        self.next_look = Some(self.next_look.map_or(at, |known| known.min(at)));
    }
}

impl Arrivals {
    /// Whether no file is waited for.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// Records which files have arrived.
    pub fn record(&mut self, arrived: &HashMap<PathBuf, Arrival>, now: Instant) {
        for (path, arrival) in arrived {
            match arrival {
                Arrival::Complete => {
                    self.files.insert(path.clone(), ArrivingFile::new(true, now));
                }
                Arrival::Created => {
                    let file = self.files.entry(path.clone());
                    file.or_insert_with(|| ArrivingFile::new(false, now));
                }
            }
        }
    }

    /// Looks once more for a message that vanished while it was filed: it may just have
    /// been renamed very often. Returns when.
    pub fn look_for(&mut self, path: PathBuf, now: Instant) -> Instant {
        self.files.insert(path, ArrivingFile::new(true, now));
        now + RETRY_INTERVAL
    }

    /// Records that a message stays in `new` of its folder.
    pub fn note_staying(&mut self, place: &Place, entry: &Entry) {
        let staying = self.staying.entry(place.directories().to_vec()).or_default();
        staying.insert(name_hash(&entry.key()));
    }

    /// Forgets which messages stay, so that they are judged again.
    pub fn judge_all_again(&mut self) {
        self.staying.clear();
    }

    /// The messages in a folder's `new` that are complete. With `scan`, files whose
    /// arrival was not seen are found as well.
    pub fn ready(
        &mut self,
        folder: &MaildirFolder,
        place: &Place,
        scan: bool,
        now: Instant,
    ) -> ReadyMail {
        let new = folder.path().join(Sub::New.name());
        let mut ready = ReadyMail::default();
        if scan {
            let (mut listed, problems) = folder.list();
            ready.problems = problems;
            listed.retain(|entry| entry.sub == Sub::New);
            let hashes: HashSet<u64> = listed.iter().map(|entry| name_hash(&entry.key())).collect();
            let staying = self.staying.entry(place.directories().to_vec()).or_default();
            staying.retain(|hash| hashes.contains(hash));
            listed.retain(|entry| !staying.contains(&name_hash(&entry.key())));
            for path in listed.iter().map(|entry| new.join(&entry.name)) {
                let file = self.files.entry(path);
                file.or_insert_with_key(|path| ArrivingFile::new(is_old(path), now));
            }
        }
        let mut listed = None;
        self.files.retain(|path, file| {
            if path.parent() != Some(&new) {
                // It is in another folder, or in one that is no longer watched.
                return now.duration_since(file.arrived) < FORGET_AFTER;
            }
            let Some(name) = path.file_name().and_then(|name| name.to_str()) else { return false };
            if name.starts_with('.') {
                return false;
            }
            let entry = Entry { sub: Sub::New, name: name.to_owned() };
            let Ok(metadata) = std::fs::symlink_metadata(path) else {
                // A mail reader or IMAP server has moved it to `cur` at once. A listing
                // that is made while files are renamed may lack some.
                let listed = listed.get_or_insert_with(|| folder.by_key());
                if let Some(moved) = listed.remove(&entry.key()) {
                    ready.entries.push(moved);
                    return false;
                }
                ready.look_at(now + RETRY_INTERVAL);
                return now.duration_since(file.arrived) < RETRY_FOR;
            };
            if metadata.len() != file.size {
                (file.size_since, file.size) = (now, metadata.len());
            }
            let is_quiet = now.duration_since(file.size_since) >= WRITE_QUIESCENCE;
            if file.size > 0 && (file.is_complete || is_quiet) {
                ready.entries.push(entry);
                return false;
            }
            ready.look_at(if is_quiet { now } else { file.size_since } + WRITE_QUIESCENCE);
            file.size > 0 || now.duration_since(file.arrived) < EMPTY_TIMEOUT
        });
        ready.entries.sort_unstable();
        ready
    }
}

/// Whether nobody has written to a file for a while.
fn is_old(path: &Path) -> bool {
    let age = std::fs::symlink_metadata(path)
        .and_then(|metadata| metadata.modified())
        .map(|at| SystemTime::now().duration_since(at));
    matches!(age, Ok(Ok(age)) if age > WRITE_QUIESCENCE * 2)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::Arc;

    use tempfile::TempDir;

    use crate::maildir::Location;
    use crate::maildir::mover::Mover;
    use crate::plan::Folder;
    use crate::rules::program::Layout;

    use super::*;

    /// The inbox of a Maildir of its own.
    struct Inbox {
        new: PathBuf,
        place: Place,
        folder: Arc<MaildirFolder>,
        now: Instant,
        arrivals: Arrivals,
        _home: TempDir,
    }

    impl Inbox {
        fn new() -> Inbox {
            let home = tempfile::tempdir().unwrap();
            let location =
                Location::new(home.path().join("Maildir"), Layout::MaildirPlusPlus, None);
            for name in ["tmp", "new", "cur"] {
                fs::create_dir_all(location.path.join(name)).unwrap();
            }
            let place = location.place(&Folder::named("INBOX"));
            let folder = Mover::open(&location).unwrap().folder(&place).unwrap();
            Inbox {
                new: location.path.join("new"),
                place,
                folder,
                now: Instant::now(),
                arrivals: Arrivals::default(),
                _home: home,
            }
        }

        fn write(&self, name: &str, text: &str) -> PathBuf {
            let path = self.new.join(name);
            fs::write(&path, text).unwrap();
            path
        }

        fn arrives(&mut self, path: &Path, arrival: Arrival) {
            self.arrivals.record(&HashMap::from([(path.to_owned(), arrival)]), self.now);
        }

        /// The names that are ready after `seconds`, and whether to look again.
        fn after(&mut self, seconds: f64, scan: bool) -> (Vec<String>, bool) {
            let now = self.now + Duration::from_secs_f64(seconds);
            let ready = self.arrivals.ready(&self.folder, &self.place, scan, now);
            assert!(ready.problems.is_empty() && ready.next_look.is_none_or(|at| at > now));
            (ready.entries.into_iter().map(|entry| entry.name).collect(), ready.next_look.is_some())
        }
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn a_renamed_file_is_ready_at_once_and_only_once() {
        let mut inbox = Inbox::new();
        for name in ["2.b", "1.a", ".hidden"] {
            let path = inbox.write(name, "x");
            inbox.arrives(&path, Arrival::Complete);
        }
        assert_eq!(inbox.after(0.0, false), (names(&["1.a", "2.b"]), false));
        assert_eq!(inbox.after(0.0, false), (names(&[]), false));
        assert!(inbox.arrivals.is_empty());
    }

    #[test]
    fn a_file_that_grows_is_waited_for() {
        let mut inbox = Inbox::new();
        let path = inbox.write("1.a", "x");
        inbox.arrives(&path, Arrival::Created);
        assert_eq!(inbox.after(0.5, false), (names(&[]), true));
        inbox.write("1.a", "xy");
        assert_eq!(inbox.after(1.4, false), (names(&[]), true));
        assert_eq!(inbox.after(2.3, false), (names(&[]), true));
        assert_eq!(inbox.after(2.5, false), (names(&["1.a"]), false));
    }

    #[test]
    fn an_empty_file_is_waited_for_and_then_forgotten() {
        let mut inbox = Inbox::new();
        let path = inbox.write("1.a", "");
        inbox.arrives(&path, Arrival::Complete);
        assert_eq!(inbox.after(59.0, false), (names(&[]), true));
        inbox.after(61.0, false);
        assert!(inbox.arrivals.is_empty());
    }

    #[test]
    fn a_file_in_cur_by_now_is_found_and_a_lost_one_forgotten() {
        let mut inbox = Inbox::new();
        for name in ["1.a", "2.b"] {
            let path = inbox.new.join(name);
            inbox.arrives(&path, Arrival::Complete);
        }
        fs::write(inbox.new.join("../cur/1.a:2,S"), "x").unwrap();
        assert_eq!(inbox.after(0.0, false), (names(&["1.a:2,S"]), true));
        assert_eq!(inbox.after(2.9, false), (names(&[]), true));
        inbox.after(3.1, false);
        assert!(inbox.arrivals.is_empty());
    }

    #[test]
    fn a_scan_finds_all_but_what_stays() {
        let mut inbox = Inbox::new();
        inbox.write("1.a", "x");
        inbox.write("2.b", "x");
        inbox.arrivals.note_staying(&inbox.place, &Entry { sub: Sub::New, name: "1.a".to_owned() });
        assert_eq!(inbox.after(0.0, false), (names(&[]), false));
        // Its arrival was not seen, and it is young.
        assert_eq!(inbox.after(0.0, true), (names(&[]), true));
        assert_eq!(inbox.after(1.1, true), (names(&["2.b"]), false));
        inbox.arrivals.judge_all_again();
        inbox.after(2.0, true);
        assert_eq!(inbox.after(3.1, true), (names(&["1.a", "2.b"]), false));
    }

    #[test]
    fn an_old_file_is_taken_as_complete() {
        let mut inbox = Inbox::new();
        let path = inbox.write("1.a", "x");
        let hour_ago = SystemTime::now() - Duration::from_secs(3600);
        fs::File::options().write(true).open(&path).unwrap().set_modified(hour_ago).unwrap();
        assert_eq!(inbox.after(0.0, true), (names(&["1.a"]), false));
    }
}
