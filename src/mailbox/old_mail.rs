//! Filing old mail, from mboxes and MH folders, into a Maildir: as a whole or by the
//! rules, with its flags and dates.
//!
//! Messages are staged in batches; what they will be is recorded in the journal
//! ([`crate::state::import_journal`]), on disk, before the first of a batch becomes
//! visible. A run that was killed has lost nothing: what it staged is stored by the next
//! one, which continues with what is left. Nothing is written where the mail comes from.
//!
//! A problem of a single message (it cannot be read, or a list that its rules need
//! cannot) is reported, and the others continue; a problem that affects all, such as a
//! full disk, stops the run.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use jiff::tz::TimeZone;
use rustix::io::Errno;
use sha2::{Digest, Sha256};

use super::marks::{BelievedMarks, ReaderMarks, believed_metadata};
use super::metadata::Metadata;
use super::mh::{self, MhRecords};
use super::refile::{Refile, Skip, refile};
use super::{MboxPart, MessageSource, from_line, message_sources, metadata};
use crate::evaluate::{Detail, NoFilters, run};
use crate::flags::Flags;
use crate::maildir::amount::Amount;
use crate::maildir::entry::Entry;
use crate::maildir::quota::{self, QuotaRoom};
use crate::maildir::resume::{ResumeOutcome, resume};
use crate::maildir::{EarlierArrival, Location, Maildir, Place, StagedMessage};
use crate::message::{BodyError, Message};
use crate::outcome::Failure;
use crate::plan::Folder;
use crate::rules::rule_set::RuleSet;
use crate::state::StateDir;
use crate::state::import_journal::{FiledRecord, ImportJournal};
use crate::state::journal::parts;
use crate::state::slots::Key;
use crate::world::{StoredMessage, World};

/// How many messages are staged, recorded and stored together.
const BATCH: usize = 16;
const DAY: i64 = 24 * 3600;
/// Endings of names that say what a file is, and are not part of a folder's name.
const ENDINGS: [&str; 4] = [".mbox", ".mbx", ".sbd", ".mh"];

/// How old mail is filed.
pub struct MailImport<'a> {
    /// Where it is filed.
    pub location: &'a Location,
    /// Where it is recorded; without it nothing is stored, which is a dry run.
    pub state: Option<&'a StateDir>,
    /// Into which folder; none means one that is named after the file.
    pub folder: Option<Folder>,
    /// The rules that file it instead, if it is filed by rules.
    pub rules: Option<FilingRules<'a>>,
    /// Whether to file again what was filed before.
    pub again: bool,
    /// The time zone of `From ` lines that name none.
    pub zone: TimeZone,
    /// The current time, seconds since 1970.
    pub now: i64,
    /// Set when the run has to end.
    pub stop: &'a AtomicBool,
}

/// Rules by which old mail is filed.
pub struct FilingRules<'a> {
    /// All rules.
    pub rules: &'a RuleSet,
    /// Creates what they may ask.
    pub world: &'a dyn Fn() -> World,
}

/// What is reported while mail is filed.
pub enum ImportEvent<'t> {
    /// A message: where it is, and what became of it.
    Message(&'t MessageSource, Filing),
    /// Something about a message or a file that can be filed nevertheless.
    Note(String),
    /// A message or a file that is left out because it cannot be read or judged.
    Problem(String),
}

/// What became of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Filing {
    /// It is stored, or a dry run would store it.
    Filed {
        /// In which folder.
        folder: String,
        /// With which flags.
        flags: Flags,
        /// What the rules ask for but is not done with old mail.
        skipped: Vec<Skip>,
    },
    /// An earlier run has filed it.
    Known,
    /// It is not a message but the state of a mailbox.
    Internal,
}

/// A message that is staged.
struct PendingImport {
    source: MessageSource,
    filing: Filing,
    staged: StagedMessage,
    record: FiledRecord,
}

/// The filing of one file or folder.
struct Import<'r, 'a> {
    settings: &'r MailImport<'a>,
    maildir: Option<Maildir<'a>>,
    journal: Option<ImportJournal>,
    base: Folder,
    pending: Vec<PendingImport>,
    world: Option<World>,
    /// The records of the MH folder met last.
    mh_records: (PathBuf, MhRecords),
    /// What readers have marked in the mbox met last.
    marks: ReaderMarks,
    report: &'r mut dyn FnMut(ImportEvent<'_>),
}

