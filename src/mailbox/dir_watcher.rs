//! What happens in directories, as the kernel's events report it: which messages arrived,
//! that messages were moved, folders created or rules edited.
//!
//! Events are merged, not queued: however many there are, little is kept of them. Where
//! it would be too much, or the kernel has lost some, everything has to be looked at.
//! Reading a message is an event too, which is ignored.
//!
//! A delivery into `new` is a rename, and complete. If a program writes into `new`
//! directly, we wait until it closes the file.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use notify::event::{AccessKind, AccessMode, CreateKind, ModifyKind, RemoveKind, RenameMode};
use notify::{ErrorKind, Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};

/// The most arrivals that are kept; more are found by listing the folder.
const MOST_ARRIVED: usize = 10_000;

/// What a directory is watched for; there may be several reasons.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WatchRole {
    /// Messages that arrive are to be filed.
    pub arrivals: bool,
    /// Messages that appear or vanish may have been moved.
    pub messages: bool,
    /// Folders may be created or removed in it.
    pub folders: bool,
    /// There are rules in it.
    pub rules: bool,
}

/// How a message arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrival {
    /// Renamed into its place, or written and closed.
    Complete,
    /// Created; it may still be being written.
    Created,
}

/// What has happened.
#[derive(Debug, Default)]
pub struct DirChanges {
    /// Files that arrived in a directory with the role for that.
    pub arrived: HashMap<PathBuf, Arrival>,
    /// Everything has to be looked at: events were lost, or there are too many.
    pub all: bool,
    /// The first and the last time at which messages appeared or vanished.
    pub messages: Option<(Instant, Instant)>,
    /// Folders may have been created or removed.
    pub folders: bool,
    /// Rules may have been edited.
    pub rules: bool,
    /// It is time to end.
    pub stop: bool,
}

impl DirChanges {
    /// Whether nothing of it has to be handled, except moves, which can wait.
    fn is_quiet(&self) -> bool {
        self.arrived.is_empty() && !self.all && !self.folders && !self.rules && !self.stop
    }
}

#[derive(Default)]
struct WatcherState {
    changes: Mutex<DirChanges>,
    wakeup: Condvar,
    /// The directories that are watched, and files of rules.
    roles: Mutex<HashMap<PathBuf, WatchRole>>,
    rule_files: Mutex<Vec<PathBuf>>,
    /// Directories that were removed or moved: one that is created in their place may
    /// have the same inode.
    lost: Mutex<HashSet<PathBuf>>,
}

/// Watches directories; at first none.
#[derive(Default)]
pub struct DirWatcher {
    /// None while the kernel provides none.
    watcher: Option<RecommendedWatcher>,
    shared: Arc<WatcherState>,
    /// With device and inode: a directory that was created again has to be watched again.
    watched: HashMap<PathBuf, (u64, u64)>,
}

/// The result of watching directories.
#[derive(Debug, Default)]
pub struct WatchOutcome {
    /// Those that were not watched before.
    pub new: Vec<PathBuf>,
    /// Why others cannot be watched.
    pub problems: Vec<String>,
    /// The kernel provides no more watches, or none at all: the other directories have to
    /// be looked at.
    pub shortage: Option<Shortage>,
}

/// What the kernel does not provide enough of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shortage {
    /// Watches.
    Watches,
    /// Instances of inotify, or descriptors for one.
    Instances,
}

/// Ends the waiting of [`DirWatcher`] from another thread.
#[derive(Clone)]
pub struct WatchStop(Arc<WatcherState>);

impl WatchStop {
    /// Says that it is time to end.
    pub fn stop(&self) {
        lock(&self.0.changes).stop = true;
        self.0.wakeup.notify_all();
    }
}

impl DirWatcher {
    /// What ends the waiting from another thread.
    pub fn stop_handle(&self) -> WatchStop {
        WatchStop(Arc::clone(&self.shared))
    }

    /// Watches these directories and no others; those that were created again are watched
    /// again. Files of rules are recognized by name. If the kernel provides too few
    /// watches, directories where mail arrives come first; if it provides none, it is
    /// asked again the next time.
    pub fn watch(
        &mut self,
        roles: HashMap<PathBuf, WatchRole>,
        rule_files: Vec<PathBuf>,
    ) -> WatchOutcome {
        let mut watched = WatchOutcome::default();
        if self.watcher.is_none() {
            let state = Arc::clone(&self.shared);
            self.watcher = notify::recommended_watcher(move |event| state.take(event)).ok();
        }
        let Some(watcher) = &mut self.watcher else {
            watched.shortage = Some(Shortage::Instances);
            return watched;
        };
        let known: Vec<PathBuf> = self.watched.keys().cloned().collect();
        let lost = std::mem::take(&mut *lock(&self.shared.lost));
        for path in known {
            let same = roles.contains_key(&path) && !lost.contains(&path);
            if !same || identity(&path).ok() != self.watched.get(&path).copied() {
                // It may be gone, and with it the kernel's watch.
                let _ = watcher.unwatch(&path);
                self.watched.remove(&path);
            }
        }
        // Roles first: events come as soon as a directory is watched. Parents before
        // children, so that anything created in between is an event.
        let rank = |role: &WatchRole| (!role.arrivals, !role.rules, !role.folders);
        let mut paths: Vec<_> = roles.iter().map(|(path, role)| (rank(role), path)).collect();
        paths.sort_unstable();
        let paths: Vec<PathBuf> = paths.into_iter().map(|(_, path)| path.clone()).collect();
        *lock(&self.shared.roles) = roles;
        *lock(&self.shared.rule_files) = rule_files;
        for path in paths {
            if self.watched.contains_key(&path) {
                continue;
            }
            let Ok(identity) = identity(&path) else { continue };
            match watcher.watch(&path, RecursiveMode::NonRecursive) {
                Ok(()) => {
                    self.watched.insert(path.clone(), identity);
                    watched.new.push(path);
                }
                Err(error) if matches!(error.kind, ErrorKind::MaxFilesWatch) => {
                    watched.shortage = Some(Shortage::Watches);
                    break;
                }
                Err(error) => watched.problems.push(format!("`{}`: {error}", path.display())),
            }
        }
        watched
    }

