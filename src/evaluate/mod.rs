//! Program + Message + World → Plan + Trace. Only reads, never writes.
//!
//! The statements are a flat list: a rule that does not hold jumps past its own
//! end, so the run only moves forwards and always ends. Conditions are
//! three-valued: what cannot be evaluated (a list that vanished, a message that
//! cannot be read) is neither true nor false, not even under `not`, and a rule
//! that depends on it does not fire.

mod addresses;
mod captures;
mod comparison;
mod condition;
mod context;
mod duplicate;
mod external_actions;
mod field_value;
mod folder;
mod habits;
mod in_list;
mod inspect;
mod mail_context;
mod moment;
mod planner;
mod prefilter;
mod reply;
mod run;
mod run_state;
mod site;
mod template;
mod thread;
mod trace;
mod truth;
mod values;

pub use external_actions::{LOOP_HEADER, exact_entry};
pub use habits::{Habit, HabitKey, HabitKind, habits};
pub use inspect::{BorderServer, InspectedValue, Inspection, border_server, every_field, inspect};
pub use run::{FilterOutcome, FilterRunner, NoFilters, Run, run};
pub use thread::own_hash;
pub use trace::{IGNORED, RuleTally, RuleTrace, TestTrace, TestVerdict, Trace};

use std::time::Instant;

use captures::Captures;
use condition::Conditions;
use context::Context;
use mail_context::MailContext;
use planner::ActionPlanner;
use run_state::{OpenRule, RunState, ScriptRun};
use truth::Truth;

use crate::classify::verified;
use crate::flags::Flags;
use crate::message::Message;
use crate::message::address::Address;
use crate::plan::{DeliveryWord, Folder, Plan, RuleRef, Step, StepKind};
use crate::rules::actions::Action;
use crate::rules::compiled::CompiledProgram;
use crate::rules::program::{OnMoved, StatementKind};
use crate::source::Span;
use crate::state::duplicates;
use crate::state::slots::Key;
use crate::world::World;

/// How much of a run is recorded for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// The plan alone.
    Plan,
    /// The plan, and which rules were evaluated, which held, and how long each took.
    Count,
    /// The plan, and a trace of how it came about.
    Trace,
}

/// What must be done with a message, and why.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Evaluation {
    /// What must be done.
    pub plan: Plan,
    /// Why, as far as it was requested.
    pub trace: Trace,
}

/// What `on moved` requests when a message was moved: edits of lists, lines for
/// the log, and what must not be done.
pub fn on_moved(
    program: &CompiledProgram,
    moved: &OnMoved,
    message: &Message,
    world: &World,
) -> Plan {
    let mail = MailContext::new(program, world);
    let variable = |name: &str| world.variable(name);
    let people = || mail.people();
    let context = Context::new(program, message, world, &variable, None, &people);
    let conditions = Conditions::new(context, Detail::Plan);
    let mut progress = Progress::default();
    let mut evaluator = Evaluator { conditions, progress: &mut progress };
    let rule = RuleRef { span: moved.span, line: moved.line, label: None, category: None };
    for action in &moved.actions {
        evaluator.act(action, rule.clone());
    }
    progress.plan
}

/// Whether `verified` holds for a message.
pub fn is_verified(program: &CompiledProgram, message: &Message, world: &World) -> bool {
    with_conditions(program, message, world, |conditions| {
        verified::find(conditions.mail()).is_some()
    })
}

/// Whether a condition of `expire` holds for a message in a folder.
///
/// # Errors
/// Why that cannot be determined.
pub fn holds(
    program: &CompiledProgram,
    condition: u32,
    message: &Message,
    world: &World,
) -> Result<bool, String> {
    with_conditions(program, message, world, |conditions| conditions.rule(condition).0)
}

/// Passes the conditions of a program on a message to `ask`, outside of a run.
fn with_conditions<T>(
    program: &CompiledProgram,
    message: &Message,
    world: &World,
    ask: impl FnOnce(Conditions<'_>) -> T,
) -> T {
    let mail = MailContext::new(program, world);
    let variable = |name: &str| world.variable(name);
    let is_me = |address: &Address| mail.is_me(address);
    let me = mail.knows_me().then_some(&is_me as &dyn Fn(&Address) -> bool);
    let people = || mail.people();
    let context = Context::new(program, message, world, &variable, me, &people);
    ask(Conditions::new(context, Detail::Plan))
}

/// The state of a run so far. It outlives a `filter`, after which the conditions
/// are about another message.
#[derive(Debug, Clone, Default)]
struct Progress {
    plan: Plan,
    trace: Trace,
    /// Between two filters, the conditions hold the state.
    state: RunState,
    /// The next statement.
    at: usize,
    /// An action stopped rule processing.
    ended: bool,
    /// Site rules use `duplicate`.
    duplicates: bool,
    /// Site rules refuse or defer mail.
    refuses: bool,
    /// The category of the current statement.
    category: Option<String>,
    /// The key of the message as it came.
    key: Option<Result<Key, String>>,
    /// The keys that `duplicate of` has asked for.
    duplicate_keys: Vec<Key>,
    /// How long they are remembered, seconds.
    remember_for: u64,
}

impl Progress {
    fn warn(&mut self, warning: String) {
        if !self.trace.warnings.contains(&warning) {
            self.trace.warnings.push(warning);
        }
    }
}

/// Runs statements on a message, up to the next `filter`.
struct Evaluator<'a> {
    conditions: Conditions<'a>,
    progress: &'a mut Progress,
}

