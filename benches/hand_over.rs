//! What handing a message over to another store costs us, by LMTP and by IMAP: processor
//! time of the thread that does it, with a store that accepts everything. The store's own
//! time is not included.
//!
//! `cargo bench --bench hand_over`

#![allow(clippy::print_stdout)]

use std::fs::Permissions;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::{Duration, Instant};

use mfilter::deliver::context::DeliveryContext;
use mfilter::deliver::{RemoteMailbox, Store, deliver};
use mfilter::flags::Flags;
use mfilter::hand_over::MailStore;
use mfilter::hand_over::address::{ImapAddress, StoreAddress, StorePlace};
use mfilter::message::Message;
use mfilter::outcome::Outcome;
use mfilter::plan::{DeliveryWord, Folder, Plan, Step, StepKind};
use mfilter::rules::program::OverQuota;
use mfilter::state::StateDir;
use rustix::time::{ClockId, clock_gettime};

use self::imap_store::{ImapBehaviour, ImapStore};

#[allow(dead_code, clippy::unwrap_used, clippy::indexing_slicing)]
#[path = "../tests/support/imap_store.rs"]
mod imap_store;

const ROUNDS: usize = 2000;

fn main() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("lmtp");
    let listener = UnixListener::bind(&path).expect("a socket");
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let _ = serve(stream);
        }
    });
    let address = format!("lmtp:unix:{}", path.display()).parse().expect("a store");
    let over_lmtp = MailStore::new(StoreAddress::Lmtp(address));
    let server = ImapStore::start(ImapBehaviour::default());
    let password_file = directory.path().join("password");
    std::fs::write(&password_file, "secret\n").expect("written");
    std::fs::set_permissions(&password_file, Permissions::from_mode(0o600)).expect("private");
    let place = StorePlace::Unix(server.socket());
    let address = ImapAddress { place, login: "mfilter".into(), password_file };
    let over_imap = MailStore::new(StoreAddress::Imap(address));
    println!("processor time of a hand-over, µs, mean of {ROUNDS}");
    for (protocol, store) in [("LMTP", &over_lmtp), ("IMAP", &over_imap)] {
        // A journal for each store.
        let state = StateDir::at(directory.path().join(protocol));
        measure(protocol, store, &state);
    }
}

fn measure(protocol: &str, store: &MailStore, state: &StateDir) {
    for (what, folders, size) in [
        ("2 KB, one folder", &["A"][..], 2 << 10),
        ("2 KB, a name beyond ASCII", &["迷惑メール"], 2 << 10),
        ("2 KB, three copies", &["A", "B", "C"], 2 << 10),
        ("100 KB, one folder", &["A"], 100 << 10),
    ] {
        let plan = plan(folders);
        let hand_over = |number: usize| {
            let text = format!("Subject: {number}\n\n{}", "0123456 89abcdef\n".repeat(size / 17));
            let message = Message::from_bytes(text.into_bytes());
            let deadline = Instant::now() + Duration::from_secs(60);
            let state = Some(state.clone());
            let reach = DeliveryContext { state, deadline, ..DeliveryContext::nothing() };
            let over_quota = OverQuota::Temporary;
            let address = "taro@x.example";
            let mailbox = RemoteMailbox { store, address, over_quota, subscribe: true };
            let before = now();
            let report = deliver(&plan, &[&message], Store::Remote(mailbox), &reach);
            assert_eq!(report.outcome, Outcome::Delivered);
            now() - before
        };
        hand_over(ROUNDS);
        let all: Duration = (0..ROUNDS).map(hand_over).sum();
        println!("{protocol}, {what:30} {:6.0}", all.as_secs_f64() * 1e6 / ROUNDS as f64);
    }
}

fn now() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

fn plan(folders: &[&str]) -> Plan {
    let step = |(number, name): (usize, &&str)| {
        let is_last = number + 1 == folders.len();
        let as_ = if is_last { DeliveryWord::Folder } else { DeliveryWord::Copy };
        let flags = Flags { letters: "S".into(), keywords: Vec::new() };
        let folder = Folder { parts: vec![name.to_string()] };
        Step { kind: StepKind::Deliver { as_, folder, flags }, rule: None }
    };
    Plan { steps: folders.iter().enumerate().map(step).collect() }
}

fn serve(stream: UnixStream) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut stream = stream;
    stream.write_all(b"220 here\r\n")?;
    let mut recipients = 0;
    let mut line = String::new();
    loop {
        line.clear();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        match line.get(..4) {
            Some("LHLO") => stream.write_all(b"250-here\r\n250-8BITMIME\r\n250 PIPELINING\r\n")?,
            Some("DATA") => {
                stream.write_all(b"354 go\r\n")?;
                while line != ".\r\n" {
                    line.clear();
                    reader.read_line(&mut line)?;
                }
                for _ in 0..std::mem::take(&mut recipients) {
                    stream.write_all(b"250 2.0.0 Saved\r\n")?;
                }
            }
            Some("QUIT") => return stream.write_all(b"221 bye\r\n"),
            Some(command) => {
                recipients += usize::from(command == "RCPT");
                stream.write_all(b"250 OK\r\n")?;
            }
            None => return Ok(()),
        }
    }
}
