//! Expressions as values and conditions.

use std::path::{Path, PathBuf};

use super::compare::{arithmetic, compare, field_of, is_true, number, truth};
use super::context::{FilterLowering, ReturnCode};
use super::expression::{Expression, ExpressionPiece};
use super::pattern::{CaptureNeeds, KEPT_OF_NOTHING, MaildropMatch, found, in_message};
use super::regex::{optional_groups, repeats_nothing};
use super::value::{
    MaildropCapture, MaildropText, MaildropVariable, Value, guessed_folder, is_match,
};
use crate::import::constant::constant_pattern;
use crate::import::ir::{Cond, Operand, Test, quote};
use crate::import::perl::translate;
use crate::import::shell::{MADE_LATER, command_value, prints_directory};
use crate::import::unreadable;
use crate::syntax::words::FOLDER_EXISTS;

/// How the result of a program differs.
const ANY_FAILURE: &str = "whatever the program fails with is taken for 1";

/// Longer list files are not read.
const MOST_PATTERNS: usize = 500;

impl FilterLowering<'_> {
    /// An expression as a condition. What its patterns captured is in the variables.
    pub(super) fn condition(&mut self, of: &Expression) -> Result<Cond, String> {
        match of {
            Expression::Binary(operator, left, right) if operator == "&&" => {
                let left = self.condition(left)?;
                let right = self.condition(right)?;
                Ok(Cond::all([left, right]))
            }
            Expression::Binary(operator, left, right) if operator == "||" => {
                let (a, b) = (self.condition(left)?, self.condition(right)?);
                if left.has_pattern() || right.has_pattern() {
                    self.variables.forget_matches();
                }
                Ok(Cond::any([a, b]))
            }
            Expression::Not(inner) => {
                let condition = self.condition(inner)?;
                if inner.has_pattern() {
                    self.variables.forget_matches();
                }
                Ok(Cond::not(condition))
            }
            other => {
                let value = self.value(other)?;
                truth(value)
            }
        }
    }

    pub(super) fn value(&mut self, of: &Expression) -> Result<Value, String> {
        match of {
            Expression::Text(pieces) => match pieces.as_slice() {
                [ExpressionPiece::Variable(name)] if name == "SIZE" => Ok(Value::Size),
                [ExpressionPiece::Variable(name)] if name == "RETURNCODE" => match &self.code {
                    ReturnCode::Folder { name, guess, .. } => {
                        let exists = Cond::Word(format!("{FOLDER_EXISTS} {}", quote(name)));
                        let makes = self.makes_folders.then(|| MADE_LATER.to_owned());
                        let guess = guess.as_deref().map(guessed_folder);
                        self.differs = self.differs.take().or(guess).or(makes);
                        Ok(Value::Code(Cond::not(exists)))
                    }
                    ReturnCode::Known(condition) | ReturnCode::Program(condition) => {
                        Ok(Value::Code(condition.clone()))
                    }
                    ReturnCode::Number(name) => Ok(Value::Status(name.clone())),
                    ReturnCode::Exists(..) => Err("it depends on which files there are".into()),
                    ReturnCode::Unknown => Err("it depends on what a program says".into()),
                },
                [ExpressionPiece::Variable(name)] => match self.variables.get(name) {
                    MaildropVariable::Unknown(why) => Err(why),
                    known => Ok(Value::Variable(known)),
                },
                _ => self.variables.text(pieces).map(whole),
            },
            Expression::Command(pieces) => {
                let command = self.variables.text(pieces)?;
                let command = command
                    .constant
                    .ok_or("a shell would be given text from the message, which it might run")?;
                if prints_directory(&command) {
                    return Ok(Value::constant("~"));
                }
                let template = command_value(&command)?;
                let field = template.strip_prefix('{').and_then(|name| name.strip_suffix('}'));
                Ok(Value::Variable(match field.filter(|field| field.starts_with("header ")) {
                    Some(field) => MaildropVariable::Field(field.to_owned(), template.clone()),
                    None => MaildropVariable::Template(template, false),
                }))
            }
            Expression::Joined(parts) => {
                let mut text = MaildropText::empty();
                for part in parts {
                    match self.value(part)? {
                        Value::Variable(variable) => text.push_variable(variable)?,
                        _ => return Err("a number in a text".into()),
                    }
                }
                Ok(whole(text))
            }
            Expression::Pattern { of: None, source, options } => self.in_message(source, options),
            Expression::Pattern { of: Some(of), source, options } => {
                let value = self.value(of)?;
                self.in_value(value, source, options)
            }
            Expression::Not(_) => self.condition(of).map(Value::Truth),
            Expression::Binary(operator, left, right) => match operator.as_str() {
                "&&" | "||" => self.condition(of).map(Value::Truth),
                "+" | "-" | "*" | "/" => {
                    let (left, right) = (self.value(left)?, self.value(right)?);
                    arithmetic(operator, left, right)
                }
                "|" | "&" => Err(format!("`{operator}` counts with bits")),
                _ => {
                    let (left, right) = (self.value(left)?, self.value(right)?);
                    // Against 0 it does not matter which number it is.
                    let counts = |value: &Value| matches!(value, Value::Variable(MaildropVariable::Constant(text)) if text != "0");
                    let is_code = |value: &Value| matches!(value, Value::Code(_));
                    if (is_code(&left) && counts(&right) || is_code(&right) && counts(&left))
                        && matches!(self.code, ReturnCode::Program(_))
                    {
                        self.differs.get_or_insert_with(|| ANY_FAILURE.to_owned());
                    }
                    compare(operator, left, right).map(Value::Truth)
                }
            },
            Expression::Call(name, arguments) => self.call(name, arguments),
        }
    }

    /// The text of a pattern with its variables inserted.
    fn pattern_source(&self, source: &[ExpressionPiece]) -> Result<String, String> {
        let text = self.variables.text(source)?;
        let of_caller = source.iter().find_map(|piece| match piece {
            ExpressionPiece::Variable(name) => self.variables.of_environment(name),
            ExpressionPiece::Raw(_) => None,
        });
        text.constant.ok_or_else(|| {
            of_caller.unwrap_or_else(|| "text from the message is inserted in the pattern".into())
        })
    }

    /// What the next pattern has to capture.
    fn wanted(&mut self) -> CaptureNeeds {
        let wanted = CaptureNeeds { number: self.captured, ..self.wanted };
        self.captured += usize::from(self.wanted.whole || self.wanted.groups);
        wanted
    }

    fn in_message(&mut self, source: &[ExpressionPiece], options: &str) -> Result<Value, String> {
        let source = self.pattern_source(source)?;
        // `,weight,0`: only the first time counts.
        let (letters, weight) = options.split_once(',').unwrap_or((options, ""));
        let weight =
            match weight.split_once(',') {
                None if weight.is_empty() => None,
                Some((weight, "0")) => Some(number(weight).ok_or("a weight that is not a number")?),
                _ => return Err(
                    "it counts how often a pattern is found, and mfilter only sees whether it is"
                        .into(),
                ),
            };
        if source.contains('!') {
            let old = self.variables.get("MAILDROP_OLD_REGEXP");
            if matches!(old, MaildropVariable::Constant(text) if is_true(&text)) {
                return Err("a pattern of maildrop 1 with `!` in it".into());
            }
            self.note(
                "a `!` in a pattern stands for itself, as in maildrop 2, not as in maildrop 1",
            );
        }
        let wanted = self.wanted();
        let matched = in_message(&source, letters, wanted)?;
        if matched.dots {
            self.note("a dot between letters in a pattern is taken for a dot, as it was meant");
        }
        if !matched.body {
            self.note(
                "maildrop also looks at the headers of the parts of a message and of messages \
                 attached to it",
            );
        }
        self.set_matches(&matched, &source, wanted);
        self.differs = self.differs.take().or(matched.differs);
        Ok(match weight {
            Some(weight) => Value::Sum(vec![(weight, matched.condition)], 0.0),
            None => Value::Truth(matched.condition),
        })
    }

    /// Groups that the pattern does not have, or that do not take part in the match, keep
    /// what an earlier pattern captured.
    fn set_matches(&mut self, matched: &MaildropMatch, source: &str, wanted: CaptureNeeds) {
        let never_set = MaildropVariable::Constant(String::new());
        let mut kept = optional_groups(source);
        kept.retain(|group| self.variables.get(&format!("MATCH{group}")) != never_set);
        match wanted.groups {
            true => self.variables.forget_matches_to(source.matches('(').count()),
            false => self.variables.forget_matches(),
        }
        if let Some(whole) = &matched.whole {
            let rest = matched.rest.clone();
            let captured = MaildropCapture { template: whole.clone(), number: None, rest };
            self.variables.set("MATCH", MaildropVariable::Captured(captured));
        }
        if !wanted.groups {
            return;
        }
        for group in matched.skipped + 1..=matched.groups.min(9) {
            let template = format!("{{{}}}", wanted.name(group));
            let first = group == 1 && !wanted.whole;
            let name = format!("MATCH{group}");
            if kept.contains(&group) {
                let why = format!(
                    "{name} may hold what an earlier pattern captured: this one can match without its group {group}"
                );
                self.variables.set(&name, MaildropVariable::Unknown(why));
                continue;
            }
            let captured = MaildropCapture {
                template,
                number: matched.number.clone().filter(|_| first),
                rest: matched.rest.clone().filter(|_| first),
            };
            self.variables.set(&name, MaildropVariable::Captured(captured));
        }
    }

    /// `value =~ /pattern/`
    fn in_value(
        &mut self,
        value: Value,
        source: &[ExpressionPiece],
        options: &str,
    ) -> Result<Value, String> {
        let source = self.pattern_source(source)?;
        if options.contains(',') {
            return Err(
                "it counts how often a pattern is found, and mfilter only sees whether it is"
                    .into(),
            );
        }
        let case = options.contains('D');
        let field = match value {
            Value::Variable(MaildropVariable::Constant(text)) => {
                return self.in_constant(&text, &source, case);
            }
            Value::Variable(variable) => field_of(&variable)?,
            Value::Size => return Err("a pattern on the size".into()),
            _ => return Err("a pattern on a number".into()),
        };
        let wanted = self.wanted();
        let names = |group: usize| wanted.name(group);
        let (mut regex, groups) = translate(&source, wanted.groups.then_some(&names))?;
        if !wanted.nothing() && repeats_nothing(&regex) {
            return Err(KEPT_OF_NOTHING.into());
        }
        if wanted.whole {
            regex = format!("(?P<{}>{regex})", wanted.name(0));
        }
        let mut matched = found();
        matched.whole = wanted.whole.then(|| format!("{{{}}}", wanted.name(0)));
        matched.groups = groups;
        self.set_matches(&matched, &source, wanted);
        Ok(Value::Truth(Cond::matches(vec![field], regex, case)))
    }

    /// A pattern on a text that is the same for every message.
    fn in_constant(&mut self, text: &str, source: &str, case: bool) -> Result<Value, String> {
        let names = |group: usize| format!("m{group}");
        let (regex, groups) = translate(source, Some(&names))?;
        let regex = constant_pattern(&regex, case)?;
        let mut captures = regex.create_captures();
        regex.captures(text, &mut captures);
        if !captures.is_match() {
            return Ok(Value::Truth(Cond::Never));
        }
        self.variables.forget_matches();
        for group in 0..=groups.min(9) {
            let found = captures.get_group(group).and_then(|span| text.get(span.range()));
            let name = if group == 0 { "MATCH".to_owned() } else { format!("MATCH{group}") };
            self.variables
                .set(&name, MaildropVariable::Constant(found.unwrap_or_default().to_owned()));
        }
        Ok(Value::Truth(Cond::Always))
    }

    fn call(&mut self, name: &str, arguments: &[Expression]) -> Result<Value, String> {
        let mut values = Vec::new();
        for argument in arguments {
            match self.value(argument)? {
                Value::Variable(variable) => values.push(variable),
                _ => return Err(format!("`{name}` of a number")),
            }
        }
        let constants: Option<Vec<&str>> = values
            .iter()
            .map(|value| match value {
                MaildropVariable::Constant(text) => Some(text.as_str()),
                _ => None,
            })
            .collect();
        match (name, constants.as_deref(), values.as_slice()) {
            ("length", Some([text]), _) => Ok(Value::constant(text.chars().count().to_string())),
            ("tolower", Some([text]), _) => Ok(Value::constant(text.to_ascii_lowercase())),
            ("toupper", Some([text]), _) => Ok(Value::constant(text.to_ascii_uppercase())),
            ("escape", Some([text]), _) => Ok(Value::constant(escaped(text))),
            ("substr", Some([text, from]), _) => Ok(Value::constant(part(text, from, None)?)),
            ("substr", Some([text, from, count]), _) => {
                Ok(Value::constant(part(text, from, Some(count))?))
            }
            ("tolower" | "toupper", None, [value]) => {
                let how = if name == "tolower" { "lower" } else { "upper" };
                in_case(value, how).map(Value::Variable)
            }
            ("hasaddr", Some([address]), _) => {
                let fields = ["to", "cc", "address \"Resent-To\"", "address \"Resent-Cc\""];
                let fields = fields.map(str::to_owned).to_vec();
                let values = vec![Operand::Text((*address).to_owned())];
                Ok(Value::Truth(Cond::Test(Test { fields, operator: "is", values })))
            }
            ("lookup", _, [what, MaildropVariable::Constant(file)]) => {
                self.lookup(what, file, false)
            }
            (
                "lookup",
                _,
                [what, MaildropVariable::Constant(file), MaildropVariable::Constant(options)],
            ) => self.lookup(what, file, options.contains('D')),
            ("time", ..) => Err("the time in seconds".into()),
            (name, ..) if name.starts_with("gdbm") => Err(format!("`{name}`: a database")),
            _ => Err(format!("`{name}` of what the message says")),
        }
    }

    /// `lookup(value, file)`: the patterns of a file, as they are at the time of the
    /// import.
    fn lookup(&mut self, what: &MaildropVariable, file: &str, case: bool) -> Result<Value, String> {
        let path = self.path_of(file);
        let bytes = (self.load)(&path).map_err(|error| {
            unreadable(&format!("the file `{file}` of patterns"), &path, &error)
        })?;
        let (text, _) = crate::import::decode(&bytes);
        let lines: Vec<&str> = text
            .lines()
            .map(str::trim_start)
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
            .collect();
        if lines.len() > MOST_PATTERNS {
            return Err(format!("`{file}` has more than {MOST_PATTERNS} patterns"));
        }
        self.note(&format!("the rules contain the patterns of {file} as they are now"));
        if let MaildropVariable::Constant(text) = what {
            for line in &lines {
                if self.in_constant(text, line, case)? == Value::Truth(Cond::Always) {
                    return Ok(Value::Truth(Cond::Always));
                }
            }
            return Ok(Value::Truth(Cond::Never));
        }
        let field = field_of(what)?;
        let is_line =
            matches!(what, MaildropVariable::Captured(found) if !found.template.starts_with('{'));
        let mut values = Vec::new();
        for line in lines {
            if is_line && line.contains('^') {
                return Err(format!("`{line}` in `{file}` asks for the start of the line"));
            }
            values.push(Operand::Pattern(translate(line, None)?.0, case));
        }
        if values.is_empty() {
            return Ok(Value::Truth(Cond::Never));
        }
        Ok(Value::Truth(Cond::Test(Test { fields: vec![field], operator: "matches", values })))
    }

    /// The path of a file that the filter names: `~` is the directory of the filter.
    pub(super) fn path_of(&self, written: &str) -> PathBuf {
        let base = self.around.first().and_then(|path| path.parent()).unwrap_or(Path::new(""));
        match written.strip_prefix("~/") {
            Some(rest) => base.join(rest),
            None => base.join(written),
        }
    }
}

