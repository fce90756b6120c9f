use proptest::prelude::*;

use super::*;
use crate::classify::testing::{TestWorld, assert_holds, assert_not, find, with_mail};

fn of(text: &str) -> (bool, bool, Option<f64>) {
    let text = format!("{text}\n\n");
    let world = TestWorld::default();
    let holds = |classifier| find(classifier, &text, &world).expect("it can be told").is_some();
    let score = with_mail(&text, &world, score);
    (holds(&SPAM), holds(&VIRUS), score.map(|score| score.value))
}

/// spam, virus, score
#[track_caller]
fn assert_says(text: &str, spam: bool, virus: bool, score: Option<f64>) {
    assert_eq!(of(text), (spam, virus, score), "{text}");
}

#[test]
fn spamassassin() {
    // 4.0.1
    assert_says(
        "X-Spam-Level: *\nX-Spam-Status: No, score=1.3 required=5.0 tests=MSGID_SHORT,RCVD_ILLEGAL_IP\n\
         \tautolearn=no autolearn_force=no version=4.0.1",
        false,
        false,
        Some(1.3),
    );
    assert_says(
        "X-Spam-Flag: YES\nX-Spam-Level: **************************************************\n\
         X-Spam-Status: Yes, score=1001.3 required=5.0 tests=GTUBE,MSGID_SHORT,\n\
         \tRCVD_ILLEGAL_IP autolearn=no autolearn_force=no version=4.0.1",
        true,
        false,
        Some(1001.3),
    );
    assert_says(
        "X-Spam-Status: No, hits=-99.5 required=2.0 version=2.6",
        false,
        false,
        Some(-99.5),
    );
    assert_says("X-Spam-Status: Yes, hits=.5\n\trequired=0.1", true, false, Some(0.5));
    assert_says("X-Spam-Level: ****", false, false, Some(4.0));
    assert_says("X-Spam-Level: ", false, false, Some(0.0));
    assert_says("X-Spam-Level: sss", false, false, Some(3.0));
    assert_says("X-Spam-Flag: NO", false, false, None);
    assert_says("X-Spam-Flag: yesterday", false, false, None);
}

#[test]
fn stalwart() {
    assert_says(
        "X-Spam-Result: SPAM_TRAP (0.00),\n\tDKIM_ALLOW (-0.20)\nX-Spam-Status: No, score=-0.20",
        false,
        false,
        Some(-0.2),
    );
    assert_says("X-Spam-Score: spam, score=10.20", true, false, Some(10.2));
    assert_says("X-Spam-Score: ham, score=-0.40", false, false, Some(-0.4));
}

#[test]
fn services() {
    assert_says("X-Suspected-Spam: true\nX-Spam-Status: No, score=-2.8", true, false, Some(-2.8));
    assert_says("X-Apple-Action: JUNK/Junk\nX-Apple-MoveToFolder: Junk", true, false, None);
    assert_says("X-Pm-Spamscore: 250\nX-Pm-Spam-Action: phishing", true, false, None);
    assert_says("X-Pm-Spam-Action: inbox", false, false, None);
    assert_says("X-BESS-Spam-Status: SCORE=5.60 using account:1 scores", false, false, Some(5.6));
    assert_says("X-SpamReason: Yes, hits=12.3 required=7.0 tests=x", true, false, Some(12.3));
    assert_says("X-SpamReason: {}-{0,00}-{0,00}", false, false, None);
    assert_says("X-ESET-Antispam: SPAM\nX-EsetResult: clean, is OK", true, false, None);
    assert_says("X-EsetResult: infected Win32/Sober.G worm", false, true, None);
    assert_says("X-VADE-SPAMSTATE: spam:low", true, false, None);
    assert_says("X-KSMG-AntiVirus-Status: Clean, skipped", false, false, None);
    assert_says("X-LASED-Spam: NonSpam\nX-Spam-Category: LEGIT", false, false, None);
    assert_says("X-CLX-Spam: true", true, false, None);
    assert_says("X-HE-Spam-Level: +++\nX-HE-Spam-Score: 3.2", false, false, Some(3.2));
    for (text, spam, virus) in [
        ("X-ESET-AS: R=SPAM; S=100; OP=CALC", true, false),
        ("X-ESET-AS: R=OK;S=0;OP=CALC", false, false),
        ("X-KSE-AntiSpam-Info: Rate: 100\nX-KSE-AntiSpam-Info: Status: spam", true, false),
        ("X-KSE-AntiSpam-Info: Rate: 0\nX-KSE-AntiSpam-Info: Status: not_detected", false, false),
        ("X-Microsoft-Antispam-Mailbox-Delivery: ucf:0;jmr:0;auth:0;dest:J;ENG:(1)", true, false),
        ("X-Microsoft-Antispam-Mailbox-Delivery: ucf:0;jmr:0;auth:0;dest:I", false, false),
        ("X-CLX-Shades: Junk", true, false),
        ("X-CLX-Shades: MLX", false, false),
        ("X-YahooFilteredBulk: 203.0.113.9", true, false),
        ("X-SpamExperts-Class: phish", true, false),
        ("X-SpamExperts-Class: unsure", false, false),
        ("X-SpamExperts-Class: virus", false, true),
        ("X-VadeSecure-Status: SPAM", true, false),
        ("X-Spam-Verdict: clean", false, false),
        ("X-Virus-Status: Yes", false, true),
        ("X-Virus-Status: No", false, false),
        ("X-Virus-Flag: yes", false, true),
        ("X-Virus-Flag: none found", false, false),
        ("X-Antivirus: Avast\nX-Antivirus-Status: Infected", false, true),
        ("X-Antivirus: Avast\nX-Antivirus-Status: Clean", false, false),
    ] {
        assert_says(text, spam, virus, None);
    }
    // QQ writes it on all that it sends.
    assert_says("X-QQ-SPAM: true", false, false, None);
}

