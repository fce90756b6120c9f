//! `Authentication-Results` by the grammar of RFC 8601 §2.2, and
//! `ARC-Authentication-Results` (RFC 8617 §4.1.1) by the same grammar.
//!
//! A header that cannot be read as a whole (no authserv-id, an unknown version,
//! an unclosed comment or quoted string) is not used at all. Anything that is not
//! a result is skipped: real borders write things of their own between the
//! results. A value must be followed by a blank and the next property, by `;` or
//! by the end. Otherwise the result is marked as flawed: what was read up to a
//! comment or a blank may differ from what was written.

use crate::message::cfws;

/// Further results in one header are ignored.
const MOST_RESULTS: usize = 100;

/// A border printed a text that contains a semicolon, and this is its end.
const LEFTOVER: &str = "something in it is not a result";

/// A result with more properties is not used.
const MOST_PROPERTIES: usize = 100;

/// The content of one header.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ResultsHeader {
    /// Who claims to have checked, RFC 8601 §2.5, as written.
    pub authserv_id: String,
    /// One per method and signature, in order; empty for `none`.
    pub results: Vec<MethodResult>,
}

impl ResultsHeader {
    /// Amazon SES goes on as `Received-SPF` does: `spf=pass (…) client-ip=192.0.2.1;
    /// envelope-from=a@example.org; helo=…`. That is no end of a text if nothing else
    /// in the header has the envelope sender.
    fn accept_pairs_of_amazon(&mut self) {
        let elsewhere =
            self.results.iter().any(|result| result.property("smtp.mailfrom").is_some());
        let mut pairs = self.results.iter_mut().filter(|result| result.method == "envelope-from");
        if let (Some(pair), None) = (pairs.next(), pairs.next())
            && !elsewhere
        {
            pair.flaw = pair.flaw.filter(|flaw| *flaw != LEFTOVER);
        }
    }
}

/// A header that cannot be used, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// As in [`ResultsHeader`]; empty if there is none. Nothing that a sender
    /// chose comes before it.
    pub authserv_id: String,
    /// Why, in words.
    pub why: &'static str,
}

/// `method=result reason="…" ptype.property=value …`
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MethodResult {
    /// Lower case: `dkim`.
    pub method: String,
    /// Lower case: `pass`.
    pub result: String,
    /// Lower-case `ptype.property`, and the value as written, unquoted. `reason`
    /// and a border's own words have no dot.
    pub properties: Vec<(String, String)>,
    /// Comments, each with the number of properties before it.
    pub comments: Vec<(usize, String)>,
    /// Why the result cannot be relied on.
    pub flaw: Option<&'static str>,
    /// The flaw is only that the rest is missing; what is there is reliable.
    pub cut: bool,
}

impl MethodResult {
    /// The value of a property (its name in lower case); an empty value counts as none.
    pub fn property(&self, name: &str) -> Option<&str> {
        let found = self.properties.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }
}

/// Reads an unfolded value.
///
/// # Errors
/// Why the header cannot be used, in words, and its authserv-id.
pub fn parse(text: &str) -> Result<ResultsHeader, Unreadable> {
    let mut cursor = Cursor::new(text);
    let mut header = ResultsHeader::default();
    match cursor.header(&mut header) {
        Ok(()) => Ok(header),
        Err(why) => Err(Unreadable { authserv_id: header.authserv_id, why }),
    }
}

/// Reads an unfolded ARC-Authentication-Results, which begins with `i=1;`.
///
/// # Errors
/// As [`parse`].
pub fn parse_arc(text: &str) -> Result<ResultsHeader, Unreadable> {
    let instance = text.trim_start().strip_prefix(['i', 'I']).map(str::trim_start);
    let instance = instance.and_then(|rest| rest.strip_prefix('='));
    let Some((instance, rest)) = instance.and_then(|rest| rest.split_once(';')) else {
        return Err(Unreadable::nobodys("it has no instance number"));
    };
    match instance.trim().parse::<u8>() {
        Ok(1..=50) => parse(rest),
        _ => Err(Unreadable::nobodys("its instance number is not 1 to 50")),
    }
}

impl Unreadable {
    fn nobodys(why: &'static str) -> Unreadable {
        Unreadable { authserv_id: String::new(), why }
    }
}

