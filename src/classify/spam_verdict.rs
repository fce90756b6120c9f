//! `spam`, `virus` and `spam-score`: what a filter before us says.
//!
//! No specification defines these headers; `spam.txt` of `words` says who writes
//! each and how it is read.
//!
//! Only our machines write above the border's Received line, so that comes first:
//! if one header there has a verdict, those below do not count. Below it write
//! the milters of some borders, other machines on the way, and the sender. In
//! either place the topmost header of a name counts, because filters write above
//! what is already there, and one `spam` among them is enough: senders do not
//! call their own mail that. Without a border, all headers count alike.

use crate::classify::look::folded;
use crate::classify::words::spam;
use crate::classify::{Classifier, Mail};
use crate::message::head::Header;
use crate::message::unfold::unfold;

/// `spam`
pub const SPAM: Classifier = Classifier {
    name: "spam",
    absent: "no spam filter's header says so",
    find: |mail| Ok(find(mail, |reading| reading.spam).or_else(|| marked_subject(mail))),
};

/// `virus`
pub const VIRUS: Classifier = Classifier {
    name: "virus",
    absent: "no virus scanner's header says so",
    find: |mail| Ok(find(mail, |reading| reading.virus)),
};

/// Further headers of the same name are ignored.
const MOST_HEADERS: usize = 100;

/// How much of a value is read, bytes.
const LONGEST_VALUE: usize = 8192;

/// The longest excerpt of a value, in characters.
const EXCERPT: usize = 60;

/// The confidence level from which Exchange files a message as spam.
const SPAM_CONFIDENCE: f64 = 5.0;

/// The grade from which GMX and Yandex file a message as spam.
const SPAM_GRADE: f64 = 4.0;

/// A header that a filter writes.
struct VerdictHeader {
    name: &'static str,
    /// The filter that writes it.
    writer: &'static str,
    read: fn(&str) -> Reading,
}

/// The content of a header; `None` where it says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
struct Reading {
    spam: Option<bool>,
    virus: Option<bool>,
    score: Option<f64>,
}

/// All the headers of the table, in its order.
fn headers() -> impl Iterator<Item = VerdictHeader> {
    let lines = |part: &'static (&str, &[&'static str])| part.1.iter().map(|line| (part.0, *line));
    spam::HEADERS.iter().flat_map(lines).filter_map(|(value, line)| {
        let (name, writer) = line.split_once(": ")?;
        Some(VerdictHeader { name, writer, read: reader(value)? })
    })
}

/// How the headers of a part of the table are read.
fn reader(value: &str) -> Option<fn(&str) -> Reading> {
    Some(match value {
        "status" => status,
        "flag" => flag,
        "spamd-result" => spamd_result,
        "number" => number,
        "action" => action,
        "junk" => |value| spam_if(starts(value, "junk")),
        "dspam" => dspam,
        "stated" => stated,
        "one" => |value| spam_if(first_number(value) == Some(1.0)),
        "grade" => |value| spam_if(leading_number(value).is_some_and(|grade| grade >= SPAM_GRADE)),
        "score-and-threshold" => |value| spam_if(value.starts_with("yes")),
        "percentage" => percentage,
        "probability" => probability,
        "infected" => infected,
        "found-infected" => |value| virus_if(value.contains("found to be infected")),
        "virus-flag" => |value| Reading { virus: flag(value).spam, ..Reading::default() },
        "virus-name" => rspamd_virus,
        "verdict" => |value| Reading { spam: ses(value), ..Reading::default() },
        "virus-verdict" => |value| Reading { virus: ses(value), ..Reading::default() },
        "bar" => bar,
        "level" => level,
        "scl" => scl,
        "forefront" => forefront,
        _ => return None,
    })
}

/// A score and the header that it is from.
#[derive(Debug, Clone, PartialEq)]
pub struct SpamScore {
    /// Higher is worse.
    pub value: f64,
    /// The header's name.
    pub header: String,
}

