//! The test that was meant by a comparison in everyday English: `starts with "x"`,
//! `is greater than 5M`, `older than 3 days`.

use std::ops::Range;

use super::context::PieceContext;
use crate::syntax::mistake::SyntaxSuggestion;
use crate::syntax::scan::TokenShape;
use crate::syntax::words;

/// Words of a comparison that say nothing which the operator does not say.
#[rustfmt::skip]
const FILLERS: &[&str] = &[
    "is", "are", "was", "the", "a", "an", "any", "one", "of", "than", "to", "with", "by", "at", "on",
    "word", "words", "text", "string", "phrase",
];

/// Comparisons of numbers and dates, and our operators.
#[rustfmt::skip]
const COMPARISONS: &[(&str, &str)] = &[
    ("greater", ">"), ("more", ">"), ("larger", ">"), ("bigger", ">"), ("higher", ">"),
    ("less", "<"), ("smaller", "<"), ("lower", "<"), ("fewer", "<"), ("least", ">="), ("most", "<="),
    ("before", "<"), ("after", ">"), ("since", ">="), ("until", "<="), ("older", "<"), ("newer", ">"),
    ("younger", ">"),
];

/// A longer value is not repeated in a hint, bytes.
const LONGEST_VALUE: usize = 60;

/// The value of a comparison.
struct ComparedValue {
    written: String,
    /// Whether the value is a duration, with which `older` is about the age.
    is_duration: bool,
    is_text: bool,
}

