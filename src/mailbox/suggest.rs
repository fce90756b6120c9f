//! Rules out of the user's own habits: what lies together in a folder and has something
//! in common that a rule can ask for.
//!
//! Mail is walked twice. First it is counted by what it can be told apart by; then each
//! rule that may be proposed is tried on all mail, beside what the rules in force do.
//! Memory is bounded: keys that were met least go when there are too many.

use std::collections::{HashMap, HashSet};

use crate::evaluate::{HabitKey, HabitKind};
use crate::plan::Folder;

/// A habit of fewer messages is none.
const LEAST: u32 = 10;
/// Of more keys those that were met least are forgotten, down to half of them.
const MOST_KEYS: usize = 200_000;
/// More folders of one key are not told apart: it is no habit.
const MOST_FOLDERS: usize = 8;

/// How many of a key's messages lie where.
#[derive(Debug, Clone, Default)]
struct KeyCount {
    all: u32,
    folders: Vec<(Folder, u32)>,
}

/// Mail, counted.
#[derive(Debug, Default)]
pub struct HabitTally {
    keys: HashMap<HabitKey, KeyCount>,
}

/// A rule that may be proposed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    /// By what.
    pub key: HabitKey,
    /// Where to.
    pub folder: Folder,
    /// Messages that the rule is about, behind the rules before it.
    pub all: u32,
    /// Of them those that lie there.
    pub there: u32,
    /// Of them those that the rules in force bring there.
    pub done: u32,
}

/// Nine of ten.
fn is_pure(part: u32, all: u32) -> bool {
    u64::from(part) * 10 >= u64::from(all) * 9
}

impl HabitTally {
    /// Counts a message that lies in a folder.
    pub fn add(&mut self, keys: Vec<HabitKey>, folder: &Folder) {
        for key in keys {
            let count = self.keys.entry(key).or_default();
            count.add(folder, 1);
        }
        self.forget_rare();
    }

    fn forget_rare(&mut self) {
        if self.keys.len() <= MOST_KEYS {
            return;
        }
        let mut least = 1;
        while self.keys.len() > MOST_KEYS / 2 {
            self.keys.retain(|_, count| count.all > least);
            least *= 2;
        }
    }

    /// Adds what another thread has counted.
    pub fn merge(&mut self, other: HabitTally) {
        for (key, count) in other.keys {
            let known = self.keys.entry(key).or_default();
            let (listed, all) = (count.folders, count.all);
            known.all += all - listed.iter().map(|(_, number)| number).sum::<u32>();
            listed.iter().for_each(|(folder, number)| known.add(folder, *number));
        }
        self.forget_rare();
    }

    /// The rules that may be proposed, in their order. `is_inbox` tells folders in which
    /// mail lies that nobody has filed.
    pub fn proposals(&self, is_inbox: impl Fn(&Folder) -> bool) -> Vec<Proposal> {
        let habit = |(key, count): (&HabitKey, &KeyCount)| {
            let (folder, there) = count.folders.iter().max_by_key(|(_, number)| *number)?;
            let fine = count.all >= LEAST && is_pure(*there, count.all) && !is_inbox(folder);
            fine.then(|| Proposal {
                key: key.clone(),
                folder: folder.clone(),
                all: count.all,
                there: *there,
                done: 0,
            })
        };
        let mut all: Vec<Proposal> = self.keys.iter().filter_map(habit).collect();
        // Of many senders of one domain, whose mail lies together, the domain is meant.
        let domain_of =
            |address: &str| address.rsplit_once('@').map(|(_, domain)| domain.to_owned());
        let mut senders: HashMap<(String, Folder), u32> = HashMap::new();
        for proposal in all.iter().filter(|each| each.key.0 == HabitKind::From) {
            if let Some(domain) = domain_of(&proposal.key.1) {
                *senders.entry((domain, proposal.folder.clone())).or_default() += 1;
            }
        }
        let domains: HashSet<(String, Folder)> = all
            .iter()
            .filter(|each| each.key.0 == HabitKind::FromDomain)
            .map(|each| (each.key.1.clone(), each.folder.clone()))
            .filter(|domain| senders.get(domain).is_some_and(|number| *number > 1))
            .collect();
        all.retain(|each| {
            each.key.0 != HabitKind::From
                || !domain_of(&each.key.1)
                    .is_some_and(|domain| domains.contains(&(domain, each.folder.clone())))
        });
        all.sort_by(|one, other| {
            let order = |each: &Proposal| (each.key.0, std::cmp::Reverse(each.all));
            order(one).cmp(&order(other)).then_with(|| one.key.1.cmp(&other.key.1))
        });
        all
    }
}

impl KeyCount {
    fn add(&mut self, folder: &Folder, number: u32) {
        self.all += number;
        if let Some((_, known)) = self.folders.iter_mut().find(|(known, _)| known == folder) {
            *known += number;
        } else if self.folders.len() < MOST_FOLDERS {
            self.folders.push((folder.clone(), number));
        }
    }
}

/// Proposals as they are tried.
#[derive(Debug, Clone, Default)]
pub struct BackTest {
    by_key: HashMap<HabitKey, usize>,
    proposals: Vec<Proposal>,
}

impl BackTest {
    /// Of these, in this order.
    pub fn new(proposals: Vec<Proposal>) -> BackTest {
        let numbered = proposals.iter().enumerate();
        let by_key = numbered.map(|(number, each)| (each.key.clone(), number)).collect();
        let zero = |each: Proposal| Proposal { all: 0, there: 0, done: 0, ..each };
        BackTest { by_key, proposals: proposals.into_iter().map(zero).collect() }
    }

    /// Whether there is a rule by this.
    pub fn has(&self, key: &HabitKey) -> bool {
        self.by_key.contains_key(key)
    }

    /// The first rule of these keys, and where it files.
    pub fn first(&self, keys: &[HabitKey]) -> Option<(usize, &Folder)> {
        let number = keys.iter().filter_map(|key| self.by_key.get(key).copied()).min()?;
        Some((number, &self.proposals.get(number)?.folder))
    }

    /// Counts a message that rule `number` takes: whether it lies where the rule files,
    /// and whether the rules in force file it there.
    pub fn add(&mut self, number: usize, is_there: bool, is_done: bool) {
        if let Some(proposal) = self.proposals.get_mut(number) {
            proposal.all += 1;
            proposal.there += u32::from(is_there);
            proposal.done += u32::from(is_done);
        }
    }

    /// Adds what another thread has counted.
    pub fn merge(&mut self, other: &BackTest) {
        for (known, more) in self.proposals.iter_mut().zip(&other.proposals) {
            known.all += more.all;
            known.there += more.there;
            known.done += more.done;
        }
    }

    /// What is left to be proposed: what no rule before it takes, and no rule in force
    /// does already.
    pub fn end(self) -> Vec<Proposal> {
        let fine = |each: &Proposal| {
            each.all >= LEAST && is_pure(each.there, each.all) && !is_pure(each.done, each.all)
        };
        self.proposals.into_iter().filter(fine).collect()
    }
}
