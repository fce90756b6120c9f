//! What the rules did, as text for a terminal.

use std::fmt::Write;

use super::log_stats::{StatsReport, damaged_lines};
use super::{escape, padded_before};
use crate::language::Language;
use crate::translation::translated;

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

impl StatsReport {
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