    /// Waits until something has happened, at most until `deadline`. Moves
    /// alone end the waiting when `quiet` has passed since the last of them,
    /// or five times that since the first.
    pub fn wait(&self, deadline: Option<Instant>, quiet: Duration) -> DirChanges {
        let mut changes = lock(&self.shared.changes);
        loop {
            let now = Instant::now();
            let moves_due =
                changes.messages.map(|(first, last)| (last + quiet).min(first + quiet * 5));
            let until = [deadline, moves_due].into_iter().flatten().min();
            if !changes.is_quiet() || until.is_some_and(|until| until <= now) {
                let messages = changes.messages.take();
                let mut all = std::mem::take(&mut *changes);
                // Moves that are too recent are left for the next time.
                if moves_due.is_some_and(|moves_due| moves_due > now) {
                    changes.messages = messages;
                } else {
                    all.messages = messages;
                }
                changes.stop = all.stop;
                return all;
            }
            changes = match until {
                Some(until) => {
                    let wait = self.shared.wakeup.wait_timeout(changes, until.duration_since(now));
                    wait.unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.shared.wakeup.wait(changes).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }
}

impl WatcherState {
    fn take(&self, event: notify::Result<Event>) {
        let mut changes = lock(&self.changes);
        match event {
            Ok(event) if event.need_rescan() => {
                changes.all = true;
                changes.folders = true;
            }
            Ok(event) => {
                let Some(happened) = DirEvent::of(&event.kind) else { return };
                for path in &event.paths {
                    self.note(&mut changes, path, happened);
                }
            }
            Err(_) => {
                changes.all = true;
                changes.folders = true;
            }
        }
        drop(changes);
        self.wakeup.notify_all();
    }

    fn note(&self, changes: &mut DirChanges, path: &Path, event: DirEvent) {
        let roles = lock(&self.roles);
        // A watched directory itself was moved or removed.
        if roles.contains_key(path) && event != DirEvent::Written {
            changes.folders = true;
            lock(&self.lost).insert(path.to_owned());
        }
        let Some(role) = path.parent().and_then(|parent| roles.get(parent)) else { return };
        if role.arrivals {
            let arrival = match event {
                DirEvent::MovedIn | DirEvent::Written => Some(Arrival::Complete),
                DirEvent::Created => Some(Arrival::Created),
                DirEvent::Removed => None,
            };
            match arrival {
                Some(_) if changes.arrived.len() >= MOST_ARRIVED => {
                    changes.all = true;
                    changes.arrived.clear();
                }
                Some(Arrival::Created) => {
                    changes.arrived.entry(path.to_owned()).or_insert(Arrival::Created);
                }
                Some(complete) => {
                    changes.arrived.insert(path.to_owned(), complete);
                }
                None => {}
            }
        }
        if role.messages && event != DirEvent::Written {
            let now = Instant::now();
            let first = changes.messages.map_or(now, |(first, _)| first);
            changes.messages = Some((first, now));
        }
        let name = path.file_name().unwrap_or_default();
        if role.folders && event != DirEvent::Written && !is_server_file(&name.to_string_lossy()) {
            changes.folders = true;
        }
        if role.rules && lock(&self.rule_files).iter().any(|file| file == path) {
            changes.rules = true;
        }
    }
}

/// What happened to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum DirEvent {
    /// It was renamed to here.
    MovedIn,
    /// It was created here.
    Created,
    /// It was written and closed.
    Written,
    /// It no longer exists here.
    Removed,
}

impl DirEvent {
    fn of(kind: &EventKind) -> Option<DirEvent> {
        Some(match kind {
            EventKind::Modify(ModifyKind::Name(RenameMode::From)) => DirEvent::Removed,
            // Both names are reported once more, each in an event of its own.
            EventKind::Modify(ModifyKind::Name(RenameMode::Both)) => return None,
            EventKind::Modify(ModifyKind::Name(_)) => DirEvent::MovedIn,
            EventKind::Create(CreateKind::Folder) => DirEvent::MovedIn,
            EventKind::Create(_) => DirEvent::Created,
            EventKind::Remove(RemoveKind::File | RemoveKind::Folder | _) => DirEvent::Removed,
            EventKind::Access(AccessKind::Close(AccessMode::Write)) => DirEvent::Written,
            _ => return None,
        })
    }
}

/// Whether this is a file that IMAP servers and mbsync keep next to the messages, or one
/// of their temporary files.
fn is_server_file(name: &str) -> bool {
    ["dovecot", ".mbsyncstate", ".uidvalidity", ".isyncuidmap", "subscriptions", "courier"]
        .iter()
        .any(|start| name.starts_with(start))
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let identity = fs::metadata(path)?;
    Ok((identity.dev(), identity.ino()))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
