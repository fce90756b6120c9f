//! In the run of the site rules: which categories run, and what the message is told
//! of what they do.

use super::Evaluator;
use super::trace::{Looked, Tested, Verdict};
use crate::message::HeaderEdit;
use crate::plan::{DeliveryWord, RuleRef, Step, StepKind};
use crate::rules::check::FLAGS;
use crate::rules::program::{Action, Flags};
use crate::rules::rule_set::RuleSet;
use crate::source::Span;

/// The header that tells of what a site rule did.
pub const SITE_HEADER: &str = "X-Mfilter-Site";

impl Evaluator<'_> {
    /// A place in the rules, as it is known to plan and trace.
    pub(super) fn span(&self, span: Span) -> Span {
        match self.site_of {
            Some(rules) => Span { file: span.file + rules.first_site_file(), ..span },
            None => span,
        }
    }

    /// Whether the category of site rules runs; the trace says why it does not.
    pub(super) fn enter(&mut self, category: u32, span: Span, line: u32) -> bool {
        let program = self.conditions.program;
        let name = program.categories.get(category as usize).map(|category| category.name.as_str());
        self.progress.category = name.map(str::to_owned);
        let off = self.site_of.and_then(|rules| rules.why_off(category));
        if self.conditions.take_tests().is_some() {
            let verdict = off.clone().map_or(Verdict::Yes, Verdict::Skipped);
            let tests = off.iter().map(|why| Tested {
                span,
                verdict: Verdict::Skipped(why.clone()),
                why: why.clone(),
            });
            let tests = tests.collect();
            self.progress.trace.looked.push(Looked { span, line, depth: 0, verdict, tests });
        }
        off.is_none()
    }

    /// Tells the user on the message what a site rule did to it, if it did:
    /// `before` is how many steps there were.
    pub(super) fn tell(&mut self, before: usize, action: &Action, rule: &RuleRef) {
        if rule.category.is_none() {
            return;
        }
        let done: Vec<String> = match action {
            Action::Mark(flags) => vec![format!("mark {}", words(&super::native(flags)))],
            Action::Unmark(flags) => {
                vec![format!("unmark {}", words(&super::native(flags)))]
            }
            _ => {
                let new = self.progress.plan.steps.get(before..).unwrap_or_default();
                new.iter().filter_map(|step| done(&step.kind)).collect()
            }
        };
        self.tell_of(before, done, rule);
    }

    /// Puts a header for each thing that was done in front of a step.
    pub(super) fn tell_of(&mut self, before: usize, done: Vec<String>, rule: &RuleRef) {
        let Some(category) = rule.category.as_deref() else { return };
        let place = match &rule.label {
            Some(label) => label.clone(),
            None => self.place(rule),
        };
        let told = done.iter().map(|done| {
            let value = format!(
                "category={}; rule={}; action={}",
                quoted(category),
                quoted(&place),
                quoted(done)
            );
            let kind = StepKind::Edit(HeaderEdit::Add { name: SITE_HEADER.to_owned(), value });
            Step { kind, rule: Some(rule.clone()) }
        });
        self.progress.plan.steps.splice(before..before, told);
    }

    /// `site.mailrules:12`
    fn place(&self, rule: &RuleRef) -> String {
        let first = self.site_of.map_or(0, RuleSet::first_site_file);
        let file = rule.span.file.saturating_sub(first) as usize;
        let path = self.conditions.program.files.get(file).map_or("", |file| file.as_str());
        format!("{}:{}", path.rsplit('/').next().unwrap_or_default(), rule.line)
    }
}

/// What a step does to a message that somebody gets, in words; nothing for
/// what the log tells.
fn done(step: &StepKind) -> Option<String> {
    Some(match step {
        StepKind::Deliver { as_, folder, flags } => {
            let word = match as_ {
                DeliveryWord::Inbox if folder.parts.is_empty() => "inbox".to_owned(),
                DeliveryWord::Inbox => format!("inbox {folder}"),
                DeliveryWord::Folder => format!("folder {folder}"),
                DeliveryWord::Copy => format!("copy {folder}"),
            };
            match words(flags).as_str() {
                "" => word,
                flags => format!("{word} as {flags}"),
            }
        }
        StepKind::Edit(HeaderEdit::Add { name, .. }) => format!("add-header {name}"),
        StepKind::Edit(HeaderEdit::Set { name, .. }) => format!("set-header {name}"),
        StepKind::Edit(HeaderEdit::Remove { name }) => format!("remove-header {name}"),
        StepKind::Pipe { argv } => format!("pipe {}", first(argv)),
        StepKind::Run { argv } => format!("run {}", first(argv)),
        StepKind::Filter { argv, .. } => format!("filter {}", first(argv)),
        StepKind::Forward { copy: false, to, .. } => format!("forward {}", to.join(" ")),
        StepKind::Forward { copy: true, to, .. } => format!("forward copy {}", to.join(" ")),
        StepKind::Reply(reply) => format!("reply {}", reply.file),
        StepKind::EditList { add: true, list, entry, .. } => format!("add {entry} to {list}"),
        StepKind::EditList { add: false, list, entry, .. } => format!("remove {entry} from {list}"),
        StepKind::Discard { .. }
        | StepKind::Reject { .. }
        | StepKind::Defer { .. }
        | StepKind::Remember { .. }
        | StepKind::Skipped { .. }
        | StepKind::Log(_) => return None,
    })
}

fn first(argv: &[String]) -> &str {
    argv.first().map_or("", String::as_str)
}

fn words(flags: &Flags) -> String {
    let letters = FLAGS.iter().filter(|(_, letter)| flags.letters.contains(*letter));
    let words: Vec<&str> =
        letters.map(|(word, _)| *word).chain(flags.keywords.iter().map(String::as_str)).collect();
    words.join(" ")
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
