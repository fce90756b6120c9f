//! What an IMAP user sees of our deliveries, through a real Dovecot.

#![allow(clippy::print_stderr, reason = "a skipped test says so")]

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use crate::support;
use crate::support::imap::{self, DOVEADM, Imap, NOBODY, as_owner, own};
use crate::support::{Home, Run, run, skipped};

const RULES: &str = r#"
when subject is "junk"    -> folder "迷惑メール" as seen
when subject is "nested"  -> folder "A/B"
when subject is "keyword" -> folder "A" as flagged "$Work"
when subject is "again"   -> folder "A" as "$Second" "$Work"
when subject is "copies"  -> copy "A/B" as seen, inbox as replied
"#;

fn deliver(home: &Home, subjects: &[&str]) {
    own(home, rustix::process::geteuid().as_raw());
    for subject in subjects {
        let message = format!("From: a@b.example\nSubject: {subject}\n\nこんにちは\n");
        let run = home.deliver(message.as_bytes());
        assert_eq!(run.code, Some(0), "{run:?}");
        assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("", ""), "silent on success");
    }
}

/// Runs doveadm on a home's Maildir as its owner.
fn doveadm(home: &Home, location: &str, arguments: &[&str]) -> String {
    imap::configure(home, &format!("Maildir{location}"));
    own(home, NOBODY);
    let output = imap::doveadm(home, arguments).output().expect("doveadm runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    // Messages that come back after `sort --undo`, as they should.
    let mut errors = errors.lines().filter(|line| !line.contains("Expunged message reappeared"));
    assert!(output.status.success() && errors.next().is_none(), "{output:?}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// `folder: subject flags` of each message, sorted.
fn seen(home: &Home, location: &str) -> Vec<String> {
    let fetch = ["-f", "tab", "fetch", "mailbox flags hdr.subject", "ALL"];
    let mut seen: Vec<String> = doveadm(home, location, &fetch)
        .lines()
        .skip(1)
        .map(|line| match line.split('\t').collect::<Vec<_>>().as_slice() {
            [folder, flags, subject] => {
                let mut flags: Vec<_> =
                    flags.split(' ').filter(|flag| !matches!(*flag, "" | "\\Recent")).collect();
                flags.sort_unstable();
                format!("{folder}: {subject} {}", flags.join(" "))
            }
            _ => panic!("{line}"),
        })
        .collect();
    seen.sort();
    seen
}

fn as_an_imap_user_sees_it(settings: &str, location: &str) {
    let home = Home::with_rules(&format!("{settings}{RULES}"));
    deliver(&home, &["junk", "nested", "keyword", "copies", "else"]);
    let expected = [
        "A/B: copies \\Seen",
        "A/B: nested ",
        "A: keyword $Work \\Flagged",
        "INBOX: copies \\Answered",
        "INBOX: else ",
        "迷惑メール: junk \\Seen",
    ];
    assert_eq!(seen(&home, location), expected);
    let mut folders: Vec<String> =
        doveadm(&home, location, &["mailbox", "list"]).lines().map(str::to_string).collect();
    folders.sort();
    assert_eq!(folders, ["A", "A/B", "INBOX", "迷惑メール"]);

    // Dovecot has its own lists now; ours must be consistent with them.
    deliver(&home, &["again", "junk"]);
    let again = seen(&home, location);
    assert_eq!(again.len(), expected.len() + 2, "{again:?}");
    for line in ["A: again $Second $Work", "A: keyword $Work \\Flagged"] {
        assert!(again.iter().any(|seen| seen == line), "{again:?}");
    }
    let log = fs::read_to_string(home.path().join("dovecot.log")).unwrap_or_default();
    assert_eq!(log, "", "Dovecot has nothing to complain of");
}

#[test]
fn folders_flags_and_keywords_in_a_maildir_plus_plus() {
    if skipped("the test with a real Dovecot", &[DOVEADM], false) {
        return;
    }
    as_an_imap_user_sees_it("", "");
}

#[test]
fn folders_flags_and_keywords_in_the_fs_layout() {
    if skipped("the test with a real Dovecot", &[DOVEADM], false) {
        return;
    }
    as_an_imap_user_sees_it("set layout fs\nset folder-names utf8\n", ":LAYOUT=fs:UTF-8");
    as_an_imap_user_sees_it("set layout fs\n", ":LAYOUT=fs");
}

/// The special uses of folders that Dovecot reports to its clients (RFC 6154 §2) are
/// known from its configuration: `sort --all` leaves these folders alone, whatever
/// their names are.
#[test]
fn special_uses_of_the_server_are_known() {
    if skipped("the test with a real Dovecot", &[DOVEADM], false) {
        return;
    }
    let home = Home::with_rules("when subject is \"a\" -> folder \"A\"\n");
    for folder in ["", ".Gone", ".Not wanted", ".Plain"] {
        fs::create_dir_all(home.path().join(format!("Maildir/{folder}/new"))).expect("made");
    }
    imap::configure(&home, "Maildir");
    // As packages do it, in included files.
    let main = fs::read_to_string(home.path().join("dovecot.conf")).expect("there");
    home.write("etc/dovecot.conf", format!("{main}!include conf.d/*.conf\n"));
    home.write(
        "etc/conf.d/15-mailboxes.conf",
        "namespace inbox {\n  mailbox Gone {\n    special_use = \\Trash\n  }\n\
         \x20 mailbox \"Not wanted\" {\n    special_use = \\Junk\n  }\n}\n",
    );
    home.write("dovecot.conf", "!include etc/dovecot.conf\n");
    for folder in ["Gone", "Not wanted", "Plain"] {
        home.write(&format!("Maildir/.{folder}/cur/1.{folder}:2,S"), "Subject: a\n\nx\n");
    }
    let program = support::program_in(home.path()).display().to_string();
    own(&home, NOBODY);
    let mut imap = Imap::start(&home);
    let result = imap.done("LIST (SPECIAL-USE) \"\" \"*\"").join("\n");
    assert!(result.contains("\\Trash) \"/\" Gone") && result.contains("\\Junk"), "{result}");
    imap.end();
    let path = home.path().display();
    let script = format!(
        "mkdir -p /etc/dovecot && mount --bind {path}/etc /etc/dovecot && exec {program} sort --all"
    );
    let mut command = Command::new("unshare");
    command.args(["-U", "-r", "-m", "sh", "-c", &script]).env_clear();
    command.env("HOME", home.path()).env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin");
    own(&home, rustix::process::geteuid().as_raw());
    let sorted = run(command, b"");
    if sorted.stderr.contains("unshare") || sorted.stderr.contains("mount") {
        eprintln!("skipped: no other /etc/dovecot can be mounted: {}", sorted.stderr);
        return;
    }
    assert_eq!((sorted.code, sorted.stderr.as_str()), (Some(0), ""), "{sorted:?}");
    assert_eq!(seen(&home, ""), ["A: a \\Seen", "Gone: a \\Seen", "Not wanted: a \\Seen"]);
}

#[test]
fn the_test_itself_would_notice() {
    if skipped("the test with a real Dovecot", &[DOVEADM], false) {
        return;
    }
    let home = Home::new();
    home.write("Maildir/cur/1.a:2,FS", "Subject: x\n\n");
    fs::create_dir_all(home.path().join("Maildir/.&j,dg0TDhMPww6w-/new")).expect("a folder");
    assert_eq!(seen(&home, ""), ["INBOX: x \\Flagged \\Seen"]);
}

#[test]
fn a_silent_or_closed_server_ends_the_client() {
    let says = |script: &str| {
        let mut server = Command::new("/bin/sh");
        server.args(["-c", &format!("echo '* PREAUTH'; read -r x; {script}")]);
        let mut imap = Imap::of(server, Duration::from_millis(300)).expect("it greets");
        imap.ask("NOOP")
    };
    assert_eq!(says("echo '* a'; echo t1 OK").expect("OK"), ("OK".into(), vec!["* a".into()]));
    let why = |script| says(script).expect_err("no answer").kind();
    assert_eq!(why("echo '* a'"), io::ErrorKind::UnexpectedEof);
    assert_eq!(why("printf 't1 O'"), io::ErrorKind::UnexpectedEof);
    let late = |kind| matches!(kind, io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock);
    assert!(late(why("exec sleep 100")));
    assert!(late(why("while sleep 0.05; do echo '* still here'; done")));
}

/// Sets the flag when it is dropped, however the test ends.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Runs the program as the Maildir's owner.
fn mfilter(home: &Home, arguments: &[&str]) -> Run {
    let program = support::program_in(home.path()).display().to_string();
    run(as_owner(home, &program, arguments), b"")
}

/// Folder and flags of each message, by its subject; each exists once.
fn by_subject(home: &Home) -> BTreeMap<String, (String, Vec<String>)> {
    let mut found = BTreeMap::new();
    for line in seen(home, "") {
        let (folder, rest) = line.split_once(": ").expect("a folder");
        let mut words = rest.split(' ').map(str::to_owned);
        let subject = words.next().expect("a subject");
        let flags: Vec<String> = words.filter(|word| !word.is_empty()).collect();
        let before = found.insert(subject.clone(), (folder.to_owned(), flags));
        assert!(before.is_none(), "{subject} is there twice");
    }
    found
}

#[test]
fn mail_is_sorted_while_an_imap_client_flags_it() {
    if skipped("the test with a real Dovecot", &[DOVEADM], false) {
        return;
    }
    const COUNT: usize = 600;
    let home = Home::with_rules(
        "when subject starts \"a\" -> folder \"A\"\nwhen subject starts \"b\" -> folder \"迷惑メール\" as seen \"$B\"\n",
    );
    for number in 0..COUNT {
        let letter = ["a", "b", "c"][number % 3];
        let path = match number % 4 {
            0 => format!("Maildir/new/{number}.x"),
            1 => format!("Maildir/cur/{number}.x:2,FS"),
            _ => format!("Maildir/cur/{number}.x:2,"),
        };
        home.write(&path, format!("Subject: {letter}{number}\nFrom: a@b.example\n\nx\n"));
    }
    // Keywords with other letters in the folders that the mail will be moved to.
    home.write("Maildir/.A/cur/1.y:2,", "Subject: other\nFrom: a@b.example\n\nx\n");
    imap::configure(&home, "Maildir");
    own(&home, NOBODY);
    let mut imap = Imap::start(&home);
    imap.done("SELECT A");
    imap.done("STORE 1:* +FLAGS ($One $Two $Work)");
    imap.done("SELECT INBOX");
    imap.done(&format!("STORE 1:{} +FLAGS ($Work)", COUNT / 2));
    imap.done(&format!("STORE {}:{} +FLAGS ($Two)", COUNT / 4, COUNT / 2));
    let before = by_subject(&home);
    assert_eq!(before.len(), COUNT + 1);

    let (over, stored) = (AtomicBool::new(false), AtomicUsize::new(0));
    let sorted = std::thread::scope(|scope| {
        let client = scope.spawn(|| {
            let mut number = 0;
            while !over.load(Ordering::Relaxed) {
                number = (number + 7) % COUNT;
                // The message may have been moved away.
                let (end, _) =
                    imap.call(&format!("STORE {} +FLAGS (\\Answered $Late)", number + 1));
                stored.fetch_add(usize::from(end.starts_with("OK")), Ordering::Relaxed);
                imap.done("NOOP");
            }
            imap
        });
        // If anything fails here, the client must still end.
        let over = Over(&over);
        support::wait_for("flags", || (stored.load(Ordering::Relaxed) > 5).then_some(()));
        let sorted = mfilter(&home, &["sort"]);
        drop(over);
        client.join().expect("no panic").end();
        sorted
    });
    // A message that the client's server renamed five times is left for a second run.
    assert_eq!(sorted.code, Some(0), "{sorted:?}");
    let again = mfilter(&home, &["sort"]);
    assert_eq!((again.code, again.stderr.as_str()), (Some(0), ""), "{again:?}");
    let after = by_subject(&home);
    assert_eq!(after.len(), COUNT + 1, "none lost");
    for (subject, (folder, flags)) in &before {
        let (now, has) = &after[subject];
        let expected = match subject.get(..1) {
            Some("a") => "A",
            Some("b") => "迷惑メール",
            _ => folder,
        };
        assert_eq!(now, expected, "{subject}");
        let added: &[&str] = if subject.starts_with('b') { &["\\Seen", "$B"] } else { &[] };
        for flag in flags.iter().map(String::as_str).chain(added.iter().copied()) {
            assert!(has.iter().any(|each| each == flag), "{subject} lost {flag}: {has:?}");
        }
        for flag in has {
            let known = flags.contains(flag) || added.contains(&flag.as_str());
            let late = flag == "\\Answered" || flag == "$Late";
            assert!(known || late, "{subject} has {flag}: {flags:?}");
        }
    }
    let late = after.values().filter(|(_, flags)| flags.iter().any(|flag| flag == "$Late"));
    assert!(late.count() > 5);

    let back = mfilter(&home, &["sort", "--undo"]);
    assert_eq!(back.code, Some(0), "{back:?}");
    while mfilter(&home, &["sort", "--undo"]).code == Some(0) {}
    let back = by_subject(&home);
    for (subject, (folder, flags)) in &before {
        let (now, has) = &back[subject];
        assert_eq!(now, folder, "{subject}");
        let without = |flags: &[String]| -> Vec<String> {
            let stay = |flag: &&String| !["\\Answered", "$Late"].contains(&flag.as_str());
            flags.iter().filter(stay).cloned().collect()
        };
        assert_eq!(without(has), without(flags), "{subject}");
    }
    let log = fs::read_to_string(home.path().join("dovecot.log")).unwrap_or_default();
    let bad = |line: &&str| ["Error:", "Panic:", "Fatal:"].iter().any(|word| line.contains(word));
    assert_eq!(log.lines().filter(bad).collect::<Vec<_>>(), Vec::<&str>::new());
}
