//! What `include sieve` takes in: a script in another language, made into rules by
//! an importer. Which script that is, and what takes its place where it cannot be
//! used, is the caller's to decide ([`crate::load::script`]).

use std::ops::Range;
use std::path::{Path, PathBuf};

use super::program::Layout;
use crate::source::{SourceFile, Span};

/// What the statement asks for.
#[derive(Debug, Clone, Copy)]
pub struct ScriptRequest<'a> {
    /// The script.
    pub path: &'a Path,
    /// The separator between folder levels in it.
    pub separator: char,
    /// What the names of all its folders begin with, but for the inbox.
    pub prefix: &'a str,
    /// How folders lie in the Maildir.
    pub layout: Layout,
    /// The zone that the rules set.
    pub timezone: Option<&'a str>,
}

/// A script as rules.
#[derive(Debug, Clone, Default)]
pub struct Script {
    /// Its text, and those of the scripts that it includes.
    pub files: Vec<SourceFile>,
    /// The rules; empty if it does nothing.
    pub rules: String,
    /// Where each statement of `rules` begins, ascending, and its place in `files`.
    pub places: Vec<(u32, Span)>,
    /// What in it cannot be said exactly: then nothing of it is used.
    pub faults: Vec<ScriptFault>,
}

/// What a script wants that cannot be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScriptFault {
    /// Its place in the script; none if it is about the file as a whole.
    pub span: Option<Span>,
    /// The name of the filter there, as its editor has it.
    pub label: Option<String>,
    /// Why, for people.
    pub reason: String,
}

/// What came of the statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IncludedScript {
    /// Where the statement stands.
    pub statement: Span,
    /// The script that it names.
    pub path: PathBuf,
    /// The numbers of the script's files among the sources; empty if there is none.
    pub files: Range<u32>,
    /// Why the script is not in the program; its places are among the sources.
    pub faults: Vec<ScriptFault>,
}

impl Script {
    /// One that cannot be used as a whole.
    pub fn unusable(path: &Path, reason: String) -> Script {
        let fault = ScriptFault { span: None, label: None, reason };
        let files = vec![SourceFile::new(path, "")];
        Script { files, faults: vec![fault], ..Script::default() }
    }

    /// The place in the script of what stands in its rules at this offset.
    pub(super) fn place(&self, at: u32) -> Span {
        let behind = self.places.partition_point(|(start, _)| *start <= at);
        let place = self.places.get(behind.saturating_sub(1));
        place.map_or_else(Span::default, |(_, span)| *span)
    }
}
