//! Conditions: true, false, or impossible to evaluate.

use std::cell::{Cell, OnceCell, RefCell};
use std::ops::Deref;

use super::Detail;
use super::captures::Captures;
use super::comparison::{compare, ordered, within};
use super::context::Context;
use super::field_value::{FieldValue, Values};
use super::prefilter::Candidates;
use super::run_state::RunState;
use super::trace::{IGNORED, TestTrace, TestVerdict};
use super::truth::{self, Truth};
use super::values::values;
use crate::classify::{CLASSIFIERS, auto_generated, automatic};
use crate::plan::Folder;
use crate::rules::address_list::AddressList;
use crate::rules::check::MAX_CONDITION_DEPTH;
use crate::rules::pattern::Patterns;
use crate::rules::program::{Condition, ConditionKind, Field};
use crate::rules::template::Template;
use crate::state::slots::Key;

/// Conditions as they are evaluated on one message, with the results so far.
pub(super) struct Conditions<'a> {
    /// What values are looked up in.
    pub(super) context: Context<'a>,
    pub(super) detail: Detail,
    values: Vec<OnceCell<Result<Values<'a>, String>>>,
    patterns: Patterns<'a>,
    defines: Vec<OnceCell<Truth>>,
    /// The lists that are written in the rules.
    pub(super) inline: Vec<OnceCell<AddressList>>,
    /// What the condition that is being evaluated has captured so far.
    pub(super) captures: RefCell<Captures>,
    /// Inside `not`, a `define` or a score, matches do not capture anything.
    capturing: Cell<bool>,
    tests: RefCell<Vec<TestTrace>>,
    /// The nesting depth of the condition that is being evaluated.
    depth: Cell<u32>,
    /// Which rules can hold.
    pub(super) candidates: Candidates<'a>,
    /// The key of the message as it came.
    pub(super) key: OnceCell<Result<Key, String>>,
    /// The keys that `duplicate of` has asked for.
    pub(super) duplicate_keys: RefCell<Vec<Key>>,
    /// The folders that were looked for, so that within a run each exists or does not.
    pub(super) folders: RefCell<Vec<(Folder, Truth)>>,
}

impl<'a> Deref for Conditions<'a> {
    type Target = Context<'a>;

    fn deref(&self) -> &Context<'a> {
        &self.context
    }
}

/// The folder that a `folder-exists` asks for.
pub(super) enum ConditionFolder {
    Named(Folder),
    /// No folder can have that name, for this reason.
    Impossible(String),
    /// A value in the name cannot be determined, for this reason.
    Unknown(String),
}

impl<'a> Conditions<'a> {
    pub(super) fn new(context: Context<'a>, detail: Detail) -> Conditions<'a> {
        let program = context.program;
        Conditions {
            context,
            detail,
            values: cells(program.fields.len()),
            patterns: Patterns::new(program),
            defines: cells(program.defines.len()),
            inline: cells(program.lists()),
            captures: RefCell::default(),
            capturing: Cell::new(true),
            tests: RefCell::default(),
            depth: Cell::new(0),
            candidates: Candidates::new(program),
            key: OnceCell::new(),
            duplicate_keys: RefCell::default(),
            folders: RefCell::default(),
        }
    }

    /// Changes what rules have done so far; values that depend on it are looked up again.
    pub(super) fn change(&mut self, change: impl FnOnce(&mut RunState)) {
        change(&mut self.context.state);
        for (cell, field) in self.values.iter_mut().zip(&self.context.program.fields) {
            if matches!(field, Field::Let(_) | Field::Score(_) | Field::Flag(_) | Field::Keyword) {
                cell.take();
            }
        }
        self.defines.iter_mut().for_each(|cell| drop(cell.take()));
    }

    /// Evaluates a rule's condition; also returns what its patterns captured.
    pub(super) fn rule(&self, condition: u32) -> (Truth, Captures) {
        let truth = self.holds(condition);
        (truth, self.captures.take())
    }

    /// The tests made since the last call; `None` if no trace is recorded.
    pub(super) fn take_tests(&self) -> Option<Vec<TestTrace>> {
        (self.detail == Detail::Trace).then(|| self.tests.take())
    }

    /// The limits that cut something off.
    pub(super) fn warnings(&self) -> Vec<String> {
        let mut limits = self.message.limits();
        if self.patterns.is_cut() {
            limits.push("long texts were searched for patterns only at the start".into());
        }
        limits
    }

    /// The values of a field, looked up once.
    pub(super) fn field(&self, field: u32) -> Result<&Values<'a>, String> {
        let cell = self.values.get(field as usize).ok_or_else(|| self.damaged())?;
        if cell.get().is_none() {
            let field = self.program.fields.get(field as usize).ok_or_else(|| self.damaged())?;
            // Not inside the cell's own call: a score that depends on itself
            // would never end there.
            let found = match field {
                Field::Score(score) => self.score(*score),
                _ => values(field, &self.context),
            };
            let _ = cell.set(found);
        }
        match cell.get() {
            Some(found) => found.as_ref().map_err(String::clone),
            None => Err(self.damaged()),
        }
    }

