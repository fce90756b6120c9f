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
mod site;
mod template;
mod trace;
mod values;

pub use inspect::{Inspection, Known, every_field, inspect};
pub use site::{Begun, SITE_HEADER, Site, begin, first_site_file};
pub use trace::{Looked, Tested, Trace, Verdict};

use crate::message::address::Address;
use crate::message::{HeaderEdit, Message};
use crate::plan::{DeliveryWord, Folder, Plan, RuleRef, Step, StepKind};
use crate::rules::program::{
    ArchivedAction, ArchivedFlags, ArchivedProgram, ArchivedStatementKind, Flags,
};
use crate::source::Span;
use crate::world::World;
use around::Around;
use condition::{Captures, Conditions, Truth};

/// Whether the way is to be recorded for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// The plan alone.
    Plan,
    /// The plan, and a trace of how it came about.
    Trace,
}

/// What `evaluate` gives.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Evaluation {
    /// What is to be done.
    pub plan: Plan,
    /// Why; empty with [`Detail::Plan`].
    pub trace: Trace,
}

/// Runs the rules over a message.
pub fn evaluate(
    program: &ArchivedProgram,
    message: &Message,
    world: &World,
    detail: Detail,
) -> Evaluation {
    evaluate_from(Begun::default(), program, message, world, detail)
}

/// Runs the user's rules over a message, behind the site rules.
pub fn evaluate_from(
    begun: Begun,
    program: &ArchivedProgram,
    message: &Message,
    world: &World,
    detail: Detail,
) -> Evaluation {
    if begun.ended {
        return Evaluation { plan: begun.plan, trace: begun.trace };
    }
    with_run(program, message, world, detail, begun, None, |mut run| {
        if !run.statements() {
            run.inbox(None, Flags::default());
        }
        if detail == Detail::Trace {
            let more = run.conditions.warnings();
            let warnings = &mut run.trace.warnings;
            for more in more {
                if !warnings.contains(&more) {
                    warnings.push(more);
                }
            }
        }
        Evaluation { plan: run.plan, trace: run.trace }
    })
}

/// A run that goes on from what is planned already.
fn with_run<T>(
    program: &ArchivedProgram,
    message: &Message,
    world: &World,
    detail: Detail,
    begun: Begun,
    site: Option<Site<'_>>,
    go: impl FnOnce(Run<'_>) -> T,
) -> T {
    let around = Around::new(program, world);
    let variable = |name: &str| around.variable(name);
    let is_me = |address: &Address| around.is_me(address);
    let me = around.knows_me().then_some(&is_me as &dyn Fn(&Address) -> bool);
    go(Run {
        conditions: Conditions::new(program, message, world, &variable, me, detail),
        plan: begun.plan,
        trace: begun.trace,
        flags: begun.flags,
        open: Vec::new(),
        site,
        category: None,
    })
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
    /// Goes through all statements; true if one of them ended the run.
    fn statements(&mut self) -> bool {
        let statements = &self.conditions.program.statements;
        let mut at = 0;
        while let Some(statement) = statements.get(at) {
            while self.open.last().is_some_and(|open| open.end <= at) {
                self.open.pop();
            }
            let line = statement.line.to_native();
            let span = self.span(Span::from(&statement.span));
            match &statement.kind {
                ArchivedStatementKind::When { condition, end, label } => {
                    let (truth, captures) = match condition.as_ref() {
                        Some(condition) => self.conditions.rule(condition.to_native()),
                        None => (Ok(true), Captures::default()),
                    };
                    let end = end.to_native() as usize;
                    self.record(span, line, &truth);
                    if truth == Ok(true) {
                        let label = label.as_ref().map(|label| label.as_str().to_owned());
                        let category = self.category.clone();
                        let rule = RuleRef { span, line, label, category };
                        self.open.push(Open { end, rule, captures });
                        at += 1;
                    } else {
                        at = end.max(at + 1);
                    }
                }
                ArchivedStatementKind::Category { category, end } => {
                    let on = self.enter(category.to_native(), span, line);
                    at = if on { at + 1 } else { (end.to_native() as usize).max(at + 1) };
                }
                ArchivedStatementKind::Act(action) => {
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
                    at += 1;
                }
            }
        }
        false
    }

    /// Plans an action; true if it ends the run.
    fn act(&mut self, action: &ArchivedAction, rule: RuleRef) -> bool {
        let kind = match action {
            ArchivedAction::Inbox(flags) => return self.inbox(Some(rule), native(flags)),
            ArchivedAction::Stop => return self.inbox(Some(rule), Flags::default()),
            ArchivedAction::Folder(name, flags) => {
                self.deliver(DeliveryWord::Folder, self.folder(name), native(flags), rule);
                return true;
            }
            ArchivedAction::Copy(name, flags) => {
                self.deliver(DeliveryWord::Copy, self.folder(name), native(flags), rule);
                return false;
            }
            ArchivedAction::Mark(flags) => {
                self.flags = union(&self.flags, &native(flags));
                return false;
            }
            ArchivedAction::Unmark(flags) => {
                let gone = native(flags);
                self.flags.letters.retain(|letter| !gone.letters.contains(letter));
                self.flags.keywords.retain(|keyword| !gone.keywords.contains(keyword));
                return false;
            }
            ArchivedAction::Discard(why) => {
                StepKind::Discard { why: why.as_ref().map(|why| self.line(why)) }
            }
            ArchivedAction::Reject { status, text } => match self.conditions.no_bounce() {
                Some(why) => StepKind::Discard { why: Some(why) },
                None => {
                    StepKind::Reject { status: status.as_str().to_owned(), text: self.line(text) }
                }
            },
            ArchivedAction::Defer { status, text } => {
                StepKind::Defer { status: status.as_str().to_owned(), text: self.line(text) }
            }
            ArchivedAction::AddHeader(name, value) => StepKind::Edit(HeaderEdit::Add {
                name: name.as_str().to_owned(),
                value: self.line(value),
            }),
            ArchivedAction::SetHeader(name, value) => StepKind::Edit(HeaderEdit::Set {
                name: name.as_str().to_owned(),
                value: self.line(value),
            }),
            ArchivedAction::RemoveHeader(name) => {
                StepKind::Edit(HeaderEdit::Remove { name: name.as_str().to_owned() })
            }
            ArchivedAction::Log(text) => StepKind::Log(self.line(text)),
        };
        let ends = matches!(
            kind,
            StepKind::Discard { .. } | StepKind::Reject { .. } | StepKind::Defer { .. }
        );
        self.plan.steps.push(Step { kind, rule: Some(rule) });
        ends
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

fn native(flags: &ArchivedFlags) -> Flags {
    Flags {
        letters: flags.letters.as_str().to_owned(),
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
