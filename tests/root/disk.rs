//! Disks that are full, without inodes, or read-only: the Maildir's, and one at a time
//! those of state, cache and TMPDIR, without which mail is still delivered. Mounting
//! needs root.

#![allow(clippy::print_stderr, reason = "a skipped test says so")]

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support;
use crate::support::{Home, Run, left_in_tmp, run, skipped};

/// A small file system in memory, unmounted at the end.
struct Disk {
    path: PathBuf,
}

impl Disk {
    fn mount(path: &Path) -> Option<Disk> {
        fs::create_dir_all(path).expect("made");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=512k,nr_inodes=200,mode=700", "tmpfs"])
            .arg(path)
            .output();
        if mounted.is_ok_and(|output| output.status.success()) {
            return Some(Disk { path: path.to_owned() });
        }
        eprintln!("skipped: a test of small disks cannot mount one");
        None
    }

    fn remount(&self, options: &str) {
        let done = Command::new("mount").args(["-o", options]).arg(&self.path).status();
        assert!(done.is_ok_and(|status| status.success()));
    }

    /// Makes it `full`, `read-only` or without `inodes`; `room` bytes stay free.
    fn spoil(&self, how: &str, room: u64) {
        match how {
            "full" => {
                let mut file = fs::File::create(self.path.join("filler")).expect("made");
                while file.write_all(&[0; 4096]).is_ok() {}
                let length = file.metadata().expect("a length").len();
                file.set_len(length.saturating_sub(room)).expect("cut");
            }
            "inodes" => {
                let made = |n: u32| fs::File::create(self.path.join(format!("filler{n}"))).is_ok();
                assert!(!(0..1000).all(made));
            }
            _ => self.remount("remount,ro"),
        }
    }

    fn mend(&self, how: &str) {
        if how == "read-only" {
            return self.remount("remount,rw");
        }
        for entry in fs::read_dir(&self.path).expect("a directory").flatten() {
            if entry.file_name().to_string_lossy().starts_with("filler") {
                fs::remove_file(entry.path()).expect("removed");
            }
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.path).status();
    }
}

const HOW: &[&str] = &["full", "inodes", "read-only"];
const RULES: &str = "\
when duplicate -> discard
when body contains \"end\" -> copy \"A\"
otherwise -> folder \"B\" as seen \"$x\"
";

fn message(length: usize) -> Vec<u8> {
    let body = "0123456789\n".repeat(length / 11);
    format!("From: a@b.example\nMessage-ID: <{length}@b.example>\n\n{body}end\n").into_bytes()
}

fn deliver(home: &Home, message: &[u8]) -> Run {
    let mut command = home.command(&[]);
    command.env("TMPDIR", home.path().join("tmp"));
    run(command, message)
}

#[test]
fn a_maildir_without_room_defers_and_the_retry_stores_each_copy_once() {
    if skipped("a test of small disks", &[], true) {
        return;
    }
    // With some room left, a write ends half-way.
    for (how, room, warm) in [
        ("full", 0, false),
        ("full", 0, true),
        ("full", 4096, false),
        ("full", 20_000, true),
        ("full", 100_000, true),
        ("inodes", 0, false),
        ("inodes", 0, true),
        ("read-only", 0, false),
        ("read-only", 0, true),
    ] {
        let home = Home::with_rules(RULES);
        home.write("tmp/keep", "");
        let maildir = home.path().join("Maildir");
        let Some(disk) = Disk::mount(&maildir) else { return };
        if warm {
            assert_eq!(deliver(&home, &message(11)).code, Some(0));
        }
        let before = support::mail(&maildir).len();
        disk.spoil(how, room);
        let message = message(70_000);
        let run = deliver(&home, &message);
        assert_eq!(run.code, Some(75), "{how} {room} {warm}: {run:?}");
        assert!(run.stderr.starts_with("4."), "{run:?}");
        assert_eq!(support::mail(&maildir).len(), before, "{how} {room}");
        assert_eq!(left_in_tmp(&maildir), Vec::<PathBuf>::new(), "{how} {room}");
        disk.mend(how);
        let run = deliver(&home, &message);
        assert_eq!(run.code, Some(0), "{how}: {run:?}");
        let mail = support::mail(&maildir);
        let folders: Vec<&str> = mail
            .iter()
            .filter(|mail| mail.bytes == message)
            .map(|mail| mail.folder.as_str())
            .collect();
        assert_eq!(folders, [".A", ".B"], "{how} {room}");
        assert_eq!(mail.len(), before + 2);
    }
}

#[test]
fn state_or_cache_without_room_costs_no_mail() {
    if skipped("a test of small disks", &[], true) {
        return;
    }
    for place in [".local/state", ".cache"] {
        for how in HOW {
            for warm in [false, true] {
                let home = Home::with_rules(RULES);
                home.write("tmp/keep", "");
                let Some(disk) = Disk::mount(&home.path().join(place)) else { return };
                if warm {
                    assert_eq!(deliver(&home, &message(11)).code, Some(0));
                }
                disk.spoil(how, 0);
                for length in [100, 1_500_000] {
                    let message = message(length);
                    let run = deliver(&home, &message);
                    assert_eq!(run.code, Some(0), "{place} {how} {warm}: {run:?}");
                    let stored = home.mail().iter().filter(|mail| mail.bytes == message).count();
                    assert_eq!(stored, 2, "{place} {how} {warm}");
                }
            }
        }
    }
}

#[test]
fn tmpdir_without_room_defers_only_what_needs_it() {
    if skipped("a test of small disks", &[], true) {
        return;
    }
    for how in HOW {
        let home = Home::with_rules(RULES);
        let Some(disk) = Disk::mount(&home.path().join("tmp")) else { return };
        disk.spoil(how, 0);
        assert_eq!(deliver(&home, &message(100)).code, Some(0), "{how}");
        assert_eq!(home.mail().len(), 2);
        // A rule asks for the body, and the rule after it must not decide.
        home.write(".mailrules", "when body contains \"end\" -> inbox\notherwise -> discard\n");
        let large = message(1_500_000);
        let run = deliver(&home, &large);
        assert_eq!(run.code, Some(75), "{how}: {run:?}");
        assert_eq!(home.mail().len(), 2);
        home.write(".mailrules", "otherwise -> inbox\n");
        assert_eq!(deliver(&home, &large).code, Some(0), "{how}: nothing needs it");
        disk.mend(how);
        disk.remount("remount,size=4m");
        home.write(".mailrules", "when body contains \"end\" -> inbox\notherwise -> discard\n");
        assert_eq!(deliver(&home, &large).code, Some(0), "{how}");
        assert_eq!(home.mail().len(), 4);
    }
}
