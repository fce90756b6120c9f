//! Recipients, status and reason from a report in free text.
//!
//! MTAs name a recipient at the start of a line and say after it, or below, why
//! it was not reached. qmail (`<user@host>:`), Postfix (`<user@host>: …`), Exim
//! (`  user@host`), sendmail (`550 <user@host>... User unknown`) and most others
//! are read this way. Some name it at the end of a line, some within a sentence.

use std::collections::HashMap;

use super::mention::{self, mentioned};
use super::{RecipientFailure, status, words};
use crate::classify::words::{bounces, plain};
use crate::message::fold::fold;

/// How many recipients are looked for at most.
const RECIPIENTS_LIMIT: usize = 1000;

/// How much of what is said about one recipient is kept as the reason, in characters.
const REASON_LIMIT: usize = 300;

/// What the text says. `named` are the recipients that the header names, `own`
/// the addresses of whoever gets the bounce and whoever sent it.
pub fn read(notes: &str, named: &[String], own: &[String]) -> Vec<RecipientFailure> {
    let mut failures: Vec<RecipientFailure> = Vec::new();
    let notified = notified(notes);
    let named = if notified.is_empty() { named } else { &notified };
    let (mut before, mut segments) = split(notes, recipient);
    if segments.is_empty() {
        segments = split(notes, last_recipient).1;
    }
    let within = match named.is_empty() && segments.iter().all(|segment| segment.is_about(own)) {
        true => mentioned(notes, own),
        false => Vec::new(),
    };
    // A greeting may begin with the address of the person who is informed.
    if !(named.is_empty() && within.is_empty())
        && segments.iter().all(|segment| segment.is_about(own))
    {
        segments.clear();
        before = notes.to_owned();
    }
    if !segments.iter().all(|segment| segment.is_about(own)) {
        segments.retain(|segment| !(segment.is_about(own) && segment.is_greeting()));
    }
    for segment in segments {
        let failure = segment.failure();
        let known = failures.iter_mut().find(|known| known.recipient == failure.recipient);
        match known {
            Some(known) => {
                known.status = known.status.take().or(failure.status);
                known.reason = known.reason.take().or(failure.reason);
            }
            None => failures.push(failure),
        }
    }
    if failures.is_empty() {
        let whole = Segment { recipient: None, text: before }.failure();
        let of =
            |name: &String| RecipientFailure { recipient: Some(name.clone()), ..whole.clone() };
        match named {
            [] => failures.extend(within.iter().map(of)),
            named => failures.extend(named.iter().map(of)),
        }
        if failures.is_empty() {
            failures.push(whole);
        }
    } else if failures.iter().all(|failure| failure.status.is_none()) {
        let status = status::in_text(notes);
        let whole = Segment { recipient: None, text: before };
        if has_reply(&whole.text) {
            let reason = whole.failure().reason;
            let without =
                |failure: &&mut RecipientFailure| !failure.reason.as_deref().is_some_and(has_reply);
            failures
                .iter_mut()
                .filter(without)
                .for_each(|failure| failure.reason.clone_from(&reason));
        }
        failures.iter_mut().for_each(|failure| failure.status.clone_from(&status));
    }
    failures
}

/// A fault that stands right after an address, as Postfix and qmail write: `<user@host>: why`.
pub fn fault_after_address(notes: &str) -> Option<&'static str> {
    notes.lines().find_map(|line| {
        let (address, fault) = line.strip_prefix('<')?.split_once(">:")?;
        words::fault(&plain(&fold(fault))).filter(|_| address.contains('@'))
    })
}

/// The recipients of a notification in JSON (Amazon SES), which may itself be
/// quoted within JSON.
fn notified(notes: &str) -> Vec<String> {
    let Some(at) = notes.find("bouncedRecipients") else { return Vec::new() };
    let list =
        notes.get(at..).unwrap_or_default().split(']').next().unwrap_or_default().replace('\\', "");
    let addresses = list.split("\"emailAddress\":\"").skip(1);
    addresses
        .filter_map(|rest| rest.split('"').next())
        .map(str::to_owned)
        .take(RECIPIENTS_LIMIT)
        .collect()
}

