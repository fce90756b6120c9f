//! The line `From sender date` before the header, which procmail searches, too: what a
//! pattern asks for in it, it asks of the envelope's sender.

use crate::ascii_case;

/// What a pattern asks for in the line `From sender date` after its first word:
/// `^(From|Sender).*rest`, `^From[: ]rest`.
pub(super) fn after_from(pattern: &str) -> Option<String> {
    let pattern = pattern.trim_start_matches('^');
    let own = match pattern.strip_prefix('(') {
        Some(inner) => {
            let (group, after) = inner.split_once(')')?;
            let own = group
                .split('|')
                .find(|name| ascii_case::starts_with(name, "from") && !name.ends_with(':'))?;
            let is_plain = !group.contains('(') && !after.starts_with(['*', '+', '?']);
            is_plain.then(|| format!("{own}{after}"))?
        }
        None => pattern.to_owned(),
    };
    let (word, rest) = own.split_at_checked(4)?;
    let after = ["[: ]", "[ :]", ":? ", " ", "."].iter().find_map(|sign| rest.strip_prefix(sign));
    // `[: ]*` may be the blank, too; `.*` may be more.
    let is_repeated = |rest: &str, after: &str| {
        after.starts_with(['+', '?']) || rest.starts_with('.') && after.starts_with('*')
    };
    let is_from = word.eq_ignore_ascii_case("from");
    match after {
        Some(after) if !is_repeated(rest, after) => {
            is_from.then(|| after.trim_start_matches(['*', ' ']).to_owned())
        }
        _ => (is_from && (rest.is_empty() || rest.starts_with(".*"))).then(|| rest.to_owned()),
    }
}
