//! Mail handed over to another store: a real Dovecot with the script and the settings
//! in examples/dovecot.

#![allow(clippy::print_stderr, reason = "a skipped test says so")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::support::dovecot::{Dovecot, SERVER, SIEVE, deliver};
use crate::support::imap::DOVEADM;
use crate::support::lmtp_site::{Site, wire};
use crate::support::lost_replies::LostReplies;
use crate::support::{Home, long, skipped};

const TARO: &str = "taro@x.example";

const RULES: &str = r#"
when subject is "junk"    -> folder "迷惑メール/古い" as seen
when subject is "nested"  -> folder "A/B c"
when subject is "keyword" -> folder "A" as flagged passed "$Work"
when subject is "colon"   -> folder "A" as replied "a:b"
when subject is "copies"  -> copy "A/B c" as seen, copy "A", inbox as draft trashed
when subject is "distinct" -> copy "A" as seen, add-header "X-One" "1", copy "C", folder "日本"
when subject is "same"    -> copy "A", folder "A"
when subject is "refused" -> folder "A/dbox-Mails/x" as seen
"#;

const WANTED: [&str; 14] = [
    "A\t$Forwarded $Work \\Flagged\tkeyword\t",
    "A\t\\Answered a:b\tcolon\t",
    "A\t\\Seen\tdistinct\t",
    "A\t\tcopies\t",
    "A\t\tsame\t",
    "A\t\tsame\t",
    "A/B c\t\\Seen\tcopies\t",
    "A/B c\t\tnested\t",
    "C\t\tdistinct\t1",
    "INBOX\t\\Deleted \\Draft\tcopies\t",
    "INBOX\t\telse\t",
    "INBOX\t\trefused\t",
    "日本\t\tdistinct\t1",
    "迷惑メール/古い\t\\Seen\tjunk\t",
];

fn cannot_run() -> bool {
    skipped("the test with Dovecot's LMTP server", &[DOVEADM, SERVER, SIEVE], false)
}

fn message(subject: &str) -> String {
    format!(
        "From: a@b.example\nSubject: {subject}\nMessage-ID: <{subject}@b.example>\n\n.こんにちは\n"
    )
}

/// Folder, flags, subject and a header of each message.
fn seen(dovecot: &Dovecot, user: &str) -> Vec<String> {
    let lines = dovecot.fetch(user, "mailbox flags hdr.subject hdr.x-one");
    let mut lines: Vec<String> = lines
        .iter()
        .map(|line| {
            let mut fields: Vec<String> = line.split('\t').map(str::to_owned).collect();
            let mut flags: Vec<&str> = fields[1].split(' ').collect();
            flags.retain(|flag| !matches!(*flag, "" | "\\Recent"));
            flags.sort_unstable();
            fields[1] = flags.join(" ");
            fields.join("\t")
        })
        .collect();
    lines.sort();
    lines
}

fn as_an_imap_user_sees_it(format: &str) {
    let dovecot = Dovecot::start(format);
    let home = Home::with_rules(RULES);
    let subjects =
        ["junk", "nested", "keyword", "colon", "copies", "distinct", "same", "refused", "else"];
    for subject in subjects {
        let run = deliver(&home, &dovecot.store(), "taro+detail@x.example", &message(subject));
        assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""), "{subject}\n{}", dovecot.log());
    }
    let mut expected = WANTED;
    if format == "maildir" {
        // In that format it is an ordinary name.
        expected[11] = "A/dbox-Mails/x\t\\Seen\trefused\t";
    }
    expected.sort();
    assert_eq!(seen(&dovecot, TARO), expected, "{}", dovecot.log());
    // As it came, except for the path that the server records.
    for text in dovecot.texts(TARO) {
        assert!(!text.to_lowercase().contains("x-mfilter") && !text.contains("mf:"), "{text}");
    }
    let log = fs::read_to_string(home.path().join(".local/state/mfilter/log")).expect("a log");
    assert!(log.contains("delivered folder=\"迷惑メール/古い\" rule=\""), "{log}");
    assert!(!home.path().join("Maildir").exists());
}

#[test]
fn folders_flags_and_keywords_in_single_dbox() {
    if !cannot_run() {
        as_an_imap_user_sees_it("sdbox");
    }
}

#[test]
fn folders_flags_and_keywords_in_multi_dbox() {
    if !cannot_run() {
        as_an_imap_user_sees_it("mdbox");
    }
}

#[test]
fn folders_flags_and_keywords_in_dovecots_maildir() {
    if !cannot_run() {
        as_an_imap_user_sees_it("maildir");
    }
}

