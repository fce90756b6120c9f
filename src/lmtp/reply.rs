//! The answer to a client: a code of RFC 5321, a status of RFC 3463, and a reason.

use std::borrow::Cow;

use crate::outcome::Outcome;

/// One answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LmtpReply {
    /// RFC 5321 §4.2.
    pub code: u16,
    /// A status of RFC 3463, followed by its text; empty where the code has none.
    pub text: Cow<'static, str>,
}

impl LmtpReply {
    /// An answer that says the same each time.
    pub const fn new(code: u16, text: &'static str) -> LmtpReply {
        LmtpReply { code, text: Cow::Borrowed(text) }
    }

    /// Try again later: status 4.3.0, or the one that `why` begins with.
    #[cfg(test)]
    pub fn later(why: &str) -> LmtpReply {
        LmtpReply::of(&Outcome::deferred(why))
    }

    /// The answer for the outcome of a delivery.
    pub fn of(outcome: &Outcome) -> LmtpReply {
        let line = outcome.line();
        let (code, text) = match (outcome, line) {
            (Outcome::Delivered, _) => return LmtpReply::new(250, "2.1.5 Delivered"),
            (Outcome::Discarded, _) => return LmtpReply::new(250, "2.1.5 Discarded by a rule"),
            // RFC 5321 §4.2.3: the codes for what is full.
            (Outcome::Deferred { .. }, Some(line))
                if line.starts_with("4.2.2 ") || line.starts_with("4.3.1 ") =>
            {
                (452, line)
            }
            (Outcome::Deferred { .. }, line) => (451, line.unwrap_or_default()),
            (Outcome::Refused { .. }, Some(line)) if line.starts_with("5.2.2 ") => (552, line),
            (Outcome::Refused { .. }, line) => (550, line.unwrap_or_default()),
        };
        LmtpReply { code, text: text.into() }
    }

    /// The line of RFC 5321 §4.2.1. It has characters beyond ASCII only if the client
    /// said SMTPUTF8 (RFC 6531 §3.7.4).
    pub fn line(&self, utf8: bool) -> String {
        let mut line = format!("{} {}", self.code, self.text);
        if !utf8 && !line.is_ascii() {
            line = line.chars().map(|c| if c.is_ascii() { c } else { '?' }).collect();
        }
        debug_assert!(!line.contains(char::is_control), "{line}");
        line.push_str("\r\n");
        line
    }

    /// Whether the text begins with a status as RFC 3463 defines it, of the class of the
    /// code.
    #[cfg(test)]
    pub fn has_status(&self) -> bool {
        let class = char::from_digit(u32::from(self.code / 100), 10).unwrap_or('0');
        let status = self.text.split(' ').next().unwrap_or_default();
        crate::outcome::is_status(status, class)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcomes_are_answers() {
        let refused = |status: &str, text: &str| Outcome::Refused {
            status: status.into(),
            text: text.into(),
        };
        let deferred = |status: &str| Outcome::Deferred { status: status.into(), text: "x".into() };
        for (outcome, wanted) in [
            (Outcome::Delivered, "250 2.1.5 Delivered\r\n"),
            (Outcome::Discarded, "250 2.1.5 Discarded by a rule\r\n"),
            (deferred("4.3.0"), "451 4.3.0 x\r\n"),
            (deferred("4.2.2"), "452 4.2.2 x\r\n"),
            (deferred("4.3.1"), "452 4.3.1 x\r\n"),
            (deferred("bad"), "451 4.3.0 x\r\n"),
            (refused("5.7.1", "no\r\n250 ok"), "550 5.7.1 no 250 ok\r\n"),
            (refused("5.2.2", "full"), "552 5.2.2 full\r\n"),
            (refused("5.7.1", "不要"), "550 5.7.1 ??\r\n"),
        ] {
            let reply = LmtpReply::of(&outcome);
            assert!(reply.has_status(), "{reply:?}");
            assert_eq!(reply.line(false), wanted);
        }
        assert_eq!(LmtpReply::of(&refused("5.7.1", "不要")).line(true), "550 5.7.1 不要\r\n");
        let long = LmtpReply::of(&refused("5.7.1", &"x".repeat(1000))).line(false);
        assert!(long.len() <= 512, "{}", long.len());
    }
}
