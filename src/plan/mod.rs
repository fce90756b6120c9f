//! What is to be done with a message, as data: `evaluate` makes it, `explain`
//! shows it, `deliver` carries it out. Every effect is a step.

mod step_id;
mod words;

pub use step_id::{StepId, StepIds};
pub use words::StepWords;

use std::path::PathBuf;

use crate::flags::Flags;
use crate::message::HeaderEdit;
use crate::source::Span;

/// The steps in the order of the rules that asked for them.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Plan {
    /// At least one of them ends the message's way (a delivery to the inbox or
    /// a folder, a discard, a reject, a defer), or files it.
    pub steps: Vec<Step>,
}

impl Plan {
    /// The folders that `fileinto` puts the message into.
    pub fn filed(&self) -> impl Iterator<Item = &Folder> {
        self.steps.iter().filter_map(|step| match &step.kind {
            StepKind::Deliver { as_: DeliveryWord::FileInto, folder, .. } => Some(folder),
            _ => None,
        })
    }

    /// The steps that are about the message as the last `filter` left it.
    pub fn since_filter(&mut self) -> &mut [Step] {
        let filtered = |step: &Step| matches!(step.kind, StepKind::Filter { applied: true, .. });
        let first = self.steps.iter().rposition(filtered).map_or(0, |at| at + 1);
        self.steps.get_mut(first..).unwrap_or_default()
    }

    /// The step by which the message lies where it belongs, not as a copy: the
    /// delivery that ends its way, else the first `fileinto`. None if it lies nowhere,
    /// or is deferred.
    pub fn home(&self) -> Option<usize> {
        let position =
            |test: fn(&StepKind) -> bool| self.steps.iter().position(|step| test(&step.kind));
        if position(|step| matches!(step, StepKind::Defer { .. })).is_some() {
            return None;
        }
        position(|step| {
            let ends =
                |as_: &DeliveryWord| matches!(as_, DeliveryWord::Inbox | DeliveryWord::Folder);
            matches!(step, StepKind::Deliver { as_, .. } if ends(as_))
        })
        .or_else(|| {
            position(|step| matches!(step, StepKind::Deliver { as_: DeliveryWord::FileInto, .. }))
        })
    }

    /// That step itself.
    pub fn home_step(&self) -> Option<&Step> {
        self.steps.get(self.home()?)
    }
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
    /// `rule "label"`, the innermost there is.
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
    /// Give it to a program, which ends its way; a failure defers.
    Pipe {
        /// The program and its arguments.
        argv: Vec<String>,
    },
    /// Give a copy to a program; a failure is logged.
    Run {
        /// The program and its arguments.
        argv: Vec<String>,
    },
    /// What a program makes of the message takes its place from here on.
    Filter {
        /// The program and its arguments.
        argv: Vec<String>,
        /// Whether it did: the steps behind this one are about the new
        /// message, which has the edits before it in it. If not, nothing changes.
        applied: bool,
    },
    /// Send it on.
    Forward {
        /// `forward copy`: it does not end the way.
        copy: bool,
        /// Envelope sender, RFC 5321 reverse-path; empty is the null sender.
        sender: String,
        /// Envelope recipients, one at least.
        to: Vec<String>,
        /// `user@host`: a message that was here is marked, so that it cannot come in circles.
        forwarder: String,
    },
    /// Answer it, unless this sender got that answer lately.
    Reply(Box<Reply>),
    /// Add an entry to a list's file, or remove it.
    EditList {
        /// Add it, else remove it.
        add: bool,
        /// Name of the list.
        list: String,
        /// Its file.
        path: PathBuf,
        /// An exact address.
        entry: String,
    },
    /// Remember the message for `duplicate`, once it is delivered.
    Remember {
        /// What it is known by.
        key: [u8; 16],
        /// For how many seconds.
        within: u64,
    },
    /// What a rule asked and what will not be done.
    Skipped {
        /// The word of the language.
        action: &'static str,
        /// Why not.
        why: String,
    },
}

/// An automatic answer, RFC 3834.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The text's file, as the rules name it; none if it stands in the rules.
    pub file: Option<String>,
    /// Once in so many seconds.
    pub every: u64,
    /// The envelope sender of the message, who gets it.
    pub to: String,
    /// Whom it is from: the address the message was sent to.
    pub from: String,
    /// Decoded.
    pub subject: String,
    /// The Message-ID that is answered, if it has one.
    pub in_reply_to: Option<String>,
    /// RFC 5322 §3.6.4.
    pub references: Option<String>,
    /// The text, filled in.
    pub body: String,
    /// What a sender gets once: the text before it was filled in, or what stands for it.
    pub key: String,
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
    /// `fileinto`
    FileInto,
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