/// `spam-score`: the number in the header of `set spam-score-header`, and in no
/// other if that is set; otherwise the first one of the table.
pub fn score(mail: &Mail<'_>) -> Option<SpamScore> {
    if let Some(name) = &mail.spam_score_header {
        let value = first_number(&one_line(mail.message.head().first(name)?))?;
        return Some(SpamScore { value, header: name.clone() });
    }
    places(mail).into_iter().find_map(|place| {
        headers().find_map(|header| {
            let (_, reading) = reading(mail, &header, place)?;
            Some(SpamScore { value: reading.score?, header: header.name.to_owned() })
        })
    })
}

/// Evidence from the first header that says so, in the first place with a verdict.
fn find(mail: &Mail<'_>, says: fn(&Reading) -> Option<bool>) -> Option<String> {
    places(mail).into_iter().find_map(|place| {
        let mut verdict = None;
        for header in headers() {
            let Some((value, reading)) = reading(mail, &header, place) else { continue };
            match says(&reading) {
                Some(true) => return Some(Some(evidence(&header, &value))),
                Some(false) => verdict = Some(None),
                None => {}
            }
        }
        verdict
    })?
}

fn evidence(header: &VerdictHeader, value: &str) -> String {
    let value = match value.char_indices().nth(EXCERPT) {
        Some((end, _)) => format!("{}…", &value[..end]),
        None => value.to_owned(),
    };
    format!("{} is `{value}` ({})", header.name, header.writer)
}

/// A place in the header block: above the border line, or from there on.
#[derive(Debug, Clone, Copy)]
enum MarkPlace {
    Anywhere,
    Above(usize),
    Below(usize),
}

/// The places to look in, first one first.
fn places(mail: &Mail<'_>) -> Vec<MarkPlace> {
    match mail.trail().border_start {
        Some(border) => vec![MarkPlace::Above(border), MarkPlace::Below(border)],
        None => vec![MarkPlace::Anywhere],
    }
}

impl MarkPlace {
    fn has(self, header: &Header<'_>) -> bool {
        match self {
            MarkPlace::Anywhere => true,
            MarkPlace::Above(border) => header.range.start < border,
            MarkPlace::Below(border) => header.range.start >= border,
        }
    }
}

/// The topmost header of a name in a place that says anything, and what it says.
fn reading(mail: &Mail<'_>, header: &VerdictHeader, place: MarkPlace) -> Option<(String, Reading)> {
    let head = mail.message.head();
    let read = |found: Header<'_>| {
        let value = one_line(found.value);
        let reading = (header.read)(&value.to_lowercase());
        (reading != Reading::default()).then_some((value, reading))
    };
    match header.name.split_once('*') {
        None => head
            .named(header.name)
            .filter(|found| place.has(found))
            .take(MOST_HEADERS)
            .find_map(read),
        Some((before, after)) => {
            let fits = |name: &str| {
                name.len() > before.len() + after.len()
                    && starts_without_case(name, before)
                    && starts_without_case(
                        name.get(name.len() - after.len()..).unwrap_or(""),
                        after,
                    )
            };
            let named = head.headers().filter(|found| place.has(found) && fits(found.name));
            named.take(MOST_HEADERS).find_map(read)
        }
    }
}

fn starts_without_case(text: &str, start: &str) -> bool {
    text.get(..start.len()).is_some_and(|found| found.eq_ignore_ascii_case(start))
}

/// A value on one line, cut to the longest length.
fn one_line(value: &[u8]) -> String {
    let value = String::from_utf8_lossy(&unfold(&value[..value.len().min(LONGEST_VALUE)]))
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    value.chars().filter(|c| !c.is_control()).collect()
}

fn spam_if(spam: bool) -> Reading {
    Reading { spam: Some(spam), ..Reading::default() }
}

fn virus_if(virus: bool) -> Reading {
    Reading { virus: Some(virus), ..Reading::default() }
}

fn starts(value: &str, word: &str) -> bool {
    let rest = value.strip_prefix(word);
    rest.is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '-'))
}

