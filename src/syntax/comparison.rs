//! The test that was meant by a comparison in everyday English: `starts with "x"`,
//! `is greater than 5M`, `older than 3 days`.

use super::diagnose::PieceContext;
use super::scan::TokenShape;
use super::words;

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
    /// Whether it is a duration, with which `older` is about the age.
    is_duration: bool,
    is_text: bool,
}

impl PieceContext<'_> {
    /// The test as it is written, if the token belongs to a comparison.
    pub(super) fn comparison(&self, at: usize) -> Option<String> {
        let start = self.piece.tokens.start;
        let opens = |at: usize| match self.token(at) {
            Some(token) if token.kind == TokenShape::OpenParen => true,
            Some(token) => matches!(self.written(token), "when" | "and" | "or" | "not" | "="),
            None => false,
        };
        let first = (start..at).rev().find(|at| opens(*at))? + 1;
        let name = self.word(first)?;
        let header = self.token(first + 1).filter(|token| token.kind == TokenShape::Text);
        let mut next = first + 1;
        let field = match header.filter(|_| matches!(name, "header" | "address")) {
            Some(header) => {
                next += 1;
                format!("{name} {}", self.written(header))
            }
            None => name.to_owned(),
        };
        let phrase: Vec<&str> = (next..).map_while(|at| self.word(at)).collect();
        let (value, end) = self.value_of_comparison(next + phrase.len())?;
        if !(next..end).contains(&at) || value.written.len() > LONGEST_VALUE {
            return None;
        }
        let mut told = phrase.iter().filter(|word| !FILLERS.contains(word));
        let operator = match (told.next(), told.next()) {
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
        Some(match (operator, value.is_duration) {
            ("<", true) if phrase.contains(&"older") => format!("age > {}", value.written),
            (">", true) if phrase.iter().any(|word| matches!(*word, "newer" | "younger")) => {
                format!("age < {}", value.written)
            }
            _ => format!("{field} {operator} {}", value.written),
        })
    }

    /// The value at a token, several strings as a set, and the token behind it.
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

fn compared(word: &str) -> Option<&'static str> {
    COMPARISONS.iter().find(|(known, _)| *known == word).map(|(_, operator)| *operator)
}
