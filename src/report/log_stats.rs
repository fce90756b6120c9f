//! What the rules did, according to the log: counts by rule and folder, which rules never
//! fire, which folders grow.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use jiff::Timestamp;
use serde::Serialize;

use super::{escape, padded_before};
use crate::language::Language;
use crate::text::json_line;
use crate::translation::translated;

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

/// How many days have a bar on a terminal.
const DAYS_SHOWN: usize = 14;

/// How bars are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BarStyle {
    /// The length of the longest bar, columns.
    pub width: usize,
    /// Whether to draw partial blocks, or `#` where the terminal does not support them.
    pub blocks: bool,
}

impl BarStyle {
    /// A bar, padded to the length of the longest, with two blanks before it.
    fn bar(self, part: usize, most: usize) -> String {
        let full = if self.blocks { '█' } else { '#' };
        let eighths = (self.width * 8 * part).checked_div(most).unwrap_or(0);
        // More than zero always shows.
        let eighths = if part > 0 { eighths.max(1) } else { 0 };
        let mut bar: String = std::iter::repeat_n(full, eighths / 8).collect();
        let rest = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"].get(eighths % 8).copied();
        match self.blocks {
            true => bar.push_str(rest.unwrap_or_default()),
            false if bar.is_empty() && part > 0 => bar.push(full),
            false => {}
        }
        let missing = self.width.saturating_sub(bar.chars().count());
        format!("  {bar}{}", " ".repeat(missing))
    }
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
    let each = senders
        .iter()
        .map(|(domain, messages)| SenderCount { domain: domain.clone(), messages: *messages });
    let mut most: Vec<SenderCount> = each.collect();
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
    slowest_ms: Option<f32>,
    damaged: usize,
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

    /// The report for people; on a terminal, with bars, and on a narrow one with fewer
    /// columns.
    pub fn text(
        &self,
        bars: Option<BarStyle>,
        terminal: Option<usize>,
        language: Language,
    ) -> String {
        let say = |text: &str| translated(text, language).into_owned();
        let mut out = String::new();
        let period = match (&self.since, &self.until) {
            (Some(since), Some(until)) => {
                let [since, until] = [since, until].map(|time| without_fraction(time));
                say(&format!("the log from {since} to {until}"))
            }
            _ => say("the log is empty"),
        };
        let _ = writeln!(out, "{period}");
        for (word, number) in &self.words {
            let _ = writeln!(out, "{number:>7} {}", escape(&say(word)));
        }
        if let Some(bars) = bars {
            self.days_text(&mut out, bars, language);
        }
        let bar = |part: usize, most: usize| match bars {
            Some(bars) => bars.bar(part, most),
            None => String::new(),
        };
        self.folders_text(&mut out, &bar, terminal, language);
        self.rules_text(&mut out, &bar, language);
        if let (Some(median), Some(slowest)) = (self.median_ms, self.slowest_ms) {
            let times = format!("median time per message {median:.1} ms, slowest {slowest:.1} ms");
            let _ = writeln!(out, "\n{}", say(&times));
        }
        if self.damaged > 0 {
            let _ = writeln!(out, "\n{}", say(&damaged_lines(self.damaged)));
        }
        out
    }

    fn days_text(&self, out: &mut String, bars: BarStyle, language: Language) {
        let first = self.days.len().saturating_sub(DAYS_SHOWN);
        let days = self.days.get(first..).unwrap_or_default();
        let most = days.iter().map(|day| day.messages).max().unwrap_or(0);
        if most > 0 {
            let _ = writeln!(out, "\n{}", translated("messages by day", language));
        }
        for day in days {
            let bar = bars.bar(day.messages, most);
            let _ = writeln!(out, "  {}{bar}  {}", day.day, day.messages);
        }
    }

    fn folders_text(
        &self,
        out: &mut String,
        bar: &dyn Fn(usize, usize) -> String,
        terminal: Option<usize>,
        language: Language,
    ) {
        let is_narrow = terminal.is_some_and(|columns| columns < NARROW);
        let is_moved = self.folders.iter().any(|folder| folder.moved_in > 0);
        let shown = |column: &usize| match is_narrow {
            true => ON_NARROW.contains(column),
            false => is_moved || *column != MOVED_IN,
        };
        let say = |text: &str| translated(text, language).into_owned();
        let most = self.folders.iter().map(|folder| folder.came).max().unwrap_or(0);
        let head =
            [say("arrived"), say("moved in"), say("left"), say("last 7 days"), say("per day")];
        if !self.folders.is_empty() {
            let head = (0..head.len())
                .filter(shown)
                .map(|column| padded_before(&head[column], COLUMNS[column]));
            let _ = writeln!(out, "\n{}  {}", head.collect::<String>(), say("folder"));
        }
        for folder in &self.folders {
            let row = [
                folder.came.to_string(),
                folder.moved_in.to_string(),
                folder.left.to_string(),
                format!("{:+}", folder.grew_in_week),
                format!("{:.1}", folder.per_day),
            ];
            let row = (0..row.len())
                .filter(shown)
                .map(|column| padded_before(&row[column], COLUMNS[column]));
            let _ = writeln!(
                out,
                "{}{}  {}",
                row.collect::<String>(),
                bar(folder.came, most),
                escape(&folder.folder)
            );
        }
    }

    /// The rules that fired, and those that never did.
    fn rules_text(
        &self,
        out: &mut String,
        bar: &dyn Fn(usize, usize) -> String,
        language: Language,
    ) {
        let say = |text: &str| translated(text, language).into_owned();
        if !self.rules.is_empty() {
            let messages = padded_before(&say("messages"), 8);
            let _ = writeln!(out, "\n{messages}  {}", say("by rule"));
        }
        let most = self.rules.iter().map(|rule| rule.messages).max().unwrap_or(0);
        for rule in &self.rules {
            let place = escape(&rule.place);
            let label = rule.label.as_ref().map(|label| format!(" \"{}\"", escape(label)));
            let text = rule.text.as_deref().map(escape).unwrap_or_default();
            let line = format!(
                "{:>8}{}  {place}{}  {text}",
                rule.messages,
                bar(rule.messages, most),
                label.unwrap_or_default()
            );
            let _ = writeln!(out, "{}", line.trim_end());
        }
        if !self.never_fired.is_empty() {
            let _ = writeln!(out, "\n{}", say("rules that never fired in this period"));
        }
        for never in &self.never_fired {
            let _ = writeln!(out, "  {}  {}", escape(&never.place), escape(&never.text));
        }
    }
}

/// How wide the columns of the table of folders are.
const COLUMNS: [usize; 5] = [7, 10, 8, 13, 9];
/// The column that is shown only if it is not all zeros.
const MOVED_IN: usize = 1;
/// On a terminal with fewer columns than this, only two are shown.
const NARROW: usize = 60;
const ON_NARROW: [usize; 2] = [0, 3];

/// A time in UTC to the second.
fn without_fraction(time: &str) -> String {
    time.split_once('.').map_or_else(|| time.to_owned(), |(seconds, _)| format!("{seconds}Z"))
}

/// What is said about lines of the log that could not be read.
pub fn damaged_lines(number: usize) -> String {
    match number {
        1 => "1 damaged log line was skipped".into(),
        _ => format!("{number} damaged log lines were skipped"),
    }
}
