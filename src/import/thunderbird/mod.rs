//! Thunderbird's message filters, `msgFilterRules.dat` of an account.

mod action;
mod lower;
mod read;
mod term;
#[cfg(test)]
mod tests;

use std::path::Path;

use super::write::{Bug, write};
use super::{Imported, Load, Options, decode};
use crate::source::SourceFile;

/// Makes rules of the filters of an account; they include no other file.
///
/// # Errors
/// [`Bug`]: what was made of it are no rules.
pub fn import(
    path: &Path,
    bytes: &[u8],
    options: &Options,
    _: Load<'_>,
) -> Result<Imported, Box<Bug>> {
    let (text, latin) = decode(bytes);
    let file = SourceFile::new(path, text);
    let (draft, sources) = lower::lower(file, options, latin);
    write(draft, sources, options, "thunderbird")
}
