//! One connection: commands in, one answer to each, and after DATA one answer per
//! accepted recipient, in their order, each as soon as it is known.

use std::io::{self, ErrorKind, Read, Write};
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant, SystemTime};

use memchr::memchr;

use super::accounts::{Account, Recipient, Unavailable};
use super::data::DataDecoder;
use super::protocol::{self, LINE_LIMIT, LmtpCommand, MailCommand, RcptCommand};
use super::reply::LmtpReply;
use super::spool::{MessageData, Spool};
use crate::source;

/// How much is read at once, bytes.
const BUFFER: usize = 32 << 10;
/// How many bytes of replies are gathered before they are sent.
const OUTPUT: usize = 8 << 10;
/// After how many lines that are no command the connection is closed.
const MISTAKES: usize = 20;
/// The code of the answer to these.
const UNKNOWN: u16 = 500;
/// How long a client may take for a command that it has begun.
const LINE_TIME: Duration = Duration::from_secs(180);
/// How long a client may take for a whole message.
const DATA_TIME: Duration = Duration::from_secs(600);

const OK: LmtpReply = LmtpReply::new(250, "2.0.0 OK");
const SENDER_OK: LmtpReply = LmtpReply::new(250, "2.1.0 Sender OK");
const RECIPIENT_OK: LmtpReply = LmtpReply::new(250, "2.1.5 Recipient OK");
const GO_ON: LmtpReply = LmtpReply::new(354, "Send the message; it ends with a line of one dot");
const BYE: LmtpReply = LmtpReply::new(221, "2.0.0 Bye");
const VERIFY: LmtpReply = LmtpReply::new(252, "2.1.5 Send mail and see");
const NO_LHLO: LmtpReply = LmtpReply::new(503, "5.5.1 Say LHLO first");
const NO_MAIL: LmtpReply = LmtpReply::new(503, "5.5.1 Say MAIL first");
const NESTED: LmtpReply = LmtpReply::new(503, "5.5.1 The sender was already given");
const NO_RECIPIENT: LmtpReply = LmtpReply::new(503, "5.5.1 No recipient was accepted");
const NO_USER: LmtpReply = LmtpReply::new(550, "5.1.1 There is no such user here");
const UNAVAILABLE: LmtpReply =
    LmtpReply::new(451, "4.3.0 Mail for this user cannot be taken now; the log says why");
const TOO_MANY: LmtpReply = LmtpReply::new(452, "4.5.3 Too many recipients of one message");
const TOO_LARGE: LmtpReply = LmtpReply::new(552, "5.3.4 The message is too large");
const TOO_LONG: LmtpReply = LmtpReply::new(500, "5.5.2 The line is too long");
const BARE_LF: LmtpReply = LmtpReply::new(500, "5.5.2 Lines must end with CR LF");
const CONFUSED: LmtpReply = LmtpReply::new(421, "4.7.0 Too many mistakes");
const SILENT: LmtpReply = LmtpReply::new(421, "4.4.2 Timeout: nothing was received");
/// For all when the server ends.
pub const ENDING: LmtpReply =
    LmtpReply::new(421, "4.3.2 The server is shutting down; try again later");
/// For a connection that gives way to another.
pub const NO_ROOM: LmtpReply =
    LmtpReply::new(421, "4.3.2 There is no room for this connection now; try again later");

/// What a session may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionLimits {
    /// Each of these characters separates the local part from a detail.
    pub delimiter: String,
    /// The largest message, bytes; 0 for no limit.
    pub message_size: u64,
    /// The most recipients of one message.
    pub recipients: usize,
}

/// The envelope of a transaction.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Envelope {
    /// What the log calls the transaction.
    pub transaction: String,
    /// RFC 5321 reverse-path; empty is the null sender.
    pub sender: String,
    /// Answers may be UTF-8.
    pub utf8: bool,
}

/// A recipient that was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addressee {
    /// RFC 5321 forward-path.
    pub recipient: String,
    /// The forward-path by which the user is known: without a detail, and with the domain in
    /// the spelling that was found.
    pub mailbox: String,
    /// What the sender wrote, RFC 3461 `ORCPT`.
    pub original: Option<String>,
    /// The address's detail, RFC 5233.
    pub detail: Option<String>,
    /// Whose mail it is.
    pub account: Account,
}

/// What a session needs of the server.
pub trait Service: Sync {
    /// Limits, read for each transaction.
    fn limits(&self) -> SessionLimits;

