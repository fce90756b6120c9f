//! The provider's site rules. Those that root has kept (`mfilter check --site --keep`)
//! stay in use whatever is wrong with the file: others than root can write it, it cannot be
//! read, it has a mistake, or it was asked for and is missing. The log says so.
//!
//! If none are kept, a file that others can write or that has a mistake counts as absent,
//! so that it costs no mail. A file that cannot be read at the moment, or that was asked
//! for and does not exist, is soon back: until then the mail waits.
//!
//! Nothing that a user can write is trusted: the kept rules are next to the file and must
//! be root's as well.

use std::io;
use std::path::Path;

use super::FileFingerprints;
use super::in_force::{OpenedRules, errors};
use crate::language::Language;
use crate::rules::check::{CheckContext, CheckResult, check_site, no_script};
use crate::rules::compiled::CompiledProgram;
use crate::source::{Fingerprint, ReadError, Sources, open_site};
use crate::state::program_cache::{self, ProgramCache, Verification};
use crate::syntax;

/// Where a provider puts the site rules.
const SITE_RULES: &str = "/etc/mfilter/site.mailrules";

/// What `~/` stands for while site rules are checked: files that they include cannot be
/// there. Their lists can; each user has their own.
pub const NOBODYS_HOME: &str = "/nonexistent";

/// Which rules are in force instead of those of the file.
const STILL_USED: &str = "still using the last valid version";

/// The site rules of one delivery.
#[derive(Default)]
pub struct LoadedSiteRules {
    /// The rules; none if there are no usable ones.
    pub compiled: Option<CompiledProgram>,
    /// Why they are not those of the file, for the log.
    pub note: Option<String>,
    /// The file cannot be read at the moment, or was asked for and does not exist, and no
    /// rules are kept: mandatory rules would be left out, so the message has to be tried
    /// again.
    pub not_now: bool,
    /// What the files contained, if the rules are those of the files.
    pub fingerprints: Option<FileFingerprints>,
}

/// The file of site rules that was asked for, or the place where a provider puts them.
pub fn path(named: Option<&Path>) -> &Path {
    named.unwrap_or(Path::new(SITE_RULES))
}

/// The site rules in force. If the caller named the file, its absence is a mistake.
pub fn in_force(named: Option<&Path>) -> LoadedSiteRules {
    in_force_by(named, Verification::OnRead)
}

/// The same, with `proof` for callers that keep the rules.
pub fn in_force_by(named: Option<&Path>, proof: Verification) -> LoadedSiteRules {
    let (path, is_named) = (path(named), named.is_some());
    let cached = ProgramCache::beside(path);
    let opened = open_site(path).and_then(|file| {
        let print = file.fingerprint()?;
        let mut fingerprints = FileFingerprints::of(path, Some(print), proof);
        let look = &mut |path: &Path| {
            let print = fingerprint_of(path)?;
            fingerprints.add(path, print);
            Ok(print)
        };
        match cached.read(print, Verification::AtOnce, look) {
            Some(compiled) => Ok(OpenedRules::Cached(Box::new(compiled), fingerprints)),
            None => Ok(OpenedRules::Read(file.bytes()?)),
        }
    });
    let bytes = match opened {
        Ok(OpenedRules::Read(bytes)) => bytes,
        Ok(OpenedRules::Cached(compiled, fingerprints)) => {
            return LoadedSiteRules::of(*compiled, fingerprints.all());
        }
        // Nearly all machines: nothing more is opened.
        Err(error) if error.is_missing() && !is_named => {
            let fingerprints = FileFingerprints::of(path, None, proof).all();
            return LoadedSiteRules { fingerprints, ..LoadedSiteRules::default() };
        }
        Err(error) => return without_file(path, is_named, &error, cached.last()),
    };
    let (sources, checked, files) = check_bytes(path, bytes);
    match checked.program.map(CompiledProgram::new) {
        Some(compiled) => LoadedSiteRules::of(compiled, FileFingerprints::of_files(&files, proof)),
        None => {
            let last_valid = cached.last();
            let what = match last_valid {
                Some(_) => format!("have a mistake; {STILL_USED}"),
                None => String::from("have a mistake and are not used"),
            };
            let text = errors(&checked.diagnostics, &sources, Language::English);
            let first = text.lines().next().unwrap_or_default().to_owned();
            let note = format!("site rules {} {what}: {first}", path.display());
            LoadedSiteRules {
                compiled: last_valid,
                note: Some(note),
                not_now: false,
                fingerprints: None,
            }
        }
    }
}

