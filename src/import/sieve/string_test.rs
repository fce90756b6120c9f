//! `string`, RFC 5229 §5, and all tests with both sides known.

use std::collections::BTreeSet;

use super::arguments::Arguments;
use super::compare::{Collation, ComparisonKind, MatchType, Matching, matching};
use super::context::Lowering;
use super::posix::regex;
use super::regex::{PATTERN_STEPS, Relation, compare_numbers};
use super::variables::{KnownValue, VariablePiece};
use crate::import::ir::{Cond, Effect, pattern_literal};
use crate::message::fold;

/// Per comparison of a known value with a key.
const STEPS_PER_COMPARISON: usize = 10;

impl Lowering<'_> {
    /// Known values, compared with keys.
    pub(super) fn known_text(
        &mut self,
        values: &[String],
        how: Matching,
        keys: &[String],
    ) -> Result<Cond, String> {
        let mut holds = false;
        for value in values {
            for key in keys {
                holds |= how
                    .fits(value, key)
                    .ok_or("what is known is compared by `:regex` or `:count`")?;
            }
        }
        Ok(Cond::certain(holds))
    }

    /// RFC 5229 §5
    pub(super) fn string_test(
        &mut self,
        arguments: &Arguments<'_>,
        captures: bool,
    ) -> Result<Cond, String> {
        let how = matching(arguments, &[])?;
        let sources = arguments.strings(0)?.to_vec();
        if how.kind == MatchType::List {
            return Err("a variable in a list".into());
        }
        let keys = self.constants(arguments.strings(1)?)?;
        let has_letters = |key: &String| key.chars().any(char::is_alphabetic);
        if !arguments.has("comparator") && keys.iter().any(has_letters) {
            // Its `tst-string.c` used `i;octet` there, contrary to RFC 5228 §2.7.3.
            self.draft.note(
                "`string` without a comparator ignores the case of letters; Dovecot \
                 before 2.4 did not",
            );
        }
        if let MatchType::Count(relation) = how.kind {
            let mut count = 0;
            for source in &sources {
                let expansion = self.expand(source)?;
                let value = expansion.constant();
                let value = value.ok_or("whether a variable is empty is not known")?;
                count += usize::from(!value.is_empty());
            }
            return Ok(counted(count, relation, &keys));
        }
        let mut tests = Vec::new();
        self.spend_strings(&sources)?;
        for source in &sources {
            let expansion = self.expand(source)?;
            self.spend(keys.len() * STEPS_PER_COMPARISON)?;
            if let Some(value) = expansion.constant() {
                if let MatchType::Matches | MatchType::Regex = how.kind {
                    let mut found = None;
                    for key in &keys {
                        self.spend(PATTERN_STEPS + value.len().saturating_mul(key.len()) / 256)?;
                        if how.kind == MatchType::Regex {
                            let pattern = regex(key, false)?.pattern;
                            let case = how.collation == Collation::Octet;
                            if !self.captures_as_posix(&pattern, case)? {
                                return Err("a regular expression for known text, whose \
                                            longest match may be another than its first"
                                    .into());
                            }
                        }
                        found = how.captured(value, key)?;
                        if found.is_some() {
                            break;
                        }
                    }
                    let holds = found.is_some();
                    tests.push(Cond::certain(holds));
                    self.known_match = found.or(self.known_match.take());
                    if holds {
                        break;
                    }
                    continue;
                }
                tests.push(self.known_text(&[value.to_owned()], how, &keys)?);
                continue;
            }
            self.stateful = true;
            self.runtime_match |= matches!(how.kind, MatchType::Matches | MatchType::Regex);
            if let Some(key) = expansion.variable() {
                let values = match self.state.variables.get(key) {
                    Some(KnownValue::OneOf(values)) => Some(values.clone()),
                    _ => None,
                };
                if let Some(values) = values.filter(|_| how.kind != MatchType::Regex && !captures) {
                    let mut fitting = Vec::new();
                    for value in values.clone() {
                        if self.known_text(std::slice::from_ref(&value), how, &keys)?
                            == Cond::Always
                        {
                            fitting.push(value);
                        }
                    }
                    let name = self.our_name(key);
                    let fitting = fitting.iter().map(|value| has_value(&name, value, &values));
                    tests.push(Cond::any(fitting.collect::<Result<Vec<_>, _>>()?));
                    continue;
                }
                let name = self.our_name(key);
                if keys.iter().any(|key| how.fits("", key) == Some(true)) {
                    tests.push(Cond::not(Cond::Word(format!("has {name}"))));
                }
                tests.push(self.compare(&[name], ComparisonKind::Text, how, &keys, captures)?);
                continue;
            }
            // More than one variable, or a group: kept under a name of its own.
            let template = self.template(&expansion, "");
            let label = match expansion.0.as_slice() {
                [VariablePiece::Group(number)] => format!("captured-{number}"),
                _ => "joined".into(),
            };
            let name = self.fresh_name(&label);
            self.hoisted.push(Effect::Let(name.clone(), template));
            tests.push(self.compare(&[name], ComparisonKind::Text, how, &keys, captures)?);
        }
        Ok(Cond::any(tests))
    }
}

/// Whether a variable with several known values has this one.
pub(super) fn has_value(name: &str, value: &str, all: &BTreeSet<String>) -> Result<Cond, String> {
    // What was never set has no value here.
    if value.is_empty() {
        return Ok(Cond::not(Cond::Word(format!("has {name}"))));
    }
    let others = || all.iter().filter(|other| *other != value);
    if others().any(|other| fold::normalize(other) == fold::normalize(value)) {
        return Err("values of a variable that differ by white space or width alone".into());
    }
    if others().any(|other| fold::fold(other) == fold::fold(value)) {
        let pattern = format!("^{}$", pattern_literal(value));
        return Ok(Cond::matches(vec![name.to_owned()], pattern, true));
    }
    Ok(Cond::texts(name, "is", [value]))
}

/// A known number of things, compared with keys.
pub(super) fn counted(count: usize, relation: Relation, keys: &[String]) -> Cond {
    let count = count.to_string();
    Cond::certain(keys.iter().any(|key| relation.holds(compare_numbers(&count, key))))
}
