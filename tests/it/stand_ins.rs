//! Anything in place of a file that mfilter opens: a FIFO, a device, a directory, a
//! socket, a link. Nothing waits, nothing panics, and no message is lost. strace finds the
//! files, in a delivery and in each command with rules that ask for everything.

#![allow(clippy::print_stderr, reason = "a skipped test says so")]

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::fs::{CWD, FileType, Mode, mknodat};

use crate::support::strace::{STRACE, call, cannot_trace, described, quoted};
use crate::support::{Home, MFILTER, Run, for_each, run};

const MESSAGE: &[u8] = b"Return-Path: <hanako@x.example>\nMessage-ID: <1@x.example>\n\
    From: hanako@x.example\nTo: taro@b.example\nSubject: hello\n\nbody\n";

/// Asks for every kind of file.
const RULES: &str = "include \"~/more\"\n\
    set layout fs\nset sendmail \"/bin/true\"\nset me \"taro@b.example\"\n\
    set timezone \"Asia/Tokyo\"\nset log \"~/log\"\n\
    list friends \"~/friends\"\nlist white \"~/white\"\nlist known sent \"Sent\"\nlist cards vcard \"~/cards.vcf\"\n\
    expect \"~/message\" in \"A\"\n\
    on moved to \"Junk\" -> add from to white\n\
    when from in friends -> copy \"B\" as \"$work\"\n\
    when from in known -> copy \"C\"\n\
    when from in cards or pretender -> copy \"E\"\n\
    when time >= 00:00 -> copy \"D\"\n\
    when duplicate -> log \"again\"\n\
    when subject is \"hello\" -> add from to white, reply \"~/away\", forward copy \"a@x.example\", folder \"A\"\n";

/// What is run, with a message on standard input.
const COMMANDS: [&[&str]; 13] = [
    &[],
    &["judge"],
    &["check"],
    &["--test"],
    &["inspect", "HOME/message"],
    &["fmt", "--check"],
    &["stats"],
    &["state"],
    &["why", "<1@x.example>"],
    &["sort", "--dry-run", "--all"],
    &["sort", "--undo"],
    &["learn"],
    &["learn", "--undo"],
];

fn home() -> Home {
    let home = Home::with_rules(RULES);
    home.write("more", "# more\n");
    home.write("friends", "hanako@x.example\n");
    home.write("white", "a@x.example\n");
    home.write("away", "I am away.\n");
    home.write("cards.vcf", "BEGIN:VCARD\nEMAIL:hanako@x.example\nEND:VCARD\n");
    home.write("message", MESSAGE);
    home.write("Maildir/Sent/cur/1.x:2,S", "To: hanako@x.example\n\nx\n");
    home.write("Maildir/cur/2.x:2,S", MESSAGE);
    home
}

fn arguments(home: &Home, words: &[&str]) -> Vec<String> {
    let path = home.path().display().to_string();
    words.iter().map(|word| word.replace("HOME", &path)).collect()
}

/// The files that a command opens below the home, relative to it.
fn opened(home: &Home, words: &[&str]) -> BTreeSet<PathBuf> {
    let log = home.path().join("strace");
    let mut command = Command::new(STRACE);
    command.args(["-f", "-y", "-s", "400", "-e", "trace=open,openat,openat2", "-o"]);
    command.arg(&log).arg(MFILTER).args(arguments(home, words));
    command.env_clear().env("HOME", home.path()).env("USER", "taro").env("PATH", "/usr/bin:/bin");
    run(command, MESSAGE);
    let log = fs::read_to_string(log).expect("strace's log");
    let paths = log.lines().filter_map(|line| {
        call(line)?;
        let path = match quoted(line, 0) {
            path if path.starts_with('/') => PathBuf::from(path),
            path => Path::new(&described(line, 0)).join(path),
        };
        Some(path.strip_prefix(home.path()).ok()?.to_owned())
    });
    // Nobody can occupy names that are newly chosen each time.
    let fresh = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        path.parent().is_some_and(|parent| parent.ends_with("tmp"))
            || name.starts_with(".new-")
            || name.starts_with(".mfilter-")
            || name.starts_with(".tmp")
    };
    let kept: BTreeSet<PathBuf> = paths.filter(|path| !fresh(path)).collect();
    kept.into_iter().filter(|path| !home.path().join(path).is_dir()).collect()
}

