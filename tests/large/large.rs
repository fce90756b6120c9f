//! `mfilter --test` over a large mailbox: memory does not grow with it, and
//! it takes at most three times as long as reading it. `MFILTER_LONG` makes it
//! 100,000 messages; the time counts only where the program is optimized
//! (`cargo test --release`).

#![allow(clippy::print_stderr, reason = "the figures are shown")]

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::support;
use crate::support::Home;
use nix::sys::resource::{UsageWho, getrusage};

const RULES: &str = "\
when from in [\"u5@h5.example\", \"@h9.example\"] -> folder \"Friends\"
when header \"X-Spam-Flag\" is \"yes\" -> folder \"Junk\" as seen
when mailing-list -> folder \"Lists/{list-name}\"
when has list-unsubscribe -> folder \"News\" as seen
when subject contains [\"invoice\", \"請求書\"] -> copy \"Invoices\"
when to.detail is \"shop\" and size < 5M -> folder \"Shopping\"
when from.domain is \"work.example\" -> folder \"Work\"
when subject contains \"dolor\" -> folder \"Dolor\"
when bounce -> folder \"Bounces\"
when spam -> folder \"Junk\"
";

fn fill(cur: &Path, from: usize, to: usize) {
    fs::create_dir_all(cur).expect("made");
    for number in from..to {
        let text = format!(
            "Return-Path: <u{}@h{}.example>\nReceived: from mx.example.jp (mx.example.jp [192.0.2.1])\n\
             \tby mail.example.org with ESMTP id {number}; Thu, 24 Dec 2026 09:15:00 +0900\n\
             From: \"User\" <u{}@h{}.example>\nTo: Taro <taro@example.org>\n\
             Subject: message {number} about nothing\nMessage-ID: <{number}@h.example>\n{}\n{}",
            number % 977,
            number % 31,
            number % 977,
            number % 31,
            if number % 5 == 1 {
                "List-Id: <a.lists.example>\nList-Post: <mailto:a@b>\n"
            } else {
                ""
            },
            "Lorem ipsum dolor sit amet, consetetur sadipscing elitr.\n".repeat(number % 17)
        );
        fs::write(cur.join(format!("{number:07}.x:2,S")), text).expect("written");
    }
}

fn run(command: &mut Command) -> Duration {
    let start = Instant::now();
    let status = command.stdout(Stdio::null()).status().expect("runs");
    assert!(status.success());
    start.elapsed()
}

/// The most memory that any program so far has taken, KB.
fn most_memory() -> i64 {
    getrusage(UsageWho::RUSAGE_CHILDREN).expect("known").max_rss()
}

#[test]
fn memory_does_not_grow_and_time_is_that_of_reading() {
    let long = support::long();
    let all = if long { 100_000 } else { 8_000 };
    let home = Home::with_rules(RULES);
    let cur = home.path().join("Maildir/cur");
    let maildir = home.path().join("Maildir").display().to_string();
    let test = || run(&mut home.command(&["--test", "-q", &maildir]));
    fill(&cur, 0, 500);
    test();
    let small = most_memory();
    fill(&cur, 500, all);
    test();
    let large = most_memory();
    let read = || {
        let mut cat = Command::new("sh");
        cat.args(["-c", "find \"$0\" -type f -print0 | xargs -0 cat", &maildir]);
        run(&mut cat)
    };
    read();
    let (read, took) = (read(), test());
    let ratio = took.as_secs_f64() / read.as_secs_f64();
    eprintln!(
        "{all} messages: cat {read:?}, mfilter {took:?}, {ratio:.2} times; {small} KB, {large} KB"
    );
    // The names of one folder, up to 65,536 of them.
    assert!(large - small < if long { 16_000 } else { 4_000 }, "{small} KB, {large} KB");
    assert!(cfg!(debug_assertions) || ratio <= 3.0, "{ratio}");
}
