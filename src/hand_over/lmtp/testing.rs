//! A store for tests: it speaks LMTP on a socket, behaves as instructed, and keeps what
//! it accepts.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::hand_over::MailStore;
use crate::hand_over::address::StoreAddress;

/// A transaction that was accepted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct TestTransaction {
    pub(crate) mail: String,
    pub(crate) recipients: Vec<String>,
    /// Between `DATA` and the dot, as it was sent.
    pub(crate) content: String,
}

/// How a store behaves.
#[derive(Clone)]
pub(crate) struct Behaviour {
    pub(crate) offers: &'static str,
    /// The connection is closed when it has sent this many bytes.
    pub(crate) says: usize,
    /// It falls silent when it has sent this many bytes.
    pub(crate) stalls: usize,
    /// What it says to a command (`greeting`, `LHLO x`, …, `.` for each recipient)
    /// instead of yes.
    pub(crate) answer: fn(&str, usize) -> Option<String>,
}

impl Default for Behaviour {
    fn default() -> Behaviour {
        Behaviour {
            offers: "PIPELINING,8BITMIME",
            says: usize::MAX,
            stalls: usize::MAX,
            answer: |_, _| None,
        }
    }
}

/// A store that lives as long as the value.
pub(crate) struct TestStore {
    pub(crate) store: MailStore,
    transactions: Arc<Mutex<Vec<TestTransaction>>>,
    _directory: tempfile::TempDir,
}

impl TestStore {
    pub(crate) fn start(behaviour: Behaviour) -> TestStore {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("lmtp");
        let listener = UnixListener::bind(&path).unwrap();
        let transactions = Arc::new(Mutex::new(Vec::new()));
        let notes = Arc::clone(&transactions);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (behaviour, notes) = (behaviour.clone(), Arc::clone(&notes));
                std::thread::spawn(move || serve(stream, &behaviour, &notes));
            }
        });
        let address = format!("lmtp:unix:{}", path.display()).parse().unwrap();
        let store = MailStore::new(StoreAddress::Lmtp(address));
        TestStore { store, transactions, _directory: directory }
    }

    pub(crate) fn transactions(&self) -> Vec<TestTransaction> {
        self.transactions.lock().unwrap().clone()
    }
}

struct ReplyWriter<'b> {
    stream: UnixStream,
    sent: usize,
    behaviour: &'b Behaviour,
}

impl ReplyWriter<'_> {
    fn say(&mut self, text: &str) -> std::io::Result<()> {
        if self.behaviour.says.min(self.behaviour.stalls) == usize::MAX {
            // All at once, so that a client that reads the first line has all of them.
            return self.stream.write_all(text.as_bytes());
        }
        for byte in text.bytes() {
            if self.sent == self.behaviour.stalls {
                // The client should close first.
                self.stream.set_read_timeout(Some(Duration::from_secs(30)))?;
                let mut rest = Vec::new();
                let _ = self.stream.read_to_end(&mut rest);
            }
            if self.sent >= self.behaviour.says.min(self.behaviour.stalls) {
                return Err(std::io::ErrorKind::BrokenPipe.into());
            }
            self.stream.write_all(&[byte])?;
            self.sent += 1;
        }
        Ok(())
    }

    fn answer(&mut self, command: &str, number: usize, yes: &str) -> std::io::Result<bool> {
        let answer = (self.behaviour.answer)(command, number);
        let is_yes = answer.is_none();
        self.say(answer.as_deref().unwrap_or(yes))?;
        Ok(is_yes)
    }
}

fn serve(
    stream: UnixStream,
    behaviour: &Behaviour,
    notes: &Mutex<Vec<TestTransaction>>,
) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut replies = ReplyWriter { stream, sent: 0, behaviour };
    replies.answer("greeting", 0, "220 here\r\n")?;
    let mut now = TestTransaction::default();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        if !behaviour.offers.contains("PIPELINING") && !reader.buffer().is_empty() {
            replies.say("503 5.5.1 one at a time\r\n")?;
            return Ok(());
        }
        let line = line.trim_end();
        match line.split(' ').next().unwrap_or_default() {
            "LHLO" => {
                let offers = behaviour.offers.split(',');
                let lines: String = offers.map(|offer| format!("250-{offer}\r\n")).collect();
                replies.answer(line, 0, &format!("250-here\r\n{lines}250 HELP\r\n"))?;
            }
            "MAIL" => {
                now = TestTransaction { mail: line.to_owned(), ..TestTransaction::default() };
                replies.answer(line, 0, "250 2.1.0 OK\r\n")?;
            }
            "RCPT" => {
                if replies.answer(line, now.recipients.len(), "250 2.1.5 OK\r\n")? {
                    now.recipients.push(line.to_owned());
                }
            }
            "DATA" => {
                replies.answer(line, 0, "354 go\r\n")?;
                loop {
                    let mut line = Vec::new();
                    if reader.read_until(b'\n', &mut line)? == 0 {
                        return Ok(());
                    }
                    if line == b".\r\n" {
                        break;
                    }
                    now.content.push_str(&String::from_utf8_lossy(&line));
                }
                let mut transaction = TestTransaction { recipients: Vec::new(), ..now.clone() };
                for (number, recipient) in now.recipients.iter().enumerate() {
                    if (behaviour.answer)(".", number).is_none() {
                        transaction.recipients.push(recipient.clone());
                    }
                }
                notes.lock().unwrap().push(transaction);
                for number in 0..now.recipients.len() {
                    replies.answer(".", number, "250 2.0.0 Saved\r\n")?;
                }
            }
            "QUIT" => return replies.say("221 bye\r\n"),
            _ => {
                replies.answer(line, 0, "250 OK\r\n")?;
            }
        }
    }
}
