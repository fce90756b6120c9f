//! What the commands print: to a disk that is full, to a reader that went away, and as
//! JSON where a message holds invisible characters.

use std::fs::File;
use std::io::pipe;
use std::process::Stdio;

use crate::support::{Home, Run};

const MESSAGE: &str = "Message-ID: <1@a.example>\n\
    From: =?UTF-8?B?woshW+KArmdwai4=?= <a@b.example>\n\
    To: taro@example.jp\n\
    Subject: =?UTF-8?B?4oCLwpvCheKArnjzoIGB?=\n\
    X-Raw: a\u{9b}\u{202e}\u{200b}\u{e0041}b\n\n\
    hello\n";

/// A home in which every command has something to print.
fn home() -> Home {
    let rules = "set layout fs\nlist black \"~/black\"\n\
        on moved to \"Junk\" -> add from to black\n\
        when subject contains \"x\" -> log \"{subject}\", copy \"In {subject}\"\n\
        when from is \"a@b.example\" -> folder \"Other\"\n";
    let home = Home::with_rules(rules);
    home.write("black", "");
    home.write("message", MESSAGE);
    home.write("wild", "stop;   stop\n");
    home.write("wrong", "when nonsense -> -> stop # \u{9b}\u{202e}\n");
    assert_eq!(home.deliver(MESSAGE.as_bytes()).code, Some(0));
    home.write("Maildir/new/1.a", MESSAGE);
    home.write("Maildir/cur/2.a:2,S", MESSAGE);
    let run = home.run(&["learn"], b"");
    assert_eq!(run.code, Some(0), "{run:?}");
    home
}

#[test]
fn mail_in_place_of_rules_and_no_mail_at_all_are_named() {
    let home = Home::with_rules("inbox\n");
    home.write("mail", format!("Return-Path: <a@b.example>\nReceived: by c.example\n{MESSAGE}"));
    let mail = home.path().join("mail").display().to_string();
    for arguments in [&["check", &mail] as &[&str], &["--test", "--diff", &mail, &mail]] {
        let run = home.run(arguments, b"");
        assert_eq!((run.code, run.stdout.as_str()), (Some(2), ""), "{arguments:?}: {run:?}");
        assert!(run.stderr.contains("mail: this is a message, not rules"), "{run:?}");
    }
    for arguments in [
        &["inspect"] as &[&str],
        &["inspect", "-"],
        &["--test"],
        &["--test", "-"],
        &["--test", "--misplaced"],
    ] {
        let run = home.run(arguments, b"");
        assert_eq!(run.stderr, "mfilter: there is no message on standard input\n", "{run:?}");
    }
}

#[test]
fn rules_on_standard_input_are_limited_as_files_of_rules_are() {
    let home = Home::with_rules("inbox\n");
    let rules = vec![b'#'; 16 * 1024 * 1024 + 1];
    let run = home.run(&["fmt", "-"], &rules);
    assert_eq!((run.code, run.stdout.as_str()), (Some(2), ""));
    assert_eq!(run.stderr, "mfilter: standard input: it is larger than 16 MB\n");
}

#[test]
fn standard_input_has_a_name_in_what_fmt_says() {
    let home = Home::new();
    let run = home.run(&["fmt", "-"], b"whn spam -> inbox\n");
    assert!(run.stdout.contains("--> standard input:1:1\n"), "{run:?}");
    let run = home.run(&["fmt", "--check", "-"], b"when   spam -> inbox\n");
    assert_eq!(run.stdout, "standard input is not in the canonical layout\n");
}

/// Every command that prints something, `--json` among them.
fn commands(home: &Home) -> Vec<Vec<String>> {
    let at = |name: &str| home.path().join(name).display().to_string();
    let (message, wild, wrong) = (at("message"), at("wild"), at("wrong"));
    let all: [&[&str]; 26] = [
        &["--help"],
        &["--version"],
        &["sort", "--help"],
        &["completions", "bash"],
        &["fmt", "-"],
        &["fmt", "--check", &wild],
        &["fmt", &wrong],
        &["check", &wrong],
        &["check", "--json", &wrong],
        &["check", "--json"],
        &["inspect", &message],
        &["inspect", "--json", &message],
        &["--test", &message],
        &["--test", "--json", &message],
        &["--test", "--json", "-q", &message],
        &["--test", "--misplaced", &at("Maildir")],
        &["--test", "--json", "--misplaced", &at("Maildir")],
        &["state"],
        &["state", "--json"],
        &["stats"],
        &["stats", "--json"],
        &["why", "<1@a.example>"],
        &["why", "--json", "<1@a.example>"],
        &["sort", "--dry-run"],
        &["sort", "--dry-run", "--json"],
        &["isp-filter", "--json"],
    ];
    all.iter().map(|words| words.iter().map(|word| word.to_string()).collect()).collect()
}

