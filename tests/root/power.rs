//! A Maildir on a file system of its own in a loop device: the power is cut
//! right after a delivery was acknowledged, the disk disappears during one, the
//! user's quota is used up. Needs root.
//!
//! When a program ends, what it has synced is in the image; the rest is still in the
//! memory of the mounted file system. So a copy of the image is what a machine finds
//! that lost its power at that moment.

#![allow(clippy::print_stderr, reason = "a skipped test says so")]

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::support;
use crate::support::strace::{STRACE, cannot_trace};
use crate::support::{Home, Run, long, run, skipped};

const MKFS: &str = "/sbin/mkfs.ext4";
/// The only file system whose quota every kernel that supports it can enforce on root.
const MKFS_BTRFS: &str = "/sbin/mkfs.btrfs";
const RULES: &str = "\
when subject contains \"two\" -> copy \"A\", folder \"B/{subject}\" as seen flagged
when subject contains \"one\" -> folder \"C\"
";

/// An image and where it is mounted; unmounted at the end.
struct Image {
    file: PathBuf,
    at: PathBuf,
}

impl Image {
    /// A new ext4 in `file`.
    fn make(file: PathBuf, at: PathBuf) -> Option<Image> {
        Image::make_by(MKFS, 16, file, at)
    }

    /// A new file system of some megabytes.
    fn make_by(mkfs: &str, size: u64, file: PathBuf, at: PathBuf) -> Option<Image> {
        fs::File::create(&file).and_then(|image| image.set_len(size << 20)).expect("an image");
        let made = Command::new(mkfs).arg("-q").arg(&file).output();
        assert!(made.is_ok_and(|output| output.status.success()));
        Image { file, at }.mount()
    }

    fn mount(self) -> Option<Image> {
        fs::create_dir_all(&self.at).expect("a mount point");
        let mount =
            Command::new("mount").args(["-o", "loop"]).arg(&self.file).arg(&self.at).output();
        if mount.is_ok_and(|output| output.status.success()) {
            return Some(self);
        }
        eprintln!("skipped: a test of power cuts cannot mount an image");
        None
    }

    /// What is on the disk at this moment, mounted as another file system.
    fn cut(&self, file: PathBuf, at: PathBuf) -> Image {
        fs::copy(&self.file, &file).expect("a copy");
        Image { file, at }.mount().expect("what was mounted once can be mounted")
    }

    /// Removes it while a program uses it.
    fn vanish(&self) {
        let gone = Command::new("umount").arg("-l").arg(&self.at).status();
        assert!(gone.is_ok_and(|status| status.success()));
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.at).stderr(Stdio::null()).status();
    }
}

/// Message `number`, for one folder or two.
fn message(number: usize) -> Vec<u8> {
    let word = if number.is_multiple_of(2) { "one" } else { "two" };
    let body = format!("line {number}\n").repeat(1 + number * 37 % 4000);
    format!("From: a@b.example\nSubject: {word} {}\n\n{body}", number / 5).into_bytes()
}

/// Folders in which it should be, with `cur` or `new`.
fn places(number: usize) -> Vec<String> {
    match number.is_multiple_of(2) {
        true => vec![".C/new".into()],
        false => vec![".A/new".into(), format!(".B.two {}/cur", number / 5)],
    }
}

fn found(maildir: &Path, number: usize) -> Vec<String> {
    let message = message(number);
    let mail = support::mail(maildir).into_iter().filter(|mail| mail.bytes == message);
    mail.map(|mail| format!("{}/{}", mail.folder, mail.sub)).collect()
}

#[test]
fn what_was_acknowledged_survives_a_power_cut() {
    if skipped("a test of power cuts", &[MKFS], true) {
        return;
    }
    let cuts = if long() { 200 } else { 5 };
    let home = Home::with_rules(RULES);
    let maildir = home.path().join("Maildir");
    let Some(mut image) = Image::make(home.path().join("image"), maildir.clone()) else { return };
    let mut first = 0;
    for number in 0..cuts {
        if number - first == 50 {
            // A new disk before this one is full.
            first = number;
            drop(image);
            let Some(new) = Image::make(home.path().join("image"), maildir.clone()) else { return };
            image = new;
        }
        let run = home.deliver(&message(number));
        assert_eq!(run.code, Some(0), "{run:?}");
        // The moment must not matter within the kernel's own five seconds.
        std::thread::sleep(Duration::from_millis((number as u64 * 7919) % 40));
        let cut = image.cut(home.path().join("cut"), home.path().join("after"));
        for number in first..=number {
            assert_eq!(found(&cut.at, number), places(number), "message {number}");
        }
    }
    eprintln!("power cuts: {cuts}");
}

