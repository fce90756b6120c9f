//! Conditions: true, false, or impossible to evaluate.

use std::cell::{Cell, OnceCell, RefCell};
use std::io::ErrorKind;
use std::ops::Deref;
use std::path::Path;

use super::Detail;
use super::captures::Captures;
use super::context::Context;
use super::field_value::{FieldValue, Values};
use super::prefilter::Candidates;
use super::run_state::RunState;
use super::trace::{IGNORED, TestTrace, TestVerdict};
use super::truth::{self, Truth};
use super::values::values;
use crate::classify::resembles::SimilarWord;
use crate::classify::{CLASSIFIERS, auto_generated, automatic};
use crate::file::Bounds;
use crate::plan::Folder;
use crate::rules::address_list::AddressList;
use crate::rules::check::MAX_CONDITION_DEPTH;
use crate::rules::glob;
use crate::rules::pattern::Patterns;
use crate::rules::program::{
    Comparison, Condition, ConditionKind, DuplicateKey, Entries, Field, Needle, TextOperator,
};
use crate::rules::template::{Insert, Template, TemplatePart};
use crate::state::duplicates;
use crate::state::slots::Key;
use crate::world::DuplicateStatus;

/// Why `duplicate` cannot be decided for existing mail.
pub(super) const NOT_REMEMBERED: &str = "for existing mail only the Message-ID is compared";

