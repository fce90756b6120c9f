//! `mfilter watch`: files mail as it arrives in a Maildir that others fill, and learns
//! from what the user moves, until it is told to end.
//!
//! It wakes when something happens, and checks the rules each time: edits apply to the
//! next message; while rules are broken, the last valid ones stay in use. Whatever goes
//! wrong is reported once and tried again later.

use std::collections::{HashMap, HashSet};
use std::io::Read;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::low_level::pipe;

use super::args::MailboxOptions;
use super::learn::line;
use super::learner::Learner;
use super::{CommandOutcome, output};
use crate::load;
use crate::log::{self, Log};
use crate::mailbox::arrivals::{Arrivals, ReadyMail};
use crate::mailbox::dir_watcher::{DirChanges, DirWatcher, Shortage, WatchRole};
use crate::mailbox::incoming::{Disposition, Filer, FilingOutcome};
use crate::mailbox::judge::Judge;
use crate::mailbox::moves::MoveScanner;
use crate::mailbox::recognition::read_log;
use crate::maildir::entry::Sub;
use crate::maildir::mover::Mover;
use crate::maildir::{Location, Place};
use crate::rules::compiled::CompiledProgram;
use crate::rules::rule_set::RuleSet;
use crate::state::lock_file::LockFile;
use crate::state::memory::Memory;
use crate::state::pending_edits::PendingEditsFile;
use crate::state::places::PlacesFile;
use crate::state::{StateDir, sort_journal};
use crate::text::escape;
use crate::user::User;
use crate::world::World;

/// `mfilter watch`
#[derive(clap::Args, Debug)]
pub(super) struct WatchArgs {
    /// The folders, named as in the rules [default: the inbox]
    #[arg(value_name = "FOLDER")]
    pub(super) folders: Vec<String>,

    #[command(flatten)]
    pub(super) mailbox: MailboxOptions,

    /// Say what is filed and learned
    #[arg(short, action = clap::ArgAction::Count)]
    pub(super) verbose: u8,
}

/// How long after the last move we look at moves.
const DEBOUNCE: Duration = Duration::from_millis(1200);
/// How long to wait before trying again what failed.
const RETRY_INTERVAL: Duration = Duration::from_secs(60);
/// How long to wait for another command that moves mail.
const LOCK_INTERVAL: Duration = Duration::from_secs(1);
/// How often everything is looked at, for file systems that lose events, such as network
/// ones.
const RESCAN_INTERVAL: Duration = Duration::from_secs(300);
/// The same if the kernel provides too few watches.
const POLL_INTERVAL: Duration = Duration::from_secs(30);
/// How often we look for mail that is old enough to expire.
const EXPIRE_INTERVAL: Duration = Duration::from_secs(3600);
/// How many times in a row we look for folders that were created in the meantime.
const RESCANS_MAX: usize = 5;
/// How long headers are read before we look for new mail.
const READ_BUDGET: Duration = Duration::from_millis(500);
/// How many messages to the user are remembered, in order not to repeat them.
const REMEMBERED_MAX: usize = 1000;

pub(super) fn run(call: &WatchArgs) -> Result<CommandOutcome, String> {
    let user = User::of_process();
    let state = super::state_of(&user)?;
    let rules = match &call.mailbox.files.rules {
        Some(path) => path.clone(),
        None => load::default_rules(&user)?,
    };
    let rules = std::path::absolute(&rules).unwrap_or(rules);
    let mut directories = DirWatcher::default();
    let stop = end_on_signals(&directories)?;
    let mut service = WatchService {
        call,
        user,
        state,
        rules,
        stop: Arc::clone(&stop),
        claim: None,
        watched: None,
        arrivals: Arrivals::default(),
        reported: HashSet::new(),
        vanished: HashSet::new(),
        reported_version: None,
        was_without_rules: false,
        learn: true,
        next_rescan: Instant::now(),
        needs_polling: false,
        expired: None,
    };
    let mut events = DirChanges { all: true, folders: true, ..DirChanges::default() };
    while !stop.load(Ordering::Relaxed) {
        let until = service.poll(&mut directories, events)?;
        events = directories.wait(until, DEBOUNCE);
    }
    Ok(CommandOutcome::Fine)
}