    /// The account of a recipient.
    ///
    /// # Errors
    /// This cannot be found out at the moment.
    fn find(&self, recipient: &Recipient) -> Result<Option<Account>, Unavailable>;

    /// Delivers a message to one recipient; `since` is when the whole message had
    /// arrived. A message answered with 250 is on disk.
    fn deliver(
        &self,
        envelope: &Envelope,
        to: &Addressee,
        message: &MessageData,
        since: Instant,
    ) -> LmtpReply;

    /// Called when a client was gone before it could be told that a message was delivered
    /// to a recipient: it will send it again.
    fn was_unheard(&self, envelope: &Envelope, to: &Addressee, message: &MessageData);

    /// Called when a message is not taken at all; `to` is empty before recipients were
    /// named.
    fn was_not_taken(&self, envelope: &Envelope, to: &[Addressee], size: u64, reply: &LmtpReply);

    /// Whether the server is ending.
    fn is_ending(&self) -> bool;
}

/// What comes next from a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PeerState {
    /// Bytes, or the end of the connection.
    Input,
    /// Nothing for too long.
    TimedOut,
    /// Nothing, and the server is ending.
    Ending,
}

/// A client's end of a connection. A read or write that stalls fails.
pub trait LmtpPeer: Read + Write {
    /// Waits for the next command; `is_owed` says whether a client may still send it,
    /// within a moment, when the server ends.
    ///
    /// # Errors
    /// The system's.
    fn wait(&mut self, is_owed: bool) -> io::Result<PeerState>;
}

/// Serves a client until it is done.
///
/// # Errors
/// The connection broke, or stalled within a command or message.
pub fn run(service: &dyn Service, client: &mut dyn LmtpPeer) -> io::Result<()> {
    let mut session = Session::new(service, client);
    let greeting = format!("220 {} mfilter LMTP\r\n", session.host);
    session.output.extend_from_slice(greeting.as_bytes());
    let ended = session.serve();
    match ended {
        Err(error) if is_stalled(&error) => {
            session.answer(&SILENT);
            let _ = session.flush();
            Err(error)
        }
        ended => ended.and(session.flush()),
    }
}

/// A name for a transaction: the time, and a counter for those of the same time.
fn transaction_id() -> String {
    static COUNT: AtomicU8 = AtomicU8::new(0);
    let moment = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    format!("{:x}{:02x}", moment.as_micros(), COUNT.fetch_add(1, Ordering::Relaxed))
}

/// The answer if a message cannot be kept until it is delivered.
fn not_kept(error: &io::Error) -> LmtpReply {
    let place = std::env::temp_dir();
    let text = format!(
        "4.3.1 The message cannot be kept in `{}`: {}",
        place.display(),
        source::reason(error)
    );
    LmtpReply { code: 452, text: text.into() }
}

fn is_stalled(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

/// A message on its way in.
struct MailTransaction {
    envelope: Envelope,
    to: Vec<Addressee>,
}

/// A line of a client.
enum Line {
    /// Without its CR LF.
    Command(Vec<u8>),
    /// A line that is not a command, with the answer.
    Bad(LmtpReply),
    /// There is no further line.
    End,
}

struct Session<'s> {
    service: &'s dyn Service,
    client: &'s mut dyn LmtpPeer,
    host: String,
    input: Vec<u8>,
    /// The part of `input` that has not been read yet.
    unread: std::ops::Range<usize>,
    output: Vec<u8>,
    greeted: bool,
    /// A transaction came to its end.
    served: bool,
    mistakes: usize,
    limits: SessionLimits,
    transaction: Option<MailTransaction>,
}

