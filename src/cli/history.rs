//! `mfilter history`: the versions of the rules that were in force are listed, shown,
//! compared with the current files, and restored.

use std::ffi::OsString;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Subcommand;
use jiff::Timestamp;
use similar::{ChangeTag, TextDiff};

use super::for_user::ForUser;
use super::output::say;
use super::{CommandOutcome, output};
use crate::file::{self, Bounds, READ_OWN, Rewrite};
use crate::load;
use crate::source::{read_text, reason};
use crate::state::StateDir;
use crate::state::history::{self, Version};
use crate::text::{counted, escape};
use crate::zone::zone;

const NO_VERSION: &str = "no version of the rules is known yet: deliveries record them";

/// What is said if the files are not those of the newest version.
const EDITED: &str = "edited since; the edit comes into force once a message or `mfilter check` finds no mistake in it";

/// How long two versions are compared.
const COMPARISON_TIMEOUT: Duration = Duration::from_secs(1);

/// `mfilter history`
#[derive(clap::Args, Debug)]
#[command(args_conflicts_with_subcommands = true, disable_help_subcommand = true)]
pub(super) struct HistoryArgs {
    #[command(subcommand)]
    pub(super) action: Option<HistoryAction>,

    /// The rules [default: ~/.mailrules]
    #[arg(long, value_name = "FILE", global = true)]
    pub(super) rules: Option<PathBuf>,

    /// For this user of `mfilter lmtp`, by its settings
    #[arg(long, value_name = "ADDRESS", global = true)]
    user: Option<String>,

    /// The settings of `mfilter lmtp` [default: /etc/mfilter/lmtp.conf]
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,

    /// What root has found out about the user: name and home
    #[arg(long, value_names = ["NAME", "HOME"], num_args = 2, hide = true, global = true)]
    account: Option<Vec<OsString>>,
}

impl HistoryArgs {
    /// The user whose rules they are.
    pub(super) fn for_user(&self) -> ForUser {
        let (user, config) = (self.user.clone(), self.config.clone());
        ForUser { user, config, account: self.account.clone() }
    }
}

/// What to do with a version; they are numbered from the newest, 1, back.
#[derive(Subcommand, Debug)]
pub(super) enum HistoryAction {
    /// Print the files of a version
    Show {
        /// Its number, as `mfilter history` lists it
        number: usize,
    },
    /// Show the changes since a version
    Diff {
        /// Its number, as `mfilter history` lists it
        number: usize,
    },
    /// Restore a version; what it replaces is kept as FILE.bak
    Restore {
        /// Its number, as `mfilter history` lists it
        number: usize,
    },
}

/// The files of a version, the main one first.
type VersionFiles = Vec<(PathBuf, String)>;

pub(super) fn run(call: &HistoryArgs) -> Result<CommandOutcome, String> {
    let user = call.for_user().user()?;
    let main = load::rules_file(call.rules.as_deref(), &user)?;
    let main = std::path::absolute(&main).unwrap_or(main);
    let state = super::state_of(&user)?;
    let mut versions = history::versions(&state, &main);
    versions.reverse();
    let bounds = user.bounds();
    let files = |number: usize| files(&state, &versions, number);
    match &call.action {
        None => list(&state, &main, &versions, bounds),
        Some(HistoryAction::Show { number }) => show(&files(*number)?),
        Some(HistoryAction::Diff { number }) => diff(&files(*number)?, bounds),
        Some(HistoryAction::Restore { number }) => restore(&files(*number)?, bounds),
    }
}

/// The files of the version with this number; the newest is 1.
fn files(state: &StateDir, versions: &[Version], number: usize) -> Result<VersionFiles, String> {
    let version = number.checked_sub(1).and_then(|at| versions.get(at)).ok_or_else(|| {
        match versions.len() {
            0 => NO_VERSION.to_owned(),
            known => format!("there is no version {number}; they are 1, the newest, to {known}"),
        }
    })?;
    history::read(state, version).ok_or_else(|| format!("the file of version {number} is damaged"))
}

fn list(
    state: &StateDir,
    main: &Path,
    versions: &[Version],
    bounds: &Bounds,
) -> Result<CommandOutcome, String> {
    if versions.is_empty() {
        output::error(NO_VERSION);
    }
    let zone = zone(None);
    let (mut text, mut is_current) = (String::new(), false);
    for (at, version) in versions.iter().enumerate() {
        let since = Timestamp::from_millisecond(version.since).unwrap_or_default();
        let since = since.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M:%S");
        let files = history::read(state, version);
        let older = versions.get(at + 1).and_then(|older| history::read(state, older));
        let what = match (&files, &older) {
            (None, _) => say("damaged").into_owned(),
            (Some(files), None) => say(&counted(lines(files), "line")).into_owned(),
            (Some(files), Some(older)) => changes(older, files),
        };
        let is_now = files.as_ref().is_some_and(|files| at == 0 && as_on_disk(files, bounds));
        is_current |= is_now;
        let mark = if is_now { format!("  {}", say("in force")) } else { String::new() };
        text.push_str(&format!("{:>4}  {since}  {what}{mark}\n", at + 1));
    }
    if !versions.is_empty() {
        text.insert_str(0, &format!("{}\n", shown(main)));
        if !is_current {
            text.push_str(&format!("{}\n", say(EDITED)));
        }
    }
    output::report(&text);
    Ok(CommandOutcome::Fine)
}

