//! Scripts in the shapes that web mailers and KMail write, with `include sieve`: each must
//! be usable, and give the same result for its messages as Pigeonhole's `sieve-test`.
//!
//! Each editor has its own way to lay out, quote and name filters, its own tests and its
//! own vacation; their contents are put together at random. `MFILTER_LONG=1` tries 500
//! pairs per editor. What an editor offers and mfilter cannot express is left out: the
//! body as transferred or by media type, `:count`, notifications.

#![allow(clippy::print_stderr, reason = "a skipped test says so, and the long form what it tried")]

use std::fs;

use crate::sieve_differential::{
    RECIPIENT, SENDER, SIEVE_TEST, by_mfilter, mfilter, pigeonhole, place,
};
use crate::support::dice::Dice;
use crate::support::{long, skipped};

/// Writes a script.
type Editor = fn(&mut Dice) -> String;

/// Words that people filter by.
const WORDS: [&str; 12] = [
    "offer",
    "[dev]",
    "Big offer",
    "10 %",
    "C++",
    "Straße",
    "Скидка",
    "ÉTÉ",
    "新着",
    "say \"hi\"",
    "back\\slash",
    "a.b",
];
const PEOPLE: [&str; 6] = [
    "boss@work.example",
    "Hanako@Example.JP",
    "noreply@shop.example",
    "taro+shop@example.jp",
    "bot@lists.example",
    "jürgen@work.example",
];
const GLOBS: [&str; 5] = ["*offer*", "[dev*", "*@work.example", "boss*", "*Ä*"];
const REGEXES: [&str; 4] = ["^offer", "[0-9]+", "(re|fwd): ", "b.ss"];
const FOLDERS: [&str; 5] = ["Shop", "Lists.Dev", "Ärger", "INBOX", "迷惑メール"];
const HOURS: [&str; 3] = ["08:30:00", "17:00:00", "23:59:30"];
const ZONES: [&str; 4] = ["+0000", "+0100", "+0900", "-0330"];
const DAYS: [&str; 3] = ["2020-02-29", "2026-12-24", "2099-01-01"];

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// One or more of some texts, as a string or a list.
fn some(dice: &mut Dice, from: &[&str], comma: &str) -> String {
    let texts: Vec<String> = (0..=dice.roll(2)).map(|_| quoted(dice.pick(from))).collect();
    if texts.len() == 1 { texts[0].clone() } else { format!("[{}]", texts.join(comma)) }
}

/// A match type and the keys that fit it.
fn matched(dice: &mut Dice, words: &[&str], regex: bool) -> (&'static str, String) {
    match dice.roll(if regex { 8 } else { 6 }) {
        0..=2 => (":contains", some(dice, words, ",")),
        3 | 4 => (":is", some(dice, words, ",")),
        5 => (":matches", some(dice, &GLOBS, ",")),
        _ => (":regex", some(dice, &REGEXES, ",")),
    }
}

fn not(dice: &mut Dice) -> &'static str {
    if dice.roll(3) == 0 { "not " } else { "" }
}

/// What a filter does, one command each; the caller draws `stop`.
fn actions(dice: &mut Dice) -> Vec<String> {
    let mut all = Vec::new();
    for _ in 0..=dice.roll(2) {
        all.push(match dice.roll(9) {
            0..=3 => format!("fileinto {}", quoted(dice.pick(&FOLDERS))),
            4 => "redirect \"far@example.net\"".into(),
            5 => "discard".into(),
            6 => "keep".into(),
            7 => format!("addflag {}", quoted(dice.pick(&["\\Seen", "\\Flagged", "$label1"]))),
            _ => format!("setflag {}", quoted(dice.pick(&["\\Answered", "Work"]))),
        });
    }
    all
}

