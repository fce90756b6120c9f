//! The text of the log's lines.

use std::fmt::Write;

use super::LogEntry;
use crate::deliver::StoredCopy;
use crate::outcome::Outcome;
use crate::plan::{DeliveryWord, RuleRef, Step, StepKind};
use crate::text::{is_invisible, push_json_escape};

/// The longest value, bytes: RFC 5322 §2.1.1 allows a line 998.
pub(super) const VALUE_MAX: usize = 998;

/// The lines about a message, without the time.
pub(super) fn lines(entry: &LogEntry<'_>) -> Vec<String> {
    let steps = &entry.plan.steps;
    let mut lines = Vec::new();
    for step in steps {
        if let StepKind::Log(text) = &step.kind {
            lines.push(entry.line("log", Some(step), &[("text", text)]));
        }
    }
    for step in steps {
        if let StepKind::Skipped { .. } = &step.kind {
            lines.push(entry.line("note", Some(step), &[("text", &step.kind.sentence())]));
        }
    }
    lines.extend(entry.report.stored.iter().map(|stored| entry.stored_line(stored)));
    for step in entry.report.done.iter().filter_map(|number| steps.get(*number)) {
        if let Some((word, name, value)) = step.kind.log_words() {
            lines.push(entry.line(word, Some(step), &[(name, &value)]));
        }
    }
    lines.extend(entry.outcome_line());
    for note in &entry.report.notes {
        lines.push(entry.line("note", None, &[("text", note)]));
    }
    lines.extend(entry.remarks.iter().map(|text| remark(text)));
    lines
}

impl LogEntry<'_> {
    /// A line about the message, and the step that asked for what it says.
    fn line(&self, word: &str, step: Option<&Step>, fields: &[(&str, &str)]) -> String {
        let mut line = String::from(word);
        for (name, value) in fields {
            field(&mut line, name, value);
        }
        if let Some(rule) = step.and_then(|step| step.rule.as_ref()) {
            field(&mut line, "rule", &place(rule, self.files));
            if let Some(label) = &rule.label {
                field(&mut line, "label", label);
            }
            if let Some(category) = &rule.category {
                field(&mut line, "category", category);
            }
        }
        field(&mut line, "id", self.message_id);
        if let Some(from) = self.envelope_from {
            field(&mut line, "from", from);
        }
        if !self.envelope_to.is_empty() {
            field(&mut line, "for", &self.envelope_to.join(", "));
        }
        if let Some(duration) = self.duration {
            let _ = write!(line, " ms={:.1}", duration.as_secs_f64() * 1000.0);
        }
        line
    }

    /// The line about a copy that was stored.
    fn stored_line(&self, stored: &StoredCopy) -> String {
        let step = stored.step.and_then(|number| self.plan.steps.get(number));
        let word = match step.map(|step| &step.kind) {
            _ if self.was.is_some() => "moved",
            Some(StepKind::Deliver { as_: DeliveryWord::Copy, .. }) => "copied",
            _ => "delivered",
        };
        let folder = stored.folder.to_string();
        let file = stored.path.as_deref().map(|path| path.file_name().unwrap_or_default());
        let file = file.map(|name| name.to_string_lossy());
        let hash = stored.hash.map(|hash| format!("{hash:016x}"));
        let mut fields = vec![("folder", folder.as_str())];
        fields.extend(self.was.map(|was| ("was", was)));
        fields.extend(file.as_deref().map(|name| ("file", name)));
        fields.extend(hash.as_deref().map(|hash| ("hash", hash)));
        self.line(word, step, &fields)
    }

    /// The line about an outcome other than a delivery.
    fn outcome_line(&self) -> Option<String> {
        let end = self.plan.steps.last();
        match &self.report.outcome {
            Outcome::Delivered => None,
            Outcome::Discarded => {
                let why = match end.map(|step| &step.kind) {
                    Some(StepKind::Discard { why }) => why.as_deref().unwrap_or_default(),
                    _ => "",
                };
                Some(self.line("discarded", end, &[("text", why)]))
            }
            Outcome::Refused { status, text } => {
                Some(self.line("refused", end, &[("status", status), ("text", text)]))
            }
            Outcome::Deferred { status, text } => {
                // A deferral after a failure was not asked for by a rule.
                let rule = end.filter(|step| matches!(step.kind, StepKind::Defer { .. }));
                Some(self.line("deferred", rule, &[("status", status), ("text", text)]))
            }
        }
    }
}

/// A line about something other than a message.
pub(super) fn remark(text: &str) -> String {
    let mut line = String::from("note");
    field(&mut line, "text", text);
    line
}

/// Where a rule is: `file:line`.
pub fn place(rule: &RuleRef, files: &[&str]) -> String {
    match files.get(rule.span.file as usize) {
        Some(file) => format!("{file}:{}", rule.line),
        None => rule.line.to_string(),
    }
}

