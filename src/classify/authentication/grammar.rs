//! `Authentication-Results` by the grammar of RFC 8601 §2.2, and
//! `ARC-Authentication-Results` (RFC 8617 §4.1.1) by the same.
//!
//! A header whose shape as a whole cannot be read (no authserv-id, an unknown
//! version, a comment or a quoted string without end) is not used at all. One
//! result among others that cannot be read is left out: borders in use write
//! things of their own between them.

use crate::classify::cfws;

/// More results in one header are not looked at.
const MOST_RESULTS: usize = 100;

/// The content of one header.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Header {
    /// Who claims to have checked, RFC 8601 §2.5; as written.
    pub authserv_id: String,
    /// One per method and signature, in order; empty for `none`.
    pub results: Vec<MethodResult>,
}

/// `method=result reason="…" ptype.property=value …`
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MethodResult {
    /// Lower case: `dkim`.
    pub method: String,
    /// Lower case: `pass`.
    pub result: String,
    /// What the checker says about it.
    pub reason: Option<String>,
    /// Lower-case `ptype.property`, and the value as written, unquoted.
    pub properties: Vec<(String, String)>,
}

impl MethodResult {
    /// The value of a property (lower case); empty ones are none.
    pub fn property(&self, name: &str) -> Option<&str> {
        let found = self.properties.iter().find(|(each, _)| each == name);
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }
}

/// Reads an unfolded value.
///
/// # Errors
/// Why the header cannot be used, in words.
pub fn parse(text: &str) -> Result<Header, &'static str> {
    let mut cursor = Cursor::new(text);
    cursor.skip_blanks()?;
    let authserv_id = cursor.value("")?;
    if authserv_id.is_empty() {
        return Err("it names no authserv-id");
    }
    cursor.skip_blanks()?;
    if cursor.rest.starts_with('=') || authserv_id.contains('=') {
        // Microsoft 365 writes its results without saying who checked.
        return Err("it names no authserv-id");
    }
    let version = cursor.value("=")?;
    cursor.skip_blanks()?;
    if !version.is_empty() && !cursor.rest.starts_with('=') && version != "1" {
        return Err("its version is not 1");
    }
    let mut header = Header { authserv_id, results: Vec::new() };
    cursor.skip_to_semicolon()?;
    while cursor.rest.starts_with(';') && header.results.len() < MOST_RESULTS {
        cursor.advance(1);
        if let Some(result) = cursor.method_result()? {
            header.results.push(result);
        }
        cursor.skip_to_semicolon()?;
    }
    Ok(header)
}

/// Reads an unfolded ARC-Authentication-Results: `i=1;` comes first.
///
/// # Errors
/// As [`parse`].
pub fn parse_arc(text: &str) -> Result<Header, &'static str> {
    let instance = text.trim_start().strip_prefix(['i', 'I']).map(str::trim_start);
    let instance = instance.and_then(|rest| rest.strip_prefix('='));
    let Some((instance, rest)) = instance.and_then(|rest| rest.split_once(';')) else {
        return Err("it has no instance number");
    };
    match instance.trim().parse::<u8>() {
        Ok(1..=50) => parse(rest),
        _ => Err("its instance number is not 1 to 50"),
    }
}

