//! `--user ADDRESS`: commands see a user of `mfilter lmtp` as the server does.

#![allow(clippy::print_stderr, reason = "a skipped test says so")]

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::lmtp_site::{VMAIL, give_all, ids};
use crate::support::{Home, MFILTER, Run, skipped, wait_for};
use mfilter::lmtp::accounts::{self, Accounts, Recipient};
use mfilter::lmtp::settings::Identity;

const MAIL: &[u8] = b"From: hana@x.example\nTo: taro@a.example\nSubject: sale\n\nhi\n";

/// A site with the user `taro@a.example` in the home `h`, settings in `lmtp.conf`.
fn site(rules: &str) -> Home {
    let home = Home::new();
    let at = |name: &str| home.path().join(name).display().to_string();
    fs::create_dir(at("h")).unwrap();
    home.write("h/.mailrules", rules);
    home.write("users", format!("taro@a.example:x:{}::{}:\n", ids(), at("h")));
    let settings = format!(
        "users = passwd-file:{}\nstate = {}\nprogram note = /bin/true\nlayout = fs\n",
        at("users"),
        at("state")
    );
    home.write("lmtp.conf", &settings);
    home
}

fn as_user(home: &Home, command: &[&str], user: &str, input: &[u8]) -> Run {
    give_all(home.path());
    let config = home.path().join("lmtp.conf").display().to_string();
    home.run(&[command, &["--user", user, "--config", &config]].concat(), input)
}

#[test]
fn check_and_test_go_by_what_the_site_allows() {
    let home = site("set maildir \"~/x\"\nrun \"note\"\nrun \"sh\"\nfolder \"A/B\"\n");
    let checked = as_user(&home, &["check"], "Taro+detail@A.example", b"");
    assert_eq!(checked.code, Some(1), "{checked:?}");
    let found = checked.stdout;
    assert!(found.contains("warning[set-by-provider]"), "{found}");
    assert!(found.contains("the provider does not let rules run `sh`"), "{found}");
    assert!(found.contains("by name only: `note`"), "{found}");
    assert_eq!(found.matches("warning[").count(), 2, "{found}");
    let tested = as_user(&home, &["--test"], "taro@a.example", MAIL);
    assert_eq!(tested.code, Some(0), "{tested:?}");
    assert!(tested.stdout.contains("folder \"A/B\""), "{}", tested.stdout);
    assert!(tested.stdout.contains("does not let rules run `sh`"), "{}", tested.stdout);
    assert!(tested.stdout.contains("/bin/true"), "{}", tested.stdout);
}

/// What is restored goes nowhere else than into the home.
#[test]
fn a_link_in_place_of_the_rules_leads_history_nowhere() {
    let home = site("folder \"A\"\n");
    for directory in ["new", "cur", "tmp"] {
        fs::create_dir_all(home.path().join("h/Maildir").join(directory)).unwrap();
    }
    let sorted = as_user(&home, &["sort"], "taro@a.example", b"");
    assert_eq!(sorted.code, Some(0), "{sorted:?}");
    fs::create_dir(home.path().join("b")).unwrap();
    home.write("b/.mailrules", "folder \"B\"\n");
    fs::remove_file(home.path().join("h/.mailrules")).unwrap();
    symlink("../b/.mailrules", home.path().join("h/.mailrules")).unwrap();
    let restored = as_user(&home, &["history", "restore", "1"], "taro@a.example", b"");
    assert!(restored.code != Some(0), "{restored:?}");
    assert!(restored.stderr.contains("it leads out of the home directory"), "{restored:?}");
    let text = |name: &str| fs::read_to_string(home.path().join(name)).unwrap();
    assert_eq!(text("b/.mailrules"), "folder \"B\"\n");
    assert_eq!(fs::read_dir(home.path().join("b")).unwrap().count(), 1, "no backup");

    // A link within the home stays one.
    fs::remove_file(home.path().join("h/.mailrules")).unwrap();
    home.write("h/mine", "folder \"C\"\n");
    symlink("mine", home.path().join("h/.mailrules")).unwrap();
    let restored = as_user(&home, &["history", "restore", "1"], "taro@a.example", b"");
    assert_eq!(restored.code, Some(0), "{restored:?}");
    assert_eq!(
        (text("h/mine"), text("h/mine.bak")),
        ("folder \"A\"\n".into(), "folder \"C\"\n".into())
    );
    assert!(fs::symlink_metadata(home.path().join("h/.mailrules")).unwrap().is_symlink());
}

