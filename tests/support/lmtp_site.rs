//! `mfilter lmtp` as a test starts it, with a client of its own.

use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::{MFILTER, Run, run, wait_for};

/// The owner of all mail if a test runs as root.
pub const VMAIL: u32 = 64_999;

/// The uid and gid in a user's line of a passwd-file: those of [`VMAIL`] if a test runs
/// as root, otherwise nothing.
pub fn ids() -> String {
    match rustix::process::geteuid().is_root() {
        true => format!("{VMAIL}:{VMAIL}"),
        false => ":".into(),
    }
}

/// Gives a directory and everything in it to [`VMAIL`] if a test runs as root; except the
/// list of users, which only root reads then.
pub fn give_all(directory: &Path) {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let mut left = vec![directory.to_owned()];
    while let Some(path) = left.pop() {
        if path == directory.join("users") {
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("set");
            continue;
        }
        chown(&path, Some(VMAIL), Some(VMAIL)).expect("given");
        if path.is_dir() {
            left.extend(fs::read_dir(path).expect("readable").map(|e| e.expect("read").path()));
        }
    }
}

/// Users below one directory, and perhaps a server for them.
pub struct Site {
    directory: TempDir,
    pub server: Option<Child>,
    /// What servers have printed.
    pub output: Arc<Mutex<String>>,
}

impl Site {
    /// A site without users and server.
    pub fn new() -> Site {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let site = Site { directory, server: None, output: Arc::default() };
        fs::create_dir(site.path("users")).expect("made");
        fs::set_permissions(site.path(""), fs::Permissions::from_mode(0o755)).expect("set");
        site.give(&site.path(""));
        site.give(&site.path("users"));
        site
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub fn home(&self, user: &str) -> PathBuf {
        self.path("users").join(user)
    }

    pub fn maildir(&self, user: &str) -> PathBuf {
        self.home(user).join("Maildir")
    }

    pub fn socket(&self) -> PathBuf {
        self.path("lmtp")
    }

    /// Gives a file to the server.
    pub fn give(&self, path: &Path) {
        if rustix::process::geteuid().is_root() {
            chown(path, Some(VMAIL), Some(VMAIL)).expect("given");
        }
    }

    /// Adds a user with rules.
    pub fn user(&self, user: &str, rules: &str) {
        fs::create_dir_all(self.home(user)).expect("made");
        self.give(&self.home(user));
        self.rules(user, rules);
    }

    /// Writes a user's rules.
    pub fn rules(&self, user: &str, rules: &str) {
        let path = self.home(user).join(".mailrules");
        fs::write(&path, rules).expect("written");
        self.give(&path);
    }

    /// The server's command.
    pub fn command(&self, options: &[&str]) -> Command {
        let mut command = Command::new(MFILTER);
        let users = format!("template:{}/{{user}}", self.path("users").display());
        command.args(["lmtp", "--users", &users]).args(options).env_clear();
        command.arg("--state").arg(self.path("state"));
        if rustix::process::geteuid().is_root() {
            command.args(["--user-id", &format!("{VMAIL}:{VMAIL}")]);
        }
        command.stderr(Stdio::piped());
        command
    }

    /// Starts the server, and waits until it listens.
    pub fn start(&mut self, options: &[&str]) {
        let listen = format!("unix:{}", self.socket().display());
        let mut child = self.spawn(self.command(&["--listen", &listen]).args(options));
        wait_for("the server", || {
            assert_eq!(child.try_wait().expect("it is ours"), None, "{}", self.output());
            self.output().contains("listening").then_some(())
        });
        self.server = Some(child);
    }

    /// Starts a server's command, and records its output.
    pub fn spawn(&self, command: &mut Command) -> Child {
        let mut child = command.spawn().expect("it starts");
        let (output, stderr) = (Arc::clone(&self.output), child.stderr.take().expect("a pipe"));
        output.lock().expect("no panic").clear();
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                *output.lock().expect("no panic") += &(line + "\n");
            }
        });
        child
    }

    pub fn output(&self) -> String {
        self.output.lock().expect("no panic").clone()
    }

    pub fn connect(&self) -> Client {
        Client::connect(&self.socket()).expect("it listens")
    }

    /// Tells the server to end, and waits until it has.
    pub fn stop(&mut self) {
        let Some(mut server) = self.server.take() else { return };
        signal(server.id(), Signal::TERM);
        let status = server.wait().expect("it is ours");
        assert!(status.success(), "{status}: {}", self.output());
    }

    /// The processes that the server has started.
    pub fn workers(&self) -> Vec<u32> {
        self.server.as_ref().map_or(Vec::new(), |server| children(server.id()))
    }

    /// Runs the program for one delivery of a message, for the user of a home.
    pub fn deliver(&self, home: &Path, arguments: &[&str], message: &[u8]) -> Run {
        let mut command = Command::new(MFILTER);
        command.args(arguments).env_clear().env("HOME", home).current_dir("/");
        let name = home.file_name().expect("a name");
        command.env("USER", name).env("LOGNAME", name);
        if rustix::process::geteuid().is_root() {
            command.uid(VMAIL).gid(VMAIL);
        }
        run(command, message)
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        if let Some(mut server) = self.server.take() {
            let _ = server.kill();
            let _ = server.wait();
        }
    }
}

