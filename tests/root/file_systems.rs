//! Network and foreign file systems, imitated by a loopback one in user space
//! (`odd_fs.py`): errors at close(2), missing links, short names, lost replies.

#![allow(clippy::print_stderr, reason = "a skipped test says so")]

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::support::{Home, Run, left_in_tmp, mail, skipped, wait_for};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/root/odd_fs.py");
const MESSAGE: &[u8] = b"From: a@b.example\nSubject: hello\nMessage-ID: <1@b.example>\n\nbody\n";
/// A name longer than eCryptfs accepts.
const LONG: &str = "a-hundred-and-sixty-characters-that-no-encrypted-file-system-takes-\
                    but-all-others-do-a-hundred-and-sixty-characters-and-still-some-more-of-them";

/// `~/Maildir` on such a file system.
struct Odd {
    home: Home,
    server: Child,
}

impl Odd {
    fn mount(oddities: &[&str]) -> Odd {
        let home = Home::with_rules(&format!(
            "copy \"A\" as seen\nwhen subject is \"long\" -> folder \"{LONG}\"\nfolder \"B\"\n"
        ));
        let (root, mount) = (home.path().join("root"), home.path().join("Maildir"));
        fs::create_dir(&root).expect("made");
        fs::create_dir(&mount).expect("made");
        let server = Command::new(python().expect("looked for before"))
            .arg(SCRIPT)
            .args([&root, &mount])
            .args(oddities)
            .stdout(Stdio::null())
            .spawn()
            .expect("python starts");
        let device = |path: &Path| fs::metadata(path).map(|about| about.dev()).ok();
        wait_for("the file system", || (device(&mount)? != device(home.path())?).then_some(()));
        Odd { home, server }
    }

    fn deliver(&self) -> Run {
        self.home.deliver(MESSAGE)
    }

    /// What is really stored in it.
    fn root(&self) -> PathBuf {
        self.home.path().join("root")
    }

    /// Folder, directory and flags of each message, all of them whole.
    fn stored(&self) -> Vec<String> {
        let whole = |mail: &crate::support::Mail| mail.bytes.ends_with(b"\n\nbody\n");
        let mail = mail(&self.root());
        assert!(mail.iter().all(whole), "a partial message");
        assert_eq!(left_in_tmp(&self.root()), Vec::<PathBuf>::new(), "left in tmp");
        mail.iter().map(|mail| format!("{}/{}:{}", mail.folder, mail.sub, mail.flags)).collect()
    }

    fn log(&self) -> String {
        let log = self.home.path().join(".local/state/mfilter/log");
        fs::read_to_string(log).unwrap_or_default()
    }
}

impl Drop for Odd {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.home.path().join("Maildir")).status();
        let _ = self.server.wait();
    }
}

/// A Python with FUSE.
fn python() -> Option<&'static str> {
    ["python3", "/usr/bin/python3"].into_iter().find(|python| {
        let known = "try: import fuse\nexcept ImportError: import fusepy";
        let run = Command::new(python).args(["-c", known]).stderr(Stdio::null()).status();
        run.is_ok_and(|status| status.success())
    })
}

fn cannot_mount(test: &str) -> bool {
    if skipped(test, &["/dev/fuse", "/bin/umount"], true) {
        return true;
    }
    if python().is_none() {
        eprintln!("skipped: {test} needs fusepy for python3");
        return true;
    }
    false
}

const BOTH: [&str; 2] = [".A/cur:S", ".B/new:"];

#[test]
fn an_error_at_close_defers_and_leaves_nothing() {
    if cannot_mount("errors at close") {
        return;
    }
    for (oddity, status) in [
        ("flush=EIO", "4.3.0"),
        ("flush=EDQUOT", "4.2.2"),
        ("lazy=ENOSPC", "4.3.1"),
        ("lazy=EDQUOT", "4.2.2"),
    ] {
        let odd = Odd::mount(&[oddity]);
        let run = odd.deliver();
        assert_eq!(run.code, Some(75), "{oddity}: {run:?}");
        assert!(run.stderr.starts_with(&format!("{status} cannot close the message")), "{run:?}");
        assert_eq!(odd.stored(), [""; 0], "{oddity}");
    }
}

#[test]
fn a_rename_serves_where_there_are_no_links() {
    if cannot_mount("file systems without links") {
        return;
    }
    for error in ["EXDEV", "EACCES", "EIO", "EINVAL", "EPERM", "EMLINK", "ENOSYS", "ENOTSUP"] {
        let odd = Odd::mount(&[&format!("link={error}")]);
        let run = odd.deliver();
        assert_eq!(run.code, Some(0), "{error}: {run:?}");
        assert_eq!(odd.stored(), BOTH, "{error}");
    }
}

#[test]
fn a_call_whose_reply_was_lost_is_done() {
    if cannot_mount("replies that were lost") {
        return;
    }
    for oddities in
        [&["link=EEXIST:after"][..], &["link=EIO:after"], &["link=EPERM", "rename=ENOENT:after"]]
    {
        let odd = Odd::mount(oddities);
        let run = odd.deliver();
        assert_eq!(run.code, Some(0), "{oddities:?}: {run:?}");
        assert_eq!(odd.stored(), BOTH, "{oddities:?}");
    }
    // It is not certain that it was stored: removed again, for the retry.
    let odd = Odd::mount(&["link=EPERM", "rename=EIO:after"]);
    let run = odd.deliver();
    assert_eq!(run.code, Some(75), "{run:?}");
    assert_eq!(odd.stored(), [""; 0]);
}

