//! Dovecot's ManageSieve server (RFC 5804) and its delivery agent on a home's mail,
//! without a network.

use std::fs::Permissions;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use super::Home;
use super::imap::{NOBODY, as_owner};

/// For [`super::skipped`].
pub const MANAGESIEVE: &str = "/usr/lib/dovecot/managesieve";
/// Also for [`super::skipped`].
pub const LDA: &str = "/usr/lib/dovecot/dovecot-lda";

/// The extensions that a provider announces according to examples/dovecot.
fn extensions() -> &'static str {
    let example = include_str!("../../examples/dovecot/90-mfilter.conf");
    let line = example.lines().find_map(|line| line.trim().strip_prefix("sieve_extensions = "));
    line.expect("the example says it")
}

/// Writes a `dovecot.conf` for a home: scripts in `sieve`, the active one through
/// `.dovecot.sieve`. `plugin` goes into the section of that name, `namespace` into that
/// of the inbox.
pub fn configure(home: &Home, namespace: &str, plugin: &str) {
    let path = home.path().display();
    let text = format!(
        "base_dir = {path}/run\nstate_dir = {path}/run\nlog_path = {path}/dovecot.log\n\
         mail_location = maildir:{path}/Maildir\nfirst_valid_uid = 1\n\
         mail_uid = {NOBODY}\nmail_gid = {NOBODY}\nprotocols = imap sieve\n\
         namespace inbox {{\n inbox = yes\n{namespace}}}\n\
         sendmail_path = {path}/sendmail\nlda_mailbox_autocreate = yes\n\
         protocol lda {{\n mail_plugins = sieve\n}}\n\
         plugin {{\n sieve = file:{path}/sieve;active={path}/.dovecot.sieve\n\
         \x20sieve_extensions = {}\n{plugin}}}\n",
        extensions()
    );
    home.write("dovecot.conf", text);
    sendmail(home);
}

/// Puts a `sendmail` into the home that appends its input to `sent`.
pub fn sendmail(home: &Home) {
    let path = home.path();
    home.write("sendmail", format!("#!/bin/sh\ncat >> {}/sent\n", path.display()));
    let mode = Permissions::from_mode(0o755);
    std::fs::set_permissions(path.join("sendmail"), mode).expect("set");
}

/// Has Dovecot deliver a message by the scripts of the home, as the mail's owner.
pub fn deliver(home: &Home, message: &[u8]) {
    let mut command = as_owner(home, LDA, &["-e", "-f", "sender@example.net", "-c"]);
    command.arg(home.path().join("dovecot.conf"));
    let run = super::run(command, message);
    assert_eq!(run.code, Some(0), "{run:?}");
}

/// A session of the owner with the server that saves scripts.
pub struct ManageSieve {
    server: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl ManageSieve {
    pub fn start(home: &Home) -> ManageSieve {
        let mut command = as_owner(home, "/usr/bin/doveadm", &["-c"]);
        command.arg(home.path().join("dovecot.conf")).args(["exec", "managesieve"]);
        ManageSieve::of(command)
    }

    /// A session through any command that passes the bytes in both directions.
    pub fn of(mut command: Command) -> ManageSieve {
        let pipes = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut server = pipes.spawn().expect("managesieve starts");
        let input = server.stdin.take().expect("a pipe");
        let output = BufReader::new(server.stdout.take().expect("a pipe"));
        ManageSieve { server, input, output }
    }

    /// Sends a command; returns the answer's last line.
    pub fn ask(&mut self, command: &[u8]) -> io::Result<String> {
        self.input.write_all(command)?;
        self.input.write_all(b"\r\n")?;
        self.input.flush()?;
        self.answer()
    }

    /// Reads the next answer, or a greeting; returns its last line.
    pub fn answer(&mut self) -> io::Result<String> {
        loop {
            let mut line = String::new();
            if self.output.read_line(&mut line)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let ends = ["OK", "NO", "BYE"].iter().any(|word| line.starts_with(word));
            let literal = line.trim_end().strip_suffix('}').and_then(|l| l.rsplit_once('{'));
            if let Some(length) = literal.and_then(|(_, length)| length.parse::<usize>().ok()) {
                let mut text = vec![0; length];
                self.output.read_exact(&mut text)?;
                line.push_str(&String::from_utf8_lossy(&text));
            }
            if ends {
                return Ok(line.trim_end().to_owned());
            }
        }
    }

    fn done(&mut self, command: &[u8]) {
        let shown = String::from_utf8_lossy(command).into_owned();
        let answer = self.ask(command).unwrap_or_else(|error| panic!("{shown}: {error}"));
        assert!(answer.starts_with("OK"), "{shown}: {answer}");
    }

    /// Saves a script.
    pub fn put(&mut self, name: &str, script: &str) {
        self.done(format!("PUTSCRIPT \"{name}\" {{{}+}}\r\n{script}", script.len()).as_bytes());
    }

    /// Makes a script the active one; with an empty name, none is active.
    pub fn activate(&mut self, name: &str) {
        self.done(format!("SETACTIVE \"{name}\"").as_bytes());
    }

    /// Removes a script.
    pub fn delete(&mut self, name: &str) {
        self.done(format!("DELETESCRIPT \"{name}\"").as_bytes());
    }
}

impl Drop for ManageSieve {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}
