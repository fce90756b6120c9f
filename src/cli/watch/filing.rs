//! Files the mail that has arrived in a folder.

use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;

use super::service::{FilingContext, REMEMBERED_MAX, RETRY_INTERVAL, WatchService};
use crate::cli::{output, with_mail};
use crate::log;
use crate::mailbox::arrivals::ReadyMail;
use crate::mailbox::incoming::{Disposition, Filer, FilingOutcome};
use crate::mailbox::judge::Judge;
use crate::mailbox::recognition::read_log;
use crate::maildir::Place;
use crate::maildir::entry::Sub;
use crate::maildir::mover::Mover;
use crate::state::memory::Memory;
use crate::state::pending_edits::PendingEditsFile;
use crate::state::places::PlacesFile;
use crate::text::escape;
use crate::world::World;

impl WatchService<'_> {
    /// Files what has arrived in a folder. Returns when to look again.
    pub(super) fn file(
        &mut self,
        context: &FilingContext<'_>,
        place: &Place,
        scan: bool,
    ) -> Result<Option<Instant>, String> {
        let mut mover = Mover::open(context.location).map_err(|failure| failure.to_string())?;
        let folder = match mover.folder(place) {
            Ok(folder) => folder,
            Err(failure) if failure.error.kind() == ErrorKind::NotFound => {
                return Ok(None);
            }
            Err(failure) => return Err(failure.to_string()),
        };
        let ReadyMail { entries, mut next_look, problems } =
            self.arrivals.ready(&folder, place, scan, Instant::now());
        problems.iter().for_each(|failure| self.report(context.log, &failure.to_string()));
        let (stop, state) = (Arc::clone(&self.stop), self.state.clone());
        let pending = PendingEditsFile::of(&state, &context.location.path)
            .map_err(|error| error.to_string())?;
        if entries.is_empty() && pending.read().is_none() {
            return Ok(next_look);
        }
        let user = self.user.clone();
        // Without a state, so that nothing counts as delivered before, as in `sort`.
        let new_world = || {
            let world = World::of(user.clone());
            let world = with_mail(world, &context.rules.user, context.location, true);
            World { state: None, ..world }
        };
        let places_file = match &context.rules.user.moves.is_empty() {
            true => None,
            false => PlacesFile::of(&self.state, &context.location.path).ok(),
        };
        let mut memory = Memory::at(&state, Timestamp::now().as_second());
        read_log(&mut memory, context.log, context.location, true);
        let places = places_file.as_ref().map(PlacesFile::read).transpose();
        let places = places.map_err(|error| format!("{}: {error}", state.path().display()))?;
        let elsewhere = places.unwrap_or_default().elsewhere(place.directories());
        let filer = Filer {
            judge: Judge {
                rules: context.rules,
                location: context.location,
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
            has_rules: context.has_rules,
            home: user.home(),
        };
        let mut handle = |outcome: FilingOutcome| {
            match &outcome.disposition {
                Disposition::Stays if outcome.entry.sub == Sub::New => {
                    self.arrivals.note_staying(place, &outcome.entry);
                }
                Disposition::Failed(why) => {
                    let path = folder.path_of(&outcome.entry);
                    self.report(context.log, &format!("`{}` stays for now: {why}", path.display()));
                    self.next_rescan = self.next_rescan.min(Instant::now() + RETRY_INTERVAL);
                }
                Disposition::Vanished => {
                    let path = folder.path().join("new").join(outcome.entry.without_uid().base());
                    next_look = self.look_again_for(path).or(next_look);
                }
                Disposition::Stays | Disposition::Moved => {}
            }
            context.report(place, &outcome, self.call.verbose > 0);
        };
        filer.file(place, &entries, &mut handle).map_err(|failure| failure.to_string())?;
        Ok(next_look)
    }

    /// When to look again for a file that another program has renamed; `None` if that was
    /// tried before.
    fn look_again_for(&mut self, path: PathBuf) -> Option<Instant> {
        if self.vanished.len() >= REMEMBERED_MAX {
            self.vanished.clear();
        }
        let is_new = self.vanished.insert(path.clone());
        is_new.then(|| self.arrivals.look_for(path, Instant::now()))
    }
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
