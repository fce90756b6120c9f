//! The words in which mail systems report: `bounces.txt` of
//! [`words`](crate::classify::words), and what each of its tables is used for.

use crate::classify::words::{answers, bounces, find};
use crate::message::bounded_text::floor;

/// A report begins within this many bytes of the text.
const START: usize = 600;

/// The beginning of a text, where a report says what happened.
pub fn start(text: &str) -> &str {
    text.get(..floor(text, START)).unwrap_or_default()
}

/// Whether a subject is that of a delivery report.
pub fn subject_reports(subject: &str) -> bool {
    find(bounces::SUBJECTS, subject).is_some()
}

/// Whether a program answered a mail of that subject: `Automatic reply: Undeliverable`.
pub fn is_note(subject: &str) -> bool {
    let note = |note: &&str| subject.strip_prefix(note).map(str::trim_start);
    answers::NOTES_ALONE.iter().filter_map(note).any(|rest| rest.starts_with(':'))
}

/// A phrase of a delivery report.
pub fn report(text: &str) -> Option<&'static str> {
    report_of_machine(text).or_else(|| report_of_anyone(text))
}

/// A phrase that only mail systems use.
pub fn report_of_machine(text: &str) -> Option<&'static str> {
    find(bounces::REPORTS, text)
}

/// A phrase that a person may use, too.
pub fn report_of_anyone(text: &str) -> Option<&'static str> {
    find(bounces::REPORTS_OF_ANYONE, text)
}

/// Whether a person speaks in a phrase of his own mail: `my message to …`.
pub fn is_of_own_mail(phrase: &str, text: &str) -> bool {
    let (first, last) = phrase.split_once('*').unwrap_or((phrase, ""));
    let Some(place) = text.find(first.trim_end()) else { return false };
    let (before, after) = text.split_at(place);
    // The phrase may begin within a word: `meine e-mail an`.
    let words_before = before.trim_end_matches(|c: char| !c.is_whitespace());
    let right_before = words_before.split_whitespace().next_back();
    if right_before.is_some_and(|word| bounces::OWN.contains(&word)) {
        return true;
    }
    let end = after.find(last.trim_start()).unwrap_or_default();
    let text = text.get(..place + end).unwrap_or_default();
    let start = [". ", "! ", "? "].iter().filter_map(|mark| text.rfind(mark)).max();
    let sentence = text.get(start.unwrap_or_default()..).unwrap_or_default();
    let mut words = sentence.split(|c: char| !c.is_alphabetic());
    words.any(|word| bounces::OWN_IN_SENTENCE.contains(&word))
}

/// Whether a person speaks of his own mail, or fills in a form, and no mail system speaks.
pub fn is_of_person(text: &str) -> bool {
    let phrase = report_of_anyone(text).or_else(|| failure_at_start(text));
    let start = text.trim_start();
    let own = phrase.is_some_and(|phrase| is_of_own_mail(phrase, text));
    (own || bounces::FORMS.iter().any(|form| start.starts_with(form)))
        && report_of_machine(text).is_none()
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

/// A phrase that says what is wrong, whatever it is.
pub fn fault(text: &str) -> Option<&'static str> {
    bounces::STATUS.iter().find_map(|(_, phrases)| find(phrases, text))
}

/// A phrase that says that the mail system keeps trying.
pub fn delay(text: &str) -> Option<&'static str> {
    find(bounces::DELAYS, text)
}

/// The status that a report in words alone amounts to, RFC 3463 §3; `class` is 4 or 5.
pub fn status_of(text: &str, class: char) -> Option<String> {
    let (subject, _) = bounces::STATUS.iter().find(|(_, phrases)| find(phrases, text).is_some())?;
    Some(format!("{class}.{subject}"))
}
