//! What must hold with every mail server: mail is delivered with its envelope,
//! a refusal comes back, whatever hinders a delivery makes it wait, and once
//! nothing hinders it, each message is there exactly once.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::time::Duration;

use super::jail::Jail;
use crate::support::{left_in_tmp, skipped, wait_for};

/// A mail server: how it is set up, and what it does otherwise than others.
/// Scripts find the code blocks of its chapter as `/guide/1` and so on, with
/// the domain of the test.
pub struct Server {
    /// Its chapter in docs/guide/mail-servers.md.
    pub name: &'static str,
    /// The folder of its packages; none where it is installed.
    pub packages: Option<&'static str>,
    /// What must be installed.
    pub program: &'static str,
    /// Scripts that write its configuration.
    pub setup: &'static str,
    pub then: &'static str,
    pub start: &'static str,
    /// Tries all that waits again.
    pub flush: &'static str,
    /// Prints how many messages wait.
    pub waiting: &'static str,
    /// In front of an address extension.
    pub delimiter: char,
    /// A user's own file that leads mail to mfilter; `@2` is a code block.
    pub own: Option<(&'static str, &'static str)>,
    /// The one for addresses with an extension, where such is needed.
    pub for_extensions: Option<(&'static str, &'static str)>,
    /// Takes a sender whose local part has to be quoted.
    pub takes_quoted_senders: bool,
    /// Waits when the program of the everyday delivery is missing.
    pub waits_for_the_program: bool,
    /// Its `sendmail` knows no null sender.
    pub lacks_null_sender: bool,
    /// One account has all mailboxes.
    pub is_virtual: bool,
}

impl Server {
    pub const PLAIN: Server = Server {
        name: "",
        packages: None,
        program: "/bin/sh",
        setup: "",
        then: "",
        start: "",
        flush: "",
        waiting: "",
        delimiter: '+',
        own: None,
        for_extensions: None,
        takes_quoted_senders: false,
        waits_for_the_program: false,
        lacks_null_sender: false,
        is_virtual: false,
    };
}

const HANAKO: &str = "hanako@sender.example";
const TARO: &str = "taro@test.example";

/// `later` has a rule of its own while it is to be deferred.
const RULES: &str = r#"
set delimiter "+-"
set me "hana@test.example"

when subject is "kill" {
  run "/usr/local/bin/kill-once"
}
when subject is "refuse" -> reject "5.7.1 takes no mail, sorry"
when subject is "forward" or subject is "forward null" -> forward "taro@test.example"
when subject is "answer" -> reply "away"
when subject is "later" -> defer "4.3.0 not today"
when envelope-from is "boss@corp.example" -> folder "Forged"
when envelope-from is ""                  -> folder "Null"
when envelope-from.domain is "evil.example" -> folder "Evil"
when extension is "shop"                  -> folder "Shop"
when envelope-to.local is "hana" and envelope-from is "hanako@sender.example" -> folder "A" as seen
"#;

const TAROS_RULES: &str = r#"
when envelope-from is ""                      -> folder "Null"
when envelope-from is "hanako@sender.example" -> folder "Hanako"
"#;

/// Ends the mfilter that calls it, the first time.
const KILL_ONCE: &str = "#!/bin/sh
test -e \"$HOME/killed\" && exit 0
: > \"$HOME/killed\"
kill -9 $PPID
";

/// Folder and subject of what lies in a Maildir, and how often.
type Lies = BTreeMap<(String, String), usize>;

struct Run<'a> {
    server: &'a Server,
    jail: Jail,
}

