//! The file: attributes `name="value"`, one after the other; each `name` attribute begins
//! a filter. In a value `\"` is a quote and `\\` a backslash.

use crate::source::{SourceFile, Span};

/// A filter as it is in the file.
#[derive(Debug, Default)]
pub(super) struct Filter {
    pub(super) name: String,
    pub(super) enabled: bool,
    /// When it runs: bits of nsMsgFilterType.
    pub(super) kind: u32,
    pub(super) description: String,
    pub(super) actions: Vec<ThunderbirdAction>,
    pub(super) condition: Option<String>,
    pub(super) span: Span,
    /// What in it cannot be read.
    pub(super) odd: Option<String>,
}

/// An action and its argument.
#[derive(Debug, Default)]
pub(super) struct ThunderbirdAction {
    pub(super) word: String,
    pub(super) value: String,
}

/// What is at one place.
enum ThunderbirdPiece {
    Attribute { name: String, value: String },
    Odd(String),
}

/// The filters of a file, including anything unreadable before the first one.
pub(super) fn read(number: u32, file: &SourceFile) -> Vec<Filter> {
    let text = &*file.text;
    let mut filters: Vec<Filter> = Vec::new();
    let mut at = 0;
    while let Some((begin, end, piece)) = next(text, at) {
        at = end;
        let span = Span { file: number, start: begin as u32, end: end as u32 };
        let (name, value) = match piece {
            ThunderbirdPiece::Attribute { name, value } => (name, value),
            ThunderbirdPiece::Odd(why) => {
                if let Some(filter) = filters.last_mut() {
                    filter.span.end = span.end;
                    filter.odd.get_or_insert(why);
                } else {
                    let odd = Some(why);
                    filters.push(Filter { span, enabled: true, odd, ..Filter::default() });
                }
                continue;
            }
        };
        if name == "name" {
            filters.push(Filter { name: value, enabled: true, kind: 1, span, ..Filter::default() });
            continue;
        }
        let Some(filter) = filters.last_mut() else {
            // `version`, `logging`
            continue;
        };
        filter.span.end = span.end;
        match name.as_str() {
            "enabled" => filter.enabled = value != "no",
            "type" => match value.parse() {
                Ok(kind) => filter.kind = kind,
                Err(_) => {
                    filter.odd.get_or_insert(format!("`{value}` is not a type"));
                }
            },
            "description" => filter.description = value,
            "action" => {
                filter.actions.push(ThunderbirdAction { word: value, value: String::new() })
            }
            "actionValue" | "customId" => match filter.actions.last_mut() {
                Some(action) if action.value.is_empty() => action.value = value,
                _ => {
                    filter.odd.get_or_insert(format!("`{name}` has no action before it"));
                }
            },
            "condition" if filter.condition.is_none() => filter.condition = Some(value),
            _ => {
                filter.odd.get_or_insert(format!("`{name}` is not known"));
            }
        }
    }
    filters
}

/// The next attribute, and where it begins and ends; or a line that is not an attribute.
fn next(text: &str, from: usize) -> Option<(usize, usize, ThunderbirdPiece)> {
    let rest = text.get(from..)?;
    let begin = from + rest.find(|c: char| !c.is_whitespace() && c != '\u{feff}')?;
    let rest = text.get(begin..)?;
    let line_end = begin + rest.find('\n').unwrap_or(rest.len());
    let odd = |why: &str| Some((begin, line_end, ThunderbirdPiece::Odd(why.to_owned())));
    // Only in its own line, so that a file of other lines is read in one pass.
    let line = text.get(begin..line_end).unwrap_or_default();
    let Some((name, _)) = line.split_once("=\"") else { return odd("this is not an attribute") };
    if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return odd("this is not an attribute");
    }
    let mut value = String::new();
    let start = begin + name.len() + 2;
    let mut signs = text.get(start..)?.char_indices().peekable();
    while let Some((at, sign)) = signs.next() {
        match sign {
            '"' => {
                let piece = ThunderbirdPiece::Attribute { name: name.to_owned(), value };
                return Some((begin, start + at + 1, piece));
            }
            '\\' if signs.peek().is_some_and(|(_, next)| matches!(next, '"' | '\\')) => {
                value.extend(signs.next().map(|(_, next)| next));
            }
            _ => value.push(sign),
        }
    }
    // Its end is missing: what follows may still be read.
    odd("the quote is not closed")
}