#[test]
fn rspamd() {
    // 3.4
    assert_says(
        "X-Spamd-Result: default: False [4.80 / 15.00];\n\tDATE_IN_PAST(1.00)[22333];\n\tAUTH_NA(1.00)[]\n\
         X-Rspamd-Action: greylist\nX-Spamd-Bar: ++++\nX-Rspamd-Server: mx",
        false,
        false,
        Some(4.8),
    );
    assert_says(
        "X-Spamd-Result: default: True [15.00 / 15.00]; GTUBE(0.00)[]",
        true,
        false,
        Some(15.0),
    );
    assert_says(
        "X-Spamd-Result: default: False [-4.29 / 50.00]; BAYES_HAM(-3.00)[100.00%]",
        false,
        false,
        Some(-4.29),
    );
    assert_says("X-Spam-Status: No, score=4.80\nX-Spam-Level: ****", false, false, Some(4.8));
    assert_says("X-Spamd-Bar: ----", false, false, Some(-4.0));
    assert_says("X-Spamd-Bar: /", false, false, Some(0.0));
    assert_says("X-Rspamd-Score: -1.5", false, false, Some(-1.5));
    assert_says("Deliver-To: Junk", true, false, None);
    for (action, spam) in
        [("no action", false), ("add header", true), ("reject", true), ("soft reject", false)]
    {
        assert_says(&format!("X-Rspamd-Action: {action}"), spam, false, None);
    }
    // rspamc 3.4
    assert_says(
        "X-Spam-Scanner: rspamc 3.4\nX-Spam: yes\nX-Spam-Action: reject\nX-Spam-Score: 15.00 / 15.00\n\
         X-Spam-Level: ***************\nX-Spam-Symbols: GTUBE",
        true,
        false,
        Some(15.0),
    );
    assert_says(
        "X-Spam-Action: no action\nX-Spam-Score: 2.00 / 15.00\nX-Spam-Level: **",
        false,
        false,
        Some(2.0),
    );
    assert_says("X-Virus: Eicar-Signature", false, true, None);
    assert_says("X-Virus: clean", false, false, None);
}

#[test]
fn bogofilter_dspam_crm114() {
    // bogofilter 1.2.5
    assert_says(
        "X-Bogosity: Spam, tests=bogofilter, spamicity=1.000000, version=1.2.5",
        true,
        false,
        None,
    );
    assert_says(
        "X-Bogosity: Ham, tests=bogofilter, spamicity=0.000014, version=1.2.5",
        false,
        false,
        None,
    );
    assert_says(
        "X-Bogosity: Unsure, tests=bogofilter, spamicity=0.5, version=1.2.5",
        false,
        false,
        None,
    );
    assert_says(
        "X-Bogosity: Yes, tests=bogofilter, spamicity=0.99, version=0.9.1.2",
        true,
        false,
        None,
    );
    assert_says("X-DSPAM-Result: Spam\nX-DSPAM-Confidence: 0.9899", true, false, None);
    assert_says("X-DSPAM-Result: Innocent", false, false, None);
    assert_says("X-DSPAM-Result: Virus", false, true, None);
    assert_says("X-CRM114-Status: SPAM  ( pR: -24.3141 )", true, false, None);
    assert_says("X-CRM114-Status: Good  ( pR: 12.1 )", false, false, None);
    assert_says(
        "X-CRM114-Status: UNSURE (3.0) This message is 'unsure'; please train it! ",
        false,
        false,
        None,
    );
}

