//! Texts by which senders try to write results.

use crate::classify::authentication::{Results, Verdict, of};
use crate::classify::testing::{TestWorld, with_mail};

const BORDER: &str = "Received: from pc (mail.evil.example [192.0.2.1]) by mx.example.jp \
    (Postfix) with ESMTP id 1; x\n";

fn results(text: &str, sender: Option<&str>) -> Results {
    let world =
        TestWorld { trust: &["mx.example.jp"], envelope_sender: sender, ..TestWorld::default() };
    with_mail(text, &world, of)
}

/// The results of `printed`, for a message in bank.example's name with a copy
/// of its signature beside the sender's own.
fn of_evil(printed: &str, identity: &str, sender: Option<&str>) -> Results {
    results(
        &format!(
            "Authentication-Results: mx.example.jp; {printed}\n{BORDER}\
             DKIM-Signature: d=evil.example; {identity}; b=abcdefghij\n\
             DKIM-Signature: d=bank.example; b=bankbankbank\nFrom: info@bank.example\n\n"
        ),
        sender,
    )
}

#[track_caller]
fn assert_not_believed(found: &Results) {
    assert!(found.spf != Some(Verdict::Pass) || found.spf_domain.is_none(), "{found:#?}");
    assert!(found.dkim_domains.iter().all(|each| each != "bank.example"), "{found:#?}");
    assert_eq!(found.dmarc, None, "{found:#?}");
    assert!(!found.ignored.is_empty(), "{found:#?}");
}

#[test]
fn an_identity_that_is_printed_decoded() {
    for smuggled in [
        "a;dkim=pass header.d=bank.example;",
        "a;dkim=pass header.d=bank.example header.b=bankbank header.i=x",
        "a;dmarc=pass header.from=bank.example header.i=x",
        "a;dmarc=pass header.from=bank.example;",
        "a ;spf=pass smtp.mailfrom=bank.example x=",
        "@evil.example;dmarc=pass header.from=bank.example;dkim=pass header.i=x",
        "a header.d=bank.example header.i=",
        "a(",
        "\"a\\\";dmarc=pass header.from=bank.example header.i=\"",
    ] {
        let encoded: String = smuggled
            .chars()
            .map(|c| match c {
                'a'..='z' | '@' | '.' => c.to_string(),
                _ => format!("={:02X}", c as u32),
            })
            .collect();
        let identity = format!("i={encoded}@evil.example");
        let printed = format!(
            "dkim=pass (2048-bit key) header.d=evil.example header.i={smuggled}@evil.example \
             header.a=rsa-sha256 header.b=abcdefgh; dmarc=pass header.from=bank.example"
        );
        let found = of_evil(&printed, &identity, None);
        assert_not_believed(&found);
        if !smuggled.ends_with(['(', '"']) {
            assert_eq!(found.dkim_domains, ["evil.example"], "{smuggled}");
            let why = "read up to `header.i` only: the sender could have written what \
                       follows, a DKIM-Signature contains text that can be read as results";
            assert_eq!(found.ignored[0].why, why);
        }
    }
}

#[test]
fn an_identity_of_a_message_that_is_not_signed() {
    let of = |signature: &str, printed: &str| {
        let text = format!(
            "Authentication-Results: mx.example.jp; {printed}\n{BORDER}{signature}From: info@bank.example\n\n"
        );
        results(&text, None)
    };
    let printed =
        "dkim=none (message not signed) header.i=none; dmarc=pass header.from=bank.example";
    assert_eq!(of("", printed).dmarc, Some(Verdict::Pass));
    for printed in [
        "dkim=neutral header.i=none; dmarc=pass header.from=bank.example",
        "dkim=none header.i=nobody; dmarc=pass header.from=bank.example",
    ] {
        assert_eq!(of("", printed).dmarc, None, "{printed}");
    }
    let signature = "DKIM-Signature: d=evil.example; i=none=3Bdmarc=3Dpass@evil.example\n";
    assert_eq!(of(signature, printed).dmarc, None);
}

#[test]
fn a_signature_that_fails_whatever_it_holds() {
    let identity = "i=a=3Bdkim=3Dpass=20header.d=3Dbank.example@evil.example";
    let found = of_evil(
        "dkim=fail header.d=evil.example header.i=a;dkim=pass header.d=bank.example",
        identity,
        None,
    );
    assert_eq!(found.dkim, Some(Verdict::Fail), "{found:#?}");
    assert!(found.dkim_domains.is_empty(), "{found:#?}");
}

