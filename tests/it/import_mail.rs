//! `mfilter import mbox`: what is stored in the Maildir, written by real writers of old
//! mail and read back through a real IMAP server.

#![allow(clippy::print_stderr, reason = "a skipped test says so")]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::process::Command;

use crate::support::imap::{self, DOVEADM, NOBODY, own};
use crate::support::{Home, Run, mail, skipped};

const PYTHON: &str = "/usr/bin/python3";
const FROM: &str = "From a@b.example Thu Jan  1 01:02:03 2004\n";
/// 2004-01-01T01:02:03Z
const AT: i64 = 1_072_918_923;

fn import(home: &Home, arguments: &[&str]) -> Run {
    home.run(&[&["import", "mbox"], arguments].concat(), b"")
}

fn path(home: &Home, name: &str) -> String {
    home.path().join(name).display().to_string()
}

/// Each message's folder, flags and text, sorted.
fn stored(home: &Home) -> Vec<(String, String, String)> {
    let mut all: Vec<_> = home
        .mail()
        .into_iter()
        .map(|mail| (mail.folder.clone(), mail.flags.clone(), mail.text()))
        .collect();
    all.sort();
    all
}

fn message(subject: &str, more: &str) -> String {
    format!("From: a@b.example\nSubject: {subject}\n{more}\nhello {subject}\n")
}

fn mbox(messages: &[String]) -> String {
    messages.iter().map(|message| format!("{FROM}{message}\n")).collect()
}

/// What an IMAP client sees of mail that many readers have written: flags, dates,
/// counts.
#[test]
fn flags_dates_and_counts_over_imap() {
    if skipped("the test with a real Dovecot", &[DOVEADM], false) {
        return;
    }
    let home = Home::new();
    let state = "From MAILER-DAEMON Thu Jan  1 00:00:00 2004\n\
                 Subject: DON'T DELETE THIS MESSAGE -- FOLDER INTERNAL DATA\n\
                 X-IMAP: 1072918923 0000000009 $Work\nStatus: RO\n\nThis text is part of it.\n\n";
    let messages = mbox(&[
        message("new", ""),
        message("old", "Status: O\nX-UID: 4\n"),
        message("all", "Status: RO\nX-Status: AF\nX-Keywords: $Work Later\n"),
        message("draft", "Status: R\nX-Status: T\n"),
        message("mozilla", "X-Mozilla-Status: 0007\nX-Mozilla-Keys: $label1 NonJunk\n"),
        message("evolution", "X-Evolution: 00000001-0019\n"),
        message("kmail", "Status: RO\nX-Status: RAG\n"),
    ]);
    home.write("Archive.mbox", format!("{state}{messages}"));
    let source = fs::read(home.path().join("Archive.mbox")).expect("there");
    let run = import(&home, &[&path(&home, "Archive.mbox")]);
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""), "{run:?}");
    assert_eq!(
        run.stdout,
        "      7 messages\n      7 -> Archive\n      1 left out: the state of a mailbox, not a message\n"
    );
    assert_eq!(fs::read(home.path().join("Archive.mbox")).expect("there"), source);
    let new = home.mail().into_iter().filter(|mail| mail.sub == "new");
    assert_eq!(new.map(|mail| mail.text()).collect::<Vec<_>>(), [message("new", "")]);
    imap::configure(&home, "Maildir");
    own(&home, NOBODY);
    let fetch = ["-f", "tab", "fetch", "mailbox hdr.subject flags date.received", "ALL"];
    let output = imap::doveadm(&home, &fetch).output().expect("doveadm runs");
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let mut seen: Vec<String> = text
        .lines()
        .skip(1)
        .map(|line| {
            let columns: Vec<&str> = line.split('\t').collect();
            let [folder, subject, flags, date] = columns.as_slice() else { panic!("{line}") };
            assert_eq!((*folder, *date), ("Archive", "2004-01-01 01:02:03"), "{line}");
            // The first client to look finds all of them recent.
            let mut flags: Vec<&str> =
                flags.split(' ').filter(|flag| *flag != "\\Recent").collect();
            flags.sort_unstable();
            format!("{subject}: {}", flags.join(" "))
        })
        .collect();
    seen.sort();
    assert_eq!(
        seen,
        [
            "all: $Work Later \\Answered \\Flagged \\Seen",
            "draft: \\Draft \\Seen",
            "evolution: \\Answered \\Flagged \\Seen",
            "kmail: \\Answered \\Flagged \\Seen",
            "mozilla: $label1 NonJunk \\Answered \\Flagged \\Seen",
            "new: ",
            "old: ",
        ]
    );
    // What readers had recorded is in the name now, and the text is as it was sent.
    for mail in mail(&home.path().join("Maildir")) {
        let text = mail.text();
        let subject = text.split("hello ").nth(1).expect("a body").trim();
        assert_eq!(text, message(subject, ""), "{}", mail.path.display());
    }
}