fn roundcube(dice: &mut Dice) -> String {
    let mut script = String::from(
        "require [\"fileinto\",\"copy\",\"imap4flags\",\"envelope\",\"subaddress\",\"body\",\"date\",\
         \"relational\",\"comparator-i;ascii-numeric\",\"regex\",\"duplicate\",\"vacation\",\
         \"vacation-seconds\",\"variables\"];\r\n",
    );
    for _ in 0..=dice.roll(2) {
        let mut tests = Vec::new();
        for _ in 0..=dice.roll(2) {
            let no = not(dice);
            tests.push(match dice.roll(11) {
                0..=2 => {
                    let (kind, keys) = matched(dice, &WORDS, true);
                    let names = some(dice, &["subject", "x-tag", "list-id", "from"], ",");
                    let octet = ["", " :comparator \"i;octet\""][dice.roll(4) / 3];
                    format!("{no}header {kind}{octet} {names} {keys}")
                }
                3 | 4 => {
                    let (kind, keys) = matched(dice, &PEOPLE, false);
                    let part = dice.pick(&["", " :domain", " :localpart", " :user", " :detail"]);
                    format!("{no}address{part} {kind} {} {keys}", some(dice, &["from", "to"], ","))
                }
                5 => {
                    let (kind, keys) = matched(dice, &PEOPLE, false);
                    let part = dice.pick(&["", " :domain", " :localpart"]);
                    format!("{no}envelope{part} {kind} \"from\" {keys}")
                }
                6 => format!("{no}body :text :contains {}", some(dice, &WORDS, ",")),
                7 => format!("{no}{}", date(dice)),
                8 => {
                    let relation = dice.pick(&["ge", "lt", "eq", "ne"]);
                    format!(
                        "{no}header :value \"{relation}\" :comparator \"i;ascii-numeric\" \
                         \"x-score\" \"5\""
                    )
                }
                9 => {
                    let handle = dice.pick(&["", " :handle \"h\"", " :header \"x-tag\""]);
                    format!("{no}duplicate{handle} :seconds 3600")
                }
                _ => format!("{no}size :over {}", dice.pick(&["500", "1K", "1M"])),
            });
        }
        let off = if dice.roll(10) == 0 { "false # " } else { "" };
        let joined = match tests.as_slice() {
            [one] => one.clone(),
            all => format!("{} ({})", dice.pick(&["allof", "anyof"]), all.join(", ")),
        };
        let name = dice.pick(&["Shop", "Straße", "[x]"]);
        script.push_str(&format!("# rule:[{name}]\r\nif {off}{joined}\r\n{{\r\n"));
        for action in actions(dice) {
            script.push_str(&format!("\t{action};\r\n"));
        }
        script.push_str(dice.pick(&["", "\tstop;\r\n"]));
        script.push_str("}\r\n");
    }
    if dice.roll(3) == 0 {
        let from = dice.pick(&["", " :from \"Taro <taro@example.jp>\""]);
        let every = dice.pick(&[":days 7", ":seconds 3600"]);
        script.push_str(&format!(
            "# rule:[Away]\r\nif true\r\n{{\r\n\tvacation {every} :addresses \
             \"taro@example.jp\" :subject \"Gruß\"{from} text:\r\nAway.\r\n..\r\n.\r\n;\r\n}}\r\n"
        ));
    }
    script
}

/// A test on the Date header or the current time.
fn date(dice: &mut Dice) -> String {
    let (part, key) = match dice.roll(8) {
        0 => ("date", dice.pick(&DAYS)),
        1 => ("time", dice.pick(&HOURS)),
        2 => ("year", "2026"),
        3 => ("month", "12"),
        4 => ("hour", "10"),
        5 => ("second", "30"),
        6 => ("minute", "00"),
        _ => ("weekday", "4"),
    };
    let zone = match dice.roll(3) {
        0 => format!(" :zone \"{}\"", dice.pick(&ZONES)),
        _ => String::new(),
    };
    let kind = match dice.roll(3) {
        0 => ":is".to_owned(),
        1 => ":contains".to_owned(),
        _ => format!(":value \"{}\"", dice.pick(&["ge", "gt", "le", "lt", "eq", "ne"])),
    };
    match dice.roll(2) {
        0 => format!("currentdate{zone} {kind} \"{part}\" \"{key}\""),
        _ => format!("date{zone} {kind} \"date\" \"{part}\" \"{key}\""),
    }
}

