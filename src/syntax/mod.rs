//! The pest grammar's only user: text to [`ast::Ast`] and back.

pub mod ast;
mod build;
mod decode;
mod diagnose;
mod fix;
mod format;
mod grammar;
mod layout;
mod literal;
mod mended;
mod mistake;
mod outline;
mod parse;
mod piece;
#[cfg(test)]
mod properties;
mod quantity_hint;
mod scan;
pub mod words;

/// How deep parentheses, `not`s and blocks may nest.
const MAX_DEPTH: usize = 64;
/// How large a file may be.
const MAX_BYTES: usize = 16 << 20;
/// How many mistakes in a file are reported.
const MAX_MISTAKES: usize = 200;

use crate::diagnostic::Diagnostic;
use crate::source::SourceFile;
use ast::Ast;

pub use decode::{NotUtf8, decode};
pub use format::FormattedRules;
pub use literal::{quote, slashed};
pub use quantity_hint::{date_hint, size_hint};
pub use scan::{Scan, ScanFault, SyntaxToken, TokenShape, scan};

/// Reads a rule file. All mistakes are found in one go. The [`Ast`] contains what
/// could be read, with [`ast::StatementNodeKind::Broken`] in place of the rest.
pub fn parse(file: u32, source: &SourceFile) -> (Ast, Vec<Diagnostic>) {
    parse::parse(file, source)
}

/// The canonical layout, with comments. It is meant for files that were read
/// without mistakes; `source` is the text to which the spans of `ast` refer.
pub fn format(ast: &Ast, source: &SourceFile) -> String {
    formatted_rules(ast, source).text
}

/// The same, with the places of statements and comments in it.
pub fn formatted_rules(ast: &Ast, source: &SourceFile) -> FormattedRules {
    format::format(ast, source)
}

/// Decodes and parses a file's bytes as file number `file`.
pub fn parse_bytes(
    file: u32,
    path: &std::path::Path,
    bytes: &[u8],
) -> (SourceFile, ast::Ast, Vec<Diagnostic>) {
    match decode(bytes) {
        Ok(text) => {
            let source = SourceFile::new(path, text);
            let (ast, diagnostics) = parse(file, &source);
            (source, ast, diagnostics)
        }
        Err(error) => {
            let (text, diagnostic) = error.explain(file, bytes);
            (SourceFile::new(path, text), ast::Ast::default(), vec![diagnostic])
        }
    }
}
