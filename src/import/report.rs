//! What an import reports: each unit that is not exact, with its line there and here, and
//! how many there are of each kind; as text or as JSON.

use std::fmt::Write;

use serde_json::{Value, json};

use super::ImportResult;
use super::ir::{Fidelity, Unit};
use crate::language::Language;
use crate::page;
use crate::text::escape;
use crate::translation::{translated, translated_after};

/// How many units there are of each kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// All of them.
    pub all: usize,
    /// Exact, or dead.
    pub exact: usize,
    /// Approximate.
    pub approximate: usize,
    /// Not translated.
    pub not: usize,
}

/// Counts the units.
pub fn totals(of: &ImportResult) -> Totals {
    let mut totals = Totals::default();
    each(of, &mut |unit| {
        let count = count(unit);
        totals.all += count;
        match unit.fidelity {
            Fidelity::Exact | Fidelity::Dead(_) => totals.exact += count,
            Fidelity::Approximate(_) => totals.approximate += count,
            Fidelity::NotTranslated(_) => totals.not += count,
        }
    });
    totals
}

/// How many units it counts for: one that is not translated always counts.
fn count(unit: &Unit) -> usize {
    match unit.fidelity {
        Fidelity::NotTranslated(_) => unit.count.max(1),
        _ => unit.count,
    }
}

/// The report for people, on a terminal with this number of columns if there is one.
pub fn text(of: &ImportResult, language: Language, columns: Option<usize>) -> String {
    let say = |text: &str| escape(&translated(text, language));
    let mut out = String::new();
    each(of, &mut |unit| block(of, unit, language, columns, &mut out));
    for note in &of.draft.notes {
        let _ = writeln!(out, "{}: {}", say("note"), say(note));
    }
    for file in &of.draft.files {
        let _ = writeln!(out, "{}: {}", escape(&file.name), say(file.purpose));
    }
    let Totals { all, exact, approximate, not } = totals(of);
    let numbers = format!("{exact} of {all} exact, {approximate} approximately, {not} not");
    let _ = writeln!(out, "{}", say(&numbers));
    out
}

fn block(
    of: &ImportResult,
    unit: &Unit,
    language: Language,
    columns: Option<usize>,
    out: &mut String,
) {
    let say = |text: &str| escape(&translated(text, language));
    let (verdict, why) = match &unit.fidelity {
        Fidelity::Exact | Fidelity::Dead(_) if unit.notes.is_empty() => return,
        Fidelity::Exact | Fidelity::Dead(_) => ("exact", ""),
        Fidelity::Approximate(why) => ("approximately", why.as_str()),
        Fidelity::NotTranslated(why) => ("not translated", why.as_str()),
    };
    let path = of.sources.shown(of.sources.path(unit.span));
    let line = of.sources.line(unit.span);
    let joint = if why.is_empty() { "" } else { ": " };
    let why = escape(&translated_after(why, language));
    let _ = writeln!(out, "{}:{line}: {}{joint}{why}", escape(&path), say(verdict));
    let quoted = of.sources.text(unit.span);
    if let Some(first) = quoted.lines().next() {
        let more = if quoted.lines().nth(1).is_some() { " …" } else { "" };
        let quoted = format!("    {}{more}\n", escape(first.trim()));
        out.push_str(
            &columns.map_or(quoted.clone(), |columns| page::fitted_code(&quoted, columns)),
        );
    }
    for note in &unit.notes {
        let _ = writeln!(out, "    {}", say(note));
    }
    if unit.would_end && matches!(unit.fidelity, Fidelity::NotTranslated(_)) {
        let goes_on = format!("mail that line {line} took now goes on to the rules after it");
        let _ = writeln!(out, "    {}", say(&goes_on));
    }
    if let Some(line) = unit.line {
        let _ = writeln!(out, "    -> {}", say(&format!("line {line} of the new rules")));
    }
}

/// The report for programs, including the rules.
pub fn to_json(of: &ImportResult) -> Value {
    let mut units = Vec::new();
    each(of, &mut |unit| {
        let (verdict, why) = match &unit.fidelity {
            Fidelity::Exact => ("exact", None),
            Fidelity::Dead(why) => ("exact", Some(why)),
            Fidelity::Approximate(why) => ("approximate", Some(why)),
            Fidelity::NotTranslated(why) => ("not", Some(why)),
        };
        if count(unit) == 0 {
            return;
        }
        units.push(json!({
            "file": of.sources.path(unit.span).to_string_lossy(),
            "line": of.sources.line(unit.span),
            "label": unit.label,
            "count": count(unit),
            "verdict": verdict,
            "reason": why,
            "notes": unit.notes,
            "goes_on": unit.would_end,
            "new_line": unit.line,
        }));
    });
    let totals = totals(of);
    let files: Vec<Value> = of
        .draft
        .files
        .iter()
        .map(|file| json!({"name": file.name, "purpose": file.purpose, "content": file.content}))
        .collect();
    json!({
        "units": units,
        "totals": {
            "all": totals.all, "exact": totals.exact,
            "approximate": totals.approximate, "not": totals.not,
        },
        "notes": of.draft.notes,
        "files": files,
        "rules": of.rules,
    })
}

/// All units, in order.
fn each<'a>(of: &'a ImportResult, visit: &mut dyn FnMut(&'a Unit)) {
    for unit in &of.draft.units {
        unit.walk(visit);
    }
}
