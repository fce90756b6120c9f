//! Kinds of mail, one small message of each as programs in use write them: how the
//! classifiers classify it, and how much of it they read.

use std::io::{Seek, Write};

use mfilter::classify::{CLASSIFIERS, bounce, list_name};
use mfilter::message::Message;

use crate::corpus::measure::mail;

/// The classifiers under test.
const ASKED: &[&str] = &["automatic", "bounce", "bulk", "daemon", "mailing-list"];

/// The classifiers that match, in order; a bounce's codes; the list's name.
#[track_caller]
fn check(what: &str, text: &str, holds: &[&str], statuses: &[&str], name: Option<&str>) {
    let message = Message::from_bytes(text.as_bytes().to_vec());
    let mail = mail(&message);
    let asked = CLASSIFIERS.iter().filter(|each| ASKED.contains(&each.name));
    let found: Vec<&str> = asked
        .filter(|each| (each.find)(&mail).expect("it can be told").is_some())
        .map(|each| each.name)
        .collect();
    assert_eq!(found, holds, "{what}");
    assert_eq!(bounce::statuses(&mail).expect("it can be told"), statuses, "{what}");
    assert_eq!(list_name::list_name(&mail).as_deref(), name, "{what}");
}

const FAILURE: &[&str] = &["automatic", "bounce", "daemon"];

#[track_caller]
fn bounced(what: &str, text: &str, statuses: &[&str]) {
    check(what, text, FAILURE, statuses, None);
}

#[test]
fn bounces_of_mail_systems() {
    bounced(
        "Postfix",
        "Return-Path: <>\nFrom: MAILER-DAEMON@mx.example (Mail Delivery System)\nSubject: Undelivered Mail Returned to Sender\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\n\n--b\n\nThis is the mail system at host mx.example.\n\n<hanako@far.example>: host mx.far.example[192.0.2.1] said: 550 5.1.1 unknown\n--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx.example\n\nFinal-Recipient: rfc822; hanako@far.example\nAction: failed\nStatus: 5.1.1\nDiagnostic-Code: smtp; 550 5.1.1 unknown\n--b--\n",
        &["5.1.1"],
    );
    bounced(
        "Postfix, delayed",
        "Return-Path: <>\nFrom: MAILER-DAEMON@mx.example (Mail Delivery System)\nSubject: Delayed Mail (still being retried)\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\n\n--b\n\nThis is the mail system at host mx.example.\n--b\nContent-Type: message/delivery-status\n\nFinal-Recipient: rfc822; hanako@far.example\nAction: delayed\nStatus: 4.4.1\nWill-Retry-Until: Thu, 1 Jan 2026 00:00:00 +0900\n--b--\n",
        &["4.4.1"],
    );
    bounced(
        "sendmail before MIME",
        "From: Mail Delivery Subsystem <MAILER-DAEMON@mx.example>\nSubject: Returned mail: User unknown\n\nThe original message was received at Thu, 1 Jan 1998\n\n   ----- The following addresses had permanent fatal errors -----\n<hanako@far.example>\n\n   ----- Transcript of session follows -----\n... while talking to mx.far.example.:\n>>> RCPT To:<hanako@far.example>\n<<< 550 <hanako@far.example>... User unknown\n550 <hanako@far.example>... User unknown\n",
        &["5.1.1"],
    );
    bounced(
        "qmail",
        "Return-Path: <>\nFrom: MAILER-DAEMON@mx.example\nSubject: failure notice\n\nHi. This is the qmail-send program at mx.example.\nI'm afraid I wasn't able to deliver your message to the following addresses.\n\n<hanako@far.example>:\nSorry, I couldn't find any host named far.example. (#5.1.2)\n",
        &["5.1.2"],
    );
    bounced(
        "Exim",
        "Return-path: <>\nFrom: Mail Delivery System <Mailer-Daemon@mx.example>\nX-Failed-Recipients: hanako@far.example\nAuto-Submitted: auto-replied\nSubject: Mail delivery failed: returning message to sender\n\nThis message was created automatically by mail delivery software.\n\nA message that you sent could not be delivered to one or more of its\nrecipients. This is a permanent error. The following address(es) failed:\n\n  hanako@far.example\n    retry timeout exceeded\n\n------ This is a copy of the message, including all the headers. ------\n\nFrom: taro@example.jp\n",
        &["5.4.7"],
    );
    bounced(
        "Courier",
        "Return-Path: <>\nFrom: \"Courier mail server at mx.example\" <@>\nSubject: NOTICE: mail delivery status.\n\nThis is a delivery status notification from mx.example,\nrunning the Courier mail server, version 0.65.\n\nThe original message was received on Thu, 1 Jan 2015 from [192.0.2.1]\n\nUNDELIVERABLE MAIL\n\nYour message to the following recipients cannot be delivered:\n\n<hanako@far.example>:\n    mx.far.example [192.0.2.2]:\n<<< 552 mailbox full\n",
        &["5.2.2"],
    );
    bounced(
        "OpenSMTPD",
        "From: Mailer Daemon <MAILER-DAEMON@mx.example>\nSubject: Delivery status notification: error\n\n    Hi!\n\n    This is the MAILER-DAEMON, please DO NOT REPLY to this email.\n\n    An error has occurred while attempting to deliver a message for\n    the following list of recipients:\n\nhanako@far.example: 550 no such user\n",
        &["5.1.1"],
    );
    bounced(
        "James",
        "From: postmaster@mx.example\nSubject: [BOUNCE]\n\nHi. This is the James mail server at mx.example.\nI'm afraid I wasn't able to deliver your message to the following addresses.\nThis is a permanent error; I've given up. Sorry it didn't work out.\n\nhanako@far.example\n  550 relaying denied\n",
        &["5.7.1"],
    );
}

