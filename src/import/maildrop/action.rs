//! What statements do, as effects of ours.

use super::compare::is_value;
use super::context::FilterLowering;
use super::expression::{Expression, ExpressionPiece};
use super::value::{MaildropText, MaildropVariable, Value};
use crate::flags::FLAGS;
use crate::import::folder::MailPlaces;
use crate::import::ir::{Cond, Draft, Effect, Mark, Unit, literal};
use crate::import::shell::{is_program, shell_words, unquoted, without_comment};
use crate::source::Span;

/// What a statement does to the further processing of a message.
#[derive(Debug, Default)]
pub(super) struct MaildropDone {
    pub(super) effects: Vec<Effect>,
    /// Processing ends with it.
    pub(super) ends: bool,
    /// How it differs.
    pub(super) differs: Option<String>,
}

impl MaildropDone {
    fn of(effect: Effect, copy: bool) -> MaildropDone {
        MaildropDone { effects: vec![effect], ends: !copy, differs: None }
    }
}

/// Characters that are special to a shell.
const SHELL_SIGNS: [char; 15] =
    ['&', '|', '<', '>', '~', ';', '?', '*', '[', '(', ')', '{', '$', '`', '\n'];

/// A command with values that contain no blank, as words, without its first characters;
/// none if a shell has something else to do, or for other values.
fn separate_words(template: &str, skip: usize) -> Option<Vec<String>> {
    let template: String = template.trim_start().chars().skip(skip).collect();
    let (mut words, mut word, mut quote) = (Vec::new(), String::new(), None);
    let mut rest = template.trim();
    while let Some(c) = rest.chars().next() {
        if let Some(inner) = rest.strip_prefix('{').filter(|inner| !inner.starts_with('{')) {
            let (value, behind) = inner.split_once('}')?;
            let name = value.split(':').next().unwrap_or_default();
            let is_plain = name.starts_with("env ") || matches!(name, "user" | "envelope-from");
            if !is_plain || quote == Some('\'') {
                return None;
            }
            word.push_str(&format!("{{{value}}}"));
            rest = behind;
            continue;
        }
        rest = rest.get(c.len_utf8()..)?;
        match (quote, c) {
            (None, ' ' | '\t') => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
            }
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), c) if open == c => quote = None,
            (_, c) if SHELL_SIGNS.contains(&c) || c == '\\' || c == '}' => return None,
            (_, c) => word.push(c),
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
    let is_named = words.first().is_some_and(|program| !program.contains('{'));
    (quote.is_none() && is_named).then_some(words)
}

/// How a path differs whose Maildir was guessed.
pub(super) fn guessed_folder(why: &str) -> String {
    format!("taken for a folder of this Maildir: {why}")
}

