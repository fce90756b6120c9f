//! Reads the word tables, `src/classify/words/*.txt`, and writes them as Rust. Their
//! format is described in the README next to them.

use std::fmt::Write;

/// A part of a table: its value, empty where the table has none, and its lines.
type Part = (String, Vec<String>);

/// The tables of one file as the content of a Rust module.
///
/// # Errors
/// A line that is malformed, as `LINE: what is wrong`.
pub fn rust_of(text: &str) -> Result<String, String> {
    let mut tables: Vec<(String, Vec<Part>)> = Vec::new();
    let mut here: Option<(usize, usize)> = None;
    for (number, line) in (1..).zip(text.lines()) {
        let wrong = |what: &str| format!("{number}: {what}: {line}");
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if line.trim() != line {
            return Err(wrong("a blank at the start or end"));
        }
        let Some(heading) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) else {
            let (table, part) = here.ok_or_else(|| wrong("a line before the first heading"))?;
            let lines: &mut Vec<String> = &mut tables[table].1[part].1;
            for phrase in expand(line).map_err(wrong)? {
                if !lines.contains(&phrase) {
                    lines.push(phrase);
                }
            }
            continue;
        };
        let (name, value) = heading.split_once(' ').unwrap_or((heading, ""));
        if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-') {
            return Err(wrong("a heading that is not a name"));
        }
        let table = tables.iter().position(|table| table.0 == name).unwrap_or(tables.len());
        if table == tables.len() {
            tables.push((name.to_owned(), Vec::new()));
        }
        let parts = &mut tables[table].1;
        if parts.iter().any(|part| part.0.is_empty() != value.is_empty()) {
            return Err(wrong("a table with and without a value"));
        }
        let part = parts.iter().position(|part| part.0 == value).unwrap_or(parts.len());
        if part == parts.len() {
            parts.push((value.to_owned(), Vec::new()));
        }
        here = Some((table, part));
    }
    let mut rust = String::new();
    for (name, parts) in &tables {
        if let Some((value, _)) = parts.iter().find(|(_, lines)| lines.is_empty()) {
            return Err(format!("[{name} {value}] has no line"));
        }
        let shown = name.to_uppercase().replace('-', "_");
        let _ = match parts.as_slice() {
            [(value, lines)] if value.is_empty() => {
                writeln!(rust, "pub static {shown}: &[&str] = &{lines:?};")
            }
            _ => {
                let parts: Vec<String> =
                    parts.iter().map(|(value, lines)| format!("({value:?}, &{lines:?})")).collect();
                writeln!(rust, "pub static {shown}: &[(&str, &[&str])] = &[{}];", parts.join(", "))
            }
        };
    }
    Ok(rust)
}

/// `{a,b} c` is `a c` and `b c`.
fn expand(line: &str) -> Result<Vec<String>, &'static str> {
    const MOST: usize = 200;
    let mut done = vec![String::new()];
    let mut rest = line;
    while let Some((before, after)) = rest.split_once('{') {
        let (choices, after) = after.split_once('}').ok_or("a `{` without `}`")?;
        if before.contains('}') || choices.contains('{') || !choices.contains(',') {
            return Err("braces without a choice");
        }
        let longer = |start: &String| {
            let start = format!("{start}{before}");
            choices.split(',').map(move |choice| format!("{start}{choice}")).collect::<Vec<_>>()
        };
        done = done.iter().flat_map(longer).collect();
        if done.len() > MOST {
            return Err("more than 200 phrases");
        }
        rest = after;
    }
    if rest.contains('}') {
        return Err("a `}` without `{`");
    }
    done.iter_mut().for_each(|phrase| phrase.push_str(rest));
    match done.iter().all(|phrase| phrase.trim() == phrase && !phrase.is_empty()) {
        true => Ok(done),
        false => Err("a choice leaves a blank at the start or end"),
    }
}
