//! maildrop's patterns, maildropfilter(7) "Patterns", as tests of ours: on one header
//! where the pattern names it, otherwise on every line of the header, or on the body.
//!
//! maildrop searches a message that it has rewritten: headers decoded, one blank after
//! each colon, the addresses in some of them put in order.

use super::regex::{captures_quotes, literals, repeats_nothing, split_top};
use crate::import::blank::{may_take_blank, needs_blank};
use crate::import::ir::{Cond, Operand, Test, header, pattern_literal};
use crate::import::perl::translate;

/// Headers in which maildrop puts addresses in order: `a@b (Name)` and `"Name" <a@b>`
/// are `Name <a@b>`, `<a@b>` is `a@b`.
const ADDRESS_HEADERS: [&str; 8] =
    ["from", "to", "cc", "bcc", "resent-from", "resent-to", "resent-cc", "resent-bcc"];

/// What has to be known about a match.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct CaptureNeeds {
    /// `$MATCH`
    pub(super) whole: bool,
    /// `$MATCH1` …
    pub(super) groups: bool,
    /// How many patterns of the same rule captured before.
    pub(super) number: usize,
    /// How many groups come before the text that is searched.
    pub(super) skipped: usize,
}

impl CaptureNeeds {
    pub(super) fn nothing(self) -> bool {
        !self.whole && !self.groups
    }

    /// The name of a group, 0 for all of the match.
    pub(super) fn name(self, group: usize) -> String {
        // `match`, `matchb`, `matchc` …
        let letters: String = match self.number {
            0 => String::new(),
            number => {
                let last = char::from(b'a' + (number % 26) as u8);
                std::iter::repeat_n('z', number / 26).chain([last]).collect()
            }
        };
        match group {
            0 => format!("match{letters}"),
            group => format!("match{letters}{group}"),
        }
    }
}

/// How a pattern was translated.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct MaildropMatch {
    pub(super) condition: Cond,
    /// The headers that it asks for, in lower case; empty for all of them.
    pub(super) headers: Vec<String>,
    /// It asks for the body.
    pub(super) body: bool,
    /// A dot in an address or a host name was taken literally.
    pub(super) dots: bool,
    /// `$MATCH` as a template, if it can be expressed.
    pub(super) whole: Option<String>,
    /// How many groups it has, and how many of the first ones are unknown.
    pub(super) groups: usize,
    pub(super) skipped: usize,
    /// The first group is the first number in this header.
    pub(super) number: Option<FirstNumber>,
    /// The first group is all of this header.
    pub(super) rest: Option<String>,
    /// How it differs.
    pub(super) differs: Option<String>,
}

/// A number at a known place in a header.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct FirstNumber {
    pub(super) field: String,
    /// Only what comes before the dot.
    pub(super) whole: bool,
}

/// A pattern in the message. An error says why it cannot be expressed.
pub(super) fn in_message(
    source: &str,
    options: &str,
    wanted: CaptureNeeds,
) -> Result<MaildropMatch, String> {
    let (letters, weight) = options.split_once(',').unwrap_or((options, ""));
    if !weight.is_empty() {
        return Err(
            "it counts how often a pattern is found, and mfilter only sees whether it is".into()
        );
    }
    if let Some(bad) = letters.chars().find(|c| !"hbD".contains(*c)) {
        return Err(format!("the option `{bad}` of a pattern"));
    }
    let case = letters.contains('D');
    let (head, body) = (letters.contains('h'), letters.contains('b'));
    if !body {
        return in_header(source, case, wanted);
    }
    let in_body = in_body(source, case, wanted)?;
    if !head {
        return Ok(in_body);
    }
    if !wanted.nothing() {
        return Err("what is found in header or body".into());
    }
    let in_head = in_header(source, case, wanted)?;
    let condition = Cond::any([in_head.condition.clone(), in_body.condition]);
    Ok(MaildropMatch { condition, body: true, ..in_head })
}

/// Nothing found yet.
pub(super) fn found() -> MaildropMatch {
    MaildropMatch {
        condition: Cond::Never,
        headers: Vec::new(),
        body: false,
        dots: false,
        whole: None,
        groups: 0,
        skipped: 0,
        number: None,
        rest: None,
        differs: None,
    }
}

