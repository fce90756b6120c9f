//! Copies handed over by LMTP (RFC 2033): transactions, one for each content, with a
//! recipient for each copy. The properties of a copy (folder, flags, keywords) are in the
//! recipient's detail, which the script in examples/dovecot reads ([`detail`]). Each copy
//! has an id, which a retry uses again, so the store accepts it once, however often a
//! reply is lost.

pub mod detail;

mod client;
mod reply;

use std::time::Instant;

use crate::message::address::Address;
use crate::message::path;

use super::address::LmtpAddress;
use super::content::WireContent;
use super::{CopyToStore, HandOver, HandOverError};
use client::LmtpClient;

/// The most recipients of a transaction: RFC 5321 §4.5.3.1.8 asks servers to accept a
/// hundred.
const MOST_RECIPIENTS: usize = 50;

/// One transaction: a content, and the copies that have it.
struct Transaction<'m> {
    content: WireContent<'m>,
    /// Path, without brackets, and number of each copy.
    recipients: Vec<(String, usize)>,
}

/// Transactions that are ready to be sent.
pub(super) struct StagedTransactions<'m> {
    client: LmtpClient,
    sender: String,
    transactions: Vec<Transaction<'m>>,
    /// A sender that cannot be expressed to the store; the null sender is used instead.
    refused_sender: String,
}

/// Reaches the store.
pub(super) fn reach(address: &LmtpAddress, deadline: Instant) -> Result<(), HandOverError> {
    LmtpClient::connect(&address.place, deadline).map(|mut client| client.quit())
}

/// Reaches the store and prepares what will be said to it.
pub(super) fn stage<'m>(
    address: &LmtpAddress,
    hand_over: &HandOver<'_, 'm>,
    deadline: Instant,
) -> Result<StagedTransactions<'m>, HandOverError> {
    let client = LmtpClient::connect(&address.place, deadline)?;
    let mut mailbox = path::address(hand_over.mailbox);
    let mut sender = path::address(&path::reverse(hand_over.sender));
    if !client.offers.smtputf8 {
        (mailbox, sender) = (with_ascii_domain(mailbox), with_ascii_domain(sender));
    }
    let is_sayable = |address: &Address| {
        let is_known_text = client.offers.smtputf8 || address.address().is_ascii();
        is_known_text && is_domain(&address.domain)
    };
    if !is_sayable(&mailbox) {
        return Err(HandOverError::Unsayable(path::of(&mailbox)));
    }
    let is_sender_sayable = is_sayable(&sender);
    let (mut sender, mut refused_sender) = (path::of(&sender), String::new());
    if !is_sender_sayable {
        std::mem::swap(&mut sender, &mut refused_sender);
    }
    let mut transactions = transactions(address, &mailbox, hand_over.copies);
    for transaction in &mut transactions {
        transaction.content.survey(&mut |_| ())?;
        let size = transaction.content.size();
        if let Some(limit) = client.offers.size.filter(|limit| (1..size).contains(limit)) {
            return Err(HandOverError::TooLarge { size, limit });
        }
    }
    Ok(StagedTransactions { client, sender, transactions, refused_sender })
}

/// The transactions for copies: those of the same content together, except one that needs
/// a header of its own, which makes it a separate content.
fn transactions<'m>(
    address: &LmtpAddress,
    mailbox: &Address,
    copies: &[CopyToStore<'m>],
) -> Vec<Transaction<'m>> {
    let mut all: Vec<Transaction<'m>> = Vec::new();
    for (number, copy) in copies.iter().enumerate() {
        let address = detail::copy_address(mailbox, copy.id, copy.folder, copy.flags, address);
        let content = WireContent::dotted(copy.message, copy.edits, address.header);
        let same = all.iter_mut().find(|known| {
            known.content.is_same(&content) && known.recipients.len() < MOST_RECIPIENTS
        });
        match same {
            Some(known) => known.recipients.push((address.recipient, number)),
            None => {
                let recipients = vec![(address.recipient, number)];
                all.push(Transaction { content, recipients });
            }
        }
    }
    all
}

impl StagedTransactions<'_> {
    /// What differs from what was asked for.
    pub(super) fn note(&self) -> Option<String> {
        let sender = match (self.refused_sender.as_str(), self.client.sender_refused) {
            ("", false) => return None,
            ("", true) => &self.sender,
            (refused_sender, _) => refused_sender,
        };
        Some(format!("the store takes no sender `{sender}`, so the null sender is in its place"))
    }

    /// Hands everything over.
    pub(super) fn commit(&mut self, stored: &mut dyn FnMut(usize)) -> Result<(), HandOverError> {
        for Transaction { content, recipients } in &self.transactions {
            let paths = recipients.iter().map(|(path, _)| path.as_str());
            let mut on_stored = |at: usize| {
                if let Some((_, number)) = recipients.get(at) {
                    stored(*number);
                }
            };
            self.client.transact(&self.sender, paths, content, &mut on_stored)?;
        }
        self.client.quit();
        Ok(())
    }
}

/// An address with its domain in Punycode, as servers without SMTPUTF8 know it.
fn with_ascii_domain(address: Address) -> Address {
    match idna::domain_to_ascii(&address.domain) {
        // `＞` becomes `>`.
        Ok(domain) if !address.domain.is_ascii() && is_domain(&domain) => {
            Address { domain, ..address }
        }
        _ => address,
    }
}

/// Whether a domain can be in a path without meaning anything else there.
fn is_domain(text: &str) -> bool {
    let is_of_domains = |c: char| !c.is_ascii() || c.is_alphanumeric() || "-._:[]".contains(c);
    text.chars().all(is_of_domains)
}

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
