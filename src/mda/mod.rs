//! One message for one user: the rules in force are loaded, evaluated and carried out,
//! and the log is written. A delivery process does this once, a worker of `mfilter lmtp`
//! again and again.
//!
//! Nothing here asks the process for its user, its working directory or its environment:
//! [`World`] and its user provide them.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use serde::{Deserialize, Serialize};

use crate::deliver::context::{Caller, DeliveryContext, PROGRAM_TIMEOUT, SENDMAIL, environment};
use crate::deliver::filter::Programs;
use crate::deliver::{DeliveryReport, RemoteMailbox, Store, deliver, notice};
use crate::evaluate::{self, Detail, Evaluation, Run};
use crate::hand_over::MailStore;
use crate::load::{self, FileFingerprints, Notice, Verification};
use crate::log::{Log, LogEntry};
use crate::mailbox::correspondents::SentMailReader;
use crate::mailbox::renamed_folders::find_renamed;
use crate::maildir::Location;
use crate::maildir::sharing::Sharing;
use crate::message::Message;
use crate::outcome::Outcome;
use crate::plan::{Folder, Plan, StepKind};
use crate::rules::check::resolve;
use crate::rules::program::{LogSetting, Program};
use crate::rules::rule_set::RuleSet;
use crate::rules::switch::SwitchChoices;
use crate::state::lock_file::LockFile;
use crate::state::{StateDir, duplicates, switch_choices};
use crate::user::User;
use crate::world::{FolderSource, World};

/// A whole delivery must finish within this time, before the MTA's own deadline: an MTA
/// may bounce the message of a delivery that it kills. OpenSMTPD waits 300 s, Postfix
/// 1000 s.
pub const DELIVERY_TIMEOUT: Duration = Duration::from_secs(240);

/// Which files of rules to use.
#[derive(Debug, Clone, Copy, Default)]
pub struct RuleFiles<'a> {
    /// The user's file, if not `~/.mailrules`.
    pub rules: Option<&'a Path>,
    /// The provider's file, if not the usual one.
    pub site: Option<&'a Path>,
}

/// The rules that deliveries use, and what has to be reported about them.
pub struct ActiveRules {
    /// The rules.
    pub set: RuleSet,
    /// Notices for the user.
    pub notices: Vec<Notice>,
    /// Remarks for the log.
    pub remarks: Vec<String>,
    fingerprints: Option<RuleFingerprints>,
}

/// What shows that kept rules are still those of the files.
struct RuleFingerprints {
    user: FileFingerprints,
    site: FileFingerprints,
    /// The user's choices in `mfilter isp-filter`, if they have an effect.
    choices: Option<(PathBuf, SwitchChoices)>,
}

impl ActiveRules {
    /// The rules in force now.
    ///
    /// # Errors
    /// They cannot be known at the moment, or the caller named some that never existed.
    pub fn load(
        files: RuleFiles<'_>,
        user: &User,
        proof: Verification,
    ) -> Result<ActiveRules, String> {
        let file = load::rules_file(files.rules, user).ok();
        let is_named = files.rules.is_some();
        let load = {
            let (file, user) = (file, user.clone());
            move |proof| match &file {
                Some(path) => load::in_force(path, is_named, &user, proof),
                None => Ok(load::none()),
            }
        };
        let in_force = load(proof)?;
        // If the call names rules that never existed, that is the caller's mistake.
        let missing = |notice: &&Notice| notice.kind == load::NoticeKind::Missing;
        if is_named
            && let Some(notice) = in_force.notice.as_ref().filter(missing)
            && !notice.last_valid
        {
            return Err(notice.text.trim_end().to_owned());
        }
        let site = load::site::in_force_by(files.site, proof);
        if let (true, Some(why)) = (site.not_now, &site.note) {
            return Err(why.clone());
        }
        let (mut set, note) = load::rule_set(in_force.compiled, site.compiled, user)?;
        let all_well = in_force.notice.is_none()
            && in_force.script_notice.is_none()
            && in_force.remark.is_none()
            && note.is_none()
            && site.note.is_none();
        let fingerprints = in_force.fingerprints.zip(site.fingerprints).filter(|_| all_well);
        let fingerprints = fingerprints.and_then(|(of_user, of_site)| {
            let choices = match load::choices_path(&set, user) {
                Some(path) => Some((path.clone(), switch_choices::read(&path).ok()?)),
                None => None,
            };
            Some(RuleFingerprints { user: of_user, site: of_site, choices })
        });
        if proof == Verification::OnRead {
            set.reload = Some(Box::new(move || Some(load(Verification::AtOnce).ok()?.compiled)));
        }
        Ok(ActiveRules {
            set,
            notices: in_force.notice.into_iter().chain(in_force.script_notice).collect(),
            remarks: site.note.into_iter().chain(note).chain(in_force.remark).collect(),
            fingerprints,
        })
    }

