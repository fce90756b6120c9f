//! Whose results count, and which of them.

use super::*;
use crate::classify::testing::{TestWorld, with_mail};

const BORDER: &str = "Received: from pc (mail.example.org [192.0.2.1]) by mx.example.jp (Postfix) \
    with ESMTP id 1; x\n";
const INNER: &str = "Received: from mx (mx.example.jp [10.0.0.1]) by store.example.jp (Dovecot) \
    with LMTP id 2; x\n";
const OUTER: &str =
    "Received: from a ([127.0.0.1]) by mx.example.jp (Postfix) with ESMTP id 3; x\n";

const SIGNATURES: &str = "DKIM-Signature: d=example.org; b=abcdefghijk\n\
    DKIM-Signature: d=b.example; b=lmnopqrstuv\n";

fn results(text: &str, trust: &[&str]) -> Results {
    with_mail(
        &format!("{text}{SIGNATURES}From: a@example.org\n\n"),
        &TestWorld { trust, ..TestWorld::default() },
        of,
    )
}

fn ar(content: &str) -> String {
    format!("Authentication-Results: {content}\n")
}

/// spf, dkim, dmarc, arc, iprev
#[track_caller]
fn assert_verdicts(results: &Results, expected: &str) {
    let verdicts = [results.spf, results.dkim, results.dmarc, results.arc, results.iprev];
    let verdicts = verdicts.map(|verdict| verdict.map_or("-", Verdict::as_str)).join(" ");
    assert_eq!(verdicts, expected, "{results:#?}");
}

#[track_caller]
fn assert_ignored(results: &Results, why: &str) {
    assert_verdicts(results, "- - - - -");
    assert!(results.used.is_empty());
    let whys: Vec<_> = results.ignored.iter().map(|ignored| ignored.why.as_str()).collect();
    assert_eq!(whys, [why]);
}

#[test]
fn the_border_host_and_this_machine_are_believed_unasked() {
    for id in ["mx.example.jp", "MX.Example.JP.", "here.example.jp"] {
        let true_one = ar(&format!("{id}; spf=fail smtp.mailfrom=a@example.org; iprev=pass"));
        assert_verdicts(&results(&format!("{true_one}{BORDER}"), &[]), "fail - - - pass");
        assert_verdicts(&results(&format!("{INNER}{true_one}{BORDER}"), &[]), "fail - - - pass");
    }
}

#[test]
fn what_is_used_and_ignored_is_shown() {
    let text = format!(
        "{}{}{BORDER}",
        ar("mx.example.jp; dmarc=pass"),
        ar("other.example;\n\tdmarc=fail")
    );
    let found = results(&text, &[]);
    assert_eq!(
        found.used,
        ["Authentication-Results of mx.example.jp, above our border's Received line: dmarc=pass"]
    );
    assert_eq!(
        found.ignored,
        [IgnoredHeader {
            header: "Authentication-Results: other.example; dmarc=fail".to_owned(),
            why: "`other.example` is not trusted".to_owned(),
        }]
    );
}

/// Microsoft 365 writes its results without an id, above its border line.
#[test]
fn results_without_an_id_are_the_border_hosts() {
    let line = "Received: from mail.example.org (192.0.2.1) by DB5PEPF0001.mail.protection.example.com \
        (10.167.8.1) with Microsoft SMTP Server id 15.20.1; x\n";
    let header = "Authentication-Results: spf=pass (sender IP is 192.0.2.1)\n smtp.mailfrom=example.org; \
        dkim=pass (signature was verified)\n header.d=example.org;dmarc=pass action=none \
        header.from=example.org;compauth=pass reason=100\n";
    let trust = [".protection.example.com"];
    let found = results(&format!("{header}{line}"), &trust);
    assert_verdicts(&found, "pass pass pass - -");
    assert_eq!(found.dkim_domains, ["example.org"]);
    for (text, trust) in [
        (format!("{header}{line}"), &["mx.example.jp"][..]),
        (format!("{header}{line}"), &[]),
        // Its full name in `set trust` states that it writes an id itself.
        (format!("{header}{line}"), &["DB5PEPF0001.mail.protection.example.com"]),
        (format!("{line}{header}"), &trust),
        (format!("{header}{BORDER}"), &trust),
        (header.to_owned(), &trust),
    ] {
        let found = results(&text, trust);
        assert_ignored(&found, "it names no authserv-id");
    }
    let text = format!("{}{BORDER}", ar("mx2.example.jp; spf=pass"));
    assert_verdicts(&results(&text, &[".example.jp"]), "pass - - - -");
    assert_verdicts(&results(&text, &[".2.example.jp"]), "- - - - -");
}