#[test]
fn bounces_of_older_systems() {
    bounced(
        "Notes",
        "From: postmaster@notes.example\nSubject: Undeliverable message\n\n------- Failure Reasons  --------\n\nUser not listed in public Name & Address Book\nhanako@notes.example\n\n------- Returned Message --------\n\nFrom: taro@example.jp\n550 5.7.1 in the mail that came back\n",
        &["5.1.1"],
    );
    bounced(
        "Domino",
        "From: Postmaster@domino.example\nSubject: DELIVERY FAILURE: User hanako not listed in Domino Directory\n\nYour message\n\n  Subject: hello\n\nwas not delivered to:\n\n  hanako@domino.example\n\nbecause:\n\n  User hanako (hanako@domino.example) not listed in Domino Directory\n",
        &["5.1.1"],
    );
    bounced(
        "Smail, as T-Online has it",
        "From: Mail Delivery System <Mailer-Daemon@t-online.example>\nSubject: Mail failed, returning to sender\n\n|------------------------- Failed addresses follow: ---------------------|\n <hanako@t-online.example>\n   552 5.2.2 <hanako@t-online.example> Quota exceeded\n\n|------------------------- Message header follows: ----------------------|\nReceived: from x\n",
        &["5.2.2"],
    );
    bounced(
        "1&1",
        "From: mailer-daemon@kundenserver.example\nSubject: Undelivered mail\n\nThis message was created automatically by mail delivery software.\n\nA message that you have sent could not be delivered to one or more\nrecipients.  This is a permanent error.  The following address\nfailed:\n\n <hanako@far.example>:  message size exceeds limit\n\n --- The header of the original message is following. ---\n\nReceived: from x\n",
        &["5.3.4"],
    );
    bounced(
        "Biglobe",
        "From: postmaster@biglobe.ne.example\nSubject: Returned mail: Service unavailable\n\n   ----- The following addresses had delivery problems -----\nhanako@biglobe.ne.example\n\n   ----- Non-delivered information -----\nThe number of messages in recipient's mailbox exceeded the local limit.\n",
        &["5.2.2"],
    );
    bounced(
        "a qmail with its own words",
        "From: MAILER-DAEMON@far.example\nSubject: Permanent Delivery Failure\n\nWe're sorry. There's a problem with the e-mail address you're trying to send to.\n\n<hanako@far.example>:\nhanako@far.example does not like recipient.\n",
        &["5.1.1"],
    );
    let fml = "From: rust-admin@ml.example\nTo: taro@example.jp\nSubject: NOT MEMBER article from taro@example.jp\nX-MLServer: fml [fml 4.0.3 release]\nMessage-Id: <1.FMLAAA1.rust@ml.example>\n\nYou are not a member of this mailing list <rust@ml.example>.\n\nOriginal mail as follows:\n\n> hello\n";
    check("fml", fml, &["automatic", "bounce"], &["5.7.1"], None);
}