/// Whether the value says yes, in any of the usual words.
fn flag(value: &str) -> Reading {
    spam_if(["yes", "true", "spam"].iter().any(|word| starts(value, word)))
}

/// A flag and, after `score=` or `hits=`, a score.
fn status(value: &str) -> Reading {
    let score = ["score=", "hits="].iter().find_map(|key| value.split_once(key));
    Reading { score: score.and_then(|(_, rest)| points(rest)), ..flag(value) }
}

fn number(value: &str) -> Reading {
    let digits = value.find(|c: char| c.is_ascii_digit()).unwrap_or(value.len());
    let is_percentage = points(&value[digits..]).is_none();
    Reading { score: first_number(value).filter(|_| !is_percentage), ..Reading::default() }
}

/// A number that is not a percentage: no score is on that scale.
fn points(text: &str) -> Option<f64> {
    let number = leading_number(text)?;
    let in_number = |c: char| c.is_ascii_digit() || matches!(c, '.' | '-' | '+');
    let behind = text.trim_start().trim_start_matches(in_number).trim_start();
    (!behind.starts_with('%')).then_some(number)
}

/// `100.00%` is certain; anything less says nothing.
fn percentage(value: &str) -> Reading {
    let number = value.strip_suffix('%').unwrap_or(value);
    let certain = leading_number(number).is_some_and(|percent| percent >= 100.0);
    Reading { spam: certain.then_some(true), ..Reading::default() }
}

/// `Gauge=XXXXXIIIII, Probability=55%, Report=…`
fn probability(value: &str) -> Reading {
    let stated = value.split(',').find_map(|part| part.trim().strip_prefix("probability="));
    let percent =
        stated.and_then(|stated| stated.trim().strip_suffix('%')).and_then(leading_number);
    Reading { spam: percent.map(|percent| percent >= 50.0), ..Reading::default() }
}

/// `rule=spam`, `rule=inbound_notspam`, `state=HAM:…`, `st=legit`.
fn stated(value: &str) -> Reading {
    let words = value.split(|c: char| c.is_whitespace() || c == ';');
    let stated = words.filter_map(|word| word.split_once('='));
    let spam =
        stated.filter(|(key, _)| ["rule", "state", "st"].contains(key)).find_map(|(_, verdict)| {
            match verdict.split(':').next()?.rsplit('_').next()? {
                "spam" => Some(true),
                "notspam" | "ham" | "legit" => Some(false),
                _ => None,
            }
        });
    Reading { spam, ..Reading::default() }
}

/// A mark that a filter puts before the subject, if its header is there too:
/// people may write the mark themselves.
fn marked_subject(mail: &Mail<'_>) -> Option<String> {
    let head = mail.message.head();
    let (_, marks) = spam::SUBJECTS.iter().find(|(header, _)| head.first(header).is_some())?;
    let subject = folded(mail.message, "subject");
    let marked = subject.strip_prefix('[')?.split_once(']')?.0;
    marks.contains(&marked).then(|| format!("the subject is marked [{marked}]"))
}

/// `PASS` and `FAIL`; `GRAY` and `PROCESSING_FAILED` are not verdicts.
fn ses(value: &str) -> Option<bool> {
    match value {
        "fail" => Some(true),
        "pass" => Some(false),
        _ => None,
    }
}

fn action(value: &str) -> Reading {
    spam_if(["reject", "add header", "rewrite subject", "quarantine"].contains(&value))
}

fn spamd_result(value: &str) -> Reading {
    let metric = value.split(';').next().unwrap_or_default();
    let score = metric.split_once('[').and_then(|(_, rest)| points(rest));
    Reading { score, ..spam_if(metric.contains(": true")) }
}

fn dspam(value: &str) -> Reading {
    let spam = ["spam", "blacklisted", "blocklisted"].iter().any(|word| starts(value, word));
    let virus = starts(value, "virus");
    Reading { spam: (!virus).then_some(spam), virus: virus.then_some(true), score: None }
}

