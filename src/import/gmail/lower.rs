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
    let mut reading = FilterReading::default();
    for (name, value) in &entry.properties {
        reading.property(entry, name, value)?;
    }
    let FilterReading { parts, notes, mut differs, done } = reading;
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

/// What the properties of a filter say, as far as they are read.
#[derive(Default)]
struct FilterReading {
    parts: Vec<Cond>,
    notes: Vec<String>,
    differs: Differences,
    done: GmailActions,
}

impl FilterReading {
    fn property(&mut self, entry: &FilterEntry, name: &str, value: &str) -> Result<(), String> {
        let is_set = value == "true";
        match name {
            "from" => self.words(QueryScope::From, value)?,
            "to" => self.words(QueryScope::To, value)?,
            "subject" => self.words(QueryScope::Subject, value)?,
            "hasTheWord" => self.words(QueryScope::Message, value)?,
            "doesNotHaveTheWord" => {
                // None of the words that are listed side by side.
                let words = match self.parsed(value)?.query {
                    GmailQuery::All(words) => GmailQuery::Any(words),
                    other => other,
                };
                let found = condition(&words, QueryScope::Message, &mut self.differs)?;
                self.parts.push(Cond::not(found));
            }
            "hasAttachment" if is_set => {
                let why = "Gmail does not count pictures within the text as attachments";
                self.differs.push(why.into());
                self.parts.push(Cond::plain("attachments", ">", "0"));
            }
            "size" => self.parts.push(size(entry, value)?),
            "label" => self.done.labels.push(value.to_owned()),
            "shouldArchive" => self.done.archives = is_set,
            "shouldTrash" => self.done.trashes = is_set,
            "shouldSpam" => self.done.spam = is_set,
            "shouldMarkAsRead" if is_set => self.done.marks.push(Mark::Flag("seen")),
            "shouldStar" if is_set => self.done.marks.push(Mark::Flag("flagged")),
            "shouldAlwaysMarkAsImportant" if is_set => {
                self.done.marks.push(Mark::Keyword("$Important".into()));
            }
            "smartLabelToApply" => {
                let category = value.strip_prefix("^smartlabel_").unwrap_or(value);
                if !category.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
                    return Err(format!("the category `{value}` is not known"));
                }
                self.done.marks.push(Mark::Keyword(format!("Category-{category}")));
                self.notes.push(format!("the category is the keyword `Category-{category}`"));
            }
            "forwardTo" => {
                if !value.contains('@') || value.contains(char::is_whitespace) {
                    return Err(format!("`{value}` is not an address"));
                }
                self.done.forwards.push(literal(value));
            }
            "shouldNeverSpam" | "shouldNeverMarkAsImportant" if is_set => {
                self.done.silent = true;
                self.notes.push(format!("`{name}` has nothing to prevent here"));
            }
            "cannedResponse" => {
                self.differs.push("the answer is left out: its text is not here".into());
            }
            _ if value == "false" || SILENT.contains(&name) => {}
            _ => return Err(format!("`{name}` is not known")),
        }
        Ok(())
    }

    fn parsed(&mut self, value: &str) -> Result<Parsed, String> {
        let parsed = query::parse(value)?;
        if parsed.separated {
            self.differs.push("words beside a sign may be anywhere in the text".into());
        }
        Ok(parsed)
    }

    /// Words to search for.
    fn words(&mut self, scope: QueryScope, value: &str) -> Result<(), String> {
        let parsed = self.parsed(value)?;
        if parsed.mixed {
            self.differs.push("`OR` beside other words joins its two neighbours".into());
        }
        self.parts.push(condition(&parsed.query, scope, &mut self.differs)?);
        Ok(())
    }
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
