//! The fields of a delivery status notification (RFC 3464 §2, RFC 6533 §3),
//! in their own part or in running text.

use super::{RecipientFailure, status};
use crate::message::address::{Address, parse_list};

/// The recipients that the fields report.
pub fn read(text: &str) -> Vec<RecipientFailure> {
    let mut failures = Vec::new();
    let mut current = Group::default();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let line = line.trim_end();
        if line.is_empty() {
            current.finish(&mut failures);
            continue;
        }
        let Some((name, value)) = line.split_once(':') else { continue };
        let mut value = value.trim().to_owned();
        let name = name.to_ascii_lowercase();
        if !FIELDS.contains(&name.as_str()) {
            continue;
        }
        // A folded line; some MTAs forget the blank before a Diagnostic-Code's lines.
        while let Some(next) = lines.peek()
            && next.starts_with([' ', '\t'])
            && value.len() < 4096
        {
            if !value.is_empty() {
                value.push(' ');
            }
            value.push_str(next.trim());
            lines.next();
        }
        if current.starts_anew(&name) {
            current.finish(&mut failures);
        }
        current.take(&name, value);
    }
    current.finish(&mut failures);
    failures
}

const FIELDS: &[&str] = &[
    "original-recipient",
    "final-recipient",
    "x-actual-recipient",
    "action",
    "status",
    "diagnostic-code",
    "x-supplementary-info",
    "x-display-name",
];

#[derive(Default)]
struct Group {
    original: Option<String>,
    last: Option<String>,
    action: Option<String>,
    status: Option<String>,
    diagnostic: Option<String>,
}

impl Group {
    /// Whether the field begins the next recipient although no empty line came before it.
    fn starts_anew(&self, field: &str) -> bool {
        match field {
            "original-recipient" => {
                self.original.is_some() || self.action.is_some() && self.status.is_some()
            }
            "final-recipient" => self.last.is_some(),
            "action" => self.action.is_some(),
            _ => false,
        }
    }

    fn take(&mut self, field: &str, value: String) {
        match field {
            "original-recipient" => self.original = Some(value),
            "final-recipient" => self.last = Some(value),
            "action" => self.action = Some(value),
            "status" => self.status = Some(value),
            "diagnostic-code" => {
                self.diagnostic.get_or_insert(value);
            }
            _ => {}
        }
    }

    fn finish(&mut self, failures: &mut Vec<RecipientFailure>) {
        let group = std::mem::take(self);
        let recipient = group.last.as_deref().and_then(address);
        let recipient = recipient.or_else(|| group.original.as_deref().and_then(address));
        let action = group.action.unwrap_or_default().to_ascii_lowercase();
        let action = action.split([' ', '(', ';']).next().unwrap_or_default().to_owned();
        let status = group.status.as_deref().and_then(status::in_field);
        if recipient.is_none() && action.is_empty() {
            return;
        }
        failures.push(RecipientFailure {
            recipient,
            status,
            reason: group.diagnostic.as_deref().map(reason),
            action,
        });
    }
}

/// `rfc822; user@host (comment)` (RFC 3464 §2.1.1, §2.1.2) without the type, the comment
/// and the quotes of a local part.
fn address(value: &str) -> Option<String> {
    let address = value.split_once(';').map_or(value, |(_, address)| address);
    let address = address.split_once(" (").map_or(address, |(address, _)| address);
    let address = address.trim().trim_start_matches('<').trim_end_matches('>').trim();
    if address.starts_with('"') {
        let parsed = parse_list(address.as_bytes());
        return parsed.first().map(Address::address).filter(|address| !address.is_empty());
    }
    (!address.is_empty()).then(|| address.to_owned())
}

/// `smtp; 550 …` (RFC 3464 §2.3.6) without the type.
fn reason(value: &str) -> String {
    match value.split_once(';') {
        Some((kind, text)) if !kind.trim().contains(' ') => text.trim().to_owned(),
        _ => value.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_recipient_is_one() {
        let text = "Reporting-MTA: dns; mx.example\n\nOriginal-Recipient: rfc822;a@b.example\nFinal-Recipient: rfc822; a@b.example (A)\nAction: failed\nStatus: 5.1.1 (bad)\nDiagnostic-Code: smtp; 550 5.1.1\n  User unknown\n\nFinal-Recipient: rfc822; c@d.example\nAction: Delayed\nStatus: 4.4.1\n";
        let failures = read(text);
        assert_eq!(failures.len(), 2);
        assert_eq!(failures[0].recipient.as_deref(), Some("a@b.example"));
        assert_eq!(failures[0].status.as_deref(), Some("5.1.1"));
        assert_eq!(failures[0].reason.as_deref(), Some("550 5.1.1 User unknown"));
        assert_eq!(failures[1].action, "delayed");
    }

    /// RFC 5322 §2.2.3: a field may be folded before its first word.
    #[test]
    fn a_value_may_begin_on_the_next_line() {
        let text =
            "Final-Recipient:\n rfc822; a@b.example\nAction:\n delivered\nStatus:\n\t2.0.0\n";
        let [found] = &read(text)[..] else { panic!("{:?}", read(text)) };
        assert_eq!(found.recipient.as_deref(), Some("a@b.example"));
        assert_eq!((found.action.as_str(), found.status.as_deref()), ("delivered", Some("2.0.0")));
    }

    #[test]
    fn without_empty_lines() {
        let text = "Final-Recipient: rfc822;a@b.example\nAction: failed\nStatus: 5.1.1\nFinal-Recipient: rfc822;c@d.example\nAction: delivered\nStatus: 2.0.0";
        let failures = read(text);
        assert_eq!(
            failures.iter().map(RecipientFailure::is_bad).collect::<Vec<_>>(),
            [true, false]
        );
    }

    #[test]
    fn in_any_order() {
        let text = "Action: failed\nFinal-Recipient: rfc822; a@b.example\nOriginal-Recipient: rfc822; a@b.example\nDiagnostic-Code: smtp; 550 5.1.1 No\nStatus: 5.1.1\n";
        let failures = read(text);
        assert_eq!(failures.len(), 1);
        assert_eq!(failures[0].status.as_deref(), Some("5.1.1"));
    }

    #[test]
    fn other_text_has_none() {
        assert!(read("Hello,\nnote: this is fine\nStatus: 5.1.1\n").is_empty());
    }
}
