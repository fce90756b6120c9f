//! What is known at a place of a script: what became of the implicit keep, variables,
//! flags, what tests have captured; and what of it is still known where two paths meet.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::variables::{KnownValue, SieveVariables};
use crate::import::ir::Mark;

/// What follows a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tail {
    /// More of the script.
    More,
    /// Nothing, but other branches come after it in the text.
    Branch,
    /// Nothing at all.
    End,
}

/// What may have become of the implicit keep, as bits.
pub(super) const KEPT: u8 = 1;

/// Stored somewhere.
pub(super) const FILED: u8 = 2;

/// Cancelled, and stored nowhere.
pub(super) const DROPPED: u8 = 4;

/// What `${1}` stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum SieveCapture {
    /// A part of a date, as a template says it.
    Date(Rc<str>),
    /// Nothing: no test has matched.
    Nothing,
    /// What the condition around it captured; whether the first group is all that fitted,
    /// and the number of the last one.
    Here { whole: bool, last: u32 },
    /// What some test before captured.
    Unknown,
    /// What a test of known text captured: [`State::values`].
    Known,
}

/// What is known at a place.
#[derive(Debug, Clone)]
pub(super) struct State {
    pub(super) keep: u8,
    pub(super) variables: Rc<SieveVariables>,
    pub(super) flags_must: Rc<BTreeSet<Mark>>,
    pub(super) flags_may: Rc<BTreeSet<Mark>>,
    /// Why flags may have been set that were not translated.
    pub(super) flags_lost: Option<String>,
    /// After how long the message may expire, in seconds; none for never.
    pub(super) expiry: Rc<BTreeSet<Option<u64>>>,
    /// Why something that was not translated may have changed that.
    pub(super) expiry_lost: Option<String>,
    pub(super) captured: SieveCapture,
    /// `${0}` and so on, where they are known.
    pub(super) values: Rc<Vec<String>>,
    /// Headers that were added or taken out, in lower case.
    pub(super) edited: Rc<BTreeSet<String>>,
    /// Groups whose values make one level of a folder's name.
    pub(super) one_level: Rc<BTreeSet<u32>>,
    /// Where it may have been stored.
    pub(super) stored: Rc<BTreeMap<String, SieveStored>>,
    /// To whom it may have been sent on, and whether as a copy, beside the implicit keep.
    pub(super) sent: Rc<BTreeMap<String, bool>>,
    /// The programs to which it may have been given.
    pub(super) piped: Rc<BTreeSet<String>>,
    /// How often it may have been sent on, at most.
    pub(super) redirects: usize,
    /// Nothing after this place is reached.
    pub(super) ended: bool,
    /// The included script was left.
    pub(super) returned: bool,
}

/// How a message may already be stored in a folder.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct SieveStored {
    /// With these flags, if that is known.
    pub(super) flags: Option<BTreeSet<Mark>>,
    /// As a copy, beside the implicit keep.
    pub(super) copied: bool,
}

impl State {
    pub(super) fn new() -> State {
        State {
            keep: KEPT,
            variables: Rc::default(),
            flags_must: Rc::default(),
            flags_may: Rc::default(),
            flags_lost: None,
            expiry: Rc::new(BTreeSet::from([None])),
            expiry_lost: None,
            captured: SieveCapture::Nothing,
            values: Rc::default(),
            edited: Rc::default(),
            one_level: Rc::default(),
            stored: Rc::default(),
            sent: Rc::default(),
            piped: Rc::default(),
            redirects: 0,
            ended: false,
            returned: false,
        }
    }

    /// How many things are known.
    pub(super) fn size(&self) -> usize {
        self.variables.len()
            + self.flags_may.len()
            + self.expiry.len()
            + self.edited.len()
            + self.stored.len()
            + self.sent.len()
            + self.piped.len()
            + self.values.len()
    }

    /// What is known where two paths meet.
    pub(super) fn join(self, other: State) -> State {
        let variables = if Rc::ptr_eq(&self.variables, &other.variables) {
            self.variables
        } else {
            let empty = KnownValue::Text(String::new());
            let names: BTreeSet<&String> =
                self.variables.keys().chain(other.variables.keys()).collect();
            let of = |variables: &SieveVariables, name: &str| {
                variables.get(name).unwrap_or(&empty).clone()
            };
            let join = |name: &String| {
                (name.clone(), of(&self.variables, name).join(of(&other.variables, name)))
            };
            Rc::new(names.into_iter().map(join).collect())
        };
        let mut stored = self.stored;
        if !Rc::ptr_eq(&stored, &other.stored) {
            let all = Rc::make_mut(&mut stored);
            for (folder, how) in other.stored.iter() {
                let known = all.entry(folder.clone()).or_insert_with(|| how.clone());
                known.copied |= how.copied;
                if known.flags != how.flags {
                    known.flags = None;
                }
            }
        }
        let join = |one: Rc<BTreeSet<Mark>>, other: Rc<BTreeSet<Mark>>, all: bool| {
            if Rc::ptr_eq(&one, &other) {
                return one;
            }
            Rc::new(if all { &*one | &*other } else { &*one & &*other })
        };
        State {
            keep: self.keep | other.keep,
            variables,
            flags_must: join(self.flags_must, other.flags_must, false),
            flags_may: join(self.flags_may, other.flags_may, true),
            flags_lost: self.flags_lost.or(other.flags_lost),
            expiry: if Rc::ptr_eq(&self.expiry, &other.expiry) {
                self.expiry
            } else {
                Rc::new(&*self.expiry | &*other.expiry)
            },
            expiry_lost: self.expiry_lost.or(other.expiry_lost),
            edited: join_names(self.edited, other.edited),
            one_level: Rc::default(),
            stored,
            sent: join_sent(self.sent, other.sent),
            piped: join_names(self.piped, other.piped),
            redirects: self.redirects.max(other.redirects),
            captured: if self.captured == other.captured && self.values == other.values {
                self.captured
            } else {
                SieveCapture::Unknown
            },
            values: self.values,
            ended: false,
            returned: false,
        }
    }
}

fn join_sent(
    mut one: Rc<BTreeMap<String, bool>>,
    other: Rc<BTreeMap<String, bool>>,
) -> Rc<BTreeMap<String, bool>> {
    if !Rc::ptr_eq(&one, &other) {
        let all = Rc::make_mut(&mut one);
        for (to, copied) in other.iter() {
            *all.entry(to.clone()).or_default() |= copied;
        }
    }
    one
}

fn join_names(mut one: Rc<BTreeSet<String>>, other: Rc<BTreeSet<String>>) -> Rc<BTreeSet<String>> {
    if !Rc::ptr_eq(&one, &other) {
        Rc::make_mut(&mut one).extend(other.iter().cloned());
    }
    one
}
