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

#[cfg(test)]
pub mod testing {
    use crate::classify::{Classifier, Known, Mail};
    use crate::message::Message;
    use crate::message::address::Address;

    pub fn message(text: &str) -> Message {
        Message::from_bytes(text.as_bytes().to_vec())
    }

    pub fn mail(message: &Message) -> Mail<'_> {
        Mail {
            message,
            envelope_sender: None,
            me: Some(&|address: &Address| address.canonical() == "taro@example.jp"),
            trust: Vec::new(),
            spam_score_header: None,
            known: Known::default(),
            variable: &|_| None,
        }
    }

    pub fn evidence(classifier: &Classifier, message: &Message) -> Option<String> {
        (classifier.find)(&mail(message)).unwrap()
    }

    pub fn finds(classifier: &Classifier, message: &Message) -> bool {
        evidence(classifier, message).is_some()
    }
}
