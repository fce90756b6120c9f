//! Pigeonhole's own test suite, read as facts: a message, a piece of a script, and the
//! claim that its `test_fail` is not reached. `MFILTER_PIGEONHOLE` names the folder
//! `tests` of its source, which is not copied here; without it the test is skipped.
//!
//! A fact is a statement of a `test "…" { … }`, with the statements before it. What is
//! about the suite itself (scripts compiled or run, server settings) is left out. No fact
//! whose script is imported exactly may be wrong.

#![allow(clippy::print_stderr, reason = "a skipped test says so, and how many facts there were")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::MFILTER;

/// How many facts must at least be expressible.
const LEAST: usize = 480;

/// Facts about messages that no standard covers, which differ on purpose: the name of the
/// test, a piece of it, and why.
const KNOWN: [(&str, &str, &str); 4] = [
    ("Double Slash", "Plain Stupid Text", "`text/plain/stupid` is shown as text"),
    ("Nested Search", "XHTML Hello", "`application/xhtml+xml` is an attachment"),
    ("Nested Search", "contains \"Hello\"", "a part in an unknown encoding is read as it is"),
    ("Invalid addresses", ":domain \"to\"", "`@example.org` has a domain"),
];

/// One statement, or a comment, from the start of a text; its length.
fn statement(text: &str) -> usize {
    let bytes = text.as_bytes();
    let (mut at, mut depth) = (0, 0_i32);
    while at < bytes.len() {
        match bytes[at] {
            b'#' => at += text[at..].find('\n').unwrap_or(text.len() - at),
            b'/' if text[at..].starts_with("/*") => {
                at += text[at..].find("*/").map_or(text.len() - at, |end| end + 1);
            }
            b'"' => {
                at += 1;
                while at < bytes.len() && bytes[at] != b'"' {
                    at += if bytes[at] == b'\\' { 2 } else { 1 };
                }
            }
            b't' if text[at..].starts_with("text:")
                && text[at + 5..].trim_start_matches([' ', '\t']).starts_with(['\n', '#']) =>
            {
                at += text[at..].find("\n.\n").map_or(text.len() - at, |end| end + 1);
            }
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' => depth -= 1,
            b'}' => {
                depth -= 1;
                if depth <= 0 {
                    let rest = text[at + 1..].trim_start();
                    let more = ["elsif", "else"].iter().any(|word| rest.starts_with(word));
                    if !more {
                        return at + 1;
                    }
                }
            }
            b';' if depth == 0 => return at + 1,
            _ => {}
        }
        at += 1;
    }
    text.len()
}

/// The statements of a text, without the comments between them.
fn statements(mut text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    loop {
        text = text.trim_start();
        if text.starts_with('#') {
            text = &text[text.find('\n').unwrap_or(text.len())..];
        } else if text.starts_with("/*") {
            text = &text[text.find("*/").map_or(text.len(), |end| end + 2)..];
        } else if text.is_empty() {
            return found;
        } else {
            let end = statement(text).max(1);
            found.push(text[..end].trim());
            text = &text[end..];
        }
    }
}

/// The value of the last string in a statement.
fn value(statement: &str) -> String {
    if let Some((_, rest)) = statement.split_once("text:") {
        let body = rest.split_once('\n').map_or("", |(_, body)| body);
        let end = body.find("\n.\n").map_or(body.len(), |end| end + 1);
        return body[..end].replace("\n..", "\n.");
    }
    let inner = statement.rsplit_once(';').map_or(statement, |(inner, _)| inner).trim_end();
    let inner = inner.strip_suffix('"').unwrap_or(inner);
    // The string is the third word.
    let start = inner.match_indices('"').nth(2).map_or(inner.len(), |(at, _)| at + 1);
    inner[start..].replace("\\\"", "\"").replace("\\\\", "\\")
}

/// A statement with each `test_fail` replaced by something else.
fn with(statement: &str, instead: &str) -> String {
    let mut out = String::new();
    let mut rest = statement;
    while let Some(at) = rest.find("test_fail") {
        out.push_str(&rest[..at]);
        let end = self::statement(&rest[at..]);
        out.push_str(instead);
        rest = &rest[at + end..];
    }
    out + rest
}

/// `<address>` without what surrounds it.
fn bare(path: &str) -> String {
    let inner = path.trim().strip_prefix('<').and_then(|path| path.strip_suffix('>'));
    inner.unwrap_or(path).to_owned()
}

#[derive(Clone, Default)]
struct World {
    variables: BTreeMap<String, String>,
    message: String,
    from: String,
    to: String,
    /// The suite has made folders.
    folders: bool,
}

