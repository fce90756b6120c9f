//! What each MTA writes, and which parts of it a sender may choose.

use proptest::prelude::*;

use super::*;
use crate::message::head::Head;

fn read(line: &str) -> ReceivedLine {
    parse(line.as_bytes())
}

/// helo, host, ip, by, protocol
#[track_caller]
fn assert_client(line: &str, expected: [&str; 5]) -> ReceivedLine {
    let found = read(line);
    let ip = found.ip.map(|ip| ip.to_string());
    let parts = [&found.helo, &found.host, &ip, &found.by, &found.protocol];
    let parts = parts.map(|part| part.as_deref().unwrap_or("-"));
    assert_eq!(parts, expected, "{line}");
    found
}

#[test]
fn postfix() {
    let found = assert_client(
        "from helo.example.org (mail.example.org [192.0.2.1])\r\n\t(using TLSv1.3 with cipher \
         TLS_AES_256_GCM_SHA384 (256/256 bits))\r\n\t(No client certificate requested)\r\n\tby \
         mx.example.jp (Postfix) with ESMTPS id 4AFE3F\r\n\tfor <taro@example.jp>; Mon, 6 May 2024 \
         10:00:00 +0900 (JST)",
        ["helo.example.org", "mail.example.org", "192.0.2.1", "mx.example.jp", "ESMTPS"],
    );
    assert_eq!(found.id.as_deref(), Some("4AFE3F"));
    assert_eq!(found.recipient.as_deref(), Some("taro@example.jp"));
    assert!(!found.authenticated && !found.local && !found.fetched);
    assert_client(
        "from laptop (unknown [IPv6:2001:db8::5]) (Authenticated sender: taro) by mx.example.jp \
         (Postfix) with ESMTPSA id 4B; Mon, 6 May 2024 10:00:00 +0900",
        ["laptop", "-", "2001:db8::5", "mx.example.jp", "ESMTPSA"],
    );
    assert!(read("by mx.example.jp (Postfix, from userid 500) id 4C; x").local);
}

/// The name in a certificate may close the comment that it stands in.
#[test]
fn a_certificate_is_no_login() {
    for (name, ambiguous) in [("x", false), ("x) (Authenticated sender: taro", true)] {
        let line = format!(
            "from pc (mail.example.org [192.0.2.1]) (using TLSv1.3) (Client CN \"{name}\", Issuer \
             \"x\" (not verified)) by mx.example.jp (Postfix) with ESMTPS id 1; x"
        );
        let found = read(&line);
        assert_eq!((found.authenticated, found.ambiguous), (false, ambiguous), "{line}");
    }
}

/// Its end would show which `by` is the server's.
#[test]
fn a_line_that_is_too_long_shows_nothing() {
    for helo in [
        "y by mx.example.jp (Postfix, from userid 0) id 3",
        "y (mx.example.jp [10.0.0.1]) by mx.example.jp (Postfix) with ESMTPA id 3",
    ] {
        let line = format!(
            "from {helo} {} (mail.evil.example [192.0.2.1])\n\tby mx.example.jp (Postfix) with \
             ESMTPS id 1; x",
            "x".repeat(8192)
        );
        let found = read(&line);
        assert!(!found.is_from_inside(&Relays::default()), "{found:?}");
        assert_eq!((found.authenticated, found.ip, found.by), (false, None, None));
    }
}

#[test]
fn what_the_client_calls_itself_is_not_its_address() {
    let line = "from [10.0.0.1] (unknown [192.0.2.1]) by mx.example.jp (Postfix) with SMTP id 1";
    assert_client(line, ["[10.0.0.1]", "-", "192.0.2.1", "mx.example.jp", "SMTP"]);
    let line = "from [192.0.2.1] (helo=[127.0.0.1]) by mx with esmtp (Exim 4.96) id 1-2";
    assert_client(line, ["[127.0.0.1]", "-", "192.0.2.1", "mx", "esmtp"]);
    let line = "from unknown (HELO [127.0.0.1]) (192.0.2.1) by mx with SMTP; x";
    assert_client(line, ["[127.0.0.1]", "-", "192.0.2.1", "mx", "SMTP"]);
    let line = "from by (with [192.0.2.1]) by mx (Postfix) with SMTP id 1";
    assert_client(line, ["by", "with", "192.0.2.1", "mx", "SMTP"]);
}

