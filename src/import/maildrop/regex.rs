//! Perl's regular expressions, pcrepattern(3), in our syntax, and the texts that some of
//! them stand for.

use std::collections::HashSet;

use regex_syntax::hir::{Class, Hir, HirKind};

use crate::import::alternatives::{plain_text, split_alternatives};

/// In the syntax of the regex crate, with these names for its groups; without names they
/// capture nothing. Returns the number of groups, too.
///
/// # Errors
/// Why it cannot be expressed.
pub(super) fn translate(
    pattern: &str,
    names: Option<&dyn Fn(usize) -> String>,
) -> Result<(String, usize), String> {
    let mut out = String::new();
    let mut chars: Vec<char> = pattern.chars().collect();
    chars.push('\0');
    let (mut at, mut groups, mut depth) = (0, 0, 0_u32);
    // Whether there is something to repeat.
    let mut atom = false;
    while let Some(c) = chars.get(at).copied().filter(|_| at + 1 < chars.len()) {
        let next = chars.get(at + 1).copied().unwrap_or('\0');
        at += 1;
        match c {
            '\\' => {
                at += 1;
                escape(next, &mut out)?;
                atom = !matches!(next, 'b' | 'B');
            }
            '[' => {
                at = class(&chars, at, &mut out)?;
                atom = true;
            }
            '(' => {
                depth += 1;
                atom = false;
                if next == '?' {
                    if chars.get(at + 1) != Some(&':') {
                        return Err("a group that looks around or sets options".into());
                    }
                    at += 2;
                    out.push_str("(?:");
                } else if next == '*' {
                    return Err("a verb of Perl's regular expressions".into());
                } else {
                    groups += 1;
                    match names {
                        Some(name) => out.push_str(&format!("(?P<{}>", name(groups))),
                        None => out.push_str("(?:"),
                    }
                }
            }
            ')' => {
                depth = depth.checked_sub(1).ok_or("a `)` closes nothing")?;
                out.push(')');
                atom = true;
            }
            '*' | '+' | '?' => {
                at = repeat(&chars, at, c.to_string(), atom, &mut out)?;
                atom = false;
            }
            '{' => match braces(&chars, at) {
                Some((written, end)) => {
                    at = repeat(&chars, end, written, atom, &mut out)?;
                    atom = false;
                }
                None => {
                    out.push_str("\\{");
                    atom = true;
                }
            },
            '|' => {
                out.push('|');
                atom = false;
            }
            '^' | '$' => {
                out.push(c);
                atom = false;
            }
            '.' => {
                out.push('.');
                atom = true;
            }
            c => {
                literal(c, &mut out);
                atom = true;
            }
        }
    }
    match depth {
        0 => Ok((out, groups)),
        _ => Err("a `(` is not closed".into()),
    }
}

/// Whether a pattern of ours repeats something that may be empty: Perl captures something
/// else there.
pub(super) fn repeats_nothing(regex: &str) -> bool {
    let Ok(hir) = regex_syntax::parse(regex) else { return true };
    let mut open: Vec<&Hir> = vec![&hir];
    while let Some(hir) = open.pop() {
        match hir.kind() {
            HirKind::Repetition(repetition) => {
                let may_be_empty = repetition.sub.properties().minimum_len() == Some(0);
                if repetition.max != Some(1) && may_be_empty {
                    return true;
                }
                open.push(&repetition.sub);
            }
            HirKind::Capture(capture) => open.push(&capture.sub),
            HirKind::Concat(parts) | HirKind::Alternation(parts) => open.extend(parts),
            _ => {}
        }
    }
    false
}

/// Whether a group of a pattern of ours may contain a quote and does not begin after `<`.
pub(super) fn captures_quotes(regex: &str) -> bool {
    fn holds(hir: &Hir) -> bool {
        match hir.kind() {
            HirKind::Literal(literal) => literal.0.contains(&b'"'),
            HirKind::Class(Class::Unicode(class)) => {
                class.ranges().iter().any(|range| (range.start()..=range.end()).contains(&'"'))
            }
            HirKind::Class(Class::Bytes(_)) => true,
            HirKind::Repetition(repetition) => holds(&repetition.sub),
            HirKind::Capture(capture) => holds(&capture.sub),
            HirKind::Concat(parts) | HirKind::Alternation(parts) => parts.iter().any(holds),
            HirKind::Empty | HirKind::Look(_) => false,
        }
    }
    let Ok(hir) = regex_syntax::parse(regex) else { return true };
    let mut open = vec![(&hir, false)];
    while let Some((hir, in_angles)) = open.pop() {
        match hir.kind() {
            HirKind::Capture(capture) if !in_angles && holds(&capture.sub) => return true,
            HirKind::Repetition(repetition) => open.push((&repetition.sub, false)),
            HirKind::Alternation(parts) => open.extend(parts.iter().map(|part| (part, false))),
            HirKind::Concat(parts) => {
                let mut behind = in_angles;
                for part in parts {
                    open.push((part, behind));
                    behind =
                        matches!(part.kind(), HirKind::Literal(text) if text.0.ends_with(b"<"));
                }
            }
            _ => {}
        }
    }
    false
}

