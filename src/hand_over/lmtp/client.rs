//! The client side of LMTP: the greeting, what the store offers, and transactions.

use std::io::{self, ErrorKind};
use std::time::{Duration, Instant};

use super::super::HandOverError;
use super::super::address::StorePlace;
use super::super::content::WireContent;
use super::super::wire::{Wire, describe};
use super::reply::StoreReply;

/// Time limit for connecting.
const CONNECT: Duration = Duration::from_secs(5);
/// Time limit for the greeting, and for the reply to `LHLO`.
const GREETING: Duration = Duration::from_secs(30);
/// Time limit for the replies to `MAIL` and all `RCPT`, and to `DATA`.
const COMMANDS: Duration = Duration::from_secs(60);
/// Time limit for each piece of the message to be accepted.
const PIECE: Duration = Duration::from_secs(60);
/// Time limit for each reply that says whether a copy is stored: RFC 5321 §4.5.3.2.6 asks
/// for ten minutes, but our own client does not wait that long.
const STORED: Duration = Duration::from_secs(180);

/// What the store offers (RFC 1870, RFC 2920, RFC 6152, RFC 6531).
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct StoreExtensions {
    pub(super) pipelining: bool,
    pub(super) eight_bit: bool,
    pub(super) smtputf8: bool,
    /// The largest message, in bytes; zero if the store does not say.
    pub(super) size: Option<u64>,
}

impl StoreExtensions {
    /// Reads what comes after the first line of the reply to `LHLO`.
    fn of(lines: &[String]) -> StoreExtensions {
        let mut offers = StoreExtensions::default();
        for line in lines.iter().skip(1) {
            let mut words = line.split_ascii_whitespace();
            match words.next().unwrap_or_default().to_ascii_uppercase().as_str() {
                "PIPELINING" => offers.pipelining = true,
                "8BITMIME" => offers.eight_bit = true,
                "SMTPUTF8" => offers.smtputf8 = true,
                "SIZE" => {
                    let size = words.next().and_then(|size| size.parse().ok());
                    offers.size = Some(size.unwrap_or(0));
                }
                _ => {}
            }
        }
        offers
    }
}

/// A store that was reached.
pub(super) struct LmtpClient {
    wire: Wire,
    pub(super) offers: StoreExtensions,
    /// It refused a sender, so the null sender is used instead.
    pub(super) sender_refused: bool,
}

impl LmtpClient {
    /// Connects, and reads what is offered.
    pub(super) fn connect(
        place: &StorePlace,
        deadline: Instant,
    ) -> Result<LmtpClient, HandOverError> {
        let away = |error: io::Error| HandOverError::Away(describe(&error));
        let mut wire = Wire::connect(place, CONNECT, deadline).map_err(away)?;
        wire.step(GREETING);
        let greeting = StoreReply::read(&mut wire).map_err(away)?;
        if greeting.code != 220 {
            return Err(HandOverError::Away(format!("it greets with `{greeting}`")));
        }
        wire.send(format!("LHLO {}\r\n", host_name()).as_bytes()).map_err(away)?;
        let reply = StoreReply::read(&mut wire).map_err(away)?;
        if !reply.is_positive() {
            return Err(HandOverError::Away(format!("it answers LHLO with `{reply}`")));
        }
        Ok(LmtpClient { wire, offers: StoreExtensions::of(&reply.lines), sender_refused: false })
    }

