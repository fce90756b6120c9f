//! Dovecot 2.4 with the settings that docs/guide/web-mailers.md has for it: scripts are
//! saved through `mfilter managesieve`, and deliveries run them by `include sieve`.

#![allow(clippy::print_stderr, reason = "a skipped test says so")]

use std::process::{Child, Stdio};

use super::jail::Jail;
use super::scenario::guide;
use crate::support::managesieve::ManageSieve;
use crate::support::wait_for;

const SETTINGS: &str = include_str!("../../../examples/dovecot/90-mfilter-2.4.conf");
const LISTENERS: &str = include_str!("../../../examples/dovecot/95-mfilter-managesieve.conf");
/// As providers have it so far.
const FILTERED: &str = "protocol lda {\n mail_plugins {\n  sieve = yes\n }\n}\n";
const HOME: &str = "/home/hana";

/// What stands in conf.d of a provider, and what examples and guide say.
fn configure(jail: &Jail) {
    let blocks = guide("web-mailers.md", "Refused when it is saved");
    let passdb = blocks.iter().find(|block| block.starts_with("passdb pam {")).expect("a passdb");
    let passdb = passdb
        .replace("passdb pam {", "passdb passwd-file {\n  passwd_file_path = /etc/dovecot/users");
    let (listeners, _) = LISTENERS.split_once("\n# The passdb").expect("listeners, then a passdb");
    let listeners = listeners.replace("address = ", "listen = ");
    jail.write(
        "/etc/dovecot/dovecot.conf",
        &format!(
            "dovecot_config_version = 2.4.1\ndovecot_storage_version = 2.4.1\n\
             log_path = /var/log/dovecot.log\nssl = no\nauth_allow_cleartext = yes\n\
             listen = 127.0.0.1\nfirst_valid_uid = 1\n\
             default_internal_user = nobody\ndefault_login_user = nobody\n\
             default_internal_group = nogroup\n\
             mail_driver = maildir\nmail_path = ~/Maildir\nmail_inbox_path = ~/Maildir\n\
             namespace inbox {{\n inbox = yes\n separator = .\n}}\n\
             userdb passwd-file {{\n passwd_file_path = /etc/dovecot/users\n}}\n\
             {passdb}\n{listeners}\n{FILTERED}{SETTINGS}"
        ),
    );
    jail.write("/etc/dovecot/users", &format!("hana:{{PLAIN}}secret:2001:2001::{HOME}::\n"));
}

struct Site {
    jail: Jail,
    between: Child,
}

impl Drop for Site {
    fn drop(&mut self) {
        let _ = self.between.kill();
        let _ = self.between.wait();
    }
}

impl Site {
    fn start() -> Option<Site> {
        let jail = Jail::new("the test with Dovecot 2.4", Some("dovecot24"))?;
        jail.account("hana", 2001, HOME);
        let rules = "include sieve \"~/.dovecot.sieve\" separator \".\" prefix \"\"\n";
        jail.write(&format!("{HOME}/.mailrules"), rules);
        jail.shell(&format!("chown -R hana: {HOME} && chmod 700 {HOME}"));
        configure(&jail);
        // Deliveries of Dovecot write there as the user.
        jail.shell("install -m 666 /dev/null /var/log/dovecot.log");
        jail.shell("dovecot > /dev/null 2>&1 < /dev/null");
        let mut between = jail.daemon("/usr/bin/setpriv");
        between.args(["--reuid", "nobody", "--regid", "nogroup", "--clear-groups"]);
        between.args(["/usr/bin/mfilter", "managesieve", "--listen", "127.0.0.1:4191"]);
        between.args(["--server", "127.0.0.1:4192"]).stdin(Stdio::null()).stderr(Stdio::null());
        let between = between.spawn().expect("it starts");
        for port in [4190, 4191] {
            wait_for("a server", || {
                let mut command = jail.command("/bin/bash");
                command.args(["-c", &format!("exec 3<>/dev/tcp/127.0.0.1/{port}")]);
                command.stderr(Stdio::null()).status().expect("runs").success().then_some(())
            });
        }
        Some(Site { jail, between })
    }

