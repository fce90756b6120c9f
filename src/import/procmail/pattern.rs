//! procmail's regular expressions (procmailrc(5), "Extended regular expressions") as
//! tests of ours: on one header where the pattern names it, otherwise on every line of
//! the header, or on the body.

use std::borrow::Cow;

use super::as_sent::{
    RAW, asks_how_it_was_sent, differs_in_bytes, is_of_raw_headers, with_letters_as_written,
};
use super::capture::without_groups_around_match;
use super::from_line::after_from;
use super::translate::translate;
use crate::import::alternatives::{self, plain_text, split_alternatives};
use crate::import::blank::{may_begin, may_take_blank, needs_blank};
use crate::import::ir::{Cond, Operand, Test, header};

/// The headers that `^TO_` and `^TO` search.
const DESTINATIONS: [&str; 14] = [
    "To",
    "Cc",
    "Bcc",
    "Resent-To",
    "Resent-Cc",
    "Resent-Bcc",
    "Original-To",
    "Original-Cc",
    "Original-Bcc",
    "Original-Resent-To",
    "Original-Resent-Cc",
    "X-Envelope-To",
    "Apparently-To",
    "Apparently-Resent-To",
];

/// How a pattern was translated.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ProcmailMatch {
    pub(super) condition: Cond,
    /// The headers that it asks for, in lower case; empty for all of them.
    pub(super) headers: Vec<String>,
    /// It contains `\/`: `{match}` is what comes after it.
    pub(super) captures: bool,
    /// A dot in an address or a host name was taken literally.
    pub(super) dots: bool,
    /// It contains `\<` or `\>`.
    pub(super) words: bool,
    /// How it differs.
    pub(super) differs: Option<&'static str>,
}

/// Where to search.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum SearchPlace<'a> {
    Header,
    Body,
    /// A text field of ours.
    Field(&'a str),
}

/// A pattern in a place. An error says why it cannot be expressed.
pub(super) fn matched(
    pattern: &str,
    place: SearchPlace<'_>,
    case: bool,
) -> Result<ProcmailMatch, String> {
    let captures = pattern.contains("\\/");
    let pattern = &*match captures {
        true => without_groups_around_match(pattern),
        false => Cow::Borrowed(pattern),
    };
    let pattern = &*expanded(pattern, place)?;
    let translated = ProcmailMatch {
        condition: Cond::Never,
        headers: Vec::new(),
        captures,
        dots: false,
        words: pattern.contains("\\<") || pattern.contains("\\>"),
        differs: None,
    };
    if !captures && let Some(parts) = alternatives(pattern) {
        let mut all = translated;
        let mut conditions = Vec::new();
        for part in parts {
            let part = matched(part, place, case)?;
            conditions.push(part.condition);
            all.dots |= part.dots;
            all.differs = all.differs.or(part.differs);
            all.headers.extend(part.headers);
        }
        all.condition = Cond::any(conditions);
        return Ok(all);
    }
    match place {
        SearchPlace::Header => in_header(pattern, case, translated),
        SearchPlace::Body => in_text(pattern, "body", true, case, translated),
        SearchPlace::Field(field) => in_text(pattern, field, false, case, translated),
    }
}

