//! What variables and expressions evaluate to: the same for every message, one of our
//! values, or unknown.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::expression::ExpressionPiece;
use super::pattern::FirstNumber;
use crate::import::ir::{Cond, literal};
use crate::import::persistent_map::PersistentMap;

/// What a variable holds.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum MaildropVariable {
    /// The same for every message.
    Constant(String),
    /// A field of ours: its name in tests, and as a template.
    Field(String, String),
    /// A text that `let` keeps; and all its possible values, if they are the same for
    /// every message.
    Kept(String, Option<Vec<String>>),
    /// A template; `true`: from what a pattern captured, so only valid in its rule.
    Template(String, bool),
    /// What a pattern captured.
    Captured(MaildropCapture),
    /// Why it is not known.
    Unknown(String),
}

/// What a pattern captured, and what else that is known to be.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct MaildropCapture {
    pub(super) template: String,
    /// The first number of a header.
    pub(super) number: Option<FirstNumber>,
    /// All of a header.
    pub(super) rest: Option<String>,
}

/// What an expression evaluates to.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Variable(MaildropVariable),
    /// The size of the message.
    Size,
    /// `1` if it holds, otherwise `0`.
    Truth(Cond),
    /// `0`, or another number if it holds.
    Code(Cond),
    /// A number from 0 to 255 that is kept under this name.
    Status(String),
    /// The sum of weights, and a number.
    Sum(Vec<(f64, Cond)>, f64),
}

impl Value {
    pub(super) fn constant(text: impl Into<String>) -> Value {
        Value::Variable(MaildropVariable::Constant(text.into()))
    }
}

/// A text with its variables inserted.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct MaildropText {
    /// As a template of ours.
    pub(super) template: String,
    /// As it is, if it is the same for every message.
    pub(super) constant: Option<String>,
    /// It contains something that a pattern captured.
    pub(super) local: bool,
}

/// All variables.
#[derive(Debug, Clone)]
pub(super) struct MaildropVariables {
    all: PersistentMap<MaildropVariable>,
    /// Those that `let` keeps, or has kept.
    kept: Rc<BTreeSet<String>>,
    /// Why a variable that is not set here may be set nevertheless.
    pub(super) maybe_set: Option<String>,
    places: Rc<BTreeMap<String, MaildropPlace>>,
    /// What the user says of those that the filter does not.
    given: Rc<BTreeMap<String, String>>,
}

/// What is known of a path that is not known as a whole.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum MaildropPlace {
    /// It is taken for one in this Maildir; why.
    Guessed(String),
    /// maildrop is called with it, wholly or in part: as it is written.
    Called(String),
}

impl MaildropVariables {
    /// Those that maildrop sets itself, and those that are given.
    pub(super) fn new(given: BTreeMap<String, String>) -> MaildropVariables {
        let mut variables = MaildropVariables {
            all: PersistentMap::new(),
            kept: Rc::default(),
            maybe_set: None,
            places: Rc::default(),
            given: Rc::new(given),
        };
        let constants = [
            ("HOME", "~"),
            ("DEFAULT", "~/Maildir/"),
            ("SENDMAIL", "/usr/sbin/sendmail"),
            ("SHELL", "/bin/sh"),
            ("PATH", "/usr/local/bin:/usr/bin:/bin"),
            ("EXITCODE", "0"),
            ("LOCKEXT", ".lock"),
            ("UMASK", "077"),
        ];
        for (name, value) in constants {
            variables.set(name, MaildropVariable::Constant(value.to_owned()));
        }
        for (name, field) in [("LOGNAME", "user"), ("USER", "user"), ("FROM", "envelope-from")] {
            let value = MaildropVariable::Field(field.to_owned(), format!("{{{field}}}"));
            variables.set(name, value);
        }
        let size = MaildropVariable::Field("size".into(), "{size}".into());
        variables.set("SIZE", size);
        for (name, why) in [
            ("LINES", "the number of lines"),
            ("HOSTNAME", "HOSTNAME comes from the system"),
            ("RETURNCODE", "a program gives RETURNCODE its value"),
        ] {
            variables.set(name, MaildropVariable::Unknown(why.to_owned()));
        }
        variables
    }

