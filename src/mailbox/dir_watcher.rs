//! What happens in directories, by the kernel's events: which messages came,
//! that messages were moved, that folders were made, that rules were edited.
//!
//! Events are gathered and not queued: however many there are, what is kept of
//! them is small, and where it is not, or the kernel has lost some, all is to
//! be looked at. Reading a message is an event too, and of no interest.
//!
//! A delivery into `new` is a rename, and complete. A program that writes into
//! `new` directly is waited for until it closes the file.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use notify::event::{AccessKind, AccessMode, CreateKind, ModifyKind, RemoveKind, RenameMode};
use notify::{ErrorKind, Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};

/// More messages at a time are found by listing the folder.
const MOST_ARRIVED: usize = 10_000;

/// What a directory is watched for; it may be for several things.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WatchRole {
    /// Messages that come are to be filed.
    pub arrivals: bool,
    /// Messages that come or go may have been moved.
    pub messages: bool,
    /// Folders may be made or removed in it.
    pub folders: bool,
    /// Rules lie in it.
    pub rules: bool,
}

/// How a message came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrival {
    /// Renamed into its place, or written and closed.
    Whole,
    /// Begun; it may be written still.
    Begun,
}

/// What has happened.
#[derive(Debug, Default)]
pub struct DirChanges {
    /// Files that came into a directory with the role for that.
    pub arrived: HashMap<PathBuf, Arrival>,
    /// All is to be looked at: events were lost, or are too many.
    pub all: bool,
    /// When messages came or went, the first and the last time.
    pub messages: Option<(Instant, Instant)>,
    /// Folders may have been made or removed.
    pub folders: bool,
    /// Rules may have been edited.
    pub rules: bool,
    /// It is time to end.
    pub stop: bool,
}

impl DirChanges {
    /// Whether nothing of it has to be looked at, but for moves, which can wait.
    fn is_quiet(&self) -> bool {
        self.arrived.is_empty() && !self.all && !self.folders && !self.rules && !self.stop
    }
}

#[derive(Default)]
struct WatcherState {
    seen: Mutex<DirChanges>,
    bell: Condvar,
    /// The directories that are watched, and files of rules.
    roles: Mutex<HashMap<PathBuf, WatchRole>>,
    rule_files: Mutex<Vec<PathBuf>>,
    /// Directories that were removed or moved: one that is made in their place
    /// may have the same inode.
    lost: Mutex<HashSet<PathBuf>>,
}

/// Watches directories; at first none.
#[derive(Default)]
pub struct DirWatcher {
    /// None while the kernel gives none.
    watcher: Option<RecommendedWatcher>,
    shared: Arc<WatcherState>,
    /// With device and inode: what was made again has to be watched again.
    watched: HashMap<PathBuf, (u64, u64)>,
}

/// What came of watching directories.
#[derive(Debug, Default)]
pub struct WatchOutcome {
    /// Those that were not watched before.
    pub new: Vec<PathBuf>,
    /// Why others cannot be watched.
    pub problems: Vec<String>,
    /// The kernel gives no more watches, or none at all: the rest has to be
    /// looked at.
    pub shortage: Option<Shortage>,
}

/// What the kernel gives too few of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shortage {
    /// Watches.
    Watches,
    /// Instances of inotify, or descriptors for one.
    Instances,
}

/// Ends the waiting of [`DirWatcher`] from another thread.
#[derive(Clone)]
pub struct Bell(Arc<WatcherState>);

impl Bell {
    /// It is time to end.
    pub fn stop(&self) {
        lock(&self.0.seen).stop = true;
        self.0.bell.notify_all();
    }
}

impl DirWatcher {
    /// To end the waiting.
    pub fn bell(&self) -> Bell {
        Bell(Arc::clone(&self.shared))
    }

