//! What actions use to plan while a run is at one of them.

use super::Evaluator;
use crate::flags::{Flags, to_keyword};
use crate::plan::{DeliveryWord, Folder, RuleRef, StepKind};
use crate::rules::actions::{Planner, ReplyAction};
use crate::rules::template::{FlagsTemplate, Template};

/// A run that has reached an action.
pub(super) struct ActionPlanner<'e, 'a> {
    pub(super) evaluator: &'e mut Evaluator<'a>,
    /// The rule that contains the action.
    pub(super) rule: RuleRef,
}

impl Planner for ActionPlanner<'_, '_> {
    fn line(&self, template: &Template) -> String {
        self.evaluator.line(template)
    }

    fn folder(&self, template: Option<&Template>) -> Result<Folder, String> {
        let inbox = || Ok(Folder::default());
        template.map_or_else(inbox, |template| self.evaluator.conditions.folder(template))
    }

    fn flags(&self, flags: &FlagsTemplate) -> Flags {
        let inserted = flags.inserted.iter().filter_map(|text| to_keyword(&self.line(text)));
        flags.known.and(&Flags { letters: String::new(), keywords: inserted.collect() })
    }

    fn argv(&self, words: &[Template]) -> Vec<String> {
        self.evaluator.argv(words, &self.rule)
    }

    fn no_refusal(&self) -> Option<String> {
        self.evaluator.conditions.no_refusal()
    }

    fn marks(&self) -> &Flags {
        &self.evaluator.conditions.state.flags
    }

    fn set_marks(&mut self, flags: Flags) {
        self.evaluator.conditions.change(|state| state.flags = flags);
    }

    fn keep(&mut self, value: u32, text: String) {
        self.evaluator.conditions.change(|state| state.keep(value, text));
    }

    fn filed(&self) -> Vec<&Folder> {
        self.evaluator.progress.plan.filed().collect()
    }

    /// Outside of scripts, `fileinto` into a folder counts once, with the flags
    /// of the first; a copy is always one more delivery. In a script a second
    /// delivery is dropped even for a copy, and the last flags count (RFC 5232
    /// §5).
    fn deliver_again(&mut self, as_: DeliveryWord, folder: &Folder, flags: &Flags) -> bool {
        if self.evaluator.conditions.state.script.is_none() {
            return as_ != DeliveryWord::Copy && self.filed().contains(&folder);
        }
        let steps = self.evaluator.progress.plan.since_filter();
        let known = steps.iter_mut().rev().find_map(|step| match &mut step.kind {
            StepKind::Deliver { as_, folder: known, flags } if known == folder => {
                Some((as_, flags))
            }
            _ => None,
        });
        let Some((known, known_flags)) = known else { return false };
        known_flags.clone_from(flags);
        if as_ != DeliveryWord::Copy {
            *known = as_;
        }
        true
    }

    fn push(&mut self, mut step: StepKind) {
        if let StepKind::Pipe { argv } | StepKind::Run { argv } = &mut step
            && let Err(why) = self.evaluator.allow(argv)
        {
            let is_pipe = matches!(step, StepKind::Pipe { .. });
            let action = if is_pipe { "pipe" } else { "run" };
            self.evaluator.push(StepKind::Skipped { action, why }, self.rule.clone());
            if is_pipe {
                self.evaluator.inbox(Some(self.rule.clone()), Flags::default());
            }
            return;
        }
        if matches!(step, StepKind::Discard { .. }) && self.evaluator.is_kept_nowhere() {
            let why = "the copy that was to be forwarded is not".to_owned();
            let skipped = StepKind::Skipped { action: "discard", why };
            self.evaluator.push(skipped, self.rule.clone());
            self.evaluator.inbox(Some(self.rule.clone()), Flags::default());
            return;
        }
        self.evaluator.push(step, self.rule.clone());
    }

    fn forward(&mut self, copy: bool, to: &[Template]) {
        self.evaluator.forward(copy, to, self.rule.clone());
    }

    fn reply(&mut self, reply: &ReplyAction) {
        self.evaluator.reply(reply, self.rule.clone());
    }

    fn edit_list(&mut self, add: bool, field: u32, list: u32) {
        self.evaluator.edit_list(add, field, list, self.rule.clone());
    }
}
