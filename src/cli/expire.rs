//! `mfilter expire`: old mail in folders is moved or deleted as the rules say.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;

use super::current_rules::checked;
use super::interrupt::stop;
use super::move_lock::lock_moves_unless_dry;
use super::output::say;
use super::undo::{self, UndoCall};
use super::{CommandError, CommandOutcome, output};
use crate::load;
use crate::log::{Log, MoveLine as Line};
use crate::mailbox::expire::{ExpireEvent, ExpireOutcome, Expirer, OldMessage};
use crate::mailbox::recognition::read_log;
use crate::maildir::{Location, Place};
use crate::plan::Folder;
use crate::rules::compiled::CompiledProgram;
use crate::rules::program::{ALL_FOLDERS, Expiry};
use crate::state::StateDir;
use crate::state::memory::Memory;
use crate::text::{escape, json_line, plural};
use crate::user::User;
use crate::world::World;

/// `mfilter expire`
#[derive(clap::Args, Debug)]
pub(super) struct ExpireArgs {
    /// The folders, named as in the rules [default: all that an `expire` names]
    #[arg(value_name = "FOLDER")]
    pub(super) folders: Vec<String>,

    /// List what would be moved or deleted; change nothing
    #[arg(long)]
    pub(super) dry_run: bool,

    /// Take more than half of a folder from which nothing was taken before, too
    #[arg(long, requires = "folders")]
    pub(super) more_than_half: bool,

    /// Undo the last run of this or of `sort`; what was deleted is gone
    #[arg(long, conflicts_with_all = ["folders", "dry_run", "rules"])]
    pub(super) undo: bool,

    /// The rules [default: ~/.mailrules]
    #[arg(long, value_name = "FILE")]
    pub(super) rules: Option<PathBuf>,

    /// The Maildir [default: `set maildir`, else ~/Maildir]
    #[arg(long, value_name = "DIR")]
    pub(super) maildir: Option<PathBuf>,

    /// One JSON object per message (JSON Lines)
    #[arg(long)]
    pub(super) json: bool,

    /// Say what is moved or deleted
    #[arg(short, action = clap::ArgAction::Count)]
    pub(super) verbose: u8,
}

/// `mfilter expire`
pub(super) fn run(call: &ExpireArgs) -> Result<CommandOutcome, CommandError> {
    let user = User::of_process();
    if call.undo {
        return Ok(undo::run(&UndoCall {
            command: "expire",
            rules: call.rules.as_deref(),
            maildir: call.maildir.as_deref(),
            verbose: call.verbose > 0,
            json: call.json,
            user,
        })?);
    }
    let stop = &stop();
    let (sources, program) = checked(call.rules.as_deref(), &user)
        .map_err(|error| error.preventing("the rules have a mistake; nothing was done"))?;
    let world = World::of(user.clone());
    let location = super::location(call.maildir.as_deref(), &program, &world)?;
    if !location.path.is_dir() {
        return Err(format!("there is no Maildir `{}`", location.path.display()).into());
    }
    let state = super::state_of(&user)?;
    if !call.dry_run {
        load::history::note(&state, &sources);
    }
    let _lock = lock_moves_unless_dry(&state, &location.path, call.dry_run)?;
    let folders = expiring_folders(&call.folders, &program.expiries, &location)?;
    let log = super::log(&program, &world, Some(&state));
    let mut memory = Memory::at(&state, world.now().as_second());
    read_log(&mut memory, &log, &location, !call.dry_run);
    let world = super::with_mail(world, &program, &location, !call.dry_run);
    let world = World { state: None, ..world };
    let files: Vec<&str> = program.files.iter().map(String::as_str).collect();
    let mut report = ExpireReport::new(&location, &files, log);
    report.prints = call.json || call.dry_run || call.verbose > 0;
    report.json = call.json;
    let expirer = Expirer {
        program: &program,
        location: &location,
        world: &world,
        state: (!call.dry_run).then_some(&state),
        memory: &memory,
        folders: &folders,
        more_than_half: call.more_than_half,
        stop,
    };
    let done = expirer.run(&mut |event| report.take(&event));
    report.flush_log();
    if program.expiries.is_empty() {
        output::error("there is no `expire` in the rules; see mailrules(5)");
    } else if !call.json {
        output::report(&report.table(call.dry_run));
    }
    if let Err(failure) = done {
        output::error(&failure.to_string());
        return Ok(CommandOutcome::Found);
    }
    let interrupted = stop.load(Ordering::Relaxed) && !call.dry_run;
    if interrupted {
        output::error("interrupted; run `mfilter expire` again to continue");
    }
    let found = report.has_problem || interrupted;
    Ok(CommandOutcome::found_if(found))
}