/// Puts something else in place of a file.
fn put(kind: &str, at: &Path, home: &Home) -> Option<UnixListener> {
    let _ = fs::remove_file(at);
    fs::create_dir_all(at.parent().expect("below the home")).expect("a directory");
    match kind {
        "fifo" => {
            mknodat(CWD, at, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).expect("a FIFO");
        }
        // Reading it never ends.
        "device" => symlink("/dev/zero", at).expect("a link"),
        "directory" => fs::create_dir(at).expect("a directory"),
        "link" => symlink(home.path().join("elsewhere"), at).expect("a link"),
        "socket" => {
            // A socket's path may be 108 bytes long.
            let short = home.path().join("s");
            let _ = fs::remove_file(&short);
            let socket = UnixListener::bind(&short).expect("a socket");
            fs::rename(&short, at).expect("the same file system");
            return Some(socket);
        }
        other => panic!("{other}"),
    }
    None
}

/// Runs a command; it is killed, and an error returned, if it does not end.
fn ends(home: &Home, words: &[&str]) -> Result<Run, String> {
    // A process that waits would wait for ever, so a generous limit is enough.
    let mut command = Command::new("/usr/bin/timeout");
    command.args(["--signal=KILL", "30", MFILTER]).args(arguments(home, words));
    command.env_clear().env("HOME", home.path()).env("USER", "taro").env("PATH", "/usr/bin:/bin");
    command.env("TZ", "UTC").current_dir("/");
    match run(command, MESSAGE) {
        Run { signal: Some(9), .. } | Run { code: Some(137), .. } => Err("makes it wait".into()),
        run => Ok(run),
    }
}

#[test]
fn nothing_in_place_of_a_file_blocks_a_delivery_or_a_command() {
    if cannot_trace("what stands in for files") {
        return;
    }
    let tried = AtomicUsize::new(0);
    let wrong = for_each(&COMMANDS, |words| {
        let home = used();
        let files = opened(&home, words);
        assert!(!files.is_empty(), "{words:?}");
        // A message that a user names may be a FIFO: `mfilter inspect <(…)`.
        let is_named =
            |file: &Path| words.iter().any(|word| word.ends_with(&format!("/{}", file.display())));
        for file in files.iter().filter(|file| !is_named(file)) {
            for kind in ["fifo", "device", "directory", "socket", "link"] {
                let what = format!("{words:?}: a {kind} in place of {}", file.display());
                if let Err(why) = with_stand_in(&home, words, file, kind) {
                    return vec![format!("{what} {why}")];
                }
                tried.fetch_add(1, Ordering::Relaxed);
            }
        }
        Vec::new()
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let tried = tried.into_inner();
    assert!(tried > 150, "{tried} things tried");
}

/// A home after some use: every file that mfilter keeps exists.
fn used() -> Home {
    let home = home();
    for words in COMMANDS {
        let run = ends(&home, words).expect("nothing to wait for");
        assert!(run.signal.is_none() && run.code != Some(101), "{words:?}: {run:?}");
    }
    home
}

/// Runs a command with something else in place of a file, which is put back.
fn with_stand_in(home: &Home, words: &[&str], file: &Path, kind: &str) -> Result<(), String> {
    let at = home.path().join(file);
    let before = fs::read(&at).ok();
    let socket = put(kind, &at, home);
    let run = ends(home, words)?;
    drop(socket);
    if fs::remove_file(&at).is_err() {
        let _ = fs::remove_dir_all(&at);
    }
    if let Some(before) = before {
        home.write(&file.display().to_string(), before);
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        fs::set_permissions(&at, mode).expect("it is ours");
    }
    let ends_well = run.signal.is_none() && run.code != Some(101);
    let delivers = !words.is_empty() || matches!(run.code, Some(0 | 75));
    if ends_well && delivers { Ok(()) } else { Err(format!("ends so: {run:?}")) }
}

#[test]
fn a_fifo_that_tz_names_is_not_waited_at() {
    let home = Home::with_rules("when time >= 00:00 -> folder \"A\"\n");
    put("fifo", &home.path().join("fifo"), &home);
    for tz in ["fifo", ":fifo"] {
        let mut command = home.command(&[]);
        let (colon, name) = tz.split_at(tz.len() - 4);
        let path = format!("{colon}{}", home.path().join(name).display());
        command.env("TZ", path).stdin(Stdio::piped()).stderr(Stdio::piped());
        let run = run(command, MESSAGE);
        assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""));
    }
    assert_eq!(home.mail().len(), 2);
}
