//! Filters as units.

use super::query::{self, GmailQuery, Parsed};
use super::read::{FilterEntry, read};
use super::words::{Differences, QueryScope, condition};
use crate::flags::{is_keyword, to_keyword};
use crate::import::Options;
use crate::import::folder::name_in_layout;
use crate::import::ir::{Cond, Draft, Effect, Fidelity, Mark, Unit, literal};
use crate::source::{SourceFile, Sources};

/// Where mail is stored that is archived without a label.
const ARCHIVE: &str = "Archive";
/// Properties that mean nothing by themselves.
const SILENT: [&str; 3] = ["sizeOperator", "sizeUnit", "excludeChats"];

pub(super) fn lower(file: SourceFile, options: &Options, draft: &mut Draft) -> Sources {
    let entries = read(0, &file);
    let mut sources = Sources::default();
    sources.add(file);
    let (mut first, mut others) = (Vec::new(), Vec::new());
    for entry in &entries {
        let made = filter_unit(entry, options);
        let trashes =
            entry.properties.iter().any(|(name, value)| name == "shouldTrash" && value == "true");
        let mut unit =
            made.unwrap_or_else(|why| Unit { would_end: trashes, ..Unit::not(entry.span, why) });
        name_in_layout(&mut unit.effects, options, draft);
        if trashes { first.push(unit) } else { others.push(unit) }
    }
    first.extend(others);
    draft.units = first;
    if draft.units.is_empty() {
        draft.note("no filters were found in it");
    } else {
        draft.note(
            "all filters that fit are applied, as in Gmail; what a later one flags is not flagged \
             in the folder of an earlier one",
        );
        draft.note("words are whole words, and the signs between them do not count");
    }
    sources
}

/// A filter in our words.
///
/// # Errors
/// Why it cannot be expressed.
fn filter_unit(entry: &FilterEntry, options: &Options) -> Result<Unit, String> {
    if let Some(why) = &entry.odd {
        return Err(why.clone());
    }
    let mut differs = Differences::new();
    let mut notes = Vec::new();
    let mut parts = Vec::new();
    let mut done = GmailActions::default();
    for (name, value) in &entry.properties {
        let is_set = value == "true";
        let parsed = |differs: &mut Differences| -> Result<Parsed, String> {
            let parsed = query::parse(value)?;
            if parsed.separated {
                differs.push("words beside a sign may be anywhere in the text".into());
            }
            Ok(parsed)
        };
        let query = |scope, differs: &mut Differences| -> Result<Cond, String> {
            let parsed = parsed(differs)?;
            if parsed.mixed {
                differs.push("`OR` beside other words joins its two neighbours".into());
            }
            condition(&parsed.query, scope, differs)
        };
        match name.as_str() {
            "from" => parts.push(query(QueryScope::From, &mut differs)?),
            "to" => parts.push(query(QueryScope::To, &mut differs)?),
            "subject" => parts.push(query(QueryScope::Subject, &mut differs)?),
            "hasTheWord" => parts.push(query(QueryScope::Message, &mut differs)?),
            "doesNotHaveTheWord" => {
                // None of the words that are listed side by side.
                let words = match parsed(&mut differs)?.query {
                    GmailQuery::All(words) => GmailQuery::Any(words),
                    other => other,
                };
                parts.push(Cond::not(condition(&words, QueryScope::Message, &mut differs)?));
            }
            "hasAttachment" if is_set => {
                differs.push("Gmail does not count pictures within the text as attachments".into());
                parts.push(Cond::plain("attachments", ">", "0"));
            }
            "size" => parts.push(size(entry, value)?),
            "label" => done.labels.push(value.clone()),
            "shouldArchive" => done.archives = is_set,
            "shouldTrash" => done.trashes = is_set,
            "shouldSpam" => done.spam = is_set,
            "shouldMarkAsRead" if is_set => done.marks.push(Mark::Flag("seen")),
            "shouldStar" if is_set => done.marks.push(Mark::Flag("flagged")),
            "shouldAlwaysMarkAsImportant" if is_set => {
                done.marks.push(Mark::Keyword("$Important".into()));
            }
            "smartLabelToApply" => {
                let category = value.strip_prefix("^smartlabel_").unwrap_or(value);
                if !category.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
                    return Err(format!("the category `{value}` is not known"));
                }
                done.marks.push(Mark::Keyword(format!("Category-{category}")));
                notes.push(format!("the category is the keyword `Category-{category}`"));
            }
            "forwardTo" => {
                if !value.contains('@') || value.contains(char::is_whitespace) {
                    return Err(format!("`{value}` is not an address"));
                }
                done.forwards.push(literal(value));
            }
            "shouldNeverSpam" | "shouldNeverMarkAsImportant" if is_set => {
                done.silent = true;
                notes.push(format!("`{name}` has nothing to prevent here"));
            }
            "cannedResponse" => differs.push("the answer is left out: its text is not here".into()),
            _ if value == "false" || SILENT.contains(&name.as_str()) => {}
            _ => return Err(format!("`{name}` is not known")),
        }
    }
    if parts.is_empty() {
        return Err("it asks for nothing".into());
    }
    let condition = Cond::all(parts);
    let (effects, end) = done.effects(options, &mut differs)?;
    if effects.is_empty() {
        return match differs.pop() {
            Some(why) if !done.silent => Err(why),
            _ => Ok(Unit {
                fidelity: Fidelity::Dead("it does nothing but in Gmail".into()),
                ..Unit::new(entry.span)
            }),
        };
    }
    let fidelity = match differs.is_empty() {
        true => Fidelity::Exact,
        false => Fidelity::Approximate(differs.join("; ")),
    };
    Ok(Unit { condition, effects, falls_through: !end, fidelity, notes, ..Unit::new(entry.span) })
}