#[test]
fn amavis_and_virus_scanners() {
    // amavis 2.13.0
    assert_says(
        "X-Virus-Scanned: amavis at example.jp\nX-Spam-Flag: YES\nX-Spam-Score: 1001.301\n\
         X-Spam-Status: Yes, score=1001.301 tagged_above=-999 required=5\n tests=[GTUBE=1000]\n autolearn=no",
        true,
        false,
        Some(1001.301),
    );
    assert_says(
        "X-Virus-Scanned: amavis at example.jp\n\
         X-Amavis-Alert: BANNED, message contains application/octet-stream,run.exe",
        false,
        false,
        None,
    );
    assert_says(
        "X-Amavis-Alert: INFECTED, message contains virus: Eicar-Signature",
        false,
        true,
        None,
    );
    assert_says("X-Virus-Status: Infected (Eicar-Signature)", false, true, None);
    assert_says("X-Virus-Status: Clean", false, false, None);
    assert_says("X-Spam-Virus: Yes (Eicar-Signature)", false, true, None);
    assert_says("X-MailScanner: Found to be infected", false, true, None);
    assert_says(
        "X-Example-MailScanner-SpamCheck: spam, SpamAssassin (score=6.5)",
        true,
        false,
        Some(6.5),
    );
    assert_says("X-Example-MailScanner-SpamCheck: not spam, x", false, false, None);
    assert_says("X--MailScanner-SpamChecks: spam", false, false, None);
    assert_says(
        "X-MailScanner-SpamCheck: not spam, SpamAssassin (score=-5.1, required 5)",
        false,
        false,
        Some(-5.1),
    );
    assert_says(
        "X-MailScanner-SpamCheck: spam, SpamAssassin (score=6.5, required 5)",
        true,
        false,
        Some(6.5),
    );
}

#[test]
fn microsoft_and_barracuda() {
    assert_says("X-MS-Exchange-Organization-SCL: -1", false, false, Some(-1.0));
    assert_says("X-MS-Exchange-Organization-SCL: 5", true, false, Some(5.0));
    assert_says(
        "X-Forefront-Antispam-Report: CIP:192.0.2.1;CTRY:;LANG:en;SCL:1;SRV:;SFV:NSPM;CAT:NONE;SFP:1101;",
        false,
        false,
        Some(1.0),
    );
    assert_says(
        "X-Forefront-Antispam-Report:\n CIP:192.0.2.1; SFV:SPM; CAT:MALW;",
        true,
        true,
        None,
    );
    assert_says(
        "X-Forefront-Antispam-Report: CIP:192.0.2.1;SCL:9;SFV:NSPM",
        true,
        false,
        Some(9.0),
    );
    assert_says(
        "X-Barracuda-Spam-Status: Yes, SCORE=6.10 using global scores of TAG_LEVEL=3.5",
        true,
        false,
        Some(6.1),
    );
    assert_says("X-Barracuda-Spam-Score: 0.00", false, false, Some(0.0));
    assert_says("X-SES-Spam-Verdict: FAIL\nX-SES-Virus-Verdict: PASS", true, false, None);
}

#[test]
fn the_topmost_counts_and_evidence_is_short() {
    let world = TestWorld::default();
    let text = "X-Spam-Flag: NO\nX-Spam-Flag: YES\n\n";
    assert_not(&SPAM, text, &world);
    assert_holds(
        &SPAM,
        "x-spam-flag:  YES \n\n",
        &world,
        "X-Spam-Flag is `YES` (SpamAssassin, amavis)",
    );
    let text = format!("X-Spam-Status: Yes, score=5.0 tests={}\n\n", "A,".repeat(100));
    let evidence = find(&SPAM, &text, &world).expect("it can be told").expect("it holds");
    assert!(evidence.ends_with("…` (SpamAssassin, amavis, rspamd)") && evidence.len() < 130);
    assert_not(&SPAM, "\n", &world);
}

const BORDER: &str = "Received: from out (out.sender.example [203.0.113.9]) by mx.example.jp (Postfix) \
    with ESMTP id 1; x\n";

