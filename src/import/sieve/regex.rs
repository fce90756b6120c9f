//! Patterns: globs as in `:matches`, and numbers as `i;ascii-numeric` compares them, each
//! as a regular expression of ours; and what such expressions match.

use std::collections::BTreeSet;

use regex_syntax::hir::{Class, Hir, HirKind};

use crate::import::ir::{glob_literal, pattern_literal};

/// A part of a glob, RFC 5228 §2.7.1.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Glob {
    /// Text.
    Text(String),
    /// `*`
    Star,
    /// `?`
    One,
}

/// Takes a glob apart. A star after a star is dropped.
pub(super) fn glob(text: &str) -> Vec<Glob> {
    let mut parts: Vec<Glob> = Vec::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '*' => parts.push(Glob::Star),
            '?' => parts.push(Glob::One),
            _ => {
                let c = if c == '\\' { chars.next().unwrap_or('\\') } else { c };
                match parts.last_mut() {
                    Some(Glob::Text(text)) => text.push(c),
                    _ => parts.push(Glob::Text(c.to_string())),
                }
            }
        }
    }
    parts
}

/// A glob in our syntax.
pub(super) fn our_glob(parts: &[Glob]) -> String {
    let mut out = String::new();
    for part in parts {
        match part {
            Glob::Text(text) => out.push_str(&glob_literal(text)),
            Glob::Star if out.ends_with('*') && !out.ends_with("\\*") => {}
            Glob::Star => out.push('*'),
            Glob::One => out.push('?'),
        }
    }
    out
}

/// A glob as a pattern that captures what its wildcards stand for: as little as possible,
/// RFC 5229 §3.2.
pub(super) fn glob_pattern(parts: &[Glob]) -> String {
    let mut out = String::from("(?s)^");
    for part in parts {
        match part {
            Glob::Text(text) => out.push_str(&casemap_literal(text)),
            Glob::Star => out.push_str("(.*?)"),
            Glob::One => out.push_str("(.)"),
        }
    }
    out.push('$');
    out
}

/// Whether a letter has two cases and is not ASCII: `i;ascii-casemap` tells them apart.
pub(super) fn is_cased_beyond_ascii(c: char) -> bool {
    !c.is_ascii() && (c.to_lowercase().ne([c]) || c.to_uppercase().ne([c]))
}

/// A text as a pattern in which case counts as it does for `i;ascii-casemap`.
pub(super) fn casemap_literal(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let cased = is_cased_beyond_ascii(first);
        // A blank between words of such letters stays with them.
        let same = |c: char| is_cased_beyond_ascii(c) == cased || cased && !c.is_alphabetic();
        let end = rest.find(|c| !same(c)).unwrap_or(rest.len());
        let (run, after) = rest.split_at(end);
        match cased {
            true => out.push_str(&format!("(?-i:{})", pattern_literal(run))),
            false => out.push_str(&pattern_literal(run)),
        }
        rest = after;
    }
    out
}

/// The groups of a pattern of ours that always match at least one character, and none
/// that separates levels of folders, is a blank or is invisible.
pub(super) fn one_level(pattern: &str) -> BTreeSet<u32> {
    let mut found = BTreeSet::new();
    let Ok(hir) = regex_syntax::parse(pattern) else { return found };
    let mut open = vec![&hir];
    while let Some(hir) = open.pop() {
        match hir.kind() {
            HirKind::Capture(capture) => {
                if capture.sub.properties().minimum_len() > Some(0) && is_plain(&capture.sub) {
                    found.insert(capture.index);
                }
                open.push(&capture.sub);
            }
            // Elsewhere a group may capture nothing.
            HirKind::Repetition(repetition) if repetition.min > 0 => open.push(&repetition.sub),
            HirKind::Concat(parts) => open.extend(parts),
            _ => {}
        }
    }
    found
}

/// How many groups a pattern of ours has.
pub(super) fn group_count(pattern: &str) -> u32 {
    let groups =
        regex_syntax::parse(pattern).map_or(0, |hir| hir.properties().explicit_captures_len());
    u32::try_from(groups).unwrap_or(u32::MAX)
}

/// A pattern whose first group is everything that matches between its anchors.
pub(super) fn as_group(pattern: &str, start: bool, end: bool) -> String {
    let (flags, inner) = match pattern.strip_prefix("(?s)") {
        Some(inner) => ("(?s)", inner),
        None => ("", pattern),
    };
    let (begin, inner) = match inner.strip_prefix('^').filter(|_| start) {
        Some(inner) => ("^", inner),
        None => ("", inner),
    };
    let (inner, close) = match inner.strip_suffix('$').filter(|_| end) {
        Some(inner) => (inner, "$"),
        None => (inner, ""),
    };
    format!("{flags}{begin}({inner}){close}")
}

