//! Statements: groups are flattened, and unreachable statements are found.

use std::collections::HashMap;

use super::cover::CoveredMail;
use super::expire::ExpiryNode;
use super::{Checker, MAX_GROUP_DEPTH, NameKind};
use crate::classify;
use crate::rules::actions::Action;
use crate::rules::field;
use crate::rules::mistake::{LogicMistake, NameMistake, RuleErrorKind, UnreachableReason};
use crate::rules::program::{self, Define, Expectation, Score};
use crate::source::{Span, Spanned};
use crate::syntax::ast::{
    ActionNode, Body, ConditionNode, SpannedText, StatementNode, StatementNodeKind,
};

/// The current place in the flow through the rules.
pub(super) struct RuleFlow {
    /// The enclosing blocks, from the file itself inwards.
    blocks: Vec<RuleBlock>,
    /// What the enclosing rules capture.
    pub(super) scopes: Vec<Scope>,
    /// Inside unreachable statements, nothing more is reported as unreachable.
    pub(super) dead: bool,
}

impl Default for RuleFlow {
    fn default() -> RuleFlow {
        RuleFlow { blocks: vec![RuleBlock::default()], scopes: Vec::new(), dead: false }
    }
}

impl RuleFlow {
    /// Whether a rule or an action came before, or a group encloses this place.
    pub(super) fn has_rules(&self) -> bool {
        self.blocks.len() > 1 || self.blocks.iter().any(|block| block.has_started)
    }

    /// Whether a group encloses this place.
    pub(super) fn in_group(&self) -> bool {
        self.in_group_but_for(false)
    }

    /// Whether a group encloses this place; if `category`, the innermost category does
    /// not count as one.
    pub(super) fn in_group_but_for(&self, category: bool) -> bool {
        self.blocks.len() > 1 + usize::from(category)
    }
}

/// One block, and which of its statements stopped rule processing so far.
#[derive(Default)]
struct RuleBlock {
    has_started: bool,
    /// The statement that ends it for every message.
    end: Option<Span>,
    /// Whether what follows `end` was reported as unreachable.
    is_reported: bool,
    /// The conditions on which it ends, each with its rule.
    conditions: HashMap<u32, Span>,
    /// The tests on which it ends.
    covered: CoveredMail,
}

/// What one rule's patterns capture.
#[derive(Default)]
pub(super) struct Scope {
    pub(super) groups: u32,
    pub(super) names: Vec<String>,
    /// Whether the rule's condition could not be read, so that it may capture anything.
    pub(super) anything: bool,
}

impl Checker<'_, '_> {
    pub(super) fn walk(&mut self, statements: &[StatementNode]) {
        for statement in statements {
            self.statement(statement);
        }
    }

    fn statement(&mut self, statement: &StatementNode) {
        match &statement.kind {
            StatementNodeKind::Set { name, value } => self.set(statement.span, name, value),
            StatementNodeKind::List { name, value } => self.list(name, value),
            StatementNodeKind::ListFrom { name, source, place } => {
                self.list_from(name, *source, place);
            }
            StatementNodeKind::Expire { folder, after, even, unless, actions } => {
                let has = |word| even.iter().any(|given| given.value == word);
                let expiry = ExpiryNode { folder, after, unless: unless.as_ref(), actions };
                self.expire(statement.span, &expiry, has("unread"), has("flagged"));
            }
            StatementNodeKind::OnMoved { ends, actions } => {
                self.on_moved(statement.span, ends, actions);
            }
            StatementNodeKind::Define { name, condition } => self.define(name, condition),
            StatementNodeKind::Score { name, entries } => self.score(name, entries),
            StatementNodeKind::Include { file } => self.include(file),
            StatementNodeKind::IncludeSieve { file, options } => {
                self.include_sieve(statement.span, file, options);
            }
            StatementNodeKind::Rule { label, condition, body } => {
                self.rule(statement.span, label.as_ref(), condition.as_ref(), body);
            }
            StatementNodeKind::Actions(actions) => {
                self.in_category("action", statement.span);
                let before = self.reach("action", statement.span, None);
                self.actions(actions);
                self.statements.dead = before;
            }
            StatementNodeKind::Expect { message, actions } => {
                self.expect(statement.span, message, actions);
            }
            StatementNodeKind::IspFilter { choices } => self.isp_filter(statement.span, choices),
            StatementNodeKind::IspLabel { kind, text } => {
                self.isp_label(statement.span, kind, text)
            }
            StatementNodeKind::Category { name, mandatory, statements } => {
                if *mandatory || !self.put_off(statement) {
                    self.category(statement.span, name, *mandatory, statements);
                }
            }
            StatementNodeKind::Broken { declares, block } => {
                if let Some(name) = declares {
                    self.declare(name, NameKind::Broken);
                }
                if !block.is_empty() {
                    self.block_of_broken(block);
                }
            }
        }
    }

