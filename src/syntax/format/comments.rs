//! Where comments go: after what is on their line, on lines of their own, at a break in a
//! statement, or above it if it has no place for them.

use super::super::ast::Comment;
use super::super::layout::{BreakComment, Doc};
use super::Formatter;
use crate::source::Span;

impl<'a> Formatter<'a> {
    /// The number of line breaks between two places.
    pub(super) fn breaks(&self, from: u32, to: u32) -> usize {
        let between = self.text.get(from as usize..to as usize).unwrap_or_default();
        memchr::memchr_iter(b'\n', between.as_bytes()).count()
    }

    /// Writes a comment that follows `end` on the same line; returns where that
    /// line's text ends.
    pub(super) fn trailing(&mut self, end: u32, next: u32) -> u32 {
        match self.comments.get(self.next) {
            Some(comment)
                if comment.span.start >= end
                    && comment.span.start < next
                    && self.breaks(end, comment.span.start) == 0 =>
            {
                self.next += 1;
                if self.out.ends_with('\n') {
                    self.out.pop();
                }
                self.out.push_str("  ");
                self.out.push_str(comment.text.trim_end());
                self.out.push('\n');
                comment.span.end
            }
            _ => end,
        }
    }

    pub(super) fn blank_line(&mut self, last_end: Option<u32>, start: u32, first: bool) {
        if let Some(last_end) = last_end
            && !first
            && self.breaks(last_end, start) > 1
        {
            self.out.push('\n');
        }
    }

    /// Writes the comments before `end`, each on a line of its own.
    pub(super) fn own_lines(
        &mut self,
        last_end: &mut Option<u32>,
        end: u32,
        depth: usize,
        first: &mut bool,
    ) {
        while let Some(comment) = self.comments.get(self.next)
            && comment.span.start < end
        {
            self.blank_line(*last_end, comment.span.start, *first);
            *first = false;
            let start = self.place(depth);
            if let Some(known) = self.comment_starts.get_mut(self.next) {
                *known = Some(start);
            }
            self.next += 1;
            self.line(depth, &comment.text);
            *last_end = Some(comment.span.end);
        }
    }

    pub(super) fn comments_in(&self, span: Span) -> &'a [Comment] {
        let from = self.comments.partition_point(|comment| comment.span.start < span.start);
        let to = self.comments.partition_point(|comment| comment.span.start < span.end);
        self.comments.get(from..to).unwrap_or_default()
    }

    /// Collects the comments between two places; the docs will give them places.
    pub(super) fn gather(&mut self, start: u32, end: u32) {
        while let Some(comment) = self.comments.get(self.next)
            && (start..end).contains(&comment.span.start)
        {
            self.inside.push_back(comment);
            self.next += 1;
        }
    }

    pub(super) fn put_above(&mut self, depth: usize) {
        let above = std::mem::take(&mut self.above);
        let inside = std::mem::take(&mut self.inside);
        for comment in above.into_iter().chain(inside) {
            self.line(depth, &comment.text);
        }
    }

    /// A line break with the comments between two places; must be called in
    /// order, from the start of a statement to its end.
    pub(super) fn line_between(&mut self, flat: &'static str, from: u32, to: u32) -> Doc {
        let mut comments = Vec::new();
        let mut last_end = from;
        while let Some(comment) = self.inside.pop_front() {
            let start = comment.span.start;
            if start < from {
                self.above.push(comment);
                continue;
            }
            if start >= to {
                self.inside.push_front(comment);
                break;
            }
            let on_line = comments.is_empty() && self.breaks(last_end, start) == 0;
            comments
                .push(BreakComment { text: comment.text.trim_end().to_string(), after: on_line });
            last_end = comment.span.end;
        }
        Doc::Line { flat, comments }
    }
}
