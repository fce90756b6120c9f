//! `mfilter isp-filter`: what the provider's filter does, which parts are on and who
//! decided that; and changing the user's choices without an editor. It acts only for the
//! user who runs it.

use std::fmt::Write;
use std::path::Path;

use serde::Serialize;

use super::args::RuleOptions;
use super::for_user::ForUser;
use super::{CommandOutcome, output};
use crate::load;
use crate::rules::compiled::CompiledProgram;
use crate::rules::mistake::nearest;
use crate::rules::program::{Label, LabelKind, StatementKind};
use crate::rules::rule_set::RuleSet;
use crate::rules::switch::{Decider, SwitchChoices, SwitchSetting, place_of_word, same};
use crate::source::{Sources, reason};
use crate::state::switch_choices;
use crate::text::{escape, json_line};

/// `mfilter isp-filter`
#[derive(clap::Args, Debug)]
pub(super) struct IspFilterArgs {
    #[command(flatten)]
    pub(super) for_user: ForUser,

    /// `on`, `off`, `default`, or categories, each followed by `on`, `off` or `default`
    #[arg(value_name = "WORD")]
    pub(super) words: Vec<String>,

    #[command(flatten)]
    pub(super) files: RuleOptions,

    /// One JSON object
    #[arg(long)]
    pub(super) json: bool,
}

pub(super) fn run(call: &IspFilterArgs) -> Result<CommandOutcome, String> {
    let user = call.for_user.user()?;
    let mut in_force = load::site::in_force(call.files.site.as_deref());
    let file = call.files.rules.as_deref();
    let own = match load::rules_file(file, &user) {
        Ok(path) => load::in_force(&path, file.is_some(), &user, load::Verification::AtOnce)?,
        Err(_) => load::none(),
    };
    let path = switch_choices::path(&user).ok_or("no home directory is known: set HOME")?;
    let mut words = match switch_choices::read(&path) {
        Ok(words) => words,
        // A file that cannot be read now must not lose its other choices.
        Err(error) if error.may_pass() => return Err(switch_choices::not_read(&path, &error)),
        Err(error) => {
            output::error(&switch_choices::not_read(&path, &error));
            SwitchChoices::default()
        }
    };
    let mut rules = RuleSet::new(own.compiled, in_force.compiled.take(), &words);
    let mut finding = CommandOutcome::Fine;
    if !call.words.is_empty() {
        let requests = requests(&call.words, rules.site.as_deref())?;
        apply(&requests, &mut words);
        switch_choices::write(&path, &words, user.home())
            .map_err(|error| format!("{}: {}", path.display(), reason(&error)))?;
        rules.switch(&words);
        for (name, switched) in rules.overruled(&requests) {
            finding = CommandOutcome::Found;
            let why = rules.why(switched);
            output::error(&format!("{name} stays {}: {why}", word(switched.on)));
        }
    }
    let site = load::site::path(call.files.site.as_deref());
    let shown = SwitchReport::new(&rules, &words, in_force.note, site, &path);
    if call.json {
        output::print(&(json_line(&shown) + "\n"));
    } else {
        output::report(&shown.text());
    }
    Ok(finding)
}

/// One choice on the command line: a category, or none for all, and its new state, or
/// none for the default.
type SwitchRequest = (Option<String>, Option<bool>);

fn requests(
    words: &[String],
    site: Option<&CompiledProgram>,
) -> Result<Vec<SwitchRequest>, String> {
    let state = |word: &str| match word {
        "on" => Some(Some(true)),
        "off" => Some(Some(false)),
        "default" => Some(None),
        _ => None,
    };
    let mut requests: Vec<SwitchRequest> = Vec::new();
    let mut words =
        words.iter().map(|word| word.trim_matches([',', ' '])).filter(|w| !w.is_empty());
    while let Some(word) = words.next() {
        if let Some(on) = state(word) {
            requests.push((None, on));
            continue;
        }
        let on = words.next().and_then(state);
        let on =
            on.ok_or_else(|| format!("write `{word} on`, `{word} off` or `{word} default`"))?;
        let categories = || site.iter().flat_map(|site| site.categories.iter());
        let Some(found) = categories().find(|category| same(&category.name, word)) else {
            let names: Vec<&str> = categories().map(|category| category.name.as_str()).collect();
            let hint = match nearest(word, &names) {
                Some(near) => format!("did you mean `{near}`?"),
                None if names.is_empty() => "there are no site rules here".into(),
                None => format!("there are `{}`", names.join("`, `")),
            };
            return Err(format!("there is no category `{word}`: {hint}"));
        };
        if found.mandatory && on == Some(false) {
            return Err(format!("the category `{word}` is mandatory and cannot be switched off"));
        }
        requests.push((Some(found.name.clone()), on));
    }
    Ok(requests)
}

