//! Sending automatic answers according to RFC 3834 §3 and RFC 5230 §5: with the null
//! sender, so that nothing answers an answer.

use std::fmt::Write;

use data_encoding::BASE64;
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimePrinter;

use crate::maildir::name;
use crate::message::Message;
use crate::message::address::parse_list;
use crate::message::encoded_word::encode;
use crate::message::path;
use crate::plan::Reply;
use crate::state::replies;

use super::context::{DeliveryContext, EffectResult, sendmail_result};
use super::{program, sendmail};

/// Sends an answer, unless this sender got the same text within the set time. If that
/// cannot be recorded, none is sent: better none than many.
pub(super) fn send(reply: &Reply, context: &DeliveryContext) -> EffectResult {
    let failed =
        |why: String| EffectResult { result: Err(why), is_permanent: false, notes: Vec::new() };
    let Some(state) = &context.state else {
        return failed("no answer is sent, because it cannot be recorded".into());
    };
    let text = reply.key.as_bytes();
    // Otherwise a sender with a new tag each day would get a new answer each day.
    let to = path::untagged(&reply.to);
    match replies::claim(state, &to, text, context.now, reply.every) {
        Ok(true) => {}
        Ok(false) => {
            let note = format!("no reply to `{}`, who has already had it", reply.to);
            return EffectResult { result: Ok(false), is_permanent: false, notes: vec![note] };
        }
        Err(error) => {
            return failed(format!("no answer is sent, because it cannot be recorded: {error}"));
        }
    }
    let message = Message::from_bytes(compose(reply, context.now).into_bytes());
    let argv = sendmail::arguments(&context.sendmail, "", std::slice::from_ref(&reply.to));
    let end = program::run(&context.call(&argv), &message, &[]);
    if end.result.is_err() {
        replies::give_back(state, &to, text);
    }
    sendmail_result(&context.sendmail, end)
}

/// The answer as a message.
fn compose(reply: &Reply, now: i64) -> String {
    let now = Timestamp::from_second(now).unwrap_or_default();
    let date = DateTimePrinter::new().timestamp_to_string(&now).unwrap_or_default();
    let mut out = String::new();
    let mut header = |name: &str, value: &str| {
        let _ = writeln!(out, "{name}: {value}");
    };
    header("From", &mailboxes(&reply.from));
    // In the envelope it is quoted already.
    header("To", &format!("<{}>", quoted(&path::address(&reply.to).address())));
    header("Subject", &encode(&cut(&reply.subject)));
    header("Date", &date);
    header("Message-ID", &format!("<{}>", name::message_id()));
    if let Some(id) = &reply.in_reply_to {
        header("In-Reply-To", id);
    }
    if let Some(ids) = &reply.references {
        header("References", &ids.replace(' ', "\n "));
    }
    header("Auto-Submitted", "auto-replied");
    header("X-Auto-Response-Suppress", "All");
    header("Precedence", "bulk");
    header("MIME-Version", "1.0");
    header("Content-Type", "text/plain; charset=UTF-8");
    let body = &reply.body;
    if body.is_ascii() && body.lines().all(|line| line.len() <= 900) {
        header("Content-Transfer-Encoding", "7bit");
        let _ = write!(out, "\n{body}");
        if !body.ends_with('\n') {
            out.push('\n');
        }
        return out;
    }
    header("Content-Transfer-Encoding", "base64");
    out.push('\n');
    // RFC 2045 §6.8: lines of 76 characters; the encoded text has canonical line ends.
    let text = body.replace("\r\n", "\n").replace('\n', "\r\n");
    for chunk in text.as_bytes().chunks(57) {
        out.push_str(&BASE64.encode(chunk));
        out.push('\n');
    }
    out
}

/// The From field as the user wrote it, its words encoded.
fn mailboxes(from: &str) -> String {
    let all = parse_list(from.as_bytes());
    match all.first() {
        Some(one) if one.name.as_deref().is_some_and(|name| !name.is_empty()) => {
            let name = one.name.as_deref().unwrap_or_default();
            let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || c == ' ');
            let name = if plain { name.to_owned() } else { phrase(name) };
            format!("{name} <{}>", quoted(&one.address()))
        }
        Some(one) => format!("<{}>", quoted(&one.address())),
        None => format!("<{}>", encode(from)),
    }
}

/// An address as RFC 5322 §3.4.1 requires: a local part that is not a dot-atom, such as
/// `a..b.` of Japanese mobile phones, is quoted.
fn quoted(address: &str) -> String {
    let Some((local, domain)) = address.rsplit_once('@') else { return address.to_owned() };
    let letter =
        |c: char| !c.is_ascii() || c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c);
    let is_atom = |atom: &str| !atom.is_empty() && atom.chars().all(letter);
    if local.split('.').all(is_atom) {
        return address.to_owned();
    }
    format!("\"{}\"@{domain}", local.replace('\\', "\\\\").replace('"', "\\\""))
}

