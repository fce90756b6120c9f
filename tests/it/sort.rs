//! `mfilter sort`: existing mail moves to where the rules want it, once, whatever happens
//! during the run, and can be moved back.
//!
//! 3,000 messages are sorted under kills; the long form takes 50,000:
//!
//! ```text
//! MFILTER_LONG=1 cargo test --release --test it sort -- --nocapture
//! ```

#![allow(clippy::print_stderr, reason = "what was done is told")]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use crate::support;
use crate::support::dice::Dice;
use crate::support::{Home, Mail, Run, long, mail, skipped};

const RULES: &str = r#"
when subject starts "list" -> folder "Lists/rust"
when subject starts "news" -> folder "News" as seen "$News"
when subject starts "gone" -> discard
when subject starts "both" -> copy "Copies", folder "Lists/rust" as flagged
"#;

fn message(subject: &str, number: usize) -> String {
    format!(
        "From: a@b.example\nSubject: {subject} {number}\nMessage-ID: <{number}@b.example>\n\nx\n"
    )
}

/// Puts a message at `path`, `cur/NAME` say, below the Maildir.
fn put(home: &Home, path: &str, subject: &str, number: usize) {
    home.write(&format!("Maildir/{path}"), message(subject, number));
}

fn sort(home: &Home, arguments: &[&str]) -> Run {
    let arguments: Vec<&str> = ["sort"].iter().chain(arguments).copied().collect();
    home.run(&arguments, b"")
}

/// Sorts without errors; returns the table.
fn sorted(home: &Home, arguments: &[&str]) -> String {
    let run = sort(home, arguments);
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""), "{run:?}");
    run.stdout
}

/// A message that was filed and went on to other rules is in the first folder it was
/// filed in; sorting it changes nothing, and moves back what was moved elsewhere.
#[test]
fn what_is_filed_stays_where_it_was_filed() {
    let home = Home::with_rules(
        "when subject contains \"rust\" -> fileinto \"Rust\" as seen\n\
         when subject contains \"list\" -> fileinto \"Lists\"\n\
         when subject contains \"gone\" -> discard\n",
    );
    for (number, subject) in ["rust list", "rust gone", "other"].iter().enumerate() {
        let run = home.deliver(message(subject, number).as_bytes());
        assert_eq!(run.code, Some(0), "{run:?}");
    }
    let count = |folder: &str| {
        let of = |name| fs::read_dir(home.path().join("Maildir").join(folder).join(name));
        ["new", "cur"].map(|name| of(name).map_or(0, Iterator::count)).iter().sum::<usize>()
    };
    let all = || ["", ".Rust", ".Lists"].map(count);
    assert_eq!(all(), [1, 2, 1]);
    fs::rename(home.path().join("Maildir/.Lists"), home.path().join("copies")).expect("moved");
    sorted(&home, &[]);
    assert_eq!(all(), [1, 2, 0]);
    put(&home, "new/9.mx", "rust list", 9);
    sorted(&home, &[]);
    assert_eq!(all(), [1, 3, 0]);
}

/// By the name that its delivery gave it, else by the topmost Received, else by
/// its file's time; never by the sender's Date, nor by what lies ahead.
#[test]
fn old_mail_is_old_by_when_it_came_here() {
    let home = Home::with_rules("when arrived.age > 30d -> folder \"Old\"\n");
    let now = SystemTime::now();
    let days_ago = |days: u64| now - Duration::from_secs(days * 24 * 3600);
    let seconds =
        |at: SystemTime| at.duration_since(SystemTime::UNIX_EPOCH).expect("since 1970").as_secs();
    let (fresh, old) = (seconds(now), seconds(days_ago(60)));
    let received = "Received: from a by b; Mon, 1 Jan 2024 00:00:00 +0000\n";
    let cases = [
        (format!("{old}.M1P1.mx"), "", 0, true),
        (format!("{old}_2.mx"), "", 0, true),
        (format!("{fresh}.M3P1.mx"), received, 60, false),
        (format!("{fresh}.M4P1.mx"), "Date: Mon, 1 Jan 2001 00:00:00 +0000\n", 60, false),
        (String::from("5.mx"), "", 60, true),
        (String::from("6.mx"), "", 0, false),
        (String::from("7.mx"), received, 0, true),
        (format!("{}.M8P1.mx", fresh + 3 * 24 * 3600), "", 60, true),
        (format!("{old}x9"), "", 0, false),
    ];
    for (number, (name, header, days, is_old)) in cases.into_iter().enumerate() {
        let path = format!("Maildir/cur/{name}:2,");
        home.write(&path, format!("{header}{}", message("x", number)));
        let file = fs::File::options().append(true).open(home.path().join(&path)).expect("opened");
        file.set_modified(days_ago(days)).expect("set");
        drop(file);
        sorted(&home, &[]);
        let moved = home.path().join(format!("Maildir/.Old/cur/{name}:2,"));
        assert_eq!(moved.exists(), is_old, "{name} {header} {days}");
        let _ = fs::remove_file(moved);
        let _ = fs::remove_file(home.path().join(&path));
    }
}

