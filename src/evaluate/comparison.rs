//! How a value is compared with what a rule says.

use super::field_value::FieldValue;
use crate::classify::resembles::SimilarWord;
use crate::rules::glob;
use crate::rules::program::{Comparison, Needle, TextOperator};

/// Whether a text fits.
pub(super) fn compare(value: &FieldValue, operator: &TextOperator, needle: &Needle) -> bool {
    let needle = needle.folded.as_str();
    match operator {
        TextOperator::Is => value.exact() == needle,
        TextOperator::Starts => value.exact().starts_with(needle),
        TextOperator::Ends => value.exact().ends_with(needle),
        TextOperator::Like => glob::matches(needle, value.exact()),
        TextOperator::Resembles => {
            SimilarWord::new(needle).is_some_and(|word| word.find(value.wide()).is_some())
        }
        TextOperator::Contains => {
            memchr::memmem::find(value.wide().as_bytes(), needle.as_bytes()).is_some()
        }
    }
}

/// Whether a number fits.
pub(super) fn ordered(number: f64, operator: &Comparison, to: f64) -> bool {
    match operator {
        Comparison::Less => number < to,
        Comparison::LessOrEqual => number <= to,
        Comparison::Equal => number == to,
        Comparison::GreaterOrEqual => number >= to,
        Comparison::Greater => number > to,
    }
}

/// Whether a number is in a range, both ends included; a range that ends before it starts spans midnight.
pub(super) fn within(number: f64, from: f64, to: f64) -> bool {
    if from <= to { (from..=to).contains(&number) } else { number >= from || number <= to }
}
