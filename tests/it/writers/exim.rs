//! Exim as a border that writes `${authresults}`: a program of its own for each
//! message, out of the packages that `tests/fetch-servers` has fetched.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::process::Command;

use super::{CLIENT, Sender};
use crate::support::{Home, run, skipped};

/// It runs as a user that its package makes, by this number here.
const USER: u32 = 65534;

pub struct Exim<'h> {
    home: &'h Home,
}

impl Exim<'_> {
    /// None, which is said, where the packages are not there.
    pub fn new<'h>(test: &str, home: &'h Home) -> Option<Exim<'h>> {
        let packages =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("target/servers/exim-authresults");
        if skipped(test, &[&packages.join("complete").to_string_lossy()], true) {
            return None;
        }
        for package in fs::read_dir(packages).expect("readable") {
            let package = package.expect("readable").path();
            if package.extension().is_some_and(|end| end == "deb") {
                let mut unpack = Command::new("dpkg-deb");
                unpack.arg("-x").arg(package).arg(home.path().join("exim"));
                assert_eq!(run(unpack, b"").code, Some(0), "dpkg-deb unpacks it");
            }
        }
        for (file, line) in [
            ("passwd", format!("Debian-exim:x:{USER}:{USER}::/:/bin/false\n")),
            ("group", format!("Debian-exim:x:{USER}:\n")),
        ] {
            let known = fs::read_to_string(format!("/etc/{file}")).expect("readable");
            home.write(file, line + &known);
        }
        fs::set_permissions(home.path(), PermissionsExt::from_mode(0o755)).expect("it is ours");
        for directory in ["spool", "box"] {
            let directory = home.path().join(directory);
            fs::create_dir(&directory).expect("made");
            chown(&directory, Some(USER), Some(USER)).expect("root may");
        }
        home.write("exim.conf", configuration(&home.path().display().to_string()));
        Some(Exim { home })
    }

    /// The message as it lies in the mailbox; none if Exim refused it.
    pub fn deliver(&self, sender: &Sender, message: &str) -> Option<String> {
        let home = self.home.path();
        let script = "for file in passwd group resolv.conf; do \
             mount --bind $file /etc/$file || exit; done; exec \"$@\"";
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", script, "sh"]);
        command.arg(home.join("exim/usr/sbin/exim4")).arg("-C").arg(home.join("exim.conf"));
        command.args(["-odi", "-oMa", &format!("{CLIENT}.1234"), "-bs"]);
        command.current_dir(home);
        command.env("LD_LIBRARY_PATH", home.join("exim/usr/lib/x86_64-linux-gnu"));
        let commands = format!(
            "EHLO {}\r\nMAIL FROM:<{}>\r\nRCPT TO:<taro@example.jp>\r\nDATA\r\n{message}.\r\nQUIT\r\n",
            sender.helo, sender.envelope
        );
        let output = run(command, commands.as_bytes());
        let path = home.join("box/taro");
        let Ok(delivered) = fs::read_to_string(&path) else {
            assert!(output.stdout.contains("\n5"), "refused, or what is wrong: {output:?}");
            return None;
        };
        fs::remove_file(path).expect("it is there");
        Some(delivered)
    }
}

fn configuration(home: &str) -> String {
    format!(
        r#"exim_path = {home}/exim/usr/sbin/exim4
primary_hostname = mx.example.jp
spool_directory = {home}/spool
log_file_path = {home}/spool/%s.log
keep_environment =
deliver_drop_privilege
host_lookup = *
tls_advertise_hosts =
helo_accept_junk_hosts = *
acl_smtp_rcpt = accept
acl_smtp_data = results
acl_smtp_dkim = accept
begin acl
results:
  warn spf = none : neutral : pass : fail : softfail : permerror : temperror
  accept add_header = :at_start:${{authresults {{mx.example.jp}}}}
begin routers
all:
  driver = accept
  transport = box
begin transports
box:
  driver = appendfile
  file = {home}/box/taro
  return_path_add
"#
    )
}