impl FilterLowering<'_> {
    /// `to`, and `cc` for a copy.
    pub(super) fn deliver(
        &mut self,
        span: Span,
        target: &Expression,
        copy: bool,
    ) -> Result<MaildropDone, String> {
        if let Some((name, field, values)) = self.kept_in(target) {
            return self.alternatives(span, target, copy, &name, &field, &values);
        }
        let first = self.first_sign(target);
        if first == Some('|') {
            let words = self.command_words(target, 1)?;
            self.note(
                "a program that fails: the mail server tries again, whatever its exit status",
            );
            let action = if copy { "run" } else { "pipe" };
            return Ok(MaildropDone::of(Effect::Program(action, words), copy));
        }
        let guess = target.names().iter().find_map(|name| self.guessed.get(*name));
        let mut differs = guess.map(|why| guessed_folder(why));
        let text = match self.text_of(target) {
            Ok(text) => text,
            Err(why) => {
                let text = self.with_own_maildir(target).ok_or_else(|| why.clone())?;
                differs = Some(guessed_folder(&why));
                text
            }
        };
        if first == Some('!') {
            return self.forward(&text, copy);
        }
        if text.constant.as_deref() == Some("/dev/null") {
            return Ok(if copy { MaildropDone::default() } else { self.leave() });
        }
        let folder = self.places().folder(&text.template, &mut self.draft);
        let folder = folder.map_err(|why| self.never_set(target).unwrap_or(why))?;
        let effect = match (folder, copy) {
            (None, true) => Effect::Copy("INBOX".into(), Vec::new()),
            (None, false) => Effect::Inbox(Vec::new()),
            (Some(name), true) => Effect::Copy(name, Vec::new()),
            (Some(name), false) => Effect::Folder(name, Vec::new()),
        };
        Ok(MaildropDone { differs, ..MaildropDone::of(effect, copy) })
    }

    /// `exit`: nothing is delivered, and `EXITCODE` says what the mail server does.
    pub(super) fn leave(&mut self) -> MaildropDone {
        let code = match self.variables.get("EXITCODE") {
            MaildropVariable::Constant(text) => text.trim().parse::<i32>().ok(),
            _ => None,
        };
        let effect = match code {
            Some(75 | 111) => Effect::Defer("4.3.0 try again later".into()),
            Some(67) => Effect::Reject("5.1.1 there is no such user".into()),
            Some(77) => Effect::Reject("5.7.1 not wanted".into()),
            // qmail's 99: delivered, and nothing more.
            Some(0 | 99) | None => Effect::Discard(None),
            Some(_) => Effect::Reject("5.0.0 not delivered".into()),
        };
        MaildropDone::of(effect, false)
    }

    /// Why a path is none, if it begins with a variable that nothing sets.
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
        MailPlaces { start: "~".into(), maildir: inbox.clone(), inbox }
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

    /// `$MAILDIR/.Folder`, where it is unknown what MAILDIR is: the user's own.
    pub(super) fn with_own_maildir(&mut self, target: &Expression) -> Option<MaildropText> {
        let mut pieces = Vec::new();
        target.pieces(&mut pieces);
        let (ExpressionPiece::Variable(name), rest) = pieces.split_first()? else { return None };
        if !matches!(self.variables.get(name), MaildropVariable::Unknown(_)) {
            return None;
        }
        let is_maildir = matches!(name.as_str(), "MAILDIR" | "DEFAULT");
        let below: String = rest
            .first()
            .map(|piece| match piece {
                ExpressionPiece::Raw(raw) => raw.clone(),
                ExpressionPiece::Variable(_) => String::new(),
            })
            .unwrap_or_default();
        let fits =
            below.starts_with("/.") || is_maildir && (rest.is_empty() || below.starts_with('/'));
        if !fits {
            return None;
        }
        let rest: Vec<ExpressionPiece> = rest.iter().map(|piece| (*piece).clone()).collect();
        let below = self.variables.text(&rest).ok()?;
        let base = self.places().inbox;
        let base = base.trim_end_matches('/');
        Some(MaildropText {
            template: format!("{}{}", literal(base), below.template),
            constant: below.constant.map(|below| format!("{base}{below}")),
            local: below.local,
        })
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
    ) -> Result<MaildropDone, String> {
        let kept = self.variables.get(name);
        let mut done = MaildropDone { ends: !copy, ..MaildropDone::default() };
        let mut made = Ok(());
        for value in values {
            self.variables.set(name, MaildropVariable::Constant(value.clone()));
            let one = self
                .deliver(span, target, copy)
                .and_then(|one| Ok((is_value(field, value, values)?, one)));
            match one {
                Ok((condition, one)) => {
                    let unit = Unit {
                        condition,
                        effects: one.effects,
                        falls_through: !one.ends,
                        count: 0,
                        ..Unit::new(span)
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
    fn forward(&mut self, text: &MaildropText, copy: bool) -> Result<MaildropDone, String> {
        let written = text.template.trim_start().trim_start_matches('!');
        let to: Vec<String> = written.split_whitespace().map(str::to_owned).collect();
        if to.is_empty() {
            return Err("it does not name an address".into());
        }
        if let Some(option) = to.iter().find(|address| address.starts_with('-')) {
            return Err(format!("`{option}` is an option of sendmail's"));
        }
        if let Some(local) = to.iter().find(|address| !address.contains(['@', '{'])) {
            return Err(format!(
                "`{local}` is an address of this machine: write it with its domain"
            ));
        }
        Ok(MaildropDone::of(Effect::Forward { copy, to }, copy))
    }

    /// A command as words, without its first characters; run by a shell if that has
    /// something to do.
    pub(super) fn command_words(
        &mut self,
        of: &Expression,
        skip: usize,
    ) -> Result<Vec<String>, String> {
        let outer = self.variables.clone();
        for (name, text) in [("HOME", "$HOME"), ("LOGNAME", "$LOGNAME"), ("USER", "$USER")] {
            let is_own = self.variables.get(name) == outer.get(name)
                && !matches!(outer.get(name), MaildropVariable::Constant(value) if value != "~");
            if is_own {
                self.variables.set(name, MaildropVariable::Constant(text.into()));
            }
        }
        let text = match of {
            Expression::Command(pieces) => self.variables.text(pieces),
            _ => self.text_of(of),
        };
        self.variables = outer;
        let text = text?;
        let Some(text) = text.constant else {
            let words = separate_words(&text.template, skip);
            return words.ok_or_else(|| {
                "a shell would be given text from the message, which it might run".to_owned()
            });
        };
        let text: String = text.trim_start().chars().skip(skip).collect();
        let text = text.trim().replace("~/", "$HOME/");
        let text = without_comment(&text);
        if text.is_empty() {
            return Err("it does not name a program".into());
        }
        if text.contains("formail -r") || text.contains("mailbot") {
            return Err("an automatic answer: `reply \"file\"` is for that".into());
        }
        if text.contains(SHELL_SIGNS) || text.contains('\\') {
            return Ok(vec!["/bin/sh".into(), "-c".into(), literal(text)]);
        }
        Ok(shell_words(text).iter().map(|word| literal(&unquoted(word))).collect())
    }

    /// `xfilter`
    pub(super) fn filter(
        &mut self,
        span: Span,
        command: &Expression,
    ) -> Result<MaildropDone, String> {
        if let Some(done) = self.reformail(command)? {
            return Ok(done);
        }
        let words = self.command_words(command, 0)?;
        let mut effects = vec![Effect::Program("filter", words)];
        // maildrop gives up there, and the mail server tries again.
        if !self.in_exception {
            let unit = Unit {
                condition: Cond::Word("filter-failed".into()),
                effects: vec![Effect::Defer("4.3.0 a filter failed".into())],
                count: 0,
                ..Unit::new(span)
            };
            effects.push(Effect::Rule(unit));
        }
        Ok(MaildropDone { effects, ends: false, differs: None })
    }

    /// A command that is run for its effect.
    pub(super) fn run(&mut self, command: &Expression) -> Result<MaildropDone, String> {
        let words = self.command_words(command, 0)?;
        self.note("programs are run when the message is stored");
        Ok(MaildropDone::of(Effect::Program("run", words), true))
    }

    /// `reformail -A "Name: value" -I "Name:"`, where nothing asks for these headers.
    fn reformail(&mut self, command: &Expression) -> Result<Option<MaildropDone>, String> {
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
        Ok((!effects.is_empty()).then_some(MaildropDone { effects, ends: false, differs: None }))
    }

    /// `FLAGS` and `KEYWORDS`: what messages are stored with from here on.
    pub(super) fn marks(&mut self, name: &str, value: &Expression) -> Result<MaildropDone, String> {
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
        Ok(MaildropDone { effects, ..MaildropDone::default() })
    }
}