#[test]
fn the_other_mtas() {
    let line = "from mail.example.org ([192.0.2.1] helo=other.example) by mx.example.jp with \
                esmtps (TLS1.3) tls TLS_AES_256 (Exim 4.96) (envelope-from <a@example.org>) id \
                1sA-0 for taro@example.jp; Mon";
    let helo = ["other.example", "mail.example.org", "192.0.2.1", "mx.example.jp", "esmtps"];
    assert_client(line, helo);
    let line = "from mail.example.org ([192.0.2.1]:4711) by mx with esmtp (Exim 4.96) id 1";
    let same = ["mail.example.org", "mail.example.org", "192.0.2.1", "mx", "esmtp"];
    assert_client(line, same);
    let line = "from [192.0.2.1] (port=55 helo=pc) by mx with esmtpsa (Exim 4.96) id 1";
    assert!(assert_client(line, ["pc", "-", "192.0.2.1", "mx", "esmtpsa"]).authenticated);
    let line = "from helo (IDENT:x@mail.example.org [192.0.2.1] (may be forged)) (authenticated \
                bits=0) by mx (8.15.2/8.15.2) with ESMTP id 1; Mon";
    assert!(assert_client(line, ["helo", "-", "192.0.2.1", "mx", "ESMTP"]).authenticated);
    let line = "from helo (mail.example.org [192.0.2.1]) by mx (8.15.2/8.15.2) with ESMTP id 1";
    assert_client(line, ["helo", "mail.example.org", "192.0.2.1", "mx", "ESMTP"]);
    let line = "from mail.example.org (192.0.2.1) by mx with SMTP; 6 May 2024 10:00:00 -0000";
    assert_client(line, ["mail.example.org", "mail.example.org", "192.0.2.1", "mx", "SMTP"]);
    let line = "from mail.example.org (HELO pc) (taro@192.0.2.1) by mx with ESMTPA; x";
    assert_client(line, ["pc", "mail.example.org", "192.0.2.1", "mx", "ESMTPA"]);
    let line = "from A.example.org (2001:db8::4) by B.example.jp (2001:db8::5) with Microsoft \
                SMTP Server (version=TLS1_3, cipher=TLS_AES) id 15.20.1 via Frontend Transport; x";
    assert_client(line, ["A.example.org", "-", "2001:db8::4", "B.example.jp", "Microsoft"]);
    let line = "from A.example.org ([fe80::1]) by A.example.org ([fe80::1%4]) with mapi id 15.20";
    assert!(
        assert_client(line, ["A.example.org", "-", "fe80::1", "A.example.org", "mapi"])
            .authenticated
    );
    let line = "from mail.example.org (mail.example.org. [192.0.2.1]) by mx.google.com with ESMTPS \
                id f2 for <a@example.jp> (version=TLS1_3 cipher=X bits=128/128); Tue";
    let google = ["mail.example.org", "mail.example.org", "192.0.2.1", "mx.google.com", "ESMTPS"];
    assert_client(line, google);
    let line = "from pc (<unknown> [192.0.2.1]) by mx (OpenSMTPD) with ESMTPSA id 5 \
                (TLSv1.3:X:256:NO) auth=yes user=taro for <a@example.jp>; x";
    assert!(assert_client(line, ["pc", "-", "192.0.2.1", "mx", "ESMTPSA"]).authenticated);
    let line = "from 127.0.0.1 (EHLO mail.example.org) (192.0.2.1) by mta.example with SMTPs; x";
    assert_client(line, ["mail.example.org", "-", "192.0.2.1", "mta.example", "SMTPs"]);
    let line = "from [192.0.2.1] (account taro@example.jp HELO pc) by mx (CommuniGate Pro SMTP 6.2) \
                with ESMTPSA id 4; x";
    assert!(read(line).authenticated && read(line).ip.is_some());
}