fn in_header(pattern: &str, case: bool, found: ProcmailMatch) -> Result<ProcmailMatch, String> {
    // The start of everything is the line `From sender date`.
    if let Some(rest) = pattern.strip_prefix("^^").filter(|rest| !rest.is_empty())
        && !may_be_from_line(rest, case)
    {
        return Ok(ProcmailMatch { condition: Cond::Never, ..found });
    }
    for (name, word) in [("^FROM_DAEMON", "from-daemon"), ("^FROM_MAILER", "from-mailer")] {
        if pattern == name {
            return Ok(ProcmailMatch { condition: Cond::Word(word.into()), ..found });
        }
    }
    if pattern.contains("^FROM_DAEMON") || pattern.contains("^FROM_MAILER") {
        return Err("^FROM_DAEMON and ^FROM_MAILER can only stand alone".into());
    }
    let names = names_of(pattern);
    let headers: Vec<String> = names.iter().map(|name| name.to_lowercase()).collect();
    if asks_how_it_was_sent(pattern, &headers) || case && found.captures && !names.is_empty() {
        let pattern = &*written_out(pattern);
        if !names.is_empty() && begins_a_line(pattern.trim_start_matches('^')) {
            return Err("a pattern over more than one line".into());
        }
        return on_lines(pattern, RAW, case, ProcmailMatch { headers, ..found });
    }
    for (word, before) in [("^TO_", "[^-a-zA-Z0-9_.]"), ("^TO", "[^a-zA-Z]")] {
        let Some(rest) = pattern.strip_prefix(word) else { continue };
        if rest.starts_with(['*', '?', '+']) {
            return Err(format!("`{word}` is repeated"));
        }
        let fields = DESTINATIONS.map(header).to_vec();
        if rest.is_empty() || rest == ".*" {
            return Ok(ProcmailMatch { condition: Cond::is_there(&fields), headers, ..found });
        }
        // A list's address, and mailboxes without blanks: no part of a word before it.
        let regex = translate(rest)?;
        let condition = pattern_test(fields, format!("(?:^|{before}){regex}"), case);
        return Ok(ProcmailMatch { condition, headers, ..found });
    }
    if let Some((names, rest)) = named(pattern) {
        let fields: Vec<String> = names.iter().map(|name| header(name)).collect();
        let empty = ProcmailMatch { headers, ..found };
        let found = of_value(rest, fields, case, empty.clone())?;
        return match case {
            true if is_of_raw_headers(&found.condition) => on_lines(pattern, RAW, case, empty),
            true => Ok(named_as_written(found, &names)),
            false => Ok(found),
        };
    }
    on_lines(pattern, "headers", case, found)
}

/// The headers that a pattern names; none if it is for all of them.
fn names_of(pattern: &str) -> Vec<String> {
    if pattern.starts_with("^TO") {
        return DESTINATIONS.map(str::to_owned).to_vec();
    }
    named(pattern).map(|(names, _)| names).unwrap_or_default()
}

/// On every line of the header, in `headers` or as it was sent.
fn on_lines(
    pattern: &str,
    field: &str,
    case: bool,
    found: ProcmailMatch,
) -> Result<ProcmailMatch, String> {
    if pattern.contains('$') && !pattern.ends_with('$') {
        return Err("a pattern over more than one line".into());
    }
    // The line `From sender date`, which procmail sees, stands for the envelope.
    let from_line = pattern.starts_with("^From ")
        || pattern.starts_with("^From.*") && !pattern.starts_with("^From.*:");
    if let Some(rest) = pattern.strip_prefix("^From ") {
        let rest = rest.trim_start_matches(' ');
        return of_value(rest, vec!["envelope-from".into()], case, found);
    }
    if pattern == "^" || pattern.is_empty() || pattern == ".*" {
        return Ok(ProcmailMatch { condition: Cond::Always, ..found });
    }
    let mut all = in_text(pattern, field, false, case, found.clone())?;
    let anchored = pattern.starts_with('^');
    let mut envelope = Vec::new();
    if from_line {
        let rest = pattern.strip_prefix("^From.*").unwrap_or_default();
        envelope.push(of_value(&format!(".*{rest}"), vec!["envelope-from".into()], case, found)?);
    } else {
        if !anchored {
            envelope.push(in_text(pattern, "envelope-from", false, case, found.clone())?);
        }
        match after_from(pattern) {
            // That line is always there.
            Some(rest) if rest.is_empty() => all.condition = Cond::Always,
            Some(rest) => {
                envelope.push(of_value(&rest, vec!["envelope-from".into()], case, found)?);
            }
            None if anchored && !is_after_colon(pattern) && may_be_from_line(pattern, case) => {
                all.differs = Some("procmail also finds it in the line `From sender date`");
            }
            None => {}
        }
    }
    let envelope = envelope.into_iter().map(|part| part.condition);
    all.condition = match all.captures {
        // It is the first line.
        true => Cond::any(envelope.chain([all.condition])),
        false => Cond::any([all.condition].into_iter().chain(envelope)),
    };
    Ok(all)
}

