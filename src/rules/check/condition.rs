//! Conditions: how they are joined, what names mean, and which conditions are the same.

use std::collections::{BTreeMap, HashMap};

use super::statement::Scope;
use super::test::TestedField;
use super::{Checker, DUPLICATE, LONGEST_MEMORY, MAX_CONDITION_DEPTH, NameKind};
use crate::classify::CLASSIFIERS;
use crate::rules::field::{self, FieldLookup};
use crate::rules::mistake::{
    LogicMistake, NameMistake, RuleErrorKind, TemplateMistake, TestMistake, WordKind,
};
use crate::rules::program::{Comparison, ConditionKind, DuplicateKey, Field};
use crate::rules::template::{Insert, Template, TemplatePart};
use crate::source::Span;
use crate::syntax::ast::{self, ConditionNode, Fields, ValueKind, ValueNode};
use crate::syntax::words::FOLDER_EXISTS;

/// What is known about the conditions so far.
#[derive(Default)]
pub(super) struct KnownConditions {
    /// The class of each condition: all that ask the same have the same number.
    classes: Vec<u32>,
    class_of: HashMap<String, u32>,
    /// How deep each condition is nested.
    depths: Vec<u32>,
    /// The `define` or `score` that is being declared.
    pub(super) declaring: Option<String>,
    /// What the patterns of the current condition have captured so far.
    captured: Scope,
    /// Whether more is captured: not under `not`.
    capturing: bool,
}

impl KnownConditions {
    /// The place in which a pattern's captures are recorded; `None` if nothing is captured
    /// here.
    pub(super) fn captures(&mut self) -> Option<&mut Scope> {
        self.capturing.then_some(&mut self.captured)
    }

    pub(super) fn class(&self, condition: u32) -> u32 {
        self.classes.get(condition as usize).copied().unwrap_or(u32::MAX)
    }

    fn depth(&self, condition: u32) -> u32 {
        self.depths.get(condition as usize).copied().unwrap_or(0)
    }
}

impl Checker<'_, '_> {
    /// The condition of one rule, and what its patterns capture.
    pub(super) fn condition_alone(&mut self, condition: &ConditionNode) -> (u32, Scope) {
        self.conditions.captured = Scope::default();
        self.conditions.capturing = true;
        let index = self.condition(condition);
        self.conditions.capturing = false;
        (index, std::mem::take(&mut self.conditions.captured))
    }