/// The folders that the call names, each of which an `expire` has to name.
fn expiring_folders(
    names: &[String],
    expiries: &[Expiry],
    location: &Location,
) -> Result<Vec<Place>, String> {
    let place_named = |name: &str| location.own_place(&Folder::named(name));
    let place = |name: &String| {
        let place = place_named(name);
        let is_here =
            |expiry: &Expiry| expiry.folder == ALL_FOLDERS || place_named(&expiry.folder) == place;
        let meant = expiries.iter().any(is_here);
        let missing = || format!("no `expire` in the rules names the folder `{name}`");
        place.filter(|_| meant).ok_or_else(missing)
    };
    names.iter().map(place).collect()
}

/// What `watch` does now and then: all `expire`s of the rules.
pub(super) struct WatchExpiry<'a> {
    pub(super) program: &'a CompiledProgram,
    pub(super) location: &'a Location,
    pub(super) state: &'a StateDir,
    pub(super) world: &'a World,
    pub(super) log: &'a Log,
    pub(super) stop: &'a AtomicBool,
    /// Whether a line is printed for each message.
    pub(super) prints: bool,
}

impl WatchExpiry<'_> {
    /// Returns what has to be reported.
    pub(super) fn run(&self) -> Vec<String> {
        let WatchExpiry { program, location, state, world, log, stop, prints } = *self;
        let mut memory = Memory::at(state, world.now().as_second());
        read_log(&mut memory, log, location, true);
        let files: Vec<&str> = program.files.iter().map(String::as_str).collect();
        let mut report = ExpireReport::new(location, &files, log.clone());
        (report.prints, report.messages) = (prints, Some(Vec::new()));
        let expirer = Expirer {
            program,
            location,
            world,
            state: Some(state),
            memory: &memory,
            folders: &[],
            more_than_half: false,
            stop,
        };
        if let Err(failure) = expirer.run(&mut |event| report.take(&event)) {
            report.problem(failure.to_string());
        }
        report.flush_log();
        report.messages.unwrap_or_default()
    }
}

/// The report while mail expires.
struct ExpireReport<'r> {
    location: &'r Location,
    files: &'r [&'r str],
    log: Log,
    prints: bool,
    json: bool,
    /// Collected for a caller that reports it.
    messages: Option<Vec<String>>,
    /// Moves that are not in the log yet.
    moved: Vec<Line>,
    deleted: Vec<Line>,
    counts: BTreeMap<(String, String), usize>,
    vanished: usize,
    has_problem: bool,
}

