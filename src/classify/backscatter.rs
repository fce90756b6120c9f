//! `backscatter`: a bounce for mail that the user did not send.
//!
//! Spam with a forged sender is bounced to that sender. The returned header
//! decides (RFC 3464 §2, RFC 6522 §3): a bounce of the user's own mail returns
//! one of the user's addresses in From, Sender or Reply-To, or refers to a
//! Message-ID of theirs. Its Return-Path is where the bounce went, so it names
//! the user in either case. If nothing is returned, it cannot be decided.

use super::{Classifier, Finding, Mail, bounce};
use crate::message::Message;
use crate::message::address;

/// A bounce for mail that the user did not send.
pub const BACKSCATTER: Classifier =
    Classifier { name: "backscatter", absent: "not a bounce, or it returns your own mail", find };

fn find(mail: &Mail<'_>) -> Finding {
    let me = mail.require_me()?;
    let Some(report) = bounce::report(mail)? else { return Ok(None) };
    let returned = Message::from_bytes(report.returned.trim_start().as_bytes().to_vec());
    let senders = ["from", "sender", "reply-to", "resent-from"];
    let mine = |name: &str| returned.addresses(name).iter().any(me);
    if senders.iter().any(|name| mine(name)) {
        return Ok(None);
    }
    // A Message-ID of `me`: its right-hand side is one of the user's domains.
    let head = mail.message.head();
    let referred = head.values("in-reply-to").chain(head.values("references"));
    for ids in returned.head().values("message-id").chain(referred) {
        let ids = String::from_utf8_lossy(ids).into_owned();
        let is_mine = |id: &str| address::parse_list(id.as_bytes()).iter().any(me);
        if ids.split(['<', '>', ' ', '\t', '\r', '\n']).filter(|id| id.contains('@')).any(is_mine) {
            return Ok(None);
        }
    }
    if returned.head().headers().next().is_none() {
        return Err("the bounce returns no header to judge by".to_owned());
    }
    Ok(Some(match returned.addresses("from").first() {
        Some(from) => format!("the mail that came back is from {}", from.address()),
        None => "the header that came back names none of your addresses as its sender".to_owned(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::classify::testing::{evidence, finds, mail, message};

    fn bounce(returned: &str) -> Message {
        message(&format!(
            "From: MAILER-DAEMON@mx.example\nSubject: failure notice\n\nThis is the qmail-send program.\n\n<a@b.example>:\nno such user\n\n--- Below this line is a copy of the message.\n\n{returned}"
        ))
    }

    #[test]
    fn mail_that_came_back_is_recognized() {
        let forged =
            bounce("Return-Path: <taro@example.jp>\nFrom: spam@far.example\nSubject: x\n\nx\n");
        let shown = evidence(&BACKSCATTER, &forged);
        assert_eq!(shown.as_deref(), Some("the mail that came back is from spam@far.example"));
        assert!(!finds(&BACKSCATTER, &bounce("From: Taro <taro@example.jp>\nSubject: x\n\nx\n")));
        assert!((BACKSCATTER.find)(&mail(&bounce(""))).is_err());
    }

    #[test]
    fn only_bounces_and_only_with_me() {
        assert!(!finds(&BACKSCATTER, &message("From: a@b.example\n\nhello\n")));
        let bounce = bounce("From: a@b.example\n\n");
        let mut mail = mail(&bounce);
        mail.me = None;
        assert!((BACKSCATTER.find)(&mail).is_err());
    }
}