/// With the flag `D`, procmail also compares the case of a header's name.
fn named_as_written(found: ProcmailMatch, names: &[String]) -> ProcmailMatch {
    let name = match names {
        [name] => format!("^{name}:"),
        names => format!("^(?:{}):", names.join("|")),
    };
    let written = pattern_test(vec!["headers".into()], name, true);
    let condition = Cond::all([found.condition.clone(), written]);
    ProcmailMatch { condition, ..found }
}

/// Whether an anchored pattern may be found in the line `From sender date`.
fn may_be_from_line(pattern: &str, case: bool) -> bool {
    let line = format!("^{}", pattern.trim_matches('^'));
    translate(&line).is_ok_and(|regex| may_begin(&regex, "From ", case))
}

/// Whether a pattern asks for a text after a colon, as in `^.*:.*text`: in the line `From
/// sender date` only the time has colons.
fn is_after_colon(pattern: &str) -> bool {
    let Some(rest) = pattern.strip_prefix("^.*:").filter(|rest| !rest.starts_with(['*', '?', '+']))
    else {
        return false;
    };
    let has_letter = |text: &String| text.contains(|c: char| c.is_ascii_alphabetic());
    literals(rest.trim_start_matches(".*")).is_some_and(|(texts, _)| texts.iter().all(has_letter))
}

/// `^Name:rest`, `^(A|B):rest`, but not `^Name.*:rest`.
fn named(pattern: &str) -> Option<(Vec<String>, &str)> {
    let rest = pattern.strip_prefix('^')?;
    let is_name = |name: &str| {
        !name.is_empty()
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    // `:*` repeats the colon.
    let is_repeated = |value: &str| value.starts_with(['*', '+', '?']);
    if let Some(inner) = rest.strip_prefix('(') {
        let (group, following) = inner.split_once(')')?;
        let names: Vec<&str> = group.split('|').collect();
        let outside = following.strip_prefix(':');
        let inside = names.iter().all(|name| name.ends_with(':'));
        let value = match (outside, inside) {
            (Some(value), false) => value,
            (None, true) => following,
            _ => return None,
        };
        let names: Vec<String> =
            names.iter().map(|name| name.trim_end_matches(':').to_owned()).collect();
        let is_whole = names.iter().all(|name| is_name(name)) && !is_repeated(value);
        return is_whole.then_some((names, value));
    }
    let (name, value) = rest.split_once(':')?;
    let name = name.replace("\\-", "-");
    (is_name(&name) && !is_repeated(value)).then_some((vec![name], value))
}

/// What procmail substitutes for `^TO_` and `^TO` within a pattern (regexp.c): for the
/// whole header, line by line.
const WRITTEN_OUT: [(&str, &str); 2] = [
    (
        "^TO_",
        "(^((Original-)?(Resent-)?(To|Cc|Bcc)|(X-Envelope|Apparently(-Resent)?)-To):\
         (.*[^-a-zA-Z0-9_.])?)",
    ),
    (
        "^TO",
        "(^((Original-)?(Resent-)?(To|Cc|Bcc)|(X-Envelope|Apparently(-Resent)?)-To):\
         (.*[^a-zA-Z])?)",
    ),
];

/// A pattern with `^TO_` or `^TO` at its start written out.
fn written_out(pattern: &str) -> Cow<'_, str> {
    for (word, written) in WRITTEN_OUT {
        if let Some(rest) = pattern.strip_prefix(word) {
            let line = written.strip_prefix('(').and_then(|line| line.strip_suffix(')'));
            return Cow::Owned(format!("{}{rest}", line.unwrap_or(written)));
        }
    }
    Cow::Borrowed(pattern)
}

/// A pattern with these words written out; one at its start has a form of ours.
fn expanded<'p>(pattern: &'p str, place: SearchPlace<'_>) -> Result<Cow<'p, str>, String> {
    let is_header = place == SearchPlace::Header;
    let within = if is_header { pattern.strip_prefix('^').unwrap_or(pattern) } else { pattern };
    let known = ["^TO", "^FROM_DAEMON", "^FROM_MAILER"];
    let Some(word) = known.iter().find(|word| within.contains(**word)) else {
        return Ok(Cow::Borrowed(pattern));
    };
    // Alternatives are handled one by one.
    if is_header && alternatives(pattern).is_some() && !pattern.contains("\\/") {
        return Ok(Cow::Borrowed(pattern));
    }
    if !is_header || *word != "^TO" {
        return Err(format!("`{word}` can only stand at the start of a pattern on the header"));
    }
    let mut text = pattern.to_owned();
    for (word, written) in WRITTEN_OUT {
        text = text.replace(word, written);
    }
    Ok(Cow::Owned(text))
}

