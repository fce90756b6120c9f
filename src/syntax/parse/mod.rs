//! Text to Ast: one piece of the outline after another is parsed by pest.
//!
//! A piece that cannot be read produces one mistake and is in the Ast as
//! [`StatementNodeKind::Broken`]; everything around it is still read.

use std::ops::Range;

use pest::iterators::Pair;

use super::ast::{Ast, Body, ConditionNode, SpannedText, StatementNode, StatementNodeKind};
use super::build::{Builder, Read};
use super::diagnose::PieceContext;
use super::grammar::Rule;
use super::mistake::{Mistake, SyntaxErrorKind};
use super::outline::{self, BlockKind, OutlinePart, TokenRun};
use super::piece::{self, parsed};
use super::scan::{self, SyntaxToken, TokenShape};
use super::{MAX_BYTES, MAX_MISTAKES, words};
use crate::diagnostic::Diagnostic;
use crate::source::{SourceFile, Span, Spanned};

/// Reads one file.
pub(super) fn parse(file: u32, source: &SourceFile) -> (Ast, Vec<Diagnostic>) {
    let text = source.text.as_str();
    if text.len() > MAX_BYTES {
        let span = Span { file, start: 0, end: 0 };
        return (Ast::default(), vec![Mistake { kind: SyntaxErrorKind::TooLarge, span }.into()]);
    }
    let scan = scan::scan(file, text);
    let (parts, mistakes) = outline::outline(file, text, &scan.tokens);
    let found = mistakes.into_iter().map(Diagnostic::from).collect();
    let mut reader = StatementReader { file, text, tokens: &scan.tokens, found, foreign: false };
    let statements = reader.read(parts);
    let mut diagnostics = reader.found;
    diagnostics.sort_by_key(|diagnostic| diagnostic.span.start);
    if diagnostics.len() > MAX_MISTAKES {
        diagnostics.truncate(MAX_MISTAKES + 1);
        if let Some(last) = diagnostics.last_mut() {
            *last = Mistake { kind: SyntaxErrorKind::TooMany, span: last.span }.into();
        }
    }
    (Ast { statements, comments: scan.comments }, diagnostics)
}

struct StatementReader<'a> {
    file: u32,
    text: &'a str,
    tokens: &'a [SyntaxToken],
    found: Vec<Diagnostic>,
    /// There was a procmail recipe or a Sieve script; that is reported once.
    foreign: bool,
}

/// What is before a block.
enum StatementHead {
    File,
    /// The label and the condition of the rule.
    Rule(Box<(Option<SpannedText>, Option<ConditionNode>)>),
    Score {
        name: SpannedText,
    },
    Category {
        name: SpannedText,
        mandatory: bool,
    },
    Broken {
        declares: Option<SpannedText>,
    },
}

/// A block that is being read.
struct ParseFrame {
    start: u32,
    head: StatementHead,
    statements: Vec<StatementNode>,
    entries: Vec<(Spanned<f64>, ConditionNode)>,
    /// The indentation of the last statement, if it is a rule with actions.
    rule_indent: Option<u32>,
}

impl ParseFrame {
    fn new(start: u32, head: StatementHead) -> ParseFrame {
        ParseFrame { start, head, statements: Vec::new(), entries: Vec::new(), rule_indent: None }
    }

    /// The statement whose block is complete; a file is none.
    fn into_kind(self) -> Option<StatementNodeKind> {
        let ParseFrame { statements, entries, .. } = self;
        Some(match self.head {
            StatementHead::Rule(head) => {
                let (label, condition) = *head;
                StatementNodeKind::Rule { label, condition, body: Body::Block(statements) }
            }
            StatementHead::Score { name } => StatementNodeKind::Score { name, entries },
            StatementHead::Category { name, mandatory } => {
                StatementNodeKind::Category { name, mandatory, statements }
            }
            StatementHead::Broken { declares } => {
                StatementNodeKind::Broken { declares, block: statements }
            }
            StatementHead::File => return None,
        })
    }
}