/// RFC 9051 §9: `flag-keyword`
pub(super) fn is_keyword_character(c: char) -> bool {
    c.is_ascii_graphic() && !"(){%*\"\\]".contains(c)
}

/// Whether a pattern can match only ASCII that may be in the name of one level, and in a
/// keyword.
fn is_plain(hir: &Hir) -> bool {
    let fits = |c: char| is_keyword_character(c) && !matches!(c, '.' | '/' | '~');
    let mut open = vec![hir];
    while let Some(hir) = open.pop() {
        let fine = match hir.kind() {
            HirKind::Literal(literal) => literal.0.iter().all(|byte| fits(char::from(*byte))),
            HirKind::Class(Class::Unicode(class)) => class
                .ranges()
                .iter()
                .all(|range| range.end().is_ascii() && (range.start()..=range.end()).all(fits)),
            HirKind::Class(Class::Bytes(_)) => false,
            HirKind::Empty | HirKind::Look(_) => true,
            HirKind::Capture(capture) => {
                open.push(&capture.sub);
                true
            }
            HirKind::Repetition(repetition) => {
                open.push(&repetition.sub);
                true
            }
            HirKind::Concat(parts) | HirKind::Alternation(parts) => {
                open.extend(parts);
                true
            }
        };
        if !fine {
            return false;
        }
    }
    true
}

/// A pattern on an address as one on `Name <address>`, which is what patterns see.
pub(super) fn on_address(inner: &str, start: bool, end: bool, after: &str) -> String {
    let mut out = String::from("(?:^|<)");
    if !start {
        // A group begins where it can first begin, so as little as possible comes before it.
        out.push_str(if group_count(inner) > 0 { "[^<>]*?" } else { "[^<>]*" });
    }
    out.push_str("(?:");
    out.push_str(inner);
    out.push(')');
    if !end {
        out.push_str(if after.is_empty() { "[^<>]*" } else { "[^<>@]*" });
    }
    out.push_str(after);
    out.push_str(if after.is_empty() { ">?$" } else { "[^<>@]*>?$" });
    out
}

/// The relation of a number to another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Relation {
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
    Equal,
    NotEqual,
}

/// The steps for a pattern, which is built here and where rules are checked.
pub(super) const PATTERN_STEPS: usize = 400;

impl Relation {
    /// Whether less, equal and greater are in this relation.
    pub(super) fn of_orders(self) -> (bool, bool, bool) {
        use std::cmp::Ordering::{Equal, Greater, Less};
        (self.holds(Less), self.holds(Equal), self.holds(Greater))
    }

    /// RFC 5231
    pub(super) fn of(word: &str) -> Result<Relation, String> {
        Ok(match word.to_ascii_lowercase().as_str() {
            "gt" => Relation::Greater,
            "ge" => Relation::GreaterOrEqual,
            "lt" => Relation::Less,
            "le" => Relation::LessOrEqual,
            "eq" => Relation::Equal,
            "ne" => Relation::NotEqual,
            _ => return Err(format!("`{word}` is not a relation")),
        })
    }

    /// Whether it holds for the result of a comparison.
    pub(super) fn holds(self, order: std::cmp::Ordering) -> bool {
        match self {
            Relation::Greater => order.is_gt(),
            Relation::GreaterOrEqual => order.is_ge(),
            Relation::Less => order.is_lt(),
            Relation::LessOrEqual => order.is_le(),
            Relation::Equal => order.is_eq(),
            Relation::NotEqual => order.is_ne(),
        }
    }
}

/// The number that a text begins with, as `i;ascii-numeric` reads it (RFC 4790 §9.1): its
/// digits without leading zeros; `None`, which is more than any number, if it begins with
/// none.
pub(super) fn leading_number(text: &str) -> Option<&str> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let digits = text.get(..end).filter(|digits| !digits.is_empty())?;
    Some(digits.trim_start_matches('0'))
}

