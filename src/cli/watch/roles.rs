//! Which directories `watch` watches, and for what.

use std::collections::HashMap;
use std::path::PathBuf;

use super::service::{POLL_INTERVAL, RESCAN_INTERVAL, WatchService, learns};
use crate::log::Log;
use crate::mailbox::dir_watcher::{DirWatcher, Shortage, WatchRole};
use crate::maildir::mover::Mover;
use crate::maildir::{Location, Place};
use crate::rules::compiled::CompiledProgram;

impl WatchService<'_> {
    /// Watches what exists by now. Returns the directories that are new.
    pub(super) fn watch(
        &mut self,
        directories: &mut DirWatcher,
        location: &Location,
        filed_places: &[Place],
        program: &CompiledProgram,
        log: &Log,
    ) -> Vec<PathBuf> {
        let mut rule_files: Vec<PathBuf> = vec![self.rules.clone()];
        rule_files.extend(program.files.iter().map(|file| PathBuf::from(file.as_str())));
        let mut roles = WatchRoles::default();
        roles.add_rules(&rule_files);
        roles.add_maildir(location, filed_places, learns(program));
        let watched = directories.watch(roles.directories, rule_files);
        let mut problems = roles.problems;
        problems.extend(watched.problems.iter().map(|text| {
            format!("cannot watch {text}; mail is looked for every {} s", RESCAN_INTERVAL.as_secs())
        }));
        self.needs_polling = watched.shortage.is_some();
        problems.extend(watched.shortage.map(|shortage| {
            let seconds = POLL_INTERVAL.as_secs();
            match shortage {
                Shortage::Watches => format!(
                    "there are too few inotify watches for all folders \
                     (fs.inotify.max_user_watches); the others are checked every {seconds} s"
                ),
                Shortage::Instances => format!(
                    "no inotify instance is available (fs.inotify.max_user_instances); all \
                     folders are checked every {seconds} s"
                ),
            }
        }));
        for problem in problems {
            self.report(log, &problem);
        }
        watched.new
    }
}

/// What each directory is watched for.
#[derive(Default)]
struct WatchRoles {
    directories: HashMap<PathBuf, WatchRole>,
    /// Folders that cannot be listed.
    problems: Vec<String>,
}

impl WatchRoles {
    fn add(&mut self, directory: PathBuf, set: fn(&mut WatchRole)) {
        set(self.directories.entry(directory).or_default());
    }

    fn add_rules(&mut self, files: &[PathBuf]) {
        for directory in files.iter().filter_map(|file| file.parent()) {
            self.add(directory.to_owned(), |role| role.rules = true);
        }
    }

    /// The Maildir with the folders whose mail is filed, and all others if mail in them
    /// teaches something.
    fn add_maildir(&mut self, location: &Location, filed_places: &[Place], learns: bool) {
        // The directory above shows when the Maildir is created, or created again.
        let above = location.path.ancestors().skip(1).find(|path| path.is_dir());
        if let Some(above) = above {
            self.add(above.to_owned(), |role| role.folders = true);
        }
        if !location.path.is_dir() {
            return;
        }
        let Ok(mover) = Mover::open(location) else { return };
        let (all, unreadable) = mover.folders();
        self.problems.extend(unreadable.iter().map(ToString::to_string));
        for place in filed_places {
            let path = location.path_of_place(place);
            self.add(path.join("new"), |role| role.arrivals = true);
            self.add(path, |role| role.folders = true);
        }
        self.add(location.path.clone(), |role| role.folders = true);
        for place in all.iter().filter(|_| learns) {
            let path = location.path_of_place(place);
            self.add(path.join("new"), |role| role.messages = true);
            self.add(path.join("cur"), |role| role.messages = true);
            self.add(path, |role| role.folders = true);
        }
    }
}