    pub(super) fn set(&mut self, name: &str, value: MaildropVariable) {
        if matches!(value, MaildropVariable::Kept(..)) && !self.kept.contains(name) {
            Rc::make_mut(&mut self.kept).insert(name.to_owned());
        }
        self.all.insert(name, value);
    }

    /// What the user says that a variable holds.
    pub(super) fn given(&self, name: &str) -> Option<MaildropVariable> {
        self.given.get(name).cloned().map(MaildropVariable::Constant)
    }

    /// Why a variable is not known, if it comes from the environment.
    pub(super) fn of_environment(&self, name: &str) -> Option<String> {
        let of_it = matches!(self.all.get(name), Some(MaildropVariable::Field(field, _))
            if field.starts_with("env "));
        of_it.then(|| {
            format!("{name} comes from the environment: `--variable {name}=…` says what it is")
        })
    }

    pub(super) fn set_place(&mut self, name: &str, place: Option<MaildropPlace>) {
        if self.places.get(name) == place.as_ref() {
            return;
        }
        let places = Rc::make_mut(&mut self.places);
        match place {
            Some(place) => drop(places.insert(name.to_owned(), place)),
            None => drop(places.remove(name)),
        }
    }

    pub(super) fn place(&self, name: &str) -> Option<&MaildropPlace> {
        self.places.get(name)
    }

    /// Why a text with these variables may be of another Maildir.
    pub(super) fn guess_in(&self, names: &[&str]) -> Option<String> {
        names.iter().find_map(|name| match self.places.get(*name) {
            Some(MaildropPlace::Guessed(why)) => Some(why.clone()),
            _ => None,
        })
    }

    /// Whether something sets a variable, or maildrop does.
    pub(super) fn is_assigned(&self, name: &str) -> bool {
        self.all.get(name).is_some() || self.given.contains_key(name)
    }

    /// Whether something sets a variable, or may.
    pub(super) fn is_set(&self, name: &str) -> bool {
        self.maybe_set.is_some() || self.is_assigned(name)
    }

    /// A variable; one that is not set is empty.
    pub(super) fn get(&self, name: &str) -> MaildropVariable {
        if let Some(value) = self.all.get(name) {
            return value.clone();
        }
        if let Some(value) = self.given(name) {
            return value;
        }
        if name.bytes().all(|byte| byte.is_ascii_digit()) {
            return MaildropVariable::Unknown(format!(
                "`${name}` is an argument of maildrop: `--variable {name}=…` says what it is"
            ));
        }
        match &self.maybe_set {
            Some(why) => MaildropVariable::Unknown(format!("{name}: {why}")),
            None => MaildropVariable::Constant(String::new()),
        }
    }

    /// After a pattern that may have matched: what it captured is unknown.
    pub(super) fn forget_matches(&mut self) {
        self.forget_matches_to(9);
    }

    /// The same for a pattern with at most this many groups.
    pub(super) fn forget_matches_to(&mut self, groups: usize) {
        for number in 0..=groups.min(9) {
            let name = if number == 0 { "MATCH".to_owned() } else { format!("MATCH{number}") };
            self.set(
                &name,
                MaildropVariable::Unknown(format!("{name} holds what an earlier pattern captured")),
            );
        }
    }

    /// The pieces of a text as one text; an error says why it is not known.
    pub(super) fn text(&self, pieces: &[ExpressionPiece]) -> Result<MaildropText, String> {
        let mut text = MaildropText::empty();
        for piece in pieces {
            match piece {
                ExpressionPiece::Raw(raw) => text.push(raw),
                ExpressionPiece::Variable(name) => text.push_variable(self.get(name))?,
            }
        }
        Ok(text)
    }
}

