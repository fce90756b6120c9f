//! The parts of a statement, and which of them each kind of statement has.

use crate::source::Spanned;
use crate::syntax::ast::{
    ActionNode, Body, Choice, ConditionNode, ListSource, MoveEnd, ScriptOption, SpannedText,
    StatementNodeKind, ValueKind, ValueNode,
};
use crate::syntax::grammar::Rule;

/// What a statement consists of; each kind of statement has some of these.
#[derive(Default)]
pub(super) struct StatementParts {
    /// The name, the folder or the file after the statement's word.
    pub(super) word: Option<SpannedText>,
    pub(super) value: Option<ValueNode>,
    pub(super) condition: Option<ConditionNode>,
    pub(super) actions: Vec<ActionNode>,
    pub(super) label: Option<SpannedText>,
    pub(super) choices: Vec<Choice>,
    pub(super) label_kind: Option<SpannedText>,
    pub(super) source: Option<ListSource>,
    pub(super) even: Vec<SpannedText>,
    pub(super) ends: Vec<MoveEnd>,
    pub(super) is_sieve: bool,
    pub(super) options: Vec<ScriptOption>,
}

impl StatementParts {
    /// The statement; `None` if a part is missing that the grammar requires.
    pub(super) fn into_kind(self, rule: Rule) -> Option<StatementNodeKind> {
        let StatementParts { condition, actions, label, choices, even, ends, options, .. } = self;
        Some(match rule {
            Rule::set => StatementNodeKind::Set { name: self.word?, value: self.value? },
            Rule::list => match (self.source, self.value?) {
                (Some(source), ValueNode { span, kind: ValueKind::Text(value) }) => {
                    let place = Spanned { value, span };
                    StatementNodeKind::ListFrom { name: self.word?, source, place }
                }
                (_, value) => StatementNodeKind::List { name: self.word?, value },
            },
            Rule::expire => StatementNodeKind::Expire {
                folder: self.word?,
                after: self.value?,
                even,
                unless: condition,
                actions,
            },
            Rule::on_move => StatementNodeKind::OnMoved { ends, actions },
            Rule::define => StatementNodeKind::Define { name: self.word?, condition: condition? },
            Rule::include if self.is_sieve => {
                StatementNodeKind::IncludeSieve { file: self.word?, options }
            }
            Rule::include => StatementNodeKind::Include { file: self.word? },
            Rule::isp_filter => StatementNodeKind::IspFilter { choices },
            Rule::isp_label => {
                StatementNodeKind::IspLabel { kind: self.label_kind?, text: self.word? }
            }
            Rule::expect => StatementNodeKind::Expect { message: self.word?, actions },
            Rule::filter_rule => {
                StatementNodeKind::Rule { label, condition, body: Body::Actions(actions) }
            }
            _ => return None,
        })
    }
}
