//! The bytes of a message, wherever they are: the header block in memory, the
//! body still in the pipe, in memory, or in a file, so that a large message costs
//! no more memory than a small one.
//!
//! The body is read at most once. If it could not be read, every later caller
//! gets an [`BodyError`], so that no one can mistake a part for the whole.

use std::cell::{Cell, OnceCell, RefCell};
use std::fmt;
use std::fs::File;
use std::io::{self, IoSlice, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::header_block::{HeaderBlock, HeaderFinder};

/// The longest header block, in bytes; the rest of a longer one counts as body.
const HEADER_LIMIT: usize = 16 << 20;

/// The largest message, in bytes, that is kept in memory when it must be read
/// before it is delivered; a larger one goes to a file.
const MEMORY_LIMIT: usize = 1 << 20;

/// Size of every buffer that bytes pass through.
const BUFFER: usize = 64 << 10;

/// Size of the first buffer of a stream.
const SMALL_BUFFER: usize = 4 << 10;

/// The body could not be read, or has already been streamed to its
/// destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BodyError {
    kind: io::ErrorKind,
    /// errno, if the system reported one.
    os: Option<i32>,
    text: String,
}

impl BodyError {
    fn streamed() -> BodyError {
        BodyError {
            kind: io::ErrorKind::NotSeekable,
            os: None,
            text: "the message has been written to its destination and is no longer available"
                .into(),
        }
    }
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for BodyError {}

impl From<io::Error> for BodyError {
    fn from(error: io::Error) -> BodyError {
        BodyError { kind: error.kind(), os: error.raw_os_error(), text: error.to_string() }
    }
}

impl From<BodyError> for io::Error {
    fn from(unread: BodyError) -> io::Error {
        match unread.os {
            Some(os) => io::Error::from_raw_os_error(os),
            None => io::Error::new(unread.kind, unread),
        }
    }
}

/// The part of a message that has not been requested yet.
struct Input {
    /// Read together with the header block.
    ahead: Vec<u8>,
    /// The rest.
    rest: Box<dyn Read>,
    /// Where a large body is stored.
    spool_dir: PathBuf,
}

/// A body that can be read repeatedly.
enum StoredBody {
    /// The bytes from `start` on.
    Memory { bytes: Vec<u8>, start: usize },
    /// A range of a file.
    File { file: File, range: Range<u64> },
}

/// A message as it came.
pub struct Content {
    from_line: Option<Vec<u8>>,
    header: Rc<Vec<u8>>,
    header_cut: bool,
    ends_at_boundary: bool,
    input: RefCell<Option<Input>>,
    stored: OnceCell<Result<StoredBody, BodyError>>,
    /// The length of a body that was streamed to its destination.
    streamed: Cell<Option<u64>>,
    /// Why a range of the stored body could not be read.
    broken: OnceCell<BodyError>,
}

impl Content {
    /// Reads `input` to the end of the header block, and no further than a buffer
    /// reaches. If the body is needed later and is large, it goes into an
    /// unlinked file in `spool_dir`.
    ///
    /// # Errors
    /// The input cannot be read.
    pub fn read(mut input: Box<dyn Read>, spool_dir: &Path) -> io::Result<Content> {
        let (mut bytes, block) = read_header(&mut *input)?;
        let ahead = bytes.split_off(block.header.end);
        let mut content = Content::new(bytes, &block);
        content.input =
            RefCell::new(Some(Input { ahead, rest: input, spool_dir: spool_dir.to_owned() }));
        Ok(content)
    }

    /// A message that is in memory.
    pub fn from_bytes(bytes: Vec<u8>) -> Content {
        let block = HeaderFinder::new(HEADER_LIMIT).find(&bytes, true).unwrap_or_default();
        let header = bytes.get(..block.header.end).unwrap_or_default().to_vec();
        let content = Content::new(header, &block);
        let stored = StoredBody::Memory { bytes, start: block.header.end };
        // The cell is new, so it takes the value.
        let _ = content.stored.set(Ok(stored));
        content
    }

