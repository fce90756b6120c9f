//! What senders write into headers, and what other users of the machine put where a
//! delivery looks: nothing leaves the Maildir, and nothing is waited for.

#![allow(clippy::print_stderr, reason = "a skipped test says so")]

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, lchown, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::support::{Home, MFILTER, Run, mail, run, skipped};
use data_encoding::BASE64;

const NASTY: &[&str] = &[
    "..",
    ".",
    "../../etc/cron.d/x",
    "/etc/passwd",
    "a/../../../b",
    "~root",
    "~",
    "&AC8-&AC4-&AC4-&AC8-",
    "new",
    "cur",
    "tmp",
    "dovecot-uidlist",
    "dovecot.index.log",
    "subscriptions",
    "maildirfolder",
    "-rf",
    "a\nX-Injected: yes\n\nbody",
    "a\r\nX-Injected: yes",
    "nul\0nul",
    "\u{1b}]0;title\u{7}\u{1b}[2J",
    "\u{9b}2J",
    "\u{202e}gpj.exe\u{2066}",
    "line\u{2028}line\u{85}line",
    "\u{feff}",
    " ",
    "{from}{{",
    "$(touch x)`touch x`;touch x|touch x",
    "ＡＢＣ／．．／",
    "\u{2024}\u{2024}\u{2215}x",
];

fn subject(text: &str) -> Vec<u8> {
    let word = BASE64.encode(text.as_bytes());
    format!("From: a@b.example\nSubject: =?utf-8?B?{word}?=\n\nhello\n").into_bytes()
}

/// Every path below a directory.
fn tree(directory: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    let mut left = vec![directory.to_path_buf()];
    while let Some(directory) = left.pop() {
        for entry in fs::read_dir(&directory).into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                left.push(entry.path());
            }
            all.push(entry.path());
        }
    }
    all.sort();
    all
}

#[test]
fn no_header_leads_out_of_the_maildir() {
    for settings in ["", "set layout fs\n", "set folder-names utf8\n"] {
        for rule in
            ["folder \"{subject}\"", "folder \"A/{subject}/B\"", "folder \"{subject}\" as \"$x\""]
        {
            let home = Home::with_rules(&format!("{settings}otherwise -> {rule}\n"));
            home.write(".local/state/mfilter/log", "");
            for text in NASTY {
                let run = home.deliver(&subject(text));
                assert_eq!(run.code, Some(0), "{text:?}: {run:?}");
            }
            let root = home.path().join("Maildir");
            let maildir = root.to_string_lossy().into_owned();
            let mut folders = Vec::new();
            for path in tree(home.path()) {
                let shown = path.to_string_lossy().into_owned();
                let inside = shown.strip_prefix(&maildir).unwrap_or_default();
                assert!(
                    shown.starts_with(&maildir)
                        || [".mailrules", ".local", ".cache"]
                            .iter()
                            .any(|ours| shown.contains(&format!("/{ours}"))),
                    "{shown}"
                );
                assert!(!inside.contains(char::is_control), "{inside:?}");
                assert!(!inside.contains(['\u{202e}', '\u{2028}', '\u{2066}']), "{inside:?}");
                if path.is_dir() && path.join("new").is_dir() {
                    folders.push(inside.to_owned());
                }
            }
            for taken in [
                "/new",
                "/cur",
                "/tmp",
                "/dovecot-uidlist",
                "/dovecot.index.log",
                "/subscriptions",
                "/maildirfolder",
            ] {
                assert!(
                    !folders.iter().any(|folder| folder == taken),
                    "{settings}{rule}: {folders:?}"
                );
            }
            assert_eq!(home.mail().len(), NASTY.len());
        }
    }
}

