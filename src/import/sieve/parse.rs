//! Sieve's text to nodes, RFC 5228 §8.2: commands and tests are one kind of node, since
//! both have arguments and tests. Nothing is known here about extensions. A mistake
//! breaks one node; comments belong to the node that follows.

use pest::Parser;

use crate::source::{SourceFile, Span};

// The derive does not document what it generates.
#[allow(missing_docs)]
mod grammar {
    #[derive(pest_derive::Parser)]
    #[grammar = "../grammar/sieve.pest"]
    pub(super) struct SieveGrammar;
}
use grammar::{Rule, SieveGrammar};

/// How deep blocks and tests may nest; Pigeonhole allows 32.
const MAX_DEPTH: usize = 48;
const NOT_UTF_8: &str = "something in it is not UTF-8, which Sieve requires";

/// A command or a test.
#[derive(Debug, Clone)]
pub struct Node {
    /// Its name in lower case; empty for comments after the last command.
    pub name: String,
    /// From its name to its end, including its block.
    pub span: Span,
    /// Comments before it, one per line.
    pub comments: Vec<String>,
    /// Its arguments.
    pub arguments: Vec<Argument>,
    /// The tests in it.
    pub tests: Vec<Node>,
    /// Its block.
    pub block: Option<Vec<Node>>,
    /// Why it cannot be read.
    pub broken: Option<String>,
}

/// An argument.
#[derive(Debug, Clone, PartialEq)]
pub enum Argument {
    /// `:contains`, without the colon, in lower case.
    Tag(String),
    /// `100K`, multiplied out.
    Number(u64),
    /// A string, or a list of them.
    Strings(Vec<String>),
}

impl Node {
    pub(super) fn new(name: &str, span: Span) -> Node {
        Node {
            name: name.to_ascii_lowercase(),
            span,
            comments: Vec::new(),
            arguments: Vec::new(),
            tests: Vec::new(),
            block: None,
            broken: None,
        }
    }
}

/// Reads a script that is file `number` of its sources; `garbled` lists the places in it
/// that were not UTF-8, in ascending order.
pub fn parse(number: u32, source: &SourceFile, garbled: &[u32]) -> Vec<Node> {
    let mut reader = SieveReader {
        number,
        tokens: tokens(number, &source.text),
        at: 0,
        source,
        garbled,
        is_garbled: false,
        comments: Vec::new(),
        end: 0,
    };
    let mut nodes = Vec::new();
    // A `}` too many is reported, and the rest is read.
    while reader.at < reader.tokens.len() {
        nodes.append(&mut reader.commands(0));
        if let Some(token) = reader.next() {
            let mut node = Node::new("}", token.span);
            node.broken = Some("this `}` closes nothing".into());
            nodes.push(node);
        }
    }
    nodes
}

/// A word of the script.
#[derive(Debug, Clone)]
struct SieveToken {
    rule: Rule,
    span: Span,
}

fn tokens(file: u32, text: &str) -> Vec<SieveToken> {
    let Ok(mut pairs) = SieveGrammar::parse(Rule::file, text) else { return Vec::new() };
    let all = pairs.next().map(|file| file.into_inner()).into_iter().flatten();
    all.filter(|pair| pair.as_rule() != Rule::EOI)
        .map(|pair| {
            let span = pair.as_span();
            let span = Span { file, start: span.start() as u32, end: span.end() as u32 };
            SieveToken { rule: pair.as_rule(), span }
        })
        .collect()
}

struct SieveReader<'a> {
    /// The number of the file.
    number: u32,
    tokens: Vec<SieveToken>,
    at: usize,
    source: &'a SourceFile,
    garbled: &'a [u32],
    /// Something that was read of this command is garbled.
    is_garbled: bool,
    /// Comments waiting for their node.
    comments: Vec<String>,
    /// Where the last token ended.
    end: u32,
}

