//! Haraka as a border with its plugins for SPF and DKIM, from the npm packages
//! that `tests/fetch-servers` has fetched.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};

use super::{CLIENT, Sender, among_names};
use crate::support::daemon::Daemon;
use crate::support::{Home, skipped};

/// Any recipient is ours. Haraka takes addresses for documentation for private
/// ones, which SPF is not asked about.
const ACCEPT: &str = "exports.hook_rcpt = next => next(OK)\n\
    exports.hook_connect = (next, c) => { c.set('remote.is_private', false); next() }\n";

pub struct Haraka {
    daemon: Daemon,
    mail: PathBuf,
}

impl Haraka {
    /// None, which is said, where the packages or Node are not there.
    pub fn new(test: &str, home: &Home) -> Option<Haraka> {
        let packages = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/servers/haraka");
        let program = packages.join("node_modules/Haraka/bin/haraka").display().to_string();
        let complete = packages.join("complete").display().to_string();
        if skipped(test, &["/usr/bin/node", &complete], true) {
            return None;
        }
        // A file of one's own takes the place of all that is set there.
        let shipped = packages.join("node_modules/Haraka/config/connection.ini");
        let connection = fs::read_to_string(shipped).expect("readable");
        let proxy = "\n[haproxy]\nhosts[] = 127.0.0.1\n";
        home.write("haraka/plugins/accept.js", ACCEPT);
        let mail = home.path().join("haraka/mail");
        fs::create_dir(&mail).expect("made");
        for plugin in ["spf", "dkim"] {
            let package = format!("haraka-plugin-{plugin}");
            let from = packages.join("node_modules").join(&package);
            assert!(from.exists(), "{package} is complete");
        }
        let daemon = Daemon::start("Haraka", |port| {
            for (file, text) in [
                ("me", "mx.example.jp\n".to_owned()),
                ("plugins", "spf\ndkim\naccept\nqueue/test\n".to_owned()),
                ("smtp.ini", format!("listen=127.0.0.1:{port}\nnodes=0\n")),
                // Tells of a client that is not on this machine.
                ("connection.ini", connection.replace("\n[haproxy]\n", proxy)),
            ] {
                home.write(&format!("haraka/config/{file}"), text);
            }
            let directory = home.path().join("haraka").display().to_string();
            let mut command = among_names(home, "/usr/bin/node", &[&program, "-c", &directory]);
            command.env("TMPDIR", &mail).env("NODE_PATH", packages.join("node_modules"));
            command
        });
        Some(Haraka { daemon, mail })
    }

    /// The message as it was queued; none if Haraka refused it.
    pub fn deliver(&self, sender: &Sender, message: &str) -> Option<String> {
        let stream = TcpStream::connect(("127.0.0.1", self.daemon.port)).expect("it listens");
        let mut replies = BufReader::new(stream.try_clone().expect("a stream"));
        let mut reply = |command: &str| {
            (&stream).write_all(command.as_bytes()).expect("it reads");
            let mut line = String::new();
            // The last line of a reply has no hyphen behind its code: RFC 5321 §4.2.1.
            while line.as_bytes().get(3) != Some(&b' ') {
                line.clear();
                assert_ne!(replies.read_line(&mut line).expect("it answers"), 0, "{command}");
            }
            line
        };
        let Sender { helo, envelope, .. } = sender;
        for command in [
            format!("PROXY TCP4 {CLIENT} 127.0.0.1 1234 25\r\n"),
            format!("EHLO {helo}\r\n"),
            format!("MAIL FROM:<{envelope}>\r\n"),
            "RCPT TO:<taro@example.jp>\r\n".to_owned(),
            "DATA\r\n".to_owned(),
            format!("{message}.\r\n"),
        ] {
            let output = reply(&command);
            if output.starts_with('5') {
                return None;
            }
            assert!(output.starts_with(['2', '3']), "{command}: {output}");
        }
        let queued = fs::read_dir(&self.mail).expect("readable").next().expect("it is queued");
        let path = queued.expect("readable").path();
        let text = fs::read(&path).expect("readable");
        fs::remove_file(path).expect("it is ours");
        Some(String::from_utf8_lossy(&text).into_owned())
    }
}