#[test]
fn a_foreign_id_is_ignored() {
    let forged = ar("mx.example.org; spf=pass");
    assert_ignored(&results(&format!("{forged}{BORDER}"), &[]), "`mx.example.org` is not trusted");
    let mine = ar("mx.example.jp; spf=pass");
    assert_ignored(
        &results(&format!("{mine}{BORDER}"), &["other.example"]),
        "`mx.example.jp` is not trusted",
    );
}

#[test]
fn our_own_id_beneath_the_border_is_ignored() {
    for id in ["mx.example.jp", "mX.eXample.jp", "here.example.jp"] {
        let forged = ar(&format!("{id}; spf=pass; dkim=pass; dmarc=pass"));
        assert_ignored(
            &results(&format!("{BORDER}{forged}"), &[]),
            "it is below our Received lines, and `set trust` does not name its id",
        );
        let below = "it is below our Received lines, where the sender writes";
        assert_ignored(&results(&format!("{BORDER}{OUTER}{forged}"), &[id]), below);
        assert_ignored(&results(&format!("{INNER}{BORDER}{OUTER}{forged}"), &[]), below);
    }
}

#[test]
fn our_own_id_beneath_a_true_one_is_ignored() {
    let real = ar("mx.example.jp; spf=fail");
    let forged = ar("mx.example.jp; spf=pass; dkim=pass header.d=example.org");
    for text in [
        format!("{real}{BORDER}{forged}"),
        format!("{BORDER}{real}{forged}"),
        format!("{real}{forged}"),
    ] {
        let found = results(&text, &["mx.example.jp"]);
        assert_verdicts(&found, "fail - - - -");
        assert_eq!(found.ignored[0].why, "it is below one that counts");
    }
}

#[test]
fn a_border_that_is_named_may_write_below_its_line() {
    let text = format!("{BORDER}{}{OUTER}", ar("mx.example.jp; dkim=pass header.d=Example.ORG"));
    let found = results(&text, &["MX.example.jp"]);
    assert_verdicts(&found, "- pass - - -");
    assert_eq!(found.dkim_domains, ["example.org"]);
}

/// A border that removes forged headers looks for its id, and may not know it again.
#[test]
fn where_a_sender_can_write_an_id_is_spelled_out() {
    let trust = &["mx.example.jp", ".mail.example.jp"];
    for start in [
        "Authentication-Results: mx.example.jp.;",
        "Authentication-Results: \"mx.example.jp\";",
        "Authentication-Results: (x) mx.example.jp;",
        "Authentication-Results: ｍｘ.example.jp;",
        "Authentication-Results: a.mail.example.jp.;",
        "Authentication-Results : mx.example.jp;",
    ] {
        let header = format!("{start} dmarc=pass header.from=example.org\n");
        for text in [format!("{BORDER}{header}"), header.clone()] {
            let why =
                "a sender can write there, and it does not begin as `set trust` spells its id";
            assert_ignored(&results(&text, trust), why);
        }
        assert_verdicts(&results(&format!("{header}{BORDER}"), trust), "- - pass - -");
    }
    for start in
        ["MX.example.jp;", "\n\tmx.example.jp 1;", "mx.example.jp(x);", "a.mail.example.jp ;"]
    {
        let header = ar(&format!("{start} dmarc=pass header.from=example.org"));
        assert_verdicts(&results(&format!("{BORDER}{header}"), trust), "- - pass - -");
    }
    let arc = |id: &str| format!("{BORDER}ARC-Authentication-Results: i=1; {id}; arc=pass\n");
    assert_verdicts(&results(&arc("mx.example.jp"), trust), "- - - pass -");
    assert_verdicts(&results(&arc("mx.example.jp."), trust), "- - - - -");
}

