use std::fs::{self, Permissions};
use std::io::{Seek, Write};
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use tempfile::NamedTempFile;

use super::testing::{ImapBehaviour, ImapStore, KeptFolder};
use crate::flags::Flags;
use crate::hand_over::address::{ImapAddress, StoreAddress, StorePlace};
use crate::hand_over::testing::TestNotes;
use crate::hand_over::{CopyToStore, HandOver, HandOverError, MailStore};
use crate::message::{HeaderEdit, Message};
use crate::plan::Folder;

pub(super) const HANA: &str = "hana@x.example";
pub(super) const TEXT: &[u8] = b"A: b\n\nc\n";

pub(super) type Answer = fn(&str, usize) -> Option<String>;

/// A server, and what we need to log in to it.
pub(super) struct Site {
    pub(super) server: ImapStore,
    store: MailStore,
    password: NamedTempFile,
}

impl Site {
    pub(super) fn new(behaviour: ImapBehaviour) -> Site {
        let server = ImapStore::start(behaviour);
        let password = NamedTempFile::new().unwrap();
        let place = StorePlace::Unix(server.socket());
        let (login, password_file) = ("mfilter".into(), password.path().to_owned());
        let address = ImapAddress { place, login, password_file };
        let store = MailStore::new(StoreAddress::Imap(address));
        let site = Site { server, store, password };
        site.set_password("secret\n", 0o640);
        site
    }

    fn set_password(&self, text: &str, mode: u32) {
        let mut file = self.password.as_file();
        file.set_len(0).unwrap();
        file.rewind().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        file.set_permissions(Permissions::from_mode(mode)).unwrap();
    }

    pub(super) fn answering(answer: Answer) -> Site {
        Site::new(ImapBehaviour { answer, ..ImapBehaviour::default() })
    }

