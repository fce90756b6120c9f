//! Judging mail in a folder, on all cores: what the rules say about each message, in the
//! order of the folder.

use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};

use super::in_order;
use super::recognition::{MessageFingerprint, fingerprint};
use super::refile::{Refile, refile};
use crate::evaluate::{Detail, NoFilters, run};
use crate::maildir::entry::Entry;
use crate::maildir::folder::MaildirFolder;
use crate::maildir::{Location, Place};
use crate::message::Message;
use crate::outcome::Failure;
use crate::rules::rule_set::RuleSet;
use crate::world::{StoredMessage, World};

/// How many messages a thread takes at a time.
const CHUNK: usize = 32;

/// What messages are judged by.
pub struct Judge<'a> {
    /// All rules.
    pub rules: &'a RuleSet,
    /// Where folders are.
    pub location: &'a Location,
    /// Creates the world of one thread, which provides lists and the clock.
    pub world: &'a (dyn Fn() -> World + Sync),
    /// Whether it is new mail.
    pub new: bool,
    /// Whether sender and subject are needed.
    pub with_summary: bool,
    /// Set when the run has to end.
    pub stop: &'a AtomicBool,
}

/// A message and what the rules say.
#[derive(Debug)]
pub struct JudgedMessage {
    /// Its file.
    pub entry: Entry,
    /// What is known about it.
    pub summary: MessageSummary,
    /// What the rules say.
    pub verdict: Judgement,
}

/// What is known about a message, for people; empty where it lacks the header.
#[derive(Debug, Clone, Default)]
pub struct MessageSummary {
    /// The Message-ID header.
    pub id: String,
    /// The From header.
    pub from: String,
    /// The Subject header.
    pub subject: String,
    /// What identifies it.
    pub fingerprint: MessageFingerprint,
}

/// What the rules say about a message.
#[derive(Debug)]
pub enum Judgement {
    /// Where it should be.
    Refile(Box<Refile>),
    /// It no longer exists under that name.
    Missing,
    /// It cannot be judged, or not with certainty: for example a list could not be read,
    /// so that a rule was skipped.
    Problem(String),
}

impl Judge<'_> {
    /// Judges the messages of a folder. `take` gets them in their order, on the calling
    /// thread, until it returns `false`.
    ///
    /// # Errors
    /// No thread can be started.
    pub fn judge_entries(
        &self,
        folder: &MaildirFolder,
        place: &Place,
        entries: &[Entry],
        mut take: impl FnMut(JudgedMessage) -> bool,
    ) -> Result<(), Failure> {
        let mut chunks = entries.chunks(CHUNK);
        let most_threads = chunks.len();
        let stopped = || self.stop.load(Ordering::Relaxed);
        in_order(
            most_threads,
            move || chunks.next(),
            self.world,
            |world, _, chunk| {
                let judged = chunk.iter().map(|entry| {
                    (!stopped()).then(|| self.judge_entry(world, folder, place, entry))
                });
                judged.collect()
            },
            drop,
            |judged| judged.is_some_and(&mut take),
        )
        .map_err(|error| Failure::new("start a thread for", &self.location.path, error))?;
        Ok(())
    }

    fn judge_entry(
        &self,
        world: &mut World,
        folder: &MaildirFolder,
        place: &Place,
        entry: &Entry,
    ) -> JudgedMessage {
        let judged = catch_unwind(AssertUnwindSafe(|| self.judge(world, folder, place, entry)));
        let (summary, verdict) = judged.unwrap_or_else(|_| {
            let path = folder.path_of(entry);
            let why = format!("cannot judge `{}`: internal error", path.display());
            (MessageSummary::default(), Judgement::Problem(why))
        });
        if matches!(verdict, Judgement::Problem(_)) {
            // The next message tries again to read what could not be read.
            *world = (self.world)();
        }
        JudgedMessage { entry: entry.clone(), summary, verdict }
    }

    fn judge(
        &self,
        world: &World,
        folder: &MaildirFolder,
        place: &Place,
        entry: &Entry,
    ) -> (MessageSummary, Judgement) {
        let nothing = |verdict| (MessageSummary::default(), verdict);
        let problem = |failure: Failure| nothing(Judgement::Problem(failure.to_string()));
        if !entry.is_regular() {
            let error = std::io::Error::new(ErrorKind::InvalidData, "its name lacks `:2,`");
            return problem(Failure::new("use as a message", folder.path_of(entry), error));
        }
        let message = match folder.open(entry) {
            Ok(message) => message,
            Err(failure) if failure.error.kind() == ErrorKind::NotFound => {
                return nothing(Judgement::Missing);
            }
            Err(failure) => return problem(failure),
        };
        let has = folder.flags(entry);
        let name = self.location.folder_of(place).to_string();
        world.stored.replace(Some(StoredMessage { folder: name, flags: has.clone() }));
        let run = run(self.rules, message, world, Detail::Plan, &mut NoFilters);
        let message = &run.message;
        let summary = self.summary(message, entry);
        let unread = message.failure().map(|why| why.to_string());
        let unknown = world.temporary_failure().or(world.unread());
        match unread.or_else(|| unknown.map(str::to_owned)) {
            Some(why) => {
                let path = folder.path_of(entry);
                let why = format!("cannot judge `{}`: {why}", path.display());
                (summary, Judgement::Problem(why))
            }
            None => {
                let refile = refile(run.evaluation.plan, self.location, place, &has, self.new);
                (summary, Judgement::Refile(Box::new(refile)))
            }
        }
    }

    fn summary(&self, message: &Message, entry: &Entry) -> MessageSummary {
        let text = |name| {
            message.texts(name).first().map(|text| text.text().to_owned()).unwrap_or_default()
        };
        let (id, fingerprint) = (text("Message-ID"), fingerprint(message, entry));
        match self.with_summary {
            true => {
                MessageSummary { id, fingerprint, from: text("From"), subject: text("Subject") }
            }
            false => MessageSummary { id, fingerprint, ..MessageSummary::default() },
        }
    }
}
