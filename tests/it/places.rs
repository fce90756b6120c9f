//! Where the rules and the mail are: rules that disappeared, rules that a group may
//! write, headers after a line that is not a header.

#![allow(clippy::print_stderr, reason = "a skipped test says so")]

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, symlink};

use std::process::Stdio;

use crate::support::{Home, wait_for};
use rustix::fs::{XattrFlags, setxattr};
use rustix::process::{Pid, Signal, kill_process};

const MESSAGE: &[u8] = b"From: a@b.example\nSubject: x\n\nhello\n";

/// The folders that contain mail, `.` for the inbox, each with its subjects.
fn filed(home: &Home) -> Vec<String> {
    let subject = |text: &str| {
        let line = text.lines().find(|line| line.starts_with("Subject:")).map(str::to_owned);
        line.unwrap_or_default()
    };
    let mut filed: Vec<String> = home
        .mail()
        .iter()
        .map(|mail| format!("{} {}", mail.folder, subject(&mail.text())))
        .collect();
    filed.sort();
    filed
}

fn deliver(home: &Home) {
    let run = home.deliver(MESSAGE);
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""), "{run:?}");
}

const MISSING: &str = " Subject: Your mail rules are missing; still using the last valid version";

#[test]
fn removed_rules_stay_in_use_and_the_user_is_notified_each_time() {
    let home = Home::with_rules("folder \"A\"\n");
    let rules = home.path().join(".mailrules");
    deliver(&home);
    fs::remove_file(&rules).expect("removed");
    deliver(&home);
    deliver(&home);
    assert_eq!(filed(&home), [MISSING, ".A Subject: x", ".A Subject: x", ".A Subject: x"]);
    let output = home.mail().into_iter().find(|mail| mail.folder.is_empty()).expect("told");
    assert!(output.text().contains("leave an empty file there"), "{}", output.text());

    let run = home.run(&["sort"], b"");
    assert_eq!(run.code, Some(2), "what has no rules moves nothing: {run:?}");

    // Other rules now, and those disappear too: that is reported again.
    home.write(".mailrules", "folder \"B\"\n");
    deliver(&home);
    fs::remove_file(&rules).expect("removed");
    deliver(&home);
    let filed = filed(&home);
    assert_eq!(filed.iter().filter(|line| *line == MISSING).count(), 2, "{filed:?}");
    assert_eq!(filed.iter().filter(|line| *line == ".B Subject: x").count(), 2, "{filed:?}");

    home.write(".mailrules", "");
    deliver(&home);
    assert!(home.mail().iter().any(|mail| mail.folder.is_empty() && mail.bytes == MESSAGE));
}

/// Where the state could not be written when the rules were edited, an older version would
/// otherwise stay the last valid one.
#[test]
fn the_last_valid_version_is_the_last_one() {
    for script in [false, true] {
        let home = Home::new();
        let write = |folder: &str| match script {
            true => {
                home.write("a.sieve", format!("require \"fileinto\"; fileinto \"{folder}\";\n"))
            }
            false => home.write(".mailrules", format!("folder \"{folder}\"\n")),
        };
        if script {
            home.write(".mailrules", "include sieve \"~/a.sieve\"\n");
        }
        let (state, aside) = (home.path().join(".local/state"), home.path().join(".local/aside"));
        write("A");
        deliver(&home);
        fs::rename(&state, &aside).expect("moved");
        fs::write(&state, "in the way").expect("written");
        write("B");
        deliver(&home);
        fs::remove_file(&state).expect("removed");
        fs::rename(&aside, &state).expect("moved");
        deliver(&home);
        home.write(if script { "a.sieve" } else { ".mailrules" }, "broken");
        deliver(&home);
        let filed = filed(&home);
        let in_b = filed.iter().filter(|line| *line == ".B Subject: x").count();
        assert_eq!((in_b, filed.len()), (3, 5), "{filed:?}");
    }
}

/// Rules that were checked are the last valid ones, although no message has come since.
#[test]
fn rules_that_were_checked_are_the_last_valid_ones() {
    let home = Home::with_rules("folder \"A\"\n");
    deliver(&home);
    home.write(".mailrules", "folder \"B\"\n");
    home.write("other.mailrules", "folder \"C\"\n");
    let other = home.path().join("other.mailrules").display().to_string();
    for arguments in [&["check"][..], &["check", &other]] {
        let check = home.run(arguments, b"");
        assert_eq!(check.code, Some(0), "{check:?}");
    }
    home.write(".mailrules", "broken");
    assert_eq!(home.run(&["check"], b"").code, Some(1));
    deliver(&home);
    let filed = filed(&home);
    assert!(filed.contains(&".B Subject: x".to_owned()), "{filed:?}");
}

