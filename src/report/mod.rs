//! What `mfilter --test` shows of a plan and its trace, for people and as JSON.
//!
//! All text from a message is escaped here before it can reach a terminal.

pub mod diff;
pub mod log_stats;
mod stats_html;
pub mod stats_text;
pub mod summary;

use std::borrow::Cow;
use std::fmt::Write;

use serde::Serialize;
use unicode_width::UnicodeWidthStr;

use crate::evaluate::{Evaluation, IGNORED, InspectedValue, Inspection, RuleTrace, TestVerdict};
use crate::language::Language;
use crate::message::Message;
use crate::plan::{Plan, RuleRef, Step, StepKind, StepWords};
use crate::source::{Sources, Span};
use crate::text::{escape, json_line, shown_sentence, shown_value};
use crate::translation::translated;
use crate::world::World;

/// How to draw reports.
#[derive(Debug, Clone, Copy, Default)]
pub struct ReportStyle {
    /// ANSI colours.
    pub colour: bool,
    /// Whether to show also what the MTA reports around the message.
    pub verbose: bool,
    /// The language of what is said about messages.
    pub language: Language,
}

impl ReportStyle {
    fn say(self, text: &str) -> Cow<'_, str> {
        translated(text, self.language)
    }
}

/// A block of text for people about one message; without a label, its first line is left out.
pub fn text(
    label: &str,
    message: &Message,
    world: &World,
    evaluation: &Evaluation,
    sources: &Sources,
    style: ReportStyle,
) -> String {
    let mut out = String::new();
    let paint = Paint(style.colour);
    head(&mut out, label, message, style);
    if style.verbose {
        let sender = world.envelope_sender(message).map(|sender| format!("<{sender}>"));
        let to = world.envelope_recipients(message).join(", ");
        let to = (!to.is_empty()).then(|| format!("{} {to}", style.say("to")));
        let known: Vec<String> = [sender, to].into_iter().flatten().collect();
        let known = match known.is_empty() {
            true => style.say("not reported").into_owned(),
            false => known.join(" "),
        };
        row(&mut out, &style.say("envelope"), &shown_sentence(&known));
    }
    for trace in &evaluation.trace.rules {
        rule(&mut out, trace, sources, style);
    }
    for warning in &evaluation.trace.warnings {
        let note = shown_sentence(&style.say(warning));
        let _ = writeln!(out, "  {}: {note}", style.say("note"));
    }
    for step in &evaluation.plan.steps {
        let what = paint.bold(&format!("=> {}", sentence(&step.kind, style.language)));
        let by = match &step.rule {
            Some(rule) => place(rule, sources, style.language),
            None => style.say("end of the rules").into_owned(),
        };
        let _ = writeln!(out, "  {what}  ({by})");
    }
    out
}

/// Which message it is.
fn head(out: &mut String, label: &str, message: &Message, style: ReportStyle) {
    if !label.is_empty() {
        let _ = writeln!(out, "{}", Paint(style.colour).bold(&escape(label)));
    }
    for (name, header) in [(style.say("from"), "From"), (style.say("subject"), "Subject")] {
        let texts = message.texts(header);
        let value = texts.first().map_or("", |text| text.text());
        row(out, &name, &shown_value(value));
    }
}

/// A name and its value, the values below one another.
pub fn row(out: &mut String, name: &str, value: &str) {
    let _ = writeln!(out, "  {} {value}", padded(name, 8));
}

/// A text with blanks after it, as wide as these columns of a terminal.
fn padded(text: &str, columns: usize) -> String {
    format!("{text}{}", " ".repeat(columns.saturating_sub(text.width())))
}

/// The same with the blanks before it.
fn padded_before(text: &str, columns: usize) -> String {
    format!("{}{text}", " ".repeat(columns.saturating_sub(text.width())))
}

