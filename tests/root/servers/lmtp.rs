//! Mail servers that hand mail over to `mfilter lmtp`, each in a root of its own and by
//! the lines of docs/guide/lmtp.md: Dovecot says who the users are, and mail ends in
//! Maildirs or, by `store`, in Dovecot's own mailboxes.

#![allow(clippy::print_stderr, reason = "a skipped test says so")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, Permissions};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::net::UnixListener;
use std::process::{Child, Stdio};

use rustix::process::Signal;

use super::jail::Jail;
use super::scenario::{Server, guide};
use super::{EXIM, OPENSMTPD, POSTFIX_LOCAL, POSTFIX_SETUP};
use crate::support::lmtp_site::{children, signal};
use crate::support::{left_in_tmp, long, skipped, wait_for};

/// Who has the mail behind a server.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Behind {
    Maildirs,
    /// By LMTP.
    Dovecot,
    /// By IMAP, as a master user.
    DovecotsImap,
}

impl Behind {
    /// Where Dovecot listens for mail.
    fn socket(self) -> &'static str {
        match self {
            Behind::Maildirs => "",
            Behind::Dovecot => "/run/dovecot/lmtp-mfilter",
            Behind::DovecotsImap => "/run/dovecot/imap-mfilter",
        }
    }
}

pub const POSTFIX: Server = Server {
    setup: r#"
{
    cat /guide/1
    echo 'mydestination ='
} > /guide/main
{
    echo 'lmtp unix - - n - - lmtp'
    echo 'scache unix - - n - 1 scache'
} > /guide/master
"#,
    then: POSTFIX_SETUP,
    ..POSTFIX_LOCAL
};

/// The addresses that Postfix takes mail for.
pub const POSTFIX_MAP: &str = r#"
printf '%s@test.example x\n' hana taro full > /etc/postfix/vmailbox
postmap /etc/postfix/vmailbox
"#;

const LMTP_OPENSMTPD: Server = Server {
    setup: r#"
mkdir -p /var/lib/opensmtpd/empty /var/spool/smtpd
chmod 711 /var/spool/smtpd
chgrp opensmtpq /usr/sbin/smtpctl
chmod 2755 /usr/sbin/smtpctl
mkdir /etc/smtpd
printf '%s@test.example: vmail\n' hana taro full > /etc/smtpd/mailboxes
{
    echo 'smtp sub-addr-delim "+"'
    echo 'listen on lo'
    cat /guide/1
} > /etc/smtpd.conf
"#,
    ..OPENSMTPD
};

/// What is needed beside the mail server.
pub const DOVECOT: &[&str] =
    &["/usr/sbin/dovecot", "/usr/bin/doveadm", "/usr/lib/dovecot/lmtp", "/usr/bin/setpriv"];
pub const SIEVE: &str = "/usr/lib/dovecot/modules/lib90_sieve_plugin.so";

/// How many blocks of a guide a server's set-up looks for.
const MOST_BLOCKS: usize = 4;
const SENDER: &str = "hanako@sender.example";
const USERS: [(&str, &str); 3] = [
    (
        "hana",
        "when recipient.detail is \"shop\" -> folder \"Shop\"\n\
         when subject contains \"1\" -> folder \"仕事\" as seen\n",
    ),
    ("taro", "when subject contains \"2\" -> copy \"Two\"\nfolder \"Taro\"\n"),
    ("full", ""),
];

/// How often a folder has a message of that subject.
type Stored = BTreeMap<(String, String), usize>;

struct Site {
    server: Server,
    jail: Jail,
    behind: Behind,
    /// Where mfilter listens, whichever serves it.
    socket: UnixListener,
    /// It ends with the jail.
    mfilter: Child,
}

