//! Whether earlier rules take all mail for which a later condition holds, although they ask
//! another thing: the domain of the address, or a part of the text. Only what is certain
//! counts, so most operators are left out.

use std::collections::HashMap;

use super::Checker;
use crate::rules::program::{AddressPart, ConditionKind, Field, TextOperator};
use crate::source::Span;

/// The tests under which rule processing has stopped.
#[derive(Default)]
pub(super) struct TakenMail {
    /// By field and operator.
    tests: HashMap<(u32, TextOperator), TakenTexts>,
}

/// The texts of such tests, and the rules that ask for them.
#[derive(Default)]
struct TakenTexts {
    rules: HashMap<String, Span>,
    /// The length of the shortest one, bytes.
    shortest: usize,
}

/// Longer texts are not compared with all their parts.
const LONGEST_TEXT: usize = 128;

impl TakenMail {
    /// From here on, none of the tests is known to have failed.
    pub(super) fn clear(&mut self) {
        self.tests.clear();
    }

    /// Adds what an inner block has taken.
    pub(super) fn extend(&mut self, inner: TakenMail) {
        for ((field, operator), texts) in inner.tests {
            for (text, rule) in texts.rules {
                self.insert(field, operator, &text, rule);
            }
        }
    }

    fn insert(&mut self, field: u32, operator: TextOperator, text: &str, rule: Span) {
        let texts = self.tests.entry((field, operator)).or_default();
        texts.shortest = match texts.rules.is_empty() {
            true => text.len(),
            false => texts.shortest.min(text.len()),
        };
        texts.rules.entry(text.to_owned()).or_insert(rule);
    }

    /// The rule that takes all mail with this text.
    fn find(&self, field: u32, operator: TextOperator, text: &str) -> Option<Span> {
        let of = |operator| self.tests.get(&(field, operator));
        let whole = || of(operator)?.rules.get(text).copied();
        let part = |operator| {
            let taken = of(operator).filter(|_| text.len() <= LONGEST_TEXT)?;
            let ends = || text.char_indices().map(|(at, c)| at + c.len_utf8());
            let starts = match operator {
                TextOperator::Starts => 1,
                _ => usize::MAX,
            };
            text.char_indices().take(starts).find_map(|(start, _)| {
                let ends = ends().filter(|end| *end >= start.saturating_add(taken.shortest));
                let last = (operator == TextOperator::Ends).then_some(text.len());
                let mut ends = ends.filter(|end| last.is_none_or(|last| *end == last));
                ends.find_map(|end| taken.rules.get(text.get(start..end)?).copied())
            })
        };
        whole().or_else(|| match operator {
            TextOperator::Is => part(TextOperator::Starts).or_else(|| part(TextOperator::Ends)),
            TextOperator::Contains | TextOperator::Starts | TextOperator::Ends => part(operator),
            TextOperator::Like | TextOperator::Resembles => None,
        })
    }
}

impl Checker<'_, '_> {
    /// Rule processing stops at `rule` if the condition holds.
    pub(super) fn take(&self, condition: u32, rule: Span, taken: &mut TakenMail) {
        match self.kind_of(condition) {
            Some(ConditionKind::Any(of)) => {
                of.iter().for_each(|each| self.take(*each, rule, taken));
            }
            Some(ConditionKind::Text { field, operator, needles }) => {
                for needle in needles {
                    taken.insert(*field, *operator, &needle.folded, rule);
                }
            }
            _ => {}
        }
    }

    /// The rule at which rule processing has stopped if the condition holds.
    pub(super) fn taken(&self, condition: u32, taken: &TakenMail) -> Option<Span> {
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
        taken: &TakenMail,
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
