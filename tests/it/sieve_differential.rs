//! Rules imported from Sieve scripts, compared with Pigeonhole itself: each script and
//! message is judged by `sieve-test`, which says what Dovecot would do, and by
//! `mfilter --test` with the rules imported from the script. Where the report calls all
//! units exact, both must give the same result.
//!
//! Scripts are random combinations of tests and actions in which every extension has its
//! part; messages use the scripts' own strings. `MFILTER_LONG=1` tries 5,000 pairs,
//! `MFILTER_SEED` (a number) selects others.
//! Answers (`vacation`) are left out: their recipients are another matter.

#![allow(clippy::print_stderr, reason = "a skipped test says so, and the long form what it tried")]

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::support::dice::Dice;
use crate::support::{MFILTER, skipped};

const REQUIRE: &str = "require [\"fileinto\", \"copy\", \"envelope\", \"imap4flags\", \"variables\", \
    \"relational\", \"subaddress\", \"body\", \"date\", \"regex\", \"reject\", \
    \"comparator-i;ascii-numeric\", \"mailbox\", \"encoded-character\", \"ihave\", \"index\"];\n";

const WORDS: [&str; 14] = [
    "sale",
    "Sale today",
    "[build]",
    "a.b",
    "x*y",
    "invoice 12",
    "re: call",
    "100% off",
    "C++",
    "(ok)",
    "what?",
    "Straße 3",
    "weekly report",
    "two words",
];
const ADDRESSES: [&str; 8] = [
    "hanako@example.jp",
    "Taro.Yamada@Work.Example",
    "bot+ci@lists.example",
    "noreply@shop.example",
    "taro+shop@example.jp",
    "info@sub.work.example",
    "boss@work.example",
    "bounce-12@news.example",
];
// Pigeonhole finds `?ale*` in `a.b`, so no glob begins with `?`.
const GLOBS: [&str; 8] = ["*sale*", "[*] *", "*report", "re:*", "*12", "a.b", "*\\\\**", "* *"];
const REGEXES: [&str; 11] = [
    "^sale",
    "report$",
    "[0-9]{2}",
    "(re|fwd): ",
    "a\\\\.b",
    "^[a-z]+ [a-z]+$",
    "\\\\[build\\\\]",
    "x.y|off",
    "^s?*a+?l.*?e",
    "x\\\\*{1}y",
    "[0-9]{1}{2}",
];
const NUMBERS: [&str; 8] = ["0", "5", "7.5", "12", "100", "-3", "x", "09"];
const HEADERS: [&str; 5] = ["Subject", "X-Tag", "X-Score", "List-Id", "X-None"];
const DAYS: [&str; 3] = ["2026-12-24", "2026-12-25", "2026-08-02"];
const FOLDERS: [&str; 5] = ["A", "Lists.B", "Lists.C.D", "INBOX", "Work"];
const FLAGS: [&str; 4] = ["\\\\Seen", "\\\\Flagged", "Work", "$Later"];

/// The first three exist.
const MAILBOXES: [&str; 5] = ["A", "Lists.B", "INBOX", "Lists", "Nowhere"];

fn list(dice: &mut Dice, from: &[&str]) -> String {
    let count = 1 + dice.roll(2);
    let all: Vec<String> = (0..count).map(|_| format!("\"{}\"", dice.pick(from))).collect();
    if count == 1 { all[0].clone() } else { format!("[{}]", all.join(", ")) }
}

fn keys(dice: &mut Dice, plain: &[&str]) -> String {
    match dice.roll(6) {
        0 | 1 => format!(":contains {{}} {}", list(dice, plain)),
        2 => format!(":is {{}} {}", list(dice, plain)),
        3 => format!(":matches {{}} {}", list(dice, &GLOBS)),
        4 => format!(":regex {{}} {}", list(dice, &REGEXES)),
        _ => format!(":comparator \"i;octet\" :contains {{}} {}", list(dice, plain)),
    }
}

