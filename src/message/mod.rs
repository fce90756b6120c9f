//! A message: raw bytes, and what is read off them, each only when asked for.

pub mod base64;
pub mod utf7;
pub mod iso2022;
pub mod charset;
pub mod fold;
pub mod domain;
pub mod encoded_word;
pub mod parameter;
pub mod head;
pub mod address;
pub mod date;

/// A change to the header of what is delivered; the message that is tested
/// stays as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeaderEdit {
    /// One more header at the top of the block.
    Add {
        /// Field name, RFC 5322 §2.2.
        name: String,
        /// Decoded text, one line.
        value: String,
    },
    /// Replaces all headers of that name by one.
    Set {
        /// Field name.
        name: String,
        /// Decoded text, one line.
        value: String,
    },
    /// Takes all headers of that name out.
    Remove {
        /// Field name.
        name: String,
    },
}

/// Stands in for the message until it is written.
pub struct Message {
    bytes: Vec<u8>,
}

impl Message {
    /// A message in memory.
    pub fn from_bytes(bytes: Vec<u8>) -> Message {
        Message { bytes }
    }

    /// A message in a file.
    pub fn open(mut file: std::fs::File) -> std::io::Result<Message> {
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut file, &mut bytes)?;
        Ok(Message { bytes })
    }

    /// Makes it repeatable.
    pub fn spool(&self) -> std::io::Result<()> {
        Ok(())
    }

    /// Writes it.
    pub fn write_to(&self, edits: &[HeaderEdit], out: &mut std::fs::File) -> std::io::Result<u64> {
        use std::io::Write;
        let mut written = 0;
        for edit in edits {
            if let HeaderEdit::Add { name, value } = edit {
                let line = format!("{name}: {value}\n");
                out.write_all(line.as_bytes())?;
                written += line.len() as u64;
            }
        }
        out.write_all(&self.bytes)?;
        Ok(written + self.bytes.len() as u64)
    }
}
