//! fetchmail, getmail, mpop and fdm, run for real against a POP3 server, call mfilter as
//! docs/guide/mail-servers.md says; and what fails is not done twice when they call it
//! again.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use std::{fs, thread};

use crate::support::{Home, MFILTER, skipped};

/// fetchmail and mpop write `o_brien` when they put the sender into a command.
const MESSAGE: &str = "Return-Path: <o'brien@sender.example>
Delivered-To: taro@provider.example
Received: from a by provider.example; Fri, 27 Nov 2026 07:31:11 +0000
From: O'Brien <o'brien@sender.example>
To: taro@provider.example
Subject: hello
Message-ID: <1@sender.example>

From here on
..
end
";

const RULES: &str = r#"when envelope-from is "o'brien@sender.example" -> folder "Brien"
"#;

/// A POP3 server (RFC 1939) with one message, for example session.
struct Pop {
    port: u16,
    session: thread::JoinHandle<bool>,
}

impl Pop {
    fn start() -> Pop {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let session = thread::spawn(move || {
            let (stream, _) = listener.accept().expect("a client");
            serve(&stream)
        });
        Pop { port, session }
    }

    /// Whether the client asked to delete the message.
    fn ends_emptied(self) -> bool {
        self.session.join().expect("the session ends")
    }
}

fn serve(stream: &TcpStream) -> bool {
    stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a timeout");
    let text = MESSAGE.replace('\n', "\r\n");
    let size = text.len();
    let mut out = stream;
    let mut say = |line: &str| out.write_all(format!("{line}\r\n").as_bytes()).expect("read");
    let mut deleted = false;
    say("+OK ready");
    for line in BufReader::new(stream).lines() {
        let Ok(line) = line else { break };
        let words: Vec<String> = line.split_whitespace().map(str::to_uppercase).collect();
        match (words.first().map_or("", String::as_str), words.len()) {
            ("CAPA", _) => say("+OK\r\nUSER\r\nUIDL\r\nTOP\r\n."),
            ("STAT", _) => say(&format!("+OK 1 {size}")),
            ("LIST", 1) => say(&format!("+OK\r\n1 {size}\r\n.")),
            ("LIST", _) => say(&format!("+OK 1 {size}")),
            ("UIDL", 1) => say("+OK\r\n1 first\r\n."),
            ("UIDL", _) => say("+OK 1 first"),
            ("RETR" | "TOP", _) => say(&format!("+OK\r\n{}.", text.replace("\r\n.", "\r\n.."))),
            ("USER" | "PASS" | "NOOP" | "RSET", _) => say("+OK"),
            ("DELE", _) => {
                deleted = true;
                say("+OK");
            }
            ("QUIT", _) => {
                say("+OK");
                break;
            }
            _ => say("-ERR"),
        }
    }
    deleted
}

/// The code blocks of the chapter, with the program under test.
fn guide() -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/guide/mail-servers.md");
    let text = fs::read_to_string(path).expect("is there");
    let (_, chapter) = text.split_once("\n## fetchmail, getmail, mpop\n").expect("is there");
    let blocks = chapter.split("```\n").skip(1).step_by(2);
    blocks.map(|block| block.replace("/usr/bin/mfilter", MFILTER)).collect()
}

/// Runs a program that fetches mail, with this configuration, in `home`; returns its
/// output and whether it had the message deleted.
fn call(home: &Home, program: &Fetcher<'_>) -> (Output, bool) {
    let pop = Pop::start();
    let configuration = program.configuration.replace("PORT", &pop.port.to_string());
    home.write("configuration", configuration.replace("HOME", &home.path().display().to_string()));
    let file = home.path().join("configuration");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("private");
    fs::set_permissions(home.path(), fs::Permissions::from_mode(0o700)).expect("private");
    let output = Command::new("/usr/bin/timeout")
        .args(["60", program.path])
        .args(program.arguments)
        .current_dir(home.path())
        .env_clear()
        .env("HOME", home.path())
        .env("PATH", "/usr/bin:/bin")
        .stdin(Stdio::null())
        .output()
        .expect("it runs");
    (output, pop.ends_emptied())
}

/// A program that fetches mail, and its configuration: `PORT` is the server's, `HOME` the
/// user's home.
struct Fetcher<'a> {
    path: &'a str,
    configuration: String,
    arguments: &'a [&'a str],
}

