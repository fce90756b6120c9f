//! `Received-SPF`: RFC 7208 §9.1.

use crate::classify::authentication::Verdict;
use crate::classify::authentication::grammar::Cursor;

/// A line with more pairs is not used.
const MOST_PAIRS: usize = 100;

/// The content of one header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceivedSpf {
    /// The result.
    pub verdict: Verdict,
    /// Lower-case keys and values, unquoted.
    pub pairs: Vec<(String, String)>,
    /// The address or domain that a comment names.
    pub domain_of: Option<String>,
}

/// What SPF checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpfIdentity {
    /// The envelope sender: RFC 7208 §2.4.
    MailFrom,
    /// The client's HELO: RFC 7208 §2.3.
    Helo,
    /// Sender ID's (RFC 4407), which is not SPF, and anything else.
    Other,
}

impl ReceivedSpf {
    /// What was checked; the envelope sender if the line does not say.
    pub fn identity(&self) -> SpfIdentity {
        match self.get("identity") {
            None => SpfIdentity::MailFrom,
            Some(word) if word.eq_ignore_ascii_case("mailfrom") => SpfIdentity::MailFrom,
            Some(word) if word.eq_ignore_ascii_case("helo") => SpfIdentity::Helo,
            Some(_) => SpfIdentity::Other,
        }
    }

    /// The envelope sender: that of `envelope-from`, otherwise the one that a
    /// comment names, as in `domain of a@example.org designates`.
    pub fn envelope_sender(&self) -> Option<&str> {
        self.get("envelope-from").or(self.domain_of.as_deref())
    }

    /// What the client called itself.
    pub fn helo(&self) -> Option<&str> {
        self.get("helo")
    }

    fn get(&self, key: &str) -> Option<&str> {
        let found = self.pairs.iter().find(|(known, _)| known == key);
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty() && *value != "<>")
    }
}

/// Reads an unfolded value.
///
/// # Errors
/// Why it cannot be used, in words.
pub fn parse(text: &str) -> Result<ReceivedSpf, &'static str> {
    let mut cursor = Cursor::new(text);
    cursor.skip_blanks()?;
    let word = cursor.value("")?.to_ascii_lowercase();
    let verdict = Verdict::parse(&word).ok_or("it has no result")?;
    let mut found = ReceivedSpf { verdict, pairs: Vec::new(), domain_of: None };
    loop {
        while let Some(comment) = cursor.comment()? {
            found.domain_of = found.domain_of.or_else(|| domain_of(comment));
        }
        if cursor.skip_semicolon() {
            // Not all borders write them.
            continue;
        }
        if cursor.at_end_of_result() {
            return Ok(found);
        }
        match cursor.pair()? {
            Some(_) if !cursor.at_end_of_value() => {
                return Err("a value in it does not end where a value ends");
            }
            Some((key, _)) if found.pairs.iter().any(|(known, _)| *known == key) => {
                return Err("it states something twice");
            }
            Some(_) if found.pairs.len() == MOST_PAIRS => return Err("it has too many words"),
            Some(pair) => found.pairs.push(pair),
            None => return Err("something in it is not a pair of key and value"),
        }
    }
}

/// The domain or address that SPF checked, from a comment such as RFC 7208 §9.1 has.
fn domain_of(comment: &str) -> Option<String> {
    let (_, rest) = comment.split_once("domain of ")?;
    let mut words = rest.split_ascii_whitespace();
    // `domain of transitioning a@example.org discourages`
    let word = words.find(|word| *word != "transitioning")?;
    let name = word.trim_matches(['\'', '<', '>']);
    (!name.is_empty() && !name.contains('"')).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn assert_reads(text: &str, verdict: Verdict, identity: SpfIdentity, sender: Option<&str>) {
        let found = parse(text).expect("it can be read");
        let read = (found.verdict, found.identity(), found.envelope_sender());
        assert_eq!(read, (verdict, identity, sender), "{text}");
    }

    #[test]
    fn as_borders_in_use_write_it() {
        assert_reads(
            "Pass (mailfrom) identity=mailfrom; client-ip=192.0.2.1; helo=mail.example.org; envelope-from=a@example.org; receiver=<UNKNOWN>",
            Verdict::Pass,
            SpfIdentity::MailFrom,
            Some("a@example.org"),
        );
        assert_reads(
            r#"softfail (mx.example.jp: spf=pass; it says) client-ip=192.0.2.1 envelope-from="a b; spf=pass"@example.org helo=x;"#,
            Verdict::SoftFail,
            SpfIdentity::MailFrom,
            Some("a b; spf=pass@example.org"),
        );
        assert_reads(
            "none identity=helo; helo=mail.example.org; envelope-from=<>",
            Verdict::None,
            SpfIdentity::Helo,
            None,
        );
        assert_reads(
            "pass (google.com: domain of a@example.org designates 192.0.2.1 as permitted sender) client-ip=192.0.2.1;",
            Verdict::Pass,
            SpfIdentity::MailFrom,
            Some("a@example.org"),
        );
        assert_reads(
            "SoftFail (protection.outlook.com: domain of transitioning example.org discourages use of 192.0.2.1 as permitted sender)",
            Verdict::SoftFail,
            SpfIdentity::MailFrom,
            Some("example.org"),
        );
        // Microsoft 365
        assert_reads(
            "Pass (protection.outlook.com: domain of evil.example designates 203.0.113.9 as permitted sender) receiver=protection.outlook.com; client-ip=203.0.113.9; helo=mail.bank.example; pr=C",
            Verdict::Pass,
            SpfIdentity::MailFrom,
            Some("evil.example"),
        );
        assert_reads(
            "Pass identity=pra; client-ip=203.0.113.9; envelope-from=\"x@bank.example\"",
            Verdict::Pass,
            SpfIdentity::Other,
            Some("x@bank.example"),
        );
    }

    #[test]
    fn what_cannot_be_relied_upon() {
        for text in [
            "(pass) maybe",
            "",
            "pass envelope-from=a@bank.example(x).evil.example",
            "pass envelope-from=bank.example .evil.example; helo=x",
            "pass helo=x; envelope-from=a@bank.example; envelope-from=a@evil.example",
            "pass identity=mailfrom; helo=x; identity=helo",
            "pass (no end",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
