//! Variables, and what a shell would make of a text: constants are inserted, values from
//! the message become a template, and for anything else there is a reason.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use crate::import::ir::literal;
use crate::import::persistent_map::PersistentMap;
use crate::import::shell::{command_value, is_program, shell_words, unquoted, without_comment};

/// Signs for which procmail has a shell run a command.
const SHELL_SIGNS: [char; 12] = ['&', '|', '<', '>', '~', ';', '?', '*', '[', '(', ')', '{'];

/// What sed does to put `_` in place of slashes.
const SLASHES: [&str; 4] = ["s/[\\/]/_/g", "s/\\//_/g", "s,/,_,g", "s|/|_|g"];

/// What a variable holds.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum ProcmailVariable {
    /// The same for every message.
    Constant(String),
    /// A template of ours.
    Template(String),
    /// Why it is not known.
    Unknown(String),
}

/// All variables.
#[derive(Debug, Clone)]
pub(super) struct RcVariables {
    all: PersistentMap<ProcmailVariable>,
    /// A file that is not read may set others.
    pub(super) maybe_set: bool,
    /// What the user says of those that the recipes do not.
    given: Rc<BTreeMap<String, String>>,
}

/// A text with its variables inserted.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct ExpandedText {
    /// As a template of ours.
    pub(super) template: String,
    /// As it is, if it is the same for every message.
    pub(super) constant: Option<String>,
}

impl RcVariables {
    /// Those that procmail sets itself, and those that are given.
    pub(super) fn new(given: BTreeMap<String, String>) -> RcVariables {
        let constants = [
            ("HOME", "~"),
            ("ORGMAIL", "~/Maildir/"),
            ("DEFAULT", "~/Maildir/"),
            ("MAILDIR", "~"),
            ("SENDMAIL", "/usr/sbin/sendmail"),
            ("SHELL", "/bin/sh"),
            ("PATH", ""),
        ];
        let mut variables =
            RcVariables { all: PersistentMap::new(), maybe_set: false, given: Rc::new(given) };
        for (name, value) in constants {
            variables.set(name, ProcmailVariable::Constant(value.to_owned()));
        }
        for name in ["LOGNAME", "USER"] {
            variables.set(name, ProcmailVariable::Template("{user}".into()));
        }
        for (name, value) in Rc::clone(&variables.given).iter() {
            variables.set(name, ProcmailVariable::Constant(value.clone()));
        }
        variables
    }

    /// What the user says that a variable holds.
    pub(super) fn given(&self, name: &str) -> Option<String> {
        self.given.get(name).cloned()
    }

    pub(super) fn set(&mut self, name: &str, value: ProcmailVariable) {
        self.all.insert(name, value);
    }

    pub(super) fn unset(&mut self, name: &str) {
        self.all.remove(name);
    }

    pub(super) fn get(&self, name: &str) -> Option<&ProcmailVariable> {
        self.all.get(name)
    }

    /// Inserts variables and removes quotes as a shell does; `in_quotes` as it does
    /// within double quotes. An error says why the result cannot be known.
    pub(super) fn expand(&self, text: &str, in_quotes: bool) -> Result<ExpandedText, String> {
        let mut out = TemplateBuilder { template: String::new(), constant: Some(String::new()) };
        let mut chars = text.chars().peekable();
        let mut quoted = in_quotes;
        while let Some(c) = chars.next() {
            match c {
                '\'' if !quoted => {
                    for c in chars.by_ref().take_while(|c| *c != '\'') {
                        out.push(c);
                    }
                }
                '"' if !in_quotes => quoted = !quoted,
                '\\' => match chars.next() {
                    Some(next) if quoted && !"$`\"\\".contains(next) => {
                        out.push('\\');
                        out.push(next);
                    }
                    Some(next) => out.push(next),
                    None => out.push('\\'),
                },
                '`' => {
                    let command: String = chars.by_ref().take_while(|c| *c != '`').collect();
                    match self.echoed(&command, &out.template) {
                        Some(template) => out.template(&template),
                        None => out.template(&command_value(&command)?),
                    }
                }
                '$' => {
                    let value = self.variable(&mut chars, quoted)?;
                    match value {
                        ProcmailVariable::Constant(text) => text.chars().for_each(|c| out.push(c)),
                        ProcmailVariable::Template(template) => out.template(&template),
                        ProcmailVariable::Unknown(why) => return Err(why),
                    }
                }
                c => out.push(c),
            }
        }
        Ok(ExpandedText { template: out.template, constant: out.constant })
    }