impl World {
    fn set(&mut self, statement: &str) -> bool {
        if let Some(rest) = statement.strip_prefix("set ") {
            let name = rest.trim_start().trim_start_matches('"').split('"').next();
            let name = name.unwrap_or_default().to_owned();
            self.variables.insert(name, value(statement));
        }
        let Some(rest) = statement.strip_prefix("test_set") else { return false };
        let rest = rest.trim_start();
        let value = |statement: &str| {
            let text = value(statement);
            let name = text.strip_prefix("${").and_then(|text| text.strip_suffix('}'));
            name.and_then(|name| self.variables.get(name)).cloned().unwrap_or(text)
        };
        if rest.starts_with("\"message\"") {
            self.message = value(statement);
        } else if rest.starts_with("\"envelope.from\"") {
            self.from = bare(&value(statement));
        } else if rest.starts_with("\"envelope.to\"") {
            self.to = bare(&value(statement));
        }
        true
    }
}

/// Whether a fact is about ordinary mail: not about the suite's environment, and not with
/// an envelope that no mail server accepts.
fn of_mail(statement: &str, world: &World) -> bool {
    let plain = |address: &str| {
        address.is_empty()
            || address.matches('@').count() == 1 && !address.contains(['<', '>', ',', ':', ' '])
    };
    let suite = statement.contains("environment") && statement.contains("\"location\"");
    let envelope = statement.contains("envelope");
    let made = world.folders && statement.contains("mailboxexists");
    !suite && !made && (!envelope || plain(&world.from) && plain(&world.to))
}

struct Fact {
    name: String,
    script: String,
    world: World,
}

/// The facts of one file.
fn facts(path: &Path, text: &str) -> Vec<Fact> {
    let text = text.replace("\r\n", "\n");
    let mut found = Vec::new();
    let mut world = World {
        from: "sender@example.com".into(),
        to: "recipient@example.com".into(),
        ..World::default()
    };
    let (mut require, mut before) = (String::new(), String::new());
    for statement in statements(&text) {
        if statement.starts_with("require") {
            require.push_str(&statement.replace("\"vnd.dovecot.testsuite\"", "\"fileinto\""));
            require.push('\n');
            continue;
        }
        // The server differs from the one here.
        if statement.starts_with("test_config") {
            break;
        }
        if world.set(statement) {
            continue;
        }
        // Which message it is depends on the machine.
        if !statement.starts_with("test ") && statement.contains("test_set") {
            break;
        }
        // The name may hold a brace.
        let named = statement.strip_prefix("test ").map(|rest| {
            let name = rest.trim_start().trim_start_matches('"');
            let end = name.replace("\\\"", "xx").find('"').unwrap_or(name.len());
            name.split_at(end)
        });
        let Some(body) = named.and_then(|(name, rest)| Some((name, rest.split_once('{')?.1)))
        else {
            world.folders |= statement.starts_with("test_mailbox");
            if !statement.contains("test_") {
                before.push_str(statement);
                before.push('\n');
            }
            continue;
        };
        let name = format!("{}: {}", path.display(), body.0.trim());
        let body = body.1.trim_end().strip_suffix('}').unwrap_or(body.1);
        // Statements so far, and whether they are facts.
        let mut here: Vec<(bool, String)> = Vec::new();
        for inner in statements(body) {
            if world.set(inner) {
                continue;
            }
            if inner.replace("test_fail", "").contains("test_") {
                // What follows depends on what was done to the suite.
                world.folders |= inner.contains("test_mailbox");
                break;
            }
            if !inner.contains("test_fail") {
                here.push((false, inner.to_owned()));
                continue;
            }
            if !of_mail(inner, &world) {
                continue;
            }
            let captures = here.iter().filter(|(is_fact, _)| !is_fact);
            let captures = captures
                .map(|(_, text)| text.as_str())
                .chain([inner])
                .any(|text| (0..10).any(|group| text.contains(&format!("${{{group}"))));
            let needed = here.iter().filter(|(is_fact, _)| captures || !is_fact);
            let needed: Vec<&str> = needed.map(|(_, text)| text.as_str()).collect();
            let script = format!(
                "require \"fileinto\";\n{require}{before}{}\n{}\n",
                needed.join("\n"),
                with(inner, "fileinto \"FAIL\"; stop;")
            );
            found.push(Fact { name: name.clone(), script, world: world.clone() });
            here.push((inner.starts_with("if"), with(inner, "stop;")));
        }
    }
    found
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> = fs::read_dir(folder)
        .expect("the test suite is there")
        .map(|entry| entry.expect("readable").path())
        .collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            files(&path, found);
        } else if path.to_string_lossy().contains(".svtest") {
            found.push(path);
        }
    }
}