/// A display name that is more than plain words, as a quoted string or encoded.
fn phrase(name: &str) -> String {
    if name.is_ascii() {
        format!("\"{}\"", name.replace('\\', "\\\\").replace('"', "\\\""))
    } else {
        encode(name)
    }
}

fn cut(subject: &str) -> String {
    subject.chars().take(500).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn local_parts_that_are_not_atoms_are_quoted() {
        assert_eq!(quoted("a..b.@docomo.ne.jp"), "\"a..b.\"@docomo.ne.jp");
        assert_eq!(quoted("a.b+c@example.jp"), "a.b+c@example.jp");
        assert_eq!(quoted("a \"b@example.jp"), "\"a \\\"b\"@example.jp");
    }

    fn reply() -> Reply {
        Reply {
            file: Some("away".into()),
            every: 3600,
            to: "hanako@example.jp".into(),
            from: "太郎 <taro@example.jp>".into(),
            subject: "不在です".into(),
            in_reply_to: Some("<1@x>".into()),
            references: Some("<0@x> <1@x>".into()),
            body: "休みです。\n".into(),
            key: String::new(),
        }
    }

    #[test]
    fn an_answer_has_the_headers_of_the_standards() {
        let text = compose(&reply(), 1_796_122_800);
        let (head, body) = text.split_once("\n\n").unwrap();
        let is_fixed = |line: &&str| !line.starts_with("Message-ID: <");
        let lines: Vec<&str> = head.lines().collect();
        assert_eq!(lines.iter().filter(|line| !is_fixed(line)).count(), 1, "{head}");
        let wanted = [
            "From: =?utf-8?B?5aSq6YOO?= <taro@example.jp>",
            "To: <hanako@example.jp>",
            "Subject: =?utf-8?B?5LiN5Zyo44Gn44GZ?=",
            "Date: Tue, 1 Dec 2026 11:00:00 -0000",
            "In-Reply-To: <1@x>",
            "References: <0@x>",
            " <1@x>",
            "Auto-Submitted: auto-replied",
            "X-Auto-Response-Suppress: All",
            "Precedence: bulk",
            "MIME-Version: 1.0",
            "Content-Type: text/plain; charset=UTF-8",
            "Content-Transfer-Encoding: base64",
        ];
        assert_eq!(lines.into_iter().filter(is_fixed).collect::<Vec<_>>(), wanted);
        assert!(body.ends_with('\n'), "{body}");
        assert!(text.is_ascii(), "{text}");
        let message = Message::from_bytes(text.into_bytes());
        assert_eq!(message.texts("Subject")[0].text(), "不在です");
        assert_eq!(message.addresses("From")[0].display(), "太郎 <taro@example.jp>");
        assert_eq!(message.body_texts().unwrap()[0].text().trim(), "休みです。");
    }

    #[test]
    fn a_recipient_is_quoted_once() {
        for (to, field) in [
            ("\"a, b\"@x.example", "To: <\"a, b\"@x.example>\n"),
            ("a..b.@x.example", "To: <\"a..b.\"@x.example>\n"),
            ("\"a\\\"b\"@x.example", "To: <\"a\\\"b\"@x.example>\n"),
        ] {
            let text = compose(&Reply { to: to.into(), ..reply() }, 0);
            assert!(text.contains(field), "{text}");
        }
    }

    #[test]
    fn a_name_that_is_not_plain_words_is_quoted() {
        for (from, field) in [
            ("Taro T2 <taro@example.jp>", "Taro T2 <taro@example.jp>"),
            ("\"Taro, Sales\" <taro@example.jp>", "\"Taro, Sales\" <taro@example.jp>"),
            ("<taro@example.jp>", "<taro@example.jp>"),
        ] {
            assert_eq!(mailboxes(from), field);
        }
    }

    #[test]
    fn plain_text_stays_plain() {
        let mut reply = reply();
        reply.from = "taro@example.jp".into();
        reply.body = "Away.".into();
        let text = compose(&reply, 0);
        assert!(text.contains("From: <taro@example.jp>\n"));
        assert!(text.ends_with("7bit\n\nAway.\n"), "{text}");
        // RFC 5322 §2.1.1 allows lines of 998 characters, some servers fewer.
        reply.body = format!("{}\n", "x".repeat(900));
        assert!(compose(&reply, 0).contains("\n\nxxx"));
        reply.body.insert(0, 'x');
        let text = compose(&reply, 0);
        assert!(text.lines().all(|line| line.len() <= 76), "{text}");
    }
}
