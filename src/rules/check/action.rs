//! Actions: their arguments, their flags, and what their strings insert.

use super::Checker;
use super::condition::is_header_name;
use super::place::inside;
use crate::rules::address_list::judge;
use crate::rules::field::{self, FieldLookup, Kind};
use crate::rules::mistake::{LearnMistake, RuleErrorKind, Word};
use crate::rules::program::{Action, Entries, Field, Flags, Template, TemplatePart};
use crate::rules::template::{Part, TemplateError, split};
use crate::source::{Span, Spanned};
use crate::syntax::ast::{self, Value, ValueKind};

/// Every action, and how it is written.
pub const ACTIONS: &[(&str, &str)] = &[
    ("inbox", "`inbox [as FLAG …]`"),
    ("folder", "`folder \"A/B\" [as FLAG …]`"),
    ("copy", "`copy \"A/B\" [as FLAG …]`"),
    ("mark", "`mark FLAG …`"),
    ("unmark", "`unmark FLAG …`"),
    ("discard", "`discard`, or `discard \"why\"`"),
    ("reject", "`reject \"5.7.1 text\"`"),
    ("defer", "`defer \"4.3.0 text\"`"),
    ("add-header", "`add-header \"Name\" \"value\"`"),
    ("set-header", "`set-header \"Name\" \"value\"`"),
    ("remove-header", "`remove-header \"Name\"`"),
    ("log", "`log \"text\"`"),
    ("stop", "`stop`"),
    ("pipe", "`pipe \"program\" \"argument\" …`"),
    ("run", "`run \"program\" \"argument\" …`"),
    ("filter", "`filter \"program\" \"argument\" …`"),
    ("forward", "`forward \"address\" …`, or `forward copy \"address\" …`"),
    ("reply", "`reply \"file\"`, or `reply \"file\" every 7d`"),
    ("add", "`add from to NAME`, where NAME is a list"),
    ("remove", "`remove from from NAME`, where NAME is a list"),
];

/// Every flag, and its letter in a Maildir.
pub const FLAGS: &[(&str, char)] = &[
    ("seen", 'S'),
    ("replied", 'R'),
    ("flagged", 'F'),
    ("trashed", 'T'),
    ("draft", 'D'),
    ("passed", 'P'),
];

/// So many addresses does one message go to at most.
pub const MOST_TARGETS: usize = 10;
/// Longest address that mail is sent to, bytes.
pub const LONGEST_TARGET: usize = 254;
const HOUR: u64 = 3600;
const YEAR: u64 = 52 * 7 * 24 * HOUR;
/// How often a sender is answered, if nothing else is said: RFC 5230 §4.1.
const EVERY: u64 = 7 * 24 * HOUR;

/// A string among an action's arguments.
struct Text<'v> {
    text: &'v str,
    span: Span,
}

