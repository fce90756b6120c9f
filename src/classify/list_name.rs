//! `list-name`: the list's short name, usable as a folder name.
//!
//! The first label of the List-Id (RFC 2919 §2), the local part that List-Post
//! names (RFC 2369 §3.4), or what the list manager wrote elsewhere.

use super::list_address::{before_suffix, command_of, list_id, without_number};
use super::{Mail, daemon, list_copy};
use crate::ascii_case::strip_prefix;
use crate::message::Message;
use crate::message::address::Address;

/// The list's short name, if it can be determined.
pub fn list_name(mail: &Mail<'_>) -> Option<String> {
    let message = mail.message;
    given(message)
        .or_else(|| by_id(message))
        .or_else(|| by_software(message))
        .or_else(|| by_post(message))
        .or_else(|| by_posting_address(message))
        .or_else(|| by_commands(message))
        .or_else(|| by_received(message))
        .or_else(|| by_sender(mail).map(|(_, name)| name))
        .or_else(|| by_subject(message))
        .or_else(|| list_copy::name(mail))
        .filter(|name| !name.is_empty())
}

/// Headers that hold a name.
fn given(message: &Message) -> Option<String> {
    ["x-ml-name", "x-listname", "x-list-name", "x-mailing-list-name"].iter().find_map(|header| {
        let texts = message.texts(header);
        let name = texts.first()?.text();
        (!name.is_empty()).then(|| local(name).to_owned())
    })
}

fn by_id(message: &Message) -> Option<String> {
    let id = list_id(message)?;
    let label = local(&id).split('.').next().unwrap_or_default().to_owned();
    if !is_number(&label) {
        return Some(label);
    }
    // Services number their lists; the name comes before the number.
    let texts = message.texts("list-id");
    let (phrase, _) = texts.first()?.text().rsplit_once('<')?;
    let phrase = phrase.trim().trim_matches('"').trim();
    (!phrase.is_empty()).then(|| phrase.to_owned())
}

/// Whether a label has no letter, or is long with many digits.
pub(super) fn is_number(label: &str) -> bool {
    let digits = label.chars().filter(char::is_ascii_digit).count();
    !label.contains(char::is_alphabetic) || label.len() >= 16 && digits >= 4
}

/// Managers that send as the list itself.
fn by_software(message: &Message) -> Option<String> {
    let texts = |name: &&str| message.texts(name).first().map(|text| text.folded().to_owned());
    let software = ["x-listserver", "list-software", "x-list-software"].iter().find_map(texts)?;
    if !["communigate", "letterrip", "liststar"].iter().any(|name| software.contains(name)) {
        return None;
    }
    ["sender", "reply-to"]
        .iter()
        .find_map(|header| message.addresses(header).iter().find_map(readable))
}

fn by_post(message: &Message) -> Option<String> {
    mailto(message, "list-post").map(|address| local(&address).to_owned())
}

/// Headers that hold the posting address.
fn by_posting_address(message: &Message) -> Option<String> {
    let texts = message.texts("mailing-list");
    if let Some(text) = texts.first() {
        // `list NAME@host; contact …`, or `contact NAME-help@host; run by ezmlm`
        let mut words = text.text().split([' ', ';', ',']).filter(|word| word.contains('@'));
        let address = local(words.next()?);
        return Some(address.strip_suffix("-help").unwrap_or(address).to_owned());
    }
    let delivered = message.texts("delivered-to");
    let delivered = delivered.iter().find_map(|text| {
        let (start, address) = text.text().split_at_checked("mailing list ".len())?;
        start.eq_ignore_ascii_case("mailing list ").then(|| local(address).to_owned())
    });
    delivered.or_else(|| {
        ["x-mailing-list", "x-beenthere", "x-mailinglist", "x-google-loop"].iter().find_map(
            |header| {
                let texts = message.texts(header);
                let text = texts.first()?.text();
                let start = text.find('<').map_or(0, |at| at + 1);
                let name = local(text.get(start..)?);
                (!name.is_empty()).then(|| name.to_owned())
            },
        )
    })
}

