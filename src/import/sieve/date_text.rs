//! `:originalzone`: dates in the zone of their writer, RFC 5260 §4.1, from the text of
//! the header (RFC 5322 §3.3), because that is what the writer's clock showed.

use super::compare::{MatchType, Matching, fitting};
use super::date_value::relation;
use super::regex::Relation;
use crate::import::ir::{Cond, Operand, Test, header};
use crate::message::date::MONTHS;

/// The parts of a date, each as a pattern.
#[derive(Clone)]
struct DateLayout {
    day: String,
    month: String,
    year: String,
    hour: String,
    minute: String,
    second: String,
    zone: String,
}

/// A part, and which of its values come before, at and after a key.
type DateStep = (fn(&mut DateLayout) -> &mut String, [String; 3]);

impl DateLayout {
    fn any() -> DateLayout {
        DateLayout {
            day: "[0-3]?[0-9]".into(),
            month: format!("(?:{})", MONTHS.join("|")),
            year: "[0-9]{4}".into(),
            hour: "[0-2][0-9]".into(),
            minute: "[0-5][0-9]".into(),
            second: "(?::[0-6][0-9])?".into(),
            zone: "[+-][0-9]{4}".into(),
        }
    }

    /// In a header like Received the date comes after the last `;`.
    fn pattern(&self) -> String {
        let DateLayout { day, month, year, hour, minute, second, zone } = self;
        format!(
            "(?:^|;) ?(?:[a-z]{{3}} ?, ?)?{day} {month} {year} {hour}:{minute}{second} {zone} ?(?:\\([^;]*\\) ?)?$"
        )
    }
}

/// A test on a part of the date in one of these headers.
pub(super) fn date_text(
    names: &[String],
    part: &str,
    how: Matching,
    keys: &[String],
) -> Result<Cond, String> {
    let mut layouts = Vec::new();
    match part {
        "day" => {
            layouts.push(DateLayout {
                day: days(&fitting(two(1, 31).into_iter(), how, keys)?),
                ..DateLayout::any()
            });
        }
        "month" => {
            let found = fitting(two(1, 12).into_iter(), how, keys)?;
            layouts.push(DateLayout { month: months(&found), ..DateLayout::any() });
        }
        "hour" => {
            let found = fitting(two(0, 23).into_iter(), how, keys)?;
            layouts.push(DateLayout { hour: one_of(&found), ..DateLayout::any() });
        }
        "minute" => {
            let found = fitting(two(0, 59).into_iter(), how, keys)?;
            layouts.push(DateLayout { minute: one_of(&found), ..DateLayout::any() });
        }
        "second" => {
            let found = fitting(two(0, 60).into_iter(), how, keys)?;
            layouts.push(DateLayout { second: seconds(&found), ..DateLayout::any() });
        }
        "year" => {
            let found = fitting((1900..2200).map(|year| year.to_string()), how, keys)?;
            layouts.push(DateLayout { year: one_of(&found), ..DateLayout::any() });
        }
        "zone" if how.kind == MatchType::Is => {
            for key in keys {
                if key.len() != 5 || !key.starts_with(['+', '-']) {
                    return Err(format!("`{key}` is not a time zone"));
                }
            }
            let keys: Vec<String> = keys.iter().map(|key| format!("\\{key}")).collect();
            layouts.push(DateLayout { zone: one_of(&keys), ..DateLayout::any() });
        }
        "date" | "time" => {
            let relation = relation(how)?;
            for key in keys {
                let steps = if part == "date" { date_steps(key) } else { time_steps(key) };
                let steps = steps.ok_or_else(|| format!("`{key}` is not a {part}"))?;
                layouts.extend(related(&steps, relation));
            }
        }
        other => {
            return Err(format!("the part `{other}` of a date in its own zone cannot be tested"));
        }
    }
    let fields: Vec<String> = names.iter().map(|name| header(name)).collect();
    // A set without a value matches nothing: `[]` would not be a pattern.
    let fits = |layout: &&DateLayout| !layout.pattern().contains(NOTHING);
    let patterns = layouts.iter().filter(fits).map(DateLayout::pattern);
    let values: Vec<Operand> = patterns.map(|pattern| Operand::Pattern(pattern, false)).collect();
    if values.is_empty() || fields.is_empty() {
        return Ok(Cond::Never);
    }
    Ok(Cond::Test(Test { fields, operator: "matches", values }))
}

