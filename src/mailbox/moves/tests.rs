//! What counts as moved by the user, and what does not.

use std::fs;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::flags::Flags;
use crate::message::head::Head;
use crate::plan::Folder;
use crate::rules::program::Layout;
use crate::state::identity::HeaderHash;
use crate::state::memory::DeliveryRecord;
use crate::state::places::OwnMove;
use crate::state::sort_journal::{self, MessagePlace, SortJournal};

use super::compare::{GONE_FOR, OVERLOOK_TIME};
use super::*;

const LONG: Duration = Duration::from_secs(60);
/// A file name in the form of mfilter's deliveries.
const OURS: &str = "1767.M000001P2Q3R0123456789abcdef.mx,S=9";

struct Home {
    directory: tempfile::TempDir,
    location: Location,
    state: StateDir,
    now: i64,
}

impl Home {
    /// A Maildir with an inbox, `A` and `B`, after a first scan.
    fn new() -> Home {
        let directory = tempfile::tempdir().unwrap();
        let location =
            Location::new(directory.path().join("Maildir"), Layout::MaildirPlusPlus, None);
        let state = StateDir::at(directory.path().join("state"));
        let home = Home { directory, location, state, now: 1_000_000 };
        for folder in ["", ".A/", ".B/"] {
            home.make(folder);
        }
        home.put("new/1.mx", "<1@x>");
        home.put("cur/2.mx:2,S", "<2@x>");
        home.put(".A/cur/3.mx:2,", "<3@x>");
        home
    }

    fn with_records() -> Home {
        let mut home = Home::new();
        assert_eq!(home.scan(), Vec::<String>::new());
        home
    }

    fn memory(&self) -> Memory<'_> {
        Memory::at(&self.state, self.now)
    }

    fn path(&self, file: &str) -> PathBuf {
        self.directory.path().join("Maildir").join(file)
    }

    fn make(&self, folder: &str) {
        for sub in ["new", "cur", "tmp"] {
            fs::create_dir_all(self.path(&format!("{folder}{sub}"))).unwrap();
        }
    }

    fn put(&self, file: &str, id: &str) {
        let id = if id.is_empty() { String::new() } else { format!("Message-ID: {id}\n") };
        let text = format!("Received: 1\nFrom: a@b.example\n{id}Date: x\nSubject: y\n\nz\n");
        fs::write(self.path(file), text).unwrap();
    }

    fn rename(&self, from: &str, to: &str) {
        fs::rename(self.path(from), self.path(to)).unwrap();
    }

    /// What was moved since the last scan, as another process sees it.
    fn scan(&mut self) -> Vec<String> {
        self.now += 10;
        let mut watcher = MoveScanner::open(&self.location, &self.state).unwrap();
        let found = watcher.scan(self.now, LONG, &AtomicBool::new(false), &self.memory()).unwrap();
        assert!(found.problems.is_empty() && found.unread == 0, "{found:?}");
        watcher.save().unwrap();
        let name = |place: &Place| self.location.folder_of(place).to_string();
        let lines = found
            .moved
            .iter()
            .map(|moved| format!("{} {} {}", name(&moved.from), name(&moved.to), moved.entry));
        lines.collect()
    }
}

#[test]
fn a_rename_is_a_move_and_flags_are_none() {
    let mut home = Home::with_records();
    home.rename("new/1.mx", ".A/cur/1.mx:2,S");
    home.rename("cur/2.mx:2,S", "cur/2.mx:2,FS");
    home.rename(".A/cur/3.mx:2,", ".A/cur/4.other.name:2,");
    home.put("new/5.mx", "<5@x>");
    assert_eq!(home.scan(), ["INBOX A cur/1.mx:2,S"]);
    assert_eq!(home.scan(), Vec::<String>::new());
    home.rename(".A/cur/1.mx:2,S", "cur/1.mx:2,S");
    fs::remove_file(home.path("cur/2.mx:2,FS")).unwrap();
    assert_eq!(home.scan(), ["A INBOX cur/1.mx:2,S"]);
}

