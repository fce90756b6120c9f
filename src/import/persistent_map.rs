//! Variables in parts that copies have in common: every branch and block of a filter has a
//! copy of its own, which differs from the others in a few variables.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// How many parts there are.
const PARTS: usize = 64;

/// Values by their names.
#[derive(Debug, Clone)]
pub(super) struct PersistentMap<V> {
    parts: Vec<Rc<BTreeMap<String, V>>>,
}

/// In which part a variable is. What patterns capture is in the first, since it changes all
/// the time.
fn part_of(name: &str) -> usize {
    if name.starts_with("MATCH") {
        return 0;
    }
    let add = |sum: usize, byte: u8| sum.wrapping_mul(31).wrapping_add(byte.into());
    1 + name.bytes().fold(0, add) % (PARTS - 1)
}

impl<V: Clone + PartialEq> PersistentMap<V> {
    pub(super) fn new() -> PersistentMap<V> {
        PersistentMap { parts: vec![Rc::default(); PARTS] }
    }

    pub(super) fn get(&self, name: &str) -> Option<&V> {
        self.parts.get(part_of(name))?.get(name)
    }

    pub(super) fn insert(&mut self, name: &str, value: V) {
        if let Some(part) = self.parts.get_mut(part_of(name))
            && part.get(name) != Some(&value)
        {
            Rc::make_mut(part).insert(name.to_owned(), value);
        }
    }

    pub(super) fn remove(&mut self, name: &str) {
        if let Some(part) = self.parts.get_mut(part_of(name))
            && part.contains_key(name)
        {
            Rc::make_mut(part).remove(name);
        }
    }

    /// The names whose values may differ in two copies.
    pub(super) fn differing(&self, other: &PersistentMap<V>) -> BTreeSet<String> {
        let parts = self.parts.iter().zip(&other.parts);
        let parts = parts.filter(|(one, other)| !Rc::ptr_eq(one, other));
        let names = parts.flat_map(|(one, other)| one.keys().chain(other.keys()));
        let differs = |name: &&String| self.get(name) != other.get(name);
        names.filter(differs).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_differ_in_what_was_changed() {
        let mut one = PersistentMap::new();
        for number in 0..500 {
            one.insert(&format!("V{number}"), number);
        }
        let mut other = one.clone();
        other.insert("V1", 1);
        assert!(one.differing(&other).is_empty());
        other.insert("V2", 0);
        other.insert("MATCH", 1);
        other.remove("V3");
        other.remove("none");
        let names: Vec<String> = one.differing(&other).into_iter().collect();
        assert_eq!(names, ["MATCH", "V2", "V3"]);
        assert_eq!((one.get("V3"), other.get("V3"), other.get("V2")), (Some(&3), None, Some(&0)));
    }
}
