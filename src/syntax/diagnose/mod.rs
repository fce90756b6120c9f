//! Determines the mistake from the place where pest gave up, and from the tokens there.

mod comparison;
mod context;
mod faults;
mod idiom;
mod opening;
mod sign;
mod suggestion;
mod word;

use pest::error::{Error, ErrorVariant, InputLocation};

use super::grammar::Rule;
use super::mistake::{Mistake, SyntaxErrorKind};
use super::scan::{SyntaxToken, TokenShape};
use super::words;
use crate::source::Span;

pub(super) use context::PieceContext;

impl PieceContext<'_> {
    /// The mistake that pest could not get past.
    pub(in crate::syntax) fn explain(&self, error: &Error<Rule>) -> Mistake {
        let base = self.token(self.piece.tokens.start).map_or(0, |token| token.start);
        let offset = base
            + match error.location {
                InputLocation::Pos(at) | InputLocation::Span((at, _)) => at as u32,
            };
        let opens = self.piece.tokens.end.checked_sub(1).and_then(|last| self.token(last));
        if self.word(self.piece.tokens.start) == Some(words::ON)
            && let Some(open) = opens.filter(|token| token.kind == TokenShape::OpenBlock)
        {
            return self.mistake(SyntaxErrorKind::BlockOfMove, open);
        }
        let expected: &[Rule] = match &error.variant {
            ErrorVariant::ParsingError { positives, .. } => positives,
            ErrorVariant::CustomError { .. } => &[],
        };
        let tokens = self.tokens.get(self.piece.tokens.clone()).unwrap_or_default();
        let at = self.piece.tokens.start + tokens.partition_point(|token| token.end <= offset);
        match self.token(at) {
            Some(found) => self.found(at, found, offset, expected),
            None => self.ended(expected),
        }
    }

    fn unclosed(&self) -> Option<Mistake> {
        let token = self.tokens.get(self.piece.unclosed?)?;
        let kind = match token.kind {
            TokenShape::OpenSet => SyntaxErrorKind::UnclosedSet,
            _ => SyntaxErrorKind::UnclosedParenthesis,
        };
        Some(self.mistake(kind, *token))
    }

    /// The piece ends too early.
    fn ended(&self, expected: &[Rule]) -> Mistake {
        if let Some(mistake) = self.unclosed() {
            return mistake;
        }
        let end = self.tokens.get(self.piece.tokens.clone()).and_then(<[SyntaxToken]>::last);
        let end = end.map_or(0, |token| token.end);
        let is_rule = self
            .word(self.piece.tokens.start)
            .is_some_and(|word| matches!(word, "when" | "otherwise" | "rule"));
        let kind = if is_rule && expected.contains(&Rule::arrow) {
            // `folder "A" when …`
            let is_turned = self.token(self.piece.tokens.start).is_some_and(|first| {
                let at = self.piece.tokens.start.checked_sub(1).and_then(|at| self.tokens.get(at));
                first.indent.is_none()
                    && at.is_some_and(|before| {
                        !matches!(before.kind, TokenShape::OpenBlock | TokenShape::CloseBlock)
                    })
            });
            SyntaxErrorKind::NothingToDo { is_turned }
        } else {
            SyntaxErrorKind::Unexpected { found: None, expected: names(expected), suggestion: None }
        };
        Mistake { kind, span: Span { file: self.file, start: end, end } }
    }

    /// Something is in a place where it cannot be.
    fn found(&self, at: usize, found: SyntaxToken, offset: u32, expected: &[Rule]) -> Mistake {
        if self.piece.unopened == Some(at) {
            let c = self.written(found).chars().next().unwrap_or_default();
            return self.mistake(SyntaxErrorKind::Unopened(c), found);
        }
        let expects = |rule| expected.contains(&rule);
        self.unclosed_before(found, expected)
            .or_else(|| self.broken_arrow(at).filter(|_| expects(Rule::arrow)))
            .or_else(|| self.moving(at).filter(|_| expects(Rule::comma)))
            .or_else(|| self.phrase(at, found, expected))
            .or_else(|| self.date_in_words(at))
            .or_else(|| self.without_quotes(at, found, offset, expected))
            .or_else(|| self.torn_quantity(at, found))
            .or_else(|| self.capital_not(at, expected))
            .unwrap_or_else(|| {
                let kind = self.misplaced(at, found, expected);
                self.mistake(kind.unwrap_or_else(|| self.other(at, found, expected)), found)
            })
    }

    /// A set or a parenthesis that is still open where the condition ends.
    fn unclosed_before(&self, found: SyntaxToken, expected: &[Rule]) -> Option<Mistake> {
        let closes = [Rule::close_paren, Rule::close_set].iter().any(|it| expected.contains(it));
        let ends = matches!(found.kind, TokenShape::Arrow | TokenShape::OpenBlock);
        self.unclosed().filter(|_| closes && ends)
    }

    /// A phrase of other filters or of plain English, and how it is written.
    fn phrase(&self, at: usize, found: SyntaxToken, expected: &[Rule]) -> Option<Mistake> {
        let in_test = [Rule::operator, Rule::arrow].iter().any(|it| expected.contains(it));
        let suggestion = self
            .idiom(at, expected)
            .or_else(|| self.expiry(at, expected))
            .or_else(|| self.folder_test(at))
            .or_else(|| self.comparison(at).filter(|_| in_test))?;
        Some(self.mistake(self.unexpected(found, names(expected), Some(suggestion)), found))
    }

    /// Text that stands there without its quotes; pest stopped at the byte `offset`.
    fn without_quotes(
        &self,
        at: usize,
        found: SyntaxToken,
        offset: u32,
        expected: &[Rule],
    ) -> Option<Mistake> {
        let expects = |rule| expected.contains(&rule);
        let written = self.written(found);
        if written.contains('_') {
            let term = self.unquoted(at)?;
            return matches!(term.kind, SyntaxErrorKind::Unexpected { .. }).then_some(term);
        }
        let is_text = match found.kind {
            TokenShape::Word => {
                let wants_text =
                    expects(Rule::string) && !expects(Rule::name) && !expects(Rule::name_or_domain);
                offset > found.start
                    || self.touches(at)
                    || (wants_text && !words::is_reserved(written))
            }
            TokenShape::Signs => self.touches(at + 1) && (written == "~" || self.touches(at)),
            _ => false,
        };
        is_text.then(|| {
            let plain = || self.mistake(SyntaxErrorKind::MissingQuotes(written.into()), found);
            self.unquoted(at).unwrap_or_else(plain)
        })
    }

    /// `2026/12/24`, `20 K`
    fn torn_quantity(&self, at: usize, found: SyntaxToken) -> Option<Mistake> {
        let before = self.token(at.wrapping_sub(1))?;
        let is_date = found.kind == TokenShape::Pattern && found.start == before.end;
        let is_unit = found.kind == TokenShape::Word && words::is_unit(self.written(found));
        let whole = SyntaxToken { end: found.end, ..before };
        let written = self.written(whole).to_owned();
        (before.kind == TokenShape::Quantity && (is_date || is_unit))
            .then(|| self.mistake(SyntaxErrorKind::BadQuantity(written), whole))
    }

    /// `NOT` before a test, which reads like a field.
    fn capital_not(&self, at: usize, expected: &[Rule]) -> Option<Mistake> {
        let not = self.token(at.wrapping_sub(1))?;
        let word = self.written(not);
        let is_capital = word != "not" && word.eq_ignore_ascii_case("not");
        (is_capital && expected.contains(&Rule::operator))
            .then(|| self.mistake(capital(word, "`not`"), not))
    }

    /// What a token of this kind means in this place.
    fn misplaced(
        &self,
        at: usize,
        found: SyntaxToken,
        expected: &[Rule],
    ) -> Option<SyntaxErrorKind> {
        let expects = |rule| expected.contains(&rule);
        let is_kind = |at: usize, kind| self.token(at).is_some_and(|token| token.kind == kind);
        let written = self.written(found);
        let is_value =
            matches!(found.kind, TokenShape::Text | TokenShape::Pattern | TokenShape::Quantity);
        match found.kind {
            TokenShape::Signs => self.sign(at, written, expected),
            TokenShape::Comma if expects(Rule::and_word) => {
                let (found, instead) = (written.to_owned(), "`and` or `or`");
                Some(SyntaxErrorKind::ForeignSign { found, instead })
            }
            TokenShape::Arrow if is_kind(at + 1, TokenShape::OpenBlock) => {
                Some(SyntaxErrorKind::ArrowAndBlock)
            }
            kind if (is_value || kind == TokenShape::Word)
                && expects(Rule::close_set)
                && expects(Rule::comma) =>
            {
                Some(SyntaxErrorKind::MissingElementComma(written.to_owned()))
            }
            kind if is_value
                && (expects(Rule::test) || expects(Rule::unary) || expects(Rule::field_name)) =>
            {
                self.value_alone(at, kind, written)
            }
            TokenShape::Pattern if is_kind(at.wrapping_sub(1), TokenShape::Pattern) => {
                Some(SyntaxErrorKind::BadPatternFlag(written.to_owned()))
            }
            TokenShape::Word => self.wrong_word(at, written, expected),
            _ => None,
        }
    }

    /// What was expected, where nothing more is known.
    fn other(&self, at: usize, found: SyntaxToken, rules: &[Rule]) -> SyntaxErrorKind {
        let mut expected = names(rules);
        if self.sets_layout() {
            expected = vec!["`maildir++`", "`fs`"];
        }
        if self.word(self.piece.tokens.start) == Some("score") && expected.is_empty() {
            expected.push("`{`");
        }
        self.unexpected(found, expected, self.suggest_at(at, found, rules))
    }
}