impl<'r> ExpireReport<'r> {
    fn new(location: &'r Location, files: &'r [&'r str], log: Log) -> ExpireReport<'r> {
        ExpireReport {
            location,
            files,
            log,
            prints: false,
            json: false,
            messages: None,
            moved: Vec::new(),
            deleted: Vec::new(),
            counts: BTreeMap::new(),
            vanished: 0,
            has_problem: false,
        }
    }

    fn problem(&mut self, text: String) {
        self.has_problem = true;
        match &mut self.messages {
            Some(messages) => messages.push(text),
            None => output::error(&escape(&text)),
        }
    }

    fn flush_log(&mut self) {
        let moved = self.log.moved(&std::mem::take(&mut self.moved));
        let deleted = self.log.deleted(&std::mem::take(&mut self.deleted));
        if let Err(failure) = moved.and(deleted) {
            self.problem(failure.to_string());
        }
    }

    fn take(&mut self, event: &ExpireEvent<'_>) {
        match event {
            ExpireEvent::Message(expiry, place, message, outcome) => {
                self.message(expiry, place, message, outcome);
            }
            ExpireEvent::TooMany(expiry, old, all) => {
                let folder = &expiry.folder;
                self.problem(format!(
                    "{old} of the {all} messages in `{folder}` would go at once, and none went \
                     before: `mfilter expire --more-than-half {folder:?}` says that it is meant"
                ));
            }
            ExpireEvent::NotDeleted(expiry) => {
                let folder = &expiry.folder;
                self.problem(format!(
                    "nothing is deleted from `{folder}`, which is neither the trash nor junk; \
                     write `-> delete, delete` if it is meant"
                ));
            }
            ExpireEvent::ClockDoubted(expiry, ago) => {
                let (folder, days) = (&expiry.folder, ago / (24 * 3600));
                self.problem(format!(
                    "nothing is deleted from `{folder}` for a day, since mail expired last {days} \
                     days ago: is the clock right?"
                ));
            }
            ExpireEvent::Problem(why) => self.problem(why.clone()),
            ExpireEvent::Flushed => self.flush_log(),
        }
    }

    fn message(
        &mut self,
        expiry: &Expiry,
        place: &Place,
        old: &OldMessage,
        outcome: &ExpireOutcome,
    ) {
        let was = self.location.folder_of(place).to_string();
        let goes = expiry.to.clone().unwrap_or_else(|| "deleted".into());
        let rule = match self.files.get(expiry.span.file as usize) {
            Some(file) => format!("{file}:{}", expiry.line),
            None => expiry.line.to_string(),
        };
        let line = |file: String| Line {
            folder: goes.clone(),
            was: was.clone(),
            file,
            by: "expire",
            rule: Some(rule.clone()),
            message_id: old.id.clone(),
        };
        let (result, path) = match outcome {
            ExpireOutcome::Deletes => {
                self.deleted.push(line(old.entry.name.clone()));
                return;
            }
            ExpireOutcome::Moved(path) => {
                let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                self.moved.push(line(file));
                ("moved", Some(path.display().to_string()))
            }
            ExpireOutcome::Would => ("would-go", None),
            ExpireOutcome::Deleted => ("deleted", None),
            ExpireOutcome::Vanished => {
                self.vanished += 1;
                ("vanished", None)
            }
            ExpireOutcome::Failed(why) => {
                self.problem(why.clone());
                ("failed", None)
            }
        };
        if matches!(
            outcome,
            ExpireOutcome::Moved(_) | ExpireOutcome::Would | ExpireOutcome::Deleted
        ) {
            *self.counts.entry((was.clone(), shown_target(expiry))).or_default() += 1;
        }
        if !self.prints {
            return;
        }
        let file = self.location.path_of_entry(place, &old.entry).display().to_string();
        let text = if self.json {
            let object = json!({
                "message": file, "id": old.id, "was": was, "folder": expiry.to,
                "rule": rule, "result": result, "path": path,
            });
            json_line(&object)
        } else {
            let goes = shown_target(expiry);
            let rule = output::with_tilde(&rule);
            escape(&format!("{was} -> {goes}  ({rule})  {}  {}", old.entry, say(result)))
        };
        output::print(&(text + "\n"));
    }

    fn table(&self, dry_run: bool) -> String {
        let all: usize = self.counts.values().sum();
        let messages = plural(all, "message");
        let old = match dry_run {
            true => format!("{messages} would expire; nothing was changed"),
            false => format!("{messages} expired"),
        };
        let mut out = format!("{all:>7} {}\n", say(&old));
        for ((was, goes), number) in &self.counts {
            out.push_str(&escape(&format!("{number:>7} {was} -> {goes}")));
            out.push('\n');
        }
        if self.vanished > 0 {
            let vanished = say("moved, flagged or removed by someone else");
            out.push_str(&format!("{:>7} {vanished}\n", self.vanished));
        }
        out
    }
}

/// Where mail goes, for people.
fn shown_target(expiry: &Expiry) -> String {
    expiry.to.clone().unwrap_or_else(|| say("deleted").into())
}