    /// A message in a file, from the file's start to its present end. The file
    /// must not change as long as the message is used.
    ///
    /// # Errors
    /// The file cannot be read, or is not a regular file.
    pub fn open(file: File) -> io::Result<Content> {
        let meta = file.metadata()?;
        if !meta.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
        }
        let (mut bytes, block) =
            read_header(&mut RangeReader::new(&file, 0..meta.len(), &OnceCell::new()))?;
        bytes.truncate(block.header.end);
        let content = Content::new(bytes, &block);
        let start = block.header.end as u64;
        let stored = StoredBody::File { file, range: start..meta.len().max(start) };
        let _ = content.stored.set(Ok(stored));
        Ok(content)
    }

    /// `bytes` end with the header block.
    fn new(mut bytes: Vec<u8>, block: &HeaderBlock) -> Content {
        let from_line =
            (block.header.start > 0).then(|| bytes.drain(..block.header.start).collect());
        Content {
            from_line,
            header: Rc::new(bytes),
            header_cut: block.cut,
            ends_at_boundary: block.at_boundary,
            input: RefCell::new(None),
            stored: OnceCell::new(),
            streamed: Cell::new(None),
            broken: OnceCell::new(),
        }
    }

    /// The same body with another header block, which was derived from this one.
    pub(super) fn with_header(self, header: Vec<u8>) -> Content {
        Content { header: Rc::new(header), ..self }
    }

    /// The `From sender date` line that came before the message, with its line end.
    pub fn from_line(&self) -> Option<&[u8]> {
        self.from_line.as_deref()
    }

    /// The header block with the empty line after it, if there is one.
    pub fn header(&self) -> &[u8] {
        &self.header
    }

    /// The same, shared.
    pub(super) fn shared_header(&self) -> Rc<Vec<u8>> {
        Rc::clone(&self.header)
    }

    /// Whether the header block is longer than what is read of it, 16 MiB.
    pub fn header_cut(&self) -> bool {
        self.header_cut
    }

    /// Whether other programs may find more fields after the header block.
    pub fn header_may_go_on(&self) -> bool {
        self.header_cut || self.ends_at_boundary
    }

    /// The size of header and body, bytes. Reads the body if necessary.
    ///
    /// # Errors
    /// The body cannot be read.
    pub fn size(&self) -> Result<u64, BodyError> {
        if let Some(body) = self.streamed.get() {
            return Ok(self.header.len() as u64 + body);
        }
        Ok(self.header.len() as u64 + self.body_size()?)
    }

    /// The size of the body, bytes. Reads it if necessary.
    ///
    /// # Errors
    /// The body cannot be read.
    pub fn body_size(&self) -> Result<u64, BodyError> {
        Ok(match self.stored()? {
            StoredBody::Memory { bytes, start } => bytes.len().saturating_sub(*start) as u64,
            StoredBody::File { range, .. } => range.end - range.start,
        })
    }