/// On a signal, sets a flag and ends the waiting.
fn end_on_signals(directories: &DirWatcher) -> Result<Arc<AtomicBool>, String> {
    let stop: Arc<AtomicBool> = Arc::default();
    let fail = |error: std::io::Error| format!("signal handlers cannot be set: {error}");
    let (mut ends, sends) = UnixStream::pair().map_err(fail)?;
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        signal_hook::flag::register(signal, Arc::clone(&stop)).map_err(fail)?;
        pipe::register(signal, sends.try_clone().map_err(fail)?).map_err(fail)?;
    }
    let stop_handle = directories.stop_handle();
    let end = move || {
        let _ = ends.read_exact(&mut [0]);
        stop_handle.stop();
    };
    std::thread::Builder::new().spawn(end).map_err(fail)?;
    Ok(stop)
}

/// What is remembered between two turns.
struct WatchService<'c> {
    call: &'c WatchArgs,
    user: User,
    state: StateDir,
    rules: PathBuf,
    stop: Arc<AtomicBool>,
    /// The right to watch a Maildir, held as long as this process lives.
    claim: Option<(PathBuf, LockFile)>,
    /// The Maildir whose directories are watched.
    watched: Option<Location>,
    arrivals: Arrivals,
    reported: HashSet<String>,
    /// Files that were not found under their names, and were looked for again.
    vanished: HashSet<PathBuf>,
    /// Which broken version of the rules was reported.
    reported_version: Option<String>,
    /// Whether mail was left where it is because there were no rules.
    was_without_rules: bool,
    /// Whether moves and sent mail have to be looked at.
    learn: bool,
    /// When everything has to be looked at.
    next_rescan: Instant,
    /// Whether some directories cannot be watched.
    needs_polling: bool,
    /// When we last looked for mail that is old enough to expire.
    expired: Option<Instant>,
}

