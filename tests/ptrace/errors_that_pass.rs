//! Errors that pass, such as a full disk or too many open files, while a command reads or
//! writes one file: what cannot be read now is not taken for absent and not written anew
//! without what it holds, and what could not be done can be done later.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::strace::{STRACE, cannot_trace};
use crate::support::{Home, MFILTER, Run, run};

/// Runs the program; `inject` happens to calls on this path.
fn with_error(home: &Home, arguments: &[&str], path: &Path, inject: &str, input: &[u8]) -> Run {
    let mut command = Command::new(STRACE);
    command.args(["-f", "-o", "/dev/null", "-P"]).arg(path);
    command.args(["-e", &format!("inject={inject}")]).arg(MFILTER).args(arguments);
    command.env_clear().env("HOME", home.path()).env("TZ", "UTC");
    run(command, input)
}

/// Site rules of which the user has switched one category off, and their file.
fn with_choices(home: &Home) -> (String, PathBuf) {
    let site = "category \"spam\" {\n  when subject is \"x\" -> reject \"5.7.1 no\"\n}\n\
                category \"virus\" {\n  when subject is \"y\" -> folder \"Junk\"\n}\n";
    home.write("site", site);
    home.write(".config/mfilter/isp-filter", "off spam\noff virus\n");
    let path = home.path().join(".config/mfilter/isp-filter");
    (home.path().join("site").display().to_string(), path)
}

const MESSAGE: &[u8] = b"From: a@b.example\nSubject: x\n\nhello\n";

#[test]
fn a_category_that_is_off_refuses_nothing_while_that_cannot_be_read() {
    if cannot_trace("fault injection") {
        return;
    }
    for error in ["openat:error=EMFILE", "openat:error=EIO", "read:error=EIO"] {
        let home = Home::new();
        let (site, choices) = with_choices(&home);
        let deliver = ["--site", &site];
        assert_eq!(home.run(&deliver, MESSAGE).code, Some(0), "off");
        let deferred = with_error(&home, &deliver, &choices, error, MESSAGE);
        assert_eq!(deferred.code, Some(75), "{error}: {deferred:?}");
        assert!(deferred.stderr.contains("isp-filter is not read"), "{deferred:?}");
        assert_eq!(home.run(&deliver, MESSAGE).code, Some(0), "again");

        let command = ["isp-filter", "--site", &site, "virus", "on"];
        let failed = with_error(&home, &command, &choices, error, b"");
        assert_eq!(failed.code, Some(2), "{error}: {failed:?}");
        assert_eq!(fs::read_to_string(&choices).unwrap(), "off spam\noff virus\n");
        assert_eq!(home.run(&command, b"").code, Some(0));
        assert!(fs::read_to_string(&choices).unwrap().contains("off spam"), "{error}");
    }
}

#[test]
fn what_could_not_be_undone_can_be_later() {
    if cannot_trace("fault injection") {
        return;
    }
    for error in ["EROFS", "EDQUOT"] {
        let home = Home::with_rules("when subject is \"x\" -> folder \"X\"\n");
        for name in ["cur/1.a:2,S", "cur/2.a:2,S"] {
            home.write(&format!("Maildir/{name}"), MESSAGE);
        }
        let places = || {
            let mut all: Vec<_> = home.mail().into_iter().map(|mail| mail.folder).collect();
            all.sort();
            all
        };
        assert_eq!(home.run(&["sort"], b"").code, Some(0));
        assert_eq!(places(), [".X", ".X"]);
        let cur = home.path().join("Maildir/cur");
        let inject = format!("renameat2:error={error}");
        let failed = with_error(&home, &["sort", "--undo"], &cur, &inject, b"");
        assert_eq!((failed.code, places()), (Some(1), vec![".X".into(), ".X".into()]));
        assert!(failed.stderr.ends_with("again for the rest\n"), "{failed:?}");
        assert_eq!(home.run(&["sort", "--undo"], b"").code, Some(0), "{error}");
        assert_eq!(places(), ["", ""], "{error}");
    }
}

#[test]
fn what_could_not_be_learned_is_later() {
    if cannot_trace("fault injection") {
        return;
    }
    let log = |home: &Home| fs::read_to_string(home.path().join(".local/state/mfilter/log"));
    for (inject, on_list) in [
        ("rename,renameat,renameat2:error=ENOSPC", true),
        ("openat:error=EMFILE", true),
        ("openat:error=EIO", false),
    ] {
        let home = Home::with_rules(
            "list black \"lists/black\"\n\
             on moved to \"Junk\" -> add from to black, log \"taught\"\n",
        );
        home.write("lists/black", "# mine\n");
        for folder in ["", ".Junk/"] {
            for sub in ["new", "cur", "tmp"] {
                let path = home.path().join(format!("Maildir/{folder}{sub}"));
                fs::create_dir_all(path).expect("made");
            }
        }
        home.write("Maildir/cur/1.a:2,S", MESSAGE);
        assert_eq!(home.run(&["learn"], b"").code, Some(0));
        let path = |name: &str| home.path().join("Maildir").join(name);
        fs::rename(path("cur/1.a:2,S"), path(".Junk/cur/1.a:2,S")).expect("moved");
        let list = home.path().join("lists/black");
        let learning = home.path().join(".local/state/mfilter/learning");
        let names = fs::read_dir(learning).expect("there").flatten().map(|entry| entry.path());
        let mut names = names.filter(|path| path.extension().is_some_and(|end| end == "places"));
        let places = names.next().expect("where messages were");
        let on = if on_list { &list } else { &places };
        let failed = with_error(&home, &["learn"], on, inject, b"");
        assert!(failed.code.is_some_and(|code| code > 0), "{inject}: {failed:?}");
        assert_eq!(fs::read_to_string(&list).unwrap(), "# mine\n", "{inject}");
        assert_eq!(home.run(&["learn"], b"").code, Some(0), "{inject}");
        assert_eq!(fs::read_to_string(&list).unwrap(), "# mine\na@b.example\n", "{inject}");
        let log = log(&home).expect("a log");
        assert_eq!(log.matches("taught").count(), 1, "{inject}: {log}");
    }
}

