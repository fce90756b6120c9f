//! What the commands of a script do, gathered before it is known how a delivery is to be
//! said.

use std::collections::BTreeSet;
use std::rc::Rc;

use crate::import::ir::{Cond, Effect, Mark};

/// What a command does to a message.
pub(super) enum SieveAct {
    /// Store it; a copy leaves the implicit keep.
    Store { folder: SievePlace, flags: FlagsHere, copy: bool },
    /// Send it on.
    Redirect { to: String, copy: bool },
    /// Nothing but cancel the implicit keep.
    Discard,
    /// Refuse it, with that text.
    Reject(String),
    /// What changes the message or its flags for later deliveries.
    Change(Effect),
    /// What hangs on nothing before it but variables.
    Other(Effect),
}

/// Where to store.
pub(super) enum SievePlace {
    Inbox,
    Folder(String),
    /// By the value of a variable: each condition, and the folder.
    /// Whether it may have another one, with which nothing is stored.
    ByValue(Vec<(Cond, Option<String>)>, bool),
}

/// Flags where a message is stored.
pub(super) struct FlagsHere {
    /// Those of `:flags`, in the place of those set before.
    pub(super) own: Option<BTreeSet<Mark>>,
    /// Set by now, whatever the message.
    pub(super) must: Rc<BTreeSet<Mark>>,
    /// Perhaps set by now.
    pub(super) may: Rc<BTreeSet<Mark>>,
}

impl SieveAct {
    /// Whether it decides what becomes of the implicit keep.
    pub(super) fn closes(&self) -> bool {
        match self {
            SieveAct::Store { copy, .. } | SieveAct::Redirect { copy, .. } => !copy,
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
