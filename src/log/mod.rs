//! The log: what became of each message, for `mfilter why` and for people.
//!
//! There is one line for each copy that was stored, and one for the outcome if that was
//! not a delivery. Before them come the texts of the rules' `log` and the actions that were
//! left out, after them notes on what went differently from what was asked:
//!
//! ```text
//! 2026-01-02T03:04:05.678Z delivered folder="Lists/rust" file="1767…,S=81:2,S" hash="3f…" rule="~/.mailrules:12" label="lists" id="<1@a.example>" from="b@a.example" for="taro@a.example" ms=3.1
//! ```
//!
//! The first word after the time is `log`, `copied`, `delivered`, `ran`, `piped`,
//! `forwarded`, `replied`, `edited`, `discarded`, `refused`, `deferred` or `note`;
//! `moved`, with the folder it `was` in, if a message that was already stored is moved, and
//! `by` which command, unless that was `watch`, for which it is new mail;
//! `learned` if a move by the user taught something; `deleted` before `expire` removes a
//! message. Values are JSON strings in which
//! controls, line separators and bidirectional marks are written as `\u…`, so that
//! nothing from a message can forge a line or a field. An unknown envelope sender is
//! absent, the null sender is `""`; `for` is the envelope recipient; by `hash` the stored
//! copy is known whoever renames it ([`crate::state::identity`]). [`reader`] reads all this
//! back.
//!
//! All lines of a message are one `write()` to a file opened for appending. A log that
//! cannot be written never costs mail.

pub mod reader;

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::fd::BorrowedFd;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use rustix::fs::{FlockOperation, OFlags, flock};
use rustix::io::Errno;

use crate::deliver::DeliveryReport;
use crate::file;
use crate::outcome::{Failure, Outcome};
use crate::plan::{DeliveryWord, Plan, RuleRef, Step, StepKind};
use crate::state::StateDir;
use crate::text::{is_invisible, push_json_escape};
use crate::zone::zone;

/// The log in the state directory is renamed to `log.1` at this size, bytes.
const ROTATION_SIZE: u64 = 1 << 20;
/// The longest value, bytes: RFC 5322 §2.1.1 allows a line 998.
pub(super) const VALUE_MAX: usize = 998;
/// Facility mail, severity info: RFC 3164 §4.1.1.
const PRIORITY: u8 = 2 * 8 + 6;

/// Where the log goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Log {
    /// `log` in the state directory, which is rotated.
    State(StateDir),
    /// A file of the user's choice, which the user has to rotate.
    File(PathBuf),
    /// The system's log.
    Syslog,
    /// Nowhere.
    Off,
}

/// What the log says about a message.
#[derive(Debug, Clone, Copy)]
pub struct LogEntry<'a> {
    /// What the rules asked for.
    pub plan: &'a Plan,
    /// What became of it.
    pub report: &'a DeliveryReport,
    /// Paths of the rule files, by [`crate::source::Span::file`].
    pub files: &'a [&'a str],
    /// Message-ID header; may be empty.
    pub message_id: &'a str,
    /// Envelope sender, RFC 5321 reverse-path, empty for the null sender.
    pub envelope_from: Option<&'a str>,
    /// Envelope recipients, RFC 5321 forward-path; empty if they are not known.
    pub envelope_to: &'a [String],
    /// The folder it was in, if others had stored it and it was moved.
    pub was: Option<&'a str>,
    /// Remarks on the delivery rather than the message, such as a site file that is not
    /// used.
    pub remarks: &'a [&'a str],
    /// The duration of a delivery, from reading the message to the last sync.
    pub duration: Option<Duration>,
}

/// How the log calls what takes back the moves of a command.
pub const UNDO: &str = "undo";

/// A message that was moved from folder to folder, or deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MoveLine {
    /// The folder it is in, as people name it.
    pub folder: String,
    /// The folder it was in.
    pub was: String,
    /// The current name of its file.
    pub file: String,
    /// The command that moved it: `sort` or `expire`, or [`UNDO`] if it took a move back.
    pub by: &'static str,
    /// The rule that asked for the move, as `file:line`; none if no rule did.
    pub rule: Option<String>,
    /// Message-ID header; may be empty.
    pub message_id: String,
}

