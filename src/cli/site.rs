//! The site rules and the user's switch, as delivery, `--test` and
//! `isp-filter` find them.

use std::path::{Path, PathBuf};

use crate::evaluate::{Rules, Site};
use crate::load::site::{SITE_RULES, SiteInForce, in_force};
use crate::rules::program::CompiledProgram;
use crate::rules::switch::{Switches, Words, decide};
use crate::state::switch;

/// `--site`, else where a provider puts them.
pub(super) fn path(asked: Option<&Path>) -> PathBuf {
    asked.unwrap_or(Path::new(SITE_RULES)).to_owned()
}

/// The site rules in force.
pub(super) fn load(asked: Option<&Path>) -> SiteInForce {
    in_force(&path(asked), asked.is_some())
}

/// The provider's filter as far as it concerns one user.
pub(super) struct Filter<'a> {
    pub(super) site: Option<&'a CompiledProgram>,
    pub(super) user: &'a CompiledProgram,
    pub(super) switches: Switches,
    /// Why the command's word cannot be known, for the log.
    pub(super) note: Option<String>,
}

impl<'a> Filter<'a> {
    pub(super) fn new(site: Option<&'a CompiledProgram>, user: &'a CompiledProgram) -> Filter<'a> {
        let site = site;
        let settings = &user.settings;
        // The command's word is read only where it can count.
        let said = settings.isp_filter.iter().any(|word| word.category.is_none());
        let asks = (site.is_some() || !settings.labels.is_empty()) && !said;
        let path = if asks { switch::path() } else { None };
        let words = path.map_or(Ok(Words::default()), |path| switch::read(&path));
        let (words, note) = match words {
            Ok(words) => (words, None),
            Err(why) => (Words::default(), Some(why)),
        };
        Filter { note, ..Filter::with(site, user, &words) }
    }

    pub(super) fn with(
        site: Option<&'a CompiledProgram>,
        user: &'a CompiledProgram,
        words: &Words,
    ) -> Filter<'a> {
        Filter { site, user, switches: decide(site, &user.settings, words), note: None }
    }

    /// All rules, to be run over a message.
    pub(super) fn rules(&self) -> Rules<'_> {
        let (switches, user) = (&self.switches, self.user);
        let site = self.site.map(|program| Site { program, switches, user });
        Rules { site, switches, user }
    }

    /// Whether a rule could ask for duplicates.
    pub(super) fn asks_for_duplicates(&self) -> bool {
        let site = self.site.is_some_and(|site| site.asks_for_duplicates);
        site || self.user.asks_for_duplicates
    }

    /// The files of all rules, by the numbers in plan and trace.
    pub(super) fn files(&self) -> Vec<&'a str> {
        let mut files: Vec<&str> = self.user.files.iter().map(|file| file.as_str()).collect();
        if files.is_empty() {
            files.push("");
        }
        let of_site = self.site.iter().flat_map(|site| site.files.iter());
        files.extend(of_site.map(|file| file.as_str()));
        files
    }
}
