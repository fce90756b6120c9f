//! `pretender`: From shows someone whom the user knows, but with another address.
//!
//! The display name is that of a person in an address book or of someone the user
//! has written to, or it contains an address of theirs; or the domain looks like
//! a known one. What a sender writes is not believed, but an address that is
//! really theirs does not count here, whoever wrote: `verified` checks that.

use crate::classify::people::{People, is_one_organization};
use crate::classify::{Classifier, Mail};
use crate::message::address::{self, Address};
use crate::message::domain::canonical;
use crate::message::fold::fold;

/// `pretender`
pub const PRETENDER: Classifier = Classifier {
    name: "pretender",
    absent: "From shows no name, address or domain of somebody you know that is not theirs",
    find,
};

/// How many authors are looked at.
const MOST_AUTHORS: usize = 20;

fn find(mail: &Mail<'_>) -> Result<Option<String>, String> {
    let people = (mail.people)()?;
    let from = mail.message.addresses("from");
    let is_me = |address: &&Address| mail.me.is_some_and(|me| me(address));
    let others = from.iter().take(MOST_AUTHORS).filter(|address| !is_me(address));
    Ok(others.filter(|address| !address.domain.is_empty()).find_map(|from| judge(from, &people)))
}

fn judge(from: &Address, people: &People) -> Option<String> {
    let address = from.canonical();
    if people.has(&address) {
        return None;
    }
    let domain = canonical(&from.domain);
    let name = from.name.as_deref().unwrap_or_default();
    let shown = || from.address();
    if let Some(theirs) = people.other_of_name(name, &domain) {
        return Some(format!(
            "From is `{name}`, whom you know as `{theirs}`, but wrote as `{}`",
            shown()
        ));
    }
    if let Some(inside) = address_in_name(name)
        && people.has_or_could(&inside)
        && !inside.rsplit_once('@').is_some_and(|(_, inside)| is_one_organization(inside, &domain))
    {
        return Some(format!("From shows `{inside}` as its name, but wrote as `{}`", shown()));
    }
    let known = people.imitated(&domain)?;
    Some(format!("From's domain `{domain}` looks like `{known}`, which you know"))
}

/// The address that a display name shows. A name with `via` tells people that
/// someone else passes the mail on, as lists do.
fn address_in_name(name: &str) -> Option<String> {
    let folded = fold(name);
    let mut words = folded.split(|c: char| c.is_whitespace() || "<>()[]\"',;:".contains(c));
    if words.clone().any(|word| matches!(word, "via" | "経由")) {
        return None;
    }
    let inside = words.find(|word| {
        word.split_once('@').is_some_and(|(local, host)| !local.is_empty() && host.contains('.'))
    })?;
    Some(address::canonical(inside.trim_matches('.')).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::classify::testing::{self, TestWorld, assert_holds, assert_not};

    const WORLD: TestWorld<'_> = TestWorld {
        trust: &[],
        relays: &[],
        variables: &[],
        envelope_sender: None,
        has_long_sender: false,
        spam_score_header: None,
        people: &[
            ("hanako@example.org", "Hanako Yamada"),
            ("hanako@home.example", "Hanako Yamada"),
            ("h.sato@bank-example.com", "佐藤 博"),
            ("office@partner.example", "Partner Support"),
            ("jiro@gmail.com", "Jiro Suzuki"),
            ("gone@old.example", ""),
        ],
    };

    #[test]
    fn senders_who_pretend_to_be_somebody() {
        for (from, evidence) in [
            (
                "Hanako Yamada <h.yamada@gmail.com>",
                "From is `Hanako Yamada`, whom you know as `hanako@example.org`, but wrote as `h.yamada@gmail.com`",
            ),
            (
                "Jiro Suzuki <jiro77@gmail.com>",
                "From is `Jiro Suzuki`, whom you know as `jiro@gmail.com`, but wrote as `jiro77@gmail.com`",
            ),
            (
                "\"jiro@gmail.com\" <jiro77@gmail.com>",
                "From shows `jiro@gmail.com` as its name, but wrote as `jiro77@gmail.com`",
            ),
            (
                "=?utf-8?b?5L2Q6Jek5Y2a?= <x@evil.example>",
                "From is `佐藤博`, whom you know as `h.sato@bank-example.com`, but wrote as `x@evil.example`",
            ),
            (
                "\"hanako@example.org\" <x@evil.example>",
                "From shows `hanako@example.org` as its name, but wrote as `x@evil.example`",
            ),
            (
                "\"Boss (boss@example.jp)\" <x@evil.example>",
                "From shows `boss@example.jp` as its name, but wrote as `x@evil.example`",
            ),
            (
                "\"h\u{430}nako@example.org\" <x@evil.example>",
                "From shows `h\u{430}nako@example.org` as its name, but wrote as `x@evil.example`",
            ),
            (
                "\"boss@examp1e.jp\" <x@evil.example>",
                "From shows `boss@examp1e.jp` as its name, but wrote as `x@evil.example`",
            ),
            (
                "Someone <x@bank-examp1e.com>",
                "From's domain `bank-examp1e.com` looks like `bank-example.com`, which you know",
            ),
        ] {
            assert_holds(&PRETENDER, &format!("From: {from}\n\n"), &WORLD, evidence);
        }
    }

    #[test]
    fn who_does_not() {
        for from in [
            "Hanako Yamada <hanako@home.example>",
            "Hanako Yamada <other@mail.example.org>",
            "Jiro Suzuki <Jiro@gmail.com>",
            "Hanako <x@evil.example>",
            "Partner Support <x@evil.example>",
            "Hanako Yamada via Lists <list@lists.example>",
            "\"hanako@example.org via Lists\" <list@lists.example>",
            "\"x@stranger.example\" <y@stranger.example>",
            "\"x@stranger.example\" <y@other.example>",
            "Taro <taro@example.jp>",
            "Hanako Yamada",
            "",
        ] {
            assert_not(&PRETENDER, &format!("From: {from}\n\n"), &WORLD);
        }
        let message = testing::message("From: a@b.example\n\n");
        assert!((PRETENDER.find)(&testing::mail(&message)).is_err());
    }
}
