//! maildrop's text to statements, maildropfilter(7). A mistake spoils one statement;
//! comments belong to the statement that follows.

use super::expression::{Expression, ExpressionReader};
use super::tokens::{MAX_DEPTH, MaildropToken, Rule, tokens};
use crate::source::{SourceFile, Span};

/// A statement.
#[derive(Debug, Clone)]
pub(super) struct MaildropStatement {
    /// From its first word to its last.
    pub(super) span: Span,
    /// The comments before it, without their signs.
    pub(super) comments: Vec<String>,
    pub(super) kind: MaildropStatementKind,
}

#[derive(Debug, Clone)]
pub(super) enum MaildropStatementKind {
    /// `NAME=expression`
    Assign(String, Expression),
    /// `if … elsif … else …`
    If(Vec<IfBranch>),
    /// `while` and `foreach`
    Loop(MaildropLoop),
    /// `exception { … }`
    Exception(Vec<MaildropStatement>),
    /// `dotlock` and `flock`
    Locked(Vec<MaildropStatement>),
    /// A word with one argument: `to`, `cc`, `xfilter`, `include`, `log` …
    Word(&'static str, Expression),
    /// `import NAME`
    Import(String),
    /// `exit`
    Exit,
    /// A command in backquotes, on its own.
    Command(Expression),
    /// A pattern on its own, for what it captures.
    Search(Expression),
    /// Comments after the last statement.
    Comments,
    /// Why it cannot be read; and the statements in its block.
    Broken(String, Vec<MaildropStatement>),
}

/// `while` or `foreach`.
#[derive(Debug, Clone)]
pub(super) struct MaildropLoop {
    pub(super) word: &'static str,
    /// The word and the condition.
    pub(super) head: Span,
    pub(super) of: Expression,
    pub(super) body: Vec<MaildropStatement>,
}

/// A branch of an `if`.
#[derive(Debug, Clone)]
pub(super) struct IfBranch {
    pub(super) span: Span,
    /// The word and the condition.
    pub(super) head: Span,
    pub(super) comments: Vec<String>,
    /// None for `else`; an error says why it cannot be read.
    pub(super) condition: Result<Option<Expression>, String>,
    pub(super) body: Vec<MaildropStatement>,
}

/// The words that take one argument.
const WORDS: [&str; 9] =
    ["to", "cc", "xfilter", "include", "log", "logfile", "echo", "system", "gdbmclose"];

/// Reads the file with this number.
pub(super) fn parse(number: u32, source: &SourceFile) -> Vec<MaildropStatement> {
    let mut reader = MaildropReader {
        tokens: tokens(number, &source.text),
        at: 0,
        source,
        comments: Vec::new(),
        end: 0,
        number,
    };
    let mut all = Vec::new();
    // A `}` too many is reported, and the rest is read.
    loop {
        all.append(&mut reader.statements(0));
        let Some(token) = reader.next() else { break };
        let why = "this `}` closes nothing".to_owned();
        all.push(MaildropStatement {
            span: token.span,
            comments: std::mem::take(&mut reader.comments),
            kind: MaildropStatementKind::Broken(why, Vec::new()),
        });
    }
    all
}

struct MaildropReader<'a> {
    tokens: Vec<MaildropToken>,
    at: usize,
    source: &'a SourceFile,
    comments: Vec<String>,
    end: u32,
    number: u32,
}

