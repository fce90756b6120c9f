//! Programs that read the Maildir itself, set up as `docs/guide/mail-readers.md` says: they
//! find what is delivered, and what they flag, move and delete is understood.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::process::Command;

use rustix::fs::{FlockOperation, fcntl_lock};

use crate::support::{Home, Run, run, skipped};

const GUIDE: &str = include_str!("../../docs/guide/mail-readers.md");

const RULES: &str = r#"set folder-names utf8

list black "black"

on moved to "Junk" -> add from to black

when from in black         -> folder "Junk" as seen
when subject starts "list" -> folder "Lists/東京"
when subject starts "work" -> folder "Work/R&D" as seen flagged "Work"
when subject starts "who"  -> folder "Screener"
"#;

/// The block of the guide in this language.
fn block(language: &str) -> &'static str {
    let (_, rest) = GUIDE.split_once(&format!("```{language}\n")).expect("the guide has it");
    rest.split_once("```").expect("its end").0
}

fn home(rules: &str) -> Home {
    let home = Home::with_rules(rules);
    home.write("black", "");
    for sub in ["new", "cur", "tmp"] {
        fs::create_dir_all(home.path().join("Maildir/.Junk").join(sub)).expect("made");
    }
    home
}

fn deliver(home: &Home, number: usize, subject: &str) -> Run {
    let text = format!(
        "From: s{number}@x.example\nSubject: {subject}\nMessage-ID: <{number}@x.example>\n\
         Date: Thu, 24 Dec 2026 20:00:00 +0900\n\nhi\n"
    );
    home.deliver(text.as_bytes())
}

/// Runs a reader in the home; what it prints.
fn reader(home: &Home, program: &str, arguments: &[&str], input: &str) -> String {
    let mut command = Command::new(program);
    command.args(arguments).env_clear().current_dir(home.path()).env("HOME", home.path());
    command.envs([("PATH", "/usr/bin:/bin"), ("LC_ALL", "C.UTF-8"), ("TERM", "xterm")]);
    let run = run(command, input.as_bytes());
    assert_eq!(run.code, Some(0), "{program} {arguments:?}: {run:?}");
    run.stdout
}

fn mfilter(home: &Home, arguments: &[&str]) -> String {
    let run = home.run(arguments, b"");
    assert_eq!(run.code, Some(0), "{arguments:?}: {run:?}");
    run.stdout
}

/// Folder, directory and flags of each message, by the number in its Message-ID.
fn places(home: &Home) -> BTreeMap<usize, Vec<String>> {
    let mut places: BTreeMap<usize, Vec<String>> = BTreeMap::new();
    for mail in home.mail() {
        let text = mail.text();
        let (_, id) = text.split_once("Message-ID: <").expect("an id");
        let number = id.split('@').next().and_then(|number| number.parse().ok()).expect("a number");
        places
            .entry(number)
            .or_default()
            .push(format!("{}/{} {}", mail.folder, mail.sub, mail.flags));
    }
    places
}

fn black(home: &Home) -> String {
    fs::read_to_string(home.path().join("black")).expect("is there")
}

