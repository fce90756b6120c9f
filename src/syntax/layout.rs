//! Lines of at most [`WIDTH`] columns, from text that knows where it may break.
//!
//! After Wadler, "A prettier printer": a group is put on one line if it fits,
//! otherwise it breaks at each of its own lines; comments always break it.

use unicode_width::UnicodeWidthStr;

use super::literal::quote_long;
use super::scan::LONG_QUOTE;

/// The width up to which a line is not broken, columns.
pub(super) const WIDTH: usize = 100;
/// Blanks per level of indentation.
const INDENT: usize = 4;

/// Text that may break.
pub(super) enum Doc {
    Text(String),
    /// A text of several lines, in three quotes; everything around it breaks.
    LongText(String),
    /// `flat` if the group is on one line, otherwise a line break.
    Line {
        flat: &'static str,
        comments: Vec<BreakComment>,
    },
    /// Only if the group is broken.
    IfBroken(&'static str),
    /// Lines in it are indented further.
    Nest(Vec<Doc>),
    /// Breaks at all of its lines or at none.
    Group {
        docs: Vec<Doc>,
        broken: bool,
    },
}

/// A comment at the place of a line break.
pub(super) struct BreakComment {
    pub text: String,
    /// Whether the comment goes on the line that ends here, not on one of its own.
    pub after: bool,
}

impl Doc {
    pub(super) fn text(text: impl Into<String>) -> Doc {
        Doc::Text(text.into())
    }

    pub(super) fn group(docs: Vec<Doc>) -> Doc {
        let broken = docs.iter().any(Doc::must_break);
        Doc::Group { docs, broken }
    }

    fn must_break(&self) -> bool {
        match self {
            Doc::Text(_) | Doc::IfBroken(_) => false,
            Doc::LongText(_) => true,
            Doc::Line { comments, .. } => !comments.is_empty(),
            Doc::Nest(docs) => docs.iter().any(Doc::must_break),
            Doc::Group { broken, .. } => *broken,
        }
    }

    /// The doc on one line, if it contains no comment.
    pub(super) fn flat(&self) -> Option<String> {
        let mut text = String::new();
        self.flatten(&mut text).then_some(text)
    }

    fn flatten(&self, text: &mut String) -> bool {
        match self {
            Doc::Text(part) => text.push_str(part),
            Doc::LongText(_) => return false,
            Doc::Line { comments, .. } if !comments.is_empty() => return false,
            Doc::Line { flat, .. } => text.push_str(flat),
            Doc::IfBroken(_) => {}
            Doc::Nest(docs) | Doc::Group { docs, .. } => {
                return docs.iter().all(|doc| doc.flatten(text));
            }
        }
        true
    }

    /// Lays the doc out after `before`, at the start of a line that is indented
    /// by `depth` levels. Without a line end.
    pub(super) fn lay_out(&self, before: &str, depth: usize) -> String {
        let mut out = format!("{}{before}", " ".repeat(depth * INDENT));
        let mut column = out.width();
        let mut stack = vec![(depth, true, self)];
        while let Some((depth, broken, doc)) = stack.pop() {
            match doc {
                Doc::Text(text) => {
                    out.push_str(text);
                    column += text.width();
                }
                Doc::LongText(text) => {
                    out.push_str(&quote_long(text, &" ".repeat((depth + 1) * INDENT)));
                    column = (depth + 1) * INDENT + LONG_QUOTE.len();
                }
                Doc::IfBroken(text) if broken => {
                    out.push_str(text);
                    column += text.width();
                }
                Doc::IfBroken(_) => {}
                Doc::Line { flat, .. } if !broken => {
                    out.push_str(flat);
                    column += flat.len();
                }
                Doc::Line { comments, .. } => {
                    out.truncate(out.trim_end_matches(' ').len());
                    for comment in comments {
                        if comment.after {
                            out.push_str("  ");
                        } else {
                            start_line(&mut out, depth);
                        }
                        out.push_str(&comment.text);
                    }
                    start_line(&mut out, depth);
                    column = depth * INDENT;
                }
                Doc::Nest(docs) => {
                    stack.extend(docs.iter().rev().map(|doc| (depth + 1, broken, doc)));
                }
                Doc::Group { docs, broken } => {
                    let broken = *broken || !fits(docs, &stack, WIDTH.saturating_sub(column));
                    stack.extend(docs.iter().rev().map(|doc| (depth, broken, doc)));
                }
            }
        }
        out
    }
}

fn start_line(out: &mut String, depth: usize) {
    out.push('\n');
    out.push_str(&" ".repeat(depth * INDENT));
}

/// Whether a group fits on the line, together with what must follow it there.
fn fits(group: &[Doc], after: &[(usize, bool, &Doc)], room: usize) -> bool {
    let mut left = room;
    let mut stack: Vec<(bool, &Doc)> = group.iter().rev().map(|doc| (false, doc)).collect();
    let mut after = after.iter().rev();
    loop {
        let Some((broken, doc)) =
            stack.pop().or_else(|| after.next().map(|(_, broken, doc)| (*broken, *doc)))
        else {
            return true;
        };
        let width = match doc {
            Doc::Line { .. } if broken => return true,
            Doc::Text(text) => text.width(),
            Doc::LongText(_) => return true,
            Doc::Line { flat, .. } => flat.len(),
            Doc::IfBroken(text) if broken => text.width(),
            Doc::IfBroken(_) => 0,
            Doc::Nest(docs) => {
                stack.extend(docs.iter().rev().map(|doc| (broken, doc)));
                0
            }
            Doc::Group { docs, broken: must } => {
                stack.extend(docs.iter().rev().map(|doc| (*must, doc)));
                0
            }
        };
        match left.checked_sub(width) {
            Some(rest) => left = rest,
            None => return false,
        }
    }
}
