//! What we know about the world's mail: one small file a classifier, each
//! with its name, its one-line description and its reasons.
//!
//! A classifier is a function from [`Mail`] to evidence in words ("List-Id
//! names rust.lists.example"). A new one is a new file and a line in
//! [`CLASSIFIERS`]. None costs anything until a rule asks; those that look at
//! the header alone never read the body.

pub mod authenticated;
pub mod authentication;
pub mod cfws;
pub mod client;
pub mod forged_self;
pub mod link;
pub mod magic;
pub mod received;
pub mod resembles;
pub mod s25r;
pub mod spam_verdict;
pub mod verified;

#[cfg(test)]
pub mod testing;

use std::cell::OnceCell;

use crate::message::Message;
use crate::message::address::Address;

/// A message and what a classifier may know around it.
pub struct Mail<'a> {
    /// The message.
    pub message: &'a Message,
    /// The envelope sender, RFC 5321 reverse-path: `Some("")` is the null
    /// sender, `None` is unknown.
    pub envelope_sender: Option<String>,
    /// Whether an address is one of the user's own (`set me`); `None` where
    /// the rules do not say who that is.
    pub me: Option<&'a dyn Fn(&Address) -> bool>,
    /// `set trust`: authserv-ids to believe; empty where the rules say nothing.
    pub trust: Vec<String>,
    /// `set spam-score-header`
    pub spam_score_header: Option<String>,
    /// The machine's host name, fully qualified where that is known: whose
    /// results are believed where the rules do not say.
    pub host_name: Option<String>,
    /// What one classifier has found and others want to know too; starts empty.
    pub known: Known,
    /// A variable of the MTA's environment (`CLIENT_ADDRESS`, `SASL_USERNAME`, …).
    pub variable: &'a dyn Fn(&str) -> Option<String>,
}

/// What is computed once for several classifiers and fields.
#[derive(Debug, Default)]
pub struct Known {
    trail: OnceCell<received::Trail>,
    results: OnceCell<authentication::Results>,
    links: OnceCell<Result<Vec<link::Link>, String>>,
}

impl Mail<'_> {
    /// The Received lines that are ours.
    pub fn trail(&self) -> &received::Trail {
        self.known.trail.get_or_init(|| received::Trail::of(self.message.head()))
    }

    /// What a trusted border found out about the sender.
    pub fn results(&self) -> &authentication::Results {
        self.known.results.get_or_init(|| authentication::of(self))
    }
}

/// Evidence, `None` where the classifier does not hold, or why that cannot be told.
pub type Finding = Result<Option<String>, String>;

/// One classifier.
pub struct Classifier {
    /// The word of the rule language.
    pub name: &'static str,
    /// One line for the manual and `inspect`.
    pub description: &'static str,
    /// Whether it holds, and why.
    pub find: fn(&Mail<'_>) -> Finding,
}

/// Every classifier, by name.
pub static CLASSIFIERS: &[Classifier] =
    &[authenticated::AUTHENTICATED, forged_self::FORGED_SELF, s25r::S25R, verified::VERIFIED];
