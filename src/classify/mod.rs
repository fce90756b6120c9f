//! What we know about the world's mail: one small file per classifier, with its
//! name, what it looks for and its reasons.
//!
//! A classifier is a function from [`Mail`] to evidence in words ("List-Id names
//! rust.lists.example"). A new one is a new file and a line in [`CLASSIFIERS`].
//! None costs anything until a rule asks for it; those that need only the header
//! never read the body.

pub mod addressed_to_me;
pub mod authenticated;
pub mod authentication;
pub mod auto_generated;
pub mod automatic;
pub mod backscatter;
pub mod bounce;
pub mod bulk;
pub mod calendar;
pub mod client;
pub mod content_kind;
pub mod daemon;
pub mod domain_report;
pub mod forged_self;
pub mod link;
pub mod list_address;
pub mod list_copy;
pub mod list_name;
pub mod input;
pub mod magic;
pub mod mailing_list;
pub mod people;
pub mod pretender;
pub mod procmail;
pub mod received;
pub mod resembles;
pub mod rewritten;
pub mod s25r;
pub mod spam_verdict;
pub mod transactional;
pub mod verified;
pub mod virus_warning;
mod words;

#[cfg(test)]
pub mod testing;

use std::cell::OnceCell;
use std::rc::Rc;

use crate::message::Message;
use crate::message::address::Address;

/// A message and what a classifier may know about its context.
pub struct Mail<'a> {
    /// The message.
    pub message: &'a Message,
    /// The envelope sender, RFC 5321 reverse-path: `Some("")` is the null
    /// sender, `None` is unknown.
    pub envelope_sender: Option<String>,
    /// There is an envelope sender, but it is too long to be used.
    pub has_long_sender: bool,
    /// Whether an address is one of the user's own (`set me`); `None` if the
    /// rules do not say which they are.
    pub me: Option<&'a dyn Fn(&Address) -> bool>,
    /// The people that the user knows, or why they cannot be determined.
    pub people: &'a dyn Fn() -> Result<Rc<people::People>, String>,
    /// `set trust`: authserv-ids to believe; empty if the rules do not set it.
    pub trust: Vec<String>,
    /// `set relays`: addresses, networks and names of the user's own machines
    /// that hand mail on.
    pub relays: Vec<String>,
    /// `set spam-score-header`
    pub spam_score_header: Option<String>,
    /// The machine's host name, fully qualified if that is known: its results are
    /// believed if the rules do not set `trust`.
    pub host_name: Option<String>,
    /// What one classifier has found and others need too; starts empty.
    pub known: SharedResults,
    /// A variable of the MTA's environment (`CLIENT_ADDRESS`, `SASL_USERNAME`, …).
    pub variable: &'a dyn Fn(&str) -> Option<String>,
}

/// Results that are computed once for several classifiers and fields.
#[derive(Debug, Default)]
pub struct SharedResults {
    bounce: OnceCell<Result<Option<bounce::Report>, String>>,
    relays: OnceCell<received::relays::Relays>,
    trace_lines: OnceCell<received::TraceLines>,
    results: OnceCell<authentication::Results>,
    links: OnceCell<Result<Vec<link::Link>, String>>,
}

impl<'a> Mail<'a> {
    /// [`Mail::me`] for a classifier that depends on it.
    ///
    /// # Errors
    /// The rules do not say which addresses are the user's.
    pub fn require_me(&self) -> Result<&'a dyn Fn(&Address) -> bool, &'static str> {
        self.me.ok_or("`set me` does not say which addresses are yours")
    }

    /// The machines that are ours.
    pub fn relays(&self) -> &received::relays::Relays {
        let new = || received::relays::Relays::new(&self.relays, &self.trust);
        self.known.relays.get_or_init(new)
    }

    /// The Received lines that are ours.
    pub fn trace_lines(&self) -> &received::TraceLines {
        let new = || received::TraceLines::of(self.message.head(), self.relays());
        self.known.trace_lines.get_or_init(new)
    }

    /// Whether more than one line could be read as From, so that a border may
    /// have read another than the one that a mail reader displays.
    pub fn has_several_from(&self) -> bool {
        self.message.header_may_go_on() || self.message.head().lines_like("from") > 1
    }

