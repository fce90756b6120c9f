//! Mail handed over by `mfilter lmtp` with IMAP APPEND: to a server of the tests' own,
//! which keeps what it is given and breaks off where it is told to, and to a real Dovecot
//! by a master user.

#![allow(clippy::print_stderr, reason = "a skipped test says so")]

use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use rustix::process::Signal;

use crate::support::dovecot::Dovecot;
use crate::support::imap::DOVEADM;
use crate::support::imap_store::{ImapBehaviour, ImapStore};
use crate::support::lmtp_site::{Site, insist, signal, wire};
use crate::support::lost_replies::LostReplies;
use crate::support::{Home, long, run, skipped, wait_for};

const TARO: &str = "taro@x.example";
const LOGIN: &str = "/usr/lib/dovecot/imap-login";

fn message(subject: &str) -> Vec<u8> {
    wire(format!("From: a@b.example\nSubject: {subject}\n\n.こんにちは\n").as_bytes())
}

/// The settings for an IMAP server at a socket, whose password is `secret`.
fn configure(site: &Site, socket: &Path) {
    let path = site.path("password");
    fs::write(&path, "secret\n").expect("written");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("set");
    site.give(&path);
    let settings = format!(
        "store = imap:unix:{}\nstore-login = mfilter\nstore-password-file = {}\n",
        socket.display(),
        path.display()
    );
    fs::write(site.path("lmtp.conf"), settings).expect("written");
}

fn start(site: &mut Site, options: &[&str]) {
    let config = site.path("lmtp.conf").display().to_string();
    let options = [&["--config", &config], options].concat();
    site.start(&options);
}

/// Folder, flags and text of each message of a user.
fn kept(server: &ImapStore, user: &str) -> Vec<(String, String, String)> {
    let folders = server.folders(user).into_iter();
    folders
        .flat_map(|(name, folder)| {
            folder.messages.into_iter().map(move |message| {
                let text = String::from_utf8(message.bytes).expect("UTF-8");
                (name.clone(), message.flags, text)
            })
        })
        .collect()
}

#[test]
fn each_recipient_has_it_where_his_rules_say() {
    let server = ImapStore::start(ImapBehaviour::default());
    let mut site = Site::new();
    site.user("taro", "when subject is \"a\" -> copy \"Two\", folder \"迷惑/A\" as seen \"$W\"\n");
    site.user("hanako", "set subscribe off\nfolder \"INBOX/X\" as flagged\n");
    configure(&site, &server.socket());
    start(&mut site, &[]);
    let to = ["taro+detail@x.example", "hanako@x.example", "nobody@x.example"];
    let answers = site.connect().deliver(&to, &message("a")).expect("there");
    assert!(answers[0].starts_with("250") && answers[1].starts_with("250"), "{answers:?}");
    let text = |to: &str| {
        format!(
            "Return-Path: <sender@far.example>\r\nDelivered-To: {to}\r\nFrom: a@b.example\r\n\
             Subject: a\r\n\r\n.こんにちは\r\n"
        )
    };
    let detail = text("taro+detail@x.example");
    assert_eq!(
        kept(&server, TARO),
        [
            ("&j,dg0Q-/A".to_owned(), "\\Seen $W".to_owned(), detail.clone()),
            ("Two".to_owned(), String::new(), detail),
        ]
    );
    let hanako = ("X".to_owned(), "\\Flagged".to_owned(), text("hanako@x.example"));
    assert_eq!(kept(&server, "hanako@x.example"), [hanako]);
    let is_subscribed = |user, name| server.folders(user)[name].is_subscribed;
    assert!(is_subscribed(TARO, "Two") && !is_subscribed("hanako@x.example", "X"));
    assert!(!site.maildir("taro").exists());
    site.stop();
    assert!(site.output().contains("folder=迷惑/A "), "{}", site.output());
    assert!(
        !site.output().contains("secret") && !site.output().contains("c2Vj"),
        "{}",
        site.output()
    );
}