fn test(dice: &mut Dice, depth: usize) -> String {
    let kinds = if depth < 2 { 15 } else { 12 };
    if dice.roll(16) == 0 {
        return format!("mailboxexists {}", list(dice, &MAILBOXES));
    }
    if dice.roll(8) == 0 {
        return date(dice);
    }
    match dice.roll(kinds) {
        0..=2 => {
            let (index, names) = match dice.roll(6) {
                0 => (":index 1 ", format!("\"{}\"", dice.pick(&HEADERS))),
                _ => ("", list(dice, &HEADERS)),
            };
            format!("header {index}{}", keys(dice, &WORDS).replace("{}", &names))
        }
        3 => {
            let part = dice.pick(&["", ":localpart ", ":domain ", ":user ", ":detail "]);
            let names = list(dice, &["from", "to", "cc", "sender", "X-To"]);
            let pieces = [
                "hanako",
                "example.jp",
                "taro",
                "shop",
                "bot",
                "work.example",
                "noreply@shop.example",
                "ci",
            ];
            let kind = dice.pick(&[":is", ":contains", ":matches"]);
            format!("address {part}{kind} {names} {}", list(dice, &pieces))
        }
        4 if dice.roll(3) == 0 => {
            let domain = dice.pick(&["example.jp", "Work.Example", "work.example"]);
            format!("address :comparator \"i;octet\" :domain :is [\"from\", \"to\"] \"{domain}\"")
        }
        4 => format!("address :is [\"from\", \"to\"] {}", list(dice, &ADDRESSES)),
        5 => format!(
            "address :domain :matches \"from\" \"*{}\"",
            dice.pick(&["example", "work.example", ".jp"])
        ),
        6 => {
            let kind = dice.pick(&[":is", ":domain :is", ":localpart :contains", ":all :matches"]);
            let keys =
                list(dice, &["hanako@example.jp", "work.example", "bot", "*@shop.example", "taro"]);
            format!("envelope {kind} \"from\" {keys}")
        }
        7 => format!("exists {}", list(dice, &HEADERS)),
        8 => {
            format!("size {} {}", dice.pick(&[":over", ":under"]), dice.pick(&["100", "1K", "2K"]))
        }
        9 => {
            let relation = dice.pick(&["gt", "ge", "lt", "le", "eq", "ne"]);
            let key = dice.pick(&NUMBERS);
            format!(
                "header :value \"{relation}\" :comparator \"i;ascii-numeric\" \"X-Score\" \"{key}\""
            )
        }
        10 => format!("body :text :contains {}", list(dice, &["sale", "invoice 12", "nowhere"])),
        11 => format!("hasflag {}", list(dice, &FLAGS)),
        12 => format!("not {}", test(dice, depth + 1)),
        13 => format!("allof ({}, {})", test(dice, depth + 1), test(dice, depth + 1)),
        _ => format!("anyof ({}, {})", test(dice, depth + 1), test(dice, depth + 1)),
    }
}

/// Tests on the Date header and on the current time.
fn date(dice: &mut Dice) -> String {
    let zone = dice.pick(&["", "", ":zone \"+0000\" ", ":zone \"+0900\" ", ":zone \"-0330\" "]);
    let relation = dice.pick(&["ge", "gt", "le", "lt"]);
    match dice.roll(11) {
        9 => {
            let (part, key) = *[("hour", "10"), ("hour", "00"), ("minute", "59"), ("day", "24")]
                .get(dice.roll(4))
                .expect("one of four");
            let numeric = dice.pick(&["", ":comparator \"i;ascii-numeric\" "]);
            format!(
                "date :originalzone {numeric}:value \"{relation}\" \"date\" \"{part}\" \"{key}\""
            )
        }
        10 => {
            let (part, key) = *[
                ("date", "2026-12-24"),
                ("date", "2026-08-01"),
                ("time", "10:00:00"),
                ("time", "23:59:30"),
                ("year", "2026"),
            ]
            .get(dice.roll(5))
            .expect("one of five");
            format!("date :originalzone :value \"{relation}\" \"date\" \"{part}\" \"{key}\"")
        }
        0 => {
            let (relation, day) =
                (dice.pick(&["ge", "gt", "le", "lt", "eq", "ne"]), dice.pick(&DAYS));
            format!("date {zone}:value \"{relation}\" \"date\" \"date\" \"{day}\"")
        }
        1 => format!("date {zone}:is \"date\" \"date\" {}", list(dice, &DAYS)),
        2 => {
            let moment = dice.pick(&[
                "2026-12-24T10:00:30Z",
                "2026-12-24T10:00:30",
                "2026-12-25T00:00:00+09:00",
                "2026-08-01T23:59:31-05:00",
            ]);
            format!("date {zone}:value \"{relation}\" \"date\" \"iso8601\" \"{moment}\"")
        }
        3 => {
            let moment = dice.pick(&["2020-01-01T00:00:00+00:00", "2099-12-31T23:59:59+09:00"]);
            format!("currentdate {zone}:value \"{relation}\" \"iso8601\" \"{moment}\"")
        }
        4 => {
            let hour = dice.pick(&["00", "08", "10", "23"]);
            format!("date :value \"{relation}\" \"date\" \"hour\" \"{hour}\"")
        }
        5 => {
            let time = dice.pick(&["10:00:00", "23:59:59", "00:00:00"]);
            let relation = if time.ends_with("59") { "gt" } else { dice.pick(&["ge", "lt"]) };
            format!("date :value \"{relation}\" \"date\" \"time\" \"{time}\"")
        }
        6 => format!("date :is \"date\" \"weekday\" {}", list(dice, &["0", "4", "5", "6"])),
        7 => format!("date {zone}:value \"{relation}\" \"date\" \"julian\" \"61398\""),
        _ => {
            let (part, key) = *[("year", "2026"), ("month", "12"), ("day", "24"), ("year", "2099")]
                .get(dice.roll(4))
                .expect("one of four");
            let test = dice.pick(&["date :is \"date\"", "currentdate :is"]);
            format!("{test} \"{part}\" \"{key}\"")
        }
    }
}

