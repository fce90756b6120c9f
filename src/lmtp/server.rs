//! The front: accepts connections, each served by a thread, until it is told to end.
//!
//! SIGTERM and SIGINT end it: open transactions are finished, and so is the first one of a
//! client that has just connected. SIGHUP makes it read the settings again.

use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::accounts::{Account, Accounts, Recipient, Unavailable};
use super::connections::{ClientConnection, Connections};
use super::exporter::Exporter;
use super::listen::{Listener, report_ready, wait_for};
use super::metrics::Metrics;
use super::pool::{Pool, PoolLog};
use super::record::{DeliveryResult, LoggedValue, RecipientRecord};
use super::reply::LmtpReply;
use super::session::{self, Addressee, ENDING, Envelope, NO_ROOM, Service, SessionLimits};
use super::settings::{Identity, LmtpSettings};
use super::signals::Signals;
use super::spool::MessageData;
use super::unheard::Unheard;
use super::warm_worker::Spawner;

/// How often to check whether workers are worn out.
const POLL_INTERVAL: Duration = Duration::from_secs(5);
/// How often to check whether there is room for a connection.
const LOOK_FOR_PLACE: Duration = Duration::from_millis(20);
/// How long to wait when the system is short of descriptors or threads.
const SHORTAGE_PAUSE: Duration = Duration::from_millis(100);
/// How often the log is told of that.
const SHORTAGE_INTERVAL: Duration = Duration::from_secs(60);
/// How much time open transactions have when the server ends.
const LAST: Duration = Duration::from_secs(270);
/// The most files that the server may ever need: two for each connection.
const FILES: u64 = 1 << 17;
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
    connections: Arc<Connections>,
    unheard: Unheard,
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
            connections: Arc::default(),
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
        raise_file_limit();
        let signals = Signals::register()?;
        listener.set_nonblocking(true)?;
        let exporter = Exporter::start(
            &self.current().settings.metrics,
            Arc::clone(&self.metrics),
            Arc::clone(&self.tell),
        );
        ready();
        report_ready();
        self.accept_until_signal(&listener, &signals, reload)?;
        self.end(&listener);
        if let Some(exporter) = exporter {
            exporter.end();
        }
        Ok(())
    }

    /// Has each connection served, until a signal ends the server.
    ///
    /// # Errors
    /// Nobody can connect any more.
    fn accept_until_signal(
        self: &Arc<Server>,
        listener: &Listener,
        signals: &Signals,
        reload: &ReloadSettings,
    ) -> io::Result<()> {
        let mut looked = Instant::now();
        let mut shortage = ConnectionShortage::default();
        loop {
            let is_full = self.connections.count() >= self.current().settings.connections.max(1);
            let wait = match is_full || shortage.waits.is_some() {
                true => LOOK_FOR_PLACE,
                false => POLL_INTERVAL,
            };
            let ready = wait_for(&[&signals.end, &signals.renew, listener], wait)?;
            let is_ready = |number| ready.get(number) == Some(&true);
            if is_ready(0) {
                break;
            }
            if is_ready(1) {
                signals.clear_renew();
                self.renew(reload);
            }
            if looked.elapsed() >= POLL_INTERVAL {
                self.pool.maintain();
                looked = Instant::now();
            }
            if !is_ready(2) && shortage.waits.is_none() {
                continue;
            }
            if is_full {
                self.make_room();
                thread::sleep(LOOK_FOR_PLACE);
            } else if let Err(error) = self.accept(listener, &mut shortage.waits) {
                if shortage.waits.is_none() && is_permanent(&error) {
                    return Err(error);
                }
                if shortage.told.is_none_or(|told| told.elapsed() >= SHORTAGE_INTERVAL) {
                    (self.tell)(&format!("connections have to wait: {error}"));
                    shortage.told = Some(Instant::now());
                }
                self.make_room();
                thread::sleep(SHORTAGE_PAUSE);
            }
        }
        if let Some(connection) = shortage.waits {
            self.take_last(&connection);
        }
        Ok(())
    }

    /// Has the connection served that waits, or else the next one.
    ///
    /// # Errors
    /// It cannot be accepted; or it cannot be served now, and waits.
    fn accept(
        self: &Arc<Server>,
        listener: &Listener,
        waits: &mut Option<Arc<ClientConnection>>,
    ) -> io::Result<()> {
        let connection = match waits.take() {
            Some(connection) => connection,
            None => match listener.accept().and_then(ClientConnection::new) {
                Ok(connection) => Arc::new(connection),
                Err(error) if is_harmless(&error) => return Ok(()),
                Err(error) => return Err(error),
            },
        };
        self.take(&connection).inspect_err(|_| *waits = Some(connection))
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
                if let Ok(connection) = ClientConnection::new(stream) {
                    self.take_last(&Arc::new(connection));
                }
            }
        }
        self.connections.wait_for_end(Instant::now() + LAST);
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

    /// Ends a connection whose place another one needs.
    fn make_room(&self) {
        if self.connections.make_room() {
            (self.tell)("a client that stalled within a command or message gave way to another");
        }
    }

    /// Serves a connection in a thread of its own.
    fn take(self: &Arc<Server>, connection: &Arc<ClientConnection>) -> io::Result<()> {
        let open = self.connections.enter(connection);
        let server = Arc::clone(self);
        let thread = thread::Builder::new().name("client".into()).stack_size(STACK);
        thread.spawn(move || {
            let mut client = open.client(server.woken.as_fd());
            let ended = session::run(&*server, &mut client);
            if open.connection.gave_way() {
                open.connection.send(&NO_ROOM.line(false));
            }
            if let Err(error) = ended
                && !is_closed(&error)
            {
                (server.tell)(&format!("a connection was ended: {error}"));
            }
        })?;
        self.metrics.connections.count();
        Ok(())
    }

    /// The same for one that waited when the server was told to end.
    fn take_last(self: &Arc<Server>, connection: &Arc<ClientConnection>) {
        if let Err(error) = self.take(connection) {
            (self.tell)(&format!("a connection cannot be served: {error}"));
            connection.send(&ENDING.line(false));
        }
    }
}

/// A shortage of descriptors or threads.
#[derive(Default)]
struct ConnectionShortage {
    /// When the log was last told of one.
    told: Option<Instant>,
    /// A connection that was accepted and is not served yet.
    waits: Option<Arc<ClientConnection>>,
}

/// Allows more open files, as far as the system lets us: systemd's usual 1024 are fewer than
/// some hundred connections with large messages need. Workers lower it again.
fn raise_file_limit() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let wanted = maximum.map_or(FILES, |maximum| maximum.min(FILES));
    if current.is_some_and(|current| current < wanted) {
        let _ = setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum });
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
            let address = recipient.address();
            (self.tell)(&format!("{} gets no mail now: {why}", LoggedValue(&address)));
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
        let record = RecipientRecord { envelope, to: Some(to), result: &result, size, time };
        (self.tell)(&record.to_string());
        result.reply
    }

    fn was_unheard(&self, envelope: &Envelope, to: &Addressee, message: &MessageData) {
        self.unheard.note(message, &envelope.sender, &to.recipient);
    }

    fn was_not_taken(&self, envelope: &Envelope, to: &[Addressee], size: u64, reply: &LmtpReply) {
        let (result, time) = (DeliveryResult::not_taken(reply.clone()), Duration::ZERO);
        let tell = |to| {
            let record = RecipientRecord { envelope, to, result: &result, size, time };
            (self.tell)(&record.to_string());
        };
        if to.is_empty() {
            tell(None);
        }
        for to in to {
            self.metrics.count_delivery(reply.code, time);
            tell(Some(to));
        }
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