    /// What a trusted border found out about the sender.
    pub fn results(&self) -> &authentication::Results {
        self.known.results.get_or_init(|| authentication::of(self))
    }
}

/// Evidence; `None` if the classifier does not hold; or why that cannot be determined.
pub type Finding = Result<Option<String>, String>;

/// One classifier.
pub struct Classifier {
    /// The word of the classifier in the rule language.
    pub name: &'static str,
    /// What was looked for and not found, for the trace if it does not hold.
    pub absent: &'static str,
    /// Whether the classifier holds, and why.
    pub find: fn(&Mail<'_>) -> Finding,
}

/// Every classifier, by name.
pub static CLASSIFIERS: &[Classifier] = &[
    addressed_to_me::ADDRESSED_TO_ME,
    authenticated::AUTHENTICATED,
    auto_generated::AUTO_GENERATED,
    automatic::AUTOMATIC,
    backscatter::BACKSCATTER,
    bounce::BOUNCE,
    bulk::BULK,
    calendar::CALENDAR,
    daemon::DAEMON,
    content_kind::ENCRYPTED,
    forged_self::FORGED_SELF,
    procmail::FROM_DAEMON,
    procmail::FROM_MAILER,
    mailing_list::MAILING_LIST,
    content_kind::PASSWORD_PROTECTED,
    pretender::PRETENDER,
    s25r::S25R,
    content_kind::SIGNED,
    spam_verdict::SPAM,
    transactional::TRANSACTIONAL,
    verified::VERIFIED,
    spam_verdict::VIRUS,
    virus_warning::VIRUS_WARNING,
];

/// The classifier of that name.
pub fn named(name: &str) -> Option<&'static Classifier> {
    CLASSIFIERS.iter().find(|classifier| classifier.name == name)
}

#[cfg(test)]
mod tests {
    use super::{CLASSIFIERS, bounce, list_name, testing::mail};
    use crate::message::Message;
    use proptest::prelude::*;

    #[test]
    fn names_are_sorted_and_say_what_is_absent() {
        assert!(CLASSIFIERS.is_sorted_by(|one, next| one.name < next.name));
        assert!(CLASSIFIERS.iter().all(|classifier| !classifier.absent.is_empty()));
    }

    /// Pieces of mail, and what may break a parser.
    const PIECES: &[&str] = &[
        "From: ",
        "From ",
        "Sender: ",
        "Subject: ",
        "List-Id: ",
        "List-Post: <mailto:",
        "Content-Type: ",
        "Return-Path: <>",
        "To: ",
        "Mailing-List: ",
        "multipart/report; boundary=b",
        "message/delivery-status",
        "\n",
        "\r\n",
        "\r",
        "\n\n",
        "--b",
        "--b--",
        "MAILER-DAEMON",
        "<",
        ">",
        "@",
        "a@b.example",
        "owner-",
        "-return-1",
        "[",
        "]",
        "(",
        ")",
        ":",
        ";",
        ".",
        "5.1.1",
        "550 ",
        "550-",
        "#",
        "Action: failed",
        "Final-Recipient: rfc822;",
        "Status: ",
        "failure notice",
        "\"",
        "\\",
        "bouncedRecipients",
        "大",
        "é",
        "\u{feff}",
        " ",
        "\t",
        "X-Failed-Recipients: ",
        "Received: with ECARTIS (list ",
        "user unknown",
        "=?utf-8?q?",
        "Re:",
    ];

    proptest! {
        #[test]
        fn no_input_panics(pieces in prop::collection::vec(prop::sample::select(PIECES), 0..60)) {
            let message = Message::from_bytes(pieces.concat().into_bytes());
            let mail = mail(&message);
            for classifier in CLASSIFIERS {
                let _ = (classifier.find)(&mail);
            }
            let _ = (bounce::statuses(&mail), bounce::recipients(&mail), bounce::reasons(&mail));
            let _ = list_name::list_name(&mail);
        }

        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let message = Message::from_bytes(bytes);
            let mail = mail(&message);
            for classifier in CLASSIFIERS {
                let _ = (classifier.find)(&mail);
            }
        }
    }
}
