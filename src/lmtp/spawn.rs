//! Starting this program again in another role: always by exec, so that nothing of the
//! process that starts it is left in the new one.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use super::accounts::Account;
use super::child;
use super::settings::Identity;
use super::warm_worker::{KILL_GRACE, Spawner, WorkerProcess};

/// The roles that `mfilter lmtp --role=…` has besides that of the server itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Delivers; its standard input is the front's socket.
    Worker,
    /// Speaks LMTP where a launcher starts the workers; its standard input is the
    /// listening socket, its standard output the socket to the launcher.
    Front,
}

impl Role {
    const PREFIX: &'static str = "--role=";

    fn name(self) -> &'static str {
        match self {
            Role::Worker => "worker",
            Role::Front => "front",
        }
    }

    /// The role that an argument names.
    pub fn of(argument: &str) -> Option<Role> {
        let name = argument.strip_prefix(Role::PREFIX)?;
        [Role::Worker, Role::Front].into_iter().find(|role| role.name() == name)
    }
}

/// This program in another role. Only the variables that say how text and times are
/// written are kept in its environment.
pub fn command(role: Role, identity: Option<Identity>) -> Command {
    // The program that is running, whatever an upgrade may have put in its place.
    let own = std::path::Path::new("/proc/self/exe");
    let program =
        if own.exists() { own.to_owned() } else { std::env::current_exe().unwrap_or_default() };
    let mut command = Command::new(program);
    command.arg0("mfilter").args(["lmtp", &format!("{}{}", Role::PREFIX, role.name())]);
    command.env_clear().current_dir("/");
    for name in ["LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR"] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    if let Some(identity) = identity {
        // This drops the supplementary groups, too.
        command.gid(identity.gid).uid(identity.uid);
    }
    command
}

/// Starts workers with the server's own uid.
#[derive(Debug, Default)]
pub struct OwnUid;

impl Spawner for OwnUid {
    fn start(&self, _: &Account) -> io::Result<(UnixStream, Box<dyn WorkerProcess>)> {
        let (ours, theirs) = UnixStream::pair()?;
        let mut command = command(Role::Worker, None);
        let child = command.stdin(OwnedFd::from(theirs)).stdout(Stdio::null()).spawn()?;
        Ok((ours, Box::new(OwnChild(Some(child)))))
    }
}

/// A worker that this process has started; none once it was killed.
struct OwnChild(Option<Child>);

impl WorkerProcess for OwnChild {
    fn kill(&mut self) {
        if let Some(child) = self.0.take() {
            child::kill(child, KILL_GRACE);
        }
    }

    fn has_ended(&mut self) -> bool {
        self.0.as_mut().is_none_or(|child| !matches!(child.try_wait(), Ok(None)))
    }
}

impl Drop for OwnChild {
    fn drop(&mut self) {
        self.kill();
    }
}
