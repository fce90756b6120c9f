//! The rules as written: every name is still a word, every part has its place.
//!
//! Parsing resolves no names; `rules::check` does. An Ast from the parser is
//! nested shallowly enough for recursive functions.

#![allow(missing_docs, reason = "each variant's line explains its fields")]

#[cfg(test)]
mod without_spans;

use crate::source::{Span, Spanned};

/// A word or a text with its place.
pub type SpannedText = Spanned<String>;

/// One parsed file.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Ast {
    /// Statements in order.
    pub statements: Vec<StatementNode>,
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
pub struct StatementNode {
    /// The whole statement.
    pub span: Span,
    /// Its content.
    pub kind: StatementNodeKind,
}

/// The kinds of statement.
#[derive(Debug, Clone, PartialEq)]
pub enum StatementNodeKind {
    /// `set NAME VALUE`
    Set { name: SpannedText, value: ValueNode },
    /// `list NAME "file"`, `list NAME ["…"]`
    List { name: SpannedText, value: ValueNode },
    /// `list NAME sent "Sent"`, `list NAME senders "Archive"`, `list NAME vcard "~/.contacts"`
    ListFrom { name: SpannedText, source: ListSource, place: SpannedText },
    /// `define NAME = CONDITION`
    Define { name: SpannedText, condition: ConditionNode },
    /// `score NAME { WEIGHT CONDITION … }`
    Score { name: SpannedText, entries: Vec<(Spanned<f64>, ConditionNode)> },
    /// `include "file"`
    Include { file: SpannedText },
    /// `include sieve "file" separator "." prefix ""`: options as written
    IncludeSieve { file: SpannedText, options: Vec<ScriptOption> },
    /// `[rule "label"] when CONDITION …` and `[rule "label"] otherwise …` (no condition)
    Rule { label: Option<SpannedText>, condition: Option<ConditionNode>, body: Body },
    /// `ACTION, …` without a rule
    Actions(Vec<ActionNode>),
    /// `expect "message.eml" -> ACTION, …`
    Expect { message: SpannedText, actions: Vec<ActionNode> },
    /// `expire "News" after 14d even unread unless CONDITION -> ACTION, …`
    Expire {
        folder: SpannedText,
        after: ValueNode,
        /// `unread`, `flagged`: mail that is removed all the same.
        even: Vec<SpannedText>,
        unless: Option<ConditionNode>,
        actions: Vec<ActionNode>,
    },
    /// `on moved from "A" to "B" -> ACTION, …`: one end or both, as written
    OnMoved { ends: Vec<MoveEnd>, actions: Vec<ActionNode> },
    /// `isp-filter on`, `isp-filter spam off, virus on`, `isp-filter default off`
    IspFilter { choices: Vec<Choice> },
    /// `isp-label subject "[SPAM]"`, `isp-label header "X-Spam-Flag"`
    IspLabel { kind: SpannedText, text: SpannedText },
    /// `category "name" [mandatory] { … }`
    Category { name: SpannedText, mandatory: bool, statements: Vec<StatementNode> },
    /// Something that could not be read. Its mistake is reported; it is kept here
    /// so that names it declares are not reported as unknown as well.
    Broken {
        /// The name that a `list`, `define` or `score` would have declared.
        declares: Option<SpannedText>,
        /// The statements of its block that could be read.
        block: Vec<StatementNode>,
    },
}

/// What a list is made from, if not from entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListSource {
    /// `sent`: everyone to whom the mail in a folder went.
    Sent,
    /// `senders`: everyone who wrote the mail in a folder.
    Senders,
    /// `vcard`: everyone in address books.
    Vcard,
}

impl ListSource {
    /// All of them.
    pub const ALL: [ListSource; 3] = [ListSource::Sent, ListSource::Senders, ListSource::Vcard];

    /// The word of the language.
    pub fn word(self) -> &'static str {
        match self {
            ListSource::Sent => "sent",
            ListSource::Senders => "senders",
            ListSource::Vcard => "vcard",
        }
    }
}

/// `separator "."`
#[derive(Debug, Clone, PartialEq)]
pub struct ScriptOption {
    /// `separator` or `prefix`.
    pub name: SpannedText,
    /// The string after it.
    pub value: SpannedText,
}

/// One end of a move: `to "Folder"`
#[derive(Debug, Clone, PartialEq)]
pub struct MoveEnd {
    /// `to` or `from`
    pub direction: Spanned<MoveDirection>,
    /// The folder.
    pub folder: SpannedText,
}

