//! What kind of word an unknown one should have been, and which words of that kind exist.

use crate::flags::FLAGS;
use crate::syntax::words::{DELETES, WHOLE_ADDRESS};

/// What kind of word an unknown one should have been.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WordKind {
    /// A setting.
    Setting,
    /// A field.
    Field,
    /// A part of an address.
    Part,
    /// A condition's bare name.
    Classifier,
    /// A list.
    List,
    /// An operator.
    Operator,
    /// An action.
    Action,
    /// A flag.
    Flag,
    /// A text between braces.
    Insert,
    /// A day of the week.
    Weekday,
    /// The result of a method of authentication.
    Result,
    /// A word in the braces of `reply { … }`.
    NamedArgument,
}

impl WordKind {
    pub(super) fn message(self, name: &str) -> String {
        let what = match self {
            WordKind::Setting => "setting",
            WordKind::Field | WordKind::Part => "field",
            WordKind::Classifier => "classifier",
            WordKind::List => "list",
            WordKind::Operator => "operator",
            WordKind::Action => "action",
            WordKind::Flag => "flag",
            WordKind::Insert => "value to insert",
            WordKind::Weekday => "day of the week",
            WordKind::Result => "result",
            WordKind::NamedArgument => return format!("`reply` has no word `{name}`"),
        };
        format!("there is no {what} `{name}`")
    }

    pub(super) fn code(self) -> &'static str {
        match self {
            WordKind::Setting => "unknown-setting",
            WordKind::Field | WordKind::Part => "unknown-field",
            WordKind::Classifier => "unknown-classifier",
            WordKind::List => "unknown-list",
            WordKind::Operator => "operator",
            WordKind::Action => "unknown-action",
            WordKind::Flag => "unknown-flag",
            WordKind::Insert => "unknown-insert",
            WordKind::Weekday => "unknown-weekday",
            WordKind::Result => "unknown-result",
            WordKind::NamedArgument => "unknown-particular",
        }
    }

    /// The hint for a word about which more is known than the nearest word.
    pub(super) fn hint_for(self, name: &str, near: Option<&str>) -> Option<String> {
        Some(match (self, name) {
            (WordKind::Flag, "unread" | "unseen") => {
                "mail is unread until a rule or you say `seen`; `unmark seen` takes that back"
                    .to_owned()
            }
            (WordKind::Setting, "quota") => "the mail server sets the quota; `set over-quota \
                 permanent` refuses mail that exceeds it"
                .to_owned(),
            (WordKind::Classifier, "true" | "always" | "everything" | "all" | "any") => {
                "for all mail, write the action alone, or `otherwise -> ACTION` after other rules"
                    .to_owned()
            }
            (WordKind::Action, _) if FLAGS.iter().any(|(flag, _)| *flag == name) => format!(
                "write `folder \"…\" as {name}`, or `mark {name}` before the action that delivers"
            ),
            (WordKind::Action, _) if DELETES.contains(&name) => {
                let near = near?;
                format!("write `{near}`, or `discard`, which keeps nothing")
            }
            (WordKind::Field, _) if near.is_none() => {
                let name = name.strip_prefix("header.").unwrap_or(name);
                format!("another header is written `header \"{name}\"`")
            }
            (WordKind::Part, _) => {
                let (field, part) = name.rsplit_once('.')?;
                WHOLE_ADDRESS.contains(&part).then(|| format!("write `{field}`"))?
            }
            (WordKind::Weekday, "weekend" | "weekends") => "write `[saturday, sunday]`".to_owned(),
            _ => return None,
        })
    }

    pub(super) fn general_hint(self) -> Option<&'static str> {
        match self {
            WordKind::Part => {
                Some("the parts of an address are `.name`, `.local`, `.detail` and `.domain`")
            }
            WordKind::Flag => Some(
                "the flags are `seen`, `replied`, `flagged`, `trashed`, `draft`, `passed`, \
                 or a keyword in quotes: `\"Work\"`",
            ),
            WordKind::Insert => Some("for a literal brace, write `{{`"),
            WordKind::Weekday => Some("the days are `monday` to `sunday`"),
            WordKind::Result => Some(
                "results are `pass`, `fail`, `softfail`, `neutral`, `none`, `policy`, \
                 `temperror`, `permerror`",
            ),
            WordKind::NamedArgument => Some(
                "`reply { … }` takes `subject`, `text` or `file`, `from`, `for`, `every`, `handle`",
            ),
            WordKind::Classifier => {
                Some("a condition of your own is made by `define NAME = CONDITION`")
            }
            WordKind::List => Some("declare it: `list NAME \"file\"` or `list NAME [\"…\", …]`"),
            WordKind::Setting => Some("mailrules(5) lists the settings"),
            WordKind::Field | WordKind::Operator | WordKind::Action => None,
        }
    }
}
