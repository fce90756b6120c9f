//! Mail of a list's discussion in which no list manager has written: a copy that
//! its sender addressed to the list and to someone else, one from a list's
//! archive, and patches, which are mailed to lists for review.

use memchr::memmem;

use super::input::folded;
use super::words::lists;
use super::{Mail, daemon, list_address};
use crate::message::Message;
use crate::message::address::Address;
use crate::message::fold;

/// Why the message is one of these.
pub fn evidence(mail: &Mail<'_>) -> Option<String> {
    if daemon::null_sender(mail) || daemon::mail_system(mail).is_some() {
        return None;
    }
    archive(mail.message).or_else(|| to_list(mail)).or_else(|| patch(mail))
}

/// The list's name, if an address or the subject names it.
pub fn name(mail: &Mail<'_>) -> Option<String> {
    if let Some((_, address)) = list_address(mail) {
        return Some(address.local);
    }
    let subject = folded(mail.message, "subject");
    list_tag(&subject).map(|_| {
        // As it was written.
        let texts = mail.message.texts("subject");
        let text = texts.first().map(|text| text.text()).unwrap_or_default();
        tags(text).next().unwrap_or_default().to_owned()
    })
}

/// public-inbox writes this line in everything that it exports, MARC a header.
fn archive(message: &Message) -> Option<String> {
    if message.from_line().is_some_and(|line| line.starts_with(b"From mboxrd@z ")) {
        return Some("it is from an archive of public-inbox".to_owned());
    }
    let marc = message.head().first("x-marc-message").is_some();
    marc.then(|| "it has X-MARC-Message".to_owned())
}

fn to_list(mail: &Mail<'_>) -> Option<String> {
    let (header, address) = list_address(mail)?;
    Some(format!("{header} names {}, on a host for mailing lists", address.address()))
}

/// The first address in To or Cc that is a list's, judging by its host.
fn list_address(mail: &Mail<'_>) -> Option<(&'static str, Address)> {
    for (header, shown) in [("to", "To"), ("cc", "Cc")] {
        let addresses = mail.message.addresses(header);
        let list = addresses.iter().find(|address| {
            is_list_host(&fold::fold(&address.domain))
                && !list_address::takes_commands(&fold::fold(&address.local))
                && !mail.me.is_some_and(|me| me(address))
        });
        if let Some(list) = list {
            return Some((shown, list.clone()));
        }
    }
    None
}

/// Whether only lists have addresses on a host.
pub(super) fn is_list_host(domain: &str) -> bool {
    let first = domain.split('.').next().unwrap_or_default();
    lists::HOST_LABELS.contains(&first) && first != domain
        || lists::HOSTS.iter().any(|host| {
            let below = domain.strip_suffix(host);
            below.is_some_and(|below| below.is_empty() || below.ends_with('.'))
        })
}

/// Sent by a tool for patches, marked as a patch, and not sent to the user alone.
fn patch(mail: &Mail<'_>) -> Option<String> {
    let message = mail.message;
    let subject = folded(message, "subject");
    if let Some(tag) = list_tag(&subject) {
        return Some(format!("the subject is marked [{tag}] before [PATCH]"));
    }
    if !tags(&subject).any(is_patch_tag) {
        return None;
    }
    let tool = tool(message)?;
    let to_me = |header: &str| mail.me.is_some_and(|me| message.addresses(header).iter().any(me));
    (!to_me("to") && !to_me("cc"))
        .then(|| format!("a patch by {tool}, which are mailed to lists for review"))
}

fn tool(message: &Message) -> Option<&'static str> {
    let head = message.head();
    for header in ["x-mailer", "user-agent"] {
        let mailer = folded(message, header);
        let found = [
            ("git-send-email", "git send-email"),
            ("mercurial-patchbomb", "Mercurial's patchbomb"),
            ("stgit", "StGit"),
            ("b4 ", "b4"),
        ];
        if let Some((_, tool)) = found.iter().find(|(start, _)| mailer.starts_with(start)) {
            return Some(tool);
        }
    }
    if head.first("x-mercurial-node").is_some() {
        return Some("Mercurial");
    }
    // `From <commit> Mon Sep 17 00:00:00 2001`
    let line = message.from_line()?;
    let by_git = memmem::find(line, b" Mon Sep 17 00:00:00 2001").is_some_and(|end| {
        end == 45 && line.get(5..end).unwrap_or_default().iter().all(u8::is_ascii_hexdigit)
    });
    by_git.then_some("git format-patch")
}

