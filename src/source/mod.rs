//! Files of rules as people wrote them: in which file and where a thing is; and which
//! files are read and trusted.
//!
//! A [`Span`] is plain data, small enough to be stored with every part of a program, and
//! means nothing without its [`Sources`].

mod private_group;
mod read;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

pub use read::{
    Fingerprint, LIST_LIMIT, RULES_LIMIT, ReadError, RuleFile, SCRIPT_LIMIT, may_pass, open_rules,
    open_script, open_site, read_bytes, read_current, read_rules, read_script, read_text,
    read_whole, reason,
};

/// A range in one rule file: byte offsets, the end excluded.
#[derive(Serialize, Deserialize, Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct Span {
    /// Which file of the [`Sources`].
    pub file: u32,
    /// First byte.
    pub start: u32,
    /// First byte after it.
    pub end: u32,
}

impl Span {
    /// The span from the start of `self` to the end of `last`.
    pub fn to(self, last: Span) -> Span {
        Span { end: last.end, ..self }
    }
}

/// A value and where it is.
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
    /// Where it was read from.
    pub path: PathBuf,
    /// Its text, without a byte-order mark. Line ends are as in the file.
    pub text: String,
    /// Byte offset of the start of each line.
    lines: Vec<u32>,
}

impl SourceFile {
    /// A file with this text, without a leading byte-order mark.
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

    /// Byte offset of the start of a line, counted from 1; after the last line, the end
    /// of the text.
    pub fn line_start(&self, line: u32) -> usize {
        let start = self.lines.get((line as usize).saturating_sub(1));
        start.map_or(self.text.len(), |start| *start as usize)
    }

    /// Byte offset of the end of a line, without its line break.
    pub fn line_end(&self, line: u32) -> usize {
        let next = self.lines.get(line as usize);
        next.map_or(self.text.len(), |next| *next as usize - 1)
    }
}

/// All files of one set of rules; the first is the main file, the others are those that
/// it includes, in the order in which they were met.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    files: Vec<SourceFile>,
    home: Option<PathBuf>,
}

impl Sources {
    /// Adds a file and returns its number.
    pub fn add(&mut self, file: SourceFile) -> u32 {
        self.files.push(file);
        self.files.len() as u32 - 1
    }

    /// Removes the file that was added last.
    pub fn remove_last(&mut self) {
        self.files.pop();
    }

    /// The files, by number.
    pub fn files(&self) -> &[SourceFile] {
        &self.files
    }

    /// The text of a span; empty for a span of other sources.
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

    /// Sets the user's home, which is shown as `~`.
    pub fn set_home(&mut self, home: &Path) {
        self.home = Some(home.to_owned()).filter(|home| home.parent().is_some());
    }

    /// A path for people, with the home as `~`.
    pub fn shown(&self, path: &Path) -> String {
        let below = self.home.as_ref().and_then(|home| path.strip_prefix(home).ok());
        match below {
            Some(below) => format!("~/{}", below.display()),
            None => path.display().to_string(),
        }
    }

    /// Line number of the start of a span, from 1.
    pub fn line(&self, span: Span) -> u32 {
        self.files.get(span.file as usize).map_or(0, |file| file.line(span.start))
    }
}