/// A step for people: in the words of the rules, which are in no language, unless it is
/// none of them.
pub fn sentence(step: &StepKind, language: Language) -> String {
    let sentence = step.sentence();
    match step {
        StepKind::Skipped { .. } | StepKind::Remember { .. } => {
            shown_sentence(&translated(&sentence, language))
        }
        _ => shown_sentence(&sentence),
    }
}

/// Why a test has its result. The text of a header in it is not translated.
fn why(text: &str, language: Language) -> String {
    let mut pieces = text.split(IGNORED);
    let mut out = translated(pieces.next().unwrap_or_default(), language).into_owned();
    for piece in pieces {
        // Where the header ends and the reason begins.
        let reasons = piece.match_indices(": ").map(|(at, colon)| piece.split_at(at + colon.len()));
        let reason = reasons
            .map(|(header, why)| (header, translated(why, language)))
            .find(|(_, why)| matches!(why, Cow::Owned(_)));
        let (header, why) = reason.unwrap_or((piece, Cow::Borrowed("")));
        let _ = write!(out, "{}{header}{why}", translated(IGNORED, language));
    }
    shown_sentence(&out)
}

fn rule(out: &mut String, trace: &RuleTrace, sources: &Sources, style: ReportStyle) {
    let paint = Paint(style.colour);
    let say = |text| style.say(text);
    let verdicts = [say("yes"), say("no"), say("skipped")];
    // In English the third is longer than the others, and rare.
    let wide = verdicts.iter().take(2).map(|verdict| verdict.width()).max().unwrap_or(0);
    let [yes, no, skipped] = verdicts.map(|verdict| padded(&verdict, wide));
    let verdict = match &trace.verdict {
        TestVerdict::Yes => paint.green(&yes),
        TestVerdict::No => paint.dim(&no),
        TestVerdict::Skipped(_) => paint.yellow(&skipped),
    };
    let indent = "  ".repeat(trace.depth);
    let text = one_line(sources.text(trace.span));
    let file = other_file(trace.span, sources);
    let _ = writeln!(out, "  {verdict} {file}{:>4}  {indent}{}", trace.line, escape(&text));
    for test in &trace.tests {
        let mark = match &test.verdict {
            TestVerdict::Yes => '+',
            TestVerdict::No => '-',
            TestVerdict::Skipped(_) => '?',
        };
        let why = why(&test.why, style.language);
        // A rule with one test shows the test already.
        let line = match trace.tests.len() {
            1 => format!("{mark} {why}"),
            _ => {
                let text = one_line(sources.text(test.span));
                format!("{mark} {}: {why}", escape(&text))
            }
        };
        let below_the_rule = " ".repeat(wide + 9);
        let _ = writeln!(out, "{below_the_rule}{indent}{}", paint.dim(&line));
    }
}

/// `file:` for a rule that is not in the main file.
fn other_file(span: Span, sources: &Sources) -> String {
    match span.file {
        0 => String::new(),
        _ => format!("{}:", escape(&sources.shown(sources.path(span)))),
    }
}

/// Where a rule is, for people who know which rules are meant.
pub fn place(rule: &RuleRef, sources: &Sources, language: Language) -> String {
    let place = match &rule.label {
        Some(label) => format!("line {}, rule \"{label}\"", rule.line),
        None => format!("line {}", rule.line),
    };
    other_file(rule.span, sources) + &escape(&translated(&place, language))
}

/// What happens to the message in the end, as one word of `MessageReport::outcome`.
pub fn outcome(plan: &Plan) -> &'static str {
    plan.steps
        .iter()
        .rev()
        .find_map(|step| match step.kind {
            StepKind::Discard { .. } => Some("discard"),
            StepKind::Reject { .. } => Some("reject"),
            StepKind::Defer { .. } => Some("defer"),
            StepKind::Deliver { .. } => Some("deliver"),
            StepKind::Pipe { .. } => Some("pipe"),
            StepKind::Forward { copy: false, .. } => Some("forward"),
            _ => None,
        })
        .unwrap_or("deliver")
}