impl Checker<'_, '_> {
    pub(super) fn action(&mut self, action: &ast::Action) -> Option<Action> {
        let name = action.name.value.as_str();
        let Some((_, usage)) = ACTIONS.iter().find(|(known, _)| *known == name) else {
            self.unknown(Word::Action, name, action.name.span);
            return None;
        };
        let delivers = matches!(name, "inbox" | "folder" | "copy");
        if let (false, Some(first)) = (delivers, action.flags.first()) {
            self.report(first.span, RuleErrorKind::NoFlags { action: name.to_owned() });
            return None;
        }
        let flags = self.flags(&action.flags);
        if matches!(name, "mark" | "unmark") {
            if action.arguments.is_empty() {
                self.wrong_arguments(action, usage);
                return None;
            }
            let flags = self.flags(&action.arguments)?;
            return Some(if name == "mark" { Action::Mark(flags) } else { Action::Unmark(flags) });
        }
        if matches!(name, "reply" | "add" | "remove") {
            let lowered = match name {
                "reply" => self.reply(&action.arguments),
                _ => self.edit_list(name == "add", &action.arguments),
            };
            return match lowered {
                Lowered::Action(action) => Some(action),
                Lowered::Told => None,
                Lowered::WrongArguments => {
                    self.wrong_arguments(action, usage);
                    None
                }
            };
        }
        let copy = name == "forward" && is_word(action.arguments.first(), "copy");
        let arguments =
            self.texts(action.arguments.get(usize::from(copy)..).unwrap_or_default())?;
        let lowered = match (name, arguments.as_slice()) {
            ("inbox", []) => Action::Inbox(flags?),
            ("stop", []) => Action::Stop,
            ("folder", [folder]) => match self.folder(folder.text, folder.span)? {
                Some(template) => Action::Folder(template, flags?),
                None => Action::Inbox(flags?),
            },
            ("copy", [folder]) => {
                let template = self.folder(folder.text, folder.span)?;
                Action::Copy(template.unwrap_or_else(inbox), flags?)
            }
            ("discard", []) => Action::Discard(None),
            ("discard", [why]) => Action::Discard(Some(self.template(why.text, 0, why.span)?)),
            ("reject", [text]) => {
                let (status, text) = self.refusal(name, '5', text)?;
                Action::Reject { status, text }
            }
            ("defer", [text]) => {
                let (status, text) = self.refusal(name, '4', text)?;
                Action::Defer { status, text }
            }
            ("add-header" | "set-header", [header, value]) => {
                let header = self.header_name(header);
                let value = self.template(value.text, 0, value.span);
                match name {
                    "add-header" => Action::AddHeader(header?, value?),
                    _ => Action::SetHeader(header?, value?),
                }
            }
            ("remove-header", [header]) => Action::RemoveHeader(self.header_name(header)?),
            ("log", [text]) => Action::Log(self.template(text.text, 0, text.span)?),
            ("pipe" | "run" | "filter", [program, ..]) => {
                let is_fine = self.program_name(program);
                if is_fine {
                    self.programs
                        .push(Spanned { value: program.text.to_owned(), span: program.span });
                }
                let words: Vec<_> =
                    arguments.iter().map(|word| self.template(word.text, 0, word.span)).collect();
                let words = words.into_iter().collect::<Option<Vec<_>>>().filter(|_| is_fine)?;
                match name {
                    "pipe" => Action::Pipe(words),
                    "run" => Action::Run(words),
                    _ => Action::Filter(words),
                }
            }
            ("forward", [_, ..]) => {
                if let Some(more) = arguments.get(MOST_TARGETS) {
                    self.report(more.span, RuleErrorKind::TooManyTargets { limit: MOST_TARGETS });
                    return None;
                }
                let to: Vec<_> = arguments.iter().map(|to| self.target(to)).collect();
                Action::Forward { copy, to: to.into_iter().collect::<Option<Vec<_>>>()? }
            }
            _ => {
                self.wrong_arguments(action, usage);
                return None;
            }
        };
        Some(lowered)
    }

    /// A program is the user's choice, never a message's.
    fn program_name(&mut self, program: &Text<'_>) -> bool {
        let why = match program.text {
            "" => "it is empty",
            text if text.contains(['{', '}']) => "no value may be inserted in it",
            text if text.contains(char::is_control) => "it holds a control character",
            text if text.contains(' ') && !text.starts_with(['/', '~']) => {
                "each argument is a string of its own"
            }
            _ => return true,
        };
        self.report(program.span, RuleErrorKind::BadProgram { name: program.text.to_owned(), why });
        false
    }

    /// One address to forward to.
    fn target(&mut self, to: &Text<'_>) -> Option<Template> {
        let template = self.template(to.text, 0, to.span)?;
        let literal = template.parts.iter().all(|part| matches!(part, TemplatePart::Text(_)));
        if literal && !is_target(to.text) {
            self.report(to.span, RuleErrorKind::BadAddress { text: to.text.to_owned() });
            return None;
        }
        Some(template)
    }

    /// `reply "file" [every 7d]`
    fn reply(&mut self, arguments: &[Value]) -> Lowered {
        let (file, every) = match arguments {
            [file] => (file, None),
            [file, word, every] if is_word(Some(word), "every") => (file, Some(every)),
            _ => return Lowered::WrongArguments,
        };
        let ValueKind::Text(path) = &file.kind else { return Lowered::WrongArguments };
        let every = match every.map(|every| (&every.kind, every)) {
            None => EVERY,
            Some((ValueKind::Duration(seconds @ HOUR..=YEAR), _)) => *seconds,
            Some((_, value)) => {
                self.wrong_value("a duration of `1h` to `52w`", value, None);
                return Lowered::Told;
            }
        };
        if path.trim().is_empty() || path.contains(char::is_control) {
            return Lowered::WrongArguments;
        }
        self.shell_path(path, file.span, false);
        self.reply_files.push((path.clone(), file.span));
        Lowered::Action(Action::Reply { file: path.clone(), every })
    }

