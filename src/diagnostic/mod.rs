//! What is wrong, where, and what to do: mistakes as data, and how they are displayed.
//!
//! Rooms that find mistakes have a type of their own with one match for all wording; it
//! is turned into a [`Diagnostic`]. Messages are in lower case, what the user wrote is in
//! backticks, hints are separate from messages.

mod columns;
mod drawing;
mod json;

use std::borrow::Cow;

use crate::language::Language;
use crate::source::Span;
use crate::translation::translated;

pub use drawing::{render, render_within};
pub use json::to_json;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// This version of the rules cannot be used.
    Error,
    /// It can be used, but is probably not what was meant.
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
    /// Where it is.
    pub span: Span,
    /// A few words under the caret; may be empty.
    pub label: String,
    /// Other places that belong to it.
    pub related: Vec<(Span, String)>,
    /// What to do.
    pub hint: Option<String>,
    /// What fixes it, for editors.
    pub fix: Option<Fix>,
}

/// A text that fixes a mistake in the place of another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fix {
    /// The text that it replaces.
    pub span: Span,
    /// It may be empty.
    pub text: String,
}

impl Diagnostic {
    /// The same in another language.
    pub fn in_language(&self, language: Language) -> Cow<'_, Diagnostic> {
        if language == Language::English {
            return Cow::Borrowed(self);
        }
        let translate = |text: &str| translated(text, language).into_owned();
        let related = self.related.iter().map(|(span, label)| (*span, translate(label)));
        Cow::Owned(Diagnostic {
            message: translate(&self.message),
            label: translate(&self.label),
            related: related.collect(),
            hint: self.hint.as_deref().map(translate),
            fix: self.fix.clone(),
            ..*self
        })
    }
}
