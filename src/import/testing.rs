//! What the tests of all importers do: turn a text into rules, without what is not of
//! interest.

use std::io;
use std::path::Path;

use super::write::Bug;
use super::{ImportResult, IncludeLoader, Options, report};

type Importer = fn(&Path, &[u8], &Options, IncludeLoader<'_>) -> Result<ImportResult, Box<Bug>>;

/// The rules for a text, without comments, blanks and empty lines, the totals and the
/// report. The text can include `files`.
pub(super) fn rules(
    import: Importer,
    (name, text): (&str, &str),
    options: &Options,
    files: &[(&str, &str)],
) -> (String, report::Totals, String) {
    let load = &mut |path: &Path| {
        let found = files.iter().find(|(name, _)| path == Path::new(name));
        found.map(|(_, text)| text.as_bytes().to_vec()).ok_or(io::ErrorKind::NotFound.into())
    };
    let imported = import(Path::new(name), text.as_bytes(), options, load);
    let imported = imported.unwrap_or_else(|bug| panic!("{}\n{}", bug.mistakes, bug.rules));
    let lines =
        imported.rules.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
    let lines: Vec<String> =
        lines.filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
    (
        lines.join("\n"),
        report::totals(&imported),
        report::text(&imported, crate::language::Language::English, None),
    )
}
