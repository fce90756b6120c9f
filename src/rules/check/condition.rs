//! Conditions: fields and names found, operators and values fitted.

use std::collections::HashMap;

use super::statement::Scope;
use super::{Checker, DUPLICATE, Declared, MAX_CONDITION_DEPTH, YEAR};
use crate::classify::CLASSIFIERS;
use crate::rules::field::{self, FieldKind, FieldLookup, Operator, WithName};
use crate::rules::mistake::{RuleErrorKind, WordKind, nearest};
use crate::rules::program::{AddressPart, Comparison, ConditionKind, DuplicateKey, Field};
use crate::source::Span;
use crate::syntax::ast::{self, ConditionNode, Fields, ValueKind, ValueNode};

/// What is known of the conditions so far.
#[derive(Default)]
pub(super) struct KnownConditions {
    /// Which conditions ask the same: a number for each such set.
    classes: Vec<u32>,
    class_of: HashMap<String, u32>,
    /// How deep each condition is nested.
    depths: Vec<u32>,
    /// The `define` or `score` that is being declared.
    pub(super) declaring: Option<String>,
    /// What the patterns of the condition at hand capture; none under `not`.
    capturing: Option<Scope>,
}

impl KnownConditions {
    pub(super) fn class(&self, condition: u32) -> u32 {
        self.classes.get(condition as usize).copied().unwrap_or(u32::MAX)
    }

    fn depth(&self, condition: u32) -> u32 {
        self.depths.get(condition as usize).copied().unwrap_or(0)
    }
}

/// A field as it is asked for.
pub(super) struct Asked {
    pub(super) field: Field,
    pub(super) kind: FieldKind,
    /// Its name, for people.
    pub(super) name: String,
}

impl Checker<'_, '_> {
    /// The condition of one rule, and what its patterns capture.
    pub(super) fn condition_alone(&mut self, condition: &ConditionNode) -> (u32, Scope) {
        self.conditions.capturing = Some(Scope::default());
        let index = self.condition(condition);
        (index, self.conditions.capturing.take().unwrap_or_default())
    }

    /// The parser bounds how deep conditions are nested in a file.
    fn condition(&mut self, condition: &ConditionNode) -> u32 {
        let span = condition.span;
        let kind = match &condition.kind {
            ast::ConditionNodeKind::All(of) => {
                let of: Vec<u32> = of.iter().map(|each| self.condition(each)).collect();
                self.contradiction(span, &of);
                Some(ConditionKind::All(of))
            }
            ast::ConditionNodeKind::Any(of) => {
                Some(ConditionKind::Any(of.iter().map(|each| self.condition(each)).collect()))
            }
            ast::ConditionNodeKind::Not(of) => {
                self.not_to_me(of);
                let capturing = self.conditions.capturing.take();
                let of = self.condition(of);
                self.conditions.capturing = capturing;
                Some(ConditionKind::Not(of))
            }
            ast::ConditionNodeKind::Name(name) => self.classifier(name, span),
            ast::ConditionNodeKind::Duplicate { of, within } => {
                self.duplicate(of.as_ref(), within.as_ref())
            }
            ast::ConditionNodeKind::Has(fields) => self.one_of(fields, Self::has),
            ast::ConditionNodeKind::Test { fields, operator, value } => {
                self.one_of(fields, |checker, field| {
                    let of = if matches!(fields, Fields::One(_)) { span } else { field.span };
                    checker.test(of, field, operator, value)
                })
            }
        };
        match kind {
            Some(kind) => self.push_condition(span, kind),
            None => self.broken(span),
        }
    }

