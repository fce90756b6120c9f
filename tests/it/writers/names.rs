//! A name server of the test's own, with a key for signatures.

use std::io::Write;
use std::net::UdpSocket;
use std::process::{Command, Stdio};

use data_encoding::BASE64;
use sha2::{Digest, Sha256};

use super::BODY;
use crate::support::{Home, skipped};

/// Puts a key into the home and has a name server tell its public half, at this
/// loopback address, to who reads the home's `resolv.conf`. False, which is
/// said, where a program is missing or there cannot be one.
pub fn serve(test: &str, home: &Home, address: &str, programs: &[&str]) -> bool {
    if skipped(test, programs, true) || skipped(test, &["/usr/bin/openssl"], true) {
        return false;
    }
    home.write("resolv.conf", format!("nameserver {address}\n"));
    openssl(home, &["genrsa", "-out", "key.pem", "2048"], b"");
    let public = openssl(home, &["rsa", "-in", "key.pem", "-pubout"], b"");
    let public = String::from_utf8(public).expect("it is text");
    let key: String = public.lines().filter(|line| !line.starts_with('-')).collect();
    let is_there = answer_all(address, &key);
    if !is_there {
        eprintln!("skipped: {test} needs a name server's port");
    }
    is_there
}

/// Answers for `example`: each name has this key, and allows the client; the
/// bank's allow nothing. False where the port is not to be had.
fn answer_all(address: &str, key: &str) -> bool {
    let Ok(socket) = UdpSocket::bind((address, 53)) else { return false };
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
pub fn signature(home: &Home, tags: &str, headers: &[String]) -> String {
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