    /// A range of the body, cut where the body ends. Reads the body if necessary.
    ///
    /// # Errors
    /// The body cannot be read.
    pub fn body(&self, range: Range<u64>) -> Result<BodyReader<'_>, BodyError> {
        Ok(match self.stored()? {
            StoredBody::Memory { bytes, start } => {
                let body = bytes.get(*start..).unwrap_or_default();
                let from = usize::try_from(range.start).unwrap_or(usize::MAX).min(body.len());
                let to = usize::try_from(range.end).unwrap_or(usize::MAX).min(body.len());
                BodyReader::Memory(body.get(from..to).unwrap_or_default())
            }
            StoredBody::File { file, range: all } => {
                let from = all.start.saturating_add(range.start).min(all.end);
                let to = all.start.saturating_add(range.end).min(all.end);
                BodyReader::File(RangeReader::new(file, from..to.max(from), &self.broken))
            }
        })
    }

    /// Reads what is unread and keeps it, so that it can be tested and written
    /// any number of times.
    ///
    /// # Errors
    /// The body cannot be read.
    pub fn spool(&self) -> Result<(), BodyError> {
        self.stored().map(drop)
    }

    /// Why the body could not be read, if an attempt failed: results that were
    /// derived from it must not be believed.
    pub fn failure(&self) -> Option<BodyError> {
        if self.streamed.get().is_some() {
            return self.broken.get().cloned();
        }
        let stored = self.stored.get().and_then(|stored| stored.as_ref().err());
        stored.or(self.broken.get()).cloned()
    }

    fn stored(&self) -> Result<&StoredBody, BodyError> {
        let stored = self.stored.get_or_init(|| match self.input.take() {
            Some(input) => store(input, self.header.len()).map_err(BodyError::from),
            None => Err(BodyError::streamed()),
        });
        stored.as_ref().map_err(BodyError::clone)
    }

    /// Writes `header` and the body after it; returns the number of bytes. A body
    /// that nothing has requested passes through one buffer and is not available
    /// afterwards.
    ///
    /// # Errors
    /// What has been written is not a complete message. If the body was unread,
    /// it is lost to this process, whichever side failed.
    pub fn write(&self, header: &[u8], out: &mut File) -> io::Result<u64> {
        let body = match self.input.take() {
            Some(input) => {
                let result = stream(input, header, out);
                let state = match &result {
                    Ok(body) => {
                        self.streamed.set(Some(*body));
                        BodyError::streamed()
                    }
                    Err(StreamError::Input(error)) => error.clone(),
                    Err(StreamError::Output(_)) => BodyError::streamed(),
                };
                // The cell is empty as long as there is an input.
                let _ = self.stored.set(Err(state));
                result.map_err(|side| match side {
                    StreamError::Input(error) => error.into(),
                    StreamError::Output(error) => error,
                })?
            }
            None => match self.stored()? {
                StoredBody::Memory { bytes, start } => {
                    let body = bytes.get(*start..).unwrap_or_default();
                    write_both(out, header, body)?;
                    body.len() as u64
                }
                StoredBody::File { file, range } => {
                    out.write_all(header)?;
                    copy(file, range, out)?
                }
            },
        };
        Ok(header.len() as u64 + body)
    }
}

/// Reads to the end of the header block, `From ` line included.
fn read_header(input: &mut dyn Read) -> io::Result<(Vec<u8>, HeaderBlock)> {
    let mut bytes = Vec::new();
    let mut finder = HeaderFinder::new(HEADER_LIMIT);
    let mut step = 8 << 10;
    loop {
        let eof = read_more(input, &mut bytes, step)? == 0;
        match finder.find(&bytes, eof) {
            Some(block) => return Ok((bytes, block)),
            None if eof => return Ok((bytes, HeaderBlock::default())),
            None => {}
        }
        step = (step * 2).min(1 << 20);
    }
}

