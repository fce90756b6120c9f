//! What the rules did, according to the log: counts by rule and folder, which rules never
//! fire, which folders grow.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::Serialize;

use crate::text::json_line;

/// One line of the log, as far as it is counted.
#[derive(Debug, Clone, Copy)]
pub struct LogEvent<'a> {
    /// When it was written.
    pub time: Timestamp,
    /// `delivered`, `discarded` …
    pub word: &'a str,
    /// Message-ID; may be empty.
    pub id: &'a str,
    /// The folder in which it was stored.
    pub folder: Option<&'a str>,
    /// The folder it was in before.
    pub was: Option<&'a str>,
    /// The command that moved it, unless it was new mail.
    pub by: Option<&'a str>,
    /// The rule that asked for it.
    pub rule: Option<RuleName<'a>>,
    /// How long it took, milliseconds.
    pub ms: Option<f64>,
    /// Why it was refused or deferred.
    pub text: Option<&'a str>,
    /// The category of the site rule.
    pub category: Option<&'a str>,
    /// The envelope sender; empty is the null sender.
    pub sender: Option<&'a str>,
}

/// A rule, identified across its versions.
#[derive(Debug, Clone, Copy)]
pub struct RuleName<'a> {
    /// `file:line`, where it was.
    pub place: &'a str,
    /// `rule "label"`
    pub label: Option<&'a str>,
    /// Its text; none if that version is not known.
    pub text: Option<&'a str>,
}

/// What the log contains, counted.
#[derive(Debug, Default)]
pub struct LogStats {
    /// The current time.
    now: Timestamp,
    since: Option<Timestamp>,
    until: Option<Timestamp>,
    words: BTreeMap<String, usize>,
    folders: BTreeMap<String, FolderStats>,
    rules: BTreeMap<String, RuleStats>,
    /// Messages that were finished, by day and by where they ended.
    days: BTreeMap<jiff::civil::Date, BTreeMap<String, usize>>,
    /// Refused and deferred messages, by word and text.
    reasons: BTreeMap<(String, String), usize>,
    /// What site rules did, by category and word.
    categories: BTreeMap<(String, String), usize>,
    /// Messages by the domain of their envelope sender.
    senders: BTreeMap<String, usize>,
    /// The time of each finished message, milliseconds.
    times: Vec<f32>,
    /// The current message and its counted rules: its time, its Message-ID, the rules.
    current: (Timestamp, String, BTreeSet<String>),
}

#[derive(Debug, Default, Clone, Copy)]
struct FolderStats {
    came: usize,
    moved_in: usize,
    left: usize,
    came_in_week: usize,
    left_in_week: usize,
}

#[derive(Debug, Default, Clone)]
struct RuleStats {
    messages: usize,
    place: String,
    label: Option<String>,
    last: Timestamp,
}

const WEEK: i64 = 7 * 24 * 3600;
/// Words for how a message ended.
const ENDS: [&str; 6] = ["delivered", "discarded", "refused", "deferred", "piped", "forwarded"];
/// Words for putting a message into a folder.
const STORES: [&str; 3] = ["delivered", "copied", "moved"];

impl LogStats {
    /// Statistics without any lines yet.
    pub fn new(now: Timestamp) -> LogStats {
        LogStats { now, ..LogStats::default() }
    }

    /// Counts a line.
    pub fn add(&mut self, event: LogEvent<'_>) {
        let time = event.time;
        self.since = Some(self.since.map_or(time, |since| since.min(time)));
        self.until = Some(self.until.map_or(time, |until| until.max(time)));
        *self.words.entry(event.word.to_owned()).or_default() += 1;
        let in_week = self.now.as_second().saturating_sub(time.as_second()) <= WEEK;
        if STORES.contains(&event.word) {
            if let Some(folder) = event.folder {
                let folder = self.folders.entry(folder.to_owned()).or_default();
                match event.by {
                    None => folder.came += 1,
                    Some(_) => folder.moved_in += 1,
                }
                folder.came_in_week += usize::from(in_week);
            }
            if let Some(was) = event.was {
                let folder = self.folders.entry(was.to_owned()).or_default();
                folder.left += 1;
                folder.left_in_week += usize::from(in_week);
            }
        }
        if let (Some(ms), true) = (event.ms, ENDS.contains(&event.word)) {
            self.times.push(ms as f32);
        }
        if let Some(category) = event.category {
            let key = (category.to_owned(), event.word.to_owned());
            *self.categories.entry(key).or_default() += 1;
        }
        if ENDS.contains(&event.word) {
            self.count_end(event);
        }
        if let Some(rule) = event.rule {
            self.count_rule(time, event.id, rule);
        }
    }

