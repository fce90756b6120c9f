//! The rules as written: every name still a word, every part with its place.
//!
//! Parsing resolves no names; `rules::check` does. As the parser makes it, an
//! Ast is nested shallowly enough to be walked recursively.

#![allow(missing_docs, reason = "the line of a variant tells its fields")]

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
    /// `list NAME sent "Sent"`
    SentList { name: Word, folder: Word },
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
    /// `on moved from "A" to "B" -> ACTION, …`: one end or both, as written
    OnMoved { ends: Vec<MoveEnd>, actions: Vec<Action> },
    /// `isp-filter on`, `isp-filter spam off, virus on`, `isp-filter default off`
    IspFilter { choices: Vec<Choice> },
    /// `isp-label subject "[SPAM]"`, `isp-label header "X-Spam-Flag"`
    IspLabel { kind: Word, text: Word },
    /// `category "name" [mandatory] { … }`
    Category { name: Word, mandatory: bool, statements: Vec<Statement> },
    /// What could not be read. Its mistake is reported; it stands here so that
    /// names it declares are not reported as unknown as well.
    Broken {
        /// The name that a `list`, `define` or `score` would have declared.
        declares: Option<Word>,
        /// The statements of its block that could be read.
        block: Vec<Statement>,
    },
}

/// One end of a move: `to "Folder"`
#[derive(Debug, Clone, PartialEq)]
pub struct MoveEnd {
    /// `to` or `from`
    pub way: Spanned<Way>,
    /// The folder.
    pub folder: Word,
}

/// Which way the user moved a message, seen from the folder that is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// `moved to`
    To,
    /// `moved from`
    From,
}

/// What a rule does.
#[derive(Debug, Clone, PartialEq)]
pub enum Body {
    /// `-> ACTION, …`
    Actions(Vec<Action>),
    /// `{ STATEMENT … }`
    Block(Vec<Statement>),
}

/// A part of `isp-filter`.
#[derive(Debug, Clone, PartialEq)]
pub struct Choice {
    /// What is switched: a category, `default`; none for all of it.
    pub category: Option<Word>,
    /// `on`, else `off`.
    pub on: Spanned<bool>,
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
    /// `duplicate of "template" within 1d`: one of both at least
    Duplicate { of: Option<Word>, within: Option<Value> },
    /// `has FIELD`
    Has(Fields),
    /// `FIELD OPERATOR VALUE`
    Test { fields: Fields, operator: Word, value: Value },
}

/// What a test asks about.
#[derive(Debug, Clone, PartialEq)]
pub enum Fields {
    /// `subject`
    One(Field),
    /// `[to, cc]`: one of them does it
    Set { span: Span, of: Vec<Field> },
}

/// `subject`, `from.domain`, `header "List-Id"`, `env "HOME"`
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    /// The whole of it.
    pub span: Span,
    /// The name with its dots.
    pub name: Word,
    /// The string that `header`, `address` and `env` take.
    pub argument: Option<Word>,
    /// `domain` in `address "X-To".domain`.
    pub part: Option<Word>,
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

impl Ast {
    /// The same rules with all places forgotten: equal for two files that say
    /// the same and differ in layout only.
    pub fn without_spans(mut self) -> Ast {
        self.statements.iter_mut().for_each(Statement::forget);
        for comment in &mut self.comments {
            comment.span = Span::default();
            comment.text.truncate(comment.text.trim_end().len());
        }
        self
    }
}

impl Statement {
    fn forget(&mut self) {
        self.span = Span::default();
        match &mut self.kind {
            StatementKind::Set { name, value } | StatementKind::List { name, value } => {
                name.span = Span::default();
                value.forget();
            }
            StatementKind::SentList { name, folder } => {
                name.span = Span::default();
                folder.span = Span::default();
            }
            StatementKind::OnMoved { ends, actions } => {
                for end in ends {
                    end.way.span = Span::default();
                    end.folder.span = Span::default();
                }
                actions.iter_mut().for_each(Action::forget);
            }
            StatementKind::Define { name, condition } => {
                name.span = Span::default();
                condition.forget();
            }
            StatementKind::Score { name, entries } => {
                name.span = Span::default();
                for (weight, condition) in entries {
                    weight.span = Span::default();
                    condition.forget();
                }
            }
            StatementKind::Include { file } => file.span = Span::default(),
            StatementKind::Rule { label, condition, body } => {
                label.iter_mut().for_each(|label| label.span = Span::default());
                condition.iter_mut().for_each(Condition::forget);
                match body {
                    Body::Actions(actions) => actions.iter_mut().for_each(Action::forget),
                    Body::Block(statements) => statements.iter_mut().for_each(Statement::forget),
                }
            }
            StatementKind::Actions(actions) => actions.iter_mut().for_each(Action::forget),
            StatementKind::Expect { message, actions } => {
                message.span = Span::default();
                actions.iter_mut().for_each(Action::forget);
            }
            StatementKind::IspFilter { choices } => {
                for choice in choices {
                    choice.category.iter_mut().for_each(|name| name.span = Span::default());
                    choice.on.span = Span::default();
                }
            }
            StatementKind::IspLabel { kind, text } => {
                kind.span = Span::default();
                text.span = Span::default();
            }
            StatementKind::Category { name, statements, .. } => {
                name.span = Span::default();
                statements.iter_mut().for_each(Statement::forget);
            }
            StatementKind::Broken { declares, block } => {
                declares.iter_mut().for_each(|name| name.span = Span::default());
                block.iter_mut().for_each(Statement::forget);
            }
        }
    }
}

impl Action {
    fn forget(&mut self) {
        self.span = Span::default();
        self.name.span = Span::default();
        self.arguments.iter_mut().chain(&mut self.flags).for_each(Value::forget);
    }
}

impl Condition {
    fn forget(&mut self) {
        self.span = Span::default();
        match &mut self.kind {
            ConditionKind::All(parts) | ConditionKind::Any(parts) => {
                parts.iter_mut().for_each(Condition::forget);
            }
            ConditionKind::Not(inner) => inner.forget(),
            ConditionKind::Name(name) => name.span = Span::default(),
            ConditionKind::Duplicate { of, within } => {
                of.iter_mut().for_each(|of| of.span = Span::default());
                within.iter_mut().for_each(Value::forget);
            }
            ConditionKind::Has(fields) => fields.forget(),
            ConditionKind::Test { fields, operator, value } => {
                fields.forget();
                operator.span = Span::default();
                value.forget();
            }
        }
    }
}

impl Fields {
    /// Each of them.
    pub fn all(&self) -> &[Field] {
        match self {
            Fields::One(field) => std::slice::from_ref(field),
            Fields::Set { of, .. } => of,
        }
    }

    fn forget(&mut self) {
        match self {
            Fields::One(field) => field.forget(),
            Fields::Set { span, of } => {
                *span = Span::default();
                of.iter_mut().for_each(Field::forget);
            }
        }
    }
}

impl Field {
    fn forget(&mut self) {
        self.span = Span::default();
        self.name.span = Span::default();
        for word in self.argument.iter_mut().chain(&mut self.part) {
            word.span = Span::default();
        }
    }
}

impl Value {
    fn forget(&mut self) {
        self.span = Span::default();
        match &mut self.kind {
            ValueKind::Set(elements) => elements.iter_mut().for_each(Value::forget),
            ValueKind::Range(from, to) => {
                from.forget();
                to.forget();
            }
            _ => {}
        }
    }
}