/// Python's writers: mboxo with its own flags, and an MH folder with sequences.
#[test]
fn what_python_writes_is_read_back() {
    if skipped("the test with Python's mailboxes", &[PYTHON], false) {
        return;
    }
    let home = Home::new();
    let script = r#"
import mailbox, os, sys
os.chdir(sys.argv[1])
def text(n):
    return f"From: a{n}@b.example\nSubject: {n}\n\n{'x' * 70 * n}\n\nFrom me at 12:34\nFrom here\n\n"
def add(box, kind, n):
    m = kind(text(n))
    if n % 2: m.add_flag('R') if kind is mailbox.mboxMessage else None
    if n == 3: m.add_flag('F') if kind is mailbox.mboxMessage else m.add_sequence('flagged')
    if kind is mailbox.mboxMessage: m.set_from(f'a{n}@b.example', (2003, 4, 5, 6, 7, n, 0, 0, 0))
    elif n % 2 == 0: m.add_sequence('unseen')
    if kind is mailbox.MHMessage and n == 4: m.add_sequence('later')
    box.add(m)
box = mailbox.mbox('box')
for n in range(1, 41): add(box, mailbox.mboxMessage, n)
box.flush()
mh = mailbox.MH('mh')
for n in range(1, 7): add(mh, mailbox.MHMessage, n)
sub = mh.add_folder('sub')
add(sub, mailbox.MHMessage, 8)
for name in os.listdir('mh'):
    if name.isdigit(): os.utime('mh/' + name, (0, 1000000000 + int(name)))
"#;
    let written = Command::new(PYTHON).args(["-c", script]).arg(home.path()).output();
    let written = written.expect("Python runs");
    assert!(written.status.success(), "{written:?}");
    let run = import(&home, &[&path(&home, "box"), &path(&home, "mh")]);
    assert_eq!(run.code, Some(0), "{run:?}");
    assert!(run.stdout.starts_with("     47 messages\n"), "{run:?}");
    let text = |n: usize| {
        let body = "x".repeat(70 * n);
        format!("From: a{n}@b.example\nSubject: {n}\n\n{body}\n\nFrom me at 12:34\nFrom here\n")
    };
    let all = home.mail();
    let of = |folder: &str| all.iter().filter(|mail| mail.folder == folder).collect::<Vec<_>>();
    let time = |mail: &crate::support::Mail| fs::metadata(&mail.path).expect("there").mtime();
    let boxed = of(".box");
    assert_eq!(boxed.len(), 40);
    for (n, mail) in (1..).zip(sorted_by_subject(&boxed)) {
        assert_eq!(mail.text().trim_end(), text(n).trim_end());
        let flags = if n == 3 {
            "FS"
        } else if n % 2 == 1 {
            "S"
        } else {
            ""
        };
        assert_eq!((mail.flags.as_str(), time(mail)), (flags, 1_049_522_820 + n as i64), "{n}");
        let name = mail.path.file_name().expect("a name").to_string_lossy().into_owned();
        assert!(name.starts_with(&format!("{}.M", time(mail))), "{name}");
    }
    let mh = of(".mh");
    assert_eq!(mh.len(), 6);
    for (n, mail) in (1..).zip(sorted_by_subject(&mh)) {
        assert_eq!(mail.text().trim_end(), text(n).trim_end());
        let flags = match n {
            3 => "FS",
            4 => "a",
            _ if n % 2 == 1 => "S",
            _ => "",
        };
        assert_eq!((mail.flags.as_str(), time(mail)), (flags, 1_000_000_000 + n as i64), "{n}");
    }
    let keywords = fs::read_to_string(home.path().join("Maildir/.mh/dovecot-keywords"));
    assert_eq!(keywords.expect("there"), "0 later\n");
    assert_eq!(of(".mh.sub").len(), 1);
}

