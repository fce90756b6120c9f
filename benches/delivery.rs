//! Whole processes, one per delivery, as an MTA starts them: mfilter, the floor (a
//! program that only stores the message safely, linked like mfilter) and the installed
//! peers, in turn, with equivalent rules. Prints one table: CPU time per delivery as a
//! ratio to that of the floor in the same run.
//!
//! `cargo bench --bench delivery`, with `ROUNDS=500` for more rounds.

#![allow(clippy::print_stdout)]

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use nix::sys::resource::{UsageWho, getrusage};

/// What is measured, in the order of the table.
const NAMES: [&str; 6] = ["floor", "mfilter", "procmail", "maildrop", "fdm", "dovecot-lda"];

/// One program with its rules.
struct Peer {
    name: &'static str,
    program: PathBuf,
    arguments: Vec<String>,
    /// The user and system time of each delivery, µs.
    times: Vec<i64>,
}

impl Peer {
    fn new(name: &'static str, program: impl Into<PathBuf>, arguments: Vec<String>) -> Peer {
        Peer { name, program: program.into(), arguments, times: Vec::new() }
    }
}

/// What the rules look for.
#[derive(Clone, Copy)]
enum WordKind {
    Texts,
    Patterns,
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, word, maildir] = arguments.as_slice()
        && word == "--floor"
    {
        floor(Path::new(maildir)).expect("stored");
        return;
    }
    let rounds = std::env::var("ROUNDS").ok().and_then(|n| n.parse().ok()).unwrap_or(100);
    println!("CPU time a delivery, median of {rounds}, as a ratio to the floor in the same run\n");
    println!("| rules | tests | message | floor, µs | {} |", NAMES[1..].join(" | "));
    println!("|--:|---|--:|--:|{}", "--:|".repeat(NAMES.len() - 1));
    for (rules, words, size) in [
        (1, WordKind::Texts, 2_000),
        (10, WordKind::Texts, 2_000),
        (100, WordKind::Texts, 2_000),
        (1_000, WordKind::Texts, 2_000),
        (10_000, WordKind::Texts, 2_000),
        (100, WordKind::Patterns, 2_000),
        (1_000, WordKind::Patterns, 2_000),
        (10, WordKind::Texts, 1_000_000),
        (10, WordKind::Texts, 25_000_000),
    ] {
        let heavy = rules > 100 || size > 100_000;
        measure(rules, words, size, if heavy { rounds / 10 + 3 } else { rounds });
    }
}

/// Stores the message safely and does nothing else: written into `tmp/`, synced, renamed
/// into `new/`, whose directory is synced.
fn floor(maildir: &Path) -> std::io::Result<()> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let name = format!("{}.P{}N{}.floor", now.as_secs(), std::process::id(), now.subsec_nanos());
    let (tmp, new) = (maildir.join("tmp").join(&name), maildir.join("new").join(&name));
    let mut file = OpenOptions::new().write(true).create_new(true).open(&tmp)?;
    let mut buffer = vec![0; 65536];
    let mut input = std::io::stdin().lock();
    loop {
        let count = input.read(&mut buffer)?;
        if count == 0 {
            break;
        }
        file.write_all(&buffer[..count])?;
    }
    file.sync_all()?;
    drop(file);
    fs::rename(&tmp, &new)?;
    File::open(maildir.join("new"))?.sync_all()
}

fn measure(rules: usize, words: WordKind, size: usize, rounds: usize) {
    let home = tempfile::tempdir().expect("a temporary folder");
    let message = home.path().join("message.eml");
    fs::write(&message, a_message(size)).expect("written");
    let writer = RuleWriter { home: home.path(), rules, words };
    let mut peers =
        vec![writer.floor(), writer.mfilter(), writer.procmail(), writer.maildrop(), writer.fdm()];
    peers.extend(writer.dovecot_lda());
    peers.retain(|peer| peer.program.exists());
    // Before the first round rules are cached, and caches are warmed. A peer that does
    // not deliver is left out: dovecot-lda does not as root.
    peers.retain(|peer| deliver(peer, home.path(), &message).is_some());
    for _ in 0..rounds {
        for peer in &mut peers {
            let time = deliver(peer, home.path(), &message);
            peer.times.push(time.unwrap_or_else(|| panic!("{} fails at times", peer.name)));
        }
    }
    let median = |name: &str| {
        let peer = peers.iter().find(|peer| peer.name == name)?;
        let mut times = peer.times.clone();
        times.sort_unstable();
        times.get(times.len() / 2).copied()
    };
    let base = median(NAMES[0]).unwrap_or(1).max(1);
    let ratios = NAMES[1..].iter().map(|name| {
        median(name).map_or("–".into(), |time| format!("{:.2}", time as f64 / base as f64))
    });
    let ratios: Vec<String> = ratios.collect();
    let tests = match words {
        WordKind::Patterns => "patterns",
        WordKind::Texts => "texts",
    };
    println!("| {rules} | {tests} | {} KB | {base} | {} |", size / 1000, ratios.join(" | "));
}

