//! The conditions of a recipe as one condition of ours.

use std::borrow::Cow;

use super::as_sent::in_decoded_value;
use super::pattern::{ProcmailMatch, SearchPlace, matched};
use super::words::{ProcmailVariable, RcVariables};
use crate::import::constant::constant_pattern;
use crate::import::folder::MailPlaces;
use crate::import::ir::{Cond, Effect, Operand, literal, quote};
use crate::import::shell::{asking, is_duplicate_check, makes_folders, shell_words};
use crate::syntax::words::FOLDER_EXISTS;

/// For how many weighted conditions all combinations are written out.
const MOST_WEIGHTS: usize = 5;

/// What a program decides.
#[derive(Debug)]
pub(super) struct ProgramTest {
    /// The conditions before it: it is run where they hold.
    pub(super) before: Cond,
    /// A filter that fails where the program does.
    pub(super) filter: Effect,
    /// What has come of it, and the conditions after it.
    pub(super) decided: Cond,
}

/// What a recipe tests.
#[derive(Debug)]
pub(super) struct RecipeTests {
    /// All conditions.
    pub(super) condition: Cond,
    pub(super) program: Option<ProgramTest>,
    /// The headers that it asks for, in lower case.
    pub(super) headers: Vec<String>,
    /// It also asks for other headers, or for any.
    pub(super) all_headers: bool,
    pub(super) captures: bool,
    pub(super) dots: bool,
    pub(super) words: bool,
    /// How it differs.
    pub(super) differs: Option<&'static str>,
}

/// The conditions of a recipe with these flags. An error says which one cannot be
/// expressed, and why.
pub(super) fn asked(
    conditions: &[String],
    flags: &str,
    variables: &RcVariables,
) -> Result<RecipeTests, String> {
    let mut asked = RecipeTests {
        condition: Cond::Always,
        program: None,
        headers: Vec::new(),
        all_headers: false,
        captures: false,
        dots: false,
        words: false,
        differs: None,
    };
    let (mut plain, mut weighted) = (Vec::new(), Vec::new());
    let mut program: Option<(usize, Effect)> = None;
    let mut variables = Cow::Borrowed(variables);
    for text in conditions.iter().map(String::as_str).filter(|text| !text.is_empty()) {
        let told = |why: String| format!("`* {text}`: {why}");
        let (weight, rest) = weight(text).map_err(told)?;
        // procmailsc(5): the size is a factor there, not a condition.
        if weight.is_some() && rest.trim_start_matches(['!', ' ']).starts_with(['<', '>']) {
            return Err(told("a weight by the size".into()));
        }
        if weight.is_none()
            && let Some((holds, words)) = decides(rest, flags, &variables).map_err(told)?
        {
            if program.is_some() {
                return Err(told("two programs decide".into()));
            }
            program = Some((plain.len(), Effect::Program("filter", words)));
            let failed = Cond::Word("filter-failed".into());
            plain.push(if holds { Cond::not(failed) } else { failed });
            continue;
        }
        let (condition, found) = one(rest, flags, &variables, 0).map_err(told)?;
        if let Some(found) = found {
            let general = found.headers.is_empty() && condition != Cond::Always;
            asked.all_headers |= general;
            asked.headers.extend(found.headers);
            asked.captures |= found.captures;
            if found.captures {
                let captured = ProcmailVariable::Template("{match}".into());
                variables.to_mut().set("MATCH", captured);
            }
            asked.dots |= found.dots;
            asked.words |= found.words;
            asked.differs = asked.differs.or(found.differs);
        }
        match weight {
            Some(weight) => weighted.push((weight, condition)),
            None => plain.push(condition),
        }
    }
    if !weighted.is_empty() {
        if asked.captures {
            return Err("a `\\/` among weighted conditions".into());
        }
        plain.push(scored(weighted)?);
    }
    asked.program = program.map(|(at, filter)| {
        let (before, decided) = plain.split_at(at.min(plain.len()));
        let (before, decided) =
            (Cond::all(before.iter().cloned()), Cond::all(decided.iter().cloned()));
        ProgramTest { before, filter, decided }
    });
    asked.condition = Cond::all(plain);
    Ok(asked)
}

