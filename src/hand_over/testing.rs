//! What a test knows about copies between the tries of a hand-over.

use std::collections::HashMap;

use super::HandOverNotes;

#[derive(Debug, Default)]
pub(crate) struct TestNotes {
    /// In the order in which they were reported.
    pub(crate) stored: Vec<usize>,
    pub(crate) attempts: HashMap<usize, String>,
}

impl HandOverNotes for TestNotes {
    fn note_stored(&mut self, copy: usize) {
        self.stored.push(copy);
    }

    fn attempt(&self, copy: usize) -> Option<String> {
        self.attempts.get(&copy).cloned()
    }

    fn note_attempt(&mut self, copy: usize, note: &str) {
        self.attempts.insert(copy, note.to_owned());
    }
}