#[test]
fn a_copy_is_a_move_when_the_original_is_gone_or_marked() {
    let mut home = Home::with_records();
    home.put(".A/cur/9.dovecot:2,", "<1@x>");
    home.put(".B/cur/9.dovecot:2,S", "<2@x>");
    home.put(".B/cur/8.dovecot:2,S", "<3@x>");
    assert_eq!(home.scan(), Vec::<String>::new(), "copies are none");
    fs::remove_file(home.path("new/1.mx")).unwrap();
    home.rename("cur/2.mx:2,S", "cur/2.mx:2,ST");
    let mut moved = home.scan();
    moved.sort();
    assert_eq!(moved, ["INBOX A cur/9.dovecot:2,", "INBOX B cur/9.dovecot:2,S"]);
    fs::remove_file(home.path("cur/2.mx:2,ST")).unwrap();
    assert_eq!(home.scan(), Vec::<String>::new(), "it was told");
    fs::remove_file(home.path(".B/cur/8.dovecot:2,S")).unwrap();
    fs::remove_file(home.path(".A/cur/3.mx:2,")).unwrap();
    assert_eq!(home.scan(), Vec::<String>::new(), "both are gone");

    // A move by a server between two scans.
    home.put("cur/7.dovecot:2,", "<2@x>");
    fs::remove_file(home.path(".B/cur/9.dovecot:2,S")).unwrap();
    assert_eq!(home.scan(), ["B INBOX cur/7.dovecot:2,"]);
}

#[test]
fn what_is_removed_first_is_due_within_the_hour() {
    let mut home = Home::with_records();
    fs::remove_file(home.path("new/1.mx")).unwrap();
    fs::remove_file(home.path("cur/2.mx:2,S")).unwrap();
    assert_eq!(home.scan(), Vec::<String>::new());
    home.put(".A/new/9.mbsync,U=4", "<1@x>");
    assert_eq!(home.scan(), ["INBOX A new/9.mbsync,U=4"]);
    home.now += GONE_FOR;
    home.put(".A/new/8.mbsync,U=5", "<2@x>");
    assert_eq!(home.scan(), Vec::<String>::new(), "too late");
}

#[test]
fn deliveries_are_not_moves_and_what_was_delivered_can_be_moved() {
    let mut home = Home::with_records();
    home.put(&format!("new/{OURS}"), "<9@x>");
    assert_eq!(home.scan(), Vec::<String>::new());
    // The same message again, through a mailing list, while the first is deleted.
    fs::remove_file(home.path("new/1.mx")).unwrap();
    home.put(&format!(".A/new/{}", OURS.replace("Q3", "Q4")), "<1@x>");
    assert_eq!(home.scan(), Vec::<String>::new());
    home.rename(&format!("new/{OURS}"), &format!(".B/cur/{OURS}:2,S"));
    assert_eq!(home.scan(), [format!("INBOX B cur/{OURS}:2,S")]);
}

fn ours(number: u32) -> String {
    OURS.replace("Q3", &format!("Q{number}"))
}

/// A message that was delivered since the last scan, according to the log.
fn delivered(home: &Home, number: u32, id: &str, folder: &[&str], at: i64) {
    let head = format!("Received: 1\nFrom: a@b.example\nMessage-ID: {id}\nDate: x\n");
    let hash = HeaderHash::of(&Head::parse(head)).hash;
    let directories = folder.iter().map(|name| name.to_string()).collect();
    let delivered =
        DeliveryRecord { hash, file: crate::log::reader::base(&ours(number)), at, directories };
    home.memory().delivered(&[delivered]).unwrap();
}

