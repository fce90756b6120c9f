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

mod destination;
mod line;
pub mod reader;

use std::path::PathBuf;
use std::time::Duration;

use crate::deliver::DeliveryReport;
use crate::outcome::Failure;
use crate::plan::Plan;
use crate::state::StateDir;

use line::{line_of, lines, remark};

pub use line::place;

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
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::os::unix::fs::MetadataExt;

    use super::destination::ROTATION_SIZE;
    use super::*;

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
}
