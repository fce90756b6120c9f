//! What the rules did, as one page for a browser: it fetches nothing, runs no script, and
//! works on a phone and in dark mode.

use std::fmt::Write;

use super::escape;
use super::log_stats::{DayCount, StatsReport};
use crate::language::Language;
use crate::translation::translated;

/// How many rows of a table are shown; the rest is only in `--json`.
const ROWS: usize = 200;
/// How many days have a column.
const DAYS: usize = 60;

const STYLE: &str = "\
:root{color-scheme:light dark;--page:#fff;--text:#1b1b1f;--soft:#5c5f66;--line:#e3e4e8;--bar:#3d6fd1}\
@media(prefers-color-scheme:dark){:root{--page:#17181c;--text:#e6e6ea;--soft:#9a9da6;--line:#2d2f36;--bar:#7aa2f7}}\
*{box-sizing:border-box}\
body{margin:0 auto;max-width:60rem;padding:1rem;background:var(--page);color:var(--text);\
font:16px/1.45 system-ui,sans-serif}\
h1{font-size:1.5rem;margin:.2rem 0}h2{font-size:1.15rem;margin:2rem 0 .6rem}\
p{color:var(--soft);margin:.3rem 0}\
table{width:100%;border-collapse:collapse;table-layout:fixed}\
td{padding:.35rem .5rem .35rem 0;border-top:1px solid var(--line);vertical-align:top;\
overflow-wrap:anywhere}\
td.n{width:4.5rem;text-align:right;font-variant-numeric:tabular-nums}\
td.b{width:30%}\
i{display:block;height:.8rem;margin-top:.35rem;background:var(--bar);border-radius:2px;min-width:2px}\
small{color:var(--soft);display:block}\
code{font:.85rem ui-monospace,monospace}\
.days{display:flex;align-items:flex-end;height:9rem;gap:2px;border-bottom:1px solid var(--line)}\
.days b{flex:1;min-width:2px;max-width:4rem;background:var(--bar);border-radius:2px 2px 0 0}\
.ends{display:flex;justify-content:space-between;color:var(--soft);font-size:.85rem}\
dl{display:grid;grid-template-columns:repeat(auto-fit,minmax(7rem,1fr));gap:.6rem;margin:1rem 0}\
dt{color:var(--soft);font-size:.85rem}dd{margin:0;font-size:1.4rem;font-variant-numeric:tabular-nums}\
@media(max-width:34rem){td.b{width:20%}body{padding:.8rem}}";

/// A row of a table: how many, of what, and a second line below.
type StatsRow = (usize, String, String);

