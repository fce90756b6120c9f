//! The texts in a foreign pattern: its alternatives, and the text that a part stands for.

/// Splits at the `|` outside of parentheses and brackets; none if these are not balanced.
/// `escapes`: whether a backslash in brackets escapes what follows, as in PCRE.
pub(super) fn split_alternatives(pattern: &str, escapes: bool) -> Option<Vec<&str>> {
    let (mut parts, mut start, mut depth) = (Vec::new(), 0, 0_u32);
    let mut chars = pattern.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => drop(chars.next()),
            '[' => {
                let mut first = true;
                while let Some((_, c)) = chars.next() {
                    match c {
                        '\\' if escapes => drop(chars.next()),
                        ']' if !first => break,
                        _ => {}
                    }
                    first &= c == '^';
                }
            }
            '(' => depth += 1,
            ')' => depth = depth.checked_sub(1)?,
            '|' if depth == 0 => {
                parts.push(pattern.get(start..at)?);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(pattern.get(start..)?);
    (depth == 0).then_some(parts)
}

/// The text that a pattern stands for, if it contains no character of `special`, and no
/// escape of a letter, a digit or what `is_escape` accepts; and whether a dot in it was
/// taken literally.
pub(super) fn plain_text(
    pattern: &str,
    special: &str,
    is_escape: impl Fn(char) -> bool,
) -> Option<(String, bool)> {
    let (mut text, mut dots) = (String::new(), false);
    let mut chars = pattern.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' => {
                let next = chars.next()?;
                if next.is_alphanumeric() || is_escape(next) {
                    return None;
                }
                text.push(next);
            }
            '.' => {
                // Between letters and digits of an address or a host name, a dot is meant
                // literally.
                let before = text.chars().next_back().is_some_and(|c| c.is_ascii_alphanumeric());
                let after = chars.peek().is_some_and(|c| c.is_ascii_alphanumeric());
                if !before || !after {
                    return None;
                }
                dots = true;
                text.push('.');
            }
            c if special.contains(c) || c.is_control() => return None,
            c => text.push(c),
        }
    }
    Some((text, dots))
}

/// The texts that a pattern stands for, if it stands for texts: `a\.b`, `a(b|c)d`; and
/// whether a dot in it was taken literally. `is_perl`: whether `(?:` opens a group, and a
/// backslash in brackets escapes; `literal_of`: the text of a part without a group.
pub(super) fn literals(
    pattern: &str,
    is_perl: bool,
    literal_of: impl Fn(&str) -> Option<(String, bool)>,
) -> Option<(Vec<String>, bool)> {
    let Some((before, rest)) = pattern.split_once('(') else {
        let (text, dots) = literal_of(pattern)?;
        return Some((vec![text], dots));
    };
    let (inner, after) = rest.split_once(')')?;
    if rest.contains('(') || before.ends_with('\\') || inner.ends_with('\\') {
        return None;
    }
    let inner = inner.strip_prefix("?:").filter(|_| is_perl).unwrap_or(inner);
    let mut dots = false;
    let texts = split_alternatives(inner, is_perl)?.into_iter().map(|part| {
        let (text, dot) = literal_of(&format!("{before}{part}{after}"))?;
        dots |= dot;
        Some(text)
    });
    let texts = texts.collect::<Option<Vec<_>>>()?;
    Some((texts, dots))
}

#[cfg(test)]
mod tests {
    use super::split_alternatives;

    #[test]
    fn they_are_split_outside_of_brackets_and_parentheses() {
        for (pattern, escapes, parts) in [
            ("a|(b|c)|d", true, Some(vec!["a", "(b|c)", "d"])),
            ("a\\|b|[]|]|[^]|]", true, Some(vec!["a\\|b", "[]|]", "[^]|]"])),
            ("[a\\]|b]|c", true, Some(vec!["[a\\]|b]", "c"])),
            ("[a\\]|b]|c", false, Some(vec!["[a\\]", "b]", "c"])),
            ("(a|b", true, None),
            ("a)|b", false, None),
        ] {
            assert_eq!(split_alternatives(pattern, escapes), parts, "{pattern}");
        }
    }
}