/// What became of something that was to be learned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LessonKind {
    /// It was learned.
    Learned,
    /// A line was to be logged.
    Log,
    /// It was not done.
    Note,
}

/// What was learned from a message that the user moved from folder to folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LessonLine {
    /// What kind of line it is.
    pub kind: LessonKind,
    /// What was done, or not done.
    pub text: String,
    /// The folder it is in, as people name it.
    pub folder: String,
    /// The folder it was in.
    pub was: String,
    /// The statement, as `file:line`.
    pub rule: String,
    /// Message-ID header; may be empty.
    pub message_id: String,
}

impl Log {
    /// Writes a line for each message that was moved, all at once.
    ///
    /// # Errors
    /// The log cannot be written.
    pub fn moved(&self, moves: &[MoveLine]) -> Result<(), Failure> {
        self.write_each(moves, |moved| {
            line_of(
                "moved",
                &[
                    ("folder", Some(&moved.folder)),
                    ("was", Some(&moved.was)),
                    ("file", Some(&moved.file)),
                    ("by", Some(moved.by)),
                    ("rule", moved.rule.as_deref()),
                    ("id", Some(&moved.message_id)),
                ],
            )
        })
    }

    /// Writes a line for each message that is about to be deleted, all at once.
    ///
    /// # Errors
    /// The log cannot be written.
    pub fn deleted(&self, messages: &[MoveLine]) -> Result<(), Failure> {
        self.write_each(messages, |deleted| {
            line_of(
                "deleted",
                &[
                    ("was", Some(&deleted.was)),
                    ("file", Some(&deleted.file)),
                    ("rule", deleted.rule.as_deref()),
                    ("id", Some(&deleted.message_id)),
                ],
            )
        })
    }

    /// Writes a line for each thing that was learned, all at once.
    ///
    /// # Errors
    /// The log cannot be written.
    pub fn learned(&self, lessons: &[LessonLine]) -> Result<(), Failure> {
        self.write_each(lessons, |lesson| {
            let word = match lesson.kind {
                LessonKind::Learned => "learned",
                LessonKind::Log => "log",
                LessonKind::Note => "note",
            };
            line_of(
                word,
                &[
                    ("text", Some(&lesson.text)),
                    ("folder", Some(&lesson.folder)),
                    ("was", Some(&lesson.was)),
                    ("rule", Some(&lesson.rule)),
                    ("id", Some(&lesson.message_id)),
                ],
            )
        })
    }

    /// Writes a line for each of these, all at once.
    fn write_each<T>(&self, each: &[T], line: impl Fn(&T) -> String) -> Result<(), Failure> {
        if matches!(self, Log::Off) || each.is_empty() {
            return Ok(());
        }
        self.write_lines(&each.iter().map(line).collect::<Vec<_>>())
    }

    /// Writes the lines of a message.
    ///
    /// # Errors
    /// The log cannot be written.
    pub fn write(&self, entry: &LogEntry<'_>) -> Result<(), Failure> {
        if matches!(self, Log::Off) {
            return Ok(());
        }
        let lines = lines(entry);
        if lines.is_empty() { Ok(()) } else { self.write_lines(&lines) }
    }

    /// Writes a line about something other than a single message. The text is escaped.
    ///
    /// # Errors
    /// The log cannot be written.
    pub fn note(&self, text: &str) -> Result<(), Failure> {
        self.write_lines(&[remark(text)])
    }

