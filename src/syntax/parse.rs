//! Text to Ast: one piece of the outline after the other through pest.
//!
//! A piece that cannot be read gives one mistake and stands in the Ast as
//! [`StatementKind::Broken`]; what stands around it is read all the same.

use std::ops::Range;

use pest::Parser;
use pest::iterators::Pair;

use super::ast::{Ast, Body, Condition, Statement, StatementKind, Word};
use super::build::{Builder, Read};
use super::diagnose;
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
                if pieces.len() < 2 || piece.too_deep.is_some() {
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
        let mut builder = Builder::new(self.file, base);
        let made = make(&mut builder)?;
        for mistake in builder.into_mistakes() {
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