#[test]
fn without_a_border_only_a_named_id_counts_or_what_is_above_all_lines() {
    let header = ar("here.example.jp; dkim=pass");
    let local = "Received: by here.example.jp (Postfix, from userid 5) id 1; x\n";
    assert_verdicts(&results(&format!("{header}{local}"), &[]), "- pass - - -");
    let why =
        "no Received line distinguishes it from the sender's, and `set trust` does not name its id";
    assert_ignored(&results(&format!("{local}{header}"), &[]), why);
    assert_ignored(&results(&header, &[]), why);
    assert_verdicts(&results(&header, &["here.example.jp"]), "- pass - - -");
}

/// Many servers check only mail of clients that have not logged in.
#[test]
fn what_a_user_of_ours_submits_proves_nothing() {
    let header = ar("mx.example.jp; dkim=pass; dmarc=pass header.from=example.org");
    for line in [
        "Received: from pc (pc.example.org [192.0.2.1]) (Authenticated sender: eve)\n\tby mx.example.jp (Postfix) with ESMTPSA id 1; x\n",
        "Received: from pc (pc.example.org [10.0.0.1])\n\tby mx.example.jp (Postfix) with ESMTPSA id 1; x\n",
        "Received: by mx.example.jp (Postfix, from userid 1001) id 1; x\n",
        "Received: from pc (localhost [127.0.0.1]) by mx.example.jp (Postfix) with ESMTP id 1; x\n",
    ] {
        let found = results(&format!("{line}{header}"), &["mx.example.jp"]);
        assert_ignored(&found, "it is in a message that was submitted here");
        assert_verdicts(&found, "- - - - -");
        assert_verdicts(
            &results(&format!("{header}{line}"), &["mx.example.jp"]),
            "- pass pass - -",
        );
    }
}

#[test]
fn each_milter_writes_its_own() {
    let text = format!(
        "{}{}{}{BORDER}",
        ar("mx.example.jp; dmarc=pass header.from=example.org"),
        ar("mx.example.jp; dkim=none; dkim=fail header.d=a.example; dkim=pass header.i=@b.example"),
        ar("mx.example.jp; dmarc=fail; spf=softfail smtp.helo=pc.example.org; arc=none"),
    );
    let found = results(&text, &[]);
    assert_verdicts(&found, "softfail pass pass none -");
    assert_eq!(found.dkim_domains, ["b.example"]);
    assert_eq!(found.spf_domain.as_deref(), Some("pc.example.org"));
    assert_eq!(found.dmarc_domain.as_deref(), Some("example.org"));
    assert_eq!(found.used.len(), 3);
}

#[test]
fn a_signature_that_the_message_does_not_have_proves_nothing() {
    for printed in [
        "dkim=pass header.d=other.example",
        "dkim=pass header.i=@other.example",
        "dkim=pass header.d=example.org header.b=xyz",
        "dkim=pass header.d=example.org header.i=@b.example",
        "dkim=pass header.d=example.org header.b=abc; dkim=fail header.d=example.org header.b=abc",
    ] {
        let found = results(&format!("{}{BORDER}", ar(&format!("mx.example.jp; {printed}"))), &[]);
        assert!(found.dkim != Some(Verdict::Pass) && found.dkim_domains.is_empty(), "{printed}");
    }
    let printed = "mx.example.jp; dkim=pass header.d=other.example";
    let found = results(&format!("{}{BORDER}", ar(printed)), &[]);
    let why = "its `dkim` result is not believed: the message has no such DKIM-Signature";
    assert_ignored(&found, why);
    for printed in [
        "dkim=pass header.d=Example.ORG header.b=abcdef",
        "dkim=pass header.i=@mail.example.org header.b=\"abc\"",
        "dkim=pass header.d=example.org header.i=@example.org",
    ] {
        let found = results(&format!("{}{BORDER}", ar(&format!("mx.example.jp; {printed}"))), &[]);
        assert_eq!(found.dkim_domains, ["example.org"], "{printed}");
    }
}

#[test]
fn a_header_that_counts_and_cannot_be_read_is_not_replaced() {
    let forged = ar("mx.example.jp; dmarc=pass header.from=example.org");
    for broken in [
        "dkim=pass header.i=a(@evil.example",
        "dkim=pass header.i=\"x",
        "dmarc=pass header.from=example.org(x)",
    ] {
        let broken = ar(&format!("mx.example.jp; {broken}"));
        let found = results(&format!("{BORDER}{broken}{forged}"), &["mx.example.jp"]);
        assert_eq!(found.dmarc, None, "{found:#?}");
        assert_eq!(found.ignored[1].why, "it is below one that counts");
    }
}

