//! Actions, and the reader of their arguments.

use super::test::is_header_name;
use super::{Checker, NameKind};
use crate::diagnostic::Severity;
use crate::flags::{FLAGS, Flags, is_keyword};
use crate::outcome::is_status;
use crate::rules::actions::{self, Action, ActionWord, ArgumentError, MOST_TARGETS, is_target};
use crate::rules::field::{self, FieldKind, FieldLookup};
use crate::rules::list_entry::judge;
use crate::rules::mistake::{
    ActionMistake, ConfinedMistake, LearnMistake, NameMistake, RuleErrorKind, SettingMistake,
    TestMistake, WordKind,
};
use crate::rules::program::{AddressPart, Entries, Field};
use crate::rules::template::{FlagsTemplate, Template, TemplatePart};
use crate::source::{Span, Spanned};
use crate::syntax::ast::{self, ValueKind, ValueNode};
use crate::syntax::{quote, words};

/// Reads the arguments of one action and reports what is wrong with them.
pub(in crate::rules) struct ActionReader<'r, 'a, 's> {
    checker: &'r mut Checker<'a, 's>,
    /// As written.
    pub(in crate::rules) action: &'r ast::ActionNode,
    /// The word of the action.
    pub(in crate::rules) word: &'static ActionWord,
}

/// A string among an action's arguments.
pub(in crate::rules) struct ArgumentText<'v> {
    pub(in crate::rules) text: &'v str,
    span: Span,
}

impl Checker<'_, '_> {
    /// The action that was meant by a name that resembles no action, `-> Work`.
    fn bare_folder(&mut self, action: &ast::ActionNode) -> Option<String> {
        let name = action.name.value.as_str();
        let is_bare = action.arguments.is_empty()
            && !FLAGS.iter().any(|(flag, _)| *flag == name)
            && self.nearest(WordKind::Action, name).is_none();
        is_bare.then(|| format!("folder {}", quote(name)))
    }

    pub(super) fn action(&mut self, action: &ast::ActionNode) -> Option<Action> {
        let name = action.name.value.as_str();
        let Some(word) = actions::find(name) else {
            let suggestion = words::suggest_action(name, !action.arguments.is_empty());
            let suggestion = suggestion.map(|suggestion| self.by_its_name(suggestion));
            match suggestion.or_else(|| self.bare_folder(action)) {
                Some(suggestion) => {
                    let (what, name) = (WordKind::Action, name.to_owned());
                    let mistake = NameMistake::Unknown { what, name, near: Some(suggestion) };
                    self.report(action.name.span, mistake);
                }
                None => self.unknown(WordKind::Action, name, action.name.span),
            }
            return None;
        };
        if let (false, Some(first)) = (word.takes_flags, action.flags.first()) {
            self.report(first.span, ActionMistake::NoFlags { action: name.to_owned() });
            return None;
        }
        match (word.read)(&mut ActionReader { checker: self, action, word }) {
            Ok(action) => Some(action),
            Err(ArgumentError::Reported) => None,
            Err(ArgumentError::WrongArguments) => {
                let mistake =
                    ActionMistake::WrongArguments { action: name.to_owned(), usage: word.usage };
                self.report(action.span, mistake);
                None
            }
        }
    }

    /// `folder "Trash"` or `folder "Junk"`, by the name that the rules set for it.
    fn by_its_name(&self, action: &str) -> String {
        let settings = &self.program.settings;
        let name = match action {
            words::TRASH => settings.trash.as_deref(),
            words::JUNK => settings.junk.as_deref(),
            _ => None,
        };
        name.map_or_else(|| action.to_owned(), |name| format!("folder {}", quote(name)))
    }
}

impl<'r> ActionReader<'r, '_, '_> {
    fn report<T>(
        &mut self,
        span: Span,
        mistake: impl Into<RuleErrorKind>,
    ) -> Result<T, ArgumentError> {
        self.checker.report(span, mistake);
        Err(ArgumentError::Reported)
    }

    /// Reports that another kind of value is required.
    pub(in crate::rules) fn wrong_value<T>(
        &mut self,
        expected: &'static str,
        value: &ValueNode,
        hint: Option<String>,
    ) -> Result<T, ArgumentError> {
        self.checker.wrong_value(expected, value, hint);
        Err(ArgumentError::Reported)
    }