#[test]
fn fresh_mail_is_known_by_the_log() {
    let mut home = Home::with_records();
    // Moved by a rename; by a server, under a name of its own; left where it is;
    // copied.
    delivered(&home, 4, "<4@x>", &[], home.now);
    home.put(&format!(".A/cur/{}:2,S", ours(4)), "<4@x>");
    delivered(&home, 5, "<5@x>", &[".A"], home.now);
    home.put("new/5.dovecot", "<5@x>");
    delivered(&home, 6, "<6@x>", &[".A"], home.now);
    home.put(&format!(".A/new/{}", ours(6)), "<6@x>");
    delivered(&home, 7, "<7@x>", &[], home.now);
    delivered(&home, 8, "<7@x>", &[".B"], home.now);
    home.put(&format!("new/{}", ours(7)), "<7@x>");
    home.put(&format!(".B/new/{}", ours(8)), "<7@x>");
    let mut moved = home.scan();
    moved.sort();
    assert_eq!(moved, ["A INBOX new/5.dovecot", &format!("INBOX A cur/{}:2,S", ours(4))]);
    assert_eq!(home.scan(), Vec::<String>::new());
    // A message that was delivered long ago and is restored now was not moved.
    delivered(&home, 9, "<8@x>", &[".A"], home.now - OVERLOOK_TIME - 100);
    home.put("new/8.restored", "<8@x>");
    assert_eq!(home.scan(), Vec::<String>::new());
    // A copy by a server: a move once the original is removed.
    delivered(&home, 9, "<9@x>", &[], home.now);
    home.put(&format!("new/{}", ours(9)), "<9@x>");
    home.put(".B/cur/9.dovecot:2,", "<9@x>");
    assert_eq!(home.scan(), Vec::<String>::new());
    fs::remove_file(home.path(&format!("new/{}", ours(9)))).unwrap();
    assert_eq!(home.scan(), ["INBOX B cur/9.dovecot:2,"]);
}

/// The same message to two addresses, of which one is filed elsewhere.
#[test]
fn it_is_known_which_of_two_copies_was_moved() {
    let mut home = Home::with_records();
    delivered(&home, 4, "<4@x>", &[], home.now);
    home.put(&format!("new/{}", ours(4)), "<4@x>");
    // Its line in the log is still missing, and then it is there.
    home.put(&format!(".A/new/{}", ours(5)), "<4@x>");
    assert_eq!(home.scan(), Vec::<String>::new());
    fs::remove_file(home.path(&format!("new/{}", ours(4)))).unwrap();
    assert_eq!(home.scan(), Vec::<String>::new(), "the other one is no copy by the user");
    delivered(&home, 6, "<6@x>", &[], home.now);
    delivered(&home, 7, "<6@x>", &[".A"], home.now + 1);
    home.put(&format!(".A/new/{}", ours(7)), "<6@x>");
    home.put(".B/cur/6.dovecot:2,", "<6@x>");
    assert_eq!(home.scan(), ["INBOX B cur/6.dovecot:2,"]);
    delivered(&home, 8, "<8@x>", &[], home.now);
    delivered(&home, 9, "<8@x>", &[".A"], home.now + 1);
    home.put(&format!(".A/new/{}", ours(9)), "<8@x>");
    home.put(&format!(".B/cur/{}:2,", ours(8)), "<8@x>");
    assert_eq!(home.scan(), [format!("INBOX B cur/{}:2,", ours(8))]);
}

#[test]
fn what_mfilter_moves_is_not_a_move_by_the_user() {
    let mut home = Home::with_records();
    let directories = |name: &str| match name {
        "" => Vec::new(),
        name => vec![format!(".{name}")],
    };
    let places_file = PlacesFile::of(&home.state, &home.location.path).unwrap();
    let own = OwnMove { from: vec![], to: directories("A"), key: "1.mx".into() };
    places_file.note_own(&own).unwrap();
    home.rename("new/1.mx", ".A/new/1.mx");
    assert_eq!(home.scan(), Vec::<String>::new());
    home.rename(".A/new/1.mx", "cur/1.mx:2,");
    assert_eq!(home.scan(), ["A INBOX cur/1.mx:2,"]);

    let spot =
        |folder: &str, file: &str| MessagePlace { folder: directories(folder), file: file.into() };
    let moved = sort_journal::MoveRecord {
        from: spot("", "cur/2.mx:2,S"),
        to: spot("B", "cur/2.mx:2,S"),
        added: Flags::default(),
    };
    home.now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64;
    home.scan();
    let mut journal =
        SortJournal::begin(&home.state, &home.location.path, Layout::MaildirPlusPlus).unwrap();
    journal.note(&moved).unwrap();
    journal.sync().unwrap();
    home.rename("cur/2.mx:2,S", ".B/cur/2.mx:2,S");
    journal.end().unwrap();
    home.now -= 20;
    assert_eq!(home.scan(), Vec::<String>::new(), "sorted");
    let name = sort_journal::runs(&home.state).remove(0);
    home.rename(".B/cur/2.mx:2,S", "cur/2.mx:2,S");
    sort_journal::undone(&home.state, &name).unwrap();
    assert_eq!(home.scan(), Vec::<String>::new(), "taken back");
}

