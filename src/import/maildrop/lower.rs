//! The walk through a filter: statements as units, one after the other.

use std::io::ErrorKind;
use std::path::Path;

use super::action::{MaildropResult, OF_A_COPY};
use super::context::{FilterLowering, ReturnCode};
use super::expression::{Expression, ExpressionPiece};
use super::parse::{MaildropLoop, MaildropStatement, MaildropStatementKind, parse};
use super::return_code::asks_for_code;
use super::uses::{may_end, only_makes_folders, units_in};
use super::value::{MaildropText, MaildropVariable, is_match};
use crate::import::ir::{Cond, Effect, Fidelity, Unit};
use crate::import::levels::settle;
use crate::import::shell::{MAKES_FOLDERS, may_make_folders};
use crate::import::{decode, unreadable};
use crate::source::{SourceFile, Span};
use crate::syntax::quote;

/// Files that are included more deeply than this are not read.
const MAX_INCLUDES: usize = 16;

impl FilterLowering<'_> {
    pub(super) fn main(&mut self, path: &Path, file: &SourceFile) {
        self.sources.add(file.clone());
        self.around.push(path.to_owned());
        let statements = parse(0, file);
        self.uses.collect(&statements);
        self.makes_folders = may_make_folders(&file.text);
        self.inbox = self.last_default(&statements);
        self.variables.set("DEFAULT", MaildropVariable::Constant(self.inbox.clone()));
        let mut units = self.statements(&statements);
        // What no statement took goes where DEFAULT says.
        if !self.ended && matches!(self.variables.get("DEFAULT"), MaildropVariable::Kept(..)) {
            let default = Expression::Text(vec![ExpressionPiece::Variable("DEFAULT".into())]);
            let at = file.text.len() as u32;
            let span = Span { file: 0, start: at, end: at };
            let made = self.action(span, |this| this.deliver(span, &default, false));
            units.push(Unit { count: 0, ..made });
        } else if !self.ended && self.inbox == "/dev/null" {
            units.push(Unit::discarding(0, file.text.len(), "DEFAULT is /dev/null"));
        }
        units.iter_mut().for_each(|unit| settle(&mut unit.effects));
        self.draft.units = units;
    }

    /// DEFAULT as it is where the filter ends.
    fn last_default(&mut self, statements: &[MaildropStatement]) -> String {
        let mut variables = self.variables.clone();
        for statement in statements {
            let MaildropStatementKind::Assign(name, value) = &statement.kind else { continue };
            let value = match value {
                Expression::Text(pieces) => variables.text(pieces).ok(),
                _ => None,
            };
            if value.is_none()
                && let Some(given) = variables.given(name)
            {
                variables.set(name, given);
                continue;
            }
            match value.and_then(|text| text.constant) {
                Some(constant) => variables.set(name, MaildropVariable::Constant(constant)),
                None => variables.set(name, MaildropVariable::Unknown(String::new())),
            }
        }
        match variables.get("DEFAULT") {
            MaildropVariable::Constant(path) if !path.is_empty() => path,
            _ => "~/Maildir/".into(),
        }
    }

    pub(super) fn statements(&mut self, statements: &[MaildropStatement]) -> Vec<Unit> {
        let mut units: Vec<Unit> = Vec::new();
        // A delivery that is not translated also ends processing.
        let mut stopped = false;
        let asked_after = self.code_is_asked;
        let outer_last = self.is_last;
        for (number, statement) in statements.iter().enumerate() {
            let after = statements.get(number + 1..).unwrap_or_default();
            self.code_is_asked = asks_for_code(after).unwrap_or(asked_after);
            if self.ended || stopped {
                let fidelity = match statement.kind {
                    MaildropStatementKind::Comments => Fidelity::Exact,
                    _ => Fidelity::Dead("maildrop never comes here".into()),
                };
                let count = units_in(std::slice::from_ref(statement));
                let comments = statement.comments.clone();
                units.push(Unit { fidelity, count, comments, ..Unit::new(statement.span) });
                continue;
            }
            let first = units.len();
            let is_comment = |statement: &MaildropStatement| {
                matches!(statement.kind, MaildropStatementKind::Comments)
            };
            self.is_last = outer_last && after.iter().all(is_comment);
            self.statement(statement, &mut units);
            let is_end = matches!(
                statement.kind,
                MaildropStatementKind::Word("to", _) | MaildropStatementKind::Exit
            );
            stopped = is_end && !self.ended;
            let mut comments = statement.comments.clone();
            if units.len() == first && !comments.is_empty() {
                units.push(Unit { count: 0, ..Unit::new(statement.span) });
            }
            if let Some(unit) = units.get_mut(first) {
                unit.label = unit.label.take().or_else(|| label_in(&mut comments));
                comments.append(&mut unit.comments);
                unit.comments = comments;
            }
        }
        self.code_is_asked = asked_after;
        self.is_last = outer_last;
        units
    }

    fn statement(&mut self, statement: &MaildropStatement, units: &mut Vec<Unit>) {
        let span = statement.span;
        match &statement.kind {
            MaildropStatementKind::Assign(name, value) => {
                units.extend(self.assign(span, name, value))
            }
            MaildropStatementKind::If(branches) => self.branches(branches, units),
            MaildropStatementKind::Exception(inner) => {
                let outer = std::mem::replace(&mut self.in_exception, true);
                let outer_last = std::mem::replace(&mut self.is_last, true);
                self.note("`exception`: mail that cannot be stored is tried again all the same");
                let inner = self.statements(inner);
                self.in_exception = outer;
                self.is_last = outer_last;
                units.extend(inner);
            }
            MaildropStatementKind::Locked(inner) => {
                let inner = self.statements(inner);
                units.extend(inner);
            }
            MaildropStatementKind::Loop(repeated) => units.push(self.repeated(span, repeated)),
            MaildropStatementKind::Broken(why, inner) => {
                self.forget(inner);
                units.push(lost(span, why.clone(), inner));
            }
            MaildropStatementKind::Import(name) => {
                let field = format!("env {}", quote(name));
                let variable = match name.as_str() {
                    "HOME" | "PATH" | "SHELL" | "LOGNAME" | "USER" => self.variables.get(name),
                    _ => MaildropVariable::Field(field.clone(), format!("{{{field}}}")),
                };
                self.variables.set(name, self.variables.given(name).unwrap_or(variable));
            }
            MaildropStatementKind::Exit => self.exit(span, units),
            MaildropStatementKind::Search(pattern) => self.search(pattern),
            MaildropStatementKind::Command(command) => units.extend(self.command(span, command)),
            MaildropStatementKind::Comments => {
                units.push(Unit { count: 0, ..Unit::new(span) });
            }
            MaildropStatementKind::Word(word, argument) => {
                self.word_statement(span, word, argument, units);
            }
        }
    }

    /// A word with an argument.
    fn word_statement(
        &mut self,
        span: Span,
        word: &str,
        argument: &Expression,
        units: &mut Vec<Unit>,
    ) {
        match word {
            "to" if self.is_nowhere(argument) => self.exit(span, units),
            "to" => units.push(self.action(span, |this| this.deliver(span, argument, false))),
            "cc" => units.push(self.action(span, |this| this.deliver(span, argument, true))),
            "xfilter" => {
                self.set_code(ReturnCode::Unknown);
                units.push(self.action(span, |this| this.filter(span, argument)));
                self.variables.forget_matches();
            }
            "system" => {
                let mut unit = self.action(span, |this| this.run(argument));
                if unit.fidelity == Fidelity::Exact {
                    let why = "the program is given the message".to_owned();
                    unit.fidelity = Fidelity::Approximate(why);
                }
                units.push(unit);
                self.set_code(ReturnCode::Unknown);
            }
            "log" => units.push(self.log(span, argument)),
            "include" => units.extend(self.include(span, argument)),
            // Where maildrop logs, and what it prints.
            _ => {}
        }
    }

    /// `exit` and `to "/dev/null"`; after `cc` the two are `to`.
    fn exit(&mut self, span: Span, units: &mut Vec<Unit>) {
        let done = self.leave();
        let drops = match &done {
            Ok(done) => matches!(done.effects.as_slice(), [Effect::Discard(_)]),
            Err(why) => why == OF_A_COPY,
        };
        let is_cc = |unit: &Unit| self.sources.text(unit.span).starts_with("cc");
        let copied = |unit: &&mut Unit| drops && ends_with_copy(unit) && is_cc(unit);
        let Some(unit) = units.last_mut().filter(copied) else {
            units.push(self.action(span, |_| done));
            return;
        };
        if let Some(effect) = unit.effects.last_mut() {
            *effect = match std::mem::replace(effect, Effect::Stop) {
                Effect::Copy(name, marks) if name == "INBOX" => Effect::Inbox(marks),
                Effect::Copy(name, marks) => Effect::Folder(name, marks),
                Effect::Program(_, words) => Effect::Program("pipe", words),
                other => other,
            };
        }
        unit.count += 1;
        unit.falls_through = false;
        unit.span.end = span.end;
        self.ended = true;
    }

    /// `while` and `foreach`
    fn repeated(&mut self, span: Span, repeated: &MaildropLoop) -> Unit {
        let inner = &repeated.body;
        if let Some(unit) = self.joining(span, repeated) {
            return unit;
        }
        self.forget(inner);
        if only_makes_folders(inner) && !self.sources.text(repeated.head).contains('`') {
            let fidelity = Fidelity::Dead(MAKES_FOLDERS.into());
            return Unit { fidelity, ..Unit::new(span) };
        }
        let why = match repeated.word {
            "foreach" => {
                "`foreach` repeats its block for each match of a pattern, and mfilter has no loops"
            }
            _ => "`while` repeats its block, and mfilter has no loops",
        };
        lost(span, why.into(), inner)
    }

    /// A unit for what is done.
    pub(super) fn action(
        &mut self,
        span: Span,
        make: impl FnOnce(&mut Self) -> Result<MaildropResult, String>,
    ) -> Unit {
        match make(self) {
            Ok(done) => {
                self.ended |= done.ends;
                let fidelity = match done.differs {
                    Some(why) => Fidelity::Approximate(why),
                    None if done.effects.is_empty() => Fidelity::Dead("it does nothing".into()),
                    None => Fidelity::Exact,
                };
                Unit {
                    effects: done.effects,
                    falls_through: !done.ends,
                    fidelity,
                    ..Unit::new(span)
                }
            }
            Err(why) => {
                let text = self.sources.text(span);
                let would_end = text.starts_with("to") || text.starts_with("exit");
                Unit { would_end, ..Unit::not(span, why) }
            }
        }
    }

    fn log(&mut self, span: Span, text: &Expression) -> Unit {
        let (text, differs) = match self.text_of(text) {
            Ok(text) => (text.template, None),
            Err(why) if text.names().iter().any(|name| is_match(name)) => {
                return Unit { count: 0, ..Unit::not(span, why) };
            }
            // A line in the log says what it can.
            Err(why) => (self.as_written(text), Some(why)),
        };
        let text = text.trim().to_owned();
        let effects = if text.is_empty() { Vec::new() } else { vec![Effect::Log(text)] };
        let fidelity = match differs {
            None => Fidelity::Exact,
            Some(why) => {
                Fidelity::Approximate(format!("the line in the log stays as it is written: {why}"))
            }
        };
        // A line in the log is not a rule.
        Unit { count: 0, effects, fidelity, ..Unit::new(span) }
    }

    /// A text in which variables that are not known stay as they are written.
    fn as_written(&self, text: &Expression) -> String {
        let mut pieces = Vec::new();
        text.pieces(&mut pieces);
        let mut out = MaildropText::empty();
        for piece in pieces {
            match piece {
                ExpressionPiece::Raw(raw) => out.push(raw),
                ExpressionPiece::Variable(name) => {
                    if out.push_variable(self.variables.get(name)).is_err() {
                        out.push(&format!("${name}"));
                    }
                }
            }
        }
        out.template
    }

    fn include(&mut self, span: Span, file: &Expression) -> Vec<Unit> {
        let path = match self.text_of(file) {
            Ok(text) => text
                .constant
                .ok_or_else(|| "the name of the file comes from the message".to_owned()),
            Err(why) => Err(why),
        };
        // `exception` ends with the mistake, and maildrop goes on after it.
        let is_skipped = self.in_exception && self.is_last;
        let mut missing = None;
        let read = path.and_then(|written| {
            let path = self.path_of(&written);
            if self.around.contains(&path) {
                return Err(format!("`{written}` includes itself"));
            }
            if self.around.len() > MAX_INCLUDES {
                return Err("files include one another too deeply".into());
            }
            match (self.load)(&path) {
                Ok(bytes) => Ok((path, bytes)),
                Err(error) if is_skipped && error.kind() == ErrorKind::NotFound => {
                    missing = Some(path);
                    Err(String::new())
                }
                Err(error) => Err(unreadable(&format!("`{written}`"), &path, &error)),
            }
        });
        let (path, bytes) = match read {
            Ok(read) => read,
            Err(why) => {
                self.variables.maybe_set = Some("a file that is not read may set it".into());
                let fidelity = match missing {
                    Some(path) => Fidelity::Approximate(format!(
                        "there is no file `{}`, and maildrop goes on without it; put it there \
                         and import again",
                        path.display()
                    )),
                    None => Fidelity::NotTranslated(why),
                };
                return vec![Unit { would_end: true, fidelity, ..Unit::new(span) }];
            }
        };
        let source = SourceFile::new(&path, decode(&bytes).0);
        let number = self.sources.files().len() as u32;
        self.sources.add(source.clone());
        let statements = parse(number, &source);
        self.uses.collect(&statements);
        self.makes_folders |= may_make_folders(&source.text);
        self.around.push(path);
        let units = self.statements(&statements);
        self.around.pop();
        units
    }

    /// Forgets what statements that are not translated would have set.
    pub(super) fn forget(&mut self, statements: &[MaildropStatement]) {
        let mut names = Vec::new();
        let mut includes = false;
        super::uses::walk(statements, &mut |statement| match &statement.kind {
            MaildropStatementKind::Assign(name, _) => names.push(name.clone()),
            MaildropStatementKind::Word("include", _) => includes = true,
            _ => {}
        });
        for name in names {
            let why = format!("{name} is set by what is not translated");
            self.variables.set(&name, MaildropVariable::Unknown(why));
        }
        if includes {
            self.variables.maybe_set = Some("a file that is not read may set it".into());
        }
        self.variables.forget_matches();
        self.set_code(ReturnCode::Unknown);
    }
}