fn fetchmail(destination: &str) -> Fetcher<'static> {
    let entry =
        "poll 127.0.0.1 protocol pop3 port PORT: user \"taro\" password \"x\" sslproto \"\"";
    Fetcher {
        path: "/usr/bin/fetchmail",
        configuration: format!("set no bouncemail\n{entry} {destination}"),
        arguments: &["-f", "configuration", "--nosyslog", "--nodetach"],
    }
}

fn getmail(destination: &str) -> Fetcher<'static> {
    let configuration = format!(
        "[retriever]\ntype = SimplePOP3Retriever\nserver = 127.0.0.1\nport = PORT\n\
         username = taro\npassword = x\n{destination}allow_root_commands = true\n\
         [options]\ndelete = true\nverbose = 0\n"
    );
    Fetcher {
        path: "/usr/bin/getmail",
        configuration,
        arguments: &["--getmaildir", ".", "--rcfile", "configuration"],
    }
}

fn mpop(destination: &str) -> Fetcher<'static> {
    let configuration = format!(
        "defaults\ntls off\naccount default\nhost 127.0.0.1\nport PORT\nuser taro\n\
         password x\nauth user\nkeep off\nuidls_file HOME/uidls\n{destination}"
    );
    Fetcher { path: "/usr/bin/mpop", configuration, arguments: &["-C", "configuration"] }
}

fn fdm() -> Fetcher<'static> {
    let configuration = format!(
        "set lock-file \"HOME/lock\"\naction \"mfilter\" pipe \"{MFILTER}\"\n\
         account \"taro\" pop3 server \"127.0.0.1\" port PORT user \"taro\" pass \"x\"\n\
         match all action \"mfilter\"\n"
    );
    Fetcher { path: "/usr/bin/fdm", configuration, arguments: &["-f", "configuration", "fetch"] }
}

/// Fetches the message as the guide says.
fn fetch(program: &Fetcher<'_>) {
    let home = Home::with_rules(RULES);
    let (output, emptied) = call(&home, program);
    assert!(output.status.success() && emptied, "{output:?}");
    let found = home.mail();
    assert_eq!(found.len(), 1, "{output:?}");
    assert_eq!(found[0].folder, ".Brien", "{}", found[0].text());
    assert!(found[0].text().ends_with("\n\nFrom here on\n..\nend\n"), "{}", found[0].text());
}

/// The program has no queue: it fetches the message again and writes the new time into
/// it. What was done of the delivery stays done.
fn fetch_in_vain(program: &Fetcher<'_>) {
    let home = Home::new();
    let ready = home.path().join("ready");
    let rules = format!("copy \"Saved\"\npipe \"/usr/bin/test\" \"-e\" \"{}\"\n", ready.display());
    home.write(".mailrules", rules);
    let state = home.path().join(".local/state/mfilter/half-done");
    let half_done = || fs::read_dir(&state).expect("there is a state").count();
    for _ in 0..2 {
        let (output, emptied) = call(&home, program);
        assert!(!emptied, "{output:?}");
        let found = home.mail();
        assert_eq!((found.len(), half_done()), (1, 1), "{}: {output:?}", program.path);
        let second = || SystemTime::now().duration_since(UNIX_EPOCH).expect("a time").as_secs();
        let now = second();
        while second() == now {
            thread::sleep(Duration::from_millis(20));
        }
    }
    fs::write(&ready, "").expect("written");
    let (output, emptied) = call(&home, program);
    assert!(output.status.success() && emptied, "{output:?}");
    assert_eq!((home.mail().len(), half_done()), (1, 0), "{}: {output:?}", program.path);
}

#[test]
fn mail_by_a_real_fetchmail() {
    if skipped("the test with fetchmail", &["/usr/bin/fetchmail"], false) {
        return;
    }
    fetch(&fetchmail(&guide()[0]));
    fetch_in_vain(&fetchmail(&guide()[0]));
}

#[test]
fn mail_by_a_real_getmail() {
    if skipped("the test with getmail", &["/usr/bin/getmail"], false) {
        return;
    }
    fetch(&getmail(&guide()[1]));
    fetch_in_vain(&getmail(&guide()[1]));
}

#[test]
fn mail_by_a_real_mpop() {
    if skipped("the test with mpop", &["/usr/bin/mpop"], false) {
        return;
    }
    fetch(&mpop(&guide()[2]));
    // With its Received line.
    fetch_in_vain(&mpop(&guide()[2].replace("received_header off", "received_header on")));
}

#[test]
fn mail_by_a_real_fdm() {
    if skipped("the test with fdm", &["/usr/bin/fdm"], false) {
        return;
    }
    fetch(&fdm());
    fetch_in_vain(&fdm());
}