#[test]
fn unknown_users_and_wrong_settings_are_reported() {
    let home = site("inbox\n");
    for command in
        [&["check"][..], &["stats"], &["history"], &["sort"], &["isp-filter"], &["why", "x@y"]]
    {
        let run = as_user(&home, command, "nobody@a.example", b"");
        assert_eq!(run.code, Some(2), "{command:?}: {run:?}");
        let expected = "there is no user `nobody@a.example` where users are looked up: \
                        `passwd-file:";
        assert!(run.stderr.contains(expected), "{run:?}");
    }
    fs::remove_file(home.path().join("users")).unwrap();
    let run = as_user(&home, &["check"], "taro@a.example", b"");
    assert!(run.code == Some(2) && run.stderr.contains("users: No such file"), "{run:?}");
    home.write("lmtp.conf", "workers = 2\nusres = passwd\n");
    let run = as_user(&home, &["check"], "taro@a.example", b"");
    assert!(run.stderr.contains("lmtp.conf:2: there is no setting `usres`"), "{run:?}");
}

#[test]
fn a_server_that_could_not_start_or_deliver_is_told_why() {
    let home = site("inbox\n");
    fs::create_dir(home.path().join("state")).unwrap();
    fs::set_permissions(home.path().join("state"), fs::Permissions::from_mode(0o700)).unwrap();
    let at = |name: &str| home.path().join(name).display().to_string();
    let listen = format!("unix:{}", at("lmtp"));
    let config = at("lmtp.conf");
    let check = |more: &[&str]| {
        give_all(home.path());
        let mut call = vec!["lmtp", "--check", "--config", &config, "--listen", &listen];
        let identity = format!("{VMAIL}:{VMAIL}");
        if rustix::process::geteuid().is_root() {
            // Otherwise only root can read the list of users.
            fs::set_permissions(at("users"), fs::Permissions::from_mode(0o644)).unwrap();
            call.extend(["--user-id", &identity]);
        }
        home.run(&[&call, more].concat(), b"")
    };
    let fine = check(&["--user", "taro+x@a.example"]);
    assert_eq!(fine.code, Some(0), "{fine:?}");
    let settings = format!("settings: {config}");
    for line in [
        &settings,
        "listen: unix:",
        "users: ",
        "user: taro@a.example, home ",
        "state: ",
        "TMPDIR: ",
        "store: ",
    ] {
        assert!(fine.stdout.lines().any(|output| output.starts_with(line)), "{line}: {fine:?}");
    }
    assert!(!home.path().join("lmtp").exists(), "nothing is begun");
    home.write("more", "hana@a.example:x:y:1::/h\njiro::::::\n");
    let more = check(&["--users", &format!("passwd-file:{}", at("more"))]);
    let expected = "the line of `hana@a.example`: uid or gid is not a number (lines that \
                    cannot be used: 2)";
    assert!(more.stdout.contains(expected), "{more:?}");
    let system = check(&["--users", "passwd"]);
    assert!(system.stdout.contains("alone, unless you set `front-id`"), "{system:?}");
    for (more, expected) in [
        (&["--user", "hana@a.example"][..], "user: error: there is no user `hana@a.example`"),
        (&["--store", "lmtp:unix:/none"], "store: error: lmtp:unix:/none: it is not there"),
        (&["--state", "/none"], "state: error: the directory for state, /none"),
        (&["--users", "dovecot:/none"], "users: error: Dovecot's users, /none"),
        (&["--site", "/none"], "site: error: site rules /none"),
    ] {
        let output = check(more);
        assert_eq!(output.code, Some(1), "{output:?}");
        assert!(output.stdout.contains(expected), "{expected}: {output:?}");
    }
}