/// Makes one delivery; returns the CPU time that it took, µs; none if it failed.
fn deliver(peer: &Peer, home: &Path, message: &Path) -> Option<i64> {
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
        .stdin(File::open(message).expect("readable"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .expect("the program starts");
    status.success().then(|| used() - before)
}

/// The rules that each filter gets, in its own words: each looks for a word in From or
/// Subject, and none matches.
struct RuleWriter<'h> {
    home: &'h Path,
    rules: usize,
    words: WordKind,
}

impl RuleWriter<'_> {
    /// One line for each rule, by its number.
    fn all(&self, line: impl Fn(usize) -> String) -> String {
        (0..self.rules).map(line).collect()
    }

    fn word(&self, n: usize) -> String {
        match self.words {
            WordKind::Patterns => format!("needle(a|b){n:05}[x-z]"),
            WordKind::Texts => format!("needle{n:05}x"),
        }
    }

    fn field(n: usize) -> &'static str {
        if n.is_multiple_of(2) { "From" } else { "Subject" }
    }

    fn maildir(&self, name: &str) -> String {
        let maildir = self.home.join(format!("Maildir-{name}"));
        for sub in ["tmp", "new", "cur"] {
            fs::create_dir_all(maildir.join(sub)).expect("made");
        }
        maildir.display().to_string()
    }

    fn file(&self, name: &str, text: &str) -> String {
        let path = self.home.join(name);
        fs::write(&path, text).expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("mode");
        path.display().to_string()
    }

    /// A copy of a program, as an installation makes one: how a file is laid out in the page
    /// cache decides what its page faults cost, and the linker's output is there in small
    /// pieces.
    fn installed(&self, name: &str, program: &Path) -> PathBuf {
        let copy = self.home.join(name);
        fs::copy(program, &copy).expect("copied");
        copy
    }

    fn floor(&self) -> Peer {
        let this = std::env::current_exe().expect("the path of this program");
        let arguments = vec!["--floor".into(), self.maildir("floor")];
        Peer::new("floor", self.installed("floor", &this), arguments)
    }

    fn mfilter(&self) -> Peer {
        let rules = self.all(|n| {
            let (name, word) = (Self::field(n).to_lowercase(), self.word(n));
            match self.words {
                WordKind::Patterns => format!("when {name} matches /{word}/ -> folder \"F\"\n"),
                WordKind::Texts => format!("when {name} contains \"{word}\" -> folder \"F\"\n"),
            }
        });
        let (rules, maildir) = (self.file("mailrules", &rules), self.maildir("mfilter"));
        let arguments = vec!["--rules".into(), rules, "--maildir".into(), maildir];
        let program = Path::new(env!("CARGO_BIN_EXE_mfilter"));
        Peer::new("mfilter", self.installed("mfilter", program), arguments)
    }

    fn procmail(&self) -> Peer {
        let to = self.maildir("procmail");
        let text = format!("SHELL=/bin/sh\nDEFAULT={to}/\n")
            + &self.all(|n| format!(":0\n* ^{}:.*{}\n{to}/.F/\n", Self::field(n), self.word(n)));
        let arguments = vec!["-m".into(), self.file("procmailrc", &text)];
        Peer::new("procmail", "/usr/bin/procmail", arguments)
    }

    fn maildrop(&self) -> Peer {
        let to = self.maildir("maildrop");
        let text = format!("DEFAULT=\"{to}\"\n")
            + &self.all(|n| {
                let (field, word) = (Self::field(n), self.word(n));
                format!("if ( /^{field}:.*{word}/ )\n{{\n to \"{to}\"\n}}\n")
            });
        Peer::new("maildrop", "/usr/bin/maildrop", vec![self.file("mailfilter", &text)])
    }

    fn fdm(&self) -> Peer {
        let to = self.maildir("fdm");
        let text = String::from("set allow-multiple\nset no-received\nset maximum-size 100M\n")
            + "account \"stdin\" stdin\n"
            + &self.all(|n| {
                let (field, word) = (Self::field(n), self.word(n));
                format!("match \"^{field}:.*{word}\" in headers action maildir \"{to}\"\n")
            })
            + &format!("match all action maildir \"{to}\"\n");
        let arguments = ["-q", "-f", &self.file("fdm.conf", &text), "-a", "stdin", "fetch"];
        Peer::new("fdm", "/usr/bin/fdm", arguments.map(str::to_owned).to_vec())
    }

    /// With compiled rules, since mfilter's are cached, too; none if they cannot be compiled.
    fn dovecot_lda(&self) -> Option<Peer> {
        let compiler = Path::new("/usr/bin/sievec");
        if !compiler.exists() {
            return None;
        }
        let to = self.maildir("lda");
        let test = match self.words {
            WordKind::Patterns => "regex",
            WordKind::Texts => "contains",
        };
        let text = String::from("require [\"fileinto\",\"regex\"];\n")
            + &self.all(|n| {
                let (field, word) = (Self::field(n), self.word(n));
                format!("if header :{test} \"{field}\" \"{word}\" {{ fileinto \"F\"; stop; }}\n")
            });
        let script = self.file("rules.sieve", &text);
        let config = format!(
            "base_dir = {0}/run\nlog_path = {0}/lda.log\nssl = no\nprotocols =\n\
             mail_location = maildir:{to}\npostmaster_address = postmaster@example.org\n\
             protocol lda {{\n  mail_plugins = sieve\n}}\n\
             plugin {{\n  sieve = file:{script}\n  sieve_max_script_size = 0\n}}\n",
            self.home.display()
        );
        let config = self.file("dovecot.conf", &config);
        let compiled = script.replace(".sieve", ".svbin");
        let done = Command::new(compiler)
            .args(["-c", &config, &script, &compiled])
            .stderr(Stdio::null())
            .status();
        assert!(done.is_ok_and(|status| status.success()), "sievec");
        let arguments = ["-c", &config, "-f", "a@example.org"].map(str::to_owned).to_vec();
        Some(Peer::new("dovecot-lda", "/usr/lib/dovecot/dovecot-lda", arguments))
    }
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
