//! The programs that write results, with senders who would write them
//! themselves: whatever OpenDKIM, OpenDMARC and policyd-spf print of hostile
//! signatures, envelope senders, HELOs and From, nothing of it is believed
//! that only the sender said, and honest mail is `verified`.

#![allow(clippy::print_stderr, reason = "a skipped test says so")]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::support::{Home, run, skipped, wait_for};
use data_encoding::BASE64;
use rustix::process::{Pid, Signal, kill_process};
use sha2::{Digest, Sha256};

/// Where the test's own name server listens.
const NAME_SERVER: &str = "127.77.0.1";
/// The client that SPF allows for every domain but the bank's.
const CLIENT: &str = "203.0.113.9";
const BODY: &str = "Please log in.\r\n";

/// A daemon; ended with the test.
struct Daemon(Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = kill_process(Pid::from_child(&self.0), Signal::KILL);
        let _ = self.0.wait();
    }
}

/// Answers for `example`: each name has this key, and allows the client; the
/// bank's allow nothing. False where the port is not to be had.
fn serve_names(key: &str) -> bool {
    let Ok(socket) = UdpSocket::bind((NAME_SERVER, 53)) else { return false };
    let key = format!("v=DKIM1; k=rsa; p={key}");
    std::thread::spawn(move || {
        let mut query = [0; 4096];
        while let Ok((length, client)) = socket.recv_from(&mut query) {
            let answer = query.get(..length).and_then(|query| answer(query, &key));
            if let Some(answer) = answer {
                let _ = socket.send_to(&answer, client);
            }
        }
    });
    true
}

/// RFC 1035 §4.1
fn answer(query: &[u8], key: &str) -> Option<Vec<u8>> {
    let (mut at, mut labels) = (12, Vec::new());
    while *query.get(at)? != 0 {
        let end = at + 1 + usize::from(query[at]);
        labels.push(String::from_utf8_lossy(query.get(at + 1..end)?).to_ascii_lowercase());
        at = end;
    }
    let name = labels.join(".");
    let kind = u16::from_be_bytes([*query.get(at + 1)?, *query.get(at + 2)?]);
    let is_bank = name == "bank.example" || name.ends_with(".bank.example");
    let text = match () {
        () if !name.ends_with(".example") => None,
        () if name.starts_with("_dmarc.") => Some("v=DMARC1; p=none"),
        () if name.contains("._domainkey.") => Some(key).filter(|_| !is_bank),
        () if is_bank => Some("v=spf1 -all"),
        () => Some("v=spf1 ip4:203.0.113.9 -all"),
    };
    let data = match (kind, text) {
        (16, Some(text)) => text
            .as_bytes()
            .chunks(255)
            .flat_map(|part| [&[part.len() as u8][..], part].concat())
            .collect(),
        (1, _) if name.ends_with(".example") => vec![203, 0, 113, 9],
        _ => Vec::new(),
    };
    let mut answer = query.get(..2)?.to_vec();
    answer.extend([0x85, 0x80, 0, 1, 0, u8::from(!data.is_empty()), 0, 0, 0, 0]);
    answer.extend(query.get(12..at + 5)?);
    if !data.is_empty() {
        answer.extend([0xc0, 0x0c]);
        answer.extend(kind.to_be_bytes());
        answer.extend([0, 1, 0, 0, 0, 60]);
        answer.extend((data.len() as u16).to_be_bytes());
        answer.extend(data);
    }
    Some(answer)
}

