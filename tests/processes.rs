//! Many processes at once, and processes that must not bounce mail.

#![allow(clippy::print_stderr, reason = "a skipped test says so")]

mod support;

use std::path::Path;
use std::process::{Command, Stdio};

use support::{Home, run};

const MESSAGE: &[u8] = b"From: a@b.example\nSubject: x\n\nhello\n";

#[test]
fn fifty_at_once_into_a_folder_that_is_not_there() {
    for settings in ["", "set layout fs\n"] {
        let home = Home::with_rules(&format!("{settings}otherwise -> folder \"A\" as seen\n"));
        let home = &home;
        std::thread::scope(|scope| {
            for _ in 0..50 {
                scope.spawn(move || {
                    let run = home.deliver(MESSAGE);
                    assert_eq!(run.code, Some(0), "{run:?}");
                });
            }
        });
        let mail = home.mail();
        assert_eq!(mail.len(), 50);
        for one in mail {
            assert_eq!((one.sub.as_str(), one.flags.as_str()), ("cur", "S"));
            assert_eq!(one.bytes, MESSAGE);
        }
    }
}

#[test]
fn what_is_wrong_with_the_machine_defers_with_one_line() {
    let home = Home::new();
    home.write("Maildir", "not a directory");
    for arguments in [&["--no-such-option"][..], &[]] {
        let run = home.run(arguments, MESSAGE);
        assert_eq!(run.code, Some(75), "{run:?}");
        assert_eq!(run.stdout, "");
        assert!(run.stderr.starts_with("4.") && run.stderr.lines().count() == 1, "{run:?}");
    }
}

/// Kept of many rules only those are read that a message meets: damage is
/// found where it is met, and mended by the next delivery.
#[test]
fn damage_in_kept_rules_costs_one_more_try_and_misfiles_nothing() {
    let rules = (0..2000).map(|n| format!("when subject is \"word{n}\" -> folder \"F{n}\"\n"));
    let home = Home::with_rules(&rules.collect::<String>());
    let message = |n: usize| format!("From: a@b.example\nSubject: word{n}\n\nhello\n");
    let deliver = |n: usize| home.deliver(message(n).as_bytes());
    assert_eq!(deliver(0).code, Some(0));
    let cache = home.path().join(".cache/mfilter");
    let kept = || std::fs::read_dir(&cache).unwrap().next().map(|entry| entry.unwrap().path());
    let file = kept().expect("the rules are kept");
    let mut bytes = std::fs::read(&file).unwrap();
    let most = bytes.len() / 4;
    bytes[most..].iter_mut().for_each(|byte| *byte ^= 0x55);
    std::fs::write(&file, bytes).unwrap();

    let run = deliver(1999);
    assert_eq!(run.code, Some(75), "{run:?}");
    assert!(run.stderr.contains("what was kept of the rules is damaged"), "{run:?}");
    assert_eq!(kept(), None);
    assert_eq!(deliver(1999).code, Some(0));
    assert!(kept().is_some());
    assert_eq!(deliver(7).code, Some(0));
    let mut folders: Vec<String> = home.mail().into_iter().map(|mail| mail.folder).collect();
    folders.sort();
    assert_eq!(folders, [".F0", ".F1999", ".F7"]);
}

#[test]
fn a_missing_home_defers() {
    let home = Home::new();
    let mut command = home.command(&[]);
    command.env("HOME", "/proc/no/such/home");
    let run = run(command, MESSAGE);
    assert_eq!(run.code, Some(75), "{run:?}");
    assert!(!Path::new("/proc/no").exists());
}

#[test]
fn a_full_pipe_to_the_mta_changes_nothing() {
    use rustix::fs::OFlags;
    let home = Home::with_rules("reject \"5.7.1 no\"\n");
    let (reader, writer) =
        rustix::pipe::pipe_with(rustix::pipe::PipeFlags::NONBLOCK).expect("a pipe");
    while rustix::io::write(&writer, &[0; 4096]).is_ok() {}
    assert!(rustix::fs::fcntl_getfl(&writer).expect("flags").contains(OFlags::NONBLOCK));
    let mut command = home.command(&[]);
    command.stdin(Stdio::null()).stdout(writer.try_clone().expect("a copy")).stderr(writer);
    let status = command.status().expect("the program runs");
    assert_eq!(status.code(), Some(77));
    drop(reader);
}

#[test]
fn a_limit_on_the_size_of_files_defers_and_kills_nothing() {
    let home = Home::new();
    let limited = |input: &[u8]| {
        let mut command = Command::new("bash");
        command.args(["-c", "ulimit -f 1; exec \"$0\"", support::MFILTER]);
        command.env_clear().env("HOME", home.path());
        run(command, input)
    };
    let long = limited(&[MESSAGE, &b"x".repeat(4096)[..]].concat());
    assert_eq!(long.code, Some(75), "{long:?}");
    assert!(long.stderr.starts_with("4.2.2 "), "{long:?}");
    assert_eq!(home.mail().len(), 0);

    // The log is full too, which must not cost the exit code.
    home.write(".local/state/mfilter/log", [b'x'; 1024]);
    let short = limited(MESSAGE);
    assert_eq!(short.code, Some(0), "{short:?}");
    assert_eq!(home.mail().len(), 1);
}

#[test]
fn root_does_not_take_a_users_mail() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: this needs root");
        return;
    }
    let home = Home::new();
    let run = home.run(&["-Y", "-a", "", "-d", "taro"], MESSAGE);
    assert_eq!(run.code, Some(75), "{run:?}");
    assert!(!home.path().join("Maildir").exists());
}