    /// Watches these directories and no others; those that were made again are
    /// watched again. Files of rules are told apart by name. Where the kernel
    /// gives too few watches, those go first on which mail comes; where it gives
    /// none, it is asked again the next time.
    pub fn watch(
        &mut self,
        wanted: HashMap<PathBuf, WatchRole>,
        rule_files: Vec<PathBuf>,
    ) -> WatchOutcome {
        let mut watched = WatchOutcome::default();
        if self.watcher.is_none() {
            let takes = Arc::clone(&self.shared);
            self.watcher = notify::recommended_watcher(move |event| takes.take(event)).ok();
        }
        let Some(watcher) = &mut self.watcher else {
            watched.shortage = Some(Shortage::Instances);
            return watched;
        };
        let known: Vec<PathBuf> = self.watched.keys().cloned().collect();
        let lost = std::mem::take(&mut *lock(&self.shared.lost));
        for path in known {
            let same = wanted.contains_key(&path) && !lost.contains(&path);
            if !same || inode(&path).ok() != self.watched.get(&path).copied() {
                // It may be gone, and with it what the kernel knew of it.
                let _ = watcher.unwatch(&path);
                self.watched.remove(&path);
            }
        }
        // First the roles: events come as soon as it is watched.
        // And what is above before what is below: what is made meanwhile is an event.
        let rank = |role: &WatchRole| (!role.arrivals, !role.rules, !role.folders);
        let mut paths: Vec<_> = wanted.iter().map(|(path, role)| (rank(role), path)).collect();
        paths.sort_unstable();
        let paths: Vec<PathBuf> = paths.into_iter().map(|(_, path)| path.clone()).collect();
        *lock(&self.shared.roles) = wanted;
        *lock(&self.shared.rule_files) = rule_files;
        for path in paths {
            if self.watched.contains_key(&path) {
                continue;
            }
            let Ok(about) = inode(&path) else { continue };
            match watcher.watch(&path, RecursiveMode::NonRecursive) {
                Ok(()) => {
                    self.watched.insert(path.clone(), about);
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
        let mut seen = lock(&self.shared.seen);
        loop {
            let now = Instant::now();
            let ripe = seen.messages.map(|(first, last)| (last + quiet).min(first + quiet * 5));
            let until = [deadline, ripe].into_iter().flatten().min();
            if !seen.is_quiet() || until.is_some_and(|until| until <= now) {
                let messages = seen.messages.take();
                let mut all = std::mem::take(&mut *seen);
                // Those that are not ripe are left for the next time.
                if ripe.is_some_and(|ripe| ripe > now) {
                    seen.messages = messages;
                } else {
                    all.messages = messages;
                }
                seen.stop = all.stop;
                return all;
            }
            seen = match until {
                Some(until) => {
                    let wait = self.shared.bell.wait_timeout(seen, until.duration_since(now));
                    wait.unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.shared.bell.wait(seen).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }
}

impl WatcherState {
    fn take(&self, event: notify::Result<Event>) {
        let mut seen = lock(&self.seen);
        match event {
            Ok(event) if event.need_rescan() => {
                seen.all = true;
                seen.folders = true;
            }
            Ok(event) => {
                let Some(happened) = DirEvent::of(&event.kind) else { return };
                for path in &event.paths {
                    self.note(&mut seen, path, happened);
                }
            }
            Err(_) => {
                seen.all = true;
                seen.folders = true;
            }
        }
        drop(seen);
        self.bell.notify_all();
    }

    fn note(&self, seen: &mut DirChanges, path: &Path, happened: DirEvent) {
        let roles = lock(&self.roles);
        // A watched directory itself was moved or removed.
        if roles.contains_key(path) && happened != DirEvent::Written {
            seen.folders = true;
            lock(&self.lost).insert(path.to_owned());
        }
        let Some(role) = path.parent().and_then(|parent| roles.get(parent)) else { return };
        if role.arrivals {
            let arrival = match happened {
                DirEvent::Came | DirEvent::Written => Some(Arrival::Whole),
                DirEvent::Begun => Some(Arrival::Begun),
                DirEvent::Went => None,
            };
            match arrival {
                Some(_) if seen.arrived.len() >= MOST_ARRIVED => {
                    seen.all = true;
                    seen.arrived.clear();
                }
                Some(Arrival::Begun) => {
                    seen.arrived.entry(path.to_owned()).or_insert(Arrival::Begun);
                }
                Some(whole) => {
                    seen.arrived.insert(path.to_owned(), whole);
                }
                None => {}
            }
        }
        if role.messages && happened != DirEvent::Written {
            let now = Instant::now();
            let first = seen.messages.map_or(now, |(first, _)| first);
            seen.messages = Some((first, now));
        }
        let name = path.file_name().unwrap_or_default();
        if role.folders && happened != DirEvent::Written && !is_servers(&name.to_string_lossy()) {
            seen.folders = true;
        }
        if role.rules && lock(&self.rule_files).iter().any(|file| file == path) {
            seen.rules = true;
        }
    }
}

/// What has happened to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum DirEvent {
    /// It was renamed to here.
    Came,
    /// It was made here.
    Begun,
    /// It was written and closed.
    Written,
    /// It is not there any more.
    Went,
}

impl DirEvent {
    fn of(kind: &EventKind) -> Option<DirEvent> {
        Some(match kind {
            EventKind::Modify(ModifyKind::Name(RenameMode::From)) => DirEvent::Went,
            // Both names come once more, each by itself.
            EventKind::Modify(ModifyKind::Name(RenameMode::Both)) => return None,
            EventKind::Modify(ModifyKind::Name(_)) => DirEvent::Came,
            EventKind::Create(CreateKind::Folder) => DirEvent::Came,
            EventKind::Create(_) => DirEvent::Begun,
            EventKind::Remove(RemoveKind::File | RemoveKind::Folder | _) => DirEvent::Went,
            EventKind::Access(AccessKind::Close(AccessMode::Write)) => DirEvent::Written,
            _ => return None,
        })
    }
}

/// What IMAP servers and mbsync keep beside the messages, and what is theirs
/// for a moment.
fn is_servers(name: &str) -> bool {
    ["dovecot", ".mbsyncstate", ".uidvalidity", ".isyncuidmap", "subscriptions", "courier"]
        .iter()
        .any(|start| name.starts_with(start))
}

fn inode(path: &Path) -> io::Result<(u64, u64)> {
    let about = fs::metadata(path)?;
    Ok((about.dev(), about.ino()))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
