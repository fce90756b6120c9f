//! Rules of other filters, converted into mailrules: what `mfilter import` does.
//!
//! A language is a folder of its own here, and has three steps: its text is *parsed*
//! (every node keeps its place and its comments; anything unknown spoils one node and not
//! the file), *resolved* (includes and constants), and *lowered* to [`ir`]. From there on
//! all languages are treated the same:
//!
//! ```text
//! foreign text ─ parse ─ resolve ─ lower ─► ir::Draft ─ write::write ─► ImportResult ─► rules (stdout)
//!                                                                            └ report ► text or JSON
//! ```
//!
//! **What a lowering produces.** An [`ir::Draft`]: settings, lists and their files, notes
//! on the whole, and [`ir::Unit`]s in the order in which they are to be written. A unit is
//! what the foreign language does at one place: its source, an [`ir::Cond`], what is done
//! ([`ir::Effect`], which may again be a unit: a group), and how well that could be
//! translated, its [`ir::Fidelity`]:
//!
//! - `Exact`: every message is treated the same. Differences that hold for a whole
//!   language (blanks, case, decoded text) are notes of the draft.
//! - `Approximate`: the rule is written, and differs as the reason says.
//! - `NotTranslated`: nothing that has an effect is written; the foreign lines become a
//!   comment after `# todo import`. Set `would_end` if its mail would not have gone on:
//!   the report says that it does now.
//! - `Dead`: it did nothing there either (switched off, never reached). The foreign lines
//!   become a comment; it counts as exact.
//!
//! **Never broader.** What depends on a unit that is not translated (an `else`, a recipe
//! with `E`) is not translated either; a lowering must ensure that, because the writer
//! cannot.
//!
//! **What a lowering need not care about.** Quoting, parentheses, layout, the order of
//! `set` and `list`, line numbers: [`mod@write`] does that. It reads its own text with
//! the parser and the check of the rules, so its output has passed both; a mistake there
//! is a bug of the lowering ([`write::Bug`], exit status 2). Text from the foreign file
//! is put into a template by [`ir::literal`], a value by `{name}`; into tests it is put
//! as it is.

mod alternatives;
mod blank;
mod bracket;
mod constant;
mod folder;
pub mod gmail;
pub mod ir;
pub mod kind;
mod levels;
pub mod maildrop;
mod match_length;
mod one_line;
mod perl;
mod persistent_map;
mod print;
pub mod procmail;
pub mod report;
mod shell;
pub mod sieve;
mod site;
#[cfg(test)]
mod testing;
pub mod thunderbird;
pub mod trial;
pub mod write;

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use crate::source::{SourceFile, Span, reason};

/// What the user asks for; anything not given is guessed, or left at its default.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The separator between folder levels in the foreign rules.
    pub separator: Option<char>,
    /// `set maildir`
    pub maildir: Option<String>,
    /// `set layout`
    pub layout: Option<String>,
    /// Where list files are named, ending with `/`; empty: beside the rules.
    pub lists: String,
    /// Set if the rules are for `include sieve`, which runs them as they are: what the
    /// names of the script's folders begin with. Nothing is guessed then.
    pub included: Option<String>,
    /// The rules are site rules, in a category of this name.
    pub category: Option<String>,
    /// The folder of the programs that a Sieve script names, ending with `/`.
    pub programs: Option<String>,
    /// What variables of the foreign rules hold that these do not say themselves: arguments
    /// of the program, what comes from the environment, what programs print.
    pub variables: BTreeMap<String, String>,
    /// Gmail's labels become keywords, not folders.
    pub keywords: bool,
}

/// Reads a file that the foreign rules include.
pub type IncludeLoader<'a> = &'a mut dyn FnMut(&Path) -> io::Result<Vec<u8>>;

/// The result of an import.
#[derive(Debug)]
pub struct ImportResult {
    /// The rules, in the canonical layout.
    pub rules: String,
    /// Their units and notes, each unit with its line in the rules.
    pub draft: ir::Draft,
    /// The separator between folder levels in the foreign rules.
    pub separator: char,
    /// Where each statement of the rules begins, and its place in the foreign files.
    pub places: Vec<(u32, Span)>,
    /// The foreign files, by the number in spans.
    pub sources: crate::source::Sources,
}

/// What is noted of a foreign file that is not UTF-8.
const READ_AS_LATIN: &str = "the file is not UTF-8: it was read as Latin-1";

/// A foreign file; the draft notes if it is not UTF-8.
fn source_file(path: &Path, bytes: &[u8], draft: &mut ir::Draft) -> SourceFile {
    let (text, latin) = decode(bytes);
    if latin {
        draft.note(READ_AS_LATIN);
    }
    SourceFile::new(path, text)
}

/// Why a file that foreign rules name cannot be read, and what to do.
fn unreadable(what: &str, path: &Path, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => format!(
            "{what} cannot be read: there is no file `{}`; put it there and import again",
            path.display()
        ),
        _ => format!("{what} cannot be read: {}", reason(error)),
    }
}

/// The text of a foreign file: UTF-8, otherwise read as Latin-1; `true` for the latter.
/// Windows line ends become line feeds.
pub fn decode(bytes: &[u8]) -> (String, bool) {
    let (text, latin) = match std::str::from_utf8(bytes) {
        Ok(text) => (text.to_owned(), false),
        Err(_) => (bytes.iter().map(|byte| char::from(*byte)).collect(), true),
    };
    let text = if text.contains('\r') { text.replace("\r\n", "\n") } else { text };
    (text, latin)
}