/// `? program`, `! ? program`, where only the program knows: whether it has to succeed,
/// and the filter that asks it. It is given what the recipe searches.
fn decides(
    text: &str,
    flags: &str,
    variables: &RcVariables,
) -> Result<Option<(bool, Vec<String>)>, String> {
    let signs = text.len() - text.trim_start_matches(['!', ' ', '\t']).len();
    let Some(command) = text.get(signs..).and_then(|rest| rest.strip_prefix('?')) else {
        return Ok(None);
    };
    let is_known = is_duplicate_check(command)
        || makes_folders(command) == Some(true) && command.contains("||")
        || tested_folder(command, variables).is_some();
    if is_known {
        return Ok(None);
    }
    let words = variables.command(command)?;
    let half = match (flags.contains('H'), flags.contains('B')) {
        (true, true) => None,
        (false, true) => Some("body"),
        (_, false) => Some("header"),
    };
    let signs = text.get(..signs).unwrap_or_default();
    Ok(Some((signs.matches('!').count() % 2 == 0, asking(half, words))))
}

/// Nobody writes more signs than this in front of a condition; but a variable may hold
/// `$` and itself.
const MOST_SIGNS: usize = 50;

/// `w^x`
#[derive(Debug, Clone, Copy)]
struct RecipeWeight {
    weight: f64,
    /// The factor by which it changes each further time that the condition holds.
    factor: f64,
}

/// `w^x` in front of a condition (procmailsc(5)).
fn weight(text: &str) -> Result<(Option<RecipeWeight>, &str), String> {
    let number = |text: &str| text.parse::<f64>().ok().filter(|number| number.is_finite());
    let Some((head, rest)) = text.split_once([' ', '\t']).or(Some((text, ""))) else {
        return Ok((None, text));
    };
    let Some((weight, factor)) = head.split_once('^') else { return Ok((None, text)) };
    let (Some(weight), Some(factor)) = (number(weight), number(factor)) else {
        return Ok((None, text));
    };
    if factor < 0.0 {
        return Err("a factor below 0".into());
    }
    Ok((Some(RecipeWeight { weight, factor }), rest.trim_start()))
}

/// The sum of the weights of the conditions that hold is above zero.
fn scored(weighted: Vec<(RecipeWeight, Cond)>) -> Result<Cond, String> {
    let (mut sum, mut open) = (0.0, Vec::new());
    // The number of matches counts only where it could change the sign of the sum.
    let counts = weighted.iter().any(|(weight, _)| weight.factor != 0.0);
    if counts && weighted.iter().any(|(weight, _)| weight.weight <= 0.0) {
        return Err("it counts how often a pattern is found (a factor that is not 0), and mfilter only sees whether it is".into());
    }
    for (RecipeWeight { weight, .. }, condition) in weighted {
        match condition {
            Cond::Always => sum += weight,
            Cond::Never => {}
            condition => open.push((weight, condition)),
        }
    }
    if sum > 0.0 && open.iter().all(|(weight, _)| *weight > 0.0) {
        return Ok(Cond::Always);
    }
    if sum == 0.0 && open.iter().all(|(weight, _)| *weight > 0.0) {
        return Ok(Cond::any(open.into_iter().map(|(_, condition)| condition)));
    }
    if open.len() > MOST_WEIGHTS {
        return Err(format!("more than {MOST_WEIGHTS} weights, of which some are below zero"));
    }
    let mut ways: Vec<(u32, f64)> = (0..1_u32 << open.len())
        .map(|set| {
            let of = open.iter().enumerate().filter(|(at, _)| set >> at & 1 == 1);
            (set, sum + of.map(|(_, (weight, _))| weight).sum::<f64>())
        })
        .collect();
    ways.retain(|(_, total)| *total > 0.0);
    let is_monotone = open.iter().all(|(weight, _)| *weight > 0.0);
    let all: Vec<u32> = ways.iter().map(|(set, _)| *set).collect();
    let smallest =
        |set: &u32| !is_monotone || !all.iter().any(|other| other != set && other & set == *other);
    Ok(Cond::any(all.iter().filter(|set| smallest(set)).map(|set| {
        Cond::all(open.iter().enumerate().filter_map(|(at, (_, condition))| {
            match (set >> at & 1 == 1, is_monotone) {
                (true, _) => Some(condition.clone()),
                (false, true) => None,
                (false, false) => Some(Cond::not(condition.clone())),
            }
        }))
    })))
}

