//! What a move means: where mfilter put mail, where the user put it, and what `learn`,
//! `watch` and `sort` make of it.

use std::fs;
use std::path::PathBuf;

use crate::support::{Home, Run, mail, run};

const LISTS: &str = "list white \"white\"\nlist black \"black\"\n\n";

fn home(rules: &str) -> Home {
    let home = Home::with_rules(&format!("{LISTS}{rules}"));
    for list in ["white", "black"] {
        home.write(list, "");
    }
    make(&home, "");
    home
}

fn file(home: &Home, name: &str) -> PathBuf {
    home.path().join("Maildir").join(name)
}

fn make(home: &Home, folder: &str) {
    for sub in ["new", "cur", "tmp"] {
        fs::create_dir_all(file(home, &format!("{folder}{sub}"))).expect("made");
    }
}

fn text(home: &Home, name: &str) -> String {
    fs::read_to_string(home.path().join(name)).unwrap_or_default()
}

fn log(home: &Home) -> String {
    text(home, ".local/state/mfilter/log")
}

fn message(number: usize, subject: &str) -> String {
    format!(
        "Received: by mx.me.example; {number}\nFrom: s{number}@x.example\n\
         Subject: {subject}\nMessage-ID: <{number}@x>\n\
         Date: Thu, 24 Dec 2026 20:00:00 +0900\n\nhi\n"
    )
}

fn learn(home: &Home) -> Run {
    let run = run(home.command(&["learn"]), b"");
    assert_eq!((run.code, run.stdout.as_str(), run.stderr.as_str()), (Some(0), "", ""));
    run
}

fn rename(home: &Home, from: &str, to: &str) {
    fs::rename(file(home, from), file(home, to)).expect("renamed");
}

/// `.Folder/sub` of each message, by the number in its Message-ID.
fn places(home: &Home) -> Vec<(usize, String)> {
    let mut places: Vec<_> = mail(&home.path().join("Maildir"))
        .into_iter()
        .map(|mail| {
            let text = mail.text();
            let id = text.split_once("Message-ID: <").expect("an id").1;
            let number = id.split_once('@').and_then(|(number, _)| number.parse().ok());
            (number.expect("a number"), format!("{}/{}", mail.folder, mail.sub))
        })
        .collect();
    places.sort();
    places
}

/// Moves a message from one folder to another between two calls of `learn`; returns what
/// is on the white and black lists afterwards.
fn taught(rules: &str, text_of_it: &str, from: &str, to: &str) -> (String, String) {
    let home = home(rules);
    make(&home, from);
    make(&home, to);
    fs::write(file(&home, &format!("{from}cur/1.mx:2,S")), text_of_it).expect("written");
    learn(&home);
    rename(&home, &format!("{from}cur/1.mx:2,S"), &format!("{to}cur/1.mx:2,S"));
    learn(&home);
    (text(&home, "white"), text(&home, "black"))
}

#[test]
fn a_move_to_the_trash_teaches_nothing_unless_the_trash_is_named() {
    let plain = "on moved from \"Junk\" -> add from to white\n\
                 on moved to \"Junk\" -> add from to black\n";
    let (white, none) = (String::from("s1@x.example\n"), String::new());
    let seen = |rules: &str, from: &str, to: &str| taught(rules, &message(1, "a"), from, to);
    for trash in [
        ".Trash/",
        ".Deleted Items/",
        ".Deleted Messages/",
        ".INBOX.Trash/",
        ".Trash.2026/",
        // ごみ箱 and Gelöschte Elemente, as they are named on disk.
        ".&MFQwf3ux-/",
        ".Gel&APY-schte Elemente/",
    ] {
        assert_eq!(seen(plain, ".Junk/", trash), (none.clone(), none.clone()), "{trash}");
        assert_eq!(seen(plain, trash, ".Junk/"), (none.clone(), none.clone()), "{trash}");
    }
    assert_eq!(seen(plain, ".Junk/", ""), (white.clone(), none.clone()));
    assert_eq!(seen(plain, ".Junk/", ".Work/"), (white.clone(), none.clone()));
    let set_first = |from: &str, to: &str| {
        let home = Home::with_rules(&format!("set trash \"Away\"\n{LISTS}{plain}"));
        home.write("white", "");
        home.write("black", "");
        ["", from, to].iter().for_each(|folder| make(&home, folder));
        fs::write(file(&home, &format!("{from}cur/1.mx:2,S")), message(1, "a")).expect("written");
        learn(&home);
        rename(&home, &format!("{from}cur/1.mx:2,S"), &format!("{to}cur/1.mx:2,S"));
        learn(&home);
        text(&home, "white")
    };
    assert_eq!(set_first(".Junk/", ".Away/"), "");
    assert_eq!(set_first(".Junk/", ".Trash/"), white, "another folder is the trash");
    let named = "on moved from \"Junk\" to \"Trash\" -> add from to white\n";
    assert_eq!(seen(named, ".Junk/", ".Trash/"), (white, none));
}

