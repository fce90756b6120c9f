//! What folders are used for according to Dovecot's configuration: `special_use` in its
//! `mailbox` blocks (RFC 6154 §2), which it announces to clients. The Maildir itself does
//! not say. What cannot be read is ignored.

use std::path::{Path, PathBuf};

use crate::file;

/// Where packages put it.
const MAIN: &str = "/etc/dovecot/dovecot.conf";
/// The largest file that is read, bytes.
const READ_MAX: u64 = 1 << 20;
/// How many files are read, including included ones.
const FILES_MAX: usize = 200;

/// Each mailbox for which this machine's configuration states a use, with its uses as
/// written: `\Trash`.
pub(super) fn special_uses() -> Vec<(String, String)> {
    uses_in(Path::new(MAIN))
}

fn uses_in(main: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut files = vec![main.to_owned()];
    let mut at = 0;
    while let Some(path) = files.get(at).filter(|_| at < FILES_MAX).cloned() {
        at += 1;
        let Ok(bytes) = file::read(&path, READ_MAX) else { continue };
        let directory = path.parent().unwrap_or(Path::new("/"));
        read(&String::from_utf8_lossy(&bytes), &mut found, &mut |pattern| {
            files.extend(included(&directory.join(pattern)));
        });
    }
    found
}

/// Reads one file. Only the innermost block counts, since a mailbox block may be nested
/// in other blocks or in a file of its own.
fn read(text: &str, found: &mut Vec<(String, String)>, include: &mut dyn FnMut(&str)) {
    let mut blocks: Vec<Option<String>> = Vec::new();
    for line in text.lines() {
        let line = line.trim();
        if line.starts_with('#') {
            continue;
        }
        if let Some(path) = line.strip_prefix("!include") {
            include(unquoted(path.strip_prefix("_try").unwrap_or(path)));
        } else if line.ends_with('}') && !line.contains('{') {
            blocks.pop();
        } else if let Some(head) = line.strip_suffix('{') {
            let name = head.trim().strip_prefix("mailbox ").map(|name| unquoted(name).to_owned());
            blocks.push(name);
        } else if let Some((key, value)) = line.split_once('=')
            && key.trim() == "special_use"
            && let Some(Some(name)) = blocks.last()
        {
            found.push((name.clone(), unquoted(value).to_owned()));
        }
    }
}

fn unquoted(text: &str) -> &str {
    let text = text.trim();
    text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text)
}

/// The files that a path stands for; it may have one `*` in the file's name.
fn included(path: &Path) -> Vec<PathBuf> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let Some((start, end)) = name.split_once('*') else { return vec![path.to_owned()] };
    let entries = path.parent().and_then(|directory| directory.read_dir().ok());
    let paths = entries.into_iter().flatten().flatten().map(|entry| entry.path());
    let mut files: Vec<PathBuf> = paths
        .filter(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with(start) && name.ends_with(end) && !name.starts_with('.')
        })
        .take(FILES_MAX)
        .collect();
    files.sort();
    files
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn uses_stand_in_mailboxes_of_whatever_file() {
        let home = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            fs::create_dir_all(home.path().join(name).parent().unwrap()).unwrap();
            fs::write(home.path().join(name), text).unwrap();
        };
        write("dovecot.conf", "protocols = imap\n!include conf.d/*.conf\n!include_try none\n");
        write(
            "conf.d/15-mailboxes.conf",
            "namespace inbox {\n  mailbox Gone {\n    auto = subscribe\n    \
             special_use = \\Trash\n  }\n  #mailbox Old {\n  #special_use = \\Trash\n  #}\n  \
             mailbox \"Not wanted\" {\n    special_use = \"\\Junk\"\n  }\n  special_use = \\Sent\n}\n\
             special_use = \\Sent\n!include ../dovecot.conf\n",
        );
        write("conf.d/aside.conf.bak", "mailbox B {\nspecial_use = \\Trash\n}\n");
        let mut found = uses_in(&home.path().join("dovecot.conf"));
        found.dedup();
        let own = |name: &str, word: &str| (name.to_owned(), word.to_owned());
        assert_eq!(found[..2], [own("Gone", "\\Trash"), own("Not wanted", "\\Junk")]);
        assert!(found.iter().all(|(name, _)| name != "Old" && name != "B"), "{found:?}");
        assert!(uses_in(Path::new("/nowhere/dovecot.conf")).is_empty());
    }
}
