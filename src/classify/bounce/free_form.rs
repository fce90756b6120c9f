//! Recipients, status and reason from a report in words.
//!
//! MTAs name a recipient at the start of a line and say below, or behind it,
//! why it was not reached: qmail (`<user@host>:`), Postfix (`<user@host>: …`),
//! Exim (`  user@host`), sendmail (`550 <user@host>... User unknown`) and most
//! others are read so.

use std::collections::HashMap;

use super::{Failure, status};

/// More recipients than this are not looked for.
const RECIPIENTS_LIMIT: usize = 1000;

/// Of what is said about one recipient so many characters are the reason.
const REASON_LIMIT: usize = 300;

/// What the words say; `named` are those whom the header names.
pub fn read(notes: &str, named: &[String]) -> Vec<Failure> {
    let mut failures: Vec<Failure> = Vec::new();
    let notified = notified(notes);
    let named = if notified.is_empty() { named } else { &notified };
    let (before, mut segments) = split(notes, recipient);
    if segments.is_empty() {
        segments = split(notes, last_recipient).1;
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
        let text = Segment { recipient: None, text: before };
        let whole = text.failure();
        failures.extend(
            named.iter().map(|name| Failure { recipient: Some(name.clone()), ..whole.clone() }),
        );
        if failures.is_empty() {
            failures.push(whole);
        }
    } else if failures.iter().all(|failure| failure.status.is_none()) {
        let status = status::in_text(notes);
        let whole = Segment { recipient: None, text: before };
        if has_reply(&whole.text) {
            let reason = whole.failure().reason;
            let without =
                |failure: &&mut Failure| !failure.reason.as_deref().is_some_and(has_reply);
            failures.iter_mut().filter(without).for_each(|each| each.reason.clone_from(&reason));
        }
        failures.iter_mut().for_each(|failure| failure.status.clone_from(&status));
    }
    failures
}

/// Recipients of a notification in JSON (Amazon SES), which may itself be
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

/// Adds what the words say of recipients whose fields give no reason.
pub fn complete(failures: &mut [Failure], notes: &str) {
    if failures.iter().all(|failure| failure.reason.is_some()) {
        return;
    }
    let (_, segments) = split(notes, recipient);
    let said: HashMap<String, Failure> = segments
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
const MARKS: &[char] = &[' ', '\t', '>', ')', ':', ';', ',', '.', '<', '-'];

struct Segment {
    recipient: Option<String>,
    text: String,
}

impl Segment {
    fn failure(self) -> Failure {
        let status = status::in_text(&self.text);
        let lines = || {
            self.text
                .lines()
                .map(|line| line.trim_start_matches(MARKS).trim_end())
                .filter(|line| line.chars().any(char::is_alphanumeric))
                .filter(|line| !is_about_address(line))
        };
        let reason = lines().find(|line| has_reply(line)).or_else(|| lines().next());
        let reason = reason.map(|line| line.chars().take(REASON_LIMIT).collect());
        Failure { recipient: self.recipient, status, reason, action: String::new() }
    }
}

/// Exim's note on an alias: `(ultimately generated from user@host)`.
fn is_about_address(line: &str) -> bool {
    ["(ultimately generated from", "(generated from", "generated from"]
        .iter()
        .any(|start| line.starts_with(start))
}

/// The next line names who sent the mail.
fn announces_sender(line: &str) -> bool {
    let line = line.trim_end().to_lowercase();
    ["sent by", "from", "sender", "from:", "sender:"].iter().any(|end| {
        let before = line.strip_suffix(end);
        before.is_some_and(|before| !before.ends_with(char::is_alphanumeric))
    })
}

/// The text before the first recipient, and what is said of each.
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

/// The address at the end of a line, behind a colon, and the line.
fn last_recipient(line: &str) -> Option<(String, &str)> {
    let (label, address) = line.trim_end().rsplit_once(':')?;
    let word = label.split_whitespace().next_back().unwrap_or_default().to_lowercase();
    if matches!(word.as_str(), "from" | "sender" | "by" | "reply-to" | "mailto") {
        return None;
    }
    let (address, _) =
        recipient(address).filter(|(_, rest)| rest.trim_matches(MARKS).is_empty())?;
    Some((address, line))
}

/// The address at the start of a line, and the line's rest.
fn recipient(line: &str) -> Option<(String, &str)> {
    let text = line.trim_start_matches([' ', '\t', '*', '-', '"', '\'']);
    let answer = text;
    let text = strip_reply(text);
    let answered = text.len() < answer.len();
    let text = LABELS.iter().find_map(|label| strip_label(text, label)).unwrap_or(text);
    let text = text.trim_start_matches([' ', '\t', '<', '"', '\'', '[', '(']);
    let text = text.strip_prefix("mailto:").or_else(|| text.strip_prefix("smtp:")).unwrap_or(text);
    let end =
        text.find(|c: char| c.is_whitespace() || "<>()[]:;,\"'".contains(c)).unwrap_or(text.len());
    let address = text.get(..end)?.trim_end_matches('.');
    let (local, domain) = address.rsplit_once('@')?;
    let plausible = !local.is_empty()
        && address.len() <= 320
        && domain.chars().all(|c| c.is_alphanumeric() || matches!(c, '.' | '-'))
        && domain.chars().any(char::is_alphanumeric);
    let rest = text.get(address.len()..).unwrap_or_default();
    plausible.then(|| (address.to_owned(), if answered { answer } else { rest }))
}

const LABELS: &[&str] = &[
    "to:",
    "recipient:",
    "recipient address:",
    "failed recipient:",
    "original recipient:",
    "user:",
    "unknown user:",
    "unknown user",
    "user not known",
    "could not deliver mail to this user.",
];

fn strip_label<'a>(text: &'a str, label: &str) -> Option<&'a str> {
    let (start, rest) = text.split_at_checked(label.len())?;
    start.eq_ignore_ascii_case(label).then_some(rest)
}

/// `550 5.1.1 <user@host>... why`: the reply is part of the reason, but the
/// recipient stands first for our purpose.
fn strip_reply(text: &str) -> &str {
    let rest =
        text.trim_start_matches(|c: char| c.is_ascii_digit() || matches!(c, '.' | ' ' | '-' | '#'));
    match rest.starts_with('<') && has_reply(text) {
        true => rest,
        false => text,
    }
}

/// A word of three digits such as replies begin with.
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
        let failures = read(notes, &[]);
        failures.into_iter().map(|each| (each.recipient.unwrap_or_default(), each.status)).collect()
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
        let failures = read(notes, &[]);
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
    fn json_within_json() {
        let notes = r#"{"Message":"{\"notificationType\":\"Bounce\",\"bouncedRecipients\":[{\"emailAddress\":\"a@b.example\",\"status\":\"5.1.1\"}]}"}"#;
        assert_eq!(found(notes), [pair("a@b.example", "5.1.1")]);
    }

    #[test]
    fn no_recipient() {
        assert_eq!(found("It failed: 554 5.4.6 too many hops"), [pair("", "5.4.6")]);
    }
}