#[test]
fn a_move_has_two_ends() {
    let both = "on moved from \"Junk\" to \"INBOX\" -> add from to white\n\
                on moved to \"Junk\" from \"INBOX\" -> add from to black\n";
    let (one, none) = (String::from("s1@x.example\n"), String::new());
    for (from, to, expected) in [
        (".Junk/", "", (&one, &none)),
        ("", ".Junk/", (&none, &one)),
        (".Junk/", ".Work/", (&none, &none)),
        (".Work/", ".Junk/", (&none, &none)),
        (".Work/", "", (&none, &none)),
    ] {
        let seen = taught(both, &message(1, "a"), from, to);
        assert_eq!((&seen.0, &seen.1), expected, "{from} -> {to}");
    }
}

/// A sender chooses Message-ID and size, and may write to two addresses at once.
#[test]
fn no_sender_makes_a_delivery_look_like_a_move() {
    let rules = "on moved from \"Junk\" -> add from to white\n\
                 when has extension -> folder \"Junk\"\n";
    let header = "From: s1@x.example\nTo: me@me.example\nMessage-ID: <1@x>\nDate: x\n\nhi\n";
    for (first, second) in [("1", "2"), ("1", "1")] {
        let home = home(rules);
        make(&home, ".Junk/");
        learn(&home);
        let path = home.path().join(".local/state/mfilter/log");
        let send = |options: &[&str], queued: &str| {
            let text = format!("Received: by mx.me.example; {queued}\n{header}");
            home.run(options, text.as_bytes());
        };
        send(&["-a", "junk"], first);
        let logged = log(&home);
        send(&[], second);
        // The second delivery has not logged yet.
        fs::write(&path, &logged).unwrap();
        learn(&home);
        assert_eq!(text(&home, "white"), "", "{second}: {logged}");
        // What the user moves before anything has looked counts.
        send(&["-a", "junk"], "3");
        let name = log(&home)
            .lines()
            .last()
            .and_then(|line| Some(line.split_once("file=\"")?.1.split_once('"')?.0.to_owned()));
        let name = name.expect("a name");
        rename(&home, &format!(".Junk/new/{name}"), "cur/moved-by-a-server:2,S");
        learn(&home);
        assert_eq!(text(&home, "white"), "s1@x.example\n", "{}", log(&home));
    }
}

#[test]
fn a_users_own_address_is_never_blacklisted() {
    let rules = "on moved to \"Junk\" -> add from to black\n";
    let mine = |head: &str| {
        let text = message(1, "a").replace("s1@x.example", "taro+shop@b.example");
        taught(rules, &format!("{head}Received: from x by mx; x\n{text}"), "", ".Junk/").1
    };
    assert_eq!(mine("Delivered-To: taro@b.example\n"), "taro+shop@b.example\n");
    assert_eq!(mine("Delivered-To: taro+shop@b.example\n"), "");
    let text = message(1, "a").replace("s1@x.example", "Taro@B.example");
    let forged = |head: &str| taught(rules, &format!("{head}{text}"), "", ".Junk/").1;
    assert_eq!(forged("Delivered-To: taro@b.example\nReceived: from x by mx; x\n"), "");
    assert_eq!(forged("Delivered-To: taro+detail@b.example\nReceived: from x by mx; x\n"), "");
    let below = "Received: from x by mx; x\nDelivered-To: taro@b.example\n";
    assert_eq!(forged(below), "taro@b.example\n", "what stands below came with the message");
}

#[test]
fn learn_without_sent_mail_is_not_a_failure() {
    learn(&home("list known sent \"Sent\"\nwhen from in known -> inbox\n"));
}