fn in_body(source: &str, case: bool, wanted: CaptureNeeds) -> Result<MaildropMatch, String> {
    let mut matched = MaildropMatch { body: true, ..found() };
    let plain = wanted.nothing();
    if plain
        && !case
        && let Some((texts, dots)) = literals(source)
        && texts.iter().all(|text| is_plain(text))
    {
        matched.dots = dots;
        matched.condition = Cond::texts("body", "contains", texts);
        return Ok(matched);
    }
    let (regex, groups) = named_groups(source, wanted)?;
    matched.groups = groups;
    matched.whole = wanted.whole.then(|| format!("{{{}}}", wanted.name(0)));
    matched.condition = Cond::matches(vec!["body".into()], format!("(?m){regex}"), case);
    Ok(matched)
}

fn in_header(source: &str, case: bool, wanted: CaptureNeeds) -> Result<MaildropMatch, String> {
    let plain = wanted.nothing();
    if plain && let Some(parts) = split_top(source).filter(|parts| parts.len() > 1) {
        let mut all = found();
        let (mut conditions, mut general) = (Vec::new(), false);
        for part in parts {
            let part = in_header(part, case, wanted)?;
            general |= part.headers.is_empty();
            all.headers.extend(part.headers);
            all.dots |= part.dots;
            all.differs = all.differs.or(part.differs);
            conditions.push(part.condition);
        }
        if general {
            all.headers.clear();
        }
        all.condition = Cond::any(conditions);
        return Ok(all);
    }
    if let Some((names, rest, skipped)) = named(source) {
        let same = any_outside(rest).filter(|_| plain);
        let rest = same.as_deref().unwrap_or(rest);
        return of_value(source, &names, rest, case, CaptureNeeds { skipped, ..wanted });
    }
    // `[A-Z]` of a name would be of its own case.
    let mut matched = found();
    if source.is_empty() || source == "^" || source == ".*" {
        return Ok(MaildropMatch { condition: Cond::Always, ..matched });
    }
    if plain
        && !case
        && let Some((texts, dots)) = literals(source)
        && texts.iter().all(|text| is_plain(text))
    {
        matched.dots = dots;
        matched.condition = Cond::texts("headers", "contains", texts);
        return Ok(matched);
    }
    on_line(source, case, wanted)
}

/// `(.*a|.*b)` as `.*(a|b)`.
fn any_outside(rest: &str) -> Option<String> {
    let inner = rest.strip_prefix('(')?.strip_suffix(')')?;
    let parts = split_top(inner.strip_prefix("?:").unwrap_or(inner))?;
    let after: Option<Vec<&str>> = parts
        .iter()
        .map(|part| part.strip_prefix(".*").filter(|after| !after.starts_with(['?', '+', '*'])))
        .collect();
    Some(format!(".*({})", after?.join("|")))
}

/// On header lines as they are, including names.
fn on_line(source: &str, case: bool, wanted: CaptureNeeds) -> Result<MaildropMatch, String> {
    let mut matched = found();
    let (regex, groups) = named_groups(source, wanted)?;
    matched.groups = groups;
    matched.whole = wanted.whole.then(|| format!("{{{}}}", wanted.name(0)));
    matched.condition = Cond::matches(vec!["headers".into()], regex, case);
    Ok(matched)
}

