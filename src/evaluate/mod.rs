//! Program + Message + World → Plan + Trace. Reads, and writes nothing.
//!
//! The statements lie flat: a rule that does not hold jumps behind itself, so
//! the way through them only goes forward and always ends. Conditions are
//! three-valued: what cannot be evaluated (a list that vanished, a message
//! that cannot be read) is neither true nor false, also not under `not`, and
//! a rule that depends on it does not fire.

mod around;
mod condition;
mod inspect;
mod possible;
mod reach;
mod reply;
mod site;
mod template;
mod trace;
mod truth;
mod values;

pub use inspect::{Crossing, Inspection, Known, crossing, every_field, inspect};
pub use reach::{LOOP_HEADER, exact_entry};
pub use site::{Begun, Rules, SITE_HEADER, Site, evaluate_rules, first_site_file};
pub use trace::{Looked, Passed, Tested, Trace, Verdict};

use std::time::Instant;

use crate::message::address::Address;
use crate::message::{HeaderEdit, Message};
use crate::plan::{DeliveryWord, Folder, Plan, RuleRef, Step, StepKind};
use crate::rules::program::{Action, CompiledProgram, Flags, Move, StatementKind};
use crate::source::Span;
use crate::state::slots::Key;
use crate::world::World;
use around::Around;
use condition::{Captures, Conditions};
use truth::Truth;

/// Whether the way is to be recorded for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// The plan alone.
    Plan,
    /// The plan, and which rules were looked at, held, and cost how much.
    Count,
    /// The plan, and a trace of how it came about.
    Trace,
}

/// What `evaluate` gives.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Evaluation {
    /// What is to be done.
    pub plan: Plan,
    /// Why, as far as it was asked for.
    pub trace: Trace,
}

/// Runs the rules over a message. No `filter` is run: what follows one is
/// judged on the unfiltered message, and the trace says so.
pub fn evaluate(
    program: &CompiledProgram,
    message: &Message,
    world: &World,
    detail: Detail,
) -> Evaluation {
    let mut next = start(Begun::default(), None, program, message, world, detail);
    loop {
        next = match next {
            Next::Done(evaluation) => return evaluation,
            Next::Site(begun) => return Evaluation { plan: begun.plan, trace: begun.trace },
            Next::Filter(paused) => paused.resume(None, program, message, world, Filtered::NotRun),
        };
    }
}

/// Runs rules over a message, as far as the first `filter`; behind what is
/// planned already. With `site` the program is that of the site rules.
pub fn start(
    begun: Begun,
    site: Option<Site<'_>>,
    program: &CompiledProgram,
    message: &Message,
    world: &World,
    detail: Detail,
) -> Next {
    let around = Around::new(program, world);
    let variable = |name: &str| around.variable(name);
    let is_me = |address: &Address| around.is_me(address);
    let me = around.knows_me().then_some(&is_me as &dyn Fn(&Address) -> bool);
    let run = Run {
        conditions: Conditions::new(program, message, world, &variable, me, detail),
        plan: begun.plan,
        trace: begun.trace,
        flags: begun.flags,
        open: Vec::new(),
        at: 0,
        filter: None,
        duplicates: begun.duplicates,
        site,
        category: None,
    };
    run.go_on()
}

/// What `on moved` asks when a message was moved: edits of lists, lines for the
/// log, and what must not be done.
pub fn on_moved(program: &CompiledProgram, moved: &Move, message: &Message, world: &World) -> Plan {
    let variable = |name: &str| world.variable(name);
    let mut run = Run {
        conditions: Conditions::new(program, message, world, &variable, None, Detail::Plan),
        plan: Plan::default(),
        trace: Trace::default(),
        flags: Flags::default(),
        open: Vec::new(),
        at: program.statements(),
        filter: None,
        duplicates: false,
        site: None,
        category: None,
    };
    let span = moved.span;
    let rule = RuleRef { span, line: moved.line, label: None, category: None };
    for action in moved.actions.iter() {
        run.act(action, rule.clone());
    }
    run.plan
}

/// What a run has come to.
pub enum Next {
    /// Its end.
    Done(Evaluation),
    /// The end of the site rules.
    Site(Begun),
    /// A `filter`: the caller runs it, or does not, and the run goes on with
    /// what came of that.
    Filter(Box<Paused>),
}

/// What came of a `filter`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Filtered {
    /// The run goes on with the message that the program made.
    Replaced,
    /// It goes on with the same message: the program failed.
    Failed,
    /// It goes on with the same message: nothing was tried.
    NotRun,
}