#[test]
fn bounces_of_providers() {
    bounced(
        "Microsoft 365",
        "Return-Path: <>\nFrom: Microsoft Outlook <MicrosoftExchange329e71ec88ae4615bbc36ab6ce41109e@example.jp>\nSubject: Undeliverable: hello\nAuto-Submitted: auto-replied\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\n\n--b\nContent-Type: text/html\n\n<p>Your message to hanako@far.example couldn't be delivered.</p>\n--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns;TY0PR01.example\n\nFinal-Recipient: rfc822;hanako@far.example\nAction: failed\nStatus: 5.1.10\nDiagnostic-Code: smtp;550 5.1.10 RESOLVER.ADR.RecipientNotFound; not found\n--b--\n",
        &["5.1.10"],
    );
    bounced(
        "Exchange, in Japanese, no report",
        "Return-Path: <>\nFrom: postmaster@example.jp\nSubject: 配信不能: hello\n\n次の受信者またはグループへの配信に失敗しました:\n\nhanako@far.example\n宛先の電子メール システムで、入力した電子メール アドレスが見つかりませんでした。\n",
        &["5.1.1"],
    );
    bounced(
        "Gmail",
        "Return-Path: <>\nFrom: Mail Delivery Subsystem <mailer-daemon@googlemail.com>\nX-Failed-Recipients: hanako@far.example\nAuto-Submitted: auto-replied\nSubject: Delivery Status Notification (Failure)\n\n** Address not found **\n\nYour message wasn't delivered to hanako@far.example because the domain far.example couldn't be found. Check for typos and try again.\n\nThe response was:\nDNS Error: domain name not found\n",
        &["5.1.2"],
    );
    bounced(
        "Zoho",
        "From: mailer-daemon@mail.zoho.example\nSubject: Undelivered Mail Returned to Sender\n\nThis message was created automatically by mail delivery software.\nA message that you sent could not be delivered to one or more of its recipients. This is a permanent error.\n\nhanako@far.example, ERROR CODE :550 - hanako@far.example... User unknown\n",
        &["5.1.1"],
    );
    check(
        "Amazon SES by way of SNS",
        "From: AWS Notifications <no-reply@sns.amazonaws.example>\nSubject: AWS Notification Message\n\n{\"notificationType\":\"Bounce\",\"bounce\":{\"bounceType\":\"Permanent\",\"bouncedRecipients\":[{\"emailAddress\":\"hanako@far.example\",\"action\":\"failed\",\"status\":\"5.1.1\",\"diagnosticCode\":\"smtp; 550 5.1.1 user unknown\"}]}}\n",
        &["automatic", "bounce"],
        &["5.1.1"],
        None,
    );
    bounced(
        "Yahoo",
        "From: MAILER-DAEMON@yahoo.example\nSubject: Failure Notice\n\nSorry, we were unable to deliver your message to the following address.\n\n<hanako@far.example>:\nRemote host said: 452 too many recipients\n",
        &["4.3.1"],
    );
}

