//! The comment in which an MTA describes its client.

use std::net::IpAddr;

use super::parse_ip;

/// A comment with the client's address, and what else it contains.
pub struct Client<'a> {
    /// The last address: the MTA writes it after the name.
    pub last: Option<IpAddr>,
    /// `[192.0.2.1] helo=…`: the MTA wrote it first.
    pub first: Option<IpAddr>,
    /// Everything that may be an address.
    pub addresses: Vec<IpAddr>,
    /// The text before the last one.
    pub host: &'a str,
    pub forged: bool,
    /// A bare address, as qmail and Exchange write it.
    pub bare: bool,
    /// The message came over a socket of the machine, or from one of its users.
    pub local: bool,
    pub helo: Option<&'a str>,
}

impl<'a> Client<'a> {
    /// `NAME [IP]`, `[IP]`, `IDENT@NAME [IP] (may be forged)`, `[IP]:PORT helo=HELO`,
    /// `IP`, `IDENT@IP`, `[local]`, `NAME [local]`, `taro@localhost`.
    pub fn read(comment: &'a str) -> Option<Client<'a>> {
        let comment = comment.trim();
        let known = ["authenticated", "auth:", "smtp auth", "client ", "helo ", "ehlo ", "using "];
        if known.iter().any(|start| starts(comment, start)) {
            return None;
        }
        let literals = literals(comment);
        let addresses: Vec<IpAddr> =
            literals.iter().filter_map(|(_, literal)| parse_ip(literal)).collect();
        let mut client = Client {
            last: None,
            first: None,
            addresses,
            host: "",
            forged: comment.contains("(may be forged)"),
            bare: false,
            local: false,
            helo: None,
        };
        if let Some((at, last)) = literals.last().copied() {
            client.local = is_socket(last);
            let rest = comment[at + last.len()..].trim_start();
            // After a name, or at the start.
            let is_placed = at == 0 || comment[..at].ends_with([' ', '\t', '@']);
            if is_placed && (rest.is_empty() || rest.starts_with('(')) {
                client.last = parse_ip(last);
                // `IDENT@[IP]` has no name.
                let before = comment[..at].trim_end();
                client.host = before.rsplit(is_between_names).next().unwrap_or_default();
            } else {
                client.local = false;
            }
            if comment.starts_with('[') {
                let first = literal(comment);
                let rest = &comment[first.len()..];
                let words = rest.trim_start_matches(|c: char| c == ':' || c.is_ascii_digit());
                // Exim, CommuniGate, Microsoft's SMTPSVC, ZMailer
                let marks =
                    [" helo=", " ident=", " verified", " rdns failed", " \"ehlo", " \"helo"];
                let marked = marks.iter().any(|word| starts(words, word));
                if marked || (words.is_empty() && !rest.is_empty()) {
                    client.first = parse_ip(first);
                    client.helo = helo(words);
                }
            }
        } else {
            let after_user = comment.rsplit_once('@').map_or(comment, |(_, host)| host);
            client.last = parse_ip(after_user);
            client.bare = client.last.is_some();
            client.addresses.extend(client.last);
            // sendmail -bs
            client.local = after_user == "localhost" && after_user.len() < comment.len();
        }
        let found = client.last.or(client.first).is_some() || client.local;
        found.then_some(client)
    }
}

/// The literal that `text` starts with, with its brackets.
pub fn literal(text: &str) -> &str {
    text.find(']').map_or(text, |end| &text[..=end])
}

/// Each `[…]` and where it starts.
fn literals(text: &str) -> Vec<(usize, &str)> {
    let mut open = None;
    let brackets = text.match_indices(['[', ']']).filter_map(|(at, bracket)| {
        if bracket == "[" {
            open = Some(at);
            return None;
        }
        let start = open.take()?;
        Some((start, &text[start..=at]))
    });
    brackets.collect()
}

/// OpenSMTPD's `[local]`, Cyrus' `[unix socket]`
fn is_socket(text: &str) -> bool {
    starts(text, "[local]") || starts(text, "[unix")
}

fn is_between_names(c: char) -> bool {
    c.is_ascii_whitespace() || matches!(c, '@' | ',')
}

/// `helo=mail.example.org` among Exim's words.
pub fn helo(words: &str) -> Option<&str> {
    words.split_ascii_whitespace().find(|word| starts(word, "helo=")).map(|word| &word[5..])
}

pub(super) fn starts(text: &str, lower_case: &str) -> bool {
    let start = text.as_bytes().get(..lower_case.len());
    start.is_some_and(|start| start.eq_ignore_ascii_case(lower_case.as_bytes()))
}
