//! `string`, RFC 5229 §5, and all tests with both sides known.

use std::collections::BTreeSet;

use super::arguments::Arguments;
use super::compare::{Collation, ComparisonKind, MatchType, Matching, matching};
use super::context::Lowering;
use super::posix::regex;
use super::regex::{PATTERN_STEPS, Relation, compare_numbers};
use super::variables::{Expansion, KnownValue, VariablePiece};
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
            let known = expansion.constant();
            tests.push(match known {
                Some(value) if is_pattern(how) => self.known_pattern(value, how, &keys)?,
                Some(value) => self.known_text(&[value.to_owned()], how, &keys)?,
                None => self.runtime_text(&expansion, how, &keys, captures)?,
            });
            // What is captured first counts.
            if known.is_some() && is_pattern(how) && tests.last() == Some(&Cond::Always) {
                break;
            }
        }
        Ok(Cond::any(tests))
    }

    /// A known value, compared with patterns, of which the first that matches captures.
    fn known_pattern(
        &mut self,
        value: &str,
        how: Matching,
        keys: &[String],
    ) -> Result<Cond, String> {
        let mut found = None;
        for key in keys {
            self.spend(PATTERN_STEPS + value.len().saturating_mul(key.len()) / 256)?;
            if how.kind == MatchType::Regex {
                let pattern = regex(key, false)?.pattern;
                if !self.captures_as_posix(&pattern, how.collation == Collation::Octet)? {
                    return Err("a regular expression for known text, whose longest match may be \
                                another than its first"
                        .into());
                }
            }
            found = how.captured(value, key)?;
            if found.is_some() {
                break;
            }
        }
        let holds = found.is_some();
        self.known_match = found.or(self.known_match.take());
        Ok(Cond::certain(holds))
    }

    /// A value that depends on the message, compared with keys.
    fn runtime_text(
        &mut self,
        expansion: &Expansion,
        how: Matching,
        keys: &[String],
        captures: bool,
    ) -> Result<Cond, String> {
        self.stateful = true;
        self.runtime_match |= is_pattern(how);
        let Some(key) = expansion.variable() else {
            // More than one variable, or a group: kept under a name of its own.
            let template = self.template(expansion, "");
            let label = match expansion.0.as_slice() {
                [VariablePiece::Group(number)] => format!("captured-{number}"),
                _ => "joined".into(),
            };
            let name = self.fresh_name(&label);
            self.hoisted.push(Effect::Let(name.clone(), template));
            return self.compare(&[name], ComparisonKind::Text, how, keys, captures);
        };
        let name = self.our_name(key);
        let values = match self.state.variables.get(key) {
            Some(KnownValue::OneOf(values)) if how.kind != MatchType::Regex && !captures => {
                Some(values.clone())
            }
            _ => None,
        };
        if let Some(values) = values {
            let mut fitting = Vec::new();
            for value in &values {
                if self.known_text(std::slice::from_ref(value), how, keys)? == Cond::Always {
                    fitting.push(has_value(&name, value, &values));
                }
            }
            return Ok(Cond::any(fitting.into_iter().collect::<Result<Vec<_>, _>>()?));
        }
        let mut tests = Vec::new();
        if keys.iter().any(|key| how.fits("", key) == Some(true)) {
            tests.push(Cond::not(Cond::Word(format!("has {name}"))));
        }
        tests.push(self.compare(&[name], ComparisonKind::Text, how, keys, captures)?);
        Ok(Cond::any(tests))
    }
}

/// Whether keys are patterns, which capture.
fn is_pattern(how: Matching) -> bool {
    matches!(how.kind, MatchType::Matches | MatchType::Regex)
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