    /// `add FIELD to NAME`, `remove FIELD from NAME`
    fn edit_list(&mut self, add: bool, arguments: &[Value]) -> Lowered {
        let [field, word, list] = arguments else { return Lowered::WrongArguments };
        let (ValueKind::Name(name), ValueKind::Name(list_name)) = (&field.kind, &list.kind) else {
            return Lowered::WrongArguments;
        };
        if !is_word(Some(word), if add { "to" } else { "from" }) {
            return Lowered::WrongArguments;
        }
        let found = match field::find(name) {
            Some(FieldLookup::Field(field, Kind::Address)) => Some(field),
            Some(_) => {
                let hint = Some(String::from("`from`, `to`, `envelope-from`, for one"));
                self.wrong_value("a field of addresses", field, hint);
                None
            }
            None => {
                self.unknown(Word::Field, name, field.span);
                None
            }
        };
        let Some(index) = self.named_list(list_name, list.span) else { return Lowered::Told };
        let in_file = self.program.lists.get(index as usize).map(|list| &list.entries);
        if matches!(in_file, Some(Entries::Sent(_))) {
            let mistake = LearnMistake::SentListEdited { name: list_name.clone() };
            self.report(list.span, RuleErrorKind::Learn(mistake));
            return Lowered::Told;
        }
        if !matches!(in_file, Some(Entries::File(_))) {
            self.report(list.span, RuleErrorKind::ListInTheRules { name: list_name.clone() });
            return Lowered::Told;
        }
        if add && let Some(list) = self.program.lists.get_mut(index as usize) {
            list.grows = true;
        }
        match found {
            Some(field) => {
                let field = self.field(field);
                Lowered::Action(Action::EditList { add, field, list: index })
            }
            None => Lowered::Told,
        }
    }

    fn wrong_arguments(&mut self, action: &ast::Action, usage: &'static str) {
        let action_name = action.name.value.clone();
        self.report(action.span, RuleErrorKind::WrongArguments { action: action_name, usage });
    }

    /// The arguments, all of which have to be strings.
    fn texts<'v>(&mut self, arguments: &'v [Value]) -> Option<Vec<Text<'v>>> {
        let mut texts = Vec::with_capacity(arguments.len());
        for argument in arguments {
            match &argument.kind {
                ValueKind::Text(text) => texts.push(Text { text, span: argument.span }),
                _ => {
                    let hint = format!("put it in quotes: `\"{}\"`", self.written(argument));
                    self.wrong_value("a text in quotes", argument, Some(hint));
                }
            }
        }
        (texts.len() == arguments.len()).then_some(texts)
    }

    fn flags(&mut self, values: &[Value]) -> Option<Flags> {
        let mut letters: Vec<char> = Vec::new();
        let mut keywords: Vec<String> = Vec::new();
        let mut fine = true;
        for value in values {
            let (ValueKind::Text(word) | ValueKind::Name(word)) = &value.kind else {
                self.wrong_value("a flag", value, None);
                fine = false;
                continue;
            };
            if let Some((_, letter)) = FLAGS.iter().find(|(name, _)| name == word) {
                letters.push(*letter);
            } else if word.starts_with('$') {
                if is_keyword(word) {
                    if !keywords.contains(word) {
                        keywords.push(word.clone());
                    }
                } else {
                    self.report(value.span, RuleErrorKind::BadKeyword { name: word.clone() });
                    fine = false;
                }
            } else {
                self.unknown(Word::Flag, word, value.span);
                fine = false;
            }
        }
        letters.sort_unstable();
        letters.dedup();
        fine.then(|| Flags { letters: letters.into_iter().collect(), keywords })
    }

    fn header_name(&mut self, name: &Text<'_>) -> Option<String> {
        if is_header_name(name.text) {
            return Some(name.text.to_owned());
        }
        self.report(name.span, RuleErrorKind::BadHeaderName { name: name.text.to_owned() });
        None
    }

    /// `"5.7.1 text"`, RFC 3463.
    fn refusal(
        &mut self,
        action: &str,
        class: char,
        text: &Text<'_>,
    ) -> Option<(String, Template)> {
        let action = || action.to_owned();
        let (status, rest) = text.text.split_once(' ').unwrap_or((text.text, ""));
        if !is_status(status, class) {
            self.report(text.span, RuleErrorKind::BadStatus { action: action(), class });
            return None;
        }
        let words = rest.trim_start();
        if words.is_empty() {
            self.report(text.span, RuleErrorKind::NoReason { action: action(), class });
            return None;
        }
        let skip = text.text.len() - words.len();
        Some((status.to_owned(), self.template(words, skip, text.span)?))
    }

    /// A string with `{…}` in it; `skip` bytes of the literal stand before it.
    pub(super) fn template(&mut self, text: &str, skip: usize, span: Span) -> Option<Template> {
        let place = |checker: &Self, range: std::ops::Range<usize>| {
            inside(checker.sources, span, &(range.start + skip..range.end + skip))
        };
        let (parts, errors) = split(text);
        let mut fine = errors.is_empty();
        for error in errors {
            let (range, mistake) = match error {
                TemplateError::Unclosed(range) => (range, RuleErrorKind::BraceUnclosed),
                TemplateError::Unopened(range) => (range, RuleErrorKind::BraceUnopened),
                TemplateError::Empty(range) => (range, RuleErrorKind::BraceEmpty),
            };
            self.report(place(self, range), mistake);
        }
        let mut template = Template::default();
        for part in parts {
            let part = match part {
                Part::Text(text) => Some(TemplatePart::Text(text)),
                Part::Insert(name, range) => self.insert(name, place(self, range)),
            };
            fine &= part.is_some();
            template.parts.extend(part);
        }
        fine.then_some(template)
    }

    /// What stands between braces.
    fn insert(&mut self, name: &str, span: Span) -> Option<TemplatePart> {
        let scopes = &self.statements.scopes;
        let anything = scopes.iter().any(|scope| scope.anything);
        let groups = scopes.iter().map(|scope| scope.groups).max().unwrap_or(0);
        if name.bytes().all(|byte| byte.is_ascii_digit()) {
            let wanted = name.parse().ok();
            return match wanted.filter(|wanted| anything || (1..=groups).contains(wanted)) {
                Some(group) => Some(TemplatePart::Group(group)),
                None => {
                    self.report(span, RuleErrorKind::NoCapture { name: name.to_owned(), groups });
                    None
                }
            };
        }
        if scopes.iter().any(|scope| scope.names.iter().any(|known| known == name)) {
            return Some(TemplatePart::Capture(name.to_owned()));
        }
        if let Some((word, format)) = name.split_once(':')
            && word == "date"
        {
            return self.date(format, span);
        }
        if name == "date" {
            return Some(TemplatePart::Date(String::from("%Y-%m-%d")));
        }
        let found = match self.names.get(name) {
            Some((super::Declared::Score(score), _)) => Some((Field::Score(*score), Kind::Number)),
            Some((super::Declared::Broken, _)) => return None,
            _ => match field::find(name) {
                Some(FieldLookup::Field(field, kind)) => Some((field, kind)),
                _ => None,
            },
        };
        match found {
            Some((_, Kind::Date | Kind::Time | Kind::Duration)) => {
                self.report(span, RuleErrorKind::NoInsert { name: name.to_owned() });
                None
            }
            Some((field, _)) => Some(TemplatePart::Field(self.field(field))),
            None if anything => None,
            None => {
                self.missing(Word::Insert, name, span);
                None
            }
        }
    }

    /// `{date:%Y-%m}`, as strftime has it.
    fn date(&mut self, format: &str, span: Span) -> Option<TemplatePart> {
        let day = jiff::civil::date(2026, 12, 24).at(22, 0, 0, 0);
        let tried = day
            .to_zoned(jiff::tz::TimeZone::UTC)
            .and_then(|day| jiff::fmt::strtime::format(format, &day));
        let reason = match tried {
            Ok(_) if !format.is_empty() => return Some(TemplatePart::Date(format.to_owned())),
            Ok(_) => String::from("it is empty"),
            Err(error) => error.to_string(),
        };
        let format = format.to_owned();
        self.report(span, RuleErrorKind::BadDateFormat { format, reason });
        None
    }
}

