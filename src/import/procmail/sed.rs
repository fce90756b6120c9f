//! What `sed` and `tr` make of one line of text, as far as patterns of ours can do it.

use crate::import::alternatives::split_alternatives;
use crate::import::bracket::bracket;
use crate::import::ir::literal;
use crate::import::match_length::is_longest_first;
use crate::import::one_line::stages;
use crate::import::shell::{shell_words, unquoted};

/// A change of a text.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum TextChange {
    /// Into lower or upper case: `lower`, `upper`.
    Case(&'static str),
    /// Where a pattern of ours is found, a template takes the text's place.
    Replaced { pattern: String, case: bool, template: String },
}

impl TextChange {
    pub(super) fn is_replacement(&self) -> bool {
        matches!(self, TextChange::Replaced { .. })
    }
}

/// The changes that a pipeline makes: `tr A-Z a-z | sed 's/-l$//'`. None if one of them
/// cannot be expressed.
pub(super) fn changes(pipeline: &str) -> Option<Vec<TextChange>> {
    let mut changes = Vec::new();
    for command in stages(pipeline)? {
        let words: Vec<String> = shell_words(&command).iter().map(|word| unquoted(word)).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        match words.as_slice() {
            ["tr", from, to] => changes.push(TextChange::Case(case_of(from, to)?)),
            ["sed", arguments @ ..] => sed(arguments, &mut changes)?,
            _ => return None,
        }
    }
    Some(changes)
}

fn case_of(from: &str, to: &str) -> Option<&'static str> {
    const UPPER: [&str; 3] = ["A-Z", "[A-Z]", "[:upper:]"];
    const LOWER: [&str; 3] = ["a-z", "[a-z]", "[:lower:]"];
    match (UPPER.iter().position(|set| *set == from), LOWER.iter().position(|set| *set == from)) {
        (Some(at), _) => (LOWER.get(at) == Some(&to)).then_some("lower"),
        (_, Some(at)) => (UPPER.get(at) == Some(&to)).then_some("upper"),
        _ => None,
    }
}

fn sed(arguments: &[&str], changes: &mut Vec<TextChange>) -> Option<()> {
    let (mut scripts, mut extended) = (Vec::new(), false);
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        match *argument {
            "-e" => scripts.push(*arguments.next()?),
            "-r" | "-E" => extended = true,
            "-re" | "-Ee" => {
                extended = true;
                scripts.push(*arguments.next()?);
            }
            option if option.starts_with('-') => return None,
            script if scripts.is_empty() => scripts.push(script),
            _ => return None,
        }
    }
    for script in scripts {
        let mut rest = script.trim();
        while !rest.is_empty() {
            let (change, following) = substitution(rest, extended)?;
            changes.push(change);
            rest = following.trim_start_matches([' ', ';']);
        }
    }
    Some(())
}

/// `s/pattern/text/`, and what comes after it.
fn substitution(script: &str, extended: bool) -> Option<(TextChange, &str)> {
    let mut chars = script.strip_prefix('s')?.chars();
    let sign = chars.next().filter(|sign| !sign.is_alphanumeric() && !"\\ \n;".contains(*sign))?;
    let pattern = up_to(&mut chars, sign)?;
    let text = up_to(&mut chars, sign)?;
    if text.contains(['\\', '&']) {
        return None;
    }
    let rest = chars.as_str();
    let flags = rest.find([' ', ';']).unwrap_or(rest.len());
    let (flags, rest) = rest.split_at(flags);
    let start = pattern.starts_with('^');
    let end = pattern.ends_with('$') && !pattern.ends_with("\\$");
    if !flags.chars().all(|flag| matches!(flag, 'i' | 'I') || flag == 'g' && (start || end)) {
        return None;
    }
    let core = pattern.trim_start_matches('^');
    let core = if end { core.strip_suffix('$')? } else { core };
    if core.is_empty() || extended && split_alternatives(core, false)?.len() > 1 {
        return None;
    }
    let regex = translate(core, extended)?;
    // sed takes the longest match.
    if !end && !is_longest_first(&regex, true) {
        return None;
    }
    let left = if start { "^" } else { "^(?P<left>.*?)" };
    let right = if end { "$" } else { "(?P<right>.*)$" };
    let template = format!(
        "{}{}{}",
        if start { "" } else { "{left}" },
        literal(&text),
        if end { "" } else { "{right}" }
    );
    let pattern = format!("{left}(?:{regex}){right}");
    let case = !flags.contains(['i', 'I']);
    Some((TextChange::Replaced { pattern, case, template }, rest))
}

