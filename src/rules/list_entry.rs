//! One entry of a list of addresses: the form in which it is compared, and whether any
//! address can match it.

use std::borrow::Cow;

use crate::message::{address, domain, fold};
use crate::rules::{glob, pattern};

/// An entry that no address can match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadEntry {
    /// The line of the entry in the file, or its number in the set, from 1.
    pub line: u32,
    /// As written.
    pub entry: String,
    /// Why.
    pub reason: BadEntryReason,
}

/// Why no address can match an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BadEntryReason {
    /// There is no `@`, and no part of a glob. A text field can match it.
    NoAt,
    /// More than one `@`.
    ManyAts,
    /// Blanks, angle brackets, commas: more than an address.
    NotBare,
    /// A glob for an address with nothing before the `@`, as `@*.example`.
    NoLocalPart,
    /// What follows the `@` is not a domain.
    BadDomain,
    /// Longer than an address can be.
    LongAddress,
    /// A pattern that cannot be used, and why.
    BadPattern(String),
    /// This pattern and those after it cost too much.
    ManyPatterns,
    /// The list has become too long to index.
    TooLong,
}

impl std::fmt::Display for BadEntryReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            BadEntryReason::NoAt => "it has no `@`",
            BadEntryReason::ManyAts => "it has more than one `@`",
            BadEntryReason::NotBare => "it is more than a bare address",
            BadEntryReason::NoLocalPart => "an address has a part before the `@`",
            BadEntryReason::BadDomain => "what follows the `@` is not a domain",
            BadEntryReason::LongAddress => "it is longer than an address can be",
            BadEntryReason::BadPattern(reason) => reason,
            BadEntryReason::ManyPatterns => {
                "the patterns of one list share a limit; this one and those after it are ignored"
            }
            BadEntryReason::TooLong => "the list is too long",
        })
    }
}

/// The patterns among entries that cannot be used, and the first one that exceeds
/// the limit for all of them.
pub(super) fn judge_patterns<'a>(entries: impl Iterator<Item = (u32, &'a str)>) -> Vec<BadEntry> {
    let patterns: Vec<(u32, &str, &str)> =
        entries.filter_map(|(line, entry)| Some((line, entry, pattern_source(entry)?))).collect();
    let mut bad: Vec<BadEntry> = Vec::new();
    for (line, entry, source) in &patterns {
        if let Err(error) = pattern::check(source, false) {
            let reason = BadEntryReason::BadPattern(error.reason);
            bad.push(BadEntry { line: *line, entry: (*entry).to_owned(), reason });
        }
    }
    let used = affordable(patterns.iter().map(|(_, _, source)| {
        pattern::list_cost(&pattern::normalize(source).unwrap_or_else(|| (*source).to_owned()))
    }));
    if let Some((line, entry, _)) = patterns.get(used) {
        let reason = BadEntryReason::ManyPatterns;
        bad.push(BadEntry { line: *line, entry: (*entry).to_owned(), reason });
    }
    bad
}

/// How many patterns fit into the limit of a list.
pub(super) fn affordable(costs: impl Iterator<Item = usize>) -> usize {
    let mut left = pattern::LIST_SIZE_LIMIT;
    costs
        .take_while(|cost| {
            let fits = *cost <= left;
            left = left.saturating_sub(*cost);
            fits
        })
        .count()
}

/// The pattern of an entry `/…/`.
pub(super) fn pattern_source(entry: &str) -> Option<&str> {
    entry.strip_prefix('/')?.strip_suffix('/').filter(|source| !source.is_empty())
}

/// A line of a list file without its comment and the blanks around it.
pub fn without_comment(line: &str) -> &str {
    let line = line.trim();
    if memchr::memchr(b'#', line.as_bytes()).is_none() {
        return line;
    }
    let comment = line.char_indices().find(|(at, letter)| {
        *letter == '#'
            && line
                .get(..*at)
                .is_some_and(|before| before.is_empty() || before.ends_with(char::is_whitespace))
    });
    match comment {
        Some((at, _)) if pattern_source(line).is_none() => {
            line.get(..at).unwrap_or_default().trim_end()
        }
        _ => line,
    }
}

/// Every entry up to this length is short enough to be an address, bytes.
pub(super) const LONGEST_COMMON: usize = 255;

/// Whether an entry is like nearly every other: `user@host` or `@host`, of letters
/// whose key is found without tables, with nothing wrong.
pub(super) fn is_common(entry: &str) -> bool {
    let bytes = entry.as_bytes();
    let Some(at) = memchr::memchr(b'@', bytes) else { return false };
    let (local, host) = bytes.split_at(at);
    let mut before = b'.';
    for byte in host.iter().skip(1) {
        let sign = matches!(byte, b'.' | b'-');
        // Two signs in a row: not a domain, or punycode.
        if !(byte.is_ascii_alphanumeric() || sign && before.is_ascii_alphanumeric()) {
            return false;
        }
        before = *byte;
    }
    before.is_ascii_alphanumeric()
        && local
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-' | b'+'))
}

