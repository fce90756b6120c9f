//! One run on a message: through the site's rules, then the user's, with the
//! programs of `filter` in between.

use super::condition::Conditions;
use super::context::Context;
use super::mail_context::MailContext;
use super::run_state::FilterEnd;
use super::site::SITE_HEADER;
use super::{Detail, Evaluation, Evaluator, FilterCall, Progress};
use crate::message::unmark::Marks;
use crate::message::{HeaderEdit, Message};
use crate::plan::{Step, StepKind};
use crate::rules::compiled::CompiledProgram;
use crate::rules::rule_set::RuleSet;
use crate::world::World;

/// Runs the programs of `filter`.
pub trait FilterRunner {
    /// Runs a program on a message to which these edits are applied first: the
    /// program sees them, and its output contains them.
    fn filter(&mut self, argv: &[String], message: &Message, edits: &[HeaderEdit])
    -> FilterOutcome;
}

/// The result of a `filter`.
pub enum FilterOutcome {
    /// The run continues with the message that the program returned.
    Replaced(Box<Message>),
    /// The run continues with the same message: the program failed.
    Failed,
    /// The run continues with the same message: the program could not be run at the
    /// moment, for this reason. If rules ask whether it failed, there is no answer.
    Unavailable(String),
    /// The run continues with the same message: nothing was tried.
    NotRun,
}

/// For runs that must not change anything: no program is run, and the trace says so.
pub struct NoFilters;

impl FilterRunner for NoFilters {
    fn filter(&mut self, _: &[String], _: &Message, _: &[HeaderEdit]) -> FilterOutcome {
        FilterOutcome::NotRun
    }
}

/// The result of a run.
pub struct Run {
    /// The message without the marks of disabled filters, as the user's rules see
    /// it and as it is delivered.
    pub message: Message,
    /// The message that each filter returned.
    pub filtered: Vec<Message>,
    /// What is to be done, and why.
    pub evaluation: Evaluation,
    /// The user's rules and the rules that were to replace them are both damaged:
    /// nothing in this run can be believed.
    pub damaged: bool,
}

impl Run {
    /// The message, and the messages that the filters returned.
    pub fn messages(&self) -> Vec<&Message> {
        std::iter::once(&self.message).chain(&self.filtered).collect()
    }
}

/// Runs all rules over a message, the site's first.
pub fn run(
    rules: &RuleSet,
    message: Message,
    world: &World,
    detail: Detail,
    filters: &mut dyn FilterRunner,
) -> Run {
    let mut run = MessageRun { rules, message, filtered: Vec::new(), world, detail, filters };
    let mut progress = Progress::default();
    if let Some(site) = &rules.site
        && (detail == Detail::Trace || rules.has_site_in_force())
    {
        run.run_program(site, Some(rules), &mut progress);
    }
    run = run.unmark(&mut progress);
    if progress.ended {
        return run.end(progress, false);
    }
    (progress.at, progress.category) = (0, None);
    progress.state.open.clear();
    progress.state.forget_values();
    let (before, count) = (progress.clone(), run.filtered.len());
    run.run_program(&rules.user, None, &mut progress);
    let mut damaged = rules.user.is_damaged();
    if damaged && let Some(fresh) = rules.reload.as_ref().and_then(|reload| reload()) {
        run.filtered.truncate(count);
        progress = before;
        run.run_program(&fresh, None, &mut progress);
        damaged = fresh.is_damaged();
    }
    run.end(progress, damaged)
}

/// The planned edits that are not yet part of the message at the end of these steps.
fn edits(steps: &[Step]) -> Vec<HeaderEdit> {
    let mut edits = Vec::new();
    for step in steps {
        match &step.kind {
            StepKind::Edit(edit) => edits.push(edit.clone()),
            // The output of a filter already contains the edits before it.
            StepKind::Filter { applied: true, .. } => edits.clear(),
            _ => {}
        }
    }
    edits
}

/// One message on its way through the rules.
struct MessageRun<'a> {
    rules: &'a RuleSet,
    message: Message,
    filtered: Vec<Message>,
    world: &'a World,
    detail: Detail,
    filters: &'a mut dyn FilterRunner,
}

impl MessageRun<'_> {
    /// Runs a program to its end.
    fn run_program(
        &mut self,
        program: &CompiledProgram,
        site_of: Option<&RuleSet>,
        progress: &mut Progress,
    ) {
        loop {
            let message = self.filtered.last().unwrap_or(&self.message);
            let mail = MailContext::new(program, self.world);
            let variable = |name: &str| self.world.variable(name);
            let is_me = |address: &_| mail.is_me(address);
            let me = mail.knows_me().then_some(&is_me as &dyn Fn(&_) -> bool);
            let people = || mail.people();
            let context = Context::new(program, message, self.world, &variable, me, &people);
            let mut conditions = Conditions::new(context, self.detail);
            conditions.context.state = std::mem::take(&mut progress.state);
            conditions.context.site_of = site_of;
            if let Some(key) = progress.key.take() {
                let _ = conditions.key.set(key);
            }
            let mut evaluator = Evaluator { conditions, progress };
            let Some(call) = evaluator.run_to_filter() else {
                evaluator.finish();
                evaluator.progress.state = evaluator.conditions.context.state;
                return;
            };
            let FilterCall { argv, .. } = &call;
            let end = self.filters.filter(argv, message, &edits(&evaluator.progress.plan.steps));
            evaluator.note_filter(call, &end);
            evaluator.conditions.context.state.filter = match &end {
                FilterOutcome::Replaced(_) => FilterEnd::Fine,
                FilterOutcome::Failed => FilterEnd::Failed,
                FilterOutcome::Unavailable(why) => FilterEnd::Unavailable(why.clone()),
                FilterOutcome::NotRun => FilterEnd::NotRun,
            };
            evaluator.progress.state = evaluator.conditions.context.state;
            if let FilterOutcome::Replaced(message) = end {
                self.filtered.push(*message);
            }
        }
    }

    /// Removes the marks of disabled filters from the message. A body that
    /// nothing else needs is not read, except where a report may wrap the
    /// message.
    fn unmark(mut self, progress: &mut Progress) -> Self {
        let mut marks = self.rules.marks();
        if self.rules.has_site_in_force() {
            marks.forged.push(SITE_HEADER);
        }
        self.message = unmarked(self.message, &marks, progress);
        let filtered = self.filtered.into_iter();
        self.filtered = filtered.map(|message| unmarked(message, &marks, progress)).collect();
        self
    }

    fn end(self, progress: Progress, damaged: bool) -> Run {
        let evaluation = Evaluation { plan: progress.plan, trace: progress.trace };
        Run { message: self.message, filtered: self.filtered, evaluation, damaged }
    }
}

fn unmarked(message: Message, marks: &Marks, progress: &mut Progress) -> Message {
    let (message, taken) = message.unmarked(marks);
    taken.iter().for_each(|what| progress.warn(format!("removed: {what}")));
    message
}
