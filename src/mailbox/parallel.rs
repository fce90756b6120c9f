//! Work on all cores, with the results in order.
//!
//! Each thread takes the next few messages off a source and works on them; a
//! [`crate::world::World`] and a message stay with their thread. Results wait in a short
//! queue for earlier ones, and no thread runs further ahead than the length of that
//! queue, so memory does not grow with the mailbox.

use std::collections::BTreeSet;
use std::io;
use std::num::NonZeroUsize;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::Builder;

use super::{MessageSource, Walk};
use crate::outcome::Failure;

/// How many messages a thread takes at a time.
const BATCH: usize = 32;
/// How much memory they may use, bytes; if they use more, a thread takes fewer.
const BATCH_MEMORY: usize = 1 << 20;
/// The most threads; more would only wait for the disk.
const MOST_THREADS: usize = 8;
/// How many finished batches may wait for an earlier one, per thread.
const AHEAD: usize = 4;

/// Works on everything a walk finds, see [`in_order`].
///
/// # Errors
/// No thread can be started.
pub fn walk_in_order<S, R: Send, T: Send>(
    mut walk: Walk,
    start: impl Fn() -> S + Sync,
    work: impl Fn(&mut S, Turn<'_>, Vec<Result<MessageSource, Failure>>) -> Vec<R> + Sync,
    end: impl Fn(S) -> T + Sync,
    take: impl FnMut(R) -> bool,
) -> io::Result<Vec<T>> {
    let batch = move || {
        let (mut batch, mut memory) = (Vec::new(), 0);
        while batch.len() < BATCH && memory < BATCH_MEMORY {
            let Some(item) = walk.next() else { break };
            memory += item.as_ref().map_or(0, MessageSource::weight);
            batch.push(item);
        }
        (!batch.is_empty()).then_some(batch)
    };
    in_order(MOST_THREADS, batch, start, work, end, take)
}

/// The source of batches, and the number of the next one.
struct BatchSource<B> {
    batch: B,
    number: u64,
}

/// Works on batches in at most `most_threads` threads. `start` creates what a thread
/// needs; `work` receives that and a batch, and returns its results. `take` gets them on
/// the calling thread, in the order of the batches, until it returns `false`. `end`
/// returns what a thread has left at its end.
///
/// # Errors
/// No thread can be started.
pub fn in_order<I, S, R: Send, T: Send>(
    most_threads: usize,
    batch: impl FnMut() -> Option<I> + Send,
    start: impl Fn() -> S + Sync,
    work: impl Fn(&mut S, Turn<'_>, I) -> Vec<R> + Sync,
    end: impl Fn(S) -> T + Sync,
    mut take: impl FnMut(R) -> bool,
) -> io::Result<Vec<T>> {
    let threads = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let threads = threads.min(most_threads).min(MOST_THREADS);
    let source = Mutex::new(BatchSource { batch, number: 0 });
    let order = Order::default();
    let (queue, in_order) = sync_channel(threads * AHEAD);
    std::thread::scope(|scope| {
        let (source, order, start, work, end) = (&source, &order, &start, &work, &end);
        let worker = |queue: SyncSender<_>| {
            move || {
                let mut state = start();
                while let Some((number, batch, results)) = next(source, &queue) {
                    let turn = Turn { number, order };
                    if results.send(work(&mut state, turn, batch)).is_err() {
                        break;
                    }
                }
                end(state)
            }
        };
        let mut workers = Vec::new();
        for _ in 0..threads {
            match Builder::new().spawn_scoped(scope, worker(queue.clone())) {
                Ok(started) => workers.push(started),
                // Fewer threads are enough, too.
                Err(error) if workers.is_empty() => return Err(error),
                Err(_) => break,
            }
        }
        drop(queue);
        'all: for results in in_order.iter() {
            for result in results.recv().unwrap_or_default() {
                if !take(result) {
                    break 'all;
                }
            }
        }
        // Threads that wait to queue more learn that nobody will receive it.
        drop(in_order);
        let ends = workers.into_iter().map(|worker| match worker.join() {
            Ok(end) => end,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        Ok(ends.collect())
    })
}

/// A batch, its number, and where its results go.
type Batch<I, R> = (u64, I, SyncSender<Vec<R>>);

/// The next batch; its results' place in the queue is reserved.
fn next<I, R>(
    source: &Mutex<BatchSource<impl FnMut() -> Option<I>>>,
    queue: &SyncSender<Receiver<Vec<R>>>,
) -> Option<Batch<I, R>> {
    let mut source = lock(source);
    let batch = (source.batch)()?;
    let (sender, receiver) = sync_channel(1);
    queue.send(receiver).ok()?;
    source.number += 1;
    Some((source.number - 1, batch, sender))
}

/// The order in which batches have their turn.
#[derive(Default)]
struct Order {
    /// The next batch, and later ones that no longer need their turn.
    next: Mutex<(u64, BTreeSet<u64>)>,
    turned: Condvar,
}

/// The right of a batch to do something after all earlier batches and before all later
/// ones. If it is dropped unused, the later ones may pass.
pub struct Turn<'o> {
    number: u64,
    order: &'o Order,
}

impl Turn<'_> {
    /// Waits for the turn, and then does `what`.
    pub fn take<T>(self, what: impl FnOnce() -> T) -> T {
        let mut next = lock(&self.order.next);
        while next.0 != self.number {
            next = self.order.turned.wait(next).unwrap_or_else(PoisonError::into_inner);
        }
        drop(next);
        what()
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut next = lock(&self.order.next);
        let (number, over) = &mut *next;
        over.insert(self.number);
        while over.remove(number) {
            *number += 1;
        }
        self.order.turned.notify_all();
    }
}

/// The data is still sound after a panic.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;
    use crate::mailbox::message_sources;

    fn many(home: &Path, number: usize) {
        for at in 0..number {
            fs::write(home.join(format!("{at:04}")), "Subject: x\n\n").unwrap();
        }
    }

    #[test]
    fn the_result_is_in_the_order_of_the_walk() {
        let home = tempfile::tempdir().unwrap();
        many(home.path(), 1000);
        let mut labels = Vec::new();
        let counts = walk_in_order(
            message_sources([home.path().to_owned()]),
            || 0,
            |count, turn, batch| {
                *count += batch.len();
                // The first of two takes longer.
                if turn.number % 2 == 0 {
                    std::thread::sleep(std::time::Duration::from_millis(2));
                }
                batch.into_iter().map(|source| source.ok().map(|source| source.label)).collect()
            },
            |count| count,
            |label: Option<String>| {
                labels.extend(label);
                true
            },
        )
        .unwrap();
        assert_eq!(counts.iter().sum::<usize>(), 1000);
        assert_eq!(labels.len(), 1000);
        assert!(labels.is_sorted());
    }

    #[test]
    fn turns_are_taken_in_order() {
        let home = tempfile::tempdir().unwrap();
        many(home.path(), 1000);
        let numbers = Mutex::new(Vec::new());
        walk_in_order(
            message_sources([home.path().to_owned()]),
            || (),
            |(), turn, _| {
                let number = turn.number;
                if number % 3 != 0 {
                    turn.take(|| lock(&numbers).push(number));
                }
                Vec::<()>::new()
            },
            |()| (),
            |()| true,
        )
        .unwrap();
        let numbers = lock(&numbers);
        assert!(numbers.len() > 20 && numbers.is_sorted(), "{numbers:?}");
    }

    #[test]
    fn a_reader_that_closes_stops_it() {
        let home = tempfile::tempdir().unwrap();
        many(home.path(), 1000);
        let mut took = 0;
        walk_in_order(
            message_sources([home.path().to_owned()]),
            || (),
            |(), _, batch| batch,
            |()| (),
            |_| {
                took += 1;
                took < 40
            },
        )
        .unwrap();
        assert_eq!(took, 40);
    }
}
