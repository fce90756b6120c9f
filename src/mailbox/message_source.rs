//! A message that was found: where its bytes are, and how it is opened.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::{SpooledData, SpooledTempFile, spooled_tempfile};

use super::from_line::is_from_line;
use crate::file::{self, NotRegular};
use crate::message::Message;
use crate::outcome::Failure;
use crate::plan::Folder;

/// A message that is not a file of its own is kept in memory up to this size.
pub(super) const MEMORY_MAX: usize = 1 << 20;

/// A message that was found but not opened yet.
pub struct MessageSource {
    /// The path, for the second and later messages of an mbox with `#2` and so on.
    pub label: String,
    /// The file it is in.
    pub path: PathBuf,
    /// Its number in an mbox, from 1; otherwise 0.
    pub number: usize,
    /// Where it is in an mbox.
    pub part: MboxPart,
    /// Whether it is the only one: a single path was given, and it is one message.
    pub is_only: bool,
    /// The letters after `:2,` in a Maildir; otherwise empty.
    pub flags: String,
    /// Its folder, relative to the given path.
    pub folder: Arc<Folder>,
    pub(super) source: Source,
}

/// Where a message is in an mbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MboxPart {
    /// The offset of its `From ` line, bytes.
    pub offset: u64,
    /// Its length including that line and the separator before the next one, bytes.
    pub length: u64,
    /// Whether its end was found by its Content-Length.
    pub measured: bool,
    /// How many bytes the last message is shorter than its Content-Length says.
    pub missing_bytes: u64,
    /// How many times another message seems to begin in its body, without an empty line
    /// before it.
    pub merged: u64,
}

/// Where the bytes are.
pub(super) enum Source {
    Path,
    Open(File),
    Copy(SourceCopy),
}

/// The copy of a message that is not a file of its own.
pub(super) enum SourceCopy {
    Memory(Vec<u8>),
    /// A file without a name, for what is too large for memory.
    Disk(File),
}

impl MessageSource {
    /// The one message of a file.
    pub(super) fn plain(path: PathBuf, folder: Arc<Folder>, source: Source) -> MessageSource {
        let label = label(&path);
        MessageSource {
            label,
            path,
            number: 0,
            part: MboxPart::default(),
            is_only: false,
            flags: String::new(),
            folder,
            source,
        }
    }

    /// Opens the message; this can be done more than once.
    ///
    /// # Errors
    /// It has vanished, cannot be read, or is not a file.
    pub fn open(&self) -> Result<Message, Failure> {
        let opened = match &self.source {
            Source::Path => return open_found(&self.path).and_then(|file| self.message(file)),
            Source::Open(file) | Source::Copy(SourceCopy::Disk(file)) => file.try_clone(),
            Source::Copy(SourceCopy::Memory(bytes)) => {
                return Ok(self.with_file_name(Message::from_bytes(bytes.clone())));
            }
        };
        opened
            .map_err(|error| Failure::new("read", &self.path, error))
            .and_then(|f| self.message(f))
    }

    /// A message from outside, for example from standard input.
    ///
    /// # Errors
    /// Those of the stream, and of keeping a large message on disk.
    pub fn read(label: &str, stream: impl Read) -> io::Result<MessageSource> {
        let source = Source::Copy(source_copy(copy_stream(stream)?)?);
        let source = MessageSource::plain(PathBuf::new(), Arc::default(), source);
        Ok(MessageSource { label: label.to_owned(), is_only: true, ..source })
    }

    /// Whether it is a copy of nothing.
    pub fn is_empty(&self) -> bool {
        matches!(&self.source, Source::Copy(SourceCopy::Memory(bytes)) if bytes.is_empty())
    }

    fn message(&self, file: File) -> Result<Message, Failure> {
        let opened = Message::open(file).map(|message| self.with_file_name(message));
        opened.map_err(|error| Failure::new("read", &self.path, error))
    }

    /// Adds what the file's name in a Maildir says: when the message was stored. For one
    /// in an mbox, only the message itself can say.
    fn with_file_name(&self, message: Message) -> Message {
        let directory = self.path.parent().and_then(|parent| parent.file_name());
        if self.number > 0 {
            message.set_stored_name("");
        } else if directory.is_some_and(|name| name == "cur" || name == "new") {
            let name = self.path.file_name().unwrap_or_default();
            message.set_stored_name(&name.to_string_lossy());
        }
        message
    }

    /// Whether a stream that was read as one message is an mbox of several, judged by its
    /// first megabyte.
    pub fn is_mbox(&self) -> bool {
        let mut start = Vec::new();
        let bytes = match &self.source {
            Source::Copy(SourceCopy::Memory(bytes)) => bytes,
            Source::Copy(SourceCopy::Disk(file)) => {
                start.resize(MEMORY_MAX, 0);
                let read = file.read_at(&mut start, 0).unwrap_or_default();
                start.truncate(read);
                &start
            }
            Source::Path | Source::Open(_) => return false,
        };
        let mut lines = bytes.split(|byte| *byte == b'\n');
        let mut before: &[u8] = b"";
        lines.next().is_some_and(is_from_line)
            && lines.any(|line| {
                let begins = before.is_empty() && is_from_line(line);
                before = line.strip_suffix(b"\r").unwrap_or(line);
                begins
            })
    }

    /// How much memory it takes, roughly, bytes.
    pub(super) fn weight(&self) -> usize {
        match &self.source {
            Source::Copy(SourceCopy::Memory(bytes)) => bytes.len(),
            _ => 0,
        }
    }
}

/// Opens a file that was found in a directory, without blocking on whatever may have
/// replaced it since.
pub(super) fn open_found(path: &Path) -> Result<File, Failure> {
    file::open(path, file::READ).map_err(|error| match file::is_not_regular(&error) {
        true => not_regular(path),
        false => Failure::new("open", path, error),
    })
}

fn not_regular(path: &Path) -> Failure {
    let error = io::Error::new(io::ErrorKind::InvalidInput, NotRegular);
    Failure::new("read", path, error)
}

/// Reads a stream to its end.
pub(super) fn copy_stream(mut stream: impl Read) -> io::Result<SpooledTempFile> {
    let mut copy = spooled_tempfile(MEMORY_MAX);
    io::copy(&mut stream, &mut copy)?;
    Ok(copy)
}

/// The copy that was made.
pub(super) fn source_copy(copy: SpooledTempFile) -> io::Result<SourceCopy> {
    Ok(match copy.into_inner() {
        SpooledData::InMemory(bytes) => SourceCopy::Memory(bytes.into_inner()),
        SpooledData::OnDisk(file) => SourceCopy::Disk(file),
    })
}

pub(super) fn label(path: &Path) -> String {
    path.display().to_string()
}