fn files(home: &Home) -> Vec<String> {
    files_of(&home.path().join("Maildir"))
}

fn files_of(maildir: &Path) -> Vec<String> {
    let found = mail(maildir).into_iter();
    let paths = found.map(|mail| mail.path.strip_prefix(maildir).expect("below").to_owned());
    let mut paths: Vec<String> = paths.map(|path| path.to_string_lossy().into_owned()).collect();
    paths.sort();
    paths
}

/// The names without isync's numbers.
fn without_numbers(files: &[String]) -> Vec<String> {
    let mut names: Vec<String> = files
        .iter()
        .map(|file| match file.split_once(",U=") {
            Some((start, rest)) => {
                format!("{start}{}", rest.trim_start_matches(|c: char| c.is_ascii_digit()))
            }
            None => file.clone(),
        })
        .collect();
    names.sort();
    names
}

#[test]
fn mail_moves_where_the_rules_want_it_and_back() {
    for layout in ["maildir++", "fs"] {
        let home = Home::with_rules(&format!("set layout {layout}\n{RULES}"));
        let (rust, news) = match layout {
            "fs" => ("Lists/rust", "News"),
            _ => (".Lists.rust", ".News"),
        };
        home.write("Maildir/dovecot-keywords", "0 $Work\n1 todo\n");
        home.write(&format!("Maildir/{news}/dovecot-keywords"), "0 other\n1 $Work\n");
        put(&home, "new/1.a,S=79", "list", 1);
        put(&home, "cur/2.a,U=7,S=79:2,FS", "list", 2);
        put(&home, "cur/3.a,U=8:2,Ra", "news", 3);
        put(&home, "new/4.a", "news", 4);
        put(&home, "cur/5.a:2,", "gone", 5);
        put(&home, "cur/6.a:2,S", "both", 6);
        put(&home, "cur/7.a:2,Sb", "else", 7);
        let before = files(&home);
        let expected = "      7 messages; nothing was changed
      3 INBOX -> Lists/rust
      2 INBOX -> News
      1 already in the right folder
      1 left alone: what the rules ask for is not done
      1 copy not done: each run would store another
      1 discard not done: existing mail is not removed
";
        let dry = sorted(&home, &["--dry-run"]);
        assert!(dry.ends_with(expected), "{dry}");
        let lines: Vec<&str> = dry.lines().take(5).collect();
        assert_eq!(lines[0], "INBOX -> Lists/rust  (line 3)  new/1.a,S=79  list 1");
        assert_eq!(lines[1], "INBOX -> News as seen \"$News\"  (line 4)  new/4.a  news 4");
        assert_eq!(lines[4], "INBOX -> Lists/rust as flagged  (line 6)  cur/6.a:2,S  both 6");
        assert_eq!(files(&home), before);
        assert!(!home.path().join(".local").exists(), "a dry run leaves nothing");

        let table = sorted(&home, &[]);
        assert_eq!(table, expected.replace("; nothing was changed", ""));
        let mut after = vec![
            format!("{rust}/new/1.a,S=79"),
            format!("{rust}/cur/2.a,S=79:2,FS"),
            format!("{news}/cur/3.a:2,RSbc"),
            format!("{news}/cur/4.a:2,Sc"),
            "cur/5.a:2,".into(),
            format!("{rust}/cur/6.a:2,FS"),
            "cur/7.a:2,Sb".into(),
        ];
        after.sort();
        assert_eq!(files(&home), after);
        let keywords = home.path().join(format!("Maildir/{news}/dovecot-keywords"));
        assert_eq!(fs::read_to_string(keywords).unwrap(), "0 other\n1 $Work\n2 $News\n");
        let log = fs::read_to_string(home.path().join(".local/state/mfilter/log")).unwrap();
        let line = log.lines().find(|line| line.contains("3.a")).unwrap();
        let rule = home.path().join(".mailrules");
        let expected = format!(
            r#"moved folder="News" was="INBOX" file="3.a:2,RSbc" by="sort" rule="{}:4" id="<3@b.example>""#,
            rule.display()
        );
        assert!(line.ends_with(&expected), "{line}");

        let again = sorted(&home, &[]);
        assert!(!again.contains("->"), "{again}");
        let rust_again = sorted(&home, &["Lists/rust", "News"]);
        assert!(rust_again.contains("5 already in the right"), "{rust_again}");
        assert_eq!(files(&home), after);
        let back = sorted(&home, &["--undo"]);
        assert!(back.ends_with("      5 moved back\n"), "{back}");
        assert_eq!(files(&home), without_numbers(&before));
        let none = sort(&home, &["--undo"]);
        assert_eq!(none.stderr, "mfilter: there is no run to undo\n");
        assert_eq!(none.code, Some(1));
    }
}

