//! `mfilter watch` and `mfilter learn` as processes, beside programs that fill a Maildir,
//! read it and move mail in it.

#![allow(clippy::print_stderr, reason = "a skipped test says so")]

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::support::{Home, Run, run, wait_for};
use rustix::process::{Pid, Signal, kill_process};

const RULES: &str = r#"set me ["taro@example.jp"]
list white "white"
list black "black"

on moved to "Junk"   -> add from to black, remove from from white
on moved from "Junk" -> add from to white, remove from from black, log "taken out: {subject}"

when from in white           -> folder "White" as flagged
when subject contains "list" -> folder "Lists/a"
when subject contains "junk" -> folder "Junk" as seen
when subject is "send"       -> forward copy "x@example.jp", folder "Sent on"
when subject is "drop"       -> discard
"#;

/// A running `mfilter watch`.
struct Watch {
    child: Option<Child>,
}

impl Watch {
    fn start(home: &Home, arguments: &[&str]) -> Watch {
        let mut command = home.command(&[&["watch", "-v"], arguments].concat());
        let out = |name: &str| {
            let options = || fs::File::options().create(true).append(true).to_owned();
            Stdio::from(options().open(home.path().join(name)).expect("opened"))
        };
        let child = command.stdin(Stdio::null()).stdout(out("out")).stderr(out("err")).spawn();
        Watch { child: Some(child.expect("it starts")) }
    }

    fn pid(&self) -> u32 {
        self.child.as_ref().expect("it runs").id()
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(self.child.as_ref().expect("it runs"));
        kill_process(pid, signal).expect("it is ours");
    }

    /// Ends it as systemd does.
    fn end(mut self) {
        self.signal(Signal::TERM);
        let status = self.child.take().expect("it runs").wait().expect("it ends");
        assert_eq!(status.code(), Some(0));
    }