/// A worker dies between its APPEND and the answer.
#[test]
fn a_worker_that_is_killed_at_its_append_loses_and_doubles_nothing() {
    let slow: fn(Vec<u8>) -> Vec<u8> = |bytes| {
        std::thread::sleep(Duration::from_millis(300));
        bytes
    };
    let server = ImapStore::start(ImapBehaviour { stores: slow, ..ImapBehaviour::default() });
    let mut site = Site::new();
    site.user("taro", "copy \"A\", folder \"B\"\n");
    configure(&site, &server.socket());
    start(&mut site, &["--workers", "1"]);
    let count = || kept(&server, TARO).len();
    let appends = || server.commands().iter().filter(|output| output.starts_with("APPEND")).count();
    for round in 0..4 {
        let text = message(&format!("m{round}"));
        let (before, there) = (appends(), count());
        // At the first or the second copy.
        let expected = 1 + round % 2;
        std::thread::scope(|scope| {
            let delivery = scope.spawn(|| site.connect().deliver(&[TARO], &text).expect("there"));
            wait_for("an APPEND", || (appends() >= before + expected).then_some(()));
            site.workers().into_iter().for_each(|worker| signal(worker, Signal::KILL));
            let answers = delivery.join().expect("an answer");
            assert!(answers[0].starts_with("451"), "{answers:?}");
        });
        wait_for("what the server was at", || (count() >= there + expected).then_some(()));
        let answers = site.connect().deliver(&[TARO], &text).expect("there");
        assert!(answers[0].starts_with("250"), "{answers:?}\n{}", site.output());
        assert_eq!(count(), there + 2, "round {round}");
        let journals = fs::read_dir(site.path("state")).expect("there").flatten();
        let left = journals.filter_map(|user| fs::read_dir(user.path().join("half-done")).ok());
        assert_eq!(left.map(Iterator::count).sum::<usize>(), 0);
    }
    site.stop();
}

#[test]
fn the_check_says_whether_the_login_works() {
    let server = ImapStore::start(ImapBehaviour::default());
    let site = Site::new();
    site.user("taro", "");
    configure(&site, &server.socket());
    fs::create_dir(site.path("state")).expect("made");
    fs::set_permissions(site.path("state"), fs::Permissions::from_mode(0o700)).expect("set");
    site.give(&site.path("state"));
    let check = |options: &[&str]| {
        let config = site.path("lmtp.conf").display().to_string();
        let listen = format!("unix:{}", site.socket().display());
        let mut command = site.command(&["--check", "--config", &config, "--listen", &listen]);
        command.args(options);
        let done = run(command, b"");
        let line = done.stdout.lines().find(|line| line.starts_with("store: ")).map(str::to_owned);
        (done.code, line.unwrap_or(done.stderr))
    };
    let (code, line) = check(&[]);
    assert!(
        code == Some(0) && line.ends_with("answers; `--user ADDRESS` tries the login"),
        "{line}"
    );
    let user = ["--user", "taro+x@x.example"];
    let (code, line) = check(&user);
    assert!(code == Some(0) && line.ends_with("lets `mfilter` in for `taro@x.example`"), "{line}");
    fs::write(site.path("password"), "other\n").expect("written");
    let (code, line) = check(&user);
    let expected =
        "it refuses the login of `mfilter` for `taro@x.example`: NO [AUTHENTICATIONFAILED]";
    assert!(code == Some(1) && line.contains(expected) && !line.contains("other"), "{line}");
    fs::set_permissions(site.path("password"), fs::Permissions::from_mode(0o644)).expect("set");
    let (code, line) = check(&[]);
    assert!(code == Some(1) && line.contains("everybody may read it"), "{line}");
    // What cannot work is said before anything is.
    fs::write(site.path("lmtp.conf"), "store = imap:127.0.0.1:143\n").expect("written");
    let (code, line) = check(&[]);
    assert!(code != Some(0) && line.contains("needs `store-login`"), "{line}");
    // A user's own process has no password of the site's.
    let home = Home::new();
    let single = home.command(&["--store", "imap:127.0.0.1:143", "-d", TARO]);
    let done = run(single, b"Subject: x\n\nx\n");
    assert!(
        done.code == Some(75) && done.stderr.contains("a store is `lmtp:unix:PATH`"),
        "{done:?}"
    );
}

