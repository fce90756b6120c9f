//! maildrop's expressions, with the precedence of maildropfilter(7).

use super::tokens::{MAX_DEPTH, MaildropToken, Rule};

/// An expression.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Expression {
    /// Text with variables in it.
    Text(Vec<ExpressionPiece>),
    /// What a command prints.
    Command(Vec<ExpressionPiece>),
    /// Several of these, one after the other.
    Joined(Vec<Expression>),
    /// `/pattern/:options`, in the message or in an expression.
    Pattern { of: Option<Box<Expression>>, source: Vec<ExpressionPiece>, options: String },
    /// `!`
    Not(Box<Expression>),
    /// `||`, `<`, `eq`, `+` …
    Binary(String, Box<Expression>, Box<Expression>),
    /// `length(x)` …
    Call(String, Vec<Expression>),
}

/// A part of a text.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum ExpressionPiece {
    Raw(String),
    /// `$NAME`
    Variable(String),
}

impl Expression {
    pub(super) fn text(text: &str) -> Expression {
        Expression::Text(vec![ExpressionPiece::Raw(text.to_owned())])
    }

    /// All pieces in it, including those of the expressions that it consists of.
    pub(super) fn pieces<'a>(&'a self, found: &mut Vec<&'a ExpressionPiece>) {
        match self {
            Expression::Text(pieces) | Expression::Command(pieces) => found.extend(pieces),
            Expression::Pattern { of, source, .. } => {
                found.extend(source);
                of.iter().for_each(|of| of.pieces(found));
            }
            Expression::Not(inner) => inner.pieces(found),
            Expression::Binary(_, left, right) => {
                left.pieces(found);
                right.pieces(found);
            }
            Expression::Joined(parts) | Expression::Call(_, parts) => {
                parts.iter().for_each(|part| part.pieces(found));
            }
        }
    }

    /// The names of the variables in it.
    pub(super) fn names(&self) -> Vec<&str> {
        let mut pieces = Vec::new();
        self.pieces(&mut pieces);
        let names = pieces.into_iter().filter_map(|piece| match piece {
            ExpressionPiece::Variable(name) => Some(name.as_str()),
            ExpressionPiece::Raw(_) => None,
        });
        names.collect()
    }

    /// Whether it contains a pattern.
    pub(super) fn has_pattern(&self) -> bool {
        match self {
            Expression::Text(_) | Expression::Command(_) => false,
            Expression::Pattern { .. } => true,
            Expression::Not(inner) => inner.has_pattern(),
            Expression::Binary(_, left, right) => left.has_pattern() || right.has_pattern(),
            Expression::Joined(parts) | Expression::Call(_, parts) => {
                parts.iter().any(Expression::has_pattern)
            }
        }
    }

    /// Whether a program is run for it.
    pub(super) fn runs_a_program(&self) -> bool {
        match self {
            Expression::Command(_) => true,
            Expression::Text(_) | Expression::Pattern { of: None, .. } => false,
            Expression::Pattern { of: Some(inner), .. } | Expression::Not(inner) => {
                inner.runs_a_program()
            }
            Expression::Binary(_, left, right) => left.runs_a_program() || right.runs_a_program(),
            Expression::Joined(parts) | Expression::Call(_, parts) => {
                parts.iter().any(Expression::runs_a_program)
            }
        }
    }

    /// Whether it captures nothing where it does not hold: none of its patterns matched.
    pub(super) fn captures_only_if_true(&self) -> bool {
        match self {
            Expression::Pattern { .. } => true,
            Expression::Binary(operator, left, right) if operator == "||" => {
                left.captures_only_if_true() && right.captures_only_if_true()
            }
            Expression::Binary(operator, left, right) if operator == "&&" => {
                !left.has_pattern() && right.captures_only_if_true()
            }
            other => !other.has_pattern(),
        }
    }
}

/// The functions that take arguments.
const FUNCTIONS: [&str; 13] = [
    "length",
    "substr",
    "tolower",
    "toupper",
    "escape",
    "getaddr",
    "hasaddr",
    "lookup",
    "gdbmopen",
    "gdbmfetch",
    "gdbmstore",
    "gdbmclose",
    "time",
];

pub(super) struct ExpressionReader<'a> {
    tokens: &'a [MaildropToken],
    text: &'a str,
    at: usize,
    /// Something that begins with a slash may be a path.
    paths: bool,
}

