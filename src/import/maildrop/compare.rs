//! Values in comparisons and sums, as conditions on the message.

use super::pattern::FirstNumber;
use super::value::{MaildropCapture, MaildropVariable, Value};
use crate::import::ir::{Cond, pattern_literal};

/// For how many weights all combinations are written out.
const MOST_WEIGHTS: usize = 5;

/// The field that tests use.
pub(super) fn field_of(variable: &MaildropVariable) -> Result<String, String> {
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

/// Whether a value is neither empty nor `0`.
pub(super) fn truth(value: Value) -> Result<Cond, String> {
    match value {
        Value::Truth(condition) | Value::Code(condition) => Ok(condition),
        Value::Size => Ok(Cond::Always),
        Value::Status(name) => Ok(Cond::not(Cond::texts(name, "is", ["0"]))),
        Value::Sum(..) => compare("!=", value, Value::constant("0")),
        Value::Variable(MaildropVariable::Constant(text)) => Ok(Cond::certain(is_true(&text))),
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

pub(super) fn is_true(text: &str) -> bool {
    !text.is_empty() && text != "0"
}

pub(super) fn number(text: &str) -> Option<f64> {
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

/// The operator that means the same with its sides exchanged.
fn reversed(operator: &str) -> &str {
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

/// A field compared with a number.
fn number_test(field: impl Into<String>, operator: &str, number: String) -> Cond {
    match operator {
        "!=" => Cond::not(Cond::plain(field, "=", number)),
        "==" => Cond::plain(field, "=", number),
        "<" => Cond::plain(field, "<", number),
        "<=" => Cond::plain(field, "<=", number),
        ">" => Cond::plain(field, ">", number),
        _ => Cond::plain(field, ">=", number),
    }
}

pub(super) fn compare(operator: &str, left: Value, right: Value) -> Result<Cond, String> {
    let Value::Variable(MaildropVariable::Constant(constant)) = right else {
        if let Value::Variable(MaildropVariable::Constant(_)) = left {
            return compare(reversed(operator), right, left);
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
            return Err(format!("`{text}` is not a number"));
        };
        Ok(holds(operator, left.total_cmp(&right)))
    };
    match left {
        Value::Variable(MaildropVariable::Constant(text)) => Ok(Cond::certain(fits(&text)?)),
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
        // Which number a code is cannot be known, except that of `test`, 1.
        Value::Truth(condition) | Value::Code(condition) => match (fits("1")?, fits("0")?) {
            (true, true) => Ok(Cond::Always),
            (true, false) => Ok(condition),
            (false, true) => Ok(Cond::not(condition)),
            (false, false) => Ok(Cond::Never),
        },
        Value::Status(name) => status_test(name, fits),
        Value::Size if !is_text => {
            let number = number(&constant).ok_or("the size is compared with a text")?;
            let whole = number.fract() == 0.0 && (0.0..1e15).contains(&number);
            match whole {
                true => Ok(number_test("size", operator, format!("{number:.0}"))),
                false => Err(format!("`{constant}` is not a size")),
            }
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
            match captured.number {
                Some(first) => first_number_test(first, operator, &constant),
                None => Ok(Cond::Never),
            }
        }
        Value::Variable(variable) => text_test(&variable, operator, &constant),
    }
}

/// The exit status of a program is one of those that fit.
fn status_test(name: String, fits: impl Fn(&str) -> Result<bool, String>) -> Result<Cond, String> {
    let (mut fit, mut others) = (Vec::new(), Vec::new());
    for number in 0..=255 {
        let number = number.to_string();
        if fits(&number)? { fit.push(number) } else { others.push(number) }
    }
    Ok(match fit.len() < others.len() {
        true => Cond::texts(name, "is", fit),
        false => Cond::not(Cond::texts(name, "is", others)),
    })
}

/// The first number in a header, compared with a number.
fn first_number_test(first: FirstNumber, operator: &str, constant: &str) -> Result<Cond, String> {
    let number = number(constant).ok_or("a number is compared with a text")?;
    if !first.whole {
        return Ok(number_test(first.field, operator, number.to_string()));
    }
    // 5.2 counts as 5 there.
    if number.fract() != 0.0 || number < 0.0 {
        return Err(format!("a whole number is compared with {constant}"));
    }
    let (operator, number) = match operator {
        ">" => (">=", number + 1.0),
        "<=" => ("<", number + 1.0),
        ">=" | "<" => (operator, number),
        _ => return Err("a part of a number is compared".into()),
    };
    Ok(number_test(first.field, operator, number.to_string()))
}

/// A text of the message is a constant, or is not; case counts.
fn text_test(variable: &MaildropVariable, operator: &str, constant: &str) -> Result<Cond, String> {
    let field = field_of(variable)?;
    let condition = match constant.is_empty() {
        true => Cond::not(Cond::Word(format!("has {field}"))),
        false => Cond::matches(vec![field], format!("^{}$", pattern_literal(constant)), true),
    };
    match operator {
        "eq" => Ok(condition),
        "ne" => Ok(Cond::not(condition)),
        _ => Err(format!("`{operator}` on what the message says")),
    }
}

/// A kept text is one of its values.
pub(super) fn is_value(name: &str, value: &str, values: &[String]) -> Result<Cond, String> {
    if value.is_empty() {
        return Ok(Cond::not(Cond::Word(format!("has {name}"))));
    }
    let same = |other: &&String| other.to_lowercase() == value.to_lowercase();
    if values.iter().filter(same).count() > 1 {
        return Err(format!("the values of {name} differ only in case"));
    }
    Ok(Cond::texts(name, "is", [value]))
}

/// The combinations of weights whose sum passes `fits`.
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

pub(super) fn arithmetic(operator: &str, left: Value, right: Value) -> Result<Value, String> {
    let numbers = |value: Value| -> Result<(Vec<(f64, Cond)>, f64), String> {
        match value {
            Value::Variable(MaildropVariable::Constant(text)) => {
                Ok((Vec::new(), number(&text).ok_or(format!("`{text}` is not a number"))?))
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
