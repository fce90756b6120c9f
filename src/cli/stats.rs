//! `mfilter stats`: what the rules did, according to the log.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::args::RuleOptions;
use super::current_rules::{self, CurrentRules};
use super::for_user::ForUser;
use super::{CommandOutcome, output};
use crate::file;
use crate::language::Language;
use crate::log::reader;
use crate::report::log_stats::{LogEvent, LogStats, RuleName, UnusedRule};
use crate::report::one_line;
use crate::rules::listing::{self, RuleEntry, never_fired};
use crate::source::{Sources, reason};
use crate::state::StateDir;
use crate::world::World;

/// `mfilter stats`
#[derive(clap::Args, Debug)]
pub(super) struct StatsArgs {
    #[command(flatten)]
    pub(super) for_user: ForUser,

    #[command(flatten)]
    pub(super) files: RuleOptions,

    /// One JSON object
    #[arg(long)]
    pub(super) json: bool,

    /// Write a self-contained HTML page; `-` for standard output
    #[arg(long, value_name = "FILE", conflicts_with = "json")]
    pub(super) html: Option<PathBuf>,
}

/// The text of each rule of a version, by `file:line`.
type RuleTexts = HashMap<String, String>;

pub(super) fn run(call: &StatsArgs) -> Result<CommandOutcome, String> {
    let user = call.for_user.user()?;
    let state = StateDir::of(&user);
    let history = current_rules::history(&call.files, state.as_ref(), &user)?;
    let (today, note) = CurrentRules::today(&call.files, &user, history.as_ref())?;
    note.iter().for_each(|note| output::error(note));
    let world = World::of(user.clone());
    let files = super::log(&today.rules.user, &world, state.as_ref()).files()?;
    let now = texts(&listing::rules(&today.rules.user), &today.sources);
    // A version is read when a line belongs to its time.
    let mut versions: HashMap<usize, Option<RuleTexts>> = HashMap::new();
    let mut stats = LogStats::new(world.now());
    let read = reader::read(&files, |line| {
        let version = history
            .as_ref()
            .and_then(|history| Some((history, history.at(line.time.as_millisecond())?)));
        let then = version.and_then(|(history, number)| {
            let read = || {
                let then = history.read(number)?;
                Some(texts(&listing::rules(&then.compiled), &then.sources))
            };
            versions.entry(number).or_insert_with(read).as_ref()
        });
        let place = line.get("rule");
        let text = place.and_then(|place| match then {
            Some(then) => then.get(place),
            // From the time before the known versions.
            None => now.get(place),
        });
        let rule = place.map(|place| RuleName {
            place,
            label: line.get("label"),
            text: text.map(String::as_str),
        });
        stats.add(LogEvent {
            time: line.time,
            word: &line.word,
            id: line.get("id").unwrap_or_default(),
            folder: line.get("folder"),
            was: line.get("was"),
            by: line.get("by"),
            rule,
            ms: line.ms(),
            text: line.get("text"),
            category: line.get("category"),
            sender: line.get("from"),
        });
    });
    let read =
        read.map_err(|(path, error)| format!("the log {}: {}", path.display(), reason(&error)))?;
    let report = stats.report(never_logged(&today, &stats), read.damaged);
    if let Some(path) = &call.html {
        return write(path, &output::with_tilde(&report.html(Language::of_locale())));
    }
    if call.json {
        output::print(&report.json());
        return Ok(CommandOutcome::Fine);
    }
    let text = report.text(output::bars(), output::columns(), Language::of_locale());
    output::report(&output::with_tilde(&text));
    Ok(CommandOutcome::Fine)
}

/// Writes the page to a file, completely or not at all; `-` is standard output.
fn write(path: &Path, page: &str) -> Result<CommandOutcome, String> {
    if path == Path::new("-") {
        output::print(page);
        return Ok(CommandOutcome::Fine);
    }
    let mode = match fs::symlink_metadata(path) {
        // It shows who writes to whom.
        Err(_) => 0o600,
        Ok(metadata) if metadata.is_file() => metadata.permissions().mode(),
        Ok(_) => {
            let path = path.display();
            return Err(format!("{path} is not a regular file; `-` is standard output"));
        }
    };
    let result = file::replace(path, page.as_bytes(), mode);
    match result {
        Ok(_) => Ok(CommandOutcome::Fine),
        Err(error) => Err(format!("cannot write {}: {}", path.display(), reason(&error))),
    }
}

/// The text of each of these rules.
fn texts(rules: &[RuleEntry], sources: &Sources) -> RuleTexts {
    let one = |rule: &RuleEntry| (place(rule, sources), one_line(sources.text(rule.span)));
    // If several are on a line, the first one counts.
    rules.iter().rev().map(one).collect()
}

fn place(rule: &RuleEntry, sources: &Sources) -> String {
    format!("{}:{}", sources.path(rule.span).display(), rule.line)
}

/// Current rules that are not in the log, of those that would have left a line there.
fn never_logged(today: &CurrentRules, stats: &LogStats) -> Vec<UnusedRule> {
    let rules = today.listed(false);
    let text = |rule: &RuleEntry| one_line(today.sources.text(rule.span));
    let own = |rule: &RuleEntry| stats.fired(&text(rule), rule.label.as_deref());
    let fired = |rule: &RuleEntry| {
        let at = rules.iter().position(|known| known.span == rule.span).unwrap_or(0);
        let inside = rules.get(at + 1..=at + rule.inside).unwrap_or_default();
        let tells = rule.logged || inside.iter().any(|rule| rule.logged);
        !tells || own(rule) || inside.iter().any(own)
    };
    let unused = |rule: &RuleEntry| UnusedRule {
        place: place(rule, &today.sources),
        label: rule.label.clone(),
        text: text(rule),
    };
    never_fired(&rules, &fired).into_iter().map(unused).collect()
}
