//! Dates as instants: `iso8601`, and days in a zone of their own.

use super::compare::{Collation, Matching};
use super::context::Lowering;
use super::date_value::{DateMoment, exists, has_shape, order_pattern, relation};
use super::regex::Relation;
use crate::import::ir::{Cond, Operand, Test};

/// The clock of `iso8601`, RFC 5260 §4.2: the zone comes after it.
const CLOCK: &str = "0000-00-00T00:00:00";

impl Lowering<'_> {
    /// `iso8601`, which is compared as a text. Texts of one clock are in the order of
    /// time; within the same second, what comes after the clock decides. So `10:00:30`
    /// comes before everything that begins with it, and `10:00:30Z` after every zone
    /// except UTC, which is equal to it.
    pub(super) fn instant_part(
        &mut self,
        moment: &DateMoment,
        how: Matching,
        keys: &[String],
    ) -> Result<Cond, String> {
        let relation = relation(how)?;
        let (less, _, greater) = relation.of_orders();
        if less == greater {
            return Err("a moment to the second".into());
        }
        let offset = moment.zone.as_deref().unwrap_or_default();
        let mut tests = Vec::new();
        for key in keys {
            let folded = match how.collation {
                Collation::Octet => key.clone(),
                _ => key.to_ascii_uppercase(),
            };
            let clock = folded.get(..CLOCK.len()).filter(|clock| has_shape(clock, CLOCK));
            let read = clock.and_then(|clock| clock.parse::<jiff::civil::DateTime>().ok());
            // A leap second is read as the one before it.
            let read = read.filter(|_| clock.is_some_and(|clock| !clock.ends_with("60")));
            let (Some(clock), Some(clock_zone)) = (read, folded.get(CLOCK.len()..)) else {
                return Err(format!("`{key}` is not a moment"));
            };
            let in_same_second = match moment.zone.as_deref() {
                Some(zone) if relation.holds(zone.cmp(clock_zone)) => Cond::Always,
                Some(_) => Cond::Never,
                None => self.zone_order(moment, clock_zone, relation)?,
            };
            let instant = instant(clock, offset);
            let (before, to) = if greater { (">", ">=") } else { ("<", "<=") };
            let test = |operator| Cond::plain(moment.field, operator, instant.clone());
            tests.push(match in_same_second {
                Cond::Always => test(to),
                Cond::Never => test(before),
                in_zone => Cond::any([test(before), Cond::all([test(to), in_zone])]),
            });
        }
        Ok(Cond::any(tests))
    }

    /// Whether the zone of all rules, as written after a clock, is in this relation to
    /// that of a key.
    fn zone_order(
        &mut self,
        moment: &DateMoment,
        key: &str,
        relation: Relation,
    ) -> Result<Cond, String> {
        let (_, equal, greater) = relation.of_orders();
        // Any zone is greater than none; and UTC is never written as `+00:00`, the first
        // of all zones.
        if key.is_empty() || key == "+00:00" {
            return Ok(Cond::certain(greater));
        }
        if key == "Z" && greater != equal {
            return Ok(Cond::certain(!greater));
        }
        let field = moment.field;
        let name = self.date_variable(field, "offset", format!("{{{field}:%:z}}"));
        let is_utc = Cond::texts(name.clone(), "is", ["+00:00"]);
        if key == "Z" {
            return Ok(if greater { is_utc } else { Cond::not(is_utc) });
        }
        // `+` comes before `-`, and both before `Z`.
        let (shape, other_sign) = match key.as_bytes().first() {
            Some(b'+') => ("+00:00", greater.then_some("^-")),
            _ => ("-00:00", (!greater).then_some("^\\+")),
        };
        let whole = Some(key).filter(|key| key.len() == shape.len());
        let Some(same_sign) = whole.and_then(|key| order_pattern(key, shape, relation)) else {
            return Err(format!("`{key}` is not a zone"));
        };
        let patterns = same_sign.into_iter().chain(other_sign.map(str::to_owned));
        let values: Vec<Operand> =
            patterns.map(|pattern| Operand::Pattern(pattern, false)).collect();
        let in_order = match values.is_empty() {
            true => Cond::Never,
            false => Cond::Test(Test { fields: vec![name], operator: "matches", values }),
        };
        Ok(match greater {
            true => Cond::any([is_utc, in_order]),
            false => Cond::all([Cond::not(is_utc), in_order]),
        })
    }
}

/// `+0900` as written after an instant.
pub(super) fn offset(zone: &str) -> Result<String, String> {
    let digits = zone.strip_prefix(['+', '-']).unwrap_or_default();
    let number = |part: Option<&str>, below: u32| {
        part.and_then(|part| part.parse::<u32>().ok()).is_some_and(|number| number < below)
    };
    let fits = digits.len() == 4
        && digits.bytes().all(|byte| byte.is_ascii_digit())
        && number(digits.get(..2), 24)
        && number(digits.get(2..), 60);
    match fits {
        true if digits == "0000" => Ok("Z".into()),
        true => Ok(format!("{}:{}", &zone[..3], &zone[3..])),
        false => Err(format!("`{zone}` is not a time zone")),
    }
}

fn instant(moment: jiff::civil::DateTime, offset: &str) -> String {
    let format = if moment.second() == 0 { "%Y-%m-%dT%H:%M" } else { "%Y-%m-%dT%H:%M:%S" };
    format!("{}{offset}", moment.strftime(format))
}

/// Days in a zone of their own, by the instants at which they begin.
pub(super) fn day_by_instants(
    field: &str,
    offset: &str,
    how: Matching,
    keys: &[String],
) -> Result<Cond, String> {
    let relation = relation(how)?;
    let mut tests = Vec::new();
    for key in keys {
        let day = key.parse::<jiff::civil::Date>().ok().filter(|_| key.len() == 10);
        let Some((day, next)) = day.and_then(|day| Some((day, day.tomorrow().ok()?))) else {
            return Err(format!("`{key}` is not a date"));
        };
        let first = instant(day.at(0, 0, 0, 0), offset);
        let after = instant(next.at(0, 0, 0, 0), offset);
        let since = || Cond::plain(field, ">=", first.clone());
        let until = || Cond::plain(field, "<", after.clone());
        tests.push(match relation {
            Relation::Equal => Cond::all([since(), until()]),
            Relation::NotEqual => {
                Cond::all([exists(field), Cond::not(Cond::all([since(), until()]))])
            }
            Relation::Greater => Cond::plain(field, ">=", after.clone()),
            Relation::GreaterOrEqual => since(),
            Relation::Less => Cond::plain(field, "<", first.clone()),
            Relation::LessOrEqual => until(),
        });
    }
    Ok(Cond::any(tests))
}