impl WatchService<'_> {
    /// Does what there is to do. Returns when to look again even if nothing happens.
    fn poll(
        &mut self,
        directories: &mut DirWatcher,
        events: DirChanges,
    ) -> Result<Option<Instant>, String> {
        let is_named = self.call.mailbox.files.rules.is_some();
        let user = self.user.clone();
        let in_force = load::in_force(&self.rules, is_named, &user, load::Verification::AtOnce);
        let in_force = match in_force {
            Ok(in_force) => in_force,
            Err(why) => {
                output::error(&why);
                return Ok(Some(Instant::now() + RETRY_INTERVAL));
            }
        };
        let program = &in_force.compiled;
        let world = World { state: None, ..World::of(user.clone()) };
        let log = super::log(program, &world, Some(&self.state));
        self.report_rules(in_force.notice.as_ref(), &log);
        if let Some(line) =
            in_force.script_notice.as_ref().and_then(|reported| reported.line.as_ref())
        {
            self.report(&log, line);
        }
        let maildir = self.call.mailbox.maildir.as_deref();
        let location = super::filing_location(maildir, program, &world)?;
        let places = self.places(&location)?;

        let now = Instant::now();
        let moved = self.watched.as_ref() != Some(&location);
        let mut scan = events.all || moved || now >= self.next_rescan;
        if events.folders || scan {
            scan |= self.watch_new_folders(directories, &location, &places, program, &log);
        }
        if !location.path.is_dir() {
            self.report(&log, &format!("waiting for the Maildir `{}`", location.path.display()));
            return Ok(Some(now + RESCAN_INTERVAL));
        }
        self.claim(&location)?;
        self.learn |= events.messages.is_some() || scan;
        self.arrivals.record(&events.arrived, now);
        let expires = !program.expiries.is_empty()
            && self.expired.is_none_or(|at| now.duration_since(at) >= EXPIRE_INTERVAL);
        let busy = !self.arrivals.is_empty() || scan || self.learn || expires;
        if !busy {
            return Ok(Some(self.next_rescan));
        }
        let Some(_lock) = self.lock_moves(&location, &log)? else {
            if scan {
                self.next_rescan = now;
            }
            return Ok(Some(now + LOCK_INTERVAL));
        };
        let site = load::site::in_force(self.call.mailbox.files.site.as_deref());
        let site_is_known = site.note.is_none() || site.compiled.is_some();
        let (rules, note) = load::rule_set(in_force.compiled, site.compiled, &user)?;
        for note in site.note.iter().chain(&note) {
            self.report(&log, note);
        }
        if scan {
            self.next_rescan =
                now + if self.needs_polling { POLL_INTERVAL } else { RESCAN_INTERVAL };
        }
        let mut until = self.next_rescan;
        if site_is_known {
            let has_rules = in_force.notice.as_ref().is_none_or(|notice| notice.last_valid);
            let work = FilingContext { rules: &rules, location: &location, log: &log, has_rules };
            for place in &places {
                match self.folder(&work, place, scan) {
                    Ok(Some(at)) => until = until.min(at),
                    Ok(None) => {}
                    Err(failure) => self.report(&log, &failure),
                }
            }
        } else {
            // What the site rules would say is tried again soon.
            self.next_rescan = self.next_rescan.min(now + RETRY_INTERVAL);
        }
        if self.learn && !self.stop.load(Ordering::Relaxed) {
            let more = self.learn(&rules.user, &location, &log)?;
            self.learn = more;
            if more {
                until = Instant::now();
            }
        }
        if expires && !self.stop.load(Ordering::Relaxed) {
            self.expired = Some(now);
            self.expire(&rules.user, &location, &log);
        }
        Ok(Some(until.min(self.next_rescan)))
    }

    /// Watches the folders that are not watched yet. Returns whether mail may be in them.
    fn watch_new_folders(
        &mut self,
        directories: &mut DirWatcher,
        location: &Location,
        places: &[Place],
        program: &CompiledProgram,
        log: &Log,
    ) -> bool {
        let mut has_mail = false;
        // What was created before its folder was watched is found by looking again.
        for _ in 0..RESCANS_MAX {
            let new = self.watch(directories, location, places, program, log);
            has_mail |= new.iter().any(|path| path.ends_with("new"));
            self.learn |= new.iter().any(|path| path.ends_with("cur"));
            if new.is_empty() {
                break;
            }
        }
        self.watched = Some(location.clone());
        has_mail
    }

    /// Moves or deletes mail that is old enough to expire.
    fn expire(&mut self, program: &CompiledProgram, location: &Location, log: &Log) {
        let world = super::with_mail(World::of(self.user.clone()), program, location, true);
        let world = World { state: None, ..world };
        let (state, stop) = (self.state.clone(), Arc::clone(&self.stop));
        let prints = self.call.verbose > 0;
        let reported =
            super::expire::in_watch(program, location, &state, &world, log, &stop, prints);
        reported.iter().for_each(|text| self.report(log, text));
    }

    /// Reports whether the rules in the file are used, once for each version.
    fn report_rules(&mut self, notice: Option<&load::Notice>, log: &Log) {
        match notice {
            Some(notice) if self.reported_version.as_deref() != Some(&notice.version) => {
                self.reported_version = Some(notice.version.clone());
                self.was_without_rules |= !notice.last_valid;
                let what = if notice.last_valid {
                    "still using the last valid version"
                } else {
                    "nothing is filed until they can be used"
                };
                let path = notice.path.display();
                output::error(&format!("{path} cannot be used; {what}\n{}", notice.text));
                let _ = log.note(&format!("{path} cannot be used; {what}"));
            }
            None if self.reported_version.take().is_some() => {
                let text = format!("{} is used again", self.rules.display());
                output::error(&text);
                let _ = log.note(&text);
                if std::mem::take(&mut self.was_without_rules) {
                    self.arrivals.judge_all_again();
                    self.next_rescan = Instant::now();
                }
            }
            _ => {}
        }
    }

    /// Reports something once.
    fn report(&mut self, log: &Log, text: &str) {
        if self.reported.len() >= REMEMBERED_MAX {
            self.reported.clear();
        }
        if self.reported.insert(text.to_owned()) {
            output::error(&escape(text));
            let _ = log.note(text);
        }
    }

    /// The folders whose mail is filed.
    fn places(&self, location: &Location) -> Result<Vec<Place>, String> {
        let inbox = ["INBOX".to_owned()];
        let names = if self.call.folders.is_empty() { &inbox[..] } else { &self.call.folders };
        super::named_places(location, names)
    }

    /// Watches what exists by now. Returns the directories that are new.
    fn watch(
        &mut self,
        directories: &mut DirWatcher,
        location: &Location,
        filed_places: &[Place],
        program: &CompiledProgram,
        log: &Log,
    ) -> Vec<PathBuf> {
        let mut roles: HashMap<PathBuf, WatchRole> = HashMap::new();
        let mut add = |path: PathBuf, set: fn(&mut WatchRole)| set(roles.entry(path).or_default());
        let mut rule_files: Vec<PathBuf> = vec![self.rules.clone()];
        rule_files.extend(program.files.iter().map(|file| PathBuf::from(file.as_str())));
        for directory in rule_files.iter().filter_map(|file| file.parent()) {
            add(directory.to_owned(), |role| role.rules = true);
        }
        // The directory above shows when the Maildir is created, or created again.
        let above = location.path.ancestors().skip(1).find(|path| path.is_dir());
        if let Some(above) = above {
            add(above.to_owned(), |role| role.folders = true);
        }
        let learns = learns(program);
        let mut problems = Vec::new();
        if location.path.is_dir()
            && let Ok(mover) = Mover::open(location)
        {
            let (all, unreadable) = mover.folders();
            problems.extend(unreadable.iter().map(ToString::to_string));
            for place in filed_places {
                add(location.path_of_place(place), |role| role.folders = true);
                add(location.path_of_place(place).join("new"), |role| role.arrivals = true);
            }
            add(location.path.clone(), |role| role.folders = true);
            for place in all.iter().filter(|_| learns) {
                let path = location.path_of_place(place);
                add(path.join("new"), |role| role.messages = true);
                add(path.join("cur"), |role| role.messages = true);
                add(path, |role| role.folders = true);
            }
        }
        let watched = directories.watch(roles, rule_files);
        problems.extend(watched.problems.iter().map(|text| {
            format!("cannot watch {text}; mail is looked for every {} s", RESCAN_INTERVAL.as_secs())
        }));
        self.needs_polling = watched.shortage.is_some();
        problems.extend(watched.shortage.map(|shortage| {
            let seconds = POLL_INTERVAL.as_secs();
            match shortage {
                Shortage::Watches => format!(
                    "there are too few inotify watches for all folders \
                     (fs.inotify.max_user_watches); the others are checked every {seconds} s"
                ),
                Shortage::Instances => format!(
                    "no inotify instance is available (fs.inotify.max_user_instances); all \
                     folders are checked every {seconds} s"
                ),
            }
        }));
        for problem in problems {
            self.report(log, &problem);
        }
        watched.new
    }

    /// Claims the right to watch this Maildir, so that no two processes do.
    fn claim(&mut self, location: &Location) -> Result<(), String> {
        if self.claim.as_ref().is_some_and(|(path, _)| *path == location.path) {
            return Ok(());
        }
        self.claim = None;
        let fail = |error: std::io::Error| {
            format!("cannot write to {}: {error}", self.state.path().display())
        };
        let claim = sort_journal::claim_to_watch(&self.state, &location.path).map_err(fail)?;
        match claim {
            Ok(claim) => {
                self.claim = Some((location.path.clone(), claim));
                Ok(())
            }
            Err(holder) => {
                let who = holder.map_or(String::new(), |pid| format!(" (process {pid})"));
                let path = location.path.display();
                Err(format!("another mfilter watch{who} is already watching `{path}`"))
            }
        }
    }

    /// The exclusive right to move messages; none while `sort` or `learn` has it.
    fn lock_moves(&mut self, location: &Location, log: &Log) -> Result<Option<LockFile>, String> {
        let claim =
            sort_journal::claim(&self.state, &location.path, Instant::now() + LOCK_INTERVAL);
        let claim = claim
            .map_err(|error| format!("cannot write to {}: {error}", self.state.path().display()))?;
        if claim.is_none() {
            self.report(log, "waiting for another mfilter that moves mail in the same Maildir");
        }
        Ok(claim)
    }

    /// Files what has arrived in a folder. Returns when to look again.
    fn folder(
        &mut self,
        work: &FilingContext<'_>,
        place: &Place,
        scan: bool,
    ) -> Result<Option<Instant>, String> {
        let mut mover = Mover::open(work.location).map_err(|failure| failure.to_string())?;
        let folder = match mover.folder(place) {
            Ok(folder) => folder,
            Err(failure) if failure.error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(None);
            }
            Err(failure) => return Err(failure.to_string()),
        };
        let ReadyMail { entries, mut next_look, problems } =
            self.arrivals.ready(&folder, place, scan, Instant::now());
        problems.iter().for_each(|failure| self.report(work.log, &failure.to_string()));
        let (stop, state) = (Arc::clone(&self.stop), self.state.clone());
        let pending =
            PendingEditsFile::of(&state, &work.location.path).map_err(|error| error.to_string())?;
        if entries.is_empty() && pending.read().is_none() {
            return Ok(next_look);
        }
        let user = self.user.clone();
        // Without a state, so that nothing counts as delivered before, as in `sort`.
        let new_world = || {
            let world = World::of(user.clone());
            let world = super::with_mail(world, &work.rules.user, work.location, true);
            World { state: None, ..world }
        };
        let places_file = match &work.rules.user.moves.is_empty() {
            true => None,
            false => PlacesFile::of(&self.state, &work.location.path).ok(),
        };
        let mut memory = Memory::at(&state, Timestamp::now().as_second());
        read_log(&mut memory, work.log, work.location, true);
        let places = places_file.as_ref().map(PlacesFile::read).transpose();
        let places = places.map_err(|error| format!("{}: {error}", state.path().display()))?;
        let elsewhere = places.unwrap_or_default().elsewhere(place.directories());
        let filer = Filer {
            judge: Judge {
                rules: work.rules,
                location: work.location,
                world: &new_world,
                new: true,
                with_summary: self.call.verbose > 0,
                stop: &stop,
            },
            places_file: places_file.as_ref(),
            state: &state,
            pending: &pending,
            memory: &memory,
            elsewhere: &elsewhere,
            has_rules: work.has_rules,
            home: user.home(),
        };
        let mut handle = |outcome: FilingOutcome| {
            let stays = match &outcome.disposition {
                Disposition::Stays => true,
                Disposition::Failed(why) => {
                    let path = folder.path_of(&outcome.entry);
                    self.report(work.log, &format!("`{}` stays for now: {why}", path.display()));
                    self.next_rescan = self.next_rescan.min(Instant::now() + RETRY_INTERVAL);
                    false
                }
                Disposition::Vanished => {
                    let path = folder.path().join("new").join(outcome.entry.without_uid().base());
                    if self.vanished.len() >= REMEMBERED_MAX {
                        self.vanished.clear();
                    }
                    if self.vanished.insert(path.clone()) {
                        next_look = Some(self.arrivals.look_for(path, Instant::now()));
                    }
                    false
                }
                Disposition::Moved => false,
            };
            if stays && outcome.entry.sub == Sub::New {
                self.arrivals.note_staying(place, &outcome.entry);
            }
            work.report(place, &outcome, self.call.verbose > 0);
        };
        filer.file(place, &entries, &mut handle).map_err(|failure| failure.to_string())?;
        Ok(next_look)
    }

    /// Learns from moves and brings lists of sent mail up to date. Returns true if there
    /// is more to read.
    fn learn(
        &mut self,
        program: &CompiledProgram,
        location: &Location,
        log: &Log,
    ) -> Result<bool, String> {
        if !learns(program) {
            return Ok(false);
        }
        let user = self.user.clone();
        let world = World::of(user.clone());
        let stop = Arc::clone(&self.stop);
        let state = self.state.clone();
        let learner = Learner { program, location, state: &state, user: &user, log: log.clone() };
        let reported = learner.refresh_sent(&world, Some(READ_BUDGET), &stop, &|_| ());
        reported.problems.iter().for_each(|text| self.report(log, text));
        let mut more = reported.more;
        if program.moves.is_empty() {
            return Ok(more);
        }
        let mut scanner = match MoveScanner::open(location, &state) {
            Ok(scanner) => scanner,
            Err(failure) => {
                self.report(log, &failure.to_string());
                return Ok(more);
            }
        };
        let claim = scanner.places_file().claim();
        let Ok(Some(_claim)) = claim else { return Ok(true) };
        match learner.learn_some(&mut scanner, &world, READ_BUDGET, &stop) {
            Ok((found, changes)) => {
                more |= found.unread > 0;
                found.problems.iter().for_each(|failure| self.report(log, &failure.to_string()));
                for change in changes.iter().filter(|_| self.call.verbose > 0) {
                    output::report(&format!("{}\n", escape(&line(change))));
                }
            }
            Err(why) => self.report(log, &why),
        }
        Ok(more)
    }
}

