//! The right to deliver one user's mail with one of the workers, and what is asked of
//! that worker.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Pool;
use crate::lmtp::accounts::Account;
use crate::lmtp::settings::LmtpSettings;
use crate::lmtp::spool::MessageData;
use crate::lmtp::warm_worker::{WarmWorker, WorkerReaction};
use crate::lmtp::wire::{Job, WorkerAnswer, WorkerOrder};
use crate::mda::Filtering;

/// How long a worker may take to start.
const START_TIME: Duration = Duration::from_secs(60);
/// How long it may take to find out what a dead worker has done.
const RECOVERY_TIME: Duration = Duration::from_secs(20);
/// How many workers try to find that out.
const RECOVERIES: usize = 10;
/// After this many deaths the next workers do not load the rules: that may be what killed
/// the others. A different Maildir that the rules set is then not searched.
const RECOVERIES_WITH_RULES: usize = 3;

/// The right to deliver one user's mail with one of the workers.
pub(super) struct WorkerLease<'p> {
    pub(super) pool: &'p Pool,
    pub(super) home: PathBuf,
    pub(super) slot: usize,
    pub(super) worker: Option<WarmWorker>,
    pub(super) settings: Arc<LmtpSettings>,
    pub(super) generation: u64,
}

impl Drop for WorkerLease<'_> {
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

impl WorkerLease<'_> {
    /// Has a worker do something; starts a new one if there is none or it has died.
    pub(super) fn ask(
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
    pub(super) fn recover(&mut self, account: &Account, job: &Job, message: &MessageData) -> bool {
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

    pub(super) fn start(&self, account: &Account) -> io::Result<WarmWorker> {
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
