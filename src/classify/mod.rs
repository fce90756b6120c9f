//! What we know about the world's mail: one small file a classifier, each
//! with its name, its one-line description and its reasons.
//!
//! A classifier is a function from [`Mail`] to evidence in words ("List-Id
//! names rust.lists.example"). A new one is a new file and a line in
//! [`CLASSIFIERS`]. None costs anything until a rule asks; those that look at
//! the header alone never read the body.

pub mod cfws;
pub mod received;

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
    /// A variable of the MTA's environment (`CLIENT_ADDRESS`, `SASL_USERNAME`, …).
    pub variable: &'a dyn Fn(&str) -> Option<String>,
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
pub static CLASSIFIERS: &[Classifier] = &[];
