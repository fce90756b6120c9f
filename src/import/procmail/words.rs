//! Variables, and what a shell would make of a text: constants are inserted, values from
//! the message become a template, and for anything else there is a reason.

use std::collections::HashMap;

use crate::import::ir::literal;
use crate::import::shell::{command_value, is_program, shell_words, unquoted};

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
    all: HashMap<String, ProcmailVariable>,
    /// A file that is not read may set others.
    pub(super) maybe_set: bool,
}

/// A text with its variables inserted.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Expanded {
    /// As a template of ours.
    pub(super) template: String,
    /// As it is, if it is the same for every message.
    pub(super) constant: Option<String>,
}

impl RcVariables {
    /// Those that procmail sets itself.
    pub(super) fn new() -> RcVariables {
        let constants = [
            ("HOME", "~"),
            ("ORGMAIL", "~/Maildir/"),
            ("DEFAULT", "~/Maildir/"),
            ("MAILDIR", "~"),
            ("SENDMAIL", "/usr/sbin/sendmail"),
            ("SHELL", "/bin/sh"),
            ("PATH", ""),
        ];
        let constants = constants
            .map(|(name, value)| (name.to_owned(), ProcmailVariable::Constant(value.to_owned())));
        let all = constants.into_iter().collect();
        let mut variables = RcVariables { all, maybe_set: false };
        for name in ["LOGNAME", "USER"] {
            variables.set(name, ProcmailVariable::Template("{user}".into()));
        }
        variables
    }

    pub(super) fn set(&mut self, name: &str, value: ProcmailVariable) {
        self.all.insert(name.to_owned(), value);
    }

    pub(super) fn unset(&mut self, name: &str) {
        self.all.remove(name);
    }

    pub(super) fn get(&self, name: &str) -> Option<&ProcmailVariable> {
        self.all.get(name)
    }

    /// Inserts variables and removes quotes as a shell does; `in_quotes` as it does
    /// within double quotes. An error says why the result cannot be known.
    pub(super) fn expand(&self, text: &str, in_quotes: bool) -> Result<Expanded, String> {
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
                    match self.echoed(&command) {
                        Some(template) => out.template(&template),
                        None => out.template(&command_value(&command)?),
                    }
                }
                '$' => {
                    let value = self.variable(&mut chars)?;
                    match value {
                        ProcmailVariable::Constant(text) => text.chars().for_each(|c| out.push(c)),
                        ProcmailVariable::Template(template) => out.template(&template),
                        ProcmailVariable::Unknown(why) => return Err(why),
                    }
                }
                c => out.push(c),
            }
        }
        Ok(Expanded { template: out.template, constant: out.constant })
    }

    /// `echo $MATCH | tr A-Z a-z`, and `sed` that removes what a folder's name cannot
    /// contain, which happens anyway where a value is inserted.
    fn echoed(&self, command: &str) -> Option<String> {
        let (echo, change) = command.split_once('|')?;
        let words = shell_words(echo);
        let [program, word] = words.as_slice() else { return None };
        if !is_program(program, "echo") {
            return None;
        }
        let template = match self.expand(word, false) {
            Ok(Expanded { template, constant: None }) => template,
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
            ["sed", "-e", what] | ["sed", what]
                if ["s/[\\/]/_/g", "s/\\//_/g", "s,/,_,g", "s|/|_|g"].contains(what) =>
            {
                Some(template)
            }
            _ => None,
        }
    }

    /// After a `$`.
    fn variable(
        &self,
        chars: &mut std::iter::Peekable<std::str::Chars<'_>>,
    ) -> Result<ProcmailVariable, String> {
        let is_name = |c: &char| c.is_ascii_alphanumeric() || *c == '_';
        if chars.peek() == Some(&'{') {
            chars.next();
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
            let name: String = inner.chars().take_while(is_name).collect();
            let rest = inner.get(name.len()..).unwrap_or_default();
            let set = self.get(&name).cloned();
            let is_empty =
                matches!(&set, Some(ProcmailVariable::Constant(text)) if text.is_empty());
            if set.is_none() && self.maybe_set {
                return Ok(self.value(&name));
            }
            return match (rest.get(..2), rest.get(..1)) {
                (Some(":-" | ":="), _) if set.is_none() || is_empty => {
                    self.nested(rest.get(2..).unwrap_or_default())
                }
                (_, Some("-" | "=")) if set.is_none() => {
                    self.nested(rest.get(1..).unwrap_or_default())
                }
                (Some(":-" | ":="), _) | (_, Some("-" | "=")) | (_, None) => Ok(self.value(&name)),
                (Some(":+"), _) if set.is_some() && !is_empty => {
                    self.nested(rest.get(2..).unwrap_or_default())
                }
                (_, Some("+")) if set.is_some() => self.nested(rest.get(1..).unwrap_or_default()),
                (Some(":+"), _) | (_, Some("+")) => Ok(ProcmailVariable::Constant(String::new())),
                _ => Err(format!("`${{{inner}}}` has no counterpart here")),
            };
        }
        let mut name = String::new();
        while let Some(c) = chars.next_if(is_name) {
            name.push(c);
            if name.len() == 1 && c.is_ascii_digit() {
                break;
            }
        }
        if name.is_empty() {
            return match chars.peek() {
                Some('@' | '#' | '?' | '$' | '!' | '-' | '=' | '_' | '\\') => {
                    Err(format!("`${}` has no counterpart here", chars.next().unwrap_or_default()))
                }
                _ => Ok(ProcmailVariable::Constant("$".into())),
            };
        }
        if name.chars().all(|c| c.is_ascii_digit()) {
            return Err(format!("`${name}` is an argument of procmail's"));
        }
        Ok(self.value(&name))
    }

    fn nested(&self, text: &str) -> Result<ProcmailVariable, String> {
        let expanded = self.expand(text, true)?;
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
                ProcmailVariable::Unknown(format!("{name} comes from the environment"))
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
        let mut variables = RcVariables::new();
        variables.set("DIR", ProcmailVariable::Constant("lists".into()));
        variables.set("BAD", ProcmailVariable::Unknown("a program".into()));
        for (text, want) in [
            ("$HOME/$DIR/", Some("~/lists/")),
            ("\"$DIR/a b\"'$x'", Some("lists/a b$x")),
            ("${DIR}x${NONE:-y}${DIR:+z}", Some("listsxyz")),
            ("a\\$b", Some("a$b")),
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
