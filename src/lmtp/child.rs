//! Waiting for a child process, but only for a limited time: one that hangs in a system
//! call, such as on a file server that does not answer, cannot even be killed.

use std::io;
use std::process::{Child, ExitStatus};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Pid;

use super::listen::wait_for;
use crate::platform::exit_descriptor;

/// How often to check whether a process has ended, where there is no pidfd.
const POLL_INTERVAL: Duration = Duration::from_millis(5);

/// Waits at most `time` for a process to end; none if it has not ended.
///
/// # Errors
/// The system's.
pub(super) fn wait_within(child: &mut Child, time: Duration) -> io::Result<Option<ExitStatus>> {
    let until = Instant::now() + time;
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let descriptor = pid.and_then(exit_descriptor);
    loop {
        let ended = child.try_wait()?;
        let left = until.saturating_duration_since(Instant::now());
        if ended.is_some() || left.is_zero() {
            return Ok(ended);
        }
        match &descriptor {
            Some(descriptor) => drop(wait_for(&[descriptor], left)?),
            None => thread::sleep(left.min(POLL_INTERVAL)),
        }
    }
}

/// Kills a process and waits at most `time` for its end. After that a thread waits for
/// it.
pub(super) fn kill(mut child: Child, time: Duration) {
    let _ = child.kill();
    if !matches!(wait_within(&mut child, time), Ok(Some(_))) {
        // Without a thread it stays a zombie until this process ends.
        let _ = thread::Builder::new().name("reaper".into()).spawn(move || child.wait());
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn nobody_waits_longer_than_was_said() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        assert_eq!(wait_within(&mut child, Duration::from_millis(20)).unwrap(), None);
        kill(child, Duration::from_secs(30));
        let mut child = Command::new("true").spawn().unwrap();
        assert!(wait_within(&mut child, Duration::from_secs(30)).unwrap().unwrap().success());
    }
}
