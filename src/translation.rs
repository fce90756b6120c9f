//! Texts in the language of the reader. They are written in English in the code that they
//! belong to; `po/ja.po`, in gettext's format, has each of them in Japanese. If the
//! language is English, that file is not read.
//!
//! A text to be translated already contains its names and numbers. So we look for the
//! template from which it was made (`#, rust-format`: a format string of `format!`), and
//! put what is in its holes into the translation: what the user wrote unchanged, our own
//! phrases translated.

use std::borrow::Cow;
use std::cell::Cell;
use std::collections::HashMap;
use std::sync::LazyLock;

use polib::po_file::parse_from_reader;
use unicode_width::UnicodeWidthChar;

use crate::language::Language;

/// The text in that language; unchanged if there is no translation.
pub fn translated(text: &str, language: Language) -> Cow<'_, str> {
    let found = match language {
        Language::English => None,
        Language::Japanese => JAPANESE.find(text, 0, &Cell::new(MOST_PHRASES)),
    };
    found.map_or(Cow::Borrowed(text), Cow::Owned)
}

/// The same for a text of which only what follows a place or a name, and a colon, may have
/// a translation.
pub fn translated_after(text: &str, language: Language) -> Cow<'_, str> {
    let whole = translated(text, language);
    if language == Language::English || matches!(whole, Cow::Owned(_)) {
        return whole;
    }
    let mut colons = text.match_indices(": ").map(|(at, colon)| text.split_at(at + colon.len()));
    let found = colons.find_map(|(place, why)| match translated(why, language) {
        Cow::Owned(why) => Some(format!("{place}{why}")),
        Cow::Borrowed(_) => None,
    });
    found.map_or(whole, Cow::Owned)
}

static JAPANESE: LazyLock<Catalogue> =
    LazyLock::new(|| Catalogue::read(include_str!("../po/ja.po")));

/// How deep phrases in phrases are translated.
const DEPTH: u8 = 3;

/// How many phrases of a text are looked for: text from a message can look like a list of
/// lists.
const MOST_PHRASES: u32 = 500;

/// What separates several reasons in one text.
const REASONS: &str = "; ";
/// What separates the members of a list of phrases; the separator before the last member
/// first.
const JOINTS: [&str; 4] = [REASONS, " or ", " and ", ", "];

/// The texts of one language.
#[derive(Default)]
struct Catalogue {
    /// Translations by the English text.
    texts: HashMap<String, String>,
    /// Templates, those with the most text of their own first.
    templates: Vec<TextTemplate>,
    /// Which of them contain the separator of reasons, by their index.
    with_reasons: Vec<usize>,
    /// Templates for the members of a list, by their separator.
    lists: HashMap<&'static str, TextTemplate>,
}

impl Catalogue {
    fn read(po: &str) -> Catalogue {
        let mut catalogue = Catalogue::default();
        // A test reads the file, too, so it is sound; if not, that must not stop the
        // program.
        let Ok(messages) = parse_from_reader(po.as_bytes()) else { return catalogue };
        for message in messages.messages().filter(|message| message.is_translated()) {
            let (english, translation) = (message.msgid(), message.msgstr().unwrap_or_default());
            if !message.flags().contains("rust-format") {
                catalogue.texts.insert(english.to_owned(), translation.to_owned());
                continue;
            }
            let Some(template) = TextTemplate::new(english, translation) else { continue };
            if template.placeholders.is_empty() {
                let translation = template.filled(&[], |_| None);
                catalogue.texts.insert(template.pieces.concat(), translation);
                continue;
            }
            match JOINTS.into_iter().find(|joint| template.is_list(joint)) {
                Some(joint) => drop(catalogue.lists.insert(joint, template)),
                None => catalogue.templates.push(template),
            }
        }
        catalogue.templates.sort_by_key(|template| std::cmp::Reverse(template.own()));
        let each = catalogue.templates.iter().enumerate();
        let with_reasons = each.filter(|(_, template)| template.has(REASONS));
        catalogue.with_reasons = with_reasons.map(|(at, _)| at).collect();
        catalogue
    }

