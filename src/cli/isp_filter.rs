//! `mfilter isp-filter`: what the provider's filter does, which parts are on and who
//! decided that; and changing the user's choices without an editor. It acts only for the
//! user who runs it.

use std::borrow::Cow;
use std::fmt::Write;
use std::path::Path;

use serde::{Serialize, Serializer};

use super::args::RuleOptions;
use super::for_user::ForUser;
use super::{CommandOutcome, output};
use crate::load;
use crate::rules::compiled::CompiledProgram;
use crate::rules::program::{Label, LabelKind, StatementKind};
use crate::rules::rule_set::RuleSet;
use crate::rules::switch::{Decider, SwitchChoices, SwitchSetting, place_of_word, same};
use crate::source::{Sources, reason};
use crate::spelling::nearest;
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
            let (on, why) = (word(switched.on), rules.why(switched));
            output::error(&match name {
                Some(name) => format!("`{name}` stays {on} {why}, which takes precedence"),
                None => format!("the filter stays {on} {why}, which takes precedence"),
            });
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

/// One choice on the command line.
struct SwitchRequest {
    /// A category; `None` for the filter as a whole.
    category: Option<String>,
    /// Its new state; `None` for the default.
    on: Option<bool>,
}

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
            requests.push(SwitchRequest { category: None, on });
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
        requests.push(SwitchRequest { category: Some(found.name.clone()), on });
    }
    Ok(requests)
}

/// A choice for the whole filter applies to all categories; others to their own.
fn apply(requests: &[SwitchRequest], words: &mut SwitchChoices) {
    for SwitchRequest { category, on } in requests {
        match (category, on) {
            (None, on) => *words = SwitchChoices { whole: *on, categories: Vec::new() },
            (Some(name), Some(on)) => words.set(name, *on),
            (Some(name), None) => words.categories.retain(|(category, _)| !same(category, name)),
        }
    }
}

fn word(on: bool) -> &'static str {
    if on { "on" } else { "off" }
}

impl RuleSet {
    /// The settings that do not follow the command, each with its category, if it has one.
    fn overruled(&self, requests: &[SwitchRequest]) -> Vec<(Option<String>, SwitchSetting)> {
        let mut found = Vec::new();
        let categories = self.site.iter().flat_map(|site| site.categories.iter());
        for (category, switched) in categories.zip(&self.switches.categories) {
            let concerns = |request: &&SwitchRequest| {
                request.category.as_deref().is_none_or(|name| same(name, &category.name))
            };
            let request = requests.iter().rev().find(concerns).and_then(|request| request.on);
            if switched.by != Decider::Mandatory && request.is_some_and(|on| on != switched.on) {
                found.push((Some(category.name.clone()), *switched));
            }
        }
        let whole = requests.iter().rev().find(|request| request.category.is_none());
        let whole = whole.and_then(|request| request.on);
        if found.is_empty() && whole.is_some_and(|on| on != self.switches.whole.on) {
            found.push((None, self.switches.whole));
        }
        found
    }

    fn why(&self, switched: SwitchSetting) -> String {
        match switched.by {
            Decider::Mandatory => "mandatory".into(),
            Decider::Rules(word) => {
                let (file, line) = place_of_word(&self.user, word);
                format!("by {}, line {line}", escape(file))
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
    describe_actions: Vec<DescribedAction>,
    /// Marks that are removed while it is off.
    marks: Vec<String>,
}

/// What one action of a category does.
struct DescribedAction {
    /// The label of its rule.
    label: Option<String>,
    /// The action, in words.
    action: String,
    /// What has to hold.
    conditions: Vec<RequiredCondition>,
}

#[derive(Clone)]
enum RequiredCondition {
    /// As it is written.
    Written(String),
    InWords(String),
}

impl Serialize for DescribedAction {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.line(|text| text.into()))
    }
}

impl DescribedAction {
    /// The line, of texts in some language.
    fn line(&self, say: impl Fn(&str) -> Cow<'_, str>) -> String {
        let label = self.label.as_ref().map(|label| format!("{label}: "));
        let conditions: Vec<Cow<'_, str>> = self
            .conditions
            .iter()
            .map(|condition| match condition {
                RequiredCondition::Written(text) => text.into(),
                RequiredCondition::InWords(text) => say(text),
            })
            .collect();
        let action = say(&self.action);
        let action = match conditions.is_empty() {
            true => action.into_owned(),
            false => say("{action} when {conditions}")
                .replace("{action}", &action)
                .replace("{conditions}", &conditions.join(&*say(", and "))),
        };
        label.unwrap_or_default() + &action
    }
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
            let _ = writeln!(out, "{}", escape(&output::localized(note)));
        }
        let site = match &self.site {
            Some(site) => format!("site rules {site}, by default {}", word(self.default)),
            None => "there are no site rules".into(),
        };
        let _ = writeln!(out, "{}\n", escape(&output::say(&site)));
        for category in &self.categories {
            category.text(&mut out, self.default);
        }
        if self.categories.is_empty() || !self.marks.is_empty() {
            let whole = self.whole.text(self.default);
            let what = match self.categories.is_empty() {
                true => "everything",
                false => "everything else",
            };
            let _ = writeln!(out, "{}: {whole}", output::say(what));
            marks(&mut out, &self.marks, self.whole.on);
        }
        out
    }
}