    /// Counts a message that was finished.
    fn count_end(&mut self, event: LogEvent<'_>) {
        let day = event.time.to_zoned(jiff::tz::TimeZone::system()).date();
        let place = event.folder.unwrap_or(event.word);
        *self.days.entry(day).or_default().entry(place.to_owned()).or_default() += 1;
        if let (Some(text), "refused" | "deferred") = (event.text, event.word) {
            let reason = (event.word.to_owned(), text.to_owned());
            *self.reasons.entry(reason).or_default() += 1;
        }
        if let Some(sender) = event.sender {
            let domain = sender.rsplit_once('@').map_or(sender, |(_, domain)| domain);
            let domain = if domain.is_empty() { "(null sender)" } else { domain };
            *self.senders.entry(domain.to_lowercase()).or_default() += 1;
        }
    }

    /// A rule counts once for a message, however many lines it has.
    fn count_rule(&mut self, time: Timestamp, id: &str, rule: RuleName<'_>) {
        let name = rule.text.or(rule.label).unwrap_or(rule.place).to_owned();
        let (known_time, known_id, counted) = &mut self.current;
        if (*known_time, known_id.as_str()) != (time, id) {
            (*known_time, *known_id) = (time, id.to_owned());
            counted.clear();
        }
        let known = self.rules.entry(name.clone()).or_default();
        if counted.insert(name) {
            known.messages += 1;
        }
        if time >= known.last {
            known.last = time;
            known.place = rule.place.to_owned();
            known.label = rule.label.map(str::to_owned);
        }
    }

    /// Whether a rule is in the log, by its text or label.
    pub fn fired(&self, text: &str, label: Option<&str>) -> bool {
        self.rules.contains_key(text)
            || label.is_some_and(|label| {
                self.rules.values().any(|rule| rule.label.as_deref() == Some(label))
            })
    }

    /// All days, including those without mail in between.
    fn all_days(&self) -> Vec<DayCount> {
        /// The most days: a clock that was wrong by years must not add thousands of them.
        const MOST: usize = 4000;
        let known = self.days.first_key_value().zip(self.days.last_key_value());
        let Some(((first, _), (last, _))) = known else { return Vec::new() };
        let days = first.series(jiff::Span::new().days(1)).take_while(|day| day <= last);
        let count = |day: jiff::civil::Date| {
            let places = self.days.get(&day).cloned().unwrap_or_default();
            DayCount { day: day.to_string(), messages: places.values().sum(), places }
        };
        match days.clone().nth(MOST) {
            Some(_) => self.days.keys().map(|day| count(*day)).collect(),
            None => days.map(count).collect(),
        }
    }

    /// The report. `damaged` is the number of lines that could not be read.
    pub fn report(&self, never_fired: Vec<UnusedRule>, damaged: usize) -> StatsReport {
        let mut rules: Vec<RuleCount> = self
            .rules
            .iter()
            .map(|(name, rule)| RuleCount {
                messages: rule.messages,
                place: rule.place.clone(),
                label: rule.label.clone(),
                text: (*name != rule.place && rule.label.as_ref() != Some(name))
                    .then(|| name.clone()),
                last: rule.last.to_string(),
            })
            .collect();
        rules.sort_by(|a, b| (Reverse(a.messages), &a.place).cmp(&(Reverse(b.messages), &b.place)));
        let days = self.since.map_or(0.0, |since| {
            (self.now.as_second().saturating_sub(since.as_second())).max(0) as f64 / 86_400.0
        });
        let mut folders: Vec<FolderCount> = self
            .folders
            .iter()
            .map(|(name, folder)| FolderCount {
                folder: name.clone(),
                came: folder.came,
                moved_in: folder.moved_in,
                left: folder.left,
                grew_in_week: folder.came_in_week as i64 - folder.left_in_week as i64,
                per_day: (folder.came as f64 / days.max(1.0) * 10.0).round() / 10.0,
            })
            .collect();
        folders.sort_by_key(|folder| (Reverse(folder.grew_in_week), Reverse(folder.came)));
        let mut times = self.times.clone();
        times.sort_by(f32::total_cmp);
        let text = |time: Option<Timestamp>| time.map(|time| time.to_string());
        StatsReport {
            since: text(self.since),
            until: text(self.until),
            words: self.words.clone(),
            folders,
            rules,
            never_fired,
            days: self.all_days(),
            reasons: counts(&self.reasons),
            provider: counts(&self.categories),
            senders: most(&self.senders),
            median_ms: times.get(times.len() / 2).copied(),
            slowest_ms: times.last().copied(),
            damaged,
        }
    }
}