/// Adds what the text says about recipients whose fields give no reason.
pub fn complete(failures: &mut [RecipientFailure], notes: &str) {
    if failures.iter().all(|failure| failure.reason.is_some()) {
        return;
    }
    let (_, segments) = split(notes, recipient);
    let said: HashMap<String, RecipientFailure> = segments
        .into_iter()
        .filter_map(|segment| {
            Some((segment.recipient.as_deref()?.to_lowercase(), segment.failure()))
        })
        .collect();
    for failure in failures.iter_mut().filter(|failure| failure.reason.is_none()) {
        let recipient = failure.recipient.as_deref().unwrap_or_default().to_lowercase();
        failure.reason = said.get(&recipient).and_then(|said| said.reason.clone());
    }
}

/// What may stand between a recipient and the reason.
const MARKS: &[char] = &[' ', '\t', '>', ')', ']', ':', '：', ';', ',', '.', '<', '-', '」', '）'];

/// A greeting has fewer letters beside the address.
const GREETING: usize = 8;

struct Segment {
    recipient: Option<String>,
    text: String,
}

impl Segment {
    fn is_about(&self, addresses: &[String]) -> bool {
        let about = self.recipient.as_deref().unwrap_or_default();
        addresses.iter().any(|address| address.eq_ignore_ascii_case(about))
    }

    /// Whether hardly anything stands after the address: `user@host 様`.
    fn is_greeting(&self) -> bool {
        self.text.chars().filter(|c| c.is_alphanumeric()).take(GREETING).count() < GREETING
    }

    fn failure(self) -> RecipientFailure {
        let status = status::in_text(&self.text);
        let lines = || {
            self.text
                .lines()
                .map(|line| line.trim_start_matches(MARKS).trim_end())
                .filter(|line| line.chars().any(char::is_alphanumeric))
                .filter(|line| !is_about_address(line) && !is_headline(line))
        };
        let reason = lines().find(|line| has_reply(line)).or_else(|| lines().next());
        let reason = reason.map(|line| line.chars().take(REASON_LIMIT).collect());
        RecipientFailure { recipient: self.recipient, status, reason, action: String::new() }
    }
}

/// `** Address not found **`, which Gmail uses as a headline in other cases too.
fn is_headline(line: &str) -> bool {
    line.starts_with("**") && line.ends_with("**")
}

/// Exim's note on an alias: `(ultimately generated from user@host)`.
fn is_about_address(line: &str) -> bool {
    ["(ultimately generated from", "(generated from", "generated from"]
        .iter()
        .any(|start| line.starts_with(start))
}

/// Whether the next line names who sent the mail.
fn announces_sender(line: &str) -> bool {
    mention::ends_in_sender(&line.trim_end().trim_end_matches([':', '：']).to_lowercase())
}

/// The text before the first recipient, and what is said about each.
fn split(notes: &str, recipient: fn(&str) -> Option<(String, &str)>) -> (String, Vec<Segment>) {
    let mut before = String::new();
    let mut segments: Vec<Segment> = Vec::new();
    let mut of_sender = false;
    for line in notes.lines() {
        let wanted = !of_sender && segments.len() < RECIPIENTS_LIMIT;
        let found = if wanted { recipient(line) } else { None };
        if !line.trim().is_empty() {
            of_sender = announces_sender(line);
        }
        let text = match found {
            Some((recipient, rest)) => {
                segments.push(Segment { recipient: Some(recipient), text: String::new() });
                rest
            }
            None => line,
        };
        let place = segments.last_mut().map_or(&mut before, |segment| &mut segment.text);
        place.push_str(text);
        place.push('\n');
    }
    (before, segments)
}

/// The address at the end of a line, after a colon, and the line.
fn last_recipient(line: &str) -> Option<(String, &str)> {
    let (label, address) = line.trim_end().rsplit_once([':', '：'])?;
    let label = label.trim_end().to_lowercase();
    if mention::ends_in_sender(&label) || label.ends_with(" by") {
        return None;
    }
    let (address, _) =
        recipient(address).filter(|(_, rest)| rest.trim_matches(MARKS).is_empty())?;
    Some((address, line))
}

