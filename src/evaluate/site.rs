//! During the run of the site rules: which categories run, and which headers
//! report what they did.

use super::Evaluator;
use super::trace::{RuleTrace, TestTrace, TestVerdict};
use crate::message::HeaderEdit;
use crate::plan::{RuleRef, Step, StepKind};
use crate::rules::actions::Action;
use crate::rules::rule_set::RuleSet;
use crate::source::Span;

/// The header that reports what a site rule did.
pub const SITE_HEADER: &str = "X-Mfilter-Site";

impl Evaluator<'_> {
    /// A place in the rules, as plan and trace refer to it.
    pub(super) fn span(&self, span: Span) -> Span {
        match self.conditions.site_of {
            Some(rules) => Span { file: span.file + rules.first_site_file(), ..span },
            None => span,
        }
    }

    /// Whether a category of site rules runs; the trace says why not.
    pub(super) fn enter(&mut self, category: u32, span: Span, line: u32) -> bool {
        let program = self.conditions.program;
        let name = program.categories.get(category as usize).map(|category| category.name.as_str());
        self.progress.category = name.map(str::to_owned);
        let off = self.conditions.site_of.and_then(|rules| rules.why_off(category));
        if self.conditions.take_tests().is_some() {
            let verdict = off.clone().map_or(TestVerdict::Yes, TestVerdict::Skipped);
            let tests = off.iter().map(|why| TestTrace {
                span,
                verdict: TestVerdict::Skipped(why.clone()),
                why: why.clone(),
            });
            let tests = tests.collect();
            self.progress.trace.rules.push(RuleTrace { span, line, depth: 0, verdict, tests });
        }
        off.is_none()
    }

    /// Adds headers that tell the user what a site rule did to the message, if it
    /// did anything: `before` is how many steps there were.
    pub(super) fn report_action(&mut self, before: usize, action: &Action, rule: &RuleRef) {
        let done: Vec<String> = match action.done() {
            Some(done) => vec![done],
            None => {
                let new = self.progress.plan.steps.get(before..).unwrap_or_default();
                new.iter().filter_map(|step| step.kind.done()).collect()
            }
        };
        self.report_actions(before, done, rule);
    }

    /// Inserts a header before a step for each thing that was done.
    pub(super) fn report_actions(&mut self, before: usize, done: Vec<String>, rule: &RuleRef) {
        let Some(category) = rule.category.as_deref() else { return };
        let place = match &rule.label {
            Some(label) => label.clone(),
            None => self.place(rule),
        };
        let reports = done.iter().map(|done| {
            let value = format!(
                "category={}; rule={}; action={}",
                quoted(category),
                quoted(&place),
                quoted(done)
            );
            let kind = StepKind::Edit(HeaderEdit::Add { name: SITE_HEADER.to_owned(), value });
            Step { kind, rule: Some(rule.clone()) }
        });
        self.progress.plan.steps.splice(before..before, reports);
    }

    /// `site.mailrules:12`
    fn place(&self, rule: &RuleRef) -> String {
        let first = self.conditions.site_of.map_or(0, RuleSet::first_site_file);
        let file = rule.span.file.saturating_sub(first) as usize;
        let path = self.conditions.program.files.get(file).map_or("", |file| file.as_str());
        format!("{}:{}", path.rsplit('/').next().unwrap_or_default(), rule.line)
    }
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