impl<'a> StatementReader<'a> {
    /// Reads all parts. Nested blocks are on an explicit stack.
    fn read(&mut self, parts: Vec<OutlinePart>) -> Vec<StatementNode> {
        let mut outer: Vec<ParseFrame> = Vec::new();
        let mut frame = ParseFrame::new(0, StatementHead::File);
        for part in parts {
            match part {
                OutlinePart::Statement(piece) => self.statement_piece(&piece, &mut frame),
                OutlinePart::Entry(piece) => match self.entry_piece(&piece) {
                    Ok(entry) => frame.entries.push(entry),
                    Err(mistake) => {
                        let rule = Rule::only_score_entry;
                        let read = |builder: &mut Builder, pair: Pair<Rule>| builder.entry(pair);
                        frame.entries.extend(self.mended(mistake, &piece.tokens, rule, read));
                    }
                },
                OutlinePart::Open(piece, block) => {
                    let head = self.head(&piece, block, &mut frame);
                    let start = self.span(&piece.tokens).start;
                    outer.push(std::mem::replace(&mut frame, ParseFrame::new(start, head)));
                }
                OutlinePart::Close { end } => {
                    let Some(next) = outer.pop() else { continue };
                    let done = std::mem::replace(&mut frame, next);
                    let span = Span { file: self.file, start: done.start, end };
                    let Some(kind) = done.into_kind() else { continue };
                    frame.statements.push(StatementNode { span, kind });
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
        let token = self.tokens.get(at).filter(|token| token.kind == TokenShape::Word)?;
        self.text.get(token.start as usize..token.end as usize)
    }

    /// Records a mistake, unless it only follows from the file being in another language.
    fn report(&mut self, mistake: Diagnostic, piece: &Range<usize>) {
        let ours = self.word(piece.start).is_some_and(|word| words::STATEMENTS.contains(&word));
        if ours || !self.foreign {
            self.foreign |= mistake.code == "foreign";
            self.found.push(mistake);
        }
    }

    /// Reports a mistake, and the others in its piece; what the piece says if they can all be
    /// mended.
    fn mended<T>(
        &mut self,
        mistake: Mistake,
        piece: &Range<usize>,
        rule: Rule,
        make: impl Fn(&mut Builder, Pair<Rule>) -> Read<T>,
    ) -> Option<T> {
        let span = self.span(piece);
        let text = self.text.get(span.start as usize..span.end as usize).unwrap_or_default();
        if self.found.len() > MAX_MISTAKES {
            self.report(mistake.into(), piece);
            return None;
        }
        let (found, made) = piece::read(text, span.start, rule, mistake, make);
        found.into_iter().for_each(|mistake| self.report(mistake, piece));
        made
    }

    /// The name that an unreadable piece would have declared.
    fn declares(&self, piece: &Range<usize>) -> Option<SpannedText> {
        let declares = matches!(self.word(piece.start)?, "list" | "define" | "score");
        let value =
            self.word(piece.start + 1).filter(|word| declares && !words::is_reserved(word))?;
        let span = self.span(&(piece.start + 1..piece.start + 2));
        (piece.len() > 1).then(|| Spanned { value: value.to_string(), span })
    }

    fn statement_piece(&mut self, piece: &TokenRun, frame: &mut ParseFrame) {
        match self.statement(piece) {
            Ok(kind) => self.push(kind, &piece.tokens, frame),
            Err(mistake) => {
                let pieces = outline::split(self.text, self.tokens, &piece.tokens);
                if pieces.len() < 2 || piece.too_deep.is_some() {
                    self.push_mended(mistake, &piece.tokens, frame);
                    return;
                }
                for tokens in pieces {
                    let within = |at: &usize| tokens.contains(at);
                    let piece = TokenRun {
                        too_deep: piece.too_deep.filter(within),
                        unclosed: piece.unclosed.filter(within),
                        unopened: piece.unopened.filter(within),
                        tokens: tokens.clone(),
                    };
                    match self.statement(&piece) {
                        Ok(kind) => self.push(kind, &tokens, frame),
                        Err(mistake) => self.push_mended(mistake, &tokens, frame),
                    }
                }
            }
        }
    }

    fn push(&mut self, kind: StatementNodeKind, tokens: &Range<usize>, frame: &mut ParseFrame) {
        let indent = self.tokens.get(tokens.start).and_then(|token| token.indent);
        if let StatementNodeKind::Actions(actions) = &kind
            && let Some(action) = actions.first()
            && frame.rule_indent.is_some_and(|rule| indent.is_some_and(|indent| indent > rule))
        {
            let kind = SyntaxErrorKind::StrayAction(action.name.value.clone());
            self.found.push(Mistake { kind, span: action.span }.into());
        }
        let is_rule = matches!(&kind, StatementNodeKind::Rule { body: Body::Actions(_), .. });
        frame.rule_indent = indent.filter(|_| is_rule);
        frame.statements.push(StatementNode { span: self.span(tokens), kind });
    }

    fn push_mended(&mut self, mistake: Mistake, tokens: &Range<usize>, frame: &mut ParseFrame) {
        let read = |builder: &mut Builder, pair: Pair<Rule>| builder.statement(pair);
        if let Some(kind) = self.mended(mistake, tokens, Rule::only_statement, read) {
            self.push(kind, tokens, frame);
            return;
        }
        let kind = StatementNodeKind::Broken { declares: self.declares(tokens), block: Vec::new() };
        frame.rule_indent = None;
        frame.statements.push(StatementNode { span: self.span(tokens), kind });
    }

    fn pair(&self, rule: Rule, piece: &TokenRun) -> Read<Pair<'a, Rule>> {
        let (text, tokens) = (self.text, self.tokens);
        parsed(text, &PieceContext { file: self.file, text, tokens, piece }, rule)
    }

    fn build<T>(
        &mut self,
        piece: &TokenRun,
        make: impl FnOnce(&mut Builder) -> Read<T>,
    ) -> Read<T> {
        let base = self.span(&piece.tokens).start;
        let mut builder = Builder::new(self.file, base, None);
        let read = make(&mut builder)?;
        for mistake in builder.into_mistakes() {
            self.report(mistake.into(), &piece.tokens);
        }
        Ok(read)
    }

    fn statement(&mut self, piece: &TokenRun) -> Read<StatementNodeKind> {
        let pair = self.pair(Rule::only_statement, piece)?;
        self.build(piece, |builder| builder.statement(pair))
    }

    fn entry_piece(&mut self, piece: &TokenRun) -> Read<(Spanned<f64>, ConditionNode)> {
        let pair = self.pair(Rule::only_score_entry, piece)?;
        self.build(piece, |builder| builder.entry(pair))
    }

    fn head(
        &mut self,
        piece: &TokenRun,
        block: BlockKind,
        frame: &mut ParseFrame,
    ) -> StatementHead {
        match self.try_head(piece, block) {
            Ok(head) => head,
            Err(mistake) => {
                // There may be statements before the head that has the mistake.
                let mut pieces = outline::split(self.text, self.tokens, &piece.tokens);
                let last = pieces.pop().unwrap_or(piece.tokens.clone());
                if pieces.is_empty() {
                    return self.mended_head(mistake, &last, block);
                }
                for tokens in pieces {
                    let piece = TokenRun {
                        tokens: tokens.clone(),
                        too_deep: None,
                        unclosed: None,
                        unopened: None,
                    };
                    match self.statement(&piece) {
                        Ok(kind) => self.push(kind, &tokens, frame),
                        Err(mistake) => self.push_mended(mistake, &tokens, frame),
                    }
                }
                let piece = TokenRun { tokens: last.clone(), ..piece.clone() };
                match self.try_head(&piece, block) {
                    Ok(head) => head,
                    Err(mistake) => self.mended_head(mistake, &last, block),
                }
            }
        }
    }

    fn mended_head(
        &mut self,
        mistake: Mistake,
        piece: &Range<usize>,
        block: BlockKind,
    ) -> StatementHead {
        let read = |builder: &mut Builder, pair: Pair<Rule>| head_of(builder, pair, block);
        let head = self.mended(mistake, piece, rule_of_head(block), read);
        head.unwrap_or_else(|| StatementHead::Broken { declares: self.declares(piece) })
    }

    fn try_head(&mut self, piece: &TokenRun, block: BlockKind) -> Read<StatementHead> {
        let pair = self.pair(rule_of_head(block), piece)?;
        self.build(piece, |builder| head_of(builder, pair, block))
    }
}

fn rule_of_head(block: BlockKind) -> Rule {
    match block {
        BlockKind::Statements => Rule::only_group_head,
        BlockKind::Category => Rule::only_category_head,
        BlockKind::Entries => Rule::only_score_head,
    }
}

fn head_of(builder: &mut Builder, pair: Pair<Rule>, block: BlockKind) -> Read<StatementHead> {
    Ok(match block {
        BlockKind::Statements => StatementHead::Rule(Box::new(builder.group_head(pair)?)),
        BlockKind::Category => {
            let (name, mandatory) = builder.category_head(pair)?;
            StatementHead::Category { name, mandatory }
        }
        BlockKind::Entries => {
            let name = pair.into_inner().find(|part| part.as_rule() == Rule::name);
            let name = name.ok_or_else(|| builder.impossible())?;
            StatementHead::Score { name: builder.word(&name) }
        }
    })
}

#[cfg(test)]
mod tests;