    fn expect(&mut self, span: Span, message: &SpannedText, actions: &[ActionNode]) {
        if self.statements.in_group() {
            self.report(span, RuleErrorKind::ExpectInGroup);
        }
        let actions = actions.iter().filter_map(|action| self.action(action)).collect();
        let message = message.value.clone();
        self.program.expectations.push(Expectation { span, message, actions });
    }

    /// The block of a statement whose head could not be read.
    fn block_of_broken(&mut self, block: &[StatementNode]) {
        self.statements.scopes.push(Scope { anything: true, ..Scope::default() });
        let category = self.category;
        if self.site {
            // The statement may have been a category.
            self.category.get_or_insert(0);
        }
        self.block(block);
        self.category = category;
        self.statements.scopes.pop();
    }

    /// Declares a name, unless it is already declared.
    pub(super) fn declare(&mut self, name: &SpannedText, declared: NameKind) {
        let declared_before = match self.names.get(&name.value) {
            Some((NameKind::Broken, _)) => None,
            Some((other, at)) => Some((other.name(), Some(*at))),
            None if field::is_own(&name.value) => Some(("field", None)),
            None if name.value == super::DUPLICATE => Some(("classifier", None)),
            None => classify::named(&name.value).map(|_| ("classifier", None)),
        };
        if let Some((by, at)) = declared_before {
            if declared != NameKind::Broken {
                self.report(name.span, NameMistake::Taken { name: name.value.clone(), by, at });
            }
            return;
        }
        self.names.insert(name.value.clone(), (declared, name.span));
    }

    fn define(&mut self, name: &SpannedText, condition: &ConditionNode) {
        self.conditions.declaring = Some(name.value.clone());
        let (condition, _) = self.condition_alone(condition);
        self.conditions.declaring = None;
        let index = self.program.defines.len() as u32;
        self.program.defines.push(Define { name: name.value.clone(), condition });
        self.declare(name, NameKind::Define(index));
    }

    fn score(&mut self, name: &SpannedText, entries: &[(Spanned<f64>, ConditionNode)]) {
        self.conditions.declaring = Some(name.value.clone());
        let entries = entries
            .iter()
            .map(|(weight, condition)| (weight.value, self.condition_alone(condition).0))
            .collect();
        self.conditions.declaring = None;
        let index = self.program.scores.len() as u32;
        self.program.scores.push(Score { name: name.value.clone(), entries });
        self.declare(name, NameKind::Score(index));
    }

    fn rule(
        &mut self,
        span: Span,
        label: Option<&SpannedText>,
        condition: Option<&ConditionNode>,
        body: &Body,
    ) {
        let (index, scope) = match condition {
            Some(condition) => {
                let (index, scope) = self.condition_alone(condition);
                (Some(index), scope)
            }
            None => (None, Scope::default()),
        };
        let what = if index.is_some() { "rule" } else { "`otherwise`" };
        let head = match body {
            Body::Actions(_) => span,
            Body::Block(_) => self.head(span, label, condition),
        };
        self.in_category("rule", head);
        let before = self.reach(what, head, index);
        let at = self.program.statements.len();
        let when = program::StatementKind::When {
            condition: index,
            end: 0,
            label: label.map(|label| label.value.clone()),
        };
        self.push(head, when);
        self.statements.scopes.push(scope);
        let ends = match body {
            Body::Actions(actions) => self.actions_of_rule(actions),
            Body::Block(statements) => self.block(statements),
        };
        self.statements.scopes.pop();
        self.end_group(at);
        self.statements.dead = before;
        if ends {
            self.ends_after(head, index);
        }
    }

    /// Records that a rule stops rule processing; without a condition, always.
    fn ends_after(&mut self, rule: Span, condition: Option<u32>) {
        let Some(block) = self.statements.blocks.last_mut() else { return };
        let Some(condition) = condition else {
            block.end = block.end.or(Some(rule));
            return;
        };
        block.conditions.entry(self.conditions.class(condition)).or_insert(rule);
        let mut covered = std::mem::take(&mut block.covered);
        self.cover(condition, rule, &mut covered);
        if let Some(block) = self.statements.blocks.last_mut() {
            block.covered = covered;
        }
    }

    /// A rule without its block.
    pub(super) fn head(
        &self,
        span: Span,
        label: Option<&SpannedText>,
        condition: Option<&ConditionNode>,
    ) -> Span {
        let start = condition.map(|it| it.span.end).or(label.map(|it| it.span.end));
        let start = start.unwrap_or(span.start);
        let rest = self.sources.text(Span { start, ..span });
        let length = rest.find('{').unwrap_or(rest.len());
        let head = rest.get(..length).unwrap_or_default().trim_end();
        Span { end: start.saturating_add(head.len() as u32), ..span }
    }

