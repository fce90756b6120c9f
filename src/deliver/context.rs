//! What a delivery may use besides the Maildir, and how lists and programs are used.

use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::file::{ANYWHERE, Bounds};
use crate::outcome::is_permanent;
use crate::rules::check::PROGRAM_PATH;
use crate::state::StateDir;

use super::list_edit::{self, Change, EditContext};
use super::program;

/// The default of `set program-timeout`.
pub const PROGRAM_TIMEOUT: Duration = Duration::from_secs(60);
/// The default of `set sendmail`.
pub const SENDMAIL: &str = "/usr/sbin/sendmail";
/// How long to wait for a list that another process is editing.
const LIST_LOCK_TIMEOUT: Duration = Duration::from_secs(20);

/// What a delivery may use besides the Maildir.
#[derive(Debug, Clone)]
pub struct DeliveryContext {
    /// Where it is recorded what was done.
    pub state: Option<StateDir>,
    /// The user's home: where programs run, and outside which no list is edited.
    pub home: Option<PathBuf>,
    /// Where a confined user's lists must be.
    pub bounds: Bounds,
    /// To how many addresses per hour the user's rules may forward; none means no limit.
    pub forwards_per_hour: Option<u32>,
    /// The environment of programs.
    pub environment: Vec<(&'static str, OsString)>,
    /// How long one program may take.
    pub timeout: Duration,
    /// When everything has to be done.
    pub deadline: Instant,
    /// The program that sends mail to other mailboxes.
    pub sendmail: String,
    /// Envelope sender, RFC 5321 reverse-path, if it is known.
    pub sender: Option<String>,
    /// Envelope recipients.
    pub recipients: Vec<String>,
    /// The current time, seconds since 1970.
    pub now: i64,
    /// Who waits to learn the outcome; none where the exit code reports it.
    pub caller: Option<Caller>,
}

/// Who handed a message over and waits at the other end of a socket to learn the outcome.
#[derive(Debug, Clone)]
pub struct Caller(Arc<OwnedFd>);

impl Caller {
    /// The one at the other end of `socket`.
    pub fn at(socket: OwnedFd) -> Caller {
        Caller(Arc::new(socket))
    }

    /// Whether nobody is there any more.
    pub fn is_gone(&self) -> bool {
        let mut fds = [PollFd::new(&*self.0, PollFlags::empty())];
        let polled = poll(&mut fds, Some(&Timespec::default()));
        let gone = PollFlags::HUP | PollFlags::ERR;
        polled.is_ok() && fds.iter().any(|fd| fd.revents().intersects(gone))
    }
}

/// The result of a step.
pub(super) struct EffectResult {
    /// Whether anything was done, for the log; or why it failed.
    pub(super) result: Result<bool, String>,
    /// It failed, and would fail again: `sendmail` refused the message permanently.
    pub(super) is_permanent: bool,
    /// Anything else to report.
    pub(super) notes: Vec<String>,
}

impl DeliveryContext {
    /// A delivery that uses nothing but the Maildir.
    pub fn nothing() -> DeliveryContext {
        DeliveryContext {
            state: None,
            home: None,
            bounds: ANYWHERE,
            forwards_per_hour: None,
            environment: Vec::new(),
            timeout: PROGRAM_TIMEOUT,
            deadline: Instant::now() + PROGRAM_TIMEOUT,
            sendmail: SENDMAIL.into(),
            sender: None,
            recipients: Vec::new(),
            now: 0,
            caller: None,
        }
    }

    /// Whether nobody is left to learn the outcome, so that the message will come again.
    pub(super) fn is_abandoned(&self) -> bool {
        self.caller.as_ref().is_some_and(Caller::is_gone)
    }

    /// How a program has to be run.
    pub fn call<'a>(&'a self, argv: &'a [String]) -> program::ProgramCall<'a> {
        program::ProgramCall {
            argv,
            environment: &self.environment,
            directory: self.home.clone().unwrap_or_else(|| "/".into()),
            deadline: self.deadline.min(Instant::now() + self.timeout),
        }
    }

    /// Makes edits of one list, in one step; says why if that fails.
    pub(super) fn edit_list(
        &self,
        list: &str,
        path: &Path,
        edits: &[(Change, &str)],
    ) -> Result<(), String> {
        let home = self.home.as_deref().unwrap_or(Path::new("/nonexistent"));
        let lock_timeout =
            LIST_LOCK_TIMEOUT.min(self.deadline.saturating_duration_since(Instant::now()));
        let (bounds, state) = (&self.bounds, self.state.as_ref());
        let context = EditContext { home, bounds, state, lock_timeout };
        let edited = list_edit::edit_all(path, context, edits);
        let failed =
            |error| format!("the list {list}, `{}`, is not edited: {error}", path.display());
        edited.map(drop).map_err(failed)
    }
}

/// How a program ended and what it printed, for the log.
pub(super) fn effect_result(name: &str, end: program::ProgramEnd) -> EffectResult {
    EffectResult {
        result: end.result.map(|()| true).map_err(|why| format!("`{name}` {why}")),
        is_permanent: false,
        notes: printed_lines(name, end.printed),
    }
}

/// [`effect_result`] for the program that sends mail, whose exit status says whether
/// another try is worthwhile.
pub(super) fn sendmail_result(name: &str, end: program::ProgramEnd) -> EffectResult {
    let is_permanent = end.status.is_some_and(is_permanent);
    EffectResult { is_permanent, ..effect_result(name, end) }
}

/// What a program printed, for the log.
pub fn printed_lines(name: &str, lines: Vec<String>) -> Vec<String> {
    lines.into_iter().map(|line| format!("`{name}` says: {line}")).collect()
}

/// The environment of programs: a few variables that are the same for every message, and
/// the envelope. Control characters are removed from the values, except from the home,
/// and long values are cut.
pub fn environment(
    home: Option<&Path>,
    user: Option<&str>,
    sender: Option<&str>,
    recipients: &[String],
    extension: Option<&str>,
) -> Vec<(&'static str, OsString)> {
    let mut all = vec![("PATH", OsString::from(PROGRAM_PATH))];
    if let Some(home) = home {
        // Passed byte for byte: another path would be another home.
        all.push(("HOME", home.into()));
    }
    let mut add = |name: &'static str, value: &str| {
        let value: String = value.chars().filter(|c| !c.is_control()).take(1000).collect();
        all.push((name, value.into()));
    };
    if let Some(user) = user {
        add("USER", user);
        add("LOGNAME", user);
    }
    add("SHELL", "/bin/sh");
    for name in ["LANG", "LC_ALL", "LC_CTYPE", "TZ"] {
        if let Ok(value) = std::env::var(name) {
            add(name, &value);
        }
    }
    if let Some(sender) = sender {
        add("SENDER", sender);
    }
    if let Some(recipient) = recipients.first() {
        add("RECIPIENT", recipient);
    }
    if let Some(extension) = extension {
        add("EXTENSION", extension);
    }
    all
}