    /// `echo $MATCH | tr A-Z a-z` after this text, and `sed` that removes what a folder's name
    /// cannot contain, which happens anyway where a value is inserted as one level.
    fn echoed(&self, command: &str, before: &str) -> Option<String> {
        let (echo, change) = command.split_once('|')?;
        let words = shell_words(echo);
        let [program, word] = words.as_slice() else { return None };
        if !is_program(program, "echo") {
            return None;
        }
        let template = match self.expand(word, false) {
            Ok(ExpandedText { template, constant: None }) => template,
            _ => return None,
        };
        let inner = template.strip_prefix('{')?.strip_suffix('}')?;
        if inner.contains(['{', '}', ':']) {
            return None;
        }
        let change: Vec<String> =
            shell_words(change.trim()).iter().map(|word| unquoted(word)).collect();
        let change: Vec<&str> = change.iter().map(String::as_str).collect();
        const LOWER: [(&str, &str); 3] =
            [("A-Z", "a-z"), ("[A-Z]", "[a-z]"), ("[:upper:]", "[:lower:]")];
        match change.as_slice() {
            ["tr", from, to] if LOWER.contains(&(*from, *to)) => Some(format!("{{{inner}:lower}}")),
            ["sed", "-e", what] | ["sed", what] if SLASHES.contains(what) => {
                (!has_levels(before)).then_some(template)
            }
            _ => None,
        }
    }

    /// After a `$`.
    fn variable(
        &self,
        chars: &mut std::iter::Peekable<std::str::Chars<'_>>,
        quoted: bool,
    ) -> Result<ProcmailVariable, String> {
        if chars.next_if_eq(&'{').is_some() {
            return self.in_braces(chars, quoted);
        }
        if let Some(digit) = chars.next_if(char::is_ascii_digit) {
            let name = digit.to_string();
            return self.get(&name).cloned().ok_or_else(|| {
                format!(
                    "`${name}` is an argument of procmail: `--variable {name}=…` says what it is"
                )
            });
        }
        let name = take_name(chars);
        if !name.is_empty() {
            return Ok(self.value(&name));
        }
        if chars.next_if_eq(&'\\').is_some() {
            return Ok(self.for_pattern(&take_name(chars)));
        }
        match chars.peek() {
            Some('?') if let Some(status) = self.get("?") => {
                chars.next();
                Ok(status.clone())
            }
            Some('@' | '#' | '?' | '$' | '!' | '-' | '=' | '_') => {
                Err(format!("`${}` has no counterpart here", chars.next().unwrap_or_default()))
            }
            _ => Ok(ProcmailVariable::Constant("$".into())),
        }
    }