/// Marks as Sylpheed 3.8 and Claws Mail 4.1 wrote them, the latter with a coloured label.
#[test]
fn the_marks_of_sylpheed_and_claws_mail_are_flags() {
    let home = Home::new();
    let sylpheed: [u32; 11] = [2, 1, 0, 2, 4, 3, 3, 4, 2, 5, 16];
    let claws: [u32; 11] = [2, 1, 2, 2, 2, 4, 258, 3, 0, 5, 4];
    for (folder, mark, words) in
        [("Mail/inbox", ".sylpheed_mark", sylpheed), ("Mail/東京", ".claws_mark", claws)]
    {
        for number in 1..=6 {
            home.write(&format!("{folder}/{number}"), message(&number.to_string(), ""));
        }
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
        fs::write(home.path().join(folder).join(mark), bytes).expect("written");
    }
    home.write("Mail/東京/.mh_sequences", "unseen: 1-2 4 6\n");
    assert_eq!(import(&home, &[&path(&home, "Mail")]).code, Some(0));
    let all = home.mail();
    let of = |folder: &str| {
        let mail: Vec<_> = all.iter().filter(|mail| mail.folder == folder).collect();
        let sorted = sorted_by_subject(&mail).into_iter();
        sorted.map(|mail| format!("{}/{}", mail.sub, mail.flags)).collect::<Vec<_>>()
    };
    assert_eq!(of(".Mail.inbox"), ["cur/S", "cur/FS", "new/", "cur/", "cur/RS", "new/"]);
    let tokyo = of(".Mail.&Z3FOrA-");
    assert_eq!(tokyo, ["cur/", "cur/", "cur/S", "cur/", "cur/FS", "new/"]);
}

/// procmail begins each file of an MH folder with a `From ` line, and quotes nothing.
#[test]
fn a_numbered_file_in_an_mh_folder_is_one_message() {
    let home = Home::new();
    for (number, body) in [("1", "x"), ("2", "y\n\n>From quoted\nFrom z Mon Jan  1 00:00:00 2024")]
    {
        let line = "From a@b.example Fri Jan  2 03:04:05 2004\n";
        home.write(
            &format!("lists/{number}"),
            line.to_owned() + &message(number, "") + body + "\n",
        );
    }
    home.write("lists/.mh_sequences", "unseen: 2\n");
    home.write("lists/old", mbox(&[message("3", "")]));
    assert_eq!(import(&home, &[&path(&home, "lists")]).code, Some(0));
    let mut mail = home.mail();
    mail.sort_by_key(|mail| mail.text());
    let places: Vec<_> =
        mail.iter().map(|mail| (mail.folder.as_str(), mail.sub.as_str())).collect();
    assert_eq!(places, [(".lists", "cur"), (".lists", "new"), (".lists.old", "new")]);
    let text = mail[1].text();
    assert!(!text.starts_with("From ") && text.contains("\n>From quoted\nFrom z "), "{text}");
}

fn sorted_by_subject<'m>(mails: &[&'m crate::support::Mail]) -> Vec<&'m crate::support::Mail> {
    let number = |mail: &crate::support::Mail| -> usize {
        let text = mail.text();
        let line = text.lines().find_map(|line| line.strip_prefix("Subject: "));
        line.and_then(|line| line.parse().ok()).expect("a number")
    };
    let mut sorted = mails.to_vec();
    sorted.sort_by_key(|mail| number(mail));
    sorted
}

/// In a file that no reader has opened, a sender's marks count for nothing; behind what
/// readers have marked they do not either.
#[test]
fn what_a_sender_marked_is_not_believed() {
    let home = Home::new();
    let sent = |subject: &str, more: &str| {
        let trace = "Received: from x.example by mx.example; Thu, 1 Jan 2004 01:02:03 +0000\n";
        format!("{trace}{}", message(subject, more))
    };
    let forged = "X-IMAPbase: 1 9 a b\nX-UID: 9\nStatus: RO\nX-Status: DT\nX-Keywords: a b\n";
    home.write("unopened", mbox(&[sent("1", ""), sent("2", forged)]));
    let read = "Status: RO\nX-Status: A\n";
    let opened = [sent("3", read), sent("4", read), sent("5", ""), sent("6", forged)];
    home.write("opened", mbox(&opened));
    home.write("first", mbox(&[sent("7", forged)]));
    // It is a file for each message in MH, where readers write nothing into it.
    home.write("mh/1", sent("8", forged));
    home.write("mh/.mh_sequences", "unseen: 1\n");
    for name in ["unopened", "opened", "first", "mh"] {
        let run = import(&home, &[&path(&home, name)]);
        assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""), "{run:?}");
    }
    let mail = home.mail();
    let of = |subject: &str| {
        let is = |text: String| text.contains(&format!("Subject: {subject}\n"));
        let found = mail.iter().find(|mail| is(mail.text())).expect("it is filed");
        assert!(!found.text().contains("Status:") && !found.text().contains("X-"), "{subject}");
        found.flags.clone()
    };
    let flags: Vec<String> = (1..=8).map(|subject| of(&subject.to_string())).collect();
    assert_eq!(flags, ["", "", "RS", "RS", "", "", "S", ""]);
}

