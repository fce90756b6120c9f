//! What was meant by characters that are no tokens of the language: other quotes, missing ones,
//! look-alikes.

use super::context::PieceContext;
use crate::syntax::mistake::{Mistake, SyntaxErrorKind, SyntaxSuggestion};
use crate::syntax::scan::{self, ScanFault, SyntaxToken, TokenShape};

impl PieceContext<'_> {
    /// Text without quotes around the token: adjacent words and signs.
    pub(super) fn unquoted(&self, at: usize) -> Option<Mistake> {
        let part = |token: SyntaxToken| {
            matches!(
                token.kind,
                TokenShape::Word
                    | TokenShape::Quantity
                    | TokenShape::Signs
                    | TokenShape::Dots
                    | TokenShape::Pattern
                    | TokenShape::Fault(
                        ScanFault::Stray | ScanFault::UnclosedPattern | ScanFault::EmptyPattern
                    )
            )
        };
        let mut first = at;
        while let (Some(before), Some(token)) =
            (self.token(first.wrapping_sub(1)), self.token(first))
            && part(before)
            && before.end == token.start
        {
            first -= 1;
        }
        let mut last = at;
        while let (Some(token), Some(following)) = (self.token(last), self.token(last + 1))
            && part(following)
            && following.start == token.end
        {
            last += 1;
        }
        let (from, to) = (self.token(first)?, self.token(last)?);
        let whole = SyntaxToken { end: to.end, ..from };
        let written = self.written(whole).split([' ', '\t']).next().unwrap_or_default();
        let whole = SyntaxToken { end: whole.start + written.len() as u32, ..whole };
        if let Some(term) = self.search_term(whole) {
            return Some(term);
        }
        let has_word = (first..=last).any(|at| self.word(at).is_some());
        let is_text = first < last && (has_word || written.starts_with('~'));
        let dotted = first == last && self.word(first).is_some_and(|word| word.contains('.'));
        (is_text || dotted)
            .then(|| self.mistake(SyntaxErrorKind::MissingQuotes(written.to_string()), whole))
    }

    pub(super) fn fault(&self, fault: ScanFault, at: usize, token: SyntaxToken) -> Mistake {
        let written = self.written(token);
        if fault == ScanFault::UnclosedText
            && let Some(curly) = written.find(scan::is_curly_quote)
        {
            let found: String = written[curly..].chars().take(1).collect();
            let start = token.start + curly as u32;
            let whole = SyntaxToken { start, end: start + found.len() as u32, ..token };
            return self.mistake(SyntaxErrorKind::CurlyQuote { found, suggestion: None }, whole);
        }
        if fault == ScanFault::UnclosedText
            && let Some(opening) = self.closed_too_late(at, token)
        {
            return self.mistake(SyntaxErrorKind::UnclosedText, opening);
        }
        let first = written.chars().next().unwrap_or_default();
        let kind = match fault {
            ScanFault::UnclosedText if written.len() == 1 => SyntaxErrorKind::LoneQuote,
            ScanFault::UnclosedText => SyntaxErrorKind::UnclosedText,
            ScanFault::UnclosedLongText => SyntaxErrorKind::UnclosedLongText,
            ScanFault::UnclosedPattern => match self.unquoted(at) {
                Some(mistake) => return mistake,
                None => SyntaxErrorKind::UnclosedPattern,
            },
            ScanFault::EmptyPattern => match self.unquoted(at).filter(|_| self.touches(at)) {
                Some(mistake) => return mistake,
                None => SyntaxErrorKind::EmptyPattern,
            },
            ScanFault::SingleQuote => match self.contraction(at) {
                Some(mistake) => return mistake,
                None => SyntaxErrorKind::SingleQuote(self.quoted(token, |c| c == '\'')),
            },
            ScanFault::CurlyQuote => SyntaxErrorKind::CurlyQuote {
                found: written.to_string(),
                suggestion: self.quoted(token, scan::is_curly_quote),
            },
            ScanFault::LookAlike => SyntaxErrorKind::LookAlike(written.to_string()),
            ScanFault::Invisible => SyntaxErrorKind::Invisible(first),
            ScanFault::Stray if matches!(first, ';' | '。') => match self.comment(token) {
                Some(suggestion) if at == self.piece.tokens.start => SyntaxErrorKind::Unexpected {
                    found: Some(written.to_string()),
                    expected: vec!["a statement"],
                    suggestion: Some(suggestion),
                },
                _ => SyntaxErrorKind::NeedlessEnd(first),
            },
            ScanFault::Stray if let Some(mistake) = self.imap_flag(at, token) => return mistake,
            ScanFault::Stray => match self.unquoted(at) {
                Some(mistake) => return mistake,
                None => SyntaxErrorKind::Stray(first),
            },
        };
        // The opening sign is what matters; the rest of the line may be fine.
        let end = match fault {
            ScanFault::UnclosedText | ScanFault::UnclosedPattern => token.start + 1,
            ScanFault::EmptyPattern => token.start + 2,
            ScanFault::UnclosedLongText => token.start + scan::LONG_QUOTE.len() as u32,
            _ => token.end,
        };
        self.mistake(kind, SyntaxToken { end, ..token })
    }

    /// A string in other quotes, written with those of the language; `first` is the opening
    /// quote.
    fn quoted(
        &self,
        first: SyntaxToken,
        is_quote: impl Fn(char) -> bool,
    ) -> Option<SyntaxSuggestion> {
        let rest = self.text.get(first.end as usize..)?;
        let end = rest.find(|c| is_quote(c) || c == '"' || c == '\n')?;
        let last = rest[end..].chars().next().filter(|c| *c != '\n')?;
        let text = format!("\"{}\"", &rest[..end]);
        let end = first.end + (end + last.len_utf8()) as u32;
        (self.written(first).chars().count() == 1 && !text.contains('\\'))
            .then_some(SyntaxSuggestion { text, place: Some((first.start, end)) })
    }

    /// `"x -> folder "A"`: the quote of a string that was closed by the opening quote of
    /// the next one. `last` is the quote that remained.
    fn closed_too_late(&self, at: usize, last: SyntaxToken) -> Option<SyntaxToken> {
        let line = self.text.get(..last.start as usize)?.rfind('\n').map_or(0, |end| end + 1);
        (self.piece.tokens.start..at).find_map(|at| {
            let text = self.token(at).filter(|token| token.kind == TokenShape::Text)?;
            let next = self.token(at + 1)?;
            let opens_next = matches!(next.kind, TokenShape::Word | TokenShape::Quantity)
                && next.start == text.end;
            let content = self.written(text).strip_prefix('"')?.strip_suffix('"')?;
            (text.start as usize >= line
                && opens_next
                && content.ends_with([' ', '\t', '[', '(', ',']))
            .then_some(SyntaxToken { end: text.start + 1, ..text })
        })
    }
}