    fn kill(mut self) {
        self.signal(Signal::KILL);
        let _ = self.child.take().expect("it runs").wait();
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn message(number: usize, subject: &str) -> String {
    format!("From: s{number}@x.example\nSubject: {subject}\nMessage-ID: <{number}@x>\n\nhi\n")
}

fn file(home: &Home, name: &str) -> PathBuf {
    home.path().join("Maildir").join(name)
}

fn make(home: &Home, folder: &str) {
    for sub in ["new", "cur", "tmp"] {
        fs::create_dir_all(file(home, &format!("{folder}{sub}"))).expect("made");
    }
}

/// Delivers as other programs do: written in `tmp`, renamed to `new`.
fn put(home: &Home, number: usize, subject: &str) {
    put_from(home, number, number, subject);
}

/// The same, from the sender of another message.
fn put_from(home: &Home, sender: usize, number: usize, subject: &str) {
    let name = format!("{number}.other.mx");
    let text = message(number, subject).replace(&format!("s{number}@"), &format!("s{sender}@"));
    fs::write(file(home, &format!("tmp/{name}")), text).expect("written");
    let to = file(home, &format!("new/{name}"));
    fs::rename(file(home, &format!("tmp/{name}")), to).expect("renamed");
}

/// `folder/sub flags` of each message, by its number, as far as messages do not move
/// while they are read.
fn look(home: &Home) -> Vec<(usize, String)> {
    let maildir = home.path().join("Maildir");
    let mut found = Vec::new();
    let folders = fs::read_dir(&maildir).into_iter().flatten().flatten();
    let folders = folders.map(|entry| entry.path()).filter(|path| path.join("cur").is_dir());
    for folder in folders.chain([maildir.clone()]) {
        for sub in ["new", "cur"] {
            for entry in fs::read_dir(folder.join(sub)).into_iter().flatten().flatten() {
                let text = fs::read_to_string(entry.path()).unwrap_or_default();
                let id = text.split_once("Message-ID: <").and_then(|(_, id)| id.split_once('@'));
                let Some(number) = id.and_then(|(id, _)| id.parse().ok()) else { continue };
                let name = entry.file_name().to_string_lossy().into_owned();
                let flags = name.split_once(":2,").map_or("", |(_, flags)| flags);
                let folder = folder.strip_prefix(&maildir).expect("below it").display();
                found.push((number, format!("{folder}/{sub} {flags}")));
            }
        }
    }
    found
}

/// The same when nothing moves any more.
fn seen(home: &Home) -> BTreeMap<usize, String> {
    let mut seen = BTreeMap::new();
    for (number, place) in look(home) {
        assert!(seen.insert(number, place).is_none(), "{number} is there twice");
    }
    seen
}

fn text(home: &Home, name: &str) -> String {
    fs::read_to_string(home.path().join(name)).unwrap_or_default()
}

fn log(home: &Home) -> String {
    text(home, ".local/state/mfilter/log")
}

fn home() -> Home {
    let home = Home::with_rules(RULES);
    home.write("white", "");
    home.write("black", "");
    home
}

fn lies(home: &Home, number: usize, place: &str) {
    wait_for(&format!("{number} in {place}"), || {
        let place = (number, place.to_owned());
        look(home).contains(&place).then_some(())
    });
}

fn learn(home: &Home, arguments: &[&str]) -> Run {
    run(home.command(&[&["learn"], arguments].concat()), b"")
}

#[test]
fn mail_is_filed_as_it_comes() {
    let home = home();
    let watch = Watch::start(&home, &[]);
    wait_for("the Maildir being waited for", || {
        text(&home, "err").contains("waiting for the Maildir").then_some(())
    });
    make(&home, "");
    put(&home, 1, "a list");
    lies(&home, 1, ".Lists.a/new ");
    put(&home, 2, "junk");
    put(&home, 3, "else");
    put(&home, 4, "drop");
    put(&home, 5, "send");
    lies(&home, 2, ".Junk/cur S");
    lies(&home, 5, ".Sent on/new ");
    // A program that writes in place, slowly.
    let mut slow = fs::File::create(file(&home, "new/6.other.mx")).expect("made");
    for part in ["From: s6@x.example\nSubj", "ect: list\nMessage-ID: <6@x>\n\nhi"] {
        slow.write_all(part.as_bytes()).expect("written");
        std::thread::sleep(Duration::from_millis(400));
        let filed = look(&home).iter().any(|(number, place)| *number == 6 && place != "/new ");
        assert!(!filed, "not yet whole");
    }
    drop(slow);
    lies(&home, 6, ".Lists.a/new ");
    let seen = seen(&home);
    assert_eq!((seen[&3].as_str(), seen[&4].as_str()), ("/new ", "/new "));
    watch.end();
    let log = log(&home);
    for line in [
        "moved folder=\"Lists/a\" was=\"INBOX\" file=\"1.other.mx\" rule=\"",
        "note text=\"no discard: existing mail is not removed\" id=\"<4@x>\"",
        "note text=\"no forward copy: it was delivered\" id=\"<5@x>\"",
    ] {
        assert!(log.contains(line), "{line}\n{log}");
    }
    // At the start, mail that arrived before it is filed.
    put(&home, 7, "list");
    let watch = Watch::start(&home, &[]);
    lies(&home, 7, ".Lists.a/new ");
    watch.end();
}

/// Waits for a text in the log; returns how often it is there.
fn logged(home: &Home, what: &str) -> usize {
    wait_for(what, || log(home).contains(what).then_some(()));
    log(home).matches(what).count()
}

/// Each message is new once, whether it is moved, even into a folder that is watched too,
/// or stays: not again when mbsync renames it, or after a kill. When several messages of
/// one sender arrive together, the first is judged by the list as it was, the others by
/// the list as it then is.
#[test]
fn lines_of_the_log_and_edits_of_lists_are_done_once_for_new_mail() {
    let home = Home::with_rules(
        "list known \"known\"\n\n\
         when subject is \"bye\" -> remove from from known, log \"{subject} {from}\", discard\n\
         when subject is \"note\" -> log \"noted\", folder \"Notes\"\n\
         when not from in known -> add from to known, log \"first: {subject}\", folder \"First\"\n",
    );
    make(&home, "");
    home.write("known", "");
    for number in 1..5 {
        put_from(&home, 1, number, "together");
    }
    put_from(&home, 1, 5, "note");
    let watch = Watch::start(&home, &["INBOX", "Notes"]);
    assert_eq!(logged(&home, " log text=\"noted\" rule=\""), 1);
    put(&home, 6, "alone");
    lies(&home, 6, ".First/new ");
    put_from(&home, 6, 7, "bye");
    assert_eq!(logged(&home, "no discard"), 1);
    let all = seen(&home);
    assert_eq!((all[&1].as_str(), all[&6].as_str()), (".First/new ", ".First/new "));
    assert!([2, 3, 4, 7].iter().all(|number| all[number] == "/new "), "{all:?}");
    assert_eq!(text(&home, "known"), "s1@x.example\n");
    let text_in_log = log(&home);
    let about_1: Vec<&str> =
        text_in_log.lines().filter(|line| line.contains("\"<1@x>\"")).collect();
    let words = about_1.iter().map(|line| line.split(' ').nth(1).unwrap_or_default());
    assert_eq!(words.collect::<Vec<_>>(), ["log", "moved", "edited"], "{about_1:?}");
    let one_write =
        about_1.iter().all(|line| line.split(' ').next() == text_in_log.split(' ').next());
    assert!(one_write, "a rule counts once for a message: {about_1:?}");

    // All of it is checked again.
    fs::rename(file(&home, ".Notes/new/5.other.mx"), file(&home, ".Notes/new/5.other.mx,U=5"))
        .expect("renamed");
    home.write("known", "s1@x.example\ns6@x.example\n");
    watch.kill();
    let watch = Watch::start(&home, &["INBOX", "Notes"]);
    put(&home, 8, "after");
    lies(&home, 8, ".First/new ");
    assert_eq!(logged(&home, "edited text=\"add s8@x.example to known\""), 1);
    watch.end();
    assert_eq!(text(&home, "known"), "s1@x.example\ns6@x.example\ns8@x.example\n");
    for what in ["first: together", "first: alone", "first: after", "bye s6@x.example", "noted"] {
        assert_eq!(logged(&home, &format!(" log text=\"{what}\"")), 1, "{what}");
    }
    let edited = log(&home).matches(" edited text=\"").count();
    assert_eq!(edited, 4, "{}", log(&home));
}

#[test]
fn a_list_that_cannot_be_edited_delays_no_mail() {
    let home = Home::with_rules(
        "list white \"white\"\nwhen subject is \"a\" -> add from to white, log \"a\", folder \"A\"\n\
         when subject is \"b\" -> add from to white, defer \"4.3.0 later\"\n",
    );
    make(&home, "");
    fs::create_dir(home.path().join("white")).expect("made");
    let watch = Watch::start(&home, &[]);
    put(&home, 1, "a");
    lies(&home, 1, ".A/new ");
    assert_eq!(logged(&home, "white`, is not edited: "), 1);
    assert_eq!(logged(&home, " log text=\"a\""), 1);
    fs::remove_dir(home.path().join("white")).expect("removed");
    put(&home, 2, "b");
    assert_eq!(logged(&home, "no defer"), 1);
    watch.end();
    assert!(!home.path().join("white").exists(), "what is deferred edits nothing");
}

#[test]
fn named_folders_keep_what_no_rule_takes() {
    let home = home();
    make(&home, "");
    make(&home, ".From mbsync/");
    put(&home, 1, "list");
    let into = |number: usize, subject: &str| {
        let name = format!(".From mbsync/new/{number}.mx,U={number}");
        fs::write(file(&home, &name), message(number, subject)).expect("written");
    };
    into(2, "list");
    into(3, "else");
    let watch = Watch::start(&home, &["From mbsync"]);
    lies(&home, 2, ".Lists.a/new ");
    into(4, "junk");
    lies(&home, 4, ".Junk/cur S");
    let seen = seen(&home);
    assert_eq!((seen[&1].as_str(), seen[&3].as_str()), ("/new ", ".From mbsync/new "));
    for folder in [".Lists.a/new", ".Junk/cur"] {
        for entry in fs::read_dir(file(&home, folder)).expect("listed").flatten() {
            assert!(!entry.file_name().to_string_lossy().contains(",U="), "{entry:?}");
        }
    }
    watch.end();
}

#[test]
fn rules_and_lists_that_are_edited_hold_for_the_next_message() {
    let home = home();
    make(&home, "");
    let watch = Watch::start(&home, &[]);
    put(&home, 1, "list");
    lies(&home, 1, ".Lists.a/new ");
    home.write("white", "s2@x.example\n");
    put(&home, 2, "list");
    lies(&home, 2, ".White/cur F");
    home.write(".mailrules", format!("{RULES}when broken\n"));
    let text_in_log = |what: &str| text(&home, "err").matches(what).count();
    wait_for("the mistake being told", || {
        (text_in_log("still using the last valid") == 1).then_some(())
    });
    put(&home, 3, "list");
    lies(&home, 3, ".Lists.a/new ");
    assert_eq!(text_in_log("still using the last valid"), 1, "once");
    home.write(".mailrules", RULES.replace("Lists/a", "Other"));
    wait_for("the rules being used", || (text_in_log("is used again") == 1).then_some(()));
    put(&home, 4, "list");
    lies(&home, 4, ".Other/new ");
    watch.end();
}

#[test]
fn folders_that_are_made_again_are_watched_again() {
    let home = home();
    make(&home, "");
    let watch = Watch::start(&home, &[]);
    put(&home, 1, "list");
    lies(&home, 1, ".Lists.a/new ");
    fs::remove_dir_all(file(&home, "new")).expect("removed");
    fs::create_dir(file(&home, "new")).expect("made");
    put(&home, 2, "list");
    lies(&home, 2, ".Lists.a/new ");
    put(&home, 3, "list");
    lies(&home, 3, ".Lists.a/new ");
    fs::rename(home.path().join("Maildir"), home.path().join("Old")).expect("renamed");
    std::thread::sleep(Duration::from_millis(300));
    make(&home, "");
    put(&home, 4, "list");
    lies(&home, 4, ".Lists.a/new ");
    put(&home, 5, "list");
    lies(&home, 5, ".Lists.a/new ");
    watch.end();
}

#[test]
fn no_two_watch_and_sort_can_run_meanwhile() {
    let home = home();
    make(&home, "");
    let watch = Watch::start(&home, &[]);
    put(&home, 1, "list");
    lies(&home, 1, ".Lists.a/new ");
    let second = home.run(&["watch"], b"");
    assert_eq!(second.code, Some(2));
    let who = format!("another mfilter watch (process {}) is already watching", watch.pid());
    assert!(second.stderr.contains(&who), "{}", second.stderr);
    let sorted = home.run(&["sort", "Lists/a"], b"");
    assert_eq!(sorted.code, Some(0), "{sorted:?}");
    watch.end();
    let third = Watch::start(&home, &[]);
    put(&home, 2, "list");
    lies(&home, 2, ".Lists.a/new ");
    third.end();
}

#[test]
fn bad_input_is_reported_and_stops_nothing() {
    let home = home();
    make(&home, "");
    fs::create_dir(file(&home, "new/directory")).expect("made");
    std::os::unix::fs::symlink("nowhere", file(&home, "new/link")).expect("made");
    let odd = file(&home, "new").join(std::ffi::OsStr::from_bytes(b"\xff.mx"));
    fs::write(odd, message(90, "list")).expect("written");
    fs::write(file(&home, "new/empty"), "").expect("written");
    fs::write(file(&home, "new/.hidden"), message(91, "list")).expect("written");
    let watch = Watch::start(&home, &[]);
    for number in 1..20 {
        put(&home, number, "list");
        if number % 3 == 0 {
            // Gone as soon as it appears.
            let _ = fs::remove_file(file(&home, &format!("new/{number}.other.mx")));
        }
    }
    put(&home, 50, "list");
    lies(&home, 50, ".Lists.a/new ");
    wait_for("all being filed", || {
        let left = |(number, place): &(usize, String)| *number < 90 && place.starts_with("/new");
        (!look(&home).iter().any(left)).then_some(())
    });
    watch.end();
    let err = text(&home, "err");
    for text_in_log in
        ["new/directory` stays for now", "new/link` stays for now", "its name is not UTF-8"]
    {
        assert_eq!(err.matches(text_in_log).count(), 1, "{text_in_log}\n{err}");
    }
}

/// A burst arrives while a mail reader moves messages to `cur` and flags them, as Dovecot
/// does for a waiting client; then the process is killed and starts again. None is lost,
/// none is doubled, each is logged once, except the one in progress when the process was
/// killed, and nothing is learned.
#[test]
fn a_burst_beside_a_reader_and_a_kill_lose_nothing() {
    let home = home();
    let rules = RULES.replace("-> folder \"Lists/a\"", "-> log \"listed\", folder \"Lists/a\"");
    home.write(".mailrules", format!("set log \"whole\"\n{rules}"));
    make(&home, "");
    let many = if std::env::var_os("MFILTER_LONG").is_some() { 5000 } else { 300 };
    let over = AtomicBool::new(false);
    let watch = Watch::start(&home, &[]);
    put(&home, 0, "list");
    lies(&home, 0, ".Lists.a/new ");
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let (mut turn, began) = (0_usize, Instant::now());
            while !over.load(Ordering::Relaxed) && began.elapsed() < Duration::from_secs(100) {
                for entry in fs::read_dir(file(&home, "new")).expect("listed").flatten() {
                    turn += 1;
                    let name = entry.file_name().to_string_lossy().into_owned();
                    if turn.is_multiple_of(3) {
                        let to = file(&home, &format!("cur/{name}:2,S"));
                        let _ = fs::rename(entry.path(), to);
                    }
                }
                for entry in fs::read_dir(file(&home, "cur")).expect("listed").flatten() {
                    let path = entry.path().to_string_lossy().into_owned();
                    if let Some(base) = path.strip_suffix(":2,S") {
                        let _ = fs::rename(&path, format!("{base}:2,FS"));
                    }
                }
                std::thread::sleep(Duration::from_millis(10));
            }
        });
        for number in 1..many {
            put(&home, number, "list");
        }
        wait_for("all being filed, wherever they are by now", || {
            let filed = |(_, place): &(usize, String)| place.starts_with(".Lists.a/");
            (look(&home).into_iter().filter(filed).count() == many).then_some(())
        });
        for number in many..many * 2 {
            put(&home, number, "list");
        }
        watch.kill();
        let watch = Watch::start(&home, &[]);
        wait_for("what is new being filed", || {
            let left = fs::read_dir(file(&home, "new")).expect("listed").count();
            (left == 0).then_some(())
        });
        over.store(true, Ordering::Relaxed);
        std::thread::sleep(Duration::from_secs(3));
        watch.end();
    });
    let seen = seen(&home);
    assert_eq!(seen.keys().copied().collect::<Vec<_>>(), (0..many * 2).collect::<Vec<_>>());
    assert_eq!((text(&home, "white"), text(&home, "black")), (String::new(), String::new()));
    let log = text(&home, "whole");
    assert!(!log.contains(" learned "));
    let mut listed: Vec<&str> = log.lines().filter(|line| line.contains(" log text=")).collect();
    let lines = listed.len();
    listed.iter_mut().for_each(|line| *line = line.split(" id=").nth(1).expect("an id"));
    listed.sort_unstable();
    listed.dedup();
    assert_eq!(listed.len(), lines, "none is logged twice");
    let filed = seen.values().filter(|place| place.starts_with(".Lists.a/")).count();
    assert!((filed - 1..=filed).contains(&lines), "{lines} of {filed}");
}

