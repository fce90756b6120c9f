//! What unit tests of several rooms share.

use std::hint::black_box;
use std::io::{Read, Seek};

use rustix::time::{ClockId, clock_gettime};

use crate::message::Message;

/// A message as it is written to a file.
pub(crate) fn bytes_of(message: &Message) -> Vec<u8> {
    let mut file = tempfile::tempfile().unwrap();
    message.write_to(&[], &mut file).unwrap();
    file.rewind().unwrap();
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).unwrap();
    bytes
}

/// Fails when `work` on an input four times as large takes much more than four
/// times as long: processor time of this thread, so that a loaded machine does
/// not matter, and the shortest of three runs.
pub(crate) fn linear<T>(input: impl Fn(usize) -> T, work: impl Fn(&T)) {
    let cost = |times| {
        let input = input(times);
        let run = || {
            let before = processor_time();
            work(black_box(&input));
            processor_time() - before
        };
        (0..3).map(|_| run()).min().unwrap_or_default()
    };
    // Below a millisecond we would only measure the clock and the caches.
    let mut times = 1;
    let mut small = cost(times);
    while small < 1_000_000 && times < 1 << 12 {
        times *= 4;
        small = cost(times);
    }
    let large = cost(4 * times);
    assert!(large < 9 * small, "{large} ns for four times of what takes {small} ns");
}

/// The processor time of this thread, nanoseconds.
fn processor_time() -> i64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec * 1_000_000_000 + time.tv_nsec
}

#[test]
#[should_panic(expected = "for four times of what takes")]
fn quadratic_work_is_found() {
    let work = |numbers: &Vec<u64>| {
        let sum = numbers.iter().map(|a| numbers.iter().map(|b| black_box(a * b)).sum::<u64>());
        black_box(sum.sum::<u64>());
    };
    // A host that takes the processor away slows the small input too, now and then.
    for _ in 0..5 {
        linear(|times| vec![1_u64; 500 * times], work);
    }
}
