//! Headers of the form `value; name=value; …` (RFC 2045 §5.1, RFC 2231).
//!
//! mail-parser's reader is quadratic in RFC 2231 sections and does not accept raw
//! 8-bit text, so we have our own. It reads what mailers write: encoded words in
//! parameters (which RFC 2047 §5 forbids and Japanese mailers send), blanks
//! without quotes, missing semicolons.

use std::borrow::Cow;
use std::collections::HashMap;

use crate::message::{bounded_text, cfws, charset, encoded_word, unfold};
use crate::text::percent_decoded;

/// How much of a header is read, bytes.
pub const LIMIT: usize = 256 << 10;

/// A structured header's value and its parameters.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Parameters {
    /// The text before the first `;`, without comments, in lower case.
    pub value: String,
    /// Lower-case names and decoded values, in order; each name once.
    pub params: Vec<(String, String)>,
    /// What mail readers may use instead, if they choose another one of several
    /// values for a name: the last one, or one in another form.
    pub others: Vec<(String, String)>,
}

impl Parameters {
    /// The value of the parameter called `name` (lower case).
    pub fn get(&self, name: &str) -> Option<&str> {
        self.params.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The value of that name, and those that others may use instead.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let of_name =
            self.params.iter().chain(&self.others).filter(move |(known, _)| known == name);
        of_name.map(|(_, value)| value.as_str())
    }
}

/// Reads a Content-Type, a Content-Disposition or a similar header, folded or
/// not. If a name has several values, the RFC 2231 one counts, otherwise the
/// first. Everything beyond [`LIMIT`] is ignored.
pub fn parse(raw: &[u8]) -> Parameters {
    let (raw, _) = bounded_text::prefix(raw, LIMIT);
    let unfolded = unfold::unfold(raw);
    let text = charset::guess(&unfolded, None);
    // RFC 2047 §5 forbids it, but senders encode the header as a whole.
    let text = match text.trim_start().starts_with("=?") {
        true => Cow::Owned(encoded_word::decode_text(&text).into_owned()),
        false => text,
    };
    let (value, mut rest) = value(&text);
    let mut gathered = ParameterMatches::default();
    while let Some((name, value, tail)) = parameter(rest) {
        rest = tail;
        gathered.add(&name.to_ascii_lowercase(), value);
    }
    gathered.parameters_of(value)
}

/// The value, and the text that contains the parameters. If the first semicolon
/// is missing, a blank separates them.
fn value(text: &str) -> (String, &str) {
    let text = after_comments(text);
    let semicolon = text.find(';').unwrap_or(text.len());
    let blank = |c: char| c.is_ascii_whitespace() || c == '(';
    let end = text[..semicolon].find(blank).unwrap_or(semicolon);
    if text[..end].contains('=') {
        // Parameters with nothing before them: `Content-Disposition: filename=x`.
        return (String::new(), text);
    }
    // `text / html`
    let (first, after) = (&text[..end], after_comments(&text[end..semicolon]));
    if let Some(subtype) = after.strip_prefix('/').or(first.ends_with('/').then_some(after)) {
        let subtype = after_comments(subtype);
        let length = subtype.find(blank).unwrap_or(subtype.len());
        let kind = first.trim_end_matches('/');
        if !kind.is_empty() && !kind.contains('/') && !subtype[..length].contains('=') {
            let value = format!("{kind}/{}", &subtype[..length]).to_ascii_lowercase();
            let end = semicolon - (subtype.len() - length);
            let rest = if text[end..semicolon].contains('=') { end } else { semicolon };
            return (value, &text[rest..]);
        }
    }
    let rest = if text[end..semicolon].contains('=') { end } else { semicolon };
    (text[..end].to_ascii_lowercase(), &text[rest..])
}