fn run(home: &Home, words: &[String], stdout: Stdio) -> Run {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let mut command = home.command(&words);
    if words.contains(&"fmt") {
        command.stdin(File::open(home.path().join("wild")).expect("it is there"));
    } else {
        command.stdin(Stdio::null());
    }
    let output = command.stdout(stdout).stderr(Stdio::piped()).output();
    Run::of(&output.expect("the program starts"))
}

#[test]
fn output_that_cannot_be_written_is_a_failure() {
    let home = home();
    for words in commands(&home) {
        let usual = run(&home, &words, Stdio::piped());
        assert!(!usual.stdout.is_empty(), "{words:?} has something to print: {usual:?}");
        let full = File::options().write(true).open("/dev/full").expect("it is there");
        let failed = run(&home, &words, full.into());
        assert_eq!(failed.code, Some(2), "{words:?}: {failed:?}");
        let why = "standard output cannot be written: No space left on device";
        assert!(failed.stderr.contains(why), "{words:?}: {failed:?}");
    }
}

#[test]
fn a_reader_that_went_away_is_not_a_failure() {
    let home = home();
    for words in commands(&home) {
        let usual = run(&home, &words, Stdio::piped());
        let (reader, writer) = pipe().expect("a pipe");
        drop(reader);
        let unread = run(&home, &words, writer.into());
        assert_eq!((unread.code, unread.signal), (usual.code, None), "{words:?}: {unread:?}");
        assert_eq!(unread.stderr, usual.stderr, "{words:?}");
    }
}

#[test]
fn json_contains_nothing_invisible() {
    let home = home();
    let mut escaped = 0;
    let json = |words: &Vec<String>| words.iter().any(|word| word == "--json");
    for words in commands(&home).into_iter().filter(json) {
        let run = run(&home, &words, Stdio::piped());
        for line in run.stdout.lines() {
            let value = serde_json::from_str::<serde_json::Value>(line);
            assert!(value.is_ok(), "{words:?}: {value:?} in {line}");
            let bad = |c: char| {
                c.is_control() || "\u{ad}\u{200b}\u{202e}\u{2066}\u{feff}\u{e0041}".contains(c)
            };
            assert!(!line.contains(bad), "{words:?}: {line:?}");
        }
        let shown = ["\\u202e", "\\u009b"];
        escaped += usize::from(shown.iter().any(|code| run.stdout.contains(code)));
    }
    assert!(escaped > 3, "{escaped} commands had something to escape");
}

/// A Subject of 140 KB is too long to read: people see its beginning, programs all of it.
#[test]
fn what_is_longer_than_anybody_reads_is_cut_for_people() {
    let long = "é".repeat(140 << 10);
    let home = Home::with_rules(
        "when subject contains \"none\" or header \"X-A\" matches /(.*)/ -> log \"{1}\", \
         add-header \"X-B\" \"{1}\", reject \"5.7.1 {1}\"\n",
    );
    let message = format!("From: {long} <a@b.example>\nSubject: {long}\nX-A: {long}\n\nhi\n");
    home.write("m.eml", &message);
    let path = home.path().join("m.eml").display().to_string();
    for arguments in [&["--test", &path][..], &["inspect", &path]] {
        let run = home.run(arguments, b"");
        assert_eq!(run.code, Some(0), "{arguments:?}");
        let longest = run.stdout.lines().map(|line| line.chars().count()).max().unwrap_or(0);
        assert!(longest < 700 && run.stdout.contains("éé…"), "{arguments:?}: {longest}");
        let run = home.run(&[arguments, &["--json"]].concat(), b"");
        assert!(run.stdout.contains(&"é".repeat(1000)), "{arguments:?}");
    }
    let run = home.run(&["-v"], message.as_bytes());
    assert!(run.stderr.lines().all(|line| line.chars().count() < 700), "{}", run.stderr.len());
}
