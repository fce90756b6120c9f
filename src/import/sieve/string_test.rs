//! `string`, RFC 5229 §5, and all tests whose both sides are known.

use super::arguments::Arguments;
use super::compare::{ComparisonSort, MatchType, Matching, matching};
use super::context::Lowering;
use super::regex::{PATTERN_STEPS, Relation, compare_numbers};
use super::variables::{KnownValue, VariablePiece};
use crate::import::ir::{Cond, Effect};

/// For a known value and a key.
const STEPS_PER_COMPARISON: usize = 10;

impl Lowering<'_> {
    /// Values that are known, compared with keys.
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
        Ok(if holds { Cond::Always } else { Cond::Never })
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
                        found = how.captured(value, key)?;
                        if found.is_some() {
                            break;
                        }
                    }
                    tests.push(if found.is_some() { Cond::Always } else { Cond::Never });
                    let holds = found.is_some();
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
                    for value in values {
                        if self.known_text(std::slice::from_ref(&value), how, &keys)?
                            == Cond::Always
                        {
                            fitting.push(value);
                        }
                    }
                    let name = self.our_name(key);
                    // What was never set is no value of ours.
                    let empty = fitting.iter().position(String::is_empty);
                    if let Some(at) = empty {
                        fitting.remove(at);
                        tests.push(Cond::not(Cond::Word(format!("has {name}"))));
                    }
                    tests.push(Cond::texts(name, "is", fitting));
                    continue;
                }
                let name = self.our_name(key);
                if keys.iter().any(|key| how.fits("", key) == Some(true)) {
                    tests.push(Cond::not(Cond::Word(format!("has {name}"))));
                }
                tests.push(self.compare(&[name], ComparisonSort::Text, how, &keys, captures)?);
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
            tests.push(self.compare(&[name], ComparisonSort::Text, how, &keys, captures)?);
        }
        Ok(Cond::any(tests))
    }
}

/// A number of things that is known, compared with keys.
pub(super) fn counted(count: usize, relation: Relation, keys: &[String]) -> Cond {
    let count = count.to_string();
    let holds = keys.iter().any(|key| relation.holds(compare_numbers(&count, key)));
    if holds { Cond::Always } else { Cond::Never }
}
