//! Commands, as maildrop has a shell run them: the words of a program, or of a shell that
//! is given what comes from the message as arguments, which it never reads as commands.
//!
//! maildrop's variables are in the environment of the shell, which inserts those of a command
//! in backquotes. In texts, as of `xfilter`, maildrop inserts them before.
//!
//! An error says why a command cannot be expressed.

use super::context::{CommandWords, FilterLowering};
use super::expression::{Expression, ExpressionPiece};
use super::value::{MaildropText, MaildropVariable, guessed_folder};
use crate::import::ir::literal;
use crate::import::shell::{is_program, shell_words, unquoted};

/// Characters that are special to a shell.
const SHELL_SIGNS: [char; 16] =
    ['&', '|', '<', '>', '~', ';', '?', '*', '[', '(', ')', '{', '$', '`', '#', '\n'];

/// Words that only a shell knows.
const OF_SHELL: [&str; 20] = [
    "!", ".", ":", "case", "cd", "command", "eval", "exec", "exit", "export", "for", "if", "read",
    "return", "set", "shift", "trap", "ulimit", "umask", "while",
];

/// How the rules differ where a value may contain such characters.
const SIGNS_IN_VALUES: &str = "where a value has quotes or other signs of a shell in it, \
                               maildrop has the shell read them";

/// Why a value cannot be an argument.
const READ_AS_COMMAND: &str = "a shell would be given text from the message, which it might run";

/// Variables that programs have from us, too.
const OWN: [&str; 5] = ["HOME", "LOGNAME", "USER", "PATH", "SHELL"];

/// Programs that print the message, so that they never print nothing.
const FILTERS: [&str; 16] = [
    "bmf",
    "bogofilter",
    "cat",
    "crm",
    "dspam",
    "dspamc",
    "dspamfilter",
    "formail",
    "reformail",
    "rspamc",
    "sed",
    "spamassassin",
    "spambayes",
    "spamc",
    "spamprobe",
    "sb_filter.py",
];

/// A part of a command.
enum CommandPart {
    /// As a shell reads it.
    Text(String),
    /// A variable that programs have from us.
    Own(&'static str),
    /// What comes from the message or its envelope, as a template; and whether it contains no
    /// sign that is special to a shell.
    Value(String, bool),
}

impl FilterLowering<'_> {
    /// A command without its first characters; run by a shell if that has something to do.
    pub(super) fn command_words(
        &mut self,
        of: &Expression,
        skip: usize,
    ) -> Result<CommandWords, String> {
        let mut parts = self.command_parts(of)?;
        let guess = self.variables.guess_in(&of.names()).map(|why| guessed_folder(&why));
        if let Some(CommandPart::Text(first)) = parts.first_mut() {
            *first = first.trim_start().chars().skip(skip).collect::<String>();
            *first = first.trim_start().to_owned();
        }
        if let Some(CommandPart::Text(last)) = parts.last_mut() {
            *last = last.trim_end().to_owned();
        }
        let template: String = parts.iter().map(CommandPart::template).collect();
        if template.is_empty() {
            return Err("it does not name a program".into());
        }
        if template.contains("formail -r") || template.contains("mailbot") {
            self.note(
                "an automatic answer goes to whoever the message names; `reply \"file\"` \
                 answers only people, and nobody twice",
            );
        }
        let has_values = parts.iter().any(|part| matches!(part, CommandPart::Value(..)));
        let words = match has_values {
            false if template.contains(SHELL_SIGNS) || template.contains('\\') => None,
            false => Some(shell_words(&template).iter().map(|word| unquoted(word)).collect()),
            true => separate_words(&template),
        };
        if let Some(words) = words.filter(|words| !is_of_shell(words)) {
            return Ok(CommandWords { words, differs: guess });
        }
        let is_plain = |part: &CommandPart| !matches!(part, CommandPart::Value(_, false));
        let signs = (!parts.iter().all(is_plain)).then(|| SIGNS_IN_VALUES.to_owned());
        let differs = guess.or(signs);
        let is_text = !matches!(of, Expression::Command(_));
        Ok(CommandWords { words: self.by_shell(&parts, is_text)?, differs })
    }

