//! Which rules are in force: the ones in the file, else the last good ones.
//!
//! A mistake never costs mail. Where the file cannot be used, be it broken,
//! unreadable or writable by others, the last good version goes on working,
//! and without one all mail goes to the inbox. The user is told by one mail
//! per broken version ([`Notice`]).

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::diagnostic::{self, Diagnostic, Severity};
use crate::rules::check::{Checked, Surroundings, check as check_rules};
use crate::rules::program::{Compiled, Program, Settings};
use crate::source::{ReadError, Sources, read_rules};
use crate::state::{StateDir, last_good};
use crate::syntax;

/// The rules of one delivery.
pub struct InForce {
    /// The program.
    pub compiled: Compiled,
    /// What it was made of.
    pub sources: Sources,
    /// What to tell the user; nothing if all is well.
    pub notice: Option<Notice>,
}

/// Why the rules in the file are not the ones in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// The file.
    pub path: PathBuf,
    /// What `mfilter check` says.
    pub text: String,
    /// Whether the last good version goes on working; else all goes to the inbox.
    pub last_good: bool,
    /// What this broken version is known by.
    pub version: String,
}

/// `~/.mailrules`
pub fn default_rules(home: Option<&Path>) -> Result<PathBuf, String> {
    home.map(|home| home.join(".mailrules"))
        .ok_or_else(|| "no home directory is known; name the rules with --rules".into())
}

/// Reads and checks a file of rules with everything it includes.
pub fn check(path: &Path, home: Option<&Path>) -> Result<(Sources, Checked), ReadError> {
    let bytes = read_rules(path)?;
    Ok(check_bytes(path, &bytes, home, &mut read_from_disk))
}

/// Gives what rules include.
pub fn read_from_disk(path: &Path) -> io::Result<Vec<u8>> {
    Ok(read_rules(path)?)
}

/// Checks the bytes of a file of rules; `load` gives what it includes.
pub fn check_bytes(
    path: &Path,
    bytes: &[u8],
    home: Option<&Path>,
    load: &mut dyn FnMut(&Path) -> io::Result<Vec<u8>>,
) -> (Sources, Checked) {
    let mut sources = Sources::default();
    let (file, ast, parsed) = syntax::parse_bytes(0, path, bytes);
    sources.add(file);
    let home = home.unwrap_or(Path::new(""));
    let checked = check_rules(&mut sources, 0, ast, parsed, &mut Surroundings { home, load });
    (sources, checked)
}

/// The rules in force for a delivery. `asked` tells whether the user named
/// the file: then its absence is a mistake, else it means no rules.
pub fn in_force(
    path: &Path,
    asked: bool,
    home: Option<&Path>,
    state: Option<&StateDir>,
) -> InForce {
    let (sources, settings, text) = match check(path, home) {
        Ok((sources, checked)) => match checked.program.as_ref().and_then(Compiled::new) {
            Some(compiled) => {
                if let Some(state) = state {
                    let files: Vec<_> = sources
                        .files()
                        .iter()
                        .map(|file| (file.path.clone(), file.text.as_str()))
                        .collect();
                    // Not being able to remember must not keep this mail waiting.
                    let _ = last_good::remember(state, path, &files);
                }
                return InForce { compiled, sources, notice: None };
            }
            None => {
                let text = errors(&checked.diagnostics, &sources);
                (sources, Settings::default(), text)
            }
        },
        Err(error) if error.is_missing() && !asked => {
            return none();
        }
        Err(error) => {
            let text = format!("{}: {error}\n", path.display());
            (Sources::default(), Settings::default(), text)
        }
    };
    let version = version(&sources, &text);
    let notice = |last_good| Notice {
        path: path.into(),
        text: text.clone(),
        last_good,
        version: version.clone(),
    };
    let known = state.and_then(|state| last_good::read(state, path));
    match known.and_then(|files| from_files(files, home)) {
        Some((sources, compiled)) => InForce { compiled, sources, notice: Some(notice(true)) },
        None => nothing(settings, Some(notice(false))),
    }
}

/// No rules at all.
pub fn none() -> InForce {
    nothing(Settings::default(), None)
}

/// No rules: all to the inbox, where the settings say that it is.
fn nothing(settings: Settings, notice: Option<Notice>) -> InForce {
    let program = Program { settings, ..Program::default() };
    let compiled = Compiled::new(&program).expect("an empty program can be laid out");
    InForce { compiled, sources: Sources::default(), notice }
}

/// The last good rules, from the texts that were kept.
fn from_files(files: Vec<(PathBuf, String)>, home: Option<&Path>) -> Option<(Sources, Compiled)> {
    let (main, text) = files.first()?;
    let mut load = |path: &Path| {
        let kept = files.iter().find(|(known, _)| known == path);
        kept.map(|(_, text)| text.clone().into_bytes()).ok_or(ErrorKind::NotFound.into())
    };
    let (sources, checked) = check_bytes(main, text.as_bytes(), home, &mut load);
    let compiled = Compiled::new(&checked.program?)?;
    Some((sources, compiled))
}

fn errors(diagnostics: &[Diagnostic], sources: &Sources) -> String {
    let errors: Vec<Diagnostic> = diagnostics
        .iter()
        .filter(|diagnostic| diagnostic.severity == Severity::Error)
        .cloned()
        .collect();
    if errors.is_empty() {
        return "the rules are too large\n".into();
    }
    diagnostic::render(&errors, sources, false)
}

/// A broken version is known by its files and by what is wrong with them.
fn version(sources: &Sources, text: &str) -> String {
    let mut hash = Sha256::new();
    for file in sources.files() {
        hash.update(file.text.as_bytes());
        hash.update([0]);
    }
    hash.update(text.as_bytes());
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
