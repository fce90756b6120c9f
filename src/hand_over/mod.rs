//! Mail handed to another store, where folders and flags are the server's own: over
//! LMTP to Dovecot with any format of mailboxes ([`lmtp`]), over IMAP to Cyrus and others
//! ([`imap`]).
//!
//! As in a Maildir there are two halves. A hand-over is *staged* when the store has been
//! reached and everything that will be sent is laid out; when it is *committed*, each copy
//! has its folder, flags and keywords from the first moment. Nothing is ever taken back.
//! After a lost reply a retry doubles nothing, because the store knows the id of a copy
//! (LMTP) or because we have noted where we were putting it (IMAP).
//!
//! Every step has a time limit, replies have a maximum length, and a store that breaks a
//! rule costs a deferral.

pub mod address;
pub mod imap;
pub mod lmtp;

mod breaker;
mod content;
mod lines;
mod wire;

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::flags::Flags;
use crate::message::{HeaderEdit, Message};
use crate::plan::Folder;

use address::StoreAddress;
use breaker::Breaker;
use imap::StagedAppends;
use lmtp::StagedTransactions;
pub use wire::connect_unix;

/// A hand-over that fails this long before its deadline has had no time left.
const LAST_MOMENT: Duration = Duration::from_secs(1);

/// A store, for all mailboxes that it has.
#[derive(Debug)]
pub struct MailStore {
    address: StoreAddress,
    breaker: Mutex<Breaker>,
}

/// Why mail could not be handed over. It is not lost: whoever has it tries again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HandOverError {
    /// The store cannot be reached, or could not be a moment ago.
    Away(String),
    /// It broke off, or violated the protocol, in the middle of a message: how much it
    /// has of it is not known.
    Broken(String),
    /// It refused.
    Refused(StoreRefusal),
    /// The message is larger than the store accepts.
    TooLarge {
        /// Bytes of the message, with CRLF.
        size: u64,
        /// The largest size that it accepts, bytes.
        limit: u64,
    },
    /// An address that cannot be expressed to the store.
    Unsayable(String),
    /// The message could not be read.
    Unread(String),
    /// It refuses the login.
    Login {
        /// The login name.
        login: String,
        /// The mailbox that we act for.
        mailbox: String,
        /// The server's reason.
        why: String,
    },
    /// Our own settings are wrong; the whole explanation.
    Setup(String),
}

/// A refusal by the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreRefusal {
    /// The enhanced status code for the MTA (RFC 3463), of class 4.
    pub status: String,
    /// Whether the mailbox is full.
    pub is_full: bool,
    /// What it said, as one harmless line.
    pub text: String,
}

impl fmt::Display for HandOverError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HandOverError::Away(why) => write!(f, "it is not there: {why}"),
            HandOverError::Broken(why) => write!(f, "it broke off: {why}"),
            HandOverError::Refused(refusal) => write!(f, "it says: {}", refusal.text),
            HandOverError::TooLarge { size, limit } => {
                write!(f, "the message has {size} bytes and it takes {limit}")
            }
            HandOverError::Unsayable(address) => {
                write!(f, "it takes no address like `{address}`")
            }
            HandOverError::Unread(why) => write!(f, "the message cannot be read: {why}"),
            HandOverError::Login { login, mailbox, why } => {
                write!(f, "it refuses the login of `{login}` for `{mailbox}`: {why}")
            }
            HandOverError::Setup(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for HandOverError {}

/// One copy as the store should keep it.
#[derive(Clone, Copy)]
pub struct CopyToStore<'m> {
    /// Identifies the copy to a store that [knows ids](MailStore::knows_ids):
    /// hexadecimal digits that nobody can predict, the same at a retry.
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

/// The copies of one message for one mailbox.
#[derive(Clone, Copy)]
pub struct HandOver<'a, 'm> {
    /// Its address, without detail.
    pub mailbox: &'a str,
    /// The envelope sender (RFC 5321 reverse-path), empty for the null sender.
    pub sender: &'a str,
    /// The copies. All messages must have been read ([`Message::spool`]).
    pub copies: &'a [CopyToStore<'m>],
    /// Whether folders that we create are subscribed, where that is up to us.
    pub subscribe: bool,
}

/// What is known of copies between the tries of a hand-over.
pub trait HandOverNotes {
    /// Records that the store has a copy for good.
    fn note_stored(&mut self, copy: usize);

