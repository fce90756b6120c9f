//! The rules of the users whose mail a worker has delivered, kept as they are evaluated:
//! with the patterns built that a message has asked for.
//!
//! They count only while every file that they were made of holds what it held, which is
//! looked at for each message. Rules that are not those of the files, since these are
//! broken or cannot be read, are not kept.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use crate::load::Proof;
use crate::mda::{ActiveRules, RuleFiles};
use crate::user::User;

/// Users whose rules are kept.
const USERS: usize = 500;

/// Kept rules, by home.
#[derive(Default)]
pub struct RuleCache {
    kept: HashMap<PathBuf, KeptRules>,
    /// Counts the messages.
    now: u64,
}

struct KeptRules {
    rules: ActiveRules,
    used: u64,
}

impl RuleCache {
    /// The rules in force for a user.
    ///
    /// # Errors
    /// They cannot be known at this moment.
    pub fn of(&mut self, user: &User, site: Option<&Path>) -> Result<&ActiveRules, String> {
        self.now += 1;
        let home = user.home_or_nowhere();
        let is_current = self.kept.get(home).is_some_and(|kept| kept.rules.are_current());
        if !is_current {
            self.kept.remove(home);
            if self.kept.len() >= USERS {
                self.forget_oldest();
            }
            let files = RuleFiles { rules: None, site };
            let rules = ActiveRules::load(files, user, Proof::Whole)?;
            self.kept.insert(home.to_owned(), KeptRules { rules, used: 0 });
        }
        let kept = self.kept.get_mut(home).ok_or("the rules are gone")?;
        kept.used = self.now;
        Ok(&kept.rules)
    }

    /// Makes room, for a tenth at once since all have to be looked at.
    fn forget_oldest(&mut self) {
        let mut used: Vec<u64> = self.kept.values().map(|kept| kept.used).collect();
        used.sort_unstable();
        let oldest = used.get(USERS / 10).copied().unwrap_or(u64::MAX);
        self.kept.retain(|_, kept| kept.used > oldest);
    }
}
