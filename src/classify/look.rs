//! What several classifiers look at.

use std::io::Read;

use crate::message::{Message, Unread};

/// The raw body's first `limit` bytes.
pub fn body_opening(message: &Message, limit: usize) -> Result<Vec<u8>, String> {
    let mut opening = Vec::new();
    message.body(0..limit as u64).map_err(unread)?.read_to_end(&mut opening).map_err(unread)?;
    Ok(opening)
}

/// A message whose body is no more than the first `limit` bytes. One whose
/// lines end in CR, which as a whole is one line to everyone else, gets lines.
pub fn opening(message: &Message, limit: usize) -> Result<Message, String> {
    let mut bytes = message.head().bytes().to_vec();
    bytes.extend(body_opening(message, limit)?);
    if !bytes.contains(&b'\n') {
        bytes.iter_mut().filter(|byte| **byte == b'\r').for_each(|byte| *byte = b'\n');
    }
    Ok(Message::from_bytes(bytes))
}

/// The first value of a header, decoded and without case; empty if there is none.
pub fn folded(message: &Message, name: &str) -> String {
    message.texts(name).first().map(|text| text.folded().to_owned()).unwrap_or_default()
}

/// What kept us from reading the body.
pub fn unread(error: impl Into<Unread>) -> String {
    format!("the body cannot be read: {}", error.into())
}