fn infected(value: &str) -> Reading {
    virus_if(starts(value, "infected"))
}

fn rspamd_virus(value: &str) -> Reading {
    let clean = ["clean", "no", "none", "false", "fail", "unknown"];
    virus_if(!value.is_empty() && !clean.iter().any(|word| starts(value, word)))
}

/// The number of `+` or, negative, of `-`; `/` is zero.
fn bar(value: &str) -> Reading {
    let sign = match value.bytes().next() {
        Some(b'+') => 1.0,
        Some(b'-') => -1.0,
        Some(b'/') => 0.0,
        _ => return Reading::default(),
    };
    let same = value.bytes().take_while(|byte| value.starts_with(char::from(*byte))).count();
    Reading { score: Some(sign * same as f64), ..Reading::default() }
}

/// One character per point, and the character is configurable; none means less than one.
fn level(value: &str) -> Reading {
    let mut chars = value.chars();
    let first = chars.next();
    let alike = chars.all(|c| Some(c) == first);
    let score = match first {
        Some(c) if !alike || c.is_ascii_digit() => first_number(value),
        _ => Some(value.chars().count() as f64),
    };
    Reading { score, ..Reading::default() }
}

fn scl(value: &str) -> Reading {
    let score = leading_number(value);
    Reading { spam: score.map(|score| score >= SPAM_CONFIDENCE), score, ..Reading::default() }
}

/// SFV is the filter's verdict: SPM by content, SKS and SKB by a rule or a
/// blocked sender. CAT MALW is malware. DIR OUT is the report on mail that the
/// sender's own organisation sent.
fn forefront(value: &str) -> Reading {
    let fields = || value.split(';').filter_map(|field| field.trim().split_once(':'));
    let get = |key: &str| fields().find(|(each, _)| *each == key).map(|(_, value)| value.trim());
    if get("dir") == Some("out") {
        return Reading::default();
    }
    let mut reading = get("scl").map(scl).unwrap_or_default();
    if let Some(verdict) = get("sfv").filter(|verdict| !verdict.is_empty()) {
        let is_spam = ["spm", "sks", "skb"].contains(&verdict) || reading.spam == Some(true);
        reading.spam = Some(is_spam);
    }
    reading.virus = get("cat").filter(|kind| !kind.is_empty()).map(|kind| kind == "malw");
    reading
}

/// The number that a text begins with, with its sign and decimals.
fn leading_number(text: &str) -> Option<f64> {
    let text = text.trim_start();
    let sign = usize::from(text.starts_with(['-', '+']));
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let whole = digits(text.get(sign..)?);
    let decimals = match text.get(sign + whole..)?.strip_prefix('.') {
        Some(rest) => digits(rest),
        None => 0,
    };
    if whole + decimals == 0 {
        return None;
    }
    let point = usize::from(decimals > 0);
    text.get(..sign + whole + point + decimals)?.parse().ok()
}

/// The first number in a text.
fn first_number(text: &str) -> Option<f64> {
    let digit = text.find(|c: char| c.is_ascii_digit())?;
    let before = &text[..digit];
    let start = before.strip_suffix('.').unwrap_or(before);
    let start = start.strip_suffix(['-', '+']).unwrap_or(start);
    leading_number(&text[start.len()..])
}

#[cfg(test)]
mod tests {
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
            (
                "X-Spam_score: 8.3\nBORDER\nX-Spam-Status: No, score=-50.0",
                (false, false, Some(8.3)),
            ),
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
            (
                "X-SES-Spam-Verdict: PROCESSING_FAILED\nBORDER\nX-Spam-Flag: YES",
                (true, false, None),
            ),
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
        let border =
            "Received: from pc (pc.example.org [192.0.2.1]) by mx (Postfix) with SMTP id 1; x";
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
        let value =
            |text: &str| with_mail(text, &world, |mail| score(mail).map(|score| score.value));
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
}