#[test]
fn no_header_becomes_another_header_a_log_line_an_option_or_an_escape() {
    let home = Home::new();
    let program = home.path().join("words");
    home.write(
        "words",
        "#!/bin/sh\nfor word; do printf '%s\\0' \"$word\" >> \"$HOME/got\"; done\n",
    );
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("made executable");
    home.write(
        ".mailrules",
        format!(
            "set-header \"X-Copy\" \"{{subject}}\"\nlog \"{{subject}}\"\nrun \"{}\" \"{{subject}}\"\ninbox\n",
            program.display()
        ),
    );
    for text in NASTY {
        let run = home.deliver(&subject(text));
        assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""), "{text:?}");
        let test = home.run(&["--test"], &subject(text));
        let output = test.stdout + &test.stderr;
        assert!(!output.contains(|c: char| c.is_control() && c != '\n'), "{output:?}");
        assert!(!output.contains(['\u{202e}', '\u{2066}']), "{output:?}");
    }
    for mail in home.mail() {
        let text = mail.text();
        let (head, _) = text.split_once("\n\n").expect("a header block");
        assert!(head.lines().all(|line| !line.starts_with("X-Injected")), "{head}");
        assert!(text.ends_with("\n\nhello\n"), "{text:?}");
    }
    let log = fs::read_to_string(home.path().join(".local/state/mfilter/log")).expect("a log");
    for line in log.lines() {
        let word = line.split(' ').nth(1).unwrap_or_default();
        assert!(["log", "ran", "delivered", "note", "run"].contains(&word), "{line:?}");
        assert!(!line.contains(char::is_control), "{line:?}");
    }
    let got = fs::read(home.path().join("got")).expect("the words");
    let words: Vec<&[u8]> = got.split(|byte| *byte == 0).collect();
    assert!(!words.iter().any(|word| word.starts_with(b"-")), "an option");
    assert!(!tree(home.path()).iter().any(|path| path.ends_with("x")), "a shell");

    home.write(".mailrules", "reject \"5.7.1 {subject}\"\n");
    for text in NASTY {
        let run = home.deliver(&subject(text));
        assert_eq!((run.code, run.stderr.lines().count()), (Some(77), 1), "{run:?}");
        assert!(run.stderr.starts_with("5.7.1 "), "{run:?}");
        assert!(!run.stderr.trim_end().contains(char::is_control), "{run:?}");
    }
}

#[test]
fn an_attachments_name_is_seen_through() {
    let home = Home::with_rules("when attachment.name ends \".exe\" -> folder \"Exe\"\n");
    for name in [
        "a.exe",
        "A.EXE",
        "a.txt\u{202e}fdp.exe",
        "ａ．ｅｘｅ",
        "a\u{200b}.e\u{200d}xe",
        "a.ex\u{ad}e",
    ] {
        let word = BASE64.encode(name.as_bytes());
        let message = format!(
            "From: a@b.example\nContent-Type: application/octet-stream;\n name=\"=?utf-8?B?{word}?=\"\n\nx\n"
        );
        let before = mail(&home.path().join("Maildir/.Exe")).len();
        assert_eq!(home.deliver(message.as_bytes()).code, Some(0));
        assert_eq!(mail(&home.path().join("Maildir/.Exe")).len(), before + 1, "{name:?}");
    }
}

const MESSAGE: &[u8] = b"From: a@b.example\nSubject: x\n\nhello\n";

/// Delivers, and fails if the delivery does not end.
fn soon(home: &Home) -> Run {
    let plain = home.command(&[]);
    let mut bounded = Command::new("/usr/bin/timeout");
    bounded.arg("120").arg(plain.get_program()).env_clear().current_dir("/");
    bounded.envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let run = run(bounded, MESSAGE);
    assert_ne!(run.code, Some(124), "it waits for ever");
    run
}

fn fifo(path: &Path) {
    let made = Command::new("mkfifo").arg(path).status();
    assert!(made.is_ok_and(|status| status.success()));
}

/// Rules, an include or a list that is not a plain file of the user.
fn plant(what: &str, path: &Path) {
    let _ = fs::remove_file(path);
    match what {
        "fifo" => fifo(path),
        "directory" => fs::create_dir(path).expect("made"),
        "endless device" => symlink("/dev/zero", path).expect("made"),
        "terminal" => symlink("/dev/tty", path).expect("made"),
        "link to itself" => symlink(path, path).expect("made"),
        "dangling link" => symlink("/nonexistent", path).expect("made"),
        "huge" => fs::File::create(path).and_then(|f| f.set_len(1 << 40)).expect("made"),
        "writable by others" => {
            fs::write(path, "discard\n").expect("made");
            fs::set_permissions(path, fs::Permissions::from_mode(0o666)).expect("made");
        }
        _ => panic!("{what}"),
    }
}

const PLANTED: &[&str] = &[
    "fifo",
    "directory",
    "endless device",
    "terminal",
    "link to itself",
    "dangling link",
    "huge",
    "writable by others",
];

#[test]
fn rules_that_are_not_a_plain_file_of_the_users_are_not_used() {
    for what in PLANTED {
        for include in [false, true] {
            let home = Home::with_rules("include \"more\"\ndiscard\n");
            let name = if include { "more" } else { ".mailrules" };
            plant(what, &home.path().join(name));
            let run = soon(&home);
            assert_eq!(run.code, Some(0), "{what}: {run:?}");
            let stored = home.mail().iter().filter(|mail| mail.bytes == MESSAGE).count();
            assert_eq!(stored, 1, "{what}");
        }
    }
}

#[test]
fn a_list_that_is_not_a_plain_file_makes_no_rule_fire() {
    for what in PLANTED.iter().filter(|what| **what != "writable by others") {
        let rules =
            "list bad \"~/bad\"\nwhen from in bad -> discard\nwhen not from in bad -> discard\n";
        let home = Home::with_rules(rules);
        plant(what, &home.path().join("bad"));
        let run = soon(&home);
        assert_eq!((run.code, home.mail().len()), (Some(0), 1), "{what}: {run:?}");
    }
}