    /// No rules, whatever the files say.
    pub fn none() -> ActiveRules {
        let set = RuleSet::new(load::none().compiled, None, &SwitchChoices::default());
        ActiveRules { set, notices: Vec::new(), remarks: Vec::new(), fingerprints: None }
    }

    /// The size of the files of the user's rules, bytes; none if the rules cannot be kept.
    pub fn text_size(&self) -> Option<u64> {
        self.fingerprints.as_ref().map(|fingerprints| fingerprints.user.size())
    }

    /// Uses the site rules of `other` if they were made from the same files, so that they
    /// are in memory only once. Returns whether they were.
    pub fn share_site(&mut self, other: &ActiveRules) -> bool {
        let same = match (&self.fingerprints, &other.fingerprints) {
            (Some(own), Some(others)) => own.site == others.site,
            _ => false,
        };
        if same {
            self.set.site.clone_from(&other.set.site);
        }
        same
    }

    /// Whether these kept rules of a user are still those that would be loaded.
    pub fn are_current(&self, user: &User) -> bool {
        self.fingerprints.as_ref().is_some_and(|fingerprints| {
            let same = |(path, choices): &(PathBuf, SwitchChoices)| {
                switch_choices::read(path).is_ok_and(|now| now == *choices)
            };
            fingerprints.user.are_current(user.bounds())
                && fingerprints.site.are_current_of_site()
                && fingerprints.choices.as_ref().is_none_or(same)
        })
    }
}

/// Which rules are applied to a message.
#[derive(Serialize, Deserialize, Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Filtering {
    /// All rules.
    #[default]
    Rules,
    /// No rules: it goes to the inbox, and the user is notified. For a message that ended
    /// two deliveries before. Settings of the rules still count.
    Inbox,
    /// The same, and the rules are not even loaded: that may be what ended deliveries.
    NoRules,
}

/// A mailbox of another store.
#[derive(Debug, Clone)]
pub struct RemoteStore {
    /// The store; shared by all deliveries, so that it knows when the store is
    /// unreachable.
    pub store: Arc<MailStore>,
    /// The mailbox's address there, without detail: never what a sender wrote.
    pub mailbox: String,
}

/// One delivery.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// The Maildir, if not what the rules say.
    pub maildir: Option<PathBuf>,
    /// Another store instead of the Maildir.
    pub remote: Option<RemoteStore>,
    /// When the message was handed over.
    pub started: Instant,
    /// The same as wall-clock time.
    pub began: SystemTime,
    /// Identifies its files in case the process is killed.
    pub id: Option<u64>,
    /// Whether rules are applied.
    pub filtering: Filtering,
    /// Who waits to learn the outcome; none where the exit code reports it.
    pub caller: Option<Caller>,
}

impl Delivery {
    /// A delivery that begins now.
    pub fn now(maildir: Option<PathBuf>) -> Delivery {
        Delivery {
            maildir,
            remote: None,
            started: Instant::now(),
            began: SystemTime::now(),
            id: None,
            filtering: Filtering::Rules,
            caller: None,
        }
    }