/// `^Name:rest`, `^(A|B):rest`; and how many groups are in the name.
fn named(source: &str) -> Option<(Vec<String>, &str, usize)> {
    let rest = source.strip_prefix('^')?;
    let is_name = |name: &str| {
        !name.is_empty()
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    if let Some(inner) = rest.strip_prefix("(?:").or_else(|| rest.strip_prefix('(')) {
        let skipped = usize::from(!rest.starts_with("(?"));
        let (group, after) = inner.split_once(')')?;
        let names: Vec<&str> = group.split('|').collect();
        let inside = names.iter().all(|name| name.ends_with(':'));
        let value = match (after.strip_prefix(':'), inside) {
            (Some(value), false) => value,
            (None, true) => after,
            _ => return None,
        };
        let names: Vec<String> =
            names.iter().map(|name| name.trim_end_matches(':').to_owned()).collect();
        return names.iter().all(|name| is_name(name)).then_some((names, value, skipped));
    }
    let (name, value) = rest.split_once(':')?;
    let name = name.replace("\\-", "-");
    is_name(&name).then_some((vec![name], value, 0))
}

/// What may stand for the blank after the colon.
const BLANKS: [&str; 15] = [
    "[ \\t]*", "[ \t]*", "[ \\t]+", "[ \t]+", "[ ]*", "[ ]+", "[ ]", "\\s*", "\\s+", "\\s?", "\\s",
    " *", " +", " ?", " ",
];

/// Why it is not known what a pattern captures.
pub(super) const KEPT_OF_NOTHING: &str =
    "where a part that may be empty is repeated, maildrop captures something else";

const IN_ORDER: &str = "maildrop puts names and addresses in order before it looks";

/// A pattern on the value of headers, from after the colon.
fn of_value(
    source: &str,
    names: &[String],
    rest: &str,
    case: bool,
    wanted: CaptureNeeds,
) -> Result<MaildropMatch, String> {
    let fields: Vec<String> = names.iter().map(|name| header(name)).collect();
    let headers: Vec<String> = names.iter().map(|name| name.to_lowercase()).collect();
    let mut matched = MaildropMatch { headers, skipped: wanted.skipped, ..found() };
    if let Some(part) = matched.headers.iter().find(|name| name.starts_with("content-")) {
        matched.differs = Some(format!("maildrop looks at {part} of each part of the message"));
    }
    let beginning = PatternStart::of(rest);
    let (value, anchored) = (beginning.rest, beginning.any.is_none());
    // With several headers it is not known which was found.
    let wanted = CaptureNeeds { whole: wanted.whole && names.len() == 1, ..wanted };
    let is_addresses = matched.headers.iter().any(|name| ADDRESS_HEADERS.contains(&name.as_str()));
    let needs_line = beginning.needs_line(case, !wanted.nothing())?;
    // The name's case counts, too.
    if needs_line || case {
        let mut on_line = on_line(source, case, CaptureNeeds { skipped: 0, ..wanted })?;
        if is_addresses && (needs_line || literal_signs(value, &['<', '"', '('])) {
            on_line.differs = Some(IN_ORDER.into());
        }
        on_line.skipped = wanted.skipped;
        on_line.differs = matched.differs.or(on_line.differs);
        return Ok(MaildropMatch { headers: matched.headers, ..on_line });
    }
    // maildrop has a blank after each colon.
    if !beginning.blank && anchored && !value.is_empty() {
        return Ok(MaildropMatch { condition: Cond::Never, ..matched });
    }
    if let ([name], true) = (names, wanted.whole) {
        return whole_match(name, &beginning, case, wanted, matched);
    }
    if value.is_empty() {
        matched.condition = Cond::is_there(&fields);
        return Ok(matched);
    }
    if wanted.groups && wanted.skipped == 0 && anchored && value == "(.*)" {
        matched.rest = fields.first().cloned();
    }
    if wanted.groups && wanted.skipped == 0 && anchored {
        matched.number = first_number(fields.first().map_or("", String::as_str), value);
    }
    if is_addresses && anchored && value.starts_with('<') {
        return Ok(MaildropMatch { condition: Cond::Never, ..matched });
    }
    in_fields(fields, &beginning, is_addresses, case, wanted, matched)
}

/// A pattern of which `$MATCH` is used, on the value of one header.
fn whole_match(
    name: &str,
    beginning: &PatternStart<'_>,
    case: bool,
    wanted: CaptureNeeds,
    matched: MaildropMatch,
) -> Result<MaildropMatch, String> {
    let value = beginning.rest;
    let (regex, groups) = named_groups(value, CaptureNeeds { whole: false, ..wanted })?;
    let captured = format!("{name}: {{{}}}", wanted.name(0));
    let pattern = |regex: String| {
        let regex = format!("^(?P<{}>{regex})", wanted.name(0));
        Cond::matches(vec![header(name)], regex, case)
    };
    let (whole, condition) = match (beginning.any.is_none(), value.is_empty()) {
        // `^From:` is just that.
        (true, true) => {
            let blank = if beginning.blank { " " } else { "" };
            (format!("{name}:{blank}"), Cond::is_there(&[header(name)]))
        }
        (true, false) => (captured, pattern(regex)),
        (false, _) => (captured, pattern(format!("{}{regex}", beginning.any()))),
    };
    let rest = value.is_empty().then(|| header(name));
    Ok(MaildropMatch { condition, whole: Some(whole), groups, rest, ..matched })
}

/// A pattern on the value of headers, wherever in it the text is that is searched for.
fn in_fields(
    fields: Vec<String>,
    beginning: &PatternStart<'_>,
    is_addresses: bool,
    case: bool,
    wanted: CaptureNeeds,
    mut matched: MaildropMatch,
) -> Result<MaildropMatch, String> {
    let (value, anchored) = (beginning.rest, beginning.any.is_none());
    let signs = ['<', '"', '('];
    let has_signs = is_addresses && literal_signs(value, &signs);
    if is_addresses && literal_signs(value, &['"', '(']) {
        matched.differs = Some(IN_ORDER.into());
    }
    if !case
        && !has_signs
        && wanted.nothing()
        && let Some(condition) = by_text(value, anchored, &fields, is_addresses, &mut matched)
    {
        matched.condition = condition;
        return Ok(matched);
    }
    let quoted = if has_signs { with_quotes(value, anchored) } else { value.to_owned() };
    let (mut regex, groups) = named_groups(&quoted, wanted)?;
    matched.groups = groups;
    if is_addresses {
        let ends = value.ends_with('$') && !value.ends_with("\\$");
        if ends && matched.rest.is_none()
            || wanted.groups && matched.rest.is_none() && captures_quotes(&regex)
        {
            matched.differs = Some(IN_ORDER.into());
        }
        if anchored {
            regex.insert_str(0, "[\"<]?");
        }
    }
    if anchored {
        regex.insert(0, '^');
    } else if groups > 0 && wanted.groups {
        // Which of several places matches depends on what comes before them.
        regex.insert_str(0, &format!("^{}", beginning.any()));
    }
    matched.condition = Cond::matches(fields, regex, case);
    Ok(matched)
}

/// What a pattern has between the colon and the text searched for.
struct PatternStart<'a> {
    /// Something that matches a blank.
    blank: bool,
    /// How many blanks there must be.
    blanks: usize,
    /// `.*`, which takes as much as possible, or `.*?`, which takes as little as
    /// possible.
    any: Option<bool>,
    rest: &'a str,
}

