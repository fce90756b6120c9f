//! The text of a procmailrc as nodes, each with its place and its comments
//! (procmailrc(5)). A mistake spoils only one node.

use crate::import::shell;
use crate::source::{SourceFile, Span};

/// Blocks nested deeper are not read.
const MAX_DEPTH: usize = 32;

/// A statement of a procmailrc.
#[derive(Debug)]
pub(super) struct RcNode {
    /// All its lines.
    pub(super) span: Span,
    /// The comments before it, without their signs.
    pub(super) comments: Vec<String>,
    pub(super) kind: NodeKind,
}

#[derive(Debug)]
pub(super) enum NodeKind {
    /// `NAME=value`; none for `NAME` alone, which unsets it.
    Assign {
        name: String,
        value: Option<String>,
    },
    Recipe(Recipe),
    /// Why it cannot be read.
    Unreadable(String),
    /// Comments after the last statement.
    Comments,
}

/// The flags of a recipe.
const FLAGS: &str = "HBDAaEehbfcwWir";

/// `:0 flags`, conditions, an action.
#[derive(Debug)]
pub(super) struct Recipe {
    pub(super) flags: String,
    /// What comes after `*`.
    pub(super) conditions: Vec<String>,
    pub(super) action: RecipeAction,
}

/// The action line.
#[derive(Debug)]
pub(super) enum RecipeAction {
    /// `! address …`
    Forward(String),
    /// `| command`
    Pipe(String),
    /// `NAME=| command`
    Capture(String, String),
    Block(Vec<RcNode>),
    Mailbox(String),
}

/// Reads a file.
pub(super) fn read(number: u32, file: &SourceFile) -> Vec<RcNode> {
    let mut reader = RecipeReader { number, text: &file.text, at: 0 };
    let mut nodes = reader.nodes(0);
    // A `}` that closes nothing does not end the file.
    while reader.at < reader.text.len() {
        nodes.extend(reader.nodes(0));
    }
    nodes
}

struct RecipeReader<'t> {
    number: u32,
    text: &'t str,
    at: usize,
}

