//! A root of its own for a mail server: the machine's files, and over them the
//! server's packages and whatever the test writes, in namespaces that end with
//! the test. Nothing of the machine is changed, no port of it is used, and no
//! process is left over.

#![allow(clippy::print_stderr, reason = "a skipped test says so")]

use std::fs::{self, OpenOptions, Permissions};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::support::{MFILTER, Mail, mail, skipped, smtp, wait_for};

/// The tools that make a jail.
const TOOLS: &[&str] =
    &["/usr/bin/unshare", "/usr/bin/nsenter", "/usr/sbin/ip", "/usr/bin/dpkg-deb", "/bin/bash"];

/// Everything is mounted in a file system in memory. A package with a `/lib`
/// of its own must not hide the link of that name, and among the modules of one
/// Dovecot there are none of another.
const SETUP: &str = r#"
set -e
exec 2>&1
mount -t tmpfs -o mode=755 tmpfs "$1"
cd "$1"
shift
mkdir packages upper work root
for package; do dpkg-deb -x "$package" packages; done
for name in bin sbin lib; do
    if test -d packages/$name && test -L /$name; then
        mkdir -p packages/usr/$name
        cp -a packages/$name/. packages/usr/$name
        rm -r packages/$name
    fi
done
mount -t overlay -o lowerdir=packages:/,upperdir=upper,workdir=work overlay root
for name in usr/lib/dovecot usr/share/dovecot etc/dovecot; do
    if test -d packages/$name; then mount --bind packages/$name root/$name; fi
done
mount -t proc proc root/proc
for name in dev run var/spool; do mount -t tmpfs -o mode=755 tmpfs root/$name; done
mount -t tmpfs -o mode=1777 tmpfs root/tmp
for name in null zero full random urandom; do
    touch root/dev/$name
    mount --bind /dev/$name root/dev/$name
done
ln -s /proc/self/fd root/dev/fd
ip link set lo up
hostname mx.test.example
echo ready
chroot root /bin/cat >/dev/null
"#;

/// Accounts that packages make when they are installed.
const ACCOUNTS: &[&str] = &[
    "Debian-exim",
    "opensmtpd",
    "opensmtpq",
    "smmta",
    "smmsp",
    "courier",
    "vmail",
    "dma",
    "nullmail",
    "cyrus",
];

pub struct Jail {
    unshare: Child,
    /// A process inside.
    pub inside: u32,
    _directory: TempDir,
}

impl Jail {
    /// A root with the packages that `tests/fetch-servers` has put into the
    /// folder `packages`; none, which is said, where there cannot be one.
    pub fn new(test: &str, packages: Option<&str>) -> Option<Jail> {
        if skipped(test, TOOLS, true) {
            return None;
        }
        let files = match packages {
            Some(folder) => {
                let folder = cache().join(folder);
                if skipped(test, &[&folder.join("complete").to_string_lossy()], true) {
                    return None;
                }
                debs(&folder)
            }
            None => Vec::new(),
        };
        let directory = tempfile::tempdir().expect("a temporary directory");
        let mut unshare = Command::new("/usr/bin/unshare")
            .args(["--mount", "--uts", "--ipc", "--net", "--pid", "--fork", "--kill-child"])
            .args(["/bin/bash", "-c", SETUP, "jail"])
            .arg(directory.path())
            .args(files)
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("unshare starts");
        let mut output = BufReader::new(unshare.stdout.take().expect("it was asked for"));
        let mut line = String::new();
        output.read_line(&mut line).expect("readable");
        if line != "ready\n" {
            eprintln!("skipped: {test} cannot have a root of its own: {}", line.trim());
            let _ = unshare.kill();
            let _ = unshare.wait();
            return None;
        }
        let first = wait_for("the first process inside", || child_of(unshare.id()));
        let inside = wait_for("a process in the new root", || {
            let inside = child_of(first)?;
            let name = fs::read_to_string(format!("/proc/{inside}/comm")).ok()?;
            (name.trim() == "cat").then_some(inside)
        });
        let jail = Jail { unshare, inside, _directory: directory };
        jail.furnish();
        Some(jail)
    }

