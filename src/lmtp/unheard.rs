//! Deliveries whose answer did not reach the client: it was gone by then and sends the
//! message again, which must neither be stored twice nor be refused by a rule that asks
//! what the first delivery has noted, such as the sender in a list.
//!
//! They are kept in memory, and identified by a hash, which is computed only while there
//! are any.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::spool::MessageData;

/// How many are remembered; the oldest are forgotten first.
const MOST: usize = 1000;

/// A message by its hash, the envelope sender and a recipient.
type UnheardKey = ([u8; 32], String, String);

/// What was delivered while nobody heard the answer.
#[derive(Default)]
pub struct Unheard(Mutex<VecDeque<UnheardKey>>);

impl Unheard {
    fn lock(&self) -> MutexGuard<'_, VecDeque<UnheardKey>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A message was delivered, and nobody heard the answer.
    pub fn note(&self, message: &MessageData, sender: &str, recipient: &str) {
        // Without its hash it is delivered again.
        let Ok(digest) = message.digest() else { return };
        let mut all = self.lock();
        if all.len() >= MOST {
            all.pop_front();
        }
        all.push_back((digest, sender.to_owned(), recipient.to_owned()));
    }

    /// Whether a message was delivered before and nobody heard the answer. It is given
    /// now, so it is forgotten.
    pub fn take(&self, message: &MessageData, sender: &str, recipient: &str) -> bool {
        if self.lock().is_empty() {
            return false;
        }
        let Ok(digest) = message.digest() else { return false };
        let mut all = self.lock();
        let is_it = |key: &UnheardKey| key.0 == digest && key.1 == sender && key.2 == recipient;
        all.iter().position(is_it).and_then(|at| all.remove(at)).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_known_once_and_to_its_own_recipient() {
        let unheard = Unheard::default();
        let message = |text: &str| MessageData::Memory(text.as_bytes().to_vec());
        assert!(!unheard.take(&message("x"), "a@b", "c@d"));
        unheard.note(&message("x"), "a@b", "c@d");
        for (text, sender, recipient) in [("y", "a@b", "c@d"), ("x", "", "c@d"), ("x", "a@b", "c")]
        {
            assert!(!unheard.take(&message(text), sender, recipient));
        }
        assert!(unheard.take(&message("x"), "a@b", "c@d"));
        assert!(!unheard.take(&message("x"), "a@b", "c@d"));
        for number in 0..=MOST {
            unheard.note(&message(&number.to_string()), "", "c@d");
        }
        assert!(!unheard.take(&message("0"), "", "c@d"), "the oldest was forgotten");
        assert!(unheard.take(&message("1"), "", "c@d"));
    }
}
