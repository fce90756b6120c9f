//! Mail handed to another store over LMTP (RFC 2033): Dovecot with any format of
//! mailboxes, where folders and flags are the server's own.
//!
//! As in a Maildir there are two halves. A hand-over is *staged* when the store is
//! reached and everything that will be said to it is laid out; it is *committed* by
//! transactions, one for each content, with a recipient for each copy. What a copy is
//! to be (folder, flags, keywords) is said by the recipient's detail, which the script
//! in examples/dovecot reads ([`detail`]). Each copy has an id that a retry has again,
//! so the store takes it once, however often a reply is lost; hence nothing is ever
//! taken back.
//!
//! Every step has its time, replies have a length, and a store that breaks any rule
//! costs a deferral.

pub mod address;
pub mod detail;

mod breaker;
mod client;
mod dots;
mod wire;

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use crate::flags::Flags;
use crate::message::address::Address;
use crate::message::{HeaderEdit, Message, path};
use crate::plan::Folder;

use address::StoreAddress;
use breaker::Breaker;
use client::{LmtpClient, WireContent};
pub use wire::{StoreReply, connect_unix};

/// So many recipients has a transaction at most: RFC 5321 §4.5.3.1.8 asks servers for
/// a hundred.
const MOST_RECIPIENTS: usize = 50;

/// A store, for all mailboxes that it has.
#[derive(Debug)]
pub struct LmtpStore {
    address: StoreAddress,
    breaker: Mutex<Breaker>,
}

/// Why mail could not be handed over. It is not lost: whoever has it tries again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HandOverError {
    /// The store cannot be reached, or was not a moment ago.
    Away(String),
    /// It stopped speaking, or speaks something else, while it was at the message: what
    /// it has of it is not known.
    Broken(String),
    /// It said no.
    Refused(StoreReply),
    /// The message takes more room than the store gives one.
    TooLarge {
        /// Bytes of the message, with CRLF.
        size: u64,
        /// Bytes that are taken.
        limit: u64,
    },
    /// An address that the store has no words for.
    Unsayable(String),
    /// The message could not be read.
    Unread(String),
}

impl fmt::Display for HandOverError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HandOverError::Away(why) => write!(f, "it is not there: {why}"),
            HandOverError::Broken(why) => write!(f, "it broke off: {why}"),
            HandOverError::Refused(reply) => write!(f, "it says: {reply}"),
            HandOverError::TooLarge { size, limit } => {
                write!(f, "the message has {size} bytes and it takes {limit}")
            }
            HandOverError::Unsayable(address) => {
                write!(f, "it takes no address beyond ASCII, as `{address}` is")
            }
            HandOverError::Unread(why) => write!(f, "the message cannot be read: {why}"),
        }
    }
}

impl std::error::Error for HandOverError {}

/// One copy as the store shall keep it.
#[derive(Clone, Copy)]
pub struct CopyToStore<'m> {
    /// What the copy is known by to the store: hexadecimal digits that nobody can
    /// foretell and a retry has again.
    pub id: &'m str,
    /// Its folder.
    pub folder: &'m Folder,
    /// Its flags from the first moment.
    pub flags: &'m Flags,
    /// Its content.
    pub message: &'m Message,
    /// Changes to its header.
    pub edits: &'m [HeaderEdit],
}

/// One transaction: a content, and the copies that have it.
struct Transaction<'m> {
    content: WireContent<'m>,
    /// Path, without brackets, and number of each copy.
    recipients: Vec<(String, usize)>,
}

/// A hand-over of which all is ready; dropped, nothing was handed over.
pub struct StagedHandOver<'s, 'm> {
    store: &'s LmtpStore,
    client: LmtpClient,
    sender: String,
    transactions: Vec<Transaction<'m>>,
    /// A sender that the store has no words for; the null sender stands for it.
    unsaid: String,
}

impl LmtpStore {
    /// The store at an address. Nothing is opened yet.
    pub fn new(address: StoreAddress) -> LmtpStore {
        LmtpStore { address, breaker: Mutex::default() }
    }

    /// Where it is.
    pub fn address(&self) -> &StoreAddress {
        &self.address
    }