impl Site {
    /// Dovecot, mfilter and the mail server, which needs `then` when it is set up; its
    /// `group` may use mfilter's socket.
    fn start(server: Server, then: &str, group: &str, behind: Behind) -> Option<Site> {
        let test = format!("the test of `mfilter lmtp` behind a real {}", server.name);
        let sieve: &[&str] = if behind == Behind::Dovecot { &[SIEVE] } else { &[] };
        if skipped(&test, &[DOVECOT, &[server.program], sieve].concat(), true) {
            return None;
        }
        let jail = Jail::new(&test, server.packages)?;
        write_guide(&jail, &server);
        furnish(&jail, behind);
        let socket = bind(&jail, group);
        let mfilter = start_mfilter(&jail, &socket);
        jail.shell(&format!("set -e\n{}\n{}\n{then}", server.setup, server.then));
        jail.shell(&format!("({}) > /dev/null 2>&1 < /dev/null", server.start));
        wait_for(server.name, || jail.listens().then_some(()));
        Some(Site { server, jail, behind, socket, mfilter })
    }

    /// Has mfilter end, and starts it anew.
    fn restart(&mut self) {
        for process in children(self.mfilter.id()) {
            signal(process, Signal::TERM);
        }
        let status = self.mfilter.wait().expect("it is ours");
        assert!(status.success(), "{status}\n{}", self.logs());
        self.mfilter = start_mfilter(&self.jail, &self.socket);
    }

    fn send(&self, to: &[&str], subject: &str) {
        let to: Vec<String> = to.iter().map(|user| format!("{user}@test.example")).collect();
        let to: Vec<&str> = to.iter().map(String::as_str).collect();
        let sent = self.jail.send_to_all(SENDER, &to, &message(subject));
        sent.unwrap_or_else(|reply| panic!("{reply}\n{}", self.logs()));
    }

    fn waiting(&self) -> usize {
        self.jail.shell(self.server.waiting).trim().parse().expect("a number")
    }

    /// Has all that waits tried again until nothing does.
    fn flush(&self) {
        let mut tries = 0;
        wait_for("an empty queue", || {
            if tries % 50 == 0 {
                self.jail.shell(self.server.flush);
            }
            tries += 1;
            assert!(tries < 600, "{}", self.logs());
            (self.waiting() == 0).then_some(())
        });
    }

    /// What a user has.
    fn stored(&self, user: &str) -> Stored {
        let mut stored = Stored::new();
        let mut add = |folder: &str, subject: &str| {
            *stored.entry((folder.to_owned(), subject.to_owned())).or_default() += 1;
        };
        match self.behind {
            Behind::Maildirs => {
                for mail in self.jail.mail(&format!("/var/vmail/test.example/{user}/Maildir")) {
                    let text = mail.text();
                    assert!(text.ends_with("\n\nFrom here on\n.\nend\n"), "{text}");
                    assert!(text.starts_with(&format!("Return-Path: <{SENDER}>\n")), "{text}");
                    let subject = text.lines().find_map(|line| line.strip_prefix("Subject: "));
                    let flags = if mail.flags.is_empty() { "" } else { " \\Seen" };
                    let folder = format!("{}{flags}", mail.folder.trim_start_matches('.'));
                    add(&folder, subject.expect("it has one"));
                }
            }
            Behind::Dovecot | Behind::DovecotsImap => {
                let lines = self.jail.shell(&format!(
                    "doveadm -f tab fetch -u {user}@test.example 'mailbox flags hdr.subject' ALL"
                ));
                for line in lines.lines().skip(1) {
                    let fields: Vec<&str> = line.split('\t').collect();
                    let [folder, flags, subject] = fields[..] else { panic!("{line}") };
                    let folder = match folder {
                        "INBOX" => "",
                        "仕事" => "&TtVOiw-",
                        other => other,
                    };
                    let flags = if flags.contains("\\Seen") { " \\Seen" } else { "" };
                    add(&format!("{folder}{flags}"), subject);
                }
            }
        }
        stored
    }

    fn logs(&self) -> String {
        self.jail.shell(
            "tail -n 40 /var/log/mfilter.log /var/log/dovecot.log /var/log/postfix.log \
             /var/log/exim4/*log 2>&1 || true",
        )
    }
}

/// The blocks of a server's chapter; those that its set-up looks for and the guide does not
/// have are empty.
pub fn write_guide(jail: &Jail, server: &Server) {
    let blocks = guide("lmtp.md", server.name);
    for number in 1..=MOST_BLOCKS {
        let text = blocks.get(number - 1).map_or("", String::as_str);
        let text = text.replace("example.org", "test.example");
        jail.write(&format!("/guide/{number}"), &text);
    }
}