/// A run at a `filter`.
pub struct Paused {
    detail: Detail,
    plan: Plan,
    trace: Trace,
    flags: Flags,
    open: Vec<Open>,
    at: usize,
    argv: Vec<String>,
    rule: RuleRef,
    key: Option<Result<Key, String>>,
    duplicates: bool,
    category: Option<String>,
}

impl Paused {
    /// The program and its arguments.
    pub fn argv(&self) -> &[String] {
        &self.argv
    }

    /// The edits that the program sees made, and which the message it makes
    /// has in it.
    pub fn edits(&self) -> Vec<HeaderEdit> {
        let mut edits = Vec::new();
        for step in &self.plan.steps {
            match &step.kind {
                StepKind::Edit(edit) => edits.push(edit.clone()),
                StepKind::Filter { applied: true, .. } => edits.clear(),
                _ => {}
            }
        }
        edits
    }

    /// Goes on from the next statement, with the new message or the old one.
    pub fn resume(
        self: Box<Self>,
        site: Option<Site<'_>>,
        program: &CompiledProgram,
        message: &Message,
        world: &World,
        came: Filtered,
    ) -> Next {
        let around = Around::new(program, world);
        let variable = |name: &str| around.variable(name);
        let is_me = |address: &Address| around.is_me(address);
        let me = around.knows_me().then_some(&is_me as &dyn Fn(&Address) -> bool);
        let conditions = Conditions::new(program, message, world, &variable, me, self.detail);
        if let Some(key) = self.key {
            let _ = conditions.key.set(key);
        }
        let mut run = Run {
            conditions,
            plan: self.plan,
            trace: self.trace,
            flags: self.flags,
            open: self.open,
            at: self.at,
            filter: None,
            duplicates: self.duplicates,
            site,
            category: self.category,
        };
        let before = run.plan.steps.len() + 1;
        let told = format!("filter {}", self.argv.first().map_or("", String::as_str));
        let rule = self.rule.clone();
        let applied = came == Filtered::Replaced;
        run.push(StepKind::Filter { argv: self.argv, applied }, self.rule);
        if applied {
            run.tell_of(before, vec![told], &rule);
        }
        if came == Filtered::NotRun && self.detail == Detail::Trace {
            let note = "no filter was run: what follows it was judged on the unfiltered message";
            if run.trace.warnings.iter().all(|known| known != note) {
                run.trace.warnings.push(note.into());
            }
        }
        run.go_on()
    }
}

/// One run: what was gathered so far.
struct Run<'a> {
    conditions: Conditions<'a>,
    plan: Plan,
    trace: Trace,
    /// From `mark` and `unmark`.
    flags: Flags,
    /// The rules around the current statement, outermost first.
    open: Vec<Open>,
    /// The next statement.
    at: usize,
    /// A filter that was come to.
    filter: Option<(Vec<String>, RuleRef)>,
    /// Site rules asked for duplicates.
    duplicates: bool,
    /// In the run of site rules.
    site: Option<Site<'a>>,
    /// The category around.
    category: Option<String>,
}

/// A rule that held and is not over yet.
struct Open {
    end: usize,
    rule: RuleRef,
    captures: Captures,
}

