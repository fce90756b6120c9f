//! `mfilter lmtp` against a floor: a server that speaks LMTP and only stores each message
//! safely, in one process, with a thread per connection. Prints the processor time per
//! message of server and workers, for 1, 2 and 8 connections, and memory.
//!
//! `cargo bench --bench lmtp`, with `MESSAGES=20000` for more messages and
//! `PLACE=/var/tmp` for a disk instead of memory. The mail stays there until all is
//! measured: for some minutes after files are removed, ext4 searches for an inode that
//! was not one of theirs each time it makes a file, which would be most of the time.

#![allow(clippy::print_stdout)]

use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::chown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// Who owns the mail if the benchmark runs as root.
const OWNER: u32 = 64_999;
const USERS: usize = 20;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, word, socket, users] = arguments.as_slice()
        && word == "--floor"
    {
        floor(Path::new(socket), Path::new(users));
        return;
    }
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let messages: usize = number("MESSAGES").unwrap_or(2000);
    println!("CPU time a message of 2 KB, µs; {messages} messages for {USERS} users\n");
    println!(
        "| rules | connections | floor | mfilter | ratio | messages a second, of the floor's | memory, MB |"
    );
    println!("|--:|--:|--:|--:|--:|--:|--:|");
    let mut kept = Vec::new();
    for rules in [10, 100, 1000] {
        for connections in [1, 2, 8] {
            let mut round = |name| {
                let place = std::env::var_os("PLACE").map_or("/dev/shm".into(), PathBuf::from);
                let directory = tempfile::tempdir_in(place).expect("a directory");
                let measured = measure(name, rules, connections, messages, directory.path());
                kept.push(directory);
                measured
            };
            // In turn, so that other load on the machine slows both.
            let mut rounds: Vec<_> = (0..3).map(|_| (round("floor"), round("mfilter"))).collect();
            rounds.sort_by(|a, b| (a.1.micros * b.0.micros).total_cmp(&(b.1.micros * a.0.micros)));
            let (floor, ours) = &rounds[1];
            println!(
                "| {rules} | {connections} | {:.0} | {:.0} | {:.2} | {:.2} | {:.1} |",
                floor.micros,
                ours.micros,
                ours.micros / floor.micros,
                floor.seconds / ours.seconds,
                ours.megabytes
            );
        }
    }
}

struct Measured {
    micros: f64,
    seconds: f64,
    megabytes: f64,
}

fn measure(
    name: &str,
    rules: usize,
    connections: usize,
    messages: usize,
    directory: &Path,
) -> Measured {
    let users = directory.join("users");
    let is_root = rustix::process::geteuid().is_root();
    let give = |path: &Path| {
        if is_root {
            chown(path, Some(OWNER), Some(OWNER)).expect("given");
        }
    };
    fs::create_dir(&users).expect("made");
    let text: String = (0..rules)
        .map(|rule| format!("when subject contains \"needle{rule}x\" -> folder \"F{rule}\"\n"))
        .collect();
    for user in 0..USERS {
        let home = users.join(format!("u{user}"));
        for sub in ["", "Maildir", "Maildir/tmp", "Maildir/new", "Maildir/cur"] {
            let path = home.join(sub);
            fs::create_dir(&path).expect("made");
            give(&path);
        }
        let path = home.join(".mailrules");
        fs::write(&path, &text).expect("written");
        give(&path);
    }
    give(directory);
    give(&users);
    let socket = directory.join("lmtp");
    let mut command;
    if name == "floor" {
        command = Command::new(std::env::current_exe().expect("known"));
        command.arg("--floor").arg(&socket).arg(&users);
    } else {
        command = Command::new(env!("CARGO_BIN_EXE_mfilter"));
        command.arg("lmtp").arg("--state").arg(directory.join("state"));
        command.arg("--listen").arg(format!("unix:{}", socket.display()));
        command.arg("--users").arg(format!("template:{}/{{user}}", users.display()));
        if is_root {
            command.arg("--user-id").arg(format!("{OWNER}:{OWNER}"));
        }
    }
    let mut server = command.stderr(Stdio::null()).stdout(Stdio::null()).spawn().expect("starts");
    while UnixStream::connect(&socket).is_err() {
        std::thread::sleep(Duration::from_millis(5));
    }
    // First each user's rules are checked once, and cached.
    send(&socket, 0, USERS, 1);
    let warm = cpu_of(&server);
    let began = Instant::now();
    std::thread::scope(|scope| {
        for connection in 0..connections {
            let socket = &socket;
            scope.spawn(move || send(socket, connection, messages, connections));
        }
    });
    let seconds = began.elapsed().as_secs_f64();
    let spent = cpu_of(&server) - warm;
    let megabytes = memory_of(&server);
    let pid = i32::try_from(server.id()).ok().and_then(Pid::from_raw).expect("a pid");
    kill_process(pid, Signal::TERM).expect("told");
    server.wait().expect("it ends");
    Measured { micros: spent * 1e6 / messages as f64, seconds, megabytes }
}

/// A server and all processes that it has started.
fn processes(server: &Child) -> Vec<u32> {
    let mut all = vec![server.id()];
    let entries = fs::read_dir("/proc").expect("it is mounted").flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    all.extend(pids.filter(|pid| stat_of(*pid).get(1) == Some(&server.id().to_string())));
    all
}