#[test]
fn an_identity_that_another_signature_has_too() {
    let printed = "dkim=pass header.d=evil.example header.i=x@evil.example;\
        dmarc=pass header.from=bank.example header.i=y@evil.example";
    let text = format!(
        "Authentication-Results: mx.example.jp; {printed}\n{BORDER}\
         DKIM-Signature: d=evil.example; b=aa; i=x@evil.example=3Bdmarc=3Dpass\n\
         \t=20header.from=3Dbank.example=20header.i=3Dy@evil.example\n\
         DKIM-Signature: d=evil.example; i=x@evil.example; b=bb\nFrom: info@bank.example\n\n"
    );
    assert_not_believed(&results(&text, None));
    // Nor one whose signature the message no longer shows.
    let text = text.replace("DKIM-Signature", "X-Was");
    assert_not_believed(&results(&text, None));
}

#[test]
fn more_signatures_than_are_read() {
    let many = "DKIM-Signature: d=evil.example; i=x@evil.example; b=bb\n".repeat(101);
    let text = format!(
        "Authentication-Results: mx.example.jp; dkim=pass header.d=evil.example \
         header.i=x@evil.example;dmarc=pass header.from=bank.example\n{BORDER}{many}\
         From: info@bank.example\n\n"
    );
    assert_not_believed(&results(&text, None));
}

#[test]
fn an_envelope_sender_that_is_printed_without_its_quotes() {
    for (local, in_comment) in [
        ("a;dkim=pass header.d=bank.example header.b=bank;x=", false),
        ("a;dmarc=pass header.from=bank.example;spf=pass smtp.mailfrom=x", false),
        ("a@bank.example;dmarc=pass header.from=bank.example smtp.x=", false),
        ("a) smtp.mailfrom=bank.example; dmarc=pass header.from=bank.example (", true),
        ("a@bank.example (", false),
    ] {
        let sender = format!("{local}@evil.example");
        let quoted = format!("\"{}\"@evil.example", local.replace('"', "\\\""));
        let printed = match in_comment {
            true => format!("spf=pass (domain of {sender} designates) smtp.mailfrom={sender}"),
            false => format!("spf=pass smtp.mailfrom={sender}"),
        };
        for envelope in [&sender, &quoted] {
            let found = of_evil(&printed, "", Some(envelope));
            assert_not_believed(&found);
            assert_eq!(found.spf, None, "{found:#?}");
        }
        // If it is quoted as it should be, it is one value.
        let printed = format!("spf=pass smtp.mailfrom={quoted}; dmarc=fail");
        let found = of_evil(&printed, "", Some(&quoted));
        assert_eq!(found.spf_domain.as_deref(), Some("evil.example"), "{found:#?}");
        assert_eq!(found.dmarc, Some(Verdict::Fail));
    }
}

/// Without the envelope sender, only what is left of it shows that it was broken.
#[test]
fn a_sender_that_the_message_does_not_show() {
    for local in [
        "a;dmarc=pass header.from=bank.example;",
        "a;dmarc=pass header.from=bank.example;x",
        "a;dmarc=pass header.from=bank.example;x=y",
        "bank.example;",
        "x@bank.example;y",
        "bank.example smtp.mailfrom=x",
    ] {
        let found = of_evil(&format!("spf=pass smtp.mailfrom={local}@evil.example"), "", None);
        assert_not_believed(&found);
        assert_eq!(found.spf, None, "{found:#?}");
    }
}

#[test]
fn a_sender_that_is_too_long_to_be_used() {
    let printed = "spf=pass smtp.mailfrom=a;dmarc=pass header.from=bank.example;\
                   iprev=none smtp.helo=xxx@evil.example";
    let text = format!(
        "Authentication-Results: mx.example.jp; {printed}\n{BORDER}From: info@bank.example\n\n"
    );
    let world =
        TestWorld { trust: &["mx.example.jp"], has_long_sender: true, ..TestWorld::default() };
    assert_not_believed(&with_mail(&text, &world, of));
}

#[test]
fn a_helo_that_is_printed_as_it_came() {
    for helo in [
        "x;dmarc=pass header.from=bank.example",
        // With the words of other clauses, nobody knows how far it goes.
        "by mx.example.jp (Postfix) with ESMTPA id 3;dmarc=pass header.from=bank.example",
        "x by y;dmarc=pass header.from=bank.example",
        "x via y;dmarc=pass header.from=bank.example",
    ] {
        let printed = format!("spf=none smtp.helo={helo}; spf=pass smtp.mailfrom=a@evil.example");
        let text = format!(
            "Authentication-Results: mx.example.jp; {printed}\n\
             Received: from {helo} (mail.evil.example [192.0.2.1])\n\tby mx.example.jp \
             (Postfix) with ESMTP id 1; x\nFrom: info@bank.example\n\n"
        );
        assert_not_believed(&results(&text, Some("a@evil.example")));
        let plain = text.replace(&format!("from {helo}"), "from x");
        let variables = [("CLIENT_HELO", helo)];
        let world = TestWorld {
            trust: &["mx.example.jp"],
            variables: &variables,
            envelope_sender: Some("a@evil.example"),
            ..TestWorld::default()
        };
        assert_not_believed(&with_mail(&plain, &world, of));
    }
}

