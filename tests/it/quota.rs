//! The Maildir++ quota: kept up to date, respected, and shared with a real Dovecot.

#![allow(clippy::print_stderr, reason = "a skipped test says so")]

use std::fs;
use std::process::Stdio;

use crate::support::imap::{self, DOVEADM, NOBODY, own};
use crate::support::{Home, skipped};

fn subject(subject: &str) -> Vec<u8> {
    format!("From: a@b.example\nSubject: {subject}\nMessage-ID: <{subject}@x>\n\nhello\n").into()
}

const FOLDERS: &str = "when subject is \"junk\" -> folder \"迷惑メール\"\n\
                       when subject is \"deep\" -> folder \"A/B\"\n";

/// The sum of `maildirsize`, in bytes and messages.
fn used(home: &Home) -> (i64, i64) {
    let text = fs::read_to_string(home.path().join("Maildir/maildirsize")).expect("there");
    text.lines().skip(1).fold((0, 0), |(bytes, count), line| {
        let mut numbers =
            line.split_whitespace().map(|word| word.parse::<i64>().expect("a number"));
        (bytes + numbers.next().unwrap_or(0), count + numbers.next().unwrap_or(0))
    })
}

#[test]
fn a_quota_is_kept_up_to_date_and_respected() {
    let size = subject("a").len();
    let home = Home::with_rules(
        "when subject is \"c\" -> copy \"A\", copy \"B\", inbox\n\
         when subject is \"t\" -> folder \"Trash\"\n\
         when subject is \"f\" -> inbox as trashed\n",
    );
    // Room for three messages.
    home.write("Maildir/maildirsize", format!("{}S,100C\n", size * 3));
    for (name, count) in [("a", 1), ("t", 1), ("f", 1), ("b", 2)] {
        assert_eq!(home.deliver(&subject(name)).code, Some(0));
        assert_eq!(used(&home), (size as i64 * count, count), "{name}");
    }
    // Three copies at once do not fit, and none of them is stored.
    let before = home.mail().len();
    let full = home.deliver(&subject("c"));
    assert_eq!((full.code, full.stderr.as_str()), (Some(75), "4.2.2 the mailbox is full\n"));
    assert_eq!((home.mail().len(), used(&home)), (before, (size as i64 * 2, 2)));
    assert_eq!(home.deliver(&subject("d")).code, Some(0));

    home.write(".mailrules", "set over-quota permanent\n");
    let full = home.deliver(&subject("e"));
    assert_eq!((full.code, full.stderr.as_str()), (Some(77), "5.2.2 the mailbox is full\n"));
    // What a reader removes frees room, though the reader recorded nothing.
    let mail = home.mail().into_iter().find(|mail| mail.folder.is_empty()).expect("there");
    fs::remove_file(mail.path).expect("removed");
    home.deliver(&subject("e"));
    let text = fs::read_to_string(home.path().join("Maildir/maildirsize")).expect("there");
    assert!(text.starts_with(&format!("{}S,100C\n", size * 3)), "{text}");
}

#[test]
fn what_is_moved_into_the_trash_and_out_of_it_is_noted() {
    let size = subject("a").len() as i64;
    let home = Home::with_rules(
        "when subject is \"t\" -> folder \"Trash\"\n\
         when subject is \"f\" -> inbox as trashed\n\
         when subject is \"a\" -> folder \"A\"\n",
    );
    for sub in ["new", "cur", "tmp"] {
        fs::create_dir_all(home.path().join("Maildir").join(sub)).expect("made");
    }
    // Three without their size in the name.
    for (name, text) in [("1.x", "t"), ("2.x", "f"), ("3.x", "a"), ("4.x,S=9999", "t")] {
        home.write(&format!("Maildir/new/{name}"), subject(text));
    }
    let all = size * 3 + 9999;
    home.write("Maildir/maildirsize", format!("100000S\n{all} 4\n"));
    assert_eq!(home.run(&["sort"], b"").code, Some(0));
    assert_eq!(used(&home), (size, 1));
    assert_eq!(home.run(&["sort"], b"").code, Some(0));
    assert_eq!(used(&home), (size, 1), "a second run");
    assert_eq!(home.run(&["sort", "--undo"], b"").code, Some(0));
    assert_eq!(used(&home), (all, 4));
    // Without a quota no file is created.
    fs::remove_file(home.path().join("Maildir/maildirsize")).expect("removed");
    assert_eq!(home.run(&["sort"], b"").code, Some(0));
    assert!(!home.path().join("Maildir/maildirsize").exists());
}