fn snappymail(dice: &mut Dice) -> String {
    let mut script = String::from(
        "require [\"imap4flags\",\"fileinto\",\"regex\",\"body\",\"vacation\"];\r\n\r\n# A script of \
         SnappyMail.\r\n# RAINLOOP:SIEVE\r\n\r\n",
    );
    for number in 0..=dice.roll(3) {
        let mut tests = Vec::new();
        for _ in 0..dice.roll(4) {
            let no = not(dice);
            let kind = dice.pick(&[":contains", ":is", ":regex"]);
            let words = if kind == ":regex" { &REGEXES[..] } else { &WORDS[..] };
            tests.push(match dice.roll(5) {
                0 => format!("{no}header {kind} [\"From\"] {}", some(dice, &PEOPLE, ", ")),
                1 => format!("{no}header {kind} [\"To\", \"CC\"] {}", some(dice, &PEOPLE, ", ")),
                2 => format!("{no}header {kind} [\"Subject\"] {}", quoted(dice.pick(words))),
                3 => format!("body :text :contains {}", quoted(dice.pick(&WORDS))),
                _ => "size :over 1K".into(),
            });
        }
        let off = dice.roll(8) == 0;
        script.push_str(&format!("/*\r\nBEGIN:FILTER:{number}\r\nEND:HEADER\r\n*/\r\n"));
        script.push_str(if off { "/* @Filter is disabled \r\n" } else { "\r\n" });
        match tests.as_slice() {
            [] => {}
            [one] => script.push_str(&format!("if {one}\r\n{{\r\n")),
            all => {
                let joint = dice.pick(&["anyof", "allof"]);
                let all = all.join(",\r\n    ");
                script.push_str(&format!("if {joint}(\r\n    {all}\r\n)\r\n{{\r\n"));
            }
        }
        let done = match dice.roll(5) {
            0 => "discard;".to_owned(),
            1 => "fileinto \"INBOX\";\r\n    redirect \"far@example.net\";".into(),
            2 if number == 0 => {
                "vacation :days 3 :addresses [\"taro@example.jp\"] :subject \"Away\" \"Bis bald\";"
                    .into()
            }
            _ => format!("addflag \"\\\\Seen\";\r\n    fileinto {};", quoted(dice.pick(&FOLDERS))),
        };
        script.push_str(&format!("    {done}\r\n{}", dice.pick(&["", "    stop;\r\n"])));
        script.push_str(if tests.is_empty() { "" } else { "}\r\n" });
        script.push_str(if off {
            "*/\r\n/* END:FILTER */\r\n"
        } else {
            "\r\n/* END:FILTER */\r\n"
        });
    }
    script
}

fn nextcloud(dice: &mut Dice) -> String {
    const FILTERS: &str = "### Nextcloud Mail: Filters ### DON'T EDIT ###\r\n";
    const AWAY: &str = "### Nextcloud Mail: Vacation Responder ### DON'T EDIT ###\r\n";
    let away = dice.roll(2) == 0;
    let mut script = String::new();
    if away {
        script.push_str(&format!(
            "{AWAY}require \"date\";\r\nrequire \"relational\";\r\nrequire \"vacation\";\r\n\
             require \"variables\";\r\n{AWAY}"
        ));
    }
    script.push_str(&format!("{FILTERS}require [\"fileinto\", \"imap4flags\"];\r\n{FILTERS}\r\n"));
    script.push_str(&format!("{FILTERS}# FILTER: [{{\"name\":\"x\"}}]\r\n"));
    for _ in 0..=dice.roll(2) {
        let mut tests = Vec::new();
        for _ in 0..=dice.roll(2) {
            let (kind, subject) = matched(dice, &WORDS, false);
            tests.push(format!("header {kind} \"Subject\" {subject}"));
            let (kind, people) = matched(dice, &PEOPLE, false);
            let field = dice.pick(&["From", "To"]);
            tests.push(format!("address {kind} :all \"{field}\" {people}"));
        }
        let joint = dice.pick(&["allof", "anyof"]);
        let flag = dice.pick(&["$important", "$sp&aoq-ter", "\\\\Seen"]);
        let folder = quoted(dice.pick(&FOLDERS));
        script.push_str(&format!(
            "# Shop\r\nif {joint} ({}) {{\r\n\tfileinto {folder};\r\n\taddflag \"{flag}\";\r\n\
             {}}}\r\n",
            tests.join(", "),
            dice.pick(&["", "\tkeep;\r\n", "\tstop;\r\n"])
        ));
    }
    script.push_str(FILTERS);
    if away {
        let end = match dice.roll(2) {
            0 => "currentdate :value \"le\" \"iso8601\" \"2099-01-01T10:11:12Z\"",
            _ => "currentdate :value \"le\" \"iso8601\" \"2021-01-01T00:00:00Z\"",
        };
        script.push_str(&format!(
            "{AWAY}# DATA: {{\"version\":1}}\r\nset \"subject\" \"\";\r\nif header :matches \
             \"subject\" \"*\" {{\r\n\tset \"subject\" \"${{1}}\";\r\n}}\r\nif allof(currentdate \
             :value \"ge\" \"iso8601\" \"2020-11-01T10:34:56Z\", {end}) {{\r\n\tif not \
             anyof(exists \"List-Id\", exists \"List-Unsubscribe\", address :all :matches \
             [\"From\", \"Sender\"] [\"noreply@*\", \"no-reply@*\"]) {{\r\n\t\tvacation :days 4 \
             :subject \"Re: ${{subject}}\" :addresses [\"taro@example.jp\"] \"Bin weg,\r\n\
             ${{subject}}\";\r\n\t}}\r\n}}\r\n{AWAY}"
        ));
    }
    script
}

