//! What the roles say to each other, over a pair of sockets: one question, then one
//! answer, and no other question before it, so one read never returns more than one
//! frame.
//!
//! A frame is the lengths of head and body (u32 each, little-endian), the head as
//! postcard writes it, and the body. A descriptor may come with it.

use std::io::{self, ErrorKind, IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::Instant;

use rustix::io::{Errno, FdFlags, fcntl_setfd};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::accounts::Account;
use super::settings::LmtpSettings;
use crate::mda::Filtering;
use crate::outcome::Outcome;

/// Longer frames are not accepted, bytes.
const LIMIT: usize = 4 << 20;
/// How much is read at once, bytes: most messages with their envelope fit.
const BUFFER: usize = 16 << 10;
/// The two lengths.
const LENGTHS: usize = 8;

/// An order to a worker.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
pub enum WorkerOrder {
    /// First of all: the settings to use.
    Settings(Box<LmtpSettings>),
    /// Deliver the message in the body, or in the file that comes along.
    Deliver(Job),
    /// Find out what a delivery has done whose worker died, without repeating it.
    Recover(Job),
}

/// A message for one recipient.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// A random number that is part of the names of its files.
    pub id: u64,
    /// Whose mail it is.
    pub account: Account,
    /// RFC 5321 reverse-path; empty is the null sender.
    pub sender: String,
    /// RFC 5321 forward-path.
    pub recipient: String,
    /// The forward-path by which the user is known: without the detail.
    pub mailbox: String,
    /// What the sender wrote instead, RFC 3461 `ORCPT`.
    pub original: Option<String>,
    /// The address's detail.
    pub detail: Option<String>,
    /// Whether rules are used.
    pub filtering: Filtering,
}

/// What a worker answers.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
pub enum WorkerAnswer {
    /// The worker has its settings.
    Ready,
    /// How the delivery ended. `broke` says that it ended in a panic.
    Done {
        /// The outcome.
        outcome: Outcome,
        /// The folders that have the message now, as people name them.
        folders: Vec<String>,
        /// Whether it ended by a bug of ours.
        broke: bool,
    },
    /// Whether everything is stored that a dead worker's delivery had to store.
    Recovered(bool),
}

/// A frame that was received.
pub struct WorkerFrame<T> {
    /// The head.
    pub head: T,
    /// The body.
    pub body: Vec<u8>,
    /// The descriptor that came with it.
    pub descriptor: Option<OwnedFd>,
}

/// A socket until a deadline. A read or write that stalls fails by the socket's own
/// timeout, but at the other end may be somebody who moves a byte now and then.
struct TimedSocket<'s> {
    socket: &'s UnixStream,
    until: Option<Instant>,
}

impl TimedSocket<'_> {
    fn check(&self) -> io::Result<()> {
        let is_over = self.until.is_some_and(|until| Instant::now() > until);
        if is_over { Err(ErrorKind::TimedOut.into()) } else { Ok(()) }
    }
}

impl Read for TimedSocket<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.check()?;
        self.socket.read(buffer)
    }
}

impl Write for TimedSocket<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.check()?;
        self.socket.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Sends a frame.
///
/// # Errors
/// The socket's error; `BrokenPipe` if nobody is at the other end.
pub fn send(
    socket: &UnixStream,
    head: &impl Serialize,
    body: &[u8],
    descriptor: Option<BorrowedFd<'_>>,
) -> io::Result<()> {
    send_until(socket, None, head, body, descriptor)
}

/// The same; fails if it is not done when `until` is over.
///
/// # Errors
/// As [`send`], and `TimedOut`.
pub fn send_until(
    socket: &UnixStream,
    until: Option<Instant>,
    head: &impl Serialize,
    body: &[u8],
    descriptor: Option<BorrowedFd<'_>>,
) -> io::Result<()> {
    let mut start = postcard::to_extend(head, vec![0; LENGTHS]).map_err(io::Error::other)?;
    let too_long = |_| io::Error::from(ErrorKind::InvalidData);
    let head_length = u32::try_from(start.len() - LENGTHS).map_err(too_long)?;
    let body_length = u32::try_from(body.len()).map_err(too_long)?;
    let lengths = [head_length.to_le_bytes(), body_length.to_le_bytes()].concat();
    if let Some(place) = start.get_mut(..LENGTHS) {
        place.copy_from_slice(&lengths);
    }
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let descriptors: Vec<BorrowedFd<'_>> = descriptor.into_iter().collect();
    if !descriptors.is_empty() {
        control.push(SendAncillaryMessage::ScmRights(&descriptors));
    }
    let parts = [IoSlice::new(&start), IoSlice::new(body)];
    let sent = loop {
        match sendmsg(socket, &parts, &mut control, SendFlags::empty()) {
            Err(Errno::INTR) => {}
            sent => break sent?,
        }
    };
    let mut timed = TimedSocket { socket, until };
    let rest = start.get(sent..).unwrap_or_default();
    timed.write_all(rest)?;
    let body_sent = sent.saturating_sub(start.len());
    timed.write_all(body.get(body_sent..).unwrap_or_default())
}

