//! The user's switch for the provider's filter: which categories of the site
//! rules run, whose word decides, and which marks are removed.
//!
//! For each category the first existing word counts: that of the user's rules
//! (for the category, then for the whole), that of `mfilter isp-filter` (in the
//! same order), that of the provider (`isp-filter default`). Rules take
//! precedence over the command because the command can report that when it is
//! run, and a file cannot. Mandatory categories are always on.

use super::compiled::CompiledProgram;
use super::program::{LabelKind, Program, Settings};
use crate::message::fold::fold;
use crate::message::unmark::Marks;

/// The choices that the user made by `mfilter isp-filter`, as stored in its file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SwitchChoices {
    /// For the filter as a whole.
    pub whole: Option<bool>,
    /// For categories by name; each once.
    pub categories: Vec<(String, bool)>,
}

impl SwitchChoices {
    /// The word for one category.
    pub fn category(&self, name: &str) -> Option<bool> {
        let found = self.categories.iter().find(|(category_name, _)| same(category_name, name));
        found.map(|(_, on)| *on)
    }

    /// Records a word for one category.
    pub fn set(&mut self, name: &str, on: bool) {
        self.categories.retain(|(category_name, _)| !same(category_name, name));
        self.categories.push((name.to_owned(), on));
    }
}

/// Whether something is on, and whose word decided it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SwitchSetting {
    /// Whether that part of the filter is on.
    pub on: bool,
    /// Whose word it is.
    pub by: Decider,
}

/// Whose word decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decider {
    /// The provider: it cannot be switched off.
    Mandatory,
    /// The user's rules, by the index of the word in their settings.
    Rules(usize),
    /// `mfilter isp-filter`.
    Command,
    /// `isp-filter default`, or nobody: then it is on.
    Default,
}

/// What is switched on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Switches {
    /// The categories of the site rules, in their order.
    pub categories: Vec<SwitchSetting>,
    /// The filter as a whole: everything that is in no category.
    pub whole: SwitchSetting,
}

/// Decides by all words. `site` is `None` if there are no site rules.
pub fn decide(
    site: Option<&CompiledProgram>,
    user: &Settings,
    command: &SwitchChoices,
) -> Switches {
    let default = site.and_then(|site| site.settings.isp_default.as_ref()).is_none_or(|on| *on);
    let default = SwitchSetting { on: default, by: Decider::Default };
    let in_rules = |expected: Option<&str>| {
        let word = user.isp_filter.iter().position(|word| match (&word.category, expected) {
            (Some(name), Some(expected)) => same(name, expected),
            (None, None) => true,
            _ => false,
        })?;
        Some(SwitchSetting { on: user.isp_filter.get(word)?.on, by: Decider::Rules(word) })
    };
    let by_command = |on| SwitchSetting { on, by: Decider::Command };
    let said = in_rules(None).or(command.whole.map(by_command));
    let categories: Vec<SwitchSetting> = site
        .iter()
        .flat_map(|site| site.categories.iter())
        .map(|category| {
            if category.mandatory {
                return SwitchSetting { on: true, by: Decider::Mandatory };
            }
            in_rules(Some(&category.name))
                .or_else(|| in_rules(None))
                .or_else(|| command.category(&category.name).map(by_command))
                .or_else(|| command.whole.map(by_command))
                .unwrap_or(default)
        })
        .collect();
    // Without a word of its own it is on as long as any category is.
    let free = || categories.iter().filter(|category| category.by != Decider::Mandatory);
    let derived = free().find(|category| category.on).or_else(|| free().next());
    let whole = said.or(derived.copied()).unwrap_or(default);
    Switches { categories, whole }
}

/// Where a word of the user's rules is, by its index: file and line.
pub fn place_of_word(user: &Program, word: usize) -> (&str, u32) {
    let word = user.settings.isp_filter.get(word);
    let file = word.and_then(|word| user.files.get(word.span.file as usize));
    let line = word.map_or(0, |word| word.line);
    (file.map_or("the rules", |file| file.as_str()), line)
}

/// The marks of everything that is off, from the site's labels and the user's own.
pub fn marks(site: Option<&CompiledProgram>, user: &Settings, switches: &Switches) -> Marks {
    let mut marks = Marks::default();
    let of_site = site.iter().flat_map(|site| site.settings.labels.iter());
    for label in of_site.chain(user.labels.iter()) {
        let on = match label.category.as_ref() {
            Some(category) => {
                let category = switches.categories.get(*category as usize);
                category.is_none_or(|category| category.on)
            }
            None => switches.whole.on,
        };
        if !on {
            let text = label.text.clone();
            match label.kind {
                LabelKind::Subject => marks.subjects.push(text),
                LabelKind::Header => marks.headers.push(text),
            }
        }
    }
    marks
}

/// Whether two names of categories are the same, in any case and width.
pub fn same(a: &str, b: &str) -> bool {
    a == b || fold(a) == fold(b)
}