impl<'a> MailImport<'a> {
    /// Files an mbox, or the messages in and below an MH folder.
    ///
    /// # Errors
    /// The file or the Maildir cannot be opened, or nothing more can be stored or
    /// recorded.
    pub fn import(
        &self,
        path: &Path,
        report: &mut dyn FnMut(ImportEvent<'_>),
    ) -> Result<(), Failure> {
        let source = fs::canonicalize(path).map_err(|error| Failure::new("open", path, error))?;
        let (mut maildir, mut journal) = (None, None);
        if let Some(state) = self.state {
            maildir = Some(Maildir::open(self.location)?);
            let failed = |error| Failure::new("note what is filed in", state.path(), error);
            let root = fs::canonicalize(&self.location.path);
            let root = root.map_err(|error| Failure::new("open", &self.location.path, error))?;
            let opened = ImportJournal::open(state, &source, &root, self.again);
            journal = Some(opened.map_err(failed)?.ok_or_else(|| {
                let why = "another mfilter is filing it; try again when that is done";
                Failure::new("file", path, io::Error::new(io::ErrorKind::ResourceBusy, why))
            })?);
        }
        let base = self.folder.clone().unwrap_or_else(|| named_after(&source));
        let mh_records = (PathBuf::new(), MhRecords::default());
        let (pending, world, marks) = (Vec::new(), None, ReaderMarks::default());
        let mut import = Import {
            settings: self,
            maildir,
            journal,
            base,
            pending,
            world,
            mh_records,
            marks,
            report,
        };
        import.resume()?;
        for found in message_sources([path.to_owned()]) {
            if self.stop.load(Ordering::Relaxed) {
                break;
            }
            let result = match found {
                Ok(source) => import.take(source),
                Err(failure) => {
                    (import.report)(ImportEvent::Problem(failure.to_string()));
                    Ok(())
                }
            };
            // What is staged gets stored, whatever follows.
            if let Err(failure) = result {
                import.flush()?;
                return Err(failure);
            }
        }
        import.flush()
    }
}

impl Import<'_, '_> {
    /// Stores what a killed run has staged.
    fn resume(&mut self) -> Result<(), Failure> {
        let (Some(maildir), Some(journal)) = (&self.maildir, &mut self.journal) else {
            return Ok(());
        };
        for record in journal.pending().to_vec() {
            let place = Place::of(record.folder.clone());
            let (Some(place), Some(entry)) = (place, Entry::of(&record.file)) else { continue };
            let gone = resume(maildir, &place, &entry)? == ResumeOutcome::Missing;
            // Otherwise it was stored, and has been moved or removed since.
            if gone && !journal.is_fresh() {
                journal.forget(&record).map_err(|error| journal_failure(self.settings, error))?;
            }
        }
        if !journal.pending().is_empty() {
            journal.done(0).map_err(|error| journal_failure(self.settings, error))?;
        }
        Ok(())
    }

    /// Stages a message, unless it was filed before. An error stops the run.
    fn take(&mut self, source: MessageSource) -> Result<(), Failure> {
        let position = place_in(&source);
        if source.number == 0
            && fs::metadata(&source.path).is_ok_and(|metadata| metadata.len() == 0)
        {
            // An mbox without messages.
            return Ok(());
        }
        if let Some(why) = no_mail(&source) {
            (self.report)(ImportEvent::Problem(format!("{}: {why}", source.path.display())));
            return Ok(());
        }
        let message = match source.open() {
            Ok(message) => message,
            Err(failure) => {
                (self.report)(ImportEvent::Problem(failure.to_string()));
                return Ok(());
            }
        };
        let believed = self.marks.next(&source.path, source.number, message.head());
        if source.number == 1 && metadata::is_internal(message.head()) {
            (self.report)(ImportEvent::Message(&source, Filing::Internal));
            return Ok(());
        }
        let (key, has_nul) = match content_key(&message) {
            Ok(known) => known,
            Err(why) => {
                (self.report)(ImportEvent::Problem(format!("{position}: cannot read it: {why}")));
                return Ok(());
            }
        };
        if let Some(journal) = &mut self.journal
            && journal.was_filed(key).map_err(|error| journal_failure(self.settings, error))?
        {
            (self.report)(ImportEvent::Message(&source, Filing::Known));
            return Ok(());
        }
        for note in oddities(&source, &position, has_nul) {
            (self.report)(ImportEvent::Note(note));
        }
        let mut stated = self.metadata(&source, &message, believed);
        for word in &stated.no_keywords {
            (self.report)(ImportEvent::Note(format!("{position}: `{word}` cannot be a keyword")));
        }
        let target = self.target(&source, &position, &mut stated.flags);
        let (place, skipped) = match target {
            Ok(target) => target,
            Err(why) => {
                (self.report)(ImportEvent::Problem(format!("{position}: {why}")));
                return Ok(());
            }
        };
        let filing = Filing::Filed {
            folder: self.settings.location.folder_of(&place).to_string(),
            flags: stated.flags.clone(),
            skipped,
        };
        let Some(maildir) = &self.maildir else {
            (self.report)(ImportEvent::Message(&source, filing));
            return Ok(());
        };
        let earlier =
            EarlierArrival { at: self.settings.moment(&message, &source), listed: stated.listed };
        let edits = metadata::edits(message.head(), source.part.measured);
        let staged = maildir.stage_earlier(&place, &stated.flags, &message, &edits, earlier)?;
        for problem in staged.problems() {
            (self.report)(ImportEvent::Note(format!("{position}: {problem}")));
        }
        let record = FiledRecord {
            key,
            at: source.part.offset,
            folder: place.directories().to_vec(),
            file: staged.file(),
        };
        self.pending.push(PendingImport { source, filing, staged, record });
        if self.pending.len() >= BATCH { self.flush() } else { Ok(()) }
    }

