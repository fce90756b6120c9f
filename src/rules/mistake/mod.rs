//! Every mistake that checking can find: a kind with its data, and its wording.
//! Kinds that belong together have their own file.

#![allow(missing_docs, reason = "each variant's line explains its fields")]

mod action;
mod confined;
mod folder;
mod expire;
mod include;
mod learn;
mod logic;
mod name;
mod place;
mod reference;
mod script;
mod setting;
mod site;
mod template;
mod test;
mod word;

pub use action::ActionMistake;
pub use confined::ConfinedMistake;
pub use expire::ExpireMistake;
pub use folder::{BadFolder, BadPath, difference};
pub use include::IncludeMistake;
pub use learn::LearnMistake;
pub use logic::{LogicMistake, UnreachableReason};
pub use name::NameMistake;
pub use place::PlaceMistake;
pub use reference::ReferenceMistake;
pub use script::ScriptMistake;
pub use setting::SettingMistake;
pub use site::SiteMistake;
pub use template::TemplateMistake;
pub use test::TestMistake;
pub use word::WordKind;

use crate::diagnostic::{Diagnostic, Fix, Severity};
use crate::source::Span;

/// What is wrong.
#[derive(Debug, Clone, PartialEq)]
pub enum RuleErrorKind {
    /// A name that is declared or used.
    Name(NameMistake),
    /// `set`.
    Setting(SettingMistake),
    /// A field, an operator or a value.
    Test(TestMistake),
    /// An action.
    Action(ActionMistake),
    /// What is between the braces of a string.
    Template(TemplateMistake),
    /// Where mail should be stored.
    Place(PlaceMistake),
    /// `include`.
    Include(IncludeMistake),
    /// `include sieve`.
    Script(ScriptMistake),
    /// `on moved`, and lists that learn.
    Learn(LearnMistake),
    /// `expire`.
    Expire(ExpireMistake),
    /// What fits only users' rules or only site rules.
    Site(SiteMistake),
    /// What a confined user's rules must not do.
    Confined(ConfinedMistake),
    /// What is valid, but hardly intended.
    Logic(LogicMistake),
    /// What rules refer to, and cannot be used.
    Reference(ReferenceMistake),

    /// A folder name that is not possible.
    BadFolder(BadFolder),
    /// Two folders that a reader cannot tell apart.
    FolderCase { name: String, other: String, at: Span },
    /// `expect` in a group.
    ExpectInGroup,
    /// Conditions or groups that are nested too deep.
    TooDeep,
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
    Name(NameMistake),
    Setting(SettingMistake),
    Test(TestMistake),
    Action(ActionMistake),
    Template(TemplateMistake),
    Place(PlaceMistake),
    Include(IncludeMistake),
    Script(ScriptMistake),
    Learn(LearnMistake),
    Expire(ExpireMistake),
    Site(SiteMistake),
    Confined(ConfinedMistake),
    Logic(LogicMistake),
    Reference(ReferenceMistake),
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
            RuleErrorKind::Name(mistake) => mistake.wording(),
            RuleErrorKind::Setting(mistake) => mistake.wording(),
            RuleErrorKind::Test(mistake) => mistake.wording(),
            RuleErrorKind::Action(mistake) => mistake.wording(),
            RuleErrorKind::Template(mistake) => mistake.wording(),
            RuleErrorKind::Place(mistake) => mistake.wording(),
            RuleErrorKind::Include(mistake) => mistake.wording(),
            RuleErrorKind::Script(mistake) => mistake.wording(),
            RuleErrorKind::Learn(mistake) => mistake.wording(),
            RuleErrorKind::Expire(mistake) => mistake.wording(),
            RuleErrorKind::Site(mistake) => mistake.wording(),
            RuleErrorKind::Confined(mistake) => mistake.wording(),
            RuleErrorKind::Logic(mistake) => mistake.wording(),
            RuleErrorKind::Reference(mistake) => mistake.wording(),

            RuleErrorKind::BadFolder(why) => why.wording(),
            RuleErrorKind::FolderCase { name, other, at } => {
                let how = difference(&name, &other);
                let message = format!("`{name}` differs from `{other}` only {how}");
                warning("folder-case", message, "a folder of its own")
                    .with(at, "the other")
                    .or_hint(Some("use the same spelling if you mean one folder"))
            }
            RuleErrorKind::ExpectInGroup => {
                let message = String::from("`expect` inside a group");
                error("expect-in-group", message, "not allowed here")
                    .or_hint(Some("move it outside of all rules"))
            }
            RuleErrorKind::TooDeep => {
                error("too-deep", String::from("this is nested too deeply"), "too deep")
                    .or_hint(Some("split it with `define`, or flatten the groups"))
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
