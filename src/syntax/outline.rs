//! Where statements begin and end, found without understanding them.
//!
//! The tokens are cut into pieces, each small enough to be parsed separately: a
//! statement without a block, the head of a block, an entry of a score. So a
//! mistake in one piece hides none in the next. Pieces are cut as mailrules(5)
//! says: a statement begins with one of its words; an action begins a line, or
//! follows `->`, `,`, `{` or `}`.
//!
//! Nothing is recursive here, and what the parser gets is never nested deeper
//! than [`MAX_DEPTH`].

use std::ops::Range;

use super::MAX_DEPTH;
use super::mistake::{Mistake, SyntaxErrorKind};
use super::scan::{ScanFault, SyntaxToken, TokenShape};
use super::words;
use crate::source::Span;

/// A part of the file, in order.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum OutlinePart {
    /// A statement or action without a block.
    Statement(TokenRun),
    /// The tokens before a `{`, and the `{`; its [`OutlinePart::Close`] follows.
    Open(TokenRun, BlockKind),
    /// `WEIGHT CONDITION`
    Entry(TokenRun),
    /// The `}` of the innermost open block, or the place where it should have been.
    Close { end: u32 },
}

/// What a block contains.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BlockKind {
    Statements,
    /// The rules and settings of a category.
    Category,
    Entries,
}

/// Some tokens that belong together.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct TokenRun {
    /// Which tokens.
    pub tokens: Range<usize>,
    /// The sign that exceeds the nesting limit.
    pub too_deep: Option<usize>,
    /// A `(` or `[` that is not closed.
    pub unclosed: Option<usize>,
    /// A `)` or `]` that closes nothing.
    pub unopened: Option<usize>,
}

/// What begins a piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LeadingWord {
    /// `set`
    Set,
    /// `list`, `define`, `score`: a name follows
    Named,
    /// `include`, `isp-filter`, `isp-label`, `category`
    Include,
    /// `when`, `otherwise`, `rule`, `expect`, `on` and words that may be meant
    /// for them: no action can come before `->`
    Rule,
    /// An action.
    Action,
    /// Something else.
    Unknown,
}

struct OpenBlock {
    /// Its `{`.
    token: usize,
    block: BlockKind,
    /// The indentation of the line on which its head begins.
    indent: u32,
    /// The indentation of the first line in it.
    inner: Option<u32>,
}

/// Cuts all tokens into parts; also returns what is wrong with blocks.
pub(super) fn outline(
    file: u32,
    text: &str,
    tokens: &[SyntaxToken],
) -> (Vec<OutlinePart>, Vec<Mistake>) {
    let mut outliner = Outliner::new(file, text, tokens, false);
    outliner.run();
    if outliner.unclosed {
        // A `}` is missing somewhere; the indentation now shows where.
        outliner = Outliner::new(file, text, tokens, true);
        outliner.run();
    }
    (outliner.parts, outliner.mistakes)
}

struct Outliner<'a> {
    file: u32,
    text: &'a str,
    tokens: &'a [SyntaxToken],
    /// Whether a line that is indented less closes a block.
    by_indent: bool,
    parts: Vec<OutlinePart>,
    mistakes: Vec<Mistake>,
    /// Blocks were open at the end.
    unclosed: bool,
    /// A part that exceeds the nesting limit extends to the end, so it is unknown
    /// which blocks are closed there.
    cut_off: bool,
    blocks: Vec<OpenBlock>,
    line_indent: u32,
    /// The first token of the current piece.
    start: Option<usize>,
    first_word: LeadingWord,
    piece_indent: u32,
    arrow: bool,
    /// Open `(` and `[`, each with the number of `not`s before it.
    nests: Vec<(usize, usize)>,
    nots: usize,
    depth: usize,
    too_deep: Option<usize>,
    unopened: Option<usize>,
}