/// Stands for no value at all.
const NOTHING: &str = "(?:)";

fn one_of(values: &[String]) -> String {
    format!("(?:{})", values.join("|"))
}

fn days(values: &[String]) -> String {
    let short = |day: &String| match day.strip_prefix('0') {
        Some(day) => format!("0?{day}"),
        None => day.clone(),
    };
    one_of(&values.iter().map(short).collect::<Vec<_>>())
}

fn months(values: &[String]) -> String {
    let name = |month: &String| {
        let number: usize = month.parse().ok()?;
        Some((*MONTHS.get(number.checked_sub(1)?)?).to_owned())
    };
    one_of(&values.iter().filter_map(name).collect::<Vec<_>>())
}

/// A time without seconds counts as the first second of its minute.
fn seconds(values: &[String]) -> String {
    if values.is_empty() {
        return NOTHING.into();
    }
    let maybe = if values.iter().any(|second| second == "00") { "?" } else { "" };
    format!("(?::{}){maybe}", one_of(values))
}

/// Values before, at and after a key.
fn split(values: Vec<String>, key: &str, show: fn(&[String]) -> String) -> [String; 3] {
    let of = |fits: fn(&String, &str) -> bool| {
        let found: Vec<String> = values.iter().filter(|value| fits(value, key)).cloned().collect();
        show(&found)
    };
    [
        of(|value, key| value.as_str() < key),
        of(|value, key| value == key),
        of(|value, key| value.as_str() > key),
    ]
}

fn two(from: u32, to: u32) -> Vec<String> {
    (from..=to).map(|number| format!("{number:02}")).collect()
}

fn date_steps(key: &str) -> Option<Vec<DateStep>> {
    let date = key.parse::<jiff::civil::Date>().ok().filter(|_| key.len() == 10)?;
    let (year, month, day) = (date.year(), date.month(), date.day());
    let years = (1900..2200).map(|year| year.to_string()).collect();
    Some(vec![
        (|layout| &mut layout.year, split(years, &year.to_string(), one_of)),
        (|layout| &mut layout.month, split(two(1, 12), &format!("{month:02}"), months)),
        (|layout| &mut layout.day, split(two(1, 31), &format!("{day:02}"), days)),
    ])
}

fn time_steps(key: &str) -> Option<Vec<DateStep>> {
    let time = key.parse::<jiff::civil::Time>().ok().filter(|_| key.len() == 8)?;
    let of = |number: i8| format!("{number:02}");
    Some(vec![
        (|layout| &mut layout.hour, split(two(0, 23), &of(time.hour()), one_of)),
        (|layout| &mut layout.minute, split(two(0, 59), &of(time.minute()), one_of)),
        (|layout| &mut layout.second, split(two(0, 60), &of(time.second()), seconds)),
    ])
}

/// The layouts in this relation to a key, compared part by part.
fn related(steps: &[DateStep], relation: Relation) -> Vec<DateLayout> {
    let (less, equal, greater) = relation.of_orders();
    let mut found = Vec::new();
    let mut same = DateLayout::any();
    for (slot, [before, at, after]) in steps {
        for (wanted, values) in [(less, before), (greater, after)] {
            if wanted {
                let mut layout = same.clone();
                slot(&mut layout).clone_from(values);
                found.push(layout);
            }
        }
        slot(&mut same).clone_from(at);
    }
    if equal {
        found.push(same);
    }
    found
}
