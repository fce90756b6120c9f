//! The workers: which one gets the next message, and what happens to one that dies and to
//! its message.
//!
//! Two workers never deliver one user's mail at the same time. It goes to the worker that
//! had it before, if that one is free; a new one is started when all are busy. When a
//! worker dies, its message gets a 451, unless it is found to be completely stored. A
//! message that two workers have died of goes to the inbox without rules; if a third dies
//! of it, the rules are not even loaded.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

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
/// How long a worker may take to start.
const START_TIME: Duration = Duration::from_secs(60);
/// How long it may take to find out what a dead worker has done.
const RECOVERY_TIME: Duration = Duration::from_secs(20);
/// How many workers try to find that out.
const RECOVERIES: usize = 10;
/// After this many deaths the next workers do not load the rules: that may be what killed
/// the others. A different Maildir that the rules set is then not searched.
const RECOVERIES_WITH_RULES: usize = 3;
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

/// The right to deliver one user's mail with one of the workers.
struct Seat<'p> {
    pool: &'p Pool,
    home: PathBuf,
    slot: usize,
    worker: Option<WarmWorker>,
    settings: Arc<LmtpSettings>,
    generation: u64,
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        let worker = self.worker.take();
        let (keep, worn) = match worker {
            Some(worker) if worker.is_worn(&self.settings, self.generation) => (None, Some(worker)),
            worker => (worker, None),
        };
        self.pool.put_back(self.slot, keep, Some(&self.home));
        if let Some(worn) = worn {
            self.pool.metrics.workers_replaced.count();
            worn.end();
        }
    }
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
    pub fn renew(&self, settings: Arc<LmtpSettings>) {
        let mut state = self.state();
        // Fewer slots only after the next start: the last ones may be in use.
        let slots = settings.workers.max(state.slots.len());
        state.slots.resize_with(slots, WorkerSlot::default);
        state.settings = settings;
        state.generation += 1;
        drop(state);
        self.look_after();
    }

    /// Ends workers that are old or have not been needed, and removes those that have
    /// died. The launcher may answer slowly, so only the slot of one worker is taken at a
    /// time.
    pub fn look_after(&self) {
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
            original: to.original.clone(),
            detail: to.detail.clone(),
            filtering,
        };
        let Some(mut seat) = self.seat(&to.account, since) else {
            return DeliveryResult::later("all workers are busy");
        };
        let order = WorkerOrder::Deliver(job.clone());
        let wall = seat.settings.limits.wall;
        match seat.ask(&to.account, &order, message, wall) {
            Ok(WorkerReaction::Answered(WorkerAnswer::Done { outcome, folders, broke })) => {
                if broke {
                    (self.tell)(&format!("an internal error at mail for {}", to.account.name));
                    self.deaths.note(message, &to.recipient);
                } else if deaths > 0 && !matches!(outcome, Outcome::Deferred { .. }) {
                    self.deaths.forget(message, &to.recipient);
                }
                DeliveryResult::of(&outcome, folders)
            }
            Ok(WorkerReaction::Died(why)) => {
                let count = self.deaths.note(message, &to.recipient);
                (self.tell)(&format!(
                    "a worker died at mail for {} ({why}), death {count} of this message",
                    to.account.name
                ));
                match seat.recover(&to.account, &job, message) {
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
    /// when the message had arrived.
    fn seat(&self, account: &Account, since: Instant) -> Option<Seat<'_>> {
        let _waiting = self.metrics.waiting.enter();
        let home = account.home.as_path();
        let mut state = self.state();
        let waiters = state.waiting.entry(home.to_owned()).or_default();
        *waiters += 1;
        let time = if *waiters > WAITERS { SHORT_QUEUE_TIME } else { QUEUE_TIME };
        let until = since + time;
        let slot = loop {
            if !state.busy.contains(home)
                && let Some(slot) = self.choose(&state, home)
            {
                break Some(slot);
            }
            let Some(left) = until.checked_duration_since(Instant::now()) else { break None };
            let waited = self.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        };
        if let Entry::Occupied(mut waiters) = state.waiting.entry(home.to_owned()) {
            *waiters.get_mut() -= 1;
            if *waiters.get() == 0 {
                waiters.remove();
            }
        }
        self.take(state, home, slot?)
    }

    fn take(
        &self,
        mut state: MutexGuard<'_, PoolState>,
        home: &Path,
        slot: usize,
    ) -> Option<Seat<'_>> {
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
        Some(Seat { pool: self, home, slot, worker, settings, generation })
    }

    /// A slot that is not busy. Where each user has a uid: the one whose worker has the
    /// user's, otherwise an empty one, otherwise the one that has been idle longest.
    /// Elsewhere a worker is started only if all others are busy, and of those that are
    /// idle the same one is chosen for a user each time: it has read the rules.
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

impl Seat<'_> {
    /// Has a worker do something; starts a new one if there is none or it has died.
    fn ask(
        &mut self,
        account: &Account,
        order: &WorkerOrder,
        message: &MessageData,
        time: Duration,
    ) -> io::Result<WorkerReaction> {
        for _ in 0..3 {
            let mut worker = match self.worker.take() {
                Some(worker) => worker,
                None => self.start(account)?,
            };
            match worker.ask(order, message, time) {
                WorkerReaction::Answered(answer) => {
                    worker.jobs += 1;
                    worker.used = Instant::now();
                    self.worker = Some(worker);
                    return Ok(WorkerReaction::Answered(answer));
                }
                WorkerReaction::WasDead => {
                    self.pool.metrics.workers_died.count();
                    worker.process.kill();
                }
                WorkerReaction::Died(why) => {
                    self.pool.metrics.workers_died.count();
                    worker.process.kill();
                    return Ok(WorkerReaction::Died(why));
                }
            }
        }
        Ok(WorkerReaction::WasDead)
    }

    /// Whether everything is stored that a dead worker had to store. The worker that
    /// finds this out may die as well.
    fn recover(&mut self, account: &Account, job: &Job, message: &MessageData) -> bool {
        for number in 0..RECOVERIES {
            let mut job = job.clone();
            if number >= RECOVERIES_WITH_RULES {
                job.filtering = Filtering::NoRules;
            }
            let order = WorkerOrder::Recover(job);
            match self.ask(account, &order, message, RECOVERY_TIME) {
                Ok(WorkerReaction::Answered(answer)) => {
                    return answer == WorkerAnswer::Recovered(true);
                }
                // Also when one dies while it starts: without an answer the mail would be
                // duplicated.
                Ok(WorkerReaction::Died(_) | WorkerReaction::WasDead) | Err(_) => {}
            }
        }
        false
    }

    fn start(&self, account: &Account) -> io::Result<WarmWorker> {
        let metrics = &self.pool.metrics;
        let (socket, process) = self.pool.spawner.start(account)?;
        metrics.workers_started.count();
        let now = Instant::now();
        let settings = &self.settings;
        let mut worker = WarmWorker {
            socket,
            process,
            owner: settings.own_uids.then(|| account.home.clone()),
            jobs: 0,
            started: now,
            used: now,
            generation: self.generation,
            read_timeout: None,
        };
        let order = WorkerOrder::Settings(Box::new((**settings).clone()));
        match worker.ask(&order, &MessageData::Memory(Vec::new()), START_TIME) {
            WorkerReaction::Answered(WorkerAnswer::Ready) => Ok(worker),
            failed => {
                metrics.workers_died.count();
                Err(io::Error::other(match failed {
                    WorkerReaction::Died(why) => why,
                    WorkerReaction::Answered(_) | WorkerReaction::WasDead => {
                        "it did not start".into()
                    }
                }))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;
    use std::sync::atomic::AtomicUsize;

    use super::*;
    use crate::lmtp::warm_worker::WorkerProcess;
    use crate::lmtp::wire::{self, WorkerFrame};

    /// Workers that are threads: the message says what one does.
    struct Threads {
        started: Arc<AtomicUsize>,
        at_work: Arc<AtomicUsize>,
    }

    struct Nobody;

    impl WorkerProcess for Nobody {
        fn kill(&mut self) {}

        fn has_ended(&mut self) -> bool {
            true
        }
    }

    impl Spawner for Threads {
        fn start(&self, _: &Account) -> io::Result<(UnixStream, Box<dyn WorkerProcess>)> {
            self.started.fetch_add(1, Ordering::Relaxed);
            let (ours, theirs) = UnixStream::pair()?;
            let at_work = Arc::clone(&self.at_work);
            std::thread::spawn(move || {
                while let Ok(Some(WorkerFrame { head, body, .. })) =
                    wire::receive::<WorkerOrder>(&theirs)
                {
                    let answer = match head {
                        WorkerOrder::Settings(_) => WorkerAnswer::Ready,
                        WorkerOrder::Deliver(Job { filtering, .. })
                        | WorkerOrder::Recover(Job { filtering, .. })
                            if body == b"die loading" && filtering != Filtering::NoRules =>
                        {
                            return;
                        }
                        WorkerOrder::Deliver(Job {
                            filtering: Filtering::Inbox | Filtering::NoRules,
                            ..
                        }) => WorkerAnswer::Done {
                            outcome: Outcome::Discarded,
                            folders: Vec::new(),
                            broke: false,
                        },
                        WorkerOrder::Deliver(_) if body == b"die" || body == b"die late" => return,
                        WorkerOrder::Deliver(_) if body == b"hang" => {
                            std::thread::sleep(Duration::from_secs(2));
                            return;
                        }
                        // An answer, a byte at a time.
                        WorkerOrder::Deliver(_) if body == b"drip" => {
                            let answer = WorkerAnswer::Done {
                                outcome: Outcome::Delivered,
                                folders: vec!["x".repeat(100)],
                                broke: false,
                            };
                            let (mut from, to) = UnixStream::pair().unwrap();
                            wire::send(&to, &answer, b"", None).unwrap();
                            drop(to);
                            let mut frame = Vec::new();
                            from.read_to_end(&mut frame).unwrap();
                            let _ = frame.iter().try_for_each(|byte| {
                                std::thread::sleep(Duration::from_millis(10));
                                (&theirs).write_all(std::slice::from_ref(byte))
                            });
                            return;
                        }
                        WorkerOrder::Deliver(_) => {
                            let before = at_work.fetch_add(1, Ordering::SeqCst);
                            if body == b"slow" {
                                std::thread::sleep(Duration::from_millis(30));
                            }
                            at_work.fetch_sub(1, Ordering::SeqCst);
                            let is_alone = before == 0 || body != b"slow";
                            let outcome = match is_alone && body != b"later" {
                                true => Outcome::Delivered,
                                false => Outcome::deferred("later"),
                            };
                            let broke = body == b"panic";
                            WorkerAnswer::Done { outcome, folders: Vec::new(), broke }
                        }
                        WorkerOrder::Recover(_) => WorkerAnswer::Recovered(body == b"die late"),
                    };
                    if wire::send(&theirs, &answer, b"", None).is_err() || body == b"last" {
                        return;
                    }
                }
            });
            Ok((ours, Box::new(Nobody)))
        }
    }

    fn pool(change: impl Fn(&mut LmtpSettings)) -> (Pool, Arc<AtomicUsize>) {
        let mut settings = LmtpSettings { workers: 2, ..LmtpSettings::default() };
        change(&mut settings);
        let started = Arc::new(AtomicUsize::new(0));
        let spawner = Threads { started: Arc::clone(&started), at_work: Arc::default() };
        let (settings, tell) = (Arc::new(settings), Arc::new(|_: &str| ()));
        (Pool::new(settings, Box::new(spawner), tell, Arc::default()), started)
    }

    fn deliver(pool: &Pool, user: &str, body: &str) -> u16 {
        let account = Account { name: user.into(), home: user.into(), uid: 1, gid: 1 };
        let to = Addressee { recipient: user.into(), original: None, detail: None, account };
        let message = MessageData::Memory(body.into());
        pool.deliver(&Envelope::default(), &to, &message, Instant::now()).reply.code
    }

    #[test]
    fn a_worker_is_kept_until_it_is_worn() {
        let (pool, started) = pool(|settings| settings.limits.jobs = 10);
        for _ in 0..25 {
            assert_eq!(deliver(&pool, "taro", "x"), 250);
        }
        assert_eq!(started.load(Ordering::Relaxed), 3);
        pool.renew(Arc::new(LmtpSettings::default()));
        assert_eq!(deliver(&pool, "taro", "x"), 250);
        assert_eq!(started.load(Ordering::Relaxed), 4);
        // A worker that died between two messages costs no message.
        assert_eq!(deliver(&pool, "taro", "last"), 250);
        std::thread::sleep(Duration::from_millis(50));
        assert_eq!(deliver(&pool, "taro", "x"), 250);
    }

    #[test]
    fn a_death_costs_one_message_and_the_third_try_goes_past_the_rules() {
        let (pool, _) = pool(|_| ());
        assert_eq!(deliver(&pool, "taro", "die late"), 250, "it is found");
        for body in ["die", "panic"] {
            let first = [deliver(&pool, "taro", body), deliver(&pool, "taro", body)];
            assert_eq!(first, if body == "die" { [451, 451] } else { [250, 250] });
            assert_eq!(deliver(&pool, "hana", "x"), 250);
            assert_eq!(deliver(&pool, "taro", body), 250, "the inbox");
        }
        assert_eq!(deliver(&pool, "hana", "die"), 451, "another recipient is another case");
    }

    #[test]
    fn rules_that_kill_while_they_are_loaded_are_left_alone_at_last() {
        let (pool, _) = pool(|_| ());
        let codes = [(); 4].map(|()| deliver(&pool, "taro", "die loading"));
        assert_eq!(codes, [451, 451, 451, 250]);
    }

    #[test]
    fn a_worker_that_hangs_is_ended() {
        let (pool, _) = pool(|settings| settings.limits.wall = Duration::from_millis(50));
        assert_eq!(deliver(&pool, "taro", "hang"), 451);
        assert_eq!(deliver(&pool, "taro", "x"), 250);
    }

    /// Where users have uids of their own, a worker is in the hands of its user.
    #[test]
    fn a_worker_that_answers_a_byte_at_a_time_is_ended() {
        let (pool, _) = pool(|settings| settings.limits.wall = Duration::from_millis(100));
        assert_eq!(deliver(&pool, "taro", "drip"), 451);
        assert_eq!(deliver(&pool, "taro", "x"), 250);
    }

    #[test]
    fn each_user_has_one_worker_where_each_has_a_uid() {
        let (pool, started) = pool(|settings| settings.own_uids = true);
        for user in ["a", "b", "a", "b", "c", "c"] {
            assert_eq!(deliver(&pool, user, "x"), 250);
        }
        assert_eq!(started.load(Ordering::Relaxed), 3);
    }

    #[test]
    fn one_user_is_never_served_twice_at_once() {
        let (pool, _) = pool(|settings| settings.workers = 4);
        std::thread::scope(|scope| {
            let slow = [(); 4].map(|()| scope.spawn(|| deliver(&pool, "taro", "slow")));
            assert_eq!(slow.map(|slow| slow.join().unwrap()), [250; 4]);
        });
    }

    #[test]
    fn a_worker_is_started_only_if_all_are_busy() {
        let (pool, started) = pool(|settings| settings.workers = 4);
        let users: Vec<String> = (0..200).map(|user| format!("user{user}")).collect();
        assert!(users.iter().all(|user| deliver(&pool, user, "x") == 250));
        assert_eq!(started.load(Ordering::Relaxed), 1);
        let seats = users.iter().take(3).map(|user| {
            let account = Account { name: user.clone(), home: user.into(), uid: 1, gid: 1 };
            let mut seat = pool.seat(&account, Instant::now()).unwrap();
            if seat.worker.is_none() {
                seat.worker = Some(seat.start(&account).unwrap());
            }
            seat
        });
        drop(seats.collect::<Vec<_>>());
        assert_eq!(started.load(Ordering::Relaxed), 3);
        let chosen = || -> Vec<usize> {
            let state = pool.state();
            users.iter().map(|user| pool.choose(&state, Path::new(user)).unwrap()).collect()
        };
        let before = chosen();
        let places: HashSet<usize> = before.iter().copied().collect();
        assert_eq!(places, HashSet::from([0, 1, 2]), "each has a share of the users");
        assert!(users.iter().all(|user| deliver(&pool, user, "x") == 250));
        assert_eq!(chosen(), before, "a user's worker stays the same");
    }

    #[test]
    fn nobody_waits_for_a_user_whose_worker_hangs() {
        let (pool, started) = pool(|settings| settings.limits.wall = Duration::from_millis(300));
        std::thread::scope(|scope| {
            let slow = scope.spawn(|| deliver(&pool, "taro", "hang"));
            while started.load(Ordering::Relaxed) == 0 {
                std::thread::yield_now();
            }
            for user in 0..20 {
                assert_eq!(deliver(&pool, &format!("user{user}"), "x"), 250);
            }
            assert!(!slow.is_finished(), "all others came before");
            assert_eq!(slow.join().unwrap(), 451);
        });
    }

    #[test]
    fn few_messages_wait_long_for_one_user() {
        let (pool, _) = pool(|_| ());
        let account = Account { name: "a".into(), home: "a".into(), uid: 1, gid: 1 };
        let before = Instant::now() - SHORT_QUEUE_TIME;
        let seat = pool.seat(&account, before).unwrap();
        std::thread::scope(|scope| {
            let wait = || pool.seat(&account, before).is_some();
            let waiting = [(); WAITERS].map(|()| scope.spawn(wait));
            while pool.state().waiting.values().sum::<usize>() < WAITERS {
                std::thread::yield_now();
            }
            assert!(pool.seat(&account, before).is_none(), "one more than may wait");
            let other = Account { home: "b".into(), ..account.clone() };
            assert!(pool.seat(&other, before).is_some());
            drop(seat);
            assert!(waiting.into_iter().all(|waiting| waiting.join().unwrap()));
        });
        assert!(pool.state().waiting.is_empty());
    }

    #[test]
    fn a_deferral_forgets_no_death() {
        let (pool, _) = pool(|_| ());
        let message = MessageData::Memory(b"later".into());
        pool.deaths.note(&message, "taro");
        assert_eq!(deliver(&pool, "taro", "later"), 451);
        assert_eq!(pool.deaths.of(&message, "taro"), 1);
    }
}
