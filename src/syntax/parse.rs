//! Text to Ast: one piece of the outline after the other through pest.
//!
//! A piece that cannot be read gives one mistake and stands in the Ast as
//! [`StatementKind::Broken`]; what stands around it is read all the same.

use std::ops::Range;

use pest::Parser;
use pest::iterators::Pair;

use super::ast::{
    Action, Ast, Body, Condition, ConditionKind, Field, Statement, StatementKind, Value, ValueKind,
    Word,
};
use super::diagnose;
use super::literal;
use super::mistake::{Kind as MistakeKind, Mistake};
use super::outline::{self, Block, Part, Piece};
use super::scan::{self, Kind, Token};
use super::{MAX_BYTES, MAX_MISTAKES, words};
use crate::diagnostic::Diagnostic;
use crate::source::{SourceFile, Span, Spanned};

/// The generated parser.
// The derive documents nothing of what it makes.
#[allow(missing_docs)]
mod grammar {
    #[derive(pest_derive::Parser)]
    #[grammar = "../grammar/mailrules.pest"]
    pub(in crate::syntax) struct Grammar;
}
pub(super) use grammar::{Grammar, Rule};

/// Reads one file.
pub(super) fn parse(file: u32, source: &SourceFile) -> (Ast, Vec<Diagnostic>) {
    let text = source.text.as_str();
    if text.len() > MAX_BYTES {
        let span = Span { file, start: 0, end: 0 };
        return (Ast::default(), vec![Mistake { kind: MistakeKind::TooLarge, span }.into()]);
    }
    let scan = scan::scan(file, text);
    let (parts, mistakes) = outline::outline(file, text, &scan.tokens);
    let mut reader = Reader { file, text, tokens: &scan.tokens, mistakes, foreign: false };
    let statements = reader.read(parts);
    let mut mistakes = reader.mistakes;
    mistakes.sort_by_key(|mistake| mistake.span.start);
    if mistakes.len() > MAX_MISTAKES {
        mistakes.truncate(MAX_MISTAKES + 1);
        if let Some(last) = mistakes.last_mut() {
            last.kind = MistakeKind::TooMany;
        }
    }
    let diagnostics = mistakes.into_iter().map(Diagnostic::from).collect();
    (Ast { statements, comments: scan.comments }, diagnostics)
}

/// What was read, or the one mistake that is in its place.
type Read<T> = Result<T, Mistake>;

/// A condition, and its place with the parentheses around it.
type Placed = (Condition, Span);

struct Reader<'a> {
    file: u32,
    text: &'a str,
    tokens: &'a [Token],
    mistakes: Vec<Mistake>,
    /// A recipe of procmail or a script of Sieve was seen; that is told once.
    foreign: bool,
}

/// What stands before a block.
enum Head {
    File,
    Rule { label: Option<Word>, condition: Option<Condition> },
    Score { name: Word },
    Broken { declares: Option<Word> },
}

/// A block that is being read.
struct Frame {
    start: u32,
    head: Head,
    statements: Vec<Statement>,
    entries: Vec<(Spanned<f64>, Condition)>,
    /// Indent of the last statement, if it is a rule with actions.
    rule_indent: Option<u32>,
}

impl Frame {
    fn new(start: u32, head: Head) -> Frame {
        Frame { start, head, statements: Vec::new(), entries: Vec::new(), rule_indent: None }
    }
}