/// The children of a process.
pub fn children(parent: u32) -> Vec<u32> {
    let entries = fs::read_dir("/proc").expect("it is mounted").flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|pid| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let after = stat.rsplit_once(')').map_or("", |(_, after)| after);
        after.split_whitespace().nth(1) == Some(&parent.to_string())
    })
    .collect()
}

/// Sends a signal to a process that may be gone.
pub fn signal(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        let _ = kill_process(pid, signal);
    }
}

/// A client that speaks LMTP.
pub struct Client {
    stream: BufReader<UnixStream>,
}

impl Client {
    /// Connects, and reads the greeting.
    pub fn connect(path: &Path) -> io::Result<Client> {
        let stream = UnixStream::connect(path)?;
        stream.set_read_timeout(Some(Duration::from_secs(120)))?;
        let mut client = Client { stream: BufReader::new(stream) };
        match client.answer()?.starts_with("220 ") {
            true => Ok(client),
            false => Err(io::ErrorKind::ConnectionAborted.into()),
        }
    }

    /// From now on the server's replies cannot be written, as if the client were gone.
    pub fn hear_nothing_more(&mut self) -> io::Result<()> {
        self.stream.get_ref().shutdown(std::net::Shutdown::Read)
    }

    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream.get_mut().write_all(bytes.as_ref())
    }

    /// Reads an answer; returns its last line.
    pub fn answer(&mut self) -> io::Result<String> {
        loop {
            let mut line = String::new();
            if self.stream.read_line(&mut line)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            assert!(line.ends_with("\r\n") && line.len() > 5, "{line:?}");
            if line.as_bytes().get(3) == Some(&b' ') {
                return Ok(line.trim_end().to_owned());
            }
        }
    }

    /// Sends a command; returns its answer.
    pub fn ask(&mut self, command: &str) -> io::Result<String> {
        self.send(format!("{command}\r\n"))?;
        self.answer()
    }

    /// Hands over a message, as MTAs do, and returns the answers for its recipients,
    /// including those that are not accepted.
    pub fn deliver(&mut self, to: &[&str], wire: &[u8]) -> io::Result<Vec<String>> {
        let mut commands = String::from("LHLO test\r\nMAIL FROM:<sender@far.example>\r\n");
        for to in to {
            commands.push_str(&format!("RCPT TO:<{to}>\r\n"));
        }
        commands.push_str("DATA\r\n");
        self.send(commands)?;
        for _ in 0..2 {
            let answer = self.answer()?;
            assert!(answer.starts_with('2') || answer.starts_with("421"), "{answer}");
        }
        let mut answers = (0..to.len()).map(|_| self.answer()).collect::<Result<Vec<_>, _>>()?;
        if !self.answer()?.starts_with("354") {
            return Ok(answers);
        }
        self.send(wire)?;
        for answer in answers.iter_mut().filter(|answer| answer.starts_with('2')) {
            *answer = self.answer()?;
        }
        Ok(answers)
    }
}

/// Hands one message over again and again until it is taken.
pub fn insist(client: &mut Client, to: &str, message: &[u8]) -> usize {
    for number in 1.. {
        let answer = client.deliver(&[to], message).expect("there").concat();
        if answer.starts_with("250") {
            return number;
        }
        assert!(answer.starts_with("451 4.4."), "{answer}");
        // The store is not tried for a while, where it has broken off often.
        std::thread::sleep(Duration::from_millis(if number > 3 { 200 } else { 0 }));
    }
    unreachable!()
}

/// A message in its form on the wire, including its end.
pub fn wire(message: &[u8]) -> Vec<u8> {
    let mut wire = Vec::new();
    for line in message.split_inclusive(|byte| *byte == b'\n') {
        if line.starts_with(b".") {
            wire.push(b'.');
        }
        wire.extend_from_slice(line.strip_suffix(b"\n").unwrap_or(line));
        wire.extend_from_slice(b"\r\n");
    }
    wire.extend_from_slice(b".\r\n");
    wire
}
