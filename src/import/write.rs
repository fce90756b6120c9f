//! IR to rules. The printed text is read again by the parser and the check of the rules,
//! and brought into the canonical layout. So no import produces rules that mfilter does
//! not accept; a unit that is not accepted counts as not translated.

use std::path::Path;

use super::folder::note_values;
use super::ir::{Cond, Draft, Effect, Fidelity, Unit};
use super::print::{DEAD, LinePlace, PrintedRules, UNTRANSLATED, print};
use super::{ImportResult, Options};
use crate::diagnostic::{self, Diagnostic, Severity};
use crate::rules::check::{CheckContext, check, check_site, no_script};
use crate::source::{SourceFile, Sources, Span};
use crate::syntax::{self, FormattedRules};

/// How many times units are left out one by one, before all are.
const MOST_ROUNDS: usize = 20;

/// How many mistakes are shown in text that is not valid rules.
const MOST_SHOWN: usize = 20;

/// The written rules are not accepted by mfilter: a mistake of ours.
#[derive(Debug)]
pub struct Bug {
    /// What the check reports, rendered.
    pub mistakes: String,
    /// What was written.
    pub rules: String,
}

/// Writes the rules of a draft that was made from a file in this language, the first of
/// `sources`.
///
/// # Errors
/// [`Bug`]: the rules have a mistake.
pub fn write(
    mut draft: Draft,
    sources: Sources,
    options: &Options,
    language: &str,
) -> Result<ImportResult, Box<Bug>> {
    let file = sources.files().first().and_then(|file| file.path.file_name());
    let name = file.unwrap_or_default().to_string_lossy();
    let head = &format!("Made of {name} by mfilter import {language}.");
    let mut rounds = 0;
    let (AcceptedRules { text: rules, statements, comments }, places) = loop {
        let PrintedRules { text, start, places, ends } = print(&draft, &sources, options, head);
        match checked(&text, options.category.is_some()) {
            Ok(rules) => break (rules, places),
            Err((bug, errors)) => {
                rounds += 1;
                // Others may in turn need what is left out; an included script is not
                // used then.
                let most = if options.included.is_some() { 1 } else { MOST_ROUNDS };
                let is_mended =
                    rounds <= most && leave_out(&mut draft.units, &errors, &text, start, &ends);
                if !is_mended && !leave_all_out(&mut draft.units) {
                    return Err(bug);
                }
            }
        }
    };
    if options.included.is_none() {
        note_values(&mut draft);
    }
    let file = SourceFile::new("mailrules", rules.as_str());
    let lines = lines(&file, &statements, &comments, &places);
    let mut order = 0;
    for unit in &mut draft.units {
        place(unit, &lines, &mut order);
    }
    let places = foreign_places(&draft, &statements, &places);
    let separator = options.separator.unwrap_or('/');
    Ok(ImportResult { rules, draft, places, sources, separator })
}

/// Rules without a mistake, in the canonical layout.
struct AcceptedRules {
    text: String,
    /// Where each statement begins, before those in its block.
    statements: Vec<u32>,
    /// Where the comments begin that stand for units.
    comments: Vec<u32>,
}

/// The canonical layout of the written text, rules or site rules, if it has no mistake.
fn checked(text: &str, site: bool) -> Result<AcceptedRules, (Box<Bug>, Vec<Diagnostic>)> {
    let path = Path::new("mailrules");
    let mut sources = Sources::default();
    let (file, ast, parsed) = syntax::parse_bytes(0, path, text.as_bytes());
    let FormattedRules { text: rules, statements, comments } = syntax::formatted_rules(&ast, &file);
    let for_units = ast.comments.iter().zip(comments).filter(|(comment, _)| {
        comment.text.starts_with(UNTRANSLATED) || comment.text.starts_with(DEAD)
    });
    let comments = for_units.filter_map(|(_, place)| place).collect();
    sources.add(file);
    let nothing = &mut |_: &Path| Err(std::io::ErrorKind::NotFound.into());
    let surroundings = &mut CheckContext {
        home: Path::new("/"),
        load: nothing,
        script: &mut no_script,
        confinement: None,
    };
    let check = if site { check_site } else { check };
    let found = check(&mut sources, 0, ast, parsed, surroundings);
    let errors: Vec<Diagnostic> =
        found.diagnostics.into_iter().filter(|each| each.severity == Severity::Error).collect();
    if errors.is_empty() {
        return Ok(AcceptedRules { text: rules, statements, comments });
    }
    let shown = errors.get(..MOST_SHOWN).unwrap_or(&errors);
    let mistakes = diagnostic::render(shown, &sources, false);
    Err((Box::new(Bug { mistakes, rules: text.to_owned() }), errors))
}

/// Leaves out the units that are not valid rules, and those that ask for a text which
/// these would have kept: without it they could take more mail. Returns whether there
/// were any; `start` is where the first unit begins in the written text, `ends` where
/// each ends.
fn leave_out(
    units: &mut [Unit],
    errors: &[Diagnostic],
    text: &str,
    start: usize,
    ends: &[usize],
) -> bool {
    let number = |error: &Diagnostic| {
        let at = error.span.start as usize;
        (at >= start).then(|| (ends.partition_point(|end| *end <= at), error.message.clone()))
    };
    let mut left: Vec<(usize, String)> = errors.iter().filter_map(number).collect();
    let mut any = false;
    while let Some((number, why)) = left.pop() {
        let Some(unit) = units.get_mut(number).filter(|unit| unit.is_written()) else { continue };
        let names = unit.kept();
        unit.leave_out(format!("no rule could be made: {why}"));
        any = true;
        for name in names {
            let mut begin = start;
            for (other, end) in ends.iter().enumerate() {
                let written = text.get(begin..*end).unwrap_or_default();
                if has_word(written, &name) {
                    left.push((other, format!("`{name}` is not kept")));
                }
                begin = *end;
            }
        }
    }
    any
}