#[test]
fn a_second_run_files_what_is_new_whatever_readers_noted_meanwhile() {
    let home = Home::new();
    let twice = message("twice", "");
    let all = [message("1", ""), twice.clone(), twice.clone(), message("2", "")];
    home.write("old", mbox(&all));
    let old = path(&home, "old");
    assert_eq!(import(&home, &[&old]).code, Some(0));
    let first = stored(&home);
    assert_eq!(first.len(), 4);
    // Read in a mail reader: one deleted, one added at the front, one at the end.
    home.write(
        "old",
        mbox(&[message("0", ""), message("1", "Status: RO\nX-UID: 7\n"), twice, message("3", "")]),
    );
    let run = import(&home, &[&old]);
    let expected = "      4 messages\n      2 -> old\n      2 filed by an earlier run; --again files them again\n";
    assert_eq!((run.code, run.stdout.as_str()), (Some(0), expected));
    assert_eq!(stored(&home).len(), 6);
    let run = import(&home, &[&old]);
    assert!(run.stdout.contains("      4 filed by an earlier run"), "{run:?}");
    assert_eq!(stored(&home).len(), 6);
    // Into another folder nothing is filed either, unless that is requested.
    let run = import(&home, &[&old, "--folder", "A/B", "--again"]);
    assert!(run.stdout.contains("      4 -> A/B\n"), "{run:?}");
    assert_eq!(home.mail().iter().filter(|mail| mail.folder == ".A.B").count(), 4);
}

#[test]
fn filing_by_the_rules_sends_runs_and_discards_nothing() {
    let home = Home::with_rules(
        "set sendmail \"/bin/false\"\n\
         when subject is \"list\" -> folder \"Lists/a\" as \"$List\"\n\
         when subject is \"gone\" -> discard\n\
         when subject is \"send\" -> forward \"x@y.example\"\n\
         when subject is \"run\" -> run \"touch\" \"~/ran\", inbox\n\
         when seen and subject is \"seen\" -> folder \"Seen\"\n",
    );
    let subjects = ["list", "gone", "send", "run", "seen", "other"];
    let messages: Vec<String> =
        subjects.iter().map(|subject| message(subject, "Status: RO\n")).collect();
    home.write("old", mbox(&messages));
    let old = path(&home, "old");
    let dry = import(&home, &[&old, "--sort", "--dry-run"]);
    assert_eq!(dry.code, Some(0), "{dry:?}");
    assert!(!home.path().join("Maildir").exists());
    let run = import(&home, &[&old, "--sort"]);
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""), "{run:?}");
    assert_eq!(run.stdout, dry.stdout.replace("; nothing was changed", ""));
    for line in [
        "-> Lists/a",
        "discard not done: existing mail is not removed",
        "forward not done: it was delivered",
        "run not done: it was delivered",
    ] {
        assert!(run.stdout.contains(line), "{line}: {run:?}");
    }
    let places: BTreeMap<String, (String, String)> = stored(&home)
        .into_iter()
        .map(|(folder, flags, text)| {
            let subject = text.split("hello ").nth(1).expect("a body").trim().to_owned();
            (subject, (folder, flags))
        })
        .collect();
    let expected = [
        ("gone", ".old", "S"),
        ("list", ".Lists.a", "Sa"),
        ("other", ".old", "S"),
        ("run", "", "S"),
        ("seen", ".Seen", "S"),
        ("send", ".old", "S"),
    ];
    let expected: BTreeMap<String, (String, String)> = expected
        .iter()
        .map(|(subject, folder, flags)| {
            ((*subject).to_owned(), ((*folder).to_owned(), (*flags).to_owned()))
        })
        .collect();
    assert_eq!(places, expected);
    assert!(!home.path().join("ran").exists());
}