/// Conditions as they are evaluated on one message, with the results so far.
pub(super) struct Conditions<'a> {
    /// What values are looked up in.
    pub(super) context: Context<'a>,
    pub(super) detail: Detail,
    values: Vec<OnceCell<Result<Values<'a>, String>>>,
    patterns: Patterns<'a>,
    defines: Vec<OnceCell<Truth>>,
    inline: Vec<OnceCell<AddressList>>,
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

    /// The key of the message, as it came, for `duplicate`.
    pub(super) fn key(&self) -> Result<Key, String> {
        let key = || duplicates::key(self.message).map_err(|error| error.to_string());
        self.key.get_or_init(key).clone()
    }

    /// The longest time for which any `duplicate` remembers something, seconds.
    pub(super) fn remember_for(&self) -> u64 {
        self.within().max(self.program.longest_within)
    }

    /// `set duplicates-for`, seconds.
    pub(super) fn within(&self) -> u64 {
        let set = self.program.settings.duplicates_for.as_ref();
        set.map_or(duplicates::REMEMBER_FOR.as_secs(), |seconds| *seconds)
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

    /// The truth of a `duplicate`; `before` is what is remembered of the same value, `None`
    /// if the message has no such value.
    fn duplicate(
        &self,
        condition: &Condition,
        before: Result<Option<DuplicateStatus>, String>,
    ) -> Truth {
        let truth = match &before {
            Ok(before) => Ok(before.is_some_and(|before| before.is_duplicate())),
            Err(why) => Err(why.clone()),
        };
        self.record(condition, &truth, || match before {
            Ok(Some(DuplicateStatus::Ago(ago))) => format!("delivered {} ago", duration(ago)),
            Ok(Some(DuplicateStatus::Never)) => {
                "not delivered before, as far as mfilter remembers".into()
            }
            Ok(Some(DuplicateStatus::First)) => "the first one of these messages".into(),
            Ok(Some(DuplicateStatus::Again)) => "one of these messages came before it".into(),
            Ok(None) => "it has no such value".into(),
            Err(why) => why,
        });
        truth
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

    /// Whether this message was delivered before, within this many seconds.
    fn delivered_before(&self, within: u64) -> Result<DuplicateStatus, String> {
        match self.world.before.get() {
            Some(DuplicateStatus::Ago(ago)) if ago > within => Ok(DuplicateStatus::Never),
            Some(DuplicateStatus::Again) if within != self.within() => Err(NOT_REMEMBERED.into()),
            Some(before) => Ok(before),
            None => self.key().map(|key| self.was_delivered(key, within)),
        }
    }

    /// Whether the message with this key was delivered before. One that comes back from
    /// where it was forwarded to counts only if it was kept here, too: otherwise nobody
    /// would have it.
    fn was_delivered(&self, key: Key, within: u64) -> DuplicateStatus {
        match self.world.delivered_before(key, within) {
            DuplicateStatus::Ago(_) if self.is_back() => {
                self.world.delivered_before(duplicates::kept_key(key), within)
            }
            before => before,
        }
    }

    /// Whether a message with the same value was delivered before; `None` if this
    /// one has no value, as otherwise all messages without it would be duplicates
    /// of each other. This one is remembered too, unless the time counts from the
    /// `first` and it is not the first.
    fn delivered_like_it(
        &self,
        of: &DuplicateKey,
        within: u64,
        first: bool,
    ) -> Result<Option<DuplicateStatus>, String> {
        let mut pieces: Vec<String> = vec![of.written.clone()];
        for part in &of.template.parts {
            let TemplatePart::Insert(insert, form) = part else { continue };
            if let Insert::Field(field) = insert {
                // Two values that cannot be determined are not equal.
                self.field(*field)?;
            }
            pieces.push(form.of(self.inserted(insert)));
        }
        if pieces.len() > 1 && pieces.iter().skip(1).all(|value| value.trim().is_empty()) {
            return Ok(None);
        }
        let bytes: Vec<&[u8]> = pieces.iter().map(String::as_bytes).collect();
        let key = Key::of(&bytes);
        let before = match self.world.before.get() {
            Some(_) => Err(NOT_REMEMBERED.into()),
            None => Ok(self.was_delivered(key, within)),
        };
        let mut duplicate_keys = self.duplicate_keys.borrow_mut();
        let renews = !first || !before.as_ref().is_ok_and(DuplicateStatus::is_duplicate);
        if renews && !duplicate_keys.contains(&key) {
            duplicate_keys.push(key);
        }
        before.map(Some)
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

    fn record(&self, condition: &Condition, truth: &Truth, why: impl FnOnce() -> String) {
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

    /// The first value that a list contains.
    fn first_in<'v>(
        &self,
        values: &'v Values<'a>,
        list: u32,
    ) -> Result<Option<&'v FieldValue<'a>>, String> {
        let cell = self.inline.get(list as usize).ok_or_else(|| self.damaged())?;
        let declared = self.program.list(list).ok_or_else(|| self.damaged())?;
        let read;
        let list = match &declared.entries {
            Entries::Inline(entries) => cell.get_or_init(|| {
                AddressList::from_entries(entries.iter().map(|entry| entry.as_str()))
            }),
            Entries::File(path) => {
                let of_user = path.starts_with("~/") && !self.program.categories.is_empty();
                let file = self.program.file(declared.span);
                let file_path = self.world.path(path, file.as_ref());
                let bounds = self.bounds(path);
                if declared.grows && is_missing(bounds, &file_path) {
                    // A rule adds to this list: until it does, the list is empty.
                    return Ok(None);
                }
                let is_absent = |error: std::io::Error| error.kind() == ErrorKind::NotFound;
                if of_user && bounds.metadata(&file_path).is_err_and(is_absent) {
                    // Site rules use a list that this user does not keep.
                    return Ok(None);
                }
                read = self.world.list(&file_path, bounds)?;
                &*read
            }
            Entries::Cards(path) => {
                let file = self.program.file(declared.span);
                let people = self.world.contacts(&self.world.path(path, file.as_ref()))?;
                return Ok(values.iter().find(|value| value.is_in(&people.list)));
            }
            entries @ (Entries::Sent(_) | Entries::Senders(_)) => {
                let (folder, side) = entries.folder().ok_or_else(|| self.damaged())?;
                let sent = self.world.sent(folder, side)?;
                let is_in = |value: &&FieldValue| sent.lists.iter().any(|list| value.is_in(list));
                let found = values.iter().find(is_in);
                return match (&found, &sent.incomplete) {
                    (None, Some(why)) => Err(why.clone()),
                    _ => Ok(found),
                };
            }
        };
        Ok(values.iter().find(|value| value.is_in(list)))
    }
}

/// Whether the file certainly does not exist: if that cannot be determined, it is
/// an error.
fn is_missing(bounds: &Bounds, path: &Path) -> bool {
    let found = match bounds.directory() {
        None => std::fs::symlink_metadata(path),
        Some(_) => bounds.metadata(path),
    };
    found.is_err_and(|error| error.kind() == ErrorKind::NotFound)
}

/// Seconds in the largest unit of which there is at least one.
fn duration(seconds: u64) -> String {
    let units = [(24 * 3600, "d"), (3600, "h"), (60, "m")];
    let unit = units.iter().find(|(length, _)| seconds >= *length);
    unit.map_or(format!("{seconds}s"), |(length, name)| format!("{}{name}", seconds / length))
}

fn cells<T>(number: usize) -> Vec<OnceCell<T>> {
    std::iter::repeat_with(OnceCell::new).take(number).collect()
}

fn compare(value: &FieldValue, operator: &TextOperator, needle: &Needle) -> bool {
    let needle = needle.folded.as_str();
    match operator {
        TextOperator::Is => value.exact() == needle,
        TextOperator::Starts => value.exact().starts_with(needle),
        TextOperator::Ends => value.exact().ends_with(needle),
        TextOperator::Like => glob::matches(needle, value.exact()),
        TextOperator::Resembles => {
            SimilarWord::new(needle).is_some_and(|word| word.find(value.wide()).is_some())
        }
        TextOperator::Contains => {
            memchr::memmem::find(value.wide().as_bytes(), needle.as_bytes()).is_some()
        }
    }
}

fn ordered(number: f64, operator: &Comparison, to: f64) -> bool {
    match operator {
        Comparison::Less => number < to,
        Comparison::LessOrEqual => number <= to,
        Comparison::Equal => number == to,
        Comparison::GreaterOrEqual => number >= to,
        Comparison::Greater => number > to,
    }
}

/// Both ends included; a range that ends before it starts spans midnight.
fn within(number: f64, from: f64, to: f64) -> bool {
    if from <= to { (from..=to).contains(&number) } else { number >= from || number <= to }
}
