//! Writing to standard output and error without ever panicking: a reader that went away
//! is not a reason to crash, but continuing is useless. If output cannot be written for
//! another reason, such as a full disk, that is remembered: the command has failed.

use std::borrow::Cow;
use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;
use std::sync::OnceLock;

use rustix::termios::tcgetwinsize;

use crate::diagnostic::{self, Diagnostic};
use crate::language::Language;
use crate::page;
use crate::report::stats_text::BarStyle;
use crate::source::Sources;
use crate::text::{escape, escape_lines, json_line, plural};
use crate::translation::{translated, translated_after};
use crate::user::User;

/// Why something could not be written to standard output.
static FAILURE: OnceLock<String> = OnceLock::new();

/// Prints text; false if nobody reads it any more, or it cannot be written.
pub(super) fn print(text: &str) -> bool {
    let mut out = io::stdout().lock();
    is_written(out.write_all(text.as_bytes()).and_then(|()| out.flush()))
}

/// Whether writing to standard output went well; remembers why not.
pub(super) fn is_written(written: io::Result<()>) -> bool {
    match written {
        Ok(()) => true,
        Err(error) => {
            if error.kind() != io::ErrorKind::BrokenPipe {
                let _ = FAILURE.set(error.to_string());
            }
            false
        }
    }
}

/// What has gone wrong with standard output so far, except that a reader went away.
pub(super) fn failure() -> Option<String> {
    FAILURE.get().map(|why| format!("standard output cannot be written: {why}"))
}

/// Prints a report, wrapped to the terminal.
pub(super) fn report(text: &str) -> bool {
    print(&for_terminal(text))
}

/// Prints what is in a file: as it is, but harmless on a terminal.
pub(super) fn content(text: &str) -> bool {
    if io::stdout().is_terminal() { print(&escape_lines(text)) } else { print(text) }
}

/// A report wrapped to the terminal; elsewhere it stays as it is.
pub(super) fn for_terminal(text: &str) -> Cow<'_, str> {
    fitted(text, columns())
}

fn fitted(text: &str, columns: Option<usize>) -> Cow<'_, str> {
    match columns {
        Some(columns) => page::fitted(text, columns).into(),
        None => text.into(),
    }
}

/// How many messages there are, the first row of a table at the end.
pub(super) fn messages_in_all(number: usize, dry_run: bool) -> String {
    let messages = plural(number, "message");
    let text = match dry_run {
        true => say(&format!("{messages}; nothing was changed")).into_owned(),
        false => say(&messages).into_owned(),
    };
    format!("{number:>7} {text}\n")
}

/// Displays mistakes for standard output, in the language of the locale.
pub(super) fn render(found: &[Diagnostic], sources: &Sources) -> String {
    diagnostic::render_within(found, sources, colour(), columns(), Language::of_locale())
}

/// One of our texts in the language of the locale.
pub(super) fn say(text: &str) -> Cow<'_, str> {
    translated(text, Language::of_locale())
}

/// Prints mistakes, for people or as JSON.
pub(super) fn diagnostics(found: &[Diagnostic], sources: &Sources, json: bool) {
    if json {
        print(&(json_line(&diagnostic::to_json(found, sources)) + "\n"));
        return;
    }
    print(&render(found, sources));
    if !io::stdout().is_terminal() {
        return;
    }
    // A hint for people, once for all mistakes.
    match found.first() {
        None => print(&format!("{}\n", say("no mistakes"))),
        Some(first) => {
            let more = format!("for more, with an example: `mfilter explain {}`", first.code);
            report(&format!("\n{}\n", say(&more)))
        }
    };
}

/// Buffers much text for standard output: printed in large pieces, but on a terminal at
/// once.
#[derive(Default)]
pub(super) struct Output {
    text: String,
}

impl Output {
    const PIECE: usize = 64 << 10;

    /// Prints text, now or later; false if nobody reads it any more, or it cannot be
    /// written.
    pub(super) fn print(&mut self, text: &str) -> bool {
        self.text.push_str(text);
        let wait = self.text.len() < Output::PIECE && !std::io::stdout().is_terminal();
        wait || self.flush()
    }

    /// Prints what is waiting.
    pub(super) fn flush(&mut self) -> bool {
        let text = std::mem::take(&mut self.text);
        text.is_empty() || print(&text)
    }
}

/// Text for people with the home directory as `~`.
pub(super) fn with_tilde(text: &str) -> String {
    User::of_process().with_tilde(text)
}

/// Prints a message to standard error, with the program's name, in the language of the
/// locale. It may contain anything, such as the name of a file: it is escaped, except line
/// ends.
pub(super) fn error(text: &str) {
    log_line(&localized(text));
}

/// The same in English: a line that a log keeps.
pub(super) fn log_line(text: &str) {
    to_stderr(&format!("mfilter: {}\n", with_tilde(text)));
}

/// A message in the language of the locale: its first line, and a second one, but not a
/// drawing below it, which is in that language already and shows anything.
pub(super) fn localized(text: &str) -> Cow<'_, str> {
    let language = Language::of_locale();
    let localized = match text.trim_end().split_once('\n') {
        None => return translated_after(text, language),
        Some((first, below)) if !below.contains('\n') => {
            [first, below].map(|line| translated_after(line, language)).join("\n")
        }
        Some((first, below)) => format!("{}\n{below}", translated_after(first, language)),
    };
    Cow::Owned(localized + &text[text.trim_end().len()..])
}

/// Prints lines to standard error, wrapped to the terminal. A failure is ignored, as it
/// cannot be reported anywhere.
pub(super) fn to_stderr(text: &str) {
    let lines: String = text.lines().map(|line| escape(line) + "\n").collect();
    let lines = fitted(&lines, error_columns());
    let _ = io::stderr().write_all(lines.as_bytes());
}

/// How bars are drawn on standard output; none unless it is a terminal that can show them
/// and is wide enough.
pub(super) fn bars() -> Option<BarStyle> {
    if !io::stdout().is_terminal() || is_dumb() {
        return None;
    }
    let width = columns().unwrap_or(80).checked_sub(60)?;
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
        .into_iter()
        .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()));
    let blocks = locale.is_some_and(|locale| {
        let locale = locale.to_lowercase();
        locale.contains("utf-8") || locale.contains("utf8")
    });
    (width >= 4).then_some(BarStyle { width: width.min(30), blocks })
}

/// The width of the terminal on standard output; none if it is not a terminal, or does
/// not report its width.
pub(super) fn columns() -> Option<usize> {
    columns_of(io::stdout())
}

/// The same of standard error.
pub(super) fn error_columns() -> Option<usize> {
    columns_of(io::stderr())
}

fn columns_of(terminal: impl AsFd) -> Option<usize> {
    let size = tcgetwinsize(terminal).ok()?;
    Some(usize::from(size.ws_col)).filter(|columns| *columns > 0)
}

/// Whether the terminal can only print lines, or is read by a screen reader.
pub(super) fn is_dumb() -> bool {
    std::env::var_os("TERM").is_none_or(|term| term == "dumb" || term.is_empty())
}

/// Whether colours are wanted on standard output.
pub(super) fn colour() -> bool {
    io::stdout().is_terminal()
        && !is_dumb()
        && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}