impl PieceContext<'_> {
    /// The test as it is written, if the token belongs to a comparison.
    pub(super) fn comparison(&self, at: usize) -> Option<SyntaxSuggestion> {
        let (field, tokens) = self.field_before(at)?;
        let (first, next) = (tokens.start, tokens.end);
        let phrase: Vec<&str> = (next..).map_while(|at| self.word(at)).collect();
        let (value, end) = self.value_of_comparison(next + phrase.len())?;
        if !(next..end).contains(&at) || value.written.len() > LONGEST_VALUE {
            return None;
        }
        let suggestion = |text: String, end| Some(self.suggestion(text, first..end));
        if let Some(operator) = compared(&field).filter(|_| phrase.iter().all(is_filler)) {
            return match (field.as_str(), value.is_duration) {
                ("older", true) => suggestion(format!("age > {}", value.written), end),
                ("newer" | "younger", true) => suggestion(format!("age < {}", value.written), end),
                _ if value.is_text || value.is_duration => None,
                _ => suggestion(format!("size {operator} {}", value.written), end),
            };
        }
        if matches!(*phrase, ["between"] | ["is", "between"]) && !value.is_text {
            let joint = self.word(end).filter(|word| matches!(*word, "and" | "to"));
            let (last, end) = joint.and_then(|_| self.value_of_comparison(end + 1))?;
            let text = format!("{field} in {}..{}", value.written, last.written);
            return (!last.is_text).then(|| suggestion(text, end)).flatten();
        }
        let mut content_words = phrase.iter().filter(|word| !is_filler(word));
        let operator = match (content_words.next(), content_words.next()) {
            (None, None) if !phrase.is_empty() => "is",
            // Another hint replaces a single word.
            (Some(word), None) if phrase.len() > 1 || words::is_reserved(word) => {
                words::nearest_operator(word).or_else(|| compared(word))?
            }
            (Some(word), None) => compared(word)?,
            _ => return None,
        };
        let is_order = operator.starts_with(['<', '>']);
        if is_order && value.is_text {
            return None;
        }
        let text = match (operator, value.is_duration) {
            ("<", true) if phrase.contains(&"older") => format!("age > {}", value.written),
            (">", true) if phrase.iter().any(|word| matches!(*word, "newer" | "younger")) => {
                format!("age < {}", value.written)
            }
            _ => format!("{field} {operator} {}", value.written),
        };
        suggestion(text, end)
    }

    /// The field of the test that a token belongs to, and its tokens.
    fn field_before(&self, at: usize) -> Option<(String, Range<usize>)> {
        let opens = |at: usize| match self.token(at) {
            Some(token) if token.kind == TokenShape::OpenParen => true,
            Some(token) => matches!(self.written(token), "when" | "and" | "or" | "not" | "="),
            None => false,
        };
        let first = (self.piece.tokens.start..at).rev().find(|at| opens(*at))? + 1;
        let name = self.word(first)?;
        let header = self.token(first + 1).filter(|token| token.kind == TokenShape::Text);
        Some(match header.filter(|_| matches!(name, "header" | "address")) {
            Some(header) => (format!("{name} {}", self.written(header)), first..first + 2),
            None => (name.to_owned(), first..first + 1),
        })
    }

    /// The test with another operator; the one that was written is at `at`, and its value at
    /// `value`.
    pub(super) fn test_with(
        &self,
        at: usize,
        operator: &str,
        value: usize,
    ) -> Option<SyntaxSuggestion> {
        let (field, tokens) = self.field_before(at).filter(|(_, tokens)| tokens.end == at)?;
        let (written, end) = match self.word(value).filter(|word| !words::is_reserved(word)) {
            Some(name) => (name.to_owned(), value + 1),
            None => {
                let (value, end) = self.value_of_comparison(value)?;
                (value.written, end)
            }
        };
        let text = format!("{field} {operator} {written}");
        (written.len() <= LONGEST_VALUE).then(|| self.suggestion(text, tokens.start..end))
    }

    /// The same with `not` before it.
    pub(super) fn negated_test(
        &self,
        at: usize,
        end: usize,
        operator: &str,
    ) -> Option<SyntaxSuggestion> {
        // Between the negation and the value there are only words of the operator.
        let is_operator = |word: &str| {
            words::nearest_operator(word).is_some() || matches!(word, "not" | "with" | "to")
        };
        let value = (end..end + 4).find(|at| !self.word(*at).is_some_and(is_operator))?;
        let test = self.test_with(at, operator, value)?;
        Some(SyntaxSuggestion { text: format!("not {}", test.text), ..test })
    }

    /// The value at a token, several strings as a set, and the token after it.
    fn value_of_comparison(&self, at: usize) -> Option<(ComparedValue, usize)> {
        let token = self.token(at)?;
        let written = self.written(token);
        let value =
            |written: String, is_text| ComparedValue { written, is_duration: false, is_text };
        match token.kind {
            TokenShape::Text | TokenShape::Pattern => {
                let kind = |at: usize| self.token(at).map(|token| token.kind);
                let mut all = vec![written];
                let mut end = at + 1;
                while kind(end) == Some(TokenShape::Comma)
                    && let Some(more) =
                        self.token(end + 1).filter(|more| more.kind == TokenShape::Text)
                {
                    all.push(self.written(more));
                    end += 2;
                }
                Some(match all.as_slice() {
                    [one] => (value((*one).to_owned(), true), end),
                    _ => (value(format!("[{}]", all.join(", ")), true), end),
                })
            }
            TokenShape::OpenSet => {
                let closes = |at: &usize| {
                    self.token(*at).is_some_and(|token| token.kind == TokenShape::CloseSet)
                };
                let end = (at..self.piece.tokens.end).find(closes)?;
                let last = self.token(end)?;
                let set = self.text.get(token.start as usize..last.end as usize)?;
                Some((value(set.to_owned(), true), end + 1))
            }
            TokenShape::Quantity => {
                let unit = self.word(at + 1).filter(|word| words::is_unit(word));
                let whole =
                    unit.map_or_else(|| written.to_owned(), |unit| format!("{written} {unit}"));
                let duration = words::duration(&whole);
                let is_duration = duration.is_some();
                let written = duration.unwrap_or_else(|| words::size(&whole));
                let end = at + 1 + usize::from(unit.is_some());
                Some((ComparedValue { written, is_duration, is_text: false }, end))
            }
            _ => None,
        }
    }
}

fn is_filler(word: &&str) -> bool {
    FILLERS.contains(word)
}

fn compared(word: &str) -> Option<&'static str> {
    COMPARISONS.iter().find(|(known, _)| *known == word).map(|(_, operator)| *operator)
}
