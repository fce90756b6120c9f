//! What was probably meant where the text is not what the grammar expects: the line, the
//! action or the test as it is written in this language.

use super::context::PieceContext;
use crate::flags::FLAGS;
use crate::syntax::grammar::Rule;
use crate::syntax::literal::quote;
use crate::syntax::mistake::{Mistake, SyntaxErrorKind, SyntaxSuggestion};
use crate::syntax::quantity_hint::date_hint;
use crate::syntax::scan::{SyntaxToken, TokenShape};
use crate::syntax::words;

/// How many folders a hint repeats.
const MOST_FOLDERS: usize = 3;
/// A longer condition is not repeated in a hint, bytes.
const LONGEST_CONDITION: usize = 60;

impl PieceContext<'_> {
    /// `from "x" -> discard`, `block "x"`: the rule that was meant.
    pub(super) fn suggest_rule(&self, start: usize, word: &str) -> Option<SyntaxSuggestion> {
        let next = self.token(start + 1)?;
        let is_text = next.kind == TokenShape::Text;
        if is_text && words::BLOCKS.contains(&word) {
            let rule = format!("when from is {} -> {}", self.written(next), words::JUNK);
            return Some(self.suggestion(rule, start..start + 2));
        }
        let arrow = |at: &usize| self.token(*at).is_some_and(|it| it.kind == TokenShape::Arrow);
        let end = self.token(self.piece.tokens.clone().find(arrow)?)?.start;
        let rest = self.text.get(next.start as usize..end as usize)?.trim_end();
        let is_rule = is_text || rest.is_empty() || words::OPERATORS.contains(&self.written(next));
        let parts =
            [Some(word), is_text.then_some("is"), Some(rest).filter(|rest| !rest.is_empty())];
        let condition: Vec<&str> = parts.into_iter().flatten().collect();
        let first = self.token(start)?.start;
        let last = first + word.len() as u32;
        let last = if rest.is_empty() { last } else { next.start + rest.len() as u32 };
        (is_rule && rest.len() <= LONGEST_CONDITION && !rest.contains('\n')).then(|| {
            SyntaxSuggestion {
                text: format!("when {}", condition.join(" ")),
                place: Some((first, last)),
            }
        })
    }

    /// What was meant at a token where these were expected.
    pub(super) fn suggest_at(
        &self,
        at: usize,
        found: SyntaxToken,
        expected: &[Rule],
    ) -> Option<SyntaxSuggestion> {
        let expects = |rule| expected.contains(&rule);
        let written = self.written(found);
        if let Some(action) = self.argument(at).filter(|_| expects(Rule::string)) {
            return Some(action);
        }
        if let Some(suggestion) = self.suggest_words(at, found, expected) {
            return Some(suggestion);
        }
        if let Some(suggestion) = self.suggest_around_values(at, found, expected) {
            return Some(suggestion);
        }
        if expects(Rule::quantity) && found.kind == TokenShape::Text {
            let duration = words::duration(written.trim_matches('"'))?;
            return Some(self.suggestion(duration, at..at + 1));
        }
        if let Some(test) = self.test_without_operator(at, found, expected) {
            return Some(test);
        }
        let is_test = expects(Rule::test) || expects(Rule::unary) || expects(Rule::field_name);
        (is_test && words::OPERATORS.contains(&written))
            .then(|| format!("FIELD {written} …").into())
    }

    /// What was meant by words of other languages, or of ours in another place.
    fn suggest_words(
        &self,
        at: usize,
        found: SyntaxToken,
        expected: &[Rule],
    ) -> Option<SyntaxSuggestion> {
        let expects = |rule| expected.contains(&rule);
        let (written, start) = (self.written(found), self.piece.tokens.start);
        let before = self.word(at.wrapping_sub(1)).unwrap_or_default();
        let is_operator = |word: &str| words::OPERATORS.contains(&word);
        // `any of (…)`
        let joint = match before {
            "any" | "anyof" => "or",
            "all" | "allof" => "and",
            _ => "",
        };
        if !joint.is_empty() && (written == "of" || found.kind == TokenShape::OpenParen) {
            return Some(format!("(… {joint} …)").into());
        }
        // `from is in white`
        if is_operator(written) && is_operator(before) {
            let field = self.word(at.wrapping_sub(2)).unwrap_or("FIELD");
            let value = self.token(at + 1).filter(|token| token.kind != TokenShape::OpenSet);
            let value = value.map_or("…", |token| self.written(token));
            return Some(format!("{field} {written} {value}").into());
        }
        match written {
            "/dev/null" | "\"/dev/null\""
                if expected.iter().any(|rule| words::name_of(*rule) == "an action") =>
            {
                Some(self.suggestion("discard".into(), at..at + 1))
            }
            "and" if expects(Rule::comma) => {
                let word = self.word(at + 1)?;
                if FLAGS.iter().any(|(flag, _)| *flag == word) {
                    return Some(self.suggestion(format!("as {word}"), at..at + 2));
                }
                if let ("mark", Some(flag)) = (word, self.word(at + 2))
                    && self.token(at.wrapping_sub(1)).is_some_and(|it| it.kind == TokenShape::Text)
                    && FLAGS.iter().any(|(known, _)| *known == flag)
                {
                    return Some(self.suggestion(format!("as {flag}"), at..at + 3));
                }
                let action = words::ACTIONS.contains(&word).then_some(word);
                let action = action.or_else(|| words::suggest_action(word, true))?;
                Some(self.suggestion(format!(", {action}"), at..at + 2))
            }
            "inbox"
                if expects(Rule::string)
                    && matches!(self.word(start), Some(words::ON | "expire" | "list")) =>
            {
                Some(self.suggestion("\"INBOX\"".into(), at..at + 1))
            }
            _ => self.sets_layout().then(|| String::from("set layout maildir++").into()),
        }
    }

    /// What is missing around values, or is not needed there: `-> "A"`, `folder "A", "B"`,
    /// `has subject contains "a"`, `has "X-A"`, `define news subject …`, `define a = ["b"]`.
    fn suggest_around_values(
        &self,
        at: usize,
        found: SyntaxToken,
        expected: &[Rule],
    ) -> Option<SyntaxSuggestion> {
        let expects = |rule| expected.contains(&rule);
        let text = |at: usize| {
            let token = self.token(at).filter(|token| token.kind == TokenShape::Text)?;
            Some(self.written(token))
        };
        let [before, second, third] = [1, 2, 3].map(|back| at.wrapping_sub(back));
        let written = self.written(found);
        if expects(Rule::equals) && self.word(second) == Some("define") {
            let name = self.word(before)?;
            let end = if found.kind == TokenShape::Signs { at + 1 } else { at };
            let text = format!("define {name} =");
            return Some(self.suggestion(text, second..end));
        }
        if expected.iter().any(|rule| words::name_of(*rule) == "an action") {
            let value = text(at)?;
            return match self.token(before)?.kind {
                TokenShape::Arrow if value.contains('@') => {
                    Some(self.suggestion(format!("forward {value}"), at..at + 1))
                }
                TokenShape::Arrow => Some(self.suggestion(format!("folder {value}"), at..at + 1)),
                TokenShape::Comma if self.word(third) == Some("folder") => {
                    let both = format!("copy {}, folder {value}", text(second)?);
                    Some(self.suggestion(both, third..at + 1))
                }
                _ => None,
            };
        }
        if expected.iter().any(|rule| words::name_of(*rule) == "a field")
            && let Some(value) = text(at)
        {
            if self.word(before) == Some("has") {
                return Some(self.suggestion(format!("header {value}"), at..at + 1));
            }
            // `define friends = ["a@b.example"]`
            let define = at.wrapping_sub(4);
            let name = self.word(third).filter(|_| self.word(define) == Some("define"))?;
            return Some(self.suggestion(format!("list {name}"), define..before));
        }
        if !expects(Rule::and_word) {
            return None;
        }
        let is_test = self.word(second) == Some("has") && words::OPERATORS.contains(&written);
        let value = is_test.then(|| self.token(at + 1)).flatten()?;
        let test = format!("{} {written} {}", self.word(before)?, self.written(value));
        Some(self.suggestion(test, second..at + 2))
    }

    /// Whether the statement is `set layout …`.
    pub(super) fn sets_layout(&self) -> bool {
        let start = self.piece.tokens.start;
        self.word(start) == Some("set") && self.word(start + 1) == Some("layout")
    }

    /// `does not contain`, `doesnt contain`, `notcontains`: the operator.
    pub(super) fn negated(&self, at: usize, word: &str) -> Option<&'static str> {
        let operator = |at| self.word(at).and_then(words::nearest_operator);
        match word {
            "does" | "do" | "did" if self.word(at + 1) == Some("not") => operator(at + 2),
            "doesnt" | "dont" => operator(at + 1),
            _ => words::negated_operator(word),
        }
    }

    /// `list is "rust"`, where a test is expected: the field or the condition of lists.
    pub(super) fn list_test(&self, at: usize) -> String {
        let operator = self.word(at + 1).filter(|word| words::OPERATORS.contains(word));
        let Some(operator) = operator else { return "mailing-list".into() };
        match self.token(at + 2) {
            Some(token) if token.kind == TokenShape::Text => {
                let value = self.written(token);
                let field = if value.contains('.') { "list-id" } else { "list-name" };
                format!("{field} {operator} {value}")
            }
            _ => format!("list-id {operator} …"),
        }
    }

    /// `\Seen`, a flag as IMAP writes it.
    pub(super) fn imap_flag(&self, at: usize, sign: SyntaxToken) -> Option<Mistake> {
        let word = self.token(at + 1).filter(|word| word.start == sign.end)?;
        let flag = words::flag_of_keyword(self.written(word))?;
        let whole = SyntaxToken { end: word.end, ..sign };
        let found = Some(self.written(whole).to_owned()).filter(|found| found.starts_with('\\'))?;
        let expected = vec![words::name_of(Rule::flag)];
        let kind = SyntaxErrorKind::Unexpected {
            found: Some(found),
            expected,
            suggestion: Some(SyntaxSuggestion {
                text: flag.into(),
                place: Some((whole.start, whole.end)),
            }),
        };
        Some(self.mistake(kind, whole))
    }

    /// `when from "a@b.example"`: the test with an operator.
    fn test_without_operator(
        &self,
        at: usize,
        found: SyntaxToken,
        expected: &[Rule],
    ) -> Option<SyntaxSuggestion> {
        let takes_one = [Rule::operator, Rule::operator_word, Rule::sign];
        if !expected.iter().any(|rule| takes_one.contains(rule)) || found.kind != TokenShape::Text {
            return None;
        }
        let field = self.word(at.wrapping_sub(1)).filter(|it| words::TEXT_FIELDS.contains(it))?;
        let begins = matches!(self.word(at.wrapping_sub(2))?, "when" | "and" | "or" | "not");
        let value = self.written(found);
        let operator = if value.contains('@') { "is" } else { "contains" };
        begins.then(|| self.suggestion(format!("{field} {operator} {value}"), at - 1..at + 1))
    }

    /// `put in "x"`, `folder: "x"`, `folder("x")`: the action as it is written, if the token
    /// is between its word and its only argument.
    fn argument(&self, at: usize) -> Option<SyntaxSuggestion> {
        let word = self.word(at.wrapping_sub(1))?;
        let opens =
            |token: SyntaxToken| matches!(token.kind, TokenShape::Arrow | TokenShape::Comma);
        let is_first = at == self.piece.tokens.start + 1;
        if !is_first && !self.token(at.wrapping_sub(2)).is_some_and(opens) {
            return None;
        }
        let mut end = at + 2;
        let is_needless = match self.token(at)?.kind {
            TokenShape::OpenParen => {
                end += 1;
                self.token(at + 2).is_some_and(|token| token.kind == TokenShape::CloseParen)
            }
            _ => matches!(self.written(self.token(at)?), "in" | ":" | "="),
        };
        let is_text = |token: &SyntaxToken| {
            let is_name =
                token.kind == TokenShape::Word && !words::is_reserved(self.written(*token));
            token.kind == TokenShape::Text || is_name
        };
        let text = self.token(at + 1).filter(is_text)?;
        let action = words::ACTIONS.iter().copied().find(|action| *action == word);
        let action = action.or_else(|| words::suggest_action(word, true))?;
        let name = self.written(text);
        let name = if name.starts_with('"') { name.to_owned() } else { quote(name) };
        let written = format!("{action} {name}");
        is_needless.then(|| self.suggestion(written, at - 1..end))
    }

    /// `as seen, flagged`, `mark seen and "Work"`, `as seen as flagged`: the flags as they are
    /// written, if the token is what stands between them.
    pub(super) fn suggest_flags(&self, at: usize) -> Option<SyntaxSuggestion> {
        let is_flag = |at: usize| match self.token(at).map(|token| token.kind) {
            Some(TokenShape::Text) => true,
            Some(TokenShape::Word) => FLAGS.iter().any(|(flag, _)| self.word(at) == Some(flag)),
            _ => false,
        };
        let parts = |at: usize| {
            let is_comma = self.token(at).is_some_and(|token| token.kind == TokenShape::Comma);
            is_comma || matches!(self.word(at), Some("and" | "as"))
        };
        // `as seen, keyword "Work"`
        let flag = |at: usize| {
            let at = if self.word(at) == Some("keyword") { at + 1 } else { at };
            is_flag(at).then_some(at)
        };
        if !parts(at) || flag(at + 1).is_none() {
            return None;
        }
        let first = (self.piece.tokens.start..at).rev().take_while(|at| is_flag(*at)).last()?;
        let opening = self.word(first.checked_sub(1)?)?;
        // `mark seen as flagged` can be parsed, and `check` says what is wrong with it.
        let opens = match self.word(at) {
            Some("as") => opening == "as",
            _ => matches!(opening, "as" | "mark" | "unmark"),
        };
        let mut suggestion = vec![opens.then_some(opening)?];
        let (mut next, mut end) = (first, first);
        while let Some(at) = flag(next) {
            suggestion.push(self.written(self.token(at)?));
            end = at + 1;
            next = if parts(at + 1) { at + 2 } else { at + 1 };
        }
        let text = suggestion.join(" ");
        Some(self.suggestion(text, first - 1..end))
    }

    /// `expire "A" every 1 week`, `expire after "7d" from "A"`: the statement as it is
    /// written, if the folder and the time can be recognized.
    pub(super) fn expiry(&self, at: usize, expected: &[Rule]) -> Option<SyntaxSuggestion> {
        let start = self.piece.tokens.start;
        let is_head = at == start + 1
            || [Rule::after_word, Rule::quantity].iter().any(|rule| expected.contains(rule));
        if self.word(start) != Some("expire") || !is_head {
            return None;
        }
        let (mut folder, mut time, mut end) = (None, None, start + 1);
        for at in start + 1..self.piece.tokens.end {
            let Some(token) = self.token(at) else { continue };
            let written = self.written(token);
            if matches!(written, "unless" | "even") {
                break;
            }
            match token.kind {
                TokenShape::Arrow => break,
                TokenShape::Text => match words::duration(written.trim_matches('"')) {
                    Some(duration) => time = time.or(Some(duration)),
                    None => folder = folder.or(Some(written)),
                },
                TokenShape::Quantity => {
                    let unit = self.word(at + 1).unwrap_or_default();
                    let duration = words::duration(written);
                    time =
                        time.or(duration).or_else(|| words::duration(&format!("{written} {unit}")));
                }
                _ => {}
            }
            end = at + 1;
        }
        Some(self.suggestion(format!("expire {} after {}", folder?, time?), start..end))
    }

    /// `mailboxexists "A"`, `folder exists "A"`, `folder-exists ["A", "B"]`: the condition as
    /// it is written, if the token belongs to such a test.
    pub(super) fn folder_test(&self, at: usize) -> Option<SyntaxSuggestion> {
        let before = |begin: usize| {
            let before = self.written(self.token(begin.wrapping_sub(1))?);
            matches!(before, "when" | "and" | "or" | "not" | "unless" | "(" | "=").then_some(before)
        };
        (at.saturating_sub(2)..=at).find_map(|begin| {
            let is_negated = before(begin)? == "not";
            let words: Vec<&str> = (begin..begin + 2).map_while(|at| self.word(at)).collect();
            let value = begin + words.len();
            match *words {
                [words::FOLDER_EXISTS, name] if value > at && !words::is_reserved(name) => {
                    let test = format!("{} \"{name}\"", words::FOLDER_EXISTS);
                    return Some(self.suggestion(test, begin..value));
                }
                [words::FOLDER_EXISTS] if self.token(value)?.kind == TokenShape::OpenSet => {}
                _ if !words::is_folder_test(&words) => return None,
                _ => {}
            }
            let names: Vec<String> = self.texts(value).take(MOST_FOLDERS).collect();
            let tests = names.join(" and ");
            let wrap = is_negated && names.len() > 1;
            let text = if wrap { format!("({tests})") } else { tests };
            let is_set = self.token(value)?.kind == TokenShape::OpenSet;
            let end = match is_set {
                true => (value..self.piece.tokens.end)
                    .find(|at| self.token(*at).is_some_and(|it| it.kind == TokenShape::CloseSet))?,
                false => value,
            };
            (value >= at && !names.is_empty()).then(|| self.suggestion(text, begin..end + 1))
        })
    }

    /// A test for each string at a token, which may be a set.
    fn texts(&self, value: usize) -> impl Iterator<Item = String> {
        let is_set = self.token(value).is_some_and(|token| token.kind == TokenShape::OpenSet);
        let end = if is_set { self.piece.tokens.end } else { value + 1 };
        (value + usize::from(is_set)..end)
            .map_while(|at| {
                let token = self.token(at)?;
                matches!(token.kind, TokenShape::Text | TokenShape::Comma).then_some(token)
            })
            .filter(|token| token.kind == TokenShape::Text)
            .map(|token| format!("{} {}", words::FOLDER_EXISTS, self.written(token)))
    }

    /// `1 December 2026`, `December 1, 2026`; the second token is at `at`.
    pub(super) fn date_in_words(&self, at: usize) -> Option<Mistake> {
        let before = self.token(at.wrapping_sub(1))?;
        let has_month = [at.wrapping_sub(1), at]
            .iter()
            .any(|at| self.word(*at).and_then(words::month).is_some());
        let after = self.token(at + 1)?;
        let year = match after.kind {
            TokenShape::Comma => self.token(at + 2)?,
            _ => after,
        };
        let whole = SyntaxToken { end: year.end, ..before };
        let written = self.written(whole);
        (has_month && date_hint(written).is_some())
            .then(|| self.mistake(SyntaxErrorKind::BadQuantity(written.into()), whole))
    }

    /// `when "a"`, `from is "a" or "b"`, `"a" in subject`: a value without a test.
    pub(super) fn value_alone(
        &self,
        at: usize,
        kind: TokenShape,
        written: &str,
    ) -> Option<SyntaxErrorKind> {
        let opens =
            self.token(at.wrapping_sub(1)).is_some_and(|set| set.kind == TokenShape::OpenSet);
        let start = if opens { at.wrapping_sub(1) } else { at };
        let word_before = |count: usize| self.word(start.wrapping_sub(count));
        let is_joint = matches!(word_before(1), Some("or" | "and" | "not"));
        if word_before(1) == Some("has") || opens && !is_joint {
            return None;
        }
        let known = |word: &&str| words::OPERATORS.contains(word);
        if matches!(word_before(1), Some("or" | "and"))
            && let Some(before) = self.token(start.wrapping_sub(2)).filter(|token| token.kind == kind)
            && let Some(operator) = word_before(3).filter(known)
            // `header "X-A" is` has one word more.
            && let Some(field) = word_before(4).map(str::to_owned).or_else(|| {
                let name = self.written(self.token(start.wrapping_sub(4))?);
                Some(format!("{} {name}", word_before(5)?))
            })
        {
            let suggestion = format!("{field} {operator} [{}, {written}]", self.written(before));
            let first = start.wrapping_sub(if word_before(4).is_some() { 4 } else { 5 });
            let closes = self.token(at + 1).is_some_and(|set| set.kind == TokenShape::CloseSet);
            let suggestion = match (opens, closes) {
                (false, _) => self.suggestion(suggestion, first..at + 1),
                (true, true) => self.suggestion(suggestion, first..at + 2),
                (true, false) => suggestion.into(),
            };
            return Some(SyntaxErrorKind::ValueAlone {
                found: written.into(),
                suggestion,
                is_set: true,
            });
        }
        let test = match kind {
            TokenShape::Text => "contains",
            TokenShape::Pattern => "matches",
            _ => ">",
        };
        let turned = self.word(at + 1).filter(|word| *word == "in" || known(word));
        let field = turned.and_then(|_| self.word(at + 2));
        let test = turned.filter(|word| *word != "in").unwrap_or(test);
        let field = field.unwrap_or(match kind {
            TokenShape::Quantity if written.contains(':') => "time",
            TokenShape::Quantity if written.matches('-').count() == 2 => "date",
            TokenShape::Quantity => "size",
            _ => "subject",
        });
        let text = format!("{field} {test} {written}");
        let is_sure = turned.is_some() && self.word(at + 2).is_some();
        let suggestion = match is_sure {
            true => self.suggestion(text, at..at + 3),
            false => text.into(),
        };
        Some(SyntaxErrorKind::ValueAlone { found: written.into(), suggestion, is_set: false })
    }
}
