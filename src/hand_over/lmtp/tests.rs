use std::time::{Duration, Instant};

use super::testing::{Behaviour, TestStore};
use crate::flags::Flags;
use crate::hand_over::address::{LmtpAddress, StoreAddress, StorePlace};
use crate::hand_over::testing::TestNotes;
use crate::hand_over::{CopyToStore, HandOver, HandOverError, MailStore};
use crate::message::{HeaderEdit, Message};
use crate::plan::Folder;

const NO_EDITS: &[HeaderEdit] = &[];

fn folder(name: &str) -> Folder {
    let parts = name.split('/').filter(|part| !part.is_empty());
    Folder { parts: parts.map(str::to_owned).collect() }
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

/// Two copies of a message to folders A and B; returns which are stored.
fn hand_over(
    store: &MailStore,
    sender: &str,
    text: &str,
    deadline: Instant,
) -> (Vec<usize>, Result<Option<String>, HandOverError>) {
    let message = Message::from_bytes(text.as_bytes().to_vec());
    let (a, b, flags) = (folder("A"), folder("B"), Flags::default());
    let copy =
        |id, folder| CopyToStore { id, folder, flags: &flags, message: &message, edits: &[] };
    let copies = [copy("0a", &a), copy("0b", &b)];
    let mut notes = TestNotes::default();
    let all = HandOver { mailbox: "hana@x.example", sender, copies: &copies, subscribe: true };
    let done = store.stage(&all, deadline).and_then(|mut staged| {
        staged.commit(&mut notes)?;
        Ok(staged.notes().pop())
    });
    (notes.stored, done)
}

fn with(answer: fn(&str, usize) -> Option<String>) -> TestStore {
    TestStore::start(Behaviour { answer, ..Behaviour::default() })
}

#[test]
fn copies_of_one_content_are_one_transaction() {
    let server = TestStore::start(Behaviour::default());
    let message = Message::from_bytes("Subject: a\n\n.b\nあ\n".as_bytes().to_vec());
    let edits = [HeaderEdit::Add { name: "X-One".into(), value: "1".into() }];
    let flags = Flags { letters: "FS".into(), keywords: vec!["$W".into()] };
    let (a, inbox, japanese) = (folder("A"), folder(""), folder("迷惑"));
    let copy =
        |id, folder, edits| CopyToStore { id, folder, flags: &flags, message: &message, edits };
    let copies = [
        copy("01", &a, NO_EDITS),
        copy("02", &inbox, &edits[..]),
        copy("03", &japanese, NO_EDITS),
        copy("04", &inbox, NO_EDITS),
    ];
    let mut notes = TestNotes::default();
    let (mailbox, sender) = ("hana@x.example", "a b@y.example");
    let all = HandOver { mailbox, sender, copies: &copies, subscribe: true };
    let mut staged = server.store.stage(&all, soon()).unwrap();
    assert!(server.transactions().is_empty(), "nothing is handed over yet");
    staged.commit(&mut notes).unwrap();
    assert_eq!((notes.stored, staged.notes()), (vec![0, 3, 1, 2], vec![]));
    let transactions = server.transactions();
    let recipients: Vec<Vec<&str>> = transactions
        .iter()
        .map(|transaction| transaction.recipients.iter().map(String::as_str).collect())
        .collect();
    assert_eq!(
        recipients,
        [
            vec![
                "RCPT TO:<\"hana+mf:01:FS:$W:A\"@x.example>",
                "RCPT TO:<\"hana+mf:04:FS:$W:\"@x.example>"
            ],
            vec!["RCPT TO:<\"hana+mf:02:FS:$W:\"@x.example>"],
            vec!["RCPT TO:<\"hana+mf:03:FS::=\"@x.example>"],
        ]
    );
    for (number, before) in ["", "X-One: 1\r\n", "X-Mfilter-03: =?"].into_iter().enumerate() {
        let transaction = &transactions[number];
        assert_eq!(transaction.mail, "MAIL FROM:<\"a b\"@y.example> BODY=8BITMIME");
        assert!(transaction.content.starts_with(before), "{}", transaction.content);
        assert!(
            transaction.content.ends_with("Subject: a\r\n\r\n..b\r\nあ\r\n"),
            "{}",
            transaction.content
        );
    }
}

/// Wherever the store breaks off, a copy counts only if the store confirmed it, and the
/// store accepts none that it did not get whole.
#[test]
fn a_store_that_disconnects_at_any_byte_costs_a_deferral() {
    let whole = TestStore::start(Behaviour::default());
    assert_eq!(hand_over(&whole.store, "", "a\n\nb\n", soon()), (vec![0, 1], Ok(None)));
    let mut ends = Vec::new();
    for says in 0..220 {
        let server = TestStore::start(Behaviour { says, ..Behaviour::default() });
        let (stored, done) = hand_over(&server.store, "", "a\n\nb\n", soon());
        match done {
            Ok(_) => assert_eq!(stored, [0, 1], "{says}"),
            Err(HandOverError::Away(_) | HandOverError::Broken(_)) => assert!(stored.len() < 2),
            Err(other) => panic!("{says}: {other}"),
        }
        for transaction in server.transactions() {
            assert_eq!(transaction, whole.transactions()[0], "{says}");
        }
        ends.push(stored.len());
    }
    assert!(ends.is_sorted() && ends.contains(&1) && ends.contains(&2), "{ends:?}");
}

#[test]
fn a_store_that_stalls_at_any_step_costs_a_bounded_time() {
    // In the greeting, the offers, the answers to MAIL, RCPT, DATA and the dot.
    for stalls in [0, 3, 20, 70, 90, 105, 120, 128, 140] {
        let server = TestStore::start(Behaviour { stalls, ..Behaviour::default() });
        let deadline = Instant::now() + Duration::from_millis(150);
        let (stored, done) = hand_over(&server.store, "", "a\n\nb\n", deadline);
        let why = done.expect_err("no answer").to_string();
        assert!(stored.len() < 2 && why.ends_with("it takes too long"), "{stalls}: {why}");
    }
}

/// The store reads nothing, so a large message cannot be sent.
#[test]
fn a_store_that_does_not_read_costs_a_bounded_time() {
    let server = with(|command, _| {
        (command == "DATA").then(|| {
            std::thread::sleep(Duration::from_millis(50));
            String::from("354 go\r\n")
        })
    });
    let text = "x\n".repeat(4 << 20);
    let deadline = Instant::now() + Duration::from_millis(1);
    assert!(hand_over(&server.store, "", &text, deadline).1.is_err());
}

#[test]
fn what_is_not_a_reply_or_has_no_end_is_an_error() {
    let failure = |answer: fn(&str, usize) -> Option<String>| {
        let (stored, done) = hand_over(&with(answer).store, "", "a\n\nb\n", soon());
        (stored, done.expect_err("it is no reply").to_string())
    };
    for answer in [
        (|command: &str, _| command.starts_with("RCPT").then(|| "250\tOK\r\n".into()))
            as fn(&str, usize) -> _,
        |command, _| command.starts_with("MAIL").then(|| "hello\r\n".into()),
        |command, _| command.starts_with("MAIL").then(|| "099 x\r\n".into()),
        |command, _| command.starts_with("MAIL").then(|| "250-x\r\n251 y\r\n".into()),
        |command, _| command.starts_with("MAIL").then(|| "250-x\r\n".repeat(20_000)),
        |command, _| command.starts_with("MAIL").then(|| "x".repeat(200_000)),
        |command, _| command.starts_with("DATA").then(|| "250 OK\r\n".into()),
    ] {
        let (stored, why) = failure(answer);
        assert!(stored.is_empty() && why.starts_with("it broke off: "), "{why}");
    }
    let (_, why) = failure(|command, _| (command == "greeting").then(|| "SSH-2.0\r\n".into()));
    assert_eq!(why, "it is not there: it said `SSH-2.0`, which is not an LMTP reply");
    let (_, why) =
        failure(|command, _| (command == "greeting").then(|| "421 4.3.2 full\r\n".into()));
    assert_eq!(why, "it is not there: it greets with `421 4.3.2 full`");
}

/// Replies that come before the dot are not an answer to it.
#[test]
fn a_yes_that_nobody_asked_for_stores_nothing() {
    for early in [
        (|command: &str, _| {
            command
                .starts_with("DATA")
                .then(|| "354 go\r\n250 2.0.0 Saved\r\n250 2.0.0 Saved\r\n".into())
        }) as fn(&str, usize) -> _,
        |command, number| {
            (command.starts_with("RCPT") && number == 1)
                .then(|| "250 OK\r\n250 2.0.0 Saved\r\n".into())
        },
    ] {
        let server = with(early);
        let (stored, done) = hand_over(&server.store, "", "a\n\nb\n", soon());
        assert!(stored.is_empty() && done.is_err(), "{done:?}");
        assert!(server.transactions().is_empty());
    }
}

#[test]
fn what_is_refused_says_why_and_what_was_stored_before_counts() {
    let server = with(|command, number| {
        (command == "." && number == 1)
            .then(|| "452-4.2.2 Mailbox\r\n452 4.2.2 is full\u{1b}\r\n".into())
    });
    let (stored, done) = hand_over(&server.store, "", "a\n\nb\n", soon());
    let Err(HandOverError::Refused(reply)) = done else { panic!("{done:?}") };
    assert_eq!((stored, reply.is_full, reply.status.as_str()), (vec![0], true, "4.2.2"));
    assert_eq!(reply.text, "452 4.2.2 Mailbox 4.2.2 is full");

    let server = with(|command, number| {
        (command.starts_with("RCPT") && number == 1).then(|| "550 5.1.1 No such user\r\n".into())
    });
    let (stored, done) = hand_over(&server.store, "", "a\n\nb\n", soon());
    assert_eq!(done.unwrap_err().to_string(), "it says: 550 5.1.1 No such user");
    assert!(stored.is_empty() && server.transactions().is_empty(), "all or none");
}

#[test]
fn a_sender_is_not_a_reason_to_withhold_mail() {
    let server = with(|command, _| {
        (command.starts_with("MAIL") && !command.contains("<>")).then(|| "501 5.5.4 no\r\n".into())
    });
    let (stored, done) = hand_over(&server.store, "a..b@y.example", "a\n\nb\n", soon());
    let note = done.unwrap().unwrap();
    assert!(stored.len() == 2 && note.contains("no sender `a..b@y.example`"), "{note}");
    assert_eq!(server.transactions()[0].mail, "MAIL FROM:<>");
    // Beyond ASCII, where that is not offered; and one that would say more.
    let server = TestStore::start(Behaviour::default());
    for sender in ["花@y.example", "a@y.example> SIZE=1", "a@y.example＞\u{3000}SIZE=1"] {
        let (stored, done) = hand_over(&server.store, sender, "a\n\nb\n", soon());
        assert!(stored.len() == 2 && done.unwrap().unwrap().contains("no sender"), "{sender}");
    }
    assert!(server.transactions().iter().all(|transaction| transaction.mail == "MAIL FROM:<>"));
    let offers = "PIPELINING,SMTPUTF8,SIZE";
    let server = TestStore::start(Behaviour { offers, ..Behaviour::default() });
    assert_eq!(hand_over(&server.store, "花@y.example", "a\n\nb\n", soon()).1, Ok(None));
    assert_eq!(server.transactions()[0].mail, "MAIL FROM:<花@y.example> SMTPUTF8 SIZE=8");
}

/// A client may write a domain in Unicode (RFC 6531), and a store know only the other form.
#[test]
fn a_domain_is_in_ascii_where_the_store_takes_nothing_else() {
    let message = Message::from_bytes(b"a\n\nb\n".to_vec());
    let (folder, flags) = (folder(""), Flags::default());
    let copies =
        [CopyToStore { id: "0a", folder: &folder, flags: &flags, message: &message, edits: &[] }];
    let (mailbox, sender) = ("hana@日本語.jp", "taro@例え.jp");
    let all = HandOver { mailbox, sender, copies: &copies, subscribe: true };
    for (offers, mail, to) in [
        (
            "PIPELINING",
            "MAIL FROM:<taro@xn--r8jz45g.jp>",
            "RCPT TO:<\"hana+mf:0a:::\"@xn--wgv71a119e.jp>",
        ),
        ("SMTPUTF8", "MAIL FROM:<taro@例え.jp> SMTPUTF8", "RCPT TO:<\"hana+mf:0a:::\"@日本語.jp>"),
    ] {
        let server = TestStore::start(Behaviour { offers, ..Behaviour::default() });
        let mut staged = server.store.stage(&all, soon()).map_err(|why| why.to_string()).unwrap();
        staged.commit(&mut TestNotes::default()).unwrap();
        assert_eq!(staged.notes(), Vec::<String>::new());
        let taken = &server.transactions()[0];
        assert_eq!((taken.mail.as_str(), taken.recipients.concat().as_str()), (mail, to));
    }
}

#[test]
fn a_mailbox_says_nothing_else() {
    let server = TestStore::start(Behaviour::default());
    let mailbox = "\"a\"@b\"> NOTIFY=\"";
    let all = HandOver { mailbox, sender: "", copies: &[], subscribe: true };
    let why = server.store.stage(&all, soon()).err().map(|why| why.to_string());
    assert_eq!(why.as_deref(), Some("it takes no address like `a@b\"> NOTIFY=\"`"));
}

#[test]
fn a_store_without_pipelining_gets_one_command_at_a_time() {
    let server = TestStore::start(Behaviour { offers: "SIZE 20", ..Behaviour::default() });
    assert_eq!(hand_over(&server.store, "", "a\n\nb\n", soon()), (vec![0, 1], Ok(None)));
    let done = hand_over(&server.store, "", "a\n\nthis is too long\n", soon()).1;
    assert_eq!(done, Err(HandOverError::TooLarge { size: 23, limit: 20 }));
    assert_eq!(server.transactions().len(), 1);
}

/// RFC 1870 §5: dots that are doubled do not count.
#[test]
fn a_message_is_not_too_large_because_of_its_dots() {
    let server = TestStore::start(Behaviour { offers: "SIZE 21", ..Behaviour::default() });
    let text = "a\n\n.\n.\n.\n.b\n.\n";
    assert_eq!(hand_over(&server.store, "", text, soon()), (vec![0, 1], Ok(None)));
    assert_eq!(server.transactions()[0].mail, "MAIL FROM:<> SIZE=21");
}

#[test]
fn a_store_that_is_away_is_not_tried_each_time() {
    let home = tempfile::tempdir().unwrap();
    let address = format!("lmtp:unix:{}/none", home.path().display());
    let store = MailStore::new(StoreAddress::Lmtp(address.parse().unwrap()));
    let whys: Vec<String> = (0..4)
        .map(|_| hand_over(&store, "", "a\n\nb\n", soon()).1.unwrap_err().to_string())
        .collect();
    assert!(whys[..3].iter().all(|why| why.ends_with("No such file or directory")), "{whys:?}");
    assert!(whys[3].contains("3 tries failed, the next one is in"), "{whys:?}");
}

/// A filter has used up the time of three deliveries.
#[test]
fn a_store_that_is_given_no_time_is_not_away() {
    let server = TestStore::start(Behaviour::default());
    for _ in 0..3 {
        let (stored, done) = hand_over(&server.store, "", "a\n\nb\n", Instant::now());
        let why = done.unwrap_err().to_string();
        assert!(stored.is_empty() && why.ends_with("it takes too long"), "{why}");
    }
    assert_eq!(hand_over(&server.store, "", "a\n\nb\n", soon()), (vec![0, 1], Ok(None)));
}

#[test]
fn a_store_that_refuses_is_there() {
    let server = with(|command, _| command.starts_with("RCPT").then(|| "552 full\r\n".into()));
    let StoreAddress::Lmtp(address) = server.store.address().clone() else { panic!("LMTP") };
    let home = tempfile::tempdir().unwrap();
    let link = home.path().join("lmtp");
    let place = StorePlace::Unix(link.clone());
    let store = MailStore::new(StoreAddress::Lmtp(LmtpAddress { place, ..address }));
    let why = || hand_over(&store, "", "a\n\nb\n", soon()).1.unwrap_err().to_string();
    assert!(why().starts_with("it is not there") && why().starts_with("it is not there"));
    let StorePlace::Unix(socket) = server.store.address().place() else { panic!("a socket") };
    std::os::unix::fs::symlink(socket, &link).unwrap();
    assert_eq!(why(), "it says: 552 full");
    std::fs::remove_file(&link).unwrap();
    for _ in 0..3 {
        assert_eq!(why(), "it is not there: No such file or directory");
    }
    assert!(why().contains("3 tries failed"));
}
