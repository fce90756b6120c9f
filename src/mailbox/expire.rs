//! What `expire` does: mail that has been in a folder for long is moved to another one,
//! or deleted.
//!
//! The age of a message counts from its arrival, never from its Date header. What is
//! deleted must also have been in its folder for that long: a message that was put into
//! the trash yesterday may have arrived long ago.
//!
//! Moves are those of [`super::sort`]: a batch is recorded in the journal, on disk,
//! before it is moved, so that a kill loses nothing and everything can be taken back.
//! Deletions are reported, for the log, before they are made.
//!
//! Nothing is deleted while the clock may have jumped ahead ([`expire_runs`]).
//!
//! No more than half of a folder is taken if nothing was ever taken from it before. All
//! folders of one `expire` count as one.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use super::sort::{BATCH, SortEvent, finish_killed, not_noted, note_moves, remember};
use super::special_use::{FolderUse, SpecialFolders};
use crate::evaluate;
use crate::flags::Flags;
use crate::maildir::entry::{Entry, Sub};
use crate::maildir::folder::MaildirFolder;
use crate::maildir::mover::{FileMove, MoveOutcome, MoveRequest, Mover};
use crate::maildir::{Location, Place};
use crate::message::arrived_by_name;
use crate::outcome::Failure;
use crate::plan::Folder;
use crate::rules::compiled::CompiledProgram;
use crate::rules::program::{ALL_FOLDERS, Expiry};
use crate::state::StateDir;
use crate::state::expire_runs;
use crate::state::expired_folders::ExpiredFolder;
use crate::state::memory::Memory;
use crate::state::sort_journal::SortJournal;
use crate::world::{StoredMessage, World};

/// How many messages are reported together before they are deleted.
const DELETED_AT_ONCE: usize = 256;

/// Moves or deletes what is old enough.
pub struct Expirer<'a> {
    /// The user's rules.
    pub program: &'a CompiledProgram,
    /// Where folders are.
    pub location: &'a Location,
    /// Provides lists and the clock.
    pub world: &'a World,
    /// Where moves are recorded; without it nothing is done, which is a dry run.
    pub state: Option<&'a StateDir>,
    /// Which messages were put where.
    pub memory: &'a Memory<'a>,
    /// The folders to expire; empty for all that the rules name.
    pub folders: &'a [Place],
    /// Whether more than half of a folder may be taken.
    pub more_than_half: bool,
    /// Set when the run has to end.
    pub stop: &'a AtomicBool,
}

/// A message that is old enough.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OldMessage {
    /// Its file.
    pub entry: Entry,
    /// The Message-ID header; may be empty.
    pub id: String,
}

/// What became of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExpireOutcome {
    /// A dry run would take it.
    Would,
    /// It is there now.
    Moved(PathBuf),
    /// It is about to be deleted.
    Deletes,
    /// It was deleted.
    Deleted,
    /// In the meantime somebody else moved, flagged or removed it.
    Vanished,
    /// It stays where it is, because something went wrong.
    Failed(String),
}

