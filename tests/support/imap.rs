//! Dovecot on a home's mail, without a network: doveadm, and IMAP sessions.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use data_encoding::BASE64;

use super::Home;

/// For [`super::skipped`].
pub const DOVEADM: &str = "/usr/bin/doveadm";
/// nobody and nogroup: Dovecot does not serve mail to root.
pub const NOBODY: u32 = 65534;

/// How long the server may take for one command.
const LIMIT: Duration = Duration::from_secs(120);

/// Writes a `dovecot.conf` for the mail in `location`, a Maildir below the home
/// and the options that follow it.
pub fn configure(home: &Home, location: &str) {
    let path = home.path().display();
    home.write(
        "dovecot.conf",
        format!(
            "base_dir = {path}/run\nstate_dir = {path}/run\nlog_path = {path}/dovecot.log\n\
             mail_location = maildir:{path}/{location}\nfirst_valid_uid = 1\n\
             namespace inbox {{\n inbox = yes\n separator = /\n}}\n"
        ),
    );
}

/// Gives the home to the user who uses it next, if that is possible.
pub fn own(home: &Home, user: u32) {
    if rustix::process::geteuid().is_root() {
        let owned = Command::new("chown").args(["-R", &user.to_string()]).arg(home.path()).status();
        assert!(owned.expect("chown runs").success());
    }
}

/// A program run as the mail's owner: nobody instead of root.
pub fn as_owner(home: &Home, program: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).env_clear().env("HOME", home.path()).env("USER", "nobody");
    command.env("PATH", "/usr/bin:/bin").env("TZ", "UTC").current_dir("/");
    if rustix::process::geteuid().is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    command
}

/// doveadm with the home's `dovecot.conf`, run as the mail's owner.
pub fn doveadm(home: &Home, arguments: &[&str]) -> Command {
    let mut command = as_owner(home, DOVEADM, &["-c"]);
    command.arg(home.path().join("dovecot.conf")).args(arguments);
    command
}

/// An IMAP session of the mail's owner. It ends when this is dropped.
pub struct Imap {
    server: Child,
    stream: BufReader<Timed>,
    tag: usize,
}

impl Imap {
    pub fn start(home: &Home) -> Imap {
        Imap::of(doveadm(home, &["exec", "imap"]), LIMIT).expect("imap starts")
    }

    /// A session with a program that speaks IMAP on its standard input and output, and
    /// may take `limit` for each command.
    pub fn of(server: Command, limit: Duration) -> io::Result<Imap> {
        match Imap::greeted(server, limit)? {
            (imap, greeting) if greeting.starts_with("* PREAUTH") => Ok(imap),
            (_, greeting) => Err(io::Error::other(greeting)),
        }
    }

    /// The same, where the server asks for a login by PLAIN (RFC 4616).
    pub fn logged_in(
        server: Command,
        limit: Duration,
        [user, login, password]: [&str; 3],
    ) -> io::Result<Imap> {
        let (mut imap, _) = Imap::greeted(server, limit)?;
        let secret = BASE64.encode(format!("{user}\0{login}\0{password}").as_bytes());
        match imap.ask(&format!("AUTHENTICATE PLAIN {secret}"))? {
            (end, _) if end.starts_with("OK") => Ok(imap),
            (end, _) => Err(io::Error::other(end)),
        }
    }

    fn greeted(mut server: Command, limit: Duration) -> io::Result<(Imap, String)> {
        let (ours, theirs) = UnixStream::pair()?;
        let theirs = OwnedFd::from(theirs);
        server.stdin(theirs.try_clone()?).stdout(theirs).stderr(Stdio::null());
        let child = server.spawn()?;
        // It keeps the server's end of the pair open.
        drop(server);
        let stream = Timed { stream: ours, limit, until: Instant::now() + limit };
        let mut imap = Imap { server: child, stream: BufReader::new(stream), tag: 0 };
        let greeting = imap.line()?;
        Ok((imap, greeting))
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = Vec::new();
        self.stream.read_until(b'\n', &mut line)?;
        match line.ends_with(b"\n") {
            true => Ok(String::from_utf8_lossy(&line).trim_end().to_owned()),
            false => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }

    /// Sends a command; returns the answer's last line without the tag, and the lines
    /// before it.
    pub fn ask(&mut self, command: &str) -> io::Result<(String, Vec<String>)> {
        self.tag += 1;
        let tag = format!("t{} ", self.tag);
        self.stream.get_mut().send(&format!("{tag}{command}\r\n"))?;
        let mut lines = Vec::new();
        loop {
            let line = self.line()?;
            match line.strip_prefix(&tag) {
                Some(end) => return Ok((end.to_owned(), lines)),
                None => lines.push(line),
            }
        }
    }

    /// The same; fails the test if there is no answer.
    pub fn call(&mut self, command: &str) -> (String, Vec<String>) {
        self.ask(command).unwrap_or_else(|error| panic!("{command}: {error}"))
    }

    /// The same; fails the test unless the answer is OK.
    pub fn done(&mut self, command: &str) -> Vec<String> {
        let (end, lines) = self.call(command);
        assert!(end.starts_with("OK"), "{command}: {end}");
        lines
    }

    /// Polls the selected folder until it has `count` messages, and returns how often. Fails
    /// the test if one is ever seen without all of `flags`, or if some are missing when
    /// `is_over` was true before the poll.
    pub fn poll_flags(&mut self, flags: &[&str], count: usize, is_over: &AtomicBool) -> usize {
        let mut polls = 0;
        loop {
            let finished = is_over.load(Ordering::Relaxed);
            self.done("NOOP");
            let lines = self.done("FETCH 1:* (FLAGS)");
            let messages = lines.iter().filter_map(|line| line.split_once("FETCH (FLAGS ("));
            let found = messages
                .inspect(|(line, found)| {
                    assert!(flags.iter().all(|flag| found.contains(flag)), "{line} {found}");
                })
                .count();
            polls += 1;
            if found >= count {
                return polls;
            }
            assert!(!finished, "only {found} are there");
        }
    }

    pub fn end(mut self) {
        self.done("LOGOUT");
        let rest = self.line();
        assert_eq!(rest.expect_err("no more").kind(), io::ErrorKind::UnexpectedEof);
    }
}

impl Drop for Imap {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// A stream on which nothing lasts beyond a deadline, however slowly bytes arrive.
struct Timed {
    stream: UnixStream,
    limit: Duration,
    until: Instant,
}

impl Timed {
    /// Sends a command and restarts the time limit.
    fn send(&mut self, command: &str) -> io::Result<()> {
        self.until = Instant::now() + self.limit;
        self.stream.set_write_timeout(Some(self.limit))?;
        self.stream.write_all(command.as_bytes())
    }
}

impl Read for Timed {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let left = self.until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        self.stream.set_read_timeout(Some(left))?;
        self.stream.read(bytes)
    }
}
