//! `spamtest` and `virustest`, RFC 5235: a grade that the server derives from a scanner's
//! result, as configured. Our classifiers know the scanner's verdict.

use super::arguments::Arguments;
use super::compare::{Collation, MatchType, matching};
use super::context::Lowering;
use super::regex::Relation;
use crate::import::ir::Cond;

/// A scanner's grades.
struct Grades {
    /// Our classifier for its verdict.
    verdict: &'static str,
    /// The lowest grade that may mean that verdict.
    lowest: u32,
    highest: u32,
}

/// 1 is surely not spam, 10 surely spam.
const SPAM: Grades = Grades { verdict: "spam", lowest: 2, highest: 10 };

/// The same as a percentage.
const SPAM_PERCENT: Grades = Grades { verdict: "spam", lowest: 1, highest: 100 };

/// 1 is no virus, 2 and 3 a virus that was removed, 4 and 5 one that may be or is there.
const VIRUS: Grades = Grades { verdict: "virus", lowest: 4, highest: 5 };

impl Lowering<'_> {
    pub(super) fn grade_test(
        &mut self,
        name: &str,
        arguments: &Arguments<'_>,
    ) -> Result<Cond, String> {
        // Proton's own preamble: `allof (environment …, spamtest … "${1}")`.
        if name == "spamtest"
            && arguments.strings(0).is_ok_and(|keys| matches!(keys, [key] if key == "${1}"))
        {
            self.remark("`spam` is what the spam filter before us says");
            return Ok(Cond::Word("spam".into()));
        }
        let grades = match name {
            "virustest" => VIRUS,
            _ if arguments.has("percent") => SPAM_PERCENT,
            _ => SPAM,
        };
        let how = matching(arguments, &["percent"])?;
        let keys = self.constants(arguments.strings(0)?)?;
        let why = || {
            format!(
                "what the grades of `{name}` mean is set in the server's configuration (see `{}`)",
                grades.verdict
            )
        };
        let [key] = keys.as_slice() else { return Err(why()) };
        let grade: u32 = key.parse().map_err(|_| why())?;
        let relation = match (how.kind, how.collation) {
            (MatchType::Value(relation), Collation::Numeric) => relation,
            (MatchType::Is, _) | (MatchType::Value(Relation::Equal), _) => Relation::Equal,
            _ => return Err("a grade is compared as a text".into()),
        };
        // The grade from which, or up to which, it holds.
        let (from, upwards) = match relation {
            Relation::GreaterOrEqual => (grade, true),
            Relation::Greater => (grade.saturating_add(1), true),
            Relation::Less => (grade, false),
            Relation::LessOrEqual => (grade.saturating_add(1), false),
            Relation::Equal if grade == grades.highest => (grade, true),
            Relation::Equal | Relation::NotEqual => return Err(why()),
        };
        if !(grades.lowest..=grades.highest).contains(&from) {
            return Err(why());
        }
        let verdict = grades.verdict;
        self.approximately(&format!("`{verdict}` is a scanner's verdict, whatever the grade"));
        let verdict = Cond::Word(verdict.into());
        Ok(if upwards { verdict } else { Cond::not(verdict) })
    }
}