fn actions(dice: &mut Dice, captured: bool) -> String {
    let mut out = String::new();
    for _ in 0..=dice.roll(2) {
        out.push_str(&match dice.roll(12) {
            0..=3 => format!("fileinto \"{}\"; ", dice.pick(&FOLDERS)),
            4 => format!("fileinto :copy \"{}\"; ", dice.pick(&FOLDERS)),
            5 => format!("fileinto :flags \"{}\" \"{}\"; ", dice.pick(&FLAGS), dice.pick(&FOLDERS)),
            6 => format!("addflag {}; ", list(dice, &FLAGS)),
            7 => format!("{} \"{}\"; ", dice.pick(&["setflag", "removeflag"]), dice.pick(&FLAGS)),
            8 => "keep; ".into(),
            9 => "discard; ".into(),
            10 => format!(
                "redirect {}\"{}\"; ",
                dice.pick(&["", ":copy "]),
                dice.pick(&ADDRESSES[..3])
            ),
            _ if captured => {
                format!("set \"v\" \"{}\"; ", dice.pick(&["${1}", "${1}", "${0}", "${0}-${1}"]))
            }
            _ => format!("set \"v\" \"{}\"; ", dice.pick(&["A", "Lists.B", "sale"])),
        });
    }
    if dice.roll(3) == 0 {
        out.push_str("stop; ");
    }
    out
}

fn statements(dice: &mut Dice, depth: usize, out: &mut String) {
    for _ in 0..=dice.roll(3) {
        if dice.roll(8) == 0 {
            out.push_str(&actions(dice, false));
            out.push('\n');
            continue;
        }
        if dice.roll(10) == 0 {
            let kind = dice.pick(&[":is", ":contains", ":matches", ":regex"]);
            // Pigeonhole 0.5 has `i;octet` here where none is named, against RFC 5228 §2.7.3.
            let comparator = dice.pick(&["i;ascii-casemap", "i;octet"]);
            out.push_str(&format!(
                "if string {kind} :comparator \"{comparator}\" \"${{v}}\" {} {{ {}}}\n",
                list(dice, &["A", "a", "sale", "SALE", "re", "12"]),
                actions(dice, false)
            ));
            continue;
        }
        if dice.roll(8) == 0 {
            // What is captured is one level of a folder's name, or all of it.
            let pattern = dice.pick(&["^([a-z]+)$", "([a-z0-9]+)$", "^([a-z-]+)"]);
            let (set, name) =
                (dice.pick(&["set", "set :lower"]), dice.pick(&["${t}", "Tags.${t}"]));
            let test = format!("header :regex \"X-Kind\" \"{pattern}\"");
            let inner = format!("{set} \"t\" \"${{1}}\"; fileinto \"{name}\";");
            out.push_str(&format!("if {test} {{ {inner} {}}}\n", actions(dice, false)));
            continue;
        }
        for number in 0..=dice.roll(3) {
            let word = if number == 0 { "if" } else { "elsif" };
            if dice.roll(6) == 0 {
                let (kind, key) = *[
                    (":matches", "*sale*"),
                    (":matches", "[*] *"),
                    (":matches", "* *"),
                    (":regex", "(re|x)[: ]*(.*)$"),
                    (":regex", "([a-z]+) ?"),
                ]
                .get(dice.roll(5))
                .expect("one of five");
                let inner = actions(dice, true);
                out.push_str(&format!("{word} header {kind} \"Subject\" \"{key}\" {{ {inner}}}\n"));
                continue;
            }
            out.push_str(&format!("{word} {} {{ ", test(dice, 0)));
            if depth < 2 && dice.roll(5) == 0 {
                out.push('\n');
                statements(dice, depth + 1, out);
            } else {
                out.push_str(&actions(dice, false));
            }
            out.push_str("}\n");
        }
        if dice.roll(4) == 0 {
            out.push_str(&format!("else {{ {}}}\n", actions(dice, false)));
        }
    }
}