impl SwitchState {
    fn text(&self, default: bool) -> String {
        // What says otherwise.
        let command = self.command.filter(|on| *on != self.on);
        let default = Some(default).filter(|on| *on != self.on);
        let why = [
            Some(self.why.clone()),
            command.map(|on| format!("command {}", word(on))),
            default.map(|on| format!("by default {}", word(on))),
        ];
        let why: Vec<String> =
            why.into_iter().flatten().map(|why| output::say(&why).into_owned()).collect();
        format!("{} ({})", word(self.on), output::with_tilde(&why.join("; ")))
    }
}

impl CategoryReport {
    fn text(&self, out: &mut String, default: bool) {
        let state = match self.mandatory {
            true => format!("{} ({})", word(true), output::say("mandatory")),
            false => self.state.text(default),
        };
        let _ = writeln!(out, "{}: {state}", escape(&self.name));
        for line in &self.describe_actions {
            let line = line.line(|text| output::say(text).into_owned().into());
            let _ = writeln!(out, "    {}", escape(&line));
        }
        marks(out, &self.marks, self.state.on);
    }
}

fn marks(out: &mut String, marks: &[String], on: bool) {
    if !marks.is_empty() {
        let heading = match on {
            true => output::say("marks, removed while it is off"),
            false => output::say("marks that are removed"),
        };
        let marks: Vec<_> = marks.iter().map(|mark| output::say(mark)).collect();
        let _ = writeln!(out, "    {heading}: {}", escape(&marks.join(", ")));
    }
}

fn mark(label: &Label) -> String {
    match label.kind {
        LabelKind::Subject => format!("{:?} in front of the subject", label.text.as_str()),
        LabelKind::Header => format!("the header {}", label.text),
    }
}

/// The condition of a rule, or of `otherwise`, by its text in the rules; that of a file
/// which cannot be read is empty.
fn required_condition(text: Option<&str>, line: u32) -> RequiredCondition {
    let Some(text) = text else {
        return RequiredCondition::InWords("no rule before it did".into());
    };
    let words: Vec<&str> = text.split_whitespace().collect();
    match words.is_empty() {
        true => RequiredCondition::InWords(format!("the condition in line {line} holds")),
        false => RequiredCondition::Written(words.join(" ")),
    }
}

/// What the rules of a category do, one line per action.
fn describe_actions(site: &CompiledProgram, index: u32, sources: &Sources) -> Vec<DescribedAction> {
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
    let mut conditions: Vec<(usize, RequiredCondition)> = Vec::new();
    let mut labels: Vec<(usize, String)> = Vec::new();
    for (at, statement) in all.take(end).skip(start + 1) {
        conditions.retain(|(end, _)| *end > at);
        labels.retain(|(end, _)| *end > at);
        match &statement.kind {
            StatementKind::When { condition, end, label } => {
                let end = *end as usize;
                let condition = condition.and_then(|index| site.condition(index));
                let text = condition.map(|condition| sources.text(condition.span));
                conditions.push((end, required_condition(text, statement.line)));
                labels.extend(label.as_ref().map(|label| (end, label.clone())));
            }
            StatementKind::Act(action) => {
                let label = labels.last().map(|(_, label)| label.clone());
                let conditions =
                    conditions.iter().map(|(_, condition)| condition.clone()).collect();
                lines.push(DescribedAction { label, action: action.phrase(), conditions });
            }
            StatementKind::Category { .. }
            | StatementKind::Script { .. }
            | StatementKind::Leave => {}
        }
    }
    lines
}
