//! The user's choices in `mfilter isp-filter`: the file `mfilter/isp-filter` in the
//! user's configuration directory (`~/.config`), which people can read, too.
//!
//! ```text
//! # written by `mfilter isp-filter`; words in ~/.mailrules count before these
//! off
//! on virus
//! ```
//!
//! A line is `on` or `off`, for the filter as a whole, or followed by the name of a
//! category; the last one counts. Other lines are skipped. A file that is not the user's
//! own, or that others can write, counts as absent, and the log says so. While it cannot
//! be read, nothing is decided without it: a category that is off may refuse mail.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::{is_of_ours, remove};
use crate::file;
use crate::rules::switch::SwitchChoices;
use crate::source::{ReadError, read_current};
use crate::user::{User, make_private};

/// How much of the file is read, bytes.
const MAX: u64 = 64 << 10;

/// Where it is kept; nowhere without a home directory.
pub fn path(user: &User) -> Option<PathBuf> {
    Some(user.config_dir()?.join("isp-filter"))
}

/// The user's choices; empty if there are none.
///
/// # Errors
/// They cannot be known, perhaps only [at the moment](ReadError::may_pass).
pub fn read(path: &Path) -> Result<SwitchChoices, ReadError> {
    let bytes = read_current(|| {
        let (file, metadata) = file::open_with_metadata(path, file::READ_OWN)?;
        if !is_of_ours(&metadata) {
            let why = "it must be a file of the user's own that nobody else can write";
            return Err(ReadError::Unsafe(why));
        }
        let mut bytes = Vec::new();
        file.take(MAX).read_to_end(&mut bytes)?;
        Ok(bytes)
    });
    match bytes {
        Ok(bytes) => Ok(parse(&String::from_utf8_lossy(&bytes))),
        Err(error) if error.is_missing() => Ok(SwitchChoices::default()),
        Err(error) => Err(error),
    }
}

/// The error of [`read`] in words.
pub fn not_read(path: &Path, error: &ReadError) -> String {
    format!("{} is not read: {error}", path.display())
}

fn parse(text: &str) -> SwitchChoices {
    let mut choices = SwitchChoices::default();
    for line in text.lines().map(str::trim) {
        let (word, name) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let on = match word {
            "on" => true,
            "off" => false,
            _ => continue,
        };
        match name.trim() {
            "" => choices.whole = Some(on),
            name => choices.set(name, on),
        }
    }
    choices
}

/// Keeps the user's choices, in one step; without any, there is no file.
///
/// # Errors
/// The file cannot be written or removed.
pub fn write(path: &Path, choices: &SwitchChoices, home: Option<&Path>) -> io::Result<()> {
    if *choices == SwitchChoices::default() {
        return remove(path);
    }
    let directory = path.parent().unwrap_or(Path::new("/"));
    make_private(directory, home)?;
    let word = |on: bool| if on { "on" } else { "off" };
    let mut text = String::from(
        "# written by `mfilter isp-filter`; words in ~/.mailrules count before these\n",
    );
    if let Some(on) = choices.whole {
        text += &format!("{}\n", word(on));
    }
    for (name, on) in &choices.categories {
        text += &format!("{} {name}\n", word(*on));
    }
    file::replace(path, text.as_bytes(), 0o600)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    fn words(whole: Option<bool>, categories: &[(&str, bool)]) -> SwitchChoices {
        let categories = categories.iter().map(|(name, on)| ((*name).to_owned(), *on));
        SwitchChoices { whole, categories: categories.collect() }
    }

    #[test]
    fn what_is_reported_is_read_again_and_takes_a_few_hundred_bytes() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("config/mfilter/isp-filter");
        assert_eq!(read(&path).unwrap(), SwitchChoices::default());
        let choices = words(Some(false), &[("迷惑 メール", true), ("virus", false)]);
        write(&path, &choices, None).unwrap();
        assert_eq!(read(&path).unwrap(), choices);
        let metadata = fs::metadata(&path).unwrap();
        assert!(metadata.len() < 300, "{}", metadata.len());
        assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
        write(&path, &SwitchChoices::default(), None).unwrap();
        assert!(!path.exists());
        write(&path, &SwitchChoices::default(), None).unwrap();
    }

    #[test]
    fn empty_lines_are_skipped_and_the_last_word_counts() {
        let text = "# x\n\noff\nmaybe spam\r\non  spam \noff SPAM\non\n";
        assert_eq!(parse(text), words(Some(true), &[("SPAM", false)]));
    }

    #[test]
    fn a_file_that_others_can_write_is_not_believed() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("isp-filter");
        fs::write(&path, "off\n").unwrap();
        assert_eq!(read(&path).unwrap().whole, Some(false));
        fs::set_permissions(&path, Permissions::from_mode(0o666)).unwrap();
        assert!(matches!(read(&path), Err(ReadError::Unsafe(_))));
        fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("/dev/zero", &path).unwrap();
        assert!(read(&path).is_err_and(|error| !error.may_pass()));
    }
}