    /// Delivers a message, which `read` reads until a deadline. Returns what became of it
    /// and what the rules had planned.
    ///
    /// # Errors
    /// Why it has to be tried again; then nothing was done.
    pub fn deliver(
        &self,
        rules: &ActiveRules,
        mut world: World,
        read: impl FnOnce(Instant) -> io::Result<Message>,
    ) -> Result<(DeliveryReport, Plan), String> {
        let (program, state) = (&rules.set.user, world.state.clone());
        let mut location = self.prepare(rules, &mut world)?;
        let deadline = self.started + DELIVERY_TIMEOUT;
        let message =
            read(deadline).map_err(|error| format!("the message cannot be read: {error}"))?;
        if message.is_empty().unwrap_or(false) {
            // The descriptor is closed, or the caller has lost its file.
            return Err("standard input is empty: there is no message".into());
        }
        let _claim = match claim(&rules.set, &message, state.as_ref(), deadline) {
            Ok(claim) => claim,
            Err(outcome) => return Ok((DeliveryReport::of(outcome), Plan::default())),
        };
        let caller = self.caller.clone();
        let context =
            DeliveryContext { caller, ..delivery_context(program, &message, &world, deadline) };
        let mut filters = Programs::new(&context);
        let run = match self.filtering {
            Filtering::Rules => {
                evaluate::run(&rules.set, message, &world, Detail::Plan, &mut filters)
            }
            // A plan without an end ends in the inbox.
            Filtering::Inbox | Filtering::NoRules => Run {
                message,
                filtered: Vec::new(),
                evaluation: Evaluation::default(),
                damaged: false,
            },
        };
        if let Some(why) = why_defer(&run, &world) {
            return Err(why);
        }
        let log = log(program, &world, state.as_ref());
        if program.settings.remake_folders == Some(false) && self.remote.is_none() {
            let gone = missing(&run.evaluation.plan, &location);
            location.renamed = find_renamed(&location, program, &log, &gone);
        }
        let mut report =
            deliver(&run.evaluation.plan, &run.messages(), self.store(&location), &context);
        report.notes.splice(0..0, filters.notes);
        let unread = world.unread();
        report.notes.extend(unread.map(|why| format!("{why}; rules that need it did not match")));
        // From here on the message is delivered, and nothing must change that: neither a
        // log that cannot be written nor even a panic.
        let _ = catch_unwind(AssertUnwindSafe(|| {
            let recreated = find_renamed(&location, program, &log, &report.created_folders);
            report.notes.extend(recreated.iter().map(|(folder, other)| {
                format!(
                    "`{folder}` was created again, and its earlier mail is in `{other}`: renamed?"
                )
            }));
            self.log(rules, &run, &world, &context, &report, &log);
            world.index_lists(self.began);
            world.keep_contacts();
            location.delivery = None;
            self.notify(rules, &world, &location, &report, &log);
        }));
        Ok((report, run.evaluation.plan))
    }

    /// Finds the Maildir, and gives the world what the rules ask it for.
    fn prepare(&self, rules: &ActiveRules, world: &mut World) -> Result<Location, String> {
        let program = &rules.set.user;
        let mut location = location(self.maildir.as_deref(), program, world)?;
        if let Some(word) = rules.set.site.as_ref().and_then(|site| site.settings.over_quota) {
            location.over_quota = word;
        }
        location.delivery = self.id;
        if program.asks_for_sent_mail {
            world.sent = Some(Box::new(sent_mail(program, &location, world, true)));
        }
        if rules.set.asks_for_folders() {
            world.folders = match &self.remote {
                Some(_) => FolderSource::OtherStore,
                None => FolderSource::Maildir(location.clone()),
            };
        }
        Ok(location)
    }

