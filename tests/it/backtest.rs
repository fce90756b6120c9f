//! `mfilter --test` on existing mail: what it reports about many messages, and what
//! happens if a mailbox changes or is damaged in the meantime.

#![allow(clippy::print_stderr, reason = "a skipped test says so")]

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use crate::support;
use crate::support::{Home, run};
use serde_json::Value;

const RULES: &str = "\
rule \"lists\" when mailing-list -> folder \"Lists\" as seen
when subject contains \"sale\" -> discard
when subject contains \"never\" {
    when subject contains \"not at all\" -> folder \"No\"
}
";

fn message(home: &Home, place: &str, number: u32, subject: &str) {
    let text = format!("Message-ID: <{number}@a.example>\nFrom: a@b\nSubject: {subject}\n\nx\n");
    home.write(place, text);
}

/// Twelve messages in three folders of both kinds.
fn mailbox(rules: &str) -> Home {
    let home = Home::with_rules(rules);
    for number in 0..6 {
        message(&home, &format!("Maildir/cur/{number}.a:2,S"), number, "hello");
    }
    for number in 6..9 {
        message(&home, &format!("Maildir/.Lists/new/{number}.a"), number, "hello");
    }
    for number in 9..12 {
        let text = format!("Message-ID: <{number}@a>\nList-Id: <a.b>\nList-Post: <mailto:a@b>\n\n");
        home.write(&format!("Maildir/.Lists/new/{number}.a"), text);
    }
    message(&home, "Maildir/new/12.a", 12, "a SALE");
    home
}

#[test]
fn the_tables_of_many_messages() {
    let home = mailbox(RULES);
    let maildir = home.path().join("Maildir").display().to_string();
    let quiet = home.run(&["--test", "-q", &maildir], b"");
    assert_eq!(quiet.code, Some(0), "{quiet:?}");
    let expected = "     13 messages
      9 INBOX
      3 Lists
      1 discard

rules that never fired
     3  when subject contains \"never\"
";
    assert_eq!(quiet.stdout, expected);
    let slow = home.run(&["--test", "-q", "-v", &maildir], b"");
    assert!(
        slow.stdout.contains("\nslowest, of ") && slow.stdout.contains("(13 times)"),
        "{slow:?}"
    );

    // With one block per message, in the order of the walk, the summary is the same.
    let blocks = home.run(&["--test", &maildir], b"");
    assert!(blocks.stdout.ends_with(&format!("\n{expected}")), "{}", blocks.stdout);
    let order: Vec<&str> = blocks.stdout.lines().filter(|line| line.starts_with('/')).collect();
    assert_eq!(order.len(), 13);
    assert!(order[0].ends_with("Maildir/new/12.a") && order[1].ends_with("Maildir/cur/0.a:2,S"));

    let json = home.run(&["--test", "-q", "--json", &maildir], b"");
    let summary: Value = serde_json::from_str(json.stdout.trim_end()).expect("one object");
    let summary = &summary["summary"];
    assert_eq!((summary["messages"].as_u64(), summary["unread"].as_u64()), (Some(13), Some(0)));
    assert_eq!(summary["went"][1], serde_json::json!({"to": "Lists", "messages": 3}));
    assert_eq!(summary["never_fired"][0]["line"], 3);
    assert_eq!(summary["slow_messages"].as_array().map(Vec::len), Some(5));
}

#[test]
fn what_is_known_of_the_envelope_is_shown() {
    let home = Home::with_rules("");
    message(&home, "plain.eml", 1, "x");
    home.write("path.eml", "Return-Path: <a@b.example>\nSubject: x\n\nx\n");
    home.write("both.eml", "Return-Path: <>\nDelivered-To: c@d.example\nSubject: x\n\nx\n");
    home.write("to.eml", "Delivered-To: c@d.example\nSubject: x\n\nx\n");
    for (name, expected) in [
        ("plain.eml", "not reported"),
        ("path.eml", "<a@b.example>"),
        ("both.eml", "<> to c@d.example"),
        ("to.eml", "to c@d.example"),
    ] {
        let file = home.path().join(name).display().to_string();
        let result = home.run(&["--test", "-v", &file], b"");
        let expected = format!("\n  envelope {expected}\n");
        assert!(result.stdout.contains(&expected), "{expected} {result:?}");
    }
}