/// A pattern on the value of headers, from after the colon.
fn of_value(
    rest: &str,
    fields: Vec<String>,
    case: bool,
    found: ProcmailMatch,
) -> Result<ProcmailMatch, String> {
    let mut value = rest;
    // The blank after the colon is not part of the value.
    let (mut anchored, mut has_blank, mut asks_for_blank) = (true, false, false);
    loop {
        let next = [
            "[ \t]*", "[\t ]*", "[ \t]+", "[\t ]+", "\\ *", " *", " +", "( )*", "( )+", "( )", " ",
            "\t",
        ]
        .iter()
        .find_map(|blank| value.strip_prefix(blank));
        let Some(next) = next else { break };
        asks_for_blank |= !value.strip_suffix(next).unwrap_or_default().ends_with('*');
        (has_blank, value) = (true, next);
    }
    while let Some(next) = value.strip_prefix(".*") {
        (anchored, value) = (false, next);
    }
    if value.is_empty() {
        // An empty header mostly has no blank either.
        let has = || Cond::any(fields.iter().map(|field| Cond::Word(format!("has {field}"))));
        let condition = if asks_for_blank { has() } else { Cond::is_there(&fields) };
        return Ok(ProcmailMatch { condition, ..found });
    }
    if begins_a_line(value) {
        return Err("a pattern over more than one line".into());
    }
    if value == "$" && anchored {
        return match found.headers.is_empty() {
            true => Err("a header that is there and empty".into()),
            false => Ok(on_named_lines(RAW, &translate(rest)?, case, found)),
        };
    }
    if anchored
        && !has_blank
        && !found.headers.is_empty()
        && let Ok(mut regex) = translate(value.trim_end_matches("^^"))
    {
        if value.ends_with("^^") {
            regex.push('$');
        }
        // `^Subject:text` is only found where no blank follows the colon.
        if !may_take_blank(&regex, case) {
            return Ok(on_named_lines(RAW, &regex, case, found));
        }
        if needs_blank(&regex, case, false) {
            return Ok(on_named_lines("headers", &regex, case, found));
        }
    }
    // `^To:.* text`: the blank may be the one after the colon.
    if !anchored
        && !asks_for_blank
        && !found.headers.is_empty()
        && !value.starts_with("\\<")
        && let Ok(regex) = translate(value.trim_end_matches("^^"))
        && needs_blank(&regex, case, true)
    {
        let regex = translate(rest.trim_end_matches("^^"))?;
        return Ok(on_named_lines("headers", &regex, case, found));
    }
    compared(value, anchored, fields, false, case, found)
}

/// A pattern on the whole lines of the headers that it names, from after the colon.
fn on_named_lines(field: &str, regex: &str, case: bool, found: ProcmailMatch) -> ProcmailMatch {
    let names = found.headers.join("|");
    let names = match (case, found.headers.len()) {
        (true, _) => format!("(?i:{names})"),
        (false, 1) => names,
        (false, _) => format!("(?:{names})"),
    };
    let regex = format!("^{names}:{regex}");
    ProcmailMatch { condition: pattern_test(vec![field.into()], regex, case), ..found }
}

/// Whether a pattern contains a `^` that is not itself one of several alternatives.
fn begins_a_line(pattern: &str) -> bool {
    let mut chars = pattern.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' => drop(chars.next()),
            '[' => {
                chars.next_if_eq(&'^');
                chars.next_if_eq(&']');
                while chars.next().is_some_and(|c| c != ']') {}
            }
            '^' if chars.peek() == Some(&'^') => drop(chars.next()),
            '^' if !matches!(chars.peek(), Some('|' | ')')) => return true,
            _ => {}
        }
    }
    false
}

