//! Where users have uids of their own: the launcher is root and starts the front, once,
//! and a worker for each user who has mail to deliver. It looks each user up itself,
//! starts no worker for root or a system account, and reads neither a message nor a
//! client's socket.
//!
//! The front asks it over a pair of sockets, one question and one answer at a time.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};

use super::accounts::{self, Account, Accounts, Recipient};
use super::listen::{Listener, report_ready, wait_for};
use super::pool::PoolLog;
use super::server::{ReloadSettings, Server};
use super::settings::{Identity, LmtpSettings};
use super::signals::Signals;
use super::spawn::{Role, command};
use super::warm_worker::{KILL_GRACE, Spawner, WorkerProcess};
use super::wire::{self, WorkerFrame};

/// How often to look for workers that have ended.
const POLL_INTERVAL: Duration = Duration::from_secs(5);
/// How often the front asks whether a worker that was killed has ended.
const LOOK_FOR_END: Duration = Duration::from_millis(2);
/// A front that dies within this time is not restarted at once.
const RETRY_INTERVAL: Duration = Duration::from_secs(2);

/// A question of the front.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
enum Question {
    /// The settings as they are now.
    Settings,
    /// A worker for the account of that name; its socket comes with the answer.
    Start(String),
    /// Whether a worker has ended.
    HasEnded(u32),
    /// Kill a worker. The front waits for its end, since the launcher never waits.
    Kill(u32),
}

/// The launcher's answer.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
enum Response {
    Settings(Box<LmtpSettings>),
    Started(u32),
    Ended(bool),
    No(String),
}

/// The launcher's side.
struct Launcher<'r> {
    settings: LmtpSettings,
    accounts: Box<dyn Accounts>,
    reload: &'r ReloadSettings,
    tell: &'r PoolLog,
    workers: Vec<Child>,
}

/// Runs the front, and starts what it asks for, until a signal ends this process. `ready`
/// is called when signals are heard.
///
/// # Errors
/// The front cannot be started.
pub fn run(
    listener: &Listener,
    settings: LmtpSettings,
    reload: &ReloadSettings,
    tell: &PoolLog,
    ready: impl FnOnce(),
) -> Result<(), String> {
    let accounts = accounts::open(&settings.users)?;
    let mut launcher = Launcher { settings, accounts, reload, tell, workers: Vec::new() };
    let signals = Signals::register().map_err(|error| error.to_string())?;
    ready();
    report_ready();
    loop {
        let began = Instant::now();
        let started = launcher.start_front(listener);
        let (mut front, socket) = started.map_err(|error| format!("no front: {error}"))?;
        let ended = launcher.serve(&mut front, &socket, &signals);
        if let Err(error) = &ended {
            tell(&format!("the front sent something that cannot be read: {error}"));
            let _ = front.kill();
        }
        let status = front.wait().map_err(|error| error.to_string())?;
        if matches!(ended, Ok(true)) {
            return Ok(());
        }
        tell(&format!("the front ended ({status}) and is started again"));
        if began.elapsed() < RETRY_INTERVAL {
            std::thread::sleep(RETRY_INTERVAL);
        }
    }
}

impl Launcher<'_> {
    fn start_front(&self, listener: &Listener) -> io::Result<(Child, UnixStream)> {
        let (ours, theirs) = UnixStream::pair()?;
        let mut command = command(Role::Front, self.settings.identity);
        let front = command
            .stdin(listener.as_fd().try_clone_to_owned()?)
            .stdout(OwnedFd::from(theirs))
            .spawn()?;
        Ok((front, ours))
    }

    /// Answers the front until it is gone; true if the front was told to end.
    fn serve(
        &mut self,
        front: &mut Child,
        socket: &UnixStream,
        signals: &Signals,
    ) -> io::Result<bool> {
        let mut told = false;
        loop {
            let watched: &[&dyn AsFd] = &[socket, &signals.renew, &signals.end];
            // One signal to end is enough.
            let watched = watched.get(..if told { 2 } else { 3 }).unwrap_or(watched);
            let ready = wait_for(watched, POLL_INTERVAL)?;
            self.workers.retain_mut(|worker| matches!(worker.try_wait(), Ok(None)));
            if ready.get(2) == Some(&true) {
                told = true;
                signal(front, Signal::TERM);
            }
            if ready.get(1) == Some(&true) {
                signals.clear_renew();
                if self.renew() {
                    signal(front, Signal::HUP);
                }
            }
            if ready.first() == Some(&true) {
                let Some(WorkerFrame { head, .. }) = wire::receive::<Question>(socket)? else {
                    return Ok(told);
                };
                self.answer(head, socket)?;
            }
        }
    }

    /// Reads the settings again; true if they can be used.
    fn renew(&mut self) -> bool {
        let read = (self.reload)().and_then(|settings| {
            let accounts = accounts::open(&settings.users)?;
            Ok((settings, accounts))
        });
        match read {
            Ok((mut settings, accounts)) => {
                // A front that is restarted gets the same identity as the first one,
                // never root.
                settings.own_uids = self.settings.own_uids;
                settings.identity = self.settings.identity;
                settings.state.clone_from(&self.settings.state);
                (self.settings, self.accounts) = (settings, accounts);
                true
            }
            Err(why) => {
                (self.tell)(&format!("the settings stay as they were: {why}"));
                false
            }
        }
    }

    fn answer(&mut self, question: Question, socket: &UnixStream) -> io::Result<()> {
        let mut descriptor = None;
        let response = match question {
            Question::Settings => Response::Settings(Box::new(self.settings.clone())),
            Question::Start(name) => match self.start(&name) {
                Ok((pid, theirs)) => {
                    descriptor = Some(theirs);
                    Response::Started(pid)
                }
                Err(why) => Response::No(why),
            },
            Question::HasEnded(pid) => Response::Ended(self.worker(pid).is_none()),
            Question::Kill(pid) => {
                if let Some(worker) = self.worker(pid) {
                    let _ = worker.kill();
                }
                Response::Ended(false)
            }
        };
        wire::send(socket, &response, b"", descriptor.as_ref().map(AsFd::as_fd))
    }

    /// A worker that was running a moment ago.
    fn worker(&mut self, pid: u32) -> Option<&mut Child> {
        self.workers.iter_mut().find(|worker| worker.id() == pid)
    }

    /// Starts a worker for a user and returns the front's end of its socket.
    fn start(&mut self, name: &str) -> Result<(u32, UnixStream), String> {
        let account = self.account(name)?;
        let (ours, theirs) = UnixStream::pair().map_err(|error| error.to_string())?;
        let identity = Identity { uid: account.uid, gid: account.gid };
        let mut command = command(Role::Worker, Some(identity));
        let child = command.stdin(OwnedFd::from(theirs)).stdout(Stdio::null()).spawn();
        let child = child.map_err(|error| format!("no worker for {name}: {error}"))?;
        let pid = child.id();
        self.workers.push(child);
        Ok((pid, ours))
    }

    /// The account of that name. Whatever the front says, only for an ordinary user.
    fn account(&self, name: &str) -> Result<Account, String> {
        let (local, domain) = name.rsplit_once('@').unwrap_or((name, ""));
        let recipient =
            Recipient { local: local.to_owned(), detail: None, domain: domain.to_owned() };
        let found = self.accounts.find(&recipient).map_err(|why| why.to_string())?;
        let account = found.filter(|account| account.name == name);
        let account = account.ok_or_else(|| format!("there is no user {name}"))?;
        if account.uid < self.settings.first_uid.max(1) || account.gid == 0 {
            return Err(format!(
                "uid {} of {name} does not belong to an ordinary user",
                account.uid
            ));
        }
        Ok(account)
    }
}