#[test]
fn a_directory_that_cannot_be_synced_is_delivered_to() {
    if cannot_mount("directories without fsync") {
        return;
    }
    for error in ["EBADF", "EACCES", "EINVAL", "ENOTSUP"] {
        let odd = Odd::mount(&[&format!("fsyncdir={error}")]);
        let run = odd.deliver();
        assert_eq!(run.code, Some(0), "{error}: {run:?}");
        assert_eq!(odd.stored(), BOTH, "{error}");
    }
    let odd = Odd::mount(&["fsyncdir=EIO"]);
    let run = odd.deliver();
    assert_eq!(run.code, Some(75), "{run:?}");
    assert_eq!(odd.stored(), [""; 0]);
}

#[test]
fn a_name_that_the_file_system_does_not_accept_is_not_a_failure() {
    if cannot_mount("short names and names without colons") {
        return;
    }
    let odd = Odd::mount(&["name-max=143"]);
    let run =
        odd.home.deliver(&String::from_utf8_lossy(MESSAGE).replace("hello", "long").into_bytes());
    assert_eq!(run.code, Some(0), "{run:?}");
    assert_eq!(odd.stored(), [".A/cur:S", "/new:"]);
    assert!(odd.log().contains("delivered folder=\"INBOX\""), "{}", odd.log());
    assert!(odd.log().contains("is too long, so the inbox"), "{}", odd.log());

    let odd = Odd::mount(&["no-colon=1"]);
    let run = odd.deliver();
    assert_eq!(run.code, Some(0), "{run:?}");
    assert_eq!(odd.stored(), [".A/new:", ".B/new:"]);
    assert!(odd.log().contains("A: this file system allows no colons"), "{}", odd.log());
    // An existing message is moved all the same, and flagged where others have written
    // flags after a delimiter of theirs.
    odd.home.write(".mailrules", "when subject is \"hello\" -> folder \"C\" as seen\n");
    let sort = |folder: &str, told: &str| {
        let run = odd.home.run(&["sort", folder], b"");
        assert_eq!(run.code, Some(0), "{run:?}");
        assert!(format!("{}{}", run.stdout, run.stderr).contains(told), "{run:?}");
    };
    sort("B", "no colons in names, so the message has no flags");
    assert_eq!(odd.stored(), [".A/new:", ".C/new:"]);
    sort("C", "the flags cannot be kept");
    assert_eq!(odd.stored(), [".A/new:", ".C/new:"]);
    let other = String::from_utf8_lossy(MESSAGE).replace("hello", "other");
    fs::write(odd.root().join(".C/cur/9.other;2,F"), other).expect("written");
    sort("C", "flagged in place");
    assert_eq!(odd.deliver().code, Some(0));
    assert_eq!(left_in_tmp(&odd.root()), Vec::<PathBuf>::new(), "left in tmp");
    let names = mail(&odd.root()).into_iter().map(|mail| mail.path.display().to_string());
    let names: Vec<String> = names.collect();
    let flagged = names.iter().filter(|name| name.contains("/.C/cur/") && name.ends_with(";2,S"));
    assert_eq!((names.len(), flagged.count()), (4, 2), "{names:?}");
}

#[test]
fn a_folder_that_only_its_case_tells_from_the_maildirs_own_is_not_used() {
    if cannot_mount("file systems that ignore case") {
        return;
    }
    let odd = Odd::mount(&["ignore-case=1"]);
    odd.home.write(
        ".mailrules",
        "set layout fs\nwhen subject is \"hello\" -> folder \"New\"\n\
         when subject is \"below\" -> folder \"Work/TMP\"\nwhen subject is \"work\" -> folder \"Work\"\n",
    );
    for subject in ["x", "work", "hello", "below"] {
        let run = odd.home.deliver(format!("Subject: {subject}\n\n\nbody\n").as_bytes());
        assert_eq!(run.code, Some(0), "{subject}: {run:?}");
    }
    assert_eq!(odd.stored(), ["Work/new:", "/new:", "/new:", "/new:"]);
    assert_eq!(odd.log().matches("is a directory of the Maildir itself").count(), 2);
}

/// A message that is moved to another file system is never in neither of them.
#[test]
fn a_message_is_not_lost_with_the_reply_to_its_removal() {
    if cannot_mount("removals whose reply was lost") {
        return;
    }
    for (oddity, code, far_count, near_count) in
        [("unlink=ENOENT:after", 0, 0, 1), ("unlink=EIO:after", 0, 0, 1), ("unlink=EIO", 1, 1, 0)]
    {
        let odd = Odd::mount(&[oddity]);
        odd.home.write(
            ".mailrules",
            "set maildir \"~/near\"\nwhen subject is \"near\" -> folder \"Near\"\n",
        );
        odd.home.write("root/cur/1.a:2,S", "Subject: near\n\nbody\n");
        for directory in ["near/cur", "near/new", "near/tmp", "root/new", "root/tmp"] {
            fs::create_dir_all(odd.home.path().join(directory)).expect("made");
        }
        let far = odd.home.path().join("near/.Far");
        std::os::unix::fs::symlink("../Maildir", far).expect("a link");
        let run = odd.home.run(&["sort", "Far"], b"");
        let counts = [odd.root().join("cur"), odd.home.path().join("near/.Near/cur")]
            .map(|path| fs::read_dir(path).expect("there").count());
        assert_eq!((run.code, counts), (Some(code), [far_count, near_count]), "{oddity}: {run:?}");
    }
}
