//! All programs together: a Dovecot that keeps the mail, mbsync that fetches it and
//! takes moves back, `mfilter watch` between them, and an IMAP client.

#![allow(clippy::print_stderr, reason = "a skipped test says so")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use crate::support;
use crate::support::imap::{self, DOVEADM, Imap, NOBODY, as_owner, doveadm, own};
use crate::support::{Home, skipped, wait_for};
use rustix::process::{Pid, Signal, kill_process};

const MBSYNC: &str = "/usr/bin/mbsync";
const OFFLINEIMAP: &str = "/usr/bin/offlineimap";
/// 迷惑メール as IMAP names it.
const JUNK: &str = "&j,dg0TDhMPww6w-";

const RULES: &str = r#"list white "white"
list black "black"

on moved to "迷惑メール"   -> add from to black, remove from from white
on moved from "迷惑メール" -> add from to white, remove from from black

when from in white           -> folder "White"
when from in black           -> folder "迷惑メール" as seen
when subject starts "junk"   -> folder "迷惑メール" as seen
when subject starts "list"   -> folder "Lists/a"
"#;

/// How the mail is laid out here.
#[derive(Clone, Copy)]
enum Near {
    /// mbsync's `SubFolders Maildir++`.
    Plus,
    /// mbsync's `Path`, with the inbox beside the other folders.
    Verbatim,
    /// As OfflineIMAP has it, with `/` between levels.
    Offline,
}

impl Near {
    /// The directory of a folder, by its parts as they are on disk.
    fn folder(self, home: &Home, parts: &[&str]) -> PathBuf {
        let maildir = home.path().join("Maildir");
        match (self, parts) {
            (Near::Plus, []) => maildir,
            (Near::Plus, parts) => maildir.join(format!(".{}", parts.join("."))),
            (_, []) => maildir.join("INBOX"),
            (_, parts) => parts.iter().fold(maildir, |path, part| path.join(part)),
        }
    }

    /// The folder for lists. OfflineIMAP takes a directory that only holds folders for a
    /// folder itself, and fails.
    fn list(self) -> &'static [&'static str] {
        if matches!(self, Near::Offline) { &["Lists"] } else { &["Lists", "a"] }
    }

    fn synchronize(self, home: &Home) {
        let (program, arguments): (&str, &[&str]) = match self {
            Near::Offline => (OFFLINEIMAP, &["-o", "-u", "quiet"]),
            _ => (MBSYNC, &["-q", "-a"]),
        };
        let output = as_owner(home, program, arguments).output().expect("it runs");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{errors}{}", String::from_utf8_lossy(&output.stdout));
    }
}

/// A home with rules, empty lists, and a Dovecot whose mail is in `server`.
fn home(server: &str, near: Near) -> Home {
    let settings = match near {
        Near::Plus => "",
        _ => "set layout fs\nset inbox \"INBOX\"\n",
    };
    let rules = RULES.replace("Lists/a", &near.list().join("/"));
    let home = Home::with_rules(&format!("{settings}{rules}"));
    if !matches!(near, Near::Plus) {
        fs::create_dir(home.path().join("Maildir")).expect("made");
    }
    let path = home.path().display().to_string();
    for list in ["white", "black"] {
        home.write(list, "");
    }
    for sub in ["new", "cur", "tmp"] {
        fs::create_dir_all(home.path().join(server).join(sub)).expect("made");
    }
    imap::configure(&home, server);
    let config = "IMAPAccount server\nTunnel \"exec /usr/bin/doveadm -c HOME/dovecot.conf exec imap\"\n\n\
         IMAPStore far\nAccount server\n\n\
         MaildirStore near\nNEAR\n\n\
         Channel mail\nFar :far:\nNear :near:\nPatterns *\nCreate Both\nExpunge Both\nSyncState *\n";
    let store = match near {
        Near::Plus => "Inbox HOME/Maildir\nSubFolders Maildir++",
        _ => "Path HOME/Maildir/\nInbox HOME/Maildir/INBOX\nSubFolders Verbatim",
    };
    home.write(".mbsyncrc", config.replace("NEAR", store).replace("HOME", &path));
    let config = "[general]\naccounts = a\nmetadata = HOME/.offline\n\n\
         [Account a]\nlocalrepository = near\nremoterepository = far\n\n\
         [Repository near]\ntype = Maildir\nlocalfolders = HOME/Maildir\nsep = /\n\n\
         [Repository far]\ntype = IMAP\nremoteuser = nobody\nssl = no\nstarttls = no\n\
         preauthtunnel = exec /usr/bin/doveadm -c HOME/dovecot.conf exec imap\n";
    home.write(".offlineimaprc", config.replace("HOME", &path));
    support::program_in(home.path());
    own(&home, NOBODY);
    home
}

struct Watch(Child);

