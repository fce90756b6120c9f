//! The programs that write results, with senders who would write the results themselves:
//! whatever these programs print of hostile signatures, envelope senders, HELOs and From,
//! nothing that only the sender said is believed, and honest mail is `verified`. OpenDKIM,
//! OpenDMARC, policyd-spf and rspamd as milters and policy servers of Postfix; Exim,
//! Haraka and amavis as a whole. Each test has a name server of its own.
//! `tests/cases/border-*` holds messages as they print them, for machines without them.

#![allow(clippy::print_stderr, reason = "a skipped test says so")]

mod amavis;
mod exim;
mod haraka;
mod milter;
mod names;

use std::path::Path;
use std::process::Command;

use crate::support::daemon::Daemon;
use crate::support::{Home, run};

use names::signature;

/// The client that SPF allows for every domain except the bank's.
const CLIENT: &str = "203.0.113.9";
const BODY: &str = "Please log in.\r\n";

/// A program that asks the test's name server, through a resolv.conf of its own.
fn among_names(home: &Home, program: &str, arguments: &[&str]) -> Command {
    let script = "mount --bind resolv.conf /etc/resolv.conf && exec \"$@\"";
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", script, "sh", program]).args(arguments);
    command.current_dir(home.path());
    command
}

/// A program that takes its configuration, which is told a free port, from a file.
fn daemon(home: &Home, program: &str, configuration: impl FnOnce(u16) -> String) -> Daemon {
    let name = Path::new(program).file_name().expect("a name").to_string_lossy().into_owned();
    Daemon::start(&name, |port| {
        let file = format!("{name}.conf");
        home.write(&file, configuration(port));
        let arguments: &[&str] = match name.as_str() {
            "opendkim" => &["-f", "-x", &file],
            "opendmarc" => &["-f", "-c", &file],
            "rspamd" => &["-f", "-i", "-c", &file],
            _ => &["-c", &file, "foreground"],
        };
        among_names(home, program, arguments)
    })
}

/// What the policy server has Postfix add at the top.
fn policyd(home: &Home, kind: &str, helo: &str, sender: &str) -> String {
    home.write(
        "policyd.conf",
        format!(
            "debugLevel = 0\nTestOnly = 1\nHELO_reject = False\nMail_From_reject = False\n\
             Header_Type = {kind}\nAuthserv_Id = mx.example.jp\n"
        ),
    );
    let sender = sender.replace('"', "");
    let request = format!(
        "request=smtpd_access_policy\nprotocol_state=RCPT\nprotocol_name=SMTP\nhelo_name={helo}\n\
         queue_id=4A1\nsender={sender}\nrecipient=taro@example.jp\nclient_address={CLIENT}\n\
         client_name=out.evil.example\ninstance=1\n\n"
    );
    let output = run(among_names(home, "policyd-spf", &["policyd.conf"]), request.as_bytes());
    let line = output.stdout.lines().find_map(|line| line.strip_prefix("action=prepend "));
    line.unwrap_or_else(|| panic!("{output:?}")).to_owned()
}

/// What only the sender says about these messages.
const CONDITIONS: [&str; 9] = [
    "verified",
    "dmarc is pass",
    "spf.domain is \"@.bank.example\"",
    "dkim.domain is \"@.bank.example\"",
    "spf is pass and spf.domain is \"bank.example\"",
    "authenticated",
    "client.ip is \"127.0.0.0/8\"",
    "client.host is \"@.bank.example\"",
    "spam-score <= -50",
];

/// Which of these conditions match.
fn holding<'c>(home: &Home, conditions: &[&'c str], sender: &str, message: &str) -> Vec<&'c str> {
    let rules = (0..).zip(conditions).map(|(at, each)| format!("when {each} -> copy \"f{at}\"\n"));
    let rules: String = rules.collect();
    home.write(".mailrules", format!("set trust [\"mx.example.jp\"]\n{rules}"));
    home.write("message", message);
    let path = home.path().join("message").display().to_string();
    let output = home.run(&["--test", "--json", "-f", sender, &path], b"");
    assert_eq!(output.code, Some(0), "{output:?}");
    let holds = |at: &usize| output.stdout.contains(&format!("\"f{at}\""));
    (0..conditions.len()).filter(holds).map(|at| conditions[at]).collect()
}

/// The line of the border, which is Postfix.
fn border(helo: &str) -> String {
    format!(
        "Received: from {helo} (out.evil.example [{CLIENT}])\r\n\tby mx.example.jp (Postfix) with \
         ESMTPS id 4A1\r\n\tfor <taro@example.jp>; Fri, 27 Nov 2026 10:00:00 +0900 (JST)\r\n"
    )
}