    /// Writes into the log what was done.
    fn log(
        &self,
        rules: &ActiveRules,
        run: &Run,
        world: &World,
        context: &DeliveryContext,
        report: &DeliveryReport,
        log: &Log,
    ) {
        let ids = run.message.texts("Message-ID");
        let remarks = rules.remarks.iter().map(String::as_str).chain(world.no_zone());
        let remarks: Vec<&str> = remarks.collect();
        let entry = LogEntry {
            plan: &run.evaluation.plan,
            report,
            files: &rules.set.files(),
            message_id: ids.first().map_or("", |id| id.text()),
            envelope_from: context.sender.as_deref(),
            envelope_to: &context.recipients,
            was: None,
            remarks: &remarks,
            duration: Some(self.started.elapsed()),
        };
        let _ = log.write(&entry);
    }

    /// Notifies the user of what is wrong with the rules.
    fn notify(
        &self,
        rules: &ActiveRules,
        world: &World,
        location: &Location,
        report: &DeliveryReport,
        log: &Log,
    ) {
        let state = world.state.as_ref();
        for notice in &rules.notices {
            let is_sent = notice::send(notice, self.store(location), state, world);
            if let Some(line) = notice.line.as_ref().filter(|_| is_sent) {
                let _ = log.note(line);
            }
        }
        if self.filtering != Filtering::Rules && report.outcome == Outcome::Delivered {
            let _ = log.note(notice::UNFILTERED);
            notice::send_unfiltered(self.store(location), state, world);
        }
    }

    /// Where copies are stored.
    fn store<'a>(&'a self, location: &'a Location) -> Store<'a> {
        match &self.remote {
            Some(remote) => Store::Remote(RemoteMailbox {
                store: &remote.store,
                address: &remote.mailbox,
                over_quota: location.over_quota,
                subscribe: location.subscribe != Some(false),
            }),
            None => Store::Maildir(location),
        }
    }
}

/// The folders of a plan that do not exist.
fn missing(plan: &Plan, location: &Location) -> Vec<Folder> {
    let folders = plan.steps.iter().filter_map(|step| match &step.kind {
        StepKind::Deliver { folder, .. } => Some(folder),
        _ => None,
    });
    folders.filter(|folder| !location.folder_path(folder).exists()).cloned().collect()
}

/// The outcome of a delivery, even if it panics: the exit code would be 101, for which
/// MTAs bounce mail.
pub fn guarded(delivery: impl FnOnce() -> Outcome) -> Outcome {
    let outcome = catch_unwind(AssertUnwindSafe(delivery));
    outcome.unwrap_or_else(|_| Outcome::deferred("mfilter: internal error"))
}

/// Why the message has to be deferred whatever the plan says: the message itself or a list
/// could not be read at the moment. A rule that needs it did not fire, and a later one,
/// perhaps `discard`, did.
fn why_defer(run: &Run, world: &World) -> Option<String> {
    if run.damaged {
        return Some("the cached rules are damaged".into());
    }
    let unread = run.messages().into_iter().find_map(Message::failure);
    let unread = unread.map(|why| format!("the message cannot be read: {why}"));
    unread.or_else(|| world.temporary_failure().map(str::to_owned))
}

/// If rules ask for `duplicate`: the exclusive right to deliver this message, so that of
/// two simultaneous deliveries the second one sees the first. If that cannot be obtained,
/// mail is delivered anyway.
fn claim(
    rules: &RuleSet,
    message: &Message,
    state: Option<&StateDir>,
    deadline: Instant,
) -> Result<Option<LockFile>, Outcome> {
    let Some(state) = state.filter(|_| rules.asks_for_duplicates()) else { return Ok(None) };
    let Ok(key) = duplicates::key(message) else { return Ok(None) };
    match duplicates::claim(state, key, deadline) {
        Ok(Some(claim)) => Ok(Some(claim)),
        Ok(None) => Err(Outcome::deferred("another process is delivering this message")),
        Err(_) => Ok(None),
    }
}