/// `AND`: a word of the language in capital letters.
fn capital(found: &str, instead: &'static str) -> SyntaxErrorKind {
    SyntaxErrorKind::ForeignSign { found: found.to_owned(), instead }
}

/// What was expected, for people: the most informative names, each once.
fn names(expected: &[Rule]) -> Vec<&'static str> {
    let mut rules: Vec<Rule> = expected.to_vec();
    rules.sort_unstable();
    let mut names: Vec<&'static str> = Vec::new();
    for rule in rules {
        let name = words::name_of(rule);
        if !names.contains(&name) {
            names.push(name);
        }
    }
    if names.contains(&"`not`") && !names.contains(&"a condition") {
        names.insert(0, "a condition");
    }
    // Names that are part of another one in the list, or are implied.
    let wider: &[(&str, &[&str])] = &[
        ("a field", &["a set `[…]`"]),
        ("a condition", &["a field", "`not`", "`has`", "`(`"]),
        ("a value", &["a string `\"…\"`", "a pattern `/…/`", "a number", "a name", "a set `[…]`"]),
        ("an action", &["an argument"]),
        ("a statement", &["an action"]),
    ];
    for (whole, parts) in wider {
        if names.contains(whole) {
            names.retain(|name| !parts.contains(name));
        }
    }
    for needless in ["the end of the statement", "`..`", "a part (`.domain`)", "a name", "a number"]
    {
        if names.len() > 1 && !(needless == "a name" && names.len() == 2) {
            names.retain(|name| *name != needless);
        }
    }
    names
}
