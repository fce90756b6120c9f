//! Patterns on texts that are the same for every message: what they match is known at the
//! import.

use regex_automata::meta;
use regex_automata::util::syntax;

/// How large such a pattern may become, bytes.
const LARGEST: usize = 1 << 20;

/// A pattern in our syntax, ready to be tried.
///
/// # Errors
/// It is too large.
pub(super) fn constant_pattern(pattern: &str, case: bool) -> Result<meta::Regex, String> {
    meta::Regex::builder()
        .syntax(syntax::Config::new().case_insensitive(!case))
        .configure(meta::Config::new().nfa_size_limit(Some(LARGEST)))
        .build(pattern)
        .map_err(|_| "the pattern is too large".to_owned())
}
