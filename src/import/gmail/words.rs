//! Searches in our words. Gmail looks for whole words and ignores the punctuation between
//! them, so words are patterns here.

use super::query::GmailQuery;
use crate::import::ir::{Cond, Operand, Test, header, pattern_literal};
use crate::message::fold::is_of_script_without_blanks;

/// What is searched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum QueryScope {
    /// Everything.
    Message,
    From,
    To,
    Cc,
    Bcc,
    Subject,
    List,
    FileName,
    DeliveredTo,
    ReplyTo,
}

impl QueryScope {
    fn fields(self) -> Vec<String> {
        let fields: &[&str] = match self {
            QueryScope::Message => &["subject", "from", "to", "cc", "bcc", "body"],
            QueryScope::From => &["from"],
            QueryScope::To => &["to", "cc", "bcc"],
            QueryScope::Cc => &["cc"],
            QueryScope::Bcc => &["bcc"],
            QueryScope::Subject => &["subject"],
            QueryScope::List => return vec![header("List-Id")],
            QueryScope::FileName => &["attachment.name"],
            QueryScope::DeliveredTo => return vec!["address \"Delivered-To\"".into()],
            QueryScope::ReplyTo => &["reply-to"],
        };
        fields.iter().map(|field| (*field).to_owned()).collect()
    }

    fn has_addresses(self) -> bool {
        matches!(
            self,
            QueryScope::From
                | QueryScope::To
                | QueryScope::Cc
                | QueryScope::Bcc
                | QueryScope::DeliveredTo
                | QueryScope::ReplyTo
        )
    }
}

/// What to report about a search that is not quite the same here.
pub(super) type Differences = Vec<String>;

/// A search in our words.
///
/// # Errors
/// Why it cannot be expressed.
pub(super) fn condition(
    query: &GmailQuery,
    scope: QueryScope,
    differs: &mut Differences,
) -> Result<Cond, String> {
    match query {
        GmailQuery::Words(words) => self::words(words, scope, differs),
        GmailQuery::All(parts) => Ok(Cond::all(conditions(parts, scope, differs)?)),
        GmailQuery::Any(parts) => Ok(Cond::any(conditions(parts, scope, differs)?)),
        GmailQuery::Not(inner) => Ok(Cond::not(condition(inner, scope, differs)?)),
        GmailQuery::Field(name, inner) => field(name, inner, scope, differs),
    }
}

fn conditions(
    parts: &[GmailQuery],
    scope: QueryScope,
    differs: &mut Differences,
) -> Result<Vec<Cond>, String> {
    parts.iter().map(|part| condition(part, scope, differs)).collect()
}

fn differ(differs: &mut Differences, why: &str) {
    if !differs.iter().any(|known| known == why) {
        differs.push(why.to_owned());
    }
}

fn field(
    name: &str,
    of: &GmailQuery,
    scope: QueryScope,
    differs: &mut Differences,
) -> Result<Cond, String> {
    if scope != QueryScope::Message {
        return Err(format!("`{name}:` is inside another field"));
    }
    let scope = match name {
        "from" => QueryScope::From,
        "to" => QueryScope::To,
        "cc" => QueryScope::Cc,
        "bcc" => QueryScope::Bcc,
        "subject" => QueryScope::Subject,
        "list" => QueryScope::List,
        "filename" => QueryScope::FileName,
        "deliveredto" => QueryScope::DeliveredTo,
        "replyto" => QueryScope::ReplyTo,
        _ => return valued(name, of, differs),
    };
    condition(of, scope, differs)
}

/// Fields with their own kind of value, of which parentheses may contain several.
fn valued(name: &str, of: &GmailQuery, differs: &mut Differences) -> Result<Cond, String> {
    let value = match of {
        GmailQuery::Words(value) => value.trim(),
        GmailQuery::Any(parts) => {
            let parts: Result<Vec<Cond>, String> =
                parts.iter().map(|part| valued(name, part, differs)).collect();
            return parts.map(Cond::any);
        }
        GmailQuery::Not(inner) => return valued(name, inner, differs).map(Cond::not),
        GmailQuery::All(_) | GmailQuery::Field(..) => {
            return Err(format!("`{name}:` has several values"));
        }
    };
    let lower = value.to_ascii_lowercase();
    let unknown = || Err(format!("`{name}:{value}` is not known here"));
    match name {
        "has" if lower == "attachment" => {
            differ(differs, "Gmail does not count pictures within the text as attachments");
            Ok(Cond::plain("attachments", ">", "0"))
        }
        "is" => match lower.as_str() {
            "read" => Ok(Cond::Word("seen".into())),
            "unread" => Ok(Cond::not(Cond::Word("seen".into()))),
            "starred" => Ok(Cond::Word("flagged".into())),
            _ => unknown(),
        },
        "in" if lower == "anywhere" => Ok(Cond::Always),
        "larger" | "size" => size(value).map(|bytes| Cond::plain("size", ">", bytes)),
        "smaller" => size(value).map(|bytes| Cond::plain("size", "<", bytes)),
        "older_than" | "newer_than" => {
            let days = days(&lower).ok_or_else(|| format!("`{value}` is not a time"))?;
            let operator = if name == "older_than" { ">" } else { "<" };
            if lower.ends_with(['m', 'y']) {
                differ(differs, "a month is 30 days here, a year 365");
            }
            Ok(Cond::plain("age", operator, format!("{days}d")))
        }
        "after" | "newer" => day(value).map(|day| Cond::plain("date", ">=", day)),
        "before" | "older" => day(value).map(|day| Cond::plain("date", "<", day)),
        "rfc822msgid" => Ok(Cond::texts("message-id", "is", [value])),
        _ => unknown(),
    }
}