/// A line with these fields; one without a value is left out.
pub(super) fn line_of(word: &str, fields: &[(&str, Option<&str>)]) -> String {
    let mut line = String::from(word);
    for (name, value) in fields {
        if let Some(value) = value {
            field(&mut line, name, value);
        }
    }
    line
}

/// Adds a field to a line; long values are cut.
pub(super) fn field(line: &mut String, name: &str, value: &str) {
    let _ = write!(line, " {name}=\"");
    let start = line.len();
    for character in value.chars() {
        if line.len() - start >= VALUE_MAX {
            line.push('…');
            break;
        }
        match character {
            '"' | '\\' => {
                line.push('\\');
                line.push(character);
            }
            _ if is_invisible(character) => push_json_escape(line, character),
            _ => line.push(character),
        }
    }
    line.push('"');
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::time::Duration;

    use super::*;
    use crate::deliver::DeliveryReport;
    use crate::flags::Flags;
    use crate::plan::{Folder, Plan};
    use crate::source::Span;

    fn step(kind: StepKind, line: u32, label: Option<&str>) -> Step {
        let rule = RuleRef {
            span: Span::default(),
            line,
            label: label.map(str::to_string),
            category: None,
        };
        Step { kind, rule: Some(rule) }
    }

    fn report(outcome: Outcome) -> DeliveryReport {
        DeliveryReport::of(outcome)
    }

    fn entry<'a>(plan: &'a Plan, report: &'a DeliveryReport) -> LogEntry<'a> {
        LogEntry {
            plan,
            report,
            files: &["~/.mailrules"],
            message_id: "<1@a.example>",
            envelope_from: Some(""),
            envelope_to: &[],
            was: None,
            remarks: &[],
            duration: Some(Duration::from_micros(3140)),
        }
    }

    #[test]
    fn copies_and_the_end_have_a_line_each() {
        let folder = Folder { parts: vec!["A".into(), "迷惑".into()] };
        let deliver =
            |as_| StepKind::Deliver { as_, folder: folder.clone(), flags: Flags::default() };
        let plan = Plan {
            steps: vec![
                step(StepKind::Log("seen \"x\"".into()), 1, None),
                step(deliver(DeliveryWord::Copy), 2, None),
                step(deliver(DeliveryWord::Folder), 3, Some("team")),
            ],
        };
        let mut report = report(Outcome::Delivered);
        for number in [1, 2] {
            let path = PathBuf::from("/m/new/1.x,S=2");
            report.stored.push(StoredCopy {
                step: Some(number),
                folder: folder.clone(),
                path: Some(path),
                hash: Some(u64::from(number == 1) << 8),
            });
        }
        report.notes.push("odd".into());
        let rest = r#"id="<1@a.example>" from="" for="taro@a.example" ms=3.1"#;
        let to = ["taro@a.example".to_owned()];
        let entry = LogEntry { envelope_to: &to, remarks: &["odd site"], ..entry(&plan, &report) };
        assert_eq!(
            lines(&entry),
            [
                format!(r#"log text="seen \"x\"" rule="~/.mailrules:1" {rest}"#),
                format!(
                    r#"copied folder="A/迷惑" file="1.x,S=2" hash="0000000000000100" rule="~/.mailrules:2" {rest}"#
                ),
                format!(
                    r#"delivered folder="A/迷惑" file="1.x,S=2" hash="0000000000000000" rule="~/.mailrules:3" label="team" {rest}"#
                ),
                format!(r#"note text="odd" {rest}"#),
                r#"note text="odd site""#.to_owned(),
            ]
        );
    }

    #[test]
    fn nothing_forges_a_line_or_a_field() {
        let discard = StepKind::Discard { why: Some("a\"\nb\u{202e}\u{9b}\u{2028}\\".into()) };
        let plan = Plan { steps: vec![step(discard, 7, None)] };
        let report = report(Outcome::Discarded);
        let mut entry = entry(&plan, &report);
        let long = format!("\r\n{}", "あ".repeat(10_000));
        entry.message_id = &long;
        entry.envelope_from = None;
        let lines = lines(&entry);
        assert_eq!(lines.len(), 1);
        let text = r#"discarded text="a\"\u000ab\u202e\u009b\u2028\\" rule="~/.mailrules:7" id="\u000d\u000a"#;
        assert!(lines[0].starts_with(text), "{}", lines[0]);
        assert!(lines[0].len() < 2000 && !lines[0].contains('\n'));
        let value = r#""a\"\u000ab\u202e\u009b\u2028\\""#;
        let back: String = serde_json::from_str(value).unwrap();
        assert_eq!(back, "a\"\nb\u{202e}\u{9b}\u{2028}\\");
    }

    #[test]
    fn a_failure_is_not_put_down_to_a_rule() {
        let plan = Plan { steps: vec![step(StepKind::Discard { why: None }, 7, None)] };
        let report = report(Outcome::deferred("cannot"));
        let lines = lines(&entry(&plan, &report));
        assert!(lines[0].starts_with(r#"deferred status="4.3.0" text="cannot" id="#), "{lines:?}");
    }
}
