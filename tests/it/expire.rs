//! `expire`: mail that has been there for long is removed, once, and nothing else is.

use std::collections::BTreeMap;
use std::fs;
use std::process::Stdio;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::support::dice::Dice;
use crate::support::{Home, Run, long};

const RULES: &str = "expire \"News\" after 14d unless flagged or keyword is \"$Keep\" -> folder \"Trash\"\n\
                     expire \"Lists\" after 2w even unread -> folder \"Old/Lists\"\n";
/// The name of a file that arrived long ago, by its number.
fn old(number: usize) -> String {
    format!("{}.M{number}P1.mx", 1_000_000_000 + number)
}

fn message(number: usize) -> String {
    format!("From: a@b.example\nSubject: {number}\nMessage-ID: <{number}@b.example>\n\nx\n")
}

fn expire(home: &Home, arguments: &[&str]) -> Run {
    home.run(&[&["expire"], arguments].concat(), b"")
}

/// The place of each message, by its number.
fn places(home: &Home) -> BTreeMap<usize, String> {
    let mail = home.mail();
    let count = mail.len();
    let place = |mail: &crate::support::Mail| {
        let text = mail.text();
        let number = text.lines().find_map(|line| line.strip_prefix("Subject: "));
        let flags = if mail.sub == "cur" { format!(" {}", mail.flags) } else { String::new() };
        (
            number.and_then(|number| number.parse().ok()).expect("a number"),
            format!("{}{flags}", mail.folder),
        )
    };
    let places: BTreeMap<usize, String> = mail.iter().map(place).collect();
    assert_eq!(places.len(), count, "nothing is there twice");
    places
}

fn now() -> u64 {
    std::time::UNIX_EPOCH.elapsed().expect("after 1970").as_secs()
}

/// A home with old mail and new mail.
fn home() -> Home {
    let home = Home::with_rules(RULES);
    let put = |path: String, number: usize| home.write(&format!("Maildir/{path}"), message(number));
    home.write("Maildir/.News/dovecot-keywords", "0 $Keep\n");
    put(format!(".News/cur/{}:2,S", old(1)), 1);
    put(format!(".News/cur/{}:2,RS", old(2)), 2);
    put(format!(".News/cur/{}:2,FS", old(3)), 3);
    put(format!(".News/cur/{}:2,Sa", old(4)), 4);
    put(format!(".News/cur/{}:2,DS", old(5)), 5);
    put(format!(".News/cur/{}:2,", old(6)), 6);
    put(format!(".News/new/{}", old(7)), 7);
    put(format!(".News/cur/{}.M8P1.mx:2,S", now()), 8);
    put(format!(".Lists/new/{}", old(9)), 9);
    put(format!(".Lists/cur/{}:2,F", old(10)), 10);
    put(format!(".Lists/cur/{}.M11P1.mx:2,S", now()), 11);
    put(format!("cur/{}:2,S", old(12)), 12);
    // As mbsync and OfflineIMAP keep unseen mail.
    put(format!(".Lists/new/{}:2,F", old(14)), 14);
    put(format!(".Lists/new/{}:2,D", old(15)), 15);
    // The age that the sender claims does not count.
    let text = message(13).replace("Subject", "Date: Mon, 1 Jan 2001 00:00:00 +0000\nSubject");
    home.write(&format!("Maildir/.News/cur/{}.M13P1.mx:2,S", now()), text);
    home
}

#[test]
fn old_mail_is_removed_and_unread_or_flagged_mail_stays() {
    let home = home();
    let before = places(&home);
    let run = expire(&home, &["--dry-run"]);
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""), "{run:?}");
    assert_eq!(run.stdout.matches("would-go").count(), 3, "{run:?}");
    assert_eq!(places(&home), before);
    assert!(!home.path().join(".local/state/mfilter/sorted").exists());

    let run = expire(&home, &[]);
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""), "{run:?}");
    let mut expected = before.clone();
    expected.insert(1, ".Trash S".into());
    expected.insert(2, ".Trash RS".into());
    expected.insert(9, ".Old.Lists".into());
    assert_eq!(places(&home), expected);
    let log = fs::read_to_string(home.path().join(".local/state/mfilter/log")).expect("a log");
    assert!(log.contains("moved folder=\"Trash\" was=\"News\""), "{log}");
    assert!(log.contains(".mailrules:1\" id=\"<1@b.example>\""), "{log}");
    // Nothing is left for a second run.
    let run = expire(&home, &["--json"]);
    assert_eq!((run.code, run.stdout.as_str()), (Some(0), ""), "{run:?}");
    let why = home.run(&["why", "<1@b.example>"], b"");
    assert!(why.code == Some(0) && why.stdout.contains("Trash"), "{why:?}");

    let run = expire(&home, &["--undo"]);
    assert_eq!(run.code, Some(0), "{run:?}");
    assert_eq!(places(&home), before);
}