#[test]
fn nothing_is_changed_and_a_reader_may_go_away() {
    let home = mailbox(RULES);
    let maildir = home.path().join("Maildir").display().to_string();
    let before = fs::read_dir(home.path()).expect("is there").count();
    let mut child = home
        .command(&["--test", "--json", &maildir])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("starts");
    drop(child.stdout.take());
    assert!(child.wait().expect("ends").code().is_some());
    assert_eq!(fs::read_dir(home.path()).expect("is there").count(), before, "no state, no cache");
}

#[test]
fn other_rules_and_what_they_change() {
    let home = mailbox(RULES);
    home.write("other", "when subject contains \"sale\" -> folder \"Sale\"\nwhen mailing-list -> folder \"Lists\" as seen\n");
    let (maildir, other) = (home.path().join("Maildir"), home.path().join("other"));
    let (maildir, other) = (maildir.display().to_string(), other.display().to_string());
    let diff = home.run(&["--test", "--diff", &other, &maildir], b"");
    assert_eq!(diff.code, Some(1), "{diff:?}");
    let home_path = format!("{}/", home.path().display());
    assert_eq!(
        diff.stdout.replace(&home_path, ""),
        "Maildir/new/12.a
  from     a@b
  subject  a SALE
  - discard
      ~/.mailrules:2  when subject contains \"sale\" -> discard
  + folder \"Sale\"
      ~/other:1  when subject contains \"sale\" -> folder \"Sale\"

      1 of 13 messages would be handled differently
      1 discard -> Sale
"
    );
    let json = home.run(&["--test", "--json", "--diff", &other, &maildir], b"");
    let lines: Vec<Value> =
        json.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0]["before"]["outcome"], "discard");
    assert_eq!(lines[0]["after"]["steps"][0]["folder"], "Sale");
    assert_eq!(lines[0]["after"]["steps"][0]["rule"]["line"], 1);
    assert_eq!(lines[1]["summary"]["moved"][0]["to"], "Sale");

    let rules = home.path().join(".mailrules").display().to_string();
    let same = home.run(&["--test", "--diff", &rules, &maildir], b"");
    assert_eq!(same.code, Some(0));
    assert_eq!(same.stdout, "\n      0 of 13 messages would be handled differently\n");

    home.write("other", "when nonsense\n");
    let broken = home.run(&["--test", "--diff", &other, &maildir], b"");
    assert!(broken.code == Some(1) && broken.stdout.contains("error"), "{broken:?}");
    let missing = home.run(&["--test", "--diff", "/none", &maildir], b"");
    assert_eq!(missing.code, Some(2), "{missing:?}");
}

#[test]
fn misplaced_mail() {
    let home = mailbox(RULES);
    let maildir = home.path().join("Maildir").display().to_string();
    let run = home.run(&["--test", "--misplaced", &maildir], b"");
    assert_eq!(run.code, Some(1), "{run:?}");
    let table = "\n      4 of 13 messages are in another folder
      3 Lists -> INBOX
      1 INBOX -> discard
";
    assert!(run.stdout.ends_with(table), "{}", run.stdout);
    assert!(run.stdout.contains(
        "/Maildir/new/12.a\n  from     a@b\n  subject  a SALE\n  is in    INBOX\n  => discard\n"
    ));
    // mfilter knows which folder a single folder is; a message whose copy is in its
    // folder is not misplaced.
    let folder = format!("{maildir}/.Lists");
    let run = home.run(&["--test", "--misplaced", &folder], b"");
    assert!(
        run.stdout
            .ends_with("\n      3 of 6 messages are in another folder\n      3 Lists -> INBOX\n"),
        "{run:?}"
    );
    home.write(".mailrules", "copy \"Lists\"\nset-header \"A\" \"b\"\n");
    let run = home.run(&["--test", "--misplaced", &maildir], b"");
    assert_eq!((run.code, run.stdout.lines().count()), (Some(0), 2), "{run:?}");
    let json = home.run(&["--test", "--misplaced", "--json", &maildir], b"");
    assert_eq!(json.stdout.lines().count(), 1);
    home.write(".mailrules", "set inbox \"Eingang\"\nfolder \"Eingang\"\n");
    let json = home.run(&["--test", "--misplaced", "--json", &folder], b"");
    let first: Value =
        serde_json::from_str(json.stdout.lines().next().unwrap_or("")).expect("JSON");
    assert_eq!(
        (&first["folder"], &first["steps"][0]["folder"]),
        (&"Lists".into(), &"Eingang".into())
    );
}