pub fn run(server: &Server) {
    let test = format!("the test with a real {}", server.name);
    if skipped(&test, &[server.program], true) {
        return;
    }
    let Some(jail) = Jail::new(&test, server.packages) else { return };
    let run = Run { server, jail };
    run.set_up();

    // What comes to its end at once, and what waits.
    let hana = |extension: &str| format!("hana{extension}@test.example");
    run.send(HANAKO, &hana(""), "plain");
    run.send(HANAKO, &hana(&format!("{}shop", server.delimiter)), "detail");
    run.send("", &hana(""), "null");
    run.send("", &hana(""), "forward null");
    run.send(HANAKO, &hana(""), "forward");
    run.send(TARO, &hana(""), "refuse");
    run.send(TARO, &hana(""), "answer");
    run.send(HANAKO, TARO, "own");
    run.send(TARO, &hana(""), "kill");
    run.send(TARO, &hana(""), "later");
    run.fill_the_disk("full", "64k");
    run.send_big(TARO, "full@test.example", "full");
    let mut of_hana = lies(&[("A", "plain"), ("Shop", "detail"), ("Null", "null"), ("", "answer")]);
    let mut of_taro = lies(&[
        ("Null", "bounce"),
        ("Null", "forward null"),
        ("Null", "mfilter's answer"),
        ("Hanako", "forward"),
        ("Hanako", "own"),
    ]);
    for sender in ["\"x,boss@corp.example, \"@evil.example", "\"a b; rm\"@evil.example"] {
        let subject = format!("hostile {}", sender.len());
        let sent = run.jail.send(sender, &hana(""), &message(&hana(""), &subject));
        assert_eq!(sent.is_ok(), server.takes_quoted_senders, "{sent:?}");
        if sent.is_ok() {
            of_hana.insert(("Evil".into(), subject), 1);
        }
    }
    // Stored before it was killed; not stored again by the next try.
    of_hana.insert((String::new(), "kill".into()), 1);
    run.wait_for("hana", &of_hana);
    run.wait_for("taro", &of_taro);
    run.wait_for("full", &lies(&[]));
    wait_for("three that wait", || (run.waiting() == 3).then_some(()));
    assert!(run.home("hana").join("killed").exists());
    assert!(run.log("hana").contains("deferred"), "{}", run.log("hana"));
    assert!(run.log("full").contains("No space left on device"), "{}", run.log("full"));

    // The program is not there, as for a moment in an upgrade.
    run.jail.shell("mv /usr/bin/mfilter /usr/bin/mfilter.away");
    let mut missing = 0;
    if server.waits_for_the_program {
        run.send(TARO, &hana(""), "missing");
        of_hana.insert((String::new(), "missing".into()), 1);
        missing += 1;
    }
    if server.own.is_some() {
        run.send(HANAKO, TARO, "own missing");
        of_taro.insert(("Hanako".into(), "own missing".into()), 1);
        missing += 1;
    }
    wait_for("those that find no program", || (run.waiting() == 3 + missing).then_some(()));
    // Time for a try; that it waits is seen behind it.
    std::thread::sleep(Duration::from_millis(700));
    assert_eq!(run.waiting(), 3 + missing, "bounced");

    // Nothing hinders any more.
    run.jail.shell("mv /usr/bin/mfilter.away /usr/bin/mfilter");
    run.write(
        "hana",
        ".mailrules",
        &RULES.replace("defer \"4.3.0 not today\"", "folder \"Later\""),
    );
    run.jail.shell(&format!("mount -o remount,size=8m {}", run.inner_home("full") + "/Maildir"));
    of_hana.insert(("Later".into(), "later".into()), 1);
    let mut tries = 0;
    wait_for("an empty queue", || {
        if tries % 50 == 0 {
            run.jail.shell(server.flush);
        }
        tries += 1;
        (run.waiting() == 0).then_some(())
    });
    run.wait_for("hana", &of_hana);
    run.wait_for("taro", &of_taro);
    run.wait_for("full", &lies(&[("", "full")]));
    for user in ["hana", "taro", "full"] {
        assert!(left_in_tmp(&run.home(user).join("Maildir")).is_empty(), "{user}");
    }
    for mail in run.jail.mail(&(run.inner_home("taro") + "/Maildir")) {
        if mail.text().contains("takes no mail, sorry") {
            return;
        }
    }
    panic!("the bounce does not say why");
}