/// One condition, without its weight; `depth` is how many signs were before it.
fn one(
    text: &str,
    flags: &str,
    variables: &RcVariables,
    depth: usize,
) -> Result<(Cond, Option<ProcmailMatch>), String> {
    if depth > MOST_SIGNS {
        return Err("there are too many `!` and `$` in front of it".into());
    }
    let one = |text: &str| one(text, flags, variables, depth + 1);
    let text = text.trim();
    if let Some(rest) = text.strip_prefix('!') {
        let (condition, found) = one(rest)?;
        if found.as_ref().is_some_and(|found| found.captures) {
            return Err("a `\\/` under `!`".into());
        }
        return Ok((Cond::not(condition), found));
    }
    if let Some(rest) = text.strip_prefix('$') {
        let expanded = variables.expand(rest.trim_start(), true)?;
        let text = expanded.constant.ok_or("what is inserted comes from the message")?;
        return one(&text);
    }
    if let Some(command) = text.strip_prefix('?') {
        return match (is_duplicate_check(command), makes_folders(command)) {
            (true, _) => Ok((Cond::Word("duplicate".into()), None)),
            // It is there, or it is made.
            (_, Some(true)) if command.contains("||") => Ok((Cond::Always, None)),
            _ if let Some(folder) = tested_folder(command, variables) => {
                Ok((Cond::Word(format!("{FOLDER_EXISTS} {}", quote(&folder))), None))
            }
            _ => Err("it depends on what a program says".into()),
        };
    }
    if let Some(sign @ ("<" | ">")) = text.get(..1) {
        let number = text.get(1..).unwrap_or_default().trim();
        let size: u64 = number.parse().map_err(|_| format!("`{number}` is not a size"))?;
        return Ok((
            Cond::plain("size", if sign == "<" { "<" } else { ">" }, size.to_string()),
            None,
        ));
    }
    let Some((name, pattern)) = variable(text) else {
        return regex(first_unescaped(text), flags, None);
    };
    let pattern = pattern.trim_start();
    if let Some(rest) = pattern.strip_prefix('!') {
        return one(&format!("! {name} ?? {rest}"));
    }
    if let Some(rest) = pattern.strip_prefix('$') {
        let expanded = variables.expand(rest.trim_start(), true)?;
        let rest = expanded.constant.ok_or("what is inserted comes from the message")?;
        return one(&format!("{name} ?? {rest}"));
    }
    on_variable(name, pattern, flags, variables)
}

/// `NAME ?? pattern`: a variable or a part of the message, compared with a pattern.
fn on_variable(
    name: &str,
    pattern: &str,
    flags: &str,
    variables: &RcVariables,
) -> Result<(Cond, Option<ProcmailMatch>), String> {
    if pattern.starts_with(['<', '>']) {
        return Err("the size of a part of the message or of a variable is compared".into());
    }
    if pattern.starts_with('?') {
        return Err("it depends on what a program says".into());
    }
    if weight(pattern)?.0.is_some() {
        return Err("a weight after `??`".into());
    }
    if variable(pattern).is_some() {
        return Err("`??` twice".into());
    }
    let pattern = first_unescaped(pattern);
    if matches!(name, "H" | "B" | "HB" | "BH") {
        let case = if flags.contains('D') { "D" } else { "" };
        return regex(pattern, &format!("{name}{case}"), None);
    }
    match variables.value(name) {
        ProcmailVariable::Template(template) => {
            let field = template.strip_prefix('{').and_then(|name| name.strip_suffix('}'));
            match field.filter(|name| !name.contains(['{', '}', ':', '"'])) {
                Some("match") => Err("MATCH is tested in its own recipe".into()),
                Some(field) => regex(pattern, flags, Some(field)),
                None => Err(format!("{name} is more than one value")),
            }
        }
        ProcmailVariable::Unknown(why) => Err(why),
        ProcmailVariable::Constant(text) => constant(&text, pattern, flags),
    }
}

/// procmail removes a backslash at the start of a pattern: it is there so that `!`, `$`,
/// `?`, `<` and `>` stand for themselves, and it leaves the `[` of `\[` a bracket.
fn first_unescaped(pattern: &str) -> &str {
    pattern.strip_prefix('\\').unwrap_or(pattern)
}

/// `NAME ?? pattern`
fn variable(text: &str) -> Option<(&str, &str)> {
    let (name, pattern) = text.split_once("??")?;
    let name = name.trim();
    let is_name = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    is_name.then_some((name, pattern))
}

/// Whether a condition asks for a folder.
pub(super) fn asks_for_folder(condition: &Cond) -> bool {
    match condition {
        Cond::Word(word) => word.starts_with(FOLDER_EXISTS),
        Cond::All(parts) | Cond::Any(parts) => parts.iter().any(asks_for_folder),
        Cond::Not(inner) => asks_for_folder(inner),
        Cond::Always | Cond::Never | Cond::Test(_) => false,
    }
}

