//! Files of foreign rules, and next to each of them the expected result.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{MFILTER, Run};

/// `mfilter import` in a folder.
pub fn import(folder: &Path, arguments: &[&str]) -> Run {
    let mut command = Command::new(MFILTER);
    command.env_clear().env("HOME", folder).env("TZ", "UTC").current_dir(folder);
    Run::of(&command.arg("import").args(arguments).output().expect("it runs"))
}

/// The files of a language in `tests/import`, by the end of their names.
pub fn files_of(language: &str, ending: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/import").join(language);
    let entries = fs::read_dir(folder).expect("it is there");
    let paths = entries.map(|entry| entry.expect("readable").path());
    let mut files: Vec<PathBuf> =
        paths.filter(|path| path.extension().is_some_and(|end| end == ending)).collect();
    files.sort();
    assert!(!files.is_empty(), "{language}");
    files
}

/// Checks that the result for each file is the one next to it: the rules, and after a
/// line of dashes the report.
pub fn check_all(language: &str, ending: &str, mut also: impl FnMut(&str, &Run)) {
    for file in files_of(language, ending) {
        let folder = file.parent().expect("a folder");
        let name = file.file_name().and_then(|name| name.to_str()).expect("UTF-8");
        let run = import(folder, &[language, name]);
        compare(&file.with_extension("expected"), &format!("{}------\n{}", run.stdout, run.stderr));
        also(name, &run);
    }
}

/// Compares the result with the file, or with `BLESS` writes it.
pub fn compare(path: &Path, found: &str) {
    if std::env::var_os("BLESS").is_some() {
        fs::write(path, found).expect("writable");
    }
    assert_eq!(found, fs::read_to_string(path).unwrap_or_default(), "{}", path.display());
}
