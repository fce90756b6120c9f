//! What a recipe with the flags `A`, `a`, `E` or `e` asks about those before it.

use super::read::{NodeKind, RcNode};
use crate::import::ir::Cond;

/// How the names begin that record that a recipe was done.
pub(super) const DONE: &str = "rc-done-";

/// The result of the recipe before this one, for `A`, `a`, `E` and `e`.
#[derive(Clone)]
pub(super) enum Dependence {
    /// There is none before it.
    Nothing,
    Known {
        /// What `A` asks for: the condition of the last one without it.
        own: Cond,
        /// It may have another result now.
        is_stale: bool,
        /// What `E` asks for: the last one and those that it is an alternative to.
        chain: Vec<Cond>,
        /// These may have another result now.
        changes: bool,
        /// `filter-failed` says whether its program has failed.
        may_fail: bool,
    },
    /// It is not translated.
    Unknown,
}

impl Dependence {
    /// What a recipe with these flags asks about the one before it, and the alternatives so
    /// far.
    ///
    /// # Errors
    /// Why that is not known.
    pub(super) fn asked(&self, flags: &str) -> Result<(Cond, Vec<Cond>), String> {
        if !flags.contains(['A', 'a', 'E', 'e']) {
            return Ok((Cond::Always, Vec::new()));
        }
        match self {
            // What cannot be stored or given to a program is tried again.
            Dependence::Known { own, chain, may_fail, .. } if flags.contains('e') => {
                let failed = match may_fail {
                    true => Cond::Word("filter-failed".into()),
                    false => Cond::Never,
                };
                Ok((Cond::all([own.clone(), failed]), chain.clone()))
            }
            Dependence::Nothing => Err("there is no recipe before it".into()),
            Dependence::Unknown => Err("the recipe before it is not translated".into()),
            Dependence::Known { changes: true, .. } if flags.contains('E') => {
                Err("the recipe before it changes what is tested".into())
            }
            Dependence::Known { is_stale: true, .. } if !flags.contains('E') => {
                Err("the recipe before it changes what is tested".into())
            }
            Dependence::Known { own, chain, may_fail: true, .. } if flags.contains('a') => {
                let worked = Cond::not(Cond::Word("filter-failed".into()));
                Ok((Cond::all([own.clone(), worked]), chain.clone()))
            }
            Dependence::Known { chain, .. } if flags.contains('E') => {
                let none = chain.iter().map(|condition| Cond::not(condition.clone()));
                Ok((Cond::all(none), chain.clone()))
            }
            Dependence::Known { own, chain, .. } => Ok((own.clone(), chain.clone())),
        }
    }
}

/// What the recipes after one may ask about it.
pub(super) struct RecipeResult {
    /// Its own conditions, or the name that records that it was done.
    pub(super) own: Cond,
    /// The same, with what it depends on itself.
    pub(super) condition: Cond,
    /// It changes what it tests.
    pub(super) changes_tests: bool,
    /// These conditions may have another result now.
    pub(super) changes: bool,
    /// `filter-failed` says whether its program has failed.
    pub(super) may_fail: bool,
}

impl RecipeResult {
    /// What the next recipe can depend on, if this one has these flags. `before` is what it
    /// depended on itself, `chain` the recipes that it is an alternative to.
    pub(super) fn dependence(
        self,
        flags: &str,
        before: &Dependence,
        mut chain: Vec<Cond>,
    ) -> Dependence {
        let RecipeResult { own, condition, changes_tests, changes, may_fail } = self;
        match (before, flags.contains(['A', 'a', 'e']), flags.contains('E')) {
            // `A` refers to the last one without it.
            (Dependence::Known { own, is_stale, .. }, true, _) if !flags.contains('e') => {
                let is_stale = *is_stale || changes_tests && !is_kept(own);
                let chain = vec![condition];
                Dependence::Known { own: own.clone(), is_stale, chain, changes, may_fail }
            }
            (_, true, _) => before.clone(),
            (_, _, true) => {
                chain.push(own);
                Dependence::Known { own: condition, is_stale: changes, chain, changes, may_fail }
            }
            _ => {
                let chain = vec![own.clone()];
                Dependence::Known { own, is_stale: changes, chain, changes, may_fail }
            }
        }
    }
}

/// Whether a condition has the same result however the message is changed.
fn is_kept(condition: &Cond) -> bool {
    match condition {
        Cond::Always | Cond::Never => true,
        Cond::Word(word) => word.split(' ').nth(1).is_some_and(|name| name.starts_with(DONE)),
        _ => false,
    }
}

/// Whether the recipes that depend on one ask if it has failed: `a`, `e`.
pub(super) fn is_failure_asked_for(after: &[RcNode]) -> bool {
    let recipes = after.iter().filter_map(|node| match &node.kind {
        NodeKind::Recipe(recipe) => Some(recipe.flags.as_str()),
        _ => None,
    });
    let mut depending = recipes.take_while(|flags| flags.contains(['A', 'a', 'E', 'e']));
    depending.any(|flags| flags.contains(['a', 'e']))
}

/// Whether what comes after a recipe may ask if it was done: `A`, `E`. Included files are
/// not searched.
pub(super) fn is_asked_for(after: &[RcNode], is_included: bool) -> bool {
    for node in after {
        match &node.kind {
            NodeKind::Recipe(recipe) if recipe.flags.contains(['A', 'a', 'E']) => return true,
            // It asks whether that one failed.
            NodeKind::Recipe(recipe) if recipe.flags.contains('e') => {}
            NodeKind::Recipe(_) => return false,
            NodeKind::Assign { name, .. } if name == "INCLUDERC" || name == "SWITCHRC" => {
                return true;
            }
            _ => {}
        }
    }
    is_included
}
