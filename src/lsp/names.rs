//! The names that rules declare, and where each is used.

use super::rule_files::ParsedFile;
use crate::source::{SourceFile, Span};
use crate::syntax::ast::{
    ActionNode, Body, ConditionNode, ConditionNodeKind, Fields, SpannedText, StatementNode,
    StatementNodeKind, ValueKind, ValueNode,
};

/// What a name is declared as, and so where it can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NameRole {
    /// By `list`, or `set me`: used after `in`.
    List,
    /// By `define`: used as a condition.
    Condition,
    /// By `score` or `let`: used as a field, and in strings.
    Field,
}

/// A place where a name occurs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NamePlace {
    /// The name.
    pub(super) name: String,
    /// What it is used or declared as.
    pub(super) role: NameRole,
    /// Where it is.
    pub(super) span: Span,
    /// The statement that declares it; none where it is only used.
    pub(super) declaration: Option<Span>,
}

/// Every place where a name occurs that the files declare; other names are left out.
pub(super) fn places(files: &[ParsedFile]) -> Vec<NamePlace> {
    let mut all = Vec::new();
    for file in files {
        let mut walk = NameWalk { source: &file.source, found: &mut all, captures: Vec::new() };
        walk.statements(&file.ast.statements);
    }
    let declared: Vec<(String, NameRole)> = all
        .iter()
        .filter(|place| place.declaration.is_some())
        .map(|place| (place.name.clone(), place.role))
        .collect();
    all.retain(|place| {
        declared.iter().any(|(name, role)| *name == place.name && *role == place.role)
    });
    all
}

/// The place that contains a byte of a file.
pub(super) fn at(places: &[NamePlace], file: u32, offset: u32) -> Option<&NamePlace> {
    let holds = |span: Span| span.file == file && (span.start..=span.end).contains(&offset);
    places.iter().find(|place| holds(place.span))
}

struct NameWalk<'a> {
    source: &'a SourceFile,
    found: &'a mut Vec<NamePlace>,
    /// Patterns of the enclosing rules; in strings their groups take precedence over
    /// other names.
    captures: Vec<String>,
}

impl NameWalk<'_> {
    fn declares(&mut self, name: &SpannedText, role: NameRole, statement: Span) {
        let declaration = Some(statement);
        self.found.push(NamePlace { name: name.value.clone(), role, span: name.span, declaration });
    }

    fn uses(&mut self, name: &str, role: NameRole, span: Span) {
        self.found.push(NamePlace { name: name.to_owned(), role, span, declaration: None });
    }

    fn statements(&mut self, statements: &[StatementNode]) {
        for statement in statements {
            self.statement(statement);
        }
    }

    fn statement(&mut self, statement: &StatementNode) {
        match &statement.kind {
            StatementNodeKind::Set { name, .. } if name.value == "me" => {
                self.declares(name, NameRole::List, statement.span);
            }
            StatementNodeKind::List { name, .. } | StatementNodeKind::ListFrom { name, .. } => {
                self.declares(name, NameRole::List, statement.span);
            }
            StatementNodeKind::Define { name, condition } => {
                self.declares(name, NameRole::Condition, statement.span);
                self.condition(condition);
            }
            StatementNodeKind::Score { name, entries } => {
                self.declares(name, NameRole::Field, statement.span);
                entries.iter().for_each(|(_, condition)| self.condition(condition));
            }
            StatementNodeKind::Rule { condition, body, .. } => {
                let outer = self.captures.len();
                condition.iter().for_each(|condition| self.condition(condition));
                match body {
                    Body::Actions(actions) => self.actions(actions),
                    Body::Block(statements) => self.statements(statements),
                }
                self.captures.truncate(outer);
            }
            StatementNodeKind::Expire { unless, actions, .. } => {
                unless.iter().for_each(|condition| self.condition(condition));
                self.actions(actions);
            }
            StatementNodeKind::Actions(actions)
            | StatementNodeKind::Expect { actions, .. }
            | StatementNodeKind::OnMoved { actions, .. } => self.actions(actions),
            StatementNodeKind::Category { statements, .. }
            | StatementNodeKind::Broken { block: statements, .. } => self.statements(statements),
            _ => {}
        }
    }

    fn condition(&mut self, condition: &ConditionNode) {
        match &condition.kind {
            ConditionNodeKind::All(parts) | ConditionNodeKind::Any(parts) => {
                parts.iter().for_each(|part| self.condition(part));
            }
            ConditionNodeKind::Not(inner) => self.condition(inner),
            ConditionNodeKind::Name(name) => {
                self.uses(&name.value, NameRole::Condition, name.span);
            }
            ConditionNodeKind::Duplicate { of, .. } => {
                of.iter().for_each(|text| self.inserts(text.span));
            }
            ConditionNodeKind::FolderExists(name) => self.inserts(name.span),
            ConditionNodeKind::Has(fields) => self.fields(fields),
            ConditionNodeKind::Test { fields, value, .. } => {
                self.fields(fields);
                match &value.kind {
                    ValueKind::Name(name) => self.uses(name, NameRole::List, value.span),
                    ValueKind::Pattern { source, .. } => self.captures.push(source.clone()),
                    _ => {}
                }
            }
        }
    }

    fn fields(&mut self, fields: &Fields) {
        for field in fields.all() {
            self.uses(&field.name.value, NameRole::Field, field.name.span);
        }
    }

    fn actions(&mut self, actions: &[ActionNode]) {
        for action in actions {
            let named = |argument: Option<&ValueNode>| match argument.map(|it| (&it.kind, it.span))
            {
                Some((ValueKind::Name(name), span)) => {
                    Some(SpannedText { value: name.clone(), span })
                }
                _ => None,
            };
            match action.name.value.as_str() {
                "let" => {
                    if let Some(name) = named(action.arguments.first()) {
                        self.declares(&name, NameRole::Field, action.span);
                    }
                }
                "add" | "remove" => {
                    if let Some(name) = named(action.arguments.last()) {
                        self.uses(&name.value, NameRole::List, name.span);
                    }
                }
                _ => {}
            }
            let named_arguments = action.named_arguments.iter().flat_map(|all| &all.all);
            let values = named_arguments.map(|(_, value)| value);
            for value in action.arguments.iter().chain(&action.flags).chain(values) {
                if matches!(value.kind, ValueKind::Text(_)) {
                    self.inserts(value.span);
                }
            }
        }
    }

    /// Names in braces in a string.
    fn inserts(&mut self, span: Span) {
        let text = self.source.text.get(span.start as usize..span.end as usize).unwrap_or_default();
        let mut at = 0;
        while let Some(brace) = text[at..].find('{') {
            let start = at + brace + 1;
            if text[start..].starts_with('{') {
                at = start + 1;
                continue;
            }
            let length = text[start..].find(['}', ':', '{', '"']).unwrap_or(text.len() - start);
            let name = &text[start..start + length];
            at = start + length;
            let group = format!("<{name}>");
            if !name.is_empty() && !self.captures.iter().any(|pattern| pattern.contains(&group)) {
                let start = span.start + start as u32;
                let span = Span { file: span.file, start, end: start + length as u32 };
                self.uses(name, NameRole::Field, span);
            }
        }
    }
}
