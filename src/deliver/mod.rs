//! Carrying out a plan: the only room that writes mail.
//!
//! All copies are staged first (written and synced in `tmp/`), then all are committed
//! (renamed and the directory synced). A failure while staging leaves nothing. A failure
//! while committing takes back what was committed before, so that the MTA's retry does
//! not store it twice; a copy that a mail reader has moved by then stays, so the retry
//! duplicates it.
//!
//! - `reject` and `discard` after copies: the copies are stored, then the message is
//!   refused or dropped. If they cannot be stored, the message is deferred.
//! - `defer` after copies: nothing is stored, since every retry would store
//!   the copies again; they are stored when a retry is no longer deferred.
//! - Steps that store nothing follow when everything is stored: programs and forwarding,
//!   then edits of lists, answers. If one of them has to succeed and does not, the message
//!   is deferred, and the journal tells the retry what is done ([`crate::state::journal`]).
//!   Without a journal, what was stored is taken back.
//! - What rules may ask about, lists and `duplicate`, changes only when nothing can defer
//!   the message any more: the rules of a retry would take it for a later message, and
//!   might discard it.
//! - What an earlier try has delivered is not refused, although its outcome did not
//!   arrive: a rule that refuses may ask about what that try has changed.
//! - If `sendmail` permanently refuses to forward a message, no retry helps: it is stored
//!   in the inbox instead, unless a copy of it is already there.
//! - If the caller who waits for the outcome is gone, the message will come again:
//!   nothing is stored, or what was stored is taken back, or it is in the journal.
//! - If the Maildir's quota has no room, nothing is stored: the exit code is 75, or the
//!   message is refused where the site says so, unless something of it is done already.
//! - A folder whose name is too long for its file system is replaced by the inbox, with a
//!   note: the name comes from the message, and would never fit.

pub mod filter;
pub mod list_edit;
pub mod notice;
pub mod program;
pub mod context;
pub mod sendmail;

mod effect;
mod hand_over;
mod in_maildir;
mod progress;
mod reply;
mod work_list;

use std::path::PathBuf;

use context::DeliveryContext;
use effect::edit_together;
use in_maildir::StagedCopy;
use progress::{is_done, open_journal, was_settled};
use work_list::{Copy, EffectRank, WorkList, read_plan};

use crate::maildir::Location;
use crate::message::Message;
use crate::outcome::{Failure, Outcome};
use crate::plan::{Folder, Plan};
use crate::rules::program::OverQuota;
use crate::state::journal::Journal;

pub use effect::edit_lists;
pub use hand_over::RemoteMailbox;

/// What became of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryReport {
    /// How it ended.
    pub outcome: Outcome,
    /// Each copy that was stored and stayed, in the order of the plan.
    pub stored: Vec<StoredCopy>,
    /// Each other step that was done, in the order in which they were done.
    pub done: Vec<usize>,
    /// Folders that did not exist and had to be created.
    pub created_folders: Vec<Folder>,
    /// What went differently from what the rules asked, for the log.
    pub notes: Vec<String>,
}

impl DeliveryReport {
    /// The report of a delivery that did nothing.
    pub fn of(outcome: Outcome) -> DeliveryReport {
        DeliveryReport {
            outcome,
            stored: Vec::new(),
            done: Vec::new(),
            created_folders: Vec::new(),
            notes: Vec::new(),
        }
    }
}

/// One stored copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredCopy {
    /// Which step of the plan; none for the inbox of a plan without an end.
    pub step: Option<usize>,
    /// The folder as people name it.
    pub folder: Folder,
    /// The file; none if the store is not a Maildir.
    pub path: Option<PathBuf>,
    /// [`crate::state::identity::HeaderHash::hash`] of what is in the file, if that
    /// identifies the message; known only of a delivery.
    pub hash: Option<u64>,
}

/// Where copies are stored.
#[derive(Debug, Clone, Copy)]
pub enum Store<'a> {
    /// A Maildir.
    Maildir(&'a Location),
    /// A mailbox of another store.
    Remote(RemoteMailbox<'a>),
}

impl Store<'_> {
    /// Whether nothing else than a journal can tell that one of these copies is stored. Where
    /// a full mailbox refuses mail, a retry has to know it, too.
    fn asks_for_journal(&self, copies: usize) -> bool {
        let Store::Remote(mailbox) = self else { return false };
        let may_refuse = copies > 1 && mailbox.over_quota == OverQuota::Permanent;
        may_refuse || !mailbox.store.knows_ids()
    }
}

impl<'a> From<&'a Location> for Store<'a> {
    fn from(location: &'a Location) -> Store<'a> {
        Store::Maildir(location)
    }
}

/// What storing needs besides the copies.
#[derive(Clone, Copy)]
struct Target<'a> {
    store: Store<'a>,
    /// The message as it arrived.
    original: &'a Message,
    context: &'a DeliveryContext,
}