#[test]
fn the_second_copy_in_a_mailbox_is_the_duplicate() {
    let home = Home::with_rules("when duplicate -> folder \"Again\"\n");
    let text = "Message-ID: <1@a.example>\nFrom: a@b\n\nx\n";
    assert_eq!(home.deliver(text.as_bytes()).code, Some(0));
    // Many, so that the copies are evaluated at the same time.
    for number in 0..200 {
        let id = number % 100;
        message(&home, &format!("Maildir/cur/{number:03}.z:2,"), 1000 + id, "x");
    }
    let maildir = home.path().join("Maildir").display().to_string();
    for _ in 0..5 {
        let run = home.run(&["--test", "--json", &maildir], b"");
        let again: Vec<usize> = run
            .stdout
            .lines()
            .enumerate()
            .filter(|(_, line)| line.contains("\"folder\":\"Again\""))
            .map(|(at, _)| at)
            .collect();
        // The delivered one is in new, which is walked first.
        assert_eq!(again, (101..201).collect::<Vec<_>>());
    }
    let alone = support::mail(&home.path().join("Maildir"));
    let delivered = alone.iter().find(|mail| mail.sub == "new").expect("is there");
    let file = delivered.path.display().to_string();
    let run = home.run(&["--test", &file], b"");
    assert!(run.stdout.contains("=> folder \"Again\""), "a single one is asked of: {run:?}");
    let run = home.run(&["--test"], text.as_bytes());
    assert!(run.stdout.contains("=> folder \"Again\""), "{run:?}");
}

#[test]
fn trouble_is_reported_skipped_and_counted() {
    let home = mailbox(RULES);
    let maildir = home.path().join("Maildir").display().to_string();
    home.write("Maildir/dovecot-uidlist", "3 V1\n");
    home.write("Maildir/notes.txt", "no message\n");
    home.write("Maildir/cur/no-info", "Subject: x\n\n");
    fs::create_dir(home.path().join("Maildir/cur/dir:2,")).expect("made");
    std::os::unix::fs::symlink("nowhere", home.path().join("Maildir/cur/gone:2,\u{1b}[31m"))
        .expect("made");
    home.write("Maildir/.Closed/cur/1:2,", "Subject: x\n\n");
    let closed = home.path().join("Maildir/.Closed/cur");
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o0)).expect("set");
    let run = home.run(&["--test", "-q", &maildir], b"");
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).expect("set");
    assert_eq!(run.code, Some(1), "{run:?}");
    let root = rustix::process::geteuid().is_root();
    let unread = if root { 3 } else { 4 };
    assert!(run.stdout.contains(&format!("\n      {unread} could not be read\n")), "{run:?}");
    assert!(run.stdout.starts_with(if root { "     14 messages" } else { "     13 messages" }));
    assert_eq!(run.stderr.lines().count(), unread);
    assert!(run.stderr.contains("no-info`: its name lacks `:2,`"), "{run:?}");
    assert!(!run.stderr.contains('\u{1b}'), "{run:?}");
}

#[test]
fn an_mbox_that_is_written_to_is_read_as_it_was() {
    let home = Home::new();
    let one = "From a@b Thu Jan  1 01:02:03 2026\nSubject: x\n\nhello\n\n";
    home.write("box", one.repeat(5000));
    let path = home.path().join("box");
    let mut child = home
        .command(&["--test", "--json", path.to_str().expect("UTF-8")])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("starts");
    let mut out = child.stdout.take().expect("asked for");
    let mut first = [0; 1];
    out.read_exact(&mut first).expect("something is printed");
    // Nobody reads the rest, so the program waits in the middle of the mbox.
    let mut file = fs::OpenOptions::new().append(true).open(&path).expect("opened");
    file.write_all(&one.as_bytes()[..50]).expect("written");
    let mut rest = String::new();
    out.read_to_string(&mut rest).expect("read");
    let mut result = String::new();
    child.stderr.take().expect("asked for").read_to_string(&mut result).expect("read");
    assert_eq!(child.wait().expect("ends").code(), Some(1));
    assert_eq!(rest.lines().count(), 5000);
    assert!(result.ends_with("it is being written to, what was added is not read\n"), "{result}");
}

