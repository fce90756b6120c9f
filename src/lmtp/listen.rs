//! Where clients connect: a socket of our own, or one that systemd or a launcher passes
//! as standard input.

use std::fs;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::settings::{Identity, ListenAddress};
use crate::platform::may_listen;

/// A listening socket.
#[derive(Debug)]
pub enum Listener {
    /// A unix socket, and its path if we created it.
    Unix(UnixListener, Option<OwnPath>),
    /// TCP, on this machine.
    Tcp(TcpListener),
}

/// A socket in the file system that is ours to remove.
#[derive(Debug)]
pub struct OwnPath {
    path: PathBuf,
    inode: u64,
}

/// A connection.
#[derive(Debug)]
pub enum ClientStream {
    /// Over a unix socket.
    Unix(UnixStream),
    /// Over TCP.
    Tcp(TcpStream),
}

impl Listener {
    /// Listens at an address. A unix socket replaces one of the same name in one step, so
    /// that clients always find one.
    ///
    /// # Errors
    /// Why it cannot listen, in words for people.
    pub fn bind(
        address: &ListenAddress,
        mode: u32,
        owner: Option<Identity>,
    ) -> Result<Listener, String> {
        match address {
            ListenAddress::Unix(path) => Listener::bind_unix(path, mode, owner)
                .map_err(|error| format!("cannot listen at {}: {error}", path.display())),
            ListenAddress::Tcp(host) => {
                let addresses = ListenAddress::loopback(host)?;
                let bound = TcpListener::bind(&*addresses);
                bound
                    .map(Listener::Tcp)
                    .map_err(|error| format!("cannot listen at {host}: {error}"))
            }
        }
    }

    fn bind_unix(path: &Path, mode: u32, owner: Option<Identity>) -> io::Result<Listener> {
        let is_socket =
            |about: fs::Metadata| std::os::unix::fs::FileTypeExt::is_socket(&about.file_type());
        if fs::symlink_metadata(path).is_ok_and(|about| !is_socket(about)) {
            return Err(io::Error::new(ErrorKind::AlreadyExists, "something else is there"));
        }
        let mut new = path.as_os_str().to_owned();
        new.push(format!(".{}", std::process::id()));
        let new = PathBuf::from(new);
        let _ = fs::remove_file(&new);
        let listener = UnixListener::bind(&new)?;
        let placed = (|| -> io::Result<OwnPath> {
            if let Some(owner) = owner {
                chown(&new, Some(owner.uid), Some(owner.gid))?;
            }
            fs::set_permissions(&new, fs::Permissions::from_mode(mode))?;
            let inode = fs::metadata(&new)?.ino();
            fs::rename(&new, path)?;
            Ok(OwnPath { path: path.to_owned(), inode })
        })();
        if placed.is_err() {
            let _ = fs::remove_file(&new);
        }
        Ok(Listener::Unix(listener, Some(placed?)))
    }

    /// The listening socket that is standard input.
    ///
    /// # Errors
    /// Standard input is not a listening socket.
    pub fn inherited() -> Result<Listener, String> {
        let none = "standard input is not a listening socket: name one with --listen; in a unit \
                    of systemd write `StandardInput=socket`, and `Accept=no` in that of the socket";
        let stdin = rustix::stdio::stdin();
        // A socket of a connection would be waited at for ever.
        if !may_listen(stdin) {
            return Err(none.into());
        }
        let owned = || stdin.try_clone_to_owned().map_err(|error| error.to_string());
        let unix = UnixListener::from(owned()?);
        if unix.local_addr().is_ok() {
            return Ok(Listener::Unix(unix, None));
        }
        let tcp = TcpListener::from(owned()?);
        match tcp.local_addr() {
            Ok(address) => {
                ListenAddress::loopback(&address.to_string()).map(|_| Listener::Tcp(tcp))
            }
            Err(_) => Err(none.into()),
        }
    }

    /// Takes the socket at this place over from the process that has created it and has
    /// become this one: its queue ends with us. Its file stays, which we may be unable to
    /// remove.
    pub fn adopt(&mut self, place: &str) {
        if let (Listener::Unix(_, own @ None), Some(path)) = (self, place.strip_prefix("unix:")) {
            // No file has this number.
            *own = Some(OwnPath { path: path.into(), inode: 0 });
        }
    }

    /// Accepts the next connection.
    ///
    /// # Errors
    /// The system's error; `WouldBlock` if there is no connection.
    pub fn accept(&self) -> io::Result<ClientStream> {
        match self {
            Listener::Unix(listener, _) => Ok(ClientStream::Unix(listener.accept()?.0)),
            Listener::Tcp(listener) => {
                let stream = listener.accept()?.0;
                // The client may be gone already.
                let _ = stream.set_nodelay(true);
                Ok(ClientStream::Tcp(stream))
            }
        }
    }