/// What a filter asks for.
#[derive(Debug, Default)]
struct GmailActions {
    marks: Vec<Mark>,
    labels: Vec<String>,
    forwards: Vec<String>,
    archives: bool,
    trashes: bool,
    spam: bool,
    /// Something that only Gmail does.
    silent: bool,
}

impl GmailActions {
    /// The actions, and whether the last one ends the rules.
    fn effects(
        &self,
        options: &Options,
        differs: &mut Differences,
    ) -> Result<(Vec<Effect>, bool), String> {
        let mut marks = self.marks.clone();
        let mut folders = Vec::new();
        for label in &self.labels {
            if options.keywords {
                let keyword = to_keyword(label).ok_or("the label is empty")?;
                if !is_keyword(label) {
                    differs.push(format!("the label `{label}` is the keyword `{keyword}`"));
                }
                marks.push(Mark::Keyword(literal(&keyword)));
            } else {
                folders.push(folder(label)?);
            }
        }
        let mut effects = Vec::new();
        if !marks.is_empty() {
            effects.push(Effect::Mark(marks));
        }
        if !self.forwards.is_empty() {
            effects.push(Effect::Forward { copy: true, to: self.forwards.clone() });
        }
        if self.trashes || self.spam {
            let name = if self.trashes { "Trash" } else { "Junk" };
            effects.push(Effect::Folder(name.into(), Vec::new()));
            return Ok((effects, true));
        }
        if self.archives && folders.is_empty() {
            folders.push(ARCHIVE.into());
        }
        for folder in folders {
            effects.push(match self.archives {
                true => Effect::FileInto(folder, Vec::new()),
                false => Effect::Copy(folder, Vec::new()),
            });
        }
        Ok((effects, false))
    }
}

/// The folder of a label.
fn folder(label: &str) -> Result<String, String> {
    let levels: Vec<&str> = label.split('/').map(str::trim).collect();
    if label.contains(char::is_control) || levels.iter().any(|level| level.is_empty()) {
        return Err(format!("the label `{label}` cannot be a folder"));
    }
    Ok(literal(&levels.join("/")))
}

/// `size`, with its operator and unit.
fn size(entry: &FilterEntry, value: &str) -> Result<Cond, String> {
    let of = |name: &str| {
        let found = entry.properties.iter().find(|(known, _)| known == name);
        found.map_or("", |(_, value)| value.as_str())
    };
    let unit: u64 = match of("sizeUnit") {
        "s_sb" => 1,
        "s_skb" => 1 << 10,
        "s_smb" | "" => 1 << 20,
        other => return Err(format!("the unit `{other}` is not known")),
    };
    let operator = match of("sizeOperator") {
        "s_sl" | "" => ">",
        "s_ss" => "<",
        other => return Err(format!("the operator `{other}` is not known")),
    };
    let number: u64 = value.trim().parse().map_err(|_| format!("`{value}` is not a size"))?;
    let bytes = number.checked_mul(unit).ok_or_else(|| format!("`{value}` is not a size"))?;
    Ok(Cond::plain("size", operator, bytes.to_string()))
}
