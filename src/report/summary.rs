//! Statistics of many messages: how many each folder gets, which rules never fired,
//! what was slow.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;
use std::time::Duration;

use serde::Serialize;

use super::{ReportStyle, destination, file_name, one_line, other_file};
use crate::evaluate::Evaluation;
use crate::rules::listing::{RuleEntry, never_fired};
use crate::source::{Sources, Span};
use crate::text::{escape, json_line};

/// How many of the slowest rules are shown.
const SLOWEST: usize = 5;
/// A total time below this is not worth reporting unless asked for.
const SLOW: Duration = Duration::from_secs(1);

/// What became of messages.
#[derive(Debug, Default)]
pub struct Summary {
    /// How many messages were judged.
    pub messages: usize,
    /// How many messages could not be read.
    pub unread: usize,
    destinations: BTreeMap<String, usize>,
    rules: HashMap<Span, RuleSummary>,
    /// The slowest messages, in no particular order.
    slow: Vec<(Duration, String)>,
    time: Duration,
    /// How many messages would move, by folder of origin and target, if that was asked
    /// for.
    pub moves: Option<BTreeMap<(String, String), usize>>,
}

#[derive(Debug, Default, Clone, Copy)]
struct RuleSummary {
    evaluated: usize,
    fired: usize,
    duration: Duration,
}

impl Summary {
    /// Counts a message, which took `duration` to open and judge.
    pub fn add(&mut self, label: &str, evaluation: &Evaluation, duration: Duration) {
        self.messages += 1;
        self.time += duration;
        *self.destinations.entry(destination(&evaluation.plan)).or_default() += 1;
        for tally in &evaluation.trace.tallies {
            let rule = self.rules.entry(tally.span).or_default();
            rule.evaluated += 1;
            rule.fired += usize::from(tally.fired);
            rule.duration += tally.duration;
        }
        let fastest = self.slow.iter().map(|(duration, _)| *duration).min();
        if self.slow.len() < SLOWEST || fastest.is_some_and(|fastest| duration > fastest) {
            self.slow.push((duration, label.to_owned()));
            self.cut();
        }
    }

    /// Counts a message, and its move if it has one.
    pub fn add_move(&mut self, moves: Option<(String, String)>) {
        let known = self.moves.get_or_insert_default();
        if let Some(from_to) = moves {
            *known.entry(from_to).or_default() += 1;
        }
    }

    fn cut(&mut self) {
        self.slow.sort_by_key(|(duration, _)| Reverse(*duration));
        self.slow.truncate(SLOWEST);
    }

    /// Adds what another thread has counted.
    pub fn merge(&mut self, other: Summary) {
        self.messages += other.messages;
        self.unread += other.unread;
        self.time += other.time;
        for (folder, number) in other.destinations {
            *self.destinations.entry(folder).or_default() += number;
        }
        for (span, rule) in other.rules {
            let known = self.rules.entry(span).or_default();
            known.evaluated += rule.evaluated;
            known.fired += rule.fired;
            known.duration += rule.duration;
        }
        self.slow.extend(other.slow);
        self.cut();
        if let Some(moves) = other.moves {
            let known = self.moves.get_or_insert_default();
            for (from_to, number) in moves {
                *known.entry(from_to).or_default() += number;
            }
        }
    }

    /// How many would move.
    pub fn moved(&self) -> usize {
        self.moves.iter().flat_map(BTreeMap::values).sum()
    }

    fn fired(&self, span: Span) -> bool {
        self.rules.get(&span).is_some_and(|rule| rule.fired > 0)
    }

    /// Destinations and their counts, largest first.
    fn destinations(&self) -> Vec<(&str, usize)> {
        let mut rows: Vec<_> =
            self.destinations.iter().map(|(to, number)| (to.as_str(), *number)).collect();
        rows.sort_by_key(|(to, number)| (Reverse(*number), *to));
        rows
    }

    fn moves(&self) -> Vec<(&str, &str, usize)> {
        let moves = self.moves.iter().flatten();
        let mut rows: Vec<_> =
            moves.map(|((from, to), number)| (from.as_str(), to.as_str(), *number)).collect();
        rows.sort_by_key(|(from, to, number)| (Reverse(*number), *from, *to));
        rows
    }

    /// The rules that took most time, with the total time of each.
    fn slow_rules(&self) -> Vec<(Span, RuleSummary)> {
        let mut rows: Vec<_> = self.rules.iter().map(|(span, rule)| (*span, *rule)).collect();
        rows.sort_by_key(|(span, rule)| (Reverse(rule.duration), span.file, span.start));
        rows.retain(|(_, rule)| !rule.duration.is_zero());
        rows.truncate(SLOWEST);
        rows
    }

