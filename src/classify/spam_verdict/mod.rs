//! `spam`, `virus` and `spam-score`: what a filter before us says.
//!
//! No specification defines these headers; `spam.txt` of `words` says who writes
//! each and how it is read.
//!
//! Only our machines write above the border's Received line, so that comes first:
//! if one header there has a verdict, those below do not count. Below it write
//! the milters of some borders, other machines on the way, and the sender. In
//! either place the topmost header of a name counts, because filters write above
//! what is already there, and one `spam` among them is enough: senders do not
//! call their own mail that. Without a border, all headers count alike.

mod reading;

use reading::{Reading, reader};

use crate::ascii_case;
use crate::classify::input::folded;
use crate::classify::words::spam;
use crate::classify::{Classifier, Mail};
use crate::message::head::Header;
use crate::message::number::first_number;
use crate::message::unfold::unfold;

/// `spam`
pub const SPAM: Classifier = Classifier {
    name: "spam",
    absent: "no spam filter's header says so",
    find: |mail| Ok(find(mail, |reading| reading.spam).or_else(|| marked_subject(mail))),
};

/// `virus`
pub const VIRUS: Classifier = Classifier {
    name: "virus",
    absent: "no virus scanner's header says so",
    find: |mail| Ok(find(mail, |reading| reading.virus)),
};

/// Further headers of the same name are ignored.
const MOST_HEADERS: usize = 100;

/// How much of a value is read, bytes.
const LONGEST_VALUE: usize = 8192;

/// The longest excerpt of a value, in characters.
const EXCERPT: usize = 60;

/// A header that a filter writes.
struct VerdictHeader {
    name: &'static str,
    /// The filter that writes it.
    writer: &'static str,
    read: fn(&str) -> Reading,
}

/// All the headers of the table, in its order.
fn headers() -> impl Iterator<Item = VerdictHeader> {
    let lines = |part: &'static (&str, &[&'static str])| part.1.iter().map(|line| (part.0, *line));
    spam::HEADERS.iter().flat_map(lines).filter_map(|(value, line)| {
        let (name, writer) = line.split_once(": ")?;
        Some(VerdictHeader { name, writer, read: reader(value)? })
    })
}

/// A score and the header that it is from.
#[derive(Debug, Clone, PartialEq)]
pub struct SpamScore {
    /// Higher is worse.
    pub value: f64,
    /// The header's name.
    pub header: String,
}

/// `spam-score`: the number in the header of `set spam-score-header`, and in no
/// other if that is set; otherwise the first one of the table.
pub fn score(mail: &Mail<'_>) -> Option<SpamScore> {
    if let Some(name) = &mail.spam_score_header {
        let value = first_number(&one_line(mail.message.head().first(name)?))?;
        return Some(SpamScore { value, header: name.clone() });
    }
    places(mail).into_iter().find_map(|place| {
        headers().find_map(|header| {
            let (_, reading) = reading(mail, &header, place)?;
            Some(SpamScore { value: reading.score?, header: header.name.to_owned() })
        })
    })
}

/// Evidence from the first header that says so, in the first place with a verdict.
fn find(mail: &Mail<'_>, says: fn(&Reading) -> Option<bool>) -> Option<String> {
    places(mail).into_iter().find_map(|place| {
        let mut verdict = None;
        for header in headers() {
            let Some((value, reading)) = reading(mail, &header, place) else { continue };
            match says(&reading) {
                Some(true) => return Some(Some(evidence(&header, &value))),
                Some(false) => verdict = Some(None),
                None => {}
            }
        }
        verdict
    })?
}

fn evidence(header: &VerdictHeader, value: &str) -> String {
    let value = match value.char_indices().nth(EXCERPT) {
        Some((end, _)) => format!("{}…", &value[..end]),
        None => value.to_owned(),
    };
    format!("{} is `{value}` ({})", header.name, header.writer)
}

/// A place in the header block: above the border line, or from there on.
#[derive(Debug, Clone, Copy)]
enum MarkPlace {
    Anywhere,
    Above(usize),
    Below(usize),
}

/// The places to look in, first one first.
fn places(mail: &Mail<'_>) -> Vec<MarkPlace> {
    match mail.trace_lines().border_start {
        Some(border) => vec![MarkPlace::Above(border), MarkPlace::Below(border)],
        None => vec![MarkPlace::Anywhere],
    }
}

impl MarkPlace {
    fn has(self, header: &Header<'_>) -> bool {
        match self {
            MarkPlace::Anywhere => true,
            MarkPlace::Above(border) => header.range.start < border,
            MarkPlace::Below(border) => header.range.start >= border,
        }
    }
}

/// The topmost header of a name in a place that says anything, and what it says.
fn reading(mail: &Mail<'_>, header: &VerdictHeader, place: MarkPlace) -> Option<(String, Reading)> {
    let head = mail.message.head();
    let read = |found: Header<'_>| {
        let value = one_line(found.value);
        let reading = (header.read)(&value.to_lowercase());
        (reading != Reading::default()).then_some((value, reading))
    };
    match header.name.split_once('*') {
        None => head
            .named(header.name)
            .filter(|found| place.has(found))
            .take(MOST_HEADERS)
            .find_map(read),
        Some((before, after)) => {
            let fits = |name: &str| {
                name.len() > before.len() + after.len()
                    && ascii_case::starts_with(name, before)
                    && ascii_case::strip_suffix(name, after).is_some()
            };
            let named = head.headers().filter(|found| place.has(found) && fits(found.name));
            named.take(MOST_HEADERS).find_map(read)
        }
    }
}

/// A value on one line, cut to the longest length.
fn one_line(value: &[u8]) -> String {
    let value = String::from_utf8_lossy(&unfold(&value[..value.len().min(LONGEST_VALUE)]))
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    value.chars().filter(|c| !c.is_control()).collect()
}

/// A mark that a filter puts before the subject, if its header is there too:
/// people may write the mark themselves.
fn marked_subject(mail: &Mail<'_>) -> Option<String> {
    let head = mail.message.head();
    let (_, marks) = spam::SUBJECTS.iter().find(|(header, _)| head.first(header).is_some())?;
    let subject = folded(mail.message, "subject");
    let marked = subject.strip_prefix('[')?.split_once(']')?.0;
    marks.contains(&marked).then(|| format!("the subject is marked [{marked}]"))
}

#[cfg(test)]
mod tests;
