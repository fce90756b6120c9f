//! The meaning of what is between braces in a string.

use super::Checker;
use crate::rules::mistake::TemplateMistake;
use crate::rules::template::{
    Form, Insert, MomentFormat, PlaceholderPart, TemplatePart, keyed, parse_placeholder,
};
use crate::source::{Span, Spanned};
use crate::syntax::ast;

impl Checker<'_, '_> {
    /// The meaning of a text between braces.
    pub(super) fn insert(
        &mut self,
        text: &str,
        is_folder: bool,
        span: Span,
    ) -> Option<TemplatePart> {
        // A pattern may name its group `date` or `now`.
        let scopes = &self.statements.scopes;
        if scopes.iter().any(|scope| scope.names.iter().any(|known| known == text)) {
            return Some(TemplatePart::Insert(Insert::Capture(text.to_owned()), Form::Kept));
        }
        let (insert, form) = match parse_placeholder(text) {
            PlaceholderPart::Date(format, offset) => {
                (Insert::Date(self.date_format(format, offset, span)?), Form::Kept)
            }
            PlaceholderPart::Now(format, offset) => {
                (Insert::Now(self.date_format(format, offset, span)?), Form::Kept)
            }
            PlaceholderPart::Value(name, Form::Levels) if !is_folder => {
                let name = name.to_owned();
                self.report(span, TemplateMistake::LevelsElsewhere { name });
                return None;
            }
            PlaceholderPart::Value(name, form) => match keyed(name) {
                Some(field) if !self.names.contains_key(name) => {
                    (self.insert_by_key(field, span)?, form)
                }
                _ => (self.insert_by_name(name, span)?, form),
            },
            PlaceholderPart::UnknownForm(name, word) => {
                let (name, word) = (name.to_owned(), word.to_owned());
                self.report(span, TemplateMistake::UnknownForm { name, word });
                return None;
            }
        };
        Some(TemplatePart::Insert(insert, form))
    }

    /// `{header "X-Name"}`, `{address "X-To".domain}`, `{env "HOME"}`
    fn insert_by_key(
        &mut self,
        (word, name, part): (&str, Option<&str>, Option<&str>),
        span: Span,
    ) -> Option<Insert> {
        if name.is_none() {
            let mistake = TemplateMistake::InsertWantsQuotes { field: word.to_owned() };
            self.report(span, mistake);
            return None;
        }
        let at = |text: &str| Spanned { value: text.to_owned(), span };
        let (argument, part) = (name.map(at), part.map(at));
        let field = ast::FieldNode { span, name: at(word), argument, part };
        let tested = self.tested_field(&field)?;
        Some(Insert::Field(self.field(tested.field)))
    }

    /// The format after `date:`, in strftime's syntax.
    fn date_format(
        &mut self,
        format: &str,
        offset: Option<i32>,
        span: Span,
    ) -> Option<MomentFormat> {
        let day = jiff::civil::date(2026, 12, 24).at(22, 0, 0, 0);
        let tried = day
            .to_zoned(jiff::tz::TimeZone::UTC)
            .and_then(|day| jiff::fmt::strtime::format(format, &day));
        let reason = match tried {
            Ok(_) if !format.is_empty() => {
                return Some(MomentFormat { format: format.to_owned(), offset });
            }
            Ok(_) => String::from("it is empty"),
            Err(error) => error.to_string(),
        };
        let format = format.to_owned();
        self.report(span, TemplateMistake::BadDateFormat { format, reason });
        None
    }
}
