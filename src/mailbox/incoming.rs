//! Filing messages by the rules in folders that other programs fill: one rename sets
//! place and flags, then come the log lines and the edits of lists that a delivery would
//! make, once for each message.

use std::collections::HashSet;
use std::path::Path;

use super::judge::{Judge, JudgedMessage, Judgement, MessageSummary};
use super::refile::{Refile, RefileTarget};
use crate::deliver::context::DeliveryContext;
use crate::deliver::{DeliveryReport, StoredCopy, edit_lists};
use crate::flags::Flags;
use crate::maildir::Place;
use crate::maildir::entry::Entry;
use crate::maildir::folder::MaildirFolder;
use crate::maildir::mover::{MoveRequest, Mover};
use crate::maildir::name;
use crate::outcome::{Failure, Outcome};
use crate::plan::{Plan, Step, StepKind};
use crate::state::StateDir;
use crate::state::memory::Memory;
use crate::state::pending_edits::{Edit, PendingEdits, PendingEditsFile};
use crate::state::places::{OwnMove, PlacesFile};

/// How often we look again for messages that were renamed in the meantime.
const ROUNDS: usize = 5;

/// Files messages.
pub struct Filer<'a> {
    /// Judges messages by the rules.
    pub judge: Judge<'a>,
    /// Records that it was not the user who moved them; none if nothing is learned from
    /// moves.
    pub places_file: Option<&'a PlacesFile>,
    /// Where lists are locked.
    pub state: &'a StateDir,
    /// The message that is being filed, for a restart after a kill.
    pub pending: &'a PendingEditsFile<'a>,
    /// Which messages were put where, and which are finished.
    pub memory: &'a Memory<'a>,
    /// Messages that are in other folders, or were a moment ago.
    pub elsewhere: &'a HashSet<u64>,
    /// Whether there are rules: without them, messages may be filed later.
    pub has_rules: bool,
    /// The user's home, outside which no list is edited.
    pub home: Option<&'a Path>,
}

/// What became of a message.
#[derive(Debug)]
pub struct FilingOutcome {
    /// Its file as it arrived.
    pub entry: Entry,
    /// What is known about it.
    pub summary: MessageSummary,
    /// What became of it.
    pub disposition: Disposition,
    /// What the rules ask for, as far as it was not done before.
    pub plan: Plan,
    /// What of that was done; a moved message counts as stored.
    pub report: DeliveryReport,
}

/// What became of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Disposition {
    /// It was moved or flagged.
    Moved,
    /// It stays where it is, unchanged.
    Stays,
    /// Somebody else has moved or removed it.
    Vanished,
    /// It stays for now: it could not be judged or moved.
    Failed(String),
}

impl FilingOutcome {
    fn new(entry: Entry, summary: MessageSummary, disposition: Disposition) -> FilingOutcome {
        let report = DeliveryReport::of(Outcome::Delivered);
        FilingOutcome { entry, summary, disposition, plan: Plan::default(), report }
    }
}

