//! Standard input with a deadline, so that an MTA's own never strikes: it
//! would kill us, and some MTAs bounce what was killed (DELIVERY.md).

use std::io::{self, Read};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// All of a message must be there within this time. OpenSMTPD waits 300 s,
/// Postfix 1000 s.
const PATIENCE: Duration = Duration::from_secs(240);

/// Standard input that gives up in time.
pub(super) struct Stdin {
    deadline: Instant,
}

impl Stdin {
    /// The clock starts now.
    pub(super) fn new() -> Stdin {
        Stdin { deadline: Instant::now() + PATIENCE }
    }
}

impl Read for Stdin {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let stdin = rustix::stdio::stdin();
        loop {
            let left = self.deadline.saturating_duration_since(Instant::now());
            let timeout = Timespec {
                tv_sec: left.as_secs().try_into().unwrap_or(i64::MAX),
                tv_nsec: left.subsec_nanos().into(),
            };
            let mut ready = [PollFd::from_borrowed_fd(stdin.as_fd(), PollFlags::IN)];
            match poll(&mut ready, Some(&timeout)) {
                Ok(0) => {
                    return Err(io::Error::new(
                        io::ErrorKind::TimedOut,
                        "the message did not come to its end in time",
                    ));
                }
                Ok(_) => {}
                Err(rustix::io::Errno::INTR) => continue,
                Err(error) => return Err(error.into()),
            }
            match rustix::io::read(stdin, &mut *buffer) {
                Ok(read) => return Ok(read),
                Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}
