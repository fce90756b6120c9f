//! Which rules can hold at all, by the index of the program: one walk over a
//! field for all of them.

use std::cell::RefCell;

use super::Detail;
use super::condition::Conditions;
use crate::rules::compiled::CompiledProgram;
use crate::rules::index::{Form, KeptPlace, Prefilter};

/// What is known already.
pub(super) struct Candidates<'a> {
    prefilter: Prefilter<'a>,
    /// For each set of places whether they were walked over.
    sets: RefCell<Vec<bool>>,
    /// The same for each place.
    places: RefCell<Vec<bool>>,
    /// A bit for each statement: it can hold.
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

impl Conditions<'_> {
    /// The first statement from this one on that can do anything: rules that
    /// cannot hold are passed over. In a trace every rule has its place.
    pub(super) fn next_possible(&self, mut at: usize) -> usize {
        let prefilter = self.possible.prefilter;
        if prefilter.is_empty() || self.detail != Detail::Plan {
            return at;
        }
        loop {
            let unknown = {
                let (sets, rules) = (self.possible.sets.borrow(), self.possible.rules.borrow());
                loop {
                    let Some((set, end)) = prefilter.guard(at) else { return at };
                    if !sets.get(set).is_some_and(|known| *known) {
                        break set;
                    }
                    if rules.get(at / 64).is_none_or(|word| word >> (at % 64) & 1 == 1) {
                        return at;
                    }
                    at = end.max(at + 1);
                }
            };
            if self.walk_set(unknown).is_none() {
                self.program.mark_damaged();
                return at;
            }
        }
    }

    /// Walks over all places of a set.
    fn walk_set(&self, set: usize) -> Option<()> {
        let prefilter = self.possible.prefilter;
        for number in prefilter.set(set)? {
            let place = prefilter.place(number)?;
            if !self.possible.places.borrow().get(number).is_some_and(|walked| *walked) {
                self.walk(place)?;
                let mut places = self.possible.places.borrow_mut();
                places.resize(prefilter.places(), false);
                *places.get_mut(number)? = true;
            }
        }
        let mut sets = self.possible.sets.borrow_mut();
        sets.resize(prefilter.sets(), false);
        *sets.get_mut(set)? = true;
        Some(())
    }

    /// Finds the rules that have a word in a place.
    fn walk(&self, place: &KeptPlace) -> Option<()> {
        let prefilter = self.possible.prefilter;
        let values = self.field(place.field);
        let mut rules = self.possible.rules.borrow_mut();
        rules.resize(prefilter.len().div_ceil(64), 0);
        // What cannot be known holds for no rule.
        let mut found = |rule: usize| {
            if let Some(word) = rules.get_mut(rule / 64) {
                *word |= 1 << (rule % 64);
            }
        };
        for value in values.iter().flat_map(|values| values.iter()) {
            match place.form {
                Form::Exact => prefilter.find(place, value.exact().bytes(), &mut found),
                Form::Wide => prefilter.find(place, value.wide().bytes(), &mut found),
                Form::Lower => {
                    let lower = value.readable().bytes().map(|byte| byte.to_ascii_lowercase());
                    prefilter.find(place, lower, &mut found)
                }
            }?;
        }
        Some(())
    }
}
