//! Whether a program can be evaluated: nothing refers to what is not there,
//! nothing to itself, nothing is nested too deep. Only such a one is laid out;
//! what is kept of it is proven intact before it is used.

use rkyv::vec::ArchivedVec;

use super::check::MAX_CONDITION_DEPTH;
use super::program::{
    ArchivedAction, ArchivedCondition, ArchivedConditionKind, ArchivedField, ArchivedFlags,
    ArchivedStatementKind, ArchivedTemplate, ArchivedTemplatePart, Laid,
};
use crate::classify::CLASSIFIERS;

impl Laid<'_> {
    /// Whether evaluation ends, and finds all that the program refers to.
    /// Bytes that somebody changed can be a program and yet go in circles.
    pub fn is_sound(&self) -> bool {
        self.conditions_are_sound()
            && self.labels_are_sound()
            && self.statements_are_sound()
            && (0..self.expectations()).all(|at| {
                self.expectation(at).is_some_and(|each| {
                    each.actions.iter().all(|action| self.action_is_sound(action))
                })
            })
            && (0..self.patterns()).all(|at| self.pattern(at as u32).is_some())
            && (0..self.lists()).all(|at| self.list(at as u32).is_some())
            && self
                .moves
                .iter()
                .all(|each| each.actions.iter().all(|action| self.action_is_sound(action)))
    }

    fn labels_are_sound(&self) -> bool {
        self.settings.labels.iter().all(|label| {
            let category = label.category.as_ref();
            category.is_none_or(|index| (index.to_native() as usize) < self.categories.len())
        })
    }

    /// Conditions refer backwards only, by way of `define`s and scores too.
    fn conditions_are_sound(&self) -> bool {
        let mut depths: Vec<u32> = Vec::with_capacity(self.conditions());
        for at in 0..self.conditions() {
            match self.condition(at as u32).and_then(|condition| self.depth(condition, &depths)) {
                Some(depth) if depth <= MAX_CONDITION_DEPTH => depths.push(depth),
                _ => return false,
            }
        }
        let known = |index: u32| (index as usize) < depths.len();
        self.defines.iter().all(|define| known(define.condition.to_native()))
            && self
                .scores
                .iter()
                .all(|score| score.entries.iter().all(|entry| known(entry.1.to_native())))
            && self.fields.iter().all(|field| match field {
                ArchivedField::Score(score) => (score.to_native() as usize) < self.scores.len(),
                _ => true,
            })
    }

    /// How deep a condition is nested; none if it refers to what does not
    /// stand before it.
    fn depth(&self, condition: &ArchivedCondition, depths: &[u32]) -> Option<u32> {
        let before = |index: u32| depths.get(index as usize).copied();
        let below = match &condition.kind {
            ArchivedConditionKind::All(of) | ArchivedConditionKind::Any(of) => {
                of.iter().try_fold(0, |most, each| Some(before(each.to_native())?.max(most)))?
            }
            ArchivedConditionKind::Not(of) => before(of.to_native())?,
            ArchivedConditionKind::Define(define) => {
                let define = self.defines.get(define.to_native() as usize)?;
                before(define.condition.to_native())?
            }
            ArchivedConditionKind::Matches { field, patterns } => {
                let there = |pattern: u32| (pattern as usize) < self.patterns();
                patterns.iter().all(|pattern| there(pattern.to_native())).then_some(())?;
                self.field_depth(field.to_native(), &before)?
            }
            ArchivedConditionKind::In { field, list } => {
                ((list.to_native() as usize) < self.lists()).then_some(())?;
                self.field_depth(field.to_native(), &before)?
            }
            ArchivedConditionKind::Duplicate => 0,
            ArchivedConditionKind::Classifier(classifier) => {
                ((classifier.to_native() as usize) < CLASSIFIERS.len()).then_some(0)?
            }
            ArchivedConditionKind::Has(field)
            | ArchivedConditionKind::Text { field, .. }
            | ArchivedConditionKind::Network { field, .. }
            | ArchivedConditionKind::Compare { field, .. }
            | ArchivedConditionKind::Within { field, .. } => {
                self.field_depth(field.to_native(), &before)?
            }
        };
        Some(below + 1)
    }

    fn field_depth(&self, field: u32, before: &impl Fn(u32) -> Option<u32>) -> Option<u32> {
        let ArchivedField::Score(score) = self.fields.get(field as usize)? else { return Some(0) };
        let score = self.scores.get(score.to_native() as usize)?;
        let deepest = |most: u32, index: u32| Some(before(index)?.max(most));
        score.entries.iter().try_fold(0, |most, entry| deepest(most, entry.1.to_native()))
    }

    /// Rules end behind their start and inside of each other.
    fn statements_are_sound(&self) -> bool {
        let mut open: Vec<usize> = vec![self.statements()];
        for at in 0..self.statements() {
            let Some(statement) = self.statement(at) else { return false };
            while open.len() > 1 && open.last().is_some_and(|end| *end <= at) {
                open.pop();
            }
            match &statement.kind {
                ArchivedStatementKind::When { condition, end, .. } => {
                    let end = end.to_native() as usize;
                    let known = condition
                        .as_ref()
                        .is_none_or(|index| (index.to_native() as usize) < self.conditions());
                    if !known || end <= at || open.last().is_none_or(|last| end > *last) {
                        return false;
                    }
                    open.push(end);
                }
                ArchivedStatementKind::Category { category, end } => {
                    let end = end.to_native() as usize;
                    let known = (category.to_native() as usize) < self.categories.len();
                    if !known || end <= at || open.last().is_none_or(|last| end > *last) {
                        return false;
                    }
                    open.push(end);
                }
                ArchivedStatementKind::Act(action) => {
                    if !self.action_is_sound(action) {
                        return false;
                    }
                }
            }
        }
        true
    }

    fn action_is_sound(&self, action: &ArchivedAction) -> bool {
        match action {
            ArchivedAction::Folder(text, flags) | ArchivedAction::Copy(text, flags) => {
                self.template_is_sound(text) && flags_are_sound(flags)
            }
            ArchivedAction::Inbox(flags)
            | ArchivedAction::Mark(flags)
            | ArchivedAction::Unmark(flags) => flags_are_sound(flags),
            ArchivedAction::Discard(why) => {
                why.as_ref().is_none_or(|why| self.template_is_sound(why))
            }
            ArchivedAction::Reject { text, .. }
            | ArchivedAction::Defer { text, .. }
            | ArchivedAction::AddHeader(_, text)
            | ArchivedAction::SetHeader(_, text)
            | ArchivedAction::Log(text) => self.template_is_sound(text),
            ArchivedAction::RemoveHeader(_)
            | ArchivedAction::Stop
            | ArchivedAction::Reply { .. } => true,
            ArchivedAction::Pipe(texts)
            | ArchivedAction::Run(texts)
            | ArchivedAction::Filter(texts)
            | ArchivedAction::Forward { to: texts, .. } => {
                texts.iter().all(|text| self.template_is_sound(text))
            }
            ArchivedAction::EditList { field, list, .. } => {
                (field.to_native() as usize) < self.fields.len()
                    && (list.to_native() as usize) < self.lists()
            }
        }
    }

    fn template_is_sound(&self, template: &ArchivedTemplate) -> bool {
        let parts: &ArchivedVec<ArchivedTemplatePart> = &template.parts;
        parts.iter().all(|part| match part {
            ArchivedTemplatePart::Field(field) => (field.to_native() as usize) < self.fields.len(),
            _ => true,
        })
    }
}

/// Flags become part of a file's name.
fn flags_are_sound(flags: &ArchivedFlags) -> bool {
    let letters = flags.letters.as_str();
    letters.chars().all(|letter| "DFPRST".contains(letter))
        && letters.as_bytes().is_sorted_by(|a, b| a < b)
}