/// The next parameter's name and value, and what follows it.
fn parameter(mut rest: &str) -> Option<(&str, Cow<'_, str>, &str)> {
    loop {
        rest = rest.trim_start_matches(|c: char| c == ';' || c.is_ascii_whitespace());
        // After an opening parenthesis, skip to the end of the comment or to the
        // next semicolon, whichever comes first.
        let stop: &[char] = if rest.starts_with('(') { &[')', ';'] } else { &['=', ';'] };
        let at = rest.find(stop)?;
        let (name, tail) = (&rest[..at], &rest[at + 1..]);
        if at == 0 || !rest[at..].starts_with('=') {
            rest = tail;
            continue;
        }
        let name = name.split('(').next().unwrap_or_default().trim();
        let tail = before_value(tail);
        let (value, tail) = match tail.strip_prefix('"').and_then(quoted) {
            Some(quoted) => quoted,
            None => unquoted(name, tail.strip_prefix('"').unwrap_or(tail)),
        };
        return Some((name, value, tail));
    }
}

/// The longest comment, bytes.
const LONGEST_COMMENT: usize = 200;

/// A value after blanks and comments; `(1).jpg` is a value without a comment.
fn before_value(text: &str) -> &str {
    let rest = after_comments(text);
    let skipped = &text[..text.len() - rest.len()];
    match rest.starts_with('"') || skipped.ends_with(|c: char| c.is_ascii_whitespace()) {
        true => rest,
        false => text.trim_start(),
    }
}

/// The text after blanks and comments (RFC 5322 §3.2.2); an unclosed one is not a
/// comment.
pub(super) fn after_comments(mut text: &str) -> &str {
    loop {
        text = text.trim_start();
        let start = text.get(..bounded_text::floor(text, LONGEST_COMMENT)).unwrap_or(text);
        let comment = start.starts_with('(').then(|| cfws::closed_comment(start)).flatten();
        match comment {
            Some(length) => text = &text[length..],
            None => return text,
        }
    }
}

/// A quoted string after its first quote; `None` if it has no end. The backslash
/// of `C:\file` is not an escape.
fn quoted(text: &str) -> Option<(Cow<'_, str>, &str)> {
    let (mut value, mut from) = (Cow::Borrowed(""), 0);
    let mut bytes = text.bytes().enumerate();
    while let Some((at, byte)) = bytes.next() {
        let escaped = byte == b'\\' && matches!(text.as_bytes().get(at + 1), Some(b'"' | b'\\'));
        if escaped {
            bytes.next();
            value.to_mut().push_str(&text[from..at]);
            from = at + 1;
        } else if byte == b'"' {
            if value.is_empty() {
                return Some((Cow::Borrowed(&text[from..at]), &text[at + 1..]));
            }
            value.to_mut().push_str(&text[from..at]);
            return Some((value, &text[at + 1..]));
        }
    }
    None
}

/// A value without quotes: up to a semicolon, or to a blank before another `name=`.
fn unquoted<'a>(name: &str, text: &'a str) -> (Cow<'a, str>, &'a str) {
    let bytes = text.as_bytes();
    let mut at = 0;
    let end = loop {
        match bytes.get(at) {
            None | Some(b';') => break at,
            Some(b' ' | b'\t') => {
                let length = bytes[at + 1..].iter().take_while(|byte| is_name_byte(**byte)).count();
                if length > 0 && bytes.get(at + 1 + length) == Some(&b'=') {
                    break at;
                }
                at += 1 + length;
            }
            Some(_) => at += 1,
        }
    };
    let value = text[..end].trim();
    let is_name = name.to_ascii_lowercase().contains("name");
    let comment = if is_name { value.rsplit_once(" (") } else { value.split_once(" (") };
    let value = match comment {
        // `a (1).exe` and `a (1)` are names.
        Some((before, after)) if !is_name || after.ends_with(')') && before.contains('.') => {
            before.trim_end()
        }
        _ => value,
    };
    // `a.exe"`
    let value = value.strip_suffix('"').filter(|_| is_name).unwrap_or(value);
    (Cow::Borrowed(value), &text[end..])
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'*' | b'_')
}

/// The values of each name, in the order in which names appeared.
#[derive(Default)]
struct ParameterMatches<'t> {
    by_name: HashMap<String, usize>,
    found: Vec<ParameterMatch<'t>>,
}

#[derive(Default)]
struct ParameterMatch<'t> {
    name: String,
    plain: FirstAndLast<'t>,
    /// `name*`, RFC 2231 §4.
    extended: FirstAndLast<'t>,
    /// `name*0`, `name*1*` …: number, extended, text; RFC 2231 §3.
    sections: Vec<(u32, bool, Cow<'t, str>)>,
}

