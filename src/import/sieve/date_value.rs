//! Parts of a date as texts, where no field gives them: each is kept at the start, in the
//! requested zone, and compared like any other text.

use super::compare::{Collation, ComparisonKind, MatchType, Matching, fitting};
use super::context::Lowering;
use super::regex::Relation;
use crate::import::ir::{Cond, Effect, Operand, Test, pattern_literal};

/// A moment whose parts are asked for.
pub(super) struct DateMoment {
    /// `now`, or `date`, that of the Date header.
    pub(super) field: &'static str,
    /// The requested zone, as written after an instant.
    pub(super) zone: Option<String>,
}

/// Whether there is such a moment.
pub(super) fn exists(field: &str) -> Cond {
    if field == "date" { Cond::Word("has date".into()) } else { Cond::Always }
}

impl DateMoment {
    pub(super) fn exists(&self) -> Cond {
        exists(self.field)
    }

    /// A test that every moment passes still needs one to exist.
    pub(super) fn there(&self, test: Cond) -> Cond {
        if test == Cond::Always { self.exists() } else { test }
    }

    /// A part of it as a template.
    pub(super) fn template(&self, part: &str) -> Result<String, String> {
        let format =
            format(part).ok_or_else(|| format!("the part `{part}` of a date is not known"))?;
        let (zone, format) = match self.zone.as_deref() {
            Some("Z") if part == "iso8601" => ("+00:00", "%Y-%m-%dT%H:%M:%SZ"),
            Some("Z") => ("+00:00", format),
            Some(offset) => (offset, format),
            None => ("", format),
        };
        Ok(format!("{{{}{zone}:{format}}}", self.field))
    }
}

impl Lowering<'_> {
    /// A test on a part of a date as a text.
    pub(super) fn date_value_test(
        &mut self,
        moment: &DateMoment,
        part: &str,
        how: Matching,
        keys: &[String],
        captures: bool,
    ) -> Result<Cond, String> {
        if part == "iso8601" && moment.zone.is_none() && how.kind != MatchType::Contains {
            self.approximately("where the zone is UTC, `Z` stands for `+00:00` in a moment");
        }
        let template = moment.template(part)?;
        let name = self.date_variable(moment.field, part, template);
        let few = values(part).filter(|_| !captures && how.kind != MatchType::Regex);
        let test = match (few, how.kind) {
            (_, MatchType::Count(_)) => return Err("values are not counted (`:count`)".into()),
            (Some(all), _) => {
                let found = fitting(all.iter().cloned(), how, keys)?;
                whole(found.len(), all.len(), || Cond::texts(name, "is", found.iter()))
            }
            (None, MatchType::Value(Relation::NotEqual)) if how.is_text() => {
                let how = Matching { kind: MatchType::Is, ..how };
                let mut tests = Vec::new();
                for key in keys.chunks(1) {
                    let field = std::slice::from_ref(&name);
                    let equal = self.compare(field, ComparisonKind::Text, how, key, captures)?;
                    tests.push(Cond::not(equal));
                }
                Cond::any(tests)
            }
            (None, MatchType::Value(relation)) if how.is_text() && relation != Relation::Equal => {
                let patterns = keys.iter().map(|key| {
                    let pattern = shape(part).and_then(|shape| order_pattern(key, shape, relation));
                    pattern.ok_or_else(|| format!("`{key}` is not a {part}"))
                });
                let patterns = patterns.collect::<Result<Vec<_>, _>>()?.into_iter().flatten();
                let values: Vec<Operand> =
                    patterns.map(|pattern| Operand::Pattern(pattern, false)).collect();
                match values.is_empty() {
                    true => Cond::Never,
                    false => Cond::Test(Test { fields: vec![name], operator: "matches", values }),
                }
            }
            (None, _) => self.compare(&[name], ComparisonKind::Text, how, keys, captures)?,
        };
        Ok(Cond::all([moment.exists(), test]))
    }
}

