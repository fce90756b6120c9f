//! `mailing-list`: discussion lists; and `list-id`, the list's identifier.
//!
//! Forums and trackers that send what people write (Discourse, GitHub, GitLab)
//! are lists too: they name one, and an answer goes to all. Newsletters are
//! none, though their services give List-Id. What no list manager has written
//! in is [`list_copy`]'s.
//!
//! RFC 2919 (List-Id), RFC 2369 (List-Post and its kin), and what list
//! managers wrote before and still write: Mailman, fml, ezmlm, Sympa,
//! Majordomo, SmartList, Listserv, Lyris, CommuniGate, Ecartis, Google Groups,
//! Yahoo Groups, LetterRip, ListSTAR.

use memchr::memmem;

use super::list_address::list_id;
use super::look::folded;
use super::{Classifier, Mail, daemon, list_copy, list_name};
use crate::message::Message;

/// A discussion list.
pub const MAILING_LIST: Classifier = Classifier {
    name: "mailing-list",
    description: "mail of a discussion list",
    find: |mail| Ok(evidence(mail).or_else(|| list_copy::evidence(mail))),
};

/// What shows that it came through a discussion list.
pub fn evidence(mail: &Mail<'_>) -> Option<String> {
    let message = mail.message;
    let posts = message.texts("list-post");
    // RFC 2369 §3.4: `NO` where no one may post; a page is for readers of a newsletter.
    let may_post = |post: &&str| post.to_ascii_lowercase().contains("mailto:");
    let post = posts.first().map(|text| text.text()).filter(may_post);
    let closed = !posts.is_empty() && post.is_none();
    if let Some(id) = list_id(message).filter(|_| !closed)
        && (post.is_some() || !sent_by_campaign(message))
    {
        return Some(format!("List-Id names {id}"));
    }
    if let Some(post) = post {
        return Some(format!("List-Post: {post}"));
    }
    if let Some(mark) = software(message).filter(|_| keeper(message).is_none()) {
        return Some(mark);
    }
    // A bounce to a list, or one of its mail, has some of what follows.
    if daemon::mail_system(mail).is_some() {
        return None;
    }
    sender(mail).or_else(|| subject(message))
}

/// Headers of services that send newsletters.
const CAMPAIGN: &[&str] = &[
    "List-Unsubscribe-Post",
    "Feedback-ID",
    "X-Feedback-ID",
    "X-CSA-Complaints",
    "CFBL-Address",
    "X-MC-User",
    "X-Mandrill-User",
    "X-Campaign",
    "X-CampaignID",
    "X-Campaign-ID",
    "X-Mailer-RecptId",
    "X-SFMC-Stack",
    "X-HS-CID",
];

/// Headers of what passes on what people write, one-click links or not: list
/// managers, forums, trackers of work.
const RELAYED: &[&str] = &[
    "Mailing-List",
    "X-BeenThere",
    "X-Mailman-Version",
    "List-Archive",
    "List-Subscribe",
    "X-GitHub-Reason",
    "X-GitHub-Sender",
    "X-GitLab-Project",
    "X-Gitea-Reason",
    "X-Forgejo-Reason",
    "X-Discourse-Topic-Id",
    "X-Google-Group-Id",
];

/// Newsletter services give List-Id too; no one can post there.
fn sent_by_campaign(message: &Message) -> bool {
    let has = |names: &[&str]| names.iter().any(|name| message.head().first(name).is_some());
    has(CAMPAIGN) && !has(RELAYED)
}

/// Headers that only list managers write.
const MARKS: &[&str] = &[
    "Mailing-List",
    "X-Mailing-List",
    "X-BeenThere",
    "X-Mailman-Version",
    "X-ML-Name",
    "X-MLServer",
    "X-ML-Info",
    "X-Mail-Count",
    "X-ML-Count",
    "X-List-Id",
    "X-Listname",
    "X-List-Name",
    "X-ListName",
    "X-Mailinglist",
    "X-Mailing-List-Name",
    "X-List-Software",
    "X-ListServer",
    "X-List-Post",
    "X-List-Subscribe",
    "X-List-Host",
    "X-Lyris-To",
    "X-Lyris-MessageID",
    "X-ecartis-version",
    "X-listar-version",
    "X-Google-Group-Id",
    "X-Google-Loop",
    "X-eGroups-Return",
    "X-eGroups-Approved-By",
    "X-Topica-Id",
    "X-SmartList-Version",
    "X-Original-List-ID",
    "X-QuickML",
    "X-LSV-ListID",
    "X-Sympa-To",
    "X-MLMMJ-Version",
    "Archived-At",
    "List-Software",
    "List-Digest",
    "List-Archive",
    "List-Subscribe",
    "List-Sequence",
    "X-Mailer-ListServer",
];