/// What is still to be read.
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
        while self.comment()?.is_some() {}
        Ok(())
    }

    /// The next comment, without its parentheses; only skips blanks if there is none.
    pub(super) fn comment(&mut self) -> Result<Option<&'a str>, &'static str> {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\r', '\n']);
        if !self.rest.starts_with('(') {
            return Ok(None);
        }
        let length = cfws::closed_comment(self.rest).ok_or("a comment in it has no end")?;
        let comment = self.rest.get(1..length - 1);
        self.advance(length);
        Ok(comment)
    }

    /// Whether a value ends here: blank, semicolon or the end.
    pub(super) fn at_end_of_value(&self) -> bool {
        self.rest.is_empty() || self.rest.starts_with([' ', '\t', '\r', '\n', ';'])
    }

    /// Whether a result ends here: semicolon or the end.
    pub(super) fn at_end_of_result(&self) -> bool {
        self.rest.is_empty() || self.rest.starts_with(';')
    }

    fn header(&mut self, header: &mut ResultsHeader) -> Result<(), &'static str> {
        self.skip_blanks()?;
        let authserv_id = self.value("")?;
        if authserv_id.is_empty() {
            return Err("it names no authserv-id");
        }
        self.skip_blanks()?;
        if self.rest.starts_with('=') || authserv_id.contains('=') {
            // Microsoft 365 writes its results without naming who checked.
            return Err("it names no authserv-id");
        }
        header.authserv_id = authserv_id;
        let version = self.value("=")?;
        self.skip_blanks()?;
        let is_version = !version.is_empty() && !self.rest.starts_with('=');
        if is_version && (version != "1" || !self.at_end_of_result()) {
            return Err("its version is not 1");
        }
        self.skip_to_semicolon()?;
        while self.rest.starts_with(';') && header.results.len() < MOST_RESULTS {
            self.advance(1);
            if let Some(result) = self.method_result()? {
                header.results.push(result);
            }
            self.skip_to_semicolon()?;
        }
        header.accept_pairs_of_amazon();
        Ok(())
    }

    /// A token or quoted string, or both joined as in `"a b"@example.org`; empty
    /// if there is none. Ends at a blank, `(`, `;`, a quote after other text, and
    /// at `stops`.
    pub(super) fn value(&mut self, stops: &str) -> Result<String, &'static str> {
        let mut value = String::new();
        while let Some(quoted) = self.rest.strip_prefix('"') {
            let length = unquote(quoted, &mut value).ok_or("a quoted string in it has no end")?;
            self.advance(length + 1);
        }
        let ends = |c: char| " \t\r\n(;\"".contains(c) || stops.contains(c);
        let end = self.rest.find(ends).unwrap_or(self.rest.len());
        value.push_str(self.rest.get(..end).unwrap_or_default());
        self.advance(end);
        Ok(value)
    }

    /// One `key = value`; `None` if something else is there.
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
        let before = self.rest;
        let Some((method, result)) = self.pair()? else {
            self.rest = before;
            return self.leftover();
        };
        let (method, version) = method.split_once('/').unwrap_or((&method, "1"));
        if version != "1" || result.is_empty() {
            return Ok(None);
        }
        let mut found = MethodResult {
            method: method.to_owned(),
            result: result.to_ascii_lowercase(),
            flaw: result.contains('@').then_some(LEFTOVER),
            ..MethodResult::default()
        };
        loop {
            while let Some(comment) = self.comment()? {
                found.comments.push((found.properties.len(), comment.to_owned()));
            }
            if self.at_end_of_result() || found.flaw.is_some() {
                return Ok(Some(found));
            }
            match self.pair()? {
                Some((name, _)) if found.properties.iter().any(|(known, _)| *known == name) => {
                    found.flaw = Some("it states something twice");
                }
                Some(_) if found.properties.len() == MOST_PROPERTIES => {
                    found.flaw = Some("it has too many words");
                }
                Some(property) => found.properties.push(property),
                None => found.flaw = Some("something in it is not a property"),
            }
            if !self.at_end_of_value() {
                found.flaw = Some("a value in it does not end where a value ends");
            }
        }
    }

    /// What stands in place of a result: nothing, `none`, or the rest of a text that
    /// contains a semicolon.
    fn leftover(&mut self) -> Result<Option<MethodResult>, &'static str> {
        self.skip_blanks()?;
        let word = self.value("")?;
        let is_nothing = word.is_empty() || word.eq_ignore_ascii_case("none");
        let flaw = (!is_nothing).then_some(LEFTOVER);
        Ok(flaw.map(|flaw| MethodResult { flaw: Some(flaw), ..MethodResult::default() }))
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