    /// Hands over, and returns what is to be noted in the log.
    fn try_once(
        &self,
        copies: &[CopyToStore<'_>],
        known: &mut TestNotes,
        deadline: Instant,
    ) -> Result<Vec<String>, HandOverError> {
        let all = HandOver { mailbox: HANA, sender: "", copies, subscribe: true };
        let mut staged = self.store.stage(&all, deadline)?;
        let done = staged.commit(known);
        done.map(|()| staged.notes())
    }

    /// The same for one text to folders; a retry continues with what is not stored.
    pub(super) fn hand_over(
        &self,
        text: &[u8],
        folders: &[&str],
        flags: &Flags,
        known: &mut TestNotes,
        deadline: Instant,
    ) -> Result<Vec<String>, HandOverError> {
        let message = Message::from_bytes(text.to_vec());
        let folders: Vec<Folder> = folders.iter().map(|name| folder(name)).collect();
        let copies: Vec<CopyToStore<'_>> = folders
            .iter()
            .map(|folder| CopyToStore { id: "", folder, flags, message: &message, edits: &[] })
            .collect();
        self.try_once(&copies, known, deadline)
    }

    pub(super) fn simply(
        &self,
        folders: &[&str],
    ) -> (Vec<usize>, Result<Vec<String>, HandOverError>) {
        let mut known = TestNotes::default();
        let done = self.hand_over(TEXT, folders, &Flags::default(), &mut known, soon());
        (known.stored, done)
    }

    /// How many messages each folder has.
    pub(super) fn counts(&self) -> Vec<(String, usize)> {
        let folders = self.server.folders(HANA).into_iter();
        folders.map(|(name, folder)| (name, folder.messages.len())).collect()
    }
}

fn folder(name: &str) -> Folder {
    let parts = name.split('/').filter(|part| !part.is_empty());
    Folder { parts: parts.map(str::to_owned).collect() }
}

pub(super) fn soon() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

pub(super) fn flags(letters: &str, keywords: &[&str]) -> Flags {
    let keywords = keywords.iter().map(|keyword| keyword.to_string()).collect();
    Flags { letters: letters.into(), keywords }
}

pub(super) fn count(folder: &KeptFolder) -> usize {
    folder.messages.len()
}

#[test]
fn each_copy_is_appended_with_its_flags_to_an_existing_folder() {
    let site = Site::new(ImapBehaviour::default());
    let message = Message::from_bytes("Subject: a\n\n.b\nあ".as_bytes().to_vec());
    let edits = [HeaderEdit::Add { name: "X-One".into(), value: "1".into() }];
    let all = flags("FRS", &["$W"]);
    let (a, inbox, japanese) = (folder("A/B"), folder("inbox"), folder("迷惑"));
    let copy =
        |folder, edits| CopyToStore { id: "", folder, flags: &all, message: &message, edits };
    let plain = Flags::default();
    let copies = [
        copy(&a, &[][..]),
        copy(&inbox, &edits),
        CopyToStore { flags: &plain, ..copy(&japanese, &[]) },
        CopyToStore { flags: &plain, ..copy(&a, &[]) },
    ];
    let hand_over = HandOver { mailbox: HANA, sender: "", copies: &copies, subscribe: true };
    let mut staged = site.store.stage(&hand_over, soon()).unwrap();
    let before = site.server.folders(HANA);
    assert_eq!(before.keys().collect::<Vec<_>>(), ["&j,dg0Q-", "A/B", "INBOX"]);
    assert!(before.values().all(|folder| count(folder) == 0), "nothing is handed over yet");
    assert!(before["A/B"].is_subscribed && !before["INBOX"].is_subscribed);
    let mut known = TestNotes::default();
    staged.commit(&mut known).unwrap();
    assert_eq!((known.stored, staged.notes()), (vec![0, 1, 2, 3], vec![]));
    let folders = site.server.folders(HANA);
    let created = |name: &str| -> Vec<(String, String)> {
        let messages = folders[name].messages.iter();
        let shown = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        messages.map(|message| (message.flags.clone(), shown(&message.bytes))).collect()
    };
    let text = "Subject: a\r\n\r\n.b\r\nあ\r\n".to_owned();
    let flagged = "\\Flagged \\Answered \\Seen $W".to_owned();
    assert_eq!(created("A/B"), [(flagged.clone(), text.clone()), (String::new(), text.clone())]);
    assert_eq!(created("INBOX"), [(flagged, format!("X-One: 1\r\n{text}"))]);
    assert_eq!(created("&j,dg0Q-"), [(String::new(), text)]);
    // Created once, and subscribed if that is requested.
    let quiet =
        HandOver { subscribe: false, copies: &copies[..1], mailbox: "b@x.example", ..hand_over };
    site.store.stage(&quiet, soon()).unwrap();
    assert!(!site.server.folders("b@x.example")["A/B"].is_subscribed);
    let creations =
        site.server.commands().iter().filter(|command| command.starts_with("CREATE")).count();
    assert_eq!(creations, 3);
}

#[test]
fn folders_are_named_as_the_server_names_them() {
    for (offers, namespace, list, wanted) in [
        ("AUTH=PLAIN NAMESPACE", "NAMESPACE ((\"INBOX.\" \".\")) NIL NIL", "", "INBOX.A.B"),
        ("AUTH=PLAIN NAMESPACE", "NAMESPACE NIL NIL NIL", "LIST () \"^\" \"\"", "A^B"),
        ("AUTH=PLAIN", "", "LIST (\\Noselect) \".\" \"\"", "A.B"),
    ] {
        let site = Site::new(ImapBehaviour { offers, namespace, list, ..ImapBehaviour::default() });
        assert_eq!(site.simply(&["A/B", ""]), (vec![0, 1], Ok(vec![])));
        let names: Vec<(String, usize)> = site.counts();
        assert!(names.len() == 2 && names.contains(&(wanted.to_owned(), 1)), "{names:?}");
    }
}

#[test]
fn a_server_that_stalls_at_any_step_costs_a_bounded_time() {
    let whole = Site::new(ImapBehaviour::default());
    assert_eq!(whole.simply(&["A"]).0, [0]);
    for stalls in [0, 30, 90, 160, 200, 240, 290, 310, 330] {
        let site = Site::new(ImapBehaviour { stalls, ..ImapBehaviour::default() });
        let mut known = TestNotes::default();
        let deadline = Instant::now() + Duration::from_millis(150);
        let done = site.hand_over(TEXT, &["A"], &Flags::default(), &mut known, deadline);
        let why = done.expect_err("no answer").to_string();
        assert!(known.stored.is_empty() && why.ends_with("it takes too long"), "{stalls}: {why}");
    }
    // Nor one that reads nothing.
    let site = Site::answering(|command, _| {
        command.starts_with("APPEND").then(|| {
            std::thread::sleep(Duration::from_millis(50));
            String::from("+ go\r\n")
        })
    });
    let deadline = Instant::now() + Duration::from_millis(300);
    let large = b"x\n".repeat(4 << 20);
    let done =
        site.hand_over(&large, &[""], &Flags::default(), &mut TestNotes::default(), deadline);
    assert!(done.is_err());
}

#[test]
fn what_is_not_a_response_or_has_no_end_is_an_error() {
    let answers: [Answer; 16] = [
        |at, _| at.starts_with("NAMESPACE").then(|| "hello\r\n".into()),
        |at, _| at.starts_with("NAMESPACE").then(|| "a99 OK of another\r\n".into()),
        |at, _| at.starts_with("NAMESPACE").then(|| "+ go\r\n".into()),
        |at, _| at.starts_with("NAMESPACE").then(|| "* BYE full\r\n".into()),
        |at, _| at.starts_with("NAMESPACE").then(|| "* LIST {70000}\r\n".into()),
        |at, _| at.starts_with("NAMESPACE").then(|| "* LIST {99999999999999999999}\r\n".into()),
        |at, _| at.starts_with("NAMESPACE").then(|| "* LIST {3}\r\nabc {4}\r\n".repeat(10_000)),
        |at, _| at.starts_with("NAMESPACE").then(|| "x".repeat(200_000)),
        |at, _| {
            at.starts_with("NAMESPACE").then(|| "* NAMESPACE NIL\r\nTAG OK\r\nTAG OK\r\n".into())
        },
        |at, _| at.starts_with("STATUS").then(|| "TAG EXISTS\r\n".into()),
        |at, _| at.starts_with("APPEND").then(|| "TAG OK at once\r\n".into()),
        |at, _| at.starts_with("APPEND").then(|| "* BYE now\r\n".into()),
        |at, _| (at == "(literal)").then(|| "a99 OK of another\r\n".into()),
        |at, _| (at == "(literal)").then(|| "+ more\r\n".into()),
        |at, _| (at == "(literal)").then(|| "* BYE now\r\nTAG OK there\r\n".into()),
        |at, _| (at == "(literal)").then(|| "TAG PREAUTH there\r\n".into()),
    ];
    for (number, answer) in answers.into_iter().enumerate() {
        let site = Site::new(ImapBehaviour {
            answer,
            offers: "AUTH=PLAIN NAMESPACE",
            list: "LIST () \"/\" \"\"",
            ..ImapBehaviour::default()
        });
        let (stored, done) = site.simply(&["A"]);
        let why = done.expect_err("it is none").to_string();
        assert!(stored.is_empty() && why.starts_with("it broke off: "), "{number}: {why}");
        assert!(site.counts().iter().all(|(_, count)| *count == 0));
    }
    let greeted: [(Answer, &str); 6] = [
        (
            |at, _| (at == "greeting").then(|| "SSH-2.0\r\n".into()),
            "it is not there: it said `SSH-2.0`",
        ),
        (|at, _| (at == "greeting").then(|| "* BYE full\r\n".into()), "it greets with `BYE full`"),
        (
            |at, _| (at == "greeting").then(|| "* PREAUTH hi\r\n".into()),
            "it greets with `PREAUTH hi`",
        ),
        (|at, _| (at == "greeting").then(|| "+ hi\r\n".into()), "does not greet"),
        (
            |at, _| (at == "greeting").then(|| "* OK [CAPABILITY POP3] hi\r\n".into()),
            "does not offer IMAP4rev1",
        ),
        (|at, _| (at == "greeting").then(|| "a0 OK hi\r\n".into()), "does not greet"),
    ];
    for (answer, wanted) in greeted {
        let why = Site::answering(answer).simply(&["A"]).1.unwrap_err().to_string();
        assert!(why.starts_with("it is not there: ") && why.contains(wanted), "{why}");
    }
}

/// A reply before the end of a command is not an answer to it.
#[test]
fn a_yes_that_comes_early_stores_nothing() {
    for early in ["+ go\r\nTAG OK there\r\n", "+ go\r\n* 3 EXISTS\r\nTAG NO [OVERQUOTA] full\r\n"] {
        let answer: Answer = match early.contains("NO") {
            true => |at, _| {
                at.starts_with("APPEND")
                    .then(|| "+ go\r\n* 3 EXISTS\r\nTAG NO [OVERQUOTA] full\r\n".into())
            },
            false => |at, _| at.starts_with("APPEND").then(|| "+ go\r\nTAG OK there\r\n".into()),
        };
        let site = Site::new(ImapBehaviour {
            answer,
            offers: "AUTH=PLAIN SASL-IR NAMESPACE",
            ..ImapBehaviour::default()
        });
        let (stored, done) = site.simply(&[""]);
        assert!(stored.is_empty() && done.is_err(), "{early}: {done:?}");
        assert!(!site.server.commands().iter().any(|command| command == "c"), "no end was sent");
    }
}

#[test]
fn a_no_says_why_and_what_was_stored_before_counts() {
    let cases: [(Answer, usize, &str, &str, bool); 9] = [
        (
            |at, n| {
                (at == "(literal)" && n == 1).then(|| "TAG NO [OVERQUOTA] full\u{1b}\r\n".into())
            },
            1,
            "4.2.2",
            "it says: NO [OVERQUOTA] full",
            true,
        ),
        (
            |at, _| (at == "(literal)").then(|| "TAG NO Over quota\r\n".into()),
            0,
            "4.2.2",
            "it says: NO Over quota",
            true,
        ),
        (
            |at, _| (at == "(literal)").then(|| "TAG NO [TRYCREATE] gone\r\n".into()),
            0,
            "4.3.5",
            "TRYCREATE",
            false,
        ),
        (
            |at, _| (at == "(literal)").then(|| "TAG NO [UNAVAILABLE] later\r\n".into()),
            0,
            "4.3.0",
            "later",
            false,
        ),
        (
            |at, _| {
                (at == "(literal)").then(|| "TAG NO Message contains NUL characters\r\n".into())
            },
            0,
            "4.3.5",
            "NUL",
            false,
        ),
        (
            |at, _| (at == "(literal)").then(|| "TAG BAD what?\r\n".into()),
            0,
            "4.3.5",
            "it says: BAD what?",
            false,
        ),
        (
            |at, _| {
                at.starts_with("STATUS \"INBOX").then(|| "TAG NO Mailbox does not exist\r\n".into())
            },
            0,
            "4.3.5",
            "does not exist",
            false,
        ),
        (
            |at, _| at.starts_with("STATUS").then(|| "TAG NO [SERVERBUG] sorry\r\n".into()),
            0,
            "4.3.0",
            "sorry",
            false,
        ),
        (
            |at, _| at.starts_with("CREATE").then(|| "TAG NO [INUSE] later\r\n".into()),
            0,
            "4.3.0",
            "later",
            false,
        ),
    ];
    for (answer, stored, status, expected, is_full) in cases {
        let site = Site::answering(answer);
        let (found, done) = site.simply(&["A", ""]);
        let Err(HandOverError::Refused(refusal)) = &done else { panic!("{done:?}") };
        assert_eq!(
            (found.len(), refusal.status.as_str(), refusal.is_full),
            (stored, status, is_full)
        );
        let why = done.unwrap_err().to_string();
        assert!(why.contains(expected) && !why.contains('\u{1b}'), "{why}");
    }
}

/// A large message is sent only when the server has said that it accepts it.
#[test]
fn a_message_that_is_refused_by_its_size_is_not_sent() {
    let large = b"A: b\n\n".repeat(1000);
    let site = Site::answering(|at, _| {
        at.starts_with("APPEND").then(|| "TAG NO [OVERQUOTA] x\r\n".into())
    });
    let done = site.hand_over(&large, &[""], &Flags::default(), &mut TestNotes::default(), soon());
    assert!(matches!(done, Err(HandOverError::Refused(refusal)) if refusal.is_full));
    let command = site.server.commands();
    assert!(command.last().is_some_and(|last| last == "APPEND \"INBOX\" () {8000}"), "{command:?}");
    let offers = "AUTH=PLAIN SASL-IR LITERAL- APPENDLIMIT=7999";
    let site = Site::new(ImapBehaviour { offers, ..ImapBehaviour::default() });
    let done = site.hand_over(&large, &[""], &Flags::default(), &mut TestNotes::default(), soon());
    assert_eq!(done, Err(HandOverError::TooLarge { size: 8000, limit: 7999 }));
    assert_eq!(site.simply(&[""]), (vec![0], Ok(vec![])));
    assert!(site.server.commands().contains(&"APPEND \"INBOX\" () {11+}".to_owned()));
}

#[test]
fn a_login_that_is_refused_says_who_and_for_whom() {
    let site = Site::new(ImapBehaviour::default());
    let why = |site: &Site| site.simply(&["A"]).1.unwrap_err().to_string();
    site.set_password("other\n", 0o600);
    assert_eq!(
        why(&site),
        "it refuses the login of `mfilter` for `hana@x.example`: NO [AUTHENTICATIONFAILED] wrong now"
    );
    site.set_password("\nsecret\n", 0o600);
    assert!(
        why(&site).ends_with("is not used: its first line is empty or holds control characters")
    );
    site.set_password("secret\n", 0o604);
    assert!(why(&site).contains("everybody may read it"));
    fs::remove_file(site.password.path()).unwrap();
    assert!(why(&site).contains("No such file"));
    for (offers, wanted) in
        [("SASL-IR", "no `AUTH=PLAIN`"), ("LOGINDISABLED AUTH=GSSAPI", "no `AUTH=PLAIN`")]
    {
        let site = Site::new(ImapBehaviour { offers, ..ImapBehaviour::default() });
        assert!(why(&site).contains(wanted));
        assert!(!site.server.commands().iter().any(|command| command.starts_with("AUTHENTICATE")));
    }
    let site = Site::answering(|at, _| {
        at.starts_with("AUTHENTICATE").then(|| "TAG NO [UNAVAILABLE] x\r\n".into())
    });
    assert!(why(&site).contains("for `hana@x.example`: NO [UNAVAILABLE] x"));
    // An address cannot add fields (RFC 4616 separates the three by NUL).
    let mailbox = "a\0mfilter\0x@x.example";
    let all = HandOver { mailbox, sender: "", copies: &[], subscribe: true };
    let why = site.store.stage(&all, soon()).err().map(|why| why.to_string());
    assert!(why.is_some_and(|why| why.contains("for `a_mfilter_x@x.example`: NO [UNAVAILABLE]")));
}

#[test]
fn a_keyword_that_is_not_stored_costs_a_note() {
    let with = |behaviour, keywords: &[&str]| {
        let site = Site::new(behaviour);
        let mut known = TestNotes::default();
        let notes = site.hand_over(TEXT, &["A"], &flags("PS", keywords), &mut known, soon());
        assert_eq!(known.stored, [0]);
        let flags = site.server.folders(HANA)["A"].messages[0].flags.clone();
        (notes.unwrap().concat(), flags)
    };
    let (note, flags) =
        with(ImapBehaviour { keywords: "$w", ..ImapBehaviour::default() }, &["$W", "x"]);
    assert_eq!(
        (note.as_str(), flags.as_str()),
        ("the store keeps no keyword `$Forwarded`, `x` in `A`", "\\Seen $W")
    );
    // Or one that it says it keeps.
    let answer: Answer = |at, _| {
        (at.starts_with("APPEND") && at.contains("$W"))
            .then(|| "TAG NO [CANNOT] too long\r\n".into())
    };
    let offers = "AUTH=PLAIN";
    let (note, flags) = with(ImapBehaviour { answer, offers, ..ImapBehaviour::default() }, &["$W"]);
    assert_eq!(
        (note.as_str(), flags.as_str()),
        ("the store keeps no keyword `$Forwarded`, `$W` in `A`", "\\Seen")
    );
    // The reason for a refusal is another matter.
    let full: Answer = |at, _| at.starts_with("APPEND").then(|| "TAG NO [OVERQUOTA] x\r\n".into());
    let site = Site::new(ImapBehaviour { answer: full, offers, ..ImapBehaviour::default() });
    let known = &mut TestNotes::default();
    let done = site.hand_over(TEXT, &["A"], &self::flags("", &["$W"]), known, soon());
    assert!(matches!(done, Err(HandOverError::Refused(refusal)) if refusal.is_full));
    assert_eq!(
        site.server.commands().iter().filter(|command| command.starts_with("APPEND")).count(),
        1
    );
}

#[test]
fn a_folder_that_cannot_be_made_is_the_inbox() {
    let site = Site::answering(|at, _| {
        at.starts_with("CREATE").then(|| "TAG NO Invalid mailbox name\r\n".into())
    });
    let (stored, done) = site.simply(&["A"]);
    let note = done.unwrap().concat();
    assert!(
        note.contains("`A`: the store says NO Invalid mailbox name; it is in the inbox"),
        "{note}"
    );
    assert_eq!((stored, site.counts()), (vec![0], vec![("INBOX".to_owned(), 1)]));
    let (_, done) = site.simply(&["迷惑/A"]);
    assert!(done.unwrap().concat().starts_with("cannot make the folder `迷惑/A`: "));
    // A folder created by another client in the meantime is used; one that cannot be
    // subscribed is created anyway.
    let site = Site::answering(|at, n| match at {
        "STATUS \"A\" (UIDNEXT UIDVALIDITY)" if n == 0 => Some("TAG NO none\r\n".into()),
        at if at.starts_with("SUBSCRIBE") => Some("TAG NO not you\r\n".into()),
        _ => None,
    });
    site.server.change(HANA, "A", |_| ());
    let (stored, done) = site.simply(&["A"]);
    assert_eq!(stored, [0]);
    assert!(done.unwrap().concat().contains("cannot subscribe `A`: the store says NO not you"));
}

/// Such as one that the user may not read, or that only holds others.
#[test]
fn a_folder_that_exists_and_cannot_be_used_is_the_inbox() {
    for answer in [
        (|at, _| match at {
            "STATUS \"A\" (UIDNEXT UIDVALIDITY)" => Some("TAG NO [NOPERM] not yours\r\n".into()),
            "CREATE \"A\"" => Some("TAG NO [ALREADYEXISTS] there is one\r\n".into()),
            _ => None,
        }) as Answer,
        |at, _| at.starts_with("STATUS \"A\"").then(|| "TAG NO [NOPERM] not yours\r\n".into()),
    ] {
        let site = Site::answering(answer);
        let (stored, done) = site.simply(&["A"]);
        let note = done.unwrap().concat();
        assert!(
            note.ends_with("`A`: the store says NO [NOPERM] not yours; it is in the inbox"),
            "{note}"
        );
        assert_eq!((stored, count(&site.server.folders(HANA)["INBOX"])), (vec![0], 1));
    }
}
