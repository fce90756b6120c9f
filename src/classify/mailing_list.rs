//! `mailing-list`: discussion lists; and `list-id`, the list's identifier.
//!
//! Forums and trackers that send what people write (Discourse, GitHub, GitLab)
//! are lists too: they name a list, and an answer goes to everyone. Newsletters
//! are not, though their services write a List-Id. Mail in which no list manager
//! has written belongs to [`list_copy`].
//!
//! Signs are RFC 2919 (List-Id), RFC 2369 (List-Post and its relatives), and what
//! list managers wrote before and still write: Mailman, fml, ezmlm, Sympa,
//! Majordomo, SmartList, Listserv, Lyris, CommuniGate, Ecartis, Google Groups,
//! Yahoo Groups, LetterRip, ListSTAR.

use memchr::memmem;

use super::input::folded;
use super::list_address::list_id;
use super::words::{bounces, find, lists, plain};
use super::{Classifier, Mail, daemon, list_copy, list_name};
use crate::message::Message;

/// A discussion list.
pub const MAILING_LIST: Classifier = Classifier {
    name: "mailing-list",
    absent: "no header of a list's posting",
    find: |mail| Ok(evidence(mail).or_else(|| list_copy::evidence(mail))),
};

/// What shows that the message came through a discussion list.
pub fn evidence(mail: &Mail<'_>) -> Option<String> {
    let message = mail.message;
    if returns_mail(mail) {
        return None;
    }
    let posts = message.texts("list-post");
    // RFC 2369 §3.4: `NO` if no one may post; a web page is for readers of a newsletter.
    let may_post = |post: &&str| post.to_ascii_lowercase().contains("mailto:");
    let post = posts.first().map(|text| text.text()).filter(may_post);
    let closed = !posts.is_empty() && post.is_none();
    if let Some(id) = list_id(message).filter(|_| !closed)
        && (post.is_some() || is_of_discussion(mail, &id))
    {
        return Some(format!("List-Id names {id}"));
    }
    if let Some(post) = post {
        return Some(format!("List-Post: {post}"));
    }
    if let Some(mark) = software(message).filter(|_| keeper(message).is_none()) {
        return Some(mark);
    }
    // A bounce to a list, or of a list's mail, has some of the signs below.
    if daemon::mail_system(mail).is_some() {
        return None;
    }
    sender(mail).or_else(|| subject(mail))
}

/// A bounce that a list passes on to its owner.
fn returns_mail(mail: &Mail<'_>) -> bool {
    daemon::mail_system(mail).is_some()
        && find(bounces::SUBJECTS, &plain(&folded(mail.message, "subject"))).is_some()
}

fn has(message: &Message, names: &[&str]) -> bool {
    names.iter().any(|name| message.head().first(name).is_some())
}

/// Newsletter services write a List-Id too, so something else must show that
/// people write to each other: software, a forum, commands by mail, the list's
/// address, an answer.
fn is_of_discussion(mail: &Mail<'_>, id: &str) -> bool {
    let message = mail.message;
    if has(message, lists::HEADERS_OF_LISTS) || has(message, lists::HEADERS_OF_FORUMS) {
        return true;
    }
    if is_campaign(message) {
        return false;
    }
    let id = id.to_lowercase();
    let (name, domain) = id.split_once(['.', '@']).unwrap_or((&id, ""));
    // A service numbers its newsletters, also in addresses that nobody writes to.
    let is_number = list_name::is_number(name);
    let writes_to = |header: &str| {
        let addresses = message.addresses(header);
        addresses.iter().any(|address| {
            let local = address.local.to_lowercase();
            local == name || list_name::returned_to(&local) == Some(name)
        })
    };
    let commands = ["list-subscribe", "list-unsubscribe", "list-help", "list-owner"];
    let takes_commands = commands.iter().any(|header| {
        let value = folded(message, header);
        value.contains(&format!("mailto:{name}-")) || value.contains(&format!("mailto:{name}+"))
    });
    let subject = folded(message, "subject");
    let sends = || ["sender", "return-path"].iter().any(|header| writes_to(header));
    !is_number && (takes_commands || sends())
        || folded(message, "precedence") == "list"
        || writes_to("to")
        || writes_to("cc")
        || list_copy::is_list_host(domain)
        || subject.starts_with(&format!("[{name}]"))
        || !is_number && subject.starts_with("re:")
}

