//! Reading files that users write: completely, as they were before or after somebody saved
//! them, and only those that nobody else can have written.

use std::fs::{File, Metadata};
use std::io::{self, Read, Seek};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rustix::buffer::spare_capacity;
use rustix::io::{Errno, pread};
use twox_hash::{XxHash3_128, xxhash3_128};

use super::private_group;
use crate::file::{self, Bounds};

/// Why a user's file was not read.
#[derive(Debug)]
pub enum ReadError {
    /// The system reported an error.
    Io(io::Error),
    /// It is a folder, a pipe or a device.
    NotAFile,
    /// It is larger than the limit, in bytes.
    TooLarge(u64),
    /// Somebody else could have written it: mode bits, or another owner.
    Unsafe(&'static str),
    /// A symbolic link to something that does not exist.
    Dangling(PathBuf),
    /// Somebody is writing to it.
    BeingSaved,
}

impl ReadError {
    /// Whether there is no such file.
    pub fn is_missing(&self) -> bool {
        matches!(self, ReadError::Io(error) if error.kind() == io::ErrorKind::NotFound)
    }

    /// Whether there is nothing to read: no such file, or a link that leads nowhere.
    pub fn is_absent(&self) -> bool {
        self.is_missing() || matches!(self, ReadError::Dangling(_))
    }

    /// Whether the error may pass, since it is not about the content of the file: a
    /// failing disk, too many open files, somebody writing to it.
    pub fn may_pass(&self) -> bool {
        match self {
            ReadError::Io(error) => may_pass(error),
            ReadError::BeingSaved => true,
            _ => false,
        }
    }
}

/// A system error in words, without its number.
pub fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error ").next().unwrap_or_default().to_owned()
}

/// Whether an error of the system may pass: a failing or full disk, too many open files.
pub fn may_pass(error: &io::Error) -> bool {
    Errno::from_io_error(error).is_some_and(|error| {
        !matches!(
            error,
            Errno::NOENT
                | Errno::EXIST
                | Errno::NOTDIR
                | Errno::ACCESS
                | Errno::PERM
                | Errno::LOOP
                | Errno::NAMETOOLONG
                | Errno::ISDIR
                | Errno::NXIO
                | Errno::NODEV
        )
    })
}

impl std::fmt::Display for ReadError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ReadError::Io(error) => f.write_str(&reason(error)),
            ReadError::NotAFile => f.write_str("it is not a regular file"),
            ReadError::TooLarge(limit) => {
                write!(f, "it is larger than {} MB", limit / (1024 * 1024))
            }
            ReadError::Unsafe(why) => f.write_str(why),
            ReadError::Dangling(target) => {
                write!(f, "it is a symbolic link to {}, which does not exist", target.display())
            }
            ReadError::BeingSaved => f.write_str("it keeps being saved"),
        }
    }
}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> ReadError {
        ReadError::Io(error)
    }
}

impl From<ReadError> for io::Error {
    fn from(error: ReadError) -> io::Error {
        match error {
            ReadError::Io(error) => error,
            other => io::Error::other(other.to_string()),
        }
    }
}

/// Rule files larger than this are not read, bytes.
pub const RULES_LIMIT: u64 = 16 * 1024 * 1024;
/// Scripts of `include sieve` larger than this are not read, bytes; Pigeonhole does not
/// accept larger ones.
pub const SCRIPT_LIMIT: u64 = 1 << 20;
/// List files larger than this are not read, bytes.
pub const LIST_LIMIT: u64 = 256 * 1024 * 1024;

/// How often a file is opened that other machines keep replacing.
const MOST_OPENS: usize = 5;

/// Opens and reads a file, and does so again if another machine replaces it in between.
///
/// # Errors
/// The last one of `read`.
pub fn read_current<T>(mut read: impl FnMut() -> Result<T, ReadError>) -> Result<T, ReadError> {
    for _ in 1..MOST_OPENS {
        match read() {
            Err(ReadError::Io(error)) if file::is_stale(&error) => {}
            done => return done,
        }
    }
    read()
}

