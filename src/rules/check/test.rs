//! Tests: finds the field, and checks the operator and the value against it.

use super::{Checker, DUPLICATE, NameKind};
use crate::classify::CLASSIFIERS;
use crate::rules::field::{self, FieldKind, FieldLookup, Operator, WithName};
use crate::rules::mistake::{LogicMistake, NameMistake, TestMistake, WordKind};
use crate::rules::program::{AddressPart, Comparison, ConditionKind, Field};
use crate::source::Span;
use crate::spelling::nearest;
use crate::syntax::ast::{self, ValueKind, ValueNode};
use crate::syntax::quote;
use crate::syntax::words::{self, FOLDER_EXISTS};

/// A field as a test names it.
pub(super) struct TestedField {
    pub(super) field: Field,
    pub(super) kind: FieldKind,
    /// The name of the field, for people.
    pub(super) name: String,
}

impl Checker<'_, '_> {
    /// The field that a test names; a score counts as one.
    pub(super) fn tested_field(&mut self, field: &ast::FieldNode) -> Option<TestedField> {
        let name = field.name.value.as_str();
        let span = field.name.span;
        let tested = |field, kind| TestedField { field, kind, name: name.to_owned() };
        let found = match self.names.get(name) {
            Some((NameKind::Score(score), _)) => {
                Some(tested(Field::Score(*score), FieldKind::Number))
            }
            Some((NameKind::Value(value), _)) => Some(tested(Field::Let(*value), FieldKind::Text)),
            Some((NameKind::Broken, _)) => return None,
            // A registered header stays a field even if a list has its name.
            Some((declared, _)) if field::find(name).is_none() => {
                let what = declared.name();
                self.report(span, NameMistake::NotAField { name: name.to_owned(), what });
                return None;
            }
            _ => match field::find(name) {
                Some(FieldLookup::Field(found, kind)) => Some(tested(found, kind)),
                Some(FieldLookup::WantsName(kind, which)) => {
                    return self.named_field(field, kind, which);
                }
                None => None,
            },
        };
        match (found, &field.argument) {
            (Some(_), Some(argument)) => {
                self.report(
                    argument.span,
                    TestMistake::FieldTakesNoName { field: name.to_owned() },
                );
                None
            }
            (Some(tested), None) => Some(tested),
            (None, _) if name == FOLDER_EXISTS => {
                self.report(span, TestMistake::FieldWantsName { field: name.to_owned() });
                None
            }
            (None, _)
                if CLASSIFIERS.iter().any(|classifier| classifier.name == name)
                    || name == DUPLICATE
                    || field::of_run(name).is_some() =>
            {
                let what = "condition";
                self.report(span, NameMistake::NotAField { name: name.to_owned(), what });
                None
            }
            (None, _) if self.conditions.declaring.as_deref() == Some(name) => {
                self.report(span, NameMistake::OwnDefinition { name: name.to_owned() });
                None
            }
            (None, _) => {
                let stem = name.split_once('.').map(|(stem, _)| stem);
                match stem.and_then(field::find) {
                    Some(FieldLookup::Field(_, FieldKind::Address)) => {
                        self.missing(WordKind::Part, name, span);
                    }
                    Some(FieldLookup::Field(..)) => {
                        let field = stem.unwrap_or_default().to_owned();
                        self.report(span, TestMistake::NoParts { field, hint: None });
                    }
                    _ => self.missing(WordKind::Field, name, span),
                }
                None
            }
        }
    }

    /// `header "N"`, `address "N".domain`, `env "N"`
    fn named_field(
        &mut self,
        field: &ast::FieldNode,
        kind: FieldKind,
        which: WithName,
    ) -> Option<TestedField> {
        let word = field.name.value.as_str();
        let Some(argument) = &field.argument else {
            self.report(field.span, TestMistake::FieldWantsName { field: word.to_owned() });
            return None;
        };
        let name = argument.value.clone();
        if matches!(which, WithName::Header | WithName::Address)
            && let Some(plain) = without_pattern_signs(&name)
        {
            let why = format!("`{name}` is not a header name: header names are not patterns");
            let hint = (!plain.is_empty()).then(|| format!("`{word} \"{plain}\"`"));
            self.report(argument.span, LogicMistake::Unlikely { why, hint });
        }
        let mut shown = format!("{word} \"{name}\"");
        let mut of_part = (AddressPart::Whole, kind);
        if let Some(part) = &field.part {
            shown = format!("{shown}.{}", part.value);
            of_part = match field::part(&part.value) {
                _ if which != WithName::Address => {
                    let hint = (which == WithName::Header)
                        .then(|| format!("`address \"{name}\".{}`", part.value));
                    let mistake = TestMistake::NoParts { field: word.to_owned(), hint };
                    self.report(part.span, mistake);
                    return None;
                }
                Some(known) => known,
                None => {
                    let near = nearest(&part.value, field::PARTS.iter().map(|(part, ..)| *part));
                    let near = near.map(|near| format!("{word} \"{name}\".{near}"));
                    let mistake = NameMistake::Unknown { what: WordKind::Part, name: shown, near };
                    self.report(part.span, mistake);
                    return None;
                }
            };
        }
        let (part, kind) = of_part;
        let found = match which {
            WithName::Header if is_header_name(&name) => Field::Header(name.to_ascii_lowercase()),
            WithName::Address if is_header_name(&name) => {
                Field::AddressesIn(name.to_ascii_lowercase(), part)
            }
            WithName::Header | WithName::Address => {
                self.report(argument.span, TestMistake::BadHeaderName { name });
                return None;
            }
            WithName::Env if name.is_empty() || name.contains(['=', '\0']) => {
                self.report(argument.span, TestMistake::BadEnvName { name });
                return None;
            }
            WithName::Env => Field::Env(name.clone()),
        };
        Some(TestedField { field: found, kind, name: shown })
    }