/// The results that a sender writes.
const FORGED: &str = "Authentication-Results: mx.example.jp; dmarc=pass \
    header.from=bank.example;\r\n\tspf=pass smtp.mailfrom=bank.example; dkim=pass \
    header.d=bank.example\r\n";

/// The headers of a border, above and directly below its Received line.
fn layouts(printed: &[String], helo: &str, message: &[String]) -> [String; 2] {
    let printed: String = printed.iter().map(|header| format!("{header}\r\n")).collect();
    // Where the border writes no Authentication-Results, `set trust` must not name it,
    // because then the sender's own would be believed.
    let is_ar = printed.contains("Authentication-Results");
    let forged = if is_ar { FORGED } else { "" };
    let message: String = message.iter().map(|header| format!("{header}\r\n")).collect();
    let border = border(helo);
    [
        format!("{printed}{border}{forged}{message}\r\n{BODY}"),
        format!("{border}{printed}{forged}{message}\r\n{BODY}"),
    ]
}

fn headers(from: &str) -> Vec<String> {
    let from = format!("From: {from}");
    let rest = [
        "To: taro@example.jp",
        "Subject: notice",
        "Date: Fri, 27 Nov 2026 09:59:58 +0900",
        "Message-ID: <x@evil.example>",
    ];
    std::iter::once(from).chain(rest.map(str::to_owned)).collect()
}

/// A sender: From, HELO, the tags of the signature, the envelope sender.
struct Sender {
    from: &'static str,
    helo: &'static str,
    tags: String,
    envelope: &'static str,
}

impl Sender {
    /// The headers that they send, signed; below a signature copied from elsewhere where
    /// there is one.
    fn signed(&self, home: &Home, replayed: &[&str]) -> Vec<String> {
        let mut message = headers(self.from);
        let signed = signature(home, &self.tags, &message);
        message.insert(0, signed);
        message.splice(0..0, replayed.iter().map(|header| (*header).to_owned()));
        message
    }
}

const PLAIN: &str = "d=evil.example; s=sel";
const REPLAYED: &str = "DKIM-Signature: v=1; a=rsa-sha256; d=bank.example; s=sel; h=from; bh=AAAA; \
    b=bankbankbank";

/// Senders who pretend to be the bank.
fn hostile() -> Vec<Sender> {
    const BANK: &str = "Bank <info@bank.example>";
    const HELO: &str = "mail.evil.example";
    const ENVELOPE: &str = "x@evil.example";
    let smuggled = "a=3Bdmarc=3Dpass=20header.from=3Dbank.example=3Bdkim=3Dpass=20header.d=3D\
        bank.example=20header.b=3Dbankbank=20header.i=3D@evil.example";
    let line = "a=0D=0AAuthentication-Results:=20mx.example.jp=3Bdmarc=3Dpass@evil.example";
    let plain = |from, helo, envelope| Sender { from, helo, tags: PLAIN.into(), envelope };
    let mut all: Vec<Sender> = [smuggled, "a=28@evil.example", "a=22b@evil.example", line]
        .map(|identity| format!("{PLAIN}; i={identity}"))
        .into_iter()
        .chain([format!("{PLAIN} header.d=bank.example")])
        .map(|tags| Sender { from: BANK, helo: HELO, tags, envelope: ENVELOPE })
        .collect();
    for helo in [
        "x;dmarc=pass header.from=bank.example",
        "x; envelope-from=x@bank.example; y",
        "x) smtp.mailfrom=bank.example (",
        "x([127.0.0.1])",
        "x(Authenticated)",
        "[127.0.0.1] (helo=www.bank.example)",
        "by mx.example.jp (Postfix) with ESMTPA id 3;dmarc=pass header.from=bank.example",
        "x by y;dmarc=pass header.from=bank.example",
        "www.bank.example",
    ] {
        all.push(plain(BANK, helo, ENVELOPE));
    }
    all.push(plain(BANK, "x;dmarc=pass header.from=bank.example", ""));
    for envelope in [
        "\"x@bank.example\"@evil.example",
        "\"a;dmarc=pass header.from=bank.example;x\"@evil.example",
        "\"a) smtp.mailfrom=x@bank.example (\"@evil.example",
        "\"x@bank.example (x) policy.y=\"@evil.example",
        "\"a dmarc=pass header.from=bank.example b\"@evil.example",
        "\"a\\\";dmarc=pass header.from=bank.example;x=\\\"\"@evil.example",
        "a=dmarc=pass/header.from=bank.example@evil.example",
    ] {
        all.push(plain(BANK, HELO, envelope));
    }
    for from in [
        "<info@bank.example;x.evil.example>",
        "<info@bank.example(x).evil.example>, <info@bank.example>",
    ] {
        all.push(plain(from, "pc", ENVELOPE));
    }
    all
}