#[test]
fn made_on_the_machine_or_fetched() {
    for line in [
        "from taro by mx with local (Exim 4.96) (envelope-from <taro@x>) id 1; x",
        "(from taro@localhost) by mx (8.15.2/8.15.2/Submit) id 1; x",
        "from localhost (taro@localhost) by mx (8.15.2/8.15.2) with ESMTP id 1; x",
        "(qmail 4711 invoked by uid 104); 6 May 2024",
        "(nullmailer pid 5 invoked by uid 0); x",
        "from localhost (mx [local]) by mx (OpenSMTPD) with ESMTPA id 1; x",
        "from root (uid 0) (envelope-from root@mx) id 5 by mx (DragonFly Mail Agent v0.13); x",
        "from localhost (localhost [127.0.0.1]) (uid 1000) by mx with local; x",
        "from localhost by mx.example.jp\n\twith SpamAssassin (version 4.0.1); x",
        "from mail by mx.example.jp with spam-scanned (Exim 4.96) id 1; x",
    ] {
        assert!(read(line).local && read(line).is_from_inside(&Relays::default()), "{line}");
    }
    for line in [
        "(qmail 4711 invoked from network); 6 May 2024",
        "by mx.example.jp with LMTP id 5; x",
        "from mx.example.jp by store.example.jp (Dovecot) with LMTP id 5; x",
        "from mx ([unix socket]) by mx (Cyrus v3) with LMTPA; x",
        "from mail.provider.example [192.0.2.1] by localhost with IMAP (fetchmail-6.4) for <t>; x",
    ] {
        assert!(
            read(line).is_from_inside(&Relays::default()) && !read(line).authenticated,
            "{line}"
        );
    }
    for line in [
        "from pop.example [192.0.2.1]\n\tby vm with POP3 (fetchmail-6.4.37)\n\tfor <t@localhost> \
         (single-drop); x",
        "from pop.example (192.0.2.1:110) by vm with POP3 getmail6\n  msgid:first; x",
        "from pop.example (192.0.2.1:995) by vm with POP3-SSL getmail6 msgid:1 for <t@x>; x",
        "from pop.example (pop.example [192.0.2.1])\n\tby vm (mpop-1.4.18) with POP3S\n\tfor <t>; x",
        "by vm (fdm 1.9, account \"acc\") \n\twith pop3 (unencrypted)\n\tMon, 30 Nov 2026 06:45:24 +0000",
        "by vm (fdm 1.5, account \"acc\");\n\tMon, 30 Nov 2026 06:45:24 +0000",
    ] {
        let found = read(line);
        assert!(found.fetched && found.is_from_inside(&Relays::default()), "{line}");
    }
    assert!(!read("from x (fdm 1.5) ([192.0.2.1]) by mx with ESMTP; x").fetched, "a HELO");
    assert!(
        !read("from somewhere by mx with SMTP; x").is_from_inside(&Relays::default()),
        "it may be anybody"
    );
    assert!(!read("").from_client);
    let line = "from mx.example.org ([192.0.2.1]) by mx with local; x";
    assert!(!read(line).local && !read(line).is_from_inside(&Relays::default()), "both cannot be");
    let line = "from 192.0.2.1 by mx (envelope-from <a@example.org>, uid 64011) with qmail-scanner-2.05; x";
    assert!(!read(line).is_from_inside(&Relays::default()));
    let line = "by mx.example.jp (Postfix) with ESMTPSA id 1; x";
    assert!(
        !read(line).is_from_inside(&Relays::default()) && read(line).authenticated,
        "a client that is not told of"
    );
}