#[test]
fn a_move_teaches_within_seconds() {
    let home = home();
    let known = "list known sent \"Sent\"\n\nwhen from in known -> folder \"Known\"\n";
    let (settings, rest) = RULES.split_once('\n').expect("a setting");
    home.write(".mailrules", format!("{settings}\n{known}{rest}"));
    make(&home, "");
    make(&home, ".Sent/");
    let watch = Watch::start(&home, &[]);
    put(&home, 1, "junk");
    put(&home, 2, "else");
    lies(&home, 1, ".Junk/cur S");
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(text(&home, "black"), "", "what watch files teaches nothing");
    fs::rename(file(&home, "new/2.other.mx"), file(&home, ".Junk/cur/2.other.mx:2,S")).expect("");
    wait_for("black", || text(&home, "black").contains("s2@x.example\n").then_some(()));
    // As Dovecot does it: a copy under another name, then the original is removed.
    let junk = file(&home, ".Junk/cur/1.other.mx:2,S");
    fs::copy(&junk, file(&home, "cur/99.dovecot.mx:2,S")).expect("copied");
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(text(&home, "white"), "", "a copy teaches nothing");
    fs::remove_file(junk).expect("removed");
    wait_for("white", || text(&home, "white").contains("s1@x.example\n").then_some(()));
    put(&home, 3, "else");
    let from_s1 = message(7, "list").replace("s7", "s1");
    fs::write(file(&home, "tmp/7"), from_s1).expect("written");
    fs::rename(file(&home, "tmp/7"), file(&home, "new/7")).expect("renamed");
    lies(&home, 7, ".White/cur F");
    let sent =
        "From: taro@example.jp\nTo: s8@x.example, taro@example.jp\nMessage-ID: <80@x>\n\nhi\n";
    fs::write(file(&home, ".Sent/cur/80:2,S"), sent).expect("written");
    put(&home, 8, "list");
    lies(&home, 8, ".Known/new ");
    watch.end();
    assert!(log(&home).contains("log text=\"taken out: junk\" folder=\"INBOX\" was=\"Junk\""));
    let folder = home.path().join(".local/state/mfilter/sent-mail");
    let lists = fs::read_dir(folder).expect("there").flatten().map(|entry| entry.path());
    let list = lists.into_iter().find(|path| path.extension().is_some_and(|end| end == "list"));
    let list = fs::read_to_string(list.expect("a list")).expect("readable");
    assert!(list.lines().eq([list.lines().next().unwrap_or_default(), "s8@x.example"]), "{list}");
}