/// Dovecot and the users, by the guide.
pub fn furnish(jail: &Jail, behind: Behind) {
    let blocks = guide("lmtp.md", "Dovecot says who the users are");
    let [auth, _, settings, ..] = blocks.as_slice() else { panic!("{blocks:?}") };
    let over_imap = guide("lmtp.md", "Cyrus and others over IMAP");
    let (store, protocols) = match behind {
        Behind::Maildirs => ("", ""),
        Behind::Dovecot => {
            (include_str!("../../../examples/dovecot/91-mfilter-store.conf"), "protocols =\n")
        }
        Behind::DovecotsImap => (over_imap[2].as_str(), "protocols = imap\n"),
    };
    jail.write("/etc/dovecot/master-users", "mfilter:{PLAIN}secret\n");
    jail.write("/etc/mfilter/store-password", "secret\n");
    jail.write(
        "/etc/dovecot/mfilter.sieve",
        include_str!("../../../examples/dovecot/mfilter.sieve"),
    );
    jail.write(
        "/etc/dovecot/dovecot.conf",
        &format!(
            "{protocols}log_path = /var/log/dovecot.log\nssl = no\nlisten = 127.0.0.1\n\
             mail_location = sdbox:~/sdbox\nfirst_valid_uid = 1\nfirst_valid_gid = 1\n\
             namespace inbox {{\n inbox = yes\n separator = /\n}}\n\
             userdb {{\n driver = passwd-file\n args = /etc/dovecot/users\n}}\n\
             passdb {{\n driver = passwd-file\n args = /etc/dovecot/users\n}}\n{auth}{store}"
        ),
    );
    let settings = settings.clone()
        + match behind {
            Behind::Maildirs => "",
            Behind::Dovecot => "store = lmtp:unix:/run/dovecot/lmtp-mfilter\n",
            Behind::DovecotsImap => {
                "store = imap:unix:/run/dovecot/imap-mfilter\nstore-login = mfilter\n\
                 store-password-file = /etc/mfilter/store-password\n"
            }
        };
    jail.write("/etc/mfilter/lmtp.conf", &settings);
    let vmail: u32 = jail.shell("id -u vmail").trim().parse().expect("a number");
    let mut users = String::new();
    for (user, rules) in USERS {
        let home = format!("/var/vmail/test.example/{user}");
        users.push_str(&format!("{user}@test.example:{{PLAIN}}x:{vmail}:{vmail}::{home}::\n"));
        jail.write(&format!("{home}/.mailrules"), rules);
    }
    jail.write("/etc/dovecot/users", &users);
    jail.shell(
        "set -e
        chown -R vmail: /var/vmail /etc/mfilter/store-password
        chmod 600 /etc/mfilter/store-password
        install -d -m 700 -o vmail -g vmail /var/lib/mfilter
        touch /var/log/mfilter.log",
    );
    jail.shell("dovecot > /dev/null 2>&1 < /dev/null");
    wait_for("Dovecot", || jail.path("/run/dovecot/auth-userdb").exists().then_some(()));
}

/// As examples/systemd has it: a socket for one group.
pub fn bind(jail: &Jail, group: &str) -> UnixListener {
    let path = jail.path("/run/mfilter/lmtp");
    fs::create_dir(path.parent().expect("it has one")).expect("made");
    let socket = UnixListener::bind(&path).expect("bound");
    let group = jail.shell(&format!("getent group {group} | cut -d: -f3"));
    chown(&path, Some(0), group.trim().parse().ok()).expect("given");
    fs::set_permissions(&path, Permissions::from_mode(0o660)).expect("set");
    socket
}

/// The server of that socket, which is vmail.
pub fn start_mfilter(jail: &Jail, socket: &UnixListener) -> Child {
    let log = jail.path("/var/log/mfilter.log");
    let log = File::options().append(true).create(true).open(log).expect("made");
    let socket = socket.try_clone().expect("a copy");
    let mut command = jail.daemon("/usr/bin/setpriv");
    command.args(["--reuid", "vmail", "--regid", "vmail", "--clear-groups", "/usr/bin/mfilter"]);
    command.arg("lmtp").stdin(OwnedFd::from(socket)).stdout(Stdio::null()).stderr(log);
    command.spawn().expect("it starts")
}