impl<'a> Outliner<'a> {
    fn new(file: u32, text: &'a str, tokens: &'a [SyntaxToken], by_indent: bool) -> Outliner<'a> {
        Outliner {
            file,
            text,
            tokens,
            by_indent,
            parts: Vec::new(),
            mistakes: Vec::new(),
            unclosed: false,
            cut_off: false,
            blocks: Vec::new(),
            line_indent: 0,
            start: None,
            first_word: LeadingWord::Unknown,
            piece_indent: 0,
            arrow: false,
            nests: Vec::new(),
            nots: 0,
            depth: 0,
            too_deep: None,
            unopened: None,
        }
    }

    fn run(&mut self) {
        let tokens = self.tokens;
        let mut at = 0;
        while let Some(token) = tokens.get(at) {
            if let Some(indent) = token.indent {
                self.new_line(at, *token, indent);
            }
            match token.kind {
                TokenShape::OpenBlock if self.opens_named_arguments(at) => {
                    at = self.named_arguments(at);
                    continue;
                }
                TokenShape::OpenBlock => {
                    at = self.open_block(at);
                    continue;
                }
                TokenShape::CloseBlock => self.close_block(at),
                _ => {
                    if self.start.is_some() && self.begins_piece(at) {
                        self.end_piece(at);
                    }
                    if self.start.is_none() {
                        self.begin_piece(at);
                    }
                    self.within_piece(at);
                }
            }
            at += 1;
        }
        self.end_piece(tokens.len());
        let end = self.text.len() as u32;
        while let Some(block) = self.blocks.pop() {
            if !self.cut_off {
                self.unclosed = true;
                self.wrong(SyntaxErrorKind::UnclosedBlock, block.token);
            }
            self.parts.push(OutlinePart::Close { end });
        }
    }

    fn wrong(&mut self, kind: SyntaxErrorKind, token: usize) {
        if let Some(token) = self.tokens.get(token) {
            let span = Span { file: self.file, start: token.start, end: token.end };
            self.mistakes.push(Mistake { kind, span });
        }
    }

    fn new_line(&mut self, at: usize, token: SyntaxToken, indent: u32) {
        self.line_indent = indent;
        if self.by_indent {
            let closes = token.kind == TokenShape::CloseBlock;
            while let Some(block) = self.blocks.last()
                && block.inner.is_some_and(|inner| inner > block.indent)
                && (indent < block.indent || (indent == block.indent && !closes))
            {
                let open = block.token;
                self.end_piece(at);
                self.wrong(SyntaxErrorKind::UnclosedBlock, open);
                self.blocks.pop();
                self.parts.push(OutlinePart::Close { end: token.start });
            }
        }
        if let Some(block) = self.blocks.last_mut() {
            block.inner.get_or_insert(indent);
        }
    }

    /// Whether the `{` belongs to the action before it.
    fn opens_named_arguments(&self, at: usize) -> bool {
        let before = at.wrapping_sub(1);
        let acts = self.first_word == LeadingWord::Action || self.arrow;
        let starts = self.start.is_some_and(|start| start <= before);
        starts
            && acts
            && self.word(before).is_some_and(|word| words::WITH_NAMED_ARGUMENTS.contains(&word))
    }

    /// The `{ … }` of an action is part of its piece. If the `}` is missing, that
    /// is the only mistake, and reading resumes at the next statement.
    fn named_arguments(&mut self, at: usize) -> usize {
        let mut end = at + 1;
        while let Some(token) = self.tokens.get(end) {
            let begins = token.indent.is_some()
                && self.word(end).is_some_and(|word| words::STATEMENTS.contains(&word));
            match token.kind {
                TokenShape::CloseBlock | TokenShape::Fault(ScanFault::UnclosedLongText) => {
                    return end + 1;
                }
                TokenShape::OpenBlock => break,
                _ if begins => break,
                _ => self.within_piece(end),
            }
            end += 1;
        }
        self.wrong(SyntaxErrorKind::UnclosedBlock, at);
        self.take_piece(end);
        end
    }

    fn open_block(&mut self, at: usize) -> usize {
        if self.start.is_none() {
            self.begin_piece(at);
        }
        if self.blocks.len() >= MAX_DEPTH {
            // The whole block is one piece that cannot be read.
            let end = self.end_of_block(at);
            self.cut_off |= end == self.tokens.len();
            self.too_deep = Some(at);
            self.end_piece(end);
            return end;
        }
        let block = match self.start.and_then(|start| self.word(start)) {
            Some("score") => BlockKind::Entries,
            Some("category") => BlockKind::Category,
            _ => BlockKind::Statements,
        };
        let piece = self.take_piece(at + 1);
        let open = OpenBlock { token: at, block, indent: self.piece_indent, inner: None };
        if let Some(piece) = piece {
            self.parts.push(OutlinePart::Open(piece, block));
            self.blocks.push(open);
        }
        at + 1
    }

    /// The token after the `}` of the block that opens at `at`.
    fn end_of_block(&self, at: usize) -> usize {
        let mut depth = 0usize;
        for (number, token) in self.tokens.iter().enumerate().skip(at) {
            match token.kind {
                TokenShape::OpenBlock => depth += 1,
                TokenShape::CloseBlock => depth = depth.saturating_sub(1),
                _ => {}
            }
            if depth == 0 {
                return number + 1;
            }
        }
        self.tokens.len()
    }

    fn close_block(&mut self, at: usize) {
        self.end_piece(at);
        if self.blocks.pop().is_some() {
            let end = self.tokens.get(at).map_or(0, |token| token.end);
            self.parts.push(OutlinePart::Close { end });
        } else {
            self.wrong(SyntaxErrorKind::Unopened('}'), at);
        }
    }

    fn begin_piece(&mut self, at: usize) {
        self.start = Some(at);
        self.piece_indent = self.line_indent;
        self.arrow = false;
        self.nests.clear();
        self.nots = 0;
        self.depth = 0;
        self.too_deep = None;
        self.unopened = None;
        self.first_word = match self.word(at) {
            Some("set") => LeadingWord::Set,
            Some("list" | "define" | "score") => LeadingWord::Named,
            Some("include" | "isp-filter" | "isp-label" | "category") => LeadingWord::Include,
            Some(word) if words::STATEMENTS.contains(&word) || word == words::ON => {
                LeadingWord::Rule
            }
            Some(word) if words::ACTIONS.contains(&word) => LeadingWord::Action,
            Some(word) if words::SLIPS.contains(&word) => LeadingWord::Rule,
            Some(word) => match words::nearest_opening(word, false) {
                Some("when" | "otherwise" | "rule" | "expect") => LeadingWord::Rule,
                _ => LeadingWord::Unknown,
            },
            None => LeadingWord::Unknown,
        };
    }

    fn take_piece(&mut self, end: usize) -> Option<TokenRun> {
        let start = self.start.take()?;
        Some(TokenRun {
            tokens: start..end,
            too_deep: self.too_deep.take(),
            unclosed: self.nests.first().map(|(token, _)| *token),
            unopened: self.unopened.take(),
        })
    }

    fn end_piece(&mut self, end: usize) {
        let entries = self.blocks.last().is_some_and(|block| block.block == BlockKind::Entries);
        if let Some(piece) = self.take_piece(end) {
            self.parts.push(if entries {
                OutlinePart::Entry(piece)
            } else {
                OutlinePart::Statement(piece)
            });
        }
    }

    /// Keeps track of nesting and of the arrow.
    fn within_piece(&mut self, at: usize) {
        let Some(token) = self.tokens.get(at) else { return };
        match token.kind {
            TokenShape::OpenParen | TokenShape::OpenSet => {
                self.nests.push((at, self.nots));
                self.depth += 1;
                self.nots = 0;
            }
            TokenShape::CloseParen | TokenShape::CloseSet => match self.nests.pop() {
                Some((_, nots)) => {
                    self.depth -= 1 + nots + self.nots;
                    self.nots = 0;
                }
                None => self.unopened = self.unopened.or(Some(at)),
            },
            TokenShape::Word if self.word(at) == Some("not") => {
                self.nots += 1;
                self.depth += 1;
            }
            kind => {
                self.arrow |= kind == TokenShape::Arrow;
                self.depth -= self.nots;
                self.nots = 0;
            }
        }
        if self.depth > MAX_DEPTH {
            self.too_deep = self.too_deep.or(Some(at));
        }
    }

    fn word(&self, at: usize) -> Option<&'a str> {
        let token = self.tokens.get(at).filter(|token| token.kind == TokenShape::Word)?;
        self.text.get(token.start as usize..token.end as usize)
    }

    /// A bare `on` may be a name, or the user's word for the provider's filter.
    fn is_on_moved(&self, at: usize) -> bool {
        self.word(at) == Some(words::ON) && self.word(at + 1) == Some("moved")
    }

    /// Whether the token cannot be part of the current piece.
    fn begins_piece(&self, at: usize) -> bool {
        let (Some(start), Some(token)) = (self.start, self.tokens.get(at)) else { return false };
        let Some(before) = self.tokens.get(at.wrapping_sub(1)) else { return false };
        let begins_line = token.indent.is_some();
        if self.blocks.last().is_some_and(|block| block.block == BlockKind::Entries) {
            return self.begins_entry(at);
        }
        let waits = self.first_word == LeadingWord::Rule && !self.arrow;
        let acts = self.first_word == LeadingWord::Action || self.arrow;
        let continued = matches!(before.kind, TokenShape::Arrow | TokenShape::Comma)
            || self.word(at - 1).is_some_and(|word| words::JOINTS.contains(&word));
        match (token.kind, self.word(at)) {
            (_, Some("when" | "otherwise"))
                if self.word(start) == Some("rule")
                    && (at == start + 1
                        || (at == start + 2 && before.kind == TokenShape::Text)) =>
            {
                false
            }
            (_, Some(word)) if words::STATEMENTS.contains(&word) || self.is_on_moved(at) => {
                let is_name = at == start + 1
                    && matches!(self.first_word, LeadingWord::Set | LeadingWord::Named);
                begins_line || (!is_name && !waits && self.nests.is_empty() && self.can_end(at - 1))
            }
            (_, Some(word)) if words::ACTIONS.contains(&word) => {
                let is_name = at == start + 1 && self.first_word == LeadingWord::Set;
                begins_line && !is_name && !waits && !continued
            }
            (_, Some(word)) if self.first_word == LeadingWord::Include && begins_line => {
                before.kind == TokenShape::Text && !words::SCRIPT_OPTIONS.contains(&word)
            }
            (_, Some("unless")) if self.word(start) == Some("expire") && !self.arrow => false,
            (_, Some("if" | "unless" | "else" | "elsif" | "elseif" | "elif")) => {
                begins_line && !continued
            }
            (_, Some(word)) => {
                begins_line
                    && acts
                    && !continued
                    && self.nests.is_empty()
                    && !words::JOINTS.contains(&word)
            }
            (TokenShape::Fault(ScanFault::EmptyPattern), None) => {
                begins_line && self.nests.is_empty()
            }
            // The signs are no operator, or they begin a procmail recipe.
            (TokenShape::Signs, None) => {
                let sign = self.text.get(token.start as usize..).unwrap_or_default();
                begins_line
                    && !waits
                    && self.nests.is_empty()
                    && (acts || sign.starts_with([':', '*']))
            }
            _ => false,
        }
    }

    fn begins_entry(&self, at: usize) -> bool {
        let Some(token) = self.tokens.get(at) else { return false };
        match token.kind {
            TokenShape::Quantity => {
                let signed = self
                    .text
                    .get(token.start as usize..)
                    .is_some_and(|text| text.starts_with(['+', '-']));
                (signed || token.indent.is_some())
                    && self.can_end(at - 1)
                    && !self.is_within(at - 1)
                    && self.nests.is_empty()
            }
            TokenShape::Signs => token.indent.is_some() && self.can_end(at - 1),
            _ => {
                token.indent.is_some()
                    && self.word(at).is_some_and(|word| words::STATEMENTS.contains(&word))
            }
        }
    }

    /// The `within` of a `duplicate`; on its own it may be a name.
    fn is_within(&self, at: usize) -> bool {
        let before = at.wrapping_sub(1);
        let of = self.tokens.get(before).is_some_and(|token| token.kind == TokenShape::Text)
            && self.word(before.wrapping_sub(1)) == Some("of");
        self.word(at) == Some("within") && (of || self.word(before) == Some("duplicate"))
    }

    /// Whether a statement may be complete with this token.
    fn can_end(&self, at: usize) -> bool {
        let Some(token) = self.tokens.get(at) else { return false };
        match (token.kind, self.word(at)) {
            (_, Some(word)) => {
                !words::STATEMENTS.contains(&word)
                    && !words::JOINTS.contains(&word)
                    && !words::OPERATORS.contains(&word)
            }
            (
                TokenShape::OpenBlock
                | TokenShape::OpenSet
                | TokenShape::OpenParen
                | TokenShape::Comma
                | TokenShape::Arrow
                | TokenShape::Dots
                | TokenShape::Signs,
                _,
            ) => false,
            _ => true,
        }
    }
}

