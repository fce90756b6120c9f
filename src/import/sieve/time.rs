//! `date` and `currentdate`, RFC 5260. Most parts of a date have few values: a test
//! on one is the set of values that fit it, whatever its match type.

use super::arguments::Arguments;
use super::compare::{Collation, MatchType, Matching, fitting, matching};
use super::context::Lowering;
use super::date_text::date_text;
use super::date_value::{DateMoment, relation, whole};
use super::instant::{day_by_instants, offset};
use super::occurrence::Occurrence;
use super::regex::Relation;
use crate::import::ir::Cond;

const DAYS: [&str; 7] =
    ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"];

/// Per key, which is compared with all values of a part.
const STEPS_PER_DATE: usize = 60;

/// Per key that is turned into patterns for dates as written.
const STEPS_PER_LAYOUT: usize = 2000;

impl Lowering<'_> {
    pub(super) fn date_test(
        &mut self,
        arguments: &Arguments<'_>,
        current: bool,
        captures: bool,
    ) -> Result<Cond, String> {
        let more: &[&str] = match current {
            true => &["zone"],
            false => &["zone", "originalzone", "index", "last"],
        };
        let how = matching(arguments, more)?;
        let mut at = 0;
        let mut field = "now";
        if !current {
            let names = self.constants(arguments.strings(0)?)?;
            self.as_it_came(&names)?;
            let occurrence = Occurrence::of(arguments)?;
            let is = |header: &str| matches!(names.as_slice(), [name] if name.eq_ignore_ascii_case(header));
            // Of several dates, ours is the topmost.
            let topmost = occurrence == Occurrence::First && !arguments.has("originalzone");
            if topmost && is("received") {
                self.approximately("what the topmost Received line tells is taken to be now");
            } else {
                field = "date";
                let any = occurrence == Occurrence::Any || topmost && is("date");
                if !any && !self.stand_once(&names) {
                    return Occurrence::unsayable();
                }
            }
            if arguments.has("originalzone") {
                if captures {
                    return Err("a part of a date is taken apart".into());
                }
                let part = arguments.string(1)?.to_ascii_lowercase();
                let keys = self.constants(arguments.strings(2)?)?;
                self.spend(keys.len() * STEPS_PER_LAYOUT)?;
                return date_text(&names, &part, how, &keys);
            }
            if field == "date" && !names.iter().all(|name| name.eq_ignore_ascii_case("date")) {
                return Err("of dates in headers only that of Date can be tested".into());
            }
            at = 1;
        }
        let part = arguments.string(at)?.to_ascii_lowercase();
        let keys = self.constants(arguments.strings(at + 1)?)?;
        self.spend(keys.len() * STEPS_PER_DATE)?;
        let zone = arguments.text("zone");
        let moment = DateMoment { field, zone: zone.map(offset).transpose()? };
        if captures
            && how.kind == MatchType::Matches
            && matches!(keys.as_slice(), [key] if key == "*")
        {
            self.captured_date = Some(moment.template(&part)?.into());
            return Ok(moment.exists());
        }
        if !captures {
            // Fields are easier to read.
            let said = match (&moment.zone, zone) {
                (Some(offset), Some(zone)) => {
                    self.in_zone(&moment, offset, zone, &part, how, &keys)
                }
                _ => self.by_fields(&moment, &part, how, &keys),
            };
            if let Ok(said) = said {
                return Ok(said);
            }
        }
        self.date_value_test(&moment, &part, how, &keys, captures)
    }

    /// A part in a named zone, by instants.
    fn in_zone(
        &mut self,
        moment: &DateMoment,
        offset: &str,
        zone: &str,
        part: &str,
        how: Matching,
        keys: &[String],
    ) -> Result<Cond, String> {
        let field = moment.field;
        match part {
            "iso8601" => self.instant_part(moment, how, keys),
            "date" => day_by_instants(field, offset, how, keys),
            "julian" => {
                let days = keys.iter().map(|key| julian(key)).collect::<Result<Vec<_>, _>>()?;
                let how = Matching { collation: Collation::Casemap, ..how };
                day_by_instants(field, offset, how, &days)
            }
            "zone" => {
                let held = self.known_text(&[zone.to_owned()], how, keys)?;
                Ok(Cond::all([moment.exists(), held]))
            }
            other => Err(format!("no field has the part `{other}` of a date in a zone")),
        }
    }

    /// A part in the zone of all rules, by the fields for it.
    fn by_fields(
        &mut self,
        moment: &DateMoment,
        part: &str,
        how: Matching,
        keys: &[String],
    ) -> Result<Cond, String> {
        // Of a date as a number, only the year counts.
        let by_year = how.collation == Collation::Numeric && matches!(part, "date" | "iso8601");
        if by_year {
            let digits = |key: &String| key.chars().take_while(char::is_ascii_digit).collect();
            let how = Matching { collation: Collation::Casemap, ..how };
            return year_part(moment, how, &keys.iter().map(digits).collect::<Vec<_>>());
        }
        let field = moment.field;
        let (time, weekday) = match field {
            "now" => ("time", "weekday"),
            _ => ("date.time", "date.weekday"),
        };
        match part {
            "iso8601" => self.instant_part(moment, how, keys),
            "julian" => {
                let days = keys.iter().map(|key| julian(key)).collect::<Result<Vec<_>, _>>()?;
                date_part(moment, Matching { collation: Collation::Casemap, ..how }, &days)
            }
            "date" => date_part(moment, how, keys),
            "year" => year_part(moment, how, keys),
            "time" => Ok(moment.there(time_part(time, how, keys)?)),
            "weekday" => {
                let days = fitting((0..7).map(|day| day.to_string()), how, keys)?;
                let names = days.iter().filter_map(|day| DAYS.get(day.parse::<usize>().ok()?));
                let test = || Cond::texts(weekday, "is", names.copied());
                Ok(moment.there(whole(days.len(), 7, test)))
            }
            "hour" => {
                let hours = fitting((0..24).map(|hour| format!("{hour:02}")), how, keys)?;
                Ok(moment.there(hour_ranges(time, &hours)))
            }
            other => Err(format!("no field has the part `{other}` of a date")),
        }
    }
}

