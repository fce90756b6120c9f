//! Commands in backquotes, and what is known of their results: `RETURNCODE`.

use super::context::{CommandWords, FilterLowering, ReturnCode};
use super::expression::Expression;
use super::parse::{MaildropStatement, MaildropStatementKind};
use super::uses::{command_of, command_text};
use super::value::{MaildropVariable, place_of_a_message};
use crate::import::ir::{Cond, Effect, Fidelity, Unit};
use crate::import::shell::{
    ASKED, MAKES_FOLDERS, asking, if_unasked, is_program, shell_words, status_of, unquoted,
};
use crate::source::Span;

impl FilterLowering<'_> {
    /// A command in backquotes, on its own.
    pub(super) fn command(&mut self, span: Span, command: &Expression) -> Option<Unit> {
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
    pub(super) fn code_of(
        &mut self,
        makes: bool,
        words: &[String],
        command: &Expression,
    ) -> ReturnCode {
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
}

/// Whether statements ask for the result of the program before them; none if nothing in
/// them decides that.
pub(super) fn asks_for_code(after: &[MaildropStatement]) -> Option<bool> {
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
