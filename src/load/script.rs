//! The script of `include sieve` that is in force: the current one, or else the last valid
//! one.
//!
//! A script is used as a whole or not at all. One that cannot be used, whatever its link
//! leads to, stops nothing else: the last valid one stays in use instead, and the user is
//! notified once ([`UnusedScript`]). A missing or empty script means no script; but since
//! some web mailers remove it for a moment when they save, the last valid one stays in
//! force for a minute.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use sha2::{Digest, Sha256};

use super::{check_bytes_with, read_from_disk};
use crate::diagnostic::Diagnostic;
use crate::file::Bounds;
use crate::import::sieve;
use crate::rules::check::{CheckResult, no_script};
use crate::rules::program::{Layout, Settings, UnusedScript};
use crate::rules::script::{IncludedScript, Script, ScriptFault, ScriptRequest};
use crate::source::{ReadError, Sources, open_script, read_rules, read_script};
use crate::state::program_cache::CachedRuleFile;
use crate::state::{StateDir, last_valid, missing_script};
use crate::text::hex;
use crate::user::User;
use crate::zone::zone;

/// How long a script may be missing while it is saved. SOGo takes 30 ms; on a machine
/// under load, or over a slow line, it takes seconds.
const MISSING_GRACE: Duration = Duration::from_secs(60);
/// How many faults one mail lists.
const MOST_FAULTS: usize = 5;

