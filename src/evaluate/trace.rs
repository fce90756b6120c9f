//! What was evaluated on the way to a plan, with the results: data for `explain`,
//! in words that can be understood without the rule file.

use std::time::Duration;

use crate::source::Span;

/// Precedes each header, in the reason of a test, whose results were not believed.
pub const IGNORED: &str = "; ignored: ";

/// The way through the rules. Empty unless it was requested.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Trace {
    /// Each rule that was evaluated, in order.
    pub rules: Vec<RuleTrace>,
    /// The same in short form, with actions outside of rules.
    pub tallies: Vec<RuleTally>,
    /// Limits that cut something off, and similar problems.
    pub warnings: Vec<String>,
}

/// A rule that was evaluated, for counting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RuleTally {
    /// The rule without its block, or the action.
    pub span: Span,
    /// Whether the rule held.
    pub fired: bool,
    /// How long its condition took; the first rule that needs the body pays for
    /// reading it.
    pub duration: Duration,
}

/// One rule that was evaluated.
#[derive(Debug, Clone, PartialEq)]
pub struct RuleTrace {
    /// The rule without its block.
    pub span: Span,
    /// Its line, from 1.
    pub line: u32,
    /// How many groups contain it.
    pub depth: usize,
    /// The result.
    pub verdict: TestVerdict,
    /// The tests that decided, in the order in which they were made.
    pub tests: Vec<TestTrace>,
}

/// Whether a condition holds, or why it was skipped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TestVerdict {
    /// The condition holds.
    Yes,
    /// The condition does not hold.
    No,
    /// The condition could not be evaluated, so the rule does not fire.
    Skipped(String),
}

/// One test and the reason for its result.
#[derive(Debug, Clone, PartialEq)]
pub struct TestTrace {
    /// Its place.
    pub span: Span,
    /// The result.
    pub verdict: TestVerdict,
    /// The deciding values. Text from the message, not escaped yet.
    pub why: String,
}