/// Whether headers show mass mail; lists have some of them too.
fn is_campaign(message: &Message) -> bool {
    has(message, lists::HEADERS_OF_CAMPAIGNS)
}

fn software(message: &Message) -> Option<String> {
    let head = message.head();
    if let Some(mark) = lists::HEADERS_OF_LISTS.iter().find(|name| head.first(name).is_some()) {
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

/// fml writes in the name of the list's keeper to those whose mail it rejects;
/// mail to the list has a counter.
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

/// A sender such as lists have, together with a Precedence.
fn sender(mail: &Mail<'_>) -> Option<String> {
    let message = mail.message;
    let precedence = folded(message, "precedence");
    let to_be_left = has(message, &["List-Unsubscribe"]) || is_campaign(message);
    if precedence == "list" && !to_be_left {
        return Some("Precedence: list".to_owned());
    }
    let (header, list) = list_name::by_sender(mail)?;
    let addressed = ["to", "cc", "reply-to"].iter().any(|header| {
        message.addresses(header).iter().any(|address| address.local.eq_ignore_ascii_case(&list))
    });
    let bulk = matches!(precedence.as_str(), "bulk" | "junk") && !to_be_left;
    (bulk || addressed).then(|| format!("{header} is the owner of {list}"))
}

/// `[name] …` to `name@…`; without a counter not to the user: `[support] a question`
/// with a copy to `support@…`.
fn subject(mail: &Mail<'_>) -> Option<String> {
    let message = mail.message;
    let name = list_name::by_subject(message)?;
    let subject = folded(message, "subject");
    let tag = subject.split([']', ')']).next().unwrap_or_default();
    let is_counted = tag.trim_end().ends_with(|c: char| c.is_ascii_digit());
    let to_me = || mail.me.is_some_and(|me| message.addresses("to").iter().any(me));
    if !is_counted && to_me() {
        return None;
    }
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
            "List-Id: <planning.corp.example>\nSubject: Re: planning",
            "List-Id: <rust.club.example>\nTo: rust@club.example",
            "List-Id: <rust.club.example>\nList-Subscribe: <mailto:rust+subscribe@club.example>",
            "List-Id: <33.rust.gitlab.example>\nX-GitLab-Project: rust\nList-Unsubscribe-Post: List-Unsubscribe=One-Click",
        ] {
            assert!(
                finds(&MAILING_LIST, &message(&format!("{header}\nFrom: a@b.example\n\n"))),
                "{header}"
            );
        }
    }

    #[test]
    fn newsletters_and_people_are_none() {
        for header in [
            "List-Unsubscribe: <https://shop.example/u>\nPrecedence: bulk",
            "List-Id: <48151623.xt.local>",
            "List-Id: <news.shop.example>\nList-Archive: <https://shop.example/a>\nFeedback-ID: 1:shop",
            "List-Subscribe: <https://club.example/?p=subscribe>\nPrecedence: bulk",
            "Return-Path: <bounce-5517@mag.shop.example>\nPrecedence: bulk",
            "Return-Path: <rust-bounces@shop.example>\nPrecedence: bulk\nList-Unsubscribe: <https://a.example>",
            "Precedence: list\nList-Unsubscribe: <https://a.example>\nFeedback-ID: 1:shop",
            "From: MAILER-DAEMON@mx.example\nSubject: Delivery failure\nList-Id: <rust.lists.example>\nX-BeenThere: rust@lists.example",
            "Return-Path: <bounce-1234@shop.example>\nList-Id: <1234.news.shop.example>\nList-Unsubscribe: <mailto:1234-x@shop.example>",
            "List-Id: <1234.news.shop.example>\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\nFeedback-ID: 1:shop",
            "Sender: owner-of-a-shop@shop.example\nTo: taro@example.jp",
            "To: rust@mail.example\nSubject: [urgent] hello",
            "To: taro@example.jp\nCc: support@shop.example\nSubject: [support] hello",
            "Sender: MAILER-DAEMON@mx.example\nTo: rust@lists.example\nSubject: [rust] Mail delivery failed",
        ] {
            assert!(
                !finds(&MAILING_LIST, &message(&format!("{header}\nFrom: a@b.example\n\n"))),
                "{header}"
            );
        }
    }
}
