//! An IMAP server sends any bytes while mail is handed over to it, some after each
//! command: a copy counts as stored only after an `OK` to its `APPEND`, and nothing
//! exceeds its time limit.

#![no_main]

use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

use libfuzzer_sys::fuzz_target;
use mfilter::flags::Flags;
use mfilter::hand_over::address::{ImapAddress, StoreAddress, StorePlace};
use mfilter::hand_over::{CopyToStore, HandOver, HandOverNotes, MailStore};
use mfilter::message::Message;
use mfilter::plan::Folder;

/// How many commands it waits for.
const PIECES: usize = 24;

/// A server that sends what the input contains next.
struct Server {
    address: ImapAddress,
    /// What it sends; each piece waits for a command.
    said: Sender<Vec<u8>>,
    /// What it received.
    heard: Receiver<Vec<u8>>,
}

fn server() -> &'static Mutex<Server> {
    static SERVER: OnceLock<Mutex<Server>> = OnceLock::new();
    SERVER.get_or_init(|| {
        let directory = PathBuf::from(format!(
            "{}/mfilter-append-{}",
            std::env::temp_dir().display(),
            std::process::id()
        ));
        std::fs::create_dir_all(&directory).expect("made");
        let (socket, password_file) = (directory.join("imap"), directory.join("password"));
        std::fs::write(&password_file, "secret\n").expect("written");
        let private = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(&password_file, private).expect("set");
        let _ = std::fs::remove_file(&socket);
        let listener = UnixListener::bind(&socket).expect("a socket");
        let (said, to_say) = channel::<Vec<u8>>();
        let (told, heard) = channel();
        std::thread::spawn(move || {
            for script in to_say {
                let (stream, _) = listener.accept().expect("a client");
                let all = serve(stream, &script);
                if told.send(all).is_err() {
                    return;
                }
            }
        });
        let place = StorePlace::Unix(socket);
        let address = ImapAddress { place, login: "mfilter".into(), password_file };
        Mutex::new(Server { address, said, heard })
    })
}

/// Says the pieces of a script; returns everything that the client said.
fn serve(mut stream: UnixStream, script: &[u8]) -> Vec<u8> {
    let mut all = Vec::new();
    // If each waits for the other, the server continues.
    stream.set_read_timeout(Some(Duration::from_millis(2))).expect("set");
    for (number, piece) in script.splitn(PIECES, |byte| *byte == 0).enumerate() {
        if number > 0 {
            let mut buffer = [0; 4096];
            match stream.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => all.extend_from_slice(&buffer[..count]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(_) => break,
            }
        }
        if stream.write_all(piece).is_err() {
            break;
        }
    }
    let _ = stream.shutdown(Shutdown::Write);
    stream.set_read_timeout(None).expect("set");
    let _ = stream.read_to_end(&mut all);
    all
}

#[derive(Default)]
struct Notes {
    stored: Vec<usize>,
    attempts: Vec<(usize, String)>,
}

impl HandOverNotes for Notes {
    fn note_stored(&mut self, copy: usize) {
        self.stored.push(copy);
    }

    fn attempt(&self, copy: usize) -> Option<String> {
        // The first one belongs to an earlier try.
        (copy == 0).then(|| "7 9 11 11 00112233445566778899aabbccddeeff INBOX".into())
    }

    fn note_attempt(&mut self, copy: usize, note: &str) {
        assert!(!note.contains('\n'), "{note}");
        self.attempts.push((copy, note.to_owned()));
    }
}

fuzz_target!(|data: &[u8]| {
    let server = server().lock().expect("no panic");
    server.said.send(data.to_vec()).expect("it listens");
    let store = MailStore::new(StoreAddress::Imap(server.address.clone()));
    let message = Message::from_bytes(b"A: b\n\nc\n".to_vec());
    let folders = [Folder::default(), Folder { parts: vec!["A".into(), "花".into()] }];
    let flags = Flags { letters: "S".into(), keywords: vec!["$W".into()] };
    let copies: Vec<CopyToStore<'_>> = folders
        .iter()
        .map(|folder| CopyToStore { id: "", folder, flags: &flags, message: &message, edits: &[] })
        .collect();
    let all = HandOver { mailbox: "a@b.example", sender: "", copies: &copies, subscribe: true };
    let (start, mut notes) = (Instant::now(), Notes::default());
    let done = store
        .stage(&all, start + Duration::from_secs(2))
        .and_then(|mut staged| staged.commit(&mut notes));
    assert!(start.elapsed() < Duration::from_secs(8), "it has an end");
    drop(store);
    let heard = server.heard.recv().expect("it heard something");
    assert_eq!(done.is_ok(), notes.stored.len() == copies.len());
    // Only what we send: lines of ASCII, and the messages.
    assert!(heard.iter().all(|byte| matches!(byte, b'\r' | b'\n' | b' '..=b'~')));
    let appends = heard.windows(7).filter(|seven| seven == b"APPEND ").count();
    // The first may have been found.
    let found = heard.windows(10).filter(|ten| ten == b"UID FETCH ").count().min(1);
    assert!(notes.stored.len() <= appends + found);
    let yes = data.to_ascii_uppercase();
    let yes = yes.windows(3).filter(|three| three == b" OK").count();
    assert!(notes.stored.len() <= yes);
});
