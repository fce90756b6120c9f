//! Whose results count: the trusted authserv-ids, and where a header is.

use std::borrow::Cow;

use super::grammar::{self, ResultsHeader, Unreadable};
use super::{LONGEST_HEADER, MOST_HEADERS, TOO_LONG, text};
use crate::classify::received::TraceLines;
use crate::classify::{Mail, authenticated};
use crate::message::domain;
use crate::message::head::Header;

/// Where a header is in the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HeaderPlace {
    /// Where only our machines write.
    Ours,
    /// Directly below the border line.
    AtBorder,
    /// Below what our machines wrote.
    Foreign,
    /// There is no border.
    Anywhere,
}

impl HeaderPlace {
    pub(super) fn name(self) -> &'static str {
        match self {
            HeaderPlace::Ours => "above our border's Received line",
            HeaderPlace::AtBorder => "directly below our border's Received line",
            HeaderPlace::Foreign => "below our Received lines",
            HeaderPlace::Anywhere => "where no Received line shows a border",
        }
    }
}

/// Which authserv-ids are believed, and where our machines wrote.
pub(super) struct Trust<'a> {
    ids: Vec<Cow<'a, str>>,
    /// `set trust`, as the user wrote it.
    declared: &'a [String],
    fields: &'a [u8],
    trace_lines: &'a TraceLines,
    first_received: Option<usize>,
    /// One of our users wrote the message, so no border has checked it.
    submitted: bool,
}

impl<'a> Trust<'a> {
    pub(super) fn new(mail: &'a Mail<'_>) -> Trust<'a> {
        let trace_lines = mail.trace_lines();
        let declared = mail.trust.as_slice();
        let ids = if !declared.is_empty() {
            declared.iter().map(|id| domain::canonical(id)).collect()
        } else {
            let by = trace_lines.border().and_then(|border| border.by.as_deref());
            [mail.host_name.as_deref(), by].into_iter().flatten().map(domain::canonical).collect()
        };
        let head = mail.message.head();
        let first_received = head.named("received").next();
        let fields = head.fields();
        Trust {
            ids,
            declared,
            fields,
            trace_lines,
            first_received: first_received.map(|line| line.range.start),
            submitted: authenticated::find(mail).is_some(),
        }
    }

    pub(super) fn names(&self, id: &str) -> bool {
        let id = domain::canonical(id);
        !id.is_empty() && self.ids.iter().any(|word| names_id(word, &id))
    }

    /// A header's text, with the id that it lacks: Microsoft 365 names none. One
    /// of our hosts wrote what is above the border line; if `set trust` has a
    /// name above the border host's own, that host wrote it.
    fn with_id(&self, header: &Header<'_>, text: String) -> String {
        let first = text.split([';', '(']).next().unwrap_or_default();
        let by = self.trace_lines.border().and_then(|border| border.by.as_deref());
        match by.filter(|by| self.names(by) && !self.ids.contains(&domain::canonical(by))) {
            Some(by) if first.contains('=') && self.place(header) == HeaderPlace::Ours => {
                format!("{by}; {text}")
            }
            _ => text,
        }
    }

    /// A header's text, and its content.
    pub(super) fn read(
        &self,
        header: &Header<'_>,
        arc: bool,
    ) -> (String, Result<ResultsHeader, Unreadable>) {
        let text = self.with_id(header, text(header));
        let read = if arc { grammar::parse_arc(&text) } else { grammar::parse(&text) };
        let read = read.and_then(|read| match header.value.len() {
            ..=LONGEST_HEADER => Ok(read),
            _ => Err(Unreadable { authserv_id: read.authserv_id, why: TOO_LONG }),
        });
        (text, read)
    }

    /// Whether a header begins as the server writes it that `set trust` names. What
    /// else means the same (`mx.example.jp.`, `"mx.example.jp"`, a comment before it,
    /// a blank before the colon) no server writes, but a border that removes forged
    /// headers by their spelling leaves it.
    fn is_spelled_out(&self, header: &Header<'_>, text: &str) -> bool {
        let blanks = [' ', '\t', '\r', '\n'];
        let id = text.trim_start_matches(blanks);
        let id = id.split(|c| blanks.contains(&c) || matches!(c, ';' | '(')).next();
        let id = id.unwrap_or_default().to_ascii_lowercase();
        let colon = self.fields.get(header.range.start + header.name.len());
        colon == Some(&b':')
            && self.declared.iter().any(|word| names_id(&word.to_ascii_lowercase(), &id))
    }

    pub(super) fn place(&self, header: &Header<'_>) -> HeaderPlace {
        let start = header.range.start;
        match (self.trace_lines.border_start, self.first_received) {
            (Some(border), _) if start < border => HeaderPlace::Ours,
            (Some(_), _) if self.trace_lines.below_border.is_none_or(|below| start < below) => {
                HeaderPlace::AtBorder
            }
            (Some(_), _) => HeaderPlace::Foreign,
            (None, Some(first)) if start < first => HeaderPlace::Ours,
            (None, _) => HeaderPlace::Anywhere,
        }
    }

    /// Why a header with a trusted id, with which `text` begins, does not count in its
    /// place.
    pub(super) fn misplaced(
        &self,
        header: &Header<'_>,
        text: &str,
        something_counts: bool,
    ) -> Option<&'static str> {
        match self.place(header) {
            HeaderPlace::Ours => None,
            HeaderPlace::Foreign => Some("it is below our Received lines, where the sender writes"),
            HeaderPlace::AtBorder | HeaderPlace::Anywhere if something_counts => {
                Some("it is below one that counts")
            }
            HeaderPlace::AtBorder if self.declared.is_empty() => {
                Some("it is below our Received lines, and `set trust` does not name its id")
            }
            HeaderPlace::Anywhere if self.declared.is_empty() => Some(
                "no Received line distinguishes it from the sender's, and `set trust` does not name its id",
            ),
            // Many servers neither check what is submitted nor remove results from it.
            _ if self.submitted => Some("it is in a message that was submitted here"),
            _ if !self.is_spelled_out(header, text) => {
                Some("a sender can write there, and it does not begin as `set trust` spells its id")
            }
            HeaderPlace::AtBorder | HeaderPlace::Anywhere => None,
        }
    }
}

/// Whether a word of `set trust` names an authserv-id, both canonical: that very
/// id or, written `.example.jp`, any id below it.
pub fn names_id(word: &str, id: &str) -> bool {
    word == id || word.starts_with('.') && id.len() > word.len() && id.ends_with(word)
}

/// The authserv-ids, canonical, of the headers at or above the border line, where
/// they would count if they were trusted.
pub fn ids_at_border(mail: &Mail<'_>) -> Vec<String> {
    let trust = Trust::new(mail);
    let head = mail.message.head();
    let mut ids = Vec::new();
    for header in head.named("authentication-results").take(MOST_HEADERS) {
        if !matches!(trust.place(&header), HeaderPlace::Ours | HeaderPlace::AtBorder) {
            continue;
        }
        let (text, read) = trust.read(&header, false);
        let id = match read {
            Ok(parsed) => parsed.authserv_id,
            Err(unreadable) => unreadable.authserv_id,
        };
        if trust.names(&id) && trust.misplaced(&header, &text, false).is_some() {
            continue;
        }
        let id = domain::canonical(&id).into_owned();
        if !id.is_empty() && !ids.contains(&id) {
            ids.push(id);
        }
    }
    ids
}
