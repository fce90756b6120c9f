//! The words of the language, and what people call the parts of the grammar.

/// Words that begin a statement.
pub const STATEMENTS: &[&str] =
    &["set", "list", "define", "score", "include", "expect", "when", "otherwise", "rule"];

/// Words that begin an action. Those of the second line have no meaning yet,
/// but are kept from being names.
#[rustfmt::skip]
pub const ACTIONS: &[&str] = &[
    "inbox", "folder", "copy", "mark", "unmark", "discard", "reject", "defer", "add-header",
    "set-header", "remove-header", "log", "stop",
    "forward", "pipe", "run", "filter", "reply", "add", "remove",
];

/// Operators that are words.
pub const OPERATORS: &[&str] =
    &["is", "contains", "starts", "ends", "like", "matches", "resembles", "in"];

/// The words that join conditions and actions.
pub const JOINTS: &[&str] = &["and", "or", "not", "has", "as"];

/// The candidate that `word` was probably meant to be, if one is near enough.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if word.len() > 64 {
        return None;
    }
    let word = word.to_lowercase();
    let most = if word.chars().count() < 4 { 1 } else { 2 };
    candidates
        .into_iter()
        .map(|candidate| (strsim::osa_distance(&word, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= most && *distance < candidate.chars().count())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}