    /// What a message's header and the records of its folder say about it.
    fn metadata(
        &mut self,
        source: &MessageSource,
        message: &Message,
        believed: BelievedMarks,
    ) -> Metadata {
        let mut stated = believed_metadata(message.head(), believed);
        if let Some(number) = mh_number(source) {
            let directory = source.path.parent().unwrap_or(Path::new(""));
            if self.mh_records.0 != directory {
                self.mh_records = (directory.to_owned(), MhRecords::of(directory));
            }
            self.mh_records.1.mark(number, &mut stated);
        }
        stated
    }

    /// The folder for a message, and what its rules ask for but is not done; adds the flags
    /// that they ask for.
    fn target(
        &mut self,
        source: &MessageSource,
        position: &str,
        flags: &mut Flags,
    ) -> Result<(Place, Vec<Skip>), String> {
        let below = source.folder.parts.iter().map(|part| without_ending(part).to_owned());
        let folder = Folder { parts: self.base.parts.iter().cloned().chain(below).collect() };
        let place = self.settings.location.place(&folder);
        if let Some(note) = &place.note {
            (self.report)(ImportEvent::Note(format!("{position}: {note}")));
        }
        let Refile { to, skipped, .. } = self.judge(source, &folder, &place, flags)?;
        match to.filter(|to| to.rule.is_some()) {
            Some(to) => {
                *flags = flags.and(&to.add);
                Ok((to.place, skipped))
            }
            None => Ok((place, skipped)),
        }
    }

    /// What the rules say about a message; nothing if it is not filed by rules.
    fn judge(
        &mut self,
        source: &MessageSource,
        folder: &Folder,
        place: &Place,
        flags: &Flags,
    ) -> Result<Refile, String> {
        let Some(rules) = &self.settings.rules else { return Ok(Refile::default()) };
        let message = source.open().map_err(|failure| failure.to_string())?;
        let world = self.world.get_or_insert_with(|| (rules.world)());
        let stored = StoredMessage { folder: folder.to_string(), flags: flags.clone() };
        world.stored.replace(Some(stored));
        let run = run(rules.rules, message, world, Detail::Plan, &mut NoFilters);
        let unread = run.message.failure().map(|why| why.to_string());
        let unknown = world.temporary_failure().or(world.unread()).map(str::to_owned);
        if let Some(why) = unread.or(unknown) {
            // The next message tries again to read what could not be read.
            self.world = None;
            return Err(format!("cannot judge it: {why}"));
        }
        Ok(refile(run.evaluation.plan, self.settings.location, place, flags, false))
    }

