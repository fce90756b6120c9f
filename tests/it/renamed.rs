//! Folders that a mail reader renamed: the rules still name the old one.

#![allow(clippy::print_stderr, reason = "a skipped test says so")]

use std::fs;
use std::process::Stdio;

use crate::support::imap::{DOVEADM, Imap, NOBODY, configure, own};
use crate::support::{Home, skipped, wait_for};

const MESSAGE: &[u8] = b"From: a@b.example\nSubject: sale\n\nhello\n";
const NOTE: &str = "`Shop/Sale` was created again, and its earlier mail is in `Shop/Bargains`";
const WARNING: &str =
    "warning[folder-renamed]: the earlier mail of `Shop/Sale` is in `Shop/Bargains`";

fn deliver(home: &Home) {
    let run = home.deliver(MESSAGE);
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""), "{run:?}");
}

/// How many messages are in each folder.
fn folders(home: &Home) -> Vec<(String, usize)> {
    let mut folders: Vec<(String, usize)> = Vec::new();
    for mail in home.mail() {
        match folders.iter_mut().find(|(folder, _)| *folder == mail.folder) {
            Some((_, count)) => *count += 1,
            None => folders.push((mail.folder.clone(), 1)),
        }
    }
    folders.sort();
    folders
}

/// A home in which that many messages were delivered to `Shop/Sale`.
fn home_with(settings: &str, messages: usize) -> Home {
    let home = Home::with_rules(&format!("{settings}folder \"Shop/Sale\"\n"));
    for _ in 0..messages {
        deliver(&home);
    }
    home
}

/// Renames the folder, as IMAP servers do.
fn rename(home: &Home, to: &str) {
    let maildir = home.path().join("Maildir");
    fs::rename(maildir.join(".Shop.Sale"), maildir.join(to)).expect("renamed");
}

fn log(home: &Home) -> String {
    fs::read_to_string(home.path().join(".local/state/mfilter/log")).expect("a log")
}

fn check(home: &Home) -> String {
    home.run(&["check"], b"").stdout
}

#[test]
fn a_renamed_folder_is_reported_before_and_after_it_is_created_again() {
    let home = home_with("", 4);
    assert!(!check(&home).contains("folder-renamed"));
    rename(&home, ".Shop.Bargains");
    let output = check(&home);
    assert!(output.contains(WARNING), "{output}");
    assert!(output.contains("if it was, write `\"Shop/Bargains\"`"), "{output}");
    assert!(!log(&home).contains("created again"));

    deliver(&home);
    assert_eq!(folders(&home), [(".Shop.Bargains".into(), 4), (".Shop.Sale".into(), 1)]);
    assert!(log(&home).contains(NOTE), "{}", log(&home));
    assert!(check(&home).contains(WARNING), "the old one is there again");
    deliver(&home);
    assert_eq!(log(&home).matches("created again").count(), 1, "told once");

    home.write(".mailrules", "folder \"Shop/Bargains\"\n");
    assert!(!check(&home).contains("folder-renamed"));
}

#[test]
fn mail_for_a_renamed_folder_goes_to_the_inbox_where_the_user_says_so() {
    let home = home_with("set remake-folders off\n", 3);
    rename(&home, ".Shop.Bargains");
    // What is predicted is what happens.
    let note = "`Shop/Sale` is gone and its mail is in `Shop/Bargains`, so the inbox";
    let output = home.run(&["--test"], MESSAGE).stdout;
    assert!(output.contains(note), "{output}");
    let path = home.path().join("Maildir/new").display().to_string();
    let output = home.run(&["--test", "--json"], MESSAGE).stdout;
    assert!(output.contains(&format!("\"path\":\"{path}\"")), "{output}");
    deliver(&home);
    assert_eq!(folders(&home), [(String::new(), 1), (".Shop.Bargains".into(), 3)]);
    // Nor does sorting create it again.
    let output = home.run(&["sort", "INBOX"], b"").stdout;
    assert!(output.contains("it was probably renamed"), "{output}");
    assert_eq!(folders(&home), [(String::new(), 1), (".Shop.Bargains".into(), 3)]);
    let log = log(&home);
    assert!(
        log.contains("`Shop/Sale` is gone and its mail is in `Shop/Bargains`, so the inbox"),
        "{log}"
    );
    assert!(check(&home).contains(WARNING));
    // A folder without evidence of a rename is created as usual.
    fs::remove_dir_all(home.path().join("Maildir/.Shop.Bargains")).expect("removed");
    deliver(&home);
    assert_eq!(folders(&home), [(String::new(), 1), (".Shop.Sale".into(), 1)]);
}