#[test]
fn inside_and_outside() {
    for inside in [
        "10.1.2.3",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.0.1",
        "127.0.0.53",
        "169.254.1.1",
        "100.64.0.1",
        "100.127.255.255",
        "::1",
        "fd00::1",
        "fe80::1",
        "::ffff:10.0.0.1",
    ] {
        assert!(parse_ip(inside).is_some_and(is_inside), "{inside}");
    }
    for outside in ["172.32.0.1", "100.128.0.1", "192.0.2.1", "2001:db8::1", "::ffff:192.0.2.1"] {
        assert!(parse_ip(outside).is_some_and(|ip| !is_inside(ip)), "{outside}");
    }
}

#[test]
fn ours_end_at_the_first_line_from_outside() {
    let head = Head::parse(
        "Received: from mx.example.jp (localhost [127.0.0.1]) by mx.example.jp (Postfix) with LMTP id 1\n\
         Received: from filter (filter [10.0.0.7]) by mx.example.jp (Postfix) with ESMTP id 2\n\
         X-Mark: 1\n\
         Received: from evil (evil.example [192.0.2.66]) by in.example.jp (Postfix) with ESMTP id 3\n\
         Received: from x ([127.0.0.1]) by mx.example.jp (Postfix) with ESMTPSA id 4\n\n",
    );
    let trace_lines = TraceLines::of(&head, &Relays::default());
    assert_eq!(trace_lines.ours.len(), 3);
    let border = trace_lines.border().expect("there is one");
    assert_eq!(border.by.as_deref(), Some("in.example.jp"));
    let below = trace_lines.below_border.expect("there is a line below");
    assert!(head.bytes()[below..].starts_with(b"Received: from x"));
}

#[test]
fn without_a_border_all_lines_are_ours() {
    let head = Head::parse("Received: by mx (Postfix, from userid 0) id 1; x\n\n");
    let trace_lines = TraceLines::of(&head, &Relays::default());
    assert!(trace_lines.border().is_none());
    assert!(trace_lines.entry().is_some_and(|entry| entry.local));
    assert_eq!(
        TraceLines::of(&Head::parse("Subject: x\n\n"), &Relays::default()),
        TraceLines::default()
    );
}

proptest! {
    #[test]
    fn no_bytes_break_it(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        parse(&bytes);
    }

    #[test]
    fn nor_does_what_looks_like_a_line(line in "((from|by|with|id|for|helo=|HELO|IPv6:|\\[local\\]|é)|[ ()\\[\\];.@:%\\\\\"0-9a-f]){0,40}") {
        parse(line.as_bytes());
    }
}

/// A line with the places that a sender chooses: HELO, IDENT answer, envelope
/// sender and recipient.
struct Mta {
    name: &'static str,
    line: &'static str,
    /// What the HELO may contain between other signs.
    blank: &'static str,
}