fn openssl(home: &Home, arguments: &[&str], input: &[u8]) -> Vec<u8> {
    let mut child = Command::new("openssl")
        .args(arguments)
        .current_dir(home.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("openssl starts");
    child.stdin.take().expect("asked for").write_all(input).expect("written");
    child.wait_with_output().expect("it ends").stdout
}

/// A DKIM-Signature, simple/simple, with these tags: RFC 6376 §3.
fn signature(home: &Home, tags: &str, headers: &[String]) -> String {
    let hash = BASE64.encode(&Sha256::digest(BODY));
    let names: Vec<&str> = headers.iter().filter_map(|header| header.split(':').next()).collect();
    let names = names.join(":");
    let head = format!(
        "DKIM-Signature: v=1; a=rsa-sha256; c=simple/simple; {tags};\r\n\th={names};\r\n\tbh={hash}; b="
    );
    let signed: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
    let signed = signed + &head;
    let sealed = openssl(home, &["dgst", "-sha256", "-sign", "key.pem"], signed.as_bytes());
    head + &BASE64.encode(&sealed)
}

/// A milter as Postfix uses it: what it inserts, topmost first.
fn milter(port: u16, helo: &str, sender: &str, headers: &[String]) -> Vec<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("the milter listens");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a limit");
    send(&mut stream, b'O', &[6_u32, 0x1ff, 0].map(u32::to_be_bytes).concat());
    let (_, options) = receive(&mut stream);
    let word: [u8; 4] = options[8..12].try_into().expect("four bytes");
    let protocol = u32::from_be_bytes(word);
    // What it does not want to be told, and what it does not answer.
    let mut step = |command: u8, without: u32, silent: u32, data: &[u8]| {
        if protocol & without == 0 {
            send(&mut stream, command, data);
            if protocol & silent == 0 {
                let (answer, _) = receive(&mut stream);
                assert_eq!(char::from(answer), 'c', "{}", char::from(command));
            }
        }
    };
    let client = [b"out.evil.example\x004\x04\xd2", CLIENT.as_bytes(), b"\0"].concat();
    step(b'C', 0x1, 0x1000, &client);
    step(b'H', 0x2, 0x2000, format!("{helo}\0").as_bytes());
    step(b'M', 0x4, 0x4000, format!("<{sender}>\0").as_bytes());
    step(b'R', 0x8, 0x8000, b"<taro@example.jp>\0");
    step(b'T', 0x200, 0x10000, b"");
    for header in headers {
        let (name, value) = header.split_once(':').expect("a header");
        let value = value.trim_start().replace("\r\n", "\n");
        step(b'L', 0x20, 0x80, format!("{name}\0{value}\0").as_bytes());
    }
    step(b'N', 0x40, 0x40000, b"");
    step(b'B', 0x10, 0x80000, BODY.as_bytes());
    send(&mut stream, b'E', b"");
    let mut inserted = Vec::new();
    loop {
        let (command, data) = receive(&mut stream);
        let skipped = match command {
            b'i' => 4,
            b'h' => 0,
            b'p' => continue,
            b'c' | b'a' => return inserted,
            other => panic!("the milter says {}", char::from(other)),
        };
        let text = String::from_utf8_lossy(&data[skipped..]).into_owned();
        let mut parts = text.split('\0');
        let (name, value) = (parts.next().expect("a name"), parts.next().expect("a value"));
        // As MTAs do, lest a line break begin a header.
        let lines: Vec<&str> = value.split(['\r', '\n']).map(str::trim_start).collect();
        let header = format!("{name}: {}", lines.join("\r\n\t"));
        inserted.insert(if command == b'i' { 0 } else { inserted.len() }, header);
    }
}

fn send(stream: &mut TcpStream, command: u8, data: &[u8]) {
    let length = (data.len() as u32 + 1).to_be_bytes();
    stream.write_all(&[&length[..], &[command], data].concat()).expect("the milter reads");
}

fn receive(stream: &mut TcpStream) -> (u8, Vec<u8>) {
    let mut length = [0; 4];
    stream.read_exact(&mut length).expect("the milter answers");
    let mut data = vec![0; u32::from_be_bytes(length) as usize];
    stream.read_exact(&mut data).expect("the milter answers");
    (data.remove(0), data)
}

/// A program that asks the test's name server, by a resolv.conf of its own.
fn among_names(home: &Home, program: &str, arguments: &[&str]) -> Command {
    let script = "mount --bind resolv.conf /etc/resolv.conf && exec \"$@\"";
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", script, "sh", program]).args(arguments);
    command.current_dir(home.path());
    command
}