/// A word of the script in a different form.
fn dressed(dice: &mut Dice, word: &str) -> String {
    match dice.roll(6) {
        0 => word.to_ascii_uppercase(),
        1 => format!("re: {word}"),
        2 => format!("{word} and more"),
        3 => format!("x{word}x"),
        _ => word.to_owned(),
    }
}

fn message(dice: &mut Dice) -> String {
    let mut out = String::new();
    let person = |dice: &mut Dice| {
        let address = dice.pick(&ADDRESSES);
        if dice.roll(2) == 0 { address.to_owned() } else { format!("Some Body <{address}>") }
    };
    out.push_str(&format!("From: {}\n", person(dice)));
    let second = if dice.roll(3) == 0 { format!(", {}", person(dice)) } else { String::new() };
    out.push_str(&format!("To: {}{second}\n", person(dice)));
    if dice.roll(3) == 0 {
        out.push_str(&format!("X-To: {}\n", person(dice)));
    }
    let word = dice.pick(&WORDS);
    let subject = dressed(dice, word);
    let folded = if dice.roll(4) == 0 { subject.replacen(' ', "\n ", 1) } else { subject };
    out.push_str(&format!("Subject: {folded}\n"));
    if dice.roll(2) == 0 {
        for _ in 0..=usize::from(dice.roll(4) == 0) {
            let word = dice.pick(&WORDS);
            out.push_str(&format!("X-Tag: {}\n", dressed(dice, word)));
        }
    }
    if dice.roll(2) == 0 {
        out.push_str(&format!("X-Score: {}\n", dice.pick(&NUMBERS)));
    }
    if dice.roll(5) > 0 {
        let kind = dice.pick(&["inbox", "INBOX", "sale", "Build", "a.b", "A", "to-do", ""]);
        out.push_str(&format!("X-Kind: {kind}\n"));
    }
    if dice.roll(3) == 0 {
        out.push_str("List-Id: The [build] list <build.example>\n");
    }
    let date = dice.pick(&[
        "Thu, 24 Dec 2026 10:00:00 +0000",
        "Thu, 24 Dec 2026 10:00:30 +0000",
        "Fri, 25 Dec 2026 00:00:00 +0900",
        "Sat, 1 Aug 2026 23:59:30 -0500",
        "",
    ]);
    if !date.is_empty() {
        out.push_str(&format!("Date: {date}\n"));
    }
    out.push_str("Message-ID: <1@example.jp>\n");
    out.push_str("Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n");
    out.push_str(&format!("There is a {} here.\n", dice.pick(&WORDS)));
    for _ in 0..dice.roll(30) {
        out.push_str("One line of text that makes it longer, and nothing else at all.\n");
    }
    out
}

/// What is done with a message, in one form for both.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Done {
    pub(crate) stored: Vec<(String, BTreeSet<String>)>,
    pub(crate) sent: Vec<String>,
    refused: bool,
    /// An answer is wanted; whether it is sent depends on more than the script.
    pub(crate) answered: bool,
}

impl Done {
    /// The order in which it is done does not matter.
    fn sorted(mut self) -> Done {
        self.stored.sort();
        self.sent.sort();
        self
    }
}