impl<'a> PatternStart<'a> {
    fn of(pattern: &'a str) -> PatternStart<'a> {
        let mut found = PatternStart { blank: false, blanks: 0, any: None, rest: pattern };
        loop {
            let blank =
                BLANKS.iter().find_map(|blank| Some((blank, without_blank(found.rest, blank)?)));
            let Some((blank, rest)) = blank else { break };
            found.blank = true;
            found.blanks += usize::from(!blank.ends_with(['*', '?']));
            found.rest = rest;
        }
        loop {
            let (greedy, rest) = match found.rest.strip_prefix(".*?") {
                Some(rest) => (false, rest),
                None => match found.rest.strip_prefix(".*") {
                    Some(rest) if !rest.starts_with('+') => (true, rest),
                    _ => break,
                },
            };
            found.any.get_or_insert(greedy);
            found.rest = rest;
        }
        found
    }

    fn any(&self) -> &'static str {
        match self.any {
            Some(false) => ".*?",
            _ => ".*",
        }
    }

    /// Whether the blank after the colon, which our values do not have, may be part of
    /// what is searched for; `captures` if what is found counts.
    fn needs_line(&self, case: bool, captures: bool) -> Result<bool, String> {
        if self.rest.is_empty() {
            return Ok(self.blanks > 1);
        }
        let (pattern, _) = translate(self.rest, None)?;
        Ok(match self.any {
            None if !self.blank => may_take_blank(&pattern, case),
            None if self.blanks > 0 => self.blanks > 1,
            Some(false) if captures => may_take_blank(&pattern, case),
            any => needs_blank(&pattern, case, any.is_some()),
        })
    }
}

/// Without a blank at the start, unless it is repeated in some way.
fn without_blank<'a>(pattern: &'a str, blank: &str) -> Option<&'a str> {
    let rest = pattern.strip_prefix(blank)?;
    (!rest.starts_with(['*', '?', '+', '{'])).then_some(rest)
}