    /// The translation of a text, or of a phrase in a text; `left` is how many more phrases
    /// are looked for.
    fn find(&self, text: &str, depth: u8, left: &Cell<u32>) -> Option<String> {
        if let Some(translation) = self.texts.get(text) {
            return Some(translation.clone());
        }
        if depth > DEPTH || left.get() == 0 {
            return None;
        }
        left.set(left.get() - 1);
        let phrase = |text: &str| self.find(text, depth + 1, left);
        // A text of ours with this separator is not several reasons.
        let mut whole = self.with_reasons.iter().filter_map(|at| self.templates.get(*at));
        if let Some(found) =
            whole.find_map(|template| Some(template.filled(&template.found(text)?, phrase)))
        {
            return Some(found);
        }
        // Before the others, so that a hole in the first reason does not match all of them.
        if let Some(found) = self.list(text, REASONS, depth, left) {
            return Some(found);
        }
        for template in &self.templates {
            if let Some(found) = template.found(text) {
                return Some(template.filled(&found, phrase));
            }
        }
        if depth == 0 {
            return None;
        }
        if is_code(text) && JOINTS.iter().all(|joint| split(text, joint).is_none()) {
            return Some(text.to_owned());
        }
        JOINTS.iter().find_map(|joint| self.list(text, joint, depth, left))
    }

    /// Translates a list if all its members can be translated; otherwise it is not a list
    /// of ours.
    fn list(&self, text: &str, joint: &str, depth: u8, left: &Cell<u32>) -> Option<String> {
        let (most, last) = split(text, joint)?;
        let last = self.find(last, depth + 1, left)?;
        let members = [self.find(most, depth, left)?, last];
        Some(self.lists.get(joint)?.filled(&members.each_ref().map(String::as_str), |_| None))
    }
}

/// A text with holes, and its translation.
struct TextTemplate {
    /// The English text before, between and after the holes.
    pieces: Vec<String>,
    placeholders: Vec<Placeholder>,
    translation: Vec<FilledPart>,
}

struct Placeholder {
    name: String,
    /// Whether it contains what the user wrote.
    is_quoted: bool,
}

enum FilledPart {
    Text(String),
    /// A hole, by its index among those of the English text.
    Placeholder(usize),
}

impl TextTemplate {
    /// Whether it contains a separator in its own text.
    fn has(&self, joint: &str) -> bool {
        self.pieces.iter().any(|piece| piece.contains(joint))
    }

    /// None if the translation has a hole that the English text does not have.
    fn new(english: &str, translation: &str) -> Option<TextTemplate> {
        let mut template = TextTemplate {
            pieces: vec![String::new()],
            placeholders: Vec::new(),
            translation: Vec::new(),
        };
        let mut before = String::new();
        for part in parts(english)? {
            match part {
                FormatPart::Text(text) => {
                    before.push_str(&text);
                    template.pieces.last_mut()?.push_str(&text);
                }
                FormatPart::Placeholder(name) => {
                    let is_code = before.matches('`').count() % 2 == 1;
                    let is_quoted = is_code || before.ends_with(['"', '\'', '=']);
                    template.placeholders.push(Placeholder { name, is_quoted });
                    template.pieces.push(String::new());
                }
            }
        }
        for part in parts(translation)? {
            template.translation.push(match part {
                FormatPart::Text(text) => FilledPart::Text(text),
                FormatPart::Placeholder(name) => FilledPart::Placeholder(
                    template
                        .placeholders
                        .iter()
                        .position(|placeholder| placeholder.name == name)?,
                ),
            });
        }
        Some(template)
    }

    /// The length of its own text, bytes.
    fn own(&self) -> usize {
        self.pieces.iter().map(String::len).sum()
    }

    fn is_list(&self, joint: &str) -> bool {
        self.pieces == ["", joint, ""]
    }

    /// The values in the holes of a text that was made from this template.
    fn found<'t>(&self, text: &'t str) -> Option<Vec<&'t str>> {
        let [first, between @ .., last] = self.pieces.as_slice() else { return None };
        let mut rest = text.strip_prefix(first.as_str())?.strip_suffix(last.as_str())?;
        let mut found = Vec::with_capacity(self.placeholders.len());
        for piece in between {
            let (before, after) = rest.split_once(piece.as_str())?;
            found.push(before);
            rest = after;
        }
        found.push(rest);
        // What is in quotes is one value, whatever it contains.
        let mut each = self.placeholders.iter().zip(&found);
        if each.any(|(placeholder, value)| {
            !placeholder.is_quoted && value.matches('"').count() % 2 == 1
        }) {
            return None;
        }
        let first_of =
            |name: &str| self.placeholders.iter().position(|placeholder| placeholder.name == name);
        let mut each = self.placeholders.iter().zip(&found);
        each.all(|(placeholder, value)| {
            first_of(&placeholder.name).is_some_and(|at| found[at] == *value)
        })
        .then_some(found)
    }

    /// The translation, with these values in its holes.
    fn filled(&self, values: &[&str], phrase: impl Fn(&str) -> Option<String>) -> String {
        let mut out = String::new();
        let mut touches = true;
        for part in &self.translation {
            let (text, is_quoted) = match part {
                FilledPart::Text(text) => (Cow::Borrowed(text.as_str()), false),
                FilledPart::Placeholder(at) => {
                    let value = values.get(*at).copied().unwrap_or_default();
                    let is_quoted =
                        self.placeholders.get(*at).is_none_or(|placeholder| placeholder.is_quoted);
                    let phrase = if is_quoted { None } else { phrase(value) };
                    (phrase.map_or(Cow::Borrowed(value), Cow::Owned), is_quoted)
                }
            };
            if !touches && !is_quoted && is_apart(&out, &text) {
                out.push(' ');
            }
            out.push_str(&text);
            touches = is_quoted;
        }
        out
    }
}

