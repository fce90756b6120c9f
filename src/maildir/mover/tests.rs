//! Moves of messages, also while others rename them, and moves that are cut short.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::time::{Duration, SystemTime};

use crate::plan::Folder;
use crate::rules::program::Layout;

use super::*;
use crate::maildir::testing::flags;

fn location(home: &Path, layout: Layout) -> Location {
    Location::new(home.join("Maildir"), layout, None)
}

fn place(location: &Location, name: &str) -> Place {
    location.place(&Folder::named(name))
}

fn write(path: PathBuf, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn entry(path: &str) -> Entry {
    Entry::of(path).unwrap()
}

/// Moves `file` (`cur/NAME`) and returns the new path below the Maildir.
fn refile(
    location: &Location,
    (from, file): (&str, &str),
    to: &str,
    add: Flags,
) -> Result<Option<(String, Vec<String>)>, Failure> {
    let (from, to) = (place(location, from), place(location, to));
    let (entry, remove) = (entry(file), Flags::default());
    let request = MoveRequest { from: &from, entry: &entry, to: &to, add: &add, remove: &remove };
    let refiled = Mover::open(location)?.refile(&request)?;
    Ok(refiled.map(|refiled| {
        let path = refiled.path.strip_prefix(&location.path).unwrap();
        assert!(refiled.path.exists());
        (path.to_str().unwrap().to_owned(), refiled.problems)
    }))
}

fn moved(location: &Location, from: (&str, &str), to: &str, add: Flags) -> String {
    let (path, problems) = refile(location, from, to, add).unwrap().unwrap();
    assert_eq!(problems, Vec::<String>::new());
    path
}

#[test]
fn the_name_stays_but_for_flags_and_isyncs_number() {
    let home = tempfile::tempdir().unwrap();
    for (layout, folder) in [(Layout::MaildirPlusPlus, ".A.B"), (Layout::Fs, "A/B")] {
        let location = location(home.path(), layout);
        let cases = [
            ("new/1.a,S=3", "", "new/1.a,S=3"),
            ("new/2.a,S=3,U=7,W=4", "", "new/2.a,S=3,W=4"),
            ("new/3.a", "FS", "cur/3.a:2,FS"),
            ("new/3b.a:2,", "", "new/3b.a:2,"),
            ("new/3c.a:2,F", "", "cur/3c.a:2,F"),
            ("cur/4.a,U=12:2,", "", "cur/4.a:2,"),
            ("cur/5.a:2,RS", "F", "cur/5.a:2,FRS"),
            ("cur/6.a,U=x:2,S,odd", "S", "cur/6.a,U=x:2,S,odd"),
            ("cur/7.a", "", "cur/7.a:2,"),
        ];
        for (old, add, new) in cases {
            write(location.path.join(old), "x\n\n");
            let then = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
            fs::File::open(location.path.join(old)).unwrap().set_modified(then).unwrap();
            let path = moved(&location, ("", old), "A/B", flags(add, &[]));
            assert_eq!(path, format!("{folder}/{new}"));
            let metadata = fs::metadata(location.path.join(path)).unwrap();
            assert_eq!(metadata.modified().unwrap(), then, "INTERNALDATE");
            assert!(!location.path.join(old).exists());
        }
        fs::remove_dir_all(&location.path).unwrap();
    }
}

/// Dovecot renames a folder that it removes, and then removes all that is in it.
#[test]
fn a_message_goes_into_no_folder_that_is_being_removed() {
    let home = tempfile::tempdir().unwrap();
    let location = location(home.path(), Layout::MaildirPlusPlus);
    let (inbox, a, none) = (place(&location, ""), place(&location, "A"), Flags::default());
    fs::create_dir_all(location.path.join("cur")).unwrap();
    let mut mover = Mover::open(&location).unwrap();
    for (number, removed) in [(1, ""), (2, "..DOVECOT-TRASHED"), (3, "..DOVECOT-TRASHED-2")] {
        let name = format!("cur/{number}.a:2,S");
        write(location.path.join(&name), "x");
        let entry = entry(&name);
        let request =
            MoveRequest { from: &inbox, entry: &entry, to: &a, add: &none, remove: &none };
        let step = mover.prepare(&request).unwrap();
        if !removed.is_empty() {
            fs::rename(location.path.join(".A"), location.path.join(removed)).unwrap();
        }
        assert_eq!(mover.carry_out(&step).unwrap(), MoveOutcome::Done);
        assert!(location.path.join(".A").join(&name).exists(), "{number}");
    }
    // Where no path leads to an open folder, the message is moved nevertheless.
    write(location.path.join("cur/4.a:2,S"), "x");
    fs::rename(&location.path, home.path().join("other")).unwrap();
    let entry = entry("cur/4.a:2,S");
    let request = MoveRequest { from: &inbox, entry: &entry, to: &a, add: &none, remove: &none };
    let step = mover.prepare(&request).unwrap();
    assert_eq!(mover.carry_out(&step).unwrap(), MoveOutcome::Done);
    assert!(home.path().join("other/.A/cur/4.a:2,S").exists());
}

#[test]
fn nothing_is_deleted_from_a_folder_that_was_renamed() {
    let home = tempfile::tempdir().unwrap();
    let location = location(home.path(), Layout::MaildirPlusPlus);
    for name in ["1.a:2,S", "2.a:2,S"] {
        write(location.path.join(".Junk/cur").join(name), "x");
    }
    let junk = place(&location, "Junk");
    let mut mover = Mover::open(&location).unwrap();
    assert_eq!(mover.delete(&junk, &entry("cur/1.a:2,S")).unwrap(), MoveOutcome::Done);
    fs::rename(location.path.join(".Junk"), location.path.join(".Kept")).unwrap();
    assert_eq!(mover.delete(&junk, &entry("cur/2.a:2,S")).unwrap(), MoveOutcome::Missing);
    assert!(location.path.join(".Kept/cur/2.a:2,S").exists());
}

#[test]
fn flags_alone_are_a_rename_in_the_folder() {
    let home = tempfile::tempdir().unwrap();
    let location = location(home.path(), Layout::Fs);
    write(location.path.join("cur/1.a,U=3:2,Sc"), "x");
    let path = moved(&location, ("", "cur/1.a,U=3:2,Sc"), "", flags("F", &["$x"]));
    assert_eq!(path, "cur/1.a,U=3:2,FSac", "an unknown letter stays where it is");
    write(location.path.join("new/2.a"), "x");
    assert_eq!(moved(&location, ("", "new/2.a"), "", flags("S", &[])), "cur/2.a:2,S");
}

#[test]
fn keywords_get_the_letters_of_the_other_folder() {
    let home = tempfile::tempdir().unwrap();
    let location = location(home.path(), Layout::MaildirPlusPlus);
    write(location.path.join("dovecot-keywords"), "0 $Work\n1 $Junk\n2 todo\n");
    write(location.path.join(".A/dovecot-keywords"), "0 other\n1 $WORK\n");
    write(location.path.join("cur/1.a:2,Sacx"), "x");
    let path = moved(&location, ("", "cur/1.a:2,Sacx"), "A", flags("", &["new"]));
    assert_eq!(path, ".A/cur/1.a:2,Sbcdx");
    let text = fs::read_to_string(location.path.join(".A/dovecot-keywords")).unwrap();
    assert_eq!(text, "0 other\n1 $WORK\n2 todo\n3 new\n");
    // In the other folder `b` has got a meaning.
    write(location.path.join(".B/cur/2.a:2,b"), "x");
    let (path, problems) =
        refile(&location, ("B", "cur/2.a:2,b"), "A", Flags::default()).unwrap().unwrap();
    assert_eq!((path.as_str(), problems.len()), (".A/cur/2.a:2,", 1));
}

#[test]
fn a_message_whose_keyword_has_no_room_stays() {
    let home = tempfile::tempdir().unwrap();
    let location = location(home.path(), Layout::Fs);
    let full: String = (0..26).map(|number| format!("{number} k{number}\n")).collect();
    write(location.path.join("A/dovecot-keywords"), &full);
    write(location.path.join("dovecot-keywords"), "0 mine\n");
    write(location.path.join("cur/1.a:2,a"), "x");
    let failure = refile(&location, ("", "cur/1.a:2,a"), "A", Flags::default()).unwrap_err();
    assert!(failure.to_string().contains("`mine`"), "{failure}");
    assert!(location.path.join("cur/1.a:2,a").exists());
    write(location.path.join("cur/2.a:2,"), "x");
    let added = refile(&location, ("", "cur/2.a:2,"), "A", flags("", &["more"]));
    let (path, problems) = added.unwrap().unwrap();
    assert_eq!((path.as_str(), problems.len()), ("A/cur/2.a:2,", 1));
}

#[test]
fn what_a_reader_renamed_is_found_and_what_was_removed_is_not_a_failure() {
    let home = tempfile::tempdir().unwrap();
    let location = location(home.path(), Layout::Fs);
    write(location.path.join("cur/1.a,U=4:2,RS"), "x");
    assert_eq!(moved(&location, ("", "new/1.a"), "A", flags("F", &[])), "A/cur/1.a:2,FRS");
    let gone = refile(&location, ("", "new/1.a"), "A", Flags::default()).unwrap();
    assert_eq!(gone, None);
    assert_eq!(refile(&location, ("B", "new/1.a"), "A", Flags::default()).unwrap(), None);
}

#[test]
fn no_file_is_replaced() {
    let home = tempfile::tempdir().unwrap();
    let location = location(home.path(), Layout::Fs);
    write(location.path.join("cur/1.a:2,"), "x");
    write(location.path.join("A/cur/1.a:2,"), "other");
    assert!(refile(&location, ("", "cur/1.a:2,"), "A", Flags::default()).is_err());
    assert_eq!(fs::read(location.path.join("A/cur/1.a:2,")).unwrap(), b"other");
    assert!(location.path.join("cur/1.a:2,").exists());
    // Both names belong to one file: left over from a move by link and unlink.
    fs::remove_file(location.path.join("A/cur/1.a:2,")).unwrap();
    fs::hard_link(location.path.join("cur/1.a:2,"), location.path.join("A/cur/1.a:2,")).unwrap();
    assert_eq!(moved(&location, ("", "cur/1.a:2,"), "A", Flags::default()), "A/cur/1.a:2,");
    assert!(!location.path.join("cur/1.a:2,").exists());
}

#[test]
fn a_folder_of_two_names_loses_nothing() {
    let home = tempfile::tempdir().unwrap();
    let location = location(home.path(), Layout::MaildirPlusPlus);
    for file in [".A/cur/1.a:2,", ".A/new/2.a", ".A/tmp/x"] {
        write(location.path.join(file), file);
    }
    symlink(".A", location.path.join(".B")).unwrap();
    assert_eq!(moved(&location, ("A", "cur/1.a:2,"), "B", flags("", &[])), ".B/cur/1.a:2,");
    assert_eq!(moved(&location, ("B", "new/2.a"), "A", flags("", &[])), ".A/new/2.a");
    assert_eq!(moved(&location, ("A", "cur/1.a:2,"), "B", flags("S", &[])), ".B/cur/1.a:2,S");
    let (from, to) = (place(&location, "A"), place(&location, "B"));
    let (old, new) = (entry("new/2.a"), entry("new/2.a"));
    let step = FileMove { from, old, to, new, problems: Vec::new() };
    assert!(!Mover::open(&location).unwrap().finish(&step).unwrap());
    assert_eq!(fs::read(location.path.join(".A/new/2.a")).unwrap(), b".A/new/2.a");
}

/// A Maildir with a folder `Far` on another file system, if there is one.
#[allow(clippy::print_stderr, reason = "a skipped test says so")]
fn with_far(home: &Path) -> Option<(Location, tempfile::TempDir)> {
    let far = tempfile::tempdir_in("/dev/shm").ok();
    let device = |path: &Path| fs::metadata(path).map(|metadata| metadata.dev()).ok();
    let Some(far) = far.filter(|far| device(far.path()) != device(home)) else {
        eprintln!("skipped: /dev/shm is no other file system");
        return None;
    };
    let location = location(home, Layout::MaildirPlusPlus);
    for name in ["new", "cur", "tmp"] {
        fs::create_dir_all(far.path().join(name)).unwrap();
        fs::create_dir_all(location.path.join(name)).unwrap();
    }
    symlink(far.path(), location.path.join(".Far")).unwrap();
    Some((location, far))
}

#[test]
fn a_message_arrives_whole_on_another_file_system() {
    let home = tempfile::tempdir().unwrap();
    let Some((location, far)) = with_far(home.path()) else { return };
    let old = location.path.join("cur/1.a,U=3:2,S");
    let text = "Subject: x\n\n".to_owned() + &"a line\n".repeat(20_000);
    write(old.clone(), &text);
    fs::set_permissions(&old, PermissionsExt::from_mode(0o640)).unwrap();
    let then = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    fs::File::open(&old).unwrap().set_modified(then).unwrap();
    let path = moved(&location, ("", "cur/1.a,U=3:2,S"), "Far", flags("F", &[]));
    assert_eq!(path, ".Far/cur/1.a:2,FS");
    let new = far.path().join("cur/1.a:2,FS");
    assert!(fs::read_to_string(&new).unwrap() == text);
    let metadata = fs::metadata(&new).unwrap();
    assert_eq!((metadata.mode() & 0o7777, metadata.modified().unwrap()), (0o640, then));
    assert!(!old.exists());
    assert_eq!(fs::read_dir(far.path().join("tmp")).unwrap().count(), 0);
    // What a reader renamed is found, and what was removed is no failure.
    write(location.path.join("cur/2.a:2,RS"), "x");
    let path = moved(&location, ("", "new/2.a"), "Far", Flags::default());
    assert_eq!(path, ".Far/cur/2.a:2,RS");
    assert_eq!(refile(&location, ("", "new/2.a"), "Far", Flags::default()).unwrap(), None);
    // What is no message stays.
    symlink("1.a", location.path.join("cur/3.a:2,")).unwrap();
    assert!(refile(&location, ("", "cur/3.a:2,"), "Far", Flags::default()).is_err());
    assert!(location.path.join("cur/3.a:2,").is_symlink());
}

#[test]
fn a_move_into_the_trash_that_was_cut_short_is_noted_once() {
    let home = tempfile::tempdir().unwrap();
    let location = location(home.path(), Layout::Fs);
    let file = "cur/1.a,S=5:2,S";
    write(location.path.join(file), "hello");
    fs::create_dir_all(location.path.join("Trash/cur")).unwrap();
    fs::hard_link(location.path.join(file), location.path.join("Trash").join(file)).unwrap();
    write(location.path.join("maildirsize"), "100S\n5 1\n");
    let step = |to| FileMove {
        from: place(&location, ""),
        old: entry(file),
        to: place(&location, to),
        new: entry(file),
        problems: Vec::new(),
    };
    // One folder under two names has every message once.
    symlink(".", location.path.join("again")).unwrap();
    let mut mover = Mover::open(&location).unwrap();
    assert!(!mover.finish(&step("again")).unwrap() && location.path.join(file).exists());
    for finished in [true, false] {
        assert_eq!(mover.finish(&step("Trash")).unwrap(), finished);
        assert!(!location.path.join(file).exists());
        assert!(location.path.join("Trash").join(file).exists());
        let size = fs::read_to_string(location.path.join("maildirsize")).unwrap();
        assert_eq!(size, "100S\n5 1\n-5 -1\n");
    }
}

#[test]
fn what_is_deleted_frees_room_unless_it_was_in_the_trash() {
    let home = tempfile::tempdir().unwrap();
    let location = location(home.path(), Layout::Fs);
    write(location.path.join("maildirsize"), "100S\n");
    write(location.path.join("cur/1.a,S=5:2,S"), "hello");
    write(location.path.join("Trash/cur/2.a,S=7:2,S"), "hello 2");
    let mut mover = Mover::open(&location).unwrap();
    for (folder, file) in [("", "cur/1.a,S=5:2,S"), ("Trash", "cur/2.a,S=7:2,S")] {
        for outcome in [MoveOutcome::Done, MoveOutcome::Missing] {
            let deleted = mover.delete(&place(&location, folder), &entry(file));
            assert_eq!(deleted.unwrap(), outcome, "{file}");
        }
        assert!(!location.path.join(folder).join(file).exists());
    }
    let size = fs::read_to_string(location.path.join("maildirsize")).unwrap();
    assert_eq!(size, "100S\n-5 -1\n");
    // A directory is no message.
    fs::create_dir(location.path.join("cur/3.a:2,")).unwrap();
    assert!(mover.delete(&place(&location, ""), &entry("cur/3.a:2,")).is_err());
}

#[test]
fn a_folder_that_cannot_be_opened_does_not_count_as_empty() {
    let home = tempfile::tempdir().unwrap();
    let location = location(home.path(), Layout::Fs);
    fs::create_dir_all(location.path.join("cur")).unwrap();
    symlink("loop", location.path.join("loop")).unwrap();
    for (from, to) in [("loop", ""), ("", "loop")] {
        let step = FileMove {
            from: place(&location, from),
            old: entry("cur/1.a:2,"),
            to: place(&location, to),
            new: entry("cur/1.a:2,"),
            problems: Vec::new(),
        };
        assert!(Mover::open(&location).unwrap().carry_out(&step).is_err(), "{from} {to}");
    }
}

#[test]
fn a_move_to_another_file_system_that_was_cut_short_is_finished() {
    let home = tempfile::tempdir().unwrap();
    let Some((location, far)) = with_far(home.path()) else { return };
    let (old, new) = ("cur/1.a,U=3:2,S", "cur/1.a:2,FS");
    let step = || FileMove {
        from: place(&location, ""),
        old: entry(old),
        to: place(&location, "Far"),
        new: entry(new),
        problems: Vec::new(),
    };
    let finish = || Mover::open(&location).unwrap().finish(&step()).unwrap();
    let there = |path: PathBuf| path.exists();
    let both = || {
        write(location.path.join(old), "x");
        write(far.path().join(new), "x");
    };
    // By the same move again.
    both();
    assert_eq!(moved(&location, ("", old), "Far", flags("F", &[])), format!(".Far/{new}"));
    assert!(!there(location.path.join(old)) && there(far.path().join(new)));
    // By the journal; if a reader has touched one of the two, that one stays.
    both();
    assert!(finish() && !there(location.path.join(old)) && there(far.path().join(new)));
    both();
    let read = location.path.join("cur/1.a,U=3:2,RS");
    fs::rename(location.path.join(old), &read).unwrap();
    assert!(finish() && there(read.clone()) && !there(far.path().join(new)));
    fs::remove_file(&read).unwrap();
    both();
    let read = far.path().join("cur/1.a:2,FRS");
    fs::rename(far.path().join(new), &read).unwrap();
    assert!(finish() && there(read.clone()) && !there(location.path.join(old)));
    fs::remove_file(read).unwrap();
    // Two different messages are never treated as one.
    both();
    fs::write(location.path.join(old), "y").unwrap();
    assert!(!finish());
    assert!(refile(&location, ("", old), "Far", flags("F", &[])).is_err());
    assert_eq!(fs::read(location.path.join(old)).unwrap(), b"y");
    assert_eq!(fs::read(far.path().join(new)).unwrap(), b"x");
    // Not even if one is the beginning of the other.
    for (here, there) in [("xy", "x"), ("x", "xy")] {
        fs::write(location.path.join(old), here).unwrap();
        fs::write(far.path().join(new), there).unwrap();
        assert!(!finish());
        assert!(refile(&location, ("", old), "Far", flags("F", &[])).is_err());
        assert_eq!(fs::read(location.path.join(old)).unwrap(), here.as_bytes());
        assert_eq!(fs::read(far.path().join(new)).unwrap(), there.as_bytes());
    }
    assert_eq!(fs::read_dir(far.path().join("tmp")).unwrap().count(), 0);
}

#[test]
fn a_folder_that_was_removed_meanwhile_is_made_again() {
    let home = tempfile::tempdir().unwrap();
    let location = location(home.path(), Layout::Fs);
    write(location.path.join("cur/1.a:2,"), "x");
    write(location.path.join("cur/2.a:2,"), "y");
    let (from, to, none) = (place(&location, ""), place(&location, "A"), Flags::default());
    let mut mover = Mover::open(&location).unwrap();
    for file in ["cur/1.a:2,", "cur/2.a:2,"] {
        let entry = entry(file);
        let request =
            MoveRequest { from: &from, entry: &entry, to: &to, add: &none, remove: &none };
        assert!(mover.refile(&request).unwrap().is_some());
        fs::remove_dir_all(location.path.join("A")).unwrap();
    }
}

#[test]
fn many_folders_do_not_run_out_of_descriptors() {
    let home = tempfile::tempdir().unwrap();
    let location = location(home.path(), Layout::MaildirPlusPlus);
    let mut mover = Mover::open(&location).unwrap();
    let (from, none) = (place(&location, ""), Flags::default());
    for number in 0..200 {
        let to = place(&location, &format!("A/{number}"));
        write(location.path.join(format!("new/{number}.x")), "x");
        let entry = entry(&format!("new/{number}.x"));
        let request =
            MoveRequest { from: &from, entry: &entry, to: &to, add: &none, remove: &none };
        let step = mover.prepare(&request).unwrap();
        assert_eq!(mover.carry_out(&step).unwrap(), MoveOutcome::Done);
    }
    mover.sync().unwrap();
    assert!(mover.folders.len() <= OPEN_MAX);
    assert!(location.path.join(".A.199/new/199.x").exists());
}
