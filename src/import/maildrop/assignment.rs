//! What variables are set to.

use super::context::{CommandWords, FilterLowering, ReturnCode};
use super::expression::{Expression, ExpressionPiece};
use super::uses::{command_of, command_text};
use super::value::{
    MaildropCapture, MaildropPlace, MaildropText, MaildropVariable, Value, kept_name,
    place_of_a_message,
};
use crate::import::ir::{Cond, Effect, Fidelity, Unit, header};
use crate::import::shell::{ASKED, ONE_BLANK, printed_with_status, shell_words, unquoted};
use crate::source::Span;
use crate::syntax::quote;

/// Variables that name a Maildir.
fn is_place(name: &str) -> bool {
    matches!(name, "MAILDIR" | "DEFAULT")
}

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
    /// `NAME=value`
    pub(super) fn assign(&mut self, span: Span, name: &str, value: &Expression) -> Option<Unit> {
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
            self.set_code_of(value);
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
            Err(why) => self.unknown_value(name, value, why),
        };
        if let Some(why) = guess {
            self.variables.set_place(name, Some(MaildropPlace::Guessed(why)));
        }
        self.set(span, name, value, variable)
    }

    /// What `$RETURNCODE` is after the program whose output is this value.
    fn set_code_of(&mut self, value: &Expression) {
        let written = command_text(value).unwrap_or_default();
        let words = shell_words(&written);
        let words: Vec<String> = words.iter().map(|word| unquoted(word)).collect();
        let code = match command_of(value) {
            Some(makes) => self.code_of(makes, &words, value),
            None => ReturnCode::Unknown,
        };
        self.set_code(code);
    }

    /// A variable whose value is not known; as a path it may be known nevertheless.
    fn unknown_value(&mut self, name: &str, value: &Expression, why: String) -> MaildropVariable {
        let called = self.called_with(value).map(MaildropPlace::Called);
        let is_called = called.is_some();
        self.variables.set_place(name, called);
        let path = match is_called {
            true => None,
            false => self.with_own_maildir(value, &why),
        };
        let Some((MaildropText { constant: Some(path), .. }, guess)) = path else {
            return MaildropVariable::Unknown(format!("{name}: {why}"));
        };
        if guess.is_some() {
            self.variables.set_place(name, Some(MaildropPlace::Guessed(why)));
        }
        MaildropVariable::Constant(path)
    }

    /// Sets a variable; the unit is what has to be done for it.
    fn set(
        &mut self,
        span: Span,
        name: &str,
        value: &Expression,
        variable: MaildropVariable,
    ) -> Option<Unit> {
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
    pub(super) fn search(&mut self, pattern: &Expression) {
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
}