/// Appends the bytes of one read, at most `step`; returns 0 at the end.
fn read_more(input: &mut dyn Read, bytes: &mut Vec<u8>, step: usize) -> io::Result<usize> {
    let before = bytes.len();
    bytes.resize(before + step, 0);
    loop {
        match input.read(bytes.get_mut(before..).unwrap_or_default()) {
            Ok(count) => {
                bytes.truncate(before + count);
                return Ok(count);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => {
                bytes.truncate(before);
                return Err(error);
            }
        }
    }
}

/// Reads everything that is left: into memory or, if header and body are large,
/// into a file without a name.
fn store(mut input: Input, header: usize) -> io::Result<StoredBody> {
    let mut bytes = input.ahead;
    // One byte above the limit shows that there is more.
    let room = (MEMORY_LIMIT + 1).saturating_sub(header + bytes.len());
    (&mut *input.rest).take(room as u64).read_to_end(&mut bytes)?;
    if header + bytes.len() <= MEMORY_LIMIT {
        return Ok(StoredBody::Memory { bytes, start: 0 });
    }
    let mut file = tempfile::tempfile_in(&input.spool_dir)?;
    let mut length = 0;
    while !bytes.is_empty() {
        file.write_all(&bytes)?;
        length += bytes.len() as u64;
        bytes.clear();
        bytes.shrink_to(BUFFER);
        read_more(&mut *input.rest, &mut bytes, BUFFER)?;
    }
    Ok(StoredBody::File { file, range: 0..length })
}

/// Which end of a stream failed.
enum StreamError {
    Input(BodyError),
    Output(io::Error),
}

/// Writes the header and everything that is left of the input; returns the length
/// of the body.
fn stream(mut input: Input, header: &[u8], out: &mut File) -> Result<u64, StreamError> {
    write_both(out, header, &input.ahead).map_err(StreamError::Output)?;
    let mut length = input.ahead.len() as u64;
    // Most messages end here, and a small buffer is enough to see it. It grows
    // when it is filled, and is zeroed only once.
    let mut buffer = vec![0; SMALL_BUFFER];
    loop {
        // Up to where a buffer's length divides the file offset, and so to the
        // end of a page: otherwise each write would touch one page more than it
        // fills.
        let after = (header.len() as u64 + length) % buffer.len() as u64;
        let room = buffer.len() - after as usize;
        let count = match input.rest.read(buffer.get_mut(..room).unwrap_or_default()) {
            Ok(0) => return Ok(length),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            read => read.map_err(|error| StreamError::Input(error.into()))?,
        };
        out.write_all(buffer.get(..count).unwrap_or_default()).map_err(StreamError::Output)?;
        length += count as u64;
        if count == room && buffer.len() < BUFFER {
            buffer = vec![0; BUFFER];
        }
    }
}

/// Writes both in one call, as far as that is possible.
fn write_both(out: &mut File, first: &[u8], second: &[u8]) -> io::Result<()> {
    let written = loop {
        match out.write_vectored(&[IoSlice::new(first), IoSlice::new(second)]) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            written => break written?,
        }
    };
    match first.get(written..) {
        Some(rest) => {
            out.write_all(rest)?;
            out.write_all(second)
        }
        None => out.write_all(second.get(written - first.len()..).unwrap_or_default()),
    }
}

/// Copies a range of a file, in the kernel if possible.
fn copy(file: &File, range: &Range<u64>, out: &mut File) -> io::Result<u64> {
    let mut file = file;
    let length = range.end - range.start;
    file.seek(SeekFrom::Start(range.start))?;
    let copied = io::copy(&mut file.take(length), out)?;
    if copied < length {
        return Err(shrunk());
    }
    Ok(copied)
}

fn shrunk() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "the message's file has become shorter")
}

/// Reads a range of the body.
pub enum BodyReader<'a> {
    /// The body is in memory.
    Memory(&'a [u8]),
    /// The body is in a file.
    File(RangeReader<'a>),
}

impl Read for BodyReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            BodyReader::Memory(bytes) => bytes.read(buffer),
            BodyReader::File(at) => at.read(buffer),
        }
    }
}

/// Reads a range of a file, and fails if the file has become too short for it.
pub struct RangeReader<'a> {
    file: &'a File,
    range: Range<u64>,
    broken: &'a OnceCell<BodyError>,
}

impl<'a> RangeReader<'a> {
    fn new(file: &'a File, range: Range<u64>, broken: &'a OnceCell<BodyError>) -> RangeReader<'a> {
        RangeReader { file, range, broken }
    }

    fn read_here(&self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.file.read_at(buffer, self.range.start) {
                Ok(0) => return Err(shrunk()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                done => return done,
            }
        }
    }
}

impl Read for RangeReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.range.end.saturating_sub(self.range.start);
        let want = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        if want == 0 {
            return Ok(0);
        }
        let read = self.read_here(buffer.get_mut(..want).unwrap_or_default());
        let count = read.map_err(|error| {
            let unread = BodyError::from(error);
            let _ = self.broken.set(unread.clone());
            io::Error::from(unread)
        })?;
        self.range.start += count as u64;
        Ok(count)
    }
}
