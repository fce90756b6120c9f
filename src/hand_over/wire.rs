//! A connection on which nothing takes longer than its step may, however slowly bytes
//! arrive, and no reply is longer than the limit.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use memchr::memchr;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, FdFlags, fcntl_setfd};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketType, connect, socket};

use crate::source::reason;

use super::address::StorePlace;

/// The longest reply, in bytes.
pub(super) const REPLY_MAX: usize = 64 << 10;
/// How much of a reply is reported, in bytes.
pub(super) const TEXT_MAX: usize = 300;
/// The pause between two tries to connect to a socket whose queue is full.
const PAUSE: Duration = Duration::from_millis(20);

enum StoreStream {
    Unix(UnixStream),
    Tcp(TcpStream),
}

/// A connection.
pub(super) struct Wire {
    stream: StoreStream,
    buffer: Vec<u8>,
    /// When the current step must be over, and when all steps must be.
    until: Instant,
    deadline: Instant,
}

impl Wire {
    /// Connects within `limit`; everything must be over at `deadline`.
    pub(super) fn connect(
        place: &StorePlace,
        limit: Duration,
        deadline: Instant,
    ) -> io::Result<Wire> {
        let until = deadline.min(Instant::now() + limit);
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(late());
        }
        let stream = match place {
            StorePlace::Unix(path) => StoreStream::Unix(connect_unix(path, until)?),
            StorePlace::Tcp(address) => {
                let stream = TcpStream::connect_timeout(address, left)?;
                stream.set_nodelay(true)?;
                StoreStream::Tcp(stream)
            }
        };
        Ok(Wire { stream, buffer: Vec::new(), until, deadline })
    }

    /// Begins a step, which may take up to `limit`.
    pub(super) fn step(&mut self, limit: Duration) {
        self.until = self.deadline.min(Instant::now() + limit);
    }

    /// How long the current step may still take.
    fn left(&self) -> io::Result<Duration> {
        let left = self.until.saturating_duration_since(Instant::now());
        // The system counts microseconds, and zero means no time-out.
        if left < Duration::from_millis(1) { Err(late()) } else { Ok(left) }
    }

    /// Sends all of `bytes`.
    pub(super) fn send(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let left = Some(self.left()?);
            let written = match &mut self.stream {
                StoreStream::Unix(stream) => {
                    stream.set_write_timeout(left)?;
                    stream.write(bytes)
                }
                StoreStream::Tcp(stream) => {
                    stream.set_write_timeout(left)?;
                    stream.write(bytes)
                }
            };
            match written {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(count) => bytes = bytes.get(count..).unwrap_or_default(),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(worded(error)),
            }
        }
        Ok(())
    }

    /// Whether there is nothing unread from the other side.
    pub(super) fn is_silent(&self) -> bool {
        let now = Timespec::default();
        let fd = match &self.stream {
            StoreStream::Unix(stream) => stream.as_fd(),
            StoreStream::Tcp(stream) => stream.as_fd(),
        };
        let mut fds = [PollFd::new(&fd, PollFlags::IN)];
        self.buffer.is_empty() && matches!(poll(&mut fds, Some(&now)), Ok(0))
    }

    /// The next line, without its line feed; an error if it is longer than `most` bytes.
    pub(super) fn line(&mut self, most: usize) -> io::Result<Vec<u8>> {
        let mut looked = 0;
        loop {
            let rest = self.buffer.get(looked..).unwrap_or_default();
            if let Some(at) = memchr(b'\n', rest).map(|at| looked + at).filter(|at| *at <= most) {
                let mut line: Vec<u8> = self.buffer.drain(..=at).collect();
                line.pop();
                return Ok(line);
            }
            looked = self.buffer.len();
            if looked > most {
                return Err(invalid("a reply without an end"));
            }
            self.read_more()?;
        }
    }

    /// The next bytes, at least one and at most `most`.
    pub(super) fn bytes(&mut self, most: usize) -> io::Result<Vec<u8>> {
        while self.buffer.is_empty() {
            self.read_more()?;
        }
        Ok(self.buffer.drain(..most.min(self.buffer.len())).collect())
    }

    fn read_more(&mut self) -> io::Result<()> {
        let left = Some(self.left()?);
        let mut bytes = [0; 4096];
        let read = match &mut self.stream {
            StoreStream::Unix(stream) => {
                stream.set_read_timeout(left)?;
                stream.read(&mut bytes)
            }
            StoreStream::Tcp(stream) => {
                stream.set_read_timeout(left)?;
                stream.read(&mut bytes)
            }
        };
        match read {
            Ok(0) => Err(ErrorKind::UnexpectedEof.into()),
            Ok(count) => {
                self.buffer.extend_from_slice(bytes.get(..count).unwrap_or_default());
                Ok(())
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => Ok(()),
            Err(error) => Err(worded(error)),
        }
    }
}

/// Connects to a unix socket, before `until`: connect(2) on such a socket blocks while
/// its queue is full.
///
/// # Errors
/// Those of the system; `TimedOut`.
pub fn connect_unix(path: &Path, until: Instant) -> io::Result<UnixStream> {
    let address = SocketAddrUnix::new(path)?;
    let stream = UnixStream::from(socket(AddressFamily::UNIX, SocketType::STREAM, None)?);
    fcntl_setfd(&stream, FdFlags::CLOEXEC)?;
    stream.set_nonblocking(true)?;
    loop {
        match connect(&stream, &address) {
            Ok(()) => break,
            Err(Errno::AGAIN | Errno::INTR) if Instant::now() < until => std::thread::sleep(PAUSE),
            Err(Errno::AGAIN) => return Err(late()),
            Err(error) => return Err(error.into()),
        }
    }
    stream.set_nonblocking(false)?;
    Ok(stream)
}

/// What went wrong with a connection, for people.
pub(super) fn describe(error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::UnexpectedEof => "it closed the connection".into(),
        _ => reason(error),
    }
}

fn late() -> io::Error {
    io::Error::new(ErrorKind::TimedOut, "it takes too long")
}

pub(super) fn invalid(why: impl Into<String>) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, why.into())
}

/// A time-out of a socket is `EAGAIN`.
fn worded(error: io::Error) -> io::Error {
    if error.kind() == ErrorKind::WouldBlock { late() } else { error }
}