/// A sender who knows where reading ends makes a name end there.
#[test]
fn a_header_that_is_too_long_is_not_read() {
    let long =
        |start: &str| format!("{start}{}@example.org", "b".repeat(65_535 - 12 - start.len()));
    let (ar_long, spf) = (
        ar(&format!(
            "{}.evil.example",
            long("mx.example.jp; dkim=pass header.d=example.org header.s=")
        )),
        format!("Received-SPF: {}.evil.example\n", long("pass envelope-from=")),
    );
    assert_ignored(&results(&format!("{ar_long}{BORDER}"), &[]), TOO_LONG);
    assert_ignored(&results(&format!("{spf}{BORDER}"), &[]), TOO_LONG);
    let forged = ar("mx.example.jp; dmarc=pass header.from=example.org");
    let found = results(&format!("{BORDER}{ar_long}{forged}"), &["mx.example.jp"]);
    assert_verdicts(&found, "- - - - -");
}

#[test]
fn a_dmarc_result_of_another_from_is_none() {
    let text = format!("{}{BORDER}", ar("mx.example.jp; dmarc=pass header.from=b.example"));
    assert_ignored(
        &results(&text, &[]),
        "its `dmarc` result is not believed: From is not in the domain b.example",
    );
    let text = format!("{}{BORDER}", ar("mx.example.jp; dmarc=fail header.from=b.example"));
    assert_verdicts(&results(&text, &[]), "- - fail - -");
}

#[test]
fn a_dmarc_result_is_of_every_from() {
    let dmarc = ar("mx.example.jp; dmarc=pass header.from=example.org");
    for (from, why) in [
        ("a@b.example, x@example.org", "From is not in the domain example.org"),
        ("a@example.org\nFrom: x@example.org", "several lines can be read as From"),
    ] {
        let found = results(&format!("{dmarc}{BORDER}From: {from}\n\n"), &[]);
        assert_ignored(&found, &format!("its `dmarc` result is not believed: {why}"));
    }
    let found = results(&format!("{dmarc}{BORDER}From: a@example.org, x@example.org\n\n"), &[]);
    assert_verdicts(&found, "- - pass - -");
}

#[test]
fn what_a_border_was_misled_to_is_none() {
    // OpenDMARC uses what follows the first `@` of "x@example.org"@evil.example.
    let dmarc = ar("mx.example.jp; dmarc=pass (p=reject dis=none) header.from=example.org");
    let spf = ar("mx.example.jp; spf=pass smtp.mailfrom=example.org\"@evil.example");
    let trust = &["mx.example.jp"];
    for text in [format!("{dmarc}{spf}{BORDER}"), format!("{BORDER}{dmarc}{spf}")] {
        assert_verdicts(&results(&text, trust), "- - - - -");
    }
    let text = format!("{dmarc}{BORDER}From: a@example.org\n\n");
    let sender =
        |sender| TestWorld { trust, envelope_sender: Some(sender), ..TestWorld::default() };
    let found = with_mail(&text, &sender("\"x@example.org\"@evil.example"), of);
    assert_verdicts(&found, "- - - - -");
    let found = with_mail(&text, &sender("x+y=z@evil.example"), of);
    assert_verdicts(&found, "- - pass - -");
}