    /// `FIELD OPERATOR VALUE`
    pub(super) fn test(
        &mut self,
        span: Span,
        field: &ast::FieldNode,
        operator: &ast::SpannedText,
        value: &ValueNode,
    ) -> Option<ConditionKind> {
        let tested = self.tested_field(field);
        if tested.is_none() {
            self.judge_suggested(&field.name.value, &operator.value, value);
        }
        let Some(found) = Operator::of(&operator.value) else {
            self.unknown(WordKind::Operator, &operator.value, operator.span);
            return None;
        };
        let tested = tested?;
        if !tested.kind.takes(found) {
            let (field, kind, operator_word) = (tested.name, tested.kind, operator.value.clone());
            self.report(
                operator.span,
                TestMistake::OperatorDoesNotFit { field, kind, operator: operator_word },
            );
            return None;
        }
        match found {
            Operator::Text(_) if tested.kind == FieldKind::Weekday => self.weekdays(&tested, value),
            Operator::Text(_) if tested.kind == FieldKind::Result => self.results(&tested, value),
            Operator::Text(_) if tested.kind == FieldKind::Ip => self.networks(&tested, value),
            Operator::Text(operator) => self.text(&tested, operator, value),
            Operator::Matches => self.matches(tested, value),
            Operator::In => match tested.kind {
                FieldKind::Weekday => self.weekdays(&tested, value),
                FieldKind::Result => self.results(&tested, value),
                FieldKind::Ip if !matches!(value.kind, ValueKind::Name(_)) => {
                    self.networks(&tested, value)
                }
                FieldKind::Ip => self.in_list(tested, value),
                FieldKind::Header if is_numeric(value) => self.numbers_in(span, tested, value),
                kind if kind.is_text() => self.in_list(tested, value),
                _ => self.numbers_in(span, tested, value),
            },
            Operator::Compare(comparison) => self.compare(tested, comparison, value),
        }
    }

    /// Judges a value even if its field has the name that another program uses.
    fn judge_suggested(&mut self, name: &str, operator: &str, value: &ValueNode) {
        let suggestion = words::suggest_field(name).filter(|_| field::find(name).is_none());
        if let Some(name) = suggestion
            && let Some(FieldLookup::Field(field, kind)) = field::find(name)
            && let Some(Operator::Text(operator)) = Operator::of(operator)
            && let ValueKind::Text(text) = &value.kind
        {
            let tested = TestedField { field, kind, name: name.to_owned() };
            self.judge_stars(&tested, operator, text, value.span);
        }
    }

    fn matches(&mut self, tested: TestedField, value: &ValueNode) -> Option<ConditionKind> {
        let mut patterns = Vec::new();
        let mut fine = true;
        for element in self.elements(value) {
            let ValueKind::Pattern { source, case_sensitive } = &element.kind else {
                let hint = match &element.kind {
                    ValueKind::Text(text) if is_like(text) => {
                        Some(format!("`{} like {}`", tested.name, self.written(element)))
                    }
                    ValueKind::Text(text) => Some(format!(
                        "a pattern is written between slashes: `/{}/`",
                        text.replace('/', "\\/")
                    )),
                    _ => None,
                };
                self.wrong_value("a pattern", element, hint);
                fine = false;
                continue;
            };
            if has_two_blanks(source) && tested.field != Field::RawHeaders {
                let why = "patterns see white space of any length as one space";
                let hint = Some(String::from("write one space instead of two"));
                self.never_holds(element.span, why, hint);
            }
            match self.pattern(source, *case_sensitive, element.span) {
                Some((index, captures)) => {
                    patterns.push(index);
                    if let Some(scope) = self.conditions.captures() {
                        scope.groups = scope.groups.max(captures.groups);
                        scope.names.extend(captures.names);
                    }
                }
                None => {
                    // What it would capture is unknown, so nothing is reported
                    // about that.
                    if let Some(scope) = self.conditions.captures() {
                        scope.anything = true;
                    }
                    fine = false;
                }
            }
        }
        fine.then(|| ConditionKind::Matches { field: self.field(tested.field), patterns })
    }