/// Bytes, `10K`, `5M`.
fn size(value: &str) -> Result<String, String> {
    let wrong = || format!("`{value}` is not a size");
    let lower = value.to_ascii_lowercase();
    let lower = lower.strip_suffix('b').unwrap_or(&lower);
    let (number, unit) = match lower.chars().next_back() {
        Some('k') => (lower.strip_suffix('k').unwrap_or(lower), 1 << 10),
        Some('m') => (lower.strip_suffix('m').unwrap_or(lower), 1 << 20),
        _ => (lower, 1),
    };
    let number: u64 = number.parse().map_err(|_| wrong())?;
    number.checked_mul(unit).map(|bytes| bytes.to_string()).ok_or_else(wrong)
}

/// `7d`, `2m`, `1y`
fn days(value: &str) -> Option<u32> {
    let unit = match value.chars().next_back()? {
        'd' => 1,
        'm' => 30,
        'y' => 365,
        _ => return None,
    };
    let number: u32 = value.get(..value.len() - 1)?.parse().ok()?;
    number.checked_mul(unit).filter(|days| *days <= 36_500)
}

/// `2024/01/20`, `2024-01-20`
fn day(value: &str) -> Result<String, String> {
    let date = || {
        let mut parts = value.split(['/', '-']);
        let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
        let year = year.parse().ok().filter(|year| *year >= 1000)?;
        let date = jiff::civil::Date::new(year, month.parse().ok()?, day.parse().ok()?).ok()?;
        parts.next().is_none().then(|| date.to_string())
    };
    date().ok_or_else(|| format!("`{value}` is not a date"))
}

/// A word, or words one after the other.
fn words(text: &str, scope: QueryScope, differs: &mut Differences) -> Result<Cond, String> {
    let text = text.trim();
    let plain = text.strip_prefix('*').unwrap_or(text);
    if plain.contains('*') {
        return Err(format!("`*` in `{text}` is not known"));
    }
    if plain.eq_ignore_ascii_case("me") && scope.has_addresses() {
        if scope != QueryScope::To {
            return Err(format!("`{text}` is the account that is searched"));
        }
        differ(differs, "`me` is what `set me` says");
        return Ok(Cond::Word("addressed-to-me".into()));
    }
    if scope == QueryScope::Message {
        differ(differs, "Gmail looks for words in attachments, too");
    }
    let test = |operator, value| {
        Cond::Test(Test { fields: scope.fields(), operator, values: vec![value] })
    };
    if scope.has_addresses() && is_address(text) {
        return Ok(test("is", Operand::Text(text.to_owned())));
    }
    let is_of_words = |c: char| c.is_alphanumeric() || c == '_';
    let parts: Vec<&str> =
        plain.split(|c: char| !is_of_words(c)).filter(|part| !part.is_empty()).collect();
    if parts.is_empty() {
        return Err(format!("`{text}` contains no word"));
    }
    if parts.iter().any(|part| part.chars().any(is_of_script_without_blanks)) {
        differ(differs, "words that are not separated by blanks are found within others here");
        return Ok(test("contains", Operand::Text(plain.to_owned())));
    }
    let parts: Vec<String> = parts.iter().map(|part| pattern_literal(part)).collect();
    let pattern = format!("\\b{}\\b", parts.join("\\W+"));
    Ok(test("matches", Operand::Pattern(pattern, false)))
}

fn is_address(text: &str) -> bool {
    let is_plain = |part: &str| {
        !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || "._+-=".contains(c))
    };
    text.split_once('@').is_some_and(|(local, domain)| {
        is_plain(local) && is_plain(domain) && domain.contains('.') && !domain.starts_with('.')
    })
}