#[test]
fn rules_behind_a_link_that_leads_nowhere_are_missing() {
    let home = Home::new();
    home.write("dotfiles/mailrules", "folder \"A\"\n");
    symlink("dotfiles/mailrules", home.path().join(".mailrules")).expect("linked");
    deliver(&home);
    fs::rename(home.path().join("dotfiles"), home.path().join("away")).expect("moved");
    deliver(&home);
    assert_eq!(filed(&home), [MISSING, ".A Subject: x", ".A Subject: x"]);
    let check = home.run(&["check"], b"");
    assert!(check.stderr.contains("a symbolic link to dotfiles/mailrules"), "{check:?}");

    // Without last valid rules all mail goes to the inbox, and that is reported.
    let home = Home::new();
    symlink("nowhere", home.path().join(".mailrules")).expect("linked");
    deliver(&home);
    let inbox = " Subject: Your mail rules are missing; all mail goes to the inbox";
    assert_eq!(filed(&home), [inbox, " Subject: x"]);
}

#[test]
fn a_user_who_never_had_rules_gets_no_notice() {
    let home = Home::new();
    deliver(&home);
    assert_eq!(filed(&home), [" Subject: x"]);
}

#[test]
fn rules_that_only_a_private_group_may_write_are_used() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: only root can give files to other groups");
        return;
    }
    // Group and mode of the file, and whether root, alone in its group, uses it.
    for (gid, mode, used) in [
        (0, 0o664, true),
        (0, 0o660, true),
        (0, 0o666, false),
        (0, 0o662, false),
        (1, 0o664, false),
        (1, 0o644, true),
        (54_321, 0o664, false),
    ] {
        let home = Home::with_rules("folder \"A\"\n");
        let rules = home.path().join(".mailrules");
        chown(&rules, None, Some(gid)).expect("owned");
        fs::set_permissions(&rules, fs::Permissions::from_mode(mode)).expect("set");
        deliver(&home);
        let filed = filed(&home).iter().any(|line| line == ".A Subject: x");
        assert_eq!(filed, used, "group {gid}, mode {mode:o}");
    }
}

#[test]
fn rules_that_an_acl_lets_others_write_are_not_used() {
    let home = Home::with_rules("folder \"A\"\n");
    let rules = home.path().join(".mailrules");
    // Linux's form of an ACL: version 2, then tag, permissions and id of each
    // entry: owner, a user, group, mask, others.
    let mut acl = 2_u32.to_le_bytes().to_vec();
    for (tag, permissions, id) in [
        (1_u16, 6_u16, u32::MAX),
        (2, 6, 12_345),
        (4, 4, u32::MAX),
        (16, 6, u32::MAX),
        (32, 0, u32::MAX),
    ] {
        acl.extend(tag.to_le_bytes());
        acl.extend(permissions.to_le_bytes());
        acl.extend(id.to_le_bytes());
    }
    if let Err(why) = setxattr(&rules, "system.posix_acl_access", &acl, XattrFlags::empty()) {
        eprintln!("skipped: the file system has no ACLs: {why}");
        return;
    }
    deliver(&home);
    assert!(!filed(&home).iter().any(|line| line == ".A Subject: x"));
}

#[test]
fn a_first_line_that_is_not_a_field_hides_no_header() {
    let rules = "when subject is \"sale\" and from is \"a@b.example\" -> folder \"A\"\n\
                 when body contains \"sale\" -> folder \"B\"\n";
    let header = "From: a@b.example\nSubject: sale\n\nhello\n";
    for opening in [
        "From x@y Thu Dec 24 09:00:00 2026\nFrom x@y Thu Dec 24 09:00:00 2026\n",
        ">From x@y Thu Dec 24 09:00:00 2026\n",
        "From x@y Thu Dec 24 09:00:00 2026\n>From x@y Thu Dec 24 09:00:00 2026\n",
        "\u{feff}",
        "garbage\n",
        "\u{0}\u{1}\n",
        "\n",
        "\n\n\u{feff}",
        "First Name: Taro\n",
        ": no name\n",
        " folded\n",
        "x\ny\nz\n",
    ] {
        for crlf in [false, true] {
            let mut message = format!("{opening}{header}");
            if crlf {
                message = message.replace('\n', "\r\n");
            }
            let home = Home::with_rules(rules);
            let run = home.deliver(message.as_bytes());
            assert_eq!(run.code, Some(0), "{run:?}");
            let mail = home.mail();
            assert_eq!((mail.len(), mail[0].folder.as_str()), (1, ".A"), "{opening:?}, {crlf}");
            // It is stored as it came, except for the one line that mbox adds there.
            let came = match opening.strip_prefix("From ") {
                Some(_) => message.split_once('\n').expect("a line").1,
                None => message.as_str(),
            };
            assert_eq!(mail[0].text(), came);
        }
    }
}

