//! Files of rules as people wrote them: where a thing stands in which file.
//!
//! A [`Span`] is plain data, small enough to stand beside every part of a
//! program, and means nothing without the [`Sources`] it was made for.

use std::path::{Path, PathBuf};

use rkyv::{Archive, Serialize};

/// A stretch of one rule file: byte offsets, the end excluded.
#[derive(Archive, Serialize, Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct Span {
    /// Which file of the [`Sources`].
    pub file: u32,
    /// First byte.
    pub start: u32,
    /// First byte that is no longer in it.
    pub end: u32,
}

impl Span {
    /// The span from the start of `self` to the end of `last`.
    pub fn to(self, last: Span) -> Span {
        Span { end: last.end, ..self }
    }
}

/// A value and where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spanned<T> {
    /// The value.
    pub value: T,
    /// Its place.
    pub span: Span,
}

/// One file of rules.
#[derive(Debug, Clone)]
pub struct SourceFile {
    /// Where it was read.
    pub path: PathBuf,
    /// Its text, without a byte-order mark. Line ends are as in the file.
    pub text: String,
    /// Byte offset of the start of each line.
    lines: Vec<u32>,
}

impl SourceFile {
    /// Takes a text in, dropping a leading byte-order mark.
    pub fn new(path: impl Into<PathBuf>, text: impl Into<String>) -> SourceFile {
        let mut text = text.into();
        if text.starts_with('\u{feff}') {
            text.drain(..'\u{feff}'.len_utf8());
        }
        let lines = std::iter::once(0)
            .chain(memchr::memchr_iter(b'\n', text.as_bytes()).map(|at| at as u32 + 1))
            .collect();
        SourceFile { path: path.into(), text, lines }
    }

    /// Line number of a byte offset, from 1.
    pub fn line(&self, offset: u32) -> u32 {
        self.lines.partition_point(|start| *start <= offset) as u32
    }
}

/// All files of one set of rules; the first is the main one, the others are
/// what it includes, in the order in which they were met.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    files: Vec<SourceFile>,
}

impl Sources {
    /// Adds a file and gives its number.
    pub fn add(&mut self, file: SourceFile) -> u32 {
        self.files.push(file);
        self.files.len() as u32 - 1
    }

    /// The files, by number.
    pub fn files(&self) -> &[SourceFile] {
        &self.files
    }

    /// The text of a span; empty for one of other sources.
    pub fn text(&self, span: Span) -> &str {
        self.files
            .get(span.file as usize)
            .and_then(|file| file.text.get(span.start as usize..span.end as usize))
            .unwrap_or_default()
    }

    /// Path of the file a span is in.
    pub fn path(&self, span: Span) -> &Path {
        self.files.get(span.file as usize).map_or(Path::new(""), |file| &file.path)
    }

    /// Line number of the start of a span, from 1.
    pub fn line(&self, span: Span) -> u32 {
        self.files.get(span.file as usize).map_or(0, |file| file.line(span.start))
    }
}
