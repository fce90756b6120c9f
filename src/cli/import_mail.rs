//! `mfilter import mbox`: old mail into the Maildir.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::json;

use super::args::RuleOptions;
use super::current_rules::CurrentRules;
use super::interrupt::stop;
use super::output::say;
use super::progress::ProgressMeter;
use super::{CommandError, CommandOutcome, output};
use crate::file;
use crate::mailbox::MessageSource;
use crate::mailbox::mbox_lock::{self, MboxLockError};
use crate::mailbox::old_mail::{Filing, FilingRules, ImportEvent, MailImport};
use crate::mailbox::refile::Skip;
use crate::plan::Folder;
use crate::source::reason;
use crate::text::{escape, json_line};
use crate::user::User;
use crate::world::World;

/// `mfilter import mbox`
#[derive(clap::Args, Debug)]
pub(super) struct ImportMailArgs {
    /// Mboxes, MH folders, or directories of them; none of them is changed
    #[arg(required = true, value_name = "FILE")]
    pub(super) paths: Vec<PathBuf>,

    /// The Maildir [default: `set maildir`, else ~/Maildir]
    #[arg(long, value_name = "DIR")]
    pub(super) maildir: Option<PathBuf>,

    /// The folder, named as in the rules [default: one named after each file]
    #[arg(long, value_name = "FOLDER")]
    pub(super) folder: Option<String>,

    /// File each message by the rules, as `mfilter sort` would; what matches no rule goes
    /// into the folder. Nothing is sent and no program is run
    #[arg(long)]
    pub(super) sort: bool,

    #[command(flatten)]
    pub(super) files: RuleOptions,

    /// File again what an earlier run has filed
    #[arg(long)]
    pub(super) again: bool,

    /// Say what would be filed; change nothing
    #[arg(long, conflicts_with = "again")]
    pub(super) dry_run: bool,

    /// One JSON object per message (JSON Lines)
    #[arg(long)]
    pub(super) json: bool,

    /// Say where each message goes
    #[arg(short, action = clap::ArgAction::Count)]
    pub(super) verbose: u8,
}

/// How long to wait for another program that has locked an mbox.
const LOCK_TIMEOUT: Duration = Duration::from_secs(10);

pub(super) fn run(call: &ImportMailArgs) -> Result<CommandOutcome, CommandError> {
    let stop = &stop();
    let user = User::of_process();
    for path in &call.paths {
        looks_like_mail(path)?;
    }
    let current = CurrentRules::of(&call.files, &user)
        .map_err(|error| error.preventing("the rules have a mistake; nothing was filed"))?;
    let program = &current.rules.user;
    let world = World::of(user.clone());
    let location = super::location(call.maildir.as_deref(), program, &world)?;
    let now = world.now();
    let new_world = || {
        let world = World { now: Some(now), ..World::of(user.clone()) };
        World { state: None, ..super::with_mail(world, program, &location, !call.dry_run) }
    };
    let state = super::state_of(&user)?;
    let folder = call.folder.as_deref().map(Folder::named);
    let by_rules = call.sort || call.files.rules.is_some();
    let import = MailImport {
        location: &location,
        state: (!call.dry_run).then_some(&state),
        folder,
        rules: by_rules.then_some(FilingRules { rules: &current.rules, world: &new_world }),
        again: call.again,
        zone: world.zone(program.settings.timezone.as_deref()),
        now: now.as_second(),
        stop,
    };
    let quiet = !call.json && call.verbose == 0;
    let mut report = ImportReport {
        call,
        progress: ProgressMeter::of_bytes(size_of(&call.paths), quiet),
        counts: ImportCounts::default(),
    };
    let mut failed = false;
    for path in &call.paths {
        if stop.load(std::sync::atomic::Ordering::Relaxed) {
            break;
        }
        let imported = locked(path).and_then(|_lock| {
            let imported = import.import(path, &mut |event| report.take(event));
            imported.map_err(|failure| failure.to_string())
        });
        if let Err(why) = imported {
            failed = true;
            report.progress.error(&escape(&why));
        }
    }
    report.progress.end();
    let counts = &report.counts;
    if !call.json {
        output::report(&counts.table(call.dry_run));
    }
    let interrupted = stop.load(std::sync::atomic::Ordering::Relaxed);
    if (interrupted || failed) && !call.dry_run {
        output::error("not everything was filed; run the same command again to continue");
    }
    let has_problem = counts.problems > 0 || failed || interrupted;
    Ok(CommandOutcome::found_if(has_problem))
}