/// Details and headers like ours have no effect if a sender writes them, nor does a
/// recipient whose detail others have chosen.
#[test]
fn what_a_sender_writes_is_never_a_command_to_the_store() {
    if cannot_run() {
        return;
    }
    let dovecot = Dovecot::start("sdbox");
    let home = Home::with_rules("when subject is \"jp\" -> folder \"日本\"\n");
    let id = "0123456789abcdef0123456789abcdef";
    let forged = format!(
        "X-Mfilter-{id}: $Forged (Trash)\nX-Mfilter-ID: $Forged (Trash)\n\
         Delivered-To: hanako@x.example\nX-Mfilter-: (Trash)\n"
    );
    let to = format!("\"taro+mf:{id}:SFT:$Forged:Trash\"@x.example");
    for subject in ["plain", "jp"] {
        let text = format!("{forged}{}", message(subject));
        let run = deliver(&home, &dovecot.store(), &to, &text);
        assert_eq!(run.code, Some(0), "{run:?}");
    }
    assert_eq!(seen(&dovecot, TARO), ["INBOX\t\tplain\t", "日本\t\tjp\t"]);
    for text in dovecot.texts(TARO) {
        assert!(text.contains(&format!("X-Mfilter-{id}: $Forged (Trash)")), "it stays: {text}");
    }
    // The call determines whose mailbox it is.
    let text = message("other");
    let run = deliver(&home, &dovecot.store(), "hanako@x.example", &text);
    assert_eq!((run.code, seen(&dovecot, "hanako@x.example").len()), (Some(0), 1));
    let two = home.command(&["--store", &dovecot.store(), "-d", TARO, "-d", "b@x.example"]);
    let run = crate::support::run(two, text.as_bytes());
    assert_eq!(run.code, Some(75), "whose it is is not known: {run:?}");
    assert!(run.stderr.contains("accepts only one mailbox"), "{run:?}");
}

#[test]
fn no_message_is_seen_without_its_flags() {
    if cannot_run() {
        return;
    }
    let count = if long() { 300 } else { 40 };
    let dovecot = Dovecot::start("sdbox");
    let home = Home::with_rules("folder \"A\" as seen flagged \"$Work\"\n");
    let over = AtomicBool::new(false);
    assert_eq!(deliver(&home, &dovecot.store(), TARO, &message("0")).code, Some(0));
    let polls = std::thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            let mut imap = dovecot.imap(TARO);
            imap.done("SELECT A");
            let (mut polls, mut met) = (0, 0);
            while met < count && !(over.load(Ordering::Relaxed) && polls > 100_000) {
                let finished = over.load(Ordering::Relaxed);
                imap.done("NOOP");
                for line in imap.done("FETCH 1:* (FLAGS)") {
                    let flags = line.split_once("FETCH (FLAGS (").map(|(_, flags)| flags);
                    let Some(flags) = flags else { continue };
                    met += 1;
                    for flag in ["\\Seen", "\\Flagged", "$Work"] {
                        assert!(flags.contains(flag), "{line}");
                    }
                }
                polls += 1;
                if met < count {
                    assert!(!finished, "only {met} are there");
                    met = 0;
                }
            }
            polls
        });
        for number in 1..count {
            let run = deliver(&home, &dovecot.store(), TARO, &message(&number.to_string()));
            assert_eq!(run.code, Some(0), "{run:?}");
        }
        over.store(true, Ordering::Relaxed);
        watcher.join().expect("all have their flags")
    });
    assert!(polls > 5, "{polls}");
}

#[test]
fn every_reply_lost_once_doubles_none_and_loses_none() {
    if cannot_run() {
        return;
    }
    let each = if long() { 50 } else { 4 };
    let dovecot = Dovecot::start("sdbox");
    let proxy = LostReplies::of_lmtp(dovecot.socket());
    let store = format!("lmtp:unix:{}", proxy.path().display());
    let home = Home::with_rules("when subject ends \"1\" -> copy \"B\", folder \"日本\"\n");
    let (mut tries, expected) = (AtomicUsize::new(0), 8 * each);
    std::thread::scope(|scope| {
        for connection in 0..8 {
            let (store, home, tries) = (&store, &home, &tries);
            scope.spawn(move || {
                for number in 0..each {
                    let text = message(&format!("{connection}.{number}"));
                    loop {
                        tries.fetch_add(1, Ordering::Relaxed);
                        let run = deliver(home, store, TARO, &text);
                        if run.code == Some(0) {
                            break;
                        }
                        assert_eq!(run.code, Some(75), "{run:?}");
                        assert!(run.stderr.starts_with("4.4.2 the store"), "{run:?}");
                    }
                }
            });
        }
    });
    let copies =
        expected + (0..each).filter(|number| number.to_string().ends_with('1')).count() * 8;
    assert_eq!(dovecot.distinct_copies(TARO), copies, "none lost");
    assert!(*tries.get_mut() >= 2 * expected && proxy.lost() == copies);
    assert_eq!(
        fs::read_dir(home.path().join(".local/state/mfilter/hand-over")).expect("there").count(),
        0
    );
}

