//! A circuit breaker: a store that could not be reached three times is not tried for a
//! while, so that nothing waits for it. Then a single try tests it.

use std::time::{Duration, Instant};

/// How many consecutive failures open the circuit.
const MOST_FAILURES: u32 = 3;
/// How long it is open the first time; the time doubles with each failure, up to the
/// longest.
const FIRST_PAUSE: Duration = Duration::from_secs(5);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Whether the store is worth a try.
#[derive(Debug, Default)]
pub(super) struct Breaker {
    /// Failures since the last success.
    failures: u32,
    /// No try before this time.
    until: Option<Instant>,
}

impl Breaker {
    /// Whether the store may be tried now; the error says why not. When a pause is over,
    /// only one caller may try.
    pub(super) fn may_try(&mut self, now: Instant) -> Result<(), String> {
        match self.until {
            Some(until) if now < until => {
                let left = until.duration_since(now).as_secs() + 1;
                Err(format!("{} tries failed, the next one is in {left} s", self.failures))
            }
            Some(_) => {
                self.until = Some(now + self.pause());
                Ok(())
            }
            None => Ok(()),
        }
    }

    pub(super) fn failed(&mut self, now: Instant) {
        self.failures = self.failures.saturating_add(1);
        if self.failures >= MOST_FAILURES {
            self.until = Some(now + self.pause());
        }
    }

    pub(super) fn succeeded(&mut self) {
        *self = Breaker::default();
    }

    fn pause(&self) -> Duration {
        let doublings = self.failures.saturating_sub(MOST_FAILURES).min(16);
        (FIRST_PAUSE * (1 << doublings)).min(LONGEST_PAUSE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_failures_open_it_and_one_success_closes_it() {
        let mut breaker = Breaker::default();
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        for _ in 0..3 {
            assert_eq!(breaker.may_try(start), Ok(()));
            breaker.failed(start);
        }
        let why = breaker.may_try(after(1)).expect_err("it is open");
        assert_eq!(why, "3 tries failed, the next one is in 5 s");
        assert_eq!(breaker.may_try(after(5)), Ok(()), "one finds out");
        assert!(breaker.may_try(after(5)).is_err(), "and no other one meanwhile");
        breaker.failed(after(5));
        assert!(breaker.may_try(after(14)).is_err(), "twice as long");
        assert_eq!(breaker.may_try(after(15)), Ok(()));
        breaker.succeeded();
        assert_eq!(breaker.may_try(after(15)), Ok(()));
        breaker.failed(after(15));
        assert_eq!(breaker.may_try(after(15)), Ok(()), "one failure is none");
        for _ in 0..100 {
            breaker.failed(after(15));
        }
        assert_eq!(breaker.may_try(after(75)), Ok(()), "never longer than a minute");
    }
}
