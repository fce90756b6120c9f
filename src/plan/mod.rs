//! What must be done with a message, as data: `evaluate` creates it, `report` shows
//! it, `deliver` carries it out. Every effect is a step.

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
    /// At least one of them ends rule processing (a delivery to the inbox or to a folder,
    /// a discard, a reject, a defer …), or files the message.
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

    /// The steps that are about the output of the last `filter`.
    pub fn since_filter(&mut self) -> &mut [Step] {
        let filtered = |step: &Step| matches!(step.kind, StepKind::Filter { applied: true, .. });
        let first = self.steps.iter().rposition(filtered).map_or(0, |at| at + 1);
        self.steps.get_mut(first..).unwrap_or_default()
    }

    /// The step that stores the message where it belongs, not as a copy: the
    /// delivery that ends rule processing, otherwise the first `fileinto`. `None` if
    /// there is no such step, or if the message is deferred.
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

    /// The step at [`home`](Plan::home).
    pub fn home_step(&self) -> Option<&Step> {
        self.steps.get(self.home()?)
    }
}

/// One step.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// What to do.
    pub kind: StepKind,
    /// Which rule requested it; `None` for the inbox at the end of the rules.
    pub rule: Option<RuleRef>,
}

/// Which rule requested a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleRef {
    /// The place of the innermost rule around the action, or of the action itself
    /// if it is not in a rule.
    pub span: Span,
    /// Its line, from 1.
    pub line: u32,
    /// `rule "label"`, the innermost one.
    pub label: Option<String>,
    /// The category of site rules that contains it; `None` for the user's own rules.
    pub category: Option<String>,
}

/// The kinds of step.
#[derive(Debug, Clone, PartialEq)]
pub enum StepKind {
    /// Store the message.
    Deliver {
        /// The word of the language that requested it.
        as_: DeliveryWord,
        /// The destination.
        folder: Folder,
        /// Its flags from the first moment.
        flags: Flags,
    },
    /// Drop it.
    Discard {
        /// For the log.
        why: Option<String>,
    },
    /// Refuse it: the MTA informs the sender.
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
    /// Change the header of what the deliveries after this step store.
    Edit(HeaderEdit),
    /// Write a line to the log.
    Log(String),
    /// Pass it to a program, which ends rule processing; a failure defers.
    Pipe {
        /// The program and its arguments.
        argv: Vec<String>,
    },
    /// Pass a copy to a program; a failure is logged.
    Run {
        /// The program and its arguments.
        argv: Vec<String>,
    },
    /// A program's output replaces the message from here on.
    Filter {
        /// The program and its arguments.
        argv: Vec<String>,
        /// Whether it did: the steps after this one are about the new message,
        /// which contains the edits before it. If not, nothing changes.
        applied: bool,
    },
    /// Send it on.
    Forward {
        /// `forward copy`: it does not end rule processing.
        copy: bool,
        /// Envelope sender, RFC 5321 reverse-path; empty is the null sender.
        sender: String,
        /// Envelope recipients, at least one.
        to: Vec<String>,
        /// `user@host`: marks a message that has been here, so that it cannot go
        /// in circles.
        forwarder: String,
    },
    /// Answer it, unless this sender got that answer recently.
    Reply(Box<Reply>),
    /// Add an entry to a list's file, or remove one.
    EditList {
        /// Whether to add it; otherwise it is removed.
        add: bool,
        /// The name of the list.
        list: String,
        /// Its file.
        path: PathBuf,
        /// An exact address.
        entry: String,
    },
    /// Remember the message for `duplicate`, once it is delivered.
    Remember {
        /// The message's key.
        key: [u8; 16],
        /// For how long, seconds.
        within: u64,
        /// Whether rules refuse or defer mail: then they may refuse a retry as a duplicate.
        may_refuse: bool,
    },
    /// What a rule requested but will not be done.
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
    /// The text's file, as the rules name it; `None` if the text is in the rules.
    pub file: Option<String>,
    /// How long this sender gets no second answer, seconds.
    pub every: u64,
    /// The recipient of the answer: the envelope sender of the message.
    pub to: String,
    /// The author of the answer: the address that the message was sent to.
    pub from: String,
    /// The subject, decoded.
    pub subject: String,
    /// The Message-ID of the message that is answered, if it has one.
    pub in_reply_to: Option<String>,
    /// RFC 5322 §3.6.4.
    pub references: Option<String>,
    /// The text, filled in.
    pub body: String,
    /// What a sender gets only once: the text before it was filled in, or
    /// something that identifies it.
    pub key: String,
}

/// The word that requested a delivery.
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

/// A folder by the names of its levels as people read them; no levels for the inbox.
#[derive(Debug, Clone, PartialEq, Eq, Default, Hash)]
pub struct Folder {
    /// Cleaned by `evaluate::template`: no level is empty, `.` or `..`, contains
    /// a `/`, a NUL or another control character, or is longer than a file name
    /// may be.
    pub parts: Vec<String>,
}

impl Folder {
    /// The folder of a name as people write it, `/` between its levels: what
    /// [`Display`](std::fmt::Display) shows. `INBOX` in any case, and no name, is the inbox.
    pub fn named(name: &str) -> Folder {
        if name.eq_ignore_ascii_case("INBOX") {
            return Folder::default();
        }
        let parts = name.split('/').filter(|part| !part.is_empty());
        Folder { parts: parts.map(str::to_owned).collect() }
    }
}

impl std::fmt::Display for Folder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.parts.is_empty() {
            return f.write_str("INBOX");
        }
        f.write_str(&self.parts.join("/"))
    }
}
