//! Every mistake that checking can find: a kind with its data, and its wording.
//! Kinds that belong together have their own file.

#![allow(missing_docs, reason = "each variant's line explains its fields")]

mod action;
mod confined;
mod folder;
mod expire;
mod include;
mod learn;
mod near;
mod place;
mod script;
mod site;
mod template;
mod word;

pub use action::ActionMistake;
pub use confined::ConfinedMistake;
pub use expire::ExpireMistake;
pub use folder::{BadFolder, BadPath};
pub use include::IncludeMistake;
pub use learn::LearnMistake;
pub use near::{difference, nearest};
pub use place::PlaceMistake;
pub use script::ScriptMistake;
pub use site::SiteMistake;
pub use template::TemplateMistake;
pub use word::WordKind;

use crate::diagnostic::{Diagnostic, Fix, Severity};
use crate::rules::field::FieldKind;
use crate::source::Span;
use crate::syntax::words::FOLDER_EXISTS;

/// What is wrong.
#[derive(Debug, Clone, PartialEq)]
pub enum RuleErrorKind {
    /// A word without a meaning here.
    Unknown { what: WordKind, name: String, near: Option<String> },
    /// A bare name in a condition that means something else.
    NotACondition { name: String, what: &'static str, hint: Option<String> },
    /// `NAME is …`, and the name is not a field.
    NotAField { name: String, what: &'static str },
    /// `in NAME`, and the name is not a list.
    NotAList { name: String, what: &'static str },
    /// A name that is declared only later.
    UsedBefore { name: String, what: &'static str, at: Span },
    /// A `define` or `score` that refers to itself.
    OwnDefinition { name: String },
    /// A name that is already used.
    NameTaken { name: String, by: &'static str, at: Option<Span> },
    /// `list me`
    MeIsASetting,
    /// `in me` without `set me`.
    NoMe,
    /// `set` after a rule or in a group.
    SettingTooLate { name: String },
    /// `expect` in a group.
    ExpectInGroup,
    /// The same setting twice.
    SettingTwice { name: String, at: Span },
    /// A setting's value that it cannot have.
    BadSetting { name: String, expected: &'static str },

    /// An operator that does not fit the field's kind.
    OperatorDoesNotFit { field: String, kind: FieldKind, operator: String },
    /// A value of another kind.
    WrongValue { expected: &'static str, found: &'static str, hint: Option<String> },
    /// A date that does not exist.
    NoSuchDate { text: String },
    /// `header` or `env` without a name.
    FieldWantsName { field: String },
    /// A name after a field that needs none.
    FieldTakesNoName { field: String },
    /// `header "N".domain`
    NoParts { field: String, hint: Option<String> },
    /// `[subject, size] …`
    NoTextInSet { field: String, kind: FieldKind },
    /// A header's name that RFC 5322 does not allow.
    BadHeaderName { name: String },
    /// A name that no environment variable can have.
    BadEnvName { name: String },
    /// A pattern that cannot be used.
    BadPattern { reason: String },
    /// Conditions or groups that are nested too deep.
    TooDeep,

    /// A folder name that is not possible.
    BadFolder(BadFolder),

    /// What is wrong with an action.
    Action(ActionMistake),
    /// What is wrong between the braces of a string.
    Template(TemplateMistake),
    /// Why a file is not included.
    Include(IncludeMistake),
    /// What is wrong with learning.
    Learn(LearnMistake),
    /// About `expire`.
    Expire(ExpireMistake),

    /// What is wrong with where mail should be stored.
    Place(PlaceMistake),

    /// What fits only users' rules or only site rules.
    Site(SiteMistake),
    /// `include sieve`.
    Script(ScriptMistake),
    /// What a confined user's rules must not do.
    Confined(ConfinedMistake),

    /// Something unreachable.
    Unreachable { what: &'static str, why: UnreachableReason, at: Span },
    /// A test that can never hold.
    NeverHolds { why: String, hint: Option<String> },
    /// A test that always holds, whatever the value is.
    AlwaysHolds { field: String },
    /// Something that is allowed, but hardly intended.
    Unlikely { why: String, hint: Option<String> },
    /// A program that does not exist, or cannot be executed.
    ProgramMissing { name: String, why: &'static str },
    /// Two folders that a reader cannot tell apart.
    FolderCase { name: String, other: String, at: Span },
    /// A list's file that does not exist or cannot be read.
    ListUnreadable { path: String, reason: String },
    /// A list's entry that no address can match.
    BadEntry { entry: String, reason: String },
    /// A time zone that this system does not know.
    UnknownTimezone { name: String },
    /// A comment in the place of a foreign rule that could not be translated.
    Untranslated { what: String },
}

/// Lets a mistake of a group be reported like any other.
macro_rules! groups {
    ($($variant:ident($mistake:ident)),* $(,)?) => {
        $(impl From<$mistake> for RuleErrorKind {
            fn from(mistake: $mistake) -> RuleErrorKind {
                RuleErrorKind::$variant(mistake)
            }
        })*
    };
}

groups! {
    Action(ActionMistake),
    Template(TemplateMistake),
    Include(IncludeMistake),
    Learn(LearnMistake),
    Expire(ExpireMistake),
    Place(PlaceMistake),
    Site(SiteMistake),
    Script(ScriptMistake),
    Confined(ConfinedMistake),
}

/// Why something is unreachable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnreachableReason {
    /// Something before it always stops rule processing.
    Always,
    /// Rule processing already stopped under the same condition.
    SameCondition,
    /// Rule processing already stopped under a condition that holds whenever this one does.
    WiderCondition,
}

/// The parts of a [`Diagnostic`] that follow from the kind.
struct Wording {
    severity: Severity,
    code: &'static str,
    message: String,
    label: &'static str,
    related: Option<(Span, &'static str)>,
    hint: Option<String>,
    instead: Option<String>,
}

fn error(code: &'static str, message: String, label: &'static str) -> Wording {
    let severity = Severity::Error;
    Wording { severity, code, message, label, related: None, hint: None, instead: None }
}

fn warning(code: &'static str, message: String, label: &'static str) -> Wording {
    Wording { severity: Severity::Warning, ..error(code, message, label) }
}

impl RuleErrorKind {
    /// The mistake at its place, in words.
    pub fn at(self, span: Span) -> Diagnostic {
        let wording = self.wording();
        Diagnostic {
            severity: wording.severity,
            code: wording.code,
            message: wording.message,
            span,
            label: wording.label.to_owned(),
            related: wording.related.into_iter().map(|(at, text)| (at, text.to_owned())).collect(),
            hint: wording.hint,
            fix: wording.instead.map(|text| Fix { span, text }),
        }
    }

    fn wording(self) -> Wording {
        match self {
            RuleErrorKind::Unknown { what, name, near } => {
                error(what.code(), what.message(&name), "unknown")
                    .or_hint(what.hint_for(&name, near.as_deref()))
                    .or_near(near)
                    .or_hint(what.general_hint())
            }
            RuleErrorKind::NotACondition { name, what, hint } => {
                let usual = match what {
                    "list" => format!("test an address: `from in {name}`"),
                    "score" => format!("compare it: `{name} >= 5`"),
                    _ => format!("to test whether it is present: `has {name}`"),
                };
                let message = format!("`{name}` is a {what}, not a condition");
                error("not-a-condition", message, "expected a condition")
                    .or_hint(hint)
                    .or_hint(Some(usual))
            }
            RuleErrorKind::NotAField { name, what } => {
                let message = format!("`{name}` is a {what}, not a field");
                let hint = match what {
                    "list" => format!("test an address: `from in {name}`"),
                    _ => format!("use it alone: `when {name} -> …`, `when not {name} -> …`"),
                };
                error("not-a-field", message, "expected a field").or_hint(Some(hint))
            }
            RuleErrorKind::NotAList { name, what } => {
                let message = format!("`{name}` is a {what}, not a list");
                error("not-a-list", message, "expected a list")
            }
            RuleErrorKind::UsedBefore { name, what, at } => {
                let message = format!("`{name}` is used before it is declared");
                error("used-before", message, "used here")
                    .with(at, "declared here")
                    .or_hint(Some(format!("move the {what} above its first use")))
            }
            RuleErrorKind::OwnDefinition { name } => error(
                "own-definition",
                format!("`{name}` is used in its own definition"),
                "used here",
            ),
            RuleErrorKind::NameTaken { name, by, at } => {
                let message = format!("the name `{name}` is taken by a {by}");
                let diagnostic = error("name-taken", message, "taken");
                let diagnostic = match at {
                    Some(at) => diagnostic.with(at, "declared here"),
                    None => diagnostic,
                };
                diagnostic.or_hint(Some("choose another name"))
            }
            RuleErrorKind::MeIsASetting => {
                error("name-taken", String::from("the name `me` belongs to a setting"), "taken")
                    .or_hint(Some("set your addresses with `set me [\"…\", …]`"))
            }
            RuleErrorKind::NoMe => {
                error("unknown-list", String::from("`me` is not set"), "has no addresses yet")
                    .or_hint(Some("set your addresses with `set me [\"…\", …]` at the top"))
            }
            RuleErrorKind::SettingTooLate { name } => {
                let message = format!("`set {name}` must come before the first rule");
                error("setting-too-late", message, "too late")
                    .or_hint(Some("move it up, outside of any group"))
            }
            RuleErrorKind::ExpectInGroup => error(
                "expect-in-group",
                String::from("`expect` inside a group"),
                "not allowed here",
            )
            .or_hint(Some("move it outside of all rules")),
            RuleErrorKind::SettingTwice { name, at } => {
                error("setting-twice", format!("`{name}` is set twice"), "set again")
                    .with(at, "set here first")
                    .or_hint(Some("keep one of them"))
            }
            RuleErrorKind::BadSetting { name, expected } => {
                error("bad-setting", format!("`set {name}` takes {expected}"), "not this")
            }

            RuleErrorKind::OperatorDoesNotFit { field, kind, operator } => {
                let message =
                    format!("`{operator}` does not fit `{field}`, which is {}", kind.name());
                let fitting: Vec<String> =
                    kind.operators().map(|word| format!("`{word}`")).collect();
                let hint = match operator.as_str() {
                    "=" if kind.is_text() => String::from("write `is`"),
                    _ if field == "attachments" => {
                        format!("of their names: `attachment.name {operator} …`")
                    }
                    _ => format!("these do: {}", fitting.join(" ")),
                };
                error("operator-does-not-fit", message, "does not fit").or_hint(Some(hint))
            }
            RuleErrorKind::WrongValue { expected, found, hint } => {
                let message = format!("expected {expected}, found {found}");
                error("wrong-value", message, found).or_hint(hint)
            }
            RuleErrorKind::NoSuchDate { text } => {
                error("no-such-date", format!("there is no day `{text}`"), "no such day")
                    .or_hint(Some("a date is year-month-day: `2026-12-24`"))
            }
            RuleErrorKind::FieldWantsName { field } => {
                let hint = match field.as_str() {
                    "env" => "`env \"HOME\"`, for example",
                    "address" => "`address \"Resent-To\"`, for example",
                    FOLDER_EXISTS => "`folder-exists \"Lists/rust\"`, for example",
                    _ => "`header \"X-Mailer\"`, for example",
                };
                error(
                    "field-wants-name",
                    format!("`{field}` must be followed by a name"),
                    "missing name",
                )
                .or_hint(Some(hint))
            }
            RuleErrorKind::FieldTakesNoName { field } => {
                let message = format!("`{field}` takes no name");
                error("syntax", message, "unexpected string")
            }
            RuleErrorKind::NoParts { field, hint } => {
                let message = format!("`{field}` has no parts");
                error("no-parts", message, "no part").or_hint(hint)
            }
            RuleErrorKind::NoTextInSet { field, kind } => {
                let message =
                    format!("`{field}` is {}, and a set of fields must be of text", kind.name());
                error("no-text-in-set", message, "no text")
                    .or_hint(Some("join tests of other fields by `or`"))
            }
            RuleErrorKind::BadHeaderName { name } => {
                let message = format!("`{name}` is not a valid header name");
                error("bad-header-name", message, "invalid header name").or_hint(Some(
                    "letters, digits and `-`, without a colon or blanks (RFC 5322 §2.2)",
                ))
            }
            RuleErrorKind::BadEnvName { name } => {
                let message = format!("`{name}` is not a valid variable name");
                error("bad-env-name", message, "invalid variable name")
            }
            RuleErrorKind::BadPattern { reason } => {
                error("bad-pattern", format!("this pattern cannot be used: {reason}"), "here")
            }
            RuleErrorKind::TooDeep => {
                error("too-deep", String::from("this is nested too deeply"), "too deep")
                    .or_hint(Some("split it with `define`, or flatten the groups"))
            }

            RuleErrorKind::BadFolder(why) => why.wording(),

            RuleErrorKind::Action(mistake) => mistake.wording(),
            RuleErrorKind::Template(mistake) => mistake.wording(),
            RuleErrorKind::Include(mistake) => mistake.wording(),
            RuleErrorKind::Place(mistake) => mistake.wording(),
            RuleErrorKind::Script(mistake) => mistake.wording(),
            RuleErrorKind::Expire(mistake) => mistake.wording(),
            RuleErrorKind::Confined(mistake) => mistake.wording(),
            RuleErrorKind::Learn(mistake) => mistake.wording(),
            RuleErrorKind::Site(mistake) => mistake.wording(),

            RuleErrorKind::Unreachable { what, why, at } => {
                let (related, hint) = match why {
                    UnreachableReason::Always => ("rule processing always stops here", None),
                    UnreachableReason::SameCondition => (
                        "the same condition stops rule processing here",
                        Some("the first delivery wins; put the narrower rule first"),
                    ),
                    UnreachableReason::WiderCondition => (
                        "rule processing stops here for all mail of the rule below",
                        Some("the first delivery wins; put the narrower rule first"),
                    ),
                };
                warning("unreachable", format!("this {what} is unreachable"), "unreachable")
                    .with(at, related)
                    .or_hint(hint)
            }
            RuleErrorKind::NeverHolds { why, hint } => {
                let message = format!("this condition is never true: {why}");
                warning("never-holds", message, "never true").or_hint(hint)
            }
            RuleErrorKind::AlwaysHolds { field } => {
                let message = format!("every `{field}` contains the empty string");
                warning("always-holds", message, "always")
                    .or_hint(Some(format!("to test whether there is one: `has {field}`")))
            }
            RuleErrorKind::Unlikely { why, hint } => {
                warning("unlikely", why, "probably not what you mean").or_hint(hint)
            }
            RuleErrorKind::ProgramMissing { name, why } => {
                let hint = match name.contains(char::is_whitespace) {
                    true => {
                        "each argument is a string of its own, and there is no shell: \
                         `\"bogofilter\" \"-p\" \"-e\"`, for example"
                    }
                    false => "until then mail waits in the queue, or is delivered without it",
                };
                warning("program-missing", format!("program `{name}` {why}"), "cannot be run")
                    .or_hint(Some(hint))
            }
            RuleErrorKind::FolderCase { name, other, at } => {
                let how = difference(&name, &other);
                let message = format!("`{name}` differs from `{other}` only {how}");
                warning("folder-case", message, "a folder of its own")
                    .with(at, "the other")
                    .or_hint(Some("use the same spelling if you mean one folder"))
            }
            RuleErrorKind::ListUnreadable { path, reason } => {
                let message = format!("cannot read the list `{path}`: {reason}");
                let hint = match path.contains('@') && !path.contains('/') {
                    true => format!("write addresses in a set: `[\"{path}\"]`"),
                    false => "rules that use this list are skipped until it can be read".into(),
                };
                warning("list-unreadable", message, "no such list").or_hint(Some(hint))
            }
            RuleErrorKind::BadEntry { entry, reason } => {
                let message = format!("entry `{entry}` cannot match any address: {reason}");
                warning("bad-entry", message, "skipped")
                    .or_hint(Some("`user@host`, `@host`, `@.host`, `user@`, a glob or `/pattern/`"))
            }
            RuleErrorKind::UnknownTimezone { name } => {
                let message = format!("unknown time zone `{name}`");
                warning("unknown-timezone", message, "unknown")
                    .or_hint(Some("zones are named as in `Asia/Tokyo`"))
            }
            RuleErrorKind::Untranslated { what } => {
                let message = format!("this rule was not translated: {what}");
                warning("untranslated", message, "does nothing")
                    .or_hint(Some("write your own rule in its place, then remove the comment"))
            }
        }
    }
}

impl Wording {
    /// A hint, unless there is a better one.
    fn or_hint(self, hint: Option<impl Into<String>>) -> Wording {
        Wording { hint: self.hint.or_else(|| hint.map(Into::into)), ..self }
    }

    /// The word that was probably meant, unless there is a better hint.
    fn or_near(self, near: Option<String>) -> Wording {
        match near.filter(|_| self.hint.is_none()) {
            Some(near) => self.or_hint(Some(format!("did you mean `{near}`?"))).instead(near),
            None => self,
        }
    }

    /// The text that replaces the span if the hint is followed.
    fn instead(self, text: impl Into<String>) -> Wording {
        Wording { instead: Some(text.into()), ..self }
    }

    fn with(self, at: Span, text: &'static str) -> Wording {
        Wording { related: Some((at, text)), ..self }
    }
}