/// The folder that `test -d "$MAILDIR/.A"` looks for.
fn tested_folder(command: &str, variables: &RcVariables) -> Option<String> {
    let words = shell_words(command.trim());
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let (["test", "-d" | "-e", path] | ["[", "-d" | "-e", path, "]"]) = *words.as_slice() else {
        return None;
    };
    let path = variables.expand(path, false).ok()?.constant?;
    let constant = |name| match variables.value(name) {
        ProcmailVariable::Constant(text) => literal(&text),
        _ => String::new(),
    };
    let maildir = constant("MAILDIR");
    let inbox = constant("DEFAULT");
    let start = maildir.clone();
    MailPlaces { start, maildir, inbox, named: None, one_level: Vec::new() }.folder_at(&path)
}

/// A text that is the same for every message.
fn constant(
    text: &str,
    pattern: &str,
    flags: &str,
) -> Result<(Cond, Option<ProcmailMatch>), String> {
    let holds = match pattern {
        "." | ".+" | "(.)" | "[^ ]" => !text.is_empty(),
        "^^^^" | "^^$" | "^$" => text.is_empty(),
        _ => {
            let plain = pattern.trim_start_matches('^').trim_end_matches(['^', '$']);
            if !plain.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_/@ ".contains(&b)) {
                return found_in(text, pattern, flags.contains('D'));
            }
            let (text, plain) = match flags.contains('D') {
                true => (text.to_owned(), plain.to_owned()),
                false => (text.to_lowercase(), plain.to_lowercase()),
            };
            match (pattern.starts_with('^'), pattern.ends_with(['^', '$'])) {
                (true, true) => text == plain,
                (true, false) => text.starts_with(&plain),
                (false, true) => text.ends_with(&plain),
                (false, false) => text.contains(&plain),
            }
        }
    };
    Ok((if holds { Cond::Always } else { Cond::Never }, None))
}

/// Whether a pattern is found in one line.
fn found_in(
    text: &str,
    pattern: &str,
    case: bool,
) -> Result<(Cond, Option<ProcmailMatch>), String> {
    let found = matched(pattern, SearchPlace::Field("text"), case)?;
    if found.captures || text.contains('\n') {
        return Err("a pattern on what is the same for every message".into());
    }
    Ok((held(&found.condition, text)?, None))
}

/// A condition on one text: whether it holds.
fn held(condition: &Cond, text: &str) -> Result<Cond, String> {
    let all = |parts: &[Cond]| {
        parts.iter().map(|part| held(part, text)).collect::<Result<Vec<_>, String>>()
    };
    Ok(match condition {
        Cond::All(parts) => Cond::all(all(parts)?),
        Cond::Any(parts) => Cond::any(all(parts)?),
        Cond::Not(inner) => Cond::not(held(inner, text)?),
        Cond::Test(test) => {
            let mut holds = false;
            for value in &test.values {
                holds |= value_holds(test.operator, value, text)?;
            }
            if holds { Cond::Always } else { Cond::Never }
        }
        Cond::Always | Cond::Never | Cond::Word(_) => condition.clone(),
    })
}

fn value_holds(operator: &str, value: &Operand, text: &str) -> Result<bool, String> {
    let (wanted, lower) = match value {
        Operand::Text(wanted) => (wanted.to_lowercase(), text.to_lowercase()),
        Operand::Plain(_) => return Err("a comparison of a text".into()),
        Operand::Pattern(pattern, case) => {
            return Ok(constant_pattern(pattern, *case)?.is_match(text));
        }
    };
    Ok(match operator {
        "is" => lower == wanted,
        "starts" => lower.starts_with(&wanted),
        "ends" => lower.ends_with(&wanted),
        _ => lower.contains(&wanted),
    })
}

fn regex(
    pattern: &str,
    flags: &str,
    field: Option<&str>,
) -> Result<(Cond, Option<ProcmailMatch>), String> {
    let case = flags.contains('D');
    if let Some(field) = field {
        let found = matched(pattern, SearchPlace::Field(field), case)?;
        let differs = in_decoded_value(pattern)?;
        let found = ProcmailMatch { headers: vec![String::new()], differs, ..found };
        return Ok((found.condition.clone(), Some(found)));
    }
    let body = flags.contains('B');
    let head = flags.contains('H') || !body;
    let mut found = None;
    let mut conditions = Vec::new();
    if head {
        let of = matched(pattern, SearchPlace::Header, case)?;
        conditions.push(of.condition.clone());
        found = Some(of);
    }
    if body {
        let of = matched(pattern, SearchPlace::Body, case)?;
        if head && of.captures {
            return Err("a `\\/` on header and body together".into());
        }
        conditions.push(of.condition.clone());
        let headers = vec![String::new()];
        found = found.or(Some(ProcmailMatch { headers, ..of }));
    }
    Ok((Cond::any(conditions), found))
}
