//! `Received-SPF`: RFC 7208 §9.1.

use crate::classify::authentication::Verdict;
use crate::classify::authentication::grammar::Cursor;

/// More pairs are not read.
const MOST_PAIRS: usize = 100;

/// The content of one header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceivedSpf {
    /// The result.
    pub verdict: Verdict,
    /// Lower-case keys and values, unquoted.
    pub pairs: Vec<(String, String)>,
}

impl ReceivedSpf {
    /// What was checked: the envelope sender, or the HELO name.
    pub fn identity(&self) -> Option<&str> {
        let by_helo = self.get("identity").is_some_and(|word| word.eq_ignore_ascii_case("helo"));
        match self.get("envelope-from") {
            Some(sender) if !by_helo => Some(sender),
            _ => self.get("helo"),
        }
    }

    fn get(&self, key: &str) -> Option<&str> {
        let found = self.pairs.iter().find(|(each, _)| each == key);
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
    let mut pairs = Vec::new();
    while pairs.len() < MOST_PAIRS {
        match cursor.pair()? {
            Some(pair) => pairs.push(pair),
            // Not all borders write the semicolons.
            None if cursor.skip_semicolon() => {}
            None => break,
        }
    }
    Ok(ReceivedSpf { verdict, pairs })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn assert_reads(text: &str, verdict: Verdict, identity: Option<&str>) {
        let found = parse(text).expect("it can be read");
        assert_eq!((found.verdict, found.identity()), (verdict, identity), "{text}");
    }

    #[test]
    fn as_borders_in_use_write_it() {
        assert_reads(
            "Pass (mailfrom) identity=mailfrom; client-ip=192.0.2.1; helo=mail.example.org; envelope-from=a@example.org; receiver=<UNKNOWN>",
            Verdict::Pass,
            Some("a@example.org"),
        );
        assert_reads(
            r#"softfail (mx.example.jp: spf=pass; it says) client-ip=192.0.2.1 envelope-from="a b; spf=pass"@example.org helo=x;"#,
            Verdict::SoftFail,
            Some("a b; spf=pass@example.org"),
        );
        assert_reads(
            "none identity=helo; helo=mail.example.org; envelope-from=<>",
            Verdict::None,
            Some("mail.example.org"),
        );
        assert_reads(
            "pass (google.com: domain of a@example.org designates 192.0.2.1 as permitted sender) client-ip=192.0.2.1;",
            Verdict::Pass,
            None,
        );
        assert!(parse("(pass) maybe").is_err());
        assert!(parse("").is_err());
    }
}
