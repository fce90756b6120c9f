//! `s25r`: the client looks like an end user's line, not like a mail server,
//! by the rules of ASAMI Hideo's "Selective SMTP Rejection" (S25R).
//!
//! Rule 0 is a missing reverse name. Rules 1 to 6 are the patterns of its Postfix
//! configuration, matched by hand: compiling a regular expression costs more than
//! matching without one. The rules are of 2004 and fit many mail servers of today
//! whose names contain numbers, so verified mail and the hosts of well-known services
//! are excluded.

use crate::classify::words::hosts;
use crate::classify::{Classifier, Finding, Mail, client, verified};

/// `s25r`
pub const S25R: Classifier = Classifier {
    name: "s25r",
    absent: "no client, a reverse name like a server's, or a verified sender",
    find,
};

fn find(mail: &Mail<'_>) -> Finding {
    let Some(ip) = client::ip(mail) else { return Ok(None) };
    let Some(host) = client::host(mail) else {
        return Ok(Some(format!("the client [{ip}] has no reverse name")));
    };
    let Some(rule) = rule(&host).filter(|_| !is_service(&host)) else { return Ok(None) };
    if (verified::VERIFIED.find)(mail)?.is_some() {
        return Ok(None);
    }
    Ok(Some(format!(
        "the client's name `{host}` fits S25R rule {rule}; on its own that says little"
    )))
}

/// Whether a host belongs to a well-known service. The name leads back to the
/// client, so no other machine can have it.
fn is_service(host: &str) -> bool {
    let host = host.to_ascii_lowercase();
    hosts::SERVICES.iter().any(|service| {
        host.strip_suffix(service).is_some_and(|before| before.is_empty() || before.ends_with('.'))
    })
}

/// The number of the first rule that matches a reverse name.
pub fn rule(host: &str) -> Option<u8> {
    let host = host.to_ascii_lowercase();
    let host = host.as_bytes();
    let label = host.split(|byte| *byte == b'.').next().unwrap_or_default();
    [
        digits_twice(label),
        label.windows(5).any(all_digits),
        starts_with_digit(host),
        digit_dot_digit_dash(host, label),
        digit_ends_two_labels(host, label),
        names_a_line(label),
    ]
    .iter()
    .zip(1..)
    .find_map(|(fits, number)| fits.then_some(number))
}

fn all_digits(bytes: &[u8]) -> bool {
    bytes.iter().all(u8::is_ascii_digit)
}

fn has_digit(bytes: &[u8]) -> bool {
    bytes.iter().any(u8::is_ascii_digit)
}

fn ends_in_digit(label: &[u8]) -> bool {
    label.last().is_some_and(u8::is_ascii_digit)
}

/// `^[^.]*[0-9][^0-9.]+[0-9]`
fn digits_twice(label: &[u8]) -> bool {
    let Some(first) = label.iter().position(u8::is_ascii_digit) else { return false };
    let after = &label[first..];
    after.iter().position(|byte| !byte.is_ascii_digit()).is_some_and(|at| has_digit(&after[at..]))
}

/// `^([^.]+\.)?[0-9][^.]*\.[^.]+\..+\.[a-z]`
fn starts_with_digit(host: &[u8]) -> bool {
    let after_first = host.iter().position(|byte| *byte == b'.').filter(|at| *at > 0);
    [Some(host), after_first.map(|at| &host[at + 1..])].into_iter().flatten().any(|rest| {
        let mut labels = rest.splitn(3, |byte| *byte == b'.');
        let (Some([b'0'..=b'9', ..]), Some([_, ..]), Some(rest)) =
            (labels.next(), labels.next(), labels.next())
        else {
            return false;
        };
        let dots = rest.get(1..).unwrap_or_default().windows(2);
        dots.into_iter().any(|pair| pair[0] == b'.' && pair[1].is_ascii_lowercase())
    })
}

/// `^[^.]*[0-9]\.[^.]*[0-9]-[0-9]`
fn digit_dot_digit_dash(host: &[u8], label: &[u8]) -> bool {
    let second = second_label(host, label);
    ends_in_digit(label)
        && second
            .windows(3)
            .any(|three| three[0].is_ascii_digit() && three[1] == b'-' && three[2].is_ascii_digit())
}

/// `^[^.]*[0-9]\.[^.]*[0-9]\.[^.]+\..+\.`
fn digit_ends_two_labels(host: &[u8], label: &[u8]) -> bool {
    let mut labels = host.splitn(4, |byte| *byte == b'.').skip(1);
    let (Some(second), Some([_, ..]), Some(rest)) = (labels.next(), labels.next(), labels.next())
    else {
        return false;
    };
    let dotted = rest.get(1..).is_some_and(|rest| rest.contains(&b'.'));
    ends_in_digit(label) && ends_in_digit(second) && dotted
}

