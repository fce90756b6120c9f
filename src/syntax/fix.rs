//! A mistake in the syntax of rules for people and editors: its wording, and the edit that the
//! hint describes.

use super::literal::quote;
use super::mistake::{Mistake, SyntaxErrorKind, SyntaxSuggestion, SyntaxWording, wording};
use super::quantity_hint::quantity_hint;
use super::{scan, words};
use crate::diagnostic::{Diagnostic, Fix, Severity};
use crate::source::Span;

impl From<Mistake> for Diagnostic {
    fn from(mistake: Mistake) -> Diagnostic {
        let SyntaxWording { code, message, label, hint } = wording(&mistake.kind);
        let fix = of(&mistake);
        let severity = match mistake.kind {
            SyntaxErrorKind::StrayAction(_) => Severity::Warning,
            _ => Severity::Error,
        };
        Diagnostic {
            severity,
            code,
            message,
            span: mistake.span,
            label: label.to_string(),
            related: Vec::new(),
            hint,
            fix,
        }
    }
}

/// What makes the mistake disappear if the hint leaves no choice.
pub(super) fn of(mistake: &Mistake) -> Option<Fix> {
    if let Some(suggestion) = suggestion(&mistake.kind) {
        let (start, end) = suggestion.place?;
        let span = Span { start, end, ..mistake.span };
        return Some(Fix { span, text: suggestion.text.clone() });
    }
    instead(&mistake.kind).map(|text| Fix { span: mistake.span, text })
}

fn suggestion(kind: &SyntaxErrorKind) -> Option<&SyntaxSuggestion> {
    match kind {
        SyntaxErrorKind::Unexpected { suggestion, .. }
        | SyntaxErrorKind::SingleQuote(suggestion)
        | SyntaxErrorKind::CurlyQuote { suggestion, .. }
        | SyntaxErrorKind::NegatedOperator { suggestion, .. } => suggestion.as_ref(),
        SyntaxErrorKind::ForeignTest { suggestion, .. }
        | SyntaxErrorKind::ValueAlone { suggestion, .. } => Some(suggestion),
        _ => None,
    }
}

/// The text that replaces what was found if the hint is followed, if the hint
/// leaves no choice.
fn instead(kind: &SyntaxErrorKind) -> Option<String> {
    Some(match kind {
        SyntaxErrorKind::CurlyQuote { .. } => String::from("\""),
        SyntaxErrorKind::LookAlike(found) => found.chars().filter_map(scan::narrow).collect(),
        SyntaxErrorKind::Invisible(_)
        | SyntaxErrorKind::NeedlessEnd(_)
        | SyntaxErrorKind::FieldColon(_)
        | SyntaxErrorKind::NeedlessSign(_) => String::new(),
        SyntaxErrorKind::NotAnArrow(_) => String::from("->"),
        SyntaxErrorKind::Slip { found, .. } if found == "then" => String::from("->"),
        SyntaxErrorKind::Slip { found, is_first: true } => match found.as_str() {
            "if" | "elsif" | "elseif" | "elif" => String::from("when"),
            "else" => String::from("otherwise"),
            _ => return None,
        },
        // It often touches what it negates.
        SyntaxErrorKind::ForeignSign { found, .. } if found == "!" => String::from("not "),
        SyntaxErrorKind::ForeignSign { instead, .. } => {
            let word = instead.strip_prefix('`')?.strip_suffix('`')?;
            let is_one =
                word.bytes().all(|byte| byte.is_ascii_lowercase() || b"<>=".contains(&byte));
            is_one.then(|| word.to_owned())?
        }
        SyntaxErrorKind::UnknownStatement { found, .. }
            if words::DELETES.contains(&found.as_str()) =>
        {
            return None;
        }
        SyntaxErrorKind::UnknownOperator { near, .. }
        | SyntaxErrorKind::UnknownStatement { near, .. } => (*near)?.to_owned(),
        SyntaxErrorKind::MissingArrow(found) => format!("-> {found}"),
        SyntaxErrorKind::MissingActionComma(found)
        | SyntaxErrorKind::MissingElementComma(found) => format!(", {found}"),
        SyntaxErrorKind::MissingQuotes(found) => quote(found),
        SyntaxErrorKind::MissingSign(found) => format!("+{found}"),
        SyntaxErrorKind::Underscore(found) => found.replace('_', "-"),
        SyntaxErrorKind::BadQuantity(found) => {
            let hint = quantity_hint(found);
            let text = hint.strip_prefix("write `")?.strip_suffix('`')?;
            (!text.contains('`')).then(|| text.to_owned())?
        }
        _ => return None,
    })
}
