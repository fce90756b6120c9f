//! Measures the classifiers on a corpus of labelled mail: `manifest.tsv`
//! (path, label, …), `baseline-procmail.tsv`, `expected-sisimai.tsv` and
//! `expected-lists.tsv`, as their first lines name the columns.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use mfilter::classify::{CLASSIFIERS, Known, Mail, bounce, list_name, named};
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
        me: None,
        trust: Vec::new(),
        spam_score_header: None,
        host_name: None,
        known: Known::default(),
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
    pub status: Share,
    /// Where the expected status is a stand-in for none: the same class.
    pub status_class: Share,
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
fn wanted(classifier: &str, label: &str) -> Option<bool> {
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
        // Mail to a list as its sender had it shows no trace of a list.
        let to_list = row["label"] == "list" && row["basis"].contains("patch list mail");
        let label = if to_list { "to-list" } else { row["label"].as_str() };
        let message = Message::from_bytes(fs::read(corpus.join(path))?);
        let mail = mail(&message);
        for classifier in CLASSIFIERS {
            let Ok(found) = (classifier.find)(&mail) else { continue };
            if wanted(classifier.name, label).is_some_and(|wanted| wanted != found.is_some()) {
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

/// Codes with a subject of three digits from 9 on are not RFC 3463's: they
/// stand where the message has none.
fn is_stand_in(status: &str) -> bool {
    status.rsplit('.').next().is_some_and(|detail| detail.len() == 3 && detail.starts_with('9'))
        && status[1..].starts_with(".0.")
}

fn compare_statuses(corpus: &Path, measures: &mut Measures) -> io::Result<()> {
    for row in table(&corpus.join("expected-sisimai.tsv"))? {
        let expected = &row["status"];
        if expected.is_empty() || expected.starts_with('2') {
            continue;
        }
        let message = Message::from_bytes(fs::read(corpus.join(&row["file"]))?);
        let mail = mail(&message);
        let found = bounce::statuses(&mail).unwrap_or_default();
        let (share, held) = match is_stand_in(expected) {
            true => {
                (&mut measures.status_class, found.iter().any(|found| found[..1] == expected[..1]))
            }
            false => (&mut measures.status, found.contains(expected)),
        };
        share.add(held);
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