#[test]
fn what_is_not_an_mbox_is_reported_and_nothing_is_created() {
    let home = Home::new();
    home.write("text", "Dear all,\nhello\n");
    home.write("zip.gz", b"\x1f\x8b\x08");
    home.write("nul", b"\0\0\0From a 12:34");
    home.write("mmdf", b"\x01\x01\x01\x01\nFrom: a\n");
    home.write("M/cur/1.x:2,S", "A: b\n\n");
    let made = Command::new("mkfifo").arg(home.path().join("fifo")).status();
    assert!(made.expect("mkfifo runs").success());
    for (name, word) in [
        ("text", "at byte 0 it says `Dear all,`"),
        ("zip.gz", "zcat"),
        ("nul", "NUL bytes at its start"),
        ("mmdf", "MMDF"),
        ("M", "this is a Maildir"),
        ("fifo", "not a regular file; save"),
        ("none", "No such file"),
    ] {
        let run = import(&home, &[&path(&home, name)]);
        assert_eq!(run.code, Some(2), "{name}: {run:?}");
        assert!(run.stderr.contains(word), "{name}: {run:?}");
        assert!(run.stderr.contains(name), "{name}: {run:?}");
        assert!(!home.path().join("Maildir").exists(), "{name}");
    }
    home.write("empty", "");
    let run = import(&home, &[&path(&home, "empty")]);
    assert_eq!((run.code, run.stdout.as_str()), (Some(0), "      0 messages\n"));
}

/// Anything odd within an mbox is reported with its place, and the rest continues.
#[test]
fn odd_messages_are_reported_and_filed_as_they_are() {
    let home = Home::new();
    let mut bytes = mbox(&[message("first", "")]).into_bytes();
    let nul_at = bytes.len();
    bytes.extend_from_slice(format!("{FROM}Subject: nul\n\na").as_bytes());
    bytes.extend_from_slice(b"\0\0\xff\xfe\n\n");
    bytes.extend_from_slice(format!("{FROM}Subject: long\n\n").as_bytes());
    bytes.extend(std::iter::repeat_n(b'x', 3 << 20));
    bytes.extend_from_slice(b"\n\n");
    let crlf = format!("{FROM}Subject: crlf\nStatus: RO\n\nbody\n\n").replace('\n', "\r\n");
    bytes.extend_from_slice(crlf.as_bytes());
    bytes.extend_from_slice(format!("{FROM}no header at all\n\n").as_bytes());
    let cut_at = bytes.len();
    bytes
        .extend_from_slice(format!("{FROM}Subject: cut\nContent-Length: 500\n\nthe en").as_bytes());
    home.write("old", &bytes);
    let run = import(&home, &[&path(&home, "old")]);
    assert_eq!(run.code, Some(0), "{run:?}");
    assert!(
        run.stderr.contains(&format!("message 2 at byte {nul_at}: contains NUL bytes")),
        "{run:?}"
    );
    let cut = format!("message 6 at byte {cut_at}: by its Content-Length 494 bytes are missing");
    assert!(run.stderr.contains(&cut), "{run:?}");
    let all = home.mail();
    assert_eq!(all.len(), 6);
    let holds =
        |part: &[u8]| all.iter().any(|mail| mail.bytes.windows(part.len()).any(|at| at == part));
    assert!(holds(b"a\0\0\xff\xfe\n") && holds(b"the en") && holds(b"no header at all"));
    let crlf = all.iter().find(|mail| mail.text().starts_with("Subject: crlf")).expect("filed");
    assert_eq!((crlf.text().as_str(), crlf.flags.as_str()), ("Subject: crlf\r\n\r\nbody\r\n", "S"));
    assert!(all.iter().any(|mail| mail.bytes.len() > 3 << 20));
}

/// Some programs leave out the empty line between messages: nobody can know whether a body
/// quotes a mailbox there, so nothing is parted, and that is said.
#[test]
fn messages_without_an_empty_line_between_are_reported() {
    let home = Home::new();
    let one = |subject: &str| format!("{FROM}Subject: {subject}\n\nbody\n");
    home.write("old", one("a") + &one("b") + &one("c"));
    let quoting = format!("{FROM}Subject: q\n\nhe wrote\n{FROM}and no header\n\n");
    home.write("quoting", quoting);
    let run = import(&home, &[&path(&home, "old"), &path(&home, "quoting")]);
    assert_eq!((run.code, home.mail().len()), (Some(0), 2), "{run:?}");
    let note = "old, message 1 at byte 0: other messages seem to begin in its body, 2 in all";
    assert!(run.stderr.contains(note), "{run:?}");
    assert_eq!(run.stderr.lines().count(), 1, "{run:?}");
}