#[test]
fn bounces_in_japan() {
    bounced(
        "au, EZweb",
        "From: <Postmaster@ezweb.example>\nSubject: Mail System Error - Returned Mail\nContent-Type: text/plain; charset=ISO-2022-JP\n\nThe user(s) account is disabled.\n\n<hanako@ezweb.example>: 550 disabled\n",
        &["5.2.1"],
    );
    bounced(
        "au, by its application",
        "From: no-reply@au.example\nReturn-Path: <>\nSubject: 送信エラー\n\nYour mail sent on: Thu, 1 Jan 2015 10:00:00\n     Could not be delivered to: <hanako@far.example>\n     As their mailbox is full.\n",
        &["5.2.2"],
    );
    bounced(
        "docomo",
        "From: Mail Administrator<postmaster@docomo.example>\nSubject: Mail System Error - Returned Mail\n\nThis Message was undeliverable due to the following reason:\n\n<hanako@docomo.example>: Unknown User\n",
        &["5.1.1"],
    );
    bounced(
        "SoftBank",
        "Return-Path: <>\nFrom: MAILER-DAEMON@softbank.example\nSubject: Undelivered Mail Returned to Sender\n\n<hanako@softbank.example>: host mx.softbank.example said: 550 Invalid recipient: <hanako@softbank.example>\n",
        &["5.1.1"],
    );
    bounced(
        "a provider in Japanese",
        "Return-Path: <>\nFrom: MAILER-DAEMON@isp.example\nSubject: =?UTF-8?B?44Oh44O844Or6YWN5L+h44Ko44Op44O8?=\n\n以下のメールアドレスには配信できませんでした。\n\n<hanako@far.example>\n  受信者のメールボックスがいっぱいです。\n",
        &["5.2.2"],
    );
}

#[test]
fn answers_of_machines() {
    let answer = &["automatic"][..];
    for (what, header) in [
        (
            "vacation(1)",
            "Precedence: junk\nAuto-Submitted: auto-replied\nSubject: away from my mail",
        ),
        (
            "Exchange",
            "X-Auto-Response-Suppress: All\nauto-submitted: auto-generated\nSubject: Automatic reply: hello",
        ),
        ("Outlook in Japanese", "Subject: =?utf-8?B?6Ieq5YuV5b+c562UOiDjgZPjgpPjgavjgaHjga8=?="),
        ("a form in Japanese", "Subject: 【自動返信】お問い合わせありがとうございます"),
        ("an absence in Japanese", "Subject: 不在: Re: 打ち合わせ"),
        ("Outlook in Chinese", "Subject: 自动答复: hello"),
        ("Outlook in Greek", "Subject: Αυτόματη απάντηση: hello"),
        (
            "Gmail",
            "Auto-Submitted: auto-replied\nPrecedence: bulk\nX-Autoreply: yes\nSubject: Re: hello",
        ),
        (
            "a receipt",
            "Subject: Read: hello\nContent-Type: multipart/report; report-type=disposition-notification; boundary=b",
        ),
        ("Sieve", "Auto-Submitted: auto-replied (vacation)\nSubject: Auto: hello"),
    ] {
        let text = format!("From: hanako@far.example\nTo: taro@example.jp\n{header}\n\nhi\n");
        let bulk = header.contains("Precedence");
        let holds = if bulk { &["automatic", "bulk"][..] } else { answer };
        check(what, &text, holds, &[], None);
    }
    check("a person", "From: hanako@far.example\nSubject: 夏季休暇のお知らせ\n\n", &[], &[], None);
}

