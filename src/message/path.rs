//! Paths of an envelope (RFC 5321 §4.1.2): one address each, never a list.
//!
//! MTAs report them quoted or unquoted. A sender chooses the local part, so
//! unquoted text must not be read by the syntax of headers: the comma and the `@`
//! in `x,boss@corp.example,@evil.example` belong to a local part at
//! `evil.example`.

use crate::ascii_case::strip_prefix;
use crate::message::address::Address;

/// qmail and Courier use this sender for bounces of bounces.
const DOUBLE_BOUNCE: &str = "#@[]";

/// The envelope sender (reverse-path) in the form of RFC 5321, from any form that
/// MTAs use; empty for the null sender, also if it is written as `MAILER-DAEMON`
/// because a word was needed.
pub fn reverse(text: &str) -> String {
    let text = bare(text);
    if text.eq_ignore_ascii_case("MAILER-DAEMON") || text == DOUBLE_BOUNCE {
        return String::new();
    }
    of(&split(text))
}

/// An envelope recipient (forward-path) in the form of RFC 5321.
pub fn forward(text: &str) -> String {
    of(&split(bare(text)))
}

/// The address of a path; an empty one is the null sender.
pub fn address(path: &str) -> Address {
    split(bare(path))
}

/// An envelope recipient without the detail of its local part, which comes after
/// the first of these delimiters.
pub fn without_detail(text: &str, delimiters: &str) -> String {
    let mut address = split(bare(text));
    let at = address.local.find(|c| delimiters.contains(c));
    if let Some(at) = at.filter(|at| *at > 0) {
        address.local.truncate(at);
    }
    of(&address)
}

/// The address in an envelope sender that has a tag, which changes from day to day or from
/// message to message: of BATV, `prvs=1234abcdef=hana@x.example` or
/// `btv1==123==hana@x.example`, and of forwarders' SRS,
/// `SRS0=ab+c=DE=x.example=hana@forwarder.example`; another one as it is. Anybody can
/// write such a sender: it proves nothing.
pub fn untagged(address: &str) -> String {
    let whole = split(bare(address));
    let found = of_batv(&whole.local)
        .map(|local| Address { local: local.into(), ..whole.clone() })
        .or_else(|| {
            let (domain, local) = of_srs(&whole.local)?;
            Some(Address { name: None, local: local.into(), domain: domain.into() })
        });
    of(&found.unwrap_or(whole))
}

fn of_batv(local: &str) -> Option<&str> {
    let (_, local) = match strip_prefix(local, "prvs=") {
        Some(tagged) => tagged.split_once('=')?,
        None => strip_prefix(local, "btv1==")?.split_once("==")?,
    };
    (!local.is_empty()).then_some(local)
}

/// The domain and the local part.
fn of_srs(local: &str) -> Option<(&str, &str)> {
    let is_separator = |c: char| "=+-".contains(c);
    let tagged = match strip_prefix(local, "SRS0") {
        Some(rest) => rest.strip_prefix(is_separator)?,
        // `SRS1=hash=forwarder==hash=DE=x.example=hana`
        None => {
            let rest = strip_prefix(local, "SRS1")?.strip_prefix(is_separator)?;
            let (_, rest) = rest.split_once('=')?;
            rest.split_once('=')?.1.strip_prefix(is_separator)?
        }
    };
    let (_, rest) = tagged.split_once('=')?;
    let (_, rest) = rest.split_once('=')?;
    rest.split_once('=').filter(|(domain, local)| !domain.is_empty() && !local.is_empty())
}

/// Removes angle brackets and a source route (RFC 5321 appendix C). Brackets
/// around only a part of it belong to a local part.
fn bare(text: &str) -> &str {
    let text = text.trim();
    let inside = text.strip_prefix('<').and_then(|rest| rest.strip_suffix('>'));
    let text = inside.map_or(text, str::trim);
    match text.split_once(':') {
        Some((route, path)) if is_route(route) => path,
        _ => text,
    }
}

/// `@one.example,@two.example`.
fn is_route(text: &str) -> bool {
    text.split(',').all(|hop| {
        hop.trim()
            .strip_prefix('@')
            .is_some_and(|domain| !domain.is_empty() && !domain.contains(['@', '"', ' ']))
    })
}

/// The local part, unquoted, and the domain, which follows the last `@`.
fn split(text: &str) -> Address {
    let (local, domain) = quoted_local(text).unwrap_or_else(|| match text.rsplit_once('@') {
        Some((local, domain)) => (local.to_owned(), domain),
        None => (text.to_owned(), ""),
    });
    // No path contains a control character (RFC 5321 §4.1.2).
    let one_line = |text: &str| text.replace(char::is_control, "_");
    Address { name: None, local: one_line(&local), domain: one_line(domain) }
}

/// `"local part"@domain` or `"local part"`; `None` if the text does not have that form.
fn quoted_local(text: &str) -> Option<(String, &str)> {
    let inside = text.strip_prefix('"')?;
    let (mut local, mut escaped) = (String::new(), false);
    for (at, c) in inside.char_indices() {
        match c {
            _ if escaped => {
                local.push(c);
                escaped = false;
            }
            '\\' => escaped = true,
            '"' => {
                let rest = &inside[at + 1..];
                let domain = if rest.is_empty() { rest } else { rest.strip_prefix('@')? };
                return (!domain.contains('@')).then_some((local, domain));
            }
            _ => local.push(c),
        }
    }
    None
}