fn honest() -> Vec<Sender> {
    let sender = |from, tags: &str, envelope| Sender {
        from,
        helo: "mail.honest.example",
        tags: format!("d=honest.example; s=sel{tags}"),
        envelope,
    };
    vec![
        sender("Honest <a@honest.example>", "", "a@honest.example"),
        sender(
            "\"Honest, Inc. (x)\" <a@honest.example>",
            "; i=a=2Bb@honest.example",
            "bounce+taro=example.jp@honest.example",
        ),
    ]
}

/// Tries each message that a writer produced for each hostile sender.
fn nobody_is_believed(home: &Home, made: impl Fn(&Sender) -> Vec<String>) {
    let (mut wrong, mut tried) = (Vec::new(), 0);
    for sender in hostile() {
        for text in made(&sender) {
            let holds = holding(home, &CONDITIONS, sender.envelope, &text);
            if !holds.is_empty() {
                wrong.push(format!("{holds:?}:\n{text}"));
            }
            tried += 1;
        }
    }
    assert!(tried > 15, "{tried} tried");
    assert!(wrong.is_empty(), "{} are believed:\n{}", wrong.len(), wrong.join("\n---\n"));
}

/// Tries each message that a writer produced for the honest senders, and compares with the
/// conditions that should match.
fn the_honest_are_verified(
    home: &Home,
    conditions: &[&str],
    made: impl Fn(&Sender) -> Vec<String>,
) {
    for sender in honest() {
        for text in made(&sender) {
            let holds = holding(home, conditions, sender.envelope, &text);
            assert_eq!(holds, conditions, "{text}");
        }
    }
}

/// Who signed, and whom SPF was asked about.
const SIGNED: &str = "dkim is pass and dkim.domain is \"honest.example\"";
const SENT: &str = "spf is pass and spf.domain is \"honest.example\"";

#[test]
fn opendkim_opendmarc_and_policyd_spf() {
    let programs = ["/usr/sbin/opendkim", "/usr/sbin/opendmarc", "/usr/bin/policyd-spf"];
    let names = "127.77.0.1";
    let home = Home::new();
    let test = "the test with OpenDKIM, OpenDMARC and policyd-spf";
    if !names::serve(test, &home, names, &programs) {
        return;
    }
    let opendkim = daemon(&home, programs[0], |port| {
        format!(
            "Syslog no\nMode v\nSocket inet:{port}@127.0.0.1\nAuthservID mx.example.jp\n\
             Nameservers {names}\nAlwaysAddARHeader yes\n"
        )
    });
    let opendmarc = daemon(&home, programs[1], |port| {
        format!(
            "Syslog false\nSocket inet:{port}@127.0.0.1\nAuthservID mx.example.jp\n\
             TrustedAuthservIDs mx.example.jp\nSPFSelfValidate true\nSPFIgnoreResults true\n\
             RejectFailures false\nUserID root\n"
        )
    });
    let print = |sender: &Sender, message: &[String]| {
        let (helo, envelope) = (sender.helo, sender.envelope);
        let dkim = milter::insert(opendkim.port, helo, envelope, message);
        let seen: Vec<String> = dkim.iter().chain(message).cloned().collect();
        let dmarc = milter::insert(opendmarc.port, helo, envelope, &seen);
        let by_milters: Vec<String> = dmarc.iter().chain(&dkim).cloned().collect();
        let [ar, spf] = ["AR", "SPF"].map(|kind| vec![policyd(&home, kind, helo, envelope)]);
        let all = [ar.clone(), dkim].concat();
        [by_milters, ar, spf, all]
    };
    nobody_is_believed(&home, |sender| {
        let message = sender.signed(&home, &[REPLAYED]);
        let printed = print(sender, &message);
        printed.iter().flat_map(|printed| layouts(printed, sender.helo, &message)).collect()
    });
    the_honest_are_verified(&home, &["verified"], |sender| {
        let message = sender.signed(&home, &[]);
        let printed = print(sender, &message);
        // Received-SPF names no server, so it counts only above the line.
        let is_spf = |printed: &[String]| printed[0].starts_with("Received-SPF");
        let count = |printed: &[String]| if is_spf(printed) { 1 } else { 2 };
        let all = printed.iter().flat_map(|printed| {
            layouts(printed, sender.helo, &message).into_iter().take(count(printed))
        });
        all.collect()
    });
}