/// What `sieve-test` printed; `None` if the script failed, which says nothing about it.
fn by_pigeonhole(output: &str) -> Done {
    let mut done = Done::default();
    let mut folder: Option<String> = None;
    let mut flags = BTreeSet::new();
    let flush = |folder: &mut Option<String>, flags: &mut BTreeSet<String>, done: &mut Done| {
        if let Some(folder) = folder.take() {
            done.stored.push((folder, std::mem::take(flags)));
        }
    };
    for line in output.lines() {
        let line = line.trim();
        if let Some(action) = line.strip_prefix("* ") {
            flush(&mut folder, &mut flags, &mut done);
            if let Some(name) = action.strip_prefix("store message in folder: ") {
                let is_inbox = name.eq_ignore_ascii_case("INBOX");
                folder = Some(if is_inbox { "INBOX".into() } else { name.to_owned() });
            } else if let Some(to) = action.strip_prefix("redirect message to: ") {
                done.sent.push(to.trim_matches(['<', '>']).to_ascii_lowercase());
            } else if action.starts_with("reject") {
                done.refused = true;
            } else if action.starts_with("send vacation") {
                done.answered = true;
            }
        } else if let Some(names) = line.strip_prefix("+ add IMAP flags: ") {
            flags.extend(names.split_whitespace().map(str::to_ascii_lowercase));
        }
    }
    flush(&mut folder, &mut flags, &mut done);
    done.sorted()
}

/// The same by `mfilter --test --json`.
pub(crate) fn by_mfilter(json: &serde_json::Value) -> Done {
    let mut done = Done::default();
    for step in json["steps"].as_array().expect("steps") {
        match step["action"].as_str().unwrap_or_default() {
            "inbox" | "folder" | "copy" | "fileinto" | "stop" => {
                let folder = step["folder"].as_str().unwrap_or_default();
                let folder =
                    if folder.is_empty() { "INBOX".into() } else { folder.replace('/', ".") };
                let flags = step["flags"].as_array().into_iter().flatten();
                let flags = flags.filter_map(|flag| flag.as_str()).map(|flag| match flag {
                    "seen" => "\\seen".into(),
                    "flagged" => "\\flagged".into(),
                    "replied" => "\\answered".into(),
                    "trashed" => "\\deleted".into(),
                    other => other.to_ascii_lowercase(),
                });
                done.stored.push((folder, flags.collect()));
            }
            "forward" | "forward-copy" => {
                for to in step["to"].as_array().into_iter().flatten() {
                    done.sent.push(to.as_str().unwrap_or_default().to_ascii_lowercase());
                }
            }
            "reject" => done.refused = true,
            "reply" => done.answered = true,
            _ => {}
        }
    }
    done.sorted()
}

pub(crate) const SIEVE_TEST: &str = "/usr/bin/sieve-test";
pub(crate) const SENDER: &str = "bot+ci@lists.example";
pub(crate) const RECIPIENT: &str = "taro+shop@example.jp";

/// A directory that everybody can read, because `sieve-test` refuses to run as root.
pub(crate) fn place() -> tempfile::TempDir {
    let place = tempfile::tempdir().expect("a temporary directory");
    let open = fs::Permissions::from_mode(0o777);
    fs::set_permissions(place.path(), open.clone()).expect("changed");
    let home = place.path().display();
    let conf = format!(
        "mail_home = {home}\nmail_location = maildir:{home}/Maildir\nlog_path = /dev/stderr\n\
         plugin {{\n  sieve_max_redirects = 20\n  sieve_extensions = +vacation-seconds\n}}\n"
    );
    fs::write(place.path().join("conf"), conf).expect("written");
    for directory in ["", ".A", ".Lists.B"] {
        let directory = place.path().join("Maildir").join(directory);
        for sub in ["cur", "new", "tmp"] {
            fs::create_dir_all(directory.join(sub)).expect("made");
            fs::set_permissions(directory.join(sub), open.clone()).expect("changed");
        }
        fs::set_permissions(directory, open.clone()).expect("changed");
    }
    place
}

/// What Pigeonhole does with each message; `None` where the script fails.
pub(crate) fn pigeonhole(place: &Path, script: &str, message: &str) -> Option<Done> {
    pigeonhole_in("UTC", place, script, message)
}

/// The same on a machine in that time zone.
fn pigeonhole_in(zone: &str, place: &Path, script: &str, message: &str) -> Option<Done> {
    let root = rustix::process::geteuid().is_root();
    let mut command = if root {
        let mut command = Command::new("setpriv");
        command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups", SIEVE_TEST]);
        command
    } else {
        Command::new(SIEVE_TEST)
    };
    command.env_clear().env("PATH", "/usr/bin:/bin").env("TZ", zone).current_dir(place);
    command.args(["-c", "conf", "-C", "-f", SENDER, "-r", RECIPIENT, "-a", RECIPIENT]);
    let output = command.args([script, message]).stdin(Stdio::null()).output().expect("it runs");
    let answer = String::from_utf8_lossy(&output.stderr);
    let success = output.status.success() && answer.contains("final result: success");
    success.then(|| by_pigeonhole(&String::from_utf8_lossy(&output.stdout)))
}