    /// A client that has logged in.
    fn client(&self) -> ManageSieve {
        let mut wire = self.jail.command("/bin/bash");
        wire.args(["-c", "exec 3<>/dev/tcp/127.0.0.1/4190; cat <&3 & exec cat >&3"]);
        let mut client = ManageSieve::of(wire);
        let greeting = client.answer().unwrap_or_else(|error| panic!("{error}\n{}", self.log()));
        assert!(greeting.starts_with("OK"), "{greeting}");
        // RFC 4616, in Base64.
        let login = client.ask(b"AUTHENTICATE \"PLAIN\" \"AGhhbmEAc2VjcmV0\"");
        let login = login.unwrap_or_else(|error| panic!("{error}\n{}", self.log()));
        assert!(login.starts_with("OK"), "{login}\n{}", self.log());
        client
    }

    fn log(&self) -> String {
        self.jail.shell("cat /var/log/dovecot.log")
    }

    /// Runs a program of delivery as the user, with a message of this subject.
    fn deliver(&self, program: &str, subject: &str) {
        let message =
            format!("From: a@b.example\nTo: hana@test.example\nSubject: {subject}\n\nx\n");
        self.jail.write("/tmp/message", &message);
        self.jail.shell(&format!(
            "cd {HOME} && setpriv --reuid hana --regid hana --clear-groups env -i HOME={HOME} \
             USER=hana LOGNAME=hana {program} < /tmp/message"
        ));
    }

    /// Folder and subject of all that was delivered, sorted.
    fn mail(&self) -> Vec<(String, String)> {
        let mail = self.jail.mail(&format!("{HOME}/Maildir"));
        let mut mail: Vec<(String, String)> = mail
            .iter()
            .map(|mail| {
                let text = mail.text();
                let subject = text.lines().find_map(|line| line.strip_prefix("Subject: "));
                (mail.folder.clone(), subject.unwrap_or_default().to_owned())
            })
            .collect();
        mail.sort();
        mail
    }

    fn scripts(&self) -> String {
        self.jail.shell(&format!("find {HOME}/sieve -type f"))
    }
}

fn filing(folder: &str) -> String {
    format!("require \"fileinto\";\n# rule:[Shop]\nfileinto \"{folder}\";\n")
}

#[test]
fn scripts_saved_by_dovecot_2_4_run_and_broken_ones_are_refused() {
    let Some(site) = Site::start() else { return };
    let mut client = site.client();
    client.put("filters", &filing("Shop"));
    client.activate("filters");
    site.deliver("/usr/bin/mfilter", "one");
    client.put("filters", &filing("Other"));
    site.deliver("/usr/bin/mfilter", "two");
    // Dovecot would take the first; none of the others.
    for (script, reason) in [
        (
            "require \"body\";\n# rule:[Raw]\nif body :raw :contains \"x\" { discard; }\n",
            "line 3: the filter `Raw`",
        ),
        (
            "require \"enotify\";\n# rule:[Boss by SMS]\nnotify \"mailto:a@b.example\";\n",
            "line 3: the filter `Boss by SMS`: it wants to send a notification",
        ),
        ("keep;\nif {\n", "line 2"),
    ] {
        let put = format!("PUTSCRIPT \"filters\" {{{}+}}\r\n{script}", script.len());
        let answer = client.ask(put.as_bytes()).expect("an answer");
        assert!(answer.starts_with("NO") && answer.contains(reason), "{script}: {answer}");
    }
    // What the example does not announce, Dovecot itself does not take.
    let put = format!("PUTSCRIPT \"more\" {{{}+}}\r\n{}", 20, "require \"mailbox\";\n");
    let answer = client.ask(put.as_bytes()).expect("an answer");
    assert!(answer.starts_with("NO"), "{answer}");
    assert_eq!(site.scripts(), format!("{HOME}/sieve/filters.sieve\n"));
    site.deliver("/usr/bin/mfilter", "three");
    // Whatever Dovecot itself still delivers is not filtered once more.
    site.deliver("/usr/lib/dovecot/dovecot-lda", "four");
    // Switched off.
    client.activate("");
    site.jail.shell(&format!("touch -d '-61 seconds' {HOME}"));
    site.deliver("/usr/bin/mfilter", "five");
    let mail =
        [("", "five"), ("", "four"), (".Other", "three"), (".Other", "two"), (".Shop", "one")];
    let expected = mail.map(|(folder, subject)| (folder.to_owned(), subject.to_owned()));
    assert_eq!(site.mail(), expected, "{}", site.log());
}
