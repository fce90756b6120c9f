//! Links: what a reader of the message could click on, and where it leads.
//!
//! A link is read as browsers read it (WHATWG URL Standard, "special" schemes):
//! without the user-info before `@`, with `\` as `/`, without line breaks and
//! tabs, with percent escapes in the host decoded, numbers that are an IPv4
//! address read as one, and punycode as Unicode. What a link only carries in its
//! path or query is not a host. But if a mail filter rewrote a link (see
//! [`super::rewritten`]), the original is a further link.

use std::borrow::Cow;
use std::collections::HashSet;

use memchr::memmem;
use url::Host;

use crate::ascii_case;
use crate::classify::{Mail, rewritten};
use crate::message::bounded_text::floor;
use crate::message::html::Event;
use crate::message::{BodyError, Message, domain, fold};

/// Further links of a message are ignored.
const MOST_LINKS: usize = 10_000;

/// How much of all text parts together is searched, bytes.
const LIMIT: usize = 16 << 20;

/// Text is searched in pieces of about this many bytes.
const PIECE: usize = 64 << 10;

/// A longer line is searched in pieces, bytes: one character may become eighteen.
const LONGEST_LINE: usize = 256 << 10;

/// How many rewritten links may be nested in one another.
const MOST_REWRITTEN: usize = 5;

/// A longer host is not a name that the DNS can have; it is compared as text.
const LONGEST_HOST: usize = 1000;

/// The longest scheme that is looked for in text: `https`.
const LONGEST_SCHEME: usize = 5;

/// One link.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Link {
    /// The whole URL, its scheme in lower case and its host as in `host`.
    pub url: String,
    /// Canonical, see [`domain::canonical`]; an IP address without brackets.
    /// `None` for `mailto:` and similar schemes.
    pub host: Option<String>,
}

/// The links of a message's text parts, then the addresses in its HTML parts,
/// each once.
///
/// # Errors
/// The body's, see [`Message::body_texts`].
pub fn of(message: &Message) -> Result<Vec<Link>, BodyError> {
    let mut texts = Links::default();
    let mut attributes = Links::default();
    let mut part = None;
    message.read_texts(LIMIT, &mut |at, event| match event {
        Event::Text(text) => {
            if part.replace(at) != Some(at) {
                texts.end_text();
            }
            texts.text(text)
        }
        Event::Url { url, .. } => attributes.attribute(url),
        Event::Hidden(_) | Event::LinkEnd => true,
    })?;
    texts.end_text();
    for link in attributes.found {
        texts.add(link);
    }
    Ok(texts.found)
}

/// The links of a message, found once.
///
/// # Errors
/// The body cannot be read.
pub fn links<'a>(mail: &'a Mail<'_>) -> Result<&'a [Link], String> {
    let found = mail.known.links.get_or_init(|| of(mail.message).map_err(|e| e.to_string()));
    found.as_deref().map_err(String::clone)
}

#[derive(Default)]
struct Links {
    found: Vec<Link>,
    seen: HashSet<String>,
    /// Text that has not been searched yet.
    pending: String,
}

impl Links {
    /// Adds a link and those that it was rewritten from. Returns whether there is
    /// room for more.
    fn add(&mut self, link: Link) -> bool {
        let mut link = Some(link);
        for _ in 0..MOST_REWRITTEN {
            let Some(one) = link.take() else { break };
            let host = one.host.as_deref();
            link = host
                .and_then(|host| rewritten::original(host, &one.url))
                .and_then(|url| parse(&url));
            self.add_one(one);
        }
        self.found.len() < MOST_LINKS
    }

    fn add_one(&mut self, link: Link) {
        if self.found.len() < MOST_LINKS && self.seen.insert(link.url.clone()) {
            self.found.push(link);
        }
    }

    fn attribute(&mut self, url: &str) -> bool {
        of_attribute(url).is_none_or(|link| self.add(link))
    }

