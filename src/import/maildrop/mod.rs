//! maildrop's filters, maildropfilter(7).

mod action;
mod assignment;
mod branches;
mod command;
mod compare;
mod concatenation;
mod context;
mod evaluate;
mod expression;
mod lower;
mod parse;
mod pattern;
mod regex;
mod return_code;
mod tokens;
mod trial;
mod uses;
mod value;
#[cfg(test)]
mod tests;

use std::path::Path;

use super::write::{Bug, write};
use super::{ImportResult, IncludeLoader, Options, source_file};
use context::FilterLowering;
pub use trial::trial;

/// Turns a filter into rules; `load` returns the files that it includes.
///
/// # Errors
/// [`Bug`]: the result is not valid rules.
pub fn import(
    path: &Path,
    bytes: &[u8],
    options: &Options,
    load: IncludeLoader<'_>,
) -> Result<ImportResult, Box<Bug>> {
    let mut lowering = FilterLowering::new(options, load);
    let file = source_file(path, bytes, &mut lowering.draft);
    lowering.main(path, &file);
    let (draft, sources) = (lowering.draft, lowering.sources);
    write(draft, sources, options, "maildrop")
}
