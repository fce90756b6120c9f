//! Cyrus behind `mfilter lmtp`, in a root of its own and by the lines of
//! docs/guide/lmtp.md: mail is handed over by IMAP APPEND.

#![allow(clippy::print_stderr, reason = "a skipped test says so")]

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::net::UnixListener;
use std::process::{Child, Command};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::process::Signal;

use super::jail::Jail;
use super::lmtp::{bind, start_mfilter};
use super::scenario::guide;
use crate::support::imap::Imap;
use crate::support::lmtp_site::{Client, children, insist, signal, wire};
use crate::support::lost_replies::LostReplies;
use crate::support::{long, skipped, wait_for};

const RULES: &str = r#"
when subject is "junk"    -> folder "迷惑メール/古い" as seen
when subject is "keyword" -> folder "A" as flagged passed "$Work"
when subject is "copies"  -> copy "A/B c" as seen, copy "A", inbox as draft trashed
when subject is "bad"     -> folder "a|b" as seen
when subject is "watched" -> folder "W" as seen flagged "$Work"
when subject ends "1"     -> copy "B" as "$W", folder "日本"
"#;

/// As Debian sets it up, but for what the guide says.
const SETUP: &str = r#"
set -e
mkdir -p /var/lib/cyrus /var/spool/cyrus/mail /run/cyrus/proc /run/cyrus/lock /run/cyrus/socket
cat > /etc/imapd.conf <<END
configdirectory: /var/lib/cyrus
proc_path: /run/cyrus/proc
mboxname_lockpath: /run/cyrus/lock
defaultpartition: default
partition-default: /var/spool/cyrus/mail
admins: cyrus
END
cat /guide/1 >> /etc/imapd.conf
cat > /etc/cyrus.conf <<END
START {
  recover cmd="ctl_cyrusdb -r"
}
SERVICES {
  imap cmd="imapd" listen="127.0.0.1:143" prefork=0
  imapunix cmd="imapd" listen="/run/cyrus/socket/imap" prefork=0
}
EVENTS {
}
END
echo secret | saslpasswd2 -p -c -u mx.test.example cyrus
echo secret | saslpasswd2 -p -c -u mx.test.example mfilter
chown -R cyrus: /var/lib/cyrus /var/spool/cyrus /run/cyrus /etc/sasldb2
/usr/lib/cyrus/bin/master -d -M /etc/cyrus.conf -C /etc/imapd.conf -p /run/cyrus/pid \
    < /dev/null > /dev/null 2>&1
"#;

struct Site {
    jail: Jail,
    socket: UnixListener,
    /// It ends with the jail.
    mfilter: Child,
}

impl Site {
    fn start(test: &str) -> Option<Site> {
        if skipped(test, &["/usr/bin/setpriv"], true) {
            return None;
        }
        let jail = Jail::new(test, Some("cyrus"))?;
        let blocks = guide("lmtp.md", "Cyrus and others over IMAP");
        let [imapd, settings, ..] = blocks.as_slice() else { panic!("{blocks:?}") };
        jail.write("/guide/1", imapd);
        jail.write("/etc/mfilter/lmtp.conf", settings);
        jail.write("/etc/mfilter/store-password", "secret\n");
        jail.write("/var/vmail/test.example/taro/.mailrules", RULES);
        jail.shell(
            "set -e
            chown vmail: /etc/mfilter/store-password
            chmod 600 /etc/mfilter/store-password
            chown -R vmail: /var/vmail
            install -d -m 700 -o vmail -g vmail /var/lib/mfilter",
        );
        jail.shell(SETUP);
        let socket = bind(&jail, "vmail");
        let mfilter = start_mfilter(&jail, &socket);
        let site = Site { jail, socket, mfilter };
        wait_for("Cyrus", || {
            let mut admin = Imap::logged_in(site.wire(), LIMIT, ["", "cyrus", "secret"]).ok()?;
            admin.done("CREATE \"user/taro@test.example\"");
            Some(())
        });
        Some(site)
    }

    /// A connection to Cyrus.
    fn wire(&self) -> Command {
        let mut wire = self.jail.daemon("/bin/bash");
        wire.args(["-c", "exec 3<>/dev/tcp/127.0.0.1/143; cat <&3 & exec cat >&3"]);
        wire
    }

    fn imap(&self) -> Imap {
        let taro = ["taro@test.example", "mfilter", "secret"];
        Imap::logged_in(self.wire(), LIMIT, taro).expect("it lets us in")
    }

    fn client(&self) -> Client {
        Client::connect(&self.jail.path("/run/mfilter/lmtp")).expect("it listens")
    }

    fn deliver(&self, message: &[u8]) -> String {
        self.client().deliver(&[TARO], message).expect("there").concat()
    }

    /// What `mfilter lmtp` said.
    fn log(&self) -> String {
        self.jail.shell("cat /var/log/mfilter.log")
    }

    /// Folder, flags and subject of each message, sorted.
    fn seen(&self) -> Vec<String> {
        let mut imap = self.imap();
        let folders = imap.done("LIST \"\" \"*\"");
        let mut all = Vec::new();
        for line in folders {
            let name = line.rsplit_once("\"/\" ").expect("a name").1.trim_matches('"').to_owned();
            imap.done(&format!("EXAMINE \"{name}\""));
            let mut flags = String::new();
            // Of an empty folder it says no.
            for line in imap.call("FETCH 1:* (FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)])").1 {
                if let Some((_, rest)) = line.split_once("FETCH (FLAGS (") {
                    let words = rest.split(')').next().unwrap_or_default().split(' ');
                    let mut words: Vec<&str> =
                        words.filter(|flag| !matches!(*flag, "" | "\\Recent")).collect();
                    words.sort_unstable();
                    flags = words.join(" ");
                } else if let Some(subject) = line.strip_prefix("Subject: ") {
                    all.push(format!("{name}\t{flags}\t{subject}"));
                }
            }
        }
        all.sort();
        all
    }
}

