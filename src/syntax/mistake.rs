//! The kinds of mistake in the syntax of rules, and all wording for them.

use super::quantity_hint::quantity_hint;
use super::scan;
use super::words::{self, listing};
use crate::source::Span;

/// One mistake and its place.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Mistake {
    pub kind: SyntaxErrorKind,
    pub span: Span,
}

/// What was probably meant.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct SyntaxSuggestion {
    pub text: String,
    /// The bytes that it replaces; none if it only shows how such a thing is written.
    pub place: Option<(u32, u32)>,
}

impl From<String> for SyntaxSuggestion {
    fn from(text: String) -> SyntaxSuggestion {
        SyntaxSuggestion { text, place: None }
    }
}

/// The kinds of mistake. Strings are what the user wrote, unless said otherwise.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum SyntaxErrorKind {
    /// What would have been valid, and perhaps what was meant; `found` is `None` at the
    /// end of the statement.
    Unexpected {
        found: Option<String>,
        expected: Vec<&'static str>,
        suggestion: Option<SyntaxSuggestion>,
    },
    UnclosedText,
    /// Three quotes that are never closed.
    UnclosedLongText,
    /// A `"` with nothing after it on its line.
    LoneQuote,
    UnclosedPattern,
    EmptyPattern,
    /// The string in double quotes.
    SingleQuote(Option<SyntaxSuggestion>),
    CurlyQuote {
        found: String,
        suggestion: Option<SyntaxSuggestion>,
    },
    LookAlike(String),
    Invisible(char),
    Stray(char),
    /// A sign that ends statements in other languages.
    NeedlessEnd(char),
    UnclosedBlock,
    UnclosedSet,
    UnclosedParenthesis,
    /// A closing sign that closes nothing.
    Unopened(char),
    TooDeep,
    /// The file is larger than [`super::MAX_BYTES`].
    TooLarge,
    /// More than [`super::MAX_MISTAKES`].
    TooMany,
    NotAnArrow(String),
    /// An operator of other languages, and ours for it.
    ForeignSign {
        found: String,
        instead: &'static str,
    },
    /// The same where more than the operator is different: `!=`, and the test.
    ForeignTest {
        found: String,
        suggestion: SyntaxSuggestion,
    },
    /// `cc: is`: the sign.
    FieldColon(String),
    /// `is not`, `not in`: the operator, and the test.
    NegatedOperator {
        operator: String,
        suggestion: Option<SyntaxSuggestion>,
    },
    UnknownOperator {
        found: String,
        near: Option<&'static str>,
    },
    /// `if`, `else`, `then` and similar words, and whether the statement begins with it.
    Slip {
        found: String,
        is_first: bool,
    },
    UnknownStatement {
        found: String,
        near: Option<&'static str>,
    },
    /// `NAME = VALUE`
    MissingSet(String),
    /// A procmail recipe.
    Procmail,
    /// A Sieve script.
    Sieve,
    /// Two conditions without a word between them: the second one's first word.
    MissingJoint(String),
    /// A condition followed by an action without `->`.
    MissingArrow(String),
    /// There is only the condition, or `otherwise`; perhaps the action is before it.
    NothingToDo {
        is_turned: bool,
    },
    ArrowAndBlock,
    /// `on moved to "A" {`
    BlockOfMove,
    MissingActionComma(String),
    MissingElementComma(String),
    /// `FIELD is "a" or "b"`: the second value.
    ValueAlone {
        found: String,
        suggestion: SyntaxSuggestion,
        is_set: bool,
    },
    MissingQuotes(String),
    /// A word of the language where a name is required.
    Reserved(String),
    MissingSign(String),
    /// A weight that is a size, a duration, a date or a time.
    BadWeight(String),
    /// `set NAME = VALUE`
    NeedlessSign(String),
    Underscore(String),
    BadEscape(String),
    BadQuantity(String),
    BadPatternFlag(String),
    /// An action below a rule, indented further than the rule, but not part of it.
    StrayAction(String),
}

pub(super) struct SyntaxWording {
    pub code: &'static str,
    pub message: String,
    pub label: &'static str,
    pub hint: Option<String>,
}

fn word(
    code: &'static str,
    message: impl Into<String>,
    label: &'static str,
    hint: impl Into<String>,
) -> SyntaxWording {
    let hint = hint.into();
    SyntaxWording { code, message: message.into(), label, hint: (!hint.is_empty()).then_some(hint) }
}