/// The client is 203.0.113.9, which is not one of ours.
const MTAS: &[Mta] = &[
    Mta {
        name: "Postfix",
        line: "from HELO (out.evil.example [203.0.113.9])\n\t(using TLSv1.3 with cipher X (256/256 bits))\n\
               \t(Client CN \"IDENT\", Issuer \"x\" (not verified))\n\
               \tby mx.example.jp (Postfix) with ESMTPS id 1\n\tfor <RCPT>; Mon, 6 May 2024 10:00:00 +0900",
        blank: "",
    },
    Mta {
        name: "Postfix, no reverse name",
        line: "from HELO (unknown [203.0.113.9])\n\tby mx.example.jp (Postfix) with ESMTP id 1; x",
        blank: "",
    },
    Mta {
        name: "sendmail",
        line: "from HELO (Ident:IDENT@out.evil.example [203.0.113.9] (may be forged))\n\
               \tby mx.example.jp (8.18.1/8.18.1) with ESMTP id 1\n\tfor <RCPT>; x",
        blank: "",
    },
    Mta {
        name: "Haraka",
        line: "from HELO (out.evil.example [203.0.113.9])\n\tby mx.example.jp (Haraka/3.0.5) with ESMTP id 1\n\
               \tenvelope-from <SENDER>;\n\tx",
        blank: "\t",
    },
    Mta {
        name: "Haraka, no reverse name",
        line: "from HELO (NXDOMAIN [203.0.113.9])\n\tby mx.example.jp (Haraka/3.0.5) with ESMTP id 1\n\
               \tenvelope-from <SENDER>;\n\tx",
        blank: "\t",
    },
    Mta {
        name: "OpenSMTPD",
        line: "from HELO (out.evil.example [203.0.113.9])\n\tby mx.example.jp (OpenSMTPD) with ESMTPS id 1 \
               (TLSv1.3:X:256:NO)\n\tfor <RCPT>;\n\tx",
        blank: "",
    },
    Mta {
        name: "Courier",
        line: "from HELO (out.evil.example [::ffff:203.0.113.9])\n  by mx.example.jp with ESMTP; x",
        blank: "",
    },
    Mta {
        name: "Stalwart",
        line: "from HELO (out.evil.example [203.0.113.9])\n\t(using TLSv1.3 with cipher X)\n\
               \tby mx.example.jp (Stalwart SMTP) with ESMTPS id 1;\n\tx",
        blank: "",
    },
    Mta {
        name: "Gmail",
        line: "from HELO (out.evil.example. [203.0.113.9])\n        by mx.google.com with ESMTPS id 1\n\
               \u{20}       for <RCPT>\n        (version=TLS1_3 cipher=X bits=128/128);\n        x",
        blank: "",
    },
    Mta {
        name: "Exchange",
        line: "from HELO (203.0.113.9) by EX.example.jp (10.0.0.1) with Microsoft SMTP Server (version=X,\n \
               cipher=X) id 15.1.1 via Frontend Transport; x",
        blank: "",
    },
    Mta {
        name: "MDaemon",
        line: "from HELO by mx.example.jp (MDaemon PRO v21.5.2) with ESMTP id md5001.msg for <RCPT>; x",
        blank: "",
    },
    Mta {
        name: "Exim",
        line: "from out.evil.example ([203.0.113.9] helo=HELO ident=IDENT)\n\tby mx.example.jp with esmtps (TLS1.3) \
               tls X\n\t(Exim 4.96)\n\t(envelope-from <SENDER>)\n\tid 1sA-0\n\tfor RCPT; x",
        blank: " ",
    },
    Mta {
        name: "Exim, no reverse name",
        line: "from [203.0.113.9] (port=25 helo=HELO)\n\tby mx.example.jp with esmtp (Exim 4.96)\n\
               \t(envelope-from <SENDER>)\n\tid 1sA-0\n\tfor RCPT; x",
        blank: " ",
    },
];

/// What a sender may try.
const TRICKS: &[&str] = &[
    "x",
    "(",
    ")",
    "[127.0.0.1]",
    "[203.0.113.66]",
    "([127.0.0.1])",
    "(localhost",
    "127.0.0.1",
    "(Authenticated",
    "(AUTH:",
    "sender:",
    "\"",
    "\\",
    ";",
    "<",
    ">",
    "@",
    "by",
    "with",
    "ESMTPA",
    "LMTP",
    "local",
    "HTTP",
    "IMAP",
    "helo=",
    "(HELO",
    "(helo=",
    "auth=yes",
    "(Exim",
    "(Postfix,",
    "from",
    "userid",
    "[local]",
    "(uid",
    "for",
    "id",
    "envelope-from",
    "mx.example.jp",
    "é",
    ":",
    ",",
    "port=",
    "account",
];

fn tricks(blank: &'static str) -> impl Strategy<Value = String> {
    let signs = (prop::sample::select(TRICKS), prop::sample::select(vec!["", blank]));
    prop::collection::vec(signs, 1..9).prop_map(|signs| {
        let text: String = signs.iter().flat_map(|(sign, blank)| [*sign, *blank]).collect();
        text.trim().to_owned()
    })
}

/// A local part in quotes (RFC 5321 §4.1.2).
fn path() -> impl Strategy<Value = String> {
    tricks(" ").prop_map(|text| {
        format!("\"{}\"@evil.example", text.replace('\\', "\\\\").replace('"', "\\\""))
    })
}