    /// `duplicate of "…" within 1d`
    fn duplicate(
        &mut self,
        of: Option<&ast::SpannedText>,
        within: Option<&ValueNode>,
    ) -> Option<ConditionKind> {
        let mut fine = true;
        let of = of.and_then(|of| {
            // What a pattern captures is not known yet.
            let scopes = std::mem::take(&mut self.statements.scopes);
            let template = self.template(&of.value, 0, of.span);
            self.statements.scopes = scopes;
            if of.value.trim().is_empty() {
                let hint = Some(String::from("`duplicate of \"{list-id}\"`, for one"));
                let value = ValueNode { span: of.span, kind: ValueKind::Text(of.value.clone()) };
                self.wrong_value("a text with a value in it", &value, hint);
                fine = false;
            }
            fine &= template.is_some();
            Some(DuplicateKey { written: of.value.clone(), template: template? })
        });
        let within = within.and_then(|value| match value.kind {
            ValueKind::Duration(seconds @ 1..=YEAR) => Some(seconds),
            _ => {
                let wanted = "a duration of `1s` to `52w`";
                self.wrong_value(wanted, value, None);
                fine = false;
                None
            }
        });
        fine.then_some(ConditionKind::Duplicate { of, within })
    }

    /// `has FIELD`
    fn has(&mut self, field: &ast::FieldNode) -> Option<ConditionKind> {
        let asked = self.asked(field)?;
        Some(match asked.field {
            // Of a count or a sum, "has" means more than none.
            Field::Attachments | Field::Recipients | Field::Score(_) => ConditionKind::Compare {
                field: self.field(asked.field),
                operator: Comparison::Greater,
                values: vec![0.0],
            },
            field => ConditionKind::Has(self.field(field)),
        })
    }

    /// What is asked of a field, or of one of a set: the same as an `or`.
    fn one_of(
        &mut self,
        fields: &Fields,
        mut ask: impl FnMut(&mut Self, &ast::FieldNode) -> Option<ConditionKind>,
    ) -> Option<ConditionKind> {
        let (span, of) = match fields {
            Fields::One(field) => return ask(self, field),
            Fields::Set { span, of } => (*span, of),
        };
        if of.is_empty() {
            self.empty_set(span);
            return None;
        }
        let mut parts = Vec::new();
        let mut fine = true;
        for field in of {
            let asked = match self.asked(field) {
                Some(Asked { kind, name, .. }) if !kind.is_text() => {
                    self.report(field.span, RuleErrorKind::NoTextInSet { field: name, kind });
                    None
                }
                Some(_) => ask(self, field),
                None => None,
            };
            match asked {
                Some(kind) => parts.push(self.push_condition(field.span, kind)),
                None => fine = false,
            }
        }
        fine.then_some(ConditionKind::Any(parts))
    }

    /// Adds a condition whose parts stand already.
    pub(super) fn push_condition(&mut self, span: Span, kind: ConditionKind) -> u32 {
        let of = |index: &u32| self.conditions.depth(*index);
        let below = match &kind {
            ConditionKind::All(parts) | ConditionKind::Any(parts) => parts.iter().map(of).max(),
            ConditionKind::Not(part) => Some(of(part)),
            ConditionKind::Define(define) => {
                self.program.defines.get(*define as usize).map(|define| of(&define.condition))
            }
            ConditionKind::Duplicate { .. } => None,
            ConditionKind::Classifier(_) => None,
            ConditionKind::Has(field)
            | ConditionKind::Network { field, .. }
            | ConditionKind::Text { field, .. }
            | ConditionKind::Matches { field, .. }
            | ConditionKind::In { field, .. }
            | ConditionKind::Compare { field, .. }
            | ConditionKind::Within { field, .. } => match self.program.fields.get(*field as usize)
            {
                Some(Field::Score(score)) => self
                    .program
                    .scores
                    .get(*score as usize)
                    .and_then(|score| score.entries.iter().map(|entry| of(&entry.1)).max()),
                _ => None,
            },
        };
        let depth = below.unwrap_or(0) + 1;
        if depth > MAX_CONDITION_DEPTH {
            if depth == MAX_CONDITION_DEPTH + 1 {
                self.report(span, RuleErrorKind::TooDeep);
            }
            self.conditions.depths.push(MAX_CONDITION_DEPTH + 1);
        } else {
            self.conditions.depths.push(depth);
        }
        // A name asks what its definition asks.
        let defined = match &kind {
            ConditionKind::Define(define) => self.program.defines.get(*define as usize),
            _ => None,
        };
        let class = match defined {
            Some(define) => self.conditions.class(define.condition),
            None => {
                let key = self.key(&kind);
                let next = self.conditions.class_of.len() as u32;
                *self.conditions.class_of.entry(key).or_insert(next)
            }
        };
        self.add(span, kind, class)
    }