impl<'s> Session<'s> {
    fn new(service: &'s dyn Service, client: &'s mut dyn LmtpPeer) -> Session<'s> {
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        let host: String = host.chars().filter(|c| c.is_ascii_graphic()).take(255).collect();
        Session {
            service,
            client,
            host: if host.is_empty() { "localhost".into() } else { host },
            input: vec![0; BUFFER],
            unread: 0..0,
            output: Vec::new(),
            greeted: false,
            served: false,
            mistakes: 0,
            limits: service.limits(),
            transaction: None,
        }
    }

    /// Whether the client may go on although the server ends: with a transaction that it
    /// has begun, and with its first one. Postfix tries again only after minutes if it is
    /// refused as soon as it connects.
    fn is_owed(&self) -> bool {
        self.transaction.is_some() || !self.served
    }

    fn serve(&mut self) -> io::Result<()> {
        loop {
            if !self.is_owed() && self.service.is_ending() {
                self.answer(&ENDING);
                return Ok(());
            }
            if !self.has_line() {
                self.flush()?;
                match self.client.wait(self.is_owed())? {
                    PeerState::Input => {}
                    PeerState::TimedOut => return Err(ErrorKind::TimedOut.into()),
                    // Before DATA nobody has been promised anything.
                    PeerState::Ending => {
                        self.answer(&ENDING);
                        return Ok(());
                    }
                }
            }
            let command = match self.line(Instant::now() + LINE_TIME)? {
                Line::Command(line) => protocol::parse(&line),
                Line::Bad(reply) => Err(reply),
                Line::End => {
                    if self.service.is_ending() {
                        self.answer(&ENDING);
                    }
                    return Ok(());
                }
            };
            let reply = match command {
                Ok(LmtpCommand::Quit) => {
                    self.answer(&BYE);
                    return Ok(());
                }
                Ok(LmtpCommand::Lhlo) => {
                    self.lhlo();
                    continue;
                }
                Ok(LmtpCommand::Data) => match self.data()? {
                    Some(reply) => reply,
                    None => continue,
                },
                Ok(LmtpCommand::Mail(mail)) => self.mail(mail),
                Ok(LmtpCommand::Rcpt(rcpt)) => self.rcpt(rcpt),
                Ok(LmtpCommand::Rset) => {
                    self.transaction = None;
                    OK
                }
                Ok(LmtpCommand::Vrfy) => VERIFY,
                Ok(LmtpCommand::Noop) => OK,
                Err(reply) => reply,
            };
            self.answer(&reply);
            // The other errors are not counted: a client that pipelines gets one for each
            // recipient if its MAIL was refused.
            if reply.code == UNKNOWN {
                self.mistakes += 1;
                if self.mistakes >= MISTAKES {
                    self.answer(&CONFUSED);
                    return Ok(());
                }
            }
            if self.output.len() > OUTPUT {
                self.flush()?;
            }
        }
    }

    fn lhlo(&mut self) {
        self.transaction = None;
        self.greeted = true;
        self.limits = self.service.limits();
        let size = match self.limits.message_size {
            0 => "SIZE".to_owned(),
            most => format!("SIZE {most}"),
        };
        let words = ["PIPELINING", "ENHANCEDSTATUSCODES", "8BITMIME", "SMTPUTF8", "DSN", &size];
        let mut text = format!("250-{}\r\n", self.host);
        for (at, word) in words.iter().enumerate() {
            let sign = if at + 1 == words.len() { ' ' } else { '-' };
            text.push_str(&format!("250{sign}{word}\r\n"));
        }
        self.output.extend_from_slice(text.as_bytes());
    }

    fn mail(&mut self, mail: MailCommand) -> LmtpReply {
        if !self.greeted {
            return NO_LHLO;
        }
        if self.transaction.is_some() {
            return NESTED;
        }
        self.limits = self.service.limits();
        let most = self.limits.message_size;
        let envelope =
            Envelope { transaction: transaction_id(), sender: mail.sender, utf8: mail.utf8 };
        if let Some(size) = mail.size.filter(|size| most > 0 && *size > most) {
            self.service.was_not_taken(&envelope, &[], size, &TOO_LARGE);
            return TOO_LARGE;
        }
        self.transaction = Some(MailTransaction { envelope, to: Vec::new() });
        SENDER_OK
    }

    fn rcpt(&mut self, rcpt: RcptCommand) -> LmtpReply {
        let Some(transaction) = &mut self.transaction else { return NO_MAIL };
        if transaction.to.len() >= self.limits.recipients {
            return TOO_MANY;
        }
        let (address, find) = ((&*rcpt.local, &*rcpt.domain), |to: &_| self.service.find(to));
        let (recipient, account) = match Recipient::known(address, &self.limits.delimiter, find) {
            Ok(Some(known)) => known,
            Ok(None) => return NO_USER,
            Err(_) => return UNAVAILABLE,
        };
        transaction.to.push(Addressee {
            recipient: rcpt.recipient,
            mailbox: recipient.path(),
            original: rcpt.original,
            detail: recipient.detail,
            account,
        });
        RECIPIENT_OK
    }

    /// Receives the message and delivers it; returns an answer if there must not be a
    /// message.
    fn data(&mut self) -> io::Result<Option<LmtpReply>> {
        match &self.transaction {
            None => return Ok(Some(NO_MAIL)),
            Some(transaction) if transaction.to.is_empty() => return Ok(Some(NO_RECIPIENT)),
            Some(_) => {}
        }
        self.answer(&GO_ON);
        let message = self.message()?;
        let since = Instant::now();
        let Some(MailTransaction { envelope, to }) = self.transaction.take() else {
            return Ok(None);
        };
        self.served = true;
        if let Err((size, reply)) = &message {
            self.service.was_not_taken(&envelope, &to, *size, reply);
        }
        for to in &to {
            let reply = match &message {
                Ok(message) => self.service.deliver(&envelope, to, message, since),
                Err((_, reply)) => reply.clone(),
            };
            self.output.extend_from_slice(reply.line(envelope.utf8).as_bytes());
            // Flushed at once: a client that does not hear of the delivery sends the
            // message again.
            let heard = self.flush();
            if let (Err(_), Ok(message), 200..300) = (&heard, &message, reply.code) {
                self.service.was_unheard(&envelope, to, message);
            }
            heard?;
        }
        Ok(None)
    }

    /// Reads a message to its end, whatever becomes of it, since commands follow it. One
    /// that is not taken comes back as what was received of it until then, bytes, and the
    /// answer.
    fn message(&mut self) -> io::Result<Result<MessageData, (u64, LmtpReply)>> {
        let until = Instant::now() + DATA_TIME;
        let most = self.limits.message_size;
        let (mut decoder, mut spool, mut refused) =
            (DataDecoder::default(), Spool::default(), None);
        loop {
            if self.unread.is_empty() {
                self.flush()?;
                if !self.fill()? {
                    // Half a message is not a message.
                    return Err(ErrorKind::UnexpectedEof.into());
                }
                if Instant::now() > until {
                    return Err(ErrorKind::TimedOut.into());
                }
            }
            let input = self.input.get(self.unread.clone()).unwrap_or_default();
            let (used, ended) = decoder.decode(input, &mut spool.bytes);
            self.unread.start += used;
            if refused.is_some() {
                spool.clear();
            } else if most > 0 && spool.size() > most {
                refused = Some((spool.size(), TOO_LARGE));
            } else if let Err(error) = spool.settle() {
                refused = Some((spool.size(), not_kept(&error)));
            }
            if ended {
                break;
            }
        }
        Ok(match refused {
            Some(refused) => Err(refused),
            None => {
                let size = spool.size();
                spool.finish().map_err(|error| (size, not_kept(&error)))
            }
        })
    }

    fn has_line(&self) -> bool {
        let unread = self.input.get(self.unread.clone()).unwrap_or_default();
        memchr(b'\n', unread).is_some()
    }

    /// The next line. A client that only sends a byte now and then cannot hold a
    /// connection beyond `until`.
    fn line(&mut self, until: Instant) -> io::Result<Line> {
        let (mut line, mut is_long) = (Vec::new(), false);
        loop {
            let unread = self.input.get(self.unread.clone()).unwrap_or_default();
            let end = memchr(b'\n', unread);
            let taken = end.map_or(unread.len(), |end| end + 1);
            is_long |= line.len() + taken > LINE_LIMIT;
            if !is_long {
                line.extend_from_slice(unread.get(..taken).unwrap_or_default());
            }
            self.unread.start += taken;
            if end.is_some() {
                break;
            }
            self.flush()?;
            if !self.fill()? {
                return Ok(Line::End);
            }
            if Instant::now() > until {
                return Err(ErrorKind::TimedOut.into());
            }
        }
        if is_long {
            return Ok(Line::Bad(TOO_LONG));
        }
        match line.strip_suffix(b"\r\n") {
            Some(command) => Ok(Line::Command(command.to_vec())),
            None => Ok(Line::Bad(BARE_LF)),
        }
    }

    /// Reads more; false at the end. To be called only when everything read so far is
    /// used up.
    fn fill(&mut self) -> io::Result<bool> {
        loop {
            match self.client.read(&mut self.input) {
                Ok(count) => {
                    self.unread = 0..count;
                    return Ok(count > 0);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn answer(&mut self, reply: &LmtpReply) {
        let utf8 = self.transaction.as_ref().is_some_and(|transaction| transaction.envelope.utf8);
        self.output.extend_from_slice(reply.line(utf8).as_bytes());
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.output.is_empty() {
            return Ok(());
        }
        self.client.write_all(&self.output)?;
        self.output.clear();
        self.client.flush()
    }
}

#[cfg(test)]
mod tests;