/// Whether a space is needed between a Japanese and another word.
fn is_apart(before: &str, after: &str) -> bool {
    let (Some(before), Some(after)) = (before.chars().next_back(), after.chars().next()) else {
        return false;
    };
    let is_japanese = |c: char| c.width() == Some(2) && c.is_alphanumeric();
    let is_other = |c: char| c.is_ascii_graphic() && !").,:;!?".contains(c);
    is_japanese(before) && is_other(after)
        || is_japanese(after) && is_other(before) && before != '('
}

/// Whether there is no word outside of backticks.
fn is_code(text: &str) -> bool {
    let mut outside = text.split('`').step_by(2);
    !outside.any(|text| text.contains(char::is_alphanumeric))
}

/// The parts of a list before and after its last separator that is not in brackets or
/// code.
fn split<'t>(text: &'t str, joint: &str) -> Option<(&'t str, &'t str)> {
    let (mut brackets, mut is_code, mut last) = (0_usize, false, None);
    for (at, c) in text.char_indices() {
        match c {
            '`' => is_code = !is_code,
            '(' => brackets += 1,
            ')' => brackets = brackets.saturating_sub(1),
            _ if brackets == 0 && !is_code && text[at..].starts_with(joint) => last = Some(at),
            _ => {}
        }
    }
    let at = last?;
    Some((&text[..at], &text[at + joint.len()..]))
}

/// A piece of a format string.
enum FormatPart {
    Text(String),
    /// The argument's name; its number if it has none.
    Placeholder(String),
}

