//! Texts that are open in an editor, and how editors count places in them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use lsp_types::{Position, Range, Uri};
use url::Url;

use crate::source::Span;

/// The unit in which an editor counts columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ColumnUnit {
    /// Bytes.
    Utf8,
    /// UTF-16 code units, which every editor supports.
    Utf16,
}

/// A text that is open.
#[derive(Debug)]
pub(super) struct OpenDocument {
    /// The editor's name for it.
    pub(super) uri: Uri,
    /// The version number, counted by the editor.
    pub(super) version: i32,
    /// The whole text.
    pub(super) text: String,
}

/// All open texts, by path.
pub(super) type OpenDocuments = BTreeMap<PathBuf, OpenDocument>;

/// The position of a byte; one beyond the text or within a character is moved back.
pub(super) fn position(text: &str, offset: usize, unit: ColumnUnit) -> Position {
    let offset = text.floor_char_boundary(offset);
    let before = &text[..offset];
    let start = memchr::memrchr(b'\n', before.as_bytes()).map_or(0, |at| at + 1);
    let line = memchr::memchr_iter(b'\n', before.as_bytes()).count();
    let column = match unit {
        ColumnUnit::Utf8 => offset - start,
        ColumnUnit::Utf16 => before[start..].encode_utf16().count(),
    };
    Position::new(line as u32, column as u32)
}

/// The byte of a position; one beyond its line is the end of the line.
pub(super) fn offset(text: &str, place: Position, unit: ColumnUnit) -> usize {
    let mut starts =
        std::iter::once(0).chain(memchr::memchr_iter(b'\n', text.as_bytes()).map(|at| at + 1));
    let Some(start) = starts.nth(place.line as usize) else { return text.len() };
    let line = text[start..].split('\n').next().unwrap_or_default();
    let line = line.strip_suffix('\r').unwrap_or(line);
    let column = place.character as usize;
    start
        + match unit {
            ColumnUnit::Utf8 => line.floor_char_boundary(column),
            ColumnUnit::Utf16 => {
                let mut units = 0;
                let after = line.char_indices().find(|(_, c)| {
                    units += c.len_utf16();
                    units > column
                });
                after.map_or(line.len(), |(at, _)| at)
            }
        }
}

/// The range of a span.
pub(super) fn range(text: &str, span: Span, unit: ColumnUnit) -> Range {
    let at = |offset: u32| position(text, offset as usize, unit);
    Range::new(at(span.start), at(span.end.max(span.start)))
}

/// The range of a whole text.
pub(super) fn whole_range(text: &str, unit: ColumnUnit) -> Range {
    Range::new(Position::new(0, 0), position(text, text.len(), unit))
}

/// The path that an editor means; for a text that is not a file yet, a name that no file
/// has.
pub(super) fn path_of(uri: &Uri) -> PathBuf {
    let file = Url::parse(uri.as_str()).ok().filter(|url| url.scheme() == "file");
    let path = file.and_then(|url| url.to_file_path().ok());
    path.unwrap_or_else(|| PathBuf::from(uri.as_str()))
}

/// The editor's name for a path.
pub(super) fn uri_of(path: &Path, documents: &OpenDocuments) -> Option<Uri> {
    match documents.get(path) {
        Some(document) => Some(document.uri.clone()),
        None => Url::from_file_path(path).ok()?.as_str().parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_in_units_of_the_editor_and_back() {
        let text = "a\r\n迷😀é x\n";
        let at = text.find('x').expect("it is there");
        for (unit, column) in [(ColumnUnit::Utf16, 5), (ColumnUnit::Utf8, 10)] {
            assert_eq!(position(text, at, unit), Position::new(1, column));
            for (offset_of, _) in text.char_indices().filter(|(_, c)| *c != '\r' && *c != '\n') {
                assert_eq!(offset(text, position(text, offset_of, unit), unit), offset_of);
            }
        }
    }

    #[test]
    fn places_that_are_none_are_near_ones() {
        let text = "a\r\n😀b";
        for unit in [ColumnUnit::Utf8, ColumnUnit::Utf16] {
            assert_eq!(offset(text, Position::new(0, 99), unit), 1);
            assert_eq!(offset(text, Position::new(1, 1), unit), 3, "within a character");
            assert_eq!(offset(text, Position::new(9, 0), unit), text.len());
            assert_eq!(offset(text, Position::new(u32::MAX, u32::MAX), unit), text.len());
            assert_eq!(position(text, 5, unit), position(text, 3, unit));
            assert_eq!(position(text, 900, unit), position(text, text.len(), unit));
        }
    }

    #[test]
    fn a_path_and_its_name_in_an_editor() {
        let documents = OpenDocuments::new();
        for path in ["/home/hana/.mailrules", "/tmp/迷 惑/a%b.mailrules"] {
            let uri = uri_of(Path::new(path), &documents).expect("an absolute path has one");
            assert_eq!(path_of(&uri), Path::new(path));
        }
        let untitled: Uri = "untitled:Untitled-1".parse().expect("it is one");
        assert_eq!(path_of(&untitled), Path::new("untitled:Untitled-1"));
    }
}