    /// Adds a condition and its parts. Recursive: the parser limits how deep conditions are
    /// nested in a file.
    fn condition(&mut self, condition: &ConditionNode) -> u32 {
        let span = condition.span;
        let kind = match &condition.kind {
            ast::ConditionNodeKind::All(of) => {
                let of = self.joined(of, false);
                self.contradiction(span, &of);
                self.excluding(span, &of);
                Some(ConditionKind::All(of))
            }
            ast::ConditionNodeKind::Any(of) => Some(ConditionKind::Any(self.joined(of, true))),
            ast::ConditionNodeKind::Not(of) => {
                self.not_to_me(of);
                let capturing = std::mem::replace(&mut self.conditions.capturing, false);
                let of = self.condition(of);
                self.conditions.capturing = capturing;
                Some(ConditionKind::Not(of))
            }
            ast::ConditionNodeKind::Name(name) => self.classifier(name, span),
            ast::ConditionNodeKind::Duplicate { of, within, first } => {
                self.duplicate(of.as_ref(), within.as_ref(), *first)
            }
            ast::ConditionNodeKind::FolderExists(name) => self.folder_exists(name),
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

    /// The parts of an `and` or an `or`.
    fn joined(&mut self, of: &[ConditionNode], is_any: bool) -> Vec<u32> {
        let each = of.iter().enumerate().map(|(at, each)| {
            let ast::ConditionNodeKind::Name(name) = &each.kind else {
                return self.condition(each);
            };
            match self.suggest_set(of, at, is_any) {
                Some((what, suggestion)) => {
                    let hint = match what {
                        "field" => format!("several fields of one test are a set: `{suggestion}`"),
                        _ => format!("several values of one test are a set: `{suggestion}`"),
                    };
                    let (name, hint) = (name.value.clone(), Some(hint));
                    self.report(each.span, NameMistake::NotACondition { name, what, hint });
                    self.broken(each.span)
                }
                None => self.condition(each),
            }
        });
        each.collect()
    }

    /// What was meant by the name at a place of `to or cc is "x"` or of `weekday is saturday
    /// or sunday`, and what it is.
    fn suggest_set(
        &self,
        of: &[ConditionNode],
        at: usize,
        is_any: bool,
    ) -> Option<(&'static str, String)> {
        let name = |node: &ConditionNode| match &node.kind {
            ast::ConditionNodeKind::Name(name) if !self.names.contains_key(&name.value) => {
                Some(name.value.clone())
            }
            _ => None,
        };
        let is_text = |name: &str| match field::find(name) {
            Some(FieldLookup::Field(_, kind)) => kind.is_text(),
            _ => false,
        };
        let (before, here) = (of.get(..at)?, of.get(at..)?);
        let tested = name(here.first()?)?;
        if is_any && is_text(&tested) {
            let mut names: Vec<String> = here.iter().map_while(name).collect();
            let test = here.get(names.len())?;
            let ast::ConditionNodeKind::Test { fields: Fields::One(field), operator, value } =
                &test.kind
            else {
                return None;
            };
            names.push(self.sources.text(field.span).to_owned());
            let whole: Vec<String> = before.iter().rev().map_while(name).collect();
            let whole: Vec<String> = whole.into_iter().rev().chain(names).collect();
            let fits = whole.iter().all(|name| is_text(name));
            return fits.then(|| {
                let suggestion = whole.join(", ");
                ("field", format!("[{suggestion}] {} {}", operator.value, self.written(value)))
            });
        }
        let of_days = |word: &str| field::WEEKDAYS.contains(&word);
        let of_results = |word: &str| super::RESULTS.contains(&word);
        let fits = |word: &String| of_days(word) || of_results(word);
        let earlier: Vec<String> = before.iter().rev().map_while(name).filter(fits).collect();
        let test = before.get(before.len().checked_sub(earlier.len() + 1)?)?;
        let ast::ConditionNodeKind::Test { fields: Fields::One(field), operator, value } =
            &test.kind
        else {
            return None;
        };
        let ValueKind::Name(first) = &value.kind else { return None };
        let alike = of_days(first) == of_days(&tested) && fits(first) && fits(&tested);
        let values = std::iter::once(first.clone());
        let values: Vec<String> = values
            .chain(earlier.into_iter().rev())
            .chain(here.iter().map_while(name).filter(fits))
            .collect();
        alike.then(|| {
            let field = self.sources.text(field.span);
            ("value", format!("{field} {} [{}]", operator.value, values.join(", ")))
        })
    }

    /// `duplicate of "…" within 1d`
    fn duplicate(
        &mut self,
        of: Option<&ast::SpannedText>,
        within: Option<&ValueNode>,
        first: Option<Span>,
    ) -> Option<ConditionKind> {
        let mut fine = true;
        let of = of.and_then(|of| {
            // What a pattern captures is not known yet.
            let scopes = std::mem::take(&mut self.statements.scopes);
            let template = self.template(&of.value, 0, of.span);
            self.statements.scopes = scopes;
            if of.value.trim().is_empty() {
                let hint = Some(String::from("`duplicate of \"{list-id}\"`, for example"));
                let value = ValueNode { span: of.span, kind: ValueKind::Text(of.value.clone()) };
                self.wrong_value("a text with a value in it", &value, hint);
                fine = false;
            }
            fine &= template.is_some();
            Some(DuplicateKey { written: of.value.clone(), template: template? })
        });
        let within = within.and_then(|value| match value.kind {
            ValueKind::Duration(seconds @ 1..=LONGEST_MEMORY) => Some(seconds),
            _ => {
                let expected = "a duration of `1s` to `52w`";
                self.wrong_value(expected, value, None);
                fine = false;
                None
            }
        });
        if let Some(span) = first.filter(|_| of.is_none()) {
            self.report(span, TemplateMistake::FirstOfMessages);
            fine = false;
        }
        fine.then_some(ConditionKind::Duplicate { of, within, first: first.is_some() })
    }

    /// `folder-exists "…"`
    fn folder_exists(&mut self, name: &ast::SpannedText) -> Option<ConditionKind> {
        let scopes = &mut self.statements.scopes;
        if self.conditions.declaring.is_some() {
            // The result holds for other rules, too, which capture other things.
            let outer = std::mem::take(scopes);
            let folder = self.folder(&name.value, name.span);
            self.statements.scopes = outer;
            return Some(ConditionKind::FolderExists(folder?));
        }
        scopes.push(std::mem::take(&mut self.conditions.captured));
        let folder = self.folder(&name.value, name.span);
        self.conditions.captured = self.statements.scopes.pop().unwrap_or_default();
        Some(ConditionKind::FolderExists(folder?))
    }

    /// `has FIELD`
    fn has(&mut self, field: &ast::FieldNode) -> Option<ConditionKind> {
        let tested = self.tested_field(field)?;
        Some(match tested.field {
            // For a count or a sum, "has" means more than none.
            Field::Attachments | Field::Recipients | Field::Score(_) => ConditionKind::Compare {
                field: self.field(tested.field),
                operator: Comparison::Greater,
                values: vec![0.0],
            },
            field => ConditionKind::Has(self.field(field)),
        })
    }

    /// A test on a field, or on any field of a set, which is the same as an `or`.
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
            let tested = match self.tested_field(field) {
                Some(TestedField { kind, name, .. }) if !kind.is_text() => {
                    self.report(field.span, TestMistake::NoTextInSet { field: name, kind });
                    None
                }
                Some(_) => ask(self, field),
                None => None,
            };
            match tested {
                Some(kind) => parts.push(self.push_condition(field.span, kind)),
                None => fine = false,
            }
        }
        fine.then_some(ConditionKind::Any(parts))
    }