    /// Sets whether accepting returns at once when there is no connection.
    ///
    /// # Errors
    /// The system's.
    pub fn set_nonblocking(&self, nonblocking: bool) -> io::Result<()> {
        match self {
            Listener::Unix(listener, _) => listener.set_nonblocking(nonblocking),
            Listener::Tcp(listener) => listener.set_nonblocking(nonblocking),
        }
    }

    /// Where it listens, in words for people.
    pub fn place(&self) -> String {
        match self {
            Listener::Unix(_, Some(own)) => format!("unix:{}", own.path.display()),
            // The name of the socket itself may be the one that it had before it was put
            // in place.
            Listener::Unix(_, None) => "the socket that is standard input".into(),
            Listener::Tcp(listener) => {
                listener.local_addr().map_or("a port".into(), |address| address.to_string())
            }
        }
    }

    /// Whether we created it, so that nobody else keeps it open when we have ended.
    pub fn is_own(&self) -> bool {
        matches!(self, Listener::Unix(_, Some(_)))
    }

    /// A copy that can be given to another process.
    ///
    /// # Errors
    /// The system's.
    pub fn to_owned_fd(&self) -> io::Result<OwnedFd> {
        self.as_fd().try_clone_to_owned()
    }

    /// Forgets that the path is ours: another process has the socket now.
    pub fn leave(&mut self) -> Option<OwnPath> {
        match self {
            Listener::Unix(_, own) => own.take(),
            Listener::Tcp(_) => None,
        }
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Listener::Unix(listener, _) => listener.as_fd(),
            Listener::Tcp(listener) => listener.as_fd(),
        }
    }
}

/// Waits for at most `time` until some of these are readable or at their end; says which
/// are.
pub(super) fn wait_for(descriptors: &[&dyn AsFd], time: Duration) -> io::Result<Vec<bool>> {
    let until = Instant::now() + time;
    let borrowed: Vec<_> = descriptors.iter().map(|descriptor| descriptor.as_fd()).collect();
    let mut fds: Vec<PollFd<'_>> =
        borrowed.iter().map(|descriptor| PollFd::new(descriptor, PollFlags::IN)).collect();
    loop {
        let left = until.saturating_duration_since(Instant::now());
        let wait = Timespec {
            tv_sec: i64::try_from(left.as_secs()).unwrap_or(3600),
            tv_nsec: i64::from(left.subsec_nanos()),
        };
        match poll(&mut fds, Some(&wait)) {
            Err(Errno::INTR) => {}
            polled => {
                polled?;
                return Ok(fds.iter().map(|fd| !fd.revents().is_empty()).collect());
            }
        }
    }
}

/// Tells the service manager that clients are served and signals are heard: sd_notify(3).
/// Without one, nothing is done.
pub(super) fn report_ready() {
    if let Some(place) = std::env::var_os("NOTIFY_SOCKET") {
        let sent = UnixDatagram::unbound().and_then(|socket| socket.send_to(b"READY=1", place));
        // systemd then says itself that it has not heard of us.
        let _ = sent;
    }
}

impl Drop for OwnPath {
    fn drop(&mut self) {
        // A server that was started since then may have put its own socket there.
        if fs::symlink_metadata(&self.path).is_ok_and(|about| about.ino() == self.inode) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

impl ClientStream {
    /// Sets how long a read and a write may wait.
    ///
    /// # Errors
    /// The system's.
    pub fn set_timeouts(&self, read: Duration, write: Duration) -> io::Result<()> {
        match self {
            ClientStream::Unix(stream) => {
                stream.set_read_timeout(Some(read))?;
                stream.set_write_timeout(Some(write))
            }
            ClientStream::Tcp(stream) => {
                stream.set_read_timeout(Some(read))?;
                stream.set_write_timeout(Some(write))
            }
        }
    }
}

impl AsFd for ClientStream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            ClientStream::Unix(stream) => stream.as_fd(),
            ClientStream::Tcp(stream) => stream.as_fd(),
        }
    }
}

impl Read for &ClientStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            ClientStream::Unix(stream) => (&*stream).read(buffer),
            ClientStream::Tcp(stream) => (&*stream).read(buffer),
        }
    }
}

impl Write for &ClientStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            ClientStream::Unix(stream) => (&*stream).write(bytes),
            ClientStream::Tcp(stream) => (&*stream).write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