/// The first and the last of several values.
#[derive(Default)]
struct FirstAndLast<'t> {
    first: Option<Cow<'t, str>>,
    last: Option<Cow<'t, str>>,
}

impl<'t> FirstAndLast<'t> {
    fn add(&mut self, value: Cow<'t, str>) {
        match self.first {
            None => self.first = Some(value),
            Some(_) => self.last = Some(value),
        }
    }

    fn values(self) -> impl Iterator<Item = Cow<'t, str>> {
        self.first.into_iter().chain(self.last)
    }
}

impl<'t> ParameterMatches<'t> {
    fn add(&mut self, name: &str, value: Cow<'t, str>) {
        let (name, extended) = match name.strip_suffix('*') {
            Some(name) => (name, true),
            None => (name, false),
        };
        let section = name.rsplit_once('*').and_then(|(_, number)| number.parse().ok());
        let name = name.split('*').next().unwrap_or_default();
        let at = *self.by_name.entry(name.to_owned()).or_insert(self.found.len());
        if at == self.found.len() {
            self.found.push(ParameterMatch { name: name.to_owned(), ..ParameterMatch::default() });
        }
        let Some(found) = self.found.get_mut(at) else { return };
        match section {
            Some(number) => found.sections.push((number, extended, value)),
            None if extended => found.extended.add(value),
            None => found.plain.add(value),
        }
    }

    /// The parameters that follow a header's value.
    fn parameters_of(self, value: String) -> Parameters {
        let (mut params, mut others) = (Vec::with_capacity(self.found.len()), Vec::new());
        for found in self.found {
            let name = found.name.clone();
            let mut texts = found.texts().into_iter();
            let first = texts.next().unwrap_or_default();
            for text in texts.filter(|text| *text != first) {
                others.push((name.clone(), text));
            }
            params.push((name, first));
        }
        Parameters { value, params, others }
    }
}

impl ParameterMatch<'_> {
    /// All values, the one that counts first.
    fn texts(mut self) -> Vec<String> {
        let mut texts: Vec<String> =
            self.extended.values().map(|extended| join(&[(0, true, extended)])).collect();
        if !self.sections.is_empty() {
            self.sections.sort_by_key(|(number, ..)| *number);
            self.sections.dedup_by_key(|(number, ..)| *number);
            texts.push(join(&self.sections));
        }
        texts.extend(
            self.plain.values().map(|plain| encoded_word::decode_text(&plain).into_owned()),
        );
        texts
    }
}