/// A text that begins with a number in that relation to `key`, as a pattern; none if
/// there is no such text.
pub(super) fn number_pattern(relation: Relation, key: &str) -> Option<String> {
    const NONE: &str = "[^0-9]|$";
    let Some(number) = leading_number(key) else {
        // Infinity: all others are less.
        return match relation {
            Relation::Greater => None,
            Relation::GreaterOrEqual | Relation::Equal => Some(format!("^(?:{NONE})")),
            Relation::Less | Relation::NotEqual => Some("^[0-9]".into()),
            Relation::LessOrEqual => Some("^".into()),
        };
    };
    let equal = format!("0*{number}(?:{NONE})");
    // Zero has no digits left here: at least one has to be written.
    let equal = if number.is_empty() { format!("0+(?:{NONE})") } else { equal };
    let greater = || {
        let mut ways = vec![format!("[1-9][0-9]{{{},}}", number.len())];
        for (at, digit) in number.char_indices().filter(|(_, digit)| *digit != '9') {
            let more = char::from(digit as u8 + 1);
            let rest = number.len() - at - 1;
            let class = if more == '9' { "9".into() } else { format!("[{more}-9]") };
            ways.push(format!("{}{class}{}", &number[..at], digits(rest)));
        }
        ways
    };
    let pattern = match relation {
        Relation::Equal => format!("^{equal}"),
        Relation::Greater => format!("^(?:0*(?:{})|{NONE})", greater().join("|")),
        Relation::GreaterOrEqual => {
            format!("^(?:0*(?:{})|{equal}|{NONE})", greater().join("|"))
        }
        Relation::Less | Relation::LessOrEqual | Relation::NotEqual => {
            let mut ways = Vec::new();
            if relation != Relation::NotEqual {
                if relation == Relation::LessOrEqual {
                    ways.push(equal.clone());
                }
            } else {
                ways.push(format!("0*(?:{})", greater().join("|")));
                ways.push(NONE.to_owned());
            }
            if !number.is_empty() {
                ways.push(format!("0+(?:{NONE})"));
                if number.len() > 1 {
                    ways.push(format!("0*[1-9][0-9]{{0,{}}}(?:{NONE})", number.len() - 2));
                }
                for (at, digit) in number.char_indices() {
                    let least = if at == 0 { '1' } else { '0' };
                    if digit <= least {
                        continue;
                    }
                    let less = char::from(digit as u8 - 1);
                    let rest = number.len() - at - 1;
                    let class =
                        if less == least { less.to_string() } else { format!("[{least}-{less}]") };
                    ways.push(format!("0*{}{class}{}(?:{NONE})", &number[..at], digits(rest)));
                }
            }
            if ways.is_empty() {
                return None;
            }
            format!("^(?:{})", ways.join("|"))
        }
    };
    Some(pattern)
}

fn digits(count: usize) -> String {
    match count {
        0 => String::new(),
        1 => "[0-9]".into(),
        _ => format!("[0-9]{{{count}}}"),
    }
}

/// Compares as `i;ascii-numeric`.
pub(super) fn compare_numbers(one: &str, other: &str) -> std::cmp::Ordering {
    match (leading_number(one), leading_number(other)) {
        (Some(one), Some(other)) => one.len().cmp(&other.len()).then_with(|| one.cmp(other)),
        (Some(_), None) => std::cmp::Ordering::Less,
        (None, Some(_)) => std::cmp::Ordering::Greater,
        (None, None) => std::cmp::Ordering::Equal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_compared_as_ascii_numeric_does() {
        let texts = [
            "0", "1", "5", "9", "10", "11", "15", "19", "20", "99", "100", "101", "150", "199",
            "1000", "007", "00", "5.5", "-1", "x", "", "12abc", "90", "89", "91",
        ];
        let relations = [
            Relation::Greater,
            Relation::GreaterOrEqual,
            Relation::Less,
            Relation::LessOrEqual,
            Relation::Equal,
            Relation::NotEqual,
        ];
        for key in texts {
            for relation in relations {
                let pattern = number_pattern(relation, key);
                let built =
                    pattern.as_deref().map(|p| regex_automata::meta::Regex::new(p).unwrap());
                for text in texts {
                    let wanted = relation.holds(compare_numbers(text, key));
                    let found = built.as_ref().is_some_and(|regex| regex.is_match(text));
                    assert_eq!(found, wanted, "{text:?} {relation:?} {key:?}: {pattern:?}");
                }
            }
        }
    }

    #[test]
    fn globs_capture_as_little_as_they_can() {
        assert_eq!(our_glob(&glob("a**b[\\*?")), "a*b\\[\\*?");
        assert_eq!(glob_pattern(&glob("[x] *-?")), "(?s)^\\[x\\] (.*?)\\-(.)$");
    }
}
