//! Patterns of procmail in the syntax of the regex crate.

use crate::import::match_length::{is_longest_first, is_shortest_first};
use crate::import::perl::literal;

/// The group for what comes after `\/`.
const MATCH: &str = "(?P<match>";

/// What comes before `\/` takes as little as possible,
/// what comes after it is the group `match`.
pub(super) fn translate(pattern: &str) -> Result<String, String> {
    let (mut regex, mut captured) = (String::new(), false);
    let lazy = pattern.contains("\\/");
    let mut chars = pattern.chars().peekable();
    let mut depth = 0_u32;
    let mut repeatable = false;
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some('<' | '>') => regex.push_str("\\b"),
                Some('/') if captured || depth > 0 => {
                    return Err("`\\/` inside of parentheses, or twice".into());
                }
                Some('/') => {
                    regex.push_str(MATCH);
                    captured = true;
                }
                Some(next) => literal(next, &mut regex),
                None => return Err("the pattern ends with `\\`".into()),
            },
            '[' => bracket(&mut chars, &mut regex)?,
            '(' => {
                depth += 1;
                regex.push_str("(?:");
            }
            ')' => {
                depth = depth.checked_sub(1).ok_or("a `)` closes nothing")?;
                regex.push(')');
            }
            '*' | '+' | '?' if regex.ends_with(MATCH) => {
                return Err(format!("`{c}` repeats nothing"));
            }
            // Where nothing is before it that it could repeat, it stands for itself.
            '*' | '+' | '?' if !repeatable => {
                literal(c, &mut regex);
                repeatable = true;
                continue;
            }
            '*' | '+' | '?' => {
                regex.push(c);
                if lazy && !captured {
                    regex.push('?');
                }
            }
            '^' if chars.peek() == Some(&'^') => {
                return Err("`^^` inside of a pattern".into());
            }
            '$' if chars.peek().is_some_and(|next| !matches!(next, ')' | '|')) => {
                return Err("a pattern over more than one line".into());
            }
            '.' | '|' | '^' | '$' => regex.push(c),
            c => literal(c, &mut regex),
        }
        repeatable = !matches!(c, '*' | '+' | '?' | '(' | '|');
    }
    if depth > 0 {
        return Err("a `(` is not closed".into());
    }
    if captured {
        let (before, following) = regex.split_once(MATCH).unwrap_or((&regex, ""));
        if !is_shortest_first(before, false) || !is_longest_first(following, false) {
            return Err("alternatives of which procmail keeps the shortest before `\\/`, and \
                        the longest after it"
                .into());
        }
        regex.push(')');
    }
    Ok(regex)
}

/// A set, in which a backslash stands for itself.
fn bracket(
    chars: &mut std::iter::Peekable<std::str::Chars<'_>>,
    regex: &mut String,
) -> Result<(), String> {
    regex.push('[');
    if chars.next_if_eq(&'^').is_some() {
        regex.push('^');
    }
    let mut first = true;
    loop {
        let c = chars.next().ok_or("a `[` is not closed")?;
        match c {
            ']' if !first => break,
            '[' | ']' | '\\' | '&' | '~' | '#' => {
                regex.push('\\');
                regex.push(c);
            }
            '\n' => regex.push_str("\\n"),
            '\t' => regex.push_str("\\t"),
            '-' if first || chars.peek() == Some(&']') => regex.push_str("\\-"),
            c => regex.push(c),
        }
        first = false;
    }
    regex.push(']');
    Ok(())
}
