//! Domain names as people compare them.

use std::borrow::Cow;

use crate::ascii_case;
use crate::message::fold;

/// The longest name to decode: names have at most 253 characters (RFC 1035
/// §2.3.4), and a much longer one is not worth a punycode decoder's time.
const LONGEST: usize = 1000;

/// The canonical form of a domain: case-folded, Unicode instead of punycode (RFC
/// 5891, UTS #46), without the root's dot. A name with letters that folding would
/// turn into others (`ß`, `ς`), so that it would be somebody else's name, is in
/// punycode. Text that is not a valid name is folded as text. Idempotent.
pub fn canonical(domain: &str) -> Cow<'_, str> {
    if domain.is_ascii() && !has_punycode(domain) {
        return ascii(domain.trim_end_matches('.'));
    }
    let folded = fold::fold(domain).replace('。', ".");
    let name = [domain, &folded].into_iter().find_map(valid);
    Cow::Owned(name.unwrap_or_else(|| folded.trim_end_matches('.').to_owned()))
}

/// The canonical form of a valid name.
fn valid(domain: &str) -> Option<String> {
    if domain.len() > LONGEST {
        return None;
    }
    let (unicode, Ok(())) = idna::domain_to_unicode(domain) else { return None };
    let name = if fold::fold(&unicode) == unicode {
        unicode
    } else {
        idna::domain_to_ascii(&unicode).ok()?
    };
    Some(name.trim_end_matches('.').to_owned())
}

fn ascii(domain: &str) -> Cow<'_, str> {
    if domain.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Cow::Owned(domain.to_ascii_lowercase());
    }
    Cow::Borrowed(domain)
}

fn has_punycode(domain: &str) -> bool {
    domain.split('.').any(|label| ascii_case::starts_with(label, "xn--"))
}

/// The spellings of a domain by which others may know it: as it is, in Unicode and in
/// punycode.
pub fn spellings(domain: &str) -> Vec<String> {
    let mut all = vec![domain.to_owned()];
    if !domain.is_ascii() || has_punycode(domain) {
        let unicode = canonical(domain).into_owned();
        let ascii = idna::domain_to_ascii(&unicode).ok();
        for other in std::iter::once(unicode).chain(ascii) {
            if !all.contains(&other) {
                all.push(other);
            }
        }
    }
    all
}

/// Whether two domains belong to the same organization.
pub fn aligned(one: &str, other: &str) -> bool {
    let (one, other) = (canonical(one), canonical(other));
    if one == other {
        return !one.is_empty();
    }
    match (psl::domain_str(&one), psl::domain_str(&other)) {
        (Some(one), Some(other)) => one == other,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_name_has_one_form() {
        assert!(matches!(canonical("example.jp"), Cow::Borrowed("example.jp")));
        assert_eq!(canonical("EXAMPLE.JP."), "example.jp");
        assert_eq!(canonical("XN--WGV71A119E.jp"), "日本語.jp");
        assert_eq!(canonical("日本語。ＪＰ"), "日本語.jp");
        assert_eq!(canonical("BÜCHER.example"), canonical("xn--bcher-kva.example"));
    }

    /// `straße.de` and `strasse.de` are two people's.
    #[test]
    fn a_name_has_two_spellings() {
        assert_eq!(spellings("A.example"), ["A.example"]);
        for name in ["日本語.jp", "xn--wgv71a119e.jp"] {
            let mut all = spellings(name);
            assert_eq!(all[0], name);
            all.sort();
            assert_eq!(all, ["xn--wgv71a119e.jp", "日本語.jp"]);
        }
        assert_eq!(spellings("XN--WGV71A119E.jp").len(), 3);
        assert_eq!(spellings("ß\u{fffd}").len(), 2, "what is no name");
    }

    #[test]
    fn no_name_becomes_anothers() {
        for name in ["straße.de", "STRAßE.DE.", "xn--strae-oqa.de", "XN--STRAE-OQA.de"] {
            assert_eq!(canonical(name), "xn--strae-oqa.de", "{name}");
            assert!(!aligned(name, "strasse.de"), "{name}");
        }
        assert_eq!(canonical("βόλος.com"), "xn--nxasmm1c.com");
        assert_eq!(canonical("ΒΌΛΟΣ.com"), "βόλοσ.com");
    }

    #[test]
    fn what_is_not_a_name_is_text() {
        assert_eq!(canonical("xn--\u{fffd}.JP"), canonical("XN--\u{fffd}.jp"));
        assert_eq!(canonical("xn--ßxn--a0xn--06a."), "xn--ssxn--a0xn--06a");
        assert_eq!(canonical("[IPv6:2001::1]"), "[ipv6:2001::1]");
        assert_eq!(canonical("xn--99999999999.X"), "xn--99999999999.x");
        assert_eq!(canonical(&"xn--a.".repeat(100_000)).len(), 599_999);
    }

    proptest! {
        #[test]
        fn idempotent(domain in any::<String>(), name in "(xn--|[a-zA-Zäß日ス.。-]|[0-9]){0,20}") {
            for domain in [domain, name] {
                let once = canonical(&domain).into_owned();
                prop_assert_eq!(canonical(&once).into_owned(), once.clone());
            }
        }
    }
}