impl<'a> ExpressionReader<'a> {
    pub(super) fn new(
        tokens: &'a [MaildropToken],
        text: &'a str,
        paths: bool,
    ) -> ExpressionReader<'a> {
        ExpressionReader { tokens, text, at: 0, paths }
    }

    /// How many tokens it has read.
    pub(super) fn taken(&self) -> usize {
        self.at
    }

    fn peek(&self) -> Option<(Rule, &'a str)> {
        let token = self.tokens.get(self.at)?;
        let range = token.span.start as usize..token.span.end as usize;
        Some((token.rule, self.text.get(range).unwrap_or_default()))
    }

    fn take_if(&mut self, rule: Rule) -> bool {
        let is = self.peek().is_some_and(|(found, _)| found == rule);
        self.at += usize::from(is);
        is
    }

    pub(super) fn expression(&mut self, depth: usize) -> Result<Expression, String> {
        self.level(0, depth)
    }

    /// From the operators that bind least, 0, to those that bind most.
    fn level(&mut self, level: usize, depth: usize) -> Result<Expression, String> {
        if depth > MAX_DEPTH {
            return Err("expressions are nested too deeply".into());
        }
        if level == 7 {
            return self.matched(depth);
        }
        let mut left = self.level(level + 1, depth)?;
        while let Some((rule, text)) = self.peek() {
            let fits = match level {
                0 => rule == Rule::or,
                1 => rule == Rule::and,
                2 => {
                    rule == Rule::compare
                        || rule == Rule::word
                            && matches!(text, "lt" | "le" | "gt" | "ge" | "eq" | "ne")
                }
                3 => text == "|",
                4 => text == "&",
                5 => matches!(text, "+" | "-"),
                _ => matches!(text, "*" | "/"),
            };
            if !fits {
                break;
            }
            self.at += 1;
            // What follows `&&` may be on the next line, after a backslash, which the
            // reader never sees.
            let right = self.level(level + 1, depth)?;
            left = Expression::Binary(text.to_owned(), Box::new(left), Box::new(right));
        }
        Ok(left)
    }

    /// `expression =~ /pattern/`
    fn matched(&mut self, depth: usize) -> Result<Expression, String> {
        let left = self.primary(depth)?;
        if !self.take_if(Rule::matches) {
            return Ok(left);
        }
        match self.peek() {
            Some((Rule::pattern, text)) => {
                self.at += 1;
                Ok(pattern(text, Some(Box::new(left))))
            }
            _ => Err("expected a pattern after `=~`".into()),
        }
    }

    fn primary(&mut self, depth: usize) -> Result<Expression, String> {
        if depth > MAX_DEPTH {
            return Err("expressions are nested too deeply".into());
        }
        let Some((rule, text)) = self.peek() else { return Err("expected an expression".into()) };
        match rule {
            Rule::not => {
                self.at += 1;
                let inner = self.matched(depth + 1)?;
                Ok(Expression::Not(Box::new(inner)))
            }
            Rule::complement => Err("`~` counts with bits".into()),
            Rule::open_group => {
                self.at += 1;
                let inner = self.expression(depth + 1)?;
                match self.take_if(Rule::close_group) {
                    true => Ok(inner),
                    false => Err("a `(` that is never closed".into()),
                }
            }
            Rule::pattern => {
                self.at += 1;
                Ok(pattern(text, None))
            }
            Rule::word if FUNCTIONS.contains(&text) => self.call(text, depth),
            Rule::word | Rule::double | Rule::single | Rule::command | Rule::path => self.joined(),
            Rule::bare_path if self.paths => self.joined(),
            Rule::bare_path => Err(format!("`{text}` is a pattern that never ends")),
            Rule::open_text => Err("a quote that is never closed".into()),
            Rule::newline => Err("expected an expression, found the end of the line".into()),
            _ => Err(format!("expected an expression, found `{text}`")),
        }
    }

    /// Texts one after the other are one text.
    fn joined(&mut self) -> Result<Expression, String> {
        let mut parts = Vec::new();
        while let Some((rule, text)) = self.peek() {
            let inner = text.get(1..text.len().saturating_sub(1)).unwrap_or_default();
            parts.push(match rule {
                Rule::word if matches!(text, "lt" | "le" | "gt" | "ge" | "eq" | "ne") => break,
                Rule::bare_path if !self.paths => break,
                Rule::word | Rule::path | Rule::bare_path => {
                    Expression::Text(pieces(text, Quoting::Bare))
                }
                Rule::double => Expression::Text(pieces(inner, Quoting::Double)),
                Rule::single => Expression::Text(vec![ExpressionPiece::Raw(single(inner))]),
                Rule::command => Expression::Command(pieces(inner, Quoting::Command)),
                _ => break,
            });
            self.at += 1;
        }
        match parts.len() {
            1 => Ok(parts.remove(0)),
            0 => Err("expected a text".into()),
            _ => Ok(Expression::Joined(parts)),
        }
    }

    fn call(&mut self, name: &str, depth: usize) -> Result<Expression, String> {
        self.at += 1;
        let mut arguments = Vec::new();
        if name == "time" {
            return Ok(Expression::Call(name.to_owned(), arguments));
        }
        if !self.take_if(Rule::open_group) {
            // `getaddr $X`
            arguments.push(self.primary(depth + 1)?);
            return Ok(Expression::Call(name.to_owned(), arguments));
        }
        loop {
            arguments.push(self.expression(depth + 1)?);
            if self.take_if(Rule::comma) {
                continue;
            }
            return match self.take_if(Rule::close_group) {
                true => Ok(Expression::Call(name.to_owned(), arguments)),
                false => Err(format!("the `(` of {name} is never closed")),
            };
        }
    }
}

