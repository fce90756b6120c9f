//! Strings with `{…}` in them, and the meaning of what is between the braces.

use std::ops::Range;

use super::place::inside;
use super::{Checker, NameKind};
use crate::rules::field::{self, FieldKind, FieldLookup};
use crate::rules::mistake::{TemplateMistake, WordKind};
use crate::rules::program::Field;
use crate::rules::template::{
    Form, Insert, MomentFormat, PlaceholderPart, SplitPart, Template, TemplateError, TemplatePart,
    keyed, parse_placeholder, split,
};
use crate::source::{Span, Spanned};
use crate::syntax::ast;

impl Checker<'_, '_> {
    /// A string with `{…}` in it; it begins `skip` bytes into the literal.
    pub(super) fn template(&mut self, text: &str, skip: usize, span: Span) -> Option<Template> {
        self.string_with_inserts(text, skip, span, false)
    }

    /// A string with `{…}` in it; in a folder's name, values may have levels.
    pub(super) fn string_with_inserts(
        &mut self,
        text: &str,
        skip: usize,
        span: Span,
        is_folder: bool,
    ) -> Option<Template> {
        let place = |checker: &Self, range: Range<usize>| {
            inside(checker.sources, span, &(range.start + skip..range.end + skip))
        };
        let (parts, errors) = split(text);
        let mut fine = errors.is_empty();
        for error in errors {
            let (range, mistake) = match error {
                TemplateError::Unclosed(range) => (range, TemplateMistake::BraceUnclosed),
                TemplateError::Unopened(range) => (range, TemplateMistake::BraceUnopened),
                TemplateError::Empty(range) => (range, TemplateMistake::BraceEmpty),
            };
            self.report(place(self, range), mistake);
        }
        let mut template = Template { parts: Vec::with_capacity(parts.len()) };
        for part in parts {
            let part = match part {
                SplitPart::Text(text) => Some(TemplatePart::Text(text)),
                SplitPart::Insert(name, range) => self.insert(name, is_folder, place(self, range)),
            };
            fine &= part.is_some();
            template.parts.extend(part);
        }
        fine.then_some(template)
    }

    /// A value between braces, by its name.
    pub(super) fn insert_by_name(&mut self, name: &str, span: Span) -> Option<Insert> {
        let scopes = &self.statements.scopes;
        let anything = scopes.iter().any(|scope| scope.anything);
        let groups = scopes.iter().map(|scope| scope.groups).max().unwrap_or(0);
        if name.bytes().all(|byte| byte.is_ascii_digit()) {
            let expected = name.parse().ok();
            return match expected.filter(|expected| anything || (1..=groups).contains(expected)) {
                Some(group) => Some(Insert::Group(group)),
                None => {
                    self.report(span, TemplateMistake::NoCapture { name: name.to_owned(), groups });
                    None
                }
            };
        }
        if scopes.iter().any(|scope| scope.names.iter().any(|known| known == name)) {
            return Some(Insert::Capture(name.to_owned()));
        }
        let found = match self.names.get(name) {
            Some((NameKind::Score(score), _)) => Some((Field::Score(*score), FieldKind::Number)),
            Some((NameKind::Value(value), _)) => Some((Field::Let(*value), FieldKind::Text)),
            Some((NameKind::Broken, _)) => return None,
            _ => match field::find(name) {
                Some(FieldLookup::Field(field, kind)) => Some((field, kind)),
                _ => None,
            },
        };
        match found {
            Some((_, FieldKind::Date | FieldKind::Time | FieldKind::Duration)) => {
                self.report(span, TemplateMistake::NoInsert { name: name.to_owned() });
                None
            }
            Some((field, _)) => Some(Insert::Field(self.field(field))),
            None if anything => None,
            None => {
                self.missing(WordKind::Insert, name, span);
                None
            }
        }
    }

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