    fn add(&mut self, span: Span, kind: ConditionKind, class: u32) -> u32 {
        self.conditions.classes.push(class);
        self.program.conditions.push(crate::rules::program::Condition { span, kind });
        self.program.conditions.len() as u32 - 1
    }

    /// Stands for a condition with a mistake; it is like no other.
    fn broken(&mut self, span: Span) -> u32 {
        self.conditions.depths.push(1);
        let class = u32::MAX - self.program.conditions.len() as u32;
        self.add(span, ConditionKind::All(Vec::new()), class)
    }

    /// What a condition asks, alike for all that ask the same.
    fn key(&self, kind: &ConditionKind) -> String {
        let class = |index: &u32| self.conditions.class(*index);
        let classes = |parts: &[u32]| {
            let mut classes: Vec<u32> = parts.iter().map(class).collect();
            classes.sort_unstable();
            classes.dedup();
            classes
        };
        match kind {
            ConditionKind::All(parts) => format!("all {:?}", classes(parts)),
            ConditionKind::Any(parts) => format!("any {:?}", classes(parts)),
            ConditionKind::Not(part) => format!("not {}", class(part)),
            ConditionKind::In { field, list } => match self.program.lists.get(*list as usize) {
                Some(set) if set.name.is_none() => format!("in {field} {:?}", set.entries),
                _ => format!("in {field} {list}"),
            },
            other => format!("{other:?}"),
        }
    }

    /// `not recipient in me`: Postfix and others name the user in Delivered-To.
    fn not_to_me(&mut self, of: &ConditionNode) {
        let ast::ConditionNodeKind::Test { fields, operator, value } = &of.kind else { return };
        let me = matches!(&value.kind, ValueKind::Name(name) if name == "me");
        let names = fields.all().iter().map(|field| field.name.value.as_str());
        if me && operator.value == "in" && names.into_iter().any(|name| name == "recipient") {
            let why = "the MTA names you in Delivered-To, so `recipient in me` holds for all mail";
            let hint = "`not addressed-to-me` asks what the sender wrote";
            let mistake = RuleErrorKind::Unlikely { why: why.into(), hint: Some(hint.into()) };
            self.report(of.span, mistake);
        }
    }

    /// `x and not x`
    fn contradiction(&mut self, span: Span, parts: &[u32]) {
        let classes: std::collections::HashSet<u32> =
            parts.iter().map(|part| self.conditions.class(*part)).collect();
        let against = parts.iter().any(|part| {
            let kind = self.program.conditions.get(*part as usize).map(|part| &part.kind);
            matches!(kind, Some(ConditionKind::Not(of)) if classes.contains(&self.conditions.class(*of)))
        });
        if against {
            let why = String::from("it asks for one thing and for its opposite");
            self.report(span, RuleErrorKind::NeverHolds { why, hint: None });
        }
    }