/// The address at the start of a line, and the line's rest.
fn recipient(line: &str) -> Option<(String, &str)> {
    let text = line.trim_start_matches([' ', '\t', '\u{3000}', '*', '-', '"', '\'', '・']);
    let answer = text;
    let text = strip_reply(text);
    let answered = text.len() < answer.len();
    let text = bounces::LABELS.iter().find_map(|label| strip_label(text, label)).unwrap_or(text);
    let text = text.trim_start_matches(|c: char| c.is_whitespace() || OPENING.contains(c));
    let text = ["mailto:", "smtp:", "rfc822;"]
        .iter()
        .find_map(|label| strip_label(text, label))
        .unwrap_or(text)
        .trim_start();
    let end = text.find(|c: char| c.is_whitespace() || CLOSING.contains(c)).unwrap_or(text.len());
    let address = without_words(text.get(..end)?).trim_end_matches('.');
    let (local, domain) = address.rsplit_once('@')?;
    let plausible = mention::is_local_part(local)
        && address.len() <= 320
        && domain.chars().all(|c| c.is_alphanumeric() || matches!(c, '.' | '-'))
        && domain.chars().any(char::is_alphanumeric);
    let rest = text.get(address.len()..).unwrap_or_default();
    plausible.then(|| (address.to_owned(), if answered { answer } else { rest }))
}

/// An address without words that follow it without a blank: the last label of a
/// domain is either all ASCII or not at all.
fn without_words(address: &str) -> &str {
    let label = address.rfind('.').map_or(0, |dot| dot + 1);
    let (start, rest) = address.split_at(label);
    match rest.find(|c: char| !c.is_ascii()) {
        Some(at) if at > 0 => &address[..start.len() + at],
        _ => address,
    }
}

/// What may come right before an address.
const OPENING: &str = "<\"'[(＜「『【（“‘«";

/// What may come right after it.
const CLOSING: &str = "<>()[]:;,\"'＜＞「」『』【】（）：；，、。”’»";

/// The text after a label, which may be in any case, with a colon of any width.
fn strip_label<'a>(text: &'a str, label: &str) -> Option<&'a str> {
    match label.strip_suffix(':') {
        Some(word) => strip_start(text, word)?.trim_start().strip_prefix([':', '：']),
        None => strip_start(text, label),
    }
}

fn strip_start<'a>(text: &'a str, start: &str) -> Option<&'a str> {
    let end = text.char_indices().nth(start.chars().count()).map_or(text.len(), |(at, _)| at);
    let (found, rest) = text.split_at_checked(end)?;
    (found.eq_ignore_ascii_case(start) || found.to_lowercase() == start).then_some(rest)
}

/// `550 5.1.1 <user@host>... why`: the reply is part of the reason, but here the
/// recipient has to come first.
fn strip_reply(text: &str) -> &str {
    let rest =
        text.trim_start_matches(|c: char| c.is_ascii_digit() || matches!(c, '.' | ' ' | '-' | '#'));
    match rest.starts_with('<') && has_reply(text) {
        true => rest,
        false => text,
    }
}

