//! Mistakes as JSON.

use serde_json::{Value, json};

use super::Diagnostic;
use super::columns::Columns;
use crate::source::Sources;

/// Mistakes as a JSON array of objects: `file`, `line` and `column` (from 1,
/// the column in characters), `code`, `severity`, `message`, `hint` (or null),
/// and `related`, an array of `file`, `line`, `column` and `message`.
pub fn to_json(diagnostics: &[Diagnostic], sources: &Sources) -> Value {
    let mut columns = Columns::default();
    diagnostics
        .iter()
        .map(|diagnostic| {
            let related: Vec<Value> = diagnostic
                .related
                .iter()
                .map(|(span, label)| {
                    json!({
                        "file": sources.path(*span).to_string_lossy(),
                        "line": sources.line(*span),
                        "column": columns.of(*span, sources),
                        "message": label,
                    })
                })
                .collect();
            json!({
                "file": sources.path(diagnostic.span).to_string_lossy(),
                "line": sources.line(diagnostic.span),
                "column": columns.of(diagnostic.span, sources),
                "code": diagnostic.code,
                "severity": diagnostic.severity,
                "message": diagnostic.message,
                "hint": diagnostic.hint,
                "related": related,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::Severity;
    use crate::source::{SourceFile, Span};

    #[test]
    fn json_counts_columns_in_characters() {
        let text = "when x is \"迷惑\"\n\u{3000}when \"迷惑\" blakc";
        let mut sources = Sources::default();
        sources.add(SourceFile::new("~/.mailrules", text));
        let start = text.find("blakc").unwrap() as u32;
        let mistake = Diagnostic {
            severity: Severity::Error,
            code: "unknown-name",
            message: String::from("nothing is called `blakc`"),
            span: Span { file: 0, start, end: start + 5 },
            label: String::new(),
            related: Vec::new(),
            hint: Some(String::from("did you mean `black`?")),
            fix: None,
        };
        let json = to_json(&[mistake], &sources);
        assert_eq!(
            json,
            json!([{
                "file": "~/.mailrules", "line": 2, "column": 12, "code": "unknown-name",
                "severity": "error", "message": "nothing is called `blakc`",
                "hint": "did you mean `black`?", "related": [],
            }])
        );
    }
}