#[test]
fn learn_learns_once_and_takes_it_back() {
    let home = home();
    make(&home, "");
    make(&home, ".Junk/");
    let own = message(3, "own").replace("s3@x.example", "taro@example.jp");
    for (number, text) in [(1, message(1, "a")), (2, message(2, "b")), (3, own)] {
        fs::write(file(&home, &format!("cur/{number}.mx:2,")), text).expect("written");
    }
    fs::write(file(&home, ".Junk/cur/5.mx:2,S"), message(5, "e")).expect("written");
    let quiet = |run: &Run| (run.code, run.stdout.clone(), run.stderr.clone());
    let nothing = (Some(0), String::new(), String::new());
    assert_eq!(quiet(&learn(&home, &[])), nothing);
    for number in [1, 2, 3] {
        let name = format!("{number}.mx:2,");
        let to = file(&home, &format!(".Junk/cur/{name}S"));
        fs::rename(file(&home, &format!("cur/{name}")), to).expect("renamed");
    }
    let before: Vec<_> = fs::read_dir(home.path().join(".local/state/mfilter/learning"))
        .expect("there")
        .flatten()
        .map(|entry| (entry.path(), fs::read(entry.path()).unwrap_or_default()))
        .collect();
    let dry = learn(&home, &["--dry-run"]);
    assert_eq!(dry.code, Some(0));
    for line in [
        "INBOX -> Junk: add s1@x.example to black  (line 5)\n",
        "add taro@example.jp to black  (line 5): not done, it is one of your own addresses",
        "4 messages are known, 3 were moved\n",
    ] {
        assert!(dry.stdout.contains(line), "{line}\n{}", dry.stdout);
    }
    assert_eq!(text(&home, "black"), "");
    for (path, bytes) in before {
        assert_eq!(fs::read(&path).unwrap_or_default(), bytes, "{}", path.display());
    }
    let json = learn(&home, &["--json"]);
    let lines: Vec<serde_json::Value> =
        json.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!((json.code, lines.len()), (Some(0), 6), "{}", json.stdout);
    let added = lines.iter().find(|line| line["entry"] == "s1@x.example").expect("there");
    assert_eq!((&added["result"], &added["list"]), (&"learned".into(), &"black".into()));
    assert_eq!(quiet(&learn(&home, &[])), nothing, "once");
    let mut black: Vec<String> = text(&home, "black").lines().map(str::to_owned).collect();
    black.sort();
    assert_eq!(black, ["s1@x.example", "s2@x.example"]);
    assert!(log(&home).contains("learned text=\"add s1@x.example to black\" folder=\"Junk\""));

    home.write("black", text(&home, "black") + "kept@x.example\n");
    let undo = learn(&home, &["--undo"]);
    assert_eq!(undo.code, Some(0), "{undo:?}");
    assert_eq!(text(&home, "black"), "kept@x.example\n");
    assert_eq!(learn(&home, &["--undo"]).code, Some(1), "nothing is left");

    // What `sort` moves and moves back teaches nothing.
    home.write(
        ".mailrules",
        format!("{RULES}when from.domain is \"x.example\" -> folder \"Other\"\n"),
    );
    assert_eq!(home.run(&["sort", "Junk"], b"").code, Some(0));
    assert_eq!(seen(&home)[&5], ".Other/cur S");
    assert_eq!(seen(&home)[&1], ".Junk/cur S", "the user has put it there");
    assert_eq!(quiet(&learn(&home, &[])), nothing);
    assert_eq!(home.run(&["sort", "--undo"], b"").code, Some(0));
    assert_eq!(seen(&home)[&5], ".Junk/cur S");
    assert_eq!(quiet(&learn(&home, &[])), nothing);
    assert_eq!(
        (text(&home, "white"), text(&home, "black")),
        (String::new(), "kept@x.example\n".into())
    );
}