impl StatsReport {
    /// The whole page.
    pub fn html(&self, language: Language) -> String {
        let say = |text| translated(text, language);
        let code = match language {
            Language::English => "en",
            Language::Japanese => "ja",
        };
        let mut out =
            format!("<!DOCTYPE html>\n<html lang=\"{code}\"><head><meta charset=\"utf-8\">");
        out.push_str("<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">");
        let title = say("mfilter: what the rules did");
        let _ = write!(out, "<title>{title}</title><style>{STYLE}</style></head>");
        let _ = write!(out, "<body><h1>{}</h1>", say("What the rules did"));
        let span = match (&self.since, &self.until) {
            (Some(since), Some(until)) => format!("The log from {} to {}.", day(since), day(until)),
            _ => "The log is empty.".into(),
        };
        let _ = write!(out, "<p>{}</p>", text(&say(&span)));
        self.numbers(language, &mut out);
        self.days(language, &mut out);
        let mut folders: Vec<_> = self.folders.iter().collect();
        folders.sort_by_key(|folder| std::cmp::Reverse(folder.came));
        let folders = folders.into_iter().map(|folder| {
            let (grew, daily) = (folder.grew_in_week, folder.per_day);
            let grew = format!("{grew:+} in 7 days, {daily:.1} per day");
            (folder.came, folder.folder.clone(), translated(&grew, language).into_owned())
        });
        table(&mut out, language, &say("Folders"), folders.collect());
        let rules = self.rules.iter().map(|rule| {
            let name = rule.label.clone().or_else(|| rule.text.clone());
            let below = if name.is_some() { rule.place.clone() } else { String::new() };
            (rule.messages, name.unwrap_or_else(|| rule.place.clone()), below)
        });
        table(&mut out, language, &say("Rules"), rules.collect());
        self.never(language, &mut out);
        // Of a reason and a category, only the word of the log is ours.
        let reasons = self.reasons.iter();
        let reasons = reasons
            .map(|count| (count.messages, count.what.clone(), say(&count.of).into_owned()))
            .collect();
        table(&mut out, language, &say("Refused and deferred, by reason"), reasons);
        let provider = self.provider.iter();
        let provider = provider
            .map(|count| (count.messages, say(&count.what).into_owned(), count.of.clone()))
            .collect();
        table(&mut out, language, &say("The provider's filter"), provider);
        let senders = self.senders.iter();
        let senders = senders.map(|sender| (sender.messages, sender.domain.clone(), String::new()));
        table(&mut out, language, &say("Senders and lists by volume"), senders.collect());
        out.push_str("</body></html>\n");
        out
    }

    fn numbers(&self, language: Language, out: &mut String) {
        let say = |text: &str| self::text(&translated(text, language));
        out.push_str("<dl>");
        for (word, number) in &self.words {
            let _ = write!(out, "<div><dt>{}</dt><dd>{number}</dd></div>", say(word));
        }
        if let Some(median) = self.median_ms {
            let name = say("median, ms");
            let _ = write!(out, "<div><dt>{name}</dt><dd>{median:.1}</dd></div>");
        }
        out.push_str("</dl>");
    }

    fn days(&self, language: Language, out: &mut String) {
        let say = |text: &str| self::text(&translated(text, language));
        let first = self.days.len().saturating_sub(DAYS);
        let days = self.days.get(first..).unwrap_or_default();
        let most = days.iter().map(|day| day.messages).max().unwrap_or(0).max(1);
        let (Some(from), Some(to)) = (days.first(), days.last()) else { return };
        let title = say("Messages by day");
        let _ =
            write!(out, "<h2>{title}</h2><div class=\"days\" role=\"img\" aria-label=\"{title}\">");
        for day in days {
            let height = day.messages * 100 / most;
            let least = usize::from(day.messages > 0);
            let _ = write!(
                out,
                "<b style=\"height:{}%\" title=\"{}\"></b>",
                height.max(least),
                text(&title_of(day))
            );
        }
        let _ = write!(
            out,
            "</div><div class=\"ends\"><span>{}</span><span>{}</span><span>{}</span></div>",
            text(&from.day),
            say(&format!("most: {most}")),
            text(&to.day)
        );
    }

    fn never(&self, language: Language, out: &mut String) {
        if self.never_fired.is_empty() {
            return;
        }
        let title = text(&translated("Rules that never fired", language));
        let _ = write!(out, "<h2>{title}</h2><table>");
        for never in self.never_fired.iter().take(ROWS) {
            let _ = write!(
                out,
                "<tr><td><code>{}</code><small>{}</small></td></tr>",
                text(&never.text),
                text(&never.place)
            );
        }
        out.push_str("</table>");
    }
}

/// A day and its folders, fullest first.
fn title_of(day: &DayCount) -> String {
    let mut places: Vec<_> = day.places.iter().collect();
    places.sort_by_key(|(_, messages)| std::cmp::Reverse(**messages));
    let places: Vec<String> =
        places.iter().take(5).map(|(place, messages)| format!("{place} {messages}")).collect();
    format!("{}: {} ({})", day.day, day.messages, places.join(", "))
}

fn table(out: &mut String, language: Language, heading: &str, rows: Vec<StatsRow>) {
    let most = rows.iter().map(|(number, ..)| *number).max().unwrap_or(0).max(1);
    if rows.is_empty() {
        return;
    }
    let _ = write!(out, "<h2>{heading}</h2><table>");
    for (number, name, below) in rows.iter().take(ROWS) {
        let width = number * 100 / most;
        let _ = write!(
            out,
            "<tr><td class=\"n\">{number}</td><td class=\"b\"><i style=\"width:{width}%\"></i></td><td>{}",
            text(name)
        );
        if !below.is_empty() {
            let _ = write!(out, "<small>{}</small>", text(below));
        }
        out.push_str("</td></tr>");
    }
    out.push_str("</table>");
    if rows.len() > ROWS {
        let more = format!("and {} more", rows.len() - ROWS);
        let _ = write!(out, "<p>{}</p>", text(&translated(&more, language)));
    }
}

/// The day of a point in time.
fn day(moment: &str) -> &str {
    moment.split('T').next().unwrap_or(moment)
}

/// Text that a browser shows as it is, whoever wrote it.
fn text(of: &str) -> String {
    let mut out = String::with_capacity(of.len());
    for c in escape(of).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}