#[test]
fn what_is_planted_in_place_of_state_and_cache_costs_no_mail() {
    for what in PLANTED {
        for place in [
            ".cache",
            ".cache/mfilter",
            ".local",
            ".local/state/mfilter",
            ".local/state/mfilter/log",
            ".local/state/mfilter/told",
        ] {
            let home = Home::with_rules("when duplicate -> discard\notherwise -> folder \"A\"\n");
            let path = home.path().join(place);
            fs::create_dir_all(path.parent().expect("a parent")).expect("made");
            plant(what, &path);
            let run = soon(&home);
            assert_eq!((run.code, home.mail().len()), (Some(0), 1), "{what} for {place}: {run:?}");
            // The file of a state directory that is one.
            if what == &"directory" {
                assert_eq!(soon(&home).code, Some(0));
            }
        }
    }
}

#[test]
fn a_file_in_place_of_a_folder_defers() {
    for what in PLANTED {
        let home = Home::with_rules("otherwise -> folder \"A\"\n");
        fs::create_dir(home.path().join("Maildir")).expect("made");
        plant(what, &home.path().join("Maildir/.A"));
        let run = soon(&home);
        let expected = if *what == "directory" { 0 } else { 75 };
        assert_eq!(run.code, Some(expected), "{what}: {run:?}");
    }
}

#[test]
fn files_of_other_users_are_not_believed() {
    if skipped("what other users plant", &[], true) {
        return;
    }
    const OTHER: u32 = 12345;
    let home = Home::with_rules("discard\n");
    chown(home.path().join(".mailrules"), Some(OTHER), None).expect("given away");
    assert_eq!((soon(&home).code, home.mail().len()), (Some(0), 2), "the message and a notice");

    // Another user's last valid rules would decide about the mail.
    for other in [false, true] {
        let home = Home::with_rules("discard\n");
        assert_eq!(soon(&home).code, Some(0));
        if other {
            for path in tree(&home.path().join(".local")) {
                chown(path, Some(OTHER), None).expect("given away");
            }
        }
        home.write(".mailrules", "broken\n");
        assert_eq!(soon(&home).code, Some(0));
        let stored = home.mail().iter().filter(|mail| mail.bytes == MESSAGE).count();
        assert_eq!(stored, usize::from(other));
    }

    // Another user's home, as a web server may have, is no reason to lose mail.
    let home = Home::with_rules("folder \"A\"\n");
    chown(home.path(), Some(OTHER), None).expect("given away");
    assert_eq!((soon(&home).code, home.mail().len()), (Some(0), 1));
}

#[test]
fn a_link_planted_at_any_moment_leads_nowhere() {
    if skipped("links that come and go", &[], true) {
        return;
    }
    let home = Home::with_rules("set layout fs\notherwise -> folder \"A/B\"\n");
    let outside = home.path().join("outside");
    for part in ["B/new", "B/cur", "B/tmp", "new", "cur", "tmp"] {
        fs::create_dir_all(outside.join(part)).expect("made");
    }
    let maildir = home.path().join("Maildir");
    for part in ["A/B/new", "A/B/cur", "A/B/tmp"] {
        fs::create_dir_all(maildir.join(part)).expect("made");
    }
    for name in ["link", "A/link"] {
        symlink(&outside, maildir.join(name)).expect("a link");
        lchown(maildir.join(name), Some(12345), Some(12345)).expect("given away");
    }
    let done = AtomicBool::new(false);
    let mut codes = [0; 2];
    std::thread::scope(|scope| {
        scope.spawn(|| {
            use rustix::fs::{CWD, RenameFlags, renameat_with};
            let swap = |one: &str, other: &str| {
                let (one, other) = (maildir.join(one), maildir.join(other));
                let _ = renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE);
            };
            while !done.load(Ordering::Relaxed) {
                swap("A", "link");
                swap("A", "link");
                swap("A/B", "A/link");
                swap("A/B", "A/link");
            }
        });
        for _ in 0..150 {
            let mut command = Command::new(MFILTER);
            command.env_clear().env("HOME", home.path());
            let run = run(command, MESSAGE);
            match run.code {
                Some(0) => codes[0] += 1,
                Some(75) => codes[1] += 1,
                _ => panic!("{run:?}"),
            }
        }
        done.store(true, Ordering::Relaxed);
    });
    eprintln!("links that come and go: {} delivered, {} deferred", codes[0], codes[1]);
    let escaped: Vec<PathBuf> = tree(&outside).into_iter().filter(|path| path.is_file()).collect();
    assert_eq!(escaped, Vec::<PathBuf>::new());
    let stored = tree(&maildir).iter().filter(|path| path.is_file()).count();
    assert_eq!(stored, codes[0], "each that was acknowledged is there");
}