/// An action whose arguments are not all strings.
enum Lowered {
    Action(Action),
    /// The mistake is told.
    Told,
    WrongArguments,
}

fn is_word(value: Option<&Value>, word: &str) -> bool {
    value.is_some_and(|value| matches!(&value.kind, ValueKind::Name(name) if name == word))
}

/// An address that mail can be sent to: `local@domain`, bare.
pub fn is_address(text: &str) -> bool {
    text.rsplit_once('@').is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty())
        && judge(text).is_none()
        && !text.starts_with('-')
        && !text.contains(char::is_whitespace)
}

/// An address that the world's mail servers take: a path is 256 bytes with its
/// brackets (RFC 5321 §4.5.3.1.3).
pub fn is_target(text: &str) -> bool {
    is_address(text) && text.len() <= LONGEST_TARGET
}

/// The inbox as the target of a `copy`.
fn inbox() -> Template {
    Template { parts: vec![TemplatePart::Text(String::from("INBOX"))] }
}

/// An IMAP keyword, RFC 9051 §9: an atom.
fn is_keyword(word: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_graphic() && !b"(){%*\"\\]".contains(&byte);
    word.len() > 1 && word.len() <= 64 && word.bytes().all(letter)
}

/// `5.7.1`, RFC 3463 §2.
fn is_status(status: &str, class: char) -> bool {
    let number = |part: &str| {
        (1..=3).contains(&part.len())
            && part.bytes().all(|byte| byte.is_ascii_digit())
            && (part.len() == 1 || !part.starts_with('0'))
    };
    let mut parts = status.split('.');
    parts.next().is_some_and(|first| first.len() == 1 && first.starts_with(class))
        && parts.next().is_some_and(number)
        && parts.next().is_some_and(number)
        && parts.next().is_none()
}
