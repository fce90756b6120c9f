//! What several classifiers read.

use std::io::Read;

use crate::message::mime::Part;
use crate::message::{BodyError, Message};

/// The raw body's first `limit` bytes.
///
/// # Errors
/// The body cannot be read.
pub fn body_opening(message: &Message, limit: usize) -> Result<Vec<u8>, String> {
    let mut opening = Vec::new();
    message.body(0..limit as u64).map_err(unread)?.read_to_end(&mut opening).map_err(unread)?;
    Ok(opening)
}

/// A message whose body is only the first `limit` bytes. If its lines end in CR,
/// so that everyone else sees a single line, they become lines.
///
/// # Errors
/// The body cannot be read.
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

/// Whether the part is inside another message, one that came back or was attached.
pub fn is_within_message(parts: &[Part], part: &Part) -> bool {
    let parent = |part: &Part| part.parent.and_then(|at| parts.get(at));
    std::iter::successors(parent(part), |part| parent(part))
        .any(|part| part.media_type.starts_with("message/"))
}

/// Says why the body could not be read.
pub fn unread(error: impl Into<BodyError>) -> String {
    format!("the body cannot be read: {}", error.into())
}
