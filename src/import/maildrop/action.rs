//! What statements do, as effects of ours.

use super::command::prints_the_message;
use super::compare::is_value;
use super::context::{CommandWords, FilterLowering, ReturnCode};
use super::expression::{Expression, ExpressionPiece};
use super::value::{
    MaildropPlace, MaildropText, MaildropVariable, Value, guessed_folder, kept_name,
    place_of_a_message,
};
use crate::flags::FLAGS;
use crate::import::folder::MailPlaces;
use crate::import::ir::{Cond, Draft, Effect, Mark, Unit, literal};
use crate::import::levels::of_either_name;
use crate::import::shell::{ASKED, filtered_with_status, is_program, shell_words, unquoted};
use crate::source::Span;

/// Why EXITCODE is not known: maildrop sets it to how the program of a `cc` ends.
pub(super) const OF_A_COPY: &str = "EXITCODE is how the program of an earlier `cc` ends";

/// What a statement does to the further processing of a message.
#[derive(Debug, Default)]
pub(super) struct MaildropResult {
    pub(super) effects: Vec<Effect>,
    /// Processing ends with it.
    pub(super) ends: bool,
    /// How it differs.
    pub(super) differs: Option<String>,
}

impl MaildropResult {
    fn of(effect: Effect, copy: bool) -> MaildropResult {
        MaildropResult { effects: vec![effect], ends: !copy, differs: None }
    }
}

