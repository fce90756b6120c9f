//! Expressions as values and conditions.

use std::path::{Path, PathBuf};

use regex_automata::meta;
use regex_automata::util::syntax;

use super::context::{FilterLowering, ReturnCode};
use super::expression::{Expression, ExpressionPiece};
use super::pattern::{MaildropMatch, MaildropWanted, found, in_message};
use super::regex::translate;
use super::value::{MaildropCapture, MaildropText, MaildropVariable, Value, is_match};
use crate::import::ir::{Cond, Operand, Test};
use crate::import::shell::command_value;

/// Of how many weights all combinations are written out.
const MOST_WEIGHTS: usize = 5;
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
                    ReturnCode::Known(condition) => Ok(Value::Code(condition.clone())),
                    ReturnCode::Exists(_) => Err("which files are there decides".into()),
                    ReturnCode::Unknown => Err("a program decides".into()),
                },
                [ExpressionPiece::Variable(name)] => match self.variables.get(name) {
                    MaildropVariable::Unknown(why) => Err(why),
                    known => Ok(Value::Variable(known)),
                },
                _ => self.variables.text(pieces).map(whole),
            },
            Expression::Command(pieces) => {
                let command = self.variables.text(pieces)?;
                let command = command.constant.ok_or("a shell would see what the message says")?;
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
                    compare(operator, left, right).map(Value::Truth)
                }
            },
            Expression::Call(name, arguments) => self.call(name, arguments),
        }
    }

    /// The text of a pattern, its variables put in.
    fn pattern_source(&self, source: &[ExpressionPiece]) -> Result<String, String> {
        let text = self.variables.text(source)?;
        text.constant.ok_or_else(|| "what is inserted in the pattern comes from the message".into())
    }

    fn wanted(&mut self) -> MaildropWanted {
        let wanted = MaildropWanted { number: self.captured, ..self.wanted };
        self.captured += usize::from(self.wanted.whole || self.wanted.groups);
        wanted
    }

    fn in_message(&mut self, source: &[ExpressionPiece], options: &str) -> Result<Value, String> {
        let source = self.pattern_source(source)?;
        // `,weight,0`: only the first time counts.
        let (letters, weight) = options.split_once(',').unwrap_or((options, ""));
        let weight = match weight.split_once(',') {
            None if weight.is_empty() => None,
            Some((weight, "0")) => Some(number(weight).ok_or("a weight that is no number")?),
            _ => return Err("each time it is found counts".into()),
        };
        let old = self.variables.get("MAILDROP_OLD_REGEXP");
        if source.contains('!')
            && !matches!(old, MaildropVariable::Constant(text) if !is_true(&text))
        {
            return Err("a pattern of maildrop 1 with `!` in it".into());
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
        self.set_matches(&matched, wanted);
        self.differs = self.differs.take().or(matched.differs);
        Ok(match weight {
            Some(weight) => Value::Sum(vec![(weight, matched.condition)], 0.0),
            None => Value::Truth(matched.condition),
        })
    }

    fn set_matches(&mut self, matched: &MaildropMatch, wanted: MaildropWanted) {
        self.variables.forget_matches();
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
            let captured = MaildropCapture {
                template,
                number: matched.number.clone().filter(|_| first),
                rest: matched.rest.clone().filter(|_| first),
            };
            self.variables.set(&format!("MATCH{group}"), MaildropVariable::Captured(captured));
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
            return Err("each time it is found counts".into());
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
        if wanted.whole {
            regex = format!("(?P<{}>{regex})", wanted.name(0));
        }
        let mut matched = found();
        matched.whole = wanted.whole.then(|| format!("{{{}}}", wanted.name(0)));
        matched.groups = groups;
        self.set_matches(&matched, wanted);
        let values = vec![Operand::Pattern(regex, case)];
        Ok(Value::Truth(Cond::Test(Test { fields: vec![field], operator: "matches", values })))
    }

    fn in_constant(&mut self, text: &str, source: &str, case: bool) -> Result<Value, String> {
        let names = |group: usize| format!("m{group}");
        let (regex, groups) = translate(source, Some(&names))?;
        let regex = meta::Regex::builder()
            .syntax(syntax::Config::new().case_insensitive(!case))
            .configure(meta::Config::new().nfa_size_limit(Some(1 << 20)))
            .build(&regex)
            .map_err(|_| "the pattern is too large".to_owned())?;
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

    /// `lookup(value, file)`: the patterns of a file, as they are now.
    fn lookup(&mut self, what: &MaildropVariable, file: &str, case: bool) -> Result<Value, String> {
        let path = self.path_of(file);
        let bytes = (self.load)(&path)
            .map_err(|error| format!("the patterns of `{file}` cannot be read: {error}"))?;
        let (text, _) = crate::import::decode(&bytes);
        let lines: Vec<&str> = text
            .lines()
            .map(str::trim_start)
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
            .collect();
        if lines.len() > MOST_PATTERNS {
            return Err(format!("`{file}` has more than {MOST_PATTERNS} patterns"));
        }
        self.note(&format!("the patterns of {file} stand in the rules as they are now"));
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

    /// Where a file lies that the filter names: `~` is where the filter lies.
    pub(super) fn path_of(&self, written: &str) -> PathBuf {
        let base = self.around.first().and_then(|path| path.parent()).unwrap_or(Path::new(""));
        match written.strip_prefix("~/") {
            Some(rest) => base.join(rest),
            None => base.join(written),
        }
    }
}

/// A text is a variable where it is nothing but one.
fn whole(text: MaildropText) -> Value {
    Value::Variable(match text.constant {
        Some(constant) => MaildropVariable::Constant(constant),
        None => MaildropVariable::Template(text.template, text.local),
    })
}

/// The field that tests ask for.
fn field_of(variable: &MaildropVariable) -> Result<String, String> {
    match variable {
        MaildropVariable::Field(field, _) => Ok(field.clone()),
        MaildropVariable::Kept(name, _) => Ok(name.clone()),
        MaildropVariable::Captured(MaildropCapture { rest: Some(field), .. }) => Ok(field.clone()),
        MaildropVariable::Captured(_) => Err("a part of what a pattern found is tested".into()),
        MaildropVariable::Template(..) => Err("a text of several values is tested".into()),
        MaildropVariable::Constant(_) => Err("what is the same for every message is tested".into()),
        MaildropVariable::Unknown(why) => Err(why.clone()),
    }
}

/// Neither empty nor `0`.
fn truth(value: Value) -> Result<Cond, String> {
    let certain = |holds: bool| if holds { Cond::Always } else { Cond::Never };
    match value {
        Value::Truth(condition) | Value::Code(condition) => Ok(condition),
        Value::Size => Ok(Cond::Always),
        Value::Sum(..) => compare("!=", value, Value::constant("0")),
        Value::Variable(MaildropVariable::Constant(text)) => Ok(certain(is_true(&text))),
        Value::Variable(variable) => {
            let field = field_of(&variable)?;
            let has = Cond::Word(format!("has {field}"));
            let is_never_zero = matches!(&variable, MaildropVariable::Kept(_, Some(values)) if !values.iter().any(|value| value == "0"));
            match is_never_zero {
                true => Ok(has),
                false => Ok(Cond::all([has, Cond::not(Cond::texts(field, "is", ["0"]))])),
            }
        }
    }
}

fn is_true(text: &str) -> bool {
    !text.is_empty() && text != "0"
}

fn number(text: &str) -> Option<f64> {
    let text = text.trim();
    if text.is_empty() {
        return Some(0.0);
    }
    text.parse::<f64>().ok().filter(|number| number.is_finite())
}

fn holds(operator: &str, order: std::cmp::Ordering) -> bool {
    match operator {
        "<" | "lt" => order.is_lt(),
        "<=" | "le" => order.is_le(),
        ">" | "gt" => order.is_gt(),
        ">=" | "ge" => order.is_ge(),
        "!=" | "ne" => order.is_ne(),
        _ => order.is_eq(),
    }
}

/// The operator with its sides changed.
fn turned(operator: &str) -> &str {
    match operator {
        "<" => ">",
        "<=" => ">=",
        ">" => "<",
        ">=" => "<=",
        "lt" => "gt",
        "le" => "ge",
        "gt" => "lt",
        "ge" => "le",
        other => other,
    }
}

fn compare(operator: &str, left: Value, right: Value) -> Result<Cond, String> {
    let certain = |holds: bool| if holds { Cond::Always } else { Cond::Never };
    let Value::Variable(MaildropVariable::Constant(constant)) = right else {
        if let Value::Variable(MaildropVariable::Constant(_)) = left {
            return compare(turned(operator), right, left);
        }
        return Err("two values of the message are compared".into());
    };
    let is_text = operator.bytes().all(|byte| byte.is_ascii_alphabetic());
    let fits = |text: &str| -> Result<bool, String> {
        if is_text {
            return Ok(holds(operator, text.cmp(&constant)));
        }
        let (left, right) = (number(text), number(&constant));
        let (Some(left), Some(right)) = (left, right) else {
            return Err(format!("`{text}` is no number"));
        };
        Ok(holds(operator, left.total_cmp(&right)))
    };
    match left {
        Value::Variable(MaildropVariable::Constant(text)) => Ok(certain(fits(&text)?)),
        // Not set yet, or one of these.
        Value::Variable(MaildropVariable::Kept(name, Some(values))) => {
            let mut any = Vec::new();
            for value in &values {
                if fits(value)? {
                    any.push(is_value(&name, value, &values)?);
                }
            }
            Ok(Cond::any(any))
        }
        Value::Truth(condition) => {
            let (one, zero) = (fits("1")?, fits("0")?);
            Ok(match (one, zero) {
                (true, true) => Cond::Always,
                (true, false) => condition,
                (false, true) => Cond::not(condition),
                (false, false) => Cond::Never,
            })
        }
        // Which number it is nobody knows but that of `test`, 1.
        Value::Code(condition) => match (fits("1")?, fits("0")?) {
            (true, true) => Ok(Cond::Always),
            (true, false) => Ok(condition),
            (false, true) => Ok(Cond::not(condition)),
            (false, false) => Ok(Cond::Never),
        },
        Value::Size if !is_text => {
            let number = number(&constant).ok_or("the size is compared with a text")?;
            let whole = number.fract() == 0.0 && (0.0..1e15).contains(&number);
            let number = match whole {
                true => format!("{number:.0}"),
                false => return Err(format!("`{constant}` is no size")),
            };
            Ok(match operator {
                "!=" => Cond::not(Cond::plain("size", "=", number)),
                "==" => Cond::plain("size", "=", number),
                "<" => Cond::plain("size", "<", number),
                "<=" => Cond::plain("size", "<=", number),
                ">" => Cond::plain("size", ">", number),
                _ => Cond::plain("size", ">=", number),
            })
        }
        Value::Size => Err(format!("`{operator}` compares the size as a text")),
        Value::Sum(weights, sum) if !is_text => {
            let number = number(&constant).ok_or("a sum is compared with a text")?;
            summed(weights, sum, |sum| holds(operator, sum.total_cmp(&number)))
        }
        Value::Sum(..) => Err(format!("`{operator}` compares a sum as a text")),
        Value::Variable(MaildropVariable::Captured(captured))
            if !is_text && captured.number.is_some() =>
        {
            let Some(first) = captured.number else { return Ok(Cond::Never) };
            let mut number = number(&constant).ok_or("a number is compared with a text")?;
            let mut operator = operator;
            if first.whole {
                // 5.2 there is 5.
                if number.fract() != 0.0 || number < 0.0 {
                    return Err(format!("a whole number is compared with {constant}"));
                }
                match operator {
                    ">" => (operator, number) = (">=", number + 1.0),
                    "<=" => (operator, number) = ("<", number + 1.0),
                    ">=" | "<" => {}
                    _ => return Err("a part of a number is compared".into()),
                }
            }
            let number = number.to_string();
            Ok(match operator {
                "!=" => Cond::not(Cond::plain(first.field, "=", number)),
                "==" => Cond::plain(first.field, "=", number),
                "<" => Cond::plain(first.field, "<", number),
                "<=" => Cond::plain(first.field, "<=", number),
                ">" => Cond::plain(first.field, ">", number),
                _ => Cond::plain(first.field, ">=", number),
            })
        }
        Value::Variable(variable) => {
            let field = field_of(&variable)?;
            match operator {
                "eq" | "ne" => {
                    let condition = match constant.is_empty() {
                        true => Cond::not(Cond::Word(format!("has {field}"))),
                        // Capitals count.
                        false => {
                            let pattern =
                                format!("^{}$", crate::import::ir::pattern_literal(&constant));
                            let values = vec![Operand::Pattern(pattern, true)];
                            Cond::Test(Test { fields: vec![field], operator: "matches", values })
                        }
                    };
                    Ok(if operator == "eq" { condition } else { Cond::not(condition) })
                }
                _ => Err(format!("`{operator}` on what the message says")),
            }
        }
    }
}

/// A kept text is one of its values.
pub(super) fn is_value(name: &str, value: &str, values: &[String]) -> Result<Cond, String> {
    if value.is_empty() {
        return Ok(Cond::not(Cond::Word(format!("has {name}"))));
    }
    let same = |other: &&String| other.to_lowercase() == value.to_lowercase();
    if values.iter().filter(same).count() > 1 {
        return Err(format!("the values of {name} differ in capitals alone"));
    }
    Ok(Cond::texts(name, "is", [value]))
}

/// The sums of weights for which something holds.
fn summed(weights: Vec<(f64, Cond)>, sum: f64, fits: impl Fn(f64) -> bool) -> Result<Cond, String> {
    if weights.len() > MOST_WEIGHTS {
        return Err(format!("more than {MOST_WEIGHTS} weights"));
    }
    let ways = (0..1_u32 << weights.len()).filter(|set| {
        let of = weights.iter().enumerate().filter(|(at, _)| set >> at & 1 == 1);
        fits(sum + of.map(|(_, (weight, _))| weight).sum::<f64>())
    });
    Ok(Cond::any(ways.map(|set| {
        Cond::all(weights.iter().enumerate().map(|(at, (_, condition))| match set >> at & 1 == 1 {
            true => condition.clone(),
            false => Cond::not(condition.clone()),
        }))
    })))
}

fn arithmetic(operator: &str, left: Value, right: Value) -> Result<Value, String> {
    let numbers = |value: Value| -> Result<(Vec<(f64, Cond)>, f64), String> {
        match value {
            Value::Variable(MaildropVariable::Constant(text)) => {
                Ok((Vec::new(), number(&text).ok_or(format!("`{text}` is no number"))?))
            }
            Value::Truth(condition) => Ok((vec![(1.0, condition)], 0.0)),
            Value::Sum(weights, sum) => Ok((weights, sum)),
            _ => Err("a sum of what the message says".into()),
        }
    };
    let ((mut weights, sum), (others, number)) = (numbers(left)?, numbers(right)?);
    let sum = match operator {
        "+" => {
            weights.extend(others);
            sum + number
        }
        "-" => {
            weights.extend(others.into_iter().map(|(weight, condition)| (-weight, condition)));
            sum - number
        }
        "*" if others.is_empty() => {
            weights.iter_mut().for_each(|(weight, _)| *weight *= number);
            sum * number
        }
        "/" if others.is_empty() && number != 0.0 => {
            weights.iter_mut().for_each(|(weight, _)| *weight /= number);
            sum / number
        }
        _ => return Err(format!("`{operator}` of what the message says")),
    };
    Ok(match weights.is_empty() {
        true => Value::constant(sum.to_string()),
        false => Value::Sum(weights, sum),
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

/// A template in capitals or small letters.
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
    let inner = template.strip_prefix('{').and_then(|inner| inner.strip_suffix('}'));
    match inner.filter(|inner| !inner.contains(['{', '}', ':'])) {
        Some(inner) => Ok(MaildropVariable::Template(format!("{{{inner}:{how}}}"), local)),
        None => Err("the case of a text of several values".into()),
    }
}

/// Whether an expression asks for what a pattern captured.
pub(super) fn match_names(names: &[&str]) -> MaildropWanted {
    let whole = names.contains(&"MATCH");
    let groups = names.iter().any(|name| is_match(name) && *name != "MATCH");
    MaildropWanted { whole, groups, ..MaildropWanted::default() }
}