/// Joins sections as bytes, then decodes: a character may be split.
fn join(sections: &[(u32, bool, Cow<'_, str>)]) -> String {
    let mut label = None;
    let mut bytes = Vec::new();
    for (at, (_, extended, text)) in sections.iter().enumerate() {
        let mut text = text.as_ref();
        if at == 0
            && *extended
            && let Some((charset, tail)) = text.split_once('\'')
        {
            label = Some(charset);
            text = tail.split_once('\'').map_or(tail, |(_, text)| text);
        }
        if *extended {
            bytes.extend(percent_decoded(text.as_bytes()));
        } else {
            bytes.extend_from_slice(text.as_bytes());
        }
    }
    match label {
        Some(label) => charset::decode(Some(label), &bytes).into_owned(),
        None => encoded_word::decode(&bytes, None).into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(raw: &str, value: &str, params: &[(&str, &str)]) {
        let parsed = parse(raw.as_bytes());
        let params: Vec<(String, String)> =
            params.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
        assert_eq!((parsed.value.as_str(), parsed.params), (value, params), "{raw}");
    }

    #[test]
    fn values_and_parameters() {
        check(
            "Text/Plain; CHARSET=\"UTF-8\"; format=flowed",
            "text/plain",
            &[("charset", "UTF-8"), ("format", "flowed")],
        );
        check(
            "multipart/mixed;\r\n\tboundary=\"a;b\\\"c\"",
            "multipart/mixed",
            &[("boundary", "a;b\"c")],
        );
        check(
            "text/plain; charset=us-ascii (Plain text)",
            "text/plain",
            &[("charset", "us-ascii")],
        );
        check("text/plain (a=b); charset=x", "text/plain", &[("charset", "x")]);
        check("attachment", "attachment", &[]);
        check("", "", &[]);
    }

    #[test]
    fn rfc_2231() {
        check(
            "application/x-stuff; title*0*=us-ascii'en'This%20is%20even%20more%20; \
             title*1*=%2A%2A%2Afun%2A%2A%2A%20; title*2=\"isn't it!\"",
            "application/x-stuff",
            &[("title", "This is even more ***fun*** isn't it!")],
        );
        check("x/y; name=old.txt; name*=utf-8''%E6%97%A5.txt", "x/y", &[("name", "日.txt")]);
        check("x/y; n*1*=%97%A5; n*0*=utf-8''%E6", "x/y", &[("n", "日")]);
        check("x/y; n*=\"iso-2022-jp'ja'%1B$BF|%1B(B\"", "x/y", &[("n", "日")]);
        check(
            "x/y; URL*0=\"ftp://\"; URL*1=\"example.com\"",
            "x/y",
            &[("url", "ftp://example.com")],
        );
    }

    #[test]
    fn what_mailers_get_wrong_is_read() {
        check(
            "a; filename=\"=?iso-2022-jp?B?GyRCRnxLXBsoQg==?=.pdf\"",
            "a",
            &[("filename", "日本.pdf")],
        );
        check(
            "a; filename*0=\"=?utf-8?B?5pel5pys?=\"; filename*1=\"\r\n =?utf-8?B?6Kqe?=\"",
            "a",
            &[("filename", "日本語")],
        );
        check(
            "a; filename=my holiday (1).jpg; x=1",
            "a",
            &[("filename", "my holiday (1).jpg"), ("x", "1")],
        );
        check("a; filename=日本.txt", "a", &[("filename", "日本.txt")]);
        check("a; filename=\"C:\\temp\\x.exe\"", "a", &[("filename", "C:\\temp\\x.exe")]);
        check("text/html charset=utf-8", "text/html", &[("charset", "utf-8")]);
        check("a; name=\"b\" charset=c d=e", "a", &[("name", "b"), ("charset", "c"), ("d", "e")]);
        check("a; name=\"open.txt; x=y", "a", &[("name", "open.txt"), ("x", "y")]);
        check("a; name=b.exe\"; x=y", "a", &[("name", "b.exe"), ("x", "y")]);
        check("a;; ;nothing; =x; b = c ;", "a", &[("b", "c")]);
        check(
            "attachment (x); filename (y) = (z) \"virus.exe\"",
            "attachment",
            &[("filename", "virus.exe")],
        );
        check("filename=virus.exe", "", &[("filename", "virus.exe")]);
        check(
            "=?utf-8?q?attachment=3b_filename=3d=22a?=\r\n =?utf-8?q?=2eb=22?=",
            "attachment",
            &[("filename", "a.b")],
        );
        assert_eq!(parse(b"a; name=\"n\xe9.txt\"").get("name"), Some("né.txt"));
        assert_eq!(parse(b"a; name=\"\x1b$B!\"\x1b(B.txt\"").get("name"), Some("、.txt"));
    }

    #[test]
    fn hostile_input_takes_linear_time() {
        let sections: String = (0..25_000).map(|n| format!(";n*{n}=a")).collect();
        assert_eq!(parse(sections.as_bytes()).params[0].1.len(), 25_000);
        let names: String = (0..25_000).map(|n| format!(";n{n}=a")).collect();
        assert_eq!(parse(names.as_bytes()).params.len(), 25_000);
        let beyond = format!("x; {} a=b", " ".repeat(LIMIT));
        assert_eq!(parse(beyond.as_bytes()).get("a"), None);
        for piece in ["a=b ", "(", "(;", "\"", "a=\"", "a=\\\"", "=", "a= ", "a=\";"] {
            parse(format!("x; {}", piece.repeat(300_000)).as_bytes());
        }
    }

    proptest! {
        #[test]
        fn nothing_panics(bytes in any::<Vec<u8>>(), deep in "([a;=\"\\\\( )*'%09\r\n\u{1b}é]|=\\?|\\*0\\*=|utf-8''){0,40}") {
            parse(&bytes);
            parse(deep.as_bytes());
        }
    }
}