fn cannot_run() -> bool {
    skipped("the test with Dovecot's IMAP server", &[DOVEADM, LOGIN], false)
}

/// A Dovecot whose master user is `mfilter`, and which speaks IMAP at its socket.
fn dovecot() -> Dovecot {
    let home = Home::new();
    home.write("master", "mfilter:{PLAIN}secret\n");
    let path = home.path().display().to_string();
    let settings = format!(
        "protocols = imap\npassdb {{\n driver = passwd-file\n args = {path}/master\n master = yes\n}}\n\
         service imap-login {{\n chroot =\n inet_listener imap {{\n  port = 0\n }}\n\
         \x20unix_listener {path}/lmtp {{\n  mode = 0666\n }}\n}}\n"
    );
    Dovecot::with(home, "sdbox", &settings)
}

#[test]
fn no_message_in_dovecot_is_seen_without_its_flags() {
    if cannot_run() {
        return;
    }
    let count = if long() { 300 } else { 40 };
    let dovecot = dovecot();
    let mut site = Site::new();
    site.user("taro", "folder \"迷惑/A\" as seen flagged \"$Work\"\n");
    configure(&site, &dovecot.socket());
    start(&mut site, &[]);
    let mut client = site.connect();
    let answers = client.deliver(&[TARO], &message("0")).expect("there");
    assert!(answers[0].starts_with("250"), "{answers:?}\n{}", dovecot.log());
    let over = AtomicBool::new(false);
    let polls = std::thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            let mut imap = dovecot.imap(TARO);
            imap.done("EXAMINE \"&j,dg0Q-/A\"");
            imap.poll_flags(&["\\Seen", "\\Flagged", "$Work"], count, &over)
        });
        for number in 1..count {
            let answers = client.deliver(&[TARO], &message(&number.to_string())).expect("there");
            assert!(answers[0].starts_with("250"), "{answers:?}");
        }
        over.store(true, Ordering::Relaxed);
        watcher.join().expect("all have their flags")
    });
    assert!(polls > 5, "{polls}");
    let folders: HashSet<String> = dovecot.fetch(TARO, "mailbox").into_iter().collect();
    assert_eq!(folders, HashSet::from(["迷惑/A".to_owned()]));
    let subscribed = dovecot.imap(TARO).done("LSUB \"\" \"*\"").concat();
    assert!(subscribed.contains("&j,dg0Q-/A"), "{subscribed}");
    site.stop();
}

#[test]
fn every_reply_of_dovecot_lost_once_doubles_none_and_loses_none() {
    if cannot_run() {
        return;
    }
    let each = if long() { 50 } else { 4 };
    let dovecot = dovecot();
    let proxy = LostReplies::of_imap(dovecot.socket(), None);
    let mut site = Site::new();
    site.user("taro", "when subject ends \"1\" -> copy \"B\" as \"$W\", folder \"日本\"\n");
    configure(&site, proxy.path());
    start(&mut site, &["--workers", "8"]);
    let (tries, expected) = (AtomicUsize::new(0), 8 * each);
    std::thread::scope(|scope| {
        for connection in 0..8 {
            let (site, tries) = (&site, &tries);
            scope.spawn(move || {
                let mut client = site.connect();
                for number in 0..each {
                    let text = message(&format!("{connection}.{number}"));
                    tries.fetch_add(insist(&mut client, TARO, &text), Ordering::Relaxed);
                }
            });
        }
    });
    let copies =
        expected + (0..each).filter(|number| number.to_string().ends_with('1')).count() * 8;
    assert_eq!(dovecot.distinct_copies(TARO), copies, "none lost");
    assert!(tries.load(Ordering::Relaxed) >= 2 * expected);
    assert_eq!(proxy.lost(), copies, "each was lost once");
    site.stop();
}