/// A dry run notes nothing, so the next run is the first one still.
#[test]
fn a_dry_run_is_not_the_first_run() {
    let home = home("on moved to \"A\" -> add from.domain to white\n");
    make(&home, ".A/");
    fs::write(file(&home, "cur/1.mx:2,S"), "From: x@gmail.com\nMessage-ID: <1@x>\n\nhi\n")
        .expect("written");
    let said = |arguments: &[&str]| home.run(arguments, b"").stdout;
    for _ in 0..2 {
        let dry = said(&["learn", "--dry-run"]);
        assert!(dry.contains("first run without --dry-run"), "{dry}");
    }
    assert!(said(&["learn", "-v"]).contains("this was the first run"));
    rename(&home, "cur/1.mx:2,S", ".A/cur/1.mx:2,S");
    assert!(said(&["learn", "-v"]).starts_with(
        "INBOX -> A: add  (line 4): not done, anybody can have an address at `gmail.com`\n"
    ));
    assert!(log(&home).contains("text=\"add: anybody can have"), "{}", log(&home));
}

/// Automatic answers, mail that leaves a list, drafts and mail to be deleted were not
/// written to anybody whom the user knows.
#[test]
fn known_sent_leaves_out_whom_the_user_has_not_written_to() {
    let home = home("list known sent \"Sent\"\nwhen from in known -> inbox\n");
    make(&home, ".Sent/");
    let sent = |name: &str, head: &str| {
        let text = format!("From: taro@b.example\n{head}\nDate: x\n\nhi\n");
        fs::write(file(&home, &format!(".Sent/cur/{name}")), text).expect("written");
    };
    sent("1.mx:2,S", "To: friend@x.example\nSubject: hello");
    sent("2.mx:2,S", "To: list-unsubscribe@x.example\nSubject: please");
    sent("3.mx:2,S", "To: spammer@x.example\nSubject: Unsubscribe");
    sent("4.mx:2,S", "To: caller@x.example\nSubject: away\nAuto-Submitted: auto-replied");
    sent("5.mx:2,DS", "To: draft@x.example\nSubject: not yet");
    sent("6.mx:2,ST", "To: deleted@x.example\nSubject: never mind");
    // As isync and OfflineIMAP write flags where a name must not hold a colon.
    sent("8.mx;2,DS", "To: draft-elsewhere@x.example\nSubject: not yet");
    sent("9.mx!2,T", "To: deleted-elsewhere@x.example\nSubject: never mind");
    sent("7.mx:2,S", "To: asker@x.example\nSubject: away\nPrecedence: auto_reply");
    learn(&home);
    let known = || {
        let folder = home.path().join(".local/state/mfilter/sent-mail");
        let entries = fs::read_dir(folder).expect("there").flatten().map(|entry| entry.path());
        let list = entries.into_iter().find(|path| path.extension().is_some_and(|e| e == "list"));
        let list = fs::read_to_string(list.expect("a list")).expect("readable");
        list.lines().skip(1).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(known(), ["friend@x.example"]);
    rename(&home, ".Sent/cur/5.mx:2,DS", ".Sent/cur/5.mx:2,S");
    learn(&home);
    assert_eq!(known(), ["friend@x.example", "draft@x.example"], "sent after all");
}

#[test]
fn sorting_all_leaves_alone_what_was_put_away() {
    let home = home("when subject is \"a\" -> folder \"A\"\n");
    let folders = [".Trash/", ".Junk/", ".Drafts/", ".Sent/", ".Trash.old/", ".Work/"];
    for (number, folder) in folders.iter().enumerate() {
        make(&home, folder);
        fs::write(file(&home, &format!("{folder}cur/{number}.mx:2,S")), message(number, "a"))
            .expect("written");
    }
    let sort = |arguments: &[&str]| {
        let run = home.run(&[&["sort"], arguments].concat(), b"");
        assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""), "{run:?}");
    };
    sort(&["--all"]);
    let in_a = || places(&home).into_iter().filter(|(_, place)| place == ".A/cur").count();
    assert_eq!(in_a(), 1, "{:?}", places(&home));
    sort(&["--all", "Junk"]);
    assert_eq!(in_a(), 2, "named too");
    sort(&["Trash", "Sent"]);
    assert_eq!(in_a(), 4, "named alone");
}

#[test]
fn what_no_rule_takes_stays_in_the_folder_that_is_sorted() {
    let home = home("when subject is \"a\" -> folder \"A\"\nwhen subject is \"b\" -> inbox\n");
    make(&home, ".Work/");
    for (number, subject) in ["a", "b", "c"].iter().enumerate() {
        let name = format!(".Work/cur/{number}.mx:2,S");
        fs::write(file(&home, &name), message(number, subject)).expect("written");
    }
    let run = home.run(&["sort", "Work"], b"");
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""), "{run:?}");
    assert!(run.stdout.contains("1 left alone: no rule matches"), "{}", run.stdout);
    let expected = [(0, ".A/cur"), (1, "/cur"), (2, ".Work/cur")];
    assert_eq!(places(&home), expected.map(|(number, place)| (number, place.to_owned())));
}

