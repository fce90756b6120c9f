//! Whether the folders that rules name exist: for `mfilter check`, which warns about each
//! that probably stands for another one.

use std::fs;
use std::path::Path;

use crate::diagnostic::Diagnostic;
use crate::maildir::{Location, Maildir};
use crate::message::fold::fold;
use crate::plan::Folder;
use crate::rules::mistake::{PlaceMistake, RuleErrorKind, difference};
use crate::rules::program::Layout;
use crate::source::{Span, Spanned};

/// Names shorter than this are not compared by single letters, characters.
const SHORT_NAME: usize = 5;

/// The mistakes in `folders`, some of which may have been renamed, and in the layout,
/// which is set at `layout`. None if the Maildir does not exist or cannot be read.
pub fn judge(
    location: &Location,
    folders: &[Spanned<String>],
    renamed: &[(Folder, Folder)],
    layout: Option<Span>,
) -> Vec<Diagnostic> {
    let place = |mistake| RuleErrorKind::Place(mistake);
    let Some(there) = names(location) else { return Vec::new() };
    if let Some(mistake) = other_layout(location)
        && let Some(span) = layout.or_else(|| folders.first().map(|folder| folder.span))
    {
        return vec![place(mistake).at(span)];
    }
    let mistakes = folders.iter().filter_map(|folder| {
        let name = folder.value.as_str();
        if let Some((_, other)) = renamed.iter().find(|(gone, _)| *gone == Folder::named(name)) {
            let (name, other) = (name.to_owned(), other.to_string());
            return Some(place(PlaceMistake::Renamed { name, other }).at(folder.span));
        }
        if let Some(other) = location.other_spelling(&Folder::named(name)) {
            let used = location.place(&Folder::named(name)).directories().join("/");
            let (name, other) = (name.to_owned(), other.join("/"));
            return Some(place(PlaceMistake::TwoSpellings { name, used, other }).at(folder.span));
        }
        if location.folder_path(&Folder::named(name)).is_dir()
            || there.iter().any(|other| other == name)
        {
            return None;
        }
        let (other, how) = probable_folder(name, &there)?;
        let (name, other) = (name.to_owned(), other.to_owned());
        Some(place(PlaceMistake::OnDisk { name, other, how }).at(folder.span))
    });
    mistakes.collect()
}

/// The existing folders, by the names that people read; none if the Maildir does not
/// exist or cannot be read.
pub fn names(location: &Location) -> Option<Vec<String>> {
    // A missing Maildir must not be created just by asking.
    let maildir = location.path.is_dir().then(|| Maildir::open(location).ok()).flatten()?;
    let places = maildir.folders().0;
    Some(places.iter().map(|place| location.folder_of(place).to_string()).collect())
}

/// The folder that was probably meant by a name that does not exist.
fn probable_folder<'f>(name: &str, there: &'f [String]) -> Option<(&'f str, &'static str)> {
    let folded = fold(name);
    if let Some(other) = there.iter().find(|other| fold(other) == folded) {
        return Some((other, difference(name, other)));
    }
    if name.chars().count() < SHORT_NAME {
        return None;
    }
    // `2025` and `2026`, `List 1` and `List 2` are not typing mistakes.
    let letters = |text: &str| -> String { text.chars().filter(|c| !c.is_numeric()).collect() };
    let near = there.iter().find(|other| {
        strsim::osa_distance(&folded, &fold(other)) == 1 && letters(name) != letters(other)
    })?;
    Some((near, "by a letter"))
}

/// The other layout, if the store has folders in that one and none in the one that is
/// set.
fn other_layout(location: &Location) -> Option<PlaceMistake> {
    let (mut hidden, mut plain) = (None, None);
    for entry in fs::read_dir(&location.path).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if matches!(name.as_str(), "cur" | "new" | "tmp") || !is_maildir(&entry.path()) {
            continue;
        }
        let found = if name.starts_with('.') { &mut hidden } else { &mut plain };
        if found.as_ref().is_none_or(|known| name < *known) {
            *found = Some(name);
        }
    }
    match (location.layout, hidden, plain) {
        (Layout::MaildirPlusPlus, None, Some(folder)) => {
            Some(PlaceMistake::OtherLayout { folder, layout: "fs" })
        }
        (Layout::Fs, Some(folder), None) => {
            Some(PlaceMistake::OtherLayout { folder, layout: "maildir++" })
        }
        _ => None,
    }
}

fn is_maildir(path: &Path) -> bool {
    ["cur", "new"].iter().all(|sub| path.join(sub).is_dir())
}

#[cfg(test)]
mod tests {
    use super::probable_folder;

    #[test]
    fn names_that_are_one_to_a_reader_or_nearly() {
        let there =
            ["Lists/Rust", "迷惑メール", "Newsletters", "List 1", "News"].map(str::to_owned);
        for (name, other) in [
            ("lists/rust", Some(("Lists/Rust", "by case"))),
            ("迷惑ﾒｰﾙ", Some(("迷惑メール", "by width or spelling"))),
            ("Newsletter", Some(("Newsletters", "by a letter"))),
            ("Newsletetrs", Some(("Newsletters", "by a letter"))),
            ("List 2", None),
            ("New", None),
            ("Work", None),
        ] {
            assert_eq!(probable_folder(name, &there), other, "{name}");
        }
    }
}