/// The addresses that accept commands: `owner-NAME`, `NAME-unsubscribe`, …
fn by_commands(message: &Message) -> Option<String> {
    ["list-owner", "list-subscribe", "list-unsubscribe", "list-help"].iter().find_map(|header| {
        let address = mailto(message, header)?;
        let local = local(&address);
        command_of(local).map(str::to_owned)
    })
}

/// `owner-NAME@`, `NAME-bounces@`, `NAME-return-12-…@` in Sender, Return-Path or
/// the envelope sender: the header, and the name.
pub(super) fn by_sender(mail: &Mail<'_>) -> Option<(&'static str, String)> {
    if daemon::mail_system(mail).is_some() {
        return None;
    }
    let message = mail.message;
    let of = |local: &str| {
        let name = returned_to(local)?;
        let is_name = !matches!(name, "" | "majordomo" | "mailman" | "sympa") && !is_number(name);
        is_name.then(|| name.to_owned())
    };
    for (header, shown) in [
        ("sender", "Sender"),
        ("return-path", "Return-Path"),
        ("x-envelope-from", "X-Envelope-From"),
    ] {
        let name = message.addresses(header).iter().find_map(|address| of(&address.local));
        if let Some(name) = name {
            return Some((shown, name));
        }
    }
    let envelope = mail.envelope_sender.as_deref().and_then(|sender| of(local(sender)));
    let envelope = envelope.or_else(|| {
        let line = String::from_utf8_lossy(message.from_line()?).into_owned();
        of(local(line.split_whitespace().nth(1)?))
    });
    envelope.map(|name| ("the envelope sender", name))
}

pub(super) fn returned_to(local: &str) -> Option<&str> {
    // ezmlm: `NAME-return-123-user=host`
    if let Some((name, rest)) = local.split_once("-return-")
        && rest.starts_with(|c: char| c.is_ascii_digit())
    {
        return Some(name);
    }
    // Mailman and mlmmj with VERP: `NAME-bounces+user=host`
    for mark in ["-bounces+", "+bounces-", "-errors+"] {
        if let Some((name, _)) = local.split_once(mark) {
            return Some(name);
        }
    }
    let before =
        ["owner-", "bounce-"].iter().find_map(|word| strip_prefix(local, word)).map(without_number);
    let after = ["-owner", "-bounces", "-request", "-errors", "-admin", "-error"];
    before.or_else(|| after.iter().find_map(|word| before_suffix(local, word)))
}

/// Listserv and Ecartis name the list in Received.
fn by_received(message: &Message) -> Option<String> {
    let received = message.texts("received");
    if let Some((_, rest)) = received.iter().find_map(|text| text.text().split_once("ECARTIS (")) {
        let (_, name) = rest.split_once("list ")?;
        return name.split([')', ' ', ';']).next().map(str::to_owned);
    }
    let listserv = received.iter().any(|text| text.text().contains("(LISTSERV"));
    let lyris = message.texts("message-id").first().is_some_and(|id| id.text().starts_with("<LYR"));
    if listserv {
        return message.addresses("sender").first().and_then(readable);
    }
    if lyris {
        return message.addresses("to").first().and_then(readable);
    }
    let to = message.texts("to");
    let (_, name) = to.first()?.text().split_once("ultiple recipients of ")?;
    let name = name.trim_start_matches("list ");
    Some(local(name.split([' ', '<']).next()?).to_owned())
}