#[test]
fn lists() {
    for (what, header, name) in [
        (
            "Mailman 2",
            "List-Id: Rust <rust.lists.example>\nList-Post: <mailto:rust@lists.example>\nX-BeenThere: rust@lists.example\nX-Mailman-Version: 2.1.39\nPrecedence: list",
            "rust",
        ),
        (
            "Mailman 3",
            "List-Id: Rust <rust.lists.example>\nArchived-At: <https://lists.example/a/1>\nX-MailFrom: a@b.example",
            "rust",
        ),
        (
            "fml 4",
            "X-ML-Name: rust-jp\nX-Mail-Count: 00012\nX-MLServer: fml [fml 4.0.3]\nSubject: [rust-jp:00012] x",
            "rust-jp",
        ),
        (
            "fml, subject in parentheses",
            "To: rust-jp@ml.example\nSubject: (rust-jp 12) x",
            "rust-jp",
        ),
        (
            "QuickML",
            "X-ML-Name: rust-jp\nX-Mail-Count: 3\nX-QuickML: true\nSubject: [rust-jp:3] x",
            "rust-jp",
        ),
        (
            "ezmlm",
            "Mailing-List: contact rust-help@lists.example; run by ezmlm\nList-Post: <mailto:rust@lists.example>\nDelivered-To: mailing list rust@lists.example",
            "rust",
        ),
        (
            "mlmmj",
            "Return-Path: <rust+bounces-12-taro=example.jp@lists.example>\nTo: rust@lists.example",
            "rust",
        ),
        (
            "Sympa",
            "X-Loop: rust@lists.example\nX-Sequence: 12\nPrecedence: list\nList-Post: <mailto:rust@lists.example>",
            "rust",
        ),
        (
            "LISTSERV",
            "Received: from LISTSERV.EXAMPLE by LISTSERV.EXAMPLE (LISTSERV-TCP/IP release 16.5) with spool id 1\nSender: Rust people <RUST-L@LISTSERV.EXAMPLE>",
            "RUST-L",
        ),
        (
            "Google Groups",
            "Mailing-list: list rust@googlegroups.com; contact rust+owners@googlegroups.com\nList-ID: <rust.googlegroups.com>\nList-Post: <https://groups.google.com/group/rust/post>, <mailto:rust@googlegroups.com>\nX-Google-Group-Id: 1",
            "rust",
        ),
        (
            "groups.io",
            "List-Id: <rust.groups.io>\nMailing-List: list rust@groups.io; contact rust+owner@groups.io\nDelivered-To: mailing list rust@groups.io",
            "rust",
        ),
        (
            "Yahoo Groups",
            "Mailing-List: list rust@yahoogroups.com; contact rust-owner@yahoogroups.com\nX-Yahoo-Newman-Id: 1",
            "rust",
        ),
        ("Majordomo", "Sender: owner-rust@b.example\nPrecedence: list", "rust"),
        (
            "Discourse",
            "List-ID: Help <help.forum.example>\nList-Archive: <https://forum.example/t/1>\nX-Discourse-Topic-Id: 1\nList-Unsubscribe-Post: List-Unsubscribe=One-Click",
            "help",
        ),
        (
            "GitHub",
            "List-ID: example/rust <rust.example.github.com>\nList-Archive: <https://github.com/example/rust>\nList-Post: <mailto:reply+A@reply.github.com>\nX-GitHub-Reason: subscribed\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\nPrecedence: list",
            "rust",
        ),
        (
            "GitLab",
            "List-Id: example/rust <1.rust.example.gitlab.com>\nX-GitLab-Project: rust\nList-Unsubscribe-Post: List-Unsubscribe=One-Click",
            "example/rust",
        ),
        ("a copy to the list and me", "To: taro@example.jp\nCc: rust@lists.example.org", "rust"),
    ] {
        let text = format!("From: hanako@far.example\n{header}\n\nhi\n");
        let bulk = header.contains("Unsubscribe");
        let holds = if bulk { &["bulk", "mailing-list"][..] } else { &["mailing-list"][..] };
        check(what, &text, holds, &[], Some(name));
    }
}

