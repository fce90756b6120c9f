//! Strings with `{…}` in them, taken apart. What stands between the braces is
//! given its meaning by `check`, its value by `evaluate`.

use std::ops::Range;

/// One part of a string.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part<'t> {
    /// As it stands, `{{` and `}}` resolved.
    Text(String),
    /// What stands between braces, and where in the string.
    Insert(&'t str, Range<usize>),
}

/// A brace that has no other, or holds nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TemplateError {
    /// A `{` that is never closed.
    Unclosed(Range<usize>),
    /// A `}` that closes nothing.
    Unopened(Range<usize>),
    /// `{}`
    Empty(Range<usize>),
}

/// Takes a string apart; places are byte offsets in it.
pub fn split(text: &str) -> Result<Vec<Part<'_>>, TemplateError> {
    let mut parts = Vec::new();
    let mut plain = String::new();
    let mut at = 0;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        let skip = rest.find(['{', '}']).unwrap_or(rest.len());
        let (before, behind) = rest.split_at(skip);
        plain.push_str(before);
        at += skip;
        if behind.starts_with("{{") || behind.starts_with("}}") {
            plain.push_str(&behind[..1]);
            at += 2;
        } else if behind.starts_with('}') {
            return Err(TemplateError::Unopened(at..at + 1));
        } else if let Some(inner) = behind.strip_prefix('{') {
            let end = match inner.find(['{', '}']) {
                Some(end) if inner[end..].starts_with('}') => end,
                _ => return Err(TemplateError::Unclosed(at..at + 1)),
            };
            let (inner, place) = (&inner[..end], at..at + end + 2);
            if inner.trim().is_empty() {
                return Err(TemplateError::Empty(place));
            }
            if !plain.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut plain)));
            }
            at = place.end;
            parts.push(Part::Insert(inner.trim(), place));
        }
    }
    if !plain.is_empty() {
        parts.push(Part::Text(plain));
    }
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use super::{Part, TemplateError, split};

    #[test]
    fn inserts_and_braces() {
        let parts = split("Lists/{list-id}/{{x}}").unwrap();
        assert_eq!(
            parts,
            [
                Part::Text("Lists/".into()),
                Part::Insert("list-id", 6..15),
                Part::Text("/{x}".into())
            ]
        );
        assert_eq!(split(""), Ok(vec![]));
        assert_eq!(split("迷惑{1}"), Ok(vec![Part::Text("迷惑".into()), Part::Insert("1", 6..9)]));
    }

    #[test]
    fn braces_without_their_like() {
        assert_eq!(split("a{b"), Err(TemplateError::Unclosed(1..2)));
        assert_eq!(split("a{b{c}"), Err(TemplateError::Unclosed(1..2)));
        assert_eq!(split("a}b"), Err(TemplateError::Unopened(1..2)));
        assert_eq!(split("{ }"), Err(TemplateError::Empty(0..3)));
    }
}
