//! procmail's recipes, procmailrc(5), with formail's and the scanners' idioms.

mod action;
mod condition;
mod context;
mod lower;
mod pattern;
mod read;
#[cfg(test)]
mod tests;
mod trial;
mod words;

use std::path::Path;

use super::write::{Bug, write};
use super::{Imported, Load, Options, decode};
use crate::source::SourceFile;
use context::RecipeLowering;
pub use trial::trial;

/// Makes rules of a procmailrc; `load` gives the files that it includes.
///
/// # Errors
/// [`Bug`]: what was made of it are no rules.
pub fn import(
    path: &Path,
    bytes: &[u8],
    options: &Options,
    load: Load<'_>,
) -> Result<Imported, Box<Bug>> {
    let (text, latin) = decode(bytes);
    let file = SourceFile::new(path, text);
    let mut lowering = RecipeLowering::new(load);
    if latin {
        lowering.note("the file is not UTF-8: it was read as Latin-1");
    }
    lowering.main(path, &file);
    let (draft, sources) = (lowering.draft, lowering.sources);
    write(draft, sources, options, "procmail")
}
