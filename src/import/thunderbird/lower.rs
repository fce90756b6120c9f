//! Filters as units.

use super::action::{ThunderbirdResult, done};
use super::read::{Filter, read};
use super::term::{self, Terms};
use crate::import::Options;
use crate::import::folder::name_in_layout;
use crate::import::ir::{Cond, Draft, Effect, Fidelity, TextFile, Unit};
use crate::source::{SourceFile, Sources};

/// When a filter runs, nsMsgFilterType.
const AS_IT_COMES: u32 = 0x1 | 0x20;
const PERIODIC: u32 = 0x100;
const BY_HAND: u32 = 0x10;
const SENT: u32 = 0x40;

pub(super) fn lower(file: SourceFile, options: &Options, draft: &mut Draft) -> Sources {
    let filters = read(0, &file);
    let mut sources = Sources::default();
    sources.add(file);
    for filter in &filters {
        let mut unit = match filter_unit(filter, options, draft) {
            Ok(unit) => unit,
            Err(why) => {
                let would_end = ThunderbirdResult::ends(&filter.actions);
                Unit { would_end, ..Unit::not(filter.span, why) }
            }
        };
        if !filter.enabled {
            unit = Unit {
                fidelity: Fidelity::Dead("it is switched off".into()),
                effects: Vec::new(),
                ..Unit::new(filter.span)
            };
        }
        unit.label = Some(filter.name.trim().to_owned())
            .filter(|name| !name.is_empty() && !name.contains(char::is_control));
        let lines = filter.description.lines().map(str::trim).filter(|line| !line.is_empty());
        unit.comments = lines.map(str::to_owned).collect();
        draft.units.push(unit);
    }
    if !draft.units.is_empty() {
        draft.note(
            "folders of all accounts and Local Folders become folders of the Maildir; Thunderbird \
             compares mail as it is shown, runs of blanks are one here",
        );
    }
    sources
}

/// A filter in our words.
///
/// # Errors
/// Why it cannot be expressed.
fn filter_unit(filter: &Filter, options: &Options, draft: &mut Draft) -> Result<Unit, String> {
    if let Some(why) = &filter.odd {
        return Err(why.clone());
    }
    let dead =
        |why: &str| Ok(Unit { fidelity: Fidelity::Dead(why.into()), ..Unit::new(filter.span) });
    let mut differs: Vec<String> = Vec::new();
    if filter.kind & AS_IT_COMES == 0 {
        match filter.kind {
            kind if kind & PERIODIC != 0 => {
                differs.push(
                    "Thunderbird filters the inbox every ten minutes, mfilter when mail comes"
                        .into(),
                );
            }
            kind if kind & BY_HAND != 0 => return dead("it runs only by hand"),
            kind if kind & SENT != 0 => return dead("it is for mail that is sent"),
            _ => return dead("it is not for mail that comes"),
        }
    }
    if filter.kind & (AS_IT_COMES | PERIODIC) == 0x20 {
        draft.note("filters that run after Thunderbird's junk filter run with the others");
    }
    let terms = filter.condition.as_deref().ok_or("it has no condition")?;
    let mut condition = Cond::Always;
    if let Terms::Of { any, terms } = term::read(terms)? {
        let mut parts = Vec::new();
        for term in &terms {
            let tested = term::test(term)?;
            if let Some((book, list)) = tested.book {
                add_list(draft, options, &book, list);
            }
            differs.extend(tested.differs.filter(|why| !differs.contains(why)));
            parts.push(tested.condition);
        }
        condition = if any { Cond::any(parts) } else { Cond::all(parts) };
    }
    let done = done(&filter.actions)?;
    let falls_through = done.end.is_none();
    let mut effects: Vec<Effect> = done.effects.into_iter().chain(done.end).collect();
    name_in_layout(&mut effects, options, draft);
    differs.extend(done.differs);
    if effects.is_empty() {
        return match (done.without_meaning.first(), differs.last()) {
            (Some(why), None) => dead(why),
            (_, Some(why)) => Err(why.clone()),
            (None, None) => dead("it does nothing"),
        };
    }
    let fidelity = match differs.is_empty() {
        true => Fidelity::Exact,
        false => Fidelity::Approximate(differs.join("; ")),
    };
    let notes = done.without_meaning;
    Ok(Unit { condition, effects, falls_through, fidelity, notes, ..Unit::new(filter.span) })
}

/// A list for an address book.
fn add_list(draft: &mut Draft, options: &Options, book: &str, list: String) {
    let file = format!("{}{list}.list", options.lists);
    if !draft.lists.iter().any(|(known, _)| *known == list) {
        let content = format!("# The addresses of {book}, one a line.\n");
        draft.lists.push((list, file.clone()));
        draft.files.push(TextFile { name: file, content, purpose: "a list, to be filled" });
    }
}
