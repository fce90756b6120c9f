//! What an import knows while it walks through the recipes.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::words::{ProcmailVariable, RcVariables};
use crate::import::ir::{Draft, literal};
use crate::import::{IncludeLoader, Options};
use crate::source::Sources;

/// The state of one import.
pub(super) struct RecipeLowering<'a> {
    pub(super) draft: Draft,
    pub(super) sources: Sources,
    pub(super) variables: RcVariables,
    /// `EXITCODE`, if it is set.
    pub(super) exit_code: Option<i32>,
    pub(super) load: IncludeLoader<'a>,
    /// The Maildir that the user names.
    pub(super) maildir: Option<String>,
    /// The files being read, each included by the one before it, to detect circles.
    pub(super) around: Vec<PathBuf>,
    /// Headers that recipes have changed, in lower case; `*` for any.
    pub(super) edited: BTreeSet<String>,
    /// Names that `let` keeps.
    pub(super) kept: BTreeSet<String>,
    /// Variables whose values may begin with a dot.
    pub(super) dotted: BTreeSet<String>,
    /// How many names were created.
    pub(super) names: usize,
    /// How many blocks of this file are around the current place.
    pub(super) depth: usize,
    /// What this recipe captures may contain a blank.
    pub(super) captures_blank: bool,
    /// The next recipe asks whether this one was done.
    pub(super) is_asked_for: bool,
    /// The recipes after it ask whether its program has failed.
    pub(super) is_failure_asked_for: bool,
    /// What a recipe captures, nodes after it use.
    pub(super) match_is_used: bool,
    /// The rest of this file is not read.
    pub(super) switched: bool,
}

impl<'a> RecipeLowering<'a> {
    pub(super) fn new(options: &Options, load: IncludeLoader<'a>) -> RecipeLowering<'a> {
        RecipeLowering {
            draft: Draft::default(),
            sources: Sources::default(),
            variables: RcVariables::new(options.variables.clone()),
            maildir: options.maildir.clone(),
            exit_code: None,
            load,
            around: Vec::new(),
            edited: BTreeSet::new(),
            kept: BTreeSet::new(),
            dotted: BTreeSet::new(),
            names: 0,
            depth: 0,
            captures_blank: false,
            is_asked_for: false,
            is_failure_asked_for: false,
            match_is_used: false,
            switched: false,
        }
    }

    pub(super) fn note(&mut self, note: &str) {
        self.draft.note(note);
    }

    /// A variable's value as a template; empty if it is not known.
    pub(super) fn template(&self, name: &str) -> String {
        match self.variables.get(name) {
            Some(ProcmailVariable::Constant(text)) => literal(text),
            Some(ProcmailVariable::Template(template)) => template.clone(),
            _ => String::new(),
        }
    }
}
