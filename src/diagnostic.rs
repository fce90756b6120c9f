//! What is wrong, where, and what to do: mistakes as data, and how they are drawn.
//!
//! Rooms that find mistakes have a kind of their own with one match for all
//! wording; it ends here as a [`Diagnostic`]. Messages are lower case, what
//! the user wrote stands in backticks, hints are apart from messages.

use crate::source::{Sources, Span};

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// This version of the rules cannot be used.
    Error,
    /// It can, but is probably not what was meant.
    Warning,
}

/// One mistake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// A stable short name, `unknown-field`.
    pub code: &'static str,
    /// What is wrong, in one sentence without a full stop.
    pub message: String,
    /// Where.
    pub span: Span,
    /// A few words under the caret; may be empty.
    pub label: String,
    /// Other places that belong to it.
    pub related: Vec<(Span, String)>,
    /// What to do.
    pub hint: Option<String>,
}

/// Draws mistakes for people, each with file, line, source line, caret and hint.
pub fn render(diagnostics: &[Diagnostic], sources: &Sources, colour: bool) -> String {
    let _ = (diagnostics, sources, colour);
    String::new()
}

/// Mistakes as a JSON array of objects: `file`, `line` and `column` (from 1,
/// the column in characters), `code`, `severity`, `message`, `hint` (or null).
pub fn to_json(diagnostics: &[Diagnostic], sources: &Sources) -> serde_json::Value {
    let _ = (diagnostics, sources);
    serde_json::Value::Array(Vec::new())
}