impl Lowering<'_> {
    /// The variable for a part of a date, which is kept at the start.
    pub(super) fn date_variable(&mut self, field: &str, part: &str, template: String) -> String {
        let name = self.names.of(&format!("{template}:{field}-{part}"));
        let is_it = |effect: &Effect| matches!(effect, Effect::Let(known, _) if *known == name);
        if !self.draft.prelude.iter().any(is_it) {
            self.draft.prelude.push(Effect::Let(name.clone(), template));
        }
        name
    }
}

/// How a date is compared as a text.
pub(super) fn relation(how: Matching) -> Result<Relation, String> {
    match (how.kind, how.collation) {
        (_, Collation::Numeric) => Err("a date is compared as a number".into()),
        (MatchType::Value(relation), _) => Ok(relation),
        (MatchType::Is, _) => Ok(Relation::Equal),
        _ => Err("a date is compared as a text".into()),
    }
}

/// A test that `found` of `all` values pass; a constant if none or all of them do.
pub(super) fn whole(found: usize, all: usize, test: impl FnOnce() -> Cond) -> Cond {
    if found == 0 {
        Cond::Never
    } else if found == all {
        Cond::Always
    } else {
        test()
    }
}

/// A part of a date as a strftime format, RFC 5260 §4.2.
fn format(part: &str) -> Option<&'static str> {
    Some(match part {
        "year" => "%Y",
        "month" => "%m",
        "day" => "%d",
        "date" => "%Y-%m-%d",
        "hour" => "%H",
        "minute" => "%M",
        "second" => "%S",
        "time" => "%H:%M:%S",
        "iso8601" => "%Y-%m-%dT%H:%M:%S%:z",
        "std11" => "%a, %d %b %Y %H:%M:%S %z",
        "zone" => "%z",
        "weekday" => "%w",
        _ => return None,
    })
}

/// All values of a part that has few.
fn values(part: &str) -> Option<Vec<String>> {
    let (from, to) = match part {
        "weekday" => return Some((0..7).map(|day| day.to_string()).collect()),
        "month" => (1, 12),
        "day" => (1, 31),
        "hour" => (0, 23),
        "minute" | "second" => (0, 59),
        _ => return None,
    };
    Some((from..=to).map(|number| format!("{number:02}")).collect())
}

/// The form of a part's values, if their order as texts is that of time: `0` stands for a
/// digit.
fn shape(part: &str) -> Option<&'static str> {
    Some(match part {
        "year" => "0000",
        "date" => "0000-00-00",
        "time" => "00:00:00",
        _ => return None,
    })
}

/// A pattern for the texts of that shape in this relation to a key; none if the key has
/// another shape, `Some(None)` if no text matches.
pub(super) fn order_pattern(key: &str, shape: &str, relation: Relation) -> Option<Option<String>> {
    if key.is_empty() || !has_shape(key, shape) {
        return None;
    }
    let (less, equal, greater) = relation.of_orders();
    let mut ways = Vec::new();
    for (at, digit) in key.bytes().enumerate().filter(|(_, byte)| byte.is_ascii_digit()) {
        let before = pattern_literal(key.get(..at)?);
        if less && digit > b'0' {
            ways.push(before.clone() + &digits(b'0', digit - 1));
        }
        if greater && digit < b'9' {
            ways.push(before + &digits(digit + 1, b'9'));
        }
    }
    // A text that is longer than a key which it begins with is greater.
    let is_whole = key.len() == shape.len();
    if equal && is_whole || greater && !is_whole {
        ways.push(pattern_literal(key));
    }
    Some((!ways.is_empty()).then(|| format!("^(?:{})", ways.join("|"))))
}

/// Whether a text looks like the beginning of that shape.
pub(super) fn has_shape(text: &str, shape: &str) -> bool {
    let fits = |(byte, shape): (u8, u8)| match shape {
        b'0' => byte.is_ascii_digit(),
        _ => byte == shape,
    };
    text.len() <= shape.len() && text.bytes().zip(shape.bytes()).all(fits)
}

fn digits(first: u8, last: u8) -> String {
    match (char::from(first), char::from(last)) {
        (first, last) if first == last => first.to_string(),
        (first, last) => format!("[{first}-{last}]"),
    }
}
