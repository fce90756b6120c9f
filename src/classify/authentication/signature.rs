//! The signatures of a message: those tags of `DKIM-Signature` (RFC 6376 §3.5)
//! that show which signature a border means. `ARC-Seal` and
//! `ARC-Message-Signature` (RFC 8617 §4.1) have the same tags.

use crate::message::domain;

/// One signature; values without the blanks around them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Signature {
    /// `d=`, canonical; empty if it is missing or not a domain.
    pub domain: String,
    /// `i=`, decoded (RFC 6376 §2.11); `@` and the domain if it is missing.
    pub identity: String,
    /// `i=` as written, which Haraka prints; empty if it is missing.
    pub encoded_identity: String,
    /// `b=` without blanks.
    pub data: String,
    /// The texts of the signature that a border might print and that can be read as more
    /// than one value.
    pub ambiguous: Vec<String>,
}

impl Signature {
    /// Reads an unfolded value. Any text is a signature, though perhaps a bad one.
    pub fn parse(text: &str) -> Signature {
        let mut found = Signature::default();
        let (mut signer, mut identity) = (None, None);
        for tag in text.split(';') {
            let Some((name, value)) = tag.split_once('=') else { continue };
            let value = value.trim();
            match name.trim() {
                "d" => found.plain(&mut signer, value),
                "s" => found.plain(&mut None, value),
                "a" => found.plain(&mut None, value),
                "i" => found.identity(&mut identity, value),
                "b" => found.data(value),
                _ => {}
            }
        }
        let signer = signer.unwrap_or_default();
        found.identity = identity.unwrap_or_else(|| format!("@{signer}"));
        if found.ambiguous.iter().all(|text| *text != signer) {
            found.domain = domain::canonical(&signer).into_owned();
        }
        found
    }

    fn plain(&mut self, place: &mut Option<String>, value: &str) {
        if !value.chars().all(is_plain) || place.is_some() {
            self.ambiguous.push(value.to_owned());
        }
        place.get_or_insert_with(|| value.to_owned());
    }

    fn identity(&mut self, place: &mut Option<String>, value: &str) {
        let decoded = decode(value);
        let twice = decoded.matches('@').count() > 1;
        if is_ambiguous(&decoded) || decoded.contains('=') || twice || place.is_some() {
            if decoded != value {
                // Not every border decodes it.
                self.ambiguous.push(value.to_owned());
            }
            self.ambiguous.push(decoded.clone());
        }
        if place.is_none() {
            value.clone_into(&mut self.encoded_identity);
        }
        place.get_or_insert(decoded);
    }

    fn data(&mut self, value: &str) {
        let data: String = value.chars().filter(|c| !c.is_ascii_whitespace()).collect();
        let is_base64 = |c: char| c.is_ascii_alphanumeric() || "+/=".contains(c);
        if !data.chars().all(is_base64) {
            self.ambiguous.push(data.clone());
        }
        self.data = data;
    }
}

/// The characters of domains and selectors.
fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-_.".contains(c) || !(c.is_ascii() || c.is_whitespace())
}

/// Whether text that is printed unchanged can be read as more than one value: RFC
/// 8601 §2.2 separates by blanks, semicolons, comments and quotes.
pub fn is_ambiguous(text: &str) -> bool {
    text.chars().any(|c| c.is_whitespace() || c.is_control() || ";()\"\\<>,".contains(c))
}

/// `=3B` for `;`: RFC 6376 §2.11.
fn decode(text: &str) -> String {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, more)) = rest.split_first() {
        let code = more.get(..2).filter(|_| *first == b'=');
        let code = code.and_then(|code| std::str::from_utf8(code).ok());
        match code.and_then(|code| u8::from_str_radix(code, 16).ok()) {
            Some(byte) => {
                decoded.push(byte);
                rest = &more[2..];
            }
            None => {
                decoded.push(*first);
                rest = more;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn honest_signatures() {
        let found = Signature::parse(
            " v=1; a=rsa-sha256; c=relaxed/simple; d=Example.JP;\t s=sel-1; i=taro+x@mail.example.jp; \
             h=from:to; bh=abc=; b=kt6h\t 2OPu==",
        );
        assert_eq!(
            found,
            Signature {
                domain: "example.jp".to_owned(),
                identity: "taro+x@mail.example.jp".to_owned(),
                encoded_identity: "taro+x@mail.example.jp".to_owned(),
                data: "kt6h2OPu==".to_owned(),
                ambiguous: Vec::new(),
            }
        );
        let found = Signature::parse("d=日本.example; s=選択; b=");
        assert_eq!((found.identity.as_str(), found.ambiguous.len()), ("@日本.example", 0));
        assert_eq!(Signature::parse("i=a=2Bb@c.example; d=c.example").identity, "a+b@c.example");
    }

    #[test]
    fn texts_that_could_be_read_as_more() {
        for (text, ambiguous) in [
            (
                "i=a=3Bdkim=3Dpass=20x@evil.example; d=evil.example",
                &["a=3Bdkim=3Dpass=20x@evil.example", "a;dkim=pass x@evil.example"][..],
            ),
            ("i=a b@evil.example", &["a b@evil.example"]),
            ("i=a=22b@evil.example", &["a=22b@evil.example", "a\"b@evil.example"]),
            ("i=a=3Db@evil.example", &["a=3Db@evil.example", "a=b@evil.example"]),
            ("i=a=zzb@evil.example", &["a=zzb@evil.example"]),
            ("i=a@b; i=c@d", &["c@d"]),
            ("d=bank.example(x).evil.example", &["bank.example(x).evil.example"]),
            ("d=bank.example .evil.example", &["bank.example .evil.example"]),
            ("d=bank.example; d=evil.example", &["evil.example"]),
            ("s=x header.d", &["x header.d"]),
            ("a=x\"", &["x\""]),
            ("b=ab(cd", &["ab(cd"]),
        ] {
            assert_eq!(Signature::parse(text).ambiguous, ambiguous, "{text}");
        }
        assert_eq!(Signature::parse("d=bank.example(x).evil.example").domain, "");
    }
}
