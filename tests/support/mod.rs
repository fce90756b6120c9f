//! What tests of the whole program share: a home of their own, the program run as an MTA
//! runs it, and the Maildir read back without the program's help.

#![allow(dead_code, reason = "each test file uses its own part of it")]
#![allow(clippy::print_stderr, reason = "a skipped test says so")]

pub mod daemon;
pub mod dice;
pub mod dovecot;
pub mod golden;
pub mod imap;
pub mod imap_store;
pub mod lmtp_site;
pub mod lost_replies;
pub mod managesieve;
pub mod measured;
pub mod ports;
pub mod postfix;
pub mod printed;
pub mod random_mail;
pub mod smtp;
pub mod strace;

use std::fs;
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// The program under test.
pub const MFILTER: &str = env!("CARGO_BIN_EXE_mfilter");

/// A temporary home directory.
pub struct Home {
    directory: TempDir,
}

/// How a run of the program ended.
#[derive(Debug)]
pub struct Run {
    /// Exit code; none after a signal.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

/// A message in a Maildir.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    /// The folder's directory below the Maildir (`.A.B`, `A/B`), empty for the inbox.
    pub folder: String,
    /// `new` or `cur`.
    pub sub: String,
    /// The letters after `:2,`.
    pub flags: String,
    pub path: PathBuf,
    pub bytes: Vec<u8>,
}

impl Mail {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }
}

impl Home {
    /// An empty home.
    pub fn new() -> Home {
        Home { directory: tempfile::tempdir().expect("a temporary directory") }
    }

    /// A home with these rules.
    pub fn with_rules(rules: &str) -> Home {
        let home = Home::new();
        home.write(".mailrules", rules);
        home
    }

    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Writes a file and what is missing above it.
    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        write(&self.path().join(name), text);
    }

    /// The command to run the program with arguments, in this home and with an
    /// environment of its own.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(MFILTER);
        command
            .args(arguments)
            .env_clear()
            .env("HOME", self.path())
            .env("USER", "taro")
            .env("LOGNAME", "taro")
            .env("PATH", "/usr/bin:/bin")
            .env("TZ", "UTC")
            .current_dir("/");
        command
    }

    /// Runs the program with these arguments and standard input.
    pub fn run(&self, arguments: &[&str], input: &[u8]) -> Run {
        run(self.command(arguments), input)
    }

    /// Delivers a message.
    pub fn deliver(&self, message: &[u8]) -> Run {
        self.run(&[], message)
    }

    /// All mail in `Maildir`; fails the test if anything is left in a `tmp`.
    pub fn mail(&self) -> Vec<Mail> {
        let (found, left) = walk(&self.path().join("Maildir"));
        assert_eq!(left, Vec::<PathBuf>::new(), "left in tmp");
        found
    }
}

impl Run {
    /// How a program ended, and its output.
    pub fn of(output: &Output) -> Run {
        Run {
            code: output.status.code(),
            signal: output.status.signal(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

/// Runs a command with this standard input.
pub fn run(mut command: Command, input: &[u8]) -> Run {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut stdin = child.stdin.take().expect("it was asked for");
    let input = input.to_vec();
    // In a thread of its own, so that a program that writes before it reads cannot block
    // us; it is not an error if it does not read to the end.
    let writer = std::thread::spawn(move || {
        let _ = stdin.write_all(&input);
    });
    let output = child.wait_with_output().expect("the program ends");
    writer.join().expect("the writer ends");
    Run::of(&output)
}

/// Copies the program into a directory where users can run it who cannot reach the tests.
/// Another process does this: a thread that starts a process while we write would keep
/// the file open, and a file open for writing cannot be run.
pub fn program_in(directory: &Path) -> PathBuf {
    let program = directory.join("mfilter");
    let copied = Command::new("install").args(["-m", "755", MFILTER]).arg(&program).status();
    assert!(copied.expect("install runs").success());
    program
}

/// Writes a file and what is missing above it.
pub fn write(path: &Path, text: impl AsRef<[u8]>) {
    fs::create_dir_all(path.parent().expect("a file in a directory")).expect("made");
    fs::write(path, text).expect("written");
}

/// All mail in a Maildir and its folders of either layout, sorted by folder,
/// `new` and `cur`, name.
pub fn mail(maildir: &Path) -> Vec<Mail> {
    walk(maildir).0
}

/// What deliveries have left in any `tmp` of a Maildir.
pub fn left_in_tmp(maildir: &Path) -> Vec<PathBuf> {
    walk(maildir).1
}

fn walk(maildir: &Path) -> (Vec<Mail>, Vec<PathBuf>) {
    let (mut found, mut left) = (Vec::new(), Vec::new());
    let mut folders = vec![maildir.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in entries(&folder).into_iter().filter(|entry| entry.is_dir()) {
            let sub = entry.file_name().unwrap_or_default().to_string_lossy().into_owned();
            match sub.as_str() {
                "tmp" => left.extend(entries(&entry)),
                "new" | "cur" => found.extend(
                    entries(&entry).into_iter().map(|path| one(maildir, &folder, &sub, path)),
                ),
                _ => folders.push(entry),
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    (found, left)
}

fn one(maildir: &Path, folder: &Path, sub: &str, path: PathBuf) -> Mail {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let folder = folder.strip_prefix(maildir).unwrap_or(folder);
    Mail {
        folder: folder.to_string_lossy().into_owned(),
        sub: sub.to_string(),
        flags: name.split_once(":2,").map(|(_, flags)| flags.to_string()).unwrap_or_default(),
        bytes: fs::read(&path).expect("a readable message"),
        path,
    }
}

fn entries(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    entries.map(|entry| entry.expect("a readable directory").path()).collect()
}

/// Asks until there is an answer; fails the test after two minutes. rspamd's first start
/// takes half a minute if it has nothing compiled yet.
pub fn wait_for<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(start.elapsed() < Duration::from_secs(120), "waited too long for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Whether the long form of the tests is wanted.
pub fn long() -> bool {
    std::env::var_os("MFILTER_LONG").is_some()
}

/// Does work for each item on two threads, and gathers the complaints.
pub fn for_each<T: Sync>(items: &[T], work: impl Fn(&T) -> Vec<String> + Sync) -> Vec<String> {
    let next = AtomicUsize::new(0);
    let complaints = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let found = work(item);
                    complaints.lock().expect("no panic holds it").extend(found);
                }
            });
        }
    });
    complaints.into_inner().expect("no panic holds it")
}

/// True if the test cannot run here, which is printed: it needs these programs, and root
/// if `root`.
pub fn skipped(test: &str, programs: &[&str], root: bool) -> bool {
    for program in programs {
        if !Path::new(program).exists() {
            eprintln!("skipped: {test} needs {program}");
            return true;
        }
    }
    if root && !rustix::process::geteuid().is_root() {
        eprintln!("skipped: {test} needs root");
        return true;
    }
    false
}
