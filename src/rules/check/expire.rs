//! `expire`: what is removed from a folder when it has been there for a long time.

use super::Checker;
use crate::rules::mistake::{ExpireMistake, LearnMistake};
use crate::rules::program::{ALL_FOLDERS, Expiry};
use crate::source::Span;
use crate::syntax::ast::{ActionNode, ConditionNode, SpannedText, ValueKind, ValueNode};

/// The longest time for which mail may be kept, seconds: ten years.
const LONGEST: u64 = 520 * 7 * 24 * 3600;

/// The parts of the statement.
pub(super) struct ExpiryNode<'a> {
    pub(super) folder: &'a SpannedText,
    pub(super) after: &'a ValueNode,
    pub(super) unless: Option<&'a ConditionNode>,
    pub(super) actions: &'a [ActionNode],
}

impl Checker<'_, '_> {
    /// `expire "News" after 14d unless flagged -> folder "Trash"`
    pub(super) fn expire(
        &mut self,
        span: Span,
        node: &ExpiryNode<'_>,
        even_unread: bool,
        even_flagged: bool,
    ) {
        if self.site {
            self.report(span, LearnMistake::OfSite { what: "`expire`" });
        } else if self.statements.in_group() {
            self.report(span, ExpireMistake::InGroup);
        }
        let folder = match node.folder.value.as_str() {
            ALL_FOLDERS => Some(ALL_FOLDERS.to_owned()),
            name => self.plain_folder(name, node.folder.span),
        };
        let after = match node.after.kind {
            ValueKind::Duration(seconds @ 1..=LONGEST) => Some(seconds),
            _ => {
                self.wrong_value("a duration of `1s` to `520w`", node.after, None);
                None
            }
        };
        let unless = node.unless.map(|unless| self.condition_alone(unless).0);
        let end = self.end_of_expiry(span, node.actions);
        let (Some(folder), Some(after), Some((to, anywhere))) = (folder, after, end) else {
            return;
        };
        if to.as_ref() == Some(&folder) {
            self.report(span, ExpireMistake::SameFolder);
            return;
        }
        let line = self.sources.line(span);
        self.program.expiries.push(Expiry {
            span,
            line,
            folder,
            after,
            even_unread,
            even_flagged,
            unless,
            to,
            anywhere,
        });
    }

    /// Where the mail goes, or that it is deleted; and whether that is stated twice.
    fn end_of_expiry(
        &mut self,
        span: Span,
        actions: &[ActionNode],
    ) -> Option<(Option<String>, bool)> {
        let is_delete = |action: &ActionNode| {
            action.name.value == "delete" && action.arguments.is_empty() && action.flags.is_empty()
        };
        match actions {
            [one] if is_delete(one) => Some((None, false)),
            [one, two] if is_delete(one) && is_delete(two) => Some((None, true)),
            [one] if one.name.value == "folder" && one.flags.is_empty() => {
                match one.arguments.as_slice() {
                    [ValueNode { span, kind: ValueKind::Text(name) }] => {
                        self.plain_folder(name, *span).map(|folder| (Some(folder), false))
                    }
                    _ => self.not_an_end(one.span),
                }
            }
            _ => self.not_an_end(actions.first().map_or(span, |action| action.span)),
        }
    }

    fn not_an_end<T>(&mut self, span: Span) -> Option<T> {
        self.report(span, ExpireMistake::End);
        None
    }
}