    /// A bare name.
    fn classifier(&mut self, name: &ast::SpannedText, span: Span) -> Option<ConditionKind> {
        let text = name.value.as_str();
        if text == DUPLICATE {
            return Some(ConditionKind::Duplicate { of: None, within: None });
        }
        if let Some(index) = CLASSIFIERS.iter().position(|each| each.name == text) {
            return Some(ConditionKind::Classifier(index as u32));
        }
        match self.names.get(text) {
            Some((Declared::Define(define), _)) => return Some(ConditionKind::Define(*define)),
            Some((Declared::Broken, _)) => return None,
            Some((declared, _)) => {
                let what = declared.name();
                self.report(span, RuleErrorKind::NotACondition { name: text.to_owned(), what });
            }
            None if self.conditions.declaring.as_deref() == Some(text) => {
                self.report(span, RuleErrorKind::OwnDefinition { name: text.to_owned() });
            }
            None if let Some(field) = field::of_run(text) => {
                return Some(ConditionKind::Has(self.field(field)));
            }
            None if field::find(text).is_some() => {
                self.report(
                    span,
                    RuleErrorKind::NotACondition { name: text.to_owned(), what: "field" },
                );
            }
            None => self.missing(WordKind::Classifier, text, span),
        }
        None
    }

    /// The field that is asked for; a score is one too.
    pub(super) fn asked(&mut self, field: &ast::FieldNode) -> Option<Asked> {
        let name = field.name.value.as_str();
        let span = field.name.span;
        let asked = |field, kind| Asked { field, kind, name: name.to_owned() };
        let found = match self.names.get(name) {
            Some((Declared::Score(score), _)) => {
                Some(asked(Field::Score(*score), FieldKind::Number))
            }
            Some((Declared::Value(value), _)) => Some(asked(Field::Let(*value), FieldKind::Text)),
            Some((Declared::Broken, _)) => return None,
            // A header of the registry stays one under the name of a list.
            Some((declared, _)) if field::find(name).is_none() => {
                let what = declared.name();
                self.report(span, RuleErrorKind::NotAField { name: name.to_owned(), what });
                return None;
            }
            _ => match field::find(name) {
                Some(FieldLookup::Field(found, kind)) => Some(asked(found, kind)),
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
                    RuleErrorKind::FieldTakesNoName { field: name.to_owned() },
                );
                None
            }
            (Some(asked), None) => Some(asked),
            (None, _)
                if CLASSIFIERS.iter().any(|each| each.name == name)
                    || name == DUPLICATE
                    || field::of_run(name).is_some() =>
            {
                let what = "condition";
                self.report(span, RuleErrorKind::NotAField { name: name.to_owned(), what });
                None
            }
            (None, _) if self.conditions.declaring.as_deref() == Some(name) => {
                self.report(span, RuleErrorKind::OwnDefinition { name: name.to_owned() });
                None
            }
            (None, _) => {
                let stem = name.split_once('.').and_then(|(stem, _)| field::find(stem));
                let part = matches!(stem, Some(FieldLookup::Field(_, FieldKind::Address)));
                self.missing(if part { WordKind::Part } else { WordKind::Field }, name, span);
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
    ) -> Option<Asked> {
        let word = field.name.value.as_str();
        let Some(argument) = &field.argument else {
            self.report(field.span, RuleErrorKind::FieldWantsName { field: word.to_owned() });
            return None;
        };
        let name = argument.value.clone();
        if matches!(which, WithName::Header | WithName::Address)
            && let Some(plain) = without_pattern_signs(&name)
        {
            let why = format!("`{name}` is not a header name: header names are not patterns");
            let hint = (!plain.is_empty()).then(|| format!("`{word} \"{plain}\"`"));
            self.report(argument.span, RuleErrorKind::Unlikely { why, hint });
        }
        let mut shown = format!("{word} \"{name}\"");
        let mut of_part = (AddressPart::Whole, kind);
        if let Some(part) = &field.part {
            shown = format!("{shown}.{}", part.value);
            of_part = match field::part(&part.value) {
                _ if which != WithName::Address => {
                    let hint = (which == WithName::Header)
                        .then(|| format!("`address \"{name}\".{}`", part.value));
                    let mistake = RuleErrorKind::NoParts { field: word.to_owned(), hint };
                    self.report(part.span, mistake);
                    return None;
                }
                Some(known) => known,
                None => {
                    let near = nearest(&part.value, field::PARTS.iter().map(|(part, ..)| *part));
                    let near = near.map(|near| format!("{word} \"{name}\".{near}"));
                    let mistake =
                        RuleErrorKind::Unknown { what: WordKind::Part, name: shown, near };
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
                self.report(argument.span, RuleErrorKind::BadHeaderName { name });
                return None;
            }
            WithName::Env if name.is_empty() || name.contains(['=', '\0']) => {
                self.report(argument.span, RuleErrorKind::BadEnvName { name });
                return None;
            }
            WithName::Env => Field::Env(name.clone()),
        };
        Some(Asked { field: found, kind, name: shown })
    }

    /// `FIELD OPERATOR VALUE`
    fn test(
        &mut self,
        span: Span,
        field: &ast::FieldNode,
        operator: &ast::SpannedText,
        value: &ValueNode,
    ) -> Option<ConditionKind> {
        let asked = self.asked(field);
        let Some(found) = Operator::of(&operator.value) else {
            self.unknown(WordKind::Operator, &operator.value, operator.span);
            return None;
        };
        let asked = asked?;
        if !asked.kind.takes(found) {
            let (field, kind, operator_word) = (asked.name, asked.kind, operator.value.clone());
            self.report(
                operator.span,
                RuleErrorKind::OperatorDoesNotFit { field, kind, operator: operator_word },
            );
            return None;
        }
        match found {
            Operator::Text(_) if asked.kind == FieldKind::Weekday => self.weekdays(&asked, value),
            Operator::Text(_) if asked.kind == FieldKind::Result => self.results(&asked, value),
            Operator::Text(_) if asked.kind == FieldKind::Ip => self.networks(&asked, value),
            Operator::Text(operator) => self.text(&asked, operator, value),
            Operator::Matches => self.matches(asked, value),
            Operator::In => match asked.kind {
                FieldKind::Weekday => self.weekdays(&asked, value),
                FieldKind::Result => self.results(&asked, value),
                FieldKind::Ip if !matches!(value.kind, ValueKind::Name(_)) => {
                    self.networks(&asked, value)
                }
                FieldKind::Ip => self.in_list(asked, value),
                FieldKind::Header if is_numeric(value) => self.numbers_in(span, asked, value),
                kind if kind.is_text() => self.in_list(asked, value),
                _ => self.numbers_in(span, asked, value),
            },
            Operator::Compare(comparison) => self.compare(asked, comparison, value),
        }
    }

    fn matches(&mut self, asked: Asked, value: &ValueNode) -> Option<ConditionKind> {
        let mut patterns = Vec::new();
        let mut fine = true;
        for element in self.elements(value) {
            let ValueKind::Pattern { source, case_sensitive } = &element.kind else {
                let hint = match &element.kind {
                    ValueKind::Text(text) => Some(format!(
                        "a pattern stands between slashes: `/{}/`",
                        text.replace('/', "\\/")
                    )),
                    _ => None,
                };
                self.wrong_value("a pattern", element, hint);
                fine = false;
                continue;
            };
            if has_two_blanks(source) {
                let why = "patterns see white space of any length as one space";
                let hint = Some(String::from("write one space instead of two"));
                self.never_holds(element.span, why, hint);
            }
            match self.pattern(source, *case_sensitive, element.span) {
                Some((index, captures)) => {
                    patterns.push(index);
                    if let Some(scope) = &mut self.conditions.capturing {
                        scope.groups = scope.groups.max(captures.groups);
                        scope.names.extend(captures.names);
                    }
                }
                None => {
                    // What it would capture is not known, so nothing is said of that.
                    if let Some(scope) = &mut self.conditions.capturing {
                        scope.anything = true;
                    }
                    fine = false;
                }
            }
        }
        fine.then(|| ConditionKind::Matches { field: self.field(asked.field), patterns })
    }

    fn in_list(&mut self, asked: Asked, value: &ValueNode) -> Option<ConditionKind> {
        let list = match &value.kind {
            ValueKind::Name(name) => self.named_list(name, value.span)?,
            ValueKind::Set(elements) => {
                if elements.is_empty() {
                    self.empty_set(value.span);
                }
                let before = self.diagnostics.len();
                let mut entries = self.list_entries(elements);
                if asked.kind == FieldKind::Domain {
                    for entry in &mut entries {
                        self.canonical_domain(entry);
                    }
                }
                if self.diagnostics.len() > before {
                    return None;
                }
                self.inline_list(value.span, entries)
            }
            ValueKind::Text(_) => {
                let hint = format!("`[{}]`, or the name of a list", self.written(value));
                self.wrong_value("a list or a set", value, Some(hint));
                return None;
            }
            _ => {
                self.wrong_value("a list or a set", value, None);
                return None;
            }
        };
        if asked.kind != FieldKind::Address {
            self.text_lists.insert(list);
        }
        Some(ConditionKind::In { field: self.field(asked.field), list })
    }

    fn compare(
        &mut self,
        asked: Asked,
        operator: Comparison,
        value: &ValueNode,
    ) -> Option<ConditionKind> {
        let mut values: Vec<(u32, Vec<f64>)> = Vec::new();
        let mut fine = true;
        for element in self.elements(value) {
            match self.number(asked.kind, element) {
                Some(number) => {
                    self.never(&asked, operator, number, element);
                    if operator == Comparison::Equal {
                        self.one_second(&asked, element);
                    }
                    let field = self.field_for(&asked, element);
                    match values.iter_mut().find(|(known, _)| *known == field) {
                        Some((_, numbers)) => numbers.push(number),
                        None => values.push((field, vec![number])),
                    }
                }
                None => fine = false,
            }
        }
        let mut kinds: Vec<ConditionKind> = values
            .into_iter()
            .map(|(field, values)| ConditionKind::Compare { field, operator, values })
            .collect();
        match kinds.len() {
            _ if !fine => None,
            0 | 1 => kinds.pop(),
            _ => {
                let parts = kinds.into_iter().map(|kind| self.push_condition(value.span, kind));
                Some(ConditionKind::Any(parts.collect()))
            }
        }
    }
}

/// RFC 5322 §2.2: printable US-ASCII but for the colon.
pub(super) fn is_header_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b':')
}