/// In which direction the user moved a message, as seen from the folder that is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MoveDirection {
    /// `moved to`
    To,
    /// `moved from`
    From,
}

/// What a rule does.
#[derive(Debug, Clone, PartialEq)]
pub enum Body {
    /// `-> ACTION, …`
    Actions(Vec<ActionNode>),
    /// `{ STATEMENT … }`
    Block(Vec<StatementNode>),
}

/// A part of `isp-filter`.
#[derive(Debug, Clone, PartialEq)]
pub struct Choice {
    /// What is switched: a category or `default`; `None` for all of it.
    pub category: Option<SpannedText>,
    /// `on`; otherwise `off`.
    pub on: Spanned<bool>,
}

/// `NAME ARGUMENT … [as FLAG …]`
#[derive(Debug, Clone, PartialEq)]
pub struct ActionNode {
    /// The whole action.
    pub span: Span,
    /// `folder`
    pub name: SpannedText,
    /// What follows the name.
    pub arguments: Vec<ValueNode>,
    /// What follows it in braces: `{ subject "Away" text "…" }`
    pub named_arguments: Option<NamedArguments>,
    /// What follows `as`.
    pub flags: Vec<ValueNode>,
}

/// `{ NAME VALUE … }`
#[derive(Debug, Clone, PartialEq)]
pub struct NamedArguments {
    /// With the braces.
    pub span: Span,
    /// In order.
    pub all: Vec<(SpannedText, ValueNode)>,
}

/// A condition and its place.
#[derive(Debug, Clone, PartialEq)]
pub struct ConditionNode {
    /// The whole of it, without surrounding parentheses.
    pub span: Span,
    /// What it tests.
    pub kind: ConditionNodeKind,
}

/// The kinds of condition.
#[derive(Debug, Clone, PartialEq)]
pub enum ConditionNodeKind {
    /// `a and b and c`: two or more
    All(Vec<ConditionNode>),
    /// `a or b or c`: two or more
    Any(Vec<ConditionNode>),
    /// `not a`
    Not(Box<ConditionNode>),
    /// A bare name: a classifier or a `define`
    Name(SpannedText),
    /// `duplicate of "template" within 1d of first`: at least one of the first two
    Duplicate {
        of: Option<SpannedText>,
        within: Option<ValueNode>,
        /// The place of `of first`.
        first: Option<Span>,
    },
    /// `folder-exists "template"`
    FolderExists(SpannedText),
    /// `has FIELD`
    Has(Fields),
    /// `FIELD OPERATOR VALUE`
    Test { fields: Fields, operator: SpannedText, value: ValueNode },
}

/// What a test is about.
#[derive(Debug, Clone, PartialEq)]
pub enum Fields {
    /// `subject`
    One(FieldNode),
    /// `[to, cc]`: one match is enough
    Set { span: Span, of: Vec<FieldNode> },
}

impl Fields {
    /// All of them.
    pub fn all(&self) -> &[FieldNode] {
        match self {
            Fields::One(field) => std::slice::from_ref(field),
            Fields::Set { of, .. } => of,
        }
    }
}

/// `subject`, `from.domain`, `header "List-Id"`, `env "HOME"`
#[derive(Debug, Clone, PartialEq)]
pub struct FieldNode {
    /// The whole field.
    pub span: Span,
    /// The name with its dots.
    pub name: SpannedText,
    /// The string after `header`, `address` and `env`.
    pub argument: Option<SpannedText>,
    /// `domain` in `address "X-To".domain`.
    pub part: Option<SpannedText>,
}

/// A literal and its place.
#[derive(Debug, Clone, PartialEq)]
pub struct ValueNode {
    /// The whole literal.
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
    Set(Vec<ValueNode>),
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
    /// `2026-12-24T18:00`, `…:30`, `…+09:00`, `…Z`; checked for existence by `rules::check`
    Instant(Instant),
    /// `a..b`
    Range(Box<ValueNode>, Box<ValueNode>),
    /// A bare name: a list, a flag, a result, a setting's word
    Name(String),
}

/// A date, a time of day, and optionally a zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Instant {
    pub year: i16,
    pub month: u8,
    pub day: u8,
    pub hour: u8,
    pub minute: u8,
    pub second: u8,
    /// How many minutes the zone is ahead of UTC; `None` for the zone that is set.
    pub offset: Option<i16>,
}
