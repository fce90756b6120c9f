//! Plan + Trace → what `mfilter --test` shows, for people and as JSON.
//!
//! All text from a message is escaped here before it can reach a terminal.

pub mod log_stats;
pub mod diff;
pub mod summary;

use std::fmt::Write;

use serde::Serialize;

use crate::evaluate::{Evaluation, InspectedValue, Inspection, Looked, Verdict};
use crate::message::{HeaderEdit, Message};
use crate::plan::{DeliveryWord, Plan, RuleRef, Step, StepKind};
use crate::rules::program::Flags;
use crate::source::{Sources, Span};
use crate::text::{escape, json_line};
use crate::world::World;

/// How to draw.
#[derive(Debug, Clone, Copy, Default)]
pub struct Style {
    /// ANSI colours.
    pub colour: bool,
    /// Also show what the MTA says around the message.
    pub verbose: bool,
}

/// One block for people about one message.
pub fn text(
    label: &str,
    message: &Message,
    world: &World,
    evaluation: &Evaluation,
    sources: &Sources,
    style: Style,
) -> String {
    let mut out = String::new();
    let paint = Paint(style.colour);
    head(&mut out, label, message, paint);
    if style.verbose {
        let sender = world.envelope_sender(message).map(|sender| format!("<{sender}>"));
        let to = world.envelope_recipients(message).join(", ");
        let to = (!to.is_empty()).then(|| format!("to {to}"));
        let known: Vec<String> = [sender, to].into_iter().flatten().collect();
        let known = if known.is_empty() { "not known".to_owned() } else { known.join(" ") };
        let _ = writeln!(out, "  envelope {}", escape(&known));
    }
    for looked in &evaluation.trace.looked {
        rule(&mut out, looked, sources, paint);
    }
    for warning in &evaluation.trace.warnings {
        let _ = writeln!(out, "  note: {}", escape(warning));
    }
    for step in &evaluation.plan.steps {
        let by = step.rule.as_ref().map(|rule| format!("  ({})", place(rule, sources)));
        let what = paint.bold(&format!("=> {}", escape(&sentence(&step.kind))));
        let _ = writeln!(out, "  {what}{}", by.unwrap_or_else(|| "  (end of the rules)".into()));
    }
    out
}

/// Which message it is.
fn head(out: &mut String, label: &str, message: &Message, paint: Paint) {
    let _ = writeln!(out, "{}", paint.bold(&escape(label)));
    for (name, header) in [("from", "From"), ("subject", "Subject")] {
        let texts = message.texts(header);
        let value = texts.first().map_or("", |text| text.text());
        let _ = writeln!(out, "  {name:8} {}", escape(value));
    }
}

fn rule(out: &mut String, looked: &Looked, sources: &Sources, paint: Paint) {
    let verdict = match &looked.verdict {
        Verdict::Yes => paint.green("yes"),
        Verdict::No => paint.dim("no "),
        Verdict::Skipped(_) => paint.yellow("skipped"),
    };
    let indent = "  ".repeat(looked.depth);
    let text = one_line(sources.text(looked.span));
    let file = other_file(looked.span, sources);
    let _ = writeln!(out, "  {verdict} {file}{:>4}  {indent}{}", looked.line, escape(&text));
    for test in &looked.tests {
        let mark = match &test.verdict {
            Verdict::Yes => '+',
            Verdict::No => '-',
            Verdict::Skipped(_) => '?',
        };
        // A rule with one test shows it already.
        let line = match looked.tests.len() {
            1 => format!("{mark} {}", escape(&test.why)),
            _ => {
                let text = one_line(sources.text(test.span));
                format!("{mark} {}: {}", escape(&text), escape(&test.why))
            }
        };
        let _ = writeln!(out, "            {indent}{}", paint.dim(&line));
    }
}

/// `file:` for a rule that is not in the main file.
fn other_file(span: Span, sources: &Sources) -> String {
    match span.file {
        0 => String::new(),
        _ => format!("{}:", escape(&sources.shown(sources.path(span)))),
    }
}

/// Where a rule stands, for people who know which rules are meant.
pub fn place(rule: &RuleRef, sources: &Sources) -> String {
    let label = rule.label.as_ref().map(|label| format!(", rule \"{}\"", escape(label)));
    format!("{}line {}{}", other_file(rule.span, sources), rule.line, label.unwrap_or_default())
}

