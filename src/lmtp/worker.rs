//! A worker: receives one message after the other from the front and delivers each with
//! the user's own uid. It ends when the front closes the socket.
//!
//! What a message may use is limited here: memory and files for the worker's whole life,
//! processor time for each message. Programs that rules run inherit the limits.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::time::{ClockId, clock_gettime};

use super::account_user::{make_home, user_of};
use super::rule_cache::RuleCache;
use super::settings::{LmtpSettings, WorkerLimits};
use super::spool::PositionedReader;
use super::wire::{self, Job, WorkerAnswer, WorkerFrame, WorkerOrder};
use crate::deliver::DeliveryReport;
use crate::deliver::context::Caller;
use crate::hand_over::MailStore;
use crate::maildir::recover::{RecoverOutcome, recover};
use crate::mda::{self, ActiveRules, Delivery, Filtering, RemoteStore};
use crate::message::Message;
use crate::outcome::Outcome;
use crate::state::{StateDir, journal};
use crate::user::User;
use crate::world::World;

/// Works until the front closes the socket.
///
/// # Errors
/// The socket's error, or what came over it makes no sense.
pub fn run(socket: &UnixStream) -> io::Result<()> {
    let Some(WorkerFrame { head: WorkerOrder::Settings(settings), .. }) = wire::receive(socket)?
    else {
        return Ok(());
    };
    limit(&settings.limits);
    wire::send(socket, &WorkerAnswer::Ready, b"", None)?;
    let store = settings.mail_store().map_err(io::Error::other)?.map(Arc::new);
    let front = Some(Caller::at(socket.try_clone()?.into()));
    let mut worker = Worker { rules: RuleCache::default(), settings: *settings, store, front };
    let mut processor_time = None;
    while let Some(WorkerFrame { head, body, descriptor }) = wire::receive(socket)? {
        let message = match descriptor {
            Some(descriptor) => JobInput::File(File::from(descriptor)),
            None => JobInput::Memory(body),
        };
        allow_processor_time(&worker.settings.limits, &mut processor_time);
        let answer = match head {
            WorkerOrder::Settings(_) => WorkerAnswer::Ready,
            WorkerOrder::Deliver(job) => worker.deliver(&job, message),
            WorkerOrder::Recover(job) => WorkerAnswer::Recovered(worker.recover(&job, message)),
        };
        wire::send(socket, &answer, b"", None)?;
    }
    Ok(())
}

/// A message as it arrived.
enum JobInput {
    Memory(Vec<u8>),
    File(File),
}

impl JobInput {
    /// The message with what the last hop adds, RFC 5321 §4.4: the envelope. Each
    /// recipient gets a file of their own, so the fields name that recipient only.
    fn message(self, job: &Job, user: &User) -> io::Result<Message> {
        let Job { sender, recipient, .. } = job;
        let trace = format!("Return-Path: <{sender}>\nDelivered-To: {recipient}\n").into_bytes();
        match self {
            JobInput::Memory(mut bytes) => {
                bytes.splice(0..0, trace);
                Ok(Message::from_bytes(bytes))
            }
            JobInput::File(file) => {
                let rest = PositionedReader::new(file);
                Message::read(Box::new(io::Cursor::new(trace).chain(rest)), &user.temp_dir())
            }
        }
    }
}

struct Worker {
    settings: LmtpSettings,
    rules: RuleCache,
    /// Where mail is stored if not in a Maildir.
    store: Option<Arc<MailStore>>,
    /// The front; if it is gone, it cannot learn that the message is stored, so the
    /// message comes again.
    front: Option<Caller>,
}

impl Worker {
    fn deliver(&mut self, job: &Job, input: JobInput) -> WorkerAnswer {
        let delivered = catch_unwind(AssertUnwindSafe(|| self.attempt(job, input)));
        match delivered {
            Ok(report) => {
                let folders = report.stored.iter().map(|copy| copy.folder.to_string()).collect();
                WorkerAnswer::Done { outcome: report.outcome, folders, broke: false }
            }
            Err(_) => {
                // Do not continue with what a panic may have left half done.
                self.rules = RuleCache::default();
                let outcome = Outcome::deferred("internal error");
                WorkerAnswer::Done { outcome, folders: Vec::new(), broke: true }
            }
        }
    }