/// Reads a file of rules. It must belong to the user or to root and be writable by nobody
/// else, since whoever can write rules can read the mail. The user's private group counts
/// as the user.
///
/// # Errors
/// The file cannot be read, or must not be used.
pub fn read_rules(bounds: &Bounds, path: &Path) -> Result<Vec<u8>, ReadError> {
    read_current(|| open_rules(bounds, path)?.bytes())
}

/// Opens a file of rules, see [`read_rules`].
///
/// # Errors
/// The file cannot be opened, or must not be used.
pub fn open_rules(bounds: &Bounds, path: &Path) -> Result<RuleFile, ReadError> {
    let (file, meta) = open(bounds, path)?;
    let uid = rustix::process::geteuid().as_raw();
    if meta.uid() != 0 && meta.uid() != uid {
        return Err(ReadError::Unsafe("it belongs to another user"));
    }
    let by_group_only = meta.mode() & 0o022 == 0o020;
    if !(by_group_only && private_group::is_private(&file, meta.gid(), uid)) {
        private(&meta)?;
    }
    Ok(RuleFile { file, length: meta.len() })
}

/// Opens a script that rules include, as [`open_rules`] does.
///
/// # Errors
/// The file cannot be opened, must not be used, or is too large.
pub fn open_script(bounds: &Bounds, path: &Path) -> Result<RuleFile, ReadError> {
    let file = open_rules(bounds, path)?;
    match file.length <= SCRIPT_LIMIT {
        true => Ok(file),
        false => Err(ReadError::TooLarge(SCRIPT_LIMIT)),
    }
}

/// Reads a script that rules include, as [`read_rules`] does: complete, as it was before
/// or after somebody saved it, even if it is rewritten in place. If it has just changed,
/// we wait, at most half a second. A program that writes in place and pauses for more
/// than a tenth of a second counts as finished.
///
/// # Errors
/// [`ReadError::BeingSaved`]: it keeps changing.
pub fn read_script(bounds: &Bounds, path: &Path) -> Result<Vec<u8>, ReadError> {
    let RuleFile { file, length } = open_script(bounds, path)?;
    settled(&file, length, SCRIPT_LIMIT, |_| true)
}

/// Opens a file of site rules. It must belong to root and be writable by
/// nobody else: it acts on everybody's mail.
///
/// # Errors
/// The file cannot be opened, or must not be used.
pub fn open_site(path: &Path) -> Result<RuleFile, ReadError> {
    let (file, meta) = open(&file::ANYWHERE, path)?;
    if meta.uid() != 0 {
        return Err(ReadError::Unsafe("it does not belong to root"));
    }
    private(&meta)?;
    Ok(RuleFile { file, length: meta.len() })
}

fn private(meta: &Metadata) -> Result<(), ReadError> {
    match meta.mode() & 0o022 {
        0 => Ok(()),
        _ => Err(ReadError::Unsafe("writable by others; run `chmod go-w` on it")),
    }
}

/// A fingerprint of the content of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint {
    /// The size, bytes.
    pub length: u64,
    /// XXH3, 128 bits: no two contents collide by chance, and whoever could construct a
    /// collision can write the file anyway.
    pub hash: u128,
}

impl Fingerprint {
    /// The fingerprint of these bytes.
    pub fn of(bytes: &[u8]) -> Fingerprint {
        Fingerprint { length: bytes.len() as u64, hash: XxHash3_128::oneshot(bytes) }
    }
}

/// An open file of rules that can be trusted.
#[derive(Debug)]
pub struct RuleFile {
    file: File,
    /// Its size when it was opened, bytes.
    length: u64,
}

impl RuleFile {
    /// The fingerprint of its content, which is read through one buffer and not kept.
    ///
    /// # Errors
    /// The file cannot be read, or is too large.
    pub fn fingerprint(&self) -> Result<Fingerprint, ReadError> {
        const BUFFER: u64 = 64 << 10;
        let mut buffer = Vec::with_capacity(self.length.clamp(1, BUFFER) as usize);
        let mut hasher = xxhash3_128::Hasher::new();
        let mut length = 0;
        loop {
            buffer.clear();
            let count = match pread(&self.file, spare_capacity(&mut buffer), length) {
                Err(Errno::INTR) => continue,
                read => read.map_err(io::Error::from)?,
            };
            length += count as u64;
            if length > RULES_LIMIT {
                return Err(ReadError::TooLarge(RULES_LIMIT));
            }
            hasher.write(&buffer);
            if count == 0 || length == self.length {
                return Ok(Fingerprint { length, hash: hasher.finish_128() });
            }
        }
    }