/// Where a plan files its message, for the table at the end of a test of many messages.
pub fn destination(plan: &Plan) -> String {
    match plan.home_step().or(plan.steps.last()).map(|step| &step.kind) {
        Some(StepKind::Deliver { folder, .. }) => folder.to_string(),
        Some(_) => outcome(plan).to_owned(),
        None => String::new(),
    }
}

/// One message as `--json` shows it, on one line.
pub fn json(
    label: &str,
    evaluation: &Evaluation,
    sources: &Sources,
    path: &dyn Fn(&Step) -> Option<String>,
) -> String {
    let steps = evaluation
        .plan
        .steps
        .iter()
        .map(|step| StepReport::new(step, sources, path(step)))
        .collect();
    let trace = evaluation
        .trace
        .rules
        .iter()
        .map(|rule| RuleReport {
            line: rule.line,
            file: file_name(rule.span, sources),
            result: result(&rule.verdict),
            skipped: skipped(&rule.verdict),
            tests: rule
                .tests
                .iter()
                .map(|test| TestReport {
                    text: one_line(sources.text(test.span)),
                    result: result(&test.verdict),
                    why: test.why.clone(),
                })
                .collect(),
        })
        .collect();
    let report = MessageReport {
        message: label.to_owned(),
        outcome: outcome(&evaluation.plan),
        steps,
        trace,
        warnings: evaluation.trace.warnings.clone(),
    };
    json_line(&report)
}

#[derive(Serialize)]
struct MessageReport<'s> {
    message: String,
    outcome: &'static str,
    steps: Vec<StepReport<'s>>,
    trace: Vec<RuleReport>,
    warnings: Vec<String>,
}

#[derive(Serialize)]
struct StepReport<'s> {
    #[serde(flatten)]
    words: StepWords<'s>,
    rule: Option<RuleRefReport>,
}

#[derive(Serialize)]
struct RuleRefReport {
    file: String,
    line: u32,
    label: Option<String>,
    /// The category of a site rule.
    #[serde(skip_serializing_if = "Option::is_none")]
    category: Option<String>,
    text: String,
}

#[derive(Serialize)]
struct RuleReport {
    line: u32,
    file: String,
    /// Null if the rule could not be evaluated.
    result: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    skipped: Option<String>,
    tests: Vec<TestReport>,
}

#[derive(Serialize)]
struct TestReport {
    text: String,
    result: Option<bool>,
    why: String,
}

impl RuleRefReport {
    fn new(rule: &RuleRef, sources: &Sources) -> RuleRefReport {
        RuleRefReport {
            file: file_name(rule.span, sources),
            line: rule.line,
            label: rule.label.clone(),
            category: rule.category.clone(),
            text: one_line(sources.text(rule.span)),
        }
    }
}

impl StepReport<'_> {
    fn new<'s>(step: &'s Step, sources: &Sources, path: Option<String>) -> StepReport<'s> {
        let rule = step.rule.as_ref().map(|rule| RuleRefReport::new(rule, sources));
        let mut words = step.kind.words();
        words.path = path.or(words.path);
        StepReport { words, rule }
    }
}

