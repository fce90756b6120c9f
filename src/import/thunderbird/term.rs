//! Conditions: `AND (subject,contains,x) AND (from,is,a@b.example)`, or `ALL`.

use crate::import::ir::{Cond, Operand, Test, header, pattern_literal};
use crate::message::date::MONTHS;

/// One term, `(attribute,operator,value)`.
#[derive(Debug, PartialEq)]
pub(super) struct Term {
    attribute: String,
    operator: String,
    value: String,
}

/// A condition as it is in the file.
#[derive(Debug, PartialEq)]
pub(super) enum Terms {
    /// Every message.
    All,
    /// All of them, or one of them.
    Of { any: bool, terms: Vec<Term> },
}

/// Reads a condition.
///
/// # Errors
/// What cannot be read.
pub(super) fn read(text: &str) -> Result<Terms, String> {
    let mut rest = text.trim();
    if rest.eq_ignore_ascii_case("ALL") {
        return Ok(Terms::All);
    }
    let mut joint = None;
    let mut terms = Vec::new();
    while !rest.is_empty() {
        let Some((word, following)) = rest.split_once('(') else {
            return Err(format!("`{rest}` is not a condition"));
        };
        let any = match word.trim() {
            word if word.eq_ignore_ascii_case("AND") => false,
            word if word.eq_ignore_ascii_case("OR") => true,
            word => return Err(format!("`{word}` is neither AND nor OR")),
        };
        if joint.is_some_and(|known| known != any) {
            return Err("AND and OR are mixed".into());
        }
        joint = Some(any);
        let cut = || "a condition is cut short".to_owned();
        let (attribute, following) = part(following, ',').ok_or_else(cut)?;
        let (operator, following) = part(following, ',').ok_or_else(cut)?;
        let (value, following) = part(following, ')').ok_or_else(cut)?;
        terms.push(Term { attribute, operator, value });
        rest = following.trim_start();
    }
    match joint {
        Some(any) => Ok(Terms::Of { any, terms }),
        None => Err("the condition is empty".into()),
    }
}

/// What comes before a sign, perhaps in quotes; and what comes after it.
fn part(text: &str, end: char) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let (part, following) = text.split_once(end)?;
        return Some((part.to_owned(), following));
    };
    let mut part = String::new();
    let mut signs = quoted.char_indices();
    while let Some((at, sign)) = signs.next() {
        match sign {
            '\\' => part.extend(signs.next().map(|(_, next)| next)),
            '"' => return Some((part, quoted.get(at + 1..)?.strip_prefix(end)?)),
            _ => part.push(sign),
        }
    }
    None
}

/// A condition of ours, and how it differs.
#[derive(Debug)]
pub(super) struct ThunderbirdTest {
    pub(super) condition: Cond,
    pub(super) differs: Option<String>,
    /// An address book that it asks for, as Thunderbird names it, and its list.
    pub(super) book: Option<(String, String)>,
}

impl ThunderbirdTest {
    fn exact(condition: Cond) -> ThunderbirdTest {
        ThunderbirdTest { condition, differs: None, book: None }
    }

    fn but(condition: Cond, differs: &str) -> ThunderbirdTest {
        ThunderbirdTest { differs: Some(differs.to_owned()), ..ThunderbirdTest::exact(condition) }
    }
}

/// The operators on text.
#[derive(Clone, Copy, PartialEq)]
enum ThunderbirdOperator {
    Contains,
    Is,
    Begins,
    Ends,
    Empty,
}

/// An operator on text, and whether its result is negated.
fn text_operator(word: &str) -> Option<(ThunderbirdOperator, bool)> {
    Some(match word {
        "contains" => (ThunderbirdOperator::Contains, false),
        "doesn't contain" => (ThunderbirdOperator::Contains, true),
        "is" => (ThunderbirdOperator::Is, false),
        "isn't" => (ThunderbirdOperator::Is, true),
        "begins with" => (ThunderbirdOperator::Begins, false),
        "ends with" => (ThunderbirdOperator::Ends, false),
        "is empty" => (ThunderbirdOperator::Empty, false),
        "isn't empty" => (ThunderbirdOperator::Empty, true),
        _ => return None,
    })
}