pub(super) fn wording(kind: &SyntaxErrorKind) -> SyntaxWording {
    match kind {
        SyntaxErrorKind::Unexpected { found, expected, suggestion } => {
            let expected = listing(expected, "or");
            let message = match found {
                Some(found) => format!("expected {expected}, found `{}`", clip(found)),
                None => format!("expected {expected}, found the end of the statement"),
            };
            let hint = suggestion.as_ref().map(|it| format!("write `{}`", it.text));
            word("syntax", message, "", hint.unwrap_or_default())
        }
        SyntaxErrorKind::UnclosedText => word(
            "unclosed-string",
            "unclosed string",
            "opened here",
            "a string ends on the line on which it begins; `\\n` in it is a line break, `\\\"` a quote",
        ),
        SyntaxErrorKind::UnclosedLongText => word(
            "unclosed-string",
            String::from("unclosed string in three quotes"),
            "opened here",
            "close it with `\"\"\"`; a quote in it needs no backslash, three in a row do",
        ),
        SyntaxErrorKind::LoneQuote => word(
            "unclosed-string",
            "unmatched `\"`",
            "no matching quote",
            "a string needs a `\"` at both ends",
        ),
        SyntaxErrorKind::UnclosedPattern => word(
            "unclosed-pattern",
            "unclosed pattern",
            "opened here",
            "a pattern is written `/…/`, a slash in it `\\/`; a path or an address is a string, `\"…\"`",
        ),
        SyntaxErrorKind::EmptyPattern => word(
            "empty-pattern",
            "empty pattern `//`",
            "",
            "a comment begins with `#`; a slash in a pattern is written `\\/`",
        ),
        SyntaxErrorKind::SingleQuote(suggestion) => word(
            "quote",
            "strings take double quotes, not single ones",
            "",
            match suggestion {
                Some(suggestion) => format!("write `{}`", clip(&suggestion.text)),
                None => String::from("write `\"…\"`"),
            },
        ),
        SyntaxErrorKind::CurlyQuote { found, suggestion } => word(
            "quote",
            format!("`{}` is a typographic quote", clip(found)),
            "",
            match suggestion {
                Some(suggestion) => format!("write `{}`", clip(&suggestion.text)),
                None => String::from("strings take straight quotes: `\"…\"`"),
            },
        ),
        SyntaxErrorKind::LookAlike(found) => look_alike(found),
        SyntaxErrorKind::Invisible(c) => word(
            "invisible",
            format!("invisible character U+{:04X}", *c as u32),
            "",
            "delete it, or write `\\u{…}` in a string",
        ),
        SyntaxErrorKind::Stray(c) => word(
            "syntax",
            format!("`{c}` means nothing outside of strings, patterns and comments"),
            "",
            "strings must be quoted: `\"…\"`",
        ),
        SyntaxErrorKind::NeedlessEnd(found) => word(
            "syntax",
            format!("unexpected `{found}`: statements end with the line"),
            "",
            format!("remove the `{found}`; a comment begins with `#`"),
        ),
        SyntaxErrorKind::UnclosedBlock => word(
            "unclosed-block",
            "unclosed `{`",
            "opened here",
            "write the missing `}` where the group ends",
        ),
        SyntaxErrorKind::UnclosedSet => word(
            "unclosed-set",
            "unclosed `[`",
            "opened here",
            "write the missing `]` after the last element",
        ),
        SyntaxErrorKind::UnclosedParenthesis => {
            word("unclosed-parenthesis", "unclosed `(`", "opened here", "write the missing `)`")
        }
        SyntaxErrorKind::Unopened(c) => word(
            "unopened",
            format!("unmatched `{c}`"),
            "",
            "delete it, or look for what is missing before it",
        ),
        SyntaxErrorKind::TooDeep => word(
            "too-deep",
            format!("nested more than {} levels deep", super::MAX_DEPTH),
            "",
            "give the inner parts names with `define`",
        ),
        SyntaxErrorKind::TooLarge => word(
            "too-large",
            format!("a rule file has at most {} MiB", super::MAX_BYTES >> 20),
            "",
            "keep long lists of addresses in separate files: `list NAME \"file\"`",
        ),
        SyntaxErrorKind::TooMany => word(
            "too-many",
            "there are more mistakes after this one",
            "",
            format!("only the first {} in a file are shown", super::MAX_MISTAKES),
        ),
        SyntaxErrorKind::NotAnArrow(found) => word(
            "arrow",
            format!("`{}` is not an arrow", clip(found)),
            "",
            "a rule is written `when CONDITION -> ACTION`",
        ),
        SyntaxErrorKind::ForeignSign { found, instead } => word(
            "operator",
            format!("`{}` is not an operator", clip(found)),
            "",
            format!("write {instead}"),
        ),
        SyntaxErrorKind::ForeignTest { found, suggestion } => word(
            "operator",
            format!("`{}` is not an operator", clip(found)),
            "",
            format!("write `{}`", suggestion.text),
        ),
        SyntaxErrorKind::MissingJoint(found) => word(
            "operator",
            format!("`and` or `or` is missing before `{}`", clip(found)),
            "",
            "conditions are joined by `and` or `or`",
        ),
        SyntaxErrorKind::FieldColon(found) => word(
            "operator",
            format!("no `{}` follows a field", clip(found)),
            "",
            "a condition is written `FIELD OPERATOR VALUE`, as in `subject contains \"sale\"`",
        ),
        SyntaxErrorKind::NegatedOperator { operator, suggestion } => word(
            "operator",
            format!("`not` goes before the whole test, not before `{operator}`"),
            "",
            match suggestion {
                Some(suggestion) => format!("write `{}`", suggestion.text),
                None => format!("write `not FIELD {operator} …`"),
            },
        ),
        SyntaxErrorKind::UnknownOperator { found, near } => {
            let hint = match near {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("the operators are {}", words::operators()),
            };
            word(
                "operator",
                format!(
                    "expected an operator (`is`, `contains`, …) or `->`, found `{}`",
                    clip(found)
                ),
                "",
                hint,
            )
        }
        SyntaxErrorKind::Slip { found, .. } => slip(found),
        SyntaxErrorKind::UnknownStatement { found, near } => word(
            "unknown-statement",
            format!("no statement or action begins with `{}`", clip(found)),
            "",
            match near {
                Some(near) if words::DELETES.contains(&found.as_str()) => {
                    format!("write `{near}`, or `discard`, which keeps nothing")
                }
                Some(near) => format!("did you mean `{near}`?"),
                None => String::from(
                    "a rule is written `when CONDITION -> ACTION`; see mailrules(5) for the others",
                ),
            },
        ),
        SyntaxErrorKind::MissingSet(found) => word(
            "unknown-statement",
            format!("no statement or action begins with `{}`", clip(found)),
            "",
            format!("a setting is written `set {} VALUE`", clip(found)),
        ),
        SyntaxErrorKind::Procmail => word(
            "foreign",
            "this is a procmail recipe",
            "",
            "`mfilter import procmail` translates a procmailrc; mailrules(5) shows how",
        ),
        SyntaxErrorKind::Sieve => word(
            "foreign",
            "this is a Sieve script",
            "",
            "`mfilter import sieve` translates a script; mailrules(5) shows how",
        ),
        SyntaxErrorKind::MissingArrow(found) => word(
            "arrow",
            format!("`->` is missing before `{}`", clip(found)),
            "",
            format!("write `-> {}`", clip(found)),
        ),
        SyntaxErrorKind::NothingToDo { is_turned } => word(
            "arrow",
            "this rule has no action",
            "expected `->` or `{`",
            match is_turned {
                true => "the condition comes first: `when CONDITION -> ACTION`",
                false => "write `-> ACTION`, or `{ … }` for several rules",
            },
        ),
        SyntaxErrorKind::ArrowAndBlock => word(
            "arrow",
            "a group has no `->`",
            "",
            "write `when CONDITION { … }`, or `when CONDITION -> ACTION, ACTION`",
        ),
        SyntaxErrorKind::BlockOfMove => word(
            "arrow",
            "`on moved` takes no block",
            "",
            "write `on moved from \"A\" to \"B\" -> ACTION, ACTION`; one of the two is enough",
        ),
        SyntaxErrorKind::MissingActionComma(found) => word(
            "comma",
            format!("a comma is missing before `{}`", clip(found)),
            "",
            "several actions are written `ACTION, ACTION`, or in a group each on a line of its own",
        ),
        SyntaxErrorKind::MissingElementComma(found) => word(
            "comma",
            format!("a comma is missing before `{}`", clip(found)),
            "",
            "a set is written `[\"a\", \"b\"]`",
        ),
        SyntaxErrorKind::ValueAlone { found, suggestion, is_set } => word(
            "value-alone",
            format!("expected a condition, found the value `{}` alone", clip(found)),
            "",
            match is_set {
                true => format!("several values of one test are a set: `{}`", suggestion.text),
                false => {
                    format!("a condition says which field to test, as in `{}`", suggestion.text)
                }
            },
        ),
        SyntaxErrorKind::MissingQuotes(found) => word(
            "quote",
            format!("`{}` is a string, and strings must be quoted", clip(found)),
            "",
            format!("write `\"{}\"`", clip(found)),
        ),
        SyntaxErrorKind::Reserved(found) => word(
            "reserved",
            format!("`{found}` is a reserved word and not allowed here"),
            "",
            "choose another name, or quote it if you mean a string",
        ),
        SyntaxErrorKind::MissingSign(found) => word(
            "weight",
            format!("the weight `{}` needs a sign", clip(found)),
            "",
            format!("write `+{}`", clip(found)),
        ),
        SyntaxErrorKind::BadWeight(found) => word(
            "weight",
            format!("`{}` is not a weight", clip(found)),
            "",
            "a weight is a number with a sign: `+3`, `-2.5`",
        ),
        SyntaxErrorKind::NeedlessSign(found) => word(
            "syntax",
            format!("unexpected `{}` between a name and its value", clip(found)),
            "",
            "write `set NAME VALUE`, `list NAME […]`; only `define` and `let` have a `=`",
        ),
        SyntaxErrorKind::Underscore(found) => word(
            "name",
            format!("`{}` is not a valid name: names have no `_`", clip(found)),
            "",
            format!("names have letters, digits and `-`: `{}`", clip(&found.replace('_', "-"))),
        ),
        SyntaxErrorKind::BadEscape(found) => word(
            "escape",
            format!("unknown escape `{}` in a string", clip(found)),
            "",
            "write `\\\\` for a backslash; the other escapes are `\\\"` `\\n` `\\t` `\\u{5927}`",
        ),
        SyntaxErrorKind::BadQuantity(found) => word(
            "quantity",
            format!("`{}` is not a number, size, duration, date or time", clip(found)),
            "",
            quantity_hint(found),
        ),
        SyntaxErrorKind::BadPatternFlag(found) => word(
            "pattern",
            format!("unknown pattern flag `{}`", clip(found)),
            "",
            "case is ignored unless `c` follows the pattern: `/…/c`; a slash in it is `\\/`",
        ),
        SyntaxErrorKind::StrayAction(found) => word(
            "stray-action",
            format!("`{}` is not part of the rule above: it is always done", clip(found)),
            "",
            "if it belongs to the rule, end the line above with a comma, or make a group: `{ … }`",
        ),
    }
}

