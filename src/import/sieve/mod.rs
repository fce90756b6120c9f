//! Sieve, RFC 5228 with the extensions that people and web mailers use.

mod act;
mod action;
mod arguments;
mod compare;
mod context;
mod expire;
mod flags;
mod include;
mod lower;
mod parse;
mod regex;
mod script;
mod set;
mod test;
mod time;
mod vacation;
mod variables;
#[cfg(test)]
mod tests;

use std::path::Path;

use super::write::{Bug, write};
use super::{Imported, Load, Options, decode};
use crate::source::SourceFile;
use context::Lowering;

/// Makes rules of a script; `load` gives the scripts that it includes.
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
    let mut lowering = Lowering::new(options, load);
    lowering.sources.add(file.clone());
    if latin {
        lowering.draft.note("the script is not UTF-8: it was read as Latin-1");
    }
    let nodes = expire::first(parse::parse(0, &file));
    lowering.main(path, &nodes);
    let options = &Options { separator: Some(lowering.separator), ..options.clone() };
    let (draft, sources) = (lowering.draft, lowering.sources);
    write(draft, sources, options, "sieve")
}
