//! A checked set of rules: plain data with resolved names, evaluated as it is.
//!
//! `check` builds a [`Program`]; [`super::compiled::CompiledProgram`] is what is
//! evaluated, the same whether it was just checked or comes from the cache. All
//! references are by index. Patterns are kept as text and built outside of the
//! program on first use.

mod condition;
mod field;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::actions::Action;
use crate::source::Span;

pub use super::settings::{
    FolderNames, Label, LabelKind, Layout, LogSetting, OverQuota, Settings, SwitchWord,
};
pub use condition::{
    Comparison, Condition, ConditionKind, DuplicateKey, Needle, Network, TextOperator,
};
pub use field::{AddressField, AddressPart, Field, Moment, ResultField};

/// A checked set of rules.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, Default)]
pub struct Program {
    /// Paths of the rule files, by [`Span::file`].
    pub files: Vec<String>,
    /// What `set` said.
    pub settings: Settings,
    /// The statements of all files in order, groups flattened.
    #[serde(skip)]
    pub statements: Vec<Statement>,
    /// All conditions; each refers only to earlier ones.
    #[serde(skip)]
    pub conditions: Vec<Condition>,
    /// Every field that is used anywhere, once each.
    pub fields: Vec<Field>,
    /// Every pattern, once each.
    #[serde(skip)]
    pub patterns: Vec<Pattern>,
    /// Named lists, and address sets in tests.
    #[serde(skip)]
    pub lists: Vec<List>,
    /// `define`s.
    pub defines: Vec<Define>,
    /// `score`s.
    pub scores: Vec<Score>,
    /// The names of `let`.
    pub values: Vec<String>,
    /// `expect`s, for `mfilter check`.
    #[serde(skip)]
    pub expectations: Vec<Expectation>,
    /// `category`s of site rules.
    pub categories: Vec<Category>,
    /// `on moved`s, for learning: deliveries do not use them.
    pub moves: Vec<OnMoved>,
    /// `expire`s: deliveries do not use them.
    pub expiries: Vec<Expiry>,
    /// Whether any rule uses `duplicate` without `of`, so that all deliveries
    /// must be remembered.
    pub asks_for_duplicates: bool,
    /// Whether any rule refuses or defers mail.
    pub refuses: bool,
    /// The longest `within` of a `duplicate`, seconds.
    pub longest_within: u64,
    /// Whether there is a list made from the mail in a folder.
    pub asks_for_sent_mail: bool,
    /// Whether any rule uses `folder-exists`.
    pub asks_for_folders: bool,
    /// The script of `include sieve`, if it exists and cannot be used.
    pub unused_script: Option<UnusedScript>,
}

impl Program {
    /// The path of the rule file that contains a place; empty if there is none.
    pub fn file(&self, span: Span) -> &str {
        self.files.get(span.file as usize).map_or("", String::as_str)
    }
}

/// A script that exists but is not in the program, in the words for the user. It is
/// cached with the program, so that no delivery checks the script again.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
pub struct UnusedScript {
    /// The script that the statement names.
    pub path: PathBuf,
    /// What cannot be done, in the user's words.
    pub text: String,
    /// The same as a line for the log.
    pub line: String,
    /// Identifies this version of the script.
    pub version: String,
    /// Whether the last valid version is in the program; otherwise none is.
    pub last_valid: bool,
}

/// One step of the run through the rules.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq)]
pub struct Statement {
    /// The place of the statement: a rule without its block, or an action.
    pub span: Span,
    /// Line of that place, from 1.
    pub line: u32,
    /// What it does.
    pub kind: StatementKind,
}

/// The kinds of statement. A rule is a `When` followed by its actions.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq)]
pub enum StatementKind {
    /// Continues after itself if `condition` holds, otherwise at statement `end`.
    /// `otherwise` is a `When` without a condition.
    When {
        /// Index into [`Program::conditions`].
        condition: Option<u32>,
        /// Index of the first statement after the rule or group.
        end: u32,
        /// `rule "label"`.
        label: Option<String>,
    },
    /// Does something.
    Act(Action),
    /// Continues after itself if the category is switched on, otherwise at
    /// statement `end`.
    Category {
        /// Index into [`Program::categories`].
        category: u32,
        /// Index of the first statement after it.
        end: u32,
    },
    /// Begins the statements of `include sieve`: if one of them has filed the
    /// message, the run ends at `end`.
    Script {
        /// Index of the first statement after the script.
        end: u32,
    },
    /// A script's `stop`: continues after the script.
    Leave,
}

/// A pattern as text; it has been checked that it can be built.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, Eq, Hash)]
pub struct Pattern {
    /// The `regex` crate's syntax.
    pub source: String,
    /// `/…/c`
    pub case_sensitive: bool,
    /// Any text that the pattern matches contains one text of each of these sets,
    /// in any case. Lower-case ASCII.
    pub literals: Vec<Vec<String>>,
}