    /// Hands one content over for some recipients. `stored` is called with the number of
    /// each one that the store has accepted, as soon as it says so.
    pub(super) fn transact<'r>(
        &mut self,
        sender: &str,
        recipients: impl ExactSizeIterator<Item = &'r str> + Clone,
        content: &WireContent<'_>,
        stored: &mut dyn FnMut(usize),
    ) -> Result<(), HandOverError> {
        let count = recipients.len();
        if !self.envelope(sender, recipients.clone(), content)? {
            // It objects to how the sender is written, not to the recipients. A sender's
            // own address is no reason to withhold mail.
            self.wire.step(COMMANDS);
            self.say(b"RSET\r\n")?;
            self.reply()?;
            self.envelope("", recipients, content)?;
            self.sender_refused = true;
        }
        self.data(content)?;
        let mut refused = None;
        for number in 0..count {
            self.wire.step(STORED);
            match self.reply()? {
                reply if reply.is_positive() => stored(number),
                reply => {
                    refused.get_or_insert(reply);
                }
            }
        }
        refused.map_or(Ok(()), |reply| Err(HandOverError::Refused(reply.into())))
    }

    /// `MAIL` and each `RCPT`, all at once if the store offers that. Returns true if all
    /// are accepted; false if the sender, when not null, is permanently refused.
    fn envelope<'r>(
        &mut self,
        sender: &str,
        recipients: impl Iterator<Item = &'r str> + Clone,
        content: &WireContent<'_>,
    ) -> Result<bool, HandOverError> {
        let mut mail = format!("MAIL FROM:<{sender}>");
        let is_ascii = sender.is_ascii() && recipients.clone().all(str::is_ascii);
        if content.has_eight_bits() && self.offers.eight_bit {
            mail.push_str(" BODY=8BITMIME");
        }
        if !is_ascii && self.offers.smtputf8 {
            mail.push_str(" SMTPUTF8");
        }
        if self.offers.size.is_some() {
            mail.push_str(&format!(" SIZE={}", content.size()));
        }
        let mut commands = vec![mail + "\r\n"];
        commands.extend(recipients.map(|recipient| format!("RCPT TO:<{recipient}>\r\n")));
        self.wire.step(COMMANDS);
        let at_once = if self.offers.pipelining { commands.len() } else { 1 };
        let mut replies = Vec::new();
        for commands in commands.chunks(at_once) {
            self.say(commands.concat().as_bytes())?;
            for _ in commands {
                replies.push(self.reply()?);
            }
            if replies.iter().any(|reply| !reply.is_positive()) {
                break;
            }
        }
        let minds_sender = |reply: &StoreReply| matches!(reply.code, 501 | 550 | 553 | 555);
        if !sender.is_empty() && replies.first().is_some_and(minds_sender) {
            return Ok(false);
        }
        match replies.into_iter().find(|reply| !reply.is_positive()) {
            Some(reply) => Err(HandOverError::Refused(reply.into())),
            None => Ok(true),
        }
    }

    /// `DATA` and everything up to the dot, which is sent only if the store has said
    /// nothing in the meantime: what comes early is not an answer to it.
    fn data(&mut self, content: &WireContent<'_>) -> Result<(), HandOverError> {
        self.wire.step(COMMANDS);
        self.say(b"DATA\r\n")?;
        let reply = self.reply()?;
        if reply.code != 354 {
            return Err(match reply.code {
                ..400 => HandOverError::Broken(format!("it answers DATA with `{reply}`")),
                _ => HandOverError::Refused(reply.into()),
            });
        }
        let mut failed = None;
        let wire = &mut self.wire;
        let sent = content.write(&mut |bytes| {
            wire.step(PIECE);
            wire.send(bytes).map_err(|error| {
                failed = Some(broken(error));
                ErrorKind::BrokenPipe.into()
            })
        });
        match (sent, failed) {
            (Ok(()), _) => {}
            // It may have said why.
            (Err(_), Some(error)) => return Err(self.early().unwrap_or(error)),
            (Err(error), None) => return Err(HandOverError::Unread(error.to_string())),
        }
        if let Some(error) = self.early() {
            return Err(error);
        }
        self.wire.step(COMMANDS);
        self.wire.send(b".\r\n").map_err(broken)
    }

    /// What the store says before it is its turn.
    fn early(&mut self) -> Option<HandOverError> {
        if self.wire.is_silent() {
            return None;
        }
        Some(match StoreReply::read(&mut self.wire) {
            Ok(reply) if reply.code >= 400 => HandOverError::Refused(reply.into()),
            Ok(reply) => HandOverError::Broken(format!("it says `{reply}` before it was asked")),
            Err(error) => broken(error),
        })
    }

    fn reply(&mut self) -> Result<StoreReply, HandOverError> {
        StoreReply::read(&mut self.wire).map_err(broken)
    }

    /// Sends commands, to which there can be no reply yet.
    fn say(&mut self, bytes: &[u8]) -> Result<(), HandOverError> {
        match self.early() {
            Some(error) => Err(error),
            None => self.wire.send(bytes).map_err(broken),
        }
    }

    /// Sends `QUIT`; the answer is not waited for.
    pub(super) fn quit(&mut self) {
        self.wire.step(Duration::from_millis(100));
        let _ = self.wire.send(b"QUIT\r\n");
    }
}

fn broken(error: io::Error) -> HandOverError {
    HandOverError::Broken(describe(&error))
}

/// Our host name: letters, digits, dots and dashes.
fn host_name() -> String {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
    if !name.is_empty() && name.chars().all(is_name) { name } else { "localhost".into() }
}
