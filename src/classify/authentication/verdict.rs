//! The words for the result of a check of the sender.

use std::fmt;

/// The words for a result: RFC 8601 §2.7.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The sender is who it claims to be.
    Pass,
    /// The sender is not who it claims to be.
    Fail,
    /// The sender is probably not who it claims to be (SPF).
    SoftFail,
    /// The sender's domain says nothing either way.
    Neutral,
    /// There was nothing to check.
    None,
    /// A policy of the checker does not accept it.
    Policy,
    /// Could not be checked at the time.
    TempError,
    /// Cannot be checked.
    PermError,
}

impl Verdict {
    /// The word used by the specifications and the rule language.
    pub fn as_str(self) -> &'static str {
        match self {
            Verdict::Pass => "pass",
            Verdict::Fail => "fail",
            Verdict::SoftFail => "softfail",
            Verdict::Neutral => "neutral",
            Verdict::None => "none",
            Verdict::Policy => "policy",
            Verdict::TempError => "temperror",
            Verdict::PermError => "permerror",
        }
    }

    /// Reads a result in lower case, words of older specifications included
    /// (RFC 4408, RFC 5451).
    pub fn parse(word: &str) -> Option<Verdict> {
        let verdict = match word {
            "pass" => Verdict::Pass,
            "fail" | "hardfail" => Verdict::Fail,
            "softfail" => Verdict::SoftFail,
            "neutral" => Verdict::Neutral,
            "none" => Verdict::None,
            "policy" => Verdict::Policy,
            "temperror" | "error" | "softerror" => Verdict::TempError,
            "permerror" | "unknown" | "harderror" => Verdict::PermError,
            _ => return None,
        };
        Some(verdict)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