/// What a delivery may use besides the Maildir, until `deadline`.
pub fn delivery_context(
    program: &Program,
    message: &Message,
    world: &World,
    deadline: Instant,
) -> DeliveryContext {
    let settings = &program.settings;
    let sender = world.envelope_sender(message);
    let recipients = world.envelope_recipients(message);
    let delimiter = settings.delimiter.as_deref().unwrap_or("+");
    DeliveryContext {
        state: world.state.clone(),
        environment: environment(
            world.user.home(),
            world.login().as_deref(),
            sender.as_deref(),
            &recipients,
            world.extension(message, delimiter).as_deref(),
        ),
        home: world.user.home().map(Path::to_owned),
        bounds: world.user.bounds().clone(),
        forwards_per_hour: world.user.confinement().map(|site| site.forwards_per_hour),
        timeout: settings.program_timeout.map_or(PROGRAM_TIMEOUT, Duration::from_secs),
        deadline,
        sendmail: settings.sendmail.as_deref().unwrap_or(SENDMAIL).to_owned(),
        sender,
        recipients,
        now: world.now().as_second(),
        caller: None,
    }
}

/// Where the log goes.
pub fn log(program: &Program, world: &World, state: Option<&StateDir>) -> Log {
    match &program.settings.log {
        LogSetting::State => state.map_or(Log::Off, |state| Log::State(state.clone())),
        LogSetting::File(path) => {
            let rules = program.files.first().map_or("", |file| file.as_str());
            Log::File(world.path(path, rules.as_ref()))
        }
        LogSetting::Syslog => Log::Syslog,
        LogSetting::Off => Log::Off,
    }
}

/// The people the user has written to; `writes` says whether their list may be written.
pub fn sent_mail(
    program: &Program,
    location: &Location,
    world: &World,
    writes: bool,
) -> SentMailReader {
    let me = program.settings.me.clone();
    SentMailReader::new(location, world.state.as_ref(), writes, me)
}

/// A world with what rules may ask about the mail in a Maildir; `writes` says whether the
/// lists of people may be written.
pub fn with_mail(world: World, program: &Program, location: &Location, writes: bool) -> World {
    let reader = sent_mail(program, location, &world, writes);
    let folders = FolderSource::Maildir(location.clone());
    World { sent: Some(Box::new(reader)), folders, ..world }
}

/// Where to deliver: the Maildir that the caller names, or the site's for a confined
/// user, or `set maildir`, or `~/Maildir`.
///
/// # Errors
/// The home is not known.
pub fn location(
    maildir: Option<&Path>,
    program: &Program,
    world: &World,
) -> Result<Location, String> {
    let settings = &program.settings;
    let of_site = world.user.maildir();
    let path = match (maildir, &of_site) {
        (Some(path), _) => path.to_owned(),
        (None, Some((path, _))) => path.to_path_buf(),
        (None, None) => {
            let home = world.user.home();
            let home = home.ok_or("no home directory is known: set HOME, or use --maildir")?;
            let written = settings.maildir.as_deref().unwrap_or("Maildir");
            resolve(written, &home.join(".mailrules"), home)
        }
    };
    let mut location = Location::new(path, settings.layout, settings.folder_names);
    location.home = world.user.home().map(Path::to_owned);
    location.bounds = of_site.map(|(_, bounds)| bounds).unwrap_or_default();
    location.subscribe = settings.subscribe;
    location.over_quota = settings.over_quota.unwrap_or_default();
    location.inbox = match settings.inbox.as_ref() {
        Some(inbox) if inbox.is_empty() => Folder::default(),
        Some(inbox) => Folder { parts: inbox.split('/').map(str::to_owned).collect() },
        None => location.find_inbox(),
    };
    if settings.shared {
        location.sharing = Sharing::Shared;
    }
    Ok(location)
}