fn sogo(dice: &mut Dice) -> String {
    let mut script = String::from(
        "require [\"fileinto\",\"imap4flags\",\"regex\",\"body\",\"vacation\",\"date\",\
         \"relational\",\"variables\"];\r\n",
    );
    let mut away = String::new();
    if dice.roll(2) == 0 {
        let zone = dice.pick(&ZONES);
        let (from, to) = (dice.pick(&HOURS), dice.pick(&HOURS));
        let mut when = vec![format!(
            "not exists [\"list-help\", \"list-id\"], not header :comparator \
             \"i;ascii-casemap\" :is \"Precedence\" [\"list\", \"bulk\"]"
        )];
        let from = format!("date :value \"ge\" :zone \"{zone}\" \"date\" \"time\" \"{from}\"");
        let to = format!("date :value \"lt\" :zone \"{zone}\" \"date\" \"time\" \"{to}\"");
        match dice.roll(3) {
            0 => when.push(format!("anyof ( {from}, {to} )")),
            1 => when.extend([from, to]),
            _ => when.push(format!(
                "currentdate :value \"ge\" \"date\" \"{}\", currentdate :is \"weekday\" [\"1\", \
                 \"5\", \"6\"]",
                dice.pick(&DAYS)
            )),
        }
        away = format!(
            "if allof ( {} ) {{ if header :matches \"Subject\" \"*\" {{ set \"subject\" \
             \"${{1}}\"; }} vacation :days 7 :subject \"Auto: ${{subject}}\" :addresses \
             [\"taro@example.jp\"] text:\r\nAway.\nBye\r\n.\r\n;\r\n{}}}\r\n",
            when.join(", "),
            dice.pick(&["", "", "discard;\r\n"])
        );
    }
    let first = dice.roll(2) == 0;
    script.push_str(if first { &away } else { "" });
    for _ in 0..dice.roll(4) {
        let mut tests = Vec::new();
        for _ in 0..=dice.roll(2) {
            let no = not(dice);
            tests.push(match dice.roll(5) {
                0 | 1 => {
                    let (kind, keys) = matched(dice, &PEOPLE, false);
                    let field = dice.pick(&["\"to\"", "[\"to\", \"cc\"]", "\"from\""]);
                    format!("{no}address {kind} {field} {keys}")
                }
                2 | 3 => {
                    let (kind, keys) = match dice.roll(3) {
                        0 => (":regex :comparator \"i;octet\"", quoted(dice.pick(&REGEXES))),
                        _ => matched(dice, &WORDS, false),
                    };
                    format!("{no}header {kind} \"subject\" {keys}")
                }
                _ => format!("{no}body :text :contains {}", quoted(dice.pick(&WORDS))),
            });
        }
        let all = dice.roll(5) == 0;
        if !all {
            let joint = dice.pick(&["all", "any"]);
            script.push_str(&format!("if {joint}of ({}) {{\r\n", tests.join(", ")));
        }
        script.push_str(&format!("    {};\r\n", actions(dice).join(";\r\n    ")));
        script.push_str(if all { "" } else { "}\r\n" });
    }
    script.push_str(if first { "" } else { &away });
    if dice.roll(4) == 0 {
        script.push_str("redirect \"fw@example.net\";\r\nkeep;\r\n");
    }
    script
}