/// A step in the words of the language.
pub fn sentence(step: &StepKind) -> String {
    match step {
        StepKind::Deliver { as_, folder, flags } => {
            let flags = flags_words(flags);
            let flags = if flags.is_empty() { flags } else { format!(" as {flags}") };
            match as_ {
                DeliveryWord::Inbox if folder.parts.is_empty() => format!("inbox{flags}"),
                DeliveryWord::Inbox => format!("inbox \"{folder}\"{flags}"),
                DeliveryWord::Folder => format!("folder \"{folder}\"{flags}"),
                DeliveryWord::Copy => format!("copy \"{folder}\"{flags}"),
            }
        }
        StepKind::Discard { why: Some(why) } => format!("discard \"{why}\""),
        StepKind::Discard { why: None } => "discard".into(),
        StepKind::Reject { status, text } => format!("reject \"{status} {text}\""),
        StepKind::Defer { status, text } => format!("defer \"{status} {text}\""),
        StepKind::Edit(HeaderEdit::Add { name, value }) => {
            format!("add-header \"{name}\" \"{value}\"")
        }
        StepKind::Edit(HeaderEdit::Set { name, value }) => {
            format!("set-header \"{name}\" \"{value}\"")
        }
        StepKind::Edit(HeaderEdit::Remove { name }) => format!("remove-header \"{name}\""),
        StepKind::Log(text) => format!("log \"{text}\""),
        StepKind::Pipe { argv } => format!("pipe {}", quoted(argv)),
        StepKind::Run { argv } => format!("run {}", quoted(argv)),
        StepKind::Filter { argv, .. } => format!("filter {}", quoted(argv)),
        StepKind::Forward { copy, to, .. } => {
            format!("forward {}{}", if *copy { "copy " } else { "" }, quoted(to))
        }
        StepKind::Reply(reply) => format!("reply \"{}\" to <{}>", reply.file, reply.to),
        StepKind::EditList { add: true, list, entry, .. } => format!("add {entry} to {list}"),
        StepKind::EditList { add: false, list, entry, .. } => format!("remove {entry} from {list}"),
        StepKind::Remember { .. } => "remember it, for duplicate".into(),
        StepKind::Skipped { action, why } => format!("no {action}: {why}"),
    }
}

fn quoted(words: &[String]) -> String {
    words.iter().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(" ")
}

/// Flags as `as` takes them.
pub fn flags_words(flags: &Flags) -> String {
    let mut words = flag_list(flags);
    for word in words.iter_mut().filter(|word| word.starts_with('$')) {
        *word = format!("\"{word}\"");
    }
    words.join(" ")
}

