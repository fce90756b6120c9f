//! From a place in a literal's value to its place in the file.

use std::ops::Range;

use crate::source::{Sources, Span};

/// The part of a string or pattern whose value is at `inner`, byte offsets in the
/// literal's value; `span` is the whole literal with its quotes or slashes.
pub(super) fn inside(sources: &Sources, span: Span, inner: &Range<usize>) -> Span {
    let raw = sources.text(span);
    let start = offset(raw, inner.start);
    let end = offset(raw, inner.end).map(|end| end.max(start.unwrap_or(end)));
    match (start, end) {
        (Some(start), Some(end)) => Span {
            start: span.start.saturating_add(start as u32),
            end: span.start.saturating_add(end as u32),
            ..span
        },
        _ if raw.starts_with("\"\"\"") => Span { end: span.start + 3, ..span },
        _ => span,
    }
}

/// Where the value's byte `expected` begins in the source.
fn offset(raw: &str, expected: usize) -> Option<usize> {
    // The indentation of a string in three quotes is not part of its value.
    if raw.starts_with("\"\"\"") {
        return None;
    }
    let quote = raw.chars().next().filter(|quote| matches!(quote, '"' | '/'))?;
    let mut at = quote.len_utf8();
    let mut value = 0;
    while value < expected {
        let rest = raw.get(at..)?;
        let (written, said) = step(rest, quote)?;
        at += written;
        value += said;
    }
    (value == expected && at < raw.len()).then_some(at)
}

/// How many bytes the next character takes as written, and in the value.
fn step(rest: &str, quote: char) -> Option<(usize, usize)> {
    let mut letters = rest.chars();
    let first = letters.next()?;
    let plain = (first.len_utf8(), first.len_utf8());
    if first != '\\' {
        return Some(plain);
    }
    let escaped = letters.next()?;
    Some(match (quote, escaped) {
        ('/', '/') => (2, 1),
        ('"', '"' | '\\' | 'n' | 't') => (2, 1),
        ('"', 'u') => {
            let digits = rest.strip_prefix("\\u{").and_then(|rest| rest.split_once('}'));
            let (digits, _) = digits?;
            let letter = char::from_u32(u32::from_str_radix(digits, 16).ok()?)?;
            (digits.len() + 4, letter.len_utf8())
        }
        // A pattern's own escape keeps both characters.
        _ => (1 + escaped.len_utf8(), 1 + escaped.len_utf8()),
    })
}

#[cfg(test)]
mod tests {
    use super::offset;

    #[test]
    fn escapes_are_counted() {
        assert_eq!(offset(r#""a\"{b}""#, 2), Some(4));
        assert_eq!(offset(r#""\u{5927}{b}""#, 3), Some(9));
        assert_eq!(offset(r"/a\/(b/", 2), Some(4));
        assert_eq!(offset(r"/\\(b/", 2), Some(3));
        assert_eq!(offset(r"/a/", 9), None);
        assert_eq!(offset("", 0), None);
    }
}