fn message(subject: &str) -> String {
    format!(
        "From: Hanako <{SENDER}>\nTo: all@test.example\nSubject: {subject}\n\
         Message-ID: <{subject}@sender.example>\n\nFrom here on\n.\nend\n"
    )
}

/// Messages to several recipients: none lost, none doubled, each where its recipient's
/// rules have it; what is refused for the moment waits and comes later.
fn everything_arrives_once(site: &Site) {
    let (mut hana, mut taro, mut full) = (Stored::new(), Stored::new(), Stored::new());
    let add = |stored: &mut Stored, folder: &str, subject: &str| {
        *stored.entry((folder.to_owned(), subject.to_owned())).or_default() += 1;
    };
    let mut note = |to: &[&str], subject: &str| {
        let is_one = subject.contains('1');
        for to in to {
            match *to {
                "hana" => add(&mut hana, if is_one { "&TtVOiw- \\Seen" } else { "" }, subject),
                "hana+shop" => add(&mut hana, "Shop", subject),
                "taro" => {
                    add(&mut taro, "Taro", subject);
                    if subject.contains('2') {
                        add(&mut taro, "Two", subject);
                    }
                }
                _ => add(&mut full, "", subject),
            }
        }
    };
    const ALL: [&[&str]; 4] =
        [&["hana", "taro"], &["hana+shop", "taro"], &["hana"], &["taro", "hana+shop"]];
    for number in 0..24 {
        let (to, subject) = (ALL[number % ALL.len()], format!("m{number}"));
        site.send(to, &subject);
        note(to, &subject);
    }
    // In Maildirs one user's is full; of the store nobody's mail can be had.
    match site.behind {
        Behind::Maildirs => {
            site.send(&["full"], "first");
            note(&["full"], "first");
            site.flush();
            let size = site.jail.path("/var/vmail/test.example/full/Maildir/maildirsize");
            fs::write(size, "10S\n10 1\n").expect("written");
        }
        Behind::Dovecot | Behind::DovecotsImap => {
            site.flush();
            site.jail.shell(&format!("mv {} /run/dovecot/away", site.behind.socket()));
        }
    }
    site.send(&["hana", "full"], "late");
    note(&["hana", "full"], "late");
    wait_for("a message that waits", || (site.waiting() == 1).then_some(()));
    // Time for a try; that it waits is seen behind it.
    let why = match site.behind {
        Behind::Maildirs => "452 4.2.2 ",
        Behind::Dovecot | Behind::DovecotsImap => "451 4.4.1 ",
    };
    wait_for("the answer", || {
        let log = fs::read_to_string(site.jail.path("/var/log/mfilter.log")).unwrap_or_default();
        log.contains(&format!("reply=\"{why}")).then_some(())
    });
    std::thread::sleep(std::time::Duration::from_millis(300));
    assert_eq!(site.waiting(), 1, "{}", site.logs());
    match site.behind {
        Behind::Maildirs => {
            let size = site.jail.path("/var/vmail/test.example/full/Maildir/maildirsize");
            fs::remove_file(size).expect("removed");
        }
        Behind::Dovecot | Behind::DovecotsImap => {
            site.jail.shell(&format!("mv /run/dovecot/away {}", site.behind.socket()));
        }
    }
    site.flush();
    for (user, expected) in [("hana", &hana), ("taro", &taro), ("full", &full)] {
        assert_eq!(site.stored(user), *expected, "{user}\n{}", site.logs());
        let left = left_in_tmp(&site.jail.path(&format!("/var/vmail/test.example/{user}")));
        assert!(left.is_empty(), "{left:?}");
    }
}