#[test]
fn a_field_that_is_added_above_an_empty_line_hides_no_header() {
    let rules = "set-header \"X-Mine\" \"yes\"\nwhen subject is \"sale\" -> folder \"A\"\n";
    for opening in ["\n", "\u{feff}", "garbage\n", ""] {
        let home = Home::with_rules(rules);
        let message = format!("{opening}Subject: sale\n\nhello\n");
        assert_eq!(home.deliver(message.as_bytes()).code, Some(0));
        // What was stored is read again, and looks the same.
        let stored = home.mail().remove(0);
        assert_eq!(stored.folder, ".A");
        let again = home.deliver(&stored.bytes);
        assert_eq!(again.code, Some(0));
        assert_eq!(home.mail().iter().filter(|mail| mail.folder == ".A").count(), 2);
        assert!(stored.text().starts_with("X-Mine: yes\n"), "{}", stored.text());
    }
}

/// Directories with a `new` and a `cur` below `.mail`, each with its messages.
fn stored(home: &Home) -> Vec<String> {
    let root = home.path().join(".mail");
    let mut found = Vec::new();
    let mut left = vec![root.clone()];
    while let Some(directory) = left.pop() {
        for entry in fs::read_dir(&directory).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                continue;
            }
            if matches!(name.as_str(), "new" | "cur") {
                let mail = fs::read_dir(entry.path()).expect("readable").count();
                let folder = directory.strip_prefix(&root).expect("below");
                found.extend((0..mail).map(|_| folder.display().to_string()));
            } else if name != "tmp" {
                left.push(entry.path());
            }
        }
    }
    found.sort();
    found
}

fn subject(subject: &str) -> Vec<u8> {
    format!("From: a@b.example\nSubject: {subject}\nMessage-ID: <{subject}@x>\n\nhello\n").into()
}

const BESIDE: &str = "set maildir \"~/.mail\"\nset layout fs\n";
const RULES: &str = "when subject is \"junk\"  -> folder \"Junk\"\n\
                     when subject is \"below\" -> folder \"inbox/x\"\n\
                     when subject is \"inbox\" -> folder \"INBOX\"\n";

#[test]
fn the_inbox_may_be_a_folder_beside_the_others() {
    for (setting, inbox) in [
        ("set inbox \"INBOX\"\n", "INBOX"),
        ("set inbox \"Posteingang\"\n", "Posteingang"),
        ("set inbox \"Konto/In\"\n", "Konto/In"),
        // What mbsync created is found without settings.
        ("", "INBOX"),
    ] {
        let home = Home::with_rules(&format!("{BESIDE}{setting}{RULES}"));
        if setting.is_empty() {
            for sub in ["new", "cur", "tmp"] {
                fs::create_dir_all(home.path().join(".mail/INBOX").join(sub)).expect("made");
            }
        }
        for name in ["junk", "below", "inbox", "else"] {
            let run = home.deliver(&subject(name));
            assert_eq!(run.code, Some(0), "{run:?}");
        }
        let mut expected = vec!["Junk".to_owned(), format!("{inbox}/x")];
        expected.extend([inbox.to_owned(), inbox.to_owned()]);
        expected.sort();
        assert_eq!(stored(&home), expected, "{setting}");
        let check = home.run(&["check"], b"");
        assert_eq!((check.code, check.stdout.as_str()), (Some(0), ""), "{check:?}");

        // `sort` files the mail of the inbox, and what is below stays.
        let other = String::from_utf8(subject("junk")).expect("ASCII").replace("<junk@", "<other@");
        home.write(&format!(".mail/{inbox}/cur/1.x:2,S"), other);
        let sort = home.run(&["sort"], b"");
        assert_eq!(sort.code, Some(0), "{sort:?}");
        assert_eq!(stored(&home).iter().filter(|folder| *folder == "Junk").count(), 2);
        let again = home.run(&["sort", "--all", "--dry-run"], b"");
        assert!(!again.stdout.contains("INBOX ->"), "{again:?}");
    }
}

