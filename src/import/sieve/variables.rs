//! Variables, RFC 5229: what is known of them at each place, so that constants are
//! inserted and `let` keeps only what depends on the message.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::rc::Rc;

use super::regex::is_keyword_character;
use crate::classify::CLASSIFIERS;
use crate::import::ir::literal;
use crate::rules::field;
use crate::syntax::words;

/// How many possible values of a variable are told apart.
const MOST_VALUES: usize = 16;

/// What is known of a variable.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum KnownValue {
    /// It is this.
    Text(String),
    /// It is one of these.
    OneOf(BTreeSet<String>),
    /// It depends on the message.
    Runtime,
    /// The same, and it cannot make levels of folders: a part of a date.
    OneLevel,
    /// The same, and it can be a part of a keyword.
    Word,
    /// Why its value was not translated.
    Lost(String),
}

impl KnownValue {
    /// Whether it is one level of a folder's name, and can be a part of a keyword.
    pub(super) fn is_word(&self) -> bool {
        let fits = |text: &String| {
            let fits = |c: char| is_keyword_character(c) && !matches!(c, '.' | '/' | '~');
            !text.is_empty() && text.chars().all(fits)
        };
        match self {
            KnownValue::Word => true,
            KnownValue::Text(text) => fits(text),
            KnownValue::OneOf(texts) => texts.iter().all(fits),
            KnownValue::OneLevel | KnownValue::Runtime | KnownValue::Lost(_) => false,
        }
    }

    /// Whether it cannot make levels of folders.
    pub(super) fn is_one_level(&self) -> bool {
        matches!(self, KnownValue::OneLevel | KnownValue::Word)
    }

    /// What is known where two paths meet.
    pub(super) fn join(self, other: KnownValue) -> KnownValue {
        if self == other {
            return self;
        }
        let values = |known: &KnownValue| match known {
            KnownValue::Text(text) => Some(BTreeSet::from([text.clone()])),
            KnownValue::OneOf(values) => Some(values.clone()),
            _ => None,
        };
        // Both as one level, or as a word.
        if !matches!(
            (&self, &other),
            (
                KnownValue::Text(_) | KnownValue::OneOf(_),
                KnownValue::Text(_) | KnownValue::OneOf(_)
            )
        ) {
            match (self.is_word(), other.is_word()) {
                (true, true) => return KnownValue::Word,
                (one, two) if (one || self.is_one_level()) && (two || other.is_one_level()) => {
                    return KnownValue::OneLevel;
                }
                _ => {}
            }
        }
        match (self, other) {
            (KnownValue::Lost(why), _) | (_, KnownValue::Lost(why)) => KnownValue::Lost(why),
            (one, other) => match (values(&one), values(&other)) {
                (Some(one), Some(other)) => {
                    let all: BTreeSet<String> = one.union(&other).cloned().collect();
                    if all.len() <= MOST_VALUES {
                        KnownValue::OneOf(all)
                    } else {
                        KnownValue::Runtime
                    }
                }
                _ => KnownValue::Runtime,
            },
        }
    }
}

/// All variables, by name; what is not there is empty.
pub(super) type SieveVariables = BTreeMap<String, KnownValue>;

/// A part of a string.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum VariablePiece {
    /// Text.
    Text(String),
    /// A variable whose value is not known; by its own name.
    Variable(String),
    /// `${1}`
    Group(u32),
    /// A part of a date, a template.
    Date(Rc<str>),
}

/// A string with variables in it.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Expansion(pub(super) Vec<VariablePiece>);

impl Expansion {
    pub(super) fn push_text(&mut self, text: &str) {
        if text.is_empty() {
            return;
        }
        match self.0.last_mut() {
            Some(VariablePiece::Text(last)) => last.push_str(text),
            _ => self.0.push(VariablePiece::Text(text.to_owned())),
        }
    }