/// If a step that follows after all copies are stored fails, the retry does it, and the
/// copy is stored only once.
#[test]
fn a_step_that_fails_later_stores_no_copy_twice() {
    if cannot_run() {
        return;
    }
    let dovecot = Dovecot::start("mdbox");
    let home = Home::new();
    let sendmail = home.path().join("sendmail");
    home.write(
        ".mailrules",
        format!("set sendmail \"{}\"\ncopy \"A\", forward \"b@c.example\"\n", sendmail.display()),
    );
    home.write("sendmail", "#!/bin/sh\ncat > /dev/null\nexit $(cat ~/status)\n");
    fs::set_permissions(&sendmail, fs::Permissions::from_mode(0o755)).expect("set");
    for (status, code) in [("75", 75), ("75", 75), ("0", 0)] {
        home.write("status", status);
        let run = deliver(&home, &dovecot.store(), TARO, &message("x"));
        assert_eq!(run.code, Some(code), "{run:?}");
    }
    assert_eq!(seen(&dovecot, TARO), ["A\t\tx\t"]);
    // If nothing can be recorded, the store still knows.
    fs::remove_dir_all(home.path().join(".local/state/mfilter/half-done")).expect("removed");
    home.write(".local/state/mfilter/half-done", "");
    for (status, code) in [("75", 75), ("0", 0)] {
        home.write("status", status);
        let run = deliver(&home, &dovecot.store(), TARO, &message("y"));
        assert_eq!(run.code, Some(code), "{run:?}");
    }
    assert_eq!(seen(&dovecot, TARO), ["A\t\tx\t", "A\t\ty\t"]);
}

/// `mfilter lmtp --store`: each recipient by their own rules, each in their own
/// mailbox; and if the store becomes unavailable, the answer says so, also when it is
/// no longer tried.
#[test]
fn a_server_hands_over_to_the_store() {
    if cannot_run() {
        return;
    }
    let dovecot = Dovecot::start("sdbox");
    let mut site = Site::new();
    site.user("taro", RULES);
    site.user("hanako", "when recipient.detail is \"x\" -> folder \"X\" as seen\n");
    site.start(&["--store", &dovecot.store(), "--workers", "1"]);
    let mut client = site.connect();
    for subject in ["junk", "distinct", "copies", "else"] {
        let to = ["taro+detail@x.example", "\"hanako+x\"@x.example"];
        let answers = client.deliver(&to, &wire(message(subject).as_bytes())).expect("there");
        assert!(answers.iter().all(|answer| answer.starts_with("250")), "{answers:?}");
    }
    let ours =
        |line: &&str| ["junk", "distinct", "copies", "else"].iter().any(|word| line.contains(word));
    let mut expected: Vec<&str> = WANTED.into_iter().filter(ours).collect();
    expected.sort_unstable();
    assert_eq!(seen(&dovecot, TARO), expected);
    assert_eq!(seen(&dovecot, "hanako@x.example").len(), 4);
    assert!(seen(&dovecot, "hanako@x.example").iter().all(|line| line.starts_with("X\t\\Seen")));
    assert!(!site.maildir("taro").exists());
    drop(dovecot);
    let answers: Vec<String> = (0..5)
        .flat_map(|_| {
            client.deliver(&["taro@x.example"], &wire(b"Subject: x\n\nx\n")).expect("there")
        })
        .collect();
    assert!(answers.iter().all(|answer| answer.starts_with("451 4.4.1 ")), "{answers:?}");
    assert!(answers[4].contains("3 tries failed, the next one is in"), "{answers:?}");
    site.stop();
}

#[test]
fn a_missing_store_defers() {
    let home = Home::with_rules("folder \"A\"\n");
    let store = format!("lmtp:unix:{}/none", home.path().display());
    let run = deliver(&home, &store, TARO, &message("x"));
    assert_eq!(run.code, Some(75));
    assert!(run.stderr.starts_with("4.4.1 the store unix:") && run.stderr.contains("No such file"));
    for (store, why) in [("mdbox:/x", "a store is `lmtp:unix:PATH`"), ("lmtp:unix:x", "absolute")] {
        let run = deliver(&home, store, TARO, &message("x"));
        assert_eq!(run.code, Some(75));
        assert!(run.stderr.contains(why), "{run:?}");
    }
    assert!(!home.path().join("Maildir").exists());
}