/// The groups of a pattern that may not take part in a match.
pub(super) fn optional_groups(pattern: &str) -> HashSet<usize> {
    let name = |group: usize| format!("g{group}");
    let mut found = HashSet::new();
    let Ok((regex, _)) = translate(pattern, Some(&name)) else { return found };
    let Ok(hir) = regex_syntax::parse(&regex) else { return found };
    let mut open: Vec<(&Hir, bool)> = vec![(&hir, false)];
    while let Some((hir, optional)) = open.pop() {
        match hir.kind() {
            HirKind::Repetition(repetition) => {
                open.push((&repetition.sub, optional || repetition.min == 0));
            }
            HirKind::Capture(capture) => {
                if optional {
                    found.insert(capture.index as usize);
                }
                open.push((&capture.sub, optional));
            }
            HirKind::Concat(parts) => open.extend(parts.iter().map(|part| (part, optional))),
            HirKind::Alternation(parts) => open.extend(parts.iter().map(|part| (part, true))),
            _ => {}
        }
    }
    found
}

/// `*`, `+`, `?` or `{…}`, and what follows it.
fn repeat(
    chars: &[char],
    at: usize,
    written: String,
    atom: bool,
    out: &mut String,
) -> Result<usize, String> {
    if !atom {
        return Err(format!("`{written}` repeats nothing"));
    }
    out.push_str(&written);
    match chars.get(at) {
        Some('?') => {
            out.push('?');
            Ok(at + 1)
        }
        Some('+') => Err("a repetition that gives nothing back (`++`)".into()),
        _ => Ok(at),
    }
}

/// `{n}`, `{n,}`, `{n,m}`; anything else is a brace.
fn braces(chars: &[char], at: usize) -> Option<(String, usize)> {
    let length = chars.get(at..)?.iter().position(|c| *c == '}')?;
    let inner: String = chars.get(at..at + length)?.iter().collect();
    let (from, to) = inner.split_once(',').unwrap_or((&inner, ""));
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()) && text.len() < 5;
    let fits = !from.is_empty() && is_number(from) && is_number(to);
    fits.then(|| (format!("{{{inner}}}"), at + length + 1))
}

fn escape(c: char, out: &mut String) -> Result<(), String> {
    match c {
        '\0' => return Err("the pattern ends with `\\`".into()),
        'd' => out.push_str("[0-9]"),
        'D' => out.push_str("[^0-9]"),
        'w' => out.push_str("[0-9A-Za-z_]"),
        'W' => out.push_str("[^0-9A-Za-z_]"),
        's' | 'S' | 'b' | 'B' | 'n' | 't' | 'r' | 'f' => out.extend(['\\', c]),
        'h' => out.push_str("[ \\t]"),
        '1'..='9' => return Err("a pattern that refers back".into()),
        c if c.is_ascii_alphanumeric() => return Err(format!("`\\{c}` in a pattern")),
        c => literal(c, out),
    }
    Ok(())
}

fn literal(c: char, out: &mut String) {
    match c {
        '\n' => out.push_str("\\n"),
        '\t' => out.push_str("\\t"),
        c if c.is_control() => out.push_str(&format!("\\x{{{:x}}}", c as u32)),
        '\\' | '{' | '}' | '(' | ')' | '[' | ']' | '.' | '*' | '+' | '?' | '|' | '^' | '$'
        | '#' | '&' | '~' => out.extend(['\\', c]),
        c => out.push(c),
    }
}

/// A class, after its `[`; returns where it ends.
fn class(chars: &[char], mut at: usize, out: &mut String) -> Result<usize, String> {
    let get = |at: usize| chars.get(at).copied().filter(|_| at + 1 < chars.len());
    out.push('[');
    if get(at) == Some('^') {
        out.push('^');
        at += 1;
    }
    let mut first = true;
    loop {
        let c = get(at).ok_or("a `[` is not closed")?;
        at += 1;
        match c {
            ']' if !first => break,
            '[' if get(at) == Some(':') => {
                let rest: String = chars.get(at + 1..).unwrap_or_default().iter().collect();
                let (name, _) = rest.split_once(":]").ok_or("a class is not closed")?;
                if !name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'^') {
                    return Err("a class is not known".into());
                }
                out.push_str(&format!("[:{name}:]"));
                at += name.len() + 3;
            }
            '\\' => {
                let next = get(at).ok_or("a `[` is not closed")?;
                at += 1;
                match next {
                    'd' => out.push_str("0-9"),
                    'w' => out.push_str("0-9A-Za-z_"),
                    's' | 'n' | 't' | 'r' | 'f' => out.extend(['\\', next]),
                    c if c.is_ascii_alphanumeric() => return Err(format!("`\\{c}` in a pattern")),
                    c => in_class(c, out),
                }
            }
            // A range, or a literal sign.
            '-' if first || get(at) == Some(']') => out.push_str("\\-"),
            '-' => out.push('-'),
            c => in_class(c, out),
        }
        first = false;
    }
    out.push(']');
    Ok(at)
}

