//! Which messages of a walk occur a second time.
//!
//! The state directory remembers every message that was delivered here, so by that each
//! message of a mailbox would be a duplicate of itself. What a user wants to know about a
//! mailbox is what would have happened if its messages had arrived one after the other:
//! the first of its kind is not a duplicate, later ones are. This takes 16 bytes of
//! memory per message.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use super::Turn;
use crate::message::Message;
use crate::state::duplicates;
use crate::state::slots::Key;
use crate::world::DuplicateStatus;

/// The messages so far.
#[derive(Default)]
pub struct Copies {
    seen: Mutex<HashSet<[u8; 16]>>,
}

impl Copies {
    /// Whether each message of a batch is a duplicate, in the walk's order; none for one
    /// that does not exist or cannot be read. Waits for the earlier batches.
    pub fn note<'m>(
        &self,
        turn: Turn<'_>,
        messages: impl Iterator<Item = Option<&'m Message>>,
    ) -> Vec<Option<DuplicateStatus>> {
        let keys: Vec<Option<Key>> = messages
            .map(|message| message.and_then(|message| duplicates::key(message).ok()))
            .collect();
        turn.take(|| {
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            let mut status = |key: Key| {
                if seen.insert(key.0) { DuplicateStatus::First } else { DuplicateStatus::Again }
            };
            keys.into_iter().map(|key| key.map(&mut status)).collect::<Vec<_>>()
        })
    }
}
