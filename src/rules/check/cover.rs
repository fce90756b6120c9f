//! Whether earlier rules cover all mail for which a later condition holds, although they ask
//! another thing: the domain of the address, or a part of the text. Only what is certain
//! counts, so most operators are left out.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound::{Included, Unbounded};

use super::Checker;
use crate::rules::program::{AddressPart, ConditionKind, Field, TextOperator};
use crate::source::Span;

/// The tests under which rule processing has stopped.
#[derive(Default)]
pub(super) struct CoveredMail {
    /// By field and operator.
    tests: HashMap<(u32, TextOperator), CoveredTexts>,
}

/// The texts of such tests, and the rule that asks for each.
#[derive(Default)]
struct CoveredTexts {
    rules: BTreeMap<String, Span>,
    /// The length of the shortest one, bytes.
    shortest: usize,
}

impl CoveredMail {
    /// From here on, none of the tests is known to have failed.
    pub(super) fn clear(&mut self) {
        self.tests.clear();
    }

    /// Adds what an inner block covers.
    pub(super) fn extend(&mut self, inner: CoveredMail) {
        for ((field, operator), texts) in inner.tests {
            for (text, rule) in texts.rules {
                self.insert(field, operator, text, rule);
            }
        }
    }

    fn insert(&mut self, field: u32, operator: TextOperator, text: String, rule: Span) {
        let first = CoveredTexts { shortest: text.len(), ..CoveredTexts::default() };
        let texts = self.tests.entry((field, operator)).or_insert(first);
        texts.shortest = texts.shortest.min(text.len());
        texts.rules.entry(text).or_insert(rule);
    }

    /// The rule that takes all mail with this text.
    fn find(&self, field: u32, operator: TextOperator, text: &str) -> Option<Span> {
        let covered_by = |operator| self.tests.get(&(field, operator));
        let starts = || text.char_indices().filter_map(|(at, _)| text.get(at..));
        let start = |operator| covered_by(operator)?.prefix(text);
        let end = |operator| {
            let covered = covered_by(operator)?;
            starts().find_map(|end| covered.rules.get(end).copied())
        };
        let part = || {
            let covered = covered_by(TextOperator::Contains)?;
            starts().find_map(|rest| covered.prefix(rest))
        };
        match operator {
            TextOperator::Is => covered_by(operator)
                .and_then(|covered| covered.rules.get(text).copied())
                .or_else(|| start(TextOperator::Starts))
                .or_else(|| end(TextOperator::Ends)),
            TextOperator::Starts => start(operator),
            TextOperator::Ends => end(operator),
            TextOperator::Contains => part(),
            TextOperator::Like | TextOperator::Resembles => {
                covered_by(operator)?.rules.get(text).copied()
            }
        }
    }
}

impl CoveredTexts {
    /// The rule of a text with which `text` starts.
    fn prefix(&self, text: &str) -> Option<Span> {
        let mut bound = text;
        while bound.len() >= self.shortest {
            // A prefix of `text` before this neighbour is one of the neighbour, too.
            let before = (Unbounded, Included(bound));
            let (neighbour, rule) = self.rules.range::<str, _>(before).next_back()?;
            if text.starts_with(neighbour.as_str()) {
                return Some(*rule);
            }
            let mut both = bound.char_indices().zip(neighbour.chars());
            let (differs, _) = both.find(|((_, ours), theirs)| ours != theirs)?.0;
            bound = bound.get(..differs)?;
        }
        None
    }
}

impl Checker<'_, '_> {
    /// Rule processing stops at `rule` if the condition holds.
    pub(super) fn cover(&self, condition: u32, rule: Span, covered: &mut CoveredMail) {
        match self.kind_of(condition) {
            Some(ConditionKind::Any(of)) => {
                of.iter().for_each(|index| self.cover(*index, rule, covered));
            }
            Some(ConditionKind::Text { field, operator, needles }) => {
                for needle in needles {
                    covered.insert(*field, *operator, needle.folded.clone(), rule);
                }
            }
            _ => {}
        }
    }

    /// The rule at which rule processing has stopped if the condition holds.
    pub(super) fn covering_rule(&self, condition: u32, covered: &CoveredMail) -> Option<Span> {
        if covered.tests.is_empty() {
            return None;
        }
        match self.kind_of(condition)? {
            ConditionKind::All(of) => {
                of.iter().find_map(|index| self.covering_rule(*index, covered))
            }
            ConditionKind::Any(of) => {
                last_of_all(of.iter().map(|index| self.covering_rule(*index, covered)))
            }
            ConditionKind::Text { field, operator, needles } => {
                last_of_all(needles.iter().map(|needle| {
                    let same = covered.find(*field, *operator, &needle.folded);
                    same.or_else(|| self.by_domain(*field, *operator, &needle.folded, covered))
                }))
            }
            _ => None,
        }
    }

    /// `from.domain is "b.example"` above `from is "a@b.example"`
    fn by_domain(
        &self,
        field: u32,
        operator: TextOperator,
        text: &str,
        covered: &CoveredMail,
    ) -> Option<Span> {
        let ends = matches!(operator, TextOperator::Is | TextOperator::Ends);
        let (_, domain) = text.rsplit_once('@').filter(|_| ends)?;
        let of_domain = match self.program.fields.get(field as usize)? {
            Field::Address(field, AddressPart::Whole) => {
                Field::Address(*field, AddressPart::Domain)
            }
            Field::AddressesIn(header, AddressPart::Whole) => {
                Field::AddressesIn(header.clone(), AddressPart::Domain)
            }
            _ => return None,
        };
        covered.find(*self.fields.get(&of_domain)?, TextOperator::Is, domain)
    }

    fn kind_of(&self, condition: u32) -> Option<&ConditionKind> {
        self.program.conditions.get(condition as usize).map(|condition| &condition.kind)
    }
}

/// The last of these rules; `None` if there is none in one of the places.
fn last_of_all(rules: impl Iterator<Item = Option<Span>>) -> Option<Span> {
    rules.collect::<Option<Vec<Span>>>()?.pop()
}

#[cfg(test)]
mod tests {
    use super::{CoveredMail, Span, TextOperator};

    /// All texts of `a` and `b` of up to three letters.
    fn texts() -> Vec<String> {
        let longer = |texts: &[String]| {
            texts.iter().flat_map(|text| [format!("{text}a"), format!("{text}b")]).collect()
        };
        let mut last = vec![String::new()];
        let mut all = Vec::new();
        for _ in 0..3 {
            last = longer(&last);
            all.extend(last.clone());
        }
        all
    }

    #[test]
    fn mail_is_covered_if_and_only_if_one_of_the_texts_matches() {
        let texts = texts();
        for (operator, holds) in [
            (TextOperator::Is, (|text, covered| text == covered) as fn(&str, &str) -> bool),
            (TextOperator::Starts, |text, covered| text.starts_with(covered)),
            (TextOperator::Ends, |text, covered| text.ends_with(covered)),
            (TextOperator::Contains, |text, covered| text.contains(covered)),
        ] {
            for first in &texts {
                for second in &texts {
                    let mut covered = CoveredMail::default();
                    for text in [first, second] {
                        covered.insert(0, operator, text.clone(), Span::default());
                    }
                    for text in &texts {
                        let expected = holds(text, first) || holds(text, second);
                        let found = covered.find(0, operator, text).is_some();
                        assert_eq!(found, expected, "{text} {operator:?} {first}, {second}");
                    }
                }
            }
        }
    }
}
