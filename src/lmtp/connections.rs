//! The open connections, and which of them gives way when there is no room for another:
//! the one that has been idle longest, or whose client has stalled within a command or
//! message.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::listen::{ClientStream, wait_for};
use super::session::{LmtpPeer, PeerState};

/// How long a client may wait between two commands, RFC 5321 §4.5.3.2.7.
const IDLE: Duration = Duration::from_secs(300);
/// How long a client whose transaction is still finished may wait between two commands
/// when the server ends.
const LAST_COMMAND: Duration = Duration::from_secs(5);
/// How long one read may take within a command or message.
const READ: Duration = Duration::from_secs(180);
/// How long one write may take: a client that does not read its answers is disconnected.
const WRITE: Duration = Duration::from_secs(60);
/// A connection that has been idle for this long gives way to one that waits.
const IDLE_PATIENCE: Duration = Duration::from_secs(1);
/// So does one whose client we have waited for as long as this within a command or
/// message. What it sends earns more time, so that only a slow client runs out of it.
const PATIENCE: Duration = Duration::from_secs(10);
/// The bytes that earn a millisecond.
const BYTES_PER_MILLISECOND: usize = 100;
/// The connection is busy and gives way at no time.
const NEVER: u64 = u64::MAX;

/// A connection as others see it.
#[derive(Debug)]
pub(super) struct ClientConnection {
    stream: ClientStream,
    /// When it may be ended in favour of another, milliseconds since the server began.
    gives_way_from: AtomicU64,
    /// We wait within a command or message.
    is_within: AtomicBool,
    gave_way: AtomicBool,
}

impl ClientConnection {
    /// A connection that has just been accepted.
    ///
    /// # Errors
    /// The system's.
    pub(super) fn new(stream: ClientStream) -> io::Result<ClientConnection> {
        stream.set_timeouts(READ, WRITE)?;
        Ok(ClientConnection {
            stream,
            gives_way_from: AtomicU64::new(NEVER),
            is_within: AtomicBool::new(false),
            gave_way: AtomicBool::new(false),
        })
    }

    /// Whether it was ended in favour of another.
    pub(super) fn gave_way(&self) -> bool {
        self.gave_way.load(Ordering::SeqCst)
    }

    /// Sends something without a session.
    pub(super) fn send(&self, text: &str) {
        // The client may be gone.
        let _ = (&self.stream).write_all(text.as_bytes());
    }
}

/// All of them.
#[derive(Debug)]
pub(super) struct Connections {
    open: Mutex<Vec<Arc<ClientConnection>>>,
    closed: Condvar,
    began: Instant,
}

impl Default for Connections {
    fn default() -> Connections {
        Connections { open: Mutex::default(), closed: Condvar::new(), began: Instant::now() }
    }
}

impl Connections {
    fn open(&self) -> MutexGuard<'_, Vec<Arc<ClientConnection>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.open().len()
    }

    /// One more; it counts until the result is dropped.
    pub(super) fn enter(self: &Arc<Connections>, new: &Arc<ClientConnection>) -> OpenConnection {
        self.open().push(Arc::clone(new));
        OpenConnection { all: Arc::clone(self), connection: Arc::clone(new) }
    }

    /// Ends the connection that should have given way longest ago, if there is one; true
    /// if its client has stalled.
    pub(super) fn make_room(&self) -> bool {
        let open = self.open();
        let now = self.moment(Duration::ZERO);
        let from =
            |connection: &Arc<ClientConnection>| connection.gives_way_from.load(Ordering::SeqCst);
        let first = open.iter().filter(|connection| from(connection) <= now);
        let Some(first) = first.min_by_key(|connection| from(connection)) else { return false };
        let has_stalled = first.is_within.load(Ordering::SeqCst);
        let is_new = !first.gave_way.swap(true, Ordering::SeqCst);
        let _ = rustix::net::shutdown(&first.stream, rustix::net::Shutdown::Read);
        has_stalled && is_new
    }

    /// Waits until all are closed, but not longer than `until`.
    pub(super) fn wait_for_end(&self, until: Instant) {
        let mut open = self.open();
        while !open.is_empty() {
            let Some(left) = until.checked_duration_since(Instant::now()) else { return };
            let waited = self.closed.wait_timeout(open, left);
            open = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Milliseconds from when the server began until `later` from now.
    fn moment(&self, later: Duration) -> u64 {
        u64::try_from((self.began.elapsed() + later).as_millis()).unwrap_or(NEVER - 1)
    }
}

/// One of the open connections.
pub(super) struct OpenConnection {
    all: Arc<Connections>,
    pub(super) connection: Arc<ClientConnection>,
}

impl OpenConnection {
    /// The client; `woken` becomes readable when the server ends.
    pub(super) fn client<'c>(&'c self, woken: BorrowedFd<'c>) -> ServedClient<'c> {
        ServedClient { open: self, woken, patience: PATIENCE }
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.all.open().retain(|other| !Arc::ptr_eq(other, &self.connection));
        self.all.closed.notify_all();
    }
}

/// A client whose connection others can see and end.
pub(super) struct ServedClient<'c> {
    open: &'c OpenConnection,
    woken: BorrowedFd<'c>,
    /// How long we still wait within this command or message, if there is no room for
    /// others.
    patience: Duration,
}

impl ServedClient<'_> {
    /// Runs what waits for the client; from `patience` on it may be ended.
    fn waiting<T>(&self, patience: Duration, is_within: bool, wait: impl FnOnce() -> T) -> T {
        let OpenConnection { all, connection } = self.open;
        connection.is_within.store(is_within, Ordering::SeqCst);
        connection.gives_way_from.store(all.moment(patience), Ordering::SeqCst);
        let waited = wait();
        connection.gives_way_from.store(NEVER, Ordering::SeqCst);
        waited
    }
}

impl LmtpPeer for ServedClient<'_> {
    fn wait(&mut self, is_owed: bool) -> io::Result<PeerState> {
        self.patience = PATIENCE;
        let stream = self.open.connection.stream.as_fd();
        let ready = self.waiting(IDLE_PATIENCE, false, || {
            let ready = wait_for(&[&stream, &self.woken], IDLE)?;
            if is_owed && ready == [false, true] {
                let input = wait_for(&[&stream], LAST_COMMAND)?;
                return Ok::<_, io::Error>([input, vec![true]].concat());
            }
            Ok(ready)
        });
        Ok(match ready?.as_slice() {
            // Whatever has arrived is answered, if only with the reply that the server is
            // ending.
            [true, ..] => PeerState::Input,
            [_, true] => PeerState::Ending,
            _ => PeerState::TimedOut,
        })
    }
}

impl Read for ServedClient<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let since = Instant::now();
        let read =
            self.waiting(self.patience, true, || (&self.open.connection.stream).read(buffer));
        let earned = read.as_ref().map_or(0, |count| count / BYTES_PER_MILLISECOND);
        let earned = Duration::from_millis(u64::try_from(earned).unwrap_or(0));
        self.patience = (self.patience.saturating_sub(since.elapsed()) + earned).min(PATIENCE);
        read
    }
}

impl Write for ServedClient<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        (&self.open.connection.stream).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