/// Whether a pattern asks for two blanks one behind the other.
fn has_two_blanks(pattern: &str) -> bool {
    if pattern.contains("(?") && pattern.contains('x') {
        // The flag `x` may be set, by which blanks mean nothing.
        return false;
    }
    let mut in_class = false;
    let mut escaped = false;
    let mut blanks = 0;
    for (at, c) in pattern.char_indices() {
        let behind = pattern.get(at + c.len_utf8()..).unwrap_or_default();
        let may_be_none = behind.starts_with(['?', '*', '{']);
        blanks = if c == ' ' && !in_class && !escaped && !may_be_none { blanks + 1 } else { 0 };
        if blanks == 2 {
            return true;
        }
        in_class = if escaped { in_class } else { c == '[' || in_class && c != ']' };
        escaped = !escaped && c == '\\';
    }
    false
}

/// A header's name as it was probably meant, where it holds signs of a pattern.
fn without_pattern_signs(name: &str) -> Option<String> {
    let sign = |c| matches!(c, '^' | '$' | '*' | '\\' | '(' | ')' | '[' | ']' | '|');
    name.contains(sign).then(|| name.replace(sign, ""))
}

/// Whether `in` asks for a number: a range, or a set of numbers.
fn is_numeric(value: &ValueNode) -> bool {
    match &value.kind {
        ValueKind::Range(..) | ValueKind::Number(_) | ValueKind::Size(_) => true,
        ValueKind::Set(elements) => elements.first().is_some_and(|first| {
            matches!(first.kind, ValueKind::Range(..) | ValueKind::Number(_) | ValueKind::Size(_))
        }),
        _ => false,
    }
}
