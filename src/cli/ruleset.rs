//! Rules as commands try them: unlike in a delivery, broken ones are not
//! replaced by the last good ones but shown; and as they stood, for commands
//! that explain the log.

use std::path::Path;

use super::args::RuleFiles;
use super::output;
use super::site::Filter;
use crate::diagnostic;
use crate::evaluate::first_site_file;
use crate::load;
use crate::load::history::History;
use crate::load::site::SITE_RULES;
use crate::rules::listing::{self, Listed};
use crate::rules::program::CompiledProgram;
use crate::source::{SourceFile, Sources, Span};
use crate::state::StateDir;

/// The user's rules and the site's.
pub(super) struct Ruleset {
    /// The text of all of them, the site's behind the user's.
    pub(super) sources: Sources,
    compiled: CompiledProgram,
    site: Option<CompiledProgram>,
}

impl Ruleset {
    /// Rules that were checked already, with the site's that are to be tried.
    pub(super) fn new(
        mut sources: Sources,
        compiled: CompiledProgram,
        site: Option<&Path>,
    ) -> Result<Ruleset, String> {
        let site = add_site(site, &compiled, &mut sources);
        Ok(Ruleset { sources, compiled, site })
    }

    /// The rules in a file, else the user's, which need not be there. The
    /// inner error shows their mistakes.
    pub(super) fn read(
        file: Option<&Path>,
        site: Option<&Path>,
        home: Option<&Path>,
    ) -> Result<Result<Ruleset, String>, String> {
        let path = load::rules_file(file, home)?;
        let (sources, checked) = match load::check(&path, home) {
            Ok(read) => read,
            Err(error) if error.is_missing() && file.is_none() && !load::were_there(&path) => {
                let none = load::none().compiled;
                return Ruleset::new(Sources::default(), none, site).map(Ok);
            }
            Err(error) => return Err(format!("{}: {error}", path.display())),
        };
        match checked.program.map(CompiledProgram::new) {
            Some(compiled) => Ruleset::new(sources, compiled, site).map(Ok),
            None => Ok(Err(diagnostic::render(&checked.diagnostics, &sources, output::colour()))),
        }
    }

    /// The same, as options say.
    pub(super) fn of(
        files: &RuleFiles,
        home: Option<&Path>,
    ) -> Result<Result<Ruleset, String>, String> {
        Ruleset::read(files.rules.as_deref(), files.site.as_deref(), home)
    }

    /// The rules of today, as options say; where they have a mistake, the last
    /// good ones, and that.
    pub(super) fn today(
        files: &RuleFiles,
        home: Option<&Path>,
        history: Option<&History<'_>>,
    ) -> Result<(Ruleset, Option<&'static str>), String> {
        if let Ok(rules) = Ruleset::of(files, home)? {
            return Ok((rules, None));
        }
        let last = history.and_then(|history| history.read(history.last()?));
        let last = last.ok_or("the rules have a mistake, and no good ones are known")?;
        let note = "the rules have a mistake (`mfilter check` shows it); the last good ones count";
        let rules = Ruleset::new(last.sources, last.compiled, files.site.as_deref())?;
        Ok((rules, Some(note)))
    }

    pub(super) fn program(&self) -> &CompiledProgram {
        &self.compiled
    }

    pub(super) fn filter(&self) -> Filter<'_> {
        Filter::new(self.site.as_ref(), &self.compiled)
    }

    /// Each rule, with the site's if that is asked.
    pub(super) fn rules(&self, with_site: bool) -> Result<Vec<Listed>, String> {
        let program = &self.compiled;
        let mut rules = listing::rules(program);
        let site = self.site.as_ref().filter(|_| with_site);
        for rule in site.map(listing::rules).unwrap_or_default() {
            let file = rule.span.file + first_site_file(program);
            rules.push(Listed { span: Span { file, ..rule.span }, ..rule });
        }
        Ok(rules)
    }
}

/// How the user's rules stood, as options say which.
pub(super) fn history<'s>(
    files: &RuleFiles,
    state: Option<&'s StateDir>,
    home: Option<&'s Path>,
) -> Result<Option<History<'s>>, String> {
    let main = load::rules_file(files.rules.as_deref(), home)?;
    Ok(state.map(|state| History::of(state, &main, home)))
}

/// The site rules to try; like the user's they must have no mistake. What
/// cannot be read is told, and the user's rules are tried alone.
fn add_site(
    asked: Option<&Path>,
    user: &CompiledProgram,
    sources: &mut Sources,
) -> Option<CompiledProgram> {
    let path = asked.unwrap_or(Path::new(SITE_RULES));
    let (site, checked, _) = match load::site::check(path) {
        Ok(read) => read,
        Err(error) if error.is_missing() && asked.is_none() => return None,
        Err(error) => {
            output::error(&format!("site rules {} are not used: {error}", path.display()));
            return None;
        }
    };
    let Some(compiled) = checked.program.map(CompiledProgram::new) else {
        output::error(&format!(
            "site rules {} have a mistake and are not used; `mfilter check --site {}` shows it",
            path.display(),
            path.display()
        ));
        return None;
    };
    while (sources.files().len() as u32) < first_site_file(user) {
        sources.add(SourceFile::new("", ""));
    }
    for file in site.files() {
        sources.add(file.clone());
    }
    Some(compiled)
}