impl Reader<'_> {
    /// Reads all parts. Blocks are nested by an explicit stack.
    fn read(&mut self, parts: Vec<Part>) -> Vec<Statement> {
        let mut outer: Vec<Frame> = Vec::new();
        let mut frame = Frame::new(0, Head::File);
        for part in parts {
            match part {
                Part::Statement(piece) => self.statement_piece(&piece, &mut frame),
                Part::Entry(piece) => match self.entry_piece(&piece) {
                    Ok(entry) => frame.entries.push(entry),
                    Err(mistake) => self.report(mistake, &piece.tokens),
                },
                Part::Open(piece, block) => {
                    let head = self.head(&piece, block, &mut frame);
                    let start = self.span(&piece.tokens).start;
                    outer.push(std::mem::replace(&mut frame, Frame::new(start, head)));
                }
                Part::Close { end } => {
                    let Some(next) = outer.pop() else { continue };
                    let done = std::mem::replace(&mut frame, next);
                    let span = Span { file: self.file, start: done.start, end };
                    let kind = match done.head {
                        Head::Rule { label, condition } => StatementKind::Rule {
                            label,
                            condition,
                            body: Body::Block(done.statements),
                        },
                        Head::Score { name } => {
                            StatementKind::Score { name, entries: done.entries }
                        }
                        Head::Broken { declares } => {
                            StatementKind::Broken { declares, block: done.statements }
                        }
                        Head::File => continue,
                    };
                    frame.statements.push(Statement { span, kind });
                    frame.rule_indent = None;
                }
            }
        }
        frame.statements
    }

    fn span(&self, tokens: &Range<usize>) -> Span {
        let tokens = self.tokens.get(tokens.clone()).unwrap_or_default();
        Span {
            file: self.file,
            start: tokens.first().map_or(0, |token| token.start),
            end: tokens.last().map_or(0, |token| token.end),
        }
    }

    fn word(&self, at: usize) -> Option<&str> {
        let token = self.tokens.get(at).filter(|token| token.kind == Kind::Word)?;
        self.text.get(token.start as usize..token.end as usize)
    }

    /// Notes a mistake, unless it only comes of the file being foreign.
    fn report(&mut self, mistake: Mistake, piece: &Range<usize>) {
        let ours = self.word(piece.start).is_some_and(|word| words::STATEMENTS.contains(&word));
        if ours || !self.foreign {
            self.foreign |= matches!(mistake.kind, MistakeKind::Procmail | MistakeKind::Sieve);
            self.mistakes.push(mistake);
        }
    }

    /// The name that a piece which cannot be read would have declared.
    fn declares(&self, piece: &Range<usize>) -> Option<Word> {
        let declares = matches!(self.word(piece.start)?, "list" | "define" | "score");
        let value =
            self.word(piece.start + 1).filter(|word| declares && !words::is_reserved(word))?;
        let span = self.span(&(piece.start + 1..piece.start + 2));
        (piece.len() > 1).then(|| Spanned { value: value.to_string(), span })
    }

    fn statement_piece(&mut self, piece: &Piece, frame: &mut Frame) {
        match self.statement(piece) {
            Ok(kind) => self.push(kind, &piece.tokens, frame),
            Err(mistake) => {
                let pieces = outline::split(self.text, self.tokens, &piece.tokens);
                if pieces.len() < 2 {
                    self.push_broken(mistake, &piece.tokens, frame);
                    return;
                }
                for tokens in pieces {
                    let within = |at: &usize| tokens.contains(at);
                    let piece = Piece {
                        too_deep: piece.too_deep.filter(within),
                        unclosed: piece.unclosed.filter(within),
                        unopened: piece.unopened.filter(within),
                        tokens: tokens.clone(),
                    };
                    match self.statement(&piece) {
                        Ok(kind) => self.push(kind, &tokens, frame),
                        Err(mistake) => self.push_broken(mistake, &tokens, frame),
                    }
                }
            }
        }
    }

    fn push(&mut self, kind: StatementKind, tokens: &Range<usize>, frame: &mut Frame) {
        let indent = self.tokens.get(tokens.start).and_then(|token| token.indent);
        if let StatementKind::Actions(actions) = &kind
            && let Some(action) = actions.first()
            && frame.rule_indent.is_some_and(|rule| indent.is_some_and(|indent| indent > rule))
        {
            let kind = MistakeKind::StrayAction(action.name.value.clone());
            self.mistakes.push(Mistake { kind, span: action.span });
        }
        let is_rule = matches!(&kind, StatementKind::Rule { body: Body::Actions(_), .. });
        frame.rule_indent = indent.filter(|_| is_rule);
        frame.statements.push(Statement { span: self.span(tokens), kind });
    }

    fn push_broken(&mut self, mistake: Mistake, tokens: &Range<usize>, frame: &mut Frame) {
        self.report(mistake, tokens);
        let kind = StatementKind::Broken { declares: self.declares(tokens), block: Vec::new() };
        frame.rule_indent = None;
        frame.statements.push(Statement { span: self.span(tokens), kind });
    }

    /// One piece through pest.
    fn pair<'t>(&self, text: &'t str, rule: Rule, piece: &Piece) -> Read<Pair<'t, Rule>> {
        let view = diagnose::View { file: self.file, text: self.text, tokens: self.tokens, piece };
        if let Some(mistake) = view.before_parsing(rule == Rule::only_score_entry) {
            return Err(mistake);
        }
        let span = self.span(&piece.tokens);
        let text = text.get(span.start as usize..span.end as usize).unwrap_or_default();
        let pair = match Grammar::parse(rule, text) {
            Ok(mut pairs) => pairs.next().and_then(|pair| pair.into_inner().next()),
            Err(error) => return Err(view.explain(&error)),
        };
        pair.ok_or(Mistake {
            kind: MistakeKind::Unexpected { found: None, expected: vec!["a statement"] },
            span,
        })
    }

    fn build<T>(&mut self, piece: &Piece, make: impl FnOnce(&mut Builder) -> Read<T>) -> Read<T> {
        let base = self.span(&piece.tokens).start;
        let mut builder = Builder { file: self.file, base, escapes: Vec::new() };
        let made = make(&mut builder)?;
        for mistake in builder.escapes {
            self.report(mistake, &piece.tokens);
        }
        Ok(made)
    }

    fn statement(&mut self, piece: &Piece) -> Read<StatementKind> {
        let pair = self.pair(self.text, Rule::only_statement, piece)?;
        self.build(piece, |builder| builder.statement(pair))
    }

    fn entry_piece(&mut self, piece: &Piece) -> Read<(Spanned<f64>, Condition)> {
        let pair = self.pair(self.text, Rule::only_score_entry, piece)?;
        self.build(piece, |builder| builder.entry(pair))
    }

    fn head(&mut self, piece: &Piece, block: Block, frame: &mut Frame) -> Head {
        match self.try_head(piece, block) {
            Ok(head) => head,
            Err(mistake) => {
                // Statements may stand before the head that has the mistake.
                let mut pieces = outline::split(self.text, self.tokens, &piece.tokens);
                let last = pieces.pop().unwrap_or(piece.tokens.clone());
                if pieces.is_empty() {
                    self.report(mistake, &last);
                    return Head::Broken { declares: self.declares(&last) };
                }
                for tokens in pieces {
                    let piece = Piece {
                        tokens: tokens.clone(),
                        too_deep: None,
                        unclosed: None,
                        unopened: None,
                    };
                    match self.statement(&piece) {
                        Ok(kind) => self.push(kind, &tokens, frame),
                        Err(mistake) => self.push_broken(mistake, &tokens, frame),
                    }
                }
                let piece = Piece { tokens: last.clone(), ..piece.clone() };
                match self.try_head(&piece, block) {
                    Ok(head) => head,
                    Err(mistake) => {
                        self.report(mistake, &last);
                        Head::Broken { declares: self.declares(&last) }
                    }
                }
            }
        }
    }

    fn try_head(&mut self, piece: &Piece, block: Block) -> Read<Head> {
        match block {
            Block::Statements => {
                let pair = self.pair(self.text, Rule::only_group_head, piece)?;
                self.build(piece, |builder| {
                    let (label, condition) = builder.group_head(pair)?;
                    Ok(Head::Rule { label, condition })
                })
            }
            Block::Entries => {
                let pair = self.pair(self.text, Rule::only_score_head, piece)?;
                self.build(piece, |builder| {
                    let name = pair.into_inner().find(|part| part.as_rule() == Rule::name);
                    name.map(|name| Head::Score { name: builder.word(&name) })
                        .ok_or_else(|| builder.impossible())
                })
            }
        }
    }
}