#[test]
fn headers_above_the_border_come_first() {
    let says = |text: &str| of(&text.replace("BORDER\n", BORDER));
    for (text, expected) in [
        // The sender's headers count only if ours say nothing.
        ("X-Spam-Status: No, score=-3.0\nBORDER\nX-Spam-Flag: YES", (false, false, Some(-3.0))),
        ("X-Spam_score: 8.3\nBORDER\nX-Spam-Status: No, score=-50.0", (false, false, Some(8.3))),
        (
            "X-Spam_bar: ++++\nBORDER\nX-Spamd-Result: default: False [-50.0 / 15]",
            (false, false, Some(4.0)),
        ),
        ("X-Virus-Status: Clean\nBORDER\nX-Amavis-Alert: INFECTED, x", (false, false, None)),
        ("X-Virus-Status: Infected (x)\nBORDER\nX-Spam-Virus: No", (false, true, None)),
        ("X-Spam-Flag: YES\nBORDER\nX-Spam-Flag: NO", (true, false, None)),
        ("X-Bogosity: Unsure\nBORDER\nX-Spam: yes", (false, false, None)),
        // If there is none above, that of a milter or of a machine on the way counts.
        ("Subject: x\nBORDER\nX-Spam-Flag: YES\nX-Spam-Score: 7", (true, false, Some(7.0))),
        ("X-Spam-Score: 1\nBORDER\nX-Spam-Flag: YES", (true, false, Some(1.0))),
        // A filter of ours without a verdict does not count.
        ("X-SES-Spam-Verdict: PROCESSING_FAILED\nBORDER\nX-Spam-Flag: YES", (true, false, None)),
        // Each filter of ours has a say.
        ("X-Spam-Flag: NO\nX-Bogosity: Spam, x\nBORDER\nSubject: x", (true, false, None)),
    ] {
        assert_eq!(says(text), expected, "{text}");
    }
}

#[test]
fn a_report_on_what_went_out_is_not_ours() {
    let out = "X-Forefront-Antispam-Report: CIP:255.255.255.255;CTRY:;LANG:en;SCL:9;SRV:;IPV:NLI;\
        SFV:SPM;H:x;PTR:;CAT:MALW;SFS:(1);DIR:OUT;SFP:1102;";
    assert_says(out, false, false, None);
    let inbound = "X-Forefront-Antispam-Report: CIP:203.0.113.9;SCL:5;SFV:SPM;CAT:SPM;DIR:INB;";
    assert_says(&format!("{out}\n{inbound}"), true, false, Some(5.0));
}

#[test]
fn a_percentage_is_no_score() {
    for value in ["100.00%", "99 %", " 1.5%"] {
        assert_says(&format!("X-Spam-Score:{value}"), false, false, None);
        assert_says(&format!("X-Spam-Status: Yes, score={value}"), true, false, None);
    }
    assert_says("X-Spam-Score: 5.0 (100% sure)", false, false, Some(5.0));
    let world = TestWorld { spam_score_header: Some("X-Percent"), ..TestWorld::default() };
    let value = with_mail("X-Percent: 97.5%\n\n", &world, score).map(|score| score.value);
    assert_eq!(value, Some(97.5), "the user knows");
}

#[test]
fn mail_scanner_with_a_name() {
    assert_says("X-Uni-MailScanner: Found to be infected", false, true, None);
    assert_says("X-Uni-MailScanner-SpamScore: ssssss", false, false, Some(6.0));
}

/// What is not spam for a filter of ours is not spam because a sender says so.
#[test]
fn a_verdict_of_our_border_comes_before_a_senders() {
    let border = "Received: from pc (pc.example.org [192.0.2.1]) by mx (Postfix) with SMTP id 1; x";
    for ours in [
        "X-Proofpoint-Spam-Details: rule=inbound_notspam policy=inbound score=0",
        "X-UI-Filterresults: notjunk:1;V03:K0:x",
        "X-VR-SPAMSTATE: OK",
        "X-Gm-Spam: 0",
    ] {
        assert_says(&format!("{ours}\n{border}\nX-Spam-Flag: YES"), false, false, None);
    }
}

#[test]
fn a_score_header_of_ones_own() {
    let world = TestWorld { spam_score_header: Some("X-My-Score"), ..TestWorld::default() };
    let value = |text: &str| with_mail(text, &world, |mail| score(mail).map(|score| score.value));
    assert_eq!(value("X-Spam-Score: 1\nX-My-Score: about -7.25 points\n\n"), Some(-7.25));
    assert_eq!(value("X-My-Score: (.5)\n\n"), Some(0.5));
    assert_eq!(value("X-Spam-Score: 1\n\n"), None);
}

