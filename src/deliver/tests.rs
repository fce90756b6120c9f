//! Plans carried out in Maildirs, and what is left after a failure.

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::os::unix::net::UnixStream;
use std::path::Path;

use crate::flags::Flags;
use crate::maildir::Maildir;
use crate::message::HeaderEdit;
use crate::plan::{DeliveryWord, Step, StepKind};
use crate::rules::program::Layout;
use crate::state::StateDir;

use super::*;

fn folder(name: &str) -> Folder {
    Folder::named(name)
}

fn to(as_: DeliveryWord, name: &str) -> StepKind {
    StepKind::Deliver { as_, folder: folder(name), flags: Flags::default() }
}

fn plan(kinds: Vec<StepKind>) -> Plan {
    Plan { steps: kinds.into_iter().map(|kind| Step { kind, rule: None }).collect() }
}

fn run(home: &Path, kinds: Vec<StepKind>) -> DeliveryReport {
    let location = Location::new(home, Layout::Fs, None);
    deliver(
        &plan(kinds),
        &[&Message::from_bytes(b"A: b\n\nc\n".to_vec())],
        &location,
        &DeliveryContext::nothing(),
    )
}

fn count(home: &Path, directory: &str) -> usize {
    fs::read_dir(home.join(directory)).map_or(0, Iterator::count)
}

fn add(name: &str) -> StepKind {
    StepKind::Edit(HeaderEdit::Add { name: name.into(), value: "1".into() })
}

fn reject() -> StepKind {
    StepKind::Reject { status: "5.7.1".into(), text: "no".into() }
}

/// A kill after a list was edited; the rules of the retry refuse whoever is in the list.
#[test]
fn what_an_earlier_try_has_delivered_is_not_refused() {
    let home = tempfile::tempdir().unwrap();
    let state = StateDir::at(home.path().join("state"));
    let location = Location::new(home.path().join("m"), Layout::Fs, None);
    let message = || Message::from_bytes(b"A: b\n\nc\n".to_vec());
    let context = DeliveryContext { state: Some(state.clone()), ..DeliveryContext::nothing() };
    let end = |kinds| deliver(&plan(kinds), &[&message()], &location, &context).outcome;
    let at_once = DeliveryContext { deadline: std::time::Instant::now(), ..context.clone() };
    let refused = Outcome::Refused { status: "5.7.1".into(), text: "no".into() };
    assert_eq!(end(vec![reject()]), refused);
    let key = crate::state::journal::key(&message(), None, &[]).unwrap();
    let journal = || Journal::open(&state, key, std::time::Instant::now()).unwrap().unwrap();
    let pipe = |program: &str| StepKind::Pipe { argv: vec![program.into()] };
    let list = || StepKind::EditList {
        add: true,
        list: "l".into(),
        path: home.path().join("l"),
        entry: "a@b.example".into(),
    };
    // A program that fails is before the list.
    let kinds = vec![to(DeliveryWord::Copy, "A"), list(), pipe("/bin/false")];
    assert!(matches!(end(kinds), Outcome::Deferred { .. }));
    assert!(!journal().is_settled() && journal().has_done());
    assert_eq!(end(vec![reject()]), refused);
    // The same with one that does not, which is killed before its end.
    let mut killed = journal();
    killed.note_settled().unwrap();
    let busy = deliver(&plan(vec![reject()]), &[&message()], &location, &at_once).outcome;
    assert_eq!(busy, Outcome::deferred("another process is delivering this message"));
    drop(killed);
    assert_eq!(end(vec![reject()]), Outcome::Delivered);
    assert_eq!(end(vec![reject()]), refused, "the next one is another message");
    assert_eq!(count(home.path(), "m/A/new"), 1);
}

#[test]
fn edits_reach_later_copies() {
    let home = tempfile::tempdir().unwrap();
    let report = run(
        home.path(),
        vec![
            to(DeliveryWord::Copy, "A"),
            add("X-One"),
            to(DeliveryWord::Copy, "B"),
            add("X-Two"),
            to(DeliveryWord::Folder, "C"),
        ],
    );
    assert_eq!(report.outcome, Outcome::Delivered);
    let headers: Vec<usize> = report
        .stored
        .iter()
        .map(|stored| {
            fs::read_to_string(stored.path.as_ref().unwrap()).unwrap().matches("X-").count()
        })
        .collect();
    assert_eq!(headers, [0, 1, 2]);
    let steps: Vec<_> = report.stored.iter().map(|stored| stored.step).collect();
    assert_eq!(steps, [Some(0), Some(2), Some(4)]);
}