/// What comes before an unescaped sign; an escaped one is the sign itself.
fn up_to(chars: &mut std::str::Chars<'_>, sign: char) -> Option<String> {
    let mut text = String::new();
    loop {
        match chars.next()? {
            '\\' => match chars.next()? {
                next if next == sign => text.push(sign),
                next => text.extend(['\\', next]),
            },
            c if c == sign => return Some(text),
            c => text.push(c),
        }
    }
}

/// sed's regular expressions, basic or extended, in the syntax of the regex crate.
fn translate(pattern: &str, extended: bool) -> Option<String> {
    let mut out = String::new();
    let mut chars = pattern.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        let (c, is_special) = match c {
            '\\' => {
                let (_, next) = chars.next()?;
                match next {
                    '(' | ')' | '|' | '+' | '?' => (next, !extended),
                    next if next.is_ascii_punctuation() && !"<>'`{}".contains(next) => {
                        (next, false)
                    }
                    _ => return None,
                }
            }
            '(' | ')' | '|' | '+' | '?' => (c, extended),
            '[' => {
                let (set, length) = bracket(pattern.get(at..)?).ok()?;
                out.push_str(&set);
                while chars.next_if(|(next, _)| *next < at + length).is_some() {}
                continue;
            }
            '.' | '*' => (c, true),
            '^' | '$' | '{' | '}' => return None,
            c => (c, false),
        };
        let repeats_nothing = out.is_empty() || out.ends_with("(?:") || out.ends_with('|');
        match c {
            '*' | '+' | '?'
                if is_special && (repeats_nothing || out.ends_with(['*', '+', '?'])) =>
            {
                return None;
            }
            '(' if is_special => out.push_str("(?:"),
            c if is_special => out.push(c),
            c => out.push_str(&regex_syntax::escape(c.encode_utf8(&mut [0; 4]))),
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replaced(pattern: &str, template: &str) -> TextChange {
        TextChange::Replaced { pattern: pattern.into(), case: true, template: template.into() }
    }

    #[test]
    fn pipelines_are_changes() {
        let lower = TextChange::Case("lower");
        for (pipeline, want) in [
            ("tr A-Z a-z", vec![lower.clone()]),
            (
                "tr '[:upper:]' '[:lower:]' | sed -e 's/-l$//'",
                vec![lower, replaced("^(?P<left>.*?)(?:\\-l)$", "{left}")],
            ),
            ("sed 's/@.*$//'", vec![replaced("^(?P<left>.*?)(?:@.*)$", "{left}")]),
            (
                "sed -r 's/^(Re|Fw): +/x{/'",
                vec![replaced("^(?:(?:Re|Fw): +)(?P<right>.*)$", "x{{{right}")],
            ),
            (
                "sed s,a\\\\.b,,",
                vec![replaced("^(?P<left>.*?)(?:a\\.b)(?P<right>.*)$", "{left}{right}")],
            ),
            (
                "sed 's/a+(b/ /'",
                vec![replaced("^(?P<left>.*?)(?:a\\+\\(b)(?P<right>.*)$", "{left} {right}")],
            ),
            (
                "sed 's/[^]\\a-]//; s/x$//'",
                vec![
                    replaced("^(?P<left>.*?)(?:[^\\]\\\\a\\-])(?P<right>.*)$", "{left}{right}"),
                    replaced("^(?P<left>.*?)(?:x)$", "{left}"),
                ],
            ),
        ] {
            assert_eq!(changes(pipeline), Some(want), "{pipeline}");
        }
        for pipeline in [
            "sed s/a/b/g",
            "sed 's/a/&/'",
            "sed -n 's/a/b/p'",
            "sed 's/\\(a\\)/\\1/'",
            "sed -r 's/a|ab/x/'",
            "sed -r 's/(a|ab)//'",
            "sed 's/\\<a//'",
            "sed 's/a/b'",
            "tr / _",
            "cut -d. -f1",
            "sed s/a/b/ file",
        ] {
            assert_eq!(changes(pipeline), None, "{pipeline}");
        }
    }
}
