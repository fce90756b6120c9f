//! What `include sieve` includes: a script in another language, translated into
//! rules by an importer. The caller decides which script that is, and what
//! replaces it if it cannot be used ([`crate::load::script`]).

use std::ops::Range;
use std::path::{Path, PathBuf};

use super::program::Layout;
use crate::source::{SourceFile, Span};

/// What the statement requests.
#[derive(Debug, Clone, Copy)]
pub struct ScriptRequest<'a> {
    /// The script.
    pub path: &'a Path,
    /// The separator between folder levels in the script.
    pub separator: char,
    /// What the names of all its folders except the inbox begin with.
    pub prefix: &'a str,
    /// How folders are stored in the Maildir.
    pub layout: Layout,
    /// The zone that the rules set.
    pub timezone: Option<&'a str>,
}

/// A script as rules.
#[derive(Debug, Clone, Default)]
pub struct Script {
    /// The text of the script, and of those that it includes.
    pub files: Vec<SourceFile>,
    /// The rules; empty if it does nothing.
    pub rules: String,
    /// Where each statement of `rules` begins, ascending, and its place in `files`.
    pub places: Vec<(u32, Span)>,
    /// What cannot be translated exactly: if there is anything, nothing of the
    /// script is used.
    pub faults: Vec<ScriptFault>,
}

/// Something a script requests that cannot be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScriptFault {
    /// The place of the request in the script; `None` if it is about the whole file.
    pub span: Option<Span>,
    /// The name of the filter there, as the script's editor shows it.
    pub label: Option<String>,
    /// Why, for people.
    pub reason: String,
}

/// The result of the statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IncludedScript {
    /// Where the statement is.
    pub statement: Span,
    /// The script that it names.
    pub path: PathBuf,
    /// The numbers of the script's files among the sources; empty if there is none.
    pub files: Range<u32>,
    /// Why the script is not in the program; the places are among the sources.
    pub faults: Vec<ScriptFault>,
}

impl Script {
    /// A script that cannot be used as a whole.
    pub fn unusable(path: &Path, reason: String) -> Script {
        let fault = ScriptFault { span: None, label: None, reason };
        let files = vec![SourceFile::new(path, "")];
        Script { files, faults: vec![fault], ..Script::default() }
    }

    /// The place in the script that corresponds to this offset in its rules.
    pub(super) fn place(&self, at: u32) -> Span {
        let after = self.places.partition_point(|(start, _)| *start <= at);
        let place = self.places.get(after.saturating_sub(1));
        place.map_or_else(Span::default, |(_, span)| *span)
    }
}