    fn command_parts(&mut self, of: &Expression) -> Result<Vec<CommandPart>, String> {
        let mut pieces = Vec::new();
        match of {
            Expression::Command(own) | Expression::Text(own) => pieces.extend(own.iter().cloned()),
            Expression::Joined(parts)
                if parts.iter().all(|part| matches!(part, Expression::Text(_))) =>
            {
                let mut all = Vec::new();
                of.pieces(&mut all);
                pieces.extend(all.into_iter().cloned());
            }
            _ => {
                let text = self.text_of(of)?.constant.ok_or(READ_AS_COMMAND)?;
                pieces.push(ExpressionPiece::Raw(text));
            }
        }
        let by_shell = matches!(of, Expression::Command(_));
        let mut parts = Vec::new();
        let mut written = ShellScript::default();
        for piece in pieces {
            match piece {
                ExpressionPiece::Raw(raw) => {
                    written.push_text(&raw);
                    push_text(&mut parts, &raw);
                }
                ExpressionPiece::Variable(name) if by_shell && written.quote == Some('\'') => {
                    push_text(&mut parts, &format!("${name}"));
                }
                ExpressionPiece::Variable(name) => {
                    self.push_variable(&mut parts, &name, by_shell)?;
                }
            }
        }
        Ok(parts)
    }

    fn push_variable(
        &self,
        parts: &mut Vec<CommandPart>,
        name: &str,
        by_shell: bool,
    ) -> Result<(), String> {
        let value = self.variables.get(name);
        let own = OWN.iter().find(|own| {
            **own == name && matches!(name, "HOME" | "LOGNAME" | "USER") && self.is_own(name)
        });
        if let Some(own) = own {
            parts.push(CommandPart::Own(own));
            return Ok(());
        }
        match &value {
            MaildropVariable::Constant(text) => {
                // The home is `~` here.
                let mut rest = text.as_str();
                if rest == "~" || rest.starts_with("~/") {
                    parts.push(CommandPart::Own("HOME"));
                    rest = rest.get(1..).unwrap_or_default();
                }
                match by_shell && !is_word(rest) {
                    true => parts.push(CommandPart::Value(literal(rest), true)),
                    false => push_text(parts, rest),
                }
            }
            _ => {
                let is_plain = by_shell || is_plain(&value);
                let mut text = MaildropText::empty();
                text.push_variable(value)?;
                parts.push(CommandPart::Value(text.template, is_plain));
            }
        }
        Ok(())
    }

    /// Whether a variable of the environment is what maildrop has set it to.
    fn is_own(&self, name: &str) -> bool {
        match self.variables.get(name) {
            MaildropVariable::Constant(value) => name == "HOME" && value == "~",
            MaildropVariable::Field(field, _) => field == "user",
            _ => false,
        }
    }

    /// The words of a shell that runs a command, and has the values as arguments.
    fn by_shell(&mut self, parts: &[CommandPart], is_text: bool) -> Result<Vec<String>, String> {
        let mut script = ShellScript { is_text, ..ShellScript::default() };
        for (at, part) in parts.iter().enumerate() {
            match part {
                CommandPart::Text(text) => {
                    for name in script.push_text(text) {
                        self.define(&mut script, &name)?;
                    }
                }
                CommandPart::Own(name) => {
                    let goes_on = |c: char| c.is_ascii_alphanumeric() || c == '_';
                    let is_longer = matches!(parts.get(at + 1),
                        Some(CommandPart::Text(text)) if text.starts_with(goes_on));
                    let (open, close) = if is_longer { ("{", "}") } else { ("", "") };
                    script.push_value(&format!("${open}{name}{close}"))?;
                }
                CommandPart::Value(template, _) => {
                    let value = script.argument(template);
                    script.push_value(&value)?;
                }
            }
        }
        Ok(script.words())
    }

    /// maildrop's variables are in the environment of its programs.
    fn define(&self, script: &mut ShellScript, name: &str) -> Result<(), String> {
        let is_known = OWN.contains(&name) || script.defined.iter().any(|known| known == name);
        if is_known || !self.variables.is_assigned(name) {
            return Ok(());
        }
        script.defined.push(name.to_owned());
        let value = match self.variables.get(name) {
            MaildropVariable::Constant(text) => {
                let (home, text) = match text.strip_prefix('~') {
                    Some(rest) if rest.is_empty() || rest.starts_with('/') => ("\"$HOME\"", rest),
                    _ => ("", text.as_str()),
                };
                format!("{home}'{}'", text.replace('\'', "'\\''"))
            }
            value => {
                let mut text = MaildropText::empty();
                text.push_variable(value)?;
                script.argument(&text.template)
            }
        };
        script.before.push_str(&format!("{name}={value}; "));
        Ok(())
    }
}

impl CommandPart {
    fn template(&self) -> String {
        match self {
            CommandPart::Text(text) => literal(text),
            CommandPart::Own(name) => format!("${name}"),
            CommandPart::Value(template, _) => template.clone(),
        }
    }
}

fn push_text(parts: &mut Vec<CommandPart>, text: &str) {
    match parts.last_mut() {
        Some(CommandPart::Text(last)) => last.push_str(text),
        _ => parts.push(CommandPart::Text(text.to_owned())),
    }
}