#[test]
fn unknown_properties_keep_a_message() {
    let home = Home::with_rules(
        "expire \"News\" after 14d unless keyword is \"$Keep\" -> folder \"Trash\"\n",
    );
    for (number, flags) in [(1, "Sb"), (2, "S"), (3, "S"), (4, "Sa")] {
        home.write(&format!("Maildir/.News/cur/{}:2,{flags}", old(number)), message(number));
    }
    home.write("Maildir/.News/dovecot-keywords", "0 $Keep\n");
    let run = expire(&home, &["--more-than-half", "News"]);
    assert_eq!(run.code, Some(1), "{run:?}");
    assert!(run.stderr.contains("mail in `News` is kept: some of its keywords have no name"));
    let places: Vec<String> = places(&home).into_values().collect();
    assert_eq!(places, [".News Sb", ".Trash S", ".Trash S", ".News Sa"]);
}

#[test]
fn a_folder_is_not_half_emptied_the_first_time_unless_that_is_meant() {
    let home = Home::with_rules("expire \"News\" after 14d -> folder \"Trash\"\n");
    let put = |number: usize| {
        home.write(&format!("Maildir/.News/cur/{}:2,S", old(number)), message(number));
    };
    (1..=3).for_each(put);
    home.write("Maildir/.News/new/5.mx", message(4));
    let before = places(&home);
    let run = expire(&home, &[]);
    assert_eq!(run.code, Some(1), "{run:?}");
    assert!(run.stderr.contains("3 of the 4 messages in `News` would go"), "{run:?}");
    assert_eq!(run.stdout, "      0 messages expired\n", "{run:?}");
    let dry = expire(&home, &["--dry-run"]);
    assert!(dry.stdout.starts_with("News -> Trash  (~/.mailrules:1)  cur/"), "{dry:?}");
    assert!(dry.stdout.contains("3 messages would expire; nothing was changed"), "{dry:?}");
    assert_eq!(places(&home), before);
    assert_eq!(expire(&home, &["--more-than-half"]).code, Some(2), "a folder must be named");
    assert_eq!(expire(&home, &["--more-than-half", "Nes"]).code, Some(2));
    let run = expire(&home, &["--more-than-half", "News"]);
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""), "{run:?}");
    let gone =
        |home: &Home| places(home).values().filter(|place| place.starts_with(".Trash")).count();
    assert_eq!(gone(&home), 3);
    // From then on the folder is known.
    (5..=9).for_each(put);
    let run = expire(&home, &[]);
    assert_eq!((run.code, run.stderr.as_str(), gone(&home)), (Some(0), "", 8), "{run:?}");
}

#[test]
fn mail_is_deleted_only_in_the_trash_or_if_delete_is_written_twice() {
    let home = Home::with_rules(
        "expire \"Trash\" after 1s -> delete\nexpire \"News\" after 1s -> delete\n\
         expire \"Logs\" after 1s -> delete, delete\nexpire \"Junk\" after 1h even unread -> delete\n",
    );
    home.write("Maildir/maildirsize", "1000000S\n600 6\n");
    for (folder, number) in
        [("Trash", 1), ("News", 2), ("Logs", 3), ("Logs", 4), ("Junk", 5), ("Trash", 6)]
    {
        let flags = if matches!(number, 4 | 6) { "FS" } else { "S" };
        let file = format!("{}:2,{flags}", old(number));
        home.write(&format!("Maildir/.{folder}/cur/{file}"), message(number));
    }
    // Junk was put there just now, though it arrived long ago.
    sleep(Duration::from_millis(2100));
    let run = expire(&home, &[]);
    assert_eq!(run.code, Some(1), "{run:?}");
    assert!(run.stderr.contains("nothing is deleted from `News`"), "{run:?}");
    assert_eq!(places(&home).into_keys().collect::<Vec<_>>(), [2, 4, 5, 6]);
    let log = fs::read_to_string(home.path().join(".local/state/mfilter/log")).expect("a log");
    assert!(log.contains("deleted was=\"Logs\"") && log.contains("<3@b.example>"), "{log}");
    let size = fs::read_to_string(home.path().join("Maildir/maildirsize")).expect("there");
    assert_eq!(size.lines().skip(2).count(), 1, "the trash does not count: {size}");
    let check = home.run(&["check"], b"");
    assert!(check.stdout.contains("warning[expire-deletes]"), "{check:?}");
    let undo = expire(&home, &["--undo"]);
    assert!(undo.stderr.contains("no run to undo"), "{undo:?}");
}

