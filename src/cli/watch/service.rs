//! What `watch` does each time that it wakes.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::WatchArgs;
use crate::cli::expire::WatchExpiry;
use crate::cli::learn::line;
use crate::cli::learner::Learner;
use crate::cli::{filing_location, log, named_places, output, with_mail};
use crate::load::{self, LoadedRules};
use crate::log::Log;
use crate::mailbox::arrivals::Arrivals;
use crate::mailbox::dir_watcher::{DirChanges, DirWatcher};
use crate::mailbox::moves::MoveScanner;
use crate::maildir::{Location, Place};
use crate::rules::compiled::CompiledProgram;
use crate::rules::rule_set::RuleSet;
use crate::state::lock_file::LockFile;
use crate::state::{StateDir, sort_journal};
use crate::text::escape;
use crate::user::User;
use crate::world::World;

/// How long to wait before trying again what failed.
pub(super) const RETRY_INTERVAL: Duration = Duration::from_secs(60);
/// How long to wait for another command that moves mail.
const LOCK_INTERVAL: Duration = Duration::from_secs(1);
/// How often everything is looked at, for file systems that lose events, such as network
/// ones.
pub(super) const RESCAN_INTERVAL: Duration = Duration::from_secs(300);
/// The same if the kernel provides too few watches.
pub(super) const POLL_INTERVAL: Duration = Duration::from_secs(30);
/// How often we look for mail that is old enough to expire.
const EXPIRE_INTERVAL: Duration = Duration::from_secs(3600);
/// How many times in a row we look for folders that were created in the meantime.
const RESCANS_MAX: usize = 5;
/// How long headers are read before we look for new mail.
const READ_BUDGET: Duration = Duration::from_millis(500);
/// How many messages to the user are remembered, in order not to repeat them.
pub(super) const REMEMBERED_MAX: usize = 1000;

/// What is remembered between two turns.
pub(super) struct WatchService<'c> {
    pub(super) call: &'c WatchArgs,
    pub(super) user: User,
    pub(super) state: StateDir,
    pub(super) rules: PathBuf,
    pub(super) stop: Arc<AtomicBool>,
    /// The right to watch a Maildir, held as long as this process lives.
    claim: Option<(PathBuf, LockFile)>,
    /// The Maildir whose directories are watched.
    watched: Option<Location>,
    pub(super) arrivals: Arrivals,
    reported: HashSet<String>,
    /// Files that were not found under their names, and were looked for again.
    pub(super) vanished: HashSet<PathBuf>,
    /// Which broken version of the rules was reported.
    reported_version: Option<String>,
    /// Whether mail was left where it is because there were no rules.
    was_without_rules: bool,
    /// Whether moves and sent mail have to be looked at.
    learn: bool,
    /// When everything has to be looked at.
    pub(super) next_rescan: Instant,
    /// Whether some directories cannot be watched.
    pub(super) needs_polling: bool,
    /// When we last looked for mail that is old enough to expire.
    expired: Option<Instant>,
}

/// What is needed to file the mail of a folder.
pub(super) struct FilingContext<'a> {
    pub(super) rules: &'a RuleSet,
    pub(super) location: &'a Location,
    pub(super) log: &'a Log,
    /// Whether there are rules, possibly only the last valid ones.
    pub(super) has_rules: bool,
}

/// What is due besides what has arrived.
struct DueWork {
    /// All files are looked at, not only those of which there was an event.
    scan: bool,
    /// Mail may be old enough to expire.
    expires: bool,
}

impl<'c> WatchService<'c> {
    pub(super) fn new(
        call: &'c WatchArgs,
        user: User,
        state: StateDir,
        rules: PathBuf,
        stop: Arc<AtomicBool>,
    ) -> WatchService<'c> {
        WatchService {
            call,
            user,
            state,
            rules,
            stop,
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
        }
    }

    /// Does what there is to do. Returns when to look again even if nothing happens.
    ///
    /// # Errors
    /// What no later try can mend: another process watches the same Maildir, for example.
    pub(super) fn poll(
        &mut self,
        directories: &mut DirWatcher,
        events: DirChanges,
    ) -> Result<Option<Instant>, String> {
        let is_named = self.call.mailbox.files.rules.is_some();
        let read = load::in_force(&self.rules, is_named, &self.user, load::Verification::AtOnce);
        let in_force = match read {
            Ok(in_force) => in_force,
            Err(why) => {
                output::error(&why);
                return Ok(Some(Instant::now() + RETRY_INTERVAL));
            }
        };
        let program = &in_force.compiled;
        let world = World { state: None, ..World::of(self.user.clone()) };
        let log = log(program, &world, Some(&self.state));
        self.report_rules(in_force.notice.as_ref(), &log);
        let script = in_force.script_notice.as_ref().and_then(|notice| notice.line.as_ref());
        script.iter().for_each(|line| self.report(&log, line));
        let maildir = self.call.mailbox.maildir.as_deref();
        let location = filing_location(maildir, program, &world)?;
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
        if self.arrivals.is_empty() && !scan && !self.learn && !expires {
            return Ok(Some(self.next_rescan));
        }
        let Some(_lock) = self.lock_moves(&location, &log)? else {
            if scan {
                self.next_rescan = now;
            }
            return Ok(Some(now + LOCK_INTERVAL));
        };
        if scan {
            self.next_rescan =
                now + if self.needs_polling { POLL_INTERVAL } else { RESCAN_INTERVAL };
        }
        self.work(in_force, &location, &log, &places, DueWork { scan, expires })
    }

    /// Files, learns and lets mail expire, while nobody else moves mail. Returns when to
    /// look again.
    fn work(
        &mut self,
        in_force: LoadedRules,
        location: &Location,
        log: &Log,
        places: &[Place],
        due: DueWork,
    ) -> Result<Option<Instant>, String> {
        let has_rules = in_force.notice.as_ref().is_none_or(|notice| notice.last_valid);
        let site = load::site::in_force(self.call.mailbox.files.site.as_deref());
        let site_is_known = site.note.is_none() || site.compiled.is_some();
        let (rules, note) = load::rule_set(in_force.compiled, site.compiled, &self.user)?;
        for note in site.note.iter().chain(&note) {
            self.report(log, note);
        }
        let mut until = self.next_rescan;
        if site_is_known {
            let context = FilingContext { rules: &rules, location, log, has_rules };
            for place in places {
                match self.file(&context, place, due.scan) {
                    Ok(Some(at)) => until = until.min(at),
                    Ok(None) => {}
                    Err(failure) => self.report(log, &failure),
                }
            }
        } else {
            // What the site rules would say is tried again soon.
            self.next_rescan = self.next_rescan.min(Instant::now() + RETRY_INTERVAL);
        }
        if self.learn && !self.stop.load(Ordering::Relaxed) {
            self.learn = self.learn(&rules.user, location, log)?;
            if self.learn {
                until = Instant::now();
            }
        }
        if due.expires && !self.stop.load(Ordering::Relaxed) {
            self.expired = Some(Instant::now());
            self.expire(&rules.user, location, log);
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
        let world = with_mail(World::of(self.user.clone()), program, location, true);
        let world = World { state: None, ..world };
        let expiry = WatchExpiry {
            program,
            location,
            state: &self.state,
            world: &world,
            log,
            stop: &self.stop,
            prints: self.call.verbose > 0,
        };
        let reported = expiry.run();
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
    pub(super) fn report(&mut self, log: &Log, text: &str) {
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
        named_places(location, names)
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
pub(super) fn learns(program: &CompiledProgram) -> bool {
    program.asks_for_sent_mail || !program.moves.is_empty()
}
