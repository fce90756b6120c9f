//! Rules from files: read, checked, and in force.

pub mod history;
pub mod fingerprints;
mod in_force;
pub mod script;
pub mod site;

use std::io;
use std::path::{Path, PathBuf};

use crate::file::{ANYWHERE, Bounds};
use crate::rules::check::{CheckContext, CheckResult, check as check_rules, no_script};
use crate::rules::compiled::CompiledProgram;
use crate::rules::confined::set_by_site;
use crate::rules::rule_set::RuleSet;
use crate::rules::script::{IncludedScript, ScriptRequest};
use crate::rules::switch::SwitchChoices;
use crate::source::{ReadError, Sources, read_rules};
pub use crate::state::program_cache::Verification;
use crate::state::switch_choices;
use crate::syntax;
use crate::user::User;
pub use fingerprints::FileFingerprints;
pub use in_force::{LoadedRules, Notice, NoticeKind, had_rules, in_force, keep_if_valid, none};
use script::{ReadScript, ScriptRead};

/// `~/.mailrules`
///
/// # Errors
/// The home is not known.
pub fn default_rules(user: &User) -> Result<PathBuf, String> {
    user.home()
        .map(|home| home.join(".mailrules"))
        .ok_or_else(|| "no home directory is known; name the rules with --rules".into())
}

/// The file of rules that was asked for, or the user's.
///
/// # Errors
/// No file was asked for, and the home is not known.
pub fn rules_file(named: Option<&Path>, user: &User) -> Result<PathBuf, String> {
    named.map_or_else(|| default_rules(user), |path| Ok(path.to_owned()))
}

/// Returns the text of a file that is open in an editor, which is used instead of the
/// file.
pub type OpenText<'a> = &'a dyn Fn(&Path) -> Option<String>;

/// Nothing is open.
pub fn nothing_open(_: &Path) -> Option<String> {
    None
}

/// Reads and checks a file of rules with everything it includes. Unlike in a
/// delivery, a script that cannot be used is a mistake here.
///
/// # Errors
/// The file cannot be read.
pub fn check(path: &Path, user: &User) -> Result<(Sources, CheckResult), ReadError> {
    check_open(path, &nothing_open, user)
}

/// The same, but some of the files may be open in an editor.
///
/// # Errors
/// The file cannot be read.
pub fn check_open(
    path: &Path,
    text_of: OpenText<'_>,
    user: &User,
) -> Result<(Sources, CheckResult), ReadError> {
    let bounds = user.bounds();
    let bytes = match text_of(path) {
        Some(text) => text.into_bytes(),
        None => read_rules(bounds_of_main(path, user), path)?,
    };
    let mut script = ScriptRead::within(bounds);
    let give = &mut |request: &ScriptRequest<'_>| script.script(request);
    let load = &mut |path: &Path| match text_of(path) {
        Some(text) => Ok(text.into_bytes()),
        None => read_from_disk(bounds, path),
    };
    let (sources, mut checked) = check_bytes_with(path, &bytes, user, load, give);
    let faults = checked.script.as_ref().map(IncludedScript::diagnostics).unwrap_or_default();
    if !faults.is_empty() {
        checked.program = None;
        checked.diagnostics.extend(faults);
    }
    Ok((sources, checked))
}

/// Reads what rules include.
///
/// # Errors
/// The file cannot be read, or must not be used.
pub fn read_from_disk(bounds: &Bounds, path: &Path) -> io::Result<Vec<u8>> {
    Ok(read_rules(bounds, path)?)
}

/// A confined user's own rules must be below their home; other files are named by the
/// caller of the program.
fn bounds_of_main<'u>(path: &Path, user: &'u User) -> &'u Bounds {
    match default_rules(user) {
        Ok(own) if own == path => user.bounds(),
        _ => &ANYWHERE,
    }
}

/// Checks the bytes of a file of rules; `load` reads what it includes, except a script.
pub fn check_bytes(
    path: &Path,
    bytes: &[u8],
    home: Option<&Path>,
    load: &mut dyn FnMut(&Path) -> io::Result<Vec<u8>>,
) -> (Sources, CheckResult) {
    let user = home.map(User::at).unwrap_or_default();
    check_bytes_with(path, bytes, &user, load, &mut no_script)
}

/// The same, but `script` reads scripts.
fn check_bytes_with(
    path: &Path,
    bytes: &[u8],
    user: &User,
    load: &mut dyn FnMut(&Path) -> io::Result<Vec<u8>>,
    script: ReadScript<'_>,
) -> (Sources, CheckResult) {
    let mut sources = Sources::default();
    let (file, ast, parsed) = syntax::parse_bytes(0, path, bytes);
    sources.add(file);
    let home = user.home_or_nowhere();
    sources.set_home(home);
    let confinement = user.confinement().map(|site| &**site);
    let context = &mut CheckContext { home, load, script, confinement };
    let mut checked = check_rules(&mut sources, 0, ast, parsed, context);
    set_by_site(&mut checked.settings, confinement);
    if let Some(program) = &mut checked.program {
        set_by_site(&mut program.settings, confinement);
    }
    (sources, checked)
}

/// All rules of one user, with those of the site that are switched on. The second value
/// says, for the log, why the user's choices in `mfilter isp-filter` do not count.
///
/// # Errors
/// These choices cannot be known at the moment.
pub fn rule_set(
    rules: CompiledProgram,
    site: Option<CompiledProgram>,
    user: &User,
) -> Result<(RuleSet, Option<String>), String> {
    let (mut choices, mut note) = (SwitchChoices::default(), None);
    if let Some(path) = choices_path_for(&rules, site.is_some(), user) {
        match switch_choices::read(&path) {
            Ok(known) => choices = known,
            Err(error) if error.may_pass() => return Err(switch_choices::not_read(&path, &error)),
            Err(error) => note = Some(switch_choices::not_read(&path, &error)),
        }
    }
    Ok((RuleSet::new(rules, site, &choices), note))
}

/// The file of the user's choices in `mfilter isp-filter`, if they can have an effect.
fn choices_path_for(rules: &CompiledProgram, has_site: bool, user: &User) -> Option<PathBuf> {
    let is_decided = rules.settings.isp_filter.iter().any(|word| word.category.is_none());
    let asks = (has_site || !rules.settings.labels.is_empty()) && !is_decided;
    switch_choices::path(user).filter(|_| asks)
}

/// The same for a rule set.
pub fn choices_path(rules: &RuleSet, user: &User) -> Option<PathBuf> {
    choices_path_for(&rules.user, rules.site.is_some(), user)
}