    fn attempt(&mut self, job: &Job, input: JobInput) -> DeliveryReport {
        let later = |why: String| DeliveryReport::of(Outcome::deferred(why));
        let user = match user_of(&job.account, &self.settings) {
            Ok(user) => user,
            Err(why) => return later(why),
        };
        if let Some(top) = &self.settings.create_homes_below
            && let Err(why) = make_home(&job.account.home, top)
        {
            return later(why);
        }
        let mailbox = || job.mailbox.clone();
        let remote = self.store.clone().map(|store| RemoteStore { store, mailbox: mailbox() });
        let delivery = Delivery {
            id: Some(job.id),
            remote,
            filtering: job.filtering,
            caller: self.front.clone(),
            ..Delivery::now(None)
        };
        let rules = match self.rules(job, &user) {
            Ok(rules) => rules,
            Err(why) => return later(why),
        };
        let world = world_of(job, user.clone());
        let delivered = delivery.deliver(rules, world, |_| input.message(job, &user));
        delivered.map_or_else(later, |(report, _)| report)
    }

    /// The rules for a job: none if loading them may be what kills workers.
    fn rules(&mut self, job: &Job, user: &User) -> Result<&ActiveRules, String> {
        match job.filtering {
            Filtering::Rules | Filtering::Inbox => {
                self.rules.of(user, self.settings.site.as_deref())
            }
            Filtering::NoRules => Ok(self.rules.none()),
        }
    }

    /// Whether everything is stored that a dead worker was storing. If a journal is left,
    /// the next try continues with it.
    fn recover(&mut self, job: &Job, input: JobInput) -> bool {
        if self.store.is_some() {
            // The other store recognizes what it already has when it is given that again.
            return false;
        }
        let recovered = catch_unwind(AssertUnwindSafe(|| {
            let user = user_of(&job.account, &self.settings).ok()?;
            let world = world_of(job, user.clone());
            let rules = self.rules(job, &user).ok()?;
            let location = mda::location(None, &rules.set.user, &world).ok()?;
            let message = input.message(job, &user).ok()?;
            let (sender, recipients) =
                (world.envelope_sender(&message), world.envelope_recipients(&message));
            let key = journal::key(&message, sender.as_deref(), &recipients).ok()?;
            let noted = match &world.state {
                Some(state) => journal::noted_files(state, key).ok()?,
                None => None,
            };
            recover(&location, job.id, noted.as_deref()).ok()
        }));
        matches!(recovered, Ok(Some(RecoverOutcome::Stored)))
    }
}

fn world_of(job: &Job, user: User) -> World {
    let name = job.account.name.clone();
    let home = job.account.home.to_string_lossy().into_owned();
    let variables = [("LOGNAME", name.clone()), ("USER", name), ("HOME", home)];
    let original = job.original.as_ref().filter(|original| **original != job.recipient);
    World {
        sender: Some(job.sender.clone()),
        recipients: vec![job.recipient.clone()],
        alias: original.cloned(),
        extension: Some(job.detail.clone().unwrap_or_default()),
        variables: variables.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
        state: StateDir::of(&user),
        user,
        ..World::default()
    }
}

/// Sets the limits of this process; what cannot be limited stays as it is.
fn limit(limits: &WorkerLimits) {
    for (resource, most) in [(Resource::As, limits.memory), (Resource::Nofile, limits.files)] {
        let maximum = getrlimit(resource).maximum;
        let most = maximum.map_or(most, |maximum| maximum.min(most));
        let _ = setrlimit(resource, Rlimit { current: Some(most), maximum });
    }
}