    /// The files of the log, older one first.
    ///
    /// # Errors
    /// Why there are none, in words for people.
    pub fn files(&self) -> Result<[PathBuf; 2], &'static str> {
        match self {
            Log::Off => Err("nothing is logged: the rules say `set log off`"),
            Log::Syslog => Err("the log goes to the system's log, where it is under `mfilter`"),
            Log::File(path) => {
                let mut older = path.clone().into_os_string();
                older.push(".1");
                Ok([older.into(), path.clone()])
            }
            Log::State(state) => {
                let path = state.path().join("log");
                Ok([path.with_extension("1"), path])
            }
        }
    }

    fn write_lines(&self, lines: &[String]) -> Result<(), Failure> {
        let (path, written) = match self {
            Log::Off => return Ok(()),
            Log::Syslog => (PathBuf::from("/dev/log"), send(Path::new("/dev/log"), lines)),
            Log::File(path) => {
                let written = match standard_stream(path) {
                    Some(stream) => say(stream, lines),
                    None => append(path, lines, OFlags::empty()).map(drop),
                };
                (path.clone(), written)
            }
            Log::State(state) => {
                let path = state.path().join("log");
                let written = match append(&path, lines, OFlags::NOFOLLOW) {
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {
                        state.make().and_then(|()| append(&path, lines, OFlags::NOFOLLOW))
                    }
                    written => written,
                };
                let written = written.and_then(|file| rotate(&file, &path));
                (path, written)
            }
        };
        written.map_err(|error| Failure::new("write the log", path, error))
    }
}

/// The lines without the time.
fn lines(entry: &LogEntry<'_>) -> Vec<String> {
    let mut lines = Vec::new();
    let mut add = |word: &str, step: Option<&Step>, fields: &[(&str, &str)]| {
        let mut line = String::from(word);
        for (name, value) in fields {
            field(&mut line, name, value);
        }
        if let Some(rule) = step.and_then(|step| step.rule.as_ref()) {
            field(&mut line, "rule", &place(rule, entry.files));
            if let Some(label) = &rule.label {
                field(&mut line, "label", label);
            }
            if let Some(category) = &rule.category {
                field(&mut line, "category", category);
            }
        }
        field(&mut line, "id", entry.message_id);
        if let Some(from) = entry.envelope_from {
            field(&mut line, "from", from);
        }
        if !entry.envelope_to.is_empty() {
            field(&mut line, "for", &entry.envelope_to.join(", "));
        }
        if let Some(duration) = entry.duration {
            let _ = write!(line, " ms={:.1}", duration.as_secs_f64() * 1000.0);
        }
        lines.push(line);
    };
    for step in &entry.plan.steps {
        if let StepKind::Log(text) = &step.kind {
            add("log", Some(step), &[("text", text)]);
        }
    }
    for step in &entry.plan.steps {
        if let StepKind::Skipped { .. } = &step.kind {
            add("note", Some(step), &[("text", &step.kind.sentence())]);
        }
    }
    for stored in &entry.report.stored {
        let step = stored.step.and_then(|number| entry.plan.steps.get(number));
        let folder = stored.folder.to_string();
        let file = stored.path.as_deref().map(|path| path.file_name().unwrap_or_default());
        let file = file.map(|name| name.to_string_lossy());
        let mut fields = vec![("folder", folder.as_str())];
        fields.extend(entry.was.map(|was| ("was", was)));
        fields.extend(file.as_deref().map(|name| ("file", name)));
        let hash = stored.hash.map(|hash| format!("{hash:016x}"));
        fields.extend(hash.as_deref().map(|hash| ("hash", hash)));
        if entry.was.is_some() {
            add("moved", step, &fields);
            continue;
        }
        let word = match step.map(|step| &step.kind) {
            Some(StepKind::Deliver { as_: DeliveryWord::Copy, .. }) => "copied",
            _ => "delivered",
        };
        add(word, step, &fields);
    }
    for step in entry.report.done.iter().filter_map(|number| entry.plan.steps.get(*number)) {
        let Some((word, name, value)) = step.kind.log_words() else { continue };
        add(word, Some(step), &[(name, &value)]);
    }
    let end = entry.plan.steps.last();
    match &entry.report.outcome {
        Outcome::Delivered => {}
        Outcome::Discarded => {
            let why = match end.map(|step| &step.kind) {
                Some(StepKind::Discard { why }) => why.as_deref().unwrap_or_default(),
                _ => "",
            };
            add("discarded", end, &[("text", why)]);
        }
        Outcome::Refused { status, text } => {
            add("refused", end, &[("status", status), ("text", text)]);
        }
        Outcome::Deferred { status, text } => {
            // A deferral after a failure was not asked for by a rule.
            let rule = end.filter(|step| matches!(step.kind, StepKind::Defer { .. }));
            add("deferred", rule, &[("status", status), ("text", text)]);
        }
    }
    for note in &entry.report.notes {
        add("note", None, &[("text", note)]);
    }
    lines.extend(entry.remarks.iter().map(|text| remark(text)));
    lines
}

