//! Writing to standard output and error without ever panicking: a reader that
//! went away, or a full pipe, is no reason to crash.

use std::io::{IsTerminal, Write};

/// Prints text; false if nobody reads it any more.
pub(super) fn print(text: &str) -> bool {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).is_ok()
}

/// Prints a message to standard error, under the program's name.
pub(super) fn error(text: &str) {
    let _ = writeln!(std::io::stderr(), "mfilter: {text}");
}

/// Whether colours are wanted on standard output.
pub(super) fn colour() -> bool {
    std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty())
}
