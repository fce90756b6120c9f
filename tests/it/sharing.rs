//! `set shared on`: files and folders take over a default ACL, or the group and
//! permissions of a set-group-id directory.

#![allow(clippy::print_stderr, reason = "a skipped test says so")]

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::Command;

use crate::support::{Home, skipped};

const MESSAGE: &[u8] = b"From: a@b.example\nSubject: hello\n\nbody\n";

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("is there").mode() & 0o7777
}

/// The modes of a folder, of what is in it, and of a message.
fn delivered(setting: &str, maildir_mode: u32, prepare: impl FnOnce(&Path)) -> Vec<u32> {
    let home = Home::with_rules(&format!("{setting}\nfolder \"A/B\"\n"));
    let maildir = home.path().join("Maildir");
    fs::create_dir(&maildir).expect("made");
    fs::set_permissions(&maildir, Permissions::from_mode(maildir_mode)).expect("a mode");
    prepare(&maildir);
    let run = home.deliver(MESSAGE);
    assert_eq!(run.code, Some(0), "{run:?}");
    let folder = maildir.join(".A.B");
    let mut modes: Vec<u32> =
        ["", "cur", "new", "tmp"].iter().map(|name| mode(&folder.join(name))).collect();
    let mail = home.mail();
    modes.push(mode(&mail[0].path));
    modes.push(mode(&folder.join("maildirfolder")));
    modes
}

#[test]
fn a_set_group_id_directory_gives_its_permissions() {
    let shared = |mode| delivered("set shared on", mode, |_| {});
    assert_eq!(shared(0o2770), [0o2770, 0o2770, 0o2770, 0o2770, 0o660, 0o660]);
    assert_eq!(shared(0o2750), [0o2750, 0o2750, 0o2750, 0o2750, 0o640, 0o640]);
    // Without the bit the directory does not determine the group.
    assert_eq!(shared(0o770), [0o700, 0o700, 0o700, 0o700, 0o600, 0o600]);
}

#[test]
fn without_the_setting_all_is_private() {
    for setting in ["", "set shared off"] {
        let modes = delivered(setting, 0o2770, |_| {});
        assert_eq!(modes, [0o2700, 0o2700, 0o2700, 0o2700, 0o600, 0o600], "{setting}");
    }
}

#[test]
fn a_default_acl_is_taken() {
    if skipped("a default ACL", &["/usr/bin/setfacl"], false) {
        return;
    }
    let mut there = true;
    let modes = delivered("set shared on", 0o700, |maildir| {
        let set = Command::new("/usr/bin/setfacl")
            .args(["-d", "-m", "u::rwx,g::---,o::---,u:1:rwx,m::rwx"])
            .arg(maildir)
            .output();
        there = set.is_ok_and(|output| output.status.success());
    });
    if !there {
        eprintln!("skipped: a default ACL, which this file system has not");
        return;
    }
    // The permissions of the group are the mask of the ACL.
    assert_eq!(modes, [0o770, 0o770, 0o770, 0o770, 0o660, 0o660]);
}
