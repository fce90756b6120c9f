//! From a folder as people name it to the directories that it is.

use crate::plan::Folder;
use crate::rules::program::{FolderNames, Layout};

use super::mutf7;

/// Longest name of a directory entry, bytes, on the file systems in use.
const NAME_MAX: usize = 255;

/// The directories from the root of the Maildir to the folder, none for the
/// root itself: one for maildir++ (`.A.B`), one for each level for fs (`A`, `B`).
/// `None` if a name would be longer than file systems take.
///
/// `evaluate` hands over clean names; what must never happen is made
/// impossible here once more: a part that climbs, that is hidden, that is a
/// level more than it seems (`.` in maildir++), or that is `cur`, `new` or
/// `tmp` among folders that lie beside those (fs).
pub fn directories(folder: &Folder, layout: Layout, names: FolderNames) -> Option<Vec<String>> {
    if is_inbox(folder) {
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

/// True for no parts, and for `INBOX` in any case: RFC 3501 §5.1.
pub fn is_inbox(folder: &Folder) -> bool {
    match folder.parts.as_slice() {
        [] => true,
        [only] => only.eq_ignore_ascii_case("INBOX"),
        _ => false,
    }
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
    if layout == Layout::Fs && matches!(cleaned.as_str(), "cur" | "new" | "tmp") {
        cleaned.push('_');
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
        assert_eq!(plus(&["inbox"]), "");
        assert_eq!(plus(&["inbox", "A"]), ".inbox.A");
    }

    #[test]
    fn nothing_climbs_or_hides() {
        assert_eq!(plus(&["..", "x"]), ".__.x");
        assert_eq!(plus(&["v1.2"]), ".v1_2");
        assert_eq!(plus(&["", "a/b\0\n"]), ".unknown.a_b__");
        assert_eq!(fs(&["..", ".", ".hidden", "v1.2"]), "_. _ _hidden v1.2");
        assert_eq!(fs(&["cur", "new", "tmp"]), "cur_ new_ tmp_");
        assert_eq!(fs(&["../../etc"]), "_._.._etc");
    }

    #[test]
    fn too_long_is_told() {
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
