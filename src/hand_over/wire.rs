//! A connection on which nothing takes longer than its step may, however slowly bytes
//! drip, and no reply is longer than replies are.

use std::fmt;
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

use crate::outcome::is_status;
use crate::text::one_line;

use super::address::StorePlace;

/// A reply is no longer than this, bytes: RFC 5321 §4.5.3.1.5 gives a line 512.
const REPLY_MAX: usize = 64 << 10;
/// What of a reply is told, bytes.
const TEXT_MAX: usize = 300;
/// Between two tries to connect to a socket whose queue is full.
const PAUSE: Duration = Duration::from_millis(20);

/// A reply of the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreReply {
    /// RFC 5321 §4.2: 200 to 599.
    pub code: u16,
    /// `x.y.z` of RFC 2034, where it is there and of the code's class.
    pub status: Option<String>,
    /// All of it, as one harmless line.
    pub text: String,
}

impl StoreReply {
    /// Whether it says yes.
    pub(super) fn is_positive(&self) -> bool {
        self.code < 300
    }

    /// Whether it says that a mailbox is full: RFC 3463 x.2.2, else 552. A 452 alone may
    /// mean the store's disk, which no mail may bounce for.
    pub fn is_full(&self) -> bool {
        match &self.status {
            Some(status) => status.ends_with(".2.2"),
            None => self.code == 552,
        }
    }
}

impl fmt::Display for StoreReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

enum StoreStream {
    Unix(UnixStream),
    Tcp(TcpStream),
}

/// A connection.
pub(super) struct Wire {
    stream: StoreStream,
    buffer: Vec<u8>,
    /// When the step that runs must be over, and all of them.
    until: Instant,
    deadline: Instant,
}

impl Wire {
    /// Connects within `limit`; all must be over at `deadline`.
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

    /// What follows may take so long.
    pub(super) fn step(&mut self, limit: Duration) {
        self.until = self.deadline.min(Instant::now() + limit);
    }

    /// How long the step that runs may still take.
    fn left(&self) -> io::Result<Duration> {
        let left = self.until.saturating_duration_since(Instant::now());
        // The system counts microseconds, and none is for ever.
        if left < Duration::from_millis(1) { Err(late()) } else { Ok(left) }
    }

    /// Sends all of it.
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

    /// Whether the other side has said nothing that is unread.
    pub(super) fn is_silent(&self) -> bool {
        let now = Timespec::default();
        let fd = match &self.stream {
            StoreStream::Unix(stream) => stream.as_fd(),
            StoreStream::Tcp(stream) => stream.as_fd(),
        };
        let mut fds = [PollFd::new(&fd, PollFlags::IN)];
        self.buffer.is_empty() && matches!(poll(&mut fds, Some(&now)), Ok(0))
    }

    /// The next reply: all its lines.
    pub(super) fn reply(&mut self) -> io::Result<StoreReply> {
        let (mut end, mut code, mut text) = (0, None, String::new());
        loop {
            let line = self.line(end)?;
            end += line.len() + 1;
            let (this, goes_on, words) = parse(&line).ok_or_else(|| {
                let said = one_line(&String::from_utf8_lossy(&line), 80);
                invalid(format!("it said `{said}`, which is no reply of LMTP"))
            })?;
            if *code.get_or_insert(this) != this {
                return Err(invalid("a reply with two codes"));
            }
            if text.len() < TEXT_MAX {
                text.push(' ');
                text.push_str(&String::from_utf8_lossy(words));
            }
            if !goes_on {
                self.buffer.drain(..end);
                let class = char::from_digit(u32::from(this) / 100, 10).unwrap_or('5');
                let status = text.split_whitespace().next();
                let status = status.filter(|status| is_status(status, class)).map(str::to_owned);
                let text = one_line(&format!("{this}{text}"), TEXT_MAX);
                return Ok(StoreReply { code: this, status, text });
            }
        }
    }

    /// Lines of the capabilities that a reply gave: each behind its code.
    pub(super) fn reply_lines(&mut self) -> io::Result<(StoreReply, Vec<String>)> {
        let (mut end, mut lines) = (0, Vec::new());
        loop {
            let line = self.line(end)?;
            end += line.len() + 1;
            let Some((_, goes_on, words)) = parse(&line) else { break };
            lines.push(String::from_utf8_lossy(words).trim().to_owned());
            if !goes_on {
                break;
            }
        }
        // It lies there whole.
        Ok((self.reply()?, lines))
    }

    /// The line that starts so far into the buffer, without its line feed.
    fn line(&mut self, start: usize) -> io::Result<Vec<u8>> {
        let mut looked = start;
        loop {
            let rest = self.buffer.get(looked..).unwrap_or_default();
            if let Some(at) = memchr(b'\n', rest) {
                return Ok(self.buffer.get(start..looked + at).unwrap_or_default().to_vec());
            }
            looked = self.buffer.len();
            if looked > REPLY_MAX {
                return Err(invalid("a reply without an end"));
            }
            self.read_more()?;
        }
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

/// The code, whether more lines follow, and what is said.
fn parse(line: &[u8]) -> Option<(u16, bool, &[u8])> {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let (code, rest) = line.split_at_checked(3)?;
    let code: u16 = std::str::from_utf8(code).ok()?.parse().ok()?;
    let goes_on = match rest.first() {
        None | Some(b' ') => false,
        Some(b'-') => true,
        Some(_) => return None,
    };
    (200..600).contains(&code).then(|| (code, goes_on, rest.get(1..).unwrap_or_default()))
}

/// Connects to a unix socket, before `until`: connect(2) on a socket of this kind waits as
/// long as its queue is full.
///
/// # Errors
/// The system's; `TimedOut`.
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

fn late() -> io::Error {
    io::Error::new(ErrorKind::TimedOut, "it takes too long")
}

fn invalid(why: impl Into<String>) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, why.into())
}

/// A time-out of a socket is `EAGAIN`.
fn worded(error: io::Error) -> io::Error {
    if error.kind() == ErrorKind::WouldBlock { late() } else { error }
}
