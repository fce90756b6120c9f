//! Which messages were delivered here, for `duplicate`: by Message-ID, or if there is
//! none, by the content of the message.
//!
//! What programs write instead of an id (`<>`, `<@>`, `none`) is not an id, and an id
//! alone is not enough, since some devices use the same one for all their mail: From,
//! Date and Subject have to be the same, too. A mailing list's tag before the Subject
//! makes no difference.
//!
//! `seen` is a [table](super::slots) of the times of delivery. While a message is being
//! delivered, [`claim`] keeps others with the same key waiting, so that of two at the
//! same time the second one sees the first.

use std::io;
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

use super::StateDir;
use super::journal::parts;
use super::lock_file::LockFile;
use super::slots::{Key, SlotTable};
use crate::ascii_case;
use crate::message::head::Header;
use crate::message::{BodyError, Message};

/// Headers that a delivery adds: two copies of a message differ in them.
const ON_THE_WAY: [&str; 6] =
    ["Received", "Return-Path", "Delivered-To", "X-Original-To", "Envelope-To", "Delivery-Date"];

/// Where the locks are in the state directory.
const UNDER_WAY: &str = "under-way";
/// No process takes this long for a message; older files were left by processes that
/// died.
const ABANDONED: Duration = Duration::from_secs(24 * 3600);

fn table(state: &StateDir) -> SlotTable<'_> {
    SlotTable { state, name: "seen", magic: "mfilter seen messages, version 2\n" }
}

/// The key of a message: its Message-ID with From, Date and Subject, or else its header
/// (except what was added on the way) and its body, which is read then.
///
/// # Errors
/// The message cannot be read.
pub fn key(message: &Message) -> Result<Key, BodyError> {
    let ids = message.texts("Message-ID");
    if let Some(id) = ids.iter().find_map(|id| message_id(id.text())) {
        let from = message.addresses("From");
        let from = from.first().map(|from| from.address().to_lowercase()).unwrap_or_default();
        let (dates, subjects) = (message.texts("Date"), message.texts("Subject"));
        let date = dates.first().map_or("", |date| date.text().trim());
        let subject = subjects.first().map_or("", |subject| subject.text());
        let parts = ["id", &id, &from, date, &without_tags(subject)];
        return Ok(Key::of(&parts.map(str::as_bytes)));
    }
    let mut hash = Sha256::new();
    hash.update(b"message");
    let is_added =
        |header: &Header<'_>| ON_THE_WAY.iter().any(|name| header.name.eq_ignore_ascii_case(name));
    parts(message, &is_added, &mut |bytes| hash.update(bytes))?;
    Ok(Key::from_hash(hash))
}

/// The key under which it is noted that a message was not only forwarded, but also kept
/// here.
pub fn kept_key(key: Key) -> Key {
    Key::of(&[b"kept", &key.0])
}

/// The id in a Message-ID field without its brackets, RFC 5322 §3.6.4: none unless it has
/// something on both sides of an `@`.
fn message_id(value: &str) -> Option<String> {
    let value = without_comments(value);
    let id = value
        .split_once('<')
        .map_or(value.as_str(), |(_, rest)| rest.split_once('>').map_or(rest, |(id, _)| id));
    let (left, right) = id.rsplit_once('@')?;
    let is_there = |side: &str| side.chars().any(|c| !c.is_whitespace() && c != '"');
    (is_there(left) && is_there(right)).then(|| id.trim().to_owned())
}

fn without_comments(text: &str) -> String {
    let mut depth = 0u32;
    text.chars()
        .filter(|c| {
            match c {
                '(' => depth += 1,
                ')' if depth > 0 => {
                    depth -= 1;
                    return false;
                }
                _ => {}
            }
            depth == 0
        })
        .collect()
}

