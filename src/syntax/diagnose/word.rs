//! A word where something else was expected.

use super::context::PieceContext;
use super::{capital, names};
use crate::syntax::grammar::Rule;
use crate::syntax::mistake::SyntaxErrorKind;
use crate::syntax::scan::TokenShape;
use crate::syntax::words;

/// Where a name, or what may begin with one, can be.
const NAMES: [Rule; 13] = [
    Rule::name,
    Rule::name_or_domain,
    Rule::setting,
    Rule::condition,
    Rule::all,
    Rule::unary,
    Rule::test,
    Rule::field,
    Rule::field_name,
    Rule::value,
    Rule::element,
    Rule::argument,
    Rule::flag,
];

impl PieceContext<'_> {
    /// What is wrong with a word where these were expected.
    pub(super) fn wrong_word(
        &self,
        at: usize,
        word: &str,
        expected: &[Rule],
    ) -> Option<SyntaxErrorKind> {
        let found = word.to_owned();
        let expects = |rule| expected.contains(&rule);
        if word.contains('_') {
            let near = words::nearest_operator(word);
            let compares = [Rule::operator, Rule::value, Rule::and_word].into_iter().any(expects);
            return Some(match near.is_some() && compares && self.is_value(at + 1) {
                true => SyntaxErrorKind::UnknownOperator { found, near },
                false => SyntaxErrorKind::Underscore(found),
            });
        }
        if words::SLIPS.contains(&word) {
            return Some(SyntaxErrorKind::Slip { found, is_first: false });
        }
        if expects(Rule::and_word) || expects(Rule::or_word) {
            match word.to_ascii_lowercase().as_str() {
                "and" => return Some(capital(word, "`and`")),
                "or" => return Some(capital(word, "`or`")),
                _ => {}
            }
        }
        self.negation(at, word, expected)
            .or_else(|| self.action_without_joint(at, word, expected))
            .or_else(|| self.foreign_operator(at, word, expected))
            .or_else(|| self.in_place_of_name(word, expected))
    }

    /// `is not`, `isnt`, `not in`
    fn negation(&self, at: usize, word: &str, expected: &[Rule]) -> Option<SyntaxErrorKind> {
        let negated = self.negated(at, word).filter(|_| expected.contains(&Rule::operator));
        if let Some(operator) = negated {
            let suggestion = self.negated_test(at, at + 1, operator);
            let operator = operator.to_owned();
            return Some(SyntaxErrorKind::NegatedOperator { operator, suggestion });
        }
        if word != "not" {
            return None;
        }
        let before = at.wrapping_sub(1);
        let place = [before, at + 1].into_iter().find(|at| self.is_operator(*at))?;
        let operator = self.written(self.token(place)?).to_owned();
        let field = if place == before { before } else { at };
        let suggestion = self.negated_test(field, at + 1, &operator);
        Some(SyntaxErrorKind::NegatedOperator { operator, suggestion })
    }

    /// An action that neither `->` nor a comma precedes.
    fn action_without_joint(
        &self,
        at: usize,
        word: &str,
        expected: &[Rule],
    ) -> Option<SyntaxErrorKind> {
        let joined = self
            .token(at.wrapping_sub(1))
            .is_some_and(|before| matches!(before.kind, TokenShape::Comma | TokenShape::Arrow));
        if joined || !words::ACTIONS.contains(&word) {
            return None;
        }
        if expected.contains(&Rule::arrow) {
            return Some(SyntaxErrorKind::MissingArrow(word.to_owned()));
        }
        let follows = expected.contains(&Rule::comma);
        follows.then(|| SyntaxErrorKind::MissingActionComma(word.to_owned()))
    }

    /// An operator of another language, or none between two tests.
    fn foreign_operator(
        &self,
        at: usize,
        word: &str,
        expected: &[Rule],
    ) -> Option<SyntaxErrorKind> {
        let expects = |rule| expected.contains(&rule);
        let found = word.to_owned();
        if word == "raw" && expects(Rule::operator) {
            let suggestion = Some(self.raw_header(at)?.into());
            let (found, expected) = (Some(found), names(expected));
            return Some(SyntaxErrorKind::Unexpected { found, expected, suggestion });
        }
        let is_foreign = !words::is_reserved(word) || words::is_synonym(word);
        if expects(Rule::operator) && is_foreign && self.is_value(at + 1) {
            let near = words::nearest_operator(word);
            return Some(SyntaxErrorKind::UnknownOperator { found, near });
        }
        let tests = expects(Rule::test) || expects(Rule::unary);
        let of_list = match word {
            "list" if tests => Some(self.list_test(at).into()),
            "list.id" | "list.name" if tests => {
                Some(self.suggestion(word.replace('.', "-"), at..at + 1))
            }
            _ => None,
        };
        if let Some(suggestion) = of_list {
            let (expected, suggestion) = (names(expected), Some(suggestion));
            return Some(SyntaxErrorKind::Unexpected { found: Some(found), expected, suggestion });
        }
        let after_text =
            self.token(at.wrapping_sub(1)).is_some_and(|before| before.kind == TokenShape::Text);
        let begins_test = self.is_operator(at + 1) || word.contains('.');
        (expects(Rule::and_word) && after_text && begins_test && !words::is_reserved(word))
            .then_some(SyntaxErrorKind::MissingJoint(found))
    }

    /// `header "Subject" raw …`: the test of the header as it was sent.
    fn raw_header(&self, at: usize) -> Option<String> {
        let name = self.token(at.wrapping_sub(1)).filter(|it| it.kind == TokenShape::Text)?;
        let name = self.written(name).trim_matches('"');
        let is_header = self.word(at.wrapping_sub(2)) == Some("header");
        is_header.then(|| format!("raw-headers matches /^{name}:.*…/"))
    }

    /// A word of the language where a name is expected.
    fn in_place_of_name(&self, word: &str, expected: &[Rule]) -> Option<SyntaxErrorKind> {
        let named = words::STATEMENTS.contains(&word) || words::ACTIONS.contains(&word);
        (named && NAMES.iter().any(|rule| expected.contains(rule)))
            .then(|| SyntaxErrorKind::Reserved(word.to_owned()))
    }

    fn is_operator(&self, at: usize) -> bool {
        self.token(at).is_some_and(|token| match token.kind {
            TokenShape::Word => words::OPERATORS.contains(&self.written(token)),
            TokenShape::Signs => matches!(self.written(token), "=" | "<" | ">" | "<=" | ">="),
            _ => false,
        })
    }

    /// Whether a value begins at a token.
    fn is_value(&self, at: usize) -> bool {
        self.token(at).is_some_and(|token| match token.kind {
            TokenShape::Text | TokenShape::Pattern | TokenShape::Quantity | TokenShape::OpenSet => {
                true
            }
            TokenShape::Word => !words::is_reserved(self.written(token)),
            _ => false,
        })
    }
}