fn ingo(dice: &mut Dice) -> String {
    let mut script = String::from(
        "require [\"fileinto\", \"imap4flags\", \"regex\", \"body\", \"relational\", \
         \"comparator-i;ascii-numeric\", \"vacation\", \"date\"];\n",
    );
    if dice.roll(2) == 0 {
        script.push_str(
            "# Blacklisted Addresses\nif address :all :comparator \"i;ascii-casemap\" :matches \
             [\"From\", \"Sender\", \"Resent-From\"] \"*@lists.example\"  { \n    addflag \
             [\"\\\\Deleted\"];\n    keep;\n    removeflag [\"\\\\Deleted\"];\n    stop;\n}\n",
        );
    }
    for _ in 0..=dice.roll(2) {
        let mut tests = Vec::new();
        for _ in 0..=dice.roll(2) {
            let no = not(dice);
            let collation = dice.pick(&["i;ascii-casemap", "i;ascii-casemap", "i;octet"]);
            let how = format!(":comparator \"{collation}\"");
            tests.push(match dice.roll(5) {
                0 => {
                    let (kind, keys) = matched(dice, &PEOPLE, false);
                    format!("{no}address :all {how} {kind} \"From\" {keys}")
                }
                1 | 2 => {
                    let (kind, keys) = matched(dice, &WORDS, true);
                    format!("{no}header {how} {kind} \"Subject\" {keys}")
                }
                3 => "allof ( not header :comparator \"i;ascii-casemap\" :contains \"X-Score\" \
                      \"-\", header :value \"ge\" :comparator \"i;ascii-numeric\" \"X-Score\" \
                      [\"5\"] )"
                    .into(),
                _ => format!("{no}body {how} :contains {}", quoted(dice.pick(&WORDS))),
            });
        }
        let joint = dice.pick(&["allof", "anyof"]);
        let flag = dice.pick(&["\\\\Seen", "\\\\Flagged"]);
        let folder = quoted(dice.pick(&FOLDERS));
        let (keep, stop) = (dice.pick(&["", "    keep;\n"]), dice.pick(&["", "    stop;\n"]));
        script.push_str(&format!(
            "# Shop\nif {joint} ( {} ) {{ \n    addflag [\"{flag}\"];\n{keep}    fileinto \
             {folder};\n    removeflag [\"{flag}\"];\n{stop}}}\n",
            tests.join(", ")
        ));
    }
    if dice.roll(3) == 0 {
        script.push_str(
            "# Vacation\nif allof ( currentdate :value \"ge\" \"iso8601\" \
             \"2020-11-01T00:00:00+00:00\",\n               currentdate :value \"le\" \"iso8601\" \
             \"2099-11-01T00:00:00+09:00\" ) {\n        vacation :days 7 :addresses \
             \"taro@example.jp\" :subject \"=?utf-8?b?R3J1w58=?=\" \"Bin weg.\";\n    }\n",
        );
    }
    script
}

fn kmail(dice: &mut Dice) -> String {
    let mut script = String::from(
        "require [\"fileinto\", \"imap4flags\", \"copy\", \"envelope\", \"regex\", \"date\", \
         \"relational\", \"body\", \"vacation\", \"subaddress\"];\n",
    );
    for _ in 0..=dice.roll(2) {
        let mut tests = Vec::new();
        for _ in 0..=dice.roll(2) {
            let no = not(dice);
            tests.push(match dice.roll(6) {
                0 | 1 => {
                    let (kind, keys) = matched(dice, &WORDS, true);
                    format!("{no}header {kind} [ \"subject\" , \"list-id\" ] {keys}")
                }
                2 => {
                    let (kind, keys) = matched(dice, &PEOPLE, false);
                    let part = dice.pick(&[":all", ":localpart", ":domain", ":user", ":detail"]);
                    format!("{no}address {part} {kind} \"from\" {keys}")
                }
                3 => format!("{no}{}", date(dice)),
                4 => format!("{no}exists \"list-id\""),
                _ => "size :under 1K".into(),
            });
        }
        let joined = match tests.as_slice() {
            [one] => one.clone(),
            all => format!("{} ({})", dice.pick(&["allof", "anyof"]), all.join("\n, ")),
        };
        script.push_str(&format!("#SCRIPTNAME: Straße\nif {joined}\n{{\n"));
        for action in actions(dice) {
            script.push_str(&format!("    {action};\n"));
        }
        script.push_str(dice.pick(&["}\n", "    stop;\n}\n"]));
    }
    if dice.roll(3) == 0 {
        script.push_str(
            "if allof(currentdate :value \"ge\" \"iso8601\" \"2020-11-01T08:00:00\", not header \
             :contains \"X-Spam-Flag\" \"YES\")\n{\n\tvacation :addresses [ \"taro@example.jp\" ] \
             :days 7 text:\nAway.\n.\n;\nredirect :copy \"x@example.net\";\n}\n",
        );
    }
    script
}