#[test]
fn messages_that_vanish_or_move_while_it_runs_stop_nothing() {
    let home = Home::with_rules("when body contains \"never\" -> discard\n");
    for number in 0..3000 {
        message(&home, &format!("Maildir/cur/{number:04}.a:2,"), number, "x");
    }
    let maildir = home.path().join("Maildir");
    let child = home
        .command(&["--test", "-q", "--json", maildir.to_str().expect("UTF-8")])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("starts");
    for number in (0..3000).rev() {
        let path = maildir.join(format!("cur/{number:04}.a:2,"));
        if number % 2 == 0 {
            let _ = fs::remove_file(&path);
        } else {
            let _ = fs::rename(&path, maildir.join(format!("cur/{number:04}.a:2,S")));
        }
    }
    let output = child.wait_with_output().expect("ends");
    let summary: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let number = |name: &str| summary["summary"][name].as_u64().unwrap_or(0);
    let result = String::from_utf8_lossy(&output.stderr).lines().count() as u64;
    assert_eq!(number("unread"), result);
    assert!(number("messages") + number("unread") <= 3000);
    assert_eq!(output.status.code(), Some(if result > 0 { 1 } else { 0 }));
}

#[test]
fn inspect_walks_in_the_same_order() {
    let home = mailbox(RULES);
    let maildir = home.path().join("Maildir").display().to_string();
    let run = run(home.command(&["inspect", "--json", &maildir]), b"");
    assert_eq!(run.code, Some(0), "{run:?}");
    let labels: Vec<String> = run
        .stdout
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON")["message"].to_string())
        .collect();
    assert_eq!(labels.len(), 13);
    assert!(labels[0].contains("/new/12.a") && labels[1].contains("/cur/0.a"), "{labels:?}");
}

#[test]
fn a_bar_is_drawn_on_a_terminal_alone() {
    if support::skipped("a terminal", &["/usr/bin/script"], false) {
        return;
    }
    let home = mailbox(RULES);
    let on_terminal = |call: &str, input: &[u8]| {
        let mut command = std::process::Command::new("script");
        let call = call.replace("mfilter", support::MFILTER);
        command.args(["-qec", &call, "/dev/null"]).current_dir(home.path());
        command.env_clear().env("HOME", home.path()).env("PATH", "/usr/bin:/bin");
        command.env("TERM", "xterm").env("SHELL", "/bin/sh");
        run(command, input).stdout
    };
    let bar = "\u{1b}[2K";
    // Standard output goes elsewhere, or is silent during the run.
    assert!(on_terminal("mfilter --test Maildir > out", b"").contains(bar));
    let shown = on_terminal("mfilter --test -q Maildir", b"");
    assert!(shown.contains(bar) && !shown.contains("█ 0 of"), "{shown}");
    assert!(!on_terminal("mfilter --test Maildir", b"").contains(bar));
    assert!(!on_terminal("mfilter --test -q Maildir 2> out", b"").contains(bar));
    assert!(!on_terminal("mfilter < Maildir/new/12.a; echo done", b"").contains(bar));
    let rules = "printf 'list b \"~/b\"\\non moved to \"J\" -> add from to b\\n' > learn";
    let learn = format!("{rules}; mfilter learn --rules learn");
    // Everything is read before there is anything to show, or there is nothing to do.
    let shown = on_terminal(&learn, b"");
    assert!(!shown.contains(bar) && shown.contains("the first run"), "{shown}");
    home.write("empty/cur/x", "");
    fs::remove_file(home.path().join("empty/cur/x")).unwrap();
    let shown = on_terminal("mfilter sort --rules learn --maildir empty", b"");
    assert!(!shown.contains(bar) && shown.contains("0 messages"), "{shown}");
}
