//! What was looked at on the way to a plan, and what it gave: data for
//! `explain`, in words that need no rule file to be understood.

use std::time::Duration;

use crate::source::Span;

/// The way through the rules. Empty unless it was asked for.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Trace {
    /// Each rule that was looked at, in order.
    pub looked: Vec<RuleTrace>,
    /// The same in short, and actions outside of rules.
    pub passed: Vec<RuleTally>,
    /// Limits that cut something off, and the like.
    pub warnings: Vec<String>,
}

/// A rule that was looked at, for counting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RuleTally {
    /// The rule without its block, or the action.
    pub span: Span,
    /// It held.
    pub held: bool,
    /// Time that its condition took; who asks first for the body pays for it.
    pub took: Duration,
}

/// One rule that was looked at.
#[derive(Debug, Clone, PartialEq)]
pub struct RuleTrace {
    /// The rule without its block.
    pub span: Span,
    /// Its line, from 1.
    pub line: u32,
    /// How many groups are around it.
    pub depth: usize,
    /// What came out.
    pub verdict: TestVerdict,
    /// The tests that decided, in the order in which they were made.
    pub tests: Vec<TestTrace>,
}

/// Whether a condition holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TestVerdict {
    /// It does.
    Yes,
    /// It does not.
    No,
    /// It could not be evaluated, so the rule does not fire.
    Skipped(String),
}

/// One test and why it came out so.
#[derive(Debug, Clone, PartialEq)]
pub struct TestTrace {
    /// Its place.
    pub span: Span,
    /// What came out.
    pub verdict: TestVerdict,
    /// The deciding values. Text from the message, not yet escaped.
    pub why: String,
}
