//! `mfilter import … --try`: old mail judged by the new rules, and by the program that
//! the foreign rules were written for, if it is installed. Nothing is changed anywhere.

use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::import_judge::{ForeignProgram, destination};
use super::output::{self, say};
use crate::evaluate::{Detail, FilterOutcome, FilterRunner, run as run_rules};
use crate::import::ImportResult;
use crate::load;
use crate::mailbox;
use crate::message::{HeaderEdit, Message};
use crate::plan::{Folder, Plan, StepKind};
use crate::report;
use crate::rules::compiled::CompiledProgram;
use crate::rules::rule_set::RuleSet;
use crate::user::User;
use crate::world::World;

/// How many messages are judged.
const MOST_MESSAGES: usize = 500;

/// Judges mail by both, prints the messages that they file differently, and returns how
/// many those are. An error in place of `judge` says why there is no such program.
pub(super) fn judge(
    judge: Result<ForeignProgram, String>,
    imported: &ImportResult,
    mail: &Path,
) -> Result<usize, String> {
    let user = User::of_process();
    let path = Path::new("mailrules");
    let home = user.home();
    let nothing = &mut |_: &Path| Err(io::ErrorKind::NotFound.into());
    let (_, checked) = load::check_bytes(path, imported.rules.as_bytes(), home, nothing);
    let program = checked.program.ok_or("the rules have a mistake")?;
    let plain = World { now: Some(Timestamp::now()), ..World::of(user) };
    let world = match super::location(None, &program, &plain) {
        Ok(location) => super::with_mail(plain, &program, &location, false),
        Err(_) => plain,
    };
    let rules = RuleSet::alone(CompiledProgram::new(program));
    let mut tried = TrialCounts::default();
    for source in
        mailbox::message_sources_in([(PathBuf::from(mail), Folder::default())]).take(MOST_MESSAGES)
    {
        let opened = source.and_then(|source| source.open().map(|message| (source.label, message)));
        let (label, message) = match opened {
            Ok(opened) => opened,
            Err(failure) => {
                output::error(&failure.to_string());
                continue;
            }
        };
        tried.messages += 1;
        let sender = world.envelope_sender(&message).unwrap_or_default();
        let foreign = match &judge {
            Ok(judge) => judge.judge(&message, &sender)?,
            Err(_) => None,
        };
        let mut programs = LeftOut(false);
        let run = run_rules(&rules, message, &world, Detail::Plan, &mut programs);
        let own = destinations(&run.evaluation.plan);
        match foreign {
            None if judge.is_err() => {
                output::report(&format!("{label}: {}\n", own.join(", ")));
            }
            // The script fails: that says nothing about the rules.
            None => tried.failed += 1,
            Some(foreign) if foreign != own => {
                tried.different += 1;
                let (foreign, own) = (foreign.join(", "), own.join(", "));
                let name = judge.as_ref().map_or("", ForeignProgram::name);
                let name = format!("{name}:");
                output::report(&format!("{label}\n    {name:<9} {foreign}\n    mfilter:  {own}\n"));
                if programs.0 {
                    tried.after_program += 1;
                    output::report(&say(
                        "    (a program comes before, which `--try` does not run)\n",
                    ));
                }
            }
            Some(_) => {}
        }
    }
    output::report(&tried.summary(judge.as_ref().err()));
    Ok(tried.different)
}

/// Whether a program was left out that may change or judge the message. It is left out of
/// the foreign rules, too, but may be so in another way.
struct LeftOut(bool);

impl FilterRunner for LeftOut {
    fn filter(&mut self, _: &[String], _: &Message, _: &[HeaderEdit]) -> FilterOutcome {
        self.0 = true;
        FilterOutcome::NotRun
    }
}

#[derive(Default)]
struct TrialCounts {
    messages: usize,
    different: usize,
    /// Those of them for which a program is left out.
    after_program: usize,
    failed: usize,
}

impl TrialCounts {
    fn summary(&self, missing: Option<&String>) -> String {
        let TrialCounts { messages, different, after_program, failed } = self;
        let text = match missing {
            Some(why) => format!("{messages} messages by the new rules alone: {why}"),
            None => format!("{messages} messages, {different} are filed differently"),
        };
        let mut text = say(&text).into_owned();
        if *after_program > 0 {
            text.push_str(&say(&format!(
                "; {after_program} of them after a program that is left out"
            )));
        }
        if *failed > 0 {
            text.push_str(&say(&format!("; with {failed} of them the script fails")));
        }
        text.push('\n');
        text
    }
}

/// Where a plan puts a message, sorted.
fn destinations(plan: &Plan) -> Vec<String> {
    let mut found = Vec::new();
    for step in &plan.steps {
        match &step.kind {
            StepKind::Deliver { folder, flags, .. } => {
                let mut letters: Vec<String> = flags.letters.chars().map(String::from).collect();
                letters.extend(flags.keywords.iter().map(|word| word.to_ascii_lowercase()));
                found.push(destination(&folder.to_string(), letters));
            }
            StepKind::Forward { to, .. } => {
                found.extend(to.iter().map(|to| format!("to {}", to.to_ascii_lowercase())));
            }
            StepKind::Discard { .. } if found.is_empty() => {}
            StepKind::Reject { .. } => found.push("refused".into()),
            StepKind::Defer { .. } => found.push("deferred".into()),
            StepKind::Pipe { .. } => found.push("a program".into()),
            _ => {}
        }
    }
    if found.is_empty() {
        found.push(report::destination(plan));
    }
    found.sort();
    found.dedup();
    found
}