#[test]
fn the_maildir_itself_stays_the_inbox_where_it_is_one() {
    let home = Home::with_rules(&format!("{BESIDE}{RULES}"));
    for sub in ["new", "cur", "tmp", "INBOX/new", "INBOX/cur", "INBOX/tmp"] {
        fs::create_dir_all(home.path().join(".mail").join(sub)).expect("made");
    }
    for name in ["below", "else"] {
        assert_eq!(home.deliver(&subject(name)).code, Some(0));
    }
    assert_eq!(stored(&home), ["", "INBOX/x"]);
}

#[test]
fn watch_files_what_comes_into_an_inbox_beside_the_others() {
    let home = Home::with_rules(&format!("{BESIDE}set inbox \"INBOX\"\n{RULES}"));
    let mut watch = home.command(&["watch"]).stdin(Stdio::null()).spawn().expect("it starts");
    home.write(".mail/INBOX/tmp/2.x", subject("junk"));
    fs::create_dir_all(home.path().join(".mail/INBOX/cur")).expect("made");
    home.write(".mail/INBOX/new/1.x", subject("else"));
    fs::rename(home.path().join(".mail/INBOX/tmp/2.x"), home.path().join(".mail/INBOX/new/2.x"))
        .expect("renamed");
    wait_for("the mail being filed", || {
        let filed = stored(&home);
        (filed == ["INBOX", "Junk"]).then_some(())
    });
    kill_process(Pid::from_child(&watch), Signal::TERM).expect("it is ours");
    assert_eq!(watch.wait().expect("it ends").code(), Some(0));
}

fn folders(home: &Home, names: &[&str]) {
    for name in names {
        for sub in ["new", "cur", "tmp"] {
            fs::create_dir_all(home.path().join("Maildir").join(name).join(sub)).expect("made");
        }
    }
}

/// Code and message of each finding of `check`.
fn found(home: &Home) -> Vec<String> {
    let check = home.run(&["check"], b"");
    let heads = check.stdout.lines().filter(|line| line.starts_with(['w', 'e']));
    heads.map(str::to_owned).collect()
}

#[test]
fn check_names_the_existing_folder() {
    let home = Home::with_rules(
        "when subject is \"a\" -> folder \"lists/rust\"\n\
         when subject is \"b\" -> folder \"迷惑ﾒｰﾙ\"\n\
         when subject is \"c\" -> folder \"Newsletter\"\n\
         when subject is \"d\" -> folder \"Work\"\n\
         when subject is \"e\" -> folder \"Lists 2026\"\n",
    );
    assert_eq!(found(&home), Vec::<String>::new(), "there is no Maildir yet");
    assert!(!home.path().join("Maildir").exists(), "and none is made");
    folders(
        &home,
        &["", ".Lists.Rust", ".&j,dg0TDhMPww6w-", ".Newsletters", ".Lists 2025", ".Work"],
    );
    assert_eq!(
        found(&home),
        [
            "warning[folder-on-disk]: `lists/rust` differs by case from `Lists/Rust`, which exists",
            "warning[folder-on-disk]: `迷惑ﾒｰﾙ` differs by width or spelling from `迷惑メール`, which exists",
            "warning[folder-on-disk]: `Newsletter` differs by a letter from `Newsletters`, which exists",
        ]
    );
}

#[test]
fn people_read_paths_below_the_home_with_a_tilde() {
    let home = Home::with_rules("when subject is \"a\" -> starred\n");
    let absolute = home.path().display().to_string();
    for arguments in [&["check"][..], &["state"], &["sort"], &["--test", "/dev/null"]] {
        let run = home.run(arguments, b"Subject: a\n\nx\n");
        let text = run.stdout + &run.stderr;
        assert!(text.contains("~/") && !text.contains(&absolute), "{arguments:?}: {text}");
    }
    let check = home.run(&["check"], b"").stdout;
    assert!(check.contains("--> ~/.mailrules:1:24\n"), "{check}");
    assert!(check.contains("did you mean `mark flagged`?"), "{check}");
    home.write(".mailrules", "when subject is \"a\" -> folder \"A\"\n");
    assert_eq!(home.deliver(b"Subject: a\n\nx\n").code, Some(0));
    let output = [home.run(&["history"], b"").stdout, home.run(&["stats"], b"").stdout];
    for text in output {
        assert!(text.contains("~/.mailrules") && !text.contains(&absolute), "{text}");
    }
    home.write(".mailrules", "when subject is \"a\" -> starred\n");
    assert_eq!(home.deliver(b"Subject: b\n\nx\n").code, Some(0));
    let mail = home.mail();
    let notice = mail.iter().find(|mail| mail.text().contains("The rules in")).expect("a notice");
    let text = notice.text();
    assert!(text.contains("mfilter check ~/.mailrules\n") && !text.contains(&absolute), "{text}");
}