fn signal(child: &Child, signal: Signal) {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    // It is not reaped yet, so the number is still its own.
    if let Some(pid) = pid {
        let _ = kill_process(pid, signal);
    }
}

/// Runs the front where a launcher starts the workers: standard input is the listening
/// socket, standard output is the socket to the launcher.
///
/// # Errors
/// It cannot serve.
pub fn front(tell: Arc<PoolLog>) -> Result<(), String> {
    if rustix::process::geteuid().is_root() {
        return Err("the process that speaks to clients must not run as root".into());
    }
    let listener = Listener::inherited()?;
    let socket = rustix::stdio::stdout().try_clone_to_owned().map_err(|error| error.to_string())?;
    let launcher = Arc::new(Mutex::new(UnixStream::from(socket)));
    let settings = settings_of(&launcher)?;
    let spawner = ByLauncher { socket: Arc::clone(&launcher) };
    let server = Arc::new(Server::new(settings, Box::new(spawner), tell)?);
    let served = server.serve(listener, &move || settings_of(&launcher), || ());
    served.map_err(|error| format!("nobody can connect any more: {error}"))
}

type LauncherSocket = Arc<Mutex<UnixStream>>;

fn ask(launcher: &LauncherSocket, question: &Question) -> io::Result<WorkerFrame<Response>> {
    let socket = launcher.lock().unwrap_or_else(PoisonError::into_inner);
    wire::send(&socket, question, b"", None)?;
    let gone = || io::Error::new(io::ErrorKind::BrokenPipe, "the launcher is gone");
    wire::receive(&socket)?.ok_or_else(gone)
}

fn settings_of(launcher: &LauncherSocket) -> Result<LmtpSettings, String> {
    match ask(launcher, &Question::Settings) {
        Ok(WorkerFrame { head: Response::Settings(settings), .. }) => Ok(*settings),
        Ok(_) => Err("the launcher sent something that cannot be read".into()),
        Err(error) => Err(error.to_string()),
    }
}

/// Has workers started by the launcher.
struct ByLauncher {
    socket: LauncherSocket,
}

impl Spawner for ByLauncher {
    fn start(&self, account: &Account) -> io::Result<(UnixStream, Box<dyn WorkerProcess>)> {
        let WorkerFrame { head, descriptor, .. } =
            ask(&self.socket, &Question::Start(account.name.clone()))?;
        match (head, descriptor) {
            (Response::Started(pid), Some(descriptor)) => {
                let process = LaunchedWorker { pid, launcher: Arc::clone(&self.socket) };
                Ok((UnixStream::from(descriptor), Box::new(process)))
            }
            (Response::No(why), _) => Err(io::Error::other(why)),
            _ => Err(io::Error::other("the launcher sent something that cannot be read")),
        }
    }
}

/// A worker that the launcher has started.
struct LaunchedWorker {
    pid: u32,
    launcher: LauncherSocket,
}

impl WorkerProcess for LaunchedWorker {
    fn kill(&mut self) {
        let _ = ask(&self.launcher, &Question::Kill(self.pid));
        let until = Instant::now() + KILL_GRACE;
        while !self.has_ended() && Instant::now() < until {
            std::thread::sleep(LOOK_FOR_END);
        }
    }

    fn has_ended(&mut self) -> bool {
        let asked = ask(&self.launcher, &Question::HasEnded(self.pid));
        matches!(asked, Ok(WorkerFrame { head: Response::Ended(true), .. }) | Err(_))
    }
}