/// `MATCH`, `MATCH1` …
pub(super) fn is_match(name: &str) -> bool {
    name.strip_prefix("MATCH")
        .is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit()))
}

impl MaildropText {
    pub(super) fn empty() -> MaildropText {
        MaildropText { template: String::new(), constant: Some(String::new()), local: false }
    }

    pub(super) fn push(&mut self, raw: &str) {
        self.template.push_str(&literal(raw));
        if let Some(constant) = &mut self.constant {
            constant.push_str(raw);
        }
    }

    pub(super) fn push_variable(&mut self, value: MaildropVariable) -> Result<(), String> {
        let (template, local) = match value {
            MaildropVariable::Constant(text) => {
                self.push(&text);
                return Ok(());
            }
            MaildropVariable::Field(_, template) => (template, false),
            MaildropVariable::Kept(name, _) => (format!("{{{name}}}"), false),
            MaildropVariable::Template(template, local) => (template, local),
            MaildropVariable::Captured(captured) => (captured.template, true),
            MaildropVariable::Unknown(why) => return Err(why),
        };
        self.template.push_str(&template);
        self.constant = None;
        self.local |= local;
        Ok(())
    }
}

impl MaildropVariables {
    /// The variables that `let` keeps, and their names there, in order.
    pub(super) fn kept(&self) -> Vec<(String, String)> {
        let kept = self.kept.iter().filter_map(|name| match self.all.get(name) {
            Some(MaildropVariable::Kept(kept, _)) => Some((name.clone(), kept.clone())),
            _ => None,
        });
        kept.collect()
    }

    /// What is known where two paths meet.
    pub(super) fn join(&mut self, other: &MaildropVariables) {
        for name in self.all.differing(&other.all) {
            let (here, there) = (self.get(&name), other.get(&name));
            if here == there {
                continue;
            }
            let both = match (here, there) {
                (MaildropVariable::Kept(kept, mine), MaildropVariable::Kept(_, theirs)) => {
                    MaildropVariable::Kept(kept, together(mine, theirs))
                }
                (MaildropVariable::Kept(kept, values), MaildropVariable::Constant(text))
                | (MaildropVariable::Constant(text), MaildropVariable::Kept(kept, values)) => {
                    MaildropVariable::Kept(kept, together(values, Some(vec![text])))
                }
                (MaildropVariable::Unknown(why), _) | (_, MaildropVariable::Unknown(why)) => {
                    MaildropVariable::Unknown(why)
                }
                _ => MaildropVariable::Unknown(format!("{name} depends on the message")),
            };
            self.set(&name, both);
        }
        if self.maybe_set.is_none() {
            self.maybe_set.clone_from(&other.maybe_set);
        }
        if !Rc::ptr_eq(&self.places, &other.places) {
            for (name, place) in other.places.iter() {
                self.set_place(name, Some(place.clone()));
            }
        }
    }
}

fn together(mine: Option<Vec<String>>, theirs: Option<Vec<String>>) -> Option<Vec<String>> {
    let (mut all, theirs) = (mine?, theirs?);
    for value in theirs {
        if !all.contains(&value) {
            all.push(value);
        }
    }
    Some(all)
}

/// Why it is unknown where a Maildir is: the place depends on this variable.
pub(super) fn place_of_a_message(name: &str) -> String {
    format!(
        "its place becomes known only when a message comes; `--variable {name}=…` says what \
         {name} is"
    )
}

/// How a path differs whose Maildir was guessed.
pub(super) fn guessed_folder(why: &str) -> String {
    format!("taken for a folder of this Maildir: {why}")
}

/// The name under which `let` keeps a variable.
pub(super) fn kept_name(name: &str) -> String {
    let name: String = name
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' })
        .collect();
    let name = name.trim_matches('-').replace("--", "-").replace("--", "-");
    format!("md-{name}")
}
