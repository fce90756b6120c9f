//! Ast to text in the canonical layout: four blanks per level, one statement per
//! line, arrows of adjacent rules aligned, comments where they were, and several
//! blank lines reduced to one.
//!
//! The text has the same meaning: parsing it produces the same Ast. Formatting it
//! again changes nothing.

mod align;
mod comments;
mod nodes;
mod statement;

use std::collections::{HashMap, VecDeque};

use self::nodes::signed;
use super::ast::{Ast, Comment, ConditionNode, StatementNode};
use super::layout::Doc;
use super::scan::{self, TokenShape};
use crate::source::{SourceFile, Spanned};

/// A text in the canonical layout, and where in it the parts of its Ast begin.
#[derive(Debug)]
pub struct FormattedRules {
    /// The text.
    pub text: String,
    /// The statements, each before those in its block.
    pub statements: Vec<u32>,
    /// The comments, by their order in the Ast; none for one on the line of something else.
    pub comments: Vec<Option<u32>>,
}

/// The canonical text of `ast`; `source` is the text to which its spans refer.
pub(super) fn format(ast: &Ast, source: &SourceFile) -> FormattedRules {
    let text = source.text.as_str();
    let blocks = if ast.comments.is_empty() { HashMap::new() } else { blocks(text) };
    let mut formatter = Formatter {
        text,
        comments: &ast.comments,
        next: 0,
        inside: VecDeque::new(),
        above: Vec::new(),
        blocks,
        out: String::new(),
        starts: Vec::new(),
        is_started: true,
        comment_starts: vec![None; ast.comments.len()],
    };
    formatter.items(
        &statement::lines_of(&ast.statements),
        BlockRange { depth: 0, open: None, end: u32::MAX },
    );
    let Formatter { out: text, starts: statements, comment_starts: comments, .. } = formatter;
    FormattedRules { text, statements, comments }
}

/// The place of each `{` by the place after its `}`.
fn blocks(text: &str) -> HashMap<u32, u32> {
    let mut open = Vec::new();
    let mut blocks = HashMap::new();
    for token in scan::scan(0, text).tokens {
        match token.kind {
            TokenShape::OpenBlock => open.push(token.start),
            TokenShape::CloseBlock => {
                if let Some(start) = open.pop() {
                    blocks.insert(token.end, start);
                }
            }
            _ => {}
        }
    }
    blocks
}

/// An item on a line of its own in a block.
#[derive(Clone, Copy)]
enum LayoutItem<'a> {
    Statement(&'a StatementNode),
    /// An entry of a score, its weight padded to a width.
    Entry(&'a (Spanned<f64>, ConditionNode), usize),
}

impl LayoutItem<'_> {
    fn start(self) -> u32 {
        match self {
            LayoutItem::Statement(statement) => statement.span.start,
            LayoutItem::Entry((weight, _), _) => weight.span.start,
        }
    }

    fn end(self) -> u32 {
        match self {
            LayoutItem::Statement(statement) => statement.span.end,
            LayoutItem::Entry((_, condition), _) => condition.span.end,
        }
    }
}

/// A block, or the file.
#[derive(Clone, Copy)]
struct BlockRange {
    depth: usize,
    /// After the `{`; `None` for the file.
    open: Option<u32>,
    /// The place of the `}`.
    end: u32,
}

struct Formatter<'a> {
    text: &'a str,
    comments: &'a [Comment],
    /// The first comment that has not been written yet.
    next: usize,
    /// Comments inside the current statement that may still get a place in it.
    inside: VecDeque<&'a Comment>,
    /// Comments inside the current statement without a place in it; they go above it.
    above: Vec<&'a Comment>,
    blocks: HashMap<u32, u32>,
    out: String,
    /// Where each statement begins in `out`.
    starts: Vec<u32>,
    /// The line that comes next does not begin a statement.
    is_started: bool,
    /// Where each comment begins that has a line of its own.
    comment_starts: Vec<Option<u32>>,
}

impl<'a> Formatter<'a> {
    /// Where the text of the next line begins.
    fn place(&self, depth: usize) -> u32 {
        (self.out.len() + 4 * depth) as u32
    }

    /// A statement begins on the next line.
    fn start(&mut self, depth: usize) {
        let place = self.place(depth);
        self.starts.push(place);
        self.is_started = true;
    }

    fn line(&mut self, depth: usize, text: &str) {
        self.out.push_str(&"    ".repeat(depth));
        self.out.push_str(text.trim_end());
        self.out.push('\n');
    }

    fn items(&mut self, items: &[LayoutItem<'a>], range: BlockRange) {
        // Where in the source the text ends that was written last.
        let mut last_end = range.open;
        if let Some(open) = range.open {
            let first = items.first().map_or(range.end, |item| item.start());
            last_end = Some(self.trailing(open, first));
        }
        let mut first = true;
        let heads = self.aligned(items, range.depth);
        for (at, item) in items.iter().enumerate() {
            self.own_lines(&mut last_end, item.start(), range.depth, &mut first);
            self.blank_line(last_end, item.start(), first);
            first = false;
            let (head, rest) = match heads.get(at) {
                Some(Some((head, rest))) => (head.as_str(), rest.as_str()),
                _ => ("", ""),
            };
            if head.is_empty() {
                self.item(*item, range.depth);
            } else {
                self.gather(item.start(), item.end());
                self.put_above(range.depth);
                self.start(range.depth);
                self.line(range.depth, &format!("{head}{rest}"));
            }
            let next = items.get(at + 1).map_or(range.end, |next| next.start());
            last_end = Some(self.trailing(item.end(), next));
        }
        self.own_lines(&mut last_end, range.end, range.depth, &mut first);
    }

    fn item(&mut self, item: LayoutItem<'a>, depth: usize) {
        match item {
            LayoutItem::Statement(statement) => self.statement(statement, depth),
            LayoutItem::Entry((weight, condition), width) => {
                self.gather(weight.span.start, condition.span.end);
                let doc = Doc::Nest(vec![self.condition(condition)]);
                let weight = signed(weight.value);
                let fill = " ".repeat(width.saturating_sub(weight.len()));
                self.finish(doc, &format!("{weight}{fill}  "), depth);
            }
        }
    }

    /// Writes a statement; comments without a line in it go above it.
    fn finish(&mut self, doc: Doc, before: &str, depth: usize) {
        self.put_above(depth);
        if !self.is_started {
            self.start(depth);
        }
        self.out.push_str(doc.lay_out(before, depth).trim_end());
        self.out.push('\n');
    }
}

#[cfg(test)]
mod tests;