/// Where reading has come to.
pub(super) struct Cursor<'a> {
    rest: &'a str,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(text: &'a str) -> Cursor<'a> {
        Cursor { rest: text }
    }

    pub(super) fn skip_semicolon(&mut self) -> bool {
        let found = self.rest.strip_prefix(';');
        self.rest = found.unwrap_or(self.rest);
        found.is_some()
    }

    fn advance(&mut self, bytes: usize) {
        self.rest = self.rest.get(bytes..).unwrap_or_default();
    }

    /// CFWS, RFC 5322 §3.2.2.
    pub(super) fn skip_blanks(&mut self) -> Result<(), &'static str> {
        loop {
            self.rest = self.rest.trim_start_matches([' ', '\t', '\r', '\n']);
            if !self.rest.starts_with('(') {
                return Ok(());
            }
            let length = cfws::closed_comment(self.rest).ok_or("a comment in it has no end")?;
            self.advance(length);
        }
    }

    /// A token or quoted string, or both joined as in `"a b"@example.org`;
    /// empty where there is none. Ends at a blank, `(`, `;` and at `stops`.
    pub(super) fn value(&mut self, stops: &str) -> Result<String, &'static str> {
        let mut value = String::new();
        loop {
            if let Some(quoted) = self.rest.strip_prefix('"') {
                let length =
                    unquote(quoted, &mut value).ok_or("a quoted string in it has no end")?;
                self.advance(length + 1);
                continue;
            }
            let ends = |c: char| " \t\r\n(;\"".contains(c) || stops.contains(c);
            let end = self.rest.find(ends).unwrap_or(self.rest.len());
            if end == 0 {
                return Ok(value);
            }
            value.push_str(self.rest.get(..end).unwrap_or_default());
            self.advance(end);
        }
    }

    /// One `key = value`; `None` where something else stands.
    pub(super) fn pair(&mut self) -> Result<Option<(String, String)>, &'static str> {
        self.skip_blanks()?;
        let mut key = self.value("=")?.to_ascii_lowercase();
        self.skip_blanks()?;
        // `ptype . property`, `method / version`
        while !key.is_empty() && (self.rest.starts_with(['.', '/']) || key.ends_with(['.', '/'])) {
            let more = self.value("=")?;
            if more.is_empty() {
                return Ok(None);
            }
            key.push_str(&more.to_ascii_lowercase());
            self.skip_blanks()?;
        }
        if key.is_empty() || !self.rest.starts_with('=') {
            return Ok(None);
        }
        self.advance(1);
        self.skip_blanks()?;
        Ok(Some((key, self.value("")?)))
    }

    fn method_result(&mut self) -> Result<Option<MethodResult>, &'static str> {
        let Some((method, result)) = self.pair()? else { return Ok(None) };
        let (method, version) = method.split_once('/').unwrap_or((&method, "1"));
        if version != "1" || result.is_empty() {
            return Ok(None);
        }
        let mut found = MethodResult {
            method: method.to_owned(),
            result: result.to_ascii_lowercase(),
            ..MethodResult::default()
        };
        while let Some((key, value)) = self.pair()? {
            if key == "reason" {
                found.reason = Some(value);
            } else if key.contains('.') {
                found.properties.push((key, value));
            }
        }
        Ok(Some(found))
    }

    fn skip_to_semicolon(&mut self) -> Result<(), &'static str> {
        loop {
            self.skip_blanks()?;
            if self.rest.is_empty() || self.rest.starts_with(';') {
                return Ok(());
            }
            let before = self.rest.len();
            self.value("")?;
            if self.rest.len() == before {
                self.advance(1);
            }
        }
    }
}