#[test]
fn check_reports_a_folder_in_two_spellings() {
    let home = Home::with_rules("when subject is \"a\" -> folder \"日記\"\n");
    folders(&home, &["", ".日記"]);
    assert_eq!(found(&home), Vec::<String>::new());
    folders(&home, &[".&ZeWKGA-"]);
    let output = |used: &str, other: &str| {
        format!("warning[folder-twice]: `日記` exists in two spellings, `{used}` and `{other}`")
    };
    assert_eq!(found(&home), [output(".&ZeWKGA-", ".日記")]);
    home.write(
        ".mailrules",
        "set layout fs\nset folder-names utf8\nwhen subject is \"a\" -> folder \"日記\"\n",
    );
    folders(&home, &["日記", "&ZeWKGA-"]);
    assert_eq!(found(&home), [output("日記", "&ZeWKGA-")]);
}

#[test]
fn check_knows_a_store_of_the_other_layout() {
    let rule = "when subject is \"a\" -> folder \"Work\"\n";
    for (setting, folder, other) in [
        ("", "Junk", Some("fs")),
        ("", ".Junk", None),
        ("set layout fs\n", ".Junk", Some("maildir++")),
        ("set layout fs\n", "Junk", None),
    ] {
        let home = Home::with_rules(&format!("{setting}{rule}"));
        folders(&home, &["", folder]);
        let expected = other.map(|layout| {
            format!(
                "warning[other-layout]: the Maildir has folders in the {layout} layout (for example `{folder}`)"
            )
        });
        assert_eq!(found(&home), Vec::from_iter(expected), "{setting}{folder}");
        // Both exist: which one is meant cannot be known.
        folders(&home, &["Other", ".Other"]);
        assert_eq!(found(&home), Vec::<String>::new());
    }
}

#[test]
fn folder_names_may_begin_with_what_is_not_on_disk() {
    let message = b"From: a@b.example\nSubject: s\n\nx\n";
    for (setting, folder, lies) in [
        ("", "INBOX/Sale", ".Sale"),
        ("", "inbox/{subject}/x", ".s.x"),
        ("set folder-prefix \"INBOX/\"\n", "INBOX/Sale", ".Sale"),
        ("set folder-prefix \"\"\n", "INBOX/Sale", ".INBOX.Sale"),
        ("set folder-prefix \"\"\n", "INBOX/{subject}", ".INBOX.s"),
        ("set folder-prefix \"\"\n", "INBOX", ""),
        ("set folder-prefix \"Mail/\"\n", "mail/Sale", ".Sale"),
        ("set folder-prefix \"Mail/\"\n", "Mail/Mail/{subject}", ".Mail.s"),
        ("set folder-prefix \"Mail/\"\n", "INBOX/Sale", ".INBOX.Sale"),
        ("set folder-prefix \"Mail/\"\n", "{subject}/Mail", ".s.Mail"),
        ("set layout fs\n", "INBOX/Sale", "INBOX/Sale"),
        ("set layout fs\nset folder-prefix \"INBOX/\"\n", "INBOX/Sale", "Sale"),
    ] {
        let home = Home::with_rules(&format!("{setting}folder \"{folder}\"\n"));
        let run = home.deliver(message);
        assert_eq!(run.code, Some(0), "{run:?}");
        let mail = home.mail();
        assert_eq!(mail[0].folder, lies, "{setting}{folder}");
    }
    // Learned names and names from sent mail are the same.
    let home = Home::with_rules(
        "set folder-prefix \"Mail/\"\nlist known sent \"Mail/Sent\"\nlist a \"~/a\"\n\
         on moved to \"Mail/Junk\" -> add from to a\nfolder \"X\"\n",
    );
    let run = home.run(&["check"], b"");
    assert!(run.stdout.contains("there is no folder `Sent`"), "{run:?}");
    for bad in ["\"INBOX\"", "\"/\"", "\"a//\"", "\"../\"", "fs"] {
        let home = Home::with_rules(&format!("set folder-prefix {bad}\n"));
        let run = home.run(&["check"], b"");
        assert!(run.stdout.contains("folder-prefix` takes what folder names"), "{bad} {run:?}");
    }
}