    /// The sum of the weights whose conditions hold.
    fn score(&self, index: u32) -> Result<Values<'a>, String> {
        let score = self.program.scores.get(index as usize).ok_or_else(|| self.damaged())?;
        let before = self.capturing.replace(false);
        let weight = |(weight, of): &(f64, u32)| Ok(if self.holds(*of)? { *weight } else { 0.0 });
        let sum = score.entries.iter().map(weight).sum::<Result<f64, String>>();
        self.capturing.set(before);
        sum.map(Values::number)
    }

    /// The first statement from this one on that can do anything: rules that
    /// cannot hold are skipped. A trace contains every rule.
    pub(super) fn next_candidate(&self, at: usize) -> usize {
        if self.detail != Detail::Plan {
            return at;
        }
        let next = self.candidates.next(at, &|field| self.field(field));
        next.unwrap_or_else(|| {
            self.program.mark_damaged();
            at
        })
    }

    /// Why a refusal would go to someone who did not write the message.
    pub(super) fn no_refusal(&self) -> Option<String> {
        if self.mail().envelope_sender.as_deref() == Some("") {
            return Some("not refused: it has the null sender".into());
        }
        let classifiers = [&automatic::AUTOMATIC, &auto_generated::AUTO_GENERATED];
        let evidence = classifiers
            .iter()
            .find_map(|classifier| (classifier.find)(self.mail()).ok().flatten())?;
        Some(format!("not refused: it is automatic mail: {evidence}"))
    }

    /// Records that the cached rules are damaged, so that nothing that they say is believed.
    /// Returns the words for it.
    pub(super) fn damaged(&self) -> String {
        self.program.mark_damaged();
        "damaged rules".into()
    }

    /// Whether a condition holds. Conditions refer only backwards, and `check`
    /// limits how deep they are nested.
    pub(super) fn holds(&self, index: u32) -> Truth {
        self.depth.set(self.depth.get() + 1);
        let truth = match self.program.condition(index) {
            Some(condition) if self.depth.get() <= MAX_CONDITION_DEPTH => {
                self.evaluate(condition, index)
            }
            _ => Err(self.damaged()),
        };
        self.depth.set(self.depth.get() - 1);
        truth
    }

    fn evaluate(&self, condition: &Condition, index: u32) -> Truth {
        let holds =
            |other: u32| if other < index { self.holds(other) } else { Err(self.damaged()) };
        let operand = |other: &u32| holds(*other);
        match &condition.kind {
            ConditionKind::All(of) => truth::all(of.iter().map(operand)),
            ConditionKind::Any(of) => truth::any(of.iter().map(operand)),
            ConditionKind::Not(of) => {
                let before = self.capturing.replace(false);
                let truth = operand(of);
                self.capturing.set(before);
                truth::not(truth)
            }
            ConditionKind::Define(define) => {
                let define = *define as usize;
                let (known, define) = self
                    .defines
                    .get(define)
                    .zip(self.program.defines.get(define))
                    .ok_or_else(|| self.damaged())?;
                if let Some(truth) = known.get() {
                    self.record(condition, truth, || "as above".into());
                    return truth.clone();
                }
                let before = self.capturing.replace(false);
                let truth = holds(define.condition);
                self.capturing.set(before);
                known.get_or_init(|| truth).clone()
            }
            ConditionKind::Duplicate { of, within, first } => {
                let within = within.unwrap_or_else(|| self.within());
                let before = match of {
                    Some(of) => self.delivered_like_it(of, within, *first),
                    None => self.delivered_before(within).map(Some),
                };
                self.duplicate(condition, before)
            }
            ConditionKind::FolderExists(name) => self.named_folder_exists(condition, name.as_ref()),
            ConditionKind::Classifier(classifier) => {
                let classifier = CLASSIFIERS.get(*classifier as usize);
                let classifier = classifier.ok_or_else(|| self.damaged())?;
                let found = (classifier.find)(self.mail());
                let truth = found.as_ref().map(Option::is_some).map_err(String::clone);
                self.record(condition, &truth, || match found {
                    Ok(Some(evidence)) => evidence,
                    Ok(None) => classifier.absent.into(),
                    Err(why) => why,
                });
                truth
            }
            _ => self.test(condition),
        }
    }

    /// The truth of a `folder-exists`; without a name it is about the inbox.
    fn named_folder_exists(&self, condition: &Condition, name: Option<&Template>) -> Truth {
        let folder = self.condition_folder(name);
        let truth = match &folder {
            ConditionFolder::Named(folder) => self.folder_exists(folder),
            ConditionFolder::Impossible(_) => Ok(false),
            ConditionFolder::Unknown(why) => Err(why.clone()),
        };
        self.record(condition, &truth, || match (&folder, &truth) {
            (_, Err(why)) => why.clone(),
            (ConditionFolder::Named(folder), Ok(true)) => format!("there is a folder `{folder}`"),
            (ConditionFolder::Named(folder), Ok(false)) => format!("there is no folder `{folder}`"),
            (ConditionFolder::Impossible(why) | ConditionFolder::Unknown(why), _) => why.clone(),
        });
        truth
    }

    /// A single test on a field.
    fn test(&self, condition: &Condition) -> Truth {
        let kind = &condition.kind;
        let field = match kind {
            ConditionKind::Has(field)
            | ConditionKind::Text { field, .. }
            | ConditionKind::Matches { field, .. }
            | ConditionKind::In { field, .. }
            | ConditionKind::Network { field, .. }
            | ConditionKind::Compare { field, .. }
            | ConditionKind::Within { field, .. } => *field,
            _ => return Err(self.damaged()),
        };
        let found = self.field(field).and_then(|values| {
            let matched = match kind {
                ConditionKind::Text { operator, needles, .. } => values
                    .iter()
                    .find(|value| needles.iter().any(|needle| compare(value, operator, needle))),
                ConditionKind::Network { networks, .. } => {
                    values.iter().find(|value| value.is_in_network(networks))
                }
                ConditionKind::Matches { patterns, .. } => {
                    self.first_match(values, patterns.iter().copied())?
                }
                ConditionKind::In { list, .. } => self.first_in(values, *list)?,
                ConditionKind::Compare { operator, values: bounds, .. } => {
                    values.iter().find(|value| {
                        let number = value.number();
                        number.is_some_and(|number| {
                            bounds.iter().any(|to| ordered(number, operator, *to))
                        })
                    })
                }
                ConditionKind::Within { from, to, .. } => {
                    let (from, to) = (*from, *to);
                    values
                        .iter()
                        .find(|value| value.number().is_some_and(|number| within(number, from, to)))
                }
                _ => values.iter().find(|value| !value.is_empty()),
            };
            Ok((matched, values))
        });
        let truth = found.as_ref().map(|(matched, _)| matched.is_some()).map_err(String::clone);
        self.record(condition, &truth, || match &found {
            Ok((matched, _)) if let Some(state) = self.describe_state(field, matched.is_some()) => {
                state.into()
            }
            Ok((Some(value), _)) => self.with_source(field, value.shown()),
            Ok((None, values)) => self.with_source(field, values.shown()),
            Err(why) => why.clone(),
        });
        truth
    }

    /// The words for a test on the run so far, which need nothing else.
    fn describe_state(&self, field: u32, holds: bool) -> Option<&'static str> {
        Some(match (self.program.fields.get(field as usize)?, holds) {
            (Field::Flag(_), true) => "it is set",
            (Field::Flag(_), false) => "it is not set",
            (Field::FilterFailed, true) => "the last filter failed",
            (Field::FilterFailed, false) => "no filter failed",
            (Field::InMyThread, true) => "it answers mail that you have sent or kept",
            (Field::InMyThread, false) => "it is not an answer to mail that you have sent or kept",
            _ => return None,
        })
    }

    /// Adds to the value of a result which header was believed, or why none was.
    fn with_source(&self, field: u32, shown: String) -> String {
        let asks = matches!(
            self.program.fields.get(field as usize),
            Some(Field::Result(_) | Field::DkimDomain | Field::SpfDomain)
        );
        if !asks {
            return shown;
        }
        let results = self.mail().results();
        if !results.used.is_empty() {
            return format!("{shown}; believed: {}", results.used.join("; "));
        }
        const MOST: usize = 3;
        let ignored = results.ignored.iter().take(MOST);
        let ignored = ignored.map(|header| format!("{IGNORED}{}: {}", header.header, header.why));
        shown + &ignored.collect::<String>()
    }

    /// Notes a test for the trace.
    pub(super) fn record(
        &self,
        condition: &Condition,
        truth: &Truth,
        why: impl FnOnce() -> String,
    ) {
        if self.detail == Detail::Trace {
            let span = condition.span;
            let verdict = TestVerdict::from(truth);
            self.tests.borrow_mut().push(TestTrace { span, verdict, why: why() });
        }
    }

    /// The first value that a pattern matches; keeps its captures.
    fn first_match<'v>(
        &self,
        values: &'v Values<'a>,
        patterns: impl Iterator<Item = u32> + Clone,
    ) -> Result<Option<&'v FieldValue<'a>>, String> {
        for value in values.iter() {
            let lower = value.ascii_lower();
            for pattern in patterns.clone() {
                let impossible =
                    lower.as_ref().is_some_and(|lower| !self.patterns.is_possible(pattern, lower));
                if impossible {
                    continue;
                }
                let text = value.readable();
                let search = self.patterns.get(pattern, text);
                let search = search.ok_or_else(|| self.damaged())?;
                let captures = self.capturing.get() && search.regex.captures_len() > 1;
                let is_match = match captures {
                    true => self.captures.borrow_mut().add(&search, text),
                    false => search.is_match(text),
                };
                if is_match {
                    return Ok(Some(value));
                }
            }
        }
        Ok(None)
    }
}

fn cells<T>(number: usize) -> Vec<OnceCell<T>> {
    std::iter::repeat_with(OnceCell::new).take(number).collect()
}
