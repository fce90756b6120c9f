//! The line `From sender date` before the header, which procmail searches, too: what a
//! pattern asks for in it, it asks of the envelope's sender.

/// What a pattern asks for in the line `From sender date` after its first word:
/// `^(From|Sender).*rest`, `^From[: ]rest`.
pub(super) fn behind_from(pattern: &str) -> Option<String> {
    let pattern = pattern.trim_start_matches('^');
    let own = match pattern.strip_prefix('(') {
        Some(inner) => {
            let (group, behind) = inner.split_once(')')?;
            let own = group.split('|').find(|name| {
                name.get(..4).is_some_and(|word| word.eq_ignore_ascii_case("from"))
                    && !name.ends_with(':')
            })?;
            let is_plain = !group.contains('(') && !behind.starts_with(['*', '+', '?']);
            is_plain.then(|| format!("{own}{behind}"))?
        }
        None => pattern.to_owned(),
    };
    let (word, rest) = own.split_at_checked(4)?;
    let behind = ["[: ]", "[ :]", ":? ", " ", "."].iter().find_map(|sign| rest.strip_prefix(sign));
    // `[: ]*` may be the blank, too; `.*` may be more.
    let is_repeated = |rest: &str, behind: &str| {
        behind.starts_with(['+', '?']) || rest.starts_with('.') && behind.starts_with('*')
    };
    let is_from = word.eq_ignore_ascii_case("from");
    match behind {
        Some(behind) if !is_repeated(rest, behind) => {
            is_from.then(|| behind.trim_start_matches(['*', ' ']).to_owned())
        }
        _ => (is_from && (rest.is_empty() || rest.starts_with(".*"))).then(|| rest.to_owned()),
    }
}