fn mfilter(place: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new(MFILTER);
    command.env_clear().env("HOME", place).env("TZ", "UTC").current_dir(place);
    let output = command.args(arguments).output().expect("it runs");
    assert!(output.status.code().is_some_and(|code| code < 2), "{arguments:?}: {output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Whether a real delivery files the message as a fact that is wrong.
fn delivered_as_failed(place: &Path, from: &str, to: &str) -> bool {
    let home = tempfile::tempdir().expect("a temporary directory");
    let rules = fs::read_to_string(place.join("rules")).expect("it is there");
    let rules = format!("set sendmail \"/bin/true\"\n{rules}");
    fs::write(home.path().join(".mailrules"), rules).expect("written");
    let message = fs::File::open(place.join("m")).expect("it is there");
    let mut command = Command::new(MFILTER);
    command.env_clear().env("HOME", home.path()).env("TZ", "UTC").env("PATH", "/usr/bin:/bin");
    command.args(["-f", from, "-d", to]).stdin(message);
    let output = command.output().expect("it runs");
    assert!(output.status.success(), "{output:?}: {:?}", fs::read_to_string(place.join("rules")));
    home.path().join("Maildir/.FAIL").exists()
}

#[test]
fn what_is_exact_is_what_pigeonhole_expects() {
    let Some(suite) = std::env::var_os("MFILTER_PIGEONHOLE").map(PathBuf::from) else {
        eprintln!("skipped: MFILTER_PIGEONHOLE names no copy of Pigeonhole's tests");
        return;
    };
    let mut paths = Vec::new();
    files(&suite, &mut paths);
    let place = tempfile::tempdir().expect("a temporary directory");
    let place = place.path();
    let (mut all, mut sayable) = (0, 0);
    let mut wrong = Vec::new();
    let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
    for path in &paths {
        let text = String::from_utf8_lossy(&fs::read(path).expect("readable")).into_owned();
        let shown = path.strip_prefix(&suite).unwrap_or(path);
        for folder in ["included", "included-global"] {
            let beside = path.parent().expect("a folder").join(folder);
            for entry in fs::read_dir(beside).into_iter().flatten().flatten() {
                fs::copy(entry.path(), place.join(entry.file_name())).expect("copied");
            }
        }
        for fact in facts(shown, &text) {
            all += 1;
            fs::write(place.join("s.sieve"), &fact.script).expect("written");
            // As it is sent: sizes are counted that way.
            let message = fact.world.message.replace('\n', "\r\n");
            fs::write(place.join("m"), message).expect("written");
            let json = mfilter(place, &["import", "sieve", "--json", "s.sieve"]);
            let report: serde_json::Value = serde_json::from_str(&json).expect("JSON");
            if report["totals"]["exact"] != report["totals"]["all"] {
                for unit in report["units"].as_array().into_iter().flatten() {
                    if unit["verdict"] != "exact" {
                        let why = unit["reason"].as_str().unwrap_or_default().to_owned();
                        *reasons.entry(format!("{}: {why}", unit["verdict"])).or_default() += 1;
                        if std::env::var_os("MFILTER_SHOW").is_some() {
                            eprintln!("{}: {why}", fact.name);
                        }
                    }
                }
                continue;
            }
            let rules = report["rules"].as_str().expect("rules");
            let filtered = rules.contains("\nfilter \"cat\"");
            if filtered && fact.world.message.is_empty() {
                // Nothing can be delivered.
                continue;
            }
            sayable += 1;
            fs::write(place.join("rules"), rules).expect("written");
            let (from, to) = (fact.world.from.as_str(), fact.world.to.as_str());
            // `--test` runs no filter, after which changed headers are tested.
            let failed = if filtered {
                delivered_as_failed(place, from, to)
            } else {
                let arguments = ["--test", "--json", "-f", from, "-d", to, "--rules", "rules", "m"];
                let came = mfilter(place, &arguments);
                let came: serde_json::Value = serde_json::from_str(&came).expect("JSON");
                let steps = came["steps"].as_array().expect("steps");
                steps.iter().any(|step| step["folder"] == "FAIL")
            };
            let known = KNOWN
                .iter()
                .any(|(name, piece, _)| fact.name.ends_with(name) && fact.script.contains(piece));
            if failed && !known {
                let rules = report["rules"].as_str().unwrap_or_default();
                wrong.push(format!(
                    "{}\n{}\n{rules}\n{}",
                    fact.name, fact.script, fact.world.message
                ));
            }
        }
    }
    let mut reasons: Vec<(usize, String)> =
        reasons.into_iter().map(|(why, count)| (count, why)).collect();
    reasons.sort_by(|one, other| other.cmp(one));
    for (count, why) in reasons.iter().take(60) {
        eprintln!("{count:5}  {why}");
    }
    eprintln!("{all} facts, {sayable} sayable, {} wrong", wrong.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n=====\n"));
    assert!(sayable >= LEAST, "{sayable} of {all}");
}
