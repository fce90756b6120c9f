//! A client of the LMTP server sends any bytes, in pieces of any size: each command has
//! one answer, each message as many as it has recipients, no answer contains what would
//! end it early, and the same bytes have the same result however they are split.

#![no_main]

use std::io::{self, Read, Write};
use std::sync::Mutex;
use std::time::Instant;

use libfuzzer_sys::fuzz_target;
use mfilter::lmtp::accounts::{Account, Recipient, Unavailable};
use mfilter::lmtp::reply::LmtpReply;
use mfilter::lmtp::session::{self, Addressee, Envelope, LmtpPeer, PeerState, Service, SessionLimits};
use mfilter::lmtp::spool::MessageData;

struct Script<'d> {
    input: &'d [u8],
    size: usize,
    output: Vec<u8>,
}

impl Read for Script<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.input.len().min(self.size).min(buffer.len());
        let (now, later) = self.input.split_at(count);
        buffer[..count].copy_from_slice(now);
        self.input = later;
        Ok(count)
    }
}

impl Write for Script<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.output.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl LmtpPeer for Script<'_> {
    fn wait(&mut self, _: bool) -> io::Result<PeerState> {
        Ok(PeerState::Input)
    }
}

#[derive(Default)]
struct Mailboxes {
    delivered: Mutex<Vec<(Addressee, Vec<u8>)>>,
}

impl Service for Mailboxes {
    fn limits(&self) -> SessionLimits {
        SessionLimits { delimiter: "+".into(), message_size: 10_000, recipients: 5 }
    }

    fn find(&self, recipient: &Recipient) -> Result<Option<Account>, Unavailable> {
        assert!(!recipient.local.contains(char::is_control));
        match recipient.local.len() % 4 {
            0 => Ok(None),
            1 => Err(Unavailable("away".into())),
            _ => Ok(Some(Account {
                name: recipient.local.clone(),
                home: "/nonexistent".into(),
                uid: 1,
                gid: 1,
            })),
        }
    }

    fn deliver(
        &self,
        envelope: &Envelope,
        to: &Addressee,
        message: &MessageData,
        _: Instant,
    ) -> LmtpReply {
        assert!(!envelope.sender.contains(char::is_control));
        assert!(!to.recipient.contains(char::is_control));
        let MessageData::Memory(bytes) = message else { panic!("it is small") };
        assert!(bytes.is_empty() || bytes.ends_with(b"\n"));
        self.delivered.lock().expect("no panic").push((to.clone(), bytes.clone()));
        LmtpReply::new(250, "2.1.5 Delivered")
    }

    fn was_unheard(&self, _: &Envelope, _: &Addressee, _: &MessageData) {}

    fn was_not_taken(&self, _: &Envelope, _: &[Addressee], size: u64, reply: &LmtpReply) {
        assert!(size > 10_000 && reply.code == 552);
    }

    fn is_ending(&self) -> bool {
        false
    }
}

fn play(input: &[u8], size: usize) -> (Vec<u8>, Vec<(Addressee, Vec<u8>)>) {
    let service = Mailboxes::default();
    let mut client = Script { input, size, output: Vec::new() };
    let _ = session::run(&service, &mut client);
    (client.output, service.delivered.into_inner().expect("no panic"))
}

fuzz_target!(|data: &[u8]| {
    let Some((size, data)) = data.split_first() else { return };
    let (output, delivered) = play(data, usize::from(*size) + 1);
    let text = String::from_utf8(output).expect("answers are text");
    for line in text.split_inclusive("\r\n") {
        assert!(line.ends_with("\r\n") && line.len() <= 512, "{line:?}");
        assert!(!line.trim_end_matches("\r\n").contains(char::is_control), "{line:?}");
        let code: u16 = line[..3].parse().expect("a code");
        assert!((220..=555).contains(&code), "{line:?}");
    }
    let done = text.lines().filter(|line| *line == "250 2.1.5 Delivered").count();
    assert_eq!(done, delivered.len());
    let ends = data.windows(3).filter(|three| three == b".\r\n").count();
    let messages = text.lines().filter(|line| line.starts_with("354")).count();
    assert!(delivered.is_empty() || ends > 0 && messages > 0);
    assert_eq!(play(data, 1 << 20), (text.into_bytes(), delivered));
});