/// swaks(1) as the client.
fn another_client(site: &Site) {
    if skipped("swaks as the client of `mfilter lmtp`", &["/usr/bin/swaks"], true) {
        return;
    }
    let output = site.jail.shell(
        "swaks --protocol LMTP --socket /run/mfilter/lmtp --from '<>' --helo x \
         --to hana+shop@test.example,nobody@test.example,taro@test.example \
         --header 'Subject: swaks' --body 'hi' || true",
    );
    let answers = output.lines().filter(|line| line.starts_with("<") && line.contains("5.1.1"));
    assert_eq!(answers.count(), 1, "{output}");
    for (user, folder) in [("hana", "Shop"), ("taro", "Taro")] {
        let maildir = site.jail.mail(&format!("/var/vmail/test.example/{user}/Maildir"));
        let found = maildir.iter().filter(|mail| mail.text().contains("Subject: swaks"));
        let folders: Vec<&str> = found.map(|mail| mail.folder.as_str()).collect();
        assert_eq!(folders, [format!(".{folder}")], "{output}");
    }
}

#[test]
fn postfix_hands_over_to_maildirs() {
    let Some(site) = Site::start(POSTFIX, POSTFIX_MAP, "postfix", Behind::Maildirs) else { return };
    everything_arrives_once(&site);
    another_client(&site);
}

#[test]
fn postfix_hands_over_to_dovecots_mailboxes() {
    let Some(site) = Site::start(POSTFIX, POSTFIX_MAP, "postfix", Behind::Dovecot) else { return };
    everything_arrives_once(&site);
}

#[test]
fn postfix_hands_over_to_dovecots_mailboxes_over_imap() {
    let behind = Behind::DovecotsImap;
    let Some(site) = Site::start(POSTFIX, POSTFIX_MAP, "postfix", behind) else { return };
    everything_arrives_once(&site);
}

/// While Postfix hands over all the time, on connections that it keeps.
#[test]
fn restarts_behind_a_real_postfix_refuse_lose_and_double_nothing() {
    let test = "restarts of `mfilter lmtp` behind a real Postfix";
    if skipped(test, &["/usr/sbin/smtp-source"], true) {
        return;
    }
    let started = Site::start(POSTFIX, POSTFIX_MAP, "postfix", Behind::Maildirs);
    let Some(mut site) = started else { return };
    let (messages, restarts) = if long() { (10_000, 20) } else { (200, 4) };
    const USERS: [&str; 2] = ["hana", "taro"];
    for user in USERS {
        site.jail.shell(&format!(
            "smtp-source -d -s 2 -m {messages} -l 1000 -S restart -f {SENDER} \
             -t {user}@test.example 127.0.0.1:25 > /dev/null 2>&1 < /dev/null &"
        ));
    }
    let stored = |site: &Site| -> usize {
        let of = |user| site.jail.mail(&format!("/var/vmail/test.example/{user}/Maildir")).len();
        USERS.into_iter().map(of).sum()
    };
    let mut before = 0;
    for number in 0..restarts {
        // So that each falls in the midst of it.
        let expected = 2 * messages * number / restarts;
        wait_for("mail to come", || (stored(&site) >= expected.max(before + 1)).then_some(()));
        before = stored(&site);
        assert!(before < 2 * messages, "restart {number} came too late");
        site.restart();
    }
    wait_for("most mail", || (stored(&site) + site.waiting() >= 2 * messages).then_some(()));
    site.flush();
    for user in USERS {
        let all = site.jail.mail(&format!("/var/vmail/test.example/{user}/Maildir"));
        let ids: BTreeSet<String> = all
            .iter()
            .map(|mail| {
                let text = mail.text();
                let id = text.lines().find_map(|line| line.strip_prefix("Message-Id: "));
                id.expect("it has one").to_owned()
            })
            .collect();
        assert_eq!((all.len(), ids.len()), (messages, messages), "{user}");
    }
    let log = fs::read_to_string(site.jail.path("/var/log/postfix.log")).expect("written");
    assert!(!log.contains("Connection refused"), "{log}");
}

#[test]
fn exim_hands_over_to_maildirs() {
    let started = Site::start(EXIM, "", "Debian-exim", Behind::Maildirs);
    let Some(site) = started else { return };
    everything_arrives_once(&site);
}

#[test]
fn opensmtpd_hands_over_to_maildirs() {
    let Some(site) = Site::start(LMTP_OPENSMTPD, "", "vmail", Behind::Maildirs) else { return };
    everything_arrives_once(&site);
}