/// Whether a given path can contain old mail; if not, what it is, and what to do.
fn looks_like_mail(path: &Path) -> Result<(), String> {
    let shown = path.display();
    let metadata = fs::metadata(path).map_err(|error| format!("{shown}: {}", reason(&error)))?;
    if metadata.is_dir() {
        if path.join("cur").is_dir() || path.join("new").is_dir() {
            return Err(format!(
                "{shown}: this is a Maildir, which needs no import: `set maildir` names it, and \
                 `mfilter sort` files what is in it"
            ));
        }
        return Ok(());
    }
    let file =
        file::open(path, file::READ).map_err(|error| match file::is_not_regular(&error) {
            true => format!("{shown}: {error}; save its output to a file first"),
            false => format!("{shown}: {error}"),
        })?;
    let mut start = Vec::new();
    file.take(512).read_to_end(&mut start).map_err(|error| format!("{shown}: {error}"))?;
    // An empty file is an mbox without messages.
    if start.is_empty() || start.starts_with(b"From ") {
        return Ok(());
    }
    let digits = |name: &str| name.bytes().all(|byte| byte.is_ascii_digit());
    if path.file_name().and_then(|name| name.to_str()).is_some_and(digits) {
        return Ok(());
    }
    let what = match start.as_slice() {
        [0x1f, 0x8b, ..] => "compressed by gzip; unpack it first: `zcat FILE > mbox`",
        [b'B', b'Z', b'h', ..] => "compressed by bzip2; unpack it first: `bzcat FILE > mbox`",
        [0xfd, b'7', b'z', ..] => "compressed by xz; unpack it first: `xzcat FILE > mbox`",
        [b'P', b'K', ..] => "a ZIP archive; unpack it first",
        [1, 1, 1, 1, ..] => "an MMDF mailbox; save its messages as an mbox with a mail reader",
        [b'B', b'A', b'B', b'Y', b'L', ..] => "a Babyl file of Emacs; save it as an mbox there",
        [b'!', b'B', b'D', b'N', ..] => {
            "an Outlook file; `readpst` (pst-utils) converts it to mboxes"
        }
        [0, ..] => "NUL bytes at its start",
        _ => {
            let first = start.split(|byte| *byte == b'\n').next().unwrap_or_default();
            let first = crate::text::one_line(&String::from_utf8_lossy(first), 60);
            return Err(format!(
                "{shown}: not an mbox: at byte 0 it says `{}`, not `From `; a single message is \
                 filed by `mfilter < FILE`",
                escape(&first)
            ));
        }
    };
    Err(format!("{shown}: not an mbox: {what}"))
}

/// Locks an mbox, or says who has locked it.
fn locked(path: &Path) -> Result<Option<mbox_lock::MboxLock>, String> {
    if path.is_dir() {
        return Ok(None);
    }
    let shown = path.display();
    mbox_lock::lock(path, Instant::now() + LOCK_TIMEOUT).map(Some).map_err(|why| match why {
        MboxLockError::Failed(error) => format!("cannot lock `{shown}`: {error}"),
        MboxLockError::InUse => format!(
            "`{shown}` is locked by another program: close the mail reader, or wait for the \
             delivery to end, and try again"
        ),
        MboxLockError::Dotlock(file) => format!(
            "`{shown}` is locked by another program: `{file}` is there; close the mail reader, or \
             wait for the delivery to end, and try again. If nothing uses it, remove `{file}`",
            file = file.display()
        ),
    })
}