/// Whether the line has a three-digit word such as replies begin with.
fn has_reply(line: &str) -> bool {
    line.split(|c: char| !c.is_alphanumeric()).any(|word| {
        word.len() == 3 && matches!(word.as_bytes(), [b'4' | b'5', b'0'..=b'7', b'0'..=b'9'])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn found(notes: &str) -> Vec<(String, Option<String>)> {
        let failures = read(notes, &[], &["me@here.example".to_owned()]);
        failures
            .into_iter()
            .map(|failure| (failure.recipient.unwrap_or_default(), failure.status))
            .collect()
    }

    fn pair(recipient: &str, status: &str) -> (String, Option<String>) {
        (recipient.to_owned(), Some(status.to_owned()))
    }

    #[test]
    fn qmail_names_each() {
        let notes = "Hi. This is the qmail-send program at mx.example.\nI'm afraid I wasn't able to deliver your message to the following addresses.\n\n<a@b.example>:\n192.0.2.5 failed after I sent the message.\nRemote host said: 550 5.1.1 no such user\n\n<c@d.example>:\nRemote host said: 552 5.2.2 full\n";
        assert_eq!(found(notes), [pair("a@b.example", "5.1.1"), pair("c@d.example", "5.2.2")]);
    }

    #[test]
    fn exim_indents() {
        let notes = "A message that you sent could not be delivered:\n\n  a@b.example\n    host mx.b.example [192.0.2.5]: 550 5.7.1 blocked\n";
        assert_eq!(found(notes), [pair("a@b.example", "5.7.1")]);
    }

    #[test]
    fn exim_names_the_sender_and_the_alias_too() {
        let notes = "A message sent by\n\n  <me@here.example>\n\ncould not be delivered to one or more of its recipients. The following\naddress(es) failed:\n\n  a@b.example\n    (ultimately generated from c@d.example)\n    all hosts have been failing for a long time\n";
        let failures = read(notes, &[], &["me@here.example".to_owned()]);
        assert_eq!(failures.len(), 1);
        assert_eq!(failures[0].recipient.as_deref(), Some("a@b.example"));
        let reason = failures[0].reason.as_deref();
        assert_eq!(reason, Some("all hosts have been failing for a long time"));
    }

    #[test]
    fn sendmail_answers_first() {
        assert_eq!(
            found("550 5.1.1 <a@b.example>... User unknown"),
            [pair("a@b.example", "5.1.1")]
        );
    }

    #[test]
    fn a_recipient_may_stand_last() {
        assert_eq!(
            found("Unable to deliver message to: <a@b.example>\n550 5.1.1 No\n"),
            [pair("a@b.example", "5.1.1")]
        );
        assert_eq!(found("A message from: a@b.example\n5.4.6 too many hops"), [pair("", "5.4.6")]);
    }

    #[test]
    fn labels_of_many_languages() {
        for notes in [
            "Recipient: [SMTP:a@b.example]\nReason: 5.1.1 no",
            "宛先：a@b.example\n理由: 5.1.1",
            "收件人： a@b.example\n5.1.1",
            "Получатель: <a@b.example>\n5.1.1",
            "「a@b.example」宛てのメール 5.1.1",
            "Destinataire : a@b.example\n5.1.1",
        ] {
            assert_eq!(found(notes), [pair("a@b.example", "5.1.1")], "{notes}");
        }
    }

    #[test]
    fn a_greeting_names_who_is_told() {
        let notes = "me@here.example您好，\n您寄給 a@b.example 的郵件無法送達 5.1.1";
        assert_eq!(found(notes), [pair("a@b.example", "5.1.1")]);
        let both = "me@here.example 様\n\na@b.example 宛のメールは届きません 5.1.1";
        assert_eq!(found(both), [pair("a@b.example", "5.1.1")]);
        assert_eq!(found("a@b.example님에게 5.1.1"), [pair("a@b.example", "5.1.1")]);
        assert_eq!(found("<me@here.example>: 5.1.1"), [pair("me@here.example", "5.1.1")]);
    }

    #[test]
    fn programs_and_pages_are_no_recipients() {
        for notes in [
            "\"|/usr/bin/deliver a@b.example\"\n5.3.0",
            "/var/mail/a@b.example\n5.3.0",
            "https://b.example/?who=a@b.example\n5.3.0",
        ] {
            assert!(
                found(notes).iter().all(|(recipient, _)| recipient != "/var/mail/a@b.example"
                    && !recipient.contains(['|', '?'])),
                "{notes}"
            );
        }
    }

    #[test]
    fn json_within_json() {
        let notes = r#"{"Message":"{\"notificationType\":\"Bounce\",\"bouncedRecipients\":[{\"emailAddress\":\"a@b.example\",\"status\":\"5.1.1\"}]}"}"#;
        assert_eq!(found(notes), [pair("a@b.example", "5.1.1")]);
    }

    #[test]
    fn no_recipient() {
        assert_eq!(found("It failed: 554 5.4.6 too many hops"), [pair("", "5.4.6")]);
    }
}