/// A file's path for people.
fn shown(path: &Path) -> String {
    escape(&output::with_tilde(&path.display().to_string()))
}

fn lines(files: &VersionFiles) -> usize {
    files.iter().map(|(_, text)| text.lines().count()).sum()
}

/// Whether the files on disk have exactly this content.
fn as_on_disk(files: &VersionFiles, bounds: &Bounds) -> bool {
    files.iter().all(|(path, text)| current(path, bounds).as_deref() == Ok(text))
}

/// The current content of a file; empty if there is none.
fn current(path: &Path, bounds: &Bounds) -> Result<String, String> {
    match read_text(bounds, path) {
        Ok(text) => Ok(text),
        Err(error) if error.is_missing() => Ok(String::new()),
        Err(error) => Err(format!("{}: {error}", path.display())),
    }
}

/// How many lines were added and removed from one version to the next.
fn changes(older: &VersionFiles, newer: &VersionFiles) -> String {
    let (mut added, mut removed) = (0, 0);
    for (path, text) in newer {
        let before = text_of(older, path);
        for change in compared(before, text).iter_all_changes() {
            match change.tag() {
                ChangeTag::Insert => added += 1,
                ChangeTag::Delete => removed += 1,
                ChangeTag::Equal => {}
            }
        }
    }
    let gone = older.iter().filter(|(path, _)| newer.iter().all(|(known, _)| known != path));
    removed += gone.map(|(_, text)| text.lines().count()).sum::<usize>();
    format!("+{added} -{removed} {}", say("lines"))
}

/// The difference of two texts, which is not the smallest one where that would take long:
/// the rules may be those of a user whom an administrator asks about.
fn compared<'t>(before: &'t str, now: &'t str) -> TextDiff<'t, 't, 't, str> {
    TextDiff::configure().timeout(COMPARISON_TIMEOUT).diff_lines(before, now)
}

fn text_of<'f>(files: &'f VersionFiles, path: &Path) -> &'f str {
    files.iter().find(|(known, _)| known == path).map_or("", |(_, text)| text)
}

fn show(files: &VersionFiles) -> Result<CommandOutcome, String> {
    let mut out = String::new();
    for (path, text) in files {
        if files.len() > 1 {
            out.push_str(&format!("# {}\n", shown(path)));
        }
        out.push_str(text);
        if !text.ends_with('\n') {
            out.push('\n');
        }
    }
    output::content(&out);
    Ok(CommandOutcome::Fine)
}

/// What has changed since then, in the format of `diff -u`; exit 1 if anything has.
fn diff(files: &VersionFiles, bounds: &Bounds) -> Result<CommandOutcome, String> {
    let mut out = String::new();
    for (path, text) in files {
        let now = current(path, bounds)?;
        if now == *text {
            continue;
        }
        let name = shown(path);
        let diff = compared(text, &now);
        let unified = diff.unified_diff().header(&name, &name).to_string();
        out.push_str(&unified);
    }
    if out.is_empty() {
        output::error("the rules are that version already");
        return Ok(CommandOutcome::Fine);
    }
    output::content(&out);
    Ok(CommandOutcome::Found)
}

fn restore(files: &VersionFiles, bounds: &Bounds) -> Result<CommandOutcome, String> {
    let failed =
        |path: &Path, error: &std::io::Error| format!("{}: {}", shown(path), reason(error));
    let mut steps = Vec::new();
    for (path, text) in files {
        // A link, for example into a folder of dot files, stays a link.
        let place = bounds.pin_file(path).map_err(|error| failed(path, &error))?;
        let path = if bounds.directory().is_none() { place.path() } else { path.clone() };
        let mut now = Vec::new();
        let read =
            file::open(&place.path(), READ_OWN).and_then(|mut file| file.read_to_end(&mut now));
        let now = match read {
            Ok(_) => Some(now),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(failed(&path, &error)),
        };
        if now.as_deref() != Some(text.as_bytes()) {
            steps.push((place, path, text, now));
        }
    }
    // All files are kept and written before the first is replaced.
    for (place, path, _, now) in &steps {
        if let Some(now) = now {
            let kept = file::back_up(&place.path(), now, "bak");
            kept.map_err(|error| failed(path, &error))?;
        }
    }
    let mut new = Vec::new();
    for (place, path, text, _) in &steps {
        let written = Rewrite::prepare_own(place.path(), text.as_bytes());
        new.push((written.map_err(|error| failed(path, &error))?, path));
    }
    let mut restored = Vec::new();
    for (new, path) in new {
        if let Err(error) = new.finish() {
            let done = match restored.as_slice() {
                [] => String::new(),
                names => format!("\nrestored so far: {}; call it again", names.join(", ")),
            };
            return Err(failed(path, &error) + &done);
        }
        restored.push(shown(path));
    }
    match restored.as_slice() {
        [] => output::print(&format!("{}\n", say("the rules are that version already"))),
        names => output::print(&format!("{}\n", say(&format!("restored {}", names.join(", "))))),
    };
    Ok(CommandOutcome::Fine)
}
