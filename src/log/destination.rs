//! Where the log's lines are written to.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::fd::BorrowedFd;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use jiff::Timestamp;
use rustix::fs::{FlockOperation, OFlags, flock};
use rustix::io::Errno;

use super::Log;
use crate::file;
use crate::outcome::Failure;
use crate::zone::zone;

/// The log in the state directory is renamed to `log.1` at this size, bytes.
pub(super) const ROTATION_SIZE: u64 = 1 << 20;
/// Facility mail, severity info: RFC 3164 §4.1.1.
const PRIORITY: u8 = 2 * 8 + 6;

impl Log {
    /// Writes lines, each with the time in front.
    pub(super) fn write_lines(&self, lines: &[String]) -> Result<(), Failure> {
        let (path, written) = match self {
            Log::Off => return Ok(()),
            Log::Syslog => (PathBuf::from("/dev/log"), send(Path::new("/dev/log"), lines)),
            Log::File(path) => {
                let written = match standard_stream(path) {
                    Some(stream) => say(stream, lines),
                    None => append(path, lines, OFlags::empty()).map(drop),
                };
                (path.clone(), written)
            }
            Log::State(state) => {
                let path = state.path().join("log");
                let written = match append(&path, lines, OFlags::NOFOLLOW) {
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {
                        state.make().and_then(|()| append(&path, lines, OFlags::NOFOLLOW))
                    }
                    written => written,
                };
                let written = written.and_then(|(file, length)| rotate(&file, length, &path));
                (path, written)
            }
        };
        written.map_err(|error| Failure::new("write the log", path, error))
    }
}

/// `/dev/stderr` and `/dev/stdout`, as used for the log of a container. The open
/// descriptors are written to: opening those names may fail, as they may lead to a socket
/// or to another user's file.
fn standard_stream(path: &Path) -> Option<BorrowedFd<'static>> {
    match path.to_str()? {
        "/dev/stderr" | "/dev/fd/2" | "/proc/self/fd/2" => Some(rustix::stdio::stderr()),
        "/dev/stdout" | "/dev/fd/1" | "/proc/self/fd/1" => Some(rustix::stdio::stdout()),
        _ => None,
    }
}

/// Never waits for a reader: what does not fit into a pipe is left out.
fn say(stream: BorrowedFd<'_>, lines: &[String]) -> io::Result<()> {
    let text = stamped(lines);
    let mut rest = text.as_bytes();
    while !rest.is_empty() {
        match rustix::io::write(stream, rest) {
            Ok(0) | Err(Errno::AGAIN) => break,
            Ok(count) => rest = rest.get(count..).unwrap_or_default(),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// The lines, each with the time in front.
fn stamped(lines: &[String]) -> String {
    let now = Timestamp::try_from(SystemTime::now()).unwrap_or_default();
    let mut text = String::new();
    for line in lines {
        let _ = writeln!(text, "{now:.3} {line}");
    }
    text
}

/// Returns the file, too, and its length.
fn append(path: &Path, lines: &[String], flags: OFlags) -> io::Result<(File, u64)> {
    let text = stamped(lines);
    let flags = flags | OFlags::WRONLY | OFlags::APPEND | OFlags::CREATE;
    let (mut file, before) = file::open_with_metadata(path, flags)?;
    file.write_all(text.as_bytes())?;
    Ok((file, before.len() + text.len() as u64))
}

/// Renames a log that has become large; the lock and the second check keep two processes
/// from doing it one after the other.
fn rotate(file: &File, length: u64, path: &Path) -> io::Result<()> {
    if length < ROTATION_SIZE {
        return Ok(());
    }
    if flock(file, FlockOperation::NonBlockingLockExclusive).is_err() {
        return Ok(());
    }
    if fs::symlink_metadata(path)?.ino() == file.metadata()?.ino() {
        fs::rename(path, path.with_extension("1"))?;
    }
    Ok(())
}

/// Sends lines in the form of RFC 3164, as libc's syslog() writes them to the local
/// socket.
fn send(socket: &Path, lines: &[String]) -> io::Result<()> {
    let now = Timestamp::try_from(SystemTime::now()).unwrap_or_default();
    let time = now.to_zoned(zone(None)).strftime("%b %e %H:%M:%S").to_string();
    let log = UnixDatagram::unbound()?;
    log.set_nonblocking(true)?;
    log.connect(socket)?;
    let pid = std::process::id();
    for line in lines {
        log.send(format!("<{PRIORITY}>{time} mfilter[{pid}]: {line}").as_bytes())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn syslog_lines_have_the_form_of_rfc_3164() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("socket");
        let socket = UnixDatagram::bind(&path).unwrap();
        send(&path, &["note text=\"x\"".into()]).unwrap();
        let mut buffer = [0; 200];
        let length = socket.recv(&mut buffer).unwrap();
        let text = std::str::from_utf8(&buffer[..length]).unwrap();
        assert!(text.starts_with("<22>") && text.ends_with("]: note text=\"x\""), "{text}");
        assert_eq!(text.find(" mfilter["), Some("<22>Jan  2 03:04:05".len()));
    }
}
