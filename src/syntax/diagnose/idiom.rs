//! What was meant by a test or an action in the style of other filters and of plain English:
//! `from:a@b.example`, `move to folder "A"`, `(to or cc) contains "a"`.

use super::context::PieceContext;
use crate::syntax::grammar::Rule;
use crate::syntax::literal::quote;
use crate::syntax::mistake::{Mistake, SyntaxErrorKind, SyntaxSuggestion};
use crate::syntax::scan::{SyntaxToken, TokenShape};
use crate::syntax::words;

/// How many words, texts or fields a hint repeats.
const MOST: usize = 8;

impl PieceContext<'_> {
    /// The suggestion for a token where these were expected, if it belongs to such a phrase.
    pub(super) fn idiom(&self, at: usize, expected: &[Rule]) -> Option<SyntaxSuggestion> {
        let expects = |rule| expected.contains(&rule);
        let acts = expected.iter().any(|rule| words::name_of(*rule) == "an action");
        let tests = expects(Rule::test) || expects(Rule::unary) || expects(Rule::field_name);
        let joins = expects(Rule::and_word);
        let begins = self.rule_head(at).or_else(|| self.bracketed_header(at));
        begins
            .or_else(|| self.programs(at).filter(|_| acts))
            .or_else(|| self.copy_of_forward(at).filter(|_| expects(Rule::name)))
            .or_else(|| self.named_list(at))
            .or_else(|| self.set_of_texts(at).filter(|_| expects(Rule::value)))
            .or_else(|| self.turned_test(at).filter(|_| tests))
            .or_else(|| self.two_words(at).filter(|_| joins))
            .or_else(|| self.fields(at).filter(|_| joins))
    }

    fn is_kind(&self, at: usize, kind: TokenShape) -> bool {
        self.token(at).is_some_and(|token| token.kind == kind)
    }

    /// Whether a test begins at a token.
    fn begins_test(&self, at: usize) -> bool {
        let before = self.token(at.wrapping_sub(1)).map(|token| self.written(token));
        before.is_some_and(|before| matches!(before, "when" | "and" | "or" | "not" | "(" | "="))
    }

    /// `rule when …`, `rule "a": when …`, `rule "a" subject is …`, `when moved to "A"`
    fn rule_head(&self, at: usize) -> Option<SyntaxSuggestion> {
        let start = self.piece.tokens.start;
        if self.word(start) == Some("when") && self.word(start + 1) == Some("moved") {
            let is_move = matches!(self.word(start + 2), Some("to" | "from")) && at == start + 2;
            return is_move.then(|| self.suggestion("on moved".into(), start..at));
        }
        if self.word(start) != Some("rule") {
            return None;
        }
        if at == start + 1 && self.word(at) == Some("when") {
            return Some(self.suggestion("when".into(), start..at + 1));
        }
        let label = self.token(start + 1).filter(|label| label.kind == TokenShape::Text)?;
        let head = format!("rule {} when", self.written(label));
        let is_colon = matches!(self.written(self.token(at)?), ":" | ",");
        match (at == start + 2, is_colon) {
            (true, true) if self.word(at + 1) == Some("when") => {
                Some(self.suggestion(head, start..at + 2))
            }
            (true, false) => {
                self.word(at)?;
                Some(self.suggestion(head, start..at))
            }
            _ => None,
        }
    }

    /// `header["X-A"]`, `header(X-A)`
    fn bracketed_header(&self, at: usize) -> Option<SyntaxSuggestion> {
        let name =
            self.word(at.wrapping_sub(1)).filter(|it| matches!(*it, "header" | "address"))?;
        let opens =
            self.is_kind(at, TokenShape::OpenSet) || self.is_kind(at, TokenShape::OpenParen);
        let closes = self.is_kind(at + 2, TokenShape::CloseSet)
            || self.is_kind(at + 2, TokenShape::CloseParen);
        let text = self.token(at + 1).filter(|_| opens && closes)?;
        let header = match text.kind {
            TokenShape::Text => self.written(text).to_owned(),
            TokenShape::Word => quote(self.written(text)),
            _ => return None,
        };
        Some(self.suggestion(format!("{name} {header}"), at - 1..at + 3))
    }

    /// `-> | bogofilter -p`
    fn programs(&self, at: usize) -> Option<SyntaxSuggestion> {
        if self.written(self.token(at)?) != "|" {
            return None;
        }
        let from = self.token(at + 1)?.start as usize;
        let line = self.text.get(from..)?.lines().next()?.trim();
        let parts: Vec<&str> = line.split_whitespace().take(MOST + 1).collect();
        let is_plain = |part: &&str| {
            part.chars().all(|c| c.is_ascii_alphanumeric() || "-_./~+:=@".contains(c))
        };
        let known = parts.len() <= MOST && parts.iter().all(is_plain);
        let arguments = match known {
            true => parts.into_iter().map(quote).collect::<Vec<_>>().join(" "),
            false => "…".into(),
        };
        let text = format!("pipe {arguments}");
        let end = (at..self.piece.tokens.end)
            .take_while(|at| self.token(*at).is_some_and(|it| it.end as usize <= from + line.len()))
            .last()?;
        Some(if known { self.suggestion(text, at..end + 1) } else { text.into() })
    }

    /// `move to folder "A"`, `skip the inbox`; the token at `at` is the word of the action.
    pub(super) fn moving(&self, at: usize) -> Option<Mistake> {
        let action = self.word(at).filter(|word| words::ACTIONS.contains(word))?;
        let start = self.piece.tokens.start;
        let opens =
            |at: usize| self.is_kind(at, TokenShape::Arrow) || self.is_kind(at, TokenShape::Comma);
        let first = (start..at).rev().find(|at| opens(*at))? + 1;
        let before: Vec<&str> = (first..at).map_while(|at| self.word(at)).take(MOST).collect();
        let (verb, fillers) = before.split_first()?;
        let is_filler = |word: &&str| matches!(*word, "to" | "into" | "in" | "the" | "it" | "a");
        if before.len() != at - first || !fillers.iter().all(is_filler) {
            return None;
        }
        let meant = words::suggest_action(verb, false)?;
        let folder = self.token(at + 1).filter(|text| text.kind == TokenShape::Text);
        let (text, end) = match (meant, action, folder) {
            ("folder", _, Some(folder)) => (format!("{action} {}", self.written(folder)), at + 2),
            ("folder", ..) => (action.to_owned(), at + 1),
            (meant, "inbox", _) if *verb == "skip" => (meant.to_owned(), at + 1),
            _ => return None,
        };
        let whole = SyntaxToken { end: self.token(at)?.end, ..self.token(first)? };
        let (found, expected) = (Some(self.written(whole).to_owned()), vec!["an action"]);
        let suggestion = Some(self.suggestion(text, first..end));
        Some(self.mistake(SyntaxErrorKind::Unexpected { found, expected, suggestion }, whole))
    }

    /// `forward "a@b.example" as copy`; the token at `at` is the last one.
    fn copy_of_forward(&self, at: usize) -> Option<SyntaxSuggestion> {
        let [word, text, joint] = [3, 2, 1].map(|back| at.wrapping_sub(back));
        let address = self.token(text).filter(|text| text.kind == TokenShape::Text)?;
        let is_copy = self.word(word) == Some("forward") && self.word(joint) == Some("as");
        (is_copy && self.word(at) == Some("copy")).then(|| {
            self.suggestion(format!("forward copy {}", self.written(address)), word..at + 1)
        })
    }

    /// `list friends "a", "b"`, `list "friends" [`
    fn named_list(&self, at: usize) -> Option<SyntaxSuggestion> {
        let start = self.piece.tokens.start;
        let word = self.word(start).filter(|word| matches!(*word, "list" | "define" | "score"))?;
        if at == start + 1 && self.is_kind(at, TokenShape::Text) {
            let name = self.written(self.token(at)?).trim_matches('"');
            let is_name = name.starts_with(char::is_alphabetic)
                && name.chars().all(|c| c.is_alphanumeric() || c == '-')
                && !words::is_reserved(name);
            return is_name.then(|| self.suggestion(format!("{word} {name}"), start..at + 1));
        }
        let name = self.word(start + 1).filter(|_| word == "list")?;
        let opens = self.is_kind(start + 2, TokenShape::OpenParen);
        let first = start + 2 + usize::from(opens);
        let (set, end) = self.several_texts(first)?;
        let end = end + usize::from(opens && self.is_kind(end, TokenShape::CloseParen));
        (at < end && end == self.piece.tokens.end)
            .then(|| self.suggestion(format!("list {name} {set}"), start..end))
    }

    /// Texts with something between them as a set, and the token after the last.
    fn several_texts(&self, first: usize) -> Option<(String, usize)> {
        let mut texts = Vec::new();
        let mut at = first;
        while let Some(text) = self.token(at).filter(|it| it.kind == TokenShape::Text)
            && texts.len() < MOST
        {
            texts.push(self.written(text));
            let is_joint = |at: usize| {
                self.is_kind(at, TokenShape::Comma) || matches!(self.word(at), Some("or" | "and"))
            };
            at += if is_joint(at + 1) && self.is_kind(at + 2, TokenShape::Text) { 2 } else { 1 };
        }
        (!texts.is_empty() && !self.is_kind(at, TokenShape::Text))
            .then(|| (format!("[{}]", texts.join(", ")), at))
    }

    /// `contains ("a" or "b")`: the set.
    fn set_of_texts(&self, at: usize) -> Option<SyntaxSuggestion> {
        let first = Some(at + 1).filter(|_| self.is_kind(at, TokenShape::OpenParen))?;
        let (set, end) = self.several_texts(first)?;
        self.is_kind(end, TokenShape::CloseParen).then(|| self.suggestion(set, at..end + 1))
    }

    /// `contains subject "a"`, `is spam`, `is a mailing-list`
    fn turned_test(&self, at: usize) -> Option<SyntaxSuggestion> {
        let operator = self.word(at).filter(|word| words::OPERATORS.contains(word))?;
        let article = matches!(self.word(at + 1), Some("a" | "an" | "the"));
        let next = at + 1 + usize::from(article);
        let name = self.word(next).filter(|word| !words::is_reserved(word))?;
        if let Some(text) = self.token(next + 1).filter(|text| text.kind == TokenShape::Text) {
            let test = format!("{name} {operator} {}", self.written(text));
            return Some(self.suggestion(test, at..next + 2));
        }
        let ends = |token: SyntaxToken| {
            matches!(token.kind, TokenShape::Arrow | TokenShape::OpenBlock | TokenShape::CloseParen)
                || matches!(self.written(token), "and" | "or")
        };
        (operator == "is" && self.token(next + 1).is_some_and(ends))
            .then(|| self.suggestion(name.into(), at..next + 1))
    }

    /// `spam score`, `no spam`, `from domain`, `domain of from`, `from me`
    fn two_words(&self, at: usize) -> Option<SyntaxSuggestion> {
        let (first, second) = (self.word(at.wrapping_sub(1))?, self.word(at)?);
        if !self.begins_test(at - 1) {
            return None;
        }
        let is_field = |word: &str| words::TEXT_FIELDS.contains(&word);
        let (text, end) = match (first, second) {
            ("domain" | "name", "of") => {
                let field = self.word(at + 1).filter(|word| is_field(word))?;
                (format!("{field}.{first}"), at + 2)
            }
            (field, "domain" | "name") if is_field(field) => (format!("{field}.{second}"), at + 1),
            (field, "me") if is_field(field) => (format!("{field} in me"), at + 1),
            ("spam", "score") | ("mailing", "list") | ("list", "id") | ("reply", "to") => {
                (format!("{first}-{second}"), at + 1)
            }
            ("no", name) if !words::is_reserved(name) => (format!("not {name}"), at + 1),
            _ => return None,
        };
        Some(self.suggestion(text, at - 1..end))
    }

    /// `to, cc contains "a"`, `(to or cc) contains "a"`: the set of fields.
    fn fields(&self, at: usize) -> Option<SyntaxSuggestion> {
        let is_operator =
            |at: usize| self.word(at).is_some_and(|it| words::OPERATORS.contains(&it));
        let joins = |at: usize| {
            self.is_kind(at, TokenShape::Comma) || matches!(self.word(at), Some("or" | "and"))
        };
        let (mut next, closes) = match self.token(at)?.kind {
            TokenShape::Comma if self.begins_test(at.wrapping_sub(1)) => (at - 1, false),
            TokenShape::Word if is_operator(at) && self.is_kind(at - 1, TokenShape::CloseParen) => {
                let start = self.piece.tokens.start;
                let opens = |at: &usize| self.is_kind(*at, TokenShape::OpenParen);
                ((start..at).rev().find(opens)? + 1, true)
            }
            _ => return None,
        };
        let first = next - usize::from(closes);
        let mut fields = Vec::new();
        while let Some(field) = self.word(next).filter(|word| !words::is_reserved(word))
            && fields.len() < MOST
        {
            fields.push(field);
            if !joins(next + 1) {
                break;
            }
            next += 2;
        }
        let end = next + 1 + usize::from(closes);
        (fields.len() > 1 && is_operator(end))
            .then(|| self.suggestion(format!("[{}]", fields.join(", ")), first..end))
    }

    /// `from:a@b.example`, `has:attachment`, `larger:5M`, as Gmail searches, and `to/cc`.
    pub(super) fn search_term(&self, term: SyntaxToken) -> Option<Mistake> {
        let at = self
            .piece
            .tokens
            .clone()
            .find(|at| self.token(*at).is_some_and(|token| token.start == term.start))?;
        let written = self.written(term);
        let text = match written.split_once(':') {
            _ if !self.begins_test(at) => return None,
            Some((name, value)) => searched(name, value)?,
            None => {
                let fields: Vec<&str> = written.split('/').collect();
                let known = |field: &&str| words::TEXT_FIELDS.contains(field);
                (fields.len() > 1 && fields.iter().all(known))
                    .then(|| format!("[{}]", fields.join(", ")))?
            }
        };
        let suggestion = SyntaxSuggestion { text, place: Some((term.start, term.end)) };
        let (found, expected) = (Some(written.to_owned()), vec!["a condition"]);
        let kind = SyntaxErrorKind::Unexpected { found, expected, suggestion: Some(suggestion) };
        Some(self.mistake(kind, term))
    }

    /// `isn't`, `doesn't contain`; the token at `at` is the `'`.
    pub(super) fn contraction(&self, at: usize) -> Option<Mistake> {
        let verb = self.word(at.wrapping_sub(1)).filter(|_| self.touches(at))?;
        self.word(at + 1).filter(|rest| *rest == "t" && self.touches(at + 1))?;
        let operator = match verb {
            "isn" | "aren" | "wasn" => "is",
            "doesn" | "don" | "didn" => self.word(at + 2).and_then(words::nearest_operator)?,
            _ => return None,
        };
        let whole = SyntaxToken { end: self.token(at + 1)?.end, ..self.token(at - 1)? };
        let suggestion = self.negated_test(at - 1, at + 2, operator);
        let kind = SyntaxErrorKind::NegatedOperator { operator: operator.into(), suggestion };
        Some(self.mistake(kind, whole))
    }

    /// `- >`, `-->`, `ー>` in the place of an arrow, at the first of its signs.
    pub(super) fn broken_arrow(&self, at: usize) -> Option<Mistake> {
        let is_dash = |written: &str| written.chars().all(|c| matches!(c, '-' | 'ー' | '一'));
        let first = self.token(at).filter(|token| is_dash(self.written(*token)))?;
        let last = self.token(at + 1).filter(|token| {
            token.kind == TokenShape::Arrow || matches!(self.written(*token), ">" | ">>")
        })?;
        let whole = SyntaxToken { end: last.end, ..first };
        let kind = SyntaxErrorKind::NotAnArrow(self.written(whole).to_owned());
        Some(self.mistake(kind, whole))
    }

    /// `/* … */`, `-- …`, `; …` at the beginning of a statement: a comment of ours.
    pub(super) fn comment(&self, first: SyntaxToken) -> Option<SyntaxSuggestion> {
        let written = self.written(first);
        let sign = ["/*", "--", "%", ";"].into_iter().find(|sign| written.starts_with(sign))?;
        let line = self.text.get(first.start as usize..)?.lines().next()?.trim_end();
        let text = line.strip_prefix(sign)?.trim_end_matches("*/").trim();
        (text.len() <= 60).then(|| SyntaxSuggestion {
            text: format!("# {text}"),
            place: Some((first.start, first.start + line.len() as u32)),
        })
    }
}

/// The test for a term of Gmail's search, `from:a@b.example`.
fn searched(name: &str, value: &str) -> Option<String> {
    let value = value.trim_matches(['(', ')', '"']);
    let text = format!("\"{value}\"");
    if value.is_empty() || value.contains(['"', '\\', ':']) {
        return None;
    }
    let operator = if value.contains('@') { "is" } else { "contains" };
    Some(match (name.to_lowercase().as_str(), value) {
        ("from" | "to" | "cc" | "subject" | "body", _) => format!("{name} {operator} {text}"),
        ("deliveredto", _) => format!("envelope-to {operator} {text}"),
        ("list", _) => format!("list-id contains {text}"),
        ("filename", _) => format!("attachment.name contains {text}"),
        ("has", "attachment") => "has attachments".into(),
        ("header", _) => format!("header {text}"),
        ("larger" | "larger_than", _) => format!("size > {}", words::size(value)),
        ("smaller" | "smaller_than", _) => format!("size < {}", words::size(value)),
        ("older_than", _) => format!("age > {}", words::duration(value)?),
        ("newer_than", _) => format!("age < {}", words::duration(value)?),
        _ => return None,
    })
}