/// The tag that a list manager put before the patch's own.
fn list_tag(subject: &str) -> Option<&str> {
    let mut tags = tags(subject);
    let first = tags.next()?;
    let plain = !first.is_empty() && !first.contains(char::is_whitespace);
    (plain && !is_patch_tag(first) && tags.next().is_some_and(is_patch_tag)).then_some(first)
}

/// `PATCH v2 1/4`, `RFC PATCH`, `GIT PULL`
fn is_patch_tag(tag: &str) -> bool {
    let tag = fold::fold(tag);
    tag == "git pull" || tag.split(|c: char| !c.is_alphanumeric()).any(|word| word == "patch")
}

/// The texts in brackets at the start of a subject.
fn tags(subject: &str) -> impl Iterator<Item = &str> {
    let mut rest = subject;
    while let Some((start, after)) = rest.split_at_checked(3)
        && start.eq_ignore_ascii_case("re:")
    {
        rest = after.trim_start();
    }
    std::iter::from_fn(move || {
        let (tag, after) = rest.strip_prefix('[')?.split_once(']')?;
        rest = after.trim_start();
        Some(tag)
    })
}

#[cfg(test)]
mod tests {
    use crate::classify::list_name;
    use crate::classify::mailing_list::MAILING_LIST;
    use crate::classify::testing::{evidence as found, finds, mail, message};

    #[track_caller]
    fn check(header: &str, evidence: &str, named: Option<&str>) {
        let message = message(&format!("{header}\n\n"));
        assert_eq!(found(&MAILING_LIST, &message).as_deref(), Some(evidence), "{header}");
        assert_eq!(list_name::list_name(&mail(&message)).as_deref(), named, "{header}");
    }

    #[test]
    fn copies_and_patches() {
        check(
            "From: a@b.example\nTo: c@d.example\nCc: Rust <rust@lists.example.org>",
            "Cc names rust@lists.example.org, on a host for mailing lists",
            Some("rust"),
        );
        check(
            "From: a@b.example\nTo: linux-foo@vger.kernel.org\nSubject: [PATCH] x",
            "To names linux-foo@vger.kernel.org, on a host for mailing lists",
            Some("linux-foo"),
        );
        check(
            "From: a@b.example\nSubject: Re: [Rust] [RFC PATCH v2 1/3] x",
            "the subject is marked [rust] before [PATCH]",
            Some("Rust"),
        );
        check(
            "From: a@b.example\nTo: c@d.example\nSubject: [PATCH 1/2] x\nX-Mailer: git-send-email 2.40",
            "a patch by git send-email, which are mailed to lists for review",
            None,
        );
        check(
            "From 0123456789abcdef0123456789abcdef01234567 Mon Sep 17 00:00:00 2001\nFrom: a@b.example\nSubject: [PATCH] x",
            "a patch by git format-patch, which are mailed to lists for review",
            None,
        );
        check(
            "From mboxrd@z Thu Jan  1 00:00:00 1970\nFrom: a@b.example\nTo: c@d.example",
            "it is from an archive of public-inbox",
            None,
        );
    }

    #[test]
    fn what_is_to_people() {
        for header in [
            "From: a@b.example\nTo: rust-request@lists.example.org",
            "From: a@b.example\nTo: majordomo@lists.example.org",
            "From: a@b.example\nTo: someone@lists",
            "From: a@b.example\nTo: someone@mylists.example",
            "From: a@b.example\nTo: c@d.example\nSubject: [PATCH] x",
            "From: a@b.example\nTo: c@d.example\nSubject: [sale] [today] x",
            "From: a@b.example\nTo: taro@example.jp\nSubject: [PATCH] x\nX-Mailer: git-send-email 2.40",
            "Return-Path: <>\nFrom: a@b.example\nTo: rust@lists.example.org",
        ] {
            assert!(!finds(&MAILING_LIST, &message(&format!("{header}\n\n"))), "{header}");
        }
    }
}