fn modoboa(dice: &mut Dice) -> String {
    let mut script = String::from("require [\"fileinto\", \"copy\", \"imap4flags\"];\n\n");
    for number in 0..=dice.roll(3) {
        let mut tests = Vec::new();
        for _ in 0..=dice.roll(2) {
            let no = not(dice);
            let kind = dice.pick(&[":contains", ":is"]);
            let name = dice.pick(&["Subject", "From", "To", "Cc"]);
            let words = if name == "Subject" { &WORDS[..] } else { &PEOPLE[..] };
            tests.push(format!("{no}header {kind} \"{name}\" {}", quoted(dice.pick(words))));
        }
        let joint = dice.pick(&["anyof", "allof"]);
        let action = match dice.roll(5) {
            0 => "fileinto :copy \"Copies\"".to_owned(),
            1 => "redirect :copy \"copy@example.net\"".into(),
            2 => "redirect \"far@example.net\"".into(),
            _ => format!("fileinto {}", quoted(dice.pick(&FOLDERS))),
        };
        let body = format!("if {joint} ({}) {{\n    {action};\n}}\n", tests.join(", "));
        let body = if dice.roll(8) == 0 { format!("if false {{\n{body}}}\n") } else { body };
        script.push_str(&format!("# Filter: Straße {number}\n{body}"));
    }
    script
}

/// A word in a different form.
fn dressed(dice: &mut Dice, word: &str) -> String {
    let word = word.replace('*', dice.pick(&["", "some "]));
    match dice.roll(6) {
        0 => word.to_uppercase(),
        1 => word.to_lowercase(),
        2 => format!("re: {word} and more"),
        _ => word,
    }
}

