//! Columns of places in a text.

use crate::source::{Sources, Span};

/// Counts columns. Mistakes are in the order of the text, so each line is counted only
/// once, however many mistakes it has.
#[derive(Default)]
pub(super) struct Columns {
    /// The last place that was counted, and the number of characters before it in its
    /// line.
    last: (Span, usize),
}

impl Columns {
    /// The column of a span's start, in characters from 1; 0 for a place that is not in
    /// any file.
    pub(super) fn of(&mut self, span: Span, sources: &Sources) -> usize {
        let Some(file) = sources.files().get(span.file as usize) else { return 0 };
        let (last, counted) = self.last;
        let start = file.line_start(file.line(span.start)) as u32;
        let goes_on = last.file == span.file && (start..=span.start).contains(&last.start);
        let (from, counted) = if goes_on { (last.start, counted) } else { (start, 0) };
        let before = file.text.get(from as usize..span.start as usize).unwrap_or_default();
        let counted = counted + before.chars().count();
        self.last = (span, counted);
        counted + 1
    }
}