/// A Subject without the tags that lists and mail programs put before it, `[list]` and
/// `Re:`, and with each run of blanks as one.
fn without_tags(subject: &str) -> String {
    let mut rest = subject.trim_start();
    loop {
        let tag = rest.strip_prefix('[').and_then(|tag| tag.split_once(']'));
        let answer = || ascii_case::strip_prefix(rest, "re:");
        let Some(text) = tag.map(|(_, text)| text).or_else(answer) else { break };
        rest = text.trim_start();
    }
    rest.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// How long ago a message was delivered, seconds, if that is known and within `within`
/// seconds of `now`, seconds since 1970. A time further ahead was recorded with a wrong
/// clock.
pub fn delivered_before(state: &StateDir, key: Key, now: i64, within: u64) -> Option<u64> {
    let time = table(state).find(key)?;
    let ago = now.saturating_sub(i64::from(time));
    (ago.unsigned_abs() <= within).then(|| u64::try_from(ago).unwrap_or(0))
}

/// Records that a message was delivered at `now`, seconds since 1970; what is older than
/// `within` seconds may be forgotten.
///
/// # Errors
/// The state directory cannot be written, or another process holds the table for too
/// long.
pub fn remember(state: &StateDir, key: Key, now: i64, within: u64) -> io::Result<()> {
    let time = u32::try_from(now).unwrap_or(0);
    let is_over = |then: u32| now.saturating_sub(i64::from(then)).unsigned_abs() > within;
    table(state).renew(key, time, &is_over)
}

/// Waits until nobody else delivers a message with this key, and keeps others out while
/// the returned lock lives. None if that fails until `deadline`; an error if the state
/// directory cannot be written.
pub fn claim(state: &StateDir, key: Key, deadline: Instant) -> io::Result<Option<LockFile>> {
    let claim = LockFile::wait(state, UNDER_WAY, &key.name(), deadline)?;
    super::forget_old(&state.path().join(UNDER_WAY), ABANDONED);
    Ok(claim)
}

/// How many messages are known, and the oldest and newest time.
pub fn known(state: &StateDir) -> Option<(usize, u32, u32)> {
    let times = table(state).times()?;
    Some((times.len(), *times.first()?, *times.last()?))
}

/// The default of `set duplicates-for`: 28 days.
pub const REMEMBER_FOR: Duration = Duration::from_secs(28 * 24 * 3600);

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Key {
        key(&Message::from_bytes(text.as_bytes().to_vec())).unwrap()
    }

    #[test]
    fn a_message_is_known_by_its_id_else_by_what_it_says() {
        assert_eq!(
            of("Message-ID: <1@a>\nSubject: x\n\nx"),
            of("Subject: x\nmessage-id:  <1@a> \n\ny")
        );
        assert_ne!(of("Message-ID: <1@a>\n\nx"), of("Message-ID: <2@a>\n\nx"));
        assert_eq!(
            of("Received: by a\nSubject: x\n\nbody"),
            of("Return-Path: <x>\nReceived: by b\nSubject: x\n\nbody")
        );
        assert_ne!(of("Subject: x\n\nbody"), of("Subject: x\n\nother"));
        assert_ne!(of("Subject: x\nMessage-ID:\n\na"), of("Subject: y\nMessage-ID:\n\na"));
    }

    #[test]
    fn a_placeholder_for_an_id_is_none() {
        for none in [
            "<>",
            "< >",
            "<@>",
            "@",
            "none",
            "\"\"",
            "N/A",
            "(none)",
            "<null>",
            "(comment) <>",
            "(a@b.example) <>",
            "<a@>",
            "<@b>",
            "< @ >",
            "<\"\"@b>",
            "((a@b)",
            "<",
            "",
        ] {
            assert_eq!(message_id(none), None, "{none}");
            let text = |body| format!("Message-ID: {none}\nSubject: x\n\n{body}");
            assert_ne!(of(&text("one")), of(&text("other")), "{none}");
            assert_eq!(of(&text("one")), of(&text("one")), "{none}");
        }
        for some in ["<1@a>", " (c) <1@a> (d)", "1@a", "<1@a"] {
            assert_eq!(message_id(some).as_deref(), Some("1@a"), "{some}");
        }
        assert_eq!(message_id("<\"a@b\"@[::1]>").as_deref(), Some("\"a@b\"@[::1]"));
    }

    #[test]
    fn an_id_that_a_device_gives_all_its_mail_is_not_enough() {
        let scan = |from: &str, date: &str, subject: &str| {
            of(&format!(
                "From: {from}\nDate: {date}\nSubject: {subject}\nMessage-ID: <0@scanner>\n\nx"
            ))
        };
        let first = scan("Scanner <s@a.example>", "Thu, 24 Dec 2026 09:00:00 +0900", "Scan 1");
        assert_ne!(first, scan("t@a.example", "Thu, 24 Dec 2026 09:00:00 +0900", "Scan 1"));
        assert_ne!(first, scan("s@a.example", "Thu, 24 Dec 2026 09:00:01 +0900", "Scan 1"));
        assert_ne!(first, scan("s@a.example", "Thu, 24 Dec 2026 09:00:00 +0900", "Scan 2"));
        let by_list = "Re: [office:12] Re:  Scan\t1";
        assert_eq!(first, scan("S@A.example", "Thu, 24 Dec 2026 09:00:00 +0900", by_list));
    }

    #[test]
    fn a_delivery_is_remembered_for_as_long_as_asked() {
        let home = tempfile::tempdir().unwrap();
        let state = StateDir::at(home.path().join("mfilter"));
        let key = of("Message-ID: <1@a>\n\n");
        assert_eq!(delivered_before(&state, key, 1000, 60), None);
        remember(&state, key, 1000, 60).unwrap();
        assert_eq!(delivered_before(&state, key, 1000, 60), Some(0));
        assert_eq!(delivered_before(&state, key, 1060, 60), Some(60));
        assert_eq!(delivered_before(&state, key, 1061, 60), None);
        assert_eq!(delivered_before(&state, key, 950, 60), Some(0), "a clock set back");
        assert_eq!(delivered_before(&state, key, 900, 60), None, "a clock that was wrong");
        remember(&state, key, 1061, 60).unwrap();
        assert_eq!(delivered_before(&state, key, 1062, 60), Some(1));
        assert_eq!(known(&state), Some((1, 1061, 1061)));
        remember(&state, key, 1070, 60).unwrap();
        assert_eq!(delivered_before(&state, key, 1072, 5), Some(2), "the last time counts");
        assert_eq!(known(&state), Some((1, 1070, 1070)));
    }
}