/// A choice for the whole filter applies to all categories; others to their own.
fn apply(requests: &[SwitchRequest], words: &mut SwitchChoices) {
    for (category, on) in requests {
        match (category, on) {
            (None, on) => *words = SwitchChoices { whole: *on, categories: Vec::new() },
            (Some(name), Some(on)) => words.set(name, *on),
            (Some(name), None) => words.categories.retain(|(each, _)| !same(each, name)),
        }
    }
}

fn word(on: bool) -> &'static str {
    if on { "on" } else { "off" }
}

impl RuleSet {
    /// The settings that do not follow the command, with their names.
    fn overruled(&self, requests: &[SwitchRequest]) -> Vec<(String, SwitchSetting)> {
        let mut found: Vec<(String, SwitchSetting)> = Vec::new();
        let categories = self.site.iter().flat_map(|site| site.categories.iter());
        for (category, switched) in categories.zip(&self.switches.categories) {
            let of = requests
                .iter()
                .rev()
                .find(|(name, _)| name.as_deref().is_none_or(|name| same(name, &category.name)));
            let request = of.and_then(|(_, on)| *on);
            if switched.by != Decider::Mandatory && request.is_some_and(|on| on != switched.on) {
                found.push((category.name.clone(), *switched));
            }
        }
        let whole = requests.iter().rev().find(|(name, _)| name.is_none()).and_then(|(_, on)| *on);
        if found.is_empty() && whole.is_some_and(|on| on != self.switches.whole.on) {
            found.push(("the filter".to_owned(), self.switches.whole));
        }
        found
    }

    fn why(&self, switched: SwitchSetting) -> String {
        match switched.by {
            Decider::Mandatory => "mandatory".into(),
            Decider::Rules(word) => {
                let (file, line) = place_of_word(&self.user, word);
                format!("by {}, line {line}, which takes precedence", escape(file))
            }
            Decider::Command => "by `mfilter isp-filter`".into(),
            Decider::Default => "by default".into(),
        }
    }

    /// The setting in the rules for that category, or for the whole filter.
    fn in_rules(&self, category: Option<&str>) -> Option<bool> {
        let words = &self.user.settings.isp_filter;
        let word_for = |category: Option<&str>| {
            let fits = |name: Option<&str>| match (name, category) {
                (Some(name), Some(category)) => same(name, category),
                (None, None) => true,
                _ => false,
            };
            let mut words = words.iter();
            words.find(|word| fits(word.category.as_deref()))
        };
        category
            .and_then(|name| word_for(Some(name)))
            .or_else(|| word_for(None))
            .map(|word| word.on)
    }
}

/// The state of the filter, for people and for a portal.
#[derive(Serialize)]
struct SwitchReport {
    /// The site rules; null if there are none in force.
    site: Option<String>,
    /// What is wrong with the site rules.
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
    /// The default: `isp-filter default`.
    default: bool,
    /// The file in which the command keeps the user's choices.
    file: String,
    /// The state of what is in no category.
    whole: SwitchState,
    /// Marks in no category.
    marks: Vec<String>,
    categories: Vec<CategoryReport>,
}

#[derive(Serialize)]
struct SwitchState {
    on: bool,
    /// Who decided that, in words.
    why: String,
    /// What the user's rules say; null if nothing.
    rules: Option<bool>,
    /// What the user chose with the command; null if nothing.
    command: Option<bool>,
}

#[derive(Serialize)]
struct CategoryReport {
    name: String,
    mandatory: bool,
    #[serde(flatten)]
    state: SwitchState,
    /// What its rules do, in words.
    describe_actions: Vec<String>,
    /// Marks that are removed while it is off.
    marks: Vec<String>,
}

impl SwitchReport {
    fn new(
        rules: &RuleSet,
        words: &SwitchChoices,
        note: Option<String>,
        path: &Path,
        file: &Path,
    ) -> SwitchReport {
        let sources = match note {
            None => load::site::check(path).map(|(sources, ..)| sources).unwrap_or_default(),
            // The text differs from that of the rules in force.
            Some(_) => Sources::default(),
        };
        let site = rules.site.as_deref();
        let state = |switched: SwitchSetting, category: Option<&str>| SwitchState {
            on: switched.on,
            why: rules.why(switched),
            rules: rules.in_rules(category),
            command: category.and_then(|name| words.category(name)).or(words.whole),
        };
        let categories = site.iter().flat_map(|site| site.categories.iter()).enumerate();
        let categories = categories.zip(&rules.switches.categories);
        let labels = || site.iter().flat_map(|site| site.settings.labels.iter());
        let marks_of = |category: Option<u32>| {
            let labels = labels().filter(move |label| label.category == category);
            labels.map(mark)
        };
        SwitchReport {
            site: site.map(|_| path.display().to_string()),
            note,
            default: site.and_then(|site| site.settings.isp_default.as_ref()).is_none_or(|on| *on),
            file: file.display().to_string(),
            whole: state(rules.switches.whole, None),
            marks: marks_of(None).chain(rules.user.settings.labels.iter().map(mark)).collect(),
            categories: categories
                .map(|((index, category), switched)| CategoryReport {
                    name: category.name.clone(),
                    mandatory: category.mandatory,
                    state: state(*switched, Some(&category.name)),
                    describe_actions: site
                        .map(|site| describe_actions(site, index as u32, &sources))
                        .unwrap_or_default(),
                    marks: marks_of(Some(index as u32)).collect(),
                })
                .collect(),
        }
    }

