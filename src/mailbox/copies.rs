//! Which messages of a walk are there a second time.
//!
//! A message that was delivered here is remembered, so that by the state
//! directory each message of a mailbox would be its own duplicate. What a
//! user wants to know of a mailbox is what would have happened had its
//! messages come one after the other: the first of a kind is none, those
//! behind it are. 16 bytes a message are kept for that.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use super::Turn;
use crate::message::Message;
use crate::state::seen;
use crate::state::slots::Key;
use crate::world::DuplicateStatus;

/// What has been met so far.
#[derive(Default)]
pub struct Copies {
    met: Mutex<HashSet<[u8; 16]>>,
}

impl Copies {
    /// What each message of a batch is, in the walk's order; none for one
    /// that is not there or cannot be read. Waits for the batches before it.
    pub fn note<'m>(
        &self,
        turn: Turn<'_>,
        messages: impl Iterator<Item = Option<&'m Message>>,
    ) -> Vec<Option<DuplicateStatus>> {
        let keys: Vec<Option<Key>> =
            messages.map(|message| message.and_then(|message| seen::key(message).ok())).collect();
        turn.take(|| {
            let mut met = self.met.lock().unwrap_or_else(PoisonError::into_inner);
            let mut one = |key: Key| {
                if met.insert(key.0) { DuplicateStatus::First } else { DuplicateStatus::Again }
            };
            keys.into_iter().map(|key| key.map(&mut one)).collect::<Vec<_>>()
        })
    }
}
