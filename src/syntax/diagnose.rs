//! Determines the mistake from the place where pest gave up, and from the tokens there.

use std::ops::Range;

use pest::error::{Error, ErrorVariant, InputLocation};

use super::grammar::Rule;
use super::mistake::{Mistake, SyntaxErrorKind, SyntaxSuggestion};
use super::outline::TokenRun;
use super::scan::{SyntaxToken, TokenShape};
use super::words;
use crate::source::Span;
use crate::spelling::nearest;

/// A piece and its surroundings.
pub(super) struct PieceContext<'a> {
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
    pub(super) fn span(&self) -> Span {
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

    /// The mistakes that can be found without parsing.
    pub(super) fn before_parsing(&self, entry: bool) -> Option<Mistake> {
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
                found: next.map(|token| self.written(token).to_string()),
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
                let suggestion = Some(self.suggest_flags(at)?);
                let (found, expected) =
                    (Some(self.written(token).to_string()), vec!["a blank before the next flag"]);
                Some(
                    self.mistake(
                        SyntaxErrorKind::Unexpected { found, expected, suggestion },
                        token,
                    ),
                )
            }
        })
    }

    fn entry_opening(&self, first: SyntaxToken) -> Option<SyntaxErrorKind> {
        let written = self.written(first);
        match first.kind {
            TokenShape::Quantity if written.starts_with(['+', '-']) => None,
            TokenShape::Quantity => Some(SyntaxErrorKind::MissingSign(written.to_string())),
            TokenShape::Fault(_) => None,
            _ => Some(self.unexpected(Some(first), vec![words::name_of(Rule::weight)])),
        }
    }

    /// What is wrong with the first token of a statement.
    fn opening(&self, start: usize, first: SyntaxToken) -> Option<SyntaxErrorKind> {
        let next = self.token(start + 1);
        let next_written = next.map_or("", |token| self.written(token));
        let Some(word) = self.word(start) else {
            return match first.kind {
                TokenShape::Fault(_) => None,
                TokenShape::Signs
                    if self.written(first) == ":" && next_written.starts_with('0')
                        || self.written(first).starts_with("*^")
                        || self.written(first) == "*" && next_written.starts_with('^') =>
                {
                    Some(SyntaxErrorKind::Procmail)
                }
                TokenShape::Arrow => Some(SyntaxErrorKind::UnknownStatement {
                    found: self.written(first).to_string(),
                    near: None,
                }),
                _ => Some(SyntaxErrorKind::Unexpected {
                    found: Some(self.written(first).to_string()),
                    expected: vec!["a statement"],
                    suggestion: self.comment(first),
                }),
            };
        };
        let opens = words::STATEMENTS.contains(&word) || words::ACTIONS.contains(&word);
        if opens || word == words::ON {
            return None;
        }
        let assigned = next_written == "=" && word.chars().all(|c| c.is_ascii_uppercase());
        if assigned {
            return Some(SyntaxErrorKind::Procmail);
        }
        // `header :is`, but not `from: a@b.example`.
        let tagged = !self.touches(start + 2)
            && self.token(start + 2).is_some_and(|token| self.written(token).starts_with(':'));
        match word {
            "fileinto" => Some(SyntaxErrorKind::Sieve),
            "require" if next_written.starts_with(['[', '"']) => Some(SyntaxErrorKind::Sieve),
            "if" | "elsif" if tagged || matches!(next_written, "allof" | "anyof") => {
                Some(SyntaxErrorKind::Sieve)
            }
            _ if words::SLIPS.contains(&word) => {
                Some(SyntaxErrorKind::Slip { found: word.to_string(), is_first: true })
            }
            _ if matches!(next_written, "=" | ":" | ":=") => {
                Some(SyntaxErrorKind::MissingSet(word.to_string()))
            }
            _ if word.contains('_') => Some(SyntaxErrorKind::Underscore(word.to_string())),
            _ => {
                let shape = next.map(|token| token.kind);
                let near = words::nearest_opening(word, shape == Some(TokenShape::Text));
                // `spam -> …` is a condition.
                let is_condition = shape == Some(TokenShape::Arrow);
                let near = near.filter(|near| !is_condition || words::STATEMENTS.contains(near));
                let found = word.to_string();
                let rule = || self.suggest_rule(start, word);
                Some(match near.map_or_else(rule, |_| None) {
                    suggestion @ Some(_) => SyntaxErrorKind::Unexpected {
                        found: Some(found),
                        expected: vec!["a statement"],
                        suggestion,
                    },
                    None => SyntaxErrorKind::UnknownStatement { found, near },
                })
            }
        }
    }

    /// Whether nothing is between a token and the one before it.
    pub(super) fn touches(&self, at: usize) -> bool {
        let (before, token) = (self.token(at.wrapping_sub(1)), self.token(at));
        before.zip(token).is_some_and(|(before, token)| before.end == token.start)
    }

    fn unexpected(
        &self,
        found: Option<SyntaxToken>,
        expected: Vec<&'static str>,
    ) -> SyntaxErrorKind {
        let found = found.map(|token| self.written(token).to_string());
        SyntaxErrorKind::Unexpected { found, expected, suggestion: None }
    }

    /// The mistake that pest could not get past.
    pub(super) fn explain(&self, error: &Error<Rule>) -> Mistake {
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
            self.unexpected(None, names(expected))
        };
        Mistake { kind, span: Span { file: self.file, start: end, end } }
    }

    /// Something is in a place where it cannot be.
    fn found(&self, at: usize, found: SyntaxToken, offset: u32, expected: &[Rule]) -> Mistake {
        let written = self.written(found);
        let text = || written.to_string();
        let expects = |rule| expected.contains(&rule);
        let before = self.token(at.wrapping_sub(1));
        let start = self.piece.tokens.start;
        if self.piece.unopened == Some(at) {
            let c = written.chars().next().unwrap_or_default();
            return self.mistake(SyntaxErrorKind::Unopened(c), found);
        }
        if expects(Rule::close_paren) || expects(Rule::close_set) {
            let ends = matches!(found.kind, TokenShape::Arrow | TokenShape::OpenBlock);
            if let Some(mistake) = self.unclosed().filter(|_| ends) {
                return mistake;
            }
        }
        let in_test = expects(Rule::operator) || expects(Rule::arrow);
        let arrow = self.broken_arrow(at).filter(|_| expects(Rule::arrow));
        if let Some(mistake) = arrow.or_else(|| self.moving(at).filter(|_| expects(Rule::comma))) {
            return mistake;
        }
        let suggestion = self.idiom(at, expected).or_else(|| self.expiry(at, expected));
        let suggestion = suggestion.or_else(|| self.folder_test(at));
        if let Some(suggestion) = suggestion.or_else(|| self.comparison(at).filter(|_| in_test)) {
            let expected = names(expected);
            let found_text = Some(text());
            let suggestion = Some(suggestion);
            let kind = SyntaxErrorKind::Unexpected { found: found_text, expected, suggestion };
            return self.mistake(kind, found);
        }
        if let Some(date) = self.date_in_words(at) {
            return date;
        }
        let next = self.token(at + 1);
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
        if written.contains('_')
            && let Some(term) = self
                .unquoted(at)
                .filter(|term| matches!(term.kind, SyntaxErrorKind::Unexpected { .. }))
        {
            return term;
        }
        if is_text && !written.contains('_') {
            let plain = || self.mistake(SyntaxErrorKind::MissingQuotes(text()), found);
            return self.unquoted(at).unwrap_or_else(plain);
        }
        if let Some(mistake) = before.and_then(|before| self.torn_quantity(before, found)) {
            return mistake;
        }
        if let Some(not) = before.filter(|before| {
            let word = self.written(*before);
            expects(Rule::operator) && word != "not" && word.eq_ignore_ascii_case("not")
        }) {
            return self.mistake(capital(self.written(not), "`not`"), not);
        }
        let kind = match (found.kind, self.word(at)) {
            (TokenShape::Signs, _) => self.sign(at, written, expected),
            (TokenShape::Comma, _) if expects(Rule::and_word) => {
                let (found, instead) = (text(), "`and` or `or`");
                Some(SyntaxErrorKind::ForeignSign { found, instead })
            }
            (TokenShape::Arrow, _)
                if next.is_some_and(|next| next.kind == TokenShape::OpenBlock) =>
            {
                Some(SyntaxErrorKind::ArrowAndBlock)
            }
            (
                TokenShape::Text | TokenShape::Pattern | TokenShape::Quantity | TokenShape::Word,
                _,
            ) if expects(Rule::close_set) && expects(Rule::comma) => {
                Some(SyntaxErrorKind::MissingElementComma(text()))
            }
            (TokenShape::Text | TokenShape::Pattern | TokenShape::Quantity, _)
                if expects(Rule::test) || expects(Rule::unary) || expects(Rule::field_name) =>
            {
                self.value_alone(at, found.kind, written)
            }
            (TokenShape::Pattern, _)
                if before.is_some_and(|before| before.kind == TokenShape::Pattern) =>
            {
                Some(SyntaxErrorKind::BadPatternFlag(text()))
            }
            (_, Some(word)) => self.wrong_word(at, word, expected),
            _ => None,
        };
        let is_score = self.word(start) == Some("score");
        let kind = kind.unwrap_or_else(|| {
            let (rules, mut expected) = (expected, names(expected));
            if self.sets_layout() {
                expected = vec!["`maildir++`", "`fs`"];
            }
            if is_score && expected.is_empty() {
                expected.push("`{`");
            }
            let suggestion = self.suggest_at(at, found, rules);
            SyntaxErrorKind::Unexpected { found: Some(text()), expected, suggestion }
        });
        self.mistake(kind, found)
    }

    /// `2026/12/24`, `20 K`
    fn torn_quantity(&self, before: SyntaxToken, found: SyntaxToken) -> Option<Mistake> {
        let is_date = found.kind == TokenShape::Pattern && found.start == before.end;
        let is_unit = found.kind == TokenShape::Word && words::is_unit(self.written(found));
        let whole = SyntaxToken { end: found.end, ..before };
        let written = self.written(whole).to_string();
        (before.kind == TokenShape::Quantity && (is_date || is_unit))
            .then(|| self.mistake(SyntaxErrorKind::BadQuantity(written), whole))
    }

    fn sign(&self, at: usize, sign: &str, expected: &[Rule]) -> Option<SyntaxErrorKind> {
        let start = self.piece.tokens.start;
        let found = sign.to_string();
        if at == start + 2
            && matches!(self.word(start), Some("set" | "list"))
            && matches!(sign, "=" | ":" | ":=" | "==")
        {
            return Some(SyntaxErrorKind::NeedlessSign(found));
        }
        let next = self.token(at + 1);
        if expected.contains(&Rule::operator) && matches!(sign, ":" | "::" | ":=") {
            let tests = self.word(at + 1).is_some_and(|word| words::OPERATORS.contains(&word));
            let value = |token: SyntaxToken| {
                matches!(token.kind, TokenShape::Text | TokenShape::Pattern | TokenShape::OpenSet)
            };
            if tests {
                return Some(SyntaxErrorKind::FieldColon(found));
            }
            let is_address = next.is_some_and(|next| self.written(next).contains('@'));
            let operator = match next.map(|next| next.kind) {
                Some(TokenShape::Pattern) => "matches",
                _ if is_address => "is",
                _ => "contains",
            };
            if let Some(suggestion) =
                self.test_with(at, operator, at + 1).filter(|_| next.is_some_and(value))
            {
                return Some(SyntaxErrorKind::ForeignTest { found, suggestion });
            }
            if next.is_some_and(value) {
                let instead = "an operator: `is`, `contains`, …";
                return Some(SyntaxErrorKind::ForeignSign { found, instead });
            }
        }
        let acts = next.is_some_and(|token| token.kind == TokenShape::OpenBlock)
            || self.word(at + 1).is_some_and(|word| words::ACTIONS.contains(&word));
        if expected.contains(&Rule::arrow)
            && (matches!(sign, ":" | "::" | ":=" | "=>" | "==>" | "-" | "--" | ">>" | "|>" | "~>")
                || (acts && matches!(sign, "=" | ">" | ">=" | "==")))
            && !(matches!(sign, "=>" | ">>")
                && next.is_some_and(|token| token.kind == TokenShape::Quantity))
        {
            return Some(SyntaxErrorKind::NotAnArrow(found));
        }
        let is_kind = |kind| next.is_some_and(|next| next.kind == kind);
        let test = match sign {
            "!=" | "<>" | "!==" if is_kind(TokenShape::Quantity) => {
                self.negated_test(at, at + 1, "=")
            }
            "!=" | "<>" | "!==" => self.negated_test(at, at + 1, "is"),
            "!~" if is_kind(TokenShape::Pattern) => self.negated_test(at, at + 1, "matches"),
            _ => None,
        };
        if let Some(suggestion) = test.filter(|_| expected.contains(&Rule::operator)) {
            return Some(SyntaxErrorKind::ForeignTest { found, suggestion });
        }
        let instead = match sign {
            "==" | "===" if is_kind(TokenShape::Quantity) => "`=`",
            "==" | "===" if is_kind(TokenShape::Text) => "`is`",
            "=~" | "~" | "~=" if is_kind(TokenShape::Pattern) => "`matches`",
            ">>" => "`>`",
            "<<" => "`<`",
            "&&" | "&" => "`and`",
            "||" | "|" => "`or`",
            "!" => "`not`",
            "!=" | "<>" | "!==" => "`not FIELD is …`",
            "==" | "===" => "`is` for text, `=` for numbers",
            "=~" | "~" | "~=" => "`matches /…/`",
            "!~" => "`not FIELD matches /…/`",
            "=>" => "`>=`",
            "=<" => "`<=`",
            ":" | "::" if expected.contains(&Rule::operator) => "an operator: `is`, `contains`, …",
            _ => return None,
        };
        Some(SyntaxErrorKind::ForeignSign { found, instead })
    }

    fn wrong_word(&self, at: usize, word: &str, expected: &[Rule]) -> Option<SyntaxErrorKind> {
        let found = word.to_string();
        let expects = |rule| expected.contains(&rule);
        let before = self.token(at.wrapping_sub(1));
        let is_operator = |at| {
            self.word(at).is_some_and(|word| words::OPERATORS.contains(&word))
                || self.token(at).is_some_and(|token| {
                    token.kind == TokenShape::Signs
                        && matches!(self.written(token), "=" | "<" | ">" | "<=" | ">=")
                })
        };
        let is_value = self.token(at + 1).is_some_and(|token| {
            matches!(
                token.kind,
                TokenShape::Text | TokenShape::Pattern | TokenShape::Quantity | TokenShape::OpenSet
            )
        }) || self.word(at + 1).is_some_and(|word| !words::is_reserved(word));
        let near = words::nearest_operator(word);
        let compares = [Rule::operator, Rule::value, Rule::and_word].into_iter().any(expects);
        if word.contains('_') && near.is_some() && is_value && compares {
            return Some(SyntaxErrorKind::UnknownOperator { found, near });
        }
        if word.contains('_') {
            return Some(SyntaxErrorKind::Underscore(found));
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
        if let Some(operator) = self.negated(at, word).filter(|_| expects(Rule::operator)) {
            let suggestion = self.negated_test(at, at + 1, operator);
            let operator = operator.to_string();
            return Some(SyntaxErrorKind::NegatedOperator { operator, suggestion });
        }
        if word == "not" {
            let operator = [at.wrapping_sub(1), at + 1].into_iter().find(|at| is_operator(*at));
            let operator = self.written(operator.and_then(|at| self.token(at))?).to_string();
            let field = if is_operator(at.wrapping_sub(1)) { at - 1 } else { at };
            let suggestion = self.negated_test(field, at + 1, &operator);
            return Some(SyntaxErrorKind::NegatedOperator { operator, suggestion });
        }
        let continued =
            before.is_some_and(|token| matches!(token.kind, TokenShape::Comma | TokenShape::Arrow));
        if words::ACTIONS.contains(&word) && !continued {
            if expects(Rule::arrow) {
                return Some(SyntaxErrorKind::MissingArrow(found));
            }
            if expects(Rule::comma) {
                return Some(SyntaxErrorKind::MissingActionComma(found));
            }
        }
        let is_foreign = !words::is_reserved(word) || words::is_synonym(word);
        if expects(Rule::operator) && is_value && is_foreign {
            return Some(SyntaxErrorKind::UnknownOperator { found, near });
        }
        if word == "list" && (expects(Rule::test) || expects(Rule::unary)) {
            let (expected, suggestion) = (names(expected), Some(self.list_test(at).into()));
            return Some(SyntaxErrorKind::Unexpected { found: Some(found), expected, suggestion });
        }
        if expects(Rule::and_word)
            && before.is_some_and(|before| before.kind == TokenShape::Text)
            && !words::is_reserved(word)
            && (is_operator(at + 1) || word.contains('.'))
        {
            return Some(SyntaxErrorKind::MissingJoint(found));
        }
        let named = words::STATEMENTS.contains(&word) || words::ACTIONS.contains(&word);
        let wants_name = [
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
        if named && wants_name.into_iter().any(expects) {
            return Some(SyntaxErrorKind::Reserved(found));
        }
        None
    }
}

/// `AND`: a word of ours in capital letters.
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
