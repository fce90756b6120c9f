//! A retry after a lost reply: what was stored is found, and nothing else is taken for it.

use std::time::{Duration, Instant};

use super::testing::{ImapBehaviour, KeptFolder};
use super::tests::{Answer, HANA, Site, TEXT, count, flags, soon};
use crate::flags::Flags;
use crate::hand_over::HandOverError;
use crate::hand_over::testing::TestNotes;

/// Wherever the server breaks off, a copy counts only if the server confirmed it, and
/// when the message comes again each copy is there once.
#[test]
fn a_reply_that_is_lost_at_any_byte_neither_loses_nor_doubles() {
    for offers in ["AUTH=PLAIN SASL-IR LITERAL+ NAMESPACE", "AUTH=PLAIN"] {
        let flags = flags("S", &["$W"]);
        let (mut ends, mut found, mut says) = (Vec::new(), 0, 0);
        loop {
            let site = Site::new(ImapBehaviour { offers, says, ..ImapBehaviour::default() });
            let folders = ["A", "A", "B"];
            let mut known = TestNotes::default();
            let done = site.hand_over(TEXT, &folders, &flags, &mut known, soon());
            ends.push(known.stored.len());
            let there: usize = site.server.folders(HANA).values().map(count).sum();
            assert!(known.stored.len() <= there, "{says}");
            if done.is_ok() {
                assert_eq!(there, 3);
                break;
            }
            found += there - known.stored.len();
            let error = done.unwrap_err();
            let is_gone = matches!(error, HandOverError::Away(_) | HandOverError::Broken(_));
            assert!(is_gone, "{says}: {error}");
            // The journal leaves out what is noted as stored.
            site.server.behave(ImapBehaviour { offers, ..ImapBehaviour::default() });
            let stored = known.stored.len();
            let attempts = known.attempts.into_iter();
            let attempts = attempts.filter_map(|(at, note)| Some((at.checked_sub(stored)?, note)));
            let mut rest = TestNotes { attempts: attempts.collect(), ..TestNotes::default() };
            let again = site.hand_over(TEXT, &folders[stored..], &flags, &mut rest, soon());
            assert_eq!(again, Ok(vec![]), "{says}");
            let folders = site.server.folders(HANA);
            assert_eq!((count(&folders["A"]), count(&folders["B"])), (2, 1), "{says}");
            says += 1;
        }
        assert!(ends.is_sorted() && [0, 1, 2, 3].iter().all(|count| ends.contains(count)));
        assert!(found > 30, "replies were lost of what was stored: {found}");
    }
}

/// What a retry takes for its own message, and what it does not.
#[test]
fn only_the_same_message_matches_an_attempt() {
    let text = b"A: \xe8\n\nb\0c\n";
    let lost: Answer = |at, _| (at == "(literal)").then(String::new);
    type Change = fn(&mut KeptFolder);
    let cases: [(Change, bool); 9] = [
        // It did not come.
        (|_| (), false),
        // As it was sent, and as Cyrus and Dovecot store it.
        (|folder| folder.add("", b"A: \xe8\r\n\r\nb\0c\r\n".into()), true),
        (|folder| folder.add("", b"A: X\r\n\r\nb\x80c\r\n".into()), true),
        // Others of the same size, one of which was there before.
        (|folder| folder.add("", b"A: Y\r\n\r\nb\0c\r\n".into()), false),
        (
            |folder| {
                folder.messages[0].bytes = b"A: \xe8\r\n\r\nb\0c\r\n".into();
                folder.add("", b"x".into());
            },
            false,
        ),
        // `*` is the last one, whatever its UID.
        (|folder| folder.messages[0].bytes = b"A: \xe8\r\n\r\nb\0c\r\n".into(), false),
        // It came into the folder that is of that name now.
        (
            |folder| {
                folder.validity += 1;
                folder.next = 1;
                folder.messages.clear();
                folder.add("", b"A: X\r\n\r\nb\0c\r\n".into());
            },
            true,
        ),
        (
            |folder| {
                folder.validity += 1;
                folder.add("", b"other".into());
            },
            false,
        ),
        // It came and was removed: nobody can know.
        (|folder| folder.next += 1, false),
    ];
    for (number, (change, is_found)) in cases.into_iter().enumerate() {
        let site =
            Site::new(ImapBehaviour { says: usize::MAX, answer: lost, ..ImapBehaviour::default() });
        site.server.change(HANA, "INBOX", |folder| folder.add("", b"before\r\n".into()));
        let mut known = TestNotes::default();
        let deadline = Instant::now() + Duration::from_millis(200);
        let done = site.hand_over(text, &[""], &Flags::default(), &mut known, deadline);
        assert!(done.is_err() && known.attempts.len() == 1, "{done:?}");
        site.server.change(HANA, "INBOX", change);
        let before = site.counts();
        site.server.behave(ImapBehaviour::default());
        let done = site.hand_over(text, &[""], &Flags::default(), &mut known, soon());
        assert_eq!((done, known.stored), (Ok(vec![]), vec![0]));
        let is_appended = site.counts() != before;
        assert_eq!(is_appended, !is_found, "{number}");
    }
}

#[test]
fn a_server_that_gives_another_message_is_not_believed() {
    let answers: [Answer; 3] = [
        |at, _| {
            at.starts_with("UID FETCH")
                .then(|| "* 1 FETCH (UID 99 BODY[] {3}\r\nabc)\r\nTAG OK x\r\n".into())
        },
        |at, _| {
            at.starts_with("UID FETCH")
                .then(|| "* 1 FETCH (UID 1 RFC822 {3}\r\nabc)\r\nTAG OK x\r\n".into())
        },
        |at, _| at.starts_with("UID SEARCH").then(|| "TAG BAD what\r\n".into()),
    ];
    for answer in answers {
        let site = Site::new(ImapBehaviour { answer, ..ImapBehaviour::default() });
        assert_eq!(site.simply(&[""]).0, [0]);
        let mut known = TestNotes::default();
        let noted = "7 1 11 11 0123 INBOX";
        known.attempts.insert(0, noted.into());
        let done = site.hand_over(TEXT, &[""], &Flags::default(), &mut known, soon());
        assert!(done.is_err() && known.stored.is_empty(), "{done:?}");
        assert_eq!(site.counts(), [("INBOX".to_owned(), 1)]);
    }
}
