//! Created folders are subscribed, since most mail readers show no others: in Dovecot's
//! file `subscriptions` and Courier's `courierimapsubscribed`, if these exist or the user
//! asks for it.
//!
//! Dovecot writes its file under [`DotLock`], and so do we: one name per line as on disk,
//! the levels separated by the layout's separator, or, if the file begins with the line
//! `V<TAB>2` and an empty one, by tabs. Courier renames a new file over its own without a
//! lock, so after our rename we check whether it wrote in the meantime.

use std::io::{self, ErrorKind, Read};
use std::os::fd::{AsFd, BorrowedFd};

use crate::file;
use crate::rules::program::Layout;

use super::dot_lock::DotLock;

const DOVECOTS: &str = "subscriptions";
const COURIERS: &str = "courierimapsubscribed";
/// The beginning of version 2 of Dovecot's file.
const SECOND_VERSION: &str = "V\t2\n\n";
/// The largest file that is changed, bytes.
const LARGEST: u64 = 4 << 20;
/// How often Courier's file is written again when Courier was faster.
const TRIES_MAX: usize = 3;

/// Subscribes the folder of these directories in the files of the Maildir at `root`.
/// `setting` is the user's; if there is none, only the existing files are used. Returns
/// what could not be done, for the log.
pub(super) fn subscribe(
    root: impl AsFd,
    directories: &[String],
    layout: Layout,
    setting: Option<bool>,
) -> Vec<String> {
    let root = root.as_fd();
    let levels: Vec<&str> = match (layout, directories) {
        (_, []) => return Vec::new(),
        _ if setting == Some(false) => return Vec::new(),
        (Layout::MaildirPlusPlus, [only, ..]) => {
            only.strip_prefix('.').unwrap_or(only).split('.').collect()
        }
        (Layout::Fs, levels) => levels.iter().map(String::as_str).collect(),
    };
    let mut problems = Vec::new();
    let mut report = |done: io::Result<bool>, file: &str| {
        done.unwrap_or_else(|error| {
            problems.push(format!("cannot subscribe `{}` in {file}: {error}", levels.join("/")));
            true
        })
    };
    let courier = report(in_couriers(root, &levels, layout), COURIERS);
    let always = setting == Some(true) && !courier;
    report(in_dovecots(root, &levels, layout, always), DOVECOTS);
    problems
}

/// Adds a folder to Dovecot's file; false if there is none and it must not be created.
fn in_dovecots(
    root: BorrowedFd<'_>,
    levels: &[&str],
    layout: Layout,
    make: bool,
) -> io::Result<bool> {
    if read(root, DOVECOTS)?.is_none() && !make {
        return Ok(false);
    }
    let lock = DotLock::acquire(root, DOVECOTS)?;
    let mut text = read(root, DOVECOTS)?.unwrap_or_else(|| SECOND_VERSION.into());
    let separator = match layout {
        _ if text.starts_with(SECOND_VERSION.as_bytes()) => "\t",
        Layout::MaildirPlusPlus => ".",
        Layout::Fs => "/",
    };
    if add_line(&mut text, &levels.join(separator)) {
        lock.replace(&text)?;
    }
    Ok(true)
}

/// Adds a folder to Courier's file; false if there is none.
fn in_couriers(root: BorrowedFd<'_>, levels: &[&str], layout: Layout) -> io::Result<bool> {
    if layout == Layout::Fs {
        return Ok(false);
    }
    let line = format!("INBOX.{}", levels.join("."));
    for _ in 0..TRIES_MAX {
        let Some(mut text) = read(root, COURIERS)? else { return Ok(false) };
        if !add_line(&mut text, &line) {
            return Ok(true);
        }
        DotLock::acquire(root, COURIERS)?.replace(&text)?;
    }
    Ok(true)
}

/// Adds a line, unless it is there already; true if it was added.
fn add_line(text: &mut Vec<u8>, line: &str) -> bool {
    if text.split(|byte| *byte == b'\n').any(|known| known == line.as_bytes()) {
        return false;
    }
    if !text.is_empty() && !text.ends_with(b"\n") {
        text.push(b'\n');
    }
    text.extend_from_slice(line.as_bytes());
    text.push(b'\n');
    true
}

