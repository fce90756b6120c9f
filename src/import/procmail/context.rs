//! What an import knows while it goes through the recipes.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::words::{Variable, Variables};
use crate::import::Load;
use crate::import::ir::Draft;
use crate::source::Sources;

/// The state of one import.
pub(super) struct Lowering<'a> {
    pub(super) draft: Draft,
    pub(super) sources: Sources,
    pub(super) variables: Variables,
    /// `EXITCODE`, if it is set.
    pub(super) exit_code: Option<i32>,
    pub(super) load: Load<'a>,
    /// The files around, for circles.
    pub(super) around: Vec<PathBuf>,
    /// Headers that recipes have changed, lower case; `*` for any.
    pub(super) edited: BTreeSet<String>,
    /// Names that `let` keeps.
    pub(super) kept: BTreeSet<String>,
}

impl<'a> Lowering<'a> {
    pub(super) fn new(load: Load<'a>) -> Lowering<'a> {
        Lowering {
            draft: Draft::default(),
            sources: Sources::default(),
            variables: Variables::new(),
            exit_code: None,
            load,
            around: Vec::new(),
            edited: BTreeSet::new(),
            kept: BTreeSet::new(),
        }
    }

    pub(super) fn note(&mut self, note: &str) {
        self.draft.note(note);
    }

    /// A variable that is the same for every message; empty where it is not.
    pub(super) fn constant(&self, name: &str) -> String {
        match self.variables.get(name) {
            Some(Variable::Constant(text)) => text.clone(),
            _ => String::new(),
        }
    }
}
