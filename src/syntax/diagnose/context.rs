//! A piece that has a mistake, with its surroundings, as hints look at it.

use std::ops::Range;

use crate::source::Span;
use crate::syntax::mistake::{Mistake, SyntaxErrorKind, SyntaxSuggestion};
use crate::syntax::outline::TokenRun;
use crate::syntax::scan::{SyntaxToken, TokenShape};

/// A piece and its surroundings.
pub(in crate::syntax) struct PieceContext<'a> {
    pub file: u32,
    pub text: &'a str,
    pub tokens: &'a [SyntaxToken],
    pub piece: &'a TokenRun,
}

impl<'a> PieceContext<'a> {
    pub(super) fn token(&self, at: usize) -> Option<SyntaxToken> {
        self.tokens.get(at).copied().filter(|_| self.piece.tokens.contains(&at))
    }

    pub(super) fn written(&self, token: SyntaxToken) -> &'a str {
        self.text.get(token.start as usize..token.end as usize).unwrap_or_default()
    }

    pub(super) fn word(&self, at: usize) -> Option<&'a str> {
        let token = self.token(at).filter(|token| token.kind == TokenShape::Word)?;
        Some(self.written(token))
    }

    pub(super) fn mistake(&self, kind: SyntaxErrorKind, token: SyntaxToken) -> Mistake {
        Mistake { kind, span: Span { file: self.file, start: token.start, end: token.end } }
    }

    /// The bytes from the first token to the last.
    pub(in crate::syntax) fn span(&self) -> Span {
        let tokens = self.tokens.get(self.piece.tokens.clone()).unwrap_or_default();
        Span {
            file: self.file,
            start: tokens.first().map_or(0, |token| token.start),
            end: tokens.last().map_or(0, |token| token.end),
        }
    }

    /// A text for these tokens.
    pub(super) fn suggestion(&self, text: String, tokens: Range<usize>) -> SyntaxSuggestion {
        let last = tokens.end.checked_sub(1).and_then(|last| self.token(last));
        let place = self.token(tokens.start).zip(last).map(|(first, last)| (first.start, last.end));
        SyntaxSuggestion { text, place }
    }

    /// Whether nothing is between a token and the one before it.
    pub(super) fn touches(&self, at: usize) -> bool {
        let (before, token) = (self.token(at.wrapping_sub(1)), self.token(at));
        before.zip(token).is_some_and(|(before, token)| before.end == token.start)
    }

    /// A token that is not expected there, and what was meant if that is known.
    pub(super) fn unexpected(
        &self,
        found: SyntaxToken,
        expected: Vec<&'static str>,
        suggestion: Option<SyntaxSuggestion>,
    ) -> SyntaxErrorKind {
        let found = Some(self.written(found).to_owned());
        SyntaxErrorKind::Unexpected { found, expected, suggestion }
    }
}