/// Makes the Ast of one piece out of pest's pairs. The grammar says what there
/// is in a pair; where it were not, there is a mistake and no panic.
struct Builder {
    file: u32,
    /// Where the piece begins.
    base: u32,
    /// Mistakes in strings; the string is usable nonetheless.
    escapes: Vec<Mistake>,
}

impl Builder {
    fn impossible(&self) -> Mistake {
        Mistake {
            kind: MistakeKind::Unexpected { found: None, expected: Vec::new() },
            span: Span { file: self.file, start: self.base, end: self.base },
        }
    }

    /// pest counts the blanks behind a part to it when an optional part
    /// follows that is not there; its last token ends where it ends.
    fn span(&self, pair: &Pair<Rule>) -> Span {
        let start = self.base + pair.as_span().start() as u32;
        let mut last = pair.clone();
        while let Some(inner) = last.clone().into_inner().next_back() {
            last = inner;
        }
        Span { file: self.file, start, end: self.base + last.as_span().end() as u32 }
    }

    fn word(&self, pair: &Pair<Rule>) -> Word {
        Spanned { value: pair.as_str().to_string(), span: self.span(pair) }
    }

    fn string(&mut self, pair: &Pair<Rule>) -> Word {
        let span = self.span(pair);
        let written = pair.as_str();
        let value = literal::unquote(written, |at| {
            let kind =
                MistakeKind::BadEscape(written.get(at.clone()).unwrap_or_default().to_string());
            let start = span.start + at.start as u32;
            let span = Span { start, end: span.start + at.end as u32, ..span };
            self.escapes.push(Mistake { kind, span });
        });
        Spanned { value, span }
    }