    /// Collects text as it arrives, and searches it at line ends; if there is
    /// none, at blanks, and if there is no blank either, anywhere.
    fn text(&mut self, text: &str) -> bool {
        if self.pending.len() >= PIECE && text.starts_with('\n') {
            self.end_text();
        }
        let mut rest = text;
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(floor(rest, PIECE));
            self.pending.push_str(piece);
            rest = after;
            if self.pending.len() >= LONGEST_LINE {
                let length = self.pending.len();
                let blank = self.pending.rfind(char::is_whitespace);
                let near = blank.filter(|blank| length - blank < PIECE);
                let tail = self.pending.split_off(near.unwrap_or(length));
                self.end_text();
                self.pending = tail;
            }
        }
        if self.pending.len() >= PIECE && self.pending.ends_with('\n') {
            self.end_text();
        }
        self.found.len() < MOST_LINKS
    }

    fn end_text(&mut self) {
        let text = std::mem::take(&mut self.pending);
        self.in_text(&half_width(&text));
    }

    fn in_text(&mut self, text: &str) {
        let mut after = 0;
        for (start, scheme) in starts(text) {
            // Anything inside a link is part of it.
            if start < after {
                continue;
            }
            let found = text.get(start..).unwrap_or_default();
            let url = trim_text_url(without_text_after_host(found, scheme));
            after = start + url.len();
            let parsed = match scheme {
                true => parse(url),
                false => parse(&format!("http://{url}")),
            };
            if let Some(link) = parsed.filter(|link| link.host.is_some())
                && !self.add(link)
            {
                return;
            }
        }
    }
}

/// Text in NFKC, the form in which links are recognized. A full-width sign that ends a
/// link for a reader is left as it is: NFKC would make it part of the link.
fn half_width(text: &str) -> Cow<'_, str> {
    let ends = |c: char| "（）［］｛｝！？，：；「」＜＞＂＇｜～…＆％＝＋＊".contains(c);
    if text.is_ascii() {
        return Cow::Borrowed(text);
    }
    let mut half = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(ends) {
        let (before, after) = rest.split_at(at);
        half.push_str(&fold::normalize(before));
        let sign = after.chars().next().unwrap_or_default();
        let after = &after[sign.len_utf8()..];
        // `ｈｔｔｐ：／／`
        match sign == '：' && after.starts_with(['／', '/']) {
            true => half.push(':'),
            false => half.push(sign),
        }
        rest = after;
    }
    half.push_str(&fold::normalize(rest));
    Cow::Owned(half)
}

/// Where links may start: at a scheme, or (false) at `www.`.
fn starts(text: &str) -> Vec<(usize, bool)> {
    let bytes = text.as_bytes();
    let mut starts = Vec::new();
    for colon in memmem::find_iter(bytes, b":/").chain(memmem::find_iter(bytes, b":\\")) {
        let before = &bytes[colon.saturating_sub(LONGEST_SCHEME)..colon];
        for scheme in ["https", "http", "ftp"] {
            let at = before.len().checked_sub(scheme.len());
            let Some((at, word)) = at.and_then(|at| Some((at, before.get(at..)?))) else {
                continue;
            };
            if word.eq_ignore_ascii_case(scheme.as_bytes()) {
                starts.push((colon - before.len() + at, true));
                break;
            }
        }
    }
    for word in ["www.", "WWW.", "Www."] {
        for at in memmem::find_iter(bytes, word.as_bytes()) {
            let before = at.checked_sub(1).and_then(|at| bytes.get(at));
            if !before.is_some_and(|byte| byte.is_ascii_alphanumeric() || b".-_@/".contains(byte)) {
                starts.push((at, false));
            }
        }
    }
    starts.sort_unstable();
    starts
}

/// The URL that a text begins with: up to a blank, a quote, an angle or a CJK
/// bracket or stop, without the sentence's punctuation at its end.
fn trim_text_url(text: &str) -> &str {
    let ends = |c: char| {
        c.is_whitespace()
            || c.is_control()
            || matches!(c, '<' | '>' | '"' | '`' | '{' | '}' | '|' | '^')
            || matches!(c, '“' | '”' | '‘' | '’' | '«' | '»' | '…')
            // CJK Symbols and Punctuation except 々〆〇; full-width forms
            || matches!(c, '\u{3000}'..='\u{3004}' | '\u{3008}'..='\u{303f}')
            || matches!(c, '\u{ff01}'..='\u{ff0f}' | '\u{ff1a}'..='\u{ff20}')
            || matches!(c, '\u{ff3b}'..='\u{ff40}' | '\u{ff5b}'..='\u{ff65}')
    };
    let mut url = text.find(ends).map_or(text, |end| &text[..end]);
    // Brackets are counted once; each one cut from the end is subtracted below.
    let count = |bracket: char| url.matches(bracket).count();
    let mut excess =
        [(')', '('), (']', '[')].map(|(close, open)| count(close) as isize - count(open) as isize);
    while let Some(last) = url.chars().next_back() {
        match last {
            '.' | ',' | ';' | ':' | '!' | '?' | '\'' | '*' | '_' | '~' => {}
            ')' if excess[0] > 0 => excess[0] -= 1,
            ']' if excess[1] > 0 => excess[1] -= 1,
            _ => break,
        }
        url = &url[..url.len() - last.len_utf8()];
    }
    url
}