/// The test above would notice: with syncs that only pretend, mail is lost.
#[test]
fn a_delivery_that_does_not_sync_would_be_noticed() {
    let test = "a test of power cuts";
    if skipped(test, &[MKFS], true) || cannot_trace(test) {
        return;
    }
    let home = Home::with_rules(RULES);
    let maildir = home.path().join("Maildir");
    let Some(image) = Image::make(home.path().join("image"), maildir) else { return };
    let mut command = Command::new(STRACE);
    command.args(["-f", "-o", "/dev/null", "-e", "inject=fsync,fdatasync:retval=0"]);
    command.arg(support::MFILTER).env_clear().env("HOME", home.path());
    let run = run(command, &message(1));
    assert_eq!(run.code, Some(0), "{run:?}");
    assert_eq!(found(&image.at, 1), places(1));
    let cut = image.cut(home.path().join("cut"), home.path().join("after"));
    assert_eq!(found(&cut.at, 1), Vec::<String>::new());
}

#[test]
fn a_disk_that_goes_away_during_a_delivery_takes_nothing_acknowledged_with_it() {
    if skipped("a test of disks that go away", &[MKFS], true) {
        return;
    }
    for number in 0..if long() { 40 } else { 4 } {
        let home = Home::with_rules(RULES);
        let maildir = home.path().join("Maildir");
        let Some(image) = Image::make(home.path().join("image"), maildir.clone()) else { return };
        assert_eq!(home.deliver(&message(200)).code, Some(0));
        let message = message(number);
        let (start, rest) = message.split_at(message.len() / 2);
        let run = interrupted(&home, start, rest, || image.vanish());
        let image = Image { file: image.file.clone(), at: image.at.clone() };
        let Some(image) = image.mount() else { return };
        let there = found(&image.at, number);
        match run.code {
            // Or it is in the mount point's directory, and appears when the disk is unmounted.
            Some(0) => {
                image.vanish();
                let below = found(&maildir, number);
                assert!(there == places(number) || below == places(number), "{there:?} {below:?}");
            }
            Some(75) => {
                assert!(there.is_empty(), "{there:?}");
                let run = home.deliver(&message);
                assert_eq!(run.code, Some(0), "{run:?}");
                assert_eq!(found(&image.at, number), places(number));
            }
            _ => panic!("{run:?}"),
        }
    }
}

#[test]
fn a_quota_that_is_used_up_defers_and_leaves_nothing() {
    if skipped("a test of quotas", &[MKFS_BTRFS, "/bin/btrfs"], true) {
        return;
    }
    let home = Home::with_rules("when size > 1K -> copy \"A\", folder \"B\" as seen\n");
    let disk = home.path().join("disk");
    let image = home.path().join("image");
    let Some(_image) = Image::make_by(MKFS_BTRFS, 128, image, disk.clone()) else { return };
    let maildir = disk.join("Maildir");
    let btrfs = |arguments: &[&str], at: &Path| {
        let done = Command::new("/bin/btrfs").args(arguments).arg(at).output();
        done.is_ok_and(|output| output.status.success())
    };
    if !(btrfs(&["quota", "enable"], &disk) && btrfs(&["subvolume", "create"], &maildir)) {
        eprintln!("skipped: a test of quotas cannot set one");
        return;
    }
    assert!(btrfs(&["qgroup", "limit", "512K"], &maildir));
    let deliver =
        |message: &[u8]| home.run(&["--maildir", maildir.to_str().expect("a plain path")], message);
    let message = [&b"Subject: large\n\n"[..], &[b'x'; 150_000]].concat();
    let (mut stored, mut refused) = (0, 0);
    for _ in 0..5 {
        let run = deliver(&message);
        match run.code {
            Some(0) => stored += 1,
            _ => {
                assert_eq!(run.code, Some(75), "{run:?}");
                // RFC 3463: the mailbox is full.
                assert!(run.stderr.starts_with("4.2.2 "), "{run:?}");
                refused += 1;
            }
        }
        let mail = support::mail(&maildir);
        assert_eq!(mail.iter().filter(|mail| mail.bytes == message).count(), 2 * stored);
        assert_eq!((mail.len(), support::left_in_tmp(&maildir).len()), (2 * stored, 0));
    }
    assert!(stored > 0 && refused > 0, "{stored} {refused}");
    assert!(btrfs(&["qgroup", "limit", "none"], &maildir));
    assert_eq!(deliver(&message).code, Some(0));
}

/// Delivers, and does something when half of the message was read.
fn interrupted(home: &Home, start: &[u8], rest: &[u8], middle: impl FnOnce()) -> Run {
    let mut child = home
        .command(&[])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut stdin = child.stdin.take().expect("it was asked for");
    stdin.write_all(start).expect("half of it is read");
    std::thread::sleep(Duration::from_millis(30));
    middle();
    stdin.write_all(rest).expect("the rest is read");
    drop(stdin);
    let output = child.wait_with_output().expect("the program ends");
    Run {
        code: output.status.code(),
        signal: None,
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}