/// A plain text, if the pattern is one.
fn by_text(
    value: &str,
    anchored: bool,
    fields: &[String],
    is_addresses: bool,
    matched: &mut MaildropMatch,
) -> Option<Cond> {
    let (body, ends) = match value.strip_suffix('$') {
        Some(body) if !body.ends_with('\\') => (body, true),
        _ => (value, false),
    };
    let open = !ends && body.ends_with(".*") && !body.ends_with("\\.*");
    let core = if open { body.trim_end_matches(".*") } else { body };
    let (texts, dots) = literals(core)?;
    if !texts.iter().all(|text| is_plain(text)) {
        return None;
    }
    let operator = match (anchored, ends) {
        (true, true) => "is",
        (true, false) => "starts",
        (false, true) => "ends",
        (false, false) => "contains",
    };
    matched.dots |= dots;
    let mut values: Vec<Operand> = Vec::new();
    let mut in_angles = Vec::new();
    for text in texts {
        // `"Name" <a@b>` is `Name <a@b>` there, and `<a@b>` alone is `a@b`.
        let of_address = is_addresses && text.contains('@');
        match operator {
            "starts" if is_addresses => {
                values.push(Operand::Text(format!("\"{text}")));
                values.extend(of_address.then(|| Operand::Text(format!("<{text}"))));
            }
            "is" if of_address => values.push(Operand::Text(format!("<{text}>"))),
            "ends" if is_addresses => in_angles.push(Operand::Pattern(
                format!("(?:^|,\\s*)<[^<>]*{}>$", pattern_literal(&text)),
                false,
            )),
            _ => {}
        }
        values.push(Operand::Text(text));
    }
    let test = |operator, values| Cond::Test(Test { fields: fields.to_vec(), operator, values });
    let found = test(operator, values);
    Some(match in_angles.is_empty() {
        true => found,
        false => Cond::any([found, test("matches", in_angles)]),
    })
}

/// Whether its blanks and letters are compared as they are.
fn is_plain(text: &str) -> bool {
    !text.is_empty() && text.trim() == text && !text.contains("  ") && text.is_ascii()
}

/// In our syntax, with names for its groups if they are wanted; and the number of groups.
fn named_groups(source: &str, wanted: CaptureNeeds) -> Result<(String, usize), String> {
    let names = |group: usize| wanted.name(group + wanted.skipped);
    let (regex, groups) = translate(source, wanted.groups.then_some(&names))?;
    if !wanted.nothing() && repeats_nothing(&regex) {
        return Err(KEPT_OF_NOTHING.into());
    }
    let groups = groups + wanted.skipped;
    Ok(match wanted.whole {
        true => (format!("(?P<{}>{regex})", wanted.name(0)), groups),
        false => (regex, groups),
    })
}

/// Whether one of these signs is meant literally.
fn literal_signs(value: &str, signs: &[char]) -> bool {
    let mut chars = value.chars();
    let mut found = false;
    while let Some(c) = chars.next() {
        match c {
            '\\' => found |= chars.next().is_some_and(|c| signs.contains(&c)),
            '(' => {}
            c => found |= signs.contains(&c),
        }
    }
    found
}

/// What maildrop has without quotes may have quotes here; `<` only follows a name.
fn with_quotes(source: &str, anchored: bool) -> String {
    let mut out = String::new();
    let mut chars = source.chars().peekable();
    let mut in_class = false;
    while let Some(c) = chars.next() {
        let c = match (c, chars.peek()) {
            ('\\', Some('<')) => chars.next().unwrap_or(c),
            ('\\', Some(_)) => {
                out.push(c);
                out.extend(chars.next());
                continue;
            }
            _ => c,
        };
        match c {
            '[' => in_class = true,
            ']' => in_class = false,
            '<' if !in_class => {
                let is_open = out.is_empty() && !anchored;
                if is_open || out.ends_with(".*") || out.ends_with(".+") {
                    out.push_str("[^\\s,]\\s*");
                } else if out.ends_with(' ') {
                    out.pop();
                    out.push_str("\"? ");
                }
            }
            _ => {}
        }
        out.push(c);
    }
    out
}

/// `([0-9.]+)` after blanks, or after a text without digits: the first number in the
/// header, which is how we compare numbers.
fn first_number(field: &str, value: &str) -> Option<FirstNumber> {
    let (before, rest) = value.split_once('(')?;
    let (group, _) = rest.split_once(')')?;
    let is_text = before.chars().all(|c| !c.is_ascii_digit() && !"\\.*+?[]{}|^$-".contains(c));
    if !is_text {
        return None;
    }
    const WITH_DOT: [&str; 12] = [
        "[0-9.]+",
        "[0-9\\.]+",
        "[\\d.]+",
        "[\\d\\.]+",
        "[+-]?[0-9.]+",
        "[-+]?[0-9.]+",
        "-?[0-9.]+",
        "-?[\\d.]+",
        "-?[0-9\\.]+",
        "\\d+\\.\\d+",
        "[0-9]+\\.[0-9]+",
        "-?\\d+\\.\\d+",
    ];
    if WITH_DOT.contains(&group) {
        return Some(FirstNumber { field: field.to_owned(), whole: false });
    }
    let is_whole = ["[0-9]+", "\\d+", "[[:digit:]]+", "[0-9]*", "\\d*"].contains(&group);
    is_whole.then(|| FirstNumber { field: field.to_owned(), whole: true })
}
