//! What all foreign languages are lowered to: rules as data, each with the place it came
//! from and how well it could be translated.

use std::fmt::Write;

use crate::source::Span;
pub use crate::syntax::quote;

/// Everything that an import makes of a file and the files that it includes.
#[derive(Debug, Clone, Default)]
pub struct Draft {
    /// `set NAME VALUE`: the value as it is written, quotes included.
    pub settings: Vec<(String, String)>,
    /// `list NAME "file"`
    pub lists: Vec<(String, String)>,
    /// What is deleted some time after it came.
    pub expiries: Vec<KeywordExpiry>,
    /// Actions before all units.
    pub prelude: Vec<Effect>,
    /// The rules, in order.
    pub units: Vec<Unit>,
    /// Files that belong to the rules: lists.
    pub files: Vec<TextFile>,
    /// What differs everywhere, or was guessed; each once.
    pub notes: Vec<String>,
}

impl Draft {
    /// Adds a note that is not there yet.
    pub fn note(&mut self, note: impl Into<String>) {
        let note = note.into();
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }
}

/// Messages with this keyword are deleted this long after they came, in whatever folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeywordExpiry {
    /// As it is written (`7d`).
    pub after: String,
    /// The keyword.
    pub keyword: String,
}

/// A file beside the rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextFile {
    /// The name that the rules use for it.
    pub name: String,
    /// What it should contain.
    pub content: String,
    /// What it is, for the report: `the text of an answer`.
    pub purpose: &'static str,
}

/// What the foreign rules do at one place.
#[derive(Debug, Clone)]
pub struct Unit {
    /// Where it is: the lines that are shown.
    pub span: Span,
    /// Comments before it, one per line, without their signs.
    pub comments: Vec<String>,
    /// What the foreign rules call it.
    pub label: Option<String>,
    /// When it is done.
    pub condition: Cond,
    /// What is done, in order.
    pub effects: Vec<Effect>,
    /// Whether the rules after it see its messages, too.
    pub falls_through: bool,
    /// How well it could be translated.
    pub fidelity: Fidelity,
    /// What to report about it, whatever its fidelity.
    pub notes: Vec<String>,
    /// How many units of the foreign language it stands for; 0 for a group, whose members
    /// are counted.
    pub count: usize,
    /// Not translated, and its mail would not have gone on.
    pub would_end: bool,
    /// The line in the new file, once it is written.
    pub line: Option<u32>,
}

impl Unit {
    /// A unit that always does nothing, to be filled in.
    pub fn new(span: Span) -> Unit {
        Unit {
            span,
            comments: Vec::new(),
            label: None,
            condition: Cond::Always,
            effects: Vec::new(),
            falls_through: true,
            fidelity: Fidelity::Exact,
            notes: Vec::new(),
            count: 1,
            would_end: false,
            line: None,
        }
    }

    /// A unit that could not be translated.
    pub fn not(span: Span, why: impl Into<String>) -> Unit {
        Unit { fidelity: Fidelity::NotTranslated(why.into()), ..Unit::new(span) }
    }

    /// A rule that is part of a unit, and is not counted.
    pub fn part(span: Span, condition: Cond, effects: Vec<Effect>) -> Unit {
        Unit { condition, effects, count: 0, ..Unit::new(span) }
    }

    /// What discards the mail that comes to the end of the rules, at this place.
    pub fn discarding(file: u32, at: usize, why: &str) -> Unit {
        let effects = vec![Effect::Discard(Some(why.to_owned()))];
        let span = Span { file, start: at as u32, end: at as u32 };
        Unit { effects, falls_through: false, count: 0, ..Unit::new(span) }
    }

    /// Whether it is nothing but comments.
    pub fn is_comment(&self) -> bool {
        self.effects.is_empty()
            && self.count == 0
            && self.label.is_none()
            && self.condition == Cond::Always
            && self.fidelity == Fidelity::Exact
    }

    /// Visits the units in it, itself first.
    pub fn walk<'a>(&'a self, visit: &mut dyn FnMut(&'a Unit)) {
        visit(self);
        for effect in &self.effects {
            if let Effect::Rule(unit) = effect {
                unit.walk(visit);
            }
        }
    }
}

/// How well a unit could be translated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fidelity {
    /// Every message is treated the same.
    Exact,
    /// It did nothing in the foreign rules either; why.
    Dead(String),
    /// It is written, but differs in this way.
    Approximate(String),
    /// Nothing of it is written; why.
    NotTranslated(String),
}