/// What fields a term is about.
enum ThunderbirdFields {
    Text(Vec<String>),
    Addresses(Vec<&'static str>),
}

/// A term in our words.
///
/// # Errors
/// Why it cannot be expressed.
pub(super) fn test(term: &Term) -> Result<ThunderbirdTest, String> {
    let Term { attribute, operator, value } = term;
    let lower = attribute.to_ascii_lowercase();
    let fields = match lower.as_str() {
        "subject" => ThunderbirdFields::Text(vec!["subject".into()]),
        "from" | "from in ab" => ThunderbirdFields::Addresses(vec!["from"]),
        "to" => ThunderbirdFields::Addresses(vec!["to"]),
        "cc" => ThunderbirdFields::Addresses(vec!["cc"]),
        "to or cc" => ThunderbirdFields::Addresses(vec!["to", "cc"]),
        "all addresses" => ThunderbirdFields::Addresses(vec!["from", "to", "cc", "bcc"]),
        "body" => return body(operator, value),
        "date" => return date(operator, value),
        "age in days" => return age(operator, value),
        "size" => return size(operator, value),
        "status" => return status(operator, value),
        "priority" => return priority(operator, value),
        "tag" | "label" => return tag(&lower, operator, value),
        "has attachment status" => {
            let has = Cond::plain("attachments", ">", "0");
            let but = "Thunderbird goes by the type of the message, mfilter by its parts";
            return match operator.as_str() {
                "is" => Ok(ThunderbirdTest::but(has, but)),
                "isn't" => Ok(ThunderbirdTest::but(Cond::not(has), but)),
                _ => Err(unknown_operator(operator)),
            };
        }
        "junk status" | "junk percent" | "junk score origin" => {
            return Err(format!(
                "`{attribute}` is what Thunderbird's own junk filter says; `spam` is what the \
                 server's says"
            ));
        }
        _ if lower.contains(['#', '@']) || lower.is_empty() => {
            return Err(format!("`{attribute}` is of an add-on"));
        }
        _ => {
            let is_name = attribute.bytes().all(|byte| byte.is_ascii_graphic() && byte != b':');
            if !is_name {
                return Err(format!("`{attribute}` is not a header"));
            }
            ThunderbirdFields::Text(vec![header(attribute)])
        }
    };
    if let (ThunderbirdFields::Addresses(fields), "is in ab" | "isn't in ab") =
        (&fields, operator.as_str())
    {
        return in_book(fields, operator == "isn't in ab", value);
    }
    let (how, denies) = text_operator(operator).ok_or_else(|| unknown_operator(operator))?;
    if how != ThunderbirdOperator::Empty {
        sound(value)?;
    }
    let condition = match fields {
        ThunderbirdFields::Text(fields) => text_test(&fields, how, value),
        ThunderbirdFields::Addresses(fields) => address_test(&fields, how, value),
    };
    Ok(ThunderbirdTest::exact(if denies { Cond::not(condition) } else { condition }))
}

fn unknown_operator(operator: &str) -> String {
    format!("the operator `{operator}` is not known here")
}

/// Whether we can compare a text as Thunderbird does.
fn sound(value: &str) -> Result<(), String> {
    if value.trim().is_empty() {
        return Err("an empty text is compared".into());
    }
    if value.contains("  ") || value.contains(char::is_control) {
        return Err("its text has blanks in a row, which are one here".into());
    }
    Ok(())
}

fn one(fields: &[String], operator: &'static str, value: &str) -> Cond {
    let (fields, values) = (fields.to_vec(), vec![Operand::Text(value.to_owned())]);
    Cond::Test(Test { fields, operator, values })
}

fn text_test(fields: &[String], how: ThunderbirdOperator, value: &str) -> Cond {
    match how {
        ThunderbirdOperator::Contains => one(fields, "contains", value),
        ThunderbirdOperator::Is => one(fields, "is", value),
        ThunderbirdOperator::Begins => one(fields, "starts", value),
        ThunderbirdOperator::Ends => one(fields, "ends", value),
        ThunderbirdOperator::Empty => {
            Cond::not(Cond::any(fields.iter().map(|field| Cond::Word(format!("has {field}")))))
        }
    }
}

/// Thunderbird compares names and addresses separately.
fn address_test(fields: &[&str], how: ThunderbirdOperator, value: &str) -> Cond {
    let plain: Vec<String> = fields.iter().map(|field| (*field).to_owned()).collect();
    let names: Vec<String> = fields.iter().map(|field| format!("{field}.name")).collect();
    let either = |operator| {
        let by_name = one(&names, operator, value);
        if value.contains('@') && !value.contains(' ') {
            one(&plain, operator, value)
        } else {
            Cond::any([one(&plain, operator, value), by_name])
        }
    };
    match how {
        ThunderbirdOperator::Is => either("is"),
        ThunderbirdOperator::Begins => either("starts"),
        ThunderbirdOperator::Ends => either("ends"),
        ThunderbirdOperator::Contains | ThunderbirdOperator::Empty => text_test(&plain, how, value),
    }
}

/// Senders in an address book, which become a list.
fn in_book(fields: &[&str], denies: bool, value: &str) -> Result<ThunderbirdTest, String> {
    if denies {
        return Err("the address book is not there, and without it everybody is not in it".into());
    }
    let name = value.rsplit('/').next().unwrap_or_default();
    let name = name.split(['.', '?']).next().unwrap_or_default();
    let name: String = name.chars().take(30).collect();
    let lower = name.to_ascii_lowercase();
    let words = lower.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let list = std::iter::once("book").chain(words).collect::<Vec<_>>().join("-");
    let tests = fields.iter().map(|field| Cond::plain(*field, "in", list.clone()));
    let differs = format!("the addresses of the address book {name} have to be put into the list");
    let tested = ThunderbirdTest::but(Cond::any(tests), &differs);
    Ok(ThunderbirdTest { book: Some((value.to_owned(), list)), ..tested })
}

fn body(operator: &str, value: &str) -> Result<ThunderbirdTest, String> {
    let (how, denies) = text_operator(operator).ok_or_else(|| unknown_operator(operator))?;
    if how != ThunderbirdOperator::Contains {
        return Err(format!("`{operator}` compares each line of the text"));
    }
    sound(value)?;
    let condition = one(&["body".into()], "contains", value);
    let condition = if denies { Cond::not(condition) } else { condition };
    Ok(match value.contains(' ') {
        true => ThunderbirdTest::but(
            condition,
            "words that are broken across lines in the text are found here",
        ),
        false => ThunderbirdTest::exact(condition),
    })
}

/// `20-Jan-2024`
fn date(operator: &str, value: &str) -> Result<ThunderbirdTest, String> {
    let day = || {
        let mut parts = value.split('-');
        let (day, month, year) = (parts.next()?, parts.next()?, parts.next()?);
        let month = MONTHS.iter().position(|name| month.eq_ignore_ascii_case(name))? + 1;
        let (day, year): (u8, i16) = (day.trim().parse().ok()?, year.trim().parse().ok()?);
        let month = i8::try_from(month).ok()?;
        let date = jiff::civil::Date::new(year, month, i8::try_from(day).ok()?).ok()?;
        (parts.next().is_none() && year >= 1000).then(|| date.to_string())
    };
    let day = day().ok_or_else(|| format!("`{value}` is not a date"))?;
    let test = |operator| Cond::plain("date", operator, day.clone());
    Ok(ThunderbirdTest::exact(match operator {
        "is" => test("="),
        "isn't" => Cond::not(test("=")),
        "is before" => test("<"),
        "is after" => test(">"),
        _ => return Err(unknown_operator(operator)),
    }))
}

fn number(value: &str) -> Result<u64, String> {
    value.trim().parse().map_err(|_| format!("`{value}` is not a number"))
}

fn age(operator: &str, value: &str) -> Result<ThunderbirdTest, String> {
    let days = number(value)?;
    if days > 36_500 {
        return Err(format!("{days} days are too many"));
    }
    let test = |operator| Cond::plain("age", operator, format!("{days}d"));
    Ok(ThunderbirdTest::exact(match operator {
        "is greater than" => test(">"),
        "is less than" => test("<"),
        _ => return Err(unknown_operator(operator)),
    }))
}

/// In kilobytes; fractions do not count.
fn size(operator: &str, value: &str) -> Result<ThunderbirdTest, String> {
    let kilobytes = number(value)?;
    let from = kilobytes.checked_mul(1024).ok_or("the size is too large")?;
    let following = from.checked_add(1024).ok_or("the size is too large")?;
    let above = |bytes: u64| Cond::plain("size", ">=", bytes.to_string());
    Ok(ThunderbirdTest::exact(match operator {
        "is greater than" => above(following),
        "is less than" => Cond::plain("size", "<", from.to_string()),
        "is" => Cond::all([above(from), Cond::not(above(following))]),
        _ => return Err(unknown_operator(operator)),
    }))
}

fn status(operator: &str, value: &str) -> Result<ThunderbirdTest, String> {
    let flag = match value.to_ascii_lowercase().as_str() {
        "read" => "seen",
        "replied" => "replied",
        "forwarded" => "passed",
        "flagged" | "marked" => "flagged",
        other => return Err(format!("the status `{other}` is of mail in a folder")),
    };
    let flag = Cond::Word(flag.into());
    Ok(ThunderbirdTest::exact(match operator {
        "is" => flag,
        "isn't" => Cond::not(flag),
        _ => return Err(unknown_operator(operator)),
    }))
}

/// By the header, as Thunderbird reads it: a digit or a word.
fn priority(operator: &str, value: &str) -> Result<ThunderbirdTest, String> {
    // From the lowest; a header says each by a number or by words.
    const LEVELS: [(&str, &str); 5] =
        [("lowest", "5"), ("low", "4"), ("normal", "3"), ("high", "2"), ("highest", "1")];
    let lower = value.to_ascii_lowercase();
    let at = LEVELS.iter().position(|(name, _)| *name == lower);
    let at = at.ok_or_else(|| format!("the priority `{value}` is not known"))?;
    let wanted = match operator {
        "is" | "isn't" => at..at + 1,
        "is higher than" => at + 1..LEVELS.len(),
        "is lower than" => 0..at,
        _ => return Err(unknown_operator(operator)),
    };
    // Without a header it is normal.
    if wanted.contains(&2) {
        return Err(format!("`{operator} {value}` holds without a header, too"));
    }
    if wanted.is_empty() {
        return Ok(ThunderbirdTest::exact(Cond::Never));
    }
    let words: Vec<String> = LEVELS
        .get(wanted)
        .unwrap_or_default()
        .iter()
        .map(|(name, digit)| format!("{digit}|{}", pattern_literal(name)))
        .collect();
    let fields = vec![header("X-Priority"), header("Priority")];
    let test = Cond::matches(fields, format!("^({})\\b", words.join("|")), false);
    let differs = "by the headers X-Priority and Priority, not by what Thunderbird has set itself";
    let test = if operator == "isn't" { Cond::not(test) } else { test };
    Ok(ThunderbirdTest::but(test, differs))
}

/// Keywords that a filter before has set.
fn tag(attribute: &str, operator: &str, value: &str) -> Result<ThunderbirdTest, String> {
    let keyword = match attribute {
        "label" => format!("$label{value}"),
        _ => value.to_owned(),
    };
    let (how, denies) = text_operator(operator).ok_or_else(|| unknown_operator(operator))?;
    let condition = match how {
        ThunderbirdOperator::Empty => Cond::not(Cond::Word("has keyword".into())),
        _ if keyword.trim().is_empty() => return Err("an empty tag is compared".into()),
        ThunderbirdOperator::Contains => Cond::texts("keyword", "is", [keyword]),
        ThunderbirdOperator::Is => {
            let condition = Cond::texts("keyword", "is", [keyword]);
            let condition = if denies { Cond::not(condition) } else { condition };
            return Ok(ThunderbirdTest::but(condition, "other tags may be set as well"));
        }
        ThunderbirdOperator::Begins | ThunderbirdOperator::Ends => {
            return Err(unknown_operator(operator));
        }
    };
    Ok(ThunderbirdTest::exact(if denies { Cond::not(condition) } else { condition }))
}