    /// Reaches the store and lays out what will be said to it: the copies of one
    /// message for a mailbox, an address without detail. `sender` is the envelope
    /// sender (RFC 5321 reverse-path), empty for the null sender. All messages must
    /// have been read ([`Message::spool`]).
    ///
    /// # Errors
    /// The store is away, or could not take the message.
    pub fn stage<'s, 'm>(
        &'s self,
        mailbox: &str,
        sender: &str,
        copies: &[CopyToStore<'m>],
        deadline: Instant,
    ) -> Result<StagedHandOver<'s, 'm>, HandOverError> {
        let mailbox = path::address(mailbox);
        let mut transactions = self.transactions(&mailbox, copies);
        self.breaker().may_try(Instant::now()).map_err(HandOverError::Away)?;
        let client = LmtpClient::connect(&self.address, deadline);
        let client = client.inspect_err(|error| self.judge(error))?;
        let mut sender = path::reverse(sender);
        let mut unsaid = String::new();
        if !is_domain(&path::address(&sender).domain) {
            unsaid = std::mem::take(&mut sender);
        }
        if !client.offers.smtputf8 {
            let mailbox = path::forward(&mailbox.address());
            if !mailbox.is_ascii() {
                return Err(HandOverError::Unsayable(mailbox));
            }
            if !sender.is_ascii() {
                unsaid = std::mem::take(&mut sender);
            }
        }
        for transaction in &mut transactions {
            transaction.content.survey()?;
            let size = transaction.content.size();
            if let Some(limit) = client.offers.size.filter(|limit| (1..size).contains(limit)) {
                return Err(HandOverError::TooLarge { size, limit });
            }
        }
        Ok(StagedHandOver { store: self, client, sender, transactions, unsaid })
    }

    /// The transactions for copies: those of the same content together, but for one
    /// that says something in its header, which is then a content of its own.
    fn transactions<'m>(
        &self,
        mailbox: &Address,
        copies: &[CopyToStore<'m>],
    ) -> Vec<Transaction<'m>> {
        let mut all: Vec<Transaction<'m>> = Vec::new();
        for (number, copy) in copies.iter().enumerate() {
            let said = detail::say(mailbox, copy.id, copy.folder, copy.flags, &self.address);
            let content = WireContent::new(copy.message, copy.edits, said.header);
            let same = all.iter_mut().find(|known| {
                known.content.is_same(&content) && known.recipients.len() < MOST_RECIPIENTS
            });
            match same {
                Some(known) => known.recipients.push((said.recipient, number)),
                None => {
                    let recipients = vec![(said.recipient, number)];
                    all.push(Transaction { content, recipients });
                }
            }
        }
        all
    }

    fn breaker(&self) -> std::sync::MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes for the next ones how reaching it or speaking to it went.
    fn judge(&self, error: &HandOverError) {
        match error {
            HandOverError::Away(_) | HandOverError::Broken(_) => {
                self.breaker().failed(Instant::now());
            }
            HandOverError::Refused(_)
            | HandOverError::TooLarge { .. }
            | HandOverError::Unsayable(_)
            | HandOverError::Unread(_) => {}
        }
    }
}

impl StagedHandOver<'_, '_> {
    /// What is not as it was asked, though the message is or will be stored.
    pub fn note(&self) -> Option<String> {
        let sender = match (self.unsaid.as_str(), self.client.minded_sender) {
            ("", false) => return None,
            ("", true) => &self.sender,
            (unsaid, _) => unsaid,
        };
        Some(format!("the store takes no sender `{sender}`, so the null sender is in its place"))
    }

    /// Hands everything over. `stored` is told the number of each copy as soon as the
    /// store has it for good, also before an error.
    ///
    /// # Errors
    /// A copy that `stored` was not told of is not known to be there; a retry with the
    /// same ids doubles none.
    pub fn commit(&mut self, stored: &mut dyn FnMut(usize)) -> Result<(), HandOverError> {
        for transaction in &self.transactions {
            let Transaction { content, recipients } = transaction;
            let paths = recipients.iter().map(|(path, _)| path.as_str());
            let mut told = |at: usize| {
                if let Some((_, number)) = recipients.get(at) {
                    stored(*number);
                }
            };
            let done = self.client.transact(&self.sender, paths, content, &mut told);
            done.inspect_err(|error| self.store.judge(error))?;
        }
        self.store.breaker().succeeded();
        self.client.quit();
        Ok(())
    }
}

/// Whether a domain can stand in a path without saying anything else there.
fn is_domain(text: &str) -> bool {
    let is_of_domains = |c: char| !c.is_ascii() || c.is_alphanumeric() || "-._:[]".contains(c);
    text.chars().all(is_of_domains)
}

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
