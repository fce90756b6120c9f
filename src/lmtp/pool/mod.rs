//! The workers: which one gets the next message, and what happens to one that dies and to
//! its message.
//!
//! Two workers never deliver one user's mail at the same time. It goes to the worker that
//! had it before, if that one is free; a new one is started when all are busy. When a
//! worker dies, its message gets a 451, unless it is found to be completely stored. A
//! message that two workers have died of goes to the inbox without rules; if a third dies
//! of it, the rules are not even loaded.

mod lease;

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use self::lease::WorkerLease;
use super::accounts::Account;
use super::deaths::Deaths;
use super::metrics::Metrics;
use super::record::DeliveryResult;
use super::session::{Addressee, Envelope};
use super::settings::LmtpSettings;
use super::spool::MessageData;
use super::warm_worker::{Spawner, WarmWorker, WorkerReaction};
use super::wire::{Job, WorkerAnswer, WorkerOrder};
use crate::mda::Filtering;
use crate::outcome::Outcome;

/// How long after its end a message waits for a worker. Together with the time of a
/// delivery this is less than MTAs wait (Postfix: 600 s).
const QUEUE_TIME: Duration = Duration::from_secs(240);
/// How many messages of one user wait that long. Further ones wait only
/// [`SHORT_QUEUE_TIME`]: they would occupy all connections of an MTA.
const WAITERS: usize = 4;
/// How long further mail for a busy user waits.
const SHORT_QUEUE_TIME: Duration = Duration::from_secs(10);
/// How many workers may die of a message before it is delivered without rules.
const DEATHS: u32 = 2;

/// Called with what is worth a line in the log.
pub type PoolLog = dyn Fn(&str) + Send + Sync;

/// Counts jobs, so that no two have the same number.
static JOBS: AtomicU64 = AtomicU64::new(0);

/// All workers.
pub struct Pool {
    spawner: Box<dyn Spawner>,
    tell: Arc<PoolLog>,
    metrics: Arc<Metrics>,
    hasher: RandomState,
    state: Mutex<PoolState>,
    changed: Condvar,
    deaths: Deaths,
}

struct PoolState {
    settings: Arc<LmtpSettings>,
    /// Counts the changes of settings.
    generation: u64,
    slots: Vec<WorkerSlot>,
    /// The homes of the users whose mail is being delivered.
    busy: HashSet<PathBuf>,
    /// How many messages are waiting, by home.
    waiting: HashMap<PathBuf, usize>,
}

#[derive(Default)]
enum WorkerSlot {
    #[default]
    Empty,
    Idle(WarmWorker),
    Busy,
}

