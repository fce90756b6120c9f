//! Perl's regular expressions, pcrepattern(3), in our syntax.

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
            '(' if next == '*' => return Err("a verb of Perl's regular expressions".into()),
            '(' if next == '?' => {
                let (written, length, opens) = head(chars.get(at..).unwrap_or_default())?;
                at += length;
                out.push_str(written);
                depth += u32::from(opens);
                atom = false;
            }
            '(' => {
                depth += 1;
                groups += 1;
                match names {
                    Some(name) => out.push_str(&format!("(?P<{}>", name(groups))),
                    None => out.push_str("(?:"),
                }
                atom = false;
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
            '|' | '^' | '$' => {
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

/// What follows the `(` of a group that begins with `(?`: how it is written here, its
/// length, and whether a `)` closes it.
fn head(chars: &[char]) -> Result<(&'static str, usize, bool), String> {
    // Ours ignore the case of letters as well, unless a rule says otherwise.
    let heads = [("?:", "(?:", true), ("?i:", "(?i:", true), ("?i)", "(?i)", false)];
    let found = heads.into_iter().find(|(head, ..)| {
        let length = head.chars().count();
        chars.get(..length).is_some_and(|here| here.iter().copied().eq(head.chars()))
    });
    let (head, written, opens) = found.ok_or("a group with look-around or options")?;
    Ok((written, head.len(), opens))
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
        Some('+') => Err("a possessive repetition (`++`)".into()),
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
        '1'..='9' => return Err("a back-reference in a pattern".into()),
        c if c.is_ascii_alphanumeric() => return Err(format!("`\\{c}` in a pattern")),
        c => literal(c, out),
    }
    Ok(())
}

/// A character that stands for itself.
pub(super) fn literal(c: char, out: &mut String) {
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

#[cfg(test)]
mod tests {
    use super::translate;

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
            ("(?i)a(?i:b)|c", "(?i)a(?i:b)|c"),
        ] {
            assert_eq!(translate(from, None).unwrap().0, want, "{from}");
        }
        let name = |group: usize| format!("m{group}");
        assert_eq!(
            translate("(a)(?:b)(c)", Some(&name)).unwrap(),
            ("(?P<m1>a)(?:b)(?P<m2>c)".into(), 2)
        );
        for bad in
            ["(?=x)", "a++", "\\1", "(a", "a)", "[a", "*a", "(?s)x", "(?<=x)y", "\\Qx", "x\\"]
        {
            assert!(translate(bad, None).is_err(), "{bad}");
        }
    }
}
