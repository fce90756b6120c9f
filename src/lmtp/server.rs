//! The front: accepts connections, each served by a thread, until it is told to end.
//!
//! SIGTERM and SIGINT end it: open transactions are finished, and so is the first one of a
//! client that has just connected. SIGHUP makes it read the settings again.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError, RwLock};
use std::thread;
use std::time::{Duration, Instant};

use rustix::io::Errno;

use super::accounts::{Account, Accounts, Recipient, Unavailable};
use super::exporter::Exporter;
use super::listen::{ClientStream, Listener, report_ready, wait_for};
use super::metrics::Metrics;
use super::pool::{Pool, PoolLog};
use super::record::{DeliveryResult, RecipientRecord};
use super::reply::LmtpReply;
use super::session::{
    self, Addressee, ENDING, Envelope, LmtpPeer, PeerState, Service, SessionLimits,
};
use super::settings::{Identity, LmtpSettings};
use super::signals::Signals;
use super::spool::MessageData;
use super::unheard::Unheard;
use super::warm_worker::Spawner;

/// How long a client may wait between two commands, RFC 5321 §4.5.3.2.7.
const IDLE: Duration = Duration::from_secs(300);
/// How long a client whose transaction is still finished may wait between two commands
/// when the server ends.
const LAST_COMMAND: Duration = Duration::from_secs(5);
/// How long one read may take within a command or message.
const READ: Duration = Duration::from_secs(180);
/// How long one write may take: a client that does not read its answers is disconnected.
const WRITE: Duration = Duration::from_secs(60);
/// How often to check whether workers are worn out.
const POLL_INTERVAL: Duration = Duration::from_secs(5);
/// How often to check whether there is room for a connection.
const LOOK_FOR_PLACE: Duration = Duration::from_millis(20);
/// A connection that has been idle for this long gives way to one that waits.
const GIVES_WAY: Duration = Duration::from_secs(1);
/// How much time open transactions have when the server ends.
const LAST: Duration = Duration::from_secs(270);
/// Stack of a connection's thread, bytes.
const STACK: usize = 256 << 10;

/// Reads the settings as they are now.
pub type ReloadSettings = dyn Fn() -> Result<LmtpSettings, String> + Send + Sync;

/// What can change while the server runs.
struct ServerState {
    settings: Arc<LmtpSettings>,
    accounts: Box<dyn Accounts>,
}

/// The front.
pub struct Server {
    pool: Pool,
    current: RwLock<Arc<ServerState>>,
    tell: Arc<PoolLog>,
    metrics: Arc<Metrics>,
    ending: AtomicBool,
    /// Closed when the server ends, which wakes all that wait.
    wake: Mutex<Option<UnixStream>>,
    woken: UnixStream,
    connections: Mutex<Vec<Arc<ClientConnection>>>,
    closed: Condvar,
    began: Instant,
    unheard: Unheard,
}

/// What others see of a connection.
struct ClientConnection {
    /// Since when it has been waiting for a command, milliseconds since the server began,
    /// at least 1; 0 while it is busy.
    idle_since: AtomicU64,
    /// Its place is needed.
    gives_way: AtomicBool,
    /// To wake it.
    stream: OwnedFd,
}

impl Server {
    /// A server whose workers are started by `spawner`.
    ///
    /// # Errors
    /// The users cannot be looked up this way, or the system provides no sockets.
    pub fn new(
        settings: LmtpSettings,
        spawner: Box<dyn Spawner>,
        tell: Arc<PoolLog>,
    ) -> Result<Server, String> {
        let accounts = super::accounts::open(&settings.users)?;
        let settings = Arc::new(settings);
        let (wake, woken) = UnixStream::pair().map_err(|error| error.to_string())?;
        let metrics = Arc::<Metrics>::default();
        let pool =
            Pool::new(Arc::clone(&settings), spawner, Arc::clone(&tell), Arc::clone(&metrics));
        Ok(Server {
            pool,
            current: RwLock::new(Arc::new(ServerState { settings, accounts })),
            tell,
            metrics,
            ending: AtomicBool::new(false),
            wake: Mutex::new(Some(wake)),
            woken,
            connections: Mutex::default(),
            closed: Condvar::new(),
            began: Instant::now(),
            unheard: Unheard::default(),
        })
    }

