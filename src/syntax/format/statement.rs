//! Statements: what each is as a doc, and the block of those that have one.

use super::super::ast::{ActionNode, Body, StatementNode, StatementNodeKind};
use super::super::layout::Doc;
use super::super::literal;
use super::nodes::{end_of, end_of_expiry, on_moved, signed};
use super::{BlockRange, Formatter, LayoutItem};

impl<'a> Formatter<'a> {
    /// Writes a statement, and above it the comments that have no place in it.
    pub(super) fn statement(&mut self, statement: &'a StatementNode, depth: usize) {
        let span = statement.span;
        self.is_started = false;
        let head_end = match &statement.kind {
            StatementNodeKind::Rule { body: Body::Block(_), .. }
            | StatementNodeKind::Score { .. }
            | StatementNodeKind::Category { .. } => {
                self.blocks.get(&span.end).copied().unwrap_or(span.start)
            }
            _ => span.end,
        };
        self.gather(span.start, head_end);
        let (doc, items) = match &statement.kind {
            StatementNodeKind::Rule { label, condition, body: Body::Block(statements) } => {
                let mut head = self.head(label.as_ref(), condition.as_ref());
                let end = condition.as_ref().map_or(span.start, |condition| condition.span.end);
                head.push(self.line_between(" ", end, head_end));
                head.push(Doc::text("{"));
                (Doc::group(head), Some(lines_of(statements)))
            }
            StatementNodeKind::Score { name, entries } => {
                let widths = entries.iter().map(|(weight, _)| signed(weight.value).len());
                let width = widths.max().unwrap_or(0);
                let items = entries.iter().map(|entry| LayoutItem::Entry(entry, width));
                (Doc::text(format!("score {} {{", name.value)), Some(items.collect()))
            }
            StatementNodeKind::Category { name, mandatory, statements } => {
                let mandatory = if *mandatory { " mandatory" } else { "" };
                let head = format!("category {}{mandatory} {{", literal::quote(&name.value));
                (Doc::text(head), Some(lines_of(statements)))
            }
            _ => (self.without_block(statement), None),
        };
        self.finish(doc, "", depth);
        if let Some(items) = items {
            let (open, end) = (Some(head_end + 1), span.end.saturating_sub(1));
            self.items(&items, BlockRange { depth: depth + 1, open, end });
            self.line(depth, "}");
        }
    }

    /// A statement without a block.
    fn without_block(&mut self, statement: &'a StatementNode) -> Doc {
        if let Some((head, end, actions)) = self.around_arrow(statement) {
            return self.arrow(head, end, actions);
        }
        match &statement.kind {
            StatementNodeKind::Set { name, value } => {
                Doc::group(vec![Doc::text(format!("set {} ", name.value)), self.value(value)])
            }
            StatementNodeKind::List { name, value } => {
                Doc::group(vec![Doc::text(format!("list {} ", name.value)), self.value(value)])
            }
            StatementNodeKind::ListFrom { name, source, place } => {
                let place = literal::quote(&place.value);
                Doc::text(format!("list {} {} {place}", name.value, source.word()))
            }
            StatementNodeKind::Define { name, condition } => Doc::group(vec![
                Doc::text(format!("define {} = ", name.value)),
                Doc::Nest(vec![self.condition(condition)]),
            ]),
            StatementNodeKind::Include { file } => {
                Doc::text(format!("include {}", literal::quote(&file.value)))
            }
            StatementNodeKind::IncludeSieve { file, options } => {
                let mut text = format!("include sieve {}", literal::quote(&file.value));
                for option in options {
                    let value = literal::quote(&option.value.value);
                    text.push_str(&format!(" {} {value}", option.name.value));
                }
                Doc::text(text)
            }
            StatementNodeKind::Actions(actions) => self.actions(actions),
            StatementNodeKind::IspFilter { choices } => self.choices(choices),
            StatementNodeKind::IspLabel { kind, text } => {
                Doc::text(format!("isp-label {} {}", kind.value, literal::quote(&text.value)))
            }
            // Statements that could not be read stay as they are, with their comments; the
            // others have an arrow or a block.
            _ => {
                self.inside.clear();
                self.above.clear();
                let span = statement.span;
                let written = self.text.get(span.start as usize..span.end as usize);
                Doc::text(written.unwrap_or_default())
            }
        }
    }

    /// What is before the arrow of a statement, where that ends in the source, and the
    /// actions.
    pub(super) fn around_arrow(
        &mut self,
        statement: &'a StatementNode,
    ) -> Option<(Vec<Doc>, u32, &'a [ActionNode])> {
        let start = statement.span.start;
        Some(match &statement.kind {
            StatementNodeKind::Rule { label, condition, body: Body::Actions(actions) } => {
                let end = condition.as_ref().map_or(start, |condition| condition.span.end);
                (self.head(label.as_ref(), condition.as_ref()), end, actions)
            }
            StatementNodeKind::Expire { folder, after, even, unless, actions } => {
                let end = end_of_expiry(after, even, unless.as_ref());
                (self.expire(folder, after, even, unless.as_ref()), end, actions)
            }
            StatementNodeKind::OnMoved { ends, actions } => {
                (vec![on_moved(ends)], end_of(ends, start), actions)
            }
            StatementNodeKind::Expect { message, actions } => {
                let head = format!("expect {}", literal::quote(&message.value));
                (vec![Doc::text(head)], message.span.end, actions)
            }
            _ => return None,
        })
    }
}

pub(super) fn lines_of(statements: &[StatementNode]) -> Vec<LayoutItem<'_>> {
    statements.iter().map(LayoutItem::Statement).collect()
}