fn notmuch(home: &Home, arguments: &[&str]) -> Vec<String> {
    let output = reader(home, "/usr/bin/notmuch", arguments, "");
    let mut lines: Vec<String> = output.lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

/// The messages that notmuch finds.
fn found(home: &Home, query: &str) -> Vec<String> {
    notmuch(home, &["search", "--output=messages", "--exclude=false", query])
}

#[test]
fn notmuch_indexes_what_is_delivered_and_keeps_tags_when_it_is_sorted() {
    if skipped("notmuch on a Maildir", &["/usr/bin/notmuch"], false) {
        return;
    }
    let call = GUIDE.lines().find(|line| line.starts_with("run \"notmuch\"")).expect("is there");
    let rules = RULES.replacen("\n\nwhen", &format!("\n\n{call}\n\nwhen"), 1);
    let home = home(&rules);
    home.write(".notmuch-config", block("notmuch-config"));
    for (number, subject) in [(1, "list"), (2, "work"), (3, "hello")] {
        assert_eq!(deliver(&home, number, subject).code, Some(0));
    }
    assert_eq!(found(&home, "folder:\".Lists.東京\""), ["id:1@x.example"]);
    assert_eq!(found(&home, "tag:flagged and not tag:unread"), ["id:2@x.example"]);
    notmuch(&home, &["tag", "+mine", "-unread", "--", "id:1@x.example"]);
    notmuch(&home, &["tag", "+unread", "--", "id:2@x.example"]);
    let there = places(&home);
    assert_eq!(there[&1], [".Lists.東京/cur S"]);
    assert_eq!(there[&2], [".Work.R&D/cur Fa"], "the keyword stays");

    home.write("other", "set folder-names utf8\nwhen subject starts \"list\" -> folder \"新\"\n");
    mfilter(&home, &["sort", "--all", "--rules", &home.path().join("other").display().to_string()]);
    notmuch(&home, &["new"]);
    assert_eq!(found(&home, "tag:mine and folder:\".新\""), ["id:1@x.example"]);
    mfilter(&home, &["sort", "--undo"]);
    notmuch(&home, &["new"]);
    assert_eq!(found(&home, "tag:mine and folder:\".Lists.東京\""), ["id:1@x.example"]);
    assert_eq!(places(&home), there);
}

/// Holds the lock of notmuch's database while the closure runs.
fn while_locked<T>(home: &Home, work: impl FnOnce() -> T) -> T {
    let path = home.path().join("Maildir/.notmuch/xapian/flintlock");
    let lock = File::options().write(true).open(path).expect("a database");
    fcntl_lock(&lock, FlockOperation::LockExclusive).expect("locked");
    work()
}

#[test]
fn a_locked_database_of_notmuch_loses_no_mail() {
    if skipped("notmuch with a locked database", &["/usr/bin/notmuch"], false) {
        return;
    }
    let line = |start: &str| GUIDE.lines().find(|line| line.starts_with(start)).expect("is there");
    let (call, insert) = (line("run \"notmuch\""), line("    -> pipe \"notmuch\""));
    let home = Home::with_rules(&format!(
        "set program-timeout 2s\n\nwhen subject starts \"list\"\n{insert}\n\n{call}\n"
    ));
    home.write(".notmuch-config", block("notmuch-config"));
    assert_eq!(deliver(&home, 1, "hello").code, Some(0));

    let late = while_locked(&home, || deliver(&home, 2, "list"));
    assert_eq!((late.code, places(&home).len()), (Some(75), 1), "{late:?}");
    assert_eq!(deliver(&home, 2, "list").code, Some(0));
    assert_eq!(places(&home)[&2], [".Lists.rust/new "]);
    assert_eq!(found(&home, "tag:rust"), ["id:2@x.example"]);

    let stored = while_locked(&home, || deliver(&home, 3, "hello"));
    assert_eq!((stored.code, &places(&home)[&3]), (Some(0), &vec!["/new ".to_owned()]));
    assert_eq!(deliver(&home, 4, "hello").code, Some(0));
    assert_eq!(found(&home, "subject:hello").len(), 3);
}

#[test]
fn mu_finds_folders_and_flags_and_its_moves_teach() {
    if skipped("mu on a Maildir", &["/usr/bin/mu"], false) {
        return;
    }
    let home = home(RULES);
    deliver(&home, 1, "work");
    mfilter(&home, &["learn"]);
    let maildir = format!("--maildir={}", home.path().join("Maildir").display());
    reader(&home, "/usr/bin/mu", &["init", &maildir], "");
    reader(&home, "/usr/bin/mu", &["index", "--quiet"], "");
    let output = reader(&home, "/usr/bin/mu", &["find", "maildir:\"/.Work.R&D\"", "-f", "i g"], "");
    assert_eq!(output, "1@x.example FS\n");
    let file = home.mail()[0].path.clone();
    reader(
        &home,
        "/usr/bin/mu",
        &["server"],
        "(move :docid 1 :maildir \"/.Junk\" :flags \"-F\" :rename t)\n(quit)\n",
    );
    assert_eq!(places(&home)[&1].len(), 1);
    let moved = home.mail()[0].path.clone();
    assert_ne!(moved.file_name(), file.file_name(), "it has a new name");
    mfilter(&home, &["learn"]);
    assert_eq!(black(&home), "s1@x.example\n");
    let why = mfilter(&home, &["why", "1@x.example"]);
    assert!(why.contains(&moved.display().to_string()), "{why}");
}

#[test]
fn mblaze_finds_folders_and_its_moves_teach() {
    if skipped("mblaze on a Maildir", &["/usr/bin/mrefile"], false) {
        return;
    }
    let home = home(RULES);
    deliver(&home, 1, "list");
    mfilter(&home, &["learn"]);
    let folders = reader(&home, "/usr/bin/mdirs", &["Maildir"], "");
    assert!(folders.contains("/Maildir/.Lists.東京\n"), "{folders}");
    let listed = reader(&home, "/usr/bin/minc", &["Maildir/.Lists.東京"], "");
    let flagged = reader(&home, "/usr/bin/mflag", &["-vF"], &listed);
    assert_eq!(places(&home)[&1], [".Lists.東京/cur F"]);
    reader(&home, "/usr/bin/mrefile", &["Maildir/.Junk"], &flagged);
    assert_eq!(places(&home)[&1], [".Junk/cur F"]);
    mfilter(&home, &["learn"]);
    assert_eq!(black(&home), "s1@x.example\n");
}

#[test]
fn s_nail_finds_folders_and_its_moves_teach() {
    if skipped("s-nail on a Maildir", &["/usr/bin/s-nail"], false) {
        return;
    }
    let home = home(RULES);
    for (number, subject) in [(1, "list"), (2, "work"), (3, "hello")] {
        deliver(&home, number, subject);
    }
    mfilter(&home, &["learn"]);
    // For root it knows only the home in /etc/passwd.
    let settings = block("mailrc").replace('~', &home.path().display().to_string());
    let commands = "file %\nflag 1\nfile +.Lists.東京\nmove 1 +.Junk\nfile +.Work.R&D\n\
                    unflag 1\nfile +.Junk\nheaders\nquit\n";
    let arguments = ["-:/", "-#", "-S", "mailcap-disable", "-X", settings.trim()];
    let output = reader(&home, "/usr/bin/s-nail", &arguments, commands);
    assert!(output.contains("list"), "{output}");
    let there = places(&home);
    assert_eq!(there[&1], [".Junk/cur "]);
    assert_eq!(there[&2], [".Work.R&D/cur S"]);
    assert_eq!(there[&3], ["/cur F"]);
    mfilter(&home, &["learn"]);
    assert_eq!(black(&home), "s1@x.example\n");
}

/// With `maildir_trash`, neomutt only marks what it deletes, and the originals of what it
/// moves, and leaves unread ones in `new`.
#[test]
fn what_neomutt_marks_as_deleted_counts_as_deleted() {
    if skipped("neomutt on a Maildir", &["/usr/bin/neomutt", "/usr/bin/script"], false) {
        return;
    }
    let home = home(RULES);
    deliver(&home, 1, "who");
    deliver(&home, 2, "who");
    mfilter(&home, &["learn"]);
    fs::create_dir_all(home.path().join(".cache/mutt")).expect("made");
    let also = "set maildir_trash=yes mark_old=no quit=yes delete=yes move=no\n\
                set confirmappend=no confirmcreate=no\n";
    home.write("neomuttrc", format!("{}{also}", block("neomuttrc")));
    let keys =
        "<limit>~i 1@<enter><set-flag>N<save-message><kill-line>=.Junk<enter><sync-mailbox><quit>";
    let call = format!("neomutt -F neomuttrc -f Maildir/.Screener -e 'push \"{keys}\"'");
    reader(&home, "/usr/bin/script", &["-qec", &call, "/dev/null"], "");
    let there = places(&home);
    assert_eq!(there[&1], [".Junk/new ", ".Screener/new T"]);
    mfilter(&home, &["learn"]);
    assert_eq!(black(&home), "s1@x.example\n");
    // It would go to Junk a second time.
    mfilter(&home, &["sort", "Screener"]);
    assert_eq!(places(&home), there);
    let waiting = mfilter(&home, &["screener"]);
    assert!(waiting.contains("s2@x.example") && !waiting.contains("s1@x.example"), "{waiting}");
}
