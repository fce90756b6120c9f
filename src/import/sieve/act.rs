//! What the commands of a script do, collected before it is known how a delivery is to be
//! expressed.

use std::collections::BTreeSet;
use std::rc::Rc;

use crate::import::ir::{Cond, Effect, Mark};

/// What a command does to a message.
pub(super) enum SieveAct {
    /// Store it; a copy leaves the implicit keep.
    Store { folder: SievePlace, flags: FlagsHere, copy: bool },
    /// Send it on.
    Redirect { to: String, copy: bool },
    /// Give it to a program; `attempt` if nothing else depends on whether that works.
    Pipe { words: Vec<String>, copy: bool, attempt: bool },
    /// Only cancel the implicit keep.
    Discard,
    /// Refuse it, with that text.
    Reject(String),
    /// Something that changes the message, or its flags for later deliveries.
    Change(Effect),
    /// Something that depends on nothing before it except variables.
    Other(Effect),
}

/// Where to store.
pub(super) enum SievePlace {
    Inbox,
    Folder(String),
    /// By the value of a variable: a condition and a folder each. The flag says whether
    /// it may have another value, for which nothing is stored.
    ByValue(Vec<(Cond, Option<String>)>, bool),
}

/// Flags where a message is stored.
pub(super) struct FlagsHere {
    /// Those of `:flags`, in place of those set before.
    pub(super) own: Option<BTreeSet<Mark>>,
    /// Certainly set at this point, whatever the message.
    pub(super) must: Rc<BTreeSet<Mark>>,
    /// Possibly set at this point.
    pub(super) may: Rc<BTreeSet<Mark>>,
}

impl SieveAct {
    /// Whether it stores the message, sends it on, or gives it to a program.
    pub(super) fn delivers(&self) -> bool {
        matches!(self, SieveAct::Store { .. } | SieveAct::Redirect { .. } | SieveAct::Pipe { .. })
    }

    /// Whether it decides what becomes of the implicit keep.
    pub(super) fn closes(&self) -> bool {
        match self {
            SieveAct::Store { copy, .. }
            | SieveAct::Redirect { copy, .. }
            | SieveAct::Pipe { copy, .. } => !copy,
            SieveAct::Discard | SieveAct::Reject(_) => true,
            SieveAct::Change(_) | SieveAct::Other(_) => false,
        }
    }
}

/// The address in `Name <address>`.
pub(super) fn plain_address(written: &str) -> &str {
    let inner = written.rsplit_once('<').map_or(written, |(_, rest)| rest);
    inner.split('>').next().unwrap_or(inner).trim()
}
