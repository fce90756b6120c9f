//! What is to be done with a message, as data: `evaluate` makes it, `explain`
//! shows it, `deliver` carries it out. Every effect is a step.

use crate::message::HeaderEdit;
use crate::rules::program::Flags;
use crate::source::Span;

/// The steps in the order of the rules that asked for them.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Plan {
    /// At least one of them ends the message's way: a delivery to the inbox or
    /// a folder, a discard, a reject, a defer.
    pub steps: Vec<Step>,
}

/// One step.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// What to do.
    pub kind: StepKind,
    /// Which rule asked; none for the inbox at the end of the rules.
    pub rule: Option<RuleRef>,
}

/// Which rule asked for a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleRef {
    /// Place of the innermost rule around the action, or of the action where
    /// it stands alone.
    pub span: Span,
    /// Its line, from 1.
    pub line: u32,
    /// `rule "label"`, the innermost.
    pub label: Option<String>,
    /// The category of the site rules that it is in; none for the user's own.
    pub category: Option<String>,
}

/// The kinds of step.
#[derive(Debug, Clone, PartialEq)]
pub enum StepKind {
    /// Store the message.
    Deliver {
        /// The word of the language that asked.
        as_: DeliveryWord,
        /// Where to.
        folder: Folder,
        /// How it is flagged from its first moment.
        flags: Flags,
    },
    /// Drop it.
    Discard {
        /// For the log.
        why: Option<String>,
    },
    /// Refuse it: the MTA tells the sender.
    Reject {
        /// `5.x.x`, RFC 3463.
        status: String,
        /// One line.
        text: String,
    },
    /// Let the MTA try again later.
    Defer {
        /// `4.x.x`, RFC 3463.
        status: String,
        /// One line.
        text: String,
    },
    /// Change the header of what the deliveries behind this step store.
    Edit(HeaderEdit),
    /// Write a line to the log.
    Log(String),
}

/// The word that asked for a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryWord {
    /// `inbox`, `stop`, or the end of the rules.
    Inbox,
    /// `folder`
    Folder,
    /// `copy`
    Copy,
}

/// A folder by the names of its levels as people read them; none is the inbox.
#[derive(Debug, Clone, PartialEq, Eq, Default, Hash)]
pub struct Folder {
    /// Cleaned by `evaluate::template`: no part is empty, `.`, `..`, holds a
    /// `/`, a NUL or another control character, or is longer than a file name may be.
    pub parts: Vec<String>,
}

impl std::fmt::Display for Folder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.parts.is_empty() {
            return f.write_str("INBOX");
        }
        f.write_str(&self.parts.join("/"))
    }
}