#[test]
fn a_received_spf_line_of_another_identity_hides_none() {
    let line =
        |text: &str| format!("Received-SPF: {text}; client-ip=192.0.2.1; helo=mail.bank.example\n");
    let mail = line("Pass identity=mailfrom; envelope-from=\"a@example.org\"");
    let helo = line("None identity=helo; envelope-from=\"a@example.org\"");
    let pra = line("Fail identity=pra; envelope-from=\"a@bank.example\"");
    for text in [format!("{helo}{pra}{mail}"), format!("{mail}{helo}{pra}")] {
        let found = results(&format!("{text}{BORDER}"), &[]);
        assert_verdicts(&found, "pass - - - -");
        assert_eq!(found.spf_domain.as_deref(), Some("example.org"));
    }
    assert_verdicts(&results(&format!("{pra}{BORDER}"), &[]), "- - - - -");
    let found = results(&format!("{helo}{BORDER}"), &[]);
    assert_verdicts(&found, "none - - - -");
    assert_eq!(found.spf_domain.as_deref(), Some("mail.bank.example"));
    let microsoft =
        line("Pass (outlook.com: domain of example.org designates 192.0.2.1 as permitted sender)");
    let found = results(&format!("{microsoft}{BORDER}"), &[]);
    assert_eq!(found.spf_domain.as_deref(), Some("example.org"));
    let bare = line("Pass receiver=mx.example.jp");
    assert_eq!(results(&format!("{bare}{BORDER}"), &[]).spf_domain, None);
}

#[test]
fn a_method_that_speaks_twice_passes_twice() {
    let text = format!(
        "{}{BORDER}",
        ar("mx.example.jp; spf=fail smtp.mailfrom=x; dmarc=pass@evil; dmarc=fail; dmarc=pass;\
            spf=pass smtp.mailfrom=y; spf=pass smtp.helo=z; iprev=pass; iprev=pass"),
    );
    assert_verdicts(&results(&text, &[]), "fail - fail - pass");
    let text =
        format!("{}{BORDER}", ar("mx.example.jp; spf=none smtp.helo=z; spf=pass smtp.mailfrom=y"));
    assert_verdicts(&results(&text, &[]), "pass - - - -");
}

#[test]
fn received_spf_counts_above_the_border_line_only() {
    let spf = "Received-SPF: Pass (mx: domain of a@example.org) client-ip=192.0.2.1;\n \
        envelope-from=\"a@example.org\"; helo=pc;\n";
    let found = results(&format!("{spf}{BORDER}"), &[]);
    assert_verdicts(&found, "pass - - - -");
    assert_eq!(found.spf_domain.as_deref(), Some("example.org"));
    assert_eq!(found.used, ["Received-SPF, above our border's Received line: spf=pass"]);
    for trust in [&[][..], &["mx.example.jp"]] {
        let below = results(&format!("{BORDER}{spf}"), trust);
        assert_ignored(&below, "it is not above our Received line");
    }
    let first = results(&format!("{}{spf}{BORDER}", ar("mx.example.jp; spf=fail")), &[]);
    assert_verdicts(&first, "fail - - - -");
}

#[test]
fn arc_authentication_results_are_for_arc() {
    let arc = "ARC-Authentication-Results: i=2; mx.example.jp; arc=pass; spf=pass; dkim=pass\n";
    assert_verdicts(&results(&format!("{arc}{BORDER}"), &[]), "- - - pass -");
    assert_verdicts(&results(&format!("{BORDER}{arc}"), &[]), "- - - - -");
    let text = format!("{arc}{}{BORDER}", ar("mx.example.jp; arc=fail"));
    assert_verdicts(&results(&text, &[]), "- - - fail -");
}

#[test]
fn an_attached_message_has_no_say() {
    let text = format!(
        "{BORDER}Content-Type: message/rfc822\n\n{}From: b@example.org\n\n",
        ar("mx.example.jp; spf=pass; dmarc=pass")
    );
    let found =
        with_mail(&text, &TestWorld { trust: &["mx.example.jp"], ..TestWorld::default() }, of);
    assert_eq!(found, Results::default());
}

#[test]
fn the_envelope_sender_replaces_what_a_border_left_out() {
    let text = format!("{}{BORDER}\n", ar("mx.example.jp; spf=pass"));
    let world =
        TestWorld { envelope_sender: Some("b@Bounces.example.org"), ..TestWorld::default() };
    let found = with_mail(&text, &world, of);
    assert_eq!(found.spf_domain.as_deref(), Some("bounces.example.org"));
}

#[test]
fn results_of_rspamd() {
    // 3.4
    let text = format!(
        "{}{BORDER}",
        ar(
            "mx.example.jp;\n\tdkim=none;\n\tspf=none (mx.example.jp: domain of a@example.org has no \
            SPF policy when checking 192.0.2.1) smtp.mailfrom=a@example.org;\n\tdmarc=none"
        )
    );
    assert_verdicts(&results(&text, &[]), "none none none - -");
}