/// `^(dhcp|dialup|ppp|[achrsvx]?dsl)[^.]*[0-9]`
fn names_a_line(label: &[u8]) -> bool {
    let dsl = match label {
        [b'a' | b'c' | b'h' | b'r' | b's' | b'v' | b'x', rest @ ..] => rest,
        _ => label,
    };
    let rest = ["dhcp", "dialup", "ppp"]
        .iter()
        .find_map(|word| label.strip_prefix(word.as_bytes()))
        .or_else(|| dsl.strip_prefix(b"dsl"));
    rest.is_some_and(has_digit)
}

fn second_label<'a>(host: &'a [u8], first: &[u8]) -> &'a [u8] {
    let rest = host.get(first.len() + 1..).unwrap_or_default();
    rest.split(|byte| *byte == b'.').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use regex_automata::meta::Regex;

    use super::*;
    use crate::classify::testing::{TestWorld, assert_holds, assert_not};

    const PATTERNS: [&str; 6] = [
        r"^[^.]*[0-9][^0-9.]+[0-9]",
        r"^[^.]*[0-9]{5}",
        r"^([^.]+\.)?[0-9][^.]*\.[^.]+\..+\.[a-z]",
        r"^[^.]*[0-9]\.[^.]*[0-9]-[0-9]",
        r"^[^.]*[0-9]\.[^.]*[0-9]\.[^.]+\..+\.",
        r"^(dhcp|dialup|ppp|[achrsvx]?dsl)[^.]*[0-9]",
    ];

    #[test]
    fn names() {
        for (name, expected) in [
            ("220-139-165-188.dynamic.example.net", Some(1)),
            ("YahooBB220030220074.bbtec.example.net", Some(2)),
            ("398pkj.cm.chello.example.no", Some(3)),
            ("host.101.169.23.62.rev.example.com", Some(3)),
            ("wbar9.chi1-4-11-085-222.example.net", Some(4)),
            ("m226.net81-66-158.example.com", Some(4)),
            ("d5.GtokyoFL27.vectant.example.ne.jp", Some(5)),
            ("dhcp0339.vpm.resnet.example.edu", Some(6)),
            ("PPPbf708.tokyo-ip.dti.example.jp", Some(6)),
            ("adsl-1415.camtel.example.net", Some(6)),
            ("mail.example.org", None),
            ("mx1.example.jp", None),
            ("mail-ej1-x62e.google.example", Some(1)),
            ("", None),
            ("...", None),
        ] {
            assert_eq!(rule(name), expected, "{name}");
        }
    }

    proptest! {
        #[test]
        fn as_the_patterns(name in "((dhcp|ppp|adsl|dsl|[0-9]{1,5}|[a-z])|[-.A-Z0-9]){0,12}") {
            let fits = |pattern: &&str| {
                Regex::new(&format!("(?i){pattern}")).expect("they are valid").is_match(&name)
            };
            let expected = PATTERNS.iter().position(fits).map(|at| at as u8 + 1);
            prop_assert_eq!(rule(&name), expected, "{}", name);
        }
    }

    #[test]
    fn clients() {
        let line = |client: &str| {
            format!("Received: from pc ({client}) by mx (Postfix) with ESMTP id 1; x\n\n")
        };
        let world = TestWorld::default();
        let missing = "the client [192.0.2.1] has no reverse name";
        assert_holds(&S25R, &line("unknown [192.0.2.1]"), &world, missing);
        assert_holds(
            &S25R,
            &line("ppp1.example.net [192.0.2.1]"),
            &world,
            "the client's name `ppp1.example.net` fits S25R rule 6; on its own that says little",
        );
        assert_not(&S25R, &line("mail.example.org [192.0.2.1]"), &world);
        assert_not(&S25R, &line("mail-lf1-f69.google.com [192.0.2.1]"), &world);
        let proven = "Authentication-Results: mx; dmarc=pass header.from=b.example\nReceived: from pc (a1b2.example.net [192.0.2.1]) by mx (Postfix) with ESMTP id 1; x\nFrom: a@b.example\n\n";
        let trusting = TestWorld { trust: &["mx"], ..TestWorld::default() };
        assert_not(&S25R, proven, &trusting);
        assert_not(&S25R, "Received: by mx (Postfix, from userid 0) id 1; x\n\n", &world);
        assert_not(&S25R, "\n", &world);
        let variables = [("CLIENT_ADDRESS", "192.0.2.1"), ("CLIENT_HOSTNAME", "unknown")];
        assert_holds(&S25R, "\n", &TestWorld { variables: &variables, ..world }, missing);
    }
}
