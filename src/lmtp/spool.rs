//! A message between the client and the workers: in memory while it is small, otherwise
//! in a file without a name.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsRawFd;

use sha2::{Digest, Sha256};

use crate::file;

/// A message of up to this size is kept in memory, bytes.
const IN_MEMORY: usize = 256 << 10;

/// All of a message.
#[derive(Debug)]
pub enum MessageData {
    /// Its bytes.
    Memory(Vec<u8>),
    /// A file, to be read from its start, and its length in bytes.
    File(File, u64),
}

impl MessageData {
    /// The size, bytes.
    pub fn size(&self) -> u64 {
        match self {
            MessageData::Memory(bytes) => bytes.len() as u64,
            MessageData::File(_, length) => *length,
        }
    }

    /// What identifies it after it has broken a worker. A sender could find two messages
    /// with the same value of a weaker hash.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn digest(&self) -> io::Result<[u8; 32]> {
        let mut hash = Sha256::new();
        match self {
            MessageData::Memory(bytes) => hash.update(bytes),
            MessageData::File(file, _) => {
                let mut reader = PositionedReader::new(file);
                io::copy(&mut reader, &mut hash)?;
            }
        }
        Ok(hash.finalize().into())
    }
}

/// Reads a file from its start, whatever the position of others who have it open.
pub struct PositionedReader<F> {
    file: F,
    at: u64,
}

impl<F: std::borrow::Borrow<File>> PositionedReader<F> {
    /// A reader at the start of the file.
    pub fn new(file: F) -> PositionedReader<F> {
        PositionedReader { file, at: 0 }
    }
}

impl<F: std::borrow::Borrow<File>> io::Read for PositionedReader<F> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        use std::os::unix::fs::FileExt;
        let count = self.file.borrow().read_at(buffer, self.at)?;
        self.at += count as u64;
        Ok(count)
    }
}

/// Receives a message.
#[derive(Debug, Default)]
pub struct Spool {
    /// The bytes that are not in the file.
    pub bytes: Vec<u8>,
    file: Option<File>,
    written: u64,
}

/// The same file, opened so that those who are given it cannot write to it: a message may
/// have other recipients.
fn read_only(file: File) -> File {
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    file::open(path.as_ref(), file::READ).unwrap_or(file)
}

impl Spool {
    /// How much there is, bytes.
    pub fn size(&self) -> u64 {
        self.written + self.bytes.len() as u64
    }

    /// Forgets all of it.
    pub fn clear(&mut self) {
        *self = Spool::default();
    }

    /// To be called after bytes were added: moves what is too much for memory to the
    /// file.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn settle(&mut self) -> io::Result<()> {
        if self.bytes.len() > IN_MEMORY { self.write() } else { Ok(()) }
    }

    fn write(&mut self) -> io::Result<()> {
        if self.file.is_none() {
            self.file = Some(tempfile::tempfile()?);
        }
        if let Some(file) = &mut self.file {
            file.write_all(&self.bytes)?;
            self.written += self.bytes.len() as u64;
            self.bytes.clear();
        }
        Ok(())
    }

    /// The message.
    ///
    /// # Errors
    /// The rest of it cannot be written.
    pub fn finish(mut self) -> io::Result<MessageData> {
        if self.file.is_some() {
            self.write()?;
        }
        Ok(match self.file {
            Some(file) => MessageData::File(read_only(file), self.written),
            None => MessageData::Memory(self.bytes),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn a_large_message_is_in_a_file_and_the_same() {
        for size in [0, 10, IN_MEMORY, IN_MEMORY + 1, 3 * IN_MEMORY] {
            let bytes: Vec<u8> = (0..size).map(|at| (at % 251) as u8).collect();
            let mut spool = Spool::default();
            for chunk in bytes.chunks(60_000) {
                spool.bytes.extend_from_slice(chunk);
                spool.settle().unwrap();
            }
            assert_eq!(spool.size(), size as u64);
            let data = spool.finish().unwrap();
            assert_eq!(data.size(), size as u64);
            assert_eq!(data.digest().unwrap(), <[u8; 32]>::from(Sha256::digest(&bytes)));
            match data {
                MessageData::Memory(kept) => assert!(kept == bytes && size <= IN_MEMORY),
                MessageData::File(file, _) => {
                    assert!((&file).write(b"x").is_err(), "others have it too");
                    let mut kept = Vec::new();
                    PositionedReader::new(&file).read_to_end(&mut kept).unwrap();
                    assert!(kept == bytes && size > IN_MEMORY);
                }
            }
        }
    }
}