    fn current(&self) -> Arc<ServerState> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Serves until a signal ends it. `ready` is called when signals are heard and clients
    /// are about to be served.
    ///
    /// # Errors
    /// Nobody can connect any more.
    pub fn serve(
        self: &Arc<Server>,
        listener: Listener,
        reload: &ReloadSettings,
        ready: impl FnOnce(),
    ) -> io::Result<()> {
        let signals = Signals::register()?;
        listener.set_nonblocking(true)?;
        let exporter = Exporter::start(
            &self.current().settings.metrics,
            Arc::clone(&self.metrics),
            Arc::clone(&self.tell),
        );
        ready();
        report_ready();
        let mut looked = Instant::now();
        loop {
            let most = self.current().settings.connections.max(1);
            let is_full = self.open_connections() >= most;
            let wait = if is_full { LOOK_FOR_PLACE } else { POLL_INTERVAL };
            let ready = wait_for(&[&signals.end, &signals.renew, &listener], wait)?;
            if ready.first() == Some(&true) {
                break;
            }
            if ready.get(1) == Some(&true) {
                signals.clear_renew();
                self.renew(reload);
            }
            if looked.elapsed() >= POLL_INTERVAL {
                self.pool.maintain();
                looked = Instant::now();
            }
            if ready.get(2) != Some(&true) {
                continue;
            }
            if is_full {
                self.make_place();
                thread::sleep(LOOK_FOR_PLACE);
                continue;
            }
            match listener.accept() {
                Ok(stream) => self.take(stream),
                Err(error) if is_harmless(&error) => {}
                Err(error) if is_permanent(&error) => return Err(error),
                Err(error) => {
                    (self.tell)(&format!("a connection cannot be taken: {error}"));
                    thread::sleep(Duration::from_millis(100));
                }
            }
        }
        self.end(&listener);
        if let Some(exporter) = exporter {
            exporter.end();
        }
        Ok(())
    }

    /// Lets open transactions come to their end.
    fn end(self: &Arc<Server>, listener: &Listener) {
        self.ending.store(true, Ordering::SeqCst);
        (self.tell)("ending: open transactions are finished");
        drop(self.wake.lock().unwrap_or_else(PoisonError::into_inner).take());
        if listener.is_own() {
            // Clients in our own socket's queue would be cut off; the queue of an
            // inherited socket waits for the next server.
            while let Ok(stream) = listener.accept() {
                self.take(stream);
            }
        }
        let until = Instant::now() + LAST;
        let mut open = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        while !open.is_empty() {
            let Some(left) = until.checked_duration_since(Instant::now()) else { break };
            let waited = self.closed.wait_timeout(open, left);
            open = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        drop(open);
        self.pool.end();
    }

    fn renew(&self, reload: &ReloadSettings) {
        let before = self.current();
        let renewed = reload().and_then(|mut settings| {
            // Our identity was checked at the start, and what is allowed depends on it.
            let then = &before.settings;
            let is_same = settings.own_uids == then.own_uids
                && settings.identity == then.identity
                && settings.state == then.state;
            if !is_same {
                (self.tell)("users' uids, our own and the state's place count with the next start");
                settings.own_uids = then.own_uids;
                settings.identity = then.identity;
                settings.state.clone_from(&then.state);
            }
            let accounts = super::accounts::open(&settings.users)?;
            Ok(ServerState { settings: Arc::new(settings), accounts })
        });
        match renewed {
            Ok(current) => {
                if before.settings.listen != current.settings.listen {
                    (self.tell)("the address to listen at counts with the next start");
                }
                if before.settings.metrics != current.settings.metrics {
                    (self.tell)("the places of metrics count with the next start");
                }
                self.pool.change_settings(Arc::clone(&current.settings));
                *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(current);
                (self.tell)("the settings were read again");
            }
            Err(why) => (self.tell)(&format!("the settings stay as they were: {why}")),
        }
    }

    fn open_connections(&self) -> usize {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Ends the connection that has been idle longest.
    fn make_place(&self) {
        let connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.moment();
        let since =
            |connection: &Arc<ClientConnection>| connection.idle_since.load(Ordering::SeqCst);
        let idle = connections.iter().filter(|connection| {
            let since = since(connection);
            since > 0 && now.saturating_sub(since) >= GIVES_WAY.as_millis() as u64
        });
        if let Some(oldest) = idle.min_by_key(|connection| since(connection)) {
            oldest.gives_way.store(true, Ordering::SeqCst);
            let _ = rustix::net::shutdown(&oldest.stream, rustix::net::Shutdown::Read);
        }
    }

    /// Milliseconds since the server began, at least 1.
    fn moment(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX).max(1)
    }

    /// Serves a connection in a thread of its own.
    fn take(self: &Arc<Server>, stream: ClientStream) {
        let prepared =
            stream.set_timeouts(READ, WRITE).and_then(|()| stream.as_fd().try_clone_to_owned());
        let connection = match prepared {
            Ok(stream) => Arc::new(ClientConnection {
                idle_since: AtomicU64::new(0),
                gives_way: AtomicBool::new(false),
                stream,
            }),
            Err(error) => {
                (self.tell)(&format!("a connection cannot be served: {error}"));
                return;
            }
        };
        let connections = || self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        connections().push(Arc::clone(&connection));
        self.metrics.connections.count();
        let guard = OpenConnection { server: Arc::clone(self), connection };
        let thread = thread::Builder::new().name("client".into()).stack_size(STACK);
        let started = thread.spawn(move || {
            let (server, connection) = (&guard.server, &guard.connection);
            let mut client = ServedClient { server, connection, stream };
            let ended = session::run(&**server, &mut client);
            if connection.gives_way.load(Ordering::SeqCst) {
                let _ = client.write_all(ENDING.line(false).as_bytes());
            }
            if let Err(error) = ended
                && !is_closed(&error)
            {
                (server.tell)(&format!("a connection was ended: {error}"));
            }
        });
        if let Err(error) = started {
            (self.tell)(&format!("a connection cannot be served: {error}"));
        }
    }
}

/// One of the open connections.
struct OpenConnection {
    server: Arc<Server>,
    connection: Arc<ClientConnection>,
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        let open = self.server.connections.lock();
        let mut open = open.unwrap_or_else(PoisonError::into_inner);
        open.retain(|other| !Arc::ptr_eq(other, &self.connection));
        self.server.closed.notify_all();
    }
}