#[test]
fn undo_goes_back_run_by_run_and_keeps_what_a_reader_did() {
    let home = Home::with_rules("otherwise -> folder \"A\" as seen \"$x\"\n");
    for number in 1..=5 {
        put(&home, &format!("new/{number}.a"), "s", number);
    }
    put(&home, "cur/6.a,S=79:2,FS", "s", 6);
    sorted(&home, &[]);
    home.write(".mailrules", "otherwise -> folder \"B\" as flagged\n");
    sorted(&home, &["A"]);
    let maildir = home.path().join("Maildir");
    let cur = maildir.join(".B/cur");
    let rename = |old: &str, new: &str| fs::rename(cur.join(old), cur.join(new)).unwrap();
    rename("2.a:2,FSa", "2.a:2,FRSa"); // answered
    rename("3.a:2,FSa", "3.a:2,Fa"); // made unread again
    rename("4.a:2,FSa", "4.a,U=12:2,FSa"); // fetched by mbsync
    rename("6.a,S=79:2,FSa", "6.a,a=FS,u=1:2,FSa"); // seen by GNU mail
    fs::remove_file(cur.join("5.a:2,FSa")).unwrap();
    let second = sort(&home, &["--undo"]);
    assert!(
        second.stdout.contains("5 moved back\n      1 moved again or removed since"),
        "{second:?}"
    );
    assert!(second.stderr.contains("5.a:2,FSa` no longer exists"), "{second:?}");
    assert_eq!(second.code, Some(1));
    let expected = ["1.a:2,Sa", "2.a:2,RSa", "3.a:2,a", "4.a:2,Sa", "6.a,a=FS,u=1:2,FSa"]
        .map(|f| format!(".A/cur/{f}"));
    assert_eq!(files(&home), expected);
    let first = sort(&home, &["--undo", "--json"]);
    assert!(first.stdout.contains(r#""result":"gone""#), "{first:?}");
    // The reader's `answered` stays; what the first run added goes.
    let expected = ["cur/2.a:2,R", "cur/3.a:2,", "cur/6.a,a=FS,u=1:2,FS", "new/1.a", "new/4.a"];
    assert_eq!(files(&home), expected);
    assert!(sort(&home, &["--undo"]).stderr.contains("no run to undo"));
}

/// What cannot be taken back is tried once more, and then the run before it is next: what is
/// back already does not count as taken back again.
#[test]
fn undo_does_not_ask_for_ever_to_be_run_again() {
    let home = Home::with_rules("otherwise -> inbox as seen\n");
    put(&home, "new/1.a", "s", 1);
    put(&home, "cur/2.a:2,F", "s", 2);
    sorted(&home, &[]);
    let cur = home.path().join("Maildir/cur");
    fs::rename(cur.join("2.a:2,FS"), cur.join("2.a:2,FRS")).unwrap(); // answered
    put(&home, "new/1.a", "another of this name", 3);
    for (back, again) in [("1 moved back", true), ("1 there already", false)] {
        let run = sort(&home, &["--undo"]);
        assert!(
            run.stdout.contains(back) && run.stdout.contains("1 could not be undone"),
            "{run:?}"
        );
        assert!(run.stderr.contains("new/1.a"), "{run:?}");
        assert_eq!(run.stderr.contains("again for the rest"), again, "{run:?}");
    }
    assert_eq!(files(&home), ["cur/1.a:2,S", "cur/2.a:2,FR", "new/1.a"]);
    assert!(sort(&home, &["--undo"]).stderr.contains("no run to undo"));
}

#[test]
fn what_cannot_be_read_is_reported_and_stops_nothing() {
    let home = Home::with_rules(RULES);
    put(&home, "cur/1.a:2,", "list", 1);
    put(&home, "cur/no-info", "list", 2);
    put(&home, "new/3.a", "list", 3);
    fs::create_dir(home.path().join("Maildir/cur/directory:2,")).unwrap();
    symlink("1.a:2,", home.path().join("Maildir/cur/link:2,S")).unwrap();
    symlink("nowhere", home.path().join("Maildir/new/dangling")).unwrap();
    let odd = std::ffi::OsStr::from_bytes(b"Maildir/cur/9.\xff:2,");
    fs::write(home.path().join(odd), message("list", 9)).unwrap();
    put(&home, "cur/5.a:2,", "list", 5);
    put(&home, ".Lists.rust/cur/5.a:2,", "something else", 5);
    home.write("Maildir/cur/empty:2,", "");
    home.write("Maildir/cur/nonsense:2,", [0xff; 3000]);
    home.write("Maildir/cur/.hidden", "x");
    let run = sort(&home, &["INBOX", "None/such", "inbox"]);
    assert_eq!(run.code, Some(1), "{run:?}");
    for answer in [
        "cur/no-info`: its name lacks `:2,`",
        "cur/directory:2,`: it is not a regular file",
        "cur/link:2,S`: it is a symbolic link",
        "new/dangling`: it is a symbolic link",
        "its name is not UTF-8",
        ".Lists.rust/cur/5.a:2,`",
        ".None.such`",
    ] {
        assert!(run.stderr.contains(answer), "{answer}: {}", run.stderr);
    }
    assert_eq!(run.stderr.lines().count(), 7, "{}", run.stderr);
    assert!(run.stdout.contains("2 INBOX -> Lists/rust\n"), "{run:?}");
    assert!(run.stdout.contains("7 failed, see above"), "{run:?}");
    let rust = mail(&home.path().join("Maildir/.Lists.rust"));
    assert_eq!(rust.len(), 3);
    assert!(home.path().join("Maildir/cur/5.a:2,").exists());
    assert!(home.path().join("Maildir/cur/no-info").exists());
}

#[test]
fn what_is_judged_without_certainty_stays() {
    let home = Home::with_rules(
        "list odd \"~/odd\"\nwhen from in odd -> inbox\notherwise -> folder \"A\"\n",
    );
    put(&home, "cur/1.a:2,", "x", 1);
    // A delivery would skip that rule, as if it did not exist.
    symlink("odd", home.path().join("odd")).unwrap();
    let run = sort(&home, &[]);
    assert_eq!(run.code, Some(1), "{run:?}");
    assert!(run.stderr.contains("cannot judge `") && run.stderr.contains("/odd"), "{run:?}");
    assert_eq!(files(&home), ["cur/1.a:2,"]);
    fs::remove_file(home.path().join("odd")).unwrap();
    home.write("odd", "@b.example\n");
    assert!(sorted(&home, &[]).contains("1 already in the right"));
}

#[test]
fn rules_with_a_mistake_move_nothing() {
    let home =
        Home::with_rules("when subjct is \"x\" -> folder \"A\"\notherwise -> folder \"B\"\n");
    put(&home, "cur/1.a:2,", "x", 1);
    let run = sort(&home, &[]);
    assert_eq!(run.code, Some(1));
    assert!(run.stdout.contains("there is no field `subjct`"), "{run:?}");
    assert_eq!(files(&home), ["cur/1.a:2,"]);
    fs::remove_file(home.path().join(".mailrules")).unwrap();
    let none = sort(&home, &[]);
    assert_eq!((none.code, none.stdout.as_str()), (Some(2), ""));
    assert!(none.stderr.contains(".mailrules"), "{none:?}");
    let nowhere = Home::with_rules(RULES);
    let run = sort(&nowhere, &[]);
    assert_eq!((run.code, nowhere.path().join("Maildir").exists()), (Some(2), false), "{run:?}");
}

#[test]
fn all_folders_are_sorted_with_care() {
    let home = Home::with_rules(
        "when subject is \"x 1\" -> folder \"A\"\nwhen subject contains \"dup\" and duplicate -> discard\nwhen subject contains \"in\" -> inbox\nwhen subject is \"z 8\" -> folder \"Z\"\n",
    );
    put(&home, ".Sent/cur/1.a:2,S", "x", 1);
    put(&home, ".Sent/cur/2.a:2,S", "y", 2);
    put(&home, ".Drafts/cur/3.a:2,D", "x", 1);
    put(&home, ".B/cur/4.a:2,", "in", 4);
    let other = message("x", 1).replace("<1@", "<51@");
    home.write("Maildir/.Old.2/cur/5.a:2,", other);
    put(&home, "new/6.a", "dup", 6);
    put(&home, ".Z/cur/7.a:2,", "x", 7);
    put(&home, ".B/cur/8.a:2,", "z", 8);
    put(&home, ".B/cur/9.a:2,D", "x", 1);
    let run = sort(&home, &["--all", "--except", "Old/3"]);
    assert_eq!(run.code, Some(2), "{run:?}");
    let table = sorted(&home, &["--all", "--except", "Old/2"]);
    for row in [
        "      5 messages\n",
        "1 B -> INBOX",
        "1 B -> Z",
        "1 left alone: no rule",
        "1 left alone: marked as draft",
    ] {
        assert!(table.contains(row), "{row}: {table}");
    }
    let expected = [
        ".B/cur/9.a:2,D",
        ".Drafts/cur/3.a:2,D",
        ".Old.2/cur/5.a:2,",
        ".Sent/cur/1.a:2,S",
        ".Sent/cur/2.a:2,S",
        ".Z/cur/7.a:2,",
        ".Z/cur/8.a:2,",
        "cur/4.a:2,",
        "new/6.a",
    ];
    assert_eq!(files(&home), expected);
    // A named folder is sorted, whatever it is for; mail that no rule takes stays there.
    let table = sorted(&home, &["Sent", "Old/2"]);
    assert!(table.contains("1 Sent -> A") && table.contains("1 Old/2 -> A"), "{table}");
    assert!(table.contains("1 left alone: no rule"), "{table}");
}

#[test]
fn one_object_a_message_for_programs() {
    let home = Home::with_rules(RULES);
    put(&home, "cur/1.a:2,S", "list", 1);
    put(&home, "cur/2.a:2,", "gone", 2);
    let run = sorted(&home, &["--json"]);
    let lines: Vec<serde_json::Value> =
        run.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2);
    let by_result = |result: &str| lines.iter().find(|line| line["result"] == result).unwrap();
    let [moved, stays] = ["moved", "stays"].map(by_result);
    assert_eq!((&moved["was"], &moved["folder"]), (&"INBOX".into(), &"Lists/rust".into()));
    assert_eq!((&moved["subject"], &moved["id"]), (&"list 1".into(), &"<1@b.example>".into()));
    assert_eq!(moved["rule"]["line"], 2);
    assert!(moved["path"].as_str().unwrap().ends_with("/.Lists.rust/cur/1.a:2,S"));
    assert_eq!(
        (&stays["result"], &stays["skipped"][0]["action"]),
        (&"stays".into(), &"discard".into())
    );
}

#[test]
fn a_path_that_is_not_utf_8_is_shown_to_programs_too() {
    let home = Home::with_rules(RULES);
    put(&home, "cur/1.a:2,S", "list", 1);
    let odd = home.path().join(std::ffi::OsStr::from_bytes(b"Mail\xff"));
    fs::rename(home.path().join("Maildir"), &odd).unwrap();
    let mut command = Command::new(support::MFILTER);
    command.args(["sort", "--json", "--dry-run", "--maildir"]).arg(&odd);
    command.env("HOME", home.path());
    let run = support::run(command, b"");
    let line: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    assert!(line["message"].as_str().unwrap().contains("/Mail\u{fffd}/"), "{line}");
    // Moves are recorded as text, so nothing is moved there.
    let mut command = Command::new(support::MFILTER);
    command.arg("sort").arg("--maildir").arg(&odd);
    command.env("HOME", home.path());
    let run = support::run(command, b"");
    assert!(run.code == Some(1) && run.stderr.contains("invalid UTF-8"), "{run:?}");
    assert!(odd.join("cur/1.a:2,S").exists());
}

/// A Maildir of many messages of all sorts; and the sort of each, by its number.
fn many(home: &Home, count: usize) {
    let mut dice = Dice(7);
    home.write("Maildir/dovecot-keywords", "0 $Work\n1 todo\n");
    home.write("Maildir/.News/dovecot-keywords", "0 $News\n1 todo\n");
    fs::create_dir_all(home.path().join("Maildir/new")).unwrap();
    fs::create_dir_all(home.path().join("Maildir/cur")).unwrap();
    for number in 0..count {
        let subject = ["list", "news", "gone", "both", "else"][dice.roll(5)];
        let flags = ["", "S", "FS", "RSa", "ab"][dice.roll(5)];
        let path = match dice.roll(4) {
            0 => format!("new/{number}.a"),
            1 => format!("cur/{number}.a,U={}:2,{flags}", number + 1),
            _ => format!("cur/{number}.a:2,{flags}"),
        };
        let path = home.path().join("Maildir").join(path);
        fs::write(path, message(subject, number)).unwrap();
    }
}

fn count() -> usize {
    if long() { 50_000 } else { 3_000 }
}

/// The messages by their number; fails if one is there twice.
fn by_number(maildir: &Path) -> BTreeMap<usize, Mail> {
    let mut found = BTreeMap::new();
    for mail in mail(maildir) {
        let number = number(&mail);
        let path = mail.path.clone();
        if let Some(other) = found.insert(number, mail) {
            panic!("twice: {} and {}", path.display(), other.path.display());
        }
    }
    found
}

fn number(mail: &Mail) -> usize {
    let text = mail.text();
    let subject = text.lines().find_map(|line| line.strip_prefix("Subject: ")).expect("one");
    subject.rsplit(' ').next().and_then(|number| number.parse().ok()).expect("a number")
}

/// The keywords of a message by name, sorted.
fn keywords(mail: &Mail) -> Vec<String> {
    let folder = mail.path.parent().and_then(Path::parent).expect("a folder");
    let text = fs::read_to_string(folder.join("dovecot-keywords")).unwrap_or_default();
    let known: BTreeMap<usize, &str> = text
        .lines()
        .filter_map(|line| line.split_once(' '))
        .filter_map(|(number, keyword)| Some((number.parse().ok()?, keyword)))
        .collect();
    let letters = mail.flags.bytes().filter(u8::is_ascii_lowercase);
    let mut names: Vec<String> = letters
        .map(|letter| known.get(&usize::from(letter - b'a')).expect("a known letter").to_string())
        .collect();
    names.sort();
    names
}

fn capitals(mail: &Mail) -> String {
    mail.flags.chars().filter(char::is_ascii_uppercase).collect()
}

/// Checks that all messages are where they should be, with all flags that they had and
/// those that the rules add.
fn check(before: &BTreeMap<usize, Mail>, after: &BTreeMap<usize, Mail>, far: &str) {
    assert_eq!(before.len(), after.len());
    for (number, was) in before {
        let is = after.get(number).unwrap_or_else(|| panic!("lost: {number}"));
        assert_eq!(was.bytes, is.bytes, "{number}");
        let text = was.text();
        let (folder, add) = match text.split("Subject: ").nth(1).and_then(|s| s.get(..4)) {
            Some("list") => (far, ""),
            Some("news") => (".News", "S"),
            Some("both") => (far, "F"),
            _ => ("", ""),
        };
        assert_eq!(is.folder, folder, "{number}");
        let mut flags: Vec<char> = capitals(was).chars().chain(add.chars()).collect();
        flags.sort_unstable();
        flags.dedup();
        assert_eq!(capitals(is), flags.iter().collect::<String>(), "{number}");
        let mut expected = keywords(was);
        if folder == ".News" {
            expected.push("$News".into());
            expected.sort();
        }
        assert_eq!(keywords(is), expected, "{number}: {}", is.path.display());
        let numbered = is.path.to_string_lossy().contains(",U=");
        assert_eq!(numbered, folder.is_empty() && was.path.to_string_lossy().contains(",U="));
        assert_eq!(is.sub == "new", was.sub == "new" && flags.is_empty() && folder != ".News");
    }
}

/// Runs `sort` until it finishes, killing it a moment after it has begun to move.
fn killed_until_done(home: &Home, dice: &mut Dice) -> usize {
    let journals = home.path().join(".local/state/mfilter/sorted");
    let count = || fs::read_dir(&journals).map_or(0, Iterator::count);
    for kills in 0.. {
        let before = count();
        let mut command = home.command(&["sort"]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        while count() == before && child.try_wait().expect("a child").is_none() {
            std::thread::sleep(Duration::from_millis(1));
        }
        // So that it finishes eventually.
        let longest = 40_000 * (kills + 20) / 20;
        std::thread::sleep(Duration::from_micros(dice.roll(longest) as u64));
        let _ = child.kill();
        let output = child.wait_with_output().expect("it ends");
        match output.status.code() {
            Some(0) => return kills,
            None => {}
            Some(code) => panic!("{code}: {}", String::from_utf8_lossy(&output.stderr)),
        }
    }
    unreachable!("the loop has no end")
}

/// Undoes all runs, which are killed on the way.
fn undone_under_kills(home: &Home, dice: &mut Dice) -> (usize, usize) {
    let (mut runs, mut kills) = (0, 0);
    loop {
        let mut child = home
            .command(&["sort", "--undo"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        std::thread::sleep(Duration::from_millis(dice.roll(120) as u64 * (8 + kills as u64) / 8));
        let _ = child.kill();
        let output = child.wait_with_output().expect("it ends");
        let stderr = String::from_utf8_lossy(&output.stderr);
        match output.status.code() {
            None => kills += 1,
            Some(0) => runs += 1,
            Some(1) if stderr.contains("no run to undo") => return (runs, kills),
            Some(code) => panic!("{code}: {stderr}"),
        }
    }
}

#[test]
fn killed_at_random_nothing_is_lost_doubled_or_not_taken_back() {
    let home = Home::with_rules(RULES);
    many(&home, count());
    let maildir = home.path().join("Maildir");
    let (before, names) = (by_number(&maildir), files(&home));
    let mut dice = Dice(11);
    let kills = killed_until_done(&home, &mut dice);
    check(&before, &by_number(&maildir), ".Lists.rust");
    let (runs, killed) = undone_under_kills(&home, &mut dice);
    assert_eq!(without_numbers(&files(&home)), without_numbers(&names));
    let left = support::left_in_tmp(&maildir);
    assert!(left.is_empty(), "{left:?}");
    eprintln!("{} messages sorted, {kills} kills; {runs} runs taken back, {killed} kills", count());
}

/// A file system in memory, unmounted at the end.
struct Disk(PathBuf);

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_folder_on_another_file_system_is_a_folder_like_others() {
    if skipped("the test of folders on another file system", &[], true) {
        return;
    }
    let rules = RULES.replace("Lists/rust", "Far");
    let home = Home::with_rules(&rules);
    many(&home, count() / 5);
    let maildir = home.path().join("Maildir");
    let far = maildir.join(".Far");
    fs::create_dir_all(&far).unwrap();
    let mounted =
        Command::new("mount").args(["-t", "tmpfs", "-o", "mode=700", "tmpfs"]).arg(&far).output();
    if !mounted.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: the test of folders on another file system cannot mount one");
        return;
    }
    let _disk = Disk(far.clone());
    let then = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    for mail in mail(&maildir) {
        let file = fs::File::options().append(true).open(&mail.path).unwrap();
        file.set_modified(then).unwrap();
        fs::set_permissions(&mail.path, fs::Permissions::from_mode(0o640)).unwrap();
    }
    let (before, names) = (by_number(&maildir), files(&home));
    let mut dice = Dice(13);
    let kills = killed_until_done(&home, &mut dice);
    let after = by_number(&maildir);
    check(&before, &after, ".Far");
    for mail in after.values() {
        let about = fs::metadata(&mail.path).unwrap();
        assert_eq!(about.modified().unwrap(), then, "INTERNALDATE");
        assert_eq!(about.permissions().mode() & 0o777, 0o640);
    }
    let (runs, killed) = undone_under_kills(&home, &mut dice);
    assert_eq!(without_numbers(&files(&home)), without_numbers(&names));
    eprintln!("{} messages, {kills} kills; {runs} runs taken back, {killed} kills", before.len());
}

#[test]
fn a_reader_that_renames_meanwhile_loses_nothing() {
    let home = Home::with_rules(RULES);
    many(&home, count());
    let maildir = home.path().join("Maildir");
    let before = by_number(&maildir);
    let (done, renamed) = (AtomicBool::new(false), AtomicUsize::new(0));
    // Moves new mail to `cur`, answers and marks it as a reader does, in all folders.
    let reader = |seed| {
        let mut dice = Dice(seed);
        while !done.load(Ordering::Relaxed) {
            for folder in ["", ".Lists.rust", ".News"] {
                for sub in ["new", "cur"] {
                    let directory = maildir.join(folder).join(sub);
                    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
                        if dice.roll(20) != 0 || done.load(Ordering::Relaxed) {
                            continue;
                        }
                        let name = entry.file_name().into_string().unwrap();
                        let (base, flags) = name.split_once(":2,").unwrap_or((&name, ""));
                        let mut flags: Vec<char> = flags.chars().chain(['P']).collect();
                        flags.sort_unstable();
                        flags.dedup();
                        let flags: String = flags.into_iter().collect();
                        let new =
                            maildir.join(folder).join("cur").join(format!("{base}:2,{flags}"));
                        if fs::rename(entry.path(), new).is_ok() {
                            renamed.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                }
            }
        }
    };
    std::thread::scope(|scope| {
        let reader = &reader;
        let readers: Vec<_> = (1..3).map(|seed| scope.spawn(move || reader(seed))).collect();
        let first = sort(&home, &[]);
        done.store(true, Ordering::Relaxed);
        readers.into_iter().for_each(|reader| reader.join().expect("no panic"));
        assert_eq!(first.code, Some(0), "{first:?}");
    });
    let between = by_number(&maildir);
    assert_eq!(between.len(), before.len());
    let last = sort(&home, &[]);
    assert_eq!(last.code, Some(0), "{last:?}");
    let mut after = by_number(&maildir);
    for (number, mail) in &mut after {
        let marked = mail.flags.contains('P');
        assert_eq!(marked, between[number].flags.contains('P'), "{number}");
        if marked {
            mail.flags.retain(|flag| flag != 'P');
            // It is in `cur` because the reader moved it there.
            mail.sub.clone_from(&before[number].sub);
            if mail.sub == "new" && (!capitals(mail).is_empty() || mail.folder == ".News") {
                mail.sub = "cur".into();
            }
        }
    }
    check(&before, &after, ".Lists.rust");
    eprintln!("{} renames by the readers", renamed.load(Ordering::Relaxed));
}

#[test]
fn a_signal_ends_it_between_messages() {
    let home = Home::with_rules(RULES);
    many(&home, 3_000);
    let before = by_number(&home.path().join("Maildir"));
    let mut interrupted = 0;
    for _ in 0..20 {
        let child = home
            .command(&["sort"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        std::thread::sleep(Duration::from_millis(60));
        let pid = rustix::process::Pid::from_child(&child);
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        let output = child.wait_with_output().expect("it ends");
        let (out, err) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        match output.status.code() {
            Some(0) => break,
            // Before it handles signals.
            None => {}
            Some(1) => {
                // It may have been the first one.
                let has_table = out.contains(" messages\n") || out.contains("1 message\n");
                assert!(has_table && err.contains("interrupted"), "{out}{err}");
                interrupted += 1;
            }
            code => panic!("{code:?} {out} {err}"),
        }
    }
    assert!(interrupted > 0);
    sorted(&home, &[]);
    check(&before, &by_number(&home.path().join("Maildir")), ".Lists.rust");
}

#[test]
fn two_do_not_run_in_one_maildir() {
    let home = Home::with_rules(RULES);
    many(&home, 1_000);
    let before = by_number(&home.path().join("Maildir"));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let run = sort(&home, &[]);
                assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""), "{run:?}");
            });
        }
    });
    check(&before, &by_number(&home.path().join("Maildir")), ".Lists.rust");
}