#[test]
fn the_end_decides_what_becomes_of_copies() {
    let home = tempfile::tempdir().unwrap();
    let copy = || to(DeliveryWord::Copy, "A");
    let report = run(home.path(), vec![copy(), reject(), to(DeliveryWord::Inbox, "x")]);
    assert_eq!(report.outcome.exit_code(), 77);
    assert_eq!((count(home.path(), "A/new"), count(home.path(), "x/new")), (1, 0));

    let report = run(home.path(), vec![copy(), StepKind::Discard { why: None }]);
    assert_eq!(report.outcome, Outcome::Discarded);
    assert_eq!(count(home.path(), "A/new"), 2);

    let defer = StepKind::Defer { status: "4.7.1".into(), text: "later".into() };
    let report = run(home.path(), vec![copy(), defer]);
    assert_eq!(report.outcome.line().as_deref(), Some("4.7.1 later"));
    assert_eq!(count(home.path(), "A/new"), 2, "every retry would store it again");
    assert!(report.stored.is_empty());
}

/// An addition costs as much as the list is long, and a sync.
#[test]
fn edits_of_one_list_are_one_rewrite() {
    use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("a"), "gone@x.example\n").unwrap();
    let edit = |add: bool, list: &str, entry: String| StepKind::EditList {
        add,
        list: list.into(),
        path: home.path().join(list),
        entry,
    };
    let mut kinds: Vec<StepKind> =
        (0..50).map(|n| edit(true, ["a", "b"][n % 2], format!("{n}@x.example"))).collect();
    kinds.push(edit(false, "a", "gone@x.example".into()));
    let changes = inotify::init(CreateFlags::NONBLOCK).unwrap();
    inotify::add_watch(&changes, home.path(), WatchFlags::MOVED_TO).unwrap();
    let state = tempfile::tempdir().unwrap();
    let state = Some(StateDir::at(state.path()));
    let context =
        DeliveryContext { home: Some(home.path().to_owned()), state, ..DeliveryContext::nothing() };
    let location = Location::new(home.path().join("Maildir"), Layout::Fs, None);
    let report = deliver(&plan(kinds), &[&Message::from_bytes(b"x".to_vec())], &location, &context);
    assert_eq!((report.done.len(), &report.notes), (51, &Vec::new()));
    let lines = |list: &str| fs::read_to_string(home.path().join(list)).unwrap();
    assert_eq!(lines("a").lines().count(), 25);
    assert!(lines("a").starts_with("0@x.example\n2@x.example\n") && lines("b").contains("1@x"));
    let mut buffer = [std::mem::MaybeUninit::uninit(); 16 << 10];
    let mut events = inotify::Reader::new(&changes, &mut buffer);
    let mut rewritten = Vec::new();
    while let Ok(event) = events.next() {
        assert!(event.events().contains(ReadFlags::MOVED_TO));
        rewritten.extend(event.file_name().map(|name| name.to_string_lossy().into_owned()));
    }
    assert_eq!(rewritten, ["a", "b"]);
}

#[test]
fn what_could_not_be_reported_is_known_to_the_next_try() {
    for has_state in [true, false] {
        let home = tempfile::tempdir().unwrap();
        let (front, ours) = UnixStream::pair().unwrap();
        let ran = home.path().join("ran");
        let script = format!("echo x >> {}; sleep 0.3", ran.display());
        let argv = ["/bin/sh", "-c", &script].map(str::to_owned).into();
        let plan = plan(vec![to(DeliveryWord::Copy, "A"), StepKind::Pipe { argv }]);
        let message = Message::from_bytes(b"A: b\n\nc\n".to_vec());
        let context = |caller| DeliveryContext {
            state: has_state.then(|| StateDir::at(home.path().join("state"))),
            caller,
            ..DeliveryContext::nothing()
        };
        let location = Location::new(home.path().join("Maildir"), Layout::Fs, None);
        let leaving = std::thread::spawn({
            let ran = ran.clone();
            move || {
                while !ran.exists() {
                    std::thread::yield_now();
                }
                drop(front);
            }
        });
        let caller = Some(context::Caller::at(ours.into()));
        // What a program did cannot be taken back.
        let mut tries = vec![(caller, has_state)];
        if has_state {
            tries.push((None, false));
        }
        for (caller, is_deferred) in tries {
            let outcome = deliver(&plan, &[&message], &location, &context(caller)).outcome;
            assert_eq!(matches!(outcome, Outcome::Deferred { .. }), is_deferred, "{outcome:?}");
            assert_eq!(count(home.path(), "Maildir/A/new"), 1);
            assert_eq!(fs::read_to_string(&ran).unwrap(), "x\n");
            // What is stored needs no room.
            fs::write(home.path().join("Maildir/maildirsize"), "1S\n9 1\n").unwrap();
        }
        leaving.join().unwrap();
    }
}