/// An administrator who is not root is told so, and nothing wrong about the rules.
#[test]
fn whoever_cannot_become_the_owner_is_told_who_that_is() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: only root can be somebody else");
        return;
    }
    let home = site("inbox\n");
    give_all(home.path());
    for name in ["", "users"] {
        fs::set_permissions(home.path().join(name), fs::Permissions::from_mode(0o755)).unwrap();
    }
    let config = home.path().join("lmtp.conf");
    let told = |words: &[&str]| {
        let mut command = Command::new(MFILTER);
        command.args(words).arg("--config").arg(&config).env_clear().uid(VMAIL - 1).gid(VMAIL - 1);
        let output = command.output().expect("it ends");
        assert_eq!(output.status.code(), Some(2), "{words:?}: {output:?}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    for command in ["check", "stats", "history", "sort", "isp-filter"] {
        let told = told(&[command, "--user", "taro@a.example"]);
        let expected = format!("the files of `taro@a.example` belong to uid {VMAIL}: run this as");
        assert!(told.contains(&expected), "{command}: {told}");
    }
    let identity = format!("--user-id={VMAIL}:{VMAIL}");
    let told = told(&["lmtp", "--check", &identity]);
    assert!(told.contains(&format!("only root can become uid {VMAIL}: run this as")), "{told}");
}

#[test]
fn sort_and_history_use_the_state_of_the_site() {
    let home = site("when subject is \"sale\" -> folder \"Sale\"\n");
    for sub in ["new", "cur", "tmp"] {
        fs::create_dir_all(home.path().join("h/Maildir").join(sub)).unwrap();
    }
    home.write("h/Maildir/cur/1.x:2,S", std::str::from_utf8(MAIL).unwrap());
    let sorted = as_user(&home, &["sort"], "taro@a.example", b"");
    assert_eq!(sorted.code, Some(0), "{sorted:?}");
    let moved = |folder: &str| home.path().join(folder).join("cur/1.x:2,S").exists();
    assert!(moved("h/Maildir/Sale"), "{sorted:?}");
    assert!(home.path().join("state/taro@a.example/state/history").exists());
    assert!(!home.path().join("h/.local").exists(), "the home holds nothing of ours");
    let history = as_user(&home, &["history"], "taro@a.example", b"");
    assert!(history.stdout.contains(".mailrules"), "{history:?}");
    let undone = as_user(&home, &["sort", "--undo"], "taro@a.example", b"");
    assert!(moved("h/Maildir"), "{undone:?}");
}

#[test]
fn root_becomes_the_owner_of_the_files() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let home = site("when subject is \"sale\" -> folder \"Sale\"\n");
    for sub in ["", "new", "cur", "tmp"] {
        fs::create_dir_all(home.path().join("h/Maildir").join(sub)).unwrap();
    }
    home.write("h/Maildir/new/1.x", std::str::from_utf8(MAIL).unwrap());
    let sorted = as_user(&home, &["sort"], "taro@a.example", b"");
    assert_eq!(sorted.code, Some(0), "{sorted:?}");
    for made in ["h/Maildir/Sale", "state/taro@a.example/state"] {
        let about = fs::metadata(home.path().join(made)).unwrap();
        assert_eq!((about.uid(), about.gid()), (VMAIL, VMAIL), "{made}");
    }
    // No user's rules and links are followed as root.
    let line = format!("taro@a.example:x::::{}:\n", home.path().join("h").display());
    home.write("users", line);
    let refused = as_user(&home, &["sort"], "taro@a.example", b"");
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(refused.stderr.contains("no account except root is known to own"), "{refused:?}");
}

