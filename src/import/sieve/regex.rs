//! Patterns: POSIX extended regular expressions as in Sieve's `:regex`, globs as in
//! `:matches`, and numbers as `i;ascii-numeric` compares them, each as a regular
//! expression of ours.

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
        let (run, behind) = rest.split_at(end);
        match cased {
            true => out.push_str(&format!("(?-i:{})", pattern_literal(run))),
            false => out.push_str(&pattern_literal(run)),
        }
        rest = behind;
    }
    out
}

/// A regular expression, translated; or why it cannot be.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Translated {
    /// In our syntax, with its anchors.
    pub(super) pattern: String,
    /// It begins with `^`, alone.
    pub(super) start: bool,
    /// It ends with `$`, alone.
    pub(super) end: bool,
    /// It has an alternation outside of groups.
    pub(super) branches: bool,
}

/// With `address`, what any character stands for does not go beyond the address.
pub(super) fn regex(source: &str, address: bool) -> Result<Translated, String> {
    let mut out = String::with_capacity(source.len() + 8);
    let mut told = Translated { pattern: String::new(), start: false, end: false, branches: false };
    let mut depth = 0_usize;
    // Whether there is something before that a repetition could apply to.
    let mut atom = false;
    let mut chars = source.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => {
                let Some((_, next)) = chars.next() else {
                    return Err("a regular expression that ends with a backslash".into());
                };
                match next {
                    '1'..='9' => return Err("a back-reference in a regular expression".into()),
                    'w' | 'W' | 's' | 'S' | 'b' | 'B' => out.extend(['\\', next]),
                    '<' | '>' => out.push_str("\\b"),
                    '`' => out.push('^'),
                    '\'' => out.push('$'),
                    _ => out.push_str(&casemap_literal(&next.to_string())),
                }
                atom = true;
            }
            '[' => {
                let (class, length) = bracket(&source[at..], address)?;
                out.push_str(&class);
                while chars.peek().is_some_and(|(next, _)| *next < at + length) {
                    chars.next();
                }
                atom = true;
            }
            '(' => {
                if chars.peek().is_some_and(|(_, next)| *next == '?') {
                    return Err("a group with `(?` in a regular expression".into());
                }
                depth += 1;
                out.push('(');
                atom = false;
            }
            ')' if depth > 0 => {
                depth -= 1;
                out.push(')');
                atom = true;
            }
            '|' => {
                told.branches |= depth == 0;
                out.push('|');
                atom = false;
            }
            '*' | '+' | '?' if !atom => {
                // At the start there is nothing to repeat: glibc takes it literally.
                out.push('\\');
                out.push(c);
                atom = true;
            }
            '*' | '+' | '?' => {
                // `a*?` would mean something else here.
                if out.ends_with(['*', '+', '?', '}'])
                    && !out.ends_with("\\*")
                    && !out.ends_with("\\+")
                    && !out.ends_with("\\?")
                    && !out.ends_with("\\}")
                {
                    if c == '*' && out.ends_with('*') || c == '+' && out.ends_with('+') {
                        continue;
                    }
                    return Err("a repetition of a repetition in a regular expression".into());
                }
                out.push(c);
            }
            '{' => match interval(&source[at..]) {
                Some(length) if atom => {
                    if out.ends_with(['*', '+', '?']) {
                        return Err("a repetition of a repetition in a regular expression".into());
                    }
                    let text = &source[at..at + length];
                    out.push_str(&text.replace("{,", "{0,"));
                    while chars.peek().is_some_and(|(next, _)| *next < at + length) {
                        chars.next();
                    }
                }
                _ => {
                    out.push_str("\\{");
                    atom = true;
                }
            },
            '.' => {
                out.push_str(if address { "[^<>]" } else { "." });
                atom = true;
            }
            '^' => {
                if at == 0 {
                    told.start = true;
                } else if address {
                    return Err("a `^` inside of a regular expression for addresses".into());
                }
                out.push('^');
                atom = false;
            }
            '$' => {
                if at + 1 == source.len() {
                    told.end = true;
                } else if address {
                    return Err("a `$` inside of a regular expression for addresses".into());
                }
                out.push('$');
                atom = true;
            }
            _ => {
                if c == ')' || c == '}' || c == ']' {
                    out.push('\\');
                    out.push(c);
                } else {
                    out.push_str(&casemap_literal(&c.to_string()));
                }
                atom = true;
            }
        }
    }
    if depth > 0 {
        return Err("a group that is never closed in a regular expression".into());
    }
    told.pattern = out;
    Ok(told)
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

