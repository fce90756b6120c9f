//! The words in which mail systems report: `bounces.txt` of
//! [`words`](crate::classify::words), and what each of its tables is used for.

use crate::classify::words::{bounces, find};

/// A report begins within this many bytes of the text.
const START: usize = 600;

fn start(text: &str) -> &str {
    let end = (0..=START.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    text.get(..end.unwrap_or_default()).unwrap_or_default()
}

/// Whether a subject is that of a delivery report.
pub fn subject_reports(subject: &str) -> bool {
    find(bounces::SUBJECTS, subject).is_some()
}

/// A phrase that only mail systems use.
pub fn report(text: &str) -> Option<&'static str> {
    find(bounces::REPORTS, text)
}

/// [`report`], but at the start.
pub fn report_at_start(text: &str) -> Option<&'static str> {
    report(start(text))
}

/// A phrase that reports a failure if a mail system is the sender.
pub fn failure(text: &str) -> Option<&'static str> {
    find(bounces::FAILURES, text)
}

/// [`failure`], but at the start.
pub fn failure_at_start(text: &str) -> Option<&'static str> {
    failure(start(text))
}

/// A phrase that says that the recipient or the mailbox is the problem.
pub fn recipient_fault(text: &str) -> Option<&'static str> {
    let mut parts = bounces::STATUS.iter().filter(|(value, _)| value.starts_with(['1', '2']));
    parts.find_map(|(_, phrases)| find(phrases, text))
}

/// Whether the mail system keeps trying.
pub fn is_delay(text: &str) -> bool {
    find(bounces::DELAYS, text).is_some()
}

/// The status that a report in words alone amounts to, RFC 3463 §3; `class` is 4 or 5.
pub fn status_of(text: &str, class: char) -> Option<String> {
    let (subject, _) = bounces::STATUS.iter().find(|(_, phrases)| find(phrases, text).is_some())?;
    Some(format!("{class}.{subject}"))
}