/// A Dovecot that looks up users, in a home of its own.
struct Dovecot {
    home: Home,
    child: Option<std::process::Child>,
}

const DOVECOT: &str = "/usr/sbin/dovecot";

impl Dovecot {
    fn new(users: &str) -> Dovecot {
        let home = Home::new();
        let path = home.path().display();
        home.write("users", users);
        home.write(
            "dovecot.conf",
            format!(
                "base_dir = {path}/run\nstate_dir = {path}/state\nlog_path = {path}/log\n\
                 protocols =\nlisten = 127.0.0.1\nssl = no\nfirst_valid_uid = 1\n\
                 mail_location = maildir:~/Maildir\n\
                 passdb {{\n driver = static\n args = nopassword=y\n}}\n\
                 userdb {{\n driver = passwd-file\n args = {path}/users\n\
                 \x20default_fields = uid=65534 gid=65534\n}}\n\
                 service auth {{\n unix_listener auth-userdb {{\n mode = 0600\n }}\n}}\n"
            ),
        );
        // Its processes run as other users.
        fs::set_permissions(home.path(), PermissionsExt::from_mode(0o755)).unwrap();
        fs::set_permissions(home.path().join("users"), PermissionsExt::from_mode(0o644)).unwrap();
        let mut dovecot = Dovecot { home, child: None };
        dovecot.start();
        dovecot
    }

    fn start(&mut self) {
        let config = self.home.path().join("dovecot.conf");
        let child = Command::new(DOVECOT).arg("-F").arg("-c").arg(config).spawn().unwrap();
        self.child = Some(child);
        wait_for("Dovecot", || UnixStream::connect(self.socket()).ok().map(drop));
    }

    fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let pid = rustix::process::Pid::from_child(&child);
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
            let _ = child.wait();
        }
    }

    fn socket(&self) -> PathBuf {
        self.home.path().join("run/auth-userdb")
    }
}

impl Drop for Dovecot {
    fn drop(&mut self) {
        self.stop();
    }
}

#[test]
fn a_real_dovecot_says_who_the_users_are() {
    if skipped("the test with a real Dovecot's users", &[DOVECOT], true) {
        return;
    }
    let mut dovecot = Dovecot::new(
        "taro@a.example:{PLAIN}x:1234:4321::/m/taro::\nhana@a.example:{PLAIN}x::::/m/ha na::\n",
    );
    let users = accounts::Dovecot::new(&dovecot.socket(), Identity { uid: 7, gid: 8 });
    let find = |local: &str| users.find(&Recipient::split(local, "A.example", "+"));
    let taro = find("taro+x").unwrap().expect("a user");
    assert_eq!((taro.name.as_str(), taro.uid, taro.gid), ("taro@a.example", 1234, 4321));
    assert_eq!(taro.home, Path::new("/m/taro"));
    let hana = find("hana").unwrap().expect("a user");
    assert_eq!((hana.home.as_path(), hana.uid), (Path::new("/m/ha na"), 65534));
    for unknown in ["jiro", "ta\tro", "taro\u{1}", "%u", "*", "日本"] {
        assert_eq!(find(unknown), Ok(None), "{unknown:?}");
    }
    // Many at once, over connections that are kept open.
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..20 {
                    assert!(find("taro").unwrap().is_some());
                    assert!(find("jiro").unwrap().is_none());
                }
            });
        }
    });
    dovecot.stop();
    // Its process may still answer on the connections that are kept open.
    let anew = accounts::Dovecot::new(&dovecot.socket(), Identity { uid: 7, gid: 8 });
    assert!(anew.find(&Recipient::split("taro", "a.example", "+")).is_err(), "it is away");
    dovecot.start();
    assert!(find("taro").unwrap().is_some(), "it is back");
    assert_eq!(find("jiro"), Ok(None));
}