impl Run<'_> {
    /// Goes on to the end, or to a filter.
    fn go_on(mut self) -> Next {
        let ended = self.statements();
        let detail = self.conditions.detail;
        if detail == Detail::Trace {
            for warning in self.conditions.warnings() {
                if !self.trace.warnings.contains(&warning) {
                    self.trace.warnings.push(warning);
                }
            }
        }
        if let Some((argv, rule)) = self.filter.take() {
            // Known by the message as it came, which is at hand only now.
            let wanted = self.wants_duplicates();
            return Next::Filter(Box::new(Paused {
                key: wanted.then(|| self.conditions.key()),
                detail,
                plan: self.plan,
                trace: self.trace,
                flags: self.flags,
                open: self.open,
                at: self.at,
                argv,
                rule,
                duplicates: self.duplicates,
                category: self.category,
            }));
        }
        if self.site.is_some() {
            let duplicates = self.wants_duplicates();
            if ended {
                self.remember();
            }
            let (plan, trace, flags) = (self.plan, self.trace, self.flags);
            return Next::Site(Begun { plan, trace, flags, ended, duplicates });
        }
        if !ended {
            self.inbox(None, Flags::default());
        }
        self.remember();
        Next::Done(Evaluation { plan: self.plan, trace: self.trace })
    }

    /// Whether a rule asked for duplicates, or could.
    fn wants_duplicates(&self) -> bool {
        self.duplicates || self.conditions.program.asks_for_duplicates
    }

    /// Plans, before the step that ends the way, to remember the message, if
    /// a rule could ask and the message is delivered anywhere.
    fn remember(&mut self) {
        let delivers = self.plan.steps.iter().any(|step| {
            matches!(
                step.kind,
                StepKind::Deliver { .. } | StepKind::Pipe { .. } | StepKind::Forward { .. }
            )
        });
        let again = matches!(
            self.plan.steps.last().map(|step| &step.kind),
            Some(StepKind::Defer { .. } | StepKind::Reject { .. })
        );
        if !delivers || again || !self.wants_duplicates() {
            return;
        }
        if let (Ok(key), Some(last)) = (self.conditions.key(), self.plan.steps.len().checked_sub(1))
        {
            let kind = StepKind::Remember { key: key.0, within: self.conditions.within() };
            let rule = self.plan.steps.get(last).and_then(|step| step.rule.clone());
            self.plan.steps.insert(last, Step { kind, rule });
        }
    }

    /// Goes through the statements; true if one of them ended the run.
    fn statements(&mut self) -> bool {
        let program = self.conditions.program;
        while self.filter.is_none() && !program.is_damaged() {
            self.at = self.conditions.next_possible(self.at);
            let at = self.at;
            let Some(statement) = program.statement(at) else { return false };
            while self.open.last().is_some_and(|open| open.end <= at) {
                self.open.pop();
            }
            self.at += 1;
            let line = statement.line;
            let span = self.span(statement.span);
            match &statement.kind {
                StatementKind::When { condition, end, label } => {
                    let began = self.clock();
                    let (truth, captures) = match condition.as_ref() {
                        Some(condition) => self.conditions.rule(*condition),
                        None => (Ok(true), Captures::default()),
                    };
                    let end = *end as usize;
                    self.count(span, truth == Ok(true), began);
                    self.record(span, line, &truth);
                    if truth == Ok(true) {
                        let own = label.as_ref().map(|label| label.as_str().to_owned());
                        let around = self.open.last().and_then(|open| open.rule.label.clone());
                        let label = own.or(around);
                        let category = self.category.clone();
                        let rule = RuleRef { span, line, label, category };
                        self.open.push(Open { end, rule, captures });
                    } else {
                        self.at = end.max(at + 1);
                    }
                }
                StatementKind::Category { category, end } => {
                    let on = self.enter(*category, span, line);
                    if !on {
                        self.at = (*end as usize).max(at + 1);
                    }
                }
                StatementKind::Act(action) => {
                    if self.open.is_empty() {
                        self.count(span, true, self.clock());
                    }
                    let rule = self.open.last().map(|open| open.rule.clone()).unwrap_or(RuleRef {
                        span,
                        line,
                        label: None,
                        category: self.category.clone(),
                    });
                    let before = self.plan.steps.len();
                    let ended = self.act(action, rule.clone());
                    self.tell(before, action, &rule);
                    if ended {
                        return true;
                    }
                }
            }
        }
        false
    }

    /// Plans an action; true if it ends the run.
    fn act(&mut self, action: &Action, rule: RuleRef) -> bool {
        let kind = match action {
            Action::Inbox(flags) => return self.inbox(Some(rule), native(flags)),
            Action::Stop => return self.inbox(Some(rule), Flags::default()),
            Action::Folder(name, flags) => {
                self.deliver(DeliveryWord::Folder, self.folder(name), native(flags), rule);
                return true;
            }
            Action::Copy(name, flags) => {
                self.deliver(DeliveryWord::Copy, self.folder(name), native(flags), rule);
                return false;
            }
            Action::Mark(flags) => {
                self.flags = union(&self.flags, &native(flags));
                return false;
            }
            Action::Unmark(flags) => {
                let gone = native(flags);
                self.flags.letters.retain(|letter| !gone.letters.contains(letter));
                self.flags.keywords.retain(|keyword| !gone.keywords.contains(keyword));
                return false;
            }
            Action::Discard(why) => {
                StepKind::Discard { why: why.as_ref().map(|why| self.line(why)) }
            }
            Action::Reject { status, text } => match self.conditions.no_bounce() {
                Some(why) => StepKind::Discard { why: Some(why) },
                None => {
                    StepKind::Reject { status: status.as_str().to_owned(), text: self.line(text) }
                }
            },
            Action::Defer { status, text } => {
                StepKind::Defer { status: status.as_str().to_owned(), text: self.line(text) }
            }
            Action::AddHeader(name, value) => StepKind::Edit(HeaderEdit::Add {
                name: name.as_str().to_owned(),
                value: self.line(value),
            }),
            Action::SetHeader(name, value) => StepKind::Edit(HeaderEdit::Set {
                name: name.as_str().to_owned(),
                value: self.line(value),
            }),
            Action::RemoveHeader(name) => {
                StepKind::Edit(HeaderEdit::Remove { name: name.as_str().to_owned() })
            }
            Action::Log(text) => StepKind::Log(self.line(text)),
            Action::Pipe(words) => StepKind::Pipe { argv: self.argv(words, &rule) },
            Action::Run(words) => StepKind::Run { argv: self.argv(words, &rule) },
            Action::Filter(words) => {
                self.filter = Some((self.argv(words, &rule), rule));
                return false;
            }
            Action::Forward { copy, to } => return self.forward(*copy, to, rule),
            Action::Reply { file, every } => {
                self.reply(file, *every, rule);
                return false;
            }
            Action::EditList { add, field, list } => {
                self.edit_list(*add, *field, *list, rule);
                return false;
            }
        };
        let ends = matches!(
            kind,
            StepKind::Discard { .. }
                | StepKind::Reject { .. }
                | StepKind::Defer { .. }
                | StepKind::Pipe { .. }
        );
        self.plan.steps.push(Step { kind, rule: Some(rule) });
        ends
    }

    fn push(&mut self, kind: StepKind, rule: RuleRef) {
        self.plan.steps.push(Step { kind, rule: Some(rule) });
    }

    /// Plans a delivery to the inbox, which ends the run.
    fn inbox(&mut self, rule: Option<RuleRef>, flags: Flags) -> bool {
        let folder = Folder::default();
        let flags = union(&self.flags, &flags);
        let kind = StepKind::Deliver { as_: DeliveryWord::Inbox, folder, flags };
        self.plan.steps.push(Step { kind, rule });
        true
    }

    fn deliver(&mut self, as_: DeliveryWord, folder: Folder, flags: Flags, rule: RuleRef) {
        let flags = union(&self.flags, &flags);
        let kind = StepKind::Deliver { as_, folder, flags };
        self.plan.steps.push(Step { kind, rule: Some(rule) });
    }

    fn clock(&self) -> Option<Instant> {
        (self.conditions.detail != Detail::Plan).then(Instant::now)
    }

    fn count(&mut self, span: Span, held: bool, began: Option<Instant>) {
        if let Some(began) = began {
            self.trace.passed.push(Passed { span, held, took: began.elapsed() });
        }
    }

    fn record(&mut self, span: Span, line: u32, truth: &Truth) {
        let Some(mut tests) = self.conditions.take_tests() else { return };
        tests.iter_mut().for_each(|test| test.span = self.span(test.span));
        let verdict = Verdict::from(truth);
        let depth = self.open.len() + usize::from(self.category.is_some());
        self.trace.looked.push(Looked { span, line, depth, verdict, tests });
    }
}

impl From<&Truth> for Verdict {
    fn from(truth: &Truth) -> Verdict {
        match truth {
            Ok(true) => Verdict::Yes,
            Ok(false) => Verdict::No,
            Err(why) => Verdict::Skipped(why.clone()),
        }
    }
}

fn native(flags: &Flags) -> Flags {
    Flags {
        // They become part of a file's name.
        letters: flags.letters.chars().filter(|letter| "DFPRST".contains(*letter)).collect(),
        keywords: flags.keywords.iter().map(|keyword| keyword.as_str().to_owned()).collect(),
    }
}

/// Both sets of flags, letters in ASCII order.
fn union(a: &Flags, b: &Flags) -> Flags {
    let mut letters: Vec<char> = a.letters.chars().chain(b.letters.chars()).collect();
    letters.sort_unstable();
    letters.dedup();
    let mut keywords = a.keywords.clone();
    keywords.extend(b.keywords.iter().filter(|keyword| !a.keywords.contains(keyword)).cloned());
    Flags { letters: letters.into_iter().collect(), keywords }
}
