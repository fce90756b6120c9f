//! The walk through a filter: statements as units, one after the other.

use std::path::Path;

use super::action::MaildropResult;
use super::context::{CommandWords, FilterLowering, ReturnCode};
use super::expression::{Expression, ExpressionPiece};
use super::parse::{MaildropLoop, MaildropStatement, MaildropStatementKind, parse};
use super::uses::{command_of, command_text, may_end, only_makes_folders, units_in};
use super::value::{
    MaildropCapture, MaildropPlace, MaildropText, MaildropVariable, Value, is_match, kept_name,
    place_of_a_message,
};
use crate::import::ir::{Cond, Effect, Fidelity, Unit, header};
use crate::import::levels::settle;
use crate::import::shell::{
    ASKED, MAKES_FOLDERS, ONE_BLANK, asking, if_unasked, is_program, may_make_folders,
    printed_with_status, shell_words, status_of, unquoted,
};
use crate::import::{decode, unreadable};
use crate::source::{SourceFile, Span};
use crate::syntax::quote;

/// Variables that name a Maildir.
fn is_place(name: &str) -> bool {
    matches!(name, "MAILDIR" | "DEFAULT")
}

/// Files that are included more deeply than this are not read.
const MAX_INCLUDES: usize = 16;

/// Variables that mean nothing here.
pub(super) const WITHOUT_MEANING: [&str; 10] = [
    "LOCKEXT",
    "LOCKREFRESH",
    "LOCKSLEEP",
    "LOCKTIMEOUT",
    "MAILDIRQUOTA",
    "VERBOSE",
    "UMASK",
    "PATH",
    "SHELL",
    "TIMEOUT",
];

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
        for (number, statement) in statements.iter().enumerate() {
            let after = statements.get(number + 1..).unwrap_or_default();
            self.code_is_asked = asks_for_code(after).unwrap_or(asked_after);
            if self.ended || stopped {
                if !matches!(statement.kind, MaildropStatementKind::Comments) {
                    let why = "maildrop never comes here".to_owned();
                    let count = units_in(std::slice::from_ref(statement));
                    let fidelity = Fidelity::Dead(why);
                    units.push(Unit { fidelity, count, ..Unit::new(statement.span) });
                }
                continue;
            }
            let first = units.len();
            self.statement(statement, &mut units);
            let is_end = matches!(
                statement.kind,
                MaildropStatementKind::Word("to", _) | MaildropStatementKind::Exit
            );
            stopped = is_end && !self.ended;
            let mut comments = statement.comments.clone();
            // Comments on what has no counterpart here say nothing about what follows.
            let silent = matches!(
                statement.kind,
                MaildropStatementKind::Assign(..) | MaildropStatementKind::Import(_)
            );
            if units.len() == first && !comments.is_empty() && !silent {
                units.push(Unit { count: 0, ..Unit::new(statement.span) });
            }
            if let Some(unit) = units.get_mut(first) {
                unit.label = unit.label.take().or_else(|| label_in(&mut comments));
                comments.append(&mut unit.comments);
                unit.comments = comments;
            }
        }
        self.code_is_asked = asked_after;
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
                self.note("`exception`: mail that cannot be stored is tried again all the same");
                let inner = self.statements(inner);
                self.in_exception = outer;
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
            MaildropStatementKind::Exit => {
                let done = self.leave();
                match units.last_mut().and_then(copy_that_ends) {
                    // `cc` followed by `exit` is `to`.
                    Some(effect) if matches!(done.effects.as_slice(), [Effect::Discard(_)]) => {
                        *effect = match std::mem::replace(effect, Effect::Stop) {
                            Effect::Copy(name, marks) if name == "INBOX" => Effect::Inbox(marks),
                            Effect::Copy(name, marks) => Effect::Folder(name, marks),
                            other => other,
                        };
                        if let Some(unit) = units.last_mut() {
                            unit.count += 1;
                            unit.falls_through = false;
                            unit.span.end = span.end;
                        }
                        self.ended = true;
                    }
                    _ => units.push(self.action(span, |_| Ok(done))),
                }
            }
            MaildropStatementKind::Search(pattern) => self.search(pattern),
            MaildropStatementKind::Command(command) => units.extend(self.command(span, command)),
            MaildropStatementKind::Comments => {
                units.push(Unit { count: 0, ..Unit::new(span) });
            }
            MaildropStatementKind::Word(word, argument) => match *word {
                "to" => units.push(self.action(span, |this| this.deliver(span, argument, false))),
                "cc" => {
                    units.push(self.action(span, |this| this.deliver(span, argument, true)));
                }
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
            },
        }
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
    fn action(
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

    /// A command in backquotes, on its own.
    fn command(&mut self, span: Span, command: &Expression) -> Option<Unit> {
        let written = command_text(command).unwrap_or_default();
        let words: Vec<String> = shell_words(&written).iter().map(|word| unquoted(word)).collect();
        let is_reformail = words
            .first()
            .is_some_and(|word| is_program(word, "reformail") || is_program(word, "formail"));
        let dead = |why: &str| {
            let fidelity = Fidelity::Dead(why.into());
            Some(Unit { fidelity, count: 0, ..Unit::new(span) })
        };
        if is_reformail && words.get(1).is_some_and(|word| word.starts_with("-D")) {
            self.note(
                "what reformail's cache of Message-IDs was, `duplicate` remembers when a message \
                 is delivered",
            );
            self.set_code(ReturnCode::Known(Cond::not(Cond::Word("duplicate".into()))));
            return dead("`duplicate` is asked for where it counts");
        }
        if let Some(makes) = command_of(command) {
            let code = self.code_of(makes, &words, command);
            self.set_code(code);
            return match makes {
                true => dead(MAKES_FOLDERS),
                // What results from it is reported where something asks for it.
                false => None,
            };
        }
        if self.code_is_asked {
            self.set_code(ReturnCode::Unknown);
            return Some(match self.command_words(command, 0) {
                Ok(CommandWords { words, differs }) => {
                    let number = self.uses.code_number || self.uses.code_one;
                    let effects = self.ask(span, words, number);
                    let fidelity = differs.map_or(Fidelity::Exact, Fidelity::Approximate);
                    Unit { effects, fidelity, ..Unit::new(span) }
                }
                Err(why) => Unit::not(span, why),
            });
        }
        self.set_code(ReturnCode::Unknown);
        let unit = self.action(span, |this| this.run(command));
        Some(unit)
    }

    /// What is known of the result of a command that only looks for folders or creates
    /// them.
    fn code_of(&mut self, makes: bool, words: &[String], command: &Expression) -> ReturnCode {
        let code = match (makes, words) {
            (false, [test, sign, path]) if test == "test" => self.exists(sign, path),
            (false, [test, sign, path, _]) if test == "[" => self.exists(sign, path),
            (false, _) => ReturnCode::Exists(None, CommandWords::default()),
            (true, _) => ReturnCode::Known(Cond::Never),
        };
        match code {
            ReturnCode::Exists(path, _) => {
                ReturnCode::Exists(path, self.command_words(command, 0).unwrap_or_default())
            }
            code => code,
        }
    }

    /// Runs a program whose result is asked for, or which number that is.
    pub(super) fn ask(&mut self, span: Span, words: Vec<String>, number: bool) -> Vec<Effect> {
        self.note(ASKED);
        if number {
            return status_of(&self.keep_code(), words, span);
        }
        self.set_code(ReturnCode::Program(Cond::Word("filter-failed".into())));
        vec![Effect::Program("filter", asking(None, words)), if_unasked(span)]
    }

    /// ``NAME=`program` ``: what the program prints is kept.
    fn printed(&mut self, span: Span, name: &str, command: &Expression) -> Option<Unit> {
        if command_of(command).is_some() {
            return None;
        }
        let CommandWords { words, differs } = self.command_words(command, 0).ok()?;
        self.note(ASKED);
        self.note(ONE_BLANK);
        let kept = kept_name(name);
        let effects = printed_with_status(&kept, &self.keep_code(), words, span);
        self.variables.set(name, MaildropVariable::Kept(kept, None));
        let fidelity = differs.map_or(Fidelity::Exact, Fidelity::Approximate);
        Some(Unit { effects, fidelity, count: 0, ..Unit::new(span) })
    }

    /// A pattern on its own: `MATCH` is the whole header that it names.
    fn search(&mut self, pattern: &Expression) {
        self.variables.forget_matches();
        let Expression::Pattern { of: None, source, .. } = pattern else { return };
        let [ExpressionPiece::Raw(source)] = source.as_slice() else { return };
        let named = source.strip_prefix('^').and_then(|rest| rest.split_once(':'));
        let Some((name, rest)) = named else { return };
        let is_name = !name.is_empty()
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
        let rest = rest.trim_start_matches([' ', '*']).trim_start_matches("\\s*");
        let field = header(name);
        let template = format!("{{{field}}}");
        if !is_name {
            return;
        }
        match rest {
            ".*" => {
                let template = format!("{name}: {template}");
                let captured = MaildropCapture { template, number: None, rest: Some(field) };
                self.variables.set("MATCH", MaildropVariable::Captured(captured));
            }
            "(.*)" => self.variables.set("MATCH1", MaildropVariable::Field(field, template)),
            _ => {}
        }
    }

    /// What `test -d path` says, and its like. The Maildir exists.
    fn exists(&mut self, sign: &str, written: &str) -> ReturnCode {
        let (path, guess) = match self.path_in(written) {
            Some(path) => {
                let names: Vec<&str> = written
                    .split("${")
                    .skip(1)
                    .filter_map(|rest| rest.split_once('}').map(|(name, _)| name))
                    .collect();
                (path, self.variables.guess_in(&names))
            }
            None => match self.path_in_own_maildir(written) {
                Some(found) => found,
                None => return ReturnCode::Exists(None, CommandWords::default()),
            },
        };
        if matches!(sign, "-d" | "-e" | "-r" | "-w" | "-x") && self.is_inbox(&path) {
            self.note("the Maildir is assumed to exist: mfilter creates it itself");
            return ReturnCode::Known(Cond::Never);
        }
        match self.places().folder_at(&path).filter(|_| matches!(sign, "-d" | "-e")) {
            Some(name) => ReturnCode::Folder { path, name, guess },
            None => ReturnCode::Exists(Some(path), CommandWords::default()),
        }
    }

    /// `${MAILDIR}/.Folder`, where it is unknown what MAILDIR is; and why it is.
    fn path_in_own_maildir(&mut self, written: &str) -> Option<(String, Option<String>)> {
        let (name, below) = written.strip_prefix("${")?.split_once('}')?;
        let called = self.called_maildir(name);
        let fits = match called {
            true => below.is_empty() || below.starts_with('/'),
            false => name == "MAILDIR" && below.starts_with("/."),
        };
        let why = match self.variables.get(name) {
            MaildropVariable::Constant(_) => return None,
            MaildropVariable::Unknown(why) => why,
            _ => place_of_a_message(name),
        };
        let path = format!("{}{}", self.inbox.trim_end_matches('/'), self.path_in(below)?);
        fits.then(|| (path, (!called).then_some(why)))
    }

    /// A path in a command, with its variables.
    fn path_in(&self, written: &str) -> Option<String> {
        let mut text = String::new();
        let mut rest = written;
        while let Some((before, after)) = rest.split_once("${") {
            text.push_str(before);
            let (name, after) = after.split_once('}')?;
            match self.variables.get(name) {
                MaildropVariable::Constant(value) => text.push_str(&value),
                _ => return None,
            }
            rest = after;
        }
        text.push_str(rest);
        Some(text)
    }

    /// `NAME=value`
    fn assign(&mut self, span: Span, name: &str, value: &Expression) -> Option<Unit> {
        if WITHOUT_MEANING.contains(&name) {
            let text = self.text_of(value).ok().and_then(|text| text.constant);
            self.variables.set(name, MaildropVariable::Constant(text.unwrap_or_default()));
            return None;
        }
        if matches!(name, "FLAGS" | "KEYWORDS") {
            return Some(Unit { count: 0, ..self.action(span, |this| this.marks(name, value)) });
        }
        let guess = self.variables.guess_in(&value.names());
        self.variables.set_place(name, None);
        if let Some(unit) = self.cut(span, name, value) {
            return Some(unit);
        }
        self.joined.remove(name);
        let before = self.captured;
        let mut found = self.value(value);
        self.captured = before;
        if value.runs_a_program() {
            let written = command_text(value).unwrap_or_default();
            let words = shell_words(&written);
            let words: Vec<String> = words.iter().map(|word| unquoted(word)).collect();
            let code = match command_of(value) {
                Some(makes) => self.code_of(makes, &words, value),
                None => ReturnCode::Unknown,
            };
            self.set_code(code);
        }
        if (found.is_err() || value.runs_a_program())
            && let Some(given) = self.variables.given(name)
        {
            found = Ok(Value::Variable(given));
        }
        if found.is_err()
            && matches!(value, Expression::Command(_))
            && let Some(unit) = self.printed(span, name, value)
        {
            if is_place(name) {
                self.guess(name, name);
            }
            return Some(unit);
        }
        let variable = match found {
            Ok(Value::Variable(variable)) => variable,
            Ok(Value::Truth(Cond::Always)) => MaildropVariable::Constant("1".into()),
            Ok(Value::Truth(Cond::Never)) => MaildropVariable::Constant("0".into()),
            Ok(Value::Size) => MaildropVariable::Field("size".into(), "{size}".into()),
            Ok(_) => MaildropVariable::Unknown(format!("{name} is the result of a condition")),
            Err(why) => {
                let called = self.called_with(value).map(MaildropPlace::Called);
                let is_called = called.is_some();
                self.variables.set_place(name, called);
                let path = match is_called {
                    true => None,
                    false => self.with_own_maildir(value, &why),
                };
                match path {
                    Some((MaildropText { constant: Some(path), .. }, guess)) => {
                        if guess.is_some() {
                            let guess = Some(MaildropPlace::Guessed(why));
                            self.variables.set_place(name, guess);
                        }
                        MaildropVariable::Constant(path)
                    }
                    _ => MaildropVariable::Unknown(format!("{name}: {why}")),
                }
            }
        };
        if let Some(why) = guess {
            self.variables.set_place(name, Some(MaildropPlace::Guessed(why)));
        }
        match variable {
            MaildropVariable::Kept(_, None)
            | MaildropVariable::Template(..)
            | MaildropVariable::Field(..)
            | MaildropVariable::Captured(_)
                if is_place(name) =>
            {
                let names = value.names();
                let is_unknown = |name: &&str| {
                    !matches!(self.variables.get(name), MaildropVariable::Constant(_))
                };
                let depends_on = names.into_iter().find(is_unknown).unwrap_or(name).to_owned();
                self.guess(name, &depends_on);
                None
            }
            MaildropVariable::Constant(text) if name == "SENDMAIL" && self.depth == 0 => {
                if text.starts_with('/') {
                    self.draft.settings.push(("sendmail".into(), quote(&text)));
                }
                self.variables.set(name, MaildropVariable::Constant(text));
                None
            }
            // What a pattern captured is gone after its rule, and tests need fields.
            MaildropVariable::Template(template, true)
            | MaildropVariable::Captured(MaildropCapture { template, .. })
                if self.uses.tested.contains(name) =>
            {
                let kept = kept_name(name);
                self.variables.set(name, MaildropVariable::Kept(kept.clone(), None));
                Some(Unit {
                    effects: vec![Effect::Let(kept, template)],
                    count: 0,
                    ..Unit::new(span)
                })
            }
            other => {
                self.variables.set(name, other);
                None
            }
        }
    }

    /// A path that depends on a variable is taken for the Maildir.
    fn guess(&mut self, name: &str, depends_on: &str) {
        let why = place_of_a_message(depends_on);
        let inbox = self.inbox.trim_end_matches('/').to_owned();
        self.variables.set(name, MaildropVariable::Constant(inbox));
        self.variables.set_place(name, Some(MaildropPlace::Guessed(why)));
    }

    fn include(&mut self, span: Span, file: &Expression) -> Vec<Unit> {
        let path = match self.text_of(file) {
            Ok(text) => text
                .constant
                .ok_or_else(|| "the name of the file comes from the message".to_owned()),
            Err(why) => Err(why),
        };
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
                Err(error) => Err(unreadable(&format!("`{written}`"), &path, &error)),
            }
        });
        let (path, bytes) = match read {
            Ok(read) => read,
            Err(why) => {
                self.variables.maybe_set = Some("a file that is not read may set it".into());
                return vec![Unit { would_end: true, ..Unit::not(span, why) }];
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

/// Whether statements ask for the result of the program before them; none if nothing in
/// them decides that.
fn asks_for_code(after: &[MaildropStatement]) -> Option<bool> {
    for statement in after {
        match &statement.kind {
            MaildropStatementKind::If(branches) => {
                let asks = branches.iter().any(|branch| match &branch.condition {
                    Ok(Some(condition)) => condition.names().contains(&"RETURNCODE"),
                    _ => false,
                });
                return Some(asks);
            }
            MaildropStatementKind::Assign(_, value) if !value.runs_a_program() => {}
            MaildropStatementKind::Comments
            | MaildropStatementKind::Import(_)
            | MaildropStatementKind::Word("log" | "logfile" | "echo", _) => {}
            _ => return Some(false),
        }
    }
    None
}

/// A unit for statements that are not translated.
pub(super) fn lost(span: Span, why: String, inner: &[MaildropStatement]) -> Unit {
    let would_end = may_end(inner);
    Unit { would_end, count: units_in(inner).max(1), ..Unit::not(span, why) }
}

/// The last effect of a unit, if it is a copy in a folder and made unconditionally.
fn copy_that_ends(unit: &mut Unit) -> Option<&mut Effect> {
    let is_plain = unit.condition == Cond::Always
        && matches!(unit.fidelity, Fidelity::Exact | Fidelity::Approximate(_));
    unit.effects.last_mut().filter(|effect| is_plain && matches!(effect, Effect::Copy(..)))
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