    /// The tables for people. What was slow is reported if `style` is verbose, or if it
    /// took a second or more.
    pub fn text(&self, rules: &[RuleEntry], sources: &Sources, style: ReportStyle) -> String {
        let say = |text: &str| style.say(text).into_owned();
        let mut out = format!("\n{:>7} {}\n", self.messages, say("messages"));
        for (folder, number) in self.destinations() {
            let _ = writeln!(out, "{number:>7} {}", escape(folder));
        }
        self.unread_text(&mut out, style);
        let place = |span: Span| {
            let line = sources.line(span);
            let text = escape(&one_line(sources.text(span)));
            format!("{}{line:>4}  {text}", other_file(span, sources))
        };
        let never = never_fired(rules, &|rule| self.fired(rule.span));
        if !never.is_empty() {
            let _ = writeln!(out, "\n{}", say("rules that never fired"));
        }
        for rule in never {
            let _ = writeln!(out, "  {}", place(rule.span));
        }
        if style.verbose || self.time >= SLOW {
            let _ = writeln!(out, "\n{}", say(&format!("slowest, of {} ms in all", ms(self.time))));
            for (span, rule) in self.slow_rules() {
                let times = match rule.evaluated {
                    1 => say("once"),
                    many => say(&format!("{many} times")),
                };
                let _ = writeln!(out, "{:>9} ms {} ({times})", ms(rule.duration), place(span));
            }
            for (duration, label) in &self.slow {
                let _ = writeln!(out, "{:>9} ms {}", ms(*duration), escape(label));
            }
        }
        out
    }

    fn unread_text(&self, out: &mut String, style: ReportStyle) {
        if self.unread > 0 {
            let _ = writeln!(out, "\n{:>7} {}", self.unread, style.say("could not be read"));
        }
    }

    /// The table of `--diff`, or of `--misplaced`.
    pub fn moves_text(&self, is_diff: bool, style: ReportStyle) -> String {
        let what = match (is_diff, self.messages) {
            (true, 1) => "of 1 message would be handled differently".to_owned(),
            (true, all) => format!("of {all} messages would be handled differently"),
            (false, 1) => "of 1 message is in another folder".to_owned(),
            (false, all) => format!("of {all} messages are in another folder"),
        };
        let mut out = format!("\n{:>7} {}\n", self.moved(), style.say(&what));
        for (from, to, number) in self.moves() {
            let _ = writeln!(out, "{number:>7} {} -> {}", escape(from), escape(to));
        }
        self.unread_text(&mut out, style);
        out
    }

    /// The same as `--json` shows it, on one line.
    pub fn json(&self, rules: &[RuleEntry], sources: &Sources) -> String {
        let place = |span: Span, label: Option<&String>| RulePlace {
            file: file_name(span, sources),
            line: sources.line(span),
            label: label.cloned(),
            text: one_line(sources.text(span)),
        };
        let listed = |span: Span| rules.iter().find(|rule| rule.span == span);
        let never = never_fired(rules, &|rule| self.fired(rule.span)).into_iter();
        let moves = self.moves().into_iter();
        let report = SummaryReport {
            summary: SummaryTables {
                messages: self.messages,
                unread: self.unread,
                went: self
                    .destinations()
                    .into_iter()
                    .map(|(to, messages)| DestinationCount { to, messages })
                    .collect(),
                moved: self.moves.is_some().then(|| {
                    moves.map(|(from, to, messages)| MoveCount { from, to, messages }).collect()
                }),
                never_fired: never.map(|rule| place(rule.span, rule.label.as_ref())).collect(),
                ms: millis(self.time),
                slow_rules: self
                    .slow_rules()
                    .into_iter()
                    .map(|(span, rule)| SlowRule {
                        ms: millis(rule.duration),
                        looked: rule.evaluated,
                        held: rule.fired,
                        rule: place(span, listed(span).and_then(|rule| rule.label.as_ref())),
                    })
                    .collect(),
                slow_messages: self
                    .slow
                    .iter()
                    .map(|(duration, message)| SlowMessage { ms: millis(*duration), message })
                    .collect(),
            },
        };
        json_line(&report)
    }
}

fn ms(time: Duration) -> String {
    format!("{:.1}", time.as_secs_f64() * 1000.0)
}

fn millis(time: Duration) -> f64 {
    (time.as_secs_f64() * 1_000_000.0).round() / 1000.0
}

#[derive(Serialize)]
struct SummaryReport<'a> {
    summary: SummaryTables<'a>,
}

#[derive(Serialize)]
struct SummaryTables<'a> {
    messages: usize,
    unread: usize,
    went: Vec<DestinationCount<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    moved: Option<Vec<MoveCount<'a>>>,
    never_fired: Vec<RulePlace>,
    ms: f64,
    slow_rules: Vec<SlowRule>,
    slow_messages: Vec<SlowMessage<'a>>,
}

#[derive(Serialize)]
struct DestinationCount<'a> {
    to: &'a str,
    messages: usize,
}

#[derive(Serialize)]
struct MoveCount<'a> {
    from: &'a str,
    to: &'a str,
    messages: usize,
}

#[derive(Serialize)]
struct RulePlace {
    file: String,
    line: u32,
    label: Option<String>,
    text: String,
}

#[derive(Serialize)]
struct SlowRule {
    ms: f64,
    looked: usize,
    held: usize,
    rule: RulePlace,
}

#[derive(Serialize)]
struct SlowMessage<'a> {
    ms: f64,
    message: &'a str,
}
