//! What rules have done so far, as later tests and values can use it.

use super::captures::Captures;
use crate::flags::Flags;
use crate::plan::RuleRef;

/// How a `filter` ended.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) enum FilterEnd {
    /// There was none, or the current message is its output.
    #[default]
    Fine,
    /// The program could not be applied.
    Failed,
    /// The program could not be run at the moment, for this reason.
    Unavailable(String),
    /// Nothing was tried.
    NotRun,
}

/// The progress through a script.
#[derive(Debug, Clone, Copy)]
pub(super) struct ScriptRun {
    /// The first statement after it.
    pub(super) end: usize,
    /// Whether the script has filed the message: the run then ends after the script.
    pub(super) has_filed: bool,
}

/// A rule that holds and has not ended yet.
#[derive(Debug, Clone)]
pub(super) struct OpenRule {
    pub(super) end: usize,
    pub(super) rule: RuleRef,
    pub(super) captures: Captures,
}

/// The state of a run, which continues after a `filter`.
#[derive(Debug, Clone, Default)]
pub(super) struct RunState {
    /// The flags that `mark` and `unmark` have set so far, in site rules too.
    pub(super) flags: Flags,
    /// How the last `filter` ended.
    pub(super) filter: FilterEnd,
    /// The rules around the current statement, outermost first.
    pub(super) open: Vec<OpenRule>,
    /// The script of `include sieve` that the run is in.
    pub(super) script: Option<ScriptRun>,
    /// The texts of `let`, by number; those of the current program only.
    values: Vec<Option<String>>,
}

impl RunState {
    /// The text that `let` has kept.
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

    /// Forgets the texts of `let` before another program runs.
    pub(super) fn forget_values(&mut self) {
        self.values.clear();
    }
}