/// Everything that decides who the client was and where our lines end.
fn decides(line: &str) -> impl PartialEq + std::fmt::Debug + use<> {
    let read = read(line);
    let inside = read.is_from_inside(&Relays::new(&[], &["mx.example.jp".to_owned()]));
    let logins = [read.authenticated, read.local, read.fetched, inside];
    (logins, read.ip, read.host, read.host_checked, read.by, read.protocol)
}

fn filled(line: &str, helo: &str, ident: &str, sender: &str, recipient: &str) -> String {
    let line = line.replace("HELO", "\0").replace("IDENT", "\u{1}").replace("SENDER", "\u{2}");
    let line = line.replace("RCPT", "\u{3}").replace('\0', helo).replace('\u{1}', ident);
    line.replace('\u{2}', sender).replace('\u{3}', recipient)
}

#[test]
fn the_lines_that_senders_try_their_tricks_on() {
    for mta in MTAS {
        let line = filled(mta.line, "helo.example", "ident", "a@evil.example", "taro@example.jp");
        let read = read(&line);
        let ip = (mta.name != "MDaemon").then(|| "203.0.113.9".parse().expect("valid"));
        assert_eq!(read.ip, ip, "{}", mta.name);
        assert_eq!(read.helo.as_deref(), Some("helo.example"), "{}", mta.name);
        assert!(!read.is_from_inside(&Relays::default()) && !read.authenticated, "{}", mta.name);
        assert!(read.by.is_some() && read.protocol.is_some() && !read.ambiguous, "{}", mta.name);
    }
}

#[test]
fn nothing_a_client_calls_itself_makes_it_ours() {
    for helo in [
        "x([127.0.0.1])",
        "x(Authenticated)",
        "([127.0.0.1])",
        "[127.0.0.1](helo=x)",
        "x(",
        "x(\\",
        "x\"",
        "x;",
        "x\t(localhost\t[127.0.0.1])",
        "x\t(localhost\t[127.0.0.1])\tby\tmx.example.jp\twith\tESMTPA\tid\t1;\t(",
        "x\t(Authenticated\tsender:\ttaro)",
        "good.example\t(HELO\tx)",
    ] {
        for mta in MTAS.iter().filter(|mta| mta.blank == "\t" || !helo.contains('\t')) {
            let line = filled(mta.line, helo, "x", "a@evil.example", "taro@example.jp");
            let plain = filled(mta.line, "x", "x", "a@evil.example", "taro@example.jp");
            assert_eq!(decides(&line), decides(&plain), "{line}");
        }
    }
}

#[test]
fn of_two_addresses_none_is_inside() {
    for line in [
        "from [203.0.113.9] (helo=x) (a [127.0.0.1]) by mx.example.jp with esmtp id 1; x",
        "from x ([127.0.0.1]) (a [203.0.113.9]) by mx.example.jp (Postfix) with ESMTP id 1; x",
        "from x ([203.0.113.9]) (a [127.0.0.1]) by mx.example.jp (Postfix) with ESMTP id 1; x",
        "from x (a [203.0.113.9] [127.0.0.1]) by mx.example.jp (Postfix) with ESMTP id 1; x",
    ] {
        assert!(!read(line).is_from_inside(&Relays::default()), "{line}");
    }
}