fn in_class(c: char, out: &mut String) {
    match c {
        '[' | ']' | '\\' | '&' | '~' | '#' | '^' | '-' => out.extend(['\\', c]),
        '\n' => out.push_str("\\n"),
        '\t' => out.push_str("\\t"),
        c if c.is_control() => out.push_str(&format!("\\x{{{:x}}}", c as u32)),
        c => out.push(c),
    }
}

/// The one text that a pattern stands for, if nothing in it has a special meaning.
fn literal_of(pattern: &str) -> Option<(String, bool)> {
    plain_text(pattern, "*+?()|[^${", char::is_control)
}

/// The texts that a pattern stands for, if it stands for texts: `a\.b`, `a(b|c)d`; and
/// whether a dot in it was taken literally.
pub(super) fn literals(pattern: &str) -> Option<(Vec<String>, bool)> {
    let opens = |text: &str| text.matches('(').count();
    if opens(pattern) == 0 {
        let (text, dots) = literal_of(pattern)?;
        return Some((vec![text], dots));
    }
    let (before, rest) = pattern.split_once('(')?;
    let (inner, behind) = rest.split_once(')')?;
    if opens(rest) > 0 || before.ends_with('\\') || inner.ends_with('\\') {
        return None;
    }
    let inner = inner.strip_prefix("?:").unwrap_or(inner);
    let mut dots = false;
    let texts = split_top(inner)?.into_iter().map(|part| {
        let (text, dot) = literal_of(&format!("{before}{part}{behind}"))?;
        dots |= dot;
        Some(text)
    });
    let texts = texts.collect::<Option<Vec<_>>>()?;
    Some((texts, dots))
}

/// Its alternatives; a backslash in brackets escapes.
pub(super) fn split_top(pattern: &str) -> Option<Vec<&str>> {
    split_alternatives(pattern, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_translated() {
        for (from, want) in [
            ("a.b\\.c", "a.b\\.c"),
            ("\\<x\\>\\@", "<x>@"),
            ("(a|b)+c{2,3}?", "(?:a|b)+c{2,3}?"),
            ("{x}", "\\{x\\}"),
            ("[]a-z\\]&&-]", "[\\]a-z\\]\\&\\&\\-]"),
            ("[[:alpha:]\\d]", "[[:alpha:]0-9]"),
            ("\\d\\s*\\bx$", "[0-9]\\s*\\bx$"),
            ("a#b", "a\\#b"),
        ] {
            assert_eq!(translate(from, None).unwrap().0, want, "{from}");
        }
        let name = |group: usize| format!("m{group}");
        assert_eq!(
            translate("(a)(?:b)(c)", Some(&name)).unwrap(),
            ("(?P<m1>a)(?:b)(?P<m2>c)".into(), 2)
        );
        for bad in ["(?=x)", "a++", "\\1", "(a", "a)", "[a", "*a", "(?i)x", "\\Qx", "x\\"] {
            assert!(translate(bad, None).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_groups_keep_is_known() {
        let optional = |pattern: &str| {
            let mut found: Vec<usize> = optional_groups(pattern).into_iter().collect();
            found.sort_unstable();
            found
        };
        assert_eq!(optional("(a)(b)?(c|(d))+(e)*(f){1,2}"), [2, 4, 5]);
        assert_eq!(optional("(a)|b"), [1]);
        for (regex, repeats) in
            [("(a*)+", true), ("(?:a|)*b", true), ("(a?){2}", true), ("(a+)*(b*)?c*", false)]
        {
            assert_eq!(repeats_nothing(regex), repeats, "{regex}");
        }
    }

    #[test]
    fn texts_in_patterns() {
        assert_eq!(literals("a\\.b@(c|d)e").unwrap().0, ["a.b@ce", "a.b@de"]);
        assert_eq!(literals("a.b").unwrap(), (vec!["a.b".into()], true));
        assert_eq!(literals("a.*"), None);
    }
}
