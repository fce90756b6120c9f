//! Handing copies over to another store: stage and commit as in a Maildir, except that
//! nothing is undone. A copy has an id by which the store recognizes a retry of it, or
//! the journal says where it was being put. So what was stored before a later step
//! failed is not stored twice.

use std::time::{Duration, Instant};

use crate::hand_over::{CopyToStore, HandOver, HandOverError, HandOverNotes, MailStore};
use crate::message::{Message, path};
use crate::outcome::Outcome;
use crate::rules::program::OverQuota;
use crate::state::journal::{self, Journal};
use crate::state::lock_file::LockFile;
use crate::state::secret_key::SecretKey;
use crate::state::slots::Key;

use super::context::DeliveryContext;
use super::progress::note_step;
use super::work_list::Copy;
use super::{DeliveryReport, StoredCopy};

/// The file in the state directory with the key of ids.
const KEY_FILE: &str = "store-key";
/// Where the locks are.
const LOCKS: &str = "hand-over";
/// How long a hand-over waits for another one to the same mailbox: a server may forget
/// what it was given when it gets two at once.
const LOCK_TIMEOUT: Duration = Duration::from_secs(60);

/// What the log says if no journal can be kept.
const NO_JOURNAL: &str = "no journal can be kept: a retry of this hand-over may double";

/// How long before the delivery's deadline the hand-over ends, so that the waiting
/// process gets the result and does not kill this one.
const REPORT_MARGIN: Duration = Duration::from_secs(20);

/// A mailbox of another store.
#[derive(Debug, Clone, Copy)]
pub struct RemoteMailbox<'a> {
    /// Where it is.
    pub store: &'a MailStore,
    /// Its address there, without detail: never what a sender wrote.
    pub address: &'a str,
    /// What happens to mail for which there is no room.
    pub over_quota: OverQuota,
    /// Whether folders that have to be created are subscribed.
    pub subscribe: bool,
}

