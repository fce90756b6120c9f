//! Numbers, sizes, durations, dates and times that a field is compared with.

use super::Checker;
use super::test::TestedField;
use crate::rules::field::FieldKind;
use crate::rules::mistake::{LogicMistake, TestMistake};
use crate::rules::program::{Comparison, ConditionKind, Field, Moment};
use crate::source::Span;
use crate::syntax::ast::{Instant, ValueKind, ValueNode};
use crate::syntax::{date_hint, size_hint};

const MINUTES_OF_A_DAY: f64 = 24.0 * 60.0;

impl Checker<'_, '_> {
    /// A value as a number, in the field's unit.
    pub(super) fn number(&mut self, kind: FieldKind, value: &ValueNode) -> Option<f64> {
        let hint = match (kind, &value.kind) {
            (
                FieldKind::Number | FieldKind::Size | FieldKind::Header,
                ValueKind::Number(number),
            ) => {
                return Some(*number);
            }
            (FieldKind::Size | FieldKind::Header, ValueKind::Size(bytes)) => {
                return Some(*bytes as f64);
            }
            (FieldKind::Duration, ValueKind::Duration(seconds)) => return Some(*seconds as f64),
            (FieldKind::Date, ValueKind::Instant(instant)) => {
                return self.existing_date(seconds(instant), value);
            }
            (FieldKind::Date, ValueKind::Date { year, month, day }) => {
                return self.existing_date(day_number(*year, *month, *day), value);
            }
            (FieldKind::Time, ValueKind::Time { hour, minute }) => {
                return Some(f64::from(*hour) * 60.0 + f64::from(*minute));
            }
            (FieldKind::Duration, ValueKind::Number(_)) => {
                Some(format!("`{0}d` is days, `{0}h` hours", self.written(value)))
            }
            (FieldKind::Duration, _) => Some(String::from("`12h`, `7d`, `2w`")),
            (FieldKind::Number, _) => Some(String::from("`5`, `-2.5`")),
            (FieldKind::Size, ValueKind::Text(text)) if size_hint(text).is_some() => {
                size_hint(text)
            }
            (FieldKind::Size, _) => Some(String::from("`20K`, `5M`, or a number of bytes")),
            (FieldKind::Date, other) => {
                let suggestion = match other {
                    ValueKind::Text(text) => date_hint(text),
                    _ => None,
                };
                suggestion.or_else(|| Some(String::from("`2026-12-24`, `2026-12-24T18:00`")))
            }
            (FieldKind::Time, _) => Some(String::from("`22:00`")),
            _ => None,
        };
        let expected = match kind {
            FieldKind::Header | FieldKind::Number => "a number",
            kind => kind.name(),
        };
        self.wrong_value(expected, value, hint);
        None
    }

    /// Reports a date that does not exist.
    fn existing_date(&mut self, found: Option<f64>, value: &ValueNode) -> Option<f64> {
        if found.is_none() {
            let text = self.written(value);
            self.report(value.span, TestMistake::NoSuchDate { text });
        }
        found
    }

    /// The field that a value is compared with: for a day, its moment if the
    /// value is one.
    pub(super) fn field_for(&mut self, tested: &TestedField, value: &ValueNode) -> u32 {
        let moment = match tested.field {
            Field::Date => Some(Moment::Sent),
            Field::Arrived => Some(Moment::Arrived),
            Field::Now => Some(Moment::Now),
            _ => None,
        };
        self.field(match (moment, &value.kind) {
            (Some(moment), ValueKind::Instant(Instant { offset: Some(_), .. })) => {
                Field::Instant(moment)
            }
            (Some(moment), ValueKind::Instant(_)) => Field::LocalInstant(moment),
            _ => tested.field.clone(),
        })
    }

    /// Reports that an instant is compared for equality: `now = 2026-12-24T18:00`.
    pub(super) fn judge_equal_instant(&mut self, tested: &TestedField, value: &ValueNode) {
        if let ValueKind::Instant(_) = value.kind {
            let why = "an instant is one second, which hardly any message matches".to_owned();
            let hint =
                format!("`{0} in FROM..TO`, or `{0} >= {1}`", tested.name, self.written(value));
            self.report(value.span, LogicMistake::Unlikely { why, hint: Some(hint) });
        }
    }

    /// A range whose ends have different forms: each end is compared separately.
    fn between(
        &mut self,
        span: Span,
        tested: &TestedField,
        from: (f64, &ValueNode),
        to: (f64, &ValueNode),
    ) -> ConditionKind {
        let (first, last) = (self.field_for(tested, from.1), self.field_for(tested, to.1));
        if first == last {
            return ConditionKind::Within { field: first, from: from.0, to: to.0 };
        }
        let parts =
            [(first, Comparison::GreaterOrEqual, from.0), (last, Comparison::LessOrEqual, to.0)]
                .map(|(field, operator, value)| {
                    let kind = ConditionKind::Compare { field, operator, values: vec![value] };
                    self.push_condition(span, kind)
                });
        ConditionKind::All(parts.to_vec())
    }

