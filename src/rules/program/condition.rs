//! Conditions as they are evaluated, and what values are compared with.

use serde::{Deserialize, Serialize};

use crate::rules::template::Template;
use crate::source::Span;

/// A condition with its place.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq)]
pub struct Condition {
    /// The place of the condition.
    pub span: Span,
    /// What it tests.
    pub kind: ConditionKind,
}

/// The kinds of condition; numbers are indices into [`super::Program::conditions`]
/// and smaller than the condition's own.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq)]
pub enum ConditionKind {
    /// All of these conditions hold.
    All(Vec<u32>),
    /// At least one of these conditions holds.
    Any(Vec<u32>),
    /// That condition does not hold.
    Not(u32),
    /// A `define`, by index; its condition has a smaller number too.
    Define(u32),
    /// A classifier, by index into [`crate::classify::CLASSIFIERS`].
    Classifier(u32),
    /// `has FIELD`
    Has(u32),
    /// `FIELD is V` and similar tests.
    Text {
        /// Index into [`super::Program::fields`].
        field: u32,
        /// How to compare.
        operator: TextOperator,
        /// One match is enough.
        needles: Vec<Needle>,
    },
    /// `duplicate of "…" within 1d`
    Duplicate {
        /// What identifies the message; `None` for the message itself.
        of: Option<DuplicateKey>,
        /// How long ago the other one may have come, seconds; `None` for the setting.
        within: Option<u64>,
        /// Whether the time counts from the first of them: a duplicate is not remembered.
        first: bool,
    },
    /// `FIELD matches /…/`, by index into [`super::Program::patterns`].
    Matches {
        /// Index into [`super::Program::fields`].
        field: u32,
        /// One match is enough; the first one sets the captures.
        patterns: Vec<u32>,
    },
    /// `FIELD in NAME` or an inline set, by index into [`super::Program::lists`].
    In {
        /// Index into [`super::Program::fields`].
        field: u32,
        /// Index into [`super::Program::lists`].
        list: u32,
    },
    /// `client.ip is "192.0.2.0/24"`: one of these networks.
    Network {
        /// Index into [`super::Program::fields`].
        field: u32,
        /// One match is enough.
        networks: Vec<Network>,
    },
    /// `FIELD < V`. Units by the field: bytes, seconds, days since 1970-01-01,
    /// minutes of the day, a plain number.
    Compare {
        /// Index into [`super::Program::fields`].
        field: u32,
        /// How to compare.
        operator: Comparison,
        /// One match is enough.
        values: Vec<f64>,
    },
    /// `FIELD in A..B`, both ends included, units as in `Compare`; for a time of
    /// day `from` may be later than `to`, and the range then spans midnight.
    Within {
        /// Index into [`super::Program::fields`].
        field: u32,
        /// The first value in the range.
        from: f64,
        /// The last value in the range.
        to: f64,
    },
    /// `folder-exists "…"`; `None` for the inbox.
    FolderExists(Option<Template>),
}

/// `of "…"`: what is remembered of a message.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq)]
pub struct DuplicateKey {
    /// As written: the same value from another template is different.
    pub written: String,
    /// The same, parsed.
    pub template: Template,
}

/// How texts are compared.
#[derive(Serialize, Deserialize, Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TextOperator {
    /// Equal.
    Is,
    /// Somewhere in it.
    Contains,
    /// At its start.
    Starts,
    /// At its end.
    Ends,
    /// The whole text matches the glob.
    Like,
    /// One of its words is spelt similarly.
    Resembles,
}

/// A range of addresses, both ends included; IPv4 as in RFC 4291 §2.5.5.2.
#[derive(Serialize, Deserialize, Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    /// The lowest address.
    pub first: [u8; 16],
    /// The highest.
    pub last: [u8; 16],
}

/// What a text is compared with.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq)]
pub struct Needle {
    /// Folded as `message::fold` does it; a domain in its canonical form.
    pub folded: String,
}

/// How numbers are compared.
#[derive(Serialize, Deserialize, Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `=`
    Equal,
    /// `>=`
    GreaterOrEqual,
    /// `>`
    Greater,
}
