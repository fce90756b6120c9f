//! `folder-exists`: folders that the user has made, and no others.

use std::fs;

use crate::support::Home;

const RULES: &str = "when has extension and folder-exists \"Plus/{extension:lower}\"\n\
                     \x20   -> folder \"Plus/{extension:lower}\"\n";

fn folders(home: &Home) -> Vec<String> {
    let entries = fs::read_dir(home.path().join("Maildir")).expect("it is there");
    let names = entries.map(|entry| entry.expect("readable").file_name().into_string());
    let mut folders: Vec<String> =
        names.map(|name| name.expect("ASCII")).filter(|name| name.starts_with('.')).collect();
    folders.sort();
    folders
}

#[test]
fn a_sender_cannot_create_folders() {
    let home = Home::with_rules(RULES);
    let deliver = |extension: &str| {
        let message = format!("From: a@b.example\nSubject: {extension}\n\nx\n");
        let run = home.run(&["-a", extension], message.as_bytes());
        assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""), "{extension}");
    };
    deliver("books");
    assert_eq!(folders(&home), [""; 0], "the first delivery makes only the inbox");
    fs::create_dir_all(home.path().join("Maildir/.Plus.books/cur")).expect("made");
    for extension in ["books", "Books", "other", "..", "books/x", "../Plus/books", "books.x", ""] {
        deliver(extension);
    }
    assert_eq!(folders(&home), [".Plus.books"]);
    let stored = fs::read_dir(home.path().join("Maildir/.Plus.books/new")).expect("there");
    assert_eq!(stored.count(), 2);
    assert_eq!(home.mail().len(), 9);
}

#[test]
fn a_copy_is_not_there_before_the_delivery_and_is_afterwards() {
    let rules = "when folder-exists \"A\" -> folder \"B\"\ncopy \"A\"\n\
                 when folder-exists \"A\" -> folder \"C\"\n";
    let home = Home::with_rules(rules);
    for made in [&[".A"][..], &[".A", ".B"]] {
        assert_eq!(home.deliver(b"Subject: x\n\nx\n").code, Some(0));
        assert_eq!(folders(&home), made);
    }
}

#[test]
fn the_folders_of_another_store_are_not_known() {
    let rules = "when folder-exists \"A\" or not folder-exists \"A\" -> discard\n\
                 when folder-exists \"INBOX\" -> defer \"4.3.0 only the inbox is known\"\n";
    let home = Home::with_rules(rules);
    fs::create_dir_all(home.path().join("Maildir/.A/cur")).expect("made");
    let call = ["--store", "lmtp:unix:/nowhere", "-d", "taro@x.example"];
    let run = home.run(&call, b"Subject: x\n\nx\n");
    assert_eq!((run.code, run.stderr.as_str()), (Some(75), "4.3.0 only the inbox is known\n"));
}

#[test]
fn old_mail_is_sorted_into_folders_that_exist() {
    let home = Home::with_rules("when folder-exists \"{subject}\" -> folder \"{subject}\"\n");
    fs::create_dir_all(home.path().join("Maildir/.A/cur")).expect("made");
    for (name, subject) in [("1.a", "A"), ("2.a", "B")] {
        home.write(&format!("Maildir/cur/{name}:2,"), format!("Subject: {subject}\n\nx\n"));
    }
    home.write("Maildir/new/.keep", "");
    let run = home.run(&["sort"], b"");
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    assert!(run.stdout.contains("1 INBOX -> A\n"), "{}", run.stdout);
    assert_eq!(folders(&home), [".A"]);
}