#[test]
fn a_list_that_cannot_be_edited_is_reported_and_the_rest_is_learned() {
    let home = home();
    make(&home, "");
    make(&home, ".Junk/");
    fs::write(file(&home, "cur/1.mx:2,"), message(1, "a")).expect("written");
    learn(&home, &[]);
    fs::remove_file(home.path().join("black")).expect("removed");
    fs::create_dir(home.path().join("black")).expect("made");
    home.write("white", "# friends\ns1@x.example # since school\n");
    fs::rename(file(&home, "cur/1.mx:2,"), file(&home, ".Junk/cur/1.mx:2,")).expect("renamed");
    let run = learn(&home, &[]);
    assert_eq!(run.code, Some(1));
    assert!(run.stderr.contains("black` is not edited"), "{}", run.stderr);
    assert_eq!(text(&home, "white"), "# friends\n");
}

/// Unread mail stays in `new` when Dovecot, mutt or mbsync moves it back: the user has
/// decided, so it is neither filed again nor forgotten.
#[test]
fn what_the_user_moves_back_unread_stays_and_teaches() {
    for learns in [true, false] {
        let home = home();
        let rules = RULES.replace("on moved", if learns { "on moved" } else { "# on moved" });
        home.write(".mailrules", rules);
        make(&home, "");
        make(&home, ".Junk/");
        make(&home, ".Lists.a/");
        let watch = Watch::start(&home, &[]);
        for (number, subject) in [(1, "list"), (2, "list"), (3, "list")] {
            put(&home, number, subject);
            lies(&home, number, ".Lists.a/new ");
        }
        if learns {
            // Put there by another program, before anything was watched.
            fs::write(file(&home, ".Junk/new/4.other.mx"), message(4, "list")).expect("written");
            std::thread::sleep(Duration::from_secs(3));
        }
        // As mutt does it; as Dovecot does it; as mbsync does it, later.
        fs::rename(file(&home, ".Lists.a/new/1.other.mx"), file(&home, "new/1.other.mx"))
            .expect("");
        fs::copy(file(&home, ".Lists.a/new/2.other.mx"), file(&home, "new/2.dovecot.mx"))
            .expect("");
        fs::remove_file(file(&home, ".Lists.a/new/2.other.mx")).expect("removed");
        let text_of_3 = fs::read(file(&home, ".Lists.a/new/3.other.mx")).expect("readable");
        fs::remove_file(file(&home, ".Lists.a/new/3.other.mx")).expect("removed");
        std::thread::sleep(Duration::from_secs(2));
        let text_of_3 = [b"X-TUID: abcdefghijkl\n".as_slice(), &text_of_3].concat();
        fs::write(file(&home, "tmp/3.mbsync,U=9"), text_of_3).expect("written");
        fs::rename(file(&home, "tmp/3.mbsync,U=9"), file(&home, "new/3.mbsync,U=9")).expect("");
        if learns {
            fs::rename(file(&home, ".Junk/new/4.other.mx"), file(&home, "new/4.other.mx"))
                .expect("renamed");
            wait_for("white", || text(&home, "white").contains("s4@x.example").then_some(()));
        }
        // A new message is still filed.
        put(&home, 5, "list");
        lies(&home, 5, ".Lists.a/new ");
        watch.kill();
        let watch = Watch::start(&home, &[]);
        put(&home, 6, "list");
        lies(&home, 6, ".Lists.a/new ");
        watch.end();
        let seen = seen(&home);
        for number in if learns { 1..5 } else { 1..4 } {
            assert_eq!(seen[&number], "/new ", "{number}: {seen:?}");
        }
        if learns {
            assert_eq!(text(&home, "white"), "s4@x.example\n");
        }
    }
}

