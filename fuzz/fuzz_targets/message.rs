//! Any bytes as a message: everything that can be asked of it.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mfilter::message::Message;

fuzz_target!(|data: &[u8]| {
    let message = Message::from_bytes(data.to_vec());
    for name in ["From", "To", "Cc", "Subject", "Received", "Date"] {
        let _ = message.texts(name);
        let _ = message.addresses(name);
    }
    let _ = message.date();
    let _ = message.body_texts();
    let _ = message.attachments();
    let _ = message.archives();
    let _ = message.hidden_texts();
    let _ = mfilter::message::archive::read(data);
    let _ = message.charsets();
    let _ = message.limits();
    assert!(message.size().is_ok());
});