    /// Its content.
    ///
    /// # Errors
    /// The file cannot be read, or is too large.
    pub fn bytes(self) -> Result<Vec<u8>, ReadError> {
        read_whole(&self.file, self.length, RULES_LIMIT)
    }
}

/// Reads a list file; bytes that are not UTF-8 are replaced, so that a bad line does not
/// affect others.
///
/// # Errors
/// The file cannot be read, or is too large.
pub fn read_text(bounds: &Bounds, path: &Path) -> Result<String, ReadError> {
    let bytes = read_bytes(bounds, path, LIST_LIMIT)?;
    Ok(String::from_utf8(bytes)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
}

/// Reads a user's file that is neither rules nor a list.
///
/// # Errors
/// The file cannot be read, or is larger than `limit` bytes.
pub fn read_bytes(bounds: &Bounds, path: &Path, limit: u64) -> Result<Vec<u8>, ReadError> {
    read_current(|| {
        let (file, meta) = open(bounds, path)?;
        read_whole(&file, meta.len(), limit)
    })
}

/// Opens a regular file and nothing else.
fn open(bounds: &Bounds, path: &Path) -> Result<(File, Metadata), ReadError> {
    match bounds.open_with_metadata(path, file::READ) {
        Ok(opened) => Ok(opened),
        Err(error) if file::is_not_regular(&error) => Err(ReadError::NotAFile),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(missing(path, error)),
        Err(error) => Err(error.into()),
    }
}

/// The error for a file that does not exist, or for a link that leads nowhere.
fn missing(path: &Path, error: io::Error) -> ReadError {
    std::fs::read_link(path).map_or(ReadError::Io(error), ReadError::Dangling)
}

/// A file that nobody has written to for this long counts as complete.
const QUIET_TIME: Duration = Duration::from_millis(100);
/// How often a file that keeps changing is read before we give up.
const MOST_READS: usize = 5;
/// Programs write a file in pieces of this size or a multiple of it, bytes, and the last
/// piece is rarely as long.
const PIECE: usize = 4096;

/// Reads an open file of this length. One that looks cut off is read again if somebody may
/// still be writing it: without its last lines a list or rules would mean something else.
///
/// # Errors
/// The file cannot be read, is larger than `limit` bytes, or keeps changing.
pub fn read_whole(file: &File, length: u64, limit: u64) -> Result<Vec<u8>, ReadError> {
    if length > limit {
        return Err(ReadError::TooLarge(limit));
    }
    settled(file, length, limit, |bytes| bytes.len().is_multiple_of(PIECE))
}

/// Reads a file from its start, again if `may_be_cut` and it has just changed, until it
/// does not change any more.
fn settled(
    mut file: &File,
    length: u64,
    limit: u64,
    may_be_cut: impl Fn(&[u8]) -> bool,
) -> Result<Vec<u8>, ReadError> {
    let mut before = None;
    for _ in 0..MOST_READS {
        let mut bytes = Vec::with_capacity(length as usize + 1);
        file.take(limit + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > limit {
            return Err(ReadError::TooLarge(limit));
        }
        if !may_be_cut(&bytes) {
            return Ok(bytes);
        }
        let about = file.metadata()?;
        let now = (about.modified()?, about.len());
        let age = SystemTime::now().duration_since(now.0);
        // With a clock ahead of ours, it counts as just changed.
        let is_quiet = age.is_ok_and(|age| age > QUIET_TIME);
        // When a file is truncated, a file system frees its blocks before it sets the
        // time.
        let is_being_emptied = about.len() == 0 && about.blocks() > 0;
        let is_whole = bytes.len() as u64 == about.len() && !is_being_emptied;
        if is_whole && (is_quiet || before == Some(now)) {
            return Ok(bytes);
        }
        before = Some(now);
        std::thread::sleep(QUIET_TIME);
        file.rewind()?;
    }
    Err(ReadError::BeingSaved)
}
