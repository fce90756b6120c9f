//! Lists made from mail and address books, and senders who pretend to be in them.

use crate::support::Home;

fn message(from: &str) -> Vec<u8> {
    format!("From: {from}\nTo: taro@example.jp\nSubject: x\nMessage-ID: <1@{from:?}>\n\nx\n")
        .into_bytes()
}

/// The folder that a message goes to.
fn goes(home: &Home, from: &str) -> String {
    let before = home.mail();
    let run = home.deliver(&message(from));
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""), "{run:?}");
    let mut after = home.mail();
    after.retain(|mail| !before.contains(mail));
    assert_eq!(after.len(), 1);
    after.remove(0).folder
}

#[test]
fn the_senders_of_a_folder_are_in_its_list() {
    let home = Home::with_rules(
        "set me [\"taro@example.jp\"]\nlist seen senders \"Archive\"\n\
         when not from in seen -> folder \"Screener\"\n",
    );
    let letter = message("Hanako <Hanako@Example.JP>");
    home.write("Maildir/.Archive/cur/1.a:2,S", letter);
    home.write("Maildir/.Archive/cur/2.a:2,S", message("taro@example.jp"));
    home.write("Maildir/.Archive/new/3.a", message("news@shop.example"));
    assert_eq!(goes(&home, "hanako@example.jp"), "");
    assert_eq!(goes(&home, "news@shop.example"), "");
    assert_eq!(goes(&home, "stranger@example.jp"), ".Screener");
    assert_eq!(goes(&home, "taro@example.jp"), ".Screener", "the user is nobody he knows");
    // A program that writes in place has only created it so far.
    home.write("Maildir/.Archive/cur/4.a:2,S", "");
    assert_eq!(goes(&home, "stranger@example.jp"), ".Screener");
    home.write("Maildir/.Archive/cur/4.a:2,S", message("stranger@example.jp"));
    assert_eq!(goes(&home, "stranger@example.jp"), "");
}

/// A stranger writes to `me+Sent` and to himself, so that he would be known.
#[test]
fn nobody_is_known_by_mail_that_rules_have_filed() {
    let planted = "Received: from evil.example by mx.example.jp; 1\nFrom: evil@evil.example\n\
                   To: taro+Sent@example.jp, evil@evil.example\nMessage-ID: <planted-1@evil.example>\n\nx\n";
    let rules = "list known sent \"Sent\"\nwhen in-my-thread or from in known -> inbox\n";
    let screen = "otherwise -> folder \"Screener\"\n";
    let answer =
        "From: other@evil.example\nIn-Reply-To: <planted-1@evil.example>\nSubject: x\n\nx\n";
    let is_known = |home: &Home| {
        home.deliver(answer.as_bytes());
        let answered = home.mail().iter().any(|mail| {
            mail.folder.is_empty() && mail.text().contains("In-Reply-To: <planted-1@evil.example>")
        });
        (goes(home, "evil@evil.example"), answered)
    };
    let unknown = (String::from(".Screener"), false);

    let home = Home::with_rules(&format!(
        "{rules}when has to.detail -> folder \"{{to.detail}}\"\n{screen}"
    ));
    home.write("Maildir/.Sent/cur/1.a:2,S", "From: taro@example.jp\nTo: b@c.example\n\nx\n");
    home.deliver(planted.as_bytes());
    assert_eq!(home.mail().iter().filter(|mail| mail.folder == "._Sent").count(), 1);
    assert_eq!(is_known(&home), unknown);
    assert_eq!(goes(&home, "b@c.example"), "");

    // The list was declared later than that, or the rule itself names the folder.
    let home = Home::with_rules(&format!("{rules}when has to.detail -> folder \"Sent\"\n{screen}"));
    home.deliver(planted.as_bytes());
    let file = home.mail().remove(0);
    assert_eq!(file.folder, ".Sent");
    assert_eq!(is_known(&home), unknown);
    // A server or a reader names what it keeps there itself.
    home.write("Maildir/.Sent/cur/1767225600.M1P2.mx,S=9:2,S", planted);
    assert_eq!(is_known(&home), (String::new(), true));
    // An old folder of sent mail that was imported.
    let home = Home::with_rules(&format!("{rules}{screen}"));
    let sent = planted.split_once('\n').expect("lines").1;
    let name = file.path.file_name().expect("a name").to_string_lossy().into_owned();
    home.write(&format!("Maildir/.Sent/cur/{name}:2,S"), sent);
    assert_eq!(is_known(&home), (String::new(), true));
    let home = Home::with_rules("list seen senders \"Kept\"\nwhen from in seen -> folder \"S\"\n");
    home.write(&format!("Maildir/.Kept/cur/{name}:2,S"), planted);
    assert_eq!(goes(&home, "evil@evil.example"), ".S", "kept by the user");
}