/// A format string of `format!`, split into its parts; none if it is not valid.
fn parts(format: &str) -> Option<Vec<FormatPart>> {
    let mut parts = Vec::new();
    let mut text = String::new();
    let mut number = 0;
    let mut rest = format;
    while let Some(at) = rest.find(['{', '}']) {
        text.push_str(&rest[..at]);
        let brace = &rest[at..=at];
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix(brace) {
            text.push_str(brace);
            rest = after;
            continue;
        }
        let (placeholder, after) = rest.split_once('}').filter(|_| brace == "{")?;
        let name = placeholder.split(':').next().unwrap_or_default();
        let name = match name {
            "" => {
                number += 1;
                (number - 1).to_string()
            }
            name => name.to_owned(),
        };
        parts.push(FormatPart::Text(std::mem::take(&mut text)));
        parts.push(FormatPart::Placeholder(name));
        rest = after;
    }
    text.push_str(rest);
    parts.push(FormatPart::Text(text));
    Some(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn japanese(text: &str) -> String {
        translated(text, Language::Japanese).into_owned()
    }

    fn catalogue(entries: &[(&str, &str)]) -> Catalogue {
        let head = include_str!("../po/ja.po").split("\n\n").next().unwrap();
        let mut po = format!("{head}\n");
        for (english, translation) in entries {
            let flag = if english.contains('{') { "#, rust-format\n" } else { "" };
            po.push_str(&format!("\n{flag}msgid {english:?}\nmsgstr {translation:?}\n"));
        }
        Catalogue::read(&po)
    }

    #[test]
    fn english_stays_as_it_is() {
        assert_eq!(translated("unknown", Language::English), "unknown");
        assert_eq!(japanese("what nobody has translated"), "what nobody has translated");
        assert_eq!(japanese(""), "");
    }

    /// Without a limit this would not end.
    #[test]
    fn text_from_a_message_may_look_like_a_list_of_lists() {
        let hostile = "mine, ".to_owned() + &"unknown, unknown or unknown and ".repeat(1000);
        assert_eq!(JAPANESE.find(&hostile, 1, &Cell::new(MOST_PHRASES)), None);
    }

    #[test]
    fn what_is_in_quotes_is_one_value() {
        let catalogue = catalogue(&[("{name} of {id}", "{id} の {name}")]);
        let find = |text| catalogue.find(text, 0, &Cell::new(MOST_PHRASES));
        assert_eq!(find("\"best of 2026\""), None);
        assert_eq!(find("\"best\" of \"2026\"").unwrap(), "\"2026\" の \"best\"");
    }

    #[test]
    fn a_separator_in_our_own_text_does_not_separate_reasons() {
        let text = "there is no mistake `mistake`; did you mean `x`?";
        assert_eq!(japanese(text), "`mistake` という誤りはありません。`x` ではありませんか？");
    }

    #[test]
    fn the_catalogue_is_sound() {
        const PO: &str = include_str!("../po/ja.po");
        let messages = parse_from_reader(PO.as_bytes()).unwrap();
        // The reader takes the last of several, where msgfmt refuses the file.
        let entries = PO.lines().filter(|line| line.starts_with("msgid ")).count();
        assert_eq!(entries, messages.count() + 1, "the header, and each text once");
        for message in messages.messages() {
            let (english, translation) = (message.msgid(), message.msgstr().unwrap());
            assert!(message.is_translated() && !message.is_fuzzy(), "{english}");
            let has_japanese = |text: &str| text.chars().any(|c| c.width() == Some(2));
            // A text of only code and holes needs nothing in Japanese.
            let mut own = parts(translation).unwrap_or_default();
            own.retain(|part| matches!(part, FormatPart::Text(text) if !is_code(text)));
            assert!(own.is_empty() || has_japanese(translation), "{translation}");
            if !message.flags().contains("rust-format") {
                continue;
            }
            let placeholders = |format: &str| {
                let parts = parts(format).unwrap_or_else(|| panic!("no format: {format}"));
                let names = parts.into_iter().filter_map(|part| match part {
                    FormatPart::Placeholder(name) => Some(name),
                    FormatPart::Text(_) => None,
                });
                let mut names: Vec<String> = names.collect();
                names.sort();
                names.dedup();
                names
            };
            assert_eq!(placeholders(english), placeholders(translation), "{english}");
        }
    }

    #[test]
    fn what_the_user_wrote_stays_and_our_phrases_do_not() {
        let catalogue = catalogue(&[
            ("a list", "リスト"),
            ("`{name}` is {what}", "`{name}` は{what}です"),
            ("`{name}` is {what}, not {other}", "{other}ではなく{what}です: `{name}`"),
            ("{} or {}", "{}か{}"),
            ("{}, {}", "{}、{}"),
            ("{}; {}", "{}。{}"),
            ("it has `{}`", "`{}` があります"),
            ("line {line} is wrong", "{line} 行目が違います"),
        ]);
        let find = |text| catalogue.find(text, 0, &Cell::new(MOST_PHRASES));
        assert_eq!(
            find("`a list` is a list").unwrap(),
            "`a list` は リストです".replace("は リ", "はリ")
        );
        // The template with the most text of its own wins, and the order is that of the
        // translation.
        assert_eq!(find("`x` is a list, not `y`").unwrap(), "`y` ではなくリストです: `x`");
        assert_eq!(find("`a` b` is a list").unwrap(), "`a` b` はリストです");
        // Lists of phrases, all of which are known.
        assert_eq!(
            find("`x` is a list, `a, b` or `c or d`").unwrap(),
            "`x` はリスト、`a, b` か `c or d` です"
        );
        assert_eq!(find("`x` is a list or a thing").unwrap(), "`x` は a list or a thing です");
        assert_eq!(find("a list or a list"), None);
        assert_eq!(
            find("line 1 is wrong; line 2 is wrong; it has `a; b`").unwrap(),
            "1 行目が違います。2 行目が違います。`a; b` があります"
        );
        assert_eq!(find("line 1 is wrong; and so on"), None);
        assert_eq!(find("`x` was a list"), None);
    }

    #[test]
    fn holes_are_found_where_they_are() {
        let catalogue = catalogue(&[
            ("`{0}` or `{0}.{1}`", "`{1}`、`{0}`"),
            ("U+{:04X} `{{{name}}}`", "`{{{name}}}` と {}"),
        ]);
        let find = |text| catalogue.find(text, 0, &Cell::new(MOST_PHRASES));
        assert_eq!(find("`a` or `a.b`").unwrap(), "`b`、`a`");
        assert_eq!(find("`a` or `c.b`"), None);
        assert_eq!(find("U+200B `{日本}`").unwrap(), "`{日本}` と 200B");
        for broken in ["{", "}", "{a", "a}", "{{{", "{a}}"] {
            assert!(parts(broken).is_none(), "{broken}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_survived(text in "([`{}(), ]|or|a list|日|expected|found|is){0,24}") {
            let _ = japanese(&text);
        }
    }
}
