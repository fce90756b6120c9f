//! Measures the classifiers on a corpus of labelled mail: `manifest.tsv`
//! (path, label, …), `baseline-procmail.tsv`, `expected-sisimai.tsv` and
//! `expected-lists.tsv`, as their first lines name the columns.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use mfilter::classify::{CLASSIFIERS, Mail, SharedResults, bounce, list_name, named};
use mfilter::message::Message;

/// A line of a table, by column name.
pub type Row = HashMap<String, String>;

/// Where the corpus is: `MFILTER_CORPUS`, else beside the project.
pub fn place() -> Option<PathBuf> {
    let place = std::env::var_os("MFILTER_CORPUS").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus"),
        PathBuf::from,
    );
    // A worktree lies one level deeper.
    [place.clone(), Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus")]
        .into_iter()
        .find(|place| place.join("manifest.tsv").is_file())
}

pub fn table(path: &Path) -> io::Result<Vec<Row>> {
    let text = fs::read_to_string(path)?;
    let mut lines = text.lines();
    let names: Vec<&str> = lines.next().unwrap_or_default().split('\t').collect();
    let row = |line: &str| {
        names.iter().map(|name| name.to_string()).zip(line.split('\t').map(str::to_owned)).collect()
    };
    Ok(lines.map(row).collect())
}

pub fn mail(message: &Message) -> Mail<'_> {
    Mail {
        message,
        envelope_sender: None,
        has_long_sender: false,
        me: None,
        trust: Vec::new(),
        relays: Vec::new(),
        spam_score_header: None,
        people: &|| Ok(std::rc::Rc::default()),
        host_name: None,
        known: SharedResults::default(),
        variable: &|_| None,
    }
}

/// The message with a `From ` line: its own, or one from Return-Path.
pub fn with_from_line(bytes: &[u8]) -> Vec<u8> {
    if bytes.starts_with(b"From ") {
        return bytes.to_vec();
    }
    let message = Message::from_bytes(bytes.to_vec());
    let path = message
        .head()
        .first("return-path")
        .map(|value| String::from_utf8_lossy(value).into_owned());
    let Some(path) = path.filter(|path| !path.trim().is_empty()) else { return bytes.to_vec() };
    let path = path.trim().trim_start_matches('<').trim_end_matches('>');
    let sender = if path.is_empty() { "MAILER-DAEMON" } else { path };
    let mut with = format!("From {sender}  Thu Jan  1 00:00:00 2024\n").into_bytes();
    with.extend_from_slice(bytes);
    with
}

/// How often something was so.
#[derive(Debug, Clone, Copy, Default)]
pub struct Share {
    pub held: usize,
    pub of: usize,
}

impl Share {
    pub fn add(&mut self, held: bool) {
        self.held += usize::from(held);
        self.of += 1;
    }

    pub fn percent(&self) -> f64 {
        if self.of == 0 { 0.0 } else { 100.0 * self.held as f64 / self.of as f64 }
    }
}

