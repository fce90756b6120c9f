//! A milter's side of Postfix: what it is told of a message, what it inserts.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use super::{BODY, CLIENT};

/// A milter as Postfix uses it: what it inserts, topmost first.
pub fn insert(port: u16, helo: &str, sender: &str, headers: &[String]) -> Vec<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("the milter listens");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a limit");
    send(&mut stream, b'O', &[6_u32, 0x1ff, 0].map(u32::to_be_bytes).concat());
    let (_, options) = receive(&mut stream);
    let word: [u8; 4] = options[8..12].try_into().expect("four bytes");
    let protocol = u32::from_be_bytes(word);
    // The macro that Postfix tells of itself: its name, which rspamd writes.
    send(&mut stream, b'D', b"Cj\0mx.example.jp\0");
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
            // It takes headers out that were forged; others do not.
            b'p' | b'm' => continue,
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
