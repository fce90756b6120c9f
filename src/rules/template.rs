//! Strings with `{…}` in them, parsed. `check` determines the meaning of what is
//! between the braces, `evaluate` its value.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::flags::Flags;

/// One part of a string.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SplitPart<'t> {
    /// As written, with `{{` and `}}` resolved.
    Text(String),
    /// A text between braces, and its place in the string.
    Insert(&'t str, Range<usize>),
}

/// A brace without its counterpart, or a pair with nothing in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TemplateError {
    /// A `{` that is never closed.
    Unclosed(Range<usize>),
    /// A `}` that closes nothing.
    Unopened(Range<usize>),
    /// `{}`
    Empty(Range<usize>),
}

/// Words after a value's name that determine in which form it is inserted.
const FORMS: [(&str, Form); 3] =
    [("lower", Form::Lower), ("upper", Form::Upper), ("levels", Form::Levels)];

/// A parsed text between braces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PlaceholderPart<'t> {
    /// `date`, `date:FORMAT`, `date+09:00:FORMAT`: the format, and the zone's seconds east
    /// of UTC.
    Date(&'t str, Option<i32>),
    /// The same for `now`.
    Now(&'t str, Option<i32>),
    /// `subject:lower`
    Value(&'t str, Form),
    /// A value, and a word after it that is no form.
    UnknownForm(&'t str, &'t str),
}

/// Parses a text between braces.
pub fn parse_placeholder(text: &str) -> PlaceholderPart<'_> {
    if let Some((format, offset)) = text.strip_prefix("date").and_then(date_format) {
        return PlaceholderPart::Date(format, offset);
    }
    if let Some((format, offset)) = text.strip_prefix("now").and_then(date_format) {
        return PlaceholderPart::Now(format, offset);
    }
    // A header's name has no colon.
    let Some((name, word)) = text.rsplit_once(':').filter(|(_, word)| !word.contains('"')) else {
        return PlaceholderPart::Value(text, Form::Kept);
    };
    match FORMS.iter().find(|(known, _)| *known == word.trim()) {
        Some((_, form)) => PlaceholderPart::Value(name.trim_end(), *form),
        None => PlaceholderPart::UnknownForm(name.trim_end(), word.trim()),
    }
}

/// Parses what follows `date` and `now`: `+09:00:%H`, both parts or neither.
/// Returns the format, and the offset in seconds.
fn date_format(text: &str) -> Option<(&str, Option<i32>)> {
    const DAY: &str = "%Y-%m-%d";
    let (offset, rest) = match text.split_at_checked(6) {
        Some((zone, rest)) if zone.starts_with(['+', '-']) => (Some(seconds(zone)?), rest),
        _ => (None, text),
    };
    if rest.is_empty() {
        return Some((DAY, offset));
    }
    rest.strip_prefix(':').map(|format| (format, offset))
}

/// `+09:00` in seconds.
fn seconds(offset: &str) -> Option<i32> {
    let (hours, minutes) = offset.get(1..)?.split_once(':')?;
    let number = |digits: &str, below: i32| {
        let all = digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_digit());
        digits.parse::<i32>().ok().filter(|number| all && *number < below)
    };
    let seconds = 3600 * number(hours, 24)? + 60 * number(minutes, 60)?;
    Some(if offset.starts_with('-') { -seconds } else { seconds })
}

/// Parses `header "X-Name"` and `address "X-To".domain`: the word, the name, the
/// part. `None` if the text does not begin with such a word.
pub fn keyed(text: &str) -> Option<(&str, Option<&str>, Option<&str>)> {
    let end = text.find([' ', '\t', '"']).unwrap_or(text.len());
    let (word, rest) = text.split_at(end);
    if !matches!(word, "header" | "address" | "env") {
        return None;
    }
    let quoted = rest.trim_start().strip_prefix('"').and_then(|rest| rest.split_once('"'));
    Some(match quoted {
        Some((name, "")) => (word, Some(name), None),
        Some((name, part)) => match part.strip_prefix('.') {
            Some(part) => (word, Some(name), Some(part)),
            None => (word, None, None),
        },
        None => (word, None, None),
    })
}

/// Parses a string, and reports which braces are wrong; places are byte offsets in it.
pub fn split(text: &str) -> (Vec<SplitPart<'_>>, Vec<TemplateError>) {
    let mut parts = Vec::new();
    let mut errors = Vec::new();
    let mut plain = String::new();
    let mut at = 0;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        let skip = rest.find(['{', '}']).unwrap_or(rest.len());
        let (before, after) = rest.split_at(skip);
        plain.push_str(before);
        at += skip;
        if after.starts_with("{{") || after.starts_with("}}") {
            plain.push_str(&after[..1]);
            at += 2;
        } else if after.starts_with('}') {
            errors.push(TemplateError::Unopened(at..at + 1));
            plain.push('}');
            at += 1;
        } else if let Some(inner) = after.strip_prefix('{') {
            let end = match inner.find(['{', '}']) {
                Some(end) if inner[end..].starts_with('}') => end,
                _ => {
                    errors.push(TemplateError::Unclosed(at..at + 1));
                    plain.push('{');
                    at += 1;
                    continue;
                }
            };
            let (inner, place) = (&inner[..end], at..at + end + 2);
            if inner.trim().is_empty() {
                plain.push_str(text.get(place.clone()).unwrap_or_default());
                at = place.end;
                errors.push(TemplateError::Empty(place));
                continue;
            }
            if !plain.is_empty() {
                parts.push(SplitPart::Text(std::mem::take(&mut plain)));
            }
            at = place.end;
            parts.push(SplitPart::Insert(inner.trim(), place));
        }
    }
    if !plain.is_empty() {
        parts.push(SplitPart::Text(plain));
    }
    (parts, errors)
}

