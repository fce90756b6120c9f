//! The rules as written: every name still a word, every part with its place.
//!
//! Parsing resolves no names; `rules::check` does.

use crate::source::{Span, Spanned};

/// A word or a text with its place.
pub type Word = Spanned<String>;

/// One parsed file.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Ast {
    /// Statements in order.
    pub statements: Vec<Statement>,
    /// Comments in order, for the formatter.
    pub comments: Vec<Comment>,
}

/// A `#` comment.
#[derive(Debug, Clone, PartialEq)]
pub struct Comment {
    /// With the `#`, without the line end.
    pub text: String,
    /// Its place.
    pub span: Span,
}

/// One statement.
#[derive(Debug, Clone, PartialEq)]
pub struct Statement {
    /// The whole of it.
    pub span: Span,
    /// What it says.
    pub kind: StatementKind,
}

/// The kinds of statement.
#[derive(Debug, Clone, PartialEq)]
pub enum StatementKind {
    /// `set NAME VALUE`
    Set { name: Word, value: Value },
    /// `list NAME "file"`, `list NAME ["…"]`
    List { name: Word, value: Value },
    /// `define NAME = CONDITION`
    Define { name: Word, condition: Condition },
    /// `score NAME { WEIGHT CONDITION … }`
    Score { name: Word, entries: Vec<(Spanned<f64>, Condition)> },
    /// `include "file"`
    Include { file: Word },
    /// `[rule "label"] when CONDITION …` and `[rule "label"] otherwise …` (no condition)
    Rule { label: Option<Word>, condition: Option<Condition>, body: Body },
    /// `ACTION, …` alone
    Actions(Vec<Action>),
    /// `expect "message.eml" -> ACTION, …`
    Expect { message: Word, actions: Vec<Action> },
    /// What could not be read. Its mistake is reported; it stands here so that
    /// names it declares are not reported as unknown as well.
    Broken {
        /// The name that a `list`, `define` or `score` would have declared.
        declares: Option<Word>,
        /// The statements of its block that could be read.
        block: Vec<Statement>,
    },
}

/// What a rule does.
#[derive(Debug, Clone, PartialEq)]
pub enum Body {
    /// `-> ACTION, …`
    Actions(Vec<Action>),
    /// `{ STATEMENT … }`
    Block(Vec<Statement>),
}

/// `NAME ARGUMENT … [as FLAG …]`
#[derive(Debug, Clone, PartialEq)]
pub struct Action {
    /// The whole of it.
    pub span: Span,
    /// `folder`
    pub name: Word,
    /// What follows the name.
    pub arguments: Vec<Value>,
    /// What follows `as`.
    pub flags: Vec<Value>,
}

/// A condition and its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Condition {
    /// The whole of it, without surrounding parentheses.
    pub span: Span,
    /// What it asks.
    pub kind: ConditionKind,
}

/// The kinds of condition.
#[derive(Debug, Clone, PartialEq)]
pub enum ConditionKind {
    /// `a and b and c`: two or more
    All(Vec<Condition>),
    /// `a or b or c`: two or more
    Any(Vec<Condition>),
    /// `not a`
    Not(Box<Condition>),
    /// A name alone: a classifier or a `define`
    Name(Word),
    /// `has FIELD`
    Has(Field),
    /// `FIELD OPERATOR VALUE`
    Test { field: Field, operator: Word, value: Value },
}

/// `subject`, `from.domain`, `header "List-Id"`, `env "HOME"`
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    /// The whole of it.
    pub span: Span,
    /// The name with its dots.
    pub name: Word,
    /// The string that `header` and `env` take.
    pub argument: Option<Word>,
}

/// A literal and its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Value {
    /// The whole of it.
    pub span: Span,
    /// What it is.
    pub kind: ValueKind,
}

/// The kinds of literal.
#[derive(Debug, Clone, PartialEq)]
pub enum ValueKind {
    /// `"…"`, escapes resolved
    Text(String),
    /// `/…/`, `/…/c`: the source between the slashes, `\/` resolved
    Pattern { source: String, case_sensitive: bool },
    /// `["a", "b"]`
    Set(Vec<Value>),
    /// `5`, `-2.5`
    Number(f64),
    /// `20K` `5M` `1G`, in bytes
    Size(u64),
    /// `30s` `10m` `12h` `7d` `2w`, in seconds
    Duration(u64),
    /// `2026-12-24`; checked for existence by `rules::check`
    Date { year: i16, month: u8, day: u8 },
    /// `22:00`
    Time { hour: u8, minute: u8 },
    /// `a..b`
    Range(Box<Value>, Box<Value>),
    /// A bare name: a list, a flag, a result, a setting's word
    Name(String),
}