/// `[name] …`, `[name:123] …` or `(name 123) …` if To or Cc names `name@…`.
pub(super) fn by_subject(message: &Message) -> Option<String> {
    let texts = message.texts("subject");
    let mut subject = texts.first()?.text();
    while let Some((start, rest)) = subject.split_at_checked(3)
        && start.eq_ignore_ascii_case("re:")
    {
        subject = rest.trim_start();
    }
    let tag = subject.strip_prefix(['[', '('])?.split([']', ')', ':', ' ', ',']).next()?;
    if tag.is_empty() {
        return None;
    }
    ["to", "cc"].iter().find_map(|header| {
        let addresses = message.addresses(header);
        let list = addresses.iter().find(|address| address.local.eq_ignore_ascii_case(tag))?;
        Some(list.local.clone())
    })
}

/// The local part. If that is in capitals and the display name differs only in
/// case and blanks, the display name: `Comedy Company <COMEDYCOMPANY@…>`.
fn readable(address: &Address) -> Option<String> {
    let squeezed = |text: &str| -> String {
        text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
    };
    let shouted = !address.local.contains(char::is_lowercase);
    match &address.name {
        Some(name) if shouted && squeezed(name) == squeezed(&address.local) => Some(name.clone()),
        _ => Some(address.local.clone()).filter(|local| !local.is_empty()),
    }
}

/// The first address that a header of RFC 2369 names as `<mailto:…>`.
fn mailto(message: &Message, header: &str) -> Option<String> {
    message.texts(header).iter().find_map(|text| {
        let text = text.text();
        let at = text.to_ascii_lowercase().find("mailto:")? + "mailto:".len();
        let address = text.get(at..)?.split(['?', '>', ' ', ',']).next()?;
        (!address.is_empty()).then(|| address.to_owned())
    })
}

fn local(address: &str) -> &str {
    let address = address.trim().trim_start_matches('<').trim_end_matches('>');
    address.split('@').next().unwrap_or(address)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::classify::testing::{mail, message};

    #[track_caller]
    fn check(header: &str, name: Option<&str>) {
        let message = message(&format!("From: a@b.example\n{header}\n\n"));
        assert_eq!(list_name(&mail(&message)).as_deref(), name, "{header}");
    }

    #[test]
    fn names() {
        check("List-Id: Rust people <rust.lists.example>", Some("rust"));
        check("List-Id: Shop news <123456.news.shop.example>", Some("Shop news"));
        check("List-Post: <mailto:rust@lists.example>", Some("rust"));
        check(
            "Mailing-List: list rust@groups.example; contact rust-owner@groups.example",
            Some("rust"),
        );
        check("Mailing-List: contact rust-help@lists.example; run by ezmlm", Some("rust"));
        check("X-ML-Name: Rust-JP", Some("Rust-JP"));
        check("X-Mailing-List: <rust@lists.example> archive/latest/1", Some("rust"));
        check(
            "List-Unsubscribe: <mailto:leave-rust-people-846W@lists.example>",
            Some("rust-people"),
        );
        check("Sender: owner-rust@lists.example", Some("rust"));
        check("Return-Path: <rust-return-12-taro=example.jp@lists.example>", Some("rust"));
        check("Return-Path: <rust-bounces+taro=example.jp@lists.example>", Some("rust"));
        check(
            "Received: with ECARTIS (v1.0.0; list rust); Tue, 06 Dec 2011 01:49:42 +0100",
            Some("rust"),
        );
        let listserv = "Received: from a.example by a.example (LISTSERV-TCP/IP release 1.8d)";
        check(
            &format!("{listserv}\nSender: Rust People <RUSTPEOPLE@b.example>"),
            Some("Rust People"),
        );
        check(&format!("{listserv}\nSender: All about Rust <RUST-L@b.example>"), Some("RUST-L"));
        check("Delivered-To: mailing list rust@lists.example", Some("rust"));
        check("To: Rust <rust@lists.example>\nSubject: [rust:00012] hello", Some("rust"));
        check("To: Rust <rust@ml.example>\nSubject: Re: (rust 12) hello", Some("rust"));
    }

    #[test]
    fn what_has_none() {
        check("Sender: owner-majordomo@lists.example", None);
        check("To: taro@example.jp\nSubject: [rust] hello", None);
        check("To: taro@example.jp", None);
    }
}