/// Runs mfilter in that directory; returns its output.
pub(crate) fn mfilter(place: &Path, arguments: &[&str]) -> String {
    mfilter_in("UTC", place, arguments)
}

/// The same on a machine in that time zone.
fn mfilter_in(zone: &str, place: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new(MFILTER);
    command.env_clear().env("HOME", place).env("TZ", zone).current_dir(place);
    let output = command.args(arguments).output().expect("it runs");
    assert!(output.status.code().is_some_and(|code| code < 2), "{arguments:?}: {output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The results of the pairs.
#[derive(Debug, Default)]
struct Tally {
    pairs: usize,
    scripts: usize,
    exact: usize,
    failed: usize,
    reached: usize,
}

/// Compares the messages of a script; returns the differences in words.
fn compare(place: &Path, script: &str, messages: &[String], tally: &mut Tally) -> Vec<String> {
    fs::write(place.join("s.sieve"), script).expect("written");
    tally.scripts += 1;
    let json = mfilter(place, &["import", "sieve", "--json", "--separator", ".", "s.sieve"]);
    let report: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    if report["totals"]["exact"] != report["totals"]["all"] {
        return Vec::new();
    }
    tally.exact += 1;
    fs::write(place.join("rules"), report["rules"].as_str().expect("rules")).expect("written");
    let names: Vec<String> = (0..messages.len()).map(|number| format!("m{number}")).collect();
    for (name, message) in names.iter().zip(messages) {
        fs::write(place.join(name), message).expect("written");
    }
    let mut arguments = vec!["--test", "--json", "-f", SENDER, "-d", RECIPIENT, "--rules", "rules"];
    arguments.extend(names.iter().map(String::as_str));
    let ours = mfilter(place, &arguments);
    let mut wrong = Vec::new();
    for (name, line) in names.iter().zip(ours.lines()) {
        let Some(theirs) = pigeonhole(place, "s.sieve", name) else {
            tally.failed += 1;
            continue;
        };
        tally.pairs += 1;
        let ours = by_mfilter(&serde_json::from_str(line).expect("JSON"));
        let inbox = vec![("INBOX".to_owned(), BTreeSet::new())];
        tally.reached += usize::from(theirs.stored != inbox || !theirs.sent.is_empty());
        if ours != theirs {
            let message = &messages[name[1..].parse::<usize>().expect("a number")];
            let rules = report["rules"].as_str().unwrap_or_default();
            wrong.push(format!(
                "Pigeonhole: {theirs:?}\nmfilter:    {ours:?}\n{script}\n{rules}\n{message}\n"
            ));
        }
    }
    wrong
}

#[test]
fn exact_rules_do_what_pigeonhole_does() {
    if skipped("sieve_differential", &[SIEVE_TEST, "/usr/bin/setpriv"], false) {
        return;
    }
    let long = std::env::var_os("MFILTER_LONG").is_some();
    let expected = if long { 5000 } else { 60 };
    let place = place();
    let mut dice = Dice::of(0x2545_f491_4f6c_dd1d);
    let mut tally = Tally::default();
    let mut wrong = Vec::new();
    while tally.pairs < expected && wrong.len() < 5 {
        let mut script = String::from(REQUIRE);
        statements(&mut dice, 0, &mut script);
        let messages: Vec<String> = (0..5).map(|_| message(&mut dice)).collect();
        wrong.extend(compare(place.path(), &script, &messages, &mut tally));
    }
    eprintln!("{tally:?}");
    assert!(wrong.is_empty(), "{tally:?}\n{}", wrong.join("\n=====\n"));
    assert!(tally.reached * 2 >= tally.pairs, "too few messages reach a rule: {tally:?}");
}

/// Times, days and times of day change at the same second in both, wherever the machine
/// is. All tests of a time zone are one script; each that holds sets a keyword.
#[test]
fn moments_change_at_the_same_second_in_all_zones() {
    if skipped("sieve_differential, moments", &[SIEVE_TEST, "/usr/bin/setpriv"], false) {
        return;
    }
    const BEHIND: [&str; 11] = [
        "", "Z", "z", "+00:00", "+01:00", "+02:00", "-04:00", "-05:00", "+09:00", "+10:00",
        "-03:30",
    ];
    let place = place();
    let at = |name: &str| place.path().join(name);
    for zone_name in ["UTC", "Europe/Berlin", "America/New_York", "Asia/Tokyo"] {
        // Pigeonhole uses the current UTC offset of a time zone for all dates.
        let zone = jiff::tz::TimeZone::get(zone_name).expect("a zone");
        let present = zone.to_offset(jiff::Timestamp::now());
        let seasons = ["2026-01-14T22:00:00Z", "2026-07-14T22:00:00Z"];
        let seasons = seasons.map(|text| text.parse::<jiff::Timestamp>().expect("a moment"));
        let moment = seasons.into_iter().find(|season| zone.to_offset(*season) == present);
        let moment = moment.expect("it is winter or summer").to_zoned(zone);
        let mut script = String::from(REQUIRE);
        let mut test = |zone: &str, part: &str, key: &str| {
            for relation in ["gt", "ge", "lt", "le"] {
                let count = script.lines().count();
                script.push_str(&format!(
                    "if date {zone}:value \"{relation}\" \"date\" \"{part}\" \"{key}\" \
                     {{ addflag \"k{count}\"; }}\n"
                ));
            }
        };
        for (argument, offset) in
            [("", present.seconds()), ("+0000", 0), ("+0900", 32_400), ("-0330", -12_600)]
        {
            let fixed = jiff::tz::Offset::from_seconds(offset).expect("an offset");
            let clock = fixed.to_datetime(moment.timestamp());
            let argument = match argument {
                "" => String::new(),
                zone => format!(":zone \"{zone}\" "),
            };
            BEHIND
                .iter()
                .for_each(|behind| test(&argument, "iso8601", &format!("{clock}{behind}")));
            test(&argument, "iso8601", &clock.to_string().to_lowercase());
            test(&argument, "date", &clock.date().to_string());
            test(&argument, "date", &clock.date().tomorrow().expect("a day").to_string());
            test(&argument, "time", &clock.time().to_string());
        }
        fs::write(at("s.sieve"), &script).expect("written");
        let seconds = [-7201_i64, -7200, -1, 0, 1, 3599, 7199, 7200];
        let names: Vec<String> = (0..seconds.len()).map(|number| format!("m{number}")).collect();
        for (name, second) in names.iter().zip(seconds) {
            let date = moment.timestamp() + jiff::SignedDuration::from_secs(second);
            let date = jiff::fmt::rfc2822::to_string(&date.to_zoned(jiff::tz::TimeZone::UTC));
            let date = date.expect("a date");
            fs::write(at(name), format!("From: a@b.example\nDate: {date}\n\nx\n"))
                .expect("written");
        }
        let json = mfilter_in(
            zone_name,
            place.path(),
            &["import", "sieve", "--json", "--separator", ".", "s.sieve"],
        );
        let report: serde_json::Value = serde_json::from_str(&json).expect("JSON");
        assert_eq!(report["totals"]["exact"], report["totals"]["all"], "{json}");
        fs::write(at("rules"), report["rules"].as_str().expect("rules")).expect("written");
        let options = ["--test", "--json", "-f", SENDER, "-d", RECIPIENT, "--rules", "rules"];
        let options = options.into_iter().chain(names.iter().map(String::as_str));
        let ours = mfilter_in(zone_name, place.path(), &options.collect::<Vec<_>>());
        assert_eq!(ours.lines().count(), names.len(), "{ours}");
        for ((name, line), second) in names.iter().zip(ours.lines()).zip(seconds) {
            let theirs = pigeonhole_in(zone_name, place.path(), "s.sieve", name).expect("it runs");
            let ours = by_mfilter(&serde_json::from_str(line).expect("JSON"));
            let differs = |test: &&str| {
                let keyword = test.rsplit('"').nth(1).unwrap_or_default().to_owned();
                let has = |done: &Done| done.stored.iter().any(|(_, set)| set.contains(&keyword));
                has(&ours) != has(&theirs)
            };
            let wrong: Vec<&str> = script.lines().filter(differs).collect();
            assert!(wrong.is_empty(), "{zone_name}, {second} s:\n{}", wrong.join("\n"));
            assert!(theirs.stored[0].1.len() > 50, "{zone_name}, {second} s: {theirs:?}");
        }
    }
}
