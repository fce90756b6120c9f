//! A real Postfix on loopback, in a directory of its own, and throwaway users.

use std::fmt::Write as _;
use std::fs::{self, Permissions};
use std::io::BufReader;
use std::net::TcpStream;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::ports::free_port;
use super::{Mail, mail, program_in, smtp, wait_for};

/// The programs of Postfix that are needed, for [`super::skipped`].
pub const PROGRAMS: &[&str] =
    &["/usr/lib/postfix/sbin/master", "/usr/sbin/useradd", "/usr/sbin/userdel"];

const MASTER: &str = "/usr/lib/postfix/sbin/master";

/// The domain whose mail is delivered locally.
pub const DOMAIN: &str = "test.example";

/// A Unix user with a home below the test's directory, removed with the test.
pub struct User {
    pub name: String,
    pub home: PathBuf,
    uid: u32,
    gid: u32,
}

impl User {
    /// Creates a user, but not `home`.
    pub fn new(word: &str, home: PathBuf) -> User {
        let name = format!("mft{}{word}", std::process::id());
        wait_for("useradd", || {
            let output = Command::new("/usr/sbin/useradd")
                .args(["--no-create-home", "--gid", "nogroup", "--shell", "/bin/sh"])
                .arg("--home-dir")
                .arg(&home)
                .arg(&name)
                .output()
                .expect("useradd runs");
            let text = String::from_utf8_lossy(&output.stderr);
            let locked = text.contains("lock");
            assert!(output.status.success() || locked, "{text}");
            output.status.success().then_some(())
        });
        let number = |option: &str| {
            let output = Command::new("id").args([option, &name]).output().expect("id runs");
            String::from_utf8_lossy(&output.stdout).trim().parse().expect("a number")
        };
        User { uid: number("-u"), gid: number("-g"), name, home }
    }

    /// Creates a user and the home.
    pub fn with_home(word: &str, above: &Path) -> User {
        let user = User::new(word, above.join(word));
        fs::create_dir(&user.home).expect("a home");
        fs::set_permissions(&user.home, Permissions::from_mode(0o700)).expect("private");
        user.own(&user.home);
        user
    }

    /// Creates a user with a home and rules.
    pub fn with_rules(word: &str, above: &Path, rules: &str) -> User {
        let user = User::with_home(word, above);
        user.write(".mailrules", rules);
        user
    }

    /// The user's mail, once there are `count` messages.
    pub fn received(&self, count: usize) -> Vec<Mail> {
        wait_for("mail", || {
            let found = mail(&self.home.join("Maildir"));
            (found.len() >= count).then_some(found)
        })
    }

    /// Gives a file to the user.
    pub fn own(&self, path: &Path) {
        chown(path, Some(self.uid), Some(self.gid)).expect("chown");
    }

    /// Writes a file that belongs to the user.
    pub fn write(&self, name: &str, text: &str) {
        let path = self.home.join(name);
        fs::write(&path, text).expect("written");
        fs::set_permissions(&path, Permissions::from_mode(0o600)).expect("private");
        self.own(&path);
    }

    /// `mount -o` options for a file system that belongs to the user.
    pub fn mount_options(&self) -> String {
        format!("uid={},gid={},mode=0700", self.uid, self.gid)
    }

    pub fn address(&self) -> String {
        format!("{}@{DOMAIN}", self.name)
    }
}

