//! The units of examples/systemd under a systemd of its own, which is the first process of
//! a root of its own: the socket that it holds, what the service may still do with all its
//! restrictions, and restarts.

#![allow(clippy::print_stderr, reason = "a skipped test says so")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::jail::{Jail, child_of};
use super::lmtp::{self, Behind, POSTFIX, POSTFIX_MAP};
use super::scenario::guide;
use crate::support::{skipped, wait_for};

const SYSTEMD: &str = "/lib/systemd/systemd";
const SERVICE: &str = include_str!("../../../examples/systemd/mfilter-lmtp.service");
const USERS_SERVICE: &str = include_str!("../../../examples/systemd/mfilter-lmtp-users.service");
const SOCKET: &str = include_str!("../../../examples/systemd/mfilter-lmtp.socket");

/// Runs a command in the cgroup `$0`.
const IN_CGROUP: &str = "echo $$ > \"$0/cgroup.procs\" && exec \"$@\"";
/// systemd in its namespaces. Its root has to be that of its mounts, too, where it makes a
/// place for each service.
const BOOT: &str = r#"
set -e
mount --make-rprivate /
mount --rbind / /mnt
cd /mnt
pivot_root . mnt
umount -l /mnt
mkdir -p /dev/pts /dev/shm
mount -t devpts -o newinstance,ptmxmode=666 devpts /dev/pts
ln -sf pts/ptmx /dev/ptmx
mount -t tmpfs -o mode=1777 tmpfs /dev/shm
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t cgroup2 cgroup2 /sys/fs/cgroup
exec env -i container=other PATH=/usr/sbin:/usr/bin:/sbin:/bin \
    /lib/systemd/systemd --unit=sockets.target --show-status=no --log-target=journal
"#;

/// A systemd that runs until it is dropped.
struct Booted {
    unshare: Child,
    /// The process as it is seen from here.
    first: u32,
    cgroup: PathBuf,
}

