//! The site rules' run, before the user's: which categories run, and what is
//! told of what they do. Plan, flags and trace go on into the user's run.

use super::trace::{Looked, Tested, Verdict};
use super::{Detail, Evaluation, Filtered, Next, Run};
use crate::message::{HeaderEdit, Message};
use crate::plan::{DeliveryWord, Plan, RuleRef, Step, StepKind};
use crate::rules::check::FLAGS;
use crate::rules::program::{Action, CompiledProgram, Flags, Layout};
use crate::rules::switch::{By, Switches, marks, said_in};
use crate::source::Span;
use crate::world::World;

/// The header that tells of what a site rule did.
pub const SITE_HEADER: &str = "X-Mfilter-Site";

/// Site rules and what of them is switched on.
#[derive(Clone, Copy)]
pub struct Site<'a> {
    /// The rules.
    pub program: &'a CompiledProgram,
    /// What is on.
    pub switches: &'a Switches,
    /// The user's rules, by whose settings folders are laid out.
    pub user: &'a CompiledProgram,
}

/// All rules that a message goes through.
#[derive(Clone, Copy)]
pub struct Rules<'a> {
    /// The site's; none if there are none.
    pub site: Option<Site<'a>>,
    /// What is on.
    pub switches: &'a Switches,
    /// The user's own.
    pub user: &'a CompiledProgram,
}

/// What site rules have planned so far.
#[derive(Debug, Clone, Default)]
pub struct Begun {
    pub(super) plan: Plan,
    pub(super) trace: super::Trace,
    pub(super) flags: Flags,
    /// Nothing is left for the user's rules to say.
    pub ended: bool,
    /// Site rules ask for duplicates.
    pub(super) duplicates: bool,
}

impl Begun {
    /// Where the site rules ended the way.
    pub fn into_evaluation(self) -> Evaluation {
        Evaluation { plan: self.plan, trace: self.trace }
    }
}

impl Site<'_> {
    /// At least one category runs.
    pub fn in_force(&self) -> bool {
        self.switches.categories.iter().any(|category| category.on)
    }

    /// The number that the first file of the site rules has in the spans of
    /// plan and trace: they stand behind the user's.
    pub fn first_file(&self) -> u32 {
        first_site_file(self.user)
    }

    pub(super) fn layout(&self) -> &Layout {
        &self.user.settings.layout
    }

    /// Why a category does not run; nothing if it does.
    pub(super) fn off(&self, category: u32) -> Option<String> {
        let switched = self.switches.categories.get(category as usize)?;
        if switched.on {
            return None;
        }
        Some(match switched.by {
            By::Rules(word) => {
                let (file, line) = said_in(self.user, word);
                format!("switched off in {file}, line {line}")
            }
            By::Command => "switched off by `mfilter isp-filter`".into(),
            By::Default | By::Mandatory => "off unless it is switched on".into(),
        })
    }
}

/// See [`Site::first_file`].
pub fn first_site_file(user: &CompiledProgram) -> u32 {
    user.files.len().max(1) as u32
}

impl Rules<'_> {
    /// Starts the site rules over a message as it came; nothing if none would
    /// do anything.
    pub fn start_site(&self, message: &Message, world: &World, detail: Detail) -> Option<Next> {
        let site = self.site?;
        if detail != Detail::Trace && !site.in_force() {
            return None;
        }
        Some(super::start(Begun::default(), Some(site), site.program, message, world, detail))
    }

    /// The message as the user's rules see it and as it is delivered: without
    /// the marks of what is off. A body that nothing else asks for stays
    /// unread, but where a report may be around the message.
    pub fn unmarked(&self, message: Message, begun: &mut Begun) -> Message {
        let program = self.site.map(|site| site.program);
        let mut marks = marks(program, &self.user.settings, self.switches);
        if self.site.is_some_and(|site| site.in_force()) {
            marks.forged.push(SITE_HEADER);
        }
        let (message, taken) = message.unmarked(&marks);
        for what in taken {
            let note = format!("taken off: {what}");
            if !begun.trace.warnings.contains(&note) {
                begun.trace.warnings.push(note);
            }
        }
        message
    }
}

/// Runs all rules over a message, the site's first. No `filter` is run. Gives
/// the message as it is to be delivered, too.
pub fn evaluate_rules(
    rules: Rules<'_>,
    message: Message,
    world: &World,
    detail: Detail,
) -> (Evaluation, Message) {
    let mut begun = Begun::default();
    let mut next = rules.start_site(&message, world, detail);
    if let Some(site) = rules.site {
        while let Some(now) = next {
            next = match now {
                Next::Filter(paused) => {
                    let came = Filtered::NotRun;
                    Some(paused.resume(Some(site), site.program, &message, world, came))
                }
                Next::Site(end) => {
                    begun = end;
                    None
                }
                Next::Done(_) => None,
            };
        }
    }
    let message = rules.unmarked(message, &mut begun);
    if begun.ended {
        return (begun.into_evaluation(), message);
    }
    let mut next = super::start(begun, None, rules.user, &message, world, detail);
    loop {
        next = match next {
            Next::Done(evaluation) => return (evaluation, message),
            Next::Site(begun) => return (begun.into_evaluation(), message),
            Next::Filter(paused) => {
                paused.resume(None, rules.user, &message, world, Filtered::NotRun)
            }
        };
    }
}

impl Run<'_> {
    /// A place in the rules, as it is known to plan and trace.
    pub(super) fn span(&self, span: Span) -> Span {
        match &self.site {
            Some(site) => Span { file: span.file + site.first_file(), ..span },
            None => span,
        }
    }

    /// Whether the category of site rules runs; the trace says why it does not.
    pub(super) fn enter(&mut self, category: u32, span: Span, line: u32) -> bool {
        let program = self.conditions.program;
        let name = program.categories.get(category as usize).map(|category| category.name.as_str());
        self.category = name.map(str::to_owned);
        let off = self.site.and_then(|site| site.off(category));
        if self.conditions.take_tests().is_some() {
            let verdict = off.clone().map_or(Verdict::Yes, Verdict::Skipped);
            let tests = off.iter().map(|why| Tested {
                span,
                verdict: Verdict::Skipped(why.clone()),
                why: why.clone(),
            });
            let tests = tests.collect();
            self.trace.looked.push(Looked { span, line, depth: 0, verdict, tests });
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
                let new = self.plan.steps.get(before..).unwrap_or_default();
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
        self.plan.steps.splice(before..before, told);
    }

    /// `site.mailrules:12`
    fn place(&self, rule: &RuleRef) -> String {
        let first = self.site.map_or(0, |site| site.first_file());
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
