//! Whether a program can be evaluated: nothing refers to something that does not
//! exist, nothing to itself, nothing is nested too deep. `check` creates no other
//! programs and cached ones are verified, but evaluation limits its steps all the
//! same.

use super::actions::{Action, Extent};
use super::check::MAX_CONDITION_DEPTH;
use super::program::{Condition, ConditionKind, Field, Program, StatementKind};
use super::template::{Insert, Template, TemplatePart};
use crate::classify::CLASSIFIERS;

impl Program {
    /// Whether evaluation ends, and finds everything that the program refers to.
    /// Modified bytes can still be a program and yet loop.
    pub fn is_sound(&self) -> bool {
        self.conditions_are_sound()
            && self.labels_are_sound()
            && self.statements_are_sound()
            && self.expectations.iter().all(|expectation| {
                expectation.actions.iter().all(|action| self.action_is_sound(action))
            })
            && self
                .moves
                .iter()
                .all(|on_moved| on_moved.actions.iter().all(|action| self.action_is_sound(action)))
    }

    fn labels_are_sound(&self) -> bool {
        self.settings.labels.iter().all(|label| {
            let category = label.category.as_ref();
            category.is_none_or(|index| (*index as usize) < self.categories.len())
        })
    }

    /// Conditions refer only backwards, also through `define`s and scores.
    fn conditions_are_sound(&self) -> bool {
        let mut depths: Vec<u32> = Vec::with_capacity(self.conditions.len());
        for at in 0..self.conditions.len() {
            match self.conditions.get(at).and_then(|condition| self.depth(condition, &depths)) {
                Some(depth) if depth <= MAX_CONDITION_DEPTH => depths.push(depth),
                _ => return false,
            }
        }
        let known = |index: u32| (index as usize) < depths.len();
        self.defines.iter().all(|define| known(define.condition))
            && self.scores.iter().all(|score| score.entries.iter().all(|entry| known(entry.1)))
            && self.fields.iter().all(|field| match field {
                Field::Score(score) => (*score as usize) < self.scores.len(),
                Field::Let(value) => (*value as usize) < self.values.len(),
                _ => true,
            })
    }

    /// How deep a condition is nested; `None` if it refers to something that does
    /// not come before it.
    fn depth(&self, condition: &Condition, depths: &[u32]) -> Option<u32> {
        let before = |index: u32| depths.get(index as usize).copied();
        let below = match &condition.kind {
            ConditionKind::All(of) | ConditionKind::Any(of) => {
                of.iter().try_fold(0, |most, on_moved| Some(before(*on_moved)?.max(most)))?
            }
            ConditionKind::Not(of) => before(*of)?,
            ConditionKind::Define(define) => {
                let define = self.defines.get(*define as usize)?;
                before(define.condition)?
            }
            ConditionKind::Matches { field, patterns } => {
                let there = |pattern: u32| (pattern as usize) < self.patterns.len();
                patterns.iter().all(|pattern| there(*pattern)).then_some(())?;
                self.field_depth(*field, &before)?
            }
            ConditionKind::In { field, list } => {
                ((*list as usize) < self.lists.len()).then_some(())?;
                self.field_depth(*field, &before)?
            }
            ConditionKind::Duplicate { of, .. } => {
                let sound = of.as_ref().is_none_or(|of| self.template_is_sound(&of.template));
                sound.then_some(0)?
            }
            ConditionKind::FolderExists(name) => {
                name.as_ref().is_none_or(|name| self.template_is_sound(name)).then_some(0)?
            }
            ConditionKind::Classifier(classifier) => {
                ((*classifier as usize) < CLASSIFIERS.len()).then_some(0)?
            }
            ConditionKind::Has(field)
            | ConditionKind::Text { field, .. }
            | ConditionKind::Network { field, .. }
            | ConditionKind::Compare { field, .. }
            | ConditionKind::Within { field, .. } => self.field_depth(*field, &before)?,
        };
        Some(below + 1)
    }

    fn field_depth(&self, field: u32, before: &impl Fn(u32) -> Option<u32>) -> Option<u32> {
        let Field::Score(score) = self.fields.get(field as usize)? else { return Some(0) };
        let score = self.scores.get(*score as usize)?;
        let deepest = |most: u32, index: u32| Some(before(index)?.max(most));
        score.entries.iter().try_fold(0, |most, entry| deepest(most, entry.1))
    }

    /// Rules end after their start and within one another.
    fn statements_are_sound(&self) -> bool {
        let mut open: Vec<usize> = vec![self.statements.len()];
        for at in 0..self.statements.len() {
            let Some(statement) = self.statements.get(at) else { return false };
            while open.last().is_some_and(|end| *end <= at) {
                open.pop();
            }
            let (end, is_known) = match &statement.kind {
                StatementKind::When { condition, end, .. } => {
                    (*end, condition.is_none_or(|index| (index as usize) < self.conditions.len()))
                }
                StatementKind::Category { category, end } => {
                    (*end, (*category as usize) < self.categories.len())
                }
                StatementKind::Script { end } => (*end, true),
                StatementKind::Leave => continue,
                StatementKind::Act(action) if self.action_is_sound(action) => continue,
                StatementKind::Act(_) => return false,
            };
            let end = end as usize;
            if !is_known || end <= at || open.last().is_none_or(|last| end > *last) {
                return false;
            }
            open.push(end);
        }
        true
    }

    fn action_is_sound(&self, action: &Action) -> bool {
        let flags_are_sound = action.flags().is_none_or(|flags| {
            flags.known.is_sound() && flags.inserted.iter().all(|text| self.template_is_sound(text))
        });
        flags_are_sound
            && action.templates().into_iter().all(|text| self.template_is_sound(text))
            && action.finds_all(&Extent {
                fields: self.fields.len(),
                lists: self.lists.len(),
                values: self.values.len(),
            })
    }

    fn template_is_sound(&self, template: &Template) -> bool {
        let parts: &Vec<TemplatePart> = &template.parts;
        parts.iter().all(|part| match part {
            TemplatePart::Insert(Insert::Field(field), _) => (*field as usize) < self.fields.len(),
            _ => true,
        })
    }
}