fn look_alike(found: &str) -> SyntaxWording {
    let suggestion: String = found.chars().filter_map(scan::narrow).collect();
    let (message, what) = match found.chars().next() {
        Some('\u{a0}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{205f}') => {
            (String::from("this is not an ordinary space"), "an ordinary space")
        }
        Some('\u{3000}') => (String::from("this is a full-width space"), "an ordinary space"),
        Some('\u{ff01}'..='\u{ff5e}') => {
            let found = clip(found);
            let is_one = found.chars().count() == 1;
            (
                match is_one {
                    true => format!("`{found}` is a full-width character"),
                    false => format!("`{found}` is full-width"),
                },
                "",
            )
        }
        _ => (format!("`{}` means nothing outside of strings", clip(found)), ""),
    };
    let hint = if what.is_empty() {
        format!("outside of strings write `{}`", clip(&suggestion))
    } else {
        format!("outside of strings write {what}")
    };
    word("look-alike", message, "", hint)
}

fn slip(found: &str) -> SyntaxWording {
    let hint = match found {
        "if" => "a rule is written `when CONDITION -> ACTION`",
        "unless" => "write `when not (CONDITION) -> ACTION`",
        "then" => "write `->`",
        "else" => "write `otherwise -> ACTION` after the other rules of a group",
        _ => "rules are tried in order: write one more `when`, and `otherwise` for the rest",
    };
    word("slip", format!("`{found}` is not a word of this language"), "", hint)
}

/// What a user wrote, short enough for a message.
fn clip(text: &str) -> String {
    const MOST: usize = 40;
    let mut chars = text.chars();
    let short: String = chars.by_ref().take(MOST).collect();
    if chars.next().is_some() { format!("{short}…") } else { short }
}
