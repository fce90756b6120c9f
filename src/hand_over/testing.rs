//! What a test knows about copies between the tries of a hand-over.

use std::collections::HashMap;

use super::HandOverNotes;

#[derive(Debug, Default)]
pub(crate) struct TestNotes {
    /// In the order in which they were reported.
    pub(crate) stored: Vec<usize>,
    pub(crate) begun: HashMap<usize, String>,
}

impl HandOverNotes for TestNotes {
    fn stored(&mut self, copy: usize) {
        self.stored.push(copy);
    }

    fn begun(&self, copy: usize) -> Option<String> {
        self.begun.get(&copy).cloned()
    }

    fn begin(&mut self, copy: usize, note: &str) {
        self.begun.insert(copy, note.to_owned());
    }
}
