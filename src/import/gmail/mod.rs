//! Gmail's filters, as it exports them: `mailFilters.xml`.
//!
//! Gmail's filters have no order, and all that match are applied. So filters that move
//! mail to the trash come first here and end the rules; all others file a message and go
//! on.

mod lower;
mod query;
mod read;
#[cfg(test)]
mod tests;
mod words;

use std::path::Path;

use super::ir::Draft;
use super::write::{Bug, write};
use super::{ImportResult, IncludeLoader, Options, source_file};

/// Turns exported filters into rules; they include no other file.
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
    write(draft, sources, options, "gmail")
}