/// A condition. Build it with [`Cond::all`], [`Cond::any`] and [`Cond::not`], which
/// remove parts that always or never hold.
#[derive(Debug, Clone, PartialEq)]
pub enum Cond {
    /// Holds for every message.
    Always,
    /// Holds for no message.
    Never,
    /// A classifier, `has FIELD`, a flag: as it is written.
    Word(String),
    /// A test on fields: true if one of them matches one of the values.
    Test(Test),
    /// All of them.
    All(Vec<Cond>),
    /// One of them.
    Any(Vec<Cond>),
    /// Not that.
    Not(Box<Cond>),
}

/// `FIELD OPERATOR VALUE`
#[derive(Debug, Clone, PartialEq)]
pub struct Test {
    /// Fields as they are written: `subject`, `header "List-Id"`.
    pub fields: Vec<String>,
    /// `is`, `contains`, `matches`, `>=` …
    pub operator: &'static str,
    /// Values: one, or a set.
    pub values: Vec<Operand>,
}

/// A value in a test.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Operand {
    /// A text, not quoted yet.
    Text(String),
    /// A regular expression of ours; whether case counts.
    Pattern(String, bool),
    /// A number, a size, a date, a name: as it is written.
    Plain(String),
}

impl Cond {
    /// A test of one field with texts.
    pub fn texts(
        field: impl Into<String>,
        operator: &'static str,
        values: impl IntoIterator<Item = impl Into<String>>,
    ) -> Cond {
        let values: Vec<_> = values.into_iter().map(|text| Operand::Text(text.into())).collect();
        if values.is_empty() {
            return Cond::Never;
        }
        Cond::Test(Test { fields: vec![field.into()], operator, values })
    }

    /// A test of fields with a regular expression of ours; `case`: whether case counts.
    pub fn matches(fields: Vec<String>, pattern: String, case: bool) -> Cond {
        let values = vec![Operand::Pattern(pattern, case)];
        Cond::Test(Test { fields, operator: "matches", values })
    }

    /// A condition whose result is known now.
    pub fn certain(holds: bool) -> Cond {
        if holds { Cond::Always } else { Cond::Never }
    }

    /// One of these fields is there, be it empty.
    pub fn is_there(fields: &[String]) -> Cond {
        Cond::any(fields.iter().map(|field| Cond::texts(field, "like", ["*"])))
    }

    /// A test of one field with a value that is written as it is.
    pub fn plain(
        field: impl Into<String>,
        operator: &'static str,
        value: impl Into<String>,
    ) -> Cond {
        let values = vec![Operand::Plain(value.into())];
        Cond::Test(Test { fields: vec![field.into()], operator, values })
    }

    /// All of them hold.
    pub fn all(parts: impl IntoIterator<Item = Cond>) -> Cond {
        let mut all = Vec::new();
        for part in parts {
            match part {
                Cond::Always => {}
                Cond::Never => return Cond::Never,
                Cond::All(inner) => all.extend(inner),
                other => all.push(other),
            }
        }
        match all.len() {
            0 => Cond::Always,
            1 => all.remove(0),
            _ => Cond::All(all),
        }
    }

    /// One of them holds.
    pub fn any(parts: impl IntoIterator<Item = Cond>) -> Cond {
        let mut any: Vec<Cond> = Vec::new();
        for part in parts {
            match part {
                Cond::Never => {}
                Cond::Always => return Cond::Always,
                Cond::Any(inner) => any.extend(inner),
                Cond::Test(test) => match any.last_mut() {
                    // `subject contains "a" or subject contains "b"` is one test.
                    Some(Cond::Test(last)) if last.joins(&test) => last.values.extend(test.values),
                    _ => any.push(Cond::Test(test)),
                },
                other => any.push(other),
            }
        }
        match any.len() {
            0 => Cond::Never,
            1 => any.remove(0),
            _ => Cond::Any(any),
        }
    }

    /// It does not hold.
    #[allow(clippy::should_implement_trait, reason = "beside `all` and `any`")]
    pub fn not(of: Cond) -> Cond {
        match of {
            Cond::Always => Cond::Never,
            Cond::Never => Cond::Always,
            Cond::Not(inner) => *inner,
            other => Cond::Not(Box::new(other)),
        }
    }
}

impl Test {
    fn joins(&self, other: &Test) -> bool {
        const SETS: [&str; 6] = ["is", "contains", "starts", "ends", "like", "matches"];
        self.fields == other.fields
            && self.operator == other.operator
            && SETS.contains(&self.operator)
    }
}

/// A flag for a delivery.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mark {
    /// `seen`, `flagged` …
    Flag(&'static str),
    /// An IMAP keyword, as a template.
    Keyword(String),
}