/// A `filter` that a run has reached.
struct FilterCall {
    argv: Vec<String>,
    rule: RuleRef,
}

impl Evaluator<'_> {
    /// Continues to the end of the rules, or to a `filter`.
    fn run_to_filter(&mut self) -> Option<FilterCall> {
        let filter = self.statements();
        if self.conditions.detail == Detail::Trace {
            for warning in self.conditions.warnings() {
                self.progress.warn(warning);
            }
        }
        self.progress.duplicate_keys.append(self.conditions.duplicate_keys.get_mut());
        self.progress.remember_for = self.progress.remember_for.max(self.conditions.remember_for());
        if filter.is_some() && self.asks_for_duplicates() {
            // The key of the message as it came, which is available only now.
            self.progress.key = Some(self.conditions.key());
        }
        filter
    }

    /// Plans what happens at the end of the rules.
    fn finish(&mut self) {
        if self.conditions.site_of.is_some() {
            self.progress.duplicates = self.asks_for_duplicates();
            self.progress.refuses = self.conditions.program.refuses;
            if !self.progress.ended {
                return;
            }
        } else if !self.progress.ended && self.progress.plan.filed().next().is_none() {
            self.inbox(None, Flags::default());
        }
        self.remember();
    }

    /// Records the result of a `filter`.
    fn note_filter(&mut self, call: FilterCall, end: &FilterOutcome) {
        let FilterCall { argv, rule } = call;
        let applied = matches!(end, FilterOutcome::Replaced(_));
        let before = self.progress.plan.steps.len() + 1;
        let action = format!("filter {}", argv.first().map_or("", String::as_str));
        self.push(StepKind::Filter { argv, applied }, rule.clone());
        if applied {
            self.report_actions(before, vec![action], &rule);
        }
        if matches!(end, FilterOutcome::NotRun) && self.conditions.detail == Detail::Trace {
            self.progress.warn(
                "no filter was run: what follows it was judged on the unfiltered message".into(),
            );
        }
    }

    /// Whether a rule asked for duplicates, or could have.
    fn asks_for_duplicates(&self) -> bool {
        self.progress.duplicates || self.conditions.program.asks_for_duplicates
    }

    /// Plans to remember the message, before the step that ends its way, if a
    /// rule could ask for it and the message is delivered anywhere.
    fn remember(&mut self) {
        let steps = &self.progress.plan.steps;
        let forwards = steps.iter().any(|step| matches!(step.kind, StepKind::Forward { .. }));
        let keeps = steps
            .iter()
            .any(|step| matches!(step.kind, StepKind::Deliver { .. } | StepKind::Pipe { .. }));
        let again = matches!(
            self.progress.plan.steps.last().map(|step| &step.kind),
            Some(StepKind::Defer { .. } | StepKind::Reject { .. })
        );
        let by_itself = self.asks_for_duplicates();
        if !(keeps || forwards) || again || !by_itself && self.progress.duplicate_keys.is_empty() {
            return;
        }
        let mut keys = std::mem::take(&mut self.progress.duplicate_keys);
        if by_itself {
            keys.extend(self.conditions.key());
        }
        if keeps && (forwards || self.conditions.is_back()) {
            let kept: Vec<Key> = keys.iter().copied().map(duplicates::kept_key).collect();
            keys.extend(kept);
        }
        let Some(last) = self.progress.plan.steps.len().checked_sub(1) else { return };
        let rule = self.progress.plan.steps.get(last).and_then(|step| step.rule.clone());
        let within = self.progress.remember_for;
        let may_refuse = self.progress.refuses || self.conditions.program.refuses;
        for key in keys {
            let kind = StepKind::Remember { key: key.0, within, may_refuse };
            self.progress.plan.steps.insert(last, Step { kind, rule: rule.clone() });
        }
    }

    /// Runs the statements up to their end, to one that stops rule processing, or
    /// to a `filter`.
    fn statements(&mut self) -> Option<FilterCall> {
        let program = self.conditions.program;
        while !program.is_damaged() {
            self.progress.at = self.conditions.next_candidate(self.progress.at);
            let at = self.progress.at;
            let state = &mut self.conditions.context.state;
            if let Some(script) = state.script.take_if(|script| script.end <= at)
                && script.has_filed
            {
                self.progress.ended = true;
                return None;
            }
            let statement = program.statement(at)?;
            while state.open.pop_if(|open| open.end <= at).is_some() {}
            self.progress.at += 1;
            let line = statement.line;
            let span = self.span(statement.span);
            // Evaluation only moves forward, whatever a damaged program says.
            let after = |end: u32| (end as usize).max(at + 1);
            match &statement.kind {
                StatementKind::When { condition, end, label } => {
                    let (truth, captures) = self.rule(*condition, span, line);
                    if truth == Ok(true) {
                        self.begin_rule(span, line, label.as_deref(), *end as usize, captures);
                    } else {
                        self.progress.at = after(*end);
                    }
                }
                StatementKind::Category { category, end } => {
                    if !self.enter(*category, span, line) {
                        self.progress.at = after(*end);
                    }
                }
                StatementKind::Script { end } => {
                    self.conditions.context.state.script =
                        Some(ScriptRun { end: after(*end), has_filed: false });
                }
                StatementKind::Leave => {
                    let end = self.conditions.state.script.map_or(at + 1, |script| script.end);
                    self.progress.at = end.max(at + 1);
                }
                StatementKind::Act(action) => {
                    let filter = self.action(action, span, line);
                    if filter.is_some() || self.progress.ended {
                        return filter;
                    }
                }
            }
        }
        None
    }

    /// Whether a rule holds, and what its condition captures; `otherwise` has none.
    fn rule(&mut self, condition: Option<u32>, span: Span, line: u32) -> (Truth, Captures) {
        let start = self.clock();
        let (truth, captures) = match condition {
            Some(condition) => self.conditions.rule(condition),
            None => (Ok(true), Captures::default()),
        };
        self.count(span, truth == Ok(true), start);
        self.record(span, line, &truth);
        (truth, captures)
    }

    /// Begins the actions of a rule that holds, up to the statement `end`.
    fn begin_rule(
        &mut self,
        span: Span,
        line: u32,
        label: Option<&str>,
        end: usize,
        captures: Captures,
    ) {
        let open = &mut self.conditions.context.state.open;
        let outer = open.last().and_then(|outer| outer.rule.label.as_deref());
        let label = label.or(outer).map(str::to_owned);
        let category = self.progress.category.clone();
        open.push(OpenRule { end, rule: RuleRef { span, line, label, category }, captures });
    }

    /// Plans an action of the innermost rule that holds, or of none, and reports what site
    /// rules did; a `filter` is returned.
    fn action(&mut self, action: &Action, span: Span, line: u32) -> Option<FilterCall> {
        let rule = match self.conditions.state.open.last() {
            Some(open) => open.rule.clone(),
            None => {
                self.count(span, true, self.clock());
                let category = self.progress.category.clone();
                RuleRef { span, line, label: None, category }
            }
        };
        if let Some(words) = action.as_filter() {
            let mut argv = self.argv(words, &rule);
            let Err(why) = self.allow(&mut argv) else { return Some(FilterCall { argv, rule }) };
            self.push(StepKind::Skipped { action: "filter", why }, rule);
            self.conditions.change(|state| state.filter = run_state::FilterEnd::Failed);
            return None;
        }
        let before = self.progress.plan.steps.len();
        self.progress.ended = self.act(action, rule.clone());
        self.report_action(before, action, &rule);
        None
    }

    /// Plans an action; true if it stops rule processing.
    fn act(&mut self, action: &Action, rule: RuleRef) -> bool {
        if let (Some(script), Action::FileIntoAction(_)) =
            (&mut self.conditions.context.state.script, action)
        {
            script.has_filed = true;
        }
        action.plan(&mut ActionPlanner { evaluator: self, rule });
        action.ends()
    }

    fn push(&mut self, kind: StepKind, rule: RuleRef) {
        self.progress.plan.steps.push(Step { kind, rule: Some(rule) });
    }

    /// Plans a delivery to the inbox.
    fn inbox(&mut self, rule: Option<RuleRef>, flags: Flags) {
        let folder = Folder::default();
        let flags = self.conditions.state.flags.and(&flags);
        let kind = StepKind::Deliver { as_: DeliveryWord::Inbox, folder, flags };
        self.progress.plan.steps.push(Step { kind, rule });
    }

    fn clock(&self) -> Option<Instant> {
        (self.conditions.detail != Detail::Plan).then(Instant::now)
    }

    fn count(&mut self, span: Span, fired: bool, start: Option<Instant>) {
        if let Some(start) = start {
            self.progress.trace.tallies.push(RuleTally { span, fired, duration: start.elapsed() });
        }
    }

    fn record(&mut self, span: Span, line: u32, truth: &Truth) {
        let Some(mut tests) = self.conditions.take_tests() else { return };
        tests.iter_mut().for_each(|test| test.span = self.span(test.span));
        let verdict = TestVerdict::from(truth);
        let depth =
            self.conditions.state.open.len() + usize::from(self.progress.category.is_some());
        self.progress.trace.rules.push(RuleTrace { span, line, depth, verdict, tests });
    }
}

impl From<&Truth> for TestVerdict {
    fn from(truth: &Truth) -> TestVerdict {
        match truth {
            Ok(true) => TestVerdict::Yes,
            Ok(false) => TestVerdict::No,
            Err(why) => TestVerdict::Skipped(why.clone()),
        }
    }
}

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