/// Whether there is anything to learn.
fn learns(program: &CompiledProgram) -> bool {
    program.asks_for_sent_mail || !program.moves.is_empty()
}

/// What is needed to file the mail of a folder.
struct FilingContext<'a> {
    rules: &'a RuleSet,
    location: &'a Location,
    log: &'a Log,
    /// Whether there are rules, possibly only the last valid ones.
    has_rules: bool,
}

impl FilingContext<'_> {
    /// Logs what became of a message.
    fn report(&self, place: &Place, outcome: &FilingOutcome, verbose: bool) {
        if !matches!(outcome.disposition, Disposition::Moved | Disposition::Stays) {
            return;
        }
        let was = self.location.folder_of(place).to_string();
        let entry = log::LogEntry {
            plan: &outcome.plan,
            report: &outcome.report,
            files: &self.rules.files(),
            message_id: &outcome.summary.id,
            envelope_from: None,
            envelope_to: &[],
            was: Some(&was),
            remarks: &[],
            duration: None,
        };
        let _ = self.log.write(&entry);
        for stored in outcome.report.stored.iter().filter(|_| verbose) {
            let text = format!("{was} -> {}: {}", stored.folder, outcome.summary.subject);
            output::report(&format!("{}\n", escape(&text)));
        }
    }
}
