//! Real scanners as filters: what SpamAssassin's and rspamd's clients print is tested and
//! delivered.

#![allow(clippy::print_stderr, reason = "a skipped test says so")]

use std::path::Path;
use std::process::Command;

use crate::support::daemon::Daemon;
use crate::support::{Home, skipped};

/// A message that every scanner calls spam, by agreement.
fn gtube() -> String {
    message(
        "gtube",
        &["XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-", "STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"].concat(),
    )
}

fn message(subject: &str, body: &str) -> String {
    format!(
        "From: a@b.example\nTo: c@d.example\nSubject: {subject}\nMessage-ID: <{subject}@b.example>\n\
         Date: Sun, 22 Nov 2026 15:00:00 +0000\n\n{body}\n"
    )
}

fn judged(home: &Home) {
    for mail in [gtube(), message("hello", "hello friend")] {
        let run = home.deliver(mail.as_bytes());
        assert_eq!((run.code, run.stdout.as_str(), run.stderr.as_str()), (Some(0), "", ""));
    }
    let mail = home.mail();
    let places: Vec<_> = mail.iter().map(|one| (one.folder.as_str(), one.flags.as_str())).collect();
    assert_eq!(places, [(".Junk", "S"), ("", "")], "{mail:?}");
    assert!(mail[1].text().contains("hello friend") && mail[1].text().contains("\nX-Spam-"));
}

#[test]
fn spamc_and_spamd() {
    if skipped("the test with SpamAssassin", &["/usr/bin/spamc", "/usr/sbin/spamd"], true) {
        return;
    }
    let home = Home::new();
    let spamd = Daemon::start("spamd", |port| {
        let mut command = Command::new("/usr/sbin/spamd");
        command.args(["--local", "--listen", "127.0.0.1", "--port", &port.to_string()]);
        command.args(["--nouser-config", "--max-children", "1", "--syslog", "null"]);
        command.env("HOME", home.path());
        command
    });
    home.write(
        ".mailrules",
        format!(
            "filter \"spamc\" \"-d\" \"127.0.0.1\" \"-p\" \"{}\" \"-x\"\n\
             when spam -> folder \"Junk\" as seen\n",
            spamd.port
        ),
    );
    judged(&home);
}

#[test]
fn rspamc_and_rspamd() {
    if skipped("the test with rspamd", &["/usr/bin/rspamc", "/usr/bin/rspamd"], true) {
        return;
    }
    let home = Home::new();
    let directory = home.path().join("rspamd");
    std::fs::create_dir(&directory).expect("made");
    let config = |directory: &Path, port: u16| {
        let directory = directory.display();
        format!(
            "options {{ pidfile = \"{directory}/pid\"; tempdir = \"{directory}\"; filters = \"\"; \
             dns {{ nameserver = [\"127.0.0.1:1\"]; timeout = 0.1s; retransmits = 1; }} }}\n\
             logging {{ type = \"file\"; filename = \"{directory}/log\"; }}\n\
             actions {{ reject = 15; add_header = 6; }}\n\
             worker \"normal\" {{ bind_socket = \"127.0.0.1:{port}\"; count = 1; mime = true; }}\n"
        )
    };
    let rspamd = Daemon::start("rspamd", |port| {
        home.write("rspamd/conf", config(&directory, port));
        let mut command = Command::new("/usr/bin/rspamd");
        command.args(["-f", "-i", "-c"]).arg(directory.join("conf"));
        command
    });
    home.write(
        ".mailrules",
        format!(
            "filter \"rspamc\" \"-h\" \"127.0.0.1:{}\" \"--mime\"\n\
             when spam -> folder \"Junk\" as seen\n",
            rspamd.port
        ),
    );
    judged(&home);
}