    fn in_list(&mut self, tested: TestedField, value: &ValueNode) -> Option<ConditionKind> {
        let list = match &value.kind {
            ValueKind::Name(name) => self.named_list(name, value.span)?,
            ValueKind::Set(elements) => {
                if elements.is_empty() {
                    self.empty_set(value.span);
                }
                let before = self.diagnostics.len();
                let mut entries = self.list_entries(elements);
                if tested.kind == FieldKind::Domain {
                    for entry in &mut entries {
                        self.canonical_domain(entry);
                    }
                }
                if self.diagnostics.len() > before {
                    return None;
                }
                self.inline_list(None, value.span, entries)
            }
            ValueKind::Text(text) => {
                let written = quote(text);
                let hint = match list_of_file(text) {
                    Some(list) => format!(
                        "declare the list at the top, `list {list} {written}`, and write `{} in {list}`",
                        tested.name
                    ),
                    None => format!("`[{written}]`, or the name of a list"),
                };
                self.wrong_value("a list or a set", value, Some(hint));
                return None;
            }
            _ => {
                self.wrong_value("a list or a set", value, None);
                return None;
            }
        };
        if tested.kind != FieldKind::Address {
            self.text_lists.insert(list);
        }
        Some(ConditionKind::In { field: self.field(tested.field), list })
    }

    fn compare(
        &mut self,
        tested: TestedField,
        operator: Comparison,
        value: &ValueNode,
    ) -> Option<ConditionKind> {
        let mut values: Vec<(u32, Vec<f64>)> = Vec::new();
        let mut fine = true;
        for element in self.elements(value) {
            match self.number(tested.kind, element) {
                Some(number) => {
                    self.judge_comparison(&tested, operator, number, element);
                    if operator == Comparison::Equal {
                        self.judge_equal_instant(&tested, element);
                    }
                    let field = self.field_for(&tested, element);
                    match values.iter_mut().find(|(known, _)| *known == field) {
                        Some((_, numbers)) => numbers.push(number),
                        None => values.push((field, vec![number])),
                    }
                }
                None => fine = false,
            }
        }
        let kinds = values.into_iter().map(|(field, values)| ConditionKind::Compare {
            field,
            operator,
            values,
        });
        fine.then(|| self.any_of(value.span, kinds.collect())).flatten()
    }
}

/// Whether a text given as a pattern is a glob: its stars follow no `.`, and it has no
/// other signs of patterns.
fn is_like(text: &str) -> bool {
    let signs = ['^', '$', '\\', '|', '(', '['];
    text.contains('*') && !text.contains(".*") && !text.contains(signs)
}

/// The name for a list that is kept in this file; `None` if the text is no path.
fn list_of_file(text: &str) -> Option<String> {
    if text.contains('@') || !text.contains('/') || text.ends_with('/') {
        return None;
    }
    let name = text.rsplit('/').next()?.trim_start_matches('.').split('.').next()?;
    let name = name.to_ascii_lowercase().replace('_', "-");
    let fits = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
        && !name.ends_with('-');
    let is_free = !words::is_reserved(&name) && !field::is_own(&name) && name != "me";
    Some(if fits && is_free { name } else { "senders".to_owned() })
}

/// RFC 5322 §2.2: printable US-ASCII except the colon.
pub(super) fn is_header_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b':')
}

/// Whether a pattern requires two consecutive blanks.
fn has_two_blanks(pattern: &str) -> bool {
    if pattern.contains("(?") && pattern.contains('x') {
        // The flag `x` may be set, which makes blanks meaningless.
        return false;
    }
    let mut in_class = false;
    let mut escaped = false;
    let mut blanks = 0;
    for (at, c) in pattern.char_indices() {
        let after = pattern.get(at + c.len_utf8()..).unwrap_or_default();
        let may_be_none = after.starts_with(['?', '*', '{']);
        blanks = if c == ' ' && !in_class && !escaped && !may_be_none { blanks + 1 } else { 0 };
        if blanks == 2 {
            return true;
        }
        in_class = if escaped { in_class } else { c == '[' || in_class && c != ']' };
        escaped = !escaped && c == '\\';
    }
    false
}

/// A header's name as it was probably meant, if it contains signs of a pattern.
fn without_pattern_signs(name: &str) -> Option<String> {
    let sign = |c| matches!(c, '^' | '$' | '*' | '\\' | '(' | ')' | '[' | ']' | '|');
    name.contains(sign).then(|| name.replace(sign, ""))
}

/// Whether `in` compares numbers: with a range, or with a set of numbers.
fn is_numeric(value: &ValueNode) -> bool {
    match &value.kind {
        ValueKind::Range(..) | ValueKind::Number(_) | ValueKind::Size(_) => true,
        ValueKind::Set(elements) => elements.first().is_some_and(|first| {
            matches!(first.kind, ValueKind::Range(..) | ValueKind::Number(_) | ValueKind::Size(_))
        }),
        _ => false,
    }
}
