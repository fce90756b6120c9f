//! Whether earlier rules take all mail for which a later condition holds, although they ask
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

    /// Adds what an inner block has taken.
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
        let of = |operator| self.tests.get(&(field, operator));
        let starts = || text.char_indices().filter_map(|(at, _)| text.get(at..));
        let start = |operator| of(operator)?.prefix(text);
        let end = |operator| {
            let taken = of(operator)?;
            starts().find_map(|end| taken.rules.get(end).copied())
        };
        let part = || {
            let taken = of(TextOperator::Contains)?;
            starts().find_map(|rest| taken.prefix(rest))
        };
        match operator {
            TextOperator::Is => of(operator)
                .and_then(|taken| taken.rules.get(text).copied())
                .or_else(|| start(TextOperator::Starts))
                .or_else(|| end(TextOperator::Ends)),
            TextOperator::Starts => start(operator),
            TextOperator::Ends => end(operator),
            TextOperator::Contains => part(),
            TextOperator::Like | TextOperator::Resembles => of(operator)?.rules.get(text).copied(),
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
    pub(super) fn take(&self, condition: u32, rule: Span, taken: &mut CoveredMail) {
        match self.kind_of(condition) {
            Some(ConditionKind::Any(of)) => {
                of.iter().for_each(|each| self.take(*each, rule, taken));
            }
            Some(ConditionKind::Text { field, operator, needles }) => {
                for needle in needles {
                    taken.insert(*field, *operator, needle.folded.clone(), rule);
                }
            }
            _ => {}
        }
    }

    /// The rule at which rule processing has stopped if the condition holds.
    pub(super) fn taken(&self, condition: u32, taken: &CoveredMail) -> Option<Span> {
        if taken.tests.is_empty() {
            return None;
        }
        let each = |of: &[u32]| {
            let mut rules = of.iter().map(|each| self.taken(*each, taken));
            let first = rules.next()??;
            rules.try_fold(first, |_, rule| rule)
        };
        match self.kind_of(condition)? {
            ConditionKind::All(of) => of.iter().find_map(|each| self.taken(*each, taken)),
            ConditionKind::Any(of) => each(of),
            ConditionKind::Text { field, operator, needles } => {
                let mut rules = needles.iter().map(|needle| {
                    let same = taken.find(*field, *operator, &needle.folded);
                    same.or_else(|| self.by_domain(*field, *operator, &needle.folded, taken))
                });
                let first = rules.next()??;
                rules.try_fold(first, |_, rule| rule)
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
        taken: &CoveredMail,
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
        taken.find(*self.fields.get(&of_domain)?, TextOperator::Is, domain)
    }

    fn kind_of(&self, condition: u32) -> Option<&ConditionKind> {
        self.program.conditions.get(condition as usize).map(|condition| &condition.kind)
    }
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
    fn mail_is_taken_if_and_only_if_one_of_the_texts_is_met() {
        let texts = texts();
        for (operator, met) in [
            (TextOperator::Is, (|text, taken| text == taken) as fn(&str, &str) -> bool),
            (TextOperator::Starts, |text, taken| text.starts_with(taken)),
            (TextOperator::Ends, |text, taken| text.ends_with(taken)),
            (TextOperator::Contains, |text, taken| text.contains(taken)),
        ] {
            for first in &texts {
                for second in &texts {
                    let mut taken = CoveredMail::default();
                    for text in [first, second] {
                        taken.insert(0, operator, text.clone(), Span::default());
                    }
                    for text in &texts {
                        let wanted = met(text, first) || met(text, second);
                        let found = taken.find(0, operator, text).is_some();
                        assert_eq!(found, wanted, "{text} {operator:?} {first}, {second}");
                    }
                }
            }
        }
    }
}
