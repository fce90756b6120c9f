//! procmail's recipes, procmailrc(5), with formail's and the scanners' idioms.

mod action;
mod as_sent;
mod assignment;
mod capture;
mod condition;
mod context;
mod dependence;
mod from_line;
mod include;
mod lines;
mod lower;
mod mark_read;
mod pattern;
mod read;
mod sed;
#[cfg(test)]
mod tests;
mod translate;
mod trial;
mod words;

use std::path::Path;

use super::write::{Bug, write};
use super::{ImportResult, IncludeLoader, Options, source_file};
use context::RecipeLowering;
pub use trial::trial;

/// Turns a procmailrc into rules; `load` returns the files that it includes.
///
/// # Errors
/// [`Bug`]: the result is not valid rules.
pub fn import(
    path: &Path,
    bytes: &[u8],
    options: &Options,
    load: IncludeLoader<'_>,
) -> Result<ImportResult, Box<Bug>> {
    let mut lowering = RecipeLowering::new(options, load);
    let file = source_file(path, bytes, &mut lowering.draft);
    lowering.main(path, &file);
    let (draft, sources) = (lowering.draft, lowering.sources);
    write(draft, sources, options, "procmail")
}
