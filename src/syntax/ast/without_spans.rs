//! Rules without any places, to compare files that differ only in layout.

use super::*;

impl Ast {
    /// The same rules without any places: equal for two files that have the same
    /// content and differ only in layout.
    pub fn without_spans(mut self) -> Ast {
        self.statements.iter_mut().for_each(StatementNode::forget);
        for comment in &mut self.comments {
            comment.span = Span::default();
            comment.text.truncate(comment.text.trim_end().len());
        }
        self
    }
}

impl StatementNode {
    fn forget(&mut self) {
        self.span = Span::default();
        match &mut self.kind {
            StatementNodeKind::Set { name, value } | StatementNodeKind::List { name, value } => {
                name.span = Span::default();
                value.forget();
            }
            StatementNodeKind::ListFrom { name, place, .. } => {
                name.span = Span::default();
                place.span = Span::default();
            }
            StatementNodeKind::Expire { folder, after, even, unless, actions } => {
                folder.span = Span::default();
                after.forget();
                even.iter_mut().for_each(|word| word.span = Span::default());
                unless.iter_mut().for_each(ConditionNode::forget);
                actions.iter_mut().for_each(ActionNode::forget);
            }
            StatementNodeKind::OnMoved { ends, actions } => {
                for end in ends {
                    end.direction.span = Span::default();
                    end.folder.span = Span::default();
                }
                actions.iter_mut().for_each(ActionNode::forget);
            }
            StatementNodeKind::Define { name, condition } => {
                name.span = Span::default();
                condition.forget();
            }
            StatementNodeKind::Score { name, entries } => {
                name.span = Span::default();
                for (weight, condition) in entries {
                    weight.span = Span::default();
                    condition.forget();
                }
            }
            StatementNodeKind::Include { file } => file.span = Span::default(),
            StatementNodeKind::IncludeSieve { file, options } => {
                file.span = Span::default();
                for option in options {
                    option.name.span = Span::default();
                    option.value.span = Span::default();
                }
            }
            StatementNodeKind::Rule { label, condition, body } => {
                label.iter_mut().for_each(|label| label.span = Span::default());
                condition.iter_mut().for_each(ConditionNode::forget);
                match body {
                    Body::Actions(actions) => actions.iter_mut().for_each(ActionNode::forget),
                    Body::Block(statements) => {
                        statements.iter_mut().for_each(StatementNode::forget)
                    }
                }
            }
            StatementNodeKind::Actions(actions) => actions.iter_mut().for_each(ActionNode::forget),
            StatementNodeKind::Expect { message, actions } => {
                message.span = Span::default();
                actions.iter_mut().for_each(ActionNode::forget);
            }
            StatementNodeKind::IspFilter { choices } => {
                for choice in choices {
                    choice.category.iter_mut().for_each(|name| name.span = Span::default());
                    choice.on.span = Span::default();
                }
            }
            StatementNodeKind::IspLabel { kind, text } => {
                kind.span = Span::default();
                text.span = Span::default();
            }
            StatementNodeKind::Category { name, statements, .. } => {
                name.span = Span::default();
                statements.iter_mut().for_each(StatementNode::forget);
            }
            StatementNodeKind::Broken { declares, block } => {
                declares.iter_mut().for_each(|name| name.span = Span::default());
                block.iter_mut().for_each(StatementNode::forget);
            }
        }
    }
}

impl ActionNode {
    fn forget(&mut self) {
        self.span = Span::default();
        self.name.span = Span::default();
        self.arguments.iter_mut().chain(&mut self.flags).for_each(ValueNode::forget);
        if let Some(named_arguments) = &mut self.named_arguments {
            named_arguments.span = Span::default();
            for (name, value) in &mut named_arguments.all {
                name.span = Span::default();
                value.forget();
            }
        }
    }
}

impl ConditionNode {
    fn forget(&mut self) {
        self.span = Span::default();
        match &mut self.kind {
            ConditionNodeKind::All(parts) | ConditionNodeKind::Any(parts) => {
                parts.iter_mut().for_each(ConditionNode::forget);
            }
            ConditionNodeKind::Not(inner) => inner.forget(),
            ConditionNodeKind::Name(text) | ConditionNodeKind::FolderExists(text) => {
                text.span = Span::default();
            }
            ConditionNodeKind::Duplicate { of, within, first } => {
                *first = first.map(|_| Span::default());
                of.iter_mut().for_each(|of| of.span = Span::default());
                within.iter_mut().for_each(ValueNode::forget);
            }
            ConditionNodeKind::Has(fields) => fields.forget(),
            ConditionNodeKind::Test { fields, operator, value } => {
                fields.forget();
                operator.span = Span::default();
                value.forget();
            }
        }
    }
}

impl Fields {
    fn forget(&mut self) {
        match self {
            Fields::One(field) => field.forget(),
            Fields::Set { span, of } => {
                *span = Span::default();
                of.iter_mut().for_each(FieldNode::forget);
            }
        }
    }
}

impl FieldNode {
    fn forget(&mut self) {
        self.span = Span::default();
        self.name.span = Span::default();
        for word in self.argument.iter_mut().chain(&mut self.part) {
            word.span = Span::default();
        }
    }
}

impl ValueNode {
    fn forget(&mut self) {
        self.span = Span::default();
        match &mut self.kind {
            ValueKind::Set(elements) => elements.iter_mut().for_each(ValueNode::forget),
            ValueKind::Range(from, to) => {
                from.forget();
                to.forget();
            }
            _ => {}
        }
    }
}