#[test]
fn a_plan_without_an_end_ends_in_the_inbox() {
    let home = tempfile::tempdir().unwrap();
    let report = run(home.path(), vec![add("X-One")]);
    assert_eq!(report.outcome, Outcome::Delivered);
    assert_eq!(count(home.path(), "new"), 1);
}

#[test]
fn a_failure_while_staging_leaves_nothing() {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("B"), "no folder").unwrap();
    for end in [to(DeliveryWord::Folder, "B"), reject()] {
        let report =
            run(home.path(), vec![to(DeliveryWord::Copy, "A"), to(DeliveryWord::Copy, "B"), end]);
        let line = report.outcome.line().unwrap();
        assert!(line.starts_with("4.2.0 cannot open the folder `"), "{line}");
        assert_eq!(report.outcome.exit_code(), 75);
        assert!(report.stored.is_empty());
        assert_eq!((count(home.path(), "A/new"), count(home.path(), "A/tmp")), (0, 0));
    }
}

#[test]
fn a_failure_while_committing_takes_back_what_was_committed() {
    let home = tempfile::tempdir().unwrap();
    let location = Location::new(home.path(), Layout::Fs, None);
    let message = Message::from_bytes(b"x\n".to_vec());
    let maildir = Maildir::open(&location).unwrap();
    let plan = plan(["A", "B", "C"].map(|name| to(DeliveryWord::FileInto, name)).into());
    let (work, _) = read_plan(&plan, &[&message]);
    let mut report = DeliveryReport::of(Outcome::Delivered);
    let copies = work.copies.iter().take(3);
    let mut staged: Vec<_> =
        copies.map(|copy| StagedCopy::stage(copy, &maildir, &mut report).unwrap()).collect();
    fs::remove_dir_all(home.path().join("B")).unwrap();
    staged[0].commit(&mut None, &mut report).unwrap();
    assert!(staged[1].commit(&mut None, &mut report).is_err());
    assert_eq!((count(home.path(), "A/new"), count(home.path(), "C/tmp")), (1, 1));
    in_maildir::take_back(staged, &mut report);
    assert!(report.notes.is_empty());
    for name in ["A/new", "A/tmp", "C/new", "C/tmp"] {
        assert_eq!(count(home.path(), name), 0, "{name}");
    }
}

/// A folder whose `new` is on another file system can be staged in, not committed to.
#[test]
#[allow(clippy::print_stderr, reason = "a skipped test says so")]
fn copies_before_one_that_cannot_be_stored_are_noted_or_taken_back() {
    let home = tempfile::tempdir().unwrap();
    let device = |path: &Path| fs::metadata(path).unwrap().dev();
    let far = tempfile::tempdir_in("/dev/shm").ok();
    let far = far.filter(|far| device(far.path()) != device(home.path()));
    let Some(far) = far else {
        eprintln!("skipped: /dev/shm is no other file system");
        return;
    };
    let maildir = home.path().join("Maildir");
    fs::create_dir_all(maildir.join("B/cur")).unwrap();
    fs::create_dir(maildir.join("B/tmp")).unwrap();
    symlink(far.path(), maildir.join("B/new")).unwrap();
    fs::write(maildir.join("maildirsize"), "1000S\n").unwrap();
    let location = Location::new(&maildir, Layout::Fs, None);
    let ran = home.path().join("ran");
    let argv = ["/bin/sh", "-c", &format!("echo x >> {}", ran.display())];
    let kinds = vec![
        to(DeliveryWord::Copy, "A"),
        to(DeliveryWord::Copy, "B"),
        StepKind::Run { argv: argv.map(str::to_owned).into() },
        to(DeliveryWord::Folder, "C"),
    ];
    let (plan, message) = (plan(kinds), Message::from_bytes(b"x\n".to_vec()));
    let there = || {
        let names = ["A/new", "A/tmp", "B/new", "B/tmp", "C/new", "C/tmp"];
        names.map(|name| count(&maildir, name))
    };
    let used = || fs::read_to_string(maildir.join("maildirsize")).unwrap();
    let deliver_once = |state: &str| {
        let state = Some(StateDir::at(home.path().join(state)));
        let context = DeliveryContext { state, ..DeliveryContext::nothing() };
        deliver(&plan, &[&message], &location, &context)
    };
    fs::write(home.path().join("file"), "no state can be kept in it").unwrap();
    for (state, kept, size) in [("file", 0, "1000S\n"), ("state", 1, "1000S\n2 1\n")] {
        let report = deliver_once(state);
        assert!(matches!(report.outcome, Outcome::Deferred { .. }), "{report:?}");
        assert_eq!((report.stored.len(), there()), (kept, [kept, 0, 0, 0, 0, 0]), "{state}");
        assert_eq!(used(), size);
        let is_reported = |note: &String| note.contains("what has been done cannot be recorded");
        assert_eq!(report.notes.iter().any(is_reported), kept == 0, "{report:?}");
    }
    assert!(!ran.exists());
    fs::remove_file(maildir.join("B/new")).unwrap();
    fs::create_dir(maildir.join("B/new")).unwrap();
    let report = deliver_once("state");
    assert_eq!(report.outcome, Outcome::Delivered);
    assert_eq!((report.stored.len(), there()), (2, [1, 0, 1, 0, 1, 0]), "{report:?}");
    assert_eq!(used(), "1000S\n2 1\n4 2\n");
    assert_eq!(fs::read_to_string(&ran).unwrap(), "x\n");
}