/// A sender who repeats earlier text cannot get a message past the rules: the lines that
/// our own border wrote are part of a message's identity.
#[test]
fn a_message_that_is_sent_again_is_filed_again() {
    let home = home();
    make(&home, "");
    let watch = Watch::start(&home, &[]);
    for number in 1..4 {
        let name = format!("{number}.other.mx");
        let text = format!(
            "Received: from x ([192.0.2.1]) by mx (Postfix) with ESMTP id {number}; x\n{}",
            message(1, "junk")
        );
        fs::write(file(&home, &format!("tmp/{name}")), text).expect("written");
        fs::rename(file(&home, &format!("tmp/{name}")), file(&home, &format!("new/{name}")))
            .expect("renamed");
        wait_for("the junk", || {
            let filed = fs::read_dir(file(&home, ".Junk/cur")).map_or(0, Iterator::count);
            (filed == number).then_some(())
        });
    }
    watch.end();
    assert_eq!((text(&home, "white"), text(&home, "black")), (String::new(), String::new()));
}

/// A delivery knows the envelope, and has logged and edited lists: `watch` beside it does
/// not judge the message again.
#[test]
fn beside_deliveries_nothing_is_judged_twice() {
    let home = Home::with_rules(
        "list known \"known\"\n\
         on moved to \"Junk\" -> add from to known\n\
         when not from in known -> add from to known, log \"first: {subject}\"\n\
         when env \"SENDER\" is \"boss@x.example\" -> inbox\n\
         when subject is \"work\" -> folder \"Work\"\n\
         when subject is \"note\" -> log \"noted\"\n",
    );
    make(&home, "");
    home.write("known", "");
    let watch = Watch::start(&home, &[]);
    put(&home, 90, "work");
    lies(&home, 90, ".Work/new ");
    let deliver = |number: usize, subject: &str| {
        let mut command = home.command(&[]);
        command.env("SENDER", "boss@x.example");
        assert_eq!(run(command, message(number, subject).as_bytes()).code, Some(0));
    };
    for number in 1..5 {
        deliver(number, if number < 4 { "work" } else { "note" });
    }
    put(&home, 91, "work");
    lies(&home, 91, ".Work/new ");
    // Moved away and back by a server, which gives it a new name.
    let name = |number: usize| {
        let entries = fs::read_dir(file(&home, "new")).expect("listed").flatten();
        let paths = entries.map(|entry| entry.path());
        let is = |path: &PathBuf| {
            fs::read_to_string(path).unwrap_or_default().contains(&format!("<{number}@x>"))
        };
        paths.into_iter().find(is).expect("there")
    };
    fs::rename(name(1), file(&home, ".Work/new/1.dovecot.mx")).expect("renamed");
    std::thread::sleep(Duration::from_secs(2));
    fs::rename(file(&home, ".Work/new/1.dovecot.mx"), file(&home, "new/1.again.mx")).expect("");
    put(&home, 92, "work");
    lies(&home, 92, ".Work/new ");
    watch.end();
    let seen = seen(&home);
    for number in 1..5 {
        assert_eq!(seen[&number], "/new ", "{seen:?}");
    }
    let log = log(&home);
    for number in 1..5 {
        let about = format!("\"<{number}@x>\"");
        let lines = log.lines().filter(|line| line.contains(&about) && line.contains(" log text="));
        assert_eq!(lines.count(), 1, "{number}: {log}");
    }
    assert!(!log.contains("moved folder=\"Work\" was=\"INBOX\" file=\"1.again"), "{log}");
    assert_eq!(text(&home, "known").lines().count(), 7, "each sender once");
}