    /// The condition that holds if any of these does; `None` if there are none, as in an
    /// empty set.
    pub(super) fn any_of(
        &mut self,
        span: Span,
        mut kinds: Vec<ConditionKind>,
    ) -> Option<ConditionKind> {
        if kinds.len() <= 1 {
            return kinds.pop();
        }
        let parts = kinds.into_iter().map(|kind| self.push_condition(span, kind));
        Some(ConditionKind::Any(parts.collect()))
    }

    /// Adds a condition whose parts have been added already.
    pub(super) fn push_condition(&mut self, span: Span, kind: ConditionKind) -> u32 {
        let depth = |index: &u32| self.conditions.depth(*index);
        let below = match &kind {
            ConditionKind::All(parts) | ConditionKind::Any(parts) => parts.iter().map(depth).max(),
            ConditionKind::Not(part) => Some(depth(part)),
            ConditionKind::Define(define) => {
                self.program.defines.get(*define as usize).map(|define| depth(&define.condition))
            }
            ConditionKind::Duplicate { .. }
            | ConditionKind::Classifier(_)
            | ConditionKind::FolderExists(_) => None,
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
                    .and_then(|score| score.entries.iter().map(|entry| depth(&entry.1)).max()),
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
        // A name is the same as its definition.
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

    /// Takes the place of a condition with a mistake or an empty set: it never holds, and
    /// equals no other.
    fn broken(&mut self, span: Span) -> u32 {
        self.conditions.depths.push(1);
        let class = u32::MAX - self.program.conditions.len() as u32;
        self.add(span, ConditionKind::Any(Vec::new()), class)
    }

    /// What a condition asks, as a key that is equal for all that ask the same.
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
            ConditionKind::FolderExists(Some(name)) if has_captures(name) => {
                // In another rule the same text is another folder.
                format!("folder of {}", self.conditions.classes.len())
            }
            ConditionKind::FolderExists(name) => format!("folder {} {name:?}", self.in_script),
            other => format!("{other:?}"),
        }
    }

    /// Reports `not recipient in me`: Postfix and others name the user in Delivered-To.
    fn not_to_me(&mut self, of: &ConditionNode) {
        let ast::ConditionNodeKind::Test { fields, operator, value } = &of.kind else { return };
        let me = matches!(&value.kind, ValueKind::Name(name) if name == "me");
        let names = fields.all().iter().map(|field| field.name.value.as_str());
        if me && operator.value == "in" && names.into_iter().any(|name| name == "recipient") {
            let why = "the MTA names you in Delivered-To, so `recipient in me` holds for all mail";
            let hint = "`not addressed-to-me` tests what the sender wrote";
            let mistake = LogicMistake::Unlikely { why: why.into(), hint: Some(hint.into()) };
            self.report(of.span, mistake);
        }
    }

    /// Reports conditions that contradict each other: `x and not x`.
    fn contradiction(&mut self, span: Span, parts: &[u32]) {
        let classes: std::collections::HashSet<u32> =
            parts.iter().map(|part| self.conditions.class(*part)).collect();
        let against = parts.iter().any(|part| {
            let kind = self.program.conditions.get(*part as usize).map(|part| &part.kind);
            matches!(kind, Some(ConditionKind::Not(of)) if classes.contains(&self.conditions.class(*of)))
        });
        if against {
            let why = String::from("it requires one thing and its opposite");
            self.report(span, LogicMistake::NeverHolds { why, hint: None });
        }
    }