fn time_part(field: &str, how: Matching, keys: &[String]) -> Result<Cond, String> {
    let mut tests = Vec::new();
    let relation = relation(how)?;
    for key in keys {
        let mut numbers = key.split(':');
        let mut next = || match numbers.next() {
            Some(text) if text.len() == 2 => text.parse::<u32>().map(Some).map_err(|_| ()),
            Some(_) => Err(()),
            None => Ok(None),
        };
        let parts = (next(), next(), next());
        let (Ok(Some(hour)), Ok(Some(minute)), Ok(second)) = parts else {
            return Err(format!("`{key}` is not a time of day"));
        };
        if hour > 23 || minute > 59 || second.is_some_and(|second| second > 59) {
            return Err(format!("`{key}` is not a time of day"));
        }
        // `17:00` comes before `17:00:00`.
        let operator = match (relation, second) {
            (Relation::GreaterOrEqual, None | Some(0)) | (Relation::Greater, None) => ">=",
            (Relation::Less, None | Some(0)) | (Relation::LessOrEqual, None) => "<",
            (Relation::Greater, Some(59)) => ">",
            (Relation::LessOrEqual, Some(59)) => "<=",
            _ => return Err("a time of day to the second".into()),
        };
        let test = match (operator, hour, minute) {
            (">=", 0, 0) => Cond::Always,
            ("<", 0, 0) => Cond::Never,
            (">", 23, 59) => Cond::Never,
            _ => Cond::plain(field, operator, format!("{hour:02}:{minute:02}")),
        };
        tests.push(test);
    }
    Ok(Cond::any(tests))
}

/// Hours as ranges of times.
fn hour_ranges(field: &str, hours: &[String]) -> Cond {
    let hours: Vec<u32> = hours.iter().filter_map(|hour| hour.parse().ok()).collect();
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    for hour in &hours {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == *hour => *last = *hour,
            _ => ranges.push((*hour, *hour)),
        }
    }
    whole(hours.len(), 24, || match ranges.as_slice() {
        [(0, last)] => Cond::plain(field, "<", format!("{:02}:00", last + 1)),
        [(first, 23)] => Cond::plain(field, ">=", format!("{first:02}:00")),
        ranges => {
            let written = ranges.iter().map(|(from, to)| format!("{from:02}:00..{to:02}:59"));
            let written = written.collect::<Vec<_>>().join(", ");
            let one = ranges.len() == 1;
            Cond::plain(field, "in", if one { written } else { format!("[{written}]") })
        }
    })
}

/// A Modified Julian Day, RFC 5260 §4.2, as a date.
fn julian(key: &str) -> Result<String, String> {
    let days: i64 = key.parse().map_err(|_| format!("`{key}` is not a day"))?;
    let first = jiff::civil::date(1858, 11, 17);
    let day = first.checked_add(jiff::SignedDuration::from_hours(24 * days.clamp(0, 1_000_000)));
    day.map(|day| day.to_string()).map_err(|_| format!("`{key}` is not a day"))
}

fn date_part(moment: &DateMoment, how: Matching, keys: &[String]) -> Result<Cond, String> {
    let field = moment.field;
    let relation = relation(how)?;
    let mut tests = Vec::new();
    for key in keys {
        if key.parse::<jiff::civil::Date>().is_err() || key.len() != 10 {
            return Err(format!("`{key}` is not a date"));
        }
        tests.push(match relation {
            Relation::NotEqual => {
                Cond::all([moment.exists(), Cond::not(Cond::plain(field, "=", key.clone()))])
            }
            Relation::Equal => Cond::plain(field, "=", key.clone()),
            Relation::Greater => Cond::plain(field, ">", key.clone()),
            Relation::GreaterOrEqual => Cond::plain(field, ">=", key.clone()),
            Relation::Less => Cond::plain(field, "<", key.clone()),
            Relation::LessOrEqual => Cond::plain(field, "<=", key.clone()),
        });
    }
    Ok(Cond::any(tests))
}

fn year_part(moment: &DateMoment, how: Matching, keys: &[String]) -> Result<Cond, String> {
    let field = moment.field;
    // Numbers of four digits are in one order as texts and as numbers.
    let relation = match how.kind {
        MatchType::Value(relation) => relation,
        MatchType::Is => Relation::Equal,
        _ => return Err("a year is compared as a text".into()),
    };
    let mut tests = Vec::new();
    for key in keys {
        if key.len() != 4 || !key.bytes().all(|byte| byte.is_ascii_digit()) || key.as_str() < "1900"
        {
            return Err(format!("`{key}` is not a year"));
        }
        let within = Cond::plain(field, "in", format!("{key}-01-01..{key}-12-31"));
        tests.push(match relation {
            Relation::Equal => within,
            Relation::NotEqual => Cond::all([moment.exists(), Cond::not(within)]),
            Relation::Greater => Cond::plain(field, ">", format!("{key}-12-31")),
            Relation::GreaterOrEqual => Cond::plain(field, ">=", format!("{key}-01-01")),
            Relation::Less => Cond::plain(field, "<", format!("{key}-01-01")),
            Relation::LessOrEqual => Cond::plain(field, "<=", format!("{key}-12-31")),
        });
    }
    Ok(Cond::any(tests))
}
