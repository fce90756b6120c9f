//! What an import knows while it walks through a filter.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::pattern::CaptureNeeds;
use super::value::{MaildropVariable, MaildropVariables, kept_name};
use crate::import::ir::{Cond, Draft};
use crate::import::{IncludeLoader, Options};
use crate::source::{Sources, Span};

/// The state of one import.
pub(super) struct FilterLowering<'a> {
    pub(super) draft: Draft,
    pub(super) sources: Sources,
    pub(super) variables: MaildropVariables,
    pub(super) load: IncludeLoader<'a>,
    /// The Maildir that the user names.
    pub(super) maildir: Option<String>,
    /// Where mail goes that no statement takes.
    pub(super) inbox: String,
    /// The files being read, each included by the one before it, to detect circles.
    pub(super) around: Vec<PathBuf>,
    /// The result of the last program.
    pub(super) code: ReturnCode,
    /// No further statement is reached.
    pub(super) ended: bool,
    /// Failures here are ignored.
    pub(super) in_exception: bool,
    /// Nothing comes after this statement in the block of `exception`.
    pub(super) is_last: bool,
    /// How many branches are around the current place, each of which may be skipped.
    pub(super) depth: usize,
    /// What patterns have to capture.
    pub(super) wanted: CaptureNeeds,
    /// How many patterns of this rule captured so far.
    pub(super) captured: usize,
    /// How the condition that is being read differs.
    pub(super) differs: Option<String>,
    /// Where variables are read, and what is known about that.
    pub(super) uses: Uses,
    /// The Maildir that maildrop is called with, as it is written.
    pub(super) called: Option<String>,
    /// FLAGS, KEYWORDS: those that were set.
    pub(super) marked: BTreeSet<String>,
    /// Variables in which a loop has put parts together, and what is before each part, in
    /// bytes.
    pub(super) joined: BTreeMap<String, usize>,
    /// What comes next asks for the result of a program.
    pub(super) code_is_asked: bool,
    /// How many names were created.
    pub(super) names: usize,
    /// The filter creates folders itself.
    pub(super) makes_folders: bool,
}

/// A command as words of ours.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct CommandWords {
    pub(super) words: Vec<String>,
    /// How it differs.
    pub(super) differs: Option<String>,
}

/// What `$RETURNCODE` is.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum ReturnCode {
    Unknown,
    /// Not 0 if this holds.
    Known(Cond),
    /// The same; which number it is cannot be known.
    Program(Cond),
    /// The number that `let` keeps under this name.
    Number(String),
    /// `test -d`, `test -f` of this path: 0 if it exists; and the words of the command.
    Exists(Option<String>, CommandWords),
    /// `test -d` of this path, which is a folder of ours: 0 if it exists.
    Folder {
        /// As it is written there.
        path: String,
        /// Our name for it.
        name: String,
        /// Why it may be another Maildir's.
        guess: Option<String>,
    },
}

/// Which variables are read and set where, in all files read so far.
#[derive(Debug, Clone, Default)]
pub(super) struct Uses {
    /// Each use of a variable's value.
    pub(super) read: BTreeMap<String, Vec<Span>>,
    /// Variables that conditions ask for.
    pub(super) tested: BTreeSet<String>,
    /// Something asks which number other than 0 and 1 `$RETURNCODE` is.
    pub(super) code_number: bool,
    /// Something asks whether it is 1.
    pub(super) code_one: bool,
    /// Headers that patterns ask for, in lower case.
    pub(super) headers: BTreeSet<String>,
    /// Patterns ask for any header.
    pub(super) all_headers: bool,
    /// Where other files are included.
    pub(super) includes: Vec<Span>,
}

impl<'a> FilterLowering<'a> {
    pub(super) fn new(options: &Options, load: IncludeLoader<'a>) -> FilterLowering<'a> {
        FilterLowering {
            draft: Draft::default(),
            sources: Sources::default(),
            variables: MaildropVariables::new(options.variables.clone()),
            maildir: options.maildir.clone(),
            load,
            inbox: "~/Maildir/".into(),
            around: Vec::new(),
            code: ReturnCode::Unknown,
            ended: false,
            in_exception: false,
            is_last: false,
            depth: 0,
            wanted: CaptureNeeds::default(),
            captured: 0,
            differs: None,
            uses: Uses::default(),
            called: None,
            marked: BTreeSet::new(),
            joined: BTreeMap::new(),
            code_is_asked: false,
            names: 0,
            makes_folders: false,
        }
    }

    pub(super) fn note(&mut self, note: &str) {
        self.draft.note(note);
    }

    /// The result of a program, for conditions and texts.
    pub(super) fn set_code(&mut self, code: ReturnCode) {
        let variable = match &code {
            ReturnCode::Known(Cond::Never) => MaildropVariable::Constant("0".into()),
            ReturnCode::Number(name) => MaildropVariable::Kept(name.clone(), None),
            _ => MaildropVariable::Unknown("a program gives RETURNCODE its value".into()),
        };
        self.variables.set("RETURNCODE", variable);
        self.code = code;
    }

    /// The result of a program is kept by `let`, under the name that is returned.
    pub(super) fn keep_code(&mut self) -> String {
        let name = kept_name("RETURNCODE");
        self.set_code(ReturnCode::Number(name.clone()));
        name
    }
}