#[test]
fn every_line_of_the_table_is_read() {
    let lines: usize = spam::HEADERS.iter().map(|(_, lines)| lines.len()).sum();
    assert_eq!(headers().count(), lines);
}

#[test]
fn filters_of_providers() {
    for (header, spam) in [
        ("X-OCN-SPAM-CHECK: 100.00%", true),
        ("X-OCN-SPAM-CHECK: 99.00%", false),
        ("Subject: [meiwaku] x\nX-OCN-SPAM-CHECK: 90.00%", true),
        ("Subject: [meiwaku] x", false),
        ("X-Biglobe-spamcheck: 100.00%", true),
        ("X-MD-Class: spam", true),
        ("X-MD-Class: normal", false),
        ("X-TERRACE-SPAMMARK: YES (SR:90.1) (by Terrace)", true),
        ("X-TERRACE-SPAMMARK: NOT spam-marked. (by Terrace)", false),
        ("X-PerlMx-Spam: Gauge=XXXXXXXIIIIIIII, Probability=78%, Report=\"X, Y\"", true),
        ("X-PMX-Spam: Probability=50%", true),
        ("X-PMX-Spam: Gauge=IIIIIIII, Probability=8%, Report='Probability=99%'", false),
        ("X-CMAE-Score: 100", true),
        ("X-CM-Score: 0.00", false),
        ("X-HiNet-Brightmail: Spam", true),
        ("X-Assp-Spam: YES", true),
        ("X-KLMS-AntiSpam-Status: spam", true),
        ("X-KLMS-AntiSpam-Status: not_detected", false),
        ("X-VADE-STATUS: LEGIT", false),
        ("X-Spampanel-Class: spam", true),
        ("X-Spambayes-Classification: spam; 0.99", true),
        ("X-Spambayes-Classification: unsure; 0.50", false),
        ("X-Text-Classification: spam", true),
        ("X-Text-Classification: work", false),
        ("X-Proofpoint-Spam-Details: rule=spam policy=default score=99", true),
        ("X-Proofpoint-Spam-Details: rule=notspam policy=default score=0", false),
        ("X-Proofpoint-Spam-Details: rule=spam_outbound_notspam score=0", false),
        ("X-Proofpoint-Spam-Details: rule=inbound_spam policy=inbound score=99", true),
        ("X-ProXaD-SC: state=SPAM score=320", true),
        ("X-ProXaD-SC: state=HAM:CommercialEmailGeneric score=17", false),
        ("X-Xfinity-VMeta: sc=100.00;st=spam", true),
        ("X-Xfinity-VMeta: sc=-100.00;st=legit", false),
        ("X-UI-Filterresults: junk:10;V03:K0:x", true),
        ("X-UI-Filterresults: notjunk:1;V03:K0:x", false),
        ("X-GMX-Antispam: 6 (nemesis text pattern profiler); Detail=V3;", true),
        ("X-GMX-Antispam: 0 (Mail was not recognized as spam); Detail=V3;", false),
        ("X-Yandex-Spam: 4", true),
        ("X-Yandex-Spam: 1", false),
        ("X-Gm-Spam: 0\nX-Gm-Phishy: 1", true),
        ("X-Gm-Spam: 0\nX-Gm-Phishy: 0", false),
        ("X-Ovh-Spam-Status: SPAM", true),
        ("X-VR-SPAMSTATE: OK", false),
        ("X-Mailgun-Sflag: Yes", true),
        ("X-NAI-Spam-Flag: YES", true),
        ("X-purgate-type: spam", true),
        ("X-Spam-Result: SPAM", true),
        ("X-imss-scan-details: Yes-6.009-7.0-31-1;Yes-6.009-5.0-31-1", true),
        ("X-BitDefender-Spam: No (14)", false),
        ("X-TM-AS-Result: Yes-48.583700-5.000000-31", true),
        ("X-TM-AS-Result: No--4.038400-4.000000-31", false),
        ("X-Mark-Spam-Flag: YES", true),
    ] {
        assert_eq!(of(&format!("{header}\n\n")).0, spam, "{header}");
    }
}

proptest! {
    #[test]
    fn any_value(value in "([-+.0-9*/é]|score=|\\[|yes){0,20}", at in 0..headers().count()) {
        of(&format!("{}: {value}", headers().nth(at).unwrap().name.replace('*', "Org")));
    }
}
