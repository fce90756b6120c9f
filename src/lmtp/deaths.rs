//! Messages that workers have died of, so that they are kept from the rules in the end.
//! They are identified by a hash, which is computed only after a worker has died.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::spool::MessageData;

/// How many messages are remembered.
const KNOWN_DEATHS: usize = 1000;

/// A message by its hash, and a recipient.
type DeathKey = ([u8; 32], String);

/// How many workers have died of each message.
#[derive(Default)]
pub struct Deaths(Mutex<HashMap<DeathKey, u32>>);

impl Deaths {
    fn lock(&self) -> MutexGuard<'_, HashMap<DeathKey, u32>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many workers have died of a message for a recipient.
    pub fn of(&self, message: &MessageData, recipient: &str) -> u32 {
        let deaths = self.lock();
        if deaths.is_empty() {
            return 0;
        }
        drop(deaths);
        let Ok(digest) = message.digest() else { return 0 };
        let deaths = self.lock();
        deaths.get(&(digest, recipient.to_owned())).copied().unwrap_or(0)
    }

    /// One more has died of it; returns how many have.
    pub fn note(&self, message: &MessageData, recipient: &str) -> u32 {
        let Ok(digest) = message.digest() else { return 0 };
        let mut deaths = self.lock();
        let key = (digest, recipient.to_owned());
        if deaths.len() >= KNOWN_DEATHS && !deaths.contains_key(&key) {
            // Some other message is then tried with the rules once more than it should
            // be.
            if let Some(any) = deaths.keys().next().cloned() {
                deaths.remove(&any);
            }
        }
        let count = deaths.entry(key).or_default();
        *count += 1;
        *count
    }

    /// A worker has finished this message.
    pub fn forget(&self, message: &MessageData, recipient: &str) {
        if let Ok(digest) = message.digest() {
            let mut deaths = self.lock();
            deaths.remove(&(digest, recipient.to_owned()));
        }
    }
}
