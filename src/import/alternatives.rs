//! The alternatives of a foreign pattern.

/// Split at the `|` outside of parentheses and brackets; none if they do not match.
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