fn remark(text: &str) -> String {
    let mut line = String::from("note");
    field(&mut line, "text", text);
    line
}

/// Where a rule is: `file:line`.
pub fn place(rule: &RuleRef, files: &[&str]) -> String {
    match files.get(rule.span.file as usize) {
        Some(file) => format!("{file}:{}", rule.line),
        None => rule.line.to_string(),
    }
}

/// A line with these fields; one without a value is left out.
fn line_of(word: &str, fields: &[(&str, Option<&str>)]) -> String {
    let mut line = String::from(word);
    for (name, value) in fields {
        if let Some(value) = value {
            field(&mut line, name, value);
        }
    }
    line
}

pub(super) fn field(line: &mut String, name: &str, value: &str) {
    let _ = write!(line, " {name}=\"");
    let start = line.len();
    for character in value.chars() {
        if line.len() - start >= VALUE_MAX {
            line.push('…');
            break;
        }
        match character {
            '"' | '\\' => {
                line.push('\\');
                line.push(character);
            }
            _ if is_invisible(character) => push_json_escape(line, character),
            _ => line.push(character),
        }
    }
    line.push('"');
}

/// `/dev/stderr` and `/dev/stdout`, as used for the log of a container. The open
/// descriptors are written to: opening those names may fail, as they may lead to a socket
/// or to another user's file.
fn standard_stream(path: &Path) -> Option<BorrowedFd<'static>> {
    match path.to_str()? {
        "/dev/stderr" | "/dev/fd/2" | "/proc/self/fd/2" => Some(rustix::stdio::stderr()),
        "/dev/stdout" | "/dev/fd/1" | "/proc/self/fd/1" => Some(rustix::stdio::stdout()),
        _ => None,
    }
}