impl Service for Server {
    fn limits(&self) -> SessionLimits {
        let current = self.current();
        SessionLimits {
            delimiter: current.settings.delimiter.clone(),
            message_size: current.settings.message_size,
            recipients: current.settings.recipients.max(1),
        }
    }

    fn find(&self, recipient: &Recipient) -> Result<Option<Account>, Unavailable> {
        let current = self.current();
        let found = current.accounts.find(recipient).and_then(|account| match account {
            Some(account) => serves(&current.settings, account).map(Some),
            None if current.accounts.are_changing() => {
                Err(Unavailable("the list of users has just changed".into()))
            }
            None => Ok(None),
        });
        let counter = match &found {
            Ok(Some(_)) => &self.metrics.recipients,
            Ok(None) => &self.metrics.unknown_recipients,
            Err(_) => &self.metrics.lookup_failures,
        };
        counter.count();
        if let Err(why) = &found {
            (self.tell)(&format!("{} gets no mail now: {why}", recipient.address()));
        }
        found
    }

    fn deliver(
        &self,
        envelope: &Envelope,
        to: &Addressee,
        message: &MessageData,
        since: Instant,
    ) -> LmtpReply {
        let result = match self.unheard.take(message, &envelope.sender, &to.recipient) {
            true => DeliveryResult::recovered(),
            false => self.pool.deliver(envelope, to, message, since),
        };
        let time = since.elapsed();
        self.metrics.count_delivery(result.reply.code, time);
        let size = message.size();
        let record = RecipientRecord { envelope, to, result: &result, size, time };
        (self.tell)(&record.to_string());
        result.reply
    }

    fn was_unheard(&self, envelope: &Envelope, to: &Addressee, message: &MessageData) {
        self.unheard.note(message, &envelope.sender, &to.recipient);
    }

    fn is_ending(&self) -> bool {
        self.ending.load(Ordering::SeqCst)
    }
}

/// The account, if its mail can be delivered here.
pub(super) fn serves(settings: &LmtpSettings, account: Account) -> Result<Account, Unavailable> {
    let own = Identity::of_process();
    if settings.own_uids {
        if account.uid < settings.first_uid {
            return Err(Unavailable(format!(
                "uid {} is below {}, the first that mail is delivered for",
                account.uid, settings.first_uid
            )));
        }
    } else if account.uid != own.uid {
        return Err(Unavailable(format!(
            "{} belongs to uid {}, and this server is uid {}",
            account.home.display(),
            account.uid,
            own.uid
        )));
    }
    Ok(account)
}

/// A client whose connection others can see and wake.
struct ServedClient<'s> {
    server: &'s Server,
    connection: &'s ClientConnection,
    stream: ClientStream,
}

impl LmtpPeer for ServedClient<'_> {
    fn wait(&mut self, is_owed: bool) -> io::Result<PeerState> {
        let (server, connection) = (self.server, self.connection);
        connection.idle_since.store(server.moment(), Ordering::SeqCst);
        let mut ready = wait_for(&[&self.stream.as_fd(), &server.woken.as_fd()], IDLE);
        if is_owed && matches!(ready.as_deref(), Ok([false, true])) {
            let input = wait_for(&[&self.stream.as_fd()], LAST_COMMAND);
            ready = input.map(|input| [input, vec![true]].concat());
        }
        connection.idle_since.store(0, Ordering::SeqCst);
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
        self.stream.read(buffer)
    }
}

impl Write for ServedClient<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Whether only this connection is gone, or another process has accepted it.
fn is_harmless(error: &io::Error) -> bool {
    let harmless = [Errno::AGAIN, Errno::CONNABORTED, Errno::INTR, Errno::PROTO];
    Errno::from_io_error(error).is_some_and(|errno| harmless.contains(&errno))
}

/// Whether it is not a listening socket. Other errors are temporary: the system is short
/// of something, or the network broke.
fn is_permanent(error: &io::Error) -> bool {
    let permanent = [Errno::BADF, Errno::INVAL, Errno::NOTSOCK, Errno::OPNOTSUPP];
    Errno::from_io_error(error).is_some_and(|errno| permanent.contains(&errno))
}

/// Whether the client went away, which is not worth logging.
fn is_closed(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
    matches!(error.kind(), BrokenPipe | ConnectionReset | UnexpectedEof)
}