    /// The text, if it is known.
    pub(super) fn constant(&self) -> Option<&str> {
        match self.0.as_slice() {
            [] => Some(""),
            [VariablePiece::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// The variable, if it is nothing but one.
    pub(super) fn variable(&self) -> Option<&str> {
        match self.0.as_slice() {
            [VariablePiece::Variable(name)] => Some(name),
            _ => None,
        }
    }
}

/// Names of variables, in Sieve and in ours.
#[derive(Default)]
pub(super) struct VariableNames {
    ours: HashMap<String, String>,
    taken: HashSet<String>,
    /// How often a name was wanted.
    wanted: HashMap<String, usize>,
}

impl VariableNames {
    /// What we call a variable.
    pub(super) fn of(&mut self, name: &str) -> String {
        if let Some(known) = self.ours.get(name) {
            return known.clone();
        }
        let plain = name.rsplit([':', '.']).next().unwrap_or(name);
        let parts: Vec<&str> = plain
            .split(|c: char| !c.is_ascii_alphanumeric())
            .filter(|part| !part.is_empty())
            .collect();
        let plain = parts.join("-");
        let free = |name: &str| {
            name.starts_with(|c: char| c.is_ascii_alphabetic())
                && !words::is_reserved(name)
                && field::find(name).is_none()
                && !matches!(
                    name,
                    "me" | "on"
                        | "let"
                        | "headers"
                        | "keyword"
                        | "seen"
                        | "replied"
                        | "flagged"
                        | "trashed"
                        | "draft"
                        | "passed"
                        | "duplicate"
                        | "in-folder"
                        | "filter-failed"
                )
                && !CLASSIFIERS.iter().any(|classifier| classifier.name == name)
        };
        let mut name_ours = if free(&plain) { plain.clone() } else { format!("my-{plain}") };
        if plain.is_empty() {
            name_ours = "my-value".into();
        }
        self.fresh(name, name_ours)
    }

    /// A name of our own making.
    pub(super) fn fresh(&mut self, name: &str, wanted: String) -> String {
        let number = self.wanted.entry(wanted.clone()).or_insert(1);
        let mut ours = wanted.clone();
        while !self.taken.insert(ours.clone()) {
            *number += 1;
            ours = format!("{wanted}-{number}");
        }
        self.ours.insert(name.to_owned(), ours.clone());
        ours
    }
}

/// `${hex: 40 41}` and `${unicode: 2603}`, RFC 5228 §2.4.2.4; anything else stays as it
/// is.
pub(super) fn encoded_characters(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        out.push_str(&rest[..at]);
        let inner = &rest[at + 2..];
        let found = inner.find('}').and_then(|end| Some((decoded(&inner[..end])?, end)));
        match found {
            Some((decoded, end)) => {
                out.push_str(&decoded);
                rest = &inner[end + 1..];
            }
            None => {
                out.push_str("${");
                rest = inner;
            }
        }
    }
    out + rest
}

fn decoded(inner: &str) -> Option<String> {
    let (kind, digits) = inner.split_once(':')?;
    let words = digits.split_whitespace();
    if digits.trim().is_empty() {
        return None;
    }
    if kind.eq_ignore_ascii_case("unicode") {
        let number = |word: &str| char::from_u32(u32::from_str_radix(word, 16).ok()?);
        return words.map(number).collect();
    }
    if !kind.eq_ignore_ascii_case("hex") {
        return None;
    }
    let byte = |word: &str| u8::from_str_radix(word, 16).ok().filter(|_| word.len() <= 2);
    let bytes: Vec<u8> = words.map(byte).collect::<Option<_>>()?;
    String::from_utf8(bytes).ok()
}

/// What is between `${` and `}` at the start of a text: a name or a number, and the
/// length of the whole.
pub(super) fn reference(text: &str) -> Option<(&str, usize)> {
    let inner = text.strip_prefix("${")?;
    let end = inner.find('}')?;
    let name = inner.get(..end)?;
    let fits = |part: &str| {
        let mut bytes = part.bytes();
        bytes.next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
            && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    let number = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit());
    (number || name.split('.').all(fits)).then_some((name, end + 3))
}

/// What a modifier of `set` turns a text into, RFC 5229 §4.1.
pub(super) fn modify(modifier: &str, text: &str) -> Option<String> {
    let first = |upper: bool| {
        let mut chars = text.chars();
        let first = chars
            .next()
            .map(|c| if upper { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() });
        first.into_iter().chain(chars).collect::<String>()
    };
    Some(match modifier {
        "lower" => text.to_ascii_lowercase(),
        "upper" => text.to_ascii_uppercase(),
        "lowerfirst" => first(false),
        "upperfirst" => first(true),
        "quotewildcard" => text.replace('\\', "\\\\").replace('*', "\\*").replace('?', "\\?"),
        "length" => text.chars().count().to_string(),
        _ => return None,
    })
}

/// A piece as written in a template; `change` is `:lower` or `:upper`.
pub(super) fn insert(name: &str, change: &str) -> String {
    format!("{{{}{change}}}", literal(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_by_their_numbers() {
        for (text, want) in [
            ("a${hex: 40}b", "a@b"),
            ("${hex:24 24}", "$$"),
            ("${unicode: 2603 41}", "☃A"),
            ("${hex: zz}${x}", "${hex: zz}${x}"),
            ("${unicode: d800}", "${unicode: d800}"),
            ("$", "$"),
        ] {
            assert_eq!(encoded_characters(text), want, "{text}");
        }
    }

    #[test]
    fn names_of_ours_are_free() {
        let mut names = VariableNames::default();
        for (name, want) in [
            ("subject", "my-subject"),
            ("list_name", "my-list-name"),
            ("folder", "my-folder"),
            ("spam", "my-spam"),
            ("foo_bar_", "foo-bar"),
            ("foo__bar", "foo-bar-2"),
            ("_1", "my-1"),
            ("global.x", "x"),
        ] {
            assert_eq!(names.of(name), want, "{name}");
            assert_eq!(names.of(name), want, "{name}");
        }
    }
}