/// What is reported.
#[derive(Debug)]
pub enum ExpireEvent<'t> {
    /// About one message of a folder.
    Message(&'t Expiry, &'t Place, &'t OldMessage, ExpireOutcome),
    /// More than half of a folder would be taken, and nothing was taken from it before:
    /// how many would be, and how many there are.
    TooMany(&'t Expiry, usize, usize),
    /// Nothing is deleted from that folder.
    NotDeleted(&'t Expiry),
    /// Nothing is deleted now, since the last run seems to be that many seconds ago.
    ClockDoubted(&'t Expiry, i64),
    /// Something cannot be read, or is uncertain.
    Problem(String),
    /// What was reported so far is on disk.
    Flushed,
}

type ExpiryListener<'t> = &'t mut dyn FnMut(ExpireEvent<'_>);

/// Whether a rule may delete messages in its folder.
pub fn may_delete(special: &SpecialFolders<'_>, location: &Location, expiry: &Expiry) -> bool {
    let place = location.own_place(&Folder::named(&expiry.folder));
    let purpose = place.and_then(|place| special.use_of(&place));
    expiry.anywhere || matches!(purpose, Some(FolderUse::Trash | FolderUse::Junk))
}

impl Expirer<'_> {
    /// Moves or deletes what is old enough, one folder after the other.
    ///
    /// # Errors
    /// The Maildir cannot be opened, or a move cannot be recorded; then it was not made.
    pub fn run(&self, report: ExpiryListener<'_>) -> Result<(), Failure> {
        let mut mover = Mover::open(self.location)?;
        if let Some(state) = self.state {
            finish_killed(state, &mut mover, self.location, self.memory, &mut |event| {
                if let SortEvent::Problem(failure) = event {
                    report(ExpireEvent::Problem(failure.to_string()));
                }
            })?;
        }
        let special = SpecialFolders::of(self.location, &self.program.settings);
        let doubted = match self.state {
            Some(state) if self.program.expiries.iter().any(|expiry| expiry.to.is_none()) => {
                let now = self.world.now().as_second();
                expire_runs::note(state, now).map_err(|error| self.not_noted(error))?
            }
            _ => None,
        };
        let mut journal = None;
        for expiry in &self.program.expiries {
            let Some(target) = self.target(expiry, report) else { continue };
            let places = self.places(&mover, expiry, target.as_ref(), report);
            if places.is_empty() || self.stop.load(Ordering::Relaxed) {
                continue;
            }
            if expiry.to.is_none() && !may_delete(&special, self.location, expiry) {
                report(ExpireEvent::NotDeleted(expiry));
                continue;
            }
            if let (None, Some(ago)) = (&expiry.to, doubted) {
                report(ExpireEvent::ClockDoubted(expiry, ago));
                continue;
            }
            self.folders(&mut mover, (expiry, target.as_ref()), &places, &mut journal, report)?;
        }
        match journal {
            Some(journal) => SortJournal::end(journal).map_err(|error| self.not_noted(error)),
            None => Ok(()),
        }
    }

    fn not_noted(&self, error: std::io::Error) -> Failure {
        not_noted(self.state, error)
    }

    /// Where mail is moved to, if it is not deleted. The inbox does not stand in for that
    /// folder: then mail stays where it is, which is reported.
    fn target(&self, expiry: &Expiry, report: ExpiryListener<'_>) -> Option<Option<Place>> {
        let Some(to) = &expiry.to else { return Some(None) };
        let place = self.location.place(&Folder::named(to));
        match place.note {
            None => Some(Some(place)),
            Some(_) => {
                let Expiry { line, folder, .. } = expiry;
                report(ExpireEvent::Problem(format!(
                    "line {line}: mail in `{folder}` is kept: the folder `{to}` was renamed, or \
                     its name cannot be used"
                )));
                None
            }
        }
    }

    /// The folder that an `expire` names.
    fn named_place(&self, expiry: &Expiry) -> Option<Place> {
        self.location.own_place(&Folder::named(&expiry.folder))
    }

    /// The folders that an `expire` is for, as far as they are meant.
    fn places(
        &self,
        mover: &Mover<'_>,
        expiry: &Expiry,
        target: Option<&Place>,
        report: ExpiryListener<'_>,
    ) -> Vec<Place> {
        let Some(named_place) = self.named_place(expiry) else { return Vec::new() };
        let is_requested = |place: &Place| {
            self.folders.is_empty()
                || self.folders.iter().any(|folder| folder.is(place) || folder.is(&named_place))
        };
        let mut places = match expiry.folder.as_str() {
            ALL_FOLDERS => {
                let (places, problems) = mover.folders();
                problems
                    .iter()
                    .for_each(|failure| report(ExpireEvent::Problem(failure.to_string())));
                let is_target = |place: &Place| target.is_some_and(|target| target.is(place));
                places.into_iter().filter(|place| !is_target(place)).collect()
            }
            _ => vec![named_place.clone()],
        };
        places.retain(is_requested);
        places
    }

    fn folders(
        &self,
        mover: &mut Mover<'_>,
        (expiry, target): (&Expiry, Option<&Place>),
        places: &[Place],
        journal: &mut Option<SortJournal>,
        report: ExpiryListener<'_>,
    ) -> Result<(), Failure> {
        let (mut found, mut old_count, mut all) = (Vec::new(), 0, 0);
        for place in places {
            let folder = match mover.folder(place) {
                Ok(folder) => folder,
                Err(failure) if failure.error.kind() == std::io::ErrorKind::NotFound => continue,
                Err(failure) => {
                    report(ExpireEvent::Problem(failure.to_string()));
                    continue;
                }
            };
            let (entries, problems) = folder.list();
            problems.iter().for_each(|failure| report(ExpireEvent::Problem(failure.to_string())));
            let old_messages = self.old_messages(expiry, place, &folder, &entries, report);
            (old_count, all) = (old_count + old_messages.len(), all + entries.len());
            found.push((place, old_messages));
        }
        if old_count == 0 || self.stop.load(Ordering::Relaxed) {
            return Ok(());
        }
        let maildir = fs::canonicalize(&self.location.path)
            .map_err(|error| Failure::new("open the Maildir", &self.location.path, error))?;
        let Some(named_place) = self.named_place(expiry) else { return Ok(()) };
        let expired_folder =
            ExpiredFolder::new(&maildir, named_place.directories(), expiry.to.is_none());
        let many = old_count * 2 > all && !self.more_than_half;
        if many && !self.state.is_some_and(|state| expired_folder.is_known(state)) {
            report(ExpireEvent::TooMany(expiry, old_count, all));
            if self.state.is_some() {
                return Ok(());
            }
        }
        for (place, old_messages) in &found {
            let ends = (*place, target);
            self.take(mover, (expiry, ends, &expired_folder), old_messages, journal, report)?;
        }
        Ok(())
    }

    /// Takes messages from a folder, to a target or for good.
    fn take(
        &self,
        mover: &mut Mover<'_>,
        (expiry, (place, target), expired_folder): (
            &Expiry,
            (&Place, Option<&Place>),
            &ExpiredFolder,
        ),
        old_messages: &[OldMessage],
        journal: &mut Option<SortJournal>,
        report: ExpiryListener<'_>,
    ) -> Result<(), Failure> {
        let Some(state) = self.state else {
            old_messages.iter().for_each(|message| {
                report(ExpireEvent::Message(expiry, place, message, ExpireOutcome::Would));
            });
            return Ok(());
        };
        let size = if target.is_some() { BATCH } else { DELETED_AT_ONCE };
        for batch in old_messages.chunks(size) {
            if self.stop.load(Ordering::Relaxed) {
                break;
            }
            let count = match target {
                Some(to) => {
                    self.move_batch(mover, (expiry, place, to), batch, (state, journal), report)?
                }
                None => self.delete_batch(mover, expiry, place, batch, report),
            };
            if let Err(failure) = mover.sync() {
                report(ExpireEvent::Problem(failure.to_string()));
            }
            report(ExpireEvent::Flushed);
            if count > 0 {
                expired_folder.note(state).map_err(|error| self.not_noted(error))?;
            }
        }
        Ok(())
    }

    /// The messages of a folder that are old enough and need not be kept.
    fn old_messages(
        &self,
        expiry: &Expiry,
        place: &Place,
        folder: &MaildirFolder,
        entries: &[Entry],
        report: ExpiryListener<'_>,
    ) -> Vec<OldMessage> {
        let name = self.location.folder_of(place).to_string();
        let (mut old_messages, mut undecided) = (Vec::new(), None);
        let is_protected = |entry: &Entry| {
            // mbsync and OfflineIMAP keep flagged but unseen messages in `new`.
            let has = |letter| entry.letters().contains(letter);
            let seen = entry.sub == Sub::Cur && has('S');
            !expiry.even_unread && !seen || !expiry.even_flagged && has('F') || has('D')
        };
        let now = self.world.now().as_second();
        let is_young = |came: i64| now.saturating_sub(came) < expiry.after as i64;
        for entry in entries.iter().filter(|entry| entry.is_regular() && !is_protected(entry)) {
            if self.stop.load(Ordering::Relaxed) {
                return Vec::new();
            }
            if arrived_by_name(&entry.name, now).is_some_and(is_young) {
                continue;
            }
            let message = match folder.open(entry) {
                Ok(message) => message,
                Err(failure) if failure.error.kind() == std::io::ErrorKind::NotFound => continue,
                Err(failure) => {
                    report(ExpireEvent::Problem(failure.to_string()));
                    continue;
                }
            };
            if message.arrived(now).is_none_or(is_young) {
                continue;
            }
            // To be deleted, it must have been in this folder for that long, too.
            if expiry.to.is_none() && !folder.changed_at(entry).is_ok_and(|since| !is_young(since))
            {
                continue;
            }
            if let Some(unless) = expiry.unless {
                match folder.keywords(entry) {
                    Ok((_, unknown)) if unknown.is_empty() => {}
                    Ok(_) => {
                        undecided.get_or_insert("some of its keywords have no name".into());
                        continue;
                    }
                    Err(error) => {
                        undecided.get_or_insert(format!("its keywords cannot be read: {error}"));
                        continue;
                    }
                }
                let flags = folder.flags(entry);
                self.world.stored.replace(Some(StoredMessage { folder: name.clone(), flags }));
                match evaluate::holds(self.program, unless, &message, self.world) {
                    Ok(false) => {}
                    Ok(true) => continue,
                    Err(why) => {
                        undecided.get_or_insert(why);
                        continue;
                    }
                }
            }
            if message.failure().is_some() {
                continue;
            }
            let ids = message.texts("Message-ID");
            let id = ids.first().map(|id| id.text().to_owned()).unwrap_or_default();
            old_messages.push(OldMessage { entry: entry.clone(), id });
        }
        if let Some(why) = undecided {
            let line = expiry.line;
            report(ExpireEvent::Problem(format!("line {line}: mail in `{name}` is kept: {why}")));
        }
        old_messages
    }

    /// Moves messages; returns how many it moved.
    fn move_batch(
        &self,
        mover: &mut Mover<'_>,
        (expiry, from, to): (&Expiry, &Place, &Place),
        batch: &[OldMessage],
        (state, journal): (&StateDir, &mut Option<SortJournal>),
        report: ExpiryListener<'_>,
    ) -> Result<usize, Failure> {
        let (none, mut count) = (Flags::default(), 0);
        let mut steps: Vec<(&OldMessage, FileMove)> = Vec::new();
        for message in batch {
            let request =
                MoveRequest { from, entry: &message.entry, to, add: &none, remove: &none };
            match mover.prepare(&request) {
                Ok(step) => steps.push((message, step)),
                Err(failure) => {
                    let failed = ExpireOutcome::Failed(failure.to_string());
                    report(ExpireEvent::Message(expiry, from, message, failed));
                }
            }
        }
        let moves = steps.iter().map(|(_, step)| (step, Flags::default()));
        note_moves(journal, state, self.location, moves).map_err(|error| self.not_noted(error))?;
        for (message, step) in steps {
            if self.stop.load(Ordering::Relaxed) {
                break;
            }
            let outcome = match mover.carry_out(&step) {
                Ok(MoveOutcome::Done) => {
                    remember(mover, self.memory, &step);
                    count += 1;
                    ExpireOutcome::Moved(self.location.path_of_entry(&step.to, &step.new))
                }
                Ok(MoveOutcome::Missing) => ExpireOutcome::Vanished,
                Err(failure) => ExpireOutcome::Failed(failure.to_string()),
            };
            report(ExpireEvent::Message(expiry, from, message, outcome));
        }
        Ok(count)
    }

    /// Deletes messages; returns how many it deleted.
    fn delete_batch(
        &self,
        mover: &mut Mover<'_>,
        expiry: &Expiry,
        place: &Place,
        batch: &[OldMessage],
        report: ExpiryListener<'_>,
    ) -> usize {
        let mut count = 0;
        for message in batch {
            report(ExpireEvent::Message(expiry, place, message, ExpireOutcome::Deletes));
        }
        report(ExpireEvent::Flushed);
        for message in batch {
            if self.stop.load(Ordering::Relaxed) {
                break;
            }
            let outcome = match mover.delete(place, &message.entry) {
                Ok(MoveOutcome::Done) => {
                    count += 1;
                    ExpireOutcome::Deleted
                }
                Ok(MoveOutcome::Missing) => ExpireOutcome::Vanished,
                Err(failure) => ExpireOutcome::Failed(failure.to_string()),
            };
            report(ExpireEvent::Message(expiry, place, message, outcome));
        }
        count
    }
}
