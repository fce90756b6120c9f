//! `mfilter lmtp` where users have uids of their own: each user's mail is filed by a
//! process of that uid, and no process of root's sees a byte of it.

#![allow(clippy::print_stderr, reason = "a skipped test says so")]

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::process::{Command, Stdio};

use rustix::process::Signal;

use crate::support::lmtp_site::{Client, children, signal, wire};
use crate::support::strace::cannot_trace;
use crate::support::{MFILTER, mail, skipped, wait_for};

const FRONT: u32 = 64_990;
const USERS: [(&str, u32); 2] = [("taro", 64_991), ("hana", 64_992)];
const SECRET: &str = "a-secret-of-the-sender";

#[test]
fn no_root_process_reads_a_client_or_a_message() {
    if skipped("lmtp", &[], true) || cannot_trace("lmtp") {
        return;
    }
    let place = tempfile::tempdir().expect("a temporary directory");
    fs::set_permissions(place.path(), fs::Permissions::from_mode(0o755)).expect("set");
    for (user, uid) in USERS.into_iter().chain([("toor", 0), ("daemon", 2)]) {
        let home = place.path().join("users").join(user);
        fs::create_dir_all(&home).expect("made");
        fs::write(home.join(".mailrules"), "folder \"A\"\n").expect("written");
        for path in [home.join(".mailrules"), home] {
            chown(path, Some(uid), Some(uid)).expect("given");
        }
    }
    let (socket, trace) = (place.path().join("lmtp"), place.path().join("trace"));
    let mut command = Command::new("strace");
    command.args(["-f", "-qq", "-s", "4096", "-e", "signal=none", "-o"]).arg(&trace);
    command.args(["-e", "trace=read,recvmsg,recvfrom,pread64,readv,accept4,setuid,setresuid"]);
    command.arg(MFILTER).args(["lmtp", "--front-id", &format!("{FRONT}:{FRONT}"), "--listen"]);
    command.arg(format!("unix:{}", socket.display())).arg("--users");
    command.arg(format!("template:{}/users/{{user}}", place.path().display()));
    let mut strace = command.stderr(Stdio::null()).spawn().expect("strace starts");
    let mut client = wait_for("the front", || Client::connect(&socket).ok());
    let message = wire(format!("Subject: {SECRET}\n\nx\n").as_bytes());
    let to = ["taro", "hana", "toor", "daemon"];
    for _ in 0..3 {
        let answers = client.deliver(&to, &message).expect("answered");
        let codes: Vec<&str> = answers.iter().map(|answer| &answer[..3]).collect();
        assert_eq!(codes, ["250", "250", "451", "451"], "no system account gets mail");
    }
    let launcher = *children(strace.id()).first().expect("it runs");
    signal(launcher, Signal::TERM);
    assert!(strace.wait().expect("it ends").success());
    for (user, uid) in USERS {
        let all = mail(&place.path().join("users").join(user).join("Maildir"));
        assert_eq!(all.len(), 3);
        for mail in all {
            assert_eq!(fs::metadata(&mail.path).expect("there").uid(), uid);
            assert_eq!(mail.folder, ".A");
        }
    }
    let text = fs::read(&trace).expect("written");
    let (mut dropped, mut readers) = (BTreeSet::new(), BTreeSet::new());
    for line in String::from_utf8_lossy(&text).lines() {
        let Some((pid, call)) = line.trim_start().split_once(' ') else { continue };
        let call = call.trim_start();
        if call.starts_with("setuid(") || call.starts_with("setresuid(") {
            assert!(!call.contains("(0"), "{line}");
            dropped.insert(pid.to_owned());
        }
        let reads = call.contains(SECRET) || call.contains("RCPT TO");
        if reads || call.starts_with("accept4(") && !call.contains("EAGAIN") {
            readers.insert(pid.to_owned());
        }
    }
    // The front's threads have ids of their own, and were never root.
    let main = launcher.to_string();
    assert!(!readers.contains(&main) && !dropped.contains(&main), "{readers:?}");
    assert!(readers.len() >= 3 && dropped.len() == 3, "{readers:?} {dropped:?}");
}