/// The inbox stands in for such a folder where mail is filed, and nowhere else.
#[test]
fn the_inbox_does_not_expire_in_place_of_a_renamed_folder() {
    let rules = "set remake-folders off\nset trash \"Shop/Sale\"\n\
                 expire \"Shop/Sale\" after 14d -> folder \"Old\"\n\
                 expire \"Shop/Sale\" after 20d -> delete\n\
                 expire \"Lists\" after 14d -> folder \"Shop/Sale\"\n\
                 expire \"News\" after 14d -> folder \"Junk\"\n";
    let home = home_with(rules, 3);
    rename(&home, ".Shop.Bargains");
    for folder in ["", ".News/", ".Lists/"] {
        for (number, seconds) in
            [1_000_000_000, 2_500_000_000_u64, 2_500_000_000].iter().enumerate()
        {
            let name = format!("Maildir/{folder}cur/{seconds}.M{number}P1.mx:2,S");
            home.write(&name, "Subject: x\n\nx\n");
        }
    }
    let mut command = home.command(&["watch"]);
    let file = fs::File::create(home.path().join("output")).expect("made");
    let mut child = command.stdout(Stdio::null()).stderr(file).spawn().expect("it starts");
    // It is reported after the last of them.
    let why = "line 5: mail in `Lists` is kept: the folder `Shop/Sale` was renamed";
    let output = || fs::read_to_string(home.path().join("output")).unwrap_or_default();
    wait_for("the report", || output().contains(why).then_some(()));
    child.kill().expect("killed");
    child.wait().expect("ended");
    let kept = [("", 3), (".Junk", 1), (".Lists", 3), (".News", 2), (".Shop.Bargains", 3)];
    let kept = kept.map(|(folder, count)| (folder.to_owned(), count));
    assert_eq!(folders(&home), kept);
}

#[test]
fn what_is_thrown_away_or_spread_or_little_is_not_renamed() {
    for (messages, targets) in [
        // Too few to be evidence.
        (2, &[".Shop.Bargains"][..]),
        // Thrown away, with the folder.
        (4, &[".Trash"]),
        (4, &[".Junk"]),
        // Moved back to the inbox.
        (4, &[""]),
        // Sorted by hand.
        (8, &[".Shop.Bargains", ".Work"]),
    ] {
        let home = home_with("", messages);
        let maildir = home.path().join("Maildir");
        for (number, mail) in home.mail().into_iter().enumerate() {
            let target = maildir.join(targets[number % targets.len()]).join("cur");
            fs::create_dir_all(&target).expect("made");
            fs::create_dir_all(target.with_file_name("new")).expect("made");
            let name = mail.path.file_name().expect("a name").to_string_lossy();
            fs::rename(&mail.path, target.join(format!("{name}:2,S"))).expect("moved");
        }
        fs::remove_dir_all(maildir.join(".Shop.Sale")).expect("removed");
        assert!(!check(&home).contains("folder-renamed"), "{targets:?}");
        deliver(&home);
        assert!(!log(&home).contains("created again"), "{targets:?}");
    }
}

#[test]
fn a_maildir_that_was_restored_has_no_renamed_folders() {
    let home = home_with("", 4);
    let maildir = home.path().join("Maildir");
    let old = home.path().join("old");
    fs::rename(&maildir, &old).expect("moved");
    // As restored from a backup: every directory is younger than its mail.
    for mail in crate::support::mail(&old) {
        let path = maildir.join(mail.path.strip_prefix(&old).expect("below"));
        fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        fs::copy(&mail.path, path).expect("copied");
    }
    for sub in ["cur", "new", "tmp"] {
        fs::create_dir_all(maildir.join(".Shop.Sale").join(sub)).expect("made");
    }
    assert!(!check(&home).contains("folder-renamed"), "{}", check(&home));
}

#[test]
fn a_folder_that_dovecot_renames_is_known() {
    if skipped("a folder that Dovecot renames", &[DOVEADM], true) {
        return;
    }
    let home = home_with("set remake-folders off\n", 3);
    configure(&home, "Maildir");
    own(&home, NOBODY);
    let mut imap = Imap::start(&home);
    imap.done("RENAME Shop/Sale Shop/Bargains");
    imap.end();
    own(&home, 0);
    assert!(check(&home).contains(WARNING), "{}", check(&home));
    deliver(&home);
    assert_eq!(folders(&home), [(String::new(), 1), (".Shop.Bargains".into(), 3)]);
}