/// Whether a name occurs in a text, not as a part of another one.
fn has_word(text: &str, name: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '-';
    text.match_indices(name).any(|(at, _)| {
        let before = text.get(..at).and_then(|before| before.chars().next_back());
        let after = text.get(at + name.len()..).and_then(|after| after.chars().next());
        !before.is_some_and(is_part) && !after.is_some_and(is_part)
    })
}

/// Leaves all units out; returns whether any was still there.
fn leave_all_out(units: &mut [Unit]) -> bool {
    let mut any = false;
    for unit in units {
        any |= !matches!(unit.fidelity, Fidelity::NotTranslated(_));
        unit.leave_out("no rules could be made of the file".into());
    }
    any
}

/// The place in the foreign rules that each statement was made from. A statement that has
/// none gets that of the statement before it.
fn foreign_places(draft: &Draft, statements: &[u32], places: &[LinePlace]) -> Vec<(u32, Span)> {
    let mut spans = Vec::new();
    for unit in &draft.units {
        unit.walk(&mut |unit| spans.push(unit.span));
    }
    let mut last = spans.iter().copied().find(|span| span.end > 0).unwrap_or_default();
    let units = places.iter().filter_map(|place| match place {
        LinePlace::Statement(unit) => Some(*unit),
        LinePlace::Comment(_) => None,
    });
    let place = |(statement, unit): (&u32, Option<usize>)| {
        let known = unit.and_then(|unit| spans.get(unit)).copied();
        last = known.filter(|span| span.end > 0).unwrap_or(last);
        (*statement, last)
    };
    statements.iter().zip(units).map(place).collect()
}

/// The line of each unit in the rules.
fn lines(
    file: &SourceFile,
    statements: &[u32],
    comments: &[u32],
    places: &[LinePlace],
) -> Vec<(usize, u32)> {
    let (mut statement, mut comment) = (statements.iter(), comments.iter());
    let mut lines = Vec::new();
    for place in places {
        match place {
            LinePlace::Statement(unit) => {
                if let (Some(start), Some(unit)) = (statement.next(), unit) {
                    lines.push((*unit, file.line(*start)));
                }
            }
            LinePlace::Comment(unit) => {
                if let Some(start) = comment.next() {
                    lines.push((*unit, file.line(*start)));
                }
            }
        }
    }
    lines.sort_unstable();
    lines.dedup_by_key(|(unit, _)| *unit);
    lines
}

fn place(unit: &mut Unit, lines: &[(usize, u32)], order: &mut usize) {
    let found = lines.binary_search_by_key(order, |(unit, _)| *unit).ok();
    unit.line = found.and_then(|at| lines.get(at)).map(|(_, line)| *line);
    *order += 1;
    for effect in &mut unit.effects {
        if let Effect::Rule(unit) = effect {
            place(unit, lines, order);
        }
    }
}

impl Unit {
    /// Makes it a unit that is not translated, with everything in it.
    fn leave_out(&mut self, why: String) {
        let mut count = 0;
        self.walk(&mut |unit| count += unit.count);
        self.count = count.max(1);
        self.effects.clear();
        self.fidelity = Fidelity::NotTranslated(why);
        self.would_end = true;
    }

    /// The names that its `let`s keep.
    fn kept(&self) -> Vec<String> {
        let mut names = Vec::new();
        self.walk(&mut |unit| {
            names.extend(unit.effects.iter().filter_map(|effect| match effect {
                Effect::Let(name, _) => Some(name.clone()),
                _ => None,
            }));
        });
        names
    }

    /// Whether it is set off by blank lines.
    pub(super) fn stands_apart(&self) -> bool {
        !self.comments.is_empty()
            || self.label.is_some()
            || self.fidelity != Fidelity::Exact
            || self.effects.iter().any(|effect| matches!(effect, Effect::Rule(_)))
    }

    /// Whether a statement of it is written.
    pub(super) fn is_written(&self) -> bool {
        matches!(self.fidelity, Fidelity::Exact | Fidelity::Approximate(_))
            && self.condition != Cond::Never
            && self.effects.iter().any(|effect| match effect {
                Effect::Rule(unit) => unit.is_written(),
                _ => true,
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::report::totals;

    /// What the check of the rules refuses is left out, with everything that needs it.
    #[test]
    fn no_rule_fires_of_what_is_not_rules() {
        let mut sources = Sources::default();
        sources.add(SourceFile::new("x", "one\ntwo\nthree\n"));
        let unit = |effect: Effect| Unit {
            effects: vec![effect],
            condition: Cond::plain("size", ">", "1"),
            ..Unit::new(Span { file: 0, start: 0, end: 3 })
        };
        let folder = |name: &str| unit(Effect::Folder(name.into(), Vec::new()));
        let units = vec![
            unit(Effect::Let("kept".into(), "{nothing}".into())),
            folder("{kept}"),
            // Kept here too, so that the check alone would accept what asks for it.
            unit(Effect::Let("kept".into(), "x".into())),
            Unit {
                condition: Cond::not(Cond::Word("has kept".into())),
                ..unit(Effect::Folder("B".into(), Vec::new()))
            },
            folder("A"),
        ];
        let draft = Draft { units, ..Draft::default() };
        let made = write(draft, sources, &Options::default(), "x").expect("rules");
        let fires: Vec<&str> =
            made.rules.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
        assert_eq!(fires, ["when size > 1 -> folder \"A\""]);
        let totals = totals(&made);
        assert_eq!((totals.all, totals.exact, totals.not), (5, 1, 4));
    }
}
