//! The line of the log for each recipient of a message: what became of it, as fields
//! `name=value` that programs can take apart. A value with blanks or quotes is quoted, so
//! that no address can look like another field, and a long one is cut, so that none hides
//! the others.

use std::fmt;
use std::time::Duration;

use super::reply::LmtpReply;
use super::session::{Addressee, Envelope};
use crate::outcome::Outcome;

/// The longest value, characters: a whole address (RFC 5321 §4.5.3.1).
const LONGEST: usize = 320;
/// How many folders are named.
const MOST_FOLDERS: usize = 20;

/// What became of a message for one recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryVerdict {
    /// Stored.
    Delivered,
    /// Dropped by a rule.
    Discarded,
    /// To be tried again.
    Deferred,
    /// Refused by a rule, or too large.
    Refused,
    /// Found stored: its worker had died, or the client was gone before it was answered.
    Recovered,
}

impl DeliveryVerdict {
    fn of(outcome: &Outcome) -> DeliveryVerdict {
        match outcome {
            Outcome::Delivered => DeliveryVerdict::Delivered,
            Outcome::Discarded => DeliveryVerdict::Discarded,
            Outcome::Deferred { .. } => DeliveryVerdict::Deferred,
            Outcome::Refused { .. } => DeliveryVerdict::Refused,
        }
    }

    /// As the log writes it.
    pub fn word(self) -> &'static str {
        match self {
            DeliveryVerdict::Delivered => "delivered",
            DeliveryVerdict::Discarded => "discarded",
            DeliveryVerdict::Deferred => "deferred",
            DeliveryVerdict::Refused => "refused",
            DeliveryVerdict::Recovered => "recovered",
        }
    }
}

/// What became of a message, with the client's answer and what is logged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryResult {
    /// The answer to the client.
    pub reply: LmtpReply,
    /// What became of it.
    pub verdict: DeliveryVerdict,
    /// The folders that have the message now, as people name them.
    pub folders: Vec<String>,
}

impl DeliveryResult {
    /// The result of what a worker has done.
    pub fn of(outcome: &Outcome, folders: Vec<String>) -> DeliveryResult {
        DeliveryResult {
            reply: LmtpReply::of(outcome),
            verdict: DeliveryVerdict::of(outcome),
            folders,
        }
    }

    /// To be tried again, and why.
    pub fn later(why: &str) -> DeliveryResult {
        DeliveryResult::of(&Outcome::deferred(why), Vec::new())
    }

    /// Not taken from the client at all: it was too large, or there was no room for it.
    pub fn not_taken(reply: LmtpReply) -> DeliveryResult {
        let verdict = match reply.code {
            500.. => DeliveryVerdict::Refused,
            _ => DeliveryVerdict::Deferred,
        };
        DeliveryResult { reply, verdict, folders: Vec::new() }
    }

    /// Found stored: its worker had died, or the client was gone before it was answered.
    pub fn recovered() -> DeliveryResult {
        let verdict = DeliveryVerdict::Recovered;
        DeliveryResult { verdict, ..DeliveryResult::of(&Outcome::Delivered, Vec::new()) }
    }
}

/// What is known about a message and one of its recipients at the end.
pub struct RecipientRecord<'a> {
    /// Sender and transaction.
    pub envelope: &'a Envelope,
    /// Who gets it; none if no recipient was named yet.
    pub to: Option<&'a Addressee>,
    /// What became of it.
    pub result: &'a DeliveryResult,
    /// Bytes.
    pub size: u64,
    /// From the end of the message to now.
    pub time: Duration,
}

impl fmt::Display for RecipientRecord<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let RecipientRecord { envelope, to, result, size, time } = self;
        let reply = &result.reply;
        write!(f, "transaction={} from={}", envelope.transaction, LoggedValue(&envelope.sender))?;
        if let Some(to) = to {
            let user = LoggedValue(&to.account.name);
            write!(f, " to={} user={user}", LoggedValue(&to.recipient))?;
        }
        write!(f, " verdict={}", result.verdict.word())?;
        for folder in result.folders.iter().take(MOST_FOLDERS) {
            write!(f, " folder={}", LoggedValue(folder))?;
        }
        write!(f, " size={size} ms={:.1}", time.as_secs_f64() * 1000.0)?;
        write!(f, " reply={}", LoggedValue(&format!("{} {}", reply.code, reply.text)))
    }
}

/// A value, quoted where necessary; of a long one only the beginning.
pub struct LoggedValue<'a>(pub &'a str);

impl fmt::Display for LoggedValue<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_plain = |c: char| !c.is_whitespace() && !c.is_control() && !"\"\\=".contains(c);
        let end = self.0.char_indices().nth(LONGEST).map(|(end, _)| end);
        let kept = end.and_then(|end| self.0.get(..end)).unwrap_or(self.0);
        let rest = if end.is_some() { "…" } else { "" };
        if !kept.is_empty() && kept.chars().all(is_plain) {
            return write!(f, "{kept}{rest}");
        }
        f.write_str("\"")?;
        for c in kept.chars() {
            if matches!(c, '"' | '\\') {
                f.write_str("\\")?;
            }
            write!(f, "{c}")?;
        }
        write!(f, "{rest}\"")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lmtp::accounts::Account;

    #[test]
    fn no_value_can_look_like_another_field() {
        let envelope = Envelope {
            sender: "\"a\" verdict=refused\"@b.example".into(),
            utf8: false,
            transaction: "5f01".into(),
        };
        let account = Account { name: "taro".into(), home: "/".into(), uid: 1, gid: 1 };
        let (recipient, mailbox) = ("taro+x@a.example".into(), "taro@a.example".into());
        let to = Addressee { recipient, mailbox, original: None, detail: None, account };
        let result = DeliveryResult {
            reply: LmtpReply::new(250, "2.1.5 Delivered"),
            verdict: DeliveryVerdict::Delivered,
            folders: vec!["A b".into(), "INBOX".into()],
        };
        let time = Duration::from_micros(1234);
        let record =
            RecipientRecord { envelope: &envelope, to: Some(&to), result: &result, size: 7, time };
        assert_eq!(
            record.to_string(),
            "transaction=5f01 from=\"\\\"a\\\" verdict=refused\\\"@b.example\" to=taro+x@a.example \
             user=taro verdict=delivered folder=\"A b\" folder=INBOX size=7 ms=1.2 \
             reply=\"250 2.1.5 Delivered\""
        );
        let long = "x".repeat(1000);
        let result = DeliveryResult { folders: vec![long.clone(); 30], ..result };
        let envelope = Envelope { sender: format!("{long} y"), ..envelope };
        let text =
            RecipientRecord { envelope: &envelope, to: Some(&to), result: &result, size: 7, time };
        let text = text.to_string();
        assert!(text.len() < 22 * 350 && text.contains("x… to=taro+x@a.example "), "{text}");
        assert!(text.ends_with("x… size=7 ms=1.2 reply=\"250 2.1.5 Delivered\""), "{text}");
        let null = Envelope { sender: String::new(), ..envelope };
        let record =
            RecipientRecord { envelope: &null, to: Some(&to), result: &result, size: 7, time };
        assert!(record.to_string().starts_with("transaction=5f01 from=\"\" to="));
    }
}