fn daemon(home: &Home, program: &str, configuration: impl FnOnce(u16) -> String) -> (Daemon, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    drop(listener);
    let name = Path::new(program).file_name().expect("a name").to_string_lossy().into_owned();
    let file = format!("{name}.conf");
    home.write(&file, configuration(port));
    let option = if name == "opendkim" { "-x" } else { "-c" };
    let mut command = among_names(home, program, &["-f", option, &file]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let daemon = Daemon(command.spawn().expect("it starts"));
    wait_for(&name, || TcpStream::connect(("127.0.0.1", port)).ok());
    (daemon, port)
}

/// What the policy server has Postfix put in front.
fn policyd(home: &Home, kind: &str, helo: &str, sender: &str) -> String {
    home.write(
        "policyd.conf",
        format!(
            "debugLevel = 0\nTestOnly = 1\nHELO_reject = False\nMail_From_reject = False\n\
             Header_Type = {kind}\nAuthserv_Id = mx.example.jp\n"
        ),
    );
    let sender = sender.replace('"', "");
    let request = format!(
        "request=smtpd_access_policy\nprotocol_state=RCPT\nprotocol_name=SMTP\nhelo_name={helo}\n\
         queue_id=4A1\nsender={sender}\nrecipient=taro@example.jp\nclient_address={CLIENT}\n\
         client_name=out.evil.example\ninstance=1\n\n"
    );
    let told = run(among_names(home, "policyd-spf", &["policyd.conf"]), request.as_bytes());
    let line = told.stdout.lines().find_map(|line| line.strip_prefix("action=prepend "));
    line.unwrap_or_else(|| panic!("{told:?}")).to_owned()
}

const CONDITIONS: [&str; 5] = [
    "verified",
    "dmarc is pass",
    "spf.domain is \"@.bank.example\"",
    "dkim.domain is \"@.bank.example\"",
    "spf is pass and spf.domain is \"bank.example\"",
];

/// Which of [`CONDITIONS`] hold, with a forged header below.
fn holding(home: &Home, sender: &str, message: &str) -> Vec<&'static str> {
    let rules: String = (0..)
        .zip(CONDITIONS)
        .map(|(at, each)| format!("when {each} -> copy \"f{at}\"\n"))
        .collect();
    home.write(".mailrules", format!("set trust [\"mx.example.jp\"]\n{rules}"));
    home.write("message", message);
    let path = home.path().join("message").display().to_string();
    let told = home.run(&["--test", "--json", "-f", sender, &path], b"");
    assert_eq!(told.code, Some(0), "{told:?}");
    let holds = |at: &usize| told.stdout.contains(&format!("\"f{at}\""));
    (0..CONDITIONS.len()).filter(holds).map(|at| CONDITIONS[at]).collect()
}

fn border(helo: &str) -> String {
    format!(
        "Received: from {helo} (out.evil.example [{CLIENT}])\r\n\tby mx.example.jp (Postfix) with \
         ESMTPS id 4A1\r\n\tfor <taro@example.jp>; Fri, 27 Nov 2026 10:00:00 +0900 (JST)\r\n"
    )
}

/// The headers of a border, above and directly below its Received line.
fn layouts(printed: &[String], helo: &str, message: &[String]) -> [String; 2] {
    let printed: String = printed.iter().map(|header| format!("{header}\r\n")).collect();
    // Where the border writes no Authentication-Results, `set trust` may not
    // name it: then the sender's own would be believed.
    let is_ar = printed.contains("Authentication-Results");
    let forged = "Authentication-Results: mx.example.jp; dmarc=pass header.from=bank.example;\r\n\
        \tspf=pass smtp.mailfrom=bank.example; dkim=pass header.d=bank.example\r\n";
    let forged = if is_ar { forged } else { "" };
    let message: String = message.iter().map(|header| format!("{header}\r\n")).collect();
    let border = border(helo);
    [
        format!("{printed}{border}{forged}{message}\r\n{BODY}"),
        format!("{border}{printed}{forged}{message}\r\n{BODY}"),
    ]
}

fn headers(from: &str) -> Vec<String> {
    let from = format!("From: {from}");
    let rest = ["To: taro@example.jp", "Subject: notice", "Message-ID: <x@evil.example>"];
    std::iter::once(from).chain(rest.map(str::to_owned)).collect()
}

const PLAIN: &str = "d=evil.example; s=sel";

