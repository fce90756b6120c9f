//! `mfilter watch`: files mail as it arrives in a Maildir that others fill, and learns
//! from what the user moves, until it is told to end.
//!
//! It wakes when something happens, and checks the rules each time: edits apply to the
//! next message; while rules are broken, the last valid ones stay in use. Whatever goes
//! wrong is reported once and tried again later.

mod filing;
mod roles;
mod service;

use std::io::Read;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::low_level::pipe;

use super::CommandOutcome;
use super::args::MailboxOptions;
use crate::load;
use crate::mailbox::dir_watcher::{DirChanges, DirWatcher};
use crate::user::User;
use service::WatchService;

/// `mfilter watch`
#[derive(clap::Args, Debug)]
pub(super) struct WatchArgs {
    /// The folders, named as in the rules [default: the inbox]
    #[arg(value_name = "FOLDER")]
    pub(super) folders: Vec<String>,

    #[command(flatten)]
    pub(super) mailbox: MailboxOptions,

    /// Say what is filed and learned
    #[arg(short, action = clap::ArgAction::Count)]
    pub(super) verbose: u8,
}

/// How long after the last move we look at moves.
const DEBOUNCE: Duration = Duration::from_millis(1200);

/// `mfilter watch`
pub(super) fn run(call: &WatchArgs) -> Result<CommandOutcome, String> {
    let user = User::of_process();
    let state = super::state_of(&user)?;
    let rules = match &call.mailbox.files.rules {
        Some(path) => path.clone(),
        None => load::default_rules(&user)?,
    };
    let rules = std::path::absolute(&rules).unwrap_or(rules);
    let mut directories = DirWatcher::default();
    let stop = end_on_signals(&directories)?;
    let mut service = WatchService::new(call, user, state, rules, Arc::clone(&stop));
    let mut events = DirChanges { all: true, folders: true, ..DirChanges::default() };
    while !stop.load(Ordering::Relaxed) {
        let until = service.poll(&mut directories, events)?;
        events = directories.wait(until, DEBOUNCE);
    }
    Ok(CommandOutcome::Fine)
}

/// On a signal, sets a flag and ends the waiting.
fn end_on_signals(directories: &DirWatcher) -> Result<Arc<AtomicBool>, String> {
    let stop: Arc<AtomicBool> = Arc::default();
    let fail = |error: std::io::Error| format!("signal handlers cannot be set: {error}");
    let (mut ends, sends) = UnixStream::pair().map_err(fail)?;
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        signal_hook::flag::register(signal, Arc::clone(&stop)).map_err(fail)?;
        pipe::register(signal, sends.try_clone().map_err(fail)?).map_err(fail)?;
    }
    let stop_handle = directories.stop_handle();
    let end = move || {
        let _ = ends.read_exact(&mut [0]);
        stop_handle.stop();
    };
    std::thread::Builder::new().spawn(end).map_err(fail)?;
    Ok(stop)
}