    /// After `${`: a variable, or what stands for it if it is set, or is not.
    fn in_braces(
        &self,
        chars: &mut std::iter::Peekable<std::str::Chars<'_>>,
        quoted: bool,
    ) -> Result<ProcmailVariable, String> {
        let mut inner = String::new();
        let mut depth = 1;
        for c in chars.by_ref() {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                break;
            }
            inner.push(c);
        }
        let name = take_name(&mut inner.chars().peekable());
        let rest = inner.get(name.len()..).unwrap_or_default();
        let set = self.get(&name);
        if set.is_none() && self.maybe_set {
            return Ok(self.value(&name));
        }
        let is_empty = matches!(set, Some(ProcmailVariable::Constant(text)) if text.is_empty());
        // With a colon, an empty variable counts as unset.
        let (is_set, rest) = match rest.strip_prefix(':') {
            Some(rest) => (set.is_some() && !is_empty, rest),
            None if rest.is_empty() => return Ok(self.value(&name)),
            None => (set.is_some(), rest),
        };
        match (rest.chars().next(), is_set) {
            (Some('-' | '='), true) => Ok(self.value(&name)),
            (Some('-' | '='), false) | (Some('+'), true) => {
                self.nested(rest.get(1..).unwrap_or_default(), quoted)
            }
            (Some('+'), false) => Ok(ProcmailVariable::Constant(String::new())),
            _ => Err(format!("`${{{inner}}}` has no counterpart here")),
        }
    }

    /// `$\NAME`: the value, in which all signs stand for themselves in a pattern.
    fn for_pattern(&self, name: &str) -> ProcmailVariable {
        match self.value(name) {
            ProcmailVariable::Constant(text) => {
                let signs = |c: char| "\\^$.[]*+?()|".contains(c);
                let escaped =
                    text.chars().flat_map(|c| signs(c).then_some('\\').into_iter().chain([c]));
                ProcmailVariable::Constant(format!("(){}", escaped.collect::<String>()))
            }
            other => other,
        }
    }

    /// The words of a command, as templates; run by a shell where procmail runs one, in
    /// the directory in which procmail does.
    pub(super) fn command(&self, command: &str) -> Result<Vec<String>, String> {
        let command = without_comment(command);
        let by_shell = || Ok(self.shell_command(command)?.words(str::to_owned));
        if command.contains(SHELL_SIGNS) {
            return by_shell();
        }
        let written = shell_words(command);
        let words: Vec<String> = written
            .iter()
            .map(|word| self.expand(word, false).map(|word| word.template))
            .collect::<Result<_, String>>()?;
        let Some((program, arguments)) = words.split_first() else {
            return Err("it does not name a program".into());
        };
        if program.is_empty() {
            let word = written.first().map(String::as_str).unwrap_or_default();
            return Err(format!("`{word}` is not set, so no program is named"));
        }
        if program.contains('{') && !program.contains("{{") {
            return Err("the name of the program comes from the message".into());
        }
        // Only a shell knows the home in an argument.
        let of_home = |word: &String| word.contains("~/");
        if arguments.iter().any(of_home)
            || self.works_elsewhere() && arguments.iter().any(|word| is_relative(word))
        {
            return by_shell();
        }
        Ok(words)
    }

    /// A command as a shell is given it.
    pub(super) fn shell_command(&self, command: &str) -> Result<ShellCommand, String> {
        // Within double quotes they mean nothing to `expand`, and are left for the shell.
        let expanded = self.expand(&command.replace('"', "\\\""), true);
        let known = expanded.ok().and_then(|text| text.constant);
        let mut made = match known {
            Some(text) => ShellCommand {
                before: String::new(),
                text: text.replace("~/", "$HOME/"),
                values: Vec::new(),
            },
            None => self.with_variables(command)?,
        };
        let redirects = made.text.match_indices(['<', '>']).any(|(at, _)| {
            let file = made.text.get(at + 1..).unwrap_or_default();
            let file = file.trim_start_matches(['<', '>', ' ']);
            !file.is_empty() && !file.starts_with(['/', '$', '&', '(', '"', '\''])
        });
        let names_files =
            redirects || shell_words(&made.text).iter().skip(1).any(|word| is_relative(word));
        if let ProcmailVariable::Constant(directory) = self.value("MAILDIR")
            && names_files
            && self.works_elsewhere()
        {
            let directory = directory.replace("~/", "$HOME/");
            made.before.push_str(&format!("cd \"{directory}\" 2>/dev/null; "));
            made.text = made.text.trim_start().to_owned();
        }
        Ok(made)
    }

    /// A command for a shell that has the variables itself, as procmail's has: so what comes
    /// from the message is never a command.
    fn with_variables(&self, command: &str) -> Result<ShellCommand, String> {
        let (mut before, mut values) = (String::new(), Vec::new());
        let mut known = BTreeSet::new();
        for (at, _) in command.match_indices('$') {
            let rest = command.get(at + 1..).unwrap_or_default().trim_start_matches('{');
            let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
            let name = rest.split(|c| !is_name(c)).next().unwrap_or_default();
            let is_own = matches!(name, "HOME" | "LOGNAME" | "USER" | "PATH" | "SHELL");
            if !name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
                || is_own
                || !known.insert(name)
            {
                continue;
            }
            match self.value(name) {
                ProcmailVariable::Constant(text) => {
                    let text = text.replace('\'', "'\\''");
                    let text = match text.strip_prefix("~/") {
                        Some(rest) => format!("\"$HOME\"/'{rest}'"),
                        None => format!("'{text}'"),
                    };
                    before.push_str(&format!("{name}={text}; "));
                }
                ProcmailVariable::Template(template) => {
                    values.push(template);
                    before.push_str(&format!("{name}=${}; ", values.len()));
                }
                ProcmailVariable::Unknown(why) => return Err(why),
            }
        }
        match values.len() {
            0..=9 => Ok(ShellCommand { before, text: command.trim().to_owned(), values }),
            _ => Err("a shell would be given text from the message, which it might run".into()),
        }
    }

    /// Whether programs work in another directory than the home.
    fn works_elsewhere(&self) -> bool {
        let directory = self.value("MAILDIR");
        !matches!(&directory, ProcmailVariable::Constant(path) if matches!(path.trim_end_matches('/'), "~" | "." | ""))
    }

    fn nested(&self, text: &str, quoted: bool) -> Result<ProcmailVariable, String> {
        let expanded = self.expand(text, quoted)?;
        Ok(match expanded.constant {
            Some(text) => ProcmailVariable::Constant(text),
            None => ProcmailVariable::Template(expanded.template),
        })
    }

    /// What a variable holds; nothing if it is not set.
    pub(super) fn value(&self, name: &str) -> ProcmailVariable {
        match self.get(name) {
            Some(value) => value.clone(),
            // Whatever is in the mail server's environment.
            None if matches!(name, "HOST" | "LANG" | "TZ" | "DISPLAY" | "TERM") => {
                ProcmailVariable::Unknown(format!(
                    "{name} comes from the environment: `--variable {name}=…` says what it is"
                ))
            }
            // procmail sets them itself.
            None if matches!(name, "LASTFOLDER" | "PROCMAIL_VERSION" | "PROCMAIL_OVERFLOW") => {
                ProcmailVariable::Unknown(format!("{name} has no counterpart here"))
            }
            None if self.maybe_set => {
                ProcmailVariable::Unknown(format!("{name}: a file that is not read may set it"))
            }
            None => ProcmailVariable::Constant(String::new()),
        }
    }
}

