//! Which rules are in force: the ones in the file, or if they cannot be used, the last
//! valid ones.
//!
//! A mistake never costs mail. If the file cannot be used, because it is broken,
//! unreadable or writable by others, the last valid version stays in use; without one, all
//! mail goes to the inbox. The user gets one mail per broken version ([`Notice`]).
//!
//! What the machine cannot read at the moment (EIO, ESTALE, EMFILE) is not a mistake and
//! no reason for a mail: the last valid version stays in use; without one, the message is
//! tried again later.

use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::fingerprints::{FileFingerprints, fingerprint_of};
use super::script::{self, ScriptRules};
use super::{bounds_of_main, check_bytes_with};
use crate::diagnostic::{self, Diagnostic, Severity};
use crate::language::Language;
use crate::rules::check::CheckResult;
use crate::rules::compiled::CompiledProgram;
use crate::rules::confined::set_by_site;
use crate::rules::program::{Program, Settings};
use crate::rules::script::IncludedScript;
use crate::source::{ReadError, SourceFile, Sources, open_rules, read_current, read_rules};
use crate::state::program_cache::{self, ProgramCache, Verification};
use crate::state::{StateDir, history as versions, last_valid};
use crate::text::hex;
use crate::translation::translated;
use crate::user::User;

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

/// A file of rules: its cached program, or its bytes.
pub(super) enum OpenedRules {
    Cached(Box<CompiledProgram>, FileFingerprints),
    Read(Vec<u8>),
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
        let print = file.fingerprint()?;
        let mut fingerprints = FileFingerprints::of(path, Some(print), proof);
        let look = &mut |path: &Path| {
            let print = fingerprint_of(user.bounds(), path)?;
            fingerprints.add(path, print);
            Ok(print)
        };
        match cache.as_ref().and_then(|cache| cache.read(print, proof, look)) {
            Some(program) => Ok(OpenedRules::Cached(Box::new(program), fingerprints)),
            None => Ok(OpenedRules::Read(file.bytes()?)),
        }
    });
    let bytes = match opened {
        Ok(OpenedRules::Cached(program, fingerprints)) => {
            return Ok(LoadedRules {
                fingerprints: fingerprints.all(),
                ..LoadedRules::of(*program)
            });
        }
        Ok(OpenedRules::Read(bytes)) => bytes,
        Err(error) if error.may_pass() => {
            let why = format!("{}: {error}", path.display());
            return last_valid_for_now(path, &why, user, state);
        }
        Err(error) => {
            let last_valid = last_valid_files(path, state);
            if error.is_missing() && !is_named && last_valid.is_none() {
                let fingerprints = FileFingerprints::of(path, None, proof).all();
                return Ok(LoadedRules { fingerprints, ..none() });
            }
            return UnusableRules::not_read(path, &error, last_valid).replaced(path, user, state);
        }
    };
    let (files, decision) = match read_and_check(path, bytes, user, state) {
        Ok(read) => read,
        Err(RulesUnread::Rules(why)) => return last_valid_for_now(path, &why, user, state),
        Err(RulesUnread::Script(why)) => return Err(why),
    };
    let ScriptRules { sources, mut checked, files: of_script, may_be_kept, remark } = decision;
    let Some(compiled) = checked.program.take().map(CompiledProgram::new) else {
        return UnusableRules::mistaken(&sources, checked).replaced(path, user, state);
    };
    let files = [files, of_script].concat();
    // While a script is being saved, we have to notice when it is back. And while the last
    // valid version is an older one, we have to try again.
    let is_last_valid = remember(path, &sources, checked.script.as_ref(), state);
    let may_be_kept = may_be_kept && is_last_valid;
    if let Some(cache) = cache {
        match may_be_kept {
            // A failure to do so must not delay this delivery.
            true => drop(cache.write(&files, &compiled)),
            false => cache.forget(),
        }
    }
    let fingerprints = FileFingerprints::of_files(&files, proof).filter(|_| may_be_kept);
    Ok(LoadedRules { remark, fingerprints, ..LoadedRules::of(compiled) })
}

/// Rules that cannot be used, and what the user is told.
struct UnusableRules {
    kind: NoticeKind,
    /// What is wrong with them.
    text: String,
    version: String,
    /// Their settings, as far as they are known.
    settings: Settings,
}