#[test]
fn rspamd_as_a_milter() {
    let (program, names) = ("/usr/bin/rspamd", "127.77.0.2");
    let home = Home::new();
    if !names::serve("the test with rspamd as a milter", &home, names, &[program]) {
        return;
    }
    let directory = home.path().display().to_string();
    let rspamd = daemon(&home, program, |port| {
        format!(
            "options {{ pidfile = \"{directory}/pid\"; tempdir = \"{directory}\"; \
             filters = \"dkim\"; local_addrs = []; \
             dns {{ nameserver = [\"{names}:53\"]; timeout = 2s; retransmits = 2; }} }}\n\
             logging {{ type = \"file\"; filename = \"{directory}/log\"; }}\n\
             lua = \"/usr/share/rspamd/rules/rspamd.lua\";\n\
             modules {{ path = \"/usr/share/rspamd/plugins/\"; }}\n\
             actions {{ reject = 1500; add_header = 600; }}\n\
             spf {{ }}\ndkim {{ }}\ndmarc {{ }}\n\
             milter_headers {{ skip_local = false; skip_authenticated = false; \
             use = [\"authentication-results\", \"x-spamd-bar\", \"x-spam-level\", \
             \"x-spam-status\"]; }}\n\
             worker \"rspamd_proxy\" {{ bind_socket = \"127.0.0.1:{port}\"; count = 1; \
             milter = yes; timeout = 30s; upstream \"local\" {{ self_scan = yes; \
             default = yes; }} }}\n"
        )
    });
    let made = |sender: &Sender, message: Vec<String>| {
        let printed = milter::insert(rspamd.port, sender.helo, sender.envelope, &message);
        layouts(&printed, sender.helo, &message).to_vec()
    };
    // Its own verdict counts before the sender's.
    let forged = ["X-Spam-Status: No, score=-100", "X-Spam-Score: -100", REPLAYED];
    nobody_is_believed(&home, |sender| made(sender, sender.signed(&home, &forged)));
    let holds = ["verified", SIGNED, SENT, "dmarc is pass"];
    the_honest_are_verified(&home, &holds, |sender| made(sender, sender.signed(&home, &[])));
}

#[test]
fn exim_s_authresults() {
    let home = Home::new();
    let test = "the test with Exim as a border";
    let Some(exim) = exim::Exim::new(test, &home) else { return };
    if !names::serve(test, &home, "127.77.0.3", &[]) {
        return;
    }
    let made = |sender: &Sender, forged: &str, message: Vec<String>| {
        let message: String = message.iter().map(|header| format!("{header}\r\n")).collect();
        // A message that it refuses needs no judgement.
        exim.deliver(sender, &format!("{forged}{message}\r\n{BODY}")).into_iter().collect()
    };
    nobody_is_believed(&home, |sender| made(sender, FORGED, sender.signed(&home, &[REPLAYED])));
    the_honest_are_verified(&home, &["verified", SIGNED, SENT], |sender| {
        let made: Vec<String> = made(sender, "", sender.signed(&home, &[]));
        assert_eq!(made.len(), 1, "it is taken");
        made
    });
}

#[test]
fn amavis_behind_postfix() {
    let (program, names) = ("/usr/sbin/amavisd", "127.77.0.4");
    let home = Home::new();
    if !names::serve("the test with amavis", &home, names, &[program]) {
        return;
    }
    let sink = amavis::Sink::new();
    let amavis = amavis::start(&home, program, &sink);
    let made = |sender: &Sender, message: Vec<String>| {
        let message: String = message.iter().map(|header| format!("{header}\r\n")).collect();
        let text = format!("{}{message}\r\n{BODY}", border(sender.helo));
        vec![amavis::pass(amavis.port, &sink, sender.envelope, &text)]
    };
    let forged = [FORGED.trim_end(), "X-Spam-Status: No, score=-100", "X-Spam-Score: -100"];
    let forged = [&forged[..], &[REPLAYED]].concat();
    nobody_is_believed(&home, |sender| made(sender, sender.signed(&home, &forged)));
    let holds = ["verified", SIGNED];
    the_honest_are_verified(&home, &holds, |sender| made(sender, sender.signed(&home, &[])));
}

#[test]
fn haraka_with_its_plugins() {
    let home = Home::new();
    let test = "the test with Haraka as a border";
    if !names::serve(test, &home, "127.77.0.5", &[]) {
        return;
    }
    let Some(haraka) = haraka::Haraka::new(test, &home) else { return };
    let made = |sender: &Sender, forged: &str, message: Vec<String>| {
        let message: String = message.iter().map(|header| format!("{header}\r\n")).collect();
        // A message that it refuses needs no judgement.
        haraka.deliver(sender, &format!("{forged}{message}\r\n{BODY}")).into_iter().collect()
    };
    nobody_is_believed(&home, |sender| made(sender, FORGED, sender.signed(&home, &[REPLAYED])));
    the_honest_are_verified(&home, &["verified", SIGNED, SENT], |sender| {
        let made: Vec<String> = made(sender, "", sender.signed(&home, &[]));
        assert_eq!(made.len(), 1, "it is taken");
        made
    });
}