/// Hands copies over, and reports each stored one to the report and the journal.
pub(super) fn store(
    copies: &[&Copy<'_>],
    original: &Message,
    mailbox: RemoteMailbox<'_>,
    context: &DeliveryContext,
    journal: &mut Option<Journal>,
    report: &mut DeliveryReport,
) -> Result<(), Outcome> {
    let ids = match mailbox.store.knows_ids() {
        true => ids(copies, original, mailbox.address, context, report)?,
        false => vec![String::new(); copies.len()],
    };
    if !mailbox.store.knows_ids() && journal.is_none() {
        report.notes.push(NO_JOURNAL.into());
    }
    let deadline = context.deadline.checked_sub(REPORT_MARGIN).unwrap_or(context.deadline);
    let _lock = lock_mailbox(mailbox.address, context, deadline, report)?;
    let to_store: Vec<CopyToStore<'_>> = copies
        .iter()
        .zip(&ids)
        .map(|(copy, id)| CopyToStore {
            id,
            folder: copy.folder,
            flags: copy.flags,
            message: copy.message,
            edits: &copy.edits,
        })
        .collect();
    let hand_over = HandOver {
        mailbox: mailbox.address,
        sender: context.sender.as_deref().unwrap_or_default(),
        copies: &to_store,
        subscribe: mailbox.subscribe,
    };
    let staged = mailbox.store.stage(&hand_over, deadline);
    let mut staged = staged.map_err(|error| outcome(&error, mailbox))?;
    let stored_before = report.stored.len();
    let done = staged.commit(&mut Record { copies, journal, report });
    report.notes.extend(staged.notes());
    done.map_err(|error| {
        // Mail is not refused when a copy of it has been stored.
        let is_stored = report.stored.len() > stored_before;
        let over_quota = if is_stored { OverQuota::Temporary } else { mailbox.over_quota };
        outcome(&error, RemoteMailbox { over_quota, ..mailbox })
    })?;
    if let Some(journal) = journal {
        let _ = journal.sync();
    }
    Ok(())
}

/// Passes the progress of a hand-over on to the report and the journal.
struct Record<'a, 'c> {
    copies: &'a [&'c Copy<'c>],
    journal: &'a mut Option<Journal>,
    report: &'a mut DeliveryReport,
}

impl HandOverNotes for Record<'_, '_> {
    fn note_stored(&mut self, number: usize) {
        let Record { copies, journal, report } = self;
        let Some(copy) = copies.get(number) else { return };
        let (step, folder) = (copy.step, copy.folder.clone());
        report.stored.push(StoredCopy { step, folder, path: None, hash: None });
        if let (Some(journal), Some(id)) = (journal.as_mut(), copy.id) {
            note_step(journal, id, &copy.kind.sentence(), None, report);
        }
    }

    fn attempt(&self, number: usize) -> Option<String> {
        let journal = self.journal.as_ref()?;
        journal.attempt(self.copies.get(number)?.id?).map(str::to_owned)
    }

    fn note_attempt(&mut self, number: usize, text: &str) {
        let id = self.copies.get(number).and_then(|copy| copy.id);
        if let (Some(journal), Some(id)) = (self.journal.as_mut(), id)
            && let Err(error) = journal.note_attempt(id, text)
        {
            self.report.notes.push(format!("{NO_JOURNAL}: {error}"));
        }
    }
}

/// The ids by which the store knows the copies: a code of the message as it came, its
/// envelope and the step. A retry from an MTA's queue has the same bytes and so the same
/// ids, and every other delivery has another queue id in its Received lines.
///
/// Unlike the journal's key, this one covers the line of a program that fetches mail.
/// Without it, a message that a user has deleted and fetches again would seem to be a
/// retry: the store would drop it, for days, and the provider's copy would be deleted.
/// With it, a copy is stored twice if its reply was lost, as it is where no key can be
/// kept. What the journal knows to be stored is not handed over again.
fn ids(
    copies: &[&Copy<'_>],
    original: &Message,
    mailbox: &str,
    context: &DeliveryContext,
    report: &mut DeliveryReport,
) -> Result<Vec<String>, Outcome> {
    let unread = |error: &dyn std::fmt::Display| {
        Outcome::deferred(format!("cannot read the message: {error}"))
    };
    let key = match context.state.as_ref().and_then(|state| SecretKey::make(state, KEY_FILE)) {
        Some(key) => key,
        None => {
            report.notes.push("no key can be kept: a retry of this hand-over would double".into());
            SecretKey::temporary().map_err(|error| unread(&error))?
        }
    };
    let message = journal::key_as_fetched(original, context.sender.as_deref(), &context.recipients);
    let Key(message) = message.map_err(|error| unread(&error))?;
    let code = |copy: &&Copy<'_>| {
        let step = copy.id.map(|id| id.to_string()).unwrap_or_default();
        let parts: [&[u8]; 4] = [b"copy 1", mailbox.as_bytes(), &message, step.as_bytes()];
        let Key(of_copy) = Key::of(&parts);
        key.code(&of_copy)
    };
    Ok(copies.iter().map(code).collect())
}

/// The exclusive right to hand over to a mailbox. None if there is no place for the lock.
fn lock_mailbox(
    mailbox: &str,
    context: &DeliveryContext,
    deadline: Instant,
    report: &mut DeliveryReport,
) -> Result<Option<LockFile>, Outcome> {
    let Some(state) = &context.state else { return Ok(None) };
    let deadline = deadline.min(Instant::now() + LOCK_TIMEOUT);
    let name = Key::of(&[path::address(mailbox).canonical().as_bytes()]).name();
    match LockFile::wait(state, LOCKS, &name, deadline) {
        Ok(Some(lock)) => Ok(Some(lock)),
        Ok(None) => Err(Outcome::Deferred {
            status: "4.2.1".into(),
            text: "other mail is handed over to this mailbox".into(),
        }),
        Err(error) => {
            report.notes.push(format!("hand-overs cannot wait for one another: {error}"));
            Ok(None)
        }
    }
}

/// The outcome that is reported to the MTA. The store's refusal is never passed on: it may
/// be about the message or about how the two servers are set up, and the MTA itself bounces
/// what has been deferred for days. For a full mailbox, the site decides.
fn outcome(error: &HandOverError, mailbox: RemoteMailbox<'_>) -> Outcome {
    let text = format!("the store {}: {error}", mailbox.store.address().place());
    let status = match error {
        HandOverError::Refused(refusal) if refusal.is_full => {
            let text = format!("the mailbox is full: {text}");
            return match mailbox.over_quota {
                OverQuota::Temporary => Outcome::Deferred { status: "4.2.2".into(), text },
                OverQuota::Permanent => {
                    let text = String::from("the mailbox is full");
                    Outcome::Refused { status: "5.2.2".into(), text }
                }
            };
        }
        HandOverError::Refused(refusal) => &refusal.status,
        HandOverError::Away(_) => "4.4.1",
        HandOverError::Broken(_) => "4.4.2",
        HandOverError::TooLarge { .. } => "4.3.4",
        HandOverError::Unsayable(_) | HandOverError::Login { .. } | HandOverError::Setup(_) => {
            "4.3.5"
        }
        HandOverError::Unread(_) => "4.3.0",
    };
    Outcome::Deferred { status: status.into(), text }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::deliver::{Store, deliver};
    use crate::flags::Flags;
    use crate::hand_over::address::{ImapAddress, StoreAddress, StorePlace};
    use crate::hand_over::imap::testing::{ImapBehaviour, ImapStore};
    use crate::hand_over::lmtp::testing::{Behaviour, TestStore};
    use crate::plan::{DeliveryWord, Folder, Plan, Step, StepKind};
    use crate::state::StateDir;

    fn plan(folders: &[&str]) -> Plan {
        let step = |(number, name): (usize, &&str)| {
            let is_last = number + 1 == folders.len();
            let as_ = if is_last { DeliveryWord::Folder } else { DeliveryWord::Copy };
            let folder = Folder { parts: vec![name.to_string()] };
            let kind = StepKind::Deliver { as_, folder, flags: Flags::default() };
            Step { kind, rule: None }
        };
        Plan { steps: folders.iter().enumerate().map(step).collect() }
    }

    fn hand_over(
        store: &TestStore,
        state: Option<&Path>,
        folders: &[&str],
        text: &str,
        over_quota: OverQuota,
    ) -> DeliveryReport {
        let message = Message::from_bytes(text.as_bytes().to_vec());
        let state = state.map(StateDir::at);
        let context = DeliveryContext { state, ..DeliveryContext::nothing() };
        let mailbox = RemoteMailbox {
            store: &store.store,
            address: "hana@x.example",
            over_quota,
            subscribe: true,
        };
        deliver(&plan(folders), &[&message], Store::Remote(mailbox), &context)
    }

    fn recipients(store: &TestStore) -> Vec<String> {
        store.transactions().into_iter().flat_map(|taken| taken.recipients).collect()
    }

    #[test]
    fn a_retry_has_the_same_ids_and_everything_else_has_others() {
        let (store, home) = (TestStore::start(Behaviour::default()), tempfile::tempdir().unwrap());
        let now = |folders: &[&str], text: &str| {
            let report = hand_over(&store, Some(home.path()), folders, text, OverQuota::Temporary);
            assert_eq!(report.outcome, Outcome::Delivered);
            assert_eq!(report.stored.len(), folders.len());
            assert_eq!(report.notes, Vec::<String>::new());
        };
        now(&["A", "A", "B"], "a\n\nb\n");
        now(&["A", "A", "B"], "a\n\nb\n");
        let all = recipients(&store);
        assert_eq!(all[..3], all[3..]);
        now(&["A"], "a\n\nc\n");
        let mut all: Vec<String> =
            all.into_iter().chain(recipients(&store).into_iter().skip(6)).collect();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), 4, "{all:?}");
        assert!(
            all.iter().all(|one| one.len() == "RCPT TO:<\"hana+mf::::A\"@x.example>".len() + 32)
        );
        // Another machine has another key.
        let other = tempfile::tempdir().unwrap();
        hand_over(&store, Some(other.path()), &["A"], "a\n\nc\n", OverQuota::Temporary);
        let known = recipients(&store);
        assert_ne!(known[6], known[7]);
        // Where no key can be kept, nobody can predict the id either.
        for _ in 0..2 {
            let report = hand_over(&store, None, &["A"], "a\n\nc\n", OverQuota::Temporary);
            assert!(report.notes[0].starts_with("no key can be kept"), "{report:?}");
        }
        let known = recipients(&store);
        assert_ne!(known[8], known[9]);
        // A message that is fetched again is not the retry of the first.
        let fetched = |time: &str| {
            let line = format!("Received: from pop by vm with POP3 (fetchmail-6.4.37); {time}\n");
            now(&["A"], &format!("{line}a: b\n\nc\n"));
            recipients(&store).pop()
        };
        assert_ne!(fetched("06:21:00"), fetched("06:23:00"));
    }

    /// What a later step fails for is not handed over again, even if the message is
    /// fetched again.
    #[test]
    fn a_retry_hands_over_what_is_missing() {
        let (store, home) = (TestStore::start(Behaviour::default()), tempfile::tempdir().unwrap());
        let mailbox = RemoteMailbox {
            store: &store.store,
            address: "hana@x.example",
            over_quota: OverQuota::Temporary,
            subscribe: true,
        };
        let ready = home.path().join("ready").display().to_string();
        let mut plan = plan(&["A", "B"]);
        plan.steps.truncate(1);
        let argv = ["/usr/bin/test", "-e", &ready].map(str::to_owned).into();
        plan.steps.push(Step { kind: StepKind::Pipe { argv }, rule: None });
        let deliver_at = |time: &str| {
            let line = format!("Received: from pop by vm with POP3 (fetchmail-6.4.37); {time}\n");
            let message = Message::from_bytes(format!("{line}a: b\n\nc\n").into_bytes());
            let state = Some(StateDir::at(home.path().join("state")));
            let context = DeliveryContext { state, ..DeliveryContext::nothing() };
            deliver(&plan, &[&message], Store::Remote(mailbox), &context)
        };
        assert_eq!(deliver_at("06:21:00").outcome.exit_code(), 75);
        std::fs::write(&ready, "").unwrap();
        let report = deliver_at("06:23:00");
        assert_eq!((report.outcome, recipients(&store).len()), (Outcome::Delivered, 1));
        assert_eq!(report.notes, ["done by an earlier try: copy \"A\""]);
    }

    #[test]
    fn two_hand_overs_to_a_mailbox_wait_for_one_another() {
        let (store, home) = (TestStore::start(Behaviour::default()), tempfile::tempdir().unwrap());
        let state = StateDir::at(home.path());
        let name = Key::of(&[path::address("hana@x.example").canonical().as_bytes()]).name();
        let hold = || LockFile::wait(&state, LOCKS, &name, Instant::now()).unwrap().unwrap();
        let now = || hand_over(&store, Some(home.path()), &["A"], "a\n\nb\n", OverQuota::Temporary);
        let lock = hold();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                std::thread::sleep(Duration::from_millis(300));
                drop(lock);
            });
            assert_eq!(now().outcome, Outcome::Delivered);
        });
        let lock = hold();
        let message = Message::from_bytes(b"a\n\nb\n".to_vec());
        let context = DeliveryContext {
            state: Some(StateDir::at(home.path())),
            deadline: Instant::now() + REPORT_MARGIN,
            ..DeliveryContext::nothing()
        };
        let mailbox = RemoteMailbox {
            store: &store.store,
            address: "hana@x.example",
            over_quota: OverQuota::Temporary,
            subscribe: true,
        };
        let report = deliver(&plan(&["A"]), &[&message], Store::Remote(mailbox), &context);
        let line = report.outcome.line().unwrap();
        assert_eq!(line, "4.2.1 other mail is handed over to this mailbox");
        drop(lock);
        // Where no lock can be made, mail flows on.
        std::fs::remove_dir_all(home.path().join(LOCKS)).unwrap();
        std::fs::write(home.path().join(LOCKS), "").unwrap();
        let report = now();
        assert_eq!(report.outcome, Outcome::Delivered);
        assert!(
            report.notes[0].starts_with("hand-overs cannot wait for one another"),
            "{report:?}"
        );
    }

    /// Whatever the store says, the mail is stored there or the MTA has it.
    #[test]
    fn a_refusal_of_the_store_is_not_passed_on() {
        let home = tempfile::tempdir().unwrap();
        let hand_over_with = |answer, over_quota| {
            let store = TestStore::start(Behaviour { answer, ..Behaviour::default() });
            let report = hand_over(&store, Some(home.path()), &["A", "B"], "a\n\nb\n", over_quota);
            (report.stored.len(), report.outcome.exit_code(), report.outcome.line().unwrap())
        };
        type Answer = fn(&str, usize) -> Option<String>;
        let cases: [(Answer, usize, &str); 6] = [
            (|at, _| at.starts_with("RCPT").then(|| "550 5.1.1 who\r\n".into()), 0, "4.3.5"),
            (|at, _| at.starts_with("RCPT").then(|| "451 4.3.0 later\r\n".into()), 0, "4.3.0"),
            (|at, n| (at == "." && n == 1).then(|| "552 5.3.4 large\r\n".into()), 1, "4.3.5"),
            (|at, _| (at == ".").then(|| "450 no\r\n".into()), 0, "4.3.0"),
            (|at, n| (at == "." && n == 1).then(|| "552 5.2.2 full\r\n".into()), 1, "4.2.2"),
            (|at, _| at.starts_with("RCPT").then(|| "552 full\r\n".into()), 0, "4.2.2"),
        ];
        for (answer, stored, status) in cases {
            let (count, code, line) = hand_over_with(answer, OverQuota::Temporary);
            assert_eq!((count, code), (stored, 75), "{line}");
            assert!(line.starts_with(status) && line.contains("the store unix:/"), "{line}");
        }
        let full: Answer = |at, _| at.starts_with("RCPT").then(|| "552 5.2.2 full\r\n".into());
        let (_, code, line) = hand_over_with(full, OverQuota::Permanent);
        assert_eq!((code, line.as_str()), (77, "5.2.2 the mailbox is full"));
        let later: Answer = |at, n| (at == "." && n == 1).then(|| "552 5.2.2 full\r\n".into());
        assert_eq!(hand_over_with(later, OverQuota::Permanent).1, 75, "a copy is there");
    }

    #[test]
    fn a_retry_is_not_refused_when_the_first_try_has_stored_a_copy() {
        let home = tempfile::tempdir().unwrap();
        let try_once = |answer| {
            let store = TestStore::start(Behaviour { answer, ..Behaviour::default() });
            let folders = &["A", "B"];
            let report =
                hand_over(&store, Some(home.path()), folders, "a\n\nb\n", OverQuota::Permanent);
            (report.stored.len(), report.outcome.exit_code())
        };
        let second_copy = |at: &str, n| (at == "." && n == 1).then(|| "552 5.2.2 full\r\n".into());
        assert_eq!(try_once(second_copy), (1, 75));
        let all = |at: &str, _| at.starts_with("RCPT").then(|| "552 5.2.2 full\r\n".into());
        assert_eq!(try_once(all), (0, 75), "a copy is there");
    }

    /// An IMAP server does not know ids: what was begun and what is done is in the
    /// journal, until everything is done.
    #[test]
    fn a_retry_knows_where_a_copy_was_being_put() {
        let home = tempfile::tempdir().unwrap();
        let password_file = home.path().join("password");
        std::fs::write(&password_file, "secret\n").unwrap();
        let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        std::fs::set_permissions(&password_file, private).unwrap();
        let server = ImapStore::start(ImapBehaviour::default());
        let place = StorePlace::Unix(server.socket());
        let login = "mfilter".to_owned();
        let address = ImapAddress { place, login, password_file };
        let store = MailStore::new(StoreAddress::Imap(address));
        let (over_quota, subscribe) = (OverQuota::Temporary, true);
        let mailbox =
            RemoteMailbox { store: &store, address: "hana@x.example", over_quota, subscribe };
        let message = Message::from_bytes(b"a: b\n\nc\n".to_vec());
        let state = home.path().join("state");
        let deliver_once = |state: Option<&Path>| {
            let state = state.map(StateDir::at);
            let context = DeliveryContext { state, ..DeliveryContext::nothing() };
            let plan = plan(&["A", "A", "B"]);
            deliver(&plan, &[&message], Store::Remote(mailbox), &context)
        };
        let there = || -> usize {
            server.folders("hana@x.example").values().map(|folder| folder.messages.len()).sum()
        };
        let left = || std::fs::read_dir(state.join("half-done")).map_or(0, Iterator::count);
        // Without its last answers, then with fewer and fewer.
        let mut tries = 0;
        for says in (0..900).rev().step_by(10) {
            server.behave(ImapBehaviour { says, ..ImapBehaviour::default() });
            let before = there();
            let report = deliver_once(Some(&state));
            if report.outcome == Outcome::Delivered {
                assert_eq!((there(), report.stored.len(), left()), (before + 3, 3, 0));
                continue;
            }
            tries += 1;
            let has_begun = there() > before;
            assert!(!has_begun || left() == 1, "{says}");
            server.behave(ImapBehaviour::default());
            let report = deliver_once(Some(&state));
            assert_eq!(report.outcome, Outcome::Delivered, "{says}: {report:?}");
            assert_eq!((there(), left()), (before + 3, 0), "{says}: {report:?}");
        }
        assert!(tries > 20, "{tries}");
        let report = deliver_once(None);
        assert_eq!(report.outcome, Outcome::Delivered);
        assert!(report.notes[0].starts_with("no journal can be kept"), "{report:?}");
    }
}
