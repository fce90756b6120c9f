//! Which rules can hold at all, by the program's index: a field is scanned once
//! for all of them.

use std::cell::RefCell;

use super::field_value::Values;
use crate::rules::compiled::CompiledProgram;
use crate::rules::index::{CachedPlace, Prefilter, ValueForm};

/// What is known so far.
pub(super) struct Candidates<'a> {
    prefilter: Prefilter<'a>,
    /// For each set of places, whether they have been scanned.
    sets: RefCell<Vec<bool>>,
    /// The same for each place.
    places: RefCell<Vec<bool>>,
    /// One bit per statement: whether it can hold.
    rules: RefCell<Vec<u64>>,
}

impl<'a> Candidates<'a> {
    pub(super) fn new(program: &'a CompiledProgram) -> Candidates<'a> {
        Candidates {
            prefilter: program.prefilter(),
            sets: RefCell::default(),
            places: RefCell::default(),
            rules: RefCell::default(),
        }
    }
}

/// The values of a field, by its number.
type Lookup<'l, 'v, 'a> = &'l dyn Fn(u32) -> Result<&'v Values<'a>, String>;

impl Candidates<'_> {
    /// The first statement from this one on, without the rules that cannot hold.
    /// `None` if the index is damaged.
    pub(super) fn next(&self, mut at: usize, values: Lookup<'_, '_, '_>) -> Option<usize> {
        if self.prefilter.is_empty() {
            return Some(at);
        }
        loop {
            let unknown = {
                let (sets, rules) = (self.sets.borrow(), self.rules.borrow());
                loop {
                    let Some((set, end)) = self.prefilter.guard(at) else { return Some(at) };
                    if !sets.get(set).is_some_and(|known| *known) {
                        break set;
                    }
                    if rules.get(at / 64).is_none_or(|word| word >> (at % 64) & 1 == 1) {
                        return Some(at);
                    }
                    at = end.max(at + 1);
                }
            };
            self.walk_set(unknown, values)?;
        }
    }

    /// Scans all places of a set.
    fn walk_set(&self, set: usize, values: Lookup<'_, '_, '_>) -> Option<()> {
        for number in self.prefilter.set(set)? {
            let place = self.prefilter.place(number)?;
            if !self.places.borrow().get(number).is_some_and(|walked| *walked) {
                self.walk(place, values)?;
                let mut places = self.places.borrow_mut();
                places.resize(self.prefilter.places(), false);
                *places.get_mut(number)? = true;
            }
        }
        let mut sets = self.sets.borrow_mut();
        sets.resize(self.prefilter.sets(), false);
        *sets.get_mut(set)? = true;
        Some(())
    }

    /// Finds the rules that have a word in a place.
    fn walk(&self, place: &CachedPlace, values: Lookup<'_, '_, '_>) -> Option<()> {
        let prefilter = self.prefilter;
        let values = values(place.field);
        let mut rules = self.rules.borrow_mut();
        rules.resize(prefilter.len().div_ceil(64), 0);
        // If the values cannot be determined, none of these rules can hold.
        let mut found = |rule: usize| {
            if let Some(word) = rules.get_mut(rule / 64) {
                *word |= 1 << (rule % 64);
            }
        };
        for value in values.iter().flat_map(|values| values.iter()) {
            match place.form {
                ValueForm::Exact => prefilter.find(place, value.exact().bytes(), &mut found),
                ValueForm::Wide => prefilter.find(place, value.wide().bytes(), &mut found),
                ValueForm::Lower => {
                    let lower = value.readable().bytes().map(|byte| byte.to_ascii_lowercase());
                    prefilter.find(place, lower, &mut found)
                }
            }?;
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::super::Detail;
    use super::super::testing::{ask, compiled, message};
    use crate::world::World;

    /// Where a run continues, from each statement on, and which fields were scanned.
    fn continues(rules: &str, mail: &str, from: &[usize]) -> (Vec<usize>, Vec<u32>) {
        let program = compiled(rules);
        ask(&program, &message(mail), &World::default(), Detail::Plan, |on| {
            let scanned = RefCell::new(Vec::new());
            let next = |at: &usize| {
                let values = |field| {
                    scanned.borrow_mut().push(field);
                    on.field(field)
                };
                on.candidates.next(*at, &values).expect("not damaged")
            };
            (from.iter().map(next).collect(), scanned.into_inner())
        })
    }

    /// `count` rules of a test and an action each.
    fn rules(count: usize, test: impl Fn(usize) -> String) -> String {
        (0..count).map(|number| format!("when {} -> discard\n", test(number))).collect()
    }

    #[test]
    fn only_those_of_many_rules_that_may_hold_are_left() {
        let mail = "Subject: word7\nX-Other: a\n\n";
        let subject = rules(100, |number| format!("subject is \"word{number}\""));
        // A field is scanned once; an action is always left.
        let (next, scanned) = continues(&subject, mail, &[0, 1, 14, 15, 16]);
        assert_eq!((next, scanned), (vec![14, 1, 14, 15, 200], vec![0]));
        // The same where a text contains the word, or a pattern with it.
        let long = "Subject: the WORD88xx\n\n";
        for rules in [
            rules(100, |number| format!("subject contains \"word{number}x\"")),
            rules(100, |number| format!("subject matches /word{number}x./")),
        ] {
            assert_eq!(continues(&rules, long, &[0, 178]), (vec![176, 200], vec![0]));
        }
        let either = rules(20, |n| {
            format!("(subject is \"other{n}\" or header \"X-Other\" is \"long{n}\")")
        });
        let (next, scanned) = continues(&format!("{subject}{either}"), mail, &[0, 16, 200]);
        assert_eq!((next, scanned), (vec![14, 240, 240], vec![0, 1]));
        assert_eq!(continues(&either, "X-Other: long7\n\n", &[0, 16]).0, [14, 40]);
    }

    #[test]
    fn few_rules_are_all_left() {
        let few = rules(3, |number| format!("subject is \"word{number}\""));
        assert_eq!(continues(&few, "Subject: x\n\n", &[0, 2]), (vec![0, 2], vec![]));
    }
}