/// The key of an exact entry; `None` for a glob, a pattern, or an empty entry.
pub fn key_of_exact(entry: &str) -> Option<String> {
    let exact = !entry.is_empty() && pattern_source(entry).is_none() && !glob::is_glob(entry);
    exact.then(|| key_of(entry))
}

/// How a label in Punycode begins, RFC 5890 §2.3.2.1.
pub(super) const PUNYCODE: &str = "xn--";

/// The form in which an entry is compared.
pub(super) fn key_of(entry: &str) -> String {
    let entry = &*with_ascii_at(entry);
    match entry.rsplit_once('@') {
        Some((local, host)) => match host.strip_prefix('.') {
            Some(host) => format!("{}@.{}", fold::fold(local), domain::canonical(host)),
            None => address::canonical(entry).into_owned(),
        },
        None => {
            let folded = fold::fold(entry);
            let is_domain = folded.contains(PUNYCODE);
            if is_domain { domain::canonical(&folded).into_owned() } else { folded.into_owned() }
        }
    }
}

/// An entry with a full-width `@` as it is compared, in ASCII.
fn with_ascii_at(entry: &str) -> Cow<'_, str> {
    if entry.contains('＠') { entry.replace('＠', "@").into() } else { entry.into() }
}

/// Why no address can match an entry; patterns are not checked.
pub(super) fn judge(entry: &str) -> Option<BadEntryReason> {
    if pattern_source(entry).is_some() {
        None
    } else if glob::is_glob(entry) {
        judge_glob(entry)
    } else {
        judge_exact(entry)
    }
}

/// A glob matches whole addresses.
pub(super) fn judge_glob(entry: &str) -> Option<BadEntryReason> {
    entry.starts_with(['@', '＠']).then_some(BadEntryReason::NoLocalPart)
}

pub(super) fn judge_exact(entry: &str) -> Option<BadEntryReason> {
    let entry = with_ascii_at(entry);
    let Some((local, domain)) = entry.rsplit_once('@') else { return Some(BadEntryReason::NoAt) };
    if address::is_too_long(local, domain) {
        return Some(BadEntryReason::LongAddress);
    }
    let quoted = local.starts_with('"') && local.ends_with('"');
    let beyond = |letter: char| {
        letter.is_whitespace()
            || letter.is_control()
            || matches!(letter, '<' | '>' | '(' | ')' | ',' | ';')
    };
    if !quoted && local.contains('@') {
        return Some(BadEntryReason::ManyAts);
    }
    if domain.contains(beyond) || !quoted && local.contains(beyond) {
        return Some(BadEntryReason::NotBare);
    }
    let host = match domain.strip_prefix('.') {
        Some(host) if local.is_empty() => host,
        _ => domain,
    };
    if host.is_empty() {
        // `user@` matches any domain; `@` and `@.` match nothing.
        return (local.is_empty()).then_some(BadEntryReason::BadDomain);
    }
    let literal = host.starts_with('[') && host.ends_with(']');
    let label = |label: &str| {
        !label.is_empty()
            && label.chars().all(|letter| !letter.is_ascii_punctuation() || "-_".contains(letter))
    };
    let host = host.strip_suffix('.').unwrap_or(host);
    (!literal && !host.split('.').all(label)).then_some(BadEntryReason::BadDomain)
}

#[cfg(test)]
mod tests {
    use super::BadEntryReason;
    use super::judge;

    #[test]
    fn which_entries_no_address_can_match() {
        use BadEntryReason::{BadDomain, NoLocalPart, NotBare};
        for (entry, reason) in [
            ("user@[192.0.2.1]", None),
            ("user@[192.0.2.1", Some(BadDomain)),
            ("user@例え.jp", None),
            ("user@", None),
            ("user＠例え.jp", None),
            ("＠deep.example", None),
            ("＠*.deep.example", Some(NoLocalPart)),
            ("@.deep.example", None),
            ("user@.deep.example", Some(BadDomain)),
            ("@.", Some(BadDomain)),
            ("@*.deep.example", Some(NoLocalPart)),
            ("*@*.deep.example", None),
            ("\"a b\"@x.example", None),
            ("\"a b@x.example", Some(NotBare)),
            ("a b\"@x.example", Some(NotBare)),
        ] {
            assert_eq!(judge(entry), reason, "{entry}");
        }
    }
}
