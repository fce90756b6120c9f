//! What rules have done so far that later tests and values can ask for.

use crate::flags::Flags;

/// How a `filter` ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum FilterEnd {
    /// There was none, or the message is what it made.
    #[default]
    Fine,
    /// It could not be applied.
    Failed,
    /// Nothing was tried.
    NotRun,
}

/// The state of a run, which goes on behind a `filter`.
#[derive(Debug, Clone, Default)]
pub(super) struct RunState {
    /// From `mark` and `unmark`, of site rules too.
    pub(super) flags: Flags,
    /// How the last `filter` ended.
    pub(super) filter: FilterEnd,
    /// From `let`, by number; of one program.
    values: Vec<Option<String>>,
}

impl RunState {
    /// What `let` has kept.
    pub(super) fn value(&self, number: u32) -> Option<&str> {
        self.values.get(number as usize)?.as_deref()
    }

    /// Keeps a text.
    pub(super) fn keep(&mut self, number: u32, text: String) {
        let number = number as usize;
        if self.values.len() <= number {
            self.values.resize(number + 1, None);
        }
        if let Some(value) = self.values.get_mut(number) {
            *value = Some(text);
        }
    }

    /// Forgets what was kept, before another program.
    pub(super) fn forget_values(&mut self) {
        self.values.clear();
    }
}