/// A clock that has jumped ahead makes everything old.
#[test]
fn nothing_is_deleted_right_after_a_very_long_time_without_runs() {
    let home = Home::with_rules("expire \"Trash\" after 1s -> delete\n");
    home.write(&format!("Maildir/.Trash/cur/{}:2,S", old(1)), message(1));
    for number in 2..4 {
        home.write(&format!("Maildir/.Trash/cur/{}:2,F", old(number)), message(number));
    }
    sleep(Duration::from_millis(2100));
    let runs = ".local/state/mfilter/expire-runs";
    let days = |days: u64| now() - days * 24 * 3600;
    home.write(runs, format!("{} 0\n", days(400)));
    let run = expire(&home, &[]);
    assert_eq!(run.code, Some(1), "{run:?}");
    let why = "nothing is deleted from `Trash` for a day, since mail expired last 400 days ago";
    assert!(run.stderr.contains(why), "{run:?}");
    assert_eq!(places(&home).len(), 3);
    // A day later.
    home.write(runs, format!("{} {}\n", days(400), days(1)));
    let run = expire(&home, &[]);
    assert_eq!((run.code, places(&home).len()), (Some(0), 2), "{run:?}");
    let kept = fs::read_to_string(home.path().join(runs)).expect("there");
    assert!(kept.ends_with(" 0\n"), "{kept}");
}

#[test]
fn a_star_is_all_folders_and_they_count_as_one() {
    let home = Home::with_rules(
        "expire \"*\" after 14d unless keyword is \"$Keep\" -> folder \"Old/Mail\"\n",
    );
    home.write("Maildir/.News/dovecot-keywords", "0 $Keep\n");
    let put = |path: String, number: usize| home.write(&format!("Maildir/{path}"), message(number));
    put(format!(".News/cur/{}:2,S", old(1)), 1);
    put(format!(".News/cur/{}:2,Sa", old(2)), 2);
    put(format!("cur/{}:2,S", old(3)), 3);
    put(format!(".Old.Mail/cur/{}:2,S", old(4)), 4);
    // All of that folder, and with the others less than half.
    put(format!(".Lists/cur/{}:2,S", old(5)), 5);
    (6..=8).for_each(|number| put(format!(".Lists.New/cur/{}.M{number}P1.mx:2,S", now()), number));
    let before = places(&home);
    let run = expire(&home, &["News"]);
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""), "{run:?}");
    assert_eq!(places(&home)[&1], ".Old.Mail S");
    assert_eq!(places(&home)[&3], before[&3]);
    let run = expire(&home, &[]);
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""), "{run:?}");
    let mut expected = before;
    for number in [1, 3, 5] {
        expected.insert(number, ".Old.Mail S".into());
    }
    assert_eq!(places(&home), expected);
    // Of all mail more than half, the first time.
    let home = Home::with_rules("expire \"*\" after 14d -> folder \"Old\"\n");
    for number in 1..=3 {
        home.write(&format!("Maildir/.F{number}/cur/{}:2,S", old(number)), message(number));
    }
    let run = expire(&home, &[]);
    assert_eq!(run.code, Some(1), "{run:?}");
    assert!(run.stderr.contains("3 of the 3 messages in `*` would go"), "{run:?}");
    assert_eq!(expire(&home, &["--more-than-half", "*"]).code, Some(0));
    assert!(places(&home).values().all(|place| place == ".Old S"));
}

#[test]
fn what_expires_teaches_nothing_and_is_in_json() {
    let home = Home::with_rules(
        "list black \"~/black\"\non moved to \"Trash\" -> add from to black\n\
         expire \"News\" after 14d -> folder \"Trash\"\n",
    );
    home.write(&format!("Maildir/.News/cur/{}:2,S", old(1)), message(1));
    home.write("Maildir/.News/new/5.mx", message(2));
    assert_eq!(home.run(&["learn"], b"").code, Some(0));
    let run = expire(&home, &["--json"]);
    let line: serde_json::Value = serde_json::from_str(run.stdout.trim()).expect("one object");
    assert_eq!((&line["was"], &line["folder"]), (&"News".into(), &"Trash".into()));
    assert_eq!((&line["result"], &line["id"]), (&"moved".into(), &"<1@b.example>".into()));
    assert_eq!(home.run(&["learn"], b"").code, Some(0));
    let black = || fs::read_to_string(home.path().join("black")).unwrap_or_default();
    assert_eq!(black(), "");
    // The same move teaches if the user makes it.
    let maildir = home.path().join("Maildir");
    fs::rename(maildir.join(".News/new/5.mx"), maildir.join(".Trash/cur/5.mx:2,")).expect("moved");
    assert_eq!(home.run(&["learn"], b"").code, Some(0));
    assert_eq!(black(), "a@b.example\n");
}