    /// Reports comparisons that exclude each other: `time >= 18:00 and time < 6:00`.
    fn excluding(&mut self, span: Span, parts: &[u32]) {
        // The tightest bounds of each field: a value, whether it is excluded or included,
        // and the test.
        type Bounds = (Option<(f64, bool, u32)>, Option<(f64, bool, u32)>);
        let mut bounds: BTreeMap<u32, Bounds> = BTreeMap::new();
        for part in parts {
            let kind = self.program.conditions.get(*part as usize).map(|part| &part.kind);
            let (field, low, high) = match kind {
                Some(ConditionKind::Compare { field, operator, values }) => {
                    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
                    let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                    match operator {
                        Comparison::Greater => (field, Some((least, true)), None),
                        Comparison::GreaterOrEqual => (field, Some((least, false)), None),
                        Comparison::Less => (field, None, Some((most, false))),
                        Comparison::LessOrEqual => (field, None, Some((most, true))),
                        Comparison::Equal => (field, Some((least, false)), Some((most, true))),
                    }
                }
                Some(ConditionKind::Within { field, from, to }) if from <= to => {
                    (field, Some((*from, false)), Some((*to, true)))
                }
                _ => continue,
            };
            let known = bounds.entry(*field).or_default();
            if let Some((value, excluded)) = low
                && known.0.is_none_or(|(low, is, _)| (value, excluded) > (low, is))
            {
                known.0 = Some((value, excluded, *part));
            }
            if let Some((value, included)) = high
                && known.1.is_none_or(|(high, is, _)| (value, included) < (high, is))
            {
                known.1 = Some((value, included, *part));
            }
        }
        let never = bounds.into_iter().find_map(|(field, bounds)| {
            let field = self.program.fields.get(field as usize).filter(|it| it.is_one_number())?;
            let ((low, excluded, one), (high, included, other)) = bounds.0.zip(bounds.1)?;
            let is_empty = low > high || low == high && (excluded || !included);
            (is_empty && one != other).then(|| (*field == Field::Time, one, other))
        });
        let Some((is_time, one, other)) = never else { return };
        let text = |part: u32| {
            let part = self.program.conditions.get(part as usize);
            let text = part.map_or("", |part| self.sources.text(part.span));
            text.split_whitespace().collect::<Vec<_>>().join(" ")
        };
        let (one, other) = (text(one), text(other));
        let why = format!("`{one}` and `{other}` exclude each other");
        let hint = is_time.then(|| format!("past midnight: `({one} or {other})`"));
        self.report(span, LogicMistake::NeverHolds { why, hint });
    }

    /// A condition that is a bare name.
    fn classifier(&mut self, name: &ast::SpannedText, span: Span) -> Option<ConditionKind> {
        let text = name.value.as_str();
        if text == DUPLICATE {
            return Some(ConditionKind::Duplicate { of: None, within: None, first: false });
        }
        if let Some(index) = CLASSIFIERS.iter().position(|classifier| classifier.name == text) {
            return Some(ConditionKind::Classifier(index as u32));
        }
        match self.names.get(text) {
            Some((NameKind::Define(define), _)) => return Some(ConditionKind::Define(*define)),
            Some((NameKind::Broken, _)) => return None,
            Some((declared, _)) => {
                let what = declared.name();
                let name = text.to_owned();
                self.report(span, NameMistake::NotACondition { name, what, hint: None });
            }
            None if self.conditions.declaring.as_deref() == Some(text) => {
                self.report(span, NameMistake::OwnDefinition { name: text.to_owned() });
            }
            None if let Some(field) = field::of_run(text) => {
                if field == Field::InMyThread {
                    self.asks_for_thread.get_or_insert(span);
                }
                return Some(ConditionKind::Has(self.field(field)));
            }
            None if field::find(text).is_some() => {
                let (name, what) = (text.to_owned(), "field");
                self.report(span, NameMistake::NotACondition { name, what, hint: None });
            }
            None if text == FOLDER_EXISTS => {
                self.report(span, TestMistake::FieldWantsName { field: text.to_owned() });
            }
            None => self.missing(WordKind::Classifier, text, span),
        }
        None
    }
}

/// Whether a template inserts what a pattern captured.
fn has_captures(template: &Template) -> bool {
    let is_capture = |part: &TemplatePart| {
        matches!(part, TemplatePart::Insert(Insert::Group(_) | Insert::Capture(_), _))
    };
    template.parts.iter().any(is_capture)
}