/// The piece that a text consists of; none if there are several.
pub(super) fn only_piece(file: u32, text: &str, tokens: &[SyntaxToken]) -> Option<TokenRun> {
    let (parts, _) = outline(file, text, tokens);
    match parts.into_iter().next()? {
        OutlinePart::Statement(piece) | OutlinePart::Entry(piece) | OutlinePart::Open(piece, _) => {
            (piece.tokens == (0..tokens.len())).then_some(piece)
        }
        OutlinePart::Close { .. } => None,
    }
}

/// Where a piece that cannot be parsed probably consists of several: at lines
/// that begin with a word that continues nothing.
pub(super) fn split(text: &str, tokens: &[SyntaxToken], piece: &Range<usize>) -> Vec<Range<usize>> {
    let mut pieces = Vec::new();
    let mut start = piece.start;
    let mut open = 0usize;
    for at in piece.clone() {
        let Some(token) = tokens.get(at) else { break };
        let word = |at: usize| {
            let token = tokens.get(at).filter(|token| token.kind == TokenShape::Word)?;
            text.get(token.start as usize..token.end as usize)
        };
        match token.kind {
            TokenShape::OpenParen | TokenShape::OpenSet | TokenShape::OpenBlock => open += 1,
            TokenShape::CloseParen | TokenShape::CloseSet | TokenShape::CloseBlock => {
                open = open.saturating_sub(1);
            }
            TokenShape::Word if token.indent.is_some() && open == 0 && at > start => {
                let continues = word(at).is_some_and(|word| {
                    words::JOINTS.contains(&word) || words::OPERATORS.contains(&word)
                });
                let continued = match tokens.get(at - 1).map(|token| token.kind) {
                    Some(TokenShape::Word) => word(at - 1).is_some_and(|word| {
                        words::JOINTS.contains(&word)
                            || words::OPERATORS.contains(&word)
                            || words::STATEMENTS.contains(&word)
                    }),
                    Some(
                        TokenShape::Comma
                        | TokenShape::Arrow
                        | TokenShape::Signs
                        | TokenShape::Dots,
                    ) => true,
                    _ => false,
                };
                if !continues && !continued {
                    pieces.push(start..at);
                    start = at;
                }
            }
            _ => {}
        }
    }
    pieces.push(start..piece.end);
    pieces
}