#[test]
fn rules_without_expire_say_so() {
    let run = expire(&Home::with_rules("when spam -> inbox\n"), &[]);
    assert_eq!(run.code, Some(2), "there is no Maildir: {run:?}");
    let home = Home::with_rules("when spam -> inbox\n");
    home.write("Maildir/cur/1.M1P1.mx:2,S", message(1));
    let run = expire(&home, &[]);
    assert_eq!((run.code, run.stdout.as_str()), (Some(0), ""), "{run:?}");
    assert!(run.stderr.contains("there is no `expire` in the rules"), "{run:?}");
}

#[test]
fn a_condition_that_cannot_be_evaluated_keeps_mail() {
    let home = Home::with_rules(
        "list friends \"~/friends\"\nexpire \"News\" after 14d unless from in friends -> folder \"Trash\"\n",
    );
    home.write(&format!("Maildir/.News/cur/{}:2,S", old(1)), message(1));
    home.write("Maildir/.News/new/5.mx", message(2));
    let run = expire(&home, &[]);
    assert!(run.code == Some(1) && run.stderr.contains("is kept"), "{run:?}");
    assert_eq!(places(&home)[&1], ".News S");
    home.write("friends", "a@b.example\n");
    assert_eq!(expire(&home, &[]).code, Some(0));
    assert_eq!(places(&home)[&1], ".News S");
    home.write("friends", "c@b.example\n");
    assert_eq!(expire(&home, &[]).code, Some(0));
    assert_eq!(places(&home)[&1], ".Trash S");
}

#[test]
fn killed_at_random_nothing_is_lost_or_doubled() {
    let count = if long() { 30_000 } else { 3_000 };
    let home = Home::with_rules("expire \"News\" after 14d -> folder \"Trash\"\n");
    for number in 1..=count {
        let at = if number % 3 == 0 { "F" } else { "" };
        home.write(&format!("Maildir/.News/cur/{}:2,{at}S", old(number)), message(number));
    }
    let mut dice = Dice(7);
    let mut kills = 0;
    loop {
        let mut command = home.command(&["expire", "--more-than-half", "News"]);
        let mut child =
            command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
        sleep(Duration::from_millis(dice.roll(120) as u64 + 20 * (kills + 1)));
        if child.try_wait().expect("a child").is_some_and(|status| status.success()) {
            break;
        }
        child.kill().expect("killed");
        child.wait().expect("ended");
        kills += 1;
        assert_eq!(places(&home).len(), count);
    }
    assert!(kills > 0, "the first kill came when all was done");
    let there = places(&home);
    let gone = there.values().filter(|place| *place == ".Trash S").count();
    assert_eq!((there.len(), gone), (count, count - count / 3), "after {kills} kills");
    while !expire(&home, &["--undo"]).stderr.contains("no run to undo") {}
    let back = places(&home);
    assert!(back.len() == count && back.values().all(|place| place.starts_with(".News")));
}

#[test]
fn watch_lets_mail_expire() {
    let home = home();
    let mut command = home.command(&["watch"]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
    let began = Instant::now();
    let gone = || home.path().join(format!("Maildir/.Trash/cur/{}:2,S", old(1))).exists();
    while !gone() && began.elapsed() < Duration::from_secs(60) {
        sleep(Duration::from_millis(50));
    }
    child.kill().expect("killed");
    child.wait().expect("ended");
    assert!(gone(), "{:?}", places(&home));
    assert!(places(&home)[&3].starts_with(".News"));
}

/// A machine without a battery for its clock starts in 1970.
#[test]
fn what_a_wrong_clock_has_dated_is_kept() {
    let home = Home::with_rules("expire \"News\" after 14d -> folder \"Trash\"\n");
    let received = "Received: from x by y; Thu, 1 Jan 1970 00:03:20 +0000\n";
    for (number, name) in [(1, "200.M1P1.mx"), (2, "imported")] {
        let path = format!("Maildir/.News/cur/{name}:2,S");
        home.write(&path, format!("{received}{}", message(number)));
        let file = fs::File::options().append(true).open(home.path().join(path)).expect("there");
        file.set_modified(std::time::UNIX_EPOCH + Duration::from_secs(200)).expect("set");
    }
    let before = places(&home);
    let run = expire(&home, &["News", "--more-than-half"]);
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""), "{run:?}");
    assert_eq!(places(&home), before);
}