/// What a `sendmail` program makes of a message that is forwarded, of a bounce
/// that is, and of an answer: `server` is set up with it, and mfilter called
/// here.
pub fn forward_and_answer(test: &str, server: &Server) {
    if skipped(test, &[server.program], true) {
        return;
    }
    let Some(jail) = Jail::new(test, server.packages) else { return };
    let run = Run { server, jail };
    run.set_up();
    for (sender, subject) in [(HANAKO, "forward"), ("", "forward null"), (TARO, "answer")] {
        run.jail.write("/tmp/message", &message("hana@test.example", subject));
        run.jail.shell(&format!(
            "cd / && setpriv --reuid hana --regid hana --clear-groups env -i HOME=/home/hana \
             USER=hana LOGNAME=hana /usr/bin/mfilter -f '{sender}' -d hana@test.example \
             < /tmp/message"
        ));
    }
    let mut tries = 0;
    wait_for("what is handed on", || {
        tries += 1;
        if tries % 100 == 0 {
            // dma may have put a first try off, and would wait five minutes.
            run.jail.shell(server.flush);
        }
        (run.jail.mail("/home/taro/Maildir").len() == 3).then_some(())
    });
    let null = if server.lacks_null_sender { "" } else { "Null" };
    run.wait_for(
        "taro",
        &lies(&[("Hanako", "forward"), (null, "forward null"), (null, "mfilter's answer")]),
    );
    run.wait_for("hana", &lies(&[("", "answer")]));
    assert_eq!(run.waiting(), 0);
}

const SITE: &str = r#"
category "virus" mandatory {
    rule "virus found" when subject is "virus" -> folder "Quarantine"
}
"#;

/// Where mail for users who would go around the site rules comes to: taro's
/// `.forward` calls mfilter without them, hana's names a file. Folders, or that
/// the mail came back, or what it was put into.
pub fn around_the_site_rules(test: &str, server: &Server) -> Option<[String; 2]> {
    if skipped(test, &[server.program], true) {
        return None;
    }
    let jail = Jail::new(test, server.packages)?;
    let run = Run { server, jail };
    run.set_up();
    run.jail.write("/etc/mfilter/site.mailrules", SITE);
    run.write("taro", ".forward", "\"|/usr/bin/mfilter --site /dev/null\"\n");
    run.write("hana", ".forward", "/home/hana/mbox\n");
    // Mail that bounces comes to one who has no such file.
    for to in [TARO, "hana@test.example"] {
        run.send("full@test.example", to, "virus");
    }
    let comes_to = |user: &str| {
        let folder = |user: &str| {
            let mail = run.jail.mail(&(run.inner_home(user) + "/Maildir"));
            mail.into_iter().map(|mail| format!("folder {}", mail.folder)).next()
        };
        let bounced = || {
            let mail = run.jail.mail(&(run.inner_home("full") + "/Maildir"));
            mail.iter()
                .any(|mail| mail.text().contains(&format!("{user}@")))
                .then(|| "bounced".into())
        };
        let file = || run.home(user).join("mbox").exists().then(|| "the file".to_owned());
        wait_for(&format!("the mail of {user}"), || folder(user).or_else(bounced).or_else(file))
    };
    Some([comes_to("taro"), comes_to("hana")])
}

