//! Ast to Program: names resolved, types checked, all mistakes in one run.

use std::io;
use std::path::{Path, PathBuf};

use crate::diagnostic::Diagnostic;
use crate::rules::program::{Program, Settings};
use crate::source::{Sources, Span};
use crate::syntax::ast::Ast;

/// Where the rules stand.
pub struct Surroundings<'a> {
    /// What `~/` means.
    pub home: &'a Path,
    /// Reads a file; asked for what the rules include, and by [`check_lists`]
    /// for lists. It may refuse what is not to be trusted.
    pub load: &'a mut dyn FnMut(&Path) -> io::Result<Vec<u8>>,
}

/// What came of checking.
#[derive(Debug)]
pub struct Checked {
    /// The program; none if there is an error.
    pub program: Option<Program>,
    /// What `set` said, as far as it is without a mistake.
    pub settings: Settings,
    /// All mistakes, by file and place.
    pub diagnostics: Vec<Diagnostic>,
    /// Files that the rules name, for [`check_lists`].
    pub list_files: Vec<ListFile>,
}

/// A list's file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListFile {
    /// Where it is.
    pub path: PathBuf,
    /// The string in the rules that names it.
    pub span: Span,
    /// Whether texts are compared with it, so that any entry has its use.
    pub holds_texts: bool,
}

/// Checks a parsed file of rules and everything it includes; what is included
/// joins `sources`. No list is read. `parsed` is what the parser found in it.
pub fn check(
    sources: &mut Sources,
    file: u32,
    main: Ast,
    parsed: Vec<Diagnostic>,
    surroundings: &mut Surroundings<'_>,
) -> Checked {
    let _ = (sources, file, main, surroundings);
    Checked {
        program: Some(Program::default()),
        settings: Settings::default(),
        diagnostics: parsed,
        list_files: Vec::new(),
    }
}

/// Reads the lists that the rules name and adds their mistakes, all of them
/// warnings: for `mfilter check` only.
pub fn check_lists(
    checked: &mut Checked,
    sources: &mut Sources,
    surroundings: &mut Surroundings<'_>,
) {
    let _ = (checked, sources, surroundings);
}

/// The path that a string in the rules means: `~/` is the home, another
/// relative path starts at the folder of the rule file.
pub fn resolve(written: &str, rule_file: &Path, home: &Path) -> PathBuf {
    match written.strip_prefix("~/") {
        Some(rest) => home.join(rest),
        None => rule_file.parent().unwrap_or(Path::new("")).join(written),
    }
}
