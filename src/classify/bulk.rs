//! `bulk`: newsletters and mass mail.
//!
//! Signs are Precedence (RFC 2076 §3.9, RFC 3834 §3.1.8 on its use),
//! List-Unsubscribe (RFC 2369 §3.2, RFC 8058), and the headers by which senders
//! of mass mail accept complaints; otherwise a sender such as `news@` together
//! with an envelope sender such as `bounce-123@`.

use super::input::folded;
use super::words::lists;
use super::{Classifier, Mail, link};
use crate::ascii_case;
use crate::message::Message;

/// Mass mail.
pub const BULK: Classifier = Classifier {
    name: "bulk",
    absent: "no `Precedence: bulk`, no header of mass mail",
    find: |mail| Ok(find(mail)),
};

fn find(mail: &Mail<'_>) -> Option<String> {
    let precedence = folded(mail.message, "precedence");
    if matches!(precedence.as_str(), "bulk" | "junk") {
        return Some(format!("Precedence: {precedence}"));
    }
    let head = mail.message.head();
    let there = |name: &&&str| head.first(name).is_some_and(|value| !value.trim_ascii().is_empty());
    let mark = lists::HEADERS_OF_MASS_MAIL.iter().find(there);
    mark.map(|mark| format!("it has {mark}")).or_else(|| newsletter(mail))
}

/// From `news@…`, with an envelope sender that a machine made for each recipient.
fn newsletter(mail: &Mail<'_>) -> Option<String> {
    let from = mail.message.addresses("from");
    let from = from.first()?;
    if !lists::NEWSLETTER_SENDERS.contains(&from.local.to_lowercase().as_str()) {
        return None;
    }
    let path = mail.message.addresses("return-path").first().map(|path| path.local.clone());
    let sender = mail.envelope_sender.as_deref().and_then(|sender| sender.rsplit_once('@'));
    let sender = sender.map(|(local, _)| local.to_owned()).or(path)?.to_lowercase();
    let word = ["bounce", "bounces", "return", "returns", "err", "error", "errors", "verp"];
    let (start, rest) = sender.split_at(sender.find(['-', '+', '=', '_', '.'])?);
    (word.contains(&start) && rest.bytes().any(|byte| byte.is_ascii_digit() || byte == b'='))
        .then(|| format!("From is {}, and the envelope sender is {sender}@…", from.address()))
}

/// `list-unsubscribe.host`: where to unsubscribe (RFC 2369 §3.2), as the host of
/// a page or the domain of an address.
pub fn unsubscribe_hosts(message: &Message) -> Vec<String> {
    let texts = message.texts("list-unsubscribe");
    let links = texts.iter().flat_map(|text| links(text.text()));
    let host = |link: String| match ascii_case::strip_prefix(&link, "mailto:") {
        Some(address) => {
            let (_, domain) = address.split(['?', ',']).next()?.rsplit_once('@')?;
            Some(domain.to_lowercase())
        }
        None => link::parse(&link)?.host,
    };
    let mut hosts: Vec<String> = Vec::new();
    for host in links.filter_map(host) {
        if !hosts.contains(&host) {
            hosts.push(host);
        }
    }
    hosts
}

/// What angle brackets contain, without white space (RFC 2369 §2), and what is
/// written without them.
fn links(text: &str) -> Vec<String> {
    let mut links = Vec::new();
    for (at, piece) in text.split('<').enumerate() {
        let (bracketed, bare) = match piece.split_once('>').filter(|_| at > 0) {
            Some((bracketed, bare)) => (bracketed, bare),
            None => ("", piece),
        };
        links.push(bracketed.split_whitespace().collect());
        links.extend(bare.split(['>', ',', ' ']).map(str::to_owned));
    }
    links
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::classify::testing::{evidence, finds, message};

    #[test]
    fn where_one_may_leave() {
        let both = message(
            "List-Unsubscribe: <https://U.shop.example/x?id=1,2>,\n <mailto:u@mail.example?subject=leave>\n\n",
        );
        assert_eq!(unsubscribe_hosts(&both), ["u.shop.example", "mail.example"]);
        let folded = message(
            "List-Unsubscribe: <https://\n u.shop.example/x>, https://v.shop.example, <https://w.shop.example/, x\n\n",
        );
        let hosts = ["u.shop.example", "v.shop.example", "w.shop.example"];
        assert_eq!(unsubscribe_hosts(&folded), hosts);
        assert!(unsubscribe_hosts(&message("List-Unsubscribe: NO\n\n")).is_empty());
    }

    #[test]
    fn marks_of_mass_mail() {
        let newsletter =
            message("From: news@shop.example\nList-Unsubscribe: <https://shop.example/u>\n\n");
        assert_eq!(evidence(&BULK, &newsletter).as_deref(), Some("it has List-Unsubscribe"));
        assert!(finds(&BULK, &message("Precedence: Bulk\n\n")));
        for (from, path, bulk) in [
            ("news@shop.example", "bounce-123@mail.example", true),
            ("news@shop.example", "news@shop.example", false),
            ("hanako@shop.example", "bounce-123@mail.example", false),
        ] {
            let text = format!("Return-Path: <{path}>\nFrom: {from}\n\n");
            assert_eq!(finds(&BULK, &message(&text)), bulk, "{text}");
        }
        assert!(!finds(&BULK, &message("Feedback-ID: 1:2:3:shop\n\n")), "a receipt has it");
        assert!(!finds(&BULK, &message("Precedence: list\nFrom: a@b.example\n\n")));
        assert!(!finds(&BULK, &message("List-Unsubscribe: \nSubject: bulk\n\n")));
    }
}