/// A unit for statements that are not translated.
pub(super) fn lost(span: Span, why: String, inner: &[MaildropStatement]) -> Unit {
    let would_end = may_end(inner);
    Unit { would_end, count: units_in(inner).max(1), ..Unit::not(span, why) }
}

/// Whether the last effect of a unit is a copy, in a folder or for a program, made
/// unconditionally.
fn ends_with_copy(unit: &Unit) -> bool {
    unit.condition == Cond::Always
        && matches!(unit.fidelity, Fidelity::Exact | Fidelity::Approximate(_))
        && matches!(unit.effects.last(), Some(Effect::Copy(..) | Effect::Program("run", _)))
}

/// `rule:[Name]`, `Rule: Name`: removed from the comments.
pub(super) fn label_in(comments: &mut Vec<String>) -> Option<String> {
    let label = |line: &String| {
        let (word, rest) = line.split_once(':')?;
        let rest = rest.trim().trim_start_matches('[').trim_end_matches(']').trim();
        let fits = word.trim().eq_ignore_ascii_case("rule")
            && !rest.is_empty()
            && rest.len() <= 60
            && !rest.contains(['{', '}']);
        fits.then(|| rest.to_owned())
    };
    let at = comments.iter().position(|line| label(line).is_some())?;
    label(&comments.remove(at))
}