/// A command for a shell.
#[derive(Debug)]
pub(super) struct ShellCommand {
    /// What the shell has to know and do before it.
    before: String,
    text: String,
    /// Templates, which are `$1`, `$2` … there.
    values: Vec<String>,
}

impl ShellCommand {
    /// The words that have it run, with the command changed in this way.
    pub(super) fn words(self, change: impl Fn(&str) -> String) -> Vec<String> {
        let text = format!("{}{}", self.before, change(&self.text));
        let mut words = vec!["/bin/sh".to_owned(), "-c".to_owned(), literal(&text)];
        if !self.values.is_empty() {
            words.push("sh".to_owned());
            words.extend(self.values);
        }
        words
    }
}

/// Takes the name of a variable.
fn take_name(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> String {
    std::iter::from_fn(|| chars.next_if(|c| is_name_sign(*c))).collect()
}

fn is_name_sign(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// Whether a path ends in the name of a folder with levels, `.Lists.`, where a value would be
/// inserted as a path.
fn has_levels(path: &str) -> bool {
    path.rsplit('/').next().is_some_and(|last| last.starts_with('.'))
}

/// Whether a value has `_` in place of its slashes, and the text of the rules puts the
/// variable that holds it into the name of a folder with levels: `.Lists.$NAME/`.
pub(super) fn is_level_without_slashes(value: &str, name: &str, text: &str) -> bool {
    let is_in_levels = |(at, _)| {
        let (before, after) = text.split_at(at);
        let after = after.trim_start_matches(['$', '{']);
        let word = before.rsplit([' ', '\t', '\n', '"', '=']).next().unwrap_or_default();
        after.strip_prefix(name).is_some_and(|rest| !rest.starts_with(is_name_sign))
            && has_levels(word)
    };
    SLASHES.iter().any(|script| value.contains(script)) && text.match_indices('$').any(is_in_levels)
}

/// Whether a word of a command may name a file in the working directory.
fn is_relative(word: &str) -> bool {
    let word = unquoted(word);
    word.contains(['/', '.'])
        && !word.starts_with(['/', '~', '-', '$', '+', '.'])
        && !word.contains(|c: char| c.is_whitespace() || "@:|*?;&()<>'\"".contains(c))
}

struct TemplateBuilder {
    template: String,
    constant: Option<String>,
}

impl TemplateBuilder {
    fn push(&mut self, c: char) {
        self.template.push_str(&literal(c.encode_utf8(&mut [0; 4])));
        if let Some(constant) = &mut self.constant {
            constant.push(c);
        }
    }

    fn template(&mut self, template: &str) {
        self.template.push_str(template);
        self.constant = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_put_in_as_a_shell_does() {
        let mut variables = RcVariables::new(BTreeMap::new());
        variables.set("DIR", ProcmailVariable::Constant("lists".into()));
        variables.set("BAD", ProcmailVariable::Unknown("a program".into()));
        variables.set("SIGNS", ProcmailVariable::Constant("a.b+".into()));
        for (text, want) in [
            ("$HOME/$DIR/", Some("~/lists/")),
            ("\"$DIR/a b\"'$x'", Some("lists/a b$x")),
            ("${DIR}x${NONE:-y}${DIR:+z}", Some("listsxyz")),
            ("a\\$b", Some("a$b")),
            ("${NONE:-\"y z\"}", Some("y z")),
            ("\"${NONE:-'y'}\"", Some("'y'")),
            ("$\\SIGNS-$\\NONE", Some("()a\\.b\\+-()")),
            ("`date +%Y-%m`", None),
            ("{$LOGNAME}", None),
        ] {
            assert_eq!(variables.expand(text, false).unwrap().constant.as_deref(), want, "{text}");
        }
        let date = variables.expand("in-`date +%Y-%m`{", false).unwrap();
        assert_eq!(date.template, "in-{now:%Y-%m}{{");
        for text in ["$BAD", "$1", "`uname`", "$@"] {
            assert!(variables.expand(text, false).is_err(), "{text}");
        }
    }
}