/// What is in force while the file cannot be used: the rules that were kept, if any.
fn without_file(
    path: &Path,
    is_named: bool,
    error: &ReadError,
    cached: Option<CompiledProgram>,
) -> LoadedSiteRules {
    let is_kept = cached.is_some();
    let not_now = !is_kept && (error.may_pass() || is_named && error.is_absent());
    let what = match error.may_pass() || not_now {
        true => "cannot be read now",
        false => "are not used",
    };
    let still = if is_kept { format!("; {STILL_USED}") } else { String::new() };
    let note = format!("site rules {} {what}: {error}{still}", path.display());
    LoadedSiteRules { compiled: cached, note: Some(note), not_now, fingerprints: None }
}

impl LoadedSiteRules {
    fn of(compiled: CompiledProgram, fingerprints: Option<FileFingerprints>) -> LoadedSiteRules {
        LoadedSiteRules { compiled: Some(compiled), fingerprints, ..LoadedSiteRules::default() }
    }
}

impl FileFingerprints {
    /// Whether the rules are still those of the files, which belong to the site.
    pub fn are_current_of_site(&self) -> bool {
        self.hold(fingerprint_of)
    }
}

/// Reads and checks site rules with everything that they include.
///
/// # Errors
/// The file cannot be read, or must not be used.
pub fn check(
    path: &Path,
) -> Result<(Sources, CheckResult, Vec<program_cache::CachedRuleFile>), ReadError> {
    Ok(check_bytes(path, open_site(path)?.bytes()?))
}

/// The same for bytes that were read already.
pub fn check_bytes(
    path: &Path,
    bytes: Vec<u8>,
) -> (Sources, CheckResult, Vec<program_cache::CachedRuleFile>) {
    let mut files: Vec<program_cache::CachedRuleFile> =
        vec![(path.to_owned(), Some(bytes.clone()))];
    let mut load = |path: &Path| {
        let bytes = read_from_disk(path)?;
        files.push((path.to_owned(), Some(bytes.clone())));
        Ok(bytes)
    };
    let mut sources = Sources::default();
    let (file, ast, parsed) = syntax::parse_bytes(0, path, &bytes);
    sources.add(file);
    let context = &mut CheckContext {
        home: Path::new(NOBODYS_HOME),
        load: &mut load,
        script: &mut no_script,
        confinement: None,
    };
    let checked = check_site(&mut sources, 0, ast, parsed, context);
    (sources, checked, files)
}

/// Keeps checked site rules next to their file, for all users' deliveries.
///
/// # Errors
/// The file cannot be written.
pub fn keep(
    path: &Path,
    files: &[program_cache::CachedRuleFile],
    compiled: &CompiledProgram,
) -> io::Result<()> {
    ProgramCache::beside(path).write(files, compiled)
}

fn read_from_disk(path: &Path) -> io::Result<Vec<u8>> {
    Ok(open_site(path)?.bytes()?)
}

fn fingerprint_of(path: &Path) -> io::Result<Option<Fingerprint>> {
    match open_site(path).and_then(|file| file.fingerprint()) {
        Ok(fingerprint) => Ok(Some(fingerprint)),
        Err(error) if error.is_missing() => Ok(None),
        Err(error) => Err(error.into()),
    }
}