    /// Records what is staged, and stores it.
    fn flush(&mut self) -> Result<(), Failure> {
        let pending = std::mem::take(&mut self.pending);
        let (Some(maildir), Some(journal)) = (&self.maildir, &mut self.journal) else {
            return Ok(());
        };
        if pending.is_empty() {
            return Ok(());
        }
        let amounts = pending.iter().map(|message| message.staged.amount());
        let all = amounts.fold(Amount::default(), Amount::plus);
        if matches!(quota::room(maildir, all), Ok(QuotaRoom::Full)) {
            let path = self.settings.location.path.clone();
            return Err(Failure::new("store more in", path, Errno::DQUOT));
        }
        let mut synced: HashSet<&[String]> = HashSet::new();
        for message in &pending {
            if synced.insert(&message.record.folder) {
                message.staged.sync()?;
            }
        }
        let journal_failure = |error| journal_failure(self.settings, error);
        let recorded = pending.iter().try_for_each(|message| journal.note(&message.record));
        // From now on what is staged is never removed: after a failure, too, the next run
        // may find it recorded, and stores it.
        if let Err(error) = recorded.and_then(|()| journal.sync()) {
            pending.into_iter().for_each(|message| message.staged.keep());
            return Err(journal_failure(error));
        }
        let (mut used, mut problem) = (Amount::default(), None);
        let mut visible: Vec<PendingImport> = Vec::new();
        let mut directories: HashSet<PathBuf> = HashSet::new();
        for mut message in pending {
            match if problem.is_none() { message.staged.make_visible() } else { Ok(PathBuf::new()) }
            {
                Ok(_) if problem.is_none() => {
                    used = used.plus(message.staged.amount());
                    visible.push(message);
                }
                Ok(_) => message.staged.keep(),
                Err(failure) => {
                    problem = Some(failure);
                    message.staged.keep();
                }
            }
        }
        let count = visible.len() as u64;
        for PendingImport { source, filing, staged, .. } in visible {
            if directories.insert(staged.directory().to_owned())
                && let Err(failure) = staged.sync_visible()
            {
                problem.get_or_insert(failure);
            }
            (self.report)(ImportEvent::Message(&source, filing));
            staged.keep();
        }
        if let Err(error) = quota::add(maildir, used) {
            let note = format!("the quota cannot be updated: {error}");
            (self.report)(ImportEvent::Note(note));
        }
        match problem {
            Some(failure) => Err(failure),
            None => journal.done(count).map_err(journal_failure),
        }
    }
}

impl MailImport<'_> {
    /// When a message arrived, seconds since 1970: according to its `From ` line, to the
    /// file of an MH message, or otherwise to its header.
    fn moment(&self, message: &Message, source: &MessageSource) -> Option<u64> {
        let is_sound = |at: &i64| (0..=self.now.saturating_add(DAY)).contains(at);
        let received = message.received(self.now);
        let stated = || match source.number {
            0 => fs::symlink_metadata(&source.path).ok().map(|metadata| metadata.mtime()),
            _ => from_line::moment(message.from_line()?, received, &self.zone),
        };
        let date = || message.date().map(|date| date.unix_seconds).filter(is_sound);
        let at = stated().filter(is_sound).or(received).or_else(date)?;
        u64::try_from(at).ok()
    }
}

fn journal_failure(settings: &MailImport<'_>, error: io::Error) -> Failure {
    let path = settings.state.map(|state| state.path().to_owned()).unwrap_or_default();
    Failure::new("note what is filed in", path, error)
}

/// What identifies a message, whatever mail readers write into it; and whether it
/// contains NUL bytes.
fn content_key(message: &Message) -> Result<(Key, bool), BodyError> {
    let mut hash = Sha256::new();
    let mut has_nul = message.head().bytes().contains(&0);
    parts(message, &|header| metadata::is_left_out(header.name), &mut |bytes| {
        hash.update(bytes);
        has_nul |= bytes.contains(&0);
    })?;
    Ok((Key::from_hash(hash), has_nul))
}

/// Where a message is, in words for people.
fn place_in(source: &MessageSource) -> String {
    let path = source.path.display();
    match source.number {
        0 => path.to_string(),
        number => format!("{path}, message {number} at byte {}", source.part.offset),
    }
}

/// The number of a message in an MH folder.
fn mh_number(source: &MessageSource) -> Option<u64> {
    mh::number_of(&source.path).filter(|_| source.number == 0)
}

/// What is odd about a message that is filed all the same.
fn oddities(source: &MessageSource, position: &str, has_nul: bool) -> Vec<String> {
    let MboxPart { missing_bytes, merged, .. } = source.part;
    let mut notes = Vec::new();
    if has_nul {
        notes.push(format!("{position}: contains NUL bytes; filed unchanged"));
    }
    if missing_bytes > 0 {
        notes.push(format!(
            "{position}: by its Content-Length {missing_bytes} bytes are missing, so the file may be \
             cut short; filed unchanged"
        ));
    }
    if merged > 0 {
        notes.push(format!(
            "{position}: other messages seem to begin in its body, {merged} in all, but there is no \
             empty line before them; filed as one message"
        ));
    }
    notes
}

/// Why a file is not filed; none for a message of an mbox or an MH folder.
fn no_mail(source: &MessageSource) -> Option<&'static str> {
    (source.number == 0 && mh_number(source).is_none())
        .then_some("neither an mbox nor a message of an MH folder; left alone")
}

/// The folder that is named after a file.
fn named_after(path: &Path) -> Folder {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    Folder { parts: vec![without_ending(&name).to_owned()] }
}

fn without_ending(name: &str) -> &str {
    let plain = ENDINGS.iter().find_map(|ending| name.strip_suffix(ending));
    plain.filter(|name| !name.is_empty()).unwrap_or(name)
}