/// The path of an address, its local part quoted if necessary.
pub fn of(address: &Address) -> String {
    let Address { local, domain, .. } = address;
    let local = match is_dot_atom(local) || local.is_empty() {
        true => local.clone(),
        false => format!("\"{}\"", local.replace('\\', "\\\\").replace('"', "\\\"")),
    };
    if domain.is_empty() { local } else { format!("{local}@{domain}") }
}

/// RFC 5322 §3.2.3 and RFC 6532 §3.2, with dots anywhere: some real addresses
/// have two in a row or end in one, and no MTA objects.
fn is_dot_atom(local: &str) -> bool {
    local
        .chars()
        .all(|c| !c.is_ascii() || c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_that_changes_is_no_part_of_an_address() {
        for (tagged, want) in [
            ("prvs=1234abcdef=hana@x.example", "hana@x.example"),
            ("PRVS=1234abcdef=a=b@x.example", "a=b@x.example"),
            ("btv1==1234567890a==hana@x.example", "hana@x.example"),
            ("SRS0=ab+c=DE=x.example=hana@f.example", "hana@x.example"),
            ("srs0+ab/c=DE=x.example=a=b@f.example", "a=b@x.example"),
            ("SRS1=hash=f.example==ab=DE=x.example=hana@g.example", "hana@x.example"),
            ("SRS1=hash=a-b.example=+ab=DE=x.example=hana@g.example", "hana@x.example"),
            ("prvs=hana@x.example", "prvs=hana@x.example"),
            ("SRS0=a=b@x.example", "SRS0=a=b@x.example"),
            ("SRS1=@x.example", "SRS1=@x.example"),
            ("hana@x.example", "hana@x.example"),
            ("\u{e4}\u{e4}\u{e4}@x.example", "\u{e4}\u{e4}\u{e4}@x.example"),
        ] {
            assert_eq!(untagged(tagged), want);
        }
    }

    #[test]
    fn a_recipient_without_its_detail_is_the_mailbox() {
        for (text, wanted) in [
            ("hana+a+b@x.example", "hana@x.example"),
            ("hana@x.example", "hana@x.example"),
            ("hana", "hana"),
            ("+hana@x.example", "+hana@x.example"),
            ("\"hana+mf:1:S::Trash\"@x.example", "hana@x.example"),
            ("\"a b+c\"@x.example", "\"a b\"@x.example"),
        ] {
            assert_eq!(without_detail(text, "+"), wanted, "{text}");
        }
    }

    #[test]
    fn a_path_is_one_address_split_at_the_last_at() {
        for (text, wanted) in [
            ("<hanako@sender.example>", "hanako@sender.example"),
            ("hanako@sender.example", "hanako@sender.example"),
            ("<boss@corp.example> (x@evil.example", "\"<boss@corp.example> (x\"@evil.example"),
            ("<@a.example,@b.example:hanako@sender.example>", "hanako@sender.example"),
            ("\"hanako\"@sender.example", "hanako@sender.example"),
            ("o'brien@sender.example", "o'brien@sender.example"),
            ("a..b.@sender.example", "a..b.@sender.example"),
            ("\"a b\"@sender.example", "\"a b\"@sender.example"),
            ("a b@sender.example", "\"a b\"@sender.example"),
            ("a b; rm@evil.example", "\"a b; rm\"@evil.example"),
            ("x,boss@corp.example, @evil.example", "\"x,boss@corp.example, \"@evil.example"),
            ("<boss@corp.example>@evil.example", "\"<boss@corp.example>\"@evil.example"),
            ("\"x\"@boss@evil.example", "\"\\\"x\\\"@boss\"@evil.example"),
            ("\"a\\\"b\\\\\"@x.example", "\"a\\\"b\\\\\"@x.example"),
            ("\"@a:boss\"@evil.example", "\"@a:boss\"@evil.example"),
            ("a\nb@x.example", "a_b@x.example"),
            ("taro", "taro"),
            ("花子@例.jp", "花子@例.jp"),
            ("a@[IPv6:2001:db8::1]", "a@[IPv6:2001:db8::1]"),
        ] {
            assert_eq!(reverse(text), wanted, "{text}");
            assert_eq!(forward(text), wanted, "{text}");
            assert_eq!(reverse(wanted), wanted, "it is read as it is written");
        }
        let hostile = address(&reverse("x,boss@corp.example, @evil.example"));
        assert_eq!(hostile.local, "x,boss@corp.example, ");
        assert_eq!(hostile.domain, "evil.example");
    }

    #[test]
    fn the_null_sender_has_many_names() {
        for text in
            ["", "<>", " <> ", "MAILER-DAEMON", "<MAILER-DAEMON>", "<Mailer-Daemon>", "#@[]"]
        {
            assert_eq!(reverse(text), "", "{text}");
        }
        assert_eq!(forward("MAILER-DAEMON"), "MAILER-DAEMON");
        assert_eq!(reverse("MAILER-DAEMON@far.example"), "MAILER-DAEMON@far.example");
        assert_eq!(reverse("\"\"@x.example"), "@x.example");
        assert_eq!(reverse(" "), "");
    }
}