fn software(message: &Message) -> Option<String> {
    let head = message.head();
    if let Some(mark) = MARKS.iter().find(|name| head.first(name).is_some()) {
        return Some(format!("it has {mark}"));
    }
    let delivered = message.texts("delivered-to");
    if let Some(list) = delivered.iter().find(|text| text.folded().starts_with("mailing list ")) {
        return Some(format!("Delivered-To: {}", list.text()));
    }
    let received =
        |mark: &[u8]| head.values("received").any(|value| memmem::find(value, mark).is_some());
    if received(b"(LISTSERV-TCP/IP ") || received(b"(LISTSERV ") {
        return Some("Received by Listserv".to_owned());
    }
    if received(b"with ECARTIS (") || received(b"with LISTAR (") {
        return Some("Received by Ecartis".to_owned());
    }
    if head.first("message-id").is_some_and(is_lyris_id) {
        return Some("the Message-ID is one of Lyris".to_owned());
    }
    let to = folded(message, "to");
    to.starts_with("multiple recipients of ").then(|| format!("To: {to}"))
}

/// fml writes as the list's keeper to those whose mail it turns away; what
/// goes to the list is counted.
pub(super) fn keeper(message: &Message) -> Option<String> {
    let from = message.addresses("from");
    let keeper = from.first().filter(|from| from.local.to_lowercase().ends_with("-admin"))?;
    let counted = message.head().first("x-mail-count").is_some();
    let fml = folded(message, "x-mlserver").starts_with("fml") && !counted;
    fml.then(|| format!("{} speaks for fml", keeper.address()))
}

fn is_lyris_id(id: &[u8]) -> bool {
    let id = id.trim_ascii_start();
    [&b"<LYRIS-"[..], b"<LYR", b"<LISTMANAGER-"].iter().any(|start| {
        id.strip_prefix(*start).is_some_and(|rest| rest.first().is_some_and(u8::is_ascii_digit))
    })
}

/// A sender such as lists have, beside a Precedence.
fn sender(mail: &Mail<'_>) -> Option<String> {
    let message = mail.message;
    let precedence = folded(message, "precedence");
    if precedence == "list" {
        return Some("Precedence: list".to_owned());
    }
    let (header, list) = list_name::by_sender(mail)?;
    let addressed = ["to", "cc", "reply-to"].iter().any(|header| {
        message.addresses(header).iter().any(|address| address.local.eq_ignore_ascii_case(&list))
    });
    (matches!(precedence.as_str(), "bulk" | "junk") || addressed)
        .then(|| format!("{header} is the owner of {list}"))
}

/// `[name] …` to `name@…`.
fn subject(message: &Message) -> Option<String> {
    let name = list_name::by_subject(message)?;
    Some(format!("the subject is marked [{name}] and To names {name}"))
}

#[cfg(test)]
mod tests {
    use super::MAILING_LIST;
    use crate::classify::list_address::list_id;
    use crate::classify::testing::{evidence, finds, message};

    #[test]
    fn list_id_and_list_post() {
        let mailman = message("From: a@b.example\nList-Id: Rust people\n <rust.lists.example>\n\n");
        assert_eq!(
            evidence(&MAILING_LIST, &mailman).as_deref(),
            Some("List-Id names rust.lists.example")
        );
        assert_eq!(
            list_id(&message("List-Id: rust.lists.example\n\n")).as_deref(),
            Some("rust.lists.example")
        );
        assert_eq!(list_id(&message("List-Id: <>\n\n")), None);
        assert!(finds(&MAILING_LIST, &message("List-Post: <mailto:rust@lists.example>\n\n")));
    }

    #[test]
    fn managers_without_list_id() {
        for header in [
            "Mailing-List: contact rust-help@lists.example; run by ezmlm",
            "X-ML-Name: rust\nX-MLServer: fml [fml 4.0]",
            "Sender: owner-rust@lists.example\nPrecedence: bulk",
            "Sender: owner-rust@lists.example\nTo: rust@lists.example",
            "Return-Path: <rust-return-12-taro=example.jp@lists.example>\nTo: rust@lists.example",
            "Received: from a.example by a.example (LISTSERV-TCP/IP release 1.8d) with spool id 1",
            "Received: with ECARTIS (v1.0.0; list rust); Tue, 06 Dec 2011 01:49:42 +0100",
            "Delivered-To: mailing list rust@lists.example",
            "To: rust@lists.example\nSubject: Re: [rust] hello",
            "Precedence: list",
        ] {
            assert!(
                finds(&MAILING_LIST, &message(&format!("From: a@b.example\n{header}\n\n"))),
                "{header}"
            );
        }
    }

    #[test]
    fn newsletters_and_people_are_none() {
        for header in [
            "List-Unsubscribe: <https://shop.example/u>\nPrecedence: bulk",
            "List-Id: <1234.news.shop.example>\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\nFeedback-ID: 1:shop",
            "Sender: owner-of-a-shop@shop.example\nTo: taro@example.jp",
            "To: rust@mail.example\nSubject: [urgent] hello",
            "Sender: MAILER-DAEMON@mx.example\nTo: rust@lists.example\nSubject: [rust] Mail delivery failed",
        ] {
            assert!(
                !finds(&MAILING_LIST, &message(&format!("From: a@b.example\n{header}\n\n"))),
                "{header}"
            );
        }
    }
}