#[test]
fn what_is_taken_back_does_not_count_against_the_quota() {
    let home = Home::with_rules("copy \"A\"\npipe \"/bin/false\"\n");
    home.write("Maildir/maildirsize", "1000000S\n");
    // Without a state directory there is no journal, so the copy is taken back.
    home.write(".local/state", "a file");
    assert_eq!(home.deliver(&subject("a")).code, Some(75));
    assert_eq!((home.mail().len(), used(&home)), (0, (0, 0)));
}

/// A quota that cannot be read keeps no mail out; what is no file sets none.
#[test]
fn no_mail_is_lost_if_maildirsize_is_not_a_usable_file() {
    let home = Home::with_rules("");
    fs::create_dir(home.path().join("Maildir")).expect("made");
    let path = home.path().join("Maildir/maildirsize");
    let log = || fs::read_to_string(home.path().join(".local/state/mfilter/log")).expect("there");
    fs::create_dir(&path).expect("made");
    assert_eq!(home.deliver(&subject("a")).code, Some(0));
    assert!(!log().contains("the quota cannot be read"), "{}", log());
    fs::remove_dir(&path).expect("removed");
    std::os::unix::fs::symlink("maildirsize", &path).expect("made");
    assert_eq!(home.deliver(&subject("b")).code, Some(0));
    for result in ["the quota cannot be read: ", "the quota cannot be updated: "] {
        assert!(log().contains(result), "{}", log());
    }
    assert_eq!(home.mail().len(), 2);
}

#[test]
fn the_site_decides_about_mail_over_quota() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: only root has site rules");
        return;
    }
    let home = Home::with_rules("set over-quota permanent\n");
    home.write("Maildir/maildirsize", "10S\n");
    home.write("site", "set over-quota temporary\n");
    let site = home.path().join("site").display().to_string();
    let run = home.run(&["--site", &site], &subject("a"));
    assert_eq!((run.code, run.stderr.as_str()), (Some(75), "4.2.2 the mailbox is full\n"));
    home.write("site", "set over-quota permanent\n");
    home.write(".mailrules", "");
    assert_eq!(home.run(&["--site", &site], &subject("a")).code, Some(77));
}

#[test]
fn dovecot_and_we_keep_one_quota() {
    if skipped("the test with a real Dovecot", &[DOVEADM], false) {
        return;
    }
    let home = Home::with_rules(FOLDERS);
    imap::configure(&home, "Maildir");
    let config = fs::read_to_string(home.path().join("dovecot.conf")).expect("there");
    home.write(
        "dovecot.conf",
        config + "mail_plugins = quota\nplugin {\n quota = maildir:User quota\n quota_rule = *:storage=1M\n}\n",
    );
    own(&home, NOBODY);
    let quota = || {
        own(&home, NOBODY);
        let ask = ["-f", "tab", "quota", "get"];
        let output = imap::doveadm(&home, &ask).output().expect("doveadm runs");
        let text = String::from_utf8(output.stdout).expect("UTF-8");
        let line = text.lines().find(|line| line.contains("MESSAGE")).expect("counted").to_owned();
        own(&home, rustix::process::geteuid().as_raw());
        line.split('\t').nth(2).map(str::to_owned).expect("a number")
    };
    assert_eq!(quota(), "0");
    let limit =
        fs::read_to_string(home.path().join("Maildir/maildirsize")).expect("Dovecot made it");
    assert!(limit.starts_with("1048576S"), "{limit}");
    for name in ["a", "junk", "deep"] {
        assert_eq!(home.deliver(&subject(name)).code, Some(0));
    }
    assert_eq!(quota(), "3");
    // What Dovecot stores counts here too.
    own(&home, NOBODY);
    let mut save = imap::doveadm(&home, &["save", "-m", "A/B"]);
    save.stdin(Stdio::piped());
    let mut save = save.spawn().expect("doveadm runs");
    let large = [&subject("large")[..], &[b'x'; 1_000_000], b"\n"].concat();
    std::io::Write::write_all(&mut save.stdin.take().expect("piped"), &large).expect("written");
    assert!(save.wait().expect("it ends").success());
    own(&home, rustix::process::geteuid().as_raw());
    assert_eq!(quota(), "4");
    let more = [&subject("more")[..], &[b'x'; 100_000], b"\n"].concat();
    assert_eq!(home.deliver(&more).code, Some(75));
    assert_eq!(home.deliver(&subject("small")).code, Some(0));
    assert_eq!(quota(), "5");
}
