//! Several machines, as docs/guide/lmtp.md has them: a border, and behind it two machines
//! with an `mfilter lmtp` each, in one jail, where each has addresses of its own.

#![allow(clippy::print_stderr, reason = "a skipped test says so")]

use std::collections::BTreeMap;
use std::fs::File;
use std::process::{Child, Stdio};

use rustix::process::Signal;

use super::POSTFIX_SETUP;
use super::jail::Jail;
use super::lmtp::DOVECOT;
use super::scenario::guide;
use crate::support::lmtp_site::{children, signal};
use crate::support::{skipped, wait_for};

const POSTFIX: &str = "/usr/lib/postfix/sbin/master";
const CHAPTER: &str = "Several machines";
const SENDER: &str = "hanako@sender.example";
/// Who is on which machine.
const USERS: [(&str, &str); 3] = [("hana", "mx2"), ("ken", "mx2"), ("taro", "mx3")];
const MACHINES: [&str; 2] = ["mx2", "mx3"];
const RULES: &str = "when subject is \"refuse\" -> reject \"5.7.1 no, thanks\"\n\
    when recipient.detail is \"shop\" -> folder \"Shop\"\n\
    when verified -> folder \"Verified\"\n";
/// Of users to whom the border hands over from a public address.
const RELAYED: &str = "set relays [\"198.51.100.1\"]\n";
/// In place of policyd-spf, so that the hand-over is tried without it, too. Writes its result
/// on every message, and cannot remove those of senders.
const SPF: &str = r#"#!/bin/sh
while read -r line; do
    case $line in
    sender=*@sender.example) result=pass ;;
    sender=*) result=fail ;;
    '') echo "action=PREPEND Authentication-Results: mx.test.example; spf=$result smtp.mailfrom=${sender#*=}"; echo ;;
    esac
    case $line in sender=*) sender=$line ;; esac
done
"#;

/// A name server: the client may send for all domains but the bank's.
const NAMES: &str = r#"
import socket
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("127.0.0.1", 53))
while True:
    query, client = server.recvfrom(4096)
    end = query.index(b"\0", 12) + 5
    is_bank = b"\x04bank" in query[12:end]
    text = b"v=spf1 -all" if is_bank else b"v=spf1 ip4:203.0.113.9 -all"
    data = bytes([len(text)]) + text
    is_text = query[end - 4 : end - 2] == b"\0\x10"
    answer = query[:2] + b"\x85\x80\0\1" + bytes([0, is_text]) + b"\0\0\0\0" + query[12:end]
    if is_text:
        answer += b"\xc0\x0c\0\x10\0\1\0\0\0\x3c\0" + bytes([len(data)]) + data
    server.sendto(answer, client)
"#;

struct Site {
    jail: Jail,
    mfilter: BTreeMap<&'static str, Child>,
}

impl Site {
    /// The users and an `mfilter lmtp` for each machine; `listen` begins its address.
    fn new(
        test: &str,
        programs: &[&str],
        packages: Option<&str>,
        listen: fn(&str) -> String,
    ) -> Option<Site> {
        if skipped(test, programs, true) {
            return None;
        }
        let jail = Jail::new(test, packages)?;
        let mut site = Site { jail, mfilter: BTreeMap::new() };
        site.jail.write(
            "/etc/hosts",
            "127.0.0.1 localhost\n198.51.100.1 mx.test.example\n10.0.0.2 mx2.internal\n10.0.0.3 mx3.internal\n",
        );
        let addresses = "203.0.113.9 198.51.100.1 10.0.0.1 10.0.0.2 10.0.0.3";
        site.jail.shell(&format!("for a in {addresses}; do ip addr add $a/32 dev lo; done"));
        for (user, machine) in USERS {
            let relayed = if machine == "mx3" { RELAYED } else { "" };
            let rules = format!("{relayed}{RULES}");
            site.jail.write(&format!("/var/vmail/{machine}/{user}/.mailrules"), &rules);
        }
        site.jail.shell("chown -R vmail: /var/vmail");
        for machine in MACHINES {
            site.jail.write(
                &format!("/etc/mfilter/{machine}.conf"),
                &format!(
                    "users = template:/var/vmail/{machine}/{{user}}\nmaildir = ~/Maildir\n\
                     state = /srv/state/{machine}\n"
                ),
            );
            site.jail.shell(&format!(
                "install -d -o vmail -g vmail /run/mfilter/{machine} /srv/state/{machine}"
            ));
            site.filter(machine, listen(machine));
        }
        Some(site)
    }