    /// A value that must be a string.
    pub(in crate::rules) fn text_of<'v>(
        &mut self,
        value: &'v ValueNode,
    ) -> Result<ArgumentText<'v>, ArgumentError> {
        match &value.kind {
            ValueKind::Text(text) => Ok(ArgumentText { text, span: value.span }),
            _ => {
                let hint = self.unquoted(value);
                self.wrong_value("a quoted string", value, Some(hint))
            }
        }
    }

    /// What to do with an argument that is not a string: `to` in `folder to "A"`, `A` in
    /// `folder A`.
    fn unquoted(&self, value: &ValueNode) -> String {
        let written = self.checker.written(value);
        let arguments = self.action.arguments.iter();
        let next = arguments.skip_while(|argument| argument.span != value.span).nth(1);
        let is_needless = matches!(written.as_str(), "to" | "into");
        let is_flag = FLAGS.iter().any(|(flag, _)| *flag == written);
        let is_copy = self.word.name == "forward" && matches!(written.as_str(), "keep" | "copy");
        let texts = self.action.arguments.iter();
        let texts = texts.filter(|argument| matches!(argument.kind, ValueKind::Text(_)));
        let given: Vec<String> = texts.map(|text| self.checker.written(text)).collect();
        match next {
            _ if is_copy => {
                let text = format!("copy {}", given.join(" "));
                format!("write `{} {text}`", self.action.name.value)
            }
            _ if is_flag && self.word.takes_flags => {
                let name = [self.action.name.value.clone()];
                let text = name.into_iter().chain(given).collect::<Vec<_>>().join(" ");
                format!("write `{text} as {written}`")
            }
            Some(next) if is_needless && matches!(next.kind, ValueKind::Text(_)) => {
                let text = self.checker.written(next);
                format!("write `{} {text}`", self.action.name.value)
            }
            _ => format!("put it in quotes: `\"{}\"`", self.checker.written(value)),
        }
    }

    /// Reports a word in the braces of an action that is already there.
    pub(in crate::rules) fn given_twice(
        &mut self,
        name: &str,
        span: Span,
        at: Span,
    ) -> Result<(), ArgumentError> {
        self.report(span, SettingMistake::Twice { name: name.to_owned(), at })
    }

    /// Reports a word in the braces of an action that has no meaning there.
    pub(in crate::rules) fn unknown_named_argument(
        &mut self,
        name: &str,
        span: Span,
    ) -> Result<(), ArgumentError> {
        self.checker.unknown(WordKind::NamedArgument, name, span);
        Err(ArgumentError::Reported)
    }

    /// Reports a text that cannot be the author of an answer.
    pub(in crate::rules) fn no_sender<T>(
        &mut self,
        text: &str,
        span: Span,
    ) -> Result<T, ArgumentError> {
        self.report(span, ActionMistake::BadSender { text: text.to_owned() })
    }

    /// Entries as in `set me`.
    pub(in crate::rules) fn own_addresses(
        &mut self,
        value: &ValueNode,
    ) -> Result<Vec<String>, ArgumentError> {
        if !matches!(value.kind, ValueKind::Set(_) | ValueKind::Text(_)) {
            let hint = Some(String::from("`for [\"taro@example.jp\"]`"));
            return self.wrong_value("a set of your addresses", value, hint);
        }
        let elements = self.checker.elements(value);
        let expected = elements.len();
        let entries = self.checker.list_entries(elements);
        for entry in &entries {
            if let Some(reason) = judge(&entry.value) {
                self.checker.bad_entry(entry.span, &entry.value, &reason);
            }
        }
        match entries.len() == expected {
            true => Ok(entries.into_iter().map(|entry| entry.value).collect()),
            false => Err(ArgumentError::Reported),
        }
    }

    /// The arguments, all of which must be strings.
    pub(in crate::rules) fn texts(&mut self) -> Result<Vec<ArgumentText<'r>>, ArgumentError> {
        self.texts_from(0)
    }

    /// The arguments from `first` on, all of which must be strings.
    pub(in crate::rules) fn texts_from(
        &mut self,
        first: usize,
    ) -> Result<Vec<ArgumentText<'r>>, ArgumentError> {
        let arguments = self.action.arguments.get(first..).unwrap_or_default();
        let mut texts = Vec::with_capacity(arguments.len());
        for argument in arguments {
            texts.extend(self.text_of(argument).ok());
        }
        if texts.len() == arguments.len() { Ok(texts) } else { Err(ArgumentError::Reported) }
    }

    /// A string with inserts.
    pub(in crate::rules) fn template(
        &mut self,
        text: &ArgumentText<'_>,
    ) -> Result<Template, ArgumentError> {
        self.checker.template(text.text, 0, text.span).ok_or(ArgumentError::Reported)
    }

    /// The flags after `as`.
    pub(in crate::rules) fn flags(&mut self) -> Result<FlagsTemplate, ArgumentError> {
        self.flags_among(&self.action.flags)
    }

    /// Flags and keywords: a word is a flag; a string is a keyword, unless a flag
    /// has that name.
    pub(in crate::rules) fn flags_among(
        &mut self,
        values: &[ValueNode],
    ) -> Result<FlagsTemplate, ArgumentError> {
        let mut flags = FlagsTemplate::default();
        let mut is_fine = true;
        for value in values {
            is_fine &= self.flag(value, &mut flags).is_ok();
        }
        if is_fine { Ok(flags) } else { Err(ArgumentError::Reported) }
    }

    fn flag(&mut self, value: &ValueNode, flags: &mut FlagsTemplate) -> Result<(), ArgumentError> {
        let (ValueKind::Text(word) | ValueKind::Name(word)) = &value.kind else {
            return self.wrong_value("a flag", value, None);
        };
        if let Some((_, letter)) = FLAGS.iter().find(|(name, _)| name == word) {
            let flag = Flags { letters: letter.to_string(), keywords: Vec::new() };
            flags.known = flags.known.and(&flag);
            return Ok(());
        }
        let is_text = matches!(value.kind, ValueKind::Text(_));
        if !is_text && !word.starts_with('$') {
            self.checker.unknown(WordKind::Flag, word, value.span);
            return Err(ArgumentError::Reported);
        }
        let template = match is_text {
            true => self.checker.template(word, 0, value.span).ok_or(ArgumentError::Reported)?,
            false => Template { parts: vec![TemplatePart::Text(word.clone())] },
        };
        let [TemplatePart::Text(keyword)] = template.parts.as_slice() else {
            if template.parts.is_empty() {
                return self.report(value.span, ActionMistake::BadKeyword { name: word.clone() });
            }
            flags.inserted.push(template);
            return Ok(());
        };
        if !is_keyword(keyword) {
            return self.report(value.span, ActionMistake::BadKeyword { name: word.clone() });
        }
        if let Some(flag) = words::flag_of_keyword(keyword) {
            let mistake = ActionMistake::KeywordLikeFlag { name: word.clone(), flag };
            self.checker.report(value.span, mistake);
        }
        let keyword = Flags { letters: String::new(), keywords: vec![keyword.clone()] };
        flags.known = flags.known.and(&keyword);
        Ok(())
    }

    /// The only argument as a folder, `None` for the inbox, and the flags after `as`.
    pub(in crate::rules) fn folder_and_flags(
        &mut self,
    ) -> Result<(Option<Template>, FlagsTemplate), ArgumentError> {
        let flags = self.flags();
        let texts = self.texts()?;
        let [name] = texts.as_slice() else { return Err(ArgumentError::WrongArguments) };
        let name = self.checker.folder(name.text, name.span).ok_or(ArgumentError::Reported)?;
        Ok((name, flags?))
    }

    /// The name of a header.
    pub(in crate::rules) fn header_name(
        &mut self,
        name: &ArgumentText<'_>,
    ) -> Result<String, ArgumentError> {
        if is_header_name(name.text) {
            return Ok(name.text.to_owned());
        }
        self.report(name.span, TestMistake::BadHeaderName { name: name.text.to_owned() })
    }

    /// The only argument as `"5.7.1 text"`, RFC 3463.
    pub(in crate::rules) fn refusal(
        &mut self,
        class: char,
    ) -> Result<(String, Template), ArgumentError> {
        let texts = self.texts()?;
        let [text] = texts.as_slice() else { return Err(ArgumentError::WrongArguments) };
        let action = self.word.name.to_owned();
        let (status, rest) = text.text.split_once(' ').unwrap_or((text.text, ""));
        if !is_status(status, class) {
            return self.report(text.span, ActionMistake::BadStatus { action, class });
        }
        let words = rest.trim_start();
        if words.is_empty() {
            return self.report(text.span, ActionMistake::NoReason { action, class });
        }
        let skip = text.text.len() - words.len();
        let words = self.checker.template(words, skip, text.span).ok_or(ArgumentError::Reported)?;
        Ok((status.to_owned(), words))
    }

    /// A program and its arguments. The user chooses the program, never a message.
    pub(in crate::rules) fn program(&mut self) -> Result<Vec<Template>, ArgumentError> {
        let texts = self.texts()?;
        let Some(program) = texts.first() else { return Err(ArgumentError::WrongArguments) };
        let wrong = match program.text {
            "" => Some("it is empty"),
            text if text.contains(['{', '}']) => Some("no value may be inserted in it"),
            text if text.contains(char::is_control) => Some("it contains a control character"),
            text if text.contains(' ') && !text.starts_with(['/', '~']) => {
                Some("each argument is a string of its own")
            }
            _ => None,
        };
        if let Some(why) = wrong {
            let mistake = ActionMistake::BadProgram { name: program.text.to_owned(), why };
            self.checker.report(program.span, mistake);
        } else if let Some(site) = self.checker.context.confinement {
            if !site.programs.contains_key(program.text) {
                let (name, allowed) =
                    (program.text.to_owned(), site.programs.keys().cloned().collect());
                let mistake = ConfinedMistake::Program { name, allowed };
                self.checker.report(program.span, mistake);
            }
        } else {
            let named = Spanned { value: program.text.to_owned(), span: program.span };
            self.checker.programs.push(named);
        }
        let words: Vec<_> = texts.iter().map(|text| self.template(text)).collect();
        if wrong.is_some() { Err(ArgumentError::Reported) } else { words.into_iter().collect() }
    }

    /// Addresses to forward to.
    pub(in crate::rules) fn targets(
        &mut self,
        to: &[ArgumentText<'_>],
    ) -> Result<Vec<Template>, ArgumentError> {
        if let Some(more) = to.get(MOST_TARGETS) {
            return self.report(more.span, ActionMistake::TooManyTargets { limit: MOST_TARGETS });
        }
        let targets: Vec<_> = to.iter().map(|to| self.target(to)).collect();
        targets.into_iter().collect()
    }

    fn target(&mut self, to: &ArgumentText<'_>) -> Result<Template, ArgumentError> {
        let template = self.template(to)?;
        let literal = template.parts.iter().all(|part| matches!(part, TemplatePart::Text(_)));
        if literal && !is_target(to.text) {
            return self.report(to.span, ActionMistake::BadAddress { text: to.text.to_owned() });
        }
        Ok(template)
    }

    /// Records the file of an answer's text.
    pub(in crate::rules) fn reply_file(&mut self, path: &str, span: Span) {
        self.checker.shell_path(path, span, Severity::Warning);
        self.checker.reply_files.push((path.to_owned(), span));
    }

    /// A field that can be added to a list: addresses or their domains, `list-id`
    /// or `thread`, by its name; index into the program's fields.
    pub(in crate::rules) fn address_field(
        &mut self,
        name: &str,
        value: &ValueNode,
    ) -> Result<u32, ArgumentError> {
        match field::find(name) {
            Some(FieldLookup::Field(field, FieldKind::Address)) => Ok(self.checker.field(field)),
            Some(FieldLookup::Field(
                field @ (Field::Address(_, AddressPart::Domain) | Field::ListId | Field::Thread),
                _,
            )) => Ok(self.checker.field(field)),
            Some(_) => {
                let hint = Some(String::from(
                    "`from`, `to`, `from.domain`, `list-id` and `thread`, for example",
                ));
                self.wrong_value("a field that a list can hold", value, hint)
            }
            None => {
                self.checker.unknown(WordKind::Field, name, value.span);
                Err(ArgumentError::Reported)
            }
        }
    }

    /// The value of a `let`, by its name; index into the program's values.
    pub(in crate::rules) fn value(&mut self, name: &str, span: Span) -> Result<u32, ArgumentError> {
        if let Some((NameKind::Value(known), _)) = self.checker.names.get(name) {
            return Ok(*known);
        }
        let index = self.checker.program.values.len() as u32;
        let word = Spanned { value: name.to_owned(), span };
        self.checker.declare(&word, NameKind::Value(index));
        if !matches!(self.checker.names.get(name), Some((NameKind::Value(_), _))) {
            return Err(ArgumentError::Reported);
        }
        self.checker.program.values.push(name.to_owned());
        Ok(index)
    }

    /// A list in a file, by its name; index into the program's lists. `grows` if
    /// the action adds to it.
    pub(in crate::rules) fn list_file(
        &mut self,
        name: &str,
        span: Span,
        grows: bool,
        holds_texts: bool,
    ) -> Result<u32, ArgumentError> {
        let index = self.checker.named_list(name, span).ok_or(ArgumentError::Reported)?;
        let list = self.checker.program.lists.get_mut(index as usize);
        let name = name.to_owned();
        match list.as_ref().map(|list| &list.entries) {
            Some(Entries::File(_)) => {}
            Some(Entries::Sent(_) | Entries::Senders(_) | Entries::Cards(_)) => {
                let mistake = LearnMistake::MadeListEdited { name };
                return self.report(span, mistake);
            }
            _ => {
                return self.report(span, ActionMistake::ListInTheRules { name });
            }
        }
        if let (true, Some(list)) = (grows, list) {
            list.grows = true;
        }
        if holds_texts {
            self.checker.text_lists.insert(index);
        }
        Ok(index)
    }
}