#[test]
fn mbsync_takes_what_was_sorted_to_the_server_and_what_was_taken_back() {
    const MBSYNC: &str = "/usr/bin/mbsync";
    if skipped("the test with a real mbsync", &[MBSYNC], false) {
        return;
    }
    for patterns in ["*", "INBOX"] {
        let home =
            Home::with_rules("when subject starts \"list\" -> folder \"Lists\" as flagged\n");
        for number in 1..=6 {
            let subject = if number % 2 == 0 { "else" } else { "list" };
            home.write(&format!("Far/INBOX/new/{number}.a"), message(subject, number));
        }
        home.write("Far/Lists/cur/9.a:2,S", message("old", 9));
        for directory in [
            "Far/INBOX/cur",
            "Far/INBOX/tmp",
            "Far/Lists/new",
            "Far/Lists/tmp",
            "Maildir/cur",
            "Maildir/new",
            "Maildir/tmp",
        ] {
            fs::create_dir_all(home.path().join(directory)).unwrap();
        }
        let path = home.path().display();
        home.write(
            "mbsyncrc",
            format!(
                "MaildirStore far\nPath {path}/Far/\nInbox {path}/Far/INBOX\nSubFolders Verbatim\n\n\
                 MaildirStore near\nInbox {path}/Maildir\nSubFolders Maildir++\n\n\
                 Channel c\nFar :far:\nNear :near:\nPatterns {patterns}\nCreate Both\nExpunge Both\nSyncState *\n"
            ),
        );
        let mbsync = || {
            let mut command = Command::new(MBSYNC);
            command.arg("-c").arg(home.path().join("mbsyncrc")).arg("c").env("HOME", home.path());
            let output = command.output().expect("mbsync runs");
            assert!(output.status.success(), "{output:?}");
        };
        let far = |folder: &str| {
            let mut numbers: Vec<usize> =
                mail(&home.path().join("Far").join(folder)).iter().map(number).collect();
            numbers.sort_unstable();
            numbers
        };
        mbsync();
        assert!(files(&home).iter().filter(|file| file.contains(",U=")).count() >= 6);
        sorted(&home, &[]);
        mbsync();
        assert_eq!(far("INBOX"), [2, 4, 6]);
        if patterns == "*" {
            assert_eq!(far("Lists"), [1, 3, 5, 9]);
            let flagged = mail(&home.path().join("Far/Lists"));
            assert_eq!(flagged.iter().filter(|mail| mail.flags.contains('F')).count(), 3);
        }
        sorted(&home, &["--undo"]);
        mbsync();
        mbsync();
        assert_eq!((far("INBOX"), far("Lists")), (vec![1, 2, 3, 4, 5, 6], vec![9]));
        assert_eq!(
            by_number(&home.path().join("Maildir")).len(),
            if patterns == "*" { 7 } else { 6 }
        );
    }
}