impl UnusableRules {
    fn mistaken(sources: &Sources, checked: CheckResult) -> UnusableRules {
        let render = |language| errors(&checked.diagnostics, sources, language);
        let text = render(Language::English);
        // The version is the same in every language.
        let version = version(sources, &text);
        let text = match Language::of_locale() {
            Language::English => text,
            language => render(language),
        };
        UnusableRules { kind: NoticeKind::Mistake, text, version, settings: checked.settings }
    }

    fn not_read(
        path: &Path,
        error: &ReadError,
        last_valid: Option<Vec<(PathBuf, String)>>,
    ) -> UnusableRules {
        let is_gone = error.is_absent();
        let text = format!("{}: {error}\n", path.display());
        // Rules that vanish a second time are a different version from the first time.
        let mut sources = Sources::default();
        for (path, text) in last_valid.filter(|_| is_gone).unwrap_or_default() {
            sources.add(SourceFile::new(path, text));
        }
        let version = version(&sources, &text);
        let kind = if is_gone { NoticeKind::Missing } else { NoticeKind::Mistake };
        UnusableRules { kind, text, version, settings: Settings::default() }
    }

    /// The last valid rules in their place, or none, with a notice for the user.
    ///
    /// # Errors
    /// The script that the last valid rules include cannot be read at the moment.
    fn replaced(
        self,
        path: &Path,
        user: &User,
        state: Option<&StateDir>,
    ) -> Result<LoadedRules, String> {
        let UnusableRules { kind, text, version, settings } = self;
        let last_valid = last_valid_rules(path, user, state)?;
        let notice = Notice {
            kind,
            path: path.to_owned(),
            text,
            last_valid: last_valid.is_some(),
            version,
            line: None,
        };
        let in_force = last_valid.unwrap_or_else(|| LoadedRules::of(nothing(settings)));
        Ok(LoadedRules { notice: Some(notice), ..in_force })
    }
}

/// The texts of the last valid rules in a file.
fn last_valid_files(path: &Path, state: Option<&StateDir>) -> Option<Vec<(PathBuf, String)>> {
    state.and_then(|state| last_valid::read(state, path))
}

/// The last valid rules in a file.
///
/// # Errors
/// The script that they include cannot be read at the moment.
fn last_valid_rules(
    path: &Path,
    user: &User,
    state: Option<&StateDir>,
) -> Result<Option<LoadedRules>, String> {
    let files = last_valid_files(path, state);
    Ok(files.map(|files| from_files(files, user, state)).transpose()?.flatten())
}

/// The last valid rules, where the files cannot be read at the moment: `why` begins with
/// the file.
fn last_valid_for_now(
    path: &Path,
    why: &str,
    user: &User,
    state: Option<&StateDir>,
) -> Result<LoadedRules, String> {
    let in_force = last_valid_rules(path, user, state)?;
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
    let all = sources.files();
    // The script has its own last valid version.
    let remembered = match script {
        Some(script) => last_valid::remember(state, path, &texts(script.others(all))),
        None => last_valid::remember(state, path, &texts(all)),
    };
    let _ = versions::remember(state, path, &texts(all));
    remembered.is_ok()
}

/// Keeps the user's rules as the last valid ones if they have no mistake, as a delivery
/// would do now: an edit that breaks them later takes back no more than itself. Only their
/// owner does: what root would write, the owner could not write again.
pub fn keep_if_valid(user: &User) {
    let Ok(path) = super::default_rules(user) else { return };
    let own = rustix::process::geteuid().as_raw();
    if std::fs::metadata(&path).is_ok_and(|metadata| metadata.uid() == own) {
        // The next delivery does it, if this cannot be done.
        let _ = in_force(&path, false, user, Verification::AtOnce);
    }
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

fn texts<'f>(files: impl IntoIterator<Item = &'f SourceFile>) -> Vec<(PathBuf, &'f str)> {
    files.into_iter().map(|file| (file.path.clone(), file.text.as_str())).collect()
}

pub(super) fn errors(diagnostics: &[Diagnostic], sources: &Sources, language: Language) -> String {
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
    hex(&hash.finalize())
}