/// Reads a script for a check.
pub(super) type ReadScript<'a> = &'a mut dyn FnMut(&ScriptRequest<'_>) -> Option<Script>;

/// What was read of a script.
#[derive(Default)]
pub(super) struct ScriptRead {
    /// Where it may be.
    bounds: Bounds,
    /// All files that were asked for, with no bytes for those that do not exist.
    pub(super) files: Vec<CachedRuleFile>,
    /// There is a script.
    is_there: bool,
    /// There is something in the place of the script whose content is not known.
    is_unknown: bool,
    /// Why it cannot be read at the moment.
    unread: Option<String>,
    /// When it was saved.
    saved: Option<SystemTime>,
}

impl ScriptRead {
    /// Nothing has been read so far.
    pub(super) fn within(bounds: &Bounds) -> ScriptRead {
        ScriptRead { bounds: bounds.clone(), ..ScriptRead::default() }
    }

    /// The script as it is now.
    pub(super) fn script(&mut self, request: &ScriptRequest<'_>) -> Option<Script> {
        let bytes = match self.read(request.path) {
            // Nobody saves an empty script: it is about to be written, or there was no
            // room.
            Ok(bytes) if bytes.is_empty() => return None,
            Ok(bytes) => bytes,
            Err(error) if error.is_absent() => return None,
            Err(error) => {
                self.is_there = true;
                return Some(Script::unusable(request.path, error.to_string()));
            }
        };
        self.is_there = true;
        self.saved = std::fs::metadata(request.path).and_then(|metadata| metadata.modified()).ok();
        // Scripts that it includes are in the directory that its link leads to.
        let target = self.bounds.canonical(request.path);
        let target = target.unwrap_or_else(|_| request.path.to_owned());
        let load = &mut |path: &Path| self.read(path).map_err(io::Error::from);
        Some(sieve::include(request, &target, &bytes, load))
    }

    fn read(&mut self, path: &Path) -> Result<Vec<u8>, ReadError> {
        let read = read_script(&self.bounds, path);
        match &read {
            Ok(bytes) => self.files.push((path.to_owned(), Some(bytes.clone()))),
            Err(error) if error.is_absent() => self.files.push((path.to_owned(), None)),
            Err(error) if error.may_pass() => {
                self.unread.get_or_insert(format!("{}: {error}", path.display()));
            }
            Err(_) => self.is_unknown = true,
        }
        read
    }
}

/// A script from texts that were kept; the first of them is the script itself.
pub(super) fn from_texts(
    request: &ScriptRequest<'_>,
    texts: &[(PathBuf, String)],
) -> Option<Script> {
    let (_, text) = texts.iter().find(|(path, _)| path == request.path)?;
    // It is not known where the link led then, but all that it included was in one
    // directory.
    let load = &mut |path: &Path| {
        let same = |known: &PathBuf| known != request.path && known.file_name() == path.file_name();
        let known = texts.iter().find(|(known, _)| same(known));
        known.map(|(_, text)| text.clone().into_bytes()).ok_or(io::ErrorKind::NotFound.into())
    };
    Some(sieve::include(request, request.path, text.as_bytes(), load))
}

/// Checked rules with the script that is in force.
pub(super) struct ScriptRules {
    pub(super) sources: Sources,
    pub(super) checked: CheckResult,
    /// The files that the script was made from.
    pub(super) files: Vec<CachedRuleFile>,
    /// These files always yield this program, so it may be kept.
    pub(super) may_be_kept: bool,
    /// A remark for the log.
    pub(super) remark: Option<String>,
}

/// Checks rules with a script from texts that were kept; none if it can no longer be used.
fn check_known(
    texts: &[(PathBuf, String)],
    check: &mut dyn FnMut(ReadScript<'_>) -> (Sources, CheckResult),
) -> Option<(Sources, CheckResult)> {
    let (sources, checked) = check(&mut |request| from_texts(request, texts));
    let is_usable = checked.script.as_ref().is_some_and(|script| script.faults.is_empty());
    is_usable.then_some((sources, checked))
}

/// Checks rules with `check`: with the current script, or else with the last valid one, or
/// else with none.
///
/// # Errors
/// Why the script cannot be read at the moment, if there is no last valid one.
pub(super) fn decide(
    bounds: &Bounds,
    state: Option<&StateDir>,
    check: &mut dyn FnMut(ReadScript<'_>) -> (Sources, CheckResult),
) -> Result<ScriptRules, String> {
    let mut read = ScriptRead::within(bounds);
    let (sources, checked) = check(&mut |request| read.script(request));
    let files = std::mem::take(&mut read.files);
    let may_be_kept = !read.is_unknown;
    let plain = ScriptRules { sources, checked, files, may_be_kept, remark: None };
    // Rules with a mistake do not come into force at all.
    let Some(script) = plain.checked.script.as_ref().filter(|_| plain.checked.program.is_some())
    else {
        return Ok(plain);
    };
    let path = script.path.clone();
    if read.is_there && script.faults.is_empty() {
        let mut may_be_kept = plain.may_be_kept;
        if let Some(state) = state {
            let texts = texts_of(script, &plain.sources);
            // Until this is done, an older script counts as the last valid one.
            may_be_kept &= last_valid::remember(state, &path, &texts).is_ok();
            missing_script::forget(state, &path);
        }
        return Ok(ScriptRules { may_be_kept, ..plain });
    }
    let known = state.and_then(|state| last_valid::read(state, &path));
    if !read.is_there {
        let Some((state, known)) = state.zip(known) else { return Ok(plain) };
        if is_gone(state, &path, SystemTime::now()) {
            last_valid::forget(state, &path);
            missing_script::forget(state, &path);
            return Ok(plain);
        }
        return Ok(match check_known(&known, check) {
            Some((sources, checked)) => {
                ScriptRules { sources, checked, may_be_kept: false, ..plain }
            }
            None => ScriptRules { may_be_kept: false, ..plain },
        });
    }
    // The current script cannot be used.
    let found = known.as_ref().and_then(|known| check_known(known, check));
    let has_last_valid = found.is_some();
    if let Some(why) = &read.unread {
        let Some((sources, checked)) = found else {
            return Err(format!("the filters cannot be read now: {why}"));
        };
        let remark = format!(
            "the last valid filters are used, because the current ones cannot be read now: {why}"
        );
        let remark = Some(remark);
        return Ok(ScriptRules { sources, checked, may_be_kept: false, remark, ..plain });
    }
    let zone_name = plain.checked.settings.timezone.clone();
    let unused = unused(script, &plain.sources, &read, zone_name.as_deref(), known.as_deref());
    let (sources, mut checked) = found.unwrap_or_else(|| check(&mut no_script));
    if let Some(program) = &mut checked.program {
        program.unused_script = Some(UnusedScript { last_valid: has_last_valid, ..unused });
    }
    Ok(ScriptRules { sources, checked, ..plain })
}

/// The texts of a script and of the scripts that it includes.
fn texts_of<'s>(script: &IncludedScript, sources: &'s Sources) -> Vec<(PathBuf, &'s str)> {
    let files = sources.files().get(script.files.start as usize..script.files.end as usize);
    let files = files.unwrap_or_default().iter();
    files.map(|file| (file.path.clone(), file.text.as_str())).collect()
}

/// Whether a missing script was removed so long ago that it cannot be in the middle of
/// being saved. It cannot have been there after the last change of its directory; if
/// others change that directory all the time, what counts is how long deliveries have
/// seen it missing.
fn is_gone(state: &StateDir, path: &Path, now: SystemTime) -> bool {
    let changed = |path: &Path| {
        let emptied = std::fs::metadata(path).and_then(|metadata| metadata.modified()).ok();
        emptied.max(std::fs::metadata(path.parent()?).ok()?.modified().ok())
    };
    let target = std::fs::read_link(path).ok();
    let target = target.map(|target| path.parent().unwrap_or(Path::new("")).join(target));
    let last = changed(path).max(target.as_deref().and_then(changed));
    let quiet = last.and_then(|last| now.duration_since(last).ok());
    quiet.is_some_and(|quiet| quiet >= MISSING_GRACE)
        || missing_script::missing_for(state, path, now).is_none_or(|seen| seen >= MISSING_GRACE)
}

/// A script that cannot be used.
fn unused(
    script: &IncludedScript,
    sources: &Sources,
    read: &ScriptRead,
    zone_name: Option<&str>,
    known: Option<&[(PathBuf, String)]>,
) -> UnusedScript {
    let first = script.faults.first();
    let first = first.map_or_else(String::new, |fault| {
        let line = fault.span.map(|span| format!(":{}", sources.line(span))).unwrap_or_default();
        let label = fault.label.as_ref().map(|label| format!(" `{label}`")).unwrap_or_default();
        format!("{}{line}{label}: {}", script.path.display(), fault.reason)
    });
    let mut hash = Sha256::new();
    for (_, text) in texts_of(script, sources) {
        hash.update(text.as_bytes());
        hash.update([0]);
    }
    // A script that becomes unusable a second time is a different version from the first
    // time.
    for (_, text) in known.unwrap_or_default() {
        hash.update(text.as_bytes());
    }
    hash.update(first.as_bytes());
    UnusedScript {
        path: script.path.clone(),
        text: notice_text(script, sources, read.saved, zone_name),
        line: format!("filters are not in use: {first}"),
        version: hex(&hash.finalize()),
        last_valid: false,
    }
}

/// What the user is told about such a script. Each line is translated as a whole when the
/// mail is written.
fn notice_text(
    script: &IncludedScript,
    sources: &Sources,
    saved: Option<SystemTime>,
    zone_name: Option<&str>,
) -> String {
    let saved = saved.and_then(|saved| jiff::Timestamp::try_from(saved).ok());
    let saved = saved.map(|saved| saved.to_zoned(zone(zone_name)));
    let mut text = match saved.map(|saved| saved.strftime("%Y-%m-%d %H:%M").to_string()) {
        Some(date) => format!("Your filters saved on {date} are not in use.\n"),
        None => String::from("Your filters are not in use.\n"),
    };
    for fault in script.faults.iter().take(MOST_FAULTS) {
        let who = fault_place(fault, script, sources);
        let sentence = match fault.reason.strip_prefix("it wants to ") {
            Some(wish) => format!("{who} wants to {wish}; this server cannot do that."),
            None => format!("{who} cannot be used on this server: {}.", fault.reason),
        };
        text.push_str(&sentence);
        text.push('\n');
    }
    let more = script.faults.len().saturating_sub(MOST_FAULTS);
    if more > 0 {
        text.push_str(&format!("There is more: {more}.\n"));
    }
    text
}

/// Which filter or command it is, for the user.
fn fault_place(fault: &ScriptFault, script: &IncludedScript, sources: &Sources) -> String {
    let line = fault.span.map(|span| {
        let is_other = span.file != script.files.start;
        (sources.line(span), is_other.then(|| sources.shown(sources.path(span))))
    });
    match (&fault.label, line) {
        (Some(label), Some((line, None))) => format!("The filter '{label}' (line {line})"),
        (Some(label), Some((line, Some(file)))) => {
            format!("The filter '{label}' (line {line} of {file})")
        }
        (Some(label), None) => format!("The filter '{label}'"),
        (None, Some((line, None))) => format!("The command in line {line}"),
        (None, Some((line, Some(file)))) => format!("The command in line {line} of {file}"),
        (None, None) => "Something in them".to_owned(),
    }
}

/// How a user's folders are named in scripts, and where they are.
#[derive(Debug, Clone)]
pub struct Namespace {
    /// The separator between levels.
    pub separator: char,
    /// What names begin with.
    pub prefix: String,
    /// The settings of the user's rules.
    pub settings: Settings,
}

impl Default for Namespace {
    fn default() -> Namespace {
        Namespace { separator: '.', prefix: String::new(), settings: Settings::default() }
    }
}

impl Namespace {
    /// The namespace in a user's rules, as far as they can be read; none without the
    /// statement. No script is read.
    pub fn of_rules(rules: &Path, user: &User) -> Option<Namespace> {
        let bytes = read_rules(user.bounds(), rules).ok()?;
        let mut found = None;
        let mut give = |request: &ScriptRequest<'_>| {
            found = Some((request.separator, request.prefix.to_owned()));
            None
        };
        let load = &mut |path: &Path| read_from_disk(user.bounds(), path);
        let (_, checked) = check_bytes_with(rules, &bytes, user, load, &mut give);
        let (separator, prefix) = found?;
        Some(Namespace { separator, prefix, settings: checked.settings })
    }
}

/// What in a script cannot be done here. The scripts that it includes are in the
/// directory of `beside`; without it there are none.
pub fn check_script(
    path: &Path,
    beside: Option<&Path>,
    bytes: &[u8],
    namespace: &Namespace,
    user: &User,
) -> (Vec<Diagnostic>, Sources) {
    let quoted = crate::syntax::quote(&path.to_string_lossy());
    let layout = match namespace.settings.layout {
        Layout::MaildirPlusPlus => "maildir++",
        Layout::Fs => "fs",
    };
    let timezone = namespace.settings.timezone.as_deref();
    let timezone = timezone.map(|zone| format!("set timezone {}\n", crate::syntax::quote(zone)));
    let timezone = timezone.unwrap_or_default();
    // Rules that contain nothing else, so that the script is judged as in a delivery.
    let rules = format!(
        "set layout {layout}\n{timezone}include sieve {quoted} separator \"{}\" prefix {}\n",
        namespace.separator,
        crate::syntax::quote(&namespace.prefix),
    );
    let mut give = |request: &ScriptRequest<'_>| {
        let load = &mut |path: &Path| -> io::Result<Vec<u8>> {
            match beside {
                Some(_) => Ok(open_script(user.bounds(), path).and_then(|file| file.bytes())?),
                None => Err(io::ErrorKind::NotFound.into()),
            }
        };
        let beside = beside.unwrap_or(path);
        let request = ScriptRequest { path, ..*request };
        Some(sieve::include(&request, beside, bytes, load))
    };
    let load = &mut |path: &Path| read_from_disk(user.bounds(), path);
    let (sources, checked) =
        check_bytes_with(Path::new("rules"), rules.as_bytes(), user, load, &mut give);
    let script = checked.script.as_ref();
    let faults = script.map(IncludedScript::diagnostics).unwrap_or_default();
    (checked.diagnostics.into_iter().chain(faults).collect(), sources)
}
