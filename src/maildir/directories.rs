//! From a folder as people name it to its directories.

use std::fs;
use std::path::Path;

use crate::plan::Folder;
use crate::rules::folder_name::is_taken;
use crate::rules::program::{FolderNames, Layout};

use super::mutf7;

/// The longest name of a directory entry on common file systems, bytes.
const NAME_MAX: usize = 255;
/// How deep, and in how many directories, [`names_on_disk`] looks.
const LEVELS: usize = 16;
const DIRECTORIES: usize = 1000;

/// The directories from the root of the Maildir to the folder, none for the root itself:
/// one for maildir++ (`.A.B`), one for each level for fs (`A`, `B`). `None` if a name
/// would be longer than file systems allow.
///
/// `evaluate` passes clean names; what must never happen is ruled out again here: a part
/// that climbs, that is hidden, that adds a level (`.` in maildir++), or that is a file
/// or directory of the Maildir itself or of a server, next to which fs folders are.
pub fn directories(folder: &Folder, layout: Layout, names: FolderNames) -> Option<Vec<String>> {
    if folder.parts.is_empty() {
        return Some(Vec::new());
    }
    let parts = folder.parts.iter().map(|part| {
        let part = clean(part, layout);
        match names {
            FolderNames::Mutf7 => mutf7::encode(&part),
            FolderNames::Utf8 => part,
        }
    });
    let directories: Vec<String> = match layout {
        Layout::MaildirPlusPlus => {
            let mut name = String::new();
            parts.for_each(|part| {
                name.push('.');
                name.push_str(&part);
            });
            vec![name]
        }
        Layout::Fs => parts.collect(),
    };
    directories.iter().all(|name| name.len() <= NAME_MAX).then_some(directories)
}

/// The same where no setting says how names are written: in modified UTF-7, as Dovecot,
/// Courier, mbsync and OfflineIMAP do, unless the folders below `root` show otherwise. A
/// folder that exists only in UTF-8 is used, and a new one is written like those next to
/// it.
pub fn directories_on_disk(root: &Path, folder: &Folder, layout: Layout) -> Option<Vec<String>> {
    let encoded = directories(folder, layout, FolderNames::Mutf7);
    let plain = directories(folder, layout, FolderNames::Utf8);
    if encoded == plain {
        return encoded;
    }
    let (encoded, plain) = match (encoded, plain) {
        (Some(encoded), Some(plain)) => (encoded, plain),
        (Some(encoded), None) => return Some(encoded),
        (None, plain) => return plain.filter(|names| root.join(names.join("/")).is_dir()),
    };
    let mut path = root.to_owned();
    let mut chosen: Vec<String> = Vec::with_capacity(plain.len());
    let mut utf8 = false;
    for (encoded, plain) in encoded.into_iter().zip(plain) {
        let is_there = |name: &str| path.join(name).is_dir();
        let same = encoded == plain;
        let is_plain = !same
            && !is_there(&encoded)
            && (is_there(&plain) || utf8 || holds_utf8_names(&path, layout));
        utf8 |= is_plain;
        let name = if is_plain { plain } else { encoded };
        path.push(&name);
        chosen.push(name);
    }
    Some(chosen)
}

/// How the names of the folders of a Maildir are written, if those that are not ASCII agree.
pub fn names_on_disk(root: &Path, layout: Layout) -> Option<FolderNames> {
    let mut found = None;
    let mut open = vec![(root.to_owned(), 0)];
    let mut looked_at = 0;
    while let Some((directory, depth)) = open.pop() {
        match names_in(&directory, layout) {
            Some(FolderNames::Mutf7) => return Some(FolderNames::Mutf7),
            names => found = found.or(names),
        }
        looked_at += 1;
        if layout == Layout::MaildirPlusPlus || depth > LEVELS || looked_at > DIRECTORIES {
            continue;
        }
        let entries = fs::read_dir(directory).into_iter().flatten().flatten();
        let folders = entries.filter(|entry| {
            let name = entry.file_name();
            entry.file_type().is_ok_and(|kind| kind.is_dir())
                && !["cur", "new", "tmp"].iter().any(|sub| name == *sub)
                && !name.as_encoded_bytes().starts_with(b".")
        });
        open.extend(folders.map(|entry| (entry.path(), depth + 1)));
    }
    found
}

/// Whether the names of the folders in a directory are UTF-8.
fn holds_utf8_names(directory: &Path, layout: Layout) -> bool {
    names_in(directory, layout) == Some(FolderNames::Utf8)
}

/// How the names of the folders in a directory are written: in UTF-8 if one of them is not
/// ASCII, and none is the modified UTF-7 of such a name. None if all are ASCII.
fn names_in(directory: &Path, layout: Layout) -> Option<FolderNames> {
    let mut found = None;
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let Some(name) = name.to_str().filter(|name| {
            name.starts_with('.') == (layout == Layout::MaildirPlusPlus)
                && (!name.is_ascii() || name.contains('&'))
        }) else {
            continue;
        };
        if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            continue;
        }
        if name.is_ascii() {
            if mutf7::decode(name).is_some_and(|name| !name.is_ascii()) {
                return Some(FolderNames::Mutf7);
            }
        } else {
            found = Some(FolderNames::Utf8);
        }
    }
    found
}

