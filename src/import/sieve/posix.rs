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

/// A pattern, as far as it is translated.
struct PosixTranslation {
    out: String,
    /// Where the open groups begin.
    open: Vec<usize>,
    before: RepeatTarget,
}

/// With `address`, what any character stands for does not go beyond the address.
pub(super) fn regex(source: &str, address: bool) -> Result<PosixPattern, String> {
    let mut translation = PosixTranslation {
        out: String::with_capacity(source.len() + 8),
        open: Vec::new(),
        before: RepeatTarget::Nothing,
    };
    let (mut start, mut end, mut branches) = (false, false, false);
    let mut rest = source;
    while let Some(c) = rest.chars().next() {
        let after = &rest[c.len_utf8()..];
        let mut length = c.len_utf8();
        match c {
            '\\' => length += translation.escape(after.chars().next())?,
            '[' => {
                let (mut class, taken) = bracket(rest)?;
                if address && class.starts_with("[^") {
                    class.insert_str("[^".len(), "<>");
                }
                translation.atom(&class);
                length = taken;
            }
            '(' if after.starts_with('?') => {
                return Err("a group with `(?` in a regular expression".into());
            }
            '(' => translation.open_group(),
            ')' => translation.close_group(),
            '|' => {
                branches |= translation.open.is_empty();
                translation.boundary("|");
            }
            '*' | '+' | '?' => translation.repeat(c)?,
            '{' => {
                length = interval(rest).ok_or(
                    "a `{` without a number in a regular expression: Dovecot refuses the script",
                )?;
                translation.repeat_counted(&rest[..length])?;
            }
            '.' => translation.atom(if address { "[^<>]" } else { "." }),
            '^' | '$' => {
                let is_start = c == '^' && rest.len() == source.len();
                let is_end = c == '$' && after.is_empty();
                if address && !is_start && !is_end {
                    return Err(format!("a `{c}` inside of a regular expression for addresses"));
                }
                start |= is_start;
                end |= is_end;
                translation.boundary(c.encode_utf8(&mut [0; 4]));
            }
            '}' | ']' => translation.atom(&format!("\\{c}")),
            _ => translation.atom(&casemap_literal(c.encode_utf8(&mut [0; 4]))),
        }
        rest = &rest[length..];
    }
    if !translation.open.is_empty() {
        return Err("a group that is never closed in a regular expression".into());
    }
    Ok(PosixPattern { pattern: translation.out, start, end, branches })
}

impl PosixTranslation {
    /// What a repetition may follow.
    fn atom(&mut self, pattern: &str) {
        self.before = RepeatTarget::Atom(self.out.len());
        self.out.push_str(pattern);
    }

    /// What no repetition may follow.
    fn boundary(&mut self, pattern: &str) {
        self.before = RepeatTarget::Nothing;
        self.out.push_str(pattern);
    }

    /// What a backslash means before this character; returns how long the character is.
    fn escape(&mut self, next: Option<char>) -> Result<usize, String> {
        let next = next.ok_or("a regular expression that ends with a backslash")?;
        match next {
            '1'..='9' => return Err("a back-reference in a regular expression".into()),
            'w' | 'W' | 's' | 'S' => self.atom(&format!("\\{next}")),
            'b' | 'B' => self.boundary(&format!("\\{next}")),
            '<' | '>' => self.boundary("\\b"),
            '`' => self.boundary("^"),
            '\'' => self.boundary("$"),
            _ => self.atom(&casemap_literal(next.encode_utf8(&mut [0; 4]))),
        }
        Ok(next.len_utf8())
    }

    fn open_group(&mut self) {
        self.open.push(self.out.len());
        self.boundary("(");
    }

    /// A parenthesis that closes nothing stands for itself.
    fn close_group(&mut self) {
        match self.open.pop() {
            Some(start) => {
                self.out.push(')');
                self.before = RepeatTarget::Atom(start);
            }
            None => self.atom("\\)"),
        }
    }

    /// `*`, `+`, `?`
    fn repeat(&mut self, sign: char) -> Result<(), String> {
        match self.before {
            RepeatTarget::Nothing => return Err(OF_NOTHING.into()),
            RepeatTarget::Atom(start) => {
                self.out.push(sign);
                self.before = RepeatTarget::Repeated(start, sign);
            }
            RepeatTarget::Repeated(_, last) if last == sign => {}
            // `a*?` would mean something else here.
            RepeatTarget::Repeated(start, '{') => {
                self.group_from(start);
                self.out.push(sign);
                self.before = RepeatTarget::Repeated(start, sign);
            }
            RepeatTarget::Repeated(start, _) => {
                self.out.pop();
                self.out.push('*');
                self.before = RepeatTarget::Repeated(start, '*');
            }
        }
        Ok(())
    }

    /// `{2,5}`
    fn repeat_counted(&mut self, interval: &str) -> Result<(), String> {
        let start = match self.before {
            RepeatTarget::Nothing => return Err(OF_NOTHING.into()),
            RepeatTarget::Atom(start) => start,
            RepeatTarget::Repeated(start, _) => {
                self.group_from(start);
                start
            }
        };
        self.out.push_str(&interval.replace("{,", "{0,"));
        self.before = RepeatTarget::Repeated(start, '{');
        Ok(())
    }

    /// Makes a group of what begins there.
    fn group_from(&mut self, start: usize) {
        self.out.insert_str(start, "(?:");
        self.out.push(')');
    }
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
