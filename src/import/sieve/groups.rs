//! The groups of patterns in a condition.

use std::collections::BTreeSet;

use super::regex::{group_count, one_level};
use crate::import::ir::{Cond, Operand};

/// The groups that capture what is one level of a folder's name: at least one character,
/// and none that separates levels or is a blank.
pub(super) fn one_level_groups(condition: &Cond) -> BTreeSet<u32> {
    let of_all = |parts: &[Cond]| {
        let parts = parts.iter().filter(|part| has_groups(part)).map(one_level_groups);
        parts.reduce(|one, other| &one & &other).unwrap_or_default()
    };
    match condition {
        Cond::All(parts) | Cond::Any(parts) => of_all(parts),
        Cond::Test(test) => {
            let groups = test.values.iter().map(|value| match value {
                Operand::Pattern(source, _) => one_level(source),
                _ => BTreeSet::new(),
            });
            groups.reduce(|one, other| &one & &other).unwrap_or_default()
        }
        _ => BTreeSet::new(),
    }
}

/// The number of the last group that a condition captures.
pub(super) fn last_group(condition: &Cond) -> u32 {
    match condition {
        Cond::All(parts) | Cond::Any(parts) => parts.iter().map(last_group).max().unwrap_or(0),
        Cond::Test(test) => {
            let groups = test.values.iter().map(|value| match value {
                Operand::Pattern(source, _) => group_count(source),
                _ => 0,
            });
            groups.max().unwrap_or(0)
        }
        _ => 0,
    }
}

/// Whether a condition captures anything.
pub(super) fn has_groups(condition: &Cond) -> bool {
    last_group(condition) > 0
}