/// A host in running text ends at a sign that no host has: `(http://a.example)です`.
/// Reads no further than the host, since the next link may begin there.
fn without_text_after_host(text: &str, scheme: bool) -> &str {
    let after = text.find(':').filter(|_| scheme).map_or(text, |colon| &text[colon + 1..]);
    let place = after.trim_start_matches(['/', '\\']);
    let ends = |c: char| c.is_whitespace() || "/\\?#<>\"".contains(c);
    let authority = place.split(ends).next().unwrap_or_default();
    if authority.contains('@') || authority.starts_with('[') {
        return text;
    }
    let end = authority.find(|c: char| "()[]',;!*&=+$~".contains(c));
    end.map_or(text, |end| &text[..text.len() - place.len() + end])
}

/// A link in an HTML attribute. `None` for parts of the message itself (`cid:`,
/// `#…`) and for addresses that lead nowhere without a base.
fn of_attribute(url: &str) -> Option<Link> {
    let url = clean(url);
    if url.bytes().take_while(|byte| matches!(byte, b'/' | b'\\')).count() >= 2 {
        return parse(&format!("http:{url}"));
    }
    if ascii_case::starts_with(&url, "www.") {
        return parse(&format!("http://{url}"));
    }
    parse(&url)
}

/// Reads an absolute URL.
pub fn parse(url: &str) -> Option<Link> {
    let url = clean(url);
    let (scheme, rest) = url.split_once(':')?;
    let mut letters = scheme.chars();
    let named = letters.next().is_some_and(|c| c.is_ascii_alphabetic())
        && letters.all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
    let scheme = scheme.to_ascii_lowercase();
    match scheme.as_str() {
        _ if !named => None,
        "cid" | "mid" | "data" | "about" | "javascript" | "vbscript" => None,
        "http" | "https" | "ftp" | "ws" | "wss" => web(&scheme, rest),
        _ => Some(Link { url: format!("{scheme}:{rest}"), host: None }),
    }
}

