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