/// With a limit on the kernel's watches that is far too low for 300 folders, the inbox is
/// watched, the rest is scanned, and one line reports it.
#[test]
fn where_the_kernel_gives_few_watches_the_inbox_comes_first() {
    const LIMIT: &str = "/proc/sys/user/max_inotify_watches";
    let limited = |script: &str| {
        let mut command = std::process::Command::new("unshare");
        command.args(["-U", "-r", "sh", "-c", &format!("echo 20 > {LIMIT} && {script}")]);
        command
    };
    let start = |home: &Home, mut command: std::process::Command| {
        command.env_clear().env("HOME", home.path()).env("PATH", "/usr/bin:/bin").env("TZ", "UTC");
        let err = fs::File::create(home.path().join("err")).expect("made");
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(err).spawn();
        Watch { child: Some(child.expect("it starts")) }
    };
    let probe = limited("true").stderr(Stdio::null()).status();
    if !probe.is_ok_and(|status| status.success()) {
        eprintln!("skipped: the test with few watches needs user namespaces");
        return;
    }
    let home = home();
    make(&home, "");
    for number in 0..300 {
        make(&home, &format!(".Folder {number:03}/"));
    }
    let watch = start(&home, limited(&format!("exec {} watch", crate::support::MFILTER)));
    // Another process that can watch nothing at all.
    let blind = self::home();
    make(&blind, "");
    put(&blind, 1, "list");
    let mut command = std::process::Command::new("unshare");
    let script = format!(
        "echo 0 > /proc/sys/user/max_inotify_instances && exec {} watch",
        crate::support::MFILTER
    );
    command.args(["-U", "-r", "sh", "-c", &script]);
    let polls = start(&blind, command);
    lies(&blind, 1, ".Lists.a/new ");
    put(&blind, 2, "list");
    wait_for("the line", || log(&home).contains("too few inotify watches").then_some(()));
    put(&home, 1, "list");
    lies(&home, 1, ".Lists.a/new ");
    // No event reports this one; a scan finds it.
    let folder = file(&home, ".Folder 299/cur/2.mx:2,S");
    fs::write(&folder, message(2, "x")).expect("written");
    std::thread::sleep(Duration::from_secs(35));
    make(&home, ".Junk/");
    fs::rename(folder, file(&home, ".Junk/cur/2.mx:2,S")).expect("renamed");
    wait_for("black", || text(&home, "black").contains("s2@x.example").then_some(()));
    watch.kill();
    assert_eq!(log(&home).matches("too few inotify watches").count(), 1);
    // Mail that has arrived since is found by a scan.
    lies(&blind, 2, ".Lists.a/new ");
    polls.end();
    assert_eq!(
        log(&blind).matches("no inotify instance is available").count(),
        1,
        "{}",
        log(&blind)
    );
    assert_eq!(text(&home, "err").lines().count(), 1, "{}", text(&home, "err"));
}
