//! The rules of the users whose mail a worker has delivered, kept in the form in which
//! they are evaluated: with the patterns that earlier messages needed already built.
//!
//! They are used only while every file that they were made from has the same content,
//! which is checked for each message. Rules that do not come from the current files,
//! because these are broken or cannot be read, are not kept.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use crate::load::Verification;
use crate::mda::{ActiveRules, RuleFiles};
use crate::user::User;

/// How many users' rules are kept.
const USERS: usize = 500;
/// How large the files of all these rules may be together, bytes, without the site's. In
/// memory, rules take some 10 times as much. The rules in use are kept, whatever their
/// size.
const TEXT: u64 = 1 << 20;

/// Kept rules, by home.
#[derive(Default)]
pub struct RuleCache {
    /// Boxed, since a table has up to twice as many slots as entries.
    kept: HashMap<PathBuf, Box<CachedRules>>,
    /// Counts the messages.
    now: u64,
    none: Option<ActiveRules>,
}

struct CachedRules {
    rules: ActiveRules,
    /// The size of their files, bytes.
    size: u64,
    used: u64,
}

impl RuleCache {
    /// The rules in force for a user.
    ///
    /// # Errors
    /// They cannot be known at the moment.
    pub fn of(&mut self, user: &User, site: Option<&Path>) -> Result<&ActiveRules, String> {
        self.now += 1;
        let home = user.home_or_nowhere();
        let is_current = self.kept.get(home).is_some_and(|kept| kept.rules.are_current(user));
        if !is_current {
            self.kept.remove(home);
            let files = RuleFiles { rules: None, site };
            let mut rules = ActiveRules::load(files, user, Verification::AtOnce)?;
            rules.set.user.pack();
            // The first whose site rules are the same is enough.
            self.kept.values().any(|kept| rules.share_site(&kept.rules));
            let size = rules.text_size().unwrap_or(0);
            self.make_room(size);
            let kept = Box::new(CachedRules { rules, size, used: 0 });
            self.kept.insert(home.to_owned(), kept);
        }
        let kept = self.kept.get_mut(home).ok_or("the rules are gone")?;
        kept.used = self.now;
        Ok(&kept.rules)
    }

    /// No rules at all.
    pub fn none(&mut self) -> &ActiveRules {
        self.none.insert(ActiveRules::none())
    }

    /// Makes room for rules of this size, and for a tenth more, since each time all
    /// entries have to be looked at.
    fn make_room(&mut self, size: u64) {
        // Those without a size are loaded each time anyway.
        self.kept.retain(|_, kept| kept.rules.text_size().is_some());
        let mut text: u64 = self.kept.values().map(|kept| kept.size).sum();
        if self.kept.len() < USERS && text.saturating_add(size) <= TEXT {
            return;
        }
        let mut by_use: Vec<(u64, u64)> =
            self.kept.values().map(|kept| (kept.used, kept.size)).collect();
        by_use.sort_unstable();
        let (mut users, mut oldest) = (self.kept.len(), 0);
        for (used, its_size) in by_use {
            if users < USERS - USERS / 10 && text.saturating_add(size) <= TEXT - TEXT / 10 {
                break;
            }
            (users, text, oldest) = (users - 1, text - its_size, used);
        }
        self.kept.retain(|_, kept| kept.used > oldest);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    /// Loads the rules of `users` users, each of `size` bytes; returns how many were kept
    /// at most.
    fn kept_of(users: usize, size: usize) -> (usize, RuleCache) {
        let homes = tempfile::tempdir().unwrap();
        let mut cache = RuleCache::default();
        let mut most = 0;
        for user in 0..users {
            let home = homes.path().join(user.to_string());
            std::fs::create_dir(&home).unwrap();
            let text = format!("# {}\nfolder \"A\"\n", "x".repeat(size));
            std::fs::write(home.join(".mailrules"), text).unwrap();
            let rules = cache.of(&User::at(&home), None).unwrap();
            assert!(rules.set.user.statement(0).is_some() && rules.set.user.statement(1).is_none());
            most = most.max(cache.kept.len());
        }
        (most, cache)
    }

    #[test]
    fn rules_are_kept_by_number_and_by_size() {
        assert_eq!(kept_of(USERS + 3, 10).0, USERS);
        let (most, mut cache) = kept_of(24, 100_000);
        assert_eq!(most, 10, "a megabyte of them");
        let text: u64 = cache.kept.values().map(|kept| kept.size).sum();
        assert!(text <= TEXT, "{text}");
        // Rules larger than the limit for all are kept while they are in use.
        cache.make_room(2 * TEXT);
        assert!(cache.kept.is_empty());
    }

    #[test]
    fn a_home_that_was_replaced_has_its_own_rules() {
        let all = tempfile::tempdir().unwrap();
        let home = all.path().join("home");
        let mut cache = RuleCache::default();
        for (number, is_empty) in [false, true, false].into_iter().enumerate() {
            std::fs::create_dir(&home).unwrap();
            let text = if is_empty { "" } else { "folder \"A\"\n" };
            std::fs::write(home.join(".mailrules"), text).unwrap();
            let data = all.path().join("data");
            let user = User::confined("taro", &home, &home.join("Maildir"), &data, Arc::default());
            let rules = cache.of(&user, None).unwrap();
            assert_eq!(rules.set.user.statement(0).is_none(), is_empty, "{number}");
            std::fs::rename(&home, all.path().join(number.to_string())).unwrap();
        }
    }

    #[test]
    #[allow(clippy::print_stderr, reason = "a skipped test says so")]
    fn site_rules_are_in_memory_once_for_each_version() {
        if !rustix::process::geteuid().is_root() {
            eprintln!("skipped: site rules belong to root");
            return;
        }
        let homes = tempfile::tempdir().unwrap();
        let site = homes.path().join("site.mailrules");
        let write = |folder: &str| {
            let text = format!("category \"spam\" {{\n    when spam -> folder \"{folder}\"\n}}\n");
            std::fs::write(&site, text).unwrap();
        };
        let mut cache = RuleCache::default();
        let mut of = |user: &str| {
            let rules = cache.of(&User::at(&homes.path().join(user)), Some(&site)).unwrap();
            Arc::clone(rules.set.site.as_ref().unwrap())
        };
        write("Junk");
        let first = of("a");
        assert!(Arc::ptr_eq(&first, &of("b")));
        write("Quarantine");
        let second = of("c");
        assert!(!Arc::ptr_eq(&first, &second));
        for user in ["a", "b", "c"] {
            assert!(Arc::ptr_eq(&second, &of(user)), "{user}");
        }
    }
}