    /// Reports comparisons that no number of that field passes.
    pub(super) fn judge_comparison(
        &mut self,
        tested: &TestedField,
        operator: Comparison,
        to: f64,
        value: &ValueNode,
    ) {
        let (least, most) = match (&tested.field, tested.kind) {
            (Field::Score(_), _) => return,
            (_, FieldKind::Number | FieldKind::Size) => (0.0, f64::INFINITY),
            (_, FieldKind::Time) => (0.0, MINUTES_OF_A_DAY - 1.0),
            _ => return,
        };
        let never = match operator {
            Comparison::Less => to <= least,
            Comparison::LessOrEqual => to < least,
            Comparison::Equal => to < least || to.fract() != 0.0,
            // No value that can be written is above the greatest.
            Comparison::GreaterOrEqual => false,
            Comparison::Greater => to >= most,
        };
        if never {
            let why = match tested.kind {
                FieldKind::Time => format!("`{}` is from 00:00 to 23:59", tested.name),
                _ => format!("`{}` is a whole number, never below 0", tested.name),
            };
            self.never_holds(value.span, &why, None);
        }
    }

    /// `in A..B`, or a set of ranges and numbers.
    pub(super) fn numbers_in(
        &mut self,
        span: Span,
        tested: TestedField,
        value: &ValueNode,
    ) -> Option<ConditionKind> {
        let mut kinds = Vec::new();
        let mut fine = true;
        let in_set = matches!(value.kind, ValueKind::Set(_));
        for element in self.elements(value) {
            let found = match &element.kind {
                ValueKind::Range(from, to) => {
                    let ends = (self.number(tested.kind, from), self.number(tested.kind, to));
                    let (Some(first), Some(last)) = ends else {
                        fine = false;
                        continue;
                    };
                    let alike = self.field_for(&tested, from) == self.field_for(&tested, to);
                    if alike && last < first && tested.kind != FieldKind::Time {
                        let why = "the range ends before it begins";
                        let swapped = self.swapped(element);
                        self.never_holds(element.span, why, swapped);
                    }
                    self.between(element.span, &tested, (first, from), (last, to))
                }
                _ if !in_set => {
                    let range = range_example(tested.kind);
                    let hint =
                        format!("a range is `{range}`; for one value, `{} = …`", tested.name);
                    self.wrong_value("a range", element, Some(hint));
                    fine = false;
                    continue;
                }
                _ => match self.number(tested.kind, element) {
                    Some(number) => {
                        self.judge_equal_instant(&tested, element);
                        ConditionKind::Compare {
                            field: self.field_for(&tested, element),
                            operator: Comparison::Equal,
                            values: vec![number],
                        }
                    }
                    None => {
                        fine = false;
                        continue;
                    }
                },
            };
            kinds.push(found);
        }
        fine.then(|| self.any_of(span, kinds)).flatten()
    }

    /// The range with its ends exchanged, for a hint.
    fn swapped(&self, range: &ValueNode) -> Option<String> {
        let ValueKind::Range(from, to) = &range.kind else { return None };
        Some(format!("`{}..{}`", self.written(to), self.written(from)))
    }
}

fn range_example(kind: FieldKind) -> &'static str {
    match kind {
        FieldKind::Size => "1M..5M",
        FieldKind::Duration => "1d..7d",
        FieldKind::Date => "2026-12-24..2027-01-03",
        FieldKind::Time => "22:00..07:00",
        _ => "1..5",
    }
}

/// Days since 1970-01-01.
fn day_number(year: i16, month: u8, day: u8) -> Option<f64> {
    let (month, day) = (i8::try_from(month).ok()?, i8::try_from(day).ok()?);
    let date = jiff::civil::Date::new(year, month, day).ok()?;
    let since = jiff::civil::date(1970, 1, 1).until(date).ok()?;
    Some(f64::from(since.get_days()))
}

/// Seconds since 1970-01-01 00:00 UTC, or on a clock in the rules' zone.
fn seconds(instant: &Instant) -> Option<f64> {
    let Instant { year, month, day, hour, minute, second, offset } = *instant;
    let days = day_number(year, month, day)?;
    let minutes = f64::from(hour) * 60.0 + f64::from(minute) - f64::from(offset.unwrap_or(0));
    Some(days * 86_400.0 + minutes * 60.0 + f64::from(second))
}
