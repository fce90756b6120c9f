//! The text about the word under the cursor: its entry in the manual, or its declaration
//! in the rules; for a mistake, what `mfilter explain` says it means.

use super::manual::entry;
use super::names::{NamePlace, at};
use super::rule_files::ParsedFile;
use crate::language::Language;
use crate::rules::explanation::meaning;
use crate::rules::field::{FieldKind, FieldLookup, find};
use crate::source::Span;
use crate::syntax::{TokenShape, scan};

/// How many lines of a declaration are shown.
const MOST_LINES: usize = 12;

/// The manual's text about a word of the language; `is_setting` says that `set` comes
/// before it.
pub(super) fn of_word(word: &str, is_setting: bool) -> Option<String> {
    if is_setting {
        return entry("settings", word);
    }
    let plain = ["classifiers", "states", "fields", "operators", "actions", "statements"];
    let found = plain.into_iter().find_map(|table| entry(table, word));
    found.or_else(|| of_field(word))
}

/// The text about fields that have no line of their own: parts of addresses, headers by
/// name.
fn of_field(word: &str) -> Option<String> {
    let FieldLookup::Field(_, kind) = find(word)? else { return None };
    match word.split_once('.') {
        Some((stem, part)) => {
            let part = entry("parts", &format!(".{part}"))?;
            Some(format!("{}\n{part}", entry("fields", stem)?))
        }
        None => Some(format!("{word} — {}, every one of that name", kind.name())),
    }
}

/// Which operators a field takes.
fn operators(word: &str) -> Option<String> {
    let kind: FieldKind = match find(word)? {
        FieldLookup::Field(_, kind) | FieldLookup::WantsName(kind, _) => kind,
    };
    let words: Vec<&str> = kind.operators().collect();
    Some(format!("operators: {}", words.join(" ")))
}

/// The text for a place in a file, and the span that it is about.
pub(super) fn text(
    files: &[ParsedFile],
    places: &[NamePlace],
    file: &ParsedFile,
    number: u32,
    offset: u32,
) -> Option<(String, Span)> {
    if let Some(place) = at(places, number, offset) {
        let mut lines: Vec<&str> = Vec::new();
        let same = places.iter().filter(|it| it.name == place.name && it.role == place.role);
        for declaration in same.filter_map(|it| it.declaration) {
            let text = files.get(declaration.file as usize).map(|it| it.source.text.as_str());
            let range = declaration.start as usize..declaration.end as usize;
            lines.extend(text.and_then(|text| text.get(range)).unwrap_or_default().lines());
        }
        let more = if lines.len() > MOST_LINES { "\n…" } else { "" };
        lines.truncate(MOST_LINES);
        return Some((lines.join("\n") + more, place.span));
    }
    let text = file.source.text.as_str();
    let tokens = scan(number, text).tokens;
    let index = tokens.iter().position(|token| {
        (token.start..=token.end).contains(&offset)
            && matches!(token.kind, TokenShape::Word | TokenShape::Signs)
    })?;
    let written = |token: usize| {
        let token = tokens.get(token)?;
        text.get(token.start as usize..token.end as usize)
    };
    let word = written(index)?;
    let is_setting = index.checked_sub(1).and_then(written) == Some("set");
    let mut text = of_word(word, is_setting)?;
    if let Some(operators) = operators(word).filter(|_| !is_setting) {
        text = format!("{text}\n\n{operators}");
    }
    let token = tokens.get(index)?;
    Some((text, Span { file: number, start: token.start, end: token.end }))
}

/// What a mistake means, in the language of the locale.
pub(super) fn of_mistake(code: &str) -> Option<String> {
    let meaning = meaning(code, Language::of_locale())?;
    Some(format!("{code}: {}", meaning.trim()))
}