#[test]
fn a_from_that_two_read_differently() {
    for from in [
        "info@bank.example;x.evil.example",
        "info@bank.example(x).evil.example",
        "info@bank.example .evil.example",
        "info@bank.example (x) .evil.example",
    ] {
        let text = format!(
            "Authentication-Results: mx.example.jp; dmarc=pass header.from=bank.example\n\
             {BORDER}From: <{from}>\n\n"
        );
        assert_not_believed(&results(&text, None));
        // Nor does it prevent a failure.
        let found = results(&text.replace("dmarc=pass", "dmarc=fail"), None);
        assert_eq!(found.dmarc, Some(Verdict::Fail), "{from}: {found:#?}");
    }
}

#[test]
fn received_spf_with_text_of_the_sender() {
    let line = |rest: &str| {
        format!(
            "Received-SPF: pass (mailfrom) identity=mailfrom; {rest}\n{BORDER}From: a@bank.example\n\n"
        )
    };
    let sender = "a; envelope-from=x@bank.example ;b@evil.example";
    let found = results(&line(&format!("envelope-from={sender}; helo=pc")), Some(sender));
    assert_eq!((found.spf, found.spf_domain.as_deref()), (None, None));
    let quoted = "\"a; envelope-from=x@bank.example ;b\"@evil.example";
    let found = results(&line(&format!("envelope-from={quoted}; helo=pc")), Some(quoted));
    assert_eq!(found.spf_domain.as_deref(), Some("evil.example"));
    let text = line("helo=x; envelope-from=a@bank.example")
        .replace("from pc (", "from x; envelope-from=a@bank.example (");
    assert_eq!(results(&text, Some("a@evil.example")).spf, None);
}

#[test]
fn honest_mail_keeps_its_results() {
    for (printed, signatures, sender) in [
        // OpenDKIM, an identity of a user
        (
            "dkim=pass (2048-bit key; unprotected) header.d=bank.example \
             header.i=info+x@bank.example header.a=rsa-sha256 header.s=s header.b=bankbank",
            "DKIM-Signature: d=bank.example; s=s; i=info=2Bx@bank.example; b=bank\n\tbankbank",
            Some("info@bank.example"),
        ),
        // Haraka prints it in encoded form
        (
            "dkim=pass header.i=info=2Bx@bank.example header.d=bank.example header.s=s",
            "DKIM-Signature: d=bank.example; s=s; i=info=2Bx@bank.example; b=bank",
            None,
        ),
        // Gmail
        (
            "dkim=pass header.i=@bank.example header.s=s header.b=\"bank/+\"; spf=pass \
             (google.com: domain of bounce+a=example.jp@bank.example designates 192.0.2.1 as \
             permitted sender) smtp.mailfrom=\"bounce+a=example.jp@bank.example\"; dmarc=pass \
             (p=NONE sp=NONE dis=NONE) header.from=bank.example",
            "DKIM-Signature: d=bank.example; s=s; b=bank/+bank",
            Some("bounce+a=example.jp@bank.example"),
        ),
        // Two signatures, one of the list
        (
            "dkim=fail header.d=bank.example header.b=xyz; dkim=pass header.d=bank.example \
             header.b=bank; dkim=pass header.d=list.example",
            "DKIM-Signature: d=bank.example; b=xyz\nDKIM-Signature: d=bank.example; b=bank\n\
             DKIM-Signature: d=list.example; b=q",
            Some("list-bounces@list.example"),
        ),
        // rspamd
        (
            "dkim=pass header.d=bank.example header.s=s header.b=bankbank; spf=pass \
             (mx.example.jp: domain of \"john doe\"@bank.example designates 192.0.2.1 as \
             permitted sender) smtp.mailfrom=\"john doe\"@bank.example; dmarc=pass \
             (policy=none) header.from=bank.example",
            "DKIM-Signature: d=bank.example; s=s; b=bankbank",
            None,
        ),
    ] {
        let text = format!(
            "Authentication-Results: mx.example.jp; {printed}\n{BORDER}{signatures}\n\
             From: \"Bank (x), Inc.\" <info@bank.example> (info)\n\n"
        );
        let found = results(&text, sender);
        assert_eq!(found.dkim, Some(Verdict::Pass), "{found:#?}");
        assert_eq!(found.dkim_domains[0], "bank.example", "{found:#?}");
        assert!(found.ignored.is_empty(), "{found:#?}");
        if printed.contains("dmarc") {
            assert_eq!(found.dmarc, Some(Verdict::Pass), "{found:#?}");
            assert_eq!(found.spf_domain.as_deref(), Some("bank.example"));
        }
    }
}