#[test]
fn newsletters() {
    for (what, header, name) in [
        (
            "Mailchimp",
            "List-ID: 1 list <1.list-id.mcsv.net>\nX-MC-User: 1\nFeedback-ID: 1:1:us1:mc\nList-Unsubscribe: <https://a.example>\nList-Unsubscribe-Post: List-Unsubscribe=One-Click",
            Some("1 list"),
        ),
        (
            "one that no one answers",
            "List-ID: <news.shop.example>\nList-Post: NO\nList-Unsubscribe: <https://a.example>\nList-Unsubscribe-Post: List-Unsubscribe=One-Click",
            Some("news"),
        ),
        (
            "in Japan",
            "Precedence: bulk\nList-Unsubscribe: <https://a.example>\nSubject: 【新着】今週のセール",
            None,
        ),
    ] {
        let text = format!("From: shop <news@shop.example>\nTo: taro@example.jp\n{header}\n\nhi\n");
        check(what, &text, &["bulk"], &[], name);
    }
    // Gmail asks each service for it, also for receipts, codes and resets.
    let receipt =
        "From: shop <news@shop.example>\nFeedback-ID: 1:shop\nSubject: Your order\n\nhi\n";
    check("a receipt", receipt, &[], &[], None);
}

/// A message of which at most `left` bytes of the body can be read.
fn cut(head: &str, body: &str, left: u64) -> Message {
    let mut file = tempfile::tempfile().expect("a file");
    write!(file, "{head}\n{body}").expect("written");
    file.rewind().expect("rewound");
    let message = Message::open(file.try_clone().expect("a second one")).expect("opened");
    file.set_len(head.len() as u64 + 1 + left).expect("cut");
    message
}

/// The classifiers that could not decide, because they needed more of the body.
fn that_want_more(message: &Message) -> Vec<&'static str> {
    let mail = mail(message);
    let asked = CLASSIFIERS.iter().filter(|each| (each.find)(&mail).is_err());
    asked.map(|each| each.name).collect()
}

const PERSON: &str = "Received: from pc (pc.example.org [192.0.2.1]) by mx.example.jp (Postfix) with ESMTP id 1; x\nAuthentication-Results: mx.example.jp; spf=pass\nFrom: hanako@far.example\nSubject: hello\nList-Id: <rust.lists.example>\nX-Spam-Flag: YES\n";

#[test]
fn header_classifiers_read_no_body() {
    let body = "hello\n".repeat(1 << 20);
    let me = ["addressed-to-me", "backscatter", "forged-self"];
    let without_me = |names: Vec<&'static str>| -> Vec<&'static str> {
        names.into_iter().filter(|name| !me.contains(name)).collect()
    };
    // OpenPGP armour and archives are in the body.
    assert_eq!(
        without_me(that_want_more(&cut(PERSON, &body, 0))),
        ["encrypted", "password-protected", "signed"]
    );
    // Mail from a system may be a bounce in words.
    let system = "Return-Path: <>\nFrom: MAILER-DAEMON@mx.example\nSubject: hello\n";
    let wants = without_me(that_want_more(&cut(system, &body, 0)));
    assert_eq!(
        wants,
        ["auto-generated", "automatic", "bounce", "encrypted", "password-protected", "signed"]
    );
}

#[test]
fn no_more_than_64_kb_is_read_of_what_is_not_a_report() {
    for header in [
        "Return-Path: <>\nFrom: MAILER-DAEMON@mx.example\nSubject: hello\n",
        "From: MAILER-DAEMON@mx.example\nSubject: Returned mail\n",
        "From: a@b.example\nSubject: Undelivered mail\nContent-Type: multipart/mixed; boundary=b\n",
        "From: no-reply@b.example\nSubject: VIRUS found\nContent-Type: text/html\n",
    ] {
        let body = "hello <p>\n".repeat(1 << 20);
        let message = cut(header, &body, 64 << 10);
        let mail = mail(&message);
        for name in ["automatic", "bounce", "virus-warning"] {
            let classifier = mfilter::classify::named(name).expect("it is there");
            assert!((classifier.find)(&mail).is_ok(), "{name} reads on: {header}");
        }
    }
}
