//! What the value of a filter's header says: one function for each form of value, by the
//! names that `spam.txt` of `words` gives them.

use crate::message::number::first_number;

/// The confidence level from which Exchange files a message as spam.
const SPAM_CONFIDENCE: f64 = 5.0;

/// The grade from which GMX and Yandex file a message as spam.
const SPAM_GRADE: f64 = 4.0;

/// The content of a header; `None` where it says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Reading {
    pub(super) spam: Option<bool>,
    pub(super) virus: Option<bool>,
    pub(super) score: Option<f64>,
}

/// How the headers of a part of the table are read.
pub(super) fn reader(value: &str) -> Option<fn(&str) -> Reading> {
    Some(match value {
        "status" => status,
        "flag" => flag,
        "spamd-result" => spamd_result,
        "number" => number,
        "action" => action,
        "named-score" => named_score,
        "folder" => {
            |value| spam_if(["spam", "junk", "phishing"].iter().any(|it| starts(value, it)))
        }
        "junk" => |value| spam_if(starts(value, "junk")),
        "there" => |value| spam_if(!value.is_empty()),
        "class" => class,
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

fn spam_if(spam: bool) -> Reading {
    Reading { spam: Some(spam), ..Reading::default() }
}

fn virus_if(virus: bool) -> Reading {
    Reading { virus: Some(virus), ..Reading::default() }
}

fn starts(value: &str, word: &str) -> bool {
    let rest = value.strip_prefix(word);
    // `SPAM_TRAP (3.00)` is the name of a test.
    rest.is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || "-_".contains(c)))
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

/// A number; Stalwart before 0.10 `spam, score=10.20`.
fn number(value: &str) -> Reading {
    let spam = starts(value, "spam").then_some(true);
    let spam = spam.or_else(|| starts(value, "ham").then_some(false));
    let digits = value.find(|c: char| c.is_ascii_digit()).unwrap_or(value.len());
    let is_percentage = points(&value[digits..]).is_none();
    Reading { spam, score: first_number(value).filter(|_| !is_percentage), virus: None }
}

/// `SCORE=5.60 using account:…`
fn named_score(value: &str) -> Reading {
    let score = value.split_once("score=").and_then(|(_, rest)| points(rest));
    Reading { score, ..Reading::default() }
}

/// A number that is not a percentage: no score is on that scale.
fn points(text: &str) -> Option<f64> {
    let number = leading_number(text)?;
    let in_number = |c: char| c.is_ascii_digit() || matches!(c, '.' | '-' | '+');
    let after = text.trim_start().trim_start_matches(in_number).trim_start();
    (!after.starts_with('%')).then_some(number)
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

/// `rule=spam`, `rule=inbound_notspam`, `state=HAM:…`, `st=legit`, `R=OK`, `dest:J`,
/// `Status: not_detected`.
fn stated(value: &str) -> Reading {
    let value = value.replace(": ", "=").replace("dest:", "dest=");
    let words = value.split(|c: char| c.is_whitespace() || c == ';');
    let mut stated = words.filter_map(|word| word.split_once('='));
    let spam = stated.find_map(|(key, verdict)| {
        let verdict = verdict.split(':').next()?;
        match (key, verdict) {
            ("rule", _) if verdict.ends_with("notspam") => Some(false),
            ("rule", _) => verdict.ends_with("spam").then_some(true),
            ("state" | "st" | "r" | "status", "spam") | ("dest", "j") => Some(true),
            ("state", "ham") | ("st", "legit") | ("r", "ok") => Some(false),
            ("status", "not_detected") | ("dest", "i") => Some(false),
            _ => None,
        }
    });
    Reading { spam, ..Reading::default() }
}

/// `spam`, `phish`, `virus`, `ham`.
fn class(value: &str) -> Reading {
    Reading {
        spam: Some(starts(value, "spam") || starts(value, "phish")),
        virus: starts(value, "virus").then_some(true),
        score: None,
    }
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
    virus_if(starts(value, "infected") || starts(value, "yes"))
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

/// Reads one character per point; the character is configurable. No character means less
/// than one point.
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
/// sender's own organization sent.
fn forefront(value: &str) -> Reading {
    let fields = || value.split(';').filter_map(|field| field.trim().split_once(':'));
    let get = |key: &str| fields().find(|(known, _)| *known == key).map(|(_, value)| value.trim());
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
