use super::*;
use crate::classify::testing::{evidence, finds, mail, message};

const DSN: &str = "From: MAILER-DAEMON@mx.example\nSubject: Undelivered Mail Returned to Sender\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\n\n--b\n\nThis is the mail system at host mx.example.\n--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx.example\n\nFinal-Recipient: rfc822; hanako@far.example\nAction: failed\nStatus: 5.1.1\nDiagnostic-Code: smtp; 550 5.1.1 User unknown\n\n--b\nContent-Type: message/rfc822\n\nFrom: taro@example.jp\nMessage-ID: <1@example.jp>\nSubject: hello\n\nhi\n--b--\n";

#[test]
fn a_delivery_status_notification() {
    let message = message(DSN);
    assert_eq!(
        evidence(&BOUNCE, &message).as_deref(),
        Some("multipart/report; report-type=delivery-status")
    );
    let mail = mail(&message);
    assert_eq!(statuses(&mail).unwrap(), ["5.1.1"]);
    assert_eq!(recipients(&mail).unwrap(), ["hanako@far.example"]);
    assert_eq!(reasons(&mail).unwrap(), ["550 5.1.1 User unknown"]);
    assert!(report(&mail).unwrap().unwrap().returned.contains("<1@example.jp>"));
}

#[test]
fn delivered_and_read_are_no_bounces() {
    assert!(!finds(&BOUNCE, &message(&DSN.replace("Action: failed", "Action: delivered"))));
    assert!(!finds(
        &BOUNCE,
        &message(
            &DSN.replace("report-type=delivery-status", "report-type=disposition-notification")
        )
    ));
}

#[test]
fn words_of_a_mail_system() {
    let qmail = message(
        "From: MAILER-DAEMON@mx.example\nSubject: failure notice\n\nHi. This is the qmail-send program at mx.example.\n\n<hanako@far.example>:\n192.0.2.1 does not like recipient.\nRemote host said: 550 5.2.2 full\n\n--- Below this line is a copy of the message.\n\nReturn-Path: <taro@example.jp>\nMessage-ID: <1@example.jp>\n",
    );
    let mail = mail(&qmail);
    assert_eq!(statuses(&mail).unwrap(), ["5.2.2"]);
    assert_eq!(recipients(&mail).unwrap(), ["hanako@far.example"]);
    assert!(report(&mail).unwrap().unwrap().returned.contains("Message-ID: <1@example.jp>"));
}

#[test]
fn words_alone_mean_a_status() {
    let delay = message(
        "From: Mail Delivery System <Mailer-Daemon@mx.example>\nSubject: Warning: message delayed 24 hours\n\nA message that you sent has not yet been delivered to\n\n  hanako@far.example\n    mailbox is full\n",
    );
    assert_eq!(statuses(&mail(&delay)).unwrap(), ["4.2.2"]);
    let system = message(
        "Return-Path: <>\nFrom: a@b.example\nSubject: x\n\nUnknown user: hanako@far.example\n",
    );
    assert_eq!(statuses(&mail(&system)).unwrap(), ["5.1.1"]);
}

#[test]
fn mail_about_bounces_is_none() {
    for text in [
        "From: hanako@example.jp\nSubject: Re: Undelivered Mail Returned to Sender\n\nThis is the mail system at host mx.example.\n",
        "From: hanako@example.jp\nSubject: our mail\n\n> User unknown\n> 550 5.1.1\n",
        "From: MAILER-DAEMON@mx.example\nSubject: hello\n\nNothing happened.\n",
        "From: root@host.example (Cron Daemon)\nSubject: Cron <root@host> backup\n\nbackup failed\n",
        "From: hanako@example.jp\nSubject: delivery report of parcels\n\nThe parcels came.\n",
    ] {
        assert!(!finds(&BOUNCE, &message(text)), "{text}");
    }
}

#[test]
fn a_bounce_whose_lines_end_in_cr() {
    assert!(finds(&BOUNCE, &message(&DSN.replace('\n', "\r"))));
}

#[test]
fn no_more_is_read_than_64_kb() {
    let text =
        format!("Return-Path: <>\nFrom: a@b.example\n\n{}user unknown\n", "x \n".repeat(40_000));
    assert!(!finds(&BOUNCE, &message(&text)));
}