    /// Statements in braces; returns whether they always end the run.
    pub(super) fn block(&mut self, statements: &[StatementNode]) -> bool {
        if self.statements.blocks.len() > MAX_GROUP_DEPTH {
            if let Some(first) = statements.first() {
                self.report(first.span, RuleErrorKind::TooDeep);
            }
            return false;
        }
        self.statements.blocks.push(RuleBlock::default());
        self.walk(statements);
        let block = self.statements.blocks.pop();
        block.is_some_and(|block| block.end.is_some())
    }

    /// Statements in braces that are always reached: if they stop rule
    /// processing, they also do so for what follows.
    pub(super) fn block_for_all(&mut self, head: Span, statements: &[StatementNode]) {
        self.statements.blocks.push(RuleBlock::default());
        self.walk(statements);
        let inner = self.statements.blocks.pop().unwrap_or_default();
        if let Some(block) = self.statements.blocks.last_mut() {
            block.end = block.end.or(inner.end.map(|_| head));
            for (class, span) in inner.conditions {
                block.conditions.entry(class).or_insert(span);
            }
            block.covered.extend(inner.covered);
        }
    }

    /// The actions after an arrow; returns whether they end the run.
    fn actions_of_rule(&mut self, actions: &[ActionNode]) -> bool {
        self.statements.blocks.push(RuleBlock::default());
        self.actions(actions);
        let block = self.statements.blocks.pop();
        block.is_some_and(|block| block.end.is_some())
    }

    /// Actions separated by commas, in the innermost block.
    fn actions(&mut self, actions: &[ActionNode]) {
        for (number, action) in actions.iter().enumerate() {
            let was_dead = self.statements.dead;
            if number > 0 {
                self.reach("action", action.span, None);
            }
            if let Some(checked) = self.action(action) {
                if checked.ends()
                    && let Some(block) = self.statements.blocks.last_mut()
                {
                    block.end = block.end.or(Some(action.span));
                }
                if checked.changes_tests() {
                    for block in &mut self.statements.blocks {
                        block.conditions.clear();
                        block.covered.clear();
                    }
                }
                let stops = matches!(&checked, Action::InboxAction(inbox) if inbox.unless_filed);
                let kind = match self.in_script && stops {
                    // The end of a script is not the end of the rules.
                    true => program::StatementKind::Leave,
                    false => program::StatementKind::Act(checked),
                };
                self.push(action.span, kind);
            }
            self.statements.dead = was_dead;
        }
    }

    /// Ends the rule, category or script that the statement at `at` begins: the next
    /// statement is the first one after it.
    pub(super) fn end_group(&mut self, at: usize) {
        use program::StatementKind::{Category, Script, When};
        let following = self.program.statements.len() as u32;
        let kind = self.program.statements.get_mut(at).map(|statement| &mut statement.kind);
        if let Some(When { end, .. } | Category { end, .. } | Script { end }) = kind {
            *end = following;
        }
    }

    pub(super) fn push(&mut self, span: Span, kind: program::StatementKind) {
        let line = self.sources.line(span);
        self.program.statements.push(program::Statement { span, line, kind });
    }

    pub(super) fn begin(&mut self) {
        if let Some(block) = self.statements.blocks.last_mut() {
            block.has_started = true;
        }
    }

    /// Reports this place if it is unreachable. Returns whether its surroundings
    /// were unreachable; the caller restores that afterwards.
    pub(super) fn reach(&mut self, what: &'static str, span: Span, condition: Option<u32>) -> bool {
        self.begin();
        let class = condition.map(|condition| self.conditions.class(condition));
        let blocks = self.statements.blocks.iter();
        let covering = condition.and_then(|condition| {
            blocks.rev().find_map(|block| self.covering_rule(condition, &block.covered))
        });
        let flow = &mut self.statements;
        let same = flow.blocks.iter().find_map(|block| block.conditions.get(&class?).copied());
        let mut is_reported = flow.dead;
        let found = match flow.blocks.last_mut() {
            Some(RuleBlock { end: Some(at), is_reported: before, .. }) => {
                is_reported |= std::mem::replace(before, true);
                Some((UnreachableReason::Always, *at))
            }
            _ => same
                .map(|at| (UnreachableReason::SameCondition, at))
                .or(covering.map(|at| (UnreachableReason::WiderCondition, at))),
        };
        let before = flow.dead;
        flow.dead |= found.is_some();
        if let Some((why, at)) = found.filter(|_| !is_reported) {
            self.report(span, LogicMistake::Unreachable { what, why, at });
        }
        before
    }
}
