//! A pass-through for ManageSieve (RFC 5804) that refuses scripts which `include sieve`
//! could not run, with line and reason, while their author is still editing them.
//!
//! It is between a server's login process, which handles TLS and passwords, and the
//! server that keeps the scripts: everything is passed on unchanged, except a script that
//! is uploaded or checked and cannot be run. It keeps nothing, opens no file, and has no
//! more rights than the parties it connects; what it lets through is judged again when
//! mail is delivered. Each connection has two threads, one for each direction.

mod frame;
mod session;

use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// Returns what is wrong with a script, one line each; nothing if it can be run.
pub type ScriptJudge = dyn Fn(&[u8]) -> Vec<String> + Send + Sync;

/// Called with what happens: a script was refused, a connection was not accepted.
pub type ManageSieveLog = dyn Fn(&str) + Send + Sync;

/// The limits of the pass-through.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Connections at the same time.
    pub connections: usize,
    /// How long a client may wait between two commands; a server's own limit takes effect
    /// first (RFC 5804 §1.2: at least half an hour).
    pub idle: Duration,
    /// How long a read within a command, or a write, may take.
    pub stalled: Duration,
    /// How long connecting to the server may take.
    pub connect: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            connections: 200,
            idle: Duration::from_secs(31 * 60),
            stalled: Duration::from_secs(60),
            connect: Duration::from_secs(5),
        }
    }
}

/// The pass-through.
pub struct Gateway {
    /// The address of the server that keeps the scripts.
    pub server: SocketAddr,
    /// Its limits.
    pub limits: Limits,
    /// Judges scripts.
    pub judge: Box<ScriptJudge>,
    /// Called with what happens.
    pub tell: Box<ManageSieveLog>,
    /// How many scripts are being judged, limited so that nobody uses all processors.
    judging: (Mutex<usize>, Condvar),
    /// The number of open connections.
    open: AtomicUsize,
}

impl Gateway {
    /// A pass-through that judges with `judge` and reports with `tell`.
    pub fn new(server: SocketAddr, judge: Box<ScriptJudge>, tell: Box<ManageSieveLog>) -> Gateway {
        Gateway {
            server,
            limits: Limits::default(),
            judge,
            tell,
            judging: Default::default(),
            open: AtomicUsize::new(0),
        }
    }

    /// Serves whoever connects, for ever.
    ///
    /// # Errors
    /// Nobody can connect any more.
    pub fn serve(self: &Arc<Gateway>, listener: &TcpListener) -> io::Result<()> {
        loop {
            let client = match listener.accept() {
                Ok((client, _)) => client,
                Err(error) if passes(&error) => {
                    (self.tell)(&format!("a connection could not be taken: {error}"));
                    thread::sleep(Duration::from_millis(100));
                    continue;
                }
                Err(error) => return Err(error),
            };
            self.take(client);
        }
    }

    /// Serves one connection in threads of its own.
    fn take(self: &Arc<Gateway>, client: TcpStream) {
        let slot = ConnectionSlot::of(Arc::clone(self));
        if self.open.load(Ordering::Relaxed) > self.limits.connections {
            (self.tell)("too many connections: one was not taken");
            farewell(&client, "too many connections; try again later");
            return;
        }
        let spoken = client.try_clone();
        let thread = thread::Builder::new().name("client".into()).stack_size(STACK);
        let started = thread.spawn(move || {
            if let Err(error) = session::run(&slot.gateway, client) {
                (slot.gateway.tell)(&format!("a connection was ended: {error}"));
            }
        });
        if let (Err(error), Ok(client)) = (started, spoken) {
            (self.tell)(&format!("a connection could not be served: {error}"));
            farewell(&client, "try again later");
        }
    }

    /// What is wrong with a script. Nothing if the judge itself fails, since deliveries
    /// judge it again.
    fn judge(&self, script: &[u8]) -> Vec<String> {
        let most = thread::available_parallelism().map_or(1, usize::from);
        let (count, freed) = &self.judging;
        let mut busy = count.lock().unwrap_or_else(PoisonError::into_inner);
        while *busy >= most {
            busy = freed.wait(busy).unwrap_or_else(PoisonError::into_inner);
        }
        *busy += 1;
        drop(busy);
        let found = catch_unwind(AssertUnwindSafe(|| (self.judge)(script)));
        *count.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        freed.notify_one();
        found.unwrap_or_else(|_| {
            (self.tell)("a script could not be judged: internal error");
            Vec::new()
        })
    }
}

/// The stack of a judging thread, bytes: nested scripts are compiled recursively.
const STACK: usize = 8 << 20;

/// One of the open connections.
struct ConnectionSlot {
    gateway: Arc<Gateway>,
}

impl ConnectionSlot {
    fn of(gateway: Arc<Gateway>) -> ConnectionSlot {
        gateway.open.fetch_add(1, Ordering::Relaxed);
        ConnectionSlot { gateway }
    }
}

impl Drop for ConnectionSlot {
    fn drop(&mut self) {
        self.gateway.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Whether accept(2) may be called again after this error: the connection is gone, or the
/// system is short of something for the moment.
fn passes(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let passing = [
        Errno::CONNABORTED,
        Errno::INTR,
        Errno::MFILE,
        Errno::NFILE,
        Errno::NOBUFS,
        Errno::NOMEM,
        Errno::PROTO,
    ];
    Errno::from_io_error(error).is_some_and(|errno| passing.contains(&errno))
}

/// Ends a connection with a reason. The client may already be gone.
fn farewell(mut client: &TcpStream, why: &str) {
    let _ = client.set_write_timeout(Some(Duration::from_secs(5)));
    let _ = client.write_all(format!("BYE \"{why}\"\r\n").as_bytes());
}