fn pattern(text: &str, of: Option<Box<Expression>>) -> Expression {
    let end = pattern_end(text);
    let source = text.get(1..end).unwrap_or_default();
    let options = text.get(end + 1..).unwrap_or_default().trim_start_matches(':').to_owned();
    Expression::Pattern { of, source: pieces(source, Quoting::Pattern), options }
}

/// The position of the slash that ends it.
fn pattern_end(text: &str) -> usize {
    let mut chars = text.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => drop(chars.next()),
            '/' => return at,
            _ => {}
        }
    }
    text.len()
}

#[derive(Clone, Copy, PartialEq)]
enum Quoting {
    Bare,
    Double,
    Command,
    Pattern,
}

fn pieces(text: &str, quoting: Quoting) -> Vec<ExpressionPiece> {
    let (mut pieces, mut raw) = (Vec::new(), String::new());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        rest = rest.get(c.len_utf8()..).unwrap_or_default();
        match c {
            '\\' => {
                let Some(next) = rest.chars().next() else {
                    raw.push('\\');
                    break;
                };
                rest = rest.get(next.len_utf8()..).unwrap_or_default();
                match (quoting, next) {
                    // A continuation line; the blanks at its start mean nothing.
                    (_, '\n') => rest = rest.trim_start_matches([' ', '\t']),
                    (Quoting::Double, '"' | '\\' | '$') | (Quoting::Command, '`') => raw.push(next),
                    (Quoting::Pattern, '/') => raw.push('/'),
                    _ => raw.extend(['\\', next]),
                }
            }
            '$' => {
                // `$1` belongs to awk there.
                let is_awk =
                    quoting == Quoting::Command && rest.starts_with(|c: char| c.is_ascii_digit());
                let (name, after) = if is_awk { (None, rest) } else { variable(rest) };
                match name {
                    Some(name) => {
                        if !raw.is_empty() {
                            pieces.push(ExpressionPiece::Raw(std::mem::take(&mut raw)));
                        }
                        pieces.push(ExpressionPiece::Variable(name.to_owned()));
                        rest = after;
                    }
                    None => raw.push('$'),
                }
            }
            c => raw.push(c),
        }
    }
    if !raw.is_empty() || pieces.is_empty() {
        pieces.push(ExpressionPiece::Raw(raw));
    }
    pieces
}

/// The name after a `$`, and what follows it.
fn variable(text: &str) -> (Option<&str>, &str) {
    if let Some(inner) = text.strip_prefix('{') {
        return match inner.split_once('}') {
            Some((name, after)) if !name.is_empty() => (Some(name), after),
            _ => (None, text),
        };
    }
    let is_digit = text.starts_with(|c: char| c.is_ascii_digit());
    let length = text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    let length = match (is_digit, length.unwrap_or(text.len())) {
        // `$1`, an argument.
        (true, _) => 1,
        (false, length) => length,
    };
    match text.split_at_checked(length) {
        Some((name, after)) if !name.is_empty() => (Some(name), after),
        _ => (None, text),
    }
}

fn single(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match (c, chars.peek()) {
            ('\\', Some('\'' | '\\')) => out.extend(chars.next()),
            ('\\', Some('\n')) => {
                chars.next();
                while chars.next_if(|c| matches!(c, ' ' | '\t')).is_some() {}
            }
            _ => out.push(c),
        }
    }
    out
}
