//! Thunderbird's message filters, `msgFilterRules.dat` of an account.

mod action;
mod lower;
mod read;
mod term;
#[cfg(test)]
mod tests;

use std::path::Path;

use super::ir::Draft;
use super::write::{Bug, write};
use super::{ImportResult, IncludeLoader, Options, source_file};

/// Turns the filters of an account into rules; they include no other file.
///
/// # Errors
/// [`Bug`]: the result is not valid rules.
pub fn import(
    path: &Path,
    bytes: &[u8],
    options: &Options,
    _: IncludeLoader<'_>,
) -> Result<ImportResult, Box<Bug>> {
    let mut draft = Draft::default();
    let file = source_file(path, bytes, &mut draft);
    let sources = lower::lower(file, options, &mut draft);
    write(draft, sources, options, "thunderbird")
}