/// A message of words, people and dates that scripts ask for, most of them from this
/// script: a script of two filters would ask for few of all words and people.
fn message(dice: &mut Dice, script: &str) -> String {
    let asked = |from: &[&'static str]| -> Vec<&'static str> {
        let plain = |text: &str| quoted(text).trim_matches('"').to_owned();
        from.iter().copied().filter(|text| script.contains(&plain(text))).collect()
    };
    let words: Vec<&'static str> = [&WORDS[..], &GLOBS[..], &["boss", "12"]].concat();
    // Pigeonhole cannot read an address that is not ASCII (RFC 6532).
    let people: Vec<&'static str> = PEOPLE.into_iter().filter(|it| it.is_ascii()).collect();
    let (words_asked, people_asked) = (asked(&words), asked(&people));
    let one_of = |dice: &mut Dice, asked: &[&'static str], all: &[&'static str]| {
        let of_script = dice.roll(3) > 0 && !asked.is_empty();
        dice.pick(if of_script { asked } else { all })
    };
    let person = |dice: &mut Dice| match one_of(dice, &people_asked, &people) {
        address if dice.roll(2) == 0 => format!("Some Body <{address}>"),
        address => address.to_owned(),
    };
    let word = |dice: &mut Dice| {
        let word = one_of(dice, &words_asked, &words);
        dressed(dice, word)
    };
    let mut out = format!("From: {}\nTo: {RECIPIENT}, {}\n", person(dice), person(dice));
    let subject = word(dice);
    out.push_str(&format!("Subject: {subject}\n"));
    for name in ["Cc", "X-Tag", "X-Score", "Date"] {
        let value = match name {
            "Cc" => person(dice),
            "X-Score" => dice.pick(&["0", "5", "12", "-3", "x"]).to_owned(),
            "Date" => dice
                .pick(&[
                    "Thu, 24 Dec 2026 10:00:30 +0000",
                    "Fri, 25 Dec 2026 00:00:00 +0900",
                    "Sat, 1 Aug 2026 23:59:30 -0500",
                ])
                .to_owned(),
            _ => word(dice),
        };
        if dice.roll(3) > 0 {
            out.push_str(&format!("{name}: {value}\n"));
        }
    }
    out.push_str("Message-ID: <1@example.jp>\nContent-Type: text/plain; charset=utf-8\n");
    out.push_str(&format!("Content-Transfer-Encoding: 8bit\n\nThere is {} here.\n", word(dice)));
    out.push_str(&"One line of text that makes it longer.\n".repeat(dice.roll(40)));
    out
}

#[test]
fn what_web_mailers_write_does_what_it_does_in_pigeonhole() {
    if skipped("web_mailers", &[SIEVE_TEST, "/usr/bin/setpriv"], false) {
        return;
    }
    const EDITORS: [(&str, Editor); 7] = [
        ("Roundcube", roundcube),
        ("SnappyMail", snappymail),
        ("Nextcloud", nextcloud),
        ("SOGo", sogo),
        ("Ingo", ingo),
        ("KMail", kmail),
        ("Modoboa", modoboa),
    ];
    let expected = if long() { 500 } else { 12 };
    let place = place();
    let at = |name: &str| place.path().join(name);
    let rules =
        format!("include sieve \"{}\" separator \".\" prefix \"\"\n", at("s.sieve").display());
    fs::write(at("rules"), rules).expect("written");
    let mut wrong = Vec::new();
    let (mut all_pairs, mut all_reached) = (0, 0);
    for (editor, write) in EDITORS {
        let mut dice = Dice::of(0x9e37_79b9_7f4a_7c15);
        let (mut pairs, mut reached, mut scripts) = (0, 0, 0);
        while pairs < expected && wrong.len() < 5 {
            scripts += 1;
            assert!(scripts <= expected, "{editor}: most scripts fail in Pigeonhole");
            let script = write(&mut dice);
            fs::write(at("s.sieve"), &script).expect("written");
            let faults = mfilter(place.path(), &["check", "--sieve", "s.sieve"]);
            if !faults.trim().is_empty() {
                wrong.push(format!("{editor}: {faults}\n{script}"));
                continue;
            }
            let names = ["m0", "m1", "m2", "m3"];
            let messages = names.map(|_| message(&mut dice, &script));
            for (name, message) in names.iter().zip(&messages) {
                fs::write(at(name), message).expect("written");
            }
            let options = ["--test", "--json", "-f", SENDER, "-d", RECIPIENT, "--rules", "rules"];
            let ours = mfilter(place.path(), &[&options[..], &names].concat());
            for ((name, line), message) in names.iter().zip(ours.lines()).zip(&messages) {
                let Some(theirs) = pigeonhole(place.path(), "s.sieve", name) else { continue };
                let ours = by_mfilter(&serde_json::from_str(line).expect("JSON"));
                pairs += 1;
                let kept = theirs
                    .stored
                    .iter()
                    .all(|(folder, flags)| folder == "INBOX" && flags.is_empty());
                reached += usize::from(!kept || !theirs.sent.is_empty() || theirs.answered);
                if ours != theirs {
                    wrong.push(format!(
                        "{editor}\nPigeonhole: {theirs:?}\nmfilter:    {ours:?}\n{script}\n{message}"
                    ));
                }
            }
        }
        eprintln!("{editor}: {pairs} pairs, {reached} of them reach a rule");
        assert!(wrong.is_empty(), "{}", wrong.join("\n=====\n"));
        // At least a third of an editor's pairs must reach a rule.
        assert!(reached * 3 >= pairs || !long(), "{editor}: too few messages reach a rule");
        all_pairs += pairs;
        all_reached += reached;
    }
    assert!(all_reached * 3 >= all_pairs, "{all_reached} of {all_pairs} reach a rule");
}
