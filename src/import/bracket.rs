//! Bracket expressions of POSIX (regex(7)): `[a-z]`, `[^[:space:]]`.

/// A bracket expression at the start of a text in the syntax of the regex crate, and its
/// length in the text, bytes. A backslash in it is literal.
///
/// # Errors
/// Why it cannot be expressed.
pub(super) fn bracket(text: &str) -> Result<(String, usize), String> {
    let mut out = String::from("[");
    let mut chars = text.char_indices().skip(1).peekable();
    if chars.next_if(|(_, c)| *c == '^').is_some() {
        out.push('^');
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