/// A text that is nothing but one variable is that variable.
fn whole(text: MaildropText) -> Value {
    Value::Variable(match text.constant {
        Some(constant) => MaildropVariable::Constant(constant),
        None => MaildropVariable::Template(text.template, text.local),
    })
}

/// `substr`
fn part(text: &str, from: &str, count: Option<&str>) -> Result<String, String> {
    let read = |text: &str| text.trim().parse::<usize>().map_err(|_| "`substr` of no number");
    let from = read(from)?;
    let count = count.map(read).transpose()?.unwrap_or(usize::MAX);
    Ok(text.chars().skip(from).take(count).collect())
}

/// `escape`
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        if "|!$()[]\\+*?.&;`'-~<>^{}\"".contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// A template in upper or lower case.
fn in_case(value: &MaildropVariable, how: &str) -> Result<MaildropVariable, String> {
    let (template, local) = match value {
        MaildropVariable::Field(_, template) => (template.clone(), false),
        MaildropVariable::Kept(name, _) => (format!("{{{name}}}"), false),
        MaildropVariable::Template(template, local) => (template.clone(), *local),
        MaildropVariable::Captured(captured) => (captured.template.clone(), true),
        MaildropVariable::Constant(_) | MaildropVariable::Unknown(_) => {
            return Err("no template".into());
        }
    };
    let cased = cased(&template, how).ok_or("the case of a text of several values")?;
    Ok(MaildropVariable::Template(cased, local))
}

/// Texts and values of a template, each in upper or lower case; none where one of the
/// values has a form already.
fn cased(template: &str, how: &str) -> Option<String> {
    let mut out = String::new();
    let mut rest = template;
    while let Some((text, after)) = rest.split_once('{') {
        let (value, after) = after.split_once('}')?;
        if value.is_empty() || value.contains(['{', ':']) || text.contains('}') {
            return None;
        }
        push_cased(&mut out, text, how);
        out.push_str(&format!("{{{value}:{how}}}"));
        rest = after;
    }
    if rest.contains('}') {
        return None;
    }
    push_cased(&mut out, rest, how);
    Some(out)
}

fn push_cased(out: &mut String, text: &str, how: &str) {
    match how {
        "upper" => out.push_str(&text.to_ascii_uppercase()),
        _ => out.push_str(&text.to_ascii_lowercase()),
    }
}

/// What a list of names asks for of what a pattern captured.
pub(super) fn match_names(names: &[&str]) -> CaptureNeeds {
    let whole = names.contains(&"MATCH");
    let groups = names.iter().any(|name| is_match(name) && *name != "MATCH");
    CaptureNeeds { whole, groups, ..CaptureNeeds::default() }
}