/// What is done. Texts are templates: see [`literal`].
#[derive(Debug, Clone)]
pub enum Effect {
    /// `inbox [as …]`
    Inbox(Vec<Mark>),
    /// `folder "…" [as …]`
    Folder(String, Vec<Mark>),
    /// `fileinto "…" [as …]`: store it there and go on, with no inbox at the end.
    FileInto(String, Vec<Mark>),
    /// `copy "…" [as …]`: one more delivery, whatever else happens.
    Copy(String, Vec<Mark>),
    /// `mark …`
    Mark(Vec<Mark>),
    /// `unmark …`
    Unmark(Vec<Mark>),
    /// `discard ["why"]`
    Discard(Option<String>),
    /// `reject "5.7.1 text"`
    Reject(String),
    /// `defer "4.3.0 text"`
    Defer(String),
    /// `forward [copy] "address" …`
    Forward {
        /// An additional delivery; processing goes on.
        copy: bool,
        /// To whom.
        to: Vec<String>,
    },
    /// `pipe`, `run` or `filter`, with the program and its arguments.
    Program(&'static str, Vec<String>),
    /// `reply { text "…" … }`
    Answer(Box<AutomaticReply>),
    /// `add-header "name" "value"`
    AddHeader(String, String),
    /// `set-header "name" "value"`
    SetHeader(String, String),
    /// `remove-header "name"`
    RemoveHeader(String),
    /// `let name = "…"`
    Let(String, String),
    /// `log "…"`
    Log(String),
    /// `stop`
    Stop,
    /// A rule or a group.
    Rule(Unit),
}

impl Effect {
    /// A delivery without flags to a folder, or to the inbox; after a copy the rules go on.
    pub(super) fn delivery(folder: Option<String>, copy: bool) -> Effect {
        match (folder, copy) {
            (None, true) => Effect::Copy("INBOX".into(), Vec::new()),
            (None, false) => Effect::Inbox(Vec::new()),
            (Some(name), true) => Effect::Copy(name, Vec::new()),
            (Some(name), false) => Effect::Folder(name, Vec::new()),
        }
    }

    /// What a mail server does when a filter delivers nothing and ends with this exit code
    /// (sysexits(3); 99 and 111 are those of qmail-command(8)).
    pub(super) fn for_exit_code(code: Option<i32>) -> Effect {
        match code {
            None | Some(0 | 99) => Effect::Discard(None),
            Some(75 | 111) => Effect::Defer("4.3.0 try again later".into()),
            Some(67) => Effect::Reject("5.1.1 there is no such user".into()),
            Some(77) => Effect::Reject("5.7.1 not wanted".into()),
            Some(_) => Effect::Reject("5.0.0 not delivered".into()),
        }
    }
}

/// An automatic answer. Texts are templates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AutomaticReply {
    /// With line breaks.
    pub text: String,
    /// In place of the usual one.
    pub subject: Option<String>,
    /// The sender, if it is given.
    pub from: Option<String>,
    /// Addresses that count as the user's for it.
    pub mine: Vec<String>,
    /// How often, as it is written (`7d`).
    pub every: String,
    /// What it is remembered by, if that is given.
    pub handle: Option<String>,
}

/// Foreign text as a template that produces exactly that text.
pub fn literal(text: &str) -> String {
    if text.contains(['{', '}']) {
        text.replace('{', "{{").replace('}', "}}")
    } else {
        text.to_owned()
    }
}

/// `header "Name"`
pub fn header(name: &str) -> String {
    format!("header {}", quote(name))
}

/// A text as a glob that matches only that text.
pub fn glob_literal(text: &str) -> String {
    let mut glob = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '*' | '?' | '[' | '\\') {
            glob.push('\\');
        }
        glob.push(c);
    }
    glob
}

/// A text as a regular expression that matches only that text.
pub fn pattern_literal(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => pattern.push_str("\\n"),
            '\t' => pattern.push_str("\\t"),
            _ if crate::text::is_invisible(c) => {
                let _ = write!(pattern, "\\x{{{:x}}}", c as u32);
            }
            _ => {
                if c.is_ascii_punctuation()
                    && !matches!(
                        c,
                        '/' | '"'
                            | '\''
                            | '@'
                            | ','
                            | ':'
                            | ';'
                            | '%'
                            | '!'
                            | '<'
                            | '>'
                            | '='
                            | '_'
                            | '`'
                    )
                {
                    pattern.push('\\');
                }
                pattern.push(c);
            }
        }
    }
    pattern
}
