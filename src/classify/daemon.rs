//! `daemon`: a mail system or a system account is the sender.
//!
//! Signs are the null reverse-path (RFC 5321 §4.5.5), or a sender whose address
//! or name is that of a mail system (RFC 2142 §5, RFC 6522) or of an account from
//! which no person writes. Precedence and list headers say nothing here.

use crate::message::address::Address;
use crate::message::head::{Head, from_line_sender};
use crate::message::{fold, path};

use super::words::daemons;
use super::{Classifier, Mail};

/// A mail system or a system account.
pub const DAEMON: Classifier = Classifier {
    name: "daemon",
    absent: "no null sender, MAILER-DAEMON, postmaster or system account",
    find: |mail| Ok(find(mail)),
};

fn find(mail: &Mail<'_>) -> Option<String> {
    if null_sender(mail) {
        return Some("the envelope sender is null".to_owned());
    }
    mail_system(mail).or_else(|| account(mail)).or_else(|| header(mail.message.head()))
}

/// Whether the envelope sender is `<>`. If it is unknown, the topmost Return-Path
/// decides (RFC 5321 §4.4), otherwise the `From ` line.
pub fn null_sender(mail: &Mail<'_>) -> bool {
    if let Some(sender) = &mail.envelope_sender {
        return sender.is_empty();
    }
    if let Some(path) = mail.message.head().first("return-path") {
        return path::reverse(&String::from_utf8_lossy(path)).is_empty();
    }
    let sender = mail.message.from_line().and_then(from_line_sender);
    sender.is_some_and(|sender| path::reverse(sender).is_empty())
}

/// Whether a local part, in lower case, is that of a mail system.
pub(super) fn is_system(local: &str) -> bool {
    daemons::SYSTEMS.contains(&local)
}

/// Evidence that the sender is a mail system.
pub fn mail_system(mail: &Mail<'_>) -> Option<String> {
    for header in ["from", "sender", "x-envelope-from"] {
        for address in mail.message.addresses(header).iter() {
            let local = fold::fold(&address.local);
            let name = address.name.as_deref().map(fold::fold).unwrap_or_default();
            if daemons::SYSTEMS.contains(&&*local)
                || daemons::SYSTEM_NAMES.iter().any(|known| name.starts_with(known))
            {
                return Some(speaks(header, address));
            }
        }
    }
    let from = mail.message.texts("from");
    let from = from.first()?.folded();
    // An empty address, or only a name.
    let bare = from.trim_matches(|c: char| matches!(c, '<' | '>' | '"') || c.is_whitespace());
    let named = |names: &[&str]| names.iter().any(|name| bare.starts_with(name));
    (bare.is_empty()
        || !from.contains('@') && (named(daemons::SYSTEMS) || named(daemons::SYSTEM_NAMES)))
    .then(|| format!("From is `{from}`"))
}

fn account(mail: &Mail<'_>) -> Option<String> {
    for header in ["from", "sender"] {
        let addresses = mail.message.addresses(header);
        let account = addresses
            .iter()
            .find(|address| daemons::ACCOUNTS.contains(&&*fold::fold(&address.local)));
        if let Some(account) = account {
            return Some(speaks(header, account));
        }
    }
    let name = mail
        .message
        .addresses("from")
        .first()?
        .name
        .as_deref()
        .map(|name| fold::fold(name).into_owned())?;
    matches!(&*name, "cron daemon" | "anacron" | "system administrator" | "charlie root")
        .then(|| format!("From names `{name}`"))
}

/// Headers that only machines write.
fn header(head: &Head) -> Option<String> {
    let content_type = head.content_type();
    let report = content_type.get("report-type").unwrap_or_default();
    if report.eq_ignore_ascii_case("delivery-status")
        || content_type.value == "message/delivery-status"
    {
        return Some("it is a delivery status notification".to_owned());
    }
    ["X-Cron-Env", "X-Failed-Recipients"]
        .iter()
        .find(|name| head.first(name).is_some())
        .map(|name| format!("it has {name}"))
}

fn speaks(header: &str, address: &Address) -> String {
    let header = match header {
        "from" => "From",
        "sender" => "Sender",
        _ => "X-Envelope-From",
    };
    format!("{header} is {}", address.display())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::classify::testing::{evidence, finds, mail, message};

    #[test]
    fn mail_systems_and_accounts() {
        let daemon = message("From: Mail Delivery System <MAILER-DAEMON@mx.example>\n\n");
        assert_eq!(
            evidence(&DAEMON, &daemon).as_deref(),
            Some("From is Mail Delivery System <MAILER-DAEMON@mx.example>")
        );
        assert!(finds(&DAEMON, &message("From: MAILER-DAEMON <>\n\n")));
        assert!(finds(&DAEMON, &message("From: <>\n\n")));
        assert!(finds(&DAEMON, &message("From: mailer-daemon\n\n")));
        assert!(finds(&DAEMON, &message("From: post_master@mms.example\n\n")));
        let report = "Content-Type: multipart/report; report-type=delivery-status; boundary=b";
        assert!(finds(&DAEMON, &message(&format!("From: Mail <x@b.example>\n{report}\n\n"))));
        assert!(finds(&DAEMON, &message("From: root@host.example (Cron Daemon)\n\n")));
    }

    #[test]
    fn the_null_sender() {
        assert!(finds(&DAEMON, &message("Return-Path: <>\nFrom: a@b.example\n\n")));
        assert!(finds(
            &DAEMON,
            &message("From MAILER-DAEMON Mon Jan  1 00:00:00 2024\nFrom: a@b.example\n\n")
        ));
        let named = message("Return-Path: <>\nFrom: a@b.example\n\n");
        let mut known = mail(&named);
        known.envelope_sender = Some("a@b.example".to_owned());
        assert_eq!((DAEMON.find)(&known), Ok(None));
    }

    #[test]
    fn people_and_lists_are_none() {
        for header in [
            "From: Hanako <hanako@mail.example>",
            "From: Root Beer <beer@shop.example>",
            "From: a@b.example\nSender: owner-rust@lists.example\nPrecedence: list",
            "From: bugzilla-daemon@bugs.example",
            "From: systems@b.example",
        ] {
            assert!(!finds(&DAEMON, &message(&format!("{header}\n\n"))), "{header}");
        }
    }
}
