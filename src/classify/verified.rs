//! `verified`: the From domain is proven by a believed result.
//!
//! Domains align by RFC 7489 §3.1 in relaxed mode: they are the same
//! organisation's, that is, their names are one up to the label before the
//! public suffix (`co.jp`, and `github.io` too: whose subdomains are each
//! someone else's).

use crate::classify::authentication::{Results, Verdict};
use crate::classify::{Classifier, Mail};
use crate::message::domain::{self, aligned};

/// `verified`
pub const VERIFIED: Classifier = Classifier {
    name: "verified",
    absent: "no trusted result passes for the From domain",
    find: |mail| Ok(find(mail)),
};

/// As the classifier, for others.
pub fn find(mail: &Mail<'_>) -> Option<String> {
    let from = mail.message.addresses("from");
    let mut domains: Vec<_> =
        from.iter().map(|address| domain::canonical(&address.domain)).collect();
    domains.sort_unstable();
    domains.dedup();
    if domains.is_empty() || domains.iter().any(|domain| domain.is_empty()) {
        return None;
    }
    let results = mail.results();
    // Who writes in several domains' names must prove each.
    let proofs: Option<Vec<_>> =
        domains.iter().map(|domain| proof(results, domain, domains.len() == 1)).collect();
    Some(proofs?.join("; "))
}

/// What proves a domain.
fn proof(results: &Results, from: &str, alone: bool) -> Option<String> {
    if results.dmarc == Some(Verdict::Pass) {
        match &results.dmarc_domain {
            Some(domain) if aligned(domain, from) => {
                return Some(format!("dmarc=pass for {domain}"));
            }
            None if alone => return Some(format!("dmarc=pass for {from}")),
            _ => {}
        }
    }
    if results.dkim == Some(Verdict::Pass)
        && let Some(signer) = results.dkim_domains.iter().find(|signer| aligned(signer, from))
    {
        return Some(format!("dkim=pass of {signer} for {from}"));
    }
    if results.spf == Some(Verdict::Pass)
        && let Some(sender) = results.spf_domain.as_deref().filter(|sender| aligned(sender, from))
    {
        return Some(format!("spf=pass of {sender} for {from}"));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::classify::testing::{TestWorld, assert_holds, assert_not};

    #[test]
    fn one_organisation() {
        for (one, other) in [
            ("example.org", "Example.ORG."),
            ("mail.example.org", "example.org"),
            ("bounce.example.co.jp", "news.example.co.jp"),
            ("a.日本語.jp", "xn--wgv71a119e.jp"),
            ("localhost", "localhost"),
        ] {
            assert!(aligned(one, other) && aligned(other, one), "{one} {other}");
        }
        for (one, other) in [
            ("example.org", "example.com"),
            ("notexample.org", "example.org"),
            ("one.co.jp", "two.co.jp"),
            ("one.co.jp", "co.jp"),
            ("evil.github.io", "github.io"),
            ("evil.github.io", "good.github.io"),
            ("", ""),
            ("org", "example.org"),
        ] {
            assert!(!aligned(one, other) && !aligned(other, one), "{one} {other}");
        }
    }

    fn mail(results: &str, from: &str) -> String {
        format!(
            "Authentication-Results: mx.example.jp; {results}\n\
             Received: from pc (pc.example.org [192.0.2.1]) by mx.example.jp (Postfix) with ESMTP id 1; x\n\
             DKIM-Signature: d=example.org\nDKIM-Signature: d=mail.example.org\n\
             DKIM-Signature: d=example.net\nFrom: {from}\n\n"
        )
    }

    #[test]
    fn proofs() {
        for (results, from, evidence) in [
            (
                "dmarc=pass header.from=example.org",
                "A <a@Example.org>",
                "dmarc=pass for example.org",
            ),
            ("dmarc=pass", "a@example.org", "dmarc=pass for example.org"),
            (
                "dkim=fail header.d=example.org; dkim=pass header.d=mail.example.org",
                "a@example.org",
                "dkim=pass of mail.example.org for example.org",
            ),
            (
                "spf=pass smtp.mailfrom=b@bounce.example.org; dmarc=none",
                "a@news.example.org",
                "spf=pass of bounce.example.org for news.example.org",
            ),
            (
                "dkim=pass header.d=example.org; spf=pass smtp.mailfrom=example.net",
                "a@example.org, b@example.net, c@example.org",
                "spf=pass of example.net for example.net; dkim=pass of example.org for example.org",
            ),
        ] {
            assert_holds(&VERIFIED, &mail(results, from), &TestWorld::default(), evidence);
        }
    }

    #[test]
    fn no_proofs() {
        for (results, from) in [
            ("dmarc=fail header.from=example.org", "a@example.org"),
            ("dkim=pass header.d=example.net", "a@example.org"),
            ("dkim=fail header.d=example.org; dkim=pass header.d=example.net", "a@example.org"),
            ("spf=softfail smtp.mailfrom=example.org", "a@example.org"),
            ("dmarc=pass header.from=example.org", "a@example.org, b@example.net"),
            ("dmarc=pass", "a@example.org, b@example.net"),
            ("dmarc=pass header.from=example.org", "a@example.net"),
            ("dmarc=pass", ""),
            ("dmarc=pass", "nobody"),
            ("dmarc=pass header.from=example.org", "a@example.org\nFrom: b@example.net"),
        ] {
            assert_not(&VERIFIED, &mail(results, from), &TestWorld::default());
        }
    }
}