/// What the system says about a process after the name of its program (proc(5)): its
/// state, its parent, and, from the twelfth on, the ticks that it and the children that it
/// has waited for spent in user and system mode.
fn stat_of(pid: u32) -> Vec<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let after = stat.rsplit_once(')').map_or("", |(_, after)| after);
    after.split_whitespace().map(str::to_owned).collect()
}

/// Processor time of a server's processes, including those that it has waited for,
/// seconds, with the resolution of the system's ticks.
fn cpu_of(server: &Child) -> f64 {
    let ticks = |pid: u32, first: usize| {
        let stat = stat_of(pid);
        stat.iter().skip(first).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>()
    };
    let ended = ticks(server.id(), 13);
    let running: f64 = processes(server).into_iter().map(|pid| ticks(pid, 11)).sum();
    (ended + running) / 100.0
}

/// The memory of a server's processes, shared pages in proportion, MB.
fn memory_of(server: &Child) -> f64 {
    let of = |pid: u32| {
        let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
        let line =
            text.lines().find_map(|line| line.strip_prefix("Pss:").map(str::trim))?.to_owned();
        line.split(' ').next()?.parse::<f64>().ok()
    };
    processes(server).into_iter().filter_map(of).sum::<f64>() / 1024.0
}

/// Hands over messages one after the other, as Postfix does on a kept connection.
fn send(socket: &Path, first: usize, messages: usize, step: usize) {
    let stream = UnixStream::connect(socket).expect("it listens");
    let mut answers = BufReader::new(stream.try_clone().expect("a copy"));
    let mut stream = stream;
    let mut answer = |code: &str| {
        let mut line = String::new();
        loop {
            line.clear();
            answers.read_line(&mut line).expect("an answer");
            if line.as_bytes().get(3) == Some(&b' ') {
                break;
            }
        }
        assert!(line.starts_with(code), "{line}");
    };
    answer("220");
    stream.write_all(b"LHLO bench\r\n").expect("sent");
    answer("250");
    let body = "Lorem ipsum dolor sit amet, consectetur adipiscing elit, sed do.\r\n".repeat(26);
    for number in (first..messages).step_by(step) {
        let user = number % USERS;
        let envelope =
            format!("MAIL FROM:<a@b.example>\r\nRCPT TO:<u{user}@x.example>\r\nDATA\r\n");
        stream.write_all(envelope.as_bytes()).expect("sent");
        ["250", "250", "354"].into_iter().for_each(&mut answer);
        let message = format!(
            "From: a@b.example\r\nTo: u{user}@x.example\r\nSubject: no {number}\r\nMessage-ID: \
             <{number}@b.example>\r\nDate: Thu, 1 Jan 2026 00:00:00 +0000\r\n\r\n{body}.\r\n"
        );
        stream.write_all(message.as_bytes()).expect("sent");
        answer("250");
    }
}

/// Speaks LMTP, and does only what every delivery needs: tmp, write, sync, rename, sync.
fn floor(socket: &Path, users: &Path) {
    let listener = UnixListener::bind(socket).expect("bound");
    for stream in listener.incoming() {
        let (stream, users) = (stream.expect("a client"), users.to_owned());
        std::thread::spawn(move || serve(stream, &users));
    }
}

fn serve(stream: UnixStream, users: &Path) -> Option<()> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let mut reader = BufReader::with_capacity(32 << 10, stream.try_clone().ok()?);
    let mut stream = stream;
    let (mut line, mut message, mut output) = (Vec::new(), Vec::new(), Vec::new());
    let mut user = String::new();
    output.extend_from_slice(b"220 floor\r\n");
    loop {
        if reader.buffer().is_empty() {
            stream.write_all(&output).ok()?;
            output.clear();
        }
        line.clear();
        if reader.read_until(b'\n', &mut line).ok()? == 0 {
            return None;
        }
        match line.get(..4)? {
            b"LHLO" => output.extend_from_slice(b"250-floor\r\n250 PIPELINING\r\n"),
            b"RCPT" => {
                let text = String::from_utf8_lossy(&line);
                user = text.split(['<', '@']).nth(1)?.to_owned();
                output.extend_from_slice(b"250 ok\r\n");
            }
            b"DATA" => {
                output.extend_from_slice(b"354 go on\r\n");
                stream.write_all(&output).ok()?;
                output.clear();
                message.clear();
                loop {
                    line.clear();
                    reader.read_until(b'\n', &mut line).ok()?;
                    if line == b".\r\n" {
                        break;
                    }
                    let text = line.strip_prefix(b".").unwrap_or(&line);
                    message.extend_from_slice(text.strip_suffix(b"\r\n").unwrap_or(text));
                    message.push(b'\n');
                }
                let maildir = users.join(&user).join("Maildir");
                let name = format!("{}.floor", COUNT.fetch_add(1, Ordering::Relaxed));
                let tmp = maildir.join("tmp").join(&name);
                let mut file = OpenOptions::new().write(true).create_new(true).open(&tmp).ok()?;
                file.write_all(&message).ok()?;
                file.sync_all().ok()?;
                drop(file);
                let new = maildir.join("new");
                fs::rename(&tmp, new.join(&name)).ok()?;
                File::open(&new).ok()?.sync_all().ok()?;
                output.extend_from_slice(b"250 stored\r\n");
            }
            _ => output.extend_from_slice(b"250 ok\r\n"),
        }
    }
}
