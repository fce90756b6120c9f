//! Rules as commands use them: unlike in a delivery, broken rules are not replaced by the
//! last valid ones but their mistakes are shown; and earlier rules, for commands that
//! explain the log.

use std::path::Path;

use super::args::RuleOptions;
use super::{CommandError, output};
use crate::import::kind;
use crate::load;
use crate::load::history::History;
use crate::rules::check::CheckResult;
use crate::rules::compiled::CompiledProgram;
use crate::rules::listing::{self, RuleEntry};
use crate::rules::rule_set::RuleSet;
use crate::source::{SourceFile, Sources, Span};
use crate::state::StateDir;
use crate::user::User;

/// The user's rules and the site's, with their text.
pub(super) struct CurrentRules {
    /// The text of all of them, the site's after the user's.
    pub(super) sources: Sources,
    /// The rules.
    pub(super) rules: RuleSet,
}

impl CurrentRules {
    /// Rules that were checked already, together with the site rules to be tried.
    ///
    /// # Errors
    /// The user's choices in `mfilter isp-filter` cannot be known at the moment.
    pub(super) fn new(
        mut sources: Sources,
        program: CompiledProgram,
        site: Option<&Path>,
        user: &User,
    ) -> Result<CurrentRules, String> {
        let site = read_site(site);
        let (site, texts) =
            site.map_or((None, None), |(program, sources)| (Some(program), Some(sources)));
        let (rules, note) = load::rule_set(program, site, user)?;
        note.iter().for_each(|note| output::error(note));
        if let Some(texts) = texts {
            while (sources.files().len() as u32) < rules.first_site_file() {
                sources.add(SourceFile::new("", ""));
            }
            for file in texts.files() {
                sources.add(file.clone());
            }
        }
        Ok(CurrentRules { sources, rules })
    }

    /// Whether any file has another text than in those.
    pub(super) fn has_other_text_than(&self, others: &CurrentRules) -> bool {
        let texts = [self, others].map(|rules| rules.sources.files().iter().map(|file| &file.text));
        let [these, those] = texts;
        !these.eq(those)
    }

    /// The rules in a file, or the user's, which need not exist.
    ///
    /// # Errors
    /// They have mistakes, or cannot be read.
    pub(super) fn read(
        file: Option<&Path>,
        site: Option<&Path>,
        user: &User,
    ) -> Result<CurrentRules, CommandError> {
        let path = load::rules_file(file, user)?;
        let (sources, checked) = match load::check(&path, user) {
            Ok(read) => read,
            Err(error) if error.is_missing() && file.is_none() && !load::had_rules(&path, user) => {
                let none = load::none().compiled;
                return Ok(CurrentRules::new(Sources::default(), none, site, user)?);
            }
            Err(error) => return Err(format!("{}: {error}", path.display()).into()),
        };
        if checked.program.is_none()
            && let Some(why) = mail_in_place_of_rules(&sources)
        {
            return Err(why.into());
        }
        let (sources, program) = without_mistake(sources, checked)?;
        Ok(CurrentRules::new(sources, program, site, user)?)
    }

    /// The same, according to options.
    pub(super) fn of(files: &RuleOptions, user: &User) -> Result<CurrentRules, CommandError> {
        CurrentRules::read(files.rules.as_deref(), files.site.as_deref(), user)
    }

    /// The current rules, according to options; if they have a mistake, the last valid
    /// ones, and the mistake.
    pub(super) fn today(
        files: &RuleOptions,
        user: &User,
        history: Option<&History<'_>>,
    ) -> Result<(CurrentRules, Option<&'static str>), String> {
        match CurrentRules::of(files, user) {
            Ok(rules) => return Ok((rules, None)),
            Err(CommandError::Failed(why)) => return Err(why),
            Err(CommandError::Mistakes(_)) => {}
        }
        let last = history.and_then(|history| history.read(history.last()?));
        let last = last.ok_or("the rules have a mistake, and no good ones are known")?;
        let note =
            "the rules have a mistake (`mfilter check` shows it); the last valid ones are used";
        let site = files.site.as_deref();
        let rules = CurrentRules::new(last.sources, last.compiled, site, user)?;
        Ok((rules, Some(note)))
    }

    /// Each rule, with those of the site if that is asked for.
    pub(super) fn listed(&self, with_site: bool) -> Vec<RuleEntry> {
        let mut rules = listing::rules(&self.rules.user);
        let site = self.rules.site.as_deref().filter(|_| with_site);
        for rule in site.map(listing::rules).unwrap_or_default() {
            let file = rule.span.file + self.rules.first_site_file();
            rules.push(RuleEntry { span: Span { file, ..rule.span }, ..rule });
        }
        rules
    }
}

/// The user's rules alone, which must exist.
///
/// # Errors
/// They have mistakes, or cannot be read.
pub(super) fn checked(
    path: Option<&Path>,
    user: &User,
) -> Result<(Sources, CompiledProgram), CommandError> {
    let path = load::rules_file(path, user)?;
    let (sources, checked) =
        load::check(&path, user).map_err(|error| format!("{}: {error}", path.display()))?;
    without_mistake(sources, checked)
}

/// What is said of a file that is mail and not rules; only one with mistakes can be.
pub(super) fn mail_in_place_of_rules(sources: &Sources) -> Option<String> {
    let file = sources.files().first()?;
    let (shown, other) = (file.path.display(), kind::mail(file.text.as_bytes())?);
    Some(format!("{shown}: this is {other}"))
}

fn without_mistake(
    sources: Sources,
    checked: CheckResult,
) -> Result<(Sources, CompiledProgram), CommandError> {
    match checked.program.map(CompiledProgram::new) {
        Some(program) => Ok((sources, program)),
        None => Err(CommandError::Mistakes(output::render(&checked.diagnostics, &sources))),
    }
}

/// The history of the user's rules; options say which rules.
pub(super) fn history<'s>(
    files: &RuleOptions,
    state: Option<&'s StateDir>,
    user: &'s User,
) -> Result<Option<History<'s>>, String> {
    let main = load::rules_file(files.rules.as_deref(), user)?;
    Ok(state.map(|state| History::of(state, &main, user)))
}

/// The site rules to try; like the user's they must not have a mistake. If they cannot be
/// read, that is reported, and only the user's rules are tried.
fn read_site(path_given: Option<&Path>) -> Option<(CompiledProgram, Sources)> {
    let path = load::site::path(path_given);
    let (sources, checked, _) = match load::site::check(path) {
        Ok(read) => read,
        Err(error) if error.is_missing() && path_given.is_none() => return None,
        Err(error) => {
            output::error(&format!("site rules {} are not used: {error}", path.display()));
            return None;
        }
    };
    let Some(program) = checked.program.map(CompiledProgram::new) else {
        output::error(&format!(
            "site rules {} have a mistake and are not used; `mfilter check --site {}` shows it",
            path.display(),
            path.display()
        ));
        return None;
    };
    Some((program, sources))
}
