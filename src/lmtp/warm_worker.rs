//! A worker as the front sees it: its process, its socket, and the result of an order.

use std::io::{self, ErrorKind};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::accounts::Account;
use super::settings::LmtpSettings;
use super::spool::MessageData;
use super::wire::{self, WorkerAnswer, WorkerFrame, WorkerOrder};

/// How long to wait for a killed worker to end. One that hangs in a system call, such as
/// on a file server that does not answer, ends only when that call does.
pub(super) const KILL_GRACE: Duration = Duration::from_secs(2);

/// A worker's process, as far as the front can reach it.
pub trait WorkerProcess: Send {
    /// Kills it if it has not ended, and waits for its end, but not for long.
    fn kill(&mut self);

    /// Whether it has ended by itself.
    fn has_ended(&mut self) -> bool;
}

/// Starts workers.
pub trait Spawner: Send + Sync {
    /// Starts one for an account and returns the front's end of its socket.
    ///
    /// # Errors
    /// The system's.
    fn start(&self, account: &Account) -> io::Result<(UnixStream, Box<dyn WorkerProcess>)>;
}

/// A worker that waits for a message.
pub(super) struct WarmWorker {
    pub(super) socket: UnixStream,
    pub(super) process: Box<dyn WorkerProcess>,
    /// Whose uid it has, where each user has one.
    pub(super) owner: Option<PathBuf>,
    pub(super) jobs: u32,
    pub(super) started: Instant,
    pub(super) used: Instant,
    pub(super) generation: u64,
    /// How long the socket waits for an answer, if that was set.
    pub(super) read_timeout: Option<Duration>,
}

impl WarmWorker {
    /// Gives it something to do, and waits for the result until `time` is over.
    pub(super) fn ask(
        &mut self,
        order: &WorkerOrder,
        message: &MessageData,
        time: Duration,
    ) -> WorkerReaction {
        let socket = &self.socket;
        let until = Some(Instant::now() + time);
        let timed = match self.read_timeout.replace(time) {
            Some(read_timeout) if read_timeout == time => Ok(()),
            _ => socket
                .set_read_timeout(Some(time))
                .and_then(|()| socket.set_write_timeout(Some(time))),
        };
        let sent = timed.and_then(|()| match message {
            MessageData::Memory(bytes) => wire::send_until(socket, until, order, bytes, None),
            MessageData::File(file, _) => {
                wire::send_until(socket, until, order, b"", Some(file.as_fd()))
            }
        });
        match sent {
            Ok(()) => {}
            Err(error) if is_gone(&error) => return WorkerReaction::WasDead,
            Err(error) => return WorkerReaction::Died(error.to_string()),
        }
        match wire::receive_until::<WorkerAnswer>(socket, until) {
            Ok(Some(WorkerFrame { head, .. })) => WorkerReaction::Answered(head),
            Ok(None) => WorkerReaction::Died("it ended".into()),
            Err(error) if is_gone(&error) => WorkerReaction::Died("it ended".into()),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                WorkerReaction::Died(format!("it did not end within {} s", time.as_secs()))
            }
            Err(error) => WorkerReaction::Died(error.to_string()),
        }
    }

    /// Lets it end, and kills it if it does not.
    pub(super) fn end(self) {
        let WarmWorker { socket, mut process, .. } = self;
        drop(socket);
        let until = Instant::now() + KILL_GRACE;
        while !process.has_ended() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(5));
        }
        process.kill();
    }

    /// Whether another worker has to replace it.
    pub(super) fn is_worn(&self, settings: &LmtpSettings, generation: u64) -> bool {
        let limits = &settings.limits;
        let idle = self.owner.is_some() && self.used.elapsed() >= limits.idle;
        self.jobs >= limits.jobs
            || self.started.elapsed() >= limits.age
            || self.generation != generation
            || idle
    }
}

/// The result of giving a worker something to do.
pub(super) enum WorkerReaction {
    Answered(WorkerAnswer),
    /// It was dead already.
    WasDead,
    /// It died while doing it, or did not finish.
    Died(String),
}

fn is_gone(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset)
}