impl MaildropReader<'_> {
    fn text(&self, span: Span) -> &str {
        self.source.text.get(span.start as usize..span.end as usize).unwrap_or_default()
    }

    /// The next token on this line.
    fn peek(&self) -> Option<MaildropToken> {
        self.tokens.get(self.at).copied().filter(|token| token.rule != Rule::comment)
    }

    fn is(&self, rule: Rule) -> bool {
        self.peek().is_some_and(|token| token.rule == rule)
    }

    fn is_word(&self, word: &str) -> bool {
        self.peek().is_some_and(|token| token.rule == Rule::word && self.text(token.span) == word)
    }

    fn next(&mut self) -> Option<MaildropToken> {
        let token = self.tokens.get(self.at).copied()?;
        self.at += 1;
        if !matches!(token.rule, Rule::newline | Rule::comment) {
            self.end = token.span.end;
        }
        Some(token)
    }

    /// Skips line ends, `;` and comments, which are kept.
    fn lines(&mut self) {
        while let Some(token) = self.tokens.get(self.at).copied() {
            match token.rule {
                Rule::newline | Rule::semicolon => {}
                Rule::comment => {
                    let comment = self.text(token.span).trim_start_matches('#').trim().to_owned();
                    self.comments.push(comment);
                }
                _ => break,
            }
            self.at += 1;
        }
    }

    fn take_comments(&mut self) -> Vec<String> {
        let comments = std::mem::take(&mut self.comments);
        comments.into_iter().filter(|line| !line.is_empty()).collect()
    }

    /// Statements up to a `}`, which is not consumed, or to the end.
    fn statements(&mut self, depth: usize) -> Vec<MaildropStatement> {
        let mut all = Vec::new();
        loop {
            self.lines();
            match self.peek() {
                None | Some(MaildropToken { rule: Rule::close_block, .. }) => break,
                Some(_) => all.push(self.statement(depth)),
            }
        }
        let comments = self.take_comments();
        if !comments.is_empty() {
            let span = Span { file: self.number, start: self.end, end: self.end };
            all.push(MaildropStatement { span, comments, kind: MaildropStatementKind::Comments });
        }
        all
    }

    fn statement(&mut self, depth: usize) -> MaildropStatement {
        let comments = self.take_comments();
        let start = self.peek().map_or(self.end, |token| token.span.start);
        let kind = match self.kind(depth) {
            Ok(kind) => kind,
            Err(why) => self.recover(why, depth),
        };
        let span = Span { file: self.number, start, end: self.end.max(start) };
        MaildropStatement { span, comments, kind }
    }

    fn kind(&mut self, depth: usize) -> Result<MaildropStatementKind, String> {
        if depth >= MAX_DEPTH {
            return Err("blocks are nested too deeply".into());
        }
        let Some(token) = self.peek() else { return Err("expected a statement".into()) };
        let word = self.text(token.span).to_owned();
        match token.rule {
            Rule::command => {
                let command = self.expression()?;
                self.ends_here()?;
                return Ok(MaildropStatementKind::Command(command));
            }
            Rule::pattern => {
                let pattern = self.expression()?;
                self.ends_here()?;
                return Ok(MaildropStatementKind::Search(pattern));
            }
            Rule::open_block => {
                // A block on its own stands for the statements in it.
                let inner = self.block(depth)?;
                return Ok(MaildropStatementKind::Locked(inner));
            }
            Rule::word | Rule::double | Rule::single => {}
            _ => return Err(format!("expected a statement, found {}", self.found(token))),
        }
        let assigns = self.tokens.get(self.at + 1).is_some_and(|token| token.rule == Rule::assign);
        if assigns {
            return self.assignment(&word);
        }
        if token.rule != Rule::word {
            return Err(format!("expected a statement, found {}", self.found(token)));
        }
        if let Some(known) = WORDS.iter().find(|known| **known == word) {
            self.next();
            let argument = self.expression_or_path(true)?;
            self.ends_here()?;
            return Ok(MaildropStatementKind::Word(known, argument));
        }
        match word.as_str() {
            "if" => self.branches(depth).map(MaildropStatementKind::If),
            "elsif" | "else" => Err(format!("`{word}` has no `if` before it")),
            "while" | "foreach" => {
                self.next();
                let of = self.expression()?;
                let head = Span { end: self.end, ..token.span };
                let body = self.body(depth)?;
                let word = if word == "while" { "while" } else { "foreach" };
                Ok(MaildropStatementKind::Loop(MaildropLoop { word, head, of, body }))
            }
            "exception" => {
                self.next();
                Ok(MaildropStatementKind::Exception(self.block(depth)?))
            }
            "dotlock" | "flock" => {
                self.next();
                self.expression()?;
                Ok(MaildropStatementKind::Locked(self.block(depth)?))
            }
            "import" => {
                self.next();
                let Some(token) = self.next().filter(|token| token.rule == Rule::word) else {
                    return Err("`import` does not name a variable".into());
                };
                let name = self.text(token.span).to_owned();
                self.ends_here()?;
                Ok(MaildropStatementKind::Import(name))
            }
            "exit" => {
                self.next();
                self.ends_here()?;
                Ok(MaildropStatementKind::Exit)
            }
            _ => Err(format!("`{word}` is not known")),
        }
    }

    /// `NAME=value`
    fn assignment(&mut self, word: &str) -> Result<MaildropStatementKind, String> {
        self.at += 2;
        let name = word.trim_matches(['"', '\'']).to_owned();
        if name.is_empty() || name.contains('$') {
            return Err(format!("`{word}` is not the name of a variable"));
        }
        let value = match self.peek().map(|token| token.rule) {
            None | Some(Rule::newline | Rule::semicolon) => Expression::text(""),
            Some(_) => self.expression()?,
        };
        self.ends_here()?;
        Ok(MaildropStatementKind::Assign(name, value))
    }

    fn expression(&mut self) -> Result<Expression, String> {
        self.expression_or_path(false)
    }

    fn expression_or_path(&mut self, paths: bool) -> Result<Expression, String> {
        let rest = self.tokens.get(self.at..).unwrap_or_default();
        let mut reader = ExpressionReader::new(rest, &self.source.text, paths);
        let expression = reader.expression(0)?;
        for _ in 0..reader.taken() {
            self.next();
        }
        Ok(expression)
    }

    /// A statement ends with its line, at a `;` or before a `}`.
    fn ends_here(&mut self) -> Result<(), String> {
        match self.peek() {
            None => Ok(()),
            Some(token)
                if matches!(token.rule, Rule::newline | Rule::semicolon | Rule::close_block) =>
            {
                Ok(())
            }
            Some(token) => {
                Err(format!("expected the end of the line, found {}", self.found(token)))
            }
        }
    }

    fn branches(&mut self, depth: usize) -> Result<Vec<IfBranch>, String> {
        let mut branches: Vec<IfBranch> = Vec::new();
        loop {
            let comments = self.take_comments();
            let start = self.peek().map_or(self.end, |token| token.span.start);
            let Some(word) = self.next() else { break };
            let is_else = self.text(word.span) == "else";
            let condition = match is_else {
                true => Ok(None),
                false if !self.is(Rule::open_group) => Err("expected `(`".to_owned()),
                false => self.expression().map(Some),
            };
            if condition.is_err() {
                self.skip_to_block();
            }
            let head = Span { file: self.number, start, end: self.end };
            let body = match self.body(depth) {
                Ok(body) => body,
                Err(why) if branches.is_empty() => return Err(why),
                Err(why) => {
                    let condition = Err(why);
                    branches.push(IfBranch {
                        span: head,
                        head,
                        comments,
                        condition,
                        body: Vec::new(),
                    });
                    break;
                }
            };
            let span = Span { end: self.end, ..head };
            branches.push(IfBranch { span, head, comments, condition, body });
            // `elsif` and `else` may come after line ends; otherwise these are not
            // consumed.
            let (at, kept) = (self.at, self.comments.clone());
            self.lines();
            if is_else || !(self.is_word("elsif") || self.is_word("else")) {
                (self.at, self.comments) = (at, kept);
                break;
            }
        }
        Ok(branches)
    }

    /// A block, or one statement.
    fn body(&mut self, depth: usize) -> Result<Vec<MaildropStatement>, String> {
        self.lines();
        if self.is(Rule::open_block) {
            return self.block(depth);
        }
        match self.peek() {
            None | Some(MaildropToken { rule: Rule::close_block, .. }) => {
                Err("expected `{` or a statement".into())
            }
            Some(_) => Ok(vec![self.statement(depth + 1)]),
        }
    }

    fn block(&mut self, depth: usize) -> Result<Vec<MaildropStatement>, String> {
        let around = self.take_comments();
        self.lines();
        if !self.is(Rule::open_block) {
            return Err("expected `{`".into());
        }
        self.next();
        let mut inner = self.statements(depth + 1);
        if !around.is_empty() {
            match inner.first_mut() {
                Some(first) => drop(first.comments.splice(0..0, around)),
                None => self.comments = around,
            }
        }
        match self.next() {
            Some(_) => Ok(inner),
            None => Err("its `{` is never closed".into()),
        }
    }

    /// Skips a condition that cannot be read, to its block or the end of its line.
    fn skip_to_block(&mut self) {
        while self.peek().is_some_and(|token| {
            !matches!(token.rule, Rule::newline | Rule::open_block | Rule::close_block)
        }) {
            self.next();
        }
    }

    /// Something that cannot be read, up to the end of its line or of its block.
    fn recover(&mut self, why: String, depth: usize) -> MaildropStatementKind {
        self.skip_to_block();
        let mut inner = Vec::new();
        if self.is(Rule::open_block) {
            self.next();
            if depth >= MAX_DEPTH {
                self.skip_block();
            } else {
                inner = self.statements(depth + 1);
                self.next();
            }
        }
        // Consumes at least one token, so that reading goes on.
        if self.is(Rule::newline) || self.is(Rule::semicolon) {
            self.next();
        }
        MaildropStatementKind::Broken(why, inner)
    }

    fn skip_block(&mut self) {
        let mut depth = 1_usize;
        while depth > 0 {
            match self.next().map(|token| token.rule) {
                None => break,
                Some(Rule::open_block) => depth += 1,
                Some(Rule::close_block) => depth -= 1,
                Some(_) => {}
            }
        }
    }

    fn found(&self, token: MaildropToken) -> String {
        let text: String = self.text(token.span).chars().take(20).collect();
        match text.lines().next() {
            None | Some("") => "the end of the line".into(),
            Some(line) => format!("`{line}`"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<MaildropStatement> {
        parse(0, &SourceFile::new("x", text))
    }

    fn kinds(text: &str) -> Vec<String> {
        let name = |statement: &MaildropStatement| match &statement.kind {
            MaildropStatementKind::Assign(name, _) => format!("{name}="),
            MaildropStatementKind::If(branches) => format!("if {}", branches.len()),
            MaildropStatementKind::Word(word, _) => (*word).to_owned(),
            MaildropStatementKind::Broken(..) => "broken".into(),
            MaildropStatementKind::Loop(of) => of.word.to_owned(),
            MaildropStatementKind::Exit => "exit".into(),
            MaildropStatementKind::Command(_) => "command".into(),
            MaildropStatementKind::Search(_) => "pattern".into(),
            MaildropStatementKind::Comments => "comments".into(),
            MaildropStatementKind::Import(_) => "import".into(),
            MaildropStatementKind::Exception(inner) | MaildropStatementKind::Locked(inner) => {
                format!("block {}", inner.len())
            }
        };
        read(text).iter().map(name).collect()
    }

    #[test]
    fn statements_are_read() {
        for (text, want) in [
            ("A=/x/y; B = \"z\"\nC=\n", vec!["A=", "B=", "C="]),
            (
                "if (/^From:.*x/:hD,1,2 && !(/y/ || $A =~ /z/))\n  to \"b\"\nelse\n{\n}\n",
                vec!["if 2"],
            ),
            ("if (1) {\n to b\n} elsif (2) {\n}\nelse\n to c\nto d", vec!["if 3", "to"]),
            (
                "foreach (getaddr $X) =~ /.+/\n{\n A=1\n}\nwhile (1)\n{\n}\n",
                vec!["foreach", "while"],
            ),
            (
                "exception {\n xfilter \"a\\\n  b\"\n}\ndotlock x {\n to a\n}",
                vec!["block 1", "block 1"],
            ),
            ("import A # why\n`ls`\nexit\n# last", vec!["import", "command", "exit", "comments"]),
            ("# rule\n\n# two\nto a", vec!["to"]),
            ("/^A:.*/\nto a+\n", vec!["pattern", "to"]),
            ("to /dev/null\nif (/abc)\n to a", vec!["to", "if 1"]),
        ] {
            assert_eq!(kinds(text), want, "{text}");
        }
        assert_eq!(read("# one\n# two\nto a")[0].comments, ["one", "two"]);
    }

    #[test]
    fn a_mistake_spoils_one_statement() {
        let text = "to a )\nfrob x {\n to z\n}\nif (/x/ &&)\n{\n to y\n}\nelse\n to w\n}\nto \"open\n$X=1\nexit";
        let want = ["broken", "broken", "if 2", "broken", "broken", "broken", "exit"];
        assert_eq!(kinds(text), want);
    }

    #[test]
    fn depth_is_limited() {
        for deep in [
            "if (1)\n{\n".repeat(20_000),
            format!("if ({}1", "(".repeat(100_000)),
            format!("if ({}1", "!".repeat(100_000)),
            "if (1)\n".repeat(20_000),
            "exception {".repeat(20_000),
        ] {
            assert!(!read(&deep).is_empty());
        }
    }
}