/// Counts of pairs, largest first.
fn counts(of: &BTreeMap<(String, String), usize>) -> Vec<PairCount> {
    let each = of.iter().map(|((of, what), messages)| PairCount {
        of: of.clone(),
        what: what.clone(),
        messages: *messages,
    });
    let mut counts: Vec<PairCount> = each.collect();
    counts.sort_by_key(|count| Reverse(count.messages));
    counts
}

/// The senders with the most messages.
fn most(senders: &BTreeMap<String, usize>) -> Vec<SenderCount> {
    const SHOWN: usize = 25;
    let counts = senders
        .iter()
        .map(|(domain, messages)| SenderCount { domain: domain.clone(), messages: *messages });
    let mut most: Vec<SenderCount> = counts.collect();
    most.sort_by_key(|count| Reverse(count.messages));
    most.truncate(SHOWN);
    most
}

/// What is shown.
#[derive(Debug, Serialize)]
pub struct StatsReport {
    pub(super) since: Option<String>,
    pub(super) until: Option<String>,
    /// Lines by their word.
    pub(super) words: BTreeMap<String, usize>,
    pub(super) folders: Vec<FolderCount>,
    pub(super) rules: Vec<RuleCount>,
    pub(super) never_fired: Vec<UnusedRule>,
    pub(super) days: Vec<DayCount>,
    /// Refused and deferred messages, by word and text.
    pub(super) reasons: Vec<PairCount>,
    /// What site rules did, by category and word.
    pub(super) provider: Vec<PairCount>,
    /// Domains of envelope senders, those with the most messages.
    pub(super) senders: Vec<SenderCount>,
    pub(super) median_ms: Option<f32>,
    pub(super) slowest_ms: Option<f32>,
    pub(super) damaged: usize,
}

#[derive(Debug, Serialize)]
pub(super) struct FolderCount {
    pub(super) folder: String,
    /// New mail.
    pub(super) came: usize,
    /// Mail that commands have moved there, or back.
    pub(super) moved_in: usize,
    pub(super) left: usize,
    /// The messages that were added minus those that left, in the last seven days.
    pub(super) grew_in_week: i64,
    pub(super) per_day: f64,
}

#[derive(Debug, Serialize)]
pub(super) struct RuleCount {
    pub(super) messages: usize,
    /// Where it was when it fired last.
    pub(super) place: String,
    pub(super) label: Option<String>,
    /// Null if that version of the rules is not known.
    pub(super) text: Option<String>,
    pub(super) last: String,
}

/// A rule that never fired.
#[derive(Debug, Serialize)]
pub struct UnusedRule {
    /// `file:line`
    pub place: String,
    /// `rule "label"`
    pub label: Option<String>,
    /// Its text.
    pub text: String,
}

/// One day's messages.
#[derive(Debug, Serialize)]
pub(super) struct DayCount {
    /// In the system's time zone, `2026-11-27`.
    pub(super) day: String,
    pub(super) messages: usize,
    /// By folder, or by how else they ended.
    pub(super) places: BTreeMap<String, usize>,
}

#[derive(Debug, Serialize)]
pub(super) struct PairCount {
    pub(super) of: String,
    pub(super) what: String,
    pub(super) messages: usize,
}

#[derive(Debug, Serialize)]
pub(super) struct SenderCount {
    pub(super) domain: String,
    pub(super) messages: usize,
}

impl StatsReport {
    /// The report as JSON, on one line.
    pub fn json(&self) -> String {
        json_line(self) + "\n"
    }
}

/// What is said about lines of the log that could not be read.
pub fn damaged_lines(number: usize) -> String {
    match number {
        1 => "1 damaged log line was skipped".into(),
        _ => format!("{number} damaged log lines were skipped"),
    }
}
