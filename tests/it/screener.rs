//! A screener: strangers wait in a folder until the user moves them out, as an IMAP server
//! does, by renaming the file.

#![allow(clippy::print_stderr, reason = "a skipped test says so")]

use std::fs;
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};

use crate::support::imap::{self, DOVEADM, Imap, NOBODY, as_owner, own};
use crate::support::{Home, MFILTER, run, skipped, wait_for};

const RULES: &str = "\
set me [\"taro@example.jp\"]
set trust [\"mx.example.jp\"]
list white \"~/.mail/white\"
list black \"~/.mail/black\"
list seen senders \"Archive\"

on moved from \"Screener\" to \"INBOX\"     -> add from to white
on moved from \"Screener\" to \"Companies\" -> add from.domain to white
on moved from \"Screener\" to \"Junk\"      -> add from to black

when from in black                                 -> folder \"Junk\" as seen
when (from in white or from in seen) and verified -> inbox
otherwise                                          -> folder \"Screener\"
";

fn message(number: usize, from: &str, result: &str) -> String {
    format!(
        "Authentication-Results: mx.example.jp; {result}\n\
         Received: from out (out.isp.example [192.0.2.1]) by mx.example.jp with ESMTPS id {number}; Mon, 1 Jan 2024 00:00:00 +0000\n\
         Message-ID: <{number}@x.example>\nFrom: {from}\nTo: taro@example.jp\n\
         Subject: letter {number}\nDate: Mon, 1 Jan 2024 00:00:00 +0000\n\nhi\n"
    )
}

/// Delivers a message; returns the folder that it is then in.
fn deliver(home: &Home, number: usize, from: &str, result: &str) -> String {
    let run = home.deliver(message(number, from, result).as_bytes());
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""), "{run:?}");
    find(home, number).0
}

/// The folder of a message, and its file.
fn find(home: &Home, number: usize) -> (String, std::path::PathBuf) {
    let id = format!("Message-ID: <{number}@x.example>");
    let mail = home.mail().into_iter().find(|mail| mail.text().contains(&id)).expect("delivered");
    (mail.folder.clone(), mail.path.clone())
}

/// The user moves a message in a mail reader, and mfilter learns.
fn move_to(home: &Home, number: usize, folder: &str) {
    let (_, path) = find(home, number);
    let name = path.file_name().expect("a name").to_string_lossy().into_owned();
    let name = name.split(":2,").next().expect("a name").to_owned();
    let cur = home.path().join("Maildir").join(folder).join("cur");
    fs::create_dir_all(&cur).expect("made");
    fs::rename(path, cur.join(format!("{name}:2,S"))).expect("moved");
    let run = home.run(&["learn"], b"");
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""), "{run:?}");
}

#[test]
fn a_stranger_waits_until_the_user_lets_him_in() {
    let home = Home::with_rules(RULES);
    for folder in ["", ".Screener/", ".Companies/", ".Junk/", ".Archive/"] {
        for sub in ["new", "cur", "tmp"] {
            fs::create_dir_all(home.path().join(format!("Maildir/{folder}{sub}"))).expect("made");
        }
    }
    let run = home.run(&["learn"], b"");
    assert_eq!(run.code, Some(0), "{run:?}");
    let pass = |domain: &str| format!("dmarc=pass header.from={domain}");

    // Senders known from the archive are not strangers on the first day.
    home.write("Maildir/.Archive/cur/1.a:2,S", message(1, "old@friend.example", "none"));
    assert_eq!(deliver(&home, 2, "old@friend.example", &pass("friend.example")), "");

    // An address is let in; mail forged in its name is not.
    let stranger = "Jiro <jiro@new.example>";
    assert_eq!(deliver(&home, 3, stranger, &pass("new.example")), ".Screener");
    assert_eq!(deliver(&home, 4, stranger, "dmarc=fail header.from=new.example"), ".Screener");
    assert_eq!(deliver(&home, 5, "other@x.example", "none"), ".Screener");
    let waiting = home.run(&["screener"], b"");
    assert_eq!((waiting.code, waiting.stderr.as_str()), (Some(0), ""), "{waiting:?}");
    let mut lines: Vec<&str> = waiting.stdout.lines().collect();
    lines.sort();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].starts_with("jiro@new.example  2 messages, 1 verified  letter "), "{lines:?}");
    assert_eq!(lines[1], "other@x.example  1 message, not verified  letter 5");
    let json = home.run(&["screener", "--json"], b"").stdout;
    let line = json.lines().find(|line| line.contains("jiro")).expect("he waits");
    let object: serde_json::Value = serde_json::from_str(line).expect("JSON");
    assert_eq!((&object["name"], &object["messages"]), (&"Jiro".into(), &2.into()));
    assert_eq!(object["verified"], 1);
    move_to(&home, 3, "");
    assert_eq!(deliver(&home, 6, stranger, &pass("new.example")), "");
    assert_eq!(deliver(&home, 7, stranger, "dmarc=fail header.from=new.example"), ".Screener");

    // A company is let in with all its addresses, a provider's customers are not.
    assert_eq!(deliver(&home, 8, "sales@firm.example", &pass("firm.example")), ".Screener");
    move_to(&home, 8, ".Companies");
    assert_eq!(deliver(&home, 9, "billing@firm.example", &pass("firm.example")), "");
    assert_eq!(deliver(&home, 10, "one@gmail.com", &pass("gmail.com")), ".Screener");
    move_to(&home, 10, ".Companies");
    assert_eq!(deliver(&home, 11, "two@gmail.com", &pass("gmail.com")), ".Screener");
    assert_eq!(deliver(&home, 12, "boss@example.jp", &pass("example.jp")), ".Screener");
    move_to(&home, 12, ".Companies");
    let white = fs::read_to_string(home.path().join(".mail/white")).expect("learned");
    assert_eq!(white, "jiro@new.example\n@firm.example\n");

    // A sender who is thrown out does not come in again.
    move_to(&home, 5, ".Junk");
    assert_eq!(deliver(&home, 13, "other@x.example", "none"), ".Junk");
}