/// Flags and keywords as rules write them.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, Default)]
pub struct FlagsTemplate {
    /// Flags and keywords without inserts.
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
    /// As written.
    Text(String),
    /// `{…}`
    Insert(Insert, Form),
}

/// What is inserted.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq)]
pub enum Insert {
    /// The first value of a field, by index into [`super::program::Program::fields`].
    Field(u32),
    /// `{1}`: a capture of the enclosing rule by number.
    Group(u32),
    /// `{name}`: a capture by name.
    Capture(String),
    /// `{date:%Y-%m}`: the Date header, or now if there is none.
    Date(MomentFormat),
    /// `{now:%Y-%m}`: the moment of delivery.
    Now(MomentFormat),
}

/// How a moment is inserted.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
pub struct MomentFormat {
    /// In strftime's syntax.
    pub format: String,
    /// The zone, seconds east of UTC; `None` for that of the rules.
    pub offset: Option<i32>,
}

/// In which form a value is inserted.
#[derive(Serialize, Deserialize, Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Unchanged.
    Kept,
    /// `{subject:lower}`
    Lower,
    /// `{subject:upper}`
    Upper,
    /// `{extension:levels}`: in a folder's name, where it may have levels of its own.
    Levels,
}

impl Form {
    /// A text in this form; what levels are is known where folders are named.
    pub fn of(self, text: String) -> String {
        match self {
            Form::Kept | Form::Levels => text,
            Form::Lower => text.to_lowercase(),
            Form::Upper => text.to_uppercase(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Form, PlaceholderPart, SplitPart, TemplateError, keyed, parse_placeholder, split};

    #[test]
    fn placeholders_are_parsed() {
        for (text, is) in [
            ("date", PlaceholderPart::Date("%Y-%m-%d", None)),
            ("date:%H:%M", PlaceholderPart::Date("%H:%M", None)),
            ("date:lower", PlaceholderPart::Date("lower", None)),
            ("date:", PlaceholderPart::Date("", None)),
            ("now", PlaceholderPart::Now("%Y-%m-%d", None)),
            ("now:%Y", PlaceholderPart::Now("%Y", None)),
            ("now+09:00:%H:%M", PlaceholderPart::Now("%H:%M", Some(32_400))),
            ("date-03:30:%H", PlaceholderPart::Date("%H", Some(-12_600))),
            ("date+00:00", PlaceholderPart::Date("%Y-%m-%d", Some(0))),
            ("date+9:00:%H", PlaceholderPart::UnknownForm("date+9:00", "%H")),
            ("date+1:000", PlaceholderPart::UnknownForm("date+1", "000")),
            ("now+24:00", PlaceholderPart::UnknownForm("now+24", "00")),
            ("now+23:60", PlaceholderPart::UnknownForm("now+23", "60")),
            ("date-03", PlaceholderPart::Value("date-03", Form::Kept)),
            ("1:lower", PlaceholderPart::Value("1", Form::Lower)),
            ("from.domain:upper", PlaceholderPart::Value("from.domain", Form::Upper)),
            ("subject", PlaceholderPart::Value("subject", Form::Kept)),
            ("header \"X-A\"", PlaceholderPart::Value("header \"X-A\"", Form::Kept)),
            ("header \"X-A\":lower", PlaceholderPart::Value("header \"X-A\"", Form::Lower)),
            ("extension:levels", PlaceholderPart::Value("extension", Form::Levels)),
            ("1:title", PlaceholderPart::UnknownForm("1", "title")),
        ] {
            assert_eq!(parse_placeholder(text), is, "{text}");
        }
        for (text, is) in [
            ("header \"X-A\"", Some(("header", Some("X-A"), None))),
            ("address\"X-A\".domain", Some(("address", Some("X-A"), Some("domain")))),
            ("header X-A", Some(("header", None, None))),
            ("header \"X-A\"x", Some(("header", None, None))),
            ("header", Some(("header", None, None))),
            ("headers", None),
            ("subject \"x\"", None),
        ] {
            assert_eq!(keyed(text), is, "{text}");
        }
    }

    #[test]
    fn inserts_and_braces() {
        let (parts, errors) = split("Lists/{list-id}/{{x}}");
        assert_eq!(
            parts,
            [
                SplitPart::Text("Lists/".into()),
                SplitPart::Insert("list-id", 6..15),
                SplitPart::Text("/{x}".into())
            ]
        );
        assert!(errors.is_empty());
        assert_eq!(split("").0, []);
        assert_eq!(
            split("迷惑{1}").0,
            [SplitPart::Text("迷惑".into()), SplitPart::Insert("1", 6..9)]
        );
    }

    #[test]
    fn all_unmatched_braces_are_reported() {
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