const TARO: &str = "taro@test.example";
const LIMIT: Duration = Duration::from_secs(60);

fn message(subject: &str) -> Vec<u8> {
    wire(format!("From: a@b.example\nSubject: {subject}\n\n.こんにちは\n").as_bytes())
}

#[test]
fn folders_flags_and_keywords_in_cyrus() {
    let Some(site) = Site::start("the test with a real Cyrus") else { return };
    for subject in ["junk", "keyword", "copies", "bad", "else", "keyword"] {
        let answer = site.deliver(&message(subject));
        assert!(answer.starts_with("250"), "{answer}\n{}", site.log());
    }
    assert_eq!(
        site.seen(),
        [
            "&j,dg0TDhMPww6w-/&U+QwRA-\t\\Seen\tjunk",
            "A\t\tcopies",
            "A\t$Forwarded $Work \\Flagged\tkeyword",
            "A\t$Forwarded $Work \\Flagged\tkeyword",
            "A/B c\t\\Seen\tcopies",
            "INBOX\t\telse",
            "INBOX\t\\Deleted \\Draft\tcopies",
            "INBOX\t\\Seen\tbad",
        ]
    );
    let subscribed = site.imap().done("LSUB \"\" \"*\"").concat();
    assert!(subscribed.contains("A/B c"), "{subscribed}");
    // What Cyrus does not take waits, and the answer says why.
    let answer = site.deliver(&wire(b"From: a@b.example\nSubject: nul\n\na\0b\n"));
    assert!(answer.starts_with("451 4.3.5") && answer.contains("NUL characters"), "{answer}");
    let mut admin = Imap::logged_in(site.wire(), LIMIT, ["", "cyrus", "secret"]).expect("in");
    admin.done("SETQUOTA \"user/taro@test.example\" (STORAGE 1)");
    let large = format!("Subject: else\n\n{}", "x\n".repeat(5000));
    let answer = site.deliver(&wire(large.as_bytes()));
    assert!(answer.starts_with("452 4.2.2") || answer.starts_with("451 4.2.2"), "{answer}");
    // Nor does it let us in when the password is another one.
    site.jail.shell("echo other > /etc/mfilter/store-password");
    let answer = site.deliver(&message("else"));
    let expected = "refuses the login of `mfilter` for `taro@test.example`";
    assert!(answer.starts_with("451 4.3.5") && answer.contains(expected), "{answer}");
    assert_eq!(site.seen().len(), 8);
}

#[test]
fn no_message_in_cyrus_is_seen_without_its_flags() {
    let Some(site) = Site::start("the watch on a real Cyrus") else { return };
    let count = if long() { 300 } else { 40 };
    let deliver = || {
        let answer = site.deliver(&message("watched"));
        assert!(answer.starts_with("250"), "{answer}\n{}", site.log());
    };
    deliver();
    let over = AtomicBool::new(false);
    let polls = std::thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            let mut imap = site.imap();
            imap.done("EXAMINE W");
            imap.poll_flags(&["\\Seen", "\\Flagged", "$Work"], count, &over)
        });
        (1..count).for_each(|_| deliver());
        over.store(true, Ordering::Relaxed);
        watcher.join().expect("all have their flags")
    });
    assert!(polls > 5, "{polls}");
}

/// The header is of bytes that Cyrus makes an `X` of, as it does by itself.
#[test]
fn every_reply_of_cyrus_lost_once_doubles_none_and_loses_none() {
    let Some(mut site) = Site::start("lost replies of a real Cyrus") else { return };
    let each = if long() { 50 } else { 4 };
    site.jail.shell("mkdir /run/lost");
    let server = site.jail.path("/run/cyrus/socket/imap");
    let proxy = LostReplies::of_imap(server, Some(site.jail.path("/run/lost/imap")));
    let settings = site.jail.shell("cat /etc/mfilter/lmtp.conf");
    let settings = settings.replace("imap:127.0.0.1:143", "imap:unix:/run/lost/imap");
    site.jail.write("/etc/mfilter/lmtp.conf", &settings);
    children(site.mfilter.id()).into_iter().for_each(|process| signal(process, Signal::TERM));
    site.mfilter.wait().expect("it is ours");
    site.mfilter = start_mfilter(&site.jail, &site.socket);
    std::thread::scope(|scope| {
        for connection in 0..8 {
            let site = &site;
            scope.spawn(move || {
                let mut client = site.client();
                for number in 0..each {
                    let mut text = b"X-Raw: \xe8\xfc\r\n".to_vec();
                    text.extend_from_slice(&message(&format!("{connection}.{number}")));
                    insist(&mut client, TARO, &text);
                }
            });
        }
    });
    let mut times: BTreeMap<String, usize> = BTreeMap::new();
    for line in site.seen() {
        *times.entry(line).or_default() += 1;
    }
    let doubled: BTreeSet<_> = times.iter().filter(|(_, times)| **times != 1).collect();
    assert!(doubled.is_empty(), "{doubled:?}");
    let copies = 8 * each + (0..each).filter(|number| number % 10 == 1).count() * 8;
    assert_eq!(times.len(), copies, "none lost");
    assert_eq!(proxy.lost(), copies, "each was lost once");
}