/// Appends what stands before the closing quote. Gives the length with it.
fn unquote(text: &str, into: &mut String) -> Option<usize> {
    let mut chars = text.char_indices();
    while let Some((at, char)) = chars.next() {
        match char {
            '"' => return Some(at + 1),
            '\\' => into.push(chars.next()?.1),
            _ => into.push(char),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn words(text: &str) -> Vec<String> {
        let header = parse(text).expect("it can be read");
        let one = |result: &MethodResult| {
            let properties = result.properties.iter().map(|(key, value)| format!(" {key}={value}"));
            format!("{}={}{}", result.method, result.result, properties.collect::<String>())
        };
        header.results.iter().map(one).collect()
    }

    #[test]
    fn the_examples_of_the_rfc() {
        // RFC 8601 appendix B
        assert_eq!(
            parse("example.org 1; none"),
            Ok(Header { authserv_id: "example.org".to_owned(), results: vec![] })
        );
        assert_eq!(
            words("example.com; spf=pass smtp.mailfrom=example.net"),
            ["spf=pass smtp.mailfrom=example.net"]
        );
        assert_eq!(
            words(
                "example.com; sender-id=fail header.from=example.com; dkim=pass (good signature) header.d=example.com"
            ),
            ["sender-id=fail header.from=example.com", "dkim=pass header.d=example.com"]
        );
        assert_eq!(
            words(
                "foo.example.net (foobar) 1 (baz); dkim (Because I like it) / 1 (One yay) = (wait for it) fail policy (A dot can go here) . (like that) expired (this surprised me) = (as I wasn't expecting it) 1362471462"
            ),
            ["dkim=fail policy.expired=1362471462"]
        );
    }

    #[test]
    fn comments_and_quoted_strings_are_no_results() {
        assert_eq!(
            words(
                "mx.example.jp (spf=pass; dkim=pass (nested; dmarc=pass)); spf=fail (sender says spf=pass) smtp.mailfrom=a@example.org"
            ),
            ["spf=fail smtp.mailfrom=a@example.org"]
        );
        assert_eq!(
            words(
                r#"mx; spf=fail reason="; dkim=pass" smtp.mailfrom="a;b dkim=pass\""@example.org"#
            ),
            [r#"spf=fail smtp.mailfrom=a;b dkim=pass"@example.org"#]
        );
        assert_eq!(words("mx; none (spf=pass)"), Vec::<String>::new());
        assert_eq!(parse("mx; spf=pass (no end"), Err("a comment in it has no end"));
        assert_eq!(parse("mx; spf=\"pass"), Err("a quoted string in it has no end"));
    }

    #[test]
    fn as_borders_in_use_write_it() {
        assert_eq!(
            words(
                "mx.google.com;\r\n       dkim=pass header.i=@example.org header.s=k1 header.b=\"oVx/+=U\";\r\n       spf=pass (google.com: domain of a@example.org designates 192.0.2.1 as permitted sender) smtp.mailfrom=a@example.org;\r\n       dmarc=pass (p=NONE sp=NONE dis=NONE) header.from=example.org"
            ),
            [
                "dkim=pass header.i=@example.org header.s=k1 header.b=oVx/+=U",
                "spf=pass smtp.mailfrom=a@example.org",
                "dmarc=pass header.from=example.org",
            ]
        );
        // Yahoo
        assert_eq!(
            words(
                "mta1.example  from=example.org; domainkeys=neutral (no sig);  from=example.org; dkim=pass (ok)"
            ),
            ["domainkeys=neutral", "from=example.org", "dkim=pass"]
        );
        assert_eq!(
            words("mx; SPF=Pass smtp.MailFrom=A@Example.org;"),
            ["spf=pass smtp.mailfrom=A@Example.org"]
        );
        assert_eq!(words("mx; dkim/2=pass; spf/1=fail"), ["spf=fail"]);
        assert_eq!(
            words("mx; header.From=x; dkim=pass ( y; );  ;"),
            ["header.from=x", "dkim=pass"]
        );
        let id_less = "spf=pass (sender IP is 192.0.2.1) smtp.mailfrom=example.org; dkim=none";
        assert_eq!(parse(id_less), Err("it names no authserv-id"));
        assert_eq!(parse("; spf=pass"), Err("it names no authserv-id"));
        assert_eq!(parse("mx 2; spf=pass"), Err("its version is not 1"));
        assert_eq!(parse(""), Err("it names no authserv-id"));
    }

    #[test]
    fn arc() {
        let header = parse_arc(" i = 2 ; mx.example; arc=pass (i=1)").expect("it can be read");
        assert_eq!((header.authserv_id.as_str(), header.results.len()), ("mx.example", 1));
        assert!(parse_arc("mx.example; arc=pass").is_err());
        assert!(parse_arc("i=51; mx.example; arc=pass").is_err());
    }

    proptest! {
        #[test]
        fn any_text(text in any::<String>()) {
            let _ = parse(&text);
        }

        #[test]
        fn any_likely_text(text in "(mx|spf|dkim|pass|header|é|[ ;=./\"()\\\\1]){0,60}") {
            let _ = parse(&text);
            let _ = parse_arc(&text);
        }
    }
}
