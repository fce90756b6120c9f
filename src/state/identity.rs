//! What identifies a message by its header, wherever it is and whoever renamed its file.
//!
//! A sender chooses all of it except the topmost Received line, which our own border
//! writes: where there is one, nothing that a sender writes makes one message pass for
//! another. A message with too few of these headers is not identified.

use sha2::{Digest, Sha256};

use crate::message::head::Head;

/// The headers that identify a message.
const KNOWN_BY: [&str; 4] = ["Message-ID", "From", "Date", "Received"];
/// The same for a message without a Message-ID.
const KNOWN_BY_ELSE: [&str; 6] = ["From", "Date", "Subject", "To", "Cc", "Received"];

/// What identifies a message by its header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HeaderHash {
    /// [`message_hash`]
    pub hash: u64,
    /// Whether there is enough in it to identify a message.
    pub says_enough: bool,
    /// Whether a Received line is in it.
    pub is_received: bool,
}

impl HeaderHash {
    /// The hash of a message with this header.
    pub fn of(head: &Head) -> HeaderHash {
        let first = |name: &str| head.first(name).unwrap_or_default().trim_ascii();
        let id = first("Message-ID");
        let names: &[&str] = if id.is_empty() { &KNOWN_BY_ELSE } else { &KNOWN_BY };
        let is_received = !first("Received").is_empty();
        HeaderHash {
            hash: message_hash(names.iter().map(|name| first(name))),
            says_enough: is_received || is_id(id),
            is_received,
        }
    }
}

/// Whether a Message-ID has both sides, RFC 5322 §3.6.4.
fn is_id(id: &[u8]) -> bool {
    let inner = id.strip_prefix(b"<").and_then(|id| id.strip_suffix(b">")).unwrap_or(id);
    let at = inner.iter().rposition(|byte| *byte == b'@');
    at.is_some_and(|at| at > 0 && at + 1 < inner.len())
}

/// The hash that identifies a message, from fields that stay the same wherever it is.
/// Nobody can construct a message with the hash of another one.
pub fn message_hash<'b>(fields: impl IntoIterator<Item = &'b [u8]>) -> u64 {
    let mut hash = Sha256::new();
    for field in fields {
        hash.update((field.len() as u64).to_le_bytes());
        hash.update(field);
    }
    let bytes = hash.finalize();
    bytes.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_two_sides() {
        for id in ["<1@x>", "1@x", "<a b@c>"] {
            assert!(is_id(id.as_bytes()), "{id}");
        }
        for id in ["", "<>", "<@>", "<@x>", "<1@>", "none", "\"\""] {
            assert!(!is_id(id.as_bytes()), "{id}");
        }
    }

    #[test]
    fn what_the_border_writes_distinguishes_messages() {
        let hash = |text: &str| HeaderHash::of(&Head::parse(text));
        let header = "Message-ID: <1@x>\nFrom: a@x\nDate: d\nSubject: s\n";
        let first = hash(&format!("Received: by mx; 1\nReceived: by x; 9\n{header}"));
        let second = hash(&format!("Received: by mx; 2\nReceived: by x; 9\n{header}"));
        assert!(first.says_enough && first.is_received && first.hash != second.hash);
        let moved = format!("Return-Path: <b@x>\nReceived:  by mx; 1\nStatus: RO\n{header}\n");
        assert_eq!(hash(&moved), first);
        assert!(hash(header).says_enough && !hash(header).is_received);
        assert!(!hash("From: a@x\nSubject: s\n").says_enough);
        assert!(hash("Received: by mx; 1\nFrom: a@x\n").says_enough);
    }
}