/// Receives a frame; none at the end.
///
/// # Errors
/// The socket's error; `InvalidData` for what is not a frame, `UnexpectedEof` for an
/// incomplete one.
pub fn receive<T: DeserializeOwned>(socket: &UnixStream) -> io::Result<Option<WorkerFrame<T>>> {
    receive_until(socket, None)
}

/// The same; fails if the frame is not complete when `until` is over.
///
/// # Errors
/// As [`receive`], and `TimedOut`.
pub fn receive_until<T: DeserializeOwned>(
    socket: &UnixStream,
    until: Option<Instant>,
) -> io::Result<Option<WorkerFrame<T>>> {
    let mut bytes = vec![0; BUFFER];
    let mut descriptor = None;
    let mut length = receive_some(socket, &mut bytes, &mut descriptor)?;
    if length == 0 {
        return Ok(None);
    }
    let mut rest = TimedSocket { socket, until };
    while length < LENGTHS {
        match rest.read(bytes.get_mut(length..).unwrap_or_default())? {
            0 => return Err(ErrorKind::UnexpectedEof.into()),
            count => length += count,
        }
    }
    let number = |at: usize| {
        let four = bytes.get(at..)?.first_chunk()?;
        usize::try_from(u32::from_le_bytes(*four)).ok()
    };
    let invalid = || io::Error::from(ErrorKind::InvalidData);
    let head = number(0).ok_or_else(invalid)?;
    let body = number(4).ok_or_else(invalid)?;
    let all = LENGTHS + head + body;
    if all > LIMIT || length > all {
        return Err(invalid());
    }
    bytes.resize(all, 0);
    rest.read_exact(bytes.get_mut(length..).unwrap_or_default())?;
    let body = bytes.split_off(LENGTHS + head);
    let head = postcard::from_bytes(bytes.get(LENGTHS..).unwrap_or_default());
    Ok(Some(WorkerFrame { head: head.map_err(|_| invalid())?, body, descriptor }))
}

fn receive_some(
    socket: &UnixStream,
    bytes: &mut [u8],
    descriptor: &mut Option<OwnedFd>,
) -> io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let received = loop {
        let mut parts = [IoSliceMut::new(bytes)];
        match recvmsg(socket, &mut parts, &mut control, RecvFlags::empty()) {
            Err(Errno::INTR) => {}
            received => break received?,
        }
    };
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(descriptors) = message {
            *descriptor = descriptors.last();
            if let Some(descriptor) = &descriptor {
                fcntl_setfd(descriptor, FdFlags::CLOEXEC)?;
            }
        }
    }
    Ok(received.bytes)
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;

    fn job() -> Job {
        Job {
            id: 7,
            account: Account { name: "taro".into(), home: "/m/taro".into(), uid: 1, gid: 2 },
            sender: String::new(),
            recipient: "taro+x@a.example".into(),
            mailbox: "taro@a.example".into(),
            original: None,
            detail: Some("x".into()),
            filtering: Filtering::Rules,
        }
    }

    #[test]
    fn frames_of_any_size_come_as_they_were_sent() {
        for size in [0, 1, BUFFER, 300 << 10] {
            let (ours, theirs) = UnixStream::pair().unwrap();
            let body: Vec<u8> = (0..size).map(|at| (at % 253) as u8).collect();
            let sent = body.clone();
            let sender = std::thread::spawn(move || {
                let mut file = tempfile::tempfile().unwrap();
                file.write_all(b"in the file").unwrap();
                send(&ours, &WorkerOrder::Deliver(job()), &sent, Some(file.as_fd())).unwrap();
                send(&ours, &WorkerAnswer::Recovered(true), b"", None).unwrap();
            });
            let frame = receive::<WorkerOrder>(&theirs).unwrap().unwrap();
            assert_eq!(frame.head, WorkerOrder::Deliver(job()));
            assert!(frame.body == body);
            let file = std::fs::File::from(frame.descriptor.unwrap());
            assert_eq!(file.metadata().unwrap().len(), 11);
            let frame = receive::<WorkerAnswer>(&theirs).unwrap().unwrap();
            assert_eq!(
                (frame.head, frame.descriptor.is_none()),
                (WorkerAnswer::Recovered(true), true)
            );
            sender.join().unwrap();
            assert!(receive::<WorkerAnswer>(&theirs).unwrap().is_none());
        }
    }

    #[test]
    fn what_is_not_a_frame_is_an_error() {
        for bytes in [&b"x"[..], b"\xff\xff\xff\xff\xff\xff\xff\xff", b"\x05\0\0\0\0\0\0\0abc"] {
            let (mut ours, theirs) = UnixStream::pair().unwrap();
            ours.write_all(bytes).unwrap();
            drop(ours);
            assert!(receive::<WorkerOrder>(&theirs).is_err());
        }
        let (ours, theirs) = UnixStream::pair().unwrap();
        drop(theirs);
        let gone = send(&ours, &WorkerAnswer::Recovered(true), b"", None).unwrap_err();
        assert_eq!(gone.kind(), ErrorKind::BrokenPipe);
    }
}
