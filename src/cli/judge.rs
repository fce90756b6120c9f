//! `mfilter judge`: where the message on standard input belongs, for programs that
//! file mail themselves. Nothing is stored, sent or run.

use serde_json::{Value, json};

use super::args::{DeliveryOptions, separator};
use super::{CommandOutcome, output};
use crate::evaluate::{self, Detail, NoFilters};
use crate::load;
use crate::log;
use crate::plan::{DeliveryWord, Folder, Plan, StepKind};
use crate::report;
use crate::text::json_line;
use crate::user::User;
use crate::world::FolderSource;

/// `mfilter judge`
#[derive(clap::Args, Debug)]
pub(super) struct JudgeArgs {
    #[command(flatten)]
    pub(super) delivery: DeliveryOptions,

    /// The separator between folder levels [default: /]
    #[arg(long, value_name = "SIGN", value_parser = separator)]
    pub(super) separator: Option<char>,

    /// The folder and each flag on a line of its own, as maddy's `imap_filter` reads them
    #[arg(long, conflicts_with = "json")]
    pub(super) lines: bool,

    /// One JSON object
    #[arg(long)]
    pub(super) json: bool,
}

/// The separator between folder levels if no option sets it.
const SEPARATOR: char = '/';

pub(super) fn run(call: &JudgeArgs) -> Result<CommandOutcome, String> {
    let user = User::of_process();
    // As in a delivery: a program that files mail cannot wait until a mistake is fixed.
    let is_named = call.delivery.mailbox.files.rules.is_some();
    let file = load::rules_file(call.delivery.mailbox.files.rules.as_deref(), &user).ok();
    let in_force = match &file {
        Some(path) => load::in_force(path, is_named, &user, load::Verification::AtOnce)?,
        None => load::none(),
    };
    if let Some(notice) = &in_force.notice {
        if is_named && notice.kind == load::NoticeKind::Missing && !notice.last_valid {
            return Err(notice.text.trim_end().to_owned());
        }
        let first = notice.text.lines().find(|line| !line.trim().is_empty());
        let instead =
            if notice.last_valid { "the last valid ones are used" } else { "none are used" };
        let first = first.unwrap_or_default();
        output::error(&format!("the rules cannot be used, so {instead}: {first}"));
    }
    let site = load::site::in_force(call.delivery.mailbox.files.site.as_deref());
    if let Some(note) = &site.note {
        if site.not_now {
            return Err(note.clone());
        }
        output::error(note);
    }
    let (rules, note) = load::rule_set(in_force.compiled, site.compiled, &user)?;
    note.iter().for_each(|note| output::error(note));
    let plain = call.delivery.world(None, user);
    let location = super::location(call.delivery.mailbox.maildir.as_deref(), &rules.user, &plain)?;
    let mut world = super::with_mail(plain, &rules.user, &location, true);
    if !location.path.is_dir() {
        world.folders = FolderSource::OtherStore;
    }
    let source = super::test::message_on_stdin()?;
    let message = source.open().map_err(|failure| failure.to_string())?;
    let run = evaluate::run(&rules, message, &world, Detail::Plan, &mut NoFilters);
    let unread = run.message.failure().map(|why| format!("the message cannot be read: {why}"));
    let damaged = run.damaged.then(|| "the cached rules are damaged".to_owned());
    let temporary_failure = world.temporary_failure().map(str::to_owned);
    if let Some(why) = unread.or(damaged).or(temporary_failure) {
        return Err(why);
    }
    let plan = &run.evaluation.plan;
    let separator = call.separator.unwrap_or(SEPARATOR);
    let outcome = report::outcome(plan);
    output::print(&if call.json {
        json_line(&as_json(plan, outcome, separator, &rules.files())) + "\n"
    } else {
        let (folder, flags) = home(plan, separator);
        let between = if call.lines { "\n" } else { "\t" };
        [vec![folder], flags].concat().join(between) + "\n"
    });
    if plan.home().is_some() || outcome == "deliver" {
        return Ok(CommandOutcome::Fine);
    }
    if !call.json {
        output::error(&format!("the rules do not file it: {outcome}; keep it in the inbox"));
    }
    Ok(CommandOutcome::Found)
}

/// Where the message belongs, and its flags in IMAP's form. A message that is not filed
/// belongs in the inbox, so that the caller loses nothing.
fn home(plan: &Plan, separator: char) -> (String, Vec<String>) {
    match plan.home_step().map(|step| &step.kind) {
        Some(StepKind::Deliver { folder, flags, .. }) => (named(folder, separator), flags.imap()),
        _ => (named(&Folder::default(), separator), Vec::new()),
    }
}

/// The name of a folder with `separator` between its levels; the separator is replaced in
/// the levels' own names.
fn named(folder: &Folder, separator: char) -> String {
    if folder.parts.is_empty() {
        return folder.to_string();
    }
    let parts = folder.parts.iter().map(|part| part.replace(separator, "_"));
    parts.collect::<Vec<_>>().join(&separator.to_string())
}

fn as_json(plan: &Plan, outcome: &str, separator: char, files: &[&str]) -> Value {
    let (folder, flags) = home(plan, separator);
    let (mut copies, mut not_done) = (Vec::new(), Vec::new());
    let home = plan.home();
    for (number, step) in plan.steps.iter().enumerate() {
        match &step.kind {
            _ if Some(number) == home => {}
            StepKind::Deliver {
                as_: DeliveryWord::Copy | DeliveryWord::FileInto,
                folder,
                flags,
            } => {
                copies.push(json!({"folder": named(folder, separator), "flags": flags.imap()}));
            }
            StepKind::Deliver { .. } | StepKind::Remember { .. } | StepKind::Skipped { .. } => {}
            other => not_done.push(json!(other.words())),
        }
    }
    let last = home.and_then(|number| plan.steps.get(number)).or(plan.steps.last());
    let rule = last.and_then(|step| step.rule.as_ref()).map(|rule| log::place(rule, files));
    json!({
        "outcome": outcome,
        "folder": folder,
        "flags": flags,
        "copies": copies,
        "not_done": not_done,
        "rule": rule,
    })
}