    /// The last note of an earlier try that began to hand a copy over and did not learn the
    /// result.
    fn attempt(&self, copy: usize) -> Option<String>;

    /// Records, for the next try, that a copy is about to be handed over.
    fn note_attempt(&mut self, copy: usize, note: &str);
}

/// A hand-over that is ready. If it is dropped, nothing has been handed over.
pub struct StagedHandOver<'s, 'm> {
    store: &'s MailStore,
    staged: StagedCopies<'m>,
    deadline: Instant,
}

enum StagedCopies<'m> {
    Lmtp(StagedTransactions<'m>),
    Imap(StagedAppends<'m>),
}

impl MailStore {
    /// The store at an address. Nothing is opened yet.
    pub fn new(address: StoreAddress) -> MailStore {
        MailStore { address, breaker: Mutex::default() }
    }

    /// Where it is.
    pub fn address(&self) -> &StoreAddress {
        &self.address
    }

    /// Whether it recognizes a copy by its id, and stores once what it is given twice. For
    /// another store we have to note what was begun.
    pub fn knows_ids(&self) -> bool {
        matches!(self.address, StoreAddress::Lmtp(_))
    }

    /// Connects to it, logs in for a mailbox if one is named, and disconnects.
    ///
    /// # Errors
    /// It cannot be reached, or refuses the login.
    pub fn reach(&self, mailbox: Option<&str>, deadline: Instant) -> Result<(), HandOverError> {
        match &self.address {
            StoreAddress::Lmtp(address) => lmtp::reach(address, deadline),
            StoreAddress::Imap(address) => imap::reach(address, mailbox, deadline),
        }
    }

    /// Reaches the store and prepares what will be said to it.
    ///
    /// # Errors
    /// The store is away, or could not take the message.
    pub fn stage<'s, 'm>(
        &'s self,
        hand_over: &HandOver<'_, 'm>,
        deadline: Instant,
    ) -> Result<StagedHandOver<'s, 'm>, HandOverError> {
        self.breaker().may_try(Instant::now()).map_err(HandOverError::Away)?;
        let staged = match &self.address {
            StoreAddress::Lmtp(address) => {
                lmtp::stage(address, hand_over, deadline).map(StagedCopies::Lmtp)
            }
            StoreAddress::Imap(address) => {
                imap::stage(address, hand_over, deadline).map(StagedCopies::Imap)
            }
        };
        let staged = staged.inspect_err(|error| self.judge(error, deadline))?;
        Ok(StagedHandOver { store: self, staged, deadline })
    }

    fn breaker(&self) -> std::sync::MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records for the next hand-overs how this one failed: not that it had no time left,
    /// which is not the store's fault.
    fn judge(&self, error: &HandOverError, deadline: Instant) {
        let now = Instant::now();
        match error {
            HandOverError::Away(_) | HandOverError::Broken(_) if now + LAST_MOMENT < deadline => {
                self.breaker().failed(now);
            }
            HandOverError::Away(_) | HandOverError::Broken(_) => {}
            // It is there.
            HandOverError::Refused(_)
            | HandOverError::TooLarge { .. }
            | HandOverError::Unsayable(_)
            | HandOverError::Login { .. } => self.breaker().succeeded(),
            HandOverError::Unread(_) | HandOverError::Setup(_) => {}
        }
    }
}

impl StagedHandOver<'_, '_> {
    /// What differs from what was asked for, though the message is or will be stored.
    pub fn notes(&self) -> Vec<String> {
        match &self.staged {
            StagedCopies::Lmtp(staged) => staged.note().into_iter().collect(),
            StagedCopies::Imap(staged) => staged.notes().to_vec(),
        }
    }

    /// Hands everything over. `known` is told about each copy as soon as the store has it
    /// for good, even if an error follows.
    ///
    /// # Errors
    /// A copy that `known` was not told about is not known to be stored; a retry with the
    /// same ids and the same notes duplicates none.
    pub fn commit(&mut self, known: &mut dyn HandOverNotes) -> Result<(), HandOverError> {
        let done = match &mut self.staged {
            StagedCopies::Lmtp(staged) => staged.commit(&mut |copy| known.note_stored(copy)),
            StagedCopies::Imap(staged) => staged.commit(known),
        };
        done.inspect_err(|error| self.store.judge(error, self.deadline))?;
        self.store.breaker().succeeded();
        Ok(())
    }
}

#[cfg(test)]
pub(crate) mod testing;
