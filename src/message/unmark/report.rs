//! The message in a report of SpamAssassin's.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::ops::Range;

use memchr::memmem;

use crate::message::Message;
use crate::message::head::Head;
use crate::message::transfer::Encoding;

/// The largest wrapped message, in bytes, that is unwrapped in memory.
const IN_MEMORY: u64 = 1 << 20;
/// How much of a wrapped message's header is read, bytes.
const PART_HEADER: u64 = 64 << 10;

/// The message that SpamAssassin put into a report (`report_safe` 1 and 2), below
/// the headers that have been written since.
pub(super) fn unwrap(message: &Message) -> io::Result<Option<Message>> {
    let head = message.head();
    let kind = head.content_type();
    if kind.value != "multipart/mixed" {
        return Ok(None);
    }
    let parts = message.parts()?;
    let mut children = parts.iter().filter(|part| part.parent == Some(0));
    let (Some(report), Some(original), None) = (children.next(), children.next(), children.next())
    else {
        return Ok(None);
    };
    let between = report.range.end..original.range.start;
    if original.encoding != Encoding::Identity || between.end - between.start > PART_HEADER {
        return Ok(None);
    }
    let mut lines = Vec::new();
    message.body(between)?.read_to_end(&mut lines)?;
    let boundary = memmem::find(&lines, b"--").unwrap_or(lines.len());
    let lines = lines.get(boundary..).unwrap_or_default();
    let after = memchr::memchr(b'\n', lines).map_or(lines.len(), |at| at + 1);
    let part = Head::parse(lines.get(after..).unwrap_or_default());
    let kind = part.content_type();
    if kind.get("x-spam-type") != Some("original") {
        return Ok(None);
    }
    let mut content = message.body(original.range.clone())?;
    let original = if original.range.end - original.range.start <= IN_MEMORY {
        let mut bytes = Vec::new();
        content.read_to_end(&mut bytes)?;
        Message::from_bytes(bytes)
    } else {
        let mut file: File = tempfile::tempfile()?;
        io::copy(&mut content, &mut file)?;
        file.rewind()?;
        Message::open(file)?
    };
    // A line that begins with a blank would continue the last line above.
    let continues = matches!(original.head().bytes(), [b' ' | b'\t', ..]);
    if continues || original.head().headers().next().is_none() {
        return Ok(None);
    }
    let Some(mut header) = written_since(head, original.head()) else { return Ok(None) };
    header.extend_from_slice(original.head().bytes());
    Ok(Some(original.with_header(Some(header))))
}

/// Results of checks. Those of the report say nothing about the message in it.
const RESULTS: [&str; 3] = ["Authentication-Results", "ARC-Authentication-Results", "Received-SPF"];

/// The trace headers above the wrapped message's own: down to the Received line that
/// SpamAssassin writes when it wraps. A sender can write such a report too, around
/// a header that looks like ours. So none of the lines above is left out, since one of
/// them shows where the message came from outside. `None` if results in the wrapped
/// message would follow them directly, where our border writes its own: then
/// SpamAssassin's line has to be between them.
fn written_since(outer: &Head, original: &Head) -> Option<Vec<u8>> {
    const TRACE: [&str; 6] = [
        "Return-Path",
        "Delivered-To",
        "X-Original-To",
        "Envelope-To",
        "Delivery-Date",
        "Received",
    ];
    let is =
        |name: &str, names: &[&str]| names.iter().any(|known| known.eq_ignore_ascii_case(name));
    let bytes = |range: Range<usize>| outer.bytes().get(range).unwrap_or_default();
    let (mut since, mut has_received, mut by_filter) = (Vec::new(), false, None);
    for header in outer.headers() {
        let received = is(header.name, &["Received"]);
        if received && is_of_spamassassin(header.value) {
            by_filter = Some(header.range);
            break;
        }
        if is(header.name, &TRACE) {
            has_received |= received;
            since.extend_from_slice(bytes(header.range));
        }
    }
    let top = original
        .headers()
        .find(|header| is(header.name, &["Received"]) || is(header.name, &RESULTS));
    if has_received && top.is_some_and(|header| is(header.name, &RESULTS)) {
        since.extend_from_slice(bytes(by_filter?));
    }
    Some(since)
}

/// `from localhost by HOST with SpamAssassin (version 4.0.1); DATE`. An MTA writes the
/// client's address after a HELO that begins like that.
fn is_of_spamassassin(received: &[u8]) -> bool {
    let text = String::from_utf8_lossy(received);
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    let ["from", "localhost", "by", _, "with", "SpamAssassin", version, rest @ ..] = &*words else {
        return false;
    };
    version.starts_with('(') && !rest.iter().any(|word| word.contains(['(', '[']))
}
