//! A time limit for reading a message.

use std::io::{self, Read};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

/// A reader that fails with `TimedOut` if its input has not ended by a certain
/// time: a sender that stalls must not hold us until the MTA kills us and bounces
/// the message.
pub struct Deadline<R> {
    input: R,
    at: Instant,
}

impl<R: Read + AsFd> Deadline<R> {
    /// Reads from `input` as long as `at` is in the future.
    pub fn new(input: R, at: Instant) -> Deadline<R> {
        Deadline { input, at }
    }
}

impl<R: Read + AsFd> Read for Deadline<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let left = self.at.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(io::Error::new(
                    io::ErrorKind::TimedOut,
                    "the message did not arrive in time",
                ));
            }
            // We wake up at least once an hour: a longer wait could overflow the
            // system's type.
            let left = left.min(Duration::from_secs(3600));
            let wait =
                Timespec { tv_sec: left.as_secs() as i64, tv_nsec: i64::from(left.subsec_nanos()) };
            let mut fds = [PollFd::new(&self.input, PollFlags::IN)];
            match poll(&mut fds, Some(&wait)) {
                Ok(0) | Err(Errno::INTR) => continue,
                Ok(_) => return self.input.read(buffer),
                Err(error) => return Err(error.into()),
            }
        }
    }
}
