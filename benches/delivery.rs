//! Whole processes, one a delivery, as an MTA starts them: mfilter and the
//! peers that are installed, in turn, with rules that mean the same. Prints
//! CPU time per delivery as a ratio to procmail's in the same run.
//!
//! `cargo bench --bench delivery`, with `ROUNDS=500` for more of them.

#![allow(clippy::print_stdout)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::sys::resource::{UsageWho, getrusage};

/// One program with its rules.
struct Peer {
    name: &'static str,
    program: PathBuf,
    arguments: Vec<String>,
    /// User and system time of each delivery, µs.
    times: Vec<i64>,
}

fn main() {
    let rounds = std::env::var("ROUNDS").ok().and_then(|n| n.parse().ok()).unwrap_or(200);
    println!("CPU time a delivery, median of {rounds}, as a ratio to procmail in the same run\n");
    println!("| rules | message | program | µs | ratio |\n|--:|---|---|--:|--:|");
    for (rules, size) in [(10, 2_000), (100, 2_000), (1000, 2_000), (10, 1_000_000)] {
        measure(rules, size, rounds);
    }
}

fn measure(rules: usize, size: usize, rounds: usize) {
    let home = tempfile::tempdir().expect("a temporary folder");
    let message = home.path().join("message.eml");
    fs::write(&message, a_message(size)).expect("written");
    let mut peers = peers(home.path(), rules);
    for _ in 0..rounds {
        for peer in &mut peers {
            peer.times.push(deliver(peer, home.path(), &message));
        }
    }
    let median = |peer: &Peer| {
        let mut times = peer.times.clone();
        times.sort_unstable();
        times.get(times.len() / 2).copied().unwrap_or(0)
    };
    let base = peers.iter().find(|peer| peer.name == "procmail").map(median);
    for peer in &peers {
        let time = median(peer);
        let ratio = base.map_or("–".into(), |base| format!("{:.2}", time as f64 / base as f64));
        println!("| {rules} | {} KB | {} | {time} | {ratio} |", size / 1000, peer.name);
    }
}

/// One delivery; gives the CPU time it took, µs.
fn deliver(peer: &Peer, home: &Path, message: &Path) -> i64 {
    let used = || {
        let usage = getrusage(UsageWho::RUSAGE_CHILDREN).expect("getrusage");
        let of = |time: nix::sys::time::TimeVal| time.tv_sec() * 1_000_000 + time.tv_usec();
        of(usage.user_time()) + of(usage.system_time())
    };
    let before = used();
    let status = Command::new(&peer.program)
        .args(&peer.arguments)
        .env_clear()
        .envs([("HOME", home.as_os_str()), ("LOGNAME", "bench".as_ref())])
        .stdin(fs::File::open(message).expect("readable"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .expect("the program starts");
    assert!(status.success(), "{} failed: {status}", peer.name);
    used() - before
}

/// mfilter, and the peers that are installed, each with rules that look for a
/// word in From or Subject, none of which fits.
fn peers(home: &Path, rules: usize) -> Vec<Peer> {
    let word = |n: usize| format!("needle{n:05}x");
    let field = |n: usize| if n.is_multiple_of(2) { "From" } else { "Subject" };
    let maildir = |name: &str| home.join(format!("Maildir-{name}"));
    for name in ["mfilter", "procmail"] {
        for sub in ["tmp", "new", "cur"] {
            fs::create_dir_all(maildir(name).join(sub)).expect("made");
        }
    }
    let mut ours = String::new();
    let mut procmail = format!("SHELL=/bin/sh\nDEFAULT={}/\n", maildir("procmail").display());
    for n in 0..rules {
        let name = field(n).to_lowercase();
        ours.push_str(&format!("when {name} contains \"{}\" -> folder \"F{}\"\n", word(n), n % 7));
        procmail.push_str(&format!(
            ":0\n* ^{}:.*{}\n{}/.F{}/\n",
            field(n),
            word(n),
            maildir("procmail").display(),
            n % 7
        ));
    }
    let file = |name: &str, text: &str| {
        let path = home.join(name);
        fs::write(&path, text).expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("mode");
        path.display().to_string()
    };
    let mut peers = vec![Peer {
        name: "mfilter",
        program: env!("CARGO_BIN_EXE_mfilter").into(),
        arguments: vec![
            "--rules".into(),
            file("mailrules", &ours),
            "--maildir".into(),
            maildir("mfilter").display().to_string(),
        ],
        times: Vec::new(),
    }];
    let program = PathBuf::from("/usr/bin/procmail");
    if program.exists() {
        let arguments = vec!["-m".into(), file("procmailrc", &procmail)];
        peers.push(Peer { name: "procmail", program, arguments, times: Vec::new() });
    }
    peers
}

fn a_message(size: usize) -> String {
    let mut message = String::from(
        "Return-Path: <hanako@example.jp>\n\
         Received: from mx.example.jp (mx.example.jp [192.0.2.1])\n\
         \tby mail.example.org (Postfix) with ESMTP id 4ABC for <taro@example.org>;\n\
         \tThu, 24 Dec 2026 20:00:00 +0900 (JST)\n\
         From: Hanako <hanako@example.jp>\n\
         To: Taro <taro@example.org>\n\
         Subject: the minutes of our meeting\n\
         Date: Thu, 24 Dec 2026 20:00:00 +0900\n\
         Message-ID: <20261224110000.4ABC@example.jp>\n\
         MIME-Version: 1.0\n\
         Content-Type: text/plain; charset=UTF-8\n\n",
    );
    while message.len() < size {
        message.push_str("One line of text after the other, seventy or so characters in each.\n");
    }
    message
}
