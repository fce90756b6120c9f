//! Strings with `{…}` in them, taken apart. What stands between the braces is
//! given its meaning by `check`, its value by `evaluate`.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::flags::Flags;

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

/// Takes a string apart, and says which braces are wrong; places are byte
/// offsets in it.
pub fn split(text: &str) -> (Vec<Part<'_>>, Vec<TemplateError>) {
    let mut parts = Vec::new();
    let mut errors = Vec::new();
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
            errors.push(TemplateError::Unopened(at..at + 1));
            at += 1;
        } else if let Some(inner) = behind.strip_prefix('{') {
            let end = match inner.find(['{', '}']) {
                Some(end) if inner[end..].starts_with('}') => end,
                _ => {
                    errors.push(TemplateError::Unclosed(at..at + 1));
                    at += 1;
                    continue;
                }
            };
            let (inner, place) = (&inner[..end], at..at + end + 2);
            if inner.trim().is_empty() {
                at = place.end;
                errors.push(TemplateError::Empty(place));
                continue;
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
    (parts, errors)
}

/// Flags and keywords as rules write them.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, Default)]
pub struct FlagsTemplate {
    /// Those that stand there.
    pub known: Flags,
    /// Keywords with inserts.
    pub inserted: Vec<Template>,
}

/// A string with `{…}` in it.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, Default)]
pub struct Template {
    /// Literal and inserted parts in order.
    pub parts: Vec<TemplatePart>,
}

/// One part of a template.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq)]
pub enum TemplatePart {
    /// As it stands.
    Text(String),
    /// The first value of a field, by index into [`Program::fields`].
    Field(u32),
    /// `{1}`: a capture of the enclosing rule by number.
    Group(u32),
    /// `{name}`: a capture by name.
    Capture(String),
    /// `{date:%Y-%m}`: the Date header (else now) in the rules' time zone, by strftime.
    Date(String),
}

#[cfg(test)]
mod tests {
    use super::{Part, TemplateError, split};

    #[test]
    fn inserts_and_braces() {
        let (parts, errors) = split("Lists/{list-id}/{{x}}");
        assert_eq!(
            parts,
            [
                Part::Text("Lists/".into()),
                Part::Insert("list-id", 6..15),
                Part::Text("/{x}".into())
            ]
        );
        assert!(errors.is_empty());
        assert_eq!(split("").0, []);
        assert_eq!(split("迷惑{1}").0, [Part::Text("迷惑".into()), Part::Insert("1", 6..9)]);
    }

    #[test]
    fn all_braces_without_their_like_are_told() {
        assert_eq!(split("a{b").1, [TemplateError::Unclosed(1..2)]);
        assert_eq!(split("a{b{c}").1, [TemplateError::Unclosed(1..2)]);
        assert_eq!(
            split("a}b{}{").1,
            [
                TemplateError::Unopened(1..2),
                TemplateError::Empty(3..5),
                TemplateError::Unclosed(5..6)
            ]
        );
    }
}