/// Whether a pattern can match only ASCII that may be in the name of one level.
fn is_plain(hir: &Hir) -> bool {
    let fits = |c: char| c.is_ascii_graphic() && !matches!(c, '.' | '/' | '~');
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

/// `{2}`, `{2,}`, `{2,5}`, `{,5}`: how long it is.
fn interval(text: &str) -> Option<usize> {
    let end = text.find('}')?;
    let inner = text.get(1..end)?;
    let (from, to) = inner.split_once(',').unwrap_or((inner, inner));
    let digits = |part: &str| part.chars().all(|c| c.is_ascii_digit()) && part.len() < 4;
    (digits(from) && digits(to) && !inner.trim_matches(',').is_empty()).then_some(end + 1)
}

/// A bracket expression at the start of a text, and its length. A backslash in it is
/// literal.
fn bracket(text: &str, address: bool) -> Result<(String, usize), String> {
    let mut out = String::from("[");
    let mut chars = text.char_indices().skip(1).peekable();
    let negated = chars.next_if(|(_, c)| *c == '^').is_some();
    if negated {
        out.push('^');
        if address {
            out.push_str("<>");
        }
    }
    let mut first = true;
    while let Some((at, c)) = chars.next() {
        match c {
            ']' if !first => return Ok((out + "]", at + 1)),
            '[' if chars.peek().is_some_and(|(_, next)| matches!(next, ':' | '.' | '=')) => {
                let rest = text.get(at..).unwrap_or_default();
                let end = rest.find(":]").ok_or("a class in a regular expression")?;
                let class = rest.get(..end + 2).unwrap_or_default();
                const CLASSES: [&str; 12] = [
                    "[:alpha:]",
                    "[:digit:]",
                    "[:alnum:]",
                    "[:upper:]",
                    "[:lower:]",
                    "[:space:]",
                    "[:blank:]",
                    "[:punct:]",
                    "[:print:]",
                    "[:graph:]",
                    "[:cntrl:]",
                    "[:xdigit:]",
                ];
                if !CLASSES.contains(&class) {
                    return Err(format!("`{class}` in a regular expression"));
                }
                out.push_str(class);
                while chars.peek().is_some_and(|(next, _)| *next < at + class.len()) {
                    chars.next();
                }
            }
            '-' => {
                // A range, or itself at either end.
                let edge = first || chars.peek().is_some_and(|(_, next)| *next == ']');
                out.push_str(if edge { "\\-" } else { "-" });
            }
            '[' | '\\' | ']' | '&' | '~' | '^' => out.extend(['\\', c]),
            '\n' | '\t' => out.push_str(if c == '\n' { "\\n" } else { "\\t" }),
            _ => out.push(c),
        }
        first = false;
    }
    Err("a class that is never closed in a regular expression".into())
}

/// A pattern on an address as one on `Name <address>`, which is what patterns see.
pub(super) fn on_address(inner: &str, start: bool, end: bool, behind: &str) -> String {
    let mut out = String::from("(?:^|<)");
    if !start {
        out.push_str("[^<>]*");
    }
    out.push_str("(?:");
    out.push_str(inner);
    out.push(')');
    if !end {
        out.push_str(if behind.is_empty() { "[^<>]*" } else { "[^<>@]*" });
    }
    out.push_str(behind);
    out.push_str(if behind.is_empty() { ">?$" } else { "[^<>@]*>?$" });
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
    fn posix_patterns_are_translated() {
        for (posix, ours) in [
            ("^a.b$", "^a.b$"),
            ("a{2,}b{", "a{2,}b\\{"),
            ("[^a-z\\]x", "[^a-z\\\\]x"),
            ("[]a-]", "[\\]a\\-]"),
            ("\\d\\w", "d\\w"),
            ("(a|b)+", "(a|b)+"),
            ("[[:alpha:]_&&b]", "[[:alpha:]_\\&\\&b]"),
            ("*a", "\\*a"),
            ("a#b", "a\\#b"),
            ("a)", "a\\)"),
        ] {
            assert_eq!(regex(posix, false).unwrap().pattern, ours, "{posix}");
            assert!(regex_automata::meta::Regex::new(ours).is_ok(), "{ours}");
        }
        for bad in ["(a)\\1", "(?:a)", "a\\", "[a", "(a"] {
            assert!(regex(bad, false).is_err(), "{bad}");
        }
    }

    #[test]
    fn globs_capture_as_little_as_they_can() {
        assert_eq!(our_glob(&glob("a**b[\\*?")), "a*b\\[\\*?");
        assert_eq!(glob_pattern(&glob("[x] *-?")), "(?s)^\\[x\\] (.*?)\\-(.)$");
    }
}