    fn statement(&mut self, pair: Pair<Rule>) -> Read<StatementKind> {
        let rule = pair.as_rule();
        let mut word = None;
        let mut value = None;
        let mut condition = None;
        let mut actions = Vec::new();
        if rule == Rule::actions {
            return Ok(StatementKind::Actions(self.actions(pair)?));
        }
        let mut label = None;
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::name | Rule::setting => word = Some(self.word(&part)),
                Rule::string if rule == Rule::list => {
                    let text = self.string(&part);
                    value = Some(Value { span: text.span, kind: ValueKind::Text(text.value) });
                }
                Rule::string => word = Some(self.string(&part)),
                Rule::value => value = Some(self.value(part)?),
                Rule::set_of_values => value = Some(self.set(part)?),
                Rule::condition => condition = Some(self.condition(part)?.0),
                Rule::actions => actions = self.actions(part)?,
                Rule::group_head => (label, condition) = self.group_head(part)?,
                _ => {}
            }
        }
        let kind = match (rule, word, value, condition) {
            (Rule::set, Some(name), Some(value), _) => StatementKind::Set { name, value },
            (Rule::list, Some(name), Some(value), _) => StatementKind::List { name, value },
            (Rule::define, Some(name), _, Some(condition)) => {
                StatementKind::Define { name, condition }
            }
            (Rule::include, Some(file), _, _) => StatementKind::Include { file },
            (Rule::expect, Some(message), _, _) => StatementKind::Expect { message, actions },
            (Rule::filter_rule, _, _, condition) => {
                StatementKind::Rule { label, condition, body: Body::Actions(actions) }
            }
            _ => return Err(self.impossible()),
        };
        Ok(kind)
    }

    fn group_head(&mut self, pair: Pair<Rule>) -> Read<(Option<Word>, Option<Condition>)> {
        let mut label = None;
        let mut condition = None;
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::string => label = Some(self.string(&part)),
                Rule::condition => condition = Some(self.condition(part)?.0),
                _ => {}
            }
        }
        Ok((label, condition))
    }

    fn entry(&mut self, pair: Pair<Rule>) -> Read<(Spanned<f64>, Condition)> {
        let mut weight = None;
        let mut condition = None;
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::weight => {
                    let span = self.span(&part);
                    let Some(ValueKind::Number(value)) = literal::quantity(part.as_str()) else {
                        let kind = MistakeKind::BadWeight(part.as_str().to_string());
                        return Err(Mistake { kind, span });
                    };
                    weight = Some(Spanned { value, span });
                }
                Rule::condition => condition = Some(self.condition(part)?.0),
                _ => {}
            }
        }
        weight.zip(condition).ok_or_else(|| self.impossible())
    }

    fn actions(&mut self, pair: Pair<Rule>) -> Read<Vec<Action>> {
        let parts = pair.into_inner().filter(|part| part.as_rule() == Rule::action);
        parts.map(|part| self.action(part)).collect()
    }

    fn action(&mut self, pair: Pair<Rule>) -> Read<Action> {
        let span = self.span(&pair);
        let mut name = None;
        let mut arguments = Vec::new();
        let mut flags = Vec::new();
        let mut behind_as = false;
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::action_name => name = Some(self.word(&part)),
                Rule::as_word => behind_as = true,
                _ => {
                    let value = self.scalar(&part)?;
                    if behind_as { &mut flags } else { &mut arguments }.push(value);
                }
            }
        }
        let name = name.ok_or_else(|| self.impossible())?;
        Ok(Action { span, name, arguments, flags })
    }

    /// Recursive, but no deeper than the outline lets parentheses be.
    fn condition(&mut self, pair: Pair<Rule>) -> Read<Placed> {
        self.joined(pair, Rule::all, ConditionKind::Any, |builder, all| {
            builder.joined(all, Rule::unary, ConditionKind::All, Builder::unary)
        })
    }

    fn joined(
        &mut self,
        pair: Pair<Rule>,
        of: Rule,
        join: fn(Vec<Condition>) -> ConditionKind,
        read: fn(&mut Builder, Pair<Rule>) -> Read<Placed>,
    ) -> Read<Placed> {
        let mut parts = Vec::new();
        let mut place: Option<Span> = None;
        for part in pair.into_inner().filter(|part| part.as_rule() == of) {
            let (condition, span) = read(self, part)?;
            place = Some(place.map_or(span, |place| place.to(span)));
            parts.push(condition);
        }
        let span = place.ok_or_else(|| self.impossible())?;
        if parts.len() > 1 {
            return Ok((Condition { span, kind: join(parts) }, span));
        }
        let only = parts.pop().ok_or_else(|| self.impossible())?;
        Ok((only, span))
    }

    fn unary(&mut self, pair: Pair<Rule>) -> Read<Placed> {
        let span = self.span(&pair);
        let mut nots = Vec::new();
        let mut operand = None;
        for part in pair.into_inner() {
            let place = self.span(&part);
            match part.as_rule() {
                Rule::not_word => nots.push(place),
                Rule::condition => operand = Some(self.condition(part)?.0),
                Rule::has => {
                    let field = part.into_inner().find(|part| part.as_rule() == Rule::field);
                    let field = self.field(field.ok_or_else(|| self.impossible())?)?;
                    operand = Some(Condition { span: place, kind: ConditionKind::Has(field) });
                }
                Rule::test => operand = Some(self.test(part, place)?),
                _ => {}
            }
        }
        let mut condition = operand.ok_or_else(|| self.impossible())?;
        for not in nots.into_iter().rev() {
            condition =
                Condition { span: not.to(span), kind: ConditionKind::Not(Box::new(condition)) };
        }
        Ok((condition, span))
    }

    fn test(&mut self, pair: Pair<Rule>, span: Span) -> Read<Condition> {
        let mut field = None;
        let mut operator = None;
        let mut value = None;
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::field => field = Some(self.field(part)?),
                Rule::operator => operator = Some(self.word(&part)),
                Rule::value => value = Some(self.value(part)?),
                _ => {}
            }
        }
        let kind = match (field, operator, value) {
            (Some(field), Some(operator), Some(value)) => {
                ConditionKind::Test { field, operator, value }
            }
            (Some(field), None, None) => match field.argument {
                None => ConditionKind::Name(field.name),
                Some(_) => {
                    let kind = MistakeKind::Unexpected {
                        found: None,
                        expected: vec![words::name_of(Rule::operator)],
                    };
                    return Err(Mistake { kind, span: Span { start: span.end, ..span } });
                }
            },
            _ => return Err(self.impossible()),
        };
        Ok(Condition { span, kind })
    }

    fn field(&mut self, pair: Pair<Rule>) -> Read<Field> {
        let span = self.span(&pair);
        let mut name = None;
        let mut argument = None;
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::string => argument = Some(self.string(&part)),
                _ => name = Some(self.word(&part)),
            }
        }
        Ok(Field { span, name: name.ok_or_else(|| self.impossible())?, argument })
    }

    fn value(&mut self, pair: Pair<Rule>) -> Read<Value> {
        let part = pair.into_inner().next().ok_or_else(|| self.impossible())?;
        match part.as_rule() {
            Rule::set_of_values => self.set(part),
            _ => self.element(part),
        }
    }

    fn set(&mut self, pair: Pair<Rule>) -> Read<Value> {
        let span = self.span(&pair);
        let elements = pair.into_inner().filter(|part| part.as_rule() == Rule::element);
        let elements = elements.map(|part| self.element(part)).collect::<Read<_>>()?;
        Ok(Value { span, kind: ValueKind::Set(elements) })
    }

    fn element(&mut self, pair: Pair<Rule>) -> Read<Value> {
        let span = self.span(&pair);
        let mut bounds = Vec::new();
        for part in pair.into_inner().filter(|part| part.as_rule() != Rule::dots) {
            bounds.push(self.scalar(&part)?);
        }
        match (bounds.pop(), bounds.pop()) {
            (Some(to), Some(from)) => {
                Ok(Value { span, kind: ValueKind::Range(Box::new(from), Box::new(to)) })
            }
            (Some(only), None) => Ok(only),
            _ => Err(self.impossible()),
        }
    }

    fn scalar(&mut self, pair: &Pair<Rule>) -> Read<Value> {
        let span = self.span(pair);
        let kind = match pair.as_rule() {
            Rule::string => ValueKind::Text(self.string(pair).value),
            Rule::pattern => {
                let (source, flags) = literal::pattern(pair.as_str());
                if !matches!(flags, "" | "c") {
                    let start = span.end - flags.len() as u32;
                    let kind = MistakeKind::BadPatternFlag(flags.to_string());
                    return Err(Mistake { kind, span: Span { start, ..span } });
                }
                ValueKind::Pattern { source, case_sensitive: !flags.is_empty() }
            }
            Rule::quantity => return self.quantity(pair),
            _ => ValueKind::Name(pair.as_str().to_string()),
        };
        Ok(Value { span, kind })
    }

    fn quantity(&mut self, pair: &Pair<Rule>) -> Read<Value> {
        let span = self.span(pair);
        let written = pair.as_str();
        match literal::quantity(written) {
            Some(kind) => Ok(Value { span, kind }),
            None => Err(Mistake { kind: MistakeKind::BadQuantity(written.to_string()), span }),
        }
    }
}