#[test]
fn folders_that_come_and_go() {
    let mut home = Home::with_records();
    home.make(".New/");
    home.rename("new/1.mx", ".New/cur/1.mx:2,S");
    assert_eq!(home.scan(), ["INBOX New cur/1.mx:2,S"]);
    home.rename(".New", ".Other");
    assert_eq!(home.scan(), Vec::<String>::new(), "a folder is renamed");
    fs::remove_dir_all(home.path(".Other")).unwrap();
    assert_eq!(home.scan(), Vec::<String>::new());
    home.put("new/9.x", "<1@x>");
    assert_eq!(home.scan(), Vec::<String>::new());
}

#[test]
fn messages_without_an_id_and_foreign_files() {
    let mut home = Home::new();
    home.put("new/7.mx", "");
    fs::create_dir(home.path("cur/directory")).unwrap();
    fs::write(home.path("cur/no-info"), "").unwrap();
    std::os::unix::fs::symlink("nowhere", home.path("cur/link")).unwrap();
    home.scan();
    home.rename("new/7.mx", ".B/cur/7.mx:2,");
    home.rename("cur/directory", ".A/cur/directory");
    home.rename("cur/link", ".A/cur/link");
    assert_eq!(home.scan(), ["INBOX B cur/7.mx:2,"]);
}

#[test]
fn a_damaged_state_is_rebuilt_and_a_killed_scan_is_repeated() {
    let mut home = Home::with_records();
    home.rename("new/1.mx", ".A/cur/1.mx:2,");
    let mut watcher = MoveScanner::open(&home.location, &home.state).unwrap();
    let found = watcher.scan(home.now, LONG, &AtomicBool::new(false), &home.memory()).unwrap();
    assert_eq!(found.moved.len(), 1);
    drop(watcher);
    assert_eq!(home.scan().len(), 1, "it was not kept");
    home.rename(".A/cur/1.mx:2,", "cur/1.mx:2,");
    for entry in fs::read_dir(home.state.path().join("learning")).unwrap() {
        fs::write(entry.unwrap().path(), "x").unwrap();
    }
    assert_eq!(home.scan(), Vec::<String>::new());
    home.rename("cur/1.mx:2,", ".A/cur/1.mx:2,");
    assert_eq!(home.scan().len(), 1);
}

#[test]
fn a_part_at_a_time_and_an_end_in_the_middle() {
    let mut home = Home::new();
    let scan = |budget, stop| {
        let mut watcher = MoveScanner::open(&home.location, &home.state).unwrap();
        let found = watcher.scan(home.now, budget, &AtomicBool::new(stop), &home.memory()).unwrap();
        watcher.save().unwrap();
        (found.known, found.unread)
    };
    assert_eq!(scan(Duration::ZERO, false), (0, 3));
    assert_eq!(scan(LONG, true), (0, 0));
    assert_eq!(scan(LONG, false), (3, 0));
    home.rename("new/1.mx", ".A/cur/1.mx:2,");
    let place = |name: &str| home.location.place(&Folder { parts: vec![name.to_owned()] });
    assert!(place("A").is(&Place::of(vec![".A".into()]).unwrap()));
    let mut watcher = MoveScanner::open(&home.location, &home.state).unwrap();
    let found =
        watcher.scan(home.now, Duration::ZERO, &AtomicBool::new(false), &home.memory()).unwrap();
    assert_eq!((found.moved.len(), found.unread), (0, 1));
    watcher.save().unwrap();
    assert_eq!(home.scan(), ["INBOX A cur/1.mx:2,"], "read later, and not forgotten");
}
