//! Which rules are in force: the ones in the file, or if they cannot be used, the last
//! good ones.
//!
//! A mistake never costs mail. If the file cannot be used, because it is broken,
//! unreadable or writable by others, the last valid version stays in use; without one, all
//! mail goes to the inbox. The user gets one mail per broken version ([`Notice`]).
//!
//! What the machine cannot read at the moment (EIO, ESTALE, EMFILE) is not a mistake and
//! no reason for a mail: the last valid version stays in use; without one, the message is
//! tried again later.

pub mod history;
pub mod fingerprints;
pub mod script;
pub mod site;

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::diagnostic::{self, Diagnostic, Severity};
use crate::file::{ANYWHERE, Bounds};
use crate::language::Language;
use crate::rules::check::{CheckContext, CheckResult, check as check_rules, no_script};
use crate::rules::compiled::CompiledProgram;
use crate::rules::confined::set_by_site;
use crate::rules::program::{Program, Settings};
use crate::rules::rule_set::RuleSet;
use crate::rules::script::{IncludedScript, ScriptRequest};
use crate::rules::switch::SwitchChoices;
use crate::source::{
    Fingerprint, ReadError, SourceFile, Sources, open_rules, read_current, read_rules,
};
pub use crate::state::program_cache::Verification;
use crate::state::program_cache::{self, ProgramCache};
use crate::state::{StateDir, history as versions, last_valid, switch_choices};
use crate::syntax;
use crate::translation::translated;
use crate::user::User;
pub use fingerprints::FileFingerprints;
use script::{ReadScript, ScriptRead, ScriptRules};

/// The rules of one delivery.
pub struct LoadedRules {
    /// The program.
    pub compiled: CompiledProgram,
    /// The notice for the user; none if everything is fine.
    pub notice: Option<Notice>,
    /// The same for the script that the rules include.
    pub script_notice: Option<Notice>,
    /// A remark for the log: the machine could not read the rules at the moment, which is
    /// not a mistake of the user's.
    pub remark: Option<String>,
    /// What the files contained that the rules were made from; only if the caller asked
    /// for all of it and the rules are those of the files.
    pub fingerprints: Option<FileFingerprints>,
}

/// What is wrong with the file of rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoticeKind {
    /// It has a mistake, or cannot be used.
    Mistake,
    /// It no longer exists.
    Missing,
    /// The script of `include sieve` cannot be used.
    Filters,
}

/// Why the rules in the file are not the ones in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// What is wrong.
    pub kind: NoticeKind,
    /// The file.
    pub path: PathBuf,
    /// The output of `mfilter check`; for filters, the text for the user.
    pub text: String,
    /// Whether the last valid version stays in use; otherwise all mail goes to the inbox.
    pub last_valid: bool,
    /// Identifies this broken version.
    pub version: String,
    /// A line for the log when the user is notified.
    pub line: Option<String>,
}

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

/// A file of rules: its kept program, or its bytes.
enum Rules {
    Cached(Box<CompiledProgram>, FileFingerprints),
    Read(Vec<u8>),
}