/// With a real IMAP server, while `mfilter watch` runs.
#[test]
fn a_move_in_a_mail_reader_lets_a_stranger_in() {
    if skipped("the screener with an IMAP server", &[DOVEADM], false) {
        return;
    }
    let home = Home::with_rules(RULES);
    for folder in ["", ".Screener/", ".Companies/", ".Junk/", ".Archive/"] {
        for sub in ["new", "cur", "tmp"] {
            fs::create_dir_all(home.path().join(format!("Maildir/{folder}{sub}"))).expect("made");
        }
    }
    imap::configure(&home, "Maildir");
    own(&home, NOBODY);
    let stranger =
        |number| message(number, "jiro@new.example", "dmarc=pass header.from=new.example");
    let deliver = |number| {
        let delivered = run(as_owner(&home, MFILTER, &[]), stranger(number).as_bytes());
        assert_eq!((delivered.code, delivered.stderr.as_str()), (Some(0), ""), "{delivered:?}");
        find(&home, number).0
    };
    assert_eq!(deliver(1), ".Screener");
    let mut watch = as_owner(&home, MFILTER, &["watch", "-v"]);
    let mut watch = watch.stdin(Stdio::null()).stdout(Stdio::null()).spawn().expect("it starts");
    let known = home.path().join(".local/state/mfilter/learning");
    wait_for("the first look", || known.exists().then_some(()));

    let mut reader = Imap::start(&home);
    reader.done("SELECT Screener");
    reader.done("UID MOVE 1 INBOX");
    let white = || fs::read_to_string(home.path().join(".mail/white")).unwrap_or_default();
    wait_for("what the move teaches", || (white() == "jiro@new.example\n").then_some(()));
    assert_eq!(deliver(2), "");
    let seen = reader.done("STATUS INBOX (MESSAGES)");
    assert!(seen.iter().any(|line| line.contains("MESSAGES 2")), "{seen:?}");
    let pid = Pid::from_child(&watch);
    kill_process(pid, Signal::TERM).expect("it is ours");
    assert!(watch.wait().expect("it ends").success());
}

#[test]
fn nobody_waits_and_no_folder_are_reported() {
    let home = Home::with_rules("folder \"Later\"\n");
    home.write("Maildir/cur/1.a:2,S", message(1, "a@b.example", "none"));
    let missing = home.run(&["screener"], b"");
    assert_eq!(missing.code, Some(2), "{missing:?}");
    assert!(missing.stderr.contains("there is no folder `Screener`"), "{missing:?}");
    fs::create_dir_all(home.path().join("Maildir/.Later/cur")).expect("made");
    let none = home.run(&["screener", "Later"], b"");
    assert_eq!((none.code, none.stderr.as_str()), (Some(0), "mfilter: nobody waits in `Later`\n"));
}