/// A script that is being written.
#[derive(Default)]
struct ShellScript {
    /// The variables that it has from maildrop, as assignments.
    before: String,
    defined: Vec<String>,
    text: String,
    /// Templates: its arguments.
    values: Vec<String>,
    /// The quote that is open at its end.
    quote: Option<char>,
    /// A command within double quotes was begun, which has quotes of its own.
    nested: bool,
    /// Values are put in before the shell reads it.
    is_text: bool,
}

impl ShellScript {
    /// Adds text of the command; returns the variables that the shell inserts.
    fn push_text(&mut self, text: &str) -> Vec<String> {
        let mut names = Vec::new();
        let mut chars = text.char_indices();
        while let Some((at, c)) = chars.next() {
            let rest = text.get(at + c.len_utf8()..).unwrap_or_default();
            match (self.quote, c) {
                (None, '\'' | '"') => self.quote = Some(c),
                (Some(open), c) if open == c => self.quote = None,
                (None | Some('"'), '\\') => drop(chars.next()),
                (Some('"'), '`') => self.nested = true,
                (None | Some('"'), '$') => {
                    self.nested |= self.quote.is_some() && rest.starts_with('(');
                    let rest = rest.trim_start_matches('{');
                    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
                    let name = rest.split(|c| !is_name(c)).next().unwrap_or_default();
                    if !name.is_empty() {
                        names.push(name.to_owned());
                    }
                }
                _ => {}
            }
        }
        self.text.push_str(text);
        names
    }

    /// Adds a value as the shell names it.
    fn push_value(&mut self, value: &str) -> Result<(), String> {
        let is_unclear = self.nested || self.text.ends_with('\\') || self.text.contains("<<");
        if self.is_text && is_unclear {
            return Err(READ_AS_COMMAND.into());
        }
        match self.quote {
            Some('\'') => self.text.push_str(&format!("'\"{value}\"'")),
            _ => self.text.push_str(value),
        }
        Ok(())
    }

    /// An argument, as the shell names it.
    fn argument(&mut self, template: &str) -> String {
        let known = self.values.iter().position(|value| value == template);
        let at = known.unwrap_or(self.values.len());
        if known.is_none() {
            self.values.push(template.to_owned());
        }
        format!("${{{}}}", at + 1)
    }

    fn words(self) -> Vec<String> {
        let text = format!("{}{}", self.before, self.text);
        let mut words = vec!["/bin/sh".to_owned(), "-c".to_owned(), literal(&text)];
        if !self.values.is_empty() {
            words.push("sh".to_owned());
            words.extend(self.values);
        }
        words
    }
}

/// Whether only a shell knows a command, or a variable is set for a program.
fn is_of_shell(words: &[String]) -> bool {
    words.first().is_none_or(|word| OF_SHELL.contains(&word.as_str()) || word.contains('='))
}

/// Whether a program prints the message.
pub(super) fn prints_the_message(words: &[String]) -> bool {
    words.first().is_some_and(|word| FILTERS.iter().any(|name| is_program(word, name)))
}

/// Whether a value contains nothing that is special to a shell: it comes from the envelope or
/// the environment, or can only be one of some plain texts.
fn is_plain(value: &MaildropVariable) -> bool {
    match value {
        MaildropVariable::Kept(_, Some(values)) => values.iter().all(|value| is_word(value)),
        MaildropVariable::Field(_, template) | MaildropVariable::Template(template, _) => {
            inserts(template).is_some_and(|mut names| names.all(is_plain_value))
        }
        _ => false,
    }
}

fn is_word(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_./@+:,%=".contains(&byte))
}

fn is_plain_value(name: &str) -> bool {
    let name = name.split(':').next().unwrap_or_default();
    name.starts_with("env ") || matches!(name, "user" | "envelope-from" | "size" | "now")
}

/// The values that are inserted in a template; none if its own text is not plain.
fn inserts(template: &str) -> Option<impl Iterator<Item = &str>> {
    let mut names = Vec::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        let (name, after) = after.split_once('}')?;
        if !is_word(before) {
            return None;
        }
        names.push(name);
        rest = after;
    }
    is_word(rest).then_some(names.into_iter())
}

/// A command with values that contain no blank, as words; none if a shell has something
/// else to do, or for other values.
fn separate_words(template: &str) -> Option<Vec<String>> {
    let (mut words, mut word, mut quote) = (Vec::new(), String::new(), None);
    let mut rest = template.trim();
    while let Some(c) = rest.chars().next() {
        if let Some(inner) = rest.strip_prefix('{').filter(|inner| !inner.starts_with('{')) {
            let (value, after) = inner.split_once('}')?;
            let name = value.split(':').next().unwrap_or_default();
            let is_plain = name.starts_with("env ") || matches!(name, "user" | "envelope-from");
            if !is_plain || quote == Some('\'') {
                return None;
            }
            word.push_str(&format!("{{{value}}}"));
            rest = after;
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