/// Carries out a plan. A step that cannot be done defers the message, except `run`,
/// `reply` and edits of lists, whose failure is only reported. `messages` are the message
/// as it arrived, then the output of each filter that was applied.
pub fn deliver<'a>(
    plan: &Plan,
    messages: &[&Message],
    store: impl Into<Store<'a>>,
    context: &DeliveryContext,
) -> DeliveryReport {
    let (work, end) = read_plan(plan, messages);
    let mut report = DeliveryReport::of(end);
    if matches!(report.outcome, Outcome::Refused { .. } | Outcome::Deferred { .. }) {
        // Because of what a delivery changes at its end, lists for example, rules may refuse
        // its own retry.
        match was_settled(messages, context) {
            Ok(true) => {
                report.outcome = Outcome::Delivered;
                report
                    .notes
                    .push("neither refused nor deferred: an earlier try has delivered it".into());
                return report;
            }
            Ok(false) => {}
            Err(outcome) => return DeliveryReport { outcome, ..report },
        }
    }
    let nothing = work.copies.is_empty() && work.effects.is_empty();
    let Some(original) = messages.first() else { return report };
    if matches!(report.outcome, Outcome::Deferred { .. }) || nothing {
        return report;
    }
    let target = Target { store: store.into(), original, context };
    if context.is_abandoned() {
        return DeliveryReport { outcome: abandoned(), ..report };
    }
    let mut journal = match open_journal(plan, &work, messages, target, &mut report) {
        Ok(journal) => journal,
        Err(outcome) => return DeliveryReport { outcome, ..report },
    };
    let mut stored = Vec::new();
    let done = carry_out(plan, &work, target, &mut journal, &mut stored, &mut report);
    if let Err(outcome) = done {
        if journal.is_none() {
            report.take_back(stored, target.store);
        }
        let outcome = unless_begun(outcome, &journal);
        return DeliveryReport { outcome, ..report };
    }
    if let Some(journal) = journal {
        journal.finish();
    }
    report
}

/// Stores the copies, and then does the rest. An error if the message has to be tried
/// again; `stored` is what has been stored until then.
fn carry_out<'w>(
    plan: &Plan,
    work: &'w WorkList<'w>,
    target: Target<'_>,
    journal: &mut Option<Journal>,
    stored: &mut Vec<StagedCopy<'w>>,
    report: &mut DeliveryReport,
) -> Result<(), Outcome> {
    let context = target.context;
    let has_effects = !work.effects.is_empty();
    stored.extend(store(&work.copies, has_effects, target, journal, report)?);
    let mut are_lists_edited = false;
    for effect in &work.effects {
        let is_asked_about = matches!(effect.rank, EffectRank::ListEdit | EffectRank::Remember);
        if let Some(journal) = journal.as_mut().filter(|_| is_asked_about)
            && let Err(error) = journal.note_settled()
        {
            report.notes.push(format!("what has been done cannot be recorded: {error}"));
        }
        if effect.rank != EffectRank::ListEdit {
            stored.extend(effect.carry_out(plan, target, journal, report)?);
        } else if !std::mem::replace(&mut are_lists_edited, true) {
            // All at once.
            let steps = work.effects.iter().map(|effect| effect.step);
            edit_together(plan, steps, context, report);
        }
    }
    // What was done with effects can be passed to the next try only by a journal.
    match (journal.is_some() || !has_effects) && context.is_abandoned() {
        true => Err(abandoned()),
        false => Ok(()),
    }
}

/// Mail is not refused for want of room when something of it has been stored or sent on.
fn unless_begun(outcome: Outcome, journal: &Option<Journal>) -> Outcome {
    match outcome {
        Outcome::Refused { text, .. } if journal.as_ref().is_some_and(Journal::has_done) => {
            Outcome::Deferred { status: "4.2.2".into(), text }
        }
        outcome => outcome,
    }
}

fn abandoned() -> Outcome {
    Outcome::deferred("the client is gone and will send the message again")
}

impl DeliveryReport {
    /// Takes back what was stored.
    fn take_back(&mut self, stored: Vec<StagedCopy<'_>>, store: Store<'_>) {
        let freed = in_maildir::take_back(stored, self);
        if let Store::Maildir(location) = store {
            in_maildir::update_quota(location, freed.negative(), self);
        }
        self.forget_stored();
    }

    /// What was stored in a Maildir and taken back is not reported.
    fn forget_stored(&mut self) {
        self.stored.retain(|copy| copy.path.is_none());
    }
}

/// Stages and commits all copies that an earlier try did not. With a journal each is
/// noted once it is stored; without one, those stored before a failure are taken back.
/// `is_needed_later` says whether the message is still needed after it is stored.
fn store<'c>(
    copies: &'c [Copy<'c>],
    is_needed_later: bool,
    target: Target<'_>,
    journal: &mut Option<Journal>,
    report: &mut DeliveryReport,
) -> Result<Vec<StagedCopy<'c>>, Outcome> {
    let mut missing = Vec::with_capacity(copies.len());
    for copy in copies {
        if is_done(journal, copy.id) {
            report.notes.push(format!("done by an earlier try: {}", copy.kind.sentence()));
        } else {
            missing.push(copy);
        }
    }
    if missing.is_empty() {
        return Ok(Vec::new());
    }
    let Target { store, original, context } = target;
    let is_remote = matches!(store, Store::Remote(_));
    if missing.len() > 1 || is_needed_later || is_remote {
        for copy in &missing {
            copy.message.spool().map_err(|error| {
                Failure::new("keep the message in", std::env::temp_dir(), error)
            })?;
        }
    }
    match store {
        Store::Maildir(location) => in_maildir::store(&missing, location, context, journal, report),
        Store::Remote(mailbox) => {
            hand_over::store(&missing, original, mailbox, context, journal, report)?;
            Ok(Vec::new())
        }
    }
}

#[cfg(test)]
mod tests;