/// The size of these files and of all below these directories, bytes.
fn size_of(paths: &[PathBuf]) -> u64 {
    let mut left = paths.to_vec();
    let (mut seen, mut size) = (HashSet::new(), 0_u64);
    while let Some(path) = left.pop() {
        let Ok(metadata) = fs::metadata(&path) else { continue };
        if !metadata.is_dir() {
            size = size.saturating_add(metadata.len());
        } else if seen.insert((metadata.dev(), metadata.ino())) {
            let entries: Result<Vec<_>, io::Error> =
                fs::read_dir(&path).into_iter().flatten().collect();
            left.extend(entries.unwrap_or_default().into_iter().map(|entry| entry.path()));
        }
    }
    size
}

/// The report while mail is filed.
struct ImportReport<'r> {
    call: &'r ImportMailArgs,
    progress: ProgressMeter,
    counts: ImportCounts,
}

impl ImportReport<'_> {
    fn take(&mut self, event: ImportEvent<'_>) {
        match event {
            ImportEvent::Message(source, filing) => self.message(source, &filing),
            ImportEvent::Note(note) => self.progress.error(&escape(&note)),
            ImportEvent::Problem(why) => {
                self.counts.problems += 1;
                self.progress.error(&escape(&why));
            }
        }
    }

    fn message(&mut self, source: &MessageSource, filing: &Filing) {
        let size = || fs::symlink_metadata(&source.path).map_or(0, |metadata| metadata.len());
        self.progress.done_bytes(if source.number > 0 { source.part.length } else { size() });
        let (result, folder) = match filing {
            Filing::Filed { folder, flags, skipped } => {
                *self.counts.filed.entry(folder.clone()).or_default() += 1;
                self.counts.trashed += usize::from(flags.letters.contains('T'));
                for skip in skipped {
                    *self.counts.skipped.entry(*skip).or_default() += 1;
                }
                (if self.call.dry_run { "would-file" } else { "filed" }, Some((folder, flags)))
            }
            Filing::Known => {
                self.counts.known += 1;
                ("filed-before", None)
            }
            Filing::Internal => {
                self.counts.internal += 1;
                ("internal", None)
            }
        };
        if self.call.json {
            let object = json!({
                "file": source.path.display().to_string(),
                "number": source.number,
                "offset": source.part.offset,
                "result": result,
                "folder": folder.map(|(folder, _)| folder),
                "flags": folder.map(|(_, flags)| flags.words()),
            });
            output::print(&(json_line(&object) + "\n"));
        } else if let (true, Some((folder, flags))) = (self.call.verbose > 0, folder) {
            let flags = flags.as_written();
            let flags = if flags.is_empty() { flags } else { format!(" as {flags}") };
            let label = escape(&output::with_tilde(&source.label));
            output::report(&format!("{label} -> {}{flags}\n", escape(folder)));
        }
    }
}

/// The table at the end.
#[derive(Default)]
struct ImportCounts {
    filed: BTreeMap<String, usize>,
    skipped: BTreeMap<Skip, usize>,
    known: usize,
    internal: usize,
    trashed: usize,
    problems: usize,
}

impl ImportCounts {
    fn table(&self, dry_run: bool) -> String {
        let all = self.filed.values().sum::<usize>() + self.known;
        let mut out = output::messages_in_all(all, dry_run);
        let mut row = |number: usize, text: &str| {
            if number > 0 {
                out.push_str(&format!("{number:>7} {}\n", escape(text)));
            }
        };
        let mut filed: Vec<_> = self.filed.iter().collect();
        filed.sort_by_key(|(_, number)| std::cmp::Reverse(**number));
        for (folder, number) in filed {
            row(*number, &format!("-> {folder}"));
        }
        row(self.known, &say("filed by an earlier run; --again files them again"));
        row(self.trashed, &say("deleted in the old mail reader, so flagged as trashed"));
        row(self.internal, &say("left out: the state of a mailbox, not a message"));
        row(self.problems, &say("failed, see above"));
        for (Skip { action, why, .. }, number) in &self.skipped {
            row(*number, &say(&format!("{action} not done: {why}")));
        }
        out
    }
}