    /// Names that need no server of names, accounts, and the program.
    fn furnish(&self) {
        self.write("/etc/resolv.conf", "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n");
        self.write("/etc/hosts", "127.0.0.1 localhost mx.test.example mx test.example\n");
        self.write("/etc/mailname", "test.example\n");
        let (mut accounts, mut groups) = (String::new(), String::new());
        for (name, number) in ACCOUNTS.iter().zip(3000..) {
            accounts.push_str(&format!("{name}:x:{number}:{number}::/nonexistent:/bin/sh\n"));
            groups.push_str(&format!("{name}:x:{number}:\n"));
        }
        self.append("/etc/passwd", &accounts);
        self.append("/etc/group", &groups);
        let program = self.path("/usr/bin/mfilter");
        // A measurement takes another build.
        let built = std::env::var_os("MFILTER_PROGRAM").unwrap_or(MFILTER.into());
        let copied = Command::new("install").args(["-m", "755"]).arg(built).arg(program).status();
        assert!(copied.expect("install runs").success());
    }

    /// Makes an account.
    pub fn account(&self, name: &str, number: u32, home: &str) {
        self.append("/etc/passwd", &format!("{name}:x:{number}:{number}::{home}:/bin/sh\n"));
        self.append("/etc/group", &format!("{name}:x:{number}:\n"));
    }

    /// A path inside, as it is seen from here.
    pub fn path(&self, path: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root{path}", self.inside))
    }

    pub fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        // What may be a link leads to the machine's own.
        let _ = fs::remove_file(&path);
        fs::create_dir_all(path.parent().expect("a directory")).expect("made");
        fs::write(&path, text).expect("written");
    }

    /// Writes a program.
    pub fn script(&self, path: &str, text: &str) {
        self.write(path, text);
        fs::set_permissions(self.path(path), Permissions::from_mode(0o755)).expect("executable");
    }

    fn append(&self, path: &str, text: &str) {
        let file = OpenOptions::new().append(true).open(self.path(path));
        file.and_then(|mut file| file.write_all(text.as_bytes())).expect("written");
    }

    /// All mail in a Maildir inside.
    pub fn mail(&self, maildir: &str) -> Vec<Mail> {
        mail(&self.path(maildir))
    }

    /// A command inside, as root, that ends within a minute.
    pub fn command(&self, program: &str) -> Command {
        let mut command = self.daemon("/usr/bin/timeout");
        command.args(["60", program]);
        command
    }

    /// A command inside, as root, that ends with the jail.
    pub fn daemon(&self, program: &str) -> Command {
        let mut command = Command::new("/usr/bin/nsenter");
        command
            .args(["--mount", "--uts", "--ipc", "--net", "--pid", "--root", "--wd", "--target"])
            .arg(self.inside.to_string())
            .arg(program)
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin:/usr/libexec/sendmail");
        command
    }

    /// Runs a script inside, as root, and gives what it prints. Daemons that
    /// it starts must not hold its output.
    pub fn shell(&self, script: &str) -> String {
        let mut command = self.command("/bin/bash");
        let output = command.args(["-c", script]).stdin(Stdio::null()).output().expect("runs");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (out, errors) = (text(&output.stdout), text(&output.stderr));
        assert!(output.status.success(), "{script}\n{:?}\n{out}{errors}", output.status);
        out
    }

    /// Whether something listens on the port of SMTP.
    pub fn listens(&self) -> bool {
        let mut command = self.command("/bin/bash");
        command.args(["-c", "exec 3<>/dev/tcp/127.0.0.1/25"]).stderr(Stdio::null());
        command.status().expect("runs").success()
    }

    /// Sends a message by SMTP; the error is the reply that refuses it.
    pub fn send(&self, from: &str, to: &str, message: &str) -> Result<(), String> {
        self.send_to_all(from, &[to], message)
    }

    /// The same with several recipients.
    pub fn send_to_all(&self, from: &str, to: &[&str], message: &str) -> Result<(), String> {
        let mut command = self.command("/bin/bash");
        command.args(["-c", "exec 3<>/dev/tcp/127.0.0.1/25; cat <&3 & exec cat >&3"]);
        let mut wire = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("runs");
        let replies = BufReader::new(wire.stdout.take().expect("it was asked for"));
        let commands = wire.stdin.take().expect("it was asked for");
        let sent = smtp::submit(replies, commands, from, to, message);
        let _ = wire.kill();
        let _ = wire.wait();
        sent
    }
}

impl Drop for Jail {
    fn drop(&mut self) {
        // The first process inside goes with it, and with that one all others.
        let _ = self.unshare.kill();
        let _ = self.unshare.wait();
    }
}

/// Where `tests/fetch-servers` puts packages.
fn cache() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target/servers")
}

fn debs(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("readable");
    let paths = entries.map(|entry| entry.expect("readable").path());
    paths.filter(|path| path.extension().is_some_and(|end| end == "deb")).collect()
}

pub fn child_of(pid: u32) -> Option<u32> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
    children.split_whitespace().next()?.parse().ok()
}