/// The log's lines that begin with one of these words.
fn lines(home: &Home, words: &[&str]) -> Vec<String> {
    let log = log(home);
    let is = |line: &&str| line.split(' ').nth(1).is_some_and(|word| words.contains(&word));
    log.lines().filter(is).map(str::to_owned).collect()
}

#[test]
fn fresh_mail_that_is_moved_before_the_next_look_teaches() {
    let home = home(
        "on moved to \"Junk\" -> add from to black\n\
         on moved from \"Junk\" to \"INBOX\" -> add from to white\n\
         when subject is \"junk\" -> folder \"Junk\"\n",
    );
    learn(&home);
    let deliver = |number: usize, subject: &str| {
        let run = home.deliver(message(number, subject).as_bytes());
        assert_eq!(run.code, Some(0), "{run:?}");
        let folder = if subject == "junk" { ".Junk/new" } else { "new" };
        let entries = fs::read_dir(file(&home, folder)).expect("listed").flatten();
        let path = entries.map(|entry| entry.path()).find(|path| {
            fs::read_to_string(path).unwrap_or_default().contains(&format!("<{number}@x>"))
        });
        path.expect("delivered")
    };
    // Renamed, as mutt does it.
    let one = deliver(1, "junk");
    let name = one.file_name().expect("a name").to_string_lossy().into_owned();
    fs::rename(&one, file(&home, &format!("cur/{name}:2,S"))).expect("renamed");
    // Under another name, as Dovecot does it.
    let two = deliver(2, "hello");
    fs::copy(&two, file(&home, ".Junk/cur/2.dovecot:2,")).expect("copied");
    fs::remove_file(two).expect("removed");
    deliver(3, "junk");
    deliver(4, "hello");
    learn(&home);
    assert_eq!(text(&home, "white"), "s1@x.example\n");
    assert_eq!(text(&home, "black"), "s2@x.example\n");
    learn(&home);
    assert_eq!(lines(&home, &["learned"]).len(), 2);
}

#[test]
fn what_the_user_has_moved_is_not_sorted_back() {
    for delivered in [true, false] {
        let home = home("when subject is \"news\" -> folder \"News\"\n");
        make(&home, ".News/");
        let sort = |arguments: &[&str]| {
            let run = home.run(&[&["sort"], arguments].concat(), b"");
            assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""), "{run:?}");
            run.stdout
        };
        if delivered {
            assert_eq!(home.deliver(message(1, "news").as_bytes()).code, Some(0));
        } else {
            fs::write(file(&home, "new/1.other.mx"), message(1, "news")).expect("written");
            assert!(sort(&[]).contains("1 INBOX -> News"));
        }
        assert_eq!(places(&home), [(1, ".News/new".to_owned())]);
        // By a server, under another name, and read.
        let there = mail(&home.path().join("Maildir")).remove(0).path;
        fs::rename(there, file(&home, "cur/1.dovecot:2,S")).expect("moved");
        let dry = sort(&["--dry-run"]);
        assert!(dry.contains("1 left alone: moved there by you"), "{dry}");
        for _ in 0..2 {
            let table = sort(&[]);
            assert!(table.contains("1 left alone: moved there by you"), "{table}");
            assert_eq!(places(&home), [(1, "/cur".to_owned())]);
        }
        // Once the rules want it where it is, other rules may sort it.
        rename(&home, "cur/1.dovecot:2,S", ".News/cur/1.dovecot:2,S");
        home.write(".mailrules", "when subject is \"news\" -> folder \"Other\"\n");
        assert!(sort(&["News"]).contains("1 News -> Other"));
        assert!(home.run(&["sort", "--undo"], b"").stdout.contains("1 moved back"));
        assert!(
            sort(&["News"]).contains("1 News -> Other"),
            "what is taken back is not the user's"
        );
    }
}

#[test]
fn a_dry_run_remembers_nothing() {
    let home = home("when subject is \"news\" -> folder \"News\"\n");
    assert_eq!(home.deliver(message(1, "news").as_bytes()).code, Some(0));
    let state = || {
        let entries = fs::read_dir(home.path().join(".local/state/mfilter")).expect("listed");
        let mut names: Vec<_> = entries.flatten().map(|entry| entry.file_name()).collect();
        names.sort();
        names
    };
    let before = state();
    assert_eq!(home.run(&["sort", "--all", "--dry-run"], b"").code, Some(0));
    assert_eq!(state(), before);
}
