//! What the mistakes that were found mean, for those who read Japanese: the messages
//! themselves are English.

use std::fmt::Write;

use super::page::{width, wrapped};
use crate::diagnostic::Diagnostic;
use crate::language::Language;
use crate::rules::explanation::meaning;

const HEADING: &str = "誤りの説明（詳しくは mfilter explain コード）:";

/// Each code that occurs, with its meaning, on a terminal of so many columns or on none.
pub(super) fn in_japanese(found: &[Diagnostic], terminal: Option<usize>) -> String {
    let mut codes: Vec<&str> = Vec::new();
    for mistake in found {
        if !codes.contains(&mistake.code) {
            codes.push(mistake.code);
        }
    }
    let columns = width(terminal);
    let mut out = String::new();
    for code in codes {
        let Some(meaning) = meaning(code, Language::Japanese) else { continue };
        if out.is_empty() {
            let _ = writeln!(out, "\n{}", wrapped(HEADING, columns));
        }
        let _ = writeln!(out, "\n  {code}");
        for line in wrapped(&meaning, columns.saturating_sub(4)).lines() {
            let _ = writeln!(out, "    {line}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use unicode_width::UnicodeWidthStr;

    use super::*;
    use crate::diagnostic::Severity;
    use crate::rules::explanation::codes;
    use crate::source::Span;

    fn mistake(code: &'static str) -> Diagnostic {
        Diagnostic {
            severity: Severity::Error,
            code,
            message: String::new(),
            span: Span { file: 0, start: 0, end: 0 },
            label: String::new(),
            related: Vec::new(),
            hint: None,
            instead: None,
        }
    }

    #[test]
    fn each_code_is_explained_once_and_in_order() {
        let found = ["unknown-field", "no-such-code", "comma", "unknown-field"].map(mistake);
        let told = in_japanese(&found, None);
        let codes: Vec<&str> = told.lines().filter(|line| line.is_ascii()).collect();
        assert_eq!(codes, ["", "", "  unknown-field", "", "  comma"], "{told}");
        assert!(told.starts_with(&format!("\n{HEADING}\n\n")), "{told}");
        assert_eq!(in_japanese(&[mistake("no-such-code")], None), "");
        assert_eq!(in_japanese(&[], None), "");
    }

    #[test]
    fn no_line_is_wider_than_the_terminal_or_begins_with_a_stop() {
        let found: Vec<Diagnostic> = codes().map(mistake).collect();
        for (terminal, columns) in [(None, 78), (Some(200), 78), (Some(40), 40)] {
            let told = in_japanese(&found, terminal);
            for line in told.lines() {
                assert!(line.width() <= columns, "{line}");
                assert!(!line.trim_start().starts_with(['、', '。', '）', '」']), "{line}");
            }
            let widest = told.lines().map(UnicodeWidthStr::width).max();
            assert!(widest > Some(columns - 2), "the width is used");
        }
    }
}