/// Appends the text up to the closing quote. Returns its length with the quote.
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
            let properties = result.properties.iter().filter(|(key, _)| key != "reason");
            let properties = properties.map(|(key, value)| format!(" {key}={value}"));
            format!("{}={}{}", result.method, result.result, properties.collect::<String>())
        };
        header.results.iter().map(one).collect()
    }

    fn flaw(text: &str) -> (String, &'static str) {
        let unreadable = parse(text).expect_err("it cannot be read");
        (unreadable.authserv_id, unreadable.why)
    }

    #[test]
    fn the_examples_of_the_rfc() {
        // RFC 8601 appendix B
        assert_eq!(
            parse("example.org 1; none"),
            Ok(ResultsHeader { authserv_id: "example.org".to_owned(), results: vec![] })
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
        assert_eq!(flaw("mx; spf=pass (no end"), ("mx".to_owned(), "a comment in it has no end"));
        assert_eq!(flaw("mx; spf=\"pass"), ("mx".to_owned(), "a quoted string in it has no end"));
    }

    /// A border that prints `a;dmarc=pass …@evil.example` as it came.
    #[test]
    fn the_end_of_a_broken_text_is_no_result() {
        for end in ["@evil.example", "x@evil.example", "x@evil.example y=z", "b=c@evil.example"] {
            let text = format!("mx; spf=pass smtp.mailfrom=a;dmarc=pass header.from=b; {end}; a=b");
            let results = parse(&text).expect("it can be read").results;
            let flawed: Vec<bool> = results.iter().map(|result| result.flaw.is_some()).collect();
            assert_eq!(flawed, [false, false, true, false], "{text}");
        }
        for (text, flawed) in [
            ("spf=pass client-ip=192.0.2.1; envelope-from=a@b.example; helo=c", 0),
            ("spf=pass client-ip=192.0.2.1; envelope-from=a; dmarc=pass; envelope-from=x@b", 1),
            ("spf=pass smtp.mailfrom=a; dmarc=pass; envelope-from=x@b", 1),
        ] {
            let results = parse(&format!("mx; {text}")).expect("it can be read").results;
            let found = results.iter().filter(|result| result.flaw.is_some()).count();
            assert_eq!(found, flawed, "{text}");
        }
        for nothing in ["none", "", "(x)", "dkim/2=pass"] {
            let results = parse(&format!("mx; {nothing}; spf=pass")).expect("it can be read");
            assert_eq!(results.results.len(), 1, "{nothing}");
        }
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
        assert_eq!(flaw(id_less), (String::new(), "it names no authserv-id"));
        assert_eq!(flaw("; spf=pass"), (String::new(), "it names no authserv-id"));
        assert_eq!(flaw("mx 2; spf=pass"), ("mx".to_owned(), "its version is not 1"));
        assert_eq!(flaw("mx 1 x; spf=pass"), ("mx".to_owned(), "its version is not 1"));
        assert_eq!(flaw(""), (String::new(), "it names no authserv-id"));
    }

    #[test]
    fn a_value_ends_where_values_end() {
        for text in [
            "dkim=pass header.d=bank.example(x).evil.example",
            "dkim=pass header.d=bank.example (x).evil.example",
            "dkim=pass header.d=bank.example (x) .evil.example header.s=a",
            "dkim=pass header.d=bank.example .evil.example; spf=pass",
            "spf=pass smtp.mailfrom=a@bank.example\"x\".evil.example",
            "spf=pass smtp.mailfrom=a\"b\"@bank.example",
            "dmarc=pass header.from=bank.example evil",
            "dmarc=pass header.from=bank.example =evil",
            "spf=pass smtp.mailfrom=bank.example smtp.mailfrom=x@evil.example",
            "dmarc=pass header.from=bank.example(); dkim=pass",
        ] {
            let header = parse(&format!("mx; {text}")).expect("it can be read");
            assert!(header.results[0].flaw.is_some(), "{text}: {header:?}");
            assert!(header.results[1..].iter().all(|result| result.flaw.is_none()));
        }
        for text in [
            "dkim=pass(ok) (so) header.d=a.example (x) header.s=b (y (z)) ",
            "dmarc=pass (p=NONE) action=none header.from=a.example;",
            "spf=pass smtp.mailfrom=\"a b\"@a.example",
            "spf=pass smtp . mailfrom = a@b.example",
            "iprev=pass smtp.remote-ip=192.0.2.1 (a.example) ; ",
        ] {
            let header = parse(&format!("mx; {text}")).expect("it can be read");
            assert!(header.results.iter().all(|result| result.flaw.is_none()), "{header:?}");
        }
    }

    #[test]
    fn comments_keep_their_place() {
        let header = parse("mx; spf=pass (a) (b (c)) smtp.helo=x (d)").expect("it can be read");
        let comments = header.results[0].comments.iter();
        let comments: Vec<_> = comments.map(|(at, text)| (*at, text.as_str())).collect();
        assert_eq!(comments, [(0, "a"), (0, "b (c)"), (1, "d")]);
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