/// What was found.
#[derive(Debug, Default)]
pub struct Measures {
    /// By classifier and label.
    pub classified: BTreeMap<(&'static str, String), Share>,
    /// procmail's own, by macro and label.
    pub procmail: BTreeMap<(&'static str, String), Share>,
    /// Equal to procmail's verdict, by classifier and with or without `From `.
    pub equal: BTreeMap<(&'static str, &'static str), Share>,
    /// Of bounces: somebody is named who was not reached.
    pub recipient: Share,
    /// Of all with an expected status: the same, or the same class where that
    /// is a stand-in for none.
    pub status: Share,
    /// Of those that state one.
    pub status_stated: Share,
    /// Of the others: the class.
    pub status_class: Share,
    /// Of the others: what it means.
    pub status_meaning: Share,
    pub list_name: Share,
    /// What went wrong, to be looked at.
    pub surprises: Vec<String>,
}

impl Measures {
    pub fn share(&self, classifier: &str, label: &str) -> f64 {
        let found = self.classified.iter().find(|(key, _)| key.0 == classifier && key.1 == label);
        found.map_or(0.0, |(_, share)| share.percent())
    }
}

/// `should` hold for the label?
fn expected(classifier: &str, label: &str) -> Option<bool> {
    match (classifier, label) {
        ("bounce" | "daemon", "bounce") | ("mailing-list", "list") => Some(true),
        ("automatic", "bounce" | "vacation") => Some(true),
        ("bounce", "list" | "ham" | "spam" | "notbounce") => Some(false),
        ("daemon", "list" | "ham") | ("automatic", "ham") | ("mailing-list", "bounce") => {
            Some(false)
        }
        ("virus-warning", _) => Some(false),
        _ => None,
    }
}

pub fn measure(corpus: &Path) -> io::Result<Measures> {
    let mut measures = Measures::default();
    for row in table(&corpus.join("manifest.tsv"))? {
        let path = &row["path"];
        let label = row["label"].as_str();
        let message = Message::from_bytes(fs::read(corpus.join(path))?);
        let mail = mail(&message);
        if label == "bounce" {
            measures.recipient.add(bounce::recipients(&mail).is_ok_and(|found| !found.is_empty()));
        }
        for classifier in CLASSIFIERS {
            let Ok(found) = (classifier.find)(&mail) else { continue };
            if expected(classifier.name, label).is_some_and(|expected| expected != found.is_some())
            {
                measures.surprises.push(format!("{} {label} {path}: {found:?}", classifier.name));
            }
            let key = (classifier.name, label.to_owned());
            measures.classified.entry(key).or_default().add(found.is_some());
        }
    }
    compare_procmail(corpus, &mut measures)?;
    compare_statuses(corpus, &mut measures)?;
    compare_lists(corpus, &mut measures)?;
    Ok(measures)
}

fn compare_procmail(corpus: &Path, measures: &mut Measures) -> io::Result<()> {
    for row in table(&corpus.join("baseline-procmail.tsv"))? {
        let bytes = fs::read(corpus.join(&row["path"]))?;
        for (form, daemon, mailer) in [("raw", "rawD", "rawM"), ("From ", "envD", "envM")] {
            let bytes = if form == "raw" { bytes.clone() } else { with_from_line(&bytes) };
            let message = Message::from_bytes(bytes);
            for (name, column) in [("from-daemon", daemon), ("from-mailer", mailer)] {
                let verdict = row[column] == "1";
                let ours = named(name).and_then(|each| (each.find)(&mail(&message)).ok().flatten());
                measures.equal.entry((name, form)).or_default().add(ours.is_some() == verdict);
                if ours.is_some() != verdict {
                    measures.surprises.push(format!("{name} {form} {}: {ours:?}", row["path"]));
                }
                if form == "From " {
                    let key = (name, row["label"].clone());
                    measures.procmail.entry(key).or_default().add(verdict);
                }
            }
        }
    }
    Ok(())
}

/// `5.0.9xx` and `4.0.9xx` are no codes of RFC 3463 or its registry, which ends
/// far below: sisimai writes them where the message states none, one for each
/// of its reasons.
fn is_stand_in(status: &str) -> bool {
    status[1..].starts_with(".0.9") && status.len() == "5.0.900".len()
}

/// Starts of the codes (RFC 3463 §3) that say the same as sisimai's reason.
fn codes_for(reason: &str) -> &'static [&'static str] {
    match reason {
        "userunknown" => &["1.0", "1.1", "1.3", "1.6"],
        // "Rejected after DATA", by whatever filter the recipient has.
        "filtered" => &["1.", "2.", "7."],
        "hostunknown" => &["1.2", "1.10", "4.4"],
        "norelaying" => &["7."],
        "rejected" => &["1.0", "1.7", "1.8", "7."],
        "suspend" => &["2.1"],
        "mailboxfull" => &["2.2"],
        "systemerror" => &["3.", "4.", "5."],
        "notaccept" => &["1.2", "1.10", "3.2", "4.4"],
        "mesgtoobig" => &["3.4", "2.3"],
        "expired" => &["4."],
        "blocked" | "spamdetected" => &["7."],
        _ => &[],
    }
}

fn compare_statuses(corpus: &Path, measures: &mut Measures) -> io::Result<()> {
    for row in table(&corpus.join("expected-sisimai.tsv"))? {
        let expected = &row["status"];
        if expected.is_empty() {
            continue;
        }
        let message = Message::from_bytes(fs::read(corpus.join(&row["file"]))?);
        let mail = mail(&message);
        let found = bounce::statuses(&mail).unwrap_or_default();
        let any = |fits: &dyn Fn(&String) -> bool| found.iter().any(fits);
        // A success is no bounce and has none.
        let same = match expected.starts_with('2') {
            true => found.is_empty(),
            false => any(&|found| found == expected),
        };
        let held = same || is_stand_in(expected) && any(&|found| found[..1] == expected[..1]);
        measures.status.add(held);
        if is_stand_in(expected) {
            measures.status_class.add(held);
            let codes = codes_for(&row["reason"]);
            let meant = any(&|found| codes.iter().any(|code| found[2..].starts_with(code)));
            measures.status_meaning.add(meant);
            if !meant {
                let reason = &row["reason"];
                measures.surprises.push(format!("means {}: {reason} {found:?}", row["file"]));
            }
        } else {
            measures.status_stated.add(held);
        }
        if !held {
            let reasons = bounce::reasons(&mail);
            measures
                .surprises
                .push(format!("status {}: {expected} {found:?} {reasons:?}", row["file"]));
        }
    }
    Ok(())
}

/// Some expected names are the posting address or the identifier; their first
/// part is the name.
fn short(name: &str) -> &str {
    let name = name.split('@').next().unwrap_or(name);
    name.split('.').next().unwrap_or(name)
}

fn compare_lists(corpus: &Path, measures: &mut Measures) -> io::Result<()> {
    for row in table(&corpus.join("expected-lists.tsv"))? {
        let message = Message::from_bytes(fs::read(corpus.join(&row["file"]))?);
        let found = list_name::list_name(&mail(&message)).unwrap_or_default();
        let expected = &row["listname"];
        let held = found == *expected || found == short(expected);
        measures.list_name.add(held);
        if !held {
            measures.surprises.push(format!("list-name {}: {expected} {found}", row["file"]));
        }
    }
    Ok(())
}
