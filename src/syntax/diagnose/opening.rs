//! What can be seen to be wrong before a piece is parsed: how it begins, and characters that
//! are no tokens.

use super::context::PieceContext;
use crate::spelling::nearest;
use crate::syntax::grammar::Rule;
use crate::syntax::mistake::{Mistake, SyntaxErrorKind};
use crate::syntax::scan::{SyntaxToken, TokenShape};
use crate::syntax::words;

impl PieceContext<'_> {
    /// The mistakes that can be found without parsing.
    pub(in crate::syntax) fn before_parsing(&self, entry: bool) -> Option<Mistake> {
        let start = self.piece.tokens.start;
        let first = self.token(start)?;
        let opening = if entry { self.entry_opening(first) } else { self.opening(start, first) };
        if let Some(kind) = opening {
            return Some(self.mistake(kind, first));
        }
        if self.word(start) == Some(words::ON) && self.word(start + 1) != Some("moved") {
            let next = self.token(start + 1);
            let near = self.word(start + 1).and_then(|word| nearest(word, ["moved"]));
            let kind = SyntaxErrorKind::Unexpected {
                found: next.map(|token| self.written(token).to_owned()),
                expected: vec![words::name_of(Rule::moved_word)],
                suggestion: near
                    .map(|near| self.suggestion(format!("{} {near}", words::ON), start..start + 2)),
            };
            return Some(self.mistake(kind, next.unwrap_or(first)));
        }
        if let Some(token) = self.piece.too_deep.and_then(|at| self.tokens.get(at)) {
            return Some(self.mistake(SyntaxErrorKind::TooDeep, *token));
        }
        self.piece.tokens.clone().find_map(|at| match self.token(at)? {
            token @ SyntaxToken { kind: TokenShape::Fault(fault), .. } => {
                Some(self.fault(fault, at, token))
            }
            token => {
                let flags = self.suggest_flags(at)?;
                let expected = vec!["a blank before the next flag"];
                Some(self.mistake(self.unexpected(token, expected, Some(flags)), token))
            }
        })
    }

    fn entry_opening(&self, first: SyntaxToken) -> Option<SyntaxErrorKind> {
        let written = self.written(first);
        match first.kind {
            TokenShape::Quantity if written.starts_with(['+', '-']) => None,
            TokenShape::Quantity => Some(SyntaxErrorKind::MissingSign(written.to_string())),
            TokenShape::Fault(_) => None,
            _ => Some(self.unexpected(first, vec![words::name_of(Rule::weight)], None)),
        }
    }

    /// What is wrong with the first token of a statement.
    fn opening(&self, start: usize, first: SyntaxToken) -> Option<SyntaxErrorKind> {
        let Some(word) = self.word(start) else { return self.opening_sign(start, first) };
        let opens = words::STATEMENTS.contains(&word) || words::ACTIONS.contains(&word);
        if opens || word == words::ON {
            return None;
        }
        if let Some(language) = self.foreign_opening(start, word) {
            return Some(language);
        }
        if words::SLIPS.contains(&word) {
            return Some(SyntaxErrorKind::Slip { found: word.to_owned(), is_first: true });
        }
        let next = self.token(start + 1);
        if next.is_some_and(|next| matches!(self.written(next), "=" | ":" | ":=")) {
            return Some(SyntaxErrorKind::MissingSet(word.to_owned()));
        }
        if word.contains('_') {
            return Some(SyntaxErrorKind::Underscore(word.to_owned()));
        }
        let shape = next.map(|token| token.kind);
        let near = words::nearest_opening(word, shape == Some(TokenShape::Text));
        // `spam -> …` is a condition.
        let is_condition = shape == Some(TokenShape::Arrow);
        let near = near.filter(|near| !is_condition || words::STATEMENTS.contains(near));
        let rule = if near.is_none() { self.suggest_rule(start, word) } else { None };
        Some(match rule {
            Some(_) => self.unexpected(first, vec!["a statement"], rule),
            None => SyntaxErrorKind::UnknownStatement { found: word.to_owned(), near },
        })
    }

    /// What is wrong with a first token that is not a word.
    fn opening_sign(&self, start: usize, first: SyntaxToken) -> Option<SyntaxErrorKind> {
        let written = self.written(first);
        let next = self.token(start + 1).map_or("", |token| self.written(token));
        match first.kind {
            TokenShape::Fault(_) => None,
            TokenShape::Signs
                if written == ":" && next.starts_with('0')
                    || written.starts_with("*^")
                    || written == "*" && next.starts_with('^') =>
            {
                Some(SyntaxErrorKind::Procmail)
            }
            TokenShape::Arrow => {
                let found = written.to_owned();
                Some(SyntaxErrorKind::UnknownStatement { found, near: None })
            }
            _ => Some(self.unexpected(first, vec!["a statement"], self.comment(first))),
        }
    }

    /// The language of another filter whose statement begins with this word.
    fn foreign_opening(&self, start: usize, word: &str) -> Option<SyntaxErrorKind> {
        let next = self.token(start + 1).map_or("", |token| self.written(token));
        // `header :is`, but not `from: a@b.example`.
        let tagged = !self.touches(start + 2)
            && self.token(start + 2).is_some_and(|token| self.written(token).starts_with(':'));
        match word {
            _ if next == "=" && word.chars().all(|c| c.is_ascii_uppercase()) => {
                Some(SyntaxErrorKind::Procmail)
            }
            "fileinto" => Some(SyntaxErrorKind::Sieve),
            "require" if next.starts_with(['[', '"']) => Some(SyntaxErrorKind::Sieve),
            "if" | "elsif" if tagged || matches!(next, "allof" | "anyof") => {
                Some(SyntaxErrorKind::Sieve)
            }
            _ => None,
        }
    }
}
