//! Rules on one line next to each other have their arrows in one column.

use unicode_width::UnicodeWidthStr;

use super::super::ast::StatementNodeKind;
use super::super::layout::{Doc, WIDTH};
use super::{Formatter, LayoutItem};

/// Arrows are aligned if what is before them is not wider than this, in columns.
const WIDEST_ALIGNED: usize = 60;

impl<'a> Formatter<'a> {
    /// For each rule on one line next to others of its kind: the part before the
    /// arrow, padded, and the rest.
    pub(super) fn aligned(
        &mut self,
        items: &[LayoutItem<'a>],
        depth: usize,
    ) -> Vec<Option<(String, String)>> {
        let mut heads: Vec<Option<(String, String)>> = Vec::with_capacity(items.len());
        for item in items {
            let head = self.one_line(*item, depth);
            heads.push(head);
        }
        let mut start = 0;
        while start < heads.len() {
            let mut end = start + 1;
            if heads[start].is_some() {
                while end < heads.len() && heads[end].is_some() && self.neighbours(items, end) {
                    end += 1;
                }
            }
            align(heads.get_mut(start..end).unwrap_or_default(), depth);
            start = end;
        }
        heads
    }

    /// Whether nothing is between an item and the one before it.
    fn neighbours(&self, items: &[LayoutItem<'a>], at: usize) -> bool {
        let (Some(item), Some(before)) = (items.get(at), items.get(at.wrapping_sub(1))) else {
            return false;
        };
        if let LayoutItem::Statement(statement) = item
            && !self.comments_in(statement.span).is_empty()
        {
            return false;
        }
        let (from, to) = (before.end(), item.start());
        let first = self.comments.partition_point(|comment| comment.span.start < from);
        let mut last_end = from;
        for comment in self.comments.iter().skip(first) {
            if comment.span.start >= to {
                break;
            }
            if self.breaks(last_end, comment.span.start) > 0 {
                return false;
            }
            last_end = comment.span.end;
        }
        self.breaks(last_end, to) < 2
    }

    fn one_line(&mut self, item: LayoutItem<'a>, depth: usize) -> Option<(String, String)> {
        let LayoutItem::Statement(statement) = item else { return None };
        self.inside.extend(self.comments_in(statement.span));
        let parts = match statement.kind {
            StatementNodeKind::Expect { .. } => None,
            _ => self.around_arrow(statement),
        };
        let Some((head, end, actions)) = parts else {
            self.inside.clear();
            return None;
        };
        let start = actions.first().map_or(end, |action| action.span.start);
        let line = self.line_between("", end, start);
        let rest = Doc::group(vec![line, Doc::text(" -> "), self.actions(actions)]);
        // We only need to know whether they have a place; they are written with the rule.
        self.inside.clear();
        self.above.clear();
        let (head, rest) = (Doc::group(head).flat()?, rest.flat()?);
        let fits =
            head.width() <= WIDEST_ALIGNED && depth * 4 + head.width() + rest.width() <= WIDTH;
        fits.then_some((head, rest))
    }
}

fn align(heads: &mut [Option<(String, String)>], depth: usize) {
    let widest = heads.iter().flatten().map(|(head, _)| head.width()).max().unwrap_or(0);
    let fits = heads.iter().flatten().all(|(_, rest)| depth * 4 + widest + rest.width() <= WIDTH);
    for (head, _) in heads.iter_mut().flatten().filter(|_| fits) {
        head.push_str(&" ".repeat(widest - head.width()));
    }
}