impl Filer<'_> {
    /// Files these messages of a folder. Only what a rule asks for is done: reaching the
    /// end of the rules does not bring mail from other folders into the inbox.
    ///
    /// # Errors
    /// The folder cannot be opened.
    pub fn file(
        &self,
        place: &Place,
        entries: &[Entry],
        report: &mut dyn FnMut(FilingOutcome),
    ) -> Result<(), Failure> {
        let mut mover = Mover::open(self.judge.location)?;
        let folder = mover.folder(place)?;
        self.resume(&folder, place);
        // Mail that mfilter delivered was judged then, with its envelope known.
        let (own, mut entries): (Vec<Entry>, Vec<Entry>) =
            entries.iter().cloned().partition(|entry| name::is_ours(&entry.name));
        for entry in own {
            report(FilingOutcome::new(entry, MessageSummary::default(), Disposition::Stays));
        }
        for round in 1..=ROUNDS {
            let mut missing = Vec::new();
            let mut rest = entries.as_slice();
            let mut batch_size = rest.len();
            while !rest.is_empty() {
                let (mut count, mut was_edited) = (0, false);
                let next = rest.get(..batch_size).unwrap_or(rest);
                self.judge.judge_entries(&folder, place, next, |judged| {
                    count += 1;
                    if matches!(judged.verdict, Judgement::Missing) && round < ROUNDS {
                        missing.push(judged.entry);
                        return true;
                    }
                    let outcome = self.file_judged(&mut mover, place, judged);
                    was_edited = !outcome.report.done.is_empty();
                    report(outcome);
                    !was_edited
                })?;
                if count == 0 {
                    // It was told to stop.
                    break;
                }
                rest = rest.get(count..).unwrap_or_default();
                // Later messages are judged with the list as it is now.
                batch_size = if was_edited { 1 } else { batch_size.saturating_mul(2) };
            }
            if missing.is_empty() {
                break;
            }
            // It was flagged, or moved to `cur`, while it was being judged.
            let mut listed = folder.by_key();
            entries.clear();
            for entry in missing {
                match listed.remove(&entry.key()) {
                    Some(now) => entries.push(now),
                    None => report(FilingOutcome::new(
                        entry,
                        MessageSummary::default(),
                        Disposition::Vanished,
                    )),
                }
            }
        }
        Ok(())
    }

    fn file_judged(
        &self,
        mover: &mut Mover<'_>,
        place: &Place,
        judged: JudgedMessage,
    ) -> FilingOutcome {
        let JudgedMessage { entry, summary, verdict } = judged;
        let Refile { plan, to, skipped } = match verdict {
            Judgement::Missing => return FilingOutcome::new(entry, summary, Disposition::Vanished),
            Judgement::Problem(why) => {
                return FilingOutcome::new(entry, summary, Disposition::Failed(why));
            }
            Judgement::Refile(refile) => *refile,
        };
        // It was judged before, or was in another folder: the user has put it here.
        let fingerprint = &summary.fingerprint;
        if self.memory.who(&fingerprint.identity, place.directories()).is_some()
            || self.elsewhere.contains(&fingerprint.hash)
        {
            return FilingOutcome::new(entry, summary, Disposition::Stays);
        }
        let mut outcome =
            FilingOutcome { plan, ..FilingOutcome::new(entry, summary, Disposition::Stays) };
        let words = skipped.iter().map(|skip| format!("no {}: {}", skip.action, skip.why));
        outcome.report.notes.extend(words);
        let to = to.filter(|to| to.rule.is_some());
        self.note_edits(&mut outcome, place, to.is_some());
        let mut moved_to = None;
        if let Some(to) = to {
            self.move_to(mover, place, &to, &mut outcome);
            moved_to = Some(to.place);
        }
        if matches!(outcome.disposition, Disposition::Moved | Disposition::Stays) {
            self.edit_lists(&mut outcome);
            let to = match &outcome.disposition {
                Disposition::Moved => moved_to.as_ref().unwrap_or(place),
                _ => place,
            };
            if self.has_rules {
                self.remember(&mut outcome, place, to);
            }
        }
        // If the record stays, it is done again, which changes nothing.
        let _ = self.pending.remove();
        outcome
    }

    /// Records which lists have to be edited for a message before it is moved.
    fn note_edits(&self, outcome: &mut FilingOutcome, from: &Place, moves: bool) {
        let key = outcome.entry.key();
        let defers = |kind: &StepKind| matches!(kind, StepKind::Defer { .. });
        let edits = outcome.plan.steps.iter().filter_map(|step| Edit::of(&step.kind));
        let edits: Vec<Edit> = edits.collect();
        if edits.is_empty()
            || outcome.plan.steps.iter().any(|step| defers(&step.kind))
            || self.memory.is_claimed(&key, &outcome.summary.id)
        {
            return;
        }
        let (from, message_id) = (from.directories().to_vec(), outcome.summary.id.clone());
        if let Err(error) =
            self.pending.write(&PendingEdits { from, key, message_id, moves, edits })
        {
            outcome.report.notes.push(format!("what is to be done cannot be noted: {error}"));
        }
    }

    /// Edits the lists for the message that was being filed when the last `watch` was killed,
    /// unless it is still where it was, so that it will be judged again.
    fn resume(&self, folder: &MaildirFolder, place: &Place) {
        let Some(last) = self.pending.read().filter(|last| last.from == place.directories()) else {
            return;
        };
        if !last.moves || !folder.by_key().contains_key(&last.key) {
            let plan = Plan { steps: last.edits.into_iter().map(Edit::into_step).collect() };
            let mut report = DeliveryReport::of(Outcome::Delivered);
            edit_lists(&plan, &self.delivery_context(), &mut report);
            let _ = self.memory.claim(&last.key, &last.message_id);
        }
        let _ = self.pending.remove();
    }

    /// Records that the rules have put a message into a folder, or left it there.
    fn remember(&self, outcome: &mut FilingOutcome, from: &Place, to: &Place) {
        let identity = &outcome.summary.fingerprint.identity;
        if let Err(error) = self.memory.put(identity, from.directories(), to.directories()) {
            outcome.report.notes.push(format!("where it was put cannot be noted: {error}"));
        }
    }

    /// Moves a message to its target.
    fn move_to(
        &self,
        mover: &mut Mover<'_>,
        from: &Place,
        to: &RefileTarget,
        outcome: &mut FilingOutcome,
    ) {
        if let Some(places_file) = self.places_file {
            let own = OwnMove {
                from: from.directories().to_vec(),
                to: to.place.directories().to_vec(),
                key: outcome.entry.key(),
            };
            // Otherwise it would look as if the user had moved it.
            if let Err(error) = places_file.note_own(&own) {
                outcome.disposition =
                    Disposition::Failed(format!("a move cannot be noted: {error}"));
                return;
            }
        }
        let remove = &Flags::default();
        let request =
            MoveRequest { from, entry: &outcome.entry, to: &to.place, add: &to.add, remove };
        outcome.disposition = match mover.refile(&request) {
            Ok(Some(done)) => {
                let (step, folder) = (outcome.plan.home(), to.folder.clone());
                let path = Some(done.path);
                outcome.report.stored.push(StoredCopy { step, folder, path, hash: None });
                outcome.report.notes.extend(done.problems);
                Disposition::Moved
            }
            Ok(None) => Disposition::Vanished,
            Err(failure) => Disposition::Failed(failure.to_string()),
        };
    }

    /// Edits the lists for a message that is where it should be, unless that and its log
    /// lines were done at an earlier look.
    fn edit_lists(&self, outcome: &mut FilingOutcome) {
        let is_once = |kind: &StepKind| {
            matches!(kind, StepKind::Log(_) | StepKind::EditList { .. } | StepKind::Skipped { .. })
        };
        if !outcome.plan.steps.iter().any(|step| is_once(&step.kind)) {
            return;
        }
        let key = outcome.entry.key();
        if self.memory.is_claimed(&key, &outcome.summary.id) {
            outcome.plan.steps.retain(|step| !is_once(&step.kind));
            let step = outcome.plan.home();
            outcome.report.stored.iter_mut().for_each(|stored| stored.step = step);
            return;
        }
        edit_lists(&outcome.plan, &self.delivery_context(), &mut outcome.report);
        // After the edits, which can be made twice, and before the log lines.
        if let Err(error) = self.memory.claim(&key, &outcome.summary.id) {
            outcome.report.notes.push(format!("what has been done cannot be recorded: {error}"));
        }
    }

    /// The context for edits of lists.
    fn delivery_context(&self) -> DeliveryContext {
        let (home, state) = (self.home.map(Path::to_owned), Some(self.state.clone()));
        DeliveryContext { home, state, ..DeliveryContext::nothing() }
    }
}

impl Edit {
    /// The edit that a step makes, if it makes one.
    fn of(kind: &StepKind) -> Option<Edit> {
        let StepKind::EditList { add, list, path, entry } = kind else { return None };
        let (list, path, entry) = (list.clone(), path.clone(), entry.clone());
        Some(Edit { add: *add, list, path, entry })
    }

    fn into_step(self) -> Step {
        let Edit { add, list, path, entry } = self;
        Step { kind: StepKind::EditList { add, list, path, entry }, rule: None }
    }
}
