//! mbsync with the inbox in a directory next to the other folders, as it is usually set
//! up: Dovecot keeps the mail, mbsync fetches it, `mfilter` files it, and mbsync
//! uploads the changes.

#![allow(clippy::print_stderr, reason = "a skipped test says so")]

use std::fs;

use crate::support;
use crate::support::imap::{self, DOVEADM, NOBODY, as_owner, doveadm, own};
use crate::support::{Home, skipped, wait_for};

const MBSYNC: &str = "/usr/bin/mbsync";

const RULES: &str = "set maildir \"~/.mail\"\nset layout fs\nset inbox \"INBOX\"\n\n\
                     when subject starts \"junk\"  -> folder \"迷惑メール\" as seen\n\
                     when subject starts \"diary\" -> folder \"日記\"\n\
                     when subject starts \"list\"  -> folder \"Lists/a\"\n";

fn home() -> Home {
    let home = Home::with_rules(RULES);
    for sub in ["new", "cur", "tmp"] {
        fs::create_dir_all(home.path().join("Server").join(sub)).expect("made");
    }
    imap::configure(&home, "Server");
    let path = home.path().display().to_string();
    let tunnel = "exec /usr/bin/doveadm -c HOME/dovecot.conf exec imap";
    let config = format!(
        "IMAPAccount server\nTunnel \"{tunnel}\"\n\n\
         IMAPStore far\nAccount server\n\n\
         MaildirStore near\nPath HOME/.mail/\nInbox HOME/.mail/INBOX\nSubFolders Verbatim\n\n\
         Channel mail\nFar :far:\nNear :near:\nPatterns *\nCreate Both\nExpunge Both\nSyncState *\n"
    );
    home.write(".mbsyncrc", config.replace("HOME", &path));
    fs::create_dir_all(home.path().join(".mail")).expect("made");
    support::program_in(home.path());
    own(&home, NOBODY);
    home
}

fn comes(home: &Home, subject: &str) {
    let text = format!(
        "From: a@x.example\r\nSubject: {subject}\r\nMessage-ID: <{subject}@x>\r\n\
         Date: Thu, 24 Dec 2026 20:00:00 +0900\r\n\r\nhi\r\n"
    );
    // Only this file: `watch` creates and removes others at the same time.
    let file = format!("Server/new/{subject}.mx");
    home.write(&file, text);
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::chown(home.path().join(file), Some(NOBODY), None).expect("owned");
    }
}

/// Where each message is on the server.
fn on_server(home: &Home) -> Vec<String> {
    let fetch = ["-f", "tab", "fetch", "mailbox hdr.subject", "ALL"];
    let output = doveadm(home, &fetch).output().expect("doveadm runs");
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let mut found: Vec<String> = text.lines().skip(1).map(|line| line.replace('\t', " ")).collect();
    found.sort();
    found
}

fn filed_and_taken_back(fetch: &dyn Fn(&Home)) {
    let home = home();
    // A folder that the server has: it arrives in the tool's spelling.
    let made = doveadm(&home, &["mailbox", "create", "日記"]).status().expect("doveadm runs");
    assert!(made.success());
    for subject in ["junk1", "diary1", "list1", "else1"] {
        comes(&home, subject);
    }
    fetch(&home);
    assert!(home.path().join(".mail/INBOX/cur").is_dir(), "beside the others");

    let program = home.path().join("mfilter").display().to_string();
    let sort = support::run(as_owner(&home, &program, &["sort"]), b"");
    assert_eq!((sort.code, sort.stderr.as_str()), (Some(0), ""), "{sort:?}");
    fetch(&home);
    let expected = ["INBOX else1", "Lists/a list1", "日記 diary1", "迷惑メール junk1"];
    assert_eq!(on_server(&home), expected);

    // `watch` sees what arrives later.
    let watch = support::imap::as_owner(&home, &program, &["watch"]).spawn();
    let mut watch = watch.expect("it starts");
    for subject in ["junk2", "diary2", "else2"] {
        comes(&home, subject);
    }
    fetch(&home);
    let new = |folder: &str| {
        let path = home.path().join(".mail").join(folder);
        let count = |sub: &str| fs::read_dir(path.join(sub)).map_or(0, Iterator::count);
        count("new") + count("cur")
    };
    wait_for("the mail being filed", || {
        (new("&j,dg0TDhMPww6w-") == 2 && new("&ZeWKGA-") == 2 && new("INBOX") == 2).then_some(())
    });
    let watching = rustix::process::Pid::from_child(&watch);
    rustix::process::kill_process(watching, rustix::process::Signal::TERM).expect("it is ours");
    assert_eq!(watch.wait().expect("it ends").code(), Some(0));
    fetch(&home);
    let expected = [
        "INBOX else1",
        "INBOX else2",
        "Lists/a list1",
        "日記 diary1",
        "日記 diary2",
        "迷惑メール junk1",
        "迷惑メール junk2",
    ];
    assert_eq!(on_server(&home), expected);
    // No folder exists in two spellings.
    let mut folders: Vec<String> = fs::read_dir(home.path().join(".mail"))
        .expect("readable")
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| !name.starts_with('.'))
        .collect();
    folders.sort();
    assert_eq!(folders, ["&ZeWKGA-", "&j,dg0TDhMPww6w-", "INBOX", "Lists"]);
}

#[test]
fn what_mbsync_fetches_into_an_inbox_beside_the_others() {
    if skipped("the test with Dovecot and mbsync", &[DOVEADM, MBSYNC], false) {
        return;
    }
    filed_and_taken_back(&|home| {
        let output = as_owner(home, MBSYNC, &["-q", "-a"]).output().expect("mbsync runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    });
}