impl Booted {
    /// None where the system does not let us, which is said.
    fn start(jail: &Jail, service: &str, test: &str) -> Option<Booted> {
        let name = format!("mfilter-test-{}-{}", std::process::id(), jail.inside);
        let cgroup = cgroups()?.join(name);
        if let Err(error) = fs::create_dir(&cgroup) {
            eprintln!("skipped: {test} cannot have a cgroup of its own: {error}");
            return None;
        }
        // Of the machine's units only the journal's are left.
        jail.shell(
            "set -e
            cd /usr/lib/systemd/system
            rm -rf /etc/systemd/system
            mkdir /etc/systemd/system
            for unit in sysinit.target.wants/* sockets.target.wants/* local-fs.target.wants/*; do
                case $unit in
                *journal*) ;;
                */*.*) ln -sf /dev/null /etc/systemd/system/${unit##*/} ;;
                esac
            done
            : > /etc/machine-id
            : > /etc/fstab",
        );
        jail.write("/etc/systemd/system/mfilter-lmtp.service", service);
        jail.write("/etc/systemd/system/mfilter-lmtp.socket", SOCKET);
        // Its own cgroup is the top of those that it sees.
        let mut inside = jail.daemon("/usr/bin/unshare");
        inside.args(["--mount", "--pid", "--cgroup", "--fork", "--kill-child"]);
        inside.args(["/bin/bash", "-c", BOOT]);
        let mut command = Command::new("/bin/bash");
        command.args(["-c", IN_CGROUP]).arg(&cgroup).arg(inside.get_program());
        command.args(inside.get_args()).env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::inherit());
        let unshare = command.spawn().expect("it runs");
        let mut booted = Booted { unshare, first: 0, cgroup };
        booted.first = wait_for("systemd, or its end", || {
            let gone = booted.unshare.try_wait().expect("it is ours").is_some();
            // nsenter's child is unshare.
            let first = child_of(booted.unshare.id()).and_then(child_of);
            let name = |pid| fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
            match first {
                Some(first) if name(first).trim() == "systemd" => Some(first),
                _ if gone => Some(0),
                _ => None,
            }
        });
        if booted.first == 0 {
            eprintln!("skipped: {test}: this system does not let a second systemd start");
            return None;
        }
        wait_for("systemd to listen", || {
            booted.run("systemctl list-units > /dev/null 2>&1").then_some(())
        });
        Some(booted)
    }

    fn command(&self, script: &str) -> Command {
        let mut command = Command::new("/usr/bin/nsenter");
        command
            .args(["--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--root", "--wd"])
            .args(["--target", &self.first.to_string()])
            .args(["/usr/bin/timeout", "60", "/bin/bash", "-c", script])
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .stdin(Stdio::null());
        command
    }

    fn run(&self, script: &str) -> bool {
        self.command(script).status().expect("it runs").success()
    }

    fn shell(&self, script: &str) -> String {
        let output = self.command(script).output().expect("it runs");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{script}\n{text}{errors}\n{}", self.log());
        text
    }

    /// Waits until something is so; the log says why it does not become so.
    fn wait_for(&self, what: &str, mut is_so: impl FnMut() -> bool) {
        for _ in 0..600 {
            if is_so() {
                return;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("waited too long for {what}\n{}", self.log());
    }

    /// What the service and Postfix have written.
    fn log(&self) -> String {
        let script = "journalctl --no-pager -o cat | tail -n 60; tail -n 40 /var/log/postfix.log";
        let output = self.command(script).output().expect("it runs");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

impl Drop for Booted {
    fn drop(&mut self) {
        let _ = fs::write(self.cgroup.join("cgroup.kill"), "1");
        let _ = self.unshare.wait();
        // Empty as soon as the processes are gone, and the innermost first.
        let removed = || {
            let script =
                "find \"$1\" -depth -type d -exec rmdir {} + 2> /dev/null; test ! -e \"$1\"";
            let mut command = Command::new("/bin/bash");
            command.args(["-c", script, "x"]).arg(&self.cgroup);
            command.status().is_ok_and(|status| status.success()).then_some(())
        };
        wait_for("its cgroups to be empty", removed);
    }
}

/// Where the machine's second version of cgroups is mounted.
fn cgroups() -> Option<PathBuf> {
    let mounts = fs::read_to_string("/proc/mounts").ok()?;
    let mut mounts = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    let found = mounts.find(|fields| fields.get(2) == Some(&"cgroup2"))?;
    Some(Path::new(found.get(1)?).to_owned())
}

/// A root for a test with Postfix; none where it cannot have one, which is said.
fn root(test: &str, needed: &[&str]) -> Option<Jail> {
    let needed = [needed, &[POSTFIX.program, SYSTEMD, "/usr/bin/journalctl"]].concat();
    if skipped(test, &needed, true) {
        return None;
    }
    if cgroups().is_none() {
        eprintln!("skipped: {test}: no cgroup2 is mounted");
        return None;
    }
    Jail::new(test, None)
}

/// Starts the socket's unit, then Postfix.
fn start_postfix(jail: &Jail, booted: &Booted) {
    booted.shell("systemctl start mfilter-lmtp.socket");
    jail.shell(&format!("({}) > /dev/null 2>&1 < /dev/null", POSTFIX.start));
    wait_for("Postfix", || jail.listens().then_some(()));
}

fn send(jail: &Jail, booted: &Booted, subject: &str) {
    let text = format!("From: a@sender.example\nSubject: {subject}\n\nx\n");
    let sent = jail.send("a@sender.example", "hana@test.example", &text);
    sent.unwrap_or_else(|reply| panic!("{reply}\n{}", booted.log()));
}

#[test]
fn the_units_deliver_with_all_their_restrictions() {
    let test = "the units of `mfilter lmtp` under systemd";
    let Some(jail) = root(test, lmtp::DOVECOT) else { return };
    lmtp::write_guide(&jail, &POSTFIX);
    lmtp::furnish(&jail, Behind::Maildirs);
    let user = |name: &str| format!("/var/vmail/test.example/{name}");
    jail.write(
        &format!("{}/.mailrules", user("hana")),
        "when subject is \"list\" -> folder \"仕事\"\n\
         when subject is \"forward\" -> forward \"taro@test.example\"\n\
         when subject is \"program\" -> pipe \"note\"\n",
    );
    jail.script("/usr/local/bin/note", "#!/bin/sh\ncat > /var/vmail/note\n");
    jail.shell(
        "set -e
        echo 'program note = /usr/local/bin/note' >> /etc/mfilter/lmtp.conf
        rm -rf /var/vmail/test.example/taro /var/lib/mfilter",
    );
    jail.shell(&format!("set -e\n{}\n{}\n{POSTFIX_MAP}", POSTFIX.setup, POSTFIX.then));
    let Some(booted) = Booted::start(&jail, SERVICE, test) else { return };
    start_postfix(&jail, &booted);

    let mail = |name: &str| jail.mail(&format!("{}/Maildir", user(name)));
    for subject in ["list", "forward", "program"] {
        send(&jail, &booted, subject);
    }
    let arrived = || {
        let listed = mail("hana").iter().any(|mail| mail.folder == ".&TtVOiw-");
        // To a user who had no home.
        let forwarded = mail("taro").iter().any(|mail| mail.text().contains("Subject: forward"));
        let piped = fs::read_to_string(jail.path("/var/vmail/note")).unwrap_or_default();
        listed && forwarded && piped.contains("Subject: program")
    };
    booted.wait_for("three messages", arrived);

    for number in 0..20 {
        send(&jail, &booted, &format!("n{number}"));
        if number % 4 == 3 {
            booted.shell("systemctl restart mfilter-lmtp && systemctl reload mfilter-lmtp");
        }
    }
    booted.wait_for("all messages", || {
        mail("hana").iter().filter(|mail| mail.folder.is_empty()).count() == 20
    });
    let status = booted.shell("systemctl show -p ActiveState,NRestarts mfilter-lmtp");
    assert_eq!(status, "NRestarts=0\nActiveState=active\n", "{}", booted.log());
}

#[test]
fn the_unit_for_users_of_the_system_delivers_as_each_of_them() {
    let test = "the unit for users of the system under systemd";
    let Some(jail) = root(test, &[]) else { return };
    let [settings, postfix] = guide("lmtp.md", "Users of the system").try_into().expect("two");
    let transport = postfix.replace("unix:mfilter/lmtp", "unix:/run/mfilter/lmtp");
    let local = "mydestination = test.example\nlocal_recipient_maps =\n";
    jail.write("/guide/main", &format!("{transport}{local}"));
    jail.write("/guide/master", "lmtp unix - - n - - lmtp\n");
    jail.write("/etc/mfilter/lmtp.conf", &settings);
    jail.account("mfilter", 2998, "/nonexistent");
    jail.account("hana", 2999, "/home/hana");
    jail.write("/home/hana/.mailrules", "folder \"Mine\"\n");
    jail.shell("chown -R hana: /home/hana");
    jail.shell(&format!("set -e\n{}", POSTFIX.then));
    let Some(booted) = Booted::start(&jail, USERS_SERVICE, test) else { return };
    start_postfix(&jail, &booted);
    for number in 0..4 {
        send(&jail, &booted, &format!("n{number}"));
        if number == 1 {
            booted.shell("systemctl restart mfilter-lmtp && systemctl reload mfilter-lmtp");
        }
    }
    let maildir = "/home/hana/Maildir";
    booted.wait_for("all messages", || jail.mail(maildir).len() == 4);
    let owners = jail.shell(&format!("find {maildir}/.Mine/new -type f -printf '%U:%G\\n'"));
    assert_eq!(owners, "2999:2999\n".repeat(4));
}
