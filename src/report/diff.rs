//! How two results for a message differ: with other rules, or from the folder it is in
//! now.

use std::fmt::Write;

use serde_json::{Value, json};

use super::{Paint, ReportStyle, StepReport, head, one_line, outcome, row, sentence};
use crate::evaluate::Evaluation;
use crate::language::Language;
use crate::message::Message;
use crate::plan::{DeliveryWord, Folder, Plan, Step, StepKind};
use crate::source::Sources;
use crate::text::{escape, json_line};
use crate::translation::translated;

/// The evaluation of a message, and the rules that it is based on.
#[derive(Clone, Copy)]
pub struct RunResult<'a> {
    /// The evaluation.
    pub evaluation: &'a Evaluation,
    /// The rules.
    pub sources: &'a Sources,
}

impl RunResult<'_> {
    fn steps(&self) -> Vec<&Step> {
        self.evaluation.plan.steps.iter().filter(|step| matters(&step.kind)).collect()
    }

    /// The evaluation as `--json` shows it.
    pub fn json(&self) -> Value {
        let steps = self.evaluation.plan.steps.iter();
        let steps: Vec<_> = steps.map(|step| StepReport::new(step, self.sources, None)).collect();
        json!({"outcome": outcome(&self.evaluation.plan), "steps": steps})
    }

    fn text(&self, out: &mut String, mark: &str, step: &Step, language: Language) {
        let _ = writeln!(out, "  {mark} {}", sentence(&step.kind, language));
        let _ = writeln!(out, "      {}", rule_text(step, self.sources, language));
    }
}

/// Whether the same happens to a message, whichever rules ask for it.
pub fn same(a: &Plan, b: &Plan) -> bool {
    let steps = |plan: &Plan| -> Vec<StepKind> {
        let steps = plan.steps.iter().map(|step| &step.kind);
        steps.filter(|step| matters(step)).map(plain).collect()
    };
    steps(a) == steps(b)
}

/// Whether a step matters for the message: log lines and what is remembered do not.
fn matters(step: &StepKind) -> bool {
    !matches!(step, StepKind::Log(_) | StepKind::Remember { .. } | StepKind::Skipped { .. })
}

/// The step in its plain form: `folder "INBOX"` is the inbox.
fn plain(step: &StepKind) -> StepKind {
    match step {
        StepKind::Deliver { as_, folder, flags } if *as_ != DeliveryWord::Copy => {
            let inbox =
                matches!(folder.parts.as_slice(), [one] if one.eq_ignore_ascii_case("INBOX"));
            let folder = if inbox { Folder::default() } else { folder.clone() };
            StepKind::Deliver { as_: DeliveryWord::Folder, folder, flags: flags.clone() }
        }
        other => other.clone(),
    }
}

/// The rule that asked for a step: file, line, label, text.
fn rule_text(step: &Step, sources: &Sources, language: Language) -> String {
    let Some(rule) = &step.rule else {
        return format!("({})", translated("end of the rules", language));
    };
    let file = escape(&sources.shown(sources.path(rule.span)));
    let label = rule.label.as_ref().map(|label| format!(" \"{}\"", escape(label)));
    let text = escape(&one_line(sources.text(rule.span)));
    format!("{file}:{}{}  {text}", rule.line, label.unwrap_or_default())
}

/// The steps of an evaluation, each with its rule, for people.
pub fn steps(result: RunResult<'_>, language: Language) -> String {
    let mut out = String::new();
    for step in result.steps() {
        result.text(&mut out, "=>", step, language);
    }
    out
}

/// A message that other rules handle differently, for people.
pub fn changed(
    label: &str,
    message: &Message,
    old: RunResult<'_>,
    new: RunResult<'_>,
    style: ReportStyle,
) -> String {
    let mut out = String::new();
    let paint = Paint(style.colour);
    head(&mut out, label, message, style);
    let (before, after) = (old.steps(), new.steps());
    // If only the order differs, everything is shown.
    let in_both = |step: &Step, others: &[&Step]| {
        others.iter().any(|other| plain(&other.kind) == plain(&step.kind))
    };
    let removed: Vec<_> = before.iter().filter(|step| !in_both(step, &after)).collect();
    let added: Vec<_> = after.iter().filter(|step| !in_both(step, &before)).collect();
    let all = removed.is_empty() && added.is_empty();
    for step in if all { before.iter().collect() } else { removed } {
        old.text(&mut out, &paint.red("-"), step, style.language);
    }
    for step in if all { after.iter().collect() } else { added } {
        new.text(&mut out, &paint.green("+"), step, style.language);
    }
    out
}

/// The same as `--json` shows it, on one line.
pub fn changed_json(label: &str, old: RunResult<'_>, new: RunResult<'_>) -> String {
    json_line(&json!({"message": label, "before": old.json(), "after": new.json()}))
}

/// A message that is not in the folder where the rules file it, for people.
pub fn elsewhere(
    label: &str,
    message: &Message,
    folder: &Folder,
    result: RunResult<'_>,
    style: ReportStyle,
) -> String {
    let mut out = String::new();
    let paint = Paint(style.colour);
    head(&mut out, label, message, style);
    row(&mut out, &style.say("is in"), &escape(&folder.to_string()));
    let steps = result.steps();
    let is_delivery =
        |step: &&&Step| !matches!(step.kind, StepKind::Edit(_) | StepKind::Filter { .. });
    for step in steps.iter().filter(is_delivery) {
        result.text(&mut out, &paint.bold("=>"), step, style.language);
    }
    out
}

/// The same as `--json` shows it, on one line.
pub fn elsewhere_json(label: &str, folder: &Folder, result: RunResult<'_>) -> String {
    let mut value = json!({"message": label, "folder": folder.to_string()});
    if let (Some(value), Value::Object(result)) = (value.as_object_mut(), result.json()) {
        value.extend(result);
    }
    json_line(&value)
}