fn clean(part: &str, layout: Layout) -> String {
    let mut cleaned = String::with_capacity(part.len());
    for (at, character) in part.char_indices() {
        let bad = character == '/'
            || character.is_control()
            || character == '.' && (at == 0 || layout == Layout::MaildirPlusPlus);
        cleaned.push(if bad { '_' } else { character });
    }
    if cleaned.is_empty() {
        cleaned.push_str("unknown");
    }
    if layout == Layout::Fs && is_taken(&cleaned) {
        cleaned.insert(0, '_');
    }
    cleaned
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(parts: &[&str]) -> Folder {
        Folder { parts: parts.iter().map(|part| part.to_string()).collect() }
    }

    fn plus(parts: &[&str]) -> String {
        let names = directories(&folder(parts), Layout::MaildirPlusPlus, FolderNames::Mutf7);
        names.unwrap().join(" ")
    }

    fn fs(parts: &[&str]) -> String {
        directories(&folder(parts), Layout::Fs, FolderNames::Utf8).unwrap().join(" ")
    }

    #[test]
    fn both_layouts() {
        assert_eq!(plus(&["A", "B"]), ".A.B");
        assert_eq!(plus(&["迷惑メール"]), ".&j,dg0TDhMPww6w-");
        assert_eq!(fs(&["A", "B"]), "A B");
        assert_eq!(fs(&["迷惑メール"]), "迷惑メール");
        assert_eq!(plus(&[]), "");
        assert_eq!(plus(&["INBOX"]), ".INBOX");
        assert_eq!(plus(&["inbox", "A"]), ".inbox.A");
    }

    #[test]
    fn the_spelling_on_disk_is_used() {
        let store = tempfile::tempdir().unwrap();
        let on_disk = |parts: &[&str], layout| {
            directories_on_disk(store.path(), &folder(parts), layout).unwrap().join(" ")
        };
        let make = |name: &str| fs::create_dir_all(store.path().join(name)).unwrap();
        assert_eq!(on_disk(&["台北", "A&B"], Layout::Fs), "&U,BTFw- A&-B", "none is there");
        make("台北/日本語");
        assert_eq!(on_disk(&["台北"], Layout::Fs), "台北");
        assert_eq!(on_disk(&["台北", "新"], Layout::Fs), "台北 新");
        assert_eq!(on_disk(&["日記", "新"], Layout::Fs), "日記 新", "as its neighbours");
        assert_eq!(on_disk(&["A", "日記"], Layout::Fs), "A &ZeWKGA-", "no neighbour");
        assert_eq!(on_disk(&["日記"], Layout::MaildirPlusPlus), ".&ZeWKGA-");
        make(".日記.A");
        assert_eq!(on_disk(&["日記", "A"], Layout::MaildirPlusPlus), ".日記.A");
        make("&ZeVnLIqe-");
        assert_eq!(on_disk(&["日記"], Layout::Fs), "&ZeWKGA-", "neighbours of both kinds");
        assert_eq!(on_disk(&["台北"], Layout::Fs), "台北", "though this one is there");
        make("&U,BTFw-");
        assert_eq!(on_disk(&["台北"], Layout::Fs), "&U,BTFw-", "both are");
        make("A&B");
        assert_eq!(on_disk(&["A&B"], Layout::Fs), "A&B");
    }

    #[test]
    fn the_names_of_a_whole_maildir_agree() {
        let store = tempfile::tempdir().unwrap();
        let make = |name: &str| fs::create_dir_all(store.path().join(name)).unwrap();
        let names = |layout| names_on_disk(store.path(), layout);
        make("A&-B/cur/日記");
        make(".A.B");
        assert_eq!([Layout::Fs, Layout::MaildirPlusPlus].map(names), [None, None]);
        make("A/B/日記/cur");
        make(".日記");
        let utf8 = Some(FolderNames::Utf8);
        assert_eq!([Layout::Fs, Layout::MaildirPlusPlus].map(names), [utf8, utf8]);
        make("C/&ZeWKGA-");
        make(".A.&ZeWKGA-");
        let mutf7 = Some(FolderNames::Mutf7);
        assert_eq!([Layout::Fs, Layout::MaildirPlusPlus].map(names), [mutf7, mutf7]);
    }

    #[test]
    fn nothing_climbs_or_hides() {
        assert_eq!(plus(&["..", "x"]), ".__.x");
        assert_eq!(plus(&["v1.2"]), ".v1_2");
        assert_eq!(plus(&["", "a/b\0\n"]), ".unknown.a_b__");
        assert_eq!(fs(&["..", ".", ".hidden", "v1.2"]), "_. _ _hidden v1.2");
        assert_eq!(fs(&["cur", "new", "tmp"]), "_cur _new _tmp");
        assert_eq!(fs(&["dovecot.index.log"]), "_dovecot.index.log");
        assert_eq!(fs(&["../../etc"]), "_._.._etc");
    }

    #[test]
    fn too_long_is_reported() {
        let long = "あ".repeat(85);
        let names = |parts: &[&str], names| directories(&folder(parts), Layout::Fs, names);
        assert!(names(&[&long], FolderNames::Utf8).is_some());
        assert!(names(&[&format!("{long}a")], FolderNames::Utf8).is_none());
        assert!(
            directories(&folder(&["a"; 128]), Layout::MaildirPlusPlus, FolderNames::Mutf7)
                .is_none()
        );
    }
}