    fn text(&self) -> String {
        let mut out = String::new();
        if let Some(note) = &self.note {
            let _ = writeln!(out, "{}", escape(note));
        }
        match &self.site {
            Some(site) => {
                let default = word(self.default);
                let _ = writeln!(out, "site rules {}, by default {default}\n", escape(site));
            }
            None => out.push_str("there are no site rules\n\n"),
        }
        for category in &self.categories {
            category.text(&mut out, self.default);
        }
        if self.categories.is_empty() || !self.marks.is_empty() {
            let _ = writeln!(out, "all else: {}", self.whole.text(self.default));
            marks(&mut out, &self.marks, self.whole.on);
        }
        out
    }
}

impl SwitchState {
    fn text(&self, default: bool) -> String {
        let says = |who: &str, on: Option<bool>| on.map(|on| format!("{who} {}", word(on)));
        let words = [
            says("rules", self.rules),
            says("command", self.command),
            says("default", Some(default)),
        ];
        let words: Vec<String> = words.into_iter().flatten().collect();
        // The default alone is said already.
        if self.rules.is_none() && self.command.is_none() {
            return format!("{} ({})", word(self.on), self.why);
        }
        format!("{} ({}; {})", word(self.on), self.why, words.join(", "))
    }
}

impl CategoryReport {
    fn text(&self, out: &mut String, default: bool) {
        let state = match self.mandatory {
            true => "on (mandatory)".into(),
            false => self.state.text(default),
        };
        let _ = writeln!(out, "{}: {state}", escape(&self.name));
        for line in &self.describe_actions {
            let _ = writeln!(out, "    {}", escape(line));
        }
        marks(out, &self.marks, self.state.on);
    }
}

fn marks(out: &mut String, marks: &[String], on: bool) {
    if !marks.is_empty() {
        let word = if on { "marks, removed when it is off" } else { "marks removed" };
        let _ = writeln!(out, "    {word}: {}", escape(&marks.join(", ")));
    }
}

fn mark(label: &Label) -> String {
    match label.kind {
        LabelKind::Subject => format!("{:?} in front of the subject", label.text.as_str()),
        LabelKind::Header => format!("header {}", label.text),
    }
}

/// What the rules of a category do, one line per action.
fn describe_actions(site: &CompiledProgram, index: u32, sources: &Sources) -> Vec<String> {
    let all = (0..).map_while(|at| Some((at, site.statement(at)?)));
    let found = all.clone().find_map(|(at, statement)| match &statement.kind {
        StatementKind::Category { category, end } if *category == index => {
            Some((at, *end as usize))
        }
        _ => None,
    });
    let Some((start, end)) = found else { return Vec::new() };
    let mut lines = Vec::new();
    // The enclosing conditions, each with the statement up to which it applies.
    let mut conditions: Vec<(usize, String)> = Vec::new();
    let mut labels: Vec<(usize, String)> = Vec::new();
    for (at, statement) in all.take(end).skip(start + 1) {
        conditions.retain(|(end, _)| *end > at);
        labels.retain(|(end, _)| *end > at);
        match &statement.kind {
            StatementKind::When { condition, end, label } => {
                let end = *end as usize;
                let span = condition
                    .as_ref()
                    .and_then(|index| site.condition(*index))
                    .map(|condition| condition.span);
                let text = match span {
                    Some(span) => {
                        let words: Vec<&str> = sources.text(span).split_whitespace().collect();
                        match words.is_empty() {
                            true => format!("the condition in line {} holds", statement.line),
                            false => words.join(" "),
                        }
                    }
                    None => "nothing before did".into(),
                };
                conditions.push((end, text));
                labels.extend(label.as_ref().map(|label| (end, label.clone())));
            }
            StatementKind::Act(action) => {
                let label = labels.last().map(|(_, label)| format!("{label}: "));
                let mut line = label.unwrap_or_default() + &action.phrase();
                for (number, (_, condition)) in conditions.iter().enumerate() {
                    line += if number == 0 { " when " } else { ", and " };
                    line += condition;
                }
                lines.push(line);
            }
            StatementKind::Category { .. }
            | StatementKind::Script { .. }
            | StatementKind::Leave => {}
        }
    }
    lines
}
