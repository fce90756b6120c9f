//! Conversations: one message is moved, and later messages follow it.

use std::fs;

use crate::support::Home;

fn message(number: usize, more: &str) -> String {
    format!(
        "Received: by mx.example.jp; {number}\nFrom: p{number}@x.example\nTo: taro@example.jp\nSubject: letter {number}\n\
         Message-ID: <{number}@x.example>\n{more}Date: Mon, 1 Jan 2024 00:00:00 +0000\n\nhi\n"
    )
}

/// The folder of a message, and its file.
fn find(home: &Home, number: usize) -> (String, std::path::PathBuf) {
    let id = format!("Message-ID: <{number}@x.example>");
    let mail = home.mail().into_iter().find(|mail| mail.text().contains(&id)).expect("delivered");
    (mail.folder.clone(), mail.path.clone())
}

fn deliver(home: &Home, number: usize, more: &str) -> String {
    let run = home.deliver(message(number, more).as_bytes());
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""), "{run:?}");
    find(home, number).0
}

#[test]
fn later_messages_of_a_moved_thread_follow_it() {
    let home = Home::with_rules(
        "list muted \"~/muted\"\n\
         on moved from \"INBOX\" to \"Muted\" -> add thread to muted\n\
         on moved from \"Muted\" to \"INBOX\" -> remove thread from muted\n\
         when thread in muted -> folder \"Muted\"\n",
    );
    for folder in ["", ".Muted/"] {
        for sub in ["new", "cur", "tmp"] {
            fs::create_dir_all(home.path().join(format!("Maildir/{folder}{sub}"))).expect("made");
        }
    }
    let learn = || {
        let run = home.run(&["learn"], b"");
        assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""), "{run:?}");
    };
    learn();
    assert_eq!(deliver(&home, 1, ""), "");
    assert_eq!(deliver(&home, 2, "In-Reply-To: <1@x.example>\nReferences: <1@x.example>\n"), "");
    let (_, path) = find(&home, 2);
    fs::rename(path, home.path().join("Maildir/.Muted/cur/2.mx:2,S")).expect("moved");
    learn();
    let muted = fs::read_to_string(home.path().join("muted")).expect("learned");
    assert_eq!(muted.lines().count(), 2, "the message and the one it answers: {muted}");
    // An answer to either of them, with and without References.
    assert_eq!(deliver(&home, 3, "In-Reply-To: <2@x.example>\n"), ".Muted");
    assert_eq!(deliver(&home, 4, "References: <1@x.example> <9@y.example>\n"), ".Muted");
    assert_eq!(deliver(&home, 5, "In-Reply-To: <22@x.example>\n"), "");
    let check = home.run(&["check"], b"");
    assert_eq!((check.code, check.stderr.as_str()), (Some(0), ""), "no bad entries: {check:?}");
    // Moved back, the conversation goes to the inbox again.
    fs::rename(
        home.path().join("Maildir/.Muted/cur/2.mx:2,S"),
        home.path().join("Maildir/cur/2.mx:2,S"),
    )
    .expect("moved");
    learn();
    assert_eq!(deliver(&home, 6, "In-Reply-To: <2@x.example>\n"), "");
}

#[test]
fn an_answer_to_mail_that_was_sent_or_kept_is_in_my_thread() {
    let home = Home::with_rules(
        "set trust [\"mx.example.jp\"]\nlist known sent \"Sent\"\nlist seen senders \"Archive\"\n\
         when in-my-thread and verified -> folder \"Mine\"\n\
         when in-my-thread -> folder \"Doubtful\"\n",
    );
    home.write("Maildir/.Sent/cur/1.a:2,S", message(1, ""));
    home.write("Maildir/.Sent/cur/2.a:2,DS", message(2, ""));
    home.write("Maildir/.Archive/cur/3.a:2,S", message(3, ""));
    let answer = |number: usize, to: usize| {
        deliver(&home, number, &format!("In-Reply-To: <{to}@x.example>\n"))
    };
    assert_eq!(answer(10, 1), ".Doubtful");
    assert_eq!(answer(11, 3), ".Doubtful");
    assert_eq!(answer(12, 2), "", "a draft was not sent");
    assert_eq!(answer(13, 77), "");
    assert_eq!(deliver(&home, 14, ""), "", "its own Message-ID is no answer");
    // Known by References alone, and as the list was before.
    home.write("Maildir/.Sent/cur/4.a:2,S", message(4, ""));
    assert_eq!(deliver(&home, 15, "References: <9@y.example>\n <4@x.example>\n"), ".Doubtful");
    let proven = format!(
        "Authentication-Results: mx.example.jp; dmarc=pass header.from=x.example\n\
         Received: from out (out.x.example [192.0.2.1]) by mx.example.jp with ESMTPS id 1; Mon, 1 Jan 2024 00:00:00 +0000\n{}",
        message(16, "In-Reply-To: <4@x.example>\n")
    );
    assert_eq!(home.deliver(proven.as_bytes()).code, Some(0));
    assert_eq!(find(&home, 16).0, ".Mine");
    let learn = home.run(&["learn", "-v"], b"");
    assert_eq!(learn.code, Some(0), "{learn:?}");
    let without = Home::with_rules("when in-my-thread -> folder \"Mine\"\n");
    let test = without.run(&["--test"], message(17, "In-Reply-To: <4@x.example>\n").as_bytes());
    assert!(test.stdout.contains("no folder is known for your own mail"), "{test:?}");
    let check = without.run(&["check"], b"");
    assert!(check.stdout.contains("list known sent \"Sent\""), "{check:?}");
    assert!(!home.run(&["check"], b"").stdout.contains("never-holds"));
}
