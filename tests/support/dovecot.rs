//! A complete Dovecot with an LMTP server on a socket, with the settings in
//! examples/dovecot or a test's own; nothing of it belongs to root.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::imap::{DOVEADM, Imap, NOBODY, as_owner, own};
use super::{Home, Run, run, wait_for};

/// For [`super::skipped`].
pub const SERVER: &str = "/usr/lib/dovecot/lmtp";
pub const SIEVE: &str = "/usr/lib/dovecot/modules/lib90_sieve_plugin.so";

/// The server; it ends when this is dropped.
pub struct Dovecot {
    home: Home,
    master: Child,
}

impl Dovecot {
    /// Starts one that keeps mail in this format: `sdbox`, `mdbox`, `maildir`.
    pub fn start(format: &str) -> Dovecot {
        let home = Home::new();
        let path = home.path().display();
        // Dovecot records nothing about the first message for a home that does not exist.
        for user in ["taro", "hanako"] {
            home.write(&format!("home/{user}@x.example/.sieve"), "discard;\n");
        }
        home.write("mfilter.sieve", include_str!("../../examples/dovecot/mfilter.sieve"));
        let example = include_str!("../../examples/dovecot/91-mfilter-store.conf");
        let example = example
            .replace("$protocols ", "")
            .replace("/etc/dovecot/mfilter.sieve", &format!("{path}/mfilter.sieve"))
            .replace("user = vmail", &format!("path = {path}/lmtp"))
            .replace("mode = 0600", "mode = 0666");
        Dovecot::with(home, format, &example)
    }

    /// Starts one with these settings, which include the socket `lmtp` in the home; mail
    /// of USER is in `mail/USER`, and `home/USER/.sieve` is the active script.
    pub fn with(home: Home, format: &str, settings: &str) -> Dovecot {
        let path = home.path().display();
        // Whoever delivers must be able to enter it.
        fs::set_permissions(home.path(), fs::Permissions::from_mode(0o755)).expect("set");
        // Everything runs as this one user.
        let [user, group, uid, gid] = if rustix::process::geteuid().is_root() {
            let id = NOBODY.to_string();
            ["nobody".to_owned(), "nogroup".to_owned(), id.clone(), id]
        } else {
            ["-un", "-gn", "-u", "-g"].map(id_option)
        };
        home.write(
            "dovecot.conf",
            format!(
                "base_dir = {path}/run\nstate_dir = {path}/run\nlog_path = {path}/log\n\
                 mail_location = {format}:{path}/mail/%u\nmail_home = {path}/home/%u\n\
                 first_valid_uid = 1\nfirst_valid_gid = 1\nmail_uid = {uid}\nmail_gid = {gid}\n\
                 ssl = no\nlisten = 127.0.0.1\n\
                 default_internal_user = {user}\ndefault_internal_group = {group}\n\
                 default_login_user = {user}\n\
                 namespace inbox {{\n inbox = yes\n separator = /\n}}\n\
                 userdb {{\n driver = static\n\
                 \x20args = uid={uid} gid={gid} home={path}/home/%u allow_all_users=yes\n}}\n\
                 passdb {{\n driver = static\n args = nopassword=y\n}}\n\
                 service anvil {{\n chroot =\n}}\nservice lmtp {{\n user = {user}\n}}\n\
                 {settings}\
                 plugin {{\n sieve = file:{path}/home/%u/sieve;active={path}/home/%u/.sieve\n}}\n"
            ),
        );
        own(&home, NOBODY);
        let mut command = as_owner(&home, "/usr/sbin/dovecot", &["-F", "-c"]);
        command.arg(home.path().join("dovecot.conf"));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let master = command.spawn().expect("Dovecot starts");
        let dovecot = Dovecot { home, master };
        wait_for("Dovecot's socket", || UnixStream::connect(dovecot.socket()).ok());
        dovecot
    }

    /// Where it listens.
    pub fn socket(&self) -> PathBuf {
        self.home.path().join("lmtp")
    }

    /// Its directory.
    pub fn path(&self) -> &Path {
        self.home.path()
    }

    /// Has it deliver a message over LMTP (RFC 2033).
    pub fn deliver(&self, to: &str, message: &[u8]) {
        let stream = UnixStream::connect(self.socket()).expect("it listens");
        let mut stream = BufReader::new(stream);
        let mut reply = String::new();
        let message = [message, b".\r\n"].concat();
        let to = format!("RCPT TO:<{to}>\r\n");
        for command in [
            &b""[..],
            b"LHLO a.example\r\n",
            b"MAIL FROM:<sender@example.net>\r\n",
            to.as_bytes(),
            b"DATA\r\n",
            &message,
        ] {
            stream.get_mut().write_all(command).expect("sent");
            loop {
                reply.clear();
                stream.read_line(&mut reply).expect("a reply");
                // The greeting may have several lines; this is the last one.
                if reply.get(3..4) != Some("-") {
                    break;
                }
            }
            assert!(reply.starts_with(['2', '3']), "{reply}\n{}", self.log());
        }
    }

    /// The value for `--store`.
    pub fn store(&self) -> String {
        format!("lmtp:unix:{}", self.socket().display())
    }

    fn doveadm(&self, arguments: &[&str]) -> Output {
        let mut command = as_owner(&self.home, DOVEADM, &["-c"]);
        command.arg(self.home.path().join("dovecot.conf")).args(arguments);
        command.output().expect("doveadm runs")
    }

    /// These fields of each message of a user, separated by tabs and sorted; see
    /// doveadm-fetch(1).
    pub fn fetch(&self, user: &str, fields: &str) -> Vec<String> {
        let output = self.doveadm(&["-f", "tab", "fetch", "-u", user, fields, "ALL"]);
        assert!(output.status.success(), "{output:?}\n{}", self.log());
        let text = String::from_utf8(output.stdout).expect("UTF-8");
        let mut lines: Vec<String> = text.lines().skip(1).map(str::to_owned).collect();
        lines.sort();
        lines
    }

    /// How many messages a user has. Fails the test if a folder has two of one subject.
    pub fn distinct_copies(&self, user: &str) -> usize {
        let copies = self.fetch(user, "mailbox hdr.subject");
        let twice: Vec<_> = copies.windows(2).filter(|pair| pair[0] == pair[1]).collect();
        assert!(twice.is_empty(), "{twice:?}");
        copies.len()
    }

    /// The full text of each message of a user.
    pub fn texts(&self, user: &str) -> Vec<String> {
        let output = self.doveadm(&["-f", "json", "fetch", "-u", user, "text", "ALL"]);
        let all: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let texts = all.as_array().expect("an array").iter();
        texts.map(|one| one["text"].as_str().expect("a text").to_owned()).collect()
    }

    /// An IMAP session of a user.
    pub fn imap(&self, user: &str) -> Imap {
        let mut command = as_owner(&self.home, DOVEADM, &["-c"]);
        command.arg(self.home.path().join("dovecot.conf")).args(["exec", "imap", "-u", user]);
        Imap::of(command, Duration::from_secs(60)).expect("imap starts")
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.home.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Dovecot {
    fn drop(&mut self) {
        // It ends its own children, too.
        let _ = kill_process(Pid::from_child(&self.master), Signal::TERM);
        let _ = self.master.wait();
    }
}

fn id_option(option: &str) -> String {
    let output = Command::new("id").arg(option).output().expect("id runs");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// Delivers a message into a store by the rules of a home.
pub fn deliver(home: &Home, store: &str, to: &str, message: &str) -> Run {
    run(home.command(&["--store", store, "-f", "sender@a.example", "-d", to]), message.as_bytes())
}