    fn filter(&mut self, machine: &'static str, listen: String) {
        let log = self.jail.path("/var/log/mfilter.log");
        let log = File::options().append(true).create(true).open(log).expect("made");
        let mut command = self.jail.daemon("/usr/bin/mfilter");
        command.args(["lmtp", "--user-id", "vmail", "--socket-mode", "666", "--listen", &listen]);
        command.args(["--config", &format!("/etc/mfilter/{machine}.conf")]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        self.mfilter.insert(machine, command.spawn().expect("it starts"));
    }

    /// A Postfix of that name; each has its own configuration, queue and log.
    fn postfix(&self, name: &str, main: &str, listeners: &str) {
        let setup = POSTFIX_SETUP
            .replace("/etc/postfix", &format!("/etc/postfix-{name}"))
            .replace("/var/lib/postfix", &format!("/var/lib/postfix-{name}"))
            .replace("/var/spool/postfix", &format!("/var/spool/postfix-{name}"))
            .replace("/var/log/postfix.log", &format!("/var/log/postfix-{name}.log"))
            .replace("    echo 'smtp inet n - n - - smtpd'\n", "")
            .replace("    echo 'myhostname = mx.test.example'\n", "")
            .replace("    echo 'inet_interfaces = 127.0.0.1'\n", "")
            .replace("    echo 'mynetworks = 127.0.0.0/8'\n", "")
            .replace("    echo 'smtpd_recipient_restrictions = permit_mynetworks, reject'\n", "")
            .replace("    echo 'default_transport = error:no mail leaves this test'\n", "");
        let (address, _) = listeners.split_once(':').expect("an address");
        let main = format!(
            "{main}inet_interfaces = {address}\nqueue_directory = /var/spool/postfix-{name}\n\
             data_directory = /var/lib/postfix-{name}\nmydestination =\n\
             myhostname = {name}.test.example\nmaximal_backoff_time = 1s\nqueue_run_delay = 1s\n\
             smtp_host_lookup = native\nsmtp_dns_support_level = disabled\n\
             default_transport = discard\n"
        );
        self.jail.write("/guide/main", &main);
        self.jail.write(
            "/guide/master",
            &format!(
                "{listeners}discard unix - - n - - discard\nsmtp unix - - n - - smtp\n\
                 relay unix - - n - - smtp\nlmtp unix - - n - - lmtp\n\
                 scache unix - - n - 1 scache\n"
            ),
        );
        self.jail.shell(&format!("set -e\n{setup}"));
    }

    fn start(&self, name: &str, address: &str) {
        self.jail
            .shell(&format!("{POSTFIX} -c /etc/postfix-{name} -w > /dev/null 2>&1 < /dev/null"));
        wait_for("Postfix", || {
            let mut command = self.jail.command("/bin/bash");
            command.args(["-c", &format!("exec 3<>/dev/tcp/{address}/25")]);
            command.stderr(Stdio::null()).status().expect("runs").success().then_some(())
        });
    }

    /// Sends from the outside.
    fn send(&self, from: &str, to: &[&str], subject: &str, head: &str) {
        let message = format!(
            "{head}From: Hanako <{from}>\nTo: all@example.org\nSubject: {subject}\n\
             Message-ID: <{subject}@sender.example>\n\nbody\n"
        );
        self.jail.write("/tmp/message", &message);
        let to: Vec<String> = to.iter().map(|user| format!("{user}@example.org")).collect();
        self.jail.shell(&format!(
            "swaks --server 198.51.100.1 --local-interface 203.0.113.9 --helo client.example \
             --from {from} --to {} --data @/tmp/message > /tmp/swaks 2>&1 || {{ cat /tmp/swaks; exit 1; }}",
            to.join(",")
        ));
    }

    /// Waits until no queue has mail.
    fn flush(&self) {
        let mut tries = 0;
        wait_for("empty queues", || {
            tries += 1;
            assert!(tries < 1500, "{}", self.logs());
            if tries % 50 == 0 {
                // A message of which one part was still on its way is put off for minutes.
                self.jail
                    .shell("for c in /etc/postfix-*; do postqueue -c $c -f || true; done 2>&1");
            }
            (self.waiting() == 0).then_some(())
        });
    }

    fn waiting(&self) -> usize {
        // The way that mail takes, so that none is missed; a name stays the same on it.
        let queues = "maildrop deferred incoming active deferred";
        let count = self.jail.shell(&format!(
            "for q in {queues}; do find /var/spool/postfix-*/$q -type f -printf '%f\\n'; done \
             2>/dev/null | sort -u | wc -l"
        ));
        count.trim().parse().expect("a number")
    }

    /// Folder and subject of a user's mail, and how often it is there.
    fn stored(&self, user: &str) -> BTreeMap<String, usize> {
        let (_, machine) = USERS.iter().find(|(name, _)| *name == user).expect("a user");
        let mut stored = BTreeMap::new();
        for mail in self.jail.mail(&format!("/var/vmail/{machine}/{user}/Maildir")) {
            let text = mail.text();
            let subject = text.lines().find_map(|line| line.strip_prefix("Subject: "));
            let place = format!("{} {}", mail.folder, subject.expect("it has one"));
            *stored.entry(place.trim_start().to_owned()).or_default() += 1;
        }
        stored
    }

    fn bounced(&self) -> usize {
        self.logged("status=bounced")
    }

    /// How many lines of Postfix' logs match.
    fn logged(&self, pattern: &str) -> usize {
        let count =
            self.jail.shell(&format!("cat /var/log/postfix-*.log | grep -c '{pattern}' || true"));
        count.trim().parse().expect("a number")
    }

    fn signal(&self, machine: &str, what: Signal) {
        for process in children(self.mfilter[machine].id()) {
            signal(process, what);
        }
    }

    /// Ends the `mfilter lmtp` of a machine by a signal.
    fn end(&mut self, machine: &str, what: Signal) {
        self.signal(machine, what);
        let mut ended = self.mfilter.remove(machine).expect("it runs");
        // What started it stops when it is stopped.
        signal(ended.id(), Signal::CONT);
        ended.wait().expect("it is ours");
    }

    fn logs(&self) -> String {
        self.jail.shell("tail -n 30 /var/log/*postfix-*.log /var/log/mfilter.log /var/log/dovecot.log 2>&1 || true")
    }
}

fn expected(mail: &[&str], folder: &str, numbered: usize) -> BTreeMap<String, usize> {
    let many = (0..numbered).map(|number| format!("{folder}m{number}"));
    mail.iter().map(|&place| place.to_owned()).chain(many).map(|place| (place, 1)).collect()
}

/// A code block of the guide for a machine here.
fn block(number: usize) -> String {
    guide("lmtp.md", CHAPTER)[number].replace("/etc/postfix/", "/etc/postfix-mx/")
}

#[test]
fn a_border_hands_over_to_two_machines_by_smtp() {
    let test = "the test of a border and two machines with Postfix";
    border(test, &[], "/usr/local/bin/spf", |jail| jail.script("/usr/local/bin/spf", SPF));
}

#[test]
fn what_policyd_spf_wrote_at_the_border_is_believed_behind_it() {
    let test = "the test of policyd-spf before two machines with Postfix";
    let programs = ["/usr/bin/policyd-spf", "/usr/bin/python3"];
    for kind in ["SPF", "AR\nAuthserv_Id = mx.test.example"] {
        border(test, &programs, programs[0], |jail| {
            jail.write(
                "/etc/postfix-policyd-spf-python/policyd-spf.conf",
                &format!("HELO_reject = False\nMail_From_reject = False\nHeader_Type = {kind}\n"),
            );
            jail.write("/tmp/names.py", NAMES);
            jail.shell("/usr/bin/python3 /tmp/names.py > /dev/null 2>&1 &");
            wait_for("a name server", || {
                let bound = jail.shell("grep -c ':0035 ' /proc/net/udp || true");
                (bound.trim() != "0").then_some(())
            });
        });
    }
}

/// `policy` is the policy server that `prepare` sets up.
fn border(test: &str, programs: &[&str], policy: &str, prepare: impl Fn(&Jail)) {
    let listen = |machine: &str| format!("unix:/run/mfilter/{machine}/lmtp");
    let programs = [programs, &[POSTFIX, "/usr/bin/swaks"]].concat();
    let Some(site) = Site::new(test, &programs, None, listen) else { return };
    prepare(&site.jail);
    let border = block(0)
        + "virtual_alias_maps = inline:{ { info@example.org = hana@example.org, taro@example.org } }\n\
           smtpd_recipient_restrictions = reject_unauth_destination, check_policy_service unix:private/spf\n\
           mynetworks = 127.0.0.0/8 10.0.0.0/8\nsmtp_bind_address = 10.0.0.1\n";
    let spf = format!(
        "spf unix - n n - 0 spawn user=nobody argv={policy}\n\
         public unix - - n - - smtp -o smtp_bind_address=198.51.100.1\n"
    );
    site.postfix("mx", &border, &format!("198.51.100.1:25 inet n - n - - smtpd\n{spf}"));
    let mut transport = String::new();
    for (user, machine) in USERS {
        let by = if machine == "mx3" { "public" } else { "relay" };
        transport.push_str(&format!("{user}@example.org {by}:[{machine}.internal]\n"));
    }
    site.jail.write("/etc/postfix-mx/transport", &transport);
    site.jail.shell("postmap -c /etc/postfix-mx /etc/postfix-mx/transport");
    site.start("mx", "198.51.100.1");
    for (machine, address) in [("mx2", "10.0.0.2"), ("mx3", "10.0.0.3")] {
        let main = block(2)
            .replace("unix:/run/mfilter/", &format!("unix:/run/mfilter/{machine}/"))
            .replace("10.0.0.1", "10.0.0.1 198.51.100.1")
            .replace("relayhost", "# relayhost");
        site.postfix(machine, &main, &format!("{address}:25 inet n - n - - smtpd\n"));
        if machine == "mx2" {
            site.start(machine, address);
        }
    }
    // mx3 is away.
    let forged = "Authentication-Results: mx.test.example; dmarc=pass header.from=bank.example\n\
        Received-SPF: Pass (mailfrom) identity=mailfrom; client-ip=203.0.113.9; \
        helo=mail.bank.example; envelope-from=boss@bank.example; receiver=mx.test.example\n\
        Received: from mail.bank.example (mail.bank.example [203.0.113.7])\n\tby mx.test.example \
        (Postfix) with ESMTP id 4B1; Mon, 30 Nov 2026 06:00:00 +0000 (UTC)\n\
        Return-Path: <boss@bank.example>\n";
    site.send("boss@bank.example", &["ken", "taro"], "forged", forged);
    site.send(SENDER, &["info", "hana+shop", "taro+shop"], "alias", "");
    for number in 0..12 {
        site.send(SENDER, &["hana", "ken", "taro"], &format!("m{number}"), "");
    }
    site.start("mx3", "10.0.0.3");
    site.flush();
    let logs = site.logs();
    let both = [".Shop alias", ".Verified alias"];
    assert_eq!(site.stored("hana"), expected(&both, ".Verified ", 12), "{logs}");
    assert_eq!(site.stored("ken"), expected(&["forged"], ".Verified ", 12), "{logs}");
    let all = [both[0], both[1], "forged"];
    assert_eq!(site.stored("taro"), expected(&all, ".Verified ", 12), "{logs}");
    assert_eq!(site.bounced(), 0, "{logs}");
    // What the alias was is passed on by both Postfixes.
    for (user, machine) in [("hana", "mx2"), ("taro", "mx3")] {
        let log = std::fs::read_to_string(
            site.jail.path(&format!("/srv/state/{machine}/{user}/state/log")),
        );
        let log = log.expect("written");
        assert!(log.contains("info@example.org"), "{log}");
    }
}

/// Stands before what the guide says: nothing of a distribution.
const BEFORE_2_3: &str = "protocols =\n";
/// As Debian has it.
const BEFORE_2_4: &str = "dovecot_config_version = 2.4.1\ndovecot_storage_version = 2.4.1\n\
    default_internal_user = nobody\ndefault_login_user = nobody\ndefault_internal_group = nogroup\n\
    protocol lmtp {\n auth_username_format = %{user | username | lower}\n}\n";

#[test]
fn dovecots_proxy_hands_over_to_two_machines() {
    let test = "the test of Dovecot's proxy before two `mfilter lmtp`";
    proxy(test, DOVECOT, None, BEFORE_2_3, 0);
}

#[test]
fn the_proxy_of_dovecot_2_4_hands_over_to_two_machines() {
    let test = "the test of Dovecot 2.4's proxy before two `mfilter lmtp`";
    proxy(test, &[], Some("dovecot24"), BEFORE_2_4, 1);
}

fn proxy(test: &str, dovecot: &[&str], packages: Option<&str>, before: &str, block: usize) {
    let programs = [dovecot, &[POSTFIX, "/usr/bin/swaks"]].concat();
    let address = |machine: &str| format!("127.0.0.{}:10024", &machine[2..]);
    let Some(mut site) = Site::new(test, &programs, packages, address) else { return };
    let settings = guide("lmtp.md", "Dovecot's proxy");
    site.jail.write(
        "/etc/dovecot/dovecot.conf",
        &format!(
            "{before}log_path = /var/log/dovecot.log\nssl = no\n{}",
            settings[block].replace("spool/postfix/", "spool/postfix-mx/")
        ),
    );
    let users: String = USERS
        .iter()
        .map(|(user, machine)| {
            settings[2]
                .replace("taro", user)
                .replace("127.0.0.2", &format!("127.0.0.{}", &machine[2..]))
        })
        .collect();
    site.jail.write("/etc/dovecot/proxied", &users);
    site.postfix(
        "mx",
        &format!(
            "virtual_mailbox_domains = example.org\nvirtual_mailbox_maps =\nrecipient_delimiter = +\n\
             smtpd_recipient_restrictions = reject_unauth_destination\n{}",
            settings[3]
        ),
        "198.51.100.1:25 inet n - n - - smtpd\n",
    );
    site.jail.shell("dovecot > /tmp/said 2>&1 < /dev/null || { cat /tmp/said; exit 1; }");
    site.start("mx", "198.51.100.1");
    site.send(SENDER, &["hana+shop", "taro+shop"], "detail", "");
    wait_for("its delivery", || (!site.stored("hana").is_empty()).then_some(()));
    site.flush();
    // Both halves of a message: one is taken, the other one waits.
    site.end("mx3", Signal::TERM);
    for number in 0..12 {
        site.send(SENDER, &["taro", "hana", "ken"], &format!("m{number}"), "");
    }
    wait_for("mail that waits", || (site.waiting() == 12).then_some(()));
    site.filter("mx3", address("mx3"));
    site.flush();
    // A machine that stalls delays nobody else, and is then killed.
    let deferred = site.logged("status=deferred");
    site.signal("mx3", Signal::STOP);
    for number in 12..18 {
        site.send(SENDER, &["taro", "hana", "ken"], &format!("m{number}"), "");
    }
    wait_for("mail of the others", || (site.logged("to=<ken.*status=sent") == 18).then_some(()));
    wait_for("mail of the others", || (site.logged("to=<hana@.*status=sent") == 18).then_some(()));
    assert_eq!(site.logged("status=deferred"), deferred, "{}", site.logs());
    site.end("mx3", Signal::KILL);
    site.filter("mx3", address("mx3"));
    site.flush();
    site.send(SENDER, &["hana", "taro", "nobody"], "refuse", "");
    wait_for("refusals", || (site.bounced() == 3).then_some(()));
    let logs = site.logs();
    assert_eq!(site.stored("hana"), expected(&[".Shop detail"], "", 18), "{logs}");
    assert_eq!(site.stored("ken"), expected(&[], "", 18), "{logs}");
    assert_eq!(site.stored("taro"), expected(&[".Shop detail"], "", 18), "{logs}");
    let crashes = site.jail.shell("grep 'killed with signal' /var/log/dovecot.log || true");
    assert_eq!(crashes, "");
}