#[test]
fn what_the_sender_says_is_not_believed() {
    let programs =
        ["/usr/sbin/opendkim", "/usr/sbin/opendmarc", "/usr/bin/policyd-spf", "/usr/bin/openssl"];
    if skipped("the test with OpenDKIM, OpenDMARC and policyd-spf", &programs, false) {
        return;
    }
    let home = Home::new();
    home.write("resolv.conf", format!("nameserver {NAME_SERVER}\n"));
    openssl(&home, &["genrsa", "-out", "key.pem", "2048"], b"");
    let public = openssl(&home, &["rsa", "-in", "key.pem", "-pubout"], b"");
    let public = String::from_utf8(public).expect("it is text");
    let key: String = public.lines().filter(|line| !line.starts_with('-')).collect();
    let is_root = rustix::process::geteuid().is_root();
    if !is_root || !serve_names(&key) {
        eprintln!("skipped: what the sender says: needs root and a name server's port");
        return;
    }
    let (_opendkim, dkim) = daemon(&home, programs[0], |port| {
        format!(
            "Syslog no\nMode v\nSocket inet:{port}@127.0.0.1\nAuthservID mx.example.jp\n\
             Nameservers {NAME_SERVER}\nAlwaysAddARHeader yes\n"
        )
    });
    let (_opendmarc, dmarc) = daemon(&home, programs[1], |port| {
        format!(
            "Syslog false\nSocket inet:{port}@127.0.0.1\nAuthservID mx.example.jp\n\
             TrustedAuthservIDs mx.example.jp\nSPFSelfValidate true\nSPFIgnoreResults true\n\
             RejectFailures false\nUserID root\n"
        )
    });
    let bank = "Bank <info@bank.example>";
    let replayed = "DKIM-Signature: v=1; a=rsa-sha256; d=bank.example; s=sel; h=from; bh=AAAA; \
        b=bankbankbank";
    let smuggled = "a=3Bdmarc=3Dpass=20header.from=3Dbank.example=3Bdkim=3Dpass=20header.d=3D\
        bank.example=20header.b=3Dbankbank=20header.i=3D@evil.example";
    let hostile: [(&str, &str, String, &str); 14] = [
        (bank, "mail.evil.example", format!("{PLAIN}; i={smuggled}"), "x@evil.example"),
        (bank, "mail.evil.example", format!("{PLAIN}; i=a=28@evil.example"), "x@evil.example"),
        (bank, "mail.evil.example", format!("{PLAIN}; i=a=22b@evil.example"), "x@evil.example"),
        (
            bank,
            "mail.evil.example",
            format!(
                "{PLAIN}; i=a=0D=0AAuthentication-Results:=20mx.example.jp=3Bdmarc=3Dpass@evil.example"
            ),
            "x@evil.example",
        ),
        (bank, "mail.evil.example", format!("{PLAIN} header.d=bank.example"), "x@evil.example"),
        (bank, "x;dmarc=pass header.from=bank.example", PLAIN.to_owned(), ""),
        (bank, "x) smtp.mailfrom=bank.example (", PLAIN.to_owned(), "x@evil.example"),
        (bank, "x; envelope-from=x@bank.example; y", PLAIN.to_owned(), "x@evil.example"),
        (bank, "mail.evil.example", PLAIN.to_owned(), "\"x@bank.example\"@evil.example"),
        (
            bank,
            "mail.evil.example",
            PLAIN.to_owned(),
            "\"a;dmarc=pass header.from=bank.example;x\"@evil.example",
        ),
        (
            bank,
            "mail.evil.example",
            PLAIN.to_owned(),
            "\"a) smtp.mailfrom=x@bank.example (\"@evil.example",
        ),
        (
            bank,
            "mail.evil.example",
            PLAIN.to_owned(),
            "\"x@bank.example (x) policy.y=\"@evil.example",
        ),
        ("<info@bank.example;x.evil.example>", "pc", PLAIN.to_owned(), "x@evil.example"),
        (
            "<info@bank.example(x).evil.example>, <info@bank.example>",
            "pc",
            PLAIN.to_owned(),
            "x@evil.example",
        ),
    ];
    let print = |from: &str, helo: &str, tags: &str, sender: &str, replayed: Option<&str>| {
        let mut message = headers(from);
        let signed = signature(&home, tags, &message);
        message.insert(0, signed);
        message.splice(0..0, replayed.map(str::to_owned));
        let dkim = milter(dkim, helo, sender, &message);
        let seen: Vec<String> = dkim.iter().chain(&message).cloned().collect();
        let dmarc = milter(dmarc, helo, sender, &seen);
        let by_milters: Vec<String> = dmarc.iter().chain(&dkim).cloned().collect();
        let spf = ["AR", "SPF"].map(|kind| vec![policyd(&home, kind, helo, sender)]);
        let [ar, spf] = spf;
        let all = [ar.clone(), dkim].concat();
        (message, [by_milters, ar, spf, all])
    };
    let mut wrong = Vec::new();
    for (from, helo, tags, sender) in &hostile {
        let (message, printed) = print(from, helo, tags, sender, Some(replayed));
        for printed in &printed {
            for text in layouts(printed, helo, &message) {
                let holds = holding(&home, sender, &text);
                if !holds.is_empty() && (holds != ["dmarc is pass"] || from.contains("bank")) {
                    wrong.push(format!("{holds:?}:\n{text}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} are believed:\n{}", wrong.len(), wrong.join("\n---\n"));
    for (from, tags, sender) in [
        ("Honest <a@honest.example>", "d=honest.example; s=sel", "a@honest.example"),
        (
            "\"Honest, Inc. (x)\" <a@honest.example>",
            "d=honest.example; s=sel; i=a=2Bb@honest.example",
            "bounce+taro=example.jp@honest.example",
        ),
    ] {
        let (message, printed) = print(from, "mail.honest.example", tags, sender, None);
        for printed in &printed {
            // Received-SPF names nobody, so it counts above the line alone.
            let layouts = layouts(printed, "mail.honest.example", &message);
            let is_spf = printed[0].starts_with("Received-SPF");
            for text in layouts.iter().take(if is_spf { 1 } else { 2 }) {
                let holds = holding(&home, sender, text);
                assert!(holds.contains(&"verified"), "{text}");
            }
        }
    }
}