impl Run<'_> {
    fn set_up(&self) {
        let (server, jail) = (self.server, &self.jail);
        let guide = guide("mail-servers.md", server.name);
        for (block, number) in guide.iter().zip(1..) {
            let text = block.replace("example.org", "test.example");
            jail.write(&format!("/guide/{number}"), &text);
        }
        for (name, number) in [("hana", 2001), ("taro", 2002), ("full", 2003)] {
            jail.account(name, number, &format!("/home/{name}"));
            let home = self.home(name);
            fs::create_dir_all(&home).expect("a home");
            fs::set_permissions(&home, fs::Permissions::from_mode(0o700)).expect("private");
            self.own(name, &home);
        }
        self.write("hana", ".mailrules", RULES);
        self.write("hana", "away", "I am away.\n");
        self.write("taro", ".mailrules", TAROS_RULES);
        for (user, own) in [("taro", server.own), ("hana", server.for_extensions)] {
            if let Some((name, text)) = own {
                let block = text.strip_prefix('@').and_then(|number| number.parse::<usize>().ok());
                let text = block.map_or(text, |number| guide[number - 1].trim_end());
                self.write(user, name, &format!("{text}\n"));
            }
        }
        jail.script("/usr/local/bin/kill-once", KILL_ONCE);
        jail.shell(&format!("set -e\n{}\n{}", server.setup, server.then));
        jail.shell(&format!("({}) > /dev/null 2>&1 < /dev/null", server.start));
        wait_for(server.name, || jail.listens().then_some(()));
    }

    /// A user's home, as the server sees it.
    fn inner_home(&self, user: &str) -> String {
        if self.server.is_virtual {
            format!("/home/vmail/test.example/{user}")
        } else {
            format!("/home/{user}")
        }
    }

    fn home(&self, user: &str) -> std::path::PathBuf {
        self.jail.path(&self.inner_home(user))
    }

    fn owner(&self, user: &str) -> u32 {
        let name = if self.server.is_virtual { "vmail" } else { user };
        let id = self.jail.shell(&format!("id -u {name}"));
        id.trim().parse().expect("a number")
    }

    fn own(&self, user: &str, path: &Path) {
        let id = self.owner(user);
        chown(path, Some(id), Some(id)).expect("chown");
    }

    fn write(&self, user: &str, name: &str, text: &str) {
        let path = self.home(user).join(name);
        fs::write(&path, text).expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("private");
        self.own(user, &path);
    }

    fn fill_the_disk(&self, user: &str, size: &str) {
        let (maildir, id) = (self.inner_home(user) + "/Maildir", self.owner(user));
        self.jail.shell(&format!(
            "mkdir {maildir} && mount -t tmpfs -o size={size},mode=700,uid={id},gid={id} tmpfs {maildir}"
        ));
    }

    fn send(&self, from: &str, to: &str, subject: &str) {
        self.jail.send(from, to, &message(to, subject)).expect("taken");
    }

    fn send_big(&self, from: &str, to: &str, subject: &str) {
        let big = message(to, subject) + &"0123456789abcdef 0123456789abcdef\n".repeat(6_000);
        self.jail.send(from, to, &big).expect("taken");
    }

    fn waiting(&self) -> usize {
        self.jail.shell(self.server.waiting).trim().parse().expect("a number")
    }

    fn log(&self, user: &str) -> String {
        fs::read_to_string(self.home(user).join(".local/state/mfilter/log")).unwrap_or_default()
    }

    /// Waits until this and nothing else lies in a user's Maildir.
    fn wait_for(&self, user: &str, expected: &Lies) {
        let maildir = self.inner_home(user) + "/Maildir";
        let mut tries = 0;
        wait_for(&format!("the mail of {user} with {}", self.server.name), || {
            let mut found = Lies::new();
            for mail in self.jail.mail(&maildir) {
                let place = (mail.folder.trim_start_matches('.').to_owned(), kind(&mail.text()));
                *found.entry(place).or_default() += 1;
            }
            tries += 1;
            assert!(
                tries < 1000 || found == *expected,
                "{user} has {found:#?}\nbut should have {expected:#?}\n{}\n{}",
                self.log(user),
                self.log("hana")
            );
            (found == *expected).then_some(())
        });
    }
}

fn message(to: &str, subject: &str) -> String {
    format!(
        "From: Hanako <{HANAKO}>\nTo: <{to}>\nSubject: {subject}\n\
         Message-ID: <{}@sender.example>\n\nFrom here on\n.\nend\n",
        subject.replace(' ', "-")
    )
}

/// What a message is: the subject, unless another program wrote it. Checks
/// that those of the test are whole.
fn kind(text: &str) -> String {
    let (head, body) = text.split_once("\n\n").expect("a header");
    let subject = head.lines().find_map(|line| line.strip_prefix("Subject: ")).unwrap_or_default();
    if body.contains("I am away.") {
        return "mfilter's answer".into();
    }
    if !head.contains(&format!("Message-ID: <{}@sender.example>", subject.replace(' ', "-"))) {
        return "bounce".into();
    }
    assert!(body.starts_with("From here on\n.\nend\n"), "{text}");
    assert!(!text.starts_with("From "), "{text}");
    assert!(!text.contains('\r'), "{text}");
    subject.into()
}

fn lies(all: &[(&str, &str)]) -> Lies {
    all.iter().map(|(folder, what)| (((*folder).into(), (*what).into()), 1)).collect()
}

/// The code blocks of a chapter in docs/guide.
pub fn guide(file: &str, chapter: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/guide").join(file);
    let text = fs::read_to_string(path).expect("is there");
    let start = format!("\n## {chapter}\n");
    let (_, rest) = text.split_once(&start).expect("a chapter");
    let chapter = rest.split("\n## ").next().unwrap_or_default();
    chapter.split("```\n").skip(1).step_by(2).map(str::to_owned).collect()
}