/// A block of text for people with what is known about a message.
pub fn inspection(label: &str, found: &Inspection, style: ReportStyle) -> String {
    const MOST: usize = 20;
    let paint = Paint(style.colour);
    let mut out = format!("{}\n", paint.bold(&escape(label)));
    let line = |out: &mut String, name: &str, value: &str| {
        let _ = writeln!(out, "  {name:17} {}", shown_value(value));
    };
    for (name, values) in &found.fields {
        for (number, value) in values.iter().take(MOST).enumerate() {
            line(&mut out, if number == 0 { name } else { "" }, &value.text);
        }
        if values.len() > MOST {
            line(&mut out, "", &style.say(&format!("({} more)", values.len() - MOST)));
        }
    }
    let mut section = |title: &str, lines: Vec<(&str, Cow<'_, str>)>| {
        if !lines.is_empty() {
            let _ = writeln!(out, "{}", paint.bold(&style.say(title)));
        }
        for (name, value) in lines {
            line(&mut out, name, &value);
        }
    };
    let known = found.classifiers.iter().map(|(name, why)| (*name, style.say(why)));
    section("classifiers that match", known.collect());
    let believed = found.believed.iter().map(|used| ("", style.say(used)));
    section("results believed", believed.collect());
    let ignored = found.ignored.iter().map(|header| {
        let reason = style.say(&header.why);
        ("", Cow::Owned(format!("{reason}: {}", header.header)))
    });
    section("results ignored", ignored.collect());
    section("notes", found.warnings.iter().map(|note| ("", style.say(note))).collect());
    out
}

/// What is known about a message as `--json` shows it, on one line. A field has a list of
/// values, except those that only ever have one; sizes are in bytes, ages in seconds.
pub fn inspection_json(label: &str, found: &Inspection) -> String {
    use serde_json::{Map, Value, json};
    let fields: Map<String, Value> = found
        .fields
        .iter()
        .map(|(name, values)| {
            let one = |value: &InspectedValue| match value.number {
                Some(number) if number.fract() == 0.0 => json!(number as i64),
                Some(number) => json!(number),
                None => json!(value.text),
            };
            let value = match values.as_slice() {
                [single] if SINGLE.contains(name) => one(single),
                _ => values.iter().map(one).collect(),
            };
            ((*name).to_owned(), value)
        })
        .collect();
    let classifiers: Map<String, Value> =
        found.classifiers.iter().map(|(name, why)| ((*name).to_owned(), json!(why))).collect();
    let believed = found.believed.iter().map(|header| json!({"header": header, "believed": true}));
    let ignored = found
        .ignored
        .iter()
        .map(|header| json!({"header": header.header, "believed": false, "why": header.why}));
    let report = json!({
        "message": label,
        "fields": fields,
        "classifiers": classifiers,
        "results": believed.chain(ignored).collect::<Vec<_>>(),
        "warnings": found.warnings,
    });
    json_line(&report) + "\n"
}

/// Fields that have at most one value.
const SINGLE: [&str; 24] = [
    "now",
    "time",
    "weekday",
    "subject",
    "message-id",
    "list-id",
    "list-name",
    "spf",
    "dkim",
    "dmarc",
    "arc",
    "iprev",
    "spf.domain",
    "spam-score",
    "client.ip",
    "client.host",
    "client.helo",
    "size",
    "attachments",
    "recipients",
    "age",
    "date",
    "extension",
    "user",
];

fn file_name(span: Span, sources: &Sources) -> String {
    sources.path(span).display().to_string()
}

fn result(verdict: &TestVerdict) -> Option<bool> {
    match verdict {
        TestVerdict::Yes => Some(true),
        TestVerdict::No => Some(false),
        TestVerdict::Skipped(_) => None,
    }
}

fn skipped(verdict: &TestVerdict) -> Option<String> {
    match verdict {
        TestVerdict::Skipped(why) => Some(why.clone()),
        _ => None,
    }
}

/// Text with white space folded, so that a rule over several lines becomes one line.
pub fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// ANSI colours, or none.
#[derive(Clone, Copy)]
struct Paint(bool);

impl Paint {
    fn code(self, code: &str, text: &str) -> String {
        if self.0 { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    fn bold(self, text: &str) -> String {
        self.code("1", text)
    }

    fn dim(self, text: &str) -> String {
        self.code("2", text)
    }

    fn red(self, text: &str) -> String {
        self.code("31", text)
    }

    fn green(self, text: &str) -> String {
        self.code("32", text)
    }

    fn yellow(self, text: &str) -> String {
        self.code("33", text)
    }
}
