//! Many processes at once, and processes that must not bounce mail.

#![allow(clippy::print_stderr, reason = "a skipped test says so")]

use std::path::Path;
use std::process::Command;

use crate::support;
use crate::support::{Home, run};

const MESSAGE: &[u8] = b"From: a@b.example\nSubject: x\n\nhello\n";

#[test]
fn fifty_deliveries_at_once_to_a_new_folder() {
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
    let run = home.run(&["chek"], MESSAGE);
    assert_eq!(run.code, Some(75), "{run:?}");
    let meant = "there is no command `chek`; did you mean `mfilter check`?";
    assert!(run.stderr.contains(meant), "{run:?}");
}

/// Of many rules a message reads only those that it needs, so damage is found in the
/// middle of a delivery: it then uses the rules themselves.
#[test]
fn damage_in_kept_rules_changes_nothing() {
    let rules = (0..2000)
        .map(|n| format!("when subject is \"word{n}\" -> add from to list{n}, folder \"F{n}\"\n"));
    let lists = (0..2000).map(|n| format!("list list{n} \"list{n}\"\n"));
    let rules = lists.collect::<String>() + &rules.collect::<String>();
    let home = Home::new();
    let ran = home.path().join("ran");
    let filter = format!("filter \"sh\" \"-c\" \"touch '{}'; cat\"\n", ran.display());
    home.write(".mailrules", rules + &filter);
    let message = |n: usize| format!("From: a@b.example\nSubject: word{n}\n\nhello\n");
    let deliver = |n: usize| home.deliver(message(n).as_bytes());
    assert_eq!(deliver(0).code, Some(0));
    let cache = home.path().join(".cache/mfilter");
    let file = std::fs::read_dir(&cache).unwrap().next().unwrap().unwrap().path();
    let whole = std::fs::read(&file).unwrap();
    assert!(whole.len() > 256 << 10, "{}", whole.len());
    // All blocks, then a few of them here and there.
    let part = whole.len() / 16;
    for (n, from) in (4..16).map(|part_number| (part_number, part_number * part)) {
        let until = if n == 4 { whole.len() } else { from + part };
        let mut damaged = whole.clone();
        damaged[from..until].iter_mut().for_each(|byte| *byte ^= 0x55);
        for n in [n, 1999 - n] {
            std::fs::write(&file, &damaged).unwrap();
            let run = deliver(n);
            assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""));
            assert_eq!(
                home.mail().iter().filter(|mail| mail.folder == format!(".F{n}")).count(),
                1
            );
            let list = std::fs::read_to_string(home.path().join(format!("list{n}"))).unwrap();
            assert!(list.contains("a@b.example"), "{list}");
        }
        if n == 4 {
            assert_eq!(std::fs::read(&file).unwrap(), whole, "kept anew");
        }
    }
    assert!(!ran.exists(), "no message came to the filter");
    assert_eq!(home.deliver(MESSAGE).code, Some(0));
    assert!(ran.exists());
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
    home.write("message", "From: a@b.example\n\nhello\n");
    let message = std::fs::File::open(home.path().join("message")).expect("readable");
    command.stdin(message).stdout(writer.try_clone().expect("a copy")).stderr(writer);
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