impl SieveReader<'_> {
    fn text(&self, span: Span) -> &str {
        self.source.text.get(span.start as usize..span.end as usize).unwrap_or_default()
    }

    /// Collects comments, up to the next other token.
    fn skip_comments(&mut self) {
        while let Some(token) = self.tokens.get(self.at).filter(|t| t.rule == Rule::comment) {
            let span = token.span;
            let text = self.text(span);
            let lines: Vec<String> = match text.strip_prefix("/*") {
                Some(inner) => {
                    let inner = inner.strip_suffix("*/").unwrap_or(inner);
                    let lines = inner.lines().map(|line| {
                        let line = line.trim();
                        line.strip_prefix('*').unwrap_or(line).trim().to_owned()
                    });
                    lines.filter(|line| !line.is_empty()).collect()
                }
                None => vec![text.trim_start_matches('#').trim().to_owned()],
            };
            self.comments.extend(lines);
            self.at += 1;
        }
    }

    fn peek(&mut self) -> Option<Rule> {
        self.skip_comments();
        self.tokens.get(self.at).map(|token| token.rule)
    }

    fn next(&mut self) -> Option<SieveToken> {
        self.skip_comments();
        let token = self.tokens.get(self.at)?.clone();
        self.at += 1;
        self.end = token.span.end;
        let first = self.garbled.partition_point(|at| *at < token.span.start);
        self.is_garbled |= self.garbled.get(first).is_some_and(|at| *at < token.span.end);
        Some(token)
    }

    /// Commands up to a `}`, which is not consumed, or to the end.
    fn commands(&mut self, depth: usize) -> Vec<Node> {
        let mut nodes = Vec::new();
        loop {
            match self.peek() {
                None | Some(Rule::close_block) => break,
                _ => {
                    let comments = std::mem::take(&mut self.comments);
                    let mut node = self.command(depth);
                    node.comments = comments;
                    nodes.push(node);
                }
            }
        }
        let comments = std::mem::take(&mut self.comments);
        if !comments.is_empty() {
            let at = Span { file: self.number, start: self.end, end: self.end };
            nodes.push(Node { comments, ..Node::new("", at) });
        }
        nodes
    }

    fn command(&mut self, depth: usize) -> Node {
        self.is_garbled = false;
        let Some(token) = self.next() else { return Node::new("", Span::default()) };
        let mut node = Node::new(self.text(token.span), token.span);
        if self.is_garbled {
            return self.recover(node, NOT_UTF_8.into());
        }
        if token.rule != Rule::identifier {
            let found = self.found(&token);
            return self.recover(node, format!("expected a command, found {found}"));
        }
        if let Err(why) = self.arguments(&mut node, depth) {
            return self.recover(node, why);
        }
        if self.is_garbled {
            return self.recover(node, NOT_UTF_8.into());
        }
        match self.peek() {
            Some(Rule::semicolon) => {
                self.next();
            }
            Some(Rule::open_block) if depth >= MAX_DEPTH => {
                return self.recover(node, "blocks are nested too deeply".into());
            }
            Some(Rule::open_block) => {
                self.next();
                node.block = Some(self.commands(depth + 1));
                match self.next() {
                    Some(_) => {}
                    None => node.broken = Some("its `{` is never closed".into()),
                }
            }
            _ => {
                let found = self.ahead();
                let name = node.name.clone();
                return self.recover(node, format!("expected `;` after `{name}`, found {found}"));
            }
        }
        node.span.end = self.end;
        node
    }

    /// `arguments = *argument [ test / test-list ]`
    fn arguments(&mut self, node: &mut Node, depth: usize) -> Result<(), String> {
        loop {
            match self.peek() {
                Some(Rule::tag) => {
                    let Some(token) = self.next() else { continue };
                    let word = self.text(token.span).trim_start_matches(':').to_ascii_lowercase();
                    node.arguments.push(Argument::Tag(word));
                }
                Some(Rule::number) => {
                    let Some(token) = self.next() else { continue };
                    node.arguments.push(Argument::Number(number(self.text(token.span))?));
                }
                Some(Rule::string | Rule::text_block) => {
                    let text = self.string();
                    node.arguments.push(Argument::Strings(vec![text]));
                }
                Some(Rule::open_string) => return Err("a string that is never closed".into()),
                Some(Rule::open_list) => {
                    self.next();
                    let list = self.list()?;
                    node.arguments.push(Argument::Strings(list));
                }
                Some(Rule::identifier) => {
                    let test = self.test(depth + 1)?;
                    node.tests.push(test);
                    return Ok(());
                }
                Some(Rule::open_group) => {
                    self.next();
                    loop {
                        if self.peek() != Some(Rule::identifier) {
                            return Err(format!("expected a test, found {}", self.ahead()));
                        }
                        let test = self.test(depth + 1)?;
                        node.tests.push(test);
                        match self.next().map(|token| token.rule) {
                            Some(Rule::comma) => {}
                            Some(Rule::close_group) => return Ok(()),
                            _ => return Err("a list of tests that is never closed".into()),
                        }
                    }
                }
                _ => return Ok(()),
            }
        }
    }

    fn test(&mut self, depth: usize) -> Result<Node, String> {
        if depth > MAX_DEPTH {
            return Err("tests are nested too deeply".into());
        }
        let Some(token) = self.next() else { return Err("expected a test".into()) };
        let mut node = Node::new(self.text(token.span), token.span);
        self.arguments(&mut node, depth)?;
        node.span.end = self.end;
        Ok(node)
    }

    fn list(&mut self) -> Result<Vec<String>, String> {
        let mut list = Vec::new();
        loop {
            match self.peek() {
                Some(Rule::string | Rule::text_block) => list.push(self.string()),
                Some(Rule::close_list) => {
                    self.next();
                    return Ok(list);
                }
                _ => return Err(format!("expected a string, found {}", self.ahead())),
            }
            match self.next().map(|token| token.rule) {
                Some(Rule::comma) => {}
                Some(Rule::close_list) => return Ok(list),
                _ => return Err("a list of strings that is never closed".into()),
            }
        }
    }

    fn string(&mut self) -> String {
        let Some(token) = self.next() else { return String::new() };
        let written = self.text(token.span);
        if token.rule == Rule::text_block {
            return text_block(written);
        }
        let inner = written.get(1..written.len().saturating_sub(1)).unwrap_or_default();
        if !inner.contains('\\') {
            return inner.to_owned();
        }
        let mut text = String::with_capacity(inner.len());
        let mut chars = inner.chars();
        while let Some(c) = chars.next() {
            // RFC 5228 §2.4.2: the backslash before any other character is ignored.
            text.extend(if c == '\\' { chars.next() } else { Some(c) });
        }
        text
    }

    /// A broken node, up to its `;` or the end of its block.
    fn recover(&mut self, mut node: Node, why: String) -> Node {
        let mut depth = 0_usize;
        loop {
            match self.peek() {
                None => break,
                Some(Rule::close_block) if depth == 0 => break,
                Some(rule) => {
                    self.next();
                    match rule {
                        Rule::open_block => depth += 1,
                        Rule::close_block => {
                            depth -= 1;
                            if depth == 0 {
                                break;
                            }
                        }
                        Rule::semicolon if depth == 0 => break,
                        _ => {}
                    }
                }
            }
        }
        node.span.end = self.end;
        node.broken = Some(why);
        node.arguments.clear();
        node.tests.clear();
        node.block = None;
        self.comments.clear();
        node
    }

    fn ahead(&mut self) -> String {
        match self.peek().and_then(|_| self.tokens.get(self.at).cloned()) {
            Some(token) => self.found(&token),
            None => "the end of the file".into(),
        }
    }

    fn found(&self, token: &SieveToken) -> String {
        let text: String = self.text(token.span).chars().take(20).collect();
        format!("`{}`", text.lines().next().unwrap_or_default())
    }
}