impl FilterLowering<'_> {
    /// `to`, and `cc` for a copy.
    pub(super) fn deliver(
        &mut self,
        span: Span,
        target: &Expression,
        copy: bool,
    ) -> Result<MaildropResult, String> {
        if let Some((name, field, values)) = self.kept_in(target) {
            return self.alternatives(span, target, copy, &name, &field, &values);
        }
        let first = self.first_sign(target);
        if first == Some('|') {
            let CommandWords { words, differs } = self.command_words(target, 1)?;
            let action = match copy {
                true => {
                    self.note("if the program of a `cc` fails, only the log says so");
                    self.variables.set("EXITCODE", MaildropVariable::Unknown(OF_A_COPY.into()));
                    "run"
                }
                false => {
                    self.note(
                        "a program that fails: the mail server tries again, whatever its exit \
                         status",
                    );
                    "pipe"
                }
            };
            let done = MaildropResult::of(Effect::Program(action, words), copy);
            return Ok(MaildropResult { differs, ..done });
        }
        let mut differs = self.variables.guess_in(&target.names()).map(|why| guessed_folder(&why));
        let place = match (first, self.unknown_place(target).or_else(|| self.unknown_root(target)))
        {
            (Some('!'), _) | (_, None) => Ok(()),
            (_, Some(why)) => Err(why),
        };
        let text = match place.and_then(|()| self.text_of(target)) {
            Ok(text) => text,
            Err(why) => {
                let (text, guess) = self.with_own_maildir(target, &why).ok_or(why)?;
                differs = guess;
                text
            }
        };
        if first == Some('!') {
            return self.forward(&text, copy);
        }
        if text.constant.as_deref() == Some("/dev/null") {
            return if copy { Ok(MaildropResult::default()) } else { self.leave() };
        }
        let folder = self.places().folder(&text.template, &mut self.draft);
        let folder = folder.map_err(|why| self.never_set(target).unwrap_or(why))?;
        let is_kept = text.template.contains("/{md-")
            && folder.as_ref().is_some_and(|name| name.starts_with('{'));
        let delivery = Effect::delivery(folder, copy);
        if is_kept {
            match of_either_name(&delivery, span, &self.sources) {
                Some(effects) => return Ok(MaildropResult { effects, ends: !copy, differs }),
                None => differs.get_or_insert(
                    "the name may begin with a dot, as those of a Maildir's folders do on disk"
                        .into(),
                ),
            };
        }
        Ok(MaildropResult { differs, ..MaildropResult::of(delivery, copy) })
    }

    /// `exit`: nothing is delivered, and `EXITCODE` says what the mail server does.
    ///
    /// # Errors
    /// It is not known what EXITCODE is.
    pub(super) fn leave(&mut self) -> Result<MaildropResult, String> {
        let code = match self.variables.get("EXITCODE") {
            MaildropVariable::Constant(text) => text.trim().parse::<i32>().ok(),
            MaildropVariable::Unknown(why) => return Err(why),
            _ => return Err("EXITCODE depends on the message".into()),
        };
        Ok(MaildropResult::of(Effect::for_exit_code(code), false))
    }

    /// Whether mail is dropped there.
    pub(super) fn is_nowhere(&mut self, target: &Expression) -> bool {
        let text = self.text_of(target).ok().and_then(|text| text.constant);
        text.as_deref() == Some("/dev/null")
    }

    /// Why a text is not a path, if it begins with a variable that nothing sets.
    fn never_set(&self, target: &Expression) -> Option<String> {
        let mut pieces = Vec::new();
        target.pieces(&mut pieces);
        let Some(ExpressionPiece::Variable(name)) = pieces.first() else { return None };
        (!self.variables.is_set(name)).then(|| {
            format!("`${name}` is not set here: where another file includes this one, import that")
        })
    }

    /// Whether a path is where mail goes that no statement takes.
    pub(super) fn is_inbox(&self, path: &str) -> bool {
        self.places().folder(&literal(path), &mut Draft::default()) == Ok(None)
    }

    pub(super) fn places(&self) -> MailPlaces {
        // Folders are in the Maildir, which is also the inbox.
        let inbox = literal(&self.inbox);
        MailPlaces {
            start: "~".into(),
            maildir: inbox.clone(),
            inbox,
            named: self.maildir.as_deref().map(literal),
            one_level: self.joined.keys().map(|name| kept_name(name)).collect(),
        }
    }

    /// The first character of a text.
    fn first_sign(&self, of: &Expression) -> Option<char> {
        let mut pieces = Vec::new();
        of.pieces(&mut pieces);
        match pieces.first()? {
            ExpressionPiece::Raw(raw) => raw.trim_start().chars().next(),
            ExpressionPiece::Variable(name) => match self.variables.get(name) {
                MaildropVariable::Constant(text) => text.trim_start().chars().next(),
                _ => None,
            },
        }
    }

    pub(super) fn text_of(&mut self, of: &Expression) -> Result<MaildropText, String> {
        match self.value(of)? {
            Value::Variable(variable) => {
                let mut text = MaildropText::empty();
                text.push_variable(variable)?;
                Ok(text)
            }
            Value::Size => {
                Ok(MaildropText { template: "{size}".into(), constant: None, local: false })
            }
            _ => Err("a number where a text is expected".into()),
        }
    }

    /// Why it is unknown in which directory a path is: its name comes from the environment,
    /// from a program, or from what a pattern has captured.
    fn unknown_place(&self, target: &Expression) -> Option<String> {
        let mut pieces = Vec::new();
        target.pieces(&mut pieces);
        let mut directory = String::new();
        for (at, piece) in pieces.iter().enumerate() {
            let name = match piece {
                ExpressionPiece::Raw(raw) => {
                    directory.push_str(raw);
                    continue;
                }
                ExpressionPiece::Variable(name) => name,
            };
            let value = self.variables.get(name);
            let mut text = MaildropText::empty();
            text.push_variable(value.clone()).ok()?;
            let is_whole = at == 0
                && match &value {
                    MaildropVariable::Kept(_, None) => true,
                    MaildropVariable::Field(field, _) => field.starts_with("env "),
                    _ => false,
                };
            let goes_on = pieces
                .get(at + 1..)
                .unwrap_or_default()
                .iter()
                .any(|piece| matches!(piece, ExpressionPiece::Raw(raw) if raw.contains("/.")));
            let is_above = text.constant.is_none() && goes_on && !directory.contains("/.");
            if is_whole || is_above {
                return Some(place_of_a_message(name));
            }
            directory.push_str(&text.template);
        }
        None
    }

    /// The same for a path that begins with a variable whose own value begins with something
    /// unknown.
    fn unknown_root(&self, target: &Expression) -> Option<String> {
        let mut pieces = Vec::new();
        target.pieces(&mut pieces);
        let Some(ExpressionPiece::Variable(name)) = pieces.first() else { return None };
        let MaildropVariable::Template(template, _) = self.variables.get(name) else { return None };
        let (_, below) = template.strip_prefix('{')?.split_once('}')?;
        (!template.starts_with("{{") && below.contains('/')).then(|| place_of_a_message(name))
    }

    /// `$MAILDIR/.Folder` in the user's own Maildir, where it is unknown what MAILDIR is; and
    /// how that differs.
    pub(super) fn with_own_maildir(
        &mut self,
        target: &Expression,
        why: &str,
    ) -> Option<(MaildropText, Option<String>)> {
        let mut pieces = Vec::new();
        target.pieces(&mut pieces);
        let name = pieces.iter().find_map(|piece| match piece {
            ExpressionPiece::Variable(name) => Some(name.as_str()),
            ExpressionPiece::Raw(_) => None,
        })?;
        // The folder begins at `/.`, whatever names the Maildir before it.
        let at = pieces
            .iter()
            .position(|piece| matches!(piece, ExpressionPiece::Raw(raw) if raw.starts_with("/.")));
        let at = at.unwrap_or(1);
        let (before, rest) = pieces.split_at_checked(at)?;
        let is_known = |piece: &ExpressionPiece| match piece {
            ExpressionPiece::Raw(_) => true,
            ExpressionPiece::Variable(name) => {
                matches!(self.variables.get(name), MaildropVariable::Constant(_))
            }
        };
        if before.iter().all(|piece| is_known(piece)) {
            return None;
        }
        let is_one = matches!(before, [ExpressionPiece::Variable(_)]);
        let called = is_one && self.called_maildir(name);
        let is_maildir = is_one && (called || name.ends_with("MAILDIR") || name == "DEFAULT");
        let below = match rest.first() {
            Some(ExpressionPiece::Raw(raw)) => raw.clone(),
            _ => String::new(),
        };
        let fits =
            below.starts_with("/.") || is_maildir && (rest.is_empty() || below.starts_with('/'));
        if !fits {
            return None;
        }
        let rest: Vec<ExpressionPiece> = rest.iter().map(|piece| (*piece).clone()).collect();
        let below = self.variables.text(&rest).ok()?;
        let base = self.places().inbox;
        let base = base.trim_end_matches('/');
        let text = MaildropText {
            template: format!("{}{}", literal(base), below.template),
            constant: below.constant.map(|below| format!("{base}{below}")),
            local: below.local,
        };
        Some((text, (!called).then(|| guessed_folder(why))))
    }

    /// Whether a variable is the Maildir that maildrop is called with, which is the one that
    /// mfilter is called with.
    pub(super) fn called_maildir(&mut self, name: &str) -> bool {
        let Some(MaildropPlace::Called(text)) = self.variables.place(name) else { return false };
        let is_it = *self.called.get_or_insert_with(|| text.clone()) == *text;
        if is_it {
            self.draft.note(format!(
                "the Maildir is the argument `{text}` of maildrop: call mfilter with \
                 `--maildir` and the same value"
            ));
        }
        is_it
    }

    /// A text that consists of arguments of maildrop and constants, as it is written; none
    /// if it has other values in it, or no arguments.
    pub(super) fn called_with(&self, of: &Expression) -> Option<String> {
        if let Expression::Call(function, arguments) = of
            && matches!(function.as_str(), "tolower" | "toupper")
            && let [only] = arguments.as_slice()
        {
            return self.called_with(only);
        }
        let Expression::Text(pieces) = of else { return None };
        let (mut text, mut has_arguments) = (String::new(), false);
        for piece in pieces {
            match piece {
                ExpressionPiece::Raw(raw) => text.push_str(raw),
                ExpressionPiece::Variable(name) => match self.variables.get(name) {
                    MaildropVariable::Constant(value) => text.push_str(&value),
                    _ if name.bytes().all(|byte| byte.is_ascii_digit()) => {
                        has_arguments = true;
                        text.push_str(&format!("${name}"));
                    }
                    _ => {
                        let place = self.variables.place(name)?;
                        let MaildropPlace::Called(part) = place else { return None };
                        has_arguments = true;
                        text.push_str(part);
                    }
                },
            }
        }
        let text = text.trim_end_matches(['/', '.']);
        has_arguments.then(|| text.to_owned())
    }

    /// A variable in a path that may be any of several texts.
    fn kept_in(&self, target: &Expression) -> Option<(String, String, Vec<String>)> {
        target.names().into_iter().find_map(|name| match self.variables.get(name) {
            MaildropVariable::Kept(field, Some(values)) => Some((name.to_owned(), field, values)),
            _ => None,
        })
    }

    /// A delivery for each text that a variable may be.
    fn alternatives(
        &mut self,
        span: Span,
        target: &Expression,
        copy: bool,
        name: &str,
        field: &str,
        values: &[String],
    ) -> Result<MaildropResult, String> {
        let kept = self.variables.get(name);
        let mut done = MaildropResult { ends: !copy, ..MaildropResult::default() };
        let mut made = Ok(());
        for value in values {
            self.variables.set(name, MaildropVariable::Constant(value.clone()));
            let one = self
                .deliver(span, target, copy)
                .and_then(|one| Ok((is_value(field, value, values)?, one)));
            match one {
                Ok((condition, one)) => {
                    let unit = Unit {
                        falls_through: !one.ends,
                        ..Unit::part(span, condition, one.effects)
                    };
                    done.differs = done.differs.or(one.differs);
                    done.effects.push(Effect::Rule(unit));
                }
                Err(why) => made = Err(why),
            }
        }
        self.variables.set(name, kept);
        made.map(|()| done)
    }

    /// `!address address`
    fn forward(&mut self, text: &MaildropText, copy: bool) -> Result<MaildropResult, String> {
        let written = text.template.trim_start().trim_start_matches('!');
        let to: Vec<String> = written.split_whitespace().map(str::to_owned).collect();
        if to.is_empty() {
            return Err("it does not name an address".into());
        }
        if let Some(option) = to.iter().find(|address| address.starts_with('-')) {
            return Err(format!("`{option}` is an option of sendmail"));
        }
        if let Some(local) = to.iter().find(|address| !address.contains(['@', '{'])) {
            return Err(format!(
                "`{local}` is an address of this machine: write it with its domain"
            ));
        }
        Ok(MaildropResult::of(Effect::Forward { copy, to }, copy))
    }

    /// `xfilter`
    pub(super) fn filter(
        &mut self,
        span: Span,
        command: &Expression,
    ) -> Result<MaildropResult, String> {
        if let Some(done) = self.reformail(command)? {
            return Ok(done);
        }
        let CommandWords { words, differs } = self.command_words(command, 0)?;
        // What prints nothing has not failed.
        if self.in_exception
            && self.code_is_asked
            && (self.uses.code_number || !prints_the_message(&words))
        {
            self.note(ASKED);
            let effects = filtered_with_status(&self.keep_code(), words, span);
            return Ok(MaildropResult { effects, ends: false, differs });
        }
        let mut effects = vec![Effect::Program("filter", words)];
        // maildrop gives up there, and the mail server tries again.
        if !self.in_exception {
            let failed = Cond::Word("filter-failed".into());
            let defers = vec![Effect::Defer("4.3.0 a filter failed".into())];
            effects.push(Effect::Rule(Unit::part(span, failed, defers)));
            self.set_code(ReturnCode::Known(Cond::Never));
        } else {
            self.set_code(ReturnCode::Program(Cond::Word("filter-failed".into())));
        }
        Ok(MaildropResult { effects, ends: false, differs })
    }

    /// A command that is run for its effect.
    pub(super) fn run(&mut self, command: &Expression) -> Result<MaildropResult, String> {
        let CommandWords { words, differs } = self.command_words(command, 0)?;
        self.note("programs are run when the message is stored");
        let effects = vec![Effect::Program("run", words)];
        Ok(MaildropResult { effects, ends: false, differs })
    }

    /// `reformail -A "Name: value" -I "Name:"`, where nothing asks for these headers.
    fn reformail(&mut self, command: &Expression) -> Result<Option<MaildropResult>, String> {
        let Ok(text) = self.text_of(command) else { return Ok(None) };
        let words = shell_words(&text.template);
        let is_reformail = words.first().is_some_and(|word| is_program(word, "reformail"));
        if !is_reformail || text.template.contains(['|', ';', '>', '<', '`', '$', '&']) {
            return Ok(None);
        }
        let mut effects = Vec::new();
        let mut words = words.iter().skip(1).map(|word| unquoted(word));
        while let Some(word) = words.next() {
            let Some((option @ ("-A" | "-I"), joined)) = word.split_at_checked(2) else {
                return Ok(None);
            };
            let argument = match joined.is_empty() {
                true => words.next().unwrap_or_default(),
                false => joined.to_owned(),
            };
            let Some((name, value)) = argument.split_once(':') else { return Ok(None) };
            let value = value.trim();
            let is_name =
                !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
            let is_asked =
                self.uses.all_headers || self.uses.headers.contains(&name.to_lowercase());
            if !is_name || is_asked {
                return Ok(None);
            }
            effects.push(match (option, value.is_empty()) {
                ("-A", false) => Effect::AddHeader(name.to_owned(), value.to_owned()),
                ("-I", false) => Effect::SetHeader(name.to_owned(), value.to_owned()),
                ("-I", true) => Effect::RemoveHeader(name.to_owned()),
                _ => return Ok(None),
            });
        }
        Ok((!effects.is_empty()).then_some(MaildropResult { effects, ends: false, differs: None }))
    }

    /// `FLAGS` and `KEYWORDS`: what messages are stored with from here on.
    pub(super) fn marks(
        &mut self,
        name: &str,
        value: &Expression,
    ) -> Result<MaildropResult, String> {
        let text = self.text_of(value)?;
        let text = text.constant.ok_or("the message says which flags it gets")?;
        let mut marks = Vec::new();
        if name == "FLAGS" {
            for letter in text.chars() {
                let known = FLAGS.iter().find(|(_, known)| *known == letter);
                let known = known.filter(|(_, letter)| "DFRS".contains(*letter));
                let (word, _) = known.ok_or_else(|| format!("`{letter}` is not a flag"))?;
                marks.push(Mark::Flag(word));
            }
        } else {
            let words = text.split(',').map(str::trim).filter(|word| !word.is_empty());
            marks.extend(words.map(|word| Mark::Keyword(literal(word))));
        }
        // What was set before is replaced.
        let mut effects = Vec::new();
        if !self.marked.insert(name.to_owned()) {
            if name == "KEYWORDS" {
                return Err("KEYWORDS is set twice".into());
            }
            let all = ["draft", "flagged", "replied", "seen"].map(Mark::Flag);
            let others: Vec<Mark> = all.into_iter().filter(|mark| !marks.contains(mark)).collect();
            if !others.is_empty() {
                effects.push(Effect::Unmark(others));
            }
        }
        if !marks.is_empty() {
            effects.push(Effect::Mark(marks));
        }
        Ok(MaildropResult { effects, ..MaildropResult::default() })
    }
}