impl Watch {
    fn start(home: &Home) -> Watch {
        let err = fs::File::create(home.path().join("err")).expect("made");
        let program = home.path().join("mfilter").display().to_string();
        let child = as_owner(home, &program, &["watch"]).stdin(Stdio::null()).stderr(err).spawn();
        Watch(child.expect("it starts"))
    }

    fn end(mut self) {
        kill_process(Pid::from_child(&self.0), Signal::TERM).expect("it is ours");
        assert_eq!(self.0.wait().expect("it ends").code(), Some(0));
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Where the server has each message, by its subject; each is there exactly once.
fn on_server(home: &Home) -> BTreeMap<String, String> {
    ask_server(home).expect("nothing moves")
}

/// The same; `None` if something moved while it was read.
fn ask_server(home: &Home) -> Option<BTreeMap<String, String>> {
    let fetch = ["-f", "tab", "fetch", "mailbox flags hdr.subject", "ALL"];
    let output = doveadm(home, &fetch).output().expect("doveadm runs");
    if !output.status.success() {
        eprintln!("{}", String::from_utf8_lossy(&output.stderr));
        return None;
    }
    let mut found = BTreeMap::new();
    for line in String::from_utf8(output.stdout).expect("UTF-8").lines().skip(1) {
        let [folder, flags, subject] = line.split('\t').collect::<Vec<_>>()[..] else {
            panic!("{line}")
        };
        let flags = flags.split(' ').filter(|flag| *flag == "\\Seen").collect::<String>();
        if found.insert(subject.to_owned(), format!("{folder} {flags}")).is_some() {
            eprintln!("{subject} is there twice");
            return None;
        }
    }
    Some(found)
}

/// Mail arrives at the server.
fn comes(home: &Home, server: &str, sender: &str, subject: &str) {
    let text = format!(
        "From: {sender}@x.example\r\nSubject: {subject}\r\nMessage-ID: <{subject}@x>\r\nDate: Thu, 24 Dec 2026 20:00:00 +0900\r\n\r\nhi\r\n"
    );
    let tmp = home.path().join(server).join("tmp").join(subject);
    fs::write(&tmp, text).expect("written");
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::chown(&tmp, Some(NOBODY), None).expect("owned");
    }
    let new = home.path().join(server).join("new").join(format!("{subject}.mx"));
    fs::rename(tmp, new).expect("renamed");
}

fn count(directory: &Path) -> usize {
    fs::read_dir(directory).map_or(0, |entries| {
        entries.flatten().filter(|e| !e.file_name().to_string_lossy().starts_with('.')).count()
    })
}

fn text(home: &Home, name: &str) -> String {
    fs::read_to_string(home.path().join(name)).unwrap_or_default()
}

#[test]
fn what_mbsync_fetches_is_filed_and_taken_back_and_moves_teach() {
    if skipped("the test with Dovecot and mbsync", &[DOVEADM, MBSYNC], false) {
        return;
    }
    moves_there_and_here(Near::Plus);
    moves_there_and_here(Near::Verbatim);
}

#[test]
fn what_offlineimap_fetches_is_filed_and_taken_back_and_moves_teach() {
    if skipped("the test with Dovecot and OfflineIMAP", &[DOVEADM, OFFLINEIMAP], false) {
        return;
    }
    moves_there_and_here(Near::Offline);
}

/// Mail arrives at the server and is filed here; what is moved there teaches, and
/// stays, read or not.
fn moves_there_and_here(near: Near) {
    let home = home("Server", near);
    let mbsync = |home: &Home| near.synchronize(home);
    let local = |parts: &[&str], sub: &str| near.folder(&home, parts).join(sub);
    let (list, place) = (near.list(), format!("{} ", near.list().join("/")));
    let watch = Watch::start(&home);
    for subject in ["junk1", "junk2", "list1", "else1"] {
        comes(&home, "Server", &format!("from-{subject}"), subject);
    }
    mbsync(&home);
    wait_for("the mail being filed", || {
        let filed = count(&local(&[JUNK], "cur")) == 2
            && count(&local(list, "new")) == 1
            && count(&local(&[], "new")) == 1;
        filed.then_some(())
    });
    mbsync(&home);
    let expected = |more: &[(&str, &str)]| -> BTreeMap<String, String> {
        let all = [("else1", "INBOX "), ("list1", place.as_str()), ("junk2", "迷惑メール \\Seen")];
        all.iter().chain(more).map(|(a, b)| (a.to_string(), b.to_string())).collect()
    };
    assert_eq!(on_server(&home), expected(&[("junk1", "迷惑メール \\Seen")]));
    assert_eq!((text(&home, "white"), text(&home, "black")), Default::default());

    // On the phone: this is not junk.
    let mut imap = Imap::start(&home);
    imap.done(&format!("SELECT \"{JUNK}\""));
    let (_, found) = imap.call("SEARCH SUBJECT junk1");
    let number = found[0].trim_start_matches("* SEARCH ").to_owned();
    imap.done(&format!("MOVE {number} INBOX"));
    imap.end();
    mbsync(&home);
    wait_for("white", || (text(&home, "white") == "from-junk1@x.example\n").then_some(()));
    comes(&home, "Server", "from-junk1", "junk3");
    mbsync(&home);
    wait_for("the sender being white", || (count(&local(&["White"], "new")) == 1).then_some(()));
    mbsync(&home);
    assert_eq!(on_server(&home), expected(&[("junk1", "INBOX \\Seen"), ("junk3", "White ")]));
    mbsync(&home);
    assert_eq!(on_server(&home), expected(&[("junk1", "INBOX \\Seen"), ("junk3", "White ")]));

    // On the phone: a message not yet read belongs in the inbox.
    let mut imap = Imap::start(&home);
    imap.done(&format!("SELECT {}", place.trim()));
    imap.done("MOVE 1 INBOX");
    imap.end();
    mbsync(&home);
    comes(&home, "Server", "from-list2", "list2");
    mbsync(&home);
    wait_for("the one that is new", || (count(&local(list, "new")) == 1).then_some(()));
    mbsync(&home);
    let mut all = expected(&[("junk1", "INBOX \\Seen"), ("junk3", "White ")]);
    all.insert("list1".into(), "INBOX ".into());
    all.insert("list2".into(), place.clone());
    assert_eq!(on_server(&home), all, "what was moved by hand stays");
    watch.end();
    assert_eq!(text(&home, "black"), "");
    let waits = "mfilter: waiting for the Maildir `~/Maildir`\n";
    assert_eq!(text(&home, "err"), if matches!(near, Near::Plus) { waits } else { "" });
}

#[test]
fn beside_dovecot_and_a_client_that_flags_nothing_is_lost_and_a_move_teaches() {
    if skipped("the test with Dovecot", &[DOVEADM], false) {
        return;
    }
    const MANY: usize = 100;
    let home = home("Maildir", Near::Plus);
    let watch = Watch::start(&home);
    comes(&home, "Maildir", "first", "junk-first");
    let junk = home.path().join(format!("Maildir/.{JUNK}/cur"));
    wait_for("the first", || (count(&junk) == 1).then_some(()));
    let mut imap = Imap::start(&home);
    imap.done("SELECT INBOX");
    for number in 0..MANY {
        let subject = ["junk", "list", "else"][number % 3];
        comes(&home, "Maildir", &format!("s{number}"), &format!("{subject}{number}"));
        imap.done("NOOP");
        // It may have been moved away.
        let _ = imap.call("STORE * +FLAGS (\\Flagged $Late)");
    }
    wait_for("all being filed", || {
        let all = ask_server(&home)?;
        let right = |(subject, place): (&String, &String)| match subject.get(..4) {
            Some("junk") => place == "迷惑メール \\Seen",
            Some("list") => place == "Lists/a ",
            _ => place == "INBOX ",
        };
        (all.len() == MANY + 1 && all.iter().all(right)).then_some(())
    });
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!((text(&home, "white"), text(&home, "black")), Default::default());
    imap.done(&format!("SELECT \"{JUNK}\""));
    let began = Instant::now();
    imap.done("MOVE 1 INBOX");
    wait_for("white", || (text(&home, "white").lines().count() == 1).then_some(()));
    eprintln!("white after {:.1} s", began.elapsed().as_secs_f64());
    // A client that does not know MOVE.
    imap.done("COPY 1 INBOX");
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(text(&home, "white").lines().count(), 1, "a copy teaches nothing");
    imap.done("STORE 1 +FLAGS (\\Deleted)");
    imap.done("EXPUNGE");
    wait_for("white", || (text(&home, "white").lines().count() == 2).then_some(()));
    // Mail that was filed and not yet read: it stays in `new`, and in the inbox.
    imap.done("SELECT Lists/a");
    imap.done("MOVE 1 INBOX");
    comes(&home, "Maildir", "last", "list-last");
    wait_for("the last one", || {
        ask_server(&home)?.get("list-last").filter(|place| *place == "Lists/a ").map(drop)
    });
    let lists = on_server(&home).values().filter(|place| place.starts_with("Lists/a")).count();
    assert_eq!(lists, MANY / 3, "one was moved away, one has come");
    // Deleted as most readers do it: that says nothing about the sender.
    imap.done("CREATE Trash");
    imap.done(&format!("SELECT \"{JUNK}\""));
    imap.done("MOVE 1 Trash");
    std::thread::sleep(Duration::from_secs(4));
    assert_eq!(text(&home, "white").lines().count(), 2);
    imap.end();
    watch.end();
    let log = text(&home, "dovecot.log");
    assert!(!log.contains("Error"), "{log}");
}