fn in_text(
    pattern: &str,
    field: &str,
    lines: bool,
    case: bool,
    found: ProcmailMatch,
) -> Result<ProcmailMatch, String> {
    let mut value = pattern;
    let mut anchored = false;
    if !lines && let Some(next) = value.strip_prefix("^^") {
        (anchored, value) = (true, next);
    } else if let Some(next) = value.strip_prefix('^') {
        (anchored, value) = (true, next);
    }
    if !anchored || field == "headers" || field == RAW {
        while let Some(next) = value.strip_prefix(".*").filter(|_| !anchored) {
            value = next;
        }
    }
    if value.is_empty() {
        return Ok(ProcmailMatch { condition: Cond::Always, ..found });
    }
    compared(value, anchored, vec![field.to_owned()], lines, case, found)
}

/// A test on fields: by a plain text if the pattern is one.
fn compared(
    value: &str,
    anchored: bool,
    fields: Vec<String>,
    lines: bool,
    case: bool,
    mut found: ProcmailMatch,
) -> Result<ProcmailMatch, String> {
    let (body, ends) = match value.strip_suffix("^^").or_else(|| value.strip_suffix('$')) {
        Some(body) if !body.ends_with('\\') => (body, true),
        _ => (value, false),
    };
    let open = !ends && body.ends_with(".*") && !body.ends_with("\\.*");
    let core = if open { body.trim_end_matches(".*") } else { body };
    let texts = if found.captures { None } else { literals(core) };
    if let Some((texts, dots)) = texts.filter(|_| !case && !(lines && (anchored || ends))) {
        let operator = match (anchored, ends) {
            (true, true) => "is",
            (true, false) => "starts",
            (false, true) => "ends",
            (false, false) => "contains",
        };
        let plain = |text: &String| {
            !text.is_empty()
                && text.trim() == text
                && text.is_ascii()
                // A run of blanks counts as one there, and as it was sent does not.
                && !text.contains(if fields == [RAW] { " " } else { "  " })
        };
        // Before the colon, where the name of a header ends, a dot is any character.
        let in_name = |text: &String| {
            let name = text.split(':').next().unwrap_or_default();
            anchored && (fields == ["headers"] || fields == [RAW]) && name.contains('.')
        };
        if texts.iter().all(plain) && !(dots && texts.iter().any(in_name)) {
            found.dots |= dots;
            let values = texts.into_iter().map(Operand::Text).collect();
            found.condition = Cond::Test(Test { fields, operator, values });
            return Ok(found);
        }
    }
    let mut regex = translate(if ends { body } else { value })?;
    if anchored {
        regex.insert(0, '^');
    }
    if ends {
        regex.push('$');
    }
    if lines {
        regex.insert_str(0, "(?m)");
    }
    if fields == [RAW] {
        found.differs = found.differs.or(differs_in_bytes(value));
        regex = if case { regex } else { with_letters_as_written(&regex) };
    }
    found.condition = pattern_test(fields, regex, case);
    Ok(found)
}

fn pattern_test(fields: Vec<String>, regex: String, case: bool) -> Cond {
    Cond::Test(Test { fields, operator: "matches", values: vec![Operand::Pattern(regex, case)] })
}

/// The texts that a pattern stands for, if it stands for texts; and whether a dot in it was
/// taken literally.
fn literals(pattern: &str) -> Option<(Vec<String>, bool)> {
    alternatives::literals(pattern, false, literal_of)
}

/// The one text that a pattern stands for, if nothing in it has a special meaning.
fn literal_of(pattern: &str) -> Option<(String, bool)> {
    plain_text(pattern, "*+?()|[^$", |c| matches!(c, '<' | '>' | '/'))
}

/// The alternatives of a whole pattern, if it has any.
fn alternatives(pattern: &str) -> Option<Vec<&str>> {
    let whole = pattern.strip_prefix('(').and_then(|rest| rest.strip_suffix(')'));
    if let Some(inner) = whole
        && let Some(parts) = split_top(inner)
        && parts.len() > 1
        && parts.iter().any(|part| part.starts_with('^'))
    {
        return Some(parts);
    }
    split_top(pattern).filter(|parts| parts.len() > 1)
}

/// Its alternatives; a backslash in brackets stands for itself.
fn split_top(pattern: &str) -> Option<Vec<&str>> {
    split_alternatives(pattern, false)
}
