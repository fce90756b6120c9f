//! Signs of other languages in the place of an operator, a word or an arrow.

use super::context::PieceContext;
use crate::syntax::grammar::Rule;
use crate::syntax::mistake::SyntaxErrorKind;
use crate::syntax::scan::{SyntaxToken, TokenShape};
use crate::syntax::words;

impl PieceContext<'_> {
    /// What is wrong with a sign where these were expected.
    pub(super) fn sign(&self, at: usize, sign: &str, expected: &[Rule]) -> Option<SyntaxErrorKind> {
        let start = self.piece.tokens.start;
        let found = sign.to_owned();
        if at == start + 2
            && matches!(self.word(start), Some("set" | "list"))
            && matches!(sign, "=" | ":" | ":=" | "==")
        {
            return Some(SyntaxErrorKind::NeedlessSign(found));
        }
        let in_test = expected.contains(&Rule::operator);
        if in_test && let Some(kind) = self.colon_after_field(at, sign) {
            return Some(kind);
        }
        if expected.contains(&Rule::arrow) && self.is_foreign_arrow(at, sign) {
            return Some(SyntaxErrorKind::NotAnArrow(found));
        }
        let next = self.token(at + 1).map(|next| next.kind);
        let negated = match (sign, next) {
            ("!=" | "<>" | "!==", Some(TokenShape::Quantity)) => Some("="),
            ("!=" | "<>" | "!==", _) => Some("is"),
            ("!~", Some(TokenShape::Pattern)) => Some("matches"),
            _ => None,
        };
        let test = negated.and_then(|operator| self.negated_test(at, at + 1, operator));
        if let Some(suggestion) = test.filter(|_| in_test) {
            return Some(SyntaxErrorKind::ForeignTest { found, suggestion });
        }
        let instead = operator_for(sign, next, in_test)?;
        Some(SyntaxErrorKind::ForeignSign { found, instead })
    }

    /// `from: "x"`, `cc: is "x"`
    fn colon_after_field(&self, at: usize, sign: &str) -> Option<SyntaxErrorKind> {
        if !matches!(sign, ":" | "::" | ":=") {
            return None;
        }
        let found = sign.to_owned();
        if self.word(at + 1).is_some_and(|word| words::OPERATORS.contains(&word)) {
            return Some(SyntaxErrorKind::FieldColon(found));
        }
        let is_value = |token: &SyntaxToken| {
            matches!(token.kind, TokenShape::Text | TokenShape::Pattern | TokenShape::OpenSet)
        };
        let value = self.token(at + 1).filter(is_value)?;
        let operator = match value.kind {
            TokenShape::Pattern => "matches",
            _ if self.written(value).contains('@') => "is",
            _ => "contains",
        };
        Some(match self.test_with(at, operator, at + 1) {
            Some(suggestion) => SyntaxErrorKind::ForeignTest { found, suggestion },
            None => SyntaxErrorKind::ForeignSign { found, instead: ANY_OPERATOR },
        })
    }

    /// Whether a sign was meant to be `->`.
    fn is_foreign_arrow(&self, at: usize, sign: &str) -> bool {
        let next = self.token(at + 1).map(|next| next.kind);
        let acts = next == Some(TokenShape::OpenBlock)
            || self.word(at + 1).is_some_and(|word| words::ACTIONS.contains(&word));
        match sign {
            // `size => 5M`
            "=>" | ">>" => next != Some(TokenShape::Quantity),
            ":" | "::" | ":=" | "==>" | "-" | "--" | "|>" | "~>" => true,
            "=" | ">" | ">=" | "==" => acts,
            _ => false,
        }
    }
}

const ANY_OPERATOR: &str = "an operator: `is`, `contains`, …";

/// What is written here in place of a sign of other languages; `next` is what follows it.
fn operator_for(sign: &str, next: Option<TokenShape>, in_test: bool) -> Option<&'static str> {
    Some(match (sign, next) {
        ("==" | "===", Some(TokenShape::Quantity)) => "`=`",
        ("==" | "===", Some(TokenShape::Text)) => "`is`",
        ("==" | "===", _) => "`is` for text, `=` for numbers",
        ("=~" | "~" | "~=", Some(TokenShape::Pattern)) => "`matches`",
        ("=~" | "~" | "~=", _) => "`matches /…/`",
        (">>", _) => "`>`",
        ("<<", _) => "`<`",
        ("&&" | "&", _) => "`and`",
        ("||" | "|", _) => "`or`",
        ("!", _) => "`not`",
        ("!=" | "<>" | "!==", _) => "`not FIELD is …`",
        ("!~", _) => "`not FIELD matches /…/`",
        ("=>", _) => "`>=`",
        ("=<", _) => "`<=`",
        (":" | "::", _) if in_test => ANY_OPERATOR,
        _ => return None,
    })
}