/// Another program delivers, and `sort` moves what seems to be the user's own.
#[test]
fn nobody_is_known_by_mail_that_sort_has_moved() {
    let home = Home::with_rules(
        "set me [\"taro@example.jp\"]\nlist known sent \"Sent\"\n\
         when from in me -> folder \"Sent\"\nwhen not from in known -> folder \"Screener\"\n",
    );
    let message = |received: &str, to: &str| {
        format!(
            "{received}From: taro@example.jp\nTo: {to}\nSubject: x\nMessage-ID: <1@{to}>\n\nx\n"
        )
    };
    for directory in ["new", "cur", "tmp"] {
        std::fs::create_dir_all(home.path().join("Maildir").join(directory)).unwrap();
    }
    let received = "Received: from evil.example by mx.example.jp; 1\n";
    home.write("Maildir/new/1700000000.M1P1.mx", message(received, "evil@evil.example"));
    home.write("Maildir/new/1700000001.M1P1.mx", message("", "hanako@example.jp"));
    let sorted = home.run(&["sort"], b"");
    assert_eq!(sorted.code, Some(0), "{sorted:?}");
    assert_eq!(home.mail().iter().filter(|mail| mail.folder == ".Sent").count(), 2);
    assert_eq!(goes(&home, "evil@evil.example"), ".Screener");
    assert_eq!(goes(&home, "hanako@example.jp"), "", "a mail reader has put it into the inbox");
}

#[test]
fn known_names_under_new_addresses_are_found() {
    let home = Home::with_rules("list known sent \"Sent\"\nwhen pretender -> folder \"P\"\n");
    let sent =
        "From: taro@example.jp\nTo: \"Hanako  Yamada\" <hanako@example.jp>, b@c.example\n\nx\n";
    home.write("Maildir/.Sent/cur/1.a:2,S", sent);
    assert_eq!(goes(&home, "Hanako Yamada <hanako@evil.example>"), ".P");
    // As the list was before.
    assert_eq!(goes(&home, "\"Yamada, Hanako\" <other@evil.example>"), ".P");
    assert_eq!(goes(&home, "Hanako Yamada <hanako@example.jp>"), "");
    assert_eq!(goes(&home, "Jiro Sato <jiro@evil.example>"), "");
    let folder = home.path().join(".local/state/mfilter/sent-mail");
    let files = std::fs::read_dir(folder).expect("it is kept").flatten();
    let list = files
        .map(|file| file.path())
        .find(|path| path.extension().is_some_and(|end| end == "list"));
    let text = std::fs::read_to_string(list.expect("a list")).expect("readable");
    assert!(text.ends_with("hanako@example.jp  # Hanako Yamada\nb@c.example\n"), "{text}");
}

#[test]
fn a_missing_address_book_is_not_a_reason_to_defer() {
    let home = Home::with_rules(
        "list friends vcard \"~/cards\"\nwhen not from in friends -> folder \"Strangers\"\n",
    );
    assert_eq!(goes(&home, "a@b.example"), "", "it cannot be told, so the rule does not fire");
    home.write("cards/1.vcf", "BEGIN:VCARD\nEMAIL:a@b.example\nEND:VCARD\n");
    assert_eq!(goes(&home, "a@b.example"), "");
    assert_eq!(goes(&home, "c@b.example"), ".Strangers");
    home.write("cards/2.vcf", "BEGIN:VCARD\nEMAIL:c@b.example\nEND:VCARD\n");
    assert_eq!(goes(&home, "c@b.example"), "");
}