/// RFC 5228 §2.4.1
fn number(written: &str) -> Result<u64, String> {
    let digits = written.trim_end_matches(|c: char| !c.is_ascii_digit());
    let unit = match written.get(digits.len()..).unwrap_or_default() {
        "" => 1,
        "k" | "K" => 1 << 10,
        "m" | "M" => 1 << 20,
        _ => 1 << 30,
    };
    let number = digits.parse::<u64>().ok().and_then(|number| number.checked_mul(unit));
    number.ok_or_else(|| format!("`{written}` is too large a number"))
}

/// The lines between `text:` and the full stop, with dot-stuffing undone.
fn text_block(written: &str) -> String {
    let body = written.split_once('\n').map_or("", |(_, body)| body);
    let body = match body.strip_suffix('.') {
        Some(before) if before.is_empty() || before.ends_with('\n') => before,
        _ => body,
    };
    let mut text = String::with_capacity(body.len());
    for line in body.split_inclusive('\n') {
        text.push_str(line.strip_prefix("..").map_or(line, |_| &line[1..]));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<Node> {
        parse(0, &SourceFile::new("x.sieve", text), &[])
    }

    #[test]
    fn commands_tests_and_arguments() {
        let nodes = read(
            "# rule:[A]\nif allof (header :contains [\"Subject\", \"x\"] \"a\\\"b\", not size :over 10K) \
             { fileinto \"X\"; /* end */ } stop;\n# last",
        );
        assert_eq!(nodes.iter().map(|n| n.name.as_str()).collect::<Vec<_>>(), ["if", "stop", ""]);
        assert_eq!(nodes[0].comments, ["rule:[A]"]);
        let all = &nodes[0].tests[0];
        assert_eq!(all.tests[0].arguments[2], Argument::Strings(vec!["a\"b".into()]));
        assert_eq!(all.tests[1].tests[0].arguments[1], Argument::Number(10240));
        assert_eq!(nodes[0].block.as_ref().map(Vec::len), Some(2));
        assert_eq!(nodes[2].comments, ["last"]);
    }

    #[test]
    fn comments_after_the_last_command_are_in_the_same_file() {
        let nodes = parse(2, &SourceFile::new("x.sieve", "keep;\n# last"), &[]);
        assert_eq!(nodes.iter().map(|node| node.span.file).collect::<Vec<_>>(), [2, 2]);
    }

    #[test]
    fn lines_of_text_end_at_a_full_stop() {
        let nodes = read("vacation text: # why\nHello\n..dot\n.x\n.\n;\nkeep;");
        assert_eq!(nodes[0].arguments, [Argument::Strings(vec!["Hello\n.dot\n.x\n".into()])]);
        assert_eq!(nodes[1].name, "keep");
    }

    #[test]
    fn a_mistake_spoils_one_command() {
        let nodes = read("keep; if x (( { stop; }\nfileinto \"a\" discard;\nstop; }\nkeep; \"open");
        let told: Vec<_> = nodes.iter().map(|n| (n.name.as_str(), n.broken.is_some())).collect();
        assert_eq!(
            told,
            [
                ("keep", false),
                ("if", true),
                ("fileinto", false),
                ("stop", false),
                ("}", true),
                ("keep", false),
                ("\"open", true)
            ]
        );
    }

    #[test]
    fn depth_is_limited() {
        for deep in [
            "if not ".to_owned() + &"not ".repeat(100_000) + "true {}",
            "if true {".repeat(100_000),
            "if anyof (".to_owned() + &"anyof (".repeat(100_000),
        ] {
            assert!(read(&deep).iter().any(|node| node.broken.is_some()));
        }
    }
}