#[test]
fn what_must_not_be_suggested_is_not_forgotten() {
    if cannot_trace("fault injection") {
        return;
    }
    let home = Home::new();
    let state = home.path().join(".local/state/mfilter");
    home.write(".local/state/mfilter/suggested", "from\ta@b\tX\n");
    home.write(".local/state/mfilter/never-suggest", "from\tc@d\tY\n");
    let never = state.join("never-suggest");
    let call = ["suggest", "--never", "1"];
    let failed = with_error(&home, &call, &never, "openat:error=EMFILE", b"");
    assert_eq!(failed.code, Some(2), "{failed:?}");
    assert_eq!(fs::read_to_string(&never).unwrap(), "from\tc@d\tY\n");
    assert_eq!(home.run(&call, b"").code, Some(0));
    assert_eq!(fs::read_to_string(&never).unwrap(), "from\tc@d\tY\nfrom\ta@b\tX\n");
}

/// What a rule asks about that cannot be read at the moment: sent mail, address books, a
/// time zone. The rules behind it must not decide.
#[test]
fn what_rules_ask_about_is_not_taken_for_absent() {
    if cannot_trace("fault injection") {
        return;
    }
    let card = "BEGIN:VCARD\nVERSION:3.0\nFN:A\nEMAIL:a@b.example\nEND:VCARD\n";
    let sent = "From: me@x.example\nTo: a@b.example\nMessage-ID: <1@x.example>\n\nhi\n";
    let message = b"From: a@b.example\nDate: Wed, 31 Dec 2025 23:00:00 +0000\n\nhello\n";
    let book = "list friends vcard \"~/contacts\"\nwhen from in friends -> inbox";
    for (rule, path, injects) in [
        (
            "list known sent \"Sent\"\nwhen from in known -> inbox",
            "Maildir/.Sent/cur",
            &["openat:error=EMFILE", "statx,newfstatat:error=EIO", "getdents64:error=EIO"][..],
        ),
        (book, "contacts/b/a.vcf", &["openat:error=EMFILE", "read:error=EIO"]),
        (book, "contacts/b", &["openat:error=EMFILE"]),
        (
            "set timezone \"Asia/Tokyo\"\nwhen date >= 2026-01-01 -> inbox",
            "/usr/share/zoneinfo/Asia/Tokyo",
            &["openat:error=EMFILE", "read:error=EIO"],
        ),
    ] {
        for inject in injects {
            let home = Home::with_rules(&format!("{rule}\notherwise -> discard\n"));
            home.write("contacts/a.vcf", "");
            home.write("contacts/b/a.vcf", card);
            home.write("Maildir/.Sent/cur/1.a:2,S", sent);
            let failed = with_error(&home, &[], &home.path().join(path), inject, message);
            assert_eq!(failed.code, Some(75), "{rule}: {inject}: {failed:?}");
            let run = home.deliver(message);
            assert_eq!((run.code, home.mail().len()), (Some(0), 2), "{rule}: {inject}: {run:?}");
        }
    }
}

/// The list of those to whom mail was sent, which is kept, though their mail is not read
/// again.
#[test]
fn people_whose_kept_list_cannot_be_read_are_no_strangers() {
    if cannot_trace("fault injection") {
        return;
    }
    let home = Home::with_rules(
        "list known sent \"Sent\"\nwhen from in known -> inbox\notherwise -> discard\n",
    );
    home.write("Maildir/.Sent/cur/1.a:2,S", "From: me@x.example\nTo: a@b.example\n\nhi\n");
    assert_eq!(home.deliver(MESSAGE).code, Some(0));
    let kept = fs::read_dir(home.path().join(".local/state/mfilter/sent-mail")).expect("there");
    let mut kept = kept.flatten().map(|entry| entry.path());
    let list = kept.find(|path| path.extension().is_some_and(|end| end == "list"));
    let failed = with_error(&home, &[], &list.expect("a list"), "read:error=EIO", MESSAGE);
    assert_eq!((failed.code, home.mail().len()), (Some(75), 2), "{failed:?}");
    assert_eq!((home.deliver(MESSAGE).code, home.mail().len()), (Some(0), 3));
}

/// A list that site rules leave to each user: one that cannot be looked at is not absent.
#[test]
fn a_users_list_of_site_rules_is_not_taken_for_absent() {
    if cannot_trace("fault injection") {
        return;
    }
    let home = Home::new();
    let site = "list friends \"~/friends\"\ncategory \"spam\" {\n  \
                when from in friends -> inbox\n  when subject is \"x\" -> reject \"5.7.1 no\"\n}\n";
    home.write("site", site);
    home.write("friends", "a@b.example\n");
    let site = home.path().join("site").display().to_string();
    let deliver = ["--site", &site];
    let friends = home.path().join("friends");
    for inject in ["statx,stat,newfstatat:error=EIO", "statx,stat,newfstatat:error=ESTALE"] {
        let failed = with_error(&home, &deliver, &friends, inject, MESSAGE);
        assert_eq!(failed.code, Some(75), "{inject}: {failed:?}");
    }
    assert_eq!(home.run(&deliver, MESSAGE).code, Some(0));
}
