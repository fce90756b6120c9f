//! Kinds of field, and which operators fit a kind.

use crate::rules::program::{Comparison, TextOperator};

/// Kinds of field: what its values are, and therefore how they can be tested.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FieldKind {
    /// Addresses.
    Address,
    /// Domains, in any spelling of IDN.
    Domain,
    /// Text.
    Text,
    /// The result of a method of authentication.
    Result,
    /// An IP address.
    Ip,
    /// A header that has no name of its own in the table: text, or its first number.
    Header,
    /// A plain number.
    Number,
    /// Bytes.
    Size,
    /// Seconds.
    Duration,
    /// A day, or a moment in it.
    Date,
    /// A time of day.
    Time,
    /// A day of the week.
    Weekday,
}

/// Operators, as in the language.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// `is contains starts ends like`
    Text(TextOperator),
    /// `matches`
    Matches,
    /// `in`
    In,
    /// `< <= = >= >`
    Compare(Comparison),
}

/// Every operator with its word.
pub const OPERATORS: &[(&str, Operator)] = &[
    ("is", Operator::Text(TextOperator::Is)),
    ("contains", Operator::Text(TextOperator::Contains)),
    ("starts", Operator::Text(TextOperator::Starts)),
    ("ends", Operator::Text(TextOperator::Ends)),
    ("like", Operator::Text(TextOperator::Like)),
    ("resembles", Operator::Text(TextOperator::Resembles)),
    ("matches", Operator::Matches),
    ("in", Operator::In),
    ("<", Operator::Compare(Comparison::Less)),
    ("<=", Operator::Compare(Comparison::LessOrEqual)),
    ("=", Operator::Compare(Comparison::Equal)),
    (">=", Operator::Compare(Comparison::GreaterOrEqual)),
    (">", Operator::Compare(Comparison::Greater)),
];

impl Operator {
    /// The operator of a word.
    pub fn of(word: &str) -> Option<Operator> {
        OPERATORS.iter().find(|(name, _)| *name == word).map(|(_, operator)| *operator)
    }
}

impl FieldKind {
    /// Whether an operator fits the kind.
    pub fn takes(self, operator: Operator) -> bool {
        match operator {
            Operator::Text(TextOperator::Is) => {
                self.is_text()
                    || matches!(self, FieldKind::Weekday | FieldKind::Result | FieldKind::Ip)
            }
            Operator::Text(_) | Operator::Matches => self.is_text(),
            Operator::In => true,
            Operator::Compare(_) => {
                let word = matches!(self, FieldKind::Weekday | FieldKind::Result | FieldKind::Ip);
                self == FieldKind::Header || !(self.is_text() || word)
            }
        }
    }

    /// Words of the operators that fit, in the manual's order.
    pub fn operators(self) -> impl Iterator<Item = &'static str> {
        OPERATORS.iter().filter(move |(_, operator)| self.takes(*operator)).map(|(word, _)| *word)
    }

    /// Whether values are compared as text.
    pub fn is_text(self) -> bool {
        matches!(self, FieldKind::Address | FieldKind::Domain | FieldKind::Text | FieldKind::Header)
    }

    /// For people: `an address`.
    pub fn name(self) -> &'static str {
        match self {
            FieldKind::Address => "an address",
            FieldKind::Domain => "a domain",
            FieldKind::Text => "a text",
            FieldKind::Result => "a result",
            FieldKind::Ip => "an IP address",
            FieldKind::Header => "a header",
            FieldKind::Number => "a number",
            FieldKind::Size => "a size",
            FieldKind::Duration => "a duration",
            FieldKind::Date => "a date",
            FieldKind::Time => "a time of day",
            FieldKind::Weekday => "a day of the week",
        }
    }
}