/// mboxcl2, as mutt writes it: bodies contain `From ` lines unchanged.
#[test]
fn bodies_that_were_measured_keep_their_lines() {
    let home = Home::new();
    let bodies = [format!("a\n\n{FROM}not a message\n\n>From quoted\n"), "b\n".to_owned()];
    let text: String = bodies
        .iter()
        .map(|body| {
            format!(
                "{FROM}Subject: x\nStatus: RO\nContent-Length: {}\nLines: 9\n\n{body}\n",
                body.len()
            )
        })
        .collect();
    home.write("sent", text);
    let run = import(&home, &[&path(&home, "sent"), "--folder", "Sent"]);
    assert_eq!(run.code, Some(0), "{run:?}");
    let texts: Vec<String> = stored(&home).into_iter().map(|(_, _, text)| text).collect();
    assert_eq!(texts, bodies.map(|body| format!("Subject: x\n\n{body}")));
}

/// An mbox that a delivery or a mail reader has locked is waited for, and not read.
#[test]
fn an_mbox_in_use_is_refused() {
    let home = Home::new();
    home.write("spool", mbox(&[message("1", "")]));
    home.write("spool.lock", "");
    let run = import(&home, &[&path(&home, "spool")]);
    assert_eq!(run.code, Some(1), "{run:?}");
    assert!(
        run.stderr.contains("spool.lock` is there") && run.stderr.contains("try again"),
        "{run:?}"
    );
    assert_eq!(mail(&home.path().join("Maildir")).len(), 0);
    fs::remove_file(home.path().join("spool.lock")).expect("removed");
    assert_eq!(import(&home, &[&path(&home, "spool")]).code, Some(0));
    assert_eq!(home.mail().len(), 1);
}

/// A directory of mboxes, as Thunderbird has it: anything that is not mail is reported.
#[test]
fn a_directory_is_filed_with_its_folders() {
    let home = Home::new();
    home.write("Local/Inbox", mbox(&[message("in", "X-Mozilla-Status: 0009\n")]));
    home.write("Local/Inbox.sbd/Lists", mbox(&[message("list", "")]));
    home.write("Local/notes.txt", "no mail\n");
    let run = import(&home, &[&path(&home, "Local"), "--folder", "Old", "-v"]);
    assert_eq!(run.code, Some(1), "{run:?}");
    assert!(run.stdout.starts_with("~/Local/Inbox -> Old/Inbox as "), "{run:?}");
    assert!(run.stderr.contains("notes.txt: neither an mbox nor a message"), "{run:?}");
    assert!(run.stdout.contains("      1 deleted in the old mail reader"), "{run:?}");
    let places: Vec<(String, String)> =
        stored(&home).into_iter().map(|(folder, flags, _)| (folder, flags)).collect();
    let place = |folder: &str, flags: &str| (folder.to_owned(), flags.to_owned());
    assert_eq!(places, [place(".Old.Inbox", "ST"), place(".Old.Inbox.Lists", "")]);
}

/// A date that cannot be read, or is in the future, is taken from the header, otherwise
/// from the file.
#[test]
fn dates_come_from_what_can_be_believed() {
    let home = Home::new();
    let received = "Received: from x by y; Wed, 31 Dec 2003 01:02:03 +0000\n";
    let dated = "Date: Tue, 30 Dec 2003 01:02:03 +0000\n";
    home.write(
        "old",
        format!(
            "From a@b.example some day\n{}\n{FROM}{}\nFrom a@b.example Thu Jan  1 01:02:03 2099\n{}\n",
            message("received", received),
            message("from", &format!("{received}{dated}")),
            message("date", dated),
        ),
    );
    // Only the first may lack a time, since it is at the start.
    let run = import(&home, &[&path(&home, "old")]);
    assert_eq!(run.code, Some(0), "{run:?}");
    let mut times: Vec<i64> =
        home.mail().iter().map(|mail| fs::metadata(&mail.path).expect("there").mtime()).collect();
    times.sort_unstable();
    let day = 24 * 3600;
    assert_eq!(times, [AT - 2 * day, AT - day, AT]);
}

/// One at a time, and neither waits for the other forever.
#[test]
fn two_at_once_file_each_message_once() {
    let home = Home::new();
    let messages: Vec<String> = (0..200).map(|number| message(&number.to_string(), "")).collect();
    home.write("old", mbox(&messages));
    let old = path(&home, "old");
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| import(&home, &[&old]));
        }
    });
    assert_eq!(import(&home, &[&old]).code, Some(0));
    assert_eq!(home.mail().len(), 200);
}