/// The fingerprint of a file of rules or a script; none if it does not exist.
fn print_of(bounds: &Bounds, path: &Path) -> io::Result<Option<Fingerprint>> {
    match read_current(|| open_rules(bounds, path)?.print()) {
        Ok(print) => Ok(Some(print)),
        Err(error) if error.is_missing() || matches!(error, ReadError::Dangling(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
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

/// The rules in force. `is_named` says whether the user named the file: then its absence is
/// a mistake. Otherwise its absence means no rules if there never were any; if there were,
/// the last valid ones stay in use.
///
/// # Errors
/// Why they cannot be read at the moment, if there are no last valid ones.
pub fn in_force(
    path: &Path,
    is_named: bool,
    user: &User,
    proof: Verification,
) -> Result<LoadedRules, String> {
    let mut found = find_in_force(path, is_named, user, proof)?;
    // The site's settings may have changed since they were kept.
    set_by_site(found.compiled.settings_mut(), user.confinement().map(|site| &**site));
    Ok(found)
}

fn find_in_force(
    path: &Path,
    is_named: bool,
    user: &User,
    proof: Verification,
) -> Result<LoadedRules, String> {
    let state = StateDir::of(user);
    let state = state.as_ref();
    let cache = ProgramCache::of(path, user);
    let opened = read_current(|| {
        let file = open_rules(bounds_of_main(path, user), path)?;
        let print = file.print()?;
        let mut fingerprints = FileFingerprints::of(path, Some(print), proof).within(user.bounds());
        let look = &mut |path: &Path| {
            let print = print_of(user.bounds(), path)?;
            fingerprints.add(path, print);
            Ok(print)
        };
        match cache.as_ref().and_then(|cache| cache.read(print, proof, look)) {
            Some(program) => Ok(Rules::Cached(Box::new(program), fingerprints)),
            None => Ok(Rules::Read(file.bytes()?)),
        }
    });
    let last_valid = || state.and_then(|state| last_valid::read(state, path));
    let mut kind = NoticeKind::Mistake;
    let (version, settings, text) = match opened {
        Ok(Rules::Cached(program, fingerprints)) => {
            return Ok(LoadedRules {
                fingerprints: fingerprints.all(),
                ..LoadedRules::of(*program)
            });
        }
        Ok(Rules::Read(bytes)) => {
            let (files, decision) = match read_and_check(path, bytes, user, state) {
                Ok(read) => read,
                Err(RulesUnread::Rules(why)) => return last_valid_for_now(path, &why, user, state),
                Err(RulesUnread::Script(why)) => return Err(why),
            };
            let ScriptRules { sources, checked, files: of_script, may_be_kept, remark } = decision;
            let script = checked.script;
            match checked.program.map(CompiledProgram::new) {
                Some(compiled) => {
                    let files = [files, of_script].concat();
                    // While a script is being saved, we have to notice when it is back. And
                    // while the last valid version is an older one, we have to try again.
                    let is_last_valid = remember(path, &sources, script.as_ref(), state);
                    let may_be_kept = may_be_kept && is_last_valid;
                    if let Some(cache) = cache {
                        match may_be_kept {
                            // A failure to do so must not delay this delivery.
                            true => drop(cache.write(&files, &compiled)),
                            false => cache.forget(),
                        }
                    }
                    let fingerprints =
                        FileFingerprints::of_files(&files, proof).filter(|_| may_be_kept);
                    let fingerprints =
                        fingerprints.map(|fingerprints| fingerprints.within(user.bounds()));
                    let in_force = LoadedRules::of(compiled);
                    return Ok(LoadedRules { remark, fingerprints, ..in_force });
                }
                None => {
                    let render = |language| errors(&checked.diagnostics, &sources, language);
                    let text = render(Language::English);
                    // The version is the same in every language.
                    let version = version(&sources, &text);
                    let text = match Language::of_locale() {
                        Language::English => text,
                        language => render(language),
                    };
                    (version, checked.settings, text)
                }
            }
        }
        Err(error) if error.may_pass() => {
            let why = format!("{}: {error}", path.display());
            return last_valid_for_now(path, &why, user, state);
        }
        Err(error) => {
            let is_gone = error.is_missing() || matches!(error, ReadError::Dangling(_));
            if is_gone {
                kind = NoticeKind::Missing;
            }
            if error.is_missing() && !is_named && last_valid().is_none() {
                let fingerprints =
                    FileFingerprints::of(path, None, proof).within(user.bounds()).all();
                return Ok(LoadedRules { fingerprints, ..none() });
            }
            let text = format!("{}: {error}\n", path.display());
            // Rules that vanish a second time are a different version from the first
            // time.
            let mut sources = Sources::default();
            for (path, text) in last_valid().filter(|_| is_gone).unwrap_or_default() {
                sources.add(SourceFile::new(path, text));
            }
            (version(&sources, &text), Settings::default(), text)
        }
    };
    let last_valid =
        last_valid().map(|files| from_files(files, user, state)).transpose()?.flatten();
    let path = path.to_owned();
    let last = last_valid.is_some();
    let notice = Notice { kind, path, text, last_valid: last, version, line: None };
    let in_force = last_valid.unwrap_or_else(|| LoadedRules::of(nothing(settings)));
    Ok(LoadedRules { notice: Some(notice), ..in_force })
}

impl FileFingerprints {
    /// Whether the rules are still those of the files, which belong to a user.
    pub fn are_current(&self) -> bool {
        self.hold(print_of)
    }
}

impl LoadedRules {
    fn of(compiled: CompiledProgram) -> LoadedRules {
        let script_notice = compiled.unused_script.clone().map(|unused| Notice {
            kind: NoticeKind::Filters,
            path: unused.path,
            text: unused.text,
            last_valid: unused.last_valid,
            version: unused.version,
            line: Some(unused.line),
        });
        LoadedRules { compiled, notice: None, script_notice, remark: None, fingerprints: None }
    }
}

/// The last valid rules, where the files cannot be read at the moment: `why` begins with
/// the file.
fn last_valid_for_now(
    path: &Path,
    why: &str,
    user: &User,
    state: Option<&StateDir>,
) -> Result<LoadedRules, String> {
    let known = state.and_then(|state| last_valid::read(state, path));
    let in_force = known.map(|files| from_files(files, user, state)).transpose()?.flatten();
    let in_force = in_force.ok_or_else(|| format!("the rules cannot be read now: {why}"))?;
    let remark = format!(
        "the last valid rules are used, because the current ones cannot be read now: {why}"
    );
    Ok(LoadedRules { remark: Some(remark), ..in_force })
}

/// What cannot be read at the moment, and why.
enum RulesUnread {
    Rules(String),
    Script(String),
}

/// Checks rules and gathers the bytes of all files that they are made from, except the
/// script, which is already settled.
fn read_and_check(
    path: &Path,
    bytes: Vec<u8>,
    user: &User,
    state: Option<&StateDir>,
) -> Result<(Vec<program_cache::CachedRuleFile>, ScriptRules), RulesUnread> {
    let mut files = Vec::new();
    let mut unread = None;
    let decision = script::decide(user.bounds(), state, &mut |give| {
        files = vec![(path.to_owned(), Some(bytes.clone()))];
        let mut load = |path: &Path| {
            let bytes = read_rules(user.bounds(), path).map_err(|error| {
                if error.may_pass() {
                    unread.get_or_insert(format!("{}: {error}", path.display()));
                }
                io::Error::from(error)
            })?;
            files.push((path.to_owned(), Some(bytes.clone())));
            Ok(bytes)
        };
        check_bytes_with(path, &bytes, user, &mut load, give)
    });
    match unread {
        Some(why) => Err(RulesUnread::Rules(why)),
        None => Ok((files, decision.map_err(RulesUnread::Script)?)),
    }
}

/// Keeps good rules as the last valid ones; false if an older version still counts as such.
fn remember(
    path: &Path,
    sources: &Sources,
    script: Option<&IncludedScript>,
    state: Option<&StateDir>,
) -> bool {
    let Some(state) = state else { return true };
    let text = |file: &'_ SourceFile| (file.path.clone(), file.text.clone());
    let all = sources.files();
    // The script has its own last valid version.
    let own: Vec<_> = match script {
        Some(script) => script.others(all).map(text).collect(),
        None => all.iter().map(text).collect(),
    };
    let remembered = last_valid::remember(state, path, &borrowed(&own));
    let texts: Vec<_> = all.iter().map(|file| (file.path.clone(), file.text.as_str())).collect();
    let _ = versions::remember(state, path, &texts);
    remembered.is_ok()
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
    let (mut words, mut note) = (SwitchChoices::default(), None);
    if let Some(path) = choices_path(&rules, site.is_some(), user) {
        match switch_choices::read(&path) {
            Ok(known) => words = known,
            Err(error) if error.may_pass() => return Err(switch_choices::not_read(&path, &error)),
            Err(error) => note = Some(switch_choices::not_read(&path, &error)),
        }
    }
    Ok((RuleSet::new(rules, site, &words), note))
}

/// The file of the user's choices in `mfilter isp-filter`, if they can have an effect.
fn choices_path(rules: &CompiledProgram, has_site: bool, user: &User) -> Option<PathBuf> {
    let is_decided = rules.settings.isp_filter.iter().any(|word| word.category.is_none());
    let asks = (has_site || !rules.settings.labels.is_empty()) && !is_decided;
    switch_choices::path(user).filter(|_| asks)
}

/// The same for a rule set.
pub fn words_path(rules: &RuleSet, user: &User) -> Option<PathBuf> {
    choices_path(&rules.user, rules.site.is_some(), user)
}

/// Whether there were rules in a file, so that its absence is a mistake.
pub fn had_rules(path: &Path, user: &User) -> bool {
    StateDir::of(user).is_some_and(|state| last_valid::read(&state, path).is_some())
}

/// No rules at all.
pub fn none() -> LoadedRules {
    LoadedRules::of(nothing(Settings::default()))
}

/// No rules: all mail goes to the inbox, wherever the settings say it is.
fn nothing(settings: Settings) -> CompiledProgram {
    let program = Program { settings, ..Program::default() };
    CompiledProgram::new(program)
}

/// The last valid rules, from the texts that were kept, with the script that is in
/// force today.
///
/// # Errors
/// The script cannot be read at the moment.
fn from_files(
    files: Vec<(PathBuf, String)>,
    user: &User,
    state: Option<&StateDir>,
) -> Result<Option<LoadedRules>, String> {
    let Some((main, text)) = files.first() else { return Ok(None) };
    let decision = script::decide(user.bounds(), state, &mut |give| {
        let mut load = |path: &Path| {
            let file = files.iter().find(|(known, _)| known == path);
            file.map(|(_, text)| text.clone().into_bytes()).ok_or(ErrorKind::NotFound.into())
        };
        check_bytes_with(main, text.as_bytes(), user, &mut load, give)
    })?;
    let ScriptRules { checked, remark, .. } = decision;
    let compiled = checked.program.map(CompiledProgram::new);
    Ok(compiled.map(|it| LoadedRules { remark, ..LoadedRules::of(it) }))
}

fn borrowed(texts: &[(PathBuf, String)]) -> Vec<(PathBuf, &str)> {
    texts.iter().map(|(path, text)| (path.clone(), text.as_str())).collect()
}

fn errors(diagnostics: &[Diagnostic], sources: &Sources, language: Language) -> String {
    let errors: Vec<Diagnostic> = diagnostics
        .iter()
        .filter(|diagnostic| diagnostic.severity == Severity::Error)
        .cloned()
        .collect();
    if errors.is_empty() {
        return format!("{}\n", translated("the rules are too large", language));
    }
    diagnostic::render_within(&errors, sources, false, None, language)
}

/// A broken version is identified by its files and by what is wrong with them.
fn version(sources: &Sources, text: &str) -> String {
    let mut hash = Sha256::new();
    for file in sources.files() {
        hash.update(file.text.as_bytes());
        hash.update([0]);
    }
    hash.update(text.as_bytes());
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