#[test]
fn what_is_taken_back_is_not_reported() {
    let home = tempfile::tempdir().unwrap();
    let argv = vec!["/bin/false".to_owned()];
    let report = run(home.path(), vec![to(DeliveryWord::Copy, "A"), StepKind::Pipe { argv }]);
    assert_eq!(report.outcome.exit_code(), 75);
    assert_eq!((report.stored, count(home.path(), "A/new")), (Vec::new(), 0));
}

#[test]
fn nothing_is_done_for_a_caller_that_is_gone() {
    let home = tempfile::tempdir().unwrap();
    let ran = home.path().join("ran");
    let script = format!("echo x >> {}", ran.display());
    let argv = ["/bin/sh", "-c", &script].map(str::to_owned).into();
    let kinds = vec![to(DeliveryWord::Copy, "A"), StepKind::Run { argv }];
    let (front, ours) = UnixStream::pair().unwrap();
    drop(front);
    let context = DeliveryContext {
        caller: Some(context::Caller::at(ours.into())),
        ..DeliveryContext::nothing()
    };
    let location = Location::new(home.path(), Layout::Fs, None);
    let message = Message::from_bytes(b"x\n".to_vec());
    let report = deliver(&plan(kinds), &[&message], &location, &context);
    assert!(matches!(report.outcome, Outcome::Deferred { .. }), "{report:?}");
    assert!(!ran.exists() && !home.path().join("A").exists());
}

/// The names of the message's folders come from the message.
#[test]
fn a_folder_whose_name_is_too_long_is_reported_as_the_inbox() {
    let home = tempfile::tempdir().unwrap();
    let long = "x".repeat(300);
    let report =
        run(home.path(), vec![to(DeliveryWord::Copy, &long), to(DeliveryWord::Folder, "A")]);
    let folders: Vec<Folder> = report.stored.into_iter().map(|copy| copy.folder).collect();
    assert_eq!(folders, [Folder::default(), folder("A")]);
    assert_eq!((count(home.path(), "new"), count(home.path(), "A/new")), (1, 1));
    assert_eq!(report.notes.len(), 1, "{:?}", report.notes);
    assert!(report.notes[0].ends_with("is too long, so the inbox"), "{:?}", report.notes);
    assert_eq!(report.created_folders, [Folder::default(), folder("A")]);
}

#[test]
#[allow(clippy::print_stderr, reason = "a skipped test says so")]
fn a_full_disk_defers_and_leaves_nothing() {
    let home = tempfile::tempdir().unwrap();
    let tiny = home.path().join("tiny");
    fs::create_dir(&tiny).unwrap();
    let mounted = std::process::Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=64k", "tmpfs"])
        .arg(&tiny)
        .output()
        .is_ok_and(|output| output.status.success());
    if !mounted {
        eprintln!("skipped: cannot mount a small tmpfs");
        return;
    }
    let location = Location::new(&tiny, Layout::Fs, None);
    let big = Message::from_bytes(vec![b'x'; 40_000]);
    let plan = plan(vec![to(DeliveryWord::Copy, "A"), to(DeliveryWord::Folder, "B")]);
    let report = deliver(&plan, &[&big], &location, &DeliveryContext::nothing());
    let left: Vec<usize> =
        ["A/tmp", "A/new", "B/tmp", "B/new"].map(|name| count(&tiny, name)).into();
    let unmounted = std::process::Command::new("umount").arg(&tiny).status();
    assert!(unmounted.unwrap().success());
    let line = report.outcome.line().unwrap();
    assert!(line.starts_with("4.3.1 cannot write the message in `"), "{line}");
    assert_eq!(left, [0; 4]);
}