impl Pool {
    /// A pool whose workers `spawner` starts when they are needed.
    pub fn new(
        settings: Arc<LmtpSettings>,
        spawner: Box<dyn Spawner>,
        tell: Arc<PoolLog>,
        metrics: Arc<Metrics>,
    ) -> Pool {
        let slots = (0..settings.workers.max(1)).map(|_| WorkerSlot::Empty).collect();
        let state = PoolState {
            settings,
            generation: 0,
            slots,
            busy: HashSet::new(),
            waiting: HashMap::new(),
        };
        Pool {
            spawner,
            tell,
            metrics,
            hasher: RandomState::new(),
            state: Mutex::new(state),
            changed: Condvar::new(),
            deaths: Deaths::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, PoolState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Uses other settings from now on; workers are replaced when they have finished.
    pub fn change_settings(&self, settings: Arc<LmtpSettings>) {
        let mut state = self.state();
        // Fewer slots only after the next start: the last ones may be in use.
        let slots = settings.workers.max(state.slots.len());
        state.slots.resize_with(slots, WorkerSlot::default);
        state.settings = settings;
        state.generation += 1;
        drop(state);
        self.maintain();
    }

    /// Ends workers that are old or have not been needed, and removes those that have
    /// died. The launcher may answer slowly, so only the slot of one worker is taken at a
    /// time.
    pub fn maintain(&self) {
        let slots = self.state().slots.len();
        for at in 0..slots {
            let mut state = self.state();
            let Some(slot) = state.slots.get_mut(at) else { return };
            let mut worker = match std::mem::replace(slot, WorkerSlot::Busy) {
                WorkerSlot::Idle(worker) => worker,
                other => {
                    *slot = other;
                    continue;
                }
            };
            let (settings, generation) = (Arc::clone(&state.settings), state.generation);
            drop(state);
            let counter = if worker.process.has_ended() {
                &self.metrics.workers_died
            } else if worker.is_worn(&settings, generation) {
                &self.metrics.workers_replaced
            } else {
                self.put_back(at, Some(worker), None);
                continue;
            };
            counter.count();
            self.put_back(at, None, None);
            worker.end();
        }
    }

    /// Frees a slot for the next message, and ends a user's turn.
    fn put_back(&self, slot: usize, worker: Option<WarmWorker>, home: Option<&Path>) {
        let mut state = self.state();
        if let Some(slot) = state.slots.get_mut(slot) {
            *slot = worker.map_or(WorkerSlot::Empty, WorkerSlot::Idle);
        }
        if let Some(home) = home {
            state.busy.remove(home);
        }
        let someone_waits = !state.waiting.is_empty();
        drop(state);
        if someone_waits {
            self.changed.notify_all();
        }
    }

    /// Ends all idle workers.
    pub fn end(&self) {
        let slots = std::mem::take(&mut self.state().slots);
        for slot in slots {
            if let WorkerSlot::Idle(worker) = slot {
                worker.end();
            }
        }
    }

    /// Delivers a message to one recipient.
    pub fn deliver(
        &self,
        envelope: &Envelope,
        to: &Addressee,
        message: &MessageData,
        since: Instant,
    ) -> DeliveryResult {
        let deaths = self.deaths.of(message, &to.recipient);
        let filtering = match deaths {
            ..DEATHS => Filtering::Rules,
            DEATHS => Filtering::Inbox,
            _ => Filtering::NoRules,
        };
        if filtering != Filtering::Rules {
            self.metrics.poison.count();
        }
        let job = Job {
            // An address may occur twice in one transaction.
            id: self.hasher.hash_one((
                JOBS.fetch_add(1, Ordering::Relaxed),
                since,
                std::process::id(),
            )),
            account: to.account.clone(),
            sender: envelope.sender.clone(),
            recipient: to.recipient.clone(),
            mailbox: to.mailbox.clone(),
            original: to.original.clone(),
            detail: to.detail.clone(),
            filtering,
        };
        let mut lease = match self.acquire(&to.account, since) {
            Ok(lease) => lease,
            Err(why) => return DeliveryResult::later(why),
        };
        let order = WorkerOrder::Deliver(job.clone());
        let wall = lease.settings.limits.wall;
        match lease.ask(&to.account, &order, message, wall) {
            Ok(WorkerReaction::Answered(WorkerAnswer::Done { outcome, folders, broke })) => {
                if broke {
                    let user = &to.account.name;
                    (self.tell)(&format!("an internal error while mail for {user} was delivered"));
                    self.deaths.note(message, &to.recipient);
                } else if deaths > 0 && !matches!(outcome, Outcome::Deferred { .. }) {
                    self.deaths.forget(message, &to.recipient);
                }
                DeliveryResult::of(&outcome, folders)
            }
            Ok(WorkerReaction::Died(why)) => {
                let count = self.deaths.note(message, &to.recipient);
                (self.tell)(&format!(
                    "a worker died while it delivered mail for {} ({why}): death {count} of this \
                     message",
                    to.account.name
                ));
                match lease.recover(&to.account, &job, message) {
                    true => DeliveryResult::recovered(),
                    false => DeliveryResult::later("the delivery was ended before it was done"),
                }
            }
            Ok(
                WorkerReaction::Answered(WorkerAnswer::Recovered(_) | WorkerAnswer::Ready)
                | WorkerReaction::WasDead,
            ) => DeliveryResult::later("the worker is gone"),
            Err(error) => {
                (self.tell)(&format!("no worker for {}: {error}", to.account.name));
                DeliveryResult::later("no worker can be started")
            }
        }
    }

    /// Waits until nothing else delivers the user's mail and a worker is free; `since` is
    /// when the message had arrived. Otherwise it returns what was waited for in vain.
    fn acquire(&self, account: &Account, since: Instant) -> Result<WorkerLease<'_>, &'static str> {
        let _waiting = self.metrics.waiting.enter();
        let home = account.home.as_path();
        let mut state = self.state();
        let waiters = state.waiting.entry(home.to_owned()).or_default();
        *waiters += 1;
        let time = if *waiters > WAITERS { SHORT_QUEUE_TIME } else { QUEUE_TIME };
        let until = since + time;
        let slot = loop {
            let why = match state.busy.contains(home) {
                true => "other mail for this user is still being delivered",
                false => match self.choose(&state, home) {
                    Some(slot) => break Ok(slot),
                    None => "all workers are busy",
                },
            };
            let Some(left) = until.checked_duration_since(Instant::now()) else { break Err(why) };
            let waited = self.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        };
        if let Entry::Occupied(mut waiters) = state.waiting.entry(home.to_owned()) {
            *waiters.get_mut() -= 1;
            if *waiters.get() == 0 {
                waiters.remove();
            }
        }
        self.take(state, home, slot?).ok_or("the worker is gone")
    }

    fn take(
        &self,
        mut state: MutexGuard<'_, PoolState>,
        home: &Path,
        slot: usize,
    ) -> Option<WorkerLease<'_>> {
        let place = state.slots.get_mut(slot)?;
        let worker = match std::mem::replace(place, WorkerSlot::Busy) {
            WorkerSlot::Idle(worker) => Some(worker),
            WorkerSlot::Empty | WorkerSlot::Busy => None,
        };
        state.busy.insert(home.to_owned());
        let (settings, generation) = (Arc::clone(&state.settings), state.generation);
        drop(state);
        // It may have another user's uid, or other settings.
        let fits = |worker: &WarmWorker| {
            worker.generation == generation
                && worker.owner.as_deref().is_none_or(|owner| owner == home)
        };
        let (worker, other) = match worker {
            Some(worker) if fits(&worker) => (Some(worker), None),
            worker => (None, worker),
        };
        if let Some(other) = other {
            self.metrics.workers_replaced.count();
            other.end();
        }
        let home = home.to_owned();
        Some(WorkerLease { pool: self, home, slot, worker, settings, generation })
    }

    /// A slot that is not busy. Where each user has a uid: the one whose worker has the
    /// user's, otherwise an empty one, otherwise the one that has been idle longest.
    /// Elsewhere a worker is started only if all others are busy, and among the idle ones
    /// the same one is chosen for a user each time: it has read the rules.
    fn choose(&self, state: &PoolState, home: &Path) -> Option<usize> {
        let slots = &state.slots;
        let idle = slots.iter().enumerate().filter_map(|(at, slot)| match slot {
            WorkerSlot::Idle(worker) => Some((at, worker)),
            WorkerSlot::Empty | WorkerSlot::Busy => None,
        });
        let first_empty = || slots.iter().position(|slot| matches!(slot, WorkerSlot::Empty));
        let at = |(at, _): (usize, &WarmWorker)| at;
        if state.settings.own_uids {
            let own = idle.clone().find(|(_, worker)| worker.owner.as_deref() == Some(home));
            let longest_idle = || idle.min_by_key(|(_, worker)| worker.used).map(at);
            return own.map(at).or_else(first_empty).or_else(longest_idle);
        }
        let user = self.hasher.hash_one(home);
        let own = idle.map(at).max_by_key(|at| self.hasher.hash_one((user, at)));
        own.or_else(first_empty)
    }
}

#[cfg(test)]
mod tests;