/// A list: addresses, or texts that a field is compared with.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq)]
pub struct List {
    /// The name of the list; `None` for a set in a test.
    pub name: Option<String>,
    /// Where it is declared.
    pub span: Span,
    /// Where its entries are.
    pub entries: Entries,
    /// Whether a rule adds to it, so that its file need not exist yet: the list
    /// is empty until then.
    pub grows: bool,
}

/// Where a list's entries are.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq)]
pub enum Entries {
    /// In a file, read when a rule needs it. As written; `~/` is the home, other
    /// relative paths start at the directory of the rule file.
    File(String),
    /// In the rules, each as in a list file's line.
    Inline(Vec<String>),
    /// Everyone the user has written to, according to the mail in that folder.
    Sent(String),
    /// Everyone who wrote the mail in that folder.
    Senders(String),
    /// Everyone in the address books at that path, which is written like that of a file.
    Cards(String),
}

impl Entries {
    /// The folder whose mail the list is made from, and which side of it.
    pub fn folder(&self) -> Option<(&str, MailSide)> {
        match self {
            Entries::Sent(folder) => Some((folder, MailSide::Recipients)),
            Entries::Senders(folder) => Some((folder, MailSide::Authors)),
            Entries::File(_) | Entries::Inline(_) | Entries::Cards(_) => None,
        }
    }
}

/// Whom a list that is made from mail contains.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MailSide {
    /// Everyone to whom the mail went.
    Recipients,
    /// Everyone who wrote the mail.
    Authors,
    /// The messages themselves, by hashes of their Message-IDs.
    Messages,
    /// Only the messages that the user has sent, by the same hashes.
    SentMessages,
}

impl MailSide {
    /// The messages of the same folder.
    pub fn messages(self) -> MailSide {
        match self {
            MailSide::Recipients | MailSide::SentMessages => MailSide::SentMessages,
            MailSide::Authors | MailSide::Messages => MailSide::Messages,
        }
    }

    /// Whether the list contains messages rather than people.
    pub fn is_messages(self) -> bool {
        self == self.messages()
    }
}

/// `on moved from "A" to "B" -> ACTION, …`
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq)]
pub struct OnMoved {
    /// The statement.
    pub span: Span,
    /// Line of that place, from 1.
    pub line: u32,
    /// The folder that the message leaves, as people name it, `/` between levels;
    /// `INBOX` is the inbox. `None` for any.
    pub from: Option<String>,
    /// The folder that the message enters.
    pub to: Option<String>,
    /// Edits of lists and lines for the log.
    pub actions: Vec<Action>,
}

/// `expire "News" after 14d unless flagged -> folder "Trash"`
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq)]
pub struct Expiry {
    /// The statement.
    pub span: Span,
    /// Line of that place, from 1.
    pub line: u32,
    /// The folder, as people name it, `/` between levels; `INBOX` is the inbox,
    /// [`ALL_FOLDERS`] all of them.
    pub folder: String,
    /// How long a message stays, seconds.
    pub after: u64,
    /// Whether mail that nobody has read is removed, too.
    pub even_unread: bool,
    /// Whether flagged mail is removed, too.
    pub even_flagged: bool,
    /// The mail that stays, by index into [`Program::conditions`].
    pub unless: Option<u32>,
    /// The folder that the mail goes to; `None` if it is deleted.
    pub to: Option<String>,
    /// Whether mail may be deleted from any folder, not only from the trash and junk.
    pub anywhere: bool,
}

/// What stands for all folders in an `expire`.
pub const ALL_FOLDERS: &str = "*";

/// `define NAME = CONDITION`
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq)]
pub struct Define {
    /// The name of the condition.
    pub name: String,
    /// Index into [`Program::conditions`].
    pub condition: u32,
}

/// `score NAME { … }`
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq)]
pub struct Score {
    /// The name of the score.
    pub name: String,
    /// Weight and index into [`Program::conditions`].
    pub entries: Vec<(f64, u32)>,
}

/// `expect "message.eml" -> ACTION, …`
#[derive(Debug, Clone, PartialEq)]
pub struct Expectation {
    /// The statement.
    pub span: Span,
    /// As written; relative to the directory of the rule file.
    pub message: String,
    /// The expected actions, in order.
    pub actions: Vec<Action>,
}

/// `category "name" [mandatory] { … }`
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq)]
pub struct Category {
    /// The name of the category.
    pub name: String,
    /// Whether it cannot be switched off.
    pub mandatory: bool,
    /// The place of the category, without its block.
    pub span: Span,
}