/// Never waits for a reader: what does not fit into a pipe is left out.
fn say(stream: BorrowedFd<'_>, lines: &[String]) -> io::Result<()> {
    let text = stamped(lines);
    let mut rest = text.as_bytes();
    while !rest.is_empty() {
        match rustix::io::write(stream, rest) {
            Ok(0) | Err(Errno::AGAIN) => break,
            Ok(count) => rest = rest.get(count..).unwrap_or_default(),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// The lines, each with the time in front.
fn stamped(lines: &[String]) -> String {
    let now = Timestamp::try_from(SystemTime::now()).unwrap_or_default();
    let mut text = String::new();
    for line in lines {
        let _ = writeln!(text, "{now:.3} {line}");
    }
    text
}

fn append(path: &Path, lines: &[String], flags: OFlags) -> io::Result<File> {
    let text = stamped(lines);
    let flags = flags | OFlags::WRONLY | OFlags::APPEND | OFlags::CREATE;
    let mut file = file::open(path, flags)?;
    file.write_all(text.as_bytes())?;
    Ok(file)
}

/// Renames a log that has become large; the lock and the second check keep two processes
/// from doing it one after the other.
fn rotate(file: &File, path: &Path) -> io::Result<()> {
    if file.metadata()?.len() < ROTATION_SIZE {
        return Ok(());
    }
    if flock(file, FlockOperation::NonBlockingLockExclusive).is_err() {
        return Ok(());
    }
    if fs::symlink_metadata(path)?.ino() == file.metadata()?.ino() {
        fs::rename(path, path.with_extension("1"))?;
    }
    Ok(())
}

/// Sends lines in the form of RFC 3164, as libc's syslog() writes them to the local
/// socket.
fn send(socket: &Path, lines: &[String]) -> io::Result<()> {
    let now = Timestamp::try_from(SystemTime::now()).unwrap_or_default();
    let time = now.to_zoned(zone(None)).strftime("%b %e %H:%M:%S").to_string();
    let log = UnixDatagram::unbound()?;
    log.set_nonblocking(true)?;
    log.connect(socket)?;
    let pid = std::process::id();
    for line in lines {
        log.send(format!("<{PRIORITY}>{time} mfilter[{pid}]: {line}").as_bytes())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::deliver::StoredCopy;
    use crate::flags::Flags;
    use crate::plan::Folder;
    use crate::source::Span;

    use super::*;

    fn step(kind: StepKind, line: u32, label: Option<&str>) -> Step {
        let rule = RuleRef {
            span: Span::default(),
            line,
            label: label.map(str::to_string),
            category: None,
        };
        Step { kind, rule: Some(rule) }
    }

    fn report(outcome: Outcome) -> DeliveryReport {
        DeliveryReport::of(outcome)
    }

    fn entry<'a>(plan: &'a Plan, report: &'a DeliveryReport) -> LogEntry<'a> {
        LogEntry {
            plan,
            report,
            files: &["~/.mailrules"],
            message_id: "<1@a.example>",
            envelope_from: Some(""),
            envelope_to: &[],
            was: None,
            remarks: &[],
            duration: Some(Duration::from_micros(3140)),
        }
    }

    #[test]
    fn copies_and_the_end_have_a_line_each() {
        let folder = Folder { parts: vec!["A".into(), "迷惑".into()] };
        let deliver =
            |as_| StepKind::Deliver { as_, folder: folder.clone(), flags: Flags::default() };
        let plan = Plan {
            steps: vec![
                step(StepKind::Log("seen \"x\"".into()), 1, None),
                step(deliver(DeliveryWord::Copy), 2, None),
                step(deliver(DeliveryWord::Folder), 3, Some("team")),
            ],
        };
        let mut report = report(Outcome::Delivered);
        for number in [1, 2] {
            let path = PathBuf::from("/m/new/1.x,S=2");
            report.stored.push(StoredCopy {
                step: Some(number),
                folder: folder.clone(),
                path: Some(path),
                hash: Some(u64::from(number == 1) << 8),
            });
        }
        report.notes.push("odd".into());
        let rest = r#"id="<1@a.example>" from="" for="taro@a.example" ms=3.1"#;
        let to = ["taro@a.example".to_owned()];
        let entry = LogEntry { envelope_to: &to, remarks: &["odd site"], ..entry(&plan, &report) };
        assert_eq!(
            lines(&entry),
            [
                format!(r#"log text="seen \"x\"" rule="~/.mailrules:1" {rest}"#),
                format!(
                    r#"copied folder="A/迷惑" file="1.x,S=2" hash="0000000000000100" rule="~/.mailrules:2" {rest}"#
                ),
                format!(
                    r#"delivered folder="A/迷惑" file="1.x,S=2" hash="0000000000000000" rule="~/.mailrules:3" label="team" {rest}"#
                ),
                format!(r#"note text="odd" {rest}"#),
                r#"note text="odd site""#.to_owned(),
            ]
        );
    }

    #[test]
    fn nothing_forges_a_line_or_a_field() {
        let discard = StepKind::Discard { why: Some("a\"\nb\u{202e}\u{9b}\u{2028}\\".into()) };
        let plan = Plan { steps: vec![step(discard, 7, None)] };
        let report = report(Outcome::Discarded);
        let mut entry = entry(&plan, &report);
        let long = format!("\r\n{}", "あ".repeat(10_000));
        entry.message_id = &long;
        entry.envelope_from = None;
        let lines = lines(&entry);
        assert_eq!(lines.len(), 1);
        let text = r#"discarded text="a\"\u000ab\u202e\u009b\u2028\\" rule="~/.mailrules:7" id="\u000d\u000a"#;
        assert!(lines[0].starts_with(text), "{}", lines[0]);
        assert!(lines[0].len() < 2000 && !lines[0].contains('\n'));
        let value = r#""a\"\u000ab\u202e\u009b\u2028\\""#;
        let back: String = serde_json::from_str(value).unwrap();
        assert_eq!(back, "a\"\nb\u{202e}\u{9b}\u{2028}\\");
    }

    #[test]
    fn a_move_says_where_the_message_was() {
        let home = tempfile::tempdir().unwrap();
        let log = Log::File(home.path().join("log"));
        let moved = MoveLine {
            folder: "A".into(),
            was: "INBOX".into(),
            file: "1.x:2,S".into(),
            by: "sort",
            rule: Some("r:3".into()),
            message_id: "<1@a.example>".into(),
        };
        log.moved(&[moved.clone(), MoveLine { rule: None, ..moved }]).unwrap();
        let text = fs::read_to_string(home.path().join("log")).unwrap();
        let lines: Vec<&str> =
            text.lines().filter_map(|line| line.split_once(' ')).map(|(_, line)| line).collect();
        let head = r#"moved folder="A" was="INBOX" file="1.x:2,S" by="sort""#;
        let first = format!(r#"{head} rule="r:3" id="<1@a.example>""#);
        assert_eq!(lines, [first, format!(r#"{head} id="<1@a.example>""#)]);
    }

    #[test]
    fn a_failure_is_not_put_down_to_a_rule() {
        let plan = Plan { steps: vec![step(StepKind::Discard { why: None }, 7, None)] };
        let report = report(Outcome::deferred("cannot"));
        let lines = lines(&entry(&plan, &report));
        assert!(lines[0].starts_with(r#"deferred status="4.3.0" text="cannot" id="#), "{lines:?}");
    }

    #[test]
    fn the_state_log_is_private_and_cut_by_size() {
        let home = tempfile::tempdir().unwrap();
        let log = Log::State(StateDir::at(home.path().join("mfilter")));
        log.note("first\nline").unwrap();
        let path = home.path().join("mfilter/log");
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.ends_with("Z note text=\"first\\u000aline\"\n"), "{text}");
        assert_eq!(text.find("Z note"), Some("2026-01-02T03:04:05.678".len()));
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o600);

        File::options().write(true).open(&path).unwrap().set_len(ROTATION_SIZE).unwrap();
        log.note("last of the old").unwrap();
        assert!(!path.exists() && path.with_extension("1").exists());
        log.note("first of the new").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 1);
    }

    #[test]
    fn many_writers_lose_no_line() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("log");
        let text = "x".repeat(900);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..50 {
                        Log::File(path.clone()).note(&text).unwrap();
                    }
                });
            }
        });
        let log = fs::read_to_string(&path).unwrap();
        assert_eq!(log.lines().filter(|line| line.ends_with("x\"")).count(), 400);
    }

    #[test]
    fn what_cannot_be_written_is_an_error_and_never_a_wait() {
        let home = tempfile::tempdir().unwrap();
        let fifo = home.path().join("fifo");
        let status = std::process::Command::new("mkfifo").arg(&fifo).status();
        assert!(status.unwrap().success());
        assert!(Log::File(fifo).note("x").is_err());
        assert!(Log::File("/dev/null".into()).note("x").is_err());
        assert!(Log::File(home.path().join("no/such")).note("x").is_err());
        assert!(Log::Off.note("x").is_ok());
    }

    #[test]
    fn syslog_lines_have_the_form_of_rfc_3164() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("socket");
        let socket = UnixDatagram::bind(&path).unwrap();
        send(&path, &["note text=\"x\"".into()]).unwrap();
        let mut buffer = [0; 200];
        let length = socket.recv(&mut buffer).unwrap();
        let text = std::str::from_utf8(&buffer[..length]).unwrap();
        assert!(text.starts_with("<22>") && text.ends_with("]: note text=\"x\""), "{text}");
        assert_eq!(text.find(" mfilter["), Some("<22>Jan  2 03:04:05".len()));
    }
}
