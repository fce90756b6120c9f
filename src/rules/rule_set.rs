//! All rules that a message goes through, and which of the provider's are switched on.

use std::sync::Arc;

use super::compiled::CompiledProgram;
use super::switch::{self, Decider, SwitchChoices, Switches, decide, place_of_word};
use crate::message::unmark::Marks;

/// Loads the user's rules again, from their files.
pub type Reload = Box<dyn Fn() -> Option<CompiledProgram> + Send + Sync>;

/// The site's rules, which a message goes through first, and the user's.
pub struct RuleSet {
    /// The user's own.
    pub user: CompiledProgram,
    /// The provider's, if there are any; the same for all users.
    pub site: Option<Arc<CompiledProgram>>,
    /// Which of the provider's rules are on.
    pub switches: Switches,
    /// For cached rules whose integrity is checked only while they are used:
    /// loads replacements if they turn out to be damaged.
    pub reload: Option<Reload>,
}

impl RuleSet {
    /// `words` contains the user's choices on the command line of `mfilter isp-filter`.
    pub fn new(
        user: CompiledProgram,
        site: Option<CompiledProgram>,
        words: &SwitchChoices,
    ) -> RuleSet {
        let switches = decide(site.as_ref(), &user.settings, words);
        RuleSet { user, site: site.map(Arc::new), switches, reload: None }
    }

    /// Rules of a user without a provider.
    pub fn alone(user: CompiledProgram) -> RuleSet {
        RuleSet::new(user, None, &SwitchChoices::default())
    }

    /// Applies other choices of the user's.
    pub fn switch(&mut self, words: &SwitchChoices) {
        self.switches = decide(self.site.as_deref(), &self.user.settings, words);
    }

    fn programs(&self) -> impl Iterator<Item = &CompiledProgram> {
        self.site.as_deref().into_iter().chain([&self.user])
    }

    /// Whether a rule could ask for duplicates.
    pub fn asks_for_duplicates(&self) -> bool {
        self.programs().any(|program| program.asks_for_duplicates)
    }

    /// Whether a rule could ask which folders there are.
    pub fn asks_for_folders(&self) -> bool {
        self.programs().any(|program| program.asks_for_folders)
    }

    /// The files of all rules, by the numbers in the spans of plan and trace: the
    /// site's come after the user's.
    pub fn files(&self) -> Vec<&str> {
        let mut files: Vec<&str> = self.user.files.iter().map(String::as_str).collect();
        if files.is_empty() {
            files.push("");
        }
        let of_site = self.site.iter().flat_map(|site| site.files.iter());
        files.extend(of_site.map(String::as_str));
        files
    }

    /// The number of the first file of the site rules, see [`RuleSet::files`].
    pub fn first_site_file(&self) -> u32 {
        self.user.files.len().max(1) as u32
    }

    /// Whether at least one category of the site rules runs.
    pub fn has_site_in_force(&self) -> bool {
        self.site.is_some() && self.switches.categories.iter().any(|category| category.on)
    }

    /// Why a category does not run, by its index; `None` if it does.
    pub fn why_off(&self, category: u32) -> Option<String> {
        let switched = self.switches.categories.get(category as usize)?;
        if switched.on {
            return None;
        }
        Some(match switched.by {
            Decider::Rules(word) => {
                let (file, line) = place_of_word(&self.user, word);
                format!("switched off in {file}, line {line}")
            }
            Decider::Command => "switched off by `mfilter isp-filter`".into(),
            Decider::Default | Decider::Mandatory => "off unless it is switched on".into(),
        })
    }

    /// The marks of everything that is off.
    pub fn marks(&self) -> Marks {
        switch::marks(self.site.as_deref(), &self.user.settings, &self.switches)
    }
}