/// Reads what follows `http:`.
fn web(scheme: &str, rest: &str) -> Option<Link> {
    let rest = rest.trim_start_matches(['/', '\\']);
    let end = rest.find(['/', '\\', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let (user, place) = match authority.rsplit_once('@') {
        Some((user, place)) => (Some(user), place),
        None => (None, authority),
    };
    let (name, port) = match place.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => (name, port),
        _ => (place, ""),
    };
    let host = host(name)?;
    let mut url = format!("{scheme}://");
    for part in user.iter().flat_map(|user| [*user, "@"]) {
        url.push_str(part);
    }
    url.push_str(&if host.contains(':') { format!("[{host}]") } else { host.clone() });
    if !port.is_empty() {
        url.push(':');
        url.push_str(port);
    }
    // A backslash is a slash up to the query.
    let query = path.find(['?', '#']).unwrap_or(path.len());
    url.push_str(&path[..query].replace('\\', "/"));
    url.push_str(&path[query..]);
    Some(Link { url, host: Some(host) })
}

/// The canonical form of a URL's host.
fn host(name: &str) -> Option<String> {
    if name.len() > LONGEST_HOST {
        return Some(name.to_lowercase());
    }
    let name = cut_running_text(name);
    let host = match Host::parse(name) {
        Ok(Host::Domain(name)) => domain::canonical(&name).into_owned(),
        Ok(Host::Ipv4(ip)) => ip.to_string(),
        // An IPv4 address in another form (RFC 4291 §2.5.5.2).
        Ok(Host::Ipv6(ip)) => ip.to_ipv4_mapped().map_or(ip.to_string(), |ip| ip.to_string()),
        // No browser can open it, but a rule may want to match it, without what
        // looks like user-info because of an escaped `@`.
        Err(_) => {
            let decoded = rewritten::percent_decoded(name);
            let place = decoded.rsplit_once('@').map_or(decoded.as_str(), |(_, place)| place);
            domain::canonical(place).into_owned()
        }
    };
    (!host.is_empty()).then_some(host)
}

/// Cuts `をご覧` from `example.jpをご覧`: no top-level domain begins in ASCII and
/// continues in another script.
fn cut_running_text(name: &str) -> &str {
    let last = name.rfind('.').map_or(0, |at| at + 1);
    let label = &name[last..];
    let foreign = label.find(|c: char| !c.is_ascii());
    match foreign {
        Some(at) if last > 0 && at > 0 && label[..at].bytes().all(|b| b.is_ascii_alphabetic()) => {
            &name[..last + at]
        }
        _ => name,
    }
}

/// Browsers strip blanks around a URL, and line breaks and tabs anywhere.
fn clean(url: &str) -> String {
    let url = url.trim_matches(|c: char| c <= ' ');
    url.chars().filter(|c| !matches!(c, '\t' | '\n' | '\r')).collect()
}

#[cfg(test)]
mod tests {

    use proptest::prelude::*;

    use super::*;
    use crate::testing::linear;

    fn hosts(text: &str) -> Vec<String> {
        let mut links = Links::default();
        links.in_text(text);
        links.found.into_iter().filter_map(|link| link.host).collect()
    }

    /// A line without an end is searched in pieces; none of them is large, and
    /// none ends within a link.
    #[test]
    fn a_line_of_any_length_is_searched_in_pieces() {
        let mut line = String::new();
        for number in 0..200 {
            line.push_str(&format!("{} http://h{number}.example/ ", "\u{fdfa}x".repeat(2_000)));
        }
        let mut links = Links::default();
        assert!(links.text(&line) && links.pending.len() < LONGEST_LINE);
        // No blank at all.
        assert!(links.text(&"x".repeat(3 << 20)) && links.pending.len() < LONGEST_LINE);
        links.end_text();
        assert_eq!(links.found.len(), 200);
    }

    #[track_caller]
    fn assert_url(url: &str, whole: &str, host: &str) {
        let link = of_attribute(url).expect("it is a link");
        assert_eq!((link.url.as_str(), link.host.as_deref()), (whole, Some(host)), "{url}");
    }

    #[test]
    fn hosts_are_seen_as_browsers_see_them() {
        for (url, whole, host) in [
            ("HTTP://Example.ORG./a?B", "http://example.org/a?B", "example.org"),
            ("http://good.example@bad.example/", "http://good.example@bad.example/", "bad.example"),
            (
                "http://good.example:x@y@bad.example:80",
                "http://good.example:x@y@bad.example:80",
                "bad.example",
            ),
            ("http://good.example%40bad.example/", "http://bad.example/", "bad.example"),
            (
                "https://bad.example/?u=http://good.example/",
                "https://bad.example/?u=http://good.example/",
                "bad.example",
            ),
            (
                "http://bad.example?@good.example/",
                "http://bad.example?@good.example/",
                "bad.example",
            ),
            (
                "http://bad.example#@good.example/",
                "http://bad.example#@good.example/",
                "bad.example",
            ),
            (
                "http:\\\\bad.example\\@good.example",
                "http://bad.example/@good.example",
                "bad.example",
            ),
            (
                "http://bad.example\\@good.example/?\\",
                "http://bad.example/@good.example/?\\",
                "bad.example",
            ),
            ("http://b%61d%2eexample/", "http://bad.example/", "bad.example"),
            ("ht\ntp://bad\t.exa\r\nmple/x", "http://bad.example/x", "bad.example"),
            ("http:bad.example", "http://bad.example", "bad.example"),
            ("//bad.example/x", "http://bad.example/x", "bad.example"),
            ("/\\bad.example/x", "http://bad.example/x", "bad.example"),
            ("http://xn--wgv71a119e.jp/", "http://日本語.jp/", "日本語.jp"),
            ("http://日本語。ＪＰ/", "http://日本語.jp/", "日本語.jp"),
            ("http://3221225985/", "http://192.0.2.1/", "192.0.2.1"),
            ("http://0xC0.0.0x2.1/", "http://192.0.2.1/", "192.0.2.1"),
            ("http://[::ffff:192.0.2.1]/", "http://192.0.2.1/", "192.0.2.1"),
            ("http://[2001:DB8::1]:80/", "http://[2001:db8::1]:80/", "2001:db8::1"),
            ("http://under_score.example/", "http://under_score.example/", "under_score.example"),
            ("http://b%61d example/", "http://bad example/", "bad example"),
        ] {
            assert_url(url, whole, host);
        }
    }

    #[test]
    fn full_width_signs_end_a_link() {
        for sign in [
            "（24時間）",
            "！今",
            "：電話",
            "，次",
            "；次",
            "？",
            "）",
            "…",
            "＆",
            "％",
            ")",
            "']",
            "㈱",
        ] {
            let text = half_width(&format!("http://b.example.jp{sign}a")).into_owned();
            assert_eq!(hosts(&text), ["b.example.jp"], "{sign}");
        }
        let text = half_width("ｈｔｔｐ：／／ｂａｄ．ｅｘａｍｐｌｅ／").into_owned();
        assert_eq!(hosts(&text), ["bad.example"]);
    }

    #[test]
    fn what_leads_nowhere_is_no_link() {
        for url in ["cid:1@example", "#top", "page.html", "", "data:text/html,x", "http://", "1:2"]
        {
            assert_eq!(of_attribute(url), None, "{url}");
        }
        let mailto = of_attribute("MailTo:a@example.org").expect("it is a link");
        assert_eq!((mailto.url.as_str(), mailto.host), ("mailto:a@example.org", None));
    }

    #[test]
    fn running_text() {
        for (text, expected) in [
            (
                "see http://example.org/a, or (http://example.net/b(c)).",
                vec!["http://example.org/a", "http://example.net/b(c)"],
            ),
            (
                "URL:http://example.jp/、または「https://example.jp/b」。",
                vec!["http://example.jp/", "https://example.jp/b"],
            ),
            (
                "<http://example.org/a> \"www.example.org/b\"",
                vec!["http://example.org/a", "http://www.example.org/b"],
            ),
            ("詳しくはhttp://example.jpをご覧ください", vec!["http://example.jp"]),
            ("http://日本語.jpへ", vec!["http://日本語.jp"]),
            ("詳細は(http://example.jp)です", vec!["http://example.jp"]),
            (
                "http://a,b@example.jp/ http://[::1]/",
                vec!["http://a,b@example.jp/", "http://[::1]/"],
            ),
            (
                "http://example.jp,http://example.org",
                vec!["http://example.jp", "http://example.org"],
            ),
            (
                "http://bad.example/?http://good.example/",
                vec!["http://bad.example/?http://good.example/"],
            ),
            ("a://b http:// x.www.example ://", vec![]),
            ("HTTPS:\\\\Bad.Example\\x", vec!["https://bad.example/x"]),
            ("http://example.org http://example.org", vec!["http://example.org"]),
        ] {
            let mut links = Links::default();
            links.in_text(text);
            let urls: Vec<_> = links.found.iter().map(|link| link.url.as_str()).collect();
            assert_eq!(urls, expected, "{text}");
        }
    }

    #[test]
    fn of_a_message() {
        let message = Message::from_bytes(
            b"Content-Type: multipart/alternative; boundary=b\n\n--b\n\nhttp://text.example/\n--b\n\
            Content-Type: text/html\nContent-Transfer-Encoding: quoted-printable\n\n\
            <a href=3D'http&#58;//good.example&#x40;b&#97;d.example/'>http://shown.example</a>\n\
            <img src=3Dcid:1><img src=3D//pixel.ex=\nample/1.gif>\n--b\n\
            Content-Type: text/html\nContent-Disposition: attachment\n\n<a href=http://attached.example>x</a>\n--b--\n"
                .to_vec(),
        );
        let hosts: Vec<_> = of(&message)
            .expect("memory can be read")
            .into_iter()
            .filter_map(|link| link.host)
            .collect();
        assert_eq!(hosts, ["text.example", "shown.example", "bad.example", "pixel.example"]);
    }

    #[test]
    fn limits() {
        let many: String = (0..20_000).map(|at| format!("http://h{at}.example/ ")).collect();
        assert_eq!(hosts(&many).len(), MOST_LINKS);
    }

    #[test]
    fn linear_in_the_text() {
        for (before, repeated) in [
            ("", "http://"),
            ("http://", "a@"),
            ("http://", "xn--a."),
            ("http://x", ")"),
            ("", ":/"),
            ("", "www."),
            ("", "http://a%"),
            ("", "http://("),
            ("", "www.(x "),
            ("", "http://a@b("),
        ] {
            linear(
                |times| format!("{before}{}", repeated.repeat(2_000 * times)),
                |text| {
                    hosts(text);
                },
            );
        }
    }

    proptest! {
        #[test]
        fn any_text(text in any::<String>()) {
            hosts(&text);
            of_attribute(&text);
        }

        #[test]
        fn any_likely_text(text in "(http|://|www\\.|xn--|%[0-9a-f]|。|[a-z@:./\\\\?\\[\\])(é]){0,40}") {
            hosts(&text);
            of_attribute(&text);
        }
    }
}
