//! Conditions on what has happened so far: flags and keywords, how the last `filter`
//! ended, and in which folder a stored message is.

use std::fs;

use crate::support::Home;

const MESSAGE: &[u8] =
    b"From: a@b.example\nSubject: x\nMessage-ID: <1@b.example>\nDate: Mon, 02 Nov 2026 09:00:00 +0900\n\nx\n";

fn folders(home: &Home) -> Vec<String> {
    let mail = home.mail();
    let paths = mail.iter().map(|mail| mail.path.strip_prefix(home.path()).expect("inside"));
    let mut names: Vec<String> = paths.map(|path| path.display().to_string()).collect();
    names.sort();
    names
}

#[test]
fn a_failed_filter_can_defer() {
    let home = Home::with_rules(
        "filter \"/bin/false\"\nwhen filter-failed -> defer \"4.3.0 scanner away\"\n",
    );
    let run = home.deliver(MESSAGE);
    assert_eq!(run.code, Some(75), "{run:?}");
    assert!(run.stderr.contains("scanner away"), "{run:?}");
    assert_eq!(home.mail().len(), 0);
    // Rules that do not ask get the message unchanged.
    home.write(".mailrules", "filter \"/bin/false\"\nfolder \"A\"\n");
    assert_eq!(home.deliver(MESSAGE).code, Some(0));
    assert_eq!(home.mail().len(), 1);
    home.write(
        ".mailrules",
        "filter \"/bin/false\"\nfilter \"/bin/cat\"\nwhen filter-failed -> defer \"4.3.0 x\"\n",
    );
    assert_eq!(home.deliver(MESSAGE).code, Some(0), "the last one counts");
}

#[test]
fn what_is_marked_is_asked_for_in_a_delivery() {
    let home = Home::with_rules(
        "mark seen \"Work\"\nwhen seen and keyword is \"work\" and not has in-folder -> folder \"Yes\"\n",
    );
    assert_eq!(home.deliver(MESSAGE).code, Some(0));
    let there = folders(&home);
    assert!(there.len() == 1 && there[0].contains(".Yes/cur/"), "{there:?}");
}

#[test]
fn existing_mail_has_its_flags_and_its_folder() {
    let home = Home::with_rules(
        "when in-folder is \"INBOX\" and seen and flagged -> folder \"Read\"\n\
         when in-folder is \"Lists/rust\" and not seen -> folder \"New\"\n\
         when keyword is \"work\" -> folder \"Work\"\n\
         when has in-folder -> mark passed, inbox\notherwise -> folder \"Never\"\n",
    );
    home.write("Maildir/dovecot-keywords", "0 Work\n");
    for folder in ["new", "tmp", ".Lists.rust/new", ".Lists.rust/tmp"] {
        fs::create_dir_all(home.path().join("Maildir").join(folder)).expect("made");
    }
    let put = |name: &str, id: u32| {
        let text = String::from_utf8_lossy(MESSAGE).replace("<1@", &format!("<{id}@"));
        home.write(&format!("Maildir/{name}"), text);
    };
    put("cur/1.a.b:2,FS", 1);
    put("cur/2.a.b:2,S", 2);
    put(".Lists.rust/cur/3.a.b:2,", 3);
    put(".Lists.rust/cur/4.a.b:2,S", 4);
    put("cur/5.a.b:2,a", 5);
    let run = home.run(&["sort", "--all"], b"");
    assert_eq!(run.code, Some(0), "{run:?}");
    let there = folders(&home);
    for expected in [
        "Maildir/.Read/cur/1.",
        "Maildir/cur/2.",
        "Maildir/.New/cur/3.",
        "Maildir/cur/4.",
        "Maildir/.Work/cur/5.",
    ] {
        assert!(there.iter().any(|path| path.starts_with(expected)), "{expected}: {there:?}");
    }
    // The folder in which it was then, according to the log.
    let why = home.run(&["why", "<3@b.example>"], b"").stdout;
    assert!(why.contains("in-folder is \"Lists/rust\": \"Lists/rust\""), "{why}");
}
