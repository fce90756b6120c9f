//! `verified`: a believed result proves the From domain.
//!
//! Domains align by RFC 7489 §3.1 in relaxed mode: they belong to the same
//! organization, that is, their names are equal up to the label before the public
//! suffix (`co.jp`, and also `github.io`, each of whose subdomains is someone
//! else's).
//!
//! SPF of a HELO proves a domain only where the envelope sender is null (RFC 7489
//! §3.1.2): mail of all customers may leave through a host of their provider's.
//!
//! A message has one From (RFC 5322 §3.6). If there are several, a signature
//! covers only the last (RFC 6376 §5.4.2). Whoever has a signed message can then
//! put another From above it, that of a neighbour at the same provider; so
//! several prove nobody.

use crate::classify::authentication::{Results, Verdict};
use crate::classify::{Classifier, Mail, daemon};
use crate::message::domain::{self, aligned};

/// `verified`
pub const VERIFIED: Classifier = Classifier {
    name: "verified",
    absent: "no trusted result passes for the From domain",
    find: |mail| Ok(find(mail)),
};

/// The classifier's search, for other classifiers.
pub fn find(mail: &Mail<'_>) -> Option<String> {
    let from = mail.message.addresses("from");
    let mut domains: Vec<_> =
        from.iter().map(|address| domain::canonical(&address.domain)).collect();
    domains.sort_unstable();
    domains.dedup();
    if domains.is_empty() || domains.iter().any(|domain| domain.is_empty()) {
        return None;
    }
    if mail.has_several_from() {
        mail.message.leave_out("several lines can be read as From: none is `verified`".into());
        return None;
    }
    let results = mail.results();
    let spf_counts = !results.is_spf_of_helo || daemon::null_sender(mail);
    let spf = results.spf_domain.as_deref().filter(|_| spf_counts);
    // A sender in the names of several domains must prove each.
    let proofs: Option<Vec<_>> =
        domains.iter().map(|domain| proof(results, spf, domain, domains.len() == 1)).collect();
    Some(proofs?.join("; "))
}

/// What proves a domain; `spf` is the one that SPF has checked, if that can prove any.
fn proof(results: &Results, spf: Option<&str>, from: &str, alone: bool) -> Option<String> {
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
        && let Some(sender) = spf.filter(|sender| aligned(sender, from))
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
    fn one_organization() {
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
            ("evilß.公司.cn", "goodß.公司.cn"),
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

    /// A customer of example.org sends in its name, through its host, from an address elsewhere.
    #[test]
    fn the_name_of_a_host_proves_nothing_of_its_customers() {
        let mail = mail("spf=pass smtp.helo=out.example.org", "a@example.org");
        let from = |path: &str| format!("Return-Path: <{path}>\n{mail}");
        let world = TestWorld::default();
        assert_not(&VERIFIED, &from("b@customer.example"), &world);
        assert_not(&VERIFIED, &mail, &world);
        let evidence = "spf=pass of out.example.org for example.org";
        assert_holds(&VERIFIED, &from(""), &world, evidence);
    }

    /// An attacker with a provider's signed message puts a neighbour's From above it.
    #[test]
    fn several_lines_like_from_prove_nobody() {
        let far = format!("boss@example.org\n{}From: eve@example.org", "x:\n".repeat(50_100));
        for from in [
            "boss@example.org\nFrom: eve@example.org",
            "boss@example.org\nfrom : eve@example.org",
            "boss@example.org\nX: y\rFrom: eve@example.org",
            "boss@example.org\nFr\0om: eve@example.org",
            "boss@example.org\ngarbage\nFrom: boss@example.org",
            &far,
        ] {
            for results in [
                "dkim=pass header.d=example.org",
                "dmarc=pass header.from=example.org",
                "dmarc=pass",
                "spf=pass smtp.mailfrom=example.org",
            ] {
                assert_not(&VERIFIED, &mail(results, from), &TestWorld::default());
            }
        }
        // Where nobody looks for more fields, others may find another From.
        let from = "boss@example.org\nContent-Type: multipart/mixed; boundary=x";
        let unended = mail("dmarc=pass", &format!("{from}\n--x\nFrom: eve@example.org"));
        assert_not(&VERIFIED, &unended, &TestWorld::default());
        let junk = format!("x: {}\n", "y".repeat(900)).repeat(19_000);
        let cut = mail("dmarc=pass", &format!("boss@example.org\n{junk}From: eve@example.org"));
        assert_not(&VERIFIED, &cut, &TestWorld::default());
        let folded = mail("dmarc=pass", "boss@example.org\nX-From: a\nSubject: x\n From: y");
        assert_holds(&VERIFIED, &folded, &TestWorld::default(), "dmarc=pass for example.org");
    }

    /// A border that does not say which domain it checked may have checked another.
    #[test]
    fn a_dmarc_result_without_a_domain_is_of_the_only_one() {
        let long = format!("a@example.org, x <{}@evil.example>", "y".repeat(300_000));
        for from in
            ["\"eve@evil.example\" <a@example.org>", "eve(@evil.example,)@example.org", &long]
        {
            assert_not(&VERIFIED, &mail("dmarc=pass", from), &TestWorld::default());
        }
        let from = "\"a@news.example.org\" <a@example.org>";
        let evidence = "dmarc=pass for example.org";
        assert_holds(&VERIFIED, &mail("dmarc=pass", from), &TestWorld::default(), evidence);
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
