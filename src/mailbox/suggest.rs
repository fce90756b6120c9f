//! Rules derived from the user's own habits: mail that is together in a folder and has
//! something in common that a rule can test.
//!
//! Each message is read once: it is counted under each key that distinguishes it, and
//! noted with the folder in which the rules in force file it. Each rule that may be
//! proposed is then tried on these notes. Memory is bounded: when there are too many
//! keys, the rarest are forgotten, and a note takes some 50 bytes.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use crate::evaluate::{Habit, HabitKey, HabitKind};
use crate::plan::Folder;

/// How many messages make a habit.
const HABIT_MIN: u32 = 10;
/// The most keys; beyond that the rarest are forgotten, down to half of this number.
const MOST_KEYS: usize = 200_000;
/// The most folders that are counted for one key; with more it is not a habit.
const MOST_FOLDERS: usize = 8;

/// How many of a key's messages are in which folder.
#[derive(Debug, Clone, Default)]
struct KeyCount {
    all: u32,
    folders: Vec<(Folder, u32)>,
}

/// A message that a proposed rule may match.
#[derive(Debug)]
struct MailNote {
    lies_in: Arc<Folder>,
    /// Where the rules in force file it.
    goes_to: Option<Arc<Folder>>,
    /// How many keys it has.
    keys: usize,
}

/// Mail, counted and noted.
#[derive(Debug, Default)]
pub struct HabitTally {
    keys: HashMap<HabitKey, KeyCount>,
    notes: Vec<MailNote>,
    /// The hashes of the keys of all notes, in their order.
    hashes: Vec<u64>,
}

/// A rule that may be proposed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    /// What it tests.
    pub key: HabitKey,
    /// The folder in which it files.
    pub folder: Folder,
    /// How many messages it matches that no earlier proposal matches.
    pub all: u32,
    /// How many of them are in that folder.
    pub there: u32,
    /// How many of them the rules in force file there already.
    pub done: u32,
}

/// Whether a part is at least nine tenths.
fn is_pure(part: u32, all: u32) -> bool {
    u64::from(part) * 10 >= u64::from(all) * 9
}

impl HabitTally {
    /// Counts a message in a folder; the rules in force file it in `goes_to`, or in no
    /// folder.
    pub fn add(&mut self, habits: Vec<Habit>, lies_in: &Arc<Folder>, goes_to: Option<Arc<Folder>>) {
        let (lies_in, keys) = (lies_in.clone(), habits.len());
        for habit in habits {
            self.hashes.push(hash(&habit.key));
            if habit.is_proven {
                self.keys.entry(habit.key).or_default().add(&lies_in, 1);
            }
        }
        self.notes.push(MailNote { lies_in, goes_to, keys });
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
        self.notes.extend(other.notes);
        self.hashes.extend(other.hashes);
        self.forget_rare();
    }

    /// The rules that may be proposed, in their order. `is_inbox` says which folders
    /// contain mail that nobody has filed.
    pub fn proposals(&self, is_inbox: impl Fn(&Folder) -> bool) -> Vec<Proposal> {
        let habit = |(key, count): (&HabitKey, &KeyCount)| {
            let (folder, there) = count.folders.iter().max_by_key(|(_, number)| *number)?;
            let fine = count.all >= HABIT_MIN && is_pure(*there, count.all) && !is_inbox(folder);
            fine.then(|| Proposal {
                key: key.clone(),
                folder: folder.clone(),
                all: count.all,
                there: *there,
                done: 0,
            })
        };
        let mut all: Vec<Proposal> = self.keys.iter().filter_map(habit).collect();
        // If mail of several senders of one domain is together, the rule should test the
        // domain.
        let domain_of =
            |address: &str| address.rsplit_once('@').map(|(_, domain)| domain.to_owned());
        let mut senders: HashMap<(String, Folder), u32> = HashMap::new();
        for proposal in all.iter().filter(|proposal| proposal.key.0 == HabitKind::From) {
            if let Some(domain) = domain_of(&proposal.key.1) {
                *senders.entry((domain, proposal.folder.clone())).or_default() += 1;
            }
        }
        let domains: HashSet<(String, Folder)> = all
            .iter()
            .filter(|proposal| proposal.key.0 == HabitKind::FromDomain)
            .map(|proposal| (proposal.key.1.clone(), proposal.folder.clone()))
            .filter(|domain| senders.get(domain).is_some_and(|number| *number > 1))
            .collect();
        all.retain(|proposal| {
            proposal.key.0 != HabitKind::From
                || !domain_of(&proposal.key.1)
                    .is_some_and(|domain| domains.contains(&(domain, proposal.folder.clone())))
        });
        all.sort_by(|one, other| {
            let order = |proposal: &Proposal| (proposal.key.0, std::cmp::Reverse(proposal.all));
            order(one).cmp(&order(other)).then_with(|| one.key.1.cmp(&other.key.1))
        });
        all
    }

    /// Tries proposals, in their order, on all mail. Returns those that are still
    /// worthwhile after earlier proposals and the rules in force have taken their mail.
    /// `is_same` compares folders.
    pub fn back_test(
        &self,
        mut proposals: Vec<Proposal>,
        is_same: impl Fn(&Folder, &Folder) -> bool,
    ) -> Vec<Proposal> {
        let numbered = proposals.iter().enumerate();
        let by_hash: HashMap<u64, usize> =
            numbered.map(|(number, proposal)| (hash(&proposal.key), number)).collect();
        for proposal in &mut proposals {
            (proposal.all, proposal.there, proposal.done) = (0, 0, 0);
        }
        let mut hashes = self.hashes.iter();
        let mut known: HashMap<(usize, &Folder), bool> = HashMap::new();
        for note in &self.notes {
            let keys = hashes.by_ref().take(note.keys);
            let first = keys.filter_map(|hash| by_hash.get(hash).copied()).min();
            let Some((number, proposal)) =
                first.and_then(|number| Some((number, proposals.get_mut(number)?)))
            else {
                continue;
            };
            let is_done = note.goes_to.as_deref().is_some_and(|to| {
                *known.entry((number, to)).or_insert_with(|| is_same(to, &proposal.folder))
            });
            proposal.all += 1;
            proposal.there += u32::from(*note.lies_in == proposal.folder);
            proposal.done += u32::from(is_done);
        }
        proposals.retain(|proposal| {
            proposal.all >= HABIT_MIN
                && is_pure(proposal.there, proposal.all)
                && !is_pure(proposal.done, proposal.all)
        });
        proposals
    }
}

fn hash(key: &HabitKey) -> u64 {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    hasher.finish()
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