impl Drop for User {
    fn drop(&mut self) {
        // Another test may hold the lock on the user list.
        for _ in 0..50 {
            let removed = Command::new("/usr/sbin/userdel").arg(&self.name).output();
            if removed.is_ok_and(|output| output.status.success()) {
                return;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

/// A running Postfix; ended when dropped.
pub struct Postfix {
    directory: TempDir,
    master: Option<Child>,
    port: u16,
    /// More lines for `main.cf`.
    pub settings: &'static str,
}

/// What Postfix's log says about a delivery.
#[derive(Debug)]
pub struct Status {
    /// `sent`, `deferred`, `bounced`.
    pub word: String,
    /// The rest of the line.
    pub text: String,
}

impl Postfix {
    /// Creates a directory that users can enter, with a copy of the program; Postfix is
    /// not started yet.
    pub fn prepare() -> Postfix {
        let directory = tempfile::tempdir().expect("a temporary directory");
        fs::set_permissions(directory.path(), Permissions::from_mode(0o755)).expect("open");
        program_in(directory.path());
        fs::create_dir(directory.path().join("home")).expect("homes");
        Postfix { directory, master: None, port: 0, settings: "" }
    }

    /// Where homes can be.
    pub fn homes(&self) -> PathBuf {
        self.directory.path().join("home")
    }

    /// The program at a path where users can run it.
    pub fn program(&self) -> PathBuf {
        self.directory.path().join("mfilter")
    }

    /// Starts Postfix with this `mailbox_command`, and other ones for some users.
    pub fn start(&mut self, command: &str, commands: &[(&User, String)]) {
        let root = self.directory.path();
        let (config, queue, data) = (root.join("etc"), root.join("queue"), root.join("data"));
        for directory in [&config, &queue, &data] {
            fs::create_dir(directory).expect("a directory");
        }
        let owned = |path: &Path, who: &str| {
            let done = Command::new("chown").arg(who).arg(path).status().expect("chown runs");
            assert!(done.success(), "chown {who}");
        };
        owned(&data, "postfix");
        for (name, owner, mode) in [
            ("pid", "root", 0o755),
            ("public", "postfix:postdrop", 0o710),
            ("maildrop", "postfix:postdrop", 0o730),
        ] {
            let path = queue.join(name);
            fs::create_dir(&path).expect("a directory");
            owned(&path, owner);
            fs::set_permissions(&path, Permissions::from_mode(mode)).expect("a mode");
        }
        for name in [
            "active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming",
            "private", "saved", "trace",
        ] {
            let path = queue.join(name);
            fs::create_dir(&path).expect("a directory");
            owned(&path, "postfix");
            fs::set_permissions(&path, Permissions::from_mode(0o700)).expect("a mode");
        }
        self.port = free_port();
        // An empty table is an error.
        let mut map = String::from(" { no-such-user = /bin/false }");
        for (user, command) in commands {
            let _ = write!(map, " {{ {} = {command} }}", user.name);
        }
        let main = main_cf(root, command, &map) + self.settings;
        fs::write(config.join("main.cf"), main).expect("main.cf");
        fs::write(config.join("master.cf"), master_cf(self.port)).expect("master.cf");
        let master = Command::new(MASTER)
            .arg("-c")
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("Postfix starts");
        self.master = Some(master);
        wait_for("Postfix", || TcpStream::connect(("127.0.0.1", self.port)).ok());
    }

    /// Sends a message, headers and body with LF line ends.
    pub fn send(&self, from: &str, to: &str, message: &str) {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).expect("Postfix listens");
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
        let replies = BufReader::new(stream.try_clone().expect("a second handle"));
        smtp::submit(replies, stream, from, &[to], message).expect("Postfix takes it");
    }

    /// Writes a `sendmail` that passes its message to this Postfix: the real one only
    /// knows the machine's own. Call this when Postfix is running.
    pub fn sendmail(&self) {
        let path = self.sendmail_path();
        let script = format!(
            r#"#!/bin/bash
test "$1 $2 $4" = "-i -f --" || exit 64
from=$3; shift 4
exec 3<>/dev/tcp/127.0.0.1/{port} || exit 75
ok() {{
    while read -r line <&3; do
        case $line in [23]??" "*) return ;; [45]*) exit 75 ;; esac
    done
    exit 75
}}
say() {{ printf '%s\r\n' "$*" >&3; ok; }}
ok; say "EHLO forward.example"; say "MAIL FROM:<$from>"
for to; do say "RCPT TO:<$to>"; done
say DATA
sed 's/^\./../; s/$/\r/' >&3
say .; say QUIT
"#,
            port = self.port
        );
        fs::write(&path, script).expect("written");
        fs::set_permissions(&path, Permissions::from_mode(0o755)).expect("executable");
    }

    /// Where [`Postfix::sendmail`] is.
    pub fn sendmail_path(&self) -> PathBuf {
        self.directory.path().join("sendmail")
    }

    /// Waits until local(8) has tried the `number`th delivery to a user.
    pub fn status(&self, user: &User, number: usize) -> Status {
        let to = format!(" to=<{}>,", user.address());
        wait_for(&format!("a delivery to {}", user.name), || {
            let log = self.log();
            let line = log
                .lines()
                .filter(|line| line.contains("/local[") && line.contains(&to))
                .nth(number.checked_sub(1)?)?;
            let (_, status) = line.split_once(" status=")?;
            let (word, text) = status.split_once(' ')?;
            Some(Status { word: word.into(), text: text.into() })
        })
    }

    /// How many messages wait for a retry.
    pub fn deferred(&self) -> usize {
        let mut count = 0;
        let mut directories = vec![self.directory.path().join("queue/deferred")];
        while let Some(directory) = directories.pop() {
            for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
                if entry.path().is_dir() {
                    directories.push(entry.path());
                } else {
                    count += 1;
                }
            }
        }
        count
    }

    /// The whole log.
    pub fn log(&self) -> String {
        let log = fs::read(self.directory.path().join("mail.log")).unwrap_or_default();
        String::from_utf8_lossy(&log).into_owned()
    }
}

impl Drop for Postfix {
    fn drop(&mut self) {
        if let Some(mut master) = self.master.take() {
            // It ends its own children, too.
            let pid = Pid::from_child(&master);
            let _ = kill_process(pid, Signal::TERM);
            let _ = master.wait();
        }
    }
}

fn main_cf(root: &Path, command: &str, commands: &str) -> String {
    let root = root.display();
    format!(
        "compatibility_level = 3.6
queue_directory = {root}/queue
data_directory = {root}/data
maillog_file_prefixes = {root}
maillog_file = {root}/mail.log
daemon_directory = /usr/lib/postfix/sbin
command_directory = /usr/sbin
mail_owner = postfix
setgid_group = postdrop
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = mx.{DOMAIN}
mydestination = {DOMAIN}
mynetworks = 127.0.0.0/8
smtpd_recipient_restrictions = permit_mynetworks, reject
smtpd_peername_lookup = no
local_recipient_maps =
alias_maps =
alias_database =
mailbox_command = {command}
mailbox_command_maps = inline:{{{commands} }}
default_transport = error:no mail leaves this test
biff = no
"
    )
}

fn master_cf(port: u16) -> String {
    format!(
        "127.0.0.1:{port} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
error unix - - n - - error
retry unix - - n - - error
local unix - n n - - local
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
"
    )
}