#[test]
fn machines_of_ours_with_public_addresses() {
    let relays = ["198.51.100.0/24".to_owned(), ".relays.example.net".to_owned()];
    let relays = Relays::new(&relays, &["mx.example.jp".to_owned()]);
    for (line, ours) in [
        ("from x ([203.0.113.9]) by store.example.jp with LMTP id 1; x", true),
        ("from x ([203.0.113.9]) by store.example.jp with ESMTP id 1; x", false),
        ("from x (unknown [198.51.100.7]) by store.example.jp (Postfix) with ESMTP id 1; x", true),
        ("from x (198.51.100.7) by EX (10.0.0.1) with Microsoft SMTP Server id 15; x", true),
        ("from x (mx.example.jp [203.0.113.9]) by store (Postfix) with ESMTP id 1; x", true),
        ("from x (a.relays.example.net [203.0.113.9]) by store (Postfix) with ESMTP id 1; x", true),
        ("from x (relays.example.net [203.0.113.9]) by store (Postfix) with ESMTP id 1; x", false),
        (
            "from x (store.example.jp [203.0.113.9]) by store.example.jp (8.18.1/8.18.1) with ESMTP id 1; x",
            true,
        ),
        // Names that no one has checked may be the sender's invention.
        (
            "from x (mx.example.jp [203.0.113.9] (may be forged)) by store (8.18.1/8.18.1) with ESMTP id 1; x",
            false,
        ),
        ("from x (mx.example.jp [203.0.113.9]) by store (OpenSMTPD) with ESMTP id 1; x", false),
        ("from mx.example.jp (HELO x) (203.0.113.9) by store with SMTP; x", false),
        ("from mx.example.jp (unknown [203.0.113.9]) by store (Postfix) with ESMTP id 1; x", false),
        ("from mx.example.jp ([203.0.113.9] helo=x) by store with esmtp (Exim 4.96) id 1; x", true),
        ("from [203.0.113.9] (helo=mx.example.jp) by store with esmtp (Exim 4.96) id 1; x", false),
    ] {
        assert_eq!(read(line).is_from_inside(&relays), ours, "{line}");
    }
    assert!(
        !read("from x (store [203.0.113.9]) by mx (Postfix) with ESMTP id 1; x")
            .is_from_inside(&Relays::default())
    );
}

proptest! {
    /// Whatever a sender writes where it can, in a line of an MTA in use, it
    /// decides nothing.
    #[test]
    fn a_sender_decides_nothing(
        (at, helo) in (0..MTAS.len()).prop_flat_map(|at| (Just(at), tricks(MTAS[at].blank))),
        sender in path(),
        recipient in path(),
        names in tricks(" "),
    ) {
        let mta = &MTAS[at];
        // Postfix and sendmail remove these signs.
        let ident = if mta.name.starts_with("Exim") {
            names
        } else {
            names.replace(['(', ')', '[', ']', '\\', '"'], "")
        };
        let line = filled(mta.line, &helo, &ident, &sender, &recipient);
        let plain = filled(mta.line, "x", "x", "a@evil.example", "taro@example.jp");
        prop_assert_eq!(decides(&line), decides(&plain), "{}: {}", mta.name, line);
        // A program in between may have refolded it.
        if mta.blank.is_empty() {
            let (line, plain) = (line.replace('\n', " "), plain.replace('\n', " "));
            prop_assert_eq!(decides(&line), decides(&plain), "{} on one line: {}", mta.name, line);
        }
    }

    /// The envelope, which our own hops repeat, is the sender's choice.
    #[test]
    fn an_envelope_moves_no_border(sender in path(), recipient in path()) {
        for line in [
            "from mx.example.jp ([10.0.0.1])\n\tby store.example.jp with LMTP\n\tid abc (envelope-from <SENDER>)\n\
             \tfor <RCPT>; x",
            "from root by mx.example.jp with local (Exim 4.96)\n\t(envelope-from <SENDER>)\n\tid 1sA-0\n\tfor RCPT; x",
            "by mx.example.jp (Postfix, from userid 110)\n\tid 1\n\tfor <RCPT>; x",
            "from localhost ([127.0.0.1])\n\tby mx.example.jp (Haraka/3.0.5) with ESMTPA id 1\n\
             \tenvelope-from <SENDER>;\n\tx",
        ] {
            let plain = filled(line, "", "", "a@evil.example", "taro@example.jp");
            let line = filled(line, "", "", &sender, &recipient);
            prop_assert_eq!(decides(&line), decides(&plain), "{}", line);
            let (line, plain) = (line.replace('\n', " "), plain.replace('\n', " "));
            prop_assert_eq!(decides(&line), decides(&plain), "{}", line);
        }
    }
}
