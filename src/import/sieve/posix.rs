//! POSIX extended regular expressions, as `:regex` takes them, as regular expressions of
//! ours. glibc is the reference: Pigeonhole compiles them with it.

use super::regex::casemap_literal;
use crate::import::bracket::bracket;

/// What a regular expression of POSIX is in our syntax.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct PosixPattern {
    /// In our syntax, with its anchors.
    pub(super) pattern: String,
    /// It begins with `^`, alone.
    pub(super) start: bool,
    /// It ends with `$`, alone.
    pub(super) end: bool,
    /// It has an alternation outside of groups.
    pub(super) branches: bool,
}

/// What a repetition applies to.
#[derive(Debug, Clone, Copy)]
enum RepeatTarget {
    /// Nothing: it is a mistake.
    Nothing,
    /// What begins here in our pattern.
    Atom(usize),
    /// The same, and it is repeated already: by this sign, `{` for any other.
    Repeated(usize, char),
}

const OF_NOTHING: &str =
    "a repetition of nothing in a regular expression: Dovecot refuses the script";

/// With `address`, what any character stands for does not go beyond the address.
pub(super) fn regex(source: &str, address: bool) -> Result<PosixPattern, String> {
    let mut out = String::with_capacity(source.len() + 8);
    let mut told =
        PosixPattern { pattern: String::new(), start: false, end: false, branches: false };
    // Where the open groups begin.
    let mut open: Vec<usize> = Vec::new();
    let mut before = RepeatTarget::Nothing;
    let mut chars = source.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        let here = RepeatTarget::Atom(out.len());
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
                let is_anchor = matches!(next, 'b' | 'B' | '<' | '>' | '`' | '\'');
                before = if is_anchor { RepeatTarget::Nothing } else { here };
            }
            '[' => {
                let (mut class, length) = bracket(&source[at..])?;
                if address && class.starts_with("[^") {
                    class.insert_str("[^".len(), "<>");
                }
                out.push_str(&class);
                while chars.peek().is_some_and(|(next, _)| *next < at + length) {
                    chars.next();
                }
                before = here;
            }
            '(' => {
                if chars.peek().is_some_and(|(_, next)| *next == '?') {
                    return Err("a group with `(?` in a regular expression".into());
                }
                open.push(out.len());
                out.push('(');
                before = RepeatTarget::Nothing;
            }
            ')' => match open.pop() {
                Some(start) => {
                    out.push(')');
                    before = RepeatTarget::Atom(start);
                }
                None => {
                    out.push_str("\\)");
                    before = here;
                }
            },
            '|' => {
                told.branches |= open.is_empty();
                out.push('|');
                before = RepeatTarget::Nothing;
            }
            '*' | '+' | '?' => match before {
                RepeatTarget::Nothing => return Err(OF_NOTHING.into()),
                RepeatTarget::Atom(start) => {
                    out.push(c);
                    before = RepeatTarget::Repeated(start, c);
                }
                RepeatTarget::Repeated(_, last) if last == c => {}
                // `a*?` would mean something else here.
                RepeatTarget::Repeated(start, '{') => {
                    out.insert_str(start, "(?:");
                    out.extend([')', c]);
                    before = RepeatTarget::Repeated(start, c);
                }
                RepeatTarget::Repeated(start, _) => {
                    out.pop();
                    out.push('*');
                    before = RepeatTarget::Repeated(start, '*');
                }
            },
            '{' => {
                let Some(length) = interval(&source[at..]) else {
                    return Err("a `{` without a number in a regular expression: Dovecot \
                                refuses the script"
                        .into());
                };
                let start = match before {
                    RepeatTarget::Nothing => return Err(OF_NOTHING.into()),
                    RepeatTarget::Atom(start) => start,
                    RepeatTarget::Repeated(start, _) => {
                        out.insert_str(start, "(?:");
                        out.push(')');
                        start
                    }
                };
                out.push_str(&source[at..at + length].replace("{,", "{0,"));
                while chars.peek().is_some_and(|(next, _)| *next < at + length) {
                    chars.next();
                }
                before = RepeatTarget::Repeated(start, '{');
            }
            '.' => {
                out.push_str(if address { "[^<>]" } else { "." });
                before = here;
            }
            '^' => {
                if at == 0 {
                    told.start = true;
                } else if address {
                    return Err("a `^` inside of a regular expression for addresses".into());
                }
                out.push('^');
                before = RepeatTarget::Nothing;
            }
            '$' => {
                if at + 1 == source.len() {
                    told.end = true;
                } else if address {
                    return Err("a `$` inside of a regular expression for addresses".into());
                }
                out.push('$');
                before = RepeatTarget::Nothing;
            }
            _ => {
                if c == '}' || c == ']' {
                    out.push('\\');
                    out.push(c);
                } else {
                    out.push_str(&casemap_literal(&c.to_string()));
                }
                before = here;
            }
        }
    }
    if !open.is_empty() {
        return Err("a group that is never closed in a regular expression".into());
    }
    told.pattern = out;
    Ok(told)
}

/// `{2}`, `{2,}`, `{2,5}`, `{,5}`: how long it is.
fn interval(text: &str) -> Option<usize> {
    let end = text.find('}')?;
    let inner = text.get(1..end)?;
    let (from, to) = inner.split_once(',').unwrap_or((inner, inner));
    let digits = |part: &str| part.chars().all(|c| c.is_ascii_digit()) && part.len() < 4;
    (digits(from) && digits(to) && !inner.trim_matches(',').is_empty()).then_some(end + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn posix_patterns_are_translated() {
        for (posix, ours) in [
            ("^a.b$", "^a.b$"),
            ("a{2,}b\\{", "a{2,}b\\{"),
            ("[^a-z\\]x", "[^a-z\\\\]x"),
            ("[]a-]", "[\\]a\\-]"),
            ("\\d\\w", "d\\w"),
            ("(a|b)+", "(a|b)+"),
            ("[[:alpha:]_&&b]", "[[:alpha:]_\\&\\&b]"),
            ("\\*{2}", "\\*{2}"),
            ("a.*?b+?c?*d??", "a.*b*c*d?"),
            ("(ab)*+x{2}*y+{3}", "(ab)*(?:x{2})*(?:y+){3}"),
            ("a#b", "a\\#b"),
            ("a)", "a\\)"),
        ] {
            assert_eq!(regex(posix, false).unwrap().pattern, ours, "{posix}");
            assert!(regex_automata::meta::Regex::new(ours).is_ok(), "{ours}");
        }
        for bad in [
            "(a)\\1", "(?:a)", "a\\", "[a", "(a", "*a", "^*a", "a|+b", "(?a)", "$*", "\\<+a",
            "{2}a", "a{", "a{x}",
        ] {
            assert!(regex(bad, false).is_err(), "{bad}");
        }
    }
}
