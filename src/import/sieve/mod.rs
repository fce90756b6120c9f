//! Sieve, RFC 5228 with the extensions that people and web mailers use.

mod act;
mod action;
mod arguments;
mod compare;
mod context;
mod date_text;
mod date_value;
mod expire;
mod flags;
mod folder;
mod grade;
mod groups;
mod include;
mod instant;
mod lower;
mod missing;
mod occurrence;
mod parse;
mod posix;
mod programs;
mod refusals;
mod regex;
mod returns;
mod script;
mod set;
mod state;
mod string_test;
mod test;
mod time;
mod vacation;
mod variables;
#[cfg(test)]
mod tests;

use std::path::Path;

use super::ir::{Draft, Effect, Fidelity, Unit};
use super::write::{Bug, write};
use super::{ImportResult, IncludeLoader, Options, site, source_file};
use crate::rules::program::Layout;
use crate::rules::script::{Script, ScriptFault, ScriptRequest};
use crate::source::{SourceFile, Sources, Span};
use context::Lowering;
use parse::{Node, parse};
use refusals::without_conflicts;

/// Turns a script into rules; `load` returns the scripts that it includes.
///
/// # Errors
/// [`Bug`]: the result is not valid rules.
pub fn import(
    path: &Path,
    bytes: &[u8],
    options: &Options,
    load: IncludeLoader<'_>,
) -> Result<ImportResult, Box<Bug>> {
    let (draft, sources, separator) = lower(path, bytes, options, load);
    let options = Options { separator: Some(separator), ..options.clone() };
    write(draft, sources, &options, "sieve")
}

/// The draft of a script, the files it consists of, and what separates levels of folders.
fn lower(
    path: &Path,
    bytes: &[u8],
    options: &Options,
    load: IncludeLoader<'_>,
) -> (Draft, Sources, char) {
    let mut lowering = Lowering::new(options, load);
    let mut nodes = expire::first(lowering.read(path, bytes));
    // A web mailer's user wants it refused.
    if options.included.is_none()
        && options.category.is_none()
        && let Some(guarded) = without_conflicts(&nodes)
    {
        nodes = guarded;
        lowering.without_conflicts = true;
    }
    lowering.main(path, &nodes);
    if options.category.is_some() {
        let names = site::SiteNames {
            filed: lowering.fresh_name("filed"),
            over: lowering.fresh_name("over"),
        };
        let units = std::mem::take(&mut lowering.draft.units);
        lowering.draft.units = site::in_category(units, &names);
    }
    (lowering.draft, lowering.sources, lowering.separator)
}

impl Lowering<'_> {
    /// Adds a file; returns its commands.
    fn read(&mut self, path: &Path, bytes: &[u8]) -> Vec<Node> {
        let (file, garbled) = match self.options.included {
            Some(_) => utf8(path, bytes),
            None => (source_file(path, bytes, &mut self.draft), Vec::new()),
        };
        let number = self.sources.add(file.clone());
        parse(number, &file, &garbled)
    }
}

/// A script that is run as it is, and where in it something is not UTF-8. No charset is
/// guessed then: nothing would show that the guess was wrong.
fn utf8(path: &Path, bytes: &[u8]) -> (SourceFile, Vec<u32>) {
    let mut text = String::with_capacity(bytes.len());
    let mut garbled = Vec::new();
    for chunk in bytes.utf8_chunks() {
        text.push_str(&chunk.valid().replace("\r\n", "\n"));
        if !chunk.invalid().is_empty() {
            garbled.push(text.len() as u32);
            text.push(char::REPLACEMENT_CHARACTER);
        }
    }
    (SourceFile::new(path, text), garbled)
}

/// A script as `include sieve` runs it, or why it cannot be run; `load` returns the
/// scripts that it includes, by their names in the folder of `path`.
pub fn include(
    request: &ScriptRequest<'_>,
    path: &Path,
    bytes: &[u8],
    load: IncludeLoader<'_>,
) -> Script {
    if bytes.contains(&0) {
        return Script::unusable(request.path, "it is a binary file".into());
    }
    let options = Options {
        separator: Some(request.separator),
        layout: (request.layout == Layout::Fs).then(|| "fs".to_owned()),
        included: Some(request.prefix.to_owned()),
        ..Options::default()
    };
    let (draft, sources, _) = lower(path, bytes, &options, load);
    let mut files = sources.files().to_vec();
    if let Some(main) = files.first_mut() {
        main.path = request.path.to_owned();
    }
    let faults = faults_of_all(&draft);
    if !faults.is_empty() {
        return Script { files, faults, ..Script::default() };
    }
    let imported = match write(draft, sources, &options, "sieve") {
        Ok(imported) => imported,
        Err(bug) => return Script::unusable(request.path, bug.mistakes),
    };
    let mut faults = faults_of_all(&imported.draft);
    let draft = &imported.draft;
    let lists = draft.lists.iter().map(|(name, _)| format!("the list `{name}` is not known here"));
    // All rules have one zone.
    let zone = request.timezone.map(crate::syntax::quote);
    let is_set = |name: &str, value: &str| name == "timezone" && zone.as_deref() == Some(value);
    let missing = draft.settings.iter().filter(|(name, value)| !is_set(name, value));
    let settings = missing.map(|(name, value)| {
        format!("it needs `set {name} {value}`, for all rules, before the `include`")
    });
    let of_all: Vec<String> = lists.chain(settings).collect();
    if faults.is_empty() {
        let whole = |reason| ScriptFault { span: None, label: None, reason };
        faults.extend(of_all.into_iter().map(whole));
    }
    let does_something = draft.units.iter().any(Unit::is_written);
    let rules = if does_something { imported.rules } else { String::new() };
    let places = imported.places.into_iter();
    let places = places.map(|(at, span)| (at, head(&files, span))).collect();
    Script { files, rules, places, faults }
}

/// Everything that is not exact.
fn faults_of_all(draft: &Draft) -> Vec<ScriptFault> {
    let mut faults = Vec::new();
    for unit in &draft.units {
        faults_of(unit, unit.label.as_deref(), &mut faults);
    }
    faults
}

/// What in a unit is not exact; `label` is that of the units around it.
fn faults_of(unit: &Unit, label: Option<&str>, faults: &mut Vec<ScriptFault>) {
    let label = unit.label.as_deref().or(label);
    let mut fault = |reason: &str| {
        let (span, reason) = (Some(unit.span), reason.to_owned());
        faults.push(ScriptFault { span, label: label.map(str::to_owned), reason });
    };
    match &unit.fidelity {
        Fidelity::NotTranslated(why) => return fault(why),
        Fidelity::Approximate(why) => return fault(why),
        Fidelity::Exact | Fidelity::Dead(_) => {}
    }
    for effect in &unit.effects {
        if let Effect::Rule(inner) = effect {
            faults_of(inner, label, faults);
        }
    }
}

/// A command without its block.
fn head(files: &[SourceFile], span: Span) -> Span {
    let text = files.get(span.file as usize).map_or("", |file| file.text.as_str());
    let text = text.get(span.start as usize..span.end as usize).unwrap_or_default();
    let mut in_string = false;
    let mut escaped = false;
    let open = text.find(|c: char| {
        let was_escaped = escaped;
        escaped = in_string && c == '\\' && !was_escaped;
        in_string ^= c == '"' && !was_escaped;
        c == '{' && !in_string
    });
    match open.map(|at| text.get(..at).unwrap_or_default().trim_end().len() as u32) {
        Some(length) if length > 0 => Span { end: span.start + length, ..span },
        _ => span,
    }
}