/// The file's bytes; none if it does not exist.
fn read(root: BorrowedFd<'_>, name: &str) -> io::Result<Option<Vec<u8>>> {
    let file = match file::open_at(root, name, file::READ_OWN) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut bytes = Vec::new();
    if file.take(LARGEST).read_to_end(&mut bytes)? as u64 == LARGEST {
        return Err(ErrorKind::FileTooLarge.into());
    }
    Ok(Some(bytes))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// The content of both files, `-` for none, after a folder was subscribed.
    fn after(before: [Option<&str>; 2], layout: Layout, setting: Option<bool>) -> [String; 2] {
        let root = tempfile::tempdir().unwrap();
        for (name, text) in [DOVECOTS, COURIERS].into_iter().zip(before) {
            if let Some(text) = text {
                fs::write(root.path().join(name), text).unwrap();
            }
        }
        let directories: Vec<String> = match layout {
            Layout::MaildirPlusPlus => vec![".A.&U,BTFw-".into()],
            Layout::Fs => vec!["A".into(), "&U,BTFw-".into()],
        };
        for _ in 0..2 {
            let open = std::fs::File::open(root.path()).unwrap();
            assert!(subscribe(&open, &directories, layout, setting).is_empty());
        }
        let files = fs::read_dir(root.path()).unwrap().count();
        let texts = [DOVECOTS, COURIERS]
            .map(|name| fs::read_to_string(root.path().join(name)).unwrap_or_else(|_| "-".into()));
        assert_eq!(files, texts.iter().filter(|text| *text != "-").count(), "no lock stays");
        texts
    }

    #[test]
    fn each_folder_is_once_in_existing_files() {
        use Layout::{Fs, MaildirPlusPlus};
        let after = |before, layout| after(before, layout, None);
        assert_eq!(after([None, None], Fs), ["-", "-"]);
        assert_eq!(
            after([Some("V\t2\n\nB\n"), None], MaildirPlusPlus),
            ["V\t2\n\nB\nA\t&U,BTFw-\n", "-"]
        );
        assert_eq!(after([Some("V\t2\n\n"), None], Fs)[0], "V\t2\n\nA\t&U,BTFw-\n");
        assert_eq!(after([Some("B.C"), None], MaildirPlusPlus)[0], "B.C\nA.&U,BTFw-\n");
        assert_eq!(after([Some(""), None], Fs)[0], "A/&U,BTFw-\n");
        assert_eq!(
            after([None, Some("INBOX\nINBOX.B\n")], MaildirPlusPlus),
            ["-", "INBOX\nINBOX.B\nINBOX.A.&U,BTFw-\n"]
        );
        assert_eq!(after([None, Some("INBOX\n")], Fs)[1], "INBOX\n", "Courier knows no fs layout");
    }

    #[test]
    fn a_file_that_cannot_be_read_is_reported_and_left_alone() {
        let root = tempfile::tempdir().unwrap();
        let open = std::fs::File::open(root.path()).unwrap();
        let path = root.path().join(DOVECOTS);
        let problems = || subscribe(&open, &["A".into()], Layout::Fs, None);
        std::os::unix::fs::symlink(DOVECOTS, &path).unwrap();
        assert_eq!(problems().len(), 1);
        fs::remove_file(&path).unwrap();
        fs::File::create(&path).unwrap().set_len(LARGEST).unwrap();
        assert_eq!(problems().len(), 1);
        assert_eq!(fs::metadata(&path).unwrap().len(), LARGEST);
        fs::File::create(&path).unwrap();
        assert!(problems().is_empty());
        assert_eq!(fs::read_to_string(&path).unwrap(), "A\n");
    }

    #[test]
    fn subscriptions_follow_the_users_setting() {
        let after = |before, setting| after(before, Layout::MaildirPlusPlus, Some(setting));
        assert_eq!(after([None, None], true), ["V\t2\n\nA\t&U,BTFw-\n", "-"]);
        assert_eq!(after([None, Some("")], true), ["-", "INBOX.A.&U,BTFw-\n"]);
        assert_eq!(after([Some("B\n"), Some("")], false), ["B\n", ""]);
    }

    #[test]
    fn many_at_once_lose_none() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join(DOVECOTS), SECOND_VERSION).unwrap();
        std::thread::scope(|scope| {
            for number in 0..20 {
                let root = root.path();
                scope.spawn(move || {
                    let open = std::fs::File::open(root).unwrap();
                    let directories = [format!(".F{number}")];
                    let problems = subscribe(&open, &directories, Layout::MaildirPlusPlus, None);
                    assert_eq!(problems, Vec::<String>::new());
                });
            }
        });
        let text = fs::read_to_string(root.path().join(DOVECOTS)).unwrap();
        assert_eq!(text.lines().count(), 22, "{text}");
    }
}