impl RecipeReader<'_> {
    fn nodes(&mut self, depth: usize) -> Vec<RcNode> {
        let (mut nodes, mut comments) = (Vec::new(), Vec::new());
        loop {
            self.blanks();
            let start = self.at;
            match self.rest().chars().next() {
                None => break,
                Some('#') => {
                    let line = self.line();
                    comments.push(line.trim_start_matches('#').trim().to_owned());
                    continue;
                }
                Some('}') => {
                    self.at += 1;
                    if depth > 0 {
                        break;
                    }
                    let why = "this `}` closes nothing".to_owned();
                    nodes.push(self.node(start, &mut comments, NodeKind::Unreadable(why)));
                }
                Some(':') => {
                    let kind = self.recipe(depth);
                    nodes.push(self.node(start, &mut comments, kind));
                }
                Some(_) => {
                    let kind = self.assignment();
                    nodes.push(self.node(start, &mut comments, kind));
                }
            }
        }
        if !comments.is_empty() {
            nodes.push(self.node(self.at, &mut comments, NodeKind::Comments));
        }
        nodes
    }

    fn node(&self, start: usize, comments: &mut Vec<String>, kind: NodeKind) -> RcNode {
        let text = self.text.get(start..self.at).unwrap_or_default();
        let end = start + text.trim_end().len();
        let span = Span { file: self.number, start: start as u32, end: end as u32 };
        let comments = std::mem::take(comments);
        RcNode {
            span,
            comments: comments.into_iter().filter(|line| !line.is_empty()).collect(),
            kind,
        }
    }

    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn blanks(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
    }

    /// To the end of the line; after a `\` at its end, the next line is part of it.
    fn line(&mut self) -> String {
        let mut line = String::new();
        loop {
            let rest = self.rest();
            let (part, end) = match rest.find('\n') {
                Some(end) => (rest.get(..end).unwrap_or_default(), end + 1),
                None => (rest, rest.len()),
            };
            let part = part.to_owned();
            self.at += end;
            match part.strip_suffix('\\') {
                Some(part) if self.at < self.text.len() => {
                    line.push_str(part);
                    // Blanks at the start of a continuation line mean nothing.
                    let rest = self.rest();
                    self.at += rest.len() - rest.trim_start_matches([' ', '\t']).len();
                }
                _ => {
                    line.push_str(&part);
                    return line;
                }
            }
        }
    }

    /// `NAME=value`: quotes may contain line breaks, and several assignments may be on
    /// one line.
    fn assignment(&mut self) -> NodeKind {
        let name: String =
            self.rest().chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
        if name.is_empty() {
            let line = self.line();
            return NodeKind::Unreadable(format!("`{}` is not a statement", line.trim()));
        }
        self.at += name.len();
        let blanks = self.rest().len() - self.rest().trim_start_matches([' ', '\t']).len();
        if !self.rest().get(blanks..).is_some_and(|rest| rest.starts_with('=')) {
            return NodeKind::Assign { name, value: None };
        }
        self.at += blanks + 1;
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start_matches([' ', '\t']).len();
        let mut value = String::new();
        let (mut quote, mut chars) = (None, self.rest().char_indices());
        let mut end = self.rest().len();
        while let Some((at, c)) = chars.next() {
            match (quote, c) {
                (None, ' ' | '\t' | '\n') => {
                    end = at;
                    break;
                }
                (None, '"' | '\'' | '`') => quote = Some(c),
                (Some(open), c) if c == open => quote = None,
                (None | Some('"'), '\\') => {
                    if let Some((_, next)) = chars.next() {
                        // A continuation line.
                        if next != '\n' {
                            value.extend([c, next]);
                        }
                        continue;
                    }
                }
                _ => {}
            }
            value.push(c);
        }
        self.at += end;
        if quote.is_some() {
            return NodeKind::Unreadable(format!("the quote in the value of {name} is not closed"));
        }
        NodeKind::Assign { name, value: Some(value) }
    }

    fn recipe(&mut self, depth: usize) -> NodeKind {
        let head = self.line();
        let head = head.split('#').next().unwrap_or_default();
        let after = head.trim_start_matches([':', ' ', '\t']);
        let digits = after.chars().take_while(char::is_ascii_digit).count();
        let after = after.get(digits..).unwrap_or_default();
        let flags = after.split(':').next().unwrap_or_default();
        // procmail skips what comes after the first flag that it does not know.
        let flags = flags.chars().filter(|c| !c.is_whitespace());
        let flags: String = flags.take_while(|flag| FLAGS.contains(*flag)).collect();
        let mut conditions = Vec::new();
        loop {
            self.blanks();
            if self.rest().starts_with('#') {
                self.line();
            } else if self.rest().starts_with('*') {
                self.at += 1;
                let line = self.line();
                conditions.push(line.trim().to_owned());
            } else {
                break;
            }
        }
        if digits > 0 && !head.trim_start_matches([':', ' ']).starts_with('0') {
            let why = "a number of conditions (`:1`) is an old form; write `:0` and `*`";
            self.line();
            return NodeKind::Unreadable(why.into());
        }
        let rest = self.rest();
        let action = match rest.chars().next() {
            None => return NodeKind::Unreadable("the recipe has no action".into()),
            Some('{') => {
                self.at += 1;
                if depth >= MAX_DEPTH {
                    self.at = self.text.len();
                    return NodeKind::Unreadable(format!(
                        "blocks are nested deeper than {MAX_DEPTH}"
                    ));
                }
                RecipeAction::Block(self.nodes(depth + 1))
            }
            Some('!') => {
                RecipeAction::Forward(self.line().trim_start_matches('!').trim().to_owned())
            }
            Some('|') => {
                let line = self.line();
                RecipeAction::Pipe(
                    shell::without_comment(line.trim_start_matches('|').trim()).into(),
                )
            }
            Some(':' | '}') => return NodeKind::Unreadable("the recipe has no action".into()),
            Some(_) => {
                let mut line = self.line();
                // A command in backquotes may have several lines.
                while line.matches('`').count() % 2 == 1 && self.rest().contains('`') {
                    line.push('\n');
                    line.push_str(&self.line());
                }
                let name =
                    line.trim_start().split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
                let name = name.take(1).collect::<String>();
                let after = line.trim_start().get(name.len()..).unwrap_or_default().trim_start();
                match after.strip_prefix('=').map(str::trim_start) {
                    Some(value) if value.starts_with('|') && !name.is_empty() => {
                        let command = shell::without_comment(value.trim_start_matches('|').trim());
                        RecipeAction::Capture(name, command.into())
                    }
                    _ => RecipeAction::Mailbox(without_comment(&line).trim().to_owned()),
                }
            }
        };
        NodeKind::Recipe(Recipe { flags, conditions, action })
    }
}

/// A comment may follow a mailbox, with a blank before it.
fn without_comment(line: &str) -> &str {
    match line.find(" #").or_else(|| line.find("\t#")) {
        Some(at) => line.get(..at).unwrap_or(line),
        None => line,
    }
}