/// Flags in the words of the language, keywords as they are.
pub fn flag_list(flags: &Flags) -> Vec<String> {
    let letters = flags.letters.chars().map(|letter| {
        match letter {
            'D' => "draft",
            'F' => "flagged",
            'P' => "passed",
            'R' => "replied",
            'S' => "seen",
            _ => "trashed",
        }
        .to_owned()
    });
    letters.chain(flags.keywords.iter().cloned()).collect()
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

/// Where a plan leads to, for the table at the end of a test of many messages.
pub fn destination(plan: &Plan) -> String {
    plan.steps.last().map_or_else(String::new, |step| match &step.kind {
        StepKind::Deliver { folder, .. } => folder.to_string(),
        _ => outcome(plan).to_owned(),
    })
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
        .looked
        .iter()
        .map(|looked| RuleReport {
            line: looked.line,
            file: file_name(looked.span, sources),
            result: result(&looked.verdict),
            skipped: skipped(&looked.verdict),
            tests: looked
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
struct MessageReport {
    message: String,
    outcome: &'static str,
    steps: Vec<StepReport>,
    trace: Vec<RuleReport>,
    warnings: Vec<String>,
}

#[derive(Serialize, Default)]
struct StepReport {
    action: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    folder: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    flags: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    command: Option<Vec<String>>,
    /// Whether a filter's message took the place of the old one.
    #[serde(skip_serializing_if = "Option::is_none")]
    applied: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sender: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<Vec<String>>,
    rule: Option<RuleRefReport>,
}

#[derive(Serialize)]
struct RuleRefReport {
    file: String,
    line: u32,
    label: Option<String>,
    /// Of site rules.
    #[serde(skip_serializing_if = "Option::is_none")]
    category: Option<String>,
    text: String,
}

#[derive(Serialize)]
struct RuleReport {
    line: u32,
    file: String,
    /// Null where the rule could not be evaluated.
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

impl StepReport {
    fn new(step: &Step, sources: &Sources, path: Option<String>) -> StepReport {
        let rule = step.rule.as_ref().map(|rule| RuleRefReport::new(rule, sources));
        let base = StepReport { rule, path, ..StepReport::default() };
        match &step.kind {
            StepKind::Deliver { as_, folder, flags } => StepReport {
                action: match as_ {
                    DeliveryWord::Inbox => "inbox",
                    DeliveryWord::Folder => "folder",
                    DeliveryWord::Copy => "copy",
                },
                folder: Some(folder.to_string()),
                flags: Some(flag_list(flags)),
                ..base
            },
            StepKind::Discard { why } => {
                StepReport { action: "discard", text: why.clone(), ..base }
            }
            StepKind::Reject { status, text } => StepReport {
                action: "reject",
                status: Some(status.clone()),
                text: Some(text.clone()),
                ..base
            },
            StepKind::Defer { status, text } => StepReport {
                action: "defer",
                status: Some(status.clone()),
                text: Some(text.clone()),
                ..base
            },
            StepKind::Edit(edit) => {
                let (action, name, text) = match edit {
                    HeaderEdit::Add { name, value } => ("add-header", name, Some(value)),
                    HeaderEdit::Set { name, value } => ("set-header", name, Some(value)),
                    HeaderEdit::Remove { name } => ("remove-header", name, None),
                };
                StepReport { action, name: Some(name.clone()), text: text.cloned(), ..base }
            }
            StepKind::Log(text) => StepReport { action: "log", text: Some(text.clone()), ..base },
            StepKind::Pipe { argv } => {
                StepReport { action: "pipe", command: Some(argv.clone()), ..base }
            }
            StepKind::Run { argv } => {
                StepReport { action: "run", command: Some(argv.clone()), ..base }
            }
            StepKind::Filter { argv, applied } => StepReport {
                action: "filter",
                command: Some(argv.clone()),
                applied: Some(*applied),
                ..base
            },
            StepKind::Forward { copy, sender, to, .. } => StepReport {
                action: if *copy { "forward-copy" } else { "forward" },
                sender: Some(sender.clone()),
                to: Some(to.clone()),
                ..base
            },
            StepKind::Reply(reply) => StepReport {
                action: "reply",
                to: Some(vec![reply.to.clone()]),
                name: Some(reply.file.clone()),
                text: Some(reply.body.clone()),
                ..base
            },
            StepKind::EditList { add, list, entry, path: file } => StepReport {
                action: if *add { "add" } else { "remove" },
                name: Some(list.clone()),
                text: Some(entry.clone()),
                path: Some(file.display().to_string()),
                ..base
            },
            StepKind::Remember { .. } => StepReport { action: "remember", ..base },
            StepKind::Skipped { action, why } => StepReport {
                action: "skipped",
                name: Some((*action).to_owned()),
                text: Some(why.clone()),
                ..base
            },
        }
    }
}

/// One block for people about what is known of a message.
pub fn inspection(label: &str, found: &Inspection, colour: bool) -> String {
    const LONGEST: usize = 200;
    const MOST: usize = 20;
    let paint = Paint(colour);
    let mut out = format!("{}\n", paint.bold(&escape(label)));
    let line = |out: &mut String, name: &str, value: &str| {
        let value = value.replace('\n', " ");
        let cut = value.char_indices().nth(LONGEST).map(|(end, _)| format!("{}…", &value[..end]));
        let _ = writeln!(out, "  {name:18}{}", escape(&cut.unwrap_or(value)));
    };
    for (name, values) in &found.fields {
        for (number, value) in values.iter().take(MOST).enumerate() {
            line(&mut out, if number == 0 { name } else { "" }, &value.text);
        }
        if values.len() > MOST {
            line(&mut out, "", &format!("({} more)", values.len() - MOST));
        }
    }
    let mut section = |title: &str, lines: Vec<(&str, &str)>| {
        if !lines.is_empty() {
            let _ = writeln!(out, "{}", paint.bold(title));
        }
        for (name, value) in lines {
            line(&mut out, name, value);
        }
    };
    let known = found.classifiers.iter().map(|(name, why)| (*name, why.as_str()));
    section("classifiers that hold", known.collect());
    section("results believed", found.believed.iter().map(|used| ("", used.as_str())).collect());
    let ignored: Vec<String> =
        found.ignored.iter().map(|each| format!("{}: {}", each.why, each.header)).collect();
    section("results ignored", ignored.iter().map(|why| ("", why.as_str())).collect());
    section("notes", found.warnings.iter().map(|note| ("", note.as_str())).collect());
    out
}

/// What is known of a message as `--json` shows it, on one line. A field
/// has a list of values, but for those that only ever have one; sizes are in
/// bytes, ages in seconds.
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
        .map(|each| json!({"header": each.header, "believed": false, "why": each.why}));
    let report = json!({
        "message": label,
        "fields": fields,
        "classifiers": classifiers,
        "results": believed.chain(ignored).collect::<Vec<_>>(),
        "warnings": found.warnings,
    });
    json_line(&report) + "\n"
}

/// Fields that have one value at most.
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

fn result(verdict: &Verdict) -> Option<bool> {
    match verdict {
        Verdict::Yes => Some(true),
        Verdict::No => Some(false),
        Verdict::Skipped(_) => None,
    }
}

fn skipped(verdict: &Verdict) -> Option<String> {
    match verdict {
        Verdict::Skipped(why) => Some(why.clone()),
        _ => None,
    }
}

/// White space folded: a rule over several lines becomes one.
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