/// Lets the system kill the worker once it has used this much more processor time.
/// `allowed` is the limit that was set last, in seconds, so that it is set again only when
/// it changes.
fn allow_processor_time(limits: &WorkerLimits, allowed: &mut Option<u64>) {
    let used = clock_gettime(ClockId::ProcessCPUTime).tv_sec;
    let most = u64::try_from(used).unwrap_or(0) + limits.processor.as_secs().max(1) + 1;
    if allowed.replace(most) == Some(most) {
        return;
    }
    let maximum = getrlimit(Resource::Cpu).maximum;
    let current = Some(maximum.map_or(most, |maximum| maximum.min(most)));
    let _ = setrlimit(Resource::Cpu, Rlimit { current, maximum });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lmtp::accounts::Account;

    fn job(home: &std::path::Path) -> Job {
        Job {
            id: 7,
            account: Account { name: "taro".into(), home: home.into(), uid: 1, gid: 2 },
            sender: "a@b.example".into(),
            recipient: "taro+x@a.example".into(),
            mailbox: "taro@a.example".into(),
            original: Some("info@a.example".into()),
            detail: Some("x".into()),
            filtering: Filtering::Rules,
        }
    }

    /// Settings that keep the state of users in a test's own directory.
    fn settings(directory: &std::path::Path) -> LmtpSettings {
        LmtpSettings { state: directory.join("state"), ..LmtpSettings::default() }
    }

    fn files(directory: &std::path::Path) -> Vec<String> {
        let mut all: Vec<String> = std::fs::read_dir(directory)
            .into_iter()
            .flatten()
            .map(|entry| std::fs::read_to_string(entry.unwrap().path()).unwrap())
            .collect();
        all.sort();
        all
    }

    #[test]
    fn a_job_is_filed_by_the_rules_and_found_again() {
        let home = tempfile::tempdir().unwrap();
        let rules = "when envelope-to is \"info@a.example\" and env \"LOGNAME\" is \"taro\" -> \
                     folder \"A\"\n";
        std::fs::write(home.path().join(".mailrules"), rules).unwrap();
        let (settings, rules) = (settings(home.path()), RuleCache::default());
        let mut worker = Worker { settings, rules, store: None, front: None };
        let input = || JobInput::Memory(b"Subject: x\n\nhi\n".to_vec());
        let job = job(home.path());
        let answer = worker.deliver(&job, input());
        let outcome = Outcome::Delivered;
        assert_eq!(answer, WorkerAnswer::Done { outcome, folders: vec!["A".into()], broke: false });
        let wanted =
            "Return-Path: <a@b.example>\nDelivered-To: taro+x@a.example\nSubject: x\n\nhi\n";
        assert_eq!(files(&home.path().join("Maildir/.A/new")), [wanted]);
        assert!(worker.recover(&job, input()));
        assert!(!worker.recover(&Job { id: 8, ..job.clone() }, input()));

        // A change of the rules takes effect at once, and a message that kills workers
        // bypasses them.
        std::fs::write(home.path().join(".mailrules"), "folder \"B\"\n").unwrap();
        worker.deliver(&job, input());
        assert_eq!(files(&home.path().join("Maildir/.B/new")).len(), 1);
        worker.deliver(&Job { filtering: Filtering::Inbox, ..job }, input());
        let inbox = files(&home.path().join("Maildir/new"));
        assert_eq!(inbox.len(), 2, "the message and the notice");
        assert!(inbox[0].contains("not filtered") && inbox[1] == wanted, "{inbox:?}");
    }

    #[test]
    fn the_first_mail_creates_a_home() {
        let top = tempfile::tempdir().unwrap();
        std::fs::write(top.path().join("mounted"), "").unwrap();
        let job = job(&top.path().join("a.example/taro"));
        let deliver = |below: Option<&std::path::Path>| {
            let create_homes_below = below.map(Into::into);
            let settings = LmtpSettings { create_homes_below, ..settings(top.path()) };
            let mut worker =
                Worker { settings, rules: RuleCache::default(), store: None, front: None };
            worker.deliver(&job, JobInput::Memory(b"Subject: x\n\nhi\n".to_vec()));
            files(&job.account.home.join("Maildir/new")).len()
        };
        assert_eq!(deliver(None), 0);
        assert_eq!(deliver(Some("/elsewhere".as_ref())), 0);
        assert_eq!(deliver(Some(top.path())), 1);
    }

    #[test]
    fn rules_that_must_not_be_loaded_are_not() {
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join(".mailrules"), "set maildir \"~/Other\"\n").unwrap();
        let settings = LmtpSettings { own_uids: true, ..settings(home.path()) };
        let rules = RuleCache::default();
        let mut worker = Worker { settings, rules, store: None, front: None };
        let input = || JobInput::Memory(b"Subject: x\n\nhi\n".to_vec());
        for (filtering, maildir) in
            [(Filtering::Inbox, "Other/new"), (Filtering::NoRules, "Maildir/new")]
        {
            let job = Job { filtering, ..job(home.path()) };
            worker.deliver(&job, input());
            assert_eq!(files(&home.path().join(maildir)).len(), 2, "the message and the notice");
            assert!(worker.recover(&job, input()), "looked for where it was stored");
        }
    }

    #[test]
    fn what_cannot_be_reported_is_not_stored() {
        let home = tempfile::tempdir().unwrap();
        let (front, ours) = UnixStream::pair().unwrap();
        let (settings, rules) = (settings(home.path()), RuleCache::default());
        let caller = Some(Caller::at(ours.into()));
        let mut worker = Worker { settings, rules, store: None, front: caller };
        let job = job(home.path());
        let mut deliver = || {
            worker.deliver(&job, JobInput::Memory(b"Subject: x\n\nhi\n".to_vec()));
            files(&home.path().join("Maildir/new")).len()
        };
        assert_eq!(deliver(), 1);
        drop(front);
        assert_eq!(deliver(), 1);
        assert!(files(&home.path().join("Maildir/tmp")).is_empty());
    }
}
